//! The errors of a REST call, and what each asks of the caller.

use jiff::Timestamp;

/// What an error asks of the caller. The wire crates share no code, so each has these words of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The portal asks for a pause: until then, or for a time of the caller's choosing.
    Throttled {
        /// Until when, where the portal says.
        until: Option<Timestamp>,
    },
    /// Nothing happened, and the call may work later.
    Transient,
    /// The credentials are no longer good.
    Reauthorise,
    /// The call will never work.
    Permanent {
        /// The portal's code, in lower case.
        code: String,
    },
    /// The call may have had its effect.
    UnknownOutcome,
}

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
    /// What it asks of the caller.
    ///
    /// The code decides, never the HTTP status: documents, SDKs and portals disagree about the status of most
    /// codes (`docs/providers/bitrix24.md`, "System errors").
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused { code, free_at, .. } => kind_of(code, *free_at),
            Self::NotConnected { .. } => Kind::Transient,
            Self::Lost { .. } | Self::Garbage { .. } => Kind::UnknownOutcome,
            // A person has to say where the portal is, or the operator that it may be there.
            Self::Blocked { .. } | Self::Moved { .. } => Kind::Reauthorise,
            Self::Shape { .. } => Kind::Permanent { code: "unexpected_shape".into() },
            Self::Address(_) => Kind::Permanent { code: "bad_address".into() },
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

fn kind_of(code: &str, free_at: Option<Timestamp>) -> Kind {
    match code {
        "query_limit_exceeded" | "overload_limit" | "too_many_requests" => Kind::Throttled { until: None },
        "operation_time_limit" => Kind::Throttled { until: free_at },
        "internal_server_error" | "error_unexpected_answer" => Kind::UnknownOutcome,
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
        | "user_access_error" => Kind::Reauthorise,
        // A right that is missing, "insufficient_scope", is missing for some methods only: the others go on.
        code => Kind::Permanent { code: code.to_owned() },
    }
}
