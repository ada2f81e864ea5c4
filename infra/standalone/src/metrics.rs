//! `/metrics`: what is counted and measured, as Prometheus reads it. The names are those of CloudWatch, with `switchboard_`
//! before them; what AWS itself measures there (queues, functions, the API) has names here.

use std::fmt::Write as _;
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use clients::ConnectionSide;
use jiff::Timestamp;
use jobs::queues;
use runtime::clock::until;
use runtime::metrics::Counters;
use runtime::outage::Outage;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::credentials::{CredentialState, CredentialStates};
use crate::engine::Engine;
use crate::health::{Health, Readiness};
use crate::host_metrics::{BUCKETS, HostMetrics};

/// What every name begins with.
const PREFIX: &str = "switchboard_";
/// The version of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the database can take to say what it holds.
const MAX_READ: Duration = Duration::from_secs(2);

/// A metric's name and its meaning.
type Described = (&'static str, &'static str);

/// What is counted, by `reason`.
pub const COUNTERS: &[Described] = &[
    ("access_ended", "Connections that a provider rejected, by side"),
    ("alerts_unsent", "Alerts to operators that could not be sent"),
    ("api_answered", "Requests of the API that were answered"),
    ("api_refused", "Requests of the API that were refused"),
    ("conditions_failed", "Conditions of routes that failed on a record"),
    ("connections_refused", "Connections that were not accepted"),
    ("events_accepted", "Events that were queued, by provider"),
    ("events_echoed", "Events about our own messages"),
    ("events_ignored", "Events that nothing uses"),
    ("events_left_out", "Times that Slack said it left events out"),
    ("events_refused", "Events of Bitrix24 that were refused"),
    ("function_failures", "Runs of a function that ended in a panic, by function"),
    ("http_responses", "Answers at the public address, by class of status"),
    ("installs_refused", "Installations that were refused"),
    ("jobs", "Jobs by outcome"),
    ("notion_refused", "Webhooks of Notion that were refused"),
    ("requests_refused", "Requests that were refused before a handler saw them"),
    ("sign_ins_refused", "Sign-ins that were refused"),
    ("slack_refused", "Requests of Slack that were refused"),
    ("sync_conflicts", "Conflicts between a record and its page"),
    ("sync_pages_made", "Pages made for records"),
    ("sync_writes", "Writes of the sync"),
    ("token_renewals", "Renewals of tokens by outcome"),
];

/// What is measured now and then; the value is the last one.
pub const MEASURES: &[Described] = &[
    ("late_departures", "Tenants that left more than an hour ago and are not fully deleted"),
    ("poll_lag", "Seconds since the last finished poll of Notion"),
    ("sides_in_trouble", "Connections that a provider rejects"),
    ("silent_tenants", "Tenants from which no event arrives in business hours"),
    ("sweep_lag", "Seconds since the last finished sweep of a portal"),
    ("tokens_near_end", "Tokens that cannot be renewed, or expire within a month"),
];

/// The delay from arrival to delivery, in milliseconds.
const DELIVERY_LAG: &str = "delivery_lag";

