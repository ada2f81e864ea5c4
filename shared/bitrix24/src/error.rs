//! The errors of a REST call, and what each asks of the caller.

use std::time::Duration;

use jiff::Timestamp;
use wire::ErrorClass;

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
    /// No connection was made; the portal saw nothing.
    #[error("{method}: no connection to the portal: {cause}")]
    NotConnected {
        /// The method called.
        method: String,
        /// Why.
        cause: String,
    },
    /// The connection broke or timed out after the call may have arrived.
    #[error("{method}: the portal's answer was lost: {cause}")]
    Lost {
        /// The method called.
        method: String,
        /// How.
        cause: String,
    },
    /// The answer is not what the portal's REST answers: an HTML page, a cut text. Nothing of it is shown.
    #[error("{method}: the answer is not one of a portal's REST ({seen}); is the address that of the portal?")]
    Garbage {
        /// The method called.
        method: String,
        /// What may be said of it.
        seen: wire::Seen,
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

impl Error {
    /// What it asks of the caller at `now`.
    ///
    /// The code decides, never the HTTP status: documents, SDKs and portals disagree about the status of most
    /// codes (`docs/providers/bitrix24.md`, "System errors").
    pub fn class(&self, now: Timestamp) -> ErrorClass {
        match self {
            Self::Refused { code, free_at, .. } => class_of(code, *free_at, now),
            Self::NotConnected { .. } => ErrorClass::Transient,
            Self::Lost { .. } | Self::Garbage { .. } => ErrorClass::UnknownOutcome,
            // A person has to say where the portal is, or the operator that it may be there.
            Self::Blocked { .. } | Self::Moved { .. } => ErrorClass::Reauthorise,
            Self::Shape { .. } => ErrorClass::permanent("unexpected_shape"),
            Self::Address(_) => ErrorClass::permanent("bad_address"),
        }
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
