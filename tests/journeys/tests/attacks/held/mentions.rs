//! Mentions of everybody, buttons and links that run something: typed on one side, they are text on the other.

use journeys::estate::Estate;
use journeys::{Stage, World};
use runtime::clock::Clock;
use serde_json::{Value, json};
use simulators::portal::{DEAL, LEAD};
use tenants::api_keys::{ApiKeys, Scope};

use super::{Administrator, client, sent};

/// Slack's markup: who is called, and where a link leads.
const OF_SLACK: [&str; 19] = [
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "<!here|here>",
    "<!channel|@channel>",
    "<@U0PERSON05>",
    "<@U0PERSON05|friend>",
    "<#C0SAND0001>",
    "<#C0SAND0001|general>",
    "<!subteam^S0SALES01>",
    "<!subteam^S0SALES01|@sales>",
    "<!date^1392734382^{date}|x>",
    "<javascript:alert(1)|click>",
    "<https://evil.example|https://bank.example>",
    "&lt;!channel&gt;",
    "*<!channel>* _<!here>_ ~<!everyone>~",
    "`<!channel>`",
    "\n> <!channel>\n",
    "<\u{200b}!channel><!channel>",
];

/// Bitrix24's markup: who is called, what a button sends, and where a link leads.
const OF_BITRIX24: [&str; 22] = [
    "[USER=all]all[/USER]",
    "[user=all]",
    "[USER=1]boss[/USER]",
    "[USER=1]",
    "[user=1 REPLACE]boss[/user]",
    "[send=/x]boo[/send]",
    "[SEND]boo[/SEND]",
    "[put=/x]boo[/put]",
    "[PUT]boo[/PUT]",
    "[url=javascript:alert(1)]x[/url]",
    "[URL]javascript:alert(1)[/URL]",
    "[URL=data:text/html,x]x[/URL]",
    "[call=112]x[/call]",
    "[pch=1]x[/pch]",
    "[context=chat1/1]x[/context]",
    "[chat=1]x[/chat]",
    "[disk=1]",
    "[img]https://evil.example/x.png[/img]",
    "[icon=https://evil.example/x.png]",
    "[b][send=/x]boo[/send][/b]",
    "[[send=/x]boo[/send]",
    "[send=[send=/x]boo[/send]]boo[/send]",
];

/// What of a message in Slack would call somebody, or lead where no link may lead.
fn alive_in_slack(message: &Value) -> Option<String> {
    let in_text = |text: &str| {
        let found = [
            "<!channel",
            "<!here",
            "<!everyone",
            "<!subteam",
            "<!date",
            "<#",
            "<@U0PERSON05",
            "<javascript",
            "<https://evil.example|https://bank",
        ];
        found.iter().find(|mark| text.contains(**mark)).map(|mark| format!("{mark} in {text:?}"))
    };
    match message {
        Value::Object(map) => {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
            let calls = match kind {
                "broadcast" | "usergroup" | "channel" => Some(format!("an element {message}")),
                "user" if map.get("user_id").is_some_and(|id| id == "U0PERSON05") => {
                    Some(format!("an element {message}"))
                }
                "link" | "button" => {
                    let url = map.get("url").and_then(Value::as_str).unwrap_or("https://");
                    let is_web =
                        ["https://", "http://", "mailto:", "tel:"].iter().any(|scheme| url.starts_with(scheme));
                    (!is_web).then(|| format!("an element {message}"))
                }
                _ => None,
            };
            // Plain text is shown as it is, and so is the text of an element.
            let is_markup = kind == "mrkdwn" || map.contains_key("ts") || map.contains_key("response_type");
            let text = map.get("text").and_then(Value::as_str).filter(|_| is_markup || kind.is_empty());
            calls.or_else(|| text.and_then(in_text)).or_else(|| map.values().find_map(alive_in_slack))
        }
        Value::Array(list) => list.iter().find_map(alive_in_slack),
        _ => None,
    }
}

