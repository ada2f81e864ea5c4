//! The simulated Slack is as strict as Slack, and no request makes it panic.

mod delivery;
mod limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime::ManualClock;
use serde_json::{Value, json};

use super::*;

const METHODS: [&str; 27] = [
    "api.test",
    "auth.test",
    "team.info",
    "chat.postMessage",
    "chat.update",
    "chat.delete",
    "chat.postEphemeral",
    "chat.unfurl",
    "views.open",
    "views.publish",
    "users.info",
    "users.list",
    "users.lookupByEmail",
    "usergroups.list",
    "reactions.add",
    "reactions.remove",
    "files.getUploadURLExternal",
    "files.completeUploadExternal",
    "files.info",
    "conversations.list",
    "conversations.info",
    "conversations.join",
    "conversations.history",
    "conversations.replies",
    "conversations.open",
    "conversations.create",
    "no.such.method",
];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::automatic("2026-11-21T12:00:00Z".parse().unwrap()))
}

async fn ask(workspace: &SlackSimulator, path: &str, kind: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::post(format!("http://127.0.0.1{path}"))
        .header("authorization", format!("Bearer {}", workspace.token()))
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    answer(workspace.shared.clone(), request).await.unwrap_or_default()
}

async fn call(workspace: &SlackSimulator, method: &str, params: Value) -> Value {
    let answer = ask(workspace, &format!("/api/{method}"), "application/json", params.to_string()).await;
    serde_json::from_slice(answer.body()).unwrap()
}

/// Values that are near enough to what is meant to get far.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "C0SAND0001",
            "D0SAND0006",
            "U0PERSON01",
            "F0SAND0001",
            "1795262400.000001",
            "1.1",
            "general",
            "plain_text",
            "mrkdwn",
            "rich_text",
            "section",
            "button",
            "modal",
            "home",
            "header",
            "table",
            "18446744073709551615",
            "-1",
            "\u{202e}",
        ])
        .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "type",
        "text",
        "blocks",
        "elements",
        "fields",
        "id",
        "title",
        "element",
        "label",
        "options",
        "action_id",
        "value",
        "accessory",
        "event_type",
        "event_payload",
        "url",
        "rows",
        "style",
        "callback_id",
        "submit",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

fn params() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "channel",
        "text",
        "blocks",
        "attachments",
        "metadata",
        "thread_ts",
        "ts",
        "timestamp",
        "name",
        "user",
        "users",
        "user_id",
        "view",
        "trigger_id",
        "files",
        "file",
        "channel_id",
        "filename",
        "length",
        "cursor",
        "limit",
        "oldest",
        "types",
        "unfurls",
        "email",
        "username",
        "include_all_metadata",
        "exclude_archived",
        "initial_comment",
        "token",
    ]);
    prop::collection::btree_map(name, value(), 0..8).prop_map(|map| json!(map))
}

fn runner() -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn no_request_makes_it_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let workspace = runtime.block_on(SlackSimulator::start(clock(), 0)).unwrap();
    workspace.limit_calls(false);
    workspace.attach("U0PERSON01", "a.txt", vec![1]);
    let asked = |path: &str, kind: &str, body: String| runtime.block_on(ask(&workspace, path, kind, body));
    let one = (prop::sample::select(METHODS.to_vec()), params(), 0..3_u8);
    runner()
        .run(&one, |(method, params, how)| {
            let path = format!("/api/{method}");
            let answer = match how {
                0 => asked(&path, "application/json", params.to_string()),
                1 => asked(&path, "application/json", params["blocks"].to_string()),
                _ => {
                    let fields = params.as_object().into_iter().flatten();
                    let fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.to_string())).collect();
                    asked(&path, "application/x-www-form-urlencoded", crate::http::encoded(&fields))
                }
            };
            prop_assert!(serde_json::from_slice::<Value>(answer.body()).unwrap()["ok"].is_boolean());
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn nor_do_bytes_at_its_other_addresses() {
    let workspace = SlackSimulator::start(clock(), 0).await.unwrap();
    let file = workspace.attach("U0PERSON01", "a.txt", vec![1]);
    let paths =
        ["/response/x".to_owned(), format!("/upload/v1/{file}"), format!("/files-pri/T0SANDBOX-{file}/a"), "/".into()];
    let kinds = ["multipart/form-data; boundary=x", "multipart/form-data; boundary=", "text/plain", "application/json"];
    for path in paths {
        for kind in kinds {
            for body in ["", "\r\n\r\n", "--x\r\n\r\n\r\n--x", "{", "[]", "\"x\"", "{\"blocks\":3}"] {
                ask(&workspace, &path, kind, body).await;
            }
        }
    }
}

