//! The administrators' pages, as a browser without scripts would use them.

use std::time::Duration;

use journeys::World;
use platform::people::{Origin, People};
use sandbox::portal::DEAL;
use serde_json::json;

/// A browser: it keeps the cookie and follows where it is sent.
struct Browser {
    http: reqwest::Client,
    base: String,
    cookie: Option<String>,
}

impl Browser {
    fn at(world: &World) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, base: world.slack_webhook.replace("/webhooks/slack", ""), cookie: None }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("content-security-policy") || path.ends_with("css"));
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("sec-fetch-site", "same-origin")
            .body(sandbox::http::encoded(&fields));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        match response.headers().get("location").and_then(|place| place.to_str().ok()) {
            Some(place) => (status, self.get(place).await.1),
            None => (status, response.text().await.unwrap()),
        }
    }

    async fn token(&self) -> String {
        let page = self.get("/admin/people").await.1;
        page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

async fn signed_in(world: &World) -> Browser {
    let mut browser = Browser::at(world);
    let code = ::admin::new_code(&world.engine.ports, &world.tenant).await.unwrap();
    let (status, page) = browser.post("/admin/sign-in", &[("code", &code)]).await;
    assert_eq!(status, 303);
    assert!(page.contains("Overview"), "{page}");
    browser
}

#[tokio::test]
async fn a_code_works_once_and_for_a_while() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    assert!(browser.get("/admin").await.1.contains("One-time code"));
    assert_eq!(browser.post("/admin/sign-in", &[("code", "guess")]).await.0, 401);
    let old = ::admin::new_code(&world.engine.ports, &world.tenant).await.unwrap();
    world.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(browser.post("/admin/sign-in", &[("code", &old)]).await.0, 401);
    let code = ::admin::new_code(&world.engine.ports, &world.tenant).await.unwrap();
    assert_eq!(browser.post("/admin/sign-in", &[("code", &code)]).await.0, 303);
    let mut second = Browser::at(&world);
    assert_eq!(second.post("/admin/sign-in", &[("code", &code)]).await.0, 401);
    world.clock.advance(Duration::from_secs(9 * 60 * 60));
    assert!(browser.get("/admin/people").await.1.contains("One-time code"), "the session has ended");
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let world = World::start().await;
    let mut browser = signed_in(&world).await;
    let ann = world.sandbox.slack.person("user6@example.com");
    let (status, _) = browser.post("/admin/people/link", &[("slack", &ann), ("user", "9"), ("token", "guess")]).await;
    assert_eq!(status, 403);
    let people = People::new(world.engine.ports.store.clone());
    assert!(people.of_slack(&world.tenant, &ann).await.unwrap().is_none());
    let token = browser.token().await;
    browser.post("/admin/sign-out", &[("token", &token)]).await;
    assert!(browser.get("/admin/people").await.1.contains("One-time code"));
}

#[tokio::test]
async fn people_are_linked_by_hand_in_both_directions() {
    let world = World::start().await;
    let slack = &world.sandbox.slack;
    let second = slack.add_person("ann.second@elsewhere.example");
    slack.change_person(&second, |profile| profile.name = "<script>alert(1)</script> Титов".into());
    let mut browser = signed_in(&world).await;
    let page = browser.get("/admin/people").await.1;
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "names are text");
    assert!(page.contains("<button>Анна Титов</button>"), "suggested by the name: {page}");
    let token = browser.token().await;
    let (_, page) = browser.post("/admin/people/link", &[("slack", &second), ("user", "1"), ("token", &token)]).await;
    assert!(page.contains("is Анна Титов now"), "{page}");
    let (_, page) = browser
        .post("/admin/people/link", &[("slack", &second), ("user", "user9@example.com"), ("token", &token)])
        .await;
    assert!(page.contains(" now."), "{page}");
    let people = People::new(world.engine.ports.store.clone());
    // One account is two people now and acts as the last; both are found in it.
    assert_eq!(people.of_slack(&world.tenant, &second).await.unwrap().unwrap().user, 9);
    assert_eq!(people.of_user(&world.tenant, 1).await.unwrap()[0].slack, second);
    browser.post("/admin/people/unlink", &[("slack", &second), ("user", "9"), ("token", &token)]).await;
    assert_eq!(people.of_slack(&world.tenant, &second).await.unwrap().unwrap().user, 1);
    let list = format!("{second}, 12\nnobody@x.example, 1\nnonsense\nuser6@example.com; 1");
    let (_, page) = browser.post("/admin/people/list", &[("list", &list), ("token", &token)]).await;
    assert!(page.contains("2 linked.") && page.contains("line 2") && page.contains("line 3"), "{page}");
    let ann = slack.person("user6@example.com");
    assert_eq!(people.of_slack(&world.tenant, &ann).await.unwrap().unwrap().origin, Origin::Hand);
    // Several accounts are one person.
    browser.post("/admin/people/link", &[("slack", &second), ("user", "1"), ("token", &token)]).await;
    assert_eq!(people.of_user(&world.tenant, 1).await.unwrap().len(), 2);
}

