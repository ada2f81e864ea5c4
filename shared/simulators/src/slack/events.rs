//! Requests from Slack: signed, answered within three seconds or sent again, a few times; in no order that it promises.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{APP, BOT_USER, ENTERPRISE, SlackShared};
use crate::direct::{Outgoing, Reply};
use crate::traffic::{SentOutcome, SentRequest};

/// When an event that was not taken is sent again: at once, after a minute, after five.
const RETRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(300)];

/// How long Slack waits for an answer, by the clock.
const PATIENCE: Duration = Duration::from_secs(3);

/// Slack stops sending events when, over an hour with so many deliveries at least, fewer than one in twenty succeeded.
const MIN_DELIVERIES_TO_JUDGE: usize = 1_000;
const MIN_SUCCESS: usize = 20;
/// The events that a workspace may send an app in an hour.
const MAX_EVENTS_AN_HOUR: usize = 30_000;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// In which order events come that were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// As they happened.
    InOrder,
    /// The last first: Slack promises no order.
    Reversed,
}

/// An answer to a request.
#[derive(Debug, Clone)]
pub struct EventReply {
    /// HTTP status; 0 if there was none in time.
    pub status: u16,
    /// Whether Slack had stopped waiting before an answer came.
    pub is_late: bool,
    pub body: Value,
}

impl From<Reply> for EventReply {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Answer { status, body, .. } => {
                let json = serde_json::from_slice(&body);
                let body = json.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
                Self { status, is_late: false, body }
            }
            Reply::Late => Self { status: 0, is_late: true, body: Value::Null },
            Reply::NotConnected => Self { status: 0, is_late: false, body: Value::Null },
        }
    }
}

/// An event on its way.
#[derive(Debug, Clone)]
pub(crate) struct SlackParcel {
    id: String,
    kind: String,
    body: String,
    /// Which time it is sent again, and why; nothing for the first time.
    retry: Option<(u32, &'static str)>,
    /// Whether it is sent again if it is not accepted: a copy is not.
    is_original: bool,
}

/// How deliveries of the last hour went, and whether there are any more.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    is_off: bool,
    /// When each was, and whether it succeeded.
    deliveries: VecDeque<(Timestamp, bool)>,
    /// When each event of the last hour was.
    events: VecDeque<Timestamp>,
    /// When the app was last notified that it gets no more events in this hour.
    limited_at: Option<Timestamp>,
}

/// What becomes of an event before it leaves.
pub(super) enum DeliveryAdmission {
    Sent,
    /// There were too many in this hour; whether the app is to be notified of that now.
    TooMany {
        notify: bool,
    },
    Off,
}

impl Subscription {
    pub(super) fn admit(&mut self, now: Timestamp) -> DeliveryAdmission {
        if self.is_off {
            return DeliveryAdmission::Off;
        }
        while self.events.front().is_some_and(|at| now.duration_since(*at) >= HOUR) {
            self.events.pop_front();
        }
        if self.events.len() < MAX_EVENTS_AN_HOUR {
            self.events.push_back(now);
            return DeliveryAdmission::Sent;
        }
        let notify = self.limited_at.is_none_or(|at| now.duration_since(at) >= SignedDuration::from_mins(1));
        if notify {
            self.limited_at = Some(now);
        }
        DeliveryAdmission::TooMany { notify }
    }

    fn note(&mut self, now: Timestamp, succeeded: bool) {
        while self.deliveries.front().is_some_and(|(at, _)| now.duration_since(*at) >= HOUR) {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back((now, succeeded));
        let good = self.deliveries.iter().filter(|(_, succeeded)| *succeeded).count();
        let all = self.deliveries.len();
        self.is_off |= all >= MIN_DELIVERIES_TO_JUDGE && good * MIN_SUCCESS < all;
    }
}

impl super::SlackSimulator {
    /// Whether Slack has stopped sending events, because nearly none was accepted for an hour.
    pub fn events_are_off(&self) -> bool {
        self.shared.lock().subscription.is_off
    }

    /// Somebody switches the subscription on again, on the app's page.
    pub fn switch_events_on(&self) {
        self.shared.lock().subscription = Subscription::default();
    }

    /// The requests that were sent to the app so far, and what became of each.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.shared.lock().journal.all()
    }

