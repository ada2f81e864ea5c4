//! One binary for all tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod planted;
mod regressions;
mod repeats;
