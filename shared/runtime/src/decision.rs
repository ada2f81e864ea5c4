//! A decision on an event: its ledger line, the claims on what happens only once, other writes, and the jobs that it
//! makes. All is written in one transaction; then the jobs are sent.
//!
//! A worker that crashes in between loses nothing: the event is received again, [`finished`] finds its line and sends
//! the same jobs.

use std::time::Duration;

use jiff::Timestamp;

use crate::claims;
use crate::claims::Claim;
use crate::clock::MAX_WAIT;
use crate::job;
use crate::job::{BadJob, Job, JobOutcome, ReceivedJob};
use crate::ledger::{DeliveryLine, EarlierOutbox, EventLine, EventStatus, Ledger, delivery_write, event_write};
use crate::queue::{QueueError, QueuedMessage};
use crate::store::{ItemKey, MAX_WRITES, StoreError, StoreWrite, WriteCondition};
use crate::{Backend, TenantId, TraceId, calls};

/// What was decided on an event.
#[derive(Debug, Clone)]
pub struct Decision {
    tenant: TenantId,
    /// The event's line in the ledger. Its outbox is filled by [`Decision::commit`].
    pub line: EventLine,
    /// What happens only once and is decided by this: the identities of a comment, a call, a message.
    pub claims: Vec<String>,
    /// Whether a sweep found what is claimed.
    pub swept: bool,
    /// Other writes of the same transaction.
    pub writes: Vec<StoreWrite>,
    /// The jobs that the decision makes.
    pub outbox: Vec<QueuedMessage>,
    /// Whether a line of the same trace may have been written before.
    goes_on: bool,
}

/// What is to be done with a decision, once everything is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is committed.
    Commit,
    /// There is nothing to do, for this reason.
    Skip(String),
    /// The event waits: it is received again.
    Wait {
        /// In how long.
        after: Duration,
        /// For what.
        cause: String,
    },
}

impl Verdict {
    /// There is nothing to do, for this reason.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }
}

/// A decision that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// It does not fit into one transaction.
    #[error("one event would make {0} writes; let fewer routes or people report it")]
    TooManyWrites(usize),
    /// Another worker wrote some of it first; decide again on the new state.
    #[error("another worker wrote {} {}/{} first; the event is decided again", .0.table.name(), .0.partition, .0.sort)]
    LostRace(ItemKey),
    /// One of its jobs cannot be written.
    #[error(transparent)]
    BadJob(#[from] BadJob),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is written, but not all of its jobs are sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What earlier tries of a job have left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EarlierTry {
    /// Nothing: this is the first, however often the message was received before.
    None,
    /// A line that says what is waited for, or why it was given up.
    Undecided,
    /// A decision.
    Finished(JobOutcome),
}

/// What earlier tries of this job have left behind. The jobs of a decision are sent again: the try may have ended before
/// the queue accepted them. `earlier` gives the queues of a line that was written when lines did not name them.
pub async fn earlier_try<T>(
    backend: &Backend,
    job: &ReceivedJob<T>,
    earlier: fn(EarlierOutbox) -> Vec<QueuedMessage>,
) -> Result<EarlierTry, DecisionError> {
    // What is received for the first time was not tried; more receipts alone do not mean that it was.
    if job.attempt == 1 {
        return Ok(EarlierTry::None);
    }
    match Ledger::new(backend.store.clone()).event(&job.tenant, job.trace).await? {
        Some(line) => Ok(finish(backend, line, earlier).await?.map_or(EarlierTry::Undecided, EarlierTry::Finished)),
        None => Ok(EarlierTry::None),
    }
}

/// What an earlier try of this job decided, if it did.
pub async fn finished<T>(
    backend: &Backend,
    job: &ReceivedJob<T>,
    earlier: fn(EarlierOutbox) -> Vec<QueuedMessage>,
) -> Result<Option<JobOutcome>, DecisionError> {
    match earlier_try(backend, job, earlier).await? {
        EarlierTry::Finished(outcome) => Ok(Some(outcome)),
        EarlierTry::None | EarlierTry::Undecided => Ok(None),
    }
}

async fn finish(
    backend: &Backend,
    line: EventLine,
    earlier: fn(EarlierOutbox) -> Vec<QueuedMessage>,
) -> Result<Option<JobOutcome>, DecisionError> {
    let outcome = match line.status {
        EventStatus::Routed => JobOutcome::Done,
        EventStatus::Skipped { reason } => JobOutcome::Skip(reason),
        // Handed to another job; what that makes of it follows.
        EventStatus::Waiting { .. } | EventStatus::Other(_) if !line.outbox.is_empty() => JobOutcome::Done,
        EventStatus::Waiting { .. } | EventStatus::Other(_) | EventStatus::Dead { .. } => return Ok(None),
    };
    backend.send([line.outbox, earlier(line.earlier)].concat()).await?;
    Ok(Some(outcome))
}

