//! Runs the schedules of tenants: digests, syncs, reports.
//!
//! It is called every minute. Each moment is claimed once, by the first worker that notes it; of moments that were
//! missed while nothing ran, the last one is made up for, if it is recent.

use std::time::Duration;

use clients::{Connections, ErrorClass, Failure};
use crm::sweeps::Sweeps;
use futures::StreamExt;
use jiff::Timestamp;
use locale::Localized;
use notifications::alert::Alert;
use notifications::{alert, reports};
use notion_sync::NotionSync;
use notion_sync::runs::RunRequest;
use runtime::clock::{MAX_OWN_SKEW, later, until};
use runtime::ledger::Ledger;
use runtime::store::StoreError;
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};
use settings::Settings;
use settings::robots::{Robot, ScheduleAction};
use tenants::portals::Portal;
use tenants::rounds::Round;

/// Tenants that are handled in parallel.
const AT_ONCE: usize = 32;
/// How long a run begins with further tenants; the next run, a minute later, begins with those that are left.
const BEGINS_FOR: Duration = Duration::from_secs(45);
/// A moment that is older than this is skipped.
const LATEST: Duration = Duration::from_secs(60 * 60);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    backend: Backend,
    connections: Connections,
    mirror: NotionSync,
    ledger: Ledger,
    sweeps: Sweeps,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            mirror: NotionSync::new(backend, connections.clone()),
            ledger: Ledger::new(backend.store.clone()),
            sweeps: Sweeps::new(backend.store.clone()),
            backend: backend.clone(),
            connections,
        }
    }
}

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulesReport {
    /// Schedules that did something.
    pub ran: usize,
    /// What failed, and why.
    pub failed: Vec<String>,
}

/// What is stored of a schedule.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct ScheduleMemory {
    /// Moments up to this one are finished.
    until: Timestamp,
    /// The last moment at which it did something.
    #[serde(default)]
    ran: Option<Timestamp>,
}

/// Runs the schedules of all tenants.
pub async fn handle(deps: &Deps, now: Timestamp) -> SchedulesReport {
    let round = match Round::begin(&deps.backend, "schedules", BEGINS_FOR).await {
        Ok(round) => round,
        Err(error) => return SchedulesReport { failed: vec![error.to_string()], ..SchedulesReport::default() },
    };
    let runs =
        futures::stream::iter(round.turns()).map(|tenant| async move { (run_due(deps, &tenant, now).await, tenant) });
    let mut report = SchedulesReport::default();
    let mut runs = runs.buffer_unordered(AT_ONCE);
    while let Some((done, tenant)) = runs.next().await {
        match done {
            Ok((ran, failed)) => {
                report.ran += ran;
                report.failed.extend(failed);
            }
            Err(failure) => report.failed.push(format!("{tenant}: {failure}")),
        }
    }
    drop(runs);
    if let Err(error) = round.end().await {
        report.failed.push(error.to_string());
    }
    report
}

async fn run_due(deps: &Deps, tenant: &TenantId, now: Timestamp) -> Result<(usize, Vec<String>), Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let settings = portal.settings_as::<Settings>()?;
    let (mut ran, mut failed) = (0, Vec::new());
    for robot in &settings.robots {
        match run(deps, &portal, &settings, robot, now).await {
            Ok(did) => ran += usize::from(did),
            Err(failure) => {
                tracing::warn!(%tenant, robot = robot.name, %failure, "a robot could not do its work");
                failed.push(format!("{tenant}: {}: {failure}", robot.name));
            }
        }
    }
    Ok((ran, failed))
}

