//! Which records of the portal are synced with which Notion database: a part of the settings document.

use std::collections::BTreeMap;

use bitrix24::EntityType;
use locale::{Localized, texts};
use records::change::ChangeKind;
use records::record::RecordKind;
use records::words;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::default::is_default;
use crate::template::TextTemplate;

/// Notion: its databases and its people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct NotionSettings {
    /// The databases whose rows are records of the portal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<DatabaseSettings>,
    /// Who is who, where the e-mail does not tell: the number on the portal, and the person's id in Notion.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, String>,
    /// What the workspace's plan allows.
    #[serde(skip_serializing_if = "is_default")]
    pub plan: Plan,
}

/// How many requests a minute Notion takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Free and Plus: 180.
    #[default]
    Plus,
    /// Business and Enterprise: 600.
    Business,
}

/// The field that holds a person's whole name: of contacts and leads.
pub const FULL_NAME: &str = "fullName";
/// The portal's fields that it is made of. The honorific is a code and is not shown.
pub const PARTS: [&str; 4] = ["honorific", "name", "secondName", "lastName"];

/// Which side's value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Master {
    /// Both sides may be edited; if both were at once, the later edit counts. Notion tells the minute only: within the
    /// same minute it is Bitrix24's.
    #[default]
    LastWriteWins,
    /// Both sides may be edited; if both were at once, Bitrix24's counts.
    Bitrix24,
    /// Both sides may be edited; if both were at once, Notion's counts.
    Notion,
    /// Goes from Bitrix24 to Notion only; what somebody writes in Notion is put back.
    Bitrix24Only,
    /// Goes from Notion to Bitrix24 only; what somebody writes in Bitrix24 is put back.
    NotionOnly,
}

/// By what a row is recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RowKey {
    /// The record's number.
    Number,
    /// The title.
    Title,
    /// A person's full name.
    FullName,
    /// An e-mail address, of any.
    Email,
    /// A telephone number, of any.
    Phone,
    /// A field, as the portal names it.
    Field(String),
}

impl RowKey {
    /// The key of a name in the settings.
    pub fn parse(name: &str) -> Self {
        match name {
            "number" => Self::Number,
            "title" => Self::Title,
            FULL_NAME => Self::FullName,
            "email" => Self::Email,
            "phone" => Self::Phone,
            field => Self::Field(field.to_owned()),
        }
    }

    /// Its name in the settings.
    pub fn name(&self) -> &str {
        match self {
            Self::Number => "number",
            Self::Title => "title",
            Self::FullName => FULL_NAME,
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Field(field) => field,
        }
    }

    /// What people call it.
    pub fn words(&self) -> String {
        match self {
            Self::Number => "number".into(),
            Self::Title => "title".into(),
            Self::FullName => "full name".into(),
            Self::Email => "email".into(),
            Self::Phone => "phone".into(),
            Self::Field(field) => field.clone(),
        }
    }

    /// The keys of a kind of records by name, besides their fields.
    pub fn named(records: Mirrored) -> Vec<&'static str> {
        match records {
            Mirrored::Deal | Mirrored::Task => vec!["number", "title"],
            Mirrored::Company => vec!["number", "email", "phone", "title"],
            Mirrored::Lead | Mirrored::Contact => vec!["number", "email", "phone", FULL_NAME, "title"],
        }
    }

    /// Whether records of a kind can have it.
    pub fn fits(&self, records: Mirrored) -> bool {
        match self {
            Self::Field(_) => true,
            key => Self::named(records).contains(&key.name()),
        }
    }

    /// The keys that are used without being named, besides the number.
    pub fn usual(records: Mirrored) -> Vec<Self> {
        match records {
            Mirrored::Contact => vec![Self::Email, Self::Phone, Self::FullName],
            _ => vec![Self::Title],
        }
    }
}

