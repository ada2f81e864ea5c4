//! A company connects itself through the built Lambda binaries: pages behind a gateway, OAuth of both providers, the first
//! card; and a shop brings a deal in through the API.

use std::sync::Arc;

use cloud::{Cloud, Function, Gateway, bootstrap};
use jobs::queues;
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
async fn a_company_connects_itself_through_the_built_binaries() -> anyhow::Result<()> {
    let mut cloud = Cloud::start().await?;
    let gateway = Gateway::start().await?;
    let estate = Estate::start(Arc::new(SystemClock), 1).await?;
    cloud.reach_at(&gateway.url());
    cloud.authorize_at(&estate.authority.url(Region::West), &estate.authority.url(Region::East));
    estate.deploy(&gateway.url());
    let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let apps = json!({
        "bitrix24": {"client_id": BITRIX24_APP.0, "client_secret": BITRIX24_APP.1},
        "slack": {
            "client_id": SLACK_APP.0, "client_secret": SLACK_APP.1, "signing_secret": estate.workspaces[0].signing_secret(), "pkce": true,
        },
    });
    backend.secrets.put(APPS, apps.to_string().into()).await?;
    let slack_api = estate.hub.api_url();
    let start =
        async |name: &str| anyhow::Ok(Arc::new(Function::start(name, &bootstrap(name), &cloud, &slack_api).await?));
    let (events, delivery) = (start("bitrix24-events").await?, start("slack-delivery").await?);
    let renewal = start("token-renewal").await?;
    cloud.let_be_called("token-renewal", &renewal);
    gateway.route("/install", &start("install").await?);
    gateway.route("/webhooks", &start("bitrix24-webhook").await?);
    gateway.route("/api/v1", &start("api").await?);

    let browser = Browser::at(&gateway.url());
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

    // A shop's order becomes a deal; the portal tells of it, and its card appears.
    let tenant = TenantId::new(portal.credentials().member_id)?;
    let (_, key) =
        ApiKeys::new(backend.store.clone()).make(&tenant, "Shop", &[Scope::Intake], SystemClock.now()).await?;
    let order = reqwest::Client::new()
        .post(format!("{}/api/v1/{tenant}/deals", gateway.url()))
        .bearer_auth(key)
        .header("idempotency-key", "1")
        .body(json!({"title": "Order 1"}).to_string());
    assert_eq!(order.send().await?.status(), 201);
    while portal.events_on_the_way() > 0 {
        tokio::task::yield_now().await;
    }
    while estate.workspaces[0].texts("sales-pipeline").is_empty() {
        events.feed(&cloud, queues::BITRIX24_EVENTS).await?;
        delivery.feed(&cloud, queues::SLACK_DELIVERY).await?;
    }
    assert_eq!(estate.workspaces[0].texts("sales-pipeline"), ["New deal: Order 1"]);

    // The portal does not take its token any more: the worker that meets it, which may not read the keys of the application,
    // has it renewed and goes on.
    let before = estate.authority.refreshes();
    estate.authority.expire_all();
    portal.add_deal("Order 2", 1, "EUR");
    while estate.workspaces[0].texts("sales-pipeline").len() < 2 {
        events.feed(&cloud, queues::BITRIX24_EVENTS).await?;
        delivery.feed(&cloud, queues::SLACK_DELIVERY).await?;
    }
    assert_eq!(estate.workspaces[0].texts("sales-pipeline")[1], "New deal: Order 2");
    assert_eq!(estate.authority.refreshes(), before + 1);
    assert!(renewal.worked().0 >= 1);

    let schedules = Function::start("schedules", &bootstrap("schedules"), &cloud, &slack_api).await?;
    assert_eq!(schedules.invoke(json!({})).await?, json!({"ran": 0, "failed": []}));
    // Who leaves leaves nothing behind, on DynamoDB too. What is older than a minute is deleted first (what is younger may be
    // of somebody who is just connecting again).
    let old = aws::ports_over(
        &cloud.config,
        cloud.names.clone(),
        Arc::new(ManualClock::automatic("2020-01-01T00:00:00Z".parse()?)),
    );
    let place = |number: u32| ItemKey::new(Table::Links, format!("{tenant}#draft"), format!("{number:03}"));
    for number in 0..20 {
        old.store.put(StoreWrite::new(place(number), &number, WriteCondition::Always)?).await?;
    }
    let page = browser.submit("/install", "/install/leave", &[("domain", &portal.host())]).await;
    assert!(page.text.contains("is deleting everything"), "{}", page.text);
    let jobs = start("tenant-jobs").await?;
    assert_eq!(jobs.feed(&cloud, queues::TENANT_JOBS).await?, 1);
    assert_eq!(backend.store.get(&place(0)).await?, None);
    let departure = tenants::departure::of(&backend, &tenant).await?;
    assert!(departure.is_some_and(|departure| departure.total() >= 20));
    // The upkeep sends a job if this one's message is lost, but none while it waits.
    let upkeep = Function::start("upkeep", &bootstrap("upkeep"), &cloud, &slack_api).await?;
    let report = upkeep.invoke(json!({})).await?;
    assert_eq!((&report["leaving"], &report["resumed"], &report["failed"]), (&json!(1), &json!(0), &json!([])));
    // An operator does not wait.
    tenants::departure::depart(&backend, &tenant).await?;
    for table in Table::ALL {
        assert_eq!(backend.store.belonging(table, tenant.as_str(), None).await?.items.len(), 0, "{}", table.name());
    }
    Ok(())
}
