//! What the sweep remembers: its position, and how many records it checked, found lost and found late.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::later;
use runtime::id::day;
use runtime::store::{Condition, Key, Query, Store, StoreError, Table, Version, Write};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How long a day's counts are kept.
const KEEP: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// How often a count is tried while others write it too.
const MAX_TRIES: u32 = 8;

/// The counts of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that a sweep checked.
    #[serde(default)]
    pub swept: u64,
    /// Changes of which no event had arrived.
    #[serde(default)]
    pub lost: u64,
    /// Those of them whose event arrived later.
    #[serde(default)]
    pub late: u64,
    /// Routes whose condition failed on a record.
    #[serde(default)]
    pub conditions_failed: u64,
}

/// The state of a tenant's subscriptions, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscriptions {
    /// When they were checked.
    pub checked_at: Option<Timestamp>,
    /// Whether a person selects the events by hand: an incoming webhook may not bind them.
    pub by_hand: bool,
    /// What the routes need.
    pub wanted: Vec<String>,
    /// What was missing and has been bound.
    pub bound: Vec<String>,
    /// What is not needed and has been unbound.
    pub unbound: Vec<String>,
    /// What could not be repaired, and why.
    pub refused: Vec<String>,
    /// Whether lost events are in the portal's offline queue.
    pub offline: bool,
}

impl Subscriptions {
    /// How much had to be repaired.
    pub fn repairs(&self) -> usize {
        self.bound.len() + self.unbound.len()
    }
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            swept: self.swept + other.swept,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            conditions_failed: self.conditions_failed + other.conditions_failed,
        }
    }
}

/// Reads and writes what the sweep remembers.
#[derive(Clone)]
pub struct Sweeps {
    store: Arc<dyn Store>,
}

impl Sweeps {
    /// The memory in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Adds to the counts of a day. With many writers it may miss one; it is only for display.
    pub async fn count(&self, tenant: &TenantId, now: Timestamp, more: Counts) -> Result<(), StoreError> {
        if more == Counts::default() {
            return Ok(());
        }
        let key = Key::new(Table::Links, counts(tenant), day(now));
        for _ in 0..MAX_TRIES {
            let (before, condition) = match self.store.get(&key).await? {
                Some(item) => (item.decode()?, Condition::Version(item.version)),
                None => (Counts::default(), Condition::Absent),
            };
            let write = Write::new(key.clone(), &before.plus(more), condition)?.expiring(later(now, KEEP));
            match self.store.put(write).await {
                Err(StoreError::Conflict(_)) => {}
                done => return done.map(|_| ()),
            }
        }
        Ok(())
    }

    /// The counts of a day.
    pub async fn counts(&self, tenant: &TenantId, now: Timestamp) -> Result<Counts, StoreError> {
        let item = self.store.get(&Key::new(Table::Links, counts(tenant), day(now))).await?;
        Ok(item.map(|item| item.decode()).transpose()?.unwrap_or_default())
    }

    /// What is stored under a name, with its version for [`Sweeps::remember`].
    pub async fn recall<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(T, Version)>, StoreError> {
        let item = self.store.get(&Key::new(Table::Links, memory(tenant), name)).await?;
        item.map(|item| Ok((item.decode()?, item.version))).transpose()
    }

    /// Stores something under a name, if nobody else did since `version` was read.
    pub async fn remember<T: Serialize>(
        &self,
        tenant: &TenantId,
        name: &str,
        value: &T,
        version: Option<Version>,
    ) -> Result<Version, StoreError> {
        let condition = version.map_or(Condition::Absent, Condition::Version);
        self.store.put(Write::new(Key::new(Table::Links, memory(tenant), name), value, condition)?).await
    }

    /// Everything that is stored, by name.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<(String, serde_json::Value)>, StoreError> {
        let page = self.store.list(&Query::prefix(Table::Links, memory(tenant), "")).await?;
        page.items.iter().map(|item| Ok((item.key.sort.clone(), item.decode()?))).collect()
    }
}

fn counts(tenant: &TenantId) -> String {
    format!("{tenant}#counts")
}

fn memory(tenant: &TenantId) -> String {
    format!("{tenant}#sweep")
}
