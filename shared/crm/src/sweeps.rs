//! What the sweep remembers: its position, and how many records it checked, found lost and found late. Also the leases of
//! scheduled work that one worker at a time does for a tenant.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{MAX_PROVIDER_SKEW, later};
use runtime::id::day;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How long a day's counts are kept.
const COUNTS_TTL: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// How often a count is tried while others write it too.
const MAX_TRIES: u32 = 8;

/// The counts of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepCounts {
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

/// The name of the sweep's lease.
pub const SWEEP: &str = "lease";
/// The name of the lease of the poll of Notion.
pub const POLL: &str = "notion-poll";

/// A lease for work that one worker at a time does for a tenant, with how the last run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lease {
    /// Until when a worker has it. A worker that was stopped does not give it back: then it ends by itself.
    pub until: Option<Timestamp>,
    /// When the last run began, whether it finished or not.
    pub began_at: Option<Timestamp>,
    /// When the last run that finished had begun: what changed until then was seen.
    pub complete_from: Option<Timestamp>,
    /// When a run last finished.
    pub finished_at: Option<Timestamp>,
    /// What stopped the last run, if it did not finish.
    pub stopped_by: Option<String>,
    /// Whether the last run gave its place to others before it was through.
    pub continues: bool,
    /// Whether the next run asks for each thing by itself, because asking for all at once failed.
    pub apart: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// What stopped it, if it did not finish.
    pub stopped_by: Option<String>,
    /// See [`Lease::continues`].
    pub continues: bool,
    /// See [`Lease::apart`].
    pub apart: bool,
}

/// A lease that this worker has.
pub struct HeldLease<'a> {
    sweeps: &'a Sweeps,
    tenant: &'a TenantId,
    name: &'a str,
    lease: Lease,
    version: Version,
}

impl HeldLease<'_> {
    /// The lease, with how the run before this one ended.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Extends the lease; returns whether no other worker has it by now.
    pub async fn renew(&mut self, until: Timestamp) -> Result<bool, StoreError> {
        let lease = Lease { until: Some(until), ..self.lease.clone() };
        match self.sweeps.remember(self.tenant, self.name, &lease, Some(self.version)).await {
            Ok(version) => {
                (self.version, self.lease) = (version, lease);
                Ok(true)
            }
            Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the lease back, with what stopped the run, if anything did. Returns when a run last finished.
    pub async fn end(self, now: Timestamp, stopped_by: Option<String>) -> Result<Option<Timestamp>, StoreError> {
        self.end_run(now, RunEnd { stopped_by, ..RunEnd::default() }).await
    }

    /// The same for a run that may go on later.
    pub async fn end_run(self, now: Timestamp, end: RunEnd) -> Result<Option<Timestamp>, StoreError> {
        let RunEnd { stopped_by, continues, apart } = end;
        let before = self.lease;
        let finished = stopped_by.is_none() && !continues;
        let finished_at = if finished { Some(now) } else { before.finished_at };
        let complete_from = if finished { before.began_at } else { before.complete_from };
        let lease = Lease { until: None, finished_at, complete_from, stopped_by, continues, apart, ..before };
        match self.sweeps.remember(self.tenant, self.name, &lease, Some(self.version)).await {
            // After a conflict another worker has the lease: its run counts.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(finished_at),
            Err(error) => Err(error),
        }
    }
}

impl SweepCounts {
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
    pub async fn count(&self, tenant: &TenantId, now: Timestamp, more: SweepCounts) -> Result<(), StoreError> {
        if more == SweepCounts::default() {
            return Ok(());
        }
        let key = ItemKey::new(Table::Links, counts(tenant), day(now));
        for _ in 0..MAX_TRIES {
            let (before, condition) = match self.store.get(&key).await? {
                Some(item) => (item.decode()?, WriteCondition::Version(item.version)),
                None => (SweepCounts::default(), WriteCondition::Absent),
            };
            let write = StoreWrite::new(key.clone(), &before.plus(more), condition)?.expiring(later(now, COUNTS_TTL));
            match self.store.put(write).await {
                Err(StoreError::Conflict(_)) => {}
                done => return done.map(|_| ()),
            }
        }
        Ok(())
    }

    /// The counts of a day.
    pub async fn counts(&self, tenant: &TenantId, now: Timestamp) -> Result<SweepCounts, StoreError> {
        let item = self.store.get(&ItemKey::new(Table::Links, counts(tenant), day(now))).await?;
        Ok(item.map(|item| item.decode()).transpose()?.unwrap_or_default())
    }

    /// What is stored under a name, with its version for [`Sweeps::remember`].
    pub async fn recall<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(T, Version)>, StoreError> {
        let item = self.store.get(&ItemKey::new(Table::Links, memory(tenant), name)).await?;
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
        let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
        self.store.put(StoreWrite::new(ItemKey::new(Table::Links, memory(tenant), name), value, condition)?).await
    }

    /// A lease as it is stored; `None` if no worker has ever had it.
    pub async fn lease(&self, tenant: &TenantId, name: &str) -> Result<Option<Lease>, StoreError> {
        Ok(self.recall(tenant, name).await?.map(|(lease, _)| lease))
    }

    /// Takes a lease until a moment; `None` if another worker has it.
    pub async fn take_lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<HeldLease<'a>>, StoreError> {
        self.take_lease_if(tenant, name, now, until, |_| true).await
    }

    /// The same, if what the lease says of the last run still `allows` another one.
    pub async fn take_lease_if<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        now: Timestamp,
        until: Timestamp,
        allows: impl FnOnce(&Lease) -> bool,
    ) -> Result<Option<HeldLease<'a>>, StoreError> {
        let (lease, version) = match self.recall::<Lease>(tenant, name).await? {
            Some((lease, version)) => (lease, Some(version)),
            None => (Lease::default(), None),
        };
        // One that ends later than a lease taken now was written by a clock that was ahead, and does not count.
        let is_held = lease.until.is_some_and(|held| held > now && held <= until + MAX_PROVIDER_SKEW);
        if is_held || !allows(&lease) {
            return Ok(None);
        }
        let lease = Lease { until: Some(until), began_at: Some(now), ..lease };
        match self.remember(tenant, name, &lease, version).await {
            Ok(version) => Ok(Some(HeldLease { sweeps: self, tenant, name, lease, version })),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a lease that a process held which is gone; for the only process that works this store, at its start.
    pub async fn free_lease(&self, tenant: &TenantId, name: &str) -> Result<(), StoreError> {
        let Some((lease, version)) = self.recall::<Lease>(tenant, name).await? else { return Ok(()) };
        if lease.until.is_none() {
            return Ok(());
        }
        let lease = Lease { until: None, continues: true, ..lease };
        match self.remember(tenant, name, &lease, Some(version)).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
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
