//! From a channel's name to its id. Settings name channels; Slack's history can only be read by id.

use std::time::Duration;

use runtime::clock::{Clock, later};
use runtime::store::{ItemKey, Store, StoreWrite, Table, WriteCondition};
use slack::ChannelId;

use crate::failure::Failure;
use crate::workspace::WorkspaceClient;

/// How long a look-up is cached.
const CHANNEL_TTL: Duration = Duration::from_secs(60 * 60);

/// Slack's ids of channels (C), private groups (G) and direct messages (D).
fn is_id(text: &str) -> bool {
    text.len() >= 9
        && text.starts_with(['C', 'G', 'D'])
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Notes which channel has a name now.
pub(crate) async fn note(
    workspace: &WorkspaceClient,
    store: &dyn Store,
    clock: &dyn Clock,
    name: &str,
    id: &ChannelId,
) -> Result<(), Failure> {
    let key = ItemKey::new(Table::Links, format!("{}#channel", workspace.tenant()), name.to_owned());
    store.put(StoreWrite::new(key, id, WriteCondition::Always)?.expiring(later(clock.now(), CHANNEL_TTL))).await?;
    Ok(())
}

pub(crate) async fn resolve(
    workspace: &WorkspaceClient,
    store: &dyn Store,
    clock: &dyn Clock,
    named: &str,
    fresh: bool,
) -> Result<ChannelId, Failure> {
    if is_id(named) {
        return Ok(named.into());
    }
    let name = named.trim_start_matches('#').to_lowercase();
    let key = ItemKey::new(Table::Links, format!("{}#channel", workspace.tenant()), name.clone());
    if !fresh && let Some(item) = store.get(&key).await? {
        return Ok(item.decode()?);
    }
    let found = find_channel(workspace, &name).await?;
    note(workspace, store, clock, &name, &found).await?;
    Ok(found)
}

async fn find_channel(workspace: &WorkspaceClient, name: &str) -> Result<ChannelId, Failure> {
    let mut cursor = None;
    loop {
        let page = workspace.channels(cursor.as_deref()).await?;
        if let Some(channel) = page.items.into_iter().find(|channel| channel.name == name && !channel.is_archived) {
            return Ok(channel.id);
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Err(Failure::permanent(
                "channel_not_found",
                format!("the workspace has no channel #{name} that the bot can see and that is not archived"),
            ));
        }
    }
}
