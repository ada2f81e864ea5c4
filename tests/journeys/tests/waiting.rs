//! A command that has to wait: what the person reads, how they cancel it, and what does not wait for it.

use std::time::Duration;

use jobs::slack_request::SlackRequest;
use journeys::World;
use runtime::Clock;
use runtime::claims::{self, Claim};
use runtime::job::{Job, ReceivedJob};
use serde_json::Value;
use simulators::fault::{Fault, When};
use simulators::portal::LEAD;

use crate::cast::Cast;

const CANCEL: &str = "cancel_request";

fn no_answer() -> Fault {
    Fault::Html { status: 503, when: When::BeforeEffect }
}

impl Cast {
    /// Types a command; what is due later is left.
    async fn begins(&self, user: &str, command: &str, text: &str) {
        let first = self.world.sandbox.slack.command(user, &self.channel, command, text).await;
        assert_eq!(first.status, 200, "{first:?}");
        self.world.none_left_to_work_now().await;
    }

    /// Types a command, and expects an answer with these words within five seconds.
    async fn is_answered(&self, user: &str, command: &str, text: &str, words: &str) {
        self.begins(user, command, text).await;
        for _ in 0..5 {
            if self.told(user).contains(words) {
                return;
            }
            self.world.clock.advance(Duration::from_secs(1));
            self.world.none_left_to_work_now().await;
        }
        panic!("{command} {text} is not answered: {:?}", self.told(user));
    }

    /// Lets Bitrix24 refuse to create leads for so many tries.
    fn leads_fail(&self, times: usize) {
        for _ in 0..times {
            self.world.sandbox.portal.fail_next("crm.item.add", no_answer());
        }
    }

    /// The messages about waits that Ann reads, and what their buttons carry.
    fn waits(&self) -> Vec<(String, Option<String>)> {
        let slack = &self.world.sandbox.slack;
        let messages = slack.messages("@user6");
        messages.iter().map(|message| (text(message), button(message))).collect()
    }

    /// The text of the last message that only this person reads.
    fn last_text(&self, user: &str) -> String {
        text(&self.read_by(user))
    }

    fn leads(&self) -> usize {
        self.world.sandbox.portal.ids(LEAD).len()
    }
}

fn text(message: &Value) -> String {
    message["text"].as_str().unwrap_or_default().to_owned()
}

