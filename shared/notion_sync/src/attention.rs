//! What needs a person's attention: values that could not be synced, and links that pause because something keeps
//! undoing our writes. One index for each tenant, so that nobody reads all links to find them.
//!
//! An entry is written and removed together with its link: it ends by itself when both sides agree again.

use std::sync::Arc;

use jiff::Timestamp;
use jobs::sync::SyncSide;
use locale::Localized;
use records::Record;
use runtime::TenantId;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};

/// The longest value that an entry shows, in characters.
const MAX_SHOWN: usize = 300;
/// Entries that are counted; beyond that there are "more".
pub const MAX_COUNTED: usize = 100;

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionEntry {
    /// The database, by its name in the settings.
    pub database: String,
    pub record: Record,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// The page, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The field, by its name on the portal.
    pub field: String,
    /// The property's name.
    pub property: String,
    /// The side whose value could not be written to the other.
    pub of: SyncSide,
    /// What the portal shows, as people read it.
    pub bitrix24: String,
    /// What the page shows, as people read it.
    pub notion: String,
    /// Why, with the fix.
    pub why: Localized,
    pub since: Timestamp,
    /// When a person last asked for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Timestamp>,
    /// Until when the link pauses, if something writes against the sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<Timestamp>,
    /// The sides whose value can be written to the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub can_take: Vec<SyncSide>,
}

impl AttentionEntry {
    /// Its place in the index, which also names it in forms.
    pub fn id(&self) -> String {
        format!("{}#{}#{}", self.database, self.record.key(), self.field)
    }

    /// The property, with the field's own name where it is another.
    pub fn name(&self) -> String {
        if self.property == self.field { self.property.clone() } else { format!("{} ({})", self.property, self.field) }
    }

    /// Whether a new try can help now: a link that pauses continues by itself.
    pub fn can_be_tried(&self) -> bool {
        self.rests_until.is_none()
    }

    /// The entry in one line, for the command line and logs.
    pub fn line(&self) -> String {
        format!(
            "{} {}: {}; Bitrix24 {:?}, Notion {:?}; {}",
            self.record,
            self.title,
            self.name(),
            self.bitrix24,
            self.notion,
            self.why
        )
    }
}

/// A value, as short as an entry shows it.
pub fn shortened(value: &str) -> String {
    if value.chars().count() <= MAX_SHOWN {
        return value.to_owned();
    }
    value.chars().take(MAX_SHOWN - 1).chain(['…']).collect()
}

/// The index.
#[derive(Clone)]
pub struct Attention {
    store: Arc<dyn Store>,
}

impl Attention {
    /// The index in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub async fn get(&self, tenant: &TenantId, id: &str) -> Result<Option<AttentionEntry>, StoreError> {
        self.store.get(&key(tenant, id)).await?.map(|item| item.decode()).transpose()
    }

    /// The entries after `after`, by database, record and field, and where the next page begins.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<AttentionEntry>, Option<String>), StoreError> {
        let mut query = Query::prefix(Table::Links, partition(tenant), "");
        query.after = after.map(str::to_owned);
        query.limit = limit;
        let page = self.store.list(&query).await?;
        let entries: Result<Vec<AttentionEntry>, _> =
            page.items.iter().map(runtime::store::StoredItem::decode).collect();
        Ok((entries?, page.next))
    }

    /// How many entries there are, up to [`MAX_COUNTED`], and whether there are more.
    pub async fn count(&self, tenant: &TenantId) -> Result<(usize, bool), StoreError> {
        let (entries, next) = self.list(tenant, None, MAX_COUNTED).await?;
        Ok((entries.len(), next.is_some()))
    }

    /// Removes an entry of a link that is no longer synced.
    pub async fn forget(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        self.store.put(StoreWrite::removal(key(tenant, id))).await.map(|_| ())
    }
}

/// Replaces a link's entries by `entries`, and returns the writes that do so in the index.
pub fn replace(
    tenant: &TenantId,
    known: &mut Vec<AttentionEntry>,
    entries: Vec<AttentionEntry>,
) -> Result<Vec<StoreWrite>, StoreError> {
    let mut writes = Vec::new();
    for gone in known.iter().filter(|old| !entries.iter().any(|new| new.id() == old.id())) {
        writes.push(StoreWrite::removal(key(tenant, &gone.id())));
    }
    for new in entries.iter().filter(|new| !known.contains(new)) {
        writes.push(StoreWrite::new(key(tenant, &new.id()), new, WriteCondition::Always)?);
    }
    *known = entries;
    Ok(writes)
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#attention")
}

fn key(tenant: &TenantId, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), id)
}

#[cfg(test)]
mod tests {
    use bitrix24::EntityType;

    use super::*;

    fn entry(field: &str, why: &str) -> AttentionEntry {
        AttentionEntry {
            database: "Deals".into(),
            record: Record::item(EntityType::DEAL, 42),
            title: "Roof".into(),
            page: None,
            field: field.into(),
            property: "Text".into(),
            of: SyncSide::Notion,
            bitrix24: "a".into(),
            notion: "b".into(),
            why: Localized::data(why),
            since: Timestamp::UNIX_EPOCH,
            tried_at: None,
            rests_until: None,
            can_take: Vec::new(),
        }
    }

    #[test]
    fn the_index_is_written_only_where_it_changes() {
        let Ok(tenant) = TenantId::new("t") else { unreachable!() };
        let mut known = Vec::new();
        let mut set = |entries: Vec<AttentionEntry>| {
            let writes = replace(&tenant, &mut known, entries).unwrap_or_default();
            let name = |write: &StoreWrite| {
                format!("{}{}", write.key.sort, if write.value == "null" { " removed" } else { "" })
            };
            writes.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(set(vec![entry("a", "x"), entry("b", "x")]), ["Deals#deal#42#a", "Deals#deal#42#b"]);
        assert_eq!(set(vec![entry("a", "x"), entry("b", "y")]), ["Deals#deal#42#b"]);
        assert_eq!(set(vec![entry("b", "y")]), ["Deals#deal#42#a removed"]);
        assert_eq!(set(Vec::new()), ["Deals#deal#42#b removed"]);
        assert_eq!((entry("Text", "").name(), entry("ufCrm_1", "").name()), ("Text".into(), "Text (ufCrm_1)".into()));
        assert_eq!(shortened(&"я".repeat(400)).chars().count(), 300);
    }
}
