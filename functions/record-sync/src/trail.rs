//! A job's line in the ledger. What Bitrix24 told has one already, as a delivery of its event; what Notion told, and what
//! people asked for, is an event of its own.

use std::time::Duration;

use clients::{Failure, InHand};
use jobs::sync::SyncJob;
use notifications::alert;
use notifications::alert::Alert;
use runtime::job::{Job, Outcome};
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, delivery_write, event_write};
use runtime::store::Condition;
use runtime::{DeliveryId, Kind};

use crate::{Deps, Settled, Told};

/// Trouble that lasts is told again after this.
const TELL_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) enum Trail {
    /// The delivery of an event of Bitrix24's.
    Delivery(Box<InHand>),
    /// An event of its own.
    Event,
}

impl Trail {
    pub(crate) async fn take(deps: &Deps, job: &Job<SyncJob>) -> Result<Self, Outcome> {
        let delivery = match &job.body {
            SyncJob::Record { signal, .. } => signal.delivery.as_deref(),
            _ => None,
        };
        match delivery {
            Some(delivery) => Ok(Self::Delivery(Box::new(InHand::take(&deps.ports, job, delivery).await?))),
            None => Ok(Self::Event),
        }
    }

    pub(crate) async fn finish(
        &mut self,
        deps: &Deps,
        job: &Job<SyncJob>,
        settled: Settled,
    ) -> Result<Outcome, Failure> {
        let Settled { told, mut writes } = settled;
        match (self, told) {
            (_, Told::HandedOn) => {
                deps.put(writes).await?;
                Ok(Outcome::Done)
            }
            (_, Told::Wait(after, cause)) => {
                if !writes.is_empty() {
                    deps.put(writes).await?;
                }
                Ok(Outcome::Retry { after, cause })
            }
            (Self::Delivery(hand), Told::Done { changes, place }) => {
                tracing::info!(trace = %job.trace, tenant = %job.tenant, ?changes, place, "synced");
                hand.done_as(changes.join("; "), place, writes).await
            }
            (Self::Delivery(hand), Told::Skip(reason)) => {
                if !writes.is_empty() {
                    deps.put(writes).await?;
                }
                hand.skip(reason).await
            }
            (Self::Event, Told::Done { changes, place }) => {
                tracing::info!(trace = %job.trace, tenant = %job.tenant, ?changes, place, "synced");
                let now = deps.now();
                let mut line = line(deps, job, EventStatus::Routed);
                line.changes.clone_from(&changes);
                let id = DeliveryId::of(&[job.tenant.as_str(), "sync", &job.trace.to_string()]);
                let status = DeliveryStatus::Delivered { at: now, provider_id: place };
                let (record, database) = about(job);
                let delivery = DeliveryLine {
                    record,
                    change: changes.join("; "),
                    route: "sync".into(),
                    destination: database,
                    attempts: 1,
                    ..DeliveryLine::new(id, job.trace, now, status)
                };
                writes.push(event_write(&job.tenant, line)?);
                writes.push(delivery_write(&job.tenant, delivery, Condition::Always)?);
                deps.put(writes).await?;
                Ok(Outcome::Done)
            }
            (Self::Event, Told::Skip(reason)) => {
                writes
                    .push(event_write(&job.tenant, line(deps, job, EventStatus::Skipped { reason: reason.clone() }))?);
                deps.put(writes).await?;
                Ok(Outcome::Skip(reason))
            }
        }
    }

    pub(crate) async fn fail(&mut self, deps: &Deps, job: &Job<SyncJob>, failure: &Failure) -> Outcome {
        if let Kind::Permanent { code } = &failure.kind {
            tell(deps, job, code, failure).await;
        }
        match self {
            Self::Delivery(hand) => hand.fail(failure, &failure.text).await,
            Self::Event => {
                let line = line(deps, job, EventStatus::Waiting { cause: failure.text.clone() });
                clients::undecided(&deps.ledger, &job.tenant, line, deps.now(), failure).await
            }
        }
    }
}

/// What a person has to put right is told, once for each kind of it.
async fn tell(deps: &Deps, job: &Job<SyncJob>, code: &str, failure: &Failure) {
    let (record, database) = about(job);
    let head = match code {
        "block_limit" => "Notion makes no more pages: the workspace's free blocks are used up".to_owned(),
        _ => format!("{record} and Notion database {database:?} cannot be synced"),
    };
    let alert = Alert {
        kind: "sync_failed",
        what: &record,
        once: &format!("{database}#{code}"),
        again_after: TELL_AGAIN,
        head: &head,
        lines: std::slice::from_ref(&failure.text),
    };
    let told = match deps.mirror.connections.portal(&job.tenant).await {
        Ok(portal) => alert::raise(&deps.ports, &portal, &alert).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        tracing::warn!(tenant = %job.tenant, %failure, "the operators could not be told");
    }
}

/// What a job is about, and the database.
pub(crate) fn about(job: &Job<SyncJob>) -> (String, String) {
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

fn line(deps: &Deps, job: &Job<SyncJob>, status: EventStatus) -> EventLine {
    let name = match &job.body {
        SyncJob::Record { signal, .. } | SyncJob::Page { signal, .. } | SyncJob::Schema { signal } => {
            signal.name.clone()
        }
        SyncJob::Backfill { .. } => "backfill".into(),
        SyncJob::Undo { .. } => "undo".into(),
        SyncJob::Take { side, .. } => format!("take {side}'s value"),
        SyncJob::Join { .. } => "join".into(),
    };
    EventLine::new(job, name, Some(about(job).0), deps.now(), status)
}
