//! The SQLite file: how it is opened, its one writer, its readers, and the thread that looks after it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use runtime::private_files;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fault::{FaultKind, OpenError, SqliteFault, beside};
use crate::files::{self, ENDINGS, OpenedFiles, truncate_log};
use crate::health::SqliteHealth;
use crate::host_lock::HostLock;
use crate::maintenance;
use crate::schema::{self, SchemaState};
use crate::writer::{PendingWrite, Writer, WriterRequest};

/// The log stays below this size, whatever the load.
pub const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The most writes that wait for the writer; a caller that finds so many waits for none of them.
pub(crate) const MAX_WAITING_WRITES: usize = 4_096;
/// How often the log is moved into the database, and the files are looked at.
const CARE: Duration = Duration::from_millis(250);
/// How long closing may take.
const MAX_CLOSING: Duration = Duration::from_secs(2);
/// After its truncation a log is not kept larger than this.
const KEPT_LOG_BYTES: u64 = 8 * 1024 * 1024;

/// How long callers of a host wait: less than providers wait for an answer.
const HOST: Patience = Patience {
    lock: Duration::from_millis(800),
    write: Duration::from_millis(1_900),
    read: Duration::from_millis(1_900),
};
/// How long commands wait, beside a busy host.
const COMMAND: Patience =
    Patience { lock: Duration::from_secs(5), write: Duration::from_secs(15), read: Duration::from_secs(5) };

/// How long something may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until another process lets us write.
    lock: Duration,
    /// From a caller's write to its answer.
    write: Duration,
    /// From a caller's read to its answer. A reader holds back the end of the log: none may take long.
    read: Duration,
}

/// What all parts of an open database share.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) files: OpenedFiles,
    pub(crate) health: SqliteHealth,
    /// The right to be its host, if this process is.
    pub(crate) host: Option<HostLock>,
    /// The file of the key ring, once it is known.
    key_ring: OnceLock<PathBuf>,
    patience: Patience,
}

impl Opened {
    fn look_at_files(&self) {
        let lost = || {
            let key_ring = self.key_ring.get().filter(|file| !file.exists())?;
            Some(SqliteFault::new(FaultKind::SecretsLost, &self.path, format!("{} is gone", key_ring.display())))
        };
        let fault = self.files.fault().or_else(lost).or_else(|| files::fault_of_disk(&self.path));
        self.health.files_are(fault);
    }
}

/// One SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteFile {
    /// Without them the writer ends.
    writes: Arc<mpsc::Sender<WriterRequest>>,
    /// How many callers' writes are with the writer.
    waiting: Arc<AtomicUsize>,
    readers: Arc<Readers>,
    opened: Arc<Opened>,
}

struct Readers {
    idle: Mutex<Vec<Reader>>,
    opened: Arc<Opened>,
}

/// A connection for reading, and until when its present read may take.
struct Reader {
    connection: Connection,
    deadline: Arc<Mutex<Instant>>,
}

