//! The custom fields of the first data: one of every type, with one value and with several, and their values on some
//! records; and texts that people wrote with the portal's editor.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::userfields::{OwnField, settings, upper};
use super::values::{midnight, shown_file};
use super::{COMPANY, CONTACT, DEAL, LEAD, SimulatorState};

/// The first number of a deal's own field; they follow each other.
const FIRST: u64 = 1_721_240_001;

/// Label, type, whether multiple, settings, names of a list's values, and what the first deals hold.
fn of_deals() -> Vec<(&'static str, &'static str, bool, Value, &'static [&'static str], [Value; 2])> {
    let none: &[&str] = &[];
    let materials: &[&str] = &["Wood", "Steel", "Glass, clear"];
    vec![
        ("Site", "string", false, json!({}), none, [json!("North wall"), json!("Dach | Süd")]),
        ("Sites", "string", true, json!({}), none, [json!(["Roof", "Wall, north"]), json!(["a", "b", "a"])]),
        ("Floors", "integer", false, json!({}), none, [json!(3), json!(0)]),
        ("Lots", "integer", true, json!({}), none, [json!([1, 2, 3]), json!([7])]),
        ("Area", "double", false, json!({}), none, [json!(12.5), json!(-0.25)]),
        ("Areas", "double", true, json!({}), none, [json!([10, 20.25]), json!([0.5, 0.5])]),
        ("Cost", "money", false, json!({}), none, [json!("1500.00|EUR"), json!("|USD")]),
        ("Costs", "money", true, json!({}), none, [json!(["10.00|EUR", "20.00|USD"]), json!(["99.90|RUB"])]),
        ("Visit", "date", false, json!({}), none, [json!(midnight("2026-12-24")), Value::Null]),
        (
            "Visits",
            "date",
            true,
            json!({}),
            none,
            [json!([midnight("2026-12-01"), midnight("2026-12-15")]), json!([midnight("2027-01-31")])],
        ),
        ("Call back", "datetime", false, json!({}), none, [json!("2026-12-01T10:30:00+03:00"), Value::Null]),
        (
            "Calls",
            "datetime",
            true,
            json!({}),
            none,
            [json!(["2026-12-01T10:30:00+03:00", "2026-12-02T23:45:00+03:00"]), json!([])],
        ),
        ("Urgent", "boolean", false, json!({}), none, [json!("Y"), json!("N")]),
        ("Plan", "url", false, json!({}), none, [json!("https://example.com/plan?floor=[2]&a=1"), json!("")]),
        (
            "Plans",
            "url",
            true,
            json!({}),
            none,
            [json!(["https://example.com/a", "https://example.com/b"]), json!(["https://example.com/a,b"])],
        ),
        ("Material", "enumeration", false, json!({}), materials, [json!(0), json!(1)]),
        ("Materials", "enumeration", true, json!({}), materials, [json!([0, 2]), json!([1])]),
        ("Foreman", "employee", false, json!({}), none, [json!(6), json!(9)]),
        ("Crew", "employee", true, json!({}), none, [json!([6, 9]), json!([12])]),
        ("Architect", "crm", false, json!({"CONTACT": "Y"}), none, [json!("3"), Value::Null]),
        ("Linked", "crm", true, json!({"DEAL": "Y", "COMPANY": "Y"}), none, [json!(["D_2", "CO_1"]), json!(["CO_3"])]),
        ("Product", "iblock_element", false, json!({"IBLOCK_ID": 14}), none, [json!(101), Value::Null]),
        ("Products", "iblock_element", true, json!({"IBLOCK_ID": 14}), none, [json!([101, 102]), json!([])]),
        ("Section", "iblock_section", false, json!({"IBLOCK_ID": 14}), none, [json!(11), Value::Null]),
        ("Drawing", "file", false, json!({}), none, [json!("drawing.pdf"), Value::Null]),
        ("Photos", "file", true, json!({}), none, [json!(["before.jpg", "after.jpg"]), json!([])]),
        (
            "Address",
            "address",
            false,
            json!({}),
            none,
            [json!("Unter den Linden 1, Berlin|52.5163;13.3777|77"), json!("Kazan|;|")],
        ),
        (
            "Addresses",
            "address",
            true,
            json!({}),
            none,
            [
                json!(["Unter den Linden 1, Berlin|52.5163;13.3777|77", "Alexanderplatz, Berlin|52.5219;13.4132|78"]),
                json!([]),
            ],
        ),
        ("Came by", "crm_status", false, json!({"ENTITY_TYPE": "SOURCE"}), none, [json!("WEB"), json!("CALL")]),
        (
            "Came by all",
            "crm_status",
            true,
            json!({"ENTITY_TYPE": "SOURCE"}),
            none,
            [json!(["WEB", "CALL"]), json!([])],
        ),
    ]
}

