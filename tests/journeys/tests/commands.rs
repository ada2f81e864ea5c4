//! Commands typed in Slack, and what becomes of them in Bitrix24.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use commands::spec::WithoutText;
use journeys::World;
use sandbox::portal::{DEAL, LEAD};
use sandbox::{Fault, When};
use serde_json::{Value, json};

/// The people: the first administers the workspace, and is user 1 of the portal by their e-mail.
struct Cast {
    world: World,
    admin: String,
    ann: String,
    stranger: String,
    channel: String,
}

impl Cast {
    async fn start() -> Self {
        Self::of(World::start().await)
    }

    async fn with(settings: Value) -> Self {
        Self::of(World::start_with_settings(settings).await)
    }

    fn of(world: World) -> Self {
        let slack = &world.sandbox.slack;
        let (admin, ann) = (slack.person("user1@example.com"), slack.person("user6@example.com"));
        let stranger = slack.add_person("nobody@elsewhere.example");
        let channel = slack.channel_id("general");
        Self { admin, ann, stranger, channel, world }
    }

    /// Types a command; what the person is told in the end.
    async fn types(&self, user: &str, command: &str, text: &str) -> String {
        let first = self.world.sandbox.slack.command(user, &self.channel, command, text).await;
        assert_eq!(first.status, 200, "{first:?}");
        self.world.settle().await;
        self.told(user)
    }

    /// A deal that Ann observes.
    fn observed_deal(&self, title: &str, amount: u64) -> u64 {
        let deal = json!({"title": title, "opportunity": amount, "currencyId": "EUR", "observers": [6]});
        self.world.sandbox.portal.add_item(DEAL, deal)
    }

    fn told(&self, user: &str) -> String {
        self.world.sandbox.slack.whispers(user).last().map(shown).unwrap_or_default()
    }
}

/// All words of a message, its blocks too.
fn shown(message: &Value) -> String {
    fn words(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(text)) = map.get("text") {
                    into.push(text.clone());
                }
                map.values().for_each(|value| words(value, into));
            }
            Value::Array(list) => list.iter().for_each(|value| words(value, into)),
            _ => {}
        }
    }
    let mut all = vec![message["text"].as_str().unwrap_or_default().to_owned()];
    words(&message["blocks"], &mut all);
    all.join("\n")
}

#[tokio::test]
async fn a_lead_is_created_for_who_asked() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.ann, "/b24-lead", "R&amp;D Works | wants *a price list* [send=/x]boo[/send]").await;
    let portal = &cast.world.sandbox.portal;
    let id = *portal.ids(LEAD).last().unwrap();
    let lead = portal.item(LEAD, id).unwrap();
    assert_eq!((lead["title"].as_str(), lead["assignedById"].as_u64()), (Some("R&D Works"), Some(6)));
    let comments = lead["comments"].as_str().unwrap();
    assert!(comments.contains("[b]a price list[/b]") && !comments.contains("[send="), "{comments}");
    assert!(comments.contains("Created in Slack by"), "{comments}");
    assert!(told.contains("R&amp;D Works") && told.contains(&format!("/crm/lead/details/{id}/")), "{told}");
    let whispers = cast.world.sandbox.slack.whispers(&cast.ann);
    assert_eq!(whispers[0]["text"], "Working on it …");
    assert!(
        cast.world
            .ledger()
            .await
            .iter()
            .any(|line| line.contains("/b24-lead") && line.contains("lead.created_from_slack"))
    );
}

