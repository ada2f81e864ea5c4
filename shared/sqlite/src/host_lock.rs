//! One host for each database: a locked file beside it, which also keeps what the host wants to know at its next start.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use runtime::private_files;
use serde::{Deserialize, Serialize};

use crate::fault::{OpenError, beside};

/// How long a host waits for one that is just ending.
const WAIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// The note is written over the last one in place, always with this length: a full disk does not lose it.
const NOTE_LENGTH: usize = 256;

/// What the lock file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct HostNote {
    pid: u32,
    /// Whether the host has not closed the database yet.
    running: bool,
}

/// The right to be the host of a database. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct HostLock {
    file: Mutex<File>,
    note: Mutex<HostNote>,
    /// What was found at the start.
    found: HostNote,
    path: PathBuf,
}

impl HostLock {
    /// Takes the right to be the host of `database`. Another host is named by its process.
    pub fn acquire(database: &Path) -> Result<Self, OpenError> {
        Self::acquire_within(database, WAIT)
    }

    /// The same, without waiting for long.
    pub(crate) fn acquire_within(database: &Path, wait: Duration) -> Result<Self, OpenError> {
        let path = Self::path(database);
        let failed = |error: std::io::Error| {
            OpenError::new(
                database,
                format!(
                    "the lock file {} cannot be written: {error}. Make it and its folder writable for this user",
                    path.display()
                ),
            )
        };
        let mut file = private_files::options().read(true).create(true).truncate(false).open(&path).map_err(failed)?;
        private_files::tighten(&path);
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::new(database, refusal(&read(&mut file), &path)));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        let found = read(&mut file);
        let note = found.clone();
        Ok(Self { file: Mutex::new(file), note: Mutex::new(note), found, path })
    }

    /// The lock file of a database.
    pub fn path(database: &Path) -> PathBuf {
        beside(database, ".lock")
    }

    /// Whether the last host ended without closing the database.
    pub fn ended_uncleanly(&self) -> bool {
        self.found.running
    }

    /// Notes that this process works on the database.
    pub(crate) fn begin(&self) -> std::io::Result<()> {
        self.change(|note| (note.pid, note.running) = (std::process::id(), true))
    }

    /// Notes that the database is whole, and closed: the next start need not check it.
    pub fn closed(&self) -> std::io::Result<()> {
        self.change(|note| note.running = false)
    }

    /// Lets another process be the host.
    pub(crate) fn release(&self) {
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).unlock();
    }

    fn change(&self, change: impl FnOnce(&mut HostNote)) -> std::io::Result<()> {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut note);
        let text = serde_json::to_string(&*note)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(format!("{text:<width$}\n", width = NOTE_LENGTH - 1).as_bytes())?;
        file.sync_data()
    }

    /// The words about a database that is not there any more, if one was there.
    pub(crate) fn missing(&self) -> Option<String> {
        let was_used = self.found.pid != 0;
        was_used.then(|| {
            format!(
                "the file is missing or empty, but a host has worked on it. Put it back, or restore a backup with \
                 `switchboard database restore`. To begin with an empty database, delete {}",
                self.path.display()
            )
        })
    }
}

fn read(file: &mut File) -> HostNote {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    if read.is_err() || text.trim().is_empty() {
        return HostNote::default();
    }
    // A note that was cut off comes of an end that was not clean.
    serde_json::from_str(text.trim()).unwrap_or(HostNote { running: true, ..HostNote::default() })
}

fn refusal(holder: &HostNote, path: &Path) -> String {
    let who = match holder.pid {
        0 => "another process".to_owned(),
        pid => format!("the process {pid}"),
    };
    format!(
        "{who} works on it (it holds {}). Only one process may: stop that one first. Commands that only read and change \
         data, such as `doctor`, `dead` and `database backup`, work beside it",
        path.display()
    )
}
