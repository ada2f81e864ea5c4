//! The errors of a REST call, and what each asks of the caller.

use std::time::Duration;

use jiff::Timestamp;
use wire::{ErrorClass, NoAnswer, SendError};

/// How long to leave a portal alone that says "too many" without saying how long: its bucket drains two a second, and
/// vendors' clients wait a second more.
const DEFAULT_WAIT: Duration = Duration::from_millis(1_500);

/// A REST call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The portal refused with a code.
    #[error("{method}: {code}: {text}")]
    Refused {
        /// The method called.
        method: String,
        /// The portal's code, in lower case: it writes the same code in both.
        code: String,
        /// The portal's words.
        text: String,
        /// When the method's operating time is free again, where the portal says.
        free_at: Option<Timestamp>,
    },
    /// The call has no answer of a portal's REST.
    #[error("{method}: {}{}", .why.describe("the portal"), hint(.why))]
    NoAnswer {
        /// The method called.
        method: String,
        why: NoAnswer,
    },
    /// The portal's host may not be called; nothing was sent.
    #[error("{method}: {blocked}")]
    Blocked {
        /// The method called.
        method: String,
        /// Why not.
        blocked: wire::Blocked,
    },
    /// The portal answered with a redirect, which is not followed; nothing was done.
    #[error("{method}: the portal redirects{}: it seems to have been renamed", to(.host.as_deref()))]
    Moved {
        /// The method called.
        method: String,
        /// The host that it redirects to, where it names one.
        host: Option<String>,
    },
    /// The result is not of the shape that the method documents.
    #[error("{method}: the result has an unexpected shape: {cause}")]
    Shape {
        /// The method called.
        method: String,
        /// What does not fit.
        cause: String,
    },
    /// A portal's address cannot be called.
    #[error("{0}")]
    Address(String),
}

fn to(host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(" to {host}"))
}

/// What may be wrong if something else than a portal answers.
fn hint(why: &NoAnswer) -> &'static str {
    if matches!(why, NoAnswer::Garbage(_)) { "; is the address that of the portal?" } else { "" }
}

impl Error {
    pub(crate) fn no_answer(method: &str, why: impl Into<NoAnswer>) -> Self {
        Self::NoAnswer { method: method.to_owned(), why: why.into() }
    }

    pub(crate) fn not_sent(method: &str, error: SendError) -> Self {
        match error {
            SendError::Blocked(blocked) => Self::Blocked { method: method.to_owned(), blocked },
            error => Self::no_answer(method, error),
        }
    }

    /// What it asks of the caller at `now`.
    ///
    /// The code decides, never the HTTP status: documents, SDKs and portals disagree about the status of most
    /// codes (`docs/providers/bitrix24.md`, "System errors").
    pub fn class(&self, now: Timestamp) -> ErrorClass {
        match self {
            Self::Refused { code, free_at, .. } => class_of(code, *free_at, now),
            Self::NoAnswer { why, .. } => why.class(),
            // A person has to say where the portal is, or the operator that it may be there.
            Self::Blocked { .. } | Self::Moved { .. } => ErrorClass::Reauthorise,
            Self::Shape { .. } => ErrorClass::permanent("unexpected_shape"),
            Self::Address(_) => ErrorClass::permanent("bad_address"),
        }
    }

    /// Whether a server answered that is not a portal's REST, and did not say that it is in trouble.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::NoAnswer { why: NoAnswer::Garbage(seen), .. } if seen.status < 500)
    }

    /// The portal's code in lower case, if it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

fn class_of(code: &str, free_at: Option<Timestamp>, now: Timestamp) -> ErrorClass {
    match code {
        "query_limit_exceeded" | "overload_limit" | "too_many_requests" => ErrorClass::wait(now, DEFAULT_WAIT),
        "operation_time_limit" => match free_at {
            Some(until) => ErrorClass::Throttled { until },
            None => ErrorClass::wait(now, DEFAULT_WAIT),
        },
        "internal_server_error" | "error_unexpected_answer" => ErrorClass::UnknownOutcome,
        "no_auth_found"
        | "expired_token"
        | "invalid_token"
        | "invalid_credentials"
        | "authorization_error"
        | "application_not_found"
        | "error_oauth"
        | "payment_required"
        | "portal_deleted"
        | "invalid_grant"
        | "bad_verification_code"
        | "wrong_client"
        | "invalid_client"
        | "not_installed"
        | "method_confirm_waiting"
        | "user_access_error" => ErrorClass::Reauthorise,
        // A right that is missing, "insufficient_scope", is missing for some methods only: the others go on.
        code => ErrorClass::permanent(code),
    }
}
