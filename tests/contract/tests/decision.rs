//! Decisions on the engine of one machine: what is written together, lost races, and what a fall in between leaves.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use runtime::calls;
use runtime::calls::ProviderCall;
use runtime::clock::Clock;
use runtime::decision::EarlierTry;
use runtime::job::{GroupKey, Job, JobOutcome, ReceivedJob};
use runtime::ledger::{EventLine, EventStatus, Ledger};
use runtime::metrics::Counters;
use runtime::queue::QueuedMessage;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Backend, Decision, DecisionError, ManualClock, QueueName, TenantId, TraceId, decision};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlite::{FileSecrets, SqliteFile, SqliteQueue, SqliteStore};

const QUEUE: QueueName = QueueName::new("made-up");

#[derive(Serialize, Deserialize)]
struct Next(String);

impl Job for Next {
    const QUEUE: QueueName = QUEUE;

    fn group(&self) -> GroupKey {
        GroupKey::new(["next", &self.0])
    }
}

struct World {
    backend: Backend,
    clock: Arc<ManualClock>,
    tenant: TenantId,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
        let database = SqliteFile::open(&folder.path().join("test.db")).unwrap();
        let backend = Backend {
            store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
            queue: Arc::new(SqliteQueue::new(database, clock.clone())),
            secrets: Arc::new(FileSecrets::open(folder.path().join("secrets")).unwrap()),
            clock: clock.clone(),
            metrics: Arc::new(Counters::default()),
        };
        Self { backend, clock, tenant: TenantId::new("t").unwrap(), _folder: folder }
    }

    /// A job of an event that arrives now.
    fn job(&self) -> ReceivedJob<()> {
        self.clock.advance(Duration::from_millis(1));
        ReceivedJob {
            id: "m".into(),
            tenant: self.tenant.clone(),
            trace: TraceId::new(self.clock.now()),
            group: "g".into(),
            attempt: 1,
            body: (),
        }
    }

    fn decision(&self, job: &ReceivedJob<()>) -> Decision {
        Decision::on(job, "event", Some("deal 1".into()), self.clock.now())
    }

    async fn line(&self, job: &ReceivedJob<()>) -> EventLine {
        Ledger::new(self.backend.store.clone()).event(&self.tenant, job.trace).await.unwrap().unwrap()
    }

    /// The groups of the jobs that were sent since the last time.
    async fn sent(&self) -> Vec<String> {
        let received = self.backend.queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        let receipts = received.iter().map(|message| message.receipt.clone()).collect();
        self.backend.queue.delete(QUEUE, receipts).await.unwrap();
        received.into_iter().map(|message| message.group).collect()
    }

    fn version_1() -> StoreWrite {
        StoreWrite::new(ItemKey::new(Table::Links, "t#record", "deal#1"), &1, WriteCondition::Absent).unwrap()
    }
}

#[tokio::test]
async fn a_decision_writes_its_line_and_sends_its_jobs() {
    let world = World::new();
    let job = world.job();
    let mut decision = world.decision(&job);
    decision.send(&Next("one".into())).unwrap();
    decision.writes.push(World::version_1());
    assert_eq!(decision.commit(&world.backend).await.unwrap(), JobOutcome::Done);
    assert_eq!(world.line(&job).await.status, EventStatus::Routed);
    assert_eq!(world.sent().await, ["t#next#one"]);
}

#[tokio::test]
async fn a_lost_race_is_decided_again_unless_another_event_has_claimed_the_same() {
    let world = World::new();
    let (first, second, third) = (world.job(), world.job(), world.job());
    let decided = |job| {
        let mut decision = world.decision(job);
        decision.writes.push(World::version_1());
        decision
    };
    let mut claiming = decided(&first);
    claiming.claims.push("call#1".into());
    claiming.commit(&world.backend).await.unwrap();

    // Another worker wrote the record: what is there now counts, and nothing of this is written.
    let error = decided(&second).commit(&world.backend).await.unwrap_err();
    assert!(matches!(&error, DecisionError::LostRace(key) if key.sort == "deal#1"), "{error}");
    assert!(Ledger::new(world.backend.store.clone()).event(&world.tenant, second.trace).await.unwrap().is_none());

    let mut same = decided(&third);
    same.claims.push("call#1".into());
    same.line.changes = vec!["call.missed".into()];
    same.send(&Next("twice".into())).unwrap();
    let outcome = same.commit(&world.backend).await.unwrap();
    let reason = format!("already decided, trace {}", first.trace);
    assert_eq!(outcome, JobOutcome::Skip(reason.clone()));
    let line = world.line(&third).await;
    assert_eq!((line.status, line.changes), (EventStatus::Skipped { reason }, Vec::new()));
    assert_eq!(world.sent().await, Vec::<String>::new());
}

