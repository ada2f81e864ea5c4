//! What the provider clients share: the one HTTP client, and where it may call.
//!
//! It knows no provider. Every request to one is made by [`Http`], so none can leave without the check of [`Network`].

mod address;
mod http;
mod network;
mod seen;

pub use address::is_public;
pub use http::{Cause, Http, Outgoing, SendError};
pub use network::{Allowed, BadEntry, Blocked, Lookup, Network};
pub use seen::Seen;
