//! A Slack channel and a Bitrix24 chat that are one conversation.

use std::time::Duration;

use jobs::queues;
use journeys::random::Random;
use journeys::{EventOrder, World};
use serde_json::json;
use simulators::{Fault, When};

use crate::bridged::{Bridged, said_in};

#[tokio::test]
async fn what_is_said_on_one_side_is_read_on_both() {
    let bridge = Bridged::start().await;
    bridge.says(&bridge.ann, "hello there").await;
    bridge.writes(1, "hi [b]Ann[/b], see [url=https://a.example/]this[/url]").await;
    bridge.says(&bridge.ann, "*bold* &amp; <https://b.example|b> <!channel> [send=/x]boo[/send] :wave:").await;
    assert_eq!(
        bridge.in_bitrix24(),
        [
            "[b]user6:[/b] hello there",
            "User 1: hi [b]Ann[/b], see [url=https://a.example/]this[/url]",
            "[b]user6:[/b] [b]bold[/b] & [url=https://b.example]b[/url] @channel [\u{200b}send=/x]boo[\u{200b}/send] 👋",
        ]
        .map(|line| line.replace("User 1", &name_of(&bridge, 1)))
    );
    let posted = bridge.messages()[1].clone();
    assert_eq!(posted["text"].as_str().unwrap().replace('\u{200b}', ""), "hi *Ann*, see <https://a.example/|this>");
    assert_eq!(posted["username"], name_of(&bridge, 1).as_str());
    assert!(posted["icon_url"].as_str().unwrap().contains("avatars.example"), "{posted}");
    assert_eq!(posted["blocks"][0]["type"], "rich_text");
    bridge.nothing_is_stuck().await;
    let ledger = bridge.world.ledger().await;
    assert!(ledger.iter().any(|line| line.contains("echo")), "{ledger:#?}");
    assert_eq!(bridge.world.sandbox.slack.refused_blocks(), 0);
}

fn name_of(bridge: &Bridged, user: u64) -> String {
    let users = bridge.world.sandbox.portal.users();
    let row = users.iter().find(|row| row["ID"] == user.to_string().as_str()).unwrap();
    format!("{} {}", row["NAME"].as_str().unwrap(), row["LAST_NAME"].as_str().unwrap())
}

#[tokio::test]
async fn an_edit_is_an_edit_and_a_deletion_a_deletion() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "frist").await;
    slack.unfold(&bridge.channel, &ts);
    slack.edit(&bridge.channel, &ts, "first");
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] first"]);
    let id = bridge.writes(1, "secnd").await;
    portal.edit(&bridge.chat, id, "second");
    bridge.world.settle().await;
    assert_eq!(bridge.in_slack()[1], format!("{}: second", name_of(&bridge, 1)));
    slack.delete(&bridge.channel, &ts);
    portal.delete(&bridge.chat, id);
    bridge.world.settle().await;
    assert_eq!((bridge.in_bitrix24().len(), bridge.in_slack().len()), (0, 0), "{:?}", bridge.in_slack());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn threads_are_answers_and_answers_threads() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "who goes?").await;
    slack.say(&bridge.admin, &bridge.channel, "I do", Some(&ts), &[]);
    bridge.world.settle().await;
    let rows = bridge.rows();
    assert_eq!(rows[1]["params"]["replyId"], rows[0]["id"]);
    portal.write(1, &bridge.chat, "me too", rows[1]["id"].as_u64(), &[]);
    let own = bridge.writes(1, "another matter").await;
    portal.write(1, &bridge.chat, "indeed", Some(own), &[]);
    bridge.world.settle().await;
    let messages = slack.messages("general");
    let find = |text: &str| messages.iter().find(|message| message["text"] == text).unwrap().clone();
    assert_eq!(find("me too")["thread_ts"], ts.as_str());
    assert_eq!(find("indeed")["thread_ts"], find("another matter")["ts"]);
    assert!(
        find("another matter")["thread_ts"].is_null()
            || find("another matter")["thread_ts"] == find("another matter")["ts"]
    );
    // A thread's first message that is deleted leaves a tombstone in Slack; its copy goes.
    slack.delete(&bridge.channel, &ts);
    bridge.world.settle().await;
    assert!(!bridge.in_bitrix24().iter().any(|line| line.contains("who goes?")));
    assert!(bridge.in_bitrix24().iter().any(|line| line.contains("I do")));
}

