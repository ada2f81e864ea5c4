//! Replaces the key in the address to which a portal sends its events.

use std::time::Duration;

use runtime::TenantId;
use runtime::clock::later;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use secrecy::{ExposeSecret, SecretString};
use tenants::portals::TokenDigest;

use crate::failure::GONE;
use crate::installing::HOOK_KEY;
use crate::{Connections, Failure};

impl Connections {
    /// Replaces the key in the address that the portal gets. The old one is accepted for `grace`: within it the upkeep
    /// binds the portal's events, and its bot, to the new address.
    pub async fn rotate_hook_key(&self, tenant: &TenantId, grace: Duration) -> Result<(), Failure> {
        let gone = || Failure::permanent(GONE, format!("portal {tenant} is not connected"));
        let place = ItemKey::new(Table::Portals, tenant.as_str(), "hook-key");
        let version = self.store.get(&place).await?.map(|item| item.version);
        let secret = SecretString::from(runtime::random::hex());
        let sealed = self.seal(tenant, HOOK_KEY, &secret).await?;
        let kept = StoreWrite::new(place, &sealed, version.map_or(WriteCondition::Absent, WriteCondition::Version))?;
        let until = later(self.clock.now(), grace);
        let digest = TokenDigest::of(secret.expose_secret());
        let replaced = self.portals.replace_hook_key(tenant, digest, until, kept).await?;
        replaced.then_some(()).ok_or_else(gone)
    }
}
