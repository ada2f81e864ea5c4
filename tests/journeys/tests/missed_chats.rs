//! What people write in a bridged conversation while no event of it arrives is found, and carried as if one had.

use std::time::Duration;

use chat_bridge::sweep;
use crm::sweeps::Sweeps;
use jobs::queues;
use journeys::random::Random;
use journeys::{EventOrder, World};
use runtime::Clock;
use serde_json::{Value, json};
use simulators::portal::PortalEventDelivery;
use simulators::slack::Release;
use simulators::{Fault, When};
use user_mapping::TenantContext;

use crate::bridged::{Bridged, said_in};

impl Bridged {
    /// From now on no event arrives: the process is down, or the address cannot be reached.
    fn goes_deaf(&self) {
        // The portal's times are whole seconds: what follows is certainly later than what was before.
        self.world.clock.advance(Duration::from_secs(2));
        let lost = PortalEventDelivery { drop_every: 1, ..PortalEventDelivery::default() };
        self.world.sandbox.portal.deliver(lost);
        self.world.sandbox.slack.hold_events();
    }

    /// Events arrive again; Slack has given up sending those of before.
    fn hears_again(&self) {
        self.world.sandbox.portal.deliver(PortalEventDelivery::default());
        self.world.sandbox.slack.lose_held_events();
    }

    fn writes_now(&self, user: u64, text: &str) -> u64 {
        self.world.sandbox.portal.write(user, &self.chat, text, None, &[])
    }

    /// The texts in the channel of those who wrote in the chat, without their names.
    fn copies_in_slack(&self) -> Vec<String> {
        let copies = self.messages().into_iter().filter(|message| message["username"].is_string());
        copies.map(|message| message["text"].as_str().unwrap().replace('\u{200b}', "")).collect()
    }

    /// Events wait from now on, and are sent newest first in the end.
    fn hears_in_the_wrong_order(&self) {
        self.world.clock.advance(Duration::from_secs(2));
        // Each waits for the answer to the one before it: the order is exactly the wrong one.
        EventOrder::Kept.apply(&self.world.sandbox.portal, &self.world.sandbox.slack);
        self.world.sandbox.portal.deliver(PortalEventDelivery { hold: true, ..PortalEventDelivery::default() });
        self.world.sandbox.slack.hold_events();
    }

    /// What waits is sent now, newest first.
    async fn hears_newest_first(&self) {
        self.world.sandbox.portal.deliver(PortalEventDelivery::default());
        self.world.sandbox.portal.release_held();
        self.world.sandbox.slack.release_events(Release::Reversed);
        self.world.settle().await;
    }

    /// Sweeps the conversations alone.
    async fn sweeps_chats(&self) -> sweep::SweptChats {
        self.sweeps_chats_after(60).await
    }

    async fn sweeps_chats_after(&self, seconds: u64) -> sweep::SweptChats {
        self.world.clock.advance(Duration::from_secs(seconds));
        let context = TenantContext::new(&self.world.engine.backend, self.world.connections.clone());
        let swept = sweep::sweep(&context, &self.world.tenant, self.world.clock.now()).await.unwrap().unwrap();
        self.world.settle().await;
        swept
    }

    /// Bridges another channel of this name with a chat; the chat.
    async fn bridges_another(&self, name: &str) -> String {
        let context = TenantContext::new(&self.world.engine.backend, self.world.connections.clone());
        let made = tenants::bridges::Bridge {
            channel: self.world.sandbox.slack.add_channel(name),
            dialog: self.world.sandbox.portal.add_chat(name, &[1, 6]),
            channel_name: name.to_owned(),
            dialog_name: String::new(),
            by: "U1".into(),
            at: self.world.clock.now(),
        };
        context.conversations.join(&self.world.tenant, &made).await.unwrap();
        made.dialog
    }

    async fn lost_today(&self) -> u64 {
        let sweeps = Sweeps::new(self.world.engine.backend.store.clone());
        sweeps.counts(&self.world.tenant, self.world.clock.now()).await.unwrap().lost
    }
}

