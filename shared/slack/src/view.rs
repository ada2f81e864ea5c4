//! Views: dialogs and the app's home.

use serde::{Deserialize, Serialize};

use crate::block::{Block, Text};
use crate::text::Plain;

/// The most blocks of a view.
pub const MAX_BLOCKS: usize = 100;
/// The longest title and button text.
const TITLE: usize = 24;
/// The longest `private_metadata`.
pub const PRIVATE_METADATA: usize = 3000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum View {
    /// A dialog.
    Modal {
        /// Which dialog, for when it comes back.
        callback_id: String,
        title: Text,
        /// The words on the button that sends it; none if there is nothing to send.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        submit: Option<Text>,
        /// The words on the button that closes it.
        close: Text,
        /// What comes back with it, unseen.
        private_metadata: String,
        /// What it shows.
        blocks: Vec<Block>,
    },
    /// A person's home tab of the app.
    Home {
        /// What it shows.
        blocks: Vec<Block>,
    },
}

impl View {
    /// A dialog; blocks beyond the hundredth are dropped. `metadata` that is too long is left out whole.
    pub fn modal(
        callback_id: &str,
        title: &str,
        submit: Option<&str>,
        close: &str,
        metadata: &str,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        let short = |text: &str| Text::PlainText { text: Plain::cut(text, TITLE), emoji: true };
        Self::Modal {
            callback_id: callback_id.to_owned(),
            title: short(title),
            submit: submit.map(short),
            close: short(close),
            private_metadata: if metadata.len() <= PRIVATE_METADATA { metadata.to_owned() } else { String::new() },
            blocks: blocks.into_iter().take(MAX_BLOCKS).collect(),
        }
    }

    /// A home tab; blocks beyond the hundredth are dropped.
    pub fn home(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self::Home { blocks: blocks.into_iter().take(MAX_BLOCKS).collect() }
    }
}
