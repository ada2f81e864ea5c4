//! Connecting by a click: from nothing to the first card, and everything that can go wrong on the way.

use clients::ConnectionSide;
use insta::assert_snapshot;
use journeys::estate::{Estate, field, json_of};
use serde_json::json;
use simulators::estate::BITRIX24_APP;

/// What a page says, without its markup.
fn words(page: &str) -> String {
    let body = page
        .split("<main id=\"main\">")
        .nth(1)
        .unwrap_or(page)
        .replace("</p>", "\n")
        .replace("</h1>", "\n")
        .replace("</h2>", "\n");
    let body = body
        .replace("</tr>", "\n")
        .replace("</td>", " | ")
        .replace("</summary>", "\n")
        .replace("</label>", ": …\n")
        .replace("</th>", " ")
        .replace("</caption>", "\n")
        .replace("</button>", "]\n")
        .replace("<button", "[<button");
    let mut text = String::new();
    let mut inside = false;
    for letter in body.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n").replace("&quot;", "\"").replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_companies_install_and_each_sees_its_own_cards() {
    let estate = Estate::start(3).await;
    let installed = futures::future::join_all((0..3).map(|company| estate.connect(company))).await;
    for company in 0..3 {
        estate.begin(company).await;
    }
    for (company, name) in ["Roof", "Bridge", "Tower"].iter().enumerate() {
        let deal = estate.sandbox.portals[company].add_deal(name, 100, "EUR");
        estate.sandbox.portals[company].move_deal(deal, "EXECUTING");
    }
    estate.settle().await;
    for (company, name) in ["Roof", "Bridge", "Tower"].iter().enumerate() {
        let cards = estate.channel(company, "sales-pipeline");
        assert!(!cards.is_empty() && cards.iter().all(|card| card.contains(name)), "{company}: {cards:?}");
        // The events came by the address that was bound for this portal.
        let bound = estate.sandbox.portals[company].bound_events();
        let own = format!("/webhooks/{}/bitrix24?key=", estate.tenant(company));
        assert!(bound.len() > 8 && bound.iter().all(|(_, url)| url.contains(&own)), "{bound:?}");
    }
    let page = words(&installed[0].get("/install").await.text);
    assert!(page.contains("Everything is connected."), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_say_what_is_connected_what_is_missing_and_what_is_next() {
    let estate = Estate::start(1).await;
    let first = estate.browser().get("/install").await;
    assert_eq!(first.status, 200);
    assert_snapshot!("first", words(&first.text).replace(&estate.url, "URL"));
    let (browser, page) = estate.install_portal(0).await;
    let page = words(&page).replace(&estate.url, "URL").replace(&estate.sandbox.portals[0].host(), "PORTAL");
    assert_snapshot!("portal_connected", page);
    let page = words(&estate.install_slack(0, &browser).await);
    assert!(page.starts_with("Connections\nThe Slack workspace Company 1 is connected."), "{page}");
    assert!(page.contains("Bitrix24 events are subscribed.") && page.contains("The chatbot is ready."), "{page}");
    assert!(page.contains("Everything is connected.") && !page.contains("Not allowed yet"), "{page}");
    // An older app gives two scopes of many.
    estate.sandbox.hub.give_only("chat:write,commands");
    let page = words(&estate.install_slack(0, &browser).await);
    assert!(page.contains("Connected, but some rights are missing."), "{page}");
    assert!(page.contains("Not allowed yet:\nScope Purpose\nchat:write.public |"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_good_once_in_the_browser_that_began_and_for_ten_minutes() {
    let estate = Estate::start(1).await;
    let portal = &estate.sandbox.portals[0];
    let begun = |browser: journeys::estate::Browser| async {
        let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
        let asked = browser.leads_to(&page.text);
        (browser, estate.sandbox.authority.allow(portal, BITRIX24_APP.0, &field(&asked, "state"), 1))
    };
    // Another browser comes back with it.
    let (browser, back) = begun(estate.browser()).await;
    let stolen = estate.browser().get(&back).await;
    assert_eq!(stolen.status, 400);
    assert!(words(&stolen.text).contains("in another browser"), "{}", stolen.text);
    // And now it is used.
    assert_eq!(browser.get(&back).await.status, 400);
    // Too late.
    let (browser, back) = begun(estate.browser()).await;
    estate.clock.advance(std::time::Duration::from_secs(11 * 60));
    assert_eq!(browser.get(&back).await.status, 400);
    // A code of 31 seconds.
    let (browser, back) = begun(estate.browser()).await;
    estate.clock.advance(std::time::Duration::from_secs(31));
    let late = browser.get(&back).await;
    assert_eq!(late.status, 400);
    assert!(words(&late.text).contains("A code is valid for 30 seconds"), "{}", late.text);
    // A server that is none of Bitrix24's is never asked.
    let (browser, back) = begun(estate.browser()).await;
    let evil = browser.get(&back.replace("oauth.bitrix.info", "127.0.0.1")).await;
    assert!(evil.status == 400 && words(&evil.text).contains("is not an authorization server"), "{}", evil.text);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), []);
    // The right way, at last.
    let (browser, back) = begun(estate.browser()).await;
    assert_eq!(browser.follow(&back).await.status, 200);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_employee_cannot_connect_the_portal() {
    let estate = Estate::start(1).await;
    let (browser, portal) = (estate.browser(), &estate.sandbox.portals[0]);
    let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let page = browser.get(&estate.sandbox.authority.allow(portal, BITRIX24_APP.0, &state, 6)).await;
    assert_eq!(page.status, 403);
    assert!(words(&page.text).contains("Ask an administrator of the portal"), "{}", page.text);
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), []);
    assert_eq!(browser.get("/install/slack/callback?state=x&code=y").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_that_installs_the_application_tells_so_itself() {
    let estate = Estate::start(2).await;
    let (portal, authority) = (&estate.sandbox.portals[1], &estate.sandbox.authority);
    let handler = format!("{}{}", estate.url, install::BITRIX24_APP);
    authority.install(portal, BITRIX24_APP.0, &handler, 1);
    estate.settle().await;
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(1)]);
    let before = estate.connections.portal(&estate.tenant(1)).await.unwrap();

    // Updated: another application token, and what was bound is bound again.
    let (browser, _) = estate.install_portal(1).await;
    estate.install_slack(1, &browser).await;
    authority.update(portal, BITRIX24_APP.0, &handler, 1);
    estate.settle().await;
    assert!(portal.bound_events().len() > 8);
    let after = estate.connections.portals().fresh(&estate.tenant(1)).await.unwrap().unwrap();
    assert!(after.application_token != before.application_token && after.connected_at == before.connected_at);
    estate.sweep().await;
    let deal = portal.add_deal("Roof", 1, "EUR");
    portal.move_deal(deal, "EXECUTING");
    estate.settle().await;
    assert!(!estate.channel(1, "sales-pipeline").is_empty());

    // Somebody else's words: another portal's name with this one's token, tokens of nobody, a foreign server.
    let http = reqwest::Client::new();
    let good = authority.tokens(portal, BITRIX24_APP.0, 1);
    for (member, access, server) in [
        (estate.tenant(0).to_string(), good["access_token"].as_str().unwrap(), "https://oauth.bitrix24.tech/rest/"),
        (estate.tenant(1).to_string(), "nonsense", "https://oauth.bitrix24.tech/rest/"),
        (estate.tenant(1).to_string(), good["access_token"].as_str().unwrap(), "https://evil.example/rest/"),
        (estate.tenant(1).to_string(), good["access_token"].as_str().unwrap(), "https://oauth.bitrix.info/rest/"),
    ] {
        let body = [
            ("event", "ONAPPINSTALL"),
            ("auth[member_id]", member.as_str()),
            ("auth[access_token]", access),
            ("auth[server_endpoint]", server),
            ("auth[application_token]", "evil"),
        ];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(body).finish();
        let request = http.post(&handler).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body).send().await.unwrap();
        let (status, answer) = json_of(answer).await;
        assert_eq!(status, 401, "{member} {server}");
        assert_eq!(answer["error"], "wrong_token");
    }
    for (body, status) in [("x=1", 400), ("event=ONCRMDEALADD", 400), ("AUTH_ID=x&member_id=y", 401), ("", 400)] {
        let request = http.post(&handler).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.body(body).send().await.unwrap().status(), status, "{body}");
    }
    assert_eq!(estate.connections.portals().tenants().await.unwrap(), [estate.tenant(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_of_the_portals_own_is_installed_by_its_keys() {
    let estate = Estate::start(1).await;
    let (browser, portal) = (estate.browser(), &estate.sandbox.portals[0]);
    let card = simulators::oauth::AppCard {
        id: "local.own.1".into(),
        secret: "planted-own-client-secret".into(),
        redirect: format!("{}{}", estate.url, install::BITRIX24_CALLBACK),
        scope: "crm,task".into(),
    };
    estate.sandbox.authority.add_card(card);
    let code = tenants::one_time_secrets::secret();
    tenants::one_time_secrets::put(&estate.engine.backend, "connect", &code, &true, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let fields = |secret: &'static str| {
        [
            ("portal", portal.host()),
            ("client_id", "local.own.1".into()),
            ("client_secret", secret.to_owned()),
            ("code", code.clone()),
        ]
    };
    let begin = |secret| {
        let fields = fields(secret);
        let browser = &browser;
        async move {
            browser.post("/install/bitrix24", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await
        }
    };
    let page = begin("").await;
    assert!(page.status == 400 && words(&page.text).contains("Enter both, or neither"), "{}", page.text);
    let allowed = |page: &journeys::estate::Page| {
        estate.sandbox.authority.allow(portal, "local.own.1", &field(&browser.leads_to(&page.text), "state"), 1)
    };
    let page = begin("wrong").await;
    let refused = browser.get(&allowed(&page)).await;
    assert!(refused.status == 400 && words(&refused.text).contains("invalid_client"), "{}", refused.text);
    let page = begin("planted-own-client-secret").await;
    let done = browser.follow(&allowed(&page)).await;
    assert!(words(&done.text).contains("as an application."), "{}", done.text);
    // Two rights of seven were given.
    assert!(words(&done.text).contains("imbot | the chatbot"), "{}", words(&done.text));
    // Its tokens are renewed with its own keys.
    estate.clock.advance(std::time::Duration::from_secs(2 * 3600));
    let known = estate.connections.portal(&estate.tenant(0)).await.unwrap();
    let client = estate.connections.bitrix24(&known).await.unwrap();
    client.call("crm.item.list", &json!({"entityTypeId": 2})).await.unwrap();
    assert_eq!(estate.sandbox.authority.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_belongs_to_one_portal_and_can_be_a_whole_organisation() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    let (browser, _) = estate.install_portal(1).await;
    let page = browser.submit("/install", "/install/slack", &[]).await;
    let asked = browser.leads_to(&page.text);
    let back = estate.sandbox.hub.allow(&asked, &estate.sandbox.workspaces[0].team_id());
    let taken = browser.follow(&back).await;
    assert_eq!(taken.status, 409);
    assert!(words(&taken.text).contains("is already connected to another portal here"), "{}", taken.text);
    let first = estate.connections.portal(&estate.tenant(0)).await.unwrap();
    assert!(!words(&taken.text).contains(&first.domain));

    estate.sandbox.hub.install_for_organisation(true);
    let page = estate.install_slack(1, &browser).await;
    assert!(words(&page).contains("Sandbox Organisation is connected"), "{page}");
    // Cancelled at Slack: said, and nothing is lost.
    let page = browser.submit("/install", "/install/slack", &[]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let cancelled = browser.get(&format!("/install/slack/callback?error=access_denied&state={state}")).await;
    assert!(cancelled.status == 400 && words(&cancelled.text).contains("Access was not given (access_denied)."));
    assert!(words(&browser.get("/install").await.text).contains("Everything is connected."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notion_is_connected_by_a_click_or_by_a_secret() {
    let estate = Estate::start(1).await;
    let browser = estate.install(0).await;
    let page = browser.submit("/install", "/install/notion/token", &[("secret", "ntn_wrong")]).await;
    assert!(page.status == 400 && words(&page.text).contains("Notion rejected the token"), "{}", page.text);
    let page = browser.submit("/install", "/install/notion/token", &[("secret", estate.sandbox.notion.token())]).await;
    assert!(words(&browser.follow(&page.location.unwrap()).await.text).contains("Connected to Sandbox"));

    let page = browser.submit("/install", "/install/notion", &[]).await;
    let asked = browser.leads_to(&page.text);
    let done = browser.follow(&estate.sandbox.notion.consent(&asked)).await;
    assert!(words(&done.text).contains("The Notion workspace Sandbox is connected."), "{}", done.text);
    // The token that was given ends; the next call renews it.
    estate.sandbox.notion.expire_all();
    let portal = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    let first = estate.connections.notion(&portal, 180).await.unwrap().people(None).await;
    assert!(first.unwrap_err().text.contains("the token was renewed"));
    assert!(estate.connections.notion(&portal, 180).await.unwrap().people(None).await.is_ok());
    assert_eq!(estate.connections.troubles(&estate.tenant(0)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_taken_with_a_code_or_from_the_portals_own_administrator() {
    let estate = Estate::start(1).await;
    let (portal, known) = (&estate.sandbox.portals[0], estate.sandbox.portals[0].credentials());
    let url = portal.webhook_url();
    let fields = |code: &str| {
        [
            ("code", code.to_owned()),
            ("member_id", known.member_id.clone()),
            ("webhook_url", url.clone()),
            ("application_token", known.application_token.clone()),
        ]
    };
    let send = |code: String| {
        let (fields, browser) = (fields(&code), estate.browser());
        async move {
            let page =
                browser.post("/install/webhook", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
            (browser, page)
        }
    };
    let (_, page) = send("wrong".into()).await;
    assert_eq!(page.status, 401);
    let code = tenants::one_time_secrets::secret();
    tenants::one_time_secrets::put(&estate.engine.backend, "connect", &code, &true, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let (browser, page) = send(code).await;
    assert!(page.location.is_some(), "{}", page.text);
    assert!(words(&browser.get("/install").await.text).contains("with webhooks. You choose"));
    // Who has another code cannot take it away.
    let code = tenants::one_time_secrets::secret();
    tenants::one_time_secrets::put(&estate.engine.backend, "connect", &code, &true, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(send(code).await.1.status, 409);
    // Its administrator makes an application of it; settings and beginning stay.
    let before = estate.connections.portal(&estate.tenant(0)).await.unwrap();
    estate.clock.advance(std::time::Duration::from_secs(60));
    estate.install_portal(0).await;
    let after = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert!(after.webhook.is_none() && after.application.is_some() && after.connected_at == before.connected_at);
    assert_eq!(
        estate
            .connections
            .troubles(&estate.tenant(0))
            .await
            .unwrap()
            .iter()
            .map(|trouble| trouble.side)
            .collect::<Vec<ConnectionSide>>(),
        []
    );
}
