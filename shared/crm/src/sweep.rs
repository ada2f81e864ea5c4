//! A sweep: finds what Bitrix24 never delivered. Bitrix24 sends every event once; a lost one is found by what changed
//! on the portal, and becomes an ordinary hint.
//!
//! A sweep asks for the first page of everything in one request: on a portal on which little happens that is all. If that
//! request fails, the next sweep asks for each thing by itself, so that one thing that cannot be read keeps no other
//! from being swept. Each run continues where the last one stopped, under the portal's limiter at the lowest priority.
//! One worker sweeps a tenant at a time; `turns` says whose sweep is next.

mod answers;
mod calls;
mod comments;
mod hints;
mod offline;
mod parts;
mod records_of;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use clients::{ErrorClass, Failure, PortalClient};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use runtime::TenantId;
use runtime::clock::{MAX_PROVIDER_SKEW, later, until};
use runtime::limiter::Priority;
use settings::Settings;
use tenants::portals::Portal;
use tenants::sweep_requests::SweepRequests;

use crate::sweeps::{HeldLease, Lease, RunEnd, SWEEP, SweepCounts};
use crate::{Crm, baseline};

pub use turns::{SWEEP_EVERY, SweepTurn};

/// How long a worker has a tenant for itself without saying that it is still there. Longer than one request takes with
/// what follows from its answer; after a crash the tenant waits for it.
const LEASE: Duration = Duration::from_secs(90);
/// A lease that has less than this left is extended.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// After this long a sweep gives its place to the others and goes on when they have had theirs.
const MAX_RUN: Duration = Duration::from_secs(60);
/// From so many parts on that did not get an answer, the portal is not asked for the others.
const UNANSWERED: usize = 2;
/// The event of a change within this time may still arrive.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The portal's clock and the order in which it saves are not exact.
const OVERLAP: SignedDuration = MAX_PROVIDER_SKEW;
/// Tenants whose turns are read in parallel.
const READ_AT_ONCE: usize = 32;

/// The result of a tenant's sweep.
#[derive(Debug)]
pub struct Swept {
    /// Records that were checked.
    pub records: u64,
    /// Hints made for changes of which no event seems to have arrived.
    pub hints: u64,
    /// What stopped it; the next run continues.
    pub stopped_by: Option<String>,
}

/// One tenant's sweep.
struct Sweep<'a> {
    crm: &'a Crm,
    portal: Arc<Portal>,
    settings: Arc<Settings>,
    client: PortalClient,
    now: Timestamp,
    /// The earlier of our time and the portal's own, from its answers.
    agreed_now: Timestamp,
    lease: HeldLease<'a>,
    leased_until: Timestamp,
    swept: u64,
    hints: u64,
    /// Whether something is left for its next turn.
    continues: bool,
}

/// Whose sweep is due, in the order in which they are served; and how long ago the sweep that is latest finished.
pub async fn turns(crm: &Crm, now: Timestamp) -> Result<(Vec<SweepTurn>, Duration), Failure> {
    let requests = &SweepRequests::new(crm.backend.store.clone());
    let tenants = crm.connections.portals().tenants().await?;
    let read = stream::iter(tenants).map(|tenant| async move {
        let lease = crm.sweeps.lease(&tenant, SWEEP).await?.unwrap_or_default();
        let finished_at = match lease.finished_at {
            Some(finished_at) => finished_at,
            None => crm.connections.portal(&tenant).await.map_or(now, |portal| portal.connected_at),
        };
        let asked_at = requests.asked_at(&tenant).await?;
        Ok::<_, Failure>((turns::turn(tenant, &lease, asked_at, now), until(finished_at, now)))
    });
    let (turns, lags): (Vec<_>, Vec<_>) =
        read.buffer_unordered(READ_AT_ONCE).try_collect::<Vec<_>>().await?.into_iter().unzip();
    let mut due: Vec<_> = turns.into_iter().flatten().collect();
    turns::in_order(&mut due);
    Ok((due, lags.into_iter().max().unwrap_or_default()))
}

/// Asks for a sweep of every tenant at once.
pub async fn ask_for_all(crm: &Crm, now: Timestamp) -> Result<(), Failure> {
    let requests = &SweepRequests::new(crm.backend.store.clone());
    let asked = stream::iter(crm.connections.portals().tenants().await?)
        .map(|tenant| async move { Ok::<_, Failure>(requests.ask(&tenant, now).await?) });
    asked.buffer_unordered(READ_AT_ONCE).try_collect().await
}

/// Ends the sweeps that a process had begun which is gone, so that they begin again. For the start of the only process that
/// works a store.
pub async fn free_all(crm: &Crm) -> Result<(), Failure> {
    let freed = stream::iter(crm.connections.portals().tenants().await?)
        .map(|tenant| async move { Ok::<_, Failure>(crm.sweeps.free_lease(&tenant, SWEEP).await?) });
    freed.buffer_unordered(READ_AT_ONCE).try_collect().await
}