#[tokio::test]
async fn people_are_mentioned_where_they_are_known() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    let stranger = slack.add_person("guest@elsewhere.example");
    bridge.says(&bridge.ann, &format!("ask <@{}> or <@{stranger}>", bridge.admin)).await;
    let name = name_of(&bridge, 1);
    assert_eq!(bridge.in_bitrix24(), [format!("[b]user6:[/b] ask [user=1]{name}[/user] or @guest")]);
    bridge.writes(6, &format!("[user=1]{name}[/user] and [user=3]Nine[/user] [user=all]all[/user]")).await;
    let text = bridge.in_slack()[1].clone();
    assert!(text.contains(&format!("<@{}> and @Nine @all", bridge.admin)), "{text}");
}

#[tokio::test]
async fn reactions_go_as_far_as_both_have_them() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "done").await;
    let id = bridge.rows()[0]["id"].as_u64().unwrap();
    slack.react(&bridge.admin, &bridge.channel, &ts, "+1", true);
    slack.react(&bridge.ann, &bridge.channel, &ts, "heart", true);
    slack.react(&bridge.ann, &bridge.channel, &ts, "party_parrot", true);
    bridge.world.settle().await;
    let likes = || bridge.rows()[0]["reactions"]["like"].as_array().map_or(0, Vec::len);
    assert_eq!(likes(), 1);
    slack.react(&bridge.admin, &bridge.channel, &ts, "+1", false);
    bridge.world.settle().await;
    assert_eq!(likes(), 1, "one heart is left");
    slack.react(&bridge.ann, &bridge.channel, &ts, "heart", false);
    bridge.world.settle().await;
    assert_eq!(likes(), 0);
    portal.react(6, &bridge.chat, id, "laugh", true);
    bridge.world.settle().await;
    let reactions = || {
        let message = &bridge.messages()[0];
        let names = message["reactions"].as_array().into_iter().flatten().map(|reaction| reaction["name"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(reactions(), ["party_parrot", "joy"]);
    portal.react(6, &bridge.chat, id, "laugh", false);
    bridge.world.settle().await;
    assert_eq!(reactions(), ["party_parrot"]);
}

#[tokio::test]
async fn files_go_both_ways_whole_and_after_their_text() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let picture: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let file = slack.attach(&bridge.ann, "roof plan.png", picture.clone());
    slack.say(&bridge.ann, &bridge.channel, "the plan", None, &[&file]);
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] the plan", "[b]user6:[/b] [roof plan.png]"]);
    assert_eq!(portal.shared_files(&bridge.chat)[0].1, picture);
    let file = portal.attach(&bridge.chat, "offer.pdf", picture[..1000].to_vec());
    portal.write(1, &bridge.chat, "our offer", None, &[file]);
    bridge.world.settle().await;
    let uploads = slack.uploads();
    assert_eq!((uploads.len(), uploads[0].0.as_str(), &uploads[0].1[..]), (1, "offer.pdf", &picture[..1000]));
    let lines = bridge.in_slack();
    assert!(lines[1].ends_with("our offer") && lines[2].contains(&name_of(&bridge, 1)), "{lines:?}");
    // Files of a deleted message go with it.
    let id =
        portal.messages(&bridge.chat).iter().find(|row| row["text"] == "our offer").unwrap()["id"].as_u64().unwrap();
    portal.delete(&bridge.chat, id);
    bridge.world.settle().await;
    assert_eq!(bridge.in_slack().len(), 1, "{:?}", bridge.in_slack());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_file_that_cannot_go_leaves_a_word_and_no_token() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let huge = slack.attach(&bridge.ann, "film.mov", vec![1, 2, 3]);
    slack.pretend_size(&huge, 300 * 1024 * 1024);
    let gone = slack.attach(&bridge.ann, "gone.txt", vec![1]);
    let shared = slack.attach(&bridge.ann, "asked.txt", vec![7; 10]);
    slack.change_file(&gone, true, false);
    slack.change_file(&shared, false, true);
    slack.say(&bridge.ann, &bridge.channel, "look", None, &[&huge, &gone, &shared]);
    bridge.world.settle().await;
    let lines = bridge.in_bitrix24();
    assert!(
        lines[1].contains("film.mov (300 MB): it is too large to copy")
            && lines[1].contains("sandbox.slack.com/files/"),
        "{lines:?}"
    );
    assert!(lines[2].contains("it no longer exists"), "{lines:?}");
    assert!(lines[3].contains("[asked.txt]"), "{lines:?}");
    // Without files:read Slack shows its login page, with 200.
    slack.let_files_be_read(false);
    let secret = slack.attach(&bridge.ann, "secret.png", vec![9; 100]);
    slack.say(&bridge.ann, &bridge.channel, "", None, &[&secret]);
    bridge.world.settle().await;
    assert!(
        bridge.in_bitrix24()[4].contains("Slack does not allow the app to read it (files:read)"),
        "{:?}",
        bridge.in_bitrix24()
    );
    let large = portal.attach(&bridge.chat, "large.iso", vec![1]);
    portal.change_file(large, Some(500 * 1024 * 1024), false);
    let vanished = portal.attach(&bridge.chat, "vanished.doc", vec![1]);
    portal.change_file(vanished, None, true);
    portal.write(1, &bridge.chat, "two files", None, &[large, vanished]);
    bridge.world.settle().await;
    let all = bridge.in_slack().join("\n");
    assert!(all.contains("Bitrix24 does not allow the app to read it") && all.contains("IM_DIALOG=chat"), "{all}");
    let everything = format!("{all}{:?}", bridge.in_bitrix24());
    assert!(
        !everything.contains("xoxb-") && !everything.contains("token=") && !everything.contains("download"),
        "{everything}"
    );
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn as_many_characters_as_a_message_can_have_arrive_in_parts_and_whole() {
    let bridge = Bridged::start().await;
    let text = "слово ".repeat(6_600);
    let ts = bridge.says(&bridge.ann, text.trim()).await;
    let parts = bridge.in_bitrix24();
    assert!(parts.len() >= 2 && parts.iter().all(|part| part.chars().count() <= 20_000), "{}", parts.len());
    let words: usize = parts.iter().map(|part| part.matches("слово").count()).sum();
    assert_eq!(words, 6_600);
    // Shortened to a word, the other parts go.
    bridge.world.sandbox.slack.edit(&bridge.channel, &ts, "short");
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] short"]);
    // And grown again, they are there again, before what came after.
    bridge.world.sandbox.slack.edit(&bridge.channel, &ts, text.trim());
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24().iter().map(|part| part.matches("слово").count()).sum::<usize>(), 6_600);
    bridge.writes(1, &"длинно ".repeat(2_500)).await;
    let words: usize = bridge.in_slack().iter().map(|line| line.matches("длинно").count()).sum();
    assert_eq!(words, 2_500);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_text_that_grows_grows_once_though_the_answers_are_lost() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "short").await;
    let short = bridge.writes(1, "kurz").await;
    for _ in 0..2 {
        slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
        portal.fail_next("imbot.v2.chat.message.send", Fault::Reset { when: When::AfterEffect });
    }
    slack.edit(&bridge.channel, &ts, "слово ".repeat(6_600).trim());
    portal.edit(&bridge.chat, short, "длинно ".repeat(2_500).trim());
    bridge.world.settle().await;
    let count = |lines: &[String], word: &str| lines.iter().map(|line| line.matches(word).count()).sum::<usize>();
    let (in_bitrix24, in_slack) = (bridge.in_bitrix24(), bridge.in_slack());
    assert!(in_bitrix24.len() >= 3 && in_slack.len() > 3, "{} {}", in_bitrix24.len(), in_slack.len());
    assert_eq!(count(&in_bitrix24, "слово"), 6_600);
    assert_eq!(count(&in_slack, "длинно"), 2_500);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_text_that_grows_grows_once_though_a_later_part_has_to_wait() {
    let world = World::start_after(|sandbox| sandbox.portal.use_old_bots(true)).await;
    let bridge = Bridged::of(world).await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "short").await;
    let short = bridge.writes(1, "kurz").await;
    // The first new part is answered, the second is refused.
    for fault in [Fault::Slow { milliseconds: 1 }, Fault::TooMany { seconds: 5 }] {
        slack.fail_next("chat.postMessage", fault.clone());
        portal.fail_next("imbot.message.add", fault);
    }
    // Bold words are longer in BBCode: what fits into one message of Slack becomes several of the portal.
    slack.edit(&bridge.channel, &ts, "*слово* ".repeat(4_900).trim());
    portal.edit(&bridge.chat, short, "длинно ".repeat(2_500).trim());
    bridge.world.settle().await;
    let count = |lines: &[String], word: &str| lines.iter().map(|line| line.matches(word).count()).sum::<usize>();
    assert!(bridge.in_bitrix24().len() > 3 && bridge.in_slack().len() > 3);
    assert_eq!(count(&bridge.in_bitrix24(), "слово"), 4_900);
    assert_eq!(count(&bridge.in_slack(), "длинно"), 2_500);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn nothing_comes_back_and_nothing_comes_twice() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.double_events(1);
    bridge
        .world
        .sandbox
        .portal
        .deliver(simulators::portal::PortalEventDelivery { double_every: 1, ..Default::default() });
    for n in 0..5 {
        bridge.says(&bridge.ann, &format!("slack {n}")).await;
        bridge.writes(1, &format!("bitrix {n}")).await;
    }
    slack.say_as_app(&bridge.channel, "B0OTHER", "another app");
    bridge.world.settle().await;
    let expected: Vec<_> = (0..5)
        .flat_map(|n| [format!("[b]user6:[/b] slack {n}"), format!("{}: bitrix {n}", name_of(&bridge, 1))])
        .collect();
    assert_eq!(bridge.in_bitrix24(), expected);
    assert_eq!(bridge.in_slack().len(), 11);
}