    /// Whether each event waits for the answer to the one before it. Slack never does that: it is for stories that are
    /// about something else, and cannot do without.
    pub fn keep_order(&self, keeps: bool) {
        self.shared.lock().road.keeps_order = keeps;
    }

    /// When the next event arrives that is on its way.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.lock().road.next_arrival()
    }
}

impl SlackShared {
    /// Sends the app an event, if it listens. Returns at once. An event without a moment gets one.
    pub(super) fn emit(self: &Arc<Self>, event: &Value) {
        let (event, is_doubled) = {
            let mut state = self.lock();
            let mut event = event.clone();
            if event["event_ts"].is_null() {
                event["event_ts"] = state.next_ts(self.clock.now()).into();
            }
            if state.requests_to.is_none() {
                return;
            }
            if let Some(held) = &mut state.held {
                held.push(event);
                return;
            }
            let every = state.double_as_new_every;
            (event, every > 0 && (state.last_event + 1).is_multiple_of(every))
        };
        self.send(&event);
        if is_doubled {
            self.send(&event);
        }
    }

    /// Sends an event under an id of its own.
    pub(super) fn send(self: &Arc<Self>, event: &Value) {
        let now = self.clock.now();
        let (number, admission) = {
            let mut state = self.lock();
            if state.requests_to.is_none() {
                return;
            }
            state.last_event += 1;
            (state.last_event, state.subscription.admit(now))
        };
        let id = format!("Ev0SAND{number:05}");
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        match admission {
            DeliveryAdmission::Sent => {}
            DeliveryAdmission::Off => return self.note_sent(&kind, &id, 1, SentOutcome::Stopped),
            DeliveryAdmission::TooMany { notify } => {
                self.note_sent(&kind, &id, 1, SentOutcome::Stopped);
                if notify {
                    self.depart(self.limited(now), Duration::ZERO);
                }
                return;
            }
        }
        let body = self.envelope(event, &id).to_string();
        let parcel = SlackParcel { id, kind, body, retry: None, is_original: true };
        let (disorder, is_doubled) = {
            let state = self.lock();
            let every = state.double_every > 0 && number.is_multiple_of(state.double_every);
            (state.disorder, every || state.disorder.is_doubled(number))
        };
        if is_doubled {
            // As if Slack had not seen our answer.
            let copy = SlackParcel { retry: Some((1, "http_timeout")), is_original: false, ..parcel.clone() };
            self.depart(parcel, disorder.delay(number));
            self.depart(copy, disorder.delay_of_copy(number));
        } else {
            self.depart(parcel, disorder.delay(number));
        }
    }

    /// What the app gets instead of events when there were too many in an hour.
    fn limited(&self, now: Timestamp) -> SlackParcel {
        let body = json!({
            "type": "app_rate_limited", "token": "deprecated", "team_id": self.team(), "api_app_id": APP,
            "minute_rate_limited": now.as_second().div_euclid(60) * 60,
        });
        let kind = "app_rate_limited".to_owned();
        SlackParcel { id: String::new(), kind, body: body.to_string(), retry: None, is_original: false }
    }

