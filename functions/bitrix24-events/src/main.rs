//! The Lambda binary of `bitrix24-events`: gives the handler its ports on AWS.

use bitrix24_events::{Deps, handle};
use clients::Connections;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    aws::run_queue(&backend, |jobs| handle(&deps, jobs)).await
}
