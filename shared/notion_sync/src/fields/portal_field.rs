//! A record's fields: their types, as the portal describes them.

use bitrix24::EntityType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::full_name::FULL_NAME;

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
    Day,
    Moment,
    /// One of a list.
    Choice,
    /// A person, or several.
    User,
    Item(EntityType),
    /// The item of a type that a task belongs to.
    Binding(EntityType),
    /// A file, or several: read only.
    File,
    /// An address of a page.
    Url,
    /// The record itself: for links from one database to another.
    Itself,
    /// A person's whole name, made of the portal's parts.
    FullName,
    /// A postal address, which may have a place on the map.
    Address,
    /// Records of several types: `D_5`, `CO_3`. Read only.
    Links,
    /// Anything else. Read only.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalField {
    /// Its name: `opportunity`, `ufCrm_17`.
    pub name: String,
    /// What it holds.
    pub kind: PortalKind,
    /// Whether it holds several.
    #[serde(default)]
    pub multiple: bool,
    /// Whether it cannot be written.
    #[serde(default)]
    pub read_only: bool,
    /// The values of a list: code and name, in the portal's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, String)>,
    /// Whether it must not be emptied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// How its values are written in its property.
    #[serde(skip)]
    pub codec: Option<Codec>,
    /// The list in `crm.status.list` with its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// The fields of records and tasks that are never empty, whatever their description says.
const NEVER_EMPTY: &[&str] =
    &["title", "stageId", "assignedById", "categoryId", "currencyId", "status", "responsibleId", "priority"];

impl PortalField {
    pub(super) fn new(name: &str, kind: PortalKind) -> Self {
        let (name, options) = (name.to_owned(), Vec::new());
        let required = NEVER_EMPTY.contains(&name.as_str());
        Self { name, kind, multiple: false, read_only: false, options, required, codec: None, list: None }
    }

    /// Whether a sum's currency is part of its value, and not kept beside it.
    pub(super) fn shows_currency(&self) -> bool {
        self.multiple || self.codec == Some(Codec::Lines)
    }

    /// Whether it is the stage, whose list depends on the record's funnel.
    pub fn is_stage(&self) -> bool {
        self.name == "stageId"
    }

    /// A field as `crm.item.fields` describes it; `None` if that is not a description of a field. A field of an unknown
    /// type is shown as text.
    pub fn read(name: &str, described: &Value) -> Option<Self> {
        let kind = match described["type"].as_str()? {
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
            "address" => PortalKind::Address,
            "crm" => PortalKind::Links,
            "string" | "email" | "phone" => PortalKind::Line,
            _ => PortalKind::Other,
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let items = described["items"].as_array().into_iter().flatten();
        Some(Self {
            multiple: described["isMultiple"] == true,
            read_only: described["isReadOnly"] == true
                || matches!(kind, PortalKind::File | PortalKind::Links | PortalKind::Other),
            required: described["isRequired"] == true || NEVER_EMPTY.contains(&name),
            options: items.map(|item| (text(&item["ID"]), text(&item["VALUE"]))).collect(),
            list: described["statusType"].as_str().map(str::to_owned),
            ..Self::new(name, kind)
        })
    }

    /// The fields of tasks: no method describes them in more detail.
    pub fn of_tasks() -> Vec<Self> {
        let choice = |name: &str, options: &[(&str, &str)]| Self {
            options: options.iter().map(|(code, name)| ((*code).to_owned(), (*name).to_owned())).collect(),
            ..Self::new(name, PortalKind::Choice)
        };
        let several = |name: &str| Self { multiple: true, ..Self::new(name, PortalKind::User) };
        let binding = |name: &str, entity| Self { multiple: true, ..Self::new(name, PortalKind::Binding(entity)) };
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
            binding("deal", EntityType::DEAL),
            binding("company", EntityType::COMPANY),
            binding("contact", EntityType::CONTACT),
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

    /// A task's custom field: its type follows from the property's type, for no method describes it.
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

/// How a value is written in a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// A line of text.
    Line,
    /// One value a line.
    Lines,
    /// BBCode as formatted text.
    BbCode,
    Number,
    /// The amount of a sum; the currency stays on the portal.
    Amount,
    /// A box.
    Checkbox,
    Day,
    /// A moment, to the minute.
    Moment,
    /// One option, by its name.
    Option,
    /// Options, by their names.
    Options,
    /// People, by their accounts.
    People,
    /// Records, by their pages.
    Relation,
}
