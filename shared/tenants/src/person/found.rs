//! An item in which a person was found, and what deletion does with it.

use runtime::TenantId;
use runtime::calls;
use runtime::snapshots::REMOVED;
use runtime::store::{ItemKey, StoreError, StoredItem, Table};
use serde_json::{Map, Value, json};

use super::PersonIdentity;
use crate::catalogue::{StoredKind, Treatment, kind_of};

/// The most characters of an item that a page shows.
const EXCERPT: usize = 120;
/// Fields whose values are secrets, at any depth.
const SECRETS: [&str; 6] = ["token", "code", "secret", "client_secret", "application_token", "hook_key"];

/// What happens to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgetAction {
    Delete,
    /// The person's words in it are replaced.
    Blank,
    /// It remains, for this reason.
    Keep(&'static str),
}

impl ForgetAction {
    pub fn words(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Blank => "words removed",
            Self::Keep(_) => "stays",
        }
    }
}

/// An item in which a person was found.
#[derive(Debug)]
pub struct FoundItem {
    pub item: StoredItem,
    pub kind: &'static StoredKind,
    /// What happens to it.
    pub action: ForgetAction,
    /// Where it mentions the person.
    pub excerpt: String,
}

/// A kind that the catalogue does not know is searched like the others, and kept.
static UNKNOWN: StoredKind = StoredKind {
    table: Table::Links,
    partition: "",
    sort: "",
    name: "something this version does not know",
    treatment: Treatment::Keep("a newer version wrote it"),
};

impl FoundItem {
    /// The item, if the person is in it.
    pub(super) fn of(person: &PersonIdentity, tenant: &TenantId, item: StoredItem) -> Option<Self> {
        if !person.may_be_in(&item) {
            return None;
        }
        let value: Value = serde_json::from_str(&item.value).unwrap_or_else(|_| Value::String(item.value.clone()));
        // Codes and sessions of all tenants share a partition.
        if item.key.partition.starts_with('#') && value["tenant"] != tenant.as_str() {
            return None;
        }
        let kind = kind_of(&item.key).unwrap_or(&UNKNOWN);
        let is_own = person.owns(&item.key) || person.is_about(&value) || is_mapped(person, &item.key, &value);
        let in_key = person.words.are_in(&item.key.sort);
        if !is_own && !in_key && !person.words.are_in_value(&value) {
            return None;
        }
        let action = action(person, kind, &item, &value, in_key);
        // An item without the person's words that would not change does not count: a line that was cleared before.
        if action == ForgetAction::Blank && without(person, &item).is_ok_and(|changed| changed.is_none()) {
            return None;
        }
        let excerpt = excerpt(person, &value).unwrap_or_else(|| item.key.sort.clone());
        Some(Self { item, kind, action, excerpt })
    }

    /// The item for the person's export.
    pub(super) fn shown(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.item.value).unwrap_or_else(|_| Value::String(self.item.value.clone()));
        let value = match self.kind.name {
            // Only that there is one, and since when; never a token.
            "own access to Bitrix24" => json!({"renewed_at": value["renewed_at"], "expires_at": value["expires_at"]}),
            "connection and settings" => json!({"settings": value["settings"]}),
            _ => value,
        };
        let key = &self.item.key;
        json!({
            "kind": self.kind.name, "table": key.table.name(), "partition": key.partition, "sort": key.sort,
            "value": masked(value), "expires_at": self.item.expires_at.map(|at| at.to_string()),
            "on_deletion": self.action.words(),
        })
    }
}

/// The mapping of people in Notion, if it contains the person.
fn is_mapped(person: &PersonIdentity, key: &ItemKey, value: &Value) -> bool {
    key.partition.ends_with("#notion")
        && person.users.iter().any(|user| !value["to_notion"][user.to_string()].is_null())
}

fn action(person: &PersonIdentity, kind: &StoredKind, item: &StoredItem, value: &Value, in_key: bool) -> ForgetAction {
    match kind.treatment {
        Treatment::Keep(why) => ForgetAction::Keep(why),
        Treatment::SyncState if value["standing"]["is"] == "together" || value["standing"]["is"] == "making" => {
            ForgetAction::Keep(
                "the record and its Notion page are synced, and this is what both show; it follows them, and is deleted here once the record or the page is deleted",
            )
        }
        Treatment::SyncState | Treatment::Delete => ForgetAction::Delete,
        // Words in a key cannot be replaced. Keys of the log have none.
        Treatment::Blank if (in_key || person.words.are_in_names(value)) && item.key.table == Table::Links => {
            ForgetAction::Delete
        }
        Treatment::Blank => ForgetAction::Blank,
    }
}

impl PersonIdentity {
    /// Whether it is worth the time to read an item.
    fn may_be_in(&self, item: &StoredItem) -> bool {
        let names_a_record = !self.records.is_empty() && item.value.contains("\"record\"");
        self.owns(&item.key)
            || names_a_record
            || item.key.partition.ends_with("#notion")
            || self.words.may_be_in(&item.key.sort)
            || self.words.may_be_in(&item.value)
    }

