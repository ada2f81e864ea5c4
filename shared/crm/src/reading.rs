//! Reads the present state of every record that the hints of a batch point at, in as few requests as possible.
//!
//! A few records are fetched by their ids, 50 a page. When many wait (`bursts`), one listing of everything that changed
//! serves them all, and leaves its readings for the jobs that wait behind this batch. A request that gets no answer is
//! split, so that one record that cannot be read delays no other (`limits`).

mod bursts;
mod limits;
mod requests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bitrix24::client::shaped;
use bitrix24::crm::StageMove;
use clients::{ErrorClass, Failure, PortalClient};
use futures::future::join_all;
use jiff::Timestamp;
use jobs::Hint;
use records::{Record, RecordKind, RecordState};
use runtime::job::ReceivedJob;
use runtime::snapshots::{ReadAhead, ReadMoment, Snapshot};
use runtime::store::Version;
use runtime::{Jobs, TenantId};
use serde_json::json;
use settings::{Settings, subscriptions};
use tenants::portals::Portal;

use crate::Crm;
use crate::pages::{Listing, PAGE};

pub(crate) use limits::ReadLimits;
use requests::RecordCall;

/// The list of a record's moves from stage to stage.
const HISTORY: &str = "crm.stagehistory.list";

/// Our code when the portal says neither "missing" nor "hidden": for tasks it does not say which.
pub(crate) const GONE_OR_HIDDEN: &str = "gone_or_hidden";

/// A record's state, with what its decision may need in addition.
pub(crate) struct ReadItem {
    pub(crate) state: RecordState,
    pub(crate) read: ReadMoment,
    /// The stage history, if the record was not seen before and has moved.
    pub(crate) moves: Vec<StageMove>,
}

/// The result of reading a record.
pub(crate) enum Read<'a> {
    /// Its state.
    Item(&'a ReadItem),
    /// The record is missing, or hidden from us; the portal's code.
    Absent(String),
    /// The portal did not answer.
    Failed(Failure),
}

/// A record's snapshot, if it has one.
pub(crate) type Known = Option<(Snapshot<RecordState>, Version)>;

/// What was read for a batch.
#[derive(Default)]
pub struct Readings {
    items: HashMap<(TenantId, Record), Result<ReadItem, String>>,
    /// The snapshots as they were before the batch.
    known: Mutex<HashMap<(TenantId, Record), Known>>,
    /// Per tenant: what happened to the records that are not among the items.
    failures: HashMap<TenantId, Failure>,
}

impl Readings {
    pub(crate) fn of(&self, tenant: &TenantId, record: Record) -> Read<'_> {
        match self.items.get(&(tenant.clone(), record)) {
            Some(Ok(item)) => Read::Item(item),
            Some(Err(code)) => Read::Absent(code.clone()),
            None => Read::Failed(
                self.failures.get(tenant).cloned().unwrap_or_else(|| Failure::transient("the record was not read")),
            ),
        }
    }

    /// The record's snapshot. What was read for the batch serves its first job: that one writes the next snapshot.
    pub(crate) async fn known(&self, crm: &Crm, tenant: &TenantId, record: Record) -> Result<Known, Failure> {
        let read = self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), record));
        match read {
            Some(known) => Ok(known),
            None => Ok(crm.records.snapshot(tenant, &record.key()).await?),
        }
    }
}

/// A record to be read, and what is known of the hint that asks for it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) record: Record,
    pub(crate) hints: Hints,
    /// Whether there is a snapshot.
    seen: bool,
}

/// When the hints for a record arrived and were sent.
#[derive(Clone, Copy)]
pub(crate) struct Hints {
    /// The latest arrival.
    arrived_at: Timestamp,
    /// The earliest and the latest sending, by the portal's clock; nothing if one of them does not say.
    pub(crate) sent: Option<(Timestamp, Timestamp)>,
}

