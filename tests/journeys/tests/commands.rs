//! Commands typed in Slack, and what becomes of them in Bitrix24.

use std::time::Duration;

use commands::spec::WithoutText;
use serde_json::{Value, json};
use simulators::portal::{DEAL, LEAD, PhoneCall};
use simulators::{Fault, When};

use crate::cast::{Cast, shown};

#[tokio::test]
async fn a_lead_is_created_for_who_asked() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.ann, "/b24-lead", "R&amp;D Works | wants *a price list* [send=/x]boo[/send]").await;
    let lead = cast.lead();
    assert_eq!((&lead["title"], &lead["assignedById"]), (&json!("R&D Works"), &json!(6)));
    let comments = lead["comments"].as_str().unwrap();
    assert!(comments.contains("[b]a price list[/b]") && !comments.contains("[send="), "{comments}");
    assert!(comments.contains("Created in Slack by"), "{comments}");
    assert!(told.contains("R&amp;D Works") && told.contains(&format!("/crm/lead/details/{}/", lead["id"])), "{told}");
    let whispers = cast.world.sandbox.slack.whispers(&cast.ann);
    assert_eq!(whispers[0]["text"], "Working on it …");
    let ledger = cast.world.ledger().await;
    let is_ours = |line: &String| line.contains("/b24-lead") && line.contains("lead.created_from_slack");
    assert!(ledger.iter().any(is_ours), "{ledger:#?}");
}

#[tokio::test]
async fn a_lead_is_created_once_however_the_call_fails() {
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
}

#[tokio::test]
async fn a_task_is_created_once_although_the_answer_is_lost() {
    let cast = Cast::start().await;
    cast.world.sandbox.portal.fail_next("tasks.task.add", Fault::Reset { when: When::AfterEffect });
    let before = cast.tasks();
    let told = cast.types(&cast.ann, "/b24-task", "Only once").await;
    assert_eq!(cast.tasks(), before + 1);
    assert!(told.contains("Only once"), "{told}");
}

#[tokio::test]
async fn a_task_has_its_assignee_and_its_deadline() {
    let cast = Cast::with(json!({"time_zone": "Europe/Berlin", "routes": []})).await;
    let text = format!("Call ACME | about the roof | <@{}|user6> | tomorrow 15:00", cast.ann);
    let told = cast.types(&cast.admin, "/b24-task", &text).await;
    let task = cast.task();
    let fields = ["title", "description", "responsibleId", "createdBy"].map(|name| &task[name]);
    assert_eq!(fields, ["Call ACME", "about the roof", "6", "1"]);
    let deadline: jiff::Timestamp = task["deadline"].as_str().unwrap().parse().unwrap();
    assert_eq!(deadline.to_string(), "2026-11-22T14:00:00Z");
    assert!(told.contains("Call ACME") && told.contains("/tasks/task/view/"), "{told}");
}

#[tokio::test]
async fn an_assignee_is_found_by_their_mail_and_one_who_is_not_linked_is_refused() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.admin, "/b24-task", "Write | | <mailto:user9@example.com|user9@example.com>").await;
    assert!(told.contains("Write"), "{told}");
    assert_eq!(cast.task()["responsibleId"], "9");
    let before = cast.tasks();
    let told = cast.types(&cast.admin, "/b24-task", &format!("X | | <@{}>", cast.stranger)).await;
    assert!(told.contains("isn't linked"), "{told}");
    assert_eq!(cast.tasks(), before);
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
        ("/b24-nonsense", "x", "There is no command"),
    ] {
        let told = cast.types(&cast.ann, command, text).await;
        assert!(told.contains(expected), "{command} {text}: {told}");
    }
    assert_eq!(cast.world.sandbox.slack.refused_blocks(), 0);
}

