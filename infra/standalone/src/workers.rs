//! Workers: each receives a batch from its queue, calls its function, and repeats until it is stopped.

use std::time::Duration;

use jobs::queues;
use runtime::QueueName;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::functions::Functions;

/// Workers for each queue: this many batches are worked in parallel.
const WORKERS: usize = 4;
/// A batch, as on SQS.
const BATCH: usize = 10;
/// How long a worker waits for a message before it checks whether to stop.
const WAIT: Duration = Duration::from_secs(20);
/// After an engine's error.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the workers of all queues. When `stop` becomes true, they finish their batches.
pub fn start(engine: &Engine, functions: &Functions, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for queue in queues::ALL {
        for _ in 0..WORKERS {
            workers.spawn(work(engine.clone(), functions.clone(), queue, stop.clone()));
        }
    }
    workers
}

async fn work(engine: Engine, functions: Functions, queue: QueueName, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let received = tokio::select! {
            received = engine.backend.queue.receive(queue, BATCH, WAIT) => received,
            _ = stop.changed() => return,
        };
        match received {
            Ok(batch) if batch.is_empty() => {}
            Ok(batch) => {
                let functions = functions.clone();
                // In a task of its own: a handler that panics must not end the worker. Its messages are handed out
                // again when their lease ends. The task ends with the worker.
                let mut handler = JoinSet::new();
                handler.spawn(async move { functions.work(queue, batch).await });
                if let Some(Err(error)) = handler.join_next().await {
                    engine.backend.metrics.count("function_failures", queue.name());
                    tracing::error!(queue = queue.name(), %error, "a handler fell");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                engine.backend.clock.sleep(PAUSE).await;
            }
        }
    }
}
