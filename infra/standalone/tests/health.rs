//! What probes and scrapers are answered, while the host is well and while it is not.

use std::time::{Duration, Instant};

use reqwest::header::HOST;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Failing, Providers, Serving, until};

/// Slack waits as long for an answer; the limit inside is two seconds.
const MAX_ANSWER: Duration = Duration::from_secs(3);

/// The status, the JSON body, and how long it took.
async fn ask(url: &str) -> (u16, Value, Duration) {
    let asked = Instant::now();
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status().as_u16();
    let body = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, body, asked.elapsed())
}

fn database(folder: &std::path::Path) -> Connection {
    let connection = Connection::open(folder.join("switchboard.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_ready_whatever_happens_to_a_provider_and_strangers_learn_nothing_else() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    for proxy in [&providers.bitrix24, &providers.slack, &providers.notion] {
        proxy.fail(Failing::Reset);
    }
    let serving = Serving::start(folder.path(), &providers.config()).await;
    for address in [&serving.public, &serving.status] {
        let alive = reqwest::get(format!("{address}/livez")).await.unwrap();
        assert_eq!((alive.status().as_u16(), alive.text().await.unwrap()), (200, "ok\n".to_owned()));
        for path in ["readyz", "healthz"] {
            let (status, body, _) = ask(&format!("{address}/{path}")).await;
            assert_eq!((status, body), (200, json!({"ready": true, "failed": []})), "{address} {path}");
        }
    }
    assert_eq!(reqwest::get(format!("{}/metrics", serving.public)).await.unwrap().status(), 404);
    let foreign = reqwest::Client::new().get(format!("{}/metrics", serving.status)).header(HOST, "evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 421);
    serving.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_makes_it_unready_and_every_answer_comes_in_time() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    let event = providers.sandbox.portal.event_body("ONCRMDEALUPDATE", 1);
    assert_eq!(serving.post(&event).await, Some(200));

    let lock = database(folder.path());
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    until(async || ask(&format!("{}/readyz", serving.status)).await.0 == 503).await;
    let (status, body, took) = ask(&format!("{}/readyz", serving.status)).await;
    assert!(status == 503 && took < MAX_ANSWER, "{status} {took:?}");
    let failed = &body["failed"][0];
    assert_eq!((failed["check"].as_str(), body["ready"].as_bool()), (Some("store"), Some(false)), "{body}");
    assert!(failed["problem"].as_str().unwrap().contains("switchboard.db"), "{body}");
    assert!(failed["remedy"].as_str().unwrap().contains("lock"), "{body}");
    let (status, body, took) = ask(&format!("{}/readyz", serving.public)).await;
    assert_eq!((status, body), (503, json!({"ready": false, "failed": [{"check": "store"}]})));
    assert!(took < MAX_ANSWER, "{took:?}");
    let foreign = reqwest::Client::new().get(format!("{}/readyz", serving.status)).header(HOST, "evil.example");
    assert!(!foreign.send().await.unwrap().text().await.unwrap().contains("switchboard.db"));
    assert_eq!(reqwest::get(format!("{}/livez", serving.public)).await.unwrap().status(), 200);
    for _ in 0..3 {
        let asked = Instant::now();
        assert_eq!(serving.post(&event).await, Some(503));
        assert!(asked.elapsed() < MAX_ANSWER, "{:?}", asked.elapsed());
    }
    let scraped = reqwest::get(format!("{}/metrics", serving.status)).await.unwrap().text().await.unwrap();
    assert!(scraped.contains("switchboard_ready{check=\"store\"} 0"), "{scraped}");

    lock.execute_batch("ROLLBACK").unwrap();
    until(async || ask(&format!("{}/readyz", serving.status)).await.0 == 200).await;
    until(async || serving.post(&event).await == Some(200)).await;
    serving.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_the_last_run_is_noticed_at_the_start() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    assert_eq!(ask(&format!("{}/readyz", serving.status)).await.0, 200);
    serving.stop().await;

    // The last run was an hour from now.
    let ahead = serde_json::to_string(&(jiff::Timestamp::now() + Duration::from_secs(3_600))).unwrap();
    let changed = database(folder.path()).execute("UPDATE items SET value = ?1 WHERE part = '#host'", [ahead]);
    assert_eq!(changed.unwrap(), 1);
    let serving = Serving::start(folder.path(), &providers.config()).await;
    let (status, body, _) = ask(&format!("{}/readyz", serving.status)).await;
    let failed = &body["failed"][0];
    assert_eq!((status, failed["check"].as_str()), (503, Some("clock")), "{body}");
    assert!(failed["problem"].as_str().unwrap().contains("stepped back by 3"), "{body}");
    // It works all the same, and the next start knows the clock.
    let event = providers.sandbox.portal.event_body("ONCRMDEALUPDATE", 1);
    assert_eq!(serving.post(&event).await, Some(200));
    serving.stop().await;
    let serving = Serving::start(folder.path(), &providers.config()).await;
    assert_eq!(ask(&format!("{}/readyz", serving.status)).await.0, 200);
    serving.kill().await;
}
