//! Switchboard on one machine: the same handlers as on Lambda, with HTTP, workers, schedules and SQLite in one process;
//! and the operators' commands, which `switchboard-aws` shares.

pub mod codes;
pub mod config;
pub mod demo;
pub mod engine;
pub mod functions;
pub mod http;
pub mod log;
pub mod manifest;
pub mod names;
pub mod operate;
pub mod page;
pub mod person;
pub mod proxies;
pub mod reference;
pub mod replay;
pub mod schedule;
pub mod serve;
pub mod server;
pub mod settings_command;
pub mod sync;
pub mod tenants_command;
mod timed;
pub mod trail;
pub mod workers;
