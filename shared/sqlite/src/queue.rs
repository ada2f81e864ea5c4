//! The queue port on SQLite, with the full FIFO promise: order in a group, one receipt of a group at a time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runtime::clock::{Clock, ClockStep, ClockWatch, later};
use runtime::queue::{
    Buried, DeadLetter, Depth, Fate, Judge, Queue, QueueError, QueueMessage, QueueName, Received, after_a_fall,
};
use runtime::{TenantId, TenantPlaces};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use crate::database::SqliteFile;
use crate::fault::{SqliteFault, queue_error};
use crate::waiting::{self, DEDUPLICATION, MIN_STEP, Woken, make_ready};

/// Carries jobs in a [`SqliteFile`].
#[derive(Clone)]
pub struct SqliteQueue {
    database: SqliteFile,
    clock: Arc<dyn Clock>,
    /// Wakes those who wait for a message, by queue.
    sent: Arc<Mutex<HashMap<QueueName, Arc<Notify>>>>,
    /// The tenant that was served last, by queue: the next one is served next.
    served: Arc<Mutex<HashMap<QueueName, String>>>,
    /// What was received and not settled.
    out: Out,
    /// Whose messages were woken, and when.
    woken: Woken,
    /// Notices when the clock is set back.
    watch: Arc<ClockWatch>,
}

impl SqliteQueue {
    /// The queues in `database`.
    pub fn new(database: SqliteFile, clock: Arc<dyn Clock>) -> Self {
        Self {
            database,
            clock,
            sent: Arc::default(),
            served: Arc::default(),
            woken: Woken::default(),
            watch: Arc::default(),
            out: Out::default(),
        }
    }

    /// The last time that the clock was set back, while this process ran or before it began.
    pub fn last_step(&self) -> Option<ClockStep> {
        self.watch.last_step()
    }

