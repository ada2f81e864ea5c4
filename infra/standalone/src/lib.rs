//! Switchboard on one machine: the same handlers as on Lambda, with HTTP, workers, schedules and SQLite in one process.

pub mod beats;
pub mod credentials;
pub mod database;
pub mod database_command;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod front;
pub mod functions;
pub mod health;
pub mod host_clock;
pub mod host_limits;
pub mod host_metrics;
pub mod http;
pub mod log;
pub mod manifest;
pub mod metrics;
pub mod names;
pub mod page;
pub mod probes;
mod refusals;
pub mod replay;
#[cfg(feature = "demo")]
pub mod sandbox;
pub mod schedule;
pub mod serve;
pub mod server;
pub mod simulated;
pub mod sync;
pub mod systemd;
mod timed;
pub mod trail;
pub mod work;
pub mod workers;
