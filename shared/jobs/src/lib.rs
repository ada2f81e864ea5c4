//! What lies on the queues: one module a kind of job. Pure, so that a webhook can write a job without knowing who does it.

pub mod asked;
pub mod chat;
pub mod delivery;
pub mod hint;
pub mod queueing;
pub mod queues;
pub mod sync;

pub use delivery::SlackDelivery;
pub use hint::{Errand, Hint, Origin};
