//! Simulators of Bitrix24, Slack and Notion that speak real HTTP on loopback, or answer without sockets ([`direct`]).
//!
//! They are as strict as the providers: limits, signatures, errors, truncation, and no redelivery. They read the time
//! from the clock they are given, so that a test can pass an hour in a moment. Any request can be made to fail in the
//! ways that providers fail.

pub mod bucket;
pub mod control;
pub mod direct;
pub mod estate;
pub mod fault;
pub mod http;
mod ids;
pub mod notion;
pub mod oauth;
pub mod portal;
pub mod slack;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod traffic;

pub use bucket::ExceededLimit;
pub use control::Sandbox;
pub use estate::Estate;
pub use fault::{Fault, RetryAfterForm, Rule, When};
pub use notion::NotionSimulator;
pub use oauth::{OauthServers, Region, SlackHub};
pub use portal::PortalSimulator;
pub use slack::SlackSimulator;
pub use traffic::{Disorder, SentOutcome, SentRequest};
