//! The Lambda binary of `tenant-jobs`: gives the handler its ports on AWS.

use tenant_jobs::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::from(backend.clone());
    aws::run_queue(&backend, |jobs| handle(&deps, jobs)).await
}
