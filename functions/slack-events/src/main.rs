//! The Lambda binary of `slack-events`: gives the handler its ports on AWS.

use clients::Connections;
use slack_events::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let deps = Deps::new(&ports, Connections::from_env(&ports)?.renewing_through(aws::token_renewal()));
    aws::run_queue(&ports, |jobs| handle(&deps, jobs)).await
}
