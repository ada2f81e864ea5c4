//! Texts from one side's markup to the other's.

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
        ("[icon=https://a/b size=20 title=smile] ok[br]two", "😄 ok\ntwo"),
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
fn an_ordered_list_that_is_split_goes_on_counting() {
    let list = |style: &str, indent: usize, offset: Option<u64>, words: &[&str]| {
        let points: Vec<_> = words
            .iter()
            .map(|words| json!({"type": "rich_text_section", "elements": [{"type": "text", "text": words}]}))
            .collect();
        let mut list = json!({"type": "rich_text_list", "style": style, "indent": indent, "elements": points});
        if let Some(offset) = offset {
            list["offset"] = offset.into();
        }
        list
    };
    let said = |elements: Vec<serde_json::Value>| {
        Document::from_rich_text(&json!({"type": "rich_text", "elements": elements})).to_bbcode(false)
    };
    let ordered = |offset, words: &[&str]| list("ordered", 0, offset, words);
    assert_eq!(
        said(vec![ordered(None, &["one", "two"]), list("bullet", 1, None, &["in"]), ordered(None, &["three"])]),
        "1. one\n2. two\n    • in\n3. three"
    );
    assert_eq!(
        said(vec![
            ordered(None, &["one"]),
            list("ordered", 1, None, &["a", "b"]),
            list("bullet", 2, None, &["deep"]),
            list("ordered", 1, None, &["c"]),
            ordered(None, &["two"]),
            list("ordered", 1, None, &["a"]),
        ]),
        "1. one\n    1. a\n    2. b\n        • deep\n    3. c\n2. two\n    1. a"
    );
    // As said, where it is said; and another list begins again.
    let bullets = || list("bullet", 1, None, &["in"]);
    assert_eq!(said(vec![ordered(None, &["one"]), bullets(), ordered(Some(5), &["six"])]), "1. one\n    • in\n6. six");
    assert_eq!(said(vec![ordered(None, &["one"]), bullets(), ordered(Some(0), &["one"])]), "1. one\n    • in\n1. one");
    assert_eq!(said(vec![ordered(None, &["one"]), ordered(None, &["one"])]), "1. one\n1. one");
    assert_eq!(
        said(vec![ordered(None, &["one"]), list("bullet", 0, None, &["x"]), ordered(None, &["one"])]),
        "1. one\n• x\n1. one"
    );
    let between = json!({"type": "rich_text_section", "elements": [{"type": "text", "text": "then"}]});
    assert_eq!(
        said(vec![ordered(None, &["one"]), bullets(), between, ordered(None, &["one"])]),
        "1. one\n    • in\nthen\n1. one"
    );
}

#[test]
fn what_bitrix24_writes_reaches_slack_whole() {
    for (bbcode, mrkdwn) in [
        ("[list][*]one[*]two[/list]", "• one\n• two"),
        (
            "tasks:\n[list=1]\n[*]one\n[list]\n[*]in\n[/list]\n[*]two\n[/list]\nend",
            "tasks:\n1. one\n    • in\n2. two\nend",
        ),
        ("[b]bold [b]inner[/b] still bold[/b]", "*bold inner still bold*"),
        ("[b]a [i]b[/b] c[/i]", "*a* *_b_* _c_"),
        ("see [DISK FILE ID=n77]", "see 📎 file"),
        ("[disk=5]", "📎 file"),
        ("nice :f09f918d:", "nice 👍"),
        (":f09f91a8e2808df09f91a9e2808df09f91a7: 10:20:30 :c3a9: :f0:", "👨\u{200d}👩\u{200d}👧 10:20:30 é :f0:"),
        ("[p]one[/p][p]two[/p]", "one\ntwo"),
        ("[p]one[/p]\n[p][/p]\n[p]two[/p]", "one\n\ntwo"),
        ("[quote]said\ntwice[/quote]\nyes", "> said\n> twice\nyes"),
        ("[table][tr][td]a[/td][td]b[/td][/tr][tr][td]1[/td][td]2[/td][/tr][/table]", "a | b\n1 | 2"),
        ("use [code]x_y[/code] here", "use `x_y` here"),
        ("see https://a.example/x_y_z.", "see <https://a.example/x_y_z|https://a.example/x_y_z>."),
        ("(https://a.example/q?a=1&b=2)", "(<https://a.example/q?a=1&amp;b=2|https://a.example/q?a=1&amp;b=2>)"),
        ("[url=https://a.example/a|b]words[/url]", "<https://a.example/a%7Cb|words>"),
        ("[url=https://a.example/x[1]]words[/url]", "<https://a.example/x[1]|words>"),
        ("[url=https://пример.example/путь до]words[/url]", "<https://пример.example/путь%20до|words>"),
        ("[url=mailto:ann@a.example]write[/url]", "<mailto:ann@a.example|write>"),
        ("[url=/crm/deal/details/5/]deal[/url]", "deal (/crm/deal/details/5/)"),
        ("[url=https://a.example][/url]", "<https://a.example|https://a.example>"),
        ("[url=javascript:alert(1)]words[/url]", "words"),
        ("[h1]Head[/h1]text", "*Head*\ntext"),
        ("[user=5]Ann Lee[/user], [department=3]HR[/department], [project=4]X[/project]", "@Ann Lee, HR, X"),
    ] {
        assert_eq!(to_slack(bbcode), mrkdwn, "{bbcode:?}");
    }
    let own = Surroundings {
        origin: Some("https://acme.bitrix24.com"),
        file: Some(&|id| (id == "77").then(|| "offer.pdf".to_owned())),
        chat: true,
    };
    let read = |bbcode| Document::from_bbcode_in(bbcode, own).to_mrkdwn(false);
    assert_eq!(read("[url=/crm/deal/details/5/]deal[/url]"), "<https://acme.bitrix24.com/crm/deal/details/5/|deal>");
    assert_eq!(read("see [DISK FILE ID=n77] [disk=78]"), "see 📎 offer.pdf 📎 file");
}

