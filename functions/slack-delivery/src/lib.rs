//! Delivers cards and the messages of bridged conversations to Slack, each exactly once.
//!
//! The ledger notes the open call before it is made, and `delivered` with Slack's id after it. A delivery that is found
//! with an open call has an unknown outcome: its worker crashed, or Slack's answer was lost. Then the channel's history
//! (or the thread) is searched for the delivery's id, which travels with the message as metadata, before it is posted
//! again.

#[path = "../../../shared/chat_bridge/src/to_slack.rs"]
mod chat;
#[path = "../../../shared/notifications/src/delivery.rs"]
mod deliver;
#[path = "../../../shared/clients/src/find_posted.rs"]
mod look_up;
#[path = "../../../shared/notifications/src/channel_trouble.rs"]
mod trouble;

use std::sync::Arc;

use clients::Connections;
use jobs::chat::SlackJob;
use runtime::clock::Clock;
use runtime::{Jobs, Outcomes, Ports};
use user_mapping::Talk;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    connections: Connections,
    talk: Talk,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        let talk = Talk::new(ports, connections.clone());
        Self { ports: ports.clone(), connections, talk, clock: ports.clock.clone() }
    }
}

/// Works the deliveries received together: channels side by side, the cards and messages of a channel in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackJob>) -> Outcomes {
    jobs.each(|job| async move {
        match job.split() {
            (job, SlackJob::Card(card)) => deliver::deliver(deps, job.with(*card)).await,
            (job, SlackJob::Chat(message)) => chat::deliver(deps, job.with(*message)).await,
        }
    })
    .await
}
