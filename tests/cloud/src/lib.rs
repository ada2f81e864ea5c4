//! AWS in process, for tests: DynamoDB, SQS and Secrets Manager behind one HTTP address, and a Lambda Runtime
//! API with an event source mapping.
//!
//! The services are winterbaume's. What they do otherwise than AWS is written down in `docs/testing.md`; the
//! one thing made good here is the group of a message, which its SQS does not give back.
#![allow(clippy::expect_used)]

mod aws;
mod gateway;
pub mod policy;
pub mod runtime;
mod template;

pub use self::aws::Cloud;
pub use self::gateway::Gateway;
pub use self::runtime::{Function, bootstrap};