/// Sweeps a tenant whose turn it is, unless another worker does or has done so meanwhile.
pub async fn sweep(crm: &Crm, turn: &SweepTurn) -> Result<Option<Swept>, Failure> {
    let (tenant, now) = (&turn.tenant, crm.backend.clock.now());
    let leased_until = later(now, LEASE);
    let is_ours = |lease: &Lease| lease.began_at == turn.seen;
    let Some(lease) = crm.sweeps.take_lease_if(tenant, SWEEP, now, leased_until, is_ours).await? else {
        return Ok(None);
    };
    let mut sweep = match begin(crm, tenant, now, lease, leased_until).await {
        Ok(sweep) => sweep,
        Err((lease, failure)) => {
            let stopped_by = Some(failure.to_string());
            lease.end(crm.backend.clock.now(), stopped_by.clone()).await?;
            return Ok(Some(Swept { records: 0, hints: 0, stopped_by }));
        }
    };
    let (result, apart) = sweep.run().await;
    let Sweep { swept: records, hints, lease, continues, .. } = sweep;
    crm.sweeps.count(tenant, now, SweepCounts { swept: records, ..SweepCounts::default() }).await?;
    let stopped_by = result.err().map(|failure| failure.to_string());
    lease.end_run(crm.backend.clock.now(), RunEnd { stopped_by: stopped_by.clone(), continues, apart }).await?;
    Ok(Some(Swept { records, hints, stopped_by }))
}

async fn begin<'a>(
    crm: &'a Crm,
    tenant: &TenantId,
    now: Timestamp,
    lease: HeldLease<'a>,
    leased_until: Timestamp,
) -> Result<Sweep<'a>, (HeldLease<'a>, Failure)> {
    let opened = async {
        let portal = crm.connections.portal(tenant).await?;
        let client = crm.connections.bitrix24(&portal).await?.in_lane(Priority::Sweep);
        let settings: Arc<Settings> = portal.settings_as()?;
        Ok((portal, client, settings))
    };
    match opened.await {
        Ok((portal, client, settings)) => Ok(Sweep {
            crm,
            portal,
            settings,
            client,
            now,
            agreed_now: now,
            lease,
            leased_until,
            swept: 0,
            hints: 0,
            continues: false,
        }),
        Err(failure) => Err((lease, failure)),
    }
}

impl Sweep<'_> {
    /// Sweeps everything; whether the next run has to ask for each part by itself.
    async fn run(&mut self) -> (Result<(), Failure>, bool) {
        let was_apart = self.lease.lease().apart;
        match self.run_parts(was_apart).await {
            Ok(first) => {
                let apart = was_apart && first.as_ref().is_err_and(is_unanswered);
                (first, apart)
            }
            // What was asked for together.
            Err(failure) => {
                let apart = was_apart || is_unanswered(&failure);
                (Err(failure), apart)
            }
        }
    }

    /// The first failure of a part; or the failure of what concerns all of them.
    async fn run_parts(&mut self, apart: bool) -> Result<Result<(), Failure>, Failure> {
        while baseline::fill_some(&self.crm.backend, &self.portal, &self.client).await?.is_some() {
            self.stay().await?;
            if self.gives_way() {
                return Ok(Ok(()));
            }
        }
        let parts = self.parts().await?;
        let mut answers = if apart { parts::FirstAnswers::default() } else { self.ask_together(&parts).await? };
        let (mut first, mut unanswered) = (Ok(()), 0);
        for part in parts {
            if unanswered == UNANSWERED {
                break;
            }
            self.stay().await?;
            let swept = self.part(part, &mut answers).await;
            unanswered += usize::from(swept.as_ref().is_err_and(is_unanswered));
            keep_first(&mut first, swept);
        }
        Ok(first)
    }

    /// Says that this worker is still there.
    async fn stay(&mut self) -> Result<(), Failure> {
        let now = self.crm.backend.clock.now();
        if until(now, self.leased_until) >= LEASE_MARGIN {
            return Ok(());
        }
        self.leased_until = later(now, LEASE);
        if self.lease.renew(self.leased_until).await? {
            return Ok(());
        }
        Err(Failure::transient("another worker has begun to sweep this portal"))
    }

    /// Whether it has to give its place to the others; then the rest is for its next turn.
    fn gives_way(&mut self) -> bool {
        self.continues |= self.crm.backend.clock.now() >= later(self.now, MAX_RUN);
        self.continues
    }

    fn tenant(&self) -> &TenantId {
        &self.portal.tenant
    }

    /// Notes the portal's time. Records carry times of its clock: if it is behind, changes that are still to come must
    /// not count as checked.
    fn note_time(&mut self, there: Option<Timestamp>) {
        self.agreed_now = there.map_or(self.agreed_now, |there| there.min(self.agreed_now));
    }

    /// Until when events have had time to arrive.
    fn until(&self) -> Timestamp {
        Timestamp::from_second((self.agreed_now - GRACE).as_second()).unwrap_or(self.agreed_now)
    }

    /// From when to look, after an earlier sweep that was complete until `complete`.
    fn since(&self, complete: Option<Timestamp>, overlap: SignedDuration) -> Timestamp {
        let first = || baseline::watched_from(self.portal.connected_at, self.now);
        complete.map_or_else(first, |complete| (complete - overlap).max(self.portal.connected_at))
    }
}

/// Whether the portal did not answer, rather than refuse.
fn is_unanswered(failure: &Failure) -> bool {
    matches!(failure.class, ErrorClass::Transient | ErrorClass::UnknownOutcome)
}

/// A kind that cannot be swept does not keep the others from being swept; a missing right does not fail the sweep.
fn keep_first(first: &mut Result<(), Failure>, result: Result<(), Failure>) {
    match result {
        Err(failure) if baseline::is_not_for_us(&failure) => {
            tracing::warn!(%failure, "this cannot be swept; give the webhook the right");
        }
        Err(failure) if first.is_ok() => *first = Err(failure),
        _ => {}
    }
}
