//! What was written is compared with what the provider shows. What it does not show is listed with the reason, is not written
//! again and again, and never travels back over what a person wrote.

use std::time::Duration;

use jobs::queues;
use jobs::sync::SyncSide;
use jobs::sync::{Signal, SyncJob};
use journeys::World;
use journeys::estate::Browser;
use notion_sync::NotionSync;
use notion_sync::attention::AttentionEntry;
use records::Record;
use runtime::ledger::{DeliveryStatus, EventStatus, Ledger, LedgerLine, today};
use runtime::{Clock, TraceId};
use serde_json::{Value, json};
use simulators::portal::{COMPANY, DEAL, Quirk};
use simulators::{Fault, Sandbox};

const FIELDS: [(&str, &str); 14] = [
    ("ufCrm_text", "Text"),
    ("ufCrm_list", "Material"),
    ("ufCrm_tags", "Tags"),
    ("ufCrm_money", "Cost"),
    ("ufCrm_number", "Number"),
    ("ufCrm_date", "Day"),
    ("ufCrm_moment", "Moment"),
    ("ufCrm_flag", "Flag"),
    ("ufCrm_people", "Team"),
    ("ufCrm_url", "Page"),
    ("ufCrm_mail", "Mail"),
    ("ufCrm_phone", "Phone"),
    ("comments", "Comments"),
    ("companyId", "Company"),
];

/// Deals with a field of each type.
fn every_type(sandbox: &Sandbox) -> Value {
    let portal = &sandbox.portal;
    portal.add_field(DEAL, "ufCrm_text", "string", false, &[]);
    portal.add_field(DEAL, "ufCrm_list", "enumeration", false, &[(44, "Wood"), (46, "Steel")]);
    portal.add_field(DEAL, "ufCrm_tags", "enumeration", true, &[(50, "urgent"), (52, "repeat"), (54, "vip")]);
    portal.add_field(DEAL, "ufCrm_money", "money", false, &[]);
    portal.add_field(DEAL, "ufCrm_number", "double", false, &[]);
    portal.add_field(DEAL, "ufCrm_date", "date", false, &[]);
    portal.add_field(DEAL, "ufCrm_moment", "datetime", false, &[]);
    portal.add_field(DEAL, "ufCrm_flag", "boolean", false, &[]);
    portal.add_field(DEAL, "ufCrm_people", "employee", true, &[]);
    portal.add_field(DEAL, "ufCrm_url", "url", false, &[]);
    portal.add_field(DEAL, "ufCrm_mail", "string", false, &[]);
    portal.add_field(DEAL, "ufCrm_phone", "string", false, &[]);
    sandbox.notion.add_person("Dmitry", "user6@example.com");
    sandbox.notion.add_person("Anna", "user1@example.com");
    let (companies, _) = sandbox.notion.add_database("Companies", &json!({}));
    let (database, _) =
        sandbox.notion.add_database("Deals", &json!({"Mail": {"email": {}}, "Phone": {"phone_number": {}}}));
    let mut fields = vec![json!({"field": "title", "property": "Name"})];
    fields.extend(FIELDS.iter().map(|(field, property)| json!({"field": field, "property": property})));
    json!({"databases": [
        {"name": "Companies", "database": companies, "records": "company", "page": []},
        {"name": "Deals", "database": database, "records": "deal", "page": [], "fields": fields},
    ]})
}

/// A deal with a value in every field, and its row.
struct Pair {
    world: World,
    deal: u64,
    row: String,
}

impl Pair {
    async fn start() -> Self {
        let world = World::start_mirrored(true, every_type).await;
        let portal = &world.sandbox.portal;
        let company = portal.add_item(COMPANY, json!({"title": "ACME"}));
        let deal = portal.add_item(
            DEAL,
            json!({
                "title": "Roof", "ufCrm_text": "text", "ufCrm_list": 44, "ufCrm_tags": [50, 52], "ufCrm_money": "10|EUR",
                "ufCrm_number": 7, "ufCrm_date": "2026-12-24", "ufCrm_moment": "2026-12-24T10:00:00+00:00", "ufCrm_flag": "Y",
                "ufCrm_people": [1, 6], "ufCrm_url": "https://example.com/a", "ufCrm_mail": "ann@example.com",
                "ufCrm_phone": "+49 30 1", "comments": "words", "companyId": company,
            }),
        );
        world.settle().await;
        let row = row_of(&world, "Deals", deal);
        let pair = Self { world, deal, row };
        pair.rest().await;
        assert_eq!(pair.entries().await, []);
        pair
    }

    async fn rest(&self) {
        self.world.settle().await;
        self.world.clock.advance(Duration::from_secs(10 * 60));
        self.world.settle().await;
    }

    fn portal(&self) -> &simulators::PortalSimulator {
        &self.world.sandbox.portal
    }

