//! Taking a tenant over with proofs that were made for another application, or by leading a browser astray.

use journeys::Stage;
use journeys::estate::{Browser, Estate, Page, field};
use serde_json::Value;
use simulators::estate::BITRIX24_APP;
use simulators::oauth::AppCard;
use tenants::audit::Audit;
use tenants::portals::TokenDigest;

const EVIL: (&str, &str) = ("app.evil", "planted-evil-client-secret");
const OWN: (&str, &str) = ("local.own.1", "planted-own-client-secret");

/// Makes an application at Bitrix24 whose people come back to us.
fn publish(estate: &Estate, (id, secret): (&str, &str)) {
    estate.sandbox.authority.add_card(AppCard {
        id: id.into(),
        secret: secret.into(),
        redirect: format!("{}{}", estate.url, install::BITRIX24_CALLBACK),
        scope: "crm,task,user_basic,im,imbot,telephony,sonet_group".into(),
    });
}

/// A connection code, as the person who runs Switchboard makes it.
async fn connection_code(estate: &Estate) -> String {
    let told = command_line::codes::to_connect(&estate.engine.backend).await.unwrap();
    told.lines().next().unwrap().to_owned()
}

/// Begins with the keys of an application, allows it at the portal as its administrator, and comes back.
async fn connect_with(
    estate: &Estate,
    browser: &Browser,
    company: usize,
    app: (&str, &str),
    more: &[(&str, &str)],
) -> Page {
    let portal = &estate.sandbox.portals[company];
    let host = portal.host();
    let mut fields = vec![("portal", host.as_str()), ("client_id", app.0), ("client_secret", app.1)];
    fields.extend(more);
    let page = browser.post("/install/bitrix24", &fields).await;
    if page.status != 200 {
        return page;
    }
    let state = field(&browser.leads_to(&page.text), "state");
    browser.get(&estate.sandbox.authority.allow(portal, app.0, &state, 1)).await
}

/// What a portal posts where the application is installed.
async fn install_event(estate: &Estate, company: usize, app: &str, application_token: &str) -> (u16, Value) {
    let portal = &estate.sandbox.portals[company];
    let tokens = estate.sandbox.authority.tokens(portal, app, 1);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let fields = [
        ("event", "ONAPPINSTALL".to_owned()),
        ("auth[member_id]", text("member_id")),
        ("auth[access_token]", text("access_token")),
        ("auth[refresh_token]", text("refresh_token")),
        ("auth[server_endpoint]", text("server_endpoint")),
        ("auth[application_token]", application_token.to_owned()),
    ];
    post(estate, install::BITRIX24_APP, &fields).await
}

/// The same where a person opens the application in the portal.
async fn opened(estate: &Estate, company: usize, app: &str) -> (u16, Value) {
    let tokens = estate.sandbox.authority.tokens(&estate.sandbox.portals[company], app, 1);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let fields = [
        ("AUTH_ID", text("access_token")),
        ("REFRESH_ID", text("refresh_token")),
        ("SERVER_ENDPOINT", text("server_endpoint")),
        ("member_id", text("member_id")),
        ("APPLICATION_TOKEN", "attackers-own-token".to_owned()),
    ];
    post(estate, install::BITRIX24_APP, &fields).await
}

