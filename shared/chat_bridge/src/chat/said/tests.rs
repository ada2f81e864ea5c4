use proptest::prelude::*;
use serde_json::{Value, json};
use slack::carries::{CarriedRow, ROWS};
use slack::event::{EventCallback, WorkspaceEvent};

use super::*;

#[allow(clippy::needless_pass_by_value)] // written where it is read
fn message(fields: Value) -> MessageEvent {
    let mut event = json!({"type": "message", "channel": "C1", "ts": "1.1", "user": "U1", "text": ""});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let outer = json!({"team_id": "T1", "api_app_id": "A1", "event_id": "Ev1", "event": event});
    match EventCallback::read(&outer).unwrap().event {
        WorkspaceEvent::Message(message) => *message,
        other => panic!("{other:?}"),
    }
}

/// What a chat reads of a message by Ann.
fn read(fields: Value) -> String {
    SaidMessage::of(&message(fields), Language::En).by("Ann").to_bbcode(false).replace('\u{200b}', "")
}

fn word(words: &str) -> Value {
    json!({"type": "plain_text", "text": words})
}

/// A block of each kind, with the word that has to arrive; none for what is left out.
fn block(name: &str) -> (Value, Option<&'static str>) {
    let rich = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "typed"}]}]});
    match name {
        "rich_text" => (rich, Some("typed")),
        "section" => (
            json!({"fields": [word("field one")], "accessory": {"type": "image", "alt_text": "beside"}}),
            Some("field one"),
        ),
        "header" => (json!({"text": word("Heading")}), Some("[b]Heading[/b]")),
        "context" => (
            json!({"elements": [word("small"), {"type": "image", "alt_text": "face", "image_url": "https://a.example/f.png"}]}),
            Some("small 🖼 [url=https://a.example/f.png]face[/url]"),
        ),
        "markdown" => (json!({"text": "# Title\n**bold**"}), Some("# Title\n**bold**")),
        "table" => (
            json!({"rows": [[{"type": "raw_text", "text": "Item"}, {"type": "raw_text", "text": "Sum"}], [rich, {"type": "raw_number", "value": 12.5}]]}),
            Some("Item | Sum\ntyped | 12.5"),
        ),
        "data_table" => {
            (json!({"caption": "Deals", "rows": [[{"type": "raw_text", "text": "a\nb"}]]}), Some("[b]Deals[/b]\na b"))
        }
        "data_visualization" => (
            json!({"title": "Won", "chart": {"type": "bar", "series": [{"name": "2026", "data": [{"label": "Q1", "value": 3}]}]}}),
            Some("2026 (Q1: 3)"),
        ),
        "card" => {
            (json!({"title": word("Card"), "body": {"type": "mrkdwn", "text": "*body*"}}), Some("Card\n[b]body[/b]"))
        }
        "carousel" => (json!({"elements": [{"type": "card", "title": word("first")}]}), Some("first")),
        "container" => (
            json!({"title": word("Box"), "child_blocks": [{"type": "header", "text": word("inside")}]}),
            Some("inside"),
        ),
        "alert" => (json!({"text": word("careful")}), Some("careful")),
        "plan" | "task_card" => (json!({"title": "Plan", "tasks": [{"title": "step"}]}), Some("step")),
        "image" => (
            json!({"alt_text": "roof", "image_url": "https://a.example/r.png"}),
            Some("🖼 [url=https://a.example/r.png]roof[/url]"),
        ),
        "video" => (
            json!({"title": word("film"), "title_url": "https://a.example/v"}),
            Some("🎬 [url=https://a.example/v]film[/url]"),
        ),
        "call" => (
            json!({"call": {"v1": {"name": "Daily", "join_url": "https://zoom.example/1"}}}),
            Some("📞 [url=https://zoom.example/1]Daily[/url]"),
        ),
        "actions" | "context_actions" => (
            json!({"elements": [{"type": "button", "text": word("Approve")}, {"type": "button", "text": word("Open"), "url": "https://a.example"}]}),
            Some("🔘 Approve · [url=https://a.example]Open[/url]"),
        ),
        "input" => (json!({"label": word("Name")}), Some("Name")),
        "file" | "divider" => (json!({"external_id": "x"}), None),
        other => panic!("no example of {other}"),
    }
}

