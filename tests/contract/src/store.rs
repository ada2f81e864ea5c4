//! What a store promises.

use std::time::Duration;

use futures::future::join_all;
use runtime::clock::{Clock, later};
use runtime::store::{ItemKey, Query, StoreError, StoreWrite, Table, WriteCondition, written_by};

use crate::Engine;

fn key(sort: &str) -> ItemKey {
    ItemKey::new(Table::Links, "tenant#things", sort)
}

fn write(sort: &str, value: &str, condition: WriteCondition) -> StoreWrite {
    StoreWrite::new(key(sort), &value, condition).unwrap()
}

async fn value(engine: &Engine, sort: &str) -> Option<String> {
    engine.backend.store.get(&key(sort)).await.unwrap().map(|item| item.decode().unwrap())
}

pub async fn what_is_put_is_read_back(engine: &Engine) {
    assert_eq!(value(engine, "a").await, None);
    engine.backend.store.put(write("a", "one", WriteCondition::Always)).await.unwrap();
    engine.backend.store.put(write("a", "two", WriteCondition::Always)).await.unwrap();
    assert_eq!(value(engine, "a").await.as_deref(), Some("two"));
    // The same sort key in another partition or table is another item.
    for other in [ItemKey::new(Table::Links, "other#things", "a"), ItemKey::new(Table::Ledger, "tenant#things", "a")] {
        assert_eq!(engine.backend.store.get(&other).await.unwrap(), None);
    }
    engine.backend.store.delete(&key("a")).await.unwrap();
    engine.backend.store.delete(&key("a")).await.unwrap();
    assert_eq!(value(engine, "a").await, None);
}

pub async fn an_absent_condition_holds_once(engine: &Engine) {
    engine.backend.store.put(write("a", "one", WriteCondition::Absent)).await.unwrap();
    let again = engine.backend.store.put(write("a", "two", WriteCondition::Absent)).await;
    assert_eq!(again, Err(StoreError::Conflict(key("a"))));
    assert_eq!(value(engine, "a").await.as_deref(), Some("one"));
}

pub async fn a_stale_version_conflicts(engine: &Engine) {
    let store = &engine.backend.store;
    let first = store.put(write("a", "one", WriteCondition::Always)).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().version, first);
    let second = store.put(write("a", "two", WriteCondition::Version(first))).await.unwrap();
    assert_ne!(first, second);
    let stale = store.put(write("a", "three", WriteCondition::Version(first))).await;
    assert_eq!(stale, Err(StoreError::Conflict(key("a"))));
    let absent = store.put(write("b", "x", WriteCondition::Version(first))).await;
    assert_eq!(absent, Err(StoreError::Conflict(key("b"))));
    assert_eq!(value(engine, "a").await.as_deref(), Some("two"));
}

pub async fn a_version_never_comes_again(engine: &Engine) {
    let store = &engine.backend.store;
    let before = store.put(write("a", "one", WriteCondition::Absent)).await.unwrap();
    store.delete(&key("a")).await.unwrap();
    engine.clock.advance(Duration::from_millis(1));
    let after = store.put(write("a", "two", WriteCondition::Absent)).await.unwrap();
    assert_ne!(before, after);
    assert!(store.put(write("a", "three", WriteCondition::Version(before))).await.is_err());
}

pub async fn all_writes_or_none(engine: &Engine) {
    let store = &engine.backend.store;
    let version = store.put(write("a", "one", WriteCondition::Always)).await.unwrap();
    let failed = store
        .put_all(vec![
            write("b", "new", WriteCondition::Absent),
            write("a", "two", WriteCondition::Version(version + 7)),
            write("c", "new", WriteCondition::Always),
        ])
        .await;
    assert_eq!(failed, Err(StoreError::Conflict(key("a"))));
    assert_eq!((value(engine, "b").await, value(engine, "c").await), (None, None));
    store
        .put_all(vec![write("b", "new", WriteCondition::Absent), write("a", "two", WriteCondition::Version(version))])
        .await
        .unwrap();
    assert_eq!(value(engine, "a").await.as_deref(), Some("two"));
    assert_eq!(value(engine, "b").await.as_deref(), Some("new"));
    store.put_all(Vec::new()).await.unwrap();
}

pub async fn a_hundred_writes_at_once_and_no_more(engine: &Engine) {
    let writes = |count: usize| (0..count).map(|n| write(&format!("{n:03}"), "x", WriteCondition::Always)).collect();
    engine.backend.store.put_all(writes(100)).await.unwrap();
    assert!(engine.backend.store.put_all(writes(101)).await.is_err());
    let page = engine.backend.store.list(&Query::prefix(Table::Links, "tenant#things", "")).await.unwrap();
    assert_eq!((page.items.len(), page.next), (100, None));
}

