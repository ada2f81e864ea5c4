//! Rounds: what a schedule does for each tenant, in a limited time. A round begins where the last one had to stop, so that
//! however many tenants there are, and however slow some of them, nobody is left out again and again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};

use crate::portals::Portals;

#[derive(Serialize, Deserialize)]
struct NextRound {
    begins_with: TenantId,
}

/// A round that is under way.
pub struct Round {
    backend: Backend,
    key: ItemKey,
    until: Timestamp,
    left: Mutex<VecDeque<TenantId>>,
}

impl Round {
    /// A round over all tenants that begins nothing more after `lasts`. `name` is what it does.
    pub async fn begin(backend: &Backend, name: &'static str, lasts: Duration) -> Result<Self, StoreError> {
        let key = ItemKey::new(Table::Portals, "#rounds", name);
        let until = later(backend.clock.now(), lasts);
        let mut tenants = Portals::new(backend.store.clone(), backend.clock.clone()).tenants().await?;
        if let Some(item) = backend.store.get(&key).await? {
            let first = item.decode::<NextRound>()?.begins_with;
            tenants.sort();
            let place = tenants.partition_point(|tenant| *tenant < first);
            tenants.rotate_left(place);
        }
        Ok(Self { backend: backend.clone(), key, until, left: Mutex::new(tenants.into()) })
    }

    fn left(&self) -> MutexGuard<'_, VecDeque<TenantId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenants whose turn it is, one after the other, until the time is up.
    pub fn turns(&self) -> impl Iterator<Item = TenantId> {
        std::iter::from_fn(|| if self.backend.clock.now() > self.until { None } else { self.left().pop_front() })
    }

    /// Notes with whom the next round begins; returns how many tenants are left to it.
    pub async fn end(self) -> Result<usize, StoreError> {
        let (first, left) = {
            let left = self.left();
            (left.front().cloned(), left.len())
        };
        if let Some(begins_with) = first {
            let write = StoreWrite::new(self.key.clone(), &NextRound { begins_with }, WriteCondition::Always)?;
            self.backend.store.put(write).await?;
        }
        Ok(left)
    }
}
