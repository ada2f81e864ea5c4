//! The time that somebody waits for all calls of a piece of work together: a person for a page, a program for an answer.

use std::time::Duration;

use tokio::time::Instant;

use crate::time_limits::{MAX_PAGE, MAX_PAGE_CALL, MIN_CALL};

/// What is left of the time for a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBox {
    ends_at: Instant,
    /// The most for one call.
    each: Duration,
}

tokio::task_local! {
    static TIME_BOX: TimeBox;
}

impl TimeBox {
    /// Works for a page, or for a request of a program: its calls end in time for its answer.
    pub async fn of_page<T>(work: impl Future<Output = T>) -> T {
        let page = Self { ends_at: Instant::now() + MAX_PAGE, each: MAX_PAGE_CALL };
        TIME_BOX.scope(page, work).await
    }

    /// The time for the next call of the work that this is called in; `None` if nobody waits for it.
    pub fn for_next_call() -> Option<Duration> {
        TIME_BOX.try_with(|known| known.left().min(known.each)).ok()
    }

    /// Whether too little time is left to begin a call.
    pub fn is_over() -> bool {
        Self::for_next_call().is_some_and(|left| left < MIN_CALL)
    }

    /// Whether a call that was made now would have less time than any other call of a page.
    pub fn is_cutting() -> bool {
        TIME_BOX.try_with(|known| known.left() < known.each).unwrap_or(false)
    }

    fn left(self) -> Duration {
        self.ends_at.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_calls_of_a_page_share_its_time_and_those_of_a_worker_do_not() {
        assert_eq!((TimeBox::for_next_call(), TimeBox::is_over()), (None, false));
        TimeBox::of_page(async {
            assert_eq!((TimeBox::for_next_call(), TimeBox::is_cutting()), (Some(MAX_PAGE_CALL), false));
            tokio::time::advance(MAX_PAGE.saturating_sub(MIN_CALL)).await;
            assert_eq!((TimeBox::for_next_call(), TimeBox::is_over()), (Some(MIN_CALL), false));
            assert!(TimeBox::is_cutting());
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(TimeBox::is_over());
            tokio::time::advance(MAX_PAGE).await;
            assert_eq!(TimeBox::for_next_call(), Some(Duration::ZERO));
        })
        .await;
        assert_eq!(TimeBox::for_next_call(), None);
    }
}
