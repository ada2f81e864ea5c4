//! The REST client: one call, one answer, every failure with a kind.
//!
//! It does not retry and knows no limits; both belong to whoever knows the account.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::error::Error;

/// A portal cuts a request off after 60 seconds; longer waits are for nothing.
const LONGEST_CALL: Duration = Duration::from_secs(65);
/// An answer larger than this is not read to its end.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Where a portal's REST answers, with the credentials that belong to it.
#[derive(Debug, Clone)]
pub enum RestBase {
    /// An incoming webhook: `https://PORTAL/rest/USER/SECRET/`. The URL is the credential.
    Webhook(SecretString),
    /// An application: `https://PORTAL/rest/` and an access token.
    OAuth {
        /// The `client_endpoint`.
        endpoint: String,
        /// The access token.
        token: SecretString,
    },
}

impl RestBase {
    /// Checks an incoming webhook's URL and makes it end in `/`.
    pub fn webhook(url: &SecretString) -> Result<Self, Error> {
        let mut parsed = checked(url.expose_secret())?;
        let parts: Vec<_> = parsed.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let [.., "rest", user, _secret] = parts[..] else {
            return Err(Error::Address("an incoming webhook's URL looks like https://PORTAL/rest/USER/SECRET/".into()));
        };
        if user.parse::<u64>().is_err() {
            return Err(Error::Address("an incoming webhook's URL has the user's number after /rest/".into()));
        }
        let path = format!("/{}/", parts.join("/"));
        parsed.set_path(&path);
        parsed.set_query(None);
        parsed.set_fragment(None);
        Ok(Self::Webhook(String::from(parsed).into()))
    }

    /// The portal's host, with a port where there is one.
    pub fn domain(&self) -> String {
        let url = match self {
            Self::Webhook(url) => url.expose_secret(),
            Self::OAuth { endpoint, .. } => endpoint,
        };
        Url::parse(url).ok().and_then(|url| authority(&url)).unwrap_or_default()
    }

    /// The same credentials on another host.
    fn moved_to(&self, domain: &str) -> Result<Self, Error> {
        let moved = |url: &str| on_host(&SecretString::from(url), domain);
        Ok(match self {
            Self::Webhook(url) => Self::Webhook(moved(url.expose_secret())?.into()),
            Self::OAuth { endpoint, token } => Self::OAuth { endpoint: moved(endpoint)?, token: token.clone() },
        })
    }

    pub(crate) fn url(&self, method: &str) -> Result<Url, Error> {
        let base = match self {
            Self::Webhook(url) => url.expose_secret(),
            Self::OAuth { endpoint, .. } => endpoint,
        };
        checked(base)?.join(method).map_err(|_| Error::Address(format!("{method:?} is no method")))
    }
}

/// The same URL on another host (with a port where there is one): a renamed portal's webhook keeps its secret.
pub fn on_host(url: &SecretString, domain: &str) -> Result<String, Error> {
    let mut url = checked(url.expose_secret())?;
    let (host, port) = domain.rsplit_once(':').map_or((domain, None), |(host, port)| (host, port.parse().ok()));
    let fits = url.set_host(Some(host)).is_ok() && url.set_port(port).is_ok();
    if fits { checked(url.as_str()).map(String::from) } else { Err(Error::Address(format!("{domain:?} is no host"))) }
}

/// A portal is reached by https; by http only on this very machine, where a simulator may stand in for it.
pub(crate) fn checked(url: &str) -> Result<Url, Error> {
    let url =
        Url::parse(url.trim()).map_err(|cause| Error::Address(format!("the portal's address is no URL: {cause}")))?;
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        scheme => Err(Error::Address(format!("a portal is called by https, not by {scheme}"))),
    }
}

pub(crate) fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The method's result.
    pub result: Value,
    /// How many rows there are in all, where a list counted.
    pub total: Option<u64>,
    /// Where the next page starts.
    pub next: Option<u64>,
    /// Seconds of operating time charged to the method in the last ten minutes, where the portal says.
    pub operating: Option<f64>,
    /// When the oldest of it is forgotten.
    pub operating_reset_at: Option<Timestamp>,
    /// When the portal began to work on the call, by its own clock.
    pub started_at: Option<Timestamp>,
    /// The portal's new host, if it was renamed: store it.
    pub moved_to: Option<String>,
}

