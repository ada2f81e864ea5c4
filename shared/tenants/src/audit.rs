//! The audit: what people changed, who it was, and the values before and after. Kept for a year.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::calls::masked;
use runtime::clock::later;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, StoredItem, Table, WriteCondition};
use runtime::{TenantId, TraceId};
use serde::{Deserialize, Serialize};

/// How long an entry is kept.
const ENTRY_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most characters that are kept of a value before or after.
const MAX_VALUE_CHARS: usize = 4_000;

/// A change that someone made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// Who: a person as they signed in, or `the command line`.
    pub who: String,
    /// What they did: `settings changed`.
    pub what: String,
    /// What it was done to: a route, a person, a dead letter.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The value before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// The value after.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
}

impl AuditEntry {
    /// An entry without before and after.
    pub fn new(at: Timestamp, who: impl Into<String>, what: impl Into<String>, of: impl Into<String>) -> Self {
        Self { at, who: who.into(), what: what.into(), of: of.into(), before: String::new(), after: String::new() }
    }

    /// The same with the values before and after; secrets are masked.
    #[must_use]
    pub fn changed(self, before: &str, after: &str) -> Self {
        let short = |text: &str| masked(text).chars().take(MAX_VALUE_CHARS).collect();
        Self { before: short(before), after: short(after), ..self }
    }
}

/// Reads and writes the audit.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
}

impl Audit {
    /// The audit in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Writes an entry.
    pub async fn note(&self, tenant: &TenantId, entry: &AuditEntry) -> Result<(), StoreError> {
        let key = ItemKey::new(Table::Ledger, partition(tenant), TraceId::new(entry.at).to_string());
        let write = StoreWrite::new(key, entry, WriteCondition::Absent)?.expiring(later(entry.at, ENTRY_TTL));
        self.store.put(write).await.map(|_| ())
    }

    /// The latest entries, newest first, continuing from `after`; and where to continue.
    pub async fn latest(
        &self,
        tenant: &TenantId,
        most: usize,
        after: Option<String>,
    ) -> Result<(Vec<AuditEntry>, Option<String>), StoreError> {
        let mut query = Query::prefix(Table::Ledger, partition(tenant), "");
        query.newest_first = true;
        query.limit = most;
        query.after = after;
        let page = self.store.list(&query).await?;
        Ok((page.items.iter().map(StoredItem::decode).collect::<Result<_, _>>()?, page.next))
    }
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#audit")
}