fn file(name: &str) -> (Value, Option<&'static str>) {
    let page = "https://s.slack.com/f";
    match name {
        "hosted" | "email" => (json!({"mode": name, "name": "a.pdf"}), None),
        "slack_audio" | "slack_video" => (json!({"subtype": name, "name": "a.m4a"}), None),
        "snippet" => (
            json!({"mode": "snippet", "name": "a.rs", "preview": "fn a() {}", "size": 9, "permalink": page}),
            Some("[code]fn a() {}[/code]"),
        ),
        "external" | "remote" => (
            json!({"mode": name, "title": "Plan", "external_type": "gdrive", "url_private": "https://docs.google.com/d/1", "permalink": page}),
            Some("📎 [url=https://docs.google.com/d/1]Plan[/url] (in Google Drive)"),
        ),
        "canvas" => (
            json!({"mode": "quip", "title": "Notes", "permalink": page}),
            Some("[url=https://s.slack.com/f]Notes[/url] (a canvas in Slack)"),
        ),
        "list" => (json!({"mode": "list", "title": "Todo", "permalink": page}), Some("Todo[/url] (a list in Slack)")),
        "post" => (json!({"mode": "space", "title": "Post", "permalink": page}), Some("Post[/url] (a post in Slack)")),
        "tombstone" => (json!({"mode": "tombstone"}), Some("📎 file: it no longer exists")),
        "hidden_by_limit" => (
            json!({"mode": "hidden_by_limit"}),
            Some("📎 file: it is hidden by the limits of the workspace's Slack plan"),
        ),
        "access_denied" => {
            (json!({"mode": "file_access", "file_access": "access_denied"}), Some("Slack does not show it"))
        }
        other => panic!("no example of {other}"),
    }
}

fn attachment(name: &str) -> (Value, Option<&'static str>) {
    match name {
        "is_share" | "is_msg_unfurl" => (
            json!({name: true, "author_name": "Dana", "channel_name": "legal", "text": "signed"}),
            Some("[b]Dana[/b], in #legal\n>>signed"),
        ),
        "card" => (
            json!({"title": "Build", "title_link": "https://ci.example/1", "fallback": "x"}),
            Some("[b][url=https://ci.example/1]Build[/url][/b]"),
        ),
        "unfurl" => (json!({"title": "Preview", "from_url": "https://a.example"}), None),
        other => panic!("no example of {other}"),
    }
}

fn subtype(name: &str) -> (Value, Option<&'static str>) {
    let text = json!({"subtype": name, "text": "<@U1> did *this*", "room": null});
    match name {
        "" => (json!({"text": "words"}), Some("[b]Ann:[/b] words")),
        "me_message" => (json!({"subtype": name, "text": "waves"}), Some("[b]Ann[/b] [i]waves[/i]")),
        "huddle_thread" | "sh_room_created" | "sh_room_shared" => {
            (json!({"subtype": name, "room": {"created_by": "U1"}}), Some("🎧 [i]A huddle started[/i]"))
        }
        _ => (text, Some("did")),
    }
}

/// What becomes of a row's example is what the row says.
fn holds(row: &CarriedRow, name: &str) {
    let (said, wanted) = match row.part {
        CarriedPart::Block => {
            let (mut block, wanted) = block(name);
            block["type"] = name.into();
            (read(json!({"blocks": [block]})), wanted)
        }
        CarriedPart::Attachment => {
            let (attachment, wanted) = attachment(name);
            let text = if name == "unfurl" { "<https://a.example>" } else { "" };
            (read(json!({"text": text, "attachments": [attachment]})), wanted)
        }
        CarriedPart::File => {
            let (file, wanted) = file(name);
            let line = instead_of_copy(&File::read(&file), Language::En).unwrap_or_default();
            (line.by("Ann").to_bbcode(false), wanted)
        }
        CarriedPart::Subtype => {
            let (fields, wanted) = subtype(name);
            let message = message(fields.clone());
            assert_eq!(message.left_out().is_some(), row.carriage == Carriage::Left, "{name}");
            (read(fields), wanted)
        }
    };
    match wanted {
        Some(words) => assert!(said.contains(words), "{name}: {said}"),
        None => assert!(!said.contains("Preview") && !said.contains('📎') && !said.contains('🧩'), "{name}: {said}"),
    }
}

