//! The ports of `runtime` on one machine: store and queue in one SQLite file, secrets in files beside it.
//!
//! One thread does all writing. It takes all waiting writes, runs them in one transaction and syncs once (group
//! commit): a write that returned survives a kill -9 and a power cut, and many at once cost little more than one. A
//! write that fails undoes only itself. Reads are separate and see everything that was committed.
//!
//! What can happen to files on a disk is noticed within a second, named with its remedy ([`SqliteFault`]), and answered
//! to callers within two: a full or read-only disk, a lock of another process, damage, files that were deleted or
//! replaced.

mod database;
mod fault;
mod files;
mod gauges;
mod health;
mod host_lock;
pub mod maintenance;
#[cfg(all(test, unix))]
mod private_tests;
mod queue;
mod schema;
mod secrets;
mod store;
#[cfg(all(test, unix))]
mod trouble_tests;
mod waiting;
mod writer;

pub use database::{MAX_LOG_BYTES, SqliteFile};
pub use fault::{FaultKind, OpenError, SqliteFault};
pub use health::SqliteHealth;
pub use host_lock::HostLock;
pub use queue::SqliteQueue;
pub use schema::SCHEMA_VERSION;
pub use secrets::FileSecrets;
pub use store::SqliteStore;
