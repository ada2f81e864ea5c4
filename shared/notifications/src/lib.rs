//! From a change to the cards that tell of it: routes, the design of cards, digests, alerts to operators.

pub mod alert;
pub mod card;
pub mod cards;
mod design;
pub mod holds;
#[cfg(test)]
mod pseudo;
pub mod router;

pub use router::Router;
