//! What a strict Notion means for the sync: properties that nobody may write, short pages, conflicts.

use journeys::World;
use serde_json::{Value, json};
use simulators::portal::DEAL;
use simulators::{Fault, Sandbox};

/// Deals in a database that has properties which only Notion writes.
fn deals(sandbox: &Sandbox) -> Value {
    let notion = &sandbox.notion;
    let (database, source) = notion.add_database(
        "Projects",
        &json!({
            "Parent": {"button": {}}, "Made": {"created_time": {}}, "Maker": {"created_by": {}}, "No": {"unique_id": {"prefix": "D"}},
            "Edited": {"last_edited_time": {}}, "Editor": {"last_edited_by": {}}, "Where": {"place": {}}, "Checked": {"verification": {}},
        }),
    );
    let computed = json!({"Loud": {"formula": {"expression": "prop(\"Name\") + \"!\""}}});
    notion.try_change_schema(&source, &computed).unwrap();
    notion.add_person("Dmitry", "user6@example.com");
    json!({"databases": [{"name": "Projects", "database": database, "records": "deal"}]})
}

fn rows(world: &World) -> Vec<Value> {
    let source = world.sandbox.notion.database("Projects").unwrap().1;
    world.sandbox.notion.rows(&source)
}

fn row_of(world: &World, deal: u64) -> String {
    let rows = rows(world);
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap();
    row["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_only_notion_writes_are_left_alone() {
    let world = World::start_mirrored(true, deals).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let deal = portal.add_deal("Roof", 500, "EUR");
    world.settle().await;
    let row = row_of(&world, deal);
    assert_eq!((notion.shown(&row, "Loud"), notion.shown(&row, "No")), ("Roof!".into(), "D-1".into()));
    notion
        .edit(
            &row,
            &json!({"Amount": {"number": 700}, "Where": {"place": {"lat": 52.5, "lon": 13.4, "name": "Berlin"}}}),
        )
        .unwrap();
    world.settle().await;
    assert_eq!(portal.item(DEAL, deal).unwrap()["opportunity"], 700);
    portal.change_item(DEAL, deal, json!({"title": "Big roof"}));
    world.settle().await;
    assert_eq!((notion.shown(&row, "Loud"), notion.shown(&row, "Where")), ("Big roof!".into(), "Berlin".into()));
    assert_eq!(world.dead_letters(jobs::queues::RECORD_SYNC).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_pages_and_conflicts_lose_nothing() {
    let world = World::start_mirrored(true, deals).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    notion.short_pages(true);
    let all: Vec<u64> = (0..7).map(|n| portal.add_deal(&format!("Deal {n}"), n, "EUR")).collect();
    world.settle().await;
    for (number, deal) in all.iter().enumerate() {
        notion.edit(&row_of(&world, *deal), &json!({"Amount": {"number": 100 + number}})).unwrap();
    }
    for _ in 0..2 {
        notion.fail_next("PATCH /v1/pages/", Fault::Code { status: 409, code: "conflict_error".into() });
    }
    portal.change_item(DEAL, all[0], json!({"title": "Changed"}));
    world.pass(10).await;
    world.settle().await;
    let amounts: Vec<Value> = all.iter().map(|deal| portal.item(DEAL, *deal).unwrap()["opportunity"].clone()).collect();
    assert_eq!(amounts, (100..107).map(Value::from).collect::<Vec<_>>());
    assert_eq!(notion.shown(&row_of(&world, all[0]), "Name"), "Changed");
    assert_eq!(rows(&world).len(), 7, "each deal has one page");
    assert_eq!(world.dead_letters(jobs::queues::RECORD_SYNC).await.len(), 0);
}
