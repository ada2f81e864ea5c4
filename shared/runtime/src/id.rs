//! The ids that everything stored or logged carries: tenant, trace, delivery.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::random;

/// A tenant: one portal and the workspaces connected to it. Its text is the portal's `member_id`, which
/// stays when the portal's domain changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(String);

/// A text that cannot be a tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a member_id: 1 to 64 letters, digits, '-' or '_' are")]
pub struct NotATenant(String);

impl TenantId {
    /// Reads a portal's `member_id`. Anything that could break out of a storage key is refused.
    pub fn new(member_id: impl Into<String>) -> Result<Self, NotATenant> {
        let text = member_id.into();
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            Ok(Self(text))
        } else {
            Err(NotATenant(text.chars().take(80).collect()))
        }
    }

    /// The `member_id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One event's way through Switchboard, from the webhook to its last delivery. Sorts by time of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceId(Uuid);

impl TraceId {
    /// A new id for something that arrived `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(random::uuid_at(at))
    }

    /// Reads an id back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().filter(|uuid| uuid.get_version_num() == 7).map(Self)
    }

    /// When the event arrived, to the millisecond.
    pub fn arrived_at(self) -> Timestamp {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |t| t.to_unix());
        let nanos = i32::try_from(nanos).unwrap_or_default();
        Timestamp::new(i64::try_from(seconds).unwrap_or_default(), nanos).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The day of arrival in UTC, as `2026-11-21`.
    pub fn day(self) -> String {
        day(self.arrived_at())
    }
}

/// The UTC day of a moment, as `2026-11-21`.
pub fn day(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

impl std::str::FromStr for TraceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One outward effect. The id follows from its cause, so a retry is the same delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// The id that follows from `cause`: what changed, in which version of the record, by which route.
    /// The parts are hashed with their lengths, so no two different causes run together.
    pub fn of(cause: &[&str]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for part in cause {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        Self(digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id that a job carries as text.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id as text: 24 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trace_tells_when_it_arrived_and_sorts_by_it() {
        let early = TraceId::new("2026-11-21T23:59:59.123Z".parse().unwrap());
        let late = TraceId::new("2026-11-22T00:00:00Z".parse().unwrap());
        assert_eq!(early.day(), "2026-11-21");
        assert_eq!(early.arrived_at().to_string(), "2026-11-21T23:59:59.123Z");
        assert!(early.to_string() < late.to_string());
        assert_eq!(TraceId::parse(&early.to_string()), Some(early));
    }

    #[test]
    fn what_could_leave_its_storage_key_is_no_tenant() {
        for text in ["", "a#b", "a/b", "../x", "a b", "ü", &"x".repeat(65)] {
            assert!(TenantId::new(text).is_err(), "{text:?}");
        }
        assert!(TenantId::new("d897063e1ce7c5eb9f04b9751eef5915").is_ok());
    }

    #[test]
    fn a_delivery_id_depends_on_every_part_of_its_cause() {
        assert_eq!(DeliveryId::of(&["a", "b"]), DeliveryId::of(&["a", "b"]));
        assert_ne!(DeliveryId::of(&["a", "b"]), DeliveryId::of(&["ab", ""]));
        assert_eq!(DeliveryId::of(&["a"]).as_str().len(), 24);
    }
}
