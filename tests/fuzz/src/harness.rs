//! What must hold for every input.

use bitrix24::event::{EventError, SenderProof, UnverifiedEvent};
use bitrix24::form::{self, Tree};
use jobs::Hint;
use locale::Language;
use records::{Change, ChangeKind, RecordState};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use settings::condition::{Condition, ConditionFacts, MAX_BYTES, MAX_STEPS};
use slack::inbound::SlackInbound;
use slack::signature;
use text::{BITRIX24_MESSAGE, Document, Leaf, SLACK_MESSAGE, TextBlock, edit, units};

/// One parser's promises.
#[derive(Debug)]
pub struct Harness {
    /// What it is called, and its corpus's folder.
    pub name: &'static str,
    /// Panics where a promise is broken; answers with how the parser behaved, as a number.
    pub run: fn(&[u8]) -> u64,
    /// Longer inputs are cut.
    pub max_len: usize,
    /// What its grammar is made of.
    pub dictionary: &'static [&'static str],
}

/// All of them.
pub static ALL: [Harness; 7] = [
    Harness { name: "forms", run: forms, max_len: 50_000, dictionary: FORM },
    Harness { name: "signatures", run: signatures, max_len: 4_000, dictionary: SIGNED },
    Harness { name: "bbcode", run: bbcode, max_len: 8_000, dictionary: BBCODE },
    Harness { name: "mrkdwn", run: mrkdwn, max_len: 8_000, dictionary: MRKDWN },
    Harness { name: "rich_text", run: rich_text, max_len: 12_000, dictionary: RICH_TEXT },
    Harness { name: "settings", run: settings, max_len: 20_000, dictionary: SETTINGS },
    Harness { name: "conditions", run: conditions, max_len: 1_000, dictionary: CONDITION },
];