#[tokio::test]
async fn under_faults_both_sides_end_with_the_same_conversation_in_the_same_order() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    // Messages are copied in the order in which their events come, and this is about the order that we keep.
    EventOrder::Kept.apply(portal, slack);
    slack.double_events(3);
    // A fifth of all calls fail, in every way.
    let mut random = Random::seeded();
    let mut expected = Vec::new();
    for n in 0..40 {
        for (from_slack, method) in [
            (true, "chat.postMessage"),
            (false, "imbot.v2.chat.message.send"),
            (false, "user.get"),
            (true, "users.info"),
        ] {
            if random.below(5) == 0 {
                let when = if random.below(2) == 0 { When::BeforeEffect } else { When::AfterEffect };
                let fault = match random.below(5) {
                    0 => Fault::Reset { when },
                    1 => Fault::Html { status: 502, when },
                    2 => Fault::CutJson { when },
                    3 => Fault::TooMany { seconds: 2 },
                    _ => Fault::Timeout { when },
                };
                if from_slack { slack.fail_next(method, fault) } else { portal.fail_next(method, fault) }
            }
        }
        // One waits for the other, as people do; within a side they write without waiting.
        if n % 4 < 2 {
            bridge.say(&bridge.ann, &format!("message {n} from slack"));
            expected.push(format!("message {n} from slack"));
        } else {
            portal.write(1, &bridge.chat, &format!("message {n} from bitrix"), None, &[]);
            expected.push(format!("message {n} from bitrix"));
        }
        if n % 2 == 1 {
            bridge.world.settle().await;
        }
    }
    bridge.world.settle().await;
    let words = |lines: Vec<String>| {
        lines.iter().map(|line| line[line.find("message").unwrap()..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words(bridge.in_bitrix24()), expected);
    assert_eq!(words(bridge.in_slack()), expected);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn an_older_portal_is_bridged_by_the_older_bot() {
    let world = World::start_after(|sandbox| sandbox.portal.use_old_bots(true)).await;
    let bridge = Bridged::of(world).await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "old but good").await;
    slack.say(&bridge.admin, &bridge.channel, "yes", Some(&ts), &[]);
    bridge.world.settle().await;
    let id = bridge.writes(1, "hello").await;
    assert_eq!(
        bridge.in_bitrix24(),
        [
            "[b]user6:[/b] old but good".to_owned(),
            ">>user6: old but good\n[b]user1:[/b] yes".to_owned(),
            format!("{}: hello", name_of(&bridge, 1))
        ]
    );
    slack.edit(&bridge.channel, &ts, "old and better");
    portal.edit(&bridge.chat, id, "hello again");
    bridge.world.settle().await;
    assert!(bridge.in_bitrix24()[0].contains("old and better") && bridge.in_slack()[2].contains("hello again"));
    slack.delete(&bridge.channel, &ts);
    portal.delete(&bridge.chat, id);
    let file = slack.attach(&bridge.ann, "a.png", vec![1; 10]);
    slack.say(&bridge.ann, &bridge.channel, "", None, &[&file]);
    bridge.world.settle().await;
    let lines = bridge.in_bitrix24();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("a.png") && lines[1].contains("cannot share files"), "{lines:?}");
    assert!(portal.calls().contains_key("imbot.register") && portal.calls().contains_key("imbot.message.update"));
}

