use proptest::prelude::*;
use serde_json::json;

use super::*;

fn from_slack(text: &str) -> String {
    Document::from_mrkdwn(text).to_bbcode(false)
}

fn to_slack(text: &str) -> String {
    Document::from_bbcode(text).to_mrkdwn(false).replace('\u{200b}', "")
}

/// What people see, without what they do not.
fn seen(document: &Document) -> String {
    squeezed(&document.visible())
}

fn squeezed(text: &str) -> String {
    text.replace('\u{200b}', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn slacks_markup_becomes_bbcode() {
    for (mrkdwn, bbcode) in [
        ("*bold* and _it_ ~no~ `x`", "[b]bold[/b] and [i]it[/i] [s]no[/s] [i]x[/i]"),
        ("a *b _c_* d", "a [b]b [/b][b][i]c[/i][/b] d"),
        ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
        ("<https://a.example/?a=1&amp;b=2|words>", "[url=https://a.example/?a=1&b=2]words[/url]"),
        ("<https://a.example>", "[url=https://a.example]https://a.example[/url]"),
        ("<javascript:alert(1)|x>", "x"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("&gt; said\n&gt; twice\nanswer", ">>said\n>>twice\nanswer"),
        ("```\nlet x = [1];\n```", "[code]let x = [1];[/code]"),
        ("see:\n```a```\nend", "see:\n[code]a[/code]\nend"),
        (":wave: at 10:30:15 :custom:", "👋 at 10:30:15 :custom:"),
        ("<!channel> <!here|@here>", "@channel @here"),
        ("<#C1|general> <@U1|ann>", "#general @ann"),
        ("[send=/boom]press[/send]", "[\u{200b}send=/boom]press[\u{200b}/send]"),
        ("[user=all]x", "[\u{200b}user=all]x"),
        (">>no quote", ">>>no quote"),
        ("``` open", "``` open"),
    ] {
        assert_eq!(from_slack(mrkdwn), bbcode, "{mrkdwn}");
    }
}

#[test]
fn bbcode_becomes_slacks_markup() {
    for (bbcode, mrkdwn) in [
        ("[B]bold[/b] [i]it[/i] [s]no[/s] [u]under[/u]", "*bold* _it_ ~no~ under"),
        ("[url=https://a.example/?a=1&b=2]words[/url]", "<https://a.example/?a=1&amp;b=2|words>"),
        ("[url]https://a.example[/url]", "<https://a.example|https://a.example>"),
        ("[url=javascript:alert(1)]x[/url]", "x"),
        ("[user=5]Ann Lee[/user] hi", "@Ann Lee hi"),
        ("[USER=503 REPLACE]Bob[/USER]", "@Bob"),
        ("[user=all]everyone[/user]", "@all"),
        ("[send=/boom]press[/send] [put=/x]put[/put]", "press put"),
        ("[call=+49 30 1]office[/call]", "<tel:+49301|office>"),
        (">>said\nanswer", "> said\nanswer"),
        (
            "------------------------------------------------------\nAnn [12:00]\nhi\n------------------------------------------------------\nyes",
            "> Ann [12:00]\n> hi\nyes",
        ),
        ("[code][b]x[/b][/code]", "```\n[b]x[/b]\n```"),
        ("<!channel> a[0] & [x]", "&lt;!channel&gt; a[0] &amp; [x]"),
        ("[img size=small]https://a.example/p.png [/img]", "<https://a.example/p.png|https://a.example/p.png>"),
        ("[icon=https://a/b size=20 title=smile] ok[br]two", ":smile: ok\ntwo"),
        ("[size=20][color=#ff0000]red[/color][/size]", "red"),
        ("[b]open", "*open*"),
        ("*not bold* _nor this_", "*not bold* _nor this_"),
        ("[timestamp=1763726400 format=d]", "<!date^1763726400^{date_short_pretty} {time}|2025-11-21 12:00 UTC>"),
    ] {
        assert_eq!(to_slack(bbcode), mrkdwn, "{bbcode}");
    }
}

#[test]
fn everyone_is_mentioned_only_where_it_is_allowed() {
    let said = Document::from_mrkdwn("<!channel> go");
    assert_eq!(said.to_bbcode(true), "[user=all]channel[/user] go");
    assert_eq!(Document::from_bbcode("[user=all]x[/user]").to_mrkdwn(true), "<!channel>");
    let block = Document::from_bbcode("[user=all]x[/user]").to_rich_text(false);
    assert_eq!(block["elements"][0]["elements"][0], json!({"type": "text", "text": "@all"}));
}

#[test]
fn a_rich_text_block_keeps_its_shape() {
    let block = json!({"type": "rich_text", "elements": [
        {"type": "rich_text_section", "elements": [
            {"type": "text", "text": "Hi "}, {"type": "user", "user_id": "U1"}, {"type": "emoji", "name": "wave", "unicode": "1f44b"},
            {"type": "text", "text": " bold", "style": {"bold": true}}, {"type": "link", "url": "https://a.example"},
            {"type": "text", "text": "\n"},
        ]},
        {"type": "rich_text_list", "style": "ordered", "indent": 0, "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]},
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "two"}]},
        ]},
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "said"}]},
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1"}]},
    ]});
    let document = Document::from_rich_text(&block).with_people(|person| person.bitrix24 = Some(5));
    assert_eq!(
        document.to_bbcode(false),
        "Hi [user=5]user 5[/user]👋[b] bold[/b][url=https://a.example]https://a.example[/url]\n1. one\n2. two\n>>said\n[code]x = 1[/code]"
    );
}

