//! From a channel's name to its id. Settings name channels; Slack's history can only be read by id.

use std::time::Duration;

use runtime::clock::{Clock, later};
use runtime::store::{ItemKey, Store, StoreWrite, Table, WriteCondition};
use slack::ChannelId;

use crate::failure::Failure;
use crate::workspace::WorkspaceClient;

/// How long a look-up is cached.
const CHANNEL_TTL: Duration = Duration::from_secs(60 * 60);
/// How long it is remembered that the workspace has no channel of a name, for those who ask at every message.
const ABSENCE_TTL: Duration = Duration::from_secs(5 * 60);
/// The code of the failure if there is none.
const NOT_FOUND: &str = "channel_not_found";

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
    let key = key(workspace, name.to_owned());
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
    if !fresh && let Some(item) = store.get(&key(workspace, name.clone())).await? {
        return Ok(item.decode()?);
    }
    let found = find_channel(workspace, &name).await?;
    note(workspace, store, clock, &name, &found).await?;
    Ok(found)
}

/// The channel of this name, `None` if the workspace has none, as was found some minutes ago at most.
pub(crate) async fn resolve_if_there(
    workspace: &WorkspaceClient,
    store: &dyn Store,
    clock: &dyn Clock,
    named: &str,
) -> Result<Option<ChannelId>, Failure> {
    let name = named.trim_start_matches('#').to_lowercase();
    let absence = key(workspace, format!("#absent#{name}"));
    if !is_id(named) && store.get(&key(workspace, name)).await?.is_none() && store.get(&absence).await?.is_some() {
        return Ok(None);
    }
    match resolve(workspace, store, clock, named, false).await {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.code() == NOT_FOUND => {
            let noted = StoreWrite::new(absence, &(), WriteCondition::Always)?;
            store.put(noted.expiring(later(clock.now(), ABSENCE_TTL))).await?;
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn key(workspace: &WorkspaceClient, name: String) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#channel", workspace.tenant()), name)
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
                NOT_FOUND,
                format!("the workspace has no channel #{name} that the bot can see and that is not archived"),
            ));
        }
    }
}
