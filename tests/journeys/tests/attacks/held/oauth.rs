//! Coming back from a provider with what was not given to this browser, or not for this.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitrix24::oauth::{AuthServers, WEST};
use bytes::Bytes;
use http::Request;
use journeys::Stage;
use journeys::estate::{Browser, Estate, Page, field, secret};
use serde_json::json;
use simulators::estate::BITRIX24_APP;
use simulators::http::{Server, answer};

use super::{FORM, client, form, sent};

/// An administrator begins to connect their portal and allows it; where their browser is sent.
async fn begun(estate: &Estate, browser: &Browser) -> String {
    let portal = &estate.sandbox.portals[0];
    let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
    let asked = browser.leads_to(&page.text);
    estate.sandbox.authority.allow(portal, BITRIX24_APP.0, &field(&asked, "state"), 1)
}

/// The address with some fields changed; those without a value are left out.
fn with(url: &str, changes: &[(&str, Option<&str>)]) -> String {
    let (place, query) = url.split_once('?').unwrap();
    let mut fields: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (name, value) in changes {
        match value {
            Some(value) => fields.insert((*name).to_owned(), (*value).to_owned()),
            None => fields.remove(*name),
        };
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    format!("{place}?{}", form(&fields))
}

/// Nothing was connected by what came back, and nobody is signed in by it.
async fn came_to_nothing(estate: &Estate, browser: &Browser, page: &Page, what: &str) {
    assert!((400..500).contains(&page.status), "{what}: {} {}", page.status, page.text);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [], "{what}");
    let shown = browser.get("/admin/keys").await.text;
    assert!(!shown.contains("name=\"token\""), "{what}: the browser is signed in: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_good_once_in_its_browser_for_ten_minutes_and_with_its_code() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.browser();
    let nobodys = "0".repeat(32);
    let cases: Vec<(&str, Vec<(&str, Option<&str>)>)> = vec![
        ("no state", vec![("state", None)]),
        ("an empty state", vec![("state", Some(""))]),
        ("a state of nobody", vec![("state", Some(&nobodys))]),
        ("a state with a way out", vec![("state", Some("../install"))]),
        ("no code", vec![("code", None)]),
        ("an empty code", vec![("code", Some(""))]),
        ("a code of nobody", vec![("code", Some(&nobodys))]),
        ("a refusal", vec![("error", Some("access_denied"))]),
        ("a refusal beside no code", vec![("error", Some("<b>no</b>")), ("code", None)]),
    ];
    for (what, changes) in cases {
        let back = begun(&estate, &browser).await;
        let page = browser.get(&with(&back, &changes)).await;
        came_to_nothing(&estate, &browser, &page, what).await;
    }
    let cut = |back: &str| field(back, "state")[1..].to_owned();
    let back = begun(&estate, &browser).await;
    let page = browser.get(&with(&back, &[("state", Some(&cut(&back)))])).await;
    came_to_nothing(&estate, &browser, &page, "a state that is cut short").await;

    // Another browser, with a flow of its own or without.
    let (stranger, unused) = (estate.browser(), estate.browser());
    begun(&estate, &stranger).await;
    for (what, other) in [("a browser that began another", &stranger), ("a browser that began nothing", &unused)] {
        let back = begun(&estate, &browser).await;
        came_to_nothing(&estate, other, &other.get(&back).await, what).await;
        // It is used up by the try.
        came_to_nothing(&estate, &browser, &browser.get(&back).await, &format!("after {what}")).await;
    }
    // The first of two that one browser began does not count any more once the second was.
    let first = begun(&estate, &browser).await;
    begun(&estate, &browser).await;
    came_to_nothing(&estate, &browser, &browser.get(&first).await, "the earlier of two").await;
    let back = begun(&estate, &browser).await;
    estate.clock.advance(Duration::from_secs(601));
    came_to_nothing(&estate, &browser, &browser.get(&back).await, "after ten minutes").await;

    // The right way, once.
    let back = begun(&estate, &browser).await;
    assert_eq!(browser.follow(&back).await.status, 200);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(0)]);
    assert_eq!(browser.get(&back).await.status, 400, "a second time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_bitrix24s_two_servers_are_asked_about_a_code() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.browser();
    for server in [
        "",
        "127.0.0.1",
        "localhost",
        "169.254.169.254",
        "evil.example",
        "bitrix.info",
        "oauth.bitrix.info.evil.example",
        "oauth.bitrix.info.",
        "evil-oauth.bitrix.info",
        "x.oauth.bitrix.info",
        "oauth.bitrix.info@evil.example",
        "https://evil.example/oauth.bitrix.info",
        "https://evil.example?oauth.bitrix.info",
        "https://evil.example#oauth.bitrix.info",
        "https://evil.example\\oauth.bitrix.info",
        "evil.example\noauth.bitrix.info",
        "oauth.bitrix.info\0",
        "oauth.bitrix.inf\u{43e}",
        "oauth\u{3002}bitrix\u{3002}info",
        // One of the two, but not this portal's.
        "oauth.bitrix24.tech",
    ] {
        let back = begun(&estate, &browser).await;
        let page = browser.get(&with(&back, &[("server_domain", Some(server))])).await;
        came_to_nothing(&estate, &browser, &page, &format!("the server {server:?}")).await;
    }
    let back = begun(&estate, &browser).await;
    assert_eq!(browser.follow(&back).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_at_one_provider_does_not_end_at_another() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let (browser, _) = estate.install_portal(0).await;
    let team = estate.sandbox.workspaces[0].team_id();
    let slack = async || {
        let page = browser.submit("/install", "/install/slack", &[]).await;
        estate.sandbox.hub.allow(&browser.leads_to(&page.text), &team)
    };
    let notion = async || {
        let page = browser.submit("/install", "/install/notion", &[]).await;
        estate.sandbox.notion.consent(&browser.leads_to(&page.text))
    };
    let sign_in = async || {
        let asked = browser.leads_to(&browser.get("/admin/sign-in/slack").await.text);
        estate.sandbox.hub.sign_in(&asked, &team, "U0PERSON01")
    };
    let places = [
        "/install/bitrix24/callback",
        "/install/slack/callback",
        "/install/notion/callback",
        "/admin/sign-in/slack/back",
    ];
    for begins in ["slack", "notion", "sign-in"] {
        for ends in places.iter().filter(|place| !place.contains(begins)) {
            let back = match begins {
                "slack" => slack().await,
                "notion" => notion().await,
                _ => sign_in().await,
            };
            let query = back.split_once('?').unwrap_or_else(|| unreachable!("{begins} leads nowhere")).1;
            let page = browser.get(&format!("{ends}?{query}&server_domain={WEST}")).await;
            assert!((400..500).contains(&page.status), "{begins} ends at {ends}: {} {}", page.status, page.text);
            let portal = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
            assert!(portal.slack.is_none() && portal.notion.is_none(), "{begins} ends at {ends}");
        }
    }
    // Without the session that began it, nothing of it counts either.
    let back = slack().await;
    let page = estate.browser().get(&back).await;
    assert_eq!(page.status, 401, "{}", page.text);
    let back = slack().await;
    assert_eq!(browser.follow(&back).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_slack_is_good_only_with_the_verifier_of_who_began() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let (browser, _) = estate.install_portal(0).await;
    let (attacker, _) = estate.install_portal(1).await;
    let begun = async |browser: &Browser| {
        let page = browser.submit("/install", "/install/slack", &[]).await;
        browser.leads_to(&page.text)
    };
    let (asked, attackers) = (begun(&browser).await, begun(&attacker).await);
    assert_eq!(field(&asked, "code_challenge_method"), "S256");
    let challenge = field(&asked, "code_challenge");
    assert_eq!(challenge.len(), 43, "{challenge}");
    assert_ne!(challenge, field(&attackers, "code_challenge"));
    // The attacker's workspace, put into the browser of the other.
    let back = estate.sandbox.hub.allow(&asked, &estate.sandbox.workspaces[0].team_id());
    let code = field(&estate.sandbox.hub.allow(&attackers, &estate.sandbox.workspaces[1].team_id()), "code");
    let page = browser.get(&with(&back, &[("code", Some(&code))])).await;
    assert!((400..500).contains(&page.status), "{} {}", page.status, page.text);
    // A challenge of the attacker's own, on the way to Slack.
    let asked = begun(&browser).await;
    let other = with(&asked, &[("code_challenge", Some(&"x".repeat(43)))]);
    let back = estate.sandbox.hub.allow(&other, &estate.sandbox.workspaces[0].team_id());
    let page = browser.get(&back).await;
    assert!((400..500).contains(&page.status), "{} {}", page.status, page.text);
    for company in [0, 1] {
        let portal = estate.connections.portals().fresh(&estate.tenant(company)).await.unwrap().unwrap();
        assert!(portal.slack.is_none(), "{company}");
    }
    assert!(estate.install_slack(0, &browser).await.contains(" is connected."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_an_installation_brings_are_believed_by_nobody_but_their_server() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let authority = &estate.sandbox.authority;
    let handler = format!("{}{}", estate.url, install::BITRIX24_APP);
    let (own, other) = (estate.tenant(0).to_string(), estate.tenant(1).to_string());
    let good = authority.tokens(&estate.sandbox.portals[0], BITRIX24_APP.0, 1);
    let good = good["access_token"].as_str().unwrap();
    let west = "https://oauth.bitrix.info/rest/";
    let cases = [
        ("another portal's member_id", other.as_str(), good, west),
        ("no member_id", "", good, west),
        ("the partition of codes", "#admin", good, west),
        ("a longer member_id", &format!("{own}0"), good, west),
        ("no token", &own, "", west),
        ("nonsense", &own, "nonsense", west),
        ("the token cut short", &own, &good[1..], west),
        ("the token with a zero byte", &own, &format!("{good}\0"), west),
        ("a foreign server", &own, good, "https://evil.example/rest/"),
        ("a server that begins like the right one", &own, good, "https://oauth.bitrix.info.evil.example/rest/"),
        ("a server with the right one as its user", &own, good, "https://oauth.bitrix.info@evil.example/rest/"),
        ("the other region's server", &own, good, "https://oauth.bitrix24.tech/rest/"),
    ];
    for (what, member, access, server) in cases {
        for event in ["ONAPPINSTALL", "ONAPPUPDATE"] {
            let body = form(&[
                ("event", event),
                ("auth[member_id]", member),
                ("auth[access_token]", access),
                ("auth[server_endpoint]", server),
                ("auth[application_token]", "evil"),
            ]);
            let reply = sent(client().post(&handler).header("content-type", FORM).body(body)).await;
            assert_eq!((reply.status, reply.json()["error"].as_str()), (401, Some("wrong_token")), "{event} {what}");
        }
        let opened = form(&[("AUTH_ID", access), ("member_id", member), ("SERVER_ENDPOINT", server)]);
        let reply = sent(client().post(&handler).header("content-type", FORM).body(opened)).await;
        assert!((400..500).contains(&reply.status), "opened with {what}: {} {}", reply.status, reply.text);
    }
    // A token whose hour is over, and one of an application that nobody knows here.
    estate.sandbox.authority.expire_all();
    let expired = form(&[("event", "ONAPPINSTALL"), ("auth[member_id]", &own), ("auth[access_token]", good)]);
    let reply = sent(client().post(&handler).header("content-type", FORM).body(expired)).await;
    assert_eq!(reply.status, 401, "expired: {}", reply.text);
    let card = simulators::oauth::AppCard {
        id: "app.unknown.1".into(),
        secret: "planted-unknown-client-secret".into(),
        redirect: String::new(),
        scope: "crm".into(),
    };
    authority.add_card(card);
    let unknown = authority.tokens(&estate.sandbox.portals[0], "app.unknown.1", 1);
    let unknown = unknown["access_token"].as_str().unwrap();
    let foreign = form(&[("event", "ONAPPINSTALL"), ("auth[member_id]", &own), ("auth[access_token]", unknown)]);
    let reply = sent(client().post(&handler).header("content-type", FORM).body(foreign)).await;
    assert_eq!(reply.status, 401, "an unknown application: {}", reply.text);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), []);
}

#[tokio::test]
async fn codes_tokens_and_client_secrets_go_as_bodies_and_never_in_an_address() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let noted = asked.clone();
    let server = Server::start(0, move |request: Request<Bytes>| {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        noted.lock().unwrap().push((format!("{} {}", request.method(), request.uri()), body));
        async { Ok(answer(200, &json!({"ok": true, "access_token": "planted-access-token"}))) }
    })
    .await
    .unwrap();
    let url = server.url();
    let http = wire::Http::new(journeys::network(), None).unwrap();
    let (client_secret, code, refresh) = (secret("planted-client-secret"), "planted-code", secret("planted-refresh"));
    let bitrix24 = bitrix24::oauth::OAuth::new(http.clone(), AuthServers::new(&url, &url).unwrap());
    let app = wire::AppKeys { client_id: "app.1".into(), client_secret };
    let _ = bitrix24.exchange(WEST, &app, code).await;
    let _ = bitrix24.refresh(WEST, &app, &refresh).await;
    let _ = bitrix24.info(WEST, &secret("planted-access-token")).await;
    let base = slack::SlackApiBase::new(&format!("{url}/api/")).unwrap();
    let _ = slack::oauth::exchange(&http, &base, &app, code, "https://x/", Some(&secret("planted-verifier"))).await;
    let _ = slack::oauth::refresh(&http, &base, &app, &refresh).await;
    let _ = slack::oauth::signed_in(&http, &base, &app, code, "https://x/").await;
    let base = notion::NotionApiBase::new(&url).unwrap();
    let _ = notion::oauth::exchange(&http, &base, &app, code, "https://x/").await;
    let _ = notion::oauth::refresh(&http, &base, &app, &refresh).await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 9, "{asked:#?}");
    for (line, body) in asked.iter() {
        assert!(line.starts_with("POST ") && !line.contains('?') && !line.contains("planted"), "{line} {body}");
    }
    assert!(asked.iter().filter(|(_, body)| body.contains("planted")).count() >= 8, "{asked:#?}");
}
