//! Events as Bitrix24 sends them: one request each, one try, in any order, without saying what changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{PortalShared, SimulatorState};

#[derive(Debug, Clone)]
pub struct OutgoingWebhook {
    id: u64,
    url: String,
    events: Vec<String>,
    /// Whether an application bound it: then its bodies carry tokens.
    app: bool,
}

impl OutgoingWebhook {
    pub(super) fn is_app(&self) -> bool {
        self.app
    }

    pub(super) fn is_bound(&self, url: &str, event: &str) -> bool {
        self.app && self.url == url && self.events.iter().any(|bound| bound == event)
    }

    pub(super) fn bound(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events.iter().map(|event| (event.as_str(), self.url.as_str()))
    }
}

/// How events travel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortalEventDelivery {
    /// How long the portal's queue keeps them.
    pub delay: Duration,
    /// Every n-th event is lost; 0 for none.
    pub drop_every: u64,
    /// Every n-th event comes twice; 0 for none.
    pub double_every: u64,
    /// Events overtake each other: every third comes a second later than the others.
    pub shuffle: bool,
    /// Events are held back until `release_held`, and then sent newest first.
    pub hold: bool,
    /// A handler that takes longer to answer is called less often from then on, with growing pauses, until it answers
    /// quickly again; zero for never. Bitrix24 names no number of seconds.
    pub slow_after: Duration,
}

/// The first pause before the next event for a handler that is slow, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5 * 60));

/// How long handlers are waited with, by their addresses.
pub(crate) type Paces = BTreeMap<String, HandlerPace>;

/// How a handler is treated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HandlerPace {
    pause: Duration,
    /// Before this nothing is sent there.
    until: Timestamp,
}

/// The pause of a handler.
pub(super) fn pause(paces: &Paces, url: &str) -> Duration {
    paces.get(url).map(|pace| pace.pause).unwrap_or_default()
}

impl HandlerPace {
    /// After an answer that took so long.
    fn after(self, took: Duration, slow_after: Duration, now: Timestamp) -> Self {
        let pause = if slow_after.is_zero() || took <= slow_after {
            Duration::ZERO
        } else if self.pause.is_zero() {
            PAUSES.0
        } else {
            (self.pause * 2).min(PAUSES.1)
        };
        let wait = jiff::SignedDuration::try_from(pause).unwrap_or_default();
        Self { pause, until: now.checked_add(wait).unwrap_or(now) }
    }
}

impl SimulatorState {
    pub(super) fn add_handler(&mut self, url: &str, events: &[&str]) {
        let id = 200 + self.handlers.len() as u64;
        let events = events.iter().map(|event| event.to_uppercase()).collect();
        self.handlers.push(OutgoingWebhook { id, url: url.to_owned(), events, app: false });
    }

    /// An application binds one event to one address.
    pub(super) fn bind(&mut self, url: &str, event: &str) {
        self.last_handler += 1;
        let id = 500 + self.last_handler;
        self.handlers.push(OutgoingWebhook { id, url: url.to_owned(), events: vec![event.to_owned()], app: true });
    }
}

/// Tells the handlers of `event`. Returns at once; the requests go out by themselves.
pub(super) fn emit(shared: &Arc<PortalShared>, event: &str, data: &Value) {
    let now = shared.clock.now();
    let member = shared.lock().credentials.member_id.clone();
    let application_token = shared.authority.get().and_then(|authority| authority.token_of_events(&member));
    let mut state = shared.lock();
    state.queue_offline(event, data, &super::portal_time(now));
    let installed = state.installed;
    let bodies: Vec<_> = state
        .handlers
        .iter()
        // Nothing goes to an application whose installation is not finished, and some events to applications alone.
        .filter(|handler| !handler.app || installed)
        .filter(|handler| handler.app || event != "ONCRMDEALMOVETOCATEGORY")
        .filter(|handler| handler.events.iter().any(|wanted| wanted == event))
        .map(|handler| {
            let token = handler.app.then(|| application_token.clone()).flatten();
            (handler.url.clone(), body_for(&state, event, handler.id, data, now, handler.app, token.as_deref()))
        })
        .collect();
    let delivery = state.delivery.clone();
    let every = |n: u64, count: u64| n > 0 && count.is_multiple_of(n);
    for (url, body) in bodies {
        state.events_sent += 1;
        let count = state.events_sent;
        if every(delivery.drop_every, count) {
            continue;
        }
        // Not those that are lost when both come round together.
        let copies = if every(delivery.double_every, count + 1) { 2 } else { 1 };
        for _ in 0..copies {
            if delivery.hold {
                state.held.push((url.clone(), body.clone()));
            } else {
                let later = if delivery.shuffle && every(3, count) { Duration::from_secs(1) } else { Duration::ZERO };
                post(shared, url.clone(), body.clone(), delivery.delay + later);
            }
        }
    }
}