fn button(message: &Value) -> Option<String> {
    let blocks = message["blocks"].as_array()?;
    let mut elements = blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let button = elements.find(|element| element["action_id"] == CANCEL)?;
    button["value"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn what_a_person_wants_to_see_waits_for_nothing_that_they_wait_for() {
    let cast = Cast::start().await;
    cast.leads_fail(20);
    cast.begins(&cast.ann, "/b24-lead", "Stuck Ltd").await;
    assert_eq!(cast.waits().len(), 1, "it waits");
    let deal = cast.observed_deal("Roof", 150_000).to_string();
    let asked = [
        ("/b24-status", "", "Today"),
        ("/b24-lead", "help", "creates a lead"),
        ("/b24-deal", deal.as_str(), "Roof"),
        ("/b24-me", "", "Bitrix24"),
    ];
    for (command, text, words) in asked {
        cast.is_answered(&cast.ann, command, text, words).await;
    }
    // What she changes keeps its order; what others do does not wait.
    cast.begins(&cast.ann, "/b24-lead", "Second Ltd").await;
    cast.is_answered(&cast.admin, "/b24-status", "", "Today").await;
    cast.world.sandbox.portal.forget_faults();
    cast.world.settle().await;
    let titles: Vec<_> = cast
        .world
        .sandbox
        .portal
        .ids(LEAD)
        .iter()
        .rev()
        .take(2)
        .map(|id| cast.world.sandbox.portal.item(LEAD, *id).unwrap()["title"].clone())
        .collect();
    assert_eq!(titles, ["Second Ltd", "Stuck Ltd"], "in the order in which they were typed");
}

#[tokio::test]
async fn a_wait_is_said_with_what_for_and_its_message_is_changed_when_it_is_over() {
    let cast = Cast::start().await;
    cast.leads_fail(3);
    cast.begins(&cast.ann, "/b24-lead", "Patient Ltd").await;
    let waits = cast.waits();
    assert_eq!(
        waits[0].0,
        "Bitrix24 is not answering. Your lead will be created as soon as Bitrix24 is available again. I keep trying, every 20 seconds at first. You can cancel it."
    );
    let trace = waits[0].1.clone().unwrap();
    cast.world.settle().await;
    let waits = cast.waits();
    assert_eq!(waits, [("Bitrix24 answers again: what you asked for is done.".to_owned(), None)]);
    assert!(cast.told(&cast.ann).contains("Patient Ltd"));
    cast.presses(&cast.ann, CANCEL, &trace).await;
    assert_eq!(cast.last_text(&cast.ann), "Too late to cancel: it no longer waits.");
}

#[tokio::test]
async fn a_command_that_waits_is_cancelled_once_and_only_by_who_gave_it() {
    let cast = Cast::start().await;
    let before = cast.leads();
    cast.leads_fail(50);
    cast.begins(&cast.ann, "/b24-lead", "Regretted Ltd").await;
    let trace = cast.waits()[0].1.clone().unwrap();
    cast.presses(&cast.admin, CANCEL, &trace).await;
    assert_eq!(cast.last_text(&cast.admin), "Only the person who gave the command can cancel it.");
    for _ in 0..2 {
        cast.presses(&cast.ann, CANCEL, &trace).await;
        let said = cast.last_text(&cast.ann);
        assert!(said.starts_with("Cancelled."), "{said}");
        assert_eq!(cast.waits(), [(said, None)]);
    }
    cast.world.sandbox.portal.forget_faults();
    // What she asks for next does not wait for the next try.
    let asked = cast.world.clock.now();
    cast.answer(&cast.ann, "/b24-lead", "Wanted Ltd").await;
    let took = runtime::clock::until(asked, cast.world.clock.now());
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(cast.leads(), before + 1);
    assert_eq!(cast.lead()["title"], "Wanted Ltd");
    let ledger = cast.world.ledger().await;
    let line = "slack /b24-lead | skipped | cancelled by the person who asked";
    assert!(ledger.iter().any(|written| written == line), "{ledger:#?}");
    assert!(ledger.iter().any(|written| written.contains("request.cancelled")), "{ledger:#?}");
}

#[tokio::test]
async fn a_wait_that_ends_in_a_refusal_says_so() {
    let cast = Cast::start().await;
    cast.leads_fail(1);
    cast.begins(&cast.ann, "/b24-lead", "Refused Ltd").await;
    cast.world.sandbox.portal.fail_next("crm.item.add", Fault::Code { status: 400, code: "ACCESS_DENIED".into() });
    cast.world.settle().await;
    assert_eq!(cast.waits()[0].1, None, "there is nothing to cancel any more");
}

#[tokio::test]
async fn a_command_that_another_worker_may_have_in_hand_is_left_to_it_and_done_once() {
    let cast = Cast::start().await;
    let before = cast.leads();
    let typed = cast.world.sandbox.slack.command(&cast.ann, &cast.channel, "/b24-lead", "Twice Ltd").await;
    assert_eq!(typed.status, 200, "{typed:?}");
    // A worker claims it and is about to create the lead when the lease of its job ends.
    let backend = &cast.world.engine.backend;
    let received = backend.queue.receive(SlackRequest::QUEUE, 1, Duration::ZERO).await.unwrap();
    let job = ReceivedJob::<SlackRequest>::parse(&received[0]).unwrap();
    let now = cast.world.clock.now();
    let claim = Claim { trace: job.trace, swept: false, at: Some(now) };
    let identity = format!("asked#{}", job.body.identity());
    backend.store.put(claims::write(&cast.world.tenant, &identity, &claim, now).unwrap()).await.unwrap();
    backend.queue.give_back(SlackRequest::QUEUE, vec![received[0].receipt.clone()]).await;
    cast.world.none_left_to_work_now().await;
    cast.world.clock.advance(Duration::from_secs(50));
    cast.world.none_left_to_work_now().await;
    assert_eq!(cast.leads(), before, "its first try may be under way");
    cast.world.settle().await;
    assert_eq!(cast.leads(), before + 1, "nobody has done it");
    assert!(cast.told(&cast.ann).contains("Twice Ltd"));
}

#[tokio::test]
async fn the_direct_messages_of_people_without_a_user_are_looked_up_once_for_each() {
    let world = World::start().await;
    let portal = world.connections.portal(&world.tenant).await.unwrap();
    let slack = world.connections.slack(&portal).await.unwrap();
    let people = ["user1@example.com", "user6@example.com"].map(|email| world.sandbox.slack.person(email));
    let opened = || world.sandbox.slack.calls().get("conversations.open").copied().unwrap_or_default();
    let before = opened();
    let mut channels = Vec::new();
    for person in people.iter().cycle().take(6) {
        channels.push(slack.direct(0, Some(person), None).await.unwrap().unwrap());
    }
    assert!(channels[0] != channels[1] && channels[..2] == channels[4..]);
    assert_eq!(opened() - before, 2);
}
