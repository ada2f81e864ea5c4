//! Journeys through the built Lambda binaries, and what their policies grant. One binary: linked once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conversations;
mod cost;
mod deal;
mod grants;
mod install;
mod notion_sync;
mod operations;
