//! The chatbot in Bitrix24: welcomes, phrases, commands; there again when it vanished.

use std::time::Duration;

use journeys::estate::Estate;
use serde_json::json;
use simulators::portal::DEAL;

async fn estate() -> Estate {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    estate
}

async fn with_settings(estate: &Estate, settings: serde_json::Value) {
    let mut all = json!({"routes": [], "operators": {"channel": "#ops", "watch": []}});
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    estate.connections.portals().set_settings(&estate.tenant(0), all).await.unwrap();
    estate.clock.advance(Duration::from_secs(61));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_there_after_installing_and_welcomes_in_the_chats_language() {
    let estate = estate().await;
    let portal = &estate.sandbox.portals[0];
    assert_eq!(portal.bots().len(), 1);
    assert_eq!(portal.commands(), ["slack", "notion", "status"]);
    let chat = portal.add_chat("Sales", &[1, 6]);
    portal.invite_bots(&chat);
    estate.settle().await;
    let said = portal.conversation(&chat);
    assert_eq!(said.len(), 1);
    for part in ["Hello! I am Switchboard", "/b24-bridge", "[b]/slack[/b] text", "[b]/status[/b]"] {
        assert!(said[0].contains(part), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_who_writes_to_it_alone() {
    let estate = estate().await;
    let portal = &estate.sandbox.portals[0];
    with_settings(&estate, json!({"bot": {"phrases": [{"says": ["Opening hours"], "answer": "[b]9 to 5[/b]"}]}})).await;
    for (said, answered) in [
        ("HELLO", "Hello! I am Switchboard"),
        ("help", "Here is what I can do"),
        ("opening hours!", "[b]9 to 5[/b]"),
        ("Status", "Connected: Bitrix24, Slack."),
        ("what?", "Here is what I can do"),
    ] {
        portal.write_to_bots(6, said);
        estate.settle().await;
        let told = portal.private_conversation(6);
        assert!(told.last().unwrap().contains(answered), "{said}: {told:?}");
    }
    // One answer each, and none to itself.
    assert_eq!(portal.private_conversation(6).len(), 10);

    with_settings(&estate, json!({"bot": {"otherwise": "echo"}})).await;
    portal.write_to_bots(6, "say [send=/x]this[/send]");
    estate.settle().await;
    let told = portal.private_conversation(6).pop().unwrap();
    assert!(told.contains("this") && !told.contains("[send="), "{told}");
    with_settings(&estate, json!({"bot": {"otherwise": "nothing"}})).await;
    portal.write_to_bots(6, "quiet?");
    estate.settle().await;
    assert!(portal.private_conversation(6).last().unwrap().contains("quiet?"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_commands_post_find_and_tell() {
    let estate = estate().await;
    let portal = &estate.sandbox.portals[0];
    let chat = portal.add_chat("Sales", &[1, 6]);
    portal.invite_bots(&chat);
    estate.settle().await;
    assert!(portal.type_command(6, &chat, "slack", "hello there"));
    estate.settle().await;
    assert!(portal.conversation(&chat).pop().unwrap().contains("is not bridged with a Slack channel"));

    with_settings(&estate, json!({"bridges": [{"channel": "#general", "chat": chat}]})).await;
    portal.type_command(6, &chat, "slack", "hello there");
    estate.settle().await;
    assert_eq!(estate.channel(0, "general"), ["hello there"]);
    assert!(portal.conversation(&chat).pop().unwrap().contains("Posted to #general."));
    portal.type_command(6, &chat, "status", "");
    estate.settle().await;
    let told = portal.conversation(&chat).pop().unwrap();
    assert!(told.contains("bridged with the Slack channel #general") && told.contains("Deals in progress"), "{told}");
    portal.type_command(6, "", "notion", "Roof");
    estate.settle().await;
    assert!(portal.private_conversation(6).pop().unwrap().contains("Notion sync is not set up"));
    // What people say to each other goes to Slack, commands do not; what is said to the bot is answered, too.
    let bot = portal.bots()[0];
    portal.write(6, &chat, &format!("[USER={bot}]Switchboard[/USER] hello"), None, &[]);
    estate.settle().await;
    assert!(portal.conversation(&chat).pop().unwrap().contains("This chat is bridged with a Slack channel"));
    assert_eq!(estate.channel(0, "general").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_deal_is_found() {
    let estate = estate().await;
    let (portal, notion) = (&estate.sandbox.portals[0], &estate.sandbox.notion);
    let (database, _) = notion.add_database("Deals", &json!({"Stage": {"select": {"options": []}}}));
    let settings =
        json!({"routes": [], "notion": {"databases": [{"name": "Deals", "database": database, "records": "deal"}]}});
    let tenant = estate.tenant(0);
    estate.connections.connect_notion_by_token(&tenant, &notion.token().to_owned().into()).await.unwrap();
    estate.connections.portals().set_settings(&tenant, settings).await.unwrap();
    estate.clock.advance(Duration::from_secs(61));
    estate.upkeep().await;
    let deal = portal.add_item(DEAL, json!({"title": "Roof for ACME", "observers": [6]}));
    let hidden = portal.add_deal("Roof of somebody else", 1, "EUR");
    estate.settle().await;
    for asked in ["Roof", &deal.to_string()] {
        portal.type_command(6, "", "notion", asked);
        estate.settle().await;
        let told = portal.private_conversation(6).pop().unwrap();
        assert!(told.contains("https://www.notion.so/") && told.contains("(Deals)"), "{asked}: {told}");
        assert!(!told.contains("somebody else"), "only what who asks may see: {told}");
    }
    for asked in ["nothing like that", "somebody else", &hidden.to_string()] {
        portal.type_command(6, "", "notion", asked);
        estate.settle().await;
        let told = portal.private_conversation(6).pop().unwrap();
        assert_eq!(told, format!("No page found for {asked}."));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_deleted_or_vanished_is_there_again_with_its_commands() {
    let estate = estate().await;
    let portal = &estate.sandbox.portals[0];
    portal.delete_bots();
    estate.settle().await;
    estate.upkeep().await;
    assert_eq!((portal.bots().len(), portal.commands().len()), (1, 3));
    // Without a word.
    portal.forget_bots();
    estate.clock.advance(Duration::from_secs(2 * 3600));
    estate.upkeep().await;
    assert_eq!(portal.bots().len(), 1);
    portal.write_to_bots(6, "hello");
    estate.settle().await;
    assert!(portal.private_conversation(6).pop().unwrap().contains("I am Switchboard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_portal_has_it_too() {
    let estate = Estate::start(1).await;
    let portal = &estate.sandbox.portals[0];
    portal.use_old_bots(true);
    estate.install(0).await;
    assert_eq!(portal.commands(), ["slack", "notion", "status"]);
    portal.write_to_bots(6, "hello");
    estate.settle().await;
    assert!(portal.private_conversation(6).pop().unwrap().contains("I am Switchboard"));
    assert!(portal.type_command(6, "", "status", ""));
    estate.settle().await;
    assert!(portal.private_conversation(6).pop().unwrap().contains("Connected: Bitrix24, Slack."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_from_the_portal_is_refused_without_help_for_an_attacker() {
    let estate = estate().await;
    let tenant = estate.tenant(0);
    let http = reqwest::Client::new();
    let body = |token: &str| {
        format!(
            "event=ONIMBOTV2MESSAGEADD&data[bot][id]=456&data[message][id]=1&data[chat][dialogId]=6&auth[member_id]={tenant}{token}"
        )
    };
    for (query, token) in [
        ("", ""),
        ("", "&auth[application_token]=wrong"),
        ("?key=wrong", "&auth[application_token]=wrong"),
        ("?key=", "&auth[application_token]="),
    ] {
        for path in ["/webhooks/bitrix24".to_owned(), format!("/webhooks/{tenant}/bitrix24")] {
            let request = http.post(format!("{}{path}{query}", estate.url));
            let answer = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body(token))
                .send()
                .await
                .unwrap();
            let (status, told) = journeys::estate::json_of(answer).await;
            assert_eq!((status, told["error"].as_str()), (401, Some("wrong_token")), "{path}{query} {token}");
            assert!(told["message"].as_str().unwrap().contains("application_token"));
        }
    }
}
