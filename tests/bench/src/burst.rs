//! Ten thousand deals changed at once: what the portal is asked, what the store does, that no card is missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clients::Connections;
use jiff::Timestamp;
use journeys::hurry::HurriedClock;
use journeys::{access_to, each_alone};
use runtime::store::{Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version};
use runtime::{Backend, Clock};
use serde_json::json;
use simulators::Sandbox;
use simulators::portal::{DEAL, PortalEventDelivery};
use slack::SlackApiBase;
use standalone::demo::events;
use standalone::engine::Engine;
use standalone::functions::Functions;
use standalone::{http, workers};
use tokio::sync::watch;

/// So many seconds of the run pass in one of ours: Slack takes one card a second in a channel.
const FACTOR: u32 = 50;

/// A store that counts what it is asked.
struct Counting {
    inner: Arc<dyn Store>,
    counts: Arc<[AtomicU64; 3]>,
}

#[async_trait]
impl Store for Counting {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        self.counts[0].fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }
    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        self.counts[1].fetch_add(1, Ordering::Relaxed);
        self.inner.put(write).await
    }
    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        self.counts[2].fetch_add(writes.len() as u64, Ordering::Relaxed);
        self.inner.put_all(writes).await
    }
    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }
    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.inner.erase(key, version).await
    }
    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        self.inner.list(query).await
    }
    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.inner.belonging(table, owner, after).await
    }
}

/// Measures it.
pub(crate) async fn measure(deals: usize) -> anyhow::Result<()> {
    let clock = Arc::new(HurriedClock::since(Timestamp::now(), FACTOR));
    let folder = tempfile::tempdir_in("target")?;
    let mut engine = Engine::open(&folder.path().join("bench.db"), clock.clone()).await?;
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    let store = Arc::new(Counting { inner: engine.backend.store.clone(), counts: counts.clone() });
    engine.backend = Backend { store, ..engine.backend };

    let sandbox = Sandbox::start(clock.clone()).await?;
    let ids: Vec<_> = (0..deals).map(|n| sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    clock.sleep(Duration::from_secs(5)).await;

    let connections = Connections::new(&engine.backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .allowing(clients::Network::this_machine());
    let functions = Functions::new(&engine.backend, &connections, None);
    let tenant = connections.join(access_to(&sandbox, &each_alone())).await?;
    let read = crm::baseline::fill(&engine.backend, &connections, &tenant).await?;
    let baseline = sandbox.portal.requests();
    println!("baseline: {read} records in {baseline} requests");

    let (stop, stopped) = watch::channel(false);
    let listener = http::listen("127.0.0.1:0".parse()?).await?;
    let url = format!("http://{}{}", listener.local_addr()?, http::BITRIX24_WEBHOOK);
    tokio::spawn(http::serve(listener, http::webhooks(functions.clone()), stopped.clone()));
    let workers = workers::start(&engine.backend, &functions, &stopped);
    sandbox.portal.send_events_to(&url, &events(&each_alone()));
    sandbox.portal.deliver(PortalEventDelivery::default());
    counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));

    let (began, began_at) = (Instant::now(), clock.now());
    for id in &ids {
        sandbox.portal.change_item(DEAL, *id, json!({"stageId": "PREPARATION"}));
    }
    // A tenth of them moves on while the first wave is still coming in.
    for id in ids.iter().step_by(10) {
        sandbox.portal.change_item(DEAL, *id, json!({"stageId": "WON"}));
    }
    while sandbox.portal.events_on_the_way() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let arrived = clock.now().duration_since(began_at);
    loop {
        let waiting: u64 = engine.depths().await?.iter().map(|(_, depth)| depth.waiting).sum();
        if waiting == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = clock.now().duration_since(began_at);
    let _ = stop.send(true);
    workers.join_all().await;

    let requests = sandbox.portal.requests() - baseline;
    let cards = sandbox.slack.texts("sales-pipeline");
    let hints = deals + deals.div_ceil(10);
    println!("{hints} events for {deals} deals, arrived within {:.0} s by the run's clock", arrived.as_secs_f64());
    println!("requests to the portal: {requests}, {:.4} a record", requests as f64 / deals as f64);
    println!(
        "refused for a limit: portal {}, Slack {}",
        sandbox.portal.refused_for_limits(),
        sandbox.slack.refused_for_limits()
    );
    println!(
        "cards: {}, all out after {:.0} s by the run's clock ({:.0?} of ours)",
        cards.len(),
        took.as_secs_f64(),
        began.elapsed()
    );
    let [gets, puts, in_transactions] =
        [0, 1, 2].map(|place| counts[place].load(Ordering::Relaxed) as f64 / cards.len() as f64);
    println!("store operations a card: {gets:.1} reads, {puts:.1} writes, {in_transactions:.1} writes in transactions");
    check_order(&cards, &ids)
}

/// Every deal ends where it is, and its cards form a chain without a gap.
fn check_order(cards: &[String], ids: &[u64]) -> anyhow::Result<()> {
    let mut at: BTreeMap<&str, &str> = BTreeMap::new();
    for card in cards {
        let (deal, stages) = card.rsplit_once(": ").unwrap_or_default();
        let (from, to) = stages.split_once(" → ").unwrap_or_default();
        let deal = deal.rsplit_once("Deal ").map_or(deal, |(_, number)| number);
        let before = at.insert(deal, to).unwrap_or("Новая");
        anyhow::ensure!(
            before == from,
            "deal {deal}: a card says it came from {from:?}, the card before it left it at {before:?}"
        );
    }
    anyhow::ensure!(at.len() == ids.len(), "{} deals have cards, of {}", at.len(), ids.len());
    for (index, _) in ids.iter().enumerate() {
        let expected =
            if index % 10 == 0 { "Сделка успешна" } else { "Подготовка документов" };
        let last = at.get(index.to_string().as_str()).copied().unwrap_or_default();
        anyhow::ensure!(last == expected, "deal {index}: the last card left it at {last:?}");
    }
    println!("order: each deal's cards form a chain to where it is now");
    Ok(())
}
