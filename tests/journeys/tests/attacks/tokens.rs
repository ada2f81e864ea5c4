//! What each function may reach of secrets and stored data.

use std::collections::BTreeSet;
use std::time::Duration;

use clients::{RenewalAnswer, RenewalRequest, TokenSlot};
use jobs::queues;
use journeys::Stage;
use journeys::estate::Estate;
use journeys::watched;
use runtime::clock::Clock;
use runtime::store::{
    Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version, WriteCondition,
};
use runtime::{Backend, Invoke, JobOutcome, TenantId};
use serde_json::json;
use simulators::estate::BITRIX24_APP;
use simulators::{Fault, When};
use tenants::departure::{self, Departure};

const QUARTER: Duration = Duration::from_secs(15 * 60);
/// Those that may read the keys of our applications.
const KEYED: [&str; 4] = ["admin", "install", "token-renewal", "upkeep"];

/// The functions that did this to that.
fn who(action: &str, resource: &str) -> BTreeSet<&'static str> {
    let used = watched::used();
    let hits = used.into_iter().filter(|(_, did, to)| *did == action && (resource.is_empty() || to == resource));
    hits.map(|(function, ..)| function).collect()
}

fn nobody_reached_too_far() {
    let readers = who("secretsmanager:GetSecretValue", "OAuthApps");
    assert!(readers.iter().all(|function| KEYED.contains(function)), "{readers:?}");
    // What deletes a tenant meets the sealed keys, too, and can open none.
    let keyed = watched::keyed();
    assert!(keyed.iter().all(|function| KEYED.contains(function) || *function == "tenant-jobs"), "{keyed:?}");
    assert!(!who("secretsmanager:GetSecretValue", "").contains("tenant-jobs"));
    assert_eq!(who("dynamodb:Scan", ""), BTreeSet::new());
    let those = who("dynamodb:DeleteItem", "");
    assert!(those.iter().all(|function| *function == "tenant-jobs"), "{those:?}");
}

async fn all_of(backend: &Backend, owner: &str) -> Vec<ItemKey> {
    let mut found = Vec::new();
    for table in Table::ALL {
        let mut after = None;
        loop {
            let part = backend.store.belonging(table, owner, after.as_ref()).await.unwrap();
            found.extend(part.items.into_iter().map(|(item, _)| item.key));
            after = part.next;
            if after.is_none() {
                break;
            }
        }
    }
    // Which jobs have fallen is kept for a day, also of the job that deletes the rest.
    found.retain(|key| !key.partition.ends_with("#falls"));
    found
}

