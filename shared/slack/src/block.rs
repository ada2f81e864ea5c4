//! The Block Kit blocks we use, cut to Slack's limits when built, so that no message is refused for its size.

use serde::{Deserialize, Serialize};

use crate::text::{Mrkdwn, Plain};

/// The most blocks of a message.
pub const MOST_BLOCKS: usize = 50;
/// The longest text of a section.
pub const SECTION_TEXT: usize = 3000;
/// The most fields of a section.
pub const MOST_FIELDS: usize = 10;
/// The longest text of a field.
pub const FIELD_TEXT: usize = 2000;
/// The longest text of a header.
pub const HEADER_TEXT: usize = 150;
/// The most elements of a context.
pub const MOST_CONTEXT: usize = 10;
/// The most elements of an actions block.
pub const MOST_ACTIONS: usize = 25;
/// The longest text on a button.
pub const BUTTON_TEXT: usize = 75;
/// The longest URL of a button.
pub const BUTTON_URL: usize = 3000;
/// The longest `action_id`.
pub const ACTION_ID: usize = 255;

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A large line.
    Header {
        /// What it says.
        text: Text,
    },
    /// A text, or fields in two columns, or both.
    Section {
        /// The text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
        /// The fields.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    /// Small print.
    Context {
        /// Its parts.
        elements: Vec<Text>,
    },
    /// Buttons.
    Actions {
        /// The buttons.
        elements: Vec<Button>,
    },
    /// A line across.
    Divider,
}

/// A text object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Text {
    /// With markup.
    Mrkdwn {
        /// The markup.
        text: Mrkdwn,
        /// Whether Slack leaves bare URLs and names alone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        verbatim: bool,
    },
    /// Without.
    PlainText {
        /// The text.
        text: Plain,
        /// Whether `:name:` becomes an emoji.
        emoji: bool,
    },
}

/// A button that opens a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "button")]
pub struct Button {
    text: Text,
    url: String,
    action_id: String,
}

impl Block {
    /// A header. An empty text, which Slack refuses, becomes a dash.
    pub fn header(text: &str) -> Self {
        Self::Header { text: plain(text, HEADER_TEXT) }
    }

    /// A section with a text.
    pub fn section(text: Mrkdwn) -> Self {
        Self::Section { text: Some(mrkdwn(text, SECTION_TEXT)), fields: Vec::new() }
    }

    /// A section of fields, each a name over a value; more than ten are dropped.
    pub fn fields<N: AsRef<str>>(fields: impl IntoIterator<Item = (N, Mrkdwn)>) -> Self {
        let field = |(name, value): (N, Mrkdwn)| {
            let label = Mrkdwn::bold(name.as_ref()).then(&Mrkdwn::text("\n"));
            mrkdwn(label.then(&value), FIELD_TEXT)
        };
        Self::Section { text: None, fields: fields.into_iter().map(field).take(MOST_FIELDS).collect() }
    }

    /// A context line; more than ten parts are dropped.
    pub fn context(parts: impl IntoIterator<Item = Mrkdwn>) -> Self {
        Self::Context { elements: parts.into_iter().map(|part| mrkdwn(part, FIELD_TEXT)).take(MOST_CONTEXT).collect() }
    }

    /// A row of buttons; more than 25 are dropped.
    pub fn actions(buttons: impl IntoIterator<Item = Button>) -> Self {
        Self::Actions { elements: buttons.into_iter().take(MOST_ACTIONS).collect() }
    }
}

impl Button {
    /// A button that opens `url`. A URL that is too long cannot be cut and gives no button.
    pub fn open(words: &str, url: &str, action_id: &str) -> Option<Self> {
        let fits = url.len() <= BUTTON_URL && action_id.len() <= ACTION_ID;
        fits.then(|| Self { text: plain(words, BUTTON_TEXT), url: url.to_owned(), action_id: action_id.to_owned() })
    }
}

fn plain(text: &str, most: usize) -> Text {
    let text = if text.trim().is_empty() { "–" } else { text };
    Text::PlainText { text: Plain::cut(text, most), emoji: true }
}

fn mrkdwn(text: Mrkdwn, most: usize) -> Text {
    let text = if text.as_str().is_empty() { Mrkdwn::text("–") } else { text };
    Text::Mrkdwn { text: text.cut(most), verbatim: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_section_reads_like_slacks_own() {
        let block = serde_json::to_value(Block::section(Mrkdwn::text("a"))).unwrap();
        assert_eq!(block, json!({"type": "section", "text": {"type": "mrkdwn", "text": "a", "verbatim": true}}));
    }

    #[test]
    fn whatever_is_too_long_is_cut() {
        let Block::Header { text: Text::PlainText { text, .. } } = Block::header(&"ж".repeat(400)) else {
            unreachable!()
        };
        assert_eq!(text.as_str().chars().count(), 150);
        let Block::Section { fields, .. } = Block::fields((0..20).map(|_| ("n", Mrkdwn::text(&"x".repeat(5000)))))
        else {
            unreachable!()
        };
        assert_eq!(fields.len(), 10);
        assert!(Button::open("x", &"u".repeat(4000), "open").is_none());
    }
}