#[tokio::test]
async fn an_answer_is_in_the_language_of_the_company() {
    let cast = Cast::with(json!({"language": "ru"})).await;
    let told = cast.types(&cast.ann, "/b24-lead", "help").await;
    assert!(told.contains("создаёт лид"), "{told}");
    assert_eq!(cast.world.sandbox.slack.whispers(&cast.ann)[0]["text"], "Выполняется …");
}

#[tokio::test]
async fn an_answer_is_in_the_readers_own_language() {
    let cast = Cast::start().await;
    cast.world.sandbox.slack.change_person(&cast.ann, |profile| profile.locale = "ru-RU".into());
    cast.world.settle().await;
    let told = cast.types(&cast.ann, "/b24-status", "help").await;
    assert!(told.contains("показывает лиды"), "{told}");
}

#[tokio::test]
async fn a_deal_is_shown_by_its_number_and_by_its_words() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Roof <!channel> for ACME", 150_000);
    cast.world.settle().await;
    for text in [id.to_string(), "for ACME".to_owned()] {
        let told = cast.types(&cast.ann, "/b24-deal", &text).await;
        for part in ["Roof &lt;!channel&gt; for ACME", "150,000 EUR", "Next activity", "Take it", "Add comment"] {
            assert!(told.contains(part), "{text}: {part}: {told}");
        }
    }
}

#[tokio::test]
async fn a_deal_is_moved_by_a_button_and_its_timeline_says_who_moved_it() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    cast.presses(&cast.ann, "deal_stage", &format!("{id} PREPARATION")).await;
    cast.world.settle().await;
    assert_eq!(portal.item(DEAL, id).unwrap()["stageId"], "PREPARATION");
    assert!(cast.told(&cast.ann).contains("Moved to"), "{}", cast.told(&cast.ann));
    let timeline = portal.timeline("deal", id);
    assert!(timeline.len() == 1 && timeline[0].contains("From Slack, by"), "{timeline:?}");
}

#[tokio::test]
async fn a_deal_is_taken_by_a_button() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    assert_ne!(cast.world.sandbox.portal.item(DEAL, id).unwrap()["assignedById"], 6);
    cast.presses(&cast.ann, "deal_take", &id.to_string()).await;
    cast.world.settle().await;
    assert_eq!(cast.world.sandbox.portal.item(DEAL, id).unwrap()["assignedById"], 6);
}

#[tokio::test]
async fn a_deal_is_commented_in_a_form() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    cast.presses(&cast.ann, "deal_comment", &id.to_string()).await;
    assert_eq!(cast.open_form(&cast.ann).as_deref(), Some("deal_comment"));
    cast.world.sandbox.slack.submit(&cast.ann, &[("comment", "they *called*")]).await;
    cast.world.settle().await;
    let timeline = cast.world.sandbox.portal.timeline("deal", id);
    assert!(timeline.len() == 1 && timeline[0].starts_with("they [b]called[/b]"), "{timeline:?}");
    assert!(cast.told(&cast.ann).contains("Comment added"), "{}", cast.told(&cast.ann));
}

#[tokio::test]
async fn a_comment_is_written_once_and_the_same_words_on_another_day_once_more() {
    let cast = Cast::start().await;
    let (slack, portal) = (&cast.world.sandbox.slack, &cast.world.sandbox.portal);
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    for (when, comments) in [(When::AfterEffect, 1), (When::BeforeEffect, 2)] {
        portal.fail_next("crm.timeline.comment.add", Fault::Reset { when });
        cast.presses(&cast.ann, "deal_comment", &id.to_string()).await;
        slack.submit(&cast.ann, &[("comment", "no answer")]).await;
        cast.world.settle().await;
        assert_eq!(portal.timeline("deal", id).len(), comments, "{:?}", portal.timeline("deal", id));
        cast.world.clock.advance(Duration::from_secs(86_400));
    }
}

