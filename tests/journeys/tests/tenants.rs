//! Tenants apart from each other, taken out, carried elsewhere; and keys that change while everything runs.

use std::io::BufReader;
use std::sync::Arc;
use std::time::Duration;

use jobs::queues;
use journeys::estate::{Browser, Estate, json_of};
use proptest::prelude::*;
use runtime::clock::Clock;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use serde_json::json;
use simulators::estate::BITRIX24_APP;
use standalone::engine::Engine;
use tenants::api_keys::{ApiKeys, Scope};
use tenants::portals::{Portal, Portals};
use tenants::rounds::Round;
use tenants::{departure, export, key_rotation};

/// Until the upkeep's next run.
const QUARTER: Duration = Duration::from_secs(15 * 60);

async fn all_of(backend: &Backend, owner: &str) -> usize {
    let mut count = 0;
    for table in Table::ALL {
        let mut after = None;
        loop {
            let part = backend.store.belonging(table, owner, after.as_ref()).await.unwrap();
            // Which jobs have fallen is kept for a day, also of the job that deletes the rest.
            count += part.items.iter().filter(|(item, _)| !item.key.partition.ends_with("#falls")).count();
            after = part.next;
            if after.is_none() {
                break;
            }
        }
    }
    count
}

/// A tenant's connection, settings and log, as they are stored.
async fn kept_of(backend: &Backend, tenant: &TenantId) -> Vec<String> {
    let mut kept = Vec::new();
    for table in [Table::Portals, Table::Ledger] {
        let part = backend.store.belonging(table, tenant.as_str(), None).await.unwrap();
        kept.extend(part.items.into_iter().map(|(item, _)| item.value));
    }
    kept
}

async fn a_deal(estate: &Estate, company: usize, name: &str) -> u64 {
    let deal = estate.sandbox.portals[company].add_deal(name, 1, "EUR");
    estate.sandbox.portals[company].move_deal(deal, "EXECUTING");
    estate.settle().await;
    deal
}

/// What a request with one tenant's credentials and another's id gets, and what one gets with an id that is nobody's.
#[derive(Clone)]
struct Try {
    http: reqwest::Client,
    url: String,
    key: String,
    own: TenantId,
    hook: String,
    signing: String,
    team: String,
    now: i64,
}

impl Try {
    fn at(&self, now: i64) -> Self {
        Self { now, ..self.clone() }
    }

