//! Decides: reads the records that hints point at, finds what changed, routes it.
//!
//! An event is only a hint. Whether there is a change follows from the record and its snapshot, so the same hint twice
//! makes no second card, and hints that wait together cost one read. What happens only once (a comment, a call) is
//! reported once, by its identity.

#[path = "../../../shared/chat_bridge/src/bot_answers.rs"]
mod bot;
#[path = "../../../shared/crm/src/bursts.rs"]
mod burst;
#[path = "../../../shared/crm/src/calls.rs"]
mod calls;
#[path = "../../../shared/chat_bridge/src/from_bitrix24.rs"]
mod chats;
#[path = "../../../shared/crm/src/comments.rs"]
mod comments;
#[path = "../../../shared/crm/src/hints.rs"]
mod decide;
#[path = "../../../shared/notifications/src/digest.rs"]
mod errands;
#[path = "../../../shared/notion_sync/src/notion_jobs.rs"]
mod mirrored;
#[path = "../../../shared/crm/src/reading.rs"]
mod read;
#[path = "../../../shared/notifications/src/routers.rs"]
mod routers;
#[path = "../../../shared/notifications/src/routing.rs"]
mod routing;

use std::sync::Arc;

use clients::Connections;
use crm::names::NamesCache;
use crm::sightings::Sightings;
use crm::sweeps::Sweeps;
use jobs::Hint;
use runtime::clock::Clock;
use runtime::ledger::Ledger;
use runtime::limiter::Limiter;
use runtime::links::Records;
use runtime::metrics::Metrics;
use runtime::{Jobs, Outcomes, Ports, Store};
use user_mapping::Talk;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    connections: Connections,
    store: Arc<dyn Store>,
    records: Records,
    ledger: Ledger,
    names: NamesCache,
    talk: Talk,
    limiter: Limiter,
    sightings: Sightings,
    sweeps: Sweeps,
    routers: routers::Routers,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            names: NamesCache::new(connections.clone(), ports.store.clone(), ports.clock.clone()),
            talk: Talk::new(ports, connections.clone()),
            ports: ports.clone(),
            connections,
            store: ports.store.clone(),
            records: Records::new(ports.store.clone()),
            ledger: Ledger::new(ports.store.clone()),
            limiter: Limiter::new(ports.store.clone(), ports.clock.clone()),
            sightings: Sightings::new(ports.store.clone()),
            sweeps: Sweeps::new(ports.store.clone()),
            routers: routers::Routers::default(),
            clock: ports.clock.clone(),
            metrics: ports.metrics.clone(),
        }
    }
}

/// Works the hints received together: reads their records at once, then decides each.
pub async fn handle(deps: &Deps, jobs: Jobs<Hint>) -> Outcomes {
    let (readings, reads) = runtime::calls::recorded(read::all(deps, &jobs)).await;
    let reads = &reads;
    jobs.each(|job| {
        let readings = &readings;
        async move {
            // One read serves many: each of them shows it.
            reads.iter().cloned().for_each(runtime::calls::note);
            decide::decide(deps, readings, job).await
        }
    })
    .await
}