#[tokio::test]
async fn a_move_is_noted_once_although_the_answer_is_lost() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let id = cast.observed_deal("Roof", 1);
    cast.world.settle().await;
    portal.fail_next("crm.timeline.comment.add", Fault::Reset { when: When::AfterEffect });
    cast.presses(&cast.ann, "deal_stage", &format!("{id} PREPARATION")).await;
    cast.world.settle().await;
    assert_eq!(portal.timeline("deal", id).len(), 1, "{:?}", portal.timeline("deal", id));
}

#[tokio::test]
async fn somebody_who_is_not_linked_is_shown_how_to_be() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.stranger, "/b24-lead", "ACME").await;
    assert!(told.contains("nobody@elsewhere.example") && told.contains("/b24-me"), "{told}");
}

#[tokio::test]
async fn what_the_portal_does_not_allow_is_said_to_be_so() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Secret", 1);
    cast.world.settle().await;
    cast.world.sandbox.portal.deny("crm.item.update");
    cast.presses(&cast.ann, "deal_take", &id.to_string()).await;
    cast.world.settle().await;
    assert!(cast.told(&cast.ann).contains("does not allow this"), "{}", cast.told(&cast.ann));
}

#[tokio::test]
async fn a_hidden_deal_is_not_found() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Secret", 1);
    cast.world.settle().await;
    cast.world.sandbox.portal.hide(DEAL, id);
    let told = cast.types(&cast.ann, "/b24-deal", &id.to_string()).await;
    assert!(told.contains("does not find it") && !told.contains("Secret"), "{told}");
}

#[tokio::test]
async fn a_form_opens_where_nothing_was_typed() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    let first = slack.command(&cast.ann, &cast.channel, "/b24-task", "").await;
    assert_eq!(first.body, Value::String(String::new()));
    cast.world.none_left_to_work_now().await;
    assert_eq!(cast.open_form(&cast.ann).as_deref(), Some("new_task"));
    slack.submit(&cast.ann, &[("name", "From the form"), ("assignee", &cast.admin), ("deadline", "2026-12-24")]).await;
    cast.world.settle().await;
    let task = cast.task();
    assert_eq!((&task["title"], &task["responsibleId"]), (&json!("From the form"), &json!("1")));
    assert!(cast.told(&cast.ann).contains("From the form"));
}

#[tokio::test]
async fn a_form_that_comes_too_late_is_offered_on_a_button() {
    let cast = Cast::start().await;
    cast.world.sandbox.slack.command(&cast.ann, &cast.channel, "/b24-lead", "").await;
    cast.world.clock.advance(Duration::from_secs(5));
    cast.world.settle().await;
    assert_eq!(cast.open_form(&cast.ann), None);
    assert!(cast.told(&cast.ann).contains("Open it"), "{}", cast.told(&cast.ann));
    cast.presses(&cast.ann, "open_dialog", "/b24-lead").await;
    assert_eq!(cast.open_form(&cast.ann).as_deref(), Some("new_lead"));
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
    let task = cast.task();
    assert_eq!((&task["title"], &task["responsibleId"]), (&json!("Please send the offer"), &json!("6")));
    let messages = slack.messages("general");
    let replies: Vec<_> =
        messages.iter().filter(|message| message["thread_ts"] == ts.as_str() && message["ts"] != ts.as_str()).collect();
    assert_eq!(replies.len(), 1, "{messages:?}");
    assert!(shown(replies[0]).contains("Please send the offer"), "{}", replies[0]);
}

