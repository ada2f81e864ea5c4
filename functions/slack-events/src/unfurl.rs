//! Links to deals and tasks, shown as cards: with the rights of who pasted them, and without fields where strangers read.

use connect::Failure;
use platform::Kind;
use platform::job::Job;
use slack::event::EventCallback;
use slack::{Message, Ts};
use talk::Tenant;
use talk::people::Acting;
use talk::records::Linked;

use crate::Deps;
use crate::decide::Decision;

/// Links shown of one message.
const MOST_LINKS: usize = 5;

pub(crate) async fn unfurl(
    deps: &Deps,
    job: &Job<EventCallback>,
    tenant: &Tenant,
    channel: &str,
    ts: &str,
    user: &str,
    links: &[String],
) -> Result<Decision, Failure> {
    let known: Vec<(&String, Linked)> = links
        .iter()
        .filter_map(|link| Some((link, Linked::read(link, &tenant.portal.domain)?)))
        .take(MOST_LINKS)
        .collect();
    if known.is_empty() {
        return Ok(Decision::skip("no link to a deal or task of this portal"));
    }
    let Acting::As(person) = deps.talk.acting(tenant, user).await? else {
        return Ok(Decision::skip("unmapped: who pasted the link is nobody we know in Bitrix24"));
    };
    let strangers = job.body.is_shared_channel && !tenant.settings.commands.fields_in_shared_channels;
    let mut cards: Vec<(String, Message)> = Vec::new();
    for (link, linked) in known {
        match deps.talk.linked_card(tenant, person.user, linked, strangers).await {
            Ok(Some(card)) => cards.push((link.clone(), card)),
            // What they may not see is not shown; the link stays a link.
            Ok(None) | Err(Failure { kind: Kind::Permanent { .. }, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    if cards.is_empty() {
        return Ok(Decision::skip("who pasted the link may not see the record, or it is not there"));
    }
    tenant.slack.unfurl(channel, &Ts::from(ts), &cards).await?;
    Ok(Decision { record: Some(format!("{} link(s)", cards.len())), ..Decision::did("link.unfurled") })
}
