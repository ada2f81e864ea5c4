//! What a queue promises. The whole FIFO promise (one receipt of a group at a time) is AWS's own there, and is
//! tested of the engines in one process in `fifo`.

use std::time::Duration;

use jobs::queues;
use runtime::clock::Clock;
use runtime::queue::{Buried, DeadLetter, Depth, Fate, QueueMessage, QueueName, Received};

use crate::Engine;

const QUEUE: QueueName = queues::SLACK_DELIVERY;
const NOW: Duration = Duration::ZERO;

pub fn message(group: &str, name: &str) -> QueueMessage {
    QueueMessage { group: group.into(), deduplication: format!("{group}/{name}"), body: name.into() }
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.body.as_str()).collect()
}

async fn receive(engine: &Engine, most: usize) -> Vec<Received> {
    engine.backend.queue.receive(QUEUE, most, NOW).await.unwrap()
}

pub async fn a_group_comes_in_order(engine: &Engine) {
    engine.backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    engine.backend.queue.send(QUEUE, vec![message("g", "3")]).await.unwrap();
    let received = receive(engine, 10).await;
    assert_eq!(bodies(&received), ["1", "2", "3"]);
    assert!(received.iter().all(|received| received.attempt == 1));
    // Another queue has none of them.
    assert!(engine.backend.queue.receive(queues::BITRIX24_EVENTS, 10, NOW).await.unwrap().is_empty());
}

pub async fn the_same_deduplication_id_is_one_message(engine: &Engine) {
    engine.backend.queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    engine.backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let received = receive(engine, 10).await;
    assert_eq!(bodies(&received), ["1", "2"]);
    let receipts = received.into_iter().map(|received| received.receipt).collect();
    engine.backend.queue.delete(QUEUE, receipts).await.unwrap();
    // Even after it was finished.
    engine.backend.queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    assert!(receive(engine, 10).await.is_empty());
}

pub async fn what_is_deleted_does_not_come_again(engine: &Engine) {
    engine.backend.queue.send(QUEUE, vec![message("g", "1"), message("h", "2")]).await.unwrap();
    let received = receive(engine, 10).await;
    engine.backend.queue.delete(QUEUE, received.into_iter().map(|received| received.receipt).collect()).await.unwrap();
    engine.backend.queue.delete(QUEUE, Vec::new()).await.unwrap();
    engine.clock.advance(Duration::from_secs(3600));
    assert!(receive(engine, 10).await.is_empty());
    assert_eq!(engine.backend.queue.depth(QUEUE).await.unwrap(), Depth::default());
}

pub async fn a_delayed_message_comes_later_and_counts(engine: &Engine) {
    engine.backend.queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    let received = receive(engine, 1).await;
    engine.backend.queue.delay(QUEUE, &received[0].receipt, Duration::from_secs(1)).await.unwrap();
    assert!(receive(engine, 1).await.is_empty());
    engine.clock.advance(Duration::from_secs(1));
    let again = engine.backend.queue.receive(QUEUE, 1, Duration::from_secs(5)).await.unwrap();
    assert_eq!((bodies(&again), again[0].attempt), (vec!["1"], 2));
}

pub async fn a_dead_letter_is_kept_with_its_reason(engine: &Engine) {
    let letter = DeadLetter {
        code: "channel_not_found".into(),
        reason: "channel \"#x\" of route \"y\" is not there".into(),
        attempts: 3,
        trace: "trace".into(),
        tenant: "tenant".into(),
        buried_at: engine.clock.now(),
        body: "{}".into(),
        group: "g".into(),
    };
    engine.backend.queue.bury(QUEUE, "m#3", letter.clone()).await.unwrap();
    assert_eq!(engine.backend.queue.depth(QUEUE).await.unwrap(), Depth { dead: 1, ..Depth::default() });
    // Looked at, not taken.
    for _ in 0..2 {
        let letters = engine.backend.queue.dead_letters(QUEUE, 10).await.unwrap();
        assert_eq!(letters.into_iter().map(|buried| buried.letter).collect::<Vec<_>>(), std::slice::from_ref(&letter));
    }
}

fn letter(engine: &Engine, name: &str, group: &str) -> DeadLetter {
    DeadLetter {
        code: "is_archived".into(),
        reason: "unarchive it".into(),
        attempts: 1,
        trace: String::new(),
        tenant: "tenant".into(),
        buried_at: engine.clock.now(),
        body: name.into(),
        group: group.into(),
    }
}