const FORM: &[&str] = &[
    "&",
    "=",
    "[",
    "]",
    "[]",
    "[0]",
    "%5B",
    "%5D",
    "%",
    "%ff",
    "%C3%28",
    "+",
    "a[]=1&",
    "auth[member_id]=m",
    "&auth[application_token]=t",
    "auth",
    "event=ONCRMDEALUPDATE&",
    "data[FIELDS][ID]=1&",
    "data[FIELDS_AFTER][ID]=2&",
    "undefined",
    "9223372036854775807",
    "[b][c][d]",
    "flag&",
    "event=ONIMBOTV2MESSAGEADD&data[bot][id]=5&data[chat][dialogId]=chat1&data[message][id]=9&",
    "data[message][text]=",
    "data[BOT][7][BOT_ID]=7&",
];
const SIGNED: &[&str] = &[
    "v0=",
    "payload=",
    "{",
    "}",
    "\"",
    "command=%2Fb24-lead&",
    "team_id=T1&",
    "user_id=U1&",
    "\"type\":\"event_callback\"",
    "\0",
];
const BBCODE: &[&str] = &[
    "[b]",
    "[/b]",
    "[i]",
    "[/i]",
    "[url]",
    "[url=https://a.example/]",
    "[/url]",
    "[user=1]",
    "[user=all]",
    "[/user]",
    "[img]",
    "[/img]",
    "[call=1]",
    "[/call]",
    "[code]",
    "[/code]",
    "[send=/x]",
    "[/send]",
    "[chat=1]",
    "[/chat]",
    "[timestamp=1763726400]",
    "[icon=x title=y]",
    "[br]",
    "[",
    "]",
    ">>",
    "\n",
    "--------------------",
    "\u{202e}",
    "\u{200b}",
    "&",
    "<",
    ">",
    "<!channel>",
    "*",
    "_",
    ":wave:",
    "1. ",
    "• ",
    "👋",
    "ж",
];
const MRKDWN: &[&str] = &[
    "*",
    "_",
    "~",
    "`",
    "```",
    "***",
    "<",
    ">",
    "<!channel>",
    "<!here|x>",
    "<@U1>",
    "<#C1|g>",
    "<https://a.example|w>",
    "<!date^1763726400^{date}|x>",
    "&gt;",
    "&lt;",
    "&amp;",
    ":wave:",
    ":a",
    "\n",
    " ",
    "|",
    "^",
    "\u{200b}",
    "\u{2067}",
    "[b]",
    "[user=all]",
    "[send=/x]",
    "👋",
    "ж",
];
const RICH_TEXT: &[&str] = &[
    "{\"type\":\"text\",\"text\":\"a\"}",
    "{\"type\":\"link\",\"url\":\"https://a.example\"}",
    "{\"type\":\"user\",\"user_id\":\"U1\"}",
    "{\"type\":\"emoji\",\"name\":\"wave\",\"unicode\":\"1f44b\"}",
    "{\"type\":\"broadcast\",\"range\":\"channel\"}",
    "\"style\":{\"bold\":true}",
    "{\"type\":\"rich_text_section\",\"elements\":[",
    "{\"type\":\"rich_text_list\",\"style\":\"ordered\",\"offset\":4294967295,\"indent\":99,\"elements\":[",
    "{\"type\":\"rich_text_quote\",\"elements\":[",
    "{\"type\":\"rich_text_preformatted\",\"elements\":[",
    "]}",
    ",",
    "[",
    "\\n",
    "\\ud83d\\udc4b",
    "\\u202e",
    "{\"type\":\"date\",\"timestamp\":1763726400,\"fallback\":\"x\"}",
    "{\"type\":\"channel\",\"channel_id\":\"C1\"}",
    "null",
    "-1",
    "18446744073709551615",
];
const SETTINGS: &[&str] = &[
    "routes:\n",
    "  - name: a\n",
    "    change: deal.created\n",
    "    to: \"#a\"\n",
    "    when: record.opportunity > 1\n",
    "    card:\n",
    "      fields: [sum]\n",
    "language: ru\n",
    "time_zone: Europe/Berlin\n",
    "channels:\n",
    "robots:\n",
    "    at: \"0 9 * * 1-5\"\n",
    "    run: digest\n",
    "notion:\n",
    "people:\n  map:\n",
    "quiet_outside:\n",
    "&a ",
    "*a",
    "!!str ",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|",
    "> ",
    "\"",
    "'",
    "\\",
    "#",
    "---\n",
    "...\n",
    "{{",
    "{title}",
    "{record.ufCrm_1}",
];
const CONDITION: &[&str] = &[
    "record.title",
    "record.opportunity",
    "before",
    "change.name",
    "change.fields",
    "record.list",
    " == ",
    " > ",
    " && ",
    " || ",
    "!",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".exists(x, ",
    ".all(x, ",
    ".map(x, ",
    ".filter(x, ",
    ".contains('a')",
    ".matches('a*')",
    ".size()",
    "size(",
    " in ",
    " ? ",
    " : ",
    "'a'",
    "1",
    "1.5",
    "null",
    "true",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    ",",
    "has(",
    "string(",
    "timestamp('2026-01-01T00:00:00Z')",
    "-9223372036854775808",
    "9223372036854775807",
    "b'\\xff'",
    "\\u0000",
];

fn log2(number: usize) -> u64 {
    number.checked_ilog2().map_or(0, |log| u64::from(log) + 1)
}

/// Work is in proportion to the input; the proportion is the behaviour.
fn linear<T>(what: &str, bytes: usize, most: u64, work: impl FnOnce() -> T) -> (T, u64) {
    let (result, steps) = steps::of(work);
    let allowed = most * bytes as u64 + 2_000;
    assert!(steps <= allowed, "{what}: {steps} steps for {bytes} bytes; at most {most} a byte");
    (result, steps * 8 / (bytes as u64 + 64))
}

fn no_override(text: &str) {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(turns), "a character that turns the direction is in {text:?}");
}

