//! Deliveries that wait, to be sent together as a digest.

use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use runtime::store::{Condition, Key, Page, Query, Store, StoreError, Table, Write};
use runtime::{DeliveryId, TenantId, TraceId};
use serde::{Deserialize, Serialize};

/// How long a hold is kept after its moment.
const KEEP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A delivery that waits, with what the digest needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The trace of its event.
    pub trace: TraceId,
    /// Its id.
    pub delivery: DeliveryId,
    /// The change in one line, as Slack's markup.
    pub line: String,
    /// Whether a digest contains it.
    #[serde(default)]
    pub taken: bool,
}

/// What waits for one destination, until one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The destination.
    pub place: &'a str,
    /// Until when.
    pub until: Timestamp,
}

impl Waiting<'_> {
    fn partition(&self) -> String {
        format!("{}#hold#{}#{}", self.tenant, self.until.as_second(), DeliveryId::of(&[self.place]))
    }

    fn expires(&self) -> Timestamp {
        later(self.until, KEEP)
    }

    /// The write of a hold.
    pub fn hold(&self, hold: &Hold) -> Result<Write, StoreError> {
        let key = Key::new(Table::Links, self.partition(), format!("{}#{}", hold.trace, hold.delivery));
        Ok(Write::new(key, hold, Condition::Always)?.expiring(self.expires()))
    }

    /// Whether the digest is already queued.
    pub async fn has_errand(&self, store: &dyn Store) -> Result<bool, StoreError> {
        Ok(store.get(&self.errand_key()).await?.is_some())
    }

    /// The write that notes it; it fails if another worker was first.
    pub fn set_errand(&self) -> Result<Write, StoreError> {
        Ok(Write::new(self.errand_key(), &self.place, Condition::Absent)?.expiring(self.expires()))
    }

    fn errand_key(&self) -> Key {
        Key::new(Table::Links, format!("{}#errand", self.tenant), self.partition())
    }

    /// A page of holds, in the order of their events.
    pub async fn page(&self, store: &dyn Store, after: Option<String>) -> Result<(Vec<Hold>, Page), StoreError> {
        let mut query = Query::prefix(Table::Links, self.partition(), "");
        query.after = after;
        // Two writes each must fit into one transaction.
        query.limit = 45;
        let page = store.list(&query).await?;
        let holds = page.items.iter().map(runtime::store::Item::decode).collect::<Result<_, _>>()?;
        Ok((holds, page))
    }
}
