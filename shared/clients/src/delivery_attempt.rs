//! An attempt at a delivery: its ledger line before and after the call, and what follows a failure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::calls;
use runtime::clock::{Clock, MAX_WAIT, is_ahead, later, until};
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::{DeliveryLine, DeliveryStatus, Ledger, OpenCall, delivery_write};
use runtime::metrics::Unit;
use runtime::retry::GIVE_UP_AFTER;
use runtime::store::{StoreWrite, Version, WriteCondition};
use runtime::{Backend, DeliveryId, RestoreMark, TenantId, TraceId};
use tenants::portals::Portals;
use wire::ErrorClass;
use wire::time_limits::{PORTAL_WORKS_FOR, SLOW_CALL};

use crate::failure::GONE;
use crate::{ConnectionSide, Connections, Failure, LookUp};

/// A call whose answer was lost may still be on its way: its effect is looked for only after this time.
const SETTLES: Duration = Duration::from_secs(5);
/// Where a provider lets so little be read that a look-up takes long, deliveries wait this long for it; then they are
/// made, and their lines say that they may be repeated.
pub const MAX_LOOK_UP_WAIT: Duration = Duration::from_secs(10 * 60);
/// The remark of a delivery that had been made.
pub const FOUND: &str = "found; already delivered";

/// An effect that may have been made: its call has no outcome, or what we know is older than a restore from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where it would be found, if an open call says so.
    pub place: Option<String>,
    /// The earliest moment at which it can have been made.
    pub since: Timestamp,
    /// From when on it can be seen whether it was made.
    pub settled_at: Timestamp,
}

/// What there is to doubt of a delivery, by its line.
fn doubt_of(line: &DeliveryLine, restored: Option<RestoreMark>, now: Timestamp) -> Option<Doubt> {
    let restored = restored.filter(|mark| mark.is_doubtful(line.earliest()));
    let by_restore = restored.map(|mark| (mark.earliest_effect(line.earliest()), mark.restored_at));
    let by_call = line.open_call.as_ref().map(|call| {
        // What is looked for once nothing can come any more is not answered by what was read before.
        let is_over = |until: &Timestamp| !is_ahead(now, *until, PORTAL_WORKS_FOR);
        let settled_at = call.late_until.filter(is_over).unwrap_or(later(call.began_at, SETTLES));
        Doubt { place: Some(call.place.clone()), since: call.began_at, settled_at }
    });
    let doubt = match (by_call, by_restore) {
        (Some(call), None) => call,
        (Some(call), Some((since, restored_at))) => {
            Doubt { since: since.min(call.since), settled_at: call.settled_at.max(restored_at), ..call }
        }
        (None, Some((since, restored_at))) => Doubt { place: None, since, settled_at: restored_at },
        (None, None) => return None,
    };
    line.missed_at.is_none_or(|missed| missed < doubt.settled_at).then_some(doubt)
}

/// An attempt at a delivery: its line is written before the effect and after it.
pub struct DeliveryAttempt {
    backend: Backend,
    ledger: Ledger,
    tenant: TenantId,
    trace: TraceId,
    line: DeliveryLine,
    /// The version to write the line over.
    version: Version,
    /// The last restore of what we know.
    restored: Option<RestoreMark>,
    /// Whether this attempt has called the provider.
    has_begun: bool,
    /// How long the provider may work on a call.
    works_for: Duration,
}

impl DeliveryAttempt {
    /// Begins an attempt at a delivery, by its id and the side that makes it; or returns the outcome of its job at once.
    pub async fn take<T>(
        backend: &Backend,
        connections: &Connections,
        job: &ReceivedJob<T>,
        (delivery, side): (&str, ConnectionSide),
    ) -> Result<Self, JobOutcome> {
        let ledger = Ledger::new(backend.store.clone());
        let id = DeliveryId::from_text(delivery);
        let restored = match connections.generation().restored().await {
            Ok(restored) => restored,
            Err(error) => return Err(Failure::from(error).outcome(backend.clock.now(), job.attempt)),
        };
        match ledger.delivery(&job.tenant, job.trace, &id).await {
            Ok(Some((line, _))) if matches!(line.status, DeliveryStatus::Delivered { .. }) => {
                Err(JobOutcome::Skip("already delivered".into()))
            }
            Ok(Some((mut line, version))) => {
                // A job that was given up and is received again was redriven: its waits count from zero.
                if matches!(line.status, DeliveryStatus::Dead { .. }) {
                    line.waited = Duration::ZERO;
                }
                let (tenant, trace) = (job.tenant.clone(), job.trace);
                let backend = backend.clone();
                let works_for = side.works_for();
                Ok(Self { backend, ledger, tenant, trace, line, version, restored, has_begun: false, works_for })
            }
            Ok(None) if is_gone(backend, &job.tenant).await => {
                Err(JobOutcome::Skip("the portal is not connected any more".into()))
            }
            // Lines are kept longer than queues keep jobs, so this job never had a line.
            Ok(None) => Err(JobOutcome::Dead {
                code: "no_ledger_line".into(),
                reason: format!("delivery {id} has no line in the ledger; nothing was sent"),
            }),
            Err(error) => Err(Failure::from(error).outcome(backend.clock.now(), job.attempt)),
        }
    }

