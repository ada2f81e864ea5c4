//! A card's delivery to Slack, as its queue carries it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::schema::Thread;
use slack::{Message, Metadata, Mrkdwn};

/// The metadata type under which a delivery's id travels with its message.
const METADATA_EVENT: &str = "switchboard_delivery";

/// What a delivery's message is marked with, to be found again.
pub fn marked_as(delivery: &str) -> Metadata {
    Metadata { event_type: METADATA_EVENT.into(), event_payload: json!({"delivery_id": delivery}) }
}

/// A card on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackDelivery {
    /// Its id, which follows from its cause.
    pub delivery: String,
    /// The route that sends it.
    pub route: String,
    /// The destination, as the route writes it; for a person, see `person`.
    pub channel: String,
    /// What it is about: `deal 42`.
    pub record: String,
    /// The change that it reports.
    pub change: String,
    /// The card.
    pub message: Message,
    /// The person it goes to, instead of a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The channel for a card that cannot go where it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// How it relates to earlier cards of the record.
    #[serde(default)]
    pub thread: Thread,
    /// The change in one line, for the thread of a live card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Mrkdwn>,
    /// Whether the channel may be made if it is missing.
    #[serde(default)]
    pub may_create: bool,
}

/// A person of the portal, with what helps to find them in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their number on the portal.
    pub user: u64,
    /// Their name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their e-mail there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their Slack id, if the settings name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
}

impl Person {
    /// The name of their direct messages in ledger and logs.
    pub fn destination(&self) -> String {
        match &self.name {
            Some(name) => format!("@{name} (user {})", self.user),
            None => format!("@user {}", self.user),
        }
    }
}
