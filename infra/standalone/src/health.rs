//! Whether the host is alive, and whether it is ready: `/livez`, `/readyz` and its alias `/healthz`.
//!
//! Alive means that the process answers. Ready means that it can do its work: the store writes and reads, the queues
//! move, the clock is sane. A provider's outage makes no host unready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::CACHE_CONTROL;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use jobs::queues;
use runtime::QueueName;
use runtime::clock::{is_recent, until};
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::engine::Engine;
use crate::host_clock::HostClock;
use crate::names::ForeignName;
use crate::probes;

/// How long each check can take.
const MAX_CHECK: Duration = Duration::from_secs(1);
/// How long an outcome is given to everyone who asks: a flood of requests causes no flood of writes.
const OUTCOME_TTL: Duration = Duration::from_secs(1);
/// How often the host checks itself, for the log.
const SELF_CHECK: Duration = Duration::from_secs(15);
/// The longest that a message which is ready waits for a worker while none is taken; people wait for the answer to a command.
const MAX_OVERDUE: Duration = Duration::from_secs(15 * 60);
const MAX_OVERDUE_COMMAND: Duration = Duration::from_secs(60);
/// How long the note of the last run is kept.
const LAST_RUN_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What went wrong with a check, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// `store`, `queues` or `clock`.
    pub check: &'static str,
    /// What was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// What to do.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub remedy: &'static str,
}

/// The outcome of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether none failed.
    pub ready: bool,
    /// Those that failed.
    pub failed: Vec<FailedCheck>,
}

impl Readiness {
    /// The names of all checks.
    pub const CHECKS: [&str; 3] = ["store", "queues", "clock"];

    fn of(checks: impl IntoIterator<Item = Option<FailedCheck>>) -> Self {
        let failed: Vec<_> = checks.into_iter().flatten().collect();
        Self { ready: failed.is_empty(), failed }
    }

    /// The same for strangers: without paths and causes.
    fn brief(&self) -> Self {
        let named = |failed: &FailedCheck| FailedCheck { check: failed.check, problem: String::new(), remedy: "" };
        Self { ready: self.ready, failed: self.failed.iter().map(named).collect() }
    }

    /// The answer: 200 or 503.
    fn answer(&self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, [(CACHE_CONTROL, "no-store")], axum::Json(self)).into_response()
    }
}

/// Checks the host. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<HealthState>);

struct HealthState {
    engine: Engine,
    clock: HostClock,
    last: Mutex<Option<(Instant, Readiness)>>,
}

impl Health {
    /// The health of a host on `engine`. If the clock is behind the last run, that is noticed here.
    pub async fn of(engine: &Engine) -> Self {
        let clock = HostClock::new(Timestamp::now(), Instant::now());
        let last_run = timeout(MAX_CHECK, engine.backend.store.get(&last_run_key())).await;
        if let Ok(Ok(Some(item))) = last_run
            && let Ok(last) = item.decode::<Timestamp>()
            && let Some(step) = clock.compare_with_last_run(last, Timestamp::now(), Instant::now())
        {
            tracing::warn!(seconds = step.by.as_secs(), "the clock of this machine is behind the last run");
        }
        Self(Arc::new(HealthState { engine: engine.clone(), clock, last: Mutex::default() }))
    }

    /// The clock's watch.
    pub fn clock(&self) -> &HostClock {
        &self.0.clock
    }