    fn envelope(&self, event: &Value, id: &str) -> Value {
        let mut outer = json!({
            "token": "deprecated", "team_id": self.team(), "api_app_id": APP, "event": event, "type": "event_callback", "event_id": id,
            "event_time": self.clock.now().as_second(), "is_ext_shared_channel": false, "event_context": "4-sandbox",
            "authorizations": [{"enterprise_id": null, "team_id": self.team(), "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false}],
        });
        let state = self.lock();
        if state.is_enterprise {
            outer["enterprise_id"] = ENTERPRISE.into();
            outer["context_enterprise_id"] = ENTERPRISE.into();
            outer["context_team_id"] = self.team().into();
            outer["authorizations"] = json!([{
                "enterprise_id": ENTERPRISE, "team_id": self.team(), "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false,
            }]);
        }
        let channel = event["channel"].as_str().or_else(|| event["item"]["channel"].as_str());
        if channel.and_then(|channel| state.channels.get(channel)).is_some_and(|channel| channel.is_shared) {
            outer["is_ext_shared_channel"] = true.into();
        }
        outer
    }

    /// Lets an event set out; it arrives by itself, in parallel to others.
    fn depart(self: &Arc<Self>, parcel: SlackParcel, takes: Duration) {
        self.on_the_way.fetch_add(1, Ordering::SeqCst);
        self.lock().road.enter(self.clock.now(), takes, parcel);
        let shared = self.clone();
        tokio::spawn(async move {
            if !takes.is_zero() {
                shared.clock.sleep(takes).await;
            }
            shared.arrive();
        });
    }

    /// Delivers what has arrived. The clock may have passed the time of several.
    fn arrive(self: &Arc<Self>) {
        let (keeps_order, serves) = {
            let (mut state, now) = (self.lock(), self.clock.now());
            (state.road.keeps_order, state.road.keeps_order && state.road.line_up(now))
        };
        if serves {
            let shared = self.clone();
            tokio::spawn(async move {
                while let Some(parcel) = shared.next_in_line() {
                    shared.deliver(parcel).await;
                    shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
        if keeps_order {
            return;
        }
        loop {
            let Some(parcel) = self.lock().road.leave(self.clock.now()) else { return };
            let shared = self.clone();
            tokio::spawn(async move {
                shared.deliver(parcel).await;
                shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }

    fn next_in_line(&self) -> Option<SlackParcel> {
        self.lock().road.serve()
    }

    /// Delivers an event, and lets it set out again if it was not accepted.
    async fn deliver(self: &Arc<Self>, parcel: SlackParcel) {
        let Some(url) = self.lock().requests_to.clone() else { return };
        let attempt = parcel.retry.map_or(0, |(number, _)| number);
        let reply = self.request(&url, "application/json", &parcel.body, parcel.retry).await;
        let outcome = SentOutcome::from(&reply);
        self.note_sent(&parcel.kind, &parcel.id, attempt + 1, outcome);
        self.lock().subscription.note(self.clock.now(), outcome.is_delivered());
        let reason = match &reply {
            _ if outcome.is_delivered() || !parcel.is_original => return,
            Reply::Late => "http_timeout",
            Reply::NotConnected => "connection_failed",
            Reply::Answer { headers, .. } if headers.get("x-slack-no-retry").is_some_and(|value| value == "1") => {
                return;
            }
            Reply::Answer { .. } => "http_error",
        };
        let wait = usize::try_from(attempt).ok().and_then(|attempt| RETRIES.get(attempt));
        if let Some(wait) = wait {
            self.depart(SlackParcel { retry: Some((attempt + 1, reason)), ..parcel }, *wait);
        }
    }

    fn note_sent(&self, kind: &str, id: &str, attempt: u32, outcome: SentOutcome) {
        let at = self.clock.now();
        self.lock().journal.note(SentRequest { at, kind: kind.to_owned(), id: id.to_owned(), attempt, outcome });
    }

    /// Sends a command or an interaction: once, and a person sees what comes of it.
    pub(super) async fn post(&self, url: &str, content_type: &str, body: &str, kind: &str) -> EventReply {
        let reply = self.request(url, content_type, body, None).await;
        self.note_sent(kind, "", 1, SentOutcome::from(&reply));
        reply.into()
    }

    /// Sends a request, signed.
    async fn request(&self, url: &str, content_type: &str, body: &str, retry: Option<(u32, &str)>) -> Reply {
        let secret = super::SIGNING_SECRET.to_owned().into();
        let now = self.clock.now().as_second();
        let (signed_at, signature) = (now.to_string(), slack_wire::signature::sign(&secret, now, body.as_bytes()));
        let number = retry.map(|(number, _)| number.to_string()).unwrap_or_default();
        let mut headers = vec![
            ("content-type", content_type),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
            (slack_wire::signature::TIMESTAMP_HEADER, signed_at.as_str()),
            (slack_wire::signature::SIGNATURE_HEADER, signature.as_str()),
        ];
        if let Some((_, reason)) = retry {
            headers.extend([("x-slack-retry-num", number.as_str()), ("x-slack-retry-reason", reason)]);
        }
        let outgoing = Outgoing { url, headers: &headers, body: body.to_owned(), patience: PATIENCE };
        self.courier.post(self.clock.as_ref(), outgoing).await
    }
}