#[tokio::test]
async fn what_was_written_while_no_events_arrived_is_found_in_order_and_once() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let (edited_there, gone_there) = (bridge.writes(1, "frist").await, bridge.writes(1, "a mistake").await);
    let (edited_here, gone_here) = (bridge.says(&bridge.ann, "hullo").await, bridge.says(&bridge.ann, "oops").await);
    let thread = bridge.says(&bridge.admin, "who comes?").await;

    bridge.goes_deaf();
    for n in 0..3 {
        bridge.writes_now(6, &format!("b{n}"));
        bridge.say(&bridge.ann, &format!("s{n}"));
        bridge.world.clock.advance(Duration::from_secs(60));
    }
    let picture = portal.attach(&bridge.chat, "offer.pdf", vec![7; 100]);
    portal.write(1, &bridge.chat, "our offer", None, &[picture]);
    let plan = slack.attach(&bridge.ann, "plan.png", vec![8; 100]);
    slack.say(&bridge.ann, &bridge.channel, "the plan", None, &[&plan]);
    slack.say(&bridge.ann, &bridge.channel, "I do", Some(&thread), &[]);
    portal.edit(&bridge.chat, edited_there, "first");
    portal.delete(&bridge.chat, gone_there);
    slack.edit(&bridge.channel, &edited_here, "hello");
    slack.delete(&bridge.channel, &gone_here);
    // Written and edited, and written and deleted, within the time.
    let both = bridge.writes_now(1, "draft");
    portal.edit(&bridge.chat, both, "final");
    let never = bridge.say(&bridge.ann, "never mind");
    slack.delete(&bridge.channel, &never);
    bridge.hears_again();

    let report = bridge.world.sweep().await;
    assert_eq!((report.bridges, report.stopped.len()), (1, 0), "{report:?}");
    assert_eq!(report.messages, 5 + 5 + 4, "{report:?}");
    assert_eq!(bridge.copies_in_slack()[..1], ["first".to_owned()]);
    let found: Vec<_> = bridge.copies_in_slack().into_iter().skip(1).collect();
    assert_eq!(found, ["b0", "b1", "b2", "our offer", "final"], "{:?}", bridge.in_slack());
    assert_eq!(slack.uploads().len(), 1);
    let in_chat: Vec<_> = bridge.in_bitrix24().into_iter().filter(|line| line.contains("[b]user")).collect();
    assert_eq!(
        in_chat,
        [
            "[b]user6:[/b] hello",
            "[b]user1:[/b] who comes?",
            "[b]user6:[/b] s0",
            "[b]user6:[/b] s1",
            "[b]user6:[/b] s2",
            "[b]user6:[/b] the plan",
            "[b]user6:[/b] [plan.png]",
            "[b]user6:[/b] I do",
        ],
    );
    let rows = bridge.rows();
    let row = |text: &str| rows.iter().find(|row| row["text"].as_str().unwrap().ends_with(text)).unwrap().clone();
    assert_eq!(row("I do")["params"]["replyId"], row("who comes?")["id"]);

    let lines = bridge.events_with_remarks().await;
    assert!(lines.iter().any(|line| line.contains("found by the sweep, 4 minutes late")), "{lines:#?}");
    assert_eq!(bridge.lost_today().await, 14);
    assert_eq!(bridge.world.sweep().await.messages, 0);
    assert_eq!(bridge.copies_in_slack().len(), 6);
    bridge.nothing_is_stuck().await;
}

impl Bridged {
    async fn events_with_remarks(&self) -> Vec<String> {
        let ledger = runtime::ledger::Ledger::new(self.world.engine.backend.store.clone());
        let day = runtime::ledger::today(self.world.clock.now());
        let lines = ledger.day(&self.world.tenant, &day, None).await.unwrap().lines;
        let remark = |line| match line {
            runtime::ledger::LedgerLine::Event(event) => event.remark,
            runtime::ledger::LedgerLine::Delivery(_) => None,
        };
        lines.into_iter().filter_map(remark).collect()
    }
}

