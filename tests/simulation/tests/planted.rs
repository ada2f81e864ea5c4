//! Each promise finds the bug that breaks it.

use std::time::Duration;

use simulation::history::{HistoryOptions, run};
use simulation::plant::PlantedBug;
use simulation::storms::Climate;

/// The promise that a history breaks in which a bug is planted; none of the first few seeds must be needed for it.
fn finds(planted: PlantedBug, climate: Climate, promise: &str) {
    let mut broken = Vec::new();
    for seed in 1..=6 {
        let work = Duration::from_secs(900);
        let options = HistoryOptions { seed, work, companies: 2, planted: Some(planted), climate: Some(climate) };
        broken = run(&options).unwrap().broken;
        if broken.iter().any(|broken| broken.promise == promise) {
            return;
        }
    }
    panic!("{planted:?} was not found by {promise:?}, but: {broken:#?}");
}

const ONCE: &str = "each delivery happens exactly once";
const LINES: &str = "every accepted event and every delivery has a line that ends";

#[test]
fn a_message_that_is_posted_twice_is_found() {
    finds(PlantedBug::PostTwice, Climate::Calm, ONCE);
}

#[test]
fn a_message_that_is_not_posted_is_found() {
    finds(PlantedBug::PostNothing, Climate::Calm, "what is new is read exactly once");
}

#[test]
fn a_job_that_is_lost_is_found() {
    finds(PlantedBug::LoseJob, Climate::Calm, LINES);
}

#[test]
fn an_end_that_is_not_written_is_found() {
    finds(PlantedBug::ForgetEnd, Climate::Calm, LINES);
}

#[test]
fn a_job_that_overtakes_another_is_found() {
    finds(PlantedBug::Overtake, Climate::Calm, "a conversation is in the same order on both sides");
}

#[test]
fn limits_that_nobody_remembers_are_found() {
    finds(PlantedBug::IgnoreLimits, Climate::Providers, "no limit of a provider is exceeded");
}

#[test]
fn a_wait_that_is_too_long_is_found() {
    finds(PlantedBug::WaitLong, Climate::Providers, "nothing waits longer than its bound");
}

#[test]
fn trouble_that_is_shared_is_found() {
    finds(PlantedBug::ShareTrouble, Climate::OnePortal, "nobody waits for another's trouble");
}

#[test]
fn a_token_in_the_log_is_found() {
    finds(PlantedBug::LogToken, Climate::Calm, "no secret can be read");
}

#[test]
fn what_a_tenant_leaves_behind_is_found() {
    finds(PlantedBug::KeepItem, Climate::Calm, "leaving leaves nothing");
}
