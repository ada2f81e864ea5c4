//! The one source of randomness: the operating system's.
//!
//! With the feature `seeded`, which only the simulation has, a thread can draw from a seed instead, so that everything
//! it does can be done again. What runs for customers is built without it (`tests/journeys/tests/arrows.rs`).

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore;
use jiff::Timestamp;
use uuid::Uuid;

/// Whether this build can draw from a seed: then its secrets can be guessed.
pub const IS_SEEDABLE: bool = cfg!(feature = "seeded");

/// Random bytes, fit for keys.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[cfg(feature = "seeded")]
    if seeded::fill(&mut bytes) {
        return bytes;
    }
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// 32 random hexadecimal digits, of which 122 bits are random: a secret text.
pub fn hex() -> String {
    uuid().simple().to_string()
}

/// A random UUID (version 4).
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(bytes()).into_uuid()
}

/// A UUID that sorts by `moment`, to the millisecond (version 7).
pub fn uuid_at(moment: Timestamp) -> Uuid {
    let millis = u64::try_from(moment.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid()
}

/// A number from 0 to below 1.
pub fn fraction() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(feature = "seeded")]
pub use seeded::{Seeded, seed};

#[cfg(feature = "seeded")]
mod seeded {
    use std::cell::RefCell;

    use sha2::{Digest, Sha256};

    thread_local! {
        static STREAM: RefCell<Option<RandomStream>> = const { RefCell::new(None) };
    }

    struct RandomStream {
        seed: u64,
        block: u64,
        left: Vec<u8>,
    }

    impl RandomStream {
        fn next(&mut self) -> u8 {
            if let Some(byte) = self.left.pop() {
                return byte;
            }
            self.block += 1;
            self.left = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(self.block.to_le_bytes())
                .finalize()
                .to_vec();
            self.left.pop().unwrap_or_default()
        }
    }

    /// What this thread draws follows from a seed until this is dropped.
    #[derive(Debug)]
    pub struct Seeded(());

    /// Lets this thread draw from `seed`.
    pub fn seed(seed: u64) -> Seeded {
        STREAM.set(Some(RandomStream { seed, block: 0, left: Vec::new() }));
        Seeded(())
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            STREAM.set(None);
        }
    }

    /// Whether the thread draws from a seed.
    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        STREAM.with_borrow_mut(|stream| {
            let Some(stream) = stream else { return false };
            bytes.fill_with(|| stream.next());
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_random_differs_from_draw_to_draw() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_ne!(hex(), hex());
        assert_eq!((hex().len(), uuid().get_version_num()), (32, 4));
        let fractions: Vec<f64> = (0..100).map(|_| fraction()).collect();
        assert!(fractions.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(fractions.iter().any(|number| *number < 0.5) && fractions.iter().any(|number| *number >= 0.5));
    }

    #[test]
    fn an_id_sorts_by_its_moment_and_says_it() {
        let moment: Timestamp = "2026-11-21T12:00:00.123Z".parse().unwrap_or_default();
        let later: Timestamp = "2026-11-21T12:00:00.124Z".parse().unwrap_or_default();
        let id = uuid_at(moment);
        assert_eq!(id.get_version_num(), 7);
        assert!(id < uuid_at(later));
        let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
        assert_eq!((i64::try_from(seconds), nanos), (Ok(moment.as_second()), 123_000_000));
    }

    #[cfg(feature = "seeded")]
    #[test]
    fn a_seed_gives_the_same_draws_again_and_another_gives_others() {
        let draws = |number| {
            let _seeded = seed(number);
            (hex(), bytes::<100>())
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert_ne!(hex(), hex(), "after it, the operating system's");
    }
}
