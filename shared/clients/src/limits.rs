//! How long calls wait for their slots.

use std::time::Duration;

/// A wait up to this is slept; a longer one sends the job back to its queue.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
