//! Syncs a record and its Notion page: reads both, merges them with what they last agreed on, writes what is missing on
//! either side.
//!
//! Every signal ends here and none is trusted: only what both sides show now counts. An echo of our own write equals
//! the base, and ends here.

mod attention;
mod body;
mod gone;
mod join;
pub(crate) mod make;
pub(crate) mod matching;
mod outcome;
mod owner;
pub(crate) mod read;
pub(crate) mod record;
mod trail;
mod undo;
mod write;

use std::time::Duration;

use clients::Failure;
use jobs::sync::SyncJob;
use runtime::job::{Outcome, ReceivedJob};
use runtime::queue::Outgoing;
use runtime::store::Write;

use crate::work::trail::Trail;
use crate::{NotionSync, backfill};

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

/// Works a job, and writes down what came of it.
pub async fn work(sync: &NotionSync, job: ReceivedJob<SyncJob>) -> Outcome {
    let mut trail = match Trail::take(sync, &job).await {
        Ok(trail) => trail,
        Err(outcome) => return outcome,
    };
    match Box::pin(settle(sync, &job)).await {
        Ok(settled) => match trail.finish(sync, &job, settled).await {
            Ok(outcome) => outcome,
            Err(failure) => trail.fail(sync, &job, &failure).await,
        },
        Err(failure) => trail.fail(sync, &job, &failure).await,
    }
}

async fn settle(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Result<Settled, Failure> {
    match &job.body {
        SyncJob::Record { database, record, signal } => {
            Box::pin(record::sync(sync, job, database, *record, signal)).await
        }
        SyncJob::Page { page, identity, authors, signal } => {
            owner::find(sync, job, page, &owner::Told { identity, authors }, signal).await
        }
        SyncJob::Schema { .. } => owner::look_at_schemas(sync, job).await,
        SyncJob::Backfill { database, run } => backfill::go_on(sync, job, database, run).await,
        SyncJob::Join { database, record, keep, others, by } => {
            let wanted = join::Wanted { record: *record, keep, others: *others, by };
            Box::pin(join::join(sync, job, database, &wanted)).await
        }
        SyncJob::Undo { database, record, conflict, by } => {
            undo::undo(sync, job, (database, *record), conflict, by).await
        }
        SyncJob::Take { database, record, field, side, by } => {
            undo::take(sync, job, (database, *record), (field, *side), by).await
        }
    }
}
