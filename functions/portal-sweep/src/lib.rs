//! Finds what was never delivered, for all tenants. A tenant's sweep is `crm::sweep`, that of its bridged conversations
//! `chat_bridge::sweep`: neither waits for the other.
//!
//! It is called often, and each run sweeps the tenants whose sweep is due: those first for which one was asked, then
//! those that have waited longest. A portal that does not answer takes one place for as long as its sweep may last; once it
//! is known for that, one of a few places apart. What a run does not begin is the first thing that the next run does.

use std::sync::Arc;
use std::time::Duration;

use chat_bridge::sweep::SweptChats;
use clients::{Connections, Failure};
use crm::sweep::{SweepTurn, Swept};
use crm::{Crm, sweep};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use runtime::clock::later;
use runtime::metrics::Unit;
use runtime::{Backend, TenantId};
use serde::Serialize;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use user_mapping::TenantContext;

/// Tenants that are swept in parallel.
pub const MAX_AT_ONCE: usize = 64;
/// The same of those whose portals did not answer the last sweep: they have these places for themselves.
pub const MAX_SILENT_AT_ONCE: usize = 16;
/// How long a run begins sweeps. On AWS the function is stopped after 240 seconds; a sweep that begins last has time to
/// end.
const BEGINS_FOR: Duration = Duration::from_secs(45);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    crm: Crm,
    context: TenantContext,
    places: SweepPlaces,
    silent: SweepPlaces,
}

/// Places for sweeps.
#[derive(Clone)]
struct SweepPlaces {
    free: Arc<Semaphore>,
    /// Held by the run that hands them out: two would hand out the same turns.
    handing_out: Arc<Mutex<()>>,
}

impl SweepPlaces {
    fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), handing_out: Arc::default() }
    }
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        let (places, silent) = (SweepPlaces::new(MAX_AT_ONCE), SweepPlaces::new(MAX_SILENT_AT_ONCE));
        let context = TenantContext::new(backend, connections.clone());
        Self { crm: Crm::new(backend, connections), context, places, silent }
    }
}

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Tenants that were swept.
    pub tenants: usize,
    /// Records that were checked.
    pub swept: u64,
    /// Hints made for changes of which no event seems to have arrived.
    pub hints: u64,
    /// Chat bridges that were checked.
    pub bridges: u64,
    /// Messages, edits and deletions found there of which no event seems to have arrived.
    pub messages: u64,
    /// Tenants whose sweep stopped, and why; their next sweep continues it.
    pub stopped: Vec<String>,
    /// Tenants whose sweep is due and was left to the next run.
    pub left: usize,
}

type SweepEnd = (TenantId, Result<Option<Swept>, Failure>, Result<Option<SweptChats>, Failure>);

impl SweepReport {
    /// With another part of the run.
    fn and(mut self, other: Self) -> Self {
        self.tenants += other.tenants;
        self.swept += other.swept;
        self.hints += other.hints;
        self.bridges += other.bridges;
        self.messages += other.messages;
        self.stopped.extend(other.stopped);
        self.left += other.left;
        self
    }

    fn add(&mut self, (tenant, swept, chats): SweepEnd) {
        match swept {
            Ok(Some(swept)) => {
                self.tenants += 1;
                self.swept += swept.records;
                self.hints += swept.hints;
                self.stopped.extend(swept.stopped_by.map(|cause| format!("{tenant}: {cause}")));
            }
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the sweep stopped; it goes on in its next turn");
                self.stopped.push(format!("{tenant}: {failure}"));
            }
        }
        match chats {
            Ok(Some(chats)) => {
                self.bridges += chats.bridges;
                self.messages += chats.found;
                self.stopped.extend(chats.stopped_by.map(|cause| format!("{tenant}: chats: {cause}")));
            }
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the sweep of chats stopped; it goes on in the next run");
                self.stopped.push(format!("{tenant}: chats: {failure}"));
            }
        }
    }
}

/// Asks for a sweep of all tenants at once.
pub async fn ask_for_all(deps: &Deps) {
    if let Err(failure) = sweep::ask_for_all(&deps.crm, deps.crm.backend.clock.now()).await {
        tracing::warn!(%failure, "no sweep could be asked for; each comes when it is due");
    }
}

/// The same after a restart, for the only process that works a store: also what the process before was at is begun again.
pub async fn after_restart(deps: &Deps) {
    if let Err(failure) = sweep::free_all(&deps.crm).await {
        tracing::warn!(%failure, "sweeps that were interrupted begin again when their leases end");
    }
    ask_for_all(deps).await;
}

/// Sweeps the tenants whose sweep is due at `now`.
pub async fn handle(deps: &Deps, now: Timestamp) -> SweepReport {
    let (turns, lag) = match sweep::turns(&deps.crm, now).await {
        Ok(found) => found,
        Err(failure) => return SweepReport { stopped: vec![failure.to_string()], ..SweepReport::default() },
    };
    let (silent, others): (Vec<_>, Vec<_>) = turns.into_iter().partition(|turn| turn.is_silent);
    let until = later(now, BEGINS_FOR);
    let (others, silent) =
        futures::join!(in_places(deps, &deps.places, others, until), in_places(deps, &deps.silent, silent, until));
    deps.crm.backend.metrics.measure("sweep_lag", lag.as_secs_f64(), Unit::Seconds);
    others.and(silent)
}

/// Sweeps tenants in their order, as many at a time as there are places; begins none after `until`. If another run is
/// handing out these places, nothing is done.
async fn in_places(deps: &Deps, places: &SweepPlaces, turns: Vec<SweepTurn>, until: Timestamp) -> SweepReport {
    let mut report = SweepReport::default();
    let Ok(handing_out) = places.handing_out.try_lock() else { return report };
    let mut running = FuturesUnordered::new();
    let mut turns = turns.into_iter();
    while turns.len() > 0 {
        let place = loop {
            tokio::select! {
                biased;
                Some(end) = running.next() => report.add(end),
                place = places.free.clone().acquire_owned() => break place.ok(),
            }
        };
        // A place can be long in coming.
        if deps.crm.backend.clock.now() > until {
            break;
        }
        running.extend(turns.next().map(|turn| in_place(deps, turn, place)));
    }
    report.left = turns.len();
    drop(handing_out);
    while let Some(end) = running.next().await {
        report.add(end);
    }
    report
}

/// Sweeps a tenant and its conversations, and gives back its place when done.
async fn in_place(deps: &Deps, turn: SweepTurn, place: Option<OwnedSemaphorePermit>) -> SweepEnd {
    let chats = chat_bridge::sweep::sweep(&deps.context, &turn.tenant, deps.crm.backend.clock.now());
    let (swept, chats) = futures::join!(sweep::sweep(&deps.crm, &turn), chats);
    drop(place);
    (turn.tenant, swept, chats)
}
