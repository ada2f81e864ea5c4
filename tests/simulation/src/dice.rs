//! Random numbers from one seed, in a stream of its own for each purpose: a new draw for one purpose does not change
//! what the others draw.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Numbers that follow from a seed and a purpose (`SplitMix64`).
#[derive(Debug)]
pub struct Dice(Mutex<u64>);

impl Dice {
    /// The stream of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a: the same on every platform and with every version of Rust.
        let name = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Mutex::new(mixed(seed) ^ name))
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(*state)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `first` to `last`.
    pub fn between(&self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// Whether something happens that happens `permille` times in a thousand.
    pub fn happens(&self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or_default())
    }

    /// A duration in whole milliseconds.
    pub fn duration(&self, shortest: Duration, longest: Duration) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.between(millis(shortest), millis(longest)))
    }

    /// A wait that is `mean` on average and mostly shorter, at most six times as long.
    pub fn wait(&self, mean: Duration) -> Duration {
        let fraction = f64::from(u32::try_from(self.number() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let factor = -(1.0 - fraction).max(0.0025).ln();
        Duration::from_millis(u64::try_from(mean.mul_f64(factor).as_millis()).unwrap_or(u64::MAX))
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_follows_from_its_seed_and_its_purpose() {
        let draws = |seed, purpose| {
            let dice = Dice::new(seed, purpose);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, "people"), draws(1, "people"));
        assert_ne!(draws(1, "people"), draws(2, "people"));
        assert_ne!(draws(1, "people"), draws(1, "faults"));
    }

    #[test]
    fn what_is_drawn_is_within_its_bounds() {
        let dice = Dice::new(7, "bounds");
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert!((0..100).all(|_| !dice.happens(0) && dice.happens(1_000)));
        assert_eq!(dice.pick::<u8>(&[]), None);
        let waits: Vec<_> = (0..2_000).map(|_| dice.wait(Duration::from_secs(10))).collect();
        let mean = waits.iter().sum::<Duration>() / 2_000;
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&mean), "{mean:?}");
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(60)));
    }
}
