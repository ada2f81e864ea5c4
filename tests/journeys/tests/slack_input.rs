//! What comes to Slack's address and is not what it should be; and what comes twice.

use std::time::Duration;

use jobs::queues;
use journeys::World;
use runtime::clock::Clock;
use serde_json::{Value, json};
use slack::signature::sign;

const EVENT: &str = r#"{"type":"event_callback","team_id":"T0SANDBOX","api_app_id":"A0SANDBOX","event_id":"Ev1","event":{"type":"team_join","user":{"id":"U1"}}}"#;

/// Posts a body as Slack would, signed with `secret` at `skew` seconds from now.
async fn post(world: &World, secret: &str, skew: i64, body: &str) -> (u16, Value) {
    let at = world.clock.now().as_second() + skew;
    let signature = sign(&secret.to_owned().into(), at, body.as_bytes());
    let request = world.http.post(&world.slack_webhook).header("x-slack-signature", signature);
    let response =
        request.header("x-slack-request-timestamp", at.to_string()).body(body.to_owned()).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

async fn waiting(world: &World) -> u64 {
    let mut all = 0;
    for queue in [queues::SLACK_EVENTS, queues::SLACK_COMMANDS] {
        all += world.engine.queue.depth(queue).await.unwrap().waiting;
    }
    all
}

#[tokio::test]
async fn what_is_not_slacks_is_refused_counted_and_left() {
    let world = World::start().await;
    let secret = world.sandbox.slack.signing_secret();
    for (used, skew) in [("another secret", 0), (secret, -301), (secret, 301)] {
        let (status, answer) = post(&world, used, skew, EVENT).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("wrong_signature")), "{used} {skew}");
    }
    let bare = world.http.post(&world.slack_webhook).body(EVENT).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    let unknown = EVENT.replace("T0SANDBOX", "T0UNKNOWN");
    let (status, answer) = post(&world, secret, 0, &unknown).await;
    assert_eq!((status, answer["error"].as_str()), (401, Some("wrong_signature")), "nobody is told which it was");
    let (status, _) = post(&world, secret, 0, "").await;
    assert_eq!(status, 400);
    assert_eq!(waiting(&world).await, 0);
    let counts = world.engine.counters.all();
    for reason in ["wrong_signature", "stale_signature", "no_signature", "unknown_workspace"] {
        assert!(counts.keys().any(|(name, why)| *name == "slack_refused" && *why == reason), "{reason}: {counts:?}");
    }
}

#[tokio::test]
async fn another_apps_secret_speaks_for_no_workspace_but_its_own() {
    let world = World::start().await;
    let connections = &world.connections;
    let mut other = journeys::access_to(&world.sandbox, &settings::Settings::default());
    other.member_id = "ffffffffffffffffffffffffffffffff".into();
    other.workspace.as_mut().unwrap().team_id = "T0OTHER".into();
    other.signing_secret = Some("the other app's secret".to_owned().into());
    connections.join(other).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    let own = EVENT.replace("T0SANDBOX", "T0OTHER");
    assert_eq!(post(&world, "the other app's secret", 0, &own).await.0, 200);
    assert_eq!(post(&world, "the other app's secret", 0, EVENT).await.0, 401);
    assert_eq!(post(&world, world.sandbox.slack.signing_secret(), 0, &own).await.0, 401);
}

#[tokio::test]
async fn garbage_with_a_good_signature_says_what_is_wrong() {
    let world = World::start().await;
    let secret = world.sandbox.slack.signing_secret();
    for (body, what) in [
        ("{", "neither Slack's JSON"),
        ("{\"type\":\"event_callback\",\"team_id\":\"T0SANDBOX\"}", "no event.type"),
        ("{\"type\":\"new_thing\"}", "new_thing"),
        ("a=b", "no command, payload or ssl_check"),
        ("payload=%3Chtml%3E", "neither Slack's JSON"),
        ("command=%2Fb24-lead&user_id=U1", "no team_id"),
    ] {
        let (status, answer) = post(&world, secret, 0, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["message"].as_str().unwrap().contains(what), "{answer}");
    }
    let huge = format!("a={}", "x".repeat(5 * 1024 * 1024));
    assert_eq!(post(&world, secret, 0, &huge).await.0, 413);
    let got = world.http.get(&world.slack_webhook).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(waiting(&world).await, 0);
}

#[tokio::test]
async fn slack_finds_the_address_to_be_ours() {
    let world = World::start().await;
    let reply = world.sandbox.slack.verify_url(&world.slack_webhook).await;
    assert_eq!((reply.status, reply.body["challenge"].as_str().unwrap().len()), (200, 54));
    let check = world.http.get(format!("{}?ssl_check=1", world.slack_webhook)).send().await.unwrap();
    assert_eq!(check.status(), 200);
    let (status, _) = post(&world, world.sandbox.slack.signing_secret(), 0, "ssl_check=1&token=x").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_event_that_comes_again_is_worked_once_however_late() {
    let world = World::start().await;
    let secret = world.sandbox.slack.signing_secret();
    for wait in [0, 60, 300, 7200] {
        world.clock.advance(Duration::from_secs(wait));
        assert_eq!(post(&world, secret, 0, EVENT).await.0, 200);
        world.settle().await;
    }
    let ledger = world.ledger().await;
    let of = |what: &str| ledger.iter().filter(|line| line.contains("slack team_join") && line.contains(what)).count();
    assert_eq!(of("person.checked_again"), 1, "{ledger:#?}");
    assert!(of("already decided, trace") >= 1, "{ledger:#?}");
}

#[tokio::test]
async fn an_unknown_event_has_its_line_and_an_organisations_shape_is_understood() {
    let world = World::start().await;
    let secret = world.sandbox.slack.signing_secret();
    let event = json!({
        "type": "event_callback", "team_id": "T0SANDBOX", "enterprise_id": "E1", "api_app_id": "A0SANDBOX", "event_id": "Ev9",
        "event": {"type": "something_new", "x": [1]}, "authorizations": [{"team_id": "T0SANDBOX", "enterprise_id": "E1"}],
    });
    assert_eq!(post(&world, secret, 0, &event.to_string()).await.0, 200);
    world.sandbox.slack.be_enterprise(true);
    world.sandbox.slack.open_home(&world.sandbox.slack.person("user6@example.com"));
    world.settle().await;
    let ledger = world.ledger().await;
    assert!(ledger.iter().any(|line| line.contains("nothing to do for something_new")), "{ledger:#?}");
    assert!(world.sandbox.slack.home(&world.sandbox.slack.person("user6@example.com")).is_some());
}

#[tokio::test]
async fn a_revoked_token_keeps_what_waits() {
    let world = World::start().await;
    let slack = &world.sandbox.slack;
    let (user, channel) = (slack.person("user6@example.com"), slack.channel_id("general"));
    slack.rotate_token("xoxb-new");
    slack.command(&user, &channel, "/b24-lead", "Waits Ltd").await;
    world.none_left_to_work_now().await;
    // A person renews the connection; what waited then goes out.
    let settings = settings::Settings::default();
    world.connections.join(journeys::access_to(&world.sandbox, &settings)).await.unwrap();
    world.clock.advance(Duration::from_secs(20 * 60));
    world.settle().await;
    let told = slack.whispers(&user);
    assert!(told.last().unwrap()["text"].as_str().unwrap().contains("Waits Ltd"), "{told:?}");
}
