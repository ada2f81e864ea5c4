//! Reading a portal, as several functions do it: pages of records, names behind codes, the baseline, deals and tasks
//! for people; which events are bound, when each was last seen, and what the sweep remembers.

pub mod baseline;
pub mod names;
pub mod pages;
pub mod sightings;
pub mod subscriptions;
pub mod sweeps;
pub mod views;

pub use names::NamesCache;
