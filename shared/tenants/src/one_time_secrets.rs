//! Secrets that work once: a sign-in code, the state of an authorization. Only their digests are kept.

use std::time::Duration;

use runtime::clock::{MAX_OWN_SKEW, later};
use runtime::store::{ItemKey, StoreError, StoreWrite, StoredItem, Table, WriteCondition, written_by};
use runtime::{Backend, DeliveryId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A fresh secret of 32 characters.
pub fn secret() -> String {
    runtime::random::hex()
}

/// The key of a secret's item. What is stored does not reveal the secret.
pub fn key(kind: &str, secret: &str) -> ItemKey {
    let digest = DeliveryId::of(&["admin", kind, secret]);
    ItemKey::new(Table::Portals, PARTITION, format!("{kind}#{digest}"))
}

/// The replacement for a value that was taken.
const USED: &str = "used";

/// The partition of codes and sessions of all tenants: a tenant cannot have this name.
pub const PARTITION: &str = "#admin";

/// Stores a value under a secret.
pub async fn put<T: Serialize>(
    backend: &Backend,
    kind: &str,
    secret: &str,
    value: &T,
    lives: Duration,
) -> Result<(), StoreError> {
    let write = StoreWrite::new(key(kind, secret), value, WriteCondition::Absent)?;
    backend.store.put(write.expiring(later(backend.clock.now(), lives))).await.map(|_| ())
}

/// The value under a secret, for the first caller only.
pub async fn take<T: DeserializeOwned>(backend: &Backend, kind: &str, secret: &str) -> Result<Option<T>, StoreError> {
    take_at(backend, key(kind, secret)).await
}

/// Extends a secret by `lives` from now, for an action that was begun with it: it is used only at the end, by its name,
/// which does not reveal the secret. `None` if there is no such secret.
pub async fn hold(backend: &Backend, kind: &str, secret: &str, lives: Duration) -> Result<Option<String>, StoreError> {
    let key = key(kind, secret);
    let Some(item) = living(backend, &key).await? else { return Ok(None) };
    let value: serde_json::Value = item.decode()?;
    if value == USED {
        return Ok(None);
    }
    let held = StoreWrite::new(key.clone(), &value, WriteCondition::Version(item.version))?;
    match backend.store.put(held.expiring(later(backend.clock.now(), lives))).await {
        Ok(_) => Ok(Some(key.sort)),
        // It is being used at this moment.
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The value under a secret that was held, by its name, for the first caller only.
pub async fn take_held<T: DeserializeOwned>(backend: &Backend, name: &str) -> Result<Option<T>, StoreError> {
    take_at(backend, ItemKey::new(Table::Portals, PARTITION, name)).await
}

/// A secret's item. One that was written in the future was written before the clock was set back, and counts as expired:
/// it would live as much longer.
async fn living(backend: &Backend, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
    let latest = written_by(later(backend.clock.now(), MAX_OWN_SKEW));
    Ok(backend.store.get(key).await?.filter(|item| item.version <= latest))
}

async fn take_at<T: DeserializeOwned>(backend: &Backend, key: ItemKey) -> Result<Option<T>, StoreError> {
    let Some(item) = living(backend, &key).await? else { return Ok(None) };
    // A taken name is "used" for a moment, which for some types would be a valid value.
    if item.decode::<serde_json::Value>().is_ok_and(|value| value == USED) {
        return Ok(None);
    }
    let Ok(value) = item.decode() else { return Ok(None) };
    // The first to overwrite it gets it.
    let used = StoreWrite::new(key.clone(), &USED, WriteCondition::Version(item.version))?;
    match backend.store.put(used.expiring(later(backend.clock.now(), Duration::from_secs(60)))).await {
        Ok(_) => {
            backend.store.delete(&key).await?;
            Ok(Some(value))
        }
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
