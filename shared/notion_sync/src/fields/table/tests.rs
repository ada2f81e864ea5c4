//! Every row of the table, both ways, with any value. `FIELD_CASES` says how many values a row is tried with.

use std::collections::{BTreeMap, HashMap};

use bitrix24::EntityType;
use jiff::tz::TimeZone;
use notion::Property;
use notion::schema::PropertyOption;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use records::names::Names;
use records::record::{Record, RecordKind};
use serde_json::{Map, Value, json};
use settings::databases::FieldSetting;

use super::*;
use crate::fields::mapping::{Fit, MappedField};
use crate::fields::page;
use crate::fields::page::Context;
use crate::fields::{Cell, Reading, portal};

const NAME: &str = "ufCrm_1";

/// How many values a row is tried with.
fn cases() -> u32 {
    std::env::var("FIELD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

fn portal_field(kind: &str, multiple: bool) -> PortalField {
    let items = json!([
        {"ID": "44", "VALUE": "Wood"}, {"ID": "46", "VALUE": "Steel, grey"}, {"ID": "48", "VALUE": "Stone"},
        {"ID": "50", "VALUE": "Stone"}, {"ID": "52", "VALUE": "long ".repeat(40)},
    ]);
    PortalField::read(NAME, &json!({"type": kind, "isMultiple": multiple, "items": items})).unwrap()
}

/// A field with its property, as the settings held against both sides make it; `None` if they do not go together.
fn pair(portal: PortalField, kind: &str) -> Option<MappedField> {
    let (codec, fit) = match entry(&portal, kind) {
        Conversion::TwoWay(codec) => (Some(codec), Fit::TwoWay),
        Conversion::Shown => (None, Fit::Shown),
        Conversion::Refused(_) => return None,
    };
    let mut setting = FieldSetting::new(&portal.name, "P");
    setting.create_options = kind != "status";
    let portal = PortalField { codec, ..portal };
    let names = portal.options.iter().map(|(code, name)| crate::fields::mapping::option_name(&setting, code, name));
    let options = names.map(|name| PropertyOption { id: format!("id of {name}"), name }).collect();
    let relates_to = (kind == "relation").then(|| "records".to_owned());
    let property = Property { id: "p".into(), name: "P".into(), kind: kind.into(), options, relates_to };
    Some(MappedField { portal, property, setting, fit, unmapped: None, options: BTreeMap::new() })
}

/// Users 1 to 6 have accounts and records 1 to 6 have pages; 7 to 9 have none.
fn context(raw: Map<String, Value>) -> Context {
    Context {
        to_notion: (1..=6).map(|id| (id, format!("n{id}"))).collect(),
        to_portal: (1..=6).map(|id| (format!("n{id}"), id)).collect(),
        names: Names::default(),
        pages: (1..=6).map(|id| (("records".to_owned(), id), format!("page{id}"))).collect(),
        records: (1..=6).map(|id| (format!("page{id}"), id)).collect::<HashMap<_, _>>(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        category: 0,
        raw,
    }
}

fn record() -> Record {
    Record::item(EntityType::DEAL, 1)
}

fn raw(value: &Value) -> Map<String, Value> {
    Map::from_iter([(NAME.to_owned(), value.clone())])
}

/// A record with a value, as the field and its property make a reading of it.
fn portal_side(field: &MappedField, value: &Value) -> Reading {
    let raw = raw(value);
    page::of_portal(field, &portal::read(&field.portal, record(), &raw), &context(raw))
}

/// The property after a write, as Notion would show it.
fn notion_shows(field: &MappedField, written: &Value) -> Value {
    let kind = &field.property.kind;
    let mut value = written[kind].clone();
    let named = |option: &Value| {
        let found = field
            .property
            .options
            .iter()
            .find(|own| option["id"] == own.id.as_str() || option["name"] == own.name.as_str());
        found.map_or_else(|| option.clone(), |own| json!({"id": own.id, "name": own.name}))
    };
    if value.is_object() && ["select", "status"].contains(&kind.as_str()) {
        value = named(&value);
    }
    if let (Value::Array(options), "multi_select") = (&value, kind.as_str()) {
        value = options.iter().map(named).collect();
    }
    json!({"id": "p", "type": kind, kind.as_str(): value})
}

fn after_write(field: &MappedField, value: &Value, cell: &Cell) -> Value {
    notion_shows(field, &page::written(field, cell, None, &context(raw(value)))["p"])
}

/// Any value that a portal holds in a field of a type.
fn values(kind: &str) -> BoxedStrategy<Value> {
    let text = || "[ \ta-cа-я0-9,.;|\\[\\]/😀‚\"#*]{0,12}";
    let decimal = || "-?[0-9]{1,9}(\\.[0-9]{1,6})?";
    let date = || (1990u16..2090, 1u8..13, 1u8..29).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    let moment = || {
        let zone = select(vec!["+00:00", "+03:00", "-05:00", "+05:30"]);
        (date(), 0u8..24, 0u8..60, 0u8..60, zone)
            .prop_map(|(day, h, m, s, zone)| format!("{day}T{h:02}:{m:02}:{s:02}{zone}"))
    };
    let nothing = select(vec![Value::Null, json!("")]);
    let some = match kind {
        "text" => {
            let pieces = select(vec![
                "a ",
                "b\n",
                "c",
                "\n\n",
                "  ",
                "[b]d[/b]",
                "[p]e[/p]",
                "[list][*]f[*]g [b]h[/b][/list]",
                "[url=https://example.com/a]i[/url]",
                "[quote]j[/quote]",
                "[table][tr][td]k[/td][/tr][/table]",
                "[l",
            ]);
            prop::collection::vec(pieces, 0..7).prop_map(|pieces| json!(pieces.concat())).boxed()
        }
        "integer" => {
            prop_oneof![(-99i64..99).prop_map(Value::from), any::<i64>().prop_map(|n| json!(n.to_string()))].boxed()
        }
        "double" => prop_oneof![
            (-1e9f64..1e9).prop_map(Value::from),
            decimal().prop_map(Value::from),
            "[0-9]{1,25}(\\.[0-9]{1,25})?".prop_map(Value::from)
        ]
        .boxed(),
        "money" => (decimal(), select(vec!["|EUR", "|USD", "|KWD", "|", ""]))
            .prop_map(|(amount, currency)| json!([amount.as_str(), currency].concat()))
            .boxed(),
        "boolean" | "char" => {
            select(vec![json!("Y"), json!("N"), json!("1"), json!("0"), json!(true), json!(false)]).boxed()
        }
        "date" => (date(), select(vec!["", "T00:00:00+03:00"]))
            .prop_map(|(day, rest)| json!([day.as_str(), rest].concat()))
            .boxed(),
        "datetime" => moment().prop_map(Value::from).boxed(),
        "enumeration" | "list" | "crm_status" | "crm_currency" => {
            select(vec![json!(44), json!("46"), json!("48"), json!("50"), json!("52")]).boxed()
        }
        "user" | "employee" | "crm_company" | "crm_contact" | "crm_deal" | "crm_lead" => {
            prop_oneof![(1u64..10).prop_map(Value::from), (1u64..10).prop_map(|id| json!(id.to_string()))].boxed()
        }
        "crm" => {
            (select(vec!["D_", "CO_", ""]), 1u8..9).prop_map(|(prefix, id)| json!(format!("{prefix}{id}"))).boxed()
        }
        "file" | "disk_file" => (1u8..9).prop_map(|id| json!({"id": id, "url": format!("https://a/{id}")})).boxed(),
        "address" => (text(), select(vec!["", "|52.51;13.38", "|52.51;13.38|77", "|;|77"]))
            .prop_map(|(text, place)| json!([text, place.to_owned()].concat()))
            .boxed(),
        "url" => "https://[a-c./?=&]{0,12}".prop_map(Value::from).boxed(),
        _ => text().prop_map(Value::from).boxed(),
    };
    prop_oneof![9 => some, 1 => nothing].boxed()
}

/// Any value of a field: one, or a list, or what PHP makes of a list with gaps.
fn held(kind: &'static str, multiple: bool) -> BoxedStrategy<Value> {
    if !multiple {
        return values(kind);
    }
    let gaps = |list: Vec<Value>| {
        let numbered = list.into_iter().enumerate().map(|(at, value)| ((at * 3).to_string(), value));
        Value::Object(numbered.collect())
    };
    let list = prop::collection::vec(values(kind), 0..14);
    prop_oneof![5 => list.clone().prop_map(Value::Array), 1 => list.prop_map(gaps)].boxed()
}

/// The rows of the table that have a pair: field, whether it holds several values, and property. Of types that are the
/// same kind of field the first.
fn rows() -> Vec<(&'static str, bool, &'static str)> {
    let mut rows = Vec::new();
    let mut kinds: Vec<PortalKind> = Vec::new();
    for kind in FIELD_TYPES {
        let field = portal_field(kind, false);
        let is_known = |known: &PortalKind| match (known, &field.kind) {
            (PortalKind::Item(_), PortalKind::Item(_)) => true,
            (known, kind) => known == kind,
        };
        if kinds.iter().any(is_known) {
            continue;
        }
        kinds.push(field.kind.clone());
        for multiple in [false, true] {
            for property in PROPERTY_TYPES {
                if !matches!(entry(&portal_field(kind, multiple), property), Conversion::Refused(_)) {
                    rows.push((*kind, multiple, *property));
                }
            }
        }
    }
    rows
}

#[allow(clippy::needless_pass_by_value)] // reads better
fn run<T: std::fmt::Debug>(row: &str, values: BoxedStrategy<T>, law: impl Fn(T) -> Result<(), TestCaseError>) {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    if let Err(broken) = TestRunner::new(config).run(&values, law) {
        panic!("{row}: {broken}");
    }
}

#[test]
fn what_notion_shows_is_what_the_portal_holds_and_writing_it_back_changes_nothing() {
    for (kind, multiple, property) in rows() {
        let field = pair(portal_field(kind, multiple), property).unwrap();
        let row = format!("{kind} multiple={multiple} in {property}");
        run(&row, held(kind, multiple), |value| {
            let b = portal_side(&field, &value);
            if b.cannot.is_some() {
                return Ok(());
            }
            let shown = after_write(&field, &value, &b.cell);
            let n = page::read(&field, Some(&shown), Some(&b.cell), &context(raw(&value)));
            if field.fit == Fit::Shown {
                prop_assert_eq!(&n.cell, &b.cell, "shown as {}", shown);
                return Ok(());
            }
            prop_assert!(same(&n, &b.cell), "{:?} is shown as {} and read as {:?}", b.cell, shown, n);
            // An unrelated edit writes another field of the record; should this one be written all the same, nothing changes.
            let written =
                portal::written(RecordKind::Items(EntityType::DEAL), &[(&field.portal, n.carried())], &raw(&value));
            unchanged(&field, &value, &written[NAME])?;
            Ok(())
        });
    }
}

/// Whether a reading of the property is the portal's value, as the merge compares.
fn same(n: &Reading, b: &Cell) -> bool {
    n.cell == *b || n.carried() == b || (n.cell.is_empty() && b.is_empty())
}

/// The value is what it was, to the last character; nothing may be written in another form.
fn unchanged(field: &MappedField, before: &Value, after: &Value) -> Result<(), TestCaseError> {
    if portal::read(&field.portal, record(), &raw(before)).is_empty() {
        prop_assert!(portal::read(&field.portal, record(), &raw(after)).is_empty(), "{} became {}", before, after);
        return Ok(());
    }
    let list = |value: &Value| match value {
        Value::Object(map) if field.portal.multiple => {
            let mut entries: Vec<_> =
                map.iter().map(|(key, value)| (key.parse::<u64>().unwrap(), value.clone())).collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        }
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let (before, after) = (list(before), list(after));
    let number = matches!(field.portal.kind, PortalKind::User | PortalKind::Item(_));
    if number {
        // A number and its digits are the same person or record.
        let ids = |list: &[Value]| list.iter().filter_map(bitrix24::tolerant::whole).collect::<Vec<_>>();
        prop_assert_eq!(ids(&before), ids(&after));
        return Ok(());
    }
    let says = |list: Vec<Value>| -> Vec<Value> {
        if field.portal.kind == PortalKind::Choice {
            return list.into_iter().filter(|value| !value.is_null() && *value != "").collect();
        }
        list
    };
    prop_assert_eq!(says(before), says(after));
    Ok(())
}

/// The rows whose property is text with one value a line, or one value.
fn text_rows() -> Vec<(&'static str, &'static str)> {
    let lines = |(kind, multiple, property): (&'static str, bool, &'static str)| {
        let is_list = matches!(entry(&portal_field(kind, multiple), property), Conversion::TwoWay(Codec::Lines));
        (multiple && is_list).then_some((kind, property))
    };
    rows().into_iter().filter_map(lines).collect()
}

#[test]
fn an_edit_of_one_line_of_a_list_changes_only_that_value() {
    for (kind, property) in text_rows() {
        let field = pair(portal_field(kind, true), property).unwrap();
        let edits = (prop::collection::vec(values(kind), 1..9), values(kind), any::<prop::sample::Index>());
        run(&format!("{kind} in {property}"), edits.boxed(), |(list, fresh, at)| {
            let value = Value::Array(list.clone());
            let b = portal_side(&field, &value);
            let (Cell::List(cells), None) = (&b.cell, &b.cannot) else { return Ok(()) };
            let Cell::List(new) = portal_side(&field, &json!([fresh])).cell else { return Ok(()) };
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let mut lines: Vec<String> = cells.iter().map(|cell| super::super::lines::line(cell, &zone)).collect();
            let at = at.index(lines.len());
            lines[at] = super::super::lines::line(&new[0], &zone);
            let page = json!({"type": property, property: [{"plain_text": lines.join("\n")}]});
            let n = page::read(&field, Some(&page), Some(&b.cell), &context(raw(&value)));
            if n.cannot.is_some() {
                return Ok(());
            }
            let written =
                portal::written(RecordKind::Items(EntityType::DEAL), &[(&field.portal, n.carried())], &raw(&value));
            let after = written[NAME].as_array().unwrap();
            // What says nothing is not shown, and stays.
            prop_assert_eq!(after.len(), list.len());
            let changed: Vec<_> = (0..list.len()).filter(|at| after[*at] != list[*at]).collect();
            prop_assert!(changed.len() <= 1 || is_moved(&lines, cells, &zone), "{:?} became {:?}", list, after);
            Ok(())
        });
    }
}

/// Whether the edit made a value equal to a neighbour: then the two are indistinguishable.
fn is_moved(lines: &[String], cells: &[Cell], zone: &TimeZone) -> bool {
    let before: Vec<String> = cells.iter().map(|cell| super::super::lines::line(cell, zone)).collect();
    lines.iter().enumerate().any(|(at, line)| before.get(at) != Some(line) && before.contains(line))
}

#[test]
fn people_records_and_options_that_notion_cannot_show_stay_when_others_are_added() {
    for (kind, property) in [("employee", "people"), ("crm_contact", "relation"), ("enumeration", "multi_select")] {
        let field = pair(portal_field(kind, true), property).unwrap();
        run(kind, prop::collection::vec(values(kind), 0..9).boxed(), |list| {
            let value = Value::Array(list);
            let cell = portal::read(&field.portal, record(), &raw(&value));
            let mut shown = after_write(&field, &value, &cell);
            let added = match property {
                "people" => json!({"id": "n6"}),
                "relation" => json!({"id": "page6"}),
                _ => json!({"name": "Wood"}),
            };
            shown[property].as_array_mut().unwrap().push(added);
            let n = page::read(&field, Some(&shown), None, &context(raw(&value)));
            prop_assert_eq!(&n.cannot, &None);
            let written =
                portal::written(RecordKind::Items(EntityType::DEAL), &[(&field.portal, n.carried())], &raw(&value));
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let after: Vec<String> = written[NAME].as_array().unwrap().iter().map(text).collect();
            let before: Vec<String> =
                value.as_array().unwrap().iter().map(text).filter(|id| id != "null" && !id.is_empty()).collect();
            let kept: Vec<String> = after.iter().filter(|id| before.contains(id)).cloned().collect();
            prop_assert_eq!(kept, before, "{:?}", after);
            Ok(())
        });
    }
}

fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(vec![
            "2026-12-01",
            "2026-12-01T10:00:00Z",
            "9999-12-31T23:59:59Z",
            "-9999-01-01",
            "10|EUR",
            "😀|1;2|3",
            "1e999",
            "C7:NEW"
        ])
        .prop_map(Value::from),
    ];
    let names = select(vec![
        "id",
        "name",
        "start",
        "end",
        "time_zone",
        "type",
        "text",
        "content",
        "plain_text",
        "external",
        "url",
        "0",
        "7",
    ]);
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

#[test]
fn no_row_panics_whatever_either_side_says() {
    for (kind, multiple, property) in rows() {
        let field = pair(portal_field(kind, multiple), property).unwrap();
        run(&format!("{kind} {multiple} {property}"), (any_json(), any_json()).boxed(), |(value, shown)| {
            let b = portal_side(&field, &value);
            let shown = json!({"type": property, property: shown});
            let n = page::read(&field, Some(&shown), Some(&b.cell), &context(raw(&value)));
            for cell in [&b.cell, &n.cell, n.carried()] {
                let _ = (cell.to_string(), cell.kept());
                let _ = page::written(&field, cell, Some(&shown), &context(raw(&value)));
                let _ = portal::written(RecordKind::Items(EntityType::DEAL), &[(&field.portal, cell)], &raw(&value));
            }
            Ok(())
        });
    }
}

#[test]
fn every_pair_is_named_and_an_unknown_type_is_shown_as_text() {
    for kind in FIELD_TYPES {
        for multiple in [false, true] {
            let field = portal_field(kind, multiple);
            assert!(!matches!(entry(&field, usual(&field)), Conversion::Refused(_)), "{kind}");
            assert!(!matches!(entry(&field, "rich_text"), Conversion::Refused(_)), "{kind}");
            for property in PROPERTY_TYPES {
                let holds_one = ["number", "checkbox", "date", "select", "status", "url", "email", "phone_number"];
                if multiple && holds_one.contains(property) {
                    assert!(matches!(entry(&field, property), Conversion::Refused(_)), "{kind} in {property}");
                }
            }
            for property in FILLED_BY_NOTION {
                assert_eq!(entry(&field, property), Conversion::Refused(Mismatch::FilledByNotion));
            }
            assert_eq!(entry(&field, "hologram"), Conversion::Refused(Mismatch::UnknownProperty));
        }
    }
    let unknown = portal_field("rest_17_signature", false);
    assert_eq!((unknown.kind.clone(), entry(&unknown, "rich_text")), (PortalKind::Other, Conversion::Shown));
}

#[test]
fn the_documentation_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/notion.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once("<!-- fields").unwrap();
    let (first, rest) = rest.split_once("-->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /fields -->").unwrap();
    let right = format!("{head}<!-- fields{first}-->\n{}<!-- /fields -->{tail}", markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &right).unwrap();
    } else {
        assert_eq!(text, right, "run it again with UPDATE_DOCS=1");
    }
}
