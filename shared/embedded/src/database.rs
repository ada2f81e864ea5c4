//! The SQLite file: its schema, its one writer, its readers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

/// As many writes as wait are committed together, up to this many.
const MOST_IN_ONE_COMMIT: usize = 256;

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

    -- One row for each group that has messages: when its next message may be handed out.
    CREATE TABLE IF NOT EXISTS groups (
        queue TEXT NOT NULL, grp TEXT NOT NULL, ready_at INTEGER NOT NULL, PRIMARY KEY (queue, grp)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS groups_ready ON groups (queue, ready_at);

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
    cause: rusqlite::Error,
}

/// Answers its caller once the commit is known to be durable, or known to have failed.
type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;
type Write = Box<dyn FnOnce(&Connection) -> Reply + Send>;

/// One SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    writes: mpsc::Sender<Write>,
    readers: Arc<Readers>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    path: String,
}

impl Database {
    /// Opens the file, creating it if need be.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_string_lossy().into_owned();
        let failed = |cause| OpenError { path: path.clone(), cause };
        let connection = Connection::open(&path).map_err(failed)?;
        // FULL: a commit returns only after the log is synced to the disk.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")
            .and_then(|()| connection.execute_batch(SCHEMA))
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        let (writes, waiting) = mpsc::channel::<Write>();
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || write_all(connection, &waiting))
            .map_err(|error| failed(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
        Ok(Self { writes, readers: Arc::new(Readers { idle: Mutex::default(), path }) })
    }

    /// Runs `write` in a transaction and returns once that is durable. A `write` that returns an error leaves
    /// no trace. `E` can be made from the engine's own words.
    pub(crate) async fn write<R, E>(
        &self,
        write: impl FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Trouble> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write: Write = Box::new(move |connection| {
            let result = in_savepoint(connection, write);
            Box::new(move |committed| {
                let result = committed.map_err(|cause| E::from(Trouble(cause))).and(result);
                // Nobody waits any more; the write stands all the same.
                let _ = reply.send(result);
            })
        });
        self.writes.send(write).map_err(|_| Trouble("the writer has stopped".into()))?;
        answer.await.unwrap_or_else(|_| Err(Trouble("the writer has stopped".into()).into()))
    }

    /// Runs `read` against what is committed now.
    pub(crate) async fn read<R, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Trouble> + Send + 'static,
    {
        let readers = self.readers.clone();
        let done = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let result = read(&connection);
            readers.put_back(connection);
            result
        });
        done.await.map_err(|error| Trouble(error.to_string()))?
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, Trouble> {
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
pub(crate) struct Trouble(pub(crate) String);

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

fn in_savepoint<R, E: From<Trouble>>(
    connection: &Connection,
    write: impl FnOnce(&Connection) -> Result<R, E>,
) -> Result<R, E> {
    let run = |sql| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    run("SAVEPOINT one").map_err(Trouble::from)?;
    let result = write(connection);
    if result.is_err() {
        run("ROLLBACK TO one").map_err(Trouble::from)?;
    }
    run("RELEASE one").map_err(Trouble::from)?;
    result
}

/// The writer's life: takes what waits, commits it together, answers.
fn write_all(mut connection: Connection, waiting: &mpsc::Receiver<Write>) {
    while let Ok(first) = waiting.recv() {
        let mut replies: Vec<Reply> = Vec::new();
        let committed = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let more = std::iter::from_fn(|| waiting.try_recv().ok());
            for write in std::iter::once(first).chain(more.take(MOST_IN_ONE_COMMIT - 1)) {
                replies.push(write(&transaction));
            }
            transaction.commit()
        });
        let committed = committed.map_err(|error| error.to_string());
        for reply in replies {
            reply(committed.clone());
        }
    }
}
