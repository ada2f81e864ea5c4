//! From a batch of a queue to settled messages, written once for every queue and engine.
//!
//! The handler only reports the outcome of each job. Here outcomes become finished receipts, back-off by visibility and
//! dead letters. What is neither finished nor buried is reported as failed, so that the queue delivers it again: on
//! Lambda as a partial batch response, on one machine by its lease. A job that ends while others of its batch are still
//! worked is settled at once: what waits behind it in its group does not wait for them.
//!
//! Whatever a job does, it costs the others little: a panic ends the job in which it happens, the work on a batch has a
//! limit, and a job on which the process has fallen before is worked alone (`falls`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{self, UnboundedReceiver};
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tokio::time::sleep;

use crate::Backend;
use crate::batch::Jobs;
use crate::batch_watch::BatchWatch;
use crate::calls;
use crate::clock::{Clock, MAX_WAIT};
use crate::envelope;
use crate::falls::{Falls, Standing, SuspectTurn, Turn, until_its_turn};
use crate::job::{Fall, Job, JobOutcome, Outcomes, ReceivedJob};
use crate::queue::{DeadLetter, Queue, QueueMessage, QueueName, Received};
use crate::unwinding::caught;
use crate::work_time::WorkTime;

/// The outcome of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// Receipts of the messages that are finished and still have to be deleted.
    pub finished: Vec<String>,
    /// Ids of the messages to be delivered again.
    pub failed: Vec<String>,
}

/// Works the batches of a process.
#[derive(Clone)]
pub struct Runner {
    backend: Backend,
    turn: SuspectTurn,
}

impl Runner {
    /// The runner of a queue. All runners of a process share one `turn`.
    pub fn new(backend: Backend, turn: SuspectTurn) -> Self {
        Self { backend, turn }
    }

    /// What it runs on.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Works a batch within `time`: reads the jobs, lets `handle` work them, settles their outcomes.
    ///
    /// A dead letter among them was moved back unopened, by the console of SQS: it is opened, and its job goes to the end
    /// of its own group, where order is kept. (Letters are in groups of their own, so that all of them can be read.)
    pub async fn run<T, F>(&self, time: WorkTime, batch: Vec<Received>, handle: impl Fn(Jobs<T>) -> F) -> BatchReport
    where
        T: Job,
        F: Future<Output = Outcomes>,
    {
        let name = T::QUEUE;
        let (jobs, mut early) = self.read::<T>(&batch).await;
        let falls = Falls::of(&self.backend, name, &jobs).await;
        let (jobs, turn) = select(jobs, &falls, &self.turn, &mut early);
        // What a batch asks for all of its jobs together is asked for the first of them.
        let subject = batch.first().map(|received| received.group.clone()).unwrap_or_default();
        let (ended, endings) = mpsc::unbounded();
        let watch = Arc::new(BatchWatch::new(ended, falls));
        let settling = Settling { backend: &self.backend, name, watch: &watch };
        let (decided, batch): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|received| early.contains_key(&received.id));
        // Nobody waits for what is worked now.
        let mut settled = settling.at_once(decided, early).await;
        let heads = heads(&batch).map(|received| received.id.as_str());
        join_all(heads.map(|id| watch.falls.begin(id))).await;
        let messages = batch.clone();
        let work = calls::on_behalf_of(&subject, Box::pin(worked(&handle, Jobs::new(jobs), &messages, &watch)));
        let (outcomes, left, done) = settling.while_worked(work, endings, batch, time).await;
        settled.add(done);
        settled.add(settling.all(left, outcomes).await);
        drop(turn);
        for (reason, number) in settled.counts {
            self.backend.metrics.add("jobs", reason, number);
        }
        settled.report
    }

    /// The jobs of a batch, and the outcomes of the messages that cannot be read as jobs.
    async fn read<T: Job>(&self, batch: &[Received]) -> (Vec<ReceivedJob<T>>, HashMap<String, JobOutcome>) {
        let name = T::QUEUE;
        let (mut jobs, mut unreadable) = (Vec::with_capacity(batch.len()), HashMap::new());
        for received in batch {
            let outcome = match ReceivedJob::<T>::parse(received) {
                Ok(job) => {
                    jobs.push(job);
                    continue;
                }
                // No dead letter can be read as a job: it has no schema.
                Err(cause) => match DeadLetter::of_text(&received.body) {
                    Some(letter) => reopen(self.backend.queue.as_ref(), name, received, letter).await,
                    None => {
                        let reason = format!("a job on {} cannot be read: {cause}", name.name());
                        JobOutcome::Dead { code: "unreadable_job".into(), reason }
                    }
                },
            };
            unreadable.insert(received.id.clone(), outcome);
        }
        (jobs, unreadable)
    }
}

