//! Messages of bridged conversations, as the delivery queues of either side carry them.

use bitrix24::chat::ChatFile;
use runtime::DeliveryId;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use slack::Author;
use slack::event::File;

use crate::card_delivery::SlackDelivery;

/// Something to do in a Bitrix24 chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToBitrix24 {
    /// The delivery's id, which follows from its cause.
    pub delivery: String,
    /// The channel that it comes from.
    pub channel: String,
    /// The chat that it goes to.
    pub dialog: String,
    /// The message in Slack that it is about.
    pub ts: String,
    /// What to do.
    pub act: InBitrix24,
}

/// What to do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum InBitrix24 {
    /// Write a part of a message.
    Post {
        /// The text, with markup.
        text: String,
        /// The thread's first message, if it is a reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<String>,
        /// The last edit that the text has in it, by Slack's clock; empty if none is known.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        edited: String,
    },
    /// Send a message of the bot itself.
    Say {
        /// The text, with markup.
        text: String,
        /// The command that it answers, and the message that contains the command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<(u64, u64)>,
    },
    /// Share a file.
    Share {
        file: Box<File>,
        /// Who shared it.
        author: String,
    },
    /// Give the message another text.
    Edit {
        /// Its parts, with markup.
        parts: Vec<String>,
        /// When it was edited, by Slack's clock; empty where Slack did not say.
        #[serde(default)]
        at: String,
    },
    /// Remove files of the message that its author deleted.
    TakeBack {
        /// The files: id and name.
        files: Vec<(String, String)>,
        /// The ids of all files that the message had, in their order.
        had: Vec<String>,
    },
    /// Delete the message.
    Delete,
    /// Add or remove a reaction.
    React {
        /// Bitrix24's name of it.
        reaction: String,
        /// Who reacted.
        by: String,
        /// Whether it was added.
        added: bool,
    },
}

/// Something to do in a Slack channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToSlack {
    /// The delivery's id, which follows from its cause.
    pub delivery: String,
    /// The channel that it goes to.
    pub channel: String,
    /// The chat that it comes from.
    pub dialog: String,
    /// The message in Bitrix24 that it is about.
    pub message: u64,
    /// A digest of the text that it had there ([`text_digest`]); empty where no text is copied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// What to do.
    pub in_slack: InSlack,
}

/// What two texts have in common only if they are the same: by it a copy is known to be up to date.
pub fn text_digest(text: &str) -> String {
    DeliveryId::of(&["text", text]).as_str().to_owned()
}

/// What to do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum InSlack {
    /// Post a part of a message.
    Post {
        /// What it says.
        part: SlackPart,
        /// Under whose name.
        author: Author,
        /// The message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<u64>,
    },
    /// Share a file.
    Share {
        file: ChatFile,
        /// Under whose name.
        author: Author,
        /// The message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<u64>,
    },
    /// Give the message another text.
    Edit {
        parts: Vec<SlackPart>,
        /// Under whose name.
        author: Author,
    },
    /// Delete the message.
    Delete,
    /// Add or remove a reaction.
    React {
        /// Slack's name of it.
        name: String,
        /// Who reacted.
        by: String,
        /// Whether it was added.
        added: bool,
    },
}

/// A part of a message, as Slack accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackPart {
    /// What notifications say.
    pub text: String,
    /// What is shown: a `rich_text` block.
    pub block: Value,
}

/// A job for Slack: a card, or a message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum SlackJob {
    /// A message of a conversation.
    Chat(Box<ToSlack>),
    Card(Box<SlackDelivery>),
}

/// A job without a tag was queued by an earlier version: a message has `in_slack`, a card has not.
impl<'de> Deserialize<'de> for SlackJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let job = Value::deserialize(deserializer)?;
        let is_chat = match job.get("job").and_then(Value::as_str) {
            Some("chat") => true,
            Some("card") => false,
            Some(other) => return Err(D::Error::unknown_variant(other, &["chat", "card"])),
            None => job.get("in_slack").is_some(),
        };
        if is_chat { named(job).map(Self::Chat) } else { named(job).map(Self::Card) }
    }
}

/// Reads a value; an error names the field.
fn named<T: DeserializeOwned, E: serde::de::Error>(value: Value) -> Result<T, E> {
    serde_path_to_error::deserialize(value).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_of_before_is_still_a_card() {
        let card = json!({
            "delivery": "d", "route": "r", "channel": "#c", "record": "deal 1", "change": "deal.created",
            "message": {"text": "x"},
        });
        assert!(matches!(serde_json::from_value(card).unwrap(), SlackJob::Card(_)));
        let message = ToSlack {
            delivery: "d".into(),
            channel: "C1".into(),
            dialog: "chat1".into(),
            message: 1,
            digest: String::new(),
            in_slack: InSlack::Delete,
        };
        let job = serde_json::to_value(SlackJob::Chat(Box::new(message.clone()))).unwrap();
        assert_eq!(serde_json::from_value::<SlackJob>(job).unwrap(), SlackJob::Chat(Box::new(message)));
    }
}
