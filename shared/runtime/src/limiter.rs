//! One limiter for each provider account, shared by every worker through the store.
//!
//! A slot is reserved with one conditional write, and the answer is how long to wait for it. The rule is the generic
//! cell rate algorithm: the account's state is one moment, the "theoretical arrival time" of the next call. A
//! provider's own "slow down" pauses the account until then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, later, until};
use crate::retry::jittered;
use crate::store::{ItemKey, Store, StoreError, StoreWrite, Table, Version, WriteCondition};

/// How many calls a bucket allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One call in this time, in the long run.
    pub every: Duration,
    /// How many calls at once after a pause.
    pub burst: u32,
}

/// Who needs a slot. All priorities share one account; the lower ones may use less of its burst, so that there is
/// always room for those above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person who waits for the answer.
    Person,
    /// An event is decided or delivered.
    #[default]
    Event,
    /// Two systems are synced.
    Sync,
    /// Lost events are looked for, old records are filled in.
    Sweep,
}

impl Priority {
    /// How much of a burst it may use; at least one call.
    fn share_of(self, burst: u32) -> u32 {
        let percent = match self {
            Self::Person => 100,
            Self::Event => 85,
            Self::Sync => 50,
            Self::Sweep => 25,
        };
        // Small bursts are not divided: nothing of them would be left.
        if burst < 8 { burst } else { (burst * percent / 100).max(1) }
    }
}

/// A limit that counts calls in fixed windows, at any pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long a window is.
    pub length: Duration,
    /// How many calls it allows.
    pub most: u32,
}

/// A limit of a provider that calls count against, with its rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateBucket {
    /// Its key: provider, tenant or workspace, and the limit that the provider counts.
    pub name: String,
    /// Its rate.
    pub rate: Rate,
    /// Its window, if the provider counts in windows; the rate is then ignored.
    pub window: Option<Window>,
    /// The priority of the caller.
    pub lane: Priority,
}

impl RateBucket {
    /// A bucket, used with the priority of events.
    pub fn new(name: String, rate: Rate) -> Self {
        Self { name, rate, window: None, lane: Priority::default() }
    }

    /// A bucket whose provider counts calls in windows.
    pub fn windowed(name: String, window: Window) -> Self {
        let rate = Rate { every: window.length / window.most.max(1), burst: 1 };
        Self { window: Some(window), ..Self::new(name, rate) }
    }

    /// The same bucket with the priority that may use all of it.
    #[must_use]
    pub fn for_a_person(self) -> Self {
        Self { lane: Priority::Person, ..self }
    }
}

/// The answer to [`Limiter::reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The slot is free after this wait; zero is now.
    Granted(Duration),
    /// The wait would be longer than allowed, or the account is paused: try again then. No slot was used.
    Wait {
        /// How long from now.
        wait: Duration,
        /// Whether the provider (or its failing) asked for the pause, rather than our own rate.
        parked: bool,
    },
}

