//! The jobs of the queue `record-sync`.
//!
//! Every signal leads to one job, and its group is the link: a record and its page have one writer at a time. A webhook
//! knows only a page's id; the job for it finds the link and queues that link's job.

use jiff::Timestamp;
use locale::{Language, texts};
use records::record::Record;
use serde::{Deserialize, Serialize};

/// A side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncSide {
    /// The portal.
    Bitrix24,
    /// The page.
    Notion,
}

impl SyncSide {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Bitrix24 => Self::Notion,
            Self::Notion => Self::Bitrix24,
        }
    }

    /// What it is called in texts of a language.
    pub fn title(self, language: Language) -> &'static str {
        language.text(match self {
            Self::Bitrix24 => texts::providers::BITRIX24,
            Self::Notion => texts::providers::NOTION,
        })
    }
}

impl std::fmt::Display for SyncSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bitrix24 => "Bitrix24",
            Self::Notion => "Notion",
        })
    }
}

/// The reason for a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Which side reported a change; none if both are to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<SyncSide>,
    /// The event's name, for the ledger: `page.properties_updated`, `notion-poll`.
    pub name: String,
    /// When the change was made, if the signal gives the exact time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// The delivery of the Bitrix24 event that led here, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
}

impl Signal {
    /// A signal of a side.
    pub fn of(side: SyncSide, name: &str) -> Self {
        Self { side: Some(side), name: name.to_owned(), told: None, delivery: None }
    }

    /// A reason to read both sides.
    pub fn both(name: &str) -> Self {
        Self { side: None, name: name.to_owned(), told: None, delivery: None }
    }
}

/// What happens to the other rows of a record when they are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They lose their number and get a note that names the record's row.
    #[default]
    Note,
    /// The same, and they are moved to Notion's trash, from which they can be restored.
    Trash,
}

/// A job of `record-sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum SyncJob {
    /// Sync a record and its page.
    Record {
        /// The database, by its name in the settings.
        database: String,
        record: Record,
        /// Why.
        signal: Signal,
    },
    /// Find out to which record this page belongs.
    Page {
        page: String,
        /// The event's identity: the same one again is not passed on.
        identity: String,
        /// Who edited: ids of people and bots.
        #[serde(default)]
        authors: Vec<String>,
        /// Why.
        signal: Signal,
    },
    /// Check the databases' schemas.
    Schema {
        /// Why.
        signal: Signal,
    },
    /// Continue a backfill.
    Backfill {
        database: String,
        run: String,
        /// How many slices of the run were done before this one.
        #[serde(default)]
        slice: u64,
    },
    /// Join rows that carry the number of one record.
    Join {
        database: String,
        record: Record,
        /// The page that stays the record's.
        keep: String,
        /// What becomes of the others.
        #[serde(default)]
        others: Others,
        /// Who wants it.
        by: String,
    },
    /// Write the value that lost.
    Undo {
        database: String,
        record: Record,
        conflict: String,
        /// Who wants it.
        by: String,
    },
    /// Write one side's value to the other, as a person decided.
    Take {
        database: String,
        record: Record,
        field: String,
        /// The side whose value is taken.
        side: SyncSide,
        /// Who wants it.
        by: String,
    },
}
