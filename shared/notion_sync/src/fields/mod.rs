//! Fields of a record and properties of its page: their meaning, comparison and merge. Pure.
//!
//! Each side is read into [`Cell`]s in the portal's terms (codes of stages, ids of people and records), so that a time
//! zone, a trailing space or the case of an option is not a change. The merge is three-way and by value: an echo of our
//! own write equals the base and merges to nothing.

pub mod body;
pub mod cell;
pub mod first;
pub mod full_name;
pub mod lines;
mod list;
pub mod mapping;
pub mod matching;
pub mod merge;
pub mod page;
pub mod portal;
pub mod portal_field;
mod rich;
mod runs;
pub mod table;
pub mod written;

pub use cell::Cell;
pub use first::meet;
pub use jobs::sync::{Others, Signal, SyncJob};
pub use mapping::{Fit, MappedField};
pub use merge::{
    Agreed, Base, Conflict, Intent, Master, Merged, Policy, Reading, Sides, Stuck, SyncSide, merge, recover,
};
pub use portal_field::{PortalField, PortalKind};