/// A database whose rows are records of the portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct DatabaseSettings {
    /// What it is called in logs and on pages; unique.
    pub name: String,
    /// The database: its address, or its id, or that of its data source.
    pub database: String,
    /// What its rows are.
    pub records: Mirrored,
    /// Only records for which this holds get a page, in CEL: `record.stageSemanticId == "S"`. A page that is there stays
    /// in step, whatever becomes of the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Which field goes with which property; the usual ones if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FieldSetting>>,
    /// By what an existing row is recognised as a record's, the surest first: `number`, `email`, `phone`, `fullName`, `title`,
    /// or a field as the portal names it. A number counts first in any case. If not said: the number, then the title; of
    /// contacts the number, e-mail, phone, full name.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<MatchSetting>>,
    /// Whose value counts where a record and an existing row are linked for the first time and both have one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first: First,
    /// The body of a new page; the usual one if not said, none if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Vec<BodyPart>>,
    /// Whether properties that are missing when the database is used for the first time are made. One that is deleted
    /// later is not made again: its mapping pauses.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub create_properties: bool,
    /// What becomes of a page whose record was deleted (or merged into another).
    #[serde(default, skip_serializing_if = "is_default")]
    pub deleted_records: Gone,
    /// What becomes of a record whose page was put into the trash, moved away or deleted for good.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trashed_pages: Gone,
}

/// The kinds of records that can be synced with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mirrored {
    /// Deals.
    Deal,
    /// Tasks.
    Task,
    /// Leads.
    Lead,
    /// Contacts.
    Contact,
    /// Companies.
    Company,
}

impl Mirrored {
    /// The kind of records.
    pub fn kind(self) -> RecordKind {
        RecordKind::Items(match self {
            Self::Deal => EntityType::DEAL,
            Self::Lead => EntityType::LEAD,
            Self::Contact => EntityType::CONTACT,
            Self::Company => EntityType::COMPANY,
            Self::Task => return RecordKind::Tasks,
        })
    }
}

/// A field of the record and a property of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct FieldSetting {
    /// The field, as the portal names it: `title`, `opportunity`, `ufCrm_1714`; of a task also `deal`.
    pub field: String,
    /// The property, as the database names it. A new name is noticed by its id and does no harm.
    pub property: String,
    /// The property's type, where it is made: the usual one for the field if not said.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whose value counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub master: Master,
    /// What a value of the portal is called in Notion, where that is not its own name: `C1:NEW: Fresh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Whether an option that is missing in Notion is made. An option is seen by everybody and never goes by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create_options: bool,
    /// The text property that names people who have no account in Notion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmapped: Option<String>,
}

/// By what a row is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum MatchSetting {
    /// A key: `email`, `ufCrm_1714`. It is compared with the property that the field goes with; e-mail and phone with all
    /// properties of these types.
    Key(String),
    /// A key and the property that holds it.
    Property(MatchProperty),
}

/// A key and the property that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct MatchProperty {
    /// The key: `email`, `phone`, or a field as the portal names it.
    pub key: String,
    /// The property, as the database names it.
    pub property: String,
}

impl MatchSetting {
    /// The key's name.
    pub fn key(&self) -> &str {
        match self {
            Self::Key(key) => key,
            Self::Property(own) => &own.key,
        }
    }

    /// The property that holds it, if the settings name one.
    pub fn property(&self) -> Option<&str> {
        match self {
            Self::Key(_) => None,
            Self::Property(own) => Some(&own.property),
        }
    }
}

/// Whose value counts where both sides have one and were never compared before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// Bitrix24's.
    #[default]
    Bitrix24,
    /// Notion's.
    Notion,
    /// Neither: both stay as they are and are listed until someone decides.
    Ask,
}

/// What is done on one side when its counterpart on the other is gone. Nothing is ever deleted for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// It stays, says so, and the operators are told.
    #[default]
    Mark,
    /// It stays as it is.
    Keep,
    /// It goes the same way: a page into Notion's trash, a record into the portal's recycle bin.
    Delete,
    /// What is gone is brought back: a page out of the trash. A record cannot be brought back; it is as `mark`.
    Restore,
}

/// A part of the body of a new page. Texts are templates with the words of cards: `{company}`, `{record.ufCrm_1}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BodyPart {
    /// A heading.
    Heading(String),
    /// A smaller heading.
    Subheading(String),
    /// A paragraph.
    Text(String),
    /// Things to do.
    ToDo(Vec<String>),
    /// Bullets.
    Bullets(Vec<String>),
    /// A table; the first row is its head.
    Table(Vec<Vec<String>>),
    /// A line across.
    Divider,
}

