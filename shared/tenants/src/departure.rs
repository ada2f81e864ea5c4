//! Removing a tenant: all its data is deleted, and only a receipt with the counts remains.
//!
//! It has two halves. The function that learns that a tenant leaves calls [`begin`], which cuts it off at once, by
//! keys: its connection, its tokens, its sessions; and notes the departure. Only the upkeep ([`work`]) and the
//! operators' commands ([`depart`]) read whole tables and delete. A tenant that is connected again meanwhile keeps what
//! was written since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use runtime::clock::{earlier, is_ahead, later, until};
use runtime::store::{ItemKey, Query, StoreError, StoreWrite, StoredItem, Table, WriteCondition, written_by};
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};

use crate::portals::{Portals, TokenDigest};
use crate::shared_keys;

/// The partition of departures: a tenant cannot have this name.
const DEPARTED: &str = "#departed";
/// How long a departure is remembered: longer than a queue keeps a job.
const DEPARTURE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long late writes are looked for.
const LOOKED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Younger items wait for the next run: another function's clock may be behind, and the item may belong to a tenant
/// that is just being connected again.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long the upkeep deletes in one run, for all departures together; the next run continues.
const MAX_RUN: Duration = Duration::from_secs(150);
/// Deletions that run at once.
const MAX_AT_ONCE: usize = 16;
/// The key that notes a run: two at once would disturb each other's counts.
const RUNNING: &str = "#departing";
/// How long a run that crashed keeps the next from beginning.
const RUN_TTL: Duration = Duration::from_secs(240);
/// A departure that has not ended after this is late: runs come every quarter of an hour.
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
    /// Where a pass over the tables was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<Position>,
}

/// Where a pass continues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// Which of [`Departure::places`].
    place: usize,
    /// The partition and the sort of the last key that was read there.
    after: Option<(String, String)>,
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
        self.done_at.is_none() || self.next_look.is_some_and(|next| !is_ahead(now, next, LOOKED_AFTER))
    }

    fn places(&self) -> Vec<(Table, String)> {
        let own = [Table::Portals, Table::Links, Table::Ledger].map(|table| (table, self.tenant.to_string()));
        own.into_iter().chain(self.accounts.iter().map(|account| (Table::Limits, account.clone()))).collect()
    }
}

/// What a run of the upkeep did for departed tenants.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Worked {
    /// Items that were deleted.
    pub deleted: u64,
    /// Departures that have not ended yet.
    pub open: usize,
    /// Those of them that should have ended long ago.
    pub late: usize,
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

/// Cuts a tenant off at once and leaves the rest to the upkeep: from here on nothing is accepted or done for it, and
/// nobody is signed in to its pages. It works by keys and within the tenant's own partitions, and deletes nothing for
/// good.
pub async fn begin(backend: &Backend, tenant: &TenantId, receipt: Option<&str>) -> Result<Departure, StoreError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let portal = portals.fresh(tenant).await?;
    let earlier = of(backend, tenant).await?;
    let departure = match earlier {
        // Asked for twice.
        Some(departure) if portal.is_none() => departure,
        earlier => {
            let mut accounts = earlier.map(|departure| departure.accounts).unwrap_or_default();
            accounts.extend([format!("bitrix24#{tenant}"), format!("api#{tenant}"), tenant.to_string()]);
            if let Some(portal) = &portal {
                accounts.extend(portal.slack.as_ref().map(|slack| format!("slack#{}", slack.team_id)));
                accounts.extend(portal.notion.as_ref().map(|notion| format!("notion#{}", notion.bot_id)));
            }
            let receipt = receipt.map(TokenDigest::of);
            let (began_at, deleted) = (backend.clock.now(), BTreeMap::new());
            let tenant = tenant.clone();
            Departure { tenant, began_at, done_at: None, deleted, accounts, receipt, next_look: None, resume: None }
        }
    };
    let shared = shared_keys(backend, tenant).await?;
    let [listed, connection] = Portals::removal(tenant);
    let mut writes = vec![noted(&departure)?, listed, connection];
    writes.extend(shared.into_iter().map(StoreWrite::removal));
    backend.store.put_all(writes).await?;
    drop_own(backend, tenant).await?;
    sign_everybody_out(backend, tenant).await?;
    tracing::info!(%tenant, "a tenant leaves; the upkeep deletes what is left of it");
    Ok(departure)
}

