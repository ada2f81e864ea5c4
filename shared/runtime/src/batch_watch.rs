//! What the runner and the jobs of a batch know of each other while they are worked.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;

use crate::falls::Falls;
use crate::job::JobOutcome;

/// Watches the jobs of a batch.
pub(crate) struct BatchWatch {
    /// Learns of each job that has ended.
    ended: UnboundedSender<(String, JobOutcome)>,
    /// The same, as long as the batch is worked.
    outcomes: Mutex<HashMap<String, JobOutcome>>,
    /// Whether no job may begin any more.
    is_closed: AtomicBool,
    /// Notes which jobs begin.
    pub(crate) falls: Falls,
}

impl Debug for BatchWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWatch").field("outcomes", &self.outcomes()).finish_non_exhaustive()
    }
}

impl BatchWatch {
    pub(crate) fn new(ended: UnboundedSender<(String, JobOutcome)>, falls: Falls) -> Self {
        Self { ended, outcomes: Mutex::default(), is_closed: AtomicBool::new(false), falls }
    }

    /// Whether a job may begin. If so, it has begun.
    pub(crate) async fn begin(&self, id: &str) -> bool {
        if self.is_closed.load(Ordering::Relaxed) {
            return false;
        }
        self.falls.begin(id).await;
        true
    }

    /// From now on no job begins.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// A job has ended.
    pub(crate) fn end(&self, id: &str, outcome: &JobOutcome) {
        self.outcomes().insert(id.to_owned(), outcome.clone());
        // Where nobody listens any more, all are settled at the end.
        let _ = self.ended.unbounded_send((id.to_owned(), outcome.clone()));
    }

    /// The outcomes so far.
    pub(crate) fn so_far(&self) -> HashMap<String, JobOutcome> {
        self.outcomes().clone()
    }

    fn outcomes(&self) -> MutexGuard<'_, HashMap<String, JobOutcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
