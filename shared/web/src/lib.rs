//! HTTP for people and programs: doors, answers and refusals, the frame and the components of pages, cookies, sessions.

pub mod answer;
pub mod components;
pub mod cookies;
pub mod doors;
pub mod language;
pub mod origin;
pub mod page;
#[cfg(feature = "pseudo")]
pub mod pseudo;
pub mod request;
mod sample;
pub mod sessions;

pub use answer::Refused;
pub use cookies::{Site, cookie, is_loopback, with_cookie};
pub use sample::is_sampled;
pub use sessions::Session;
