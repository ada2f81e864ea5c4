//! The errors of a Web API call, and what each asks of the caller.

use std::time::Duration;

use jiff::Timestamp;
use wire::{ErrorClass, NoAnswer};

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
    #[error("{method}: Slack asks to wait {} s", .wait.as_secs_f64())]
    Throttled {
        /// The method called.
        method: &'static str,
        /// How long, by `Retry-After`.
        wait: Duration,
    },
    /// The call has no answer of the Web API.
    #[error("{method}: {}", .why.describe("Slack"))]
    NoAnswer {
        /// The method called.
        method: &'static str,
        why: NoAnswer,
    },
    /// Slack's address cannot be called.
    #[error("{0}")]
    Address(String),
}

fn detail(details: &str) -> String {
    if details.is_empty() { String::new() } else { format!(" ({details})") }
}

impl Error {
    pub(crate) fn no_answer(method: &'static str, why: impl Into<NoAnswer>) -> Self {
        Self::NoAnswer { method, why: why.into() }
    }

    /// Too many calls; `wait` is what Slack says of it.
    pub(crate) fn too_many(method: &'static str, wait: Option<Duration>) -> Self {
        Self::Throttled { method, wait: wait.unwrap_or(DEFAULT_WAIT) }
    }

    /// What it asks of the caller at `now`.
    pub fn class(&self, now: Timestamp) -> ErrorClass {
        match self {
            Self::Refused { code, .. } => class_of(code, now),
            Self::Throttled { wait, .. } => ErrorClass::wait(now, *wait),
            Self::NoAnswer { why, .. } => why.class(),
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
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

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
