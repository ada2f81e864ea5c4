//! What one client's calls may take, beside the limit of each kind of call: an account that is down is asked briefly, and a
//! call that began before it came back is given up. A call that somebody waits for keeps to their time, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time_box::TimeBox;
use tokio::sync::Notify;

/// The limit of a client's calls. Clones are the same limit.
#[derive(Debug, Clone, Default)]
pub struct CallLimit(Arc<Limits>);

#[derive(Debug, Default)]
struct Limits {
    /// In milliseconds; zero is none.
    most: AtomicU64,
    given_up: Notify,
}

impl CallLimit {
    /// Limits the calls that are made from now on; `None` leaves each kind of call its own limit.
    pub fn set(&self, most: Option<Duration>) {
        let millis = most.map_or(0, |most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1));
        self.0.most.store(millis, Ordering::Relaxed);
    }

    /// Gives up the calls that wait for their answer: their outcome is unknown.
    pub fn give_up(&self) {
        self.0.given_up.notify_waiters();
    }

    pub(crate) fn shorten(&self, own: Duration) -> Duration {
        let own = TimeBox::for_next_call().map_or(own, |left| own.min(left));
        match self.0.most.load(Ordering::Relaxed) {
            0 => own,
            millis => own.min(Duration::from_millis(millis)),
        }
    }

    /// Returns when the calls that wait now are given up.
    pub(crate) async fn given_up(&self) {
        self.0.given_up.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_shortens_and_never_lengthens() {
        let (limit, own) = (CallLimit::default(), Duration::from_secs(65));
        assert_eq!(limit.shorten(own), own);
        limit.clone().set(Some(Duration::from_secs(10)));
        assert_eq!([limit.shorten(own), limit.shorten(Duration::from_secs(3))], [10, 3].map(Duration::from_secs));
        limit.set(None);
        assert_eq!(limit.shorten(own), own);
    }
}
