//! A card as a part of a page, close to what people see in Slack. For previews; nothing is sent.

use maud::{Markup, html};
use notifications::blocks;
use notifications::card::Card;
use records::CardText;
use text::{Document, Leaf, Span, TextBlock};

pub(crate) fn show(card: &Card) -> Markup {
    let part = |part: &CardText| text(part.to_mrkdwn().as_str());
    if card.is_compact {
        return html! { div.slack-card { (text(blocks::compact(card).as_str())) } };
    }
    html! {
        div.slack-card {
            (part(&card.headline))
            @if let Some(body) = &card.body { (part(body)) }
            @if !card.facts.is_empty() {
                div.slack-fields { @for fact in &card.facts { div { p { strong { (fact.label) } } (part(&fact.value)) } } }
            }
            @if let Some(button) = &card.button { p { span.slack-button { (button.words) } } }
            @if let Some(footer) = &card.footer { p.hint { (footer) } }
        }
    }
}

/// mrkdwn, read into the same document as everything that is translated: plain text stays plain text.
fn text(mrkdwn: &str) -> Markup {
    let document = Document::from_mrkdwn(mrkdwn);
    html! {
        @for block in &document.blocks {
            @match block {
                TextBlock::Paragraph(line) => p { (spans(line)) },
                TextBlock::Quote(line) => blockquote { (spans(line)) },
                TextBlock::Code(code) => pre { (code) },
                TextBlock::Item { spans: line, .. } => p { "• " (spans(line)) },
            }
        }
    }
}

fn spans(all: &[Span]) -> Markup {
    html! { @for span in all { (linked(span)) } }
}

fn linked(span: &Span) -> Markup {
    match &span.link {
        // Only addresses that the document accepts as safe become links.
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
    html! { @for (index, line) in text.split('\n').enumerate() { @if index > 0 { br; } (line) } }
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
