//! Delivers messages of bridged conversations to Bitrix24, each exactly once and in order.

use clients::Connections;
use jobs::chat::ToBitrix24;
use runtime::{Backend, Jobs, Outcomes};
use user_mapping::TenantContext;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    context: TenantContext,
    public_url: Option<String>,
}

impl Deps {
    /// The function on `backend`, with connections to providers, which reach us at `public_url`.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        Self { context: TenantContext::new(backend, connections), public_url }
    }
}

/// Works the deliveries received together: chats in parallel, the messages of a chat in order.
pub async fn handle(deps: &Deps, jobs: Jobs<ToBitrix24>) -> Outcomes {
    jobs.each(|job| chat_bridge::to_bitrix24::deliver(&deps.context, deps.public_url.as_deref(), job)).await
}
