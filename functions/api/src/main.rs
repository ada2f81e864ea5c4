//! The Lambda binary of `api`: gives the handler its ports on AWS.

use api::{Deps, handle};
use clients::Connections;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?.renewing_through(aws::token_renewal()));
    let deps = &deps;
    aws::run_http(move |request| async move { handle(deps, request).await }).await
}
