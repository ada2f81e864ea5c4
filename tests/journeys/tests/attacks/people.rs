//! Personal data: found and deleted on request, and not shown to keys that may only read.

use std::collections::BTreeSet;
use std::time::Duration;

use jobs::queues;
use journeys::estate::{Browser, Estate, json_of};
use journeys::{Stage, World};
use runtime::clock::Clock;
use runtime::queue::DeadLetter;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use simulators::portal::CONTACT;
use tenants::api_keys::{ApiKeys, Scope};
use tenants::audit::Audit;
use tenants::person;
use tenants::person::{Ask, ForgetAction};
use tenants::user_links::{LinkOrigin, Unmapped, UserLink, UserLinks};

/// A customer whose words appear nowhere else.
const CUSTOMER: [&str; 3] = ["qwertowska", "zofia.q@corp.example", "601234567"];
/// An employee of the same kind.
const EMPLOYEE: [&str; 2] = ["xenakis", "dora.x@corp.example"];

fn marked(text: &str, markers: &[&str]) -> bool {
    let small = text.to_lowercase();
    let bare: String = small.chars().filter(|letter| !" -()/+".contains(*letter)).collect();
    markers.iter().any(|marker| small.contains(marker) || bare.contains(marker))
}

/// Every item in any table that has one of the markers, whoever's it is.
async fn raw(backend: &Backend, owner: &str, markers: &[&str]) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for table in Table::ALL {
        for owner in [owner, "#admin", "#workspaces", "#tenants", "#apps", "#hooks", "#notion-hooks"] {
            let mut after = None;
            loop {
                let part = backend.store.belonging(table, owner, after.as_ref()).await.unwrap();
                for (item, _) in &part.items {
                    if marked(&item.value, markers) || marked(&item.key.sort, markers) {
                        let key = &item.key;
                        found.insert((table.name().to_owned(), key.partition.clone(), key.sort.clone()));
                    }
                }
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    found
}

async fn letters(backend: &Backend, markers: &[&str]) -> usize {
    let mut count = 0;
    for queue in queues::ALL {
        let letters = backend.queue.dead_letters(queue, 100).await.unwrap();
        count += letters.iter().filter(|buried| marked(&buried.letter.body, markers)).count();
    }
    count
}

/// A company that is told of contacts and deals.
async fn company(estate: &Estate, company: usize) -> Browser {
    let browser = estate.install(company).await;
    let settings = json!({"group_bursts": null, "operators": {"channel": "#ops", "watch": []}, "routes": [
        {"name": "people", "change": ["contact.created", "contact.updated"], "to": "#general", "card": {"title": "{record.name} {record.lastName}"}},
        {"name": "deals", "change": ["deal.created", "deal.updated", "deal.stage_changed"], "to": "#general"},
    ]});
    estate.connections.portals().set_settings(&estate.tenant(company), settings).await.unwrap();
    estate.upkeep().await;
    estate.clock.advance(Duration::from_secs(1));
    browser
}

async fn order(estate: &Estate, company: usize, title: &str) -> (u64, u64) {
    let keys = ApiKeys::new(estate.engine.backend.store.clone());
    let (_, key) = keys.make(&estate.tenant(company), "Shop", &[Scope::Intake], estate.clock.now()).await.unwrap();
    let contact =
        json!({"first_name": "Zofia", "last_name": "Qwertowska", "email": CUSTOMER[1], "phone": "+48 601 234-567"});
    let body = json!({"title": title, "amount": 5, "currency": "EUR", "contact": contact});
    let url = format!("{}/api/v1/{}/deals", estate.url, estate.tenant(company));
    let sent =
        reqwest::Client::new().post(url).bearer_auth(key).header("idempotency-key", title).body(body.to_string());
    let (status, made) = json_of(sent.send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    estate.settle().await;
    let portal = &estate.sandbox.portals[company];
    (made["id"].as_u64().unwrap(), portal.ids(CONTACT).into_iter().max().unwrap())
}

/// What is left of a failed delivery with the customer in it.
async fn dead_letter(estate: &Estate, company: usize) {
    let tenant = estate.tenant(company).to_string();
    let body = json!({"tenant": tenant, "body": {"text": "Order of Zofia Qwertowska"}}).to_string();
    let letter = DeadLetter {
        code: "channel_not_found".into(),
        reason: "gone".into(),
        attempts: 1,
        trace: String::new(),
        tenant,
        body,
        buried_at: estate.clock.now(),
        group: "g".into(),
    };
    estate.engine.backend.queue.bury(queues::SLACK_DELIVERY, &format!("m{company}#1"), letter).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_found_everywhere_and_deleted_without_a_second_card() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    company(&estate, 0).await;
    company(&estate, 1).await;
    let (backend, tenant, other) = (&estate.engine.backend, estate.tenant(0), estate.tenant(1));
    let (deal, contact) = order(&estate, 0, "Order of Zofia Qwertowska, +48 601 234 567").await;
    order(&estate, 1, "Order of Zofia Qwertowska").await;
    let portal = &estate.sandbox.portals[0];
    portal.change_item(CONTACT, contact, json!({"name": "Zofia Anna"}));
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
    for company in [0, 1] {
        dead_letter(&estate, company).await;
    }

    let there = raw(backend, tenant.as_str(), &CUSTOMER).await;
    assert!(there.len() >= 6, "{there:#?}");
    let asked: Vec<Ask> =
        [format!("contact {contact}"), CUSTOMER[1].to_owned(), "0601 234 567".to_owned(), "Qwertowska".to_owned()]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
    let finding = person::find(backend, &tenant, &asked, usize::MAX).await.unwrap();
    let found: BTreeSet<_> = finding
        .items
        .iter()
        .map(|found| {
            let key = &found.item.key;
            (key.table.name().to_owned(), key.partition.clone(), key.sort.clone())
        })
        .collect();
    assert_eq!(
        there.difference(&found).collect::<Vec<_>>(),
        Vec::<&(String, String, String)>::new(),
        "nothing is missed"
    );
    assert_eq!(finding.letters.len(), 1, "and the failed delivery of this tenant alone");
    let document = person::export(&finding, &tenant, estate.clock.now()).to_string();
    assert!(document.contains("Qwertowska") && !document.contains(other.as_str()));

    // The command shows what it would do, and writes a file that only its owner reads.
    let who: Vec<String> =
        vec![format!("contact {contact}"), CUSTOMER[1].to_owned(), "0601 234 567".to_owned(), "Qwertowska".to_owned()];
    let named = || Some(tenant.to_string());
    let plan = command_line::person::PersonCommand::Forget { who: who.clone(), tenant: named(), yes: false };
    let plan = command_line::person::run(backend, plan).await.unwrap();
    assert!(plan.contains("line of the log: words removed") && plan.contains("Nothing was changed."), "{plan}");
    let file = tempfile::tempdir().unwrap().keep().join("person.json");
    let export = command_line::person::PersonCommand::Export { who, tenant: named(), to: Some(file.clone()) };
    command_line::person::run(backend, export).await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert_eq!(raw(backend, tenant.as_str(), &CUSTOMER).await, there, "nothing is changed before --yes");

    let (cards, others) = (estate.channel(0, "general").len(), raw(backend, other.as_str(), &CUSTOMER).await);
    let done = person::forget(backend, &tenant, &asked, "test", usize::MAX).await.unwrap();
    assert!(done.blanked > 0 && done.discarded == 1, "{done:?}");
    let left = raw(backend, tenant.as_str(), &CUSTOMER).await;
    let kept: BTreeSet<_> = done
        .left
        .items
        .iter()
        .filter(|found| matches!(found.action, ForgetAction::Keep(_)))
        .map(|found| found.item.key.sort.clone())
        .collect();
    assert!(left.iter().all(|(_, _, sort)| kept.contains(sort)), "{left:#?}");
    assert_eq!(done.left.items.len(), kept.len(), "{:?}", done.left.items);
    assert_eq!(letters(backend, &CUSTOMER).await, 1, "the other tenant's letter");
    assert_eq!(raw(backend, other.as_str(), &CUSTOMER).await, others, "and all else of it");
    let (audit, _) = Audit::new(backend.store.clone()).latest(&tenant, 5, None).await.unwrap();
    assert!(audit.iter().any(|entry| entry.what == "a person's data deleted"), "{audit:?}");
    assert!(!marked(&json!(audit).to_string(), &CUSTOMER), "{audit:?}");

    // The same hints again, and a real change: nothing is told twice, and what is new is told once.
    estate.sweep().await;
    estate.sandbox.portals[0].move_deal(deal, "WON");
    estate.settle().await;
    let now = estate.channel(0, "general");
    assert_eq!(now.len(), cards + 1, "{now:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employee_is_deleted_on_the_page_with_their_own_access() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = company(&estate, 0).await;
    let (backend, tenant, now) = (&estate.engine.backend, estate.tenant(0), estate.clock.now());
    let people = UserLinks::new(backend.store.clone());
    let link = UserLink {
        slack: "U0XENAKIS1".into(),
        user: 77,
        origin: LinkOrigin::Hand,
        name: "Dora Xenakis".into(),
        at: now,
    };
    people.link(&tenant, &link).await.unwrap();
    let nobody =
        Unmapped { slack: "U0XENAKIS2".into(), name: "Dora Xenakis".into(), email: Some(EMPLOYEE[1].into()), at: now };
    people.note_unmapped(&tenant, &nobody).await.unwrap();
    for (table, partition, sort, value) in [
        (
            Table::Links,
            format!("{tenant}#profile"),
            "portal#77",
            json!({"user": 77, "name": "Dora Xenakis", "email": EMPLOYEE[1]}),
        ),
        (Table::Links, format!("{tenant}#direct"), "user#77", json!({"by": EMPLOYEE[1], "channel": "D1"})),
        (
            Table::Portals,
            tenant.to_string(),
            "token#person#77",
            json!({"access": {"key": "k", "field": "f", "nonce": "n", "text": "SEALEDTEXT"}, "renewed_at": "2026-11-21T12:00:00Z"}),
        ),
    ] {
        backend
            .store
            .put(StoreWrite::new(ItemKey::new(table, partition, sort), &value, WriteCondition::Always).unwrap())
            .await
            .unwrap();
    }
    let there = raw(backend, tenant.as_str(), &EMPLOYEE).await;
    assert_eq!(there.len(), 5, "{there:#?}");

    let page = browser.submit("/admin/person", "/admin/person", &[("who", "user 77")]).await;
    assert!(
        page.text.contains("own access to Bitrix24")
            && page.text.contains("U0XENAKIS2")
            && page.text.contains("What stays, and why"),
        "{}",
        page.text
    );
    let forged = browser.post("/admin/person/forget", &[("who", "user 77"), ("sure", "yes")]).await;
    assert_eq!(forged.status, 403, "a form without the session's token");
    let token = page.text.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let file = browser.post("/admin/person/export", &[("token", &token), ("who", "user 77")]).await;
    assert!(
        file.text.contains(EMPLOYEE[1]) && file.text.contains("renewed_at") && !file.text.contains("SEALEDTEXT"),
        "{}",
        file.text
    );
    assert_eq!(raw(backend, tenant.as_str(), &EMPLOYEE).await, there, "looking changes nothing");
    let sure = browser.post("/admin/person/forget", &[("token", &token), ("who", "user 77")]).await;
    assert!(sure.text.contains("Delete this person’s data?"), "{}", sure.text);
    assert_eq!(raw(backend, tenant.as_str(), &EMPLOYEE).await, there, "asking for it changes nothing");
    let done = browser.post("/admin/person/forget", &[("token", &token), ("who", "user 77"), ("sure", "yes")]).await;
    assert!(done.text.contains("Deleted items: "), "{}", done.text);
    assert_eq!(raw(backend, tenant.as_str(), &EMPLOYEE).await, BTreeSet::new());
    let grant = backend.store.get(&ItemKey::new(Table::Portals, tenant.as_str(), "token#person#77")).await.unwrap();
    assert_eq!(grant, None);
    let bad = browser.post("/admin/person", &[("token", &token), ("who", "42")]).await;
    assert!(bad.text.contains("names nobody"), "{}", bad.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_of_the_api_has_what_providers_were_asked_or_answered() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    company(&estate, 0).await;
    let (deal, _) = order(&estate, 0, "Order 1").await;
    let (backend, tenant) = (&estate.engine.backend, estate.tenant(0));
    estate.sandbox.portals[0].move_deal(deal, "EXECUTING");
    estate.settle().await;
    let (_, key) =
        ApiKeys::new(backend.store.clone()).make(&tenant, "all", &Scope::ALL, estate.clock.now()).await.unwrap();
    let http = reqwest::Client::new();
    let described = http.get(format!("{}/api/v1/openapi.json", estate.url)).send().await.unwrap();
    let (_, described) = json_of(described).await;
    let mut seen = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path =
                path.replace("{member_id}", tenant.as_str()).replace("{id}", "0192f0c1-2345-7abc-8def-0123456789ab");
            let url = format!("{}{path}", estate.url);
            let request = if method == "get" { http.get(url) } else { http.post(url).body(r#"{"title":"x"}"#) };
            let request = request.bearer_auth(&key).header("idempotency-key", "again");
            let (status, answer) = json_of(request.send().await.unwrap()).await;
            assert_no_calls(&answer, &format!("{method} {path}: {status}"));
            seen +=
                answer["events"].as_array().map_or(0, Vec::len) + answer["deliveries"].as_array().map_or(0, Vec::len);
        }
    }
    assert!(seen >= 4, "there is a log to show: {seen}");
}

fn assert_no_calls(answer: &Value, place: &str) {
    match answer {
        Value::Object(map) => {
            for (name, value) in map {
                let is_ours = ["calls", "found", "request", "answer", "outbox", "errands", "said", "syncs", "jobs"]
                    .contains(&name.as_str());
                assert!(!is_ours, "{place}: {name}");
                assert_no_calls(value, place);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| assert_no_calls(value, place)),
        Value::String(text) => {
            assert!(!text.contains("crm.item") && !text.contains("chat.postMessage"), "{place}: {text}");
        }
        _ => {}
    }
}

fn deals(sandbox: &simulators::Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
    json!({"databases": [{"name": "Deals", "database": database, "records": "deal"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_and_its_page_show_stays_until_one_of_them_is_deleted() {
    let world = World::start_mirrored(true, deals).await;
    let (backend, tenant) = (&world.engine.backend, &world.tenant);
    let deal = world.sandbox.portal.add_deal("Order of Zofia Qwertowska", 1, "EUR");
    world.settle().await;
    let asked: Vec<Ask> = vec!["Qwertowska".parse().unwrap()];
    let done = person::forget(backend, tenant, &asked, "test", usize::MAX).await.unwrap();
    let left = raw(backend, tenant.as_str(), &CUSTOMER).await;
    assert!(!left.is_empty() && left.iter().all(|(_, partition, _)| partition.ends_with("#page")), "{left:#?}");
    let remains = person::remains(&done.left);
    assert!(
        remains.iter().any(|one| one.what.contains("sync state") && one.why.contains("follows them")),
        "{remains:#?}"
    );
    // Nothing was written to either side, and they are still synced.
    let (_, source) = world.sandbox.notion.database("Deals").unwrap();
    let title = |deal: u64| {
        let rows = world.sandbox.notion.rows(&source);
        rows.into_iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap().to_string()
    };
    world.pass(2).await;
    assert!(title(deal).contains("Order of Zofia Qwertowska"));
    world.sandbox.portal.change_item(simulators::portal::DEAL, deal, json!({"title": "Order 17"}));
    world.settle().await;
    world.pass(2).await;
    assert!(title(deal).contains("Order 17"), "{}", title(deal));
    person::forget(backend, tenant, &asked, "test", usize::MAX).await.unwrap();
    assert_eq!(raw(backend, tenant.as_str(), &CUSTOMER).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_address_of_notions_webhooks_can_neither_join_nor_push_the_right_token_out() {
    let world = World::start_mirrored(false, deals).await;
    let key = world.connections.open_notion_window(&world.tenant, false).await.unwrap();
    let url = world.notion_webhook(key.expose_secret());
    let post = |token: &'static str, body: String| {
        let signature = notion::signature::sign(&token.to_owned().into(), body.as_bytes());
        let request = world.http.post(&url).header("x-notion-signature", signature).body(body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let offer = |token: &str| json!({"verification_token": token}).to_string();
    let event = |id: &str, workspace: &str| {
        let page = "153104cd-477e-809d-8dc4-ff2d96ae3090";
        json!({"id": id, "type": "page.properties_updated", "workspace_id": workspace, "entity": {"id": page, "type": "page"}}).to_string()
    };
    // The right token comes first, strangers' after it, until no more are taken.
    let (_, status) = world.sandbox.notion.subscribe(&url).await;
    assert_eq!(status, 200);
    let mut refused = 0;
    for token in (0..25).map(|n| format!("secret_evil{n}")) {
        let body = offer(&token);
        let signature = notion::signature::sign(&token.into(), body.as_bytes());
        let sent = world.http.post(&url).header("x-notion-signature", signature).body(body).send().await.unwrap();
        refused += usize::from(sent.status() == 403);
    }
    assert_eq!(refused, 25 - (tenants::hooks::MAX_PENDING - 1));
    assert_eq!(post("secret_evil1", event("e1", "another-workspace")).await, 403, "another workspace");
    assert_eq!(post("secret_evil1", event("e2", "")).await, 403, "no workspace");
    assert_eq!(post("secret_never", event("e3", "")).await, 401, "never enrolled");
    // The workspace's own events activate the right token.
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let (_, source) = world.sandbox.notion.database("Deals").unwrap();
    let row = world
        .sandbox
        .notion
        .rows(&source)
        .into_iter()
        .find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal)
        .unwrap();
    world.sandbox.notion.edit(row["id"].as_str().unwrap(), &json!({"Amount": {"number": 7}})).unwrap();
    world.settle().await;
    assert_eq!(world.sandbox.portal.item(simulators::portal::DEAL, deal).unwrap()["opportunity"], 7);
    let (_, place) = world.connections.notion_address(&world.tenant).await.unwrap().unwrap();
    let hook = tenants::hooks::Hooks::new(world.engine.backend.store.clone()).read(&place).await.unwrap().unwrap();
    assert_eq!((hook.tokens.len(), hook.pending.len()), (1, tenants::hooks::MAX_PENDING - 1));
    // The key lies nowhere readable, and a new address ends the old one.
    let stored = raw(&world.engine.backend, world.tenant.as_str(), &[key.expose_secret()]).await;
    assert_eq!(stored, BTreeSet::new());
    world.connections.open_notion_window(&world.tenant, true).await.unwrap();
    assert_eq!(post("secret_evil1", offer("secret_evil1")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_an_earlier_version_kept_in_plain_text_works_and_is_sealed_by_the_upkeep() {
    let world = World::start_mirrored(true, deals).await;
    let (store, tenant) = (world.engine.backend.store.clone(), &world.tenant);
    let (key, place) = world.connections.notion_address(tenant).await.unwrap().unwrap();
    let hook: Value = store.get(&place).await.unwrap().unwrap().decode().unwrap();
    let plain = ItemKey::new(Table::Portals, "#hooks", key.expose_secret());
    let own = ItemKey::new(Table::Portals, tenant.as_str(), "notion-hook");
    let tokens = json!({"tenant": tenant, "tokens": hook["pending"]});
    store.put(StoreWrite::new(plain.clone(), &tokens, WriteCondition::Always).unwrap()).await.unwrap();
    store.put(StoreWrite::new(own.clone(), &key.expose_secret(), WriteCondition::Always).unwrap()).await.unwrap();
    store.delete(&place).await.unwrap();
    let unsigned = || async {
        world.http.post(world.notion_webhook(key.expose_secret())).body("{}").send().await.unwrap().status()
    };
    assert_eq!(unsigned().await, 401);
    let known = tenants::hooks::Hooks::new(store.clone()).at(key.expose_secret()).await.unwrap().unwrap();
    assert_eq!(known.0, plain);
    world.upkeep().await;
    assert_eq!(store.get(&plain).await.unwrap(), None);
    assert!(!store.get(&own).await.unwrap().unwrap().value.contains(key.expose_secret()));
    let moved: Value = store.get(&place).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(moved["tokens"], hook["pending"]);
    // A digest that somebody read from the store is no address.
    let digest = world.http.post(world.notion_webhook(&place.sort)).body("{}").send().await.unwrap();
    assert_eq!(digest.status(), 401);
    assert_eq!(tenants::hooks::Hooks::new(store).at(&place.sort).await.unwrap(), None);
}

async fn hint(estate: &Estate, tenant: &TenantId, key: &str, token: &str) -> u16 {
    let body =
        format!("event=ONCRMDEALUPDATE&data[FIELDS][ID]=1&auth[member_id]={tenant}&auth[application_token]={token}");
    let query = if key.is_empty() { String::new() } else { format!("?key={key}") };
    let url = format!("{}/webhooks/{tenant}/bitrix24{query}", estate.url);
    let request =
        reqwest::Client::new().post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_token_is_refused_at_once_here_and_within_seconds_elsewhere() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let tenant = estate.tenant(0);
    let old = estate.sandbox.portals[0].credentials().application_token;
    estate.connections.set_application_token(&tenant, &old.clone().into()).await.unwrap();
    assert_eq!(hint(&estate, &tenant, "", &old).await, 200);
    estate
        .connections
        .set_application_token(&tenant, &"another-token-of-32-characters-xx".to_owned().into())
        .await
        .unwrap();
    assert_eq!(hint(&estate, &tenant, "", &old).await, 401, "at once in the process that replaced it");
    assert_eq!(hint(&estate, &tenant, "", "another-token-of-32-characters-xx").await, 200);
    // Another process writes to the store behind our back.
    let key = ItemKey::new(Table::Portals, tenant.as_str(), "portal");
    let item = estate.engine.backend.store.get(&key).await.unwrap().unwrap();
    let mut portal: tenants::portals::Portal = item.decode().unwrap();
    portal.application_token = tenants::portals::TokenDigest::of(&old);
    estate.engine.backend.store.put(StoreWrite::new(key, &portal, WriteCondition::Always).unwrap()).await.unwrap();
    assert_eq!(hint(&estate, &tenant, "", &old).await, 200, "a new one counts at once everywhere");
    portal.application_token = tenants::portals::TokenDigest::of("a third");
    let key = ItemKey::new(Table::Portals, tenant.as_str(), "portal");
    estate.engine.backend.store.put(StoreWrite::new(key, &portal, WriteCondition::Always).unwrap()).await.unwrap();
    assert_eq!(hint(&estate, &tenant, "", &old).await, 200, "within ten seconds");
    estate.clock.advance(tenants::portals::PROOF_TTL);
    assert_eq!(hint(&estate, &tenant, "", &old).await, 401, "and not after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_key_of_the_address_is_good_until_the_portal_has_the_new_one() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    company(&estate, 0).await;
    let tenant = estate.tenant(0);
    let key_of =
        async || estate.connections.hook_url(&tenant, "").await.unwrap().split("key=").nth(1).unwrap().to_owned();
    let old = key_of().await;
    assert_eq!(hint(&estate, &tenant, &old, "x").await, 200);
    estate.connections.rotate_hook_key(&tenant, Duration::from_secs(3600)).await.unwrap();
    let new = key_of().await;
    assert_ne!(new, old);
    for key in [&old, &new] {
        assert_eq!(hint(&estate, &tenant, key, "x").await, 200);
    }
    let report = estate.upkeep().await;
    assert!(report.repaired > 0 && report.failed.is_empty(), "{report:?}");
    let deal = estate.sandbox.portals[0].add_deal("After", 1, "EUR");
    estate.settle().await;
    assert!(estate.channel(0, "general").iter().any(|card| card.contains("After")), "deal {deal}");
    assert_eq!(estate.upkeep().await.repaired, 0, "nothing is left at the old address");
    estate.clock.advance(Duration::from_secs(3600));
    assert_eq!(hint(&estate, &tenant, &old, "x").await, 401);
    assert_eq!(hint(&estate, &tenant, &new, "x").await, 200);
    estate.connections.rotate_hook_key(&tenant, Duration::ZERO).await.unwrap();
    assert_eq!(hint(&estate, &tenant, &new, "x").await, 401, "at once, where that is wanted");
}
