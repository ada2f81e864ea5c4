//! What people type behind a slash.

use serde_json::{Value, json};
use simulators::portal::DEAL;
use simulators::{Fault, When};

use crate::cast::Cast;

/// A company in Berlin without routes.
async fn start() -> Cast {
    Cast::with(json!({"time_zone": "Europe/Berlin", "routes": []})).await
}

impl Cast {
    /// The value of a button that somebody reads.
    fn button(&self, user: &str, action_id: &str) -> String {
        let message = self.read_by(user);
        let elements = message["blocks"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|block| block["elements"].as_array().into_iter().flatten());
        let found =
            elements.filter(|element| element["action_id"] == action_id).find_map(|element| element["value"].as_str());
        found.unwrap_or_else(|| panic!("no button {action_id} in {message}")).to_owned()
    }

    /// What a field of the open form holds.
    fn field(&self, user: &str, name: &str) -> Value {
        let view = self.world.sandbox.slack.dialog(user).expect("a form");
        let blocks = view["blocks"].as_array().cloned().unwrap_or_default();
        let element =
            blocks.into_iter().map(|mut block| block["element"].take()).find(|element| element["action_id"] == name);
        let element = element.unwrap_or_else(|| panic!("no field {name} in {view}"));
        let held = ["initial_value", "initial_user", "initial_users", "initial_date"];
        held.iter().map(|held| element[*held].clone()).find(|value| !value.is_null()).unwrap_or_default()
    }
}

fn deadline(task: &Value) -> String {
    task["deadline"]
        .as_str()
        .unwrap_or_default()
        .parse::<jiff::Timestamp>()
        .map(|at| at.to_string())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_company_that_slack_made_a_link_of_is_what_was_typed() {
    let cast = start().await;
    for (text, company, comment, web, email) in [
        (
            "<http://acme.example|acme.example> | wants a new roof",
            "acme.example",
            "wants a new roof",
            Some("http://acme.example"),
            None,
        ),
        (
            "<mailto:dana@acme.example|dana@acme.example> | call back",
            "dana@acme.example",
            "call back",
            None,
            Some("dana@acme.example"),
        ),
        ("<https://acme.example|ACME ｜ Sons> ｜ x", "ACME ｜ Sons", "x", Some("https://acme.example"), None),
    ] {
        cast.types(&cast.ann, "/b24-lead", text).await;
        let lead = cast.lead();
        assert_eq!((lead["title"].as_str(), lead["companyTitle"].as_str()), (Some(company), Some(company)), "{text}");
        assert!(lead["comments"].as_str().unwrap().starts_with(comment), "{lead}");
        let field = |kind: &str| {
            let fields = lead["fm"].as_array().cloned().unwrap_or_default();
            fields
                .into_iter()
                .find(|field| field["typeId"] == kind)
                .and_then(|field| field["value"].as_str().map(str::to_owned))
        };
        assert_eq!((field("WEB").as_deref(), field("EMAIL").as_deref()), (web, email), "{text}");
    }
}

#[tokio::test]
async fn a_leads_phones_mails_and_pages_become_fields_and_stay_in_the_comment() {
    let cast = start().await;
    let text = "ACME | Ann Lee, +49\u{a0}30 1234567 or <tel:+49301112233|(030) 111 22 33>, <mailto:ann@acme.example|ann@acme.example>, <http://acme.example|acme.example>; order 4711234567 of 25.12.2026, 150 000 EUR";
    let told = cast.types(&cast.ann, "/b24-lead", text).await;
    let expected = json!([
        {"typeId": "PHONE", "valueType": "WORK", "value": "+49 30 1234567"},
        {"typeId": "PHONE", "valueType": "WORK", "value": "(030) 111 22 33"},
        {"typeId": "EMAIL", "valueType": "WORK", "value": "ann@acme.example"},
        {"typeId": "WEB", "valueType": "WORK", "value": "http://acme.example"},
    ]);
    let lead = cast.lead();
    let ways = lead["fm"].as_array().cloned().unwrap_or_default().into_iter();
    let ways = ways.map(|way| json!({"typeId": way["typeId"], "valueType": way["valueType"], "value": way["value"]}));
    assert_eq!(ways.collect::<Value>(), expected);
    for word in ["Ann Lee", "1234567", "ann@acme.example", "acme.example", "4711234567", "150 000 EUR"] {
        assert!(lead["comments"].as_str().unwrap().contains(word), "{word}: {lead}");
    }
    assert!(told.contains("+49 30 1234567"), "{told}");
    cast.types(&cast.ann, "/b24-lead", "Plain Ltd | order 4711234567").await;
    assert!(cast.lead()["fm"].as_array().is_none_or(Vec::is_empty), "{}", cast.lead());
}

#[tokio::test]
async fn escapes_links_and_names_in_a_comment_stay() {
    let cast = start().await;
    let text = format!(
        "Smith &amp; Sons &lt;UK&gt; | see <https://x.example/a?b=1&amp;c=2|offer> and <@{}> in <#{}|sales-pipeline>",
        cast.admin, cast.channel
    );
    cast.types(&cast.ann, "/b24-lead", &text).await;
    let lead = cast.lead();
    let comments = lead["comments"].as_str().unwrap();
    assert_eq!(lead["title"], "Smith & Sons <UK>");
    assert!(
        comments.contains("[url=https://x.example/a?b=1&c=2]offer[/url]") && comments.contains("#sales-pipeline"),
        "{comments}"
    );
    assert!(comments.contains("@user1") && !comments.contains(&cast.admin), "{comments}");
}

#[tokio::test]
async fn people_and_a_deadline_are_taken_wherever_they_are_typed() {
    let cast = start().await;
    let (admin, ann) = (&cast.admin, &cast.ann);
    for (text, title, description, responsible, accomplices, until) in [
        (
            format!("Prepare offer | for ACME | <@{ann}|ann> | tomorrow\u{a0}15:00"),
            "Prepare offer",
            "for ACME",
            "6",
            json!([]),
            "2026-11-22T14:00:00Z",
        ),
        (
            format!("Prepare offer | for ACME | <@{ann}|ann> <@{admin}|boss> | tomorrow"),
            "Prepare offer",
            "for ACME",
            "6",
            json!(["1"]),
            "2026-11-22T18:00:00Z",
        ),
        (format!("Call ACME <@{ann}> tomorrow"), "Call ACME", "", "6", json!([]), "2026-11-22T18:00:00Z"),
        (format!("Call ACME | tomorrow 5pm | <@{ann}>"), "Call ACME", "", "6", json!([]), "2026-11-22T16:00:00Z"),
        ("Call ACME | x | me".to_owned(), "Call ACME", "x", "1", json!([]), ""),
        (
            "Call ACME | x | <mailto:user9@example.com|user9@example.com>".to_owned(),
            "Call ACME",
            "x",
            "9",
            json!([]),
            "",
        ),
    ] {
        let told = cast.types(admin, "/b24-task", &text).await;
        let task = cast.task();
        assert_eq!(
            (task["title"].as_str(), task["description"].as_str()),
            (Some(title), Some(description)),
            "{text}: {told}"
        );
        assert_eq!((task["responsibleId"].as_str(), deadline(&task).as_str()), (Some(responsible), until), "{text}");
        assert_eq!(ids(&task["accomplices"]), ids(&accomplices), "{text}: {task}");
        // A guess would be seen: the whole day stands in the answer.
        assert_eq!(told.contains("{date_long}, {time}"), !until.is_empty(), "{told}");
    }
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|id| id.to_string().replace('"', "")).collect()
}

