//! The engine of one machine: the ports on SQLite, files and the system clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jobs::queues;
use runtime::clock::Clock;
use runtime::metrics::Counters;
use runtime::{Backend, QueueName};
use sqlite::{FileSecrets, SqliteFile, SqliteQueue, SqliteStore};

use crate::metrics::HostMetrics;

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
    /// The file, for monitoring.
    pub database: SqliteFile,
    /// Where it is.
    pub path: PathBuf,
}

impl Engine {
    /// Opens the database at `path`, and its key ring in the folder beside it, and puts back the messages that a
    /// process that is gone had received. Only one process may use a database.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::open_with(path, clock, HostMetrics::default()).await
    }

    /// The same with counters that are there before it.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>, measures: HostMetrics) -> anyhow::Result<Self> {
        let database = SqliteFile::open(path)?;
        let folder = path.with_extension("secrets");
        let secrets = FileSecrets::open(folder.clone())
            .with_context(|| format!("the folder {} cannot be used for secrets", folder.display()))?;
        let queue = Arc::new(SqliteQueue::new(database.clone(), clock.clone()));
        queue.recover().await?;
        let backend = Backend {
            store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
            queue: queue.clone(),
            secrets: Arc::new(secrets),
            clock,
            metrics: Arc::new(measures.clone()),
        };
        Ok(Self { backend, queue, counters: measures.counters(), measures, database, path: path.to_owned() })
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