impl Decision {
    /// A decision on the event that `job` carries: named `event`, about `record`. Its status is routed unless another
    /// is set.
    pub fn on<T>(job: &ReceivedJob<T>, event: impl Into<String>, record: Option<String>, now: Timestamp) -> Self {
        let line = EventLine::of_trace(job.trace, event.into(), record, now, EventStatus::Routed);
        let line = EventLine { attempts: job.attempt, ..line };
        Self { goes_on: job.attempt > 1, ..Self::of(job.tenant.clone(), line) }
    }

    /// A decision on something that did not come off a queue.
    pub fn at_once(
        tenant: &TenantId,
        trace: TraceId,
        event: impl Into<String>,
        record: Option<String>,
        now: Timestamp,
    ) -> Self {
        let line = EventLine::of_trace(trace, event.into(), record, now, EventStatus::Routed);
        Self::of(tenant.clone(), line)
    }

    fn of(tenant: TenantId, line: EventLine) -> Self {
        let (claims, writes, outbox) = (Vec::new(), Vec::new(), Vec::new());
        Self { tenant, line, claims, swept: false, writes, outbox, goes_on: false }
    }

    /// The same if another job of this trace wrote the line first: the calls it noted are kept.
    #[must_use]
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// Adds a job with this event's trace.
    pub fn send<T: Job>(&mut self, job: &T) -> Result<(), BadJob> {
        self.outbox.push(job::message(&self.tenant, self.line.trace, job)?);
        Ok(())
    }

    /// Adds a delivery: its line and the job that carries it.
    pub fn deliver<T: Job>(&mut self, delivery: DeliveryLine, job: &T) -> Result<(), DecisionError> {
        self.send(job)?;
        self.writes.push(delivery_write(&self.tenant, delivery, WriteCondition::Always)?);
        Ok(())
    }

    /// Writes the decision and sends its jobs.
    ///
    /// After a lost race there is one rule: if another event has claimed the same, this one is skipped; otherwise it is
    /// decided again.
    pub async fn commit(mut self, backend: &Backend) -> Result<JobOutcome, DecisionError> {
        let outcome = match &self.line.status {
            EventStatus::Skipped { reason } => JobOutcome::Skip(reason.clone()),
            _ => JobOutcome::Done,
        };
        match self.write(backend).await {
            Ok(()) => {}
            Err(DecisionError::LostRace(key)) => return self.lost(backend, key).await,
            Err(error) => return Err(error),
        }
        let EventLine { trace, event, record, changes, .. } = &self.line;
        tracing::info!(%trace, tenant = %self.tenant, event, record, ?changes, "decided");
        backend.send(self.outbox).await?;
        Ok(outcome)
    }

    /// Commits it, skips it or waits.
    pub async fn settle(self, backend: &Backend, verdict: Verdict) -> Result<JobOutcome, DecisionError> {
        match verdict {
            Verdict::Commit => self.commit(backend).await,
            Verdict::Skip(reason) => self.skip(backend, reason).await,
            Verdict::Wait { after, cause } => self.wait(backend, after, cause).await,
        }
    }

    /// Writes that there is nothing to do, and why.
    pub async fn skip(mut self, backend: &Backend, reason: impl Into<String>) -> Result<JobOutcome, DecisionError> {
        self.line.status = EventStatus::Skipped { reason: reason.into() };
        self.commit(backend).await
    }

    /// Writes what it waits for; the event is received again after that time. An intended wait does not count towards
    /// giving up.
    pub async fn wait(
        mut self,
        backend: &Backend,
        after: Duration,
        cause: impl Into<String>,
    ) -> Result<JobOutcome, DecisionError> {
        let cause = cause.into();
        self.line.note_calls();
        // A later try that called nobody has nothing to add to the line.
        if !self.line.calls.is_empty() || !self.writes.is_empty() || !self.has_line(backend).await? {
            self.line.status = EventStatus::Waiting { cause: cause.clone() };
            self.write(backend).await?;
        }
        Ok(JobOutcome::Retry { after: after.min(MAX_WAIT), cause })
    }

    /// Whether an earlier try has written a line.
    async fn has_line(&self, backend: &Backend) -> Result<bool, StoreError> {
        if !self.goes_on {
            return Ok(false);
        }
        Ok(Ledger::new(backend.store.clone()).event(&self.tenant, self.line.trace).await?.is_some())
    }

