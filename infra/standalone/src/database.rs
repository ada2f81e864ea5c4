//! Opens the database of a host for a command, while `serve` may be running.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use runtime::clock::Clock;
use runtime::metrics::Counters;
use runtime::{Backend, SystemClock};
use sqlite::{FileSecrets, SqliteFile, SqliteQueue, SqliteStore};

/// The ports over the database of a host, which may be running.
pub fn open(path: &Path) -> anyhow::Result<Backend> {
    open_with(path, Arc::new(SystemClock))
}

/// The same by another clock.
pub fn open_with(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Backend> {
    if !path.exists() {
        bail!(
            "there is no database {}; name the one of the running host with --database, or its configuration with --config",
            path.display()
        );
    }
    let database = SqliteFile::open(path)?;
    let secrets = FileSecrets::open_for(path.with_extension("secrets"), &database)?;
    Ok(Backend {
        store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
        queue: Arc::new(SqliteQueue::new(database, clock.clone())),
        secrets: Arc::new(secrets),
        clock,
        metrics: Arc::new(Counters::default()),
    })
}
