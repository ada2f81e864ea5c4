//! Changes: the difference of two states of a record, with a name and a meaning.

use std::fmt;

use bitrix24::{EntityType, Item};
use serde::{Deserialize, Serialize};

/// A record: a CRM item of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// Its type.
    pub entity: EntityType,
    /// Its number.
    pub id: u64,
}

impl Record {
    /// Whether changes of this type are looked for.
    pub fn is_watched(entity: EntityType) -> bool {
        matches!(entity, EntityType::LEAD | EntityType::DEAL)
    }

    /// Its key in the store: `deal#42`.
    pub fn key(self) -> String {
        format!("{}#{}", self.entity, self.id)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.entity, self.id)
    }
}

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChangeKind {
    /// A lead appeared.
    #[serde(rename = "lead.created")]
    LeadCreated,
    /// A deal appeared.
    #[serde(rename = "deal.created")]
    DealCreated,
    /// A deal moved to another stage.
    #[serde(rename = "deal.stage_changed")]
    DealStageChanged,
}

impl ChangeKind {
    /// The name in settings, ledger and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeadCreated => "lead.created",
            Self::DealCreated => "deal.created",
            Self::DealStageChanged => "deal.stage_changed",
        }
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Of which record.
    pub record: Record,
    /// The record after it.
    pub item: Item,
    /// The stage before it, for a move.
    pub from_stage: Option<String>,
}
