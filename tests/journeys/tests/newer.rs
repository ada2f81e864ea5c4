//! After a roll back: what a newer release has stored is read by this one. Every stored object that a function reads has a name
//! that it does not know, and every story goes on. `JOURNEYS_STORED=newer` tells all stories in this way.

use std::time::Duration;

use jobs::queues;
use journeys::World;
use journeys::estate::Estate;
use journeys::watched::{let_a_newer_release_have_stored, read_as_newer};
use notion_sync::NotionSync;
use notion_sync::runs::{Phase, RunRequest};
use runtime::Clock;
use runtime::ledger::{EventStatus, Ledger, LedgerLine};
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::DEAL;
use tenants::departure;

use crate::bridged::Bridged;

/// Fails unless items of these kinds were read.
fn were_read(kinds: &[&str]) {
    let read = read_as_newer();
    let unread: Vec<_> = kinds.iter().filter(|kind| !read.contains(**kind)).collect();
    assert!(unread.is_empty(), "nothing was read of {unread:?}, only of {read:?}");
}

async fn nothing_failed(backend: &runtime::Backend) {
    for queue in queues::ALL {
        let dead = backend.queue.dead_letters(queue, 10).await.unwrap();
        assert!(dead.is_empty(), "{dead:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_is_connected_gets_its_cards_sees_its_pages_and_leaves() {
    let_a_newer_release_have_stored();
    let estate = Estate::start(1).await;
    let browser = estate.install(0).await;
    let (tenant, backend) = (estate.tenant(0), &estate.engine.backend);
    let deal = estate.sandbox.portals[0].add_deal("Roof", 1, "EUR");
    estate.settle().await;
    estate.sandbox.portals[0].move_deal(deal, "EXECUTING");
    estate.settle().await;
    let cards = estate.channel(0, "sales-pipeline");
    assert!(cards.iter().any(|card| card.contains("Roof")), "{cards:?}");
    for page in
        ["/install", "/admin", "/admin/events", "/admin/people", "/admin/settings", "/admin/keys", "/admin/dead"]
    {
        assert_eq!(browser.get(page).await.status, 200, "{page}");
    }
    // The settings and the connection keep what this release does not know.
    let portal = ItemKey::new(Table::Portals, tenant.as_str(), "portal");
    let item = backend.store.get(&portal).await.unwrap().unwrap();
    let mut newer: Value = item.decode().unwrap();
    newer["settings"]["of_a_newer_release"] = json!({"b": 2});
    newer["crm"] = json!({"sealed": "by a newer release"});
    let write = StoreWrite::new(portal.clone(), &newer, WriteCondition::Version(item.version)).unwrap();
    backend.store.put(write).await.unwrap();
    estate.clock.advance(Duration::from_secs(90));
    let text = browser.get("/admin/settings/settings.yaml").await.text;
    let edited = text.replace("time_zone: UTC", "time_zone: Europe/Berlin");
    assert_ne!(edited, text);
    browser.submit("/admin/settings", "/admin/settings", &[("text", &edited), ("act", "save")]).await;
    let after: Value = backend.store.get(&portal).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(after["settings"]["time_zone"], "Europe/Berlin");
    assert_eq!(after["settings"]["of_a_newer_release"], json!({"b": 2}));
    assert_eq!(after["crm"], json!({"sealed": "by a newer release"}));
    // A status that this release does not know is shown.
    let ledger = Ledger::new(backend.store.clone());
    let today = runtime::ledger::today(estate.clock.now());
    let lines = ledger.day(&tenant, &today, None).await.unwrap().lines;
    let routed = lines.iter().find_map(|line| match line {
        LedgerLine::Event(event) if event.status == EventStatus::Routed => Some(event.trace),
        _ => None,
    });
    let trace = routed.unwrap();
    let key = ItemKey::new(Table::Ledger, format!("{tenant}#{today}"), trace.to_string());
    let mut parked: Value = backend.store.get(&key).await.unwrap().unwrap().decode().unwrap();
    parked["status"] = json!("parked");
    backend.store.put(StoreWrite::new(key, &parked, WriteCondition::Always).unwrap()).await.unwrap();
    assert_eq!(browser.get("/admin/events").await.status, 200);
    let page = browser.get(&format!("/admin/events/{trace}")).await;
    assert!(page.text.contains("another release has written the status `parked`"), "{}", page.text);
    nothing_failed(backend).await;

    let host = estate.sandbox.portals[0].host();
    browser.submit("/install", "/install/leave", &[("domain", &host)]).await;
    estate.settle().await;
    let gone = departure::of(backend, &tenant).await.unwrap().unwrap();
    assert!(gone.done_at.is_some() && gone.total() > 20, "{gone:?}");
    were_read(&[
        "connection and settings",
        "access of the connection",
        "session",
        "last state of a record",
        "line of the log",
        "how far the sweep is",
        "limits of a provider",
        "a tenant that left",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on() {
    let_a_newer_release_have_stored();
    let talk = Bridged::start().await;
    let ts = talk.says(&talk.ann.clone(), "Is the roof ready?").await;
    let id = talk.writes(1, "Tomorrow").await;
    talk.world.sandbox.slack.edit(&talk.channel, &ts, "Is the whole roof ready?");
    talk.world.settle().await;
    let chat = talk.world.sandbox.portal.conversation(&talk.chat);
    assert!(id > 0 && chat.iter().any(|said| said.contains("Is the whole roof ready?")), "{chat:?}");
    assert!(talk.world.channel("general").iter().any(|said| said.contains("Tomorrow")));
    nothing_failed(&talk.world.engine.backend).await;
    were_read(&["channel bridged with a chat", "which message is which", "our bot"]);
}

fn deals(sandbox: &Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Projects", &json!({}));
    json!({"databases": [{"name": "Projects", "database": database, "records": "deal"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_pages_stay_in_sync_and_a_run_goes_on() {
    let_a_newer_release_have_stored();
    let world = World::start_mirrored(true, deals).await;
    let sync = NotionSync::new(&world.engine.backend, world.connections.clone());
    let wanted = RunRequest { dry: false, since: None, by: "a test" };
    let id = sync.start(&world.tenant, "Projects", &wanted).await.unwrap();
    world.settle().await;
    let (run, _) = sync.runs.get(&world.tenant, &id).await.unwrap().unwrap();
    assert_eq!((&run.phase, run.counts.failed), (&Phase::Done, 0), "{run:?}");
    let deal = world.sandbox.portal.add_deal("Roof", 500, "EUR");
    world.settle().await;
    let source = world.sandbox.notion.database("Projects").unwrap().1;
    let rows = world.sandbox.notion.rows(&source);
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap();
    let row = row["id"].as_str().unwrap();
    world.sandbox.notion.edit(row, &json!({"Amount": {"number": 99}})).unwrap();
    world.pass(3).await;
    assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["opportunity"].as_f64(), Some(99.0));
    nothing_failed(&world.engine.backend).await;
    were_read(&["sync state", "run over a database", "schema of a database", "address of Notion's webhooks"]);
}
