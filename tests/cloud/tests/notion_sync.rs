//! Records and Notion pages through the built binaries: a new deal, an edit on either side, the poll, the page.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{ConnectionCredentials, Connections, PortalAccess};
use cloud::{Cloud, Function, Gateway, bootstrap};
use jobs::queues;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, QueueName, SystemClock};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::portal::DEAL;
use slack::SlackApiBase;
use slack::client::SlackIdentity;

struct Deployment {
    cloud: Cloud,
    sandbox: Sandbox,
    gateway: Gateway,
    queues: Vec<(QueueName, Arc<Function>)>,
    poll: Arc<Function>,
    backend: Backend,
    tenant: runtime::TenantId,
}

impl Deployment {
    async fn start() -> anyhow::Result<Self> {
        let gateway = Gateway::start().await?;
        let mut cloud = Cloud::start().await?;
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
        cloud.reach_at(&gateway.url());
        cloud.notion_at(&sandbox.notion.url());
        let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
        let tenant = connect(&backend, &sandbox).await?;
        let slack_api = sandbox.slack.api_url();
        let start =
            async |name: &str| anyhow::Ok(Arc::new(Function::start(name, &bootstrap(name), &cloud, &slack_api).await?));
        for (path, name) in
            [("/webhooks/notion", "notion-webhook"), ("/webhooks/bitrix24", "bitrix24-webhook"), ("/admin", "admin")]
        {
            gateway.route(path, &start(name).await?);
        }
        let mut queues = Vec::new();
        for queue in [queues::BITRIX24_EVENTS, queues::RECORD_SYNC] {
            queues.push((queue, start(queue.name()).await?));
        }
        let poll = start("notion-poll").await?;
        sandbox
            .portal
            .send_events_to(&format!("{}/webhooks/bitrix24", gateway.url()), &["ONCRMDEALADD", "ONCRMDEALUPDATE"]);
        Ok(Self { cloud, sandbox, gateway, queues, poll, backend, tenant })
    }

    /// Feeds the functions until `done`; gives up after two minutes.
    async fn work_until(&self, what: &str, done: impl Fn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(120), "{what} did not come");
            self.sandbox.notion.send_due();
            for (queue, function) in &self.queues {
                function.feed(&self.cloud, *queue).await?;
            }
        }
        Ok(())
    }

    fn row(&self, deal: u64) -> Option<String> {
        let (_, source) = self.sandbox.notion.database("Deals")?;
        let rows = self.sandbox.notion.rows(&source);
        let row = rows.into_iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal)?;
        Some(row["id"].as_str()?.to_owned())
    }
}

async fn connect(backend: &Backend, sandbox: &Sandbox) -> anyhow::Result<runtime::TenantId> {
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let connections = Connections::new(backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .with_notion(notion::NotionApiBase::new(&sandbox.notion.url())?)
        .allowing(clients::Network::this_machine());
    let credentials = sandbox.portal.credentials();
    let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
    let settings =
        json!({"routes": [], "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal"}]}});
    let access = ConnectionCredentials {
        member_id: credentials.member_id,
        portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
        application_token: credentials.application_token.into(),
        bot_token: sandbox.slack.token().into(),
        workspace: Some(SlackIdentity {
            team_id: "T0".into(),
            team: "Sandbox".into(),
            user_id: "U0".into(),
            bot_id: "B0".into(),
        }),
        notion: Some(connections.verify_notion_token(&sandbox.notion.token().to_owned().into()).await?),
        signing_secret: None,
        settings: Some(settings),
    };
    Ok(connections.join(access).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_and_its_page_are_kept_alike_by_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let (portal, notion) = (&deployment.sandbox.portal, &deployment.sandbox.notion);
    let connections = Connections::from_env(&deployment.backend)?;
    let key = connections.open_notion_window(&deployment.tenant, false).await?;
    let address =
        format!("{}/webhooks/notion/{}", deployment.gateway.url(), secrecy::ExposeSecret::expose_secret(&key));
    let (_, status) = notion.subscribe(&address).await;
    assert_eq!(status, 200, "the token is taken by the built binary");

    let deal = portal.add_deal("Roof for ACME", 150_000, "EUR");
    deployment.work_until("the page", || deployment.row(deal).is_some()).await?;
    let row = deployment.row(deal).unwrap();
    notion.edit(&row, &json!({"Amount": {"number": 160_000}})).map_err(anyhow::Error::msg)?;
    deployment.work_until("the amount", || portal.item(DEAL, deal).unwrap()["opportunity"] == 160_000).await?;
    portal.change_item(DEAL, deal, json!({"title": "Roof and windows"}));
    deployment.work_until("the title", || notion.shown(&row, "Name") == "Roof and windows").await?;

    // Without a webhook the poll finds it. It polls twice, half a minute apart.
    notion.deliver(simulators::notion::NotionEventDelivery {
        drop_every: 1,
        ..simulators::notion::NotionEventDelivery::default()
    });
    notion.edit(&row, &json!({"Amount": {"number": 170_000}})).map_err(anyhow::Error::msg)?;
    let report = deployment.poll.invoke(sample("notion-poll.json")?).await?;
    assert_eq!((&report["databases"], &report["stopped"]), (&json!(1), &json!([])), "{report}");
    deployment.work_until("the polled amount", || portal.item(DEAL, deal).unwrap()["opportunity"] == 170_000).await?;

    let code = admin::new_code(&deployment.backend, &deployment.tenant).await?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let address = deployment.gateway.url();
    let signed_in = http
        .post(format!("{address}/admin/sign-in"))
        .header("sec-fetch-site", "same-origin")
        .body(format!("code={code}"))
        .send()
        .await?;
    let cookie = signed_in.headers()["set-cookie"].to_str()?.split(';').next().unwrap().to_owned();
    let page = http.get(format!("{address}/admin/notion")).header("cookie", &cookie).send().await?.text().await?;
    assert!(page.contains("Plan a backfill") && page.contains("Deals"), "{page}");
    let letters = deployment.backend.queue.dead_letters(queues::RECORD_SYNC, 10).await?;
    assert!(letters.is_empty(), "{letters:?}");

    // The files in `events/` are understood: the first is signed for no address of ours, the second names no database.
    let answer = deployment.sample_of_webhook().await?;
    assert_eq!(answer["statusCode"], 401, "{answer}");
    let (_, sync) = &deployment.queues[1];
    assert_eq!(sync.invoke(sample("record-sync.json")?).await?, json!({"batchItemFailures": []}));
    Ok(())
}

impl Deployment {
    async fn sample_of_webhook(&self) -> anyhow::Result<Value> {
        let function = Function::start("notion-webhook", &bootstrap("notion-webhook"), &self.cloud, "").await?;
        function.invoke(sample("notion-webhook.json")?).await
    }
}

fn sample(name: &str) -> anyhow::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
