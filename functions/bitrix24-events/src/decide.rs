//! One hint's decision: what changed, who is to hear of it, written down in one transaction.

use std::time::Duration;

use bitrix24::{Action, EntityType, Subject};
use clients::Failure;
use crm::baseline;
use crm::sweeps::Counts;
use jobs::{Hint, Origin};
use records::names::Named;
use records::{Before, Change, ChangeKind, Record, State, diff};
use runtime::claims;
use runtime::claims::Claim;
use runtime::job::{Job, Outcome};
use runtime::ledger::{EventLine, EventStatus, event_write};
use runtime::links::{ReadMoment, Snapshot, snapshot_write};
use runtime::store::{MOST_WRITES, StoreError, Version, Write};
use runtime::{QueueName, clock};
use settings::subscriptions;

use crate::mirrored::{self, Mirrored};
use crate::read::{GONE_OR_HIDDEN, Read, Readings};
use crate::{Deps, calls, chats, comments, errands, routing};

type Known = Option<(Snapshot<State>, Version)>;

pub(crate) async fn decide(deps: &Deps, readings: &Readings, job: Job<Hint>) -> Outcome {
    match try_to(deps, readings, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let now = deps.clock.now();
            let line = line(deps, &job, EventStatus::Waiting { cause: failure.text.clone() });
            clients::undecided(&deps.ledger, &job.tenant, line, now, &failure).await
        }
    }
}

async fn try_to(deps: &Deps, readings: &Readings, job: &Job<Hint>) -> Result<Outcome, Failure> {
    if let Some(done) = finish_earlier_try(deps, job).await? {
        return Ok(done);
    }
    note(deps, job).await?;
    if let Some(errand) = &job.body.errand {
        return errands::run(deps, job, errand).await;
    }
    if let Some(reason) = job.body.nothing_to_do() {
        return skip(deps, job, reason).await;
    }
    if let Some(claim) = already_told(deps, job).await? {
        if claim.swept && job.body.origin == Origin::Event {
            deps.sweeps.count(&job.tenant, deps.clock.now(), Counts { late: 1, ..Counts::default() }).await?;
        }
        return skip(deps, job, format!("already told, trace {}", claim.trace)).await;
    }
    match (&job.body.subject, job.body.record()) {
        (Subject::Call { .. }, _) => calls::decide(deps, job).await,
        (Subject::Chat(event), _) => chats::decide(deps, job, event).await,
        (Subject::Uninstalled { clean }, _) => uninstalled(deps, job, *clean).await,
        (Subject::Custom { name, id, fields }, _) => {
            let about = job.body.about().unwrap_or_default();
            let state = State::Custom { custom: fields.clone() };
            let change = Change::new(ChangeKind::Custom(name.clone()), about, state);
            let identity = id.clone().unwrap_or_else(|| job.trace.to_string());
            finish(deps, job, vec![change], &identity, Vec::new()).await
        }
        (_, Some(record)) => of_record(deps, readings, job, record).await,
        (_, None) => skip(deps, job, "nothing watches it".into()).await,
    }
}

/// The application was removed from the portal: its tokens are dead, and its data goes if the person wants that.
async fn uninstalled(deps: &Deps, job: &Job<Hint>, clean: bool) -> Result<Outcome, Failure> {
    if deps.connections.try_again(&job.tenant, clients::Side::Bitrix24).await? {
        return skip(deps, job, "the application was installed again since".into()).await;
    }
    if clean {
        tenants::departure::begin(&deps.ports, &job.tenant, None).await?;
        return Ok(Outcome::Skip("the portal left; everything of it is deleted within 15 minutes".into()));
    }
    deps.connections.portal_left(&job.tenant).await?;
    skip(deps, job, "the application was removed in Bitrix24; the data is kept until somebody connects it again".into())
        .await
}

