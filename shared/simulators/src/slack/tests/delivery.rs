//! How events reach the app: in three seconds or again, in any order, and not at all when nearly none is accepted.

use serde_json::Value;

use super::*;
use crate::http::{HangUp, HttpAnswer};
use crate::testing::{NotingHandler, VirtualTime, rest, status};
use crate::traffic::{Disorder, SentOutcome};

struct Listening {
    time: VirtualTime,
    workspace: SlackSimulator,
    app: NotingHandler,
}

impl Listening {
    async fn start(answer: impl Fn(usize) -> HttpAnswer + Clone + Send + Sync + 'static) -> Self {
        let time = VirtualTime::start();
        let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
        let app = NotingHandler::start(answer).await;
        workspace.send_requests_to(&app.server.url());
        Self { time, workspace, app }
    }

    fn say(&self, text: &str) -> String {
        self.workspace.say("U0PERSON01", "C0SAND0001", text, None, &[])
    }

    /// The texts of the messages in the order in which they came; those of edits too.
    fn texts(&self) -> Vec<String> {
        let text = |request: &Request<Bytes>| {
            let event: Value = serde_json::from_slice::<Value>(request.body()).unwrap()["event"].take();
            let message = if event["message"].is_null() { &event } else { &event["message"] };
            message["text"].as_str().unwrap().to_owned()
        };
        self.app.seen().iter().map(text).collect()
    }