/// Bitrix24's forms and events.
pub fn forms(data: &[u8]) -> u64 {
    let (found, _) = linear("credentials", data.len(), 6, || SenderProof::find(data));
    let (form, ratio) = linear("form", data.len(), 12, || form::read(data));
    let Ok(form) = form else {
        assert!(found.is_err(), "a body that is no form has credentials");
        return 1;
    };
    let said = |name: &str| form.tree.text(&["auth", name]).filter(|text| !text.is_empty());
    let all_were_read = data.split(|byte| *byte == b'&').count() <= form::MAX_PAIRS;
    match &found {
        Ok(found) if all_were_read => {
            assert_eq!(said("member_id"), Some(found.member_id.as_str()));
            assert_eq!(said("application_token"), Some(found.application_token.expose_secret()));
        }
        Err(EventError::NoAuth(name)) if all_were_read => assert_eq!(said(name), None),
        _ => {}
    }
    if is_plain(&form.tree) && all_were_read {
        let written = form::build(&serde_json::to_value(&form.tree).unwrap());
        assert_eq!(
            form::parse(written.as_bytes()).ok(),
            Some(form.tree.clone()),
            "what is written reads the same: {written}"
        );
    }
    let Ok(event) = UnverifiedEvent::parse(data) else { return 2 + 8 * ratio };
    let hint = Hint::of(&event);
    let queued = serde_json::to_string(&hint).unwrap();
    assert_eq!(serde_json::from_str::<Hint>(&queued).unwrap(), hint);
    assert_eq!(hint.remark().is_some(), form.unread > 0);
    let _ = (runtime::Job::group(&hint), hint.identity(), hint.about(), hint.nothing_to_do());
    let kind = serde_json::to_value(&hint.subject).unwrap()["kind"].as_str().map_or(0, |kind| kind.len() as u64);
    3 + 8 * (ratio + 64 * kind + 4096 * log2(form.unread))
}

/// Whether names can be written as they were read: brackets in a name cannot, and a map that stayed empty is not written.
fn is_plain(tree: &Tree) -> bool {
    match tree {
        Tree::Text(_) => true,
        Tree::Map(map) => {
            !map.is_empty()
                && map.iter().all(|(name, inner)| !name.contains(['[', ']']) && !name.is_empty() && is_plain(inner))
        }
    }
}

/// Slack's signatures, and what is parsed behind them.
pub fn signatures(data: &[u8]) -> u64 {
    let now = jiff::Timestamp::from_second(1_763_710_000).unwrap();
    let (how, rest) = data.split_at(data.len().min(6));
    let (header, body) = rest.split_at(rest.len().min(how.first().map_or(0, |byte| usize::from(*byte % 80))));
    let secrets: Vec<SecretString> = ["one", "two"].map(Into::into).to_vec();
    // What nobody signed is never believed, whatever the headers are.
    for timestamp in [&b"1763710000"[..], header, b"1763710000 ", b""] {
        assert!(signature::verify(&secrets, Some(header), Some(timestamp), body, now).is_err());
    }
    let signed = signature::sign(&secrets[1], now.as_second(), body);
    let stamp = now.as_second().to_string();
    let verify =
        |given: &[u8], stamp: &[u8], body: &[u8]| signature::verify(&secrets, Some(given), Some(stamp), body, now);
    assert_eq!(verify(signed.as_bytes(), stamp.as_bytes(), body), Ok(1));
    let at = usize::from(how.get(1).copied().unwrap_or_default())
        + 256 * usize::from(how.get(2).copied().unwrap_or_default());
    let flip = 1 << (how.get(3).copied().unwrap_or_default() % 8);
    let flipped = |text: &[u8]| {
        let mut text = text.to_vec();
        let place = at % text.len().max(1);
        if let Some(byte) = text.get_mut(place) {
            *byte ^= flip;
        }
        text
    };
    if !body.is_empty() {
        assert!(verify(signed.as_bytes(), stamp.as_bytes(), &flipped(body)).is_err(), "another body");
        assert!(verify(signed.as_bytes(), stamp.as_bytes(), &body[1..]).is_err(), "a shorter body");
    }
    assert!(verify(signed.as_bytes(), stamp.as_bytes(), &[body, b"x"].concat()).is_err(), "a longer body");
    assert!(verify(signed.as_bytes(), &flipped(stamp.as_bytes()), body).is_err(), "another time");
    let other = flipped(signed.as_bytes());
    // Hexadecimal digits have two cases.
    if !other.eq_ignore_ascii_case(signed.as_bytes()) {
        assert!(verify(&other, stamp.as_bytes(), body).is_err(), "another signature");
    }
    match SlackInbound::parse(body) {
        Ok(inbound) => 1 + inbound.team_id().map_or(0, |team| 2 + team.len() as u64),
        Err(error) => 1_000 + error.to_string().len() as u64,
    }
}