#[tokio::test]
async fn the_day_is_shown_in_numbers() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let is_open = |id: &u64| {
        let task = portal.task(*id).unwrap();
        task["responsibleId"] == "6" && task["status"] != "5"
    };
    let before = portal.task_ids().iter().filter(|id| is_open(id)).count();
    for (title, deadline) in [("Late one", "2026-11-20T12:00:00+00:00"), ("Later one", "2026-12-20T12:00:00+00:00")] {
        portal.add_task(json!({"TITLE": title, "RESPONSIBLE_ID": 6, "DEADLINE": deadline}));
    }
    portal.add_item(LEAD, json!({"title": "Today's", "assignedById": 6}));
    portal.add_lead("Somebody else's");
    // A missed call, and one that was made and not answered.
    for (kind, phone) in [(2, "+49301"), (1, "+49302")] {
        portal.end_call(&PhoneCall { kind, phone: phone.into(), user: 6, code: "304".into(), ..PhoneCall::default() });
    }
    cast.world.settle().await;
    let told = cast.types(&cast.ann, "/b24-status", "").await;
    assert!(told.contains("⚠️ <") && told.contains("Late one"), "{told}");
    assert!(told.contains(&format!("*My open tasks*\n{}", before + 2)), "{told}");
    assert!(told.contains("*My missed calls today*\n1") && told.contains("*My leads today*\n1"), "{told}");
    assert!(told.contains("My deals:"), "{told}");
}

#[tokio::test]
async fn the_day_is_shown_to_everybody_with_the_switch() {
    let cast = Cast::start().await;
    cast.types(&cast.ann, "/b24-status", "--public").await;
    let posted = cast.world.channel("general");
    assert!(posted.last().unwrap().contains("Today in Bitrix24"), "{posted:?}");
}

#[tokio::test]
async fn people_are_linked_by_their_mail_by_themselves() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.ann, "/b24-me", "").await;
    assert!(told.contains("by your email"), "{told}");
}

#[tokio::test]
async fn the_link_by_mail_ends_when_the_mail_changes() {
    let cast = Cast::start().await;
    assert!(cast.types(&cast.ann, "/b24-me", "").await.contains("by your email"));
    cast.world.sandbox.slack.change_person(&cast.ann, |profile| profile.email = "ann@gone.example".into());
    cast.world.settle().await;
    let told = cast.types(&cast.ann, "/b24-me", "").await;
    assert!(told.contains("ann@gone.example") && !told.contains("by your email"), "{told}");
}

#[tokio::test]
async fn people_are_linked_by_a_code_that_they_read_in_bitrix24() {
    let cast = Cast::start().await;
    let told = cast.types(&cast.stranger, "/b24-me", "user9@example.com").await;
    assert!(told.contains("If someone in Bitrix24 has this email"), "{told}");
    let note = cast.world.sandbox.portal.notes(9).pop().unwrap();
    assert!(note.contains("nobody (nobody@elsewhere.example) in Slack asked to be linked to you"), "{note}");
    let told = cast.types(&cast.stranger, "/b24-me", &cast.code(9)).await;
    assert!(told.contains("linked by yourself"), "{told}");
    // What they do from now on is done for the portal's user.
    cast.types(&cast.stranger, "/b24-lead", "Mine").await;
    let lead = cast.lead();
    assert_eq!((&lead["title"], &lead["assignedById"]), (&json!("Mine"), &json!(9)));
}

