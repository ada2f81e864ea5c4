//! When providers fail: every card arrives, exactly once, or it is said why not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use clients::{Connections, Failure};
use jobs::queues;
use jobs::sync::{Signal, SyncJob};
use journeys::{Stage, World};
use records::ChangeKind;
use runtime::clock::Clock;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::{EventLine, EventStatus, Ledger, event_write};
use runtime::queue::QueueMessage;
use runtime::store::{Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version};
use runtime::{Backend, Decision, TraceId};
use settings::{Destination, Route};
use simulators::direct::Direct;
use simulators::fault::{Fault, When};
use slack::SlackApiBase;

const SLACK: (u16, &str) = (200, "internal_error");
const BITRIX24: (u16, &str) = (500, "INTERNAL_SERVER_ERROR");

/// Every way a provider fails, its own "something went wrong" included.
fn faults((status, code): (u16, &str)) -> Vec<Fault> {
    let mut faults = vec![Fault::TooMany { seconds: 30 }, Fault::Code { status, code: code.into() }];
    for when in [When::BeforeEffect, When::AfterEffect] {
        faults.extend([
            Fault::Timeout { when },
            Fault::Reset { when },
            Fault::Html { status: 502, when },
            Fault::Html { status: 200, when },
            Fault::CutJson { when },
        ]);
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_slack_does_the_card_arrives_exactly_once() {
    for fault in faults(SLACK) {
        let world = World::start().await;
        world.sandbox.slack.fail_next("chat.postMessage", fault.clone());
        world.sandbox.portal.add_deal("Roof", 1, "EUR");
        world.settle().await;
        assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"], "{fault:?}");
        assert!(world.ledger().await.iter().any(|line| line.ends_with("delivered")), "{fault:?}");
        assert!(world.dead_letters(queues::SLACK_DELIVERY).await.is_empty(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_portal_does_the_card_arrives_exactly_once() {
    for fault in faults(BITRIX24) {
        for method in ["crm.item.list", "batch"] {
            let world = World::start().await;
            world.sandbox.portal.fail_next(method, fault.clone());
            world.sandbox.portal.add_deal("Roof", 1, "EUR");
            world.settle().await;
            assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"], "{method} {fault:?}");
        }
    }
}

type FailsOn = dyn Fn(&StoreWrite) -> bool + Send + Sync;

/// A store in which some writes fail, and another worker writes something after the first read of a line.
struct Interfering {
    inner: Arc<dyn Store>,
    fails_on: Box<FailsOn>,
    meanwhile: Mutex<Option<StoreWrite>>,
}

#[async_trait]
impl Store for Interfering {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        let found = self.inner.get(key).await;
        let meanwhile = self.meanwhile.lock().unwrap().take_if(|write| write.key == *key);
        if let Some(write) = meanwhile {
            self.inner.put(write).await.unwrap();
        }
        found
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        if (self.fails_on)(&write) {
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        self.inner.put(write).await
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        self.inner.put_all(writes).await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.inner.erase(key, version).await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        self.inner.list(query).await
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.inner.belonging(table, owner, after).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_slack_has_posted_is_posted_although_the_limiter_cannot_note_it() {
    let mut world = World::start_on(Stage::Memory).await;
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = failed.clone();
    let is_recovery = |write: &StoreWrite| write.key.sort == "outage" && write.value == "null";
    let fails_on = move |write: &StoreWrite| is_recovery(write) && counted.fetch_add(1, Ordering::Relaxed) == 0;
    let inner = world.engine.backend.store.clone();
    let store = Arc::new(Interfering { inner, fails_on: Box::new(fails_on), meanwhile: Mutex::default() });
    let backend = Backend { store, ..world.engine.backend.clone() };
    let slack_api = SlackApiBase::new(&world.sandbox.slack.api_url()).unwrap();
    let connections = Connections::new(&backend, slack_api).allowing(journeys::network());
    let connections = connections.over(Arc::new(Direct::new(Duration::from_secs(2))));
    *world.functions = journeys::watched::functions(&backend, &connections, None);
    // The account is failing, so that its next answer is noted; nothing was posted, so that nothing is looked up.
    world.sandbox.slack.fail_next("chat.postMessage", Fault::Code { status: 200, code: "team_added_to_org".into() });
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    assert_eq!(failed.load(Ordering::Relaxed), 1, "the post that came through could not be noted");
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_has_ended_leaves_the_decision_of_another_as_it_is() {
    let world = World::start().await;
    let (now, inner) = (world.clock.now(), world.engine.backend.store.clone());
    let trace = TraceId::new(now);
    let decided = [EventStatus::Routed, EventStatus::Skipped { reason: "no watched field changed".into() }];
    for status in decided {
        let line = |status| EventLine::of_trace(trace, "ONTASKADD".into(), Some("task 1".into()), now, status);
        let write = event_write(&world.tenant, line(status.clone())).unwrap();
        inner.delete(&write.key).await.unwrap();
        let meanwhile = Mutex::new(Some(write));
        let store = Interfering { inner: inner.clone(), fails_on: Box::new(|_| false), meanwhile };
        let lost_race = Failure::transient("another worker wrote its snapshot first");
        let ledger = Ledger::new(Arc::new(store));
        let outcome = clients::undecided(&ledger, &world.tenant, line(EventStatus::Routed), now, &lost_race).await;
        assert!(matches!(outcome, JobOutcome::Retry { .. }), "{outcome:?}");
        let kept = ledger.event(&world.tenant, trace).await.unwrap().unwrap();
        assert_eq!(kept.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_look_up_never_leads_to_a_second_card() {
    let world = World::start().await;
    world.sandbox.slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    // The refusal comes last: after one, the history is read once a minute, and the others would take too long.
    for fault in faults(SLACK).into_iter().rev() {
        world.sandbox.slack.fail_next("conversations.history", fault);
    }
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_two_days_costs_delay_and_no_card() {
    let world = World::start().await;
    for _ in 0..2_000 {
        world.sandbox.slack.fail_next("*", Fault::Html { status: 503, when: When::BeforeEffect });
    }
    let began = world.clock.now();
    for n in 0..3 {
        world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
    }
    world.settle().await;
    let outage = world.clock.now().duration_since(began);
    assert!(outage.as_hours() >= 30, "{outage:?}");
    let mut cards = world.channel("sales-pipeline");
    cards.sort();
    assert_eq!(cards, ["New deal: Deal 0", "New deal: Deal 1", "New deal: Deal 2"]);
    assert!(world.dead_letters(queues::SLACK_DELIVERY).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_parks_the_cards_until_it_is_renewed() {
    let world = World::start().await;
    let token = world.sandbox.slack.token();
    world.sandbox.slack.rotate_token("xoxb-another");
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.none_left_to_work_now().await;
    assert!(world.channel("sales-pipeline").is_empty());
    assert!(world.ledger().await.iter().any(|line| line.contains("retrying") && line.contains("invalid_auth")));
    world.clock.advance(Duration::from_secs(3 * 86_400));
    world.sandbox.slack.rotate_token(&token);
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
}

fn route(name: &str, channel: &str) -> Route {
    Route::new(name, &[ChangeKind::DealCreated], Destination::parse(channel).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_channel_is_a_dead_letter_that_names_route_and_channel() {
    let routes = vec![route("to nowhere", "#gone"), route("deals", "#sales-pipeline"), route("archive", "#old")];
    let world = World::start_with_routes(routes).await;
    world.sandbox.slack.add_channel("old");
    world.sandbox.slack.change_channel("old", |channel| channel.is_archived = true);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"], "the others are not affected");
    let mut letters = world.dead_letters(queues::SLACK_DELIVERY).await;
    letters.sort_by(|a, b| a.reason.cmp(&b.reason));
    assert_eq!(letters.iter().map(|letter| letter.code.as_str()).collect::<Vec<_>>(), ["channel_not_found"; 2]);
    assert!(letters[0].reason.starts_with("channel \"#gone\" of route \"to nowhere\""), "{}", letters[0].reason);
    assert!(letters[1].reason.starts_with("channel \"#old\" of route \"archive\""), "{}", letters[1].reason);
    assert!(!letters[0].trace.is_empty() && letters[0].tenant == world.tenant.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_archived_after_it_was_looked_up_is_said_to_be() {
    let world = World::start().await;
    world.sandbox.portal.add_deal("One", 1, "EUR");
    world.settle().await;
    world.sandbox.slack.change_channel("sales-pipeline", |channel| channel.is_archived = true);
    world.sandbox.portal.add_deal("Two", 1, "EUR");
    world.settle().await;
    let letters = world.dead_letters(queues::SLACK_DELIVERY).await;
    assert_eq!(letters[0].code, "is_archived");
    assert!(letters[0].reason.contains("unarchive the channel or change the route"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_made_anew_under_its_name_is_found() {
    let world = World::start().await;
    world.sandbox.portal.add_deal("One", 1, "EUR");
    world.settle().await;
    world.sandbox.slack.change_channel("sales-pipeline", |channel| {
        channel.name = "sales-pipeline-old".into();
        channel.is_private = true;
        channel.is_member = false;
    });
    world.sandbox.slack.add_channel("sales-pipeline");
    world.sandbox.portal.add_deal("Two", 1, "EUR");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_joins_a_public_channel_that_it_is_not_in() {
    let world = World::start().await;
    world.sandbox.slack.write_public(false);
    world.sandbox.slack.change_channel("sales-pipeline", |channel| channel.is_member = false);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_portals_cards_wait_until_its_webhook_is_replaced() {
    let world = World::start().await;
    let old = world.sandbox.portal.host();
    // The same portal answers at another name of this machine from now on.
    let new = old.replace("127.0.0.1", "localhost");
    world.sandbox.portal.move_to(&new);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.none_left_to_work_now().await;
    assert!(world.channel("sales-pipeline").is_empty());
    let portal = world.connections.portals().get(&world.tenant).await.unwrap().unwrap();
    assert_eq!(portal.domain, old, "a redirect alone moves nothing");
    let troubles = world.connections.troubles(&world.tenant).await.unwrap();
    assert!(
        troubles[0].why.contains("the portal redirects to localhost: it seems to have been renamed"),
        "{troubles:?}"
    );
    assert!(troubles[0].why.contains("replace it at /install"), "{troubles:?}");
    let webhook = world.sandbox.portal.webhook_url().replace(&old, &new);
    let token = world.sandbox.portal.credentials().application_token.into();
    let access = clients::PortalAccess::Webhook(webhook.into());
    world.connections.connect_webhook(&world.tenant, &access, &token).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
    let portal = world.connections.portals().get(&world.tenant).await.unwrap().unwrap();
    assert_eq!(portal.domain, new);
    assert!(world.dead_letters(queues::BITRIX24_EVENTS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn used_up_operating_time_is_waited_for() {
    let world = World::start().await;
    world.sandbox.portal.set_cost("crm.item.list", 300.0);
    for n in 0..4 {
        world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
        world.clock.advance(Duration::from_secs(2));
        world.none_left_to_work_now().await;
    }
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline").len(), 4);
    assert_eq!(world.sandbox.portal.refused_for_limits(), 0, "we stop before the portal stops us");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_the_queue_refused_are_sent_by_the_next_try() {
    let world = World::start().await;
    let (backend, now) = (&world.engine.backend, world.clock.now());
    let job = ReceivedJob {
        id: "m".into(),
        tenant: world.tenant.clone(),
        trace: TraceId::new(now),
        group: "g".into(),
        attempt: 1,
        body: (),
    };
    let decision = || Decision::on(&job, "event", None, now);
    let mut decided = decision();
    decided.send(&SyncJob::Schema { signal: Signal::both("event") }).unwrap();
    let deaf = Backend { queue: std::sync::Arc::new(journeys::Refusing), ..backend.clone() };
    let failure = clients::Failure::from(decided.commit(&deaf).await.unwrap_err());
    let ledger = Ledger::new(backend.store.clone());
    let outcome = clients::undecided(&ledger, &world.tenant, decision().line, now, &failure).await;
    assert!(matches!(outcome, JobOutcome::Retry { .. }), "{outcome:?}");
    let again = ReceivedJob { attempt: 2, ..job.clone() };
    let finished = runtime::decision::finished(backend, &again, |_| Vec::new()).await.unwrap();
    assert_eq!(finished, Some(JobOutcome::Done));
    let sent = backend.queue.receive(queues::RECORD_SYNC, 10, Duration::ZERO).await.unwrap();
    assert_eq!(sent.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_has_ended_does_not_skip_what_another_has_routed() {
    let world = World::start().await;
    let (backend, now) = (&world.engine.backend, world.clock.now());
    let received = |attempt| ReceivedJob {
        id: "m".into(),
        tenant: world.tenant.clone(),
        trace: TraceId::new(now),
        group: "g".into(),
        attempt,
        body: (),
    };
    let (late, again) = (received(1), received(2));
    let again = ReceivedJob { trace: late.trace, ..again };
    let mut decided = Decision::on(&again, "event", None, now);
    decided.send(&SyncJob::Schema { signal: Signal::both("event") }).unwrap();
    // It ends before its jobs are on their queue.
    decided.commit(&Backend { queue: Arc::new(journeys::Refusing), ..backend.clone() }).await.unwrap_err();
    let outcome = Decision::on(&late, "event", None, now).skip(backend, "nothing changed").await.unwrap();
    assert_eq!(outcome, JobOutcome::Done);
    let line = Ledger::new(backend.store.clone()).event(&world.tenant, late.trace).await.unwrap().unwrap();
    assert_eq!(line.status, EventStatus::Routed);
    assert_eq!(backend.queue.receive(queues::RECORD_SYNC, 10, Duration::ZERO).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_dead_letter_looks_before_it_posts_again() {
    let world = World::start().await;
    world.sandbox.slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    let no_scope = Fault::Code { status: 200, code: "missing_scope".into() };
    world.sandbox.slack.fail_next("conversations.history", no_scope);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let letters = world.dead_letters(queues::SLACK_DELIVERY).await;
    assert_eq!(letters[0].code, "missing_scope");
    // The scope was given, and the letter is put back on its queue.
    let job = QueueMessage {
        group: letters[0].group.clone(),
        deduplication: "redrive".into(),
        body: letters[0].body.clone(),
    };
    world.engine.queue.send(queues::SLACK_DELIVERY, vec![job]).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
    assert!(world.ledger().await.iter().any(|line| line.ends_with("delivered")));
}