#[test]
fn names_stand_before_what_was_said() {
    assert_eq!(Document::plain("hi").by("Ann").to_bbcode(false), "[b]Ann:[/b] hi");
    assert_eq!(Document::from_mrkdwn("```x```").by("Ann").to_bbcode(false), "[b]Ann:[/b]\n[code]x[/code]");
}

#[test]
fn a_long_text_is_cut_at_paragraphs_then_words_then_characters() {
    let length = |part: &Document| units(&part.to_bbcode(false));
    let visible =
        |text: &str, most| Document::plain(text).split(most, length).iter().map(Document::visible).collect::<Vec<_>>();
    assert_eq!(visible("one two three four", 9), ["one two", "three", "four"]);
    assert_eq!(visible("one two\n\nthree", 13), ["one two", "three"]);
    assert_eq!(visible(&"ж".repeat(250), 100), ["ж".repeat(100), "ж".repeat(100), "ж".repeat(50)]);
    // An emoji is two units in UTF-16, and is never halved.
    assert_eq!(visible(&"👋".repeat(120), 99), ["👋".repeat(49), "👋".repeat(49), "👋".repeat(22)]);
    let long = "word ".repeat(12_000);
    let parts = Document::plain(&long).split(BITRIX24_MESSAGE, length);
    assert!(parts.len() == 3 || parts.len() == 4, "{}", parts.len());
    assert!(parts.iter().all(|part| length(part) <= BITRIX24_MESSAGE));
}

#[test]
fn reactions_go_as_far_as_both_have_them() {
    assert_eq!(reaction_from_slack("+1::skin-tone-3"), Some("like"));
    assert_eq!(reaction_from_slack("party_parrot"), None);
    assert_eq!(reaction_to_slack("LAUGH"), Some("joy"));
    for reaction in ["like", "cry", "angry"] {
        assert_eq!(reaction_to_slack(reaction).and_then(reaction_from_slack), Some(reaction));
    }
}