#[tokio::test]
async fn a_lead_is_created_once_whatever_happens() {
    for fault in [
        Fault::Reset { when: When::AfterEffect },
        Fault::Timeout { when: When::AfterEffect },
        Fault::Html { status: 502, when: When::AfterEffect },
        Fault::CutJson { when: When::AfterEffect },
        Fault::Reset { when: When::BeforeEffect },
    ] {
        let cast = Cast::start().await;
        let before = cast.world.sandbox.portal.ids(LEAD).len();
        cast.world.sandbox.portal.fail_next("crm.item.add", fault.clone());
        let told = cast.types(&cast.ann, "/b24-lead", "Once Ltd").await;
        assert_eq!(cast.world.sandbox.portal.ids(LEAD).len(), before + 1, "{fault:?}");
        assert!(told.contains("Once Ltd"), "{fault:?}: {told}");
    }
    let cast = Cast::start().await;
    cast.world.sandbox.portal.fail_next("tasks.task.add", Fault::Reset { when: When::AfterEffect });
    let before = cast.world.sandbox.portal.task_ids().len();
    let told = cast.types(&cast.ann, "/b24-task", "Only once").await;
    assert_eq!(cast.world.sandbox.portal.task_ids().len(), before + 1);
    assert!(told.contains("Only once"), "{told}");
}

