//! The job runner, on batches as Lambda gets them and on SQLite.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::sqs::SqsEvent;
use jobs::queues;
use runtime::job::{GroupKey, Job, JobOutcome, ReceivedJob, message};
use runtime::metrics::Counters;
use runtime::queue::{Buried, DeadLetter, Depth, Judge, Queue, QueueError, QueueMessage, QueueName, Received};
use runtime::runner::BatchReport;
use runtime::{Backend, Jobs, ManualClock, Outcomes, Runner, SuspectTurn, TenantId, TraceId, WorkTime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlite::{SqliteFile, SqliteQueue};

const QUEUE: QueueName = queues::BITRIX24_EVENTS;

/// A job that says what is to become of it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Says(String);

impl Job for Says {
    const QUEUE: QueueName = QUEUE;

    fn group(&self) -> GroupKey {
        GroupKey::new(["g"])
    }

    fn deduplication(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

/// A queue that writes down what it is told.
#[derive(Default)]
struct Recording {
    sent: Mutex<Vec<QueueMessage>>,
    delays: Mutex<Vec<(String, Duration)>>,
    letters: Mutex<Vec<DeadLetter>>,
    deleted: Mutex<Vec<String>>,
    returned: Mutex<Vec<String>>,
    refuses_letters: bool,
}

#[async_trait]
impl Queue for Recording {
    async fn send(&self, _: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        self.sent.lock().unwrap().extend(messages);
        Ok(())
    }
    async fn receive(&self, _: QueueName, _: usize, _: Duration) -> Result<Vec<Received>, QueueError> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        self.deleted.lock().unwrap().extend(receipts);
        Ok(())
    }
    async fn delay(&self, _: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        self.delays.lock().unwrap().push((receipt.to_owned(), after));
        Ok(())
    }
    async fn return_unworked(&self, _: QueueName, receipt: &str) -> Result<(), QueueError> {
        self.returned.lock().unwrap().push(receipt.to_owned());
        Ok(())
    }
    async fn bury(&self, queue: QueueName, _: &str, letter: DeadLetter) -> Result<(), QueueError> {
        if self.refuses_letters {
            return Err(QueueError { queue: queue.name(), cause: "no room".into() });
        }
        self.letters.lock().unwrap().push(letter);
        Ok(())
    }
    async fn sift(&self, _: QueueName, _: usize, _: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        Ok(Vec::new())
    }
    async fn depth(&self, _: QueueName) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

fn tenant() -> TenantId {
    TenantId::new("t").unwrap()
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap())
}

/// A batch as an event source mapping hands it over: (message id, group, what the job says).
fn batch(jobs: &[(&str, &str, &str)]) -> Vec<Received> {
    let trace = TraceId::new("2026-11-21T12:00:00Z".parse().unwrap());
    let records: Vec<_> = jobs
        .iter()
        .map(|(id, group, says)| {
            let body = message(&tenant(), trace, &Says((*says).to_owned())).unwrap().message.body;
            json!({
                "messageId": id, "receiptHandle": format!("receipt-{id}"), "body": body,
                "attributes": {"ApproximateReceiveCount": "2", "MessageGroupId": group},
                "messageAttributes": {}, "eventSource": "aws:sqs",
            })
        })
        .collect();
    let event: SqsEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    event.records.into_iter().filter_map(aws::lambda::received).collect()
}

/// Does what the job says.
fn obey(job: &ReceivedJob<Says>) -> JobOutcome {
    match job.body.0.as_str() {
        "skip" => JobOutcome::Skip("nothing to do".into()),
        "retry" => JobOutcome::Retry { after: Duration::from_secs(7), cause: "busy".into() },
        "die" => JobOutcome::Dead { code: "gone".into(), reason: "it is gone".into() },
        _ => JobOutcome::Done,
    }
}

/// A runner over a queue, which keeps what it notes in memory.
fn runner(queue: Arc<dyn Queue>, clock: Arc<ManualClock>) -> Runner {
    let backend = memory::Memory::new(clock).backend(Arc::new(Counters::default()));
    Runner::new(Backend { queue, ..backend }, SuspectTurn::default())
}

async fn run(queue: &Arc<Recording>, batch: Vec<Received>) -> (BatchReport, Vec<String>) {
    let worked = Mutex::new(Vec::new());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let report = runner.run(WorkTime::default(), batch, |jobs: Jobs<Says>| {
        jobs.each(|job| {
            worked.lock().unwrap().push(job.id.clone());
            async move { obey(&job) }
        })
    });
    let report = report.await;
    (report, worked.into_inner().unwrap())
}

/// What was noted until now.
fn taken<T>(noted: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut noted.lock().unwrap())
}

#[tokio::test]
async fn a_job_to_be_tried_again_stops_its_group_and_no_other() {
    let queue = Arc::new(Recording::default());
    let jobs = [
        ("1", "g", "do"),
        ("2", "h", "do"),
        ("3", "g", "retry"),
        ("4", "g", "do"),
        ("5", "h", "skip"),
        ("6", "g", "do"),
    ];
    let (report, mut worked) = run(&queue, batch(&jobs)).await;
    worked.sort();
    assert_eq!(worked, ["1", "2", "3", "5"], "what is behind the third in its group is not worked");
    assert_eq!(report.failed, ["3", "4", "6"], "the partial batch response names it and all behind it");
    assert_eq!(report.finished, ["receipt-1", "receipt-2", "receipt-5"]);
    let delays = taken(&queue.delays);
    let seven = Duration::from_secs(7);
    assert_eq!(delays, [("receipt-3".into(), seven), ("receipt-4".into(), seven), ("receipt-6".into(), seven)]);
    let response = serde_json::to_value(aws::lambda::partial_batch_response(report.failed)).unwrap();
    assert_eq!(
        response,
        json!({"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "4"}, {"itemIdentifier": "6"}]})
    );
}

#[tokio::test]
async fn a_dead_job_leaves_a_letter_and_does_not_block_its_group() {
    let queue = Arc::new(Recording::default());
    let (report, worked) = run(&queue, batch(&[("1", "g", "die"), ("2", "g", "do")])).await;
    assert_eq!((report.failed.len(), worked), (0, vec!["1".to_owned(), "2".to_owned()]));
    let letters = taken(&queue.letters);
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].code.as_str(), letters[0].attempts, letters[0].tenant.as_str()), ("gone", 2, "t"));
    assert_eq!(letters[0].trace.len(), 36);
    assert!(letters[0].body.contains("die"), "the job goes with the letter, for a redrive");
}

