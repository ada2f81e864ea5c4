//! The store port on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use runtime::clock::Clock;
use runtime::store::{
    Belongings, ItemKey, ItemPage, MAX_WRITES, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version,
    WriteCondition, written_by,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::SqliteFile;

/// Expired items are swept out a few at a time, behind writes.
const SWEEP: u32 = 8;
/// As many at once by themselves: others' writes do not wait for long.
const SWEEP_ALONE: u32 = 500;

/// Keeps items in a [`SqliteFile`].
#[derive(Clone)]
pub struct SqliteStore {
    database: SqliteFile,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// The store in `database`; `clock` decides what has expired.
    pub fn new(database: SqliteFile, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// The file that it is in.
    pub fn database(&self) -> &SqliteFile {
        &self.database
    }

    /// Deletes items that have expired, so that also a store that nobody writes to gives up their space. Returns how many.
    pub async fn delete_expired(&self) -> Result<usize, StoreError> {
        let (mut deleted, now) = (0, self.clock.now());
        loop {
            let some: usize = self
                .database
                .write(0, move |connection| sweep(connection, now, SWEEP_ALONE).map(Ok::<_, StoreError>))
                .await?;
            deleted += some;
            if some < SWEEP_ALONE as usize {
                return Ok(deleted);
            }
        }
    }
}

/// What a write adds to the log, roughly.
fn bytes(writes: &[StoreWrite]) -> usize {
    writes.iter().map(|write| write.value.len() + write.key.partition.len() + write.key.sort.len()).sum()
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        Ok(self.database.read(move |connection| get(connection, key, now)).await?)
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        let now = self.clock.now();
        self.database
            .write(bytes(std::slice::from_ref(&write)), move |connection| {
                sweep(connection, now, SWEEP)?;
                let versions = put(connection, std::slice::from_ref(&write), now)?;
                Ok(versions.map(|versions| versions.first().copied().unwrap_or_default()))
            })
            .await
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        if writes.len() > MAX_WRITES {
            return Err(StoreError::Unavailable(format!("{} writes at once; at most {MAX_WRITES}", writes.len())));
        }
        let now = self.clock.now();
        self.database.write(bytes(&writes), move |connection| Ok(put(connection, &writes, now)?.map(|_| ()))).await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.database
            .write(0, move |connection| {
                let sql = "DELETE FROM items WHERE tbl = ?1 AND part = ?2 AND sort = ?3";
                let mut delete = connection.prepare_cached(sql)?;
                delete.execute(params![key.table.name(), key.partition, key.sort])?;
                Ok(Ok(()))
            })
            .await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        let key = key.clone();
        self.database
            .write(0, move |connection| {
                let sql = "DELETE FROM items WHERE tbl = ?1 AND part = ?2 AND sort = ?3 AND version = ?4";
                let mut delete = connection.prepare_cached(sql)?;
                let version = version.cast_signed();
                Ok(Ok(delete.execute(params![key.table.name(), key.partition, key.sort, version])? > 0))
            })
            .await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        let (query, now) = (query.clone(), self.clock.now());
        Ok(self.database.read(move |connection| list(connection, &query, now)).await?)
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        let (owner, after, now) = (owner.to_owned(), after.cloned(), self.clock.now());
        let read = move |connection: &Connection| belonging(connection, table, &owner, after.as_ref(), now);
        Ok(self.database.read(read).await?)
    }
}

/// A moment as it is stored.
fn moment(millis: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis?).ok()
}

fn get(connection: &Connection, key: ItemKey, now: Timestamp) -> rusqlite::Result<Option<StoredItem>> {
    let mut select = connection.prepare_cached(
        "SELECT value, version, expires_at FROM items
         WHERE tbl = ?1 AND part = ?2 AND sort = ?3 AND (expires_at IS NULL OR expires_at > ?4)",
    )?;
    let found = select.query_row(params![key.table.name(), key.partition, key.sort, now.as_millisecond()], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?, moment(row.get(2)?)))
    });
    let found = found.optional()?;
    Ok(found.map(|(value, version, expires_at)| StoredItem { key, value, version: version.unsigned_abs(), expires_at }))
}

