//! What is counted and measured on one machine, as a scraper needs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use runtime::metrics::{Counters, Metrics, Unit};

/// The upper bounds of the histogram of delays, in milliseconds.
pub(crate) const BUCKETS: [f64; 9] =
    [250.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 15_000.0, 60_000.0, 300_000.0, 3_600_000.0];

/// What was measured under one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub(crate) last: f64,
    pub(crate) at: Timestamp,
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// How many were not above each bound.
    pub(crate) within: [u64; BUCKETS.len()],
}

/// Counters, and what a scraper needs to know of measures. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct HostMetrics {
    counters: Arc<Counters>,
    measured: Arc<Mutex<BTreeMap<&'static str, Measured>>>,
}

impl HostMetrics {
    /// The counters alone.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// What was measured, by name.
    pub(crate) fn measured(&self) -> BTreeMap<&'static str, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Metrics for HostMetrics {
    fn add(&self, name: &'static str, reason: &'static str, number: u64) {
        self.counters.add(name, reason, number);
    }

    fn measure(&self, name: &'static str, value: f64, unit: Unit) {
        self.counters.measure(name, value, unit);
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = measured.entry(name).or_default();
        (entry.last, entry.at) = (value, Timestamp::now());
        entry.sum += value;
        entry.count += 1;
        for (within, bound) in entry.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(value <= bound);
        }
    }
}
