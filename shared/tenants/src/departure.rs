//! Removing a tenant: all its data is deleted, and only a receipt with the counts remains.
//!
//! It has two halves. The function that learns that a tenant leaves calls [`begin`], which cuts it off at once, by
//! keys: its connection, its tokens, its sessions; notes the departure, and sends the first job. Each job ([`work`])
//! deletes for some seconds, partition by partition, keeps how far it is, and sends the next. The upkeep ([`bring_back`])
//! sends a job again whose message was lost, and looks for a day for what work that was under way has written since.
//! The operators' command ([`depart`]) does not wait, and reads the whole tables as well. A tenant that is connected
//! again meanwhile keeps what was written since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jobs::TenantJob;
use runtime::backend::EnqueueError;
use runtime::clock::{earlier, is_ahead, later, until};
use runtime::store::{ItemKey, Query, StoreError, StoreWrite, StoredItem, Table, WriteCondition, written_by};
use runtime::{Backend, JobOutcome, TenantId, TraceId, retry};
use serde::{Deserialize, Serialize};

use crate::portals::{Portals, TokenDigest};
use crate::{catalogue, shared_keys};

/// The partition of departures: a tenant cannot have this name.
const DEPARTED: &str = "#departed";
/// How long a departure is remembered: longer than a queue keeps a job.
const DEPARTURE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long late writes are looked for.
const LOOKED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Younger items wait for the next pass: another function's clock may be behind, and the item may belong to a tenant
/// that is just being connected again.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a job deletes; the next one continues. A page and its deletions come on top.
const MAX_SLICE: Duration = Duration::from_secs(20);
/// Items that are read at once, and the deletions of them that run at once.
const MAX_READ: usize = 500;
const MAX_AT_ONCE: usize = 32;
/// A job waits so long for its next pass; what comes later, the upkeep sends a job for.
const MAX_HELD: Duration = Duration::from_secs(120);
/// What a job waits for the store or the queue after an error, at most.
const AFTER_ERROR: Duration = Duration::from_secs(10);
/// Parts of an account's limits with a partition of their own, besides those of single methods and channels, which
/// expire within a day.
const LIMIT_PARTS: [&str; 3] = ["", "#posts", "#history"];
/// A departure that has not ended after this is late.
const LATE_AFTER: Duration = Duration::from_secs(60 * 60);

/// A tenant that was removed, or is being removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    pub tenant: TenantId,
    /// Since when.
    pub began_at: Timestamp,
    /// When all its data was gone.
    #[serde(default)]
    pub done_at: Option<Timestamp>,
    /// How many items were deleted, by table.
    #[serde(default)]
    pub deleted: BTreeMap<String, u64>,
    /// The provider accounts whose limiters are to be forgotten.
    #[serde(default)]
    accounts: BTreeSet<String>,
    /// The digest of the receipt with which the person who asked for it follows the progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receipt: Option<TokenDigest>,
    /// When late writes are looked for next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_look: Option<Timestamp>,
    /// How many slices were done; the next job names it.
    #[serde(default)]
    slices: u64,
    /// Partitions of the links that were named by items which may be gone by now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    named: BTreeSet<String>,
    /// Where a pass over all partitions was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<PassPosition>,
}

/// Where a pass continues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PassPosition {
    /// The tables and partitions that are left; the last of them is the one at hand.
    left: Vec<(String, String)>,
    /// The sort of the last key that was read there.
    after: Option<String>,
    /// Whether something was left because it is too young.
    young: bool,
}

impl Departure {
    /// How many items were deleted so far.
    pub fn total(&self) -> u64 {
        self.deleted.values().sum()
    }

    /// Whether there is something to delete, or to look for.
    fn is_due(&self, now: Timestamp) -> bool {
        match self.next_look {
            Some(next) => !is_ahead(now, next, LOOKED_AFTER),
            None => self.done_at.is_none() || self.position.is_some(),
        }
    }

    fn limits(&self) -> impl Iterator<Item = (Table, String)> {
        let parts = |account: &String| LIMIT_PARTS.map(|part| (Table::Limits, format!("{account}{part}")));
        self.accounts.iter().flat_map(parts)
    }
}

/// What the upkeep found of departed tenants.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Departures {
    /// Departures that have not ended yet.
    pub open: usize,
    /// Those of them that should have ended long ago.
    pub late: usize,
    /// Those for which a job was sent.
    pub sent: usize,
}

fn key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Portals, DEPARTED, tenant.as_str())
}

/// A tenant's departure, if it left.
pub async fn of(backend: &Backend, tenant: &TenantId) -> Result<Option<Departure>, StoreError> {
    backend.store.get(&key(tenant)).await?.map(|item| item.decode()).transpose()
}

