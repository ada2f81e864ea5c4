//! Operators at work on the deployed stack: every page, a fault found and redriven, the API's log, the lines that are logged
//! and the metrics in them.

use std::collections::BTreeSet;

use cloud::Company;
use jobs::queues;
use journeys::estate::Browser;
use runtime::{Clock, SystemClock};
use serde_json::{Value, json};
use tenants::api_keys::{ApiKeys, Scope};

#[tokio::test(flavor = "multi_thread")]
async fn operators_find_a_fault_and_redrive_it_on_the_deployed_stack() -> anyhow::Result<()> {
    let settings = |database: &str| {
        json!({
            "group_bursts": null,
            "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal", "when": "record.opportunity > 1000000"}]},
        })
    };
    let company = Company::connect(settings).await?;
    let (slack, portal, stack) = (&company.sandbox.slack, &company.sandbox.portal, &company.stack);
    let code = admin::new_code(&company.backend, &company.tenant).await?;
    let browser = Browser::at(&stack.url());
    let page = browser.post("/admin/sign-in", &[("code", &code)]).await;
    assert_eq!(page.location.as_deref(), Some("/admin"), "{}", page.text);
    slack.change_channel("sales-pipeline", |channel| channel.is_archived = true);
    for title in ["Alpha", "Bravo", "Carol"] {
        portal.add_deal(title, 1, "EUR");
    }
    let letters = async || stack.dead_letters(queues::SLACK_DELIVERY).await.expect("SQS answers");
    stack.until("the dead letters", async || letters().await == 3).await?;
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
    stack.until("the plan", async || browser.get("/admin/notion/runs").await.text.contains(": done")).await?;

    slack.change_channel("sales-pipeline", |channel| channel.is_archived = false);
    let page = browser.get("/admin/dead?q=Alpha").await.text;
    assert!(page.contains("1 × channel_not_found"), "{page}");
    browser.submit("/admin/dead/plan?act=redrive&q=Alpha", "/admin/dead/redrive", &[]).await;
    let cards = || slack.texts("sales-pipeline");
    stack.until("the card", async || cards() == ["New deal: Alpha"]).await?;
    let discarded =
        browser.submit("/admin/dead/plan?act=discard&q=Carol", "/admin/dead/discard", &[("why", "a test")]).await;
    assert!(discarded.location.unwrap().contains("1+delivery+was+discarded"));
    // The console of SQS moves the rest back as it is.
    stack.until("the letter that is left", async || letters().await == 1).await?;
    assert_eq!(stack.redrive(queues::SLACK_DELIVERY).await?, 1);
    stack.until("the card", async || cards() == ["New deal: Alpha", "New deal: Bravo"]).await?;
    assert_eq!(letters().await, 0);
    assert!(browser.get("/admin/audit").await.text.contains("dead letters discarded: a test"));

    // What the programs of a company see of it.
    let (_, key) = ApiKeys::new(company.backend.store.clone())
        .make(&company.tenant, "x", &[Scope::Read, Scope::Sync], SystemClock.now())
        .await?;
    let http = reqwest::Client::new();
    let api = format!("{}/api/v1/{}", stack.url(), company.tenant);
    let log = http.get(format!("{api}/events")).bearer_auth(&key).send().await?;
    assert_eq!(log.status(), 200);
    let sync =
        http.post(format!("{api}/sync")).bearer_auth(&key).body(json!({"database": "Deals", "dry": true}).to_string());
    let begun = sync.send().await?;
    let (status, text) = (begun.status(), begun.text().await?);
    assert!(status.is_success(), "{text}");

    for name in ["portal-sweep", "upkeep", "schedules"] {
        let report = stack.invoke(name, &json!({})).await?;
        assert!(report.is_object(), "{name}: {report}");
    }
    what_is_logged_says_whose_it_is(&company).await?;
    stack.note_grants().await
}

/// Each line that is logged for a job says whose it is and which way it came; counts and measures are metrics.
async fn what_is_logged_says_whose_it_is(company: &Company) -> anyhow::Result<()> {
    let (mut metrics, mut traces) = (BTreeSet::new(), BTreeSet::new());
    let functions = queues::ALL.into_iter().map(runtime::QueueName::name);
    for function in functions.chain(["portal-sweep", "upkeep", "schedules"]) {
        for line in company.stack.log(function).await? {
            let line: Value = serde_json::from_str(&line)?;
            if let Some(directives) = line["_aws"]["CloudWatchMetrics"].as_array() {
                assert_eq!(line["stage"], "dev", "{line}");
                metrics.extend(directives.iter().map(|one| one["Metrics"][0]["Name"].as_str().unwrap().to_owned()));
                continue;
            }
            assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
            if line["message"] == "decided" || line["message"] == "delivered" {
                assert_eq!(line["tenant"], company.tenant.as_str(), "{line}");
                assert_eq!(line["trace"].as_str().unwrap().len(), 36, "{line}");
                traces.insert(line["trace"].to_string());
            }
        }
    }
    assert!(traces.len() >= 3, "{traces:?}");
    for name in ["jobs", "delivery_lag", "silent_tenants", "tokens_near_end", "sides_in_trouble", "sweep_lag"] {
        assert!(metrics.contains(name), "{name}: {metrics:?}");
    }
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
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            code.push_str(&std::fs::read_to_string(file).unwrap());
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
        let ends = ["-bitrix24", "-slack", "-record", "-tenant"];
        let family = ends.iter().fold(name, |name, end| name.split(end).next().unwrap());
        assert!(runbook.contains(family), "the runbook does not name {name}");
    }
}
