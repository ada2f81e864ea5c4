//! Acknowledges a Notion webhook: verifies its signature over the raw bytes, queues a job, answers.
//!
//! Each tenant has its own address, and a request must be signed with a token of that address. One read of the store
//! and one send to the queue; a subscription's first event also notes that its token is in use. If the queue refuses,
//! the answer is 503, and Notion sends the event again for a day.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jobs::sync::{Signal, SyncJob, SyncSide};
use notion::event::{NotionEvent, NotionInbound};
use notion::signature;
use runtime::clock::{Clock, is_ahead, later};
use runtime::job::message_once;
use runtime::metrics::Metrics;
use runtime::seal::{KeyRing, RING_TTL, SealError, Sealed};
use runtime::secrets::KEY_RING;
use runtime::store::ItemKey;
use runtime::{Backend, Queue, Secrets, TenantId, TraceId, backend};
use secrecy::SecretString;
use serde_json::json;
use tenants::hooks::{Enrolment, Hook, Hooks, MAX_ACTIVE, MAX_PENDING};
use tenants::portals::NOTION_VERIFICATION;
use web::answer::{Refused, answer};
use web::doors::{Door, RequestProof};

/// The address of the webhooks; the key of the tenant's address follows.
pub const PATH: &str = "/webhooks/notion";
/// The largest body that is read: an event has a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::provider("/webhooks/notion/{key}", MAX_BODY, RequestProof::Signature),
    Door::provider("/webhooks/{member_id}/notion/{key}", MAX_BODY, RequestProof::Signature),
];

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    hooks: Hooks,
    queue: Arc<dyn Queue>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    ring: Arc<Mutex<Option<(Arc<KeyRing>, jiff::Timestamp)>>>,
}

impl From<Backend> for Deps {
    fn from(backend: Backend) -> Self {
        Self {
            hooks: Hooks::new(backend.store),
            queue: backend.queue,
            secrets: backend.secrets,
            clock: backend.clock,
            metrics: backend.metrics,
            ring: Arc::default(),
        }
    }
}

/// Handles one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    match accept(deps, &request).await {
        Ok(answer) => answer,
        Err(refused) => refused.answer(deps.metrics.as_ref(), "notion_refused"),
    }
}

