//! Records and their Notion pages, in sync.

use journeys::World;
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::{COMPANY, DEAL};

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

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_left_to_rest_shows_as_waiting_at_once() {
    let world = World::start_mirrored(true, deals).await;
    let notion = &world.sandbox.notion;
    let deal = world.sandbox.portal.add_deal("Roof", 500, "EUR");
    world.settle().await;
    world.clock.advance(std::time::Duration::from_secs(120));
    notion.edit(&row_of(&world, "Projects", deal), &json!({"Amount": {"number": 99}})).unwrap();
    let resting = loop {
        world.none_left_to_work_now().await;
        let ledger = world.ledger().await;
        if let Some(line) = ledger.into_iter().find(|line| line.contains("page.properties_updated")) {
            break line;
        }
        // Until the simulator sends the event, nothing has been accepted.
        world.clock.advance(std::time::Duration::from_millis(100));
    };
    assert!(resting.contains("| waiting |"), "{resting}");
    assert_ne!(world.sandbox.portal.item(DEAL, deal).unwrap()["opportunity"], json!(99));
    world.settle().await;
    assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["opportunity"], json!(99));
    let lines = runtime::ledger::Ledger::new(world.engine.backend.store.clone());
    let today = runtime::ledger::today(runtime::Clock::now(world.clock.as_ref()));
    let lines = lines.day(&world.tenant, &today, None).await.unwrap().lines;
    let event = lines.iter().find_map(|line| match line {
        runtime::ledger::LedgerLine::Event(event) if event.event == "page.properties_updated" => Some(event),
        _ => None,
    });
    let event = event.unwrap();
    assert!(event.attempts >= 2, "{event:?}");
    // It shows what the earlier tries called as well: each of them read the page.
    let reads = event.calls.iter().filter(|call| call.to.contains("GET")).count();
    assert!(reads >= 2, "{:#?}", event.calls);
}