#[tokio::test]
async fn what_comes_after_newer_messages_says_when_it_was_written() {
    let bridge = Bridged::start().await;
    bridge.goes_deaf();
    bridge.writes_now(1, "lost there");
    bridge.say(&bridge.ann, "lost here");
    bridge.hears_again();
    bridge.world.clock.advance(Duration::from_secs(5 * 60));
    bridge.writes(1, "newer there").await;
    bridge.says(&bridge.ann, "newer here").await;
    assert_eq!(bridge.sweeps_chats().await.found, 2);
    let late = bridge.copies_in_slack().pop().unwrap();
    assert!(late.starts_with("🕓 _Written at 2026-11-21 12:0") && late.ends_with("\nlost there"), "{late}");
    let late = bridge.in_bitrix24().pop().unwrap();
    assert!(
        late.starts_with("🕓 [i]Written at 2026-11-21 12:0") && late.ends_with("[b]user6:[/b] lost here"),
        "{late}"
    );
}

#[tokio::test]
async fn an_event_that_comes_late_or_twice_adds_nothing() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.hold_events();
    let ts = bridge.say(&bridge.ann, "one");
    slack.edit(&bridge.channel, &ts, "two");
    assert_eq!(bridge.sweeps_chats().await.found, 1);
    slack.release_events(Release::Reversed);
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] two"]);
    // Both at once: the sweep reads what an event has brought and nobody has worked yet.
    bridge.say(&bridge.ann, "three");
    bridge.writes_now(1, "four");
    assert_eq!(bridge.sweeps_chats().await.found, 2);
    let copies: Vec<_> = bridge.in_bitrix24().into_iter().filter(|line| line.starts_with("[b]")).collect();
    assert_eq!(copies, ["[b]user6:[/b] two", "[b]user6:[/b] three"]);
    assert_eq!(bridge.copies_in_slack(), ["four"]);
    assert_eq!(bridge.sweeps_chats().await.found, 0);
}

