//! AWS for tests: the stack of `template.yaml` with the built binaries, deployed to an emulator. Providers are the
//! simulators'.
//!
//! What the emulator does otherwise than AWS is in `docs/testing.md`.
#![allow(clippy::expect_used)]

mod company;
pub mod emulator;
mod gateway;
mod meter;
pub mod policy;
mod services;
mod stack;

use std::path::PathBuf;

pub use self::company::{Company, parameters};
pub use self::emulator::left_out;
pub use self::meter::{Charge, Meter};
pub use self::services::Services;
pub use self::stack::Stack;

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
