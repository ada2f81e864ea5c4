//! Deliveries that wait, to be sent together as a digest.

use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use runtime::store::{ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{DeliveryId, TenantId, TraceId};
use serde::{Deserialize, Serialize};

/// How long an item is kept after its moment.
const ITEM_TTL: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A delivery that waits, with what the digest needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestItem {
    /// The trace of its event.
    pub trace: TraceId,
    pub delivery: DeliveryId,
    /// The change in one line, as Slack's markup.
    pub line: String,
    /// Whether a digest contains it.
    #[serde(default)]
    pub taken: bool,
}

/// What waits for one destination, until one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestWindow<'a> {
    pub tenant: &'a TenantId,
    /// The destination.
    pub place: &'a str,
    pub until: Timestamp,
}

impl DigestWindow<'_> {
    fn partition(&self) -> String {
        format!("{}#hold#{}#{}", self.tenant, self.until.as_second(), DeliveryId::of(&[self.place]))
    }

    fn expires(&self) -> Timestamp {
        later(self.until, ITEM_TTL)
    }

    pub fn hold(&self, hold: &DigestItem) -> Result<StoreWrite, StoreError> {
        let key = ItemKey::new(Table::Links, self.partition(), format!("{}#{}", hold.trace, hold.delivery));
        Ok(StoreWrite::new(key, hold, WriteCondition::Always)?.expiring(self.expires()))
    }

    /// Whether the digest is already queued.
    pub async fn has_errand(&self, store: &dyn Store) -> Result<bool, StoreError> {
        Ok(store.get(&self.errand_key()).await?.is_some())
    }

    /// The write that notes it; it fails if another worker was first.
    pub fn set_errand(&self) -> Result<StoreWrite, StoreError> {
        Ok(StoreWrite::new(self.errand_key(), &self.place, WriteCondition::Absent)?.expiring(self.expires()))
    }

    fn errand_key(&self) -> ItemKey {
        ItemKey::new(Table::Links, format!("{}#errand", self.tenant), self.partition())
    }

    /// A page of items, in the order of their events.
    pub async fn page(
        &self,
        store: &dyn Store,
        after: Option<String>,
    ) -> Result<(Vec<DigestItem>, ItemPage), StoreError> {
        let mut query = Query::prefix(Table::Links, self.partition(), "");
        query.after = after;
        // Two writes each must fit into one transaction.
        query.limit = 45;
        let page = store.list(&query).await?;
        let holds = page.items.iter().map(runtime::store::StoredItem::decode).collect::<Result<_, _>>()?;
        Ok((holds, page))
    }
}