/// The first message of each group.
fn heads(batch: &[Received]) -> impl Iterator<Item = &Received> {
    let mut groups = HashSet::new();
    batch.iter().filter(move |received| groups.insert(received.group.as_str()))
}

/// The jobs to work now; the others' outcomes go to `early`. What is hopeless is given up. A suspect that is the first of
/// its group is worked alone, once it has the turn; one that is not waits, with those behind it, until it is.
fn select<T>(
    jobs: Vec<ReceivedJob<T>>,
    falls: &Falls,
    turn: &SuspectTurn,
    early: &mut HashMap<String, JobOutcome>,
) -> (Vec<ReceivedJob<T>>, Option<Turn>) {
    let mut alone: Option<(String, Option<Turn>)> = None;
    // What becomes of the jobs behind one of their group that is not worked.
    let mut behind: HashMap<String, JobOutcome> = HashMap::new();
    let mut begun: HashSet<String> = HashSet::new();
    let mut selected = Vec::with_capacity(jobs.len());
    for job in jobs {
        let outcome = match (behind.get(&job.group), falls.standing(&job.id)) {
            (Some(outcome), _) => Some(outcome.clone()),
            (None, Standing::Clear) => None,
            (None, Standing::Hopeless { code, reason }) => Some(JobOutcome::Dead { code: code.into(), reason }),
            (None, Standing::Suspect { needs_turn }) => {
                if begun.contains(&job.group) || alone.is_some() {
                    Some(JobOutcome::Returned { cause: "it is worked alone later".into() })
                } else {
                    match (needs_turn, needs_turn.then(|| turn.take()).flatten()) {
                        (true, None) => Some(until_its_turn()),
                        (_, taken) => {
                            alone = Some((job.id.clone(), taken));
                            None
                        }
                    }
                }
            }
        };
        match outcome {
            None => {
                begun.insert(job.group.clone());
                selected.push(job);
            }
            Some(outcome) => {
                if let Some(outcome) = outcome.of_those_behind() {
                    behind.entry(job.group.clone()).or_insert(outcome);
                }
                early.insert(job.id, outcome);
            }
        }
    }
    let Some((id, turn)) = alone else { return (selected, None) };
    let (alone, others): (Vec<_>, Vec<_>) = selected.into_iter().partition(|job| job.id == id);
    let returned = || JobOutcome::Returned { cause: "another job is worked alone".into() };
    early.extend(others.into_iter().map(|job| (job.id, returned())));
    (alone, turn)
}

/// Lets `handle` work the jobs. If it panics outside of a job, the rest is worked one by one: it is known then on which.
async fn worked<T, F>(
    handle: &impl Fn(Jobs<T>) -> F,
    jobs: Jobs<T>,
    messages: &[Received],
    watch: &Arc<BatchWatch>,
) -> HashMap<String, JobOutcome>
where
    T: Job,
    F: Future<Output = Outcomes>,
{
    let panic = match caught(Box::pin(async { handle(jobs.watched(watch)).await })).await {
        Ok(outcomes) => return outcomes.0,
        Err(panic) => panic,
    };
    tracing::error!(queue = T::QUEUE.name(), panic, "a handler panicked; the jobs of its batch are worked one by one");
    let done = watch.so_far();
    let left: Vec<&Received> = messages.iter().filter(|received| !done.contains_key(&received.id)).collect();
    if let [only] = left.as_slice() {
        watch.end(&only.id, &JobOutcome::Fell(Fall::Panicked(panic)));
        return watch.so_far();
    }
    let mut groups: BTreeMap<&str, Vec<&Received>> = BTreeMap::new();
    for received in left {
        groups.entry(&received.group).or_default().push(received);
    }
    join_all(groups.into_values().map(|group| one_by_one(handle, group, watch))).await;
    watch.so_far()
}

