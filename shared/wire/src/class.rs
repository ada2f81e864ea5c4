//! What a failed call asks of the caller.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a failed call asks of the caller. The `Error` of each provider has one, and so has each failure of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The provider asks for a pause; nothing was done.
    Throttled {
        /// When the provider accepts calls again.
        until: Timestamp,
    },
    /// Nothing was done, and the same call may succeed later.
    Transient,
    /// The credentials no longer work; a person has to renew them.
    Reauthorise,
    /// The same call will never work.
    Permanent {
        /// The provider's own code, or ours where the provider's says too little.
        code: String,
    },
    /// The effect may have happened: check before trying again.
    UnknownOutcome,
}

impl ErrorClass {
    /// The provider asks to wait this long from `now`.
    pub fn wait(now: Timestamp, pause: Duration) -> Self {
        Self::Throttled { until: now.checked_add(pause).unwrap_or(Timestamp::MAX) }
    }

    /// The same call will never work.
    pub fn permanent(code: impl Into<String>) -> Self {
        Self::Permanent { code: code.into() }
    }
}
