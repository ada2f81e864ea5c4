//! Records and their Notion pages, as several functions need them: links and their bases, databases and their mappings,
//! people, conflicts, what needs attention, backfills and their plans. The merge is in `fields`; `work` reads and writes
//! both sides, `backfill` syncs what was there before, and `poll` finds edits of which no webhook arrived.

pub mod attention;
mod backfill;
pub mod conflicts;
pub mod context;
pub mod database;
pub mod fields;
pub mod link;
mod lookup;
pub mod notion_jobs;
pub mod paused;
pub mod people;
pub mod plan;
pub mod poll;
pub mod runs;
mod trail;
mod work;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use clients::{Connections, Failure};
use crm::names::NamesCache;
use crm::sweeps::Sweeps;
use jiff::Timestamp;
use runtime::queue::QueuedMessage;
use runtime::snapshots::Records;
use runtime::store::{StoreError, StoreWrite, Version};
use runtime::{Backend, TenantId, TraceId};
use tenants::hooks::Hooks;

pub use attention::Attention;
pub use conflicts::{Conflicts, StoredConflict};
pub use database::{Closed, KnownDatabase, Open, OpenedDatabase};
pub use jobs::sync::{Others, Signal, SyncJob};
pub use link::{Apart, LinkState, Links, PageLink};
pub use plan::Plans;
pub use runs::{Runs, SyncRun};
pub use worker::work;

/// The stores and providers that sync works on. Cheap to clone.
#[derive(Clone)]
pub struct NotionSync {
    pub backend: Backend,
    pub connections: Connections,
    pub links: Links,
    pub conflicts: Conflicts,
    /// What needs attention.
    pub attention: Attention,
    /// The backfills.
    pub runs: Runs,
    /// Their plans, record by record.
    pub plans: Plans,
    records: Records,
    hooks: Hooks,
    sweeps: Sweeps,
    names: NamesCache,
    memory: Arc<Mutex<HashMap<(TenantId, String), (Arc<KnownDatabase>, Timestamp)>>>,
    people: Arc<Mutex<HashMap<TenantId, Arc<people::PeopleMapping>>>>,
}

/// A job as a message; `once` makes a second send of it harmless.
pub fn message(job: &SyncJob, tenant: &TenantId, trace: TraceId, once: &str) -> Result<QueuedMessage, Failure> {
    Ok(runtime::job::message_once(tenant, trace, job, once)?)
}

impl NotionSync {
    pub async fn send(&self, jobs: Vec<QueuedMessage>) -> Result<(), Failure> {
        Ok(self.backend.send(jobs).await?)
    }

    /// Over `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            backend: backend.clone(),
            names: NamesCache::new(connections.clone(), backend.store.clone(), backend.clock.clone()),
            connections,
            links: Links::new(backend.store.clone()),
            conflicts: Conflicts::new(backend.store.clone()),
            attention: Attention::new(backend.store.clone()),
            runs: Runs::new(backend.store.clone()),
            plans: Plans::new(backend.store.clone()),
            records: Records::new(backend.store.clone()),
            hooks: Hooks::new(backend.store.clone()),
            sweeps: Sweeps::new(backend.store.clone()),
            memory: Arc::default(),
            people: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    /// Writes a new item and returns its version.
    async fn begin(&self, write: StoreWrite) -> Result<Version, Failure> {
        match self.backend.store.put(write).await {
            Err(StoreError::Conflict(_)) => Err(Failure::transient("another worker is using this link")),
            done => Ok(done?),
        }
    }

    /// Writes all or none; a worker that finds another was faster tries again.
    async fn put(&self, writes: Vec<StoreWrite>) -> Result<(), Failure> {
        match self.backend.store.put_all(writes).await {
            Err(StoreError::Conflict(_)) => Err(Failure::transient("another worker is using this link")),
            done => Ok(done?),
        }
    }
}
