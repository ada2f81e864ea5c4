//! Slack on the wire: requests from Slack, Block Kit messages that are never refused for their size, the Web API,
//! OAuth.
//!
//! How Slack really behaves is in `docs/providers/slack.md`. This crate knows nothing of AWS, Bitrix24 or a store.

pub mod answers;
pub mod attached;
pub mod block;
pub mod carries;
pub mod client;
pub mod command;
pub mod error;
pub mod event;
pub mod files;
pub mod form;
pub mod history;
pub mod id;
pub mod inbound;
pub mod interaction;
pub mod message;
pub mod oauth;
pub mod signature;
pub mod text;
pub mod users;
pub mod view;

pub use block::{Block, Element};
pub use client::{Client, SlackApiBase};
pub use error::Error;
pub use id::{ChannelId, TeamId, Ts};
pub use inbound::SlackInbound;
pub use message::{Author, MessageRef, Metadata, Posted, SlackMessage};
pub use text::{Mrkdwn, Plain};
pub use view::View;
