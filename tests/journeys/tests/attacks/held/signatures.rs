//! Requests that look like Slack's or Notion's and are not.

use std::time::Duration;

use journeys::estate::Estate;
use journeys::{Stage, World};
use runtime::clock::Clock;
use secrecy::SecretString;
use serde_json::json;
use slack::signature::sign;

use super::{Administrator, FORM, Reply, base, client, raw, sent, statuses, waiting};

const EVENT: &str = r#"{"type":"event_callback","team_id":"T0SANDBOX","api_app_id":"A0SANDBOX","event_id":"Ev1","event":{"type":"team_join","user":{"id":"U1"}}}"#;
const COMMAND: &str =
    "command=%2Fb24-lead&text=Forged&team_id=T0SANDBOX&user_id=U0PERSON01&channel_id=C1&trigger_id=1.1";
const PRESSED: &str = "payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T0SANDBOX%22%7D%2C%22user%22%3A%7B%22id%22%3A%22U0PERSON01%22%7D%2C%22trigger_id%22%3A%221.1%22%2C%22actions%22%3A%5B%5D%7D";

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

type Headers = Vec<(&'static str, String)>;

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

/// Headers with which `body` must not be taken: what is wrong, and the headers.
fn forgeries(right: &SecretString, now: i64, body: &str) -> Vec<(&'static str, Headers)> {
    let of = |secret: &SecretString, at: i64, body: &str| sign(secret, at, body.as_bytes());
    let good = of(right, now, body);
    let old = now - 3600;
    let both = |signature: String, at: String| vec![(SIGNATURE, signature), (TIMESTAMP, at)];
    let at_now = |signature: String| both(signature, now.to_string());
    let at = |at: &str| both(good.clone(), at.to_owned());
    let skewed = |by: i64| both(of(right, now + by, body), (now + by).to_string());
    vec![
        ("no headers", vec![]),
        ("no signature", vec![(TIMESTAMP, now.to_string())]),
        ("no timestamp", vec![(SIGNATURE, good.clone())]),
        ("another secret", at_now(of(&secret("another secret"), now, body))),
        ("an empty secret", at_now(of(&secret(""), now, body))),
        ("a secret of blanks", at_now(of(&secret(" "), now, body))),
        ("301 seconds old", skewed(-301)),
        ("301 seconds ahead", skewed(301)),
        ("a year old", skewed(-365 * 24 * 3600)),
        ("over a longer body", at_now(of(right, now, &format!("{body} ")))),
        ("over a shorter body", at_now(of(right, now, &body[1..]))),
        ("over no body", at_now(of(right, now, ""))),
        ("over another time", at_now(of(right, now - 1, body))),
        ("version 1", at_now(good.replace("v0=", "v1="))),
        ("the version in upper case", at_now(good.replace("v0=", "V0="))),
        ("no version", at_now(good.replace("v0=", ""))),
        ("another algorithm's name", at_now(good.replace("v0=", "sha256="))),
        ("nothing behind the version", at_now("v0=".into())),
        ("cut short", at_now(good[..good.len() - 2].to_owned())),
        ("cut in the middle of a byte", at_now(good[..good.len() - 1].to_owned())),
        ("a byte more", at_now(format!("{good}00"))),
        ("all zeros", at_now(format!("v0={}", "0".repeat(64)))),
        ("no hexadecimal", at_now(format!("v0={}", "z".repeat(64)))),
        ("two in one header", at_now(format!("v0={},{good}", "0".repeat(64)))),
        ("an empty timestamp", at("")),
        ("a word as timestamp", at("now")),
        ("a fraction as timestamp", at(&format!("{now}.0"))),
        ("an exponent as timestamp", at("1e9")),
        ("a hexadecimal timestamp", at(&format!("0x{now:x}"))),
        ("the least timestamp", at(&i64::MIN.to_string())),
        ("the greatest timestamp", at(&i64::MAX.to_string())),
        ("a timestamp beyond numbers", at("99999999999999999999999999")),
        (
            "a stale request with a fresh timestamp before its own",
            vec![(SIGNATURE, of(right, old, body)), (TIMESTAMP, now.to_string()), (TIMESTAMP, old.to_string())],
        ),
        (
            "a stale request with a fresh timestamp behind its own",
            vec![(SIGNATURE, of(right, old, body)), (TIMESTAMP, old.to_string()), (TIMESTAMP, now.to_string())],
        ),
        ("both timestamps in one header", vec![(SIGNATURE, of(right, old, body)), (TIMESTAMP, format!("{old},{now}"))]),
        (
            "a forged signature before the right one",
            vec![
                (SIGNATURE, format!("v0={}", "0".repeat(64))),
                (SIGNATURE, good.clone()),
                (TIMESTAMP, now.to_string()),
            ],
        ),
    ]
}

async fn post(url: &str, headers: Headers, body: &str) -> Reply {
    let kind = if body.starts_with('{') { "application/json" } else { FORM };
    let mut request = client().post(url).header("content-type", kind);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    sent(request.body(body.to_owned())).await
}

fn signed(secret: &SecretString, now: i64, body: &str) -> Headers {
    vec![(SIGNATURE, sign(secret, now, body.as_bytes())), (TIMESTAMP, now.to_string())]
}

#[tokio::test]
async fn a_request_that_slack_did_not_sign_is_refused_with_one_text_for_all() {
    let world = World::start_on(Stage::Sockets).await;
    let right = secret(world.sandbox.slack.signing_secret());
    let now = world.clock.now().as_second();
    let mut texts = std::collections::BTreeSet::new();
    for body in [EVENT, COMMAND, PRESSED] {
        for (what, headers) in forgeries(&right, now, body) {
            let reply = post(&world.slack_webhook, headers, body).await;
            assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (401, Some("wrong_signature")),
                "{what}: {body}"
            );
            texts.insert(reply.text);
        }
    }
    assert_eq!(texts.len(), 1, "the answers tell what was wrong: {texts:?}");
    assert_eq!(waiting(&world.engine.backend).await, 0);
    // Each of them is taken when Slack signs it.
    for body in [EVENT, COMMAND, PRESSED] {
        assert_eq!(post(&world.slack_webhook, signed(&right, now, body), body).await.status, 200, "{body}");
    }
    assert_eq!(waiting(&world.engine.backend).await, 3);
}

