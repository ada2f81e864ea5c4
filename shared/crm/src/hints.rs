//! From a hint to what changed: what of its record differs from the snapshot, and how the snapshot moves on.

use std::sync::Arc;
use std::time::Duration;

use bitrix24::{EntityType, Subject, SubjectAction};
use clients::Failure;
use jiff::Timestamp;
use jobs::{Hint, HintOrigin};
use records::names::Nameable;
use records::{Before, Change, Record, RecordState, diff};
use runtime::Verdict;
use runtime::claims;
use runtime::claims::Claim;
use runtime::clock::MAX_PROVIDER_SKEW;
use runtime::decision::already_decided;
use runtime::job::ReceivedJob;
use runtime::snapshots::{ReadMoment, Snapshot, snapshot_write};
use runtime::store::StoreWrite;
use settings::{Settings, subscriptions};
use tenants::portals::Portal;

use crate::reading::{GONE_OR_HIDDEN, Known, Read, Readings};
use crate::sweeps::SweepCounts;
use crate::{Crm, baseline, comments};

/// The result of a hint.
pub enum Judged {
    /// It was determined what changed, if anything did.
    Changes(FoundChanges),
    /// Nothing is to be reported, or not yet.
    Settled(Verdict),
}

impl Judged {
    /// There is nothing to do, for this reason.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self::Settled(Verdict::skip(reason))
    }

    /// It is checked again after this time.
    pub(crate) fn wait(after: Duration, cause: impl Into<String>) -> Self {
        Self::Settled(Verdict::Wait { after, cause: cause.into() })
    }
}

/// The changes that a hint led to.
pub struct FoundChanges {
    /// The changes. There may be none.
    pub changes: Vec<Change>,
    /// What distinguishes them from other changes of the same record.
    pub identity: String,
    /// The earliest moment at which they can have happened, if that is known.
    pub caused_at: Option<Timestamp>,
    /// Whether no event of them had arrived.
    pub found_by_sweep: bool,
    /// The record's next snapshot, if its state was read.
    pub update: Option<SnapshotUpdate>,
}

/// How a record's snapshot moves on.
pub struct SnapshotUpdate {
    pub record: Record,
    /// Counts its states.
    pub revision: u64,
    /// Whether its state differs from before.
    pub is_news: bool,
    /// The write, to go with the decision in one transaction.
    pub write: StoreWrite,
}

/// Notes when an event of this kind was seen, and which names it outdates. For the first try that is worked.
pub async fn note(crm: &Crm, job: &ReceivedJob<Hint>) -> Result<(), Failure> {
    if job.body.origin != HintOrigin::Event {
        return Ok(());
    }
    if subscriptions::family(&job.body.event).is_some() {
        crm.sightings.note(&job.tenant, &job.body.event, job.arrived_at()).await?;
    }
    match job.body.subject {
        Subject::User { id } => crm.names.forget(&job.tenant, Some(Nameable::User(id))).await,
        Subject::Item {
            entity: entity @ (EntityType::CONTACT | EntityType::COMPANY),
            id,
            action: SubjectAction::Update,
        } => {
            crm.names.forget(&job.tenant, Some(Nameable::Item(entity, id))).await;
        }
        _ if is_of_schema(&job.body.event) => crm.names.forget(&job.tenant, None).await,
        _ => {}
    }
    Ok(())
}

/// Events about stages, funnels, types and custom fields.
fn is_of_schema(event: &str) -> bool {
    ["USERFIELD", "CATEGORY", "ONCRMTYPE", "STATUS"].iter().any(|word| event.contains(word))
        && event != "ONCRMDEALMOVETOCATEGORY"
}

/// Why there is nothing to do for a hint, as far as the hint itself and the claims show.
pub async fn nothing_to_do(crm: &Crm, job: &ReceivedJob<Hint>) -> Result<Option<String>, Failure> {
    if let Some(reason) = job.body.nothing_to_do() {
        return Ok(Some(reason));
    }
    let Some(claim) = already_claimed(crm, job).await? else { return Ok(None) };
    if claim.swept && job.body.origin == HintOrigin::Event {
        crm.sweeps
            .count(&job.tenant, crm.backend.clock.now(), SweepCounts { late: 1, ..SweepCounts::default() })
            .await?;
    }
    Ok(Some(already_decided(&claim)))
}

async fn already_claimed(crm: &Crm, job: &ReceivedJob<Hint>) -> Result<Option<Claim>, Failure> {
    let Some(identity) = job.body.identity() else { return Ok(None) };
    Ok(claims::find(crm.backend.store.as_ref(), &job.tenant, &identity).await?)
}

