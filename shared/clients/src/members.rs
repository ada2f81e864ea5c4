//! From a user of the portal to their direct messages in Slack, by the Slack id or the e-mail that the caller knows.
//! Cached.

use std::time::Duration;

use runtime::clock::{Clock, later};
use runtime::store::{ItemKey, Store, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use slack::ChannelId;

use crate::failure::Failure;
use crate::workspace::WorkspaceClient;

/// How long a look-up is believed; one that found nobody is tried again sooner.
const MEMBER_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const NO_MEMBER_TTL: Duration = Duration::from_secs(15 * 60);

#[derive(Serialize, Deserialize)]
struct FoundMember {
    /// Who was looked for: another e-mail is another search.
    by: String,
    channel: Option<ChannelId>,
}

/// The direct messages to the portal's user `user` (0 is nobody of the portal), by their Slack id or their e-mail; `None` if they are not in Slack.
pub(crate) async fn direct(
    workspace: &WorkspaceClient,
    store: &dyn Store,
    clock: &dyn Clock,
    user: u64,
    slack: Option<&str>,
    email: Option<&str>,
) -> Result<Option<ChannelId>, Failure> {
    let Some(by) = slack.or(email) else { return Ok(None) };
    // Those who have no user of the portal are known by their Slack id alone.
    let sort = if user == 0 { format!("slack#{by}") } else { format!("user#{user}") };
    let key = ItemKey::new(Table::Links, format!("{}#direct", workspace.tenant()), sort);
    if let Some(item) = store.get(&key).await? {
        let found: FoundMember = item.decode()?;
        if found.by == by {
            return Ok(found.channel);
        }
    }
    let id = match (slack, email) {
        (Some(id), _) => Some(id.to_owned()),
        (None, Some(email)) => workspace.member_by_email(email).await?.map(|user| user.id),
        (None, None) => None,
    };
    let channel = match id {
        Some(id) => workspace.open(&id).await?,
        None => None,
    };
    let keeps = if channel.is_some() { MEMBER_TTL } else { NO_MEMBER_TTL };
    let found = FoundMember { by: by.to_owned(), channel };
    store.put(StoreWrite::new(key, &found, WriteCondition::Always)?.expiring(later(clock.now(), keeps))).await?;
    Ok(found.channel)
}
