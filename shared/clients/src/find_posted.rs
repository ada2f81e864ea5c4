//! Searches a channel or a thread for a delivery's message, before it is posted again.

use jiff::Timestamp;
use jobs::card_delivery::is_marked_as;
use runtime::clock::MAX_PROVIDER_SKEW;
use slack::client::HistoryMessage;
use slack::{MessageRef, Posted};

use crate::{Failure, WorkspaceClient};

/// The message that is marked with this delivery's id, among those posted to `place` since shortly before `since`.
pub async fn find_posted(
    workspace: &WorkspaceClient,
    place: &str,
    since: Timestamp,
    delivery: &str,
) -> Result<Option<Posted>, Failure> {
    let (channel, thread) = match MessageRef::from(place) {
        MessageRef::Channel(channel) => (channel, None),
        MessageRef::Thread(parent) => (parent.channel, Some(parent.ts)),
        // A file is found by its id.
        MessageRef::File(_) => return Ok(None),
    };
    let oldest = format!("{}.000000", (since - MAX_PROVIDER_SKEW).as_second());
    let mut cursor = None;
    loop {
        let page = match &thread {
            Some(parent) => match workspace.replies(&channel, parent, &oldest, cursor.as_deref()).await {
                // With its parent the whole thread is gone.
                Err(failure) if failure.code() == "thread_not_found" => return Ok(None),
                page => page?,
            },
            None => workspace.history(&channel, &oldest, cursor.as_deref()).await?,
        };
        let is_ours = |message: &HistoryMessage| {
            message.metadata.as_ref().is_some_and(|metadata| is_marked_as(metadata, delivery))
        };
        if let Some(message) = page.items.into_iter().find(is_ours) {
            return Ok(Some(Posted { channel: channel.clone(), ts: message.ts }));
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}
