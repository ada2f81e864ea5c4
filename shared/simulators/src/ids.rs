//! Ids and secrets that look like a provider's, and are the same in each run.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives out secrets that follow from a label and a count.
#[derive(Debug)]
pub(crate) struct SecretSource {
    seed: u64,
    given: AtomicU64,
}

impl SecretSource {
    /// A source whose secrets no source with another label gives.
    pub(crate) fn labelled(label: &str) -> Self {
        // FNV-1a: the same in every version of Rust.
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        Self { seed: label.bytes().fold(0xCBF2_9CE4_8422_2325, fold), given: AtomicU64::new(0) }
    }

    /// The next secret, with this beginning.
    pub(crate) fn secret(&self, beginning: &str) -> String {
        let number = self.given.fetch_add(1, Ordering::SeqCst);
        let (first, second) = (mixed(self.seed, number * 2), mixed(self.seed, number * 2 + 1));
        format!("{beginning}{first:016x}{second:016x}")
    }
}

/// A number that follows from both and says nothing about either: `SplitMix64`.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn secrets_repeat_in_the_next_run_and_never_within_one() {
        let sources = ["hub", "authority"].map(SecretSource::labelled);
        let given: BTreeSet<String> =
            sources.iter().flat_map(|source| (0..100).map(|_| source.secret("xoxb-"))).collect();
        assert_eq!(given.len(), 200);
        assert_eq!(SecretSource::labelled("hub").secret("at"), SecretSource::labelled("hub").secret("at"));
        assert!(given.iter().all(|secret| secret.len() == "xoxb-".len() + 32));
    }
}
