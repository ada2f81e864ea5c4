//! Does what somebody asked for in Slack: commands, buttons, menus, dialogs, shortcuts.
//!
//! Each request is done once: it is claimed by what was typed or pressed and when. What is created carries the
//! delivery's id, and is looked for before it is created again.

mod act;
mod ask;
mod bridge;
mod create;
mod deal;
mod drafts;
mod me;
mod people;
mod share;

use std::sync::Arc;

use clients::Connections;
use jobs::asked::Asked;
use runtime::clock::Clock;
use runtime::ledger::Ledger;
use runtime::limiter::Limiter;
use runtime::{Jobs, Outcomes, Ports};
use user_mapping::Talk;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    talk: Talk,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    limiter: Limiter,
    public_url: Option<String>,
}

impl Deps {
    /// The function on `ports`, with connections to providers, which reach us at `public_url`.
    pub fn new(ports: &Ports, connections: Connections, public_url: Option<String>) -> Self {
        Self {
            talk: Talk::new(ports, connections),
            ledger: Ledger::new(ports.store.clone()),
            clock: ports.clock.clone(),
            limiter: Limiter::new(ports.store.clone(), ports.clock.clone()),
            public_url,
        }
    }
}

/// Works the requests received together: people side by side, what one person asks in order.
pub async fn handle(deps: &Deps, jobs: Jobs<Asked>) -> Outcomes {
    jobs.each(|job| ask::answer(deps, job)).await
}