    async fn type_in_notion(&self, properties: Value) {
        self.world.sandbox.notion.edit(&self.row, &properties).unwrap();
        self.world.settle().await;
    }

    async fn type_in_portal(&self, fields: Value) {
        self.portal().change_item(DEAL, self.deal, fields);
        self.world.settle().await;
    }

    fn item(&self) -> Value {
        self.portal().item(DEAL, self.deal).unwrap()
    }

    fn shown(&self, property: &str) -> String {
        self.world.sandbox.notion.shown(&self.row, property)
    }

    async fn entries(&self) -> Vec<AttentionEntry> {
        entries(&self.world).await
    }

    /// Writes so far: to the portal and to Notion.
    fn writes(&self) -> (u64, u64) {
        (calls(&self.world, "crm.item.update"), self.world.sandbox.notion.writes())
    }

    /// Changes on both sides that have nothing to do with the values that are held.
    async fn go_on(&self) {
        for n in 0..3 {
            self.type_in_portal(json!({"title": format!("Roof {n}")})).await;
            self.world.clock.advance(Duration::from_secs(90));
            self.type_in_notion(json!({"Name": {"title": [{"text": {"content": format!("Roof by Notion {n}")}}]}}))
                .await;
            self.world.clock.advance(Duration::from_secs(90));
        }
        self.world.pass(6).await;
    }

    async fn try_again(&self) {
        try_again(&self.world, "Deals", self.record()).await;
    }

    fn record(&self) -> Record {
        Record::item(bitrix24::EntityType::DEAL, self.deal)
    }

    async fn take(&self, field: &str, side: SyncSide) {
        let (database, record, field) = ("Deals".to_owned(), self.record(), field.to_owned());
        send(&self.world, SyncJob::Take { database, record, field, side, by: "Ann".into() }).await;
    }
}

fn row_of(world: &World, title: &str, id: u64) -> String {
    let rows = world.sandbox.notion.rows(&world.sandbox.notion.database(title).unwrap().1);
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == id).unwrap();
    row["id"].as_str().unwrap().to_owned()
}

fn mirror(world: &World) -> NotionSync {
    NotionSync::new(&world.engine.backend, world.connections.clone())
}

async fn entries(world: &World) -> Vec<AttentionEntry> {
    mirror(world).attention.list(&world.tenant, None, 100).await.unwrap().0
}

fn calls(world: &World, method: &str) -> u64 {
    world.sandbox.portal.calls().get(method).copied().unwrap_or_default()
}

async fn send(world: &World, job: SyncJob) {
    let trace = TraceId::new(world.clock.now());
    let message = notion_sync::message(&job, &world.tenant, trace, &trace.to_string()).unwrap();
    mirror(world).send(vec![message]).await.unwrap();
    world.settle().await;
}

async fn try_again(world: &World, database: &str, record: Record) {
    let signal = Signal::both("try again");
    send(world, SyncJob::Record { database: database.into(), record, signal }).await;
}

async fn is_well(world: &World) {
    let dead = world.dead_letters(queues::RECORD_SYNC).await;
    assert!(dead.is_empty(), "{:?}", dead.iter().map(|letter| &letter.reason).collect::<Vec<_>>());
}

/// What the log says of deliveries that count as done, newest first.
async fn delivered(world: &World) -> Vec<String> {
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let lines = ledger.day(&world.tenant, &today(world.clock.now()), None).await.unwrap().lines;
    let done = lines.into_iter().filter_map(|line| match line {
        LedgerLine::Delivery(line) if matches!(line.status, DeliveryStatus::Delivered { .. }) => Some(line.change),
        _ => None,
    });
    done.filter(|change| !change.starts_with("alert.")).collect()
}

/// Why events were skipped, newest first.
async fn skipped(world: &World) -> Vec<String> {
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let lines = ledger.day(&world.tenant, &today(world.clock.now()), None).await.unwrap().lines;
    let reasons = lines.into_iter().filter_map(|line| match line {
        LedgerLine::Event(event) => match event.status {
            EventStatus::Skipped { reason } => Some(reason),
            _ => None,
        },
        LedgerLine::Delivery(_) => None,
    });
    reasons.collect()
}

