//! Requests that no client would send; and names of tenants of which one begins like another.

use journeys::{Stage, World};
use runtime::TenantId;
use runtime::clock::Clock;
use secrecy::SecretString;
use tenants::api_keys::{ApiKeys, Scope};
use tenants::audit::{Audit, AuditEntry};
use tenants::departure;

use super::{Administrator, FORM, base, client, raw, sent, statuses, stored, waiting};

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /webhooks/bitrix24 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_proper_request_is_refused_and_harms_nobody() {
    let world = World::start_on(Stage::Sockets).await;
    let at = base(&world);
    let event = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let length = event.len();
    let many: String = (0..10_000).map(|place| format!("x-{place}: y\r\n")).collect();
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("an address of 64 KB", get(&format!("/admin?{}", "x".repeat(65_536)), ""), &[414, 431]),
        ("an address of 1 MB", get(&format!("/admin/{}", "x".repeat(1 << 20)), ""), &[414, 431]),
        ("a header of 1 MB", get("/admin", &format!("x: {}\r\n", "y".repeat(1 << 20))), &[431]),
        (
            "a cookie of 1 MB",
            get("/admin", &format!("cookie: switchboard_session={}\r\n", "y".repeat(1 << 20))),
            &[431],
        ),
        ("a header's name of 1 MB", get("/admin", &format!("{}: y\r\n", "x".repeat(1 << 20))), &[400, 431]),
        ("10,000 headers", get("/admin", &many), &[431]),
        ("two lengths", post(&format!("content-length: {length}\r\ncontent-length: 5\r\n"), &event), &[400]),
        (
            "two lengths, the short one first",
            post(&format!("content-length: 5\r\ncontent-length: {length}\r\n"), &event),
            &[400],
        ),
        ("two lengths in one header", post(&format!("content-length: 5, {length}\r\n"), &event), &[400]),
        ("a length with a sign", post(&format!("content-length: +{length}\r\n"), &event), &[400]),
        ("a length below nothing", post("content-length: -1\r\n", &event), &[400]),
        ("a length beyond numbers", post("content-length: 99999999999999999999999\r\n", &event), &[400]),
        ("an unknown coding", post("transfer-encoding: xchunked\r\n", &event), &[400]),
        ("a coding that is not the last", post("transfer-encoding: chunked, identity\r\n", &event), &[400]),
        ("a blank before the colon", post(&format!("content-length : {length}\r\n"), &event), &[400]),
        ("a header over two lines", get("/admin", "x: y\r\n z\r\n"), &[400]),
        ("a zero byte in a header", get("/admin", "x: a\0b\r\n"), &[400]),
        ("a line end in a header", get("/admin", "x: a\rb\r\n"), &[400]),
        ("a header without a name", get("/admin", ": y\r\n"), &[400]),
        ("a blank in the address", get("/admin /x", ""), &[400]),
        ("a zero byte in the address", get("/admin\0", ""), &[400]),
        ("another version", b"GET /admin HTTP/9.9\r\nhost: x\r\n\r\n".to_vec(), &[400, 505]),
        ("no version", b"GET /admin\r\n\r\n".to_vec(), &[400]),
        ("no method", b" /admin HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), &[400]),
        ("brackets as a method", b"<x> /admin HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), &[400]),
        ("the beginning of TLS", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], [0; 200].as_slice()].concat(), &[400]),
        ("a word of another protocol", b"SSH-2.0-x\r\n\r\n".to_vec(), &[400]),
    ];
    for (what, request, expected) in cases {
        let answer = raw(&at, &request).await;
        let got = statuses(&answer);
        let is_refused = got.len() == 1 && expected.contains(&got[0]);
        assert!(
            is_refused,
            "{what}: {got:?}, not one of {expected:?}: {}",
            answer.chars().take(300).collect::<String>()
        );
        assert!(!answer.contains("set-cookie"), "{what}: {answer}");
    }
    assert_eq!(waiting(&world.engine.backend).await, 0);
    assert_eq!(world.post(event).await.0, 200, "the host goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_within_a_request_is_a_body_and_no_request() {
    let world = World::start_on(Stage::Sockets).await;
    let at = base(&world);
    let event = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let hidden =
        format!("POST /webhooks/bitrix24 HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{event}", event.len());
    let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (what, headers, body) in [
        (
            "a chunk, with a length that ends before it",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n".to_owned(),
            chunk.clone(),
        ),
        (
            "a chunk, with the length after the coding",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n".to_owned(),
            chunk.clone(),
        ),
        (
            "a chunk, with no length left",
            "content-length: 0\r\ntransfer-encoding: chunked\r\n".to_owned(),
            chunk.clone(),
        ),
        ("a body by its length", format!("content-length: {}\r\n", hidden.len()), hidden.clone()),
    ] {
        let answer = raw(&at, &post(&headers, &body)).await;
        assert_eq!(statuses(&answer).len(), 1, "{what}: {answer}");
        assert_eq!(waiting(&world.engine.backend).await, 0, "{what}");
    }
    // By the length all of it is one body; by the coding it ends at once. Whoever is right, the connection ends there.
    let body = format!("0\r\n\r\n{hidden}");
    let headers = format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", body.len());
    let answer = raw(&at, &post(&headers, &body)).await;
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
    assert_eq!(waiting(&world.engine.backend).await, 0);
    // Chunks whose size is none.
    for size in ["-1", "0x10", "fffffffffffffffff", "g", "10 10", ""] {
        let answer =
            raw(&at, &post("transfer-encoding: chunked\r\n", &format!("{size}\r\n{event}\r\n0\r\n\r\n"))).await;
        let statuses = statuses(&answer);
        assert!(
            !statuses.is_empty() && statuses.iter().all(|status| (400..500).contains(status)),
            "{size:?}: {answer}"
        );
        assert_eq!(waiting(&world.engine.backend).await, 0, "{size:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_name_begins_anothers_reaches_nothing_of_it() {
    let world = World::start_on(Stage::Sockets).await;
    let backend = &world.engine.backend;
    let named = |name: &str| TenantId::new(name).unwrap();
    for (name, team) in [("abc", "T0ABC"), ("abcd", "T0ABCD"), ("abc-d", "T0ABCE"), ("ab", "T0AB")] {
        let mut access = journeys::access_to(&world.sandbox, &settings::Settings::default());
        access.member_id = name.into();
        access.workspace.as_mut().unwrap().team_id = team.into();
        access.application_token = SecretString::from(format!("the token of {name}"));
        access.signing_secret = Some(SecretString::from(format!("the signing secret of {name}")));
        world.connections.join(access).await.unwrap();
        let entry = AuditEntry::new(world.clock.now(), format!("somebody of {name}"), "changed", "x");
        Audit::new(backend.store.clone()).note(&named(name), &entry).await.unwrap();
    }
    let keys = ApiKeys::new(backend.store.clone());
    let others = ["abcd", "abc-d", "ab"];
    let mut made = Vec::new();
    for name in ["abc", "abcd", "abc-d", "ab"] {
        made.push(keys.make(&named(name), &format!("key of {name}"), &Scope::ALL, world.clock.now()).await.unwrap());
        Administrator::sign_in(&base(&world), backend, &named(name)).await;
        let event = format!(
            "event=ONCRMDEALADD&data[FIELDS][ID]=1&auth[member_id]={name}&auth[application_token]=the token of {name}"
        );
        assert_eq!(world.post(event).await.0, 200, "{name}");
    }
    world.clock.advance(std::time::Duration::from_secs(1));
    world.none_left_to_work_now().await;

    let before: Vec<_> = futures::future::join_all(others.map(|name| async move { stored(backend, name).await })).await;
    for (name, kept) in others.iter().zip(&before) {
        let is_own = |line: &String| line.split(' ').nth(1).unwrap().split('#').next() == Some(name);
        assert!(kept.len() > 4 && kept.iter().all(is_own), "{name}: {kept:#?}");
    }
    // What the pages and the API show.
    let own = Administrator::sign_in(&base(&world), backend, &named("abc")).await;
    for path in super::markup::PAGES {
        let page = own.get(path).await.text;
        for name in others {
            assert!(!page.contains(&format!("of {name}<")), "{path} shows what is {name}'s: {page}");
        }
    }
    assert!(own.get("/admin/keys").await.text.contains("key of abc"));
    let key = &made[0].1;
    for name in others {
        for place in ["events", "deliveries"] {
            let request = client().get(format!("{}/api/v1/{name}/{place}", base(&world))).bearer_auth(key);
            assert_eq!(sent(request).await.status, 404, "{name}/{place}");
        }
        let forged = key.replace("swb_abc.", &format!("swb_{name}."));
        let request = client().get(format!("{}/api/v1/{name}/events", base(&world))).bearer_auth(forged);
        assert_eq!(sent(request).await.status, 401, "{name}");
        let event = format!("event=ONCRMDEALADD&auth[member_id]={name}&auth[application_token]=the token of abc");
        let request = client().post(&world.webhook).header("content-type", FORM).body(event);
        assert_eq!(sent(request).await.status, 401, "{name}");
    }
    for (key, _) in &made[1..] {
        own.submit("/admin/keys/revoke", &[("id", &key.id)]).await;
    }
    own.submit("/admin/audit/revoke", &[("name", "others")]).await;
    // And it leaves alone.
    departure::depart(backend, &named("abc")).await.unwrap();
    assert_eq!(stored(backend, "abc").await, Vec::<String>::new());
    for (name, kept) in others.iter().zip(&before) {
        assert_eq!(&stored(backend, name).await, kept, "{name}");
    }
    for (index, name) in others.iter().enumerate() {
        assert_eq!(keys.all(&named(name)).await.unwrap().len(), 1, "{name}");
        assert!(keys.find(&made[index + 1].1).await.unwrap().is_some(), "{name}");
    }
}
