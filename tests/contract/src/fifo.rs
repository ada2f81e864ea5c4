//! The whole FIFO promise: order in a group, one receipt of a group at a time, groups side by side. On AWS it is SQS's own,
//! and no emulator keeps it; the engines that run in one process keep it themselves, and hand out again what a process
//! that is gone had received.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jobs::queues;
use proptest::prelude::*;
use runtime::clock::{Clock, earlier};
use runtime::queue::{QueueMessage, QueueName, Received};
use runtime::{Backend, TenantId, TenantPlaces};

use crate::Engine;
use crate::queue::message;

const QUEUE: QueueName = queues::SLACK_DELIVERY;

async fn receive(backend: &Backend, most: usize) -> Vec<Received> {
    backend.queue.receive(QUEUE, most, Duration::ZERO).await.unwrap()
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.body.as_str()).collect()
}

pub async fn a_group_waits_while_one_of_its_messages_is_out_and_others_do_not(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2"), message("h", "1")]).await.unwrap();
    let first = receive(backend, 1).await;
    assert_eq!(bodies(&first), ["1"]);
    let second = receive(backend, 10).await;
    assert_eq!(second.iter().map(|received| received.group.as_str()).collect::<Vec<_>>(), ["h"]);
    assert!(receive(backend, 10).await.is_empty());
    backend.queue.delete(QUEUE, vec![first[0].receipt.clone()]).await.unwrap();
    assert_eq!(bodies(&receive(backend, 10).await), ["2"]);
}

pub async fn a_delayed_head_holds_its_group_back(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let received = receive(backend, 1).await;
    backend.queue.delay(QUEUE, &received[0].receipt, Duration::from_secs(60)).await.unwrap();
    backend.queue.send(QUEUE, vec![message("g", "3")]).await.unwrap();
    assert!(receive(backend, 10).await.is_empty());
    engine.clock.advance(Duration::from_secs(60));
    assert_eq!(bodies(&receive(backend, 10).await), ["1", "2", "3"]);
}

pub async fn what_a_dead_worker_had_comes_back_when_its_lease_ends(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let lost = receive(backend, 10).await;
    assert!(receive(backend, 10).await.is_empty());
    engine.clock.advance(QUEUE.visibility());
    let again = receive(backend, 10).await;
    assert_eq!((bodies(&again), again[0].attempt), (vec!["1", "2"], 2));
    // The receipt of the lost lease settles nothing any more.
    backend.queue.delete(QUEUE, vec![lost[0].receipt.clone()]).await.unwrap();
    engine.clock.advance(QUEUE.visibility());
    assert_eq!(bodies(&receive(backend, 10).await), ["1", "2"]);
}

pub async fn what_a_handler_leaves_comes_back_soon_and_later_each_time(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "left"), message("h", "done"), message("i", "later")]).await.unwrap();
    let first = receive(backend, 10).await;
    let receipts: Vec<_> = first.iter().map(|received| received.receipt.clone()).collect();
    backend.queue.delete(QUEUE, vec![receipts[1].clone()]).await.unwrap();
    backend.queue.delay(QUEUE, &receipts[2], Duration::from_secs(600)).await.unwrap();
    for _ in 0..2 {
        backend.queue.give_back(QUEUE, receipts.clone()).await;
    }
    engine.clock.advance(Duration::from_secs(4));
    assert!(receive(backend, 10).await.is_empty());
    engine.clock.advance(Duration::from_secs(1));
    let again = receive(backend, 10).await;
    assert_eq!(
        (bodies(&again), again[0].attempt),
        (vec!["left"], 2),
        "what was finished or waits for its time stays so"
    );
    backend.queue.give_back(QUEUE, vec![again[0].receipt.clone()]).await;
    engine.clock.advance(Duration::from_secs(9));
    assert!(receive(backend, 10).await.is_empty());
    engine.clock.advance(Duration::from_secs(1));
    assert_eq!(bodies(&receive(backend, 10).await), ["left"]);
}

