//! Notices that the machine's clock steps: compared with the time that has passed, and with the last run of the host.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A difference up to this is the clock being adjusted, or two readings that are not of the same moment.
const MAX_DRIFT: SignedDuration = SignedDuration::from_secs(2);
/// How long a step is reported.
const REPORTED: Duration = Duration::from_secs(60);
/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(1);

/// A step of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostClockStep {
    /// By how much; negative if it was set back.
    pub by: SignedDuration,
    /// When it was seen, by the time that passes.
    pub seen: Instant,
}

#[derive(Debug)]
struct Readings {
    wall: Timestamp,
    passed: Instant,
    last: Option<HostClockStep>,
    steps: u64,
}

/// Compares the clock with the time that passes.
#[derive(Debug)]
pub struct HostClock(Mutex<Readings>);

impl HostClock {
    /// A watch from this moment on.
    pub fn new(wall: Timestamp, passed: Instant) -> Self {
        Self(Mutex::new(Readings { wall, passed, last: None, steps: 0 }))
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reading of both; returns a step that it shows.
    pub fn observe(&self, wall: Timestamp, passed: Instant) -> Option<HostClockStep> {
        let mut readings = self.readings();
        let elapsed = SignedDuration::try_from(passed.saturating_duration_since(readings.passed)).unwrap_or_default();
        let by = wall.duration_since(readings.wall) - elapsed;
        (readings.wall, readings.passed) = (wall, passed);
        drop(readings);
        (by.abs() > MAX_DRIFT).then(|| self.note(by, passed))
    }

    /// Compares the clock with the moment at which an earlier run of the host last wrote; returns a step that it shows.
    pub fn compare_with_last_run(&self, last: Timestamp, wall: Timestamp, passed: Instant) -> Option<HostClockStep> {
        let by = wall.duration_since(last);
        (by < -MAX_DRIFT).then(|| self.note(by, passed))
    }

    fn note(&self, by: SignedDuration, seen: Instant) -> HostClockStep {
        let step = HostClockStep { by, seen };
        let mut readings = self.readings();
        readings.last = Some(step);
        readings.steps += 1;
        step
    }

    /// The last step, while it is reported.
    pub fn recent(&self, passed: Instant) -> Option<HostClockStep> {
        self.readings().last.filter(|step| passed.saturating_duration_since(step.seen) < REPORTED)
    }

    /// Steps seen since the start.
    pub fn steps(&self) -> u64 {
        self.readings().steps
    }

    /// Compares the clocks until the host ends.
    pub async fn keep_watching(&self, mut closed: watch::Receiver<bool>) {
        while !*closed.borrow() {
            if let Some(step) = self.observe(Timestamp::now(), Instant::now()) {
                tracing::warn!(seconds = step.by.as_secs(), "the clock of this machine stepped");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = closed.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_step_is_seen_once_and_reported_for_a_minute_and_a_slow_machine_is_no_step() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let watch = HostClock::new(at(10_000), start);
        assert_eq!(watch.observe(at(10_001), after(1)), None);
        assert_eq!(watch.observe(at(10_301), after(300)), None, "the process stood still, and the clock went on");
        let back = watch.observe(at(6_702), after(301)).unwrap();
        assert_eq!(back.by, SignedDuration::from_secs(-3_600));
        assert_eq!(watch.observe(at(6_703), after(302)), None);
        assert_eq!(watch.recent(after(302)), Some(back));
        assert_eq!(watch.recent(after(361)), None);
        let forward = watch.observe(at(93_200), after(400)).unwrap();
        assert!(forward.by > SignedDuration::from_hours(23));
        assert_eq!(watch.steps(), 2);
    }

    #[test]
    fn a_clock_behind_the_last_run_is_a_step_back() {
        let (start, watch) = (Instant::now(), HostClock::new(at(10_000), Instant::now()));
        assert_eq!(watch.compare_with_last_run(at(9_000), at(10_000), start), None);
        assert_eq!(watch.compare_with_last_run(at(10_001), at(10_000), start), None);
        let step = watch.compare_with_last_run(at(13_600), at(10_000), start).unwrap();
        assert_eq!(step.by, SignedDuration::from_secs(-3_600));
    }
}
