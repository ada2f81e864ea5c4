//! Kinds of errors: each says what to do about an error.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an error asks of whoever gets it. Every error that leaves a crate answers with one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The provider asks for a pause until then; nothing happened.
    Throttled {
        /// When the provider will listen again.
        until: Timestamp,
    },
    /// Nothing happened, and the same call may well work later.
    Transient,
    /// The credentials are no longer good; a person has to renew them.
    Reauthorise,
    /// The same call will never work.
    Permanent {
        /// The provider's own code.
        code: String,
    },
    /// The effect may have happened: look before doing it again.
    UnknownOutcome,
}
