//! Notion's rich text: made from BBCode, and changed where its words differ, within Notion's limits.

use std::ops::Range;

use notion::text::{MAX_IN_A_RUN, MAX_RUNS, split};
use serde_json::{Value, json};

use super::address;
use super::difference::{LineNumbers, changes};
use super::document::Style;
use super::edit::{layout, shown};

/// BBCode as rich text: its words as [`shown`] says them, with their styles and links. Where that would be more items
/// than Notion takes, styles are given up, then links, never words. (More than 200,000 characters do not fit anyhow.)
pub fn rich_text(bbcode: &str) -> Vec<Value> {
    let layout = layout(bbcode);
    let mut runs: Vec<TextRun> = Vec::new();
    for piece in &layout.pieces {
        let link = piece.link.map(|link| layout.links[link].as_str()).filter(|link| address::is_link_in_notion(link));
        let addresses = if link.is_none() && !piece.style.code { address::find(&piece.text) } else { Vec::new() };
        let mut at = 0;
        for (range, url) in addresses {
            push(&mut runs, &piece.text[at..range.start], piece.style, None);
            push(
                &mut runs,
                &piece.text[range.clone()],
                piece.style,
                Some(&url).filter(|url| address::is_link_in_notion(url)).map(String::as_str),
            );
            at = range.end;
        }
        push(&mut runs, &piece.text[at..], piece.style, link);
    }
    limited(runs)
}

/// A text with one look.
#[derive(Debug, Clone, PartialEq)]
struct TextRun {
    text: String,
    kind: RunKind,
}

#[derive(Debug, Clone, PartialEq)]
enum RunKind {
    Text {
        annotations: Option<Value>,
        link: Option<Value>,
    },
    /// A mention, an equation: as Notion has it.
    Other(Value),
}

impl TextRun {
    fn is_plain(&self) -> bool {
        matches!(&self.kind, RunKind::Text { annotations: None, link: None })
    }
}

fn push(runs: &mut Vec<TextRun>, text: &str, style: Style, link: Option<&str>) {
    let Style { bold, italic, strike, underline, code } = style;
    let mut on = serde_json::Map::new();
    for (name, is_on) in
        [("bold", bold), ("italic", italic), ("strikethrough", strike), ("underline", underline), ("code", code)]
    {
        if is_on {
            on.insert(name.into(), true.into());
        }
    }
    let annotations = (!on.is_empty()).then(|| Value::Object(on));
    let link = link.map(|url| json!({"url": url}));
    add(runs, TextRun { text: text.to_owned(), kind: RunKind::Text { annotations, link } });
}

/// Adds a run; texts of one look are one.
fn add(runs: &mut Vec<TextRun>, run: TextRun) {
    steps::add(run.text.len() + 1);
    let is_text = matches!(run.kind, RunKind::Text { .. });
    match runs.last_mut() {
        _ if is_text && run.text.is_empty() => {}
        Some(last) if is_text && last.kind == run.kind => last.text.push_str(&run.text),
        _ => runs.push(run),
    }
}

/// The runs as items, no more than Notion takes.
fn limited(runs: Vec<TextRun>) -> Vec<Value> {
    let items = items(&runs);
    if items.len() <= MAX_RUNS {
        return items;
    }
    let without = |keeps: fn(RunKind) -> RunKind, runs: Vec<TextRun>| {
        let mut fewer = Vec::new();
        for run in runs {
            let kind = keeps(run.kind);
            add(&mut fewer, TextRun { kind, ..run });
        }
        fewer
    };
    let no_style = |kind: RunKind| match kind {
        RunKind::Text { link, .. } => RunKind::Text { annotations: None, link },
        other @ RunKind::Other(_) => other,
    };
    let plain = |_: RunKind| RunKind::Text { annotations: None, link: None };
    let runs = without(no_style, runs);
    let items = self::items(&runs);
    if items.len() <= MAX_RUNS {
        return items;
    }
    let text: String = without(plain, runs).into_iter().map(|run| run.text).collect();
    let pieces = split(&text);
    let pieces = if pieces.len() <= MAX_RUNS { pieces.into_iter().map(str::to_owned).collect() } else { filled(&text) };
    pieces.into_iter().map(|piece| json!({"type": "text", "text": {"content": piece}})).collect()
}

