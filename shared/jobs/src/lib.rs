//! What is on the queues: their names and one module for each kind of job. Pure, so that a webhook can write a job
//! without the code that does it.

pub mod asked;
pub mod chat;
pub mod delivery;
pub mod hint;
pub mod queueing;
pub mod queues;
pub mod sync;

pub use delivery::SlackDelivery;
pub use hint::{Errand, Hint, Origin};