impl SqliteFile {
    /// Opens the file, creating it if need be, beside a host that may be running. Only its owner may read it, and what
    /// SQLite keeps beside it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, None)
    }

    /// Opens the file for its host: checks it if the last one did not close it.
    pub fn open_for_host(path: &Path, host: HostLock) -> Result<Self, OpenError> {
        Self::open_with(path, Some(host))
    }

    fn open_with(path: &Path, host: Option<HostLock>) -> Result<Self, OpenError> {
        let patience = if host.is_some() { HOST } else { COMMAND };
        if let Some(host) = &host
            && std::fs::metadata(path).map_or(0, |file| file.len()) == 0
            && let Some(cause) = host.missing()
        {
            return Err(OpenError::new(path, cause));
        }
        // SQLite gives its log and its index the mode of the database.
        private_files::file(path).map_err(|error| unusable(path, &error))?;
        for ending in &ENDINGS[1..] {
            private_files::tighten(&beside(path, ending));
        }
        let connection = prepare(path, host.as_ref(), patience)?;
        let beside = configured(path, patience)?;
        if let Some(host) = &host {
            host.begin().map_err(|error| unusable(&HostLock::path(path), &error))?;
        }
        let opened = Arc::new(Opened {
            path: path.to_owned(),
            files: OpenedFiles::of(path),
            health: SqliteHealth::new(path),
            host,
            key_ring: OnceLock::new(),
            patience,
        });
        Self::start(connection, beside, opened)
    }

    fn start(connection: Connection, beside: Connection, opened: Arc<Opened>) -> Result<Self, OpenError> {
        let (writes, waiting) = mpsc::channel::<WriterRequest>();
        let writes = Arc::new(writes);
        let written = Arc::new(AtomicBool::new(true));
        let care = Care {
            connection: beside,
            written: Arc::downgrade(&written),
            opened: opened.clone(),
            writes: Arc::downgrade(&writes),
            trying: Arc::default(),
        };
        let writer = Writer { connection, opened: opened.clone(), written, log_retry: Instant::now() };
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        thread("sqlite-writer")
            .spawn(move || writer.run(&waiting))
            .and_then(|_| thread("sqlite-care").spawn(move || care.run()))
            .map_err(|error| OpenError::new(&opened.path, error.to_string()))?;
        let readers = Arc::new(Readers { idle: Mutex::default(), opened: opened.clone() });
        Ok(Self { writes, waiting: Arc::default(), readers, opened })
    }

    /// Whether it can be used now.
    pub fn health(&self) -> SqliteHealth {
        self.opened.health.clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.opened.path
    }

    /// The right to be its host, if this process is.
    pub fn host(&self) -> Option<&HostLock> {
        self.opened.host.as_ref()
    }

    /// From now on the loss of this file is a fault: without it, nothing sealed can be opened.
    pub(crate) fn watch_key_ring(&self, file: PathBuf) {
        let _ = self.opened.key_ring.set(file);
    }

    /// Ends writing: what was asked before is committed, the log is moved into the database, and the next start knows that
    /// the end was clean. Later writes are refused.
    pub async fn close(&self) {
        let (closed, done) = oneshot::channel();
        // A disk that does not answer keeps nobody from stopping.
        if self.writes.send(WriterRequest::Close(closed)).is_ok() && timeout(MAX_CLOSING, done).await.is_err() {
            tracing::warn!(path = %self.path().display(), "the database could not be closed in time; the next start checks it");
        }
    }

    /// Runs `write` in a transaction and returns once that is durable.
    ///
    /// Others' writes share the transaction, so a `write` must decide before it writes: what it refuses (the
    /// inner error) has changed nothing. The engine's own failure (the outer one) undoes the transaction; it may be
    /// called again then, without those who failed. `bytes` is what it writes, roughly.
    pub(crate) async fn write<R, E>(
        &self,
        bytes: usize,
        write: impl FnMut(&Connection) -> rusqlite::Result<Result<R, E>> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<SqliteFault> + Send + 'static,
    {
        self.write_or(bytes, write, || {}).await
    }

    /// The same; `lost` is called if the write was committed after its caller had gone.
    pub(crate) async fn write_or<R, E>(
        &self,
        bytes: usize,
        write: impl FnMut(&Connection) -> rusqlite::Result<Result<R, E>> + Send + 'static,
        lost: impl FnOnce() + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<SqliteFault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let place = WriterPlace::take(&self.waiting).ok_or_else(|| self.overrun())?;
        let caller: Box<dyn PendingWrite> =
            Box::new(WaitingCaller { write, lost, result: None, reply, bytes, _place: place });
        self.writes.send(WriterRequest::Write(caller)).map_err(|_| self.closed())?;
        match timeout(self.opened.patience.write, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.closed().into()),
            Err(_) => Err(self.late("the write", self.opened.patience.write).into()),
        }
    }

    /// Runs `read` against what is committed now.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, SqliteFault> {
        let readers = self.readers.clone();
        let limit = self.opened.patience.read;
        let reading = move || {
            let reader = readers.take()?;
            reader.may_take(limit);
            let result = read(&reader.connection);
            readers.put_back(reader);
            result
        };
        let path = self.opened.path.clone();
        // What is wrong is found out there too: for that something may be written beside the file.
        let reading = tokio::task::spawn_blocking(move || reading().map_err(|error| SqliteFault::of(&error, &path)));
        let fault = match timeout(limit, reading).await {
            Ok(Ok(Ok(result))) => return Ok(result),
            Ok(Ok(Err(fault))) => fault,
            Ok(Err(fell)) => return Err(SqliteFault::new(FaultKind::Statement, self.path(), fell.to_string())),
            Err(_) => return Err(self.late("the read", limit)),
        };
        self.opened.health.read_met(&fault);
        Err(match fault.kind {
            FaultKind::Slow => self.late("the read", limit),
            _ => fault,
        })
    }

    fn closed(&self) -> SqliteFault {
        SqliteFault::new(FaultKind::Closed, self.path(), "its writer has ended")
    }

    /// The fault of a caller that finds too many others before it.
    fn overrun(&self) -> SqliteFault {
        let known = self.opened.health.fault();
        known.unwrap_or_else(|| {
            SqliteFault::new(FaultKind::Slow, self.path(), format!("{MAX_WAITING_WRITES} writes wait already"))
        })
    }

    /// The fault of a caller that waits no longer: what is known to be wrong, if anything is.
    fn late(&self, what: &str, limit: Duration) -> SqliteFault {
        let known = self.opened.health.fault();
        known.unwrap_or_else(|| {
            SqliteFault::new(FaultKind::Slow, self.path(), format!("{what} took longer than {limit:?}"))
        })
    }
}

