//! Time as a port: tests pass hours in microseconds, and nothing reads the system's clock directly.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest that a message is held back. SQS holds one for 12 hours from when it was handed out, and refuses more.
pub const MAX_WAIT: Duration = Duration::from_secs(11 * 60 * 60 + 30 * 60);

/// How far a provider's clock and ours can differ, where one of its moments is compared with one of ours.
pub const MAX_PROVIDER_SKEW: SignedDuration = SignedDuration::from_secs(120);

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
}
