//! Metrics as a port: counters and measures. The adapter for one machine, a map in memory, is here too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The unit of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Things.
    Count,
}

/// Records counts and measures. Names are few and fixed; a reason is one of a few fixed words, never user input.
pub trait Metrics: Send + Sync + 'static {
    /// Adds to the counter `name` for `reason`.
    fn add(&self, name: &'static str, reason: &'static str, number: u64);

    /// Adds one to the counter `name` for `reason`.
    fn count(&self, name: &'static str, reason: &'static str) {
        self.add(name, reason, 1);
    }

    /// Notes how much something is at the moment, or how long it took.
    fn measure(&self, name: &'static str, value: f64, unit: Unit);
}

/// Counters in memory, for one machine and for tests.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    measures: Mutex<BTreeMap<&'static str, f64>>,
}

impl Counters {
    /// What has been counted since the start.
    pub fn all(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last value of each measure.
    pub fn measures(&self) -> BTreeMap<&'static str, f64> {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Metrics for Counters {
    fn add(&self, name: &'static str, reason: &'static str, number: u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((name, reason)).or_default() += number;
    }

    fn measure(&self, name: &'static str, value: f64, _: Unit) {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }
}
