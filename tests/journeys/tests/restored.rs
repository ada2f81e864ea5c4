//! A backup is put in place of newer data: nothing that was done since is done again, and nothing is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use jobs::queues;
use journeys::estate::{Estate, json_of};
use journeys::{Stage, World};
use runtime::RestoreMark;
use runtime::clock::Clock;
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::{Value, json};
use simulators::portal::{DEAL, LEAD};
use simulators::{Fault, Sandbox, When};
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

/// How many lines of deliveries have a remark that begins so.
async fn remarked(world: &World, remark: &str) -> usize {
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let (day, mut after, mut count) = (today(world.clock.now()), None, 0);
    loop {
        let page = ledger.day(&world.tenant, &day, after).await.unwrap();
        let remarks = page.lines.iter().filter_map(|line| match line {
            LedgerLine::Delivery(line) => line.remark.as_deref(),
            LedgerLine::Event(_) => None,
        });
        count += remarks.filter(|own| own.starts_with(remark)).count();
        after = page.next;
        if after.is_none() {
            return count;
        }
    }
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
async fn a_change_that_is_found_again_among_others_is_recognised_by_what_its_card_says() {
    let world = World::start_on(Stage::Memory).await;
    let deal = add_deals(&world, 0..1)[0];
    world.settle().await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.clock.advance(Duration::from_secs(600));
    world.sandbox.portal.change_item(DEAL, deal, json!({"opportunity": 5}));
    world.settle().await;
    world.sandbox.portal.move_deal(deal, "PREPARATION");
    world.settle().await;
    let cards = world.channel("sales-pipeline");
    world.clock.advance(Duration::from_secs(600));
    world.restore(&backup, backup_at).await;
    world.sweep().await;
    assert_eq!(world.channel("sales-pipeline"), cards);
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
        let is_reply = |message: &Value| !message["thread_ts"].is_null() && message["thread_ts"] != message["ts"];
        let (replies, cards): (Vec<&Value>, Vec<&Value>) = messages.iter().partition(|message| is_reply(message));
        assert_eq!((cards.len(), replies.len()), (6, 6), "{thread}");
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

#[tokio::test(flavor = "multi_thread")]
async fn where_little_history_may_be_read_all_is_found_within_minutes() {
    let world = World::start_on(Stage::Memory).await;
    world.sandbox.slack.be_distributed(true);
    add_deals(&world, 0..20);
    world.work_only(queues::BITRIX24_EVENTS).await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    world.clock.advance(Duration::from_secs(600));
    add_deals(&world, 20..60);
    world.settle().await;

    let before = history_calls(&world);
    world.restore(&backup, backup_at).await;
    let began = world.clock.now();
    world.settle().await;
    world.sweep().await;
    let cards = world.channel("sales-pipeline");
    assert_eq!((cards.len(), repeated(cards)), (60, BTreeMap::new()));
    assert_eq!(remarked(&world, "may be repeated").await, 0);
    // Four pages of 15 messages, and the call that was refused before the class was known.
    let calls = history_calls(&world) - before;
    assert!(calls <= 8, "{calls} calls");
    let took = world.clock.now().duration_since(began);
    assert!(took.as_mins() < 10, "{took:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_up_in_ten_minutes_is_sent_in_order_and_says_so() {
    let world = World::start_on(Stage::Memory).await;
    let slack = &world.sandbox.slack;
    slack.be_distributed(true);
    add_deals(&world, 0..3);
    world.work_only(queues::BITRIX24_EVENTS).await;
    let (backup, backup_at) = (world.engine.backup(), world.clock.now());
    world.settle().await;
    let (ann, channel) = (slack.person("user6@example.com"), slack.channel_id("sales-pipeline"));
    for number in 0..300 {
        slack.say(&ann, &channel, &format!("chatter {number}"), None, &[]);
    }
    world.settle().await;

    world.restore(&backup, backup_at).await;
    let began = world.clock.now();
    world.settle().await;
    let took = world.clock.now().duration_since(began);
    assert!((10..13).contains(&took.as_mins()), "{took:#}");
    assert_eq!(remarked(&world, "may be repeated: it could not be looked up within 10 minutes").await, 3);
    let mut cards = world.channel("sales-pipeline");
    cards.retain(|text| !text.starts_with("chatter"));
    let (first, again) = cards.split_at(3);
    assert_eq!(first, again, "in the same order");
    let classes = world.engine.everything();
    assert!(String::from_utf8_lossy(&classes).contains("scarce"), "the class is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_little_history_may_be_read_lost_answers_cost_minutes_and_no_second_card() {
    let world = World::start_on(Stage::Memory).await;
    world.sandbox.slack.be_distributed(true);
    for _ in 0..3 {
        world.sandbox.slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    }
    add_deals(&world, 0..5);
    world.settle().await;
    let cards = world.channel("sales-pipeline");
    assert_eq!((cards.len(), repeated(cards)), (5, BTreeMap::new()));
    assert!(world.dead_letters(queues::SLACK_DELIVERY).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_in_a_channel_that_the_bot_is_not_in_is_looked_up() {
    let world = World::start().await;
    let slack = &world.sandbox.slack;
    slack.change_channel("sales-pipeline", |channel| channel.is_member = false);
    slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    add_deals(&world, 0..1);
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Deal 0"]);
    assert!(world.dead_letters(queues::SLACK_DELIVERY).await.is_empty());
}
