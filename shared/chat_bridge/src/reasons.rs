//! Why a message was not copied, and what is remarkable about a copy, where several places say so. The others are in
//! `runtime::reasons`.

/// A message from Slack that is gone before its copy was made.
pub(crate) const DELETED_IN_SLACK: &str = "it was deleted in Slack before it could be copied";
/// The same of a message in a chat.
pub(crate) const DELETED_IN_BITRIX24: &str = "it was deleted in Bitrix24 before it could be copied";
/// Its edit arrived first, or its message will never arrive: the copy has the text of the edit.
pub(crate) const EDITED_FIRST: &str = "an edit of it arrived before the message itself, and was copied in its place";