#[tokio::test]
async fn a_task_has_its_assignee_and_its_deadline() {
    let cast = Cast::with(json!({"time_zone": "Europe/Berlin", "routes": []})).await;
    let text = format!("Call ACME | about the roof | <@{}|user6> | tomorrow 15:00", cast.ann);
    let told = cast.types(&cast.admin, "/b24-task", &text).await;
    let portal = &cast.world.sandbox.portal;
    let task = portal.task(*portal.task_ids().last().unwrap()).unwrap();
    assert_eq!(
        (task["title"].as_str(), task["responsibleId"].as_str(), task["createdBy"].as_str()),
        (Some("Call ACME"), Some("6"), Some("1"))
    );
    assert_eq!(task["description"], "about the roof");
    assert_eq!(
        task["deadline"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().to_string(),
        "2026-11-22T14:00:00Z"
    );
    assert!(told.contains("Call ACME") && told.contains("/tasks/task/view/"), "{told}");
    let by_mail = cast.types(&cast.admin, "/b24-task", "Write | | <mailto:user9@example.com|user9@example.com>").await;
    assert!(by_mail.contains("Write"), "{by_mail}");
    assert_eq!(portal.task(*portal.task_ids().last().unwrap()).unwrap()["responsibleId"], "9");
    let nobody = cast.types(&cast.admin, "/b24-task", &format!("X | | <@{}>", cast.stranger)).await;
    assert!(nobody.contains("isn't linked"), "{nobody}");
}

#[tokio::test]
async fn what_is_typed_wrong_is_answered_with_what_to_type() {
    let cast = Cast::start().await;
    for (command, text, expected) in [
        ("/b24-lead", "help", "creates a lead"),
        ("/b24-lead", "| only a comment", "Which company?"),
        ("/b24-task", "Name | x | Ann", "To name the assignee"),
        ("/b24-task", "Name | x | | someday", "I don't understand the deadline"),
        ("/b24-task", "a|b|me|friday|e", "what to do with “e”"),
        ("/b24-deal", "", "shows a deal"),
        ("/b24-deal", "999999", "does not find it"),
        ("/b24-deal", "no deal has these words", "No deal has"),
        ("/b24-bridge", "sales", "name the chat as chat57"),
        ("/b24-nonsense", "x", "no such command"),
    ] {
        let told = cast.types(&cast.ann, command, text).await;
        assert!(told.contains(expected), "{command} {text}: {told}");
    }
    assert!(cast.world.sandbox.slack.refused_blocks() == 0);
}

#[tokio::test]
async fn an_answer_is_in_the_readers_language() {
    let cast = Cast::with(json!({"language": "ru"})).await;
    let told = cast.types(&cast.ann, "/b24-lead", "help").await;
    assert!(told.contains("создаёт лид"), "{told}");
    assert_eq!(cast.world.sandbox.slack.whispers(&cast.ann)[0]["text"], "Выполняется …");
    let english = Cast::start().await;
    english.world.sandbox.slack.change_person(&english.ann, |profile| profile.locale = "ru-RU".into());
    english.world.settle().await;
    assert!(english.types(&english.ann, "/b24-status", "help").await.contains("показывает лиды"));
}

#[tokio::test]
async fn a_deal_is_shown_moved_taken_and_commented() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let id = cast.observed_deal("Roof <!channel> for ACME", 150_000);
    cast.world.settle().await;
    let told = cast.types(&cast.ann, "/b24-deal", &id.to_string()).await;
    for part in ["Roof &lt;!channel&gt; for ACME", "150,000 EUR", "Next activity", "Take it", "Add comment"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(cast.types(&cast.ann, "/b24-deal", "for ACME").await.contains("150,000 EUR"));
    let slack = &cast.world.sandbox.slack;
    slack.press(&cast.ann, &cast.channel, "deal_stage", &format!("{id} PREPARATION")).await;
    cast.world.settle().await;
    assert_eq!(portal.item(DEAL, id).unwrap()["stageId"], "PREPARATION");
    assert!(cast.told(&cast.ann).contains("Moved to"));
    assert!(portal.timeline("deal", id)[0].contains("From Slack, by"), "{:?}", portal.timeline("deal", id));
    slack.press(&cast.ann, &cast.channel, "deal_take", &id.to_string()).await;
    cast.world.settle().await;
    assert_eq!(portal.item(DEAL, id).unwrap()["assignedById"], 6);
    slack.press(&cast.ann, &cast.channel, "deal_comment", &id.to_string()).await;
    cast.world.none_left_to_work_now().await;
    let dialog = slack.dialog(&cast.ann).expect("a dialog");
    assert_eq!(dialog["callback_id"], "deal_comment");
    slack.submit(&cast.ann, &[("comment", "they *called*")]).await;
    cast.world.settle().await;
    assert!(portal.timeline("deal", id).last().unwrap().starts_with("they [b]called[/b]"));
    assert!(cast.told(&cast.ann).contains("Comment added"));
}

#[tokio::test]
async fn a_comment_is_written_once_and_the_same_words_on_another_day_once_more() {
    let cast = Cast::start().await;
    let (slack, portal) = (&cast.world.sandbox.slack, &cast.world.sandbox.portal);
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    for (when, comments) in [(When::AfterEffect, 1), (When::BeforeEffect, 2)] {
        portal.fail_next("crm.timeline.comment.add", Fault::Reset { when });
        slack.press(&cast.ann, &cast.channel, "deal_comment", &id.to_string()).await;
        cast.world.none_left_to_work_now().await;
        slack.submit(&cast.ann, &[("comment", "no answer")]).await;
        cast.world.settle().await;
        assert_eq!(portal.timeline("deal", id).len(), comments, "{:?}", portal.timeline("deal", id));
        cast.world.clock.advance(Duration::from_secs(86_400));
    }
    // A move is told of once, too, though the answer is lost.
    portal.fail_next("crm.timeline.comment.add", Fault::Reset { when: When::AfterEffect });
    slack.press(&cast.ann, &cast.channel, "deal_stage", &format!("{id} PREPARATION")).await;
    cast.world.settle().await;
    assert_eq!(portal.timeline("deal", id).len(), 3, "{:?}", portal.timeline("deal", id));
}

#[tokio::test]
async fn who_may_not_is_told_so_clearly() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Secret", 1);
    cast.world.settle().await;
    let unmapped = cast.types(&cast.stranger, "/b24-lead", "ACME").await;
    assert!(unmapped.contains("nobody@elsewhere.example") && unmapped.contains("/b24-me"), "{unmapped}");
    cast.world.sandbox.portal.deny("crm.item.update");
    cast.world.sandbox.slack.press(&cast.ann, &cast.channel, "deal_take", &id.to_string()).await;
    cast.world.settle().await;
    assert!(cast.told(&cast.ann).contains("does not allow this"), "{}", cast.told(&cast.ann));
    cast.world.sandbox.portal.hide(DEAL, id);
    assert!(cast.types(&cast.ann, "/b24-deal", &id.to_string()).await.contains("does not find it"));
}

