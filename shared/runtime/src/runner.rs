//! From a batch of a queue to settled messages, written once for every queue and engine.
//!
//! The handler only reports the outcome of each job. Here outcomes become finished receipts, back-off by visibility and
//! dead letters. What is neither finished nor buried is reported as failed, so that the queue delivers it again: on
//! Lambda as a partial batch response, on one machine by its lease. A job that ends while others of its batch are still
//! worked is settled at once: what waits behind it in its group does not wait for them.

use std::iter;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::future::join_all;
use futures::stream::FuturesUnordered;

use crate::calls;
use crate::clock::{Clock, MAX_WAIT};
use crate::envelope;
use crate::job::{Job, JobEnd, JobOutcome, Jobs, Outcomes, ReceivedJob};
use crate::metrics::Metrics;
use crate::queue::{DeadLetter, Queue, QueueMessage, QueueName, Received};

/// The outcome of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// Receipts of the messages that are finished and still have to be deleted.
    pub finished: Vec<String>,
    /// Ids of the messages to be delivered again.
    pub failed: Vec<String>,
}

/// Works a batch: reads the jobs, lets `handle` work them, settles their outcomes.
///
/// A dead letter among them was moved back unopened, by the console of SQS: it is opened, and its job goes to the end
/// of its own group, where order is kept. (Letters are in groups of their own, so that all of them can be read.)
pub async fn run<T, F>(
    queue: &dyn Queue,
    clock: &dyn Clock,
    metrics: &dyn Metrics,
    batch: Vec<Received>,
    handle: impl FnOnce(Jobs<T>) -> F,
) -> BatchReport
where
    T: Job,
    F: Future<Output = Outcomes>,
{
    let name = T::QUEUE;
    let mut jobs = Vec::with_capacity(batch.len());
    let mut unreadable = Outcomes::default();
    for received in &batch {
        let outcome = match ReceivedJob::<T>::parse(received) {
            Ok(job) => {
                jobs.push(job);
                continue;
            }
            // No dead letter can be read as a job: it has no schema.
            Err(cause) => match DeadLetter::of_text(&received.body) {
                Some(letter) => reopen(queue, name, received, letter).await,
                None => {
                    let reason = format!("a job on {} cannot be read: {cause}", name.name());
                    JobOutcome::Dead { code: "unreadable_job".into(), reason }
                }
            },
        };
        unreadable.0.insert(received.id.clone(), outcome);
    }
    // What a batch asks for all of its jobs together is asked for the first of them.
    let subject = batch.first().map(|received| received.group.clone()).unwrap_or_default();
    let (ended, endings) = mpsc::unbounded();
    let work = calls::on_behalf_of(&subject, handle(Jobs::new(jobs).reporting(ended)));
    let settling = Settling { queue, clock, name };
    let (mut outcomes, batch, mut report) = settling.while_worked(work, endings, batch).await;
    outcomes.0.extend(unreadable.0);
    count(metrics, &outcomes);
    add(&mut report, settling.all(batch, &outcomes).await);
    report
}

/// One number for each batch and outcome: a line for each job would cost more than it is worth.
fn count(metrics: &dyn Metrics, outcomes: &Outcomes) {
    let (mut done, mut skipped, mut retried, mut dead) = (0, 0, 0, 0);
    for outcome in outcomes.0.values() {
        match outcome {
            JobOutcome::Done => done += 1,
            JobOutcome::Skip(_) => skipped += 1,
            JobOutcome::Retry { .. } => retried += 1,
            JobOutcome::Dead { .. } => dead += 1,
        }
    }
    for (reason, number) in [("done", done), ("skipped", skipped), ("retried", retried), ("dead", dead)] {
        if number > 0 {
            metrics.add("jobs", reason, number);
        }
    }
}

async fn reopen(queue: &dyn Queue, name: QueueName, received: &Received, letter: DeadLetter) -> JobOutcome {
    tracing::info!(queue = name.name(), trace = letter.trace, tenant = letter.tenant, "a dead letter was moved back");
    let deduplication = format!("reopened#{}", received.id);
    let job = QueueMessage { group: letter.way_back(), deduplication, body: letter.body };
    match queue.send(name, vec![job]).await {
        Ok(()) => JobOutcome::Done,
        Err(error) => JobOutcome::Retry { after: Duration::from_secs(5), cause: error.to_string() },
    }
}

