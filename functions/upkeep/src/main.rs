//! The Lambda binary of `upkeep`: gives the handler its ports on AWS.

use clients::Connections;
use upkeep::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let deps = Deps::new(&ports, Connections::from_env(&ports)?, std::env::var("PUBLIC_URL").ok());
    aws::run_schedule(&ports, |now| handle(&deps, now)).await
}
