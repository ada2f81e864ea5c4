//! The first card of a record in each channel: later cards reply to it or update it.

use std::time::Duration;

use jiff::Timestamp;
use records::RecordRef;
use runtime::clock::later;
use runtime::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{DeliveryId, TenantId};
use serde::{Deserialize, Serialize};

/// How long later cards reply to a card.
const FIRST_CARD_TTL: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The first card of a record in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstCard {
    /// The provider's id of the message.
    pub message: String,
    /// The delivery that posted it.
    pub delivery: DeliveryId,
}

/// The first card of `record` in a channel, by the channel's id.
pub async fn find(
    store: &dyn Store,
    tenant: &TenantId,
    record: &RecordRef,
    channel: &str,
) -> Result<Option<FirstCard>, StoreError> {
    store.get(&key(tenant, record, channel)).await?.map(|item| item.decode()).transpose()
}

/// The write of a card, to go with its delivery's line in one transaction. The latest one counts.
pub fn write(
    tenant: &TenantId,
    record: &RecordRef,
    channel: &str,
    card: &FirstCard,
    now: Timestamp,
) -> Result<StoreWrite, StoreError> {
    Ok(StoreWrite::new(key(tenant, record, channel), card, WriteCondition::Always)?
        .expiring(later(now, FIRST_CARD_TTL)))
}

fn key(tenant: &TenantId, record: &RecordRef, channel: &str) -> ItemKey {
    ItemKey::new(
        Table::Links,
        format!("{tenant}#card"),
        format!("{}#{channel}", DeliveryId::of(&[&record.to_string()])),
    )
}
