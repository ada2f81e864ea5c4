//! Conflicts: two values for one field, of which one was overwritten. Both are kept, so that it can be undone.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use locale::Language;
use records::Record;
use runtime::clock::later;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{TenantId, TraceId};
use serde::{Deserialize, Serialize};

use crate::fields::{Cell, Conflict};

/// How long a conflict is kept.
const CONFLICT_TTL: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredConflict {
    pub id: String,
    pub at: Timestamp,
    /// The trace of the event that led to it.
    pub trace: TraceId,
    pub database: String,
    pub record: Record,
    /// The record's name for people.
    pub title: String,
    pub property: String,
    /// Both values, and who won.
    #[serde(flatten)]
    pub conflict: Conflict,
    /// When it was undone, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<(Timestamp, String)>,
}

impl StoredConflict {
    /// Whether the value that lost can be written.
    pub fn can_be_undone(&self) -> bool {
        self.undone.is_none() && !matches!(self.conflict.lost(), Cell::Foreign(_) | Cell::Long(_))
    }

    /// The conflict in one line, for logs and the ledger.
    pub fn line(&self) -> String {
        let Conflict { bitrix24, notion, winner, why, .. } = &self.conflict;
        let shown = |cell: &Cell| cell.to_string().chars().take(80).collect::<String>();
        format!(
            "conflict on {}: Bitrix24 {:?}, Notion {:?}; {winner} counts, {}",
            self.property,
            shown(bitrix24),
            shown(notion),
            why.words(Language::default())
        )
    }
}

/// Reads and writes conflicts.
#[derive(Clone)]
pub struct Conflicts {
    store: Arc<dyn Store>,
}

impl Conflicts {
    /// The conflicts in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<StoredConflict>, StoreError> {
        self.store.get(&key(tenant, id)).await?.map(|item| item.decode()).transpose()
    }

    /// The latest conflicts, newest first.
    pub async fn latest(&self, tenant: &TenantId, most: usize) -> Result<Vec<StoredConflict>, StoreError> {
        let mut query = Query::prefix(Table::Links, partition(tenant), "");
        query.newest_first = true;
        query.limit = most;
        self.store.list(&query).await?.items.iter().map(runtime::store::StoredItem::decode).collect()
    }
}

pub fn conflict_write(tenant: &TenantId, kept: &StoredConflict) -> Result<StoreWrite, StoreError> {
    Ok(StoreWrite::new(key(tenant, &kept.id), kept, WriteCondition::Always)?.expiring(later(kept.at, CONFLICT_TTL)))
}

/// The write that removes a conflict: the winning value could not be written, so nothing was lost.
pub fn removal(tenant: &TenantId, id: &str) -> StoreWrite {
    StoreWrite::removal(key(tenant, id))
}

/// The id of a conflict: the same conflict found again has the same id.
pub fn id(trace: TraceId, database: &str, field: &str) -> String {
    format!("{trace}.{database}.{field}")
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#conflict")
}

fn key(tenant: &TenantId, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), id)
}