/// Projects, won projects and tasks, each in a database of its own.
fn three(sandbox: &Sandbox) -> Value {
    let (projects, _) = sandbox.notion.add_database("Projects", &json!({}));
    let (active, _) = sandbox.notion.add_database("Active Projects", &json!({}));
    let (tasks, _) = sandbox.notion.add_database("Tasks", &json!({"Status": {"status": {"options": [
        {"name": "To do"}, {"name": "In progress"}, {"name": "Awaiting control"}, {"name": "Done"}, {"name": "Deferred"},
    ]}}}));
    sandbox.notion.add_person("Dmitry", "user6@example.com");
    json!({"databases": [
        {"name": "Projects", "database": projects, "records": "deal"},
        {"name": "Active Projects", "database": active, "records": "deal", "when": "record.stageSemanticId == 'S'", "fields": [
            {"field": "title", "property": "Name"}, {"field": "opportunity", "property": "Budget"},
            {"field": "self", "property": "Project", "type": "relation"},
        ], "page": [{"text": "Won: {sum}"}]},
        {"name": "Tasks", "database": tasks, "records": "task"},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_won_deal_gets_a_second_page_that_leads_to_the_first_and_a_task_leads_to_its_project() {
    let world = World::start_mirrored(true, three).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let deal = portal.add_deal("Roof", 500, "EUR");
    world.settle().await;
    assert_eq!(notion.titles(&source(&world, "Active Projects")).len(), 0);
    portal.move_deal(deal, "WON");
    world.settle().await;
    let (first, second) = (row_of(&world, "Projects", deal), row_of(&world, "Active Projects", deal));
    assert_eq!(notion.shown(&second, "Project"), first);
    assert_eq!(
        (notion.shown(&second, "Budget").as_str(), notion.body(&second)),
        ("500", vec!["paragraph: Won: 500 EUR".into()])
    );

    let task = portal.add_task(json!({"TITLE": "Order tiles", "RESPONSIBLE_ID": 6, "UF_CRM_TASK": [format!("D_{deal}")], "DEADLINE": "2026-11-25T15:00:00+00:00"}));
    world.settle().await;
    let row = row_of(&world, "Tasks", task);
    assert_eq!(
        ["Name", "Status", "Responsible", "Deadline", "Project"].map(|property| notion.shown(&row, property)),
        ["Order tiles", "To do", "Dmitry", "2026-11-25T15:00:00.000+00:00", &first]
    );
    notion
        .edit(&row, &json!({"Status": {"status": {"name": "Done"}}, "Deadline": {"date": {"start": "2026-11-26"}}}))
        .unwrap();
    world.settle().await;
    let kept = portal.task(task).unwrap();
    assert_eq!((&kept["status"], kept["deadline"].as_str().unwrap()), (&json!("5"), "2026-11-26T23:59:00+00:00"));
    assert_eq!(notion.shown(&row, "Deadline"), "2026-11-26", "the same day, as it was written");
    assert_eq!(world.dead_letters(jobs::queues::RECORD_SYNC).await.len(), 0);
}

/// Every type of field, with its property.
fn every_type(sandbox: &Sandbox) -> Value {
    let portal = &sandbox.portal;
    portal.add_field(DEAL, "ufCrm_text", "string", false, &[]);
    portal.add_field(DEAL, "ufCrm_list", "enumeration", false, &[(44, "Wood"), (46, "Steel")]);
    portal.add_field(DEAL, "ufCrm_tags", "enumeration", true, &[(50, "urgent"), (52, "repeat"), (54, "vip")]);
    portal.add_field(DEAL, "ufCrm_money", "money", false, &[]);
    portal.add_field(DEAL, "ufCrm_date", "date", false, &[]);
    portal.add_field(DEAL, "ufCrm_moment", "datetime", false, &[]);
    portal.add_field(DEAL, "ufCrm_flag", "boolean", false, &[]);
    portal.add_field(DEAL, "ufCrm_people", "employee", true, &[]);
    portal.add_field(DEAL, "ufCrm_url", "url", false, &[]);
    portal.add_field(DEAL, "ufCrm_mail", "string", false, &[]);
    portal.add_field(DEAL, "ufCrm_phone", "string", false, &[]);
    portal.add_field(DEAL, "ufCrm_file", "file", true, &[]);
    portal.add_field(DEAL, "ufCrm_count", "integer", false, &[]);
    let (companies, _) = sandbox.notion.add_database("Companies", &json!({}));
    let (database, _) = sandbox.notion.add_database(
        "Deals",
        &json!({
            "Mail": {"email": {}}, "Phone": {"phone_number": {}},
            "Stage": {"status": {"options": [{"name": "Fresh"}, {"name": "Won"}, {"name": "Lost"}]}},
        }),
    );
    sandbox.notion.add_person("Dmitry", "user6@example.com");
    sandbox.notion.add_person("Anna", "user1@example.com");
    json!({"databases": [
        {"name": "Companies", "database": companies, "records": "company"},
        {"name": "Deals", "database": database, "records": "deal", "page": [], "fields": [
            {"field": "title", "property": "Name"},
            {"field": "stageId", "property": "Stage", "values": {"NEW": "Fresh", "WON": "Won", "LOSE": "Lost"}},
            {"field": "opportunity", "property": "Amount"},
            {"field": "comments", "property": "Comments"},
            {"field": "assignedById", "property": "Responsible", "unmapped": "Others"},
            {"field": "companyId", "property": "Company"},
            {"field": "closedate", "property": "Close date"},
            {"field": "ufCrm_text", "property": "Text"}, {"field": "ufCrm_list", "property": "Material"},
            {"field": "ufCrm_tags", "property": "Tags"}, {"field": "ufCrm_money", "property": "Cost"},
            {"field": "ufCrm_date", "property": "Day"}, {"field": "ufCrm_moment", "property": "Moment"},
            {"field": "ufCrm_flag", "property": "Flag"}, {"field": "ufCrm_people", "property": "Team"},
            {"field": "ufCrm_url", "property": "Page"}, {"field": "ufCrm_mail", "property": "Mail"},
            {"field": "ufCrm_phone", "property": "Phone"}, {"field": "ufCrm_file", "property": "Files"},
            {"field": "ufCrm_count", "property": "Count"},
        ]},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_field_goes_both_ways() {
    let world = World::start_mirrored(true, every_type).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let (acme, other) =
        (portal.add_item(COMPANY, json!({"title": "ACME"})), portal.add_item(COMPANY, json!({"title": "Other"})));
    let deal = portal
        .add_item(DEAL, json!({"title": "Roof", "companyId": acme, "assignedById": 6, "closedate": "2026-12-24"}));
    world.settle().await;
    let row = row_of(&world, "Deals", deal);
    let person = |name: &str| {
        let people = notion.save()["people"].as_array().unwrap().clone();
        people.iter().find(|user| user["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let company_page = |id: u64| row_of(&world, "Companies", id);
    // From the portal: the value there, and what Notion then shows.
    for (field, value, property, shown) in [
        ("title", json!("Big roof"), "Name", "Big roof".to_owned()),
        ("stageId", json!("WON"), "Stage", "Won".into()),
        ("opportunity", json!(1234.5), "Amount", "1234.5".into()),
        ("comments", json!("[b]Bold[/b] words\nline two"), "Comments", "Bold words\nline two".into()),
        ("assignedById", json!(1), "Responsible", "Anna".into()),
        ("companyId", json!(other), "Company", company_page(other)),
        ("closedate", json!("2026-12-31"), "Close date", "2026-12-31".into()),
        ("ufCrm_text", json!("text"), "Text", "text".into()),
        ("ufCrm_list", json!(46), "Material", "Steel".into()),
        ("ufCrm_tags", json!([50, 54]), "Tags", "urgent, vip".into()),
        ("ufCrm_money", json!("99.90|EUR"), "Cost", "99.9".into()),
        ("ufCrm_date", json!("2027-01-01"), "Day", "2027-01-01".into()),
        ("ufCrm_moment", json!("2027-01-01T10:30:00+00:00"), "Moment", "2027-01-01T10:30:00.000+00:00".into()),
        ("ufCrm_flag", json!("Y"), "Flag", "true".into()),
        ("ufCrm_people", json!([1, 6]), "Team", "Anna, Dmitry".into()),
        ("ufCrm_url", json!("https://example.com/a"), "Page", "https://example.com/a".into()),
        ("ufCrm_mail", json!("a@example.com"), "Mail", "a@example.com".into()),
        ("ufCrm_phone", json!("+49 30 1"), "Phone", "+49 30 1".into()),
        (
            "ufCrm_file",
            json!([{"id": 7, "url": "https://example.com/f", "urlMachine": "https://example.com/m"}]),
            "Files",
            "File 7".into(),
        ),
        ("ufCrm_count", json!(12), "Count", "12".into()),
    ] {
        portal.change_item(DEAL, deal, json!({field: value}));
        world.settle().await;
        assert_eq!(notion.shown(&row, property), shown, "{field}");
    }
    // From Notion: what is written there, and what the portal then has.
    for (property, value, field, kept) in [
        ("Name", json!({"title": [{"text": {"content": "Small roof "}}]}), "title", json!("Small roof")),
        ("Stage", json!({"status": {"name": "Lost"}}), "stageId", json!("LOSE")),
        ("Amount", json!({"number": 7.25}), "opportunity", json!(7.25)),
        (
            "Comments",
            json!({"rich_text": [{"text": {"content": "plain [send=/x]y[/send]"}}]}),
            "comments",
            json!("[b]plain[/b] [\u{200b}send=/x]y[\u{200b}/send]"),
        ),
        ("Responsible", json!({"people": [{"id": person("Dmitry")}]}), "assignedById", json!(6)),
        ("Company", json!({"relation": [{"id": company_page(acme)}]}), "companyId", json!(acme)),
        ("Close date", json!({"date": {"start": "2026-11-30"}}), "closedate", json!("2026-11-30T00:00:00+03:00")),
        ("Text", json!({"rich_text": [{"text": {"content": "other"}}]}), "ufCrm_text", json!("other")),
        ("Material", json!({"select": {"name": "wood"}}), "ufCrm_list", json!(44)),
        ("Tags", json!({"multi_select": [{"name": "repeat"}]}), "ufCrm_tags", json!([52])),
        ("Cost", json!({"number": 100}), "ufCrm_money", json!("100.00|EUR")),
        ("Day", json!({"date": {"start": "2027-02-01"}}), "ufCrm_date", json!("2027-02-01T00:00:00+03:00")),
        (
            "Moment",
            json!({"date": {"start": "2027-02-01T12:00:00+02:00"}}),
            "ufCrm_moment",
            json!("2027-02-01T13:00:00+03:00"),
        ),
        ("Flag", json!({"checkbox": false}), "ufCrm_flag", json!("N")),
        ("Team", json!({"people": []}), "ufCrm_people", json!([])),
        ("Page", json!({"url": null}), "ufCrm_url", json!("")),
        ("Mail", json!({"email": "b@example.com"}), "ufCrm_mail", json!("b@example.com")),
        ("Phone", json!({"phone_number": "112"}), "ufCrm_phone", json!("112")),
        ("Count", json!({"number": 13}), "ufCrm_count", json!(13)),
    ] {
        notion.edit(&row, &json!({property: value})).unwrap();
        world.settle().await;
        assert_eq!(portal.item(DEAL, deal).unwrap()[field], kept, "{property}");
    }
    // A file goes one way: what somebody puts beside it in Notion is put back, with a line in the log.
    notion.edit(&row, &json!({"Files": {"files": []}})).unwrap();
    world.settle().await;
    assert_eq!(notion.shown(&row, "Files"), "File 7");
    assert_eq!(world.dead_letters(jobs::queues::RECORD_SYNC).await.len(), 0);
    assert_eq!(world.channel("ops"), Vec::<String>::new());
}
