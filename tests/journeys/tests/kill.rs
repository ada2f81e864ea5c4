//! Killing the process at any moment: each card arrives exactly once all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use journeys::hurry::HurriedClock;
use journeys::random::Random;
use serde_json::{Value, json};
use simulators::Sandbox;
use tokio::process::Child;

const RUNS: u32 = 50;
const DEALS: usize = 200;
/// So many seconds of the run pass in one of ours.
const FACTOR: u32 = 200;

/// A host that can be killed and started again on the same database.
struct Host {
    told: Value,
    process: Child,
}

fn spawn(told: &Value) -> Child {
    journeys::hurry::spawn(env!("CARGO_BIN_EXE_hurried-host"), told)
}

impl Host {
    async fn kill_and_start_again(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(&self.told);
    }
}

/// Posts until it is accepted: the world goes on while the process is down, and Bitrix24 would not.
async fn post_until_accepted(http: &reqwest::Client, url: &str, body: &str) {
    loop {
        let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
        match request.body(body.to_owned()).send().await {
            Ok(response) if response.status() == 200 => return,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn until_nothing_waits(http: &reqwest::Client, base: &str) {
    loop {
        if let Ok(response) = http.get(format!("{base}/waiting")).send().await
            && response.text().await.is_ok_and(|waiting| waiting == "0")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One run of 200 deals, killed at `kills`. Returns how long it took.
async fn run(http: &reqwest::Client, kills: &[Duration]) -> Duration {
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let moment = Timestamp::now();
    let sandbox = Arc::new(Sandbox::start(Arc::new(HurriedClock::since(moment, FACTOR))).await.unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    let credentials = sandbox.portal.credentials();
    let told = json!({
        "began": moment.to_string(), "factor": FACTOR, "database": folder.path().join("killed.db"), "listen": format!("127.0.0.1:{port}"),
        "slack_api": sandbox.slack.api_url(), "bot_token": sandbox.slack.token(), "team_id": sandbox.slack.team_id(),
        "webhook_url": sandbox.portal.webhook_url(), "member_id": credentials.member_id,
        "application_token": credentials.application_token,
    });
    let mut host = Host { process: spawn(&told), told };

    let (posting, url) = (sandbox.clone(), format!("{base}/webhooks/bitrix24"));
    let client = http.clone();
    let posts = tokio::spawn(async move {
        // The first request is answered when the portal is connected: what is created now is news.
        post_until_accepted(&client, &url, &posting.portal.event_body("ONCRMDEALUPDATE", 1)).await;
        for n in 0..DEALS {
            let deal = posting.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
            post_until_accepted(&client, &url, &posting.portal.event_body("ONCRMDEALADD", deal)).await;
        }
    });
    for kill in kills {
        tokio::time::sleep_until((began + *kill).into()).await;
        host.kill_and_start_again().await;
    }
    posts.await.unwrap();
    until_nothing_waits(http, &base).await;

    let mut cards: BTreeMap<String, usize> = BTreeMap::new();
    for text in sandbox.slack.texts("sales-pipeline") {
        *cards.entry(text).or_default() += 1;
    }
    let wrong: Vec<_> = cards.iter().filter(|(_, count)| **count != 1).collect();
    assert!(wrong.is_empty() && cards.len() == DEALS, "{} cards, killed at {kills:?}: {wrong:?}", cards.len());
    assert_eq!(sandbox.slack.refused_blocks(), 0);
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_is_killed_each_card_arrives_exactly_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let whole = run(&http, &[]).await;
    let mut random = Random::seeded();
    for n in 0..RUNS {
        let moment = Duration::from_millis(random.below(u64::try_from(whole.as_millis()).unwrap()));
        let again = moment + Duration::from_millis(random.below(200));
        // Every fifth run the second life is cut short, too.
        let kills = if n % 5 == 0 { vec![moment, again] } else { vec![moment] };
        let took = run(&http, &kills).await;
        println!("run {n}: killed at {kills:?}, took {took:?}");
    }
}
