//! The API, version 1: starts syncs, shows the event log, accepts deals and contacts from a shop or a mailer.
//!
//! The key of a request decides its tenant. An address that names another tenant is answered as if it did not exist.

mod intake;
mod log;
pub mod openapi;
mod sync;

use std::time::Duration;

use bytes::Bytes;
use clients::{Connections, ErrorClass, Failure, TimeBox};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use notion_sync::NotionSync;
use runtime::ledger::Ledger;
use runtime::limiter::{Limiter, Rate, RateBucket, Reservation};
use runtime::{Backend, TenantId};
use serde_json::{Value, json};
use tenants::api_keys::{ApiKey, ApiKeys, Scope};
use web::answer::{Refused, answer};
use web::doors;
use web::doors::{Door, RequestProof};

/// The API's address; the tenant's `member_id` follows.
pub const PATH: &str = "/api/v1";
/// The largest document that is read.
const MAX_DOCUMENT: usize = 128 * 1024;

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::get("/api/v1/openapi.json", RequestProof::Open),
    Door::get("/api/v1/{member_id}/events", RequestProof::ApiKey),
    Door::get("/api/v1/{member_id}/deliveries", RequestProof::ApiKey),
    Door::get("/api/v1/{member_id}/attention", RequestProof::ApiKey),
    Door::json("/api/v1/{member_id}/sync", MAX_DOCUMENT, RequestProof::ApiKey),
    Door::get("/api/v1/{member_id}/jobs/{job+}", RequestProof::ApiKey),
    Door::json("/api/v1/{member_id}/deals", MAX_DOCUMENT, RequestProof::ApiKey),
    Door::json("/api/v1/{member_id}/contacts", MAX_DOCUMENT, RequestProof::ApiKey),
];
/// The rate of a key: five requests a second, fifty at once.
const RATE: Rate = Rate { every: Duration::from_millis(200), burst: 50 };

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    backend: Backend,
    connections: Connections,
    mirror: NotionSync,
    keys: ApiKeys,
    ledger: Ledger,
    limiter: Limiter,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            mirror: NotionSync::new(backend, connections.clone()),
            keys: ApiKeys::new(backend.store.clone()),
            ledger: Ledger::new(backend.store.clone()),
            limiter: Limiter::new(backend.store.clone(), backend.clock.clone()),
            backend: backend.clone(),
            connections,
        }
    }
}

/// The sender of a request.
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) key: ApiKey,
}

pub(crate) type ApiAnswer = Result<Response<Bytes>, Refused>;

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let metrics = deps.backend.metrics.as_ref();
    match TimeBox::of_page(Box::pin(route(deps, &request))).await {
        Ok(answer) => {
            metrics.count("api_answered", "api");
            answer
        }
        Err(ApiRefusal::Plain(refused)) => refused.answer(metrics, "api_refused"),
        Err(ApiRefusal::Later(refused, wait)) => {
            let mut answer = refused.answer(metrics, "api_refused");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            answer
        }
    }
}

enum ApiRefusal {
    Plain(Refused),
    Later(Refused, Duration),
}

impl From<Refused> for ApiRefusal {
    fn from(refused: Refused) -> Self {
        // Neither our store nor a provider recovers within a second.
        let later = refused.status == StatusCode::SERVICE_UNAVAILABLE;
        if later { Self::Later(refused, Duration::from_secs(30)) } else { Self::Plain(refused) }
    }
}

