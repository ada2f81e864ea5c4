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
use runtime::runner;
use runtime::runner::BatchReport;
use runtime::{Jobs, ManualClock, TenantId, TraceId};
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
    async fn bury(&self, queue: QueueName, letter: DeadLetter) -> Result<(), QueueError> {
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

async fn run(queue: &Recording, batch: Vec<Received>) -> (BatchReport, Vec<String>) {
    let worked = Mutex::new(Vec::new());
    let report = runner::run(queue, &clock(), &Counters::default(), batch, |jobs: Jobs<Says>| {
        jobs.each(|job| {
            worked.lock().unwrap().push(job.id.clone());
            async move { obey(&job) }
        })
    })
    .await;
    (report, worked.into_inner().unwrap())
}

#[tokio::test]
async fn a_job_to_be_tried_again_stops_its_group_and_no_other() {
    let queue = Recording::default();
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
    let delays = queue.delays.into_inner().unwrap();
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
    let queue = Recording::default();
    let (report, worked) = run(&queue, batch(&[("1", "g", "die"), ("2", "g", "do")])).await;
    assert_eq!((report.failed.len(), worked), (0, vec!["1".to_owned(), "2".to_owned()]));
    let letters = queue.letters.into_inner().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].code.as_str(), letters[0].attempts, letters[0].tenant.as_str()), ("gone", 2, "t"));
    assert_eq!(letters[0].trace.len(), 36);
    assert!(letters[0].body.contains("die"), "the job goes with the letter, for a redrive");
}

#[tokio::test]
async fn a_letter_that_the_console_moved_back_is_opened_and_its_job_goes_to_its_own_group() {
    let queue = Recording::default();
    let (_, worked) = run(&queue, batch(&[("1", "g", "die")])).await;
    assert_eq!(worked, ["1"]);
    let letter = queue.letters.lock().unwrap()[0].clone();
    // As SQS gives it back: the letter's text, in the letter's group.
    let mut moved = batch(&[("9", "letter", "do")]);
    moved[0].body = serde_json::to_string(&letter).unwrap();
    let (report, worked) = run(&queue, moved).await;
    assert_eq!((report.finished.len(), report.failed.len(), worked.len()), (1, 0, 0));
    let sent = queue.sent.into_inner().unwrap();
    assert_eq!((sent.len(), sent[0].group.as_str(), &sent[0].body), (1, "g", &letter.body));
}

#[tokio::test]
async fn a_job_whose_letter_cannot_be_sent_stays_on_the_queue() {
    let queue = Recording { refuses_letters: true, ..Recording::default() };
    let (report, _) = run(&queue, batch(&[("1", "g", "die")])).await;
    assert_eq!(report, BatchReport { finished: vec![], failed: vec!["1".into()] });
}

#[tokio::test]
async fn what_is_not_a_job_or_a_newer_one_is_a_dead_letter() {
    let queue = Recording::default();
    let mut batch = batch(&[("1", "g", "do"), ("2", "g", "do"), ("3", "h", "do"), ("4", "h", "do")]);
    batch[0].body = "{".into();
    batch[1].body = batch[1].body.replace("\"v\":1", "\"v\":2");
    batch[3].body = batch[3].body.replace("\"do\"", "7");
    let (report, worked) = run(&queue, batch).await;
    assert_eq!((report.failed.len(), worked), (0, vec!["3".to_owned()]));
    let letters = queue.letters.into_inner().unwrap();
    let codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["unreadable_job"; 3]);
    assert!(letters[1].reason.contains("schema 2"), "{}", letters[1].reason);
    assert!(letters[2].reason.contains(": body: invalid type: integer `7`"), "{}", letters[2].reason);
}

#[tokio::test]
async fn groups_are_worked_side_by_side() {
    let queue = Recording::default();
    // Each job waits for the other: one after the other they would wait for ever.
    let meeting = tokio::sync::Barrier::new(2);
    let meeting = &meeting;
    let report = runner::run(
        &queue,
        &clock(),
        &Counters::default(),
        batch(&[("1", "g", "do"), ("2", "h", "do")]),
        |jobs: Jobs<Says>| {
            jobs.each(|_| async move {
                meeting.wait().await;
                JobOutcome::Done
            })
        },
    )
    .await;
    // The one that ends first may be deleted while the other is still worked.
    let settled = [queue.deleted.into_inner().unwrap(), report.finished].concat();
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
    for _ in 0..4 {
        let batch = queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        let report = runner::run(&queue, clock.as_ref(), &Counters::default(), batch, |jobs: Jobs<Says>| {
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
        })
        .await;
        queue.delete(QUEUE, report.finished).await.unwrap();
        clock.advance(Duration::from_secs(5));
    }
    assert_eq!(worked.into_inner().unwrap(), ["first 1", "first 2", "first 3", "second 3", "die 3", "last 3"]);
    assert_eq!(queue.depth(QUEUE).await.unwrap(), Depth { dead: 1, ..Depth::default() });
}
