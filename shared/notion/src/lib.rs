//! Notion on the wire, API version 2026-03-11: a database holds data sources, a data source holds pages as rows.
//!
//! Property values remain JSON here, as Notion writes them: new types appear, and an unknown one must not keep us from
//! reading the others. `notion_sync` gives them their meaning. Nothing here retries or limits.

pub mod block;
pub mod client;
pub mod error;
pub mod event;
pub mod id;
pub mod oauth;
pub mod page;
pub mod schema;
pub mod signature;
pub mod text;

pub use client::{Client, NotionApiBase};
pub use error::Error;
pub use event::NotionEvent;
pub use id::object_id;
pub use page::NotionPage;
pub use schema::{DataSource, Property};

/// The version of Notion's API that is spoken, in requests and in webhooks.
pub const VERSION: &str = "2026-03-11";
