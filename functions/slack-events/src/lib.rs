//! Decides what an event in Slack means: a message for a bridged chat, a card below a link, a home tab, a changed
//! person.
//!
//! A message's copies are stored as deliveries, in one transaction with the event's line and the claim on the message,
//! and then sent. What Slack sends twice finds the claim.

mod dispatch;

use std::sync::Arc;

use clients::Connections;
use jobs::job_impls::SlackEvent;
use runtime::clock::Clock;
use runtime::ledger::Ledger;
use runtime::{Backend, Jobs, Outcomes};
use user_mapping::TenantContext;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    context: TenantContext,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            context: TenantContext::new(backend, connections),
            ledger: Ledger::new(backend.store.clone()),
            clock: backend.clock.clone(),
        }
    }
}

/// Works the events received together: channels in parallel, the events of a channel in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackEvent>) -> Outcomes {
    jobs.each(|job| dispatch::dispatch(deps, job.map(|SlackEvent(event)| *event))).await
}
