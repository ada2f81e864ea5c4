//! What is done to a whole database: it is checked, copied, compacted.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use runtime::TenantId;
use runtime::private_files;
use runtime::seal::KeyRing;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use secrecy::SecretString;

use crate::fault::{FaultKind, OpenError, SqliteFault, beside};
use crate::files::{self, ENDINGS, truncate_log};
use crate::host_lock::HostLock;
use crate::schema::{self, SchemaState};

/// How long the check after an unclean end may take; a larger file is used all the same then.
const MAX_START_CHECK: Duration = Duration::from_secs(30);
/// How often a long check says that it goes on.
const WORD: Duration = Duration::from_secs(5);
/// Pages that are copied at once.
const COPY_PAGES: i32 = 1_000;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 100_000;
/// Problems of one check that are shown.
const MAX_PROBLEMS: u32 = 20;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress {
    /// Pages that are copied.
    pub done: u64,
    /// Pages in all.
    pub all: u64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// The version of its schema.
    pub schema_version: u32,
    /// The size of the file.
    pub bytes: u64,
    /// The size of its log.
    pub log_bytes: u64,
    /// Space in the file that is used again before it grows; `compact` gives it back.
    pub free_bytes: u64,
    /// Items, messages on the queues, dead letters.
    pub items: u64,
    /// Messages on the queues.
    pub messages: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// What is damaged; empty if the file is whole.
    pub problems: Vec<String>,
}

/// What became of the sealed values of a database with a key ring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealReport {
    /// Values that the ring opens.
    pub opened: usize,
    /// Items whose values it does not open: table and partition.
    pub closed: BTreeSet<String>,
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError + Copy {
    move |error| SqliteFault::of(&error, path).into()
}

/// A connection that only reads, beside a host that may be running.
fn reading(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::new(path, "no such file; name the right one with --database or --config"));
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed(path))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed(path))?;
    Ok(connection)
}

/// Checks a file after its last host did not close it. A check that takes too long is given up with a word.
pub(crate) fn check_after_unclean_end(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let megabytes = fs::metadata(path).map_or(0, |file| file.len()) / 1_000_000;
    tracing::warn!(path = %path.display(), megabytes, "the last host did not close the database; it is checked");
    let (began, mut said) = (Instant::now(), Instant::now());
    let watch = move || {
        if said.elapsed() >= WORD {
            said = Instant::now();
            tracing::warn!(seconds = began.elapsed().as_secs(), "the check of the database goes on");
        }
        began.elapsed() > MAX_START_CHECK
    };
    connection.progress_handler(STEPS, Some(watch)).map_err(failed(path))?;
    let found = problems(connection, "quick_check", 1);
    connection.progress_handler(0, None::<fn() -> bool>).map_err(failed(path))?;
    match found {
        Ok(problems) => match problems.first() {
            None => Ok(()),
            Some(problem) => Err(SqliteFault::new(FaultKind::Damaged, path, problem.clone()).into()),
        },
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            tracing::warn!(
                "the database is too large to be checked within {} s at the start; run `switchboard database check` beside it",
                MAX_START_CHECK.as_secs()
            );
            Ok(())
        }
        Err(error) => Err(failed(path)(error)),
    }
}

/// What `quick_check` or `integrity_check` says, without its "ok".
fn problems(connection: &Connection, check: &str, most: u32) -> rusqlite::Result<Vec<String>> {
    let mut select = connection.prepare(&format!("PRAGMA {check}({most})"))?;
    let rows = select.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter(|row| row != "ok").collect())
}

