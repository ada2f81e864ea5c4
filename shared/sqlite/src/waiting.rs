//! Messages that wait for later: made due now when what they wait for is there, and when the clock was set back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::QueueName;
use runtime::clock::{earlier, later};
use rusqlite::{Connection, OptionalExtension, params};

/// How long a deduplication id is remembered, as on SQS.
pub(crate) const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);
/// A clock that went back by less than this was only adjusted.
pub(crate) const MIN_STEP: Duration = Duration::from_secs(5);

/// Whose messages this process has woken. What was received before that, and is put back after it, does not wait.
#[derive(Clone, Default)]
pub(crate) struct Woken {
    /// Counts receipts and wakings.
    count: Arc<AtomicU64>,
    /// The number of the last waking of each tenant.
    tenants: Arc<Mutex<HashMap<String, u64>>>,
}

impl Woken {
    /// The name of the next lease: its number in this process, and what no other process has.
    pub(crate) fn lease(&self) -> String {
        format!("{}.{}", self.count.fetch_add(1, Ordering::Relaxed), uuid::Uuid::now_v7())
    }

    /// Notes that a tenant's messages are woken.
    pub(crate) fn note(&self, tenant: &str) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), number);
    }

    /// Whether the message of a receipt was woken since it was received.
    pub(crate) fn since(&self, receipt: &str, connection: &Connection) -> rusqlite::Result<bool> {
        let Some((seq, lease)) = receipt.split_once(':') else { return Ok(false) };
        // An earlier version named its leases without a number.
        let Some(number) = lease.split_once('.').and_then(|(number, _)| number.parse::<u64>().ok()) else {
            return Ok(false);
        };
        let tenant: Option<String> = connection
            .prepare_cached("SELECT substr(grp, 1, instr(grp || '#', '#') - 1) FROM messages WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0))
            .optional()?;
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tenant.and_then(|tenant| tenants.get(&tenant).copied()).is_some_and(|woken| number < woken))
    }
}

/// When a message was last sent, as far as is known. If that is still to come, the clock was set back since.
pub(crate) fn latest_sent(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let latest: Option<i64> =
        connection.prepare_cached("SELECT MAX(until) FROM deduplications")?.query_row([], |row| row.get(0))?;
    let latest = latest.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Ok(latest.map(|until| earlier(until, DEDUPLICATION)))
}

/// Makes due at `now` what waits for later, of `tenant` or of all. A group of which a message is out waits for that, but
/// not for longer than a lease.
pub(crate) fn hurry(connection: &Connection, tenant: Option<&str>, now: Timestamp) -> rusqlite::Result<()> {
    let now_ms = now.as_millisecond();
    let mut waiting = connection.prepare_cached(
        "SELECT queue, grp FROM groups
         WHERE ready_at > ?1 AND (?2 IS NULL OR substr(grp, 1, instr(grp || '#', '#') - 1) = ?2)",
    )?;
    let rows = waiting.query_map(params![now_ms, tenant], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (queue, group) in rows.collect::<Result<Vec<(String, String)>, _>>()? {
        let queue = QueueName::read(&queue);
        connection
            .prepare_cached("UPDATE messages SET visible_at = ?3 WHERE queue = ?1 AND grp = ?2 AND visible_at > ?3")?
            .execute(params![queue.name(), group, now_ms])?;
        connection
            .prepare_cached("UPDATE groups SET ready_at = MIN(ready_at, ?3) WHERE queue = ?1 AND grp = ?2")?
            .execute(params![queue.name(), group, later(now, queue.visibility()).as_millisecond()])?;
        make_ready(connection, queue, &group)?;
    }
    Ok(())
}

/// Once nothing of a group is out, it is ready when its head is.
pub(crate) fn make_ready(connection: &Connection, queue: QueueName, group: &str) -> rusqlite::Result<()> {
    let out: Option<i64> = connection
        .prepare_cached("SELECT 1 FROM messages WHERE queue = ?1 AND grp = ?2 AND lease IS NOT NULL LIMIT 1")?
        .query_row(params![queue.name(), group], |row| row.get(0))
        .optional()?;
    if out.is_some() {
        return Ok(());
    }
    let head: Option<i64> = connection
        .prepare_cached("SELECT visible_at FROM messages WHERE queue = ?1 AND grp = ?2 ORDER BY seq LIMIT 1")?
        .query_row(params![queue.name(), group], |row| row.get(0))
        .optional()?;
    match head {
        Some(visible_at) => connection
            .prepare_cached("UPDATE groups SET ready_at = ?3 WHERE queue = ?1 AND grp = ?2")?
            .execute(params![queue.name(), group, visible_at])?,
        None => connection
            .prepare_cached("DELETE FROM groups WHERE queue = ?1 AND grp = ?2")?
            .execute(params![queue.name(), group])?,
    };
    Ok(())
}
