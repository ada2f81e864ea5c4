//! The ports of `runtime` on one machine: store and queue in one SQLite file, secrets in files beside it.
//!
//! One thread does all writing. It takes all waiting writes, runs them in one transaction and syncs once (group
//! commit): a write that returned survives a kill -9 and a power cut, and many at once cost little more than one. Reads
//! are separate and see everything that was committed.

mod database;
mod gauges;
#[cfg(all(test, unix))]
mod private_tests;
mod queue;
mod secrets;
mod store;

pub use database::{OpenError, SqliteFile};
pub use gauges::GaugeError;
pub use queue::SqliteQueue;
pub use secrets::FileSecrets;
pub use store::SqliteStore;
