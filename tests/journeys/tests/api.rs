//! The API as a shop uses it, and schedules.

use std::sync::Arc;
use std::time::Duration;

use journeys::estate::{Estate, json_of};
use runtime::Backend;
use runtime::clock::Clock;
use serde_json::{Value, json};
use simulators::portal::{CONTACT, DEAL};
use simulators::{Fault, When};
use tenants::api_keys::{ApiKeys, Scope};

struct Shop {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Shop {
    async fn of(estate: &Estate, scopes: &[Scope]) -> Self {
        let keys = ApiKeys::new(estate.engine.backend.store.clone());
        let (_, key) = keys.make(&estate.tenant(0), "Shop", scopes, estate.clock.now()).await.unwrap();
        Self { http: reqwest::Client::new(), base: format!("{}/api/v1/{}", estate.url, estate.tenant(0)), key }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        json_of(self.http.get(format!("{}/{path}", self.base)).bearer_auth(&self.key).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/{path}", self.base)).bearer_auth(&self.key);
        let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        json_of(request.body(body.to_string()).send().await.unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_becomes_one_deal_with_its_contact_however_often_it_is_sent() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (shop, portal) = (Shop::of(&estate, &[Scope::Intake, Scope::Read]).await, &estate.sandbox.portals[0]);
    let order = json!({
        "title": "Order 1001", "amount": 99.5, "currency": "eur", "comment": "[send=/x]please[/send]",
        "contact": {"first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "phone": "+49 30 123"},
        "fields": {"utmSource": "mail"},
    });
    let deals = portal.ids(DEAL).len();
    let (status, made) = shop.post("deals", "order-1001", &order).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_u64().unwrap();
    assert!(made["link"].as_str().unwrap().ends_with(&format!("/crm/deal/details/{id}/")) && made["type"] == "deal");
    let deal = portal.item(DEAL, id).unwrap();
    assert_eq!(
        (deal["title"].as_str(), deal["opportunity"].as_f64(), deal["currencyId"].as_str()),
        (Some("Order 1001"), Some(99.5), Some("EUR"))
    );
    assert!(!deal["comments"].as_str().unwrap().contains("[send="), "{deal}");
    let contact = deal["contactIds"][0].as_u64().unwrap();
    assert_eq!(portal.item(CONTACT, contact).unwrap()["fm"][0]["value"], "ann@example.com");
    let (status, again) = shop.post("deals", "order-1001", &order).await;
    assert_eq!((status, &again), (200, &made));
    let (status, told) = shop.post("deals", "order-1001", &json!({"title": "Order 1002"})).await;
    assert_eq!((status, told["error"].as_str()), (422, Some("key_reused")));
    assert_eq!(portal.ids(DEAL).len(), deals + 1);
    // Its card comes like every deal's, and the log knows how it came in.
    estate.settle().await;
    assert!(estate.channel(0, "sales-pipeline").iter().any(|card| card.contains("Order 1001")));
    let (_, log) = shop.get("events?status=routed").await;
    assert!(log["events"].as_array().unwrap().iter().any(|line| line["event"] == "api.deal"), "{log}");
    let (_, log) = shop.get(&format!("deliveries?record=deal%20{id}")).await;
    assert_eq!(log["deliveries"][0]["status"], "delivered", "{log}");
    assert!(!log.to_string().contains("\"jobs\"") && !log.to_string().contains("outbox"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_makes_no_second_deal() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (shop, portal) = (Shop::of(&estate, &[Scope::Intake]).await, &estate.sandbox.portals[0]);
    let (deals, contacts) = (portal.ids(DEAL).len(), portal.ids(CONTACT).len());
    let order = json!({"title": "Order 7", "contact": {"last_name": "Lee"}});
    // The contact's answer is lost, then the deal's, then the portal is down before anything happens.
    for fault in [Fault::Reset { when: When::AfterEffect }, Fault::Html { status: 502, when: When::AfterEffect }] {
        portal.fail_next("crm.item.add", fault);
        let (status, told) = shop.post("deals", "7", &order).await;
        assert_eq!((status, told["error"].as_str()), (503, Some("unavailable")), "{told}");
    }
    let (status, _) = shop.post("deals", "7", &order).await;
    assert_eq!(status, 200);
    assert_eq!((portal.ids(DEAL).len(), portal.ids(CONTACT).len()), (deals + 1, contacts + 1));
    portal.fail_next("crm.item.add", Fault::TooMany { seconds: 1 });
    let (status, _) = shop.post("contacts", "8", &json!({"first_name": "Bo"})).await;
    assert_eq!(status, 503);
    estate.clock.advance(Duration::from_secs(10));
    assert_eq!(shop.post("contacts", "8", &json!({"first_name": "Bo"})).await.0, 201);
    assert_eq!(portal.ids(CONTACT).len(), contacts + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named_and_nothing_is_made() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (shop, portal) =
        (Shop::of(&estate, &[Scope::Intake, Scope::Sync, Scope::Read]).await, &estate.sandbox.portals[0]);
    let (deals, contacts) = (portal.ids(DEAL).len(), portal.ids(CONTACT).len());
    for (path, body, status, says) in [
        ("deals", json!({}), 400, "missing field `title`"),
        ("deals", json!({"title": " "}), 422, "title: must not be empty"),
        ("deals", json!({"title": "x", "amont": 1}), 400, "unknown field `amont`"),
        ("deals", json!({"title": "x", "amount": -1, "currency": "EUR"}), 422, "amount: must be"),
        ("deals", json!({"title": "x", "amount": 1}), 422, "currency: an amount needs a currency"),
        ("deals", json!({"title": "x", "fields": {"stageId": "WON"}}), 422, "fields.stageId"),
        ("deals", json!({"title": "x", "contact_id": 1, "contact": {"last_name": "y"}}), 422, "not both"),
        ("deals", json!({"title": "x".repeat(10_001)}), 422, "longer than 10000"),
        ("contacts", json!({"email": "a@example.com"}), 422, "first_name: a contact needs"),
        ("contacts", json!({"first_name": "A", "email": "nobody"}), 422, "no e-mail address"),
        ("contacts", json!({"first_name": "A", "phone": "x"}), 422, "no phone number"),
        ("sync", json!({"records": ["deal 1"]}), 409, "no database"),
        ("deals", json!([1]), 400, "the body is not what is expected"),
    ] {
        let (got, told) = shop.post(path, "k", &body).await;
        assert_eq!(got, status, "{path} {body}: {told}");
        assert!(told["message"].as_str().unwrap().contains(says), "{path}: {told}");
    }
    assert_eq!(shop.post("deals", "", &json!({"title": "x"})).await.1["error"], "no_idempotency_key");
    assert_eq!(shop.get("deals").await.0, 405);
    assert_eq!(shop.get("nothing").await.0, 404);
    assert_eq!(shop.get("events?day=yesterday").await.0, 422);
    assert_eq!(shop.get("events?after=%22%20or%201").await.0, 400);
    assert_eq!(shop.get("jobs/0192f0c1-2345-7abc-8def-0123456789ab").await.1["error"], "no_job");
    let huge = shop.http.post(format!("{}/deals", shop.base)).bearer_auth(&shop.key).header("idempotency-key", "h");
    assert_eq!(huge.body("x".repeat(200_000)).send().await.unwrap().status(), 413);
    // Keys: none, wrong ones, one that may not.
    let plain = shop.http.get(format!("{}/events", shop.base)).send().await.unwrap();
    assert_eq!(json_of(plain).await.1["error"], "no_key");
    for wrong in ["x", "swb_", "swb_a.b.c", &shop.key[..shop.key.len() - 1], &shop.key.replace("swb_", "swb_0")] {
        let answer = shop.http.get(format!("{}/events", shop.base)).bearer_auth(wrong).send().await.unwrap();
        assert_eq!(json_of(answer).await.1["error"], "wrong_key", "{wrong}");
    }
    let reader = Shop::of(&estate, &[Scope::Read]).await;
    let (status, told) = reader.post("deals", "k", &json!({"title": "x"})).await;
    assert!(status == 403 && told["message"].as_str().unwrap().contains("needs the scope intake"), "{told}");
    let document = shop.http.get(format!("{}/api/v1/openapi.json", estate.url)).send().await.unwrap();
    assert_eq!(json_of(document).await.1["openapi"], "3.1.0");
    // A portal that refuses is quoted.
    portal.fail_next("crm.item.add", Fault::Code { status: 400, code: "INVALID_ARG_VALUE".into() });
    let (status, told) = shop.post("deals", "refused", &json!({"title": "x"})).await;
    assert!(status == 502 && told["message"].as_str().unwrap().contains("invalid_arg_value"), "{told}");
    assert_eq!((portal.ids(DEAL).len(), portal.ids(CONTACT).len()), (deals, contacts));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_slowed_down_and_told_for_how_long() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let shop = Shop::of(&estate, &[Scope::Read]).await;
    let mut refused = None;
    for _ in 0..60 {
        let answer = shop.http.get(format!("{}/events", shop.base)).bearer_auth(&shop.key).send().await.unwrap();
        if answer.status() == 429 {
            refused = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()).map(str::to_owned);
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("1"));
    // Another key is another's.
    assert_eq!(Shop::of(&estate, &[Scope::Read]).await.get("events").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_begun_and_its_progress_seen() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (tenant, notion) = (estate.tenant(0), &estate.sandbox.notion);
    let (database, source) = notion.add_database("Deals", &json!({"Stage": {"select": {"options": []}}}));
    let settings =
        json!({"routes": [], "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal"}]}});
    estate.connections.connect_notion_by_token(&tenant, &notion.token().to_owned().into()).await.unwrap();
    estate.connections.portals().set_settings(&tenant, settings).await.unwrap();
    estate.clock.advance(Duration::from_secs(61));
    let shop = Shop::of(&estate, &[Scope::Sync]).await;
    let deal = estate.sandbox.portals[0].ids(DEAL)[0];
    let (status, job) = shop.post("sync", "", &json!({"records": [format!("deal {deal}")]})).await;
    assert_eq!(status, 202, "{job}");
    let path = format!("jobs/{}", job["job"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.1["parts"][0]["status"], "queued");
    estate.settle().await;
    let (_, progress) = shop.get(&path).await;
    assert!(progress["done"] == true && progress["parts"][0]["status"] == "done", "{progress}");
    assert_eq!(notion.rows(&source).len(), 1);

    let (status, job) = shop.post("sync", "", &json!({"all": true})).await;
    assert_eq!(status, 202);
    // The same again while it runs is the same run.
    let (_, twin) = shop.post("sync", "", &json!({"database": "Deals"})).await;
    estate.settle().await;
    for job in [job, twin] {
        let (_, progress) = shop.get(&format!("jobs/{}", job["job"].as_str().unwrap())).await;
        assert!(
            progress["done"] == true && progress["parts"][0]["counts"]["records"].as_u64() > Some(20),
            "{progress}"
        );
    }
    assert_eq!(notion.rows(&source).len(), estate.sandbox.portals[0].ids(DEAL).len());
    for (body, says) in [
        (json!({"records": ["lead 1"]}), "no record"),
        (json!({"records": ["task 1"]}), "no database of the settings holds a task"),
        (json!({"database": "Other"}), "there is no database \"Other\""),
        (json!({}), "is empty"),
        (json!({"records": ["deal 1"], "all": true}), "not both"),
    ] {
        let (status, told) = shop.post("sync", "", &body).await;
        assert!(status == 422 && told["message"].as_str().unwrap().contains(says), "{body}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_that_could_not_do_its_work_tries_again_a_minute_later() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let settings = json!({
        "operators": {"channel": "#ops", "watch": []},
        "robots": [{"name": "Noon", "at": "0 12 * * *", "run": "status"}],
    });
    estate.connections.portals().set_settings(&estate.tenant(0), settings).await.unwrap();
    let good = &estate.functions.schedules;
    estate.clock.advance_to("2026-11-22T11:59:00Z".parse().unwrap());
    assert_eq!(schedules::handle(good, estate.clock.now()).await, schedules::SchedulesReport::default());
    estate.clock.advance_to("2026-11-22T12:00:30Z".parse().unwrap());
    let deaf = Backend { queue: Arc::new(journeys::Refusing), ..estate.engine.backend.clone() };
    let deaf = schedules::Deps::new(&deaf, estate.connections.clone());
    let report = schedules::handle(&deaf, estate.clock.now()).await;
    assert_eq!((report.ran, report.failed.len()), (0, 1), "{report:?}");
    assert!(report.failed[0].contains("Noon") && report.failed[0].contains("disk is full"), "{report:?}");
    for ran in [1, 0] {
        estate.clock.advance(Duration::from_secs(60));
        assert_eq!(schedules::handle(good, estate.clock.now()).await.ran, ran);
        estate.settle().await;
    }
    let told = estate.channel(0, "ops");
    assert_eq!(told.iter().filter(|text| text.contains("Noon")).count(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_do_their_work_at_their_moments_once() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (tenant, portal) = (estate.tenant(0), &estate.sandbox.portals[0]);
    let settings = json!({
        "group_bursts": null, "time_zone": "Europe/Berlin", "operators": {"channel": "#ops", "watch": []},
        "robots": [
            {"name": "Morning", "at": "0 9 * * *", "run": "status"},
            {"name": "What happened", "at": "30 9 * * *", "run": "digest", "channel": "#general"},
        ],
    });
    estate.connections.portals().set_settings(&tenant, settings).await.unwrap();
    estate.clock.advance_to("2026-11-22T07:00:00Z".parse().unwrap());
    let look = || async {
        let report = schedules::handle(&estate.functions.schedules, estate.clock.now()).await;
        estate.settle().await;
        report
    };
    assert_eq!(look().await, schedules::SchedulesReport::default());
    let deal = portal.add_deal("Roof", 1, "EUR");
    estate.settle().await;
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
    estate.clock.advance_to("2026-11-22T08:00:30Z".parse().unwrap());
    assert_eq!(look().await.ran, 1);
    assert_eq!(look().await.ran, 0);
    let told = estate.channel(0, "ops");
    assert!(told.last().unwrap().contains("Morning"), "{told:?}");
    let blocks = estate.sandbox.workspaces[0].messages("ops").last().unwrap()["blocks"].to_string();
    assert!(blocks.contains("Connected: Bitrix24, Slack.") && blocks.contains("delivered"), "{blocks}");
    estate.clock.advance_to("2026-11-22T08:30:10Z".parse().unwrap());
    // Two workers at once: one of them does it.
    let now = estate.clock.now();
    let (one, two) = tokio::join!(
        schedules::handle(&estate.functions.schedules, now),
        schedules::handle(&estate.functions.schedules, now)
    );
    assert_eq!(one.ran + two.ran, 1);
    estate.settle().await;
    let blocks = estate.sandbox.workspaces[0].messages("general").last().unwrap()["blocks"].to_string();
    assert!(blocks.contains("Deals moved to another stage: 1"), "{blocks}");
    // After an outage of two days each is made up for at most once, and what is long ago is left out.
    estate.clock.advance_to("2026-11-25T08:20:00Z".parse().unwrap());
    assert_eq!(look().await.ran, 1);
    estate.clock.advance_to("2026-11-25T20:00:00Z".parse().unwrap());
    assert_eq!(look().await.ran, 0);
}