#[tokio::test]
async fn somebody_is_named_by_their_name_or_refused_with_who_it_may_be() {
    let cast = start().await;
    let row = cast.world.sandbox.portal.users().into_iter().find(|row| row["ID"] == "9").unwrap();
    let name = format!("{} {}", row["NAME"].as_str().unwrap(), row["LAST_NAME"].as_str().unwrap());
    cast.types(&cast.admin, "/b24-task", &format!("Call ACME @{name} tomorrow")).await;
    let task = cast.task();
    assert_eq!(
        (task["title"].as_str(), task["responsibleId"].as_str()),
        (Some("Call ACME"), Some("9")),
        "{name}: {task}"
    );
    let before = cast.tasks();
    let told = cast.types(&cast.admin, "/b24-task", "Call ACME | x | @Zebediah").await;
    assert!(told.contains("@Zebediah"), "{told}");
    cast.button(&cast.admin, "edit_typed");
    let told = cast.types(&cast.admin, "/b24-task", &format!("Call ACME | x | <@{}>", cast.stranger)).await;
    assert!(told.contains("@nobody isn't linked"), "{told}");
    cast.button(&cast.admin, "edit_typed");
    assert_eq!(cast.tasks(), before);
}

#[tokio::test]
async fn a_deadline_is_meant_where_the_person_is() {
    let cast = Cast::with(json!({"time_zone": "UTC", "routes": []})).await;
    for (zone, until) in [("Europe/Moscow", "2026-11-22T12:00:00Z"), ("America/New_York", "2026-11-22T20:00:00Z")] {
        cast.world.sandbox.slack.change_person(&cast.ann, |profile| profile.tz = Some(zone.into()));
        cast.world.settle().await;
        cast.types(&cast.ann, "/b24-task", "Call ACME | | | tomorrow 15:00").await;
        assert_eq!(deadline(&cast.task()), until, "{zone}");
    }
    // A zone that nobody knows: the tenant's counts.
    cast.world.sandbox.slack.change_person(&cast.ann, |profile| profile.tz = Some("Mars/Base".into()));
    cast.world.settle().await;
    cast.types(&cast.ann, "/b24-task", "Call ACME | | | tomorrow 15:00").await;
    assert_eq!(deadline(&cast.task()), "2026-11-22T15:00:00Z");
}

