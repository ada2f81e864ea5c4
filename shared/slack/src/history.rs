//! A channel's history read for what people wrote there: what no event brought is found in it.

use serde_json::{Value, json};

use crate::attached::text;
use crate::event::{MessageChange, MessageEvent};

/// A message as a channel's history shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The message, as the event of it would be: deleted, if only a tombstone is left above its replies.
    pub message: MessageEvent,
    /// When it was last edited; empty if it never was.
    pub edited_at: String,
    /// The last reply to it; empty if there is none.
    pub latest_reply: String,
}

impl HistoryEntry {
    /// Reads a message of a channel's history; `None` for what has no time.
    pub fn read(channel: &str, shown: &Value) -> Option<Self> {
        let mut event = shown.clone();
        event.as_object_mut()?.insert("channel".into(), json!(channel));
        let mut message = MessageEvent::read(&event)?;
        if shown["subtype"] == "tombstone" {
            message.change = MessageChange::Deleted;
        }
        Some(Self { message, edited_at: text(&shown["edited"]["ts"]), latest_reply: text(&shown["latest_reply"]) })
    }
}

impl MessageEvent {
    /// The deletion of a message, of which nothing else is known.
    pub fn deleted(channel: &str, ts: &str) -> Option<Self> {
        Self::read(&json!({"subtype": "message_deleted", "channel": channel, "deleted_ts": ts}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_with_what_became_of_them() {
        let read = |shown: Value| HistoryEntry::read("C1", &shown).unwrap();
        let gone = read(
            json!({"ts": "1700000001.000100", "subtype": "tombstone", "text": "This message was deleted.", "thread_ts": "1700000001.000100"}),
        );
        assert_eq!((gone.message.change, gone.message.channel.as_str()), (MessageChange::Deleted, "C1"));
        let edited = read(
            json!({"ts": "1700000002.000100", "user": "U1", "text": "two", "edited": {"ts": "1700000005.000000"}}),
        );
        assert_eq!(edited.message.change, MessageChange::Posted);
        assert_eq!((edited.message.text.as_str(), edited.edited_at.as_str()), ("two", "1700000005.000000"));
        let parent = read(
            json!({"ts": "1700000003.000100", "thread_ts": "1700000003.000100", "latest_reply": "1700000009.000100"}),
        );
        assert_eq!((parent.latest_reply.as_str(), parent.message.thread), ("1700000009.000100", None));
        assert_eq!(HistoryEntry::read("C1", &json!({"type": "message"})), None);
        let deleted = MessageEvent::deleted("C1", "1700000001.000100").unwrap();
        assert_eq!((deleted.change, deleted.ts.as_str()), (MessageChange::Deleted, "1700000001.000100"));
    }
}
