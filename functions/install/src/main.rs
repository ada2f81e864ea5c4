//! The Lambda binary of `install`: gives the handler its ports on AWS.

use clients::Connections;
use install::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let public_url = std::env::var("PUBLIC_URL").ok().filter(|url| !url.is_empty());
    let deps = Deps::new(&backend, Connections::from_env(&backend)?, public_url).by_host();
    let deps = &deps;
    aws::run_http(move |request| async move { handle(deps, request).await }).await
}
