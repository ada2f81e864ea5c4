//! The errors of a Web API call, and what each asks of the caller.

use std::time::Duration;

use jiff::Timestamp;
use wire::ErrorClass;

/// A Web API call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Slack refused with a code.
    #[error("{method}: {code}{}", detail(.details))]
    Refused {
        /// The method called.
        method: &'static str,
        /// Slack's code.
        code: String,
        /// What Slack adds: the needed scope, the block that does not fit.
        details: String,
    },
    /// Too many calls.
    #[error("{method}: Slack asks to wait {} s", .wait.as_secs())]
    Throttled {
        /// The method called.
        method: &'static str,
        /// How long, by `Retry-After`.
        wait: Duration,
    },
    /// No connection was made; Slack saw nothing.
    #[error("{method}: no connection to Slack: {cause}")]
    NotConnected {
        /// The method called.
        method: &'static str,
        /// Why.
        cause: String,
    },
    /// The connection broke or timed out after the call may have arrived.
    #[error("{method}: Slack's answer was lost: {cause}")]
    Lost {
        /// The method called.
        method: &'static str,
        /// How.
        cause: String,
    },
    /// The answer is not the Web API's: an HTML page, a cut text. Nothing of it is shown.
    #[error("{method}: the answer is not one of Slack's API ({seen})")]
    Garbage {
        /// The method called.
        method: &'static str,
        /// What may be said of it.
        seen: wire::Seen,
    },
    /// Slack's address cannot be called.
    #[error("{0}")]
    Address(String),
}

fn detail(details: &str) -> String {
    if details.is_empty() { String::new() } else { format!(" ({details})") }
}

impl Error {
    /// What it asks of the caller at `now`.
    pub fn class(&self, now: Timestamp) -> ErrorClass {
        match self {
            Self::Refused { code, .. } => class_of(code, now),
            Self::Throttled { wait, .. } => ErrorClass::wait(now, *wait),
            Self::NotConnected { .. } => ErrorClass::Transient,
            Self::Lost { .. } | Self::Garbage { .. } => ErrorClass::UnknownOutcome,
            Self::Address(_) => ErrorClass::permanent("bad_address"),
        }
    }

    /// Slack's code, if it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// How long to wait when Slack says "too many" without saying how long.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(30);

fn class_of(code: &str, now: Timestamp) -> ErrorClass {
    match code {
        "ratelimited" | "rate_limited" => ErrorClass::wait(now, DEFAULT_WAIT),
        // Slack says of these that the call may have been done.
        "fatal_error" | "internal_error" | "service_unavailable" | "request_timeout" => ErrorClass::UnknownOutcome,
        "team_added_to_org" => ErrorClass::Transient,
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "invalid_refresh_token"
        | "invalid_client_id"
        | "bad_client_secret"
        | "org_login_required"
        | "team_access_not_granted" => ErrorClass::Reauthorise,
        code => ErrorClass::permanent(code),
    }
}
