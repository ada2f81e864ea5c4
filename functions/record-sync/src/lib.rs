//! Works the queue of syncs. What a job does is `notion_sync::work`.

use clients::Connections;
use jobs::sync::SyncJob;
use notion_sync::NotionSync;
use runtime::{Backend, Jobs, Outcomes};

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    sync: NotionSync,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self { sync: NotionSync::new(backend, connections) }
    }
}

/// Works the jobs received together.
pub async fn handle(deps: &Deps, jobs: Jobs<SyncJob>) -> Outcomes {
    jobs.each(|job| notion_sync::work(&deps.sync, job)).await
}