    /// Whether an item's key says that it is the person's.
    pub(super) fn owns(&self, key: &ItemKey) -> bool {
        let partition = key.partition.split_once('#').map_or("", |(_, within)| within);
        let sort = key.sort.as_str();
        let user = |prefix: &str| {
            let id = sort.strip_prefix(prefix).and_then(|rest| rest.split('#').next());
            id.and_then(|id| id.parse().ok()).is_some_and(|id: u64| self.users.contains(&id))
        };
        let slack = |prefix: &str| sort.strip_prefix(prefix).is_some_and(|id| self.slack.contains(id));
        match (key.table, partition) {
            (Table::Portals, "" | "apps") => user("token#person#"),
            (Table::Links, "record" | "reading") => self.records.contains(sort),
            (Table::Links, "names") => self.records.contains(sort) || user("user#"),
            (Table::Links, "profile") => slack("slack#") || user("portal#"),
            (Table::Links, "person") => {
                slack("slack#") || slack("nobody#") || user("user#") || user("absent#") || self.linked(sort)
            }
            (Table::Links, "person-code") => self.slack.contains(sort),
            (Table::Links, "draft") => sort.split_once('#').is_some_and(|(slack, _)| self.slack.contains(slack)),
            (Table::Links, "direct") => user("user#") || slack("slack#"),
            (Table::Links, "page") => self.records.iter().any(|record| sort.ends_with(&format!("#{record}"))),
            _ => false,
        }
    }

    /// `user#15#U024BE7LH`: also by the Slack account.
    fn linked(&self, sort: &str) -> bool {
        sort.starts_with("user#") && sort.rsplit('#').next().is_some_and(|id| self.slack.contains(id))
    }
}

/// An item's value without a person's words; `None` if it has none. In lines about the person's records, everything
/// that was read and called is removed.
pub(super) fn without(person: &PersonIdentity, item: &StoredItem) -> Result<Option<Value>, StoreError> {
    let mut value: Value = item.decode()?;
    let mut any = false;
    let is_line = item.key.table == Table::Ledger;
    if let Value::Object(map) = &mut value
        && is_line
        && map
            .get("record")
            .and_then(Value::as_str)
            .is_some_and(|record| person.records.contains(&record.replace(' ', "#")))
    {
        any |= map.remove("found").is_some() | map.remove("calls").is_some();
    }
    if person.owns(&item.key) && item.key.partition.ends_with("#record") {
        any |= blank_fields(&mut value["state"]);
    }
    any |= person.words.blank(&mut value);
    Ok(any.then_some(value))
}

/// The fields of a record that hold no words of people: those that changes, cards and deliveries depend on.
const PLAIN_FIELDS: [&str; 12] = [
    "id",
    "stageId",
    "stageSemanticId",
    "categoryId",
    "opportunity",
    "currencyId",
    "sourceId",
    "createdTime",
    "updatedTime",
    "movedTime",
    "typeId",
    "opened",
];

/// Replaces every text of a record that is the person's own.
fn blank_fields(state: &mut Value) -> bool {
    let Value::Object(map) = state else { return false };
    let mut any = false;
    for (_, value) in map.iter_mut().filter(|(name, _)| !PLAIN_FIELDS.contains(&name.as_str())) {
        any |= blank_texts(value);
    }
    any
}

fn blank_texts(value: &mut Value) -> bool {
    match value {
        Value::String(text) if !text.is_empty() && text != REMOVED && text.parse::<f64>().is_err() => {
            *text = REMOVED.into();
            true
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, value| blank_texts(value) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, value| blank_texts(value) | any),
        _ => false,
    }
}

/// A value with secrets masked.
pub(super) fn masked(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let is_sealed =
                map.len() == 4 && ["key", "field", "nonce", "text"].iter().all(|name| map.contains_key(*name));
            if is_sealed {
                return "(sealed)".into();
            }
            let kept = map.into_iter().map(|(name, value)| {
                let is_secret = SECRETS.contains(&name.as_str()) && !value.is_null();
                let value = if is_secret { "(secret)".into() } else { masked(value) };
                (name, value)
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(masked).collect()),
        Value::String(text) => Value::String(calls::masked(&text)),
        other => other,
    }
}

/// The first text that mentions the person, shortened around their words.
fn excerpt(person: &PersonIdentity, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if person.words.are_in(text) => {
            let text = calls::masked(text);
            let short: String = text.chars().take(EXCERPT).collect();
            Some(if short.len() < text.len() { format!("{short}…") } else { short })
        }
        Value::Array(list) => list.iter().find_map(|value| excerpt(person, value)),
        Value::Object(map) => map.values().find_map(|value| excerpt(person, value)),
        _ => None,
    }
}
