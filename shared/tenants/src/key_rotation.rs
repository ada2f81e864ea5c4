//! Replacing the key ring while everything runs: a new key in front, everything sealed again, the old keys removed.

use runtime::seal::{KeyRing, SealError};
use runtime::secrets::{KEY_RING, SecretsError};
use runtime::store::{StoreError, StoreWrite, StoredItem, Table, WriteCondition};
use runtime::{Backend, TenantId};
use serde_json::Value;

use crate::portals::Portals;
use crate::{each_of, shared_keys};

/// Why the ring could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A seal or the ring does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The ring could not be read or written.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something is still sealed with an old key.
    #[error(
        "{0} secrets are still sealed with an old key; run `switchboard keys reseal`, wait ten minutes, and try again"
    )]
    StillUsed(usize),
}

/// Puts a new key in front of the ring; returns its name. Workers use it within five minutes.
pub async fn rotate(backend: &Backend) -> Result<String, KeyError> {
    let rotated = KeyRing::rotated(&backend.secrets.get(KEY_RING).await?)?;
    let name = KeyRing::parse(&rotated)?.current().to_owned();
    backend.secrets.put(KEY_RING, rotated).await?;
    Ok(name)
}

/// Seals the secrets of all tenants with the current key; returns how many there were.
pub async fn reseal(backend: &Backend) -> Result<usize, KeyError> {
    let ring = KeyRing::parse(&backend.secrets.get(KEY_RING).await?)?;
    let mut sealed = 0;
    for tenant in Portals::new(backend.store.clone(), backend.clock.clone()).tenants().await? {
        sealed += reseal_tenant(backend, &ring, &tenant).await?;
    }
    Ok(sealed)
}

/// Removes the old keys from the ring, if nothing is still sealed with them.
pub async fn retire(backend: &Backend) -> Result<(), KeyError> {
    let left = reseal(backend).await?;
    if left > 0 {
        return Err(KeyError::StillUsed(left));
    }
    let retired = KeyRing::retired(&backend.secrets.get(KEY_RING).await?)?;
    Ok(backend.secrets.put(KEY_RING, retired).await?)
}

async fn reseal_tenant(backend: &Backend, ring: &KeyRing, tenant: &TenantId) -> Result<usize, KeyError> {
    let sealed = std::cell::Cell::new(0);
    let sealed = &sealed;
    for table in [Table::Portals, Table::Links] {
        each_of(backend, table, tenant.as_str(), |item, expires| async move {
            sealed.set(sealed.get() + reseal_item(backend, ring, tenant, item, expires).await?);
            Ok::<_, KeyError>(())
        })
        .await?;
    }
    for key in shared_keys(backend, tenant).await? {
        if let Some(item) = backend.store.get(&key).await? {
            sealed.set(sealed.get() + reseal_item(backend, ring, tenant, item, None).await?);
        }
    }
    Ok(sealed.get())
}

async fn reseal_item(
    backend: &Backend,
    ring: &KeyRing,
    tenant: &TenantId,
    mut item: StoredItem,
    mut expires: Option<jiff::Timestamp>,
) -> Result<usize, KeyError> {
    loop {
        // Most items hold no secret: they are not even parsed.
        if !item.value.contains("\"nonce\"") {
            return Ok(0);
        }
        let mut value: Value = item.decode()?;
        let sealed = ring.reseal(ring, tenant, &mut value)?;
        if sealed == 0 {
            return Ok(0);
        }
        let mut write = StoreWrite::new(item.key.clone(), &value, WriteCondition::Version(item.version))?;
        write.expires_at = expires;
        match backend.store.put(write).await {
            // It was written meanwhile; items that expire are written in between only by their makers.
            Err(StoreError::Conflict(_)) => match backend.store.get(&item.key).await? {
                Some(newer) => {
                    item = newer;
                    expires = None;
                }
                None => return Ok(0),
            },
            written => return written.map(|_| sealed).map_err(KeyError::from),
        }
    }
}
