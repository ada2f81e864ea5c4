//! The program as operators run it, in one binary: linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod database;
mod endurance;
mod harness;
mod health;
mod monitoring;
mod operate;
mod start;
mod stop;