/// Writes all, if every condition holds, and returns their versions; the conditions come first.
fn put(
    connection: &Connection,
    writes: &[StoreWrite],
    now: Timestamp,
) -> rusqlite::Result<Result<Vec<Version>, StoreError>> {
    let mut versions = Vec::with_capacity(writes.len());
    for write in writes {
        let present = get(connection, write.key.clone(), now)?.map(|item| item.version);
        let holds = match write.condition {
            WriteCondition::Always => true,
            WriteCondition::Absent => present.is_none(),
            WriteCondition::Version(version) => present == Some(version),
        };
        if !holds {
            return Ok(Err(StoreError::Conflict(write.key.clone())));
        }
        // What follows no version starts at the present microsecond, so that a version read before a deletion never fits
        // again.
        let next = present.map_or(0, |version| version + 1);
        versions.push(match write.condition {
            WriteCondition::Version(_) => next,
            WriteCondition::Always | WriteCondition::Absent => next.max(written_by(now)),
        });
    }
    let mut upsert = connection.prepare_cached(
        "INSERT OR REPLACE INTO items (tbl, part, sort, value, version, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (write, version) in writes.iter().zip(&versions) {
        let key = &write.key;
        let expires_at = write.expires_at.map(Timestamp::as_millisecond);
        upsert.execute(params![
            key.table.name(),
            key.partition,
            key.sort,
            write.value,
            version.cast_signed(),
            expires_at
        ])?;
    }
    Ok(Ok(versions))
}

fn sweep(connection: &Connection, now: Timestamp, most: u32) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM items WHERE (tbl, part, sort) IN
                 (SELECT tbl, part, sort FROM items WHERE expires_at IS NOT NULL AND expires_at <= ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_millisecond(), most])
}

/// Items of an owner that are read at once.
const BELONGINGS: usize = 500;

fn belonging(
    connection: &Connection,
    table: Table,
    owner: &str,
    after: Option<&ItemKey>,
    now: Timestamp,
) -> rusqlite::Result<Belongings> {
    let mut select = connection.prepare_cached(
        "SELECT part, sort, value, version, expires_at FROM items
         WHERE tbl = ?1 AND (part = ?2 OR (part > ?3 AND part < ?4)) AND (part, sort) > (?5, ?6)
           AND (expires_at IS NULL OR expires_at > ?7)
         ORDER BY part, sort LIMIT ?8",
    )?;
    let (from, to) = (format!("{owner}#"), format!("{owner}#\u{10FFFF}"));
    let (part, sort) = after.map_or(("", ""), |key| (key.partition.as_str(), key.sort.as_str()));
    let most = i64::try_from(BELONGINGS).unwrap_or(i64::MAX);
    let values = params![table.name(), owner, from, to, part, sort, now.as_millisecond(), most];
    let rows = select.query_map(values, |row| {
        let key = ItemKey::new(table, row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        let expires_at = moment(row.get(4)?);
        let item = StoredItem { key, value: row.get(2)?, version: row.get::<_, i64>(3)?.unsigned_abs(), expires_at };
        Ok((item, expires_at))
    })?;
    let items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = items.last().filter(|_| items.len() == BELONGINGS).map(|(item, _)| item.key.clone());
    Ok(Belongings { items, next })
}

fn list(connection: &Connection, query: &Query, now: Timestamp) -> rusqlite::Result<ItemPage> {
    // Both bounds of the range are inclusive; U+10FFFF ends every prefix, as no key holds it.
    let end = format!("{}\u{10FFFF}", query.prefix);
    let (from, to, order) = if query.newest_first {
        (query.prefix.clone(), query.after.clone().unwrap_or(end), "DESC")
    } else {
        (query.after.clone().unwrap_or_else(|| query.prefix.clone()), end, "ASC")
    };
    let limit = query.limit.clamp(1, 1000);
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(&format!(
        "SELECT sort, value, version, expires_at FROM items
         WHERE tbl = ?1 AND part = ?2 AND sort >= ?3 AND sort <= ?4 AND sort IS NOT ?5
           AND (expires_at IS NULL OR expires_at > ?6)
         ORDER BY sort {order} LIMIT ?7"
    ))?;
    let after = query.after.as_deref();
    let values = params![query.table.name(), query.partition, from, to, after, now.as_millisecond(), one_more];
    let rows = select.query_map(values, |row| {
        let key = ItemKey::new(query.table, query.partition.clone(), row.get::<_, String>(0)?);
        let version = row.get::<_, i64>(2)?.unsigned_abs();
        Ok(StoredItem { key, value: row.get(1)?, version, expires_at: moment(row.get(3)?) })
    })?;
    let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.key.sort.clone());
    Ok(ItemPage { items, next })
}
