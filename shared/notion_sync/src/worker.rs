//! Works a job of the queue of syncs, and writes down what came of it.

use clients::Failure;
use jobs::sync::SyncJob;
use runtime::TraceId;
use runtime::job::{JobOutcome, ReceivedJob};

use crate::trail::Trail;
use crate::work::join::JoinRequest;
use crate::work::owner::PageEvent;
use crate::work::{self, SyncDecision, join, owner, undo};
use crate::{NotionSync, backfill};

/// Works a job, and records its outcome.
pub async fn work(sync: &NotionSync, job: ReceivedJob<SyncJob>) -> JobOutcome {
    let job = in_its_trail(job);
    let mut trail = match Trail::take(sync, &job).await {
        Ok(trail) => trail,
        Err(outcome) => return outcome,
    };
    // Boxed: it holds the work of every kind of job.
    let done = match Box::pin(decide(sync, &job)).await {
        Ok(decision) => trail.finish(sync, &job, decision).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(outcome) => outcome,
        Err(failure) => trail.fail(sync, &job, &failure).await,
    }
}

/// The jobs of a run have one line, that of its beginning.
fn in_its_trail(job: ReceivedJob<SyncJob>) -> ReceivedJob<SyncJob> {
    let trace = match &job.body {
        SyncJob::Backfill { run, .. } => TraceId::parse(run),
        _ => None,
    };
    ReceivedJob { trace: trace.unwrap_or(job.trace), ..job }
}

async fn decide(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Result<SyncDecision, Failure> {
    match &job.body {
        SyncJob::Record { database, record, signal } => work::sync(sync, job, database, *record, signal).await,
        SyncJob::Page { page, identity, authors, signal } => {
            owner::find(sync, job, &PageEvent { page, identity, authors, signal }).await
        }
        SyncJob::Schema { .. } => owner::check_schemas(sync, job).await,
        SyncJob::Backfill { database, run, slice } => backfill::go_on(sync, job, database, run, *slice).await,
        SyncJob::Join { database, record, keep, others, by } => {
            let request = JoinRequest { record: *record, keep, others: *others, by };
            join::join(sync, job, database, &request).await
        }
        SyncJob::Undo { database, record, conflict, by } => {
            undo::undo(sync, job, (database, *record), conflict, by).await
        }
        SyncJob::Take { database, record, field, side, by } => {
            undo::take(sync, job, (database, *record), (field, *side), by).await
        }
    }
}
