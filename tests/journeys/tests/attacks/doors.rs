//! Every public address in one table: what it accepts, how much of it, and what it must prove. An address without an
//! entry answers nothing.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use journeys::Stage;
use journeys::estate::Estate;
use web::doors::{Accepts, Door, DoorMethod, RequestProof, leads_to};

/// The functions that have an address.
const FUNCTIONS: [(&str, &[Door]); 6] = [
    ("bitrix24-webhook", bitrix24_webhook::DOORS),
    ("slack-webhook", slack_webhook::DOORS),
    ("notion-webhook", notion_webhook::DOORS),
    ("api", api::DOORS),
    ("install", install::DOORS),
    ("admin", admin::DOORS),
];

fn doors() -> impl Iterator<Item = &'static Door> {
    FUNCTIONS.iter().flat_map(|(_, doors)| *doors)
}

/// An address that a pattern means.
fn example(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn all_doors_stand_in_this_table() {
    let rows = FUNCTIONS.iter().flat_map(|(function, doors)| doors.iter().map(move |door| (function, door)));
    let rows = rows.map(|(function, door)| {
        let verb = if door.verb == DoorMethod::Get { "GET" } else { "POST" };
        format!(
            "{function:<16} {verb:<4} {:<40} {:<8} {:>7} {:?}",
            door.path,
            format!("{:?}", door.accepts),
            door.limit,
            door.proof
        )
    });
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_door_without_a_proof_changes_nothing_and_each_has_a_limit() {
    for door in doors() {
        assert!(
            door.verb == DoorMethod::Get || door.proof != RequestProof::Open,
            "{door:?} changes something for everybody"
        );
        assert!(door.verb == DoorMethod::Get || (door.limit > 0 && door.limit <= 4 * 1024 * 1024), "{door:?}");
        let is_form = door.accepts == Accepts::Form;
        assert!(!door.proof.needs_own_page() || is_form, "{door:?}");
        // A form of a page is one of ours, except where the portal itself posts.
        assert!(!is_form || door.proof.needs_own_page() || door.proof == RequestProof::ProviderToken, "{door:?}");
    }
    let all: Vec<_> = doors().map(|door| (door.verb as u8, door.path)).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no door stands there twice");
}

#[test]
fn the_template_leads_to_doors_only_and_to_all_of_them() {
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
    let paths: BTreeSet<String> = template
        .lines()
        .filter(|line| line.contains("ApiId: !Ref Api"))
        .filter_map(|line| line.split("Path: ").nth(1))
        .map(|rest| match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap().to_owned(),
            None => rest.split([' ', ',']).next().unwrap().to_owned(),
        })
        .collect();
    assert!(paths.len() > 8, "{paths:?}");
    for path in &paths {
        let led = doors().any(|door| leads_to(path, &example(door.path)) || leads_to(door.path, &example(path)));
        assert!(led, "{path} leads to no door");
    }
    for door in doors() {
        assert!(paths.iter().any(|path| leads_to(path, &example(door.path))), "{} is not in the template", door.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_door_asks_for_its_proof_and_takes_no_more_than_its_limit() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let send = |door: &Door, body: String, own: bool| {
        let url = format!("{}{}", estate.url, example(door.path));
        let mut request = if door.verb == DoorMethod::Get { http.get(url) } else { http.post(url).body(body) };
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if own {
            request = request.header("sec-fetch-site", "same-origin");
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    for door in doors() {
        let status = send(door, "a=b".into(), true).await;
        let wanted: &[u16] = match door.proof {
            RequestProof::Open => &[200, 303, 404],
            RequestProof::Signature | RequestProof::ApiKey => &[401],
            // A form that is no event is refused for that.
            RequestProof::PortalToken
            | RequestProof::ProviderToken
            | RequestProof::SessionAndState
            | RequestProof::OneTimeSecret => &[400, 401],
            RequestProof::State | RequestProof::OwnPage => &[400],
            RequestProof::Receipt => &[404],
            // Whoever is not signed in is asked to sign in.
            RequestProof::Session => &[200],
            RequestProof::SessionForm => &[200, 401],
        };
        assert!(wanted.contains(&status), "{} {:?}: {status}", door.path, door.proof);
        if door.proof.needs_own_page() {
            assert_eq!(send(door, "a=b".into(), false).await, 403, "{} for another site", door.path);
        }
        // Who has no key of the API learns nothing, not even a limit.
        if door.verb == DoorMethod::Post && door.proof != RequestProof::ApiKey {
            let over = format!("a={}", "x".repeat(door.limit - 1));
            assert_eq!(send(door, over, true).await, 413, "{} over its limit", door.path);
        }
    }
    for path in ["/", "/admin/nothing", "/install/nothing", "/webhooks", "/webhooks/other", "/api/v2/x/events"] {
        let status = http.get(format!("{}{path}", estate.url)).send().await.unwrap().status();
        assert_eq!(status, 404, "{path}");
    }
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH, reqwest::Method::OPTIONS] {
        for path in ["/admin", "/install", "/admin/keys", "/webhooks/bitrix24", "/webhooks/slack"] {
            let asked = http.request(method.clone(), format!("{}{path}", estate.url)).send().await.unwrap();
            assert_eq!(asked.status(), 405, "{method} {path}");
            assert!(asked.headers().contains_key("allow"), "{method} {path}");
        }
    }
}