/// What of a text in Bitrix24 would call somebody, be a button, or lead where no link may lead.
fn alive_in_bitrix24(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let tags = ["user", "send", "put", "call", "pch", "context", "chat", "disk", "img", "icon", "attach"];
    for (place, _) in lower.match_indices('[') {
        let tag = &lower[place + 1..];
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphabetic).collect();
        let ends = tag.trim_start_matches('/')[name.len()..].starts_with(['=', ']', ' ']);
        let runs = name == "url"
            && ["url=javascript", "url=data", "url]javascript", "url]data", "url=/"]
                .iter()
                .any(|way| tag.starts_with(way));
        if (tags.contains(&name.as_str()) && ends) || runs {
            return Some(format!("[{} in {text:?}", tag.chars().take(20).collect::<String>()));
        }
    }
    None
}

#[test]
fn the_checks_themselves_find_what_is_alive() {
    for text in OF_SLACK.iter().filter(|text| !text.starts_with("&lt;") && **text != "<@U0PERSON05|friend") {
        assert!(alive_in_slack(&json!({"ts": "1", "text": text})).is_some(), "{text}");
        assert!(alive_in_slack(&json!({"blocks": [{"text": {"type": "mrkdwn", "text": text}}]})).is_some(), "{text}");
    }
    assert!(alive_in_slack(&json!({"elements": [{"type": "broadcast", "range": "channel"}]})).is_some());
    assert_eq!(alive_in_slack(&json!({"ts": "1", "text": "&lt;!channel&gt; @channel"})), None);
    for text in OF_BITRIX24 {
        assert!(alive_in_bitrix24(text).is_some(), "{text}");
    }
    assert_eq!(alive_in_bitrix24("[b]x[/b] [\u{200b}send=/x] [url=https://a.example]users[/url]"), None);
}

/// Everything that people read in Slack: channels, direct messages, and what one alone was told.
fn all_in_slack(world: &World) -> Vec<Value> {
    let slack = &world.sandbox.slack;
    let mut all: Vec<Value> = slack
        .save()
        .as_object()
        .map(|channels| channels.values().cloned().collect::<Vec<_>>())
        .unwrap_or_default()
        .iter()
        .flat_map(|channel| channel["messages"].as_array().cloned().unwrap_or_default())
        .collect();
    all.extend(slack.people().iter().flat_map(|person| slack.whispers(&person.id)));
    all
}

/// The words of all of them, without what is put in to keep markup apart.
fn words(messages: &[Value]) -> String {
    messages.iter().map(Value::to_string).collect::<String>().replace('\u{200b}', "")
}

#[tokio::test]
async fn a_title_or_a_text_of_the_crm_is_text_in_slack() {
    let world = World::start_on(Stage::Sockets).await;
    let portal = &world.sandbox.portal;
    portal.limit_calls(false);
    world.sandbox.slack.limit_calls(false);
    for text in OF_SLACK.iter().chain(&OF_BITRIX24) {
        let before = all_in_slack(&world).len();
        let deal = portal.add_deal(&format!("Deal {text}"), 1, "EUR");
        portal.move_deal(deal, "EXECUTING");
        portal.change_item(DEAL, deal, json!({"comments": text, "sourceDescription": text}));
        portal.add_lead(&format!("Lead {text}"));
        let task = json!({"TITLE": format!("Task {text}"), "DESCRIPTION": text, "RESPONSIBLE_ID": 6, "CREATED_BY": 1});
        let task = portal.add_task(task);
        portal.comment(task, 1, &format!("Comment {text}"));
        world.settle().await;
        let all = all_in_slack(&world);
        assert!(all.len() > before + 2, "{text}: nobody was told anything");
        for message in &all {
            assert_eq!(alive_in_slack(message), None, "{text}");
        }
    }
    let told = words(&all_in_slack(&world));
    assert!(told.contains("Deal &lt;!channel&gt;"), "the title is there, as text");
    assert!(told.contains("&amp;lt;!channel&amp;gt;"), "what was escaped already is escaped once more");
    assert_eq!(world.sandbox.slack.refused_blocks(), 0);
}

/// A channel and a chat that are one conversation, joined on their page.
async fn bridged(world: &World, name: &str) -> String {
    let portal = &world.sandbox.portal;
    let chat = portal.add_chat(name, &[1, 6]);
    let own = Administrator::of_world(world).await;
    own.submit("/admin/bridges/join", &[("channel", "#general"), ("chat", &chat)]).await;
    portal.invite_bots(&chat);
    world.settle().await;
    own.submit("/admin/bridges/join", &[("channel", "#general"), ("chat", &chat)]).await;
    world.settle().await;
    chat
}

