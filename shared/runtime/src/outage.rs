//! An outage of a provider account: which failures count, whom it holds back, and when one call may try again.
//!
//! An outage counts once, however many calls met it: a failed call counts only if it began after the last one that
//! counted. A failing account is *down* once the work of two different jobs has failed in a row: what one job alone
//! meets may be its own fault, and holds back nobody else. While an account is down, one call at a time probes it;
//! everything else waits.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calls;
use crate::clock::{MAX_OWN_SKEW, is_ahead, later, until};
use crate::retry::spread;

/// The longest that a provider's "slow down" pauses an account, whatever it says: then one call asks again.
pub const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The pauses before the first probes of an account that is down.
const FIRST_GAPS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// The pause between probes after that, for the first five minutes.
const GAP: Duration = Duration::from_secs(10);
/// How many probes are that close to each other: with the first ones they take five minutes.
const CLOSE_PROBES: u32 = 33;
/// The pause between probes of a long outage.
const LONG_GAP: Duration = Duration::from_secs(60);

/// The pause between calls of an account that rejects our credentials, unless they are renewed.
const REJECTED_GAP: Duration = MAX_PAUSE;

/// How long a probe may take, so that an account that hangs is asked as often as one that answers with errors.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// The same in a long outage: an account that has become slow is found to answer.
const LONG_PROBE_LIMIT: Duration = Duration::from_secs(30);

/// An outage that was shorter than this is over before anything waits for long: nothing has to be woken.
const MIN_TO_WAKE: Duration = Duration::from_secs(10);
/// From this age on, a job that fails alone follows the probes too.
const MIN_TO_FOLLOW: Duration = Duration::from_secs(15);
/// Most jobs wait at most this long for an account that is down, though nothing wakes them.
const MAX_SPREAD: Duration = Duration::from_secs(15 * 60);
/// From this age on, an engine that does not wake hands out the jobs that probe more rarely.
const MIN_TO_SPARE: Duration = Duration::from_secs(60 * 60);
/// The most by which it delays them.
const MAX_SPARED: Duration = Duration::from_secs(60 * 60);
/// An account of which no call was answered for this long counts as down, though one job alone noticed.
const MIN_ALONE: Duration = Duration::from_secs(10 * 60);
/// Spreads what comes back at the moment of a probe.
const MIN_SPREAD: Duration = Duration::from_secs(1);

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// When it began.
    pub began: Timestamp,
    /// The work that it is for.
    pub subject: u64,
    /// How long it may take, if it probes an account that is down.
    pub limit: Option<Duration>,
    /// Whether the account was failing when it was admitted: then its answer says that this is over.
    pub was_failing: bool,
}

impl Admission {
    /// A call that began without asking for a place, at `now`.
    pub fn unasked(now: Timestamp) -> Self {
        Self { began: now, subject: calls::subject(), limit: None, was_failing: false }
    }

    /// Whether it began after the call that ended at `moment`. A probe did, for it was let through because of that.
    fn is_after(&self, moment: Timestamp) -> bool {
        self.limit.is_some() || self.began > moment
    }
}

/// The calls to an account fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When the first failed call ended.
    pub since: Timestamp,
    /// When the last failed call that counted ended.
    counted_at: Timestamp,
    /// How many counted.
    pub failures: u32,
    /// When the next call may probe the account.
    pub next_probe: Timestamp,
    /// The work whose calls failed: two different ones at most.
    met_by: Vec<u64>,
    /// Whether our credentials were rejected: only a person can end that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rejected: bool,
}

impl Outage {
    /// The outage after a failed call that ended at `now`.
    pub(crate) fn after(known: Option<Self>, call: &Admission, now: Timestamp) -> Self {
        // Another worker's clock may be ahead of ours; what is further ahead was noted before the clock was set back.
        let latest = later(now, MAX_OWN_SKEW);
        let Some(mut known) = known.filter(|known| known.since <= latest && known.counted_at <= latest) else {
            let next_probe = now.max(later(call.began, gap(0)));
            return Self {
                since: now,
                counted_at: now,
                failures: 1,
                next_probe,
                met_by: vec![call.subject],
                is_rejected: false,
            };
        };
        if known.met_by.len() < 2 && !known.met_by.contains(&call.subject) {
            known.met_by.push(call.subject);
        }
        if call.is_after(known.counted_at) {
            known.next_probe = now.max(later(call.began, gap(known.failures)));
            known.failures = known.failures.saturating_add(1);
            known.counted_at = known.counted_at.max(now);
            known.is_rejected = false;
        }
        known
    }

    /// The outage after a call that the provider rejected at `now` for its credentials.
    pub(crate) fn rejected(known: Option<Self>, now: Timestamp) -> Self {
        let (since, failures) = known.map_or((now, 0), |known| (known.since.min(now), known.failures));
        let next_probe = later(now, REJECTED_GAP);
        Self {
            since,
            counted_at: now,
            failures: failures.saturating_add(1),
            next_probe,
            met_by: Vec::new(),
            is_rejected: true,
        }
    }

