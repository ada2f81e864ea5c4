//! A Slack channel and a Bitrix24 chat as one conversation: which are bridged, what a message says on the other side,
//! and the chatbot. `from_slack` and `from_bitrix24` decide, `to_slack` and `to_bitrix24` deliver, `sweep` finds what no
//! event brought. The stored bridges are `tenants::bridges`.

pub mod bot;
pub mod bot_answers;
pub mod bridges;
pub mod chat;
pub mod from_bitrix24;
pub mod from_slack;
mod late;
pub mod names;
mod reasons;
pub mod registration;
pub mod sweep;
pub mod texts;
pub mod to_bitrix24;
pub mod to_slack;
