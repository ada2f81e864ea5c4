//! Links: a record, its page, and what both last agreed on.

use std::sync::Arc;

use jiff::Timestamp;
use jobs::sync::SyncSide;
use locale::{Language, texts};
use records::Record;
use runtime::TenantId;
use runtime::store::{ItemKey, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use serde::{Deserialize, Serialize};

use crate::attention::AttentionEntry;
use crate::fields::written::Held;
use crate::fields::{Base, Cell, Intent, Stuck};

/// A record and its page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLink {
    /// The database, by its name in the settings.
    pub database: String,
    pub record: Record,
    /// Its name for people, for lists.
    #[serde(default)]
    pub title: String,
    /// The page, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    pub standing: LinkState,
    /// What both last agreed on.
    #[serde(default)]
    pub base: Base,
    /// The write that is about to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    /// A change that was seen and waits until editing has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resting: Option<Resting>,
    /// When the reads began that both sides were last merged from.
    #[serde(default)]
    pub seen: ReadMoments,
    /// The side that the last change came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_source: Option<SyncSide>,
    /// When both were last written or found in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Timestamp>,
    /// What cannot be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<Stuck>,
    /// What was written and not kept by the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// Its entries in the index of what needs attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<AttentionEntry>,
    /// Recent writes, to notice if something keeps undoing ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<RecordedWrite>,
    /// The backfill that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Whether the body of the page is still to be completed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub body_open: bool,
}

/// The state of a record and its page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LinkState {
    /// The page is being made. `open` says that a call may have made it without a note of it.
    Making {
        since: Timestamp,
        /// Whether a call was begun.
        open: bool,
    },
    /// They are synced.
    Together,
    /// One of them is gone; nothing is synced until it is back.
    Apart { why: Apart, since: Timestamp },
}

/// Why a record and its page are not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apart {
    /// The record was deleted, or merged into another.
    RecordGone,
    /// The page is in the trash.
    PageTrashed,
    /// The page was deleted for good, or is no longer shared.
    PageGone,
    /// The page is in another place than the database.
    PageMoved,
}

impl Apart {
    pub fn words(self, language: Language) -> &'static str {
        language.text(match self {
            Self::RecordGone => texts::sync::RECORD_GONE,
            Self::PageTrashed => texts::sync::PAGE_TRASHED,
            Self::PageGone => texts::sync::PAGE_GONE,
            Self::PageMoved => texts::sync::PAGE_MOVED,
        })
    }
}

/// A change that waits until editing has stopped: someone may still be typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// When it was first seen.
    pub since: Timestamp,
    /// What both sides showed.
    pub shown: String,
}

/// When the reads began that a merge was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMoments {
    /// Of the portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrix24: Option<Timestamp>,
    /// Of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notion: Option<Timestamp>,
}

/// A write that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedWrite {
    pub field: String,
    /// The side that was written.
    pub to: SyncSide,
    pub at: Timestamp,
    /// The value.
    pub cell: Cell,
}

impl PageLink {
    /// A link whose page is still to be made.
    pub fn making(database: &str, record: Record, since: Timestamp) -> Self {
        Self {
            database: database.to_owned(),
            record,
            title: String::new(),
            page: None,
            standing: LinkState::Making { since, open: false },
            base: Base::new(),
            intents: Vec::new(),
            resting: None,
            seen: ReadMoments::default(),
            sync_source: None,
            synced_at: None,
            stuck: Vec::new(),
            held: Vec::new(),
            attention: Vec::new(),
            written: Vec::new(),
            made_by: None,
            body_open: false,
        }
    }

    /// Everything that cannot be written, for any reason.
    pub fn all_stuck(&self) -> Vec<Stuck> {
        self.stuck.iter().cloned().chain(self.held.iter().map(Held::stuck)).collect()
    }

    /// Whether both are synced.
    pub fn is_together(&self) -> bool {
        self.standing == LinkState::Together
    }
}

/// The record that a page belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub database: String,
    pub record: Record,
}

/// Reads and writes links.
#[derive(Clone)]
pub struct Links {
    store: Arc<dyn Store>,
}

impl Links {
    /// The links in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The link of a record in a database, with its version for [`link_write`].
    pub async fn get(
        &self,
        tenant: &TenantId,
        database: &str,
        record: Record,
    ) -> Result<Option<(PageLink, Version)>, StoreError> {
        match self.store.get(&link_key(tenant, database, record)).await? {
            Some(item) => Ok(Some((item.decode()?, item.version))),
            None => Ok(None),
        }
    }

    pub async fn owner(&self, tenant: &TenantId, page: &str) -> Result<Option<Owner>, StoreError> {
        self.store.get(&page_key(tenant, page)).await?.map(|item| item.decode()).transpose()
    }

    /// Forgets the owner of a page.
    pub async fn disown(&self, tenant: &TenantId, page: &str) -> Result<(), StoreError> {
        self.store.delete(&page_key(tenant, page)).await
    }

    /// Forgets a link and its page's owner.
    pub async fn forget(&self, tenant: &TenantId, link: &PageLink) -> Result<(), StoreError> {
        if let Some(page) = &link.page {
            self.store.delete(&page_key(tenant, page)).await?;
        }
        self.store.delete(&link_key(tenant, &link.database, link.record)).await
    }
}

/// The write of a link; `None` if there was none.
pub fn link_write(tenant: &TenantId, link: &PageLink, version: Option<Version>) -> Result<StoreWrite, StoreError> {
    let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
    StoreWrite::new(link_key(tenant, &link.database, link.record), link, condition)
}

/// The write of a page's owner.
pub fn owner_write(tenant: &TenantId, page: &str, link: &PageLink) -> Result<StoreWrite, StoreError> {
    let owner = Owner { database: link.database.clone(), record: link.record };
    StoreWrite::new(page_key(tenant, page), &owner, WriteCondition::Always)
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#page")
}

fn link_key(tenant: &TenantId, database: &str, record: Record) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("record#{database}#{}", record.key()))
}

fn page_key(tenant: &TenantId, page: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("page#{page}"))
}