#[tokio::test]
async fn conversations_are_joined_and_parted_on_their_page() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let chat = portal.add_chat("Support", &[1, 6]);
    let mut browser = signed_in(&world).await;
    let token = browser.token().await;
    let join = |channel: &'static str, chat: String| [("channel", channel.to_owned()), ("chat", chat)];
    let mut say = async |fields: [(&str, String); 2]| {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).chain([("token", token.as_str())]).collect();
        browser.post("/admin/bridges/join", &fields).await.1
    };
    assert!(say(join("#nowhere", chat.clone())).await.contains("no channel #nowhere"));
    assert!(say(join("#general", "sales".into())).await.contains("is no chat"));
    assert!(say(join("#general", chat.clone())).await.contains("Add the bot Switchboard"));
    portal.invite_bots(&chat);
    world.settle().await;
    assert!(say(join("#general", chat.clone())).await.contains("are one conversation now"));
    assert!(say(join("#calls", chat.clone())).await.contains("is joined with #general already"));
    let slack = &world.sandbox.slack;
    slack.say(&slack.person("user6@example.com"), &slack.channel_id("general"), "hi", None, &[]);
    world.settle().await;
    // After the bot's welcome.
    assert_eq!(portal.conversation(&chat)[1..], ["[b]user6:[/b] hi"]);
    let channel = slack.channel_id("general");
    let (_, page) = browser.post("/admin/bridges/part", &[("channel", &channel), ("token", &token)]).await;
    assert!(page.contains("No channel is joined"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notion_is_subscribed_backfilled_and_a_conflict_undone_on_its_page() {
    let world = World::start_mirrored(false, |sandbox| {
        let (database, _) = sandbox.notion.add_database("<b>Deals</b>", &json!({}));
        json!({"databases": [{"name": "<b>Deals</b>", "database": database, "records": "deal", "page": []}]})
    })
    .await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    let mut browser = signed_in(&world).await;
    let token = browser.token().await;
    let page = browser.get("/admin/notion").await.1;
    assert!(
        page.contains("not looked at yet") && page.contains("&lt;b&gt;Deals") && !page.contains("<b>Deals"),
        "{page}"
    );

    // The window, the address, the token to paste.
    let (_, page) = browser.post("/admin/notion/webhook", &[("token", &token)]).await;
    let key = page.split("/webhooks/notion/").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (secret, status) = notion.subscribe(&world.notion_webhook(&key)).await;
    assert_eq!(status, 200);
    assert!(browser.get("/admin/notion").await.1.contains(&secret));
    world.clock.advance(Duration::from_secs(16 * 60));
    assert!(!browser.get("/admin/notion").await.1.contains(&secret), "not shown for longer than it is needed");

    // A plan and a run.
    for (dry, said) in [("yes", "pages would be made"), ("", "pages made")] {
        let fields = [("token", token.as_str()), ("database", "<b>Deals</b>"), ("dry", dry)];
        browser.post("/admin/notion/backfill", &fields).await;
        assert!(
            browser.get("/admin/notion").await.1.contains("hx-get=\"/admin/notion/runs\""),
            "it looks again by itself"
        );
        world.settle().await;
        let page = browser.get("/admin/notion").await.1;
        assert!(page.contains(said) && !page.contains("hx-get"), "{page}");
    }
    let deal = portal.ids(DEAL)[0];
    let source = notion.database("<b>Deals</b>").unwrap().1;
    let rows = notion.rows(&source);
    let row =
        rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap()["id"].as_str().unwrap();

    // A conflict, and the other value.
    world.clock.advance(Duration::from_secs(600));
    notion.edit(row, &json!({"Name": {"title": [{"text": {"content": "<i>Notion</i>"}}]}})).unwrap();
    world.clock.advance(Duration::from_secs(90));
    portal.change_item(DEAL, deal, json!({"title": "Portal"}));
    world.settle().await;
    assert_eq!(notion.shown(row, "Name"), "Portal");
    let page = browser.get("/admin/notion").await.1;
    assert!(page.contains("&lt;i&gt;Notion&lt;/i&gt;") && page.contains("it was edited later"), "{page}");
    let conflict = page
        .split("name=\"conflict\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    assert_eq!(browser.post("/admin/notion/undo", &[("token", "wrong"), ("conflict", &conflict)]).await.0, 403);
    browser.post("/admin/notion/undo", &[("token", &token), ("conflict", &conflict)]).await;
    world.settle().await;
    assert_eq!(
        (notion.shown(row, "Name").as_str(), &portal.item(DEAL, deal).unwrap()["title"]),
        ("<i>Notion</i>", &json!("<i>Notion</i>"))
    );
    assert!(browser.get("/admin/notion").await.1.contains("undone by a one-time code"));
}
