//! The work of a host (its workers, schedules and what else runs beside HTTP), which ends in time.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engine::Engine;
use crate::functions::Functions;
use crate::schedule::{self, Schedule};
use crate::workers;

/// How long what is in hand can take to end after the host was asked to stop. Together with [`crate::server::ENDING`] it
/// is less than the 10 s after which Docker ends a process.
pub const FINISHING: Duration = Duration::from_secs(5);
/// How long giving messages back can take.
const GIVING_BACK: Duration = Duration::from_millis(500);

/// What runs until the host is asked to stop.
pub struct Work {
    engine: Engine,
    /// What has something in hand that is worth finishing.
    tasks: Vec<JoinSet<()>>,
    /// What can be dropped at any moment.
    beside: JoinSet<()>,
}

impl Work {
    /// Starts the workers and the schedule.
    pub fn start(engine: &Engine, functions: &Functions, schedule: Schedule, stop: &watch::Receiver<bool>) -> Self {
        let workers = workers::start(engine, functions, stop);
        let schedules = schedule::start(functions, &engine.backend.clock, schedule, stop);
        Self { engine: engine.clone(), tasks: vec![workers, schedules], beside: JoinSet::new() }
    }

    /// Runs something beside it, until the end.
    pub fn beside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.beside.spawn(task);
    }

    /// Waits for what is in hand; what does not end in time is abandoned. Messages in hand are given back, so that the next
    /// start continues with them at once: a delivery that had begun is looked up there before it is made again.
    pub async fn finish(mut self) {
        self.beside.abort_all();
        let finished = async {
            for tasks in &mut self.tasks {
                while tasks.join_next().await.is_some() {}
            }
        };
        if timeout(FINISHING, finished).await.is_ok() {
            return;
        }
        let left: usize = self.tasks.iter().map(JoinSet::len).sum();
        tracing::warn!(
            left,
            "what did not end in {} s is abandoned; the next start continues with it",
            FINISHING.as_secs()
        );
        for tasks in &mut self.tasks {
            tasks.shutdown().await;
        }
        match timeout(GIVING_BACK, self.engine.queue.recover()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "messages in hand are given back by the next start"),
            Err(_) => tracing::warn!("messages in hand are given back by the next start"),
        }
    }
}
