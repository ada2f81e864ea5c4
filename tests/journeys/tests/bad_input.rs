//! What arrives at the webhook: every real and documented body, and everything that should be refused.

use std::fs;
use std::path::{Path, PathBuf};

use bitrix24::{EntityType, Subject, SubjectAction, UnverifiedEvent};
use jobs::queues;
use journeys::World;
use secrecy::ExposeSecret;
use tenants::portals::TokenDigest;

fn forms(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut forms: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    forms.sort();
    forms
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "form"))
        .map(|path| {
            let body = fs::read(&path).unwrap();
            (path, body)
        })
        .collect()
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Connects the portal that an event says it is from, with the token that it carries.
async fn connect_sender(world: &World, event: &UnverifiedEvent) {
    let portal = world.connections.portals().get(&world.tenant).await.unwrap().unwrap();
    let tenant = runtime::TenantId::new(event.auth.member_id.clone()).unwrap();
    let application_token = TokenDigest::of(event.auth.application_token.expose_secret());
    world
        .connections
        .portals()
        .put(&tenants::portals::Portal { tenant, application_token, ..(*portal).clone() })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_real_and_documented_event_is_accepted_with_its_meaning() {
    let world = World::start().await;
    let mut refused = Vec::new();
    let mut meanings = Vec::new();
    for folder in ["events", "events-realistic"] {
        for (path, body) in forms(folder) {
            let Ok(event) = UnverifiedEvent::parse(&body) else {
                let (status, answer) = world.post(body).await;
                refused.push(format!("{} {status} {}", name(&path), answer["error"].as_str().unwrap_or_default()));
                continue;
            };
            connect_sender(&world, &event).await;
            // The webhook believes its cache for a minute.
            world.clock.advance(std::time::Duration::from_secs(61));
            let (status, answer) = world.post(body).await;
            assert_eq!((status, answer["ok"].as_bool()), (200, Some(true)), "{}", path.display());
            meanings.push(format!(
                "{folder}/{} {} {}",
                name(&path),
                event.code,
                serde_json::to_string(&event.subject()).unwrap()
            ));
        }
    }
    let depth = runtime::Queue::depth(world.engine.queue.as_ref(), queues::BITRIX24_EVENTS).await.unwrap();
    assert_eq!(usize::try_from(depth.waiting).unwrap(), meanings.len(), "each accepted event waits on the queue");
    insta::assert_snapshot!("refused", refused.join("\n"));
    insta::assert_snapshot!("meanings", meanings.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn real_captures_mean_what_they_mean() {
    let read = |name: &str| {
        let (_, body) = forms("events").into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
        UnverifiedEvent::parse(&body).unwrap()
    };
    let contact = read("real-local-app-crm-contact-add.form");
    let expected = Subject::Item { entity: EntityType::CONTACT, id: 134_806, action: SubjectAction::Add };
    assert_eq!((contact.subject(), contact.auth.user_id), (expected, Some(1)));
    let comment = read("real-outgoing-webhook-task-comment-add.form");
    let expected = Subject::TaskComment { task: 2536, comment: None, message: Some(48760), action: SubjectAction::Add };
    assert_eq!((comment.subject(), comment.auth.user_id), (expected, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why_and_leaves_nothing_on_the_queue() {
    let world = World::start().await;
    let good = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let token = world.sandbox.portal.credentials().application_token;
    let member = world.sandbox.portal.credentials().member_id;
    let wrong_token = good.replace(&token, "jvh9y1ulvt2m6k5or90v9mg8nn32ozaX");
    let unknown_portal = good.replace(&member, "00000000000000000000000000000000");
    let foreign_key = good.replace(&member, "a%23b");
    let no_token = good.replace("auth%5Bapplication_token%5D", "auth%5Bother%5D");
    for body in [wrong_token, unknown_portal, foreign_key, no_token] {
        let (status, answer) = world.post(body).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("wrong_token")), "{answer}");
        assert_eq!(
            answer["message"], "auth[member_id] and auth[application_token] do not belong to a connected portal",
            "the answer does not tell which of them is wrong"
        );
    }
    let (status, answer) = world.post(format!("{good}&x={}", "y".repeat(800_000))).await;
    assert_eq!((status, answer["error"].as_str()), (413, Some("too_large")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("at most 786432 bytes"), "{answer}");
    for (body, what) in [
        (good.replace(&token, "%ff").into_bytes(), "auth[application_token] is not UTF-8"),
        (br#"{"event":"ONCRMDEALADD"}"#.to_vec(), "not a form"),
        (br#"{"event":"ONCRMDEALADD", "url": "a=b"}"#.to_vec(), "not a form"),
        (Vec::new(), "not a form"),
        (good.replace("event=", "evnt=").into_bytes(), "no field \"event\""),
    ] {
        let (status, answer) = world.post(body).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("not_an_event")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(what), "{answer}");
    }
    let (status, answer) = world.post_as("application/json", good.clone()).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("not as application/json"), "{answer}");
    let got = world.http.get(&world.webhook).send().await.unwrap();
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));

    let depth = runtime::Queue::depth(world.engine.queue.as_ref(), queues::BITRIX24_EVENTS).await.unwrap();
    assert_eq!(depth.waiting, 0);
    let counted = world.engine.counters.all();
    assert_eq!(counted[&("events_refused", "wrong_token")], 4);
    assert_eq!(counted[&("events_refused", "not_an_event")], 6);
    assert_eq!(counted[&("events_refused", "too_large")], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_event_is_accepted_and_said_to_be_unknown() {
    let world = World::start().await;
    for event in ["ONSOMETHINGNEW", "ONTASKADD", "ONCRMDEALUPDATE"] {
        let body = world.sandbox.portal.event_body(event, 1).replace("data%5BFIELDS%5D%5BID%5D=1&", "");
        assert_eq!(world.post(body).await.0, 200);
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    world.settle().await;
    assert_eq!(
        world.ledger().await,
        [
            "ONSOMETHINGNEW | skipped | unknown event",
            "ONTASKADD | skipped | the event has no data[FIELDS_AFTER][ID]",
            "ONCRMDEALUPDATE | skipped | the event has no data[FIELDS][ID]",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_token_is_believed_at_once() {
    let world = World::start().await;
    let body = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    assert_eq!(world.post(body.clone()).await.0, 200);
    let portal = world.connections.portals().get(&world.tenant).await.unwrap().unwrap();
    let replaced = tenants::portals::Portal { application_token: TokenDigest::of("another"), ..(*portal).clone() };
    world.connections.portals().put(&replaced).await.unwrap();
    let token = world.sandbox.portal.credentials().application_token;
    assert_eq!(world.post(body.replace(&token, "another")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_makes_a_503_and_never_a_200() {
    let world = World::start().await;
    let backend = runtime::Backend { queue: std::sync::Arc::new(journeys::Refusing), ..world.engine.backend.clone() };
    let deps = bitrix24_webhook::Deps::from(backend);
    let body = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let request = http::Request::post("/webhooks/bitrix24").body(bytes::Bytes::from(body)).unwrap();
    let response = bitrix24_webhook::handle(&deps, request).await;
    assert_eq!(response.status(), 503);
    assert!(!String::from_utf8_lossy(response.body()).contains("disk"), "what is wrong inside is not told outside");
}