/// Runs a schedule if one of its moments has come; returns whether it did.
async fn run(
    deps: &Deps,
    portal: &Portal,
    settings: &Settings,
    robot: &Robot,
    now: Timestamp,
) -> Result<bool, Failure> {
    let (tenant, name) = (&portal.tenant, format!("robot#{}", robot.name));
    let known = deps.sweeps.recall::<ScheduleMemory>(tenant, &name).await?;
    let Some((memory, version)) = known else {
        // Moments before it was created do not count.
        return match deps.sweeps.remember(tenant, &name, &ScheduleMemory { until: now, ran: None }, None).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        };
    };
    if memory.until > later(now, MAX_OWN_SKEW) {
        // The clock was ahead, and is right again: moments count from now on.
        let next = ScheduleMemory { until: now, ran: memory.ran.filter(|ran| *ran <= now) };
        return match deps.sweeps.remember(tenant, &name, &next, Some(version)).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        };
    }
    let zone = settings.zone();
    let mut due = None;
    // Old moments are not tried one by one.
    let mut at = memory.until.max(now - jiff::SignedDuration::from_hours(25));
    while let Some(next) = robot.next_after(at, &zone).filter(|next| *next <= now) {
        due = Some(next);
        at = next;
    }
    let Some(moment) = due else { return Ok(false) };
    let next = ScheduleMemory { until: moment, ran: Some(moment) };
    let noted = match deps.sweeps.remember(tenant, &name, &next, Some(version)).await {
        Ok(noted) => noted,
        // Another worker has claimed the moment.
        Err(StoreError::Conflict(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if until(later(moment, LATEST), now) > Duration::ZERO {
        tracing::warn!(%tenant, robot = robot.name, %moment, "a robot's moment was missed by more than an hour; it is left out");
        return Ok(false);
    }
    tracing::info!(%tenant, robot = robot.name, %moment, "a robot runs");
    let since = memory.ran.unwrap_or(memory.until);
    match act(deps, portal, settings, robot, moment, since, now).await {
        Ok(()) => Ok(true),
        Err(failure) => {
            if !matches!(failure.class, ErrorClass::Permanent { .. }) {
                // It is tried again in a minute. If this cannot be noted either, the moment is lost.
                deps.sweeps.remember(tenant, &name, &memory, Some(noted)).await?;
            }
            Err(failure)
        }
    }
}

async fn act(
    deps: &Deps,
    portal: &Portal,
    settings: &Settings,
    robot: &Robot,
    moment: Timestamp,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let lines = match robot.run {
        ScheduleAction::Sync => return sync(deps, portal, settings, robot).await,
        ScheduleAction::Status => {
            let conflicts = deps.mirror.conflicts.latest(&portal.tenant, 50).await?.len();
            reports::status(&deps.ledger, &deps.connections, portal, conflicts, now).await?
        }
        ScheduleAction::Digest => reports::digest(&deps.ledger, portal, since, now).await?,
    };
    notify(deps, portal, settings, robot, moment, lines).await
}

async fn sync(deps: &Deps, portal: &Portal, settings: &Settings, robot: &Robot) -> Result<(), Failure> {
    let running = deps.mirror.runs.latest(&portal.tenant, 100).await?;
    let by = format!("robot {}", robot.name);
    for database in &settings.notion.databases {
        let is_wanted = robot.database.as_ref().is_none_or(|wanted| *wanted == database.name);
        let goes_on = running.iter().any(|run| run.database == database.name && !run.has_ended());
        if is_wanted && !goes_on {
            let wanted = RunRequest { dry: false, since: None, by: &by };
            deps.mirror.start(&portal.tenant, &database.name, &wanted).await?;
        }
    }
    Ok(())
}

async fn notify(
    deps: &Deps,
    portal: &Portal,
    settings: &Settings,
    robot: &Robot,
    moment: Timestamp,
    lines: Vec<Localized>,
) -> Result<(), Failure> {
    let channel = robot.channel.as_deref().or(settings.operators.channel.as_deref());
    let Some(channel) = channel else {
        let text = format!("the robot {:?} names no channel, and there is no operators' channel", robot.name);
        return Err(Failure::permanent("no_channel", text));
    };
    let once = format!("{}#{moment}", robot.name);
    let again_after = Duration::from_secs(7 * 24 * 60 * 60);
    let head = Localized::data(&robot.name);
    let alert = Alert { kind: "robot", what: &robot.name, once: &once, again_after, head, lines };
    alert::raise_in(&deps.backend, portal, &alert, Some(settings.channel(channel))).await
}