    /// Puts back what a process that is gone had taken out. For the one process that works this file, at its
    /// start: without it the messages come back when their leases end.
    pub async fn recover(&self) -> Result<(), QueueError> {
        let latest = self.database.read(waiting::latest_sent).await;
        let latest = latest.map_err(|fault: SqliteFault| queue_error("all", &fault))?;
        let now = self.clock.now();
        latest.map(|latest| self.watch.see(latest));
        let was_set_back = self.watch.see(now).is_some();
        let recovered = self.database.write(0, move |connection| {
            // Only groups of which a message is out: a long backlog must not delay the start.
            connection.execute_batch(
                "UPDATE groups SET ready_at = (
                     SELECT visible_at FROM messages
                     WHERE messages.queue = groups.queue AND messages.grp = groups.grp ORDER BY seq LIMIT 1)
                 WHERE (queue, grp) IN (SELECT queue, grp FROM messages WHERE lease IS NOT NULL);
                 UPDATE messages SET lease = NULL WHERE lease IS NOT NULL;",
            )?;
            if was_set_back {
                waiting::hurry(connection, None, now)?;
            }
            Ok(Ok(()))
        });
        recovered.await.map_err(|fault: SqliteFault| queue_error("all", &fault))
    }

    /// When the next message of `queue` that waits for its time is due; `None` if none waits.
    pub async fn next_due(&self, queue: QueueName) -> Result<Option<Timestamp>, QueueError> {
        let due = self.read(queue, move |connection| {
            let sql = "SELECT MIN(ready_at) FROM groups WHERE queue = ?1";
            connection.prepare_cached(sql)?.query_row([queue.name()], |row| row.get::<_, Option<i64>>(0))
        });
        Ok(due.await?.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
    }

    /// When this process last received something from `queue`.
    pub fn last_handed_out(&self, queue: QueueName) -> Option<Timestamp> {
        self.out.lock().handed_out.get(&queue).copied()
    }

    /// If the clock was set back: makes due now what waits for a moment of the time before.
    async fn watch_clock(&self, queue: QueueName, now: Timestamp) -> Result<(), QueueError> {
        if self.watch.see(now).is_none() {
            return Ok(());
        }
        self.write(queue, 0, move |connection| waiting::hurry(connection, None, now)).await?;
        self.notify_all();
        Ok(())
    }

    fn notify_all(&self) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.values().for_each(|sent| sent.notify_waiters());
    }

    async fn hand_out(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: Option<&Arc<TenantPlaces>>,
    ) -> Result<Vec<Received>, QueueError> {
        let end = later(self.clock.now(), wait);
        loop {
            // Listen before looking: what is sent in between is not missed.
            let notify = self.sent(queue);
            let sent = notify.notified();
            let now = self.clock.now();
            self.watch_clock(queue, now).await?;
            self.settle_what_is_owed(queue).await?;
            let lease = self.woken.lease();
            let mut receiving = Receiving { out: self.out.clone(), queue, lease: Some(lease.clone()) };
            let (served, full) = (self.served.clone(), places.cloned());
            let (out, lost) = (self.out.clone(), lease.clone());
            let received = self.database.write_or(
                0,
                move |connection| {
                    let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
                    let asked = Asked { queue, most, now, lease: &lease, places: full.as_deref() };
                    receive(connection, asked, served.entry(queue).or_default()).map(Ok::<_, SqliteFault>)
                },
                move || out.owe(queue, [OwedReceipt::Lease(lost)]),
            );
            let received = received.await;
            receiving.lease = None;
            let received = received.map_err(|fault| queue_error(queue.name(), &fault))?;
            if !received.is_empty() || now >= end {
                let receipts = received.iter().map(|received| received.receipt.clone());
                let mut out = self.out.lock();
                out.receipts.extend(receipts);
                if !received.is_empty() {
                    out.handed_out.insert(queue, now);
                }
                drop(out);
                return Ok(received);
            }
            let due = self.due_after(queue, now).await?;
            let until = due.map_or(end, |due| due.min(end));
            tokio::select! {
                biased;
                () = sent => {}
                () = freed(places) => {}
                () = self.clock.sleep(runtime::clock::until(now, until)) => {}
            }
        }
    }

    /// When a message is next due that is not due yet: those of tenants without a free place may be.
    async fn due_after(&self, queue: QueueName, now: Timestamp) -> Result<Option<Timestamp>, QueueError> {
        let due = self.read(queue, move |connection| {
            let sql = "SELECT MIN(ready_at) FROM groups WHERE queue = ?1 AND ready_at > ?2";
            let parameters = params![queue.name(), now.as_millisecond()];
            connection.prepare_cached(sql)?.query_row(parameters, |row| row.get::<_, Option<i64>>(0))
        });
        Ok(due.await?.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
    }

    fn sent(&self, queue: QueueName) -> Arc<Notify> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).entry(queue).or_default().clone()
    }

    async fn write<R: Send + 'static>(
        &self,
        queue: QueueName,
        bytes: usize,
        mut write: impl FnMut(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, QueueError> {
        self.database
            .write(bytes, move |connection| write(connection).map(Ok::<_, SqliteFault>))
            .await
            .map_err(|fault| queue_error(queue.name(), &fault))
    }

    async fn read<R: Send + 'static>(
        &self,
        queue: QueueName,
        read: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, QueueError> {
        self.database.read(read).await.map_err(|fault| queue_error(queue.name(), &fault))
    }

    /// Settles the receipts whose settling failed before.
    async fn settle_what_is_owed(&self, queue: QueueName) -> Result<(), QueueError> {
        self.settle_all(queue, Vec::new()).await
    }

    /// Settles receipts, with those that are owed. Those of a write that fails are kept, and settled when writing works
    /// again.
    async fn settle_all(&self, queue: QueueName, receipts: Vec<OwedReceipt>) -> Result<(), QueueError> {
        let owed = self.out.settling(queue, receipts);
        if owed.is_empty() {
            return Ok(());
        }
        let mut owing = Owing { out: self.out.clone(), queue, owed: Arc::new(owed) };
        let (owed, now, woken) = (owing.owed.clone(), self.clock.now(), self.woken.clone());
        let settle = move |connection: &Connection| {
            forget_old(connection, now)?;
            owed.iter().try_for_each(|owed| owed.settle(connection, queue, now, &woken))
        };
        self.write(queue, 0, settle).await?;
        owing.owed = Arc::default();
        self.sent(queue).notify_waiters();
        Ok(())
    }
}

