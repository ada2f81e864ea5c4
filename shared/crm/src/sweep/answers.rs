//! What the parts of a sweep share: the first answer to each, and how they ask for what happened since a moment.

use clients::Failure;
use jiff::Timestamp;
use runtime::snapshots::ReadMoment;
use serde_json::Value;

/// The first answer to a part.
pub(super) struct FirstAnswer {
    pub(super) result: Result<Value, Failure>,
    /// Where the next page starts, if there is one.
    pub(super) next: Option<u64>,
    pub(super) read: ReadMoment,
}

/// A moment as filters take it.
pub(super) fn in_filter(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