impl Hints {
    fn of(job: &ReceivedJob<Hint>) -> Self {
        Self { arrived_at: job.arrived_by(), sent: job.body.sent_at().map(|sent| (sent, sent)) }
    }

    fn and(self, other: Self) -> Self {
        let sent = self.sent.zip(other.sent).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
        Self { arrived_at: self.arrived_at.max(other.arrived_at), sent }
    }

    /// Whether a read saw the changes of all of them.
    fn are_seen_by(self, read: ReadMoment) -> bool {
        read.sees(self.arrived_at, self.sent.map(|(_, latest)| latest))
    }
}

/// What was found of each record.
pub(crate) type ReadRecords = HashMap<Record, ReadAhead<RecordState>>;

pub(crate) fn kinds(wanted: &[Wanted]) -> BTreeMap<RecordKind, Vec<Wanted>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in wanted {
        kinds.entry(one.record.kind()).or_default().push(*one);
    }
    kinds
}

/// The jobs that are read together, each set by itself: those of one tenant; and those of a record whose read hung before,
/// so that nobody waits for it.
pub fn apart(crm: &Crm, jobs: Jobs<Hint>) -> Vec<Jobs<Hint>> {
    let hung =
        |job: &ReceivedJob<Hint>| job.body.record().is_some_and(|record| requests::is_alone(crm, &job.tenant, record));
    jobs.by_tenant().into_iter().flat_map(|jobs| jobs.setting_apart(hung)).collect()
}

/// Reads every record that the jobs need read.
pub async fn all(crm: &Crm, jobs: &Jobs<Hint>) -> Readings {
    let mut hints: BTreeMap<TenantId, BTreeMap<Record, Hints>> = BTreeMap::new();
    for job in jobs.iter() {
        let Some(record) = job.body.record().filter(|_| job.body.nothing_to_do().is_none()) else { continue };
        let these = Hints::of(job);
        let of_tenant = hints.entry(job.tenant.clone()).or_default();
        of_tenant.entry(record).and_modify(|those| *those = those.and(these)).or_insert(these);
    }
    let mut readings = Readings::default();
    let read = hints.into_iter().map(|(tenant, hints)| async move {
        let read = read_portal(crm, &tenant, hints).await;
        (tenant, read)
    });
    for (tenant, read) in join_all(read).await {
        let of_tenant = |record: Record| (tenant.clone(), record);
        readings.items.extend(read.items.into_iter().map(|(record, item)| (of_tenant(record), item)));
        let known = readings.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        known.extend(read.known.into_iter().map(|(record, known)| (of_tenant(record), known)));
        readings.failures.extend(read.failure.map(|failure| (tenant, failure)));
    }
    readings
}

type Items = HashMap<Record, Result<ReadItem, String>>;

/// What was read for the hints of one portal.
struct PortalReadings {
    items: Items,
    known: HashMap<Record, Known>,
    /// Why some items are missing.
    failure: Option<Failure>,
}

