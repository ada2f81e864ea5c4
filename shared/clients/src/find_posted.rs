//! Searches a channel or a thread for a delivery's message, before it is posted again.

use clients::{Failure, WorkspaceClient};
use jiff::Timestamp;
use jobs::delivery::METADATA_EVENT;
use runtime::clock::MAX_PROVIDER_SKEW;
use slack::client::HistoryMessage;
use slack::{ChannelId, Posted, Ts};

/// The message that carries this delivery's id, among those posted since shortly before `started_at`.
pub(crate) async fn find(
    workspace: &WorkspaceClient,
    channel: &ChannelId,
    thread: Option<&Ts>,
    started_at: Timestamp,
    delivery: &str,
) -> Result<Option<Posted>, Failure> {
    let oldest = format!("{}.000000", (started_at - MAX_PROVIDER_SKEW).as_second());
    let mut cursor = None;
    loop {
        let page = match thread {
            Some(parent) => match workspace.replies(channel, parent, &oldest, cursor.as_deref()).await {
                // With its parent the whole thread is gone.
                Err(failure) if failure.code() == "thread_not_found" => return Ok(None),
                page => page?,
            },
            None => workspace.history(channel, &oldest, cursor.as_deref()).await?,
        };
        if let Some(message) = page.items.into_iter().find(|message| carries(message, delivery)) {
            return Ok(Some(Posted { channel: channel.clone(), ts: message.ts }));
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}

fn carries(message: &HistoryMessage, delivery: &str) -> bool {
    message.metadata.as_ref().is_some_and(|metadata| {
        metadata.event_type == METADATA_EVENT && metadata.event_payload["delivery_id"] == delivery
    })
}
