//! An event that could not be decided: what that means for its line in the ledger, and for its job.

use jiff::Timestamp;
use runtime::TenantId;
use runtime::job::Outcome;
use runtime::ledger::{EventLine, EventStatus, Ledger};
use runtime::retry::GIVE_UP_AFTER;

use crate::Failure;
use crate::failure::GONE;

/// Writes down what a failure means for an event, and says what becomes of its job. `line` is the event's line as it
/// would be written now; a decision that stands in the ledger already is left as it is.
pub async fn undecided(
    ledger: &Ledger,
    tenant: &TenantId,
    line: EventLine,
    now: Timestamp,
    failure: &Failure,
) -> Outcome {
    let mut outcome = failure.outcome(now, line.attempts);
    if failure.code() == GONE {
        return outcome;
    }
    let earlier = if line.attempts == 1 { None } else { ledger.event(tenant, line.trace).await.ok().flatten() };
    if earlier.as_ref().is_some_and(|earlier| earlier.status == EventStatus::Routed) {
        // Only its jobs are not all on their queue yet.
        return outcome;
    }
    // One that was given up and comes again was redriven: it has its whole patience anew.
    let earlier = earlier.filter(|earlier| !matches!(earlier.status, EventStatus::Dead { .. }));
    let mut waited = earlier.map(|earlier| earlier.waited).unwrap_or_default();
    if let Outcome::Retry { after, cause } = &outcome
        && !failure.whole_account
    {
        waited += *after;
        if waited > GIVE_UP_AFTER {
            let reason = format!("given up after a day of tries: {cause}");
            outcome = Outcome::Dead { code: "gave_up".into(), reason };
        }
    }
    let status = match &outcome {
        Outcome::Dead { code, reason } => EventStatus::Dead { code: code.clone(), reason: reason.clone() },
        _ => EventStatus::Waiting { cause: failure.text.clone() },
    };
    let trace = line.trace;
    if let Err(error) = ledger.record_event(tenant, EventLine { waited, status, ..line }).await {
        tracing::warn!(%trace, %tenant, %error, "the ledger could not be told of a failure");
    }
    outcome
}
