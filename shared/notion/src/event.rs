//! Webhook events. They say what changed, never its present value: hints.
//!
//! Source: <https://developers.notion.com/reference/webhooks-events-delivery>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What Notion posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotionInbound {
    /// The token of a new subscription. It is signed with itself and proves nothing.
    Verification {
        token: String,
    },
    Event(Box<NotionEvent>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotionEvent {
    /// Its identity: the same however often it is sent.
    pub id: String,
    /// What happened: `page.properties_updated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, to the millisecond; of several edits in one event, the last.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
    /// The workspace that it happened in.
    #[serde(default)]
    pub workspace_id: String,
    pub entity: Entity,
    #[serde(default)]
    pub data: Data,
    /// Who did it; more than one if one event has several edits.
    #[serde(default)]
    pub authors: Vec<Who>,
    /// Which try to deliver it this is.
    #[serde(default)]
    pub attempt_number: Option<u32>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    pub id: String,
    /// What it is: `page`, `data_source`, `database`, `comment`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// Somebody who edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub id: String,
    /// `person`, `bot` or `agent`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// More data of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Where the entity is; older events do not say.
    #[serde(default)]
    pub parent: EventParent,
    /// Of a comment: its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_id: Option<String>,
}

/// Where an entity is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventParent {
    /// The id of the database, page, block or space.
    #[serde(default)]
    pub id: Option<String>,
    /// The data source, of a row.
    #[serde(default)]
    pub data_source_id: Option<String>,
}

/// A body that is none of Notion's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is no event of Notion's: {0}")]
pub struct NotAnEvent(String);

impl NotionInbound {
    /// Reads a body. Call it only after its signature was checked, except for a verification.
    pub fn parse(body: &[u8]) -> Result<Self, NotAnEvent> {
        let value: Value = serde_json::from_slice(body).map_err(|error| NotAnEvent(error.to_string()))?;
        if let Some(token) = value["verification_token"].as_str() {
            return Ok(Self::Verification { token: token.to_owned() });
        }
        let event = serde_json::from_value(value).map_err(|error| NotAnEvent(error.to_string()))?;
        Ok(Self::Event(Box::new(event)))
    }
}

impl NotionEvent {
    /// Whether it is about a page.
    pub fn is_of_page(&self) -> bool {
        self.entity.kind == "page" && self.kind.starts_with("page.")
    }

    /// Whether it is about a data source or a database: its properties, its being there.
    pub fn is_of_schema(&self) -> bool {
        self.kind.starts_with("data_source.") || self.kind.starts_with("database.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_events_are_read_the_oldest_too() {
        let read = |text: &str| match NotionInbound::parse(text.as_bytes()).unwrap() {
            NotionInbound::Event(event) => event,
            NotionInbound::Verification { .. } => unreachable!("an event"),
        };
        let created = read(include_str!("../tests/fixtures/webhooks/page.created_in_data_source.json"));
        assert!(created.is_of_page() && created.data.parent.data_source_id.is_some());
        let updated = read(include_str!("../tests/fixtures/webhooks/page.properties_updated.json"));
        assert_eq!(updated.data.parent.data_source_id, None);
        let schema = read(include_str!("../tests/fixtures/webhooks/data_source.schema_updated.json"));
        assert!(schema.is_of_schema() && !schema.is_of_page());
        let ours =
            read(include_str!("../tests/fixtures/webhooks/SYNTH_page.properties_updated_by_bot_in_data_source.json"));
        assert_eq!(ours.authors[0].kind, "bot");
        let handshake = include_bytes!("../tests/fixtures/webhooks/verification_handshake.json");
        assert!(matches!(NotionInbound::parse(handshake), Ok(NotionInbound::Verification { .. })));
    }

    #[test]
    fn what_is_no_event_is_said_to_be_none() {
        for body in ["", "[]", "{\"id\": 1}", "<html>"] {
            assert!(NotionInbound::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
