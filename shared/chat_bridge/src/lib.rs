//! A Slack channel and a Bitrix24 chat as one conversation: which are bridged, what a message says on the other side,
//! and the chatbot. Deciding and delivering are in the functions; the stored bridges are `tenants::conversations`.

pub mod bot;
pub mod bridges;
pub mod chat;
pub mod names;
pub mod registration;
pub mod texts;
