//! Delivers cards and the messages of bridged conversations to Slack, each exactly once.
//!
//! The ledger notes the open call before it is made, and `delivered` with Slack's id after it. A delivery that is found
//! with an open call has an unknown outcome: its worker crashed, or Slack's answer was lost. Then the channel's history
//! (or the thread) is searched for the delivery's id, which travels with the message as metadata, before it is posted
//! again.

use clients::Connections;
use jobs::chat::SlackJob;
use runtime::{Backend, Jobs, Outcomes};
use user_mapping::TenantContext;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    context: TenantContext,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self { context: TenantContext::new(backend, connections) }
    }
}

/// Works the deliveries received together: channels in parallel, the cards and messages of a channel in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackJob>) -> Outcomes {
    jobs.each(|job| async move {
        match job.split() {
            (job, SlackJob::Card(card)) => {
                notifications::delivery::deliver(&deps.context.backend, &deps.context.connections, job.with(*card))
                    .await
            }
            (job, SlackJob::Chat(message)) => chat_bridge::to_slack::deliver(&deps.context, job.with(*message)).await,
        }
    })
    .await
}
