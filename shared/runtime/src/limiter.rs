//! One limiter for each provider account, shared by every worker through the store.
//!
//! A slot is reserved with one conditional write, and the answer is how long to wait for it. The rule is the generic
//! cell rate algorithm: the account's state is one moment, the "theoretical arrival time" of the next call. A
//! provider's own "slow down" pauses the account until then. An item beside the slots holds the account's outage, if its
//! calls fail ([`crate::outage`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, is_ahead, later, until};
use crate::outage::{Admission, Outage};

pub use crate::outage::MAX_PAUSE;
use crate::store::{ItemKey, Store, StoreError, StoreWrite, Table, Version, WriteCondition};

/// How many calls a bucket allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One call in this time, in the long run.
    pub every: Duration,
    /// How many calls at once after a pause.
    pub burst: u32,
}

/// The longest that a caller waits for its slot.
const MAX_PATIENCE: Duration = Duration::from_secs(10);

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

/// The answer to [`Limiter::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// The call may be made.
    Open(Admission),
    /// No slot is free now.
    Shut {
        /// When to try again, from now.
        wait: Duration,
        /// Whether the provider asked for the pause, rather than our own rate.
        parked: bool,
    },
    /// The account is down, and this call is not the one that probes it.
    Down(Outage),
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
        /// Whether the provider asked for the pause, rather than our own rate.
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
    /// Until when calls are paused, if they are: because the provider asked for it, or because it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// Calls in a row that found the provider down; several at once count as one.
    pub failures: u32,
    /// Since when the provider is down, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct LimiterState {
    /// When the bucket is empty again.
    next: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_until: Option<Timestamp>,
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
        Self { next: now, parked_until: None, used: 0 }
    }

    /// The pause, if there is one at `now`.
    fn pause(&self, now: Timestamp) -> Option<Timestamp> {
        self.parked_until.filter(|parked| is_ahead(now, *parked, MAX_PAUSE))
    }

    /// The rule of a window: so many calls at any pace until it ends, then the next one begins with the first call.
    fn reserve_in(self, window: Window, lane: Priority, now: Timestamp) -> (Reservation, Option<Self>) {
        if let Some(parked) = self.pause(now) {
            return (Reservation::Wait { wait: until(now, parked), parked: true }, None);
        }
        let (ends, used) = if is_ahead(now, self.next, window.length) {
            (self.next, self.used)
        } else {
            (later(now, window.length), 0)
        };
        let share = match lane {
            Priority::Person | Priority::Event | Priority::Sync => window.most,
            // Some are left for what happens meanwhile.
            Priority::Sweep => (window.most - window.most / 25).max(1),
        };
        if used >= share {
            return (Reservation::Wait { wait: until(now, ends), parked: false }, None);
        }
        let taken = Self { next: ends, used: used + 1, parked_until: None };
        (Reservation::Granted(Duration::ZERO), Some(taken))
    }

    /// When the bucket is empty again; a moment that no burst and no patient caller can have made counts as now.
    fn next(&self, rate: Rate, now: Timestamp) -> Timestamp {
        let longest = rate.every.saturating_mul(rate.burst.saturating_add(1)).saturating_add(MAX_PATIENCE);
        if is_ahead(now, self.next, longest) { self.next } else { now }
    }

    /// The rule: whether there is a slot within `patience`, and the state after taking it.
    fn reserve(self, rate: Rate, lane: Priority, now: Timestamp, patience: Duration) -> (Reservation, Option<Self>) {
        if let Some(parked) = self.pause(now) {
            return (Reservation::Wait { wait: until(now, parked), parked: true }, None);
        }
        let next = self.next(rate, now);
        let ahead = until(now, next);
        let allowance = rate.every.saturating_mul(lane.share_of(rate.burst).saturating_sub(1));
        let wait = ahead.saturating_sub(allowance);
        if wait > patience.min(MAX_PATIENCE) {
            return (Reservation::Wait { wait, parked: false }, None);
        }
        let taken = Self { next: later(next, rate.every), parked_until: None, ..self };
        (Reservation::Granted(wait), Some(taken))
    }
}

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

    /// Waits for a slot in each of the buckets, of which each comes within `patience`, and takes them; or says how long to
    /// stay away from the account. While the account is down, one call at a time is let through.
    pub async fn admit(&self, account: &str, buckets: &[&RateBucket], patience: Duration) -> Result<Gate, StoreError> {
        let known = self.outage(account).await?.map(|(outage, _)| outage);
        if let Some(outage) = known.as_ref().filter(|outage| outage.is_down())
            && !outage.wait(self.clock.now()).is_zero()
        {
            return Ok(Gate::Down(outage.clone()));
        }
        if let Some(shut) = self.take_slots(buckets, patience).await? {
            return Ok(shut);
        }
        let admission = Admission { was_failing: known.is_some(), ..Admission::unasked(self.clock.now()) };
        if known.is_some_and(|outage| outage.is_down()) {
            self.probe(account, admission).await
        } else {
            Ok(Gate::Open(admission))
        }
    }

    /// The same for a call that counts for nobody: it waits for its slots, whether the account is down or not.
    pub async fn admit_uncounted(&self, buckets: &[&RateBucket], patience: Duration) -> Result<Gate, StoreError> {
        if let Some(shut) = self.take_slots(buckets, patience).await? {
            return Ok(shut);
        }
        Ok(Gate::Open(Admission::unasked(self.clock.now())))
    }

    /// Waits for a slot in each bucket and takes it; the shut gate of the first that has none.
    async fn take_slots(&self, buckets: &[&RateBucket], patience: Duration) -> Result<Option<Gate>, StoreError> {
        for bucket in buckets {
            match self.reserve(bucket, patience).await? {
                Reservation::Granted(wait) if wait.is_zero() => {}
                Reservation::Granted(wait) => self.clock.sleep(wait).await,
                Reservation::Wait { wait, parked } => return Ok(Some(Gate::Shut { wait, parked })),
            }
        }
        Ok(None)
    }

    /// Lets one call probe an account that is down: the one that writes first.
    async fn probe(&self, account: &str, admission: Admission) -> Result<Gate, StoreError> {
        let Some((outage, version)) = self.outage(account).await? else { return Ok(Gate::Open(admission)) };
        if !outage.wait(admission.began).is_zero() {
            return Ok(Gate::Down(outage));
        }
        let (probed, limit) = outage.probed(admission.began);
        match self.write_outage(account, &probed, Some(version)).await {
            Ok(()) => Ok(Gate::Open(Admission { limit: Some(limit), ..admission })),
            Err(StoreError::Conflict(_)) => Ok(Gate::Down(probed)),
            Err(error) => Err(error),
        }
    }

    /// How much of a bucket is used, and whether its account is down, for display; uses no slot.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    pub async fn usage(&self, account: &str, bucket: &RateBucket) -> Result<Usage, StoreError> {
        let (state, _) = self.read(&bucket.name).await?;
        let outage = self.outage(account).await?.map(|(outage, _)| outage);
        let now = self.clock.now();
        let (used, of) = match bucket.window {
            Some(window) => (if is_ahead(now, state.next, window.length) { state.used } else { 0 }, window.most),
            None => {
                let ahead = until(now, state.next(bucket.rate, now)).as_secs_f64();
                let used = ahead / bucket.rate.every.as_secs_f64().max(0.001);
                (used.ceil().clamp(0.0, 1e6) as u32, bucket.rate.burst)
            }
        };
        let down = outage.as_ref().filter(|outage| outage.is_down());
        let next_probe = down.map(|outage| later(now, outage.wait(now))).filter(|probe| *probe > now);
        Ok(Usage {
            used,
            of,
            parked_until: state.pause(now).max(next_probe),
            failures: outage.as_ref().map_or(0, |outage| outage.failures),
            down_since: down.map(|outage| outage.since),
        })
    }

    /// Pauses the bucket until then, but for [`MAX_PAUSE`] at most: the provider asked for it.
    pub async fn park(&self, account: &RateBucket, moment: Timestamp) -> Result<(), StoreError> {
        let now = self.clock.now();
        let moment = moment.min(later(now, MAX_PAUSE));
        // The provider's window ends then, and ours begins again with it.
        self.change(account, |state| LimiterState {
            parked_until: state.pause(now).max(Some(moment)),
            used: if account.window.is_some() { 0 } else { state.used },
            next: if account.window.is_some() { moment } else { state.next },
        })
        .await
    }

    /// Ends the bucket's pause and its account's outage, whatever their reason.
    pub async fn release(&self, account: &str, bucket: &RateBucket) -> Result<(), StoreError> {
        self.store.delete(&health_key(account)).await?;
        self.change(bucket, |state| LimiterState { parked_until: None, ..state }).await
    }

    /// Notes that a call found the provider down; returns the account's outage with it.
    pub async fn provider_failed(&self, account: &str, call: &Admission) -> Result<Outage, StoreError> {
        self.change_outage(account, |known| Outage::after(known, call, self.clock.now())).await
    }

    /// Notes that the provider rejected our credentials: the account is asked rarely until they are renewed.
    pub async fn provider_rejected(&self, account: &str) -> Result<(), StoreError> {
        self.change_outage(account, |known| Outage::rejected(known, self.clock.now())).await.map(|_| ())
    }

    async fn change_outage(
        &self,
        account: &str,
        change: impl Fn(Option<Outage>) -> Outage,
    ) -> Result<Outage, StoreError> {
        loop {
            let (known, version) = match self.outage(account).await? {
                Some((outage, version)) => (Some(outage), Some(version)),
                None => (None, None),
            };
            let outage = change(known.clone());
            if known.as_ref() == Some(&outage) {
                return Ok(outage);
            }
            match self.write_outage(account, &outage, version).await {
                Ok(()) => return Ok(outage),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes that a call was answered; returns the outage that this ends. Reads and writes only if the account was
    /// failing when the call was admitted.
    pub async fn provider_answered(&self, account: &str, call: &Admission) -> Result<Option<Outage>, StoreError> {
        if !call.was_failing {
            return Ok(None);
        }
        let Some((outage, version)) = self.outage(account).await?.filter(|(outage, _)| outage.is_ended_by(call)) else {
            return Ok(None);
        };
        let over =
            StoreWrite { condition: WriteCondition::Version(version), ..StoreWrite::removal(health_key(account)) };
        match self.store.put(over).await {
            Ok(_) => Ok(Some(outage)),
            // Another answer has ended it, or another failure counts by now.
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The outage of an account, if its calls fail.
    async fn outage(&self, account: &str) -> Result<Option<(Outage, Version)>, StoreError> {
        let item = self.store.get(&health_key(account)).await?;
        item.map(|item| Ok((item.decode()?, item.version))).transpose()
    }

    async fn write_outage(&self, account: &str, outage: &Outage, version: Option<Version>) -> Result<(), StoreError> {
        let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
        // Of an account that nobody has called for a day nothing is known.
        let rest = later(self.clock.now(), Duration::from_secs(86_400));
        self.store.put(StoreWrite::new(health_key(account), outage, condition)?.expiring(rest)).await.map(|_| ())
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

/// Where an account's outage is.
fn health_key(account: &str) -> ItemKey {
    ItemKey::new(Table::Limits, account, "outage")
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

    #[test]
    fn moments_that_no_rule_can_make_count_as_none() {
        let hour = at(3_600_000);
        let state = LimiterState { next: hour, parked_until: Some(hour), used: 100 };
        let granted = |(reservation, _): (Reservation, Option<LimiterState>)| reservation;
        assert_eq!(
            granted(state.reserve(RATE, Priority::Event, at(0), Duration::ZERO)),
            Reservation::Granted(Duration::ZERO)
        );
        let window = Window { length: Duration::from_secs(60), most: 100 };
        assert_eq!(granted(state.reserve_in(window, Priority::Sync, at(0))), Reservation::Granted(Duration::ZERO));
        // One that a rule can make counts.
        let paused = LimiterState { parked_until: Some(at(900_000)), ..LimiterState::new(at(0)) };
        let (refused, _) = paused.reserve(RATE, Priority::Event, at(0), Duration::ZERO);
        assert_eq!(refused, Reservation::Wait { wait: MAX_PAUSE, parked: true });
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
