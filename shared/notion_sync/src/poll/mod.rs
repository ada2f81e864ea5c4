//! Finds edits in Notion of which no webhook arrived, and checks that the databases are still usable.
//!
//! Notion's times are whole minutes: an edit later in a minute that was already read does not move the row's time. So
//! each poll begins two minutes before the latest one that it has seen, and a row counts only if its values differ from
//! what both sides agreed on.

mod rows;

use std::time::Duration;

use clients::Failure;
use crm::sweeps::POLL;
use futures::StreamExt;
use runtime::TenantId;
use runtime::clock::later;
use runtime::limiter::Priority;
use serde::Serialize;
use tenants::rounds::Round;

use crate::NotionSync;
use crate::runs::RunRequest;

/// Tenants that are polled in parallel.
const AT_ONCE: usize = 32;
/// How long a poll begins with further tenants; the next one begins with those that are left. Polls are 30 seconds apart.
const BEGINS_FOR: Duration = Duration::from_secs(20);
/// One worker polls a tenant at a time. It renews the lease for each database, and no run of the function is longer.
const LEASE: Duration = Duration::from_secs(90);

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct PollReport {
    /// Databases that were polled.
    pub databases: usize,
    /// Rows that were checked.
    pub rows: usize,
    /// Signals made for edits of which no webhook had arrived.
    pub signals: usize,
    /// What could not be polled, and why; the next run tries again.
    pub stopped: Vec<String>,
    /// The age of the oldest poll among all tenants, in seconds.
    pub late: u64,
    /// Tenants that were left to the next poll.
    pub left: usize,
}

/// Polls all tenants once.
pub async fn poll(sync: &NotionSync) -> PollReport {
    let round = match Round::begin(&sync.backend, "notion-poll", BEGINS_FOR).await {
        Ok(round) => round,
        Err(error) => return PollReport { stopped: vec![error.to_string()], ..PollReport::default() },
    };
    let polls = futures::stream::iter(round.turns()).map(|tenant| async move {
        let polled = leased(sync, &tenant).await;
        (tenant, polled)
    });
    let mut report = PollReport::default();
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
    drop(done);
    match round.end().await {
        Ok(left) => report.left = left,
        Err(error) => report.stopped.push(error.to_string()),
    }
    report
}

/// Polls a tenant, unless another worker does.
async fn leased(sync: &NotionSync, tenant: &TenantId) -> Result<PollReport, Failure> {
    let portal = sync.connections.portal(tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    if portal.notion.is_none() || settings.notion.databases.is_empty() {
        return Ok(PollReport::default());
    }
    let now = sync.now();
    let Some(mut lease) = sync.sweeps.take_lease(tenant, POLL, now, later(now, LEASE)).await? else {
        return Ok(PollReport::default());
    };
    let mut report = PollReport::default();
    for (index, database) in settings.notion.databases.iter().enumerate() {
        if index > 0 && !lease.renew(later(sync.now(), LEASE)).await? {
            return Ok(report);
        }
        match of_database(sync, tenant, &database.name).await {
            Ok((rows, signals)) => {
                report.databases += 1;
                report.rows += rows;
                report.signals += signals;
            }
            Err(failure) => report.stopped.push(format!("{}: {failure}", database.name)),
        }
    }
    let stopped_by = (!report.stopped.is_empty()).then(|| report.stopped.join("; "));
    let finished_at = lease.end(sync.now(), stopped_by).await?;
    let since = finished_at.unwrap_or(portal.connected_at);
    report.late = runtime::clock::until(since, sync.now()).as_secs();
    Ok(report)
}

async fn of_database(sync: &NotionSync, tenant: &TenantId, name: &str) -> Result<(usize, usize), Failure> {
    let mut opened = match sync.open(tenant, name).await? {
        crate::database::Open::Ready(opened) => opened,
        // It was reported when it was detected; nothing is retried over and over.
        crate::database::Open::Closed(_) => return Ok((0, 0)),
    };
    opened.notion = opened.notion.in_lane(Priority::Sweep);
    make_up(sync, tenant, name).await?;
    rows::poll(sync, &opened).await
}

/// Makes up for edits that were missed while the database, or a mapping of it, could not be used: by a run over all of
/// it.
async fn make_up(sync: &NotionSync, tenant: &TenantId, name: &str) -> Result<(), Failure> {
    let missed = sync.stored(tenant, name).await?.and_then(|known| known.missed_since);
    if let Some(since) = missed {
        let wanted = RunRequest { dry: false, since: Some(since), by: "the sync, after a rest" };
        sync.start(tenant, name, &wanted).await?;
        sync.made_up(tenant, name).await?;
    }
    Ok(())
}
