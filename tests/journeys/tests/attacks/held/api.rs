//! The API, asked by who may not.

use std::time::Duration;

use journeys::Stage;
use journeys::estate::{Estate, json_of};
use reqwest::Method;
use runtime::clock::Clock;
use serde_json::{Value, json};
use simulators::portal::{CONTACT, DEAL};
use tenants::api_keys::{ApiKeys, Scope};

use super::{Administrator, client, raw, sent, statuses, stored, waiting};

/// The largest body that the API reads.
const MAX_BODY: usize = 128 * 1024;
const JOB: &str = "jobs/0192f0c1-2345-7abc-8def-0123456789ab";

/// What there is to ask for, and the scope that it needs.
const ASKED: [(&str, &str, Scope); 6] = [
    ("GET", "events", Scope::Read),
    ("GET", "deliveries", Scope::Read),
    ("POST", "sync", Scope::Sync),
    ("GET", JOB, Scope::Sync),
    ("POST", "deals", Scope::Intake),
    ("POST", "contacts", Scope::Intake),
];

fn body(place: &str) -> Value {
    match place {
        "deals" => json!({"title": "Forged deal"}),
        "contacts" => json!({"first_name": "Forged contact"}),
        _ => json!({"all": true}),
    }
}

async fn installed(companies: usize) -> Estate {
    let estate = Estate::start_on(Stage::Sockets, companies).await;
    for company in 0..companies {
        estate.install(company).await;
    }
    estate
}

async fn key(estate: &Estate, company: usize, scopes: &[Scope]) -> String {
    let keys = ApiKeys::new(estate.engine.backend.store.clone());
    keys.make(&estate.tenant(company), "held", scopes, estate.clock.now()).await.unwrap().1
}

/// Asks; the limiter is given time.
async fn ask(estate: &Estate, method: &str, path: &str, key: &str, idempotency: &str, body: &Value) -> (u16, Value) {
    estate.clock.advance(Duration::from_secs(1));
    let request = client().request(method.parse::<Method>().unwrap(), format!("{}/api/v1/{path}", estate.url));
    let request = request.bearer_auth(key).header("idempotency-key", idempotency);
    let request = if method == "GET" { request } else { request.body(body.to_string()) };
    json_of(request.send().await.unwrap()).await
}

