//! The Lambda binary of `notion-poll`: gives the handler its ports on AWS.

use clients::Connections;
use notion_poll::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    aws::run_schedule(&backend, |now| handle(&deps, now)).await
}
