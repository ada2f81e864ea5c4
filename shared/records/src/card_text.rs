//! Text on a card, without the markup of a provider; and how Slack writes it.

use jiff::Timestamp;
use slack::Mrkdwn;
use text::{Document, units};

/// The most characters that a card shows of a person's text.
const MAX_TEXT: usize = 1_500;

/// A text on a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardText(Vec<CardSpan>);

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CardSpan {
    Text(String),
    Bold(String),
    Link {
        url: String,
        words: String,
    },
    Moment(Timestamp),
    /// A person's text, with its formatting.
    Written {
        document: Document,
        is_cut: bool,
    },
}

impl CardText {
    /// Plain text.
    pub fn text(text: &str) -> Self {
        Self(vec![CardSpan::Text(text.to_owned())])
    }

    /// Text in bold.
    pub fn bold(text: &str) -> Self {
        Self(vec![CardSpan::Bold(text.to_owned())])
    }

    /// A link with its words.
    pub fn link(url: &str, words: &str) -> Self {
        Self(vec![CardSpan::Link { url: url.to_owned(), words: words.to_owned() }])
    }

    /// A moment, in the reader's own time zone where the provider knows it.
    pub fn moment(moment: Timestamp) -> Self {
        Self(vec![CardSpan::Moment(moment)])
    }

    /// A person's text, only its beginning if it is long.
    pub fn written(document: Document) -> Self {
        let mut parts = document.split(MAX_TEXT - 1, |part| units(&part.to_mrkdwn(false))).into_iter();
        let document = parts.next().unwrap_or_default();
        Self(vec![CardSpan::Written { document, is_cut: parts.next().is_some() }])
    }

    /// Both, one after the other.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.0.extend(next.0);
        self
    }

    /// The words alone.
    pub fn visible(&self) -> String {
        self.0.iter().map(CardSpan::visible).collect()
    }

    /// In Slack's markup.
    pub fn to_mrkdwn(&self) -> Mrkdwn {
        self.0.iter().map(CardSpan::to_mrkdwn).fold(Mrkdwn::default(), |all, span| all.then(&span))
    }
}

impl CardSpan {
    fn visible(&self) -> String {
        match self {
            Self::Text(text) | Self::Bold(text) | Self::Link { words: text, .. } => text.clone(),
            Self::Moment(moment) => moment.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            Self::Written { document, is_cut } => document.visible() + if *is_cut { "…" } else { "" },
        }
    }

    fn to_mrkdwn(&self) -> Mrkdwn {
        match self {
            Self::Text(text) => Mrkdwn::text(text),
            Self::Bold(text) => Mrkdwn::bold(text),
            Self::Link { url, words } => Mrkdwn::link(url, words),
            Self::Moment(moment) => Mrkdwn::moment(*moment),
            Self::Written { document, is_cut } => {
                let text = document.to_mrkdwn(false);
                let line_end = if text.ends_with("```") { "\n" } else { "" };
                Mrkdwn::from_markup(&if *is_cut { format!("{text}{line_end}…") } else { text })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_alone_are_what_a_person_reads() {
        let moment: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
        let text = CardText::text("Roof *new* ")
            .then(CardText::bold("Won"))
            .then(CardText::link("https://acme.bitrix24.com/crm/deal/details/42/", " for ACME"))
            .then(CardText::text(", "))
            .then(CardText::moment(moment))
            .then(CardText::text(": "))
            .then(CardText::written(Document::from_bbcode("[b]soon[/b]")));
        assert_eq!(text.visible(), "Roof *new* Won for ACME, 2026-11-25 15:00 UTC: soon");
    }

    #[test]
    fn a_long_text_shows_its_beginning() {
        let long = CardText::written(Document::plain(&"word ".repeat(1_000)));
        for shown in [long.visible(), long.to_mrkdwn().as_str().to_owned()] {
            assert!(shown.ends_with('…') && units(&shown) <= MAX_TEXT, "{}", units(&shown));
        }
    }
}
