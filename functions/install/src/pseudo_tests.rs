//! The pages in a made-up language: a text that does not come from the catalogues fails.

use std::sync::Arc;

use bytes::Bytes;
use clients::audience::NotAdmitted;
use clients::{Connections, JoinError, Unproven};
use http::header::COOKIE;
use http::{Request, Response};
use locale::{Language, in_pseudo};
use memory::Memory;
use runtime::metrics::Counters;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{ManualClock, TenantId};
use secrecy::SecretString;
use serde_json::{Value, json};
use tenants::administrators::SignInProof;
use tenants::portals::{Portal, SLACK_BOT_TOKEN, TokenDigest};
use web::pseudo::assert_page_from_the_catalogues as assert_page;
use web::sessions;

use crate::refusal::{Refusal, not_admitted};
use crate::visit::InstallVisit;
use crate::{Deps, handle, page, portal_page};

/// An address without letters, which may not be called.
const DOMAIN: &str = "127.0.0.1:9";

struct Pages {
    deps: Deps,
    tenant: TenantId,
}

impl Pages {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
        let backend = Memory::new(clock).backend(Arc::new(Counters::default()));
        let connections = Connections::new(&backend, slack::SlackApiBase::default());
        let deps = Deps::new(&backend, connections, Some("http://127.0.0.1".into()));
        Self { deps, tenant: TenantId::new("7").unwrap() }
    }

    async fn sealed(&self) -> Value {
        let secret = SecretString::from("x");
        serde_json::to_value(self.deps.connections.seal(&self.tenant, SLACK_BOT_TOKEN, &secret).await.unwrap()).unwrap()
    }

    /// Stores the portal with this beside what every portal has.
    async fn connect(&self, more: Value) {
        let mut portal = json!({
            "tenant": self.tenant, "domain": DOMAIN, "webhook": self.sealed().await, "slack": null, "settings": {},
            "application_token": TokenDigest::nobodys(), "connected_at": "2026-11-21T11:00:00Z",
        });
        for (name, value) in more.as_object().unwrap() {
            portal[name] = value.clone();
        }
        let portal: Portal = serde_json::from_value(portal).unwrap();
        self.deps.connections.portals().put(&portal).await.unwrap();
    }

    async fn sign_in(&self) -> String {
        let started =
            sessions::start_with(&self.deps.backend, self.tenant.clone(), "Анна", SignInProof::Operator).await;
        started.unwrap().split(';').next().unwrap().to_owned()
    }

    async fn send(&self, method: &str, path: &str, cookie: &str, body: String) -> String {
        let request = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
        let request = request.header(COOKIE, cookie).body(Bytes::from(body)).unwrap();
        text(&handle(&self.deps, request).await)
    }

    async fn get(&self, path: &str, cookie: &str) -> String {
        self.send("GET", path, cookie, String::new()).await
    }

    async fn post(&self, path: &str, cookie: &str, body: &str) -> String {
        let token = self.get("/install", cookie).await;
        let token = token.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.send("POST", path, cookie, format!("{body}&token={}", token.unwrap_or_default())).await
    }
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// Runs a test on this thread, in the made-up language.
fn walk(pages: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    in_pseudo(|| runtime.block_on(pages()));
}

#[test]
fn the_pages_before_a_portal_is_connected_come_from_the_catalogues() {
    walk(async || {
        let pages = Pages::new();
        for path in ["/install", "/install/give?ticket=1", "/install/unlink?ticket=1", "/install/7", "/install/left"] {
            assert_page(&pages.get(path, "").await);
        }
        assert_page(&pages.get("/install/bitrix24/callback", "").await);
        assert_page(&pages.get("/install/slack/callback", "").await);
        for (path, body) in [
            ("/install/give", "ticket=1"),
            ("/install/unlink", "ticket=1"),
            ("/install/bitrix24", "portal=x"),
            ("/install/bitrix24", "portal=a.bitrix24.com"),
            ("/install/bitrix24", "portal=a.bitrix24.com&client_id=1"),
            ("/install/bitrix24", "portal=a.bitrix24.com&client_id=1&client_secret=1&code=1"),
            ("/install/webhook", "member_id=x/"),
            ("/install/webhook", "member_id=7&code=1"),
            ("/install/settle", ""),
        ] {
            assert_page(&pages.post(path, "", body).await);
        }
    });
}

