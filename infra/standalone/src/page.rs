//! The live page of one machine: recent events and deliveries. In the demonstration it shows the simulators beside
//! them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use crm::sightings::Sightings;
use crm::sweeps::{Subscriptions, Sweeps};
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use jobs::queues;
use runtime::TenantId;
use runtime::ledger::Ledger;
use serde_json::{Value, json};
use settings::{Settings, subscriptions};
use tenants::portals::Portals;

use crate::engine::Engine;
use crate::host_limits::HostLimits;
use crate::{names, server, trail};

/// How often the page's state is read while someone watches.
const LOOK: Duration = Duration::from_millis(150);
/// Events on the page.
const MAX_EVENTS: usize = 40;
/// Connections to a private page.
const MAX_CONNECTIONS: usize = 64;
/// Dead letters on the page.
const MAX_LETTERS: usize = 20;

/// Gives the page's present state.
pub type Look = Arc<dyn Fn() -> BoxFuture<'static, Value> + Send + Sync>;

/// The page's routes over `look`.
pub fn router(look: Look) -> Router {
    Router::new()
        .route("/", get(|| async { asset("text/html; charset=utf-8", index()) }))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/page.js")) }))
        .route("/notion.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/notion.js")) }))
        .route("/talk.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/talk.js")) }))
        .route("/api/state", get(|State(look): State<Look>| async move { axum::Json(look().await) }))
        .route("/api/changes", get(|State(look): State<Look>| async move { changes(look) }))
        .with_state(look)
}

/// The page, with the available commands.
fn index() -> String {
    let commands = commands::ALL.iter().map(|spec| spec.typed).collect::<Vec<_>>().join(", ");
    include_str!("page/index.html").replace("{{commands}}", &commands)
}

/// Routes of a private address: they answer only under its own names, besides probes.
pub fn private(routes: Router, names: &[String]) -> Router {
    names::only(routes, names)
}

/// The limits of the private address: it has few clients.
pub fn options() -> server::Options {
    let limits = HostLimits { connections: MAX_CONNECTIONS, ..HostLimits::default() };
    server::Options { limits, ..server::Options::default() }
}

fn asset(kind: &'static str, text: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
    ];
    (headers, text).into_response()
}

/// The state now, and again whenever it has changed.
fn changes(look: Look) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let states = stream::unfold((look, String::new()), |(look, shown)| async move {
        loop {
            let state = look().await.to_string();
            if state != shown {
                return Some((Ok(Event::default().data(&state)), (look, state)));
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    Sse::new(states).keep_alive(KeepAlive::default())
}

/// A tenant's state in the engine: its events, queues, dead letters and counts.
pub async fn engine_state(engine: &Engine, tenant: Option<&TenantId>) -> anyhow::Result<Value> {
    let mut dead = Vec::new();
    for queue in queues::ALL {
        dead.extend(engine.backend.queue.dead_letters(queue, MAX_LETTERS).await?);
    }
    let trail = match tenant {
        Some(tenant) => {
            let ledger = Ledger::new(engine.backend.store.clone());
            trail::recent(&ledger, tenant, engine.backend.clock.now(), MAX_EVENTS).await?
        }
        None => Vec::new(),
    };
    let reach = match tenant {
        Some(tenant) => reach(engine, tenant).await?,
        None => Value::Null,
    };
    let depths = engine.depths().await?;
    let queues =
        depths.iter().map(|(queue, depth)| json!({"name": queue.name(), "waiting": depth.waiting, "dead": depth.dead}));
    let counters = engine.counters.all();
    let counts = counters.iter().map(|((name, reason), count)| json!({"name": name, "reason": reason, "count": count}));
    let letters = dead.iter().map(|buried| &buried.letter).map(|letter| {
        json!({
            "code": letter.code, "reason": letter.reason, "attempts": letter.attempts, "trace": letter.trace,
            "buried_at": letter.buried_at,
        })
    });
    Ok(json!({
        "tenant": tenant,
        "trail": trail,
        "reach": reach,
        "queues": queues.collect::<Vec<_>>(),
        "counts": counts.collect::<Vec<_>>(),
        "dead_letters": letters.collect::<Vec<_>>(),
    }))
}

/// What arrives from Bitrix24 and what is lost: the events that the routes need with when each was last seen, the state
/// of the subscriptions, and what the sweep found today.
async fn reach(engine: &Engine, tenant: &TenantId) -> anyhow::Result<Value> {
    let (store, clock) = (&engine.backend.store, &engine.backend.clock);
    let now = clock.now();
    let sweeps = Sweeps::new(store.clone());
    let seen = Sightings::new(store.clone()).all(tenant).await?;
    let portal = Portals::new(store.clone(), clock.clone()).get(tenant).await?;
    let settings = portal.map(|portal| portal.settings_as::<Settings>()).transpose()?;
    let subscriptions = sweeps.recall::<Subscriptions>(tenant, "subscriptions").await?.map(|(state, _)| state);
    let by_hand = subscriptions.as_ref().is_none_or(|state| state.by_hand);
    let events = settings.as_deref().map(subscriptions::wanted).unwrap_or_default();
    let events: Vec<_> = events
        .iter()
        .filter(|event| !(by_hand && event.app_only))
        .map(|event| json!({"code": event.code, "words": event.words, "seen": seen.get(event.code)}))
        .collect();
    let lease = sweeps.recall::<Value>(tenant, "lease").await?.map(|(lease, _)| lease);
    Ok(json!({
        "events": events, "by_hand": by_hand, "subscriptions": subscriptions, "counts": sweeps.counts(tenant, now).await?,
        "sweep": lease,
    }))
}
