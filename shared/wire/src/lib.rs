//! What the provider clients share: the one HTTP client, where it may call, the transport port behind it, and what a failed
//! call asks of the caller.
//!
//! It knows no provider. Every request to one is made by [`Http`], so none can leave without the check of [`Network`].

#![warn(missing_docs)]

mod address;
mod app_keys;
mod class;
mod download;
mod error;
mod http;
mod internet;
mod limit;
mod network;
mod no_answer;
mod observer;
mod retry_after;
mod seen;
mod time_box;
pub mod time_limits;
mod transport;

pub use address::{api_url, is_public};
pub use app_keys::AppKeys;
pub use class::ErrorClass;
pub use download::Download;
pub use error::{Cause, SendError};
pub use http::{Http, OutgoingRequest};
pub use limit::CallLimit;
pub use network::{Allowed, BadEntry, Blocked, Lookup, Network, Unresolved};
pub use no_answer::NoAnswer;
pub use observer::Observer;
pub use retry_after::parse_retry_after;
pub use seen::SeenAnswer;
pub use time_box::TimeBox;
/// A moment on the clock by which calls are measured. Where a test pauses time, it is paused.
pub use tokio::time::Instant;
pub use transport::{Body, Peer, Pieces, Response, TimeLimit, Transport, Unread};
