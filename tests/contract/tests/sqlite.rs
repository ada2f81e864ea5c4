//! The promises, kept by the engine of one machine.

use std::path::Path;
use std::sync::Arc;

use contract::Engine;
use runtime::metrics::Counters;
use runtime::{Backend, ManualClock};
use sqlite::{FileSecrets, SqliteFile, SqliteQueue, SqliteStore};

fn backend(folder: &Path, clock: &Arc<ManualClock>) -> (Backend, SqliteQueue) {
    let database = SqliteFile::open(&folder.join("test.db")).unwrap();
    let queue = SqliteQueue::new(database.clone(), clock.clone());
    let backend = Backend {
        store: Arc::new(SqliteStore::new(database, clock.clone())),
        queue: Arc::new(queue.clone()),
        secrets: Arc::new(FileSecrets::open(folder.join("secrets")).unwrap()),
        clock: clock.clone(),
        metrics: Arc::new(Counters::default()),
    };
    (backend, queue)
}

pub(crate) fn engine() -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let (first, _) = backend(folder.path(), &clock);
    let (path, time) = (folder.path().to_owned(), clock.clone());
    let restart = move || -> futures::future::BoxFuture<'static, Backend> {
        let (backend, queue) = backend(&path, &time);
        Box::pin(async move {
            queue.recover().await.unwrap();
            backend
        })
    };
    (Engine { backend: first, clock, restart: Box::new(restart) }, folder)
}

contract::all_promises!(std::future::ready(crate::sqlite::engine()));
contract::fifo_promises!(std::future::ready(crate::sqlite::engine()));