/// When an event of this kind was seen, and what names it makes old.
async fn note(deps: &Deps, job: &Job<Hint>) -> Result<(), Failure> {
    if job.body.origin != Origin::Event || job.attempt > 1 {
        return Ok(());
    }
    if subscriptions::family(&job.body.event).is_some() {
        deps.sightings.note(&job.tenant, &job.body.event, job.arrived_at()).await?;
    }
    match job.body.subject {
        Subject::User { id } => deps.names.forget(&job.tenant, Some(Named::User(id))).await,
        Subject::Item { entity: entity @ (EntityType::CONTACT | EntityType::COMPANY), id, action: Action::Update } => {
            deps.names.forget(&job.tenant, Some(Named::Item(entity, id))).await;
        }
        _ if is_of_schema(&job.body.event) => deps.names.forget(&job.tenant, None).await,
        _ => {}
    }
    Ok(())
}

/// Events that tell of stages, funnels, types and custom fields.
fn is_of_schema(event: &str) -> bool {
    ["USERFIELD", "CATEGORY", "ONCRMTYPE", "STATUS"].iter().any(|word| event.contains(word))
        && event != "ONCRMDEALMOVETOCATEGORY"
}

async fn already_told(deps: &Deps, job: &Job<Hint>) -> Result<Option<Claim>, Failure> {
    let Some(identity) = job.body.identity() else { return Ok(None) };
    Ok(claims::find(deps.store.as_ref(), &job.tenant, &identity).await?)
}

/// An earlier try wrote its decision down but may have died before the queue took its jobs.
async fn finish_earlier_try(deps: &Deps, job: &Job<Hint>) -> Result<Option<Outcome>, Failure> {
    if job.attempt == 1 {
        return Ok(None);
    }
    match deps.ledger.event(&job.tenant, job.trace).await? {
        Some(line) if line.status == EventStatus::Routed => {
            send(deps, line).await?;
            Ok(Some(Outcome::Done))
        }
        _ => Ok(None),
    }
}

async fn of_record(deps: &Deps, readings: &Readings, job: &Job<Hint>, record: Record) -> Result<Outcome, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    if !deps.routers.of(&portal)?.watches(record) {
        return skip(deps, job, format!("no route is about a {}", record.kind())).await;
    }
    let known: Known = deps.records.snapshot(&job.tenant, &record.key()).await?;
    let seen = known.as_ref().filter(|(snapshot, _)| snapshot.read.sees(job.arrived_at(), job.body.sent_at()));
    if let Some((snapshot, _)) = seen {
        if let Subject::TaskComment { .. } = job.body.subject {
            let commented = comments::read(deps, job, &snapshot.state).await?;
            return finish(deps, job, commented.into_iter().collect(), &identity_of(job), Vec::new()).await;
        }
        if snapshot.swept && job.body.origin == Origin::Event {
            deps.sweeps.count(&job.tenant, deps.clock.now(), Counts { late: 1, ..Counts::default() }).await?;
        }
        let at = snapshot.read.here.strftime("%H:%M:%S%.3f");
        return skip(deps, job, format!("satisfied by the read of {at}")).await;
    }
    match readings.of(&job.tenant, record) {
        Read::Item(read) => {
            let known = known.map(|(snapshot, version)| (snapshot.refilled(&read.state), version));
            let before = match &known {
                Some((snapshot, _)) => Before::Known(&snapshot.state),
                None => {
                    let since = baseline::watched_since(&deps.ports, &portal, record.kind()).await?;
                    Before::Unseen { since, moves: &read.moves }
                }
            };
            let mut changes = diff(record, before, &read.state);
            changes.extend(comments::read(deps, job, &read.state).await?);
            let snapshot = next(&known, read.state.clone(), read.read, told_by_none(job, &changes));
            save(deps, job, record, known, snapshot, changes).await
        }
        Read::Absent(code) => gone(deps, job, record, known, &code).await,
        Read::Failed(failure) => Err(failure),
    }
}

fn identity_of(job: &Job<Hint>) -> String {
    job.body.identity().unwrap_or_else(|| job.trace.to_string())
}

