//! The ports of `runtime` in the memory of one process: ordered collections behind a mutex, without threads or timers.
//!
//! The same calls at the same times of the clock give the same answers. It is for tests and simulations: nothing
//! outlives the process.

mod queue;
mod secrets;
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::clock::{Clock, ClockStep, ClockWatch};
use runtime::metrics::Metrics;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, QueueName};
use secrecy::SecretString;
use tokio::sync::Notify;

/// The store, the queues and the secrets of a deployment. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<SharedState>,
    clock: Arc<dyn Clock>,
    /// Which start of the process this belongs to.
    life: u64,
}

struct SharedState {
    kept: Mutex<DurableState>,
    /// Wakes those who wait for a message.
    sent: Notify,
    /// Notices when the clock is set back: what waits for a moment of the time before is then due.
    watch: ClockWatch,
}

/// Everything that survives a crash.
#[derive(Clone)]
struct DurableState {
    /// The start of the process that may use it; earlier ones have crashed.
    life: u64,
    items: store::StoredItems,
    queues: BTreeMap<QueueName, queue::Lane>,
    secrets: BTreeMap<String, SecretString>,
    /// The number of the next message, dead letter or lease.
    next: u64,
}

impl DurableState {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A copy of everything that an engine kept.
pub struct MemoryBackup(DurableState);

/// The process that this engine was given to has crashed.
const CRASHED: &str = "this process has crashed";

impl Memory {
    /// An empty engine with a new key ring.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let kept = DurableState {
            life: 0,
            items: store::StoredItems::default(),
            queues: BTreeMap::new(),
            secrets: BTreeMap::from([(KEY_RING.to_owned(), KeyRing::generate())]),
            next: 0,
        };
        let shared = SharedState { kept: Mutex::new(kept), sent: Notify::new(), watch: ClockWatch::default() };
        Self { shared: Arc::new(shared), clock, life: 0 }
    }

    /// The ports, for the functions.
    pub fn backend(&self, metrics: Arc<dyn Metrics>) -> Backend {
        Backend {
            store: Arc::new(self.clone()),
            queue: Arc::new(self.clone()),
            secrets: Arc::new(self.clone()),
            clock: self.clock.clone(),
            metrics,
        }
    }

    /// Ends the process and starts it again: the engine after the restart.
    ///
    /// Every call that has returned is kept. What the old process still tries to do fails, and the messages that it had
    /// received are handed out again.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.life += 1;
        kept.queues.values_mut().for_each(queue::Lane::recover);
        let restarted = Self { shared: self.shared.clone(), clock: self.clock.clone(), life: kept.life };
        drop(kept);
        self.shared.sent.notify_waiters();
        restarted
    }

    /// A copy of everything that is kept now.
    pub fn backup(&self) -> MemoryBackup {
        MemoryBackup(self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Puts a backup in place of everything that is kept. Messages that were received when it was made are handed out
    /// again.
    pub fn restore(&self, backup: &MemoryBackup) {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let life = kept.life;
        *kept = DurableState { life, ..backup.0.clone() };
        kept.queues.values_mut().for_each(queue::Lane::recover);
    }

    /// The texts of all items, jobs and dead letters, for a test that looks for something in them.
    pub fn texts(&self) -> Vec<String> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = kept.queues.values().flat_map(queue::Lane::texts);
        kept.items.texts().chain(queued).collect()
    }

    /// The last time that the clock was set back, as its queues noticed it.
    pub fn last_step(&self) -> Option<ClockStep> {
        self.shared.watch.last_step()
    }

    fn kept(&self) -> Result<MutexGuard<'_, DurableState>, String> {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.life == self.life { Ok(kept) } else { Err(CRASHED.to_owned()) }
    }
}