/// The progress of a departure, for the holder of its receipt.
pub async fn by_receipt(backend: &Backend, tenant: &TenantId, receipt: &str) -> Result<Option<Departure>, StoreError> {
    let given = TokenDigest::of(receipt);
    Ok(of(backend, tenant).await?.filter(|departure| departure.receipt.is_some_and(|own| own.matches(&given))))
}

/// Cuts a tenant off at once and has the rest deleted: from here on nothing is accepted or done for it, and nobody is
/// signed in to its pages. It works by keys and within the tenant's own partitions, and deletes nothing for good.
pub async fn begin(backend: &Backend, tenant: &TenantId, receipt: Option<&str>) -> Result<Departure, StoreError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let portal = portals.fresh(tenant).await?;
    let earlier = of(backend, tenant).await?;
    let departure = match earlier {
        // Asked for twice.
        Some(departure) if portal.is_none() => departure,
        earlier => {
            let (mut accounts, named) =
                earlier.map(|departure| (departure.accounts, departure.named)).unwrap_or_default();
            accounts.extend([format!("bitrix24#{tenant}"), format!("api#{tenant}"), tenant.to_string()]);
            if let Some(portal) = &portal {
                accounts.extend(portal.slack.as_ref().map(|slack| format!("slack#{}", slack.team_id)));
                accounts.extend(portal.notion.as_ref().map(|notion| format!("notion#{}", notion.bot_id)));
            }
            let receipt = receipt.map(TokenDigest::of);
            let (began_at, deleted) = (backend.clock.now(), BTreeMap::new());
            Departure {
                tenant: tenant.clone(),
                began_at,
                done_at: None,
                deleted,
                accounts,
                receipt,
                next_look: None,
                slices: 0,
                named,
                position: None,
            }
        }
    };
    let shared = shared_keys(backend, tenant).await?;
    let [listed, connection] = Portals::removal(tenant);
    let mut writes = vec![noted(&departure)?, listed, connection];
    writes.extend(shared.into_iter().map(StoreWrite::removal));
    backend.store.put_all(writes).await?;
    drop_own(backend, tenant).await?;
    sign_everybody_out(backend, tenant).await?;
    tracing::info!(%tenant, "a tenant leaves");
    // It is cut off; what is left is deleted a little later.
    if let Err(error) = send_next(backend, &departure).await {
        tracing::warn!(%tenant, %error, "no job for the deletion could be sent; the next upkeep sends it");
    }
    Ok(departure)
}

/// Sends the job that does the next slice.
async fn send_next(backend: &Backend, departure: &Departure) -> Result<(), EnqueueError> {
    let job = TenantJob::Leave { began_at: departure.began_at, slice: departure.slices };
    backend.enqueue(&departure.tenant, TraceId::new(backend.clock.now()), &job).await
}

/// Removes a tenant completely; continues an interrupted departure. For operators, who may read and delete everything;
/// functions may not.
pub async fn depart(backend: &Backend, tenant: &TenantId) -> Result<Departure, StoreError> {
    let mut departure = begin(backend, tenant, None).await?;
    let cutoff = Cutoff { until: Timestamp::MAX, came_back: false };
    pass(backend, &mut departure, cutoff, Timestamp::MAX).await?;
    erase_strays(backend, &mut departure).await?;
    end(&mut departure, backend.clock.now());
    departure.next_look = Some(backend.clock.now());
    note(backend, &departure).await?;
    Ok(departure)
}

/// The tenant is connected again: a completed departure is forgotten; another one continues with data that is older
/// than itself.
pub async fn forget(backend: &Backend, tenant: &TenantId) -> Result<(), StoreError> {
    match of(backend, tenant).await? {
        Some(departure) if departure.done_at.is_some() => backend.store.delete(&key(tenant)).await,
        _ => Ok(()),
    }
}

fn noted(departure: &Departure) -> Result<StoreWrite, StoreError> {
    let write = StoreWrite::new(key(&departure.tenant), departure, WriteCondition::Always)?;
    Ok(write.expiring(later(departure.began_at, DEPARTURE_TTL)))
}

async fn note(backend: &Backend, departure: &Departure) -> Result<(), StoreError> {
    backend.store.put(noted(departure)?).await.map(|_| ())
}