async fn route(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, ApiRefusal> {
    let door = doors::at(DOORS, request);
    let path = request.uri().path().trim_end_matches('/');
    let rest = path.strip_prefix(PATH).unwrap_or_default();
    if rest == "/openapi.json" && request.method() == Method::GET {
        return Ok(answer(StatusCode::OK, &openapi::document()));
    }
    let caller = caller(deps, request).await?;
    let mut parts = rest.trim_start_matches('/').splitn(2, '/');
    let (named, place) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if named != caller.tenant.as_str() {
        return Err(Refused::not_found().into());
    }
    admit(deps, &caller).await?;
    // Only the holder of a key of this tenant learns which addresses exist.
    door?;
    let job = place.strip_prefix("jobs/");
    Ok(match (place, job) {
        ("events", _) => log::events(deps, allowed(&caller, Scope::Read)?, request).await?,
        ("deliveries", _) => log::deliveries(deps, allowed(&caller, Scope::Read)?, request).await?,
        ("attention", _) => log::attention(deps, allowed(&caller, Scope::Read)?, request).await?,
        ("sync", _) => sync::begin(deps, allowed(&caller, Scope::Sync)?, request).await?,
        (_, Some(id)) => sync::progress(deps, allowed(&caller, Scope::Sync)?, id).await?,
        ("deals", _) => intake::deal(deps, allowed(&caller, Scope::Intake)?, request).await?,
        ("contacts", _) => intake::contact(deps, allowed(&caller, Scope::Intake)?, request).await?,
        _ => return Err(Refused::not_found().into()),
    })
}

async fn caller(deps: &Deps, request: &Request<Bytes>) -> Result<Caller, Refused> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(given) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        let text = "send the header Authorization: Bearer and a key; an administrator makes one on the page API keys";
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "no_key", text));
    };
    match deps.keys.find(given.trim()).await {
        Ok(Some((tenant, key))) => Ok(Caller { tenant, key }),
        Ok(None) => {
            let text = "this key is wrong, or was taken back";
            Err(Refused::new(StatusCode::UNAUTHORIZED, "wrong_key", text))
        }
        Err(error) => Err(unavailable(&error.into())),
    }
}

async fn admit(deps: &Deps, caller: &Caller) -> Result<(), ApiRefusal> {
    let account = RateBucket::new(format!("api#{}#{}", caller.tenant, caller.key.id), RATE).for_a_person();
    match deps.limiter.reserve(&account, Duration::ZERO).await {
        Ok(Reservation::Granted(_)) => Ok(()),
        Ok(Reservation::Wait { wait, .. }) => {
            let text = "this key asks more than five times a second; slow down";
            Err(ApiRefusal::Later(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many", text), wait))
        }
        Err(error) => Err(unavailable(&error.into()).into()),
    }
}

fn allowed(caller: &Caller, scope: Scope) -> Result<&Caller, Refused> {
    if caller.key.scopes.contains(&scope) {
        return Ok(caller);
    }
    let text = format!("the key {:?} may not do this; it needs the scope {}", caller.key.name, scope.name());
    Err(Refused::new(StatusCode::FORBIDDEN, "missing_scope", text))
}

/// The answer to the caller when our store or a provider fails.
pub(crate) fn unavailable(failure: &Failure) -> Refused {
    match &failure.class {
        ErrorClass::Permanent { code } => {
            tracing::warn!(code, %failure, "a request of the API came to nothing");
            Refused::new(StatusCode::BAD_GATEWAY, "refused_by_provider", failure.text.clone())
        }
        _ => {
            tracing::warn!(%failure, "a request of the API could not be worked");
            let text = format!("not just now: {}; send the same again, with the same Idempotency-Key", failure.text);
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
        }
    }
}

/// Parses the body as JSON.
pub(crate) fn body<T: serde::de::DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Refused> {
    serde_json::from_slice(request.body()).map_err(|error| {
        let text = format!("the body is not what is expected: {error}; /api/v1/openapi.json describes it");
        Refused::new(StatusCode::BAD_REQUEST, "bad_body", text)
    })
}

/// A refusal because of one field.
pub(crate) fn bad_field(field: &str, text: impl std::fmt::Display) -> Refused {
    Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", format!("{field}: {text}"))
}

/// An answer that says that something was started.
pub(crate) fn accepted(body: &Value) -> Response<Bytes> {
    answer(StatusCode::ACCEPTED, body)
}

/// An answer that says that it was done.
pub(crate) fn ok(body: &Value) -> Response<Bytes> {
    answer(StatusCode::OK, body)
}

pub(crate) fn told_by(key: &ApiKey) -> String {
    json!(format!("API key {}", key.name)).as_str().unwrap_or_default().to_owned()
}
