//! A message to post.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::block::{Block, MAX_BLOCKS};
use crate::id::{ChannelId, Ts};
use crate::text::Mrkdwn;

/// Slack cuts a text at 40,000 and asks for less than this.
const TEXT: usize = 4000;

/// What is shown, and what notifications and screen readers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The fallback: what a notification says.
    pub text: Mrkdwn,
    /// What is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
}

impl Message {
    /// A message; blocks beyond the fiftieth are dropped.
    pub fn new(text: Mrkdwn, blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { text: text.cut(TEXT), blocks: blocks.into_iter().take(MAX_BLOCKS).collect() }
    }
}

/// Under whose name a message is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name.
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

/// Where a posted message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The channel.
    pub channel: ChannelId,
    /// Its time there.
    pub ts: Ts,
}
