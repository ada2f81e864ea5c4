//! An event that could not be decided: the consequence for its ledger line and for its job.

use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::job::JobOutcome;
use runtime::ledger::{EventLine, EventStatus, Ledger};
use runtime::retry::GIVE_UP_AFTER;
use runtime::store::StoreError;

use crate::Failure;
use crate::failure::GONE;

/// The most times that other workers may write the line while a failure is noted in it.
const MAX_CONFLICTS: usize = 8;

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
    let (trace, mut line) = (line.trace, line);
    line.note_calls();
    for _ in 0..MAX_CONFLICTS {
        match note(ledger, tenant, line.clone(), failure, outcome.clone()).await {
            Ok(noted) => return noted,
            // A worker whose lease has ended, or the one that has the job now, wrote the line meanwhile.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => {
                tracing::warn!(%trace, %tenant, %error, "a failure could not be noted in the line of its event");
                return outcome;
            }
        }
    }
    outcome
}

/// Writes the failure into the event's line as it is now, unless the event is decided; returns the job's outcome.
async fn note(
    ledger: &Ledger,
    tenant: &TenantId,
    mut line: EventLine,
    failure: &Failure,
    mut outcome: JobOutcome,
) -> Result<JobOutcome, StoreError> {
    let mut version = None;
    if let Some((earlier, written)) = ledger.event_with_version(tenant, line.trace).await? {
        // Only some of its jobs are not on their queue yet: the next try sends them.
        if is_decided(&earlier, &line) {
            return Ok(outcome);
        }
        version = Some(written);
        line.go_on_from(earlier);
    }
    if let JobOutcome::Retry { after, cause } = &outcome
        && !failure.whole_account
    {
        line.waited += *after;
        if line.waited > GIVE_UP_AFTER {
            let reason = format!("given up after a day of tries: {cause}");
            outcome = JobOutcome::Dead { code: "gave_up".into(), reason };
        }
    }
    line.status = match &outcome {
        JobOutcome::Dead { code, reason } => EventStatus::Dead { code: code.clone(), reason: reason.clone() },
        _ => EventStatus::Waiting { cause: failure.text.clone() },
    };
    ledger.record_event_over(tenant, line, version).await?;
    Ok(outcome)
}

/// Whether the line was decided before. One that passes its jobs on to another job of the trace waits with them; that
/// job's own line is about something else.
fn is_decided(earlier: &EventLine, line: &EventLine) -> bool {
    let is_same = earlier.record == line.record;
    let is_skipped = matches!(earlier.status, EventStatus::Skipped { .. });
    earlier.status == EventStatus::Routed || (is_same && (is_skipped || !earlier.outbox.is_empty()))
}
