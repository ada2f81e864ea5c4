//! The Lambda binary of `token-renewal`: gives the handler its ports on AWS.

use clients::Connections;
use token_renewal::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let backend = aws::backend();
    let deps = Deps::new(&backend, Connections::from_env(&backend)?).limited();
    aws::run_calls(|request| handle(&deps, request)).await
}