impl BodyPart {
    /// The templates in it.
    pub fn templates(&self) -> Vec<&String> {
        match self {
            Self::Heading(text) | Self::Subheading(text) | Self::Text(text) => vec![text],
            Self::ToDo(items) | Self::Bullets(items) => items.iter().collect(),
            Self::Table(rows) => rows.iter().flatten().collect(),
            Self::Divider => Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_yes(yes: &bool) -> bool {
    *yes
}

impl FieldSetting {
    /// A field and a property, and nothing special about them.
    pub fn new(field: &str, property: &str) -> Self {
        Self {
            field: field.into(),
            property: property.into(),
            kind: None,
            master: Master::default(),
            values: BTreeMap::new(),
            create_options: false,
            unmapped: None,
        }
    }
}

impl DatabaseSettings {
    /// A database with the usual fields.
    pub fn new(name: &str, database: &str, records: Mirrored) -> Self {
        Self {
            name: name.into(),
            database: database.into(),
            records,
            when: None,
            fields: None,
            keys: None,
            first: First::default(),
            page: None,
            create_properties: true,
            deleted_records: Gone::Mark,
            trashed_pages: Gone::Mark,
        }
    }

    fn problems(&self) -> Vec<(String, Localized)> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() || self.name.contains('#') {
            let text = Localized::of(|_| texts::settings::NotAName { name: &self.name });
            problems.push(("name".into(), text));
        }
        if notion::object_id(&self.database).is_none() {
            let text = Localized::of(|_| texts::settings::NotADatabase { database: &self.database });
            problems.push(("database".into(), text));
        }
        let created = ChangeKind::parse(&format!("{}.created", self.records.kind()));
        if let (Some(when), Some(kind)) = (&self.when, &created) {
            let problem =
                Condition::parse(when).map_or_else(|error| Some(error.text()), |condition| condition.problem(kind));
            problems.extend(problem.map(|text| ("when".into(), text)));
        }
        let mappings = self.mappings();
        for (index, mapping) in mappings.iter().enumerate() {
            if mappings[..index].iter().any(|other| other.field == mapping.field) {
                let text = Localized::of(|_| texts::settings::FieldTwice { field: &mapping.field });
                problems.push((format!("fields[{index}].field"), text));
            }
            if mappings[..index].iter().any(|other| other.property == mapping.property) {
                let text = Localized::of(|_| texts::settings::PropertyTwice { property: &mapping.property });
                problems.push((format!("fields[{index}].property"), text));
            }
        }
        problems.extend(self.key_problems(&mappings));
        for (index, part) in self.page.iter().flatten().enumerate() {
            for text in part.templates() {
                let unknown = match TextTemplate::parse(text) {
                    Ok(template) => {
                        let words = template.words().filter_map(|word| words::problem(created.as_ref()?, word));
                        words.collect::<Vec<_>>()
                    }
                    Err(error) => vec![error.text()],
                };
                problems.extend(unknown.into_iter().map(|text| (format!("page[{index}]"), text)));
            }
        }
        problems
    }

    fn key_problems(&self, mappings: &[FieldSetting]) -> Vec<(String, Localized)> {
        let mut problems = Vec::new();
        let settings = self.keys.as_deref().unwrap_or_default();
        for (index, setting) in settings.iter().enumerate() {
            let key = RowKey::parse(setting.key());
            let text = if settings[..index].iter().any(|other| other.key() == setting.key()) {
                Localized::of(|_| texts::settings::KeyTwice { key: setting.key() })
            } else if !key.fits(self.records) {
                Localized::of(|_| texts::settings::NoSuchKey {
                    kind: self.records.kind().to_string(),
                    key: setting.key().to_owned(),
                    keys: RowKey::named(self.records).join(", "),
                })
            } else if let (RowKey::Field(field), None) = (&key, setting.property())
                && !mappings.iter().any(|mapping| mapping.field == *field)
            {
                Localized::of(|_| texts::settings::KeyWithoutProperty {
                    field: field.clone(),
                    keys: RowKey::named(self.records).join(", "),
                    database: self.name.clone(),
                })
            } else {
                continue;
            };
            problems.push((format!("match[{index}]"), text));
        }
        problems
    }

    /// By what rows are recognised besides the number, the surest first.
    pub fn match_keys(&self) -> Vec<(RowKey, Option<String>)> {
        let usual = || RowKey::usual(self.records).into_iter().map(|key| (key, None)).collect();
        let Some(settings) = &self.keys else { return usual() };
        let read = |setting: &MatchSetting| (RowKey::parse(setting.key()), setting.property().map(str::to_owned));
        settings.iter().map(read).filter(|(key, _)| *key != RowKey::Number).collect()
    }

    /// Which field goes with which property.
    pub fn mappings(&self) -> Vec<FieldSetting> {
        self.fields.clone().unwrap_or_else(|| usual_fields(self.records))
    }

    /// The body of a new page.
    pub fn parts(&self) -> Vec<BodyPart> {
        self.page.clone().unwrap_or_else(|| usual_page(self.records))
    }
}

impl NotionSettings {
    /// What is wrong, with its place.
    pub fn problems(&self) -> Vec<(String, Localized)> {
        let mut problems = Vec::new();
        for (portal, notion) in &self.people {
            if portal.parse::<u64>().is_err() || notion::object_id(notion).is_none() {
                let text = Localized::of(|_| texts::settings::NotANotionPerson { portal, notion });
                problems.push((format!("people.{portal}"), text));
            }
        }
        for (index, database) in self.databases.iter().enumerate() {
            let at = format!("databases[{index}]");
            if self.databases[..index].iter().any(|other| other.name == database.name) {
                let text = Localized::of(|_| texts::settings::TwoDatabases { name: &database.name });
                problems.push((format!("{at}.name"), text));
            }
            problems.extend(database.problems().into_iter().map(|(part, text)| (format!("{at}.{part}"), text)));
        }
        problems
    }

    /// The databases of a kind of record.
    pub fn of(&self, kind: RecordKind) -> impl Iterator<Item = &DatabaseSettings> {
        self.databases.iter().filter(move |database| database.records.kind() == kind)
    }

    /// The database of a name.
    pub fn named(&self, name: &str) -> Option<&DatabaseSettings> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// The portal's fields of a kind that databases mirror.
    pub fn fields_of(&self, kind: RecordKind) -> Vec<String> {
        let mut fields: Vec<_> =
            self.of(kind).flat_map(DatabaseSettings::mappings).map(|mapping| mapping.field).collect();
        let keys = self.of(kind).flat_map(DatabaseSettings::match_keys);
        fields.extend(keys.filter_map(|(key, _)| match key {
            RowKey::Field(field) => Some(field),
            RowKey::FullName => Some(FULL_NAME.to_owned()),
            _ => None,
        }));
        if fields.iter().any(|field| field == FULL_NAME) {
            fields.extend(PARTS.map(str::to_owned));
        }
        fields.sort();
        fields.dedup();
        // What is made of another field, and what is always read.
        fields.retain(|field| !["deal", "contact", "company", "id", "self", FULL_NAME].contains(&field.as_str()));
        fields
    }
}

/// The fields that are synced without being named.
fn usual_fields(records: Mirrored) -> Vec<FieldSetting> {
    let people = |field: &str| FieldSetting {
        unmapped: Some("Responsible (not in Notion)".into()),
        ..FieldSetting::new(field, "Responsible")
    };
    let shown = |field: &str, property: &str| FieldSetting {
        master: Master::Bitrix24Only,
        ..FieldSetting::new(field, property)
    };
    match records {
        Mirrored::Deal => vec![
            FieldSetting::new("title", "Name"),
            FieldSetting::new("stageId", "Stage"),
            FieldSetting::new("opportunity", "Amount"),
            people("assignedById"),
            shown("companyId", "Company"),
            shown("contactId", "Contact"),
            FieldSetting::new("closedate", "Close date"),
        ],
        Mirrored::Lead => vec![
            FieldSetting::new("title", "Name"),
            FieldSetting::new("stageId", "Stage"),
            FieldSetting::new("opportunity", "Amount"),
            people("assignedById"),
        ],
        Mirrored::Task => vec![
            FieldSetting::new("title", "Name"),
            FieldSetting::new("status", "Status"),
            people("responsibleId"),
            FieldSetting::new("deadline", "Deadline"),
            FieldSetting::new("priority", "Priority"),
            FieldSetting::new("deal", "Project"),
        ],
        Mirrored::Company => vec![FieldSetting::new("title", "Name"), people("assignedById")],
        Mirrored::Contact => vec![FieldSetting::new(FULL_NAME, "Name"), people("assignedById")],
    }
}

/// The body of a page if the settings name none.
fn usual_page(records: Mirrored) -> Vec<BodyPart> {
    let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
    match records {
        Mirrored::Deal | Mirrored::Lead => vec![
            BodyPart::Heading("Requirements".into()),
            BodyPart::Text("What does the client need, and by when is it done?".into()),
            BodyPart::ToDo(vec![
                "Write down the requirements".into(),
                "Agree on the price: {sum}".into(),
                "Confirm who decides".into(),
            ]),
            BodyPart::Heading("Deadlines".into()),
            BodyPart::Table(vec![
                row(["What", "When"]),
                row(["Created", "{created}"]),
                row(["Offer sent", ""]),
                row(["Decision", ""]),
            ]),
            BodyPart::Heading("Contacts".into()),
            BodyPart::Table(vec![
                row(["Who", "Name"]),
                row(["Company", "{company}"]),
                row(["Contact", "{contact}"]),
                row(["Responsible", "{responsible}"]),
            ]),
        ],
        Mirrored::Task | Mirrored::Company | Mirrored::Contact => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_database_needs_three_words_and_deals_have_seven_fields() {
        let deals: DatabaseSettings =
            serde_json::from_value(json!({"name": "Deals", "database": "x", "records": "deal"})).unwrap();
        assert_eq!(deals, DatabaseSettings::new("Deals", "x", Mirrored::Deal));
        assert_eq!(deals.mappings().len(), 7);
        assert_eq!(serde_json::to_value(&deals).unwrap(), json!({"name": "Deals", "database": "x", "records": "deal"}));
        let notion = NotionSettings { databases: vec![deals], ..NotionSettings::default() };
        assert!(notion.fields_of(Mirrored::Deal.kind()).contains(&"closedate".to_owned()));
        assert!(notion.fields_of(RecordKind::Tasks).is_empty());
    }

    fn problems(database: serde_json::Value) -> Vec<String> {
        let mut database = database;
        database["name"] = json!("People");
        database["database"] = json!("0123456789abcdef0123456789abcdef");
        let notion =
            NotionSettings { databases: vec![serde_json::from_value(database).unwrap()], ..NotionSettings::default() };
        notion.problems().into_iter().map(|(place, text)| format!("{place}: {text}")).collect()
    }

    #[test]
    fn rows_are_matched_by_keys_that_the_records_have() {
        let fits = [
            json!({"records": "contact", "match": ["number", "phone", "email", "fullName", "title"]}),
            json!({"records": "deal", "match": ["title", "opportunity", {"key": "ufCrm_1", "property": "Client code"}]}),
            json!({"records": "company", "match": ["email"], "first": "ask"}),
            json!({"records": "task", "match": [], "first": "notion"}),
        ];
        for database in fits {
            assert_eq!(problems(database), Vec::<String>::new());
        }
        let unknown = problems(json!({"records": "contact", "match": ["email", "ufCrm_9"]}));
        assert!(
            unknown[0].starts_with("databases[0].match[1]: \"ufCrm_9\" is neither a key (number, email, phone, fullName, title) nor among the fields"),
            "{unknown:?}"
        );
        let deal = problems(json!({"records": "deal", "match": ["email"]}));
        assert_eq!(
            deal,
            ["databases[0].match[0]: a deal has no \"email\" that rows could be matched by; it has number, title"]
        );
        let twice = problems(json!({"records": "deal", "match": ["title", "title"]}));
        assert_eq!(twice, ["databases[0].match[1]: \"title\" is named twice; name each key once"]);
        let mistyped = serde_json::from_value::<DatabaseSettings>(
            json!({"name": "x", "database": "x", "records": "deal", "first": "bitrix"}),
        );
        assert!(mistyped.unwrap_err().to_string().contains("expected one of `bitrix24`, `notion`, `ask`"));
    }

    #[test]
    fn a_contacts_title_is_its_full_name_and_its_parts_are_read() {
        let notion = NotionSettings {
            databases: vec![DatabaseSettings::new("People", "x", Mirrored::Contact)],
            ..NotionSettings::default()
        };
        let fields = notion.fields_of(Mirrored::Contact.kind());
        assert_eq!(fields, ["assignedById", "honorific", "lastName", "name", "secondName"]);
    }
}