pub async fn a_receipt_without_work_does_not_count(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2")]).await.unwrap();
    let first = receive(backend, 10).await;
    // The first is tried again later; the second was not worked, and waits for it.
    backend.queue.delay(QUEUE, &first[0].receipt, Duration::from_secs(60)).await.unwrap();
    for _ in 0..2 {
        backend.queue.return_unworked(QUEUE, &first[1].receipt).await.unwrap();
    }
    assert!(receive(backend, 10).await.is_empty());
    engine.clock.advance(Duration::from_secs(60));
    let again = receive(backend, 10).await;
    assert_eq!(again.iter().map(|one| (one.body.as_str(), one.attempt)).collect::<Vec<_>>(), [("1", 2), ("2", 1)]);
    // A receipt whose lease ran out changes nothing.
    engine.clock.advance(QUEUE.visibility());
    let later = receive(backend, 10).await;
    backend.queue.return_unworked(QUEUE, &again[0].receipt).await.unwrap();
    assert!(receive(backend, 10).await.is_empty());
    assert_eq!((later[0].attempt, later[1].attempt), (3, 2));
}

pub async fn what_a_process_had_received_comes_back_when_it_starts_again(engine: &Engine) {
    let backend = &engine.backend;
    backend.queue.send(QUEUE, vec![message("g", "1"), message("g", "2"), message("h", "1")]).await.unwrap();
    let received = receive(backend, 10).await;
    backend.queue.delete(QUEUE, vec![received[0].receipt.clone()]).await.unwrap();
    backend.queue.delay(QUEUE, &received[2].receipt, Duration::from_secs(60)).await.unwrap();
    let restarted = (engine.restart)().await;
    let again = receive(&restarted, 10).await;
    assert_eq!((bodies(&again), again[0].attempt), (vec!["2"], 2), "what was finished or waits for its time stays so");
    engine.clock.advance(Duration::from_secs(60));
    assert_eq!(
        receive(&restarted, 10).await.iter().map(|h| (h.group.as_str(), h.attempt)).collect::<Vec<_>>(),
        [("h", 2)]
    );
    // Dropped as before the restart.
    restarted.queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    assert_eq!(restarted.queue.depth(QUEUE).await.unwrap().waiting, 2);
}

pub async fn a_waiting_receiver_is_woken_by_a_message(engine: &Engine) {
    let queue = engine.backend.queue.clone();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(QUEUE, 10, Duration::from_secs(3600)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    queue.send(QUEUE, vec![message("g", "1")]).await.unwrap();
    assert_eq!(bodies(&waiting.await.unwrap()), ["1"]);
}

/// Receives all that is ready and puts it back for ten minutes.
async fn put_back(engine: &Engine) -> Vec<Received> {
    let received = receive(&engine.backend, 10).await;
    for one in &received {
        engine.backend.queue.delay(QUEUE, &one.receipt, Duration::from_secs(600)).await.unwrap();
    }
    received
}

fn groups(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.group.as_str()).collect()
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub async fn what_waits_is_woken_for_one_tenant(engine: &Engine) {
    let queue = &engine.backend.queue;
    assert!(queue.can_wake());
    queue
        .send(QUEUE, vec![message("a#1", "x"), message("a#1", "y"), message("a#2", "x"), message("ab#1", "x")])
        .await
        .unwrap();
    assert_eq!(put_back(engine).await.len(), 4);
    queue.send(QUEUE, vec![message("a#3", "x")]).await.unwrap();
    queue.wake(&tenant("a")).await.unwrap();
    let mut woken = receive(&engine.backend, 10).await;
    woken.sort_by_key(|one| (one.group.clone(), one.body.clone()));
    assert_eq!(groups(&woken), ["a#1", "a#1", "a#2", "a#3"]);
    assert_eq!(bodies(&woken)[..2], ["x", "y"], "in their order");
    assert!(receive(&engine.backend, 10).await.is_empty(), "a waking hands out nothing twice");
}

pub async fn what_is_out_when_it_is_woken_comes_at_once_when_it_is_put_back(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("a#1", "x"), message("b#1", "x")]).await.unwrap();
    let out = receive(&engine.backend, 10).await;
    queue.wake(&tenant("a")).await.unwrap();
    assert!(receive(&engine.backend, 10).await.is_empty(), "it is still out");
    for one in &out {
        queue.delay(QUEUE, &one.receipt, Duration::from_secs(600)).await.unwrap();
    }
    // What was received after the waking waits as long as it should.
    assert_eq!(groups(&put_back(engine).await), ["a#1"]);
    assert!(receive(&engine.backend, 10).await.is_empty());
}

