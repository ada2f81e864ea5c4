//! The REST client: one call, one answer, every failure with a kind.
//!
//! It neither retries nor limits: both belong to the caller, who knows the account.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use wire::time_limits::MAX_CALL;
use wire::{Http, Instant, NoAnswer, Observer, Response, SeenAnswer};

use crate::error::Error;

/// An answer larger than this is not read to its end.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// More of a portal's words is not kept.
const MAX_WORDS: usize = 1_000;

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
        let ["rest", user, secret] = parts[..] else {
            return Err(Error::Address(
                "an incoming webhook's URL looks like https://PORTAL/rest/USER/SECRET/: copy it as the portal shows it"
                    .into(),
            ));
        };
        if !user.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Address("an incoming webhook's URL has the user's number after /rest/".into()));
        }
        let path = format!("/rest/{user}/{secret}/");
        parsed.set_path(&path);
        Ok(Self::Webhook(String::from(parsed).into()))
    }

    /// An application's access. The endpoint is the `client_endpoint` of the authorization server.
    pub fn application(endpoint: &str, token: SecretString) -> Result<Self, Error> {
        Ok(Self::OAuth { endpoint: endpoint_url(endpoint)?.into(), token })
    }

    /// The portal's host, with a port where there is one.
    pub fn domain(&self) -> String {
        let url = match self {
            Self::Webhook(url) => url.expose_secret(),
            Self::OAuth { endpoint, .. } => endpoint,
        };
        Url::parse(url).ok().and_then(|url| authority(&url)).unwrap_or_default()
    }

    pub(crate) fn url(&self, method: &str) -> Result<Url, Error> {
        let base = match self {
            Self::Webhook(url) => checked(url.expose_secret())?,
            Self::OAuth { endpoint, .. } => endpoint_url(endpoint)?,
        };
        // Nothing that could lead to another place than below the base.
        let is_method = !method.starts_with('.')
            && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let refused = || Error::Address(format!("{method:?} is no method"));
        if is_method { base.join(method).map_err(|_| refused()) } else { Err(refused()) }
    }
}

/// A portal's address: a URL of a host, without a user name, a query or a fragment. Where it may lead, and whether plain
/// HTTP will do, [`wire::Network`] decides at each request.
pub(crate) fn checked(url: &str) -> Result<Url, Error> {
    let url = file_url(url)?;
    let is_plain = url.query().is_none() && url.fragment().is_none();
    if is_plain { Ok(url) } else { Err(Error::Address("a portal's address has no ? and no #".into())) }
}

/// The address of a file, which may have a query.
pub(crate) fn file_url(url: &str) -> Result<Url, Error> {
    let url = Url::parse(url.trim()).map_err(|cause| Error::Address(format!("the address is no URL: {cause}")))?;
    let is_plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "https" | "http" if is_plain => Ok(url),
        "https" | "http" => Err(Error::Address("an address has a host, and no user name and no password".into())),
        _ => Err(Error::Address("a portal is called by https".into())),
    }
}

/// A `client_endpoint`: `https://PORTAL/rest/`, and nothing else.
pub(crate) fn endpoint_url(endpoint: &str) -> Result<Url, Error> {
    let mut url = checked(endpoint)?;
    if url.path().trim_end_matches('/') != "/rest" {
        return Err(Error::Address("the address of a portal's REST looks like https://PORTAL/rest/".into()));
    }
    url.set_path("/rest/");
    Ok(url)
}

pub(crate) fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct CallAnswer {
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
}

impl CallAnswer {
    /// The result as a type; `method` names it in the error.
    pub fn decode<T: DeserializeOwned>(self, method: &str) -> Result<T, Error> {
        shaped(method, self.result)
    }
}

/// A part of a result as a type.
pub fn shaped<T: DeserializeOwned>(method: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|cause| Error::Shape { method: method.to_owned(), cause: cause.to_string() })
}

/// Calls one portal.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: Http,
    pub(crate) base: RestBase,
    observer: Option<Arc<dyn Observer>>,
    limit: Duration,
}

impl Client {
    /// A client for the portal at `base`.
    pub fn new(http: Http, base: RestBase) -> Self {
        Self { http, base, observer: None, limit: MAX_CALL }
    }

