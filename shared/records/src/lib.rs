//! Reading a portal's records, and telling operators of trouble: what more than one function does the same way.

pub mod alert;
pub mod baseline;
pub mod names;
pub mod pages;
pub mod subscriptions;

pub use names::NamesCache;
