//! Deals, tasks and calls of a portal: from its event at the API to a card in Slack, through the deployed stack.

use cloud::Company;
use jobs::queues;
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::fault::{Fault, When};
use simulators::portal::PhoneCall;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_on_a_portal_goes_through_the_deployed_stack() -> anyhow::Result<()> {
    let company = Company::connect(|_| json!({"group_bursts": null})).await?;
    a_deal_becomes_cards(&company).await?;
    a_letter_that_fails_again_is_one_letter(&company).await?;
    what_is_refused_is_answered(&company).await?;
    company.stack.note_grants().await
}

async fn a_deal_becomes_cards(company: &Company) -> anyhow::Result<()> {
    let (portal, slack) = (&company.sandbox.portal, &company.sandbox.slack);
    let cards = || slack.texts("sales-pipeline");
    let deal = portal.add_deal("Roof for ACME", 150_000, "EUR");
    company.stack.until("the card", async || !cards().is_empty()).await?;
    // An answer that is lost after the card was posted: the second try finds the card.
    slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    portal.move_deal(deal, "WON");
    let looked = async || slack.calls().contains_key("conversations.history");
    company.stack.until("the second try", looked).await?;
    let lead = portal.add_lead("Request");
    company.stack.until("the lead's card", async || !slack.texts("sales-leads").is_empty()).await?;
    let task = portal.add_task(json!({"TITLE": "Pack the boxes", "RESPONSIBLE_ID": 6}));
    portal.comment(task, 1, "Please hurry");
    company.stack.until("the comment", async || slack.direct("user6@example.com").len() == 1).await?;
    assert_eq!(cards(), ["New deal: Roof for ACME", "Deal won: Roof for ACME (Новая → Сделка успешна)"]);
    assert_eq!(slack.texts("sales-leads"), ["New lead: Request"], "{lead}");
    Ok(())
}

/// As fast as a person who redrives without having removed the cause.
async fn a_letter_that_fails_again_is_one_letter(company: &Company) -> anyhow::Result<()> {
    let (portal, slack, stack) = (&company.sandbox.portal, &company.sandbox.slack, &company.stack);
    let letters = async || stack.dead_letters(queues::SLACK_DELIVERY).await.expect("SQS answers");
    slack.change_channel("sales-pipeline", |channel| channel.is_archived = true);
    portal.add_deal("Fence", 1, "EUR");
    stack.until("the letter", async || letters().await == 1).await?;
    let runs = async || stack.runs("slack-delivery").await.expect("it has a log").len();
    let before = runs().await;
    assert_eq!(stack.redrive(queues::SLACK_DELIVERY).await?, 1);
    stack.until("the second failure", async || letters().await == 1 && runs().await > before).await?;
    slack.change_channel("sales-pipeline", |channel| channel.is_archived = false);
    assert_eq!(stack.redrive(queues::SLACK_DELIVERY).await?, 1);
    let card = || slack.texts("sales-pipeline").last().cloned();
    stack.until("the card", async || card().as_deref() == Some("New deal: Fence")).await?;
    assert_eq!(letters().await, 0);
    Ok(())
}

async fn what_is_refused_is_answered(company: &Company) -> anyhow::Result<()> {
    let portal = &company.sandbox.portal;
    let body = portal.event_body("ONCRMDEALADD", 1);
    let wrong = body.replace(&portal.credentials().application_token, "wrong");
    let post = async |path: &str, body: String| {
        let request = reqwest::Client::new().post(format!("{}{path}", company.stack.url())).body(body);
        anyhow::Ok(request.header("content-type", "application/x-www-form-urlencoded").send().await?.status().as_u16())
    };
    assert_eq!(post("/webhooks/bitrix24", wrong).await?, 401);
    assert_eq!(post("/webhooks/bitrix24", "event=X".to_owned()).await?, 401);
    assert_eq!(post("/webhooks/nobody", body).await?, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_reported_is_found_by_the_deployed_stack() -> anyhow::Result<()> {
    let lost = |sandbox: &Sandbox| {
        let portal = &sandbox.portal;
        sandbox.slack.add_channel("project-move");
        let project = portal.add_project("Move");
        let deal = portal.add_deal("Lost", 1, "EUR");
        let task = portal.add_task(json!({"TITLE": "Pack", "RESPONSIBLE_ID": 6, "GROUP_ID": project}));
        portal.comment(task, 1, "Please hurry");
        portal.end_call(&PhoneCall {
            kind: 2,
            phone: "+49301".into(),
            user: 6,
            code: "304".into(),
            deal: Some(deal),
            ..PhoneCall::default()
        });
    };
    let company = Company::connect_before(lost, |_| json!({"group_bursts": null})).await?;
    let (stack, slack) = (&company.stack, &company.sandbox.slack);
    // Usually before the stack's own schedule does it.
    let report = stack.invoke("portal-sweep", &json!({})).await?;
    assert_eq!(report["stopped"], json!([]), "{report}");
    let read = |channel: &str| slack.texts(channel);
    let found =
        || ["sales-pipeline", "project-move", "calls", "@user6"].iter().all(|channel| !read(channel).is_empty());
    stack.until("what was lost", async || found()).await?;
    assert_eq!(read("sales-pipeline"), ["New deal: Lost"]);
    assert_eq!(read("project-move"), ["New task: Pack"]);
    assert_eq!(read("calls"), ["Missed call from +49301"]);
    assert_eq!(read("@user6"), ["Анна Титов commented on Pack: Please hurry"]);
    // Its next sweep is due five minutes after this one began.
    let again = stack.invoke("portal-sweep", &json!({})).await?;
    assert_eq!((&again["tenants"], &again["left"]), (&json!(0), &json!(0)), "{again}");
    let kept = stack.invoke("upkeep", &json!({})).await?;
    assert_eq!((&kept["tenants"], &kept["failed"]), (&json!(1), &json!([])), "{kept}");
    the_sample_events_are_understood(&company).await?;
    stack.note_grants().await
}

/// The files in `events/` are for `cargo lambda invoke` and `sam local invoke`; each is understood.
async fn the_sample_events_are_understood(company: &Company) -> anyhow::Result<()> {
    let invoke = async |function: &str| company.stack.invoke(function, &sample(function)?).await;
    let answer = invoke("bitrix24-webhook").await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    // Its address is not one that it was signed for.
    let answer = invoke("notion-webhook").await?;
    assert_eq!(answer["statusCode"], 401, "{answer}");
    // The record is not there, the delivery was never decided, the database has no name: each is finished, not tried again.
    for function in ["bitrix24-events", "slack-delivery", "record-sync"] {
        assert_eq!(invoke(function).await?, json!({"batchItemFailures": []}), "{function}");
    }
    let letters = company.backend.queue.dead_letters(queues::SLACK_DELIVERY, 10).await?;
    assert_eq!(letters[0].letter.code, "no_ledger_line", "the delivery was read, and given up for what it is");
    for function in ["portal-sweep", "upkeep"] {
        let report = invoke(function).await?;
        assert!(report.is_object(), "{function}: {report}");
    }
    Ok(())
}

fn sample(function: &str) -> anyhow::Result<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");
    Ok(serde_json::from_slice(&std::fs::read(format!("{path}/{function}.json"))?)?)
}
