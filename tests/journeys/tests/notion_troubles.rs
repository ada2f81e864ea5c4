//! What goes wrong between the portal and Notion, and what people are told of it.

use std::time::Duration;

use jobs::queues;
use jobs::sync::SyncJob;
use journeys::World;
use notion_sync::NotionSync;
use records::Record;
use runtime::{Clock, TraceId};
use serde_json::{Value, json};
use simulators::portal::DEAL;
use simulators::{Fault, Sandbox, When};

fn database(sandbox: &Sandbox, more: &Value) -> Value {
    let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
    let mut deals = json!({"name": "Deals", "database": database, "records": "deal", "page": []});
    deals.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"databases": [deals]})
}

fn deals(sandbox: &Sandbox) -> Value {
    database(sandbox, &json!({}))
}

fn source(world: &World) -> String {
    world.sandbox.notion.database("Deals").unwrap().1
}

fn row_of(world: &World, id: u64) -> String {
    let rows = world.sandbox.notion.rows(&source(world));
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == id).unwrap();
    row["id"].as_str().unwrap().to_owned()
}

/// A deal with its page, at rest.
async fn pair(world: &World, title: &str) -> (u64, String) {
    let deal = world.sandbox.portal.add_deal(title, 100, "EUR");
    world.settle().await;
    world.clock.advance(Duration::from_secs(10 * 60));
    world.settle().await;
    (deal, row_of(world, deal))
}

fn mirror(world: &World) -> NotionSync {
    NotionSync::new(&world.engine.backend, world.connections.clone())
}

