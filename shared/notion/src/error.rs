//! The errors of a call, and what each asks of the caller.
//!
//! Sources: <https://developers.notion.com/reference/status-codes> and
//! <https://developers.notion.com/reference/request-limits>.

use std::time::Duration;

use jiff::Timestamp;
use wire::{ErrorClass, NoAnswer};

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Notion refused.
    #[error("{call}: {code}: {message}{}", shown(.request_id))]
    Refused {
        /// The call: `PATCH /v1/pages/…`.
        call: String,
        /// The HTTP status.
        status: u16,
        /// Notion's code.
        code: String,
        /// Notion's words.
        message: String,
        /// `additional_data.block_limit` was there: the plan's blocks are used up.
        out_of_blocks: bool,
        /// Notion's id of the request, for its support.
        request_id: String,
        /// Whether the call only reads.
        reads: bool,
    },
    /// Too many calls, or an overloaded service.
    #[error("{call}: Notion asks to wait {} s", .wait.as_secs_f64())]
    Throttled {
        call: String,
        /// How long.
        wait: Duration,
    },
    /// The change was saved, and only the answer could not be built: to be read again, not to be repeated.
    #[error("{call}: saved, but Notion could not build its answer in time")]
    Saved {
        call: String,
        /// What was made or changed, where Notion says.
        resource: Option<String>,
        /// The blocks that were appended, in order.
        children: Vec<String>,
    },
    /// The call has no answer of the API.
    #[error("{call}: {}", .why.describe("Notion"))]
    NoAnswer {
        call: String,
        why: NoAnswer,
        /// Whether the call only reads.
        reads: bool,
    },
    /// An answer that lacks what it should have.
    #[error("{call}: Notion's answer cannot be read: {cause}")]
    Shape {
        call: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Notion's address cannot be called.
    #[error("{0}")]
    Address(String),
}

fn shown(request_id: &str) -> String {
    if request_id.is_empty() { String::new() } else { format!(" (request {request_id})") }
}

impl Error {
    /// What it asks of the caller at `now`.
    pub fn class(&self, now: Timestamp) -> ErrorClass {
        match self {
            Self::Refused { code, status, out_of_blocks, reads, .. } => class_of(code, *status, *out_of_blocks, *reads),
            Self::Throttled { wait, .. } => ErrorClass::wait(now, *wait),
            // A read may be repeated, whatever came of it.
            Self::NoAnswer { reads: true, .. } => ErrorClass::Transient,
            Self::NoAnswer { why, .. } => why.class(),
            Self::Saved { .. } => ErrorClass::UnknownOutcome,
            Self::Shape { .. } => ErrorClass::permanent("unreadable_answer"),
            Self::Address(_) => ErrorClass::permanent("bad_address"),
        }
    }

    /// Notion's code, if it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the object is missing or not shared; Notion does not say which.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some("object_not_found")
    }
}

/// How long to wait when Notion says "too many" without saying how long: its windows are a minute.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(60);

fn class_of(code: &str, status: u16, out_of_blocks: bool, reads: bool) -> ErrorClass {
    match (code, status) {
        ("unauthorized" | "invalid_grant" | "invalid_client" | "unauthorized_client", _) | (_, 401) => {
            ErrorClass::Reauthorise
        }
        ("restricted_resource", _) if out_of_blocks => ErrorClass::permanent("block_limit"),
        // Nothing was written; the next try reads first.
        ("conflict_error", _) => ErrorClass::Transient,
        (_, 500..=599) if reads => ErrorClass::Transient,
        // Only a read shows whether it was saved.
        (_, 500..=599) => ErrorClass::UnknownOutcome,
        (code, _) => ErrorClass::permanent(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, out_of_blocks: bool, reads: bool) -> ErrorClass {
        let (call, message, request_id) = (String::new(), String::new(), String::new());
        Error::Refused { call, status, code: code.into(), message, out_of_blocks, request_id, reads }
            .class(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_failed_write_may_have_been_saved_and_a_failed_read_may_be_repeated() {
        assert_eq!(refused(503, "service_unavailable", false, true), ErrorClass::Transient);
        assert_eq!(refused(503, "service_unavailable", false, false), ErrorClass::UnknownOutcome);
        assert_eq!(refused(409, "conflict_error", false, false), ErrorClass::Transient);
        assert_eq!(refused(401, "unauthorized", false, true), ErrorClass::Reauthorise);
        assert_eq!(refused(403, "restricted_resource", true, false), ErrorClass::permanent("block_limit"));
        assert_eq!(refused(404, "object_not_found", false, true), ErrorClass::permanent("object_not_found"));
    }
}
