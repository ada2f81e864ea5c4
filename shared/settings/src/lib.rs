//! The settings document: its schema and checks, and the languages in it: conditions, templates, destinations. Pure.

pub mod bot;
pub mod condition;
pub mod databases;
mod default;
pub mod destination;
#[cfg(feature = "document")]
pub mod document;
pub mod hours;
pub mod problems;
pub mod robots;
pub mod schema;
pub mod subscriptions;
pub mod template;
#[cfg(feature = "document")]
mod unknown;

pub use destination::Destination;
pub use schema::{Route, Settings};