    pub fn id(&self) -> &str {
        self.line.id.as_str()
    }

    /// Whether another message may carry its id, too.
    pub fn is_ambiguous(&self) -> bool {
        self.line.is_ambiguous
    }

    /// Whether its cause may have been reported before a restore, under another id.
    pub fn may_be_reported(&self) -> bool {
        self.line.caused_at.is_some()
    }

    /// Whether an earlier try, or one that a restore from a backup made us forget, may have had its effect; returned
    /// after enough time for it.
    pub async fn doubt(&self) -> Option<Doubt> {
        let now = self.now();
        let doubt = doubt_of(&self.line, self.restored, now)?;
        if is_ahead(now, doubt.settled_at, SETTLES) {
            self.backend.clock.sleep(until(now, doubt.settled_at)).await;
        }
        Some(doubt)
    }

    /// The same for a delivery with several effects, of which each is looked for.
    pub async fn doubt_of_parts(&self) -> Option<Doubt> {
        let doubt = self.doubt().await?;
        Some(Doubt { since: doubt.since.min(self.line.queued_at), ..doubt })
    }

    /// Takes the result of a look-up: what was found; or nothing, if the delivery is to be made. It waits for a look-up
    /// that takes long, but not longer than [`MAX_LOOK_UP_WAIT`].
    pub fn looked_up<T>(&mut self, result: LookUp<T>) -> Result<Option<T>, Failure> {
        let found = self.looked_up_part(result)?;
        if found.is_none() {
            self.line.missed_at = Some(self.now());
        }
        Ok(found)
    }

    /// The same for one of several effects.
    pub fn looked_up_part<T>(&mut self, result: LookUp<T>) -> Result<Option<T>, Failure> {
        let unknowable = match result {
            LookUp::Found(found) => {
                self.line.remark = Some(FOUND.to_owned());
                return Ok(Some(found));
            }
            LookUp::Absent => return self.nothing_comes_late().map(|()| None),
            LookUp::Unknowable(why) => why,
            LookUp::Later { failure, waits_since } => {
                let since = (*self.line.sought_since.get_or_insert(waits_since)).min(waits_since);
                if runtime::clock::until(since, self.now()) < MAX_LOOK_UP_WAIT {
                    return Err(Failure {
                        text: format!("it may have been made already; {}", failure.text),
                        ..failure
                    });
                }
                format!("it could not be looked up within {} minutes", MAX_LOOK_UP_WAIT.as_secs() / 60)
            }
        };
        tracing::warn!(trace = %self.trace, tenant = %self.tenant, delivery = %self.line.id, unknowable, "may be repeated");
        self.line.remark = Some(format!("may be repeated: {unknowable}"));
        Ok(None)
    }

    /// Whether what was not found will not come any more either.
    fn nothing_comes_late(&self) -> Result<(), Failure> {
        let late_until = self.line.open_call.as_ref().and_then(|call| call.late_until);
        match late_until.filter(|until| is_ahead(self.now(), *until, PORTAL_WORKS_FOR)) {
            Some(until) => {
                Err(Failure::wait(until, "the provider was slow and may still do it; it is looked for again"))
            }
            None => Ok(()),
        }
    }

    /// Notes that a call begins whose effect would be found at `place`.
    async fn begin(&mut self, place: impl Into<String>) -> Result<(), Failure> {
        self.line.attempts += 1;
        self.has_begun = true;
        let at = self.now();
        self.line.open_call = Some(OpenCall { began_at: at, place: place.into(), late_until: None });
        self.write(DeliveryStatus::Started { at }).await
    }

    /// Makes a call whose effect would be found at `place`: the line says so before the call, and no longer after one
    /// that certainly failed. An earlier call of the delivery remains noted then.
    pub async fn call<T>(
        &mut self,
        place: impl Into<String>,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let earlier = self.line.open_call.clone();
        self.begin(place).await?;
        let called = call.await;
        self.ended(called, earlier)
    }

