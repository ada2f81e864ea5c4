use std::collections::BTreeMap;

use notion::Property;
use proptest::prelude::*;
use settings::databases::FieldSetting;

use super::*;
use crate::fields::mapping::fit;
use crate::fields::portal_field::PortalField;
use crate::fields::table;

fn context() -> Context {
    Context {
        to_notion: HashMap::from([(6, "n6".to_owned()), (9, "n9".to_owned())]),
        to_portal: HashMap::from([("n6".to_owned(), 6), ("n9".to_owned(), 9)]),
        names: Names::default(),
        pages: HashMap::from([(("companies".to_owned(), 5), "page5".to_owned())]),
        records: HashMap::from([("page5".to_owned(), 5)]),
        zone: TimeZone::get("Europe/Moscow").unwrap(),
        category: 0,
        raw: Map::new(),
    }
}

fn field(portal: PortalField, kind: &str, options: &[&str]) -> MappedField {
    let options = options
        .iter()
        .map(|name| notion::schema::PropertyOption { id: (*name).into(), name: (*name).into() })
        .collect();
    let relates_to = (kind == "relation").then(|| "companies".to_owned());
    let property = Property { id: "p".into(), name: "P".into(), kind: kind.into(), options, relates_to };
    let fit = fit(&portal, kind).unwrap();
    let codec = match table::entry(&portal, kind) {
        table::Conversion::TwoWay(codec) => Some(codec),
        _ => None,
    };
    let portal = PortalField { codec, ..portal };
    MappedField {
        setting: FieldSetting::new(&portal.name, "P"),
        portal,
        property,
        fit,
        unmapped: None,
        options: BTreeMap::new(),
    }
}

fn portal(kind: &str, multiple: bool) -> PortalField {
    PortalField::read("ufCrm_1", &json!({"type": kind, "isMultiple": multiple})).unwrap()
}

fn stage() -> PortalField {
    let items =
        json!([{"ID": "NEW", "VALUE": "New"}, {"ID": "WON", "VALUE": "Won, paid"}, {"ID": "C7:NEW", "VALUE": "New"}]);
    PortalField::read("stageId", &json!({"type": "crm_status", "items": items})).unwrap()
}

/// As Notion would give back what is written: with its type, and plain texts beside contents.
fn echoed(field: &MappedField, cell: &Cell) -> Value {
    let written = written(field, cell, None, &context());
    let mut value = written["p"].clone();
    value["type"] = json!(field.property.kind);
    value
}

#[test]
fn dates_are_compared_as_moments_or_as_days() {
    let moment = field(portal("datetime", false), "date", &[]);
    let day = field(portal("date", false), "date", &[]);
    let read = |field: &MappedField, date: Value| {
        read(field, Some(&json!({"type": "date", "date": date})), None, &context()).cell
    };
    let noon = Cell::moment("2026-11-25T07:00:00Z".parse().unwrap());
    assert_eq!(read(&moment, json!({"start": "2026-11-25T10:00:00.000+03:00"})), noon);
    assert_eq!(read(&moment, json!({"start": "2026-11-25T07:00:00"})), noon);
    assert_eq!(read(&moment, json!({"start": "2026-11-25T10:00:00", "time_zone": "Europe/Moscow"})), noon);
    assert_eq!(read(&moment, json!({"start": "2026-11-25"})), Cell::moment("2026-11-25T20:59:00Z".parse().unwrap()));
    assert_eq!(read(&day, json!({"start": "2026-11-25"})), Cell::Day("2026-11-25".parse().unwrap()));
    assert_eq!(read(&day, json!({"start": "2026-11-24T22:30:00Z"})), Cell::Day("2026-11-25".parse().unwrap()));
    assert_eq!(read(&day, Value::Null), Cell::Empty);
    let range = json!({"type": "date", "date": {"start": "2026-11-25", "end": "2026-11-30"}});
    let written = written(&day, &Cell::Day("2026-11-26".parse().unwrap()), Some(&range), &context());
    assert_eq!(written["p"], json!({"date": {"start": "2026-11-26", "end": "2026-11-30"}}));
}