#[tokio::test]
async fn an_edit_that_arrives_before_its_message_is_copied_as_the_message() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    bridge.hears_in_the_wrong_order();
    let here = bridge.say(&bridge.ann, "frist here");
    slack.edit(&bridge.channel, &here, "first here");
    let there = bridge.writes_now(1, "frist there");
    portal.edit(&bridge.chat, there, "first there");
    bridge.hears_newest_first().await;
    let copied = || bridge.in_bitrix24().into_iter().filter(|line| line.contains("user6")).collect::<Vec<_>>();
    assert_eq!(copied(), ["[b]user6:[/b] first here"]);
    assert_eq!(bridge.copies_in_slack(), ["first there"]);
    assert_eq!(bridge.sweeps_chats().await.found, 0);
    slack.edit(&bridge.channel, &here, "again here");
    portal.edit(&bridge.chat, there, "again there");
    bridge.world.settle().await;
    assert_eq!(copied(), ["[b]user6:[/b] again here"]);
    assert_eq!(bridge.copies_in_slack(), ["again there"]);
    slack.delete(&bridge.channel, &here);
    portal.delete(&bridge.chat, there);
    bridge.world.settle().await;
    assert_eq!((copied().len(), bridge.copies_in_slack().len()), (0, 0));
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn an_edit_of_a_message_whose_event_was_lost_is_copied_as_the_message_and_says_when_it_was_written() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    bridge.goes_deaf();
    let here = bridge.say(&bridge.ann, "lost here");
    let there = bridge.writes_now(1, "lost there");
    bridge.hears_again();
    bridge.world.clock.advance(Duration::from_secs(2 * 60));
    bridge.says(&bridge.ann, "newer here").await;
    bridge.writes(1, "newer there").await;
    slack.edit(&bridge.channel, &here, "found here");
    portal.edit(&bridge.chat, there, "found there");
    bridge.world.settle().await;
    let copied = || bridge.in_bitrix24().into_iter().filter(|line| line.contains("user6")).collect::<Vec<_>>();
    let late = copied();
    assert_eq!((late.len(), late[0].as_str()), (2, "[b]user6:[/b] newer here"));
    assert!(
        late[1].starts_with("🕓 [i]Written at 2026-11-21 12:0") && late[1].ends_with("[b]user6:[/b] found here"),
        "{late:?}"
    );
    let late = bridge.copies_in_slack();
    assert_eq!((late.len(), late[0].as_str()), (2, "newer there"));
    assert!(late[1].starts_with("🕓 _Written at 2026-11-21 12:0") && late[1].ends_with("\nfound there"), "{late:?}");
    let remarks = bridge.events_with_remarks().await;
    let edited_first = "an edit of it arrived before the message itself, and was copied in its place";
    assert_eq!(remarks.iter().filter(|remark| *remark == edited_first).count(), 2, "{remarks:?}");
    assert_eq!(bridge.sweeps_chats().await.found, 0, "it is known");
    assert_eq!((copied().len(), bridge.copies_in_slack().len()), (2, 2));
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_message_that_slack_sends_again_after_newer_ones_says_when_it_was_written() {
    let bridge = Bridged::start().await;
    bridge.goes_deaf();
    let ts = bridge.say(&bridge.ann, "refused");
    bridge.hears_again();
    bridge.world.clock.advance(Duration::from_secs(60));
    bridge.says(&bridge.ann, "accepted").await;
    bridge.world.clock.advance(Duration::from_secs(5 * 60));
    let again = json!({"type": "message", "channel": bridge.channel, "user": bridge.ann, "text": "refused", "ts": ts});
    bridge.world.post_slack_event("Ev0AGAIN", &again).await;
    let copied = bridge.in_bitrix24();
    assert_eq!((copied.len(), copied[0].as_str()), (2, "[b]user6:[/b] accepted"));
    assert!(
        copied[1].starts_with("🕓 [i]Written at 2026-11-21 12:0") && copied[1].ends_with("[b]user6:[/b] refused"),
        "{copied:?}"
    );
}

#[tokio::test]
async fn a_deletion_that_arrives_before_its_message_leaves_nothing() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    bridge.hears_in_the_wrong_order();
    let here = bridge.say(&bridge.ann, "here");
    slack.edit(&bridge.channel, &here, "here, edited");
    slack.delete(&bridge.channel, &here);
    let there = bridge.writes_now(1, "there");
    portal.edit(&bridge.chat, there, "there, edited");
    portal.delete(&bridge.chat, there);
    bridge.hears_newest_first().await;
    assert_eq!((bridge.in_bitrix24(), bridge.copies_in_slack()), (Vec::new(), Vec::new()));
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_deletion_that_is_found_before_its_event_arrives_is_delivered_once() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let (there, here) = (bridge.writes(1, "there").await, bridge.says(&bridge.ann, "here").await);
    bridge.hears_in_the_wrong_order();
    portal.delete(&bridge.chat, there);
    slack.delete(&bridge.channel, &here);
    assert_eq!(bridge.sweeps_chats().await.found, 2);
    bridge.hears_newest_first().await;
    assert_eq!((bridge.in_bitrix24(), bridge.copies_in_slack()), (Vec::new(), Vec::new()));
    assert_eq!(bridge.logged("queued").await, Vec::<String>::new());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_new_bridge_carries_nothing_from_before_it() {
    let bridge = Bridged::start().await;
    bridge.writes(1, "with the first bridge").await;
    bridge.answer(&bridge.admin, "/b24-bridge", "off").await;
    bridge.writes(1, "between the bridges").await;
    bridge.says(&bridge.ann, "between them, too").await;
    bridge.world.clock.advance(Duration::from_secs(60));
    bridge.answer(&bridge.admin, "/b24-bridge", &bridge.chat).await;
    assert_eq!(bridge.sweeps_chats().await.found, 0);
    bridge.goes_deaf();
    bridge.writes_now(1, "with the second");
    bridge.hears_again();
    assert_eq!(bridge.sweeps_chats().await.found, 1);
    assert_eq!(bridge.copies_in_slack(), ["with the first bridge", "with the second"]);

    // A bridge of the settings does not say when it was made: it begins with its first sweep.
    let in_settings = Bridged::with(json!({"bridges": [{"channel": "#ops", "chat": "chat58"}], "routes": []})).await;
    let portal = &in_settings.world.sandbox.portal;
    let chat = portal.add_chat("Operations", &[1, 6]);
    assert_eq!(chat, "chat58");
    portal.invite_bots(&chat);
    in_settings.world.settle().await;
    in_settings.goes_deaf();
    portal.write(1, &chat, "before", None, &[]);
    assert_eq!(in_settings.sweeps_chats().await.found, 0);
    in_settings.world.clock.advance(Duration::from_secs(2));
    portal.write(1, &chat, "after", None, &[]);
    assert_eq!(in_settings.sweeps_chats().await.found, 1);
    assert!(in_settings.world.channel("ops").iter().any(|text| text == "after"));
}