/// What this process has received.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<OutState>>);

#[derive(Default)]
struct OutState {
    /// The receipts of messages that are worked on.
    receipts: HashSet<String>,
    /// When each queue last handed out something.
    handed_out: HashMap<QueueName, Timestamp>,
    /// What could not be settled yet.
    unsettled: HashMap<QueueName, Vec<OwedReceipt>>,
}

impl Out {
    fn lock(&self) -> MutexGuard<'_, OutState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These receipts, which are out no longer, with what `queue` is owed.
    fn settling(&self, queue: QueueName, mut receipts: Vec<OwedReceipt>) -> Vec<OwedReceipt> {
        let mut out = self.lock();
        for receipt in &receipts {
            if let OwedReceipt::One(receipt, _) | OwedReceipt::Unworked(receipt) = receipt {
                out.receipts.remove(receipt);
            }
        }
        receipts.extend(out.unsettled.remove(&queue).unwrap_or_default());
        receipts
    }

    /// Those of these receipts that are still out.
    fn left(&self, receipts: Vec<String>) -> Vec<OwedReceipt> {
        let mut out = self.lock();
        receipts.into_iter().filter(|receipt| out.receipts.remove(receipt)).map(OwedReceipt::Left).collect()
    }

    fn owe(&self, queue: QueueName, receipts: impl IntoIterator<Item = OwedReceipt>) {
        self.lock().unsettled.entry(queue).or_default().extend(receipts);
    }
}

/// Receipts that are being settled; they are owed again if that does not succeed.
struct Owing {
    out: Out,
    queue: QueueName,
    owed: Arc<Vec<OwedReceipt>>,
}

impl Drop for Owing {
    fn drop(&mut self) {
        if !self.owed.is_empty() {
            self.out.owe(self.queue, self.owed.iter().cloned());
        }
    }
}

/// What a receipt is settled with.
#[derive(Debug, Clone)]
enum OwedReceipt {
    /// One message is deleted, or visible again at a moment.
    One(String, Option<Timestamp>),
    /// One message is visible again at once, and this receipt of it does not count: it was not worked.
    Unworked(String),
    /// One message is visible again after a while, because its handler left it.
    Left(String),
    /// Everything that a receive took, which nobody got.
    Lease(String),
}

impl OwedReceipt {
    fn settle(&self, connection: &Connection, queue: QueueName, now: Timestamp, woken: &Woken) -> rusqlite::Result<()> {
        match self {
            Self::One(receipt, Some(visible_at)) => {
                let is_woken = woken.since(receipt, connection)?;
                settle(connection, queue, receipt, Some(if is_woken { now.min(*visible_at) } else { *visible_at }))
            }
            Self::One(receipt, None) => settle(connection, queue, receipt, None),
            Self::Unworked(receipt) => {
                let Some((seq, lease)) = receipt.split_once(':') else { return Ok(()) };
                let sql = "UPDATE messages SET receives = MAX(receives - 1, 0) WHERE seq = ?1 AND lease = ?2";
                connection.prepare_cached(sql)?.execute(params![seq, lease])?;
                settle(connection, queue, receipt, Some(now))
            }
            Self::Left(receipt) => {
                let Some((seq, _)) = receipt.split_once(':') else { return Ok(()) };
                let receives: Option<u32> = connection
                    .prepare_cached("SELECT receives FROM messages WHERE seq = ?1")?
                    .query_row([seq], |row| row.get(0))
                    .optional()?;
                let visible_at = later(now, after_a_fall(receives.unwrap_or_default()));
                settle(connection, queue, receipt, Some(visible_at))
            }
            Self::Lease(lease) => {
                let seqs = connection
                    .prepare_cached("SELECT seq FROM messages WHERE queue = ?1 AND lease = ?2")?
                    .query_map(params![queue.name(), lease], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<i64>>>()?;
                seqs.iter().try_for_each(|seq| settle(connection, queue, &format!("{seq}:{lease}"), Some(now)))
            }
        }
    }
}

/// A receive whose caller may go away before it has its messages: they are given back then.
struct Receiving {
    out: Out,
    queue: QueueName,
    lease: Option<String>,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.out.owe(self.queue, [OwedReceipt::Lease(lease)]);
        }
    }
}