    /// The same client with an observer of each call.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The same client, which waits so long for an answer instead of [`MAX_CALL`].
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Where it calls, and with what.
    pub fn base(&self) -> &RestBase {
        &self.base
    }

    /// Makes one call.
    pub async fn call(&self, method: &str, params: &Value) -> Result<CallAnswer, Error> {
        let began = Instant::now();
        let answer = self.send(method, params).await;
        if let Some(observer) = &self.observer {
            observer.saw(method, params, answer.as_ref().map(|answer| &answer.result), began.elapsed());
        }
        answer
    }

    async fn send(&self, method: &str, params: &Value) -> Result<CallAnswer, Error> {
        let url = self.base.url(method)?;
        let mut body = params.clone();
        if let (RestBase::OAuth { token, .. }, Some(body)) = (&self.base, body.as_object_mut()) {
            body.insert("auth".into(), token.expose_secret().into());
        }
        let request = self.http.post(&url).timeout(self.limit).json(&body);
        let response = request.send().await.map_err(|error| Error::not_sent(method, error))?;
        not_elsewhere(method, &url, &response)?;
        let (seen, text) = read(response, method).await?;
        understand(method, seen, &text)
    }
}

/// A renamed portal answers with a redirect. It is not followed: the credentials are this host's, and where a portal is,
/// only the authorization server or an administrator says.
pub(crate) fn not_elsewhere(method: &str, url: &Url, response: &Response) -> Result<(), Error> {
    if !response.status().is_redirection() {
        return Ok(());
    }
    let host = response.location(url).and_then(|to| to.host_str().map(str::to_owned));
    Err(Error::Moved { method: method.to_owned(), host: host.filter(|host| host.len() <= 253) })
}

/// Reads the body, but not more than a REST answer can hold.
pub(crate) async fn read(response: Response, method: &str) -> Result<(SeenAnswer, Bytes), Error> {
    response.read(MAX_ANSWER).await.map_err(|unread| Error::no_answer(method, unread))
}

pub(crate) fn understand(method: &str, seen: SeenAnswer, body: &[u8]) -> Result<CallAnswer, Error> {
    let Ok(Value::Object(mut envelope)) = serde_json::from_slice(body) else {
        return Err(Error::no_answer(method, NoAnswer::Garbage(seen)));
    };
    let time = envelope.remove("time").unwrap_or_default();
    let reset = time.get("operating_reset_at").or_else(|| envelope.get("operating_reset_at"));
    let operating_reset_at = reset.and_then(Value::as_i64).and_then(|seconds| Timestamp::from_second(seconds).ok());
    if let Some(error) = envelope.get("error") {
        return Err(refused(method, error, envelope.get("error_description"), operating_reset_at));
    }
    // A missing result is an error page of a proxy that happens to be JSON.
    let result = envelope.remove("result").ok_or_else(|| Error::no_answer(method, NoAnswer::Garbage(seen)))?;
    Ok(CallAnswer {
        result,
        total: envelope.get("total").and_then(Value::as_u64),
        next: envelope.get("next").and_then(Value::as_u64),
        operating: time.get("operating").and_then(Value::as_f64),
        operating_reset_at,
        started_at: time.get("start").and_then(seconds),
    })
}

/// Unix seconds with a fraction; the fraction does not matter.
#[allow(clippy::cast_possible_truncation)]
fn seconds(value: &Value) -> Option<Timestamp> {
    Timestamp::from_second(value.as_f64()? as i64).ok()
}

/// The code is text in v2 (sometimes empty, sometimes a number) and an object in REST 3.0.
fn refused(method: &str, error: &Value, description: Option<&Value>, free_at: Option<Timestamp>) -> Error {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).unwrap_or_default().chars().take(MAX_WORDS).collect::<String>()
    };
    let (code, text) = match error {
        Value::Object(v3) => (text(v3.get("code")), text(v3.get("message"))),
        Value::String(_) => (text(Some(error)), text(description)),
        other => (other.to_string().chars().take(MAX_WORDS).collect(), text(description)),
    };
    // Old crm.* methods give an empty code; their text is all there is to go by.
    let code =
        if code.is_empty() { text.to_lowercase().trim_end_matches('.').replace(' ', "_") } else { code.to_lowercase() };
    Error::Refused { method: method.to_owned(), code, text, free_at }
}

#[cfg(test)]
mod tests {
    use wire::ErrorClass;

