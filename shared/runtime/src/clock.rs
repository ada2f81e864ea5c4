//! Time as a port: tests pass hours in microseconds, and nothing reads the system's clock directly.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::watch;

/// The longest that a message is held back. SQS holds one for 12 hours from when it was handed out, and refuses more.
pub const MAX_WAIT: Duration = Duration::from_secs(11 * 60 * 60 + 30 * 60);

/// How far a provider's clock and ours can differ, where one of its moments is compared with one of ours.
pub const MAX_PROVIDER_SKEW: SignedDuration = SignedDuration::from_secs(120);

/// How far the clocks of our own machines can differ: a moment that another one wrote may be this much in the future.
pub const MAX_OWN_SKEW: Duration = Duration::from_secs(2);

/// A clock that went back by less than this was only adjusted.
const MIN_STEP: Duration = Duration::from_secs(5);

/// Gives the time and waits for it to pass.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns when `duration` has passed by this clock.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that does not move by itself: [`ManualClock::advance`] moves it, or, if made with
/// [`ManualClock::automatic`], each sleeper does.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
    moved: watch::Sender<()>,
    pace: ClockPace,
}

/// How time passes on a [`ManualClock`] by itself.
#[derive(Debug, Clone, Copy)]
enum ClockPace {
    /// It does not pass.
    Still,
    /// It jumps to the waking time of each sleeper.
    ToSleepers,
    /// At the speed of real time since then.
    Flowing(std::time::Instant),
}

impl ManualClock {
    /// A clock that moves only by [`ManualClock::advance`]; sleepers wait for that.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new(now), moved: watch::Sender::new(()), pace: ClockPace::Still }
    }

    /// A clock on which a sleep takes no real time: the sleeper moves the clock to its own waking time.
    pub fn automatic(now: Timestamp) -> Self {
        Self { pace: ClockPace::ToSleepers, ..Self::at(now) }
    }

    /// A clock that runs at the speed of real time from `now` on, and can be moved as well: for work that takes time
    /// outside of the program.
    pub fn flowing(now: Timestamp) -> Self {
        Self { pace: ClockPace::Flowing(std::time::Instant::now()), ..Self::at(now) }
    }

    fn passed(&self) -> Duration {
        match self.pace {
            ClockPace::Flowing(since) => since.elapsed(),
            ClockPace::Still | ClockPace::ToSleepers => Duration::ZERO,
        }
    }

    /// Moves the clock on by `duration` and wakes those who are due.
    pub fn advance(&self, duration: Duration) {
        self.advance_to(later(self.now(), duration));
    }

    /// Sets the clock to `moment`, in the past as well, as an operator or a time server does.
    pub fn set(&self, moment: Timestamp) {
        let passed = jiff::SignedDuration::try_from(self.passed()).unwrap_or_default();
        let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = moment.checked_sub(passed).unwrap_or(moment);
        drop(now);
        self.moved.send_replace(());
    }

    /// Moves the clock to `moment`; a moment in the past changes nothing.
    pub fn advance_to(&self, moment: Timestamp) {
        let passed = jiff::SignedDuration::try_from(self.passed()).unwrap_or_default();
        let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = moment.checked_sub(passed).unwrap_or(moment).max(*now);
        drop(now);
        self.moved.send_replace(());
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let moved = *self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        later(moved, self.passed())
    }

    async fn sleep(&self, duration: Duration) {
        let due = later(self.now(), duration);
        match self.pace {
            ClockPace::Still => {}
            ClockPace::ToSleepers => {
                self.advance_to(due);
                tokio::task::yield_now().await;
                return;
            }
            ClockPace::Flowing(_) => {
                tokio::time::sleep(duration).await;
                return;
            }
        }
        let mut moved = self.moved.subscribe();
        while self.now() < due {
            if moved.changed().await.is_err() {
                return;
            }
        }
    }
}

