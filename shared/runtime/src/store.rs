//! The store port: small items under two-part keys, with conditions.
//!
//! Values are JSON texts; the typed records know what is in them. Every write raises an item's version, so "if nobody
//! changed it since I read it" is one condition. Expired items are absent on read, however late the engine deletes
//! them.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The tables of Switchboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Connections and settings of each tenant.
    Portals,
    /// Pairs of the same thing in two systems, and snapshots of records.
    Links,
    /// Events and deliveries.
    Ledger,
    /// Limiter slots and paused accounts.
    Limits,
}

impl Table {
    /// All of them, for set-up.
    pub const ALL: [Self; 4] = [Self::Portals, Self::Links, Self::Ledger, Self::Limits];

    /// The name by which engines and logs know the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portals => "portals",
            Self::Links => "links",
            Self::Ledger => "ledger",
            Self::Limits => "limits",
        }
    }
}

/// The key of an item. `partition` starts with the tenant (or, in `Limits`, the provider account); `sort` orders the
/// items of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey {
    /// The table.
    pub table: Table,
    /// What belongs together; [`Store::list`] works within one.
    pub partition: String,
    /// The item's place in its partition, compared as bytes.
    pub sort: String,
}

impl ItemKey {
    /// A key from its parts.
    pub fn new(table: Table, partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { table, partition: partition.into(), sort: sort.into() }
    }
}

/// Rises with every write of an item. A write without an earlier version begins at the present microsecond, and one
/// with an earlier version adds one: a version is never ahead of the clock by which it was written, so it also gives
/// the earliest time at which the item can have been made ([`written_by`]).
pub type Version = u64;

/// The highest version that an item can have whose last write was at `moment`.
pub fn written_by(moment: Timestamp) -> Version {
    moment.as_microsecond().unsigned_abs()
}

/// An item as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its key.
    pub key: ItemKey,
    /// Its JSON text.
    pub value: String,
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

impl StoredItem {
    /// The value as a typed record.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.value)
            .map_err(|cause| StoreError::Unreadable { key: self.key.clone(), cause: cause.to_string() })
    }
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteCondition {
    /// Nothing.
    Always,
    /// The item is absent or expired.
    Absent,
    /// The item is present with this version.
    Version(Version),
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreWrite {
    /// The item's key.
    pub key: ItemKey,
    /// The item's value, a JSON text.
    pub value: String,
    /// The condition.
    pub condition: WriteCondition,
    /// When the item expires.
    pub expires_at: Option<Timestamp>,
}

impl StoreWrite {
    /// A write of `value` on `condition` that never expires.
    pub fn new<T: Serialize>(key: ItemKey, value: &T, condition: WriteCondition) -> Result<Self, StoreError> {
        let value = serde_json::to_string(value)
            .map_err(|cause| StoreError::Unreadable { key: key.clone(), cause: cause.to_string() })?;
        Ok(Self { key, value, condition, expires_at: None })
    }

    /// A write that leaves nothing to be read: an item that has already expired. It needs no right to delete.
    pub fn removal(key: ItemKey) -> Self {
        Self {
            key,
            value: "null".to_owned(),
            condition: WriteCondition::Always,
            expires_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    /// The same write with an expiry.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }
}

/// Some items of a partition, in order, and where to continue.
#[derive(Debug, Clone, Default)]
pub struct ItemPage {
    /// The items, by rising `sort`.
    pub items: Vec<StoredItem>,
    /// The `sort` after which the next page starts; `None` when this was the last.
    pub next: Option<String>,
}

/// Some of an owner's items, and where to continue.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// The items, with when each expires.
    pub items: Vec<(StoredItem, Option<Timestamp>)>,
    /// The key after which the next part begins; `None` when this was the last.
    pub next: Option<ItemKey>,
}

/// Which items of a partition to list.
#[derive(Debug, Clone)]
pub struct Query {
    /// The table.
    pub table: Table,
    /// The partition.
    pub partition: String,
    /// Only items whose `sort` starts so.
    pub prefix: String,
    /// Only items after this `sort` (before it, when `newest_first`): [`ItemPage::next`] of the page before.
    pub after: Option<String>,
    /// From the greatest `sort` down.
    pub newest_first: bool,
    /// At most this many, 1 to 1000.
    pub limit: usize,
}

impl Query {
    /// All items of a partition whose `sort` starts with `prefix`, 100 a page, smallest first.
    pub fn prefix(table: Table, partition: impl Into<String>, prefix: impl Into<String>) -> Self {
        let (partition, prefix) = (partition.into(), prefix.into());
        Self { table, partition, prefix, after: None, newest_first: false, limit: 100 }
    }
}

/// The most writes that [`Store::put_all`] accepts: the limit of DynamoDB's `TransactWriteItems`.
pub const MAX_WRITES: usize = 100;

/// Why the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The condition did not hold; nothing was written.
    #[error("{} {}/{}: another worker wrote it first", .0.table.name(), .0.partition, .0.sort)]
    Conflict(ItemKey),
    /// The engine could not be reached or refused; the write may or may not have happened.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// The value is not what its type says.
    #[error("{} {}/{} cannot be read: {cause}", .key.table.name(), .key.partition, .key.sort)]
    Unreadable {
        /// Its key.
        key: ItemKey,
        /// What is wrong with it.
        cause: String,
    },
}

/// Keeps items. Reads are strongly consistent; a write that returned is durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The item at `key`, unless absent or expired.
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError>;

    /// Writes one item if its condition holds, and returns its new version.
    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError>;

    /// Writes all or, if any condition fails, none. At most [`MAX_WRITES`], each to another key.
    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError>;

    /// Removes the item; fine if there is none. What remains of it (a key without a value, say) disappears by itself
    /// later: on AWS this needs the right to write and not the right to delete.
    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError>;

    /// Removes the item for good if it still has this version; returns whether it did. Only the deletion of a tenant that
    /// left may call it.
    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError>;

    /// A page of items by prefix.
    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError>;

    /// Some of the items of a table whose partition is `owner`, or begins with `owner#`: for removing or moving a
    /// tenant, for it may read the whole table. Only operators' commands may call it. Items are in no order; it continues
    /// after [`Belongings::next`], and a part may be empty before the last.
    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError>;
}