#[tokio::test]
async fn the_bot_reads_a_chat_that_the_connections_user_is_not_in() {
    let bridge = Bridged::start().await;
    let portal = &bridge.world.sandbox.portal;
    bridge.writes(6, "known").await;
    portal.leave_chat(&bridge.chat, 1);
    bridge.goes_deaf();
    let many: Vec<String> = (0..120).map(|n| format!("m{n}")).collect();
    for text in &many {
        bridge.writes_now(6, text);
    }
    bridge.hears_again();
    assert_eq!(bridge.sweeps_chats().await.found, 120);
    assert_eq!(bridge.copies_in_slack()[1..], many);
    // The message that it reads around is deleted.
    bridge.goes_deaf();
    let last = bridge.rows().last().unwrap()["id"].as_u64().unwrap();
    portal.delete(&bridge.chat, last);
    bridge.writes_now(6, "after it");
    bridge.hears_again();
    bridge.sweeps_chats().await;
    bridge.sweeps_chats().await;
    assert_eq!(bridge.copies_in_slack().last().unwrap(), "after it");
    assert!(!bridge.copies_in_slack().contains(&"m119".to_owned()), "its deletion is found, too");
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_chat_that_cannot_be_read_is_named_with_what_to_do() {
    let world = World::start().await;
    world.sandbox.portal.use_old_bots(true);
    let bridge = Bridged::of(world).await;
    let portal = &bridge.world.sandbox.portal;
    portal.leave_chat(&bridge.chat, 1);
    bridge.goes_deaf();
    bridge.writes_now(6, "lost");
    bridge.hears_again();
    let swept = bridge.sweeps_chats().await;
    assert_eq!((swept.found, swept.stopped_by), (0, None));
    let context = TenantContext::new(&bridge.world.engine.backend, bridge.world.connections.clone());
    let made = context.conversations.bridges(&bridge.world.tenant).await.unwrap().remove(0);
    let state = sweep::state(&context, &bridge.world.tenant, &made).await.unwrap();
    assert!(state.chat_refused.is_some() && state.channel_refused.is_none(), "{state:?}");
    let tenant = context.tenant(&bridge.world.tenant).await.unwrap();
    assert!(!sweep::is_readable(&context, &tenant, &made).await.unwrap());
    // Once somebody has added the user, it is found.
    portal.join_chat(&bridge.chat, 1);
    assert!(sweep::is_readable(&context, &tenant, &made).await.unwrap());
    assert_eq!(bridge.sweeps_chats().await.found, 1);
    assert_eq!(bridge.copies_in_slack(), ["lost"]);
}

#[tokio::test]
async fn a_quiet_run_makes_one_request_for_fifty_chats_and_one_for_each_channel() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    for n in 0..20 {
        bridge.bridges_another(&format!("c{n}")).await;
    }
    bridge.writes(1, "something").await;
    bridge.sweeps_chats().await;
    let reads = || slack.calls().get("conversations.history").copied().unwrap_or_default();
    let before = (portal.requests(), reads());
    let swept = bridge.sweeps_chats().await;
    assert_eq!((swept.bridges, swept.found), (21, 0));
    assert_eq!((portal.requests() - before.0, reads() - before.1), (1, 21));
    assert_eq!((portal.refused_for_limits(), slack.refused_for_limits()), (0, 0));
}

