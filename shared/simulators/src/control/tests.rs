//! The control address does what a person can do, and the portal sends the events of it.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime::clock::Clock as _;
use serde_json::{Value, json};

use super::Sandbox;
use crate::http::{Server, answer};
use crate::portal::{DEAL, PortalEventDelivery};

struct Steered {
    sandbox: Sandbox,
    http: reqwest::Client,
    /// Names of the events that came.
    heard: Arc<Mutex<Vec<String>>>,
    handler: Server,
    clock: Arc<runtime::ManualClock>,
}

impl Steered {
    async fn start() -> Self {
        let clock = Arc::new(runtime::ManualClock::automatic("2026-11-21T12:00:00Z".parse().unwrap()));
        Self::on(clock, Duration::ZERO).await
    }

    /// Whose handler takes so long, by the clock, to answer.
    async fn on(clock: Arc<runtime::ManualClock>, takes: Duration) -> Self {
        let sandbox = Sandbox::start(clock.clone()).await.unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (hears, own_clock) = (heard.clone(), clock.clone());
        let handler = Server::start(0, move |request| {
            let (hears, clock) = (hears.clone(), clock.clone());
            async move {
                let form = form_urlencoded::parse(request.body()).find(|(name, _)| name == "event");
                hears.lock().unwrap().extend(form.map(|(_, event)| event.into_owned()));
                clock.advance(takes);
                Ok(answer(200, &json!({})))
            }
        });
        Self { sandbox, http: reqwest::Client::new(), heard, handler: handler.await.unwrap(), clock: own_clock }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.sandbox.control_url()));
        let answer = request.body(if body.is_null() { String::new() } else { body.to_string() }).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// The events that came since the last time.
    async fn events(&self) -> Vec<String> {
        while self.sandbox.portal.events_on_the_way() > 0 {
            tokio::task::yield_now().await;
        }
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_work_on_records_is_done_over_http_and_told_as_by_a_portal() {
    let steered = Steered::start().await;
    let events = [
        "ONCRMDEALADD",
        "ONCRMDEALUPDATE",
        "ONCRMDEALDELETE",
        "ONTASKADD",
        "ONTASKUPDATE",
        "ONTASKDELETE",
        "ONTASKCOMMENTADD",
        "ONCRMTIMELINECOMMENTADD",
        "ONVOXIMPLANTCALLEND",
    ];
    steered.done("POST", "/handlers", json!({"url": steered.handler.url(), "events": events})).await;
    let field = json!({"record": "deal", "type": "money", "multiple": true, "label": "Costs"});
    let field = steered.done("POST", "/bitrix24/fields", field).await["name"].as_str().unwrap().to_owned();
    let deal = json!({"record": "deal", "as": 6, "fields": {"title": "Roof", &field: ["10|EUR", "20|USD"]}});
    let deal = steered.done("POST", "/bitrix24/records", deal).await["id"].clone();
    let edit = json!({"record": "deal", "id": deal, "as": 9, "fields": {"stageId": "WON"}});
    let edited = steered.done("POST", "/bitrix24/edit", edit).await;
    assert_eq!(
        (&edited["stageSemanticId"], &edited["updatedBy"], &edited["createdBy"]),
        (&json!("S"), &json!(9), &json!(6))
    );
    assert_eq!(edited[&field], json!(["10.00|EUR", "20.00|USD"]));
    steered.done("POST", "/bitrix24/timeline", json!({"record": "deal", "id": deal, "text": "[p]x[/p]"})).await;
    steered.done("POST", "/bitrix24/trash", json!({"record": "deal", "id": deal})).await;
    assert_eq!(steered.ask("GET", &format!("/bitrix24/records?deal/{deal}"), Value::Null).await.0, 400);
    steered.done("POST", "/bitrix24/restore", json!({"record": "deal", "id": deal})).await;
    let shown = steered.done("GET", &format!("/bitrix24/records?deal/{deal}"), Value::Null).await;
    assert_eq!(shown["title"], "Roof");
    let mut heard = steered.events().await;
    heard.sort();
    assert_eq!(
        heard,
        ["ONCRMDEALADD", "ONCRMDEALADD", "ONCRMDEALDELETE", "ONCRMDEALUPDATE", "ONCRMTIMELINECOMMENTADD"]
    );

    let task = json!({"record": "task", "as": 6, "fields": {"TITLE": "Measure", "DESCRIPTION": "[list][*]a[/list]"}});
    let task = steered.done("POST", "/bitrix24/records", task).await["id"].clone();
    steered
        .done("POST", "/bitrix24/edit", json!({"record": "task", "id": task, "fields": {"TITLE": "Measure again"}}))
        .await;
    let comment = json!({"task": task, "as": 9, "text": "[b]Done[/b]", "files": [{"name": "a.txt", "text": "a"}]});
    steered.done("POST", "/bitrix24/comments", comment).await;
    steered.done("POST", "/bitrix24/trash", json!({"record": "task", "id": task})).await;
    steered.done("POST", "/bitrix24/restore", json!({"record": "task", "id": task})).await;
    steered.done("POST", "/bitrix24/calls", json!({"phone": "+49 30 1", "as": 6, "deal": deal})).await;
    let mut heard = steered.events().await;
    heard.sort();
    assert_eq!(
        heard,
        ["ONTASKADD", "ONTASKADD", "ONTASKCOMMENTADD", "ONTASKDELETE", "ONTASKUPDATE", "ONVOXIMPLANTCALLEND"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_what_is_wrong() {
    let steered = Steered::start().await;
    for (path, body, part) in [
        ("/bitrix24/fields", json!({"record": "deal", "type": "colour"}), "\"colour\" is not a type of fields"),
        ("/bitrix24/fields", json!({"record": "deal", "type": "boolean", "multiple": true}), "cannot be multiple"),
        ("/bitrix24/fields", json!({"record": "deal", "type": "string", "plural": true}), "plural"),
        ("/bitrix24/records", json!({"record": "order", "fields": {}}), "no records called order"),
        ("/bitrix24/records", json!({"record": "deal", "fields": {"titel": "x"}}), "no field titel"),
        (
            "/bitrix24/edit",
            json!({"record": "deal", "id": 1, "fields": {"stageId": "NOPE"}}),
            "Invalid value for field",
        ),
        ("/bitrix24/edit", json!({"record": "deal", "id": 1, "as": 77, "fields": {}}), "no user 77"),
        ("/bitrix24/restore", json!({"record": "deal", "id": 1}), "not in the bin"),
        ("/bitrix24/say", json!({"chat": "chat1", "text": "x"}), "no chat"),
        ("/bitrix24/access", json!({"do": "burn"}), "none of revoke, expire, give back"),
        ("/bitrix24/scopes", json!({"remove": ["everything"]}), "none of crm"),
        ("/bitrix24/portal", json!({"instaled": true}), "instaled"),
        ("/faults", json!({"faults": [{"method": "x"}]}), "fault"),
        ("/latency", json!({"provider": "nobody", "milliseconds": 1}), "none of bitrix24, slack, notion"),
        ("/disorder", json!({"seeds": 1}), "seeds"),
        ("/disorder", json!({"provider": "slack", "lost": 1}), "Slack loses no event"),
        ("/bitrix24/portal", json!({"plan": "gold"}), "usual or enterprise"),
        ("/clock", json!({"advance_seconds": -1}), "does not go back"),
    ] {
        let (status, answer) = steered.ask("POST", path, body.clone()).await;
        let text = answer["error"].as_str().unwrap_or_default().to_owned();
        assert!(status == 400 && text.contains(part), "{path} {body}: {status} {text}");
    }
    let help = steered.done("GET", "/", Value::Null).await;
    let named = [
        "POST /bitrix24/fields",
        "POST /faults",
        "POST /disorder",
        "POST /clock",
        "POST /slack/say",
        "POST /notion/edit",
    ];
    assert!(named.iter().all(|name| help.get(*name).is_some()), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_in_chats_and_to_the_bot_alone_is_written_edited_and_deleted() {
    let steered = Steered::start().await;
    let chat = json!({"name": "Sales", "members": [1, 6]});
    let chat = steered.done("POST", "/bitrix24/chats", chat).await["chat"].clone();
    for chat in [chat, json!("bot")] {
        let said = json!({"chat": chat, "as": 6, "text": "hello", "files": [{"name": "a.txt", "text": "a"}]});
        let message = steered.done("POST", "/bitrix24/say", said).await["message"].clone();
        let about = |more: Value| {
            let mut body = json!({"chat": chat, "as": 6, "message": message});
            body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            body
        };
        steered.done("POST", "/bitrix24/messages/edit", about(json!({"text": "hello again"}))).await;
        let name = if chat == "bot" { "bot/6".to_owned() } else { chat.as_str().unwrap().to_owned() };
        let read = steered.done("GET", &format!("/bitrix24/messages?{name}"), Value::Null).await["read"].clone();
        assert!(read[0].as_str().unwrap().ends_with(": hello again [a.txt]"), "{read}");
        steered.done("POST", "/bitrix24/messages/react", about(json!({"reaction": "like"}))).await;
        steered.done("POST", "/bitrix24/messages/delete", about(json!({}))).await;
        let read = steered.done("GET", &format!("/bitrix24/messages?{name}"), Value::Null).await["read"].clone();
        assert_eq!(read, json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_faults_latency_and_the_clock_are_set_over_http() {
    let steered = Steered::start().await;
    let known = steered.sandbox.portal.credentials();
    let call = async |path: String| {
        let answer = steered.http.post(format!("{}/rest/{path}", steered.sandbox.portal.url())).send().await.unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        body["error"].as_str().unwrap_or("fine").to_owned()
    };
    let by_token = async || call(format!("profile?auth={}", known.access_token)).await;
    let by_webhook = async || call(format!("1/{}/profile", known.secret)).await;
    assert_eq!((by_token().await, by_webhook().await), ("fine".into(), "fine".into()));
    steered.done("POST", "/bitrix24/access", json!({"do": "expire", "of": "token", "seconds": 60})).await;
    assert_eq!(by_token().await, "fine");
    steered.done("POST", "/clock", json!({"advance_seconds": 61})).await;
    assert_eq!(by_token().await, "expired_token");
    steered.done("POST", "/bitrix24/access", json!({"do": "revoke", "of": "webhook"})).await;
    assert_eq!(by_webhook().await, "INVALID_CREDENTIALS");
    steered.done("POST", "/bitrix24/access", json!({"do": "give back"})).await;
    assert_eq!((by_token().await, by_webhook().await), ("fine".into(), "fine".into()));

    let code = |code: &str| json!({"how": "code", "status": 400, "code": code});
    let faults = json!({"faults": [
        {"method": "profile", "contains": "auth=", "count": 2, "fault": code("ONE")},
        {"provider": "bitrix24", "method": "profile", "fault": code("TWO")},
        {"provider": "slack", "method": "*", "count": 1, "fault": code("THREE")},
    ]});
    steered.done("POST", "/faults", faults).await;
    assert_eq!((by_token().await, by_webhook().await), ("ONE".into(), "TWO".into()));
    let waiting = steered.done("GET", "/faults", Value::Null).await;
    assert_eq!((&waiting["bitrix24"][0]["count"], &waiting["slack"][0]["method"]), (&json!(1), &json!("*")));
    assert_eq!((by_token().await, by_token().await), ("ONE".into(), "TWO".into()));
    steered.done("DELETE", "/faults", Value::Null).await;
    assert_eq!(by_webhook().await, "fine");

    let slow = json!({"provider": "bitrix24", "method": "profile", "milliseconds": 30_000});
    steered.done("POST", "/latency", slow).await;
    let took = async |path: String| {
        let began = steered.clock.now();
        assert_eq!(call(path).await, "fine");
        steered.clock.now().duration_since(began).as_secs()
    };
    assert_eq!(took(format!("1/{}/profile", known.secret)).await, 30);
    assert_eq!(took(format!("1/{}/server.time", known.secret)).await, 0);
    steered.done("DELETE", "/latency", Value::Null).await;
    assert_eq!(took(format!("1/{}/profile", known.secret)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_lasts_as_long_as_it_says_for_the_companies_that_it_names() {
    let clock = Arc::new(runtime::ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let estate = crate::Estate::start(clock.clone(), 2).await.unwrap();
    let described = estate.describe();
    let control = described["control"].as_str().unwrap().to_owned();
    let http = reqwest::Client::new();
    let done = async |method: &str, path: &str, body: Value| {
        let request = http.request(method.parse().unwrap(), format!("{control}{path}"));
        let answer = request.body(if body.is_null() { String::new() } else { body.to_string() }).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap_or_default())
    };
    let statuses = async || {
        let mut all = Vec::new();
        for portal in &estate.portals {
            let answer = http.post(format!("{}server.time", portal.webhook_url())).send().await;
            all.push(answer.map_or(0, |answer| answer.status().as_u16()));
        }
        all
    };
    let outage = |fault: Value| json!({"faults": [{"company": 1, "method": "*", "for_seconds": 60, "fault": fault}]});
    for (fault, seen) in [
        (json!({"how": "code", "status": 503, "code": "OVERLOAD_LIMIT"}), 503),
        (json!({"how": "html", "status": 502, "when": "before_effect"}), 502),
        (json!({"how": "reset", "when": "before_effect"}), 0),
        (json!({"how": "throttled", "status": 429, "retry_after": {"date": 60}}), 429),
    ] {
        assert_eq!(done("POST", "/faults", outage(fault)).await.0, 200);
        assert_eq!(statuses().await, [200, seen]);
        assert_eq!(done("GET", "/faults", Value::Null).await.1["bitrix24"][0], json!([]));
        clock.advance(Duration::from_secs(60));
        assert_eq!(statuses().await, [200, 200]);
    }
    let all = json!({"faults": [{"method": "*", "count": 1, "fault": {"how": "reset", "when": "before_effect"}}]});
    assert_eq!(done("POST", "/faults", all).await.0, 200);
    assert_eq!(statuses().await, [0, 0]);
    let (status, refused) = done("POST", "/faults", outage(json!({"how": "burn"}))).await;
    assert!(status == 400 && refused["error"].as_str().unwrap().contains("burn"), "{refused}");
    let (status, refused) = done("POST", "/disorder", json!({"provider": "slack", "company": 7})).await;
    assert_eq!((status, refused["error"].as_str().unwrap()), (400, "company 7 does not exist"));

    let said = json!({"company": 1, "email": "user6@example.com", "channel": "general", "text": "hello"});
    assert!(done("POST", "/slack/say", said).await.1["ts"].is_string());
    assert_eq!(estate.workspaces[1].posted().len(), 1);
    assert_eq!((estate.workspaces[0].posted().len(), estate.workspaces[1].posted()[0].text.as_str()), (0, "hello"));
    while statuses().await[0] == 200 {}
    let (_, limits) = done("GET", "/limits", Value::Null).await;
    assert_eq!(limits[0]["account"], estate.portals[0].credentials().member_id);
    assert_eq!((&limits[0]["method"], &limits[0]["times"]), (&json!("server.time"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_disturbed_by_a_seed_and_listed_with_how_they_were_answered() {
    let steered = Steered::start().await;
    steered.done("POST", "/handlers", json!({"url": steered.handler.url(), "events": ["ONCRMDEALADD"]})).await;
    let disorder = json!({"provider": "bitrix24", "seed": 7, "max_delay_ms": 5000, "lost": 1000});
    steered.done("POST", "/disorder", disorder).await;
    steered.done("POST", "/deals", json!({"title": "Roof", "amount": 1, "currency": "EUR"})).await;
    assert_eq!(steered.events().await, [""; 0]);
    steered.done("POST", "/disorder", json!({})).await;
    steered.done("POST", "/deals", json!({"title": "Roof", "amount": 1, "currency": "EUR"})).await;
    assert_eq!(steered.events().await, ["ONCRMDEALADD"]);
    let sent = steered.done("GET", "/sent?bitrix24", Value::Null).await["bitrix24"].clone();
    let outcomes: Vec<_> = sent.as_array().unwrap().iter().map(|sent| sent["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("lost"), json!({"answered": 200})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handler_is_called_less_often_until_it_is_quick_again() {
    let clock = Arc::new(runtime::ManualClock::automatic("2026-11-21T12:00:00Z".parse().unwrap()));
    let steered = Steered::on(clock.clone(), Duration::from_secs(8)).await;
    let portal = &steered.sandbox.portal;
    portal.send_events_to(&steered.handler.url(), &["ONCRMDEALUPDATE"]);
    portal.deliver(PortalEventDelivery { slow_after: Duration::from_secs(3), ..PortalEventDelivery::default() });
    let mut pauses = Vec::new();
    for amount in 1..=8 {
        portal.change_item(DEAL, 1, json!({"opportunity": amount}));
        assert_eq!(steered.events().await.len(), 1, "late, but it comes");
        pauses.push(portal.pause_of(&steered.handler.url()).as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    portal.deliver(PortalEventDelivery { slow_after: Duration::from_secs(30), ..PortalEventDelivery::default() });
    portal.change_item(DEAL, 1, json!({"opportunity": 77}));
    steered.events().await;
    assert_eq!(portal.pause_of(&steered.handler.url()), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_insist_on_https_are_let_in_with_the_authoritys_certificate() {
    let authority = crate::tls::CertificateAuthority::new().unwrap();
    let sandbox = authority.secure(Sandbox::start(Arc::new(runtime::SystemClock))).await.unwrap();
    let told = sandbox.describe();
    assert!(sandbox.portal.webhook_url().starts_with("https://localhost:"), "{told}");
    assert!(told["control"].as_str().unwrap().starts_with("http://127.0.0.1:"), "whoever steers needs no certificate");
    let certificate = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    for url in [
        format!("{}server.time", sandbox.portal.webhook_url()),
        sandbox.portal.webhook_url().replace("localhost", "127.0.0.1") + "server.time",
        format!("{}api.test", sandbox.slack.api_url()),
        format!("{}/v1/users", sandbox.notion.url()),
    ] {
        let answer = trusting.get(&url).send().await;
        assert!(answer.is_ok(), "{url}: {answer:?}");
    }
    let stranger = reqwest::Client::new();
    assert!(stranger.get(format!("{}server.time", sandbox.portal.webhook_url())).send().await.is_err());
}