async fn dead(world: &World) -> Vec<String> {
    world.dead_letters(queues::RECORD_SYNC).await.into_iter().map(|letter| letter.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_at_once_make_a_line_in_the_log_that_can_be_undone() {
    let world = World::start_mirrored(true, deals).await;
    let (deal, row) = pair(&world, "Roof").await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    portal.change_item(DEAL, deal, json!({"title": "By portal"}));
    world.clock.advance(Duration::from_secs(90));
    notion.edit(&row, &json!({"Name": {"title": [{"text": {"content": "By Notion"}}]}})).unwrap();
    world.settle().await;
    assert_eq!(
        (portal.item(DEAL, deal).unwrap()["title"].as_str().unwrap(), notion.shown(&row, "Name").as_str()),
        ("By Notion", "By Notion")
    );
    let conflicts = mirror(&world).conflicts.latest(&world.tenant, 10).await.unwrap();
    assert_eq!(
        conflicts.iter().map(notion_sync::conflicts::StoredConflict::line).collect::<Vec<_>>(),
        ["conflict on Name: Bitrix24 \"By portal\", Notion \"By Notion\"; Notion counts, it was edited later"]
    );
    assert!(world.ledger().await.iter().any(|line| line.contains("conflict on Name")));

    let conflict = &conflicts[0];
    let undo = SyncJob::Undo {
        database: "Deals".into(),
        record: conflict.record,
        conflict: conflict.id.clone(),
        by: "Ann".into(),
    };
    let job = notion_sync::message(&undo, &world.tenant, TraceId::new(world.clock.now()), "undo").unwrap();
    mirror(&world).send(vec![job]).await.unwrap();
    world.settle().await;
    assert_eq!(
        (portal.item(DEAL, deal).unwrap()["title"].as_str().unwrap(), notion.shown(&row, "Name").as_str()),
        ("By portal", "By portal")
    );
    let conflicts = mirror(&world).conflicts.latest(&world.tenant, 10).await.unwrap();
    assert_eq!((conflicts.len(), conflicts[0].can_be_undone()), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_shared_says_how_to_share_it_and_is_not_asked_again_and_again() {
    let world = World::start_mirrored(true, |sandbox| {
        let settings = deals(sandbox);
        sandbox.notion.share(settings["databases"][0]["database"].as_str().unwrap(), false);
        settings
    })
    .await;
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let requests = world.sandbox.notion.requests();
    for n in 0..20 {
        world.sandbox.portal.change_item(DEAL, deal, json!({"opportunity": n}));
        world.none_left_to_work_now().await;
    }
    assert_eq!(world.sandbox.notion.requests(), requests, "nothing is tried again");
    let told = world.channel("ops");
    assert_eq!(told.len(), 1, "{told:?}");
    let lines = world.ledger().await;
    assert!(
        lines.iter().any(|line| line.contains("database_not_shared") && line.contains("choose Connections")),
        "{lines:?}"
    );
    assert!(dead(&world).await.is_empty());

    // Once it is shared, what was missed is made up for.
    let (database, _) = world.sandbox.notion.database("Deals").unwrap();
    world.sandbox.notion.share(&database, true);
    world.pass(8).await;
    assert_eq!(world.sandbox.notion.shown(&row_of(&world, deal), "Amount"), "19");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_is_deleted_or_retyped_pauses_alone_and_comes_back() {
    let world = World::start_mirrored(true, deals).await;
    let (deal, row) = pair(&world, "Roof").await;
    let (portal, notion, source) = (&world.sandbox.portal, &world.sandbox.notion, source(&world));
    notion.change_schema(&source, &json!({"Amount": {"rich_text": {}}, "Close date": {"name": "Decision"}}));
    world.settle().await;
    portal.change_item(DEAL, deal, json!({"opportunity": 5, "title": "Big roof", "closedate": "2027-01-01"}));
    world.settle().await;
    assert_eq!(
        (notion.shown(&row, "Name").as_str(), notion.shown(&row, "Decision").as_str()),
        ("Big roof", "2027-01-01")
    );
    let told = world.channel("ops");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("\"opportunity\"") && told[0].contains("is paused"), "{told:?}");
    assert!(told[1].contains("\"closedate\"") && told[1].contains("The sync continues"), "{told:?}");
    portal.change_item(DEAL, deal, json!({"opportunity": 6}));
    world.settle().await;
    assert_eq!(world.channel("ops").len(), 2, "told once");

    notion.change_schema(&source, &json!({"Amount": {"number": {}}}));
    world.pass(3).await;
    assert_eq!(notion.shown(&row, "Amount"), "6", "what was missed is made up for");
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn trash_restore_moves_and_deletions_touch_nothing_on_the_other_side() {
    let world = World::start_mirrored(true, deals).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let (deal, row) = pair(&world, "Roof").await;
    notion.trash(&row, true);
    world.settle().await;
    portal.change_item(DEAL, deal, json!({"title": "Big roof"}));
    world.settle().await;
    assert_eq!(notion.shown(&row, "Name"), "Roof");
    notion.trash(&row, false);
    world.settle().await;
    assert_eq!(notion.shown(&row, "Name"), "Big roof", "restored, and in step again");

    let (_, elsewhere) = notion.add_database("Elsewhere", &json!({}));
    notion.move_row(&row, &elsewhere);
    world.settle().await;
    portal.change_item(DEAL, deal, json!({"title": "Bigger roof"}));
    world.settle().await;
    notion.move_row(&row, &source(&world));
    world.settle().await;
    assert_eq!(notion.shown(&row, "Name"), "Bigger roof");

    notion.delete_forever(&row);
    portal.change_item(DEAL, deal, json!({"title": "Biggest roof"}));
    world.settle().await;
    assert!(portal.item(DEAL, deal).is_some());
    assert_eq!(notion.rows(&source(&world)).len(), 0, "nothing is made anew by itself");

    let (other, other_row) = pair(&world, "Windows").await;
    portal.delete_item(DEAL, other);
    world.settle().await;
    assert_eq!(notion.row(&other_row).unwrap()["in_trash"], false);
    assert!(notion.shown(&other_row, "Bitrix24").starts_with("Deleted in Bitrix24"));
    let told = world.channel("ops");
    assert_eq!(told.iter().filter(|line| line.contains("no longer synced")).count(), 4, "{told:?}");
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_settings_say_is_done_when_a_side_goes() {
    let settings =
        |sandbox: &Sandbox| database(sandbox, &json!({"deleted_records": "delete", "trashed_pages": "restore"}));
    let world = World::start_mirrored(true, settings).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let (deal, row) = pair(&world, "Roof").await;
    notion.trash(&row, true);
    world.settle().await;
    assert_eq!(notion.row(&row).unwrap()["in_trash"], false);
    portal.delete_item(DEAL, deal);
    world.settle().await;
    assert_eq!(notion.row(&row).unwrap()["in_trash"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_row_is_marked_and_a_row_of_a_persons_own_is_left_alone() {
    let world = World::start_mirrored(true, deals).await;
    let (deal, _) = pair(&world, "Roof").await;
    let notion = &world.sandbox.notion;
    let copy = json!({"Name": {"title": [{"text": {"content": "Roof (1)"}}]}, "Bitrix24 ID": {"number": deal}});
    let copy = notion.add_row(&source(&world), &copy).unwrap();
    let own = notion.add_row(&source(&world), &json!({"Name": {"title": [{"text": {"content": "Mine"}}]}})).unwrap();
    world.settle().await;
    assert!(notion.shown(&copy, "Bitrix24").starts_with("A copy"));
    assert_eq!(notion.shown(&copy, "Bitrix24 ID"), "");
    assert_eq!(notion.shown(&own, "Bitrix24"), "");
    assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["title"], "Roof");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_stage_is_said_with_those_that_there_are() {
    let world = World::start_mirrored(true, deals).await;
    let (deal, row) = pair(&world, "Roof").await;
    let notion = &world.sandbox.notion;
    notion.edit(&row, &json!({"Stage": {"select": {"name": "Weird"}}, "Amount": {"number": 7}})).unwrap();
    world.settle().await;
    let item = world.sandbox.portal.item(DEAL, deal).unwrap();
    assert_eq!((&item["stageId"], &item["opportunity"]), (&json!("NEW"), &json!(7)), "the other field went");
    let told = world.channel("ops");
    assert_eq!(told.len(), 1);
    let lines = world.ledger().await.join("\n");
    let links =
        mirror(&world).links.get(&world.tenant, "Deals", Record::item(bitrix24::EntityType::DEAL, deal)).await.unwrap();
    let stuck = &links.unwrap().0.stuck[0];
    assert!(
        stuck.why.to_string().contains("\"Weird\"") && stuck.why.to_string().contains("Новая"),
        "{stuck:?} {lines}"
    );
    // A value of a list that the portal drops without a word.
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_made_once_however_its_making_fails() {
    for fault in [
        Fault::Saved { told: true },
        Fault::Saved { told: false },
        Fault::Reset { when: When::AfterEffect },
        Fault::Reset { when: When::BeforeEffect },
        Fault::Html { status: 502, when: When::AfterEffect },
        Fault::Html { status: 502, when: When::BeforeEffect },
        Fault::CutJson { when: When::AfterEffect },
        Fault::Code { status: 409, code: "conflict_error".into() },
        Fault::Code { status: 529, code: "service_overload".into() },
        Fault::TooMany { seconds: 90 },
    ] {
        let world = World::start_mirrored(true, deals).await;
        world.sandbox.notion.lag_queries(Duration::from_secs(30));
        world.sandbox.notion.fail_next("POST /v1/pages", fault.clone());
        let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
        world.settle().await;
        let titles = world.sandbox.notion.titles(&source(&world));
        assert_eq!(titles, ["Roof"], "{fault:?}");
        world.sandbox.portal.change_item(DEAL, deal, json!({"title": "Roof!"}));
        world.settle().await;
        assert_eq!(world.sandbox.notion.titles(&source(&world)), ["Roof!"], "{fault:?}");
        assert!(dead(&world).await.is_empty(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_arrives_once_however_its_writing_fails() {
    for fault in [
        Fault::Saved { told: true },
        Fault::Saved { told: false },
        Fault::Reset { when: When::AfterEffect },
        Fault::Html { status: 502, when: When::BeforeEffect },
        Fault::Code { status: 409, code: "conflict_error".into() },
    ] {
        let world = World::start_mirrored(true, deals).await;
        let (deal, row) = pair(&world, "Roof").await;
        world.sandbox.notion.fail_next("PATCH /v1/pages/", fault.clone());
        world.sandbox.portal.fail_next("crm.item.update", Fault::Reset { when: When::AfterEffect });
        world.sandbox.portal.change_item(DEAL, deal, json!({"title": "Big roof"}));
        world.sandbox.notion.edit(&row, &json!({"Amount": {"number": 8}})).unwrap();
        world.settle().await;
        assert_eq!(world.sandbox.notion.shown(&row, "Name"), "Big roof", "{fault:?}");
        assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["opportunity"], 8, "{fault:?}");
        assert!(dead(&world).await.is_empty(), "{fault:?}");
        assert!(mirror(&world).conflicts.latest(&world.tenant, 9).await.unwrap().is_empty(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn used_up_blocks_are_stated_and_not_retried() {
    let world = World::start_mirrored(true, deals).await;
    let (deal, row) = pair(&world, "Roof").await;
    world.sandbox.notion.use_up_blocks(true);
    world.sandbox.portal.add_deal("Windows", 1, "EUR");
    world.settle().await;
    assert_eq!(dead(&world).await, ["block_limit"]);
    assert!(world.channel("ops")[0].contains("free blocks are used up"));
    // What is there is still synced.
    world.sandbox.portal.change_item(DEAL, deal, json!({"title": "Big roof"}));
    world.settle().await;
    assert_eq!(world.sandbox.notion.shown(&row, "Name"), "Big roof");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_are_split_and_never_cut_in_silence() {
    let settings = |sandbox: &Sandbox| {
        database(
            sandbox,
            &json!({"fields": [{"field": "title", "property": "Name"}, {"field": "comments", "property": "Comments"}]}),
        )
    };
    let world = World::start_mirrored(true, settings).await;
    let (deal, row) = pair(&world, "Roof").await;
    let long = "слово ".repeat(2_000);
    world.sandbox.portal.change_item(DEAL, deal, json!({"comments": long}));
    world.settle().await;
    assert_eq!(world.sandbox.notion.shown(&row, "Comments"), long.trim_end());
    // Longer than any property: said, and left as it is.
    world.sandbox.portal.change_item(DEAL, deal, json!({"comments": "x".repeat(200_001)}));
    world.settle().await;
    assert_eq!(world.sandbox.notion.shown(&row, "Comments"), long.trim_end());
    assert!(world.channel("ops")[0].contains("comments"), "{:?}", world.channel("ops"));
    // The portal cuts a title without a word: Notion keeps its own, and nothing travels back.
    let title = "y".repeat(300);
    world.sandbox.notion.edit(&row, &json!({"Name": {"title": [{"text": {"content": title}}]}})).unwrap();
    world.pass(6).await;
    assert_eq!(world.sandbox.notion.shown(&row, "Name").len(), 300);
    assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["title"].as_str().unwrap().len(), 255);
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_and_deep_body_is_written_whole_and_once_though_calls_fail() {
    let mut page: Vec<Value> = (0..230).map(|n| json!({"text": format!("line {n}")})).collect();
    let rows: Vec<_> = (0..130).map(|n| json!([n.to_string(), "x"])).collect();
    page.insert(3, json!({"table": rows}));
    let settings = move |sandbox: &Sandbox| database(sandbox, &json!({"page": page}));
    let world = World::start_mirrored(true, settings).await;
    for when in [When::AfterEffect, When::BeforeEffect] {
        world.sandbox.notion.fail_next("PATCH /v1/blocks//children", Fault::Reset { when });
    }
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let body = world.sandbox.notion.body(&row_of(&world, deal));
    let lines: Vec<_> = body.iter().filter(|line| line.starts_with("paragraph")).cloned().collect();
    assert_eq!(lines, (0..230).map(|n| format!("paragraph: line {n}")).collect::<Vec<_>>());
    assert_eq!(body.iter().filter(|line| line.contains("table_row")).count(), 130);
    assert!(dead(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_notions_is_refused_and_a_token_is_taken_only_when_somebody_waits() {
    let world = World::start_mirrored(true, deals).await;
    let (key, _) = world.connections.notion_address(&world.tenant).await.unwrap().unwrap();
    let url = world.notion_webhook(secrecy::ExposeSecret::expose_secret(&key));
    let post = |body: &'static str, signature: String| {
        let request = world.http.post(&url).header("x-notion-signature", signature).body(body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let sign = |token: &str, body: &str| notion::signature::sign(&token.to_owned().into(), body.as_bytes());
    assert_eq!(post("{}", String::new()).await, 401);
    assert_eq!(post("{}", sign("guess", "{}")).await, 401);
    let offered = r#"{"verification_token":"secret_evil"}"#;
    // The window of the first subscription is still open for the minutes that it lasts.
    world.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(post(offered, sign("secret_evil", offered)).await, 403);
    assert_eq!(post(offered, sign("other", offered)).await, 401);
    let unknown = world.http.post(world.notion_webhook("nobody")).body("{}").send().await.unwrap();
    assert_eq!(unknown.status(), 401);
    let got = world.http.get(&url).send().await.unwrap();
    assert_eq!(got.status(), 405);
    let huge = world.http.post(&url).body("x".repeat(2 * 1024 * 1024)).send().await.unwrap();
    assert_eq!(huge.status(), 413);
}
