//! A call without an answer of the provider's API: why, in words, and what it asks of the caller.

use crate::class::ErrorClass;
use crate::error::{Cause, SendError};
use crate::seen::SeenAnswer;
use crate::transport::Unread;

/// Why a call has no answer of a provider's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection was made; the provider saw nothing.
    NotConnected(String),
    /// The connection broke or timed out after the call may have arrived.
    Lost(Cause),
    /// The answer is not the API's: an HTML page, a cut text. Nothing of it is shown.
    Garbage(SeenAnswer),
}

impl NoAnswer {
    /// The same in words, for a provider of this name.
    pub fn describe(&self, provider: &str) -> String {
        match self {
            Self::NotConnected(cause) => format!("no connection to {provider}: {cause}"),
            Self::Lost(cause) => format!("{provider}'s answer was lost: {cause}"),
            Self::Garbage(seen) => format!("the answer is not one of {provider}'s API ({seen})"),
        }
    }

    /// What it asks of the caller.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotConnected(_) => ErrorClass::Transient,
            Self::Lost(_) | Self::Garbage(_) => ErrorClass::UnknownOutcome,
        }
    }
}

impl From<SendError> for NoAnswer {
    fn from(error: SendError) -> Self {
        match error {
            // A provider's own host may not be called: the operator has to allow it, and later it may work.
            SendError::Blocked(blocked) => Self::NotConnected(blocked.to_string()),
            SendError::NotConnected(cause) => Self::NotConnected(cause.to_string()),
            SendError::Lost(cause) => Self::Lost(cause),
        }
    }
}

impl From<Unread> for NoAnswer {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Lost(cause) => Self::Lost(cause),
            Unread::TooLarge(seen) => Self::Garbage(seen),
        }
    }
}
