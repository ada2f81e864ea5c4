//! Operators at work on the built binaries: every page, a fault found, redriven from the pages and from the console of SQS,
//! the log's lines and the metrics in them, the trace across queues, the API's log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{ConnectionCredentials, Connections, PortalAccess};
use cloud::{Cloud, Function, Gateway, bootstrap};
use jobs::queues;
use journeys::estate::Browser;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, Clock, QueueName, SystemClock, TenantId};
use serde_json::{Value, json};
use simulators::Sandbox;
use slack::SlackApiBase;
use slack::client::SlackIdentity;
use tenants::api_keys::{ApiKeys, Scope};

struct Deployment {
    cloud: Cloud,
    sandbox: Sandbox,
    gateway: Gateway,
    queues: Vec<(QueueName, Arc<Function>)>,
    scheduled: BTreeMap<&'static str, Arc<Function>>,
    backend: Backend,
    tenant: TenantId,
}

impl Deployment {
    async fn start() -> anyhow::Result<Self> {
        let gateway = Gateway::start().await?;
        let mut cloud = Cloud::start().await?;
        cloud.reach_at(&gateway.url());
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
        cloud.notion_at(&sandbox.notion.url());
        let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
        let tenant = connect(&backend, &sandbox).await?;
        let slack_api = sandbox.slack.api_url();
        let start =
            async |name: &str| anyhow::Ok(Arc::new(Function::start(name, &bootstrap(name), &cloud, &slack_api).await?));
        for (path, name) in [
            ("/webhooks/bitrix24", "bitrix24-webhook"),
            ("/webhooks/slack", "slack-webhook"),
            ("/admin", "admin"),
            ("/install", "install"),
            ("/api/v1", "api"),
        ] {
            gateway.route(path, &start(name).await?);
        }
        let (mut queues, mut scheduled) = (Vec::new(), BTreeMap::new());
        for queue in queues::ALL {
            queues.push((queue, start(queue.name()).await?));
        }
        for name in ["portal-sweep", "upkeep", "schedules"] {
            scheduled.insert(name, start(name).await?);
        }
        let events =
            ["ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMLEADADD", "ONTASKADD", "ONTASKCOMMENTADD", "ONVOXIMPLANTCALLEND"];
        sandbox.portal.send_events_to(&format!("{}/webhooks/bitrix24", gateway.url()), &events);
        Ok(Self { cloud, sandbox, gateway, queues, scheduled, backend, tenant })
    }

    /// Feeds the functions until `done`; gives up after a minute.
    async fn work_until(&self, what: &str, done: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done().await {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(60), "{what} did not come");
            for (queue, function) in &self.queues {
                function.feed(&self.cloud, *queue).await?;
            }
        }
        Ok(())
    }

    async fn dead(&self) -> usize {
        self.backend.queue.dead_letters(queues::SLACK_DELIVERY, 100).await.unwrap().len()
    }

    fn cards(&self) -> Vec<String> {
        self.sandbox.slack.texts("sales-pipeline")
    }
}

async fn connect(backend: &Backend, sandbox: &Sandbox) -> anyhow::Result<TenantId> {
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let connections = Connections::new(backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .with_notion(notion::NotionApiBase::new(&sandbox.notion.url())?)
        .allowing(clients::Network::this_machine());
    let credentials = sandbox.portal.credentials();
    let (team, user, bot) = sandbox.slack.identity();
    let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
    let access = ConnectionCredentials {
        member_id: credentials.member_id,
        portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
        application_token: credentials.application_token.into(),
        bot_token: sandbox.slack.token().into(),
        workspace: Some(SlackIdentity {
            team_id: team,
            team: "Sandbox".into(),
            user_id: user.into(),
            bot_id: bot.into(),
        }),
        notion: Some(connections.verify_notion_token(&sandbox.notion.token().to_owned().into()).await?),
        signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
        settings: Some(json!({
            "group_bursts": null,
            "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal", "when": "record.opportunity > 1000000"}]},
        })),
    };
    Ok(connections.join(access).await?)
}

