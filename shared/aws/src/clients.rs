//! The SDK's clients, each made when it is first needed.
//!
//! Reading certificates and configuration takes longer than the rest of a function's start, so the first request does
//! not wait for it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

/// How long AWS may take to answer. A call that is not answered is tried again by the SDK, within the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsPatience {
    /// To connect.
    connect: Duration,
    /// For each try, with connecting.
    attempt: Duration,
    /// For all tries.
    whole: Duration,
}

impl AwsPatience {
    /// Of workers and pages: less than a job may take.
    pub const OF_WORKER: Self =
        Self { connect: Duration::from_millis(1_500), attempt: Duration::from_secs(4), whole: Duration::from_secs(12) };
    /// Of a webhook, which answers within two seconds: a call that hangs is tried a second time.
    pub const OF_WEBHOOK: Self = Self {
        connect: Duration::from_millis(500),
        attempt: Duration::from_millis(700),
        whole: Duration::from_millis(1_600),
    };

    fn timeouts(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.whole)
            .build()
    }

    /// The SDK's own, except that a wait before the next try is no longer than a try.
    fn retries(self) -> RetryConfig {
        RetryConfig::standard().with_initial_backoff((self.attempt / 4).min(Duration::from_secs(1)))
    }
}

/// The limits of a call that waits so long for a message.
pub(crate) fn waiting_for(wait: Duration) -> aws_sdk_sqs::config::Builder {
    let AwsPatience { connect, attempt, whole } = AwsPatience::OF_WORKER;
    let patience = AwsPatience { connect, attempt: attempt + wait, whole: whole + wait };
    aws_sdk_sqs::config::Builder::new().timeout_config(patience.timeouts())
}

/// The clients of this process.
#[derive(Debug)]
pub struct Clients(OnceCell<CachedClient>, AwsPatience);

#[derive(Debug)]
pub(crate) struct CachedClient {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) config: SdkConfig,
}

/// The one implementation of TLS.
pub(crate) fn tls() -> Provider {
    Provider::Rustls(CryptoMode::Ring)
}

impl Clients {
    /// Clients by the environment, not made yet.
    pub fn lazy(patience: AwsPatience) -> Self {
        Self(OnceCell::new(), patience)
    }

    /// Clients over a configuration.
    pub fn over(config: &SdkConfig, patience: AwsPatience) -> Self {
        Self(OnceCell::new_with(Some(made(config, patience))), patience)
    }

    pub(crate) async fn get(&self) -> &CachedClient {
        let make = || async {
            let http = aws_smithy_http_client::Builder::new().tls_provider(tls()).build_https();
            made(&aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await, self.1)
        };
        self.0.get_or_init(make).await
    }
}

fn made(config: &SdkConfig, patience: AwsPatience) -> CachedClient {
    let config = config.to_builder().timeout_config(patience.timeouts()).retry_config(patience.retries()).build();
    CachedClient {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
        secrets: aws_sdk_secretsmanager::Client::new(&config),
        config,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use runtime::queue::{QueueMessage, QueueName};
    use runtime::store::{ItemKey, StoreError, Table};
    use tokio::net::TcpListener;

    use super::*;
    use crate::ResourceNames;

    /// AWS that accepts every connection and never answers.
    async fn silent_aws() -> SdkConfig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        });
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")))
            .build()
    }

    #[tokio::test]
    async fn calls_of_a_webhook_to_aws_that_hangs_end_within_two_seconds_and_were_tried_twice() {
        let queue = QueueName::new("slack-events");
        let names = ResourceNames {
            tables: [(Table::Portals, "portals".to_owned())].into(),
            queues: [(queue, "http://127.0.0.1:1/queue.fifo".to_owned())].into(),
            dead: std::collections::HashMap::new(),
            secret_prefix: String::new(),
        };
        let config = silent_aws().await;
        let backend = crate::ports_within(&config, names, Arc::new(runtime::SystemClock), AwsPatience::OF_WEBHOOK);
        let began = Instant::now();
        let key = ItemKey::new(Table::Portals, "tenant", "portal");
        let found = backend.store.get(&key).await;
        assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(took >= AwsPatience::OF_WEBHOOK.attempt + Duration::from_millis(300), "tried once more: {took:?}");
        let message = QueueMessage { group: "g".into(), deduplication: "d".into(), body: "b".into() };
        let began = Instant::now();
        backend.queue.send(queue, vec![message]).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
