//! All simulators together, with an address at which a test in any language can control them.

pub(crate) mod accounts;
pub(crate) mod portal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use runtime::clock::Clock;
use serde_json::{Value, json};

use self::accounts::{SteeredSide, SteeredSides};
use crate::bucket::ExceededLimit;
use crate::fault::Fault;
use crate::http::{Server, answer, not_found};
use crate::notion::NotionSimulator;
use crate::portal::{DEAL, PortalEventDelivery, PortalSimulator, Quirk};
use crate::slack::SlackSimulator;
use crate::tls;

/// The simulators, running. They stop when dropped.
pub struct Sandbox {
    pub portal: Arc<PortalSimulator>,
    /// The Slack workspace.
    pub slack: Arc<SlackSimulator>,
    /// The Notion workspace.
    pub notion: Arc<NotionSimulator>,
    control: Server,
}

/// The simulators' clock: the world's, or some time ahead of it.
struct AheadClock {
    world: Arc<dyn Clock>,
    seconds: AtomicI64,
}

#[async_trait]
impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        let ahead = jiff::SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst));
        self.world.now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }
}

/// The furthest that the clock goes ahead: a hundred years.
const MAX_AHEAD: i64 = 100 * 365 * 24 * 3600;

impl Sandbox {
    /// Starts all on free ports.
    pub async fn start(clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let ahead = Arc::new(AheadClock { world: clock, seconds: AtomicI64::new(0) });
        let clock: Arc<dyn Clock> = ahead.clone();
        let portal = Arc::new(PortalSimulator::start(clock.clone(), 0).await?);
        let slack = Arc::new(SlackSimulator::start(clock.clone(), 0).await?);
        let notion = Arc::new(NotionSimulator::start(clock, 0).await?);
        let (steered, workspace, pages) = (portal.clone(), slack.clone(), notion.clone());
        let control = Server::start(0, move |request| {
            let (portal, slack, notion) = (steered.clone(), workspace.clone(), pages.clone());
            let ahead = ahead.clone();
            async move {
                let all = All { portal: &portal, slack: &slack, notion: &notion, clock: &ahead };
                match all.steer(&request) {
                    Some(answer) => Ok(answer),
                    None => Ok(steer(&portal, &slack, &notion, &request).await),
                }
            }
        });
        // Whoever steers needs no certificate.
        let control = tls::plainly(control).await?;
        Ok(Self { portal, slack, notion, control })
    }

    /// Where the simulators can be steered.
    pub fn control_url(&self) -> String {
        self.control.url()
    }

    /// Counts every change of any simulator.
    pub fn revision(&self) -> u64 {
        self.portal.revision() + self.slack.revision() + self.notion.revision()
    }

    /// Which limits were exceeded so far, by account and method.
    pub fn exceeded_limits(&self) -> Vec<ExceededLimit> {
        [self.portal.exceeded_limits(), self.slack.exceeded_limits(), self.notion.exceeded_limits()].concat()
    }

    /// The data of all, to be restored later.
    pub fn save(&self) -> Value {
        json!({"bitrix24": self.portal.save(), "slack": self.slack.save(), "notion": self.notion.save()})
    }

    /// Goes on with saved data.
    pub fn restore(&self, saved: &Value) {
        self.portal.restore(&saved["bitrix24"]);
        self.slack.restore(&saved["slack"]);
        self.notion.restore(&saved["notion"]);
    }

    /// Everything that a client needs to know, as one JSON object.
    pub fn describe(&self) -> Value {
        let credentials = self.portal.credentials();
        let channels: serde_json::Map<_, _> =
            self.slack.channels().into_iter().map(|channel| (channel.name, channel.id.into())).collect();
        let ids = |entity| self.portal.ids(entity).into_iter().take(5).collect::<Vec<_>>();
        json!({
            "control": self.control_url(),
            "bitrix24": {
                "url": self.portal.url(),
                "webhook_url": self.portal.webhook_url(),
                "rest_url": format!("{}/rest/", self.portal.url()),
                "member_id": credentials.member_id,
                "domain": self.portal.host(),
                "application_token": credentials.application_token,
                "access_token": credentials.access_token,
                "client_id": "local.sandbox.00000000",
                "client_secret": "sandbox-client-secret",
                "deals": ids(DEAL),
                "leads": ids(crate::portal::LEAD),
            },
            "slack": {
                "api_url": self.slack.api_url(),
                "bot_token": self.slack.token(),
                "signing_secret": self.slack.signing_secret(),
                "team_id": self.slack.team_id(),
                "client_id": "0000000000.0000000000",
                "client_secret": "sandbox-client-secret",
                "channels": channels,
            },
            "notion": {"api_url": self.notion.url(), "token": self.notion.token()},
        })
    }
}

