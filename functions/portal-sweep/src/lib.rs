//! Finds what Bitrix24 never delivered. It sends every event once; a lost one is found by what changed on the portal,
//! and becomes an ordinary hint.
//!
//! Each run continues where the last one stopped, under the portal's limiter at the lowest priority. One worker sweeps
//! a tenant at a time.

#[path = "../../../shared/crm/src/sweep/calls.rs"]
mod calls;
#[path = "../../../shared/crm/src/sweep/comments.rs"]
mod comments;
#[path = "../../../shared/crm/src/sweep/hints.rs"]
mod hints;
#[path = "../../../shared/crm/src/sweep/offline.rs"]
mod offline;
#[path = "../../../shared/crm/src/sweep/records_of.rs"]
mod records_of;

use std::sync::Arc;
use std::time::Duration;

use clients::{Connections, Failure, PortalClient};
use crm::baseline;
use crm::sweeps::{Counts, Sweeps};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use notifications::Router;
use records::ChangeKind;
use runtime::clock::{Clock, later, until};
use runtime::limiter::Priority;
use runtime::links::Records;
use runtime::metrics::Unit;
use runtime::store::StoreError;
use runtime::{Ports, TenantId};
use serde::{Deserialize, Serialize};
use settings::{Settings, subscriptions};
use tenants::portals::Portal;

/// Tenants that are swept side by side.
const AT_ONCE: usize = 8;
/// A tenant's sweep takes no longer than this; the next run goes on.
const LEASE: Duration = Duration::from_secs(240);
/// The event of a change within this time may still arrive.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The portal's clock and the order in which it saves are not exact.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    connections: Connections,
    records: Records,
    sweeps: Sweeps,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            ports: ports.clone(),
            connections,
            records: Records::new(ports.store.clone()),
            sweeps: Sweeps::new(ports.store.clone()),
            clock: ports.clock.clone(),
        }
    }
}

/// What a run did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Tenants that were swept.
    pub tenants: usize,
    /// Records that were looked at.
    pub swept: u64,
    /// Hints made for changes of which no event seems to have arrived.
    pub hints: u64,
    /// Tenants whose sweep stopped, and why; it goes on in the next run.
    pub stopped: Vec<String>,
}

/// One tenant's sweep.
struct Sweep<'a> {
    deps: &'a Deps,
    portal: Arc<Portal>,
    settings: Arc<Settings>,
    client: PortalClient,
    now: Timestamp,
    /// The earlier of our time and the portal's own, from its answers.
    agreed_now: Timestamp,
    swept: u64,
    hints: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Lease {
    until: Option<Timestamp>,
    #[serde(default)]
    finished_at: Option<Timestamp>,
    #[serde(default)]
    stopped_by: Option<String>,
}

/// Sweeps all tenants.
pub async fn handle(deps: &Deps, now: Timestamp) -> Report {
    let tenants = match deps.connections.portals().tenants().await {
        Ok(tenants) => tenants,
        Err(error) => return Report { stopped: vec![error.to_string()], ..Report::default() },
    };
    let sweeps = futures::stream::iter(tenants).map(|tenant| async move {
        let swept = sweep(deps, &tenant, now).await;
        (tenant, swept)
    });
    let mut report = Report::default();
    let mut late = Duration::ZERO;
    let mut done = sweeps.buffer_unordered(AT_ONCE);
    while let Some((tenant, swept)) = done.next().await {
        late = late.max(lag(deps, &tenant, now).await.unwrap_or_default());
        match swept {
            Ok(Some((swept, hints, stopped))) => {
                report.tenants += 1;
                report.swept += swept;
                report.hints += hints;
                report.stopped.extend(stopped.map(|cause| format!("{tenant}: {cause}")));
            }
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the sweep stopped; it goes on in the next run");
                report.stopped.push(format!("{tenant}: {failure}"));
            }
        }
    }
    deps.ports.metrics.measure("sweep_lag", late.as_secs_f64(), Unit::Seconds);
    report
}

/// How long ago a tenant's sweep came to its end; since it was connected, if none has.
async fn lag(deps: &Deps, tenant: &TenantId, now: Timestamp) -> Result<Duration, Failure> {
    let lease = deps.sweeps.recall::<Lease>(tenant, "lease").await?.map(|(lease, _)| lease).unwrap_or_default();
    let since = match lease.finished_at {
        Some(finished) => finished,
        None => deps.connections.portal(tenant).await?.connected_at,
    };
    Ok(until(since, now))
}

