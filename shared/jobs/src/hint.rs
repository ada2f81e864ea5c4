//! A hint: an event that says that a record changed, not its present state. Also the follow-ups that share its queue.

use bitrix24::{ChatAct, Subject, SubjectAction, UnverifiedEvent};
use jiff::Timestamp;
use locale::Language;
use records::record::{Record, RecordRef};
use serde::{Deserialize, Serialize};

use crate::card_delivery::SlackDelivery;

/// Where a hint came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintOrigin {
    /// Bitrix24 sent an event.
    #[default]
    Event,
    /// The sweep found a change of which no event arrived.
    Sweep,
    /// It was in the portal's offline queue.
    Offline,
    /// We queued it ourselves, as a follow-up.
    Own,
}

/// A follow-up: what we come back to after a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub enum FollowUp {
    /// Look for the recording of a call.
    Recording { call_id: String },
    /// Send a digest of what waited for a destination until a moment.
    Digest {
        /// The destination, as in the items' windows.
        place: String,
        /// Until when, in Unix seconds.
        until: i64,
        /// Whether it waited for the end of quiet hours, rather than because of their number.
        quiet: bool,
        language: Language,
        /// The digest's delivery, except for its id and its message.
        sample: Box<SlackDelivery>,
    },
}

/// What a verified event leaves on the queue, without tokens and names of the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The event's code: `ONCRMDEALUPDATE`.
    pub event: String,
    /// When Bitrix24 sent or fired it, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// What it points at.
    pub subject: Subject,
    /// Where it came from.
    #[serde(default)]
    pub origin: HintOrigin,
    /// The follow-up, if it is one; never from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<FollowUp>,
    /// How many of the event's values could not be read, or only in part.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unread: usize,
    /// Of a message that the sweep found: whether something newer of the conversation was copied before it. Then its copy
    /// says when it was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_overtaken: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_none(unread: &usize) -> bool {
    *unread == 0
}

impl Hint {
    /// The hint in an event.
    pub fn of(event: &UnverifiedEvent) -> Self {
        Self {
            event: event.code.clone(),
            ts: event.ts,
            subject: event.subject(),
            origin: HintOrigin::Event,
            errand: None,
            unread: event.unread,
            is_overtaken: false,
        }
    }

    /// A hint without an event: something was found.
    pub fn found(event: &str, ts: Option<i64>, subject: Subject, origin: HintOrigin) -> Self {
        Self { event: event.to_owned(), ts, subject, origin, errand: None, unread: 0, is_overtaken: false }
    }

    pub fn errand(errand: FollowUp) -> Self {
        let event = match errand {
            FollowUp::Recording { .. } => "recording",
            FollowUp::Digest { .. } => "digest",
        };
        let found = Self::found(event, None, Subject::Application, HintOrigin::Own);
        Self { errand: Some(errand), ..found }
    }

    /// A remark for its line in the ledger, if some of it was lost.
    pub fn remark(&self) -> Option<String> {
        match self.unread {
            0 => None,
            1 => Some("1 value of the event could not be read".into()),
            many => Some(format!("{many} values of the event could not be read")),
        }
    }

    /// The record to read for it. For a comment that is its task.
    pub fn record(&self) -> Option<Record> {
        match self.subject {
            Subject::Item { entity, id, .. } => Some(Record::item(entity, id)),
            Subject::Task { id, .. } | Subject::TaskComment { task: id, .. } => Some(Record::Task(id)),
            _ => None,
        }
    }

    /// What it points at, for people: `deal 42`, `call X`, `message 7 in chat5`.
    pub fn about(&self) -> Option<String> {
        match &self.subject {
            Subject::Chat(event) => Some(event.about()),
            Subject::Call { call_id, .. } => Some(RecordRef::Call(call_id.clone()).to_string()),
            Subject::Custom { name, id, .. } => Some(RecordRef::custom(name, id.as_deref()).to_string()),
            _ => match &self.errand {
                Some(FollowUp::Recording { call_id }) => Some(RecordRef::Call(call_id.clone()).to_string()),
                Some(FollowUp::Digest { .. }) | None => self.record().map(|record| record.to_string()),
            },
        }
    }

    /// Whether it says that its record was deleted.
    pub fn says_deleted(&self) -> bool {
        matches!(
            self.subject,
            Subject::Item { action: SubjectAction::Delete, .. } | Subject::Task { action: SubjectAction::Delete, .. }
        )
    }

    /// The identity of what happens only once: a comment, a call, a custom event. The same twice is one.
    pub fn identity(&self) -> Option<String> {
        match &self.subject {
            Subject::TaskComment { task, comment, message, action: SubjectAction::Add } => {
                let which = message.map(|id| format!("m{id}")).or_else(|| comment.map(|id| format!("c{id}")))?;
                Some(format!("comment#{task}#{which}"))
            }
            Subject::Call { call_id, stage, .. } if stage == "end" => Some(format!("call#{call_id}")),
            Subject::Custom { name, id: Some(id), .. } => Some(format!("custom#{name}#{id}")),
            // It has no id of its own: the bot joins a chat once a second at most.
            Subject::Chat(event) if event.act == ChatAct::Joined => {
                Some(format!("joined#{}#{}", event.dialog, self.ts?))
            }
            Subject::Chat(event) => event.identity(),
            _ => None,
        }
    }

    /// When it was sent or fired, by the portal's clock.
    pub fn sent_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.ts?).ok()
    }

    /// Why it needs no work, if so.
    pub fn nothing_to_do(&self) -> Option<String> {
        if self.errand.is_some() {
            return None;
        }
        match &self.subject {
            Subject::Unknown => Some("unknown event".into()),
            Subject::Incomplete { missing } => Some(format!("the event has no {missing}")),
            Subject::TaskComment { action: SubjectAction::Update | SubjectAction::Delete, .. } => {
                Some("only new comments are posted".into())
            }
            Subject::Call { stage, .. } if stage != "end" => Some("a call is posted once it has ended".into()),
            Subject::Item { .. }
            | Subject::Task { .. }
            | Subject::TaskComment { .. }
            | Subject::Call { .. }
            | Subject::Chat(_)
            | Subject::Custom { .. }
            | Subject::Uninstalled { .. } => None,
            _ => Some(format!("nothing in the settings uses {}", self.event)),
        }
    }
}
