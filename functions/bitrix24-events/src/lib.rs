//! Decides: reads the records that hints point at, finds what changed, routes it.
//!
//! An event is only a hint. Whether there is a change follows from the record and its snapshot, so the same hint twice
//! makes no second card, and hints that wait together cost one read. What happens only once (a comment, a call) is
//! reported once, by its identity.

mod dispatch;
mod pages;

use clients::Connections;
use crm::{Crm, reading};
use futures::future::join_all;
use jobs::Hint;
use notifications::Routers;
use notion_sync::link::Links;
use runtime::ledger::Ledger;
use runtime::{Backend, Jobs, Outcomes};
use user_mapping::TenantContext;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    crm: Crm,
    context: TenantContext,
    routers: Routers,
    links: Links,
    ledger: Ledger,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            crm: Crm::new(backend, connections.clone()),
            context: TenantContext::new(backend, connections),
            routers: Routers::default(),
            links: Links::new(backend.store.clone()),
            ledger: Ledger::new(backend.store.clone()),
        }
    }
}

/// Works the hints received together, those of each tenant for themselves, and those of a record whose read hangs: reads
/// their records in one go, then decides each.
pub async fn handle(deps: &Deps, jobs: Jobs<Hint>) -> Outcomes {
    let sets = reading::apart(&deps.crm, jobs);
    let outcomes = join_all(sets.into_iter().map(|jobs| read_together(deps, jobs))).await;
    Outcomes(outcomes.into_iter().flat_map(|outcomes| outcomes.0).collect())
}

async fn read_together(deps: &Deps, jobs: Jobs<Hint>) -> Outcomes {
    let (readings, reads) = runtime::calls::recorded(reading::all(&deps.crm, &jobs)).await;
    let reads = &reads;
    jobs.each(|job| {
        let readings = &readings;
        async move {
            // One read serves many jobs: the line of each shows it.
            reads.iter().cloned().for_each(runtime::calls::note);
            dispatch::dispatch(deps, readings, job).await
        }
    })
    .await
}