async fn read_portal(crm: &Crm, tenant: &TenantId, hints: BTreeMap<Record, Hints>) -> PortalReadings {
    let mut found = ReadRecords::new();
    let mut known = HashMap::new();
    let mut unseen = BTreeSet::new();
    let outcome = async {
        let portal = crm.connections.portal(tenant).await?;
        let settings = &portal.settings_as::<Settings>()?;
        let mut wanted = Vec::new();
        for (record, hints) in hints.into_iter().filter(|(record, _)| subscriptions::watches(settings, *record)) {
            let snapshot = crm.records.snapshot::<RecordState>(tenant, &record.key()).await?;
            if !snapshot.as_ref().is_some_and(|(snapshot, _)| hints.are_seen_by(snapshot.read)) {
                wanted.push(Wanted { record, hints, seen: snapshot.is_some() });
            }
            known.insert(record, snapshot);
        }
        unseen = wanted.iter().filter(|wanted| !wanted.seen).map(|wanted| wanted.record).collect();
        take_left(crm, tenant, &mut wanted, &mut found).await?;
        if wanted.is_empty() {
            return Ok(());
        }
        let client = crm.connections.bitrix24(&portal).await?;
        if bursts::read(crm, &portal, &client, &wanted, settings, &mut found).await? {
            // Another worker's listing may have left what this one waited for.
            take_left(crm, tenant, &mut wanted, &mut found).await?;
        }
        by_ids(crm, &client, &wanted, settings, &mut found).await
    }
    .await;
    let mut failure = outcome.err();
    match histories(crm, tenant, &mut found, &unseen).await {
        Ok((moves, unread)) => {
            failure = failure.or(unread);
            PortalReadings { items: with_moves(found, moves), known, failure }
        }
        Err(error) => {
            // Without its history an unseen record cannot be judged: it is read again later.
            found.retain(|record, _| !unseen.contains(record));
            PortalReadings { items: with_moves(found, HashMap::new()), known, failure: failure.or(Some(error)) }
        }
    }
}

fn with_moves(found: ReadRecords, mut moves: HashMap<Record, Vec<StageMove>>) -> Items {
    let item = |(record, reading): (Record, ReadAhead<RecordState>)| {
        let moves = moves.remove(&record).unwrap_or_default();
        let read = reading.state.map(|state| ReadItem { state, read: reading.read, moves });
        (record, read)
    };
    found.into_iter().map(item).collect()
}

/// Uses the readings that an earlier listing left, if they began after the hints arrived.
async fn take_left(
    crm: &Crm,
    tenant: &TenantId,
    wanted: &mut Vec<Wanted>,
    found: &mut ReadRecords,
) -> Result<(), Failure> {
    for one in std::mem::take(wanted) {
        if found.contains_key(&one.record) {
            continue;
        }
        match crm.records.reading::<RecordState>(tenant, &one.record.key()).await? {
            Some(left) if one.hints.are_seen_by(left.read) => {
                found.insert(one.record, left);
            }
            _ => wanted.push(one),
        }
    }
    Ok(())
}

/// Reads records by their ids, a request for each kind; those that hung before by themselves. A record that a list leaves
/// out is requested alone, to learn whether it is gone or hidden. What can be read is found, whatever else fails.
async fn by_ids(
    crm: &Crm,
    client: &PortalClient,
    wanted: &[Wanted],
    settings: &Settings,
    found: &mut ReadRecords,
) -> Result<(), Failure> {
    let mut first = Ok(());
    for (kind, wanted) in kinds(wanted) {
        let listing = Listing { kind, custom_fields: settings.fields_of(kind) };
        let records: Vec<_> = wanted.iter().map(|wanted| wanted.record).collect();
        let (hung, together): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| requests::is_alone(crm, client.tenant(), *record));
        let mut one_by_one = hung;
        for records in together.chunks(PAGE) {
            match page_of(crm, client, &listing, records).await {
                Ok(read) => {
                    found.extend(read);
                    one_by_one.extend(records.iter().filter(|record| !found.contains_key(record)));
                }
                Err(failure) if requests::is_unanswered(&failure) && records.len() > 1 => {
                    first = first.and(split(crm, client, &listing, records, found).await);
                }
                Err(failure) => first = first.and(Err(failure)),
            }
        }
        let calls: Vec<_> = one_by_one.into_iter().map(|record| call_for(&listing, record)).collect();
        let read = requests::together(crm, client, &calls).await?;
        first = first.and(take_single(client, &listing, read, found));
    }
    first
}

/// Reads records with one list.
async fn page_of(
    crm: &Crm,
    client: &PortalClient,
    listing: &Listing,
    records: &[Record],
) -> Result<ReadRecords, Failure> {
    let ids: Vec<_> = records.iter().map(|record| record.id()).collect();
    let page = listing.page(&listing.by_ids(&ids), -1);
    let (answer, read) = requests::timed(crm, client, records, listing.method(), &page).await?;
    let states = listing.states(client, &mut { answer })?;
    Ok(states.into_iter().map(|(record, state)| (record, ReadAhead { state: Ok(state), read })).collect())
}

