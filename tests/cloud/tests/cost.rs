//! What a change costs, from what the deployed functions asked AWS for: a measurement, not a test. `docs/costs.md` says how
//! to repeat it.
#![allow(clippy::cast_precision_loss)]

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud::emulator::{Emulator, Policies};
use cloud::policy::resources;
use cloud::{Charge, Company, Meter, Stack, parameters};
use jobs::queues;
use runtime::SystemClock;
use serde_json::json;
use simulators::Sandbox;

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

#[test]
fn the_page_of_costs_counts_what_alarms_are_billed_by() {
    let alarms: Vec<_> = resources().into_iter().filter(|(_, kind, _)| kind == "AWS::CloudWatch::Alarm").collect();
    let page = include_str!("../../../docs/costs.md");
    let row = page.lines().find(|line| line.starts_with("| alarms")).unwrap();
    for without in [&["HasFewAlarms"][..], &["HasAllAlarms", "WatchesThePoll"][..]] {
        let is_there = |text: &str| !without.iter().any(|name| text.contains(&format!("    Condition: {name}\n")));
        let texts: Vec<_> = alarms.iter().map(|(.., text)| text).filter(|text| is_there(text)).collect();
        let metrics: usize = texts.iter().map(|text| text.matches("MetricStat:").count().max(1)).sum();
        let (counted, cents) = (format!("{metrics} metrics in {} alarms", texts.len()), metrics * 10);
        let dollars = format!("{}.{:02}", cents / 100, cents % 100);
        assert!(row.contains(&counted) && row.contains(&dollars), "{counted}: {dollars} dollars: {row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement for docs/costs.md"]
async fn what_a_thousand_changes_cost() -> anyhow::Result<()> {
    let meter = Meter::start().await?;
    let emulator = Emulator::start(Policies::Ignored { endpoint: Some(meter.port()) }).await?;
    meter.lead_to(&emulator.url());
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
    sandbox.portal.limit_calls(false);
    for n in 0..30 {
        sandbox.slack.add_channel(&format!("cost-{n}"));
    }
    // Each card to a channel of its own kind, so that Slack's one a second does not make the measurement long.
    let routes: Vec<_> = (0..30)
        .flat_map(|n| {
            ["deal.created", "deal.stage_changed"].map(|change| json!({
                "name": format!("{change} {n}"), "change": change, "to": format!("#cost-{n}"), "when": format!("record.id % 30 == {n}"), "at_once": true,
            }))
        })
        .take(40)
        .collect();
    let parameters = parameters(&sandbox);
    let stack = Stack::deploy_to(emulator, &parameters.each_ref().map(|(name, value)| (*name, value.as_str()))).await?;
    let company = Company::connect_to(stack, sandbox, |_| json!({"routes": routes, "group_bursts": null})).await?;
    let (portal, slack, stack) = (&company.sandbox.portal, &company.sandbox.slack, &company.stack);
    let cards = || (0..30).map(|n| slack.texts(&format!("cost-{n}")).len()).sum::<usize>();
    let before = meter.charges();
    let deals: Vec<u64> = (0..DEALS).map(|n| portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    let routed = deals.iter().filter(|deal| *deal % 30 < 20).count();
    stack.until("the cards", async || cards() == routed).await?;
    for deal in &deals {
        portal.move_deal(*deal, "EXECUTING");
    }
    stack.until("the cards of the moves", async || cards() == routed * 2).await?;
    let idle = async || stack.waiting(queues::BITRIX24_EVENTS).await.is_ok_and(|waiting| waiting == 0);
    stack.until("the last event", idle).await?;
    let charges = meter.charges();

    let changes = (DEALS * 2) as f64;
    println!("{changes} events, {} cards", cards());
    let per_thousand = |number: f64| number * 1000.0 / changes;
    let mut total = 0.0;
    let mut row = |what: &str, number: f64, price: f64| {
        total += per_thousand(number) * price;
        println!("| {what} | {:.0} | {:.6} |", per_thousand(number), per_thousand(number) * price);
    };
    println!("| a thousand events | number | dollars |\n|---|---|---|");
    let mut received = 0.0;
    for (name, memory) in [("bitrix24-webhook", 0.25), ("bitrix24-events", 0.5), ("slack-delivery", 0.25)] {
        let runs = stack.runs(name).await?;
        let invocations = runs.len() as f64;
        received += if name == "bitrix24-webhook" { 0.0 } else { invocations };
        row(&format!("Lambda requests, {name}"), invocations, LAMBDA_REQUESTS / 1e6);
        row(&format!("Lambda milliseconds, {name}"), runs.iter().sum(), memory * LAMBDA_GB_SECOND / 1000.0);
        let logged: usize = stack.log(name).await?.iter().map(String::len).sum();
        row(&format!("bytes of logs, {name}"), logged as f64, LOGS / 1e9);
    }
    row("HTTP API requests", changes, HTTP_API / 1e6);
    let sum = |operations: &[&str], part: fn(&Charge) -> f64| {
        let part = |charges: &BTreeMap<String, Charge>, name: &str| charges.get(name).map(part).unwrap_or_default();
        operations.iter().map(|name| part(&charges, name) - part(&before, name)).sum::<f64>()
    };
    let writes = ["PutItem", "DeleteItem", "TransactWriteItems"];
    row("DynamoDB write units", sum(&writes, |charge| charge.units), WRITES / 1e6);
    row("DynamoDB read units", sum(&["GetItem", "Query"], |charge| charge.units), READS / 1e6);
    // What a mapping does for its function, the emulator does without requests: it receives and deletes a batch at a time.
    let ours = ["SendMessage", "SendMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"];
    row("SQS requests", sum(&ours, |charge| f64::from(charge.requests)) + received * 2.0, SQS_FIFO / 1e6);
    println!("| **together** | | **{total:.6}** |");
    Ok(())
}
