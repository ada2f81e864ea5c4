//! Bitrix24 on the wire: the form events it sends, the REST calls it answers, OAuth.
//!
//! How Bitrix24 really behaves is in `docs/providers/bitrix24.md`; where its documents and its answers disagree, this
//! crate reads tolerantly. It knows nothing of AWS, Slack or a store.

pub mod batch;
pub mod bot;
pub mod call;
pub mod chat;
pub mod chat_page;
pub mod client;
pub mod crm;
pub mod error;
pub mod event;
pub mod form;
pub mod oauth;
pub mod subject;
pub mod task;
pub mod tolerant;
pub mod transfer;
pub mod user;

pub use batch::Batch;
pub use bot::{Bot, BotApi};
pub use call::FinishedCall;
pub use chat::{ChatAct, ChatEvent};
pub use client::{CallAnswer, Client, RestBase};
pub use crm::{CrmItem, EntityType};
pub use error::Error;
pub use event::UnverifiedEvent;
pub use subject::{Subject, SubjectAction};
pub use task::Task;
