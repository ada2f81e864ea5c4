//! A sweep: finds what Bitrix24 never delivered. Bitrix24 sends every event once; a lost one is found by what changed
//! on the portal, and becomes an ordinary hint.
//!
//! Each run continues where the last one stopped, under the portal's limiter at the lowest priority. One worker sweeps a
//! tenant at a time.

mod calls;
mod comments;
mod hints;
mod offline;
mod records_of;

use std::sync::Arc;
use std::time::Duration;

use clients::{Failure, PortalClient};
use jiff::{SignedDuration, Timestamp};
use records::ChangeKind;
use runtime::TenantId;
use runtime::clock::{MAX_PROVIDER_SKEW, later, until};
use runtime::limiter::Priority;
use settings::subscriptions::has_route_for;
use settings::{Settings, subscriptions};
use tenants::portals::Portal;

use crate::sweeps::{SWEEP, SweepCounts};
use crate::{Crm, baseline};

/// The longest that a tenant's sweep takes; the next run continues.
const LEASE: Duration = Duration::from_secs(240);
/// The event of a change within this time may still arrive.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The portal's clock and the order in which it saves are not exact.
const OVERLAP: SignedDuration = MAX_PROVIDER_SKEW;

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
    swept: u64,
    hints: u64,
}

/// How long ago a tenant's sweep last finished; if it never has, since it was connected.
pub async fn lag(crm: &Crm, tenant: &TenantId, now: Timestamp) -> Result<Duration, Failure> {
    let since = match crm.sweeps.lease(tenant, SWEEP).await?.and_then(|lease| lease.finished_at) {
        Some(finished) => finished,
        None => crm.connections.portal(tenant).await?.connected_at,
    };
    Ok(until(since, now))
}

/// Sweeps one tenant, unless another worker does.
pub async fn sweep(crm: &Crm, tenant: &TenantId, now: Timestamp) -> Result<Option<Swept>, Failure> {
    let Some(lease) = crm.sweeps.take_lease(tenant, SWEEP, now, later(now, LEASE)).await? else { return Ok(None) };
    let (records, hints, stopped) = match begin(crm, tenant, now).await {
        Ok(mut sweep) => {
            let stopped = sweep.run().await.err();
            (sweep.swept, sweep.hints, stopped)
        }
        Err(failure) => (0, 0, Some(failure)),
    };
    crm.sweeps.count(tenant, now, SweepCounts { swept: records, ..SweepCounts::default() }).await?;
    let stopped_by = stopped.as_ref().map(ToString::to_string);
    lease.end(crm.backend.clock.now(), stopped_by.clone()).await?;
    Ok(Some(Swept { records, hints, stopped_by }))
}

async fn begin<'a>(crm: &'a Crm, tenant: &TenantId, now: Timestamp) -> Result<Sweep<'a>, Failure> {
    let portal = crm.connections.portal(tenant).await?;
    let client = crm.connections.bitrix24(&portal).await?.in_lane(Priority::Sweep);
    let settings = portal.settings_as()?;
    Ok(Sweep { crm, portal, settings, client, now, agreed_now: now, swept: 0, hints: 0 })
}

impl Sweep<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let tenant = self.portal.tenant.clone();
        baseline::fill(&self.crm.backend, &self.crm.connections, &tenant).await?;
        let mut first = Ok(());
        keep_first(&mut first, self.offline().await);
        for kind in subscriptions::swept(&self.settings) {
            keep_first(&mut first, self.records_of(kind).await);
        }
        if [ChangeKind::CallMissed, ChangeKind::CallEnded].iter().any(|kind| has_route_for(&self.settings, kind)) {
            keep_first(&mut first, self.calls().await);
        }
        if has_route_for(&self.settings, &ChangeKind::TaskCommented) {
            keep_first(&mut first, self.comments().await);
        }
        first
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