/// Returns when a tenant has a place again.
async fn freed(places: Option<&Arc<TenantPlaces>>) {
    match places {
        Some(places) => places.freed().await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let now = self.clock.now();
        let bytes = messages.iter().map(|message| message.body.len()).sum();
        self.write(queue, bytes, move |connection| {
            messages.iter().try_for_each(|message| send(connection, queue, message, now))
        })
        .await?;
        self.sent(queue).notify_waiters();
        Ok(())
    }

    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, most, wait, None).await
    }

    async fn receive_sparing(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: &Arc<TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, most, wait, Some(places)).await
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        let owed = receipts.into_iter().map(|receipt| OwedReceipt::One(receipt, None)).collect();
        self.settle_all(queue, owed).await
    }

    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        let visible_at = later(self.clock.now(), after);
        self.settle_all(queue, vec![OwedReceipt::One(receipt.to_owned(), Some(visible_at))]).await
    }

    async fn return_unworked(&self, queue: QueueName, receipt: &str) -> Result<(), QueueError> {
        self.settle_all(queue, vec![OwedReceipt::Unworked(receipt.to_owned())]).await
    }

    async fn give_back(&self, queue: QueueName, receipts: Vec<String>) {
        let left = self.out.left(receipts);
        if let Err(error) = self.settle_all(queue, left).await {
            tracing::warn!(%error, "messages could not be given back; they are when writing works again");
        }
    }

    async fn wake(&self, tenant: &TenantId) -> Result<(), QueueError> {
        let (tenant, now, woken) = (tenant.to_string(), self.clock.now(), self.woken.clone());
        let write = self.database.write(0, move |connection| {
            waiting::hurry(connection, Some(&tenant), now)?;
            woken.note(&tenant);
            Ok(Ok(()))
        });
        write.await.map_err(|fault: SqliteFault| queue_error("all", &fault))?;
        self.notify_all();
        Ok(())
    }

    fn can_wake(&self) -> bool {
        true
    }

    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError> {
        let (id, now) = (format!("buried#{burial}"), self.clock.now());
        self.write(queue, letter.body.len(), move |connection| {
            if !is_first(connection, queue, &id, now)? {
                return Ok(());
            }
            let letter = serde_json::to_string(&letter)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            connection
                .prepare_cached("INSERT INTO dead_letters (queue, letter) VALUES (?1, ?2)")?
                .execute(params![queue.name(), letter])
                .map(|_| ())
        })
        .await
    }

    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let letters = self.read(queue, move |connection| {
            let sql = "SELECT seq, letter FROM dead_letters WHERE queue = ?1 ORDER BY seq LIMIT ?2";
            let mut select = connection.prepare_cached(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            select.query_map(params![queue.name(), most], row)?.collect::<Result<Vec<(i64, String)>, _>>()
        });
        let mut settled = Vec::new();
        for (seq, text) in letters.await? {
            let letter = serde_json::from_str(&text).map_err(|error| QueueError {
                queue: queue.name(),
                cause: format!("a dead letter cannot be read: {error}"),
            })?;
            let buried = Buried { id: seq.to_string(), letter };
            match judge(&buried) {
                Fate::Keep => {}
                fate => settled.push((seq, fate, buried)),
            }
        }
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let moved = self.write(queue, 0, move |connection| {
            let mut moved = Vec::new();
            for (seq, fate, buried) in &settled {
                // Somebody else may have settled it since it was read.
                let taken = connection.prepare_cached("DELETE FROM dead_letters WHERE seq = ?1")?.execute([seq])?;
                if taken == 1 {
                    if *fate == Fate::Redrive {
                        send(connection, queue, &buried.job(), now)?;
                    }
                    moved.push(buried.clone());
                }
            }
            Ok(moved)
        });
        let moved = moved.await?;
        self.sent(queue).notify_waiters();
        Ok(moved)
    }

    async fn waiting(&self, queue: QueueName, tenant: &TenantId) -> Result<Option<Vec<String>>, QueueError> {
        let tenant = tenant.to_string();
        let bodies = self.read(queue, move |connection| {
            let sql = "SELECT body FROM messages
                       WHERE queue = ?1 AND substr(grp, 1, instr(grp || '#', '#') - 1) = ?2 ORDER BY seq";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map(params![queue.name(), tenant], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
        });
        bodies.await.map(Some)
    }

    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError> {
        let depth = self.read(queue, move |connection| {
            let count =
                |sql: &str| connection.prepare_cached(sql)?.query_row([queue.name()], |row| row.get::<_, i64>(0));
            let first = "SELECT body FROM messages WHERE queue = ?1 ORDER BY seq LIMIT 1";
            let mut first = connection.prepare_cached(first)?;
            let first: Option<String> = first.query_row([queue.name()], |row| row.get(0)).optional()?;
            Ok(Depth {
                waiting: count("SELECT COUNT(*) FROM messages WHERE queue = ?1")?.unsigned_abs(),
                dead: count("SELECT COUNT(*) FROM dead_letters WHERE queue = ?1")?.unsigned_abs(),
                oldest: first.and_then(|body| runtime::envelope::arrival(&body)),
            })
        });
        depth.await
    }
}