#[test]
fn a_stage_is_found_by_its_name_in_its_funnel_and_an_unknown_one_is_said() {
    let stage = field(stage(), "status", &["New", "Won‚ paid"]);
    let read = |name: &str, base: Option<&Cell>, category| {
        let context = Context { category, ..context() };
        read(&stage, Some(&json!({"type": "status", "status": {"name": name}})), base, &context)
    };
    assert_eq!(read("new", None, 0).cell, Cell::Option("NEW".into()));
    assert_eq!(read("New", None, 7).cell, Cell::Option("C7:NEW".into()));
    assert_eq!(read("New", Some(&Cell::Option("C7:NEW".into())), 0).cell, Cell::Option("C7:NEW".into()));
    assert_eq!(read("Won‚ paid", None, 0).cell, Cell::Option("WON".into()));
    let odd = read("Weird", None, 0);
    assert_eq!(odd.cell, Cell::Foreign("Weird".into()));
    assert!(odd.cannot.unwrap().to_string().contains("New, Won‚ paid"));
}

#[test]
fn an_option_is_made_only_if_the_settings_say_so() {
    let mut stage = field(stage(), "status", &["New"]);
    let won = Cell::Option("WON".into());
    let cannot = of_portal(&stage, &won, &context()).cannot.unwrap().to_string();
    assert!(cannot.contains("Won‚ paid") && cannot.contains("create_options"), "{cannot}");
    stage.setting.create_options = true;
    assert_eq!(of_portal(&stage, &won, &context()).cannot, None);
    let made = missing_statuses(&stage, &won).unwrap();
    assert_eq!(made["status"]["options"][1], json!({"name": "Won‚ paid"}));
    stage.setting.create_options = false;
    stage.setting.values = BTreeMap::from([("WON".into(), "NEW".into())]);
    assert_eq!(echoed(&stage, &won)["status"]["name"], "New", "as Notion spells it");
}

#[test]
fn people_go_by_mapping_and_those_without_by_name() {
    let mut people = field(portal("employee", true), "people", &[]);
    people.unmapped = Some(Property {
        id: "u".into(),
        name: "Others".into(),
        kind: "rich_text".into(),
        options: Vec::new(),
        relates_to: None,
    });
    let mut context = context();
    context
        .names
        .add(Nameable::User(12), Some(records::names::CachedName { name: "Ann Lee".into(), ..Default::default() }));
    let written = written(&people, &Cell::users([6, 12]), None, &context);
    assert_eq!(written["p"], json!({"people": [{"object": "user", "id": "n6"}]}));
    assert_eq!(written["u"]["rich_text"][0]["text"]["content"], "Ann Lee");
    let stranger = json!({"type": "people", "people": [{"id": "n6"}, {"id": "n7", "name": "Bo"}]});
    let read = read(&people, Some(&stranger), None, &context);
    assert!(read.cell == Cell::Foreign("Bo".into()) && read.cannot.is_some());
}

#[test]
fn what_notion_cannot_take_back_is_shown_as_text() {
    let company = field(PortalField::read("companyId", &json!({"type": "crm_company"})).unwrap(), "rich_text", &[]);
    let mut context = context();
    let entity = bitrix24::EntityType::COMPANY;
    context
        .names
        .add(Nameable::Item(entity, 5), Some(records::names::CachedName { name: "ACME".into(), ..Default::default() }));
    assert_eq!(of_portal(&company, &Cell::records([5]), &context).cell, Cell::Text("ACME".into()));
    let related = field(company.portal.clone(), "relation", &[]);
    assert_eq!(of_portal(&related, &Cell::records([5]), &context).cannot, None);
    assert!(of_portal(&related, &Cell::records([8]), &context).cannot.is_some());
}

#[test]
fn the_minute_of_a_page_is_made_finer_by_what_a_webhook_told() {
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let minute = at("2026-11-25T10:15:00Z");
    assert_eq!(edited_at(minute, at("2026-11-25T10:15:42.5Z")), at("2026-11-25T10:15:42.5Z"));
    assert_eq!(edited_at(minute, at("2026-11-25T10:14:42Z")), minute);
    assert_eq!(edited_at(None, at("2026-11-25T10:14:42Z")), None);
}

/// The record with one value.
fn having(name: &str, value: Value) -> Context {
    Context { raw: Map::from_iter([(name.to_owned(), value)]), ..context() }
}

