//! A tenant's overview: what is connected, what waits, what was lost and found, and alarms with a link to their fix.

use std::time::Duration;

use clients::{ConnectionSide, ConnectionTrouble, Connections, Failure, TokenState};
use crm::sweeps::{POLL, SWEEP, Subscriptions, SweepCounts, Sweeps};
use jiff::Timestamp;
use jobs::queues;
use locale::{Localized, texts};
use notion_sync::NotionSync;
use runtime::ledger::Ledger;
use runtime::limiter::Usage;
use runtime::queue::{Depth, QueueName};
use runtime::{Backend, clock};
use serde::{Deserialize, Serialize};
use settings::Settings;
use settings::databases::Plan;
use tenants::portals::Portal;

use crate::dead_letters::{Letters, Which};
use crate::hours;
use crate::hours::LastDay;

/// What waits longer than this is an alarm.
const LATE: Duration = Duration::from_secs(15 * 60);
/// A sweep that has not finished for this long is late: it runs every five minutes.
const SWEEP_LATE: Duration = Duration::from_secs(20 * 60);
/// A poll that has not finished for this long is late: it runs every half a minute.
const POLL_LATE: Duration = Duration::from_secs(5 * 60);

/// A tenant's connection to one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connection {
    pub side: ConnectionSide,
    /// What it is connected to; `None` if it is not connected.
    pub to: Option<String>,
    /// Since when and why its access is rejected.
    pub trouble: Option<ConnectionTrouble>,
    /// Missing scopes, with what each is for.
    pub lacks: Vec<(String, String)>,
    /// When its access token expires and is renewed, if it does.
    pub token_ends: Option<Timestamp>,
    /// How much of the provider's limit is used.
    pub usage: Option<Usage>,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What is wrong.
    #[serde(serialize_with = "crate::doctor::english")]
    pub what: Localized,
    /// What to do about it.
    #[serde(serialize_with = "crate::doctor::english")]
    pub fix: Localized,
    /// The page that shows it.
    pub page: &'static str,
    /// Whether it keeps something from being delivered; otherwise it can wait.
    pub is_urgent: bool,
}

/// A tenant's overview.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The three sides.
    pub connections: Vec<Connection>,
    /// The deployment's queues.
    pub queues: Vec<(QueueName, Depth)>,
    /// The tenant's dead letters.
    pub dead: usize,
    pub day: LastDay,
    /// What was lost and swept today.
    pub lost: SweepCounts,
    /// The state of the subscriptions.
    pub subscriptions: Subscriptions,
    /// When the sweep last finished.
    pub swept_at: Option<Timestamp>,
    /// When the poll of Notion last finished, if there is something to poll.
    pub polled_at: Option<Timestamp>,
    /// What needs attention; empty if nothing is wrong.
    pub alarms: Vec<Alarm>,
}

#[derive(Debug, Default, Deserialize)]
struct Silence {
    #[serde(default)]
    since: Option<Timestamp>,
}