/// The result of a hint about a record of the portal.
pub async fn judge(
    crm: &Crm,
    portal: &Arc<Portal>,
    settings: &Settings,
    readings: &Readings,
    job: &ReceivedJob<Hint>,
    record: Record,
) -> Result<Judged, Failure> {
    if !subscriptions::watches(settings, record) {
        return Ok(Judged::skip(format!("no route is about a {}", record.kind())));
    }
    let known = readings.known(crm, &job.tenant, record).await?;
    let seen = known.as_ref().filter(|(snapshot, _)| snapshot.read.sees(job.arrived_by(), job.body.sent_at()));
    if let Some((snapshot, _)) = seen {
        if let Subject::TaskComment { .. } = job.body.subject {
            let commented = comments::read(crm, portal, job, &snapshot.state).await?;
            return without_snapshot(crm, job, commented.into_iter().collect(), &identity_of(job)).await;
        }
        if snapshot.swept && job.body.origin == HintOrigin::Event {
            crm.sweeps
                .count(&job.tenant, crm.backend.clock.now(), SweepCounts { late: 1, ..SweepCounts::default() })
                .await?;
        }
        let at = snapshot.read.here.strftime("%H:%M:%S%.3f");
        return Ok(Judged::skip(format!("already covered by the read at {at}")));
    }
    match readings.of(&job.tenant, record) {
        Read::Item(read) => {
            let known = known.map(|(snapshot, version)| (snapshot.refilled(&read.state), version));
            let before = match &known {
                Some((snapshot, _)) => Before::Known(&snapshot.state),
                None => {
                    let since = baseline::watched_since(&crm.backend, portal, record.kind()).await?;
                    Before::Unseen { since, moves: &read.moves }
                }
            };
            let mut changes = diff(record, before, &read.state);
            changes.extend(comments::read(crm, portal, job, &read.state).await?);
            let snapshot = next(&known, read.state.clone(), read.read, found_by_sweep(job, &changes));
            moved_on(crm, job, record, known, snapshot, changes).await
        }
        Read::Absent(code) => gone(crm, job, record, known, &code).await,
        Read::Failed(failure) => Err(failure),
    }
}

fn identity_of(job: &ReceivedJob<Hint>) -> String {
    job.body.identity().unwrap_or_else(|| job.trace.to_string())
}

/// Whether changes were found of which no event had arrived.
fn found_by_sweep(job: &ReceivedJob<Hint>, changes: &[Change]) -> bool {
    matches!(job.body.origin, HintOrigin::Sweep | HintOrigin::Offline) && !changes.is_empty()
}

fn next(known: &Known, state: RecordState, read: ReadMoment, swept: bool) -> Snapshot<RecordState> {
    let revision = known.as_ref().map_or(0, |(snapshot, _)| snapshot.revision) + 1;
    Snapshot { state, read, revision, gone: false, swept }
}

/// The record cannot be read. If it existed before, it was deleted, and is reported with its last state.
async fn gone(crm: &Crm, job: &ReceivedJob<Hint>, record: Record, known: Known, code: &str) -> Result<Judged, Failure> {
    let is_gone = code == "not_found" || (code == GONE_OR_HIDDEN && job.body.says_deleted());
    let Some((last, version)) = known.filter(|(last, _)| is_gone && !last.gone) else {
        return Ok(Judged::skip(absent(record, code)));
    };
    let changes: Vec<_> = records::diff::deleted(record, &last.state).into_iter().collect();
    let read = ReadMoment { here: crm.backend.clock.now(), there: None };
    let (state, known) = (last.state.clone(), Some((last, version)));
    let snapshot = Snapshot { gone: true, ..next(&known, state, read, found_by_sweep(job, &changes)) };
    moved_on(crm, job, record, known, snapshot, changes).await
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

/// A state was read: the snapshot advances together with its changes, all or nothing.
async fn moved_on(
    crm: &Crm,
    job: &ReceivedJob<Hint>,
    record: Record,
    known: Known,
    snapshot: Snapshot<RecordState>,
    changes: Vec<Change>,
) -> Result<Judged, Failure> {
    let caused_at = match &known {
        Some((before, _)) => Some(before.read.here),
        None => snapshot.state.created_at().map(|created| created - MAX_PROVIDER_SKEW),
    };
    let was_swept = known.as_ref().is_some_and(|(before, _)| before.swept);
    let counts = SweepCounts {
        lost: u64::from(snapshot.swept),
        late: u64::from(was_swept && changes.is_empty() && job.body.origin == HintOrigin::Event),
        ..SweepCounts::default()
    };
    crm.sweeps.count(&job.tenant, crm.backend.clock.now(), counts).await?;
    let is_news =
        known.as_ref().is_none_or(|(before, _)| before.state != snapshot.state || before.gone != snapshot.gone);
    let version = known.map(|(_, version)| version);
    let write = snapshot_write(&job.tenant, &record.key(), &snapshot, version)?;
    let identity = match job.body.identity() {
        Some(comment) => format!("{}+{comment}", snapshot.revision),
        None => snapshot.revision.to_string(),
    };
    let update = SnapshotUpdate { record, revision: snapshot.revision, is_news, write };
    let found_by_sweep = found_by_sweep(job, &changes);
    Ok(Judged::Changes(FoundChanges { changes, identity, caused_at, found_by_sweep, update: Some(update) }))
}

/// Changes without a snapshot: a call, a comment, an event of the customer's own.
pub async fn without_snapshot(
    crm: &Crm,
    job: &ReceivedJob<Hint>,
    changes: Vec<Change>,
    identity: &str,
) -> Result<Judged, Failure> {
    let found_by_sweep = found_by_sweep(job, &changes);
    if job.body.identity().is_some() {
        // It is counted where its claim is written.
        let counts = SweepCounts { lost: u64::from(found_by_sweep), ..SweepCounts::default() };
        crm.sweeps.count(&job.tenant, crm.backend.clock.now(), counts).await?;
    }
    let happened = changes.iter().filter_map(|change| change.state.changed_at()).chain(job.body.sent_at()).min();
    let caused_at = happened.map(|happened| happened - MAX_PROVIDER_SKEW);
    let identity = identity.to_owned();
    Ok(Judged::Changes(FoundChanges { changes, identity, caused_at, found_by_sweep, update: None }))
}
