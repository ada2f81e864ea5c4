//! Links to deals and tasks, shown as cards: with the rights of the person who pasted them, and without fields in
//! channels that outsiders read.

use std::time::Duration;

use clients::{ErrorClass, Failure};
use crm::views::needs_permission;
use runtime::clock::later;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{Decision, Verdict};
use slack::{SlackMessage, Ts};
use user_mapping::mapping::Acting;
use user_mapping::{OpenTenant, TenantContext};

use crate::answers;
use crate::unfurl::{Linked, linked_card};

/// The most links of one message that are shown.
const MAX_LINKS: usize = 5;
/// How often a person is asked for their permission below their links.
const HINT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Links that a person pasted.
#[derive(Debug, Clone, Copy)]
pub struct SharedLinks<'a> {
    pub channel: &'a str,
    /// Whether outsiders read the channel.
    pub is_shared_channel: bool,
    /// The message.
    pub ts: &'a str,
    /// Who pasted them.
    pub user: &'a str,
    pub links: &'a [String],
}

/// Shows the links of a message as cards.
pub async fn unfurl(
    context: &TenantContext,
    tenant: &OpenTenant,
    shared: SharedLinks<'_>,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let SharedLinks { channel, is_shared_channel, ts, user, links } = shared;
    let known: Vec<(&String, Linked)> = links
        .iter()
        .filter_map(|link| Some((link, Linked::read(link, &tenant.portal.domain)?)))
        .take(MAX_LINKS)
        .collect();
    if known.is_empty() {
        return Ok(Verdict::skip("no link to a deal or task of this portal"));
    }
    let person = match context.acting(tenant, user).await? {
        Acting::As(person) => person,
        Acting::Dismissed => {
            return Ok(Verdict::skip("the person who pasted the link is no longer active in Bitrix24"));
        }
        Acting::Nobody { .. } => {
            return Ok(Verdict::skip("unmapped: the person who pasted the link is not linked to a Bitrix24 user"));
        }
    };
    let rights = match context.rights(tenant, person.user).await {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if needs_permission(&code) => {
            hint(context, tenant, channel, user).await?;
            return Ok(Verdict::skip("the person who pasted the link has not allowed Switchboard to use their rights"));
        }
        rights => rights?,
    };
    let strangers = is_shared_channel && !tenant.settings.commands.fields_in_shared_channels;
    let mut cards: Vec<(String, SlackMessage)> = Vec::new();
    for (link, linked) in known {
        match linked_card(context, tenant, &rights, linked, strangers).await {
            Ok(Some(card)) => cards.push((link.clone(), card)),
            // A card that the person may not see is not shown; the link remains a link.
            Ok(None) | Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    if cards.is_empty() {
        return Ok(Verdict::skip("the person who pasted the link may not see the record, or it does not exist"));
    }
    tenant.slack.unfurl(channel, &Ts::from(ts), &cards).await?;
    decision.line.record = Some(format!("{} link(s)", cards.len()));
    decision.line.changes = vec!["link.unfurled".to_owned()];
    Ok(Verdict::Commit)
}

/// Asks the person who pasted a link for their permission; only they see it, at most once a day.
async fn hint(context: &TenantContext, tenant: &OpenTenant, channel: &str, user: &str) -> Result<(), Failure> {
    let now = context.backend.clock.now();
    let key = ItemKey::new(Table::Links, format!("{}#person", tenant.id), format!("hint#{user}"));
    let write = StoreWrite::new(key, &now, WriteCondition::Absent)?.expiring(later(now, HINT_EVERY));
    match context.backend.store.put(write).await {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    match tenant.slack.whisper(channel, user, &answers::allow_later(tenant.settings.language)).await {
        // We may not be in that channel; the home tab and the commands ask too.
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(()),
        said => said,
    }
}
