//! Slack on the wire: Block Kit messages that are never refused for their size, and the Web API.
//!
//! What Slack really does is written down in `docs/providers/slack.md`. It knows no AWS, no Bitrix24 and no
//! store.

pub mod block;
pub mod client;
pub mod error;
pub mod id;
pub mod message;
pub mod text;

pub use block::Block;
pub use client::{ApiBase, Client};
pub use error::{Error, Kind};
pub use id::{ChannelId, TeamId, Ts};
pub use message::{Message, Metadata, Posted};
pub use text::{Mrkdwn, Plain};
