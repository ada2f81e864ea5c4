//! The Lambda binary of `upkeep`: gives the handler its ports on AWS.

use clients::Connections;
use upkeep::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?, std::env::var("PUBLIC_URL").ok());
    aws::run_schedule(&backend, |now| handle(&deps, now)).await
}
