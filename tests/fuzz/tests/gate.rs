//! Each harness for ten seconds; `FUZZ_SECONDS` says otherwise.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fuzz::ALL;

fn holds(name: &str) {
    let harness = ALL.iter().find(|harness| harness.name == name).unwrap();
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    // A run is repeatable where nothing but the speed of the machine differs: the seed is the harness's own.
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed);
    let report = fuzz::run(harness, Duration::from_secs(seconds), seed);
    assert!(report.finding.is_none(), "{name} (FUZZ_SEED={seed}): {:?}", report.finding);
    assert!(report.inputs > 1 && report.kept > 0, "{name} ran {} inputs", report.inputs);
}

#[test]
fn forms() {
    holds("forms");
}

#[test]
fn signatures() {
    holds("signatures");
}

#[test]
fn bbcode() {
    holds("bbcode");
}

#[test]
fn mrkdwn() {
    holds("mrkdwn");
}

#[test]
fn rich_text() {
    holds("rich_text");
}

#[test]
fn settings() {
    holds("settings");
}

#[test]
fn conditions() {
    holds("conditions");
}