/// Removes a tenant completely; continues an interrupted departure. For operators, who may read and delete everything;
/// functions may not.
pub async fn depart(backend: &Backend, tenant: &TenantId) -> Result<Departure, StoreError> {
    let mut departure = begin(backend, tenant, None).await?;
    let cutoff = Cutoff { until: Timestamp::MAX, came_back: false };
    pass(backend, &mut departure, cutoff, Timestamp::MAX).await?;
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
    let mut position = departure.resume.take().unwrap_or_default();
    let places = departure.places();
    while let Some((table, owner)) = places.get(position.place) {
        if backend.clock.now() >= deadline {
            departure.resume = Some(position);
            note(backend, departure).await?;
            return Ok(DeparturePass::Interrupted);
        }
        let after = position.after.take().map(|(partition, sort)| ItemKey::new(*table, partition, sort));
        let part = backend.store.belonging(*table, owner, after.as_ref()).await?;
        let items = part.items.into_iter().map(|(item, _)| item);
        let (old, young): (Vec<_>, Vec<_>) = items.partition(|item| cutoff.covers(item));
        position.young |= !young.is_empty() && !cutoff.came_back;
        let erased = erase(backend, old).await?;
        position.after = part.next.map(|key| (key.partition, key.sort));
        position.place += usize::from(position.after.is_none());
        if erased > 0 {
            *departure.deleted.entry(table.name().to_owned()).or_default() += erased;
            // A run that is cut off has deleted what it noted, and the next begins no earlier than here.
            note(backend, &Departure { resume: Some(position.clone()), ..departure.clone() }).await?;
        }
    }
    Ok(if position.young { DeparturePass::Young } else { DeparturePass::Complete })
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

/// Deletes what remains of departed tenants, and looks for a day for late writes of work that was under way. `None` if
/// another run is doing so.
pub async fn work(backend: &Backend) -> Result<Option<Worked>, StoreError> {
    let began = backend.clock.now();
    if !noted_departures(backend).await?.iter().any(|departure| departure.is_due(began)) {
        return Ok(Some(Worked::default()));
    }
    let lease = StoreWrite::new(ItemKey::new(Table::Portals, RUNNING, "run"), &began, WriteCondition::Absent)?;
    let running = lease.key.clone();
    match backend.store.put(lease.expiring(later(began, RUN_TTL))).await {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let worked = work_all(backend, began).await;
    backend.store.delete(&running).await?;
    worked.map(Some)
}

async fn work_all(backend: &Backend, began: Timestamp) -> Result<Worked, StoreError> {
    let deadline = later(began, MAX_RUN);
    let mut worked = Worked::default();
    for departure in noted_departures(backend).await? {
        if !departure.is_due(began) {
            continue;
        }
        let before = departure.total();
        let departure = go_on(backend, departure, deadline).await?;
        worked.deleted += departure.total() - before;
        if departure.done_at.is_none() {
            worked.open += 1;
            worked.late += usize::from(until(departure.began_at, began) > LATE_AFTER);
        }
    }
    Ok(worked)
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

async fn go_on(backend: &Backend, mut departure: Departure, deadline: Timestamp) -> Result<Departure, StoreError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    // The time is taken before the read: what is connected after the read is younger.
    let now = backend.clock.now();
    let came_back = portals.fresh(&departure.tenant).await?.is_some();
    if came_back && departure.done_at.is_some() {
        // What is there now is new.
        backend.store.delete(&key(&departure.tenant)).await?;
        return Ok(departure);
    }
    let cutoff = Cutoff::of(&departure, came_back, now);
    match pass(backend, &mut departure, cutoff, deadline).await? {
        DeparturePass::Interrupted => return Ok(departure),
        DeparturePass::Complete => end(&mut departure, now),
        DeparturePass::Young => {}
    }
    if came_back {
        backend.store.delete(&key(&departure.tenant)).await?;
    } else {
        departure.next_look = next_look(&departure, now);
        note(backend, &departure).await?;
    }
    Ok(departure)
}

fn end(departure: &mut Departure, now: Timestamp) {
    if departure.done_at.is_none() {
        departure.done_at = Some(now);
        tracing::info!(tenant = %departure.tenant, deleted = ?departure.deleted, "everything of a tenant was deleted");
    }
}

/// The checks become rarer, because each reads whole tables.
fn next_look(departure: &Departure, now: Timestamp) -> Option<Timestamp> {
    let age = until(departure.began_at, now);
    (age < LOOKED_AFTER).then(|| later(now, age))
}
