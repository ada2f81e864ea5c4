//! Slack's blocks as a document. [`slack::carries`] says which of them are carried, named or left out.

use locale::Language;
use locale::texts;
use serde_json::Value;
use slack::carries;
use slack::carries::{Carriage, CarriedPart};
use text::{Document, Leaf, Span, Style, TextBlock};

pub(super) const BOLD: Style = Style { bold: true, italic: false, strike: false, underline: false, code: false };
pub(super) const ITALIC: Style = Style { bold: false, italic: true, strike: false, underline: false, code: false };

/// How deep blocks within blocks are read.
const MAX_DEPTH: usize = 6;

/// The text of blocks, and whether any of it is content rather than a block's name.
pub(super) fn read(list: &[Value], language: Language) -> (Vec<TextBlock>, bool) {
    let (mut all, mut has_words) = (Vec::new(), false);
    for one in list {
        let kind = one["type"].as_str().unwrap_or_default();
        let carriage = carries::find(CarriedPart::Block, kind).map_or(Carriage::Carried, |row| row.carriage);
        let said = if carriage == Carriage::Left { Vec::new() } else { block(one, language, MAX_DEPTH) };
        let is_empty = Document { blocks: said.clone() }.is_empty();
        has_words |= carriage == Carriage::Carried && !is_empty;
        if !is_empty {
            all.extend(said);
        }
    }
    (all, has_words)
}

fn block(block: &Value, language: Language, depth: usize) -> Vec<TextBlock> {
    steps::add(1);
    match block["type"].as_str().unwrap_or_default() {
        "rich_text" => Document::from_rich_text(block).blocks,
        "section" => section(block, language),
        "header" => vec![TextBlock::Paragraph(styled(text(&block["text"]), BOLD))],
        "context" => vec![TextBlock::Paragraph(joined(block["elements"].as_array(), language))],
        "markdown" => Document::plain(block["text"].as_str().unwrap_or_default()).blocks,
        "table" | "data_table" => table(block),
        "data_visualization" => chart(block),
        "image" => vec![picture(block, language)],
        "video" => video(block),
        "call" => vec![call(&block["call"]["v1"], language)],
        "actions" | "context_actions" => buttons(elements(&block["elements"])).into_iter().collect(),
        "input" => vec![TextBlock::Paragraph(styled(text(&block["label"]), ITALIC))],
        other => unknown(block, other, language, depth),
    }
}

/// A text object, or bare text.
fn text(object: &Value) -> Vec<TextBlock> {
    let words = object["text"].as_str().or_else(|| object.as_str()).unwrap_or_default();
    if object["type"] == "plain_text" { Document::plain(words).blocks } else { Document::from_mrkdwn(words).blocks }
}

fn styled(blocks: Vec<TextBlock>, style: Style) -> Vec<Span> {
    flat(blocks).into_iter().map(|span| Span { style, ..span }).collect()
}

fn section(block: &Value, language: Language) -> Vec<TextBlock> {
    let mut all = text(&block["text"]);
    for field in block["fields"].as_array().into_iter().flatten() {
        all.extend(text(field));
    }
    let beside = &block["accessory"];
    match beside["type"].as_str() {
        Some("image") => all.push(picture(beside, language)),
        Some(_) => all.extend(buttons(elements(&Value::from(vec![beside.clone()])))),
        None => {}
    }
    all
}

/// Elements on one line, a blank between them.
fn joined(elements: Option<&Vec<Value>>, language: Language) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for element in elements.into_iter().flatten() {
        let spans =
            if element["type"] == "image" { flat(vec![picture(element, language)]) } else { flat(text(element)) };
        if !all.is_empty() && !spans.is_empty() {
            all.push(Span::text(" "));
        }
        all.extend(spans);
    }
    all
}

/// The words and addresses of buttons, menus and fields.
fn elements(list: &Value) -> Vec<(String, String)> {
    let words = |element: &Value| {
        let places =
            [&element["text"]["text"], &element["placeholder"]["text"], &element["alt_text"], &element["text"]];
        places.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
    };
    let list = list.as_array().into_iter().flatten();
    list.map(|element| (words(element), element["url"].as_str().unwrap_or_default().to_owned())).collect()
}

/// Buttons on one line; one that is a link leads there.
pub(super) fn buttons<W: AsRef<str>>(all: impl IntoIterator<Item = (W, W)>) -> Option<TextBlock> {
    let mut spans = Vec::new();
    for (words, link) in all {
        if words.as_ref().is_empty() {
            continue;
        }
        spans.push(Span::text(if spans.is_empty() { "🔘 " } else { " · " }));
        spans.push(Span::linked(Leaf::Text(words.as_ref().to_owned()), Style::default(), link.as_ref()));
    }
    (!spans.is_empty()).then_some(TextBlock::Paragraph(spans))
}

/// Each row is a line.
fn table(block: &Value) -> Vec<TextBlock> {
    let caption = block["caption"].as_str().map(|words| TextBlock::Paragraph(vec![Span::styled(words, BOLD)]));
    let rows = block["rows"].as_array().into_iter().flatten().map(|row| {
        let mut spans: Vec<Span> = Vec::new();
        for (index, cell) in row.as_array().into_iter().flatten().enumerate() {
            if index > 0 {
                spans.push(Span::text(" | "));
            }
            spans.extend(self::cell(cell));
        }
        TextBlock::Paragraph(spans)
    });
    caption.into_iter().chain(rows).collect()
}

