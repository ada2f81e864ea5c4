//! The files of a database: which there are, and whether they are still those that were opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::fault::{FaultKind, SqliteFault, beside};

/// The endings of what SQLite keeps: the database, its log, the index of the log.
pub(crate) const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// Moves the whole log into the database and empties it; `false` if a reader was in the way.
pub(crate) fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// The size of the log.
pub(crate) fn log_bytes(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |file| file.len())
}

/// A file, whatever its name: device and inode.
type FileIdentity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Option<FileIdentity>> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| Some((file.dev(), file.ino())))
}

/// Elsewhere an open file cannot be deleted or replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Option<FileIdentity>> {
    fs::metadata(path).map(|_| None)
}

/// The files as they were opened.
#[derive(Debug, Clone)]
pub(crate) struct OpenedFiles {
    files: Vec<(PathBuf, Option<FileIdentity>)>,
}

impl OpenedFiles {
    /// The files of an open database.
    pub(crate) fn of(path: &Path) -> Self {
        let known = |ending: &&str| {
            let file = beside(path, ending);
            let found = identity(&file).ok()?;
            Some((file, found))
        };
        Self { files: ENDINGS.iter().filter_map(known).collect() }
    }

    /// What has happened to them since.
    pub(crate) fn fault(&self) -> Option<SqliteFault> {
        self.files.iter().find_map(|(path, opened)| match identity(path) {
            Ok(found) if found == *opened => None,
            Ok(_) => Some(SqliteFault::new(FaultKind::Replaced, path, "another file has its name")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(SqliteFault::new(FaultKind::Gone, path, error.to_string()))
            }
            Err(error) => Some(SqliteFault::new(FaultKind::Io, path, error.to_string())),
        })
    }
}

/// Less free space than this counts as none: SQLite needs some for its log.
const MIN_FREE_BYTES: u64 = 256 * 1024;

/// What the file system says of itself: full, or read-only.
#[cfg(unix)]
pub(crate) fn fault_of_disk(path: &Path) -> Option<SqliteFault> {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = statvfs(folder).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Some(SqliteFault::new(FaultKind::ReadOnly, path, "its file system is mounted read-only"))
    } else if free < MIN_FREE_BYTES && disk.f_blocks > 0 {
        Some(SqliteFault::new(FaultKind::DiskFull, path, format!("{free} bytes are free")))
    } else {
        None
    }
}

/// Elsewhere the next write says it.
#[cfg(not(unix))]
pub(crate) fn fault_of_disk(_path: &Path) -> Option<SqliteFault> {
    None
}
