//! Records, their kinds, and the states in which they are read.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use bitrix24::{CrmItem, EntityType, FinishedCall, Task, tolerant};
use jiff::Timestamp;
use locale::{Language, texts};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A record: a CRM item of a type, or a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    /// A CRM item.
    Item {
        /// Its type.
        entity: EntityType,
        /// Its number within its type.
        id: u64,
    },
    /// A task.
    Task(u64),
}

impl Record {
    /// A CRM item.
    pub fn item(entity: EntityType, id: u64) -> Self {
        Self::Item { entity, id }
    }

    /// Its number within its kind.
    pub fn id(self) -> u64 {
        match self {
            Self::Item { id, .. } | Self::Task(id) => id,
        }
    }

    /// What kind of record it is.
    pub fn kind(self) -> RecordKind {
        match self {
            Self::Item { entity, .. } => RecordKind::Items(entity),
            Self::Task(_) => RecordKind::Tasks,
        }
    }

    /// Its key in the store: `deal#42`.
    pub fn key(self) -> String {
        format!("{}#{}", self.kind(), self.id())
    }
}

impl Record {
    /// What it is called in texts of a language: `Deal 42`.
    pub fn title(self, language: Language) -> String {
        let id = self.id().to_string();
        match self {
            Self::Task(_) => language.text(texts::records::Task { id }),
            Self::Item { entity: EntityType::LEAD, .. } => language.text(texts::records::Lead { id }),
            Self::Item { entity: EntityType::DEAL, .. } => language.text(texts::records::Deal { id }),
            Self::Item { entity: EntityType::CONTACT, .. } => language.text(texts::records::Contact { id }),
            Self::Item { entity: EntityType::COMPANY, .. } => language.text(texts::records::Company { id }),
            Self::Item { entity, .. } => language.text(texts::records::Item { id, process: entity.0.to_string() }),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}

/// A kind of record: what one listing can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecordKind {
    /// CRM items of a type.
    Items(EntityType),
    /// Tasks.
    Tasks,
}

impl RecordKind {
    /// The record of this kind with that number.
    pub fn record(self, id: u64) -> Record {
        match self {
            Self::Items(entity) => Record::item(entity, id),
            Self::Tasks => Record::Task(id),
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items(entity) => write!(f, "{entity}"),
            Self::Tasks => f.write_str("task"),
        }
    }
}

impl RecordKind {
    /// The kind of this name, as it is written out.
    fn parse(name: &str) -> Option<Self> {
        if name == "task" { Some(Self::Tasks) } else { EntityType::parse(name).map(Self::Items) }
    }
}

/// What a change or a delivery is about. Jobs and the ledger keep it as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordRef {
    /// A record: `deal 42`, `item-1220 7`, `task 7`.
    Record(Record),
    /// A call, by Bitrix24's id: `call X`.
    Call(String),
    /// Anything else that has a name and perhaps an id: an event of the customer's own, `order_paid 17`.
    Other {
        /// Its name.
        name: String,
        /// Its id.
        id: Option<String>,
    },
}

impl RecordRef {
    /// An event of the customer's own.
    pub fn custom(name: &str, id: Option<&str>) -> Self {
        Self::Other { name: name.to_owned(), id: id.filter(|id| !id.is_empty()).map(str::to_owned) }
    }

    /// The record, if it is one that has snapshots.
    pub fn record(&self) -> Option<Record> {
        match self {
            Self::Record(record) => Some(*record),
            Self::Call(_) | Self::Other { .. } => None,
        }
    }

    /// What kind of thing it is: `deal`, `item-1220`, `call`.
    pub fn type_name(&self) -> String {
        match self {
            Self::Record(record) => record.kind().to_string(),
            Self::Call(_) => "call".into(),
            Self::Other { name, .. } => name.clone(),
        }
    }

    /// Its number or id, if it has one.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Record(record) => Some(record.id().to_string()),
            Self::Call(id) => Some(id.clone()),
            Self::Other { id, .. } => id.clone(),
        }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(record) => record.fmt(f),
            Self::Call(id) => write!(f, "call {id}"),
            Self::Other { name, id: None } => f.write_str(name),
            Self::Other { name, id: Some(id) } => write!(f, "{name} {id}"),
        }
    }
}

impl FromStr for RecordRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let Some((name, id)) = text.split_once(' ') else { return Ok(Self::Other { name: text.into(), id: None }) };
        if let Some((kind, number)) = RecordKind::parse(name).zip(id.parse().ok()) {
            return Ok(Self::Record(kind.record(number)));
        }
        Ok(if name == "call" { Self::Call(id.into()) } else { Self::Other { name: name.into(), id: Some(id.into()) } })
    }
}

impl From<&str> for RecordRef {
    fn from(text: &str) -> Self {
        let Ok(parsed) = text.parse();
        parsed
    }
}

impl From<String> for RecordRef {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Record> for RecordRef {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}

impl Serialize for RecordRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

/// The present or an earlier state of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordState {
    /// A task.
    Task {
        /// Its fields.
        task: Box<Task>,
    },
    /// A call.
    Call {
        /// What is known of it.
        call: Box<FinishedCall>,
    },
    /// Something of the customer's own.
    Custom {
        /// What its handler sent.
        custom: Map<String, Value>,
    },
    /// A CRM item.
    Item(Box<CrmItem>),
}

impl From<CrmItem> for RecordState {
    fn from(item: CrmItem) -> Self {
        Self::Item(Box::new(item))
    }
}

impl From<Task> for RecordState {
    fn from(task: Task) -> Self {
        Self::Task { task: Box::new(task) }
    }
}

