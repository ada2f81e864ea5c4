//! What can be wrong with a database, in words that name the file, the system's error and the remedy.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime::private_files;
use runtime::queue::QueueError;
use runtime::store::StoreError;
use rusqlite::ErrorCode;

/// The path with an ending after its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the database {} cannot be opened: {cause}", .path.display())]
pub struct OpenError {
    path: PathBuf,
    cause: String,
}

impl OpenError {
    pub(crate) fn new(path: &Path, cause: impl Into<String>) -> Self {
        Self { path: path.to_owned(), cause: cause.into() }
    }
}

impl From<SqliteFault> for OpenError {
    fn from(fault: SqliteFault) -> Self {
        Self { cause: fault.to_string(), path: fault.path }
    }
}

/// What is wrong with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The disk has no space.
    DiskFull,
    /// Nothing can be written to the file, its folder or its disk.
    ReadOnly,
    /// Another process does not let us write.
    Locked,
    /// The file is not what was written to it.
    Damaged,
    /// The file, or one beside it, was deleted.
    Gone,
    /// Another file was put in its place.
    Replaced,
    /// The folder of secrets has no key ring any more.
    SecretsLost,
    /// The system reports an error of the disk.
    Io,
    /// There was no answer in time.
    Slow,
    /// This process has closed the database.
    Closed,
    /// One statement failed; the database is well.
    Statement,
}

impl FaultKind {
    /// Its name for programs: `disk_full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "read_only",
            Self::Locked => "locked",
            Self::Damaged => "damaged",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::SecretsLost => "secrets_lost",
            Self::Io => "io",
            Self::Slow => "slow",
            Self::Closed => "closed",
            Self::Statement => "statement",
        }
    }

    /// Whether it is about the database, and not only about what one caller asked.
    pub(crate) fn is_of_the_database(self) -> bool {
        !matches!(self, Self::Slow | Self::Closed | Self::Statement)
    }

    fn words(self) -> &'static str {
        match self {
            Self::DiskFull => "cannot be written: its disk is full",
            Self::ReadOnly => "cannot be written: it is read-only",
            Self::Locked => "cannot be written: another process has locked it",
            Self::Damaged => "is damaged",
            Self::Gone => "is gone",
            Self::Replaced => "was replaced while it was in use",
            Self::SecretsLost => "has lost its secrets",
            Self::Io => "cannot be used: its disk reports an error",
            Self::Slow => "did not answer in time",
            Self::Closed => "is closed",
            Self::Statement => "refused a statement",
        }
    }

    /// What to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::DiskFull => "Free space on that disk; the work goes on by itself",
            Self::ReadOnly => {
                "Make the file, its folder and its file system writable for the user that runs Switchboard; a running host goes on by itself"
            }
            Self::Locked => {
                "End the process that holds a write transaction, such as a shell of sqlite3; the work goes on by itself"
            }
            Self::Damaged => {
                "Stop the host, keep a copy of the file and restore a backup with `switchboard database restore`"
            }
            Self::Gone | Self::Replaced => {
                "Stop the host, put the right files back or restore a backup with `switchboard database restore`, and start it again"
            }
            Self::SecretsLost => {
                "Put the folder back from a backup; without it nothing that is sealed in the database can be opened"
            }
            Self::Io => {
                "Check the disk and the log of the system; the work goes on by itself when it can be written again"
            }
            Self::Slow => "Check whether the disk is overloaded or hangs",
            Self::Closed => "The process is stopping",
            Self::Statement => "This is a mistake of Switchboard, please report it",
        }
    }
}

/// What is wrong with a database, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SqliteFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The file that it is about.
    pub path: PathBuf,
    /// What SQLite and the system said.
    pub detail: String,
}

impl fmt::Display for SqliteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, path, detail } = self;
        write!(f, "the database {} {} ({detail}). {}", path.display(), kind.words(), kind.remedy())
    }
}

impl SqliteFault {
    pub(crate) fn new(kind: FaultKind, path: &Path, detail: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), detail: detail.into() }
    }

    /// The fault behind an error of SQLite. If the disk may be the cause, it is asked: SQLite does not pass on what the
    /// system said.
    pub(crate) fn of(error: &rusqlite::Error, path: &Path) -> Self {
        let kind = kind_of(error);
        let detail = match kind {
            FaultKind::DiskFull | FaultKind::ReadOnly | FaultKind::Io => match refused_write(path) {
                Some(system) => format!("SQLite: {error}; writing beside it: {system}"),
                None => format!("SQLite: {error}"),
            },
            _ => format!("SQLite: {error}"),
        };
        let kind = match kind {
            // The limit of a file's size and a quota are not errors of the disk.
            FaultKind::Io if is_full(path) => FaultKind::DiskFull,
            kind => kind,
        };
        Self::new(kind, path, detail)
    }
}

fn kind_of(error: &rusqlite::Error) -> FaultKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FaultKind::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => FaultKind::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FaultKind::Locked,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FaultKind::Damaged,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed) => {
            FaultKind::Io
        }
        Some(ErrorCode::OperationInterrupted) => FaultKind::Slow,
        _ => FaultKind::Statement,
    }
}

fn is_full(path: &Path) -> bool {
    refused_write(path).is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    })
}

/// What the system says to a small file beside the database; `None` if it accepts one.
fn refused_write(path: &Path) -> Option<io::Error> {
    let probe = beside(path, ".probe");
    let written = private_files::options()
        .create(true)
        .truncate(true)
        .open(&probe)
        .and_then(|mut file| io::Write::write_all(&mut file, &[0; 16 * 1024]));
    let _ = fs::remove_file(&probe);
    written.err()
}

impl From<SqliteFault> for StoreError {
    fn from(fault: SqliteFault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

/// A fault as an error of a queue.
pub(crate) fn queue_error(queue: &'static str, fault: &SqliteFault) -> QueueError {
    QueueError { queue, cause: fault.to_string() }
}
