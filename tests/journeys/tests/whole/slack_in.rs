//! Everything that a Slack message can carry.

use journeys::{EventOrder, World};
use serde_json::{Value, json};
use simulators::slack::Release;

use crate::bridged::Bridged;

fn typed(elements: &Value) -> Value {
    json!([{"type": "rich_text", "block_id": "b", "elements": [{"type": "rich_text_section", "elements": elements}]}])
}

#[tokio::test]
async fn what_is_forwarded_arrives_with_its_author_with_words_and_without() {
    let bridge = Bridged::start().await;
    let forward = json!({
        "is_msg_unfurl": true, "is_share": true, "author_name": "Dana", "channel_name": "legal",
        "from_url": "https://sandbox.slack.com/archives/C9/p1", "fallback": "[Nov 20th] Dana: the offer is signed",
        "text": "the offer is signed, ship on Monday", "ts": "1795700000.000100",
    });
    let message = |text: &str, ts: &str, forwards: Value| {
        json!({
            "type": "message", "user": bridge.ann, "text": text, "ts": ts, "channel": bridge.channel, "channel_type": "channel",
            "attachments": forwards,
        })
    };
    bridge.world.post_slack_event("EvA", &message("please see this", "1795795200.000101", json!([forward]))).await;
    bridge.world.post_slack_event("EvB", &message("", "1795795200.000102", json!([forward]))).await;
    let quoted = "↪ Forwarded from [b]Dana[/b], in #legal · [url=https://sandbox.slack.com/archives/C9/p1]open in Slack[/url]\n\
                  >>the offer is signed, ship on Monday";
    let said = bridge.chat_when_settled().await;
    assert_eq!(said, [format!("[b]user6:[/b] please see this\n{quoted}"), format!("[b]user6:[/b] {quoted}")]);
    // As Slack's own client forwards: from another channel, a message with a list, a mention and a file.
    let slack = &bridge.world.sandbox.slack;
    let other = slack.channel_id("ops");
    let file = slack.attach(&bridge.ann, "offer.pdf", vec![1]);
    let ts = slack.say(&bridge.ann, &other, &format!("ask <@{}>:\n• *one*\n• two", bridge.ann), None, &[&file]);
    let last = slack.forward(&bridge.ann, (&other, &ts), &bridge.channel, "");
    slack.forward(&bridge.ann, (&bridge.channel, &last), &bridge.channel, "again");
    let said = bridge.chat_when_settled().await;
    for text in &said[2..] {
        // Who is mentioned in it is not notified again.
        assert!(text.contains(">>• [b]one[/b]") && text.contains('@') && !text.contains("[user="), "{text}");
        assert!(text.contains("in #ops") && text.contains("offer.pdf[/url]"), "{text}");
    }
    assert!(said[3].starts_with("[b]user6:[/b] again\n↪ Forwarded from [b]user6[/b], in #general"), "{}", said[3]);
    // A pasted link of a message unfolds: the chat's copy shows that message, too.
    let link = slack.say(&bridge.ann, &bridge.channel, "https://sandbox.slack.com/archives/C1/p1", None, &[]);
    bridge.world.settle().await;
    slack.unfold_message(&bridge.channel, &link, (&other, &ts));
    let said = bridge.chat_when_settled().await;
    assert!(said.len() == 5 && said[4].contains(">>• [b]one[/b]"), "{said:?}");
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn cards_of_other_apps_arrive_where_apps_may_speak() {
    let closed = Bridged::start().await;
    let card = json!({"attachments": [{"title": "Build 12", "title_link": "https://ci.example/12", "text": "failed", "fallback": "x"}]});
    let slack = &closed.world.sandbox.slack;
    slack.post_as_app(&closed.channel, "B0CI", &card).unwrap();
    assert!(closed.chat_when_settled().await.is_empty() && closed.logged("chats.bots").await.len() == 1);
    let open = Bridged::with(json!({"chats": {"bots": true}})).await;
    let slack = &open.world.sandbox.slack;
    // Which line is which says its place.
    EventOrder::Kept.apply(&open.world.sandbox.portal, slack);
    slack.post_as_app(&open.channel, "B0CI", &card).unwrap();
    slack.post_as_app(&open.channel, "B0CI", &json!({"attachments": [{"fallback": "only this"}]})).unwrap();
    let blocks = json!([{"type": "section", "text": {"type": "mrkdwn", "text": "*3* failed"}}]);
    slack.post_as_app(&open.channel, "B0CI", &json!({"text": "notification", "blocks": blocks})).unwrap();
    assert_eq!(
        open.chat_when_settled().await,
        [
            "[b]Other app:[/b] [b][url=https://ci.example/12]Build 12[/url][/b]\nfailed",
            "[b]Other app:[/b] only this",
            "[b]Other app:[/b] [b]3[/b] failed",
        ]
    );
    assert_eq!(slack.post_as_app(&open.channel, "B0CI", &json!({"text": ""})).unwrap_err(), "no_text null");
}

#[tokio::test]
async fn people_groups_and_channels_have_names() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    let group = slack.add_group("sales", "Sales");
    let pipeline = slack.channel_id("sales-pipeline");
    slack.say(&bridge.ann, &bridge.channel, &format!("Ping <!subteam^{group}> about <#{pipeline}>"), None, &[]);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] Ping @sales about #sales-pipeline"]);
    let asked = slack.calls();
    // The names that the text gives are used first; what nobody can look up has words.
    slack.change_channel("ops", |channel| (channel.is_private, channel.is_member) = (true, false));
    let (hidden, of) = (slack.channel_id("ops"), |kind: &str, name: &str, id: &str| json!({"type": kind, name: id}));
    let elements = json!([
        of("usergroup", "usergroup_id", "S0OTHER001"),
        of("channel", "channel_id", &hidden),
        of("user", "user_id", "U0STRANGER"),
        of("usergroup", "usergroup_id", "S0GONE0001"),
        of("channel", "channel_id", "C0LABEL001"),
    ]);
    let text = format!(
        "<!subteam^S0OTHER001|@helpers> <#{hidden}|> <@U0STRANGER> <!subteam^S0GONE0001> <#C0LABEL001|labelled>"
    );
    let event = json!({
        "type": "message", "user": "U0STRANGER", "text": text, "ts": "1795795200.000103", "channel": bridge.channel, "blocks": typed(&elements),
    });
    bridge.world.post_slack_event("EvA", &event).await;
    let said = bridge.chat_when_settled().await;
    assert_eq!(said[1], "[b]someone outside:[/b] @helpersa private channelsomeone outsidea user group#labelled");
    // Names are kept: the same again asks nothing.
    slack.say(&bridge.ann, &bridge.channel, &format!("<!subteam^{group}> <#{pipeline}>"), None, &[]);
    assert_eq!(bridge.chat_when_settled().await[2], "[b]user6:[/b] @sales #sales-pipeline");
    assert_eq!(slack.calls()["usergroups.list"], asked["usergroups.list"]);
    // Without a right the names are missing, and nothing else.
    let poor = Bridged::start().await;
    let slack = &poor.world.sandbox.slack;
    let group = slack.add_group("sales", "Sales");
    for scope in ["usergroups:read", "channels:read"] {
        slack.take_scope(scope);
    }
    slack.say(
        &poor.ann,
        &poor.channel,
        &format!("*Ping* <!subteam^{group}> in <#{}>", slack.channel_id("calls")),
        None,
        &[],
    );
    assert_eq!(poor.chat_when_settled().await, ["[b]user6:[/b] [b]Ping[/b] a user group in a channel"]);
    bridge.nothing_is_stuck().await;
    poor.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_file_that_is_taken_back_goes_from_the_chat() {
    let bridge = Bridged::start().await;
    let (slack, portal) = (&bridge.world.sandbox.slack, &bridge.world.sandbox.portal);
    let [wrong, right] = ["salaries.pdf", "plan.pdf"].map(|name| slack.attach(&bridge.ann, name, vec![7; 10]));
    let ts = slack.say(&bridge.ann, &bridge.channel, "with files", None, &[&wrong, &right]);
    assert_eq!(bridge.chat_when_settled().await.len(), 3);
    slack.take_out_file(&bridge.channel, &ts, &wrong);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] with files", "[b]user6:[/b] [plan.pdf]"]);
    // One that is added by an edit arrives, once; a file that just vanishes from the message goes, too.
    let more = slack.attach(&bridge.ann, "more.pdf", vec![8; 10]);
    slack.double_under_other_ids(1);
    slack.add_file(&bridge.channel, &ts, &more);
    assert_eq!(bridge.chat_when_settled().await.len(), 3);
    slack.double_under_other_ids(0);
    slack.edit_raw(&bridge.channel, &ts, &json!({"files": []}));
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] with files"]);
    // The text goes on being one, and what is taken back before it could be copied is not copied.
    slack.edit(&bridge.channel, &ts, "without files");
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] without files"]);
    let late = slack.attach(&bridge.ann, "late.pdf", vec![9; 10]);
    slack.hold_events();
    let second = slack.say(&bridge.ann, &bridge.channel, "quick", None, &[&late]);
    slack.take_out_file(&bridge.channel, &second, &late);
    slack.release_events(Release::Reversed);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] without files", "[b]user6:[/b] quick"]);
    // As Slack's event has it, of a message whose copy was made before the files of copies were noted.
    let event = json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": bridge.channel, "ts": "1795795201.000104",
        "message": {"type": "message", "user": bridge.ann, "text": "never copied", "ts": "1795795200.000104", "files": [{"id": "F0XX1", "mode": "tombstone"}]},
        "previous_message": {"type": "message", "user": bridge.ann, "text": "never copied", "ts": "1795795200.000104",
            "files": [{"id": "F0XX1", "name": "salaries.pdf", "mimetype": "application/pdf", "size": 3, "mode": "hosted"}]},
    });
    bridge.world.post_slack_event("EvA", &event).await;
    assert_eq!(bridge.logged("preview").await, [""; 0]);
    assert_eq!(bridge.chat_when_settled().await.len(), 2);
    // Where the copy cannot be deleted, a line says it.
    let stuck = slack.attach(&bridge.ann, "stuck.pdf", vec![9; 10]);
    let third = slack.say(&bridge.ann, &bridge.channel, "", None, &[&stuck]);
    bridge.world.settle().await;
    let refused = simulators::Fault::Code { status: 400, code: "CANT_EDIT_MESSAGE".into() };
    portal.fail_next("imbot.v2.chat.message.delete", refused);
    slack.take_out_file(&bridge.channel, &third, &stuck);
    let said = bridge.chat_when_settled().await;
    assert!(said.last().unwrap().contains("stuck.pdf: its author removed it in Slack"), "{said:?}");
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn files_without_bytes_have_their_links() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    let as_one = |name: &str, fields: Value| slack.attach_as(&bridge.ann, name, vec![1], &fields);
    let google = json!({
        "mode": "external", "is_external": true, "external_type": "gdrive", "size": 0, "url_private": "https://docs.google.com/document/d/abc123/edit",
        "url_private_download": null,
    });
    let box_file = json!({"mode": "external", "external_type": "box", "url_private": "https://app.box.com/s/1"});
    let snippet = json!({"mode": "snippet", "filetype": "rust", "preview": "fn main() {}", "preview_is_truncated": false, "size": 12});
    let files = [
        as_one("Plan 2027", google),
        as_one("Budget", box_file),
        as_one("Notes", json!({"mode": "quip", "filetype": "quip"})),
        as_one("Todo", json!({"mode": "list", "filetype": "list"})),
        as_one("main.rs", snippet),
        as_one("old.txt", json!({"mode": "hidden_by_limit"})),
    ];
    slack.say(&bridge.ann, &bridge.channel, "the plan", None, &files.each_ref().map(String::as_str));
    let said = bridge.chat_when_settled().await;
    assert_eq!(
        said[1],
        "[b]user6:[/b] 📎 [url=https://docs.google.com/document/d/abc123/edit]Plan 2027[/url] (in Google Drive)"
    );
    assert_eq!(said[2], "[b]user6:[/b] 📎 [url=https://app.box.com/s/1]Budget[/url] (in Box)");
    assert!(
        said[3].contains("sandbox.slack.com/files/") && said[3].ends_with("Notes[/url] (a canvas in Slack)"),
        "{}",
        said[3]
    );
    assert!(said[4].ends_with("Todo[/url] (a list in Slack)"), "{}", said[4]);
    assert!(said[5].contains("main.rs") && said[5].ends_with("[code]fn main() {}[/code]"), "{}", said[5]);
    assert!(said[6].contains("it is hidden by the limits of the workspace's Slack plan"), "{}", said[6]);
    assert!(!said.concat().contains("files:read"));
    // Nothing was fetched from anywhere.
    assert!(bridge.world.sandbox.portal.shared_files(&bridge.chat).is_empty());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn tables_huddles_and_what_people_do_are_lines() {
    let bridge = Bridged::start().await;
    // Which line is which says its place.
    EventOrder::Kept.apply(&bridge.world.sandbox.portal, &bridge.world.sandbox.slack);
    let slack = &bridge.world.sandbox.slack;
    let cell = |text: &str| json!({"type": "raw_text", "text": text});
    let table = json!([{"type": "table", "rows": [[cell("Item"), cell("Sum")], [cell("Roof"), cell("120")]]}]);
    slack.post_raw(&bridge.ann, &bridge.channel, &json!({"blocks": table}));
    slack.say_me(&bridge.ann, &bridge.channel, "waves");
    slack.notice(
        &bridge.ann,
        &bridge.channel,
        "channel_topic",
        &format!("<@{}> set the channel topic: roofs", bridge.ann),
    );
    slack.notice(&bridge.ann, &bridge.channel, "channel_join", &format!("<@{}> has joined the channel", bridge.ann));
    let huddle = slack.huddle(&bridge.ann, &bridge.channel);
    let mut expected = [
        "[b]user6:[/b] Item | Sum\nRoof | 120",
        "[b]user6[/b] [i]waves[/i]",
        "[b]user6:[/b] ℹ️ [i]set the channel topic: roofs[/i]",
        "[b]user6:[/b] 🎧 [i]A huddle started[/i]",
    ];
    assert_eq!(bridge.chat_when_settled().await, expected);
    slack.end_huddle(&bridge.channel, &huddle, &["U1", "U2", "U3"]);
    let said = bridge.chat_when_settled().await;
    expected[3] = "[b]user6:[/b] 🎧 [i]A huddle ended, 3 people";
    assert!(said.len() == 4 && said[3].starts_with(expected[3]), "{said:?}");
    let ledger = bridge.world.ledger().await;
    assert!(ledger.iter().any(|line| line.contains("who came and went is not copied")), "{ledger:#?}");
    let empty = json!({"type": "message", "user": bridge.ann, "text": "", "ts": "1795795200.000109", "channel": bridge.channel});
    bridge.world.post_slack_event("EvA", &empty).await;
    assert_eq!(bridge.logged("it is empty").await.len(), 1);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn an_edit_is_whatever_changed() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    let ts = slack.say(&bridge.ann, &bridge.channel, "see <https://a.example|this>", None, &[]);
    slack.unfold(&bridge.channel, &ts);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] see [url=https://a.example]this[/url]"]);
    assert_eq!(bridge.logged("the preview of a link").await.len(), 1);
    let link = |url: &str, style: Value| typed(&json!([{"type": "link", "url": url, "text": "this", "style": style}]));
    slack.edit_raw(&bridge.channel, &ts, &json!({"blocks": link("https://b.example", json!({}))}));
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] [url=https://b.example]this[/url]"]);
    slack.edit_raw(&bridge.channel, &ts, &json!({"blocks": link("https://b.example", json!({"bold": true}))}));
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] [b][url=https://b.example]this[/url][/b]"]);
    // Edits out of order: the newest counts. A message that comes after its edit is not there twice, one that comes after its
    // deletion not at all.
    slack.hold_events();
    slack.edit(&bridge.channel, &ts, "second");
    slack.edit(&bridge.channel, &ts, "third");
    slack.release_events(Release::Reversed);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] third"]);
    slack.hold_events();
    let late = slack.say(&bridge.ann, &bridge.channel, "late", None, &[]);
    slack.edit(&bridge.channel, &late, "later");
    let gone = slack.say(&bridge.ann, &bridge.channel, "gone", None, &[]);
    slack.delete(&bridge.channel, &gone);
    slack.release_events(Release::Reversed);
    let said = bridge.chat_when_settled().await;
    assert!(said.len() == 2 && said[1].ends_with("[b]user6:[/b] later"), "{said:?}");
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn an_edit_of_a_message_from_before_the_bridge_is_there_once() {
    let world = World::start().await;
    let slack = &world.sandbox.slack;
    let (ann, channel) = (slack.person("user6@example.com"), slack.channel_id("general"));
    let old = slack.say(&ann, &channel, "the price is 100", None, &[]);
    world.settle().await;
    let bridge = Bridged::of(world).await;
    let slack = &bridge.world.sandbox.slack;
    slack.edit(&channel, &old, "the price is 200");
    let head = "✏️ [i]An older message was edited in Slack:[/i]";
    assert_eq!(bridge.chat_when_settled().await, [format!("{head}\n[b]user6:[/b] the price is 200")]);
    slack.edit(&channel, &old, "the price is *300*");
    assert_eq!(bridge.chat_when_settled().await, [format!("{head}\n[b]user6:[/b] the price is [b]300[/b]")]);
    // Long enough for parts, and short again.
    slack.edit(&channel, &old, "слово ".repeat(6_000).trim());
    let parts = bridge.chat_when_settled().await;
    assert!(parts.len() >= 2 && parts[0].starts_with(head), "{}", parts.len());
    assert_eq!(parts.concat().matches("слово").count(), 6_000);
    slack.edit(&channel, &old, "short");
    assert_eq!(bridge.chat_when_settled().await, [format!("{head}\n[b]user6:[/b] short")]);
    slack.delete(&channel, &old);
    assert!(bridge.chat_when_settled().await.is_empty());
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn what_held_before_still_holds() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    // A parent that is deleted twice, in both of Slack's ways.
    let parent = slack.say(&bridge.ann, &bridge.channel, "parent", None, &[]);
    slack.say(&bridge.ann, &bridge.channel, "answer", Some(&parent), &[]);
    bridge.world.settle().await;
    let tombstone = json!({"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "ts": parent, "thread_ts": parent});
    let before = json!({"user": bridge.ann, "text": "parent", "ts": parent, "thread_ts": parent});
    bridge.world.post_slack_event("EvA", &json!({"type": "message", "subtype": "message_changed", "channel": bridge.channel, "message": tombstone, "previous_message": before})).await;
    bridge.world.post_slack_event("EvB", &json!({"type": "message", "subtype": "message_deleted", "channel": bridge.channel, "deleted_ts": parent, "previous_message": tombstone})).await;
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] answer"]);
    // A preview, also of a message that the chat does not have.
    let text = json!({"user": bridge.ann, "text": "look https://a.example", "ts": "1.2"});
    let mut shown = text.clone();
    shown["attachments"] = json!([{"title": "A", "from_url": "https://a.example"}]);
    bridge.world.post_slack_event("EvC", &json!({"type": "message", "subtype": "message_changed", "channel": bridge.channel, "message": shown, "previous_message": text})).await;
    assert_eq!(bridge.chat_when_settled().await.len(), 1);
    assert_eq!(bridge.logged("the preview of a link").await.len(), 1);
    bridge.nothing_is_stuck().await;
}

#[tokio::test]
async fn a_persons_revoked_permission_is_just_that() {
    let bridge = Bridged::start().await;
    let slack = &bridge.world.sandbox.slack;
    slack.revoke_person(&bridge.ann);
    bridge.world.settle().await;
    let line = bridge.logged("tokens_revoked").await.concat();
    assert!(line.contains("a person's permission was revoked in Slack") && line.contains(&bridge.ann), "{line}");
    assert!(!line.contains("removed") && !line.contains("connect it again"), "{line}");
    slack.say(&bridge.ann, &bridge.channel, "goes on", None, &[]);
    assert_eq!(bridge.chat_when_settled().await, ["[b]user6:[/b] goes on"]);
}