/// Bitrix24's chat markup.
pub fn bbcode(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (document, ratio) = linear("bbcode", text.len(), 40, || Document::from_bbcode(&text));
    let (seen, _) = linear("shown", text.len(), 40, || edit::shown(&text));
    assert_eq!(edit::edit_bbcode(&text, &seen).as_deref(), Ok(&*text), "nothing is changed where nothing was edited");
    written(&document);
    ratio + 1_024 * shape(&document)
}

/// Slack's markup.
pub fn mrkdwn(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (document, ratio) = linear("mrkdwn", text.len(), 40, || Document::from_mrkdwn(&text));
    written(&document);
    ratio + 1_024 * shape(&document)
}

/// Slack's blocks; bytes that are no JSON become their text.
pub fn rich_text(data: &[u8]) -> u64 {
    let block = serde_json::from_slice(data).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(data);
        let words = text
            .split('\n')
            .map(|line| json!({"type": "rich_text_section", "elements": [{"type": "text", "text": line}]}));
        json!({"type": "rich_text", "elements": words.collect::<Vec<Value>>()})
    });
    let (document, ratio) = linear("rich text", data.len(), 20, || Document::from_rich_text(&block));
    written(&document);
    let (start, is_cut) = document.clone().within(1_000);
    assert!(is_cut || start == document);
    ratio + 1_024 * shape(&document)
}

/// How a document looks, roughly.
fn shape(document: &Document) -> u64 {
    let spans = document.blocks.iter().flat_map(TextBlock::spans);
    let kinds = spans.fold(0, |kinds, span| {
        let leaf = match &span.leaf {
            Leaf::Text(_) => 0,
            Leaf::Person(_) => 1,
            Leaf::Everyone(_) => 2,
            Leaf::Channel { .. } | Leaf::Group { .. } => 3,
            Leaf::Moment { .. } => 4,
            Leaf::Emoji { .. } => 5,
        };
        let style = [span.style.bold, span.style.italic, span.style.strike, span.style.underline, span.style.code];
        kinds
            | 1 << leaf
            | style.iter().enumerate().fold(0, |all, (place, on)| all | u64::from(*on) << (6 + place))
            | u64::from(span.link.is_some()) << 11
    });
    kinds
        | log2(document.blocks.len()) << 12
        | log2(document.blocks.iter().map(|block| block.spans().len()).sum()) << 16
}

