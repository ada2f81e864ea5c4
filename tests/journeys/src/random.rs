//! Random numbers for tests: they all follow from one seed, which is printed, so that a failing run can be replayed.

/// The environment variable that sets the seed.
pub const SEED: &str = "SWITCHBOARD_SEED";

/// Numbers that follow from a seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// With the seed of `SWITCHBOARD_SEED`, or one by the clock; says which, and how to use it again.
    pub fn seeded() -> Self {
        let seed = match std::env::var(SEED) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is not a number")),
            Err(_) => u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap(),
        };
        println!("to replay: {SEED}={seed}");
        Self::from_seed(seed)
    }

    /// With this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_gives_others() {
        let numbers = |seed| {
            let mut random = Random::from_seed(seed);
            (0..20).map(|_| random.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!(numbers(1).iter().all(|number| *number < 1_000));
    }
}
