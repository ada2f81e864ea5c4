//! How long calls to providers may take. One table, in which each wait fits into the wait of who waits for it:
//!
//! *call < job < batch < function < visibility* for workers, *call < page < function < gateway* for pages.
//!
//! What a call asks for is made smaller after one that got no answer in time, not its limit longer. `docs/architecture.md`
//! ("Time limits") has the whole chain, with the limits of functions and queues.

use std::time::Duration;

/// A call of a worker to a portal or to Notion. Both work on a request for up to a minute; what takes longer than this is
/// asked for in smaller parts.
pub const MAX_CALL: Duration = Duration::from_secs(20);
/// A call of a worker to Slack, which answers within a second or two.
pub const MAX_SLACK_CALL: Duration = Duration::from_secs(15);
/// A call to an authorization server, whose answer other calls wait for.
pub const MAX_OAUTH_CALL: Duration = Duration::from_secs(12);
/// Opening a form: Slack accepts it within three seconds of what it answers.
pub const MAX_FORM_CALL: Duration = Duration::from_secs(3);

/// All calls for one page or one request of a program: its function has 29 seconds, its gateway 30.
pub const MAX_PAGE: Duration = Duration::from_secs(25);
/// Each of them.
pub const MAX_PAGE_CALL: Duration = Duration::from_secs(10);
/// A call is not begun in less time than this.
pub const MIN_CALL: Duration = Duration::from_secs(2);

/// From this time on an answer is slow: the next request asks for less.
pub const SLOW_CALL: Duration = Duration::from_secs(5);

/// So long after it began, a portal may still be doing what a call asked for: it ends a request after a minute.
pub const PORTAL_WORKS_FOR: Duration = Duration::from_secs(65);
/// The same at Notion.
pub const NOTION_WORKS_FOR: Duration = Duration::from_secs(65);
/// The same at Slack, which names no time; its own requests to us end after three seconds.
pub const SLACK_WORKS_FOR: Duration = Duration::from_secs(20);

/// The time of a transfer beside that of its bytes.
const TRANSFER_BASE: Duration = Duration::from_secs(20);
/// Bytes that at least arrive in a second: a slow line of an office.
const TRANSFER_RATE: u64 = 1024 * 1024;
/// The most time for a transfer: the largest file that a portal takes (100 MB), and of what no length is known.
pub const MAX_TRANSFER: Duration = Duration::from_secs(120);

/// The time for a file of `length` bytes, from one provider to the other.
pub fn transfer(length: Option<u64>) -> Duration {
    let Some(length) = length else { return MAX_TRANSFER };
    let for_bytes = Duration::from_secs(length.div_ceil(TRANSFER_RATE));
    TRANSFER_BASE.saturating_add(for_bytes).min(MAX_TRANSFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_fits_into_that_of_who_waits() {
        assert!(MAX_FORM_CALL < MAX_SLACK_CALL && MAX_SLACK_CALL <= MAX_CALL && MAX_CALL < MAX_TRANSFER);
        assert!(MAX_OAUTH_CALL + MAX_PAGE_CALL + MIN_CALL < MAX_PAGE && MAX_PAGE < Duration::from_secs(29));
        assert!(MIN_CALL < SLOW_CALL && SLOW_CALL < MAX_PAGE_CALL);
        // What is looked up is looked up after the call has ended.
        assert!(MAX_CALL < PORTAL_WORKS_FOR && MAX_CALL < NOTION_WORKS_FOR && MAX_SLACK_CALL < SLACK_WORKS_FOR);
    }

    #[test]
    fn a_transfer_has_the_time_that_its_bytes_take() {
        let mib = 1024 * 1024;
        let seconds = [Some(0), Some(1), Some(10 * mib), Some(100_000_000), Some(u64::MAX), None]
            .map(|length| transfer(length).as_secs());
        assert_eq!(seconds, [20, 21, 30, 116, 120, 120]);
    }
}