/// Works the jobs of a group each by itself, until one is to be tried again.
async fn one_by_one<T, F>(handle: &impl Fn(Jobs<T>) -> F, group: Vec<&Received>, watch: &Arc<BatchWatch>)
where
    T: Job,
    F: Future<Output = Outcomes>,
{
    let mut behind: Option<JobOutcome> = None;
    for received in group {
        let outcome = match &behind {
            Some(outcome) => outcome.clone(),
            None => {
                // It was read before.
                let Ok(job) = ReceivedJob::<T>::parse(received) else { continue };
                match caught(Box::pin(async { handle(Jobs::new(vec![job]).watched(watch)).await })).await {
                    Ok(mut outcomes) => match outcomes.0.remove(&received.id) {
                        Some(outcome) => outcome,
                        None => continue,
                    },
                    Err(panic) => JobOutcome::Fell(Fall::Panicked(panic)),
                }
            }
        };
        behind = behind.or_else(|| outcome.of_those_behind());
        watch.end(&received.id, &outcome);
    }
}

/// The outcomes of what is left of a batch that took too long: of each group the first job was being worked.
fn cut_off(left: &[Received], limit: Duration) -> HashMap<String, JobOutcome> {
    let first: HashSet<&str> = heads(left).map(|received| received.id.as_str()).collect();
    let outcome = |received: &Received| {
        let fell = JobOutcome::Fell(Fall::CutOff(limit));
        let returned = || JobOutcome::Returned { cause: "the time of its batch is up".into() };
        if first.contains(received.id.as_str()) { fell } else { returned() }
    };
    left.iter().map(|received| (received.id.clone(), outcome(received))).collect()
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

/// What was settled.
#[derive(Default)]
struct SettledMessages {
    report: BatchReport,
    /// One number for each batch and outcome: a line for each job would cost more than it is worth.
    counts: BTreeMap<&'static str, u64>,
}

impl SettledMessages {
    fn add(&mut self, more: Self) {
        self.report.finished.extend(more.report.finished);
        self.report.failed.extend(more.report.failed);
        for (reason, number) in more.counts {
            *self.counts.entry(reason).or_default() += number;
        }
    }
}

/// Where messages are settled.
#[derive(Clone, Copy)]
struct Settling<'a> {
    backend: &'a Backend,
    name: QueueName,
    watch: &'a BatchWatch,
}