/// Whether nothing was sent with this deduplication id within five minutes. From now on something was.
fn is_first(connection: &Connection, queue: QueueName, id: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let until = later(now, DEDUPLICATION).as_millisecond();
    let latest = later(now, DEDUPLICATION + MIN_STEP).as_millisecond();
    let noted = connection
        .prepare_cached(
            // One that is over counts no more, whether it was cleared away yet or not, and neither does one that was sent
            // before the clock was set back.
            "INSERT INTO deduplications (queue, id, until) VALUES (?1, ?2, ?3)
             ON CONFLICT (queue, id) DO UPDATE SET until = excluded.until WHERE until <= ?4 OR until > ?5",
        )?
        .execute(params![queue.name(), id, until, now.as_millisecond(), latest])?;
    Ok(noted == 1)
}

fn send(connection: &Connection, queue: QueueName, message: &QueueMessage, now: Timestamp) -> rusqlite::Result<()> {
    if !is_first(connection, queue, &message.deduplication, now)? {
        return Ok(());
    }
    let now = now.as_millisecond();
    connection
        .prepare_cached("INSERT INTO messages (queue, grp, body, visible_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![queue.name(), message.group, message.body, now])?;
    // A group that is there already keeps its time: it waits for its head.
    connection
        .prepare_cached("INSERT OR IGNORE INTO groups (queue, grp, ready_at) VALUES (?1, ?2, ?3)")?
        .execute(params![queue.name(), message.group, now])?;
    Ok(())
}

fn forget_old(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM deduplications WHERE (queue, id) IN
                 (SELECT queue, id FROM deduplications WHERE until <= ?1 LIMIT 32)",
        )?
        .execute([now.as_millisecond()])
        .map(|_| ())
}

/// What is asked for.
struct Asked<'a> {
    queue: QueueName,
    most: usize,
    now: Timestamp,
    lease: &'a str,
    /// The tenants that get nothing now.
    places: Option<&'a TenantPlaces>,
}

