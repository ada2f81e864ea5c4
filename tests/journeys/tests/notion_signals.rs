//! However signals travel, or do not: both sides end alike, with hardly more writes than there must be.

use std::collections::BTreeMap;
use std::time::Duration;

use jobs::queues;
use journeys::{Stage, World};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::{DEAL, PortalEventDelivery};

const DEALS: usize = 8;

fn deals(sandbox: &Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
    json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "page": [], "fields": [
        {"field": "title", "property": "Name"}, {"field": "opportunity", "property": "Amount"},
        {"field": "stageId", "property": "Stage"}, {"field": "closedate", "property": "Close date"},
    ]}]})
}

/// Deals with their pages.
struct Pairs {
    world: World,
    pairs: Vec<(u64, String)>,
}

impl Pairs {
    async fn start(webhooks: bool) -> Self {
        Self::start_on(Stage::usual(), webhooks).await
    }

    async fn start_on(stage: Stage, webhooks: bool) -> Self {
        Box::pin(Self::made(stage, webhooks)).await
    }

    async fn made(stage: Stage, webhooks: bool) -> Self {
        let world = Box::pin(World::start_mirrored_on(stage, webhooks, deals)).await;
        let made: Vec<_> =
            (0..DEALS).map(|n| world.sandbox.portal.add_deal(&format!("Deal {n}"), 100, "EUR")).collect();
        world.settle().await;
        let rows = world.sandbox.notion.rows(&world.sandbox.notion.database("Deals").unwrap().1);
        let row = |id: u64| {
            let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == id).unwrap();
            row["id"].as_str().unwrap().to_owned()
        };
        let pairs = made.into_iter().map(|id| (id, row(id))).collect();
        // What was made is at rest.
        world.clock.advance(Duration::from_secs(10 * 60));
        world.settle().await;
        Self { world, pairs }
    }

    fn portal_sets(&self, n: usize, fields: Value) {
        self.world.sandbox.portal.change_item(DEAL, self.pairs[n].0, fields);
    }

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn notion_sets(&self, n: usize, properties: Value) {
        self.world.sandbox.notion.edit(&self.pairs[n].1, &properties).unwrap();
    }

    /// Writes so far: to the portal and to Notion.
    fn writes(&self) -> (u64, u64) {
        let calls = self.world.sandbox.portal.calls();
        (calls.get("crm.item.update").copied().unwrap_or_default(), self.world.sandbox.notion.writes())
    }

    /// Both sides show the same.
    fn are_alike(&self) {
        let (portal, notion) = (&self.world.sandbox.portal, &self.world.sandbox.notion);
        let stages = portal.stages();
        for (deal, row) in &self.pairs {
            let item = portal.item(DEAL, *deal).unwrap();
            let stage = stages.iter().find(|stage| stage["STATUS_ID"] == item["stageId"]).unwrap();
            let left = [
                item["title"].as_str().unwrap().to_owned(),
                item["opportunity"].as_f64().unwrap().to_string(),
                stage["NAME"].as_str().unwrap().to_owned(),
                item["closedate"].as_str().unwrap()[..10].to_owned(),
            ];
            let shown = |property: &str| notion.shown(row, property);
            let amount = shown("Amount").parse::<f64>().unwrap_or_default().to_string();
            assert_eq!(left, [shown("Name"), amount, shown("Stage"), shown("Close date")], "deal {deal}");
        }
    }

    /// The writes since `before` are at most 1.2 times `least`.
    fn wrote_little(&self, before: (u64, u64), least: (u64, u64)) {
        let (portal, notion) = self.writes();
        let (portal, notion) = (portal - before.0, notion - before.1);
        println!("writes: {portal} to Bitrix24 (least {}), {notion} to Notion (least {})", least.0, least.1);
        let fits = |writes: u64, least: u64| writes * 10 <= least * 12;
        assert!(fits(portal, least.0) && fits(notion, least.1), "{portal} and {notion}, least {least:?}");
    }

    async fn no_dead_letters(&self) {
        let letters = self.world.dead_letters(queues::RECORD_SYNC).await;
        assert!(letters.is_empty(), "{letters:?}");
    }
}

