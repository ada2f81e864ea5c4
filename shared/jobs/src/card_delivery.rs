//! A card's delivery to Slack, as its queue carries it.

use records::{ChangeKind, RecordRef};
use runtime::DeliveryId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::schema::Thread;
use slack::{Metadata, Mrkdwn, SlackMessage};

/// The metadata type under which a delivery's id travels with its message.
const METADATA_EVENT: &str = "switchboard_delivery";
/// The field of the metadata that has the id.
const DELIVERY_ID: &str = "delivery_id";
/// The field of the metadata that has the digest of what a card says.
const SAYING: &str = "saying";

/// What a delivery's message is marked with, to be found again.
pub fn marked_as(delivery: &str) -> Metadata {
    Metadata { event_type: METADATA_EVENT.into(), event_payload: json!({ DELIVERY_ID: delivery }) }
}

/// The same for a card that says something of a record. What is said is a digest: the same words about the same record
/// have the same.
pub fn marked_as_saying(delivery: &str, saying: &DeliveryId) -> Metadata {
    let event_payload = json!({ DELIVERY_ID: delivery, SAYING: saying });
    Metadata { event_type: METADATA_EVENT.into(), event_payload }
}

/// What a card says of a record, as a digest.
pub fn saying_of(record: &RecordRef, text: &Mrkdwn) -> DeliveryId {
    DeliveryId::of(&["saying", &record.to_string(), text.as_str()])
}

/// The digest of what a message says, if it is one of our cards.
pub fn saying_marked(metadata: &Metadata) -> Option<&str> {
    (metadata.event_type == METADATA_EVENT).then(|| metadata.event_payload[SAYING].as_str())?
}

/// The delivery that a message is marked with, if it is one of ours.
pub fn delivery_marked(metadata: &Metadata) -> Option<&str> {
    (metadata.event_type == METADATA_EVENT).then(|| metadata.event_payload[DELIVERY_ID].as_str())?
}

/// A card on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackDelivery {
    /// Its id, which follows from its cause.
    pub delivery: String,
    /// The route that sends it.
    pub route: String,
    /// Where it goes.
    #[serde(flatten)]
    pub destination: CardDestination,
    /// What it is about: `deal 42`.
    pub record: RecordRef,
    /// The change that it reports.
    pub change: String,
    /// The card.
    pub message: SlackMessage,
    /// The channel for a card that cannot go where it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// How it relates to earlier cards of the record.
    #[serde(default)]
    pub thread: Thread,
    /// The change in one line, for the thread of a live card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Mrkdwn>,
}

impl SlackDelivery {
    /// Whether later cards of the record may reply to this one.
    pub fn begins_thread(&self) -> bool {
        self.thread != Thread::None || ChangeKind::parse(&self.change).is_some_and(|kind| kind.begins_thread())
    }
}

/// Where a card goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "DestinationFields", into = "DestinationFields")]
pub enum CardDestination {
    Channel {
        /// Its name or id.
        name: String,
        /// Whether it may be made if it is missing.
        may_create: bool,
    },
    Person(PortalPerson),
}

impl CardDestination {
    pub fn channel(name: impl Into<String>) -> Self {
        Self::Channel { name: name.into(), may_create: false }
    }

    /// What identifies it, even after a person was renamed.
    pub fn key(&self) -> String {
        match self {
            Self::Channel { name, .. } => name.trim_start_matches('#').to_owned(),
            Self::Person(person) => format!("user#{}", person.user),
        }
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Channel { name, .. } => name.clone(),
            Self::Person(person) => person.destination(),
        }
    }
}

/// A destination as jobs keep it.
#[derive(Serialize, Deserialize)]
struct DestinationFields {
    channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<PortalPerson>,
    #[serde(default)]
    may_create: bool,
}

impl From<DestinationFields> for CardDestination {
    fn from(fields: DestinationFields) -> Self {
        match fields.person {
            Some(person) => Self::Person(person),
            None => Self::Channel { name: fields.channel, may_create: fields.may_create },
        }
    }
}

impl From<CardDestination> for DestinationFields {
    fn from(destination: CardDestination) -> Self {
        let channel = destination.name();
        match destination {
            CardDestination::Channel { may_create, .. } => Self { channel, person: None, may_create },
            CardDestination::Person(person) => Self { channel, person: Some(person), may_create: false },
        }
    }
}

/// A person of the portal, with what helps to find them in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalPerson {
    /// Their number on the portal.
    pub user: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their e-mail there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their Slack id, if the settings name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
}

impl PortalPerson {
    /// The name of their direct messages in ledger and logs.
    pub fn destination(&self) -> String {
        match &self.name {
            Some(name) => format!("@{name} (user {})", self.user),
            None => format!("@user {}", self.user),
        }
    }
}