async fn accept(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, Refused> {
    if request.method() != Method::POST {
        return Err(Refused::not_post("Notion"));
    }
    if request.body().len() > MAX_BODY {
        return Err(Refused::too_large("Notion"));
    }
    let path = request.uri().path().trim_end_matches('/');
    let key = path.rsplit('/').next().filter(|_| path.len() > PATH.len()).unwrap_or_default();
    let hook = deps.hooks.at(key).await.map_err(|error| Refused::unavailable(&error.to_string()))?;
    let signature = request.headers().get(signature::HEADER).map(http::HeaderValue::as_bytes);
    let Some((place, hook)) = hook else { return Err(wrong()) };
    if web::answer::named_tenant(path).is_some_and(|named| named != hook.tenant.as_str()) {
        return Err(Refused::not_found());
    }
    let is_right = |token: &SecretString| signature::is_right(token, signature, request.body());
    if tokens(deps, &hook, &hook.tokens).await?.iter().any(is_right) {
        return take(deps, &hook, request.body()).await;
    }
    let pending = tokens(deps, &hook, &hook.pending).await?;
    match hook.pending.iter().zip(&pending).find(|(_, token)| is_right(token)) {
        Some((sealed, _)) => first(deps, &place, &hook, sealed, request.body()).await,
        None => enrol(deps, &place, &hook, signature, request.body()).await,
    }
}

/// A request signed with a pending token. An event of the tenant's workspace activates the token; the token itself,
/// sent again, changes nothing. An attacker who enrolled a token of their own signs for another workspace, or does not
/// know this one's id.
async fn first(
    deps: &Deps,
    place: &ItemKey,
    hook: &Hook,
    token: &Sealed,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    if let Ok(NotionInbound::Event(event)) = NotionInbound::parse(body) {
        let expected = hook.workspace.as_deref().unwrap_or_default();
        if expected.is_empty() || !notion::id::same(expected, &event.workspace_id) {
            let text = "the event is not of the workspace that this address was made for; open the window again on the page Notion of /admin after connecting another workspace";
            return Err(Refused::new(StatusCode::FORBIDDEN, "wrong_workspace", text));
        }
        let active = deps.hooks.activate(place, token).await;
        if !active.map_err(|error| Refused::unavailable(&error.to_string()))? {
            let text = format!(
                "{MAX_ACTIVE} subscriptions are active at this address already; forget the older ones on the page Notion of /admin"
            );
            return Err(Refused::new(StatusCode::FORBIDDEN, "too_many_subscriptions", text));
        }
        tracing::info!(tenant = %hook.tenant, "a subscription of Notion was activated by its first event");
    }
    take(deps, hook, body).await
}

/// A wrong signature and an unknown address are indistinguishable to the caller.
fn wrong() -> Refused {
    let text = "the signature is missing or is not that of a subscription of this address";
    Refused::new(StatusCode::UNAUTHORIZED, "wrong_signature", text)
}

/// The key ring; `newest` ignores a cached one.
async fn ring(deps: &Deps, newest: bool) -> Result<Arc<KeyRing>, Refused> {
    let known = deps.ring.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((ring, fresh_until)) = known.filter(|_| !newest)
        && is_ahead(deps.clock.now(), fresh_until, RING_TTL)
    {
        return Ok(ring);
    }
    let text = deps.secrets.get(KEY_RING).await.map_err(|error| Refused::unavailable(&error.to_string()))?;
    let ring = Arc::new(KeyRing::parse(&text).map_err(|error| Refused::unavailable(&error.to_string()))?);
    let fresh_until = later(deps.clock.now(), RING_TTL);
    *deps.ring.lock().unwrap_or_else(PoisonError::into_inner) = Some((ring.clone(), fresh_until));
    Ok(ring)
}

async fn tokens(deps: &Deps, hook: &Hook, sealed: &[Sealed]) -> Result<Vec<SecretString>, Refused> {
    let (mut known, mut opened) = (ring(deps, false).await?, Vec::new());
    for sealed in sealed {
        let mut token = known.open(&hook.tenant, NOTION_VERIFICATION, sealed);
        if matches!(token, Err(SealError::UnknownKey(_))) {
            // The key may be new.
            known = ring(deps, true).await?;
            token = known.open(&hook.tenant, NOTION_VERIFICATION, sealed);
        }
        opened.push(token.map_err(|error| Refused::unavailable(&error.to_string()))?);
    }
    Ok(opened)
}

/// A subscription's first request carries its token, signed with itself. It is accepted only while a window is open.
async fn enrol(
    deps: &Deps,
    place: &ItemKey,
    hook: &Hook,
    signature: Option<&[u8]>,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    let Ok(NotionInbound::Verification { token }) = NotionInbound::parse(body) else { return Err(wrong()) };
    let token = SecretString::from(token);
    if !signature::is_right(&token, signature, body) {
        return Err(wrong());
    }
    let sealed = ring(deps, false).await?.seal(&hook.tenant, NOTION_VERIFICATION, &token);
    let sealed = sealed.map_err(|error| Refused::unavailable(&error.to_string()))?;
    let enrolment = deps.hooks.enrol(place, &sealed, deps.clock.now()).await;
    match enrolment.map_err(|error| Refused::unavailable(&error.to_string()))? {
        Enrolment::Pending => {
            tracing::info!(tenant = %hook.tenant, "a verification token is pending");
            Ok(answer(StatusCode::OK, &json!({"ok": true})))
        }
        Enrolment::Closed => {
            let text =
                "no verification token is expected; open the window on the page Notion of /admin, and send it again";
            Err(Refused::new(StatusCode::FORBIDDEN, "enrolment_closed", text))
        }
        Enrolment::Full => {
            let text = format!(
                "{MAX_PENDING} verification tokens are pending already; make a new address on the page Notion of /admin"
            );
            Err(Refused::new(StatusCode::FORBIDDEN, "too_many_tokens", text))
        }
    }
}

async fn take(deps: &Deps, hook: &Hook, body: &[u8]) -> Result<Response<Bytes>, Refused> {
    let event = match NotionInbound::parse(body) {
        Ok(NotionInbound::Event(event)) => event,
        // The token of a verified subscription, sent again.
        Ok(NotionInbound::Verification { .. }) => return Ok(answer(StatusCode::OK, &json!({"ok": true}))),
        Err(error) => return Err(Refused::new(StatusCode::BAD_REQUEST, "not_an_event", error.to_string())),
    };
    let Some(job) = job(&event) else {
        deps.metrics.count("events_ignored", "notion");
        return Ok(answer(StatusCode::OK, &json!({"ok": true, "ignored": event.kind})));
    };
    let (tenant, trace): (&TenantId, _) = (&hook.tenant, TraceId::new(deps.clock.now()));
    let job = message_once(tenant, trace, &job, &format!("notion#{}", event.id))
        .map_err(|error| Refused::unavailable(&error.to_string()))?;
    let sent = backend::send(deps.queue.as_ref(), vec![job]).await;
    sent.map_err(|error| Refused::unavailable(&error.to_string()))?;
    deps.metrics.count("events_accepted", "notion");
    tracing::info!(%trace, %tenant, event = event.kind, "event of Notion accepted");
    Ok(answer(StatusCode::OK, &json!({"ok": true, "trace": trace.to_string()})))
}

/// The job for an event; none for an event that changes no property.
fn job(event: &NotionEvent) -> Option<SyncJob> {
    let signal = Signal { told: event.timestamp, ..Signal::of(SyncSide::Notion, &event.kind) };
    if event.is_of_page() {
        let page = notion::object_id(&event.entity.id)?;
        let matters = !["page.locked", "page.unlocked"].contains(&event.kind.as_str());
        return matters.then(|| SyncJob::Page {
            page,
            identity: event.id.clone(),
            authors: event.authors.iter().map(|author| author.id.clone()).collect(),
            signal,
        });
    }
    // A changed row has its own event; the event of its data source adds nothing.
    let matters = event.is_of_schema() && !event.kind.ends_with(".content_updated");
    matters.then_some(SyncJob::Schema { signal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, entity: &str) -> Option<SyncJob> {
        let id = "153104cd-477e-809d-8dc4-ff2d96ae3090";
        let body = json!({"id": "e", "type": kind, "entity": {"id": id, "type": entity}}).to_string();
        match NotionInbound::parse(body.as_bytes()) {
            Ok(NotionInbound::Event(event)) => job(&event),
            _ => None,
        }
    }

    #[test]
    fn only_events_that_may_change_a_property_make_a_job() {
        assert!(matches!(of("page.properties_updated", "page"), Some(SyncJob::Page { .. })));
        assert!(
            matches!(of("page.content_updated", "page"), Some(SyncJob::Page { .. })),
            "a title may come as content"
        );
        assert!(matches!(of("data_source.schema_updated", "data_source"), Some(SyncJob::Schema { .. })));
        for (kind, entity) in [
            ("page.locked", "page"),
            ("comment.created", "comment"),
            ("data_source.content_updated", "data_source"),
            ("view.created", "view"),
        ] {
            assert_eq!(of(kind, entity), None, "{kind}");
        }
    }
}
