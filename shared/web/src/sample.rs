//! Which refusals are logged: a flood of them must not become a flood of log lines. The counters count them all.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Refusals of one code that are logged one by one before they are sampled.
const LOGGED_EACH: u64 = 10;
/// After that, one in this many is logged.
const LOGGED_ONE_OF: u64 = 1_000;

/// Whether this occurrence of `code` is one to log. Codes are constants, so there are few.
pub fn is_sampled(code: &'static str) -> bool {
    static SEEN: OnceLock<Mutex<HashMap<&'static str, u64>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let count = seen.entry(code).or_default();
    *count += 1;
    *count <= LOGGED_EACH || count.is_multiple_of(LOGGED_ONE_OF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_ten_times_and_then_once_a_thousand() {
        let logged = (0..3_000).filter(|_| is_sampled("a test's flood")).count();
        assert_eq!(logged, 13);
    }
}