#[tokio::test]
async fn a_workspace_is_spoken_for_by_its_own_app_only() {
    let world = World::start_on(Stage::Sockets).await;
    let mut other = journeys::access_to(&world.sandbox, &settings::Settings::default());
    other.member_id = "f".repeat(32);
    other.workspace.as_mut().unwrap().team_id = "T0OTHER".into();
    other.signing_secret = Some(secret("the other app's secret"));
    world.connections.join(other).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    let now = world.clock.now().as_second();
    let (own, others) = (secret(world.sandbox.slack.signing_secret()), secret("the other app's secret"));
    for body in [EVENT, COMMAND, PRESSED] {
        let of_other = body.replace("T0SANDBOX", "T0OTHER");
        let of_nobody = body.replace("T0SANDBOX", "T0NOBODY");
        for (what, secret, body) in [
            ("the other app for our workspace", &others, body.to_owned()),
            ("our app for the other workspace", &own, of_other.clone()),
            ("our app for no workspace", &own, of_nobody),
        ] {
            let reply = post(&world.slack_webhook, signed(secret, now, &body), &body).await;
            assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (401, Some("wrong_signature")),
                "{what}: {body}"
            );
        }
        assert_eq!(post(&world.slack_webhook, signed(&others, now, &of_other), &of_other).await.status, 200, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_another_tenant_leads_nowhere() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    estate.install(0).await;
    estate.install(1).await;
    let signing = secret(estate.sandbox.workspaces[0].signing_secret());
    let now = estate.clock.now().as_second();
    let before = waiting(&estate.engine.backend).await;
    let teams = [0, 1].map(|company: usize| estate.sandbox.workspaces[company].team_id());
    let post_to = async |tenant: &str, body: &str| {
        let url = format!("{}/webhooks/{tenant}/slack", estate.url);
        post(&url, signed(&signing, now, body), body).await.status
    };
    let (own, other) = (estate.tenant(0), estate.tenant(1));
    for body in [EVENT, COMMAND, PRESSED] {
        let body = body.replace("T0SANDBOX", &teams[0]);
        for (what, tenant) in [
            ("the other tenant's", other.to_string()),
            ("nobody's", "f".repeat(32)),
            ("a longer one", format!("{own}0")),
            ("a shorter one", own.as_str()[..31].to_owned()),
            ("the shared partition's", "%23admin".to_owned()),
        ] {
            assert_eq!(post_to(&tenant, &body).await, 404, "{what} address: {body}");
        }
    }
    assert_eq!(waiting(&estate.engine.backend).await, before);
    assert_eq!(post_to(own.as_str(), &EVENT.replace("T0SANDBOX", &teams[0])).await, 200);
    // An event of a shared channel is that workspace's for which the app was authorised, and no other's.
    let shared = json!({
        "type": "event_callback", "team_id": teams[0], "api_app_id": "A0SANDBOX", "event_id": "Ev2",
        "authorizations": [{"team_id": teams[1]}], "event": {"type": "team_join", "user": {"id": "U1"}, "team": teams[0]},
    });
    assert_eq!(post_to(own.as_str(), &shared.to_string()).await, 404);
    assert_eq!(post_to(other.as_str(), &shared.to_string()).await, 200);
}

#[tokio::test]
async fn other_methods_and_two_bodies_bring_nothing_in() {
    let world = World::start_on(Stage::Sockets).await;
    let right = secret(world.sandbox.slack.signing_secret());
    let now = world.clock.now().as_second();
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let mut request = client().request(method.parse().unwrap(), &world.slack_webhook);
        for (name, value) in signed(&right, now, EVENT) {
            request = request.header(name, value);
        }
        assert_eq!(sent(request.body(EVENT)).await.status, 405, "{method}");
    }
    // The signature is over the bytes that are read: a second body behind the first is another request.
    let signature = sign(&right, now, EVENT.as_bytes());
    let request = format!(
        "POST /webhooks/slack HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{SIGNATURE}: {signature}\r\n{TIMESTAMP}: {now}\r\ncontent-length: {}\r\n\r\n{EVENT}{EVENT}",
        EVENT.len() * 2
    );
    assert_eq!(statuses(&raw(&base(&world), request.as_bytes()).await), [401]);
    assert_eq!(waiting(&world.engine.backend).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_notion_did_not_sign_is_refused() {
    let world = World::start_mirrored(false, |sandbox| {
        let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
        json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "page": []}]})
    })
    .await;
    let administrator = Administrator::of_world(&world).await;
    let opened = administrator.submit("/admin/notion/webhook", &[]).await;
    let shown = match opened.header("location") {
        "" => opened.text,
        place => administrator.get(place).await.text,
    };
    let key = shown.split("/webhooks/notion/").nth(1).unwrap_or_else(|| unreachable!("no address: {shown}"));
    let key: String =
        key.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
    let url = world.notion_webhook(&key);
    let (token, status) = world.sandbox.notion.subscribe(&url).await;
    assert_eq!(status, 200);
    let event = |id: &str| {
        json!({
            "id": id, "type": "page.properties_updated", "timestamp": "2026-11-22T12:00:00Z", "authors": [],
            "workspace_id": world.sandbox.notion.identity().2, "workspace_name": "Sandbox",
            "entity": {"id": "153104cd-477e-809d-8dc4-ff2d96ae3090", "type": "page"},
        })
        .to_string()
    };
    let with = |secret: &str, body: &str| notion::signature::sign(&self::secret(secret), body.as_bytes());
    let first = event("367cba44-b6f3-4c92-81e7-6a2e9659efd4");
    let signed = vec![(notion::signature::HEADER, with(&token, &first))];
    assert_eq!(post(&url, signed, &first).await.status, 200);
    world.clock.advance(Duration::from_secs(24 * 3600));
    world.settle().await;
    let before = waiting(&world.engine.backend).await;
    let event = event("367cba44-b6f3-4c92-81e7-6a2e9659efd5");
    let own = json!({"verification_token": "secret_of_somebody_else"}).to_string();
    let (right, mine) = (with(&token, &event), "secret_of_somebody_else");
    let cases: Vec<(&str, String, &str, Option<String>, u16)> = vec![
        ("unsigned", url.clone(), &event, None, 401),
        ("an empty signature", url.clone(), &event, Some(String::new()), 401),
        ("another token", url.clone(), &event, Some(with(mine, &event)), 401),
        ("an empty token", url.clone(), &event, Some(with("", &event)), 401),
        ("over another body", url.clone(), &event, Some(with(&token, "{}")), 401),
        ("no algorithm", url.clone(), &event, Some(right.replace("sha256=", "")), 401),
        ("Slack's version", url.clone(), &event, Some(right.replace("sha256=", "v0=")), 401),
        ("cut short", url.clone(), &event, Some(right[..right.len() - 2].to_owned()), 401),
        ("a verification signed by itself, the window closed", url.clone(), &own, Some(with(mine, &own)), 403),
        ("a verification, unsigned", url.clone(), &own, None, 401),
        ("a verification signed by another token", url.clone(), &own, Some(with("another", &own)), 401),
        ("a key that nobody has", world.notion_webhook(&"0".repeat(key.len())), &event, Some(right.clone()), 401),
        ("the key cut short", world.notion_webhook(&key[1..]), &event, Some(right.clone()), 401),
        ("the partition's name", world.notion_webhook("%23hooks"), &event, Some(right.clone()), 401),
        ("the tenant's name", world.notion_webhook(world.tenant.as_str()), &event, Some(right.clone()), 401),
        ("a way out of the key", world.notion_webhook(&format!("x%2f..%2f{key}")), &event, Some(right.clone()), 401),
        (
            "another tenant's address",
            url.replace("/webhooks/notion/", &format!("/webhooks/{}/notion/", "f".repeat(32))),
            &event,
            Some(right.clone()),
            404,
        ),
    ];
    for (what, url, body, signature, status) in cases {
        let headers = signature.map(|signature| (notion::signature::HEADER, signature)).into_iter().collect();
        assert_eq!(post(&url, headers, body).await.status, status, "{what}");
    }
    assert_eq!(waiting(&world.engine.backend).await, before);
    // The token that Notion showed within the window still speaks.
    assert_eq!(post(&url, vec![(notion::signature::HEADER, right)], &event).await.status, 200);
    assert_eq!(waiting(&world.engine.backend).await, before + 1);
}
