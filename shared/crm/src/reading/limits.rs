//! How long reads of a portal's records may take, and which records are read by themselves.
//!
//! A record whose read hangs must not delay those that are read together with it. A request for several records that gets
//! no answer is split, and the record that hung is read alone from then on, for as long as it hangs. A portal that is slow
//! as a whole gets more time with each try, as long as our function has time for it.
//!
//! A process remembers this for itself; one that knows nothing learns it from one request.

use std::collections::HashMap;
use std::time::Duration;

use clients::{HungReads, grown};
use jiff::Timestamp;
use records::Record;
use runtime::TenantId;

/// The time for a request of records that is usually answered within a second.
const USUAL: Duration = Duration::from_secs(6);
/// The time for each record of a request that got no answer.
const AFTER_SPLIT: Duration = Duration::from_secs(3);
/// The most time for a request. What follows it ends within the minute that a function has on AWS.
const MAX: Duration = Duration::from_secs(40);
/// The most time for each record after that.
const MAX_AFTER_SPLIT: Duration = Duration::from_secs(12);
/// The most time for a record of a portal that answers for others.
const MAX_APART: Duration = Duration::from_secs(30);
/// The most portals that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// What is known of a portal.
#[derive(Debug, Default, Clone, Copy)]
struct PortalPace {
    /// Requests in a row for several records of which none got an answer in time.
    slow: u32,
}

/// What the reads so far say of the next ones.
#[derive(Debug, Default)]
pub(crate) struct ReadLimits {
    portals: HashMap<TenantId, PortalPace>,
    hung: HungReads<Record>,
}

/// How a record is read by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AloneLimit {
    pub(crate) limit: Duration,
    /// Whether the portal answered others since the record hung: then another hang says nothing of the portal.
    pub(crate) apart: bool,
}

impl ReadLimits {
    /// The time for one request for several records.
    pub(crate) fn together(&self, tenant: &TenantId) -> Duration {
        grown(USUAL, self.pace(tenant).slow, MAX)
    }

    /// The time for each record of a request that has just got no answer.
    pub(crate) fn after_split(&self, tenant: &TenantId) -> Duration {
        grown(AFTER_SPLIT, self.pace(tenant).slow, MAX_AFTER_SPLIT)
    }

    /// How a record is read, if it has to be read by itself.
    pub(crate) fn alone(&self, tenant: &TenantId, record: Record, now: Timestamp) -> Option<AloneLimit> {
        let hung = self.hung.next_try(tenant, record, now)?;
        let max = if hung.is_apart { MAX_APART } else { MAX };
        Some(AloneLimit { limit: grown(USUAL, hung.times, max), apart: hung.is_apart })
    }

    /// The portal answered a read that took `took`.
    pub(crate) fn answered(&mut self, tenant: &TenantId, took: Duration, now: Timestamp) {
        self.hung.answered(tenant, now);
        if took < USUAL {
            self.portals.remove(tenant);
        }
    }

    /// No record of several could be read, together or apart.
    pub(crate) fn is_slow(&mut self, tenant: &TenantId) {
        if self.portals.len() >= MAX_REMEMBERED {
            self.portals.clear();
        }
        let pace = self.portals.entry(tenant.clone()).or_default();
        pace.slow = pace.slow.saturating_add(1);
    }

    /// The read of a record alone got no answer.
    pub(crate) fn hung(&mut self, tenant: &TenantId, record: Record, now: Timestamp) {
        self.hung.hung(tenant, record, now);
    }

    /// A record that was read alone has been read.
    pub(crate) fn recovered(&mut self, tenant: &TenantId, record: Record) {
        self.hung.recovered(tenant, record);
    }

    fn pace(&self, tenant: &TenantId) -> PortalPace {
        self.portals.get(tenant).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tenant() -> TenantId {
        TenantId::new("t").unwrap()
    }

    #[test]
    fn a_slow_portal_gets_more_time_with_each_try_and_the_usual_again_when_it_is_fast() {
        let mut limits = ReadLimits::default();
        let mut seconds = Vec::new();
        for _ in 0..6 {
            seconds.push(limits.together(&tenant()).as_secs());
            limits.is_slow(&tenant());
        }
        assert_eq!(seconds, [6, 12, 24, 40, 40, 40]);
        limits.answered(&tenant(), Duration::from_secs(30), at(1));
        assert_eq!(limits.together(&tenant()).as_secs(), 40, "it answers, and is still slow");
        limits.answered(&tenant(), Duration::from_secs(1), at(2));
        assert_eq!(limits.together(&tenant()).as_secs(), 6);
    }

    #[test]
    fn a_record_that_hung_is_read_alone_until_it_was_read_or_an_hour_has_passed() {
        let (mut limits, record) = (ReadLimits::default(), Record::Task(7));
        assert_eq!(limits.alone(&tenant(), record, at(0)), None);
        limits.hung(&tenant(), record, at(0));
        assert_eq!(limits.alone(&tenant(), record, at(3_599)).map(|alone| alone.limit.as_secs()), Some(12));
        assert_eq!(limits.alone(&tenant(), record, at(3_600)), None);
        assert_eq!(limits.alone(&tenant(), Record::Task(8), at(1)), None);
        limits.recovered(&tenant(), record);
        assert_eq!(limits.alone(&tenant(), record, at(1)), None);
    }

    #[test]
    fn a_hang_says_nothing_of_a_portal_that_answered_others_since_the_last_one() {
        let (mut limits, record) = (ReadLimits::default(), Record::Task(7));
        limits.answered(&tenant(), Duration::ZERO, at(1));
        limits.hung(&tenant(), record, at(2));
        let apart = |limits: &ReadLimits| limits.alone(&tenant(), record, at(9)).unwrap().apart;
        assert!(!apart(&limits));
        limits.answered(&tenant(), Duration::ZERO, at(3));
        assert!(apart(&limits));
    }
}