pub async fn a_waking_ends_the_wait_of_a_receiver(engine: &Engine) {
    let queue = engine.backend.queue.clone();
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    put_back(engine).await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(QUEUE, 10, Duration::from_secs(3600)).await.unwrap() }
    });
    while !waiting.is_finished() {
        queue.wake(&tenant("a")).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(groups(&waiting.await.unwrap()), ["a#1"]);
}

/// A clock that goes back an hour: what was put back for minutes does not wait for an hour more.
pub async fn a_clock_that_is_set_back_makes_due_what_waits(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("a#1", "x"), message("b#1", "x")]).await.unwrap();
    assert_eq!(put_back(engine).await.len(), 2);
    queue.send(QUEUE, vec![message("c#1", "x"), message("d#1", "x")]).await.unwrap();
    let out = receive(&engine.backend, 1).await;
    engine.clock.set(earlier(engine.clock.now(), Duration::from_secs(3600)));
    // What was sent before the step, and is not out, is among it.
    assert_eq!(receive(&engine.backend, 10).await.len(), 3);
    assert!(receive(&engine.backend, 10).await.is_empty());
    // What is out comes back when its lease ends, not an hour later.
    engine.clock.advance(QUEUE.visibility());
    assert!(groups(&receive(&engine.backend, 10).await).contains(&out[0].group.as_str()));
}

/// A clock that is a day ahead and then corrected.
pub async fn a_clock_that_was_ahead_leaves_nothing_behind(engine: &Engine) {
    let (queue, right) = (&engine.backend.queue, engine.clock.now());
    receive(&engine.backend, 1).await;
    engine.clock.advance(Duration::from_secs(86_400));
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    put_back(engine).await;
    engine.clock.set(right);
    assert_eq!(groups(&put_back(engine).await), ["a#1"]);
    engine.clock.advance(Duration::from_secs(600));
    assert_eq!(groups(&receive(&engine.backend, 10).await), ["a#1"], "and from then on waits are right");
}

pub async fn a_clock_that_was_set_back_before_the_start_holds_up_nothing(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    put_back(engine).await;
    queue.send(QUEUE, vec![message("b#1", "x")]).await.unwrap();
    engine.clock.set(earlier(engine.clock.now(), Duration::from_secs(3600)));
    let restarted = (engine.restart)().await;
    let mut received = receive(&restarted, 10).await;
    received.sort_by_key(|one| one.group.clone());
    assert_eq!(groups(&received), ["a#1", "b#1"]);
}

pub async fn a_deduplication_id_of_a_clock_that_was_ahead_counts_as_none(engine: &Engine) {
    let queue = &engine.backend.queue;
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    engine.clock.set(earlier(engine.clock.now(), Duration::from_secs(3600)));
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    queue.send(QUEUE, vec![message("a#1", "x")]).await.unwrap();
    assert_eq!(queue.depth(QUEUE).await.unwrap().waiting, 2);
}

fn tenant_of(group: &str) -> &str {
    group.split('#').next().unwrap()
}