/// A write with the one who waits for it.
struct WaitingCaller<W, L, R, E> {
    write: W,
    lost: L,
    result: Option<Result<R, E>>,
    reply: oneshot::Sender<Result<R, E>>,
    bytes: usize,
    _place: WriterPlace,
}

/// One of the [`MAX_WAITING_WRITES`].
struct WriterPlace(Arc<AtomicUsize>);

impl WriterPlace {
    /// A place, if one is free.
    fn take(waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(waiting.clone());
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING_WRITES).then_some(place)
    }
}

impl Drop for WriterPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<W, L, R, E> PendingWrite for WaitingCaller<W, L, R, E>
where
    W: FnMut(&Connection) -> rusqlite::Result<Result<R, E>> + Send,
    L: FnOnce() + Send,
    R: Send,
    E: From<SqliteFault> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.result = Some((self.write)(connection)?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, outcome: Result<(), SqliteFault>) {
        let Self { lost, result, reply, .. } = *self;
        match (outcome, result) {
            (Ok(()), Some(result)) => {
                if reply.send(result).is_err() {
                    lost();
                }
            }
            (Err(fault), _) => drop(reply.send(Err(fault.into()))),
            // A commit without its write cannot be; dropping the reply says that nothing is known.
            (Ok(()), None) => {}
        }
    }
}

impl Reader {
    fn may_take(&self, limit: Duration) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + limit;
    }
}

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;

impl Readers {
    fn take(&self) -> rusqlite::Result<Reader> {
        if let Some(reader) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(reader);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.opened.path, flags)?;
        connection.busy_timeout(self.opened.patience.lock)?;
        let deadline = Arc::new(Mutex::new(Instant::now()));
        let until = deadline.clone();
        let is_late = move || Instant::now() > *until.lock().unwrap_or_else(PoisonError::into_inner);
        connection.progress_handler(STEPS, Some(is_late))?;
        Ok(Reader { connection, deadline })
    }

    fn put_back(&self, reader: Reader) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> OpenError {
    let remedy = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "free space on its disk",
        std::io::ErrorKind::NotFound => "make its folder, or name another one",
        _ => "make the file and its folder writable for the user that runs Switchboard",
    };
    OpenError::new(path, format!("{error}; {remedy}"))
}

