//! The SDK's clients, each made when it is first needed.
//!
//! Reading certificates and configuration takes longer than the rest of a function's start, so the first request does
//! not wait for it.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

/// The clients of this process.
#[derive(Debug, Default)]
pub struct Clients(OnceCell<CachedClient>);

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
    pub fn lazy() -> Self {
        Self::default()
    }

    /// Clients over a configuration.
    pub fn over(config: &SdkConfig) -> Self {
        Self(OnceCell::new_with(Some(made(config))))
    }

    pub(crate) async fn get(&self) -> &CachedClient {
        let make = || async {
            let http = aws_smithy_http_client::Builder::new().tls_provider(tls()).build_https();
            made(&aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await)
        };
        self.0.get_or_init(make).await
    }
}

fn made(config: &SdkConfig) -> CachedClient {
    CachedClient {
        dynamodb: aws_sdk_dynamodb::Client::new(config),
        sqs: aws_sdk_sqs::Client::new(config),
        secrets: aws_sdk_secretsmanager::Client::new(config),
        config: config.clone(),
    }
}