    /// Whether the account as a whole counts as down.
    pub fn is_down(&self) -> bool {
        self.is_rejected || self.met_by.len() > 1
    }

    /// Whether a job's wait does not count towards the day after which it is given up.
    pub fn excuses(&self, now: Timestamp) -> bool {
        self.is_down() || self.age(now) >= MIN_ALONE
    }

    /// How long until the next call may probe the account; zero is now.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let longest = if self.is_rejected { REJECTED_GAP } else { LONG_GAP };
        if is_ahead(now, self.next_probe, longest) { until(now, self.next_probe) } else { Duration::ZERO }
    }

    /// The outage while a call that begins at `now` probes the account, and how long that call may take: nothing else
    /// probes it in that time.
    pub(crate) fn probed(mut self, now: Timestamp) -> (Self, Duration) {
        let limit = if self.failures < CLOSE_PROBES { PROBE_LIMIT } else { LONG_PROBE_LIMIT };
        let gap = if self.is_rejected { REJECTED_GAP } else { gap(self.failures) };
        self.next_probe = later(now, limit.max(gap));
        (self, limit)
    }

    /// Whether a call that was admitted so, and answered, ends it.
    pub(crate) fn is_ended_by(&self, call: &Admission) -> bool {
        call.was_failing && call.is_after(self.counted_at)
    }

    /// How long it has lasted.
    pub fn age(&self, now: Timestamp) -> Duration {
        until(self.since, now)
    }

    /// Whether its end has to wake what waits for the account.
    pub fn keeps_waiting(&self, now: Timestamp) -> bool {
        self.is_rejected || (self.is_down() && self.age(now) >= MIN_TO_WAKE)
    }

    /// How long a job should wait whose call has just failed. Alone it waits by its own back-off at first, and
    /// then follows the probes too, for nobody else may call this account. An engine that does not wake hands a job out a
    /// thousand times at most, which has to last for days.
    pub fn retry_after(&self, now: Timestamp, back_off: Duration, is_woken: bool) -> Duration {
        let is_long = !is_woken && self.age(now) >= MIN_TO_SPARE;
        let window = if is_long { (self.age(now) / 40).min(MAX_SPARED) } else { MIN_SPREAD };
        let next_probe = self.wait(now) + spread(window);
        if self.is_down() || self.age(now) >= MIN_TO_FOLLOW { next_probe } else { back_off }
    }

    /// How long a job should wait that was held back without a call. If the end of the outage wakes it, it comes back by
    /// itself the more rarely the longer the outage lasts; otherwise it has to come in time by itself while the outage is
    /// short.
    pub fn held_back_for(&self, now: Timestamp, is_woken: bool) -> Duration {
        let age = self.age(now);
        let window = if is_woken { age } else { age.saturating_sub(GAP * 30) / 4 };
        self.wait(now) + spread(window.clamp(MIN_SPREAD, MAX_SPREAD))
    }
}

