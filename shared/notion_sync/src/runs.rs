//! Backfills as they are stored: what was asked for, the phase, the counts, examples. The work is in `backfill`.

use std::sync::Arc;

use clients::Failure;
use jiff::Timestamp;
use jobs::sync::SyncJob;
use runtime::queue::QueuedMessage;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use runtime::{TenantId, TraceId};
use serde::{Deserialize, Serialize};

use crate::NotionSync;

/// The most examples that are noted of what a run would do.
pub const MAX_EXAMPLES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRun {
    pub id: String,
    pub database: String,
    /// Whether it only plans.
    pub dry: bool,
    /// Only records that changed since then get a page; linked ones are checked anyway. None for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who asked for it.
    pub by: String,
    /// When it was begun.
    pub began_at: Timestamp,
    /// When it was last worked on.
    pub touched_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub phase: Phase,
    /// What it found and did.
    #[serde(default)]
    pub counts: RunCounts,
    /// Some of what it would do, or could not, in words.
    #[serde(default)]
    pub examples: Vec<String>,
    /// What pauses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// How many jobs have handed it on; the next one names it.
    #[serde(default)]
    pub slices: u64,
}

/// The phase of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// It reads the database's rows.
    Rows {
        /// Where the next page starts.
        #[serde(default)]
        cursor: Option<String>,
        /// From which creation time on the present query reads.
        #[serde(default)]
        since: Option<Timestamp>,
    },
    /// It checks the numbers that rows carry: duplicates, and numbers without a record.
    Numbers {
        /// All rows up to this place in the order of numbers are done.
        #[serde(default)]
        after: Option<String>,
    },
    /// It notes which records fit the rows without a number, so that none is linked where several fit.
    Keys {
        /// All up to this number are done.
        after: u64,
    },
    /// It goes through the portal's records.
    Records {
        /// All up to this number are done.
        after: u64,
    },
    /// It finished.
    Done,
    /// It was stopped, or could not go on.
    Stopped { why: String },
}

/// What a run found and did. In a dry run: would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Rows in the database.
    pub rows: u64,
    /// Of them, those without a number.
    #[serde(default)]
    pub unnumbered: u64,
    /// Records that were read.
    pub records: u64,
    /// Of them, those that were already linked.
    pub linked_before: u64,
    /// Linked to a row by the number in it.
    pub linked_by_id: u64,
    /// Linked to a row by its title, or a person's full name.
    pub linked_by_title: u64,
    /// Linked to a row by another key: an e-mail address, a telephone number, a field.
    #[serde(default)]
    pub linked_by_key: u64,
    /// Pages that were made.
    pub created: u64,
    /// Linked ones whose sides differ, and are synced.
    pub changed: u64,
    /// Left out: their condition does not hold.
    pub left_out: u64,
    /// Those that could not be done.
    pub failed: u64,
    /// Those whose row cannot be decided. They also count as failed.
    #[serde(default)]
    pub refused: u64,
    /// Records whose number several rows carry.
    #[serde(default)]
    pub doubles: u64,
    /// Rows whose number belongs to no record, or to another row.
    #[serde(default)]
    pub strays: u64,
    /// Fields that differ and whose leading side is undecided, or that cannot be written.
    #[serde(default)]
    pub undecided: u64,
    /// Lines that were stored of it.
    #[serde(default)]
    pub entries: u64,
}

impl Phase {
    pub fn words(&self) -> String {
        match self {
            Self::Rows { .. } => "reading the rows".into(),
            Self::Numbers { .. } => "looking at the numbers on the rows".into(),
            Self::Keys { .. } => "comparing records with rows".into(),
            Self::Records { .. } => "going through the records".into(),
            Self::Done => "done".into(),
            Self::Stopped { why } => format!("stopped: {why}"),
        }
    }
}

impl SyncRun {
    /// The job that does the next slice. It is a new message with a trace of its own, so that a long run does not count as
    /// a message that waits.
    pub(crate) fn next_job(&self, tenant: &TenantId, trace: TraceId) -> Result<QueuedMessage, Failure> {
        let (database, run, slice) = (self.database.clone(), self.id.clone(), self.slices);
        let once = format!("run#{run}#{slice}");
        crate::message(&SyncJob::Backfill { database, run, slice }, tenant, trace, &once)
    }

    /// Whether there is nothing left to do.
    pub fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    /// Notes an example, while there is space.
    pub fn note(&mut self, text: String) {
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(text);
        }
    }
}

/// Reads and writes runs.
#[derive(Clone)]
pub struct Runs {
    store: Arc<dyn Store>,
}

impl Runs {
    /// The runs in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A run, with its version for [`Runs::put`].
    pub async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<(SyncRun, Version)>, StoreError> {
        match self.store.get(&key(tenant, id)).await? {
            Some(item) => Ok(Some((item.decode()?, item.version))),
            None => Ok(None),
        }
    }

    /// Writes a run if nobody else did since `version` was read; `None` if it is new.
    pub async fn put(&self, tenant: &TenantId, run: &SyncRun, version: Option<Version>) -> Result<Version, StoreError> {
        let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
        self.store.put(StoreWrite::new(key(tenant, &run.id), run, condition)?).await
    }

    /// The latest runs, newest first.
    pub async fn latest(&self, tenant: &TenantId, most: usize) -> Result<Vec<SyncRun>, StoreError> {
        let mut query = Query::prefix(Table::Links, partition(tenant), "");
        query.newest_first = true;
        query.limit = most;
        self.store.list(&query).await?.items.iter().map(runtime::store::StoredItem::decode).collect()
    }
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#backfill")
}

fn key(tenant: &TenantId, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), id)
}

/// A run that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// Whether it only plans.
    pub dry: bool,
    /// Only records that changed since then get a page.
    pub since: Option<Timestamp>,
    /// Who asked for it.
    pub by: &'a str,
}

impl NotionSync {
    /// Starts a run over a database; returns its id.
    pub async fn start(&self, tenant: &TenantId, database: &str, wanted: &RunRequest<'_>) -> Result<String, Failure> {
        let now = self.backend.clock.now();
        let trace = TraceId::new(now);
        let run = SyncRun {
            id: trace.to_string(),
            database: database.to_owned(),
            dry: wanted.dry,
            since: wanted.since,
            by: wanted.by.to_owned(),
            began_at: now,
            touched_at: now,
            ended_at: None,
            phase: Phase::Rows { cursor: None, since: None },
            counts: RunCounts::default(),
            examples: Vec::new(),
            waits_for: None,
            slices: 0,
        };
        self.runs.put(tenant, &run, None).await?;
        self.send(vec![run.next_job(tenant, trace)?]).await?;
        Ok(run.id)
    }
}