    /// The outcome of all checks, at most a second old.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.0.last.lock().await;
        if let Some((at, readiness)) = &*last
            && at.elapsed() < OUTCOME_TTL
        {
            return readiness.clone();
        }
        let (store, queues) = tokio::join!(self.store(), self.queues());
        let readiness = Readiness::of([store, queues, self.clock_check()]);
        *last = Some((Instant::now(), readiness.clone()));
        readiness
    }

    /// Whether the database is well, and writes the present moment and reads it back.
    async fn store(&self) -> Option<FailedCheck> {
        let database = &self.0.engine.database;
        let problem = match timeout(MAX_CHECK, self.write_and_read()).await {
            Ok(Ok(())) => None,
            Ok(Err(problem)) => Some(problem),
            Err(_) => Some(format!("a write and a read took longer than {} s", MAX_CHECK.as_secs())),
        };
        // What is known to be wrong says more than what came of it, and a file that was deleted can still be written.
        if let Some(fault) = database.health().fault() {
            return Some(FailedCheck { check: "store", problem: fault.to_string(), remedy: fault.kind.remedy() });
        }
        let problem = format!("the database {}: {}", database.path().display(), problem?);
        Some(FailedCheck { check: "store", problem, remedy: "check whether its disk is full, overloaded or hangs" })
    }

    async fn write_and_read(&self) -> Result<(), String> {
        let (store, now) = (&self.0.engine.backend.store, Timestamp::now());
        let write = StoreWrite::new(last_run_key(), &now, WriteCondition::Always).map_err(|error| error.to_string())?;
        let write = write.expiring(runtime::clock::later(now, LAST_RUN_TTL));
        store.put(write).await.map_err(|error| error.to_string())?;
        let read = store.get(&last_run_key()).await.map_err(|error| error.to_string())?;
        let read = read.map(|item| item.decode::<Timestamp>()).transpose().map_err(|error| error.to_string())?;
        // Another process may have written since.
        if read.is_some_and(|read| read >= now) { Ok(()) } else { Err("what was written could not be read".into()) }
    }

    /// Whether what is ready is worked.
    async fn queues(&self) -> Option<FailedCheck> {
        let problem = match timeout(MAX_CHECK, self.first_overdue()).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some((queue, overdue)))) => {
                format!(
                    "{}: a message has been ready for {} s, and no worker takes any",
                    queue.name(),
                    overdue.as_secs()
                )
            }
            Ok(Err(error)) => error,
            Err(_) => format!("the queues could not be read within {} s", MAX_CHECK.as_secs()),
        };
        let remedy = "see which queue in `switchboard queues`, and docs/operations.md#late";
        Some(FailedCheck { check: "queues", problem, remedy })
    }

    async fn first_overdue(&self) -> Result<Option<(QueueName, Duration)>, String> {
        for queue in queues::ALL {
            let overdue = self.overdue(queue).await?;
            if overdue > max_overdue(queue) && !self.moves(queue) {
                return Ok(Some((queue, overdue)));
            }
        }
        Ok(None)
    }

    /// Whether workers take messages of a queue. If they do, what waits for long is one tenant's backlog, which makes no host
    /// unready: the metric `queue_overdue_seconds` shows it.
    fn moves(&self, queue: QueueName) -> bool {
        let now = self.0.engine.backend.clock.now();
        let handed_out = self.0.engine.queue.last_handed_out(queue);
        handed_out.is_some_and(|at| is_recent(now, at, max_overdue(queue)))
    }

    /// How long the first message of a queue has been ready without being handed out.
    pub async fn overdue(&self, queue: QueueName) -> Result<Duration, String> {
        let due = self.0.engine.queue.next_due(queue).await.map_err(|error| error.to_string())?;
        let now = self.0.engine.backend.clock.now();
        Ok(due.map_or(Duration::ZERO, |due| until(due, now)))
    }

    fn clock_check(&self) -> Option<FailedCheck> {
        self.0.clock.observe(Timestamp::now(), Instant::now());
        let step = self.0.clock.recent(Instant::now())?;
        let direction = if step.by.is_negative() { "back" } else { "forward" };
        Some(FailedCheck {
            check: "clock",
            problem: format!(
                "the clock of this machine stepped {direction} by {} s in the last minute",
                step.by.abs().as_secs()
            ),
            remedy: "if the time is right now, this ends by itself; else set it, and keep it right by NTP",
        })
    }

    /// Checks the host from time to time, so that the log says when it becomes unready and when that ends.
    pub async fn keep_checking(self, mut closed: watch::Receiver<bool>) {
        let mut was_ready = true;
        while !*closed.borrow() {
            let readiness = self.readiness().await;
            for failed in &readiness.failed {
                if was_ready {
                    tracing::error!(
                        check = failed.check,
                        problem = failed.problem,
                        remedy = failed.remedy,
                        "not ready"
                    );
                }
            }
            if readiness.ready && !was_ready {
                tracing::warn!("ready again");
            }
            was_ready = readiness.ready;
            tokio::select! {
                () = tokio::time::sleep(SELF_CHECK) => {}
                _ = closed.changed() => {}
            }
        }
    }
}

/// The moment of the last check, by which the next run compares its clock.
fn last_run_key() -> ItemKey {
    ItemKey::new(Table::Limits, "#host", "last-run")
}

fn max_overdue(queue: QueueName) -> Duration {
    if queue == queues::SLACK_COMMANDS { MAX_OVERDUE_COMMAND } else { MAX_OVERDUE }
}