/// The pause after so many failures that counted.
fn gap(failures: u32) -> Duration {
    match FIRST_GAPS.get(failures as usize) {
        Some(gap) => *gap,
        None if failures < CLOSE_PROBES => GAP,
        None => LONG_GAP,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> Timestamp {
        #[allow(clippy::cast_possible_truncation)] // of a test's own numbers
        Timestamp::from_millisecond((seconds * 1000.0).round() as i64).unwrap_or_default()
    }

    fn call(began: f64, subject: u64) -> Admission {
        Admission { began: at(began), subject, limit: None, was_failing: true }
    }

    /// An account that is down since zero.
    fn down() -> Outage {
        let first = Outage::after(None, &call(-0.1, 1), at(0.0));
        Outage::after(Some(first), &call(-0.1, 2), at(0.0))
    }

    #[test]
    fn probes_come_after_1_2_4_and_8_seconds_then_every_10_for_five_minutes_then_each_minute() {
        let (mut outage, mut now, mut probes) = (down(), 0.0, Vec::new());
        while now < 2.0 * 3_600.0 {
            now += outage.wait(at(now)).as_secs_f64();
            let (probed, _) = outage.probed(at(now));
            outage = Outage::after(Some(probed), &call(now, 3), at(now));
            probes.push(now);
        }
        assert_eq!(probes[..7], [0.9, 2.9, 6.9, 14.9, 24.9, 34.9, 44.9]);
        let [close, all] = [300.0, 7_200.0].map(|end| probes.iter().filter(|probe| **probe <= end).count());
        assert_eq!((close, all), (32, 147));
        assert!((probes[all - 1] - probes[all - 2] - 60.0).abs() < 1e-6);
    }

    #[test]
    fn an_outage_counts_once_however_many_calls_met_it() {
        let mut outage = None;
        for subject in 0..15 {
            outage = Some(Outage::after(outage, &call(0.0, subject), at(60.0)));
        }
        let outage = outage.unwrap_or_else(down);
        assert_eq!((outage.failures, outage.is_down(), outage.wait(at(60.0))), (1, true, Duration::ZERO));
    }

    #[test]
    fn what_one_job_meets_alone_holds_back_nobody() {
        let mut outage = None;
        for n in 0..9 {
            outage = Some(Outage::after(outage, &call(f64::from(n) * 20.0 + 1.0, 7), at(f64::from(n) * 20.0 + 2.0)));
        }
        let outage = outage.unwrap_or_else(down);
        assert_eq!((outage.failures, outage.is_down()), (9, false));
        // It follows the probes itself: it may be the account, and nobody else would notice its end.
        let wait = outage.retry_after(at(162.0), Duration::from_secs(900), true);
        assert!(wait <= Duration::from_secs(11), "{wait:?}");
        let first = Outage::after(None, &call(0.0, 7), at(1.0));
        assert_eq!(first.retry_after(at(1.0), Duration::from_secs(900), true), Duration::from_secs(900));
        // Until nothing has been answered for so long that it must be the account.
        assert_eq!([162.0, 602.0].map(|now| outage.excuses(at(now))), [false, true]);
    }

    #[test]
    fn a_probe_that_hangs_is_followed_as_closely_as_one_that_fails() {
        let mut outage = down();
        for _ in 0..6 {
            outage = Outage::after(Some(outage), &call(15.0, 1), at(15.0));
            outage.counted_at = at(0.0);
        }
        let (probed, limit) = outage.probed(at(25.0));
        assert_eq!((probed.wait(at(25.0)), limit), (GAP, GAP));
        let failed = Outage::after(Some(probed), &call(25.0, 1), at(35.0));
        assert_eq!(failed.wait(at(35.0)), Duration::ZERO);
    }

    #[test]
    fn only_an_answer_to_a_call_that_began_after_the_last_failure_ends_an_outage() {
        let outage = down();
        assert!(outage.is_ended_by(&call(0.1, 1)));
        assert!(!outage.is_ended_by(&call(0.0, 1)), "it was on its way already");
        assert!(!outage.is_ended_by(&Admission { was_failing: false, ..call(0.1, 1) }));
    }

    #[test]
    fn moments_of_a_clock_that_was_set_back_count_as_none() {
        let outage = Outage { next_probe: at(3_600.0), ..down() };
        assert_eq!(outage.wait(at(0.0)), Duration::ZERO);
        assert_eq!(outage.age(at(-3_600.0)), Duration::ZERO);
        let later = Outage::after(Some(down()), &call(-3_601.0, 5), at(-3_600.0));
        assert_eq!((later.failures, later.since), (1, at(-3_600.0)));
    }

    #[test]
    fn a_worker_whose_clock_is_a_second_behind_counts_in_the_same_outage() {
        let known = Outage { failures: 9, ..Outage::rejected(Some(down()), at(60.0)) };
        let after = Outage::after(Some(known.clone()), &call(58.0, 5), at(59.0));
        assert_eq!(
            (after.since, after.failures, after.is_rejected),
            (at(0.0), 9, true),
            "it began before the last one"
        );
        let probe = Admission { limit: Some(PROBE_LIMIT), ..call(58.0, 5) };
        let after = Outage::after(Some(known), &probe, at(59.0));
        assert_eq!((after.since, after.failures, after.counted_at), (at(0.0), 10, at(60.0)));
    }

    #[test]
    fn a_job_of_an_engine_that_does_not_wake_is_handed_out_less_than_a_thousand_times_in_ten_days() {
        let (mut outage, mut now, mut times) = (down(), 0.0, 0);
        while now < 10.0 * 86_400.0 {
            now += outage.retry_after(at(now), Duration::from_secs(900), false).as_secs_f64();
            let (probed, _) = outage.probed(at(now));
            outage = Outage::after(Some(probed), &call(now, 1), at(now));
            times += 1;
        }
        assert!(times < 1_000, "{times}");
    }

    proptest! {
        /// However long an outage lasts: what is not woken by its end comes within the next probe and a second while it
        /// is at most five minutes old, and later within a quarter of its age; nothing ever waits more than 17 minutes.
        #[test]
        fn what_is_held_back_comes_in_time(age in 0u32..1_000_000, failures in 1u32..500) {
            let age = f64::from(age);
            let outage = Outage { failures, next_probe: at(age + 10.0), ..down() };
            let [by_itself, woken] = [false, true].map(|woken| outage.held_back_for(at(age), woken).as_secs_f64());
            prop_assert!((10.0..=10.0 + (age - 300.0).clamp(4.0, 3_600.0) / 4.0).contains(&by_itself), "{by_itself}");
            prop_assert!((10.0..=10.0 + age.clamp(1.0, 900.0)).contains(&woken), "{woken}");
        }
    }
}
