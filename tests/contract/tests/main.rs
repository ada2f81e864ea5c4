//! The promises of every engine, and what else queues, limiter and runner promise. One binary: linked once.
#![allow(clippy::unwrap_used)]

mod aws;
mod decision;
mod fair;
mod memory;
mod runner;
mod sqlite;