/// Reads everything; no provider is asked.
pub async fn read(
    backend: &Backend,
    connections: &Connections,
    mirror: &NotionSync,
    portal: &Portal,
) -> Result<Overview, Failure> {
    let (tenant, now) = (&portal.tenant, backend.clock.now());
    // Settings that cannot be read are an alarm, not the end of the page.
    let read = portal.settings_as::<Settings>();
    let settings = read.clone().unwrap_or_default();
    let sweeps = Sweeps::new(backend.store.clone());
    let ledger = Ledger::new(backend.store.clone());
    let letters = Letters { backend, tenant: Some(tenant) };
    let lease = sweeps.lease(tenant, SWEEP).await?.unwrap_or_default();
    let poll = sweeps.lease(tenant, POLL).await?;
    let silence = sweeps.recall::<Silence>(tenant, "silence").await?.and_then(|(silence, _)| silence.since);
    let mut queues = Vec::new();
    let mut dead = 0;
    for queue in queues::ALL {
        let depth = backend.queue.depth(queue).await.map_err(|error| Failure::transient(error.to_string()))?;
        if depth.dead > 0 {
            let of_queue = Which { queue: Some(queue), ..Which::default() };
            dead += letters.list(&of_queue).await.map_err(|error| Failure::transient(error.to_string()))?.len();
        }
        queues.push((queue, depth));
    }
    let subscriptions = sweeps.recall::<Subscriptions>(tenant, "subscriptions").await?;
    let mut overview = Overview {
        connections: sides(connections, portal, &settings).await?,
        queues,
        dead,
        day: hours::count(&ledger, tenant, now).await?,
        lost: sweeps.counts(tenant, now).await?,
        subscriptions: subscriptions.map(|(state, _)| state).unwrap_or_default(),
        swept_at: lease.finished_at,
        polled_at: poll.as_ref().and_then(|poll| poll.finished_at),
        alarms: Vec::new(),
    };
    let mut alarms = alarms_of(&overview, portal, now);
    if let Err(error) = read {
        let fix = Localized::of(|_| texts::operations::ApplySettings { reason: error.to_string() });
        alarms.push(urgent(texts::operations::SETTINGS_UNREADABLE, fix, "/admin/settings"));
    }
    // A sweep that is stopped by the portal's rate goes on in the next run; one that never finishes is reported.
    let is_behind = clock::until(lease.finished_at.unwrap_or(portal.connected_at), now) > SWEEP_LATE;
    if let Some(cause) = lease.stopped_by.filter(|_| is_behind) {
        alarms.push(notice(texts::operations::SWEEPS_STOP, Localized::data(cause), "/admin/doctor"));
    }
    if let Some(since) = silence {
        let what = Localized::of(|_| texts::operations::Silence { since: at(since) });
        alarms.push(urgent(what, texts::operations::RUN_CHECKS, "/admin/doctor"));
    }
    let polls = !settings.notion.databases.is_empty() && portal.notion.is_some();
    if polls && poll.is_some_and(|poll| poll.finished_at.is_none_or(|done| clock::until(done, now) > POLL_LATE)) {
        alarms.push(notice(texts::operations::POLL_LATE, texts::operations::SEE_NOTION_PAGE, "/admin/notion"));
    }
    for database in &settings.notion.databases {
        let Some(known) = mirror.stored(tenant, &database.name).await? else { continue };
        if let Some(closed) = known.closed {
            let what = Localized::of(|_| texts::operations::DatabasePaused { database: database.name.as_str() });
            alarms.push(urgent(what, closed.text, "/admin/notion"));
        }
        for trouble in known.troubles {
            let (database, field) = (database.name.as_str(), trouble.field.as_str());
            let what = Localized::of(|_| texts::operations::FieldPaused { database, field });
            alarms.push(notice(what, trouble.text, "/admin/notion"));
        }
    }
    alarms.extend(attention(mirror.attention.count(tenant).await?));
    alarms.sort_by_key(|alarm| !alarm.is_urgent);
    overview.alarms = alarms;
    Ok(overview)
}

/// What could not be synced.
fn attention((number, more): (usize, bool)) -> Option<Alarm> {
    let count = number as u64;
    let what = match (count, more) {
        (0, _) => return None,
        (_, false) => Localized::of(|_| texts::operations::NotSynced { count }),
        (_, true) => Localized::of(|_| texts::operations::NotSyncedOrMore { count }),
    };
    Some(urgent(what, texts::operations::SEE_ATTENTION_PAGE, "/admin/notion/attention"))
}

fn at(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn urgent(what: impl Into<Localized>, fix: impl Into<Localized>, page: &'static str) -> Alarm {
    Alarm { what: what.into(), fix: fix.into(), page, is_urgent: true }
}

fn notice(what: impl Into<Localized>, fix: impl Into<Localized>, page: &'static str) -> Alarm {
    Alarm { is_urgent: false, ..urgent(what, fix, page) }
}

fn alarms_of(overview: &Overview, portal: &Portal, now: Timestamp) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = overview.connections.iter().flat_map(alarms_of_connection).collect();
    if portal.slack.is_none() {
        alarms.push(urgent(texts::operations::SLACK_NOT_CONNECTED, texts::operations::CONNECT_SLACK, "/install"));
    }
    if overview.dead > 0 {
        let what = Localized::of(|_| texts::operations::FailedDeliveries { count: overview.dead as u64 });
        alarms.push(urgent(what, texts::operations::RETRY_FAILED, "/admin/dead"));
    }
    if let Some((_, since)) = &overview.day.oldest
        && clock::until(*since, now) > LATE
    {
        let what = Localized::of(|_| texts::operations::Waits { since: at(*since) });
        alarms.push(notice(what, texts::operations::SEE_ITS_LINE, "/admin/events?status=waiting"));
    }
    if overview.swept_at.is_some_and(|done| clock::until(done, now) > SWEEP_LATE) {
        alarms.push(notice(texts::operations::SWEEP_LATE, texts::operations::SEE_SWEEP_LOG, "/admin/doctor"));
    }
    if overview.lost.conditions_failed > 0 {
        let count = overview.lost.conditions_failed;
        let what = Localized::of(|_| texts::operations::ConditionsFailed { count });
        alarms.push(notice(what, texts::operations::FIX_CONDITION, "/admin/events?q=condition"));
    }
    for refused in &overview.subscriptions.refused {
        alarms.push(urgent(texts::operations::EVENTS_NOT_BOUND, Localized::data(refused), "/admin/doctor"));
    }
    alarms
}