#[test]
fn the_state_of_connections_comes_from_the_catalogues() {
    walk(async || {
        let pages = Pages::new();
        let sealed = pages.sealed().await;
        let application = |scopes: Value| json!({"endpoint": "https://127.0.0.1:9/rest/", "access_token": sealed, "scopes": scopes, "client_id": "1"});
        let slack = |scopes: Value| json!({"team_id": "1", "bot_token": sealed, "team": "Крыша", "scopes": scopes, "renews": true});
        let notion =
            json!({"workspace_id": "1", "workspace": "Крыша", "name": "Связь", "bot_id": "1", "token": sealed});
        let cookie = pages.sign_in().await;
        for more in [
            json!({}),
            json!({"slack": slack(json!([]))}),
            json!({"application": application(json!(["crm"])), "slack": slack(json!(["commands"])), "notion": notion}),
        ] {
            pages.connect(more).await;
            assert_page(&pages.get("/install?done=1", &cookie).await);
        }
        for side in ["bitrix24", "slack", "notion"] {
            let place = ItemKey::new(Table::Portals, pages.tenant.as_str(), format!("trouble#{side}"));
            let trouble = json!({"side": side, "since": "2026-11-21T11:30:00Z", "why": "отказ"});
            pages
                .deps
                .backend
                .store
                .put(StoreWrite::new(place, &trouble, WriteCondition::Absent).unwrap())
                .await
                .unwrap();
            assert_page(&pages.get("/install", &cookie).await);
        }
        for path in ["/install/slack", "/install/notion", "/install/settle"] {
            assert_page(&pages.send("POST", path, &cookie, String::new()).await);
        }
    });
}

#[test]
fn disconnecting_comes_from_the_catalogues() {
    walk(async || {
        let pages = Pages::new();
        pages.connect(json!({})).await;
        let cookie = pages.sign_in().await;
        for path in ["/install/slack", "/install/notion"] {
            assert_page(&pages.post(path, &cookie, "").await);
        }
        assert_page(&pages.post("/install/leave", &cookie, "domain=other").await);
        let departed = pages.post("/install/leave", &cookie, &format!("domain={DOMAIN}")).await;
        assert_page(&departed);
        let (_, follow) = departed.split_once("href=\"/install/left").unwrap();
        let follow = follow.split('"').next().unwrap().replace("&amp;", "&");
        assert_page(&pages.get(&format!("/install/left{follow}"), "").await);
    });
}

#[test]
fn what_only_a_provider_can_cause_comes_from_the_catalogues() {
    walk(async || {
        let deps = Pages::new().deps;
        let request = Request::new(Bytes::new());
        let visit = InstallVisit::new(&deps, &request);
        let refusals = [
            Refusal::from(NotAdmitted::Connected),
            Refusal::from(NotAdmitted::OtherTenant),
            Refusal::from(NotAdmitted::NeedsCode),
            Unproven::Another.into(),
            Unproven::UnknownApp.into(),
            Unproven::Server("1".into()).into(),
            Unproven::Refused("1".into()).into(),
            JoinError::NoWorkspace.into(),
            JoinError::Taken { team: "Крыша".into() }.into(),
        ];
        for refusal in refusals {
            assert_page(&text(&refusal.answer(&visit)));
        }
        let language = Language::En;
        assert_page(&page::renamed(language, DOMAIN, "1"));
        assert_page(&portal_page::opened(language, DOMAIN, "https://127.0.0.1", false));
        assert_page(&portal_page::opened_by_other(language, DOMAIN));
        assert_page(&portal_page::not_admitted(language, DOMAIN, not_admitted(NotAdmitted::Connected)));
    });
}
