//! The Lambda binary of `token-renewal`: gives the handler its ports on AWS.

use clients::Connections;
use token_renewal::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let deps = Deps::new(&ports, Connections::from_env(&ports)?).limited();
    aws::run_calls(|request| handle(&deps, request)).await
}