/// What concerns all simulators.
struct All<'a> {
    portal: &'a PortalSimulator,
    slack: &'a SlackSimulator,
    notion: &'a NotionSimulator,
    clock: &'a AheadClock,
}

impl All<'_> {
    fn steer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        let given = if request.body().is_empty() { Ok(json!({})) } else { serde_json::from_slice(request.body()) };
        let body: Value = match given {
            Ok(body) => body,
            Err(error) => return Some(answer(400, &json!({"error": format!("the body is not JSON: {error}")}))),
        };
        let query = request.uri().query().unwrap_or_default();
        let done = match (method.as_str(), path) {
            ("GET", "/clock") => Ok(self.time()),
            ("POST", "/clock") => self.pass_time(&body),
            _ => match self.sides().steer(method, path, query, &body) {
                Some(done) => done,
                None => portal::steer(self.portal, method, path, query, &body)?,
            },
        };
        Some(match done {
            Ok(done) => answer(200, &done),
            Err(error) => answer(400, &json!({"error": error})),
        })
    }

    fn sides(&self) -> SteeredSides<'_> {
        SteeredSides(vec![
            (None, SteeredSide::Portal(self.portal)),
            (None, SteeredSide::Workspace(self.slack)),
            (None, SteeredSide::Notion(self.notion)),
        ])
    }

    fn time(&self) -> Value {
        json!({"now": self.clock.now().to_string(), "ahead_seconds": self.clock.seconds.load(Ordering::SeqCst)})
    }

    fn pass_time(&self, body: &Value) -> Result<Value, String> {
        let seconds = body["advance_seconds"].as_u64().and_then(|seconds| i64::try_from(seconds).ok());
        let seconds = seconds.ok_or("\"advance_seconds\" has to be a whole number; time does not go back")?;
        let ahead = self.clock.seconds.load(Ordering::SeqCst).saturating_add(seconds);
        if ahead > MAX_AHEAD {
            return Err(format!("the clock goes at most {MAX_AHEAD} seconds ahead"));
        }
        self.clock.seconds.store(ahead, Ordering::SeqCst);
        Ok(self.time())
    }
}