/// A text in pieces that are as long as they may be, wherever words end.
fn filled(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut units = 0;
    for c in text.chars() {
        if units + c.len_utf16() > MAX_IN_A_RUN {
            pieces.push(String::new());
            units = 0;
        }
        units += c.len_utf16();
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

fn items(runs: &[TextRun]) -> Vec<Value> {
    let mut items = Vec::new();
    for run in runs {
        match &run.kind {
            RunKind::Other(item) => items.push(item.clone()),
            RunKind::Text { annotations, link } => items.extend(split(&run.text).into_iter().map(|content| {
                let mut item = json!({"type": "text", "text": {"content": content}});
                if let Some(link) = link {
                    item["text"]["link"] = link.clone();
                }
                if let Some(annotations) = annotations {
                    item["annotations"] = annotations.clone();
                }
                item
            })),
        }
    }
    items
}

/// A property's items with the words that BBCode says, changed only where the words differ: what people put there in
/// Notion (styles, links, mentions, dates, equations) stays elsewhere. Items come as Notion takes them.
pub fn edit_rich_text(now: &[Value], wanted_bbcode: &str) -> Vec<Value> {
    let mut present: Vec<TextRun> = Vec::new();
    for item in now {
        present.push(read(item));
    }
    let before: String = present.iter().map(|run| run.text.as_str()).collect();
    let wanted = shown(wanted_bbcode);
    let wanted_runs: Vec<TextRun> = rich_text(wanted_bbcode).iter().map(read).collect();
    let (old, new) = (Placed::of(&present), Placed::of(&wanted_runs));
    let mut runs = Vec::new();
    let mut at = 0;
    for change in changes(&before, &wanted, LineNumbers::Count) {
        old.copy(at..change.old.start.max(at), &mut runs);
        let mut inserted = Vec::new();
        new.copy(change.new, &mut inserted);
        // Words that replace others look like them, unless they bring a look.
        if let Some(like) = old.only(&change.old).filter(|_| inserted.iter().all(TextRun::is_plain)) {
            for run in &mut inserted {
                run.kind = like.kind.clone();
            }
        }
        for run in inserted {
            add(&mut runs, run);
        }
        at = change.old.end.max(at);
    }
    old.copy(at..before.len(), &mut runs);
    limited(runs)
}

/// An item as Notion returned it.
fn read(item: &Value) -> TextRun {
    let content = item["text"]["content"].as_str();
    let text = item["plain_text"].as_str().or(content).unwrap_or_default().to_owned();
    let annotations = Some(looks(&item["annotations"])).filter(|on| !on.is_null());
    let is_preview = item["mention"]["type"] == "link_preview" || item["mention"]["type"] == "link_mention";
    if content.is_some() || is_preview {
        // Previews cannot be written: they become what they are, links.
        let link = item["text"]["link"].as_object().cloned().map(Value::Object);
        let href =
            || item["href"].as_str().filter(|url| address::is_link_in_notion(url)).map(|url| json!({"url": url}));
        let link = link.or_else(|| href().filter(|_| is_preview));
        return TextRun { text: content.map_or(text, str::to_owned), kind: RunKind::Text { annotations, link } };
    }
    let mut written = item.clone();
    if let Some(fields) = written.as_object_mut() {
        fields.retain(|name, _| name != "plain_text" && name != "href");
    }
    let text =
        if text.is_empty() { item["equation"]["expression"].as_str().unwrap_or_default().to_owned() } else { text };
    TextRun { text, kind: RunKind::Other(written) }
}

/// The annotations that are not what Notion gives anyhow.
fn looks(annotations: &Value) -> Value {
    let on: serde_json::Map<String, Value> = annotations
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| **value != Value::Bool(false) && **value != "default")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if on.is_empty() { Value::Null } else { Value::Object(on) }
}

/// Runs, and where each begins.
struct Placed<'a> {
    runs: &'a [TextRun],
    starts: Vec<usize>,
}