    /// Number and reason of each request that was a retry; nothing for the others.
    fn retries(&self) -> Vec<String> {
        let header = |request: &Request<Bytes>, name: &str| {
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let of = |request: &Request<Bytes>| {
            format!("{} {}", header(request, "x-slack-retry-num"), header(request, "x-slack-retry-reason"))
        };
        self.app.seen().iter().map(of).collect()
    }
}

#[tokio::test]
async fn an_app_that_never_answers_is_waited_for_three_seconds_and_tried_four_times() {
    let listening = Listening::start(|_| Err(HangUp::Silence)).await;
    listening.say("hello");
    listening.time.pass(2).await;
    assert_eq!(listening.app.seen().len(), 1);
    listening.time.pass(1).await;
    assert_eq!(listening.app.seen().len(), 2, "three seconds are over, and it is sent again at once");
    listening.time.pass(400).await;
    assert_eq!(listening.retries(), [" ", "1 http_timeout", "2 http_timeout", "3 http_timeout"]);
    let sent = listening.workspace.sent();
    let attempts: Vec<_> = sent.iter().map(|sent| (sent.attempt, sent.outcome)).collect();
    assert_eq!(attempts, [1, 2, 3, 4].map(|attempt| (attempt, SentOutcome::Late)));
    assert!(sent.iter().all(|sent| sent.kind == "message" && sent.id == "Ev0SAND00001"), "{sent:?}");
    assert_eq!(listening.workspace.on_the_way(), 0);
}

#[tokio::test]
async fn a_failed_event_comes_again_at_once_after_a_minute_and_after_five_while_others_arrive() {
    let listening = Listening::start(|before| status(if before == 4 { 200 } else { 500 })).await;
    listening.say("one");
    listening.time.pass(30).await;
    let other = listening.say("two");
    assert!(!other.is_empty());
    listening.time.pass(400).await;
    let moments: Vec<_> =
        listening.workspace.sent().iter().map(|sent| (sent.id.clone(), sent.at.as_second() - 1_795_262_400)).collect();
    let (one, two) = ("Ev0SAND00001".to_owned(), "Ev0SAND00002".to_owned());
    assert_eq!(
        moments,
        [
            (one.clone(), 0),
            (one.clone(), 0),
            (two.clone(), 30),
            (two.clone(), 30),
            // The fifth request of all is accepted.
            (one, 60),
            (two.clone(), 90),
            (two, 390),
        ]
    );
    assert!(listening.retries().contains(&"3 http_error".to_owned()));
}

#[tokio::test]
async fn an_app_can_refuse_retries_and_a_dead_one_is_called_unreachable() {
    let listening = Listening::start(|_| {
        let answer = Response::builder().status(500).header("x-slack-no-retry", "1").body(Bytes::new());
        answer.map_err(|_| HangUp::Breaks)
    })
    .await;
    listening.say("once");
    listening.time.pass(400).await;
    assert_eq!(listening.app.seen().len(), 1);
    let breaking = Listening::start(|before| if before < 1 { Err(HangUp::Breaks) } else { status(200) }).await;
    breaking.say("twice");
    breaking.time.pass(1).await;
    assert_eq!(breaking.retries(), [" ", "1 connection_failed"]);
}

#[tokio::test]
async fn a_command_or_a_button_is_cut_off_after_three_seconds_and_never_comes_again() {
    let listening = Listening::start(|_| Err(HangUp::Silence)).await;
    let workspace = &listening.workspace;
    let waiting = async {
        tokio::join!(
            workspace.command("U0PERSON01", "C0SAND0001", "/b24-lead", "x"),
            workspace.press("U0PERSON01", "C0SAND0001", "deal_take", "1"),
        )
    };
    let ((command, button), ()) = tokio::join!(waiting, listening.time.pass(4));
    assert!(command.is_late && button.is_late && command.status == 0 && button.status == 0);
    listening.time.pass(400).await;
    let sent: BTreeSet<_> =
        workspace.sent().into_iter().map(|sent| format!("{} {:?}", sent.kind, sent.outcome)).collect();
    assert_eq!(sent, BTreeSet::from(["/b24-lead Late".to_owned(), "block_actions Late".to_owned()]));
}

#[tokio::test]
async fn after_an_hour_in_which_nearly_nothing_was_accepted_events_are_switched_off() {
    // Of a thousand deliveries 49 succeed at most; one more, and it would be a twentieth.
    let listening = Listening::start(|before| status(if before < 49 { 200 } else { 500 })).await;
    for number in 0..287 {
        listening.say(&number.to_string());
    }
    listening.time.pass(400).await;
    assert_eq!(listening.app.seen().len(), 49 + 4 * 238);
    assert!(listening.workspace.events_are_off());
    listening.say("lost");
    listening.time.pass(1).await;
    assert_eq!(listening.workspace.sent().last().map(|sent| sent.outcome), Some(SentOutcome::Stopped));
    listening.workspace.switch_events_on();
    listening.say("heard");
    rest().await;
    assert_eq!(listening.texts().last().map(String::as_str), Some("heard"));

    let quiet = Listening::start(|_| status(500)).await;
    for number in 0..200 {
        quiet.say(&number.to_string());
    }
    quiet.time.pass(400).await;
    assert!(!quiet.workspace.events_are_off(), "800 deliveries are too few to judge by");
}

#[tokio::test]
async fn more_than_30000_events_in_an_hour_become_one_notice_a_minute() {
    let listening = Listening::start(|_| status(200)).await;
    {
        let mut state = listening.workspace.shared.lock();
        let now = listening.time.clock.now();
        for _ in 0..30_000 {
            let _ = state.subscription.admit(now);
        }
    }
    listening.say("too many");
    listening.say("too many");
    rest().await;
    let bodies: Vec<Value> =
        listening.app.seen().iter().map(|request| serde_json::from_slice(request.body()).unwrap()).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!((&bodies[0]["type"], &bodies[0]["team_id"]), (&json!("app_rate_limited"), &json!("T0SANDBOX")));
    listening.time.pass(3_600).await;
    listening.say("an hour later");
    rest().await;
    assert_eq!(listening.texts_of_events(), ["an hour later"]);
}

impl Listening {
    /// The texts of the messages among what came.
    fn texts_of_events(&self) -> Vec<String> {
        let bodies = self.app.seen();
        let bodies = bodies.iter().map(|request| serde_json::from_slice::<Value>(request.body()).unwrap());
        bodies.filter_map(|body| body["event"]["text"].as_str().map(str::to_owned)).collect()
    }
}

/// What a seed makes of twenty messages, each edited at once, and a reply to the first.
async fn with_seed(seed: u64) -> (Vec<String>, Vec<String>) {
    let listening = Listening::start(|_| status(200)).await;
    listening.workspace.deliver(Disorder { seed, max_delay_ms: 10_000, doubled: 200, lost: 0 });
    for number in 0..20 {
        let ts = listening.say(&format!("{number}"));
        listening.workspace.edit("C0SAND0001", &ts, &format!("{number} edited"));
        if number == 0 {
            listening.workspace.say("U0PERSON01", "C0SAND0001", "reply", Some(&ts), &[]);
        }
    }
    listening.time.pass(11).await;
    assert_eq!(listening.workspace.on_the_way(), 0);
    (listening.texts(), listening.retries())
}

#[tokio::test]
async fn a_seed_says_in_which_order_events_come_and_which_come_twice() {
    let (texts, retries) = with_seed(3).await;
    assert_eq!((texts.clone(), retries.clone()), with_seed(3).await);
    assert_ne!(texts, with_seed(4).await.0);
    let all: BTreeSet<&String> = texts.iter().collect();
    assert_eq!(all.len(), 41, "none is lost");
    assert!(retries.iter().any(|retry| retry == "1 http_timeout") && texts.len() > 41, "some come twice");
    let place = |text: String| texts.iter().position(|known| *known == text).unwrap();
    let before_its_message = (0..20).filter(|n| place(format!("{n} edited")) < place(n.to_string())).count();
    assert!(before_its_message > 0, "edits come before their messages: {texts:?}");
}

#[tokio::test]
async fn events_that_happen_together_are_on_their_way_together() {
    let listening = Listening::start(|before| if before == 0 { Err(HangUp::Silence) } else { status(200) }).await;
    listening.say("stuck");
    listening.say("quick");
    rest().await;
    assert_eq!(listening.texts(), ["stuck", "quick"], "nobody waits for the answer to another event");
    assert_eq!(listening.time.seconds(), 0);
    listening.workspace.keep_order(true);
    for text in ["one", "two", "three"] {
        listening.say(text);
    }
    rest().await;
    assert_eq!(listening.texts()[2..], ["one", "two", "three"]);
}