#[tokio::test]
async fn what_is_over_unclear_or_left_over_is_refused_by_name_and_kept_for_the_form() {
    let cast = start().await;
    let before = cast.tasks();
    for (text, said) in [
        ("Call | x | me | 2020-01-01", "“2020-01-01” is in the past"),
        ("Call | x | me | tomorrow maybe", "“tomorrow maybe”"),
        ("Call | x | me | 25:00", "“25:00”"),
        ("Call | x | me | 5/6", "2027-06-05 or 2027-05-06"),
        ("Call | x | me | tomorrow | and bring samples", "“and bring samples”"),
    ] {
        let told = cast.types(&cast.ann, "/b24-task", text).await;
        assert!(told.contains(said), "{text}: {told}");
        cast.button(&cast.ann, "edit_typed");
    }
    assert_eq!(cast.tasks(), before);
    // The button opens the form with all that was typed.
    let text =
        format!("Call R&amp;D | about <https://a.example|this> | <@{}> <@{}> | tomorrow maybe", cast.admin, cast.ann);
    cast.types(&cast.ann, "/b24-task", &text).await;
    let draft = cast.button(&cast.ann, "edit_typed");
    cast.presses(&cast.ann, "edit_typed", &draft).await;
    assert_eq!(cast.field(&cast.ann, "name"), "Call R&D");
    assert_eq!(cast.field(&cast.ann, "description"), "about <https://a.example|this>");
    assert_eq!(cast.field(&cast.ann, "assignee"), cast.admin.as_str());
    assert_eq!(cast.field(&cast.ann, "accomplices"), json!([cast.ann]));
    assert_eq!(cast.field(&cast.ann, "deadline_words"), "tomorrow maybe");
    let slack = &cast.world.sandbox.slack;
    let reply = slack.submit(&cast.ann, &[]).await;
    assert!(reply.body["errors"]["deadline_words"].as_str().unwrap().contains("tomorrow maybe"), "{reply:?}");
    slack.submit(&cast.ann, &[("deadline_words", "tomorrow 15:00")]).await;
    cast.world.settle().await;
    let task = cast.task();
    assert_eq!((task["title"].as_str(), deadline(&task).as_str()), (Some("Call R&D"), "2026-11-22T14:00:00Z"));
    assert_eq!((task["responsibleId"].as_str(), ids(&task["accomplices"])), (Some("1"), vec!["6".to_owned()]));
    assert_eq!(task["description"], "about [url=https://a.example]this[/url]");
    // Nobody else opens what somebody typed.
    cast.presses(&cast.admin, "edit_typed", &draft).await;
    assert!(slack.dialog(&cast.admin).is_none() && cast.told(&cast.admin).contains("Type the command again"));
    assert_eq!(slack.refused_blocks(), 0);
}

#[tokio::test]
async fn a_form_that_took_too_long_to_open_is_offered_again() {
    let cast = start().await;
    cast.types(&cast.ann, "/b24-lead", "| only a comment").await;
    let draft = cast.button(&cast.ann, "edit_typed");
    let slack = &cast.world.sandbox.slack;
    slack.press(&cast.ann, &cast.channel, "edit_typed", &draft).await;
    cast.world.clock.advance(std::time::Duration::from_secs(5));
    cast.world.settle().await;
    assert!(slack.dialog(&cast.ann).is_none());
    assert_eq!(cast.button(&cast.ann, "edit_typed"), draft);
    cast.presses(&cast.ann, "edit_typed", &draft).await;
    assert_eq!(cast.field(&cast.ann, "comment"), "only a comment");
    // A command without a form of its own is corrected as text.
    cast.types(&cast.ann, "/b24-status", "ACME").await;
    cast.presses(&cast.ann, "edit_typed", &cast.button(&cast.ann, "edit_typed")).await;
    assert_eq!(cast.field(&cast.ann, "text"), "ACME");
    slack.submit(&cast.ann, &[("text", " ")]).await;
    cast.world.settle().await;
    assert!(cast.told(&cast.ann).contains("Today in Bitrix24"));
}

