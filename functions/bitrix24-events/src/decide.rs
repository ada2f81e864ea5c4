//! One hint's decision: what changed and which deliveries follow, written in one transaction.

use std::time::Duration;

use bitrix24::{Action, EntityType, Subject};
use clients::Failure;
use crm::baseline;
use crm::sweeps::Counts;
use jobs::queues;
use jobs::{Hint, Origin};
use records::names::Named;
use records::{Before, Change, ChangeKind, Record, State, diff};
use runtime::Decision;
use runtime::claims;
use runtime::claims::Claim;
use runtime::decision::already_decided;
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::{EarlierOutbox, EventStatus};
use runtime::links::{ReadMoment, Snapshot, snapshot_write};
use runtime::queue::{Message, Outgoing};
use runtime::reasons;
use runtime::store::Version;
use settings::subscriptions;

use crate::read::{GONE_OR_HIDDEN, Read, Readings};
use crate::{Deps, calls, chats, comments, errands, mirrored, routing};

type Known = Option<(Snapshot<State>, Version)>;

pub(crate) async fn decide(deps: &Deps, readings: &Readings, job: ReceivedJob<Hint>) -> Outcome {
    match try_to(deps, readings, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let line = decision(deps, &job).line;
            clients::undecided(&deps.ledger, &job.tenant, line, deps.clock.now(), &failure).await
        }
    }
}

async fn try_to(deps: &Deps, readings: &Readings, job: &ReceivedJob<Hint>) -> Result<Outcome, Failure> {
    if let Some(done) = runtime::decision::finished(&deps.ports, job, queues_of).await? {
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
        return skip(deps, job, already_decided(&claim)).await;
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
            finish(deps, job, vec![change], &identity).await
        }
        (_, Some(record)) => of_record(deps, readings, job, record).await,
        (_, None) => skip(deps, job, reasons::NOT_USED.into()).await,
    }
}

/// The application was removed from the portal: its tokens are dead, and its data goes if the person wants that.
async fn uninstalled(deps: &Deps, job: &ReceivedJob<Hint>, clean: bool) -> Result<Outcome, Failure> {
    if deps.connections.try_again(&job.tenant, clients::Side::Bitrix24).await? {
        return skip(deps, job, "the application has been installed again".into()).await;
    }
    if clean {
        tenants::departure::begin(&deps.ports, &job.tenant, None).await?;
        return Ok(Outcome::Skip("the portal was disconnected; its data is deleted within 15 minutes".into()));
    }
    deps.connections.portal_left(&job.tenant).await?;
    skip(deps, job, "the application was removed in Bitrix24; the data is kept until someone reconnects it".into())
        .await
}

/// When an event of this kind was seen, and what names it makes old.
async fn note(deps: &Deps, job: &ReceivedJob<Hint>) -> Result<(), Failure> {
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

/// Events about stages, funnels, types and custom fields.
fn is_of_schema(event: &str) -> bool {
    ["USERFIELD", "CATEGORY", "ONCRMTYPE", "STATUS"].iter().any(|word| event.contains(word))
        && event != "ONCRMDEALMOVETOCATEGORY"
}

async fn already_told(deps: &Deps, job: &ReceivedJob<Hint>) -> Result<Option<Claim>, Failure> {
    let Some(identity) = job.body.identity() else { return Ok(None) };
    Ok(claims::find(deps.store.as_ref(), &job.tenant, &identity).await?)
}

/// The queues of a line that did not name them.
fn queues_of(earlier: EarlierOutbox) -> Vec<Outgoing> {
    let of = |queue, messages: Vec<Message>| messages.into_iter().map(move |message| Outgoing { queue, message });
    of(queues::SLACK_DELIVERY, earlier.outbox)
        .chain(of(queues::BITRIX24_EVENTS, earlier.errands))
        .chain(of(queues::BITRIX24_DELIVERY, earlier.said))
        .chain(of(queues::RECORD_SYNC, earlier.syncs))
        .collect()
}

async fn of_record(
    deps: &Deps,
    readings: &Readings,
    job: &ReceivedJob<Hint>,
    record: Record,
) -> Result<Outcome, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    if !deps.routers.of(&portal)?.watches(record) {
        return skip(deps, job, format!("no route is about a {}", record.kind())).await;
    }
    let known: Known = deps.records.snapshot(&job.tenant, &record.key()).await?;
    let seen = known.as_ref().filter(|(snapshot, _)| snapshot.read.sees(job.arrived_at(), job.body.sent_at()));
    if let Some((snapshot, _)) = seen {
        if let Subject::TaskComment { .. } = job.body.subject {
            let commented = comments::read(deps, job, &snapshot.state).await?;
            return finish(deps, job, commented.into_iter().collect(), &identity_of(job)).await;
        }
        if snapshot.swept && job.body.origin == Origin::Event {
            deps.sweeps.count(&job.tenant, deps.clock.now(), Counts { late: 1, ..Counts::default() }).await?;
        }
        let at = snapshot.read.here.strftime("%H:%M:%S%.3f");
        return skip(deps, job, format!("already covered by the read at {at}")).await;
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
            let snapshot = next(&known, read.state.clone(), read.read, found_by_sweep(job, &changes));
            save(deps, job, record, known, snapshot, changes).await
        }
        Read::Absent(code) => gone(deps, job, record, known, &code).await,
        Read::Failed(failure) => Err(failure),
    }
}

