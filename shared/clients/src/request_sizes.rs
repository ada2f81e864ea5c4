//! How much one request of an account asks for. A request that got no answer in time is repeated with half of what was in
//! it, until requests are answered quickly again. Each process learns that for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wire::time_limits::SLOW_CALL;

/// More accounts than this are not remembered; they learn again.
const MAX_REMEMBERED: usize = 10_000;

/// The most that a request of an account asks for, where that is less than what the provider allows. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct RequestSizes(Arc<Mutex<HashMap<String, usize>>>);

impl RequestSizes {
    /// How much of `wanted` the next request asks for.
    pub(crate) fn next(&self, account: &str, wanted: usize) -> usize {
        let sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(account).map_or(wanted, |most| wanted.min(*most))
    }

    /// A request that asked for `size` was answered after `took`; the provider allows `most`.
    pub(crate) fn answered(&self, account: &str, size: usize, most: usize, took: Duration) {
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = sizes.get_mut(account).filter(|known| took < SLOW_CALL && size >= **known) else { return };
        *known = size.saturating_mul(2);
        if *known >= most {
            sizes.remove(account);
        }
    }

    /// A request that asked for `size` got no answer, and was given up after `waited`. One that failed at once says nothing
    /// of its size.
    pub(crate) fn unanswered(&self, account: &str, size: usize, waited: Duration) {
        if waited < SLOW_CALL || size < 2 {
            return;
        }
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.len() >= MAX_REMEMBERED {
            sizes.clear();
        }
        let known = sizes.entry(account.to_owned()).or_insert(size);
        *known = (*known).min(size / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_secs(20);
    const QUICK: Duration = Duration::from_secs(1);

    #[test]
    fn a_request_without_an_answer_is_repeated_with_half_of_it_until_requests_are_quick() {
        let sizes = RequestSizes::default();
        let mut asked = Vec::new();
        // Half a second for each part.
        for _ in 0..6 {
            let size = sizes.next("a", 50);
            asked.push(size);
            let took = Duration::from_millis(500) * u32::try_from(size).unwrap_or_default();
            if took > SLOW { sizes.unanswered("a", size, SLOW) } else { sizes.answered("a", size, 50, took) }
        }
        assert_eq!(asked, [50, 25, 25, 25, 25, 25]);
        sizes.answered("a", 25, 50, QUICK);
        assert_eq!((sizes.next("a", 50), sizes.next("b", 50)), (50, 50));
    }

    #[test]
    fn requests_shrink_to_one_and_what_asked_for_less_says_nothing() {
        let sizes = RequestSizes::default();
        for _ in 0..9 {
            sizes.unanswered("a", sizes.next("a", 100), SLOW);
        }
        assert_eq!(sizes.next("a", 100), 1);
        sizes.answered("a", 1, 100, QUICK);
        sizes.answered("a", 1, 100, QUICK);
        assert_eq!(sizes.next("a", 100), 2, "the second asked for less than it might have");
        sizes.unanswered("a", 2, Duration::from_secs(1));
        assert_eq!(sizes.next("a", 100), 2, "it failed at once");
    }

    #[test]
    fn several_that_hang_at_once_count_once() {
        let sizes = RequestSizes::default();
        for _ in 0..5 {
            sizes.unanswered("a", 50, SLOW);
        }
        assert_eq!(sizes.next("a", 50), 25);
    }
}
