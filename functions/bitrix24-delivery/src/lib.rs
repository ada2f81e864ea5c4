//! Delivers messages of bridged conversations to Bitrix24, each exactly once and in order.
//!
//! The ledger notes the open call before it is made. A delivery that is found with one has an unknown outcome: then the
//! chat's last messages are searched for it, by the uuid that travels with it or by its text, before it is sent again.

#[path = "../../../shared/chat_bridge/src/to_bitrix24.rs"]
mod deliver;
#[path = "../../../shared/chat_bridge/src/to_bitrix24/edit.rs"]
mod edit;
#[path = "../../../shared/chat_bridge/src/to_bitrix24/files.rs"]
mod files;

use clients::Connections;
use jobs::chat::ToBitrix24;
use runtime::{Jobs, Outcomes, Ports};
use user_mapping::Talk;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    talk: Talk,
    public_url: Option<String>,
}

impl Deps {
    /// The function on `ports`, with connections to providers, which reach us at `public_url`.
    pub fn new(ports: &Ports, connections: Connections, public_url: Option<String>) -> Self {
        Self { talk: Talk::new(ports, connections), public_url }
    }
}

/// Works the deliveries received together: chats side by side, the messages of a chat in order.
pub async fn handle(deps: &Deps, jobs: Jobs<ToBitrix24>) -> Outcomes {
    jobs.each(|job| deliver::deliver(deps, job)).await
}
