//! Reads that got no answer although their account answers others: a record or page that hangs is read with a short limit
//! that grows with each try, and counts for nobody else. Each process learns that for itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::later;

/// For so long a read that hung is known.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// The most reads and accounts that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// What is known of a read that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HungRead {
    /// Tries in a row without an answer.
    times: u32,
    last_at: Timestamp,
}

/// How to try a read again that hung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HungTry {
    /// Tries in a row without an answer.
    pub times: u32,
    /// Whether the account has answered others since: then another hang says nothing of the account.
    pub is_apart: bool,
}

/// What is known of reads that hung, by what is read.
#[derive(Debug)]
pub struct HungReads<K> {
    answered: HashMap<TenantId, Timestamp>,
    hung: HashMap<(TenantId, K), HungRead>,
}

impl<K> Default for HungReads<K> {
    fn default() -> Self {
        Self { answered: HashMap::new(), hung: HashMap::new() }
    }
}

impl<K: Hash + Eq> HungReads<K> {
    /// How a read is tried that hung within the last hour; `None` if it did not.
    pub fn next_try(&self, tenant: &TenantId, key: K, now: Timestamp) -> Option<HungTry> {
        let hung = self.hung.get(&(tenant.clone(), key)).filter(|hung| later(hung.last_at, REMEMBERED) > now)?;
        let is_apart = self.answered.get(tenant).is_some_and(|answered| *answered > hung.last_at);
        Some(HungTry { times: hung.times, is_apart })
    }

    /// The account answered something.
    pub fn answered(&mut self, tenant: &TenantId, now: Timestamp) {
        room(&mut self.answered).insert(tenant.clone(), now);
    }

    /// A read got no answer.
    pub fn hung(&mut self, tenant: &TenantId, key: K, now: Timestamp) {
        let hung = room(&mut self.hung).entry((tenant.clone(), key)).or_insert(HungRead { times: 0, last_at: now });
        *hung = HungRead { times: hung.times.saturating_add(1), last_at: now };
    }

    /// A read that had hung was answered.
    pub fn recovered(&mut self, tenant: &TenantId, key: K) {
        self.hung.remove(&(tenant.clone(), key));
    }
}

/// A limit that has doubled as often as a read hung, up to `max`.
pub fn grown(usual: Duration, times: u32, max: Duration) -> Duration {
    usual.saturating_mul(1 << times.min(8)).min(max)
}

/// The map with room for one more: rather than some, all is forgotten, and learned again.
fn room<K, V>(map: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if map.len() >= MAX_REMEMBERED {
        map.clear();
    }
    map
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
    fn a_read_that_hung_is_known_until_it_was_answered_or_an_hour_has_passed() {
        let mut reads = HungReads::default();
        assert_eq!(reads.next_try(&tenant(), 7, at(0)), None);
        reads.hung(&tenant(), 7, at(0));
        reads.hung(&tenant(), 7, at(0));
        assert_eq!(reads.next_try(&tenant(), 7, at(3_599)), Some(HungTry { times: 2, is_apart: false }));
        assert_eq!(reads.next_try(&tenant(), 7, at(3_600)), None);
        assert_eq!(reads.next_try(&tenant(), 8, at(1)), None);
        reads.recovered(&tenant(), 7);
        assert_eq!(reads.next_try(&tenant(), 7, at(1)), None);
    }

    #[test]
    fn a_hang_says_nothing_of_an_account_that_answered_others_since_the_last_one() {
        let mut reads = HungReads::default();
        reads.answered(&tenant(), at(1));
        reads.hung(&tenant(), 7, at(2));
        assert!(!reads.next_try(&tenant(), 7, at(9)).unwrap().is_apart);
        reads.answered(&tenant(), at(3));
        assert!(reads.next_try(&tenant(), 7, at(9)).unwrap().is_apart);
    }

    #[test]
    fn limits_double_up_to_the_most() {
        let seconds =
            [0, 1, 2, 3, 40].map(|times| grown(Duration::from_secs(6), times, Duration::from_secs(40)).as_secs());
        assert_eq!(seconds, [6, 12, 24, 40, 40]);
    }
}
