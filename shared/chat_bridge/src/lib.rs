//! A Slack channel and a Bitrix24 chat as one conversation: what a message says on the other side, and the chatbot.

pub mod bot;
pub mod bridges;
pub mod chat;
pub mod names;
pub mod registration;
pub mod texts;
