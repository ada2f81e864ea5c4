//! Records and Notion pages through the deployed stack: a new deal, an edit on either side, the poll, the page.

use clients::Connections;
use cloud::Company;
use jobs::queues;
use journeys::estate::Browser;
use secrecy::ExposeSecret;
use serde_json::json;
use simulators::notion::NotionEventDelivery;
use simulators::portal::DEAL;
use slack::SlackApiBase;

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_and_its_page_are_synced_by_the_deployed_stack() -> anyhow::Result<()> {
    let settings = |database: &str| json!({"routes": [], "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal"}]}});
    let company = Company::connect(settings).await?;
    let (portal, notion, stack) = (&company.sandbox.portal, &company.sandbox.notion, &company.stack);
    let row = |deal: u64| -> Option<String> {
        let rows = notion.rows(&notion.database("Deals")?.1);
        let row = rows.into_iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal)?;
        Some(row["id"].as_str()?.to_owned())
    };
    let until = async |what: &str, done: &dyn Fn() -> bool| {
        let done = async || {
            notion.send_due();
            done()
        };
        stack.until(what, done).await
    };
    let connections = Connections::new(&company.backend, SlackApiBase::new(&company.sandbox.slack.api_url())?);
    let key = connections.open_notion_window(&company.tenant, false).await?;
    let (_, status) = notion.subscribe(&format!("{}/webhooks/notion/{}", stack.url(), key.expose_secret())).await;
    assert_eq!(status, 200, "the deployed function accepts the token");

    let deal = portal.add_deal("Roof for ACME", 150_000, "EUR");
    until("the page", &|| row(deal).is_some()).await?;
    let row = row(deal).unwrap();
    notion.edit(&row, &json!({"Amount": {"number": 160_000}})).map_err(anyhow::Error::msg)?;
    until("the amount", &|| portal.item(DEAL, deal).unwrap()["opportunity"] == 160_000).await?;
    portal.change_item(DEAL, deal, json!({"title": "Roof and windows"}));
    until("the title", &|| notion.shown(&row, "Name") == "Roof and windows").await?;

    // Without a webhook the poll finds it, which the stack's own schedule begins each minute.
    notion.deliver(NotionEventDelivery { drop_every: 1, ..NotionEventDelivery::default() });
    notion.edit(&row, &json!({"Amount": {"number": 170_000}})).map_err(anyhow::Error::msg)?;
    until("the polled amount", &|| portal.item(DEAL, deal).unwrap()["opportunity"] == 170_000).await?;

    let code = admin::new_code(&company.backend, &company.tenant).await?;
    let browser = Browser::at(&stack.url());
    browser.post("/admin/sign-in", &[("code", &code)]).await;
    let page = browser.get("/admin/notion").await.text;
    assert!(page.contains("Plan a backfill") && page.contains("Deals"), "{page}");
    assert_eq!(stack.dead_letters(queues::RECORD_SYNC).await?, 0);
    stack.note_grants().await
}
