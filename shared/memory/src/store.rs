//! The store port in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use async_trait::async_trait;
use jiff::Timestamp;
use runtime::store::{
    Belongings, ItemKey, ItemPage, MAX_WRITES, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version,
    WriteCondition, written_by,
};

use crate::Memory;

/// Expired items are removed a few at a time, with each write.
const SWEEP: usize = 8;
/// How many items of an owner are read at once.
const BELONGINGS: usize = 500;

/// The items, including expired ones that were not removed yet.
#[derive(Clone, Default)]
pub(crate) struct StoredItems {
    by_key: BTreeMap<ItemKey, KeptItem>,
    expiring: BTreeSet<(Timestamp, ItemKey)>,
}

#[derive(Clone)]
struct KeptItem {
    value: String,
    version: Version,
    expires_at: Option<Timestamp>,
}

impl KeptItem {
    fn is_present(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    fn item(&self, key: &ItemKey) -> StoredItem {
        StoredItem { key: key.clone(), value: self.value.clone(), version: self.version, expires_at: self.expires_at }
    }
}

impl StoredItems {
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.by_key.iter().map(|(key, kept)| format!("{} {} {}", key.partition, key.sort, kept.value))
    }

    fn get(&self, key: &ItemKey, now: Timestamp) -> Option<StoredItem> {
        self.by_key.get(key).filter(|kept| kept.is_present(now)).map(|kept| kept.item(key))
    }

    fn version(&self, key: &ItemKey, now: Timestamp) -> Option<Version> {
        self.by_key.get(key).filter(|kept| kept.is_present(now)).map(|kept| kept.version)
    }

    /// The version that a write makes, if its condition holds.
    fn next_version(&self, write: &StoreWrite, now: Timestamp) -> Result<Version, StoreError> {
        let present = self.version(&write.key, now);
        let holds = match write.condition {
            WriteCondition::Always => true,
            WriteCondition::Absent => present.is_none(),
            WriteCondition::Version(version) => present == Some(version),
        };
        if !holds {
            return Err(StoreError::Conflict(write.key.clone()));
        }
        let next = present.map_or(0, |version| version + 1);
        Ok(match write.condition {
            WriteCondition::Version(_) => next,
            WriteCondition::Always | WriteCondition::Absent => next.max(written_by(now)),
        })
    }

    /// Writes all, or none if a condition fails; returns their versions.
    fn put(&mut self, writes: Vec<StoreWrite>, now: Timestamp) -> Result<Vec<Version>, StoreError> {
        let versions = writes.iter().map(|write| self.next_version(write, now)).collect::<Result<Vec<_>, _>>()?;
        for (write, version) in writes.into_iter().zip(&versions) {
            self.remove(&write.key);
            let expires_at = write.expires_at.map(to_the_millisecond);
            if let Some(end) = expires_at {
                self.expiring.insert((end, write.key.clone()));
            }
            self.by_key.insert(write.key, KeptItem { value: write.value, version: *version, expires_at });
        }
        self.sweep(now);
        Ok(versions)
    }

    fn remove(&mut self, key: &ItemKey) {
        if let Some(KeptItem { expires_at: Some(end), .. }) = self.by_key.remove(key) {
            self.expiring.remove(&(end, key.clone()));
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEEP {
            match self.expiring.first() {
                Some((end, key)) if *end <= now => {
                    let key = key.clone();
                    self.remove(&key);
                }
                _ => return,
            }
        }
    }

    fn list(&self, query: &Query, now: Timestamp) -> ItemPage {
        let key = |sort: &str| ItemKey::new(query.table, query.partition.clone(), sort);
        let after = query.after.as_deref();
        let from = match after {
            Some(after) if !query.newest_first => Bound::Excluded(key(after)),
            _ => Bound::Included(key(&query.prefix)),
        };
        let to = match after {
            Some(after) if query.newest_first => Bound::Excluded(key(after)),
            _ => Bound::Included(key(&format!("{}\u{10FFFF}", query.prefix))),
        };
        let is_listed = |key: &ItemKey, kept: &KeptItem| key.sort.starts_with(&query.prefix) && kept.is_present(now);
        let in_order = self.by_key.range((from, to)).filter(|(key, kept)| is_listed(key, kept));
        let limit = query.limit.clamp(1, 1000);
        let item = |(key, kept): (&ItemKey, &KeptItem)| kept.item(key);
        let mut items: Vec<_> = if query.newest_first {
            in_order.rev().take(limit + 1).map(item).collect()
        } else {
            in_order.take(limit + 1).map(item).collect()
        };
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|item| item.key.sort.clone());
        ItemPage { items, next }
    }

    fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>, now: Timestamp) -> Belongings {
        let own = format!("{owner}#");
        let from =
            after.map_or_else(|| Bound::Included(ItemKey::new(table, owner, "")), |key| Bound::Excluded(key.clone()));
        let items: Vec<_> = self
            .by_key
            .range((from, Bound::Unbounded))
            .take_while(|(key, _)| key.table == table && key.partition.starts_with(owner))
            .filter(|(key, kept)| (key.partition == owner || key.partition.starts_with(&own)) && kept.is_present(now))
            .take(BELONGINGS)
            .map(|(key, kept)| (kept.item(key), kept.expires_at))
            .collect();
        let next = items.last().filter(|_| items.len() == BELONGINGS).map(|(item, _)| item.key.clone());
        Belongings { items, next }
    }
}

/// The other engines keep an end to the millisecond.
fn to_the_millisecond(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        Ok(self.kept().map_err(StoreError::Unavailable)?.items.get(key, self.clock.now()))
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        let versions = self.kept().map_err(StoreError::Unavailable)?.items.put(vec![write], self.clock.now())?;
        Ok(versions.first().copied().unwrap_or_default())
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        if writes.len() > MAX_WRITES {
            return Err(StoreError::Unavailable(format!("{} writes at once; at most {MAX_WRITES}", writes.len())));
        }
        let keys: BTreeSet<_> = writes.iter().map(|write| &write.key).collect();
        if keys.len() < writes.len() {
            // As DynamoDB does.
            return Err(StoreError::Unavailable("two writes at once to one item".to_owned()));
        }
        self.kept().map_err(StoreError::Unavailable)?.items.put(writes, self.clock.now()).map(|_| ())
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.kept().map_err(StoreError::Unavailable)?.items.remove(key);
        Ok(())
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        let mut kept = self.kept().map_err(StoreError::Unavailable)?;
        let is_as_seen = kept.items.by_key.get(key).is_some_and(|kept| kept.version == version);
        if is_as_seen {
            kept.items.remove(key);
        }
        Ok(is_as_seen)
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        Ok(self.kept().map_err(StoreError::Unavailable)?.items.list(query, self.clock.now()))
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        let kept = self.kept().map_err(StoreError::Unavailable)?;
        Ok(kept.items.belonging(table, owner, after, self.clock.now()))
    }
}
