//! The languages, and every text that people read: `locales/` compiled in.
//!
//! A folder of `locales/` is a language. Its `*.ftl` files are catalogues in Fluent's syntax, from which the build makes
//! constants (messages without variables) and types (messages with variables, which are their fields) in [`texts`]:
//!
//! ```
//! use locale::{Language, texts};
//!
//! assert_eq!(Language::En.text(texts::records::UNKNOWN), "unknown");
//! assert_eq!(Language::En.text(texts::cards::AndMore { count: 7 }), "and 7 more");
//! ```
//!
//! A message that does not exist, or a variable that is missing or misspelt, does not compile. A language that lacks a
//! message, or uses other variables in it than English, ends the build. Always write the whole path
//! `texts::feature::NAME`: a test looks for it to find messages that nothing uses.

mod facts;
mod language;
mod localized;
mod message;
pub mod money;
mod number;
#[cfg(feature = "pseudo")]
mod pseudo;

pub use facts::{Dates, Numbered, Periods, Units, Words};
pub use localized::Localized;
pub use message::{Fixed, Message, Piece, Say};
#[cfg(feature = "pseudo")]
pub use pseudo::{assert_from_the_catalogues, in_pseudo};

#[allow(clippy::all, clippy::pedantic, missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
}
pub(crate) use generated::COLUMNS;
pub use generated::{Language, NAMES, texts};
