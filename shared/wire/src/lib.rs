//! What the provider clients share: the one HTTP client, where it may call, and the transport port behind it.
//!
//! It knows no provider. Every request to one is made by [`Http`], so none can leave without the check of [`Network`].

mod address;
mod class;
mod error;
mod http;
mod internet;
mod network;
mod seen;
mod transport;

pub use address::is_public;
pub use class::ErrorClass;
pub use error::{Cause, SendError};
pub use http::{Http, Outgoing};
pub use network::{Allowed, BadEntry, Blocked, Lookup, Network, Unresolved};
pub use seen::Seen;
pub use transport::{Body, Peer, Pieces, Response, TimeLimit, Transport, Unread};