/// How much of a bucket is used at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Calls that count now: of the burst, or of the window.
    pub used: u32,
    /// How many may be made at once.
    pub of: u32,
    /// Until when calls are paused, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// Calls in a row that found the provider down.
    pub failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct LimiterState {
    /// When the bucket is empty again.
    next: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_until: Option<Timestamp>,
    /// Calls in a row that found the provider down.
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    /// Calls in the window that ends at `next`, where calls are counted in windows.
    #[serde(default, skip_serializing_if = "is_zero")]
    used: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl LimiterState {
    fn new(now: Timestamp) -> Self {
        Self { next: now, parked_until: None, failures: 0, used: 0 }
    }

    /// The rule of a window: so many calls at any pace until it ends, then the next one begins with the first call.
    fn reserve_in(self, window: Window, lane: Priority, now: Timestamp) -> (Reservation, Option<Self>) {
        if let Some(parked) = self.parked_until.filter(|parked| *parked > now) {
            return (Reservation::Wait { wait: until(now, parked), parked: true }, None);
        }
        let (ends, used) = if now < self.next { (self.next, self.used) } else { (later(now, window.length), 0) };
        let share = match lane {
            Priority::Person | Priority::Event | Priority::Sync => window.most,
            // Some are left for what happens meanwhile.
            Priority::Sweep => (window.most - window.most / 25).max(1),
        };
        if used >= share {
            return (Reservation::Wait { wait: until(now, ends), parked: false }, None);
        }
        let taken = Self { next: ends, used: used + 1, parked_until: None, failures: self.failures };
        (Reservation::Granted(Duration::ZERO), Some(taken))
    }

    /// The rule: whether there is a slot within `patience`, and the state after taking it.
    fn reserve(self, rate: Rate, lane: Priority, now: Timestamp, patience: Duration) -> (Reservation, Option<Self>) {
        if let Some(parked) = self.parked_until.filter(|parked| *parked > now) {
            return (Reservation::Wait { wait: until(now, parked), parked: true }, None);
        }
        let next = self.next.max(now);
        let ahead = until(now, next);
        let allowance = rate.every.saturating_mul(lane.share_of(rate.burst).saturating_sub(1));
        let wait = ahead.saturating_sub(allowance);
        if wait > patience {
            return (Reservation::Wait { wait, parked: false }, None);
        }
        let taken = Self { next: later(next, rate.every), parked_until: None, ..self };
        (Reservation::Granted(wait), Some(taken))
    }
}

/// From so many calls in a row that found the provider down, the account as a whole counts as down.
const DOWN_AFTER: u32 = 5;

/// Conflicts mean that other workers took slots meanwhile; after this many, the bucket is busy enough to wait.
const MAX_CONFLICTS: u32 = 8;

/// Reserves slots. Cheap to clone.
#[derive(Clone)]
pub struct Limiter {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The last state seen of each bucket: a right guess saves the read before the conditional write.
    seen: Arc<Mutex<HashMap<String, (LimiterState, Option<Version>)>>>,
}

/// More buckets than this are not remembered at once.
const MAX_SEEN: usize = 10_000;

impl Limiter {
    /// A limiter over `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, seen: Arc::default() }
    }

    /// Reserves a slot if one comes within `patience`.
    pub async fn reserve(&self, account: &RateBucket, patience: Duration) -> Result<Reservation, StoreError> {
        let mut guess = self.recall(&account.name);
        for _ in 0..MAX_CONFLICTS {
            let fresh = guess.is_none();
            let (state, version) = match guess.take() {
                Some(guess) => guess,
                None => self.read(&account.name).await?,
            };
            let (reservation, taken) = match account.window {
                Some(window) => state.reserve_in(window, account.lane, self.clock.now()),
                None => state.reserve(account.rate, account.lane, self.clock.now(), patience),
            };
            let Some(taken) = taken else {
                if fresh {
                    return Ok(reservation);
                }
                // A refusal is only believed of what the store says now: the pause may have been ended.
                continue;
            };
            match self.write(&account.name, taken, version).await {
                Ok(()) => return Ok(reservation),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Reservation::Wait { wait: account.rate.every, parked: false })
    }

    /// Waits for a slot that comes within `patience` and takes it, or says how long to stay away.
    pub async fn admit(&self, account: &RateBucket, patience: Duration) -> Result<Result<(), Reservation>, StoreError> {
        match self.reserve(account, patience).await? {
            Reservation::Granted(wait) => {
                if !wait.is_zero() {
                    self.clock.sleep(wait).await;
                }
                Ok(Ok(()))
            }
            refused @ Reservation::Wait { .. } => Ok(Err(refused)),
        }
    }

    /// How much of a bucket is used, for display; uses no slot.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    pub async fn usage(&self, account: &RateBucket) -> Result<Usage, StoreError> {
        let (state, _) = self.read(&account.name).await?;
        let now = self.clock.now();
        let (used, of) = match account.window {
            Some(window) => (if now < state.next { state.used } else { 0 }, window.most),
            None => {
                let ahead = until(now, state.next.max(now)).as_secs_f64() / account.rate.every.as_secs_f64().max(0.001);
                (ahead.ceil().clamp(0.0, 1e6) as u32, account.rate.burst)
            }
        };
        let parked_until = state.parked_until.filter(|parked| *parked > now);
        Ok(Usage { used, of, parked_until, failures: state.failures })
    }

    /// Pauses the bucket until then: the provider asked for it.
    pub async fn park(&self, account: &RateBucket, moment: Timestamp) -> Result<(), StoreError> {
        // The provider's window ends then, and ours begins again with it.
        self.change(account, |state| LimiterState {
            parked_until: state.parked_until.max(Some(moment)),
            used: if account.window.is_some() { 0 } else { state.used },
            next: if account.window.is_some() { moment } else { state.next },
            ..state
        })
        .await
    }

    /// Ends the bucket's pause, whatever its reason.
    pub async fn release(&self, account: &RateBucket) -> Result<(), StoreError> {
        self.change(account, |state| LimiterState { parked_until: None, failures: 0, ..state }).await
    }

    /// Notes that a call found the provider down. From the fifth in a row on, the account is paused, longer each time,
    /// up to 15 minutes. Returns whether the account as a whole now counts as down.
    pub async fn provider_failed(&self, account: &RateBucket) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut down = false;
        self.change(account, |state| {
            let failures = state.failures.saturating_add(1);
            down = failures >= DOWN_AFTER;
            let pause = Duration::from_secs(1).max(jittered(failures.saturating_sub(DOWN_AFTER) + 2));
            let parked_until = if down { state.parked_until.max(Some(later(now, pause))) } else { state.parked_until };
            LimiterState { failures, parked_until, ..state }
        })
        .await?;
        Ok(down)
    }

    /// Notes that a call was answered. Writes only when failures had been counted.
    pub async fn provider_answered(&self, account: &RateBucket) -> Result<(), StoreError> {
        match self.recall(&account.name) {
            Some((state, _)) if state.failures > 0 => {
                self.change(account, |state| LimiterState { failures: 0, ..state }).await
            }
            _ => Ok(()),
        }
    }

    async fn change(
        &self,
        account: &RateBucket,
        mut change: impl FnMut(LimiterState) -> LimiterState,
    ) -> Result<(), StoreError> {
        loop {
            let (state, version) = self.read(&account.name).await?;
            match self.write(&account.name, change(state), version).await {
                Err(StoreError::Conflict(_)) => {}
                done => return done,
            }
        }
    }

    async fn read(&self, name: &str) -> Result<(LimiterState, Option<Version>), StoreError> {
        Ok(match self.store.get(&key(name)).await? {
            Some(item) => (item.decode()?, Some(item.version)),
            None => (LimiterState::new(self.clock.now()), None),
        })
    }

    async fn write(&self, name: &str, state: LimiterState, version: Option<Version>) -> Result<(), StoreError> {
        let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
        // The state of an unused bucket says no more than a missing one.
        let rest = later(state.next.max(state.parked_until.unwrap_or(state.next)), Duration::from_secs(86_400));
        let written = self.store.put(StoreWrite::new(key(name), &state, condition)?.expiring(rest)).await;
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &written {
            Ok(version) => {
                if seen.len() >= MAX_SEEN {
                    seen.clear();
                }
                seen.insert(name.to_owned(), (state, Some(*version)));
            }
            Err(_) => {
                seen.remove(name);
            }
        }
        written.map(|_| ())
    }

    fn recall(&self, name: &str) -> Option<(LimiterState, Option<Version>)> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).copied()
    }
}

