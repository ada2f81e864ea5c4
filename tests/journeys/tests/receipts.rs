//! Messages that were received before without being worked, as SQS does to those of a function that is throttled: nothing
//! follows from how often.

use std::time::Duration;

use jobs::queues;
use journeys::World;
use runtime::queue::Received;
use runtime::store::{Query, Table};

/// What is ready on the queue of events, once there is something.
async fn received(world: &World) -> Vec<Received> {
    loop {
        let batch = world.engine.backend.queue.receive(queues::BITRIX24_EVENTS, 10, Duration::ZERO).await.unwrap();
        if !batch.is_empty() {
            return batch;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_worked_at_its_fourth_receipt_is_noted_and_carded_like_any_other() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Roof", 500, "EUR");
    world.settle().await;
    let sightings = Query::prefix(Table::Links, format!("{}#sighting", world.tenant), "ONCRMDEALUPDATE");
    let seen = async || world.engine.backend.store.list(&sightings).await.unwrap().items.len();
    assert_eq!(seen().await, 0);
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.move_deal(deal, "WON");
    let mut batch = received(&world).await;
    for _ in 0..3 {
        for message in &batch {
            world.engine.backend.queue.delay(queues::BITRIX24_EVENTS, &message.receipt, Duration::ZERO).await.unwrap();
        }
        batch = received(&world).await;
    }
    assert!(batch.iter().all(|message| message.attempt == 4), "{batch:?}");
    world.functions.work(queues::BITRIX24_EVENTS, batch).await;
    assert_eq!(seen().await, 1);
    world.settle().await;
    let cards = world.channel("sales-pipeline");
    assert_eq!(cards.iter().filter(|card| card.contains("won")).count(), 1, "{cards:?}");
}
