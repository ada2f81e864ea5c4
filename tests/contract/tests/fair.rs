//! A hundred tenants at once: every one gets its own rate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use memory::Memory;
use runtime::ManualClock;
use runtime::clock::{later, until};
use runtime::limiter::{Limiter, Rate, RateBucket, Reservation};
use runtime::retry::jittered;
use simulators::bucket::Bucket;

const START: &str = "2026-11-21T12:00:00Z";

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
    let limiter = Limiter::new(Arc::new(Memory::new(clock.clone())), clock.clone());
    let rate = Rate { every: Duration::from_millis(500), burst: 40 };
    let accounts: Vec<_> = (0..PORTALS).map(|portal| RateBucket::new(format!("bitrix24#{portal}"), rate)).collect();
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
