//! A hundred tenants at once: nobody waits behind somebody else's backlog, and everybody gets their own rate.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use embedded::{Database, SqliteQueue};
use jiff::Timestamp;
use platform::clock::{later, until};
use platform::limiter::{Account, Limiter, Rate, Reservation};
use platform::queue::{Message, Queue};
use platform::queues;
use platform::retry::jittered;
use platform::store::{Belongings, Condition, Item, Key, Page, Query, Store, StoreError, Table, Version, Write};
use platform::{ManualClock, SystemClock};
use sandbox::bucket::Bucket;

const START: &str = "2026-11-21T12:00:00Z";

/// As little of a store as the limiter needs, and at once.
#[derive(Default)]
struct Memory(Mutex<HashMap<Key, (String, Version)>>);

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let items = self.0.lock().unwrap();
        Ok(items.get(key).map(|(value, version)| Item {
            key: key.clone(),
            value: value.clone(),
            version: *version,
            expires_at: None,
        }))
    }

    async fn put(&self, write: Write) -> Result<Version, StoreError> {
        let mut items = self.0.lock().unwrap();
        let there = items.get(&write.key).map(|(_, version)| *version);
        let holds = match write.condition {
            Condition::Always => true,
            Condition::Absent => there.is_none(),
            Condition::Version(version) => there == Some(version),
        };
        if !holds {
            return Err(StoreError::Conflict(write.key));
        }
        let version = there.unwrap_or_default() + 1;
        items.insert(write.key, (write.value, version));
        Ok(version)
    }

    async fn put_all(&self, _: Vec<Write>) -> Result<(), StoreError> {
        unreachable!("the limiter writes one at a time")
    }

    async fn delete(&self, _: &Key) -> Result<(), StoreError> {
        unreachable!("the limiter deletes nothing")
    }

    async fn erase(&self, _: &Key, _: Version) -> Result<bool, StoreError> {
        unreachable!("the limiter erases nothing")
    }

    async fn list(&self, _: &Query) -> Result<Page, StoreError> {
        unreachable!("the limiter lists nothing")
    }

    async fn belonging(&self, _: Table, _: &str, _: Option<&Key>) -> Result<Belongings, StoreError> {
        unreachable!("the limiter takes nobody out")
    }
}

/// What happens next at a portal.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// A job asks for a slot.
    Ask,
    /// A job that has a slot makes its call.
    Call,
}

/// 10,000 jobs of 100 portals, all there at once, each asking for a slot and going back to its queue when the wait is
/// long, as handlers do; and portals that refuse whatever comes too fast.
#[tokio::test]
async fn ten_thousand_calls_of_a_hundred_portals_use_each_rate_to_97_percent_without_a_refusal() {
    const PORTALS: usize = 100;
    const JOBS: usize = 100;
    let start: Timestamp = START.parse().unwrap();
    let clock = Arc::new(ManualClock::at(start));
    let limiter = Limiter::new(Arc::new(Memory::default()), clock.clone());
    let rate = Rate { every: Duration::from_millis(500), burst: 40 };
    let accounts: Vec<_> = (0..PORTALS).map(|portal| Account::new(format!("bitrix24#{portal}"), rate)).collect();
    let mut buckets: Vec<_> = (0..PORTALS).map(|_| Bucket::new(50.0, 2.0)).collect();
    let mut calls: Vec<Vec<Timestamp>> = vec![Vec::new(); PORTALS];

    let mut agenda = BinaryHeap::new();
    let mut number = 0u64;
    let mut note = |agenda: &mut BinaryHeap<_>, at: Timestamp, portal: usize, next: Next| {
        number += 1;
        agenda.push(Reverse((at, number, portal, next)));
    };
    for job in 0..PORTALS * JOBS {
        note(&mut agenda, start, job % PORTALS, Next::Ask);
    }
    while let Some(Reverse((at, _, portal, next))) = agenda.pop() {
        clock.advance_to(at);
        match next {
            Next::Ask => match limiter.reserve(&accounts[portal], Duration::from_secs(3)).await.unwrap() {
                Reservation::Granted(wait) => note(&mut agenda, later(at, wait), portal, Next::Call),
                Reservation::Wait { wait, .. } => note(&mut agenda, later(at, wait + jittered(0)), portal, Next::Ask),
            },
            Next::Call => {
                assert_eq!(buckets[portal].add(at), Ok(()), "portal {portal} refused a call");
                calls[portal].push(at);
            }
        }
    }
    for (portal, calls) in calls.iter().enumerate() {
        assert_eq!(calls.len(), JOBS);
        // While jobs waited, the portal would have taken one every half second.
        let waited = until(calls[0], calls[JOBS - 1]).as_secs_f64();
        let at_once = calls.iter().filter(|at| **at == start).count();
        #[allow(clippy::cast_precision_loss)]
        let used = (JOBS - at_once) as f64 / (waited * 2.0);
        assert!(used >= 0.97, "portal {portal} used {used:.3} of its rate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_one_tenant_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("fair.db")).unwrap();
    let queue = SqliteQueue::new(database, Arc::new(SystemClock));
    let name = queues::BITRIX24_EVENTS;
    let message = |tenant: usize, deal: usize| Message {
        group: format!("tenant{tenant:03}#deal#{deal}"),
        deduplication: format!("{tenant}/{deal}"),
        body: String::new(),
    };
    // The large one was first.
    queue.send(name, (0..5_050).map(|deal| message(0, deal)).collect()).await.unwrap();
    for tenant in 1..100 {
        queue.send(name, (0..50).map(|deal| message(tenant, deal)).collect()).await.unwrap();
    }
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    let mut of_the_large_when_all_others_are_done = None;
    for _ in 0..2_000 {
        let batch = queue.receive(name, 10, Duration::ZERO).await.unwrap();
        if batch.is_empty() {
            break;
        }
        for received in &batch {
            *got.entry(received.group.split('#').next().unwrap().to_owned()).or_default() += 1;
        }
        let tenants = batch.iter().map(|received| received.group.split('#').next().unwrap());
        let several = tenants.collect::<std::collections::BTreeSet<_>>().len();
        assert!(several <= 2, "a batch is of one portal as long as that fills it");
        queue.delete(name, batch.into_iter().map(|received| received.receipt).collect()).await.unwrap();
        let others: usize = got.iter().filter(|(tenant, _)| *tenant != "tenant000").map(|(_, count)| count).sum();
        if others == 99 * 50 && of_the_large_when_all_others_are_done.is_none() {
            of_the_large_when_all_others_are_done = got.get("tenant000").copied();
        }
    }
    assert_eq!(got.values().sum::<usize>(), 10_000);
    let large = of_the_large_when_all_others_are_done.unwrap();
    assert!(large <= 100, "{large} of the large tenant were served before the last of the others");
}
