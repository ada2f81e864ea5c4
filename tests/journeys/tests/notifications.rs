//! Each kind of change, from what a person does in Bitrix24 to what people read in Slack, with the default routes.

use std::time::Duration;

use jobs::queues;
use journeys::World;
use serde_json::{Value, json};
use simulators::portal::{COMPANY, CONTACT, DEAL, LEAD, PhoneCall};
use simulators::{Fault, Rule};

fn missed(phone: &str) -> PhoneCall {
    PhoneCall { kind: 2, phone: phone.into(), user: 6, code: "304".into(), ..PhoneCall::default() }
}

fn fields(card: &Value) -> Vec<String> {
    let blocks = card["blocks"].as_array().unwrap().iter();
    let fields = blocks.flat_map(|block| block["fields"].as_array().cloned().unwrap_or_default());
    fields.map(|field| field["text"].as_str().unwrap().replace('\n', ": ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_project_goes_to_the_projects_channel() {
    let world = World::start().await;
    let project = world.sandbox.portal.add_project("Office move");
    world.sandbox.slack.add_channel("project-office-move");
    let task = json!({
        "TITLE": "Pack the boxes", "RESPONSIBLE_ID": 6, "GROUP_ID": project, "DEADLINE": "2026-11-25T18:00:00+03:00",
    });
    let id = world.sandbox.portal.add_task(task);
    world.sandbox.portal.add_task(json!({"TITLE": "Of no project"}));
    world.settle().await;
    assert_eq!(world.channel("project-office-move"), ["New task: Pack the boxes"]);
    let card = &world.sandbox.slack.messages("project-office-move")[0];
    assert_eq!(
        fields(card),
        [
            "*Deadline*: <!date^1795618800^{date_short_pretty} {time}|2026-11-25 15:00 UTC>",
            "*Assignee*: Дмитрий Соколова",
            "*Project*: Office move",
        ]
    );
    let link = format!("http://{}/company/personal/user/6/tasks/task/view/{id}/", world.sandbox.portal.host());
    assert_eq!(card["blocks"][0]["text"]["text"], format!("📝 New task <{link}|Pack the boxes>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_missing_channel_is_said_or_made_as_the_settings_want() {
    let world = World::start().await;
    let project = world.sandbox.portal.add_project("Тёмный лес / №7");
    world.sandbox.portal.add_task(json!({"TITLE": "A", "GROUP_ID": project}));
    world.settle().await;
    let letters = world.dead_letters(queues::SLACK_DELIVERY).await;
    assert_eq!(letters[0].code, "channel_not_found");
    assert!(letters[0].reason.contains("channel \"#project-тёмный-лес-7\" of route \"project tasks\""), "{letters:?}");
    world.apply(json!({"missing_channels": "create", "group_bursts": null})).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.add_task(json!({"TITLE": "B", "GROUP_ID": project}));
    world.settle().await;
    assert_eq!(world.channel("project-тёмный-лес-7"), ["New task: B"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_goes_to_the_assignee_from_the_new_and_the_old_card() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let new = portal.add_task(json!({"TITLE": "New card", "RESPONSIBLE_ID": 6}));
    portal.use_old_card(true);
    let old = portal.add_task(json!({"TITLE": "Old card", "RESPONSIBLE_ID": 6}));
    world.settle().await;
    portal.comment(new, 1, "[b]Please[/b] hurry <!channel>");
    portal.comment(old, 9, "Done?");
    portal.comment(new, 6, "My own words");
    world.settle().await;
    let mut read = world.direct(6);
    read.sort();
    assert_eq!(
        read,
        [
            "Анна Титов commented on New card: \u{200b}*Please*\u{200b} hurry &lt;!channel&gt;",
            "Елена Кузнецов commented on Old card: Done?"
        ],
        "nobody hears of their own comment"
    );
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains("no recipient: @responsible of task"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_told_twice_is_one_message_and_also_tells_what_changed_meanwhile() {
    let world = World::start().await;
    world.sandbox.portal.deliver(simulators::portal::PortalEventDelivery { double_every: 1, ..Default::default() });
    let task = world.sandbox.portal.add_task(json!({"TITLE": "T", "RESPONSIBLE_ID": 6}));
    world.settle().await;
    world.sandbox.portal.comment(task, 1, "Once");
    world.settle().await;
    assert_eq!(world.direct(6), ["Анна Титов commented on T: Once"]);
    assert!(world.ledger().await.iter().any(|line| line.contains("already decided, trace")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_waits_until_the_portal_can_say_who_reads_it() {
    let world = World::start().await;
    // A person is found in Slack by the e-mail that the portal knows.
    let fault = Fault::Code { status: 500, code: "INTERNAL_SERVER_ERROR".into() };
    let asking = Rule { contains: Some("user.get".into()), ..Rule::every("batch", fault).lasting(30) };
    world.sandbox.portal.fail(asking);
    let task = world.sandbox.portal.add_task(json!({"TITLE": "T", "RESPONSIBLE_ID": 6}));
    world.sandbox.portal.comment(task, 1, "Please call");
    world.settle().await;
    assert_eq!(world.direct(6), ["Анна Титов commented on T: Please call"]);
    let ledger = world.ledger().await.join("\n");
    assert!(!ledger.contains("unmapped"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_slack_is_skipped_with_the_reason_or_told_in_the_fallback() {
    let world = World::start().await;
    let task = world.sandbox.portal.add_task(json!({"TITLE": "T", "RESPONSIBLE_ID": 21}));
    world.settle().await;
    world.sandbox.portal.comment(task, 1, "Hello");
    world.settle().await;
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains("@Игорь Лебедева (user 21) | skipped | unmapped:"), "{ledger}");
    let route = json!({"name": "c", "change": "task.commented", "to": "@assignee", "fallback": "#general"});
    world.apply(json!({"routes": [route]})).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.comment(task, 1, "Anybody?");
    world.settle().await;
    assert_eq!(world.channel("general"), ["Анна Титов commented on T: Anybody?"]);
    let mapped =
        json!({"routes": [route], "people": {"map": {"21": world.sandbox.slack.add_person("igor@elsewhere.example")}}});
    world.apply(mapped).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.comment(task, 1, "You there");
    world.settle().await;
    assert_eq!(world.sandbox.slack.direct("igor@elsewhere.example"), ["Анна Титов commented on T: You there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_call_names_its_deal_and_its_recording_follows_in_the_thread() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let deal = portal.add_deal("Roof for ACME", 1, "EUR");
    world.settle().await;
    let call = portal.end_call(&PhoneCall { deal: Some(deal), ..missed("+49 30 1234567") });
    world.none_left_to_work_now().await;
    assert_eq!(world.channel("calls"), ["Missed call from +49 30 1234567"]);
    portal.record_call(&call, "https://storage.example/rec.mp3");
    world.settle().await;
    assert_eq!(
        world.channel("calls"),
        ["Missed call from +49 30 1234567", "Recording of the call with +49 30 1234567"]
    );
    let messages = world.sandbox.slack.messages("calls");
    assert_eq!(messages[1]["thread_ts"], messages[0]["ts"]);
    assert!(fields(&messages[1])[0].contains("<https://storage.example/rec.mp3|Listen>"));
    let link = format!("http://{}/crm/deal/details/{deal}/", portal.host());
    let told = fields(&messages[0]);
    assert_eq!(told[1], format!("*Deal*: <{link}|Roof for ACME>"));
    assert_eq!(told[2..], ["*Responsible*: Дмитрий Соколова", "*Call back*: <tel:+49301234567|+49301234567>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deal_of_a_call_is_found_by_its_bindings_or_its_client() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let bound = portal.add_deal("Bound", 1, "EUR");
    let contact = portal.add_item(CONTACT, json!({"name": "Ann", "lastName": "Lee"}));
    let of_client = portal.add_item(DEAL, json!({"title": "Of the client", "contactId": contact}));
    world.settle().await;
    portal.end_call(&PhoneCall { contact: Some(contact), bound_to: Some(bound), ..missed("1") });
    world.settle().await;
    portal.end_call(&PhoneCall { contact: Some(contact), ..missed("2") });
    world.settle().await;
    portal.end_call(&missed("3"));
    world.settle().await;
    let deals: Vec<_> = world.sandbox.slack.messages("calls").iter().map(|card| fields(card)[1].clone()).collect();
    assert!(deals[0].contains(&format!("details/{bound}/|Bound")), "{deals:?}");
    assert!(deals[1].contains(&format!("details/{of_client}/|Of the client")), "{deals:?}");
    assert_eq!(deals[2], "*Deal*: none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_never_comes_is_given_up_with_a_note() {
    let world = World::start().await;
    world.sandbox.portal.end_call(&missed("1"));
    world.settle().await;
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains("skipped | no recording appeared within 9 minutes"), "{ledger}");
    assert_eq!(world.channel("calls").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outgoing_304_and_an_answered_call_are_not_missed() {
    let world = World::start().await;
    world.sandbox.portal.end_call(&PhoneCall { kind: 1, ..missed("1") });
    world.sandbox.portal.end_call(&PhoneCall { code: "200".into(), duration: 60, ..missed("2") });
    world.sandbox.portal.end_call(&PhoneCall { kind: 3, ..missed("3") });
    world.settle().await;
    assert_eq!(world.channel("calls"), ["Missed call from 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_the_statistics_the_event_itself_is_told() {
    let world = World::start().await;
    world.sandbox.portal.deny("voximplant.");
    let deal = world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.sandbox.portal.end_call(&PhoneCall { deal: Some(deal), ..missed("+49301") });
    world.settle().await;
    assert_eq!(world.channel("calls"), ["Missed call from +49301"]);
    assert!(fields(&world.sandbox.slack.messages("calls")[0])[1].contains("|Roof>"));
    assert!(world.ledger().await.join("\n").contains("the recording cannot be searched for"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_shows_as_unknown_and_stops_no_card() {
    let world = World::start().await;
    for methods in ["user.", "crm.status", "crm.category"] {
        world.sandbox.portal.deny(methods);
    }
    world.sandbox.portal.add_lead("Request");
    world.settle().await;
    assert_eq!(fields(&world.sandbox.slack.messages("sales-leads")[0]), ["*Source*: WEB", "*Responsible*: unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_deal_is_told_once_from_its_last_state() {
    let world = World::start().await;
    let route = json!({"name": "gone", "change": ["deal.deleted", "task.deleted"], "to": "#general"});
    world.apply(json!({"routes": [route, {"name": "new", "change": "deal.created", "to": "#sales-pipeline"}]})).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.deliver(simulators::portal::PortalEventDelivery { double_every: 1, ..Default::default() });
    let deal = world.sandbox.portal.add_deal("Roof", 1500, "EUR");
    let task = world.sandbox.portal.add_task(json!({"TITLE": "Pack"}));
    world.settle().await;
    world.sandbox.portal.delete_item(DEAL, deal);
    world.sandbox.portal.delete_task(task);
    world.settle().await;
    let mut told = world.channel("general");
    told.sort();
    assert_eq!(told, ["Deleted: Pack", "Deleted: Roof"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_moves_to_another_funnel_is_one_card() {
    let world = World::start().await;
    let deal = world.sandbox.portal.add_deal("Crane", 1, "EUR");
    world.settle().await;
    world.sandbox.portal.change_item(DEAL, deal, json!({"categoryId": 1, "stageId": "C1:NEW"}));
    world.settle().await;
    assert_eq!(
        world.channel("sales-pipeline"),
        ["New deal: Crane", "Deal Crane: Общая → Продажа оборудования, Заявка"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_companies_and_smart_processes_are_told_when_a_route_asks() {
    let world = World::start().await;
    world.sandbox.portal.add_smart_process(1220);
    let kinds = ["contact.created", "company.created", "company.updated", "item.created", "item.stage_changed"];
    world
        .apply(json!({"routes": [{"name": "all", "change": kinds, "to": "#general"}], "smart_processes": [1220]}))
        .await;
    world.clock.advance(Duration::from_secs(120));
    let settings =
        serde_json::from_value(json!({"routes": [{"name": "all", "change": kinds, "to": "#general"}]})).unwrap();
    world.sandbox.portal.send_events_to(&world.webhook, &standalone::demo::events(&settings));
    let portal = &world.sandbox.portal;
    portal.add_item(CONTACT, json!({"name": "Ann", "lastName": "Lee"}));
    let company = portal.add_item(COMPANY, json!({"title": "ACME"}));
    let item = portal.add_item(1220, json!({"title": "Order 7"}));
    world.settle().await;
    world.clock.advance(Duration::from_secs(60));
    portal.change_item(COMPANY, company, json!({"title": "ACME Ltd"}));
    portal.change_item(1220, item, json!({"stageId": "DT1220_1:SUCCESS"}));
    world.settle().await;
    let mut told = world.channel("general");
    told.sort();
    assert_eq!(
        told,
        [
            "Changed: ACME Ltd (title)",
            "Item Order 7: Fresh → Done",
            "New company: ACME",
            "New contact: Ann Lee",
            "New item: Order 7",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_that_is_renamed_has_its_new_name_on_the_next_card() {
    let world = World::start().await;
    let deals =
        json!({"name": "d", "change": "deal.created", "to": "#general", "card": {"title": "{title} of {company}"}});
    world.apply(json!({"routes": [deals]})).await;
    world.clock.advance(Duration::from_secs(120));
    world.sandbox.portal.send_events_to(&world.webhook, &["ONCRMCOMPANYUPDATE"]);
    let company = world.sandbox.portal.add_item(COMPANY, json!({"title": "ACME"}));
    world.sandbox.portal.add_item(DEAL, json!({"title": "A", "companyId": company}));
    world.settle().await;
    world.sandbox.portal.change_item(COMPANY, company, json!({"title": "ACME Ltd"}));
    world.settle().await;
    world.sandbox.portal.add_item(DEAL, json!({"title": "B", "companyId": company}));
    world.settle().await;
    let told = world.channel("general");
    assert!(told[0].ends_with("|ACME>") && told[1].ends_with("|ACME Ltd>"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_own_event_is_told_by_a_custom_route() {
    let world = World::start().await;
    let route = json!({
        "name": "orders", "change": "custom.order_paid", "to": "#general", "when": "double(record.sum) > 100.0",
        "card": {"title": "Order {record.number} paid: {record.sum}"},
    });
    world.apply(json!({"routes": [route]})).await;
    world.clock.advance(Duration::from_secs(120));
    let credentials = world.sandbox.portal.credentials();
    let body = |id: u8, sum: u16| {
        format!(
            "event=SWITCHBOARD.ORDER_PAID&data[ID]={id}&data[FIELDS][number]=17&data[FIELDS][sum]={sum}&\
             auth[member_id]={}&auth[application_token]={}",
            credentials.member_id, credentials.application_token
        )
    };
    for (id, sum) in [(1, 500), (1, 500), (2, 5)] {
        assert_eq!(world.post(body(id, sum)).await.0, 200);
    }
    world.settle().await;
    assert_eq!(world.channel("general"), ["Order 17 paid: 500"]);
    let ledger = world.ledger().await.join("\n");
    assert!(ledger.contains("SWITCHBOARD.ORDER_PAID | order_paid 1 | skipped | already decided"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_title_stays_text() {
    let world = World::start().await;
    world.sandbox.portal.add_lead("<!channel> [send=/x]press[/send] & <https://evil.example|here>");
    world.settle().await;
    let card = world.sandbox.slack.messages("sales-leads")[0].to_string();
    assert!(!card.contains("<!channel>") && !card.contains("<https://evil"), "{card}");
    assert!(card.contains("&lt;!channel&gt;"));
    world.sandbox.portal.add_item(LEAD, json!({"title": ""}));
    world.settle().await;
    assert_eq!(world.channel("sales-leads")[1], "New lead: (no title)");
}
