//! How long to wait before the next try, and when to give up.

use std::time::Duration;

use crate::random;

/// Tries end when the waits between them add up to this.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

const FIRST: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(15 * 60);

/// The wait before try number `failures + 1`: full jitter below 1 s doubling to 15 min. `random` is in 0..1.
///
/// Full jitter spreads the herd that one outage makes; see "Exponential Backoff And Jitter" in the AWS
/// Architecture Blog.
pub fn back_off(failures: u32, random: f64) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << failures.min(12)).min(MAX_WAIT);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

/// [`back_off`] with a random number of its own.
pub fn jittered(failures: u32) -> Duration {
    back_off(failures, random::fraction())
}

/// A random part of a window: it spreads over it what would otherwise come at once.
pub fn spread(window: Duration) -> Duration {
    window.mul_f64(jittered(0).as_secs_f64().clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_is_below_a_ceiling_that_doubles_to_a_quarter_of_an_hour(failures in 0u32..100, random in 0.0f64..1.0) {
            let wait = back_off(failures, random);
            prop_assert!(wait <= Duration::from_secs(15 * 60));
            prop_assert!(wait <= Duration::from_secs(1u64 << failures.min(12)));
        }
    }

    #[test]
    fn jitter_is_not_always_the_same() {
        let waits: std::collections::BTreeSet<_> = (0..20).map(|_| jittered(9)).collect();
        assert!(waits.len() > 10);
    }
}