/// `moment + duration`, or the end of time if that is out of range.
pub fn later(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The moment `duration` earlier.
pub fn earlier(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// How long from `now` until `moment`; zero if it has passed.
pub fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// Whether `moment` is still to come at `now`. Its own rule puts it at most `longest` ahead of the time at which it is
/// written: one that is further ahead was written before the clock was set back, and counts as none.
pub fn is_ahead(now: Timestamp, moment: Timestamp, longest: Duration) -> bool {
    moment > now && moment <= later(now, longest.saturating_add(MAX_OWN_SKEW))
}

/// Whether what was made at `made_at` is younger than `ttl` at `now`. What was made in the future was made before the
/// clock was set back, and counts as old.
pub fn is_recent(now: Timestamp, made_at: Timestamp, ttl: Duration) -> bool {
    made_at <= later(now, MAX_OWN_SKEW) && now < later(made_at, ttl)
}

/// The clock was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockStep {
    /// What it showed after that.
    pub at: Timestamp,
    /// By how much.
    pub back: Duration,
}

impl std::fmt::Display for ClockStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the clock went back {} s at {}", self.back.as_secs(), self.at)
    }
}

/// Notices that a clock was set back. Each step is logged once, and the last one can be shown.
#[derive(Debug, Default)]
pub struct ClockWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    latest: Option<Timestamp>,
    last_step: Option<ClockStep>,
}

impl ClockWatch {
    /// Takes what a clock shows now; returns the step if it was set back since the last time. What the clock shows in
    /// the meantime, while it is adjusted by less than a few seconds, does not count as a step.
    pub fn see(&self, now: Timestamp) -> Option<ClockStep> {
        let mut watched = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let back = watched.latest.map_or(Duration::ZERO, |latest| until(now, latest));
        if back < MIN_STEP {
            watched.latest = watched.latest.max(Some(now));
            return None;
        }
        let step = ClockStep { at: now, back };
        (watched.latest, watched.last_step) = (Some(now), Some(step));
        drop(watched);
        tracing::warn!("{step}; what waits for a moment of the time before is due now");
        Some(step)
    }

    /// The last step back that was seen.
    pub fn last_step(&self) -> Option<ClockStep> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).last_step
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_is_reached_and_not_before() {
        let clock = std::sync::Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[test]
    fn time_until_a_passed_moment_is_zero() {
        let now = Timestamp::from_second(100).unwrap();
        assert_eq!(until(now, Timestamp::from_second(40).unwrap()), Duration::ZERO);
        assert_eq!(until(now, Timestamp::from_second(160).unwrap()), Duration::from_secs(60));
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_moment_further_ahead_than_its_rule_can_make_it_counts_as_none() {
        let minute = Duration::from_secs(60);
        let cases = [(100, false), (99, false), (101, true), (160, true), (162, true), (163, false), (90_000, false)];
        for (moment, ahead) in cases {
            assert_eq!(is_ahead(at(100), at(moment), minute), ahead, "{moment}");
        }
        assert!(!is_ahead(at(100), Timestamp::MAX, minute));
        assert!(is_ahead(at(100), Timestamp::MAX, Duration::MAX));
    }

    #[test]
    fn what_was_made_in_the_future_is_not_recent() {
        let minute = Duration::from_secs(60);
        for (made_at, recent) in [(100, true), (41, true), (40, false), (102, true), (103, false), (90_000, false)] {
            assert_eq!(is_recent(at(100), at(made_at), minute), recent, "{made_at}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_noticed_once_and_an_adjustment_is_not() {
        let watch = ClockWatch::default();
        for second in [10_000, 10_010, 10_006, 10_010] {
            assert_eq!(watch.see(at(second)), None, "{second}");
        }
        // Many small adjustments do not add up unnoticed.
        assert_eq!(watch.see(at(10_005)), Some(ClockStep { at: at(10_005), back: Duration::from_secs(5) }));
        let step = ClockStep { at: at(6_405), back: Duration::from_secs(3_600) };
        assert_eq!(watch.see(at(6_405)), Some(step));
        assert_eq!([watch.see(at(6_405)), watch.see(at(6_500))], [None, None]);
        assert_eq!(watch.last_step(), Some(step));
        assert_eq!(step.to_string(), "the clock went back 3600 s at 1970-01-01T01:46:45Z");
    }

    #[tokio::test]
    async fn a_clock_can_be_set_back() {
        let clock = ManualClock::at(at(5_000));
        clock.set(at(1_400));
        assert_eq!(clock.now(), at(1_400));
    }
}
