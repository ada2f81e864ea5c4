//! Rows and records that exist before they are linked.

use std::time::Duration;

use jobs::queues;
use jobs::sync::{Others, SyncJob};
use journeys::World;
use journeys::estate::Browser;
use notion_sync::NotionSync;
use notion_sync::plan::{EntryKind, PlanLine};
use notion_sync::runs::SyncRun;
use notion_sync::runs::{Phase, RunRequest};
use runtime::TraceId;
use runtime::store::{Query, Table};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::{COMPANY, CONTACT, DEAL};

fn mirror(world: &World) -> NotionSync {
    NotionSync::new(&world.engine.backend, world.connections.clone())
}

async fn run(world: &World, database: &str, dry: bool) -> SyncRun {
    let mirror = mirror(world);
    let wanted = RunRequest { dry, since: None, by: "a test" };
    let id = mirror.start(&world.tenant, database, &wanted).await.unwrap();
    world.settle().await;
    let run = mirror.runs.get(&world.tenant, &id).await.unwrap().unwrap().0;
    assert_eq!(run.phase, Phase::Done, "{run:?}");
    assert_eq!(world.dead_letters(queues::RECORD_SYNC).await.len(), 0);
    run
}

async fn entries(world: &World, run: &SyncRun, kind: EntryKind) -> Vec<PlanLine> {
    mirror(world).plans.all(&world.tenant, &run.id, Some(kind)).await.unwrap()
}

fn title(text: &str) -> Value {
    json!({"title": [{"text": {"content": text}}]})
}

fn text(text: &str) -> Value {
    json!({"rich_text": [{"text": {"content": text}}]})
}

fn source(world: &World, database: &str) -> String {
    world.sandbox.notion.database(database).unwrap().1
}

#[allow(clippy::needless_pass_by_value)] // reads better
fn add(world: &World, database: &str, properties: Value) -> String {
    world.sandbox.notion.add_row(&source(world, database), &properties).unwrap()
}

