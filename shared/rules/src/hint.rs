//! A hint: an event that says that a record changed, not what it is now.

use bitrix24::{Event, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Record;

/// What a verified event leaves on the queue. Tokens and names of the sender stay behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The event's code: `ONCRMDEALUPDATE`.
    pub event: String,
    /// When Bitrix24 sent or fired it, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// What it points at.
    pub subject: Subject,
}

impl Hint {
    /// The hint in an event.
    pub fn of(event: &Event) -> Self {
        Self { event: event.code.clone(), ts: event.ts, subject: event.subject() }
    }

    /// The record it points at, if it is one that is watched: leads and deals.
    pub fn record(&self) -> Option<Record> {
        match self.subject {
            Subject::Item { entity, id, .. } if Record::is_watched(entity) => Some(Record { entity, id }),
            _ => None,
        }
    }

    /// When it was sent or fired, by the portal's clock.
    pub fn sent_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.ts?).ok()
    }

    /// What keeps its order with others: the thing it points at.
    pub fn group(&self) -> String {
        match &self.subject {
            Subject::Item { entity, id, .. } => format!("{entity}#{id}"),
            Subject::Task { id, .. } | Subject::TaskComment { task: id, .. } => format!("task#{id}"),
            Subject::Call { call_id, .. } => format!("call#{}", call_id.chars().take(80).collect::<String>()),
            Subject::Activity { id, .. } => format!("activity#{id}"),
            Subject::TimelineComment { id, .. } => format!("timeline#{id}"),
            Subject::User { id } => format!("user#{id}"),
            Subject::Application => "application".into(),
            Subject::Bot => "bot".into(),
            Subject::Offline => "offline".into(),
            Subject::Incomplete { .. } | Subject::Unknown => "other".into(),
        }
    }

    /// Why there is nothing to do for it, if there is not.
    pub fn nothing_to_do(&self) -> Option<String> {
        match &self.subject {
            Subject::Unknown => Some("unknown event".into()),
            Subject::Incomplete { missing } => Some(format!("the event has no {missing}")),
            _ if self.record().is_none() => Some(format!("nothing watches {}", self.event)),
            _ => None,
        }
    }
}
