//! The mark that asks for a tenant's sweep at once: after an outage of its portal, and after a restart.
//!
//! It is here rather than with the sweep, because the code that notices the end of an outage knows only the tenant. A
//! sweep that began after the mark was set, and finished, has answered it; nobody has to take it away.

use std::sync::Arc;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct SweepMark {
    asked_at: Timestamp,
}

/// Sets and reads the marks. Cheap to clone.
#[derive(Clone)]
pub struct SweepRequests {
    store: Arc<dyn Store>,
}

impl SweepRequests {
    /// The marks in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Asks for a sweep of everything that changed until `now`. It comes before the sweeps that are merely due.
    pub async fn ask(&self, tenant: &TenantId, now: Timestamp) -> Result<(), StoreError> {
        let write = StoreWrite::new(key(tenant), &SweepMark { asked_at: now }, WriteCondition::Always)?;
        self.store.put(write).await.map(|_| ())
    }

    /// When a sweep was last asked for.
    pub async fn asked_at(&self, tenant: &TenantId) -> Result<Option<Timestamp>, StoreError> {
        let item = self.store.get(&key(tenant)).await?;
        Ok(item.map(|item| item.decode::<SweepMark>()).transpose()?.map(|mark| mark.asked_at))
    }
}

fn key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#sweep"), "asked")
}