/// The groups that are ready, those of one tenant after those of another: a batch is the next tenant's as far as it
/// can fill one, so that nobody waits behind somebody else's backlog and a batch still is of one portal. Tenants that have
/// all their places taken are passed over.
#[allow(clippy::cast_possible_wrap)] // `most` is at most ten
fn groups_in_turn(
    connection: &Connection,
    asked: &Asked<'_>,
    most: usize,
    served: &mut String,
) -> rusqlite::Result<Vec<String>> {
    const TENANT: &str = "substr(grp, 1, instr(grp || '#', '#') - 1)";
    let (queue, now_ms) = (asked.queue, asked.now.as_millisecond());
    let next = format!(
        "SELECT {TENANT} FROM groups WHERE queue = ?1 AND {TENANT} > ?2 AND ready_at <= ?3 ORDER BY {TENANT} LIMIT 1"
    );
    let of_tenant = format!(
        "SELECT grp FROM groups WHERE queue = ?1 AND {TENANT} = ?2 AND ready_at <= ?3 ORDER BY ready_at LIMIT ?4"
    );
    let mut groups: Vec<String> = Vec::new();
    let first = served.clone();
    let mut from_the_start = false;
    while groups.len() < most {
        let tenant: Option<String> = connection
            .prepare_cached(&next)?
            .query_row(params![queue.name(), served.as_str(), now_ms], |row| row.get(0))
            .optional()?;
        let Some(tenant) = tenant else {
            if from_the_start {
                break;
            }
            from_the_start = true;
            served.clear();
            continue;
        };
        // Once around.
        if from_the_start && tenant > first {
            break;
        }
        if !asked.places.is_some_and(|places| places.are_full(&tenant)) {
            let room = most - groups.len();
            let ready = connection
                .prepare_cached(&of_tenant)?
                .query_map(params![queue.name(), tenant, now_ms, room as i64], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()?;
            groups.extend(ready);
        }
        *served = tenant;
    }
    Ok(groups)
}

#[allow(clippy::cast_possible_wrap)] // `most` is at most ten
#[allow(clippy::needless_pass_by_value)] // it is made for the call
fn receive(connection: &Connection, asked: Asked<'_>, served: &mut String) -> rusqlite::Result<Vec<Received>> {
    let Asked { queue, now, lease, .. } = asked;
    let most = asked.most.clamp(1, 10);
    let now_ms = now.as_millisecond();
    let lease_until = later(now, queue.visibility()).as_millisecond();
    let groups = groups_in_turn(connection, &asked, most, served)?;
    let mut received = Vec::new();
    for group in groups {
        let room = most - received.len();
        if room == 0 {
            break;
        }
        // A ready group with leases is one whose lease ran out: all of it may go out again.
        connection
            .prepare_cached("UPDATE messages SET lease = NULL WHERE queue = ?1 AND grp = ?2 AND lease IS NOT NULL")?
            .execute(params![queue.name(), group])?;
        let heads: Vec<(i64, String, u32, i64)> = connection
            .prepare_cached(
                "SELECT seq, body, receives, visible_at FROM messages WHERE queue = ?1 AND grp = ?2 ORDER BY seq LIMIT ?3",
            )?
            .query_map(params![queue.name(), group, room as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        for (seq, body, receives, _) in heads.into_iter().take_while(|(.., visible_at)| *visible_at <= now_ms) {
            connection
                .prepare_cached("UPDATE messages SET lease = ?1, receives = receives + 1 WHERE seq = ?2")?
                .execute(params![lease, seq])?;
            let (id, receipt) = (seq.to_string(), format!("{seq}:{lease}"));
            received.push(Received { id, receipt, group: group.clone(), body, attempt: receives + 1 });
        }
        connection
            .prepare_cached("UPDATE groups SET ready_at = ?1 WHERE queue = ?2 AND grp = ?3")?
            .execute(params![lease_until, queue.name(), group])?;
    }
    Ok(received)
}

/// Deletes a received message, or puts it back until `visible_at`. A receipt whose lease ran out settles nothing.
fn settle(
    connection: &Connection,
    queue: QueueName,
    receipt: &str,
    visible_at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let Some((seq, lease)) = receipt.split_once(':') else { return Ok(()) };
    let group: Option<String> = connection
        .prepare_cached("SELECT grp FROM messages WHERE seq = ?1 AND lease = ?2")?
        .query_row(params![seq, lease], |row| row.get(0))
        .optional()?;
    let Some(group) = group else { return Ok(()) };
    match visible_at {
        None => connection.prepare_cached("DELETE FROM messages WHERE seq = ?1")?.execute([seq])?,
        Some(visible_at) => connection
            .prepare_cached("UPDATE messages SET lease = NULL, visible_at = ?2 WHERE seq = ?1")?
            .execute(params![seq, visible_at.as_millisecond()])?,
    };
    make_ready(connection, queue, &group)
}
