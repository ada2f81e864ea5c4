//! What a record of the portal is, how it changed, and what its fields are called. Pure: no I/O and no clock.

pub mod change;
pub mod diff;
pub mod names;
pub mod record;
pub mod words;

pub use change::{Change, ChangeKind};
pub use diff::{Before, diff};
pub use names::Names;
pub use record::{Record, RecordKind, State};
pub use words::CardContext;
