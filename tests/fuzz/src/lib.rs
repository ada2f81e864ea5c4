//! Fuzzing on the stable compiler: mutations of a committed corpus, against promises that hold for every input.
//!
//! [`harness`] has one function for each parser of outside text; it panics where a promise is broken and answers with a
//! number for how the parser behaved. [`driver`] mutates, and keeps the inputs whose behaviour is new. In the gate each
//! harness runs ten seconds (`FUZZ_SECONDS`); `cargo run --profile host -p fuzz -- all --seconds 3600` runs longer.
//! A finding is written to `target/fuzz/<harness>/`; when it is fixed, it moves to `tests/fuzz/corpus/<harness>/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod driver;
pub mod harness;

pub use driver::{Report, run};
pub use harness::{ALL, Harness};
