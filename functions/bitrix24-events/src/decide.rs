//! One hint's decision: what changed, who is to hear of it, written down in one transaction.

use std::time::Duration;

use bitrix24::Item;
use connect::Failure;
use platform::job::{Job, Outcome, message};
use platform::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, delivery_write, event_write};
use platform::links::{Snapshot, snapshot_write};
use platform::portals::Portal;
use platform::queue::Message;
use platform::retry::GIVE_UP_AFTER;
use platform::store::{Condition, StoreError, Version};
use platform::{DeliveryId, QueueName};
use rules::{Before, Change, Hint, Record, Route, Settings, SlackDelivery, card, diff};

use crate::Deps;
use crate::read::{Read, Readings};

type Known = Option<(Snapshot<Item>, Version)>;

pub(crate) async fn decide(deps: &Deps, readings: &Readings, job: Job<Hint>) -> Outcome {
    match try_to(deps, readings, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => fail(deps, &job, &failure).await,
    }
}

async fn try_to(deps: &Deps, readings: &Readings, job: &Job<Hint>) -> Result<Outcome, Failure> {
    if let Some(done) = finish_earlier_try(deps, job).await? {
        return Ok(done);
    }
    if let Some(reason) = job.body.nothing_to_do() {
        return skip(deps, job, reason).await;
    }
    let Some(record) = job.body.record() else { return skip(deps, job, "nothing watches it".into()).await };
    let known: Known = deps.records.snapshot(&job.tenant, &record.key()).await?;
    let read = known.as_ref().map(|(snapshot, _)| snapshot.read);
    if let Some(read) = read.filter(|read| read.sees(job.arrived_at(), job.body.sent_at())) {
        return skip(deps, job, format!("satisfied by the read of {}", read.here.strftime("%H:%M:%S%.3f"))).await;
    }
    match readings.of(&job.tenant, record) {
        Read::Item(read) => changed(deps, job, record, known, read).await,
        Read::Absent(code) => skip(deps, job, absent(record, &code)).await,
        Read::Failed(failure) => Err(failure),
    }
}

fn absent(record: Record, code: &str) -> String {
    match code {
        "not_found" => format!("{record} is gone"),
        "access_denied" => {
            format!("{record} is not visible to the user of the incoming webhook; give that user the right to read it")
        }
        code => format!("{record} cannot be read: {code}"),
    }
}

/// An earlier try wrote its decision down but may have died before the queue took its jobs.
async fn finish_earlier_try(deps: &Deps, job: &Job<Hint>) -> Result<Option<Outcome>, Failure> {
    if job.attempt == 1 {
        return Ok(None);
    }
    match deps.ledger.event(&job.tenant, job.trace).await? {
        Some(line) if line.status == EventStatus::Routed => {
            send(deps, line.outbox).await?;
            Ok(Some(Outcome::Done))
        }
        _ => Ok(None),
    }
}

/// A state was read: what changed is told and the snapshot moves on, all or nothing.
async fn changed(
    deps: &Deps,
    job: &Job<Hint>,
    record: Record,
    known: Known,
    read: &crate::read::ReadItem,
) -> Result<Outcome, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    let before = match &known {
        Some((snapshot, _)) => Before::Known(&snapshot.state),
        None => Before::Unseen { connected_at: portal.connected_at, moves: &read.moves },
    };
    let changes = diff(record.entity, before, &read.item);
    let revision = known.as_ref().map_or(0, |(snapshot, _)| snapshot.revision) + 1;
    let deliveries = route(deps, job, &portal, &changes, revision).await?;

    let snapshot = Snapshot { state: read.item.clone(), read: read.read, revision };
    let mut line = line(deps, job, EventStatus::Routed);
    line.changes = changes.iter().map(|change| change.kind.name().to_owned()).collect();
    line.outbox = deliveries.iter().map(|(_, message)| message.clone()).collect();
    if changes.is_empty() {
        line.status = EventStatus::Skipped { reason: "nothing that is watched changed".into() };
    } else if deliveries.is_empty() {
        line.status = EventStatus::Skipped { reason: "no route takes this change".into() };
    }
    let mut writes = vec![
        snapshot_write(&job.tenant, &record.key(), &snapshot, known.map(|(_, version)| version))?,
        event_write(&job.tenant, line.clone())?,
    ];
    for (delivery, _) in deliveries {
        writes.push(delivery_write(&job.tenant, delivery, Condition::Always)?);
    }
    match deps.store.put_all(writes).await {
        Ok(()) => {}
        // Another worker decided on a newer reading; what it left is looked at again.
        Err(StoreError::Conflict(_)) => return Err(Failure::transient("another worker decided on this record first")),
        Err(error) => return Err(error.into()),
    }
    tracing::info!(trace = %job.trace, tenant = %job.tenant, %record, changes = ?line.changes, "decided");
    send(deps, line.outbox).await?;
    Ok(match line.status {
        EventStatus::Skipped { reason } => Outcome::Skip(reason),
        _ => Outcome::Done,
    })
}