#[tokio::test]
async fn a_reply_on_an_older_portal_is_posted_once_though_its_answer_is_lost() {
    let world = World::start_after(|sandbox| sandbox.portal.use_old_bots(true)).await;
    let bridge = Bridged::of(world).await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let ts = bridge.says(&bridge.ann, "who comes?").await;
    portal.fail_next("imbot.message.add", Fault::Reset { when: When::AfterEffect });
    slack.say(&bridge.admin, &bridge.channel, "I do", Some(&ts), &[]);
    bridge.world.settle().await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] who comes?", ">>user6: who comes?\n[b]user1:[/b] I do"]);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_kicked_bot_and_an_archived_channel_are_dead_letters_with_words() {
    let bridge = Bridged::start().await;
    bridge.world.sandbox.portal.kick_bots(&bridge.chat);
    bridge.says(&bridge.ann, "lost").await;
    let letters = bridge.world.dead_letters(queues::BITRIX24_DELIVERY).await;
    assert!(letters[0].reason.contains("add the bot Switchboard to the chat"), "{}", letters[0].reason);
    bridge.world.sandbox.portal.invite_bots(&bridge.chat);
    bridge.world.settle().await;
    bridge.says(&bridge.ann, "others go on").await;
    assert_eq!(bridge.in_bitrix24(), ["[b]user6:[/b] others go on"]);
    bridge.world.sandbox.slack.change_channel("general", |channel| channel.is_archived = true);
    bridge.writes(1, "nobody reads this").await;
    let letters = bridge.world.dead_letters(queues::SLACK_DELIVERY).await;
    assert!(letters[0].reason.contains("unarchive the channel"), "{}", letters[0].reason);
    let ledger = bridge.world.ledger().await;
    assert!(ledger.iter().any(|line| line.contains("is_archived")), "{ledger:#?}");
}