#[tokio::test]
async fn a_run_that_is_stopped_goes_on_where_it_was() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    bridge.writes(1, "known").await;
    bridge.goes_deaf();
    let many: Vec<String> = (0..130).map(|n| format!("m{n}")).collect();
    for text in &many {
        bridge.writes_now(6, text);
        bridge.say(&bridge.ann, text);
    }
    bridge.hears_again();
    portal.fail_next("batch", Fault::Html { status: 502, when: When::BeforeEffect });
    slack.fail_next("conversations.history", Fault::Code { status: 500, code: "fatal_error".into() });
    let first = bridge.sweeps_chats().await;
    assert!(first.stopped_by.is_some(), "{first:?}");
    let mut found = first.found;
    for _ in 0..4 {
        bridge.world.clock.advance(Duration::from_secs(5 * 60));
        found += bridge.sweeps_chats().await.found;
    }
    assert_eq!(found, 260);
    assert_eq!(bridge.copies_in_slack()[1..], many);
    let said: Vec<_> = bridge.in_bitrix24().into_iter().filter(|line| line.starts_with("[b]user6")).collect();
    let wanted: Vec<_> = many.iter().map(|text| format!("[b]user6:[/b] {text}")).collect();
    assert_eq!(said, wanted);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn unread_messages_beside_a_page_lose_nothing_and_delete_nothing() {
    let bridge = Bridged::start().await;
    let portal = &bridge.world.sandbox.portal;
    portal.leave_unread(5);
    bridge.writes(1, "known").await;
    bridge.sweeps_chats().await;
    bridge.goes_deaf();
    let many: Vec<String> = (0..130).map(|n| format!("m{n}")).collect();
    for text in &many {
        bridge.writes_now(6, text);
    }
    bridge.hears_again();
    let mut found = 0;
    for _ in 0..4 {
        found += bridge.sweeps_chats().await.found;
    }
    assert_eq!(found, 130);
    assert_eq!(bridge.copies_in_slack()[1..], many);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn an_edit_or_a_deletion_that_slack_refuses_is_tried_once() {
    for code in ["edit_window_closed", "message_not_found"] {
        let bridge = Bridged::start().await;
        let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
        let (edited, deleted) = (bridge.writes(1, "frist").await, bridge.writes(1, "a mistake").await);
        bridge.goes_deaf();
        portal.edit(&bridge.chat, edited, "first");
        portal.delete(&bridge.chat, deleted);
        bridge.hears_again();
        slack.fail_next("chat.update", Fault::Code { status: 200, code: code.into() });
        slack.fail_next("chat.delete", Fault::Code { status: 200, code: "cant_delete_message".into() });
        let mut found = Vec::new();
        for _ in 0..5 {
            bridge.world.clock.advance(Duration::from_secs(10 * 60));
            found.push(bridge.sweeps_chats().await.found);
        }
        assert_eq!(found, [2, 0, 0, 0, 0], "{code}");
        let letters = bridge.world.dead_letters(queues::SLACK_DELIVERY).await;
        let is_gone = code == "message_not_found";
        assert_eq!(letters.len(), if is_gone { 1 } else { 2 }, "{letters:?}");
        assert_eq!(bridge.logged("its copy was deleted in Slack").await.len(), usize::from(is_gone));
        // Another edit is another try.
        portal.edit(&bridge.chat, edited, "first of all");
        bridge.world.settle().await;
        assert_eq!(bridge.copies_in_slack()[0], "first of all");
    }
}

#[tokio::test]
async fn an_edit_that_the_chat_refuses_is_tried_once() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "hullo").await;
    bridge.goes_deaf();
    slack.edit(&bridge.channel, &ts, "hello");
    bridge.hears_again();
    portal.fail_next(
        "imbot.v2.chat.message.update",
        Fault::Code { status: 400, code: "MESSAGE_UPDATE_FORBIDDEN".into() },
    );
    let mut found = Vec::new();
    for _ in 0..4 {
        bridge.world.clock.advance(Duration::from_secs(10 * 60));
        found.push(bridge.sweeps_chats().await.found);
    }
    assert_eq!(found, [1, 0, 0, 0]);
    assert_eq!(bridge.world.dead_letters(queues::BITRIX24_DELIVERY).await.len(), 1);
}

