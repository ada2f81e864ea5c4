//! Links to deals and tasks, shown as cards: with the rights of the person who pasted them, and without fields in
//! channels that outsiders read.

use std::time::Duration;

use clients::Failure;
use commands::answers;
use commands::unfurl::{Linked, linked_card};
use crm::views::needs_permission;
use runtime::Kind;
use runtime::clock::later;
use runtime::job::ReceivedJob;
use runtime::store::{Condition, Key, StoreError, Table, Write};
use slack::event::EventCallback;
use slack::{Message, Ts};
use user_mapping::Tenant;
use user_mapping::mapping::Acting;

use crate::Deps;
use crate::decide::Understood;

/// Links shown of one message.
const MAX_LINKS: usize = 5;
/// How often somebody is asked for their permission below links that they paste.
const HINT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn unfurl(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &Tenant,
    channel: &str,
    ts: &str,
    user: &str,
    links: &[String],
) -> Result<Understood, Failure> {
    let known: Vec<(&String, Linked)> = links
        .iter()
        .filter_map(|link| Some((link, Linked::read(link, &tenant.portal.domain)?)))
        .take(MAX_LINKS)
        .collect();
    if known.is_empty() {
        return Ok(Understood::skip("no link to a deal or task of this portal"));
    }
    let person = match deps.talk.acting(tenant, user).await? {
        Acting::As(person) => person,
        Acting::Dismissed => {
            return Ok(Understood::skip("the person who pasted the link is no longer active in Bitrix24"));
        }
        Acting::Nobody { .. } => {
            return Ok(Understood::skip("unmapped: the person who pasted the link is not linked to a Bitrix24 user"));
        }
    };
    let rights = match deps.talk.rights(tenant, person.user).await {
        Err(Failure { kind: Kind::Permanent { code }, .. }) if needs_permission(&code) => {
            hint(deps, tenant, channel, user).await?;
            return Ok(Understood::skip(
                "the person who pasted the link has not allowed Switchboard to use their rights",
            ));
        }
        rights => rights?,
    };
    let strangers = job.body.is_shared_channel && !tenant.settings.commands.fields_in_shared_channels;
    let mut cards: Vec<(String, Message)> = Vec::new();
    for (link, linked) in known {
        match linked_card(&deps.talk, tenant, &rights, linked, strangers).await {
            Ok(Some(card)) => cards.push((link.clone(), card)),
            // What they may not see is not shown; the link stays a link.
            Ok(None) | Err(Failure { kind: Kind::Permanent { .. }, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    if cards.is_empty() {
        return Ok(Understood::skip("the person who pasted the link may not see the record, or it does not exist"));
    }
    tenant.slack.unfurl(channel, &Ts::from(ts), &cards).await?;
    Ok(Understood { record: Some(format!("{} link(s)", cards.len())), ..Understood::did("link.unfurled") })
}

/// Asks who pasted a link for their permission, seen by them alone and at most once a day.
async fn hint(deps: &Deps, tenant: &Tenant, channel: &str, user: &str) -> Result<(), Failure> {
    let now = deps.clock.now();
    let key = Key::new(Table::Links, format!("{}#person", tenant.id), format!("hint#{user}"));
    let write = Write::new(key, &now, Condition::Absent)?.expiring(later(now, HINT_EVERY));
    match deps.talk.ports.store.put(write).await {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    match tenant.slack.whisper(channel, user, &answers::allow_later(tenant.settings.language)).await {
        // We may not be in that channel; the home tab and the commands ask, too.
        Err(Failure { kind: Kind::Permanent { .. }, .. }) => Ok(()),
        said => said,
    }
}
