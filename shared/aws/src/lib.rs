//! The ports on AWS, and the start-up of a Lambda function.
//!
//! The store is DynamoDB, the queues are SQS FIFO, the secrets are in Secrets Manager. A function names none
//! of them: its `main.rs` takes the ports from here and hands its handler over.

pub mod lambda;
pub mod metrics;
pub mod names;
pub mod queue;
pub mod secrets;
pub mod store;

use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use platform::{Clock, Ports, SystemClock};

pub use lambda::{Error, run_http, run_queue};
pub use names::Names;

/// The ports of this function, by its environment.
pub async fn ports() -> Result<Ports, Error> {
    lambda::log();
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    Ok(ports_over(&config, Names::from_env()?, Arc::new(SystemClock)))
}

/// The ports over one configuration of the SDK, telling the time by `clock`.
pub fn ports_over(config: &SdkConfig, names: Names, clock: Arc<dyn Clock>) -> Ports {
    let names = Arc::new(names);
    Ports {
        store: Arc::new(store::DynamoStore::new(aws_sdk_dynamodb::Client::new(config), names.clone(), clock.clone())),
        queue: Arc::new(queue::SqsQueue::new(aws_sdk_sqs::Client::new(config), names.clone())),
        secrets: Arc::new(secrets::ManagedSecrets::new(aws_sdk_secretsmanager::Client::new(config), names)),
        clock,
        metrics: Arc::new(metrics::EmbeddedMetrics),
    }
}