pub async fn every_dead_letter_is_seen_and_each_goes_where_it_should(engine: &Engine) {
    let queue = &engine.backend.queue;
    // More of one group than a single look hands out.
    for n in 0..25 {
        queue.bury(QUEUE, &format!("{n}#1"), letter(engine, &format!("job {n}"), "g")).await.unwrap();
    }
    assert_eq!(queue.dead_letters(QUEUE, 100).await.unwrap().len(), 25);
    assert_eq!(queue.dead_letters(QUEUE, 7).await.unwrap().len(), 7);
    let mut judge = |buried: &Buried| match buried.letter.body.as_str() {
        "job 3" | "job 20" => Fate::Redrive,
        "job 4" => Fate::Discard,
        _ => Fate::Keep,
    };
    let mut moved: Vec<_> =
        queue.sift(QUEUE, 100, &mut judge).await.unwrap().into_iter().map(|buried| buried.letter.body).collect();
    moved.sort();
    assert_eq!(moved, ["job 20", "job 3", "job 4"]);
    assert_eq!(queue.dead_letters(QUEUE, 100).await.unwrap().len(), 22);
    let mut back = bodies(&receive(engine, 10).await).iter().map(|body| (*body).to_owned()).collect::<Vec<_>>();
    back.sort();
    assert_eq!(back, ["job 20", "job 3"]);
    // Once more finds nothing to do.
    assert!(queue.sift(QUEUE, 100, &mut judge).await.unwrap().is_empty());
}

/// Receives one job and buries it, as the runner does. Returns what was received.
async fn die(engine: &Engine) -> Received {
    let queue = &engine.backend.queue;
    let received = receive(engine, 1).await.remove(0);
    queue.bury(QUEUE, &received.burial(), letter(engine, &received.body, &received.group)).await.unwrap();
    queue.delete(QUEUE, vec![received.receipt.clone()]).await.unwrap();
    received
}

pub async fn a_job_that_dies_again_after_each_redrive_leaves_one_letter(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    let mut redrive = |_: &Buried| Fate::Redrive;
    // At any pace: at once, after minutes, and after everything is forgotten.
    for pause in [0, 0, 60, 301] {
        engine.clock.advance(Duration::from_secs(pause));
        die(engine).await;
        assert_eq!(queue.depth(QUEUE).await.unwrap(), Depth { dead: 1, ..Depth::default() });
        let redriven = queue.sift(QUEUE, 10, &mut redrive).await.unwrap();
        assert_eq!(redriven.len(), 1);
        // Redriven a second time at once.
        assert!(queue.sift(QUEUE, 10, &mut redrive).await.unwrap().is_empty());
        let depth = queue.depth(QUEUE).await.unwrap();
        assert_eq!((depth.waiting, depth.dead), (1, 0));
    }
    assert_eq!(bodies(&receive(engine, 10).await), ["1"]);
}

pub async fn the_same_burial_is_one_letter_and_another_one_is_another(engine: &Engine) {
    let queue = &engine.backend.queue;
    let bury = |burial: &'static str| queue.bury(QUEUE, burial, letter(engine, "job", "g"));
    let (one, other) = futures::join!(bury("m#1"), bury("m#1"));
    one.and(other).unwrap();
    bury("m#1").await.unwrap();
    assert_eq!(queue.depth(QUEUE).await.unwrap().dead, 1);
    bury("m#2").await.unwrap();
    bury("n#1").await.unwrap();
    assert_eq!(queue.dead_letters(QUEUE, 10).await.unwrap().len(), 3);
}

pub async fn what_was_not_worked_is_there_at_once(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let received = receive(engine, 10).await;
    for one in &received {
        queue.return_unworked(QUEUE, &one.receipt).await.unwrap();
    }
    assert_eq!(bodies(&receive(engine, 10).await), ["1", "2"]);
}

pub async fn many_messages_are_sent_at_once(engine: &Engine) {
    let messages = (0..35).map(|n| message(&format!("g{}", n % 5), &n.to_string())).collect();
    engine.backend.queue.send(QUEUE, messages).await.unwrap();
    assert_eq!(engine.backend.queue.depth(QUEUE).await.unwrap().waiting, 35);
}

pub async fn long_messages_are_sent_at_once(engine: &Engine) {
    let long = |n: u32| QueueMessage { body: n.to_string().repeat(200_000), ..message("g", &n.to_string()) };
    engine.backend.queue.send(QUEUE, (0..7).map(long).collect()).await.unwrap();
    assert_eq!(engine.backend.queue.depth(QUEUE).await.unwrap().waiting, 7);
}
