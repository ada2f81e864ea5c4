//! Signing in: shut out by strangers, or signed in to a stranger's tenant.

use std::time::Duration;

use command_line::proxies::Proxies;
use journeys::Stage;
use journeys::estate::{Browser, Estate, Page};
use runtime::store::{Query, Table};
use serde_json::json;
use standalone::http;
use standalone::server::Options;

use super::host::Served;

async fn code(estate: &Estate) -> String {
    admin::new_code(&estate.engine.backend, &estate.tenant(0)).await.unwrap()
}

/// Somebody tries a code, and says where they come from.
async fn try_code(url: &str, from: &str, code: &str) -> reqwest::Response {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = http.post(format!("{url}/admin/sign-in")).header("x-forwarded-for", from);
    let request = request.header("sec-fetch-site", "same-origin");
    request.body(format!("code={code}")).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_the_pages_shuts_nobody_out_and_leaves_nothing_behind() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let store = estate.engine.backend.store.clone();
    let kept = async || {
        let query = Query::prefix(Table::Portals, tenants::one_time_secrets::PARTITION.to_owned(), "");
        store.list(&query).await.unwrap().items.len()
    };
    let before = kept().await;
    let http = reqwest::Client::new();
    for number in 0..215 {
        let request = http.get(format!("{}/admin/sign-in/slack", estate.url));
        let answer = request.header("x-forwarded-for", format!("203.0.{}.{}", number / 100, number % 100)).send().await;
        assert_eq!(answer.unwrap().status(), 200, "{number}");
    }
    assert_eq!(kept().await, before, "a look costs nothing that stays");
    assert_eq!(try_code(&estate.url, "198.51.100.1", &code(&estate).await).await.status(), 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_works_from_an_address_of_many_wrong_ones() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let address = "203.0.113.7";
    for _ in 0..10 {
        assert_eq!(try_code(&estate.url, address, "guess").await.status(), 401);
    }
    let refused = try_code(&estate.url, address, "guess").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 600);
    assert!(refused.text().await.unwrap().contains("A correct code works at once"));
    assert_eq!(try_code(&estate.url, address, &code(&estate).await).await.status(), 303);
    assert_eq!(try_code(&estate.url, address, "guess").await.status(), 429, "a right one forgives no wrong ones");
    estate.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(try_code(&estate.url, address, "guess").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_proxy_that_the_configuration_names_says_where_a_request_comes_from() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    // Whoever asks directly is counted as who they are, whatever they say.
    for number in 0..10 {
        assert_eq!(try_code(&estate.url, &format!("203.0.113.{number}"), "guess").await.status(), 401);
    }
    assert_eq!(try_code(&estate.url, "203.0.113.99", "guess").await.status(), 429);

    let options = Options { proxies: Proxies::read(&["127.0.0.1".into()]).unwrap(), ..Options::default() };
    let host = Served::start(http::webhooks(*estate.functions.clone()), options).await;
    for _ in 0..10 {
        assert_eq!(try_code(&host.url(), "203.0.113.7", "guess").await.status(), 401);
    }
    assert_eq!(try_code(&host.url(), "203.0.113.7", "guess").await.status(), 429);
    // What the asker wrote there before the proxy did counts for nothing.
    assert_eq!(try_code(&host.url(), "198.51.100.1, 203.0.113.7", "guess").await.status(), 429);
    assert_eq!(try_code(&host.url(), "203.0.113.8", "guess").await.status(), 401);
    // The addresses of one IPv6 customer are one.
    for number in 0..10 {
        assert_eq!(try_code(&host.url(), &format!("2001:db8::{number}"), "guess").await.status(), 401);
    }
    assert_eq!(try_code(&host.url(), "2001:db8::abcd:1", "guess").await.status(), 429);
    assert_eq!(try_code(&host.url(), "2001:db8:0:1::1", "guess").await.status(), 401);
}

/// Somebody signs in with Slack.
async fn come(estate: &Estate, browser: &Browser, company: usize, user: &str) -> Page {
    let asked = browser.leads_to(&browser.get("/admin/sign-in/slack").await.text);
    let team = estate.sandbox.workspaces[company].team_id();
    browser.get(&estate.sandbox.hub.sign_in(&asked, &team, user)).await
}

fn person(estate: &Estate, is_admin: bool) -> String {
    let people = estate.sandbox.workspaces[0].people();
    people.into_iter().find(|person| person.is_admin == is_admin).unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_from_slack_is_good_in_its_browser_once_and_for_ten_minutes() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let (team, administrator) = (estate.sandbox.workspaces[0].team_id(), person(&estate, true));
    let begin = async |browser: &Browser| {
        let asked = browser.leads_to(&browser.get("/admin/sign-in/slack").await.text);
        estate.sandbox.hub.sign_in(&asked, &team, &administrator)
    };
    let (victim, thief) = (estate.browser(), estate.browser());
    let (back, _) = (begin(&victim).await, begin(&thief).await);
    assert_eq!(thief.get(&back).await.status, 400);
    assert_eq!(victim.get(&back).await.status, 303, "a stranger's try takes nothing from who began");
    assert_eq!(victim.get(&back).await.status, 400);
    let back = begin(&victim).await;
    estate.clock.advance(Duration::from_secs(10 * 60));
    assert_eq!(victim.get(&back).await.status, 400);
    // Without a state, and without ever having begun.
    assert_eq!(victim.get("/admin/sign-in/slack/back?code=x").await.status, 400);
    assert_eq!(estate.browser().get("/admin/sign-in/slack/back?code=x&state=").await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_organisation_is_administered_by_its_own_administrators_only() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    let (browser, _) = estate.install_portal(0).await;
    estate.sandbox.hub.install_for_organisation(true);
    estate.install_slack(0, &browser).await;
    // The administrator of a workspace of the organisation, and of another one of it.
    let (administrator, member) = (person(&estate, true), person(&estate, false));
    estate.sandbox.workspaces[0].change_person(&administrator, |person| person.organisation_admin = Some(false));
    for company in [0, 1] {
        let refused = come(&estate, &estate.browser(), company, &administrator).await;
        assert!(refused.status == 403 && refused.text.contains("administers the organisation"), "{}", refused.text);
    }
    // Who administers the organisation needs to administer no workspace.
    estate.sandbox.workspaces[0].change_person(&member, |person| person.organisation_admin = Some(true));
    let admitted = estate.browser();
    assert_eq!(come(&estate, &admitted, 0, &member).await.status, 303);
    estate.clock.advance(Duration::from_secs(16 * 60));
    assert!(admitted.get("/admin").await.text.contains("Overview"));
    estate.sandbox.workspaces[0].change_person(&member, |person| person.organisation_admin = Some(false));
    estate.clock.advance(Duration::from_secs(16 * 60));
    assert!(admitted.get("/admin").await.text.contains("no longer administer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_the_rights_of_who_signed_in_with_slack() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let (administrator, other) = (person(&estate, true), person(&estate, false));
    let browser = estate.browser();
    assert_eq!(come(&estate, &browser, 0, &administrator).await.status, 303);
    let asked = || estate.sandbox.workspaces[0].calls().get("users.info").copied().unwrap_or_default();
    let before = asked();
    estate.clock.advance(Duration::from_secs(14 * 60));
    assert!(browser.get("/admin").await.text.contains("Overview"));
    assert_eq!(asked(), before, "not with every page");
    estate.clock.advance(Duration::from_secs(60));
    assert!(browser.get("/admin").await.text.contains("Overview"));
    assert!(browser.get("/admin").await.text.contains("Overview"));
    assert_eq!(asked(), before + 1);
    estate.sandbox.workspaces[0].change_person(&administrator, |person| person.is_admin = false);
    estate.clock.advance(Duration::from_secs(15 * 60));
    let ended = browser.get("/admin/keys").await.text;
    assert!(ended.contains("no longer administer") && ended.contains("One-time code"), "{ended}");
    assert!(!browser.get("/admin").await.text.contains("Overview"), "for good");

    // Whom the settings name, until they do not.
    let name = async |admins: &[&str]| {
        let settings = json!({"admins": admins, "operators": {"channel": "#ops", "watch": []}});
        estate.connections.portals().set_settings(&estate.tenant(0), settings).await.unwrap();
        estate.clock.advance(Duration::from_secs(15 * 60));
    };
    name(&[&other]).await;
    assert_eq!(come(&estate, &browser, 0, &other).await.status, 303);
    name(&[]).await;
    assert!(browser.get("/install").await.text.contains("Connect Bitrix24"), "signed out there, too");
    assert!(!browser.get("/admin").await.text.contains("Overview"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_slack_cannot_be_asked_a_session_goes_on_for_an_hour() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let browser = estate.browser();
    assert_eq!(come(&estate, &browser, 0, &person(&estate, true)).await.status, 303);
    estate.sandbox.hub.uninstall(&estate.sandbox.workspaces[0].team_id());
    for _ in 0..3 {
        estate.clock.advance(Duration::from_secs(19 * 60));
        assert!(browser.get("/admin").await.text.contains("Overview"));
    }
    estate.clock.advance(Duration::from_secs(3 * 60));
    let ended = browser.get("/admin").await.text;
    assert!(ended.contains("could not confirm") && ended.contains("One-time code"), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_the_rights_of_who_connected_the_portal() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.install(0).await;
    for _ in 0..6 {
        estate.clock.advance(Duration::from_secs(16 * 60));
        assert!(browser.get("/admin").await.text.contains("Overview"));
    }
    estate.sandbox.portals[0].demote(true);
    estate.clock.advance(Duration::from_secs(16 * 60));
    let ended = browser.get("/admin").await.text;
    assert!(ended.contains("no longer administer") && ended.contains("One-time code"), "{ended}");
    assert!(browser.get("/install").await.text.contains("Connect Bitrix24"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_with_an_operators_code_stays_for_eight_hours() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    estate.sandbox.portals[0].demote(true);
    let browser = estate.browser();
    assert_eq!(browser.post("/admin/sign-in", &[("code", &code(&estate).await)]).await.status, 303);
    estate.clock.advance(Duration::from_secs(7 * 60 * 60));
    assert!(browser.get("/admin").await.text.contains("Overview"));
    estate.clock.advance(Duration::from_secs(61 * 60));
    assert!(!browser.get("/admin").await.text.contains("Overview"));
}
