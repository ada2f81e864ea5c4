//! How functions answer: JSON, with a refusal that says what was wrong and nothing that helps an attacker.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use runtime::metrics::Metrics;
use serde_json::{Value, json};

use crate::is_sampled;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// Our code, for counters and logs.
    pub code: &'static str,
    /// The code in the answer; different from ours if the difference should not be known.
    pub shown_code: &'static str,
    /// The explanation.
    pub text: String,
    /// The allowed method, if the method was wrong.
    pub allow: &'static str,
}

impl Refused {
    /// A refusal whose answer has its own code.
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, shown_code: code, text: text.into(), allow: "POST" }
    }

    /// The same refusal with another code in the answer, if the difference should not be known.
    #[must_use]
    pub fn shown_as(self, shown_code: &'static str) -> Self {
        Self { shown_code, ..self }
    }

    /// The same with the allowed method.
    #[must_use]
    pub fn allowing(self, allow: &'static str) -> Self {
        Self { allow, ..self }
    }

    /// A body over `limit` bytes.
    pub fn over(limit: usize) -> Self {
        let text = match limit {
            0 => "this address takes no body".to_owned(),
            limit => format!("the body is larger than {limit} bytes, the most that is read here"),
        };
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    }

    /// A request by another method than POST.
    pub fn not_post(provider: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "not_post", format!("{provider} sends its requests by POST"))
    }

    /// Something that does not exist or belongs to another tenant: indistinguishable to the caller.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
    }

    /// A body that is larger than any that the provider sends.
    pub fn too_large(provider: &str) -> Self {
        let text = format!("the body is larger than any that {provider} sends");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    }

    /// Our own store or queue failed: the provider may send the request again.
    pub fn unavailable(cause: &str) -> Self {
        tracing::error!(cause, "a request could not be queued");
        let text = "the request could not be queued; nothing was accepted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    }

    /// The answer, counted as `counter`.
    pub fn answer(&self, metrics: &dyn Metrics, counter: &'static str) -> Response<Bytes> {
        self.answer_with(metrics, counter, |status| {
            answer(status, &json!({"error": self.shown_code, "message": self.text}))
        })
    }

    /// The same with another body than JSON: a page.
    pub fn answer_with(
        &self,
        metrics: &dyn Metrics,
        counter: &'static str,
        made: impl FnOnce(StatusCode) -> Response<Bytes>,
    ) -> Response<Bytes> {
        metrics.count(counter, self.code);
        if self.status.is_client_error() && is_sampled(self.code) {
            // The code alone: a text may repeat what was sent.
            tracing::warn!(code = self.code, "request refused");
        }
        let mut response = made(self.status);
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(self.allow));
        }
        response
    }
}

/// The tenant in a webhook's address, if there is one: `/webhooks/MEMBER_ID/bitrix24`. The credentials of a request
/// decide its tenant; an address with another one is not found.
pub fn named_tenant(path: &str) -> Option<&str> {
    let rest = path.trim_start_matches('/').strip_prefix("webhooks/")?;
    let (named, after) = rest.split_once('/')?;
    let is_provider = ["bitrix24", "slack", "notion"].contains(&named);
    (!is_provider && !after.is_empty()).then_some(named)
}

/// An answer without a body.
pub fn empty() -> Response<Bytes> {
    Response::new(Bytes::new())
}

/// A JSON answer.
pub fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