async fn signed_in(deployment: &Deployment) -> anyhow::Result<Browser> {
    let code = admin::new_code(&deployment.backend, &deployment.tenant).await?;
    let browser = Browser::at(&deployment.gateway.url());
    let page = browser.post("/admin/sign-in", &[("code", &code)]).await;
    assert_eq!(page.location.as_deref(), Some("/admin"), "{}", page.text);
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_find_a_fault_and_redrive_it_through_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let (slack, portal) = (&deployment.sandbox.slack, &deployment.sandbox.portal);
    let browser = signed_in(&deployment).await?;
    slack.change_channel("sales-pipeline", |channel| channel.is_archived = true);
    for title in ["Alpha", "Bravo", "Carol"] {
        portal.add_deal(title, 1, "EUR");
    }
    // The emulated SQS does not count what was looked at and put back: the log is asked first.
    let given_up =
        async || browser.get("/admin/events?status=dead").await.text.matches("data-label=\"Arrived\"").count();
    deployment.work_until("the dead letters", async || given_up().await == 3).await?;
    assert!(browser.get("/admin").await.text.contains("3 failed deliveries"));

    // Every page, and the part that asks for itself again.
    for path in [
        "/admin",
        "/admin/overview",
        "/admin/events",
        "/admin/dead",
        "/admin/doctor",
        "/admin/routes",
        "/admin/routes/edit",
        "/admin/settings",
        "/admin/people",
        "/admin/bridges",
        "/admin/notion",
        "/admin/notion/edit?database=Deals",
        "/admin/keys",
        "/admin/audit",
        "/admin/htmx.js",
        "/install",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
    }
    let checks = browser.submit("/admin/doctor", "/admin/doctor", &[]).await.text;
    assert!(checks.contains("#sales-pipeline") && checks.contains("not found"), "{checks}");
    let fields = [("name", "more"), ("change", "lead.created"), ("to", "#general"), ("thread", "none")];
    let saved = browser.submit("/admin/routes/edit", "/admin/routes/save", &fields).await;
    assert!(saved.location.unwrap().contains("takes+effect"));
    browser.submit("/admin/notion", "/admin/notion/backfill", &[("database", "Deals"), ("dry", "yes")]).await;
    deployment.work_until("the plan", async || browser.get("/admin/notion/runs").await.text.contains(": done")).await?;

    slack.change_channel("sales-pipeline", |channel| channel.is_archived = false);
    let page = browser.get("/admin/dead?q=Alpha").await.text;
    assert!(page.contains("1 × channel_not_found"), "{page}");
    browser.submit("/admin/dead/plan?act=redrive&q=Alpha", "/admin/dead/redrive", &[]).await;
    // The console of SQS moves a letter back as it lies.
    let moved = deployment.cloud.move_back(queues::SLACK_DELIVERY, "Bravo").await?;
    assert!(moved, "it was there");
    let back = || deployment.cards().len();
    deployment.work_until("the cards", async || back() == 2).await?;
    let mut cards = deployment.cards();
    cards.sort();
    assert_eq!(cards, ["New deal: Alpha", "New deal: Bravo"]);
    let discarded =
        browser.submit("/admin/dead/plan?act=discard&q=Carol", "/admin/dead/discard", &[("why", "a test")]).await;
    assert!(discarded.location.unwrap().contains("1+delivery+was+discarded"));
    assert_eq!(deployment.dead().await, 0);
    assert!(browser.get("/admin/audit").await.text.contains("dead letters discarded: a test"));

    // What the programs of a company see of it.
    let (_, key) = ApiKeys::new(deployment.backend.store.clone())
        .make(&deployment.tenant, "x", &[Scope::Read, Scope::Sync], SystemClock.now())
        .await?;
    let http = reqwest::Client::new();
    let api = format!("{}/api/v1/{}", deployment.gateway.url(), deployment.tenant);
    let log = http.get(format!("{api}/events")).bearer_auth(&key).send().await?;
    assert_eq!(log.status(), 200);
    let sync =
        http.post(format!("{api}/sync")).bearer_auth(&key).body(json!({"database": "Deals", "dry": true}).to_string());
    let begun = sync.send().await?;
    let (status, told) = (begun.status(), begun.text().await?);
    assert!(status.is_success(), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_on_a_portal_goes_through_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let (slack, portal) = (&deployment.sandbox.slack, &deployment.sandbox.portal);
    portal.add_lead("Request");
    let task = portal.add_task(json!({"TITLE": "Pack the boxes", "RESPONSIBLE_ID": 6}));
    let call = portal.end_call(&simulators::portal::PhoneCall {
        kind: 2,
        phone: "+49 30 1".into(),
        user: 6,
        code: "304".into(),
        ..Default::default()
    });
    let leads = || slack.texts("sales-leads").len();
    let calls = || slack.texts("calls").len();
    deployment.work_until("the lead's card and the call's", async || leads() == 1 && calls() == 1).await?;
    portal.comment(task, 1, "Please hurry");
    portal.record_call(&call, "https://example.com/rec.mp3");
    let heard = || slack.direct("user6@example.com").len();
    deployment.work_until("the comment", async || heard() == 1).await?;
    // What no event told is found.
    for name in ["portal-sweep", "upkeep", "schedules"] {
        let report = deployment.scheduled[name].invoke(json!({})).await?;
        assert!(report.is_object(), "{name}: {report}");
    }

    // Each line that is logged for a job says whose it is and which way it came; counts and measures are metrics.
    let mut metrics = std::collections::BTreeSet::new();
    let mut decided = 0;
    for (queue, function) in &deployment.queues {
        for line in function.log() {
            let line: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| unreachable!("{}: {error}: {line}", queue.name()));
            if let Some(directives) = line["_aws"]["CloudWatchMetrics"].as_array() {
                assert_eq!(line["stage"], "test", "{line}");
                metrics.extend(directives.iter().map(|one| one["Metrics"][0]["Name"].as_str().unwrap().to_owned()));
                continue;
            }
            assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
            if line["message"] == "decided" || line["message"] == "delivered" {
                assert_eq!(line["tenant"], deployment.tenant.as_str(), "{line}");
                assert_eq!(line["trace"].as_str().unwrap().len(), 36, "{line}");
                assert_eq!(line["xray"], "1-5bef4de7-ad49b0e87f6ef6c87fc2e700", "{line}");
                decided += 1;
            }
        }
    }
    assert!(decided >= 6, "{decided}");
    for function in deployment.scheduled.values() {
        for line in function.log() {
            let line: Value = serde_json::from_str(&line)?;
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().cloned().unwrap_or_default();
            metrics.extend(directives.iter().map(|one| one["Metrics"][0]["Name"].as_str().unwrap().to_owned()));
        }
    }
    for name in ["jobs", "delivery_lag", "silent_tenants", "tokens_near_end", "sides_in_trouble", "sweep_lag"] {
        assert!(metrics.contains(name), "{name}: {metrics:?}");
    }
    assert!(deployment.cloud.traced_sends() > 3, "what is sent belongs to the trace of who sends it");
    Ok(())
}

