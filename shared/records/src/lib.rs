//! Records of the portal, their changes between two states, the names of their codes, and the words that cards show.
//! Pure: no I/O and no clock.

pub mod card_text;
pub mod change;
pub mod diff;
pub mod names;
pub mod record;
pub mod words;

pub use card_text::CardText;
pub use change::{Change, ChangeKind};
pub use diff::{Before, diff};
pub use names::Names;
pub use record::{Record, RecordKind, RecordRef, RecordState};
pub use words::CardContext;