#[tokio::test]
async fn a_letter_that_the_console_moved_back_is_opened_and_its_job_goes_to_its_own_group() {
    let queue = Arc::new(Recording::default());
    let (_, worked) = run(&queue, batch(&[("1", "g", "die")])).await;
    assert_eq!(worked, ["1"]);
    let letter = queue.letters.lock().unwrap()[0].clone();
    // As SQS gives it back: the letter's text, in the letter's group.
    let mut moved = batch(&[("9", "letter", "do")]);
    moved[0].body = serde_json::to_string(&letter).unwrap();
    let (report, worked) = run(&queue, moved).await;
    assert_eq!((taken(&queue.deleted).len(), report.failed.len(), worked.len()), (1, 0, 0));
    let sent = taken(&queue.sent);
    assert_eq!((sent.len(), sent[0].group.as_str(), &sent[0].body), (1, "g", &letter.body));
}

#[tokio::test]
async fn a_job_whose_letter_cannot_be_sent_stays_on_the_queue() {
    let queue = Arc::new(Recording { refuses_letters: true, ..Recording::default() });
    let (report, _) = run(&queue, batch(&[("1", "g", "die")])).await;
    assert_eq!(report, BatchReport { finished: vec![], failed: vec!["1".into()] });
}

#[tokio::test]
async fn what_is_not_a_job_or_a_newer_one_is_a_dead_letter() {
    let queue = Arc::new(Recording::default());
    let mut batch = batch(&[("1", "g", "do"), ("2", "g", "do"), ("3", "h", "do"), ("4", "h", "do")]);
    batch[0].body = "{".into();
    batch[1].body = batch[1].body.replace("\"v\":1", "\"v\":2");
    batch[3].body = batch[3].body.replace("\"do\"", "7");
    let (report, worked) = run(&queue, batch).await;
    assert_eq!((report.failed.len(), worked), (0, vec!["3".to_owned()]));
    let letters = taken(&queue.letters);
    let codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["unreadable_job"; 3]);
    assert!(letters[1].reason.contains("schema 2"), "{}", letters[1].reason);
    assert!(letters[2].reason.contains(": body: invalid type: integer `7`"), "{}", letters[2].reason);
}

