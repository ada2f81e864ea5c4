//! The Lambda binary of `slack-delivery`: gives the handler its ports on AWS.

use clients::Connections;
use slack_delivery::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    aws::run_queue(&backend, |jobs| handle(&deps, jobs)).await
}
