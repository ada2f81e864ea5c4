//! The Lambda binary of `schedules`: gives the handler its ports on AWS.

use clients::Connections;
use schedules::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    let deps = &deps;
    aws::run_schedule(&backend, move |now| async move { handle(deps, now).await }).await
}
