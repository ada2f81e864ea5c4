//! What the worst inputs cost: every parser and evaluator of outside text at half its door's limit and at the limit.
//!
//! Twice the input may take up to three times as long, and the limit may take [`AIM`]. Each measurement runs in a thread
//! with a limit of its own, so the table always ends.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bitrix24::event::SenderProof;
use bitrix24::form;
use locale::Language;
use records::{Change, ChangeKind, RecordState};
use serde_json::{Value, json};
use settings::condition::Condition;
use slack::inbound::SlackInbound;
use text::Document;

/// The aim at a door's limit.
const AIM: Duration = Duration::from_millis(20);
/// The aim is missed clearly: more than a busy machine explains.
const MISSED: Duration = Duration::from_millis(60);
/// Less than this is noise, and has no ratio: a text that fits into one part costs less for each of its bytes than one that
/// is cut into several.
const NOISE: Duration = Duration::from_millis(2);
/// One measurement that takes longer has failed.
const CAP: Duration = Duration::from_secs(5);
/// Twice the input, at most so many times the work.
const MAX_RATIO: f64 = 3.0;

/// What is fed, and to whom.
#[derive(Clone, Copy)]
struct Case {
    parser: &'static str,
    shape: &'static str,
    /// The most bytes that the door lets through.
    limit: usize,
    make: fn(&str, usize) -> String,
    run: fn(&str),
}

fn repeated(shape: &str, bytes: usize) -> String {
    shape.repeat(bytes / shape.len())
}

/// Levels of lists within lists, 35 characters each.
fn lists_in_lists(_: &str, bytes: usize) -> String {
    (0..bytes / 35).fold("false".to_owned(), |inner, level| format!("[0,1,2,3,4,5,6,7,8,9].exists(v{level}, {inner})"))
}

/// The same over a field of the record.
fn fields_in_fields(_: &str, bytes: usize) -> String {
    (0..bytes / 30).fold("false".to_owned(), |inner, level| format!("record.ufCrm_1.exists(v{level}, {inner})"))
}

/// A text that doubles with each level.
fn doubling(_: &str, bytes: usize) -> String {
    let levels = bytes / 22;
    let inner =
        (1..levels).rev().fold("false".to_owned(), |inner, at| format!("[v{0}+v{0}].exists(v{at}, {inner})", at - 1));
    format!("[record.title].exists(v0, {inner})")
}

fn message_from_bitrix24(text: &str) {
    let document = Document::from_bbcode(text);
    let _ = chat_bridge::chat::slack_parts(document, false, Language::En);
}

fn message_from_slack(text: &str) {
    let document = Document::from_mrkdwn(text);
    let _ = chat_bridge::chat::bitrix24_parts(document, false, Language::En);
}

fn condition(text: &str) {
    let Ok(condition) = Condition::parse(text) else { return };
    let fields =
        json!({"title": "A title of some two hundred characters. ".repeat(5), "ufCrm_1": (0..30).collect::<Vec<_>>()});
    let Value::Object(custom) = fields else { return };
    let change = Change::new(ChangeKind::Custom("bench".into()), "bench 1", RecordState::Custom { custom });
    let _ = condition.holds(&change);
}

/// A block of so many characters, each in an element of its own, as Slack sends it.
fn rich_text_block(shape: &str, characters: usize) -> String {
    let elements = shape.chars().cycle().take(characters);
    let elements: Vec<_> = elements.map(|c| json!({"type": "text", "text": c, "style": {"bold": c == 'a'}})).collect();
    json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}).to_string()
}

fn rich_text(block: &str) {
    let block = serde_json::from_str(block).unwrap_or_default();
    let _ = chat_bridge::chat::bitrix24_parts(Document::from_rich_text(&block), false, Language::En);
}