/// Reads the whole file: its pages, its indexes, and that every row is where it should be.
pub fn check(path: &Path) -> Result<DatabaseReport, OpenError> {
    let connection = reading(path)?;
    let failed = failed(path);
    let count = |sql: &str| -> rusqlite::Result<u64> {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let problems = match problems(&connection, "integrity_check", MAX_PROBLEMS) {
        Ok(problems) => problems,
        Err(error) if SqliteFault::of(&error, path).kind == FaultKind::Damaged => vec![error.to_string()],
        Err(error) => return Err(failed(error)),
    };
    let of_whole = |sql: &str| if problems.is_empty() { count(sql) } else { Ok(count(sql).unwrap_or_default()) };
    Ok(DatabaseReport {
        schema_version: u32::try_from(of_whole("PRAGMA user_version").map_err(failed)?).unwrap_or(u32::MAX),
        bytes: fs::metadata(path).map_or(0, |file| file.len()),
        log_bytes: files::log_bytes(path),
        free_bytes: of_whole("PRAGMA freelist_count").map_err(failed)?
            * of_whole("PRAGMA page_size").map_err(failed)?,
        items: of_whole("SELECT COUNT(*) FROM items").map_err(failed)?,
        messages: of_whole("SELECT COUNT(*) FROM messages").map_err(failed)?,
        dead_letters: of_whole("SELECT COUNT(*) FROM dead_letters").map_err(failed)?,
        problems,
    })
}

/// Whether a file is of a version that this program reads; an error names both.
pub fn check_version(path: &Path) -> Result<(), OpenError> {
    let connection = reading(path)?;
    match schema::state(&connection).map_err(failed(path))? {
        SchemaState::Newer(version) => Err(OpenError::new(path, schema::newer(version))),
        SchemaState::Empty => Err(OpenError::new(path, "it has no tables: this is not a database of Switchboard")),
        SchemaState::Current | SchemaState::Older(_) => Ok(()),
    }
}

/// Items that may hold sealed values.
const SEALED: &str = "FROM items WHERE instr(value, '\"nonce\"') > 0";

/// How many items hold sealed values.
pub fn sealed_items(path: &Path) -> Result<u64, OpenError> {
    let count = reading(path)?.query_row(&format!("SELECT COUNT(*) {SEALED}"), [], |row| row.get::<_, i64>(0));
    count.map(i64::unsigned_abs).map_err(failed(path))
}

/// Tries every sealed value of tenants with a key ring.
pub fn check_seals(path: &Path, key_ring: &SecretString) -> Result<SealReport, OpenError> {
    let ring = || KeyRing::parse(key_ring).map_err(|error| OpenError::new(path, error.to_string()));
    // Sealed again by another reading of the same ring, nothing is left as it is: everything has to be opened.
    let (opener, sealer) = (ring()?, ring()?);
    let connection = reading(path)?;
    let mut report = SealReport::default();
    let sql = format!("SELECT tbl, part, value {SEALED}");
    let mut select = connection.prepare(&sql).map_err(failed(path))?;
    let mut rows = select.query([]).map_err(failed(path))?;
    while let Some(row) = rows.next().map_err(failed(path))? {
        let text = |column| row.get::<_, String>(column).map_err(failed(path));
        let (table, partition, value) = (text(0)?, text(1)?, text(2)?);
        // A partition that tenants share does not say whose a value is.
        let Some(Ok(tenant)) = partition.split('#').next().filter(|name| !name.is_empty()).map(TenantId::new) else {
            continue;
        };
        let Ok(mut value) = serde_json::from_str(&value) else { continue };
        match sealer.reseal(&opener, &tenant, &mut value) {
            Ok(opened) => report.opened += opened,
            Err(_) => drop(report.closed.insert(format!("{table} {partition}"))),
        }
    }
    Ok(report)
}

/// Copies the database of a connection as it is now into a new file, which only its owner may read. Writers go on
/// meanwhile.
pub(crate) fn copy(
    from: &Connection,
    path: &Path,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<(), OpenError> {
    let unwritable = |error: std::io::Error| OpenError::new(to, error.to_string());
    drop(private_files::create(to).map_err(unwritable)?);
    let copied = copy_into(from, path, to, progress);
    if copied.is_err() {
        for ending in ENDINGS {
            let _ = fs::remove_file(beside(to, ending));
        }
    }
    copied
}

fn copy_into(
    from: &Connection,
    path: &Path,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<(), OpenError> {
    let mut copy = Connection::open(to).map_err(failed(to))?;
    // One view of the source for all steps: a writer would make the copy begin again and again.
    from.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1;").map_err(failed(path))?;
    let copied = copy_pages(from, &mut copy, path, to, progress);
    from.execute_batch("COMMIT").map_err(failed(path))?;
    copied?;
    // One file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed(to))?;
    drop(copy);
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| OpenError::new(to, error.to_string()))
}

fn copy_pages(
    from: &Connection,
    copy: &mut Connection,
    path: &Path,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<(), OpenError> {
    let backup = Backup::new(from, copy).map_err(failed(to))?;
    loop {
        match backup.step(COPY_PAGES).map_err(failed(to))? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(SqliteFault::new(FaultKind::Locked, path, "it cannot be read now").into()),
        }
        let counted = backup.progress();
        let number = |pages: i32| u64::from(pages.unsigned_abs());
        progress(CopyProgress { done: number(counted.pagecount - counted.remaining), all: number(counted.pagecount) });
    }
}

/// Copies a database into a new file, also beside a running host.
pub fn back_up(path: &Path, to: &Path, progress: &mut dyn FnMut(CopyProgress)) -> Result<(), OpenError> {
    copy(&reading(path)?, path, to, progress)
}

/// Gives free space in the file back to the disk, for its host alone: a new file is written beside it, and takes its
/// place. Returns the size before and after.
pub fn compact(path: &Path, _host: &HostLock) -> Result<(u64, u64), OpenError> {
    let size = || fs::metadata(path).map_or(0, |file| file.len());
    let new = beside(path, ".compacting");
    let unwritable = |error: std::io::Error| OpenError::new(&new, error.to_string());
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed(path))?;
    keep_others_out(&connection, path)?;
    let before = size();
    let _ = fs::remove_file(&new);
    drop(private_files::create(&new).map_err(unwritable)?);
    if let Err(error) = connection.execute("VACUUM INTO ?1", [new.to_string_lossy()]) {
        let _ = fs::remove_file(&new);
        return Err(failed(&new)(error));
    }
    File::open(&new).and_then(|file| file.sync_all()).map_err(unwritable)?;
    // The last connection takes the log away.
    drop(connection);
    fs::rename(&new, path).map_err(unwritable)?;
    Ok((before, size()))
}

/// Moves the log into the database, and keeps every other connection out until this one ends: what another one has open
/// keeps a log of the old file beside the new one.
fn keep_others_out(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let in_use =
        || OpenError::new(path, "another command has it open, for example a backup; wait until that has ended");
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed(path))?;
    match truncate_log(connection) {
        Ok(true) => Ok(()),
        Ok(false) => Err(in_use()),
        Err(error) if SqliteFault::of(&error, path).kind == FaultKind::Locked => Err(in_use()),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Moves the files of a database to names with `ending`. Returns the new name of the database itself.
pub fn set_aside(path: &Path, ending: &str) -> Result<std::path::PathBuf, OpenError> {
    let aside = beside(path, ending);
    for suffix in ENDINGS {
        let file = beside(path, suffix);
        match fs::rename(&file, beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::new(&file, format!("it cannot be moved aside: {error}")));
            }
            _ => {}
        }
    }
    Ok(aside)
}
