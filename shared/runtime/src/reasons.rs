//! Why an event or a delivery was skipped, where several functions say so: the same reason has the same words.

/// An event about what we posted.
pub const OWN_MESSAGE: &str = "echo: Switchboard wrote it";
/// An event about the reaction that we copied.
pub const OWN_REACTION: &str = "echo: Switchboard reacted";
/// A message of a channel or chat without a bridge.
pub const NOT_BRIDGED: &str = "this conversation is not bridged";
/// An edit, a deletion or a reaction of a message without a copy on the other side.
pub const NEVER_COPIED: &str = "the message was never copied";
/// An edit of a message that is gone by now.
pub const DELETED_MEANWHILE: &str = "the message has been deleted meanwhile";
/// A record, or a comment, that nothing in the settings is about.
pub const NOT_USED: &str = "nothing in the settings uses it";
/// A message of another bot or app.
pub const OTHER_BOT: &str = "another bot wrote it; `chats.bots` in the settings allows these";
