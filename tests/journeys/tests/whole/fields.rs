//! Values of every type, both ways.

use bitrix24::EntityType;
use journeys::World;
use notion_sync::NotionSync;
use records::Record;
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::DEAL;

/// Deals with fields that hold several values, each in the property that is made for it; one in a property that holds one.
fn lists(sandbox: &Sandbox) -> Value {
    let portal = &sandbox.portal;
    for (name, kind, multiple) in [
        ("ufCrm_8", "string", true),
        ("ufCrm_7", "date", true),
        ("ufCrm_5", "double", true),
        ("ufCrm_4", "money", true),
        ("ufCrm_9", "url", true),
        ("ufCrm_3", "datetime", true),
        ("ufCrm_11", "employee", true),
        ("ufCrm_6", "money", false),
        ("ufCrm_12", "address", false),
        ("ufCrm_13", "date", true),
        ("ufCrm_14", "iblock_section", true),
        ("ufCrm_15", "double", false),
    ] {
        portal.add_field(DEAL, name, kind, multiple, &[]);
        portal.set_precision(DEAL, name, 6);
    }
    portal.add_field(DEAL, "ufCrm_10", "enumeration", true, &[(50, "urgent"), (52, "repeat"), (54, "repeat")]);
    let (database, _) = sandbox.notion.add_database("Deals", &json!({"Visit": {"date": {}}}));
    sandbox.notion.add_person("Dmitry", "user6@example.com");
    sandbox.notion.add_person("Anna", "user1@example.com");
    let field = |(field, property): (&str, &str)| json!({"field": field, "property": property});
    let fields = [
        ("title", "Name"),
        ("opportunity", "Amount"),
        ("assignedById", "Responsible"),
        ("ufCrm_8", "Sites"),
        ("ufCrm_7", "Days"),
        ("ufCrm_5", "Sizes"),
        ("ufCrm_4", "Costs"),
        ("ufCrm_9", "Pages"),
        ("ufCrm_3", "Visits"),
        ("ufCrm_10", "Tags"),
        ("ufCrm_11", "Team"),
        ("ufCrm_6", "Cost"),
        ("ufCrm_12", "Address"),
        ("ufCrm_13", "Visit"),
        ("ufCrm_14", "Section"),
        ("ufCrm_15", "Width"),
    ];
    json!({"databases": [
        {"name": "Deals", "database": database, "records": "deal", "page": [], "fields": fields.map(field)},
    ]})
}

fn deal() -> Value {
    json!({
        "title": "Roof", "assignedById": 6, "opportunity": 500,
        "ufCrm_8": ["Roof", "Wall, north", "Roof"],
        "ufCrm_7": ["2026-12-01T00:00:00+03:00", "2026-12-15T00:00:00+03:00"],
        "ufCrm_5": [10, 20.123_456],
        "ufCrm_4": ["10.00|EUR", "20.00|USD"],
        "ufCrm_9": ["https://example.com/a", "https://example.com/b"],
        "ufCrm_3": ["2026-12-01T10:30:15+03:00", "2026-12-02T10:30:45+03:00"],
        "ufCrm_10": [52, 54],
        "ufCrm_11": [8, 1],
        "ufCrm_6": "99.90|EUR",
        "ufCrm_12": "Main Street 1|52.51;13.38|77",
        "ufCrm_13": ["2026-12-01T00:00:00+03:00", "2026-12-15T00:00:00+03:00"],
        "ufCrm_14": [7, 9],
        "ufCrm_15": 3.271_593,
    })
}

fn row(world: &World) -> String {
    let source = world.sandbox.notion.database("Deals").unwrap().1;
    world.sandbox.notion.rows(&source)[0]["id"].as_str().unwrap().to_owned()
}

fn text(content: &str) -> Value {
    json!({"rich_text": [{"text": {"content": content}}]})
}

fn mirror(world: &World) -> NotionSync {
    NotionSync::new(&world.engine.backend, world.connections.clone())
}

