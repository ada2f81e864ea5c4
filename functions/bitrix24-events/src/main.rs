//! The Lambda binary.

use bitrix24_events::{Deps, handle};
use clients::Connections;
use runtime::QueueName;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let ports = aws::ports();
    let deps = Deps::new(&ports, Connections::from_env(&ports)?.renewing_through(aws::token_renewal()));
    aws::run_queue(&ports, QueueName::Bitrix24Events, |jobs| handle(&deps, jobs)).await
}
