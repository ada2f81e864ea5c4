//! From a change to its cards: routes, the design of cards, digests; and alerts to operators. Nothing is posted here:
//! `slack-delivery` does that.

pub mod alert;
pub mod blocks;
pub mod card;
pub mod cards;
mod design;
pub mod holds;
#[cfg(test)]
mod pseudo;
pub mod router;

pub use router::Router;