#[tokio::test]
async fn a_bot_that_cannot_join_the_channel_now_joins_it_later() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.write_public(false);
    for fault in [Fault::TooMany { seconds: 30 }, Fault::Reset { when: When::BeforeEffect }] {
        slack.change_channel("general", |channel| channel.is_member = false);
        slack.fail_next("conversations.join", fault);
        assert_eq!(bridge.after_writing("hello").await.len(), 1);
    }
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn only_who_may_joins_and_parts_conversations() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    let told = |user: &str| slack.whispers(user).last().unwrap()["text"].as_str().unwrap().to_owned();
    slack.command(&bridge.ann, &bridge.channel, "/b24-bridge", "off").await;
    bridge.world.settle().await;
    assert!(told(&bridge.ann).contains("Only administrators"), "{}", told(&bridge.ann));
    let other = slack.channel_id("calls");
    slack.command(&bridge.admin, &other, "/b24-bridge", &bridge.chat).await;
    bridge.world.settle().await;
    assert!(told(&bridge.admin).contains("already bridged with another channel"), "{}", told(&bridge.admin));
    slack.command(&bridge.admin, &bridge.channel, "/b24-bridge", "off").await;
    bridge.world.settle().await;
    bridge.says(&bridge.ann, "alone").await;
    assert!(bridge.in_bitrix24().is_empty());
    let closed = Bridged::with(json!({"chats": {"who_bridges": "nobody"}})).await;
    let answers = closed.world.sandbox.slack.whispers(&closed.admin);
    let answer = answers.last().unwrap()["text"].as_str().unwrap();
    assert!(answer.contains("chats.who_bridges: nobody") && !answer.contains("administrators can"), "{answer}");
}

