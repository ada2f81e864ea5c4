//! Virtual time: it passes only when all tasks wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runtime::Clock;
use runtime::clock::later;
use tokio::time::Instant;

/// True time, by tokio's paused clock: every wait in the program, who makes it, passes at once.
#[derive(Debug)]
pub struct VirtualClock {
    base: Timestamp,
    began: Instant,
}

impl VirtualClock {
    /// A clock that shows `base` now. The runtime's time must be paused.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, began: Instant::now() }
    }

    /// How much time has passed since the start.
    pub fn passed(&self) -> Duration {
        self.began.elapsed()
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        later(self.base, self.passed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The clock of a machine: true time and an error, which a fault can change.
#[derive(Debug)]
pub struct MachineClock {
    truth: Arc<VirtualClock>,
    error_ms: AtomicI64,
}

impl MachineClock {
    /// A clock that shows true time.
    pub fn new(truth: Arc<VirtualClock>) -> Self {
        Self { truth, error_ms: AtomicI64::new(0) }
    }

    /// Sets how far it is ahead of true time.
    pub fn set_error(&self, ahead: SignedDuration) {
        let millis = i64::try_from(ahead.as_millis()).unwrap_or_default();
        self.error_ms.store(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let now = self.truth.now();
        now.checked_add(SignedDuration::from_millis(self.error_ms.load(Ordering::SeqCst))).unwrap_or(now)
    }

    async fn sleep(&self, duration: Duration) {
        self.truth.sleep(duration).await;
    }
}
