//! Events as Bitrix24 sends them: one request each, one try, in any order, without saying what changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{PortalShared, SimulatorState};
use crate::direct::Outgoing;
use crate::traffic::{Disorder, SentOutcome, SentRequest};

/// How long Bitrix24's queue service waits for an answer. It names no number of seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a handler may take before it counts as slow.
const SLOW_AFTER: Duration = Duration::from_secs(5);

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What else happens to events on their way, and to those of bots.
    pub disorder: Disorder,
}

impl Default for PortalEventDelivery {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            drop_every: 0,
            double_every: 0,
            shuffle: false,
            hold: false,
            slow_after: SLOW_AFTER,
            disorder: Disorder::default(),
        }
    }
}

impl PortalEventDelivery {
    /// Whether the event of this number is lost.
    fn loses(&self, number: u64) -> bool {
        every(self.drop_every, number) || self.disorder.is_lost(number)
    }

    /// How long each copy of the event of this number is on its way.
    fn ways(&self, number: u64) -> Vec<Duration> {
        let later = if self.shuffle && every(3, number) { Duration::from_secs(1) } else { Duration::ZERO };
        let mut ways = vec![self.delay + later + self.disorder.delay(number)];
        // Not those that are lost when both come round together.
        if every(self.double_every, number + 1) || self.disorder.is_doubled(number) {
            ways.push(self.delay + later + self.disorder.delay_of_copy(number));
        }
        ways
    }
}

fn every(n: u64, number: u64) -> bool {
    n > 0 && number.is_multiple_of(n)
}

/// An event on its way.
#[derive(Debug, Clone)]
pub(crate) struct PortalParcel {
    url: String,
    body: String,
    kind: String,
    id: String,
}

impl PortalParcel {
    pub(super) fn new(url: &str, body: String, kind: &str, id: String) -> Self {
        Self { url: url.to_owned(), body, kind: kind.to_owned(), id }
    }
}

/// The number of the record, message or call that an event is about.
pub(super) fn about(data: &Value) -> String {
    let found =
        ["/FIELDS/ID", "/FIELDS_AFTER/ID", "/ID", "/CALL_ID", "/message/id", "/messageId", "/PARAMS/MESSAGE_ID"]
            .iter()
            .find_map(|path| data.pointer(path).filter(|found| !found.is_null()));
    found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned)).unwrap_or_default()
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
    let is_paid = shared.authority.get().is_none_or(|authority| authority.is_paid(&member));
    let parcels: Vec<_> = state
        .handlers
        .iter()
        // Nothing goes to an application whose installation is not finished or whose plan has run out, and some events
        // go to applications alone.
        .filter(|handler| !handler.app || (installed && is_paid))
        .filter(|handler| handler.app || event != "ONCRMDEALMOVETOCATEGORY")
        .filter(|handler| handler.events.iter().any(|wanted| wanted == event))
        .map(|handler| {
            let token = handler.app.then(|| application_token.clone()).flatten();
            let body = body_for(&state, event, handler.id, data, now, handler.app, token.as_deref());
            PortalParcel::new(&handler.url, body, event, about(data))
        })
        .collect();
    drop(state);
    send_all(shared, parcels);
}

/// Lets events set out, each in its own time, unless they are lost or held back.
pub(super) fn send_all(shared: &Arc<PortalShared>, parcels: Vec<PortalParcel>) {
    for parcel in parcels {
        let ways = {
            let mut state = shared.lock();
            state.events_sent += 1;
            let number = state.events_sent;
            if state.delivery.loses(number) {
                let lost = noted(&parcel, shared.clock.now(), SentOutcome::Lost);
                state.journal.note(lost);
                continue;
            }
            let ways = state.delivery.ways(number);
            if state.delivery.hold {
                state.held.extend(ways.iter().map(|_| parcel.clone()));
                continue;
            }
            ways
        };
        for takes in ways {
            depart(shared, parcel.clone(), takes);
        }
    }
}