#[tokio::test]
async fn a_chat_and_a_channel_that_cannot_be_read_hold_back_no_others() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let broken = bridge.bridges_another("broken").await;
    portal.invite_bots(&broken);
    bridge.writes(1, "something").await;
    bridge.sweeps_chats().await;
    bridge.goes_deaf();
    bridge.writes_now(1, "in the chat");
    bridge.say(&bridge.ann, "in the channel");
    slack.say(&bridge.ann, &slack.channel_id("broken"), "in the other channel", None, &[]);
    bridge.hears_again();
    portal.break_chat(&broken, true);
    // The channel that is read first fails, too.
    slack.fail_next("conversations.history", Fault::Code { status: 500, code: "fatal_error".into() });
    let first = bridge.sweeps_chats().await;
    assert!(first.stopped_by.is_some(), "{first:?}");
    assert_eq!(first.found, 2, "a message of the chat and one of the other channel: {first:?}");
    assert_eq!(bridge.copies_in_slack().last().unwrap(), "in the chat");
    portal.break_chat(&broken, false);
    let second = bridge.sweeps_chats().await;
    assert_eq!((second.stopped_by, second.found), (None, 1));
    assert_eq!(bridge.in_bitrix24().last().unwrap(), "[b]user6:[/b] in the channel");
    let in_other = said_in(&bridge.world, &broken);
    assert_eq!(in_other.last().unwrap(), "[b]user6:[/b] in the other channel");
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_channel_that_may_be_read_once_a_minute_is_caught_up_with_in_order() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.be_distributed(true);
    bridge.says(&bridge.ann, "known").await;
    bridge.sweeps_chats().await;
    bridge.goes_deaf();
    let many: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    for text in &many {
        bridge.say(&bridge.ann, text);
    }
    bridge.hears_again();
    let (mut found, mut runs) = (0, 0);
    while found < 40 && runs < 12 {
        bridge.world.clock.advance(Duration::from_secs(4 * 60));
        found += bridge.sweeps_chats().await.found;
        runs += 1;
    }
    // Three pages down, and two of them once more on the way up.
    assert_eq!((found, runs), (40, 5));
    let wanted: Vec<_> = std::iter::once("known").chain(many.iter().map(String::as_str)).collect();
    let said: Vec<_> = bridge.in_bitrix24().iter().map(|line| line.replace("[b]user6:[/b] ", "")).collect();
    assert_eq!(said, wanted);
    assert!(slack.refused_for_limits() <= 1, "{}", slack.refused_for_limits());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn that_a_channel_may_be_read_once_a_minute_is_known_from_the_first_refusal() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.be_distributed(true);
    // Each refusal asks to wait for what is left of a minute.
    for _ in 0..12 {
        bridge.sweeps_chats_after(45).await;
    }
    assert_eq!(slack.refused_for_limits(), 1);
}

/// The texts of both sides, each without the time that a late one is below, in the order of one side's authors.
fn said(lines: &[String]) -> Vec<String> {
    let bare = |line: &String| {
        let line = line.rsplit('\n').next().unwrap_or_default();
        let copied = line.strip_prefix("[b]user6:[/b] ");
        copied.or_else(|| line.split_once(": ").map(|(_, text)| text)).unwrap_or(line).to_owned()
    };
    lines.iter().map(bare).collect()
}

