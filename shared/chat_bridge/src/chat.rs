//! The content of a bridged message, converted for the other side and split into parts.

mod blocks;
pub mod said;

use locale::Language;
use locale::texts;
use text::{BITRIX24_MESSAGE, Document, SLACK_MESSAGE, units};

pub use jobs::chat::SlackPart;

/// The most messages that one becomes. Real ones become up to twelve; markup can be written so that a few characters
/// become thousands.
const MAX_PARTS: usize = 30;

/// A document in parts that Bitrix24 accepts whole.
pub fn bitrix24_parts(document: Document, may_mention_everyone: bool, language: Language) -> Vec<String> {
    let written = |part: &Document| part.to_bbcode(may_mention_everyone);
    let parts = document.split(BITRIX24_MESSAGE, |part| units(&written(part)));
    bounded(parts, language).iter().map(written).collect()
}

/// A document in parts that Slack accepts whole.
pub fn slack_parts(document: Document, may_mention_everyone: bool, language: Language) -> Vec<SlackPart> {
    let written = |part: &Document| part.to_mrkdwn(may_mention_everyone);
    let parts = bounded(document.split(SLACK_MESSAGE, |part| units(&written(part))), language);
    parts.iter().map(|part| SlackPart { text: written(part), block: part.to_rich_text(may_mention_everyone) }).collect()
}

/// At most [`MAX_PARTS`] parts, with a note about those that are missing.
fn bounded(mut parts: Vec<Document>, language: Language) -> Vec<Document> {
    if parts.len() > MAX_PARTS {
        parts.truncate(MAX_PARTS - 1);
        parts.push(
            Document::default().then(&language.text(texts::chat::ShortenedToParts { parts: MAX_PARTS as u64 - 1 })),
        );
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_thousand_characters_go_in_parts() {
        let text = "слово ".repeat(10_000);
        let parts = bitrix24_parts(Document::plain(&text), false, Language::En);
        assert!(parts.iter().all(|part| units(part) <= 20_000) && (3..=4).contains(&parts.len()), "{}", parts.len());
        assert!(slack_parts(Document::plain(&text), false, Language::En).iter().all(|part| units(&part.text) <= 4_000));
    }

    #[test]
    fn markup_does_not_make_thousands_of_messages_of_one() {
        let link = format!("https://a.example/?{}", "a&".repeat(900));
        let text = format!("[url={link}]{}[/url]", "[b]x[/b][i]y[/i]".repeat(1_000));
        let parts = slack_parts(Document::from_bbcode(&text), false, Language::En);
        assert_eq!(parts.len(), MAX_PARTS);
        assert!(parts.iter().all(|part| units(&part.text) <= SLACK_MESSAGE));
        assert!(parts[MAX_PARTS - 1].text.contains("only the first 29 parts"), "{}", parts[MAX_PARTS - 1].text);
    }
}
