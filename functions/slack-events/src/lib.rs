//! Decides what an event in Slack means: a message for a bridged chat, a card below a link, a home tab, a changed
//! person.
//!
//! A message's copies are stored as deliveries, in one transaction with the event's line and the claim on the message,
//! and then sent. What Slack sends twice finds the claim.

mod dispatch;

use std::sync::Arc;

use clients::Connections;
use jobs::queueing::SlackEvent;
use runtime::clock::Clock;
use runtime::ledger::Ledger;
use runtime::{Jobs, Outcomes, Ports};
use user_mapping::Talk;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    talk: Talk,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            talk: Talk::new(ports, connections),
            ledger: Ledger::new(ports.store.clone()),
            clock: ports.clock.clone(),
        }
    }
}

/// Works the events received together: channels side by side, the events of a channel in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackEvent>) -> Outcomes {
    jobs.each(|job| dispatch::dispatch(deps, job.map(|SlackEvent(event)| *event))).await
}