/// Whether changes were found that no event had told.
fn told_by_none(job: &Job<Hint>, changes: &[Change]) -> bool {
    matches!(job.body.origin, Origin::Sweep | Origin::Offline) && !changes.is_empty()
}

fn next(known: &Known, state: State, read: ReadMoment, swept: bool) -> Snapshot<State> {
    let revision = known.as_ref().map_or(0, |(snapshot, _)| snapshot.revision) + 1;
    Snapshot { state, read, revision, gone: false, swept }
}

/// The record is not there for us. One that was there before was deleted, and is told from its last state.
async fn gone(deps: &Deps, job: &Job<Hint>, record: Record, known: Known, code: &str) -> Result<Outcome, Failure> {
    let is_gone = code == "not_found" || (code == GONE_OR_HIDDEN && job.body.says_deleted());
    let Some((last, version)) = known.filter(|(last, _)| is_gone && !last.gone) else {
        return skip(deps, job, absent(record, code)).await;
    };
    let changes: Vec<_> = records::diff::deleted(record, &last.state).into_iter().collect();
    let read = ReadMoment { here: deps.clock.now(), there: None };
    let (state, known) = (last.state.clone(), Some((last, version)));
    let snapshot = Snapshot { gone: true, ..next(&known, state, read, told_by_none(job, &changes)) };
    save(deps, job, record, known, snapshot, changes).await
}

fn absent(record: Record, code: &str) -> String {
    match code {
        "not_found" => format!("{record} is gone"),
        GONE_OR_HIDDEN => {
            format!("{record} is gone, or not visible to the user of the incoming webhook")
        }
        "access_denied" => {
            format!("{record} is not visible to the user of the incoming webhook; give that user the right to read it")
        }
        code => format!("{record} cannot be read: {code}"),
    }
}

/// A state was read: what changed is told and the snapshot moves on, all or nothing.
async fn save(
    deps: &Deps,
    job: &Job<Hint>,
    record: Record,
    known: Known,
    snapshot: Snapshot<State>,
    changes: Vec<Change>,
) -> Result<Outcome, Failure> {
    let was_swept = known.as_ref().is_some_and(|(before, _)| before.swept);
    let counts = Counts {
        lost: u64::from(snapshot.swept),
        late: u64::from(was_swept && changes.is_empty() && job.body.origin == Origin::Event),
        ..Counts::default()
    };
    deps.sweeps.count(&job.tenant, deps.clock.now(), counts).await?;
    let is_news =
        known.as_ref().is_none_or(|(before, _)| before.state != snapshot.state || before.gone != snapshot.gone);
    let mirrored = if is_news { mirrored::jobs(deps, job, record, snapshot.revision).await? } else { Vec::new() };
    let version = known.map(|(_, version)| version);
    let write = snapshot_write(&job.tenant, &record.key(), &snapshot, version)?;
    let identity = match job.body.identity() {
        Some(comment) => format!("{}+{comment}", snapshot.revision),
        None => snapshot.revision.to_string(),
    };
    finish_with(deps, job, changes, &identity, vec![write], mirrored).await
}

/// The same without a page to bring into step.
pub(crate) async fn finish(
    deps: &Deps,
    job: &Job<Hint>,
    changes: Vec<Change>,
    identity: &str,
    writes: Vec<Write>,
) -> Result<Outcome, Failure> {
    finish_with(deps, job, changes, identity, writes, Vec::new()).await
}