#[test]
fn every_metric_that_the_template_watches_is_one_that_we_make() {
    let template = include_str!("../../../template.yaml");
    let sources = [
        "shared/runtime/src",
        "shared/aws/src",
        "shared/clients/src",
        "shared/notifications/src",
        "functions/upkeep/src",
        "functions/portal-sweep/src",
        "functions/notion-poll/src",
    ];
    let mut code = String::new();
    for folder in sources {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            code.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        }
    }
    let alone = template.split("Namespace: Switchboard\n      MetricName: ").skip(1);
    let calculated = template.split("Namespace: Switchboard, MetricName: ").skip(1);
    let watched: Vec<_> = alone.chain(calculated).map(|rest| rest.split([',', '\n']).next().unwrap()).collect();
    assert!(watched.len() >= 12, "{watched:?}");
    for metric in watched {
        assert!(code.contains(&format!("\"{metric}\"")), "nobody makes {metric}");
    }
}

#[test]
fn every_alarm_leads_to_its_place_in_the_runbook() {
    let template = include_str!("../../../template.yaml");
    let runbook = include_str!("../../../docs/operations.md");
    let places: std::collections::BTreeSet<_> =
        template.split("docs/operations.md#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(places.len() >= 8, "{places:?}");
    for place in &places {
        assert!(runbook.contains(&format!("<a id=\"{place}\"></a>")), "the runbook has no place {place}");
    }
    let alarms = template.split("AlarmName: !Sub switchboard-${Stage}-").skip(1);
    let alarms: Vec<_> = alarms.map(|rest| rest.lines().next().unwrap()).collect();
    assert!(alarms.len() >= places.len(), "{alarms:?}");
    for name in alarms {
        let family =
            name.split("-bitrix24").next().unwrap().split("-slack").next().unwrap().split("-record").next().unwrap();
        assert!(runbook.contains(family), "the runbook does not name {name}");
    }
}
