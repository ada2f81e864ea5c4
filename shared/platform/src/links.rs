//! Links: pairs of the same thing in two systems. Here, of a record: the last state that we acted on.
//!
//! A *snapshot* is the state that the last decision saw, written only by the record's own job. A *reading* is
//! a state that somebody read meanwhile (one listing reads many records); the record's own job takes it up
//! instead of asking the provider again, if it began after the job's hint arrived.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::TenantId;
use crate::clock::later;
use crate::store::{Condition, Key, MOST_WRITES, Store, StoreError, Table, Version, Write};

/// How long a reading may be of use.
const READING_KEEPS: Duration = Duration::from_secs(15 * 60);

/// A record's state `S` when it was last acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot<S> {
    /// The state.
    pub state: S,
    /// When the read that saw it began.
    pub read_at: Timestamp,
    /// Counts the states acted on; a change's identity.
    pub revision: u64,
}

/// A record's state as somebody read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading<S> {
    /// The state, or why there is none: the provider's code.
    pub state: Result<S, String>,
    /// When the read began.
    pub read_at: Timestamp,
}

/// Reads and writes record links.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
}

impl Records {
    /// The records in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The snapshot of `record` (`deal#42`) and the version that [`snapshot_write`] takes.
    pub async fn snapshot<S: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        record: &str,
    ) -> Result<Option<(Snapshot<S>, Version)>, StoreError> {
        match self.store.get(&snapshot_key(tenant, record)).await? {
            Some(item) => Ok(Some((item.decode()?, item.version))),
            None => Ok(None),
        }
    }

    /// The latest reading of `record`.
    pub async fn reading<S: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        record: &str,
    ) -> Result<Option<Reading<S>>, StoreError> {
        match self.store.get(&reading_key(tenant, record)).await? {
            Some(item) => Ok(Some(item.decode()?)),
            None => Ok(None),
        }
    }

    /// Leaves readings for the jobs of their records.
    pub async fn leave_readings<S: Serialize>(
        &self,
        tenant: &TenantId,
        readings: &[(String, Reading<S>)],
    ) -> Result<(), StoreError> {
        for some in readings.chunks(MOST_WRITES) {
            let writes = some.iter().map(|(record, reading)| {
                Ok(Write::new(reading_key(tenant, record), reading, Condition::Always)?
                    .expiring(later(reading.read_at, READING_KEEPS)))
            });
            self.store.put_all(writes.collect::<Result<_, StoreError>>()?).await?;
        }
        Ok(())
    }

    /// Fills in snapshots of records that have none, without touching those that have one. For a baseline.
    pub async fn fill<S: Serialize>(
        &self,
        tenant: &TenantId,
        snapshots: Vec<(String, Snapshot<S>)>,
    ) -> Result<(), StoreError> {
        for (record, snapshot) in snapshots {
            match self.store.put(snapshot_write(tenant, &record, &snapshot, None)?).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The write of a snapshot, to go with the ledger's lines in one transaction. `version` is the one that was
/// read; `None` if there was no snapshot.
pub fn snapshot_write<S: Serialize>(
    tenant: &TenantId,
    record: &str,
    snapshot: &Snapshot<S>,
    version: Option<Version>,
) -> Result<Write, StoreError> {
    Write::new(snapshot_key(tenant, record), snapshot, version.map_or(Condition::Absent, Condition::Version))
}

fn snapshot_key(tenant: &TenantId, record: &str) -> Key {
    Key::new(Table::Links, format!("{tenant}#record"), record)
}

fn reading_key(tenant: &TenantId, record: &str) -> Key {
    Key::new(Table::Links, format!("{tenant}#reading"), record)
}
