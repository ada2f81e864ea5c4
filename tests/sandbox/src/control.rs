//! All simulators together, with an address at which a test in any language can steer them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use platform::clock::Clock;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::http::{Server, answer, not_found};
use crate::notion::Notion;
use crate::portal::{DEAL, Delivery, Portal};
use crate::slack::Workspace;

/// The simulators, running. They stop when dropped.
pub struct Sandbox {
    /// The portal.
    pub portal: Arc<Portal>,
    /// The Slack workspace.
    pub slack: Arc<Workspace>,
    /// The Notion workspace.
    pub notion: Arc<Notion>,
    control: Server,
}

impl Sandbox {
    /// Starts all on free ports.
    pub async fn start(clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let portal = Arc::new(Portal::start(clock.clone(), 0).await?);
        let slack = Arc::new(Workspace::start(clock.clone(), 0).await?);
        let notion = Arc::new(Notion::start(clock, 0).await?);
        let (steered, workspace, pages) = (portal.clone(), slack.clone(), notion.clone());
        let control = Server::start(0, move |request| {
            let (portal, slack, notion) = (steered.clone(), workspace.clone(), pages.clone());
            async move { Ok(steer(&portal, &slack, &notion, &request).await) }
        })
        .await?;
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

async fn steer(portal: &Portal, slack: &Workspace, notion: &Notion, request: &Request<Bytes>) -> Response<Bytes> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap_or_default();
    let done = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => json!({
            "GET /messages?NAME": "the messages of a channel",
            "POST /slack/requests": {"url": "http://127.0.0.1/…"},
            "POST /slack/say": {"email": "user6@example.com", "channel": "general", "text": "hello"},
            "POST /slack/command": {"email": "user6@example.com", "channel": "general", "command": "/b24-lead", "text": "ACME"},
            "POST /slack/press": {"email": "user6@example.com", "channel": "general", "action_id": "deal_take", "value": "1"},
            "POST /slack/submit": {"email": "user6@example.com", "values": {"name": "…"}},
            "GET /slack": "what else can be done in Slack",
            "GET /slack/whispers?EMAIL": "what somebody was told alone",
            "POST /notion/databases": {"title": "Deals", "properties": {"Stage": {"select": {"options": []}}}},
            "POST /notion/people": {"name": "Ann", "email": "ann@example.com"},
            "POST /notion/share": {"database": "…", "shared": false},
            "POST /notion/hook": {"url": "http://127.0.0.1/…"},
            "POST /notion/edit": {"row": "…", "properties": {}},
            "GET /counts": "what has been asked of the simulators",
            "POST /deals": {"title": "Roof", "amount": 100, "currency": "EUR"},
            "POST /move": {"deal": 1, "stage": "EXECUTING"},
            "POST /handlers": {"url": "http://127.0.0.1/…", "events": ["ONCRMDEALUPDATE"]},
            "POST /delivery": {"delay_ms": 0, "drop_every": 0, "double_every": 0, "hold": false},
            "POST /fail": {"provider": "slack | bitrix24 | notion", "method": "chat.postMessage", "fault": {"how": "reset", "when": "after_effect"}},
        }),
        (&Method::POST, "/notion/databases") => {
            let (database, source) = notion.add_database(&text("title"), &body["properties"]);
            json!({"database": database, "data_source": source})
        }
        (&Method::POST, "/notion/people") => json!({"id": notion.add_person(&text("name"), &text("email"))}),
        (&Method::POST, "/notion/share") => {
            notion.share(&text("database"), body["shared"] == true);
            json!({"ok": true})
        }
        (&Method::POST, "/notion/hook") => {
            let (token, status) = notion.subscribe(&text("url")).await;
            json!({"token": token, "status": status})
        }
        (&Method::POST, "/notion/edit") => match notion.edit(&text("row"), &body["properties"]) {
            Ok(()) => json!({"ok": true}),
            Err(error) => json!({"ok": false, "error": error}),
        },
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
        (&Method::GET, "/counts") => json!({
            "bitrix24": {"requests": portal.requests(), "calls": portal.calls(), "refused_for_limits": portal.refused_for_limits()},
            "notion": {"requests": notion.requests(), "calls": notion.calls(), "refused_for_limits": notion.refused_for_limits()},
            "slack": {"calls": slack.calls(), "refused_for_limits": slack.refused_for_limits(), "refused_blocks": slack.refused_blocks()},
        }),
        (&Method::GET, "/messages") => json!(slack.messages(request.uri().query().unwrap_or_default())),
        (&Method::POST, "/deals") => {
            json!({"id": portal.add_deal(&text("title"), number("amount"), &text("currency"))})
        }
        (&Method::POST, "/move") => {
            portal.move_deal(number("deal"), &text("stage"));
            json!({"ok": true})
        }
        (&Method::POST, "/handlers") => {
            let events: Vec<_> = body["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            portal.send_events_to(&text("url"), &events);
            json!({"ok": true})
        }
        (&Method::POST, "/delivery") => {
            portal.deliver(Delivery {
                delay: Duration::from_millis(number("delay_ms")),
                drop_every: number("drop_every"),
                double_every: number("double_every"),
                shuffle: body["shuffle"].as_bool().unwrap_or_default(),
                hold: body["hold"].as_bool().unwrap_or_default(),
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
        (&Method::GET, "/slack") => crate::slack::help(),
        (&Method::POST, path) => match crate::slack::steer(slack, path, &body) {
            Some(done) => done,
            None => return not_found(),
        },
        _ => return not_found(),
    };
    answer(200, &done)
}