/// People write, edit and delete on both sides; of each action the event is lost, comes twice, or arrives, and where there
/// are two, the second may be first.
async fn converse(seed: u64) {
    let mut random = Random::from_seed(seed);
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let (mut there, mut here): (Vec<u64>, Vec<String>) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let fate = random.below(5);
        match fate {
            0 | 1 => bridge.goes_deaf(),
            2 => {
                portal.deliver(PortalEventDelivery { double_every: 1, ..PortalEventDelivery::default() });
                slack.double_under_other_ids(1);
            }
            3 => bridge.hears_in_the_wrong_order(),
            _ => {}
        }
        let pick = |random: &mut Random, len: usize| usize::try_from(random.below(len as u64)).unwrap();
        match random.below(10) {
            0..=2 => there.push(bridge.writes_now(1, &format!("b{n}"))),
            3..=5 => here.push(bridge.say(&bridge.ann, &format!("s{n}"))),
            6 if !there.is_empty() => {
                let at = pick(&mut random, there.len());
                if random.below(2) == 0 {
                    portal.edit(&bridge.chat, there[at], &format!("b{n} edited"));
                } else {
                    portal.delete(&bridge.chat, there.remove(at));
                }
            }
            7 if !here.is_empty() => {
                let at = pick(&mut random, here.len());
                if random.below(2) == 0 {
                    slack.edit(&bridge.channel, &here[at], &format!("s{n} edited"));
                } else {
                    slack.delete(&bridge.channel, &here.remove(at));
                }
            }
            8 => {
                there.push(bridge.writes_now(1, &format!("b{n} draft")));
                portal.edit(&bridge.chat, there[there.len() - 1], &format!("b{n}"));
            }
            9 => {
                here.push(bridge.say(&bridge.ann, &format!("s{n} draft")));
                slack.edit(&bridge.channel, &here[here.len() - 1], &format!("s{n}"));
            }
            _ => {}
        }
        if fate == 3 {
            bridge.hears_newest_first().await;
        }
        bridge.world.settle().await;
        bridge.hears_again();
        slack.double_under_other_ids(0);
        if random.below(6) == 0 {
            bridge.sweeps_chats().await;
        }
        bridge.world.clock.advance(Duration::from_secs(random.below(90)));
    }
    for _ in 0..3 {
        bridge.sweeps_chats().await;
    }
    let is_copy = |message: &&Value| message["username"].is_string();
    let text = |message: &Value| message["text"].as_str().unwrap().replace('\u{200b}', "");
    let (copies, originals): (Vec<_>, Vec<_>) = bridge.messages().into_iter().partition(|message| is_copy(&message));
    let in_chat = said_in(&bridge.world, &bridge.chat);
    let (chat_originals, chat_copies): (Vec<_>, Vec<_>) =
        in_chat.into_iter().partition(|line| !line.contains("[b]user6:[/b]"));
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    let copies: Vec<_> = copies.iter().map(text).collect();
    let originals: Vec<_> = originals.iter().map(text).collect();
    let seen = format!("seed {seed}: {copies:#?} {chat_copies:#?} {originals:?} {chat_originals:?}");
    assert_eq!(sorted(said(&copies)), sorted(said(&chat_originals)), "{seen}");
    assert_eq!(sorted(said(&chat_copies)), sorted(originals.clone()), "{seen}");
    // Those that no newer one had overtaken are in order. An edit takes the line with the time away.
    for (copies, originals) in [(&copies, said(&chat_originals)), (&chat_copies, originals)] {
        let is_in_time = |text: &&String| !text.contains('🕓') && !text.contains('✏') && !text.ends_with("edited");
        let in_time: Vec<_> = copies.iter().filter(is_in_time).cloned().collect();
        let in_time = said(&in_time);
        let wanted: Vec<_> = originals.into_iter().filter(|text| in_time.contains(text)).collect();
        assert_eq!(in_time, wanted, "{seen}");
    }
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn whatever_events_are_lost_both_sides_show_the_same() {
    for seed in 0..12 {
        converse(seed).await;
    }
}
