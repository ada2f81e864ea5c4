//! The Lambda binary of `bitrix24-delivery`: gives the handler its ports on AWS.

use bitrix24_delivery::{Deps, handle};
use clients::Connections;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let public_url = std::env::var("PUBLIC_URL").ok().filter(|url| !url.is_empty());
    let deps = Deps::new(&ports, Connections::from_env(&ports)?.renewing_through(aws::token_renewal()), public_url);
    aws::run_queue(&ports, |jobs| handle(&deps, jobs)).await
}