#[tokio::test]
async fn a_form_opens_where_nothing_was_typed() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    let first = slack.command(&cast.ann, &cast.channel, "/b24-task", "").await;
    assert_eq!(first.body, Value::String(String::new()));
    cast.world.none_left_to_work_now().await;
    assert_eq!(slack.dialog(&cast.ann).unwrap()["callback_id"], "new_task");
    slack.submit(&cast.ann, &[("name", "From the form"), ("assignee", &cast.admin), ("deadline", "2026-12-24")]).await;
    cast.world.settle().await;
    let portal = &cast.world.sandbox.portal;
    let task = portal.task(*portal.task_ids().last().unwrap()).unwrap();
    assert_eq!((task["title"].as_str(), task["responsibleId"].as_str()), (Some("From the form"), Some("1")));
    assert!(cast.told(&cast.ann).contains("From the form"));
    // A queue that took its time: the form is offered on a button instead.
    slack.command(&cast.ann, &cast.channel, "/b24-lead", "").await;
    cast.world.clock.advance(Duration::from_secs(5));
    cast.world.settle().await;
    assert!(slack.dialog(&cast.ann).is_none());
    assert!(cast.told(&cast.ann).contains("Open it"), "{}", cast.told(&cast.ann));
    slack.press(&cast.ann, &cast.channel, "open_dialog", "/b24-lead").await;
    cast.world.none_left_to_work_now().await;
    assert_eq!(slack.dialog(&cast.ann).unwrap()["callback_id"], "new_lead");
}

#[tokio::test]
async fn a_message_becomes_a_task_and_says_so_below_it() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    let ts = slack.say(&cast.admin, &cast.channel, "Please send the offer\ntoday if you can", None, &[]);
    slack.shortcut(&cast.ann, &cast.channel, &ts, "message_to_task").await;
    cast.world.none_left_to_work_now().await;
    slack.submit(&cast.ann, &[]).await;
    cast.world.settle().await;
    let portal = &cast.world.sandbox.portal;
    let task = portal.task(*portal.task_ids().last().unwrap()).unwrap();
    assert_eq!((task["title"].as_str(), task["responsibleId"].as_str()), (Some("Please send the offer"), Some("6")));
    let reply = slack
        .messages("general")
        .into_iter()
        .find(|message| message["thread_ts"] == ts.as_str() && message["ts"] != ts.as_str());
    assert!(reply.unwrap()["text"].as_str().unwrap().contains("Please send the offer"));
}

#[tokio::test]
async fn the_day_is_told_in_numbers() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let task = |title: &str, deadline: &str| {
        portal.add_task(json!({"TITLE": title, "RESPONSIBLE_ID": 6, "DEADLINE": deadline}));
    };
    let before = portal
        .task_ids()
        .iter()
        .filter(|id| {
            let task = portal.task(**id).unwrap();
            task["responsibleId"] == "6" && task["status"] != "5"
        })
        .count();
    task("Late one", "2026-11-20T12:00:00+00:00");
    task("Later one", "2026-12-20T12:00:00+00:00");
    portal.add_item(LEAD, json!({"title": "Today's", "assignedById": 6}));
    portal.add_lead("Somebody else's");
    portal.end_call(&sandbox::portal::Call {
        kind: 2,
        phone: "+49301".into(),
        user: 6,
        code: "304".into(),
        ..Default::default()
    });
    portal.end_call(&sandbox::portal::Call {
        kind: 1,
        phone: "+49302".into(),
        user: 6,
        code: "304".into(),
        ..Default::default()
    });
    cast.world.settle().await;
    let told = cast.types(&cast.ann, "/b24-status", "").await;
    assert!(told.contains("⚠️ <") && told.contains("Late one"), "{told}");
    assert!(told.contains(&format!("*My open tasks*\n{}", before + 2)), "{told}");
    assert!(told.contains("*My missed calls today*\n1") && told.contains("*My leads today*\n1"), "{told}");
    assert!(told.contains("My deals:"), "{told}");
    // With the switch everybody reads it.
    cast.types(&cast.ann, "/b24-status", "--public").await;
    assert!(cast.world.channel("general").last().unwrap().contains("Today in Bitrix24"));
}

