//! What is on the queues: their names and one module for each kind of job. Pure, so that a webhook can write a job
//! without the code that does it.

pub mod card_delivery;
pub mod chat;
pub mod hint;
pub mod job_impls;
pub mod queues;
#[cfg(test)]
mod sample_tests;
pub mod slack_request;
pub mod sync;
pub mod tenant_job;

pub use card_delivery::SlackDelivery;
pub use hint::{FollowUp, Hint, HintOrigin};
pub use tenant_job::TenantJob;