/// What people and attackers type: words, marks, tags, mentions, brackets.
fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zж👋 \\n]{0,8}",
        prop::sample::select(vec![
            "*",
            "_",
            "~",
            "`",
            "```",
            "[b]",
            "[/b]",
            "[B",
            "]",
            "[",
            "[url=https://a]",
            "[/url]",
            "[url=javascript:x]",
            "[user=all]",
            "[/user]",
            "[user=5]",
            "[send=/x]",
            "[/send]",
            "[code]",
            "[/code]",
            ">>",
            "&gt;",
            "&amp;",
            "&lt;",
            "<!channel>",
            "<!here|x>",
            "<@U1>",
            "<https://a.example|w>",
            "<#C1|g>",
            ":wave:",
            ":x:",
            "--------------------",
            "\u{200b}",
            "<",
            ">",
            "&",
            "|",
            "^",
            "[timestamp=1763726400]",
            "[br]",
            "[call=1]",
            "[disk=1]",
            "<!date^1^x|y>",
            "• ",
            "1. ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// A document of either side.
fn document() -> impl Strategy<Value = Document> {
    (typed(), any::<bool>())
        .prop_map(|(text, slack)| if slack { Document::from_mrkdwn(&text) } else { Document::from_bbcode(&text) })
}

proptest! {
    #[test]
    fn bbcode_that_we_write_reads_as_what_we_meant(document in document()) {
        let written = document.to_bbcode(false);
        let read = Document::from_bbcode(&written);
        // Moments are written in the reader's own manner; list marks are text on the other side.
        let plain = document.blocks.iter().all(|block| !matches!(block, Block::Item { .. }) && block.spans().iter().all(|span| !matches!(span.leaf, Leaf::Moment { .. })));
        if plain {
            prop_assert_eq!(seen(&read), seen(&document), "{}", written);
        }
    }

    #[test]
    fn nobody_makes_a_button_or_calls_everyone(text in typed()) {
        let written = Document::from_mrkdwn(&text).to_bbcode(false).to_lowercase();
        // Nothing inside of code is a tag.
        for tag in ["[send", "[put", "[user=all", "[call", "[img", "[icon", "[disk"] {
            let outside = outside_code(&written);
            prop_assert!(!outside.contains(tag), "{} in {}", tag, written);
        }
        prop_assert!(!outside_code(&written).contains("[url=javascript"));
    }

    #[test]
    fn mrkdwn_that_we_write_mentions_only_whom_we_meant(text in typed()) {
        let written = Document::from_bbcode(&text).to_mrkdwn(false);
        for mark in ["<!channel", "<!here", "<!everyone", "<@", "<#"] {
            prop_assert!(!written.contains(mark), "{} in {}", mark, written);
        }
        // Every bracket is one of a link or a moment that we wrote.
        for (at, _) in written.match_indices('<') {
            let known = ["<http", "<tel:", "<mailto:", "<!date^"].iter().any(|known| written[at..].starts_with(known));
            prop_assert!(known, "{}", written);
        }
        let read = Document::from_mrkdwn(&written);
        let has_moment = Document::from_bbcode(&text).blocks.iter().flat_map(Block::spans).any(|span| matches!(span.leaf, Leaf::Moment { .. }));
        if !has_moment {
            let meant = Document::from_bbcode(&text);
            prop_assert_eq!(seen(&read), seen(&meant), "{}", written);
        }
    }

    #[test]
    fn rich_text_keeps_every_word(document in document()) {
        let document = document.with_people(|person| person.slack = None);
        let block = document.to_rich_text(false);
        let read = Document::from_rich_text(&block);
        prop_assert_eq!(seen(&read), seen(&document), "{}", block);
        let text = block.to_string();
        prop_assert!(!text.contains("\"broadcast\""));
    }

    #[test]
    fn parts_fit_and_lose_no_word(document in document(), most in 80usize..200) {
        let length = |part: &Document| units(&part.to_bbcode(false));
        let parts = document.clone().split(most, length);
        for part in &parts {
            prop_assert!(length(part) <= most, "{} > {}: {:?}", length(part), most, part);
        }
        let together: String = parts.iter().map(|part| seen(part).replace(' ', "")).collect();
        prop_assert_eq!(together, seen(&document).replace(' ', ""));
    }

    #[test]
    fn nothing_makes_the_readers_fall(text in "\\PC{0,80}") {
        let _ = Document::from_mrkdwn(&text).to_bbcode(true);
        let _ = Document::from_bbcode(&text).to_mrkdwn(true);
    }
}

fn outside_code(text: &str) -> String {
    let mut outside = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[code]") {
        outside.push_str(&rest[..at]);
        rest = rest[at..].find("[/code]").map_or("", |end| &rest[at + end + 7..]);
    }
    outside + rest
}
