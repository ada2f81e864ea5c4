//! Searches a channel or a thread for a delivery's message, before it is posted again.

use jiff::Timestamp;
use jobs::delivery::marked_as;
use runtime::clock::MAX_PROVIDER_SKEW;
use slack::{ChannelId, Posted, Ts};

use crate::{Failure, WorkspaceClient};

/// The place of a call that posts a message, for the delivery's line: `C1`, or `C1/1700000000.000100` in a thread.
pub fn post_place(channel: &ChannelId, thread: Option<&Ts>) -> String {
    thread.map_or_else(|| channel.0.clone(), |thread| format!("{channel}/{thread}"))
}

/// The message that is marked with this delivery's id, among those posted to `place` since shortly before `since`.
pub async fn find_posted(
    workspace: &WorkspaceClient,
    place: &str,
    since: Timestamp,
    delivery: &str,
) -> Result<Option<Posted>, Failure> {
    let (channel, thread) = place.split_once('/').map_or((place, None), |(channel, ts)| (channel, Some(Ts::from(ts))));
    let channel = &ChannelId::from(channel);
    let mark = marked_as(delivery);
    let oldest = format!("{}.000000", (since - MAX_PROVIDER_SKEW).as_second());
    let mut cursor = None;
    loop {
        let page = match &thread {
            Some(parent) => match workspace.replies(channel, parent, &oldest, cursor.as_deref()).await {
                // With its parent the whole thread is gone.
                Err(failure) if failure.code() == "thread_not_found" => return Ok(None),
                page => page?,
            },
            None => workspace.history(channel, &oldest, cursor.as_deref()).await?,
        };
        if let Some(message) = page.items.into_iter().find(|message| message.metadata.as_ref() == Some(&mark)) {
            return Ok(Some(Posted { channel: channel.clone(), ts: message.ts }));
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(None);
        }
    }
}