/// A connection that writes and syncs as it should.
fn configured(path: &Path, patience: Patience) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::from(SqliteFault::of(&error, path));
    let connection = Connection::open(path).map_err(failed)?;
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
        return Err(SqliteFault::new(FaultKind::ReadOnly, path, "the system opens it only for reading").into());
    }
    connection.busy_timeout(patience.lock).map_err(failed)?;
    // FULL: a commit returns only after the log is synced to the disk. What moves the log when is decided here.
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -32000; PRAGMA journal_size_limit = {KEPT_LOG_BYTES};"
        ))
        .map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The connection of the writer: the file is whole, and has the schema of this program.
fn prepare(path: &Path, host: Option<&HostLock>, patience: Patience) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::from(SqliteFault::of(&error, path));
    let mut connection = configured(path, patience)?;
    if host.is_some_and(HostLock::ended_uncleanly) {
        maintenance::check_after_unclean_end(&mut connection, path)?;
    }
    match schema::state(&connection).map_err(failed)? {
        SchemaState::Current => {}
        state @ SchemaState::Older(_) if host.is_none() => {
            // A running host of an earlier version must not lose its schema.
            let _alone = HostLock::acquire_within(path, Duration::ZERO)?;
            schema::migrate(&mut connection, path, state)?;
        }
        state => schema::migrate(&mut connection, path, state)?,
    }
    if host.is_some() && truncate_log(&connection).map_err(failed)? {
        check_length(&connection, path)?;
    }
    Ok(connection)
}

/// Finds a file that was cut off. Its log must be empty.
fn check_length(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let failed = |error: rusqlite::Error| OpenError::from(SqliteFault::of(&error, path));
    let wanted = number("PRAGMA page_count").map_err(failed)? * number("PRAGMA page_size").map_err(failed)?;
    let found = std::fs::metadata(path).map_err(|error| unusable(path, &error))?.len();
    if found < wanted {
        let cut = format!("it was cut off: it has {found} bytes of {wanted}");
        return Err(SqliteFault::new(FaultKind::Damaged, path, cut).into());
    }
    Ok(())
}

/// What is done beside the writer: the log is moved, the files are looked at, and a fault is tried again.
struct Care {
    connection: Connection,
    written: Weak<AtomicBool>,
    opened: Arc<Opened>,
    writes: Weak<mpsc::Sender<WriterRequest>>,
    /// Whether a trial waits for the writer.
    trying: Arc<AtomicBool>,
}

impl Care {
    /// Ends with the writer.
    fn run(self) {
        while let Some(written) = self.written.upgrade() {
            if written.swap(false, Ordering::Relaxed) {
                // One that fails or is cut short by a reader is made up for by the next.
                let _ = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
            drop(written);
            self.opened.look_at_files();
            if self.opened.health.fault_of_writes().is_some() {
                self.try_a_write();
            }
            std::thread::sleep(CARE);
        }
    }

    /// Nobody may be writing: whether it can be done again is found out here.
    fn try_a_write(&self) {
        if let Some(writes) = self.writes.upgrade()
            && !self.trying.swap(true, Ordering::Relaxed)
        {
            let _ = writes.send(WriterRequest::Write(Box::new(Trial(self.trying.clone()))));
        }
    }
}

/// A write that changes nothing, but needs a page of the log.
struct Trial(Arc<AtomicBool>);

impl PendingWrite for Trial {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "user_version", schema::SCHEMA_VERSION)
    }

    fn bytes(&self) -> usize {
        0
    }

    fn is_abandoned(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, _outcome: Result<(), SqliteFault>) {
        self.0.store(false, Ordering::Relaxed);
    }
}
