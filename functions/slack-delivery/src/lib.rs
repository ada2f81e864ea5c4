//! Delivers cards to Slack, each exactly once.
//!
//! The ledger takes the open call before it is made, and `delivered` with Slack's id after it. A delivery that
//! is found with an open call has an unknown outcome: its worker fell, or Slack's answer was lost. Then the
//! channel's history (or the thread) is searched for the delivery's id, which travels with the message as metadata,
//! before anything is posted again.

mod deliver;
mod look_up;
mod trouble;

use std::sync::Arc;

use connect::Connections;
use platform::clock::Clock;
use platform::ledger::Ledger;
use platform::{Jobs, Outcomes, Ports};
use rules::SlackDelivery;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    connections: Connections,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self { ports: ports.clone(), connections, ledger: Ledger::new(ports.store.clone()), clock: ports.clock.clone() }
    }
}

/// Works the deliveries received together: channels side by side, the cards of a channel in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackDelivery>) -> Outcomes {
    jobs.each(|job| deliver::deliver(deps, job)).await
}
