//! An event that could not be decided: the consequence for its ledger line and for its job.

use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::job::JobOutcome;
use runtime::ledger::{EventLine, EventStatus, Ledger};
use runtime::retry::GIVE_UP_AFTER;

use crate::Failure;
use crate::failure::GONE;

/// Writes what a failure means for an event, and returns its job's outcome. `line` is the event's line as it would be
/// written now; a decision that is already in the ledger is left as it is.
pub async fn undecided(
    ledger: &Ledger,
    tenant: &TenantId,
    line: EventLine,
    now: Timestamp,
    failure: &Failure,
) -> JobOutcome {
    undecided_within(ledger, tenant, line, now, failure, Duration::MAX).await
}

/// The same for a job whose next try comes after `longest` at the latest, because a person waits for it.
pub async fn undecided_within(
    ledger: &Ledger,
    tenant: &TenantId,
    line: EventLine,
    now: Timestamp,
    failure: &Failure,
    longest: Duration,
) -> JobOutcome {
    let mut outcome = failure.outcome(now, line.attempts);
    if let JobOutcome::Retry { after, .. } = &mut outcome {
        *after = (*after).min(longest);
    }
    if failure.code() == GONE {
        return outcome;
    }
    let trace = line.trace;
    let earlier = match ledger.event(tenant, trace).await {
        // Only some of its jobs are not on their queue yet: the next try sends them.
        Ok(Some(earlier)) if is_decided(&earlier, &line) => return outcome,
        Ok(earlier) => earlier,
        Err(error) => {
            tracing::warn!(%trace, %tenant, %error, "the line of an event could not be read");
            return outcome;
        }
    };
    let mut line = line;
    line.note_calls();
    if let Some(earlier) = earlier {
        line.go_on_from(earlier);
    }
    let mut waited = line.waited;
    if let JobOutcome::Retry { after, cause } = &outcome
        && !failure.whole_account
    {
        waited += *after;
        if waited > GIVE_UP_AFTER {
            let reason = format!("given up after a day of tries: {cause}");
            outcome = JobOutcome::Dead { code: "gave_up".into(), reason };
        }
    }
    let status = match &outcome {
        JobOutcome::Dead { code, reason } => EventStatus::Dead { code: code.clone(), reason: reason.clone() },
        _ => EventStatus::Waiting { cause: failure.text.clone() },
    };
    if let Err(error) = ledger.record_event(tenant, EventLine { waited, status, ..line }).await {
        tracing::warn!(%trace, %tenant, %error, "a failure could not be written to the ledger");
    }
    outcome
}

/// Whether the line was decided before. One that passes its jobs on to another job of the trace waits with them; that
/// job's own line is about something else.
fn is_decided(earlier: &EventLine, line: &EventLine) -> bool {
    let hands_on = !earlier.outbox.is_empty() && earlier.record == line.record;
    earlier.status == EventStatus::Routed || hands_on
}