fn identity_of(job: &ReceivedJob<Hint>) -> String {
    job.body.identity().unwrap_or_else(|| job.trace.to_string())
}

/// Whether changes were found of which no event had arrived.
fn found_by_sweep(job: &ReceivedJob<Hint>, changes: &[Change]) -> bool {
    matches!(job.body.origin, Origin::Sweep | Origin::Offline) && !changes.is_empty()
}

fn next(known: &Known, state: State, read: ReadMoment, swept: bool) -> Snapshot<State> {
    let revision = known.as_ref().map_or(0, |(snapshot, _)| snapshot.revision) + 1;
    Snapshot { state, read, revision, gone: false, swept }
}

/// The record cannot be read. One that was there before was deleted, and is reported with its last state.
async fn gone(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    record: Record,
    known: Known,
    code: &str,
) -> Result<Outcome, Failure> {
    let is_gone = code == "not_found" || (code == GONE_OR_HIDDEN && job.body.says_deleted());
    let Some((last, version)) = known.filter(|(last, _)| is_gone && !last.gone) else {
        return skip(deps, job, absent(record, code)).await;
    };
    let changes: Vec<_> = records::diff::deleted(record, &last.state).into_iter().collect();
    let read = ReadMoment { here: deps.clock.now(), there: None };
    let (state, known) = (last.state.clone(), Some((last, version)));
    let snapshot = Snapshot { gone: true, ..next(&known, state, read, found_by_sweep(job, &changes)) };
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

/// A state was read: changes are routed and the snapshot moves on, all or nothing.
async fn save(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
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
    let mut decision = decision(deps, job);
    if is_news {
        mirrored::add(deps, job, &mut decision, record, snapshot.revision).await?;
    }
    let version = known.map(|(_, version)| version);
    decision.writes.push(snapshot_write(&job.tenant, &record.key(), &snapshot, version)?);
    let identity = match job.body.identity() {
        Some(comment) => format!("{}+{comment}", snapshot.revision),
        None => snapshot.revision.to_string(),
    };
    finish_with(deps, job, decision, changes, &identity).await
}

/// The same of what has no snapshot.
pub(crate) async fn finish(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    changes: Vec<Change>,
    identity: &str,
) -> Result<Outcome, Failure> {
    if job.body.identity().is_some() {
        // It is counted where its claim is written.
        let counts = Counts { lost: u64::from(found_by_sweep(job, &changes)), ..Counts::default() };
        deps.sweeps.count(&job.tenant, deps.clock.now(), counts).await?;
    }
    finish_with(deps, job, decision(deps, job), changes, identity).await
}

/// Routes the changes and commits the decision. `identity` distinguishes it from other decisions on the same thing.
async fn finish_with(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    mut decision: Decision,
    changes: Vec<Change>,
    identity: &str,
) -> Result<Outcome, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    let has_syncs = !decision.outbox.is_empty();
    let has_deliveries = routing::route(deps, job, &mut decision, &portal, &changes, identity).await?;
    decision.claims.extend(job.body.identity());
    decision.swept = found_by_sweep(job, &changes);
    let line = &mut decision.line;
    line.changes = changes.iter().map(|change| change.kind.name()).collect();
    line.found = changes.iter().filter_map(|change| serde_json::to_value(change).ok()).collect();
    if !has_syncs && !has_deliveries {
        let reason = match line.left.as_slice() {
            _ if changes.is_empty() => "no watched field changed".to_owned(),
            [] => "no route accepts this change".to_owned(),
            left => left.join("; "),
        };
        line.status = EventStatus::Skipped { reason };
    }
    Ok(decision.commit(&deps.ports).await?)
}

pub(crate) async fn skip(deps: &Deps, job: &ReceivedJob<Hint>, reason: String) -> Result<Outcome, Failure> {
    Ok(decision(deps, job).skip(&deps.ports, reason).await?)
}

/// The event is received again after that time.
pub(crate) async fn wait(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    after: Duration,
    cause: String,
) -> Result<Outcome, Failure> {
    Ok(decision(deps, job).wait(&deps.ports, after, cause).await?)
}

/// A decision on the event of a job, without anything in it.
pub(crate) fn decision(deps: &Deps, job: &ReceivedJob<Hint>) -> Decision {
    let mut decision = Decision::on(job, job.body.event.as_str(), job.body.about(), deps.clock.now());
    decision.line.remark = job.body.remark();
    decision
}
