//! Slack's `rich_text` block: what people write in Slack, and how we write to them, because nothing in it is parsed as
//! markup.

use bidi::without_overrides;
use serde_json::{Value, json};

use super::address;
use super::document::{Document, Leaf, PersonMention, Span, Style, TextBlock};
use super::emoji;

impl Document {
    /// Reads a `rich_text` block; parts that are not known become their text.
    pub fn from_rich_text(block: &Value) -> Self {
        let mut blocks = Vec::new();
        let mut counts = ListCounts::default();
        for element in block["elements"].as_array().into_iter().flatten() {
            let inner = || spans(&element["elements"]);
            if element["type"] != "rich_text_list" {
                counts = ListCounts::default();
            }
            match element["type"].as_str() {
                Some("rich_text_list") => {
                    let ordered = element["style"] == "ordered";
                    let depth = usize::try_from(element["indent"].as_u64().unwrap_or_default()).unwrap_or_default();
                    let depth = depth.min(MAX_DEPTH);
                    let offset = element["offset"].as_u64().map(|offset| u32::try_from(offset).unwrap_or(u32::MAX));
                    let mut count = offset.unwrap_or_else(|| counts.before(depth, ordered));
                    for item in element["elements"].as_array().into_iter().flatten() {
                        count = count.saturating_add(1);
                        let number = ordered.then_some(count);
                        blocks.push(TextBlock::Item { depth, number, spans: spans(&item["elements"]) });
                    }
                    counts.add(depth, ordered, count);
                }
                Some("rich_text_preformatted") => {
                    blocks.push(TextBlock::Code(inner().iter().map(Span::visible).collect()));
                }
                Some("rich_text_quote") => blocks.push(TextBlock::Quote(inner())),
                _ => blocks.push(TextBlock::Paragraph(inner())),
            }
        }
        trim_line_ends(&mut blocks);
        Self { blocks }.tidy()
    }

    /// Writes a `rich_text` block. Everyone is mentioned only if that is allowed.
    pub fn to_rich_text(&self, may_mention_everyone: bool) -> Value {
        let mut elements: Vec<Value> = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let inner: Vec<Value> =
                block.spans().iter().map(|span| written(span, may_mention_everyone)).filter(|e| !e.is_null()).collect();
            match block {
                TextBlock::Code(code) => elements.push(json!({
                    "type": "rich_text_preformatted", "elements": [{"type": "text", "text": if code.is_empty() { " " } else { code }}],
                })),
                _ if inner.is_empty() => {}
                TextBlock::Paragraph(_) => {
                    let mut inner = inner;
                    // Paragraphs that follow each other run together without a line's end.
                    if matches!(self.blocks.get(index + 1), Some(TextBlock::Paragraph(_))) {
                        inner.push(json!({"type": "text", "text": "\n"}));
                    }
                    elements.push(json!({"type": "rich_text_section", "elements": inner}));
                }
                TextBlock::Quote(_) => elements.push(json!({"type": "rich_text_quote", "elements": inner})),
                TextBlock::Item { depth, number, .. } => elements.push(json!({
                    "type": "rich_text_list", "style": if number.is_some() { "ordered" } else { "bullet" }, "indent": depth,
                    "offset": number.map_or(0, |number| number.saturating_sub(1)),
                    "elements": [{"type": "rich_text_section", "elements": inner}],
                })),
            }
        }
        json!({"type": "rich_text", "elements": elements})
    }
}

/// Lists within lists beyond this depth look like the deepest.
const MAX_DEPTH: usize = 8;

/// How far ordered lists have counted, by their depth. A list that one within it splits goes on counting.
#[derive(Default)]
struct ListCounts {
    by_depth: [u32; MAX_DEPTH + 1],
    last: Option<usize>,
}

impl ListCounts {
    /// What the points of a list that says nothing of it are counted from.
    fn before(&self, depth: usize, ordered: bool) -> u32 {
        if ordered && self.last.is_some_and(|last| last > depth) { self.by_depth[depth] } else { 0 }
    }

