//! Whether a database can be used now: what its writer met, and what its files look like.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::fault::{FaultKind, SqliteFault};
use crate::files;

/// The state of an open database. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct SqliteHealth {
    path: Arc<PathBuf>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What the last write met; none if it succeeded.
    writes: Option<SqliteFault>,
    /// What is wrong with the files, whether somebody writes or not.
    files: Option<SqliteFault>,
    /// The last damage that a reader met. It does not pass.
    damage: Option<SqliteFault>,
    since: Option<Instant>,
}

impl State {
    fn fault(&self) -> Option<&SqliteFault> {
        self.files.as_ref().or(self.damage.as_ref()).or(self.writes.as_ref())
    }
}

impl SqliteHealth {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: Arc::new(path.to_owned()), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong now, if anything is. It is noticed within a second, and so is its end.
    pub fn fault(&self) -> Option<SqliteFault> {
        self.state().fault().cloned()
    }

    /// Since when something is wrong.
    pub fn faulty_since(&self) -> Option<Instant> {
        self.state().since
    }

    /// The size of the write-ahead log in bytes.
    pub fn log_bytes(&self) -> u64 {
        files::log_bytes(&self.path)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the last write met.
    pub(crate) fn fault_of_writes(&self) -> Option<SqliteFault> {
        self.state().writes.clone()
    }

    pub(crate) fn writes_are(&self, fault: Option<SqliteFault>) {
        self.change(|state| state.writes = fault);
    }

    pub(crate) fn files_are(&self, fault: Option<SqliteFault>) {
        self.change(|state| state.files = fault);
    }

    /// Notes what a read met.
    pub(crate) fn read_met(&self, fault: &SqliteFault) {
        if fault.kind == FaultKind::Damaged {
            self.change(|state| state.damage = Some(fault.clone()));
        }
    }

    /// Changes the state, and logs once when a fault begins and when it ends.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        let before = state.fault().map(|fault| fault.kind);
        change(&mut state);
        let after = state.fault().cloned();
        match (before, &after) {
            (None, None) => return,
            (Some(kind), Some(fault)) if kind == fault.kind => return,
            (_, Some(_)) => state.since = state.since.or_else(|| Some(Instant::now())),
            (Some(_), None) => state.since = None,
        }
        drop(state);
        match after {
            Some(fault) => tracing::error!(fault = fault.kind.name(), "{fault}"),
            None => tracing::warn!(path = %self.path.display(), "the database can be used again"),
        }
    }
}