/// The text that a scraper reads.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A gauge with a sample for each value of its label.
    fn gauge<'a>(&mut self, name: &str, help: &str, label: &str, samples: impl IntoIterator<Item = (&'a str, f64)>) {
        let name = format!("{PREFIX}{name}");
        self.describe(&name, "gauge", help);
        for (value, number) in samples {
            self.sample(&name, &[(label, value)], number);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[allow(clippy::cast_precision_loss)] // a count above 2^53 is shown rounded
fn number(count: u64) -> f64 {
    count as f64
}

fn yes(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// What a scrape reads.
#[derive(Clone)]
pub struct Exporter {
    /// The engine, with its counters.
    pub engine: Engine,
    /// The checks.
    pub health: Health,
    /// The credentials of the configuration.
    pub credentials: CredentialStates,
}

impl Exporter {
    /// The answer to a scrape.
    pub async fn answer(&self) -> Response {
        ([(CONTENT_TYPE, FORMAT)], self.text().await).into_response()
    }

    async fn text(&self) -> String {
        let mut text = Exposition::default();
        counters(&mut text, &self.engine.counters);
        measures(&mut text, &self.engine.measures);
        self.health_of(&mut text).await;
        // A database that does not answer takes away its own numbers only: the checks say why.
        if timeout(MAX_READ, self.queues(&mut text)).await.is_err() {
            tracing::warn!("the queues could not be measured in time");
        }
        self.accounts(&mut text).await;
        self.files(&mut text);
        process(&mut text);
        text.0
    }

    async fn health_of(&self, text: &mut Exposition) {
        let readiness = self.health.readiness().await;
        let is_well = |check: &str| readiness.failed.iter().all(|failed| failed.check != check);
        let checks = Readiness::CHECKS.map(|check| (check, yes(is_well(check))));
        text.gauge("ready", "Whether a check of /readyz holds", "check", checks);
        let name = format!("{PREFIX}clock_steps");
        text.describe(&name, "counter", "Steps of the clock of this machine since the start");
        text.sample(&name, &[], number(self.health.clock().steps()));
        let states = self.credentials.all();
        let accepted =
            states.iter().map(|(side, state)| (side.name(), yes(matches!(state, CredentialState::Accepted))));
        text.gauge(
            "credentials_accepted",
            "Whether a provider has accepted the credentials of the configuration since the start",
            "provider",
            accepted,
        );
    }

    async fn queues(&self, text: &mut Exposition) {
        let now = self.engine.backend.clock.now();
        let leased = self.engine.database.leased_messages().await.unwrap_or_default();
        let (mut waiting, mut dead, mut oldest, mut overdue) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for queue in queues::ALL {
            let Ok(depth) = self.engine.backend.queue.depth(queue).await else { continue };
            let age = depth.oldest.map_or(Duration::ZERO, |oldest| until(oldest, now));
            waiting.push((queue.name(), number(depth.waiting)));
            dead.push((queue.name(), number(depth.dead)));
            oldest.push((queue.name(), age.as_secs_f64()));
            overdue.push((queue.name(), self.health.overdue(queue).await.unwrap_or_default().as_secs_f64()));
        }
        let out =
            queues::ALL.map(|queue| (queue.name(), number(leased.get(queue.name()).copied().unwrap_or_default())));
        text.gauge("queue_messages", "Messages that wait or are worked", "queue", waiting);
        text.gauge("queue_dead_letters", "Failed deliveries", "queue", dead);
        text.gauge("queue_oldest_seconds", "Age of the event behind the oldest message", "queue", oldest);
        text.gauge("queue_overdue_seconds", "How long a message has been ready without a worker", "queue", overdue);
        text.gauge("queue_leased_messages", "Messages that are worked now", "queue", out);
    }

    /// How many accounts at providers are paused.
    async fn accounts(&self, text: &mut Exposition) {
        let now = self.engine.backend.clock.now();
        let mut limits = Vec::new();
        // Pauses that a provider asked for, and outages.
        for field in ["\"parked_until\"", "\"met_by\""] {
            let read = timeout(MAX_READ, self.engine.database.items_naming("limits", field)).await;
            limits.extend(read.ok().and_then(Result::ok).unwrap_or_default());
        }
        let paused: Vec<_> = limits.iter().filter(|(_, limit)| is_paused(limit, now)).map(|(name, _)| name).collect();
        let of = |side: ConnectionSide| {
            let prefix = format!("{}#", side.name().to_lowercase());
            paused.iter().filter(|name| name.starts_with(&prefix)).count() as u64
        };
        let by_side = ConnectionSide::ALL.map(|side| (side.name(), number(of(side))));
        text.gauge("paused_accounts", "Accounts and limits at a provider that are paused", "provider", by_side);
    }

    fn files(&self, text: &mut Exposition) {
        let health = self.engine.database.health();
        let size = std::fs::metadata(health.path()).map_or(0, |file| file.len());
        let files = [("database", number(size)), ("log", number(health.log_bytes()))];
        text.gauge("database_bytes", "Size of the database and of its log", "file", files);
    }
}

/// Whether a limit's item says that its account is paused now, or down.
fn is_paused(limit: &str, now: Timestamp) -> bool {
    let limit: Value = serde_json::from_str(limit).unwrap_or_default();
    let until = limit["parked_until"].as_str().and_then(|moment| moment.parse::<Timestamp>().ok());
    until.is_some_and(|until| until > now) || Outage::deserialize(&limit).is_ok_and(|outage| outage.is_down())
}

fn counters(text: &mut Exposition, counters: &Counters) {
    let counted = counters.all();
    let unknown = counted.keys().map(|(name, _)| *name).filter(|name| COUNTERS.iter().all(|(known, _)| known != name));
    let mut names: Vec<Described> = COUNTERS.iter().copied().chain(unknown.map(|name| (name, "A count"))).collect();
    names.dedup_by_key(|(name, _)| *name);
    for (name, help) in names {
        let full = format!("{PREFIX}{name}");
        text.describe(&full, "counter", help);
        for ((_, reason), count) in counted.range((name, "")..).take_while(|((counted, _), _)| *counted == name) {
            text.sample(&full, &[("reason", reason)], number(*count));
        }
    }
}

fn measures(text: &mut Exposition, metrics: &HostMetrics) {
    let measured = metrics.measured();
    for (name, help) in MEASURES {
        let full = format!("{PREFIX}{name}");
        text.describe(&full, "gauge", help);
        if let Some(measured) = measured.get(name) {
            text.sample(&full, &[], measured.last);
        }
    }
    #[allow(clippy::cast_precision_loss)] // milliseconds
    let at = measured.iter().map(|(name, measured)| (*name, measured.at.as_millisecond() as f64 / 1_000.0));
    text.gauge("measured_timestamp_seconds", "When a value was measured last", "metric", at);
    let full = format!("{PREFIX}{DELIVERY_LAG}");
    text.describe(&full, "histogram", "Milliseconds from the arrival of an event to a delivery");
    let lag = measured.get(DELIVERY_LAG).cloned().unwrap_or_default();
    let bucket = format!("{full}_bucket");
    for (bound, within) in BUCKETS.iter().zip(lag.within) {
        text.sample(&bucket, &[("le", &bound.to_string())], number(within));
    }
    text.sample(&bucket, &[("le", "+Inf")], number(lag.count));
    text.sample(&format!("{full}_sum"), &[], lag.sum);
    text.sample(&format!("{full}_count"), &[], number(lag.count));
}

/// What Prometheus' own clients export of a process, where the system tells it, and which build this is.
fn process(text: &mut Exposition) {
    let name = format!("{PREFIX}build_info");
    text.describe(&name, "gauge", "The build that runs");
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    text.sample(&name, &[("version", env!("CARGO_PKG_VERSION")), ("profile", profile)], 1.0);
    text.describe("process_start_time_seconds", "gauge", "When the process started, in seconds since 1970");
    text.sample("process_start_time_seconds", &[], started().as_secs_f64());
    if let Some(bytes) = resident_bytes() {
        text.describe("process_resident_memory_bytes", "gauge", "Memory that the process holds");
        text.sample("process_resident_memory_bytes", &[], number(bytes));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.describe("process_open_fds", "gauge", "Open file descriptors");
        text.sample("process_open_fds", &[], number(open.count() as u64));
    }
}

/// When the process first asked, which the host does as it starts.
pub fn started() -> Duration {
    static STARTED: std::sync::OnceLock<Duration> = std::sync::OnceLock::new();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    *STARTED.get_or_init(now)
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use runtime::metrics::{Metrics, Unit};

    use super::*;

    #[test]
    fn counts_and_measures_are_written_as_prometheus_reads_them() {
        let metrics = HostMetrics::default();
        metrics.add("jobs", "done", 3);
        metrics.count("brand_new", "first");
        metrics.measure(DELIVERY_LAG, 700.0, Unit::Milliseconds);
        metrics.measure(DELIVERY_LAG, 70_000.0, Unit::Milliseconds);
        metrics.measure("sweep_lag", 12.5, Unit::Seconds);
        let mut text = Exposition::default();
        counters(&mut text, &metrics.counters());
        measures(&mut text, &metrics);
        let lines: Vec<_> = text.0.lines().collect();
        for line in [
            "# TYPE switchboard_jobs counter",
            "switchboard_jobs{reason=\"done\"} 3",
            "# TYPE switchboard_events_accepted counter",
            "switchboard_brand_new{reason=\"first\"} 1",
            "switchboard_sweep_lag 12.5",
            "switchboard_delivery_lag_bucket{le=\"500\"} 0",
            "switchboard_delivery_lag_bucket{le=\"1000\"} 1",
            "switchboard_delivery_lag_bucket{le=\"300000\"} 2",
            "switchboard_delivery_lag_bucket{le=\"+Inf\"} 2",
            "switchboard_delivery_lag_sum 70700",
            "switchboard_delivery_lag_count 2",
        ] {
            assert!(lines.contains(&line), "{line} is missing:\n{}", text.0);
        }
        assert!(
            !lines.iter().any(|line| line.starts_with("switchboard_poll_lag")),
            "what was not measured has no value"
        );
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut text = Exposition::default();
        text.sample("x", &[("reason", "a\"b\\c\nd")], 1.0);
        assert_eq!(text.0, "x{reason=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn an_account_is_paused_until_its_time_has_come() {
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        let limit = |until: &str| format!("{{\"next\":\"2026-01-01T12:00:00Z\",\"parked_until\":\"{until}\"}}");
        assert!(is_paused(&limit("2026-01-01T12:00:00.5Z"), now));
        assert!(!is_paused(&limit("2026-01-01T11:59:59Z"), now));
        assert!(!is_paused("{\"next\":\"2026-01-01T12:00:00Z\"}", now) && !is_paused("garbage", now));
        let outage = |jobs: &str| {
            let moment = "2026-01-01T11:00:00Z";
            format!(
                "{{\"since\":\"{moment}\",\"counted_at\":\"{moment}\",\"failures\":3,\"next_probe\":\"{moment}\",\"met_by\":[{jobs}]}}"
            )
        };
        assert!(is_paused(&outage("1,2"), now) && !is_paused(&outage("1"), now));
    }
}
