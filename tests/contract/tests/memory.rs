//! The promises, kept by the engine in memory.

use std::sync::{Arc, Mutex};

use contract::Engine;
use memory::Memory;
use runtime::ManualClock;
use runtime::metrics::Counters;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};

pub(crate) fn engine() -> (Engine, ()) {
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let memory = Memory::new(clock.clone());
    let backend = memory.backend(Arc::new(Counters::default()));
    let running = Mutex::new(memory);
    let restart = move || -> futures::future::BoxFuture<'static, runtime::Backend> {
        let mut running = running.lock().unwrap();
        *running = running.crash();
        Box::pin(std::future::ready(running.backend(Arc::new(Counters::default()))))
    };
    (Engine { backend, clock, restart: Box::new(restart) }, ())
}

contract::all_promises!(std::future::ready(crate::memory::engine()));
contract::fifo_promises!(std::future::ready(crate::memory::engine()));

fn write(sort: &str) -> StoreWrite {
    StoreWrite::new(ItemKey::new(Table::Links, "tenant#things", sort), &sort, WriteCondition::Always).unwrap()
}

#[tokio::test]
async fn a_crash_keeps_what_was_written_and_stops_the_old_process() {
    let (engine, ()) = engine();
    let old = &engine.backend;
    old.store.put(write("a")).await.unwrap();
    old.secrets.put("thing", "text".to_owned().into()).await.unwrap();
    let new = (engine.restart)().await;
    assert!(new.store.get(&write("a").key).await.unwrap().is_some());
    assert!(new.secrets.get("thing").await.is_ok());
    // What the old process had not written yet is lost.
    assert!(matches!(old.store.put(write("b")).await, Err(StoreError::Unavailable(_))));
    let job = contract::queue::message("g", "1");
    assert!(old.queue.send(jobs::queues::SLACK_DELIVERY, vec![job]).await.is_err());
    assert!(old.secrets.put("thing", "other".to_owned().into()).await.is_err());
    assert_eq!(new.store.get(&write("b").key).await.unwrap(), None);
}

#[tokio::test]
async fn two_writes_at_once_to_one_item_are_refused_as_by_dynamodb() {
    let (engine, ()) = engine();
    assert!(engine.backend.store.put_all(vec![write("a"), write("a")]).await.is_err());
    assert_eq!(engine.backend.store.get(&write("a").key).await.unwrap(), None);
}
