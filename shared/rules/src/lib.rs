//! What should happen: what changed, who is to hear of it, and what they read. Pure: no I/O and no clock.

pub mod asked;
pub mod bot;
pub mod card;
pub mod change;
pub mod chat;
pub mod condition;
pub mod databases;
pub mod delivery;
mod design;
pub mod destination;
pub mod diff;
#[cfg(feature = "document")]
pub mod document;
pub mod hint;
pub mod hours;
pub mod jobs;
pub mod language;
pub mod money;
pub mod names;
pub mod problems;
#[cfg(test)]
mod pseudo;
pub mod record;
pub mod robots;
pub mod router;
pub mod settings;
pub mod subscriptions;
pub mod sync;
pub mod template;
pub mod text;
pub mod words;

pub use change::{Change, ChangeKind};
pub use delivery::SlackDelivery;
pub use destination::Destination;
pub use diff::{Before, diff};
pub use hint::{Errand, Hint, Origin};
pub use names::Names;
pub use record::{Record, RecordKind, State};
pub use router::Router;
pub use settings::{Route, Settings};
pub use words::Telling;