#[tokio::test]
async fn people_are_linked_by_mail_by_themselves_and_checked_again() {
    let cast = Cast::start().await;
    assert!(cast.types(&cast.ann, "/b24-me", "").await.contains("by your e-mail"));
    // Somebody else's e-mail: only who reads the code there is them.
    let told = cast.types(&cast.stranger, "/b24-me", "user9@example.com").await;
    assert!(told.contains("If someone in Bitrix24 has this e-mail"), "{told}");
    let note = cast.world.sandbox.portal.notes(9).pop().unwrap();
    assert!(note.contains("nobody (nobody@elsewhere.example) in Slack asked to be linked to you"), "{note}");
    let code: String = note.split("/b24-me ").nth(1).unwrap().chars().take(8).collect();
    assert!(cast.types(&cast.stranger, "/b24-me", "000000x").await.contains("not the code"));
    assert!(cast.types(&cast.stranger, "/b24-me", &code).await.contains("linked by yourself"));
    assert!(cast.types(&cast.stranger, "/b24-lead", "Mine").await.contains("Mine"));
    let portal = &cast.world.sandbox.portal;
    assert_eq!(portal.item(LEAD, *portal.ids(LEAD).last().unwrap()).unwrap()["assignedById"], 9);
    // Who changes their e-mail is somebody else, or nobody, from then on.
    cast.world.sandbox.slack.change_person(&cast.ann, |profile| profile.email = "ann@gone.example".into());
    cast.world.settle().await;
    assert!(cast.types(&cast.ann, "/b24-me", "").await.contains("ann@gone.example"));
    // Guessing is in vain: after five tries the code is gone.
    cast.types(&cast.ann, "/b24-me", "user12@example.com").await;
    let note = portal.notes(12).pop().unwrap();
    let code: String = note.split("/b24-me ").nth(1).unwrap().chars().take(8).collect();
    for _ in 0..5 {
        cast.types(&cast.ann, "/b24-me", "111111x").await;
    }
    assert!(cast.types(&cast.ann, "/b24-me", &code).await.contains("not the code"));
}

#[tokio::test]
async fn who_has_allowed_it_acts_with_their_own_rights() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let token = portal.token_of(6).into();
    cast.world.connections.grant(&cast.world.tenant, 6, &token).await.unwrap();
    cast.types(&cast.ann, "/b24-lead", "With my own hands").await;
    let lead = portal.item(LEAD, *portal.ids(LEAD).last().unwrap()).unwrap();
    assert_eq!(lead["createdBy"], 6);
    assert!(!lead["comments"].as_str().unwrap_or_default().contains("Created in Slack"));
    // Where a webhook is connected, a permission that is no longer good is dropped; and it holds up nobody else.
    cast.world.connections.grant(&cast.world.tenant, 6, &"expired".into()).await.unwrap();
    let told = cast.types(&cast.ann, "/b24-lead", "By the webhook").await;
    assert!(told.contains("dropped it. Do this again: /b24-lead By the webhook"), "{told}");
    cast.types(&cast.ann, "/b24-lead", "By the webhook").await;
    let lead = portal.item(LEAD, *portal.ids(LEAD).last().unwrap()).unwrap();
    assert!(lead["createdBy"] == 1 && lead["comments"].as_str().unwrap().contains("Created in Slack"), "{lead}");
    assert!(cast.types(&cast.admin, "/b24-lead", "Others go on").await.contains("Others go on"));
    let strict = Cast::with(json!({"people": {"act_as": "person_only"}})).await;
    assert!(strict.types(&strict.ann, "/b24-lead", "X").await.contains("connected by an incoming webhook"));
}

#[tokio::test]
async fn a_long_wait_is_said_and_the_answer_comes_later() {
    let cast = Cast::start().await;
    for _ in 0..3 {
        cast.world.sandbox.portal.fail_next("crm.item.add", Fault::Html { status: 503, when: When::BeforeEffect });
    }
    cast.types(&cast.ann, "/b24-lead", "Patient Ltd").await;
    let whispers: Vec<_> = cast.world.sandbox.slack.whispers(&cast.ann).iter().map(shown).collect();
    assert!(whispers[1].contains("is not answering right now"), "{whispers:?}");
    assert!(whispers.last().unwrap().contains("Patient Ltd"), "{whispers:?}");
    // A response URL that is used up: the answer goes to the person all the same.
    cast.world.sandbox.slack.fail_next("response_url", Fault::Code { status: 404, code: "used_url".into() });
    assert!(cast.types(&cast.ann, "/b24-lead", "Still told Ltd").await.contains("Still told Ltd"));
}