#[test]
fn each_row_of_the_table_holds() {
    for row in ROWS {
        for name in row.names {
            holds(row, name);
        }
    }
}

#[test]
fn a_forward_has_its_author_its_place_and_all_of_its_text() {
    let forward = json!({
        "is_share": true, "is_msg_unfurl": true, "author_id": "U7", "author_name": "Dana", "channel_id": "C9", "channel_name": "legal",
        "from_url": "https://s.slack.com/archives/C9/p1", "text": "plain", "fallback": "[Nov 20th] Dana: plain",
        "message_blocks": [{"message": {"blocks": [{"type": "rich_text", "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "signed", "style": {"bold": true}}]},
            {"type": "rich_text_list", "style": "bullet", "elements": [
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
                {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://x.example", "text": "two"}]},
            ]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "code"}]},
        ]}]}}],
        "files": [{"id": "F1", "name": "offer.pdf", "permalink": "https://s.slack.com/files/F1"}],
        "attachments": [{"is_share": true, "author_name": "Eve", "text": "inner"}],
    });
    let quoted = "↪ Forwarded from [b]Dana[/b], in #legal · [url=https://s.slack.com/archives/C9/p1]open in Slack[/url]\n>>[b]signed[/b]\n>>• one\n\
                  >>• [url=https://x.example]two[/url]\n>>code\n>>📎 [url=https://s.slack.com/files/F1]offer.pdf[/url]\n>>↪ Forwarded from [b]Eve[/b]\n>>inner";
    assert_eq!(read(json!({"attachments": [forward.clone()]})), format!("[b]Ann:[/b] {quoted}"));
    let with_words =
        read(json!({"text": "see", "attachments": [forward.clone(), {"is_share": true, "text": "second"}]}));
    assert_eq!(with_words, format!("[b]Ann:[/b] see\n{quoted}\n↪ Forwarded from [b]someone[/b]\n>>second"));
    // Where nothing else is given, the fallback is what there is.
    let bare = read(
        json!({"attachments": [{"is_msg_unfurl": true, "author_name": "Dana", "fallback": "[Nov 20th] Dana: hi"}]}),
    );
    assert!(bare.ends_with(">>[Nov 20th] Dana: hi"), "{bare}");
}

#[test]
fn a_card_of_an_app_has_all_its_words_or_its_fallback() {
    let card = json!({
        "pretext": "Build *failed*", "author_name": "CI", "title": "main #12", "title_link": "https://ci.example/12", "text": "3 tests",
        "fields": [{"title": "Branch", "value": "`main`"}, {"title": "By", "value": "ann"}], "image_url": "https://ci.example/g.png",
        "footer": "ci.example", "actions": [{"type": "button", "text": "Rerun", "url": "https://ci.example/rerun"}], "fallback": "no",
    });
    assert_eq!(
        read(json!({"text": "Deploy", "attachments": [card]})),
        "[b]Ann:[/b] Deploy\nBuild [b]failed[/b]\nCI\n[b][url=https://ci.example/12]main #12[/url][/b]\n3 tests\n[b]Branch: [/b][i]main[/i]\n\
         [b]By: [/b]ann\n🖼 [url=https://ci.example/g.png]a picture[/url]\n🔘 [url=https://ci.example/rerun]Rerun[/url]\n[i]ci.example[/i]"
    );
    assert_eq!(read(json!({"attachments": [{"fallback": "only this"}]})), "[b]Ann:[/b] only this");
    let blocks = json!([{"type": "section", "text": {"type": "mrkdwn", "text": "in a block"}}]);
    assert_eq!(read(json!({"attachments": [{"blocks": blocks, "fallback": "no"}]})), "[b]Ann:[/b] in a block");
    // A page of which only its address is known.
    assert!(read(json!({"attachments": [{"from_url": "https://a.example/x"}]})).contains("https://a.example/x"));
}

