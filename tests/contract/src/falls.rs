//! What the runner promises over any engine of a job on which the process falls: it costs itself, and no other.

use std::sync::Mutex;
use std::time::Duration;

use jobs::queues;
use runtime::clock::{Clock, earlier};
use runtime::job::{GroupKey, Job, JobOutcome, message};
use runtime::queue::{QueueName, Received};
use runtime::runner::BatchReport;
use runtime::store::Table;
use runtime::{Jobs, Runner, SuspectTurn, TenantId, TraceId, WorkTime};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::Engine;

const QUEUE: QueueName = queues::SLACK_DELIVERY;
const POISON: &str = "poison";

/// A job that is known by what it says.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Named(String);

impl Job for Named {
    const QUEUE: QueueName = QUEUE;

    fn group(&self) -> GroupKey {
        GroupKey::new([self.0.as_str()])
    }
}

/// A process that works batches which some engine handed out: each job has a group and a message of its own.
struct Process<'a> {
    engine: &'a Engine,
    runner: Runner,
    /// What was worked since it was last looked at.
    worked: Mutex<Vec<String>>,
    age: Duration,
}

impl<'a> Process<'a> {
    fn start(engine: &'a Engine) -> Self {
        let runner = Runner::new(engine.backend.clone(), SuspectTurn::default());
        Self { engine, runner, worked: Mutex::default(), age: Duration::from_secs(3600) }
    }

    fn batch(&self, jobs: &[&str], attempt: u32) -> Vec<Received> {
        let trace = TraceId::new(earlier(self.engine.clock.now(), self.age));
        let received = |name: &&str| {
            let message = message(&tenant(), trace, &Named((*name).to_owned())).unwrap().message;
            let (id, receipt) = (format!("id-{name}"), format!("receipt-{name}"));
            Received { id, receipt, group: message.group, body: message.body, attempt }
        };
        jobs.iter().map(received).collect()
    }

    async fn run(&self, jobs: &[&str], attempt: u32, of_poison: impl AsyncFn() -> JobOutcome) -> BatchReport {
        let batch = self.batch(jobs, attempt);
        let of_poison = &of_poison;
        let handle = |jobs: Jobs<Named>| {
            jobs.each(async |job| {
                self.worked.lock().unwrap().push(job.body.0.clone());
                if job.body.0 == POISON { of_poison().await } else { JobOutcome::Done }
            })
        };
        self.runner.run(WorkTime::default(), batch, handle).await
    }

    /// Works a batch until the poisoned job has begun; there the process ends.
    async fn fall(&self, jobs: &[&str], attempt: u32) {
        let begun = Notify::new();
        let of_poison = async || {
            begun.notify_one();
            std::future::pending().await
        };
        tokio::select! {
            report = self.run(jobs, attempt, of_poison) => panic!("it ended: {report:?}"),
            () = begun.notified() => {}
        }
    }

    fn worked(&self) -> Vec<String> {
        let mut worked = std::mem::take(&mut *self.worked.lock().unwrap());
        worked.sort();
        worked
    }
}

fn tenant() -> TenantId {
    TenantId::new("t").unwrap()
}

async fn retry() -> JobOutcome {
    JobOutcome::Retry { after: Duration::from_secs(5), cause: "busy".into() }
}

pub async fn a_job_on_which_the_process_falls_is_worked_alone_and_then_buried(engine: &Engine) {
    let jobs = [POISON, "a", "b"];
    for attempt in [1, 2] {
        let process = Process::start(engine);
        process.fall(&jobs, attempt).await;
        assert!(process.worked().contains(&POISON.to_owned()));
    }
    for attempt in [3, 4, 5] {
        let process = Process::start(engine);
        process.fall(&jobs, attempt).await;
        assert_eq!(process.worked(), [POISON], "after two falls it takes nobody along");
    }
    let process = Process::start(engine);
    let report = process.run(&jobs, 6, retry).await;
    assert!(!report.failed.contains(&format!("id-{POISON}")), "{report:?}");
    let letters = engine.backend.queue.dead_letters(QUEUE, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0].letter;
    assert_eq!((letter.code.as_str(), letter.tenant.as_str(), letter.attempts), ("job_fell", "t", 6));
    assert!(letter.reason.contains("the process ended") && letter.reason.contains("redrive"), "{}", letter.reason);
    assert!(letter.body.contains(POISON));
    // The others were in the process when it fell: each is worked alone once, and is done.
    assert_eq!(process.worked(), ["a"]);
    process.run(&["b"], 7, retry).await;
    assert_eq!(process.worked(), ["b"]);
    assert_eq!(engine.backend.queue.dead_letters(QUEUE, 10).await.unwrap().len(), 1);
}

pub async fn a_job_that_ends_is_no_suspect_any_more(engine: &Engine) {
    Process::start(engine).fall(&[POISON, "a"], 2).await;
    let process = Process::start(engine);
    let report = process.run(&[POISON, "b"], 3, retry).await;
    assert_eq!(process.worked(), [POISON], "alone");
    assert_eq!(report.failed.len(), 2);
    process.run(&[POISON, "b"], 4, retry).await;
    assert_eq!(process.worked(), ["b", POISON], "it had an end");
    assert_eq!(engine.backend.queue.depth(QUEUE).await.unwrap().dead, 0);
}

pub async fn a_job_that_panics_is_buried_after_a_few_tries_with_what_it_said(engine: &Engine) {
    let process = Process::start(engine);
    for attempt in 1..=3 {
        let report = process.run(&[POISON], attempt, async || panic!("no such field")).await;
        assert_eq!(report.failed, [format!("id-{POISON}")]);
    }
    let report = process.run(&[POISON], 4, async || panic!("no such field")).await;
    assert!(report.failed.is_empty(), "{report:?}");
    let letters = engine.backend.queue.dead_letters(QUEUE, 10).await.unwrap();
    assert_eq!(letters.iter().map(|buried| buried.letter.code.as_str()).collect::<Vec<_>>(), ["job_fell"]);
    assert!(letters[0].letter.reason.contains("its code panicked: no such field"), "{}", letters[0].letter.reason);
}

pub async fn first_tries_and_young_jobs_write_nothing(engine: &Engine) {
    let process = Process::start(engine);
    process.run(&[POISON, "a"], 1, retry).await;
    let young = Process { age: Duration::from_secs(2), ..Process::start(engine) };
    young.run(&[POISON, "a"], 7, retry).await;
    assert!(kept(engine).await.is_empty());
    // What is tried again and again notes an end, and then nothing until a lost message could be back.
    process.run(&[POISON], 3, retry).await;
    let noted = kept(engine).await;
    assert_eq!(noted.len(), 1);
    process.run(&[POISON], 4, retry).await;
    assert_eq!(kept(engine).await, noted);
}

/// The versions of what is kept of falls.
async fn kept(engine: &Engine) -> Vec<u64> {
    let found = engine.backend.store.belonging(Table::Limits, "t", None).await.unwrap();
    found.items.iter().map(|(item, _)| item.version).collect()
}
