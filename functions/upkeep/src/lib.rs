//! Regular care of every tenant: events that the routes need are bound, access is renewed, silence is noticed, links of
//! people who left are ended, and deletions of tenants that left go on if their jobs were lost.

mod bot;
mod people;

use std::time::Duration;

use clients::{Connections, Failure};
use crm::subscriptions::EventAddress;
use crm::{Crm, subscriptions};
use futures::StreamExt;
use jiff::Timestamp;
use locale::{Localized, texts};
use notifications::alert::Alert;
use notifications::{access, alert, silence};
use runtime::limiter::Priority;
use runtime::metrics::Unit;
use runtime::{Backend, DeliveryId, SettingsError, TenantId, UNREADABLE_SETTINGS};
use serde::Serialize;
use settings::Settings;
use tenants::portals::Portal;
use tenants::rounds::Round;
use user_mapping::TenantContext;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Tenants that are handled in parallel.
const AT_ONCE: usize = 32;
/// How long a run begins with further tenants; the next run begins with those that are left. On AWS the function is stopped
/// after 240 seconds.
const BEGINS_FOR: Duration = Duration::from_secs(150);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    crm: Crm,
    context: TenantContext,
    /// Where providers reach us: `https://switchboard.example`.
    public_url: Option<String>,
}

impl Deps {
    /// The function on `backend`. Events are bound to `public_url`; without one they are only compared.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        let public_url = public_url.filter(|url| !url.is_empty()).map(|url| url.trim_end_matches('/').to_owned());
        Self {
            context: TenantContext::new(backend, connections.clone()),
            crm: Crm::new(backend, connections),
            public_url,
        }
    }

    /// The address to which a portal sends its events.
    async fn handler(&self, tenant: &TenantId) -> Result<Option<EventAddress>, Failure> {
        let Some(url) = &self.public_url else { return Ok(None) };
        let ours = format!("{url}/webhooks/");
        Ok(Some(EventAddress { url: self.crm.connections.hook_url(tenant, url).await?, ours }))
    }
}

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct UpkeepReport {
    /// Tenants that were handled.
    pub tenants: usize,
    /// Tenants that were left to the next run.
    pub left: usize,
    /// Events that were bound or unbound.
    pub repaired: usize,
    /// Tenants whose expected events do not arrive.
    pub silent: usize,
    /// Tokens that cannot be renewed, or that end because they were unused for too long.
    pub ending: usize,
    /// Sides of tenants whose credentials are rejected.
    pub in_trouble: usize,
    /// Departed tenants of which some data is left.
    pub leaving: usize,
    /// Departed tenants for whose deletion a job was sent.
    pub resumed: usize,
    /// What failed, and why.
    pub failed: Vec<String>,
}

/// Looks after all tenants, and has what is left of departed ones deleted.
pub async fn handle(deps: &Deps, now: Timestamp) -> UpkeepReport {
    let (report, left) = futures::join!(look_after_all(deps, now), let_leave(deps));
    UpkeepReport {
        leaving: left.leaving,
        resumed: left.resumed,
        failed: report.failed.iter().chain(&left.failed).cloned().collect(),
        ..report
    }
}

/// Has what is left of departed tenants deleted. On one machine this runs separately, more often than the rest.
pub async fn let_leave(deps: &Deps) -> UpkeepReport {
    let found = match tenants::departure::bring_back(&deps.crm.backend).await {
        Ok(found) => found,
        Err(error) => {
            return UpkeepReport { failed: vec![format!("tenants that left: {error}")], ..UpkeepReport::default() };
        }
    };
    // Also if there are none: without a value, an alarm cannot see that all is well.
    measure(deps, "late_departures", found.late);
    UpkeepReport { leaving: found.open, resumed: found.sent, ..UpkeepReport::default() }
}

fn measure(deps: &Deps, name: &'static str, number: usize) {
    deps.crm.backend.metrics.measure(name, f64::from(u32::try_from(number).unwrap_or(u32::MAX)), Unit::Count);
}

async fn look_after_all(deps: &Deps, now: Timestamp) -> UpkeepReport {
    let round = match Round::begin(&deps.crm.backend, "upkeep", BEGINS_FOR).await {
        Ok(round) => round,
        Err(error) => return UpkeepReport { failed: vec![error.to_string()], ..UpkeepReport::default() },
    };
    let looked_after = futures::stream::iter(round.turns()).map(|tenant| async move {
        let done = look_after(deps, &tenant, now).await;
        (tenant, done)
    });
    let mut report = UpkeepReport::default();
    let mut done = looked_after.buffer_unordered(AT_ONCE);
    while let Some((tenant, done)) = done.next().await {
        report.tenants += 1;
        match access::standing(&deps.crm.connections, &tenant, now).await {
            Ok((ending, in_trouble)) => {
                report.ending += ending;
                report.in_trouble += in_trouble;
            }
            Err(failure) => report.failed.push(format!("{tenant}: {failure}")),
        }
        match done {
            Ok((repaired, silent)) => {
                report.repaired += repaired;
                report.silent += usize::from(silent);
            }
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "a tenant could not be looked after; the next run tries again");
                report.failed.push(format!("{tenant}: {failure}"));
            }
        }
    }
    drop(done);
    match round.end().await {
        Ok(left) => report.left = left,
        Err(error) => report.failed.push(error.to_string()),
    }
    measure(deps, "silent_tenants", report.silent);
    measure(deps, "tokens_near_end", report.ending);
    measure(deps, "sides_in_trouble", report.in_trouble);
    report
}

/// Nothing works with settings that cannot be read: the operators are alerted, once for each such document.
async fn report_unreadable(deps: &Deps, portal: &Portal, error: &SettingsError) -> Result<(), Failure> {
    let document = DeliveryId::of(&[&portal.settings.to_string()]);
    let alert = Alert {
        kind: UNREADABLE_SETTINGS,
        what: "settings",
        once: document.as_str(),
        again_after: DAY,
        head: texts::alerts::SETTINGS_UNREADABLE.into(),
        lines: vec![Localized::data(error)],
    };
    alert::raise(&deps.crm.backend, portal, &alert).await
}

async fn look_after(deps: &Deps, tenant: &TenantId, now: Timestamp) -> Result<(usize, bool), Failure> {
    let portal = deps.crm.connections.portal(tenant).await?;
    let settings = match portal.settings_as::<Settings>() {
        Ok(settings) => settings,
        Err(error) => {
            report_unreadable(deps, &portal, &error).await?;
            return Err(error.into());
        }
    };
    if !access::keep(&deps.crm.backend, &deps.crm.connections, deps.public_url.as_deref(), &portal).await? {
        // Nothing more can be done before someone connects it again.
        return Ok((0, false));
    }
    let client = deps.crm.connections.bitrix24(&portal).await?.in_lane(Priority::Sweep);
    let handler = if client.is_application() { deps.handler(tenant).await? } else { None };
    let state = subscriptions::keep(&deps.crm.backend, &portal, &settings, &client, handler.as_ref()).await;
    bot::keep(deps, tenant).await?;
    people::keep(deps, tenant, &portal).await?;
    let watch = silence::Watch { crm: &deps.crm, portal: &portal, settings: &settings, client: &client, now };
    let silent = watch.notice(&state).await?;
    Ok((state?.repairs(), silent))
}
