//! Long work for a tenant, a slice at a time. What a slice of a deletion does is `tenants::departure`.

use jobs::TenantJob;
use runtime::{Backend, JobOutcome, Jobs, Outcomes, ReceivedJob};
use tenants::departure;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    backend: Backend,
}

impl From<Backend> for Deps {
    fn from(backend: Backend) -> Self {
        Self { backend }
    }
}

/// Works the jobs received together.
pub async fn handle(deps: &Deps, jobs: Jobs<TenantJob>) -> Outcomes {
    jobs.each(|job| work(deps, job)).await
}

async fn work(deps: &Deps, job: ReceivedJob<TenantJob>) -> JobOutcome {
    match job.body {
        TenantJob::Leave { began_at, slice } => departure::work(&deps.backend, &job.tenant, began_at, slice).await,
    }
}
