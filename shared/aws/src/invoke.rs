//! The port to another function, on Lambda: one signed request. Lambda's SDK has about a hundred operations; this is
//! the only one that is used, over what the other SDKs bring along.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use runtime::invoke::{Invoke, InvokeError};

use crate::clients::AwsPatience;
use crate::{Clients, clients};

/// How long the called function may take: longer than its own time-out, and shorter than that of every caller.
const PATIENCE: Duration = Duration::from_secs(22);
/// The alias that every function has.
const ALIAS: &str = "live";

/// A function that may be called.
pub struct LambdaFunction {
    clients: Arc<Clients>,
    name: Option<String>,
    variable: &'static str,
    connector: OnceLock<Connector>,
}

/// The function that renews tokens, by the variable `TOKEN_RENEWAL_FUNCTION`.
pub fn token_renewal() -> Arc<LambdaFunction> {
    let variable = "TOKEN_RENEWAL_FUNCTION";
    let name = std::env::var(variable).ok().filter(|name| !name.is_empty());
    Arc::new(LambdaFunction {
        clients: Arc::new(Clients::lazy(AwsPatience::OF_WORKER)),
        name,
        variable,
        connector: OnceLock::new(),
    })
}

impl LambdaFunction {
    /// A function by its name, over one configuration of the SDK.
    pub fn over(config: &SdkConfig, name: &str) -> Self {
        let (clients, name) = (Arc::new(Clients::over(config, AwsPatience::OF_WORKER)), Some(name.to_owned()));
        Self { clients, name, variable: "", connector: OnceLock::new() }
    }

    async fn call(&self, request: &str) -> Result<String, String> {
        let name = self.name.as_ref().ok_or_else(|| format!("set {}", self.variable))?;
        let config = &self.clients.get().await.config;
        let request = signed(config, name, request).await?;
        let connector = self.connector.get_or_init(|| Connector::builder().tls_provider(clients::tls()).build());
        let response = connector.call(request).await.map_err(|error| error.to_string())?;
        let (status, failed) = (response.status().as_u16(), response.headers().contains_key("x-amz-function-error"));
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(|_| "no text".to_owned())?;
        match (status, failed) {
            (200, false) => Ok(text),
            // What a function says of its failure may be anything; Lambda's own word is an error's name.
            (_, true) => Err("it failed; its log says why".to_owned()),
            _ => Err(format!("Lambda answered HTTP {status}")),
        }
    }
}

async fn signed(config: &SdkConfig, name: &str, request: &str) -> Result<HttpRequest, String> {
    let region = config.region().ok_or("no region; set AWS_REGION")?.as_ref();
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let endpoint = config.endpoint_url().map_or_else(|| format!("https://lambda.{region}.{suffix}"), str::to_owned);
    let endpoint = endpoint.trim_end_matches('/');
    let url = format!("{endpoint}/2015-03-31/functions/{name}/invocations?Qualifier={ALIAS}");
    let provider = config.credentials_provider().ok_or("no credentials")?;
    let identity = provider.provide_credentials().await.map_err(|error| error.to_string())?.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("lambda")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let body = SignableBody::Bytes(request.as_bytes());
    let kind = ("content-type", "application/json");
    let signable =
        SignableRequest::new("POST", &url, std::iter::once(kind), body).map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
    let mut request = http::Request::post(&url)
        .header(kind.0, kind.1)
        .body(SdkBody::from(request))
        .map_err(|error| error.to_string())?;
    instructions.apply_to_request_http1x(&mut request);
    HttpRequest::try_from(request).map_err(|error| error.to_string())
}

#[async_trait]
impl Invoke for LambdaFunction {
    async fn invoke(&self, request: String) -> Result<String, InvokeError> {
        let answered = tokio::time::timeout(PATIENCE, self.call(&request)).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {} seconds", PATIENCE.as_secs())));
        let function = || self.name.clone().unwrap_or_else(|| self.variable.to_owned());
        answered.map_err(|cause| InvokeError { function: function(), cause })
    }
}
