//! Records and their Notion pages, as several functions need them: links and their bases, databases and their mappings,
//! people, conflicts, what needs attention, backfills and their plans. The merge is in `fields`; the function
//! `record-sync` reads and writes both sides.

pub mod attention;
pub mod conflicts;
pub mod context;
pub mod database;
pub mod fields;
pub mod link;
mod look;
pub mod notion_jobs;
pub mod people;
pub mod plan;
pub mod runs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use clients::{Connections, Failure};
use crm::names::NamesCache;
use jiff::Timestamp;
use runtime::queue::Outgoing;
use runtime::{Ports, TenantId, TraceId};

pub use attention::Attention;
pub use conflicts::{Conflicts, Kept};
pub use database::{Closed, Known, Open, Opened};
pub use jobs::sync::{Others, Signal, SyncJob};
pub use link::{Apart, Link, Links, Standing};
pub use plan::Plans;
pub use runs::{Run, Runs};

/// The stores and providers that sync works on. Cheap to clone.
#[derive(Clone)]
pub struct NotionSync {
    /// The ports.
    pub ports: Ports,
    /// The connections.
    pub connections: Connections,
    /// The links.
    pub links: Links,
    /// The conflicts.
    pub conflicts: Conflicts,
    /// What needs attention.
    pub attention: Attention,
    /// The backfills.
    pub runs: Runs,
    /// Their plans, record by record.
    pub plans: Plans,
    names: NamesCache,
    memory: Arc<Mutex<HashMap<(TenantId, String), (Arc<Known>, Timestamp)>>>,
    people: Arc<Mutex<HashMap<TenantId, (Arc<people::Map>, Timestamp)>>>,
}

/// A job as a message; `once` makes a second send of it harmless.
pub fn message(job: &SyncJob, tenant: &TenantId, trace: TraceId, once: &str) -> Result<Outgoing, Failure> {
    Ok(runtime::job::message_once(tenant, trace, job, once)?)
}

impl NotionSync {
    /// Sends jobs.
    pub async fn send(&self, jobs: Vec<Outgoing>) -> Result<(), Failure> {
        Ok(self.ports.send(jobs).await?)
    }

    /// Over `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            ports: ports.clone(),
            names: NamesCache::new(connections.clone(), ports.store.clone(), ports.clock.clone()),
            connections,
            links: Links::new(ports.store.clone()),
            conflicts: Conflicts::new(ports.store.clone()),
            attention: Attention::new(ports.store.clone()),
            runs: Runs::new(ports.store.clone()),
            plans: Plans::new(ports.store.clone()),
            memory: Arc::default(),
            people: Arc::default(),
        }
    }
}
