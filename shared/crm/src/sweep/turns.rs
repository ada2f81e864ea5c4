//! Whose sweep is next: first the tenants for which one was asked, then those that have waited longest.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{MAX_PROVIDER_SKEW, later};

use crate::sweeps::Lease;

/// From the beginning of one sweep of a tenant to the beginning of its next, at most.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5 * 60);
/// A sweep is due a little before that, because due ones are looked for only from time to time.
const BEGINS_EARLY: Duration = Duration::from_secs(20);
/// A sweep that was asked for and stopped is tried again after this.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A tenant whose sweep is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepTurn {
    /// Whose.
    pub tenant: TenantId,
    /// Whether it was asked for.
    pub is_asked: bool,
    /// Whether its portal did not answer the last one.
    pub is_silent: bool,
    /// When the last one began; `None` if there was none.
    pub began_at: Option<Timestamp>,
    /// The same as it is stored: another worker that takes the turn changes it.
    pub(super) seen: Option<Timestamp>,
}

/// The turn of a tenant, if its sweep is due.
pub(super) fn turn(tenant: TenantId, lease: &Lease, asked_at: Option<Timestamp>, now: Timestamp) -> Option<SweepTurn> {
    // A moment that is still to come was written by a clock that was ahead: it says nothing.
    let passed = |moment: Option<Timestamp>| moment.filter(|moment| *moment <= now + MAX_PROVIDER_SKEW);
    let (began_at, asked_at) = (passed(lease.began_at), passed(asked_at));
    let is_asked = asked_at.is_some() && asked_at > passed(lease.complete_from);
    let due_at = began_at.map_or(Timestamp::MIN, |began_at| {
        // A run that is under way, or that nobody ended: its lease says until when to wait.
        if let Some(until) = lease.until {
            return until;
        }
        later(
            began_at,
            match (lease.continues, is_asked) {
                (true, _) => Duration::ZERO,
                (false, true) if asked_at > Some(began_at) => Duration::ZERO,
                (false, true) => ASKED_AGAIN_AFTER,
                (false, false) => SWEEP_EVERY.saturating_sub(BEGINS_EARLY),
            },
        )
    });
    (due_at <= now).then_some(SweepTurn { tenant, is_asked, is_silent: lease.apart, began_at, seen: lease.began_at })
}

/// Sorts the turns into the order in which they are served.
pub(super) fn in_order(turns: &mut [SweepTurn]) {
    turns.sort_by_key(|turn| (Reverse(turn.is_asked), turn.began_at));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn is_due(lease: &Lease, asked_at: Option<i64>, now: i64) -> bool {
        turn(tenant("t"), lease, asked_at.map(at), at(now)).is_some()
    }

    /// A run that began at 0 and finished soon.
    fn finished() -> Lease {
        Lease { began_at: Some(at(0)), complete_from: Some(at(0)), finished_at: Some(at(2)), ..Lease::default() }
    }

    #[test]
    fn the_period_runs_from_one_beginning_to_the_next() {
        let long = Lease { finished_at: Some(at(200)), ..finished() };
        assert_eq!([279, 280].map(|now| is_due(&long, None, now)), [false, true]);
        assert!(is_due(&Lease::default(), None, 0), "one that was never swept");
    }

    #[test]
    fn a_sweep_that_was_asked_for_comes_at_once_and_is_repeated_until_it_finishes() {
        assert_eq!([1, 2].map(|asked| is_due(&finished(), Some(asked), 2)), [true, true]);
        assert!(!is_due(&finished(), Some(-1), 2), "the last sweep began after it");
        let stopped = Lease { began_at: Some(at(10)), stopped_by: Some("no answer".into()), ..finished() };
        assert_eq!([39, 40].map(|now| is_due(&stopped, Some(5), now)), [false, true]);
        assert_eq!([39, 289, 290].map(|now| is_due(&stopped, None, now)), [false, false, true]);
    }

    #[test]
    fn a_run_that_nobody_ended_is_repeated_when_its_lease_ends() {
        let killed = Lease { began_at: Some(at(10)), until: Some(at(100)), ..finished() };
        assert_eq!([99, 100].map(|now| is_due(&killed, None, now)), [false, true]);
    }

    #[test]
    fn a_run_that_gave_its_place_to_others_goes_on_after_them() {
        let paused = Lease { continues: true, ..finished() };
        assert!(is_due(&paused, None, 3));
    }

    #[test]
    fn moments_from_a_clock_that_was_ahead_hold_nothing_up() {
        let ahead = Lease { began_at: Some(at(86_400)), until: Some(at(86_500)), ..finished() };
        assert!(is_due(&ahead, None, 3));
        assert!(!is_due(&finished(), Some(86_400), 3));
    }

    #[test]
    fn who_was_asked_for_comes_first_and_then_who_waited_longest() {
        let turn = |name: &str, is_asked, began: Option<i64>| SweepTurn {
            tenant: tenant(name),
            is_asked,
            is_silent: false,
            began_at: began.map(at),
            seen: began.map(at),
        };
        let mut turns = vec![
            turn("late", false, Some(7)),
            turn("new", false, None),
            turn("asked", true, Some(9)),
            turn("early", false, Some(3)),
            turn("asked-earlier", true, Some(8)),
        ];
        in_order(&mut turns);
        let order: Vec<_> = turns.iter().map(|turn| turn.tenant.as_str()).collect();
        assert_eq!(order, ["asked-earlier", "asked", "new", "early", "late"]);
    }
}