impl Answer {
    /// The result as a type; `method` names it in the error.
    pub fn decode<T: DeserializeOwned>(self, method: &str) -> Result<T, Error> {
        shaped(method, self.result)
    }
}

/// A part of a result as a type.
pub fn shaped<T: DeserializeOwned>(method: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|cause| Error::Shape { method: method.to_owned(), cause: cause.to_string() })
}

/// Is told of each call.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A call of `method` ended: what was asked (without credentials), what came of it, and how long it took.
    fn called(&self, method: &str, asked: &Value, answer: Result<&Value, &Error>, took: Duration);
}

/// Calls one portal.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: RestBase,
    observer: Option<Arc<dyn Observer>>,
}

impl Client {
    /// A client for the portal at `base`. `http` must not follow redirects: a renamed portal answers 302,
    /// and following that would turn the POST into a GET.
    pub fn new(http: reqwest::Client, base: RestBase) -> Self {
        Self { http, base, observer: None }
    }

    /// The same client, which tells of each call.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Where it calls, and with what.
    pub fn base(&self) -> &RestBase {
        &self.base
    }

    /// Makes one call.
    pub async fn call(&self, method: &str, params: &Value) -> Result<Answer, Error> {
        let began = Instant::now();
        let answer = self.follow(method, params).await;
        if let Some(observer) = &self.observer {
            observer.called(method, params, answer.as_ref().map(|answer| &answer.result), began.elapsed());
        }
        answer
    }

    async fn follow(&self, method: &str, params: &Value) -> Result<Answer, Error> {
        match self.send(&self.base, method, params).await? {
            Sent::Answer(answer) => Ok(answer),
            Sent::Moved(domain) => {
                let base = self.base.moved_to(&domain)?;
                match self.send(&base, method, params).await? {
                    Sent::Answer(answer) => Ok(Answer { moved_to: Some(domain), ..answer }),
                    Sent::Moved(_) => Err(Error::Address(format!("the portal moved to {domain}, and on from there"))),
                }
            }
        }
    }

    async fn send(&self, base: &RestBase, method: &str, params: &Value) -> Result<Sent, Error> {
        let url = base.url(method)?;
        let mut body = params.clone();
        if let (RestBase::OAuth { token, .. }, Some(body)) = (base, body.as_object_mut()) {
            body.insert("auth".into(), token.expose_secret().into());
        }
        let request = self.http.post(url.clone()).timeout(LONGEST_CALL).header(CONTENT_TYPE, "application/json");
        let response = request.body(body.to_string()).send().await.map_err(|error| failed(method, &error))?;
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let moved = location.and_then(|location| url.join(location).ok()).map(String::from);
            let moved = moved.map(|moved| checked(&moved)).transpose()?.and_then(|moved| authority(&moved));
            return moved.map(Sent::Moved).ok_or_else(|| garbage(method, status.as_u16(), b"a redirect to nowhere"));
        }
        let text = read(response, method).await?;
        understand(method, status.as_u16(), &text).map(Sent::Answer)
    }
}

enum Sent {
    Answer(Answer),
    Moved(String),
}

/// Reads the body, but not more than a REST answer can hold.
pub(crate) async fn read(mut response: reqwest::Response, method: &str) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(method, &error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            return Err(garbage(method, response.status().as_u16(), b"more than 32 MB"));
        }
    }
    Ok(body)
}

pub(crate) fn failed(method: &str, error: &reqwest::Error) -> Error {
    if error.is_connect() || error.is_builder() {
        return Error::NotConnected { method: method.to_owned(), cause: causes(error) };
    }
    lost(method, error)
}

fn lost(method: &str, error: &reqwest::Error) -> Error {
    Error::Lost { method: method.to_owned(), cause: causes(error) }
}

/// An error and what is behind it, without the URL: an incoming webhook's URL is a secret.
fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "connection failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if text.contains("certificate") {
        text.push_str(
            "; the portal's certificate is not trusted: install one of a known authority, self-signed ones are refused",
        );
    }
    text
}

pub(crate) fn garbage(method: &str, status: u16, body: &[u8]) -> Error {
    let beginning = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
    Error::Garbage { method: method.to_owned(), status, beginning }
}