#[tokio::test]
async fn a_form_says_at_its_field_what_is_wrong_and_stays_open() {
    let cast = start().await;
    let slack = &cast.world.sandbox.slack;
    let before = cast.tasks();
    slack.command(&cast.ann, &cast.channel, "/b24-task", "").await;
    cast.world.none_left_to_work_now().await;
    for (field, value) in [("name", " "), ("deadline", "2020-01-01"), ("deadline_words", "someday")] {
        let mut values = vec![("name", "Call"), ("description", "all of it")];
        values.retain(|(name, _)| *name != field);
        values.push((field, value));
        let reply = slack.submit(&cast.ann, &values).await;
        assert_eq!(reply.body["response_action"], "errors", "{field}: {reply:?}");
        assert_eq!(reply.body["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
        assert!(slack.dialog(&cast.ann).is_some());
    }
    // Whoever is chosen is looked up at once; so the form knows who is linked to nobody.
    slack.choose_people(&cast.ann, "assignee", &[&cast.stranger]).await;
    cast.world.none_left_to_work_now().await;
    let reply = slack.submit(&cast.ann, &[("name", "Call"), ("assignee", &cast.stranger)]).await;
    assert!(reply.body["errors"]["assignee"].as_str().unwrap().contains("isn't linked"), "{reply:?}");
    assert_eq!(cast.tasks(), before);
    slack.submit(&cast.ann, &[("name", "Call"), ("deadline_words", "tomorrow")]).await;
    cast.world.settle().await;
    assert_eq!(cast.tasks(), before + 1);
    // An empty company.
    slack.command(&cast.ann, &cast.channel, "/b24-lead", "").await;
    cast.world.none_left_to_work_now().await;
    let reply = slack.submit(&cast.ann, &[("company", "\u{a0}"), ("comment", "x")]).await;
    assert!(reply.body["errors"]["company"].is_string(), "{reply:?}");
}

#[tokio::test]
async fn a_form_whose_assignee_is_nobody_opens_again_with_all_it_held() {
    let cast = start().await;
    let slack = &cast.world.sandbox.slack;
    slack.command(&cast.ann, &cast.channel, "/b24-task", "").await;
    cast.world.none_left_to_work_now().await;
    let values = [
        ("name", "Call <b>"),
        ("description", "all & more"),
        ("assignee", cast.stranger.as_str()),
        ("deadline", "2026-12-24"),
    ];
    slack.submit(&cast.ann, &values).await;
    cast.world.none_left_to_work_now().await;
    let view = slack.dialog(&cast.ann).expect("the form again").to_string();
    assert!(view.contains("@nobody isn't linked"), "{view}");
    for (name, value) in values {
        assert_eq!(cast.field(&cast.ann, name), value);
    }
    // What the portal refuses comes back in its words.
    cast.world.sandbox.portal.fail_next("tasks.task.add", Fault::Code { status: 400, code: "ERROR_CORE".into() });
    slack.submit(&cast.ann, &[("assignee", &cast.ann)]).await;
    cast.world.none_left_to_work_now().await;
    let view = slack.dialog(&cast.ann).expect("the form again").to_string();
    assert!(view.contains("refused to create the task") && !view.contains("does not find it"), "{view}");
    slack.submit(&cast.ann, &[]).await;
    cast.world.settle().await;
    assert_eq!(
        (cast.task()["title"].as_str(), deadline(&cast.task()).as_str()),
        (Some("Call <b>"), "2026-12-24T18:00:00Z")
    );
}

#[tokio::test]
async fn only_a_switch_or_a_button_shows_an_answer_to_the_channel() {
    let cast = start().await;
    let in_channel = || cast.world.channel("general").len();
    let before = in_channel();
    cast.types(&cast.ann, "/b24-task", "Salary review | keep it between us, not public").await;
    assert_eq!(
        (cast.task()["title"].as_str(), cast.task()["description"].as_str()),
        (Some("Salary review"), Some("keep it between us, not public"))
    );
    cast.types(&cast.ann, "/b24-task", "Make the docs public").await;
    assert_eq!(cast.task()["title"], "Make the docs public");
    cast.types(&cast.ann, "/b24-lead", "ACME | they want to go public").await;
    assert!(cast.types(&cast.ann, "/b24-status", "public").await.contains("--public"));
    assert_eq!(in_channel(), before);
    for (index, text) in
        ["Call one | x --public", "—public Call two | x", "Call three | x | –public"].iter().enumerate()
    {
        cast.types(&cast.ann, "/b24-task", text).await;
        assert_eq!(in_channel(), before + index + 1, "{text}");
        assert_eq!(cast.task()["description"], "x");
    }
    // The button shows what was answered, as it is now.
    cast.types(&cast.ann, "/b24-task", "Call four | x | me | tomorrow").await;
    let what = cast.button(&cast.ann, "share_answer");
    cast.presses(&cast.ann, "share_answer", &what).await;
    cast.world.settle().await;
    let shown = cast.world.sandbox.slack.messages("general").last().cloned().unwrap().to_string();
    assert!(shown.contains("Call four") && shown.contains(&format!("Shared by <@{}>", cast.ann)), "{shown}");
    assert!(!shown.contains("share_answer"), "{shown}");
    // What somebody may not see, they cannot share; nor is anything shown to another organisation.
    let others = cast.world.sandbox.portal.add_task(json!({"TITLE": "Not mine", "RESPONSIBLE_ID": 9, "CREATED_BY": 9}));
    let count = in_channel();
    cast.presses(&cast.ann, "share_answer", &format!("task {others}")).await;
    cast.world.sandbox.slack.change_channel("general", |channel| channel.is_shared = true);
    cast.presses(&cast.ann, "share_answer", &what).await;
    cast.world.settle().await;
    assert!(cast.told(&cast.ann).contains("another organisation"));
    let told = cast.types(&cast.ann, "/b24-task", "Call five --public").await;
    assert!(told.contains("Call five") && told.contains("another organisation"), "{told}");
    assert_eq!(in_channel(), count);
    assert_eq!(cast.world.sandbox.slack.refused_blocks(), 0);
}

#[tokio::test]
async fn a_deal_is_ours_or_the_link_is_refused() {
    let cast = start().await;
    let portal = &cast.world.sandbox.portal;
    let deal = |title: &str| portal.add_item(DEAL, json!({"title": title, "observers": [6]}));
    let id = deal("Bulk 7");
    for more in 70..80 {
        deal(&format!("Bulk {more}"));
    }
    cast.world.settle().await;
    let host = portal.host();
    for text in [
        id.to_string(),
        format!("\u{200b}{id}"),
        format!("#{id}"),
        format!("deal {id}"),
        format!("<http://{host}/crm/deal/details/{id}/|this one>"),
    ] {
        let told = cast.types(&cast.ann, "/b24-deal", &text).await;
        assert!(told.contains("Bulk 7"), "{text}: {told}");
        cast.button(&cast.ann, "deal_take");
    }
    for text in [
        format!("<https://other.bitrix24.com/crm/deal/details/{id}/>"),
        format!("<https://other.bitrix24.com/crm/deal/details/{id}/|Bulk>"),
    ] {
        let told = cast.types(&cast.ann, "/b24-deal", &text).await;
        assert!(told.contains("other.bitrix24.com") && !told.contains("Bulk 7"), "{text}: {told}");
    }
    cast.types(&cast.ann, "/b24-deal", "bulk 7").await;
    cast.types(&cast.ann, "/b24-deal", "Bulk 7").await;
    let message = cast.read_by(&cast.ann);
    assert!(message["blocks"][1].to_string().contains(&format!("{id} · ")), "{message}");
    assert!(message.to_string().contains("There are 6 more"), "{message}");
}

#[tokio::test]
async fn an_error_says_what_is_so() {
    let cast = Cast::with(json!({"people": {"not_by_email": true}, "routes": []})).await;
    let told = cast.types(&cast.ann, "/b24-lead", "ACME").await;
    assert!(told.contains("isn't linked to a Bitrix24 user yet") && !told.contains("Nobody in Bitrix24 has"), "{told}");
    let cast = start().await;
    cast.world.sandbox.portal.fail_next("crm.item.add", Fault::Code { status: 400, code: "ERROR_CORE".into() });
    let told = cast.types(&cast.ann, "/b24-lead", "ACME | x").await;
    assert!(told.contains("refused to create the lead") && !told.contains("does not find it"), "{told}");
    cast.presses(&cast.ann, "edit_typed", &cast.button(&cast.ann, "edit_typed")).await;
    assert_eq!(cast.field(&cast.ann, "company"), "ACME");
    cast.world.sandbox.portal.fail_next("crm.item.add", Fault::Reset { when: When::BeforeEffect });
    cast.world.sandbox.slack.submit(&cast.ann, &[]).await;
    cast.world.settle().await;
    assert_eq!(cast.lead()["title"], "ACME");
    let told = cast.types(&cast.ann, "/b24-nothing", "x").await;
    assert!(told.contains("/b24-lead, /b24-task"), "{told}");
}
