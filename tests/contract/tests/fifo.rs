//! The whole FIFO promise, kept by the SQLite queue: order in a group, one receipt of a group at a time, groups
//! side by side. On AWS it is SQS's own, and no emulator keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::queue::message;
use proptest::prelude::*;
use runtime::ManualClock;
use runtime::queue::{Queue, QueueName, Received};
use sqlite::{Database, SqliteQueue};

const QUEUE: QueueName = QueueName::SlackDelivery;

fn queue() -> (SqliteQueue, Arc<ManualClock>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    (SqliteQueue::new(Database::open(&folder.path().join("test.db")).unwrap(), clock.clone()), clock, folder)
}

async fn receive(queue: &SqliteQueue, most: usize) -> Vec<Received> {
    queue.receive(QUEUE, most, Duration::ZERO).await.unwrap()
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.body.as_str()).collect()
}

#[tokio::test]
async fn a_group_waits_while_one_of_its_messages_is_out_and_others_do_not() {
    let (queue, _, _folder) = queue();
    queue.send(QUEUE, vec![message("g", "1"), message("g", "2"), message("h", "1")]).await.unwrap();
    let first = receive(&queue, 1).await;
    assert_eq!(bodies(&first), ["1"]);
    let second = receive(&queue, 10).await;
    assert_eq!(second.iter().map(|received| received.group.as_str()).collect::<Vec<_>>(), ["h"]);
    assert!(receive(&queue, 10).await.is_empty());
    queue.delete(QUEUE, vec![first[0].receipt.clone()]).await.unwrap();
    assert_eq!(bodies(&receive(&queue, 10).await), ["2"]);
}

#[tokio::test]
async fn a_delayed_head_holds_its_group_back() {
    let (queue, clock, _folder) = queue();
    queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let received = receive(&queue, 1).await;
    queue.delay(QUEUE, &received[0].receipt, Duration::from_secs(60)).await.unwrap();
    queue.send(QUEUE, vec![message("g", "3")]).await.unwrap();
    assert!(receive(&queue, 10).await.is_empty());
    clock.advance(Duration::from_secs(60));
    assert_eq!(bodies(&receive(&queue, 10).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn what_a_dead_worker_had_comes_back_when_its_lease_ends_or_the_process_starts_again() {
    let (queue, clock, _folder) = queue();
    queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let lost = receive(&queue, 10).await;
    assert!(receive(&queue, 10).await.is_empty());
    clock.advance(QUEUE.visibility());
    let again = receive(&queue, 10).await;
    assert_eq!((bodies(&again), again[0].attempt), (vec!["1", "2"], 2));
    // The receipt of the lost lease settles nothing any more.
    queue.delete(QUEUE, vec![lost[0].receipt.clone()]).await.unwrap();
    queue.recover().await.unwrap();
    assert_eq!(bodies(&receive(&queue, 10).await), ["1", "2"]);
}

#[tokio::test]
async fn a_waiting_receiver_is_woken_by_a_message() {
    let (queue, _, _folder) = queue();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(QUEUE, 10, Duration::from_secs(3600)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["1"]);
}

/// What may happen to the queue.
#[derive(Debug, Clone)]
enum Step {
    Send(u8),
    Receive(usize),
    Finish(usize),
    Delay(usize, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..4).prop_map(Step::Send),
        3 => (1usize..6).prop_map(Step::Receive),
        3 => (0usize..8).prop_map(Step::Finish),
        1 => (0usize..8, 1u64..30).prop_map(|(which, seconds)| Step::Delay(which, seconds)),
        // Short enough that no lease ends within a history.
        1 => (1u64..5).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However messages are sent, received, finished and put back: no message overtakes another of its group,
    /// no group is out twice, and in the end every message was finished exactly once.
    #[test]
    fn any_history_keeps_order_and_loses_nothing(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (queue, clock, _folder) = queue();
            let mut sent: BTreeMap<String, u32> = BTreeMap::new();
            let mut finished: BTreeMap<String, u32> = BTreeMap::new();
            let mut out: Vec<Received> = Vec::new();
            for step in steps {
                match step {
                    Step::Send(group) => {
                        let count = sent.entry(format!("g{group}")).or_default();
                        *count += 1;
                        queue.send(QUEUE, vec![message(&format!("g{group}"), &count.to_string())]).await.unwrap();
                    }
                    Step::Receive(most) => {
                        let received = receive(&queue, most).await;
                        for one in &received {
                            assert!(out.iter().all(|other| other.group != one.group), "group {} is out twice", one.group);
                        }
                        let mut next: BTreeMap<String, u32> = BTreeMap::new();
                        for one in &received {
                            let done = finished.get(&one.group).copied().unwrap_or_default();
                            let next = next.entry(one.group.clone()).or_insert(done);
                            *next += 1;
                            assert_eq!(one.body, next.to_string(), "group {} is out of order", one.group);
                        }
                        out.extend(received);
                    }
                    Step::Finish(which) => {
                        // A worker finishes a group's messages in order.
                        if let Some(place) = (!out.is_empty()).then(|| which % out.len()) {
                            let group = out[place].group.clone();
                            let first = out.iter().position(|one| one.group == group).unwrap();
                            let one = out.remove(first);
                            queue.delete(QUEUE, vec![one.receipt]).await.unwrap();
                            *finished.entry(group).or_default() += 1;
                        }
                    }
                    Step::Delay(which, seconds) => {
                        if let Some(place) = (!out.is_empty()).then(|| which % out.len()) {
                            let group = out[place].group.clone();
                            let (back, kept): (Vec<_>, Vec<_>) = out.drain(..).partition(|one| one.group == group);
                            out = kept;
                            for one in back {
                                queue.delay(QUEUE, &one.receipt, Duration::from_secs(seconds)).await.unwrap();
                            }
                        }
                    }
                    Step::Pass(seconds) => clock.advance(Duration::from_secs(seconds)),
                }
            }
            // Whatever is out is put back; then all of it comes, in order.
            for one in out.drain(..) {
                queue.delay(QUEUE, &one.receipt, Duration::ZERO).await.unwrap();
            }
            clock.advance(Duration::from_secs(60));
            loop {
                let received = receive(&queue, 10).await;
                if received.is_empty() {
                    break;
                }
                for one in received {
                    let done = finished.entry(one.group.clone()).or_default();
                    *done += 1;
                    assert_eq!(one.body, done.to_string());
                    queue.delete(QUEUE, vec![one.receipt]).await.unwrap();
                }
            }
            finished.retain(|_, count| *count > 0);
            assert_eq!(finished, sent);
        });
    }
}
