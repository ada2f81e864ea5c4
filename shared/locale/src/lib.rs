//! The languages that people read: labels, small words, amounts of money.

pub mod language;
pub mod money;

pub use language::Language;