#[tokio::test]
async fn bridges_of_the_settings_need_nobody_to_type() {
    let world = World::start_with_settings(
        json!({"bridges": [{"channel": "#general", "chat": "chat57"}], "chats": {"mention_everyone": true}}),
    )
    .await;
    let portal = &world.sandbox.portal;
    let chat = portal.add_chat("Support", &[1, 6]);
    assert_eq!(chat, "chat57");
    // The upkeep registers the bot; its people let it in.
    world.upkeep().await;
    portal.invite_bots(&chat);
    world.settle().await;
    let slack = &world.sandbox.slack;
    slack.say(&slack.person("user6@example.com"), &slack.channel_id("general"), "<!channel> hi", None, &[]);
    world.settle().await;
    assert_eq!(said_in(&world, &chat), ["[b]user6:[/b] [user=all]channel[/user] hi"]);
    // A bot that was deleted is registered again while there are bridges.
    assert_eq!(portal.bots().len(), 1);
}

#[tokio::test]
async fn a_stale_bridge_of_the_settings_and_a_slow_slack_cost_no_message() {
    let bridges = json!([{"channel": "#long-gone", "chat": "chat99"}, {"channel": "#general", "chat": "chat57"}]);
    let world = World::start_with_settings(json!({"bridges": bridges})).await;
    let (portal, slack) = (&world.sandbox.portal, &world.sandbox.slack);
    slack.add_channel("long-gone");
    slack.change_channel("long-gone", |channel| channel.is_archived = true);
    let chat = portal.add_chat("Support", &[1, 6]);
    assert_eq!(chat, "chat57");
    world.upkeep().await;
    portal.invite_bots(&chat);
    world.settle().await;
    let ann = slack.person("user6@example.com");
    let say = |text: &str| slack.say(&ann, &slack.channel_id("general"), text, None, &[]);
    // What is known of channels by their names is out of date, and Slack does not say more now.
    world.clock.advance(Duration::from_secs(2 * 3_600));
    slack.fail_next("conversations.list", Fault::TooMany { seconds: 30 });
    say("hello");
    world.settle().await;
    assert_eq!(said_in(&world, &chat), ["[b]user6:[/b] hello"]);
    let listed = || slack.calls().get("conversations.list").copied().unwrap_or_default();
    let before = listed();
    for number in 0..5 {
        say(&format!("number {number}"));
        world.settle().await;
    }
    assert_eq!(said_in(&world, &chat).len(), 6);
    assert!(listed() - before <= 1, "the channels are not listed for each message: {}", listed() - before);
}
