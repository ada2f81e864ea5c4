//! The Block Kit blocks we use, cut to Slack's limits when built, so that a message is never refused for its size.

use serde::{Deserialize, Serialize};

use crate::text::{Mrkdwn, Plain};

/// The most blocks of a message.
pub const MAX_BLOCKS: usize = 50;
/// The longest text of a section.
pub const SECTION_TEXT: usize = 3000;
/// The most fields of a section.
pub const MAX_FIELDS: usize = 10;
/// The longest text of a field.
pub const FIELD_TEXT: usize = 2000;
/// The longest text of a header.
pub const HEADER_TEXT: usize = 150;
/// The most elements of a context.
pub const MAX_CONTEXT: usize = 10;
/// The most elements of an actions block.
pub const MAX_ACTIONS: usize = 25;
/// The longest text on a button.
pub const BUTTON_TEXT: usize = 75;
/// The longest URL of a button.
pub const BUTTON_URL: usize = 3000;
/// The longest value of a button.
pub const BUTTON_VALUE: usize = 2000;
/// The most choices of a menu.
pub const MAX_CHOICES: usize = 100;
/// The longest value of a choice.
pub const CHOICE_VALUE: usize = 150;
/// The longest placeholder, label or hint that we make; Slack takes 150 of a placeholder and 2000 of the others.
const LABEL_TEXT: usize = 150;
/// The longest `action_id`.
pub const ACTION_ID: usize = 255;

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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Text>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Text>,
    },
    /// Small print.
    Context {
        /// Its parts.
        elements: Vec<Text>,
    },
    /// Buttons and menus.
    Actions {
        /// What can be pressed or chosen.
        elements: Vec<Element>,
    },
    /// A field of a dialog, with its name above it.
    Input {
        /// Which field it is: what is wrong with it is said by this.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        block_id: String,
        /// Its name.
        label: Text,
        /// The field.
        element: Element,
        /// What helps to fill it in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<Text>,
        /// Whether it may stay empty.
        optional: bool,
        /// Whether each choice is sent before the dialog is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dispatch_action: bool,
    },
    /// A line across.
    Divider,
    /// What people write: nothing in it is read as markup.
    RichText {
        /// Its sections, lists, quotes and code.
        elements: Vec<serde_json::Value>,
    },
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
        text: Plain,
        /// Whether `:name:` becomes an emoji.
        emoji: bool,
    },
}

/// Something to press, choose or fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    Button {
        text: Text,
        /// The page that it opens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// What comes back when it is pressed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// Which element it is.
        action_id: String,
        /// How it looks: `primary`, `danger`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        style: Option<String>,
    },
    /// A menu.
    StaticSelect {
        /// The placeholder while nothing is chosen.
        placeholder: Text,
        /// What can be chosen.
        options: Vec<Choice>,
        /// What is chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_option: Option<Choice>,
        /// Which element it is.
        action_id: String,
    },
    /// A line or a field of text.
    PlainTextInput {
        /// Whether it has several lines.
        multiline: bool,
        /// The initial text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_value: Option<String>,
        /// The longest text.
        max_length: usize,
        /// Which element it is.
        action_id: String,
    },
    /// A person of the workspace.
    UsersSelect {
        /// Who is chosen at first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_user: Option<String>,
        /// Which element it is.
        action_id: String,
    },
    /// Several people of the workspace.
    MultiUsersSelect {
        /// Who is chosen at first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        initial_users: Vec<String>,
        /// Which element it is.
        action_id: String,
    },
    /// A day.
    Datepicker {
        /// The day that is chosen at first, as `2026-12-25`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_date: Option<String>,
        /// Which element it is.
        action_id: String,
    },
}

/// Something that can be chosen in a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    text: Text,
    value: String,
}

impl Block {
    /// A header. An empty text, which Slack refuses, becomes a dash.
    pub fn header(text: &str) -> Self {
        Self::Header { text: plain(text, HEADER_TEXT) }
    }

    pub fn section(text: Mrkdwn) -> Self {
        Self::Section { text: Some(mrkdwn(text, SECTION_TEXT)), fields: Vec::new() }
    }