#[tokio::test]
async fn what_a_person_can_do_is_done_for_anything_that_is_said() {
    let workspace = SlackSimulator::start(clock(), 0).await.unwrap();
    let orders: Vec<String> = help().as_object().unwrap().keys().cloned().collect();
    assert!(orders.len() > 15);
    runner()
        .run(&(prop::sample::select(orders), params(), value()), |(order, body, message)| {
            let mut body = body;
            body["message"] = message;
            let path = order.trim_start_matches("POST ");
            prop_assert!(steer(&workspace, path, &body).is_some(), "{}", path);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let workspace = SlackSimulator::start(clock(), 0).await.unwrap();
    let group = workspace.add_group("sales", "Sales");
    let listed = call(&workspace, "usergroups.list", json!({})).await;
    assert_eq!((&listed["usergroups"][0]["id"], &listed["usergroups"][0]["handle"]), (&json!(group), &json!("sales")));
    for (scope, method, params) in [
        ("usergroups:read", "usergroups.list", json!({})),
        ("users:read", "users.info", json!({"user": "U0PERSON01"})),
        ("channels:read", "conversations.info", json!({"channel": "C0SAND0001"})),
        ("chat:write", "chat.postMessage", json!({"channel": "general", "text": "x"})),
    ] {
        assert_eq!(call(&workspace, method, params.clone()).await["ok"], true, "{method}");
        workspace.take_scope(scope);
        let refused = call(&workspace, method, params.clone()).await;
        assert_eq!((&refused["error"], &refused["needed"]), (&json!("missing_scope"), &json!(scope)));
        workspace.give_scope(scope);
    }
    workspace.take_scope("users:read.email");
    let person = call(&workspace, "users.info", json!({"user": "U0PERSON01"})).await;
    assert!(person["user"]["profile"]["email"].is_null());
    workspace.change_channel("ops", |channel| (channel.is_private, channel.is_member) = (true, false));
    let hidden = call(&workspace, "conversations.info", json!({"channel": workspace.channel_id("ops")})).await;
    assert_eq!(hidden["error"], "channel_not_found");
}

#[tokio::test]
async fn what_is_too_much_is_refused_or_cut() {
    let workspace = SlackSimulator::start(clock(), 0).await.unwrap();
    let long = json!({"channel": "general", "text": "x".repeat(50_000)});
    let posted = call(&workspace, "chat.postMessage", long).await;
    assert_eq!(posted["message"]["text"].as_str().unwrap().len(), 40_000);
    let many = json!({"channel": "general", "attachments": vec![json!({"text": "x"}); 101]});
    assert_eq!(call(&workspace, "chat.postMessage", many).await["error"], "too_many_attachments");
    let none = json!({"channel": "general", "attachments": []});
    assert_eq!(call(&workspace, "chat.postMessage", none).await["error"], "no_text");
}

/// An app that answers after `wait` by the clock, and counts what comes.
async fn app(
    clock: Arc<ManualClock>,
    wait: Duration,
) -> (crate::http::Server, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
    let (count, reasons) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, noted) = (count.clone(), reasons.clone());
    let server = crate::http::Server::start(0, move |request: Request<Bytes>| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        if let Some(reason) = request.headers().get("x-slack-retry-reason") {
            let number = request.headers()["x-slack-retry-num"].to_str().unwrap_or_default();
            noted.lock().unwrap().push(format!("{number} {}", reason.to_str().unwrap_or_default()));
        }
        if first {
            clock.advance(wait);
        }
        async move { Ok(Response::new(Bytes::new())) }
    })
    .await
    .unwrap();
    (server, count, reasons)
}

async fn settled(workspace: &SlackSimulator) {
    while workspace.on_the_way() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_after_three_seconds_counts_for_nothing() {
    for (seconds, retries) in [(2, vec![]), (4, vec!["1 http_timeout".to_owned()])] {
        let clock = clock();
        let workspace = SlackSimulator::start(clock.clone(), 0).await.unwrap();
        let (server, count, reasons) = app(clock, Duration::from_secs(seconds)).await;
        workspace.send_requests_to(&server.url());
        workspace.say("U0PERSON01", "C0SAND0001", "hello", None, &[]);
        settled(&workspace).await;
        assert_eq!((count.load(Ordering::SeqCst), &*reasons.lock().unwrap()), (1 + retries.len(), &retries));
    }
    let clock = clock();
    let workspace = SlackSimulator::start(clock.clone(), 0).await.unwrap();
    let (server, ..) = app(clock, Duration::from_secs(4)).await;
    workspace.send_requests_to(&server.url());
    let reply = workspace.command("U0PERSON01", "C0SAND0001", "/b24-lead", "x").await;
    assert!(reply.is_late && reply.status == 0);
}

#[tokio::test]
async fn events_come_doubled_and_out_of_order_on_request() {
    let clock = clock();
    let workspace = SlackSimulator::start(clock.clone(), 0).await.unwrap();
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let noted = bodies.clone();
    let server = crate::http::Server::start(0, move |request: Request<Bytes>| {
        noted.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap());
        async move { Ok(Response::new(Bytes::new())) }
    })
    .await
    .unwrap();
    workspace.send_requests_to(&server.url());
    workspace.hold_events();
    workspace.say("U0PERSON01", "C0SAND0001", "one", None, &[]);
    workspace.say("U0PERSON01", "C0SAND0001", "two", None, &[]);
    workspace.release_events(Release::Reversed);
    settled(&workspace).await;
    workspace.double_under_other_ids(1);
    workspace.say("U0PERSON01", "C0SAND0001", "three", None, &[]);
    settled(&workspace).await;
    let bodies = bodies.lock().unwrap();
    let texts: Vec<_> = bodies.iter().map(|body| body["event"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["two", "one", "three", "three"]);
    let ids: BTreeSet<_> = bodies.iter().map(|body| body["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
}
