//! The administrators' pages, as a browser without scripts would use them.

use std::collections::BTreeSet;
use std::time::Duration;

use journeys::World;
use journeys::estate::Browser;
use serde_json::json;
use simulators::portal::DEAL;
use tenants::user_links::{LinkOrigin, UserLinks};

#[tokio::test]
async fn a_code_works_once_and_for_a_while() {
    let world = World::start().await;
    let browser = Browser::of(&world);
    assert!(browser.get("/admin").await.text.contains("One-time code"));
    assert_eq!(browser.post("/admin/sign-in", &[("code", "guess")]).await.status, 401);
    let old = ::admin::new_code(&world.engine.backend, &world.tenant).await.unwrap();
    world.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(browser.post("/admin/sign-in", &[("code", &old)]).await.status, 401);
    let code = ::admin::new_code(&world.engine.backend, &world.tenant).await.unwrap();
    assert_eq!(browser.post("/admin/sign-in", &[("code", &code)]).await.status, 303);
    let second = Browser::of(&world);
    assert_eq!(second.post("/admin/sign-in", &[("code", &code)]).await.status, 401);
    world.clock.advance(Duration::from_secs(9 * 60 * 60));
    assert!(browser.get("/admin/people").await.text.contains("One-time code"), "the session has ended");
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let world = World::start().await;
    let browser = Browser::administrator(&world).await;
    let ann = world.sandbox.slack.person("user6@example.com");
    let page = browser.post("/admin/people/link", &[("slack", &ann), ("user", "9"), ("token", "guess")]).await;
    assert_eq!(page.status, 403);
    let people = UserLinks::new(world.engine.backend.store.clone());
    assert!(people.of_slack(&world.tenant, &ann).await.unwrap().is_none());
    browser.press("/admin/sign-out", &[]).await;
    assert!(browser.get("/admin/people").await.text.contains("One-time code"));
}

/// A second account of a person in Slack, and an administrator's browser.
async fn second_account() -> (World, Browser, String) {
    let world = World::start().await;
    let second = world.sandbox.slack.add_person("ann.second@elsewhere.example");
    world.sandbox.slack.change_person(&second, |profile| profile.name = "<script>alert(1)</script> Титов".into());
    let browser = Browser::administrator(&world).await;
    (world, browser, second)
}

fn people(world: &World) -> UserLinks {
    UserLinks::new(world.engine.backend.store.clone())
}

#[tokio::test]
async fn people_who_are_not_linked_are_listed_with_whom_they_might_be() {
    let (_world, browser, _) = second_account().await;
    let page = browser.get("/admin/people").await.text;
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "names are text");
    assert!(page.contains("<button>Анна Титов</button>"), "suggested by the name: {page}");
}

#[tokio::test]
async fn one_account_is_linked_by_hand_to_two_people_and_acts_as_the_last() {
    let (world, browser, second) = second_account().await;
    let people = people(&world);
    let page = browser.press("/admin/people/link", &[("slack", &second), ("user", "1")]).await.text;
    assert!(page.contains("is now linked to Анна Титов."), "{page}");
    let page = browser.press("/admin/people/link", &[("slack", &second), ("user", "user9@example.com")]).await.text;
    assert!(page.contains(" is now linked to "), "{page}");
    assert_eq!(people.of_slack(&world.tenant, &second).await.unwrap().unwrap().user, 9);
    assert_eq!(people.of_user(&world.tenant, 1).await.unwrap()[0].slack, second);
    browser.press("/admin/people/unlink", &[("slack", &second), ("user", "9")]).await;
    assert_eq!(people.of_slack(&world.tenant, &second).await.unwrap().unwrap().user, 1);
}

#[tokio::test]
async fn a_list_links_whom_it_names_and_the_other_lines_are_listed() {
    let (world, browser, second) = second_account().await;
    let (people, ann) = (people(&world), world.sandbox.slack.person("user6@example.com"));
    let list = format!("{second}, 12\nnobody@x.example, 1\nnonsense\nuser6@example.com; 1");
    let page = browser.press("/admin/people/list", &[("list", &list)]).await.text;
    assert!(page.contains("2 linked.") && page.contains("Line 2:") && page.contains("Line 3:"), "{page}");
    let link = people.of_slack(&world.tenant, &ann).await.unwrap().unwrap();
    assert_eq!((link.user, link.origin), (1, LinkOrigin::Hand));
    assert_eq!(people.of_slack(&world.tenant, &second).await.unwrap().unwrap().user, 12);
}

#[tokio::test]
async fn several_accounts_are_one_person() {
    let (world, browser, second) = second_account().await;
    let ann = world.sandbox.slack.person("user6@example.com");
    for account in [&second, &ann] {
        browser.press("/admin/people/link", &[("slack", account), ("user", "1")]).await;
    }
    let links = people(&world).of_user(&world.tenant, 1).await.unwrap();
    let accounts: BTreeSet<_> = links.into_iter().map(|link| link.slack).collect();
    assert_eq!(accounts, BTreeSet::from([second, ann]));
}