#[tokio::test]
async fn groups_are_worked_side_by_side() {
    let queue = Arc::new(Recording::default());
    // Each job waits for the other: one after the other they would wait for ever.
    let meeting = tokio::sync::Barrier::new(2);
    let meeting = &meeting;
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[("1", "g", "do"), ("2", "h", "do")]);
    let handle = |jobs: Jobs<Says>| {
        jobs.each(|_| async move {
            meeting.wait().await;
            JobOutcome::Done
        })
    };
    let report = runner.run(WorkTime::default(), jobs, handle).await;
    // The one that ends first may be deleted while the other is still worked.
    let settled = [taken(&queue.deleted), report.finished].concat();
    assert_eq!(BTreeSet::from_iter(settled), BTreeSet::from(["receipt-1".to_owned(), "receipt-2".to_owned()]));
}

#[tokio::test]
async fn on_sqlite_a_job_is_tried_until_it_is_done_and_the_rest_follows_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(clock());
    let queue = SqliteQueue::new(SqliteFile::open(&folder.path().join("test.db")).unwrap(), clock.clone());
    let trace = TraceId::new("2026-11-21T12:00:00Z".parse().unwrap());
    let job = |says: &str| message(&tenant(), trace, &Says(says.to_owned())).unwrap().message;
    queue.send(QUEUE, vec![job("first"), job("second"), job("die"), job("last")]).await.unwrap();
    let worked = Mutex::new(Vec::new());
    let runner = runner(Arc::new(queue.clone()), clock.clone());
    for _ in 0..4 {
        let batch = queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        let report = runner.run(WorkTime::default(), batch, |jobs: Jobs<Says>| {
            jobs.each(|job| {
                let says = job.body.0.clone();
                worked.lock().unwrap().push(format!("{says} {}", job.attempt));
                async move {
                    match says.as_str() {
                        "first" if job.attempt < 3 => {
                            JobOutcome::Retry { after: Duration::from_secs(5), cause: "busy".into() }
                        }
                        "die" => JobOutcome::Dead { code: "gone".into(), reason: "it is gone".into() },
                        _ => JobOutcome::Done,
                    }
                }
            })
        });
        let report = report.await;
        queue.delete(QUEUE, report.finished).await.unwrap();
        clock.advance(Duration::from_secs(5));
    }
    assert_eq!(worked.into_inner().unwrap(), ["first 1", "first 2", "first 3", "second 3", "die 3", "last 3"]);
    assert_eq!(queue.depth(QUEUE).await.unwrap(), Depth { dead: 1, ..Depth::default() });
}

/// The ids of what was returned.
fn returned(queue: &Recording) -> Vec<String> {
    taken(&queue.returned)
}

#[tokio::test]
async fn a_job_that_panics_costs_itself_and_stops_its_group() {
    let queue = Arc::new(Recording::default());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[("1", "g", "panic"), ("2", "g", "do"), ("3", "h", "do")]);
    let handle = |jobs: Jobs<Says>| {
        jobs.each(async |job| match job.body.0.as_str() {
            "panic" => panic!("it cannot be so"),
            _ => JobOutcome::Done,
        })
    };
    let report = runner.run(WorkTime::default(), jobs, handle).await;
    assert_eq!(report.failed.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["1", "2"]));
    assert_eq!(taken(&queue.delays), [("receipt-1".into(), Duration::from_secs(5))]);
    assert_eq!(returned(&queue), ["receipt-2"]);
}