/// Somebody edits a property, and everything comes to rest.
async fn edit(world: &World, property: &str, value: Value) {
    let row = row(world);
    world.sandbox.notion.edit(&row, &json!({property: value})).unwrap();
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_stays_a_list_whatever_is_edited_in_notion() {
    let world = World::start_mirrored(true, lists).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let id = portal.add_item(DEAL, deal());
    world.settle().await;
    let row = row(&world);
    for (property, shown) in [
        ("Sites", "Roof\nWall, north\nRoof"),
        ("Days", "2026-12-01\n2026-12-15"),
        ("Sizes", "10\n20.123456"),
        ("Costs", "10 EUR\n20 USD"),
        ("Pages", "https://example.com/a\nhttps://example.com/b"),
        ("Tags", "repeat"),
        ("Team", "Anna"),
        ("Cost", "99.9"),
        ("Address", "Main Street 1"),
        ("Section", "7\n9"),
        ("Width", "3.271593"),
    ] {
        assert_eq!(notion.shown(&row, property), shown, "{property}");
    }
    // A property that holds one takes no list: that mapping pauses, with the reason and the fix.
    assert!(world.channel("ops").iter().any(|line| line.contains("ufCrm_13")), "{:?}", world.channel("ops"));
    let known = mirror(&world).stored(&world.tenant, "Deals").await.unwrap().unwrap();
    let reason = known.troubles[0].text.to_string();
    assert!(reason.contains("the field holds several values") && reason.contains("rich_text"), "{reason}");

    let before = portal.item(DEAL, id).unwrap();
    let people = notion.save()["people"].as_array().unwrap().clone();
    let person = |name: &str| people.iter().find(|user| user["name"] == name).unwrap()["id"].clone();
    for (property, value, field, kept) in [
        ("Sites", text("Roof\nWall, north\nRoof\nDoor"), "ufCrm_8", json!(["Roof", "Wall, north", "Roof", "Door"])),
        (
            "Days",
            text("2026-12-01\n2026-12-16"),
            "ufCrm_7",
            json!(["2026-12-01T00:00:00+03:00", "2026-12-16T00:00:00+03:00"]),
        ),
        ("Sizes", text("15\n20.123456"), "ufCrm_5", json!([15, 20.123_456])),
        ("Costs", text("10 EUR\n25.5 USD"), "ufCrm_4", json!(["10.00|EUR", "25.50|USD"])),
        (
            "Pages",
            text("https://example.com/c\nhttps://example.com/a\nhttps://example.com/b"),
            "ufCrm_9",
            json!(["https://example.com/c", "https://example.com/a", "https://example.com/b"]),
        ),
        ("Tags", json!({"multi_select": [{"name": "repeat"}, {"name": "urgent"}]}), "ufCrm_10", json!([52, 54, 50])),
        ("Team", json!({"people": [{"id": person("Anna")}, {"id": person("Dmitry")}]}), "ufCrm_11", json!([8, 1, 6])),
        ("Cost", json!({"number": 100}), "ufCrm_6", json!("100.00|EUR")),
    ] {
        edit(&world, property, value).await;
        assert_eq!(portal.item(DEAL, id).unwrap()[field], kept, "{property}");
    }
    let after = portal.item(DEAL, id).unwrap();
    for untouched in ["ufCrm_3", "ufCrm_12", "ufCrm_13", "ufCrm_14", "ufCrm_15", "opportunity", "title"] {
        assert_eq!(after[untouched], before[untouched], "{untouched}");
    }
    // A list that is emptied is emptied.
    edit(&world, "Pages", json!({"rich_text": []})).await;
    assert_eq!(portal.item(DEAL, id).unwrap()["ufCrm_9"], json!([]));
    assert_eq!(world.dead_letters(jobs::queues::RECORD_SYNC).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_would_lose_something_is_refused_with_the_reason_and_the_rest_goes_on() {
    let world = World::start_mirrored(true, lists).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let id = portal.add_item(DEAL, deal());
    world.settle().await;
    let row = row(&world);
    let before = portal.item(DEAL, id).unwrap();
    for (property, value, reason) in [
        ("Name", json!({"title": [{"text": {"content": " \u{a0}"}}]}), "may not be empty"),
        ("Responsible", json!({"people": []}), "may not be empty"),
        ("Sites", text("Roof, Wall, north, Roof, Door"), "line 1 holds several of the values"),
        ("Days", text("2026-12-01\nsoon"), "line 2"),
        ("Sizes", text("10\n20\nten"), "line 3"),
        ("Costs", text("10 EUR\n20 USD\n30"), "lacks its currency"),
        ("Address", text("Main Street 2"), "place on the map"),
        ("Amount", json!({"number": 500.125}), "digits after the point"),
    ] {
        let said = world.channel("ops").len();
        edit(&world, property, value).await;
        assert!(world.channel("ops").len() > said, "{property}: the operators hear of it");
        let record = Record::item(EntityType::DEAL, id);
        let link = mirror(&world).links.get(&world.tenant, "Deals", record).await.unwrap().unwrap().0;
        assert!(link.stuck.iter().any(|stuck| stuck.why.to_string().contains(reason)), "{property}: {:?}", link.stuck);
        let now = portal.item(DEAL, id).unwrap();
        let fields = ["title", "assignedById", "ufCrm_8", "ufCrm_7", "ufCrm_5", "ufCrm_4", "ufCrm_12", "opportunity"];
        for field in fields {
            assert_eq!(now[field], before[field], "{field} after an edit of {property}");
        }
    }
    assert_eq!(notion.shown(&row, "Days"), "2026-12-01\nsoon", "what was written stays where it was written");
    edit(&world, "Width", json!({"number": 2.5})).await;
    assert_eq!(portal.item(DEAL, id).unwrap()["ufCrm_15"], json!(2.5), "other fields go on");
}