pub async fn what_has_expired_is_absent(engine: &Engine) {
    let store = &engine.backend.store;
    let end = later(engine.clock.now(), Duration::from_secs(60));
    let version = store.put(write("a", "one", WriteCondition::Always).expiring(end)).await.unwrap();
    engine.clock.advance(Duration::from_secs(59));
    assert_eq!(value(engine, "a").await.as_deref(), Some("one"));
    engine.clock.advance(Duration::from_secs(1));
    assert_eq!(value(engine, "a").await, None);
    assert!(store.list(&Query::prefix(Table::Links, "tenant#things", "")).await.unwrap().items.is_empty());
    assert!(store.put(write("a", "two", WriteCondition::Version(version))).await.is_err());
    store.put(write("a", "three", WriteCondition::Absent)).await.unwrap();
    // Written without an end, it has none.
    engine.clock.advance(Duration::from_secs(86_400));
    assert_eq!(value(engine, "a").await.as_deref(), Some("three"));
}

async fn fill(engine: &Engine) {
    for sort in ["b#2", "a#1", "b#1", "b#3", "c#1", "b", "b#10"] {
        engine.backend.store.put(write(sort, sort, WriteCondition::Always)).await.unwrap();
    }
}

async fn listed(engine: &Engine, newest_first: bool) -> Vec<String> {
    let mut query = Query::prefix(Table::Links, "tenant#things", "b#");
    query.limit = 2;
    query.newest_first = newest_first;
    let mut sorts = Vec::new();
    loop {
        let page = engine.backend.store.list(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        sorts.extend(page.items.into_iter().map(|item| item.key.sort));
        query.after = page.next;
        if query.after.is_none() {
            return sorts;
        }
    }
}

pub async fn a_list_is_in_order_and_comes_in_pages(engine: &Engine) {
    fill(engine).await;
    assert_eq!(listed(engine, false).await, ["b#1", "b#10", "b#2", "b#3"]);
}

pub async fn a_list_goes_backwards_too(engine: &Engine) {
    fill(engine).await;
    assert_eq!(listed(engine, true).await, ["b#3", "b#2", "b#10", "b#1"]);
}

pub async fn a_prefix_is_taken_literally(engine: &Engine) {
    for sort in ["a%b", "a_b", "axb", "ä", "a"] {
        engine.backend.store.put(write(sort, sort, WriteCondition::Always)).await.unwrap();
    }
    let page = engine.backend.store.list(&Query::prefix(Table::Links, "tenant#things", "a%")).await.unwrap();
    assert_eq!(page.items.iter().map(|item| item.key.sort.as_str()).collect::<Vec<_>>(), ["a%b"]);
}

pub async fn concurrent_writers_lose_nothing(engine: &Engine) {
    let count = || async {
        for _ in 0..5 {
            loop {
                let found = engine.backend.store.get(&key("counter")).await.unwrap();
                let (count, condition) = match found {
                    Some(item) => (item.decode::<u64>().unwrap(), WriteCondition::Version(item.version)),
                    None => (0, WriteCondition::Absent),
                };
                let write = StoreWrite::new(key("counter"), &(count + 1), condition).unwrap();
                match engine.backend.store.put(write).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict(_)) => {}
                    Err(error) => unreachable!("{error}"),
                }
            }
        }
    };
    join_all((0..8).map(|_| count())).await;
    let item = engine.backend.store.get(&key("counter")).await.unwrap().unwrap();
    assert_eq!(item.decode::<u64>().unwrap(), 40);
}

pub async fn any_text_is_kept(engine: &Engine) {
    let text = format!("«Крыша» \u{1F3D7} \"\\\n\t'; DROP TABLE items; {}", "x".repeat(100_000));
    engine.backend.store.put(write("Ж#1", &text, WriteCondition::Always)).await.unwrap();
    assert_eq!(value(engine, "Ж#1").await, Some(text));
}