/// All addresses, each with an example.
fn help(own: Value) -> Value {
    let shared = json!({
        "GET /clock": "what time it is for the simulators",
        "POST /clock": {"advance_seconds": 3600},
    });
    let mut all = serde_json::Map::new();
    for part in [own, portal::help(), Value::Object(crate::notion::help()), accounts::help(), shared] {
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    Value::Object(all)
}

fn counts(portal: &PortalSimulator, slack: &SlackSimulator, notion: &NotionSimulator) -> Value {
    let exceeded = [portal.exceeded_limits(), slack.exceeded_limits(), notion.exceeded_limits()].concat();
    json!({
        "bitrix24": {"requests": portal.requests(), "calls": portal.calls(), "refused_for_limits": portal.refused_for_limits()},
        "notion": {"requests": notion.requests(), "calls": notion.calls(), "refused_for_limits": notion.refused_for_limits()},
        "slack": {"calls": slack.calls(), "refused_for_limits": slack.refused_for_limits(), "refused_blocks": slack.refused_blocks()},
        "exceeded_limits": exceeded,
    })
}

async fn steer(
    portal: &PortalSimulator,
    slack: &SlackSimulator,
    notion: &NotionSimulator,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap_or_default();
    let done = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => help(json!({
            "GET /messages?NAME": "the messages of a channel",
            "POST /slack/requests": {"url": "http://127.0.0.1/…"},
            "POST /slack/say": {"email": "user6@example.com", "channel": "general", "text": "hello"},
            "POST /slack/command": {"email": "user6@example.com", "channel": "general", "command": "/b24-lead", "text": "ACME"},
            "POST /slack/press": {"email": "user6@example.com", "channel": "general", "action_id": "deal_take", "value": "1"},
            "POST /slack/submit": {"email": "user6@example.com", "values": {"name": "…"}},
            "GET /slack": "what else can be done in Slack",
            "GET /slack/whispers?EMAIL": "what somebody was told alone",
            "GET /counts": "what has been asked of the simulators",
            "POST /deals": {"title": "Roof", "amount": 100, "currency": "EUR"},
            "POST /move": {"deal": 1, "stage": "PREPARATION"},
            "POST /bitrix24/quirk": {"type": 2, "field": "ufCrm_1", "quirk": "ignore-clearing | ignore | drop-unknown | cut | lowercase | round | refuse; null ends it", "at": 255},
            "POST /handlers": {"url": "http://127.0.0.1/…", "events": ["ONCRMDEALUPDATE"]},
            "POST /delivery": {"delay_ms": 0, "drop_every": 0, "double_every": 0, "hold": false, "slow_after_ms": 0},
            "POST /fail": {"provider": "slack | bitrix24 | notion", "method": "chat.postMessage", "fault": {"how": "reset", "when": "after_effect"}},
        })),
        (&Method::POST, "/slack/requests") => {
            slack.send_requests_to(&text("url"));
            json!({"ok": true})
        }
        (&Method::POST, "/slack/channel") => {
            if let Some(name) = body["new"].as_str() {
                slack.add_channel(name);
            }
            slack.change_channel(&text("name"), |channel| {
                channel.is_archived = body["archived"].as_bool().unwrap_or(channel.is_archived);
            });
            json!({"ok": true})
        }
        (&Method::POST, "/slack/person") => {
            let id = slack.person(&text("email"));
            slack.change_person(&id, |profile| profile.name = text("name"));
            json!({"id": id})
        }
        (&Method::POST, "/slack/say") => {
            let channel = slack.channel_id(&text("channel"));
            json!({"ts": slack.say(&slack.person(&text("email")), &channel, &text("text"), None, &[])})
        }
        (&Method::POST, "/slack/command") => {
            let (user, channel) = (slack.person(&text("email")), slack.channel_id(&text("channel")));
            let reply = slack.command(&user, &channel, &text("command"), &text("text")).await;
            json!({"status": reply.status, "body": reply.body})
        }
        (&Method::POST, "/slack/press") => {
            let (user, channel) = (slack.person(&text("email")), slack.channel_id(&text("channel")));
            let reply = slack.press(&user, &channel, &text("action_id"), &text("value")).await;
            json!({"status": reply.status, "body": reply.body})
        }
        (&Method::POST, "/slack/submit") => {
            let given = body["values"].as_object().cloned().unwrap_or_default();
            let values: Vec<_> =
                given.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
            let reply = slack.submit(&slack.person(&text("email")), &values).await;
            json!({"status": reply.status, "body": reply.body})
        }
        (&Method::GET, "/slack/whispers") => {
            json!(slack.whispers(&slack.person(request.uri().query().unwrap_or_default())))
        }
        (&Method::GET, "/counts") => counts(portal, slack, notion),
        (&Method::GET, "/messages") => json!(slack.messages(request.uri().query().unwrap_or_default())),
        (&Method::POST, "/deals") => {
            json!({"id": portal.add_deal(&text("title"), number("amount"), &text("currency"))})
        }
        (&Method::POST, "/move") => {
            portal.move_deal(number("deal"), &text("stage"));
            json!({"ok": true})
        }
        (&Method::POST, "/bitrix24/quirk") => {
            let quirk = Quirk::named(&text("quirk"), body["at"].as_u64());
            if quirk.is_none() && !body["quirk"].is_null() {
                return answer(400, &json!({"error": format!("there is no quirk {}", body["quirk"])}));
            }
            portal.set_quirk(u32::try_from(number("type")).unwrap_or_default(), &text("field"), quirk);
            json!({"ok": true})
        }
        (&Method::POST, "/handlers") => {
            let events: Vec<_> = body["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            portal.send_events_to(&text("url"), &events);
            json!({"ok": true})
        }
        (&Method::POST, "/delivery") => {
            portal.deliver(PortalEventDelivery {
                delay: Duration::from_millis(number("delay_ms")),
                drop_every: number("drop_every"),
                double_every: number("double_every"),
                shuffle: body["shuffle"].as_bool().unwrap_or_default(),
                hold: body["hold"].as_bool().unwrap_or_default(),
                slow_after: match body["slow_after_ms"].as_u64() {
                    Some(milliseconds) => Duration::from_millis(milliseconds),
                    None => portal.delivery().slow_after,
                },
                disorder: portal.delivery().disorder,
            });
            json!({"ok": true})
        }
        (&Method::POST, "/fail") => match serde_json::from_value::<Fault>(body["fault"].clone()) {
            Ok(fault) => {
                match text("provider").as_str() {
                    "slack" => slack.fail_next(&text("method"), fault),
                    "notion" => notion.fail_next(&text("method"), fault),
                    _ => portal.fail_next(&text("method"), fault),
                }
                json!({"ok": true})
            }
            Err(error) => return answer(400, &json!({"error": error.to_string()})),
        },
        (method, path) if path.starts_with("/notion/") => {
            let query = request.uri().query().unwrap_or_default();
            match notion.steer(method.as_str(), path, query, &body).await {
                Some(done) => done,
                None => return not_found(),
            }
        }
        (&Method::GET, "/slack") => crate::slack::help(),
        (&Method::POST, path) => match crate::slack::steer(slack, path, &body) {
            Some(done) => done,
            None => return not_found(),
        },
        _ => return not_found(),
    };
    answer(200, &done)
}
