//! What a change costs, from what the built binaries asked AWS for: a measurement, not a test. `docs/costs.md` says how to
//! repeat it.
#![allow(clippy::cast_precision_loss)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{ConnectionCredentials, Connections, PortalAccess};
use cloud::{Cloud, Function, Gateway, bootstrap};
use jobs::queues;
use runtime::SystemClock;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use serde_json::json;
use simulators::Sandbox;
use slack::SlackApiBase;
use slack::client::SlackIdentity;

/// Deals that are made and then moved: each is two events and two cards.
const DEALS: u64 = 150;

/// List prices, us-east-1, in dollars: a million requests, a GB-second, a million units, a GB of logs.
const LAMBDA_REQUESTS: f64 = 0.20;
const LAMBDA_GB_SECOND: f64 = 0.000_016_666_7;
const HTTP_API: f64 = 1.00;
const SQS_FIFO: f64 = 0.50;
const WRITES: f64 = 0.625;
const READS: f64 = 0.125;
const LOGS: f64 = 0.50;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement for docs/costs.md"]
async fn what_a_thousand_changes_cost() -> anyhow::Result<()> {
    let gateway = Gateway::start().await?;
    let cloud = Cloud::start().await?;
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
    sandbox.portal.limit_calls(false);
    let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let connections = Connections::new(&backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .allowing(clients::Network::this_machine());
    let credentials = sandbox.portal.credentials();
    let (team, user, bot) = sandbox.slack.identity();
    // Each card to a channel of its own kind, so that Slack's one a second does not make the measurement long.
    let routes: Vec<_> = (0..30)
        .flat_map(|n| {
            ["deal.created", "deal.stage_changed"].map(|change| json!({
                "name": format!("{change} {n}"), "change": change, "to": format!("#cost-{n}"), "when": format!("record.id % 30 == {n}"), "at_once": true,
            }))
        })
        .take(40)
        .collect();
    for n in 0..30 {
        sandbox.slack.add_channel(&format!("cost-{n}"));
    }
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
        notion: None,
        signing_secret: None,
        settings: Some(json!({"routes": routes, "group_bursts": null})),
    };
    connections.join(access).await?;
    let slack_api = sandbox.slack.api_url();
    let start =
        async |name: &str| anyhow::Ok(Arc::new(Function::start(name, &bootstrap(name), &cloud, &slack_api).await?));
    let webhook = start("bitrix24-webhook").await?;
    gateway.route("/webhooks/bitrix24", &webhook);
    let (events, delivery) = (start("bitrix24-events").await?, start("slack-delivery").await?);
    sandbox
        .portal
        .send_events_to(&format!("{}/webhooks/bitrix24", gateway.url()), &["ONCRMDEALADD", "ONCRMDEALUPDATE"]);
    let before = cloud.charged();
    let cards = || (0..30).map(|n| sandbox.slack.texts(&format!("cost-{n}")).len()).sum::<usize>();
    let work = async |wanted: usize| {
        let began = Instant::now();
        while cards() < wanted && began.elapsed() < Duration::from_secs(300) {
            events.feed(&cloud, queues::BITRIX24_EVENTS).await?;
            delivery.feed(&cloud, queues::SLACK_DELIVERY).await?;
        }
        anyhow::Ok(())
    };
    let deals: Vec<u64> = (0..DEALS).map(|n| sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    let told = deals.iter().filter(|deal| *deal % 30 < 20).count();
    work(told).await?;
    for deal in &deals {
        sandbox.portal.move_deal(*deal, "EXECUTING");
    }
    work(told * 2).await?;

    let posted = cards();
    let changes = (DEALS * 2) as f64;
    println!("{changes} events, {posted} cards");
    let per_thousand = |number: f64| number * 1000.0 / changes;
    let mut total = 0.0;
    let mut row = |what: &str, number: f64, price: f64| {
        total += per_thousand(number) * price;
        println!("| {what} | {:.0} | {:.6} |", per_thousand(number), per_thousand(number) * price);
    };
    println!("| a thousand events | number | dollars |\n|---|---|---|");
    let mut requests = 0.0;
    for (name, function, memory) in
        [("bitrix24-webhook", &webhook, 0.25), ("bitrix24-events", &events, 0.5), ("slack-delivery", &delivery, 0.25)]
    {
        let (invocations, took) = function.worked();
        requests += invocations as f64;
        row(&format!("Lambda requests, {name}"), invocations as f64, LAMBDA_REQUESTS / 1e6);
        row(&format!("Lambda milliseconds, {name}"), took.as_secs_f64() * 1000.0, memory * LAMBDA_GB_SECOND / 1000.0);
        let logged: usize = function.log().iter().map(String::len).sum();
        row(&format!("bytes of logs, {name}"), logged as f64, LOGS / 1e9);
    }
    row("HTTP API requests", webhook.worked().0 as f64, HTTP_API / 1e6);
    let charged = cloud.charged();
    let units = |operations: &[&str], which: fn(&(u64, u64)) -> u64| {
        operations
            .iter()
            .map(|name| which(charged.get(*name).unwrap_or(&(0, 0))) - which(before.get(*name).unwrap_or(&(0, 0))))
            .sum::<u64>() as f64
    };
    row(
        "DynamoDB write units",
        units(&["PutItem", "DeleteItem", "TransactWriteItems"], |charge| charge.1),
        WRITES / 1e6,
    );
    row("DynamoDB read units", units(&["GetItem", "Query"], |charge| charge.1), READS / 1e6);
    let sqs = ["SendMessage", "SendMessageBatch", "DeleteMessage", "ReceiveMessage", "ChangeMessageVisibility"];
    row("SQS requests", units(&sqs, |charge| charge.0), SQS_FIFO / 1e6);
    println!("| **together** | | **{total:.6}** |");
    println!("requests of functions: {requests}");
    Ok(())
}
