//! The jobs of the queue `tenant-jobs`: long work for a tenant, done a slice at a time. A job does what fits into a few
//! seconds, keeps how far it is, and sends the next one, so that no time limit and no count of receipts ends the work.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A slice of a tenant's long work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum TenantJob {
    /// Deletes what is left of a tenant that left.
    Leave {
        /// Which departure: the tenant may leave several times.
        began_at: Timestamp,
        /// How many slices were done before this one.
        slice: u64,
    },
}
