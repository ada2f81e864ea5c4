//! What the settings make of changes: conditions, threads, live cards, languages, quiet hours, bursts, trouble.

use std::time::Duration;

use jobs::queues;
use journeys::World;
use serde_json::{Value, json};
use simulators::fault::{Fault, When};
use simulators::portal::DEAL;

/// A world with these routes, in which no cards are grouped.
async fn world(routes: Value) -> World {
    World::start_with_settings(json!({"routes": routes, "group_bursts": null})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_lets_through_what_it_should_and_one_that_fails_is_counted() {
    let world = world(json!([
        {"name": "large", "change": "deal.created", "to": "#general", "when": "record.opportunity > 1000"},
        {"name": "odd", "change": "deal.created", "to": "#ops", "when": "record.ufCrm_none == 'x'"},
    ]))
    .await;
    world.sandbox.portal.add_deal("Small", 10, "EUR");
    world.sandbox.portal.add_deal("Large", 5000, "EUR");
    world.settle().await;
    assert_eq!(world.channel("general"), ["New deal: Large"]);
    assert!(world.channel("ops").is_empty());
    let sweeps = crm::sweeps::Sweeps::new(world.engine.backend.store.clone());
    let now = runtime::Clock::now(world.clock.as_ref());
    assert_eq!(sweeps.counts(&world.tenant, now).await.unwrap().conditions_failed, 2);
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains("route \"odd\": the condition fails on this record"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_reads_the_custom_fields_that_it_asks_for() {
    let world = world(json!([{
        "name": "vip", "change": ["deal.created", "deal.updated"], "to": "#general", "when": "record.ufCrm_vip == 'yes'",
        "card": {"fields": ["record.ufCrm_vip", "sum"]},
    }]))
    .await;
    world.sandbox.portal.add_field(DEAL, "ufCrm_vip", "string", false, &[]);
    let deal = world.sandbox.portal.add_item(DEAL, json!({"title": "A", "ufCrm_vip": "no"}));
    world.settle().await;
    world.sandbox.portal.change_item(DEAL, deal, json!({"ufCrm_vip": "yes"}));
    world.settle().await;
    assert_eq!(world.channel("general"), ["Changed: A (ufCrm_vip)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_reply_under_the_first_card_of_their_record() {
    let world = world(json!([{
        "name": "d", "change": ["deal.created", "deal.stage_changed"], "to": "#general", "thread": "reply",
    }]))
    .await;
    let (a, b) = (world.sandbox.portal.add_deal("A", 1, "EUR"), world.sandbox.portal.add_deal("B", 1, "EUR"));
    world.settle().await;
    world.sandbox.portal.move_deal(a, "WON");
    world.sandbox.portal.move_deal(b, "LOSE");
    world.settle().await;
    let messages = world.sandbox.slack.messages("general");
    for (reply, title) in [
        ("Deal won: A (Новая → Сделка успешна)", "New deal: A"),
        ("Deal lost: B (Новая → Сделка провалена)", "New deal: B"),
    ] {
        let reply = messages.iter().find(|message| message["text"] == reply).unwrap_or_else(|| panic!("{messages:?}"));
        let first = messages.iter().find(|message| message["text"] == title).unwrap();
        assert_eq!(reply["thread_ts"], first["ts"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_card_is_updated_in_place_and_its_thread_tells_the_way() {
    let world = world(json!([{
        "name": "d", "change": ["deal.created", "deal.stage_changed"], "to": "#general", "thread": "live",
    }]))
    .await;
    let deal = world.sandbox.portal.add_deal("A", 1, "EUR");
    world.settle().await;
    for stage in ["PREPARATION", "WON"] {
        world.clock.advance(Duration::from_secs(30));
        world.sandbox.portal.move_deal(deal, stage);
        world.settle().await;
    }
    let messages = world.sandbox.slack.messages("general");
    assert_eq!(messages[0]["text"], "Deal won: A (Подготовка документов → Сделка успешна)");
    let thread: Vec<_> = messages[1..].iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(thread.len(), 2);
    assert!(thread[0].contains("Новая → *Подготовка документов*"), "{thread:?}");
    assert!(messages[1..].iter().all(|message| message["thread_ts"] == messages[0]["ts"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_answer_is_lost_is_found_in_its_thread() {
    let world = world(json!([{
        "name": "d", "change": ["deal.created", "deal.stage_changed"], "to": "#general", "thread": "reply",
    }]))
    .await;
    let deal = world.sandbox.portal.add_deal("A", 1, "EUR");
    world.settle().await;
    world.sandbox.slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    world.sandbox.portal.move_deal(deal, "WON");
    world.settle().await;
    assert_eq!(world.channel("general").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_card_that_somebody_deleted_is_posted_anew() {
    let world = world(json!([{
        "name": "d", "change": ["deal.created", "deal.stage_changed"], "to": "#general", "thread": "live",
    }]))
    .await;
    let deal = world.sandbox.portal.add_deal("A", 1, "EUR");
    world.settle().await;
    world.sandbox.slack.change_channel("general", |channel| channel.messages.clear());
    world.sandbox.portal.move_deal(deal, "WON");
    world.settle().await;
    assert_eq!(world.channel("general"), ["Deal won: A (Новая → Сделка успешна)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_speaks_its_own_language_and_goes_to_several_places() {
    let world = world(json!([{
        "name": "d", "change": "deal.created", "to": ["#general", "@responsible", "#sales-pipeline"], "language": "ru",
    }]))
    .await;
    world.sandbox.portal.add_item(DEAL, json!({"title": "Крыша", "assignedById": 6}));
    world.settle().await;
    for read in [world.channel("general"), world.channel("sales-pipeline"), world.direct(6)] {
        assert_eq!(read, ["Новая сделка: Крыша"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_end_in_one_digest_a_place_and_urgent_routes_do_not_wait() {
    // The world begins on a Saturday, which is quiet here.
    let world = World::start_with_settings(json!({
        "time_zone": "Europe/Berlin", "quiet_outside": {"from": "08:00", "to": "20:00"},
        "routes": [
            {"name": "deals", "change": ["deal.created", "deal.stage_changed"], "to": "#general"},
            {"name": "leads", "change": "lead.created", "to": "#general"},
            {"name": "urgent", "change": "deal.created", "to": "#ops", "at_once": true},
        ],
    }))
    .await;
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.none_left_to_work_now().await;
    world.clock.advance(Duration::from_secs(600));
    world.sandbox.portal.move_deal(deal, "WON");
    world.sandbox.portal.add_lead("Request");
    world.none_left_to_work_now().await;
    assert!(world.channel("general").is_empty());
    assert_eq!(world.channel("ops"), ["New deal: Roof"]);
    world.settle().await;
    assert_eq!(world.channel("general"), ["During quiet hours: 3 changes"]);
    let now = runtime::Clock::now(world.clock.as_ref()).to_string();
    assert!(now.starts_with("2026-11-23T07:00:"), "Monday at eight in Berlin, not {now}");
    let digest = world.sandbox.slack.messages("general")[0].to_string();
    for words in ["New deal", "Deal won", "New lead"] {
        assert!(digest.contains(words), "{digest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_told_together_after_the_first() {
    let world = World::start_with_settings(json!({
        "routes": [{"name": "deals", "change": "deal.created", "to": "#general"}],
        "group_bursts": {"more_than": 5, "seconds": 60},
    }))
    .await;
    for n in 0..120 {
        world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
    }
    world.all_have_arrived().await;
    world.settle().await;
    let read = world.channel("general");
    let (single, together): (Vec<_>, Vec<_>) = read.iter().partition(|text| text.starts_with("New deal"));
    assert!((5..=12).contains(&single.len()), "{read:?}");
    let told: usize = together
        .iter()
        .map(|text| {
            text.trim_start_matches("Many changes at once: ").split(' ').next().unwrap().parse::<usize>().unwrap()
        })
        .sum();
    assert_eq!(single.len() + told, 120);
    assert!(together.len() <= 2, "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_channel_is_told_to_the_operators_once() {
    let world = World::start_with_settings(json!({"operators": {"channel": "#ops"}, "group_bursts": null})).await;
    world.sandbox.portal.add_deal("A", 1, "EUR");
    world.settle().await;
    world.sandbox.slack.remove_channel("sales-pipeline");
    for n in 0..5 {
        world.sandbox.portal.add_deal(&format!("B{n}"), 1, "EUR");
    }
    world.settle().await;
    assert_eq!(world.dead_letters(queues::SLACK_DELIVERY).await.len(), 5);
    assert_eq!(world.channel("ops"), ["Cards to #sales-pipeline do not arrive"]);
    let alert = world.sandbox.slack.messages("ops")[0].to_string();
    assert!(alert.contains("Create the channel, invite the bot"), "{alert}");
}