pub(super) fn release(shared: &Arc<PortalShared>) {
    let held = std::mem::take(&mut shared.lock().held);
    let shared = shared.clone();
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    tokio::spawn(async move {
        for (url, body) in held.into_iter().rev() {
            send(&shared, &url, body).await;
        }
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

pub(super) fn post_raw(shared: &Arc<PortalShared>, body: &str) {
    let urls: Vec<_> = shared.lock().handlers.iter().map(|handler| handler.url.clone()).collect();
    for url in urls {
        post(shared, url, body.to_owned(), Duration::ZERO);
    }
}

/// Posts bodies to addresses, in order, each once.
pub(super) fn post_all(shared: &Arc<PortalShared>, told: Vec<(String, String)>) {
    let delivery = shared.lock().delivery.clone();
    for (url, body) in told {
        let count = {
            let mut state = shared.lock();
            state.events_sent += 1;
            state.events_sent
        };
        let every = |n: u64, count: u64| n > 0 && count.is_multiple_of(n);
        if every(delivery.drop_every, count) {
            continue;
        }
        for _ in 0..if every(delivery.double_every, count + 1) { 2 } else { 1 } {
            in_turn(shared, url.clone(), body.clone());
        }
    }
}

/// A bot's events are sent one after the other.
fn in_turn(shared: &Arc<PortalShared>, url: String, body: String) {
    let shared = shared.clone();
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    let turn = shared.turns.fetch_add(1, Ordering::SeqCst);
    tokio::spawn(async move {
        let mut served = shared.served.subscribe();
        // It cannot end: `shared` holds the sender.
        let _ = served.wait_for(|served| *served == turn).await;
        send(&shared, &url, body).await;
        shared.served.send_modify(|served| *served += 1);
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

/// The body of a bot's event. Its application token is none that the outgoing webhook has: nobody documents which it is.
pub(super) fn bot_body(state: &SimulatorState, event: &str, data: &Value) -> String {
    let parts = [
        json!({"event": event, "event_handler_id": 1101}),
        json!({"data": data}),
        json!({"ts": 1_772_090_363}),
        json!({"auth": {
            "application_token": "token-of-the-bots-events", "client_endpoint": format!("https://{}/rest/", state.host),
            "domain": state.host, "member_id": state.credentials.member_id, "server_endpoint": "https://oauth.bitrix.info/rest/",
        }}),
    ];
    parts.iter().map(bitrix24::form::build).collect::<Vec<_>>().join("&")
}

pub(super) fn post(shared: &Arc<PortalShared>, url: String, body: String, delay: Duration) {
    let shared = shared.clone();
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    tokio::spawn(async move {
        if !delay.is_zero() {
            shared.clock.sleep(delay).await;
        }
        send(&shared, &url, body).await;
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

async fn send(shared: &PortalShared, url: &str, body: String) {
    wait_for_turn(shared, url).await;
    let _sender = shared.senders.acquire().await;
    let began = shared.clock.now();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", "Bitrix24 Webhook Engine")];
    // Whatever comes of it, it is not sent again.
    let _ = shared.courier.post(url, &headers, body).await;
    let now = shared.clock.now();
    let took = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    let mut state = shared.lock();
    let slow_after = state.delivery.slow_after;
    let pace = state.paces.get(url).copied().unwrap_or_default().after(took, slow_after, now);
    state.paces.insert(url.to_owned(), pace);
}

/// Waits out the pause of a handler that was slow; the next event waits behind this one.
async fn wait_for_turn(shared: &PortalShared, url: &str) {
    let wait = {
        let mut state = shared.lock();
        let now = shared.clock.now();
        let Some(pace) = state.paces.get_mut(url).filter(|pace| !pace.pause.is_zero() && pace.until > now) else {
            return;
        };
        let wait = Duration::try_from(pace.until.duration_since(now)).unwrap_or_default();
        let pause = jiff::SignedDuration::try_from(pace.pause).unwrap_or_default();
        pace.until = pace.until.checked_add(pause).unwrap_or(pace.until);
        wait
    };
    shared.clock.sleep(wait).await;
}

/// The body of an outgoing webhook's event.
pub(super) fn body(state: &SimulatorState, event: &str, handler: u64, data: &Value, now: Timestamp) -> String {
    body_for(state, event, handler, data, now, false, None)
}

/// The body of an event, in the order of real captures. An application's carries tokens, never a refresh token.
fn body_for(
    state: &SimulatorState,
    event: &str,
    handler: u64,
    data: &Value,
    now: Timestamp,
    app: bool,
    application_token: Option<&str>,
) -> String {
    let head = json!({"event": event, "event_handler_id": handler});
    let mut auth = json!({"auth": {}});
    if app {
        auth["auth"] = json!({
            "access_token": "a-token-of-the-event", "expires": now.as_second() + 3600, "expires_in": 3600,
            "scope": "crm,task,user_basic", "status": "L", "user_id": 1,
        });
    }
    let rest = json!({
        "application_token": application_token.unwrap_or(&state.credentials.application_token),
        "client_endpoint": format!("https://{}/rest/", state.host),
        "domain": state.host,
        "member_id": state.credentials.member_id,
        "server_endpoint": "https://oauth.bitrix.info/rest/",
    });
    if let (Some(auth), Value::Object(rest)) = (auth["auth"].as_object_mut(), rest) {
        auth.extend(rest);
    }
    let parts = [head, json!({"data": data}), json!({"ts": now.as_second()}), auth];
    parts.iter().map(bitrix24::form::build).collect::<Vec<_>>().join("&")
}
