//! How long a batch of jobs may be worked.
//!
//! The limits nest: a provider's call is shorter than a job, a job shorter than its batch, and the batch ends before the
//! function that works it, so that there is time to settle the messages. Time is measured by tokio, which no step of the
//! machine's clock changes.

use std::time::Duration;

/// The longest that a batch is worked where no function has to end: half of the time for which its messages are out.
pub const MAX_BATCH_TIME: Duration = Duration::from_secs(180);
/// What settling the messages of a batch may take.
const SETTLING: Duration = Duration::from_secs(5);
/// A job begins only if this is left: more than its longest single call takes.
const MIN_JOB_TIME: Duration = Duration::from_secs(22);

/// The time for the work on a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkTime {
    /// Jobs may begin for this long.
    pub open: Duration,
    /// Jobs are cut off after this.
    pub whole: Duration,
}

impl WorkTime {
    /// The time for the work if everything, with settling the messages, must be over in `remaining`. Of a short time at
    /// least half is for the work, and of that at least half to begin jobs.
    pub fn within(remaining: Duration) -> Self {
        let whole = remaining.saturating_sub(SETTLING).max(remaining / 2);
        Self { open: whole.saturating_sub(MIN_JOB_TIME).max(whole / 2), whole }
    }
}

impl Default for WorkTime {
    fn default() -> Self {
        Self::within(MAX_BATCH_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_begin_while_one_can_still_end_and_end_while_they_can_still_be_settled() {
        let seconds = |open, whole| WorkTime { open: Duration::from_secs(open), whole: Duration::from_secs(whole) };
        assert_eq!(WorkTime::within(Duration::from_secs(60)), seconds(33, 55));
        assert_eq!(WorkTime::default(), seconds(153, 175));
        assert_eq!(WorkTime::within(Duration::from_secs(8)), seconds(2, 4), "a function that was started late");
        assert_eq!(WorkTime::within(Duration::ZERO), seconds(0, 0));
        // Its messages come back by themselves no sooner.
        assert!(MAX_BATCH_TIME < crate::QueueName::new("any").visibility());
    }
}