fn cell(cell: &Value) -> Vec<Span> {
    if cell["type"] == "rich_text" {
        return flat(Document::from_rich_text(cell).blocks).into_iter().map(on_one_line).collect();
    }
    let words = [&cell["text"], &cell["value"], &cell["number"]].into_iter().find_map(|value| match value {
        Value::String(words) => Some(words.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    vec![on_one_line(Span::text(words.unwrap_or_default()))]
}

/// A cell's line ends would look like rows.
fn on_one_line(span: Span) -> Span {
    match span.leaf {
        Leaf::Text(text) => Span { leaf: Leaf::Text(text.replace('\n', " ")), ..span },
        _ => span,
    }
}

/// A line for each series, or for each segment of a pie.
fn chart(block: &Value) -> Vec<TextBlock> {
    let mut all = vec![TextBlock::Paragraph(styled(text(&block["title"]), BOLD))];
    let chart = &block["chart"];
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let points = |list: &Value| {
        let list = list.as_array().into_iter().flatten();
        list.map(|point| format!("{}: {}", word(&point["label"]), word(&point["value"]))).collect::<Vec<_>>().join(", ")
    };
    let pie = points(&chart["segments"]);
    if !pie.is_empty() {
        all.push(TextBlock::Paragraph(vec![Span::text(pie)]));
    }
    for series in chart["series"].as_array().into_iter().flatten() {
        let words = format!("{} ({})", word(&series["name"]), points(&series["data"]));
        all.push(TextBlock::Paragraph(vec![Span::text(words)]));
    }
    all
}

fn picture(block: &Value, language: Language) -> TextBlock {
    let name = [&block["title"]["text"], &block["alt_text"]]
        .into_iter()
        .find_map(|name| name.as_str().filter(|n| !n.is_empty()));
    let name = name.unwrap_or(language.text(texts::chat::A_PICTURE));
    let link =
        [&block["image_url"], &block["slack_file"]["url"]].into_iter().find_map(Value::as_str).unwrap_or_default();
    TextBlock::Paragraph(vec![Span::text("🖼 "), Span::linked(Leaf::Text(name.to_owned()), Style::default(), link)])
}

fn video(block: &Value) -> Vec<TextBlock> {
    let word = |value: &Value| value["text"].as_str().or_else(|| value.as_str()).unwrap_or_default().to_owned();
    let link = [&block["title_url"], &block["video_url"]].into_iter().find_map(Value::as_str).unwrap_or_default();
    let title = Span::linked(Leaf::Text(word(&block["title"])), Style::default(), link);
    let mut all = vec![TextBlock::Paragraph(vec![Span::text("🎬 "), title])];
    all.extend(text(&block["description"]));
    all
}

fn call(call: &Value, language: Language) -> TextBlock {
    let word = |name: &str| call[name].as_str().unwrap_or_default();
    let name = if word("name").is_empty() { language.text(texts::chat::A_CALL) } else { word("name") };
    let link = if word("join_url").is_empty() { word("desktop_app_join_url") } else { word("join_url") };
    let over = call["has_ended"] == true || call["date_end"].as_u64().is_some_and(|end| end > 0);
    let mut behind = String::new();
    let people =
        call["all_participants"].as_array().or_else(|| call["active_participants"].as_array()).map_or(0, Vec::len);
    if people > 0 {
        behind = format!(", {}", language.text(texts::chat::PeopleTookPart { people: people as u64 }));
    }
    if over {
        behind.push_str(", ");
        behind.push_str(language.text(texts::chat::CALL_ENDED));
    }
    let spans =
        vec![Span::text("📞 "), Span::linked(Leaf::Text(name.to_owned()), Style::default(), link), Span::text(behind)];
    TextBlock::Paragraph(spans)
}

/// Where an unknown block may have text, in reading order.
const PLACES: [&str; 21] = [
    "title",
    "rich_text_title",
    "subtitle",
    "label",
    "text",
    "body",
    "description",
    "details",
    "output",
    "caption",
    "alt_text",
    "fields",
    "elements",
    "child_blocks",
    "cards",
    "tasks",
    "items",
    "blocks",
    "actions",
    "accessory",
    "footer",
];

fn unknown(block: &Value, kind: &str, language: Language, depth: usize) -> Vec<TextBlock> {
    let all = words(block, language, depth);
    if !(Document { blocks: all.clone() }).is_empty() {
        return all;
    }
    let what = kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect::<String>();
    let line = language.text(texts::chat::OnlyInSlack { kind: what });
    Document::plain(&format!("🧩 {line}")).blocks
}

fn words(value: &Value, language: Language, depth: usize) -> Vec<TextBlock> {
    if depth == 0 {
        return Vec::new();
    }
    let inner = |value: &Value| {
        let kind = value["type"].as_str().unwrap_or_default();
        match carries::find(CarriedPart::Block, kind) {
            Some(row) if row.carriage == Carriage::Left => Vec::new(),
            Some(_) => self::block(value, language, depth - 1),
            None if value["text"].is_string() => text(value),
            None => words(value, language, depth - 1),
        }
    };
    let mut all = Vec::new();
    for place in PLACES {
        match &value[place] {
            Value::String(_) => all.extend(text(&value[place])),
            Value::Array(list) => list.iter().for_each(|value| all.extend(inner(value))),
            found @ Value::Object(_) => all.extend(inner(found)),
            _ => {}
        }
    }
    all
}

/// Blocks as the spans of one block, a line each.
pub(super) fn flat(blocks: Vec<TextBlock>) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for block in blocks {
        if !all.is_empty() {
            all.push(Span::text("\n"));
        }
        match block {
            TextBlock::Paragraph(spans) | TextBlock::Quote(spans) => all.extend(spans),
            TextBlock::Code(code) => all.push(Span::text(code)),
            TextBlock::Item { depth, number, spans } => {
                let mark = number.map_or_else(|| "•".to_owned(), |number| format!("{number}."));
                all.push(Span::text(format!("{}{mark} ", "    ".repeat(depth))));
                all.extend(spans);
            }
        }
    }
    all
}