    async fn write(&mut self, backend: &Backend) -> Result<(), DecisionError> {
        self.line.note_calls();
        self.keep_earlier(backend).await?;
        self.line.outbox.clone_from(&self.outbox);
        let mut writes = vec![event_write(&self.tenant, self.line.clone())?];
        let claim = Claim { trace: self.line.trace, swept: self.swept, at: None };
        for identity in &self.claims {
            writes.push(claims::write(&self.tenant, identity, &claim, self.line.decided_at)?);
        }
        writes.append(&mut self.writes);
        if writes.len() > MAX_WRITES {
            return Err(DecisionError::TooManyWrites(writes.len()));
        }
        let written = match <[StoreWrite; 1]>::try_from(writes) {
            // A transaction costs twice a plain write.
            Ok([line]) => self.write_alone(backend, line).await,
            Err(writes) => backend.store.put_all(writes).await,
        };
        written.map_err(|error| match error {
            StoreError::Conflict(key) => DecisionError::LostRace(key),
            error => DecisionError::Store(error),
        })
    }

    /// Writes a line beside which nothing else is written that another worker could have written first: one whose lease has
    /// ended must not write over what the worker that has the job now has decided.
    async fn write_alone(&self, backend: &Backend, line: StoreWrite) -> Result<(), StoreError> {
        if self.goes_on {
            return backend.store.put(line).await.map(|_| ());
        }
        match backend.store.put(StoreWrite { condition: WriteCondition::Absent, ..line.clone() }).await {
            Err(StoreError::Conflict(key)) => {
                let ledger = Ledger::new(backend.store.clone());
                match ledger.event(&self.tenant, self.line.trace).await? {
                    Some(known) if self.line.is_decided_by(&known) => Err(StoreError::Conflict(key)),
                    // That of an event that was given up and is sent again, or of another job of its trace.
                    _ => backend.store.put(line).await.map(|_| ()),
                }
            }
            written => written.map(|_| ()),
        }
    }

    /// Keeps the calls and waits of earlier tries in the event's line.
    async fn keep_earlier(&mut self, backend: &Backend) -> Result<(), StoreError> {
        if !self.goes_on {
            return Ok(());
        }
        if let Some(earlier) = Ledger::new(backend.store.clone()).event(&self.tenant, self.line.trace).await? {
            self.line.go_on_from(earlier);
        }
        Ok(())
    }

    async fn lost(self, backend: &Backend, key: ItemKey) -> Result<JobOutcome, DecisionError> {
        let ledger = Ledger::new(backend.store.clone());
        if !self.goes_on
            && let Some(known) = ledger.event(&self.tenant, self.line.trace).await?
            && self.line.is_decided_by(&known)
        {
            return finish(backend, known, |_| Vec::new()).await?.ok_or(DecisionError::LostRace(key));
        }
        for identity in &self.claims {
            let Some(claim) = claims::find(backend.store.as_ref(), &self.tenant, identity).await? else { continue };
            if claim.trace == self.line.trace {
                // This event's own: an earlier try whose answer was lost.
                let written = ledger.event(&self.tenant, claim.trace).await?;
                let outcome = match written {
                    Some(line) => finish(backend, line, |_| Vec::new()).await?,
                    None => None,
                };
                return outcome.ok_or(DecisionError::LostRace(key));
            }
            let reason = already_decided(&claim);
            let line = EventLine {
                status: EventStatus::Skipped { reason: reason.clone() },
                changes: Vec::new(),
                found: Vec::new(),
                outbox: Vec::new(),
                ..self.line
            };
            ledger.record_event(&self.tenant, line).await?;
            return Ok(JobOutcome::Skip(reason));
        }
        Err(DecisionError::LostRace(key))
    }
}

/// Why an event is skipped if another has claimed its identity.
pub fn already_decided(claim: &Claim) -> String {
    format!("already decided, trace {}", claim.trace)
}

impl EventLine {
    /// Whether another worker has decided the same event by now, with this line.
    fn is_decided_by(&self, known: &Self) -> bool {
        let is_same = (&known.event, &known.record) == (&self.event, &self.record);
        is_same && matches!(known.status, EventStatus::Routed | EventStatus::Skipped { .. })
    }

    /// Takes over the calls and waits of an earlier try of the same event.
    pub fn go_on_from(&mut self, earlier: Self) {
        self.calls.splice(0..0, earlier.calls);
        calls::shorten(&mut self.calls);
        // One that was given up and is received again was retried by a person: it has its whole patience.
        if !matches!(earlier.status, EventStatus::Dead { .. }) {
            self.waited = self.waited.max(earlier.waited);
        }
    }
}
