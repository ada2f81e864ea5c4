//! How many refused requests one address may make before it is refused without being looked at: this slows down who guesses
//! keys, codes or paths. Webhooks are not counted: all tenants of a provider share its addresses, and one of them must not be
//! able to shut the others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many refusals an address has at once.
const BURST: u32 = 120;
/// How long it takes until it has one more.
const EVERY: Duration = Duration::from_secs(1);
/// The most addresses that a generation remembers.
const MAX_ADDRESSES: usize = 10_000;

/// The refusals of each address.
#[derive(Debug, Default)]
pub(crate) struct RefusalBudget(Mutex<Generations>);

/// When an address has all of its refusals again. A full generation becomes the one before, so that a flood of addresses
/// takes a bounded room, and one that is refused again and again stays known.
#[derive(Debug, Default)]
struct Generations {
    current: HashMap<IpAddr, Instant>,
    before: HashMap<IpAddr, Instant>,
}

impl Generations {
    fn whole_at(&self, address: IpAddr) -> Option<Instant> {
        self.current.get(&address).or_else(|| self.before.get(&address)).copied()
    }

    fn note(&mut self, address: IpAddr, whole_at: Instant) {
        if self.current.len() >= MAX_ADDRESSES && !self.current.contains_key(&address) {
            self.before = std::mem::take(&mut self.current);
        }
        self.current.insert(address, whole_at);
    }
}

impl RefusalBudget {
    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long an address has to wait until it is looked at again; `None` if it need not.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let ahead = self.generations().whole_at(address)?.saturating_duration_since(now);
        let used_up = EVERY * BURST;
        Some(ahead.checked_sub(used_up)? + EVERY)
    }

    /// Notes a refusal.
    pub(crate) fn spend(&self, address: IpAddr, now: Instant) {
        let mut generations = self.generations();
        let whole_at = generations.whole_at(address).map_or(now, |whole_at| whole_at.max(now)) + EVERY;
        generations.note(address, whole_at);
    }
}

/// Whether the refusals of an address count here.
pub(crate) fn is_counted(path: &str) -> bool {
    ["/admin", "/install", "/api"]
        .iter()
        .any(|door| path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn an_address_that_is_refused_again_and_again_waits_and_others_do_not() {
        let (budget, start) = (RefusalBudget::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(budget.wait(address(1), start), None);
            budget.spend(address(1), start);
        }
        assert_eq!(budget.wait(address(1), start), Some(EVERY));
        assert_eq!(budget.wait(address(2), start), None);
        let later = start + EVERY;
        assert_eq!(budget.wait(address(1), later), None, "it has one more");
        budget.spend(address(1), later);
        assert!(budget.wait(address(1), later).is_some());
        assert_eq!(budget.wait(address(1), start + EVERY * BURST * 2), None);
    }

    #[test]
    fn a_flood_of_addresses_takes_a_bounded_room_and_leaves_known_who_goes_on() {
        let (budget, start) = (RefusalBudget::default(), Instant::now());
        for _ in 0..BURST {
            budget.spend(address(1), start);
        }
        for number in 0..u32::try_from(MAX_ADDRESSES).unwrap() * 3 {
            budget.spend(IpAddr::from((0x0a00_0000 + number).to_be_bytes()), start);
            if number % 1_000 == 0 {
                budget.spend(address(1), start);
            }
        }
        let generations = budget.generations();
        assert!(generations.current.len() <= MAX_ADDRESSES && generations.before.len() <= MAX_ADDRESSES);
        drop(generations);
        assert!(budget.wait(address(1), start).is_some());
    }

    #[test]
    fn webhooks_and_probes_are_not_counted() {
        for path in ["/admin", "/admin/dead", "/install/bitrix24/app", "/api/v1/x/events"] {
            assert!(is_counted(path), "{path}");
        }
        for path in ["/webhooks/slack", "/webhooks/bitrix24", "/readyz", "/administrator", "/"] {
            assert!(!is_counted(path), "{path}");
        }
    }
}
