//! Reading a portal: what hints and the sweep find changed; pages of records, names behind codes, the baseline, deals and
//! tasks for people; which events are bound, when each was last seen, and what the sweep remembers.

pub mod baseline;
pub mod calls;
mod comments;
pub mod hints;
pub mod names;
pub mod pages;
pub mod reading;
pub mod sightings;
pub mod subscriptions;
pub mod sweep;
pub mod sweeps;
pub mod views;

use std::sync::{Arc, Mutex};

use clients::Connections;
use runtime::Backend;
use runtime::snapshots::Records;

pub use names::NamesCache;
use sightings::Sightings;
use sweeps::Sweeps;

/// The stores and providers that reading a portal works on. Cheap to clone.
#[derive(Clone)]
pub struct Crm {
    /// The engine.
    pub backend: Backend,
    /// The providers.
    pub connections: Connections,
    /// Snapshots of records, and readings.
    pub records: Records,
    /// Names behind codes.
    pub names: NamesCache,
    /// When each event was last seen.
    pub sightings: Sightings,
    /// What the sweep remembers.
    pub sweeps: Sweeps,
    /// How portals have answered reads of records.
    read_limits: Arc<Mutex<reading::ReadLimits>>,
}

impl Crm {
    /// Over an engine and connections.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            records: Records::new(backend.store.clone()),
            names: NamesCache::new(connections.clone(), backend.store.clone(), backend.clock.clone()),
            sightings: Sightings::new(backend.store.clone()),
            sweeps: Sweeps::new(backend.store.clone()),
            read_limits: Arc::default(),
            backend: backend.clone(),
            connections,
        }
    }
}