fn made(estate: &Estate, company: usize) -> (usize, usize) {
    let portal = &estate.sandbox.portals[company];
    (portal.ids(DEAL).len(), portal.ids(CONTACT).len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_of_writing_an_address_leads_to_another_tenant() {
    let estate = installed(2).await;
    let (own, other) = (estate.tenant(0), estate.tenant(1));
    let key = key(&estate, 0, &Scope::ALL).await;
    let (before, theirs) = (stored(&estate.engine.backend, other.as_str()).await, made(&estate, 1));
    let written = |place: &str| {
        [
            format!("{other}/{place}"),
            format!("{own}/../{other}/{place}"),
            format!("{own}/./../{other}/{place}"),
            format!("../v1/{other}/{place}"),
            format!("%2e%2e/{other}/{place}"),
            format!("{own}%2f..%2f{other}/{place}"),
            format!("{own}%2F%2e%2e%2F{other}/{place}"),
            format!("{own}/%2e%2e/{other}/{place}"),
            format!("{own}..%5c{other}/{place}"),
            format!("{own}\\..\\{other}/{place}"),
            format!("{other}%00{own}/{place}"),
            format!("{own}%00{other}/{place}"),
            format!("{other};{own}/{place}"),
            format!("{other}%20/{place}"),
            format!("%20{other}/{place}"),
            format!("{other}%23{own}/{place}"),
            format!("{own},{other}/{place}"),
            format!("{own}{other}/{place}"),
            format!("{}/{place}", other.as_str().to_uppercase().replace('0', "%30")),
            format!("{other}0/{place}"),
            format!("{}/{place}", &other.as_str()[..31]),
            format!("/{other}/{place}"),
            format!("%23admin/{place}"),
            format!("%23tenants/{place}"),
            format!("*/{place}"),
        ]
    };
    for (method, place, _) in ASKED {
        let body = body(place).to_string();
        for path in written(place) {
            estate.clock.advance(Duration::from_secs(1));
            // As it is: a client would tidy the address up.
            let request = format!(
                "{method} /api/v1/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\nidempotency-key: {path}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = raw(&estate.url, request.as_bytes()).await;
            assert!([vec![404], vec![400]].contains(&statuses(&answer)), "{method} {path}: {answer}");
            assert!(!answer.contains("\"deliveries\"") && !answer.contains("\"id\""), "{method} {path}: {answer}");
        }
    }
    // What is there is answered as what is not.
    for (method, place, _) in ASKED {
        let tried = ask(&estate, method, &format!("{other}/{place}"), &key, "k", &body(place)).await;
        let nobodys = ask(&estate, method, &format!("{}/{place}", "f".repeat(32)), &key, "k", &body(place)).await;
        assert_eq!((tried.0, &tried), (404, &nobodys), "{method} {place}");
    }
    assert_eq!((stored(&estate.engine.backend, other.as_str()).await, made(&estate, 1)), (before, theirs));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_changed_in_any_part_is_nobodys() {
    let estate = installed(2).await;
    let (own, other) = (estate.tenant(0).to_string(), estate.tenant(1).to_string());
    let (good, others) = (key(&estate, 0, &Scope::ALL).await, key(&estate, 1, &Scope::ALL).await);
    let parts: Vec<_> = good.trim_start_matches("swb_").split('.').map(str::to_owned).collect();
    let [_, id, secret] = &parts[..] else { unreachable!("{parts:?}") };
    let their_id = others.split('.').nth(1).unwrap();
    let bearer = |key: &str| format!("Bearer {key}");
    let cases = [
        ("the other tenant's name", bearer(&good.replace(&own, &other))),
        ("the other key's id", bearer(&good.replace(id, their_id))),
        ("the other tenant's name and id", bearer(&format!("swb_{other}.{their_id}.{secret}"))),
        ("the secret cut short", bearer(&good[..good.len() - 1])),
        ("a longer secret", bearer(&format!("{good}0"))),
        ("the secret in upper case", bearer(&format!("swb_{own}.{id}.{}", secret.to_uppercase()))),
        ("no secret", bearer(&format!("swb_{own}.{id}."))),
        ("two parts", bearer(&format!("swb_{own}.{id}"))),
        ("four parts", bearer(&format!("{good}.x"))),
        ("no mark", bearer(good.trim_start_matches("swb_"))),
        ("another mark", bearer(&good.replace("swb_", "swb-"))),
        ("an id that is a way out", bearer(&format!("swb_{own}.../{id}.{secret}"))),
        ("an id with a zero byte", bearer(&format!("swb_{own}.{id}%00.{secret}"))),
        ("an id as a pattern", bearer(&format!("swb_{own}.*.{secret}"))),
        ("an empty id", bearer(&format!("swb_{own}..{secret}"))),
        ("a partition as tenant", bearer(&format!("swb_#admin.{id}.{secret}"))),
        ("two keys", bearer(&format!("{good},{others}"))),
        ("an empty key", "Bearer ".into()),
        ("nothing but a name", "Bearer".into()),
        ("another scheme", format!("Basic {good}")),
        ("no scheme", good.clone()),
        ("20 KB", bearer(&"swb_".repeat(5_000))),
    ];
    for (method, place, _) in ASKED {
        for (what, header) in &cases {
            let request = client().request(method.parse().unwrap(), format!("{}/api/v1/{own}/{place}", estate.url));
            let reply = sent(request.header("authorization", header).body(body(place).to_string())).await;
            assert_eq!(reply.status, 401, "{method} {place} with {what}: {}", reply.text);
            assert!(!reply.text.contains(secret.as_str()), "{what}: {}", reply.text);
        }
        // A key is taken in its header only.
        for query in [format!("key={good}"), format!("access_token={good}"), format!("authorization=Bearer%20{good}")] {
            let request =
                client().request(method.parse().unwrap(), format!("{}/api/v1/{own}/{place}?{query}", estate.url));
            let request = request.header("cookie", query.clone()).header("x-api-key", &good);
            let reply = sent(request.body(body(place).to_string())).await;
            assert_eq!(reply.status, 401, "{method} {place}?{query}: {}", reply.text);
        }
    }
    // A key that was taken back, and one that was made by a page that has gone.
    let administrator = Administrator::of_company(&estate, 0).await;
    assert_eq!(administrator.submit("/admin/keys/revoke", &[("id", id)]).await.status, 303);
    assert_eq!(ask(&estate, "GET", &format!("{own}/events"), &good, "", &Value::Null).await.0, 401);
    assert_eq!(ask(&estate, "GET", &format!("{other}/events"), &others, "", &Value::Null).await.0, 200);
    // Another tenant's administrator cannot take a key back.
    assert_eq!(administrator.submit("/admin/keys/revoke", &[("id", their_id)]).await.status, 303);
    assert_eq!(ask(&estate, "GET", &format!("{other}/events"), &others, "", &Value::Null).await.0, 200);
    journeys::secrecy::nothing_leaked(&[good, others, secret.clone()], &estate.everything_on_disk());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let estate = installed(1).await;
    let (own, backend) = (estate.tenant(0), &estate.engine.backend);
    let (before, jobs) = (made(&estate, 0), waiting(backend).await);
    for scopes in [
        vec![],
        vec![Scope::Read],
        vec![Scope::Sync],
        vec![Scope::Intake],
        vec![Scope::Read, Scope::Sync],
        vec![Scope::Read, Scope::Intake],
        vec![Scope::Sync, Scope::Intake],
    ] {
        let key = key(&estate, 0, &scopes).await;
        for (method, place, needed) in ASKED {
            if scopes.contains(&needed) {
                continue;
            }
            let (status, told) = ask(&estate, method, &format!("{own}/{place}"), &key, place, &body(place)).await;
            assert_eq!(
                (status, told["error"].as_str()),
                (403, Some("missing_scope")),
                "{method} {place} with {scopes:?}"
            );
        }
    }
    assert_eq!((made(&estate, 0), waiting(backend).await), (before, jobs));
    // With all scopes other methods still do nothing.
    let key = key(&estate, 0, &Scope::ALL).await;
    for (method, place, _) in ASKED {
        for other in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if other != method {
                let (status, told) = ask(&estate, other, &format!("{own}/{place}"), &key, place, &body(place)).await;
                assert_eq!(status, 405, "{other} {place}: {told}");
            }
        }
        let request = client().request(method.parse().unwrap(), format!("{}/api/v1/{own}/{place}", estate.url));
        let request =
            request.header("x-http-method-override", "DELETE").bearer_auth(&key).body(body(place).to_string());
        assert!(sent(request).await.status < 500, "{place}");
    }
    // The deal and the contact of the last requests had no Idempotency-Key.
    assert_eq!(made(&estate, 0), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_is_another_for_another_tenant_and_another_thing() {
    let estate = installed(2).await;
    let keys = [key(&estate, 0, &[Scope::Intake]).await, key(&estate, 1, &[Scope::Intake]).await];
    let before = [made(&estate, 0), made(&estate, 1)];
    for name in [
        "order-1",
        "#admin",
        "../order-1",
        &format!("{}#intake", estate.tenant(1)),
        "a b",
        "'; drop table",
        &"x".repeat(255),
    ] {
        let mut found = Vec::new();
        for (company, key) in keys.iter().enumerate() {
            for place in ["deals", "contacts"] {
                let path = format!("{}/{place}", estate.tenant(company));
                let body = match place {
                    "deals" => json!({"title": format!("Deal of {company}")}),
                    _ => json!({"first_name": format!("Contact of {company}")}),
                };
                let (status, told) = ask(&estate, "POST", &path, key, name, &body).await;
                assert_eq!(status, 201, "{name} {path}: {told}");
                let host = estate.sandbox.portals[company].host();
                assert!(told["link"].as_str().unwrap().contains(&host), "{name} {path}: {told}");
                found.push(told);
                let (status, told) =
                    ask(&estate, "POST", &path, key, name, &json!({"title": "x", "first_name": "x"})).await;
                assert!([400, 422].contains(&status), "{name} {path}: {told}");
            }
        }
    }
    for (company, (deals, contacts)) in before.into_iter().enumerate() {
        assert_eq!(made(&estate, company), (deals + 7, contacts + 7), "{company}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_beyond_the_limit_is_refused_however_it_comes() {
    let estate = installed(1).await;
    let own = estate.tenant(0);
    let key = key(&estate, 0, &Scope::ALL).await;
    let before = made(&estate, 0);
    let padded = |size: usize| {
        let bare = json!({"title": "x", "comment": ""}).to_string();
        bare.replace("\"\"", &format!("\"{}\"", "y".repeat(size - bare.len())))
    };
    let limit = MAX_BODY;
    for (size, expected) in [(limit, 422), (limit + 1, 413), (4 * limit, 413), (16 * limit, 413)] {
        for chunked in [false, true] {
            estate.clock.advance(Duration::from_secs(1));
            let body = padded(size);
            let length = if chunked { "transfer-encoding: chunked".into() } else { format!("content-length: {size}") };
            let body = if chunked { format!("{size:x}\r\n{body}\r\n0\r\n\r\n") } else { body };
            let request = format!(
                "POST /api/v1/{own}/deals HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\nidempotency-key: {size}\r\n{length}\r\n\r\n{body}"
            );
            let answer = raw(&estate.url, request.as_bytes()).await;
            // A host may hang up on who goes on sending.
            let refused = statuses(&answer);
            assert!(refused == [expected] || (refused.is_empty() && size > limit), "{size} {chunked}: {answer}");
        }
    }
    // A length that is told and not kept.
    for (told, sent) in
        [("18446744073709551616", "{}"), ("-1", "{}"), ("1e3", "{}"), ("0x10", "{}"), ("", "{}"), ("+2", "{}")]
    {
        let request = format!(
            "POST /api/v1/{own}/deals HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\nidempotency-key: n\r\ncontent-length: {told}\r\n\r\n{sent}"
        );
        let answer = raw(&estate.url, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "content-length {told:?}: {answer}");
    }
    assert_eq!(made(&estate, 0), before);
}