pub async fn what_belongs_to_an_owner_is_found_wherever_it_lies(engine: &Engine) {
    let store = &engine.backend.store;
    let expires = later(engine.clock.now(), Duration::from_secs(60));
    for (partition, sort) in
        [("acme", "a"), ("acme#bot", "b"), ("acme#hold#1", "c"), ("acme2", "d"), ("acm", "e"), ("b#acme", "f")]
    {
        let key = ItemKey::new(Table::Links, partition, sort);
        store.put(StoreWrite::new(key, &sort, WriteCondition::Always).unwrap()).await.unwrap();
    }
    for number in 0..1_200 {
        let key = ItemKey::new(Table::Links, "acme#many", format!("{number:04}"));
        store.put(StoreWrite::new(key, &number, WriteCondition::Always).unwrap().expiring(expires)).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let part = store.belonging(Table::Links, "acme", after.as_ref()).await.unwrap();
        found.extend(part.items);
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 1_203);
    let mut sorts: Vec<_> = found.iter().filter(|(item, _)| item.key.partition != "acme#many").collect();
    sorts.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    assert_eq!(
        sorts.iter().map(|(item, expires)| (item.key.sort.as_str(), *expires)).collect::<Vec<_>>(),
        [("a", None), ("b", None), ("c", None)]
    );
    let kept = found.iter().find(|(item, _)| item.key.partition == "acme#many").and_then(|(_, expires)| *expires);
    assert_eq!(kept.map(jiff::Timestamp::as_millisecond), Some(expires.as_millisecond()));
    assert!(store.belonging(Table::Ledger, "acme", None).await.unwrap().items.is_empty());
}

pub async fn what_is_deleted_is_absent_to_every_way_of_reading(engine: &Engine) {
    let store = &engine.backend.store;
    for sort in ["a", "b", "c"] {
        store.put(write(sort, sort, WriteCondition::Always)).await.unwrap();
    }
    let version = store.get(&key("b")).await.unwrap().unwrap().version;
    store.delete(&key("b")).await.unwrap();
    store.delete(&key("never")).await.unwrap();
    // As one of several writes it is the same.
    store.put_all(vec![StoreWrite::removal(key("c")), write("d", "d", WriteCondition::Absent)]).await.unwrap();
    assert_eq!((value(engine, "b").await, value(engine, "never").await, value(engine, "c").await), (None, None, None));
    let mut query = Query::prefix(Table::Links, "tenant#things", "");
    query.limit = 1;
    let mut listed = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        listed.extend(page.items.into_iter().map(|item| item.key.sort));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["a", "d"]);
    let owned = store.belonging(Table::Links, "tenant", None).await.unwrap().items;
    assert_eq!(owned.len(), 2, "{owned:?}");
    assert!(store.put(write("b", "late", WriteCondition::Version(version))).await.is_err());
    // A clock that is behind sees no more of it, and it can be made again at once.
    store.put(write("b", "new", WriteCondition::Absent)).await.unwrap();
    assert_eq!(value(engine, "b").await.as_deref(), Some("new"));
    engine.clock.advance(Duration::from_secs(86_400));
    assert_eq!(value(engine, "b").await.as_deref(), Some("new"));
}

pub async fn an_item_is_erased_only_as_it_was_seen(engine: &Engine) {
    let store = &engine.backend.store;
    let seen = store.put(write("a", "one", WriteCondition::Always)).await.unwrap();
    let newer = store.put(write("a", "two", WriteCondition::Version(seen))).await.unwrap();
    assert!(!store.erase(&key("a"), seen).await.unwrap());
    assert_eq!(value(engine, "a").await.as_deref(), Some("two"));
    assert!(store.erase(&key("a"), newer).await.unwrap());
    assert_eq!(value(engine, "a").await, None);
    assert!(!store.erase(&key("a"), newer).await.unwrap());
}

pub async fn a_version_says_when_an_item_was_written(engine: &Engine) {
    let store = &engine.backend.store;
    let old = store.put(write("old", "x", WriteCondition::Absent)).await.unwrap();
    for _ in 0..3 {
        engine.clock.advance(Duration::from_secs(1));
        let version = store.get(&key("old")).await.unwrap().unwrap().version;
        store.put(write("old", "x", WriteCondition::Version(version))).await.unwrap();
    }
    engine.clock.advance(Duration::from_secs(1));
    let moment = engine.clock.now();
    engine.clock.advance(Duration::from_secs(1));
    // Written over without a look at what was there, it is new.
    let over = store.put(write("old", "y", WriteCondition::Always)).await.unwrap();
    let new = store.put(write("new", "x", WriteCondition::Absent)).await.unwrap();
    assert!(old < written_by(moment) && over > written_by(moment) && new > written_by(moment), "{old} {over} {new}");
    assert!(over <= written_by(engine.clock.now()) && new <= written_by(engine.clock.now()));
}
