//! Sightings: when an event of each kind was last seen. The upkeep notices silence by them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::is_recent;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};

/// A sighting is written at most this often.
const BETWEEN_WRITES: Duration = Duration::from_secs(60);
/// More kinds than this are not remembered at once.
const MAX_KINDS: usize = 10_000;

/// Writes and reads sightings. Cheap to clone.
#[derive(Clone)]
pub struct Sightings {
    store: Arc<dyn Store>,
    written: Arc<Mutex<HashMap<(TenantId, String), Timestamp>>>,
}

impl Sightings {
    /// The sightings in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, written: Arc::default() }
    }

    /// Notes that an event of this kind was seen then.
    pub async fn note(&self, tenant: &TenantId, event: &str, at: Timestamp) -> Result<(), StoreError> {
        let kind = (tenant.clone(), event.chars().take(80).collect::<String>());
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.get(&kind).is_some_and(|last| is_recent(at, *last, BETWEEN_WRITES)) {
                return Ok(());
            }
            if written.len() >= MAX_KINDS {
                written.clear();
            }
            written.insert(kind.clone(), at);
        }
        let key = ItemKey::new(Table::Links, partition(tenant), kind.1);
        self.store.put(StoreWrite::new(key, &at, WriteCondition::Always)?).await.map(|_| ())
    }

    /// When each kind was last seen, to the minute.
    pub async fn all(&self, tenant: &TenantId) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let mut query = Query::prefix(Table::Links, partition(tenant), "");
        query.limit = 1000;
        let page = self.store.list(&query).await?;
        page.items.iter().map(|item| Ok((item.key.sort.clone(), item.decode()?))).collect()
    }
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#sighting")
}