/// The rows that carry a number.
fn with_number(world: &World, database: &str, number: u64) -> Vec<String> {
    let rows = world.sandbox.notion.rows(&source(world, database));
    let own =
        rows.iter().filter(|row| row["in_trash"] == false && row["properties"]["Bitrix24 ID"]["number"] == number);
    own.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// A database of deals with an amount and a company, and these settings besides.
fn deals(sandbox: &Sandbox, more: &Value) -> Value {
    let properties = json!({"Company": {"rich_text": {}}, "Amount": {"number": {}}, "Bitrix24 ID": {"number": {}}, "Code": {"rich_text": {}}});
    let (database, _) = sandbox.notion.add_database("Deals", &properties);
    let mut settings = json!({"name": "Deals", "database": database, "records": "deal", "page": [], "fields": [
        {"field": "title", "property": "Name"}, {"field": "opportunity", "property": "Amount"},
        {"field": "companyId", "property": "Company", "master": "bitrix24_only"},
    ]});
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    json!({"databases": [settings]})
}

async fn world_of_deals(more: Value) -> World {
    world_with_deals(more, &[]).await.0
}

/// The same with deals that are there before Notion is connected.
async fn world_with_deals(more: Value, there: &[Value]) -> (World, Vec<u64>) {
    let mut ids = Vec::new();
    let world = World::start_mirrored(false, |sandbox| {
        ids.extend(there.iter().map(|deal| sandbox.portal.add_item(DEAL, deal.clone())));
        deals(sandbox, &more)
    })
    .await;
    (world, ids)
}

fn people(sandbox: &Sandbox, more: &Value) -> Value {
    let properties = json!({"Mail": {"email": {}}, "Tel": {"phone_number": {}}, "Bitrix24 ID": {"number": {}}});
    let (database, _) = sandbox.notion.add_database("People", &properties);
    let mut settings = json!({"name": "People", "database": database, "records": "contact"});
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    json!({"databases": [settings]})
}

/// People in Notion, and contacts that are there before it is connected.
async fn world_of_people(more: Value, there: &[Value]) -> (World, Vec<u64>) {
    let mut ids = Vec::new();
    let world = World::start_mirrored(true, |sandbox| {
        ids.extend(there.iter().map(|contact| sandbox.portal.add_item(CONTACT, contact.clone())));
        people(sandbox, &more)
    })
    .await;
    (world, ids)
}

fn names(world: &World, contact: u64) -> (String, String) {
    let item = world.sandbox.portal.item(CONTACT, contact).unwrap();
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    (text("name"), text("lastName"))
}

fn pair(name: &str, last: &str) -> (String, String) {
    (name.to_owned(), last.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_name_stays_as_the_portal_has_it_until_one_part_of_it_is_edited() {
    let (world, ids) = world_of_people(json!({}), &[json!({"name": "Агата", "lastName": "Медведева"})]).await;
    let (portal, notion, contact) = (&world.sandbox.portal, &world.sandbox.notion, ids[0]);
    let row = add(&world, "People", json!({"Name": title("Агата Медведева")}));
    let plan = run(&world, "People", true).await;
    let linked = entries(&world, &plan, EntryKind::Link).await;
    assert_eq!(
        (linked.len(), linked[0].key.as_deref(), linked[0].title.as_str()),
        (1, Some("full name"), "Агата Медведева")
    );
    run(&world, "People", false).await;
    assert_eq!(names(&world, contact), pair("Агата", "Медведева"));
    assert_eq!(with_number(&world, "People", contact), std::slice::from_ref(&row));
    assert_eq!(notion.shown(&row, "Name"), "Агата Медведева");

    notion.edit(&row, &json!({"Name": title("Агата Иванова")})).unwrap();
    world.settle().await;
    assert_eq!(names(&world, contact), pair("Агата", "Иванова"));
    for refused in ["Мария Петрова", "Иванова Агата", "Агата", "Агата Мария Иванова", ""]
    {
        notion.edit(&row, &json!({"Name": title(refused)})).unwrap();
        world.settle().await;
        assert_eq!(names(&world, contact), pair("Агата", "Иванова"), "{refused}");
        assert_eq!(notion.shown(&row, "Name"), refused, "what was typed stays");
    }
    let said = world.ledger().await.join("\n");
    assert!(said.contains("Change first and last name in Bitrix24"), "{said}");
    assert!(!world.channel("ops").is_empty());
    portal.change_item(CONTACT, contact, json!({"name": "Ада"}));
    world.settle().await;
    assert_eq!(notion.shown(&row, "Name"), "Ада Иванова");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_name_is_never_written_into_the_first_name() {
    for first in ["bitrix24", "notion", "ask"] {
        let fields = json!([{"field": "name", "property": "Name"}]);
        let person = json!({"name": "Агата", "lastName": "Медведева"});
        let (world, ids) = world_of_people(json!({"fields": fields, "first": first}), &[person]).await;
        let contact = ids[0];
        add(&world, "People", json!({"Name": title("Агата Медведева"), "Bitrix24 ID": {"number": contact}}));
        run(&world, "People", false).await;
        assert_eq!(names(&world, contact), pair("Агата", "Медведева"), "{first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_matched_by_any_of_their_addresses_and_telephones() {
    let contact = |name: &str, fm: Value| json!({"name": name, "lastName": "Z", "fm": fm});
    let mail = |value: &str| json!({"typeId": "EMAIL", "valueType": "WORK", "value": value});
    let phone = |value: &str| json!({"typeId": "PHONE", "valueType": "WORK", "value": value});
    let there = [
        contact("Mailed", json!([mail("old@example.net"), mail("New@Example.net")])),
        contact("Called", json!([phone("+49 (30) 555-12-34")])),
        contact("Twin", json!([mail("twin1@example.net")])),
        contact("Twin", json!([mail("twin2@example.net")])),
    ];
    let (world, ids) = world_of_people(json!({}), &there).await;
    let (by_mail, by_phone, twins) = (ids[0], ids[1], [ids[2], ids[3]]);
    let rows = [
        json!({"Name": title("Someone"), "Mail": {"email": "NEW@example.net"}}),
        json!({"Name": title("Another"), "Tel": {"phone_number": "0049 30 5551234"}}),
        json!({"Name": title("twin z"), "Mail": {"email": "twin2@example.net"}}),
        json!({"Name": title("Twin Z"), "Mail": {"email": "third@example.net"}}),
    ]
    .map(|row| add(&world, "People", row));
    let plan = run(&world, "People", true).await;
    assert_eq!((plan.counts.linked_by_key, plan.counts.linked_by_title, plan.counts.refused), (3, 0, 0), "{plan:?}");
    run(&world, "People", false).await;
    let numbers = [by_mail, by_phone, twins[1]].map(|number| with_number(&world, "People", number));
    assert_eq!(numbers, [vec![rows[0].clone()], vec![rows[1].clone()], vec![rows[2].clone()]]);
    assert_eq!(world.sandbox.notion.shown(&rows[3], "Bitrix24 ID"), "", "another e-mail speaks against the name");
    assert_ne!(with_number(&world, "People", twins[0]), [rows[3].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_first_meeting_the_declared_side_counts_and_the_other_value_can_be_brought_back() {
    for (first, amount) in [("bitrix24", 2_222_000), ("notion", 999), ("ask", 0)] {
        let there = [json!({"title": "Big one", "opportunity": 2_222_000})];
        let (world, ids) = world_with_deals(json!({"first": first}), &there).await;
        let (portal, notion, deal) = (&world.sandbox.portal, &world.sandbox.notion, ids[0]);
        world.clock.advance(Duration::from_secs(3_600));
        // Edited later in Notion: at the first meeting that counts for nothing.
        let row = add(&world, "Deals", json!({"Name": title("Big one"), "Amount": {"number": 999}}));
        world.clock.advance(Duration::from_secs(3_600));
        let plan = run(&world, "Deals", true).await;
        let linked = entries(&world, &plan, EntryKind::Link).await;
        let change = &linked[0].changes[0];
        assert_eq!(
            (linked.len(), change.field.as_str(), change.bitrix24.as_str(), change.notion.as_str()),
            (1, "opportunity", "2222000", "999")
        );
        assert_eq!(
            change.to.map(|side| side.to_string()).unwrap_or_default(),
            match first {
                "bitrix24" => "Notion",
                "notion" => "Bitrix24",
                _ => "",
            }
        );
        assert_eq!(portal.item(DEAL, deal).unwrap()["opportunity"], 2_222_000, "a plan writes nothing");
        run(&world, "Deals", false).await;
        let conflicts = mirror(&world).conflicts.latest(&world.tenant, 10).await.unwrap();
        if first == "ask" {
            assert_eq!(portal.item(DEAL, deal).unwrap()["opportunity"], 2_222_000);
            assert_eq!((notion.shown(&row, "Amount").as_str(), conflicts.len()), ("999", 0));
            let record = records::Record::item(bitrix24::EntityType::DEAL, deal);
            let (link, _) = mirror(&world).links.get(&world.tenant, "Deals", record).await.unwrap().unwrap();
            assert_eq!((link.stuck.len(), link.stuck[0].field.as_str()), (1, "opportunity"));
            // Someone decides.
            notion.edit(&row, &json!({"Amount": {"number": 2_222_000}})).unwrap();
            world.pass(2).await;
            let (link, _) = mirror(&world).links.get(&world.tenant, "Deals", record).await.unwrap().unwrap();
            assert!(link.stuck.is_empty() && link.base.contains_key("opportunity"), "{link:?}");
            continue;
        }
        assert_eq!(portal.item(DEAL, deal).unwrap()["opportunity"], amount, "{first}");
        assert_eq!(notion.shown(&row, "Amount"), amount.to_string(), "{first}");
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        let undo = SyncJob::Undo {
            database: "Deals".into(),
            record: conflicts[0].record,
            conflict: conflicts[0].id.clone(),
            by: "a test".into(),
        };
        let trace = TraceId::new(runtime::clock::Clock::now(world.clock.as_ref()));
        mirror(&world).send(vec![notion_sync::message(&undo, &world.tenant, trace, "undo").unwrap()]).await.unwrap();
        world.settle().await;
        let other = if first == "bitrix24" { 999 } else { 2_222_000 };
        assert_eq!(portal.item(DEAL, deal).unwrap()["opportunity"], other, "{first}");
        assert_eq!(notion.shown(&row, "Amount"), other.to_string(), "{first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_side_has_goes_to_the_other() {
    let (world, ids) = world_with_deals(json!({}), &[json!({"title": "Half filled", "opportunity": 0})]).await;
    let deal = ids[0];
    let row = add(&world, "Deals", json!({"Name": title("half  FILLED"), "Amount": {"number": 70}}));
    run(&world, "Deals", false).await;
    assert_eq!(world.sandbox.portal.item(DEAL, deal).unwrap()["opportunity"], 70);
    assert_eq!(world.sandbox.notion.shown(&row, "Name"), "Half filled", "the title of Bitrix24 counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_a_number_gets_no_second_page_before_a_backfill_nor_after_a_lost_database() {
    let world = world_of_deals(json!({})).await;
    let portal = &world.sandbox.portal;
    let ids = portal.ids(DEAL);
    let numbered = add(&world, "Deals", json!({"Name": title("Another title"), "Bitrix24 ID": {"number": ids[4]}}));
    world.clock.advance(Duration::from_secs(120));
    portal.change_item(DEAL, ids[4], json!({"opportunity": 5}));
    world.settle().await;
    assert_eq!(with_number(&world, "Deals", ids[4]), std::slice::from_ref(&numbered));
    assert_eq!(world.sandbox.notion.shown(&numbered, "Amount"), "5");
    run(&world, "Deals", false).await;
    let rows = world.sandbox.notion.rows(&source(&world, "Deals")).len();
    assert_eq!(rows, ids.len());

    // Our database is lost: nothing is known of any page.
    let store = &world.engine.backend.store;
    for kind in ["page", "backfill", "conflict"] {
        let partition = format!("{}#{kind}", world.tenant);
        loop {
            let page = store.list(&Query::prefix(Table::Links, partition.clone(), "")).await.unwrap();
            for item in &page.items {
                store.delete(&item.key).await.unwrap();
            }
            if page.items.is_empty() {
                break;
            }
        }
    }
    world.clock.advance(Duration::from_secs(120));
    for (index, id) in ids[5..9].iter().enumerate() {
        portal.change_item(DEAL, *id, json!({"opportunity": 100 + index}));
    }
    world.settle().await;
    for (index, id) in ids[5..9].iter().enumerate() {
        let own = with_number(&world, "Deals", *id);
        assert_eq!((own.len(), world.sandbox.notion.shown(&own[0], "Amount")), (1, (100 + index).to_string()));
    }
    let again = run(&world, "Deals", false).await;
    assert_eq!(
        (again.counts.created, again.counts.linked_by_id, again.counts.doubles),
        (0, ids.len() as u64 - 4, 0),
        "{again:?}"
    );
    assert_eq!(world.sandbox.notion.rows(&source(&world, "Deals")).len(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_blanks_and_an_empty_company_do_not_prevent_a_match_for_an_event_nor_for_a_run() {
    for by_event in [true, false] {
        let world = world_of_deals(json!({})).await;
        let portal = &world.sandbox.portal;
        let company = |name: &str| portal.add_item(COMPANY, json!({"title": name}));
        let (acme, other) = (company("ACME"), company("Other"));
        let rows = [
            json!({"Name": title("  roof\u{a0}FOR acme ")}),
            json!({"Name": title("Windows"), "Company": text("Somebody else")}),
            json!({"Name": title("Doors"), "Company": text("acme")}),
        ]
        .map(|row| add(&world, "Deals", row));
        world.clock.advance(Duration::from_secs(120));
        let mut made = ["Roof for ACME", "Windows", "Doors", "Doors"].iter().zip([acme, acme, other, acme]);
        let mut deal = || {
            let (title, company) = made.next().unwrap();
            portal.add_item(DEAL, json!({"title": title, "companyId": company}))
        };
        let deals = [deal(), deal(), deal(), deal()];
        if by_event {
            world.settle().await;
        } else {
            run(&world, "Deals", false).await;
        }
        let own = deals.map(|deal| with_number(&world, "Deals", deal));
        assert_eq!(own[0], std::slice::from_ref(&rows[0]), "{by_event}");
        assert!(own[1].len() == 1 && own[1][0] != rows[1], "a row of another company is another's");
        assert!(own[2].len() == 1 && own[2][0] != rows[2], "{own:?}");
        assert_eq!(own[3], std::slice::from_ref(&rows[2]), "{by_event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_several_fit_nothing_is_linked_and_nothing_is_made() {
    let world = world_of_deals(json!({})).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let two_rows = [0, 1].map(|_| add(&world, "Deals", json!({"Name": title("Same rows")})));
    let one_row = add(&world, "Deals", json!({"Name": title("Same deals")}));
    world.clock.advance(Duration::from_secs(120));
    let deal = |title: &str| portal.add_item(DEAL, json!({"title": title}));
    let deals = [deal("Same rows"), deal("Same deals"), deal("Same deals")];
    world.settle().await;
    for deal in deals {
        assert_eq!(with_number(&world, "Deals", deal).len(), 0, "{:?}", world.ledger().await);
    }
    let said = world.ledger().await.join("\n");
    assert!(said.contains("2 rows have its title") && said.contains("write its number"), "{said}");
    assert!(said.contains("has the title of Deal") && world.channel("ops").len() > 1, "{said}");
    let plan = run(&world, "Deals", true).await;
    let refused = entries(&world, &plan, EntryKind::Refused).await;
    assert!(refused.iter().any(|entry| entry.record.unwrap().id() == deals[0] && entry.rows.len() == 2), "{refused:?}");
    // The number that someone writes decides.
    notion.edit(&two_rows[1], &json!({"Bitrix24 ID": {"number": deals[0]}})).unwrap();
    notion.edit(&one_row, &json!({"Bitrix24 ID": {"number": deals[2]}})).unwrap();
    world.clock.advance(Duration::from_secs(120));
    run(&world, "Deals", false).await;
    assert_eq!(with_number(&world, "Deals", deals[0]), std::slice::from_ref(&two_rows[1]));
    assert_eq!(with_number(&world, "Deals", deals[2]), std::slice::from_ref(&one_row));
    assert_eq!(notion.shown(&two_rows[0], "Bitrix24 ID"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fits_two_records_is_neithers() {
    let keys = json!({"match": ["number", {"key": "ufCrm_code", "property": "Code"}, "title"]});
    let mut ids = Vec::new();
    let world = World::start_mirrored(false, |sandbox| {
        sandbox.portal.add_field(DEAL, "ufCrm_code", "string", false, &[]);
        for (title, code) in [("Twin", ""), ("twin", ""), ("Renamed", "K-77")] {
            ids.push(sandbox.portal.add_item(DEAL, json!({"title": title, "ufCrm_code": code})));
        }
        deals(sandbox, &keys)
    })
    .await;
    let (twins, coded) = ([ids[0], ids[1]], ids[2]);
    let twin = add(&world, "Deals", json!({"Name": title("Twin")}));
    let by_code = add(&world, "Deals", json!({"Name": title("Old name"), "Code": text(" k-77 ")}));
    let plan = run(&world, "Deals", true).await;
    assert_eq!((plan.counts.refused, plan.counts.linked_by_key), (2, 1), "{plan:?}");
    let refused = entries(&world, &plan, EntryKind::Refused).await;
    assert!(refused[0].why.as_ref().unwrap().contains("has the title of Deal"), "{refused:?}");
    run(&world, "Deals", false).await;
    assert_eq!(twins.map(|deal| with_number(&world, "Deals", deal).len()), [0, 0]);
    assert_eq!(world.sandbox.notion.shown(&twin, "Bitrix24 ID"), "");
    assert_eq!(with_number(&world, "Deals", coded), [by_code]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_someone_writes_onto_a_row_links_it_at_once_and_one_of_no_record_is_named() {
    let world =
        World::start_mirrored(true, |sandbox| deals(sandbox, &json!({"when": "record.opportunity > 1000000"}))).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    run(&world, "Deals", true).await;
    let deal = portal.add_item(DEAL, json!({"title": "Small", "opportunity": 5}));
    world.settle().await;
    assert_eq!(with_number(&world, "Deals", deal).len(), 0);
    notion.lag_queries(Duration::from_secs(30));
    let row = add(&world, "Deals", json!({"Name": title("Typed"), "Bitrix24 ID": {"number": deal}}));
    let stray = add(&world, "Deals", json!({"Name": title("Typed too"), "Bitrix24 ID": {"number": 987_654}}));
    world.settle().await;
    assert_eq!((notion.shown(&row, "Name").as_str(), notion.shown(&row, "Amount").as_str()), ("Small", "5"));
    assert!(
        notion.shown(&stray, "Bitrix24").starts_with("Bitrix24 has no Deal 987654"),
        "{}",
        notion.shown(&stray, "Bitrix24")
    );
    portal.change_item(DEAL, deal, json!({"opportunity": 6}));
    world.settle().await;
    assert_eq!((with_number(&world, "Deals", deal).len(), notion.shown(&row, "Amount").as_str()), (1, "6"));
    world.clock.advance(Duration::from_secs(120));
    let plan = run(&world, "Deals", true).await;
    let strays = entries(&world, &plan, EntryKind::Stray).await;
    assert_eq!((plan.counts.strays, strays[0].rows[0].page.as_str()), (1, stray.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn doubles_are_found_and_joined_and_no_text_is_lost() {
    for trash in [false, true] {
        let world = world_of_deals(json!({})).await;
        let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
        let deal = portal.add_item(DEAL, json!({"title": "Doubled", "opportunity": 10}));
        world.settle().await;
        let first = with_number(&world, "Deals", deal).pop().unwrap();
        // Another of the same, as an earlier installation made it.
        let second = add(
            &world,
            "Deals",
            json!({"Name": title("Doubled by hand"), "Amount": {"number": 20}, "Bitrix24 ID": {"number": deal}}),
        );
        world.clock.advance(Duration::from_secs(120));
        let plan = run(&world, "Deals", true).await;
        let doubles = entries(&world, &plan, EntryKind::Double).await;
        let pages: Vec<_> = doubles[0].rows.iter().map(|row| row.page.as_str()).collect();
        assert_eq!((plan.counts.doubles, pages), (1, vec![first.as_str(), second.as_str()]));
        let made = run(&world, "Deals", false).await;
        assert_eq!(with_number(&world, "Deals", deal).len(), 2, "a run makes no third: {made:?}");

        let browser = Browser::administrator(&world).await;
        let address = format!("/admin/notion/plan?run={}&kind=double", plan.id);
        let page = browser.get(&address).await.text;
        assert!(page.contains("Which row remains the page of") && page.contains(&second), "{page}");
        let others = if trash { "trash" } else { "note" };
        let fields = [("run", plan.id.as_str()), ("number", &deal.to_string()), ("keep", &second), ("others", others)];
        let page = browser.press("/admin/notion/join", &fields).await.text;
        assert!(page.contains("are being joined"), "{page}");
        world.settle().await;
        assert_eq!(with_number(&world, "Deals", deal), std::slice::from_ref(&second));
        let aside = notion.row(&first).unwrap();
        assert_eq!((notion.shown(&first, "Name").as_str(), &aside["in_trash"]), ("Doubled", &json!(trash)));
        assert!(
            notion.shown(&first, "Bitrix24").starts_with(&format!("A duplicate of Deal {deal}, whose page is http"))
        );
        assert_eq!(notion.shown(&second, "Amount"), "10", "Bitrix24 counts at the first meeting");
        portal.change_item(DEAL, deal, json!({"opportunity": 11}));
        world.settle().await;
        assert_eq!((notion.shown(&second, "Amount").as_str(), notion.shown(&first, "Amount").as_str()), ("11", "10"));
        // A row that was set aside is nobody's, though it has the title.
        let twin = portal.add_item(DEAL, json!({"title": "Doubled"}));
        world.settle().await;
        assert_ne!(with_number(&world, "Deals", twin), [first]);
        let again = run(&world, "Deals", true).await;
        assert_eq!((again.counts.doubles, again.counts.created), (0, 0), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_linked_yet_are_joined_before_one_is_taken() {
    let world = world_of_deals(json!({})).await;
    let portal = &world.sandbox.portal;
    let deal = portal.ids(DEAL)[0];
    let rows = [1, 2]
        .map(|n| add(&world, "Deals", json!({"Name": title(&format!("Double {n}")), "Bitrix24 ID": {"number": deal}})));
    world.clock.advance(Duration::from_secs(120));
    portal.change_item(DEAL, deal, json!({"opportunity": 5}));
    world.settle().await;
    assert_eq!(with_number(&world, "Deals", deal).len(), 2, "neither is taken, and none is made");
    assert!(world.ledger().await.join("\n").contains("2 rows have the number"), "{:?}", world.ledger().await);
    assert_eq!(world.channel("ops").len(), 1);
    let run = run(&world, "Deals", false).await;
    assert_eq!((run.counts.doubles, run.counts.refused), (1, 1), "{run:?}");
    let job = SyncJob::Join {
        database: "Deals".into(),
        record: records::Record::item(bitrix24::EntityType::DEAL, deal),
        keep: rows[1].clone(),
        others: Others::Note,
        by: "a test".into(),
    };
    let trace = TraceId::new(runtime::clock::Clock::now(world.clock.as_ref()));
    mirror(&world).send(vec![notion_sync::message(&job, &world.tenant, trace, "join").unwrap()]).await.unwrap();
    world.settle().await;
    assert_eq!(with_number(&world, "Deals", deal), [rows[1].clone()]);
    assert_eq!(world.sandbox.notion.shown(&rows[1], "Amount"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_read_in_pages_and_kept_as_a_file() {
    let mut there = vec![json!({"title": "=HYPERLINK(\"http://evil.example\",\"x\"), and more", "opportunity": 7})];
    there.extend((0..70).map(|n| json!({"title": format!("Deal {n}")})));
    let (world, ids) = world_with_deals(json!({}), &there).await;
    let (risky, all) = (ids[0], world.sandbox.portal.ids(DEAL).len());
    add(
        &world,
        "Deals",
        json!({"Name": title("=hyperlink(\"http://evil.example\",\"x\"), and more"), "Amount": {"number": 8}}),
    );
    let plan = run(&world, "Deals", true).await;
    assert_eq!(plan.counts.entries, all as u64, "{plan:?}");
    let browser = Browser::administrator(&world).await;
    let address = |more: &str| format!("/admin/notion/plan{more}");
    let page = browser.get(&address(&format!("?run={}", plan.id))).await.text;
    assert_eq!(page.matches("<section class=\"card\">").count(), 50);
    let next = page.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap().split('"').next().unwrap();
    let second = browser.get(&next.replace("&amp;", "&")).await.text;
    assert_eq!(second.matches("<section class=\"card\">").count(), 50);
    let links = browser.get(&address(&format!("?run={}&kind=link", plan.id))).await.text;
    assert_eq!(links.matches("<section class=\"card\">").count(), 1);
    assert!(links.contains("written to Notion") && links.contains(&format!("Deal {risky}")), "{links}");
    let none = browser.get(&address(&format!("?run={}&kind=stray", plan.id))).await.text;
    assert!(none.contains("Nothing of this kind"));
    assert_eq!(browser.get(&address("?run=unknown")).await.status, 404);

    let page = browser.get(&address(&format!(".csv?run={}", plan.id))).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(page.header("content-disposition"), "attachment; filename=\"plan.csv\"");
    let file = page.text;
    assert!(file.starts_with("\u{feff}What,Record,Title"), "{file}");
    assert_eq!(file.matches("\r\n").count(), 1 + (all - 1) + 2, "the row differs in its title's case and its amount");
    assert!(
        file.contains(&format!("link,deal {risky},\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\"), and more\"")),
        "{file}"
    );
}