#[tokio::test]
async fn what_is_written_in_a_chat_is_text_in_slack() {
    let world = World::start_on(Stage::Sockets).await;
    let (portal, slack) = (&world.sandbox.portal, &world.sandbox.slack);
    let chat = bridged(&world, "Support <!channel> <@U0PERSON05>").await;
    let before = slack.messages("general").len();
    // A colleague who is called by name is called on both sides; nobody else is.
    let texts: Vec<_> =
        OF_SLACK.iter().chain(&OF_BITRIX24).filter(|text| !text.to_lowercase().contains("user=1")).collect();
    for text in &texts {
        let message = portal.write(1, &chat, &format!("{text} said"), None, &[]);
        world.settle().await;
        portal.edit(&chat, message, &format!("{text} corrected"));
        world.settle().await;
        portal.write(1, &chat, &format!("{text} answered"), Some(message), &[]);
        world.settle().await;
        for message in all_in_slack(&world) {
            assert_eq!(alive_in_slack(&message), None, "{text}");
        }
    }
    let file = portal.attach(&chat, "<!channel>.png", vec![1, 2, 3]);
    portal.write(1, &chat, "a file", None, &[file]);
    world.settle().await;
    for message in all_in_slack(&world) {
        assert_eq!(alive_in_slack(&message), None, "a file's name");
    }
    assert!(slack.messages("general").len() >= before + 2 * texts.len(), "not all of it arrived");
    assert!(words(&slack.messages("general")).contains("!channel"), "it is there, as text");
}

#[tokio::test]
async fn what_is_written_in_slack_is_text_in_a_chat() {
    let world = World::start_on(Stage::Sockets).await;
    let (portal, slack) = (&world.sandbox.portal, &world.sandbox.slack);
    let chat = bridged(&world, "Support").await;
    let (ann, channel) = (slack.person("user6@example.com"), slack.channel_id("general"));
    let typed = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut said = 0;
    for text in OF_BITRIX24.iter().chain(&OF_SLACK) {
        // As a person types it, and as a program posts it.
        for text in [typed(text), (*text).to_owned()] {
            let ts = slack.say(&ann, &channel, &format!("{text} said"), None, &[]);
            world.settle().await;
            slack.edit(&channel, &ts, &format!("{text} corrected"));
            world.settle().await;
            slack.say(&ann, &channel, &format!("{text} answered"), Some(&ts), &[]);
            world.settle().await;
            said += 2;
            let names_a_colleague = text.starts_with("<@");
            for line in portal.conversation(&chat).iter().filter(|line| !line.starts_with("Hello!")) {
                assert!(
                    names_a_colleague || alive_in_bitrix24(line).is_none(),
                    "{text}: {:?}",
                    alive_in_bitrix24(line)
                );
            }
            if names_a_colleague {
                slack.delete(&channel, &ts);
                world.settle().await;
                said -= 2;
                for message in slack.messages("general").iter().rev().take(1) {
                    slack.delete(&channel, message["ts"].as_str().unwrap());
                }
                world.settle().await;
            }
        }
    }
    assert!(portal.conversation(&chat).len() >= said, "not all of it arrived");
    // Names and files.
    for text in OF_BITRIX24 {
        let person = slack.add_person(&format!("p{said}@elsewhere.example"));
        slack.change_person(&person, |profile| profile.name = text.into());
        said += 1;
        let file = slack.attach(&person, &format!("{}.png", text.replace('/', "")), vec![1, 2, 3]);
        let before = portal.messages(&chat).len();
        slack.say(&person, &channel, "my name is", None, &[&file]);
        world.settle().await;
        let rows = portal.messages(&chat).split_off(before);
        assert_eq!(rows.len(), 2, "the text and the file of {text}");
        for row in rows {
            let line = row["text"].as_str().unwrap();
            assert_eq!(alive_in_bitrix24(line), None, "the name {text}");
        }
    }
}

