//! The stack of `template.yaml` with the built binaries, deployed to emulated AWS, and what its policies grant. One binary:
//! linked once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conversations;
mod cost;
mod deal;
mod grants;
mod install;
mod notion_sync;
mod operations;
mod stack;