fn text(content: &str) -> Value {
    json!({"rich_text": [{"text": {"content": content}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_portal_changes_is_listed_and_never_travels_back() {
    let pair = Pair::start().await;
    let long = "й".repeat(300);
    let cut = "й".repeat(255);
    for (field, quirk, property, typed, seen, kept, why) in [
        (
            "ufCrm_text",
            Quirk::Cut(255),
            "Text",
            text(&long),
            long.as_str(),
            json!(cut),
            "kept only its first 255 characters",
        ),
        (
            "comments",
            Quirk::Cut(10),
            "Comments",
            text("twelve chars\nmore"),
            "twelve chars\nmore",
            json!("twelve cha"),
            "kept only its first 10 characters",
        ),
        (
            "ufCrm_mail",
            Quirk::Lowercase,
            "Mail",
            json!({"email": "Bob@Example.com"}),
            "Bob@Example.com",
            json!("bob@example.com"),
            "changed upper and lower case",
        ),
        ("ufCrm_number", Quirk::Round, "Number", json!({"number": 8.6}), "8.6", json!(9), "rounded the number"),
        (
            "ufCrm_money",
            Quirk::Round,
            "Cost",
            json!({"number": 11.4}),
            "11.4",
            json!("11.00|EUR"),
            "rounded the number",
        ),
        (
            "ufCrm_phone",
            Quirk::Ignore,
            "Phone",
            json!({"phone_number": "112"}),
            "112",
            json!("+49 30 1"),
            "still shows the value from before",
        ),
        (
            "ufCrm_url",
            Quirk::Ignore,
            "Page",
            json!({"url": "https://example.com/b"}),
            "https://example.com/b",
            json!("https://example.com/a"),
            "still shows the value from before",
        ),
        ("ufCrm_flag", Quirk::Ignore, "Flag", json!({"checkbox": false}), "false", json!("Y"), "did not clear it"),
    ] {
        pair.portal().set_quirk(DEAL, field, Some(quirk));
        let before = pair.writes();
        pair.type_in_notion(json!({property: typed})).await;
        let entries = pair.entries().await;
        assert_eq!(entries.len(), 1, "{field}: {entries:?}");
        let entry = &entries[0];
        assert_eq!((entry.field.as_str(), entry.property.as_str(), entry.of), (field, property, SyncSide::Notion));
        assert!(entry.why.to_string().contains(why), "{field}: {}", entry.why);
        assert_eq!(entry.can_take, [SyncSide::Bitrix24], "{field}");
        assert_eq!((pair.item()[field].clone(), pair.shown(property)), (kept.clone(), seen.to_owned()), "{field}");
        let after = pair.writes();
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0), "{field} is written once");
        assert!(!delivered(&pair.world).await[0].contains(&format!("{field} → Bitrix24")), "{field} is not delivered");
        assert!(skipped(&pair.world).await[0].contains(why), "{field}");
        // Changes beside it: neither is it written again, nor does what the portal made of it reach Notion.
        pair.go_on().await;
        let later = pair.writes();
        assert_eq!((later.0 - after.0, later.1 - after.1), (3, 3), "{field}: only the titles");
        assert_eq!((pair.item()[field].clone(), pair.shown(property)), (kept, seen.to_owned()), "{field}");
        assert_eq!(pair.entries().await[0].since, entry.since, "{field}");
        // Asked for again, it is tried once; with the reason gone, both agree, and the entry is gone too.
        pair.try_again().await;
        assert_eq!(pair.entries().await.len(), 1, "{field}");
        pair.portal().set_quirk(DEAL, field, None);
        pair.try_again().await;
        assert_eq!(pair.entries().await, [], "{field}");
        pair.rest().await;
    }
    assert!(mirror(&pair.world).conflicts.latest(&pair.world.tenant, 9).await.unwrap().is_empty());
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearing_that_the_portal_ignores_is_listed_for_every_type() {
    let pair = Pair::start().await;
    for (field, _) in FIELDS {
        pair.portal().set_quirk(DEAL, field, Some(Quirk::IgnoreClearing));
    }
    let (item, before) = (pair.item(), pair.writes());
    pair.type_in_notion(json!({
        "Text": {"rich_text": []}, "Material": {"select": null}, "Tags": {"multi_select": []}, "Cost": {"number": null},
        "Number": {"number": null}, "Day": {"date": null}, "Moment": {"date": null}, "Flag": {"checkbox": false},
        "Team": {"people": []}, "Page": {"url": null}, "Mail": {"email": null}, "Phone": {"phone_number": null},
        "Comments": {"rich_text": []}, "Company": {"relation": []},
    }))
    .await;
    let entries = pair.entries().await;
    let mut listed: Vec<_> = entries.iter().map(|entry| entry.field.as_str()).collect();
    let mut all: Vec<_> = FIELDS.iter().map(|(field, _)| *field).collect();
    listed.sort_unstable();
    all.sort_unstable();
    assert_eq!(listed, all);
    assert!(entries.iter().all(|entry| entry.why.to_string().contains("did not clear it")), "{entries:?}");
    let read = |field: &str| {
        let entry = entries.iter().find(|entry| entry.field == field).unwrap();
        (entry.bitrix24.clone(), entry.notion.clone())
    };
    let shown = ["ufCrm_list", "ufCrm_tags", "ufCrm_people", "companyId", "ufCrm_money"].map(read).map(|(b, _)| b);
    assert!(shown[0] == "Wood" && shown[1] == "urgent, repeat" && shown[3] == "ACME" && shown[4] == "10", "{shown:?}");
    assert!(shown[2].contains("Анна"), "people by their names: {shown:?}");
    assert_eq!(read("ufCrm_text").1, "—");
    assert_eq!(pair.writes().0 - before.0, 1, "one write for all of them");
    pair.go_on().await;
    for (field, property) in FIELDS {
        assert_eq!(pair.item()[field], item[field], "{field}");
        let empty = if property == "Flag" { "false" } else { "" };
        assert_eq!(pair.shown(property), empty, "{property} stays cleared in Notion");
    }
    assert_eq!(pair.writes().0 - before.0, 4, "the clearings are not written again");
    // Somebody decides for the portal's value, and for another at Notion's.
    pair.take("ufCrm_text", SyncSide::Bitrix24).await;
    pair.type_in_notion(json!({"Material": {"select": {"name": "Steel"}}})).await;
    assert_eq!((pair.shown("Text").as_str(), pair.item()["ufCrm_list"].clone()), ("text", json!(46)));
    // Cleared in the portal by hand: both agree, without a write.
    let before = pair.writes();
    pair.type_in_portal(json!({"ufCrm_phone": ""})).await;
    assert_eq!(pair.writes(), before);
    let left: Vec<_> = pair.entries().await.into_iter().map(|entry| entry.field).collect();
    assert_eq!(left.len(), FIELDS.len() - 3, "{left:?}");
    // With the reason gone all the others are cleared.
    for (field, _) in FIELDS {
        pair.portal().set_quirk(DEAL, field, None);
    }
    pair.try_again().await;
    assert_eq!(pair.entries().await, []);
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_lists_that_the_portal_drops_and_people_and_companies_it_ignores_are_listed() {
    let pair = Pair::start().await;
    let portal = pair.portal();
    for field in ["ufCrm_list", "ufCrm_date", "ufCrm_moment", "ufCrm_people", "companyId"] {
        portal.set_quirk(DEAL, field, Some(Quirk::Ignore));
    }
    // The list has lost a value since its fields were read: the portal drops it and says success.
    pair.type_in_portal(json!({"title": "Read just now"})).await;
    portal.add_field(DEAL, "ufCrm_tags", "enumeration", true, &[(50, "urgent"), (52, "repeat")]);
    let people = pair.world.sandbox.notion.save()["people"].as_array().unwrap().clone();
    let anna = people.iter().find(|user| user["name"] == "Anna").unwrap()["id"].clone();
    let other = portal.add_item(COMPANY, json!({"title": "Other"}));
    pair.world.settle().await;
    let page = row_of(&pair.world, "Companies", other);
    let before = pair.writes();
    pair.type_in_notion(json!({
        "Material": {"select": {"name": "Steel"}}, "Day": {"date": {"start": "2027-01-01"}},
        "Moment": {"date": {"start": "2027-01-01T10:00:00Z"}}, "Team": {"people": [{"id": anna}]},
        "Company": {"relation": [{"id": page}]}, "Tags": {"multi_select": [{"name": "urgent"}, {"name": "vip"}]},
    }))
    .await;
    let entries = pair.entries().await;
    let why = |field: &str| entries.iter().find(|entry| entry.field == field).unwrap().why.to_string();
    assert_eq!(entries.len(), 6, "{entries:?}");
    assert!(why("ufCrm_tags").contains("dropped 1 of the 2 values"), "{}", why("ufCrm_tags"));
    for field in ["ufCrm_list", "ufCrm_date", "ufCrm_moment", "ufCrm_people", "companyId"] {
        assert!(why(field).contains("still shows the value from before"), "{field}: {}", why(field));
    }
    assert_eq!(pair.writes().0 - before.0, 1);
    pair.go_on().await;
    assert_eq!(
        ["Material", "Day", "Team", "Company", "Tags"].map(|property| pair.shown(property)),
        ["Steel", "2027-01-01", "Anna", &page, "urgent, vip"]
    );
    assert_eq!(pair.writes().0 - before.0, 4);
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_fields_one_is_refused_one_ignored_and_one_goes() {
    let pair = Pair::start().await;
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Refuse));
    pair.portal().set_quirk(DEAL, "ufCrm_phone", Some(Quirk::Ignore));
    pair.type_in_notion(json!({"Text": text("new"), "Phone": {"phone_number": "112"}, "Number": {"number": 8}})).await;
    assert_eq!(
        (pair.item()["ufCrm_text"].clone(), pair.item()["ufCrm_phone"].clone(), pair.item()["ufCrm_number"].clone()),
        (json!("text"), json!("+49 30 1"), json!(8))
    );
    assert_eq!((pair.shown("Text").as_str(), pair.shown("Phone").as_str()), ("new", "112"));
    let entries = pair.entries().await;
    let why: Vec<_> = entries.iter().map(|entry| (entry.field.as_str(), entry.why.to_string())).collect();
    assert_eq!((why.len(), why[0].0, why[1].0), (2, "ufCrm_phone", "ufCrm_text"));
    assert!(why[1].1.contains("Bitrix24 refused it") && why[1].1.contains("invalid value"), "{why:?}");
    let delivered = delivered(&pair.world).await;
    assert!(delivered[0].starts_with("ufCrm_number → Bitrix24; could not be synced: "), "{delivered:?}");
    // The operators read it once for each reason: field, value, reason, what to do.
    let ops = pair.world.channel("ops");
    assert_eq!(ops.len(), 2, "{ops:?}");
    let messages = json!(pair.world.sandbox.slack.messages("ops")).to_string();
    for part in [
        "Text (ufCrm_text) of Notion could not be synced",
        r#"Bitrix24 shows \"text\", Notion shows \"new\""#,
        "Bitrix24 refused it",
        "still shows the value from before",
        "Needs attention",
    ] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
    // A change of one of the two is tried; the reason is gone for it alone.
    pair.portal().set_quirk(DEAL, "ufCrm_text", None);
    pair.type_in_notion(json!({"Number": {"number": 9}})).await;
    assert_eq!(
        (pair.item()["ufCrm_text"].clone(), pair.item()["ufCrm_phone"].clone()),
        (json!("new"), json!("+49 30 1"))
    );
    assert_eq!(pair.entries().await.len(), 1);
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_read_a_reason_once_however_many_records_meet_it() {
    let pair = Pair::start().await;
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Cut(255)));
    let mut rows = vec![pair.row.clone()];
    for n in 0..3 {
        let deal = pair.portal().add_deal(&format!("Deal {n}"), 1, "EUR");
        pair.world.settle().await;
        rows.push(row_of(&pair.world, "Deals", deal));
    }
    pair.rest().await;
    for (n, row) in rows.iter().enumerate() {
        pair.world.sandbox.notion.edit(row, &json!({"Text": text(&"x".repeat(300 + n))})).unwrap();
        pair.world.settle().await;
    }
    assert_eq!(pair.entries().await.len(), 4);
    assert_eq!(pair.world.channel("ops").len(), 1, "{:?}", pair.world.channel("ops"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_later_edit_of_either_side_counts_and_none_is_lost_in_silence() {
    let pair = Pair::start().await;
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Cut(5)));
    pair.type_in_notion(json!({"Text": text("too long")})).await;
    assert_eq!(pair.item()["ufCrm_text"], "too l");
    // Shortened in Notion, in the same minute as our own write: no conflict with our own writing.
    pair.type_in_notion(json!({"Text": text("short")})).await;
    assert_eq!((pair.item()["ufCrm_text"].clone(), pair.entries().await), (json!("short"), vec![]));
    pair.rest().await;
    pair.type_in_notion(json!({"Text": text("too long again")})).await;
    // Edited in the portal by a person: it counts as the later edit, and Notion's value is kept in the log.
    pair.world.clock.advance(Duration::from_secs(180));
    pair.type_in_portal(json!({"ufCrm_text": "mine"})).await;
    assert_eq!((pair.shown("Text").as_str(), pair.entries().await), ("mine", vec![]));
    let conflicts = mirror(&pair.world).conflicts.latest(&pair.world.tenant, 9).await.unwrap();
    assert_eq!((conflicts.len(), conflicts[0].conflict.lost().to_string().as_str()), (1, "too long again"));
    // Undone: the portal cuts it again, which is said and not marked as undone.
    let undo = SyncJob::Undo {
        database: "Deals".into(),
        record: pair.record(),
        conflict: conflicts[0].id.clone(),
        by: "Ann".into(),
    };
    send(&pair.world, undo).await;
    assert_eq!((pair.item()["ufCrm_text"].clone(), pair.shown("Text").as_str()), (json!("too l"), "too long again"));
    assert_eq!(pair.entries().await.len(), 1);
    let conflict = mirror(&pair.world).conflicts.get(&pair.world.tenant, &conflicts[0].id).await.unwrap().unwrap();
    assert!(conflict.can_be_undone());
    pair.go_on().await;
    assert_eq!((pair.item()["ufCrm_text"].clone(), pair.shown("Text").as_str()), (json!("too l"), "too long again"));
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_whose_winner_is_not_accepted_costs_nobody_a_value() {
    let pair = Pair::start().await;
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Ignore));
    pair.portal().change_item(DEAL, pair.deal, json!({"ufCrm_text": "portal"}));
    pair.world.clock.advance(Duration::from_secs(90));
    pair.world.sandbox.notion.edit(&pair.row, &json!({"Text": text("notion")})).unwrap();
    pair.world.settle().await;
    assert_eq!((pair.item()["ufCrm_text"].clone(), pair.shown("Text").as_str()), (json!("portal"), "notion"));
    assert_eq!(pair.entries().await.len(), 1);
    assert!(mirror(&pair.world).conflicts.latest(&pair.world.tenant, 9).await.unwrap().is_empty());
    // Notion's value is taken back for the portal's, and can still be had.
    pair.take("ufCrm_text", SyncSide::Bitrix24).await;
    assert_eq!((pair.shown("Text").as_str(), pair.entries().await), ("portal", vec![]));
    let conflicts = mirror(&pair.world).conflicts.latest(&pair.world.tenant, 9).await.unwrap();
    assert!(conflicts[0].line().contains("someone chose this value"), "{}", conflicts[0].line());
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_write_is_enough_and_is_asked_for_once_where_it_is_not() {
    let world = World::start_mirrored(true, |sandbox| {
        let (deals, _) = sandbox.notion.add_database("Deals", &json!({}));
        let (tasks, _) = sandbox.notion.add_database("Tasks", &json!({}));
        sandbox.notion.add_person("Dmitry", "user6@example.com");
        json!({"databases": [
            {"name": "Deals", "database": deals, "records": "deal", "page": []},
            {"name": "Tasks", "database": tasks, "records": "task", "page": []},
        ]})
    })
    .await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let (deal, other) = (portal.add_deal("Roof", 100, "EUR"), portal.add_deal("Wall", 100, "EUR"));
    world.settle().await;
    let task = portal.add_task(json!({"TITLE": "Tiles", "RESPONSIBLE_ID": 6, "UF_CRM_TASK": [format!("D_{deal}")]}));
    world.settle().await;
    world.clock.advance(Duration::from_secs(600));
    world.settle().await;
    let count = |methods: &[&str]| methods.iter().map(|method| calls(&world, method)).sum::<u64>();
    for (database, id, method, reads, change, expected) in [
        ("Deals", deal, "crm.item.update", "crm.item.get", json!({"Amount": {"number": 7}}), 0),
        (
            "Tasks",
            task,
            "tasks.task.update",
            "tasks.task.get",
            json!({"Name": {"title": [{"text": {"content": "Big tiles"}}]}}),
            0,
        ),
        // The answer to a task's update does not show what the task belongs to.
        (
            "Tasks",
            task,
            "tasks.task.update",
            "tasks.task.get",
            json!({"Project": {"relation": [{"id": row_of(&world, "Deals", other)}]}}),
            1,
        ),
    ] {
        let row = row_of(&world, database, id);
        world.clock.advance(Duration::from_secs(600));
        notion.edit(&row, &change).unwrap();
        // Until the write, and not what its own event asks for afterwards.
        let before = (count(&[method]), count(&[reads]));
        while count(&[method]) == before.0 {
            let all = count(&[reads]);
            world.none_left_to_work_now().await;
            world.clock.advance(Duration::from_secs(1));
            if count(&[method]) > before.0 {
                // One read right before the write, and none after it that the answer makes needless.
                assert_eq!(count(&[reads]) - all, 1 + expected, "{database} {change}");
            }
        }
        world.settle().await;
        assert_eq!(count(&[method]) - before.0, 1);
    }
    // To Notion: one request beside the reads of the page.
    let before = notion.calls();
    portal.change_item(DEAL, deal, json!({"opportunity": 9}));
    world.settle().await;
    let after = notion.calls();
    let of = |calls: &std::collections::BTreeMap<String, u64>, call: &str| calls.get(call).copied().unwrap_or_default();
    assert_eq!(of(&after, "PATCH /v1/pages/") - of(&before, "PATCH /v1/pages/"), 1);
    assert_eq!(entries(&world).await, []);
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_notion_does_not_show_is_listed_when_a_page_is_made_and_when_it_is_changed() {
    let world = World::start_mirrored(true, |sandbox| {
        sandbox.portal.add_field(DEAL, "ufCrm_state", "enumeration", false, &[(44, "Wood"), (46, "Steel")]);
        sandbox.portal.add_field(DEAL, "ufCrm_list", "enumeration", false, &[(50, "One"), (52, "Two")]);
        let (database, _) = sandbox.notion.add_database(
            "Deals",
            &json!({
                "State": {"status": {"options": [{"name": "Not started"}, {"name": "Wood"}, {"name": "Steel"}]}},
                "List": {"select": {"options": [{"name": "One"}]}},
            }),
        );
        json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "page": [], "fields": [
            {"field": "title", "property": "Name"}, {"field": "ufCrm_state", "property": "State"},
            {"field": "ufCrm_list", "property": "List"}, {"field": "opportunity", "property": "Amount"},
        ]}]})
    })
    .await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    // No state, which a status cannot show; and a value that the select does not have and that may not be made.
    let deal = portal.add_item(DEAL, json!({"title": "Roof", "ufCrm_list": 52, "opportunity": 7}));
    world.settle().await;
    let row = row_of(&world, "Deals", deal);
    assert_eq!(
        ["Name", "State", "List", "Amount"].map(|name| notion.shown(&row, name)),
        ["Roof", "Not started", "", "7"]
    );
    let listed = entries(&world).await;
    let why: Vec<_> = listed.iter().map(|entry| (entry.field.as_str(), entry.of, entry.why.to_string())).collect();
    assert_eq!(why.len(), 1, "the status that Notion puts by itself counts as empty: {why:?}");
    assert!(why[0].0 == "ufCrm_list" && why[0].2.contains("has no option"), "{why:?}");
    assert!(delivered(&world).await[0].contains("page made in Deals; could not be synced"));
    // The default is nobody's value: it does not reach the portal.
    portal.change_item(DEAL, deal, json!({"opportunity": 8}));
    world.pass(6).await;
    assert_eq!(
        (notion.shown(&row, "Amount").as_str(), portal.item(DEAL, deal).unwrap()["ufCrm_state"].clone()),
        ("8", Value::Null)
    );
    // A value is set: shown. Cleared again: the same as before, in one write.
    portal.change_item(DEAL, deal, json!({"ufCrm_state": 46, "ufCrm_list": 50}));
    world.pass(3).await;
    assert_eq!((notion.shown(&row, "State").as_str(), entries(&world).await), ("Steel", vec![]));
    let before = notion.writes();
    portal.change_item(DEAL, deal, json!({"ufCrm_state": null}));
    world.pass(6).await;
    assert_eq!((notion.shown(&row, "State").as_str(), notion.writes() - before), ("Not started", 1));
    assert_eq!(entries(&world).await, []);
    // What somebody chooses there reaches the portal.
    notion.edit(&row, &json!({"State": {"status": {"name": "Wood"}}})).unwrap();
    world.pass(3).await;
    assert_eq!((portal.item(DEAL, deal).unwrap()["ufCrm_state"].clone(), entries(&world).await), (json!(44), vec![]));
    is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_notion_refuses_as_a_whole_is_made_and_filled_field_by_field() {
    let pair = Pair::start().await;
    let notion = &pair.world.sandbox.notion;
    notion.fail_next("POST /v1/pages", Fault::Code { status: 400, code: "validation_error".into() });
    let deal = pair.portal().add_item(DEAL, json!({"title": "Windows", "ufCrm_text": "glass", "ufCrm_number": 3}));
    pair.world.settle().await;
    let row = row_of(&pair.world, "Deals", deal);
    assert_eq!(["Name", "Text", "Number"].map(|name| notion.shown(&row, name)), ["Windows", "glass", "3"]);
    assert_eq!(notion.titles(&notion.database("Deals").unwrap().1).len(), 2, "one page each");
    // What is refused together is written one by one: the second of the single writes is refused, the others go.
    for _ in 0..2 {
        notion.fail_next("PATCH /v1/pages/", Fault::Code { status: 400, code: "validation_error".into() });
    }
    pair.portal().change_item(DEAL, deal, json!({"ufCrm_text": "wood", "ufCrm_number": 4, "title": "Doors"}));
    pair.world.settle().await;
    let entries = pair.entries().await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(
        entries[0].of == SyncSide::Bitrix24 && entries[0].why.to_string().contains("Notion refused it"),
        "{entries:?}"
    );
    let shown = ["Name", "Text", "Number"].map(|name| notion.shown(&row, name));
    let new = ["Doors", "wood", "4"];
    assert_eq!(shown.iter().zip(new).filter(|(shown, new)| *shown == new).count(), 2, "{shown:?}");
    try_again(&pair.world, "Deals", Record::item(bitrix24::EntityType::DEAL, deal)).await;
    assert_eq!(
        (["Name", "Text", "Number"].map(|name| notion.shown(&row, name)), pair.entries().await),
        (new.map(str::to_owned), vec![])
    );
    is_well(&pair.world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_rests_is_listed_until_it_goes_on() {
    let pair = Pair::start().await;
    // An automation in Notion sets the number back whenever it changes.
    let mut listed = None;
    for _ in 0..20 {
        pair.portal().change_item(DEAL, pair.deal, json!({"ufCrm_number": 777}));
        pair.world.clock.advance(Duration::from_secs(20));
        pair.world.none_left_to_work_now().await;
        pair.world.sandbox.notion.edit(&pair.row, &json!({"Number": {"number": 1}})).unwrap();
        pair.world.clock.advance(Duration::from_secs(40));
        pair.world.none_left_to_work_now().await;
        if let Some(entry) = pair.entries().await.pop() {
            listed = Some(entry);
            break;
        }
    }
    let entry = listed.unwrap();
    assert!(entry.field == "ufCrm_number" && entry.why.to_string().contains("changed it back each time"), "{entry:?}");
    assert!(entry.rests_until.unwrap() > pair.world.clock.now() && !entry.can_be_tried());
    pair.world.settle().await;
    pair.rest().await;
    assert_eq!(pair.entries().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_goes_with_its_pair_and_comes_back_with_it() {
    let pair = Pair::start().await;
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Ignore));
    pair.type_in_notion(json!({"Text": text("new")})).await;
    assert_eq!(pair.entries().await.len(), 1);
    pair.world.sandbox.notion.trash(&pair.row, true);
    pair.world.settle().await;
    assert_eq!(pair.entries().await, []);
    pair.world.sandbox.notion.trash(&pair.row, false);
    pair.world.settle().await;
    assert_eq!(
        (pair.entries().await.len(), pair.item()["ufCrm_text"].clone(), pair.shown("Text").as_str()),
        (1, json!("text"), "new")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_what_needs_attention_and_its_buttons_decide_it() {
    let pair = Pair::start().await;
    let browser = Browser::administrator(&pair.world).await;
    let place = "/admin/notion/attention";
    assert!(browser.get(place).await.text.contains("Nothing needs attention."));
    assert!(browser.get("/admin").await.text.contains("All is well"));
    pair.portal().set_quirk(DEAL, "ufCrm_text", Some(Quirk::Ignore));
    pair.portal().set_quirk(DEAL, "ufCrm_phone", Some(Quirk::Refuse));
    pair.type_in_notion(json!({"Text": text("<b>new</b>"), "Phone": {"phone_number": "112"}})).await;

    let overview = browser.get("/admin").await.text;
    assert!(!overview.contains("All is well") && overview.contains("2 values could not be synced"), "{overview}");
    assert!(overview.contains("Needs attention (2)"), "{overview}");
    assert!(browser.get("/admin/notion").await.text.contains("2 values could not be synced"));
    let page = browser.get(place).await.text;
    for part in [
        &format!("/crm/deal/details/{}/", pair.deal),
        &format!("https://www.notion.so/{}", pair.row.replace('-', "")),
        "Text (ufCrm_text)",
        "&lt;b&gt;new&lt;/b&gt;",
        "still shows the value from before",
        "Bitrix24 refused it",
        "Try again",
        "Take Bitrix24’s value",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("Take Notion’s value"), "it was not accepted: it can only be tried again");

    // Tried again without a change: the same, and said so.
    let (one, two) = (format!("Deals#deal#{}#ufCrm_text", pair.deal), format!("Deals#deal#{}#ufCrm_phone", pair.deal));
    let said = browser.press(&format!("{place}/try"), &[("entry", &one)]).await.text;
    assert!(said.contains("is being tried again"), "{said}");
    pair.world.settle().await;
    assert!(browser.get(place).await.text.contains("with the same result"));
    // With the reason gone.
    pair.portal().set_quirk(DEAL, "ufCrm_text", None);
    browser.press(&format!("{place}/try"), &[("entry", &one)]).await;
    pair.world.settle().await;
    assert_eq!(pair.item()["ufCrm_text"], "<b>new</b>");
    let said = browser.press(&format!("{place}/try"), &[("entry", &one)]).await.text;
    assert!(said.contains("no longer needs attention"), "{said}");
    // The other side's value; the one that cannot be taken is refused.
    let said = browser.press(&format!("{place}/take"), &[("entry", &two), ("side", "Notion")]).await.text;
    assert!(said.contains("cannot be written to the other"), "{said}");
    let said = browser.press(&format!("{place}/take"), &[("entry", &two), ("side", "Bitrix24")]).await.text;
    assert!(said.contains("is being written to Notion"), "{said}");
    pair.world.settle().await;
    assert_eq!(pair.shown("Phone"), "+49 30 1");
    assert!(browser.get(place).await.text.contains("Nothing needs attention."));
    assert!(browser.get("/admin").await.text.contains("All is well"));
    let audit = browser.get("/admin/audit").await.text;
    let audit = audit.replace("&#39;", "'");
    assert!(audit.contains("value tried again") && audit.contains("Bitrix24's value taken"), "{audit}");

    // A database that rests is on the page as well.
    let database = pair.world.sandbox.notion.database("Deals").unwrap().0;
    pair.world.sandbox.notion.share(&database, false);
    pair.world.pass(30).await;
    let page = browser.get(place).await.text;
    assert!(page.contains("Paused") && page.contains("is not shared with the connection"), "{page}");
}