/// The addresses of probes. `detailed` is for the private address: its answers name files and causes.
pub fn routes(health: Health, detailed: bool) -> Router {
    let ready = move |State(health): State<Health>, request: Request| async move {
        let readiness = health.readiness().await;
        let is_own = detailed && request.extensions().get::<ForeignName>().is_none();
        if is_own { readiness.answer() } else { readiness.brief().answer() }
    };
    Router::new()
        .route(probes::LIVE, get(alive))
        .route(probes::READY, get(ready))
        .route(probes::PROBE, get(ready))
        .with_state(health)
}

/// That the process answers is all that there is to know.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The answer of a host that is still opening its database.
pub fn starting() -> Response {
    let problem = "the host is starting: its database is not open yet".to_owned();
    let failed = FailedCheck { check: "store", problem, remedy: "try again in a second" };
    let mut answer = Readiness::of([Some(failed)]).answer();
    answer.headers_mut().insert(::http::header::RETRY_AFTER, ::http::HeaderValue::from_static("1"));
    answer
}

#[cfg(test)]
mod tests {
    use runtime::clock::{Clock, ManualClock};
    use runtime::queue::{Queue, QueueMessage};

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_takes_makes_a_host_unready_and_work_that_waits_for_its_time_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let engine = Engine::open(&folder.path().join("host.db"), clock.clone()).await.unwrap();
        let health = Health::of(&engine).await;
        let message = QueueMessage {
            group: "portal#deal".into(),
            deduplication: "1".into(),
            body: "{\"tenant\":\"portal\"}".into(),
        };
        engine.queue.send(queues::SLACK_COMMANDS, vec![message]).await.unwrap();
        let second = Duration::from_secs(1);
        clock.advance(MAX_OVERDUE_COMMAND.saturating_sub(second));
        assert_eq!(health.queues().await, None);
        clock.advance(second * 2);
        let failed = health.queues().await.unwrap();
        assert_eq!((failed.check, failed.problem.contains("slack-commands")), ("queues", true), "{failed:?}");

        let received = engine.queue.receive(queues::SLACK_COMMANDS, 1, Duration::ZERO).await.unwrap();
        assert_eq!(health.queues().await, None, "it is worked");
        let hour = Duration::from_secs(3_600);
        engine.queue.delay(queues::SLACK_COMMANDS, &received[0].receipt, hour).await.unwrap();
        clock.advance(hour / 2);
        assert_eq!(health.queues().await, None, "it waits for a provider");
        assert!(clock.now() > Timestamp::now());
    }

    #[tokio::test]
    async fn the_backlog_of_one_tenant_makes_no_host_unready_while_the_work_of_others_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let engine = Engine::open(&folder.path().join("host.db"), clock.clone()).await.unwrap();
        let health = Health::of(&engine).await;
        let queue = queues::BITRIX24_EVENTS;
        let send = async |tenant: &str, number: usize| {
            let message = QueueMessage {
                group: format!("{tenant}#deal#{number}"),
                deduplication: format!("{tenant}-{number}"),
                body: format!("{{\"tenant\":\"{tenant}\"}}"),
            };
            engine.queue.send(queue, vec![message]).await.unwrap();
        };
        for number in 0..3 {
            send("busy", number).await;
        }
        clock.advance(MAX_OVERDUE + Duration::from_secs(60));
        assert!(health.queues().await.is_some(), "nobody takes anything");
        send("other", 0).await;
        let taken = engine.queue.receive(queue, 2, Duration::ZERO).await.unwrap();
        assert_eq!(taken.len(), 2);
        assert_eq!(health.queues().await, None, "what is left is a backlog");
        assert!(health.overdue(queue).await.unwrap() > MAX_OVERDUE, "the metric shows it");
        clock.advance(MAX_OVERDUE);
        assert!(health.queues().await.is_some(), "the workers have stopped");
    }

    #[test]
    fn strangers_see_which_check_failed_and_nothing_else() {
        let failed = FailedCheck { check: "store", problem: "/var/lib/x.db is full".into(), remedy: "free space" };
        let readiness = Readiness::of([None, Some(failed)]);
        let brief = serde_json::to_value(readiness.brief()).unwrap();
        assert_eq!(brief, serde_json::json!({"ready": false, "failed": [{"check": "store"}]}));
    }
}