    /// Makes a call that may be repeated without harm: one that overwrites, deletes or reacts. The line says that the
    /// attempt began; an earlier call that may have had its effect remains noted.
    pub async fn repeatable<T>(&mut self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if !self.has_begun {
            self.line.attempts += 1;
            let at = self.now();
            self.write(DeliveryStatus::Started { at }).await?;
            self.has_begun = true;
        }
        call.await.map_err(Failure::repeatable)
    }

    /// Takes the result of a call: a failure that certainly had no effect leaves nothing to look for, except the effect
    /// of an `earlier` call.
    fn ended<T>(&mut self, call: Result<T, Failure>, earlier: Option<OpenCall>) -> Result<T, Failure> {
        let Err(failure) = &call else { return call };
        if failure.class != ErrorClass::UnknownOutcome {
            self.line.open_call = earlier;
            return call;
        }
        let now = self.now();
        // Of a call that ended at once only the answer was lost; one that took long may not have been done yet.
        if let Some(open) = &mut self.line.open_call
            && until(open.began_at, now) >= SLOW_CALL
        {
            open.late_until = Some(later(open.began_at, self.works_for));
        }
        call
    }

    /// Notes that it was delivered, with other writes in the same transaction.
    pub async fn done(&mut self, provider_id: String, also: Vec<StoreWrite>) -> Result<JobOutcome, Failure> {
        tracing::info!(trace = %self.trace, tenant = %self.tenant, delivery = %self.line.id, provider_id, "delivered");
        let (arrived, at) = (self.trace.arrived_at(), self.now());
        let lag = runtime::clock::until(arrived, at).as_secs_f64() * 1000.0;
        self.backend.metrics.measure("delivery_lag", lag, Unit::Milliseconds);
        let status = DeliveryStatus::Delivered { at, provider_id };
        self.write_with(status, also).await?;
        Ok(JobOutcome::Done)
    }

    /// The same, with its result in words.
    pub async fn done_as(
        &mut self,
        change: String,
        provider_id: String,
        also: Vec<StoreWrite>,
    ) -> Result<JobOutcome, Failure> {
        self.line.change = change;
        self.done(provider_id, also).await
    }

    /// Notes that it did not have to be done.
    pub async fn skip(&mut self, reason: impl Into<String>) -> Result<JobOutcome, Failure> {
        let reason = reason.into();
        self.write(DeliveryStatus::Skipped { reason: reason.clone() }).await?;
        Ok(JobOutcome::Skip(reason))
    }

    /// Notes that it did not have to be done, with other writes in the same transaction.
    pub async fn skip_with(&mut self, reason: String, also: Vec<StoreWrite>) -> Result<JobOutcome, Failure> {
        self.write_with(DeliveryStatus::Skipped { reason: reason.clone() }, also).await?;
        Ok(JobOutcome::Skip(reason))
    }

    /// Notes what it intentionally waits for; the job is received again after that time.
    pub async fn wait(&mut self, after: Duration, cause: String, also: Vec<StoreWrite>) -> Result<JobOutcome, Failure> {
        self.write_with(DeliveryStatus::Retrying { cause: cause.clone() }, also).await?;
        Ok(JobOutcome::Retry { after: after.min(MAX_WAIT), cause })
    }

    /// Writes what a failure means for the line, and returns the job's outcome. `explained` is for people.
    pub async fn fail(&mut self, failure: &Failure, explained: &str) -> JobOutcome {
        let mut outcome = failure.outcome(self.now(), self.line.attempts.max(1));
        if failure.code() == GONE {
            return outcome;
        }
        if let JobOutcome::Dead { reason, .. } = &mut outcome {
            explained.clone_into(reason);
        }
        if let JobOutcome::Retry { after, .. } = &outcome
            && !failure.whole_account
        {
            self.line.waited += *after;
            if self.line.waited > GIVE_UP_AFTER {
                let reason = format!("given up after a day of tries: {explained}");
                outcome = JobOutcome::Dead { code: "gave_up".into(), reason };
            }
        }
        let status = match &outcome {
            JobOutcome::Dead { code, reason } => DeliveryStatus::Dead { code: code.clone(), reason: reason.clone() },
            _ => DeliveryStatus::Retrying { cause: failure.text.clone() },
        };
        if let Err(error) = self.write(status).await {
            tracing::warn!(trace = %self.trace, tenant = %self.tenant, %error, "a failure could not be written to the ledger");
            // Another worker has the line; the next try sees what it did.
            return JobOutcome::Retry { after: Duration::from_secs(1), cause: error.text };
        }
        outcome
    }