    /// A section of fields, each a name over a value; more than ten are dropped.
    pub fn fields<N: AsRef<str>>(fields: impl IntoIterator<Item = (N, Mrkdwn)>) -> Self {
        let field = |(name, value): (N, Mrkdwn)| {
            let label = Mrkdwn::bold(name.as_ref()).then(&Mrkdwn::text("\n"));
            mrkdwn(label.then(&value), FIELD_TEXT)
        };
        Self::Section { text: None, fields: fields.into_iter().map(field).take(MAX_FIELDS).collect() }
    }

    /// A context line; more than ten parts are dropped.
    pub fn context(parts: impl IntoIterator<Item = Mrkdwn>) -> Self {
        Self::Context { elements: parts.into_iter().map(|part| mrkdwn(part, FIELD_TEXT)).take(MAX_CONTEXT).collect() }
    }

    /// A row of buttons and menus; more than 25 are dropped.
    pub fn actions(elements: impl IntoIterator<Item = Element>) -> Self {
        Self::Actions { elements: elements.into_iter().take(MAX_ACTIONS).collect() }
    }

    /// A `rich_text` block as it was written elsewhere.
    pub fn rich_text(block: &serde_json::Value) -> Self {
        Self::RichText { elements: block["elements"].as_array().cloned().unwrap_or_default() }
    }

    /// A field of a dialog; `block_id` names it where something is wrong with it.
    pub fn input(block_id: &str, label: &str, element: Element, hint: Option<&str>, optional: bool) -> Self {
        Self::Input {
            block_id: block_id.to_owned(),
            dispatch_action: false,
            label: plain(label, LABEL_TEXT),
            element,
            hint: hint.map(|hint| plain(hint, LABEL_TEXT)),
            optional,
        }
    }

    /// The same field, whose choices are sent before the dialog is.
    #[must_use]
    pub fn telling_choices(mut self) -> Self {
        if let Self::Input { dispatch_action, .. } = &mut self {
            *dispatch_action = true;
        }
        self
    }
}

impl Element {
    /// A button that opens `url`. A URL that is too long cannot be cut and gives no button.
    pub fn open(words: &str, url: &str, action_id: &str) -> Option<Self> {
        let fits = url.len() <= BUTTON_URL && action_id.len() <= ACTION_ID;
        fits.then(|| Self::Button {
            text: plain(words, BUTTON_TEXT),
            url: Some(url.to_owned()),
            value: None,
            action_id: action_id.to_owned(),
            style: None,
        })
    }

    /// A button that sends `value` back to us.
    pub fn press(words: &str, action_id: &str, value: &str) -> Self {
        Self::Button {
            text: plain(words, BUTTON_TEXT),
            url: None,
            value: Some(value.chars().take(BUTTON_VALUE).collect()),
            action_id: action_id.to_owned(),
            style: None,
        }
    }

    /// A menu of `(value, words)`; more than 100 are dropped, and so are values that are too long to come back whole.
    /// `None` if there is nothing to choose.
    pub fn menu<'a>(
        placeholder: &str,
        action_id: &str,
        choices: impl IntoIterator<Item = (&'a str, &'a str)>,
        chosen: Option<&str>,
    ) -> Option<Self> {
        let fits = |(value, _): &(&str, &str)| !value.is_empty() && value.len() <= CHOICE_VALUE;
        let choices = choices.into_iter().filter(fits).take(MAX_CHOICES);
        let options: Vec<_> =
            choices.map(|(value, words)| Choice { text: plain(words, BUTTON_TEXT), value: value.to_owned() }).collect();
        let initial_option = options.iter().find(|choice| Some(choice.value.as_str()) == chosen).cloned();
        (!options.is_empty()).then(|| Self::StaticSelect {
            placeholder: plain(placeholder, LABEL_TEXT),
            options,
            initial_option,
            action_id: action_id.to_owned(),
        })
    }

    /// A line of text, or several. The initial text is at most `max_length` long.
    pub fn text_input(action_id: &str, multiline: bool, max_length: usize, initial_value: Option<String>) -> Self {
        Self::PlainTextInput { multiline, initial_value, max_length, action_id: action_id.to_owned() }
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
        assert!(Element::open("x", &"u".repeat(4000), "open").is_none());
    }
}