fn text_of(content: &str) -> Value {
    json!({"type": "rich_text", "rich_text": [{"plain_text": content}]})
}

#[test]
fn what_may_not_be_empty_is_not_emptied() {
    let title = field(PortalField::read("title", &json!({"type": "string"})).unwrap(), "title", &[]);
    let required =
        field(PortalField::read("ufCrm_1", &json!({"type": "double", "isRequired": true})).unwrap(), "number", &[]);
    let status = PortalField::of_tasks().into_iter().find(|field| field.name == "status").unwrap();
    let status = field(status, "select", &[]);
    for (field, value) in [
        (&title, json!({"title": []})),
        (&title, json!({"title": [{"plain_text": " \u{200b}\u{a0}"}]})),
        (&required, json!({"number": null})),
        (&status, json!({"select": null})),
    ] {
        let reading = read(field, Some(&value), None, &having(&field.portal.name, json!("2")));
        assert!(reading.cannot.unwrap().to_string().contains("may not be empty"), "{value}");
    }
    let free = field(portal("double", false), "number", &[]);
    assert_eq!(read(&free, Some(&json!({"number": null})), None, &having("ufCrm_1", json!(2))).cannot, None);
}

#[test]
fn the_status_that_notion_puts_by_itself_is_no_choice() {
    let status = field(stage(), "status", &["New", "Won‚ paid"]);
    let shown = json!({"type": "status", "status": {"id": "New", "name": "New"}});
    let context = having("stageId", json!("WON"));
    assert_eq!(read(&status, Some(&shown), None, &context).cell, Cell::Empty);
    let was = Cell::Option("WON".into());
    assert_eq!(read(&status, Some(&shown), Some(&was), &context).cell, Cell::Option("NEW".into()));
    let chosen = json!({"type": "status", "status": {"id": "Won‚ paid", "name": "Won‚ paid"}});
    assert_eq!(read(&status, Some(&chosen), None, &context).cell, was);
}

#[test]
fn an_option_is_read_and_written_by_its_id_where_that_is_known() {
    let mut stage = field(stage(), "select", &["Gewonnen"]);
    stage.options = BTreeMap::from([("WON".to_owned(), "Gewonnen".to_owned())]);
    let shown = json!({"type": "select", "select": {"id": "Gewonnen", "name": "Any new name"}});
    assert_eq!(read(&stage, Some(&shown), None, &context()).cell, Cell::Option("WON".into()));
    let written = written(&stage, &Cell::Option("WON".into()), None, &context());
    assert_eq!(written["p"], json!({"select": {"id": "Gewonnen"}}));
    assert_eq!(of_portal(&stage, &Cell::Option("WON".into()), &context()).cannot, None);
}

#[test]
fn of_options_with_one_name_the_one_that_the_portal_has_is_meant_and_a_new_choice_is_refused() {
    let items = json!([{"ID": 1, "VALUE": "Stone"}, {"ID": 2, "VALUE": "stone"}, {"ID": 3, "VALUE": "Wood"}]);
    let list = |multiple| {
        PortalField::read("ufCrm_1", &json!({"type": "enumeration", "isMultiple": multiple, "items": items})).unwrap()
    };
    let one = field(list(false), "select", &["Stone", "Wood"]);
    let shown = json!({"type": "select", "select": {"name": "Stone"}});
    assert_eq!(read(&one, Some(&shown), None, &having("ufCrm_1", json!(2))).cell, Cell::Option("2".into()));
    let chosen = read(&one, Some(&shown), Some(&Cell::Option("3".into())), &having("ufCrm_1", json!(3)));
    assert!(chosen.cannot.unwrap().to_string().contains("several values that are called \"Stone\""));
    let several = field(list(true), "multi_select", &["Stone", "Wood"]);
    let shown = json!({"type": "multi_select", "multi_select": [{"name": "Stone"}, {"name": "Wood"}]});
    let context = having("ufCrm_1", json!([2, 1]));
    let reading = read(&several, Some(&shown), None, &context);
    assert_eq!(reading.cell, Cell::options(["1".into(), "2".into(), "3".into()]));
    let written = written(&several, &reading.cell, None, &context);
    assert_eq!(written["p"], json!({"multi_select": [{"name": "Stone"}, {"name": "Wood"}]}));
}

