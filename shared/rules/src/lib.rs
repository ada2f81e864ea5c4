//! What should happen: what changed, who is to hear of it, and what they read. Pure: no I/O and no clock.

pub mod card;
pub mod change;
pub mod delivery;
pub mod diff;
pub mod hint;
pub mod money;
pub mod names;
pub mod settings;

pub use change::{Change, ChangeKind, Record};
pub use delivery::SlackDelivery;
pub use diff::{Before, diff};
pub use hint::Hint;
pub use names::Names;
pub use settings::{Route, Settings};