/// What is written of a document, on either side and in parts.
fn written(document: &Document) {
    let (bbcode, mrkdwn) = (document.to_bbcode(false), document.to_mrkdwn(false));
    let block = document.to_rich_text(false);
    let rich_text = block.to_string();
    for text in [&bbcode, &mrkdwn, &rich_text] {
        no_override(text);
    }
    let everyone = |text: &str| ["<!channel", "<!here", "<!everyone"].iter().any(|mark| text.contains(mark));
    assert!(!everyone(&mrkdwn), "everyone is mentioned: {mrkdwn}");
    let elements = |value: &Value| value["elements"].as_array().cloned().unwrap_or_default();
    let all = elements(&block).iter().flat_map(elements).collect::<Vec<_>>();
    let calls_everyone = |element: &Value| {
        element["type"] == "broadcast" || elements(element).iter().any(|inner| inner["type"] == "broadcast")
    };
    assert!(!all.iter().any(calls_everyone), "everyone is mentioned: {rich_text}");
    let outside = outside_code(&bbcode.to_lowercase());
    for tag in ["[send", "[put", "[user=all", "[call", "[img", "[icon", "[disk", "[url=javascript"] {
        assert!(!outside.contains(tag), "{tag} in {bbcode}");
    }
    let all = squeezed(&document.visible());
    let small = document.clone().split(200, |part| units(&part.to_bbcode(false)));
    let together = |parts: &[Document]| squeezed(&parts.iter().map(Document::visible).collect::<String>());
    assert_eq!(together(&small), all, "a cut loses nothing");
    let has_giant = document
        .blocks
        .iter()
        .flat_map(TextBlock::spans)
        .any(|span| !matches!(span.leaf, Leaf::Text(_)) && span.visible().len() > 100);
    for part in chat_bridge::chat::slack_parts(document.clone(), false, Language::En) {
        assert!(has_giant || units(&part.text) <= SLACK_MESSAGE, "a part of {} for Slack", units(&part.text));
    }
    for part in chat_bridge::chat::bitrix24_parts(document.clone(), false, Language::En) {
        assert!(has_giant || units(&part) <= BITRIX24_MESSAGE, "a part of {} for Bitrix24", units(&part));
    }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{200b}').collect()
}

fn outside_code(text: &str) -> String {
    let mut outside = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[code]") {
        outside.push_str(&rest[..at]);
        rest = rest[at..].find("[/code]").map_or("", |end| &rest[at + end + "[/code]".len()..]);
    }
    outside + rest
}

/// The settings document.
pub fn settings(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (read, ratio) = linear("settings", text.len(), 20, || settings::document::read(&text));
    match read {
        Ok(settings) => {
            let written = settings::document::write(&settings);
            assert_eq!(
                settings::document::read(&written).as_ref(),
                Ok(&settings),
                "what is written reads the same:\n{written}"
            );
            1 + ratio + 64 * (settings.routes.len() as u64 + 16 * settings.robots.len() as u64)
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            let first = &findings[0].problem;
            let words: u64 = first.text.to_string().split(' ').take(4).map(|word| word.len() as u64).sum();
            100_000 + ratio + 64 * (words + 64 * findings.len() as u64)
        }
    }
}

/// Conditions: they are read and asked, and end within their budget.
pub fn conditions(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let change = sample();
    let Ok(condition) = Condition::parse(&text) else { return 0 };
    let problem = condition.problem(&change.kind);
    let _ = condition.custom_fields();
    let facts = ConditionFacts::of(&change);
    let (once, twice) = (condition.evaluate(&facts), condition.evaluate(&facts));
    assert_eq!((once.steps, once.bytes), (twice.steps, twice.bytes), "the same question costs the same");
    match once.holds {
        Ok(holds) => {
            assert!(once.steps <= MAX_STEPS && once.bytes <= MAX_BYTES, "{} steps, {} bytes", once.steps, once.bytes);
            1 + u64::from(holds)
        }
        Err(error) => {
            3 + error.to_string().len() as u64 + 1_000 * problem.map_or(0, |problem| problem.to_string().len() as u64)
        }
    }
}

fn sample() -> Change {
    let fields = json!({"title": "A deal of two hundred words", "opportunity": 1500, "list": [1, 2, 3, "a", null], "map": {"a": {"b": 1}}, "empty": null});
    let custom = fields.as_object().cloned().unwrap_or_default();
    Change::new(ChangeKind::Custom("order_paid".into()), "order 5", RecordState::Custom { custom })
}
