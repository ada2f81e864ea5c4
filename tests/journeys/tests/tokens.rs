//! Tokens under load: renewed once, by whoever comes first; and what is for a tenant whose access has ended waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clients::{ConnectionSide, ErrorClass};
use futures::future::join_all;
use journeys::estate::Estate;
use runtime::Backend;
use runtime::clock::Clock;
use runtime::store::{Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version};
use secrecy::ExposeSecret;
use serde_json::json;
use simulators::estate::BITRIX24_APP;
use simulators::{Fault, When};
use tenants::key_rotation;
use tenants::portals::TokenDigest;

const HOUR: Duration = Duration::from_secs(3600);

/// A hundred workers, each with caches of its own, call the portal at once; how many were refused.
async fn a_hundred_calls(estate: &Estate) -> usize {
    let tenant = estate.tenant(0);
    let portal = estate.connections.portals().fresh(&tenant).await.unwrap().unwrap();
    let calls = (0..100).map(|_| {
        let (worker, portal) = (estate.another_worker(), portal.clone());
        tokio::spawn(async move {
            let client = worker.bitrix24(&portal).await?;
            client.call("user.current", &json!({})).await.map(|_| ())
        })
    });
    let done = join_all(calls).await;
    let failed: Vec<_> = done.into_iter().filter_map(|call| call.unwrap().err()).collect();
    failed.iter().filter(|failure| failure.code() != "throttled").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_workers_renew_once_and_none_sees_a_dead_token() {
    let estate = Estate::start_flowing(1).await;
    estate.install(0).await;
    estate.sandbox.portals[0].limit_calls(false);
    // Shortly before its end, well after it, and when the portal itself says so.
    for (round, wait) in [(1, HOUR.checked_sub(Duration::from_secs(240)).unwrap()), (2, HOUR * 3)] {
        estate.clock.advance(wait);
        assert_eq!(a_hundred_calls(&estate).await, 0, "round {round}");
        assert_eq!(estate.sandbox.authority.refreshes(), round);
    }
    estate.clock.advance(Duration::from_secs(120));
    estate.sandbox.authority.expire_all();
    assert_eq!(a_hundred_calls(&estate).await, 0);
    assert_eq!(estate.sandbox.authority.refreshes(), 3);
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_under_load_costs_no_card() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let portal = &estate.sandbox.portals[0];
    let deals: Vec<_> = (0..12).map(|number| portal.add_deal(&format!("Deal {number}"), 1, "EUR")).collect();
    estate.settle().await;
    for (number, deal) in deals.iter().enumerate() {
        if number % 4 == 0 {
            estate.sandbox.authority.expire_all();
        }
        portal.move_deal(*deal, "EXECUTING");
        estate.all_have_arrived().await;
        estate.work_what_is_ready().await;
    }
    estate.settle().await;
    let cards = estate.channel(0, "sales-pipeline");
    for number in 0..12 {
        let told = cards.iter().filter(|card| card.starts_with(&format!("Deal Deal {number}:"))).count();
        assert_eq!(told, 1, "deal {number}: {cards:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_authorization_server_is_down_a_living_token_goes_on_and_a_dead_one_waits() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (authority, tenant) = (&estate.sandbox.authority, estate.tenant(0));
    let portal = estate.connections.portal(&tenant).await.unwrap();
    estate.clock.advance(HOUR.checked_sub(Duration::from_secs(240)).unwrap());
    authority.fail_next("token", Fault::Html { status: 502, when: When::BeforeEffect });
    let client = estate.another_worker().bitrix24(&portal).await.unwrap();
    client.call("user.current", &json!({})).await.unwrap();
    estate.clock.advance(HOUR);
    authority.fail_next("token", Fault::Code { status: 503, code: "overload".into() });
    authority.fail_next("token", Fault::CutJson { when: When::BeforeEffect });
    for _ in 0..2 {
        let failure = estate.another_worker().bitrix24(&portal).await.map(|_| ()).unwrap_err();
        assert!(!failure.text.contains("access_token"), "{failure}");
    }
    // Nobody has concluded from that that the access has ended.
    assert!(estate.another_worker().bitrix24(&portal).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_that_ended_is_told_once_and_its_deliveries_go_out_when_it_is_renewed() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    estate.install(1).await;
    let portal = &estate.sandbox.portals[0];
    let deal = portal.add_deal("Roof", 1, "EUR");
    estate.settle().await;
    let before = estate.channel(0, "sales-pipeline").len();

    estate.sandbox.authority.revoke(portal);
    portal.move_deal(deal, "EXECUTING");
    estate.all_have_arrived().await;
    for _ in 0..8 {
        estate.work_what_is_ready().await;
        estate.clock.advance(Duration::from_secs(16 * 60));
        upkeep::handle(&estate.functions.upkeep, estate.clock.now()).await;
    }
    estate.work_what_is_ready().await;
    let troubles = estate.connections.troubles(&estate.tenant(0)).await.unwrap();
    assert_eq!(troubles.iter().map(|trouble| trouble.side).collect::<Vec<_>>(), [ConnectionSide::Bitrix24]);
    let told = estate.channel(0, "ops");
    assert_eq!(told.iter().filter(|text| text.contains("Bitrix24 has rejected our token")).count(), 1, "{told:?}");
    assert_eq!(estate.channel(0, "sales-pipeline").len(), before);
    // The other company notices nothing.
    let other = estate.sandbox.portals[1].add_deal("Bridge", 1, "EUR");
    estate.sandbox.portals[1].move_deal(other, "EXECUTING");
    estate.all_have_arrived().await;
    estate.work_what_is_ready().await;
    assert!(!estate.channel(1, "sales-pipeline").is_empty());

    let (browser, page) = estate.install_portal(0).await;
    assert!(page.contains("Everything is connected."), "{page}");
    estate.settle().await;
    let cards = estate.channel(0, "sales-pipeline");
    assert!(cards.len() > before && cards.last().unwrap().contains("Roof"), "{cards:?}");
    estate.upkeep().await;
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
    assert!(browser.get("/install").await.text.contains("Everything is connected."));
    for queue in jobs::queues::ALL {
        assert_eq!(estate.engine.queue.dead_letters(queue, 10).await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_right_by_itself_is_noticed_by_the_upkeep() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (portal, tenant) = (&estate.sandbox.portals[0], estate.tenant(0));
    let known = estate.connections.portal(&tenant).await.unwrap();
    estate.sandbox.authority.unpaid(portal, true);
    let client = estate.connections.bitrix24(&known).await.unwrap();
    let failure = client.call("user.current", &json!({})).await.unwrap_err();
    assert!(failure.text.contains("payment_required"), "{failure}");
    estate.upkeep().await;
    assert_eq!(estate.connections.troubles(&tenant).await.unwrap().len(), 1);
    estate.sandbox.authority.unpaid(portal, false);
    estate.clock.advance(HOUR * 2);
    estate.upkeep().await;
    assert_eq!(estate.connections.troubles(&tenant).await.unwrap(), []);
    let told = estate.channel(0, "ops");
    assert!(told.iter().any(|text| text.contains("Bitrix24 accepts our token again")), "{told:?}");
    // The employee who connected it is dismissed; the application is deleted.
    estate.sandbox.authority.fire(portal, 1);
    let client = estate.another_worker().bitrix24(&known).await.unwrap();
    assert!(client.call("user.current", &json!({})).await.unwrap_err().text.contains("authorization_error"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_application_is_found_out_at_the_next_call() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let known = estate.connections.portal(&estate.tenant(0)).await.unwrap();
    estate.sandbox.authority.delete_card(BITRIX24_APP.0);
    let client = estate.connections.bitrix24(&known).await.unwrap();
    let failure = client.call("user.current", &json!({})).await.unwrap_err();
    assert!(failure.text.contains("application_not_found"), "{failure}");
    // Its token ends as well: the server answers wrong_client with 200.
    estate.clock.advance(HOUR * 2);
    let failure = estate.another_worker().bitrix24(&known).await.map(|_| ()).unwrap_err();
    assert!(failure.text.contains("wrong_client"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_nobody_uses_are_renewed_before_they_die() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let before = estate.sandbox.authority.refreshes();
    // The upkeep itself calls the portal; what counts is that no refresh token gets near its 180 days.
    for _ in 0..8 {
        estate.clock.advance(HOUR * 24 * 26);
        estate.upkeep().await;
    }
    assert!(estate.sandbox.authority.refreshes() >= before + 8);
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slacks_tokens_rotate_and_a_removed_app_waits_for_a_new_one() {
    let estate = Estate::start(1).await;
    estate.sandbox.hub.rotate(true);
    let browser = estate.install(0).await;
    let portal = &estate.sandbox.portals[0];
    estate.clock.advance(HOUR * 13);
    let deal = portal.add_deal("Roof", 1, "EUR");
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
    assert!(!estate.channel(0, "sales-pipeline").is_empty());
    assert_eq!(estate.sandbox.hub.refreshes(), 1);

    estate.sandbox.hub.uninstall(&estate.sandbox.workspaces[0].team_id());
    portal.move_deal(deal, "FINAL_INVOICE");
    estate.all_have_arrived().await;
    for _ in 0..4 {
        estate.work_what_is_ready().await;
        estate.clock.advance(Duration::from_secs(16 * 60));
    }
    let count = estate.channel(0, "sales-pipeline").len();
    let troubles = estate.connections.troubles(&estate.tenant(0)).await.unwrap();
    assert_eq!(troubles.iter().map(|trouble| trouble.side).collect::<Vec<_>>(), [ConnectionSide::Slack]);
    // The session has ended meanwhile.
    assert!(browser.get("/install").await.text.contains("Address of your portal"));
    let (browser, page) = estate.install_portal(0).await;
    assert!(page.contains("rejected our token"), "{page}");
    estate.install_slack(0, &browser).await;
    estate.settle().await;
    assert!(estate.channel(0, "sales-pipeline").len() > count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_portal_keeps_its_tenant_and_its_tokens() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let portal = &estate.sandbox.portals[0];
    let old = portal.host();
    // The same portal answers at another name of this machine from now on.
    let new = old.replace("127.0.0.1", "localhost");
    portal.move_to(&new);
    estate.clock.advance(HOUR * 2);
    let deal = portal.add_deal("Roof", 1, "EUR");
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
    assert!(!estate.channel(0, "sales-pipeline").is_empty());
    let known = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(known.domain, new);
    assert!(known.application.as_ref().unwrap().endpoint.contains(&new));
}

/// What goes wrong while a renewed pair is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoringFault {
    /// The store is away for a moment.
    Refused,
    /// The store has written it, and its answer is lost.
    AnswerLost,
    /// An operator seals everything with a new key meanwhile.
    Resealed,
    /// The portal has moved, and its new address cannot be noted.
    AddressRefused,
}

/// A store that meets a fault, twice, when the new pair or the portal's address is written.
struct FaultyStore {
    backend: Backend,
    fault: StoringFault,
    left: AtomicU32,
}

impl FaultyStore {
    fn is_met_by(&self, write: &StoreWrite) -> bool {
        let sort = if self.fault == StoringFault::AddressRefused { "portal" } else { "token#portal" };
        let is_it = write.key.table == Table::Portals && write.key.sort == sort && !write.value.contains("\"lease\"");
        is_it && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        // Workers take turns.
        tokio::task::yield_now().await;
        self.backend.store.get(key).await
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        tokio::task::yield_now().await;
        if !self.is_met_by(&write) {
            return self.backend.store.put(write).await;
        }
        match self.fault {
            StoringFault::Resealed => {
                tokio::task::block_in_place(|| {
                    let operator = tokio::runtime::Handle::current();
                    operator.block_on(key_rotation::rotate(&self.backend)).unwrap();
                    assert!(operator.block_on(key_rotation::reseal(&self.backend)).unwrap() > 0);
                });
                return self.backend.store.put(write).await;
            }
            StoringFault::AnswerLost => drop(self.backend.store.put(write).await?),
            StoringFault::Refused | StoringFault::AddressRefused => {}
        }
        Err(StoreError::Unavailable("it is away".into()))
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        self.backend.store.put_all(writes).await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.backend.store.delete(key).await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.backend.store.erase(key, version).await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        self.backend.store.list(query).await
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.backend.store.belonging(table, owner, after).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_that_make_the_first_key_of_an_address_agree_on_it() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (tenant, inner) = (estate.tenant(0), estate.engine.backend.clone());
    let place = ItemKey::new(Table::Portals, tenant.as_str(), "hook-key");
    inner.store.delete(&place).await.unwrap();
    let turns = FaultyStore { backend: inner.clone(), fault: StoringFault::Refused, left: AtomicU32::new(0) };
    let backend = Backend { store: Arc::new(turns), ..inner };
    let (one, other) = (estate.connections_on(&backend), estate.connections_on(&backend));
    let (one, other) = tokio::join!(one.hook_secret(&tenant), other.hook_secret(&tenant));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.expose_secret(), other.expose_secret());
    let portal = estate.connections.portals().fresh(&tenant).await.unwrap().unwrap();
    assert!(portal.hook_key == Some(TokenDigest::of(one.expose_secret())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_still_has_the_old_token_does_not_undo_a_reconnect() {
    let estate = Estate::start(1).await;
    let browser = estate.install(0).await;
    let tenant = estate.tenant(0);
    let stale = estate.another_worker();
    let slack = stale.slack(&stale.portal(&tenant).await.unwrap()).await.unwrap();
    slack.channel("#ops", true).await.unwrap();
    estate.sandbox.hub.uninstall(&estate.sandbox.workspaces[0].team_id());
    estate.install_slack(0, &browser).await;
    assert_eq!(estate.connections.troubles(&tenant).await.unwrap(), []);
    let failure = slack.channel("#ops", true).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Transient, "{failure}");
    assert_eq!(estate.connections.troubles(&tenant).await.unwrap(), []);
    let portal = stale.portal(&tenant).await.unwrap();
    stale.slack(&portal).await.unwrap().channel("#ops", true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_pair_is_kept_whatever_fails_once_the_old_one_is_dead() {
    for fault in [StoringFault::Refused, StoringFault::AnswerLost, StoringFault::Resealed, StoringFault::AddressRefused]
    {
        let estate = Estate::start(1).await;
        estate.install(0).await;
        let tenant = estate.tenant(0);
        let portal = estate.connections.portal(&tenant).await.unwrap();
        let mut host = estate.sandbox.portals[0].host();
        if fault == StoringFault::AddressRefused {
            host = host.replace("127.0.0.1", "localhost");
            estate.sandbox.portals[0].move_to(&host);
        }
        let inner = estate.engine.backend.clone();
        let store = Arc::new(FaultyStore { backend: inner.clone(), fault, left: AtomicU32::new(2) });
        let worker = estate.connections_on(&Backend { store: store.clone(), ..inner });
        for renewals in 1..=3 {
            estate.clock.advance(HOUR * 2);
            let client = worker.bitrix24(&portal).await.unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
            client.call("user.current", &json!({})).await.unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
            assert_eq!(estate.sandbox.authority.refreshes(), renewals, "{fault:?}");
        }
        assert_eq!(store.left.load(Ordering::Relaxed), 0, "{fault:?} was met");
        assert_eq!(estate.connections.troubles(&tenant).await.unwrap(), [], "{fault:?}");
        let known = estate.connections.portals().fresh(&tenant).await.unwrap().unwrap();
        assert_eq!(known.domain, host, "{fault:?}");
    }
}