#[test]
fn a_typed_address_is_a_link_element() {
    let block =
        Document::from_bbcode("see https://a.example/x_y_z, [b]www.b.example[/b] [code]https://c.example[/code] x")
            .to_rich_text(false);
    assert_eq!(
        block["elements"][0]["elements"],
        json!([
            {"type": "text", "text": "see "},
            {"type": "link", "url": "https://a.example/x_y_z", "text": "https://a.example/x_y_z"},
            {"type": "text", "text": ", "},
            {"type": "link", "url": "http://www.b.example", "text": "www.b.example", "style": {"bold": true}},
            {"type": "text", "text": " "},
            {"type": "text", "text": "https://c.example", "style": {"code": true}},
            {"type": "text", "text": " x"},
        ])
    );
}

#[test]
fn the_documentation_has_the_table_of_tags() {
    let page = include_str!("../../../docs/talking.md");
    let (_, rest) = page.split_once("<!-- tags -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /tags -->").unwrap();
    assert_eq!(table.trim(), documentation_of_tags().trim(), "copy the table into docs/talking.md");
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
fn a_part_that_ends_with_its_line_fits_with_the_marks_that_it_gains() {
    let document = Document::from_bbcode("[b]aaaa bbbb cccc ddd\ne ffff gggg[/b]");
    for part in document.split(21, |part| units(&part.to_mrkdwn(false))) {
        assert!(units(&part.to_mrkdwn(false)) <= 21, "{part:?}");
    }
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
        let plain = document.blocks.iter().all(|block| !matches!(block, TextBlock::Item { .. }) && block.spans().iter().all(|span| !matches!(span.leaf, Leaf::Moment { .. })));
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
        let has_moment = Document::from_bbcode(&text).blocks.iter().flat_map(TextBlock::spans).any(|span| matches!(span.leaf, Leaf::Moment { .. }));
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

/// Shapes that made some search begin again and again, each repeated to any length.
const SHAPES: [&str; 62] = [
    "[",
    "]",
    "[]",
    "[[]",
    "[b",
    "[b]",
    "[/b]",
    "[b]x[/b]",
    "[b][i]",
    "[url]",
    "[url=https://a]",
    "[url]x[/url]",
    "[img]",
    "[img]x[/img]",
    "[call]",
    "[call=1]x[/call]",
    "[user=1]",
    "[user=1]x[/user]",
    "[user=1][chat=1]x[/chat]",
    "[chat=1]",
    "[context=1]",
    "[code]",
    "[code]x[/code]",
    "[/code]",
    "[CODE",
    "[quote]",
    "[timestamp=1]",
    "[icon=a title=b]",
    "[disk=1]",
    "[br]",
    "[/urlurlurl]",
    "--------------------\n",
    ">>\n",
    "\n",
    ">>x\ny\n",
    "*",
    "**",
    "***",
    "___",
    "_",
    "~",
    "~a~",
    "*a",
    "*a ",
    "_a *b ~c ",
    "*_~a",
    "`",
    "`a`",
    "``",
    "```",
    "```\n",
    "*a\n",
    "<",
    "<<<",
    "<a",
    "<a>",
    "<@U1>",
    ":",
    ":a",
    ":a:",
    "&gt;",
    "&amp;",
];

/// A text of a shape, with a lead that may open something around all of it.
fn shaped(lead: &str, shape: &str, bytes: usize) -> String {
    [lead, &shape.repeat(bytes / shape.len())].concat()
}

/// Steps for a text of each length: reading, both ways of writing, cutting into parts.
fn cost(read: fn(&str) -> Document, text: &str) -> u64 {
    let work = || {
        let document = read(text);
        let _ = (document.to_bbcode(true), document.to_mrkdwn(true), document.to_rich_text(true));
        document.clone().split(SLACK_MESSAGE, |part| units(&part.to_mrkdwn(false))).len()
            + document.split(BITRIX24_MESSAGE, |part| units(&part.to_bbcode(false))).len()
    };
    steps::of(work).1
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    for (name, read) in [("bbcode", Document::from_bbcode as fn(&str) -> Document), ("mrkdwn", Document::from_mrkdwn)] {
        for shape in SHAPES {
            for lead in ["", "[b]", "[url=https://a]", "*", "x "] {
                // Reading alone, which is where searches are; then everything that is done with a message. A quadratic part
                // shows first in the doubling: it fails if that part is a ninth of the rest at 5,000 bytes.
                let reading = |bytes: usize| {
                    let text = shaped(lead, shape, bytes);
                    steps::of(|| read(&text)).1
                };
                let (once, twice) = (reading(5_000), reading(10_000));
                assert!(once > 0 && twice * 10 <= once * 22, "{name} {lead:?} {shape:?}: {once} steps, then {twice}");
                assert!(twice <= 40 * 10_000, "{name} {lead:?} {shape:?}: {twice} steps for 10,000 bytes");
            }
            // The longest message that Slack has, for what might begin only at a length of its own.
            let most = steps::of(|| read(&shaped("", shape, 40_000))).1;
            assert!(most <= 40 * 40_000, "{name} {shape:?}: {most} steps for 40,000 bytes");
            // Beyond what fits into two parts of either side. Parts come whole, so the work grows in steps: what holds is so
            // much for each byte. The dearest shape takes 165.
            let all = cost(read, &shaped("", shape, 45_000));
            assert!(all <= 200 * 45_000, "{name} {shape:?}: {all} steps with all writing for 45,000 bytes");
        }
    }
}

#[test]
fn depth_is_bounded_and_nothing_overflows() {
    for shape in ["[b]", "[url=https://a]", "[quote]", "*_~", "[user=1][chat=1]"] {
        let text = shape.repeat(100_000) + "x";
        assert!(!Document::from_bbcode(&text).to_mrkdwn(false).is_empty());
        assert!(!Document::from_mrkdwn(&text).to_bbcode(false).is_empty());
    }
    let mut nested = json!({"type": "text", "text": "deep"});
    for _ in 0..100 {
        nested = json!({"type": "rich_text_section", "elements": [nested]});
    }
    let block = json!({"type": "rich_text", "elements": [nested, {"type": "rich_text_list", "style": "ordered", "offset": u32::MAX, "indent": u64::MAX,
        "elements": [{"elements": [{"type": "text", "text": "a"}]}, {"elements": [{"type": "text", "text": "b"}]}]}]});
    assert!(Document::from_rich_text(&block).visible().contains('b'));
}

#[test]
fn nothing_turns_the_direction_of_the_words_around_it() {
    let turned = "\u{202e}cod.exe\u{202c} \u{2067}x\u{2069}";
    let block = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": turned}]}]});
    let documents = [
        Document::from_bbcode(turned),
        Document::from_mrkdwn(turned),
        Document::from_rich_text(&block),
        Document::plain(turned),
        Document::plain("").by(turned),
        Document::from_mrkdwn("<@U1>").with_people(|person| person.name = Some(turned.into())),
    ];
    for document in documents {
        for written in [document.to_bbcode(false), document.to_mrkdwn(false), document.visible()] {
            assert!(!written.contains(['\u{202e}', '\u{202c}', '\u{2067}', '\u{2069}']), "{written:?}");
        }
    }
    let honest = "שלום\u{200f}. می\u{200c}خواهم 👨\u{200d}👩\u{200d}👧";
    assert_eq!(Document::from_bbcode(honest).to_bbcode(false), honest);
}

#[test]
fn a_beginning_says_whether_it_is_all() {
    let (whole, is_cut) = Document::from_mrkdwn("*one* two").within(7);
    assert_eq!((whole.visible().as_str(), is_cut), ("one two", false));
    let (start, is_cut) = Document::plain(&"word ".repeat(20_000)).within(40_000);
    assert!(is_cut && start.visible().chars().count() <= 40_000 && start.visible().chars().count() > 39_990);
}

#[test]
fn a_moment_that_cannot_be_read_turns_no_text() {
    let document = Document::from_bbcode("[timestamp=17\u{202e}x] is shown as it is written");
    assert_eq!(document.visible(), "[timestamp=17x] is shown as it is written");
}

#[test]
fn an_address_that_turns_text_turns_none_on_either_side() {
    let document = Document::from_bbcode("[url=tel:+\u{202e}49]call[/url]");
    assert_eq!(document.to_bbcode(false), "call (tel:+49)");
    let link = json!({"type": "link", "url": "tel:+\u{202e}49", "text": "call"});
    let rich_text = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]});
    for document in [
        document,
        Document::from_bbcode(
            "[url=https://a.example/\u{2067}x][b]call[/b][/url] [url]https://a.example/\u{2066}[/url]",
        ),
        Document::from_bbcode("[timestamp=\u{202a}1] [user=\u{202b}5]Ann\u{202c}[/user] [file=\u{202d}a]"),
        Document::from_mrkdwn("<tel:+\u{202e}49|call>"),
        Document::from_rich_text(&rich_text),
    ] {
        for text in [document.to_bbcode(false), document.to_mrkdwn(false), document.to_rich_text(false).to_string()] {
            assert_eq!(bidi::without_overrides(&text), text);
        }
    }
}
