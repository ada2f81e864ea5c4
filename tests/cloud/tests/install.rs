//! A company connects itself through the deployed stack: pages behind the API, OAuth of both providers, the first card; a
//! shop brings a deal in through the API for programs; a token that ends is renewed; the company leaves.

use std::sync::Arc;

use cloud::Stack;
use journeys::estate::{Browser, field};
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Clock, ManualClock, SystemClock, TenantId};
use serde_json::json;
use simulators::Region;
use simulators::estate::{BITRIX24_APP, Estate, SLACK_APP};
use tenants::api_keys::{ApiKeys, Scope};
use tenants::secret_names::APPS;

#[tokio::test(flavor = "multi_thread")]
async fn a_company_connects_itself_through_the_deployed_stack() -> anyhow::Result<()> {
    let estate = Estate::start(Arc::new(SystemClock), 1).await?;
    let (west, east) = (estate.authority.url(Region::West), estate.authority.url(Region::East));
    let slack_api = estate.hub.api_url();
    let stack =
        Stack::deploy(&[("SlackApiUrl", &slack_api), ("Bitrix24AuthWestUrl", &west), ("Bitrix24AuthEastUrl", &east)])
            .await?;
    estate.deploy(&stack.url());
    let backend = stack.backend();
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let apps = json!({
        "bitrix24": {"client_id": BITRIX24_APP.0, "client_secret": BITRIX24_APP.1},
        "slack": {
            "client_id": SLACK_APP.0, "client_secret": SLACK_APP.1, "signing_secret": estate.workspaces[0].signing_secret(), "pkce": true,
        },
    });
    backend.secrets.put(APPS, apps.to_string().into()).await?;

    let browser = Browser::at(&stack.url());
    let portal = &estate.portals[0];
    let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
    let state = field(&browser.leads_to(&page.text), "state");
    let page = browser.follow(&estate.authority.allow(portal, BITRIX24_APP.0, &state, 1)).await;
    assert!(page.text.contains("connect Slack"), "{}", page.text);
    let page = browser.submit("/install", "/install/slack", &[]).await;
    let page = browser.follow(&estate.hub.allow(&browser.leads_to(&page.text), &estate.workspaces[0].team_id())).await;
    assert!(
        page.text.contains("Everything is connected.") && page.text.contains("The chatbot is ready."),
        "{}",
        page.text
    );

    // A shop's order becomes a deal; the portal reports it, and its card appears.
    let tenant = TenantId::new(portal.credentials().member_id)?;
    let (_, key) =
        ApiKeys::new(backend.store.clone()).make(&tenant, "Shop", &[Scope::Intake], SystemClock.now()).await?;
    let order = reqwest::Client::new()
        .post(format!("{}/api/v1/{tenant}/deals", stack.url()))
        .bearer_auth(key)
        .header("idempotency-key", "1")
        .body(json!({"title": "Order 1"}).to_string());
    assert_eq!(order.send().await?.status(), 201);
    let cards = || estate.workspaces[0].texts("sales-pipeline");
    stack.until("the card", async || !cards().is_empty()).await?;
    assert_eq!(cards(), ["New deal: Order 1"]);

    // The portal rejects its token: the worker that meets it, which may not read the keys of the application, has it
    // renewed and goes on.
    let before = estate.authority.refreshes();
    estate.authority.expire_all();
    portal.add_deal("Order 2", 1, "EUR");
    stack.until("the second card", async || cards().len() == 2).await?;
    assert_eq!(cards()[1], "New deal: Order 2");
    assert!(estate.authority.refreshes() > before);
    assert!(!stack.runs("token-renewal").await?.is_empty(), "another function renewed it");

    // A company that leaves leaves nothing behind. What is older than a minute is deleted first: what is younger may be of a
    // company that is just connecting again.
    let clock = Arc::new(ManualClock::automatic("2020-01-01T00:00:00Z".parse()?));
    let old = aws::ports_over(&stack.config, stack.names.clone(), clock);
    let place = |number: u32| ItemKey::new(Table::Links, format!("{tenant}#draft"), format!("{number:03}"));
    for number in 0..20 {
        old.store.put(StoreWrite::new(place(number), &number, WriteCondition::Always)?).await?;
    }
    let page = browser.submit("/install", "/install/leave", &[("domain", &portal.host())]).await;
    assert!(page.text.contains("is deleting everything"), "{}", page.text);
    let departure = async || tenants::departure::of(&backend, &tenant).await;
    let is_deleted = async || departure().await.is_ok_and(|found| found.is_some_and(|found| found.total() >= 20));
    stack.until("the deletion by a job", is_deleted).await?;
    assert_eq!(backend.store.get(&place(0)).await?, None);
    // The upkeep would send the job again if its message were lost.
    assert_eq!(stack.invoke("upkeep", &json!({})).await?["failed"], json!([]));
    // An operator does not wait.
    tenants::departure::depart(&backend, &tenant).await?;
    for table in Table::ALL {
        assert_eq!(backend.store.belonging(table, tenant.as_str(), None).await?.items.len(), 0, "{}", table.name());
    }
    stack.note_grants().await
}
