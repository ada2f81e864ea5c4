//! What Bitrix24 never delivered is found by the sweep, and told as if it had been.

use std::collections::BTreeSet;
use std::time::Duration;

use clients::PortalAccess;
use crm::sweeps::Sweeps;
use journeys::{Stage, World, access_to, each_alone};
use runtime::Clock;
use serde_json::json;
use simulators::portal::{DEAL, LEAD, PhoneCall, PortalEventDelivery};

/// Some work: deals, leads, tasks, comments, calls. Returns everything that people read after one sweep at its end.
async fn work(world: &World, delivery: PortalEventDelivery) -> BTreeSet<String> {
    let portal = &world.sandbox.portal;
    portal.deliver(delivery);
    let project = portal.add_project("Move");
    world.sandbox.slack.add_channel("project-move");
    for n in 0..6 {
        let deal = portal.add_deal(&format!("Deal {n}"), 100, "EUR");
        portal.add_lead(&format!("Lead {n}"));
        let task = portal.add_task(json!({"TITLE": format!("Task {n}"), "RESPONSIBLE_ID": 6, "GROUP_ID": project}));
        world.settle().await;
        world.clock.advance(Duration::from_secs(20));
        portal.move_deal(deal, if n % 2 == 0 { "WON" } else { "PREPARATION" });
        portal.comment(task, 1, &format!("Comment {n}"));
        portal.end_call(&PhoneCall {
            kind: 2,
            phone: format!("+4930{n}"),
            user: 6,
            code: "304".into(),
            ..PhoneCall::default()
        });
        portal.change_item(LEAD, 1, json!({"title": format!("Renamed {n}")}));
        world.settle().await;
        world.clock.advance(Duration::from_secs(20));
    }
    portal.release_held();
    portal.deliver(PortalEventDelivery::default());
    world.settle().await;
    world.sweep().await;
    let channels = world.sandbox.slack.channels().into_iter();
    channels
        .flat_map(|channel| {
            world.channel(&channel.name).into_iter().map(move |text| format!("{}: {text}", channel.name))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_lost_doubled_late_and_shuffled_events_one_sweep_ends_in_the_cards_of_a_perfect_run() {
    let perfect = work(&World::start().await, PortalEventDelivery::default()).await;
    assert_eq!(perfect.len(), 6 * 6, "{perfect:#?}");
    let world = World::start().await;
    let faulty = PortalEventDelivery {
        drop_every: 5,
        double_every: 10,
        delay: Duration::from_secs(2),
        shuffle: true,
        ..PortalEventDelivery::default()
    };
    let swept = work(&world, faulty).await;
    assert_eq!(swept, perfect);
    let all: usize = world.sandbox.slack.channels().iter().map(|channel| channel.messages.len()).sum();
    assert_eq!(all, perfect.len(), "none twice");
    let counts =
        Sweeps::new(world.engine.backend.store.clone()).counts(&world.tenant, world.clock.now()).await.unwrap();
    assert!(counts.lost > 0 && counts.swept > 0, "{counts:?}");
    assert_eq!((world.sandbox.portal.refused_for_limits(), world.sandbox.slack.refused_for_limits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_lost_is_found_by_one_sweep_and_nothing_by_the_next() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Known", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    world.sandbox.portal.move_deal(deal, "WON");
    world.sandbox.portal.add_lead("Lost");
    let report = world.sweep().await;
    assert_eq!((report.tenants, report.hints, report.stopped.len()), (1, 2, 0), "{report:?}");
    assert_eq!(world.channel("sales-pipeline").last().unwrap(), "Deal won: Known (Новая → Сделка успешна)");
    assert_eq!(world.channel("sales-leads"), ["New lead: Lost"]);
    assert_eq!(world.sweep().await.hints, 0);
    let counts =
        Sweeps::new(world.engine.backend.store.clone()).counts(&world.tenant, world.clock.now()).await.unwrap();
    assert_eq!((counts.lost, counts.late), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_after_its_sweep_is_counted_as_late_and_tells_nothing_again() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Slow", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { hold: true, ..PortalEventDelivery::default() });
    world.sandbox.portal.move_deal(deal, "WON");
    world.sandbox.portal.end_call(&PhoneCall {
        kind: 2,
        phone: "1".into(),
        user: 6,
        code: "304".into(),
        ..PhoneCall::default()
    });
    world.sweep().await;
    world.sandbox.portal.release_held();
    world.settle().await;
    assert_eq!((world.channel("sales-pipeline").len(), world.channel("calls").len()), (2, 1));
    let counts =
        Sweeps::new(world.engine.backend.store.clone()).counts(&world.tenant, world.clock.now()).await.unwrap();
    assert_eq!((counts.lost, counts.late), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_went_back_before_its_job_was_worked_is_where_it_is_and_not_where_it_was() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("There and back", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    for stage in ["PREPARATION", "NEW"] {
        world.sandbox.portal.move_deal(deal, stage);
        world.clock.advance(Duration::from_secs(300));
        portal_sweep::ask_for_all(&world.functions.portal_sweep).await;
        portal_sweep::handle(&world.functions.portal_sweep, world.clock.now()).await;
    }
    world.settle().await;
    world.sandbox.portal.move_deal(deal, "WON");
    world.sweep().await;
    let cards = world.channel("sales-pipeline");
    let way = ["New deal: There and back", "Deal won: There and back (Новая → Сделка успешна)"];
    assert_eq!(cards, way, "each card begins where the one before it ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_of_both_cards_are_found_even_many_of_them() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let new = portal.add_task(json!({"TITLE": "New", "RESPONSIBLE_ID": 6}));
    portal.use_old_card(true);
    let old = portal.add_task(json!({"TITLE": "Old", "RESPONSIBLE_ID": 6}));
    world.settle().await;
    portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    for n in 0..70 {
        portal.comment(new, 1, &format!("n{n}"));
    }
    portal.comment(old, 1, "o");
    world.sweep().await;
    assert_eq!(world.direct(6).len(), 71);
    assert_eq!(world.sweep().await.hints, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_stops_goes_on_where_it_was() {
    let world = World::start().await;
    let deals: Vec<_> = (0..1_200).map(|n| world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    world
        .apply(json!({"routes": [{"name": "w", "change": "deal.stage_changed", "to": "#general", "when": "false"}]}))
        .await;
    world.clock.advance(Duration::from_secs(120));
    world.settle().await;
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    for deal in &deals {
        world.sandbox.portal.move_deal(*deal, "WON");
    }
    let before = world.sandbox.portal.requests();
    world.clock.advance(Duration::from_secs(90));
    world
        .sandbox
        .portal
        .fail_next("batch", simulators::Fault::Html { status: 502, when: simulators::When::BeforeEffect });
    portal_sweep::ask_for_all(&world.functions.portal_sweep).await;
    let stopped = portal_sweep::handle(&world.functions.portal_sweep, world.clock.now()).await;
    assert_eq!((stopped.hints, stopped.stopped.len()), (0, 1), "{stopped:?}");
    let done = world.sweep().await;
    assert_eq!((done.hints, done.stopped.len()), (1_200, 0));
    let requests = world.sandbox.portal.requests() - before;
    assert!(requests <= 6, "{requests} requests: the hints take up what the sweep read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_may_not_be_read_keeps_no_other_from_being_swept() {
    let world = World::start().await;
    world.sandbox.portal.deny("tasks.");
    world.sandbox.portal.deny("voximplant.");
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    world.sandbox.portal.add_deal("Lost", 1, "EUR");
    let report = world.sweep().await;
    assert_eq!((report.hints, report.stopped.len()), (1, 0), "{report:?}");
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_sweep_one_tenant_at_once() {
    // In memory no worker would ever wait, so that the first would be done before the second begins.
    let world = World::start_on(Stage::Sockets).await;
    world.clock.advance(Duration::from_secs(90));
    let now = world.clock.now();
    let deps = &world.functions.portal_sweep;
    let (a, b) = tokio::join!(portal_sweep::handle(deps, now), portal_sweep::handle(deps, now));
    assert_eq!(a.tenants + b.tenants, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_on_a_fitting_plan_reads_the_offline_queue() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    portal.add_feature("rest_offline_extended");
    let settings = each_alone();
    let access = clients::ConnectionCredentials {
        portal: PortalAccess::Application {
            endpoint: portal.client_endpoint(),
            access_token: portal.credentials().access_token.into(),
        },
        ..access_to(&world.sandbox, &settings)
    };
    world.connections.join(access).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    let report = world.upkeep().await;
    assert!(report.repaired > 10 && report.failed.is_empty(), "{report:?}");
    portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    let deal = portal.add_deal("Offline", 1, "EUR");
    portal.change_item(DEAL, deal, json!({"opportunity": 5}));
    assert_eq!(portal.offline_rows(), 2, "a row an event, however often");
    world.clock.advance(Duration::from_secs(1));
    portal_sweep::ask_for_all(&world.functions.portal_sweep).await;
    let swept = portal_sweep::handle(&world.functions.portal_sweep, world.clock.now()).await;
    assert_eq!(swept.stopped.len(), 0, "{swept:?}");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Offline"]);
    assert_eq!(portal.offline_rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_whose_clock_is_minutes_behind_loses_nothing() {
    let world = World::start().await;
    world.sandbox.portal.be_behind(Duration::from_secs(7 * 60));
    // What was before by the portal's clock is not news; from here on its clock is past the connection.
    world.clock.advance(Duration::from_secs(10 * 60));
    world.sweep().await;
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    for n in 0..4 {
        world.sandbox.portal.add_lead(&format!("Lead {n}"));
        world.clock.advance(Duration::from_secs(210));
        world.sweep().await;
    }
    world.clock.advance(Duration::from_secs(300));
    world.sweep().await;
    assert_eq!(world.channel("sales-leads").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_added_later_tells_nothing_of_what_was_before() {
    let world = World::start().await;
    world.clock.advance(Duration::from_secs(3 * 60 * 60));
    let contact = |name: &str| world.sandbox.portal.add_item(simulators::portal::CONTACT, json!({"name": name}));
    let before = contact("Before");
    world.clock.advance(Duration::from_secs(60 * 60));
    let route = json!({"name": "c", "change": ["contact.created", "contact.updated"], "to": "#general"});
    world.apply(json!({"routes": [route], "group_bursts": null})).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.send_events_to(&world.webhook, &["ONCRMCONTACTUPDATE"]);
    world.sandbox.portal.change_item(simulators::portal::CONTACT, before, json!({"lastName": "Lee"}));
    world.settle().await;
    world.sweep().await;
    contact("After");
    world.sweep().await;
    assert_eq!(world.channel("general"), ["New contact: After"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sends_no_event_comes_by_the_sweep() {
    let world = World::start().await;
    let route = json!({"name": "t", "change": ["task.updated", "deal.created"], "to": "#general"});
    world.apply(json!({"routes": [route], "group_bursts": null})).await;
    world.clock.advance(Duration::from_secs(120));
    let task = world.sandbox.portal.add_task(json!({"TITLE": "Pack"}));
    world.settle().await;
    // A checklist, a description, an import with activity off: saved, and nobody is told.
    world.clock.advance(Duration::from_secs(60));
    world.sandbox.portal.deliver(PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() });
    world.sandbox.portal.change_task(task, json!({"DESCRIPTION": "Also the plants"}));
    world.sandbox.portal.add_deal("Imported", 1, "EUR");
    world.sweep().await;
    let mut told = world.channel("general");
    told.sort();
    assert_eq!(told, ["Changed: Pack (other)", "New deal: Imported"]);
}