fn title(text: &str) -> Value {
    json!({"Name": {"title": [{"text": {"content": text}}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_notion_costs_one_read_of_each_side() {
    let pairs = Pairs::start(true).await;
    let (portal, notion) = (&pairs.world.sandbox.portal, &pairs.world.sandbox.notion);
    let calls = || {
        let count = |calls: &BTreeMap<String, u64>, call: &str| calls.get(call).copied().unwrap_or_default();
        (count(&notion.calls(), "GET /v1/pages/"), count(&portal.calls(), "crm.item.get"))
    };
    let before = calls();
    pairs.notion_sets(0, title("Notion alone"));
    pairs.world.all_have_arrived().await;
    // The edit is at rest before its job looks at it.
    pairs.world.clock.advance(Duration::from_secs(90));
    pairs.world.settle().await;
    assert_eq!(portal.item(DEAL, pairs.pairs[0].0).unwrap()["title"], "Notion alone");
    let after = calls();
    // Bitrix24 is read before it is written, and once more when it reports our own write.
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2));
}

/// Edits each deal on one side or the other, or on both; returns the least number of writes to each side.
fn edit_all(pairs: &Pairs, round: usize) -> (u64, u64) {
    let (mut to_portal, mut to_notion) = (0, 0);
    for n in 0..DEALS {
        match (n + round) % 4 {
            0 => {
                pairs.portal_sets(n, json!({"title": format!("Portal {round}.{n}"), "opportunity": round * 10 + n}));
                to_notion += 1;
            }
            1 => {
                pairs.notion_sets(
                    n,
                    json!({"Amount": {"number": 0.5 + f64::from(u32::try_from(round * 10 + n).unwrap())}}),
                );
                to_portal += 1;
            }
            2 => {
                // Different fields on both sides at once.
                pairs.portal_sets(n, json!({"stageId": if round.is_multiple_of(2) { "WON" } else { "PREPARATION" }}));
                pairs.notion_sets(n, title(&format!("Notion {round}.{n}")));
                to_portal += 1;
                to_notion += 1;
            }
            _ => {}
        }
    }
    (to_portal, to_notion)
}

async fn rounds(pairs: &Pairs, minutes: u64) {
    let before = pairs.writes();
    let mut least = (0, 0);
    for round in 0..4 {
        let (portal, notion) = edit_all(pairs, round);
        least = (least.0 + portal, least.1 + notion);
        pairs.world.pass(minutes).await;
        pairs.are_alike();
    }
    pairs.wrote_little(before, least);
    pairs.no_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_webhooks_events_poll_and_sweep() {
    rounds(&Pairs::start(true).await, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_poll_and_sweep_alone() {
    let pairs = Pairs::start(false).await;
    pairs.world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    rounds(&pairs, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_webhooks_and_events_alone() {
    let pairs = Pairs::start(true).await;
    let before = pairs.writes();
    let mut least = (0, 0);
    for round in 0..4 {
        let (portal, notion) = edit_all(&pairs, round);
        least = (least.0 + portal, least.1 + notion);
        pairs.world.settle().await;
        pairs.world.clock.advance(Duration::from_secs(120));
        pairs.world.settle().await;
        pairs.are_alike();
    }
    pairs.wrote_little(before, least);
    pairs.no_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_signals_lost_doubled_and_out_of_order() {
    let pairs = Pairs::start(true).await;
    pairs.world.sandbox.portal.deliver(PortalEventDelivery {
        drop_every: 3,
        double_every: 2,
        ..PortalEventDelivery::default()
    });
    pairs.world.sandbox.notion.deliver(simulators::notion::NotionEventDelivery {
        drop_every: 3,
        double_every: 2,
        reversed: true,
        ..simulators::notion::NotionEventDelivery::default()
    });
    rounds(&pairs, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_shows_old_values_does_no_harm() {
    let pairs = Pairs::start(false).await;
    pairs.world.sandbox.notion.lag_queries(Duration::from_secs(45));
    rounds(&pairs, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_edits_in_a_minute_make_one_write() {
    let pairs = Pairs::start(true).await;
    let before = pairs.writes();
    for n in 0..100 {
        pairs.portal_sets(0, json!({"title": format!("Portal {n}")}));
        pairs.notion_sets(1, title(&format!("Notion {n}")));
        pairs.world.clock.advance(Duration::from_millis(600));
        pairs.world.none_left_to_work_now().await;
    }
    pairs.world.pass(5).await;
    pairs.are_alike();
    pairs.wrote_little(before, (1, 1));
    pairs.no_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_storm_writes_nothing() {
    let pairs = Pairs::start(true).await;
    let before = pairs.writes();
    // What is there already is saved again and again, as automations do.
    for _ in 0..100 {
        let item = pairs.world.sandbox.portal.item(DEAL, pairs.pairs[0].0).unwrap();
        pairs.notion_sets(0, title(item["title"].as_str().unwrap()));
        let body = pairs.world.sandbox.portal.event_body("ONCRMDEALUPDATE", pairs.pairs[0].0);
        assert_eq!(pairs.world.post(body).await.0, 200);
        pairs.world.clock.advance(Duration::from_millis(600));
        pairs.world.none_left_to_work_now().await;
    }
    pairs.world.pass(5).await;
    assert_eq!(pairs.writes(), before);
    pairs.no_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_pong_is_impossible() {
    let pairs = Pairs::start(true).await;
    let before = pairs.writes();
    edit_all(&pairs, 0);
    // Both sides signal every write, ours too, twice over, for an hour.
    pairs.world.sandbox.portal.deliver(PortalEventDelivery { double_every: 1, ..PortalEventDelivery::default() });
    pairs.world.sandbox.notion.deliver(simulators::notion::NotionEventDelivery {
        double_every: 1,
        ..simulators::notion::NotionEventDelivery::default()
    });
    pairs.world.pass(5).await;
    let settled = pairs.writes();
    for _ in 0..60 {
        for (deal, _) in &pairs.pairs {
            let body = pairs.world.sandbox.portal.event_body("ONCRMDEALUPDATE", *deal);
            pairs.world.post(body).await;
        }
        pairs.world.pass(1).await;
    }
    assert_eq!(pairs.writes(), settled, "the writes stopped");
    assert!(settled.0 > before.0);
    pairs.are_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_writes_against_us_is_noticed_and_not_fought_forever() {
    let pairs = Pairs::start(true).await;
    let before = pairs.writes();
    // An automation in Notion sets the amount back whenever it changes.
    for _ in 0..30 {
        pairs.portal_sets(0, json!({"opportunity": 777}));
        pairs.world.clock.advance(Duration::from_secs(20));
        pairs.world.none_left_to_work_now().await;
        pairs.notion_sets(0, json!({"Amount": {"number": 1}}));
        pairs.world.clock.advance(Duration::from_secs(40));
        pairs.world.none_left_to_work_now().await;
    }
    let (portal, notion) = pairs.writes();
    assert!(portal - before.0 + notion - before.1 <= 14, "{} and {}", portal - before.0, notion - before.1);
    pairs.world.settle().await;
    pairs.are_alike();
    let told = pairs.world.channel("ops");
    assert!(told.iter().any(|line| line.contains("something keeps undoing the sync")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn either_side_may_be_down_for_six_hours() {
    use simulators::{Fault, When};
    for notion_is_down in [true, false] {
        let pairs = Pairs::start(true).await;
        let before = pairs.writes();
        let (mut rounds, mut least) = (0, (0, 0));
        for half_hour in 0..12 {
            // More faults than there are calls: it stays down.
            for _ in 0..400 {
                if notion_is_down {
                    pairs.world.sandbox.notion.fail_next("*", Fault::Html { status: 502, when: When::BeforeEffect });
                } else {
                    pairs.world.sandbox.portal.fail_next("*", Fault::Html { status: 502, when: When::BeforeEffect });
                }
            }
            if half_hour % 6 == 0 {
                least = edit_all(&pairs, rounds);
                rounds += 1;
            }
            pairs.world.clock.advance(Duration::from_secs(30 * 60));
            pairs.world.none_left_to_work_now().await;
            notion_poll::poll(&pairs.world.functions.notion_poll).await;
            pairs.world.none_left_to_work_now().await;
        }
        if notion_is_down {
            pairs.world.sandbox.notion.forget_faults();
        } else {
            pairs.world.sandbox.portal.forget_faults();
        }
        pairs.world.pass(30).await;
        pairs.are_alike();
        let (portal, notion) = pairs.writes();
        println!(
            "down: {notion_is_down}: {} to Bitrix24, {} to Notion, last round {least:?}",
            portal - before.0,
            notion - before.1
        );
        // What was edited twice while it was down is written once.
        assert!(portal - before.0 <= 2 * DEALS as u64 && notion - before.1 <= 2 * DEALS as u64);
        pairs.no_dead_letters().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_comes_back_is_a_change_again() {
    let pairs = Pairs::start(false).await;
    for amount in [1, 2, 1] {
        pairs.notion_sets(0, json!({"Amount": {"number": amount}}));
        for _ in 0..3 {
            notion_poll::poll(&pairs.world.functions.notion_poll).await;
            pairs.world.clock.advance(Duration::from_secs(30));
            pairs.world.none_left_to_work_now().await;
        }
        pairs.are_alike();
    }
    pairs.no_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_polls_never_overlap() {
    // In memory no poll would ever wait, so that the first would be over before the second begins.
    let pairs = Pairs::start_on(Stage::Sockets, false).await;
    let poll = &pairs.world.functions.notion_poll;
    let (a, b) = tokio::join!(notion_poll::poll(poll), notion_poll::poll(poll));
    assert_eq!(a.databases + b.databases, 1, "{a:?} {b:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_goes_on_behind_the_cap_of_a_query() {
    let pairs = Pairs::start(false).await;
    pairs.world.sandbox.notion.cap_queries(3);
    for n in 0..DEALS {
        pairs.notion_sets(n, json!({"Amount": {"number": n}}));
        pairs.world.clock.advance(Duration::from_secs(61));
    }
    pairs.world.pass(4).await;
    pairs.are_alike();
}
