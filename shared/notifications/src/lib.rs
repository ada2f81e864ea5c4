//! From a change to its cards: routes, the design of cards, digests, and how a card is posted once; and alerts to
//! operators.

pub mod access;
pub mod alert;
pub mod blocks;
pub mod card;
mod channel_trouble;
pub mod delivery;
mod design;
pub mod digest;
pub mod digest_items;
pub mod first_cards;
#[cfg(test)]
mod pseudo;
pub mod reports;
pub mod router;
mod routers;
pub mod routing;
pub mod silence;

pub use router::Router;
pub use routers::Routers;