type Swept = (u64, u64, Option<String>);

/// Sweeps one tenant, unless another worker does.
async fn sweep(deps: &Deps, tenant: &TenantId, now: Timestamp) -> Result<Option<Swept>, Failure> {
    let (lease, version) = match deps.sweeps.recall::<Lease>(tenant, "lease").await? {
        Some((lease, version)) => (lease, Some(version)),
        None => (Lease::default(), None),
    };
    if lease.until.is_some_and(|until| until > now) {
        return Ok(None);
    }
    let taken = Lease { until: Some(later(now, LEASE)), ..lease };
    let version = match deps.sweeps.remember(tenant, "lease", &taken, version).await {
        Ok(version) => version,
        Err(StoreError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (swept, hints, stopped) = match begin(deps, tenant, now).await {
        Ok(mut sweep) => {
            let stopped = sweep.run().await.err();
            (sweep.swept, sweep.hints, stopped)
        }
        Err(failure) => (0, 0, Some(failure)),
    };
    deps.sweeps.count(tenant, now, Counts { swept, ..Counts::default() }).await?;
    let stopped_by = stopped.as_ref().map(ToString::to_string);
    let finished_at = if stopped.is_none() { Some(deps.clock.now()) } else { taken.finished_at };
    let done = Lease { until: None, finished_at, stopped_by: stopped_by.clone() };
    match deps.sweeps.remember(tenant, "lease", &done, Some(version)).await {
        Ok(_) | Err(StoreError::Conflict(_)) => Ok(Some((swept, hints, stopped_by))),
        Err(error) => Err(error.into()),
    }
}

async fn begin<'a>(deps: &'a Deps, tenant: &TenantId, now: Timestamp) -> Result<Sweep<'a>, Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Sweep);
    let settings = portal.settings_as()?;
    Ok(Sweep { deps, portal, settings, client, now, agreed_now: now, swept: 0, hints: 0 })
}

impl Sweep<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let deps = self.deps;
        let tenant = self.portal.tenant.clone();
        baseline::fill(&deps.ports, &deps.connections, &tenant).await?;
        let mut first = Ok(());
        keep_first(&mut first, self.offline().await);
        for kind in subscriptions::swept(&self.settings) {
            keep_first(&mut first, self.records_of(kind).await);
        }
        let router = Router::new(Settings::clone(&self.settings));
        if [ChangeKind::CallMissed, ChangeKind::CallEnded].iter().any(|kind| router.has_route_for(kind)) {
            keep_first(&mut first, self.calls().await);
        }
        if router.has_route_for(&ChangeKind::TaskCommented) {
            keep_first(&mut first, self.comments().await);
        }
        first
    }

    fn tenant(&self) -> &TenantId {
        &self.portal.tenant
    }

    /// The portal's time is known. Records carry times of its clock: one that is behind must not make us believe that
    /// what is still to come has been looked at.
    fn note_time(&mut self, there: Option<Timestamp>) {
        self.agreed_now = there.map_or(self.agreed_now, |there| there.min(self.agreed_now));
    }

    /// The events of what happened until then have had time to arrive.
    fn until(&self) -> Timestamp {
        Timestamp::from_second((self.agreed_now - GRACE).as_second()).unwrap_or(self.agreed_now)
    }

    /// From when to look, after an earlier sweep that was complete until `complete`.
    fn since(&self, complete: Option<Timestamp>, overlap: SignedDuration) -> Timestamp {
        let first = || baseline::watched_from(self.portal.connected_at, self.now);
        complete.map_or_else(first, |complete| (complete - overlap).max(self.portal.connected_at))
    }
}

/// One kind that cannot be swept keeps no other from being swept; a missing right is not a failure of the sweep.
fn keep_first(first: &mut Result<(), Failure>, result: Result<(), Failure>) {
    match result {
        Err(failure) if baseline::is_not_for_us(&failure) => {
            tracing::warn!(%failure, "this cannot be swept; give the webhook the right");
        }
        Err(failure) if first.is_ok() => *first = Err(failure),
        _ => {}
    }
}
