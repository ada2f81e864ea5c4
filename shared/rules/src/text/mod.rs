//! What people write, as a small document: the one form between Slack's markup and Bitrix24's.
//!
//! Markup is read into it and written from it, and never goes from one side to the other otherwise. So a text can
//! say anything and do nothing: no button, no mention of everyone, no tag that its writer typed by hand.

mod bbcode;
mod document;
mod emoji;
mod mrkdwn;
mod rich_text;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use document::is_safe_link;
pub use document::{Block, Document, Leaf, Person, Span, Style};
pub use emoji::{reaction_from_slack, reaction_to_slack};
pub use split::{BITRIX24_MESSAGE, SLACK_MESSAGE, units};
