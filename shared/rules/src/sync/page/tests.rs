use std::collections::BTreeMap;

use notion::Property;
use proptest::prelude::*;

use super::*;
use crate::databases::FieldSetting;
use crate::sync::mapping::fit;
use crate::sync::portal::PortalField;

fn context() -> Context {
    Context {
        to_notion: HashMap::from([(6, "n6".to_owned()), (9, "n9".to_owned())]),
        to_portal: HashMap::from([("n6".to_owned(), 6), ("n9".to_owned(), 9)]),
        names: Names::default(),
        pages: HashMap::from([(("companies".to_owned(), 5), "page5".to_owned())]),
        records: HashMap::from([("page5".to_owned(), 5)]),
        zone: TimeZone::get("Europe/Moscow").unwrap(),
        category: 0,
        person: None,
    }
}

fn field(portal: PortalField, kind: &str, options: &[&str]) -> Field {
    let options =
        options.iter().map(|name| notion::schema::Choice { id: (*name).into(), name: (*name).into() }).collect();
    let relates_to = (kind == "relation").then(|| "companies".to_owned());
    let property = Property { id: "p".into(), name: "P".into(), kind: kind.into(), options, relates_to };
    let fit = fit(&portal, kind).unwrap();
    Field { setting: FieldSetting::new(&portal.name, "P"), portal, property, fit, unmapped: None }
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
fn echoed(field: &Field, cell: &Cell) -> Value {
    let written = written(field, cell, None, &context());
    let mut value = written["p"].clone();
    value["type"] = json!(field.property.kind);
    value
}

#[test]
fn dates_are_compared_as_moments_or_as_days() {
    let moment = field(portal("datetime", false), "date", &[]);
    let day = field(portal("date", false), "date", &[]);
    let read =
        |field: &Field, date: Value| read(field, Some(&json!({"type": "date", "date": date})), None, &context()).cell;
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
    assert!(odd.cannot.unwrap().contains("New, Won‚ paid"));
}

#[test]
fn an_option_is_made_only_if_the_settings_say_so() {
    let mut stage = field(stage(), "status", &["New"]);
    let won = Cell::Option("WON".into());
    let cannot = of_portal(&stage, &won, &context()).cannot.unwrap();
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
    context.names.add(Named::User(12), Some(crate::names::Entry { name: "Ann Lee".into(), ..Default::default() }));
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
    context.names.add(Named::Item(entity, 5), Some(crate::names::Entry { name: "ACME".into(), ..Default::default() }));
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

fn cells() -> impl Strategy<Value = (Field, Cell)> {
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
