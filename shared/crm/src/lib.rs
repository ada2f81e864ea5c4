//! Reading a portal's records, and telling operators of trouble: what more than one function does the same way.

pub mod baseline;
pub mod names;
pub mod pages;
pub mod sightings;
pub mod subscriptions;
pub mod sweeps;
pub mod views;

pub use names::NamesCache;
