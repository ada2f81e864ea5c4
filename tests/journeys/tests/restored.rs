//! A backup is put in place of newer data: nothing that was done since is done again, and nothing is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use jobs::queues;
use journeys::estate::{Estate, json_of};
use journeys::{Stage, World};
use runtime::RestoreMark;
use runtime::clock::Clock;
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::{DEAL, LEAD};
use tenants::api_keys::{ApiKeys, Scope};

use crate::bridged::Bridged;
use crate::cast::Cast;

/// How often each text occurs, those that occur once left out.
fn repeated(texts: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts
}

fn add_deals(world: &World, numbers: std::ops::Range<usize>) -> Vec<u64> {
    numbers.map(|number| world.sandbox.portal.add_deal(&format!("Deal {number}"), 1, "EUR")).collect()
}

/// The lines of deliveries with a remark.
async fn remarked(world: &World, remark: &str) -> usize {
    let ledger = runtime::ledger::Ledger::new(world.engine.backend.store.clone());
    let day = runtime::ledger::today(world.clock.now());
    let lines = ledger.day(&world.tenant, &day, None).await.unwrap().lines;
    let has = |line: &runtime::ledger::LedgerLine| match line {
        runtime::ledger::LedgerLine::Delivery(line) => {
            line.remark.as_deref().is_some_and(|own| own.starts_with(remark))
        }
        runtime::ledger::LedgerLine::Event(_) => false,
    };
    lines.iter().filter(|line| has(line)).count()
}

