//! A job's line in the ledger. A change in Bitrix24 has one already, as a delivery of its event; a change in Notion, or
//! a person's request, is an event of its own.

use std::time::Duration;

use clients::{ConnectionSide, DeliveryAttempt, ErrorClass, Failure};
use jobs::sync::SyncJob;
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use runtime::DeliveryId;
use runtime::decision;
use runtime::decision::Decision;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventStatus, Ledger, delivery_write};
use runtime::store::WriteCondition;

use crate::NotionSync;
use crate::work::{SyncDecision, SyncOutcome};

/// Lasting trouble is reported again after this.
const NOTIFY_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) enum Trail {
    /// The delivery of an event of Bitrix24's.
    Delivery(Box<DeliveryAttempt>),
    /// An event of its own.
    Event,
}

impl Trail {
    pub(crate) async fn take(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Result<Self, JobOutcome> {
        let delivery = match &job.body {
            SyncJob::Record { signal, .. } => signal.delivery.as_deref(),
            _ => None,
        };
        match delivery {
            Some(delivery) => Ok(Self::Delivery(Box::new(
                DeliveryAttempt::take(&sync.backend, &sync.connections, job, (delivery, ConnectionSide::Notion))
                    .await?,
            ))),
            None => match earlier_try(sync, job).await {
                Ok(None) => Ok(Self::Event),
                Ok(Some(outcome)) => Err(outcome),
                Err(failure) => Err(failure.outcome(sync.now(), job.attempt)),
            },
        }
    }

    pub(crate) async fn finish(
        &mut self,
        sync: &NotionSync,
        job: &ReceivedJob<SyncJob>,
        decided: SyncDecision,
    ) -> Result<JobOutcome, Failure> {
        if let SyncOutcome::Done { changes, place } = &decided.outcome {
            tracing::info!(trace = %job.trace, tenant = %job.tenant, ?changes, place, "synced");
        }
        let Self::Delivery(attempt) = self else { return commit(sync, job, decided).await };
        let SyncDecision { outcome, writes, .. } = decided;
        match outcome {
            SyncOutcome::Done { changes, place } => attempt.done_as(changes.join("; "), place, writes).await,
            SyncOutcome::Skip(reason) => attempt.skip_with(reason, writes).await,
            SyncOutcome::Wait(after, cause) => attempt.wait(after, cause, writes).await,
            SyncOutcome::HandedOn => Ok(JobOutcome::Done),
        }
    }

    pub(crate) async fn fail(
        &mut self,
        sync: &NotionSync,
        job: &ReceivedJob<SyncJob>,
        failure: &Failure,
    ) -> JobOutcome {
        if let ErrorClass::Permanent { code } = &failure.class {
            notify(sync, job, code, failure).await;
        }
        match self {
            Self::Delivery(attempt) => attempt.fail(failure, &failure.text).await,
            Self::Event => {
                let line = decision(sync, job).line;
                clients::undecided(&Ledger::new(sync.backend.store.clone()), &job.tenant, line, sync.now(), failure)
                    .await
            }
        }
    }
}

/// What an earlier try made of a page's event: it may have ended before the next job was sent. For a record, the line
/// may be that of the page's event, which says nothing about the record's own job.
async fn earlier_try(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Result<Option<JobOutcome>, Failure> {
    match &job.body {
        SyncJob::Page { .. } => Ok(decision::finished(&sync.backend, job, |_| Vec::new()).await?),
        _ => Ok(None),
    }
}

/// Commits what came of an event: its line, with what is written in the same moment, and the jobs that go on.
async fn commit(sync: &NotionSync, job: &ReceivedJob<SyncJob>, decided: SyncDecision) -> Result<JobOutcome, Failure> {
    let mut decision = decision(sync, job);
    decision.claims = decided.claims;
    decision.writes = decided.writes;
    decision.outbox = decided.outbox;
    match decided.outcome {
        SyncOutcome::Done { changes, place } => {
            let (now, (record, database)) = (sync.now(), about(job));
            let id = DeliveryId::of(&[job.tenant.as_str(), "sync", &job.trace.to_string()]);
            let delivery = DeliveryLine {
                record,
                change: changes.join("; "),
                route: "sync".into(),
                destination: database,
                attempts: 1,
                ..DeliveryLine::new(id, job.trace, now, DeliveryStatus::Delivered { at: now, provider_id: place })
            };
            decision.writes.push(delivery_write(&job.tenant, delivery, WriteCondition::Always)?);
            decision.line.changes = changes;
            Ok(decision.commit(&sync.backend).await?)
        }
        SyncOutcome::Skip(reason) => Ok(decision.skip(&sync.backend, reason).await?),
        SyncOutcome::Wait(after, cause) => Ok(decision.wait(&sync.backend, after, cause).await?),
        // An earlier try handed it on.
        SyncOutcome::HandedOn if decision.outbox.is_empty() => Ok(JobOutcome::Done),
        SyncOutcome::HandedOn if matches!(job.body, SyncJob::Backfill { .. }) => {
            // All jobs of a run share its line. If the next one is not sent, this one is received again and sends it.
            let next = std::mem::take(&mut decision.outbox);
            decision.line.status = EventStatus::Waiting { cause: "the run goes on".into() };
            let outcome = decision.commit(&sync.backend).await?;
            sync.send(next).await?;
            Ok(outcome)
        }
        SyncOutcome::HandedOn => {
            let cause = "the page's record is checked next".into();
            decision.line.status = EventStatus::Waiting { cause };
            Ok(decision.commit(&sync.backend).await?)
        }
    }
}

/// Reports what a person has to fix, once for each kind.
async fn notify(sync: &NotionSync, job: &ReceivedJob<SyncJob>, code: &str, failure: &Failure) {
    let (record, database) = about(job);
    let alert = Alert {
        kind: "sync_failed",
        what: &record,
        once: &format!("{database}#{code}"),
        again_after: NOTIFY_AGAIN,
        head: head(code, job),
        lines: vec![Localized::data(&failure.text)],
    };
    let sent = match sync.connections.portal(&job.tenant).await {
        Ok(portal) => alert::raise(&sync.backend, &portal, &alert).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = sent {
        tracing::warn!(tenant = %job.tenant, %failure, "the operators could not be alerted");
    }
}

fn head(code: &str, job: &ReceivedJob<SyncJob>) -> Localized {
    if code == "block_limit" {
        return texts::alerts::SYNC_NO_MORE_PAGES.into();
    }
    let (about, database) = about(job);
    let title = |language| match &job.body {
        SyncJob::Record { record, .. }
        | SyncJob::Undo { record, .. }
        | SyncJob::Join { record, .. }
        | SyncJob::Take { record, .. } => record.title(language),
        SyncJob::Page { .. } | SyncJob::Schema { .. } | SyncJob::Backfill { .. } => about.clone(),
    };
    Localized::of(|language| texts::alerts::SyncFailed { record: title(language), database: database.clone() })
}

/// What a job is about, and the database.
pub(crate) fn about(job: &ReceivedJob<SyncJob>) -> (String, String) {
    match &job.body {
        SyncJob::Record { database, record, .. }
        | SyncJob::Undo { database, record, .. }
        | SyncJob::Join { database, record, .. }
        | SyncJob::Take { database, record, .. } => (record.to_string(), database.clone()),
        SyncJob::Page { page, .. } => (format!("page {page}"), "Notion".into()),
        SyncJob::Schema { .. } => ("schema".into(), "Notion".into()),
        SyncJob::Backfill { database, .. } => ("backfill".into(), database.clone()),
    }
}

/// An empty decision on the event of a job. The line of a record's job may be one that its page's job began.
fn decision(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Decision {
    let name = match &job.body {
        SyncJob::Record { signal, .. } | SyncJob::Page { signal, .. } | SyncJob::Schema { signal } => {
            signal.name.clone()
        }
        SyncJob::Backfill { .. } => "backfill".into(),
        SyncJob::Undo { .. } => "undo".into(),
        SyncJob::Take { side, .. } => format!("take {side}'s value"),
        SyncJob::Join { .. } => "join".into(),
    };
    let decision = Decision::on(job, name, Some(about(job).0), sync.now());
    if matches!(job.body, SyncJob::Record { .. }) { decision.going_on() } else { decision }
}