    fn note_calls(&mut self) {
        self.line.calls.extend(calls::taken());
        calls::shorten(&mut self.line.calls);
    }

    async fn write(&mut self, status: DeliveryStatus) -> Result<(), Failure> {
        self.line.status = status;
        self.note_calls();
        self.version = self.ledger.record_delivery(&self.tenant, self.line.clone(), self.version).await?;
        Ok(())
    }

    async fn write_with(&mut self, status: DeliveryStatus, also: Vec<StoreWrite>) -> Result<(), Failure> {
        if also.is_empty() {
            // A transaction costs twice a plain write.
            return self.write(status).await;
        }
        self.line.status = status;
        self.note_calls();
        let line = delivery_write(&self.tenant, self.line.clone(), WriteCondition::Version(self.version))?;
        self.backend.store.put_all([vec![line], also].concat()).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        let clock: &Arc<dyn Clock> = &self.backend.clock;
        clock.now()
    }
}

/// Whether a tenant is no longer connected; if that is unknown, it still is.
async fn is_gone(backend: &Backend, tenant: &TenantId) -> bool {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    matches!(portals.fresh(tenant).await, Ok(None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn line(queued: i64, open_call: Option<i64>) -> DeliveryLine {
        let id = DeliveryId::of(&["1"]);
        DeliveryLine {
            open_call: open_call.map(|began| OpenCall { began_at: at(began), place: "C1".into(), late_until: None }),
            ..DeliveryLine::new(id, TraceId::new(at(queued)), at(queued), DeliveryStatus::Queued)
        }
    }

    fn doubt(place: Option<&str>, since: i64, settled: i64) -> Doubt {
        Doubt { place: place.map(str::to_owned), since: at(since), settled_at: at(settled) }
    }

    #[test]
    fn an_open_call_and_a_cause_older_than_a_restore_are_doubted() {
        let mark = Some(RestoreMark { backup_at: Some(at(600)), ..RestoreMark::at(at(1_000)) });
        assert_eq!(doubt_of(&line(500, None), None, at(2_000)), None);
        assert_eq!(doubt_of(&line(500, Some(510)), None, at(2_000)), Some(doubt(Some("C1"), 510, 515)));
        assert_eq!(doubt_of(&line(500, None), mark, at(2_000)), Some(doubt(None, 600, 1_000)));
        assert_eq!(doubt_of(&line(500, Some(510)), mark, at(2_000)), Some(doubt(Some("C1"), 510, 1_000)));
        assert_eq!(doubt_of(&line(1_001, None), mark, at(2_000)), None);
    }

    #[test]
    fn what_a_slow_provider_may_still_do_is_looked_for_until_it_cannot_come_any_more() {
        let mut slow = line(500, Some(510));
        slow.open_call = slow.open_call.map(|call| OpenCall { late_until: Some(at(575)), ..call });
        assert_eq!(doubt_of(&slow, None, at(540)), Some(doubt(Some("C1"), 510, 515)));
        // Then it takes a look that began after it.
        assert_eq!(doubt_of(&slow, None, at(575)), Some(doubt(Some("C1"), 510, 575)));
        // A moment of a clock that was set back counts as none.
        assert_eq!(doubt_of(&slow, None, at(300)), Some(doubt(Some("C1"), 510, 575)));
    }

    #[test]
    fn a_change_that_a_sweep_found_is_as_old_as_it_can_be() {
        let mark = Some(RestoreMark { backup_at: Some(at(600)), ..RestoreMark::at(at(1_000)) });
        let swept = DeliveryLine { caused_at: Some(at(550)), ..line(1_200, None) };
        assert_eq!(doubt_of(&swept, mark, at(2_000)), Some(doubt(None, 600, 1_000)));
    }

    #[test]
    fn what_was_looked_for_is_not_doubted_again_until_it_is_called() {
        let mark = Some(RestoreMark::at(at(1_000)));
        let missed = DeliveryLine { missed_at: Some(at(1_010)), ..line(500, None) };
        assert_eq!(doubt_of(&missed, mark, at(2_000)), None);
        let called = DeliveryLine { missed_at: Some(at(1_010)), ..line(500, Some(1_011)) };
        assert_eq!(doubt_of(&called, mark, at(2_000)), Some(doubt(Some("C1"), 500, 1_016)));
    }
}