/// The items of the tenant's own partition of the portals: tokens, API keys, troubles.
async fn drop_own(backend: &Backend, tenant: &TenantId) -> Result<(), StoreError> {
    let mut query = Query::prefix(Table::Portals, tenant.as_str(), "");
    loop {
        let page = backend.store.list(&query).await?;
        for item in page.items {
            backend.store.delete(&item.key).await?;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Codes and sessions of its administrators.
async fn sign_everybody_out(backend: &Backend, tenant: &TenantId) -> Result<(), StoreError> {
    let mut query = Query::prefix(Table::Portals, crate::one_time_secrets::PARTITION, "");
    let is_its = |item: &StoredItem| {
        let value: serde_json::Value = serde_json::from_str(&item.value).unwrap_or_default();
        value == tenant.as_str() || value["tenant"] == tenant.as_str()
    };
    loop {
        let page = backend.store.list(&query).await?;
        for item in page.items.iter().filter(|item| is_its(item)) {
            backend.store.delete(&item.key).await?;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Which items of a departed tenant are deleted: those written until then.
#[derive(Debug, Clone, Copy)]
struct Cutoff {
    until: Timestamp,
    /// Whether it is connected again: younger items belong to the new connection.
    came_back: bool,
}

impl Cutoff {
    /// Of a departure, as of `now`.
    fn of(departure: &Departure, came_back: bool, now: Timestamp) -> Self {
        let until = if came_back {
            earlier(departure.began_at, Duration::from_micros(1))
        } else {
            earlier(now, MAX_CLOCK_SKEW)
        };
        Self { until, came_back }
    }

    fn covers(self, item: &StoredItem) -> bool {
        item.version <= written_by(self.until)
    }
}

/// How a pass over everything ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeparturePass {
    /// Nothing is left that the departure covers.
    Complete,
    /// Something was too young.
    Young,
    /// The time was up.
    Interrupted,
}

/// Deletes what the cutoff covers; continues where the last pass was interrupted.
async fn pass(
    backend: &Backend,
    departure: &mut Departure,
    cutoff: Cutoff,
    deadline: Timestamp,
) -> Result<DeparturePass, StoreError> {
    let mut position = match departure.position.take() {
        Some(position) => position,
        None => PassPosition { left: places(backend, departure).await?, ..PassPosition::default() },
    };
    while let Some((table, partition)) = position.left.last() {
        if backend.clock.now() >= deadline {
            departure.position = Some(position);
            return Ok(DeparturePass::Interrupted);
        }
        let Some(table) = Table::ALL.into_iter().find(|known| known.name() == table) else {
            position.left.pop();
            continue;
        };
        let query = Query { after: position.after.take(), limit: MAX_READ, ..Query::prefix(table, partition, "") };
        let page = backend.store.list(&query).await?;
        let (old, young): (Vec<_>, Vec<_>) = page.items.into_iter().partition(|item| cutoff.covers(item));
        position.young |= !young.is_empty() && !cutoff.came_back;
        let erased = erase(backend, old).await?;
        position.after = page.next;
        if position.after.is_none() {
            position.left.pop();
        }
        if erased > 0 {
            *departure.deleted.entry(table.name().to_owned()).or_default() += erased;
            // A job that is cut off has deleted what it noted, and the next begins no earlier than here.
            note(backend, &Departure { position: Some(position.clone()), ..departure.clone() }).await?;
        }
    }
    Ok(if position.young { DeparturePass::Young } else { DeparturePass::Complete })
}

/// The partitions of a pass.
async fn places(backend: &Backend, departure: &mut Departure) -> Result<Vec<(String, String)>, StoreError> {
    let now = backend.clock.now();
    departure.named.extend(catalogue::named_partitions(backend.store.as_ref(), &departure.tenant, now).await?);
    let named = departure.named.iter().map(|partition| (Table::Links, partition.clone()));
    let fixed = catalogue::fixed_partitions(&departure.tenant, now);
    let all = departure.limits().chain(fixed).chain(named);
    Ok(all.map(|(table, partition)| (table.name().to_owned(), partition)).collect())
}

/// Erases what is in partitions that this release does not know: another one may have written there.
async fn erase_strays(backend: &Backend, departure: &mut Departure) -> Result<(), StoreError> {
    let own = [Table::Portals, Table::Links, Table::Ledger].map(|table| (table, departure.tenant.to_string()));
    let accounts = departure.accounts.iter().map(|account| (Table::Limits, account.clone()));
    for (table, owner) in own.into_iter().chain(accounts).collect::<Vec<_>>() {
        let mut after = None;
        loop {
            let part = backend.store.belonging(table, &owner, after.as_ref()).await?;
            let erased = erase(backend, part.items.into_iter().map(|(item, _)| item).collect()).await?;
            if erased > 0 {
                *departure.deleted.entry(table.name().to_owned()).or_default() += erased;
            }
            after = part.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Erases items unless they were written since they were read; returns how many.
async fn erase(backend: &Backend, items: Vec<StoredItem>) -> Result<u64, StoreError> {
    let erased = AtomicU64::new(0);
    let count = &erased;
    let deletions = stream::iter(items).map(|item| async move {
        if backend.store.erase(&item.key, item.version).await? {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, StoreError>(())
    });
    deletions.buffer_unordered(MAX_AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(erased.into_inner())
}

/// Does a slice of a departure's deletion, and sends the next one.
pub async fn work(backend: &Backend, tenant: &TenantId, began_at: Timestamp, slice: u64) -> JobOutcome {
    match next_slice(backend, tenant, began_at, slice).await {
        Ok(outcome) => outcome,
        Err(error) => JobOutcome::Retry { after: retry::spread(AFTER_ERROR), cause: error.to_string() },
    }
}

/// Why a deletion did not go on.
#[derive(Debug, thiserror::Error)]
pub enum DepartureError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue refused the next job.
    #[error("the next slice could not be sent: {0}")]
    Queue(#[from] EnqueueError),
}

async fn next_slice(
    backend: &Backend,
    tenant: &TenantId,
    began_at: Timestamp,
    slice: u64,
) -> Result<JobOutcome, DepartureError> {
    let Some(departure) = of(backend, tenant).await?.filter(|departure| departure.began_at == began_at) else {
        return Ok(JobOutcome::Skip("this departure has ended".into()));
    };
    let is_due = departure.is_due(backend.clock.now());
    if departure.slices != slice {
        // Whoever did it may have been cut off before the next one was sent.
        if is_due {
            send_next(backend, &departure).await?;
        }
        return Ok(JobOutcome::Skip("this slice was done before".into()));
    }
    let departure = if is_due { go_on(backend, departure).await? } else { Some(departure) };
    let Some(mut departure) = departure else { return Ok(JobOutcome::Done) };
    let now = backend.clock.now();
    let wait = departure.next_look.map(|next| until(now, next));
    if let Some(after) = wait.filter(|wait| *wait <= MAX_HELD) {
        let cause = "what is written just now is looked at a minute later".into();
        return Ok(JobOutcome::Retry { after, cause });
    }
    departure.slices += 1;
    note(backend, &departure).await?;
    if departure.is_due(now) {
        send_next(backend, &departure).await?;
    }
    Ok(JobOutcome::Done)
}

/// Sends a job for each departure that is due: its job's message was lost, or it is time to look for late writes.
pub async fn bring_back(backend: &Backend) -> Result<Departures, DepartureError> {
    let now = backend.clock.now();
    let mut found = Departures::default();
    for departure in noted_departures(backend).await? {
        if departure.done_at.is_none() {
            found.open += 1;
            found.late += usize::from(until(departure.began_at, now) > LATE_AFTER);
        }
        if departure.is_due(now) {
            send_next(backend, &departure).await?;
            found.sent += 1;
        }
    }
    Ok(found)
}

async fn noted_departures(backend: &Backend) -> Result<Vec<Departure>, StoreError> {
    let mut query = Query::prefix(Table::Portals, DEPARTED, "");
    let mut departures = Vec::new();
    loop {
        let page = backend.store.list(&query).await?;
        for item in &page.items {
            departures.push(item.decode::<Departure>()?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(departures),
        }
    }
}

/// Does a slice. Returns the departure as it is then, or nothing if it has ended for good.
async fn go_on(backend: &Backend, mut departure: Departure) -> Result<Option<Departure>, StoreError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    // The time is taken before the read: what is connected after the read is younger.
    let now = backend.clock.now();
    let came_back = portals.fresh(&departure.tenant).await?.is_some();
    if came_back && departure.done_at.is_some() {
        // What is there now is new.
        backend.store.delete(&key(&departure.tenant)).await?;
        return Ok(None);
    }
    let cutoff = Cutoff::of(&departure, came_back, now);
    departure.next_look = None;
    match pass(backend, &mut departure, cutoff, later(now, MAX_SLICE)).await? {
        DeparturePass::Interrupted => return Ok(Some(departure)),
        DeparturePass::Complete => end(&mut departure, now),
        DeparturePass::Young => {}
    }
    if came_back {
        backend.store.delete(&key(&departure.tenant)).await?;
        return Ok(None);
    }
    departure.next_look = next_look(&departure, now);
    note(backend, &departure).await?;
    Ok(Some(departure))
}

fn end(departure: &mut Departure, now: Timestamp) {
    if departure.done_at.is_none() {
        departure.done_at = Some(now);
        tracing::info!(tenant = %departure.tenant, deleted = ?departure.deleted, "everything of a tenant was deleted");
    }
}

/// What was too young is looked at again once it is old enough; what work that was under way may still write, at growing
/// intervals.
fn next_look(departure: &Departure, now: Timestamp) -> Option<Timestamp> {
    let age = until(departure.began_at, now);
    match departure.done_at {
        None => Some(later(now, MAX_CLOCK_SKEW)),
        Some(_) => (age < LOOKED_AFTER).then(|| later(now, age.max(MAX_CLOCK_SKEW))),
    }
}
