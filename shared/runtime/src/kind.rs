//! Kinds of errors: each says what to do about an error.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an error asks of the caller. Every error that leaves a crate has one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The provider asks for a pause until then; nothing was done.
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
        /// The provider's own code.
        code: String,
    },
    /// The effect may have happened: check before trying again.
    UnknownOutcome,
}