#[tokio::test]
async fn links_unfold_for_who_may_see_and_show_strangers_nothing() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let slack = &cast.world.sandbox.slack;
    let deal = cast.observed_deal("Roof", 150_000);
    let task = portal.add_task(json!({"TITLE": "Mine", "RESPONSIBLE_ID": 6}));
    let others = portal.add_task(json!({"TITLE": "Not mine", "RESPONSIBLE_ID": 9, "CREATED_BY": 9}));
    cast.world.settle().await;
    let host = portal.host();
    let link = |path: String| format!("http://{host}{path}");
    let (deal, task) =
        (link(format!("/crm/deal/details/{deal}/")), link(format!("/company/personal/user/6/tasks/task/view/{task}/")));
    let others = link(format!("/company/personal/user/9/tasks/task/view/{others}/"));
    let ts =
        slack.paste(&cast.ann, &cast.channel, &[&deal, &task, &others, "https://other.example/crm/deal/details/1/"]);
    cast.world.settle().await;
    let cards = slack.unfurled(&cast.channel, &ts);
    assert!(cards[&deal].to_string().contains("150,000 EUR"), "{cards}");
    assert!(cards[&task].to_string().contains("Mine") && cards[&others].is_null());
    slack.change_channel("general", |channel| channel.is_shared = true);
    let ts = slack.paste(&cast.ann, &cast.channel, &[&deal]);
    cast.world.settle().await;
    assert!(!slack.unfurled(&cast.channel, &ts).to_string().contains("EUR"));
    let ts = slack.paste(&cast.stranger, &cast.channel, &[&deal]);
    cast.world.settle().await;
    assert!(slack.unfurled(&cast.channel, &ts).is_null());
    // Nor does `--public` show a deal's fields there.
    let count = cast.world.channel("general").len();
    cast.types(&cast.ann, "/b24-status", "--public").await;
    assert_eq!(cast.world.channel("general").len(), count);
}

#[tokio::test]
async fn the_home_shows_my_day_and_who_i_am() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    slack.open_home(&cast.ann);
    slack.open_home(&cast.stranger);
    cast.world.settle().await;
    let mine = slack.home(&cast.ann).unwrap().to_string();
    assert!(mine.contains("My open tasks") && mine.contains("by your e-mail") && mine.contains("/b24-lead"), "{mine}");
    assert!(slack.home(&cast.stranger).unwrap().to_string().contains("Welcome to Switchboard"));
}

/// A form that opens is the answer: "Working on it …" would stay for ever.
#[tokio::test]
async fn either_a_form_opens_or_the_wait_is_acknowledged() {
    let cast = Cast::with(json!({"routes": []})).await;
    let slack = &cast.world.sandbox.slack;
    let said = || slack.whispers(&cast.ann).len() + cast.world.channel("general").len();
    let form = || slack.dialog(&cast.ann).map(|form| (form["id"].to_string(), form["callback_id"].to_string()));
    for spec in commands::ALL {
        for text in ["", " \u{a0}", "--public", "—public", " --PUBLIC ", "\u{200b}--публично", "public", "help", "x"]
        {
            let typed = format!("{} {text:?}", spec.typed);
            let before = form();
            let first = slack.command(&cast.ann, &cast.channel, spec.typed, text).await;
            let is_acknowledged = first.body["text"] == "Working on it …";
            assert_eq!(first.body == Value::String(String::new()), !is_acknowledged, "{typed}: {first:?}");
            let said_before = said();
            cast.world.none_left_to_work_now().await;
            assert_eq!(form() != before, !is_acknowledged, "{typed}: a form opens, or the wait is acknowledged");
            assert_eq!(said() > said_before, is_acknowledged, "{typed}: an answer follows, or the form is it");
            if form() != before {
                let opened = form().map(|(_, callback_id)| callback_id);
                let own = matches!(spec.without_text, WithoutText::Form(id) if opened == Some(format!("{id:?}")));
                assert!(own, "{typed}: {opened:?}");
            }
        }
    }
}
