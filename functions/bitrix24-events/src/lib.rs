//! Decides: reads what hints point at, finds what changed, routes it.
//!
//! An event is a hint and nothing more. Whether there is a change follows from the record and its snapshot, so
//! the same hint twice makes no second card, and hints that wait together cost one read.

pub mod baseline;
mod burst;
mod decide;
mod names;
mod pages;
mod read;

use std::sync::Arc;

use connect::Connections;
use platform::clock::Clock;
use platform::ledger::Ledger;
use platform::links::Records;
use platform::{Jobs, Outcomes, Ports, Queue, Store};
use rules::Hint;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    connections: Connections,
    store: Arc<dyn Store>,
    records: Records,
    ledger: Ledger,
    names: names::Cache,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            connections,
            store: ports.store.clone(),
            records: Records::new(ports.store.clone()),
            ledger: Ledger::new(ports.store.clone()),
            names: names::Cache::new(ports.store.clone(), ports.clock.clone()),
            queue: ports.queue.clone(),
            clock: ports.clock.clone(),
        }
    }
}

/// Works the hints received together: reads their records at once, then decides each.
pub async fn handle(deps: &Deps, jobs: Jobs<Hint>) -> Outcomes {
    let readings = read::all(deps, &jobs).await;
    jobs.each(|job| decide::decide(deps, &readings, job)).await
}