pub async fn a_backlog_of_one_tenant_holds_up_no_other(engine: &Engine) {
    let queue = &engine.backend.queue;
    let message = |tenant: usize, deal: usize| QueueMessage {
        group: format!("tenant{tenant:03}#deal#{deal}"),
        deduplication: format!("{tenant}/{deal}"),
        body: String::new(),
    };
    // The large one was first.
    queue.send(QUEUE, (0..5_050).map(|deal| message(0, deal)).collect()).await.unwrap();
    for tenant in 1..100 {
        queue.send(QUEUE, (0..50).map(|deal| message(tenant, deal)).collect()).await.unwrap();
    }
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    let mut of_the_large_when_all_others_are_done = None;
    for _ in 0..2_000 {
        let batch = queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        if batch.is_empty() {
            break;
        }
        let tenants: Vec<_> = batch.iter().map(|received| tenant_of(&received.group).to_owned()).collect();
        let several = tenants.iter().collect::<BTreeSet<_>>().len();
        assert!(several <= 2, "a batch is of one portal as long as that fills it");
        for tenant in tenants {
            *got.entry(tenant).or_default() += 1;
        }
        queue.delete(QUEUE, batch.into_iter().map(|received| received.receipt).collect()).await.unwrap();
        let others: usize = got.iter().filter(|(tenant, _)| *tenant != "tenant000").map(|(_, count)| count).sum();
        if others == 99 * 50 && of_the_large_when_all_others_are_done.is_none() {
            of_the_large_when_all_others_are_done = got.get("tenant000").copied();
        }
    }
    assert_eq!(got.values().sum::<usize>(), 10_000);
    let large = of_the_large_when_all_others_are_done.unwrap();
    assert!(large <= 100, "{large} of the large tenant were served before the last of the others");
}

pub async fn a_tenant_without_a_free_place_is_passed_over_until_it_has_one(engine: &Engine) {
    let queue = engine.backend.queue.clone();
    let places = TenantPlaces::new(1);
    let sparing = |wait| {
        let (queue, places) = (queue.clone(), places.clone());
        async move { queue.receive_sparing(QUEUE, 1, wait, &places).await.unwrap() }
    };
    queue.send(QUEUE, vec![message("full#g", "1"), message("full#h", "2"), message("open#g", "3")]).await.unwrap();
    let place = places.take("full");
    assert_eq!(bodies(&sparing(Duration::ZERO).await), ["3"]);
    assert!(sparing(Duration::ZERO).await.is_empty());
    // One that waits learns of the place, and of a message that is due later.
    let waiting = tokio::spawn(sparing(Duration::from_secs(20)));
    tokio::task::yield_now().await;
    drop(place);
    assert_eq!(bodies(&waiting.await.unwrap()), ["1"]);
    let _place = places.take("full");
    queue.send(QUEUE, vec![message("late#g", "4")]).await.unwrap();
    let late = sparing(Duration::ZERO).await;
    queue.delay(QUEUE, &late[0].receipt, Duration::from_secs(5)).await.unwrap();
    let waiting = tokio::spawn(sparing(Duration::from_secs(20)));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        engine.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(bodies(&waiting.await.unwrap()), ["4"]);
}

/// What may happen to the queue.
#[derive(Debug, Clone)]
pub enum Step {
    Send(u8),
    Receive(usize),
    Finish(usize),
    Delay(usize, u64),
    Pass(u64),
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..4).prop_map(Step::Send),
        3 => (1usize..6).prop_map(Step::Receive),
        3 => (0usize..8).prop_map(Step::Finish),
        1 => (0usize..8, 1u64..30).prop_map(|(which, seconds)| Step::Delay(which, seconds)),
        // Short enough that no lease ends within a history.
        1 => (1u64..5).prop_map(Step::Pass),
    ]
}

/// However messages are sent, received, finished and put back: no message overtakes another of its group,
/// no group is out twice, and in the end every message was finished exactly once.
pub async fn any_history_keeps_order_and_loses_nothing(engine: &Engine, steps: Vec<Step>) {
    let queue = &engine.backend.queue;
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
                let received = receive(&engine.backend, most).await;
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
            Step::Pass(seconds) => engine.clock.advance(Duration::from_secs(seconds)),
        }
    }
    // Whatever is out is put back; then all of it comes, in order.
    for one in out.drain(..) {
        queue.delay(QUEUE, &one.receipt, Duration::ZERO).await.unwrap();
    }
    engine.clock.advance(Duration::from_secs(60));
    loop {
        let received = receive(&engine.backend, 10).await;
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
}
