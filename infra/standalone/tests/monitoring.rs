//! The files for Prometheus and Grafana: what they name is exported, and they watch all that CloudWatch watches.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use standalone::metrics::{COUNTERS, MEASURES};

use crate::harness::{Providers, Serving, until};

const ALERTS: &str = include_str!("../monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../monitoring/dashboard.json");
const RUNBOOK: &str = include_str!("../../../docs/operations.md");
const TEMPLATE: &str = include_str!("../../../template.yaml");
const UNIT: &str = include_str!("../systemd/switchboard.service");

/// The words of a text that begin like one of our metrics or of those of a process.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("switchboard_") || word.starts_with("process_")).collect()
}

/// The name without what a histogram adds.
fn family(metric: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|part| metric.strip_suffix(part)).unwrap_or(metric)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_dashboard_and_the_alerts_is_exported() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    providers.new_deal(&serving, "Roof").await;
    providers.each_has_one_card(&["Roof".to_owned()]).await;
    let scraped = async || {
        let answer = reqwest::get(format!("{}/metrics", serving.status)).await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        answer.text().await.unwrap()
    };
    // The schedules measure when they have run.
    let measured =
        ["sweep_lag", "poll_lag", "silent_tenants", "sides_in_trouble", "tokens_near_end", "late_departures"];
    until(async || {
        let text = scraped().await;
        measured.iter().all(|name| text.lines().any(|line| line.starts_with(&format!("switchboard_{name} "))))
    })
    .await;
    let text = scraped().await;
    let lines: BTreeSet<_> = text.lines().collect();
    assert!(lines.contains("switchboard_events_accepted{reason=\"bitrix24\"} 1"), "{text}");
    assert!(lines.contains("switchboard_queue_messages{queue=\"slack-delivery\"} 0"), "{text}");
    assert!(lines.contains("switchboard_queue_dead_letters{queue=\"slack-delivery\"} 0"), "{text}");
    assert!(lines.contains("switchboard_credentials_accepted{provider=\"Slack\"} 1"), "{text}");
    assert!(lines.contains("switchboard_paused_accounts{provider=\"Slack\"} 0"), "{text}");
    assert!(lines.contains("switchboard_delivery_lag_count 1"), "{text}");
    let of_database = |line: &&&str| line.starts_with("switchboard_database_bytes{file=\"database\"}");
    assert!(!lines.iter().find(of_database).unwrap().ends_with("} 0"), "{text}");

    // A scraper reads each line; the text says of each name once what it is.
    let mut exported = BTreeSet::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(described) => assert!(exported.insert(described.split(' ').next().unwrap()), "twice: {line}"),
            None if line.starts_with("# HELP ") => {}
            None => {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                let name = sample.split('{').next().unwrap();
                assert!(exported.contains(name) || exported.contains(family(name)), "not described: {line}");
            }
        }
    }
    let named: BTreeSet<_> = metrics_in(ALERTS).into_iter().chain(metrics_in(DASHBOARD)).collect();
    assert!(named.len() > 25, "{named:?}");
    for metric in named {
        assert!(exported.contains(metric) || exported.contains(family(metric)), "{metric} is not exported");
    }
    serving.kill().await;
}

/// The values of an annotation of the alerts.
fn annotations(name: &str) -> impl Iterator<Item = &'static str> + '_ {
    ALERTS.lines().filter_map(move |line| line.trim().strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn every_alarm_of_cloudwatch_has_its_alert() {
    let alarms = TEMPLATE.split("AlarmName: !Sub switchboard-${Stage}-").skip(1);
    let alarms: BTreeSet<_> = alarms.map(|rest| rest.lines().next().unwrap().trim()).collect();
    assert!(alarms.len() > 20, "{alarms:?}");
    let watched: BTreeSet<_> = annotations("cloudwatch").flat_map(str::split_whitespace).collect();
    assert_eq!(watched, alarms, "an alert of alerts.yaml names the alarms that mean the same");
}

#[test]
fn every_alert_leads_to_its_place_in_the_runbook() {
    let places: BTreeSet<_> = annotations("runbook").collect();
    assert!(places.len() > 8, "{places:?}");
    for place in places {
        let anchor = place.strip_prefix("docs/operations.md#").unwrap();
        assert!(RUNBOOK.contains(&format!("<a id=\"{anchor}\"></a>")), "the runbook has no place {anchor}");
    }
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(RUNBOOK.contains(&format!("`{alert}`")), "the runbook does not name {alert}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 15);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
    }
}

/// The sources of the product, without its tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_ours = !["target", "tests", "simulators"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && is_ours {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("metrics.rs") {
            found.push(path);
        }
    }
}

#[test]
fn everything_that_is_counted_or_measured_has_its_description() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in ["functions", "shared", "infra"] {
        sources(&root.join(folder), &mut files);
    }
    let mut counted = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let calls = [
            "metrics.count(",
            "metrics.add(",
            "metrics.measure(",
            "metrics().count(",
            "counters.count(",
            "measure(deps, ",
        ];
        for call in calls.map(|call| format!("{call}\"")) {
            counted
                .extend(text.split(call.as_str()).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)));
        }
        let refusals = text.split('"').filter(|word| word.ends_with("_refused") && !word.contains(' '));
        counted.extend(refusals.map(str::to_owned));
    }
    let known: BTreeSet<_> = COUNTERS.iter().chain(MEASURES).map(|(name, _)| *name).collect();
    // Codes of log lines, and the histogram.
    let others = ["admin_refused", "install_refused", "delivery_lag"];
    let unknown: Vec<_> =
        counted.iter().filter(|name| !known.contains(name.as_str()) && !others.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "describe them in infra/standalone/src/metrics.rs: {unknown:?}");
    assert!(counted.len() > 20, "{counted:?}");
}

#[test]
fn systemd_starts_the_host_again_for_as_long_as_it_takes_and_waits_for_its_end() {
    let set = |line: &str| UNIT.lines().any(|own| own == line);
    for line in ["Type=notify", "Restart=always", "StartLimitIntervalSec=0", "WatchdogSec=60", "UMask=0077"] {
        assert!(set(line), "{line}");
    }
    let stop = UNIT.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    assert!(stop.parse::<u64>().unwrap() > 8, "it ends by itself before it is killed");
}
