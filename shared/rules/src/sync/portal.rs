//! A record's fields: what the portal says they are, how their values are read, and how they are written.

use bitrix24::{EntityType, tolerant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::full_name::{FULL_NAME, Parts};
use crate::record::{Record, RecordKind, State};
use crate::text::Document;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalKind {
    /// A line of text.
    Line,
    /// Text in BBCode.
    Rich,
    /// A number with so many digits after the point.
    Number(usize),
    /// A sum with its currency: `300|EUR`.
    Money,
    /// Yes or no.
    Flag,
    /// A day.
    Day,
    /// A moment.
    Moment,
    /// One of a list.
    Choice,
    /// A person, or several.
    User,
    /// An item of a type.
    Item(EntityType),
    /// The item of a type that a task belongs to.
    Binding(EntityType),
    /// A file, or several: read only.
    File,
    /// An address.
    Url,
    /// The record itself: to lead from one database to another.
    Itself,
    /// A person's whole name, made of the portal's parts.
    FullName,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalField {
    /// Its name: `opportunity`, `ufCrm_17`.
    pub name: String,
    /// What it holds.
    pub kind: PortalKind,
    /// Whether it holds several.
    #[serde(default)]
    pub multiple: bool,
    /// Whether nobody writes it.
    #[serde(default)]
    pub read_only: bool,
    /// The values of a list: code and name, in the portal's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, String)>,
    /// The list in `crm.status.list` that its values are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

impl PortalField {
    fn new(name: &str, kind: PortalKind) -> Self {
        Self { name: name.into(), kind, multiple: false, read_only: false, options: Vec::new(), list: None }
    }

    /// Whether it is the stage, whose list depends on the record's funnel.
    pub fn is_stage(&self) -> bool {
        self.name == "stageId"
    }

    /// A field out of the answer to `crm.item.fields`; `None` for a type that cannot be mirrored.
    pub fn read(name: &str, described: &Value) -> Option<Self> {
        let kind = match described["type"].as_str().unwrap_or_default() {
            // Sums of the portal's own are plain numbers.
            "double" => PortalKind::Number(if name == "opportunity" { 2 } else { 4 }),
            "integer" => PortalKind::Number(0),
            "money" => PortalKind::Money,
            "boolean" | "char" => PortalKind::Flag,
            "date" => PortalKind::Day,
            "datetime" => PortalKind::Moment,
            "crm_status" | "enumeration" | "crm_currency" | "list" => PortalKind::Choice,
            "user" | "employee" => PortalKind::User,
            "crm_company" => PortalKind::Item(EntityType::COMPANY),
            "crm_contact" => PortalKind::Item(EntityType::CONTACT),
            "crm_deal" => PortalKind::Item(EntityType::DEAL),
            "crm_lead" => PortalKind::Item(EntityType::LEAD),
            "file" | "disk_file" => PortalKind::File,
            "url" => PortalKind::Url,
            "text" => PortalKind::Rich,
            "string" | "address" | "email" | "phone" => PortalKind::Line,
            _ => return None,
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let items = described["items"].as_array().into_iter().flatten();
        Some(Self {
            multiple: described["isMultiple"] == true,
            read_only: described["isReadOnly"] == true || kind == PortalKind::File,
            options: items.map(|item| (text(&item["ID"]), text(&item["VALUE"]))).collect(),
            list: described["statusType"].as_str().map(str::to_owned),
            ..Self::new(name, kind)
        })
    }

    /// The fields of tasks: they are described by no method in a form that says more.
    pub fn of_tasks() -> Vec<Self> {
        let choice = |name: &str, options: &[(&str, &str)]| Self {
            options: options.iter().map(|(code, name)| ((*code).to_owned(), (*name).to_owned())).collect(),
            ..Self::new(name, PortalKind::Choice)
        };
        let several = |name: &str| Self { multiple: true, ..Self::new(name, PortalKind::User) };
        let fixed = |name: &str, kind| Self { read_only: true, ..Self::new(name, kind) };
        vec![
            Self::new("title", PortalKind::Line),
            Self::new("description", PortalKind::Rich),
            choice(
                "status",
                &[("2", "To do"), ("3", "In progress"), ("4", "Awaiting control"), ("5", "Done"), ("6", "Deferred")],
            ),
            choice("priority", &[("0", "Low"), ("1", "Normal"), ("2", "High")]),
            Self::new("deadline", PortalKind::Moment),
            Self::new("responsibleId", PortalKind::User),
            fixed("createdBy", PortalKind::User),
            fixed("createdDate", PortalKind::Moment),
            several("accomplices"),
            several("auditors"),
            Self::new("deal", PortalKind::Binding(EntityType::DEAL)),
            Self::new("company", PortalKind::Binding(EntityType::COMPANY)),
            Self::new("contact", PortalKind::Binding(EntityType::CONTACT)),
        ]
    }

    /// The record itself, which every kind has.
    pub fn itself() -> Self {
        Self { read_only: true, ..Self::new("self", PortalKind::Itself) }
    }

    /// A person's whole name: contacts and leads keep its parts.
    pub fn full_name() -> Self {
        Self::new(FULL_NAME, PortalKind::FullName)
    }

    /// A task's custom field: what it holds follows from the property's type, for no method tells.
    pub fn of_task_custom(name: &str, property: &str) -> Self {
        let kind = match property {
            "number" => PortalKind::Number(4),
            "checkbox" => PortalKind::Flag,
            "date" => PortalKind::Moment,
            "url" => PortalKind::Url,
            _ => PortalKind::Line,
        };
        Self::new(name, kind)
    }
}

/// The short words by which a task names what it belongs to.
fn binding_prefix(entity: EntityType) -> &'static str {
    match entity {
        EntityType::DEAL => "D_",
        EntityType::COMPANY => "CO_",
        EntityType::CONTACT => "C_",
        _ => "L_",
    }
}

/// A state's fields, by their names, as the portal writes them.
pub fn raw(state: &State) -> Map<String, Value> {
    let value = match state {
        State::Item(item) => serde_json::to_value(item),
        State::Task { task } => serde_json::to_value(task),
        State::Call { .. } | State::Custom { .. } => return Map::new(),
    };
    value.ok().and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

/// What a field of a record says. `raw` is the record, from [`raw`].
pub fn read(field: &PortalField, record: Record, raw: &Map<String, Value>) -> Cell {
    let null = Value::Null;
    let value = raw.get(&field.name).unwrap_or(&null);
    match field.kind {
        PortalKind::Itself => return Cell::records([record.id()]),
        PortalKind::FullName => return Cell::line(&Parts::of(raw).shown()),
        PortalKind::Binding(entity) => {
            let prefix = binding_prefix(entity);
            let bound = raw.get("ufCrmTask").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            return Cell::records(bound.filter_map(|id| id.strip_prefix(prefix)?.parse().ok()).take(1));
        }
        _ => {}
    }
    let all: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        // PHP makes maps of lists with gaps.
        Value::Object(map) if field.multiple => map.values().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    };
    let first = all.first().copied().unwrap_or(&null);
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    match &field.kind {
        PortalKind::Line => Cell::line(&all.iter().map(|value| text(value)).collect::<Vec<_>>().join(", ")),
        // A bracket of ours that is to make no tag is followed by a space without width: see `to_bbcode`.
        PortalKind::Rich => Cell::text(&Document::from_bbcode(&text(first)).visible().replace("[\u{200b}", "[")),
        PortalKind::Number(scale) => Cell::number_of(&text(first), *scale),
        PortalKind::Money => Cell::number_of(text(first).split('|').next().unwrap_or_default(), 2),
        PortalKind::Flag => Cell::Flag(matches!(text(first).as_str(), "Y" | "1" | "true") || *first == json!(true)),
        PortalKind::Day => day(&text(first)),
        PortalKind::Moment => text(first).parse::<Timestamp>().map_or(Cell::Empty, Cell::moment),
        PortalKind::Choice if field.multiple => Cell::options(all.iter().map(|value| text(value))),
        PortalKind::Choice => match text(first) {
            code if code.is_empty() || (code == "0" && field.name != "priority") => Cell::Empty,
            code => Cell::Option(code),
        },
        PortalKind::User => Cell::users(all.iter().filter_map(|value| tolerant::whole(value))),
        PortalKind::Item(_) => Cell::records(all.iter().filter_map(|value| tolerant::whole(value))),
        PortalKind::Url => match text(first).trim() {
            "" => Cell::Empty,
            url => Cell::Text(url.to_owned()),
        },
        PortalKind::File => {
            let file = |value: &&Value| {
                let url = value["urlMachine"].as_str().or_else(|| value["url"].as_str())?;
                let name = value["name"].as_str().map_or_else(|| format!("File {}", text(&value["id"])), str::to_owned);
                Some((name, url.to_owned()))
            };
            let files: Vec<_> = all.iter().filter_map(file).collect();
            if files.is_empty() { Cell::Empty } else { Cell::Files(files) }
        }
        PortalKind::Itself | PortalKind::Binding(_) | PortalKind::FullName => Cell::Empty,
    }
}

/// A date of the portal is often midnight in the portal's own time zone: its day is what stands there, not what it is
/// in UTC.
fn day(text: &str) -> Cell {
    text.get(..10).and_then(|day| day.parse().ok()).map_or(Cell::Empty, Cell::Day)
}

/// The fields to write, by the names that the record's update takes. `raw` is the record as it is.
pub fn written(kind: RecordKind, fields: &[(&PortalField, &Cell)], raw: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (field, cell) in fields {
        if field.kind == PortalKind::FullName {
            // A text that cannot be divided was refused before it came here.
            if let (Cell::Text(text), parts) = (cell, Parts::of(raw)) {
                let edit = parts.edit(text).ok().flatten();
                all.extend(edit.map(|edit| (edit.field.to_owned(), json!(edit.value))));
            }
            continue;
        }
        if let PortalKind::Binding(entity) = field.kind {
            let prefix = binding_prefix(entity);
            let bound = raw.get("ufCrmTask").and_then(Value::as_array).into_iter().flatten();
            let others = bound.filter(|id| !id.as_str().is_some_and(|id| id.starts_with(prefix))).cloned();
            let new = records_of(cell).into_iter().map(|id| json!(format!("{prefix}{id}")));
            all.insert("UF_CRM_TASK".into(), others.chain(new).collect());
            continue;
        }
        let name = match kind {
            RecordKind::Items(_) => field.name.clone(),
            RecordKind::Tasks => bitrix24::task::upper_name(&field.name),
        };
        all.insert(name, value(field, cell, raw.get(&field.name)));
    }
    all
}

fn records_of(cell: &Cell) -> Vec<u64> {
    match cell {
        Cell::Records(records) => records.iter().copied().collect(),
        _ => Vec::new(),
    }
}

fn value(field: &PortalField, cell: &Cell, now: Option<&Value>) -> Value {
    let several = |values: Vec<Value>, none: Value| {
        if field.multiple { Value::Array(values) } else { values.into_iter().next().unwrap_or(none) }
    };
    match (&field.kind, cell) {
        (PortalKind::Rich, Cell::Text(text)) => json!(Document::plain(text).to_bbcode(false)),
        (PortalKind::Money, Cell::Number(number)) => {
            let currency =
                now.and_then(Value::as_str).and_then(|sum| sum.split_once('|')).map(|(_, currency)| currency);
            json!(currency.map_or_else(|| number.clone(), |currency| format!("{number}|{currency}")))
        }
        (PortalKind::Flag, Cell::Flag(yes)) => json!(if *yes { "Y" } else { "N" }),
        (PortalKind::Flag, _) => json!("N"),
        (_, Cell::Text(text) | Cell::Option(text) | Cell::Number(text)) => several(vec![json!(text)], Value::Null),
        (_, Cell::Day(day)) => json!(day.to_string()),
        (PortalKind::Day, Cell::Moment(moment)) => json!(moment.strftime("%Y-%m-%d").to_string()),
        (_, Cell::Moment(moment)) => json!(moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        (_, Cell::Options(codes)) => several(codes.iter().map(|code| json!(code)).collect(), json!("")),
        (_, Cell::Users(ids) | Cell::Records(ids)) => several(ids.iter().map(|id| json!(id)).collect(), json!(0)),
        (PortalKind::User | PortalKind::Item(_), _) => several(Vec::new(), json!(0)),
        (PortalKind::Number(_), _) => json!(0),
        (_, _) => several(Vec::new(), json!("")),
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
        let file = json!({"id": 7, "url": "/show", "urlMachine": "https://a/rest/file"});
        assert_eq!(
            cell(&field("file", false), file),
            Cell::Files(vec![("File 7".into(), "https://a/rest/file".into())])
        );
        assert_eq!(PortalField::read("x", &json!({"type": "iblock_section"})), None);
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