#[tokio::test]
async fn a_wrong_code_links_nobody_and_the_right_one_still_does() {
    let cast = Cast::start().await;
    cast.types(&cast.stranger, "/b24-me", "user9@example.com").await;
    let told = cast.types(&cast.stranger, "/b24-me", "000000x").await;
    assert!(told.contains("not the code"), "{told}");
    assert!(cast.types(&cast.stranger, "/b24-lead", "Mine").await.contains("/b24-me"));
    let told = cast.types(&cast.stranger, "/b24-me", &cast.code(9)).await;
    assert!(told.contains("linked by yourself"), "{told}");
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_refused_too() {
    let cast = Cast::start().await;
    cast.types(&cast.stranger, "/b24-me", "user12@example.com").await;
    let code = cast.code(12);
    for _ in 0..5 {
        let told = cast.types(&cast.stranger, "/b24-me", "111111x").await;
        assert!(told.contains("not the code"), "{told}");
    }
    let told = cast.types(&cast.stranger, "/b24-me", &code).await;
    assert!(told.contains("not the code"), "{told}");
}

#[tokio::test]
async fn who_has_allowed_it_acts_with_their_own_rights() {
    let cast = Cast::start().await;
    let token = cast.world.sandbox.portal.token_of(6).into();
    cast.world.connections.grant(&cast.world.tenant, 6, &token).await.unwrap();
    cast.types(&cast.ann, "/b24-lead", "With my own hands").await;
    let lead = cast.lead();
    assert_eq!((&lead["title"], &lead["createdBy"]), (&json!("With my own hands"), &json!(6)));
    assert!(!lead["comments"].as_str().unwrap_or_default().contains("Created in Slack"), "{lead}");
}

#[tokio::test]
async fn a_permission_that_has_ended_is_dropped_and_the_webhooks_rights_are_used() {
    let cast = Cast::start().await;
    cast.world.connections.grant(&cast.world.tenant, 6, &"expired".into()).await.unwrap();
    let told = cast.types(&cast.ann, "/b24-lead", "By the webhook").await;
    assert!(told.contains("dropped it. Do this again: /b24-lead By the webhook"), "{told}");
    cast.types(&cast.ann, "/b24-lead", "By the webhook").await;
    let lead = cast.lead();
    assert_eq!((&lead["title"], &lead["createdBy"]), (&json!("By the webhook"), &json!(1)));
    assert!(lead["comments"].as_str().unwrap().contains("Created in Slack"), "{lead}");
}

#[tokio::test]
async fn a_permission_that_has_ended_holds_up_nobody_else() {
    let cast = Cast::start().await;
    cast.world.connections.grant(&cast.world.tenant, 6, &"expired".into()).await.unwrap();
    cast.types(&cast.ann, "/b24-lead", "Held up").await;
    cast.types(&cast.admin, "/b24-lead", "Others go on").await;
    assert_eq!(cast.lead()["title"], "Others go on");
}

#[tokio::test]
async fn where_only_the_persons_rights_count_a_webhook_is_not_enough() {
    let cast = Cast::with(json!({"people": {"act_as": "person_only"}})).await;
    let before = cast.world.sandbox.portal.ids(LEAD).len();
    let told = cast.types(&cast.ann, "/b24-lead", "X").await;
    assert!(told.contains("connected by an incoming webhook"), "{told}");
    assert_eq!(cast.world.sandbox.portal.ids(LEAD).len(), before);
}

#[tokio::test]
async fn a_long_wait_is_said_and_the_answer_comes_later() {
    let cast = Cast::start().await;
    for _ in 0..3 {
        cast.world.sandbox.portal.fail_next("crm.item.add", Fault::Html { status: 503, when: When::BeforeEffect });
    }
    cast.types(&cast.ann, "/b24-lead", "Patient Ltd").await;
    let whispers: Vec<_> = cast.world.sandbox.slack.whispers(&cast.ann).iter().map(shown).collect();
    let direct = cast.world.direct(6);
    assert_eq!(direct, ["Bitrix24 answers again: what you asked for is done."], "the message about the wait");
    assert!(whispers.last().unwrap().contains("Patient Ltd"), "{whispers:?}");
}

#[tokio::test]
async fn an_answer_reaches_the_person_although_the_response_url_is_used_up() {
    let cast = Cast::start().await;
    cast.world.sandbox.slack.fail_next("response_url", Fault::Code { status: 404, code: "used_url".into() });
    let told = cast.types(&cast.ann, "/b24-lead", "Still told Ltd").await;
    assert!(told.contains("Still told Ltd"), "{told}");
}

/// Pastes links to the portal; what Slack shows below the message, by link.
async fn unfurled(cast: &Cast, user: &str, links: &[&str]) -> Value {
    let slack = &cast.world.sandbox.slack;
    let ts = slack.paste(user, &cast.channel, links);
    cast.world.settle().await;
    slack.unfurled(&cast.channel, &ts)
}

fn deal_link(cast: &Cast, deal: u64) -> String {
    format!("http://{}/crm/deal/details/{deal}/", cast.world.sandbox.portal.host())
}

#[tokio::test]
async fn links_unfold_to_what_the_person_may_see() {
    let cast = Cast::start().await;
    let portal = &cast.world.sandbox.portal;
    let deal = deal_link(&cast, cast.observed_deal("Roof", 150_000));
    let task = |title: &str, user: u64| {
        let task = portal.add_task(json!({"TITLE": title, "RESPONSIBLE_ID": user, "CREATED_BY": user}));
        format!("http://{}/company/personal/user/{user}/tasks/task/view/{task}/", portal.host())
    };
    let (mine, others) = (task("Mine", 6), task("Not mine", 9));
    cast.world.settle().await;
    let links = [deal.as_str(), &mine, &others, "https://other.example/crm/deal/details/1/"];
    let cards = unfurled(&cast, &cast.ann, &links).await;
    let unfolded: Vec<_> = cards.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(unfolded, [deal.as_str(), &mine]);
    assert!(shown(&cards[&deal]).contains("150,000 EUR"), "{cards}");
    assert!(shown(&cards[&mine]).contains("Mine"), "{cards}");
}

#[tokio::test]
async fn the_card_of_a_deal_its_command_and_its_link_show_the_same_facts() {
    let cast = Cast::start().await;
    let id = cast.observed_deal("Roof", 150_000);
    let link = deal_link(&cast, id);
    cast.world.settle().await;
    let facts = |message: &Value| {
        let blocks = message["blocks"].as_array().unwrap();
        let fields = blocks.iter().find_map(|block| block["fields"].as_array()).unwrap().iter();
        fields.map(|field| field["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let card = facts(cast.world.sandbox.slack.messages("sales-pipeline").last().unwrap());
    assert_eq!(card[0], "*Amount*\n150,000 EUR");
    assert_eq!(
        card[1..].iter().map(|fact| fact.split('\n').next().unwrap()).collect::<Vec<_>>(),
        ["*Stage*", "*Responsible*"]
    );
    let answer = facts(&cast.answer(&cast.ann, "/b24-deal", &id.to_string()).await);
    let below = facts(&unfurled(&cast, &cast.ann, &[&link]).await[&link]);
    assert_eq!(answer[..card.len()], card);
    assert_eq!(below, answer);
}

#[tokio::test]
async fn links_show_strangers_nothing() {
    let cast = Cast::start().await;
    let deal = deal_link(&cast, cast.observed_deal("Roof", 150_000));
    cast.world.settle().await;
    assert_eq!(unfurled(&cast, &cast.stranger, &[&deal]).await, Value::Null);
}

#[tokio::test]
async fn a_deals_fields_are_not_shown_in_a_channel_of_several_organisations() {
    let cast = Cast::start().await;
    let deal = deal_link(&cast, cast.observed_deal("Roof", 150_000));
    cast.world.settle().await;
    cast.world.sandbox.slack.change_channel("general", |channel| channel.is_shared = true);
    let cards = unfurled(&cast, &cast.ann, &[&deal]).await;
    assert!(!cards.to_string().contains("EUR"), "{cards}");
    // Nor does `--public` show them there.
    let before = cast.world.channel("general").len();
    cast.types(&cast.ann, "/b24-status", "--public").await;
    assert_eq!(cast.world.channel("general").len(), before);
}

#[tokio::test]
async fn the_home_shows_my_day_and_who_i_am() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    slack.open_home(&cast.ann);
    cast.world.settle().await;
    let home = shown(&slack.home(&cast.ann).unwrap());
    for part in ["My open tasks", "by your email", "/b24-lead"] {
        assert!(home.contains(part), "{part}: {home}");
    }
}

#[tokio::test]
async fn the_home_welcomes_who_is_not_linked() {
    let cast = Cast::start().await;
    let slack = &cast.world.sandbox.slack;
    slack.open_home(&cast.stranger);
    cast.world.settle().await;
    let home = shown(&slack.home(&cast.stranger).unwrap());
    assert!(home.contains("Welcome to Switchboard"), "{home}");
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
