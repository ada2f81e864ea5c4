//! Slack talks back through the deployed stack: a command, a bridge, the administrators' page.

use cloud::Company;
use journeys::estate::Browser;
use serde_json::json;
use simulators::portal::LEAD;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_and_a_bridge_go_through_the_deployed_stack() -> anyhow::Result<()> {
    let company = Company::connect(|_| json!({})).await?;
    let (slack, portal, stack) = (&company.sandbox.slack, &company.sandbox.portal, &company.stack);
    let admin = slack.person("user1@example.com");
    let channel = slack.channel_id("general");
    let leads = portal.ids(LEAD).len();
    let reply = slack.command(&admin, &channel, "/b24-lead", "ACME | from the cloud").await;
    assert_eq!((reply.status, reply.body["text"].as_str()), (200, Some("Working on it …")), "{reply:?}");
    let done = async || portal.ids(LEAD).len() > leads && slack.whispers(&admin).len() > 1;
    stack.until("the lead", done).await?;

    let chat = portal.add_chat("Support", &[1, 6]);
    slack.command(&admin, &channel, "/b24-bridge", &chat).await;
    stack.until("the bot", async || !portal.bots().is_empty() && slack.whispers(&admin).len() > 3).await?;
    portal.invite_bots(&chat);
    slack.command(&admin, &channel, "/b24-bridge", &chat).await;
    let joined = || slack.texts("general").iter().any(|text| text.contains("is bridged with the chat"));
    stack.until("the bridge", async || joined()).await?;
    let file = slack.attach(&admin, "plan.png", vec![7; 200_000]);
    slack.say(&admin, &channel, "hello", None, &[&file]);
    stack.until("the file", async || portal.shared_files(&chat).len() == 1).await?;
    assert_eq!(portal.shared_files(&chat)[0].1.len(), 200_000);
    portal.write(1, &chat, "hello yourself", None, &[]);
    let answered = || slack.texts("general").iter().any(|text| text == "hello yourself");
    stack.until("the answer", async || answered()).await?;

    let code = admin::new_code(&company.backend, &company.tenant).await?;
    let browser = Browser::at(&stack.url());
    let page = browser.post("/admin/sign-in", &[("code", &code)]).await;
    assert_eq!(page.location.as_deref(), Some("/admin"), "{}", page.text);
    assert!(browser.get("/admin/bridges").await.text.contains("#general"));
    stack.note_grants().await
}
