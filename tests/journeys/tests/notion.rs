//! Records and their Notion pages, kept alike.
#![allow(clippy::unwrap_used)]

use journeys::World;
use sandbox::Sandbox;
use sandbox::portal::{COMPANY, DEAL};
use serde_json::{Value, json};

/// Deals in a database that has a title and nothing else.
fn deals(sandbox: &Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Projects", &json!({}));
    sandbox.notion.add_person("Dmitry", "user6@example.com");
    sandbox.notion.add_person("Anna", "user1@example.com");
    json!({"databases": [{"name": "Projects", "database": database, "records": "deal"}]})
}

fn source(world: &World, title: &str) -> String {
    world.sandbox.notion.database(title).unwrap().1
}

/// The row of a record, by its number.
fn row_of(world: &World, title: &str, id: u64) -> String {
    let rows = world.sandbox.notion.rows(&source(world, title));
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == id);
    row.unwrap_or_else(|| panic!("no row of {id}"))["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_deal_gets_a_page_and_both_sides_are_edited() {
    let world = World::start_mirrored(true, deals).await;
    let portal = &world.sandbox.portal;
    let company = portal.add_item(COMPANY, json!({"title": "ACME"}));
    let deal = portal.add_item(
        DEAL,
        json!({"title": "Roof for ACME", "opportunity": 150_000, "companyId": company, "assignedById": 6, "closedate": "2026-12-24"}),
    );
    world.settle().await;
    for line in world.ledger().await {
        println!("{line}");
    }
    let row = row_of(&world, "Projects", deal);
    let shown = |property: &str| world.sandbox.notion.shown(&row, property);
    assert_eq!(
        ["Name", "Stage", "Amount", "Responsible", "Company", "Close date"].map(shown),
        ["Roof for ACME", "Новая", "150000", "Dmitry", "ACME", "2026-12-24"]
    );
    insta::assert_snapshot!(world.sandbox.notion.body(&row).join("\n"));

    world
        .sandbox
        .notion
        .edit(&row, &json!({"Stage": {"select": {"name": "Сделка успешна"}}, "Amount": {"number": 160_000.5}}))
        .unwrap();
    world.settle().await;
    let item = portal.item(DEAL, deal).unwrap();
    assert_eq!((&item["stageId"], &item["opportunity"]), (&json!("WON"), &json!(160_000.5)));

    portal.change_item(DEAL, deal, json!({"title": "Roof and windows", "assignedById": 1}));
    world.settle().await;
    assert_eq!((shown("Name").as_str(), shown("Responsible").as_str()), ("Roof and windows", "Anna"));
    assert_eq!(world.sandbox.notion.writes(), 2, "the page was made and changed once");
}
