//! Why a message was not copied, where several places say so. The others are in `runtime::reasons`.

/// A message from Slack that is gone before its copy was made.
pub(crate) const DELETED_IN_SLACK: &str = "it was deleted in Slack before it could be copied";
/// The same of a message in a chat.
pub(crate) const DELETED_IN_BITRIX24: &str = "it was deleted in Bitrix24 before it could be copied";
