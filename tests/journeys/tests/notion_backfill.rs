//! Existing records and existing rows brought together: on paper, for good, at the limit's pace, whatever is killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use jobs::queues;
use journeys::World;
use journeys::hurry::HurriedClock;
use journeys::random::Random;
use notion_sync::NotionSync;
use notion_sync::runs::SyncRun;
use notion_sync::runs::{Phase, RunRequest};
use runtime::TenantId;
use runtime::queue::{Buried, Fate};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::DEAL;
use tokio::process::Child;

const ALL: RunRequest<'_> = RunRequest { dry: false, since: None, by: "a test" };

fn deals(sandbox: &Sandbox) -> Value {
    let (database, _) =
        sandbox.notion.add_database("Deals", &json!({"Company": {"rich_text": {}}, "Bitrix24 ID": {"number": {}}}));
    json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "fields": [
        {"field": "title", "property": "Name"}, {"field": "opportunity", "property": "Amount"},
        {"field": "stageId", "property": "Stage"}, {"field": "companyId", "property": "Company", "master": "bitrix24_only"},
    ]}]})
}

fn source(world: &World) -> String {
    world.sandbox.notion.database("Deals").unwrap().1
}

async fn run(world: &World, wanted: RunRequest<'_>) -> SyncRun {
    let mirror = NotionSync::new(&world.engine.backend, world.connections.clone());
    let id = mirror.start(&world.tenant, "Deals", &wanted).await.unwrap();
    world.settle().await;
    mirror.runs.get(&world.tenant, &id).await.unwrap().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_does_nothing_and_the_run_does_it() {
    let world = World::start_mirrored(true, deals).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let records = portal.ids(DEAL).len() as u64;
    let deal = |n: usize| portal.item(DEAL, portal.ids(DEAL)[n]).unwrap();
    let title = |text: &str| json!({"title": [{"text": {"content": text}}]});
    let company = |deal: &Value| {
        let item = portal.item(simulators::portal::COMPANY, deal["companyId"].as_u64().unwrap()).unwrap();
        item["title"].as_str().unwrap().to_owned()
    };
    // One row carries a number and another sum; one has title and company; one only the title; one is a person's own.
    let add = |properties: Value| notion.add_row(&source(&world), &properties).unwrap();
    let numbered = add(json!({"Name": title("Old name"), "Bitrix24 ID": {"number": deal(3)["id"]}}));
    let (by_title, other) = (deal(5), deal(7));
    let titled = add(
        json!({"Name": title(by_title["title"].as_str().unwrap()), "Company": {"rich_text": [{"text": {"content": company(&by_title)}}]}}),
    );
    add(
        json!({"Name": title(other["title"].as_str().unwrap()), "Company": {"rich_text": [{"text": {"content": "Somebody else"}}]}}),
    );
    add(json!({"Name": title("Mine")}));
    world.settle().await;

    let dry = run(&world, RunRequest { dry: true, ..ALL }).await;
    let counts = &dry.counts;
    assert_eq!(dry.phase, Phase::Done);
    assert_eq!(
        (counts.rows, counts.records, counts.linked_by_id, counts.linked_by_title, counts.created),
        (4, records, 1, 1, records - 2),
        "{dry:?}"
    );
    assert_eq!((counts.changed, notion.writes(), notion.rows(&source(&world)).len()), (2, 0, 4), "{dry:?}");
    assert!(dry.examples.iter().any(|line| line.contains("linked to the row with its title")), "{:?}", dry.examples);

    let real = run(&world, ALL).await;
    assert_eq!(
        (&real.counts.created, &real.counts.linked_by_id, &real.counts.linked_by_title),
        (&counts.created, &1, &1)
    );
    assert_eq!(notion.rows(&source(&world)).len() as u64, records + 2);
    assert_eq!(notion.shown(&titled, "Bitrix24 ID"), by_title["id"].to_string());
    assert_ne!(notion.shown(&numbered, "Amount"), "");
    assert_eq!(world.dead_letters(queues::RECORD_SYNC).await.len(), 0);
    let again = run(&world, ALL).await;
    assert_eq!((again.counts.created, again.counts.changed, again.counts.linked_before), (0, 0, records));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_cap_of_a_query_are_read_all_the_same() {
    let world = World::start_mirrored(false, deals).await;
    let notion = &world.sandbox.notion;
    notion.cap_queries(150);
    for n in 0..400 {
        if n % 50 == 0 {
            world.clock.advance(Duration::from_secs(61));
        }
        notion
            .add_row(&source(&world), &json!({"Name": {"title": [{"text": {"content": format!("Row {n}")}}]}}))
            .unwrap();
    }
    let dry = run(&world, RunRequest { dry: true, ..ALL }).await;
    assert_eq!((dry.phase, dry.counts.rows), (Phase::Done, 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_deals_take_hardly_longer_than_the_limit_itself() {
    const DEALS: u64 = 5_000;
    let world = World::start_mirrored(true, |sandbox| {
        let there = sandbox.portal.ids(DEAL).len() as u64;
        for n in there..DEALS {
            // Each for a company of its own.
            let company =
                sandbox.portal.add_item(simulators::portal::COMPANY, json!({"title": format!("Company {n}")}));
            let deal =
                json!({"title": format!("Deal {n}"), "opportunity": 100, "companyId": company, "assignedById": 6});
            sandbox.portal.add_item(DEAL, deal);
        }
        deals(sandbox)
    })
    .await;
    let (requests, began) = (world.sandbox.notion.requests(), Instant::now());
    let run = run(&world, ALL).await;
    let took = run.ended_at.unwrap().duration_since(run.began_at);
    let limit = SignedDuration::from_secs(i64::try_from(DEALS * 60 / 180).unwrap());
    let requests = world.sandbox.notion.requests() - requests;
    println!("{DEALS} deals: {took:#} of {limit:#}, {requests} requests, {:?} of ours", began.elapsed());
    assert_eq!((run.counts.created, run.counts.failed), (DEALS, 0), "{run:?}");
    assert_eq!(world.sandbox.notion.rows(&source(&world)).len() as u64, DEALS);
    assert!(took.as_secs_f64() <= limit.as_secs_f64() * 1.1, "{took:#} of {limit:#}");
    assert_eq!(world.dead_letters(queues::RECORD_SYNC).await.len(), 0);
    // No message carries it all the way: a queue neither hands one out for ever nor takes a run for one that is late.
    assert!(run.slices >= 3, "{run:?}");
    let line = runtime::ledger::Ledger::new(world.engine.backend.store.clone());
    let line = line.event(&world.tenant, run.id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(line.status, runtime::ledger::EventStatus::Routed);
}

/// How many times the process is killed.
const KILLS: u64 = 20;
/// So many seconds of the run pass in one of ours.
const FACTOR: u32 = 40;

fn spawn(told: &Value) -> Child {
    journeys::hurry::spawn(env!("CARGO_BIN_EXE_hurried-host"), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_each_deal_gets_one_page() {
    const DEALS: u64 = 700;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (folder, moment) = (tempfile::tempdir().unwrap(), Timestamp::now());
    let clock = Arc::new(HurriedClock::since(moment, FACTOR));
    let sandbox = Sandbox::start(clock.clone()).await.unwrap();
    for n in sandbox.portal.ids(DEAL).len() as u64..DEALS {
        sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
    }
    sandbox.notion.lag_queries(Duration::from_secs(20));
    let settings = json!({"routes": [], "notion": deals(&sandbox)});
    let credentials = sandbox.portal.credentials();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = folder.path().join("killed.db");
    let told = json!({
        "began": moment.to_string(), "factor": FACTOR, "database": database, "listen": format!("127.0.0.1:{port}"),
        "slack_api": sandbox.slack.api_url(), "bot_token": sandbox.slack.token(), "team_id": sandbox.slack.team_id(),
        "webhook_url": sandbox.portal.webhook_url(), "member_id": credentials.member_id,
        "application_token": credentials.application_token, "settings": settings,
        "notion_api": sandbox.notion.url(), "notion_token": sandbox.notion.token(),
    });
    let mut host = spawn(&told);
    let http = reqwest::Client::new();
    let up = |http: reqwest::Client| async move {
        while http.get(format!("http://127.0.0.1:{port}/waiting")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    up(http.clone()).await;
    // The same database from here: the run is begun and looked at.
    let backend = standalone::database::open_with(&database, clock).unwrap();
    let connections = clients::Connections::new(&backend, slack::SlackApiBase::new(&sandbox.slack.api_url()).unwrap())
        .with_notion(notion::NotionApiBase::new(&sandbox.notion.url()).unwrap())
        .allowing(clients::Network::this_machine());
    let mirror = NotionSync::new(&backend, connections);
    let tenant = TenantId::new(credentials.member_id).unwrap();
    let id = mirror.start(&tenant, "Deals", &ALL).await.unwrap();
    let mut random = Random::seeded();
    for kill in 0..KILLS {
        let wait = Duration::from_millis(100 + random.below(500));
        tokio::time::sleep(wait).await;
        host.kill().await.unwrap();
        let (run, _) = mirror.runs.get(&tenant, &id).await.unwrap().unwrap();
        println!(
            "kill {kill} after {wait:?}: {} records, {} rows",
            run.counts.records,
            sandbox.notion.rows(&sandbox.notion.database("Deals").unwrap().1).len()
        );
        host = spawn(&told);
        up(http.clone()).await;
    }
    let began = Instant::now();
    loop {
        let (run, _) = mirror.runs.get(&tenant, &id).await.unwrap().unwrap();
        let waiting = http.get(format!("http://127.0.0.1:{port}/waiting")).send().await.unwrap().text().await.unwrap();
        if run.has_ended() && waiting == "0" {
            assert_eq!((&run.phase, run.counts.failed), (&Phase::Done, 0), "{run:?}");
            break;
        }
        // A job that was in hand at four kills in a row counts as their cause, and is a failed delivery that a person retries.
        backend.queue.sift(queues::RECORD_SYNC, 10, &mut |_: &Buried| Fate::Redrive).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(240), "it does not end: {run:?}, {waiting} waiting");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = sandbox.notion.rows(&sandbox.notion.database("Deals").unwrap().1);
    let mut numbers: Vec<_> =
        rows.iter().map(|row| row["properties"]["Bitrix24 ID"]["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    let twice: Vec<_> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "twice: {twice:?}");
    assert_eq!(numbers.len() as u64, DEALS);
}
