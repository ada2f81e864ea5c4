//! What the limiter promises over any store.

use std::time::Duration;

use futures::future::join_all;
use runtime::calls::on_behalf_of;
use runtime::clock::{Clock, earlier, later};
use runtime::limiter::{Gate, Limiter, MAX_PAUSE, Rate, RateBucket, Reservation};
use runtime::outage::Admission;

use crate::Engine;

fn account() -> RateBucket {
    RateBucket::new("slack#T1#posts".into(), Rate { every: Duration::from_secs(1), burst: 3 })
}

fn limiter(engine: &Engine) -> Limiter {
    Limiter::new(engine.backend.store.clone(), engine.backend.clock.clone())
}

/// Each worker has a limiter of its own, as each Lambda instance has; the store is all they share.
pub async fn concurrent_workers_share_one_rate(engine: &Engine) {
    let ask = || async {
        let limiter = limiter(engine);
        loop {
            match limiter.reserve(&account(), Duration::from_secs(60)).await.unwrap() {
                Reservation::Granted(wait) => return wait.as_secs(),
                Reservation::Wait { .. } => {}
            }
        }
    };
    let mut waits = join_all((0..10).map(|_| ask())).await;
    waits.sort_unstable();
    assert_eq!(waits, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
}

pub async fn a_parked_account_waits(engine: &Engine) {
    let (one, other) = (limiter(engine), limiter(engine));
    // The other worker has seen the account before it was parked.
    assert_eq!(other.reserve(&account(), Duration::ZERO).await.unwrap(), Reservation::Granted(Duration::ZERO));
    one.park(&account(), later(engine.clock.now(), Duration::from_secs(30))).await.unwrap();
    let asked = other.reserve(&account(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(asked, Reservation::Wait { wait: Duration::from_secs(30), parked: true });
    engine.clock.advance(Duration::from_secs(30));
    assert_eq!(other.reserve(&account(), Duration::ZERO).await.unwrap(), Reservation::Granted(Duration::ZERO));
}

const ACCOUNT: &str = "slack#T1";

async fn ask(limiter: &Limiter, job: &str) -> Gate {
    on_behalf_of(job, limiter.admit(ACCOUNT, &[&account()], Duration::ZERO)).await.unwrap()
}

async fn admitted(limiter: &Limiter, job: &str) -> Admission {
    match ask(limiter, job).await {
        Gate::Open(admission) => admission,
        shut => panic!("{shut:?}"),
    }
}

pub async fn an_outage_counts_once_and_one_call_probes_at_a_time(engine: &Engine) {
    let workers = [limiter(engine), limiter(engine), limiter(engine)];
    let in_flight =
        [admitted(&workers[0], "1").await, admitted(&workers[1], "2").await, admitted(&workers[2], "3").await];
    engine.clock.advance(Duration::from_secs(60));
    for (worker, call) in workers.iter().zip(&in_flight) {
        let outage = worker.provider_failed(ACCOUNT, call).await.unwrap();
        assert_eq!(outage.failures, 1);
    }
    // Of those that ask at once, one is let through, with a limit.
    let asked = join_all(workers.iter().map(|worker| ask(worker, "4"))).await;
    let (open, down): (Vec<_>, Vec<_>) = asked.into_iter().partition(|gate| matches!(gate, Gate::Open(_)));
    assert_eq!((open.len(), down.len()), (1, 2));
    let Gate::Open(probe) = open[0] else { panic!("{open:?}") };
    assert_eq!(probe.limit, Some(Duration::from_secs(10)));
    engine.clock.advance(Duration::from_secs(5));
    assert!(matches!(ask(&workers[0], "5").await, Gate::Down(_)), "it has not been answered yet");
    let failed = workers[1].provider_failed(ACCOUNT, &probe).await.unwrap();
    assert_eq!((failed.failures, failed.is_down()), (2, true));
    let probe = admitted(&workers[2], "6").await;
    // A call that was on its way before says nothing.
    assert_eq!(workers[0].provider_answered(ACCOUNT, &in_flight[0]).await.unwrap(), None);
    engine.clock.advance(Duration::from_secs(1));
    let over = workers[2].provider_answered(ACCOUNT, &probe).await.unwrap().unwrap();
    assert_eq!(over.age(engine.clock.now()), Duration::from_secs(6));
    assert_eq!(admitted(&workers[0], "1").await.limit, None);
    assert_eq!(workers[1].provider_answered(ACCOUNT, &probe).await.unwrap(), None, "it is over once");
}

pub async fn what_one_job_meets_alone_is_no_outage(engine: &Engine) {
    let limiter = limiter(engine);
    for _ in 0..6 {
        engine.clock.advance(Duration::from_secs(20));
        let call = admitted(&limiter, "poisoned").await;
        assert!(!limiter.provider_failed(ACCOUNT, &call).await.unwrap().is_down());
    }
    engine.clock.advance(Duration::from_secs(20));
    let call = admitted(&limiter, "another").await;
    assert_eq!(call.limit, None);
    limiter.provider_answered(ACCOUNT, &call).await.unwrap().unwrap();
    assert_eq!(limiter.usage(ACCOUNT, &account()).await.unwrap().failures, 0);
}

pub async fn a_pause_is_no_longer_than_its_limit(engine: &Engine) {
    let limiter = limiter(engine);
    limiter.park(&account(), later(engine.clock.now(), Duration::from_secs(86_400))).await.unwrap();
    let asked = limiter.reserve(&account(), Duration::ZERO).await.unwrap();
    assert_eq!(asked, Reservation::Wait { wait: MAX_PAUSE, parked: true });
    // And none of a clock that was set back.
    engine.clock.set(earlier(engine.clock.now(), Duration::from_secs(3600)));
    assert_eq!(limiter.reserve(&account(), Duration::ZERO).await.unwrap(), Reservation::Granted(Duration::ZERO));
}

pub async fn a_rejected_account_is_asked_rarely(engine: &Engine) {
    let limiter = limiter(engine);
    admitted(&limiter, "1").await;
    limiter.provider_rejected(ACCOUNT).await.unwrap();
    let Gate::Down(outage) = ask(&limiter, "2").await else { panic!("nobody is let through") };
    assert_eq!(outage.wait(engine.clock.now()), MAX_PAUSE);
    engine.clock.advance(MAX_PAUSE);
    assert!(admitted(&limiter, "2").await.limit.is_some());
    limiter.release(ACCOUNT, &account()).await.unwrap();
    assert_eq!(admitted(&limiter, "1").await.limit, None);
}