    use super::*;

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
            "https://acme.bitrix24.com/",
            "https://acme.bitrix24.com/admin/rest/7/s/",
            "https://acme.bitrix24.com/rest/7/s/profile.json",
            "https://acme.bitrix24.com/rest/7/s/?to=x",
            "https://acme.bitrix24.com/rest/7/s/#x",
            "https://acme.bitrix24.com/rest/7/../../s/",
            "https://acme.bitrix24.com/rest/7//",
            "https://user@acme.bitrix24.com/rest/7/s/",
            "ftp://a/rest/1/x/",
            "nonsense",
            "https://a/rest/me/x/",
            "https://a/rest/+1/x/",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_a_portals_rest_and_nothing_else() {
        let base = |endpoint: &str| RestBase::application(endpoint, "t".into());
        for good in ["https://acme.bitrix24.com/rest/", "https://acme.bitrix24.com/rest"] {
            let url = base(good).unwrap().url("crm.item.list").unwrap();
            assert_eq!(url.as_str(), "https://acme.bitrix24.com/rest/crm.item.list");
        }
        for bad in [
            "https://acme.bitrix24.com/",
            "https://acme.bitrix24.com/internal/",
            "https://acme.bitrix24.com/rest/../internal/",
            "https://acme.bitrix24.com/rest/1/x/",
            "https://acme.bitrix24.com/rest/?x=",
            "https://acme.bitrix24.com/rest/#",
            "https://a:b@acme.bitrix24.com/rest/",
            "file:///rest/",
            "//acme.bitrix24.com/rest/",
        ] {
            assert!(base(bad).is_err(), "{bad}");
            // Also where it was stored before it was checked.
            assert!(RestBase::OAuth { endpoint: bad.into(), token: "t".into() }.url("profile").is_err(), "{bad}");
        }
        let base = base("https://acme.bitrix24.com/rest/").unwrap();
        for bad in ["//evil.example/x", "https://evil.example/", "..", "../x", "a/b", "x?y", "x#y", "/x"] {
            assert!(base.url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn not_a_byte_of_an_answer_that_is_none_of_rest_is_shown() {
        for body in ["SECRET-MARKER", r#"{"SECRET-MARKER":"#, r#"{"token":"SECRET-MARKER"}"#, r#"["SECRET-MARKER"]"#] {
            let error =
                understand("profile", SeenAnswer::new(200, "text/plain").with_length(body.len()), body.as_bytes());
            let text = format!("{0} {0:?}", error.unwrap_err());
            assert!(!text.contains("MARKER") && text.contains("HTTP 200, text/plain"), "{text}");
        }
    }

    #[test]
    fn a_printed_client_does_not_show_its_secret() {
        let base = RestBase::webhook(&"https://acme.bitrix24.com/rest/7/s3cret/".into()).unwrap();
        assert!(!format!("{base:?}").contains("s3cret"));
    }

    #[test]
    fn the_code_decides_not_the_status() {
        let now = Timestamp::from_second(1_778_747_000).unwrap();
        let class =
            |status, body: &str| understand("m", SeenAnswer::new(status, ""), body.as_bytes()).unwrap_err().class(now);
        let pause = ErrorClass::wait(now, Duration::from_millis(1_500));
        assert_eq!(class(503, r#"{"error":"QUERY_LIMIT_EXCEEDED"}"#), pause);
        assert_eq!(class(429, r#"{"error":"OPERATION_TIME_LIMIT"}"#), pause);
        assert_eq!(class(200, r#"{"error":"expired_token"}"#), ErrorClass::Reauthorise);
        assert_eq!(class(400, r#"{"error":"","error_description":"Not found"}"#), ErrorClass::permanent("not_found"));
        assert_eq!(
            class(400, r#"{"error":100,"error_description":"x"}"#),
            ErrorClass::Permanent { code: "100".into() }
        );
        assert_eq!(class(200, "<html>"), ErrorClass::UnknownOutcome);
        assert_eq!(class(200, r#"{"result":{"items":["#), ErrorClass::UnknownOutcome);
        let until = Timestamp::from_second(1_778_747_792).unwrap();
        assert_eq!(
            class(429, r#"{"error":"OPERATION_TIME_LIMIT","time":{"operating_reset_at":1778747792}}"#),
            ErrorClass::Throttled { until }
        );
    }
}
