//! A leaky bucket: holds a fixed amount, drains at a rate, refuses what would make it overflow. And a count of what was
//! refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

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

/// How often a limit of a provider was exceeded. Faults that a test asked for do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceededLimit {
    /// The portal's, workspace's or connection's id.
    pub account: String,
    pub method: String,
    /// Which limit of the method, in the words of the provider.
    pub limit: String,
    pub times: u64,
}

/// The limits of an account that were exceeded.
#[derive(Debug, Default)]
pub(crate) struct ExceededLimits(BTreeMap<(String, &'static str), u64>);

impl ExceededLimits {
    pub(crate) fn note(&mut self, method: &str, limit: &'static str) {
        *self.0.entry((method.to_owned(), limit)).or_default() += 1;
    }

    pub(crate) fn of(&self, account: &str) -> Vec<ExceededLimit> {
        let show = |((method, limit), times): (&(String, &'static str), &u64)| ExceededLimit {
            account: account.to_owned(),
            method: method.clone(),
            limit: (*limit).to_owned(),
            times: *times,
        };
        self.0.iter().map(show).collect()
    }
}
