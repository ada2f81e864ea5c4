//! Syncs a record and its Notion page: reads both, merges them with what they last agreed on, writes what is missing on
//! either side.
//!
//! Every signal ends here and none is trusted: only what both sides show now counts. An echo of our own write equals
//! the base, and ends here.

mod attention;
mod backfill;
mod body;
mod gone;
mod join;
mod make;
mod matching;
mod outcome;
mod owner;
mod read;
mod record;
mod trail;
mod undo;
mod write;

use std::sync::Arc;
use std::time::Duration;

use clients::{Connections, Failure};
use jiff::Timestamp;
use jobs::sync::SyncJob;
use notion_sync::NotionSync;
use runtime::clock::Clock;
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::Ledger;
use runtime::links::Records;
use runtime::metrics::Metrics;
use runtime::queue::Outgoing;
use runtime::store::{StoreError, Version, Write};
use runtime::{Jobs, Outcomes, Ports};
use tenants::hooks::Hooks;

use trail::Trail;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    mirror: NotionSync,
    records: Records,
    hooks: Hooks,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            mirror: NotionSync::new(ports, connections),
            records: Records::new(ports.store.clone()),
            hooks: Hooks::new(ports.store.clone()),
            ledger: Ledger::new(ports.store.clone()),
            clock: ports.clock.clone(),
            metrics: ports.metrics.clone(),
            ports: ports.clone(),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes a new item and returns its version.
    async fn begin(&self, write: Write) -> Result<Version, Failure> {
        match self.ports.store.put(write).await {
            Err(StoreError::Conflict(_)) => Err(Failure::transient("another worker is using this link")),
            done => Ok(done?),
        }
    }

    /// Writes all or none; a worker that finds another was faster tries again.
    async fn put(&self, writes: Vec<Write>) -> Result<(), Failure> {
        match self.ports.store.put_all(writes).await {
            Err(StoreError::Conflict(_)) => Err(Failure::transient("another worker is using this link")),
            done => Ok(done?),
        }
    }
}

/// What came of a job.
pub(crate) enum SyncOutcome {
    /// Something was written.
    Done {
        /// What, in words: `stageId → Notion`.
        changes: Vec<String>,
        /// Where it can be found.
        place: String,
    },
    /// Nothing had to be, for this reason.
    Skip(String),
    /// Another job goes on with it, under the same trace and in the same line of the ledger.
    HandedOn,
    /// It is to be looked at again.
    Wait(Duration, String),
}

/// What came of a job, with what is to be written in the same moment as its line in the ledger.
pub(crate) struct Settled {
    pub(crate) outcome: SyncOutcome,
    pub(crate) writes: Vec<Write>,
    /// What happens only once and is hereby decided.
    pub(crate) claims: Vec<String>,
    /// The jobs that go on with it.
    pub(crate) outbox: Vec<Outgoing>,
}

impl Settled {
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self::of(SyncOutcome::Skip(reason.into()), Vec::new())
    }

    pub(crate) fn wait(after: Duration, cause: impl Into<String>) -> Self {
        Self::of(SyncOutcome::Wait(after, cause.into()), Vec::new())
    }

    pub(crate) fn done(changes: Vec<String>, place: String, writes: Vec<Write>) -> Self {
        Self::of(SyncOutcome::Done { changes, place }, writes)
    }

    pub(crate) fn handed_on(claims: Vec<String>, outbox: Vec<Outgoing>) -> Self {
        Self { claims, outbox, ..Self::of(SyncOutcome::HandedOn, Vec::new()) }
    }

    fn of(outcome: SyncOutcome, writes: Vec<Write>) -> Self {
        Self { outcome, writes, claims: Vec::new(), outbox: Vec::new() }
    }
}

/// Works the jobs received together.
pub async fn handle(deps: &Deps, jobs: Jobs<SyncJob>) -> Outcomes {
    jobs.each(|job| work(deps, job)).await
}

async fn work(deps: &Deps, job: ReceivedJob<SyncJob>) -> Outcome {
    let mut trail = match Trail::take(deps, &job).await {
        Ok(trail) => trail,
        Err(outcome) => return outcome,
    };
    match Box::pin(settle(deps, &job)).await {
        Ok(settled) => match trail.finish(deps, &job, settled).await {
            Ok(outcome) => outcome,
            Err(failure) => trail.fail(deps, &job, &failure).await,
        },
        Err(failure) => trail.fail(deps, &job, &failure).await,
    }
}

async fn settle(deps: &Deps, job: &ReceivedJob<SyncJob>) -> Result<Settled, Failure> {
    match &job.body {
        SyncJob::Record { database, record, signal } => {
            Box::pin(record::sync(deps, job, database, *record, signal)).await
        }
        SyncJob::Page { page, identity, authors, signal } => {
            owner::find(deps, job, page, &owner::Told { identity, authors }, signal).await
        }
        SyncJob::Schema { .. } => owner::look_at_schemas(deps, job).await,
        SyncJob::Backfill { database, run } => backfill::go_on(deps, job, database, run).await,
        SyncJob::Join { database, record, keep, others, by } => {
            let wanted = join::Wanted { record: *record, keep, others: *others, by };
            Box::pin(join::join(deps, job, database, &wanted)).await
        }
        SyncJob::Undo { database, record, conflict, by } => {
            undo::undo(deps, job, (database, *record), conflict, by).await
        }
        SyncJob::Take { database, record, field, side, by } => {
            undo::take(deps, job, (database, *record), (field, *side), by).await
        }
    }
}