fn alarms_of_connection(connection: &Connection) -> Vec<Alarm> {
    let (side, mut alarms) = (connection.side, Vec::new());
    if let Some(trouble) = &connection.trouble {
        let what = Localized::of(|language| texts::operations::AccessRejected {
            provider: side.title(language).to_owned(),
            since: at(trouble.since),
            reason: trouble.why.clone(),
        });
        alarms.push(urgent(what, texts::operations::RECONNECT, "/install"));
    }
    let (down_since, parked_until) =
        connection.usage.map_or((None, None), |usage| (usage.down_since, usage.parked_until));
    if let Some(since) = down_since.filter(|_| connection.trouble.is_none()) {
        let what = Localized::of(|language| texts::operations::NotAnswering {
            provider: side.title(language).to_owned(),
            since: at(since),
        });
        alarms.push(notice(what, texts::operations::GOES_ON_BY_ITSELF, "/admin/events"));
    }
    if let Some(until) = parked_until.filter(|_| down_since.is_none()) {
        let what = Localized::of(|language| texts::operations::AskedForPause {
            provider: side.title(language).to_owned(),
            until: at(until),
        });
        alarms.push(notice(what, texts::operations::NOTHING_TO_DO, "/admin/events"));
    }
    if !connection.lacks.is_empty() {
        let names: Vec<_> = connection.lacks.iter().map(|(scope, _)| scope.as_str()).collect();
        let what = Localized::of(|language| texts::operations::LacksRights {
            provider: side.title(language).to_owned(),
            scopes: names.join(", "),
        });
        alarms.push(notice(what, texts::operations::ALLOW_AND_RECONNECT, "/install"));
    }
    alarms
}

async fn sides(connections: &Connections, portal: &Portal, settings: &Settings) -> Result<Vec<Connection>, Failure> {
    let troubles = connections.troubles(&portal.tenant).await?;
    let standings = connections.token_standings(&portal.tenant).await?;
    let a_minute = if settings.notion.plan == Plan::Business { 600 } else { 180 };
    let usage = connections.usage(portal, a_minute).await?;
    let side = |side: ConnectionSide| {
        let (to, lacks) = match side {
            ConnectionSide::Bitrix24 => {
                let given = portal.application.as_ref().map(|application| application.scopes.as_slice());
                (
                    Some(portal.domain.clone()),
                    clients::scopes::lacking(&clients::scopes::BITRIX24, given.unwrap_or_default()),
                )
            }
            ConnectionSide::Slack => {
                let named = |slack: &tenants::portals::SlackConnection| {
                    if slack.team.is_empty() { slack.team_id.clone() } else { slack.team.clone() }
                };
                let given = portal.slack.as_ref().map(|slack| slack.scopes.as_slice()).unwrap_or_default();
                (portal.slack.as_ref().map(named), clients::scopes::lacking(&clients::scopes::SLACK, given))
            }
            ConnectionSide::Notion => (portal.notion.as_ref().map(|notion| notion.workspace.clone()), Vec::new()),
        };
        let is_of = |standing: &&TokenState| standing.slot.name() == side.name();
        Connection {
            side,
            to,
            trouble: troubles.iter().find(|trouble| trouble.side == side).cloned(),
            lacks: lacks.into_iter().map(|(scope, why)| (scope.to_owned(), Localized::from(why).to_string())).collect(),
            token_ends: standings.iter().find(is_of).and_then(|standing| standing.expires_at),
            usage: usage.iter().find(|(of, _)| *of == side).map(|(_, usage)| *usage),
        }
    };
    Ok(ConnectionSide::ALL.into_iter().map(side).collect())
}