impl From<FinishedCall> for RecordState {
    fn from(call: FinishedCall) -> Self {
        Self::Call { call: Box::new(call) }
    }
}

impl RecordState {
    /// The CRM item, if it is one.
    pub fn as_item(&self) -> Option<&CrmItem> {
        match self {
            Self::Item(item) => Some(item),
            _ => None,
        }
    }

    /// The task, if it is one.
    pub fn as_task(&self) -> Option<&Task> {
        match self {
            Self::Task { task } => Some(task),
            _ => None,
        }
    }

    /// The call, if it is one.
    pub fn as_call(&self) -> Option<&FinishedCall> {
        match self {
            Self::Call { call } => Some(call),
            _ => None,
        }
    }

    /// What people call it.
    pub fn title(&self) -> Option<String> {
        match self {
            Self::Item(item) => item.display_title(),
            Self::Task { task } => task.title.clone(),
            Self::Call { call } => call.phone_number.clone(),
            Self::Custom { custom } => {
                let text = |name: &str| custom.get(name)?.as_str().map(str::to_owned);
                text("title").or_else(|| text("TITLE"))
            }
        }
    }

    /// Who is responsible for it.
    pub fn responsible(&self) -> Option<u64> {
        let user = match self {
            Self::Item(item) => item.assigned_by_id,
            Self::Task { task } => task.responsible_id,
            Self::Call { call } => call.portal_user_id,
            Self::Custom { custom } => custom.get("responsible").and_then(tolerant::whole),
        };
        user.filter(|user| *user != 0)
    }

    /// Who made it.
    pub fn creator(&self) -> Option<u64> {
        let user = match self {
            Self::Item(item) => item.created_by,
            Self::Task { task } => task.created_by,
            Self::Call { .. } | Self::Custom { .. } => None,
        };
        user.filter(|user| *user != 0)
    }

    /// When it was last changed, by the portal's clock.
    pub fn changed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Item(item) => item.updated_time,
            Self::Task { task } => task.changed_date,
            Self::Call { call } => call.call_start_date,
            Self::Custom { .. } => None,
        }
    }

    /// When it was created.
    pub fn created_at(&self) -> Option<Timestamp> {
        match self {
            Self::Item(item) => item.created_time,
            Self::Task { task } => task.created_date,
            Self::Call { call } => call.call_start_date,
            Self::Custom { .. } => None,
        }
    }

    /// Its fields by name, for conditions and templates: as the portal names them, sums as numbers, a task
    /// without a project with the project 0.
    pub fn facts(&self) -> Map<String, Value> {
        let mut facts = match self {
            Self::Item(item) => object(serde_json::to_value(item)),
            Self::Task { task } => object(serde_json::to_value(task)),
            Self::Call { call } => {
                object(serde_json::to_value(call)).into_iter().map(|(name, value)| (camel(&name), value)).collect()
            }
            Self::Custom { custom } => custom.clone(),
        };
        if let Some(sum) = facts.get("opportunity").and_then(Value::as_str).and_then(|sum| sum.parse::<f64>().ok()) {
            facts.insert("opportunity".into(), json!(sum));
        }
        if let Self::Task { task } = self {
            facts.insert("groupId".into(), json!(task.project().unwrap_or_default()));
        }
        facts
    }
}

fn object(value: Result<Value, serde_json::Error>) -> Map<String, Value> {
    match value {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// `CALL_FAILED_CODE` as `callFailedCode`, like all other names.
fn camel(name: &str) -> String {
    let mut words = name.split('_').map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_was_written() {
        for (text, record) in [
            ("deal 42", Some(Record::item(EntityType::DEAL, 42))),
            ("item-1220 7", Some(Record::item(EntityType(1220), 7))),
            ("task 7", Some(Record::Task(7))),
            ("deal won", None),
            ("call externalCall.5 x", None),
            ("order_paid 17", None),
            ("order_paid", None),
            ("17 changes", None),
            ("", None),
        ] {
            let parsed = RecordRef::from(text);
            assert_eq!((parsed.to_string().as_str(), parsed.record()), (text, record));
        }
        assert_eq!(RecordRef::from("call X").id().as_deref(), Some("X"));
        // What follows the name is the id; a name alone is not its own id.
        assert_eq!(RecordRef::from("order paid 17").id().as_deref(), Some("paid 17"));
        assert_eq!(RecordRef::from("order_paid").id(), None);
    }

    #[test]
    fn a_state_is_told_from_the_others_when_read_back() {
        let item: RecordState = serde_json::from_value(json!({"id": 7, "title": "Roof", "ufCrm_1": "x"})).unwrap();
        assert_eq!(item.as_item().unwrap().more["ufCrm_1"], "x");
        let task: RecordState = serde_json::from_value(json!({"task": {"id": "7", "title": "Pack"}})).unwrap();
        assert_eq!(task.title().unwrap(), "Pack");
        for state in [item, task, RecordState::from(FinishedCall { call_type: Some(2), ..FinishedCall::default() })] {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<RecordState>(&text).unwrap(), state);
        }
    }

    #[test]
    fn facts_are_named_alike_and_sums_are_numbers() {
        let item: RecordState = serde_json::from_value(json!({"id": 7, "opportunity": "150000.50"})).unwrap();
        assert_eq!(item.facts()["opportunity"], 150_000.5);
        let call = RecordState::from(FinishedCall { call_failed_code: Some("304".into()), ..FinishedCall::default() });
        assert_eq!(call.facts()["callFailedCode"], "304");
        let task: RecordState = serde_json::from_value(json!({"task": {"id": 7}})).unwrap();
        assert_eq!(task.facts()["groupId"], 0);
    }
}
