//! The Lambda binary of `slack-webhook`: gives the handler its ports on AWS.

use slack_webhook::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    let deps = Deps::from(aws::backend_of_webhook());
    let deps = &deps;
    aws::run_webhook(move |request| async move { handle(deps, request).await }).await
}
