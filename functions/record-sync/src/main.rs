//! The Lambda binary of `record-sync`: gives the handler its ports on AWS.

use clients::Connections;
use record_sync::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    aws::run_queue(&backend, |jobs| handle(&deps, jobs)).await
}
