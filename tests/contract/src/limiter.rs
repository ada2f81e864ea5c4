//! What the limiter promises over any store.

use std::time::Duration;

use futures::future::join_all;
use runtime::clock::{Clock, later};
use runtime::limiter::{Limiter, Rate, RateBucket, Reservation};

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

pub async fn five_failures_in_a_row_park_the_account(engine: &Engine) {
    let limiter = limiter(engine);
    for _ in 0..4 {
        assert!(!limiter.provider_failed(&account()).await.unwrap());
    }
    limiter.provider_answered(&account()).await.unwrap();
    for _ in 0..4 {
        assert!(!limiter.provider_failed(&account()).await.unwrap());
    }
    assert!(limiter.provider_failed(&account()).await.unwrap());
    let asked = limiter.reserve(&account(), Duration::from_secs(1)).await.unwrap();
    assert!(matches!(asked, Reservation::Wait { parked: true, .. }), "{asked:?}");
}
