//! What people write, as a small document: the one form between Slack's markup and Bitrix24's. And BBCode as Notion's
//! rich text, with edits of it brought back.
//!
//! Markup is read into the document and written from it; there is no other way between Slack and Bitrix24. So a text
//! can say anything and do nothing: no button, no mention of everyone, no tag that its writer typed by hand.

mod address;
pub use address::is_safe as is_safe_link;
mod bbcode;
mod difference;
mod document;
pub mod edit;
mod emoji;
mod layout;
mod mrkdwn;
mod notion;
mod rich_text;
mod scan;
mod split;
mod tags;
#[cfg(test)]
mod tests;

pub use document::{Document, Leaf, PersonMention, Span, Style, TextBlock};
pub use emoji::{reaction_from_slack, reaction_to_slack};
pub use layout::Surroundings;
pub use split::{BITRIX24_MESSAGE, SLACK_MESSAGE, units};
pub use tags::documentation as documentation_of_tags;
