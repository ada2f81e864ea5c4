//! The Lambda binary of `slack-commands`: gives the handler its ports on AWS.

use clients::Connections;
use slack_commands::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let public_url = std::env::var("PUBLIC_URL").ok().filter(|url| !url.is_empty());
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()), public_url);
    aws::run_queue(&backend, |jobs| handle(&deps, jobs)).await
}