#[tokio::test]
async fn what_a_command_brings_into_the_crm_is_text_there_and_in_the_answer() {
    let world = World::start_on(Stage::Sockets).await;
    let (portal, slack) = (&world.sandbox.portal, &world.sandbox.slack);
    portal.limit_calls(false);
    let (ann, channel) = (slack.person("user6@example.com"), slack.channel_id("general"));
    let typed = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('|', "/").replace('\n', " ")
    };
    for text in OF_BITRIX24.iter().chain(&OF_SLACK) {
        let text = typed(text);
        let (leads, tasks) = (portal.ids(LEAD).len(), portal.task_ids().len());
        slack.command(&ann, &channel, "/b24-lead", &format!("Company {text} | wants {text}")).await;
        slack.command(&ann, &channel, "/b24-task", &format!("Task {text} | about {text}")).await;
        slack.command(&ann, &channel, "/b24-deal", &text).await;
        slack.command(&ann, &channel, "/b24-nothing", &text).await;
        world.settle().await;
        assert_eq!((portal.ids(LEAD).len(), portal.task_ids().len()), (leads + 1, tasks + 1), "{text}");
        let lead = portal.item(LEAD, *portal.ids(LEAD).last().unwrap()).unwrap();
        let comments = lead["comments"].as_str().unwrap();
        assert!(comments.contains("wants"), "{text}: {comments}");
        assert_eq!(alive_in_bitrix24(comments), None, "{text}");
        let task = portal.task(*portal.task_ids().last().unwrap()).unwrap();
        assert_eq!(alive_in_bitrix24(task["description"].as_str().unwrap()), None, "{text}");
        for message in all_in_slack(&world) {
            assert_eq!(alive_in_slack(&message), None, "{text}");
        }
    }
    assert!(words(&slack.whispers(&ann)).contains("&lt;!channel&gt;"), "the answer says what was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_and_the_api_repeat_what_they_were_told_as_text() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let (portal, tenant) = (&estate.sandbox.portals[0], estate.tenant(0));
    portal.limit_calls(false);
    let settings = json!({"routes": [], "operators": {"channel": "#ops", "watch": []}, "bot": {"otherwise": "echo"}});
    estate.connections.portals().set_settings(&tenant, settings).await.unwrap();
    estate.clock.advance(std::time::Duration::from_secs(61));
    let keys = ApiKeys::new(estate.engine.backend.store.clone());
    let (_, key) = keys.make(&tenant, "held", &[Scope::Intake], estate.clock.now()).await.unwrap();
    let name = format!("{}: ", portal.name_of(6));
    for (index, text) in OF_BITRIX24.iter().chain(&OF_SLACK).enumerate() {
        portal.write_to_bots(6, &format!("say {text}"));
        estate.settle().await;
        portal.type_command(6, "", "notion", text);
        estate.settle().await;
        let told = portal.private_conversation(6);
        let answers: Vec<_> =
            told.iter().filter(|line| !line.starts_with(&name) && !line.contains("Switchboard")).collect();
        assert!(answers.len() > index, "{text}: {told:?}");
        for answer in answers {
            assert_eq!(alive_in_bitrix24(answer), None, "the bot, to {text}");
        }
        let order =
            json!({"title": format!("Order {text}"), "comment": text, "contact": {"last_name": text, "comment": text}});
        let request = client().post(format!("{}/api/v1/{tenant}/deals", estate.url)).bearer_auth(&key);
        let reply = sent(request.header("idempotency-key", index.to_string()).body(order.to_string())).await;
        assert_eq!(reply.status, 201, "{text}: {}", reply.text);
        estate.clock.advance(std::time::Duration::from_secs(1));
        let deal = portal.item(DEAL, reply.json()["id"].as_u64().unwrap()).unwrap();
        assert_eq!(alive_in_bitrix24(deal["comments"].as_str().unwrap()), None, "a deal's comment {text}");
        let contact = portal.item(simulators::portal::CONTACT, deal["contactIds"][0].as_u64().unwrap()).unwrap();
        assert_eq!(alive_in_bitrix24(contact["comments"].as_str().unwrap()), None, "a contact's comment {text}");
    }
}
