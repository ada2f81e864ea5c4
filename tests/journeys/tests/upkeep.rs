//! The events that the routes need stay bound, and silence is noticed.

use std::time::Duration;

use clients::{ConnectionCredentials, PortalAccess};
use journeys::{World, access_to};
use runtime::Clock;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde_json::{Value, json};
use simulators::portal::PortalEventDelivery;

/// The headline of an alert.
const TROUBLE: &str = "Trouble";
const OPERATORS: &str =
    r##"{"channel": "#ops", "silence_minutes": 60, "business_hours": {"from": "09:00", "to": "17:00"}}"##;

fn settings() -> Value {
    let operators: Value = serde_json::from_str(OPERATORS).unwrap();
    json!({"group_bursts": null, "operators": operators})
}

/// A world whose portal is used through an application, on a Monday at nine.
async fn world_of_application() -> World {
    let world = World::start_with_settings(settings()).await;
    world.clock.advance_to("2026-11-23T09:00:00Z".parse().unwrap());
    let portal = &world.sandbox.portal;
    let access = ConnectionCredentials {
        portal: PortalAccess::Application {
            endpoint: portal.client_endpoint(),
            access_token: portal.credentials().access_token.into(),
        },
        ..access_to(&world.sandbox, &serde_json::from_value(settings()).unwrap())
    };
    world.connections.join(access).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_events_that_the_routes_need_are_bound_and_bound_again() {
    let world = Box::pin(world_of_application()).await;
    let first = world.upkeep().await;
    assert!(first.failed.is_empty(), "{first:?}");
    let bound = world.sandbox.portal.bound_events();
    assert_eq!(bound.len(), first.repaired);
    let has = |event: &str| world.sandbox.portal.bound_events().iter().any(|(name, _)| name == event);
    assert!(has("ONCRMDEALMOVETOCATEGORY") && has("ONTASKCOMMENTADD") && !has("ONCRMCONTACTADD"));
    assert_eq!(world.upkeep().await.repaired, 0, "nothing to repair");
    // An update of the application takes all of them away.
    world.sandbox.portal.forget_bound_events();
    assert_eq!(world.upkeep().await.repaired, bound.len());
    let mut routes = settings();
    routes["routes"] = json!([{"name": "d", "change": "deal.created", "to": "#general"}]);
    world.apply(routes).await;
    world.clock.advance(Duration::from_secs(61));
    world.upkeep().await;
    assert!(has("ONCRMDEALADD") && !has("ONCRMLEADADD"), "{:?}", world.sandbox.portal.bound_events());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_once_with_what_was_found_and_once_when_it_is_over() {
    let world = Box::pin(world_of_application()).await;
    world.upkeep().await;
    world.sandbox.portal.add_deal("A", 1, "EUR");
    world.settle().await;
    // The application's handlers vanish, as its update would have it.
    world.sandbox.portal.forget_bound_events();
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    world.sandbox.portal.add_deal("Lost", 1, "EUR");
    world.sweep().await;
    world.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(world.upkeep().await.silent, 0, "not yet: and now the events are bound again");
    world.sandbox.portal.forget_bound_events();
    world.clock.advance(Duration::from_secs(31 * 60));
    for _ in 0..3 {
        assert_eq!(world.upkeep().await.silent, 1);
        world.clock.advance(Duration::from_secs(900));
    }
    assert_eq!(world.channel("ops"), ["No CRM event from Bitrix24 for 60 minutes of business hours"]);
    let alert = world.sandbox.slack.messages("ops")[0].to_string();
    for words in [
        "Last CRM event: 2026-11-23",
        "The portal answers our calls",
        "are subscribed again",
        "1 change without an event",
    ] {
        assert!(alert.contains(words), "{words} is not in {alert}");
    }
    world.sandbox.portal.deliver(PortalEventDelivery::default());
    world.sandbox.portal.add_deal("B", 1, "EUR");
    world.settle().await;
    assert_eq!(world.upkeep().await.silent, 0);
    let read = world.channel("ops");
    assert!(read.len() == 2 && read[1].starts_with("Events from Bitrix24 arrive again"), "{read:?}");
    world.upkeep().await;
    assert_eq!(world.channel("ops").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_woken_outside_business_hours_or_on_a_holiday() {
    let mut with_holiday = settings();
    with_holiday["operators"]["business_hours"]["holidays"] = json!(["2026-11-23"]);
    let world = World::start_with_settings(with_holiday).await;
    for moment in ["2026-11-21T23:00:00Z", "2026-11-22T12:00:00Z", "2026-11-23T12:00:00Z", "2026-11-24T09:30:00Z"] {
        world.clock.advance_to(moment.parse().unwrap());
        assert_eq!(world.upkeep().await.silent, 0, "{moment}");
    }
    world.clock.advance_to("2026-11-24T10:01:00Z".parse().unwrap());
    assert_eq!(world.upkeep().await.silent, 1);
    let alert = world.sandbox.slack.messages("ops")[0].to_string();
    assert!(alert.contains("Last CRM event: never") && alert.contains("chosen by hand"), "{alert}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_not_fully_installed_is_named_as_the_cause() {
    let world = Box::pin(world_of_application()).await;
    world.sandbox.portal.finish_installation(false);
    world.clock.advance(Duration::from_secs(2 * 60 * 60));
    assert_eq!(world.upkeep().await.silent, 1);
    let alert = world.sandbox.slack.messages("ops")[0].to_string();
    assert!(alert.contains("not fully installed"), "{alert}");
    assert!(world.clock.now().to_string().starts_with("2026-11-23"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhooks_events_are_only_listed_to_be_ticked_by_hand() {
    let world = World::start_with_settings(settings()).await;
    let report = world.upkeep().await;
    assert_eq!((report.repaired, report.failed.len()), (0, 0));
    let sweeps = crm::sweeps::Sweeps::new(world.engine.backend.store.clone());
    let (state, _) =
        sweeps.recall::<crm::sweeps::Subscriptions>(&world.tenant, "subscriptions").await.unwrap().unwrap();
    assert!(state.by_hand && state.wanted.contains(&"ONCRMDEALUPDATE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_settings_that_cannot_be_read_the_operators_are_alerted_once() {
    let world = World::start_with_settings(settings()).await;
    let portals = world.connections.portals();
    let mut broken = settings();
    broken["routes"] = json!(7);
    portals.set_settings(&world.tenant, broken).await.unwrap();
    for _ in 0..2 {
        let report = world.upkeep().await;
        assert_eq!(report.failed.len(), 1, "{report:?}");
        assert!(report.failed[0].contains("routes: invalid type"), "{report:?}");
        world.settle().await;
    }
    let alerts = world.channel("ops");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = world.sandbox.slack.messages("ops")[0].to_string();
    assert!(alert.contains("The settings cannot be read") && alert.contains("routes: invalid type"), "{alert}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_nobody_can_be_sent_is_in_the_event_log_and_is_sent_as_soon_as_there_is_a_channel() {
    let world = World::start_with_settings(settings()).await;
    let portals = world.connections.portals();
    let mut broken = settings();
    broken["operators"] = json!("#ops");
    portals.set_settings(&world.tenant, broken.clone()).await.unwrap();
    for _ in 0..2 {
        world.upkeep().await;
    }
    world.settle().await;
    let ledger = world.ledger().await;
    let logged: Vec<_> = ledger.iter().filter(|line| line.contains("alert.unreadable_settings")).collect();
    assert_eq!(logged.len(), 1, "{ledger:#?}");
    assert!(logged[0].contains("| skipped |") && logged[0].contains("operators: invalid type"), "{}", logged[0]);
    assert_eq!(world.channel("ops").len(), 0);
    let counted = world.engine.counters.all();
    assert_eq!(counted.get(&("alerts_unsent", "unreadable_settings")), Some(&1), "{counted:?}");

    // Trouble that lasts is sent once a channel is known.
    let portal = portals.get(&world.tenant).await.unwrap().unwrap();
    let alert = notifications::alert::Alert {
        kind: "test",
        what: "a test",
        once: "one",
        again_after: Duration::from_secs(3600),
        head: locale::Localized::data(TROUBLE),
        lines: Vec::new(),
    };
    notifications::alert::raise(&world.engine.backend, &portal, &alert).await.unwrap();
    portals.set_settings(&world.tenant, settings()).await.unwrap();
    let portal = portals.get(&world.tenant).await.unwrap().unwrap();
    notifications::alert::raise(&world.engine.backend, &portal, &alert).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel("ops"), [TROUBLE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_teller_fell_is_told_by_the_next_and_never_twice() {
    let world = World::start_with_settings(settings()).await;
    let portal = world.connections.portals().get(&world.tenant).await.unwrap().unwrap();
    let alert = notifications::alert::Alert {
        kind: "test",
        what: "a test",
        once: "one",
        again_after: Duration::from_secs(3600),
        head: locale::Localized::data(TROUBLE),
        lines: Vec::new(),
    };
    let store = &world.engine.backend.store;
    let key = ItemKey::new(Table::Links, format!("{}#alert", world.tenant), "test#one");
    // It fell after it had decided to tell, and before anything was sent.
    let decided = json!({"trace": runtime::TraceId::new(world.clock.now()), "sent": false});
    store.put(StoreWrite::new(key.clone(), &decided, WriteCondition::Always).unwrap()).await.unwrap();
    notifications::alert::raise(&world.engine.backend, &portal, &alert).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel("ops"), [TROUBLE]);
    // It fell after the message was out, and before it noted so; long enough ago for the queue to have forgotten.
    world.clock.advance(Duration::from_secs(600));
    store.put(StoreWrite::new(key, &decided, WriteCondition::Always).unwrap()).await.unwrap();
    for _ in 0..2 {
        notifications::alert::raise(&world.engine.backend, &portal, &alert).await.unwrap();
        world.settle().await;
    }
    assert_eq!(world.channel("ops"), [TROUBLE]);
}
