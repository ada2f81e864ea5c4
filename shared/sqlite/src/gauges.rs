//! What monitoring reads of the file beside the ports.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::database::{SqliteFile, SqliteTrouble};

/// The most items that are read for monitoring.
const MAX_ITEMS: u32 = 10_000;

/// The file could not be read for monitoring.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GaugeError(String);

impl From<SqliteTrouble> for GaugeError {
    fn from(trouble: SqliteTrouble) -> Self {
        Self(trouble.0)
    }
}

impl SqliteFile {
    /// How many messages are out, by queue.
    pub async fn leased_messages(&self) -> Result<BTreeMap<String, u64>, GaugeError> {
        self.read(|connection| {
            let sql = "SELECT queue, COUNT(*) FROM messages WHERE lease IS NOT NULL GROUP BY queue";
            let mut select = connection.prepare_cached(sql).map_err(SqliteTrouble::from)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())));
            Ok(rows.and_then(Iterator::collect).map_err(SqliteTrouble::from)?)
        })
        .await
    }

    /// The items of a table whose value contains `word`: their partitions and values.
    pub async fn items_naming(&self, table: &str, word: &str) -> Result<Vec<(String, String)>, GaugeError> {
        let (table, word) = (table.to_owned(), word.to_owned());
        self.read(move |connection| {
            let sql = "SELECT part, value FROM items WHERE tbl = ?1 AND instr(value, ?2) > 0 LIMIT ?3";
            let mut select = connection.prepare_cached(sql).map_err(SqliteTrouble::from)?;
            let rows = select.query_map(params![table, word, MAX_ITEMS], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok(rows.and_then(Iterator::collect).map_err(SqliteTrouble::from)?)
        })
        .await
    }
}