pub(super) fn release(shared: &Arc<PortalShared>) {
    let held = std::mem::take(&mut shared.lock().held);
    let shared = shared.clone();
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    tokio::spawn(async move {
        for parcel in held.into_iter().rev() {
            deliver(&shared, parcel).await;
        }
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

pub(super) fn post_raw(shared: &Arc<PortalShared>, body: &str) {
    let urls: Vec<_> = shared.lock().handlers.iter().map(|handler| handler.url.clone()).collect();
    for url in urls {
        post(shared, &url, body.to_owned());
    }
}

/// Posts a body to an address, once.
pub(super) fn post(shared: &Arc<PortalShared>, url: &str, body: String) {
    depart(shared, PortalParcel::new(url, body, "", String::new()), Duration::ZERO);
}

/// The body of a bot's event. Its application token is none that the outgoing webhook has: nobody documents which it is.
pub(super) fn bot_body(state: &SimulatorState, event: &str, data: &Value, now: Timestamp) -> String {
    let parts = [
        json!({"event": event, "event_handler_id": 1101}),
        json!({"data": data}),
        json!({"ts": now.as_second()}),
        json!({"auth": {
            "application_token": "token-of-the-bots-events", "client_endpoint": format!("https://{}/rest/", state.host),
            "domain": state.host, "member_id": state.credentials.member_id, "server_endpoint": "https://oauth.bitrix.info/rest/",
        }}),
    ];
    parts.iter().map(bitrix24::form::build).collect::<Vec<_>>().join("&")
}

/// Lets an event set out; it arrives by itself, in parallel to others.
fn depart(shared: &Arc<PortalShared>, parcel: PortalParcel, takes: Duration) {
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    shared.lock().road.enter(shared.clock.now(), takes, parcel);
    let shared = shared.clone();
    tokio::spawn(async move {
        if !takes.is_zero() {
            shared.clock.sleep(takes).await;
        }
        arrive(&shared);
    });
}

/// Delivers what has arrived. The clock may have passed the time of several.
fn arrive(shared: &Arc<PortalShared>) {
    let (keeps_order, serves) = {
        let (mut state, now) = (shared.lock(), shared.clock.now());
        (state.road.keeps_order, state.road.keeps_order && state.road.line_up(now))
    };
    if serves {
        let shared = shared.clone();
        tokio::spawn(async move {
            while let Some(parcel) = next_in_line(&shared) {
                deliver(&shared, parcel).await;
                shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
    if keeps_order {
        return;
    }
    loop {
        let Some(parcel) = shared.lock().road.leave(shared.clock.now()) else { return };
        let shared = shared.clone();
        tokio::spawn(async move {
            deliver(&shared, parcel).await;
            shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn next_in_line(shared: &PortalShared) -> Option<PortalParcel> {
    shared.lock().road.serve()
}

fn noted(parcel: &PortalParcel, at: Timestamp, outcome: SentOutcome) -> SentRequest {
    SentRequest { at, kind: parcel.kind.clone(), id: parcel.id.clone(), attempt: 1, outcome }
}

async fn deliver(shared: &PortalShared, parcel: PortalParcel) {
    wait_for_turn(shared, &parcel.url).await;
    let _sender = shared.senders.acquire().await;
    let began = shared.clock.now();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("user-agent", "Bitrix24 Webhook Engine")];
    let outgoing = Outgoing { url: &parcel.url, headers: &headers, body: parcel.body.clone(), patience: PATIENCE };
    // Whatever comes of it, it is not sent again.
    let reply = shared.courier.post(shared.clock.world.as_ref(), outgoing).await;
    let now = shared.clock.now();
    let took = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    let mut state = shared.lock();
    state.journal.note(noted(&parcel, began, SentOutcome::from(&reply)));
    let slow_after = state.delivery.slow_after;
    let pace = state.paces.get(&parcel.url).copied().unwrap_or_default().after(took, slow_after, now);
    state.paces.insert(parcel.url, pace);
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