/// The deliveries that the tenant's routes make of the changes, each with the job that carries it.
async fn route(
    deps: &Deps,
    job: &Job<Hint>,
    portal: &Portal,
    changes: &[Change],
    revision: u64,
) -> Result<Vec<(DeliveryLine, Message)>, Failure> {
    let settings: Settings = serde_json::from_value(portal.settings.clone()).map_err(|error| {
        Failure::permanent("bad_settings", format!("the tenant's settings cannot be read: {error}"))
    })?;
    let mut deliveries = Vec::new();
    for change in changes {
        let routes: Vec<_> = settings.routes_of(change).collect();
        if routes.is_empty() {
            continue;
        }
        let names = deps.names.of(deps, &job.tenant, change).await;
        let message = card::render(change, &names, &portal.domain);
        for route in routes {
            deliveries.push(delivery(deps, job, route, change, revision, message.clone())?);
        }
    }
    Ok(deliveries)
}

fn delivery(
    deps: &Deps,
    job: &Job<Hint>,
    route: &Route,
    change: &Change,
    revision: u64,
    card: slack::Message,
) -> Result<(DeliveryLine, Message), Failure> {
    let (record, kind) = (change.record.to_string(), change.kind.name());
    let id = DeliveryId::of(&[job.tenant.as_str(), &record, &revision.to_string(), kind, &route.name]);
    let body = SlackDelivery {
        delivery: id.to_string(),
        route: route.name.clone(),
        channel: route.channel.clone(),
        record: record.clone(),
        change: kind.to_owned(),
        message: card,
    };
    // A channel's cards stay in order, and wait for the channel's limit without holding up other channels.
    let group = format!("{}#{}", job.tenant, route.channel.trim_start_matches('#'));
    let message = message(&job.tenant, job.trace, group, id.to_string(), &body)
        .map_err(|error| Failure::permanent("bad_job", error.to_string()))?;
    let line = DeliveryLine {
        id,
        trace: job.trace,
        record,
        change: kind.to_owned(),
        route: route.name.clone(),
        destination: route.channel.clone(),
        queued_at: deps.clock.now(),
        attempts: 0,
        waited: Duration::ZERO,
        open_call: None,
        status: DeliveryStatus::Queued,
    };
    Ok((line, message))
}

async fn send(deps: &Deps, outbox: Vec<Message>) -> Result<(), Failure> {
    if outbox.is_empty() {
        return Ok(());
    }
    let sent = deps.queue.send(QueueName::SlackDelivery, outbox).await;
    sent.map_err(|error| Failure::transient(error.to_string()))
}

async fn skip(deps: &Deps, job: &Job<Hint>, reason: String) -> Result<Outcome, Failure> {
    let line = line(deps, job, EventStatus::Skipped { reason: reason.clone() });
    deps.ledger.record_event(&job.tenant, line).await?;
    Ok(Outcome::Skip(reason))
}

/// The ledger says what the event waits for, or why it was given up.
async fn fail(deps: &Deps, job: &Job<Hint>, failure: &Failure) -> Outcome {
    let earlier = if job.attempt == 1 { None } else { deps.ledger.event(&job.tenant, job.trace).await.ok().flatten() };
    if earlier.as_ref().is_some_and(|line| line.status == EventStatus::Routed) {
        // The decision stands in the ledger; only its jobs are not all on the queue yet.
        return failure.outcome(deps.clock.now(), job.attempt);
    }
    let mut waited = earlier.map(|line| line.waited).unwrap_or_default();
    let mut outcome = failure.outcome(deps.clock.now(), job.attempt);
    if let Outcome::Retry { after, cause } = &outcome
        && !failure.whole_account
    {
        waited += *after;
        if waited > GIVE_UP_AFTER {
            outcome =
                Outcome::Dead { code: "gave_up".into(), reason: format!("given up after a day of tries: {cause}") };
        }
    }
    let status = match &outcome {
        Outcome::Dead { code, reason } => EventStatus::Dead { code: code.clone(), reason: reason.clone() },
        _ => EventStatus::Waiting { cause: failure.text.clone() },
    };
    let line = EventLine { waited, ..line(deps, job, status) };
    if let Err(error) = deps.ledger.record_event(&job.tenant, line).await {
        tracing::warn!(trace = %job.trace, tenant = %job.tenant, %error, "the ledger could not be told of a failure");
    }
    outcome
}

fn line(deps: &Deps, job: &Job<Hint>, status: EventStatus) -> EventLine {
    EventLine {
        trace: job.trace,
        event: job.body.event.clone(),
        record: job.body.record().map(|record| record.to_string()),
        received_at: job.arrived_at(),
        decided_at: deps.clock.now(),
        attempts: job.attempt,
        waited: Duration::ZERO,
        changes: Vec::new(),
        status,
        outbox: Vec::new(),
    }
}