fn cases() -> Vec<Case> {
    let each = |parser, limit, run: fn(&str), shapes: &[&'static str]| {
        let case = |shape: &&'static str| Case { parser, shape, limit, make: repeated, run };
        shapes.iter().map(case).collect::<Vec<_>>()
    };
    let made = |parser, shape, limit, make, run| vec![Case { parser, shape, limit, make, run }];
    let forms = ["a[]=1&", "a[", "a[0][1][2][3][4][5]=1&", "%", "flag&", "auth[x]=1&", "a[1][]=%ff&"];
    let bbcode = [
        "[url]",
        "[img]",
        "[call]",
        "[user=1]",
        "[",
        "[b]",
        "[b]x[/b]",
        "[url=https://a]x[/url]",
        "[code]",
        "--------------------\n",
    ];
    let mrkdwn = ["*", "***", "___", "~a~", "`", "```", "<<<", "<", "*a ", "*a_b~c ", ":a", "&gt;\n"];
    [
        each("form, sender unknown", form::MAX_EVENT_BODY, |text| drop(SenderProof::find(text.as_bytes())), &forms),
        each("form, whole", form::MAX_EVENT_BODY, |text| drop(form::read(text.as_bytes())), &forms),
        each(
            "Slack's request",
            512 * 1024,
            |text| drop(SlackInbound::parse(text.as_bytes())),
            &["a=1&", "%", "{\"type\":", "payload=%7B"],
        ),
        each("BBCode to Slack", bitrix24::chat::MAX_MESSAGE, message_from_bitrix24, &bbcode),
        each("mrkdwn to Bitrix24", slack::text::MAX_MESSAGE, message_from_slack, &mrkdwn),
        made("rich text to Bitrix24", "a", slack::text::MAX_MESSAGE, rich_text_block, rich_text),
        made("rich text to Bitrix24", "ab", slack::text::MAX_MESSAGE, rich_text_block, rich_text),
        made("rich text to Bitrix24", "\n", slack::text::MAX_MESSAGE, rich_text_block, rich_text),
        each("BBCode as people see it", 512 * 1024, |text| drop(text::edit::shown(text)), &["[", "[b", "[b]"]),
        each(
            "settings",
            settings::document::MAX_SETTINGS,
            |text| drop(settings::document::read(text)),
            &["[", "a: ", "- a\n", "{a: ", "x", "? ", "&a *a "],
        ),
        made("condition", "lists in lists", 1_000, lists_in_lists, condition),
        made("condition", "fields in fields", 1_000, fields_in_fields, condition),
        made("condition", "a text that doubles", 1_000, doubling, condition),
        each("condition", 1_000, condition, &["(", "!", "1+", "a.", "[", "record.title.matches('(a*)*b') || "]),
    ]
    .concat()
}

/// The shortest of three; `None` if one took longer than [`CAP`].
fn measured(case: &Case, bytes: usize) -> Option<Duration> {
    let text = (case.make)(case.shape, bytes);
    let run = case.run;
    let (done, times) = mpsc::channel();
    std::thread::spawn(move || {
        let shortest = (0..3).map(|_| {
            let begins = Instant::now();
            run(&text);
            begins.elapsed()
        });
        // Nobody waits any more once the time is up.
        let _ = done.send(shortest.min().unwrap_or_default());
    });
    times.recv_timeout(CAP).ok()
}

/// Prints the table; says what is too slow.
pub(crate) fn measure() -> anyhow::Result<()> {
    let shown =
        |time: Option<Duration>| time.map_or("over 5 s".into(), |time| format!("{:.2}", time.as_secs_f64() * 1e3));
    println!("| parser | input | bytes | ms at half | ms at the limit | ratio |\n|---|---|---|---|---|---|");
    let mut slow = Vec::new();
    for case in cases() {
        let (half, whole) = (measured(&case, case.limit / 2), measured(&case, case.limit));
        let ratio = half
            .zip(whole)
            .filter(|(half, _)| *half >= NOISE)
            .map(|(half, whole)| whole.as_secs_f64() / half.as_secs_f64());
        let (name, shape) = (case.parser, case.shape.replace('\n', "\\n"));
        let told = ratio.map_or("–".into(), |ratio| format!("{ratio:.1}"));
        println!("| {name} | `{shape}` | {} | {} | {} | {told} |", case.limit, shown(half), shown(whole));
        if whole.is_none_or(|time| time > MISSED) || ratio.is_some_and(|ratio| ratio > MAX_RATIO) {
            slow.push(format!("{name} {shape}"));
        }
    }
    println!("\nThe aim at the limit is {} ms.", AIM.as_millis());
    if slow.is_empty() {
        return Ok(());
    }
    // Threads that did not end would keep the process alive no longer than this.
    anyhow::bail!("too slow: {}", slow.join(", "))
}