impl Settling<'_> {
    /// Works a batch, and settles the jobs that end before the others. Returns the outcomes of the messages that are not
    /// settled yet, these, and what was settled. When the time is up, the work is dropped.
    async fn while_worked(
        self,
        work: impl Future<Output = HashMap<String, JobOutcome>>,
        mut endings: UnboundedReceiver<(String, JobOutcome)>,
        mut batch: Vec<Received>,
        time: WorkTime,
    ) -> (HashMap<String, JobOutcome>, Vec<Received>, SettledMessages) {
        let mut settled = SettledMessages::default();
        // Dropped when the time is up, with everything that it waits for.
        let mut work = Box::pin(work);
        let mut time_is_up = pin!(async {
            sleep(time.open).await;
            self.watch.close();
            sleep(time.whole.saturating_sub(time.open)).await;
        });
        let mut early = FuturesUnordered::new();
        let outcomes = loop {
            tokio::select! {
                biased;
                outcomes = &mut work => break Some(outcomes),
                Some(more) = early.next() => settled.add(more),
                Some(first) = endings.next() => {
                    let more = iter::from_fn(|| endings.try_recv().ok());
                    let ended: HashMap<String, JobOutcome> = iter::once(first).chain(more).collect();
                    let (done, left) = batch.into_iter().partition(|received| ended.contains_key(&received.id));
                    batch = left;
                    early.push(self.at_once(done, ended));
                }
                () = &mut time_is_up => break None,
            }
        };
        drop(work);
        while let Some(more) = early.next().await {
            settled.add(more);
        }
        let outcomes = outcomes.unwrap_or_else(|| {
            let mut outcomes = self.watch.so_far();
            let (_, left): (Vec<_>, Vec<_>) =
                batch.iter().cloned().partition(|received| outcomes.contains_key(&received.id));
            outcomes.extend(cut_off(&left, time.whole));
            outcomes
        });
        (outcomes, batch, settled)
    }

    /// Settles messages and deletes those that are finished.
    async fn at_once(self, batch: Vec<Received>, outcomes: HashMap<String, JobOutcome>) -> SettledMessages {
        let mut settled = self.all(batch, outcomes).await;
        if settled.report.finished.is_empty() {
            return settled;
        }
        match self.backend.queue.delete(self.name, settled.report.finished.clone()).await {
            Ok(()) => settled.report.finished.clear(),
            // They are deleted with the rest of the batch.
            Err(error) => tracing::warn!(%error, "finished messages could not be deleted at once"),
        }
        settled
    }

    async fn all(self, batch: Vec<Received>, mut outcomes: HashMap<String, JobOutcome>) -> SettledMessages {
        let settled = join_all(batch.into_iter().map(|received| {
            let outcome = outcomes.remove(&received.id);
            async move {
                let (reason, is_finished) = match outcome {
                    Some(outcome) => self.one(&received, outcome).await,
                    None => {
                        let (queue, id) = (self.name.name(), &received.id);
                        tracing::error!(queue, id, tenant = received.tenant(), "the handler said nothing of this job");
                        ("unsettled", false)
                    }
                };
                (reason, is_finished, received)
            }
        }))
        .await;
        let mut all = SettledMessages::default();
        for (reason, is_finished, received) in settled {
            *all.counts.entry(reason).or_default() += 1;
            if is_finished {
                all.report.finished.push(received.receipt);
            } else {
                all.report.failed.push(received.id);
            }
        }
        all
    }

    /// Settles a message, as far as its receipt need not be deleted. Returns how its outcome is counted, and whether it is
    /// finished.
    async fn one(self, received: &Received, outcome: JobOutcome) -> (&'static str, bool) {
        let fell = matches!(outcome, JobOutcome::Fell(_));
        if matches!(outcome, JobOutcome::Fell(Fall::Panicked(_))) {
            self.backend.metrics.count("function_failures", self.name.name());
        }
        let outcome = self.watch.falls.ended(&received.id, outcome).await;
        if fell && let JobOutcome::Retry { cause, .. } | JobOutcome::Dead { reason: cause, .. } = &outcome {
            let (tenant, trace) = envelope::origin(&received.body).unwrap_or_default();
            tracing::error!(queue = self.name.name(), id = received.id, trace, tenant, cause, "a job had no end");
        }
        match outcome {
            JobOutcome::Done => ("done", true),
            JobOutcome::Skip(_) => ("skipped", true),
            JobOutcome::Retry { after, cause } => {
                put_back(self.backend.queue.as_ref(), self.name, received, after, &cause).await;
                ("retried", false)
            }
            JobOutcome::Returned { cause } => {
                return_unworked(self.backend.queue.as_ref(), self.name, received, &cause).await;
                ("returned", false)
            }
            JobOutcome::Dead { code, reason } => {
                let Backend { queue, clock, .. } = self.backend;
                ("dead", bury(queue.as_ref(), clock.as_ref(), self.name, received, &code, &reason).await)
            }
            // Of a message that is no job. It comes back by itself.
            JobOutcome::Fell(_) => ("unsettled", false),
        }
    }
}

async fn put_back(queue: &dyn Queue, name: QueueName, received: &Received, after: Duration, cause: &str) {
    let (id, tenant, attempt) = (&received.id, received.tenant(), received.attempt);
    tracing::info!(queue = name.name(), id, tenant, attempt, ?after, cause, "retry");
    // A delay that fails does no harm: the message is delivered again when its lease ends.
    if let Err(error) = queue.delay(name, &received.receipt, after.min(MAX_WAIT)).await {
        tracing::warn!(%error, "could not hold a message back");
    }
}

async fn return_unworked(queue: &dyn Queue, name: QueueName, received: &Received, cause: &str) {
    tracing::info!(queue = name.name(), id = received.id, tenant = received.tenant(), cause, "returned unworked");
    // The same as of a delay that fails.
    if let Err(error) = queue.return_unworked(name, &received.receipt).await {
        tracing::warn!(%error, "could not return a message");
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
    match queue.bury(name, &received.burial(), letter).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "a dead letter could not be sent; its job stays on the queue");
            false
        }
    }
}