fn key(account: &str) -> ItemKey {
    ItemKey::new(Table::Limits, account, "slots")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { every: Duration::from_millis(500), burst: 4 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_sweep_leaves_room_for_events_and_they_for_a_person() {
        let rate = Rate { every: Duration::from_millis(500), burst: 40 };
        let mut state = LimiterState::new(at(0));
        let mut at_once = |lane| {
            let mut taken = 0;
            while let (Reservation::Granted(_), Some(next)) = state.reserve(rate, lane, at(0), Duration::ZERO) {
                state = next;
                taken += 1;
            }
            taken
        };
        assert_eq!(
            [Priority::Sweep, Priority::Sync, Priority::Event, Priority::Person].map(&mut at_once),
            [10, 10, 14, 6]
        );
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut state = LimiterState::new(at(0));
        let mut waits = Vec::new();
        for _ in 0..7 {
            let (reservation, taken) = state.reserve(RATE, Priority::Event, at(0), Duration::from_secs(60));
            let Reservation::Granted(wait) = reservation else { unreachable!("patience is long") };
            waits.push(wait.as_millis());
            state = taken.unwrap_or(state);
        }
        assert_eq!(waits, [0, 0, 0, 0, 500, 1000, 1500]);
    }

    #[test]
    fn no_slot_is_taken_when_the_wait_is_longer_than_the_patience() {
        let mut state = LimiterState::new(at(0));
        for _ in 0..5 {
            state = state.reserve(RATE, Priority::Event, at(0), Duration::from_secs(60)).1.unwrap_or(state);
        }
        let (reservation, taken) = state.reserve(RATE, Priority::Event, at(0), Duration::from_millis(100));
        assert_eq!(reservation, Reservation::Wait { wait: Duration::from_secs(1), parked: false });
        assert_eq!(taken, None);
    }

    #[test]
    fn a_window_takes_its_calls_at_any_pace_and_then_none() {
        let window = Window { length: Duration::from_secs(60), most: 100 };
        let mut state = LimiterState::new(at(0));
        let mut taken = |now: i64, lane| {
            let mut calls = 0;
            while let (Reservation::Granted(_), Some(next)) = state.reserve_in(window, lane, at(now)) {
                state = next;
                calls += 1;
            }
            calls
        };
        assert_eq!([taken(0, Priority::Sweep), taken(1_000, Priority::Sync)], [96, 4]);
        assert_eq!([taken(59_999, Priority::Person), taken(60_000, Priority::Sync)], [0, 100]);
        let (refused, _) = state.reserve_in(window, Priority::Sync, at(70_000));
        assert_eq!(refused, Reservation::Wait { wait: Duration::from_secs(50), parked: false });
    }

    #[test]
    fn a_parked_account_grants_nothing_until_then() {
        let state = LimiterState { parked_until: Some(at(5_000)), ..LimiterState::new(at(0)) };
        let (reservation, _) = state.reserve(RATE, Priority::Event, at(1_000), Duration::from_secs(60));
        assert_eq!(reservation, Reservation::Wait { wait: Duration::from_secs(4), parked: true });
        let (reservation, _) = state.reserve(RATE, Priority::Event, at(5_000), Duration::ZERO);
        assert_eq!(reservation, Reservation::Granted(Duration::ZERO));
    }

    proptest! {
        /// Whatever the moments of asking, no window holds more calls than the burst and the rate allow.
        #[test]
        fn no_window_holds_more_than_burst_and_rate(gaps in prop::collection::vec(0i64..900, 1..80)) {
            let mut state = LimiterState::new(at(0));
            let mut now = 0;
            let mut calls = Vec::new();
            for gap in gaps {
                now += gap;
                let (reservation, taken) = state.reserve(RATE, Priority::Event, at(now), Duration::from_secs(5));
                if let (Reservation::Granted(wait), Some(taken)) = (reservation, taken) {
                    calls.push(now + i64::try_from(wait.as_millis()).unwrap_or_default());
                    state = taken;
                }
            }
            for (i, start) in calls.iter().enumerate() {
                for (j, end) in calls.iter().enumerate().skip(i) {
                    let allowed = 4 + (end - start) / 500;
                    prop_assert!(i64::try_from(j - i + 1).unwrap_or(i64::MAX) <= allowed, "{} calls in {} ms", j - i + 1, end - start);
                }
            }
        }
    }
}
