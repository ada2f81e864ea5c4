//! A message to post.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::block::{Block, MAX_BLOCKS};
use crate::id::{ChannelId, Ts};
use crate::text::Mrkdwn;

/// Slack cuts a text at 40,000 and asks for less than this.
const TEXT: usize = 4000;
/// Before the id of a file, where it names a place.
const FILE: &str = "file:";

/// What is shown, and what notifications and screen readers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackMessage {
    /// The fallback: what a notification says.
    pub text: Mrkdwn,
    /// What is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
}

impl SlackMessage {
    /// A message; blocks beyond the fiftieth are dropped.
    pub fn new(text: Mrkdwn, blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { text: text.cut(TEXT), blocks: blocks.into_iter().take(MAX_BLOCKS).collect() }
    }
}

/// Under whose name a message is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub name: String,
    /// A public picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// Data that travels with a message and comes back in the history. Other apps may read it: ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What kind of data.
    pub event_type: String,
    /// The data.
    pub event_payload: Value,
}

/// Where a posted message is. Written as `C1/1700.1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    pub channel: ChannelId,
    /// Its time there.
    pub ts: Ts,
}

impl fmt::Display for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.channel, self.ts)
    }
}

/// Where the effect of a call would be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageRef {
    /// Among the messages of a channel: `C1`.
    Channel(ChannelId),
    /// Among the replies to a message: `C1/1700.1`.
    Thread(Posted),
    /// In the shares of a file: `file:F1`.
    File(String),
}

impl MessageRef {
    /// Below `parent`, or in the channel itself.
    pub fn below(channel: &ChannelId, parent: Option<&Ts>) -> Self {
        match parent {
            Some(ts) => Self::Thread(Posted { channel: channel.clone(), ts: ts.clone() }),
            None => Self::Channel(channel.clone()),
        }
    }

    /// The message that begins the thread, if it is in one.
    pub fn thread(&self) -> Option<&Ts> {
        match self {
            Self::Thread(parent) => Some(&parent.ts),
            Self::Channel(_) | Self::File(_) => None,
        }
    }
}

impl fmt::Display for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => channel.fmt(f),
            Self::Thread(parent) => parent.fmt(f),
            Self::File(id) => write!(f, "{FILE}{id}"),
        }
    }
}

impl From<&str> for MessageRef {
    fn from(text: &str) -> Self {
        if let Some(id) = text.strip_prefix(FILE) {
            return Self::File(id.into());
        }
        match text.split_once('/') {
            Some((channel, ts)) => Self::Thread(Posted { channel: channel.into(), ts: ts.into() }),
            None => Self::Channel(text.into()),
        }
    }
}

impl From<MessageRef> for String {
    fn from(place: MessageRef) -> Self {
        place.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let (channel, parent) = (ChannelId::from("C1"), Ts::from("1700.1"));
        for (place, text) in [
            (MessageRef::below(&channel, None), "C1"),
            (MessageRef::below(&channel, Some(&parent)), "C1/1700.1"),
            (MessageRef::File("F1".into()), "file:F1"),
        ] {
            assert_eq!(place.to_string(), text);
            assert_eq!(MessageRef::from(text), place);
        }
        assert_eq!(MessageRef::from("C1/1700.1").thread(), Some(&parent));
        assert_eq!(Posted { channel, ts: parent }.to_string(), "C1/1700.1");
    }
}
