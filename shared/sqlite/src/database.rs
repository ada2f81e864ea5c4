//! The SQLite file: its schema, its one writer, its readers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use runtime::private_files;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

/// As many writes as wait are committed together, up to this many.
const MAX_IN_ONE_COMMIT: usize = 256;

/// How often the log is moved into the database.
const CHECKPOINT: Duration = Duration::from_millis(250);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS items (
        tbl TEXT NOT NULL, part TEXT NOT NULL, sort TEXT NOT NULL,
        value TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER,
        PRIMARY KEY (tbl, part, sort)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE IF NOT EXISTS messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, grp TEXT NOT NULL, body TEXT NOT NULL,
        visible_at INTEGER NOT NULL, receives INTEGER NOT NULL DEFAULT 0, lease TEXT
    );
    CREATE INDEX IF NOT EXISTS messages_by_group ON messages (queue, grp, seq);
    CREATE INDEX IF NOT EXISTS messages_leased ON messages (queue, grp) WHERE lease IS NOT NULL;

    -- One row for each group that has messages: when its next message may be handed out. A group's name begins
    -- with its tenant: tenants take turns.
    CREATE TABLE IF NOT EXISTS groups (
        queue TEXT NOT NULL, grp TEXT NOT NULL, ready_at INTEGER NOT NULL, PRIMARY KEY (queue, grp)
    ) WITHOUT ROWID;
    DROP INDEX IF EXISTS groups_ready;
    CREATE INDEX IF NOT EXISTS groups_in_turn ON groups (queue, substr(grp, 1, instr(grp || '#', '#') - 1), ready_at);

    CREATE TABLE IF NOT EXISTS deduplications (
        queue TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (queue, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS deduplications_old ON deduplications (until);

    CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, letter TEXT NOT NULL
    );
";

/// The file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the database {path} cannot be opened: {cause}")]
pub struct OpenError {
    path: String,
    cause: String,
}

/// Answers its caller once the commit is known to be durable, or known to have failed.
type CommitReply = Box<dyn FnOnce(Result<(), String>) + Send>;
type PendingWrite = Box<dyn FnOnce(&Connection) -> rusqlite::Result<CommitReply> + Send>;

/// One SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteFile {
    writes: mpsc::Sender<PendingWrite>,
    readers: Arc<Readers>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    path: String,
}

impl SqliteFile {
    /// Opens the file, creating it if need be. Only its owner may read it, and what SQLite keeps beside it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = path;
        let path = path.to_string_lossy().into_owned();
        let unmade = |error: std::io::Error| OpenError { path: path.clone(), cause: error.to_string() };
        let failed = |cause: rusqlite::Error| OpenError { path: path.clone(), cause: cause.to_string() };
        // SQLite gives its log and its index the mode of the database.
        private_files::file(file).map_err(unmade)?;
        for beside in ["-wal", "-shm"] {
            private_files::tighten(Path::new(&format!("{path}{beside}")));
        }
        let connection = Connection::open(&path).map_err(failed)?;
        // FULL: a commit returns only after the log is synced to the disk.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;
                 PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -32000;",
            )
            .and_then(|()| connection.execute_batch(SCHEMA))
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        let beside = Connection::open(&path).map_err(failed)?;
        beside.execute_batch("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;").map_err(failed)?;

        let (writes, waiting) = mpsc::channel::<PendingWrite>();
        let written = Arc::new(AtomicBool::new(true));
        let writer_lives = Arc::downgrade(&written);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        thread("sqlite-writer")
            .spawn(move || write_all(connection, &waiting, &written))
            .and_then(|_| thread("sqlite-checkpoint").spawn(move || checkpoint(&beside, &writer_lives)))
            .map_err(unmade)?;
        Ok(Self { writes, readers: Arc::new(Readers { idle: Mutex::default(), path }) })
    }

    /// Runs `write` in a transaction and returns once that is durable.
    ///
    /// Others' writes share the transaction, so a `write` must decide before it writes: what it refuses (the
    /// inner error) has changed nothing. The engine's own failure (the outer one) undoes the whole transaction.
    pub(crate) async fn write<R, E>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<Result<R, E>> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<SqliteTrouble> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write: PendingWrite = Box::new(move |connection| {
            let result = write(connection)?;
            let reply: CommitReply = Box::new(move |committed| {
                let result = committed.map_err(|cause| E::from(SqliteTrouble(cause))).and(result);
                // Nobody waits any more; the write is valid all the same.
                let _ = reply.send(result);
            });
            Ok(reply)
        });
        self.writes.send(write).map_err(|_| SqliteTrouble("the writer has stopped".into()))?;
        answer.await.unwrap_or_else(|_| Err(SqliteTrouble("the transaction was undone".into()).into()))
    }

    /// Runs `read` against what is committed now.
    pub(crate) async fn read<R, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<SqliteTrouble> + Send + 'static,
    {
        let readers = self.readers.clone();
        let done = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let result = read(&connection);
            readers.put_back(connection);
            result
        });
        done.await.map_err(|error| SqliteTrouble(error.to_string()))?
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, SqliteTrouble> {
        if let Some(connection) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch("PRAGMA busy_timeout = 5000;")?;
        Ok(connection)
    }

    fn put_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

/// What the engine says when something is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct SqliteTrouble(pub(crate) String);

impl From<rusqlite::Error> for SqliteTrouble {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// The writer's life: takes what waits, commits it together, answers.
fn write_all(mut connection: Connection, waiting: &mpsc::Receiver<PendingWrite>, written: &AtomicBool) {
    while let Ok(first) = waiting.recv() {
        let mut replies: Vec<CommitReply> = Vec::new();
        let committed = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let more = std::iter::from_fn(|| waiting.try_recv().ok());
            for write in std::iter::once(first).chain(more.take(MAX_IN_ONE_COMMIT - 1)) {
                replies.push(write(&transaction)?);
            }
            transaction.commit()
        });
        written.store(true, Ordering::Relaxed);
        let committed = committed.map_err(|error| error.to_string());
        for reply in replies {
            reply(committed.clone());
        }
    }
}

/// Moves the log into the database beside the writer, so that no commit waits for it. Ends with the writer.
fn checkpoint(connection: &Connection, written: &Weak<AtomicBool>) {
    while let Some(written) = written.upgrade() {
        if written.swap(false, Ordering::Relaxed) {
            // One that fails or is cut short by a reader is made up for by the next.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        drop(written);
        std::thread::sleep(CHECKPOINT);
    }
}
