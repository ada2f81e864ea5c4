//! How events reach handlers: once, in any order, and not at all without a plan or an installation.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::super::{DEAL, PortalEventDelivery, PortalSimulator};
use crate::http::{HangUp, HttpAnswer};
use crate::testing::{NotingHandler, VirtualTime, rest, status};
use crate::traffic::{Disorder, SentOutcome};

struct HearingPortal {
    time: VirtualTime,
    portal: PortalSimulator,
    handler: NotingHandler,
}

impl HearingPortal {
    async fn start(answer: impl Fn(usize) -> HttpAnswer + Clone + Send + Sync + 'static) -> Self {
        let time = VirtualTime::start();
        let portal = PortalSimulator::start(time.clock.clone(), 0).await.unwrap();
        let handler = NotingHandler::start(answer).await;
        Self { time, portal, handler }
    }

    /// A field of each event that came.
    fn fields(&self, name: &str) -> Vec<String> {
        let field = |request: &Request<Bytes>| {
            let mut fields = form_urlencoded::parse(request.body()).into_owned();
            fields.find(|(given, _)| given == name).map(|(_, value)| value).unwrap_or_default()
        };
        self.handler.seen().iter().map(field).collect()
    }
}

#[tokio::test]
async fn an_event_is_sent_once_whatever_comes_of_it() {
    for (answer, outcome) in [
        (500, SentOutcome::Answered(500)),
        (200, SentOutcome::Answered(200)),
        (0, SentOutcome::Late),
        (1, SentOutcome::NotConnected),
    ] {
        let heard = HearingPortal::start(move |_| match answer {
            0 => Err(HangUp::Silence),
            1 => Err(HangUp::Breaks),
            code => status(code),
        })
        .await;
        heard.portal.send_events_to(&heard.handler.server.url(), &["ONCRMDEALADD"]);
        let deal = heard.portal.add_deal("Roof", 100, "EUR");
        heard.time.pass(600).await;
        assert_eq!(heard.handler.seen().len(), 1);
        let sent = heard.portal.sent();
        assert_eq!((sent.len(), sent[0].outcome, &sent[0].kind), (1, outcome, &"ONCRMDEALADD".to_owned()));
        assert_eq!((sent[0].attempt, sent[0].id.clone()), (1, deal.to_string()));
    }
}

/// A bot that hears a whole chat.
fn bot(heard: &HearingPortal) -> String {
    let fields = json!({
        "code": "switchboard", "eventMode": "webhook", "webhookUrl": heard.handler.server.url(), "type": "supervisor",
        "properties": {"name": "Switchboard"},
    });
    let params = serde_json::Map::from_iter([("fields".to_owned(), fields)]);
    let made = super::super::bots::call(heard.portal.shared(), "imbot.v2.bot.register", &params, true, 1);
    assert!(made.unwrap().is_ok());
    let chat = heard.portal.add_chat("Sales", &[1, 6]);
    heard.portal.invite_bots(&chat);
    chat
}

async fn chat_with_seed(seed: u64) -> Vec<String> {
    let heard = HearingPortal::start(|_| status(200)).await;
    let chat = bot(&heard);
    rest().await;
    let disorder = Disorder { seed, max_delay_ms: 10_000, doubled: 200, lost: 100 };
    heard.portal.deliver(PortalEventDelivery { disorder, ..PortalEventDelivery::default() });
    for number in 0..20 {
        let message = heard.portal.write(1, &chat, &number.to_string(), None, &[]);
        heard.portal.edit(&chat, message, &format!("{number} edited"));
    }
    heard.time.pass(11).await;
    assert_eq!(heard.portal.events_on_the_way(), 0);
    let lost = heard.portal.sent().iter().filter(|sent| sent.outcome == SentOutcome::Lost).count();
    assert!(lost > 0, "some are lost, and the portal says which");
    heard.fields("data[message][text]")
}

#[tokio::test]
async fn events_of_a_bot_come_in_the_order_that_a_seed_says() {
    let texts = chat_with_seed(5).await;
    assert_eq!(texts, chat_with_seed(5).await);
    assert_ne!(texts, chat_with_seed(6).await);
    let place = |text: String| texts.iter().position(|known| *known == text);
    let is_early = |n: &u32| matches!((place(format!("{n} edited")), place(n.to_string())), (Some(edit), Some(message)) if edit < message);
    assert!((0..20).any(|n| is_early(&n)), "edits come before their messages: {texts:?}");
    assert!((0..20).any(|n| texts.iter().filter(|text| **text == n.to_string()).count() > 1), "{texts:?}");
}

#[tokio::test]
async fn events_of_a_bot_are_on_their_way_together_and_say_when_they_were_sent() {
    let heard = HearingPortal::start(|before| if before == 1 { Err(HangUp::Silence) } else { status(200) }).await;
    let chat = bot(&heard);
    rest().await;
    heard.time.pass(5).await;
    for text in ["stuck", "quick"] {
        heard.portal.write(1, &chat, text, None, &[]);
    }
    rest().await;
    assert_eq!(heard.fields("data[message][text]"), ["", "stuck", "quick"]);
    assert_eq!(heard.fields("ts"), ["1795262400", "1795262405", "1795262405"]);
}

#[tokio::test]
async fn a_handler_that_takes_more_than_five_seconds_is_called_less_often_unless_a_test_says_otherwise() {
    let heard = HearingPortal::start(|_| status(200)).await;
    let url = heard.handler.server.url();
    heard.handler.server.slow_down("*", Duration::ZERO);
    assert_eq!(heard.portal.delivery().slow_after, Duration::from_secs(5));
    let slow = HearingPortal::start(|_| Err(HangUp::Silence)).await;
    let slow_url = slow.handler.server.url();
    slow.portal.send_events_to(&slow_url, &["ONCRMDEALUPDATE"]);
    for amount in 1..=2 {
        slow.portal.change_item(DEAL, 1, json!({"opportunity": amount}));
        slow.time.pass(20).await;
    }
    assert_eq!(slow.portal.pause_of(&slow_url), Duration::from_secs(10));
    assert_eq!(heard.portal.pause_of(&url), Duration::ZERO);
}

#[tokio::test]
async fn an_application_hears_nothing_on_a_portal_whose_plan_has_run_out() {
    let heard = HearingPortal::start(|_| status(200)).await;
    let servers = crate::OauthServers::start(heard.time.clock.clone()).await.unwrap();
    servers.admit(&heard.portal, crate::Region::West);
    let bind = json!({"event": "ONCRMDEALADD", "handler": heard.handler.server.url()});
    let params = bind.as_object().cloned().unwrap();
    let bound = super::super::subscriptions::call(heard.portal.shared(), "event.bind", &params, true);
    assert_eq!(bound.unwrap().unwrap(), Value::Bool(true));
    for (unpaid, came) in [(true, 0), (false, 1)] {
        servers.unpaid(&heard.portal, unpaid);
        heard.portal.add_deal("Roof", 100, "EUR");
        rest().await;
        assert_eq!(heard.handler.seen().len(), came);
    }
}
