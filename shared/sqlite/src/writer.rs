//! The one writer of a database: it takes what waits, commits it together, answers. A write that fails undoes only
//! itself: what waited with it is tried again in halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::database::Opened;
use crate::fault::SqliteFault;
use crate::files::{self, truncate_log};

/// As many writes as wait are committed together, up to this many, or these many bytes.
const MAX_IN_ONE_COMMIT: usize = 256;
const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// For how long a failed commit is tried in parts, before the rest is refused.
const MAX_RETRYING: Duration = Duration::from_millis(700);

/// Above this size the log is moved into the database between two commits, and begins again. It stays below
/// [`crate::MAX_LOG_BYTES`], with what one commit and readers can add.
pub(crate) const LOG_LIMIT: u64 = 24 * 1024 * 1024;
/// After a reader was in the way, it is tried again after this time.
const LOG_RETRY: Duration = Duration::from_millis(100);

/// A caller's write, which waits for its commit.
pub(crate) trait PendingWrite: Send {
    /// Writes within the transaction; may be called again after that was undone.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Bytes that it writes, roughly.
    fn bytes(&self) -> usize;
    /// Whether its caller waits no longer.
    fn is_abandoned(&self) -> bool;
    /// Answers its caller, once the commit is known to be durable or to have failed.
    fn answer(self: Box<Self>, outcome: Result<(), SqliteFault>);
}

type WriteBatch = Vec<Box<dyn PendingWrite>>;

/// What the writer is asked.
pub(crate) enum WriterRequest {
    Write(Box<dyn PendingWrite>),
    /// To end, and to say so.
    Close(oneshot::Sender<()>),
}

/// Why a transaction was not committed.
enum Undone {
    /// It could not begin.
    NotBegun(rusqlite::Error),
    /// It was undone.
    RolledBack(rusqlite::Error),
}

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) opened: Arc<Opened>,
    pub(crate) written: Arc<AtomicBool>,
    /// When the log may be moved again.
    pub(crate) log_retry: Instant,
}

impl Writer {
    /// The writer's life.
    pub(crate) fn run(mut self, waiting: &Receiver<WriterRequest>) {
        while let Ok(first) = waiting.recv() {
            let (batch, close) = collect(first, waiting);
            self.work(batch);
            if let Some(closed) = close {
                self.close();
                let _ = closed.send(());
                return;
            }
            self.limit_log();
        }
        self.close();
    }

    fn work(&mut self, mut batch: WriteBatch) {
        batch.retain(|write| !write.is_abandoned());
        if batch.is_empty() {
            return;
        }
        if let Some(fault) = self.opened.files.fault() {
            self.opened.health.files_are(Some(fault.clone()));
            return refuse(batch, &fault);
        }
        self.commit(batch, Instant::now() + MAX_RETRYING);
        self.written.store(true, Ordering::Relaxed);
    }

    /// Commits all, or else each half for itself.
    fn commit(&mut self, mut batch: WriteBatch, until: Instant) {
        match self.try_commit(&mut batch) {
            Ok(()) => self.answer(batch),
            Err(Undone::RolledBack(_)) if batch.len() > 1 && Instant::now() < until => {
                let rest = batch.split_off(batch.len() / 2);
                self.commit(batch, until);
                self.commit(rest, until);
            }
            Err(Undone::NotBegun(error) | Undone::RolledBack(error)) => {
                let fault = SqliteFault::of(&error, &self.opened.path);
                if fault.kind.is_of_the_database() {
                    self.opened.health.writes_are(Some(fault.clone()));
                }
                refuse(batch, &fault);
            }
        }
    }

    fn try_commit(&mut self, batch: &mut WriteBatch) -> Result<(), Undone> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Undone::NotBegun)?;
        for write in batch.iter_mut() {
            write.run(&transaction).map_err(Undone::RolledBack)?;
        }
        transaction.commit().map_err(Undone::RolledBack)
    }

    /// Answers what was committed, unless it went into a file that has no name any more.
    fn answer(&self, batch: WriteBatch) {
        if let Some(fault) = self.opened.files.fault() {
            self.opened.health.files_are(Some(fault.clone()));
            return refuse(batch, &fault);
        }
        self.opened.health.writes_are(None);
        for write in batch {
            write.answer(Ok(()));
        }
    }

    /// Begins the log again when it has grown. Beside commits it is only moved into the database, which under load never
    /// empties it: there is always a newer write.
    fn limit_log(&mut self) {
        if files::log_bytes(&self.opened.path) <= LOG_LIMIT || Instant::now() < self.log_retry {
            return;
        }
        if !matches!(truncate_log(&self.connection), Ok(true)) {
            self.log_retry = Instant::now() + LOG_RETRY;
        }
    }

    fn close(&self) {
        if self.opened.files.fault().is_none() {
            match (truncate_log(&self.connection), &self.opened.host) {
                (Err(error), _) => {
                    tracing::warn!(%error, "the log of the database could not be moved into it at the end");
                }
                (Ok(_), Some(host)) => {
                    if let Err(error) = host.closed() {
                        tracing::warn!(%error, "the lock file could not be written; the next start checks the database");
                    }
                }
                (Ok(_), None) => {}
            }
        }
        if let Some(host) = &self.opened.host {
            host.release();
        }
    }
}

fn refuse(batch: WriteBatch, fault: &SqliteFault) {
    for write in batch {
        write.answer(Err(fault.clone()));
    }
}

/// The first write with those that wait as well, and who asked to end, if anyone did.
fn collect(first: WriterRequest, waiting: &Receiver<WriterRequest>) -> (WriteBatch, Option<oneshot::Sender<()>>) {
    let (mut batch, mut bytes) = (WriteBatch::new(), 0);
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            WriterRequest::Write(write) => {
                bytes += write.bytes();
                batch.push(write);
            }
            WriterRequest::Close(closed) => return (batch, Some(closed)),
        }
        let is_full = batch.len() >= MAX_IN_ONE_COMMIT || bytes >= MAX_COMMIT_BYTES;
        next = if is_full { None } else { waiting.try_recv().ok() };
    }
    (batch, None)
}
