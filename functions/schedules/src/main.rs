//! The Lambda binary of `schedules`: gives the handler its ports on AWS.

use clients::Connections;
use schedules::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let deps = Deps::new(&ports, Connections::from_env(&ports)?.renewing_through(aws::token_renewal()));
    let deps = &deps;
    aws::run_schedule(&ports, move |now| async move { handle(deps, now).await }).await
}