async fn post(estate: &Estate, path: &str, fields: &[(&str, String)]) -> (u16, Value) {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = reqwest::Client::new().post(format!("{}{path}", estate.url));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(body).send().await.unwrap();
    let (status, cookie) = (response.status().as_u16(), response.headers().get("set-cookie").is_some());
    assert!(!cookie, "what a portal posts signs nobody in");
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Whether the portal's application token is this one.
async fn takes_token(estate: &Estate, company: usize, token: &str) -> bool {
    let known = estate.connections.portals().fresh(&estate.tenant(company)).await.unwrap().unwrap();
    known.application_token.matches(&TokenDigest::of(token))
}

async fn audit(estate: &Estate, company: usize) -> Vec<String> {
    let entries =
        Audit::new(estate.engine.backend.store.clone()).latest(&estate.tenant(company), 50, None).await.unwrap().0;
    entries.iter().map(|entry| format!("{}: {} → {} by {}", entry.what, entry.before, entry.after, entry.who)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_application_takes_no_portal_over_in_a_browser() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let own = estate.install(0).await;
    publish(&estate, EVIL);
    let before = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    let code = connection_code(&estate).await;
    for more in [&[][..], &[("code", code.as_str())][..]] {
        let thief = estate.browser();
        let page = connect_with(&estate, &thief, 0, EVIL, more).await;
        assert_eq!(page.status, 403, "{}", page.text);
        assert!(page.text.contains("This portal is connected with another application"), "{}", page.text);
        // Nobody is signed in by it.
        assert!(thief.get("/admin/keys").await.text.contains("One-time code"));
    }
    let after = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(*after, *before);
    assert!(own.get("/admin/keys").await.text.contains("API keys"), "the administrator is signed in as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_application_takes_no_portal_over_by_events() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    publish(&estate, EVIL);
    let before = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    // Keys that nobody entered, and keys that somebody entered without and with a code.
    let code = connection_code(&estate).await;
    for more in [None, Some(&[][..]), Some(&[("code", code.as_str())][..])] {
        if let Some(more) = more {
            let fields =
                [&[("portal", "x.example"), ("client_id", EVIL.0), ("client_secret", EVIL.1)][..], more].concat();
            estate.browser().post("/install/bitrix24", &fields).await;
        }
        let (status, answer) = install_event(&estate, 0, EVIL.0, "attackers-own-token").await;
        assert!(status == 401 || status == 403, "{status} {answer}");
        let (status, page) = opened(&estate, 0, EVIL.0).await;
        let says = page.as_str().is_some_and(|page| page.contains("connected with another application"));
        assert!(status == 401 || (status == 200 && says), "{status} {page}");
    }
    let after = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(*after, *before);
    let event = [
        ("event", "ONCRMDEALADD".to_owned()),
        ("auth[member_id]", estate.tenant(0).to_string()),
        ("auth[application_token]", "attackers-own-token".to_owned()),
    ];
    assert_eq!(post(&estate, "/webhooks/bitrix24", &event).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployments_application_does_not_take_the_place_of_a_portals_own_by_an_event() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    publish(&estate, OWN);
    let (browser, code) = (estate.browser(), connection_code(&estate).await);
    let page = connect_with(&estate, &browser, 0, OWN, &[("code", &code)]).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let before = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(install_event(&estate, 0, BITRIX24_APP.0, "another").await.0, 403);
    assert_eq!(opened(&estate, 0, BITRIX24_APP.0).await.0, 200);
    assert_eq!(*estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap(), *before);
    // An administrator may choose it, in a browser.
    estate.install_portal(0).await;
    let after = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(after.application.as_ref().unwrap().client_id, BITRIX24_APP.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_portal_with_an_application_of_its_own_needs_a_code_that_works_for_one() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    publish(&estate, OWN);
    let page = connect_with(&estate, &estate.browser(), 0, OWN, &[]).await;
    assert!(page.status == 403 && page.text.contains("needs a connection code"), "{}", page.text);
    let page = connect_with(&estate, &estate.browser(), 0, OWN, &[("code", "guess")]).await;
    assert!(page.status == 401 && page.text.contains("admin-code --connect"), "{}", page.text);
    assert_eq!(install_event(&estate, 0, OWN.0, "token").await.0, 401);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), []);

    let code = connection_code(&estate).await;
    // A wrong secret uses nothing up.
    let page = connect_with(&estate, &estate.browser(), 0, (OWN.0, "wrong"), &[("code", &code)]).await;
    assert_eq!(page.status, 400, "{}", page.text);
    let browser = estate.browser();
    let page = connect_with(&estate, &browser, 0, OWN, &[("code", &code)]).await;
    assert_eq!(page.status, 303, "{}", page.text);
    // The portal's own word that it was installed renews the same connection, and brings its application token.
    assert_eq!(install_event(&estate, 0, OWN.0, "application-token").await.0, 200);
    assert!(takes_token(&estate, 0, "application-token").await);
    // Installed again: another token.
    assert_eq!(install_event(&estate, 0, OWN.0, "application-token-2").await.0, 200);
    assert!(takes_token(&estate, 0, "application-token-2").await);
    // Its administrator connects again with the same application, without a code; another portal needs one of its own.
    assert_eq!(connect_with(&estate, &estate.browser(), 0, OWN, &[]).await.status, 303);
    let page = connect_with(&estate, &estate.browser(), 1, OWN, &[("code", &code)]).await;
    assert_eq!(page.status, 401, "{}", page.text);
    assert_eq!(install_event(&estate, 1, OWN.0, "token").await.0, 403);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_event_of_an_entered_application_uses_the_code_up() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    publish(&estate, OWN);
    let code = connection_code(&estate).await;
    let fields = [("portal", "x.example"), ("client_id", OWN.0), ("client_secret", OWN.1), ("code", code.as_str())];
    assert_eq!(estate.browser().post("/install/bitrix24", &fields).await.status, 200);
    assert_eq!(install_event(&estate, 0, OWN.0, "token").await.0, 200);
    assert_eq!(install_event(&estate, 1, OWN.0, "token").await.0, 403);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_application_ends_what_the_old_one_could_reach_and_is_said() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let (browser, elsewhere) = (estate.install(0).await, estate.install_portal(0).await.0);
    let other = estate.install(1).await;
    publish(&estate, OWN);
    let made = browser.submit("/admin/keys", "/admin/keys", &[("name", "shop"), ("read", "on")]).await;
    let key = made.text.split("swb_").nth(1).unwrap().split(['<', '"', ' ']).next().unwrap();
    let log = format!("{}/api/v1/{}/events", estate.url, estate.tenant(0));
    let asked = || reqwest::Client::new().get(&log).bearer_auth(format!("swb_{key}")).send();
    assert_eq!(asked().await.unwrap().status(), 200);
    let hook = estate.sandbox.portals[0].bound_events()[0].1.clone();
    // A key that was replaced a moment ago is good for another hour, but not for an application that goes.
    let hour = std::time::Duration::from_secs(3600);
    estate.connections.rotate_hook_key(&estate.tenant(0), hour).await.unwrap();

    // Another portal's administrator cannot do it with their session.
    let token = field_of(&other.get("/install").await.text, "token");
    let page = connect_with(&estate, &other, 0, OWN, &[("token", &token)]).await;
    assert!(page.status == 403 && page.text.contains("Another portal answered"), "{}", page.text);

    let token = field_of(&browser.get("/install").await.text, "token");
    let page = connect_with(&estate, &browser, 0, OWN, &[("token", &token)]).await;
    assert_eq!(page.status, 303, "{}", page.text);
    assert!(browser.get("/install").await.text.contains("as an application."));
    let known = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(known.application.as_ref().unwrap().client_id, OWN.0);
    assert!(elsewhere.get("/admin/keys").await.text.contains("One-time code"), "the other session has ended");
    assert_eq!(asked().await.unwrap().status(), 401, "the key has ended");
    // An event that only the key in its address can prove.
    let old = [
        ("event", "ONCRMDEALADD".to_owned()),
        ("data[FIELDS][ID]", "1".to_owned()),
        ("auth[member_id]", estate.tenant(0).to_string()),
        ("auth[application_token]", "of-nobody".to_owned()),
    ];
    assert_eq!(post(&estate, &hook.replace(&estate.url, ""), &old).await.0, 401, "the old address has ended");
    let application_token = estate.sandbox.authority.application_token(&estate.sandbox.portals[0], BITRIX24_APP.0);
    assert!(!takes_token(&estate, 0, &application_token).await);

    // The same where a webhook takes the place of the application.
    let hook = estate.connections.hook_url(&estate.tenant(0), &estate.url).await.unwrap().replace(&estate.url, "");
    assert_ne!(post(&estate, &hook, &old).await.0, 401, "the address is good until then");
    let token = field_of(&browser.get("/install").await.text, "token");
    let webhook = estate.sandbox.portals[0].webhook_url();
    let fields = [("token", token.as_str()), ("webhook_url", &webhook), ("application_token", "of-the-webhook")];
    assert_eq!(browser.post("/install/webhook", &fields).await.status, 303);
    assert_eq!(post(&estate, &hook, &old).await.0, 401);
    assert!(browser.get("/install").await.text.contains("with webhooks. You choose"));

    let audit = audit(&estate, 0).await.join("\n");
    let entry = format!(
        "connection replaced; all sessions and API keys ended: the application {} → the application {} by ",
        BITRIX24_APP.0, OWN.0
    );
    let line = audit.lines().find(|line| line.starts_with(&entry)).unwrap_or_else(|| panic!("{audit}"));
    assert!(line.ends_with("confirmed by Bitrix24)") && line.contains("(user 1 of "), "{line}");
    estate.settle().await;
    let said = estate.channel(0, "ops").join("\n");
    assert!(said.contains("The connection to Bitrix24 was replaced"), "{said}");
    assert_eq!(estate.channel(1, "ops"), Vec::<String>::new());
}

/// The value of a hidden field.
fn field_of(page: &str, name: &str) -> String {
    let found = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    found.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| unreachable!("no {name}: {page}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_site_begins_anything_in_a_visitors_browser() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let victim = estate.install(0).await;
    let code = admin::new_code(&estate.engine.backend, &estate.tenant(1)).await.unwrap();
    let host = estate.sandbox.portals[1].host();
    let posts = [
        ("/install/bitrix24", vec![("portal", host.as_str())]),
        ("/install/webhook", vec![("code", "x")]),
        ("/install/give", vec![("ticket", "x")]),
        ("/admin/sign-in", vec![("code", code.as_str())]),
        ("/install/slack", vec![("token", "x")]),
        ("/admin/sign-out", vec![("token", "x")]),
    ];
    let evil = "https://evil.example";
    let headers = [
        vec![("sec-fetch-site", "cross-site"), ("origin", evil)],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", evil)],
        vec![("origin", "null")],
        vec![],
    ];
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (path, fields) in &posts {
        for headers in &headers {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let mut request = http.post(format!("{}{path}", estate.url)).body(body);
            request = request.header("content-type", "application/x-www-form-urlencoded");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 403, "{path} {headers:?}");
            assert!(response.headers().get("set-cookie").is_none(), "{path} {headers:?}");
            assert!(response.text().await.unwrap().contains("was not sent by a page of Switchboard"));
        }
    }
    // The code was not used up by it, and whom the forms were for is signed in as before.
    assert!(victim.get("/install").await.text.contains("You are signed in as"));
    let browser = estate.browser();
    assert_eq!(browser.post("/admin/sign-in", &[("code", &code)]).await.status, 303);
    // A browser that says only the origin is believed when it is ours.
    let request = http.post(format!("{}/install/bitrix24", estate.url)).header("origin", &estate.url);
    let begun = request.body(format!("portal={host}")).send().await.unwrap();
    assert_eq!(begun.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_portal_that_answers_is_the_one_that_was_typed() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let (mine, attackers) = (&estate.sandbox.portals[0], &estate.sandbox.portals[1]);
    // The browser was sent to a portal that somebody chose, and comes back with the code of another.
    let browser = estate.browser();
    let page = browser.post("/install/bitrix24", &[("portal", &mine.host())]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let back = browser.get(&estate.sandbox.authority.allow(attackers, BITRIX24_APP.0, &state, 1)).await;
    assert_eq!(back.status, 400, "{}", back.text);
    assert!(back.text.contains(&format!("You typed {}, but {} answered.", mine.host(), attackers.host())));
    assert!(browser.get("/admin").await.text.contains("One-time code"), "nobody is signed in");
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), []);

    // A portal that was renamed since it was connected: the person is asked, and then it is connected.
    estate.install(0).await;
    let tenant = estate.tenant(0);
    let changed = estate
        .connections
        .portals()
        .change(&tenant, |portal| tenants::portals::Portal { domain: "old-name.example".into(), ..portal });
    assert!(changed.await.unwrap());
    let browser = estate.browser();
    let page = browser.post("/install/bitrix24", &[("portal", "old-name.example")]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let asked = browser.get(&estate.sandbox.authority.allow(mine, BITRIX24_APP.0, &state, 1)).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(asked.text.contains("Is this your portal?") && asked.text.contains(&mine.host()), "{}", asked.text);
    assert!(browser.get("/admin").await.text.contains("One-time code"), "nobody is signed in yet");
    let page = browser.post("/install/bitrix24", &[("portal", &field_of(&asked.text, "portal"))]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let done = browser.follow(&estate.sandbox.authority.allow(mine, BITRIX24_APP.0, &state, 1)).await;
    assert!(done.text.contains("is connected."), "{}", done.text);
    assert_eq!(estate.connections.portals().fresh(&tenant).await.unwrap().unwrap().domain, mine.host());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_workspace_is_added_the_page_says_whose_pages_these_are() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let (browser, _) = estate.install_portal(0).await;
    let page = browser.get("/install").await.text;
    let host = estate.sandbox.portals[0].host();
    assert!(page.contains(&format!("Portal: <strong>{host}</strong>")), "{page}");
    assert!(page.contains(&format!("The Slack workspace that you choose will work with <strong>{host}</strong>")));
}
