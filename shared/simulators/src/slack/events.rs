//! Requests from Slack: signed, answered within three seconds or sent again, a few times.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::{APP, BOT_USER, ENTERPRISE, SlackShared};

/// When an event that was not taken is sent again: at once, after a minute, after five.
const RETRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(300)];

/// How long Slack waits for an answer, by the clock.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(3);

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
    /// Whether the answer came after Slack had stopped waiting for it: it does not count.
    pub is_late: bool,
    pub body: Value,
}

impl SlackShared {
    /// Tells the app of an event, if it listens. Returns at once; events go out one after the other.
    pub(super) fn emit(self: &Arc<Self>, event: &Value) {
        let is_doubled = {
            let mut state = self.lock();
            if state.requests_to.is_none() {
                return;
            }
            if let Some(held) = &mut state.held {
                held.push(event.clone());
                return;
            }
            let every = state.double_as_new_every;
            every > 0 && (state.last_event + 1).is_multiple_of(every)
        };
        self.send(event);
        if is_doubled {
            self.send(event);
        }
    }

    /// Sends an event under an id of its own.
    pub(super) fn send(self: &Arc<Self>, event: &Value) {
        let (url, id, doubled) = {
            let mut state = self.lock();
            let Some(url) = state.requests_to.clone() else { return };
            state.last_event += 1;
            let doubled = state.double_every > 0 && state.last_event.is_multiple_of(state.double_every);
            (url, format!("Ev0SAND{:05}", state.last_event), doubled)
        };
        let mut outer = json!({
            "token": "deprecated", "team_id": self.team(), "api_app_id": APP, "event": event, "type": "event_callback", "event_id": id,
            "event_time": self.clock.now().as_second(), "is_ext_shared_channel": false, "event_context": "4-sandbox",
            "authorizations": [{"enterprise_id": null, "team_id": self.team(), "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false}],
        });
        if self.lock().is_enterprise {
            outer["enterprise_id"] = ENTERPRISE.into();
            outer["context_enterprise_id"] = ENTERPRISE.into();
            outer["context_team_id"] = self.team().into();
            outer["authorizations"] = json!([{
                "enterprise_id": ENTERPRISE, "team_id": self.team(), "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false,
            }]);
        }
        let channel = outer["event"]["channel"].as_str().or_else(|| outer["event"]["item"]["channel"].as_str());
        if let Some(channel) = channel
            && self.lock().channels.get(channel).is_some_and(|channel| channel.is_shared)
        {
            outer["is_ext_shared_channel"] = true.into();
        }
        let body = outer.to_string();
        self.on_the_way.fetch_add(1, Ordering::SeqCst);
        let shared = self.clone();
        tokio::spawn(async move {
            shared.deliver(&url, &body).await;
            if doubled {
                // As if Slack had not seen our answer.
                shared.post(&url, "application/json", &body, Some((1, "http_timeout"))).await;
            }
            shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
        });
    }

    async fn deliver(self: &Arc<Self>, url: &str, body: &str) {
        let _turn = self.turn.lock().await;
        let mut retry = None;
        let mut waits = RETRIES.iter();
        loop {
            let reply = self.post(url, "application/json", body, retry).await;
            if (200..300).contains(&reply.status) {
                return;
            }
            let Some(wait) = waits.next() else { return };
            if !wait.is_zero() {
                self.clock.sleep(*wait).await;
            }
            let reason = match reply.status {
                0 if reply.is_late => "http_timeout",
                0 => "connection_failed",
                _ => "http_error",
            };
            retry = Some((retry.map_or(1, |(number, _)| number + 1), reason));
        }
    }

    /// Sends a request, signed.
    pub(super) async fn post(&self, url: &str, kind: &str, body: &str, retry: Option<(u32, &str)>) -> EventReply {
        let secret = super::SIGNING_SECRET.to_owned().into();
        let now = self.clock.now().as_second();
        let (signed_at, signature) = (now.to_string(), slack_wire::signature::sign(&secret, now, body.as_bytes()));
        let number = retry.map(|(number, _)| number.to_string()).unwrap_or_default();
        let mut headers = vec![
            ("content-type", kind),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
            (slack_wire::signature::TIMESTAMP_HEADER, signed_at.as_str()),
            (slack_wire::signature::SIGNATURE_HEADER, signature.as_str()),
        ];
        if let Some((_, reason)) = retry {
            headers.extend([("x-slack-retry-num", number.as_str()), ("x-slack-retry-reason", reason)]);
        }
        let began = self.clock.now();
        let sent = self.courier.post(url, &headers, body.to_owned()).await;
        if self.clock.now().duration_since(began) > PATIENCE {
            return EventReply { status: 0, is_late: true, body: Value::Null };
        }
        match sent {
            Some((status, text)) => {
                let body = serde_json::from_slice(&text);
                let body = body.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned()));
                EventReply { status, is_late: false, body }
            }
            None => EventReply { status: 0, is_late: false, body: Value::Null },
        }
    }
}
