//! From a change in the CRM to a card, when all goes well and when events do not.

use std::time::Duration;

use journeys::{World, watched};
use runtime::Clock;
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::json;
use simulators::SentOutcome;
use simulators::portal::{DEAL, LEAD, PortalEventDelivery};

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_deal_becomes_a_card_in_the_pipeline() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Roof for ACME", 150_000, "EUR");
    world.settle().await;
    world.clock.advance(Duration::from_secs(60));
    world.sandbox.portal.move_deal(deal, "PREPARATION");
    world.settle().await;
    world.sandbox.portal.move_deal(deal, "WON");
    world.settle().await;
    assert_eq!(
        world.channel("sales-pipeline"),
        [
            "New deal: Roof for ACME",
            "Deal Roof for ACME: Новая → Подготовка документов",
            "Deal won: Roof for ACME (Подготовка документов → Сделка успешна)",
        ]
    );
    let card = world.sandbox.slack.messages("sales-pipeline")[1].clone();
    let fields: Vec<_> =
        card["blocks"][1]["fields"].as_array().unwrap().iter().map(|field| field["text"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        ["*Stage*\nНовая → *Подготовка документов*", "*Amount*\n150,000 EUR", "*Responsible*\nАнна Титов"]
    );
    let link = format!("http://{}/crm/deal/details/{deal}/", world.sandbox.portal.host());
    assert_eq!(card["blocks"][0]["text"]["text"], format!("➡️ Deal <{link}|Roof for ACME>"));
    assert_eq!(world.sandbox.slack.refused_blocks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_costs_one_read_of_its_snapshot() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Roof for ACME", 150_000, "EUR");
    world.settle().await;
    let reads = || watched::reads(&format!("{}#record", world.tenant), &format!("deal#{deal}"));
    for stage in ["PREPARATION", "WON"] {
        world.clock.advance(Duration::from_secs(60));
        let before = reads();
        world.sandbox.portal.move_deal(deal, stage);
        world.settle().await;
        assert_eq!(reads() - before, 1, "{stage}");
    }
    assert_eq!(world.channel("sales-pipeline").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_lead_goes_to_sales_leads_and_old_records_to_nobody() {
    let world = World::start().await;
    world.sandbox.portal.change_item(LEAD, 1, json!({"title": "Renamed"}));
    world.sandbox.portal.change_item(DEAL, 1, json!({"title": "Renamed"}));
    let lead = world.sandbox.portal.add_lead("Request from the site");
    world.settle().await;
    assert_eq!(world.channel("sales-leads"), ["New lead: Request from the site"]);
    assert!(world.channel("sales-pipeline").is_empty());
    let mut ledger = world.ledger().await;
    ledger.sort();
    assert_eq!(
        ledger,
        [
            format!("  → lead {lead} | lead.created | #sales-leads | delivered"),
            "ONCRMDEALUPDATE | deal 1 | deal.updated | skipped | no route accepts this change".to_string(),
            format!("ONCRMLEADADD | lead {lead} | lead.created | routed"),
            "ONCRMLEADUPDATE | lead 1 | lead.updated | skipped | no route accepts this change".to_string(),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_second_event_doubled_makes_no_second_card() {
    let world = World::start().await;
    world.sandbox.portal.deliver(PortalEventDelivery { double_every: 1, ..PortalEventDelivery::default() });
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.move_deal(deal, "WON");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_wrong_order_tell_the_way_once() {
    let world = World::start().await;
    world.sandbox.portal.deliver(PortalEventDelivery { hold: true, ..PortalEventDelivery::default() });
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    for stage in ["PREPARATION", "PREPAYMENT_INVOICE", "WON"] {
        world.clock.advance(Duration::from_secs(5));
        world.sandbox.portal.move_deal(deal, stage);
    }
    world.sandbox.portal.release_held();
    world.settle().await;
    assert_eq!(
        world.channel("sales-pipeline"),
        ["New deal: Roof", "Deal won: Roof (Новая → Сделка успешна)"],
        "the deal was read once, when it was won already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_event_is_made_up_for_by_the_next() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    world.sandbox.portal.move_deal(deal, "PREPARATION");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery::default());
    world.clock.advance(Duration::from_secs(5));
    world.sandbox.portal.change_item(DEAL, deal, json!({"title": "Roof and gutter"}));
    world.settle().await;
    assert_eq!(
        world.channel("sales-pipeline"),
        ["New deal: Roof", "Deal Roof and gutter: Новая → Подготовка документов"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_that_wait_together_cost_one_read() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { hold: true, ..PortalEventDelivery::default() });
    for place in 0..20 {
        world.sandbox.portal.change_item(DEAL, deal, json!({"opportunity": 100 + place}));
    }
    world.clock.advance(Duration::from_secs(1));
    world.sandbox.portal.release_held();
    world.all_have_arrived().await;
    let before = world.sandbox.portal.requests();
    world.settle().await;
    assert_eq!(world.sandbox.portal.requests() - before, 1);
    let satisfied = world.ledger().await.iter().filter(|line| line.contains("already covered by the read")).count();
    assert_eq!(satisfied, 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_is_gone_or_hidden_is_said_to_be() {
    let world = World::start().await;
    let (gone, hidden) = (world.sandbox.portal.add_deal("A", 1, "EUR"), world.sandbox.portal.add_deal("B", 1, "EUR"));
    world.sandbox.portal.hide(DEAL, hidden);
    world.sandbox.portal.delete_item(DEAL, gone);
    world.settle().await;
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains(&format!("deal {gone} | skipped | deal {gone} is gone")), "{ledger}");
    assert!(ledger.contains(&format!("deal {hidden} is not visible to the user of the incoming webhook")), "{ledger}");
    assert!(world.channel("sales-pipeline").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_of_another_funnel_are_named_too() {
    let world = World::start().await;
    let fields = json!({"title": "Crane", "categoryId": 1, "stageId": "C1:NEW"});
    let deal = world.sandbox.portal.add_item(DEAL, fields);
    world.settle().await;
    world.sandbox.portal.move_deal(deal, "C1:WON");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Crane", "Deal won: Crane (Заявка → Отгружено)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_deals_is_read_by_listing_and_stays_within_the_limits() {
    let world = World::start().await;
    let deals: Vec<_> = (0..300).map(|n| world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 300);
    world.clock.advance(Duration::from_secs(3600));
    let before = world.sandbox.portal.requests();
    for deal in &deals {
        world.sandbox.portal.move_deal(*deal, "WON");
    }
    world.all_have_arrived().await;
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 600);
    let requests = world.sandbox.portal.requests() - before;
    assert!(requests <= 3, "{requests} requests for 300 deals: {:?}", world.sandbox.portal.calls());
    assert_eq!((world.sandbox.portal.refused_for_limits(), world.sandbox.slack.refused_for_limits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_records_are_read_in_a_few_requests() {
    let mut deals = Vec::new();
    let world = World::start_after(|sandbox| {
        deals = (0..3_000).map(|n| sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    })
    .await;
    let baseline = world.sandbox.portal.requests();
    assert!(baseline <= 6, "{baseline} requests for the baseline");
    world.clock.advance(Duration::from_secs(3600));
    // Decisions alone: no card goes out.
    let silent = json!({"name": "none", "change": "deal.stage_changed", "to": "#general", "when": "false"});
    world.apply(json!({"routes": [silent]})).await;
    for deal in &deals {
        world.sandbox.portal.move_deal(*deal, "WON");
    }
    world.all_have_arrived().await;
    world.settle().await;
    let requests = world.sandbox.portal.requests() - baseline;
    assert!(requests <= 4, "{requests} requests for {} deals", deals.len());
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let (mut decided, mut after) = (0, None);
    loop {
        let page = ledger.day(&world.tenant, &today(world.clock.now()), after).await.unwrap();
        for line in &page.lines {
            assert!(matches!(line, LedgerLine::Event(event) if event.changes == ["deal.stage_changed"]), "{line:?}");
        }
        decided += page.lines.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let outcomes = world.sandbox.portal.sent().into_iter().map(|sent| sent.outcome);
    let refused: Vec<_> = outcomes.filter(|outcome| !matches!(outcome, SentOutcome::Answered(200))).collect();
    assert_eq!(decided, deals.len(), "sent and not accepted in time: {refused:?}");
}