#[tokio::test]
async fn jobs_that_a_fall_left_unsent_are_sent_by_the_next_try() {
    let world = World::new();
    let job = world.job();
    let decided = || {
        let mut decision = world.decision(&job);
        decision.claims.push("call#1".into());
        decision.send(&Next("one".into())).unwrap();
        decision
    };
    decided().commit(&world.backend).await.unwrap();
    assert_eq!(world.sent().await, ["t#next#one"]);
    world.clock.advance(Duration::from_secs(600));
    let again = ReceivedJob { attempt: 2, ..job.clone() };
    assert_eq!(decision::finished(&world.backend, &again, |_| Vec::new()).await.unwrap(), Some(JobOutcome::Done));
    assert_eq!(world.sent().await, ["t#next#one"]);
    // The same where the answer to the transaction was lost.
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(decided().commit(&world.backend).await.unwrap(), JobOutcome::Done);
    assert_eq!(world.sent().await, ["t#next#one"]);
}

#[tokio::test]
async fn jobs_of_a_line_that_did_not_name_their_queues_are_sent_as_well() {
    let world = World::new();
    let job = ReceivedJob { attempt: 2, ..world.job() };
    let line = world.decision(&job).line;
    let message = |group: &str| json!({"group": group, "deduplication": group, "body": "{}"});
    let mut earlier = serde_json::to_value(runtime::ledger::LedgerLine::Event(line)).unwrap();
    for (field, group) in [("outbox", "a"), ("errands", "b"), ("said", "c"), ("syncs", "d")] {
        earlier[field] = json!([message(group)]);
    }
    let key = ItemKey::new(Table::Ledger, format!("t#{}", job.trace.day()), job.trace.to_string());
    world.backend.store.put(StoreWrite::new(key, &earlier, WriteCondition::Always).unwrap()).await.unwrap();
    let finished = decision::finished(&world.backend, &job, |earlier| {
        let all = [earlier.outbox, earlier.errands, earlier.said, earlier.syncs].concat();
        all.into_iter().map(|message| QueuedMessage { queue: QUEUE, message }).collect()
    });
    assert_eq!(finished.await.unwrap(), Some(JobOutcome::Done));
    assert_eq!(world.sent().await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn what_waits_has_a_line_from_the_first_try_on_and_keeps_its_calls() {
    let world = World::new();
    let job = world.job();
    let call = |to: &str| ProviderCall::new(world.clock.now(), to.into(), Duration::ZERO, &"", Ok(&""));
    for (attempt, to) in [(1, "first"), (2, "second")] {
        let job = ReceivedJob { attempt, ..job.clone() };
        let waited = calls::scope(async {
            calls::note(call(to));
            world.decision(&job).wait(&world.backend, Duration::from_secs(3), "somebody writes").await
        });
        assert!(matches!(waited.await.unwrap(), JobOutcome::Retry { .. }));
        let line = world.line(&job).await;
        assert_eq!(line.status, EventStatus::Waiting { cause: "somebody writes".into() });
        assert_eq!((line.attempts, line.calls.len()), (attempt, attempt as usize));
    }
    let job = ReceivedJob { attempt: 3, ..job };
    world.decision(&job).commit(&world.backend).await.unwrap();
    let calls: Vec<_> = world.line(&job).await.calls.into_iter().map(|call| call.to).collect();
    assert_eq!(calls, ["first", "second"]);
}

#[tokio::test]
async fn a_first_try_of_what_was_received_before_is_a_first_try() {
    let world = World::new();
    // Received twice without being worked, as SQS does to a message whose function is throttled.
    let job = ReceivedJob { attempt: 3, ..world.job() };
    let earlier = || decision::earlier_try(&world.backend, &job, |_| Vec::new());
    assert_eq!(earlier().await.unwrap(), EarlierTry::None);
    world.decision(&job).wait(&world.backend, Duration::from_secs(3), "somebody writes").await.unwrap();
    assert_eq!(world.line(&job).await.status, EventStatus::Waiting { cause: "somebody writes".into() });
    assert_eq!(earlier().await.unwrap(), EarlierTry::Undecided);
    // The next one has nothing to add.
    let written = world.line(&job).await;
    world.clock.advance(Duration::from_secs(3));
    world.decision(&job).wait(&world.backend, Duration::from_secs(3), "somebody else writes").await.unwrap();
    assert_eq!(world.line(&job).await, written);
    world.decision(&job).commit(&world.backend).await.unwrap();
    assert_eq!(earlier().await.unwrap(), EarlierTry::Finished(JobOutcome::Done));
}
