//! The engine of one machine: the ports on SQLite, files and the system clock.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use jobs::queues;
use runtime::clock::Clock;
use runtime::metrics::Counters;
use runtime::{Backend, QueueName};
use sqlite::{FileSecrets, HostLock, SqliteFile, SqliteQueue, SqliteStore};

use crate::host_metrics::HostMetrics;

/// How often what has expired is deleted. In real time: a test whose clock runs by itself does not wait for it.
const CARE: Duration = Duration::from_secs(60);

/// An open engine.
#[derive(Clone)]
pub struct Engine {
    /// The ports, for the functions.
    pub backend: Backend,
    /// The queues, with what only this engine can show.
    pub queue: Arc<SqliteQueue>,
    /// The counts so far.
    pub counters: Arc<Counters>,
    /// The same, with what was measured.
    pub measures: HostMetrics,
    /// The file, with its health.
    pub database: SqliteFile,
}

impl Engine {
    /// Opens the database at `path`, and its key ring in the folder beside it, and puts back the messages that a
    /// process that is gone had received. Only one process may use a database: another one is refused.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::open_with(path, clock, HostMetrics::default()).await
    }

    /// The same with counters that are there before it.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>, measures: HostMetrics) -> anyhow::Result<Self> {
        // It waits for the lock of a host that is just ending, and checks the file after one that was killed.
        let file = path.to_owned();
        let opening = move || SqliteFile::open_for_host(&file, HostLock::acquire(&file)?);
        let database = tokio::task::spawn_blocking(opening).await??;
        let folder = path.with_extension("secrets");
        let secrets = FileSecrets::open_for(folder.clone(), &database)
            .with_context(|| format!("the folder {} cannot be used for secrets", folder.display()))?;
        let store = Arc::new(SqliteStore::new(database.clone(), clock.clone()));
        let queue = Arc::new(SqliteQueue::new(database.clone(), clock.clone()));
        queue.recover().await?;
        tokio::spawn(care(Arc::downgrade(&store)));
        let backend = Backend {
            store,
            queue: queue.clone(),
            secrets: Arc::new(secrets),
            clock,
            metrics: Arc::new(measures.clone()),
        };
        Ok(Self { backend, queue, counters: measures.counters(), measures, database })
    }

    /// Ends writing and notes that the end was clean: the next start need not check the file. Later writes are refused.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// How many messages wait in each queue, and how many dead letters it has.
    pub async fn depths(&self) -> anyhow::Result<Vec<(QueueName, runtime::queue::Depth)>> {
        let mut depths = Vec::new();
        for queue in queues::ALL {
            depths.push((queue, self.backend.queue.depth(queue).await?));
        }
        Ok(depths)
    }
}

/// Looks after the database as long as it is used.
async fn care(store: Weak<SqliteStore>) {
    loop {
        tokio::time::sleep(CARE).await;
        let Some(store) = store.upgrade() else { return };
        match store.delete_expired().await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "deleted what has expired"),
            Err(error) => tracing::warn!(%error, "what has expired could not be deleted"),
        }
    }
}
