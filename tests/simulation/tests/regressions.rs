//! Histories that once broke a promise.

use std::time::Duration;

use simulation::history::{HistoryOptions, run};

fn keeps_its_promises(seed: u64) {
    let work = Duration::from_secs_f64(0.015 * 86_400.0);
    let report = run(&HistoryOptions { seed, work, companies: 3, planted: None, climate: None }).unwrap();
    assert_eq!(report.broken, []);
}

/// A deletion that the sweep found, and whose event came later, left a delivery that was queued forever.
#[test]
fn a_deletion_that_arrives_in_two_ways_is_delivered_once() {
    keeps_its_promises(1);
}

/// The limiter could not note that Slack had answered, so the message counted as not posted.
#[test]
fn a_message_is_posted_once_although_the_store_fails_after_it() {
    keeps_its_promises(2);
}

/// Three tries of a message's event were refused and its edit arrived first: it was copied as the edit of an older one.
#[test]
fn a_message_whose_edit_arrives_first_is_copied_in_its_place() {
    keeps_its_promises(30);
}

/// A worker whose lease had ended noted in the event's line that it had lost the race, over what the other had decided.
#[test]
fn a_decision_is_kept_although_another_worker_loses_the_race() {
    keeps_its_promises(7);
}

/// Who was to read a comment could not be asked for at that moment, so nobody read it.
#[test]
fn a_card_for_a_person_waits_until_they_are_known() {
    keeps_its_promises(6);
}