/// Reads the records of a request that got no answer, each by itself.
async fn split(
    crm: &Crm,
    client: &PortalClient,
    listing: &Listing,
    records: &[Record],
    found: &mut ReadRecords,
) -> Result<(), Failure> {
    let calls: Vec<_> = records.iter().map(|record| call_for(listing, *record)).collect();
    let read = requests::split(crm, client, &calls).await;
    take_single(client, listing, read, found)
}

fn call_for(listing: &Listing, record: Record) -> RecordCall {
    let (method, params) = listing.one(record.id());
    RecordCall { record, method, params }
}

/// Takes what was read of records by themselves; the first failure of one that could not be read.
fn take_single(
    client: &PortalClient,
    listing: &Listing,
    read: Vec<requests::RecordAnswer>,
    found: &mut ReadRecords,
) -> Result<(), Failure> {
    let mut first = Ok(());
    for (record, answer) in read {
        let state = match answer {
            Ok((result, read)) => {
                listing.state_of_one(client, result).map(|state| (state.ok_or_else(|| GONE_OR_HIDDEN.to_owned()), read))
            }
            Err((failure, Some(read))) if matches!(failure.class, ErrorClass::Permanent { .. }) => {
                Ok((Err(failure.code().to_owned()), read))
            }
            Err((failure, _)) => Err(failure),
        };
        match state {
            Ok((state, read)) => {
                found.insert(record, ReadAhead { state, read });
            }
            Err(failure) => first = first.and(Err(failure)),
        }
    }
    first
}

/// The stage histories of records that were not seen before and have moved since they were created. A record whose
/// history could not be read is taken out of those found, and the failure is returned with the others' histories.
async fn histories(
    crm: &Crm,
    tenant: &TenantId,
    found: &mut ReadRecords,
    unseen: &BTreeSet<Record>,
) -> Result<(HashMap<Record, Vec<StageMove>>, Option<Failure>), Failure> {
    let has_moved = |reading: &ReadAhead<RecordState>| {
        let item = reading.state.as_ref().ok().and_then(RecordState::as_item);
        item.is_some_and(|item| item.moved_time.is_none() || item.moved_time > item.created_time)
    };
    let with_stages = |(record, reading): (&Record, &ReadAhead<RecordState>)| match record {
        Record::Item { entity, id } if entity.has_stages() && unseen.contains(record) && has_moved(reading) => {
            let params = json!({"entityTypeId": entity, "filter": {"OWNER_ID": id}, "order": {"ID": "ASC"}});
            Some(RecordCall { record: *record, method: HISTORY, params })
        }
        _ => None,
    };
    let calls: Vec<_> = found.iter().filter_map(with_stages).collect();
    let (mut histories, mut unread) = (HashMap::new(), None);
    if calls.is_empty() {
        return Ok((histories, unread));
    }
    let portal: Arc<Portal> = crm.connections.portal(tenant).await?;
    let client = crm.connections.bitrix24(&portal).await?;
    for calls in calls.chunks(PAGE) {
        for (record, answer) in requests::together(crm, &client, calls).await? {
            match answer {
                Ok((mut result, _)) => {
                    let moves: Vec<StageMove> = shaped(HISTORY, result["items"].take()).unwrap_or_default();
                    histories.insert(record, moves);
                }
                // A history that the webhook's user may not read must not stop a card.
                Err((Failure { class: ErrorClass::Permanent { .. }, .. }, _)) => {}
                Err((failure, _)) => {
                    found.remove(&record);
                    unread = unread.or(Some(failure));
                }
            }
        }
    }
    Ok((histories, unread))
}