    fn add(&mut self, depth: usize, ordered: bool, count: u32) {
        self.by_depth[depth] = if ordered { count } else { 0 };
        self.by_depth[depth + 1..].fill(0);
        self.last = Some(depth);
    }
}

/// A section before another kind of block may end its line though the block begins a new one anyway.
fn trim_line_ends(blocks: &mut [TextBlock]) {
    for block in blocks {
        if let TextBlock::Paragraph(spans) = block
            && let Some(Span { leaf: Leaf::Text(text), .. }) = spans.last_mut()
            && text.ends_with('\n')
        {
            text.pop();
        }
    }
}

fn spans(elements: &Value) -> Vec<Span> {
    elements.as_array().into_iter().flatten().filter_map(span).collect()
}

fn span(element: &Value) -> Option<Span> {
    let is = |name: &str| element["style"][name] == true;
    let style = Style {
        bold: is("bold"),
        italic: is("italic"),
        strike: is("strike"),
        underline: is("underline"),
        code: is("code"),
    };
    let text = |name: &str| element[name].as_str().map(without_overrides).unwrap_or_default();
    steps::add(text("text").len() + text("url").len() + 1);
    Some(match element["type"].as_str()? {
        "text" => Span::styled(text("text"), style),
        "link" => {
            let words = Some(text("text")).filter(|words| !words.is_empty()).unwrap_or_else(|| text("url"));
            let words = address::with_target(words.into_owned(), &text("url"));
            Span::linked(Leaf::Text(words), style, &text("url"))
        }
        "user" => Span::leaf(Leaf::Person(PersonMention::of_slack(&text("user_id"), None)), style),
        "usergroup" => Span::leaf(Leaf::Group { id: text("usergroup_id").into_owned(), name: None }, style),
        "channel" => Span::leaf(Leaf::Channel { id: text("channel_id").into_owned(), name: None }, style),
        "broadcast" => Span::leaf(Leaf::Everyone(text("range").into_owned()), style),
        "emoji" => {
            let name = text("name").into_owned();
            let character = emoji::from_code_points(&text("unicode")).or_else(|| emoji::character(&name));
            Span::leaf(Leaf::Emoji { name, character }, style)
        }
        "date" => {
            let at = element["timestamp"].as_i64().unwrap_or_default();
            Span::leaf(Leaf::Moment { at, words: text("fallback").into_owned() }, style)
        }
        "color" => Span::styled(text("value"), style),
        // What Slack invents later keeps its place, if it has no words.
        _ => {
            let words = ["text", "name", "fallback", "url"].iter().find_map(|name| element[*name].as_str());
            Span::styled(words.map_or("🧩".into(), without_overrides), style)
        }
    })
}

fn written(span: &Span, may_mention_everyone: bool) -> Value {
    let Style { bold, italic, strike, code, .. } = span.style;
    let mut style = serde_json::Map::new();
    for (name, on) in [("bold", bold), ("italic", italic), ("strike", strike), ("code", code)] {
        if on {
            style.insert(name.into(), true.into());
        }
    }
    let mut element = match &span.leaf {
        Leaf::Person(PersonMention { slack: Some(id), .. }) => json!({"type": "user", "user_id": id}),
        Leaf::Everyone(_) if may_mention_everyone => json!({"type": "broadcast", "range": "channel"}),
        Leaf::Moment { at, words } if *at > 0 => {
            json!({"type": "date", "timestamp": at, "format": "{date_short_pretty} {time}", "fallback": words})
        }
        Leaf::Emoji { name, character: None } => json!({"type": "emoji", "name": name}),
        _ => {
            let text = span.visible();
            match &span.link {
                _ if text.is_empty() => return Value::Null,
                Some(url) => json!({"type": "link", "url": url, "text": text}),
                None => json!({"type": "text", "text": text}),
            }
        }
    };
    if !style.is_empty() {
        element["style"] = Value::Object(style);
    }
    element
}
