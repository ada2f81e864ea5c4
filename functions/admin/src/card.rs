//! A Slack message as HTML, close to what people see in Slack. For previews of cards; nothing is sent.

use maud::{Markup, html};
use serde_json::Value;
use slack::Message;
use text::{Block, Document, Leaf, Span};

/// The card.
pub(crate) fn show(message: &Message) -> Markup {
    let blocks = serde_json::to_value(&message.blocks).unwrap_or_default();
    let blocks = blocks.as_array().cloned().unwrap_or_default();
    html! {
        div.slack-card {
            @if blocks.is_empty() { (text(message.text.as_str())) }
            @for block in &blocks { (one(block)) }
        }
    }
}

fn one(block: &Value) -> Markup {
    let parts = |name: &str| block[name].as_array().cloned().unwrap_or_default();
    html! {
        @match block["type"].as_str().unwrap_or_default() {
            "header" => p { strong { (block["text"]["text"].as_str().unwrap_or_default()) } },
            "divider" => hr;,
            "context" => p.hint { @for part in parts("elements") { (part_of(&part)) " " } },
            "actions" => p { @for part in parts("elements") { span.slack-button { (part["text"]["text"].as_str().unwrap_or("…")) } " " } },
            _ => {
                @if block["text"].is_object() { (part_of(&block["text"])) }
                @if block["fields"].is_array() { div.slack-fields { @for part in parts("fields") { div { (part_of(&part)) } } } }
            }
        }
    }
}

fn part_of(part: &Value) -> Markup {
    let words = part["text"].as_str().unwrap_or_default();
    if part["type"] == "plain_text" {
        html! { p { (words) } }
    } else {
        text(words)
    }
}

/// mrkdwn, through the same document as everything that is translated: what is text stays text.
fn text(mrkdwn: &str) -> Markup {
    let document = Document::from_mrkdwn(mrkdwn);
    html! {
        @for block in &document.blocks {
            @match block {
                Block::Paragraph(line) => p { (spans(line)) },
                Block::Quote(line) => blockquote { (spans(line)) },
                Block::Code(code) => pre { (code) },
                Block::Item { spans: line, .. } => p { "• " (spans(line)) },
            }
        }
    }
}

fn spans(all: &[Span]) -> Markup {
    html! { @for span in all { (linked(span)) } }
}

fn linked(span: &Span) -> Markup {
    match &span.link {
        // Only addresses that the document lets through as safe come as links.
        Some(url) => html! { a href=(url) rel="noreferrer noopener" { (styled(span)) } },
        None => styled(span),
    }
}

fn styled(span: &Span) -> Markup {
    let words = words(&span.leaf);
    let inner = if span.style.code {
        html! { code { (words) } }
    } else {
        lines(&words)
    };
    match (span.style.bold, span.style.italic, span.style.strike) {
        (true, ..) => html! { strong { (inner) } },
        (_, true, _) => html! { em { (inner) } },
        (_, _, true) => html! { s { (inner) } },
        _ => inner,
    }
}

fn lines(text: &str) -> Markup {
    html! { @for (place, line) in text.split('\n').enumerate() { @if place > 0 { br; } (line) } }
}

fn words(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Text(text) => text.clone(),
        Leaf::Person(person) => {
            let id = person.slack.clone().or_else(|| person.bitrix24.map(|id| id.to_string()));
            format!("@{}", person.name.clone().or(id).unwrap_or_default())
        }
        Leaf::Everyone(name) => format!("@{name}"),
        Leaf::Channel { id, name } => format!("#{}", name.as_ref().unwrap_or(id)),
        Leaf::Group { id, name } => format!("@{}", name.as_deref().unwrap_or(id).trim_start_matches('@')),
        Leaf::Moment { words, .. } => words.clone(),
        Leaf::Emoji { name, character } => character.clone().unwrap_or_else(|| format!(":{name}:")),
    }
}