async fn a_deal(estate: &Estate, company: usize, name: &str) {
    let portal = &estate.sandbox.portals[company];
    let deal = portal.add_deal(name, 1, "EUR");
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_never_reads_the_keys_of_our_applications_although_its_tokens_are_renewed() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.sandbox.hub.rotate(true);
    estate.install(0).await;
    let before = estate.sandbox.authority.refreshes();
    // Ended by our clock; near its end; refused by the portal although it should live. Slack's has ended with the first.
    a_deal(&estate, 0, "Roof").await;
    estate.clock.advance(Duration::from_secs(13 * 3600));
    a_deal(&estate, 0, "Bridge").await;
    estate.clock.advance(Duration::from_secs(3600 - 200));
    a_deal(&estate, 0, "Tower").await;
    estate.sandbox.authority.expire_all();
    a_deal(&estate, 0, "Gate").await;
    let cards = estate.channel(0, "sales-pipeline");
    for name in ["Roof", "Bridge", "Tower", "Gate"] {
        assert!(cards.iter().any(|card| card.contains(name)), "{name}: {cards:?}");
    }
    assert!(estate.sandbox.authority.refreshes() >= before + 3 && estate.sandbox.hub.refreshes() >= 1);
    assert!(who("secretsmanager:GetSecretValue", "OAuthApps").contains("token-renewal"));
    let callers = who("lambda:InvokeFunction", "TokenRenewalFunction");
    assert!(callers.contains("bitrix24-events") && callers.contains("slack-delivery"), "{callers:?}");
    nobody_reached_too_far();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_portals_own_application_are_out_of_the_workers_reach_too() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let (browser, portal) = (estate.browser(), &estate.sandbox.portals[0]);
    let keys =
        [("portal", portal.host()), ("client_id", BITRIX24_APP.0.into()), ("client_secret", BITRIX24_APP.1.into())];
    let form: Vec<_> = keys.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.post("/install/bitrix24", &form).await;
    let state = journeys::estate::field(&browser.leads_to(&page.text), "state");
    browser.follow(&estate.sandbox.authority.allow(portal, BITRIX24_APP.0, &state, 1)).await;
    estate.install_slack(0, &browser).await;
    let (tenant, backend) = (estate.tenant(0), &estate.engine.backend);
    // The deployment's own keys are gone: what is renewed now is renewed with the portal's.
    backend.secrets.put(tenants::secret_names::APPS, "{}".to_owned().into()).await.unwrap();
    let place = ItemKey::new(Table::Portals, tenant.as_str(), "token#portal");
    let pair = backend.store.get(&place).await.unwrap().unwrap();
    assert!(pair.value.contains("by_own_app") && !pair.value.contains("client_secret"), "{}", pair.value);
    let apart = ItemKey::new(Table::Portals, format!("{tenant}#apps"), "token#portal");
    let own = backend.store.get(&apart).await.unwrap().unwrap();
    for round in 0..2 {
        let before = estate.sandbox.authority.refreshes();
        estate.clock.advance(Duration::from_secs(2 * 3600));
        a_deal(&estate, 0, &format!("Roof {round}")).await;
        assert_eq!(estate.sandbox.authority.refreshes(), before + 1);
        assert!(estate.channel(0, "sales-pipeline").iter().any(|card| card.contains(&format!("Roof {round}"))));
        // As earlier versions kept it: with its keys beside it. The next renewal moves them.
        let pair = backend.store.get(&place).await.unwrap().unwrap();
        let mut value: serde_json::Value = pair.decode().unwrap();
        assert!(value.get("own_app").is_none(), "{value}");
        value["own_app"] = own.decode().unwrap();
        value.as_object_mut().unwrap().remove("by_own_app");
        backend.store.put(StoreWrite::new(place.clone(), &value, WriteCondition::Always).unwrap()).await.unwrap();
        backend.store.delete(&apart).await.unwrap();
    }
    assert!(watched::keyed().contains("token-renewal"), "{:?}", watched::keyed());
    nobody_reached_too_far();
    // They leave with the tenant.
    departure::depart(backend, &tenant).await.unwrap();
    assert_eq!(all_of(backend, tenant.as_str()).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_renewing_function_tells_no_secret_and_renews_nothing_that_is_not_at_its_end() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let (renewal, tenant) = (&estate.functions.token_renewal, estate.tenant(0));
    let place = ItemKey::new(Table::Portals, tenant.as_str(), "token#portal");
    let version = async || estate.engine.backend.store.get(&place).await.unwrap().unwrap().version;
    let ask = async |version, refused| {
        let request = RenewalRequest { tenant: tenant.clone(), slot: TokenSlot::Portal, version, refused };
        let answer = renewal.invoke(serde_json::to_string(&request).unwrap()).await.unwrap();
        journeys::secrecy::nothing_leaked(&estate.sandbox.secrets(), answer.as_bytes());
        serde_json::from_str::<RenewalAnswer>(&answer).unwrap()
    };
    let refreshes = || estate.sandbox.authority.refreshes();
    let before = refreshes();
    // It has an hour to go; somebody has seen another pair than there is.
    assert_eq!(ask(version().await, false).await, RenewalAnswer::Good);
    assert_eq!(ask(version().await - 1, true).await, RenewalAnswer::Changed);
    assert_eq!(refreshes(), before);
    // Five minutes to go.
    estate.clock.advance(Duration::from_secs(3600 - 300));
    assert_eq!(ask(version().await, false).await, RenewalAnswer::Good);
    assert_eq!(refreshes(), before + 1);
    // What the provider says comes back as what it asks for.
    estate.sandbox.authority.fail_next("token", Fault::Html { status: 502, when: When::BeforeEffect });
    estate.clock.advance(Duration::from_secs(3600));
    let RenewalAnswer::Failed(failure) = ask(version().await, false).await else {
        unreachable!("it cannot be renewed")
    };
    assert_eq!(failure.class, clients::ErrorClass::Transient);
    estate.sandbox.authority.revoke(&estate.sandbox.portals[0]);
    for _ in 0..2 {
        let RenewalAnswer::Failed(failure) = ask(version().await, true).await else { unreachable!("it has ended") };
        assert_eq!(failure.class, clients::ErrorClass::Reauthorise);
    }
    // Of nobody, or not what it takes.
    let nobody = json!({"tenant": "nobody", "slot": "portal", "version": 1, "refused": true});
    let answer = renewal.invoke(nobody.to_string()).await.unwrap();
    assert!(
        matches!(serde_json::from_str(&answer).unwrap(), RenewalAnswer::Failed(failure) if failure.code() == "not_connected")
    );
    for bad in ["", "{}", "[]", r#"{"tenant":"a","slot":"everything","version":1,"refused":true}"#] {
        assert!(renewal.invoke(bad.to_owned()).await.is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_renewed_is_left_alone_longer_and_longer() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    estate.sandbox.authority.revoke(&estate.sandbox.portals[0]);
    estate.clock.advance(Duration::from_secs(2 * 3600));
    let asked = || estate.sandbox.authority.refreshes_asked();
    let before = asked();
    for _ in 0..4 * 24 * 4 {
        estate.clock.advance(QUARTER);
        upkeep::handle(&estate.functions.upkeep, estate.clock.now()).await;
    }
    // In four days at most: after 1, 2, 4, 8, 16 and then each 24 hours.
    let tries = asked() - before;
    assert!((5..=9).contains(&tries), "{tries}");
    estate.install_portal(0).await;
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asked_for_a_deletion_sees_when_it_is_done_and_nobody_else_does() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.install(0).await;
    a_deal(&estate, 0, "Roof").await;
    let (tenant, host) = (estate.tenant(0), estate.sandbox.portals[0].host());
    let page = browser.submit("/install", "/install/leave", &[("domain", &host)]).await;
    let follow = page.text.split("href=\"").find_map(|part| part.strip_prefix("/install/left")).unwrap();
    let follow = format!("/install/left{}", follow.split('"').next().unwrap().replace("&amp;", "&"));
    let stranger = estate.browser();
    assert!(stranger.get(&follow).await.text.contains("Not finished yet"));
    for other in [format!("/install/left?portal={tenant}&receipt=guess"), "/install/left".to_owned()] {
        assert_eq!(stranger.get(&other).await.status, 404);
    }
    // Nothing of it can be reached in the meantime.
    assert_eq!(estate.connections.portals().fresh(&tenant).await.unwrap(), None);
    let own: Vec<_> = all_of(&estate.engine.backend, tenant.as_str()).await;
    assert!(!own.iter().any(|key| key.partition == tenant.as_str()), "{own:?}");
    estate.clock.advance(QUARTER);
    estate.upkeep().await;
    assert_eq!(all_of(&estate.engine.backend, tenant.as_str()).await, []);
    let page = stranger.get(&follow).await.text;
    assert!(page.contains("was deleted: ") && page.contains("<code>links</code>: "), "{page}");
    nobody_reached_too_far();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_again_before_everything_is_deleted_keeps_what_is_new() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.install(0).await;
    a_deal(&estate, 0, "Roof").await;
    let (tenant, backend) = (estate.tenant(0), &estate.engine.backend);
    let old: BTreeSet<_> = all_of(backend, tenant.as_str()).await.into_iter().collect();
    estate.clock.advance(Duration::from_secs(60));
    let host = estate.sandbox.portals[0].host();
    browser.submit("/install", "/install/leave", &[("domain", &host)]).await;
    estate.clock.advance(Duration::from_secs(60));
    // The portal's people come back before the first job has been worked, and work.
    let browser = estate.install(0).await;
    a_deal(&estate, 0, "Bridge").await;
    let kept = ItemKey::new(Table::Links, format!("{tenant}#new"), "new");
    backend.store.put(StoreWrite::new(kept.clone(), &"new", WriteCondition::Absent).unwrap()).await.unwrap();
    estate.clock.advance(QUARTER);
    let report = estate.upkeep().await;
    assert!(report.leaving == 0 && report.failed.is_empty(), "{report:?}");
    assert!(browser.get("/install").await.text.contains("Everything is connected."));
    assert!(backend.store.get(&kept).await.unwrap().is_some());
    // The log of before is gone, that of since is there.
    let ledger: Vec<_> = all_of(backend, tenant.as_str()).await;
    let lines =
        |keys: &[ItemKey]| keys.iter().filter(|key| key.table == Table::Ledger).cloned().collect::<BTreeSet<_>>();
    let new = lines(&ledger);
    assert!(!new.is_empty() && new.is_disjoint(&old), "{new:?}");
    a_deal(&estate, 0, "Tower").await;
    assert!(estate.channel(0, "sales-pipeline").iter().any(|card| card.contains("Tower")));
    assert_eq!(departure::of(backend, &tenant).await.unwrap(), None);
    // And goes on doing so.
    let before = all_of(backend, tenant.as_str()).await;
    for _ in 0..3 {
        estate.clock.advance(QUARTER);
        estate.upkeep().await;
    }
    let after = all_of(backend, tenant.as_str()).await;
    // Names that are remembered for an hour come and go.
    let stays = |key: &ItemKey| key.table != Table::Links;
    let gone: Vec<_> = before.into_iter().filter(|key| stays(key) && !after.contains(key)).collect();
    assert_eq!(gone, []);
    nobody_reached_too_far();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_just_being_written_is_not_taken_for_what_was_left() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.install(0).await;
    let (tenant, backend) = (estate.tenant(0), &estate.engine.backend);
    let host = estate.sandbox.portals[0].host();
    browser.submit("/install", "/install/leave", &[("domain", &host)]).await;
    estate.clock.advance(QUARTER);
    // A connection that is under way has written this, and not yet the portal itself.
    let place = ItemKey::new(Table::Portals, tenant.as_str(), "token#portal");
    backend.store.put(StoreWrite::new(place.clone(), &"new", WriteCondition::Absent).unwrap()).await.unwrap();
    estate.work_what_is_ready().await;
    let left = all_of(backend, tenant.as_str()).await;
    assert_eq!((left, departed(backend, &tenant).await.done_at), (vec![place], None));
    // It came to nothing: a minute later it is taken.
    estate.settle().await;
    assert_eq!(all_of(backend, tenant.as_str()).await, []);
    assert!(departed(backend, &tenant).await.done_at.is_some());
}

async fn departed(backend: &Backend, tenant: &TenantId) -> Departure {
    departure::of(backend, tenant).await.unwrap().unwrap()
}

/// Writes many items for two owners whose names begin in the same way.
async fn many(backend: &Backend, owners: &[(&str, Table, &str)], count: u32) {
    for number in 0..count {
        for (owner, table, kind) in owners {
            let key = ItemKey::new(*table, format!("{owner}#{kind}"), format!("{number:04}"));
            backend.store.put(StoreWrite::new(key, &number, WriteCondition::Absent).unwrap()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_whose_job_was_lost_goes_on_and_leaves_others_alone() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let backend = &estate.engine.backend;
    let tenant = TenantId::new("leaving").unwrap();
    let run = ItemKey::new(Table::Links, "leaving#backfill", "run-1");
    backend.store.put(StoreWrite::new(run, &"a run", WriteCondition::Absent).unwrap()).await.unwrap();
    let owners = [
        ("leaving", Table::Links, "rows#run-1"),
        ("leaving", Table::Ledger, "audit"),
        ("leaving2", Table::Ledger, "audit"),
    ];
    many(backend, &owners, 520).await;
    departure::begin(backend, &tenant, None).await.unwrap();
    // Asked for twice, it is one.
    let again = departure::begin(backend, &tenant, None).await.unwrap();
    assert_eq!(again.done_at, None);
    let sent = backend.queue.receive(queues::TENANT_JOBS, 10, Duration::ZERO).await.unwrap();
    assert_eq!(sent.len(), 1);
    backend.queue.delete(queues::TENANT_JOBS, vec![sent[0].receipt.clone()]).await.unwrap();
    estate.clock.advance(QUARTER);
    estate.settle().await;
    assert_eq!(all_of(backend, "leaving").await.len(), 1_041, "nobody knows of it");
    let report = estate.upkeep().await;
    assert_eq!((report.leaving, report.resumed), (1, 1), "{report:?}");
    let counted = departed(backend, &tenant).await;
    assert_eq!((counted.total(), counted.done_at.is_some()), (1_041, true));
    assert_eq!(all_of(backend, "leaving").await, []);
    assert_eq!(all_of(backend, "leaving2").await.len(), 520);
    // Late writes are looked for during a day, ever more rarely.
    let mut looks = 0;
    for _ in 0..4 * 26 {
        estate.clock.advance(QUARTER);
        looks += estate.upkeep().await.resumed;
    }
    assert!((4..=9).contains(&looks), "{looks}");
}

/// A store in which reading what a tenant has takes time.
struct Slow {
    inner: std::sync::Arc<dyn Store>,
    clock: std::sync::Arc<runtime::ManualClock>,
}

#[async_trait::async_trait]
impl Store for Slow {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        self.inner.put(write).await
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        self.inner.put_all(writes).await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.inner.erase(key, version).await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        if query.partition == "leaving#record" {
            self.clock.advance(Duration::from_secs(30));
        }
        self.inner.list(query).await
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.inner.belonging(table, owner, after).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_whose_time_is_up_goes_on_where_it_was() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let (inner, tenant) = (estate.engine.backend.store.clone(), TenantId::new("leaving").unwrap());
    many(&estate.engine.backend, &[("leaving", Table::Links, "record")], 1_200).await;
    let store = std::sync::Arc::new(Slow { inner, clock: estate.clock.clone() });
    let backend = Backend { store, ..estate.engine.backend.clone() };
    let began_at = departure::begin(&backend, &tenant, None).await.unwrap().began_at;
    estate.clock.advance(QUARTER);
    let mut deleted = Vec::new();
    for slice in 0..4 {
        let outcome = departure::work(&backend, &tenant, began_at, slice).await;
        let now = departed(&backend, &tenant).await;
        deleted.push((now.total(), now.done_at.is_some()));
        if slice < 3 {
            assert_eq!(outcome, JobOutcome::Done);
            // Handed out again, a slice does nothing twice.
            let again = departure::work(&backend, &tenant, began_at, slice).await;
            assert!(matches!(again, JobOutcome::Skip(_)), "{again:?}");
            assert_eq!(departed(&backend, &tenant).await, now);
        }
    }
    // A page of 500 takes longer than a slice; the other partitions have to be looked at, too.
    assert_eq!(deleted, [(500, false), (1_000, false), (1_200, false), (1_200, true)]);
    assert_eq!(all_of(&estate.engine.backend, "leaving").await, []);
    // Each slice has sent the next, once.
    let depth = backend.queue.depth(queues::TENANT_JOBS).await.unwrap();
    assert_eq!(depth.waiting, 4);
    let left = departure::work(&backend, &tenant, runtime::clock::later(began_at, QUARTER), 0).await;
    assert!(matches!(left, JobOutcome::Skip(_)), "another departure: {left:?}");
}