#[test]
fn blocks_are_what_is_seen_and_the_text_is_not_lost_beside_blocks_without_words() {
    let words = json!([{"type": "section", "text": {"type": "mrkdwn", "text": "seen"}}]);
    assert_eq!(read(json!({"text": "notification", "blocks": words})), "[b]Ann:[/b] seen");
    let buttons = json!([{"type": "actions", "elements": [{"type": "button", "text": word("Yes")}]}]);
    assert_eq!(read(json!({"text": "Agree?", "blocks": buttons})), "[b]Ann:[/b] Agree?\n🔘 Yes");
    let new = json!([{"type": "hologram", "content": 3}]);
    assert_eq!(read(json!({"blocks": new})), "[b]Ann:[/b] 🧩 content that only Slack can show (hologram)");
    let nested =
        json!([{"type": "hologram", "elements": [{"type": "section", "text": {"type": "mrkdwn", "text": "deep"}}]}]);
    assert_eq!(read(json!({"blocks": nested})), "[b]Ann:[/b] deep");
}

#[test]
fn nobody_is_notified_by_what_is_forwarded() {
    let forward = json!({"is_share": true, "author_name": "Dana", "text": "<!channel> now"});
    let said = SaidMessage::of(&message(json!({"attachments": [forward]})), Language::En);
    assert!(said.by("Ann").to_bbcode(true).ends_with(">>@channel now"));
    let own = SaidMessage::of(&message(json!({"text": "<!channel> now"})), Language::En);
    assert!(own.by("Ann").to_bbcode(true).contains("[user=all]"));
}

#[test]
fn no_id_is_ever_shown() {
    let element = |kind: &str, name: &str, id: &str| json!({"type": kind, name: id});
    let rich = json!([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
        element("user", "user_id", "U0STRANGER"), element("usergroup", "usergroup_id", "S0SALES01"), element("channel", "channel_id", "C0SAND0003"),
    ]}]}]);
    for fields in [
        json!({"blocks": rich.clone()}),
        json!({"text": "<@U0STRANGER> <!subteam^S0SALES01> <#C0SAND0003|> <#C0SAND0003>"}),
        json!({"attachments": [{"is_share": true, "author_id": "U0STRANGER", "channel_id": "C0SAND0003", "message_blocks": [{"message": {"blocks": rich}}]}]}),
    ] {
        let said = read(fields);
        assert!(!["U0", "S0", "C0"].iter().any(|id| said.contains(id)), "{said}");
    }
    assert!(read(json!({"text": "<!subteam^S1|@sales> <#C1|legal> <@U2|bob>"})).contains("@sales #legal @bob"));
}

#[test]
fn a_huddle_is_named_and_counted() {
    let huddle = |room: Value| read(json!({"subtype": "huddle_thread", "text": "A huddle started", "room": room}));
    assert_eq!(huddle(json!({"created_by": "U1"})), "[b]Ann:[/b] 🎧 [i]A huddle started[/i]");
    let ended =
        json!({"has_ended": true, "date_start": 100, "date_end": 400, "participant_history": ["U1", "U2", "U3"]});
    assert_eq!(huddle(ended), "[b]Ann:[/b] 🎧 [i]A huddle ended, 3 people, 5 min[/i]");
}