pub(crate) fn understand(method: &str, status: u16, body: &[u8]) -> Result<Answer, Error> {
    let Ok(Value::Object(mut envelope)) = serde_json::from_slice(body) else {
        return Err(garbage(method, status, body));
    };
    let time = envelope.remove("time").unwrap_or_default();
    let reset = time.get("operating_reset_at").or_else(|| envelope.get("operating_reset_at"));
    let operating_reset_at = reset.and_then(Value::as_i64).and_then(|seconds| Timestamp::from_second(seconds).ok());
    if let Some(error) = envelope.get("error") {
        return Err(refused(method, error, envelope.get("error_description"), operating_reset_at));
    }
    // A missing result is an error page of a proxy that happens to be JSON.
    let result = envelope.remove("result").ok_or_else(|| garbage(method, status, body))?;
    Ok(Answer {
        result,
        total: envelope.get("total").and_then(Value::as_u64),
        next: envelope.get("next").and_then(Value::as_u64),
        operating: time.get("operating").and_then(Value::as_f64),
        operating_reset_at,
        started_at: time.get("start").and_then(seconds),
        moved_to: None,
    })
}

/// Unix seconds with a fraction; the fraction does not matter.
#[allow(clippy::cast_possible_truncation)]
fn seconds(value: &Value) -> Option<Timestamp> {
    Timestamp::from_second(value.as_f64()? as i64).ok()
}

/// The code is text in v2 (sometimes empty, sometimes a number) and an object in REST 3.0.
fn refused(method: &str, error: &Value, description: Option<&Value>, free_at: Option<Timestamp>) -> Error {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (code, text) = match error {
        Value::Object(v3) => (text(v3.get("code")), text(v3.get("message"))),
        Value::String(code) => (code.clone(), text(description)),
        other => (other.to_string(), text(description)),
    };
    // Old crm.* methods give an empty code; their words are all there is to tell by.
    let code =
        if code.is_empty() { text.to_lowercase().trim_end_matches('.').replace(' ', "_") } else { code.to_lowercase() };
    Error::Refused { method: method.to_owned(), code, text, free_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_webhook_url_is_checked_and_normalised() {
        let base = |url: &str| RestBase::webhook(&url.into());
        let good = base("https://acme.bitrix24.com/rest/7/s3cret").unwrap();
        assert_eq!(good.domain(), "acme.bitrix24.com");
        assert_eq!(
            good.url("crm.item.list").unwrap().as_str(),
            "https://acme.bitrix24.com/rest/7/s3cret/crm.item.list"
        );
        assert!(base("http://127.0.0.1:8080/rest/1/x/").is_ok());
        for bad in [
            "http://acme.bitrix24.com/rest/7/s/",
            "https://acme.bitrix24.com/",
            "ftp://a/rest/1/x/",
            "nonsense",
            "https://a/rest/me/x/",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_printed_client_does_not_show_its_secret() {
        let base = RestBase::webhook(&"https://acme.bitrix24.com/rest/7/s3cret/".into()).unwrap();
        assert!(!format!("{base:?}").contains("s3cret"));
    }

    #[test]
    fn the_code_decides_not_the_status() {
        let kind = |status, body: &str| understand("m", status, body.as_bytes()).unwrap_err().kind();
        assert_eq!(kind(503, r#"{"error":"QUERY_LIMIT_EXCEEDED"}"#), Kind::Throttled { until: None });
        assert_eq!(kind(200, r#"{"error":"expired_token"}"#), Kind::Reauthorise);
        assert_eq!(
            kind(400, r#"{"error":"","error_description":"Not found"}"#),
            Kind::Permanent { code: "not_found".into() }
        );
        assert_eq!(kind(400, r#"{"error":100,"error_description":"x"}"#), Kind::Permanent { code: "100".into() });
        assert_eq!(kind(200, "<html>"), Kind::UnknownOutcome);
        assert_eq!(kind(200, r#"{"result":{"items":["#), Kind::UnknownOutcome);
        let until = Timestamp::from_second(1_778_747_792).unwrap();
        assert_eq!(
            kind(429, r#"{"error":"OPERATION_TIME_LIMIT","time":{"operating_reset_at":1778747792}}"#),
            Kind::Throttled { until: Some(until) }
        );
    }
}
