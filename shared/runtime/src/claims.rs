//! Claims: what has an identity of its own (a comment, a call) is reported once, however often it is seen.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::later;
use crate::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};
use crate::{TenantId, TraceId};

/// How long an identity is remembered: as long as a queue keeps a job, and longer than a sweep after an outage looks back.
const CLAIM_TTL: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The event that reported it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The trace of that event.
    pub trace: TraceId,
    /// Whether the sweep found it.
    #[serde(default)]
    pub swept: bool,
    /// When it was claimed, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// The claim on an identity, if there is one.
pub async fn find(store: &dyn Store, tenant: &TenantId, identity: &str) -> Result<Option<Claim>, StoreError> {
    store.get(&key(tenant, identity)).await?.map(|item| item.decode()).transpose()
}

/// The write of a claim, to go with the decision in one transaction. It fails if another event claimed it first.
pub fn write(tenant: &TenantId, identity: &str, claim: &Claim, now: Timestamp) -> Result<StoreWrite, StoreError> {
    Ok(StoreWrite::new(key(tenant, identity), claim, WriteCondition::Absent)?.expiring(later(now, CLAIM_TTL)))
}

fn key(tenant: &TenantId, identity: &str) -> ItemKey {
    // Ids come from outside: whatever they are, they make one key.
    let digest = crate::DeliveryId::of(&[identity]);
    ItemKey::new(Table::Links, format!("{tenant}#claim"), digest.as_str())
}
