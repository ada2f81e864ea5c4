//! Counting, as a port: CloudWatch's embedded metric format on Lambda, a map in memory on one machine.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Takes counts. Names are few and fixed; a reason is one of a few fixed words, never user input.
pub trait Metrics: Send + Sync + 'static {
    /// Adds one to the counter `name` for `reason`.
    fn count(&self, name: &'static str, reason: &'static str);
}

/// Counters in memory, for one machine and for tests.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Counters {
    /// What has been counted since the start.
    pub fn all(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Metrics for Counters {
    fn count(&self, name: &'static str, reason: &'static str) {
        let mut counters = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *counters.entry((name, reason)).or_default() += 1;
    }
}