#[test]
fn a_number_is_carried_digit_for_digit_or_refused() {
    let double = field(portal("double", false), "number", &[]);
    let whole = field(portal("integer", false), "number", &[]);
    let cell = |value: Value| portal::read(&double.portal, records::Record::Task(1), &having("ufCrm_1", value).raw);
    let exact = cell(json!(1.234_567_890_123));
    assert_eq!(written(&double, &exact, None, &context())["p"], json!({"number": 1.234_567_890_123}));
    for long in ["9007199254740993", "0.12345678901234567891"] {
        let reading = of_portal(&double, &cell(json!(long)), &context());
        assert!(reading.cannot.unwrap().to_string().contains("more digits"), "{long}");
    }
    let read = |field: &MappedField, number: Value| read(field, Some(&json!({"number": number})), None, &context());
    assert!(read(&whole, json!(2.5)).cannot.unwrap().to_string().contains("whole numbers"));
    assert_eq!(read(&whole, json!(2.0)).cell, Cell::Number("2".into()));
    assert_eq!(read(&double, json!(0.1 + 0.2)).cell, Cell::Number("0.3".into()));
}

#[test]
fn a_moved_date_keeps_the_time_of_day_the_zone_and_the_length_of_its_range() {
    let day = field(portal("date", false), "date", &[]);
    let moment = field(portal("datetime", false), "date", &[]);
    let moved = |field: &MappedField, to: &str, date: Value| {
        let cell = match field.portal.kind {
            PortalKind::Day => Cell::Day(to.parse().unwrap()),
            _ => Cell::moment(to.parse().unwrap()),
        };
        written(field, &cell, Some(&json!({"type": "date", "date": date})), &context())["p"]["date"].clone()
    };
    assert_eq!(
        moved(&day, "2026-12-03", json!({"start": "2026-11-25", "end": "2026-11-30", "time_zone": null})),
        json!({"start": "2026-12-03", "end": "2026-12-08"})
    );
    assert_eq!(
        moved(
            &day,
            "2026-11-26",
            json!({"start": "2026-11-25T10:00:00.000+03:00", "end": "2026-11-30T10:00:00.000+03:00"})
        ),
        json!({"start": "2026-11-26T10:00:00+03:00", "end": "2026-11-30T10:00:00.000+03:00"})
    );
    assert_eq!(
        moved(&moment, "2026-11-26T10:00:00Z", json!({"start": "2026-11-25", "end": "2026-11-30"})),
        json!({"start": "2026-11-26T13:00:00+03:00", "end": "2026-11-30T23:59:00+03:00"})
    );
    let berlin = json!({"start": "2026-11-25T10:00:00", "end": "2026-11-25T11:00:00", "time_zone": "Europe/Berlin"});
    assert_eq!(
        moved(&moment, "2026-11-26T10:00:00Z", berlin.clone()),
        json!({"start": "2026-11-26T11:00:00", "end": "2026-11-26T12:00:00", "time_zone": "Europe/Berlin"})
    );
    assert_eq!(moved(&moment, "2026-11-25T09:00:42Z", berlin.clone()), berlin, "nothing to move");
}

#[test]
fn more_than_a_property_takes_is_said_and_nothing_is_cut() {
    let people = field(portal("employee", true), "people", &[]);
    let many = Context { to_notion: (1..=101).map(|id| (id, format!("n{id}"))).collect(), ..context() };
    let reading = of_portal(&people, &Cell::users(1..=101), &many);
    assert!(reading.cannot.unwrap().to_string().contains("there are 101 values"));
    let lines = field(portal("string", true), "rich_text", &[]);
    let long = Cell::list((0..300).map(|_| Cell::line(&"x".repeat(700))));
    assert!(of_portal(&lines, &long, &context()).cannot.unwrap().to_string().contains("holds 200,000"));
    // Notion lists only 25 people: those it does not list were not removed.
    let many = Context { to_portal: (1..=40).map(|id| (format!("n{id}"), id)).collect(), ..many };
    let shown: Vec<_> = (1..=25).map(|id| json!({"id": format!("n{id}")})).collect();
    let shown = json!({"type": "people", "people": shown});
    assert_eq!(read(&people, Some(&shown), Some(&Cell::users(1..=30)), &many).cell, Cell::users(1..=30));
    assert!(read(&people, Some(&shown), None, &many).cannot.is_some());
}

