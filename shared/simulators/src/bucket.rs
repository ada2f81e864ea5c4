//! A leaky bucket: holds a fixed amount, drains at a rate, refuses what would make it overflow.

use jiff::Timestamp;

/// A provider's bucket. It is written another way than our own limiter, on purpose: both count, neither copies.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    capacity: f64,
    drains_a_second: f64,
    level: f64,
    looked_at: Timestamp,
}

impl Bucket {
    /// An empty bucket.
    pub fn new(capacity: f64, drains_a_second: f64) -> Self {
        Self { capacity, drains_a_second, level: 0.0, looked_at: Timestamp::UNIX_EPOCH }
    }

    /// Puts one in, or says in how many seconds there is room for it.
    pub fn add(&mut self, now: Timestamp) -> Result<(), f64> {
        let passed = now.duration_since(self.looked_at).as_secs_f64().max(0.0);
        self.level = (self.level - passed * self.drains_a_second).max(0.0);
        self.looked_at = now;
        if self.level + 1.0 > self.capacity + 1e-9 {
            return Err((self.level + 1.0 - self.capacity) / self.drains_a_second);
        }
        self.level += 1.0;
        Ok(())
    }
}