/// Routes the changes and writes the decision down. `identity` tells it from other decisions on the same thing.
async fn finish_with(
    deps: &Deps,
    job: &Job<Hint>,
    changes: Vec<Change>,
    identity: &str,
    mut writes: Vec<Write>,
    mirrored: Vec<Mirrored>,
) -> Result<Outcome, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    let routed = routing::route(deps, job, &portal, &changes, identity).await?;
    let now = deps.clock.now();
    if let Some(told) = job.body.identity() {
        let swept = told_by_none(job, &changes);
        let claim = Claim { trace: job.trace, swept };
        writes.push(claims::write(&job.tenant, &told, &claim, now)?);
        // What has no snapshot is counted where its claim is written.
        if writes.len() == 1 {
            deps.sweeps.count(&job.tenant, now, Counts { lost: u64::from(swept), ..Counts::default() }).await?;
        }
    }
    let mut line = line(deps, job, EventStatus::Routed);
    line.changes = changes.iter().map(|change| change.kind.name()).collect();
    line.left = routed.left;
    line.found = changes.iter().filter_map(|change| serde_json::to_value(change).ok()).collect();
    line.errands = routed.errands;
    line.outbox = routed.outbox;
    for Mirrored { job, line: delivery } in mirrored {
        line.syncs.push(job);
        writes.push(delivery);
    }
    if !line.syncs.is_empty() {
        // Its page may have to change, whatever is told.
    } else if changes.is_empty() {
        line.status = EventStatus::Skipped { reason: "nothing that is watched changed".into() };
    } else if routed.writes.is_empty() {
        let reason = match line.left.as_slice() {
            [] => "no route takes this change".to_owned(),
            left => left.join("; "),
        };
        line.status = EventStatus::Skipped { reason };
    }
    writes.push(event_write(&job.tenant, line.clone())?);
    writes.extend(routed.writes);
    if writes.len() > MOST_WRITES {
        let text = format!("one event would make {} deliveries; let fewer routes or people take it", writes.len());
        return Err(Failure::permanent("too_many_deliveries", text));
    }
    match deps.store.put_all(writes).await {
        Ok(()) => {}
        // Another worker decided on a newer reading; what it left is looked at again.
        Err(StoreError::Conflict(_)) => return Err(Failure::transient("another worker decided on this first")),
        Err(error) => return Err(error.into()),
    }
    tracing::info!(trace = %job.trace, tenant = %job.tenant, about = job.body.about(), changes = ?line.changes, "decided");
    let skipped = match &line.status {
        EventStatus::Skipped { reason } => Some(reason.clone()),
        _ => None,
    };
    send(deps, line).await?;
    Ok(skipped.map_or(Outcome::Done, Outcome::Skip))
}

pub(crate) async fn send(deps: &Deps, line: EventLine) -> Result<(), Failure> {
    for (queue, messages) in [
        (QueueName::SlackDelivery, line.outbox),
        (QueueName::Bitrix24Events, line.errands),
        (QueueName::Bitrix24Delivery, line.said),
        (QueueName::RecordSync, line.syncs),
    ] {
        if !messages.is_empty() {
            deps.queue.send(queue, messages).await.map_err(|error| Failure::transient(error.to_string()))?;
        }
    }
    Ok(())
}

pub(crate) async fn skip(deps: &Deps, job: &Job<Hint>, reason: String) -> Result<Outcome, Failure> {
    let line = line(deps, job, EventStatus::Skipped { reason: reason.clone() });
    deps.ledger.record_event(&job.tenant, line).await?;
    Ok(Outcome::Skip(reason))
}

/// To be looked at again, with what it waits for in the ledger. Waiting on purpose costs no patience.
pub(crate) async fn wait(deps: &Deps, job: &Job<Hint>, after: Duration, cause: String) -> Result<Outcome, Failure> {
    if job.attempt == 1 {
        let line = line(deps, job, EventStatus::Waiting { cause: cause.clone() });
        deps.ledger.record_event(&job.tenant, line).await?;
    }
    Ok(Outcome::Retry { after: after.min(clock::LONGEST_WAIT), cause })
}

pub(crate) fn line(deps: &Deps, job: &Job<Hint>, status: EventStatus) -> EventLine {
    let line = EventLine::new(job, job.body.event.clone(), job.body.about(), deps.clock.now(), status);
    EventLine { remark: job.body.remark(), ..line }
}
