//! Finds edits in Notion of which no webhook arrived, and checks that the databases are still usable.
//!
//! A schedule calls it every minute; it polls twice, half a minute apart. Notion's times are whole minutes: an edit
//! later in a minute that was already read does not move the row's time. So each poll begins two minutes before the
//! latest one that it has seen, and a row counts only if its values differ from what both sides agreed on.

mod rows;

use std::sync::Arc;
use std::time::Duration;

use clients::{Connections, Failure};
use crm::sweeps::{POLL, Sweeps};
use futures::StreamExt;
use jiff::Timestamp;
use notion_sync::NotionSync;
use notion_sync::runs::Wanted;
use runtime::clock::{Clock, later};
use runtime::limiter::Priority;
use runtime::links::Records;
use runtime::metrics::Unit;
use runtime::{Ports, TenantId};
use serde::Serialize;

/// Tenants that are polled side by side.
const AT_ONCE: usize = 8;
/// One worker polls a tenant at a time. It renews the lease for each database, and no run of the function is longer.
const LEASE: Duration = Duration::from_secs(90);
/// The two polls of a run are so far apart.
const APART: Duration = Duration::from_secs(30);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    mirror: NotionSync,
    records: Records,
    sweeps: Sweeps,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers.
    pub fn new(ports: &Ports, connections: Connections) -> Self {
        Self {
            mirror: NotionSync::new(ports, connections),
            records: Records::new(ports.store.clone()),
            sweeps: Sweeps::new(ports.store.clone()),
            clock: ports.clock.clone(),
        }
    }
}

/// What a run did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Databases that were polled.
    pub databases: usize,
    /// Rows that were looked at.
    pub rows: usize,
    /// Signals made for edits of which no webhook had arrived.
    pub signals: usize,
    /// What could not be polled, and why; the next run tries again.
    pub stopped: Vec<String>,
    /// How long ago the poll that is most behind came to its end, in seconds.
    pub late: u64,
}

/// Polls all tenants, twice.
pub async fn handle(deps: &Deps, now: Timestamp) -> Report {
    let mut report = poll(deps).await;
    let second = later(now, APART);
    let wait = runtime::clock::until(deps.clock.now(), second);
    if !wait.is_zero() {
        deps.clock.sleep(wait).await;
    }
    let again = poll(deps).await;
    report.rows += again.rows;
    report.signals += again.signals;
    report.stopped.extend(again.stopped);
    report.late = again.late;
    let late = f64::from(u32::try_from(report.late).unwrap_or(u32::MAX));
    deps.mirror.ports.metrics.measure("poll_lag", late, Unit::Seconds);
    report
}

/// Polls all tenants once.
pub async fn poll(deps: &Deps) -> Report {
    let tenants = match deps.mirror.connections.portals().tenants().await {
        Ok(tenants) => tenants,
        Err(error) => return Report { stopped: vec![error.to_string()], ..Report::default() },
    };
    let polls = futures::stream::iter(tenants).map(|tenant| async move {
        let polled = leased(deps, &tenant).await;
        (tenant, polled)
    });
    let mut report = Report::default();
    let mut done = polls.buffer_unordered(AT_ONCE);
    while let Some((tenant, polled)) = done.next().await {
        match polled {
            Ok(of_tenant) => {
                report.late = report.late.max(of_tenant.late);
                report.databases += of_tenant.databases;
                report.rows += of_tenant.rows;
                report.signals += of_tenant.signals;
                report.stopped.extend(of_tenant.stopped.into_iter().map(|cause| format!("{tenant}: {cause}")));
            }
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the poll stopped; the next run goes on");
                report.stopped.push(format!("{tenant}: {failure}"));
            }
        }
    }
    report
}

/// Polls a tenant, unless another worker does.
async fn leased(deps: &Deps, tenant: &TenantId) -> Result<Report, Failure> {
    let portal = deps.mirror.connections.portal(tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    if portal.notion.is_none() || settings.notion.databases.is_empty() {
        return Ok(Report::default());
    }
    let now = deps.clock.now();
    let Some(mut lease) = deps.sweeps.take_lease(tenant, POLL, now, later(now, LEASE)).await? else {
        return Ok(Report::default());
    };
    let mut report = Report::default();
    for (place, database) in settings.notion.databases.iter().enumerate() {
        if place > 0 && !lease.renew(later(deps.clock.now(), LEASE)).await? {
            return Ok(report);
        }
        match of_database(deps, tenant, &database.name).await {
            Ok((rows, signals)) => {
                report.databases += 1;
                report.rows += rows;
                report.signals += signals;
            }
            Err(failure) => report.stopped.push(format!("{}: {failure}", database.name)),
        }
    }
    let stopped_by = (!report.stopped.is_empty()).then(|| report.stopped.join("; "));
    let finished_at = lease.end(deps.clock.now(), stopped_by).await?;
    let since = finished_at.unwrap_or(portal.connected_at);
    report.late = runtime::clock::until(since, deps.clock.now()).as_secs();
    Ok(report)
}

async fn of_database(deps: &Deps, tenant: &TenantId, name: &str) -> Result<(usize, usize), Failure> {
    let mut opened = match deps.mirror.open(tenant, name).await? {
        notion_sync::database::Open::Ready(opened) => opened,
        // It is said where it was found out; nothing is tried again and again.
        notion_sync::database::Open::Closed(_) => return Ok((0, 0)),
    };
    opened.notion = opened.notion.in_lane(Priority::Sweep);
    make_up(deps, tenant, name).await?;
    rows::poll(deps, &opened).await
}

/// What was missed while the database, or a mapping of it, could not be used is made up for by a run over all of it.
async fn make_up(deps: &Deps, tenant: &TenantId, name: &str) -> Result<(), Failure> {
    let missed = deps.mirror.stored(tenant, name).await?.and_then(|known| known.missed_since);
    if let Some(since) = missed {
        let wanted = Wanted { dry: false, since: Some(since), by: "the sync, after a rest" };
        deps.mirror.start(tenant, name, &wanted).await?;
        deps.mirror.made_up(tenant, name).await?;
    }
    Ok(())
}