impl<'a> Placed<'a> {
    fn of(runs: &'a [TextRun]) -> Self {
        let mut at = 0;
        let start = |run: &TextRun| {
            let start = at;
            at += run.text.len();
            start
        };
        Self { runs, starts: runs.iter().map(start).collect() }
    }

    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (&'a TextRun, Range<usize>)> + '_ {
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        self.runs[first.min(self.runs.len())..].iter().zip(&self.starts[first.min(self.runs.len())..]).map_while(
            move |(run, start)| {
                (*start < range.end).then(|| {
                    let from = range.start.saturating_sub(*start).min(run.text.len());
                    let to = (range.end - start).min(run.text.len());
                    (run, from..to)
                })
            },
        )
    }

    /// Adds the content of a range.
    fn copy(&self, range: Range<usize>, runs: &mut Vec<TextRun>) {
        for (run, at) in self.parts(range).filter(|(_, at)| !at.is_empty()) {
            let is_all = at == (0..run.text.len());
            let kind = if is_all || matches!(run.kind, RunKind::Text { .. }) {
                run.kind.clone()
            } else {
                RunKind::Text { annotations: None, link: None }
            };
            add(runs, TextRun { text: run.text[at].to_owned(), kind });
        }
    }

    /// The text that contains a range, if one does.
    fn only(&self, range: &Range<usize>) -> Option<&'a TextRun> {
        let mut parts = self.parts(range.clone()).filter(|(_, at)| !at.is_empty());
        let (run, _) = parts.next()?;
        (parts.next().is_none() && matches!(run.kind, RunKind::Text { .. })).then_some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(items: &[Value]) -> String {
        notion::text::plain(&Value::Array(items.to_vec()))
    }

    #[test]
    fn styles_and_links_become_annotations() {
        assert_eq!(
            rich_text("[b]Hi[/b] [url=https://a.example]you[/url], [i][s]x[/s][/i] www.b.example"),
            [
                json!({"type": "text", "text": {"content": "Hi"}, "annotations": {"bold": true}}),
                json!({"type": "text", "text": {"content": " "}}),
                json!({"type": "text", "text": {"content": "you", "link": {"url": "https://a.example"}}}),
                json!({"type": "text", "text": {"content": ", "}}),
                json!({"type": "text", "text": {"content": "x"}, "annotations": {"italic": true, "strikethrough": true}}),
                json!({"type": "text", "text": {"content": " "}}),
                json!({"type": "text", "text": {"content": "www.b.example", "link": {"url": "http://www.b.example"}}}),
            ]
        );
        assert_eq!(
            plain(&rich_text("[url=/crm/deal/details/5/]deal[/url] [call=112]help[/call]")),
            "deal (/crm/deal/details/5/) help (112)"
        );
        assert_eq!(rich_text("[url=javascript:alert(1)]x[/url]"), [json!({"type": "text", "text": {"content": "x"}})]);
    }

    #[test]
    fn what_does_not_fit_loses_its_looks_and_no_word() {
        let many = "[b]a[/b][i]b[/i]".repeat(80);
        assert_eq!(rich_text(&many).len(), 1);
        assert_eq!(plain(&rich_text(&many)), shown(&many));
        let links = "[url=https://a.example/1]a[/url][url=https://a.example/2]b[/url]".repeat(80);
        assert_eq!(plain(&rich_text(&links)), shown(&links));
        assert!(rich_text(&links).len() <= 100);
        let long = "слово ".repeat(30_000);
        assert!(rich_text(&long).len() <= 100);
    }

    #[test]
    fn what_people_put_in_notion_stays_where_the_words_stay() {
        let now = [
            json!({"type": "text", "text": {"content": "Call ", "link": null}, "plain_text": "Call ", "href": null,
                "annotations": {"bold": false, "italic": false, "strikethrough": false, "underline": false, "code": false, "color": "default"}}),
            json!({"type": "mention", "mention": {"type": "user", "user": {"object": "user", "id": "u1"}}, "plain_text": "@Ann", "href": null,
                "annotations": {"bold": false, "color": "default"}}),
            json!({"type": "text", "text": {"content": " on Monday about the offer", "link": null}, "plain_text": " on Monday about the offer",
                "annotations": {"bold": true, "color": "red"}}),
            json!({"type": "equation", "equation": {"expression": "x^2"}, "plain_text": "x^2"}),
        ];
        let edited = edit_rich_text(&now, "Call @Ann on Tuesday about the offerx^2");
        assert_eq!(
            edited,
            [
                json!({"type": "text", "text": {"content": "Call "}}),
                json!({"type": "mention", "mention": {"type": "user", "user": {"object": "user", "id": "u1"}}, "annotations": {"bold": false, "color": "default"}}),
                json!({"type": "text", "text": {"content": " on Tuesday about the offer"}, "annotations": {"bold": true, "color": "red"}}),
                json!({"type": "equation", "equation": {"expression": "x^2"}}),
            ]
        );
        // Half a mention is a text.
        assert_eq!(
            plain(&edit_rich_text(&now, "Call @Anna on Monday about the offerx^2")),
            "Call a on Monday about the offer"
        );
        assert_eq!(edit_rich_text(&now, ""), [] as [Value; 0]);
    }

    proptest! {
        #[test]
        fn items_fit_and_say_what_is_shown(bbcode in super::super::edit::tests::source()) {
            let items = rich_text(&bbcode);
            prop_assert_eq!(plain(&items), shown(&bbcode));
            prop_assert!(items.len() <= 100);
            for item in &items {
                prop_assert!(item["text"]["content"].as_str().unwrap().encode_utf16().count() <= 2_000);
            }
        }

        #[test]
        fn an_edited_property_says_what_is_wanted(now in super::super::edit::tests::source(), wanted in super::super::edit::tests::source()) {
            let items = rich_text(&now);
            prop_assert_eq!(plain(&edit_rich_text(&items, &wanted)), shown(&wanted));
            prop_assert_eq!(edit_rich_text(&items, &now), items);
        }
    }
}
