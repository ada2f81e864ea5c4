//! The promises, kept by the engine of one machine.

use std::sync::Arc;

use contract::Engine;
use runtime::metrics::Counters;
use runtime::{ManualClock, Ports};
use sqlite::{Database, FileSecrets, SqliteQueue, SqliteStore};

pub(crate) fn engine() -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let database = Database::open(&folder.path().join("test.db")).unwrap();
    let ports = Ports {
        store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
        queue: Arc::new(SqliteQueue::new(database, clock.clone())),
        secrets: Arc::new(FileSecrets::open(folder.path().join("secrets")).unwrap()),
        clock: clock.clone(),
        metrics: Arc::new(Counters::default()),
    };
    (Engine { ports, clock }, folder)
}

contract::all_promises!(std::future::ready(crate::embedded::engine()));
