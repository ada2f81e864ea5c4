//! A person's own access to the portal, where they have allowed it: what they do is then done with their own rights.

use std::sync::Arc;

use platform::TenantId;
use platform::portals::{PORTAL_TOKEN, Portal};
use platform::seal::Sealed;
use platform::store::{Condition, Key, Table, Write};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Connections, Failure, PortalClient};

/// A person's access, as it is kept.
#[derive(Serialize, Deserialize)]
struct Grant {
    /// Where REST answers.
    endpoint: String,
    /// The access token, sealed.
    access_token: Sealed,
}

impl Connections {
    /// Keeps a person's own access to their portal.
    pub async fn grant(
        &self,
        tenant: &TenantId,
        user: u64,
        endpoint: &str,
        token: &SecretString,
    ) -> Result<(), Failure> {
        let sealed = self.key_ring().await?.seal(tenant, PORTAL_TOKEN, token);
        let access_token = sealed.map_err(|error| Failure::transient(error.to_string()))?;
        let grant = Grant { endpoint: endpoint.to_owned(), access_token };
        self.store.put(Write::new(key(tenant, user), &grant, Condition::Always)?).await?;
        Ok(())
    }

    /// Forgets a person's access; fine if there is none.
    pub async fn revoke(&self, tenant: &TenantId, user: u64) -> Result<(), Failure> {
        Ok(self.store.delete(&key(tenant, user)).await?)
    }

    /// A client that works with a person's own rights; `None` if they have not allowed it.
    pub async fn bitrix24_as(&self, portal: &Arc<Portal>, user: u64) -> Result<Option<PortalClient>, Failure> {
        let Some(item) = self.store.get(&key(&portal.tenant, user)).await? else { return Ok(None) };
        let grant: Grant = item.decode()?;
        let token = self.open(portal, PORTAL_TOKEN, &grant.access_token).await?;
        let base = bitrix24::RestBase::OAuth { endpoint: grant.endpoint, token };
        let client = PortalClient::new(self.clone(), portal.clone(), bitrix24::Client::new(self.http()?, base));
        Ok(Some(client.of_a_person()))
    }
}

fn key(tenant: &TenantId, user: u64) -> Key {
    Key::new(Table::Portals, tenant.as_str(), format!("grant#{user}"))
}
