//! A record's fields: how their values are read and written.

use bitrix24::{EntityType, tolerant};
use jiff::Timestamp;
use locale::{Localized, texts};
use records::record::{Record, RecordKind, RecordState};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::full_name::NameParts;
use super::portal_field::{PortalField, PortalKind};
use super::{lines, list, rich};

/// The prefixes by which a task names what it belongs to.
fn binding_prefix(entity: EntityType) -> &'static str {
    match entity {
        EntityType::DEAL => "D_",
        EntityType::COMPANY => "CO_",
        EntityType::CONTACT => "C_",
        _ => "L_",
    }
}

/// A state's fields, by their names, as the portal writes them.
pub fn raw(state: &RecordState) -> Map<String, Value> {
    let value = match state {
        RecordState::Item(item) => serde_json::to_value(item),
        RecordState::Task { task } => serde_json::to_value(task),
        RecordState::Call { .. } | RecordState::Custom { .. } => return Map::new(),
    };
    value.ok().and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

/// The value of a record's field. `raw` is the record, from [`raw`].
pub fn read(field: &PortalField, record: Record, raw: &Map<String, Value>) -> Cell {
    let value = raw.get(&field.name).unwrap_or(&Value::Null);
    match field.kind {
        PortalKind::Itself => return Cell::records([record.id()]),
        PortalKind::FullName => return Cell::line(&NameParts::of(raw).shown()),
        PortalKind::Binding(entity) => return Cell::records(bound(entity, raw)),
        _ => {}
    }
    let all = entries(value);
    let text = |value: &&Value| text_of(value);
    match &field.kind {
        PortalKind::Choice if field.multiple => Cell::options(all.iter().map(text)),
        PortalKind::User => Cell::users(all.iter().filter_map(|value| tolerant::whole(value))),
        PortalKind::Item(_) => Cell::records(all.iter().filter_map(|value| tolerant::whole(value))),
        PortalKind::File => files(&all),
        _ if holds_several(field, raw) => Cell::list(cells(field, &all)),
        _ => single(field, all.first().copied().unwrap_or(&Value::Null)),
    }
}

/// Whether the values of a field are a list: because it is described so, or because the record has a list there, as
/// the custom fields of tasks may, which are described by no method.
pub fn holds_several(field: &PortalField, raw: &Map<String, Value>) -> bool {
    let is_list = || raw.get(&field.name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let can_be_list =
        !matches!(field.kind, PortalKind::Choice | PortalKind::User | PortalKind::Item(_) | PortalKind::File);
    can_be_list && (field.multiple || is_list())
}

/// The values of a field with several, each as it is compared; [`Cell::Empty`] for one that is as good as empty.
fn cells(field: &PortalField, values: &[&Value]) -> Vec<Cell> {
    let one_of_several = PortalField { multiple: true, ..PortalField::new(&field.name, field.kind.clone()) };
    let cell = |value: &&Value| match text_of(value).trim() {
        "" if !value.is_object() => Cell::Empty,
        _ => single(&one_of_several, value),
    };
    values.iter().map(cell).collect()
}

/// The same for a record; nothing for a field that holds one value.
pub fn listed(field: &PortalField, raw: &Map<String, Value>) -> Vec<Cell> {
    let all = entries(raw.get(&field.name).unwrap_or(&Value::Null));
    if holds_several(field, raw) {
        return cells(field, &all).into_iter().filter(|cell| *cell != Cell::Empty).collect();
    }
    let one = all.first().map_or(Cell::Empty, |value| single(field, value));
    Vec::from_iter((one != Cell::Empty).then_some(one))
}

/// The numbers of people and records in the portal's order.
pub fn numbers(field: &PortalField, raw: &Map<String, Value>) -> Vec<u64> {
    match field.kind {
        PortalKind::Binding(entity) => bound(entity, raw),
        _ => raw.get(&field.name).map(entries).unwrap_or_default().into_iter().filter_map(tolerant::whole).collect(),
    }
}

/// The codes of a list in the portal's order.
pub fn codes(field: &PortalField, raw: &Map<String, Value>) -> Vec<String> {
    raw.get(&field.name).map(entries).unwrap_or_default().into_iter().map(text_of).collect()
}

/// The values in their order. PHP makes maps of lists with gaps.
fn entries(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => {
            let numbered: Option<Vec<(u64, &Value)>> =
                map.iter().map(|(key, value)| Some((key.parse().ok()?, value))).collect();
            let Some(mut numbered) = numbered else { return vec![value] };
            numbered.sort_by_key(|(key, _)| *key);
            numbered.into_iter().map(|(_, value)| value).collect()
        }
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "true".into(),
        _ => String::new(),
    }
}

/// The records of a type that a task belongs to, in the portal's order.
fn bound(entity: EntityType, raw: &Map<String, Value>) -> Vec<u64> {
    let prefix = binding_prefix(entity);
    let bound = raw.get("ufCrmTask").map(entries).unwrap_or_default();
    bound.into_iter().filter_map(|id| id.as_str()?.strip_prefix(prefix)?.parse().ok()).collect()
}

fn single(field: &PortalField, value: &Value) -> Cell {
    let text = text_of(value);
    match &field.kind {
        PortalKind::Line | PortalKind::Url | PortalKind::Links => Cell::line(&text),
        PortalKind::Address => Cell::line(place_of(&text).0),
        PortalKind::Rich => Cell::text(&rich::shown(&text)),
        // The portal's own sums have two digits, whatever rounding error a computation left in them.
        PortalKind::Number(scale @ 1..=3) => match Cell::decimal(&text) {
            number if lines::holds(*scale, &number).is_ok() => number,
            _ => Cell::number_of(&text, *scale),
        },
        PortalKind::Number(_) => Cell::decimal(&text),
        PortalKind::Money => {
            let (amount, currency) = text.split_once('|').unwrap_or((&text, ""));
            match Cell::decimal(amount) {
                Cell::Number(amount) if field.shows_currency() => Cell::Money(amount, currency.trim().to_owned()),
                amount => amount,
            }
        }
        PortalKind::Flag => Cell::Flag(matches!(text.as_str(), "Y" | "1" | "true")),
        PortalKind::Day => day(&text),
        PortalKind::Moment => text.parse::<Timestamp>().map_or(Cell::Empty, Cell::moment),
        PortalKind::Choice => match text {
            code if code.is_empty() || (code == "0" && field.name != "priority") => Cell::Empty,
            code => Cell::Option(code),
        },
        PortalKind::Other => Cell::line(&unknown(value)),
        PortalKind::User
        | PortalKind::Item(_)
        | PortalKind::File
        | PortalKind::Itself
        | PortalKind::Binding(_)
        | PortalKind::FullName => Cell::Empty,
    }
}

/// A value of an unknown type, shown as well as possible.
fn unknown(value: &Value) -> String {
    let names = ["name", "NAME", "title", "TITLE", "value", "VALUE"];
    match value {
        Value::Object(map) => {
            let name = names.iter().find_map(|name| map.get(*name).map(text_of).filter(|text| !text.is_empty()));
            name.unwrap_or_else(|| value.to_string())
        }
        Value::Array(_) => value.to_string(),
        value => text_of(value),
    }
}

fn files(all: &[&Value]) -> Cell {
    let file = |value: &&Value| {
        let url = address_for_people(value)?;
        let name = value["name"].as_str().map_or_else(|| format!("File {}", text_of(&value["id"])), str::to_owned);
        Some((name, url))
    };
    let files: Vec<_> = all.iter().filter_map(file).collect();
    if files.is_empty() { Cell::Empty } else { Cell::Files(files) }
}

/// The address at which a signed-in person opens a file. The address for programs (`urlMachine`) holds our own secret,
/// so only its host is used, for an address for people (`url`) that is relative.
fn address_for_people(file: &Value) -> Option<String> {
    let address = |name: &str| file[name].as_str().filter(|text| !text.is_empty());
    let machine = address("urlMachine").and_then(origin_and_path).map(|(origin, _)| origin);
    let (origin, path) = match (address("url"), machine) {
        (Some(url), machine) => origin_and_path(url).or_else(|| Some((machine?, url)))?,
        (None, machine) => (machine?, "/"),
    };
    let holds_a_secret = path.starts_with("/rest/") || path.contains("auth=") || path.contains("token=");
    let path = if holds_a_secret || !path.starts_with('/') { "/" } else { path };
    Some(format!("{origin}{path}"))
}

/// `https://portal` and `/path?query` of an absolute address.
fn origin_and_path(url: &str) -> Option<(&str, &str)> {
    let host = ["https://", "http://"].iter().find_map(|scheme| url.starts_with(scheme).then_some(scheme.len()))?;
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    Some(url.split_at(end))
}

/// An address, and its place on the map with its number: `Main Street 1|52.51;13.38|77`.
fn place_of(text: &str) -> (&str, &str) {
    steps::add(text.len());
    let is_place = |rest: &str| {
        let coordinates = rest.split('|').next().unwrap_or_default();
        let is_degree = |part: &str| part.trim().is_empty() || part.trim().parse::<f64>().is_ok();
        coordinates.split_once(';').is_some_and(|(latitude, longitude)| is_degree(latitude) && is_degree(longitude))
    };
    let split = text.match_indices('|').find(|(at, _)| is_place(&text[at + 1..]));
    split.map_or((text, ""), |(at, _)| text.split_at(at))
}

/// A date of the portal is often midnight in the portal's own time zone: its day is the written one, not the one in
/// UTC.
fn day(text: &str) -> Cell {
    text.get(..10).and_then(|day| day.parse().ok()).map_or(Cell::Empty, Cell::Day)
}

/// The fields to write, by the names that the record's update takes. `raw` is the record as it is: what a cell does not
/// say (a currency, seconds, the values that were not edited) stays as it is there. A field whose edit cannot be applied
/// without loss, for which [`edited`] says why, is written as it is.
pub fn written(kind: RecordKind, fields: &[(&PortalField, &Cell)], raw: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (field, cell) in fields {
        if field.kind == PortalKind::FullName {
            // A text that cannot be divided was refused before it came here.
            if let (Cell::Text(text), parts) = (cell, NameParts::of(raw)) {
                let edit = parts.edit(text).ok().flatten();
                all.extend(edit.map(|edit| (edit.field.to_owned(), json!(edit.value))));
            }
            continue;
        }
        if let PortalKind::Binding(entity) = field.kind {
            // Several of these fields are parts of one list.
            let now = all.get("UF_CRM_TASK").or_else(|| raw.get("ufCrmTask")).cloned().unwrap_or_default();
            all.insert("UF_CRM_TASK".into(), rebound(entity, cell, &now));
            continue;
        }
        let name = match kind {
            RecordKind::Items(_) => field.name.clone(),
            RecordKind::Tasks => bitrix24::task::upper_name(&field.name),
        };
        let value = edited(field, cell, raw).ok().or_else(|| raw.get(&field.name).cloned());
        all.extend(value.map(|value| (name, value)));
    }
    all
}

/// What a task belongs to, with other records of a type. What stays keeps its place.
fn rebound(entity: EntityType, cell: &Cell, now: &Value) -> Value {
    let prefix = binding_prefix(entity);
    let wanted = records_of(cell);
    let mut missing = wanted.clone();
    let mut kept: Vec<Value> = Vec::new();
    for id in entries(now) {
        let own: Option<u64> = id.as_str().and_then(|id| id.strip_prefix(prefix)?.parse().ok());
        if own.is_none_or(|own| wanted.contains(&own)) {
            missing.retain(|id| Some(*id) != own);
            kept.push(id.clone());
        }
    }
    kept.extend(missing.into_iter().map(|id| json!(format!("{prefix}{id}"))));
    Value::Array(kept)
}

fn records_of(cell: &Cell) -> Vec<u64> {
    match cell {
        Cell::Records(records) => records.iter().copied().collect(),
        _ => Vec::new(),
    }
}

/// The value of a field after an edit, or why the edit cannot be applied without loss.
pub fn edited(field: &PortalField, cell: &Cell, raw: &Map<String, Value>) -> Result<Value, Localized> {
    let now = raw.get(&field.name).unwrap_or(&Value::Null);
    let all = entries(now);
    if field.multiple {
        match (&field.kind, cell) {
            (PortalKind::Choice, Cell::Options(codes)) => {
                return Ok(chosen(&all, &codes.iter().cloned().collect::<Vec<_>>(), text_of, |code| json!(code)));
            }
            (PortalKind::User | PortalKind::Item(_), Cell::Users(ids) | Cell::Records(ids)) => {
                let id = |value: &Value| tolerant::whole(value).unwrap_or_default();
                return Ok(chosen(&all, &ids.iter().copied().collect::<Vec<_>>(), id, |id| json!(id)));
            }
            (_, Cell::Empty) => return Ok(json!([])),
            _ => {}
        }
    }
    if holds_several(field, raw) {
        return list(field, &all, cell);
    }
    if all.len() > 1 {
        return Err(texts::sync::SEVERAL_IN_BITRIX24.into());
    }
    one(field, cell, all.first().copied().unwrap_or(&Value::Null))
}

/// A list of codes or numbers with some removed and some added. What stays keeps its place.
fn chosen<T: PartialEq>(now: &[&Value], wanted: &[T], key: impl Fn(&Value) -> T, value: impl Fn(&T) -> Value) -> Value {
    let kept = now.iter().filter(|value| wanted.contains(&key(value))).map(|value| (*value).clone());
    let added = wanted.iter().filter(|wanted| !now.iter().any(|value| key(value) == **wanted)).map(value);
    kept.chain(added).collect()
}

fn list(field: &PortalField, now: &[&Value], cell: &Cell) -> Result<Value, Localized> {
    let wanted: &[Cell] = match cell {
        Cell::List(cells) => cells,
        Cell::Empty => &[],
        _ => return Err(texts::sync::SEVERAL_WANTED.into()),
    };
    let field = &PortalField { multiple: true, ..field.clone() };
    let cells = cells(field, now);
    if let Some(line) = list::melted(&cells, wanted) {
        return Err(Localized::of(|_| texts::sync::LineHoldsSeveral { line: line as u64 + 1 }));
    }
    let numbers = now.iter().any(|value| value.is_number());
    let write = |cell: &Cell, was: Option<&Value>| {
        let value = one(field, cell, was.unwrap_or(&Value::Null))?;
        // A list of numbers stays one.
        let number = value.as_str().filter(|_| numbers).and_then(|text| serde_json::from_str::<Value>(text).ok());
        Ok(number.filter(|number| number.is_number() && single(field, number) == *cell).unwrap_or(value))
    };
    list::edited(now, &cells, wanted, write).map(Value::Array)
}

/// One value after an edit.
fn one(field: &PortalField, cell: &Cell, now: &Value) -> Result<Value, Localized> {
    let is_compared = !matches!(field.kind, PortalKind::User | PortalKind::Item(_));
    if is_compared && !now.is_null() && single(field, now) == *cell {
        return Ok(now.clone());
    }
    let was = text_of(now);
    Ok(match (&field.kind, cell) {
        (PortalKind::Line | PortalKind::Url, Cell::Text(text)) => json!(list::edited_line(&was, text)),
        (PortalKind::Rich, Cell::Text(text)) => json!(rich::edited(&was, text)?),
        (PortalKind::Address, Cell::Text(text)) => {
            let (address, place) = place_of(&was);
            if !place.is_empty() {
                return Err(Localized::of(|_| texts::sync::AddressHasPlace { address }));
            }
            json!(list::edited_line(address, text))
        }
        (PortalKind::Money, Cell::Number(amount)) => {
            let currency = was.split_once('|').map(|(_, currency)| currency);
            json!(currency.map_or_else(|| amount.clone(), |currency| format!("{amount}|{currency}")))
        }
        (PortalKind::Money, Cell::Money(amount, currency)) if currency.is_empty() && !was.contains('|') => {
            json!(amount)
        }
        (PortalKind::Money, Cell::Money(amount, currency)) => json!(format!("{amount}|{currency}")),
        (PortalKind::Flag, cell) => flag(*cell == Cell::Flag(true), now),
        (_, Cell::Text(text) | Cell::Option(text) | Cell::Number(text)) => json!(text),
        (_, Cell::Day(day)) => json!(day.to_string()),
        (PortalKind::Day, Cell::Moment(moment)) => json!(moment.strftime("%Y-%m-%d").to_string()),
        (_, Cell::Moment(moment)) => json!(moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        (_, Cell::Options(codes)) => codes.first().map_or_else(|| json!(""), |code| json!(code)),
        (_, Cell::Users(ids) | Cell::Records(ids)) if ids.len() > 1 => {
            return Err(texts::sync::ONE_VALUE.into());
        }
        (_, Cell::Users(ids) | Cell::Records(ids)) => json!(ids.first().copied().unwrap_or_default()),
        (PortalKind::User | PortalKind::Item(_), _) => json!(0),
        // The portal's own numbers are never empty.
        (PortalKind::Number(_), _) if !field.name.starts_with("uf") => json!(0),
        (_, _) => json!(""),
    })
}

/// Yes or no in the notation of the field.
fn flag(yes: bool, now: &Value) -> Value {
    match now {
        Value::Bool(_) => json!(yes),
        Value::Number(_) => json!(u8::from(yes)),
        Value::String(text) if text == "1" || text == "0" => json!(if yes { "1" } else { "0" }),
        _ => json!(if yes { "Y" } else { "N" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(kind: &str, multiple: bool) -> PortalField {
        PortalField::read("ufCrm_1", &json!({"type": kind, "isMultiple": multiple})).unwrap()
    }

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn cell(field: &PortalField, value: Value) -> Cell {
        let raw = Map::from_iter([(field.name.clone(), value)]);
        read(field, Record::item(EntityType::DEAL, 1), &raw)
    }

    #[test]
    fn custom_fields_are_read_by_their_type() {
        assert_eq!(cell(&field("money", false), json!("300.50|EUR")), Cell::Number("300.5".into()));
        assert_eq!(
            cell(&field("date", false), json!("2026-11-25T00:00:00+03:00")),
            Cell::Day("2026-11-25".parse().unwrap())
        );
        assert_eq!(cell(&field("boolean", false), json!("1")), Cell::Flag(true));
        assert_eq!(cell(&field("boolean", false), json!("N")), Cell::Flag(false));
        assert_eq!(cell(&field("employee", true), json!(["6", 9])), Cell::users([6, 9]));
        assert_eq!(
            cell(&field("enumeration", true), json!({"0": 44, "2": "46"})),
            Cell::options(["44".into(), "46".into()])
        );
        assert_eq!(cell(&field("enumeration", false), json!(0)), Cell::Empty);
        assert_eq!(cell(&field("text", false), json!("[b]a[/b]\nb ")), Cell::text("a\nb"));
        assert_eq!(cell(&field("iblock_section", true), json!([7, "8"])).to_string(), "7; 8");
        assert_eq!(PortalField::read("x", &json!({})), None);
    }

    #[test]
    fn a_files_address_is_the_one_for_people_and_never_the_one_that_holds_our_secret() {
        let secret = "https://a.example/rest/1/s3cret/crm.controller.item.getFile/?token=crm%7C7";
        for (url, shown) in [
            (json!("/show.php?id=7"), "https://a.example/show.php?id=7"),
            (json!("https://b.example/show.php?id=7"), "https://b.example/show.php?id=7"),
            (json!("https://a.example?auth=s3cret"), "https://a.example/"),
            (json!("https://a.example/rest/1/s3cret/x"), "https://a.example/"),
            (Value::Null, "https://a.example/"),
        ] {
            let file = json!({"id": 7, "url": url, "urlMachine": secret});
            assert_eq!(cell(&field("file", false), file), Cell::Files(vec![("File 7".into(), shown.into())]));
        }
        assert_eq!(cell(&field("file", false), json!({"id": 7, "url": "/show.php"})), Cell::Empty);
    }

    #[test]
    fn a_sum_is_read_whatever_form_it_has() {
        let sums = json!(["1000|EUR", "|EUR", "", "1000.5|", null, false, [], {}]);
        let seen: Vec<_> =
            sums.as_array().unwrap().iter().map(|sum| cell(&field("money", false), sum.clone())).collect();
        let number = |text: &str| Cell::Number(text.into());
        let nothing = Cell::Empty;
        let expected = [
            number("1000"),
            nothing.clone(),
            nothing.clone(),
            number("1000.5"),
            nothing.clone(),
            nothing.clone(),
            nothing.clone(),
            nothing,
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_written_keeps_what_the_edit_does_not_name() {
        let deals = RecordKind::Items(EntityType::DEAL);
        let after = |field: &PortalField, cell: Cell, now: Value| {
            let raw = Map::from_iter([(field.name.clone(), now)]);
            written(deals, &[(field, &cell)], &raw).remove(&field.name).unwrap_or_default()
        };
        let text = |texts: &[&str]| Cell::list(texts.iter().map(|text| Cell::line(text)));
        assert_eq!(
            after(&field("string", true), text(&["Roof", "Wall, north", "Door"]), json!(["Roof", "Wall, north"])),
            json!(["Roof", "Wall, north", "Door"])
        );
        let list = Cell::list([Cell::Number("10".into()), Cell::Number("25".into())]);
        assert_eq!(after(&field("double", true), list.clone(), json!([10, 20])), json!([10, 25]));
        assert_eq!(after(&field("double", true), list, json!(["10.00", "20"])), json!(["10.00", "25"]));
        let sums = Cell::list([Cell::Money("10".into(), "EUR".into()), Cell::Money("5".into(), "USD".into())]);
        assert_eq!(after(&field("money", true), sums, json!(["10.00|EUR", "20|USD"])), json!(["10.00|EUR", "5|USD"]));
        let moment = Cell::moment("2026-12-01T07:30:00Z".parse().unwrap());
        let now = json!("2026-12-01T10:30:42+03:00");
        assert_eq!(after(&field("datetime", false), moment, now.clone()), now, "the seconds stay");
        let place = json!("Main Street 1|52.51;13.38|77");
        assert_eq!(after(&field("address", false), Cell::line("Main Street 1"), place.clone()), place);
        assert_eq!(after(&field("address", false), Cell::line("Main Street 2"), place.clone()), place, "refused");
        assert_eq!(after(&field("boolean", false), Cell::Flag(true), json!("0")), json!("1"));
        assert_eq!(after(&field("employee", true), Cell::users([9, 4]), json!(["9", 7])), json!(["9", 4]));
        // One text over a list is not an edit of it.
        assert_eq!(after(&field("string", true), Cell::line("a, b"), json!(["a", "b"])), json!(["a", "b"]));
        let melted = edited(
            &field("string", true),
            &text(&["Roof, Wall, north, Door"]),
            &Map::from_iter([("ufCrm_1".to_owned(), json!(["Roof", "Wall, north"]))]),
        );
        assert!(melted.unwrap_err().to_string().contains("several of the values"));
    }

    #[test]
    fn a_task_that_belongs_to_several_deals_keeps_them() {
        let fields = PortalField::of_tasks();
        let deal = fields.iter().find(|field| field.name == "deal").unwrap();
        let raw = Map::from_iter([("ufCrmTask".to_owned(), json!(["D_9", "CO_5", "D_42"]))]);
        assert_eq!(read(deal, Record::Task(1), &raw), Cell::records([9, 42]));
        let written = written(RecordKind::Tasks, &[(deal, &Cell::records([9, 42, 7]))], &raw);
        assert_eq!(Value::Object(written), json!({"UF_CRM_TASK": ["D_9", "CO_5", "D_42", "D_7"]}));
    }

    #[test]
    fn a_custom_field_of_a_task_that_has_a_list_stays_a_list() {
        let field = PortalField::of_task_custom("ufAuto1", "rich_text");
        let raw = Map::from_iter([("ufAuto1".to_owned(), json!(["a", "b"]))]);
        assert_eq!(read(&field, Record::Task(1), &raw), Cell::list([Cell::line("a"), Cell::line("b")]));
        let cell = Cell::list([Cell::line("a"), Cell::line("c")]);
        let written = written(RecordKind::Tasks, &[(&field, &cell)], &raw);
        assert_eq!(Value::Object(written), json!({"UF_AUTO1": ["a", "c"]}));
    }

    #[test]
    fn a_tasks_deal_is_one_of_what_it_belongs_to_and_the_others_stay() {
        let fields = PortalField::of_tasks();
        let deal = fields.iter().find(|field| field.name == "deal").unwrap();
        let raw = Map::from_iter([("ufCrmTask".to_owned(), json!(["CO_5", "D_42"]))]);
        assert_eq!(read(deal, Record::Task(1), &raw), Cell::records([42]));
        let written = written(RecordKind::Tasks, &[(deal, &Cell::records([7]))], &raw);
        assert_eq!(Value::Object(written), json!({"UF_CRM_TASK": ["CO_5", "D_7"]}));
    }

    #[test]
    fn a_sum_keeps_its_currency_and_text_makes_no_buttons() {
        let raw = Map::from_iter([("ufCrm_1".to_owned(), json!("1|EUR"))]);
        let deals = RecordKind::Items(EntityType::DEAL);
        let sum = written(deals, &[(&field("money", false), &Cell::number(2.5, 2))], &raw);
        assert_eq!(sum["ufCrm_1"], "2.5|EUR");
        let text = written(deals, &[(&field("text", false), &Cell::text("[send=x]y[/send]"))], &raw);
        assert!(!text["ufCrm_1"].as_str().unwrap().contains("[send=x]"), "{text:?}");
    }

    fn cells() -> impl Strategy<Value = (PortalField, Cell)> {
        let date = (2000i16..2100, 1i8..13, 1i8..29).prop_map(|(y, m, d)| Cell::Day(Date::constant(y, m, d)));
        let moment = (0i64..4_000_000_000).prop_map(|second| Cell::moment(Timestamp::from_second(second).unwrap()));
        prop_oneof![
            "[a-zA-Zа-я0-9 ,.]{0,30}".prop_map(|text| (field("string", false), Cell::line(&text))),
            "[a-zа-я\n\\[\\]*]{0,40}".prop_map(|text| (field("text", false), Cell::text(&text))),
            (-1e8f64..1e8).prop_map(|number| (field("double", false), Cell::number(number, 4))),
            (-1e8f64..1e8).prop_map(|number| (field("money", false), Cell::number(number, 2))),
            any::<bool>().prop_map(|yes| (field("boolean", false), Cell::Flag(yes))),
            date.prop_map(|cell| (field("date", false), cell)),
            moment.prop_map(|cell| (field("datetime", false), cell)),
            prop::collection::btree_set(1u64..99, 0..4).prop_map(|ids| (field("employee", true), Cell::users(ids))),
            prop::collection::btree_set("[1-9]{1,3}", 0..4)
                .prop_map(|codes| (field("enumeration", true), Cell::options(codes))),
        ]
    }

    use jiff::civil::Date;

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same((field, cell) in cells()) {
            let written = written(RecordKind::Items(EntityType::DEAL), &[(&field, &cell)], &Map::new());
            let back = read(&field, Record::item(EntityType::DEAL, 1), &written);
            let same = back == cell || (back.is_empty() && cell.is_empty());
            prop_assert!(same, "{:?} came back as {:?} through {:?}", cell, back, written);
        }
    }
}
