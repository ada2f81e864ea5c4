//! Formatted text: BBCode on the portal, rich text in Notion.

use serde_json::Value;

use crate::text::Document;

/// What a person reads of BBCode on the other side.
pub(super) fn shown(bbcode: &str) -> String {
    // A bracket of ours that is to make no tag is followed by a space without width.
    Document::from_bbcode(bbcode).visible().replace("[\u{200b}", "[")
}

/// The BBCode with an edit of what it shows, or why that cannot be done.
pub(super) fn edited(_now: &str, wanted: &str) -> Result<String, String> {
    Ok(Document::plain(wanted).to_bbcode(false))
}

/// The property's items with an edit of the BBCode.
pub(super) fn items(_now: Option<&Value>, bbcode: &str) -> Value {
    notion::text::runs(&shown(bbcode.trim_end()))
}