fn field(number: u64, label: &str, kind: &str, multiple: bool, given: &Value, items: &[&str]) -> OwnField {
    let name = format!("ufCrm_{}", FIRST - 1 + number);
    let listed = items.iter().enumerate().map(|(index, value)| {
        let id = item_id(number, index as u64);
        json!({"ID": id.to_string(), "SORT": ((index + 1) * 10).to_string(), "VALUE": value, "DEF": "N", "XML_ID": format!("item{id}")})
    });
    OwnField {
        id: 6000 + number,
        upper: upper(&name),
        name,
        kind: kind.into(),
        multiple,
        required: false,
        items: listed.collect(),
        settings: settings(kind, given.as_object().unwrap_or(&Map::new())),
        label: label.into(),
        sort: 100 + number,
        xml_id: None,
    }
}

fn item_id(field: u64, place: u64) -> u64 {
    3000 + field * 10 + place
}

/// The own fields of all types.
pub(super) fn all() -> BTreeMap<u32, Vec<OwnField>> {
    let deals = of_deals();
    let deals = deals.iter().zip(1..).map(|((label, kind, multiple, settings, items, _), number)| {
        field(number, label, kind, *multiple, settings, items)
    });
    let few = |first: u64, rows: &[(&str, &str, bool)]| -> Vec<OwnField> {
        let of = |((label, kind, multiple), number): (&(&str, &str, bool), u64)| {
            field(number, label, kind, *multiple, &Value::Null, &[])
        };
        rows.iter().zip(first..).map(of).collect()
    };
    BTreeMap::from([
        (DEAL, deals.collect()),
        (LEAD, few(101, &[("Budget", "money", false), ("Objects", "string", true)])),
        (CONTACT, few(201, &[("Birthdays", "date", true), ("Languages", "string", true)])),
        (COMPANY, few(301, &[("Branches", "address", true), ("Turnover", "money", false)])),
    ])
}

/// Lays the files of the first data down, now that the portal has an address, and fills in what the first deals hold.
pub(super) fn fill(state: &mut SimulatorState) {
    let columns: Vec<(String, &str, u64, [Value; 2])> = of_deals()
        .into_iter()
        .zip(1..)
        .map(|((_, kind, _, _, _, values), number)| (format!("ufCrm_{}", FIRST - 1 + number), kind, number, values))
        .collect();
    for (name, kind, number, values) in columns {
        for (deal, value) in (1..).zip(values) {
            let value = match kind {
                "enumeration" => each(&value, &mut |place| json!(item_id(number, place.as_u64().unwrap_or_default()))),
                "file" => each(&value, &mut |file| {
                    let Some(file) = file.as_str() else { return Value::Null };
                    let id = state.keep_document(file, format!("The contents of {file}.\n").into());
                    shown_file(state, id)
                }),
                _ => value,
            };
            if let Some(item) = state.items.get_mut(&DEAL).and_then(|items| items.get_mut(&deal)) {
                item.insert(name.clone(), value);
            }
        }
    }
}

fn each(value: &Value, map: &mut dyn FnMut(&Value) -> Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(map).collect(),
        Value::Null => Value::Null,
        one => map(one),
    }
}

/// What the portal's editor wrote into the comments of the first records: blocks, nested lists, tables, links.
pub(super) const COMMENTS: [&str; 5] = [
    "[p]Called on [b]Monday[/b], wants:[/p]\n[list]\n[*]a [i]new[/i] roof\n[*]gutters:\n[list=1]\n[*]north\n[*]south\n[/list]\n[/list]\n[p][/p]\n[p]See [url=https://example.com/plan?floor=[2]]the plan[/url].[/p]",
    "[p]Asked [user=6]Дмитрий Соколова[/user] to measure.[/p]\n[quote]We need it before [s]May[/s] [u]April[/u].[/quote]\n[code]height = 12 [m]\nwidth = 8[/code]",
    "[table][tr][td][b]Part[/b][/td][td][b]Sum[/b][/td][/tr][tr][td]Tiles[/td][td]1 500[/td][/tr][tr][td]Work[/td][td]700[/td][/tr][/table]\n[p]Total: [color=#ff0000][b]2 200[/b][/color][/p]",
    "[p]First paragraph.[/p]\n[p]Second one, with a line\nbreak, and [size=16pt]large[/size] words.[/p]\n[p][disk file id=n77][/p]",
    "Plain words of an old version, with [B]capital[/B] tags and [URL]https://example.com[/URL]",
];

/// The same in the descriptions of the first tasks.
pub(super) const DESCRIPTIONS: [&str; 3] = [
    "[p]Before the visit:[/p]\n[list=1]\n[*]print [disk file id=n78]\n[*]call [user=9]Елена Кузнецов[/user]\n[/list]\n[p]Then write here.[/p]",
    "[b]Check[/b]\n[quote]The client: the [i]left[/i] wall is wet[/quote]\n[code]if wet { stop }[/code]",
    "[table][tr][td]What[/td][td]Who[/td][/tr][tr][td]Tiles[/td][td][user=6]Дмитрий[/user][/td][/tr][/table]",
];