    async fn send(&self, route: usize, id: &str) -> (u16, String) {
        let get = |path: String| self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.key);
        let post = |path: String| self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        let form = "application/x-www-form-urlencoded";
        let event =
            format!("event=ONCRMDEALUPDATE&data[FIELDS][ID]=1&auth[member_id]={}&auth[application_token]=x", self.own);
        let command =
            format!("command=%2Fb24-status&team_id={}&user_id=U0PERSON01&channel_id=C1&trigger_id=1.1", self.team);
        let signed = slack::signature::sign(&self.signing.clone().into(), self.now, command.as_bytes());
        let request = match route {
            0 => get(format!("/api/v1/{id}/events")),
            1 => get(format!("/api/v1/{id}/deliveries")),
            2 => get(format!("/api/v1/{id}/jobs/0192f0c1-2345-7abc-8def-0123456789ab")),
            3 => post(format!("/api/v1/{id}/sync")).body(json!({"all": true}).to_string()),
            4 => post(format!("/api/v1/{id}/deals"))
                .header("idempotency-key", "k")
                .body(json!({"title": "x"}).to_string()),
            5 => post(format!("/api/v1/{id}/contacts"))
                .header("idempotency-key", "k")
                .body(json!({"first_name": "x"}).to_string()),
            6 => post(format!("/api/v1/{id}/anything/else")),
            7 => self
                .http
                .post(format!("{}/webhooks/{id}/bitrix24?key={}", self.url, self.hook))
                .header("content-type", form)
                .body(event),
            _ => self
                .http
                .post(format!("{}/webhooks/{id}/slack", self.url))
                .header("content-type", form)
                .header("x-slack-request-timestamp", self.now.to_string())
                .header("x-slack-signature", signed)
                .body(command),
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[test]
fn no_request_with_another_tenants_id_is_answered_otherwise_than_one_with_nobodys() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (estate, attempt, other) = runtime.block_on(async {
        let estate = Estate::start(2).await;
        estate.install(0).await;
        estate.install(1).await;
        a_deal(&estate, 1, "Secret of the other").await;
        let (own, other) = (estate.tenant(0), estate.tenant(1));
        let (_, key) = ApiKeys::new(estate.engine.backend.store.clone())
            .make(&own, "test", &Scope::ALL, estate.clock.now())
            .await
            .unwrap();
        let hook = estate.connections.hook_url(&own, "").await.unwrap();
        let attempt = Try {
            http: reqwest::Client::new(),
            url: estate.url.clone(),
            key,
            own,
            hook: hook.split("key=").nth(1).unwrap().to_owned(),
            signing: estate.sandbox.workspaces[0].signing_secret().to_owned(),
            team: estate.sandbox.workspaces[0].team_id(),
            now: estate.clock.now().as_second(),
        };
        // With its own id each of them is somebody.
        for route in [0, 1, 4, 5, 7, 8] {
            let (status, text) = attempt.send(route, attempt.own.as_str()).await;
            assert!(status < 300, "{route}: {status} {text}");
        }
        (estate, attempt, other)
    });
    let before = runtime.block_on(kept_of(&estate.engine.backend, &other));
    let own = attempt.own.to_string();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let ids = prop_oneof![
        Just(other.to_string()),
        Just(other.as_str().to_uppercase()),
        Just(format!("{other}%20")),
        Just(format!("%2e%2e/{other}")),
        Just(format!("{other}%23bot")),
        "[0-9a-f]{32}",
        "[A-Za-z0-9_%.-]{1,40}",
    ];
    let ran = runner.run(&(0usize..9, ids), |(route, id)| {
        prop_assume!(id != own && !id.starts_with('.'));
        let (tried, nobodys) = runtime.block_on(async {
            // What the limiter refuses says nothing; it is given time.
            estate.clock.advance(Duration::from_secs(60));
            let tried = attempt.at(estate.clock.now().as_second());
            (tried.send(route, &id).await, tried.send(route, "ffffffffffffffffffffffffffffffff").await)
        });
        prop_assert_eq!(nobodys.0, 404, "{}", nobodys.1);
        // An address that the router itself does not know has no body.
        prop_assert_eq!(tried.0, 404, "{} {}: {}", route, id, tried.1);
        prop_assert!(tried.1 == nobodys.1 || tried.1.is_empty(), "{} {}: {}", route, id, tried.1);
        Ok(())
    });
    ran.unwrap();
    runtime.block_on(async {
        assert_eq!(kept_of(&estate.engine.backend, &other).await, before);
        drop(estate);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_shows_its_own_tenant_only_and_ends_with_it() {
    let estate = Estate::start(2).await;
    let browsers = [estate.install(0).await, estate.install(1).await];
    let portals: Vec<_> = estate.sandbox.portals.iter().map(|portal| portal.host()).collect();
    for (company, browser) in browsers.iter().enumerate() {
        for page in ["/install", "/admin/people", "/admin/bridges", "/admin/notion", "/admin/keys"] {
            let shown = browser.get(page).await;
            assert_eq!(shown.status, 200, "{page}");
            assert!(!shown.text.contains(&portals[1 - company]), "{page}");
            assert!(!shown.text.contains(estate.tenant(1 - company).as_str()), "{page}");
        }
    }
    // A form's token is its session's.
    let token =
        |page: String| page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let stolen = token(browsers[1].get("/install").await.text);
    let refused = browsers[0].post("/install/leave", &[("token", &stolen), ("domain", &portals[1])]).await;
    assert_eq!(refused.status, 403);
    let refused = browsers[0].submit("/install", "/install/leave", &[("domain", &portals[1])]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(estate.connections.portals().tenants().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_leaves_nothing_behind_and_others_notice_nothing() {
    let estate = Estate::start(2).await;
    let browser: Browser = estate.install(0).await;
    estate.install(1).await;
    a_deal(&estate, 0, "Roof").await;
    a_deal(&estate, 1, "Bridge").await;
    let (gone, stays) = (estate.tenant(0), estate.tenant(1));
    let before = all_of(&estate.engine.backend, stays.as_str()).await;
    // Work is under way.
    let deal = estate.sandbox.portals[0].add_deal("Late", 1, "EUR");
    estate.all_have_arrived().await;

    let host = estate.sandbox.portals[0].host();
    let page = browser.submit("/install", "/install/leave", &[("domain", &host)]).await;
    assert!(page.text.contains("is deleting everything"), "{}", page.text);
    // Cut off at once, and deleted by jobs.
    assert_eq!(estate.connections.portals().tenants().await.unwrap().as_slice(), std::slice::from_ref(&stays));
    assert!(estate.connections.token_standings(&gone).await.unwrap().is_empty());
    estate.settle().await;
    let departure = departure::of(&estate.engine.backend, &gone).await.unwrap().unwrap();
    assert!(departure.total() > 20 && departure.done_at.is_some(), "{departure:?}");
    assert_eq!(all_of(&estate.engine.backend, gone.as_str()).await, 0);
    assert_eq!(all_of(&estate.engine.backend, &format!("bitrix24#{gone}")).await, 0);
    assert!(estate.sandbox.portals[0].bots().is_empty() && estate.sandbox.portals[0].bound_events().is_empty());
    // The session ended with it; jobs that were queued are dropped without a trace.
    assert!(browser.get("/install").await.text.contains("Address of your portal"));
    estate.sandbox.portals[0].move_deal(deal, "EXECUTING");
    estate.settle().await;
    estate.clock.advance(QUARTER);
    estate.upkeep().await;
    assert_eq!(all_of(&estate.engine.backend, gone.as_str()).await, 0);
    for queue in queues::ALL {
        let dead = runtime::Queue::dead_letters(estate.engine.queue.as_ref(), queue, 10).await.unwrap();
        assert_eq!(dead.len(), 0, "{dead:?}");
    }
    assert!(all_of(&estate.engine.backend, stays.as_str()).await >= before);
    a_deal(&estate, 1, "Tower").await;
    assert!(estate.channel(1, "sales-pipeline").iter().any(|card| card.contains("Tower")));
    // What counts requests to single methods and channels of Slack expires within a day.
    let workspace = format!("slack#{}", estate.sandbox.workspaces[0].team_id());
    assert!(all_of(&estate.engine.backend, &workspace).await > 0);
    estate.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert_eq!(all_of(&estate.engine.backend, &workspace).await, 0);
    // They can come again, as somebody new.
    let (_, page) = estate.install_portal(0).await;
    assert!(page.contains("connect Slack"), "{page}");
    estate.upkeep().await;
    assert_eq!(estate.connections.portals().tenants().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_over_all_tenants_begins_where_the_last_one_had_to_stop() {
    const LASTS: Duration = Duration::from_secs(10);
    let estate = Estate::start(1).await;
    let backend = &estate.engine.backend;
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    for name in ["a", "b", "c", "d", "e"] {
        let portal = Portal::new(TenantId::new(name).unwrap(), format!("{name}.bitrix24.example"), estate.clock.now());
        portals.put(&portal).await.unwrap();
    }
    let round = async |most: usize| {
        let round = Round::begin(backend, "test", LASTS).await.unwrap();
        let mut turns = Vec::new();
        for tenant in round.turns() {
            turns.push(tenant.to_string());
            if turns.len() == most {
                // What is under way may take longer than the round begins with others.
                estate.clock.advance(LASTS + Duration::from_secs(1));
            }
        }
        (turns.concat(), round.end().await.unwrap())
    };
    assert_eq!(round(5).await, ("abcde".into(), 0));
    assert_eq!(round(2).await, ("ab".into(), 3));
    assert_eq!(round(2).await, ("cd".into(), 3));
    // The next one is gone meanwhile: the one after it is next.
    portals.remove(&TenantId::new("e").unwrap()).await.unwrap();
    assert_eq!(round(3).await, ("abc".into(), 1));
    assert_eq!(round(9).await, ("dabc".into(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uninstallation_does_what_was_ticked_and_only_if_it_is_the_portals() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    estate.install(1).await;
    let tenants = || async { estate.connections.portals().tenants().await.unwrap() };
    // Spoofed: without the token and without the key.
    let body = format!(
        "event=ONAPPUNINSTALL&data[CLEAN]=1&auth[member_id]={}&auth[application_token]=guess",
        estate.tenant(0)
    );
    for path in ["/webhooks/bitrix24", "/install/bitrix24/app"] {
        let request = reqwest::Client::new().post(format!("{}{path}", estate.url));
        let answer = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error());
    }
    estate.settle().await;
    assert_eq!(tenants().await.len(), 2);
    // Kept: the data stays, and who connects again finds it.
    estate.sandbox.authority.uninstall(&estate.sandbox.portals[0], BITRIX24_APP.0, false);
    estate.settle().await;
    assert_eq!(tenants().await.len(), 2);
    assert_eq!(
        estate.connections.troubles(&estate.tenant(0)).await.unwrap()[0].why,
        "the application was removed in Bitrix24"
    );
    estate.install_portal(0).await;
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
    // Cleaned: nothing stays.
    estate.sandbox.authority.uninstall(&estate.sandbox.portals[1], BITRIX24_APP.0, true);
    estate.settle().await;
    assert_eq!(tenants().await, [estate.tenant(0)]);
    estate.clock.advance(QUARTER);
    estate.upkeep().await;
    assert_eq!(all_of(&estate.engine.backend, estate.tenant(1).as_str()).await, 0);
    assert!(departure::of(&estate.engine.backend, &estate.tenant(1)).await.unwrap().unwrap().done_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_changes_while_everything_runs() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    estate.install(1).await;
    let backend = &estate.engine.backend;
    let old = KeyRing::parse(&backend.secrets.get(KEY_RING).await.unwrap()).unwrap();
    assert_eq!(key_rotation::reseal(backend).await.unwrap(), 0);
    assert_eq!(key_rotation::rotate(backend).await.unwrap(), "k2");
    // A worker that knows the old ring only goes on, and so does a new one.
    a_deal(&estate, 0, "Roof").await;
    let resealed = key_rotation::reseal(backend).await.unwrap();
    assert!(resealed >= 8, "{resealed}");
    estate.clock.advance(Duration::from_secs(2 * 3600));
    a_deal(&estate, 1, "Bridge").await;
    // A worker that still believed the old ring sealed something meanwhile: that holds retirement up, once.
    let tenant = estate.tenant(1);
    let late = json!({"secret": old.seal(&tenant, "late", &"late".to_owned().into()).unwrap()});
    let place = ItemKey::new(Table::Links, format!("{tenant}#late"), "late");
    backend.store.put(StoreWrite::new(place, &late, WriteCondition::Absent).unwrap()).await.unwrap();
    assert!(matches!(key_rotation::retire(backend).await, Err(key_rotation::KeyError::StillUsed(1))));
    key_rotation::retire(backend).await.unwrap();
    a_deal(&estate, 0, "Tower").await;
    for (company, names) in [(0, vec!["Roof", "Tower"]), (1, vec!["Bridge"])] {
        let cards = estate.channel(company, "sales-pipeline");
        assert!(names.iter().all(|name| cards.iter().any(|card| card.contains(name))), "{cards:?}");
    }
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
    let (_, page) = estate.install_portal(1).await;
    assert!(page.contains("Everything is connected."), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_carried_to_another_engine_with_its_secrets_sealed_apart() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    estate.install(1).await;
    a_deal(&estate, 0, "Roof").await;
    let tenant = estate.tenant(0);
    let mut file = Vec::new();
    let (items, key) = export::export(&estate.engine.backend, &tenant, &mut file).await.unwrap();
    assert!(items > 20);
    journeys::secrecy::nothing_leaked(&estate.sandbox.secrets(), &file);
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(!text.contains(estate.tenant(1).as_str()));

    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = estate.clock.clone();
    let elsewhere = Engine::open(&folder.path().join("elsewhere.db"), clock).await.unwrap();
    let read = |file: Vec<u8>, key: secrecy::SecretString, replace| {
        let backend = elsewhere.backend.clone();
        async move { export::import(&backend, BufReader::new(file.as_slice()), &key, replace).await }
    };
    let other = KeyRing::generate();
    assert!(read(file.clone(), other, false).await.is_err());
    let cut = text.lines().take(5).collect::<Vec<_>>().join("\n").into_bytes();
    assert!(read(cut, key.clone(), false).await.unwrap_err().to_string().contains("it was cut"));
    assert!(read(b"{}".to_vec(), key.clone(), false).await.unwrap_err().to_string().contains("no export"));
    let alien =
        text.replacen(&format!("\"partition\":\"{tenant}#"), &format!("\"partition\":\"{}#", estate.tenant(1)), 1);
    assert!(read(alien.into_bytes(), key.clone(), false).await.unwrap_err().to_string().contains("another tenant"));

    let imported = read(file.clone(), key.clone(), false).await.unwrap();
    assert_eq!((imported.items, imported.tenant), (items, tenant.clone()));
    assert!(
        read(file.clone(), key.clone(), false).await.unwrap_err().to_string().contains("is connected here already")
    );
    read(file, key, true).await.unwrap();
    // There it works: its token opens, its portal answers, and what was told is known.
    let portals = Portals::new(elsewhere.backend.store.clone(), elsewhere.backend.clock.clone());
    assert_eq!(portals.tenants().await.unwrap(), std::slice::from_ref(&tenant));
    let apps = estate.engine.backend.secrets.get(tenants::secret_names::APPS).await.unwrap();
    elsewhere.backend.secrets.put(tenants::secret_names::APPS, apps).await.unwrap();
    let connections = estate.connections_over(&elsewhere);
    estate.clock.advance(Duration::from_secs(2 * 3600));
    let portal = connections.portal(&tenant).await.unwrap();
    let client = connections.bitrix24(&portal).await.unwrap();
    client.call("crm.item.list", &json!({"entityTypeId": 2})).await.unwrap();
    assert!(connections.slack(&portal).await.is_ok());
    let workspace = portals.workspace(&estate.sandbox.workspaces[0].team_id()).await.unwrap().unwrap();
    assert_eq!(workspace.tenant, tenant);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_lets_us_work_as_themselves_by_a_click() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (tenant, portal) = (estate.tenant(0), &estate.sandbox.portals[0]);
    let browser = estate.browser();
    let go = |user: u64, ticket: String| {
        let browser = &browser;
        let authority = &estate.sandbox.authority;
        async move {
            // Whoever only looks at the link uses nothing up.
            for _ in 0..2 {
                assert!(
                    browser.get(&format!("/install/give?ticket={ticket}")).await.text.contains("Allow in Bitrix24")
                );
            }
            let page = browser.post("/install/give", &[("ticket", &ticket)]).await;
            if page.status != 200 {
                return page;
            }
            let state = journeys::estate::field(&browser.leads_to(&page.text), "state");
            browser.get(&authority.allow(portal, BITRIX24_APP.0, &state, user)).await
        }
    };
    let ticket = tenants::tickets::make(&estate.engine.backend, &tenant, 6).await.unwrap();
    let page = go(9, ticket.clone()).await;
    assert!(page.status == 403 && page.text.contains("is not linked to that user"), "{}", page.text);
    assert_eq!(go(6, ticket).await.status, 400);
    let slack = &estate.sandbox.workspaces[0];
    let ann = slack.person("user6@example.com");
    slack.command(&ann, &slack.channel_id("general"), "/b24-me", "allow").await;
    estate.settle().await;
    let told = slack.whispers(&ann).last().unwrap().to_string();
    let ticket = told.split("/install/give?ticket=").nth(1).unwrap_or_else(|| unreachable!("{told}"));
    let ticket: String = ticket.chars().take_while(char::is_ascii_alphanumeric).collect();
    let page = go(6, ticket).await;
    assert!(page.text.contains("is now done in"), "{}", page.text);
    // An hour later it is renewed, and still theirs.
    estate.clock.advance(Duration::from_secs(2 * 3600));
    let known = estate.connections.portal(&tenant).await.unwrap();
    let hands = estate.connections.bitrix24_as(&known, 6).await.unwrap().unwrap();
    assert_eq!(hands.call("profile", &json!({})).await.unwrap().result["ID"], "6");
    assert!(estate.connections.bitrix24_as(&known, 9).await.unwrap().is_none());
    slack.command(&ann, &slack.channel_id("general"), "/b24-me", "off").await;
    estate.settle().await;
    assert!(estate.another_worker().bitrix24_as(&known, 6).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_api_made_on_the_page_is_shown_once_and_can_be_taken_back() {
    let estate = Estate::start(1).await;
    let browser = estate.install(0).await;
    let page = browser.submit("/admin/keys", "/admin/keys", &[("name", "Shop <b>"), ("intake", "1")]).await;
    let key = page.text.split("<code>swb_").nth(1).unwrap().split('<').next().unwrap();
    let key = format!("swb_{key}");
    let shown = browser.get("/admin/keys").await.text;
    assert!(!shown.contains(&key) && shown.contains("Shop &lt;b&gt;"), "{shown}");
    let ask = || async {
        let url = format!("{}/api/v1/{}/deals", estate.url, estate.tenant(0));
        let request = reqwest::Client::new().post(url).bearer_auth(&key).header("idempotency-key", "1");
        json_of(request.body(json!({"title": "Order 1"}).to_string()).send().await.unwrap()).await
    };
    assert_eq!(ask().await.0, 201);
    let id = shown.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = browser.submit("/admin/keys", "/admin/keys/revoke", &[("id", &id)]).await;
    assert!(page.location.is_some());
    let (status, told) = ask().await;
    assert_eq!((status, told["error"].as_str()), (401, Some("wrong_key")));
    // The key is a secret like the others.
    journeys::secrecy::nothing_leaked(std::slice::from_ref(&key), &estate.everything_on_disk());
}