#[tokio::test]
async fn a_handler_that_panics_outside_of_its_jobs_works_them_one_by_one() {
    let queue = Arc::new(Recording::default());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[
        ("1", "g", "do"),
        ("2", "g", "poison"),
        ("3", "g", "do"),
        ("4", "h", "do"),
        ("5", "h", "retry"),
        ("6", "h", "do"),
    ]);
    let worked = Mutex::new(Vec::new());
    // What reads all jobs of a batch together panics on one of them.
    let handle = async |jobs: Jobs<Says>| -> Outcomes {
        assert!(jobs.iter().all(|job| job.body.0 != "poison"), "poisoned");
        let each = jobs.each(async |job| {
            worked.lock().unwrap().push(job.id.clone());
            obey(&job)
        });
        each.await
    };
    let report = runner.run(WorkTime::default(), jobs, handle).await;
    let mut worked = taken(&worked);
    worked.sort();
    assert_eq!(worked, ["1", "4", "5"]);
    assert_eq!(
        report.failed.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["2", "3", "5", "6"]
    );
    assert_eq!(returned(&queue), ["receipt-3"], "it waits behind the second");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_end_is_cut_off_and_its_neighbours_are_done() {
    let queue = Arc::new(Recording::default());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[("1", "g", "hang"), ("2", "g", "do"), ("3", "h", "do")]);
    let handle = |jobs: Jobs<Says>| {
        jobs.each(async |job| match job.body.0.as_str() {
            "hang" => std::future::pending().await,
            _ => JobOutcome::Done,
        })
    };
    let (limit, began) = (Duration::from_secs(60), tokio::time::Instant::now());
    let report = runner.run(WorkTime::within(limit), jobs, handle).await;
    assert_eq!(began.elapsed(), Duration::from_secs(55), "there is time to settle the messages");
    assert_eq!(report.failed, ["1", "2"]);
    assert_eq!(taken(&queue.deleted), ["receipt-3"], "long before");
    assert_eq!(taken(&queue.delays), [("receipt-1".into(), Duration::from_secs(10))]);
    assert_eq!(returned(&queue), ["receipt-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_before_its_jobs_is_cut_off_too() {
    let queue = Arc::new(Recording::default());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[("1", "g", "do"), ("2", "g", "do")]);
    let handle = |_: Jobs<Says>| std::future::pending::<Outcomes>();
    let report = runner.run(WorkTime::within(Duration::from_secs(60)), jobs, handle).await;
    assert_eq!((report.failed, returned(&queue)), (vec!["1".into(), "2".into()], vec!["receipt-2".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn no_job_begins_that_could_not_end_and_what_did_not_begin_is_back_at_once() {
    let queue = Arc::new(Recording::default());
    let runner = runner(queue.clone(), Arc::new(clock()));
    let jobs = batch(&[("1", "g", "a"), ("2", "g", "b"), ("3", "g", "c"), ("4", "g", "d")]);
    let handle = |jobs: Jobs<Says>| {
        jobs.each(async |_| {
            tokio::time::sleep(Duration::from_secs(20)).await;
            JobOutcome::Done
        })
    };
    let report = runner.run(WorkTime::within(Duration::from_secs(60)), jobs, handle).await;
    // The second begins after 20 of the 33 seconds in which jobs may begin; the third would after 40.
    assert_eq!(report.failed, ["3", "4"]);
    assert_eq!(returned(&queue), ["receipt-3", "receipt-4"]);
    assert!(taken(&queue.delays).is_empty(), "no try, and no wait");
}

/// Notes the text of each line of the log and how many of its fields bear the name of the text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, usize)>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let named = event.metadata().fields().iter().filter(|field| field.name() == "message").count();
        self.0.lock().unwrap().push((text.0, named));
    }
}

#[tokio::test]
async fn the_lines_of_the_log_keep_their_text() {
    use tracing_subscriber::layer::SubscriberExt;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let queue = Arc::new(Recording::default());
    run(&queue, batch(&[("1", "g", "retry"), ("2", "h", "die")])).await;
    let silent = |_: Jobs<Says>| std::future::ready(Outcomes::default());
    let runner = runner(queue, Arc::new(clock()));
    runner.run(WorkTime::default(), batch(&[("1", "g", "do")]), silent).await;
    let lines = taken(&lines.0);
    assert_eq!(
        lines,
        [("retry", 1), ("dead letter", 1), ("the handler said nothing of this job", 1)]
            .map(|(text, n)| (text.to_owned(), n))
    );
}