#[test]
fn a_field_that_holds_one_takes_no_second_person_and_keeps_one_without_an_account_until_another_is_put_there() {
    let one = field(portal("employee", false), "people", &[]);
    let shown = |ids: &[&str]| {
        let people: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
        read(&one, Some(&json!({"type": "people", "people": people})), None, &having("ufCrm_1", json!(12)))
    };
    assert!(shown(&["n6", "n9"]).cannot.unwrap().to_string().contains("holds one"));
    assert_eq!(shown(&[]).carried(), &Cell::users([12]));
    assert_eq!(shown(&["n6"]).carried(), &Cell::users([6]));
}

#[test]
fn files_that_people_uploaded_in_notion_stay_beside_the_portals_links() {
    let files = field(portal("file", true), "files", &[]);
    let uploaded = json!({"name": "plan.pdf", "type": "file", "file": {"url": "https://files/1", "expiry_time": "x"}});
    let old = json!({"name": "old", "type": "external", "external": {"url": "https://a/1"}});
    let now = json!({"type": "files", "files": [uploaded, old]});
    let cell = Cell::Files(vec![("new".into(), "https://a/2".into())]);
    let new = json!({"name": "new", "external": {"url": "https://a/2"}});
    assert_eq!(written(&files, &cell, Some(&now), &context())["p"], json!({"files": [uploaded, new]}));
}

#[test]
fn what_was_agreed_on_as_one_text_is_no_edit_once_it_is_a_list() {
    let lines = field(portal("string", true), "rich_text", &[]);
    let context = having("ufCrm_1", json!(["Roof", "Wall, north"]));
    let base = Cell::line("Roof, Wall, north");
    assert_eq!(read(&lines, Some(&text_of("Roof, Wall, north")), Some(&base), &context).cell, base);
    let edited = read(&lines, Some(&text_of("Roof, Wall, north, Door")), Some(&base), &context);
    assert!(edited.cannot.unwrap().to_string().contains("several of the values"));
}

fn cells() -> impl Strategy<Value = (MappedField, Cell)> {
    let moment = (0i64..4_000_000_000).prop_map(|second| Cell::moment(Timestamp::from_second(second).unwrap()));
    let day = (2000i16..2100, 1i8..13, 1i8..29).prop_map(|(y, m, d)| Cell::Day(Date::constant(y, m, d)));
    prop_oneof![
        "[a-zA-Zа-я0-9 😀]{0,60}".prop_map(|text| (field(portal("string", false), "title", &[]), Cell::line(&text))),
        "[a-z \n]{0,4000}".prop_map(|text| (field(portal("text", false), "rich_text", &[]), Cell::text(&text))),
        "[a-z.]{0,20}".prop_map(|text| (field(portal("string", false), "url", &[]), Cell::line(&text))),
        (-1e8f64..1e8).prop_map(|number| (field(portal("money", false), "number", &[]), Cell::number(number, 2))),
        any::<bool>().prop_map(|yes| (field(portal("boolean", false), "checkbox", &[]), Cell::Flag(yes))),
        moment.prop_map(|cell| (field(portal("datetime", false), "date", &[]), cell)),
        day.prop_map(|cell| (field(portal("date", false), "date", &[]), cell)),
        prop::sample::select(vec!["NEW", "WON"])
            .prop_map(|code| (field(stage(), "select", &["New", "Won‚ paid"]), Cell::Option(code.into()))),
        prop::sample::subsequence(vec![6u64, 9], 0..=2)
            .prop_map(|ids| (field(portal("employee", true), "people", &[]), Cell::users(ids))),
        Just((
            field(PortalField::read("companyId", &json!({"type": "crm_company"})).unwrap(), "relation", &[]),
            Cell::records([5])
        )),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same((field, cell) in cells()) {
        let back = read(&field, Some(&echoed(&field, &cell)), None, &context());
        prop_assert_eq!(&back.cell, &cell, "through {:?}", echoed(&field, &cell));
        prop_assert_eq!(back.cannot, None);
    }
}
