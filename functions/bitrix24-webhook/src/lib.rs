//! Acknowledges a Bitrix24 event: verifies it, queues its hint, answers. Nothing else, for Bitrix24 sends each event
//! once and calls slow handlers less often.
//!
//! The sender is checked first, in one pass over the body; only an event of a connected portal is parsed further. At
//! most one read of the store (cached) and one send to the queue; no call to a provider. If the queue refuses, the
//! answer is 503 and never 200: what was acknowledged is durable.

use std::sync::Arc;

use bitrix24::UnverifiedEvent;
use bitrix24::event::{EventError, SenderProof};
use bitrix24::form::{FormError, MAX_EVENT_BODY};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jobs::Hint;
use runtime::clock::Clock;
use runtime::job::message;
use runtime::metrics::Metrics;
use runtime::{Backend, Queue, TenantId, TraceId, backend};
use secrecy::ExposeSecret;
use serde_json::json;
use tenants::portals::{Portals, TokenDigest};
use web::answer::{Refused, answer};
use web::doors::{Door, RequestProof};

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::provider("/webhooks/bitrix24", MAX_EVENT_BODY, RequestProof::PortalToken),
    Door::provider("/webhooks/{member_id}/bitrix24", MAX_EVENT_BODY, RequestProof::PortalToken),
];

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    portals: Portals,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

impl From<Backend> for Deps {
    fn from(backend: Backend) -> Self {
        Self {
            portals: Portals::new(backend.store, backend.clock.clone()),
            queue: backend.queue,
            clock: backend.clock,
            metrics: backend.metrics,
        }
    }
}

/// The largest text of a job that a queue certainly accepts. A message of 20,000 characters has 80 KB.
const MAX_JOB: usize = 200 * 1024;

/// Why an event is not accepted.
enum EventRefusal {
    NotPost,
    TooLarge(String),
    NotAnEvent(String),
    /// A wrong token and an unknown portal are indistinguishable to the caller.
    WrongToken,
    /// The address names another tenant than the credentials.
    NotTheirs,
    Unavailable(String),
}

impl From<EventError> for EventRefusal {
    fn from(error: EventError) -> Self {
        match error {
            EventError::NoAuth(_) => Self::WrongToken,
            EventError::Form(FormError::TooLarge(_)) => Self::TooLarge(format!(
                "an event has at most {MAX_EVENT_BODY} bytes; Bitrix24 sends none that is larger"
            )),
            other => Self::NotAnEvent(other.to_string()),
        }
    }
}

/// Handles one event.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    match accept(deps, &request).await {
        Ok(trace) => {
            deps.metrics.count("events_accepted", "bitrix24");
            answer(StatusCode::OK, &json!({"ok": true, "trace": trace.to_string()}))
        }
        Err(refusal) => refuse(deps, &refusal),
    }
}

async fn accept(deps: &Deps, request: &Request<Bytes>) -> Result<TraceId, EventRefusal> {
    if request.method() != Method::POST {
        return Err(EventRefusal::NotPost);
    }
    check_content_type(request.headers())?;
    let credentials = SenderProof::find(request.body())?;
    let tenant = verify(deps, &credentials, request.uri().query()).await?;
    if web::answer::named_tenant(request.uri().path()).is_some_and(|named| named != tenant.as_str()) {
        return Err(EventRefusal::NotTheirs);
    }
    let event = UnverifiedEvent::parse(request.body())?;
    let trace = TraceId::new(deps.clock.now());
    let hint = Hint::of(&event);
    let job = message(&tenant, trace, &hint).map_err(|error| EventRefusal::Unavailable(error.to_string()))?;
    if job.message.body.len() > MAX_JOB {
        let text = format!("what is used of an event has at most {MAX_JOB} bytes; Bitrix24 sends none that has more");
        return Err(EventRefusal::TooLarge(text));
    }
    let sent = backend::send(deps.queue.as_ref(), vec![job]).await;
    sent.map_err(|error| EventRefusal::Unavailable(error.to_string()))?;
    tracing::info!(%trace, %tenant, event = hint.event, unread = hint.unread, "event accepted");
    Ok(trace)
}

/// Refuses only a request that names another content type; a missing one is fine.
fn check_content_type(headers: &HeaderMap) -> Result<(), EventRefusal> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or("not text");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    let given: String = given.chars().take(100).collect();
    Err(EventRefusal::NotAnEvent(format!("events come as application/x-www-form-urlencoded, not as {given}")))
}

/// An event is verified by the key in the address that we gave, if it has one, or else by the application token.
async fn verify(deps: &Deps, credentials: &SenderProof, query: Option<&str>) -> Result<TenantId, EventRefusal> {
    let tenant = TenantId::new(credentials.member_id.clone()).map_err(|_| EventRefusal::WrongToken)?;
    let key = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    let found = match key {
        Some(key) => deps.portals.verify_hook(&tenant, &TokenDigest::of(key)).await,
        None => {
            let digest = TokenDigest::of(credentials.application_token.expose_secret());
            deps.portals.verify(&tenant, &digest).await
        }
    };
    match found {
        Ok(Some(_)) => Ok(tenant),
        Ok(None) => Err(EventRefusal::WrongToken),
        Err(error) => Err(EventRefusal::Unavailable(error.to_string())),
    }
}

fn refuse(deps: &Deps, refusal: &EventRefusal) -> Response<Bytes> {
    let refused = match refusal {
        EventRefusal::NotPost => Refused::not_post("Bitrix24"),
        EventRefusal::TooLarge(what) => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", what),
        EventRefusal::NotAnEvent(what) => Refused::new(StatusCode::BAD_REQUEST, "not_an_event", what),
        EventRefusal::WrongToken => Refused::new(
            StatusCode::UNAUTHORIZED,
            "wrong_token",
            "auth[member_id] and auth[application_token] do not belong to a connected portal",
        ),
        EventRefusal::NotTheirs => Refused::not_found(),
        EventRefusal::Unavailable(cause) => Refused::unavailable(cause),
    };
    refused.answer(deps.metrics.as_ref(), "events_refused")
}