#[test]
fn a_message_that_lost_all_says_so() {
    let mut large = message(json!({}));
    large.shortened = true;
    assert!(SaidMessage::of(&large, Language::En).by("Ann").to_bbcode(false).contains("too large"));
    assert!(SaidMessage::of(&message(json!({})), Language::En).is_empty());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from)
    ];
    let kinds: Vec<&str> =
        ROWS.iter().flat_map(|row| row.names.iter().copied()).chain(["raw_text", "mrkdwn", "button"]).collect();
    let name = prop::sample::select(vec![
        "type",
        "text",
        "elements",
        "fields",
        "rows",
        "title",
        "call",
        "v1",
        "accessory",
        "child_blocks",
        "chart",
        "series",
        "blocks",
        "attachments",
        "message_blocks",
        "message",
        "files",
        "is_share",
        "fallback",
        "mode",
        "room",
    ]);
    let leaf = prop_oneof![leaf, prop::sample::select(kinds).prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_fall(blocks in json_value(), attachments in json_value(), files in json_value(), room in json_value()) {
        let message = message(json!({"text": "x", "blocks": [blocks], "attachments": [attachments], "files": [files], "room": room}));
        let said = SaidMessage::of(&message, Language::Ru).by("Ann").to_bbcode(true);
        prop_assert!(!said.is_empty());
    }

    #[test]
    fn work_grows_with_the_message_and_no_faster(kind in prop::sample::select(vec!["section", "table", "hologram", "forward"])) {
        let cost = |count: usize| {
            let fields = match kind {
                "section" => json!({"blocks": vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": "*a* <b"}}); count]}),
                "table" => json!({"blocks": [{"type": "table", "rows": vec![vec![json!({"type": "raw_text", "text": "a"}); 4]; count]}]}),
                "hologram" => json!({"blocks": [{"type": "hologram", "elements": vec![json!({"elements": [{"text": "a"}]}); count]}]}),
                _ => json!({"attachments": vec![json!({"is_share": true, "text": "*a* <b", "from_url": "https://a.example"}); count]}),
            };
            steps::of(|| read(fields)).1
        };
        let (once, twice) = (cost(40), cost(80));
        prop_assert!(once > 0 && twice * 10 <= once * 24, "{} steps, then {}", once, twice);
    }
}

/// What is said in a chat by itself, in the made-up language.
#[test]
fn what_a_chat_says_of_messages_comes_from_the_catalogues() {
    let page = "https://1.23/4";
    let file = |fields: Value| {
        let mut file = json!({"id": "1", "title": "12", "name": "12", "permalink": page});
        file.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"files": [file]})
    };
    let forwarded = |fields: Value| {
        let mut forwarded = json!({"is_share": true, "author_name": "Анна", "text": "1", "from_url": page});
        forwarded.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"attachments": [forwarded]})
    };
    let notice = |subtype: &str| json!({"subtype": subtype});
    let ended = json!({"has_ended": true, "date_start": 100, "date_end": 400, "participant_history": ["1", "2"]});
    let call = |fields: Value| json!({"blocks": [{"type": "call", "call": {"v1": fields}}]});
    let said = [
        json!({"subtype": "huddle_thread", "room": {"created_by": "U1"}}),
        json!({"subtype": "huddle_thread", "room": ended}),
        notice("channel_canvas_updated"),
        notice("reminder_add"),
        notice("pinned_item"),
        notice("unpinned_item"),
        notice("channel_topic"),
        forwarded(json!({})),
        forwarded(json!({"channel_name": "канал"})),
        forwarded(json!({"author_name": ""})),
        json!({"attachments": [{"title": "1", "image_url": "https://1.23/5"}]}),
        json!({"blocks": [{"type": "image", "image_url": page}]}),
        json!({"blocks": [{"type": "77"}]}),
        call(json!({"all_participants": [1, 2], "has_ended": true})),
    ];
    let mut texts: Vec<String> = locale::in_pseudo(|| {
        said.into_iter().map(|fields| SaidMessage::of(&message(fields), Language::En).by("Анна").visible()).collect()
    });
    let files = [
        file(json!({"mode": "external", "external_type": "", "url_private": page})),
        file(json!({"mode": "external", "external_type": "ё", "url_private": page})),
        file(json!({"mode": "quip"})),
        file(json!({"mode": "list"})),
        file(json!({"mode": "space"})),
        file(json!({"mode": "tombstone"})),
        file(json!({"mode": "hidden_by_limit"})),
        file(json!({"mode": "file_access", "file_access": "access_denied"})),
    ];
    texts.extend(files.into_iter().filter_map(|fields| {
        let file = message(fields).files.remove(0);
        locale::in_pseudo(|| instead_of_copy(&file, Language::En)).map(|line| line.visible())
    }));
    let mut hosted = message(file(json!({"mode": "hosted", "size": 2_000}))).files.remove(0);
    locale::in_pseudo(|| {
        texts.push(not_copied(&hosted, locale::texts::chat::FILES_OFF, Language::En).visible());
        hosted.size = 3_000_000;
        texts.push(not_copied(&hosted, locale::texts::chat::FILE_TOO_LARGE, Language::En).visible());
        texts.push(taken_back("12", Language::En).visible());
        texts.push(edit_of_older(Language::En).visible());
        let long = Document { blocks: vec![TextBlock::Code("1".repeat(40_000)); 40] };
        texts.extend(
            crate::chat::bitrix24_parts(long, false, Language::En)
                .pop()
                .map(|part| Document::from_bbcode(&part).visible()),
        );
    });
    assert_eq!(texts.len(), 27);
    for text in texts {
        assert!(text.contains("!!"), "{text}");
        locale::assert_from_the_catalogues(&text);
    }
}