/// Where messages are settled.
#[derive(Clone, Copy)]
struct Settling<'a> {
    queue: &'a dyn Queue,
    clock: &'a dyn Clock,
    name: QueueName,
}

impl Settling<'_> {
    /// Works a batch, and settles the jobs that end before the others. Returns all outcomes, the messages that are not
    /// settled yet, and the report on those that are.
    async fn while_worked(
        self,
        work: impl Future<Output = Outcomes>,
        mut endings: UnboundedReceiver<JobEnd>,
        mut batch: Vec<Received>,
    ) -> (Outcomes, Vec<Received>, BatchReport) {
        let mut report = BatchReport::default();
        let mut work = pin!(work);
        let mut early = FuturesUnordered::new();
        let outcomes = loop {
            tokio::select! {
                biased;
                outcomes = &mut work => break outcomes,
                Some(settled) = early.next() => add(&mut report, settled),
                Some(first) = endings.next() => {
                    let more = iter::from_fn(|| endings.try_recv().ok());
                    let ended: Outcomes = Outcomes(iter::once(first).chain(more).collect());
                    let (done, left) = batch.into_iter().partition(|received| ended.0.contains_key(&received.id));
                    batch = left;
                    early.push(self.at_once(done, ended));
                }
            }
        };
        while let Some(settled) = early.next().await {
            add(&mut report, settled);
        }
        (outcomes, batch, report)
    }

    /// Settles messages and deletes those that are finished.
    async fn at_once(self, batch: Vec<Received>, outcomes: Outcomes) -> BatchReport {
        let report = self.all(batch, &outcomes).await;
        if report.finished.is_empty() {
            return report;
        }
        match self.queue.delete(self.name, report.finished.clone()).await {
            Ok(()) => BatchReport { finished: Vec::new(), ..report },
            // They are deleted with the rest of the batch.
            Err(error) => {
                tracing::warn!(%error, "finished messages could not be deleted at once");
                report
            }
        }
    }

    async fn all(self, batch: Vec<Received>, outcomes: &Outcomes) -> BatchReport {
        let Self { queue, clock, name } = self;
        let settled = join_all(batch.into_iter().map(|received| async move {
            let finished = match outcomes.0.get(&received.id) {
                Some(JobOutcome::Done | JobOutcome::Skip(_)) => true,
                Some(JobOutcome::Retry { after, cause }) => {
                    put_back(queue, name, &received, *after, cause).await;
                    false
                }
                Some(JobOutcome::Dead { code, reason }) => bury(queue, clock, name, &received, code, reason).await,
                None => {
                    tracing::error!(queue = name.name(), message = received.id, "the handler said nothing of this job");
                    false
                }
            };
            (finished, received)
        }))
        .await;
        let mut report = BatchReport::default();
        for (finished, received) in settled {
            if finished {
                report.finished.push(received.receipt);
            } else {
                report.failed.push(received.id);
            }
        }
        report
    }
}

fn add(report: &mut BatchReport, more: BatchReport) {
    report.finished.extend(more.finished);
    report.failed.extend(more.failed);
}

async fn put_back(queue: &dyn Queue, name: QueueName, received: &Received, after: Duration, cause: &str) {
    tracing::info!(queue = name.name(), message = received.id, attempt = received.attempt, ?after, cause, "retry");
    // A delay that fails does no harm: the message is delivered again when its lease ends.
    if let Err(error) = queue.delay(name, &received.receipt, after.min(MAX_WAIT)).await {
        tracing::warn!(%error, "could not hold a message back");
    }
}

/// Whether the dead letter is safely in its queue.
async fn bury(
    queue: &dyn Queue,
    clock: &dyn Clock,
    name: QueueName,
    received: &Received,
    code: &str,
    reason: &str,
) -> bool {
    let (tenant, trace) = envelope::origin(&received.body).unwrap_or_default();
    let letter = DeadLetter {
        code: code.to_owned(),
        reason: reason.to_owned(),
        attempts: received.attempt,
        trace,
        tenant,
        buried_at: clock.now(),
        body: received.body.clone(),
        group: received.group.clone(),
    };
    tracing::error!(queue = name.name(), trace = letter.trace, tenant = letter.tenant, code, reason, "dead letter");
    match queue.bury(name, letter).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "a dead letter could not be sent; its job stays on the queue");
            false
        }
    }
}
