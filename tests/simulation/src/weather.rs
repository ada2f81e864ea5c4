//! What goes wrong: how often calls fail by themselves, and which providers are down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often something goes wrong by itself, of a thousand times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// A call of the store or a queue fails, before or after its effect.
    pub engine: u64,
    /// A call of a provider fails in one of many ways.
    pub provider: u64,
    /// A request to us is not answered, before or after it was accepted.
    pub webhook: u64,
    /// The lease of a job ends while its work goes on.
    pub lease: u64,
}

/// How a provider is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// It answers with the page of a gateway.
    Gateway,
    /// It accepts connections and answers nothing.
    Hang,
    /// Connections break.
    Reset,
    /// Nobody listens.
    Refused,
    /// It refuses everything for so many seconds.
    Throttle(u64),
    /// It works, and takes so long.
    Slow(Duration),
}

/// What goes wrong now.
#[derive(Debug, Default)]
pub struct Weather {
    rates: FaultRates,
    is_stormy: AtomicBool,
    outages: Mutex<BTreeMap<String, Outage>>,
}

impl Weather {
    /// Fine until [`Weather::begin`].
    pub fn new(rates: FaultRates) -> Self {
        Self { rates, ..Self::default() }
    }

    /// From now on calls fail.
    pub fn begin(&self) {
        self.is_stormy.store(true, Ordering::SeqCst);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.is_stormy.store(false, Ordering::SeqCst);
        self.outages().clear();
    }

    /// How often something goes wrong now.
    pub fn rates(&self) -> FaultRates {
        if self.is_stormy.load(Ordering::SeqCst) { self.rates } else { FaultRates::default() }
    }

    fn outages(&self) -> MutexGuard<'_, BTreeMap<String, Outage>> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An outage of the server at `host` begins, or, with `None`, ends.
    pub fn set(&self, host: &str, outage: Option<Outage>) {
        match outage {
            Some(outage) => self.outages().insert(host.to_owned(), outage),
            None => self.outages().remove(host),
        };
    }

    /// The outage of the server at `host`.
    pub fn of(&self, host: &str) -> Option<Outage> {
        self.outages().get(host).copied()
    }

    /// Whether any provider is down.
    pub fn is_any_down(&self) -> bool {
        !self.outages().is_empty()
    }
}