#[tokio::test]
async fn conversations_are_joined_and_parted_on_their_page() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let chat = portal.add_chat("Support", &[1, 6]);
    let browser = Browser::administrator(&world).await;
    let join = |channel: &'static str, chat: String| [("channel", channel.to_owned()), ("chat", chat)];
    let say = async |fields: [(&str, String); 2]| {
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.press("/admin/bridges/join", &fields).await.text
    };
    assert!(say(join("#nowhere", chat.clone())).await.contains("no channel #nowhere"));
    assert!(say(join("#general", "sales".into())).await.contains("is not a chat"));
    assert!(say(join("#general", chat.clone())).await.contains("Add the bot Switchboard"));
    portal.invite_bots(&chat);
    world.settle().await;
    assert!(say(join("#general", chat.clone())).await.contains("are now bridged"));
    assert!(say(join("#calls", chat.clone())).await.contains("is already bridged with #general"));
    let slack = &world.sandbox.slack;
    slack.say(&slack.person("user6@example.com"), &slack.channel_id("general"), "hi", None, &[]);
    world.settle().await;
    // After the bot's welcome.
    assert_eq!(portal.conversation(&chat)[1..], ["[b]user6:[/b] hi"]);
    let channel = slack.channel_id("general");
    let page = browser.press("/admin/bridges/part", &[("channel", &channel)]).await.text;
    assert!(page.contains("No channel is bridged"), "{page}");
}

/// A company whose deals are synced with a database, and an administrator's browser.
async fn synced() -> (World, Browser) {
    let world = World::start_mirrored(false, |sandbox| {
        let (database, _) = sandbox.notion.add_database("<b>Deals</b>", &json!({}));
        json!({"databases": [{"name": "<b>Deals</b>", "database": database, "records": "deal", "page": []}]})
    })
    .await;
    let browser = Browser::administrator(&world).await;
    (world, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn notions_webhooks_are_subscribed_on_its_page() {
    let (world, browser) = synced().await;
    let page = browser.get("/admin/notion").await.text;
    assert!(page.contains("not read yet"), "{page}");
    assert!(page.contains("&lt;b&gt;Deals") && !page.contains("<b>Deals"), "a database's name is text: {page}");
    // The address, then the token to paste.
    let page = browser.press("/admin/notion/webhook", &[]).await.text;
    let key = page.split("/webhooks/notion/").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (secret, status) = world.sandbox.notion.subscribe(&world.notion_webhook(&key)).await;
    assert_eq!(status, 200);
    assert!(browser.get("/admin/notion").await.text.contains(&secret));
    world.clock.advance(Duration::from_secs(16 * 60));
    assert!(!browser.get("/admin/notion").await.text.contains(&secret), "not shown for longer than it is needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_run_are_begun_on_the_page_which_shows_when_they_are_done() {
    let (world, browser) = synced().await;
    for (dry, said) in [("yes", "Pages to create: "), ("", "Pages created: ")] {
        browser.press("/admin/notion/backfill", &[("database", "<b>Deals</b>"), ("dry", dry)]).await;
        let page = browser.get("/admin/notion").await.text;
        assert!(page.contains("hx-get=\"/admin/notion/runs\""), "it looks again by itself: {page}");
        world.settle().await;
        let page = browser.get("/admin/notion").await.text;
        assert!(page.contains(said) && !page.contains("hx-get"), "{page}");
    }
    let source = world.sandbox.notion.database("<b>Deals</b>").unwrap().1;
    assert_eq!(world.sandbox.notion.rows(&source).len(), world.sandbox.portal.ids(DEAL).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_shown_on_the_page_and_undone_there() {
    let (world, browser) = synced().await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    world.subscribe().await;
    let deal = portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let rows = notion.rows(&notion.database("<b>Deals</b>").unwrap().1);
    let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap();
    let row = row["id"].as_str().unwrap();

    world.clock.advance(Duration::from_secs(600));
    notion.edit(row, &json!({"Name": {"title": [{"text": {"content": "<i>Notion</i>"}}]}})).unwrap();
    world.clock.advance(Duration::from_secs(90));
    portal.change_item(DEAL, deal, json!({"title": "Portal"}));
    world.settle().await;
    assert_eq!(notion.shown(row, "Name"), "Portal");
    let page = browser.get("/admin/notion").await.text;
    assert!(page.contains("&lt;i&gt;Notion&lt;/i&gt;") && page.contains("it was edited later"), "{page}");
    let conflict = page.split("name=\"conflict\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let conflict = conflict.replace("&lt;", "<").replace("&gt;", ">");

    assert_eq!(browser.post("/admin/notion/undo", &[("token", "wrong"), ("conflict", &conflict)]).await.status, 403);
    world.settle().await;
    assert_eq!(notion.shown(row, "Name"), "Portal", "a form of another page undoes nothing");
    browser.press("/admin/notion/undo", &[("conflict", &conflict)]).await;
    world.settle().await;
    assert_eq!(notion.shown(row, "Name"), "<i>Notion</i>");
    assert_eq!(portal.item(DEAL, deal).unwrap()["title"], "<i>Notion</i>");
    assert!(browser.get("/admin/notion").await.text.contains("undone by a one-time code"));
}