fn history_calls(world: &World) -> u64 {
    world.sandbox.slack.calls().get("conversations.history").copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_that_waited_and_cards_that_came_later_are_there_once() {
    let world = World::start_on(Stage::Memory).await;
    add_deals(&world, 0..20);
    world.work_only(queues::BITRIX24_EVENTS).await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    world.clock.advance(Duration::from_secs(600));
    add_deals(&world, 20..60);
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 60);

    let before = history_calls(&world);
    world.restore(&backup, backup_at).await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(repeated(world.channel("sales-pipeline")), BTreeMap::new());
    assert_eq!(world.channel("sales-pipeline").len(), 60);
    assert_eq!(remarked(&world, clients::FOUND).await, 60);
    let calls = history_calls(&world) - before;
    assert!(calls <= 2, "one reading of the channel serves all, not {calls}");

    add_deals(&world, 60..61);
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 61);
    assert_eq!(history_calls(&world) - before, calls, "what is new is not looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_nothing_ran_is_not_taken_for_what_was_reported() {
    let world = World::start_on(Stage::Memory).await;
    let deal = add_deals(&world, 0..1)[0];
    world.settle().await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.clock.advance(Duration::from_secs(600));
    world.sandbox.portal.move_deal(deal, "PREPARATION");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 2);
    // The host is stopped; the deal moves on without it.
    let worked_until = Some(world.clock.now());
    world.sandbox.portal.send_events_to(&world.webhook, &[]);
    world.clock.advance(Duration::from_secs(1_800));
    world.sandbox.portal.move_deal(deal, "WON");
    world.clock.advance(Duration::from_secs(1_800));
    let mark = RestoreMark { backup_at: Some(backup_at), worked_until, ..RestoreMark::at(world.clock.now()) };
    world.engine.restore(&backup, mark).await;
    world.clock.advance(Duration::from_secs(600));
    world.sweep().await;
    let cards = world.channel("sales-pipeline");
    assert_eq!(cards.len(), 3, "{cards:?}");
    assert_eq!(repeated(cards), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_and_live_cards_go_on_below_the_same_card() {
    for thread in ["reply", "live"] {
        let route = json!({
            "name": "d", "change": ["deal.created", "deal.stage_changed"], "to": "#general", "thread": thread,
        });
        let settings = json!({"routes": [route], "group_bursts": null});
        let world = World::start_with_settings_on(Stage::Memory, settings).await;
        let queued = add_deals(&world, 0..3);
        world.work_only(queues::BITRIX24_EVENTS).await;
        let (backup, backup_at) = (world.engine.backup(), world.clock.now());
        world.settle().await;
        world.clock.advance(Duration::from_secs(600));
        let later = add_deals(&world, 3..6);
        world.settle().await;
        let posted = world.sandbox.slack.messages("general").len();
        assert_eq!(posted, 6, "{thread}");

        world.restore(&backup, backup_at).await;
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.sandbox.slack.messages("general").len(), posted, "{thread}");
        for deal in queued.iter().chain(&later) {
            world.sandbox.portal.move_deal(*deal, "PREPARATION");
        }
        world.settle().await;
        let messages = world.sandbox.slack.messages("general");
        let (cards, replies): (Vec<&Value>, Vec<&Value>) =
            messages.iter().partition(|message| message["thread_ts"].is_null());
        assert_eq!((cards.len(), replies.len()), (6, 6), "{thread}: {messages:?}");
        let parents: std::collections::BTreeSet<_> =
            replies.iter().map(|reply| reply["thread_ts"].to_string()).collect();
        assert_eq!(parents.len(), 6, "{thread}: each reply is below its own card");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_bridge_are_not_repeated_and_stay_linked() {
    let bridged = Bridged::of(World::start_on(Stage::Memory).await).await;
    let world = &bridged.world;
    let said: Vec<String> = (0..5).map(|number| bridged.say(&bridged.ann, &format!("from Slack {number}"))).collect();
    for number in 0..5 {
        world.sandbox.portal.write(1, &bridged.chat, &format!("from Bitrix24 {number}"), None, &[]);
    }
    world.work_only(queues::BITRIX24_EVENTS).await;
    world.work_only(queues::SLACK_EVENTS).await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    let (chat, channel) = (bridged.in_bitrix24(), bridged.in_slack());
    assert_eq!((chat.len(), channel.len()), (10, 10));

    world.restore(&backup, backup_at).await;
    world.settle().await;
    assert_eq!((bridged.in_bitrix24(), bridged.in_slack()), (chat, channel));
    bridged.nothing_is_stuck().await;
    // The links are there again: an edit reaches the copy.
    world.sandbox.slack.edit(&bridged.channel, &said[2], "from Slack, edited");
    world.settle().await;
    let chat = bridged.in_bitrix24();
    assert_eq!(chat.len(), 10, "{chat:?}");
    assert!(chat.iter().any(|text| text.contains("from Slack, edited")), "{chat:?}");
}

fn projects(sandbox: &Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Projects", &json!({}));
    json!({"databases": [{"name": "Projects", "database": database, "records": "deal"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_made_twice() {
    let world = World::start_mirrored_on(Stage::Memory, true, projects).await;
    let source = world.sandbox.notion.database("Projects").unwrap().1;
    add_deals(&world, 0..5);
    world.work_only(queues::BITRIX24_EVENTS).await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    let later = add_deals(&world, 5..10);
    world.settle().await;
    assert_eq!(world.sandbox.notion.rows(&source).len(), 10);

    world.restore(&backup, backup_at).await;
    world.settle().await;
    world.sweep().await;
    world.pass(5).await;
    assert_eq!(world.sandbox.notion.rows(&source).len(), 10);
    // They are linked: an edit goes on.
    world.sandbox.portal.change_item(DEAL, later[0], json!({"title": "Another title"}));
    world.settle().await;
    let rows = world.sandbox.notion.rows(&source);
    let titled = rows.iter().filter(|row| row.to_string().contains("Another title")).count();
    assert_eq!((titled, rows.len()), (1, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waited_creates_nothing_twice() {
    let cast = Cast::of(World::start_on(Stage::Memory).await);
    let world = &cast.world;
    let (leads, tasks) = (world.sandbox.portal.ids(LEAD).len(), cast.tasks());
    for (command, text) in [("/b24-lead", "Roof GmbH +49 30 123"), ("/b24-task", "Call the roofer")] {
        let first = world.sandbox.slack.command(&cast.admin, &cast.channel, command, text).await;
        assert_eq!(first.status, 200);
    }
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    assert_eq!((world.sandbox.portal.ids(LEAD).len(), cast.tasks()), (leads + 1, tasks + 1));
    world.restore(&backup, backup_at).await;
    world.settle().await;
    assert_eq!((world.sandbox.portal.ids(LEAD).len(), cast.tasks()), (leads + 1, tasks + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_shop_sends_again_is_the_same_deal() {
    let estate = Estate::start_on(Stage::Memory, 1).await;
    estate.install(0).await;
    let keys = ApiKeys::new(estate.engine.backend.store.clone());
    let (_, key) = keys.make(&estate.tenant(0), "Shop", &[Scope::Intake], estate.clock.now()).await.unwrap();
    let order = async || {
        let request = reqwest::Client::new().post(format!("{}/api/v1/{}/deals", estate.url, estate.tenant(0)));
        let request = request.bearer_auth(&key).header("idempotency-key", "order-1");
        json_of(request.body(json!({"title": "Order 1"}).to_string()).send().await.unwrap()).await
    };
    let backup = estate.engine.backup();
    let (status, made) = order().await;
    assert_eq!(status, 201, "{made}");
    let deals = estate.sandbox.portals[0].ids(DEAL).len();
    estate.engine.restore(&backup, RestoreMark::at(estate.clock.now())).await;
    // What the functions remember of the time before is older than they look at.
    estate.clock.advance(Duration::from_secs(600));
    let (_, again) = order().await;
    assert_eq!(again["id"], made["id"]);
    assert_eq!(estate.sandbox.portals[0].ids(DEAL).len(), deals);
}
