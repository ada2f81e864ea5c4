//! A person's own access to the portal, if they have allowed it: their actions are then done with their own rights.

use std::sync::Arc;

use runtime::TenantId;
use secrecy::SecretString;
use tenants::portals::Portal;

use crate::tokens::{TokenPair, TokenSlot};
use crate::{Connections, Failure, PortalClient};

impl Connections {
    /// Stores a person's own access to their portal: its token is not renewed.
    pub async fn grant(&self, tenant: &TenantId, user: u64, token: &SecretString) -> Result<(), Failure> {
        let pair = TokenPair { access: token.clone(), refresh: None, lives: None };
        self.keep_tokens(tenant, TokenSlot::Person(user), &pair, "", None).await
    }

    /// Forgets a person's access; fine if there is none.
    pub async fn revoke(&self, tenant: &TenantId, user: u64) -> Result<(), Failure> {
        self.drop_tokens(tenant, TokenSlot::Person(user)).await
    }

    /// A client that works with a person's own rights; `None` if they have not allowed it.
    pub async fn bitrix24_as(&self, portal: &Arc<Portal>, user: u64) -> Result<Option<PortalClient>, Failure> {
        let slot = TokenSlot::Person(user);
        let token = match self.token(&portal.tenant, slot).await {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(None),
            // They are asked to allow it again by the caller.
            Err(failure) if failure.class == wire::ErrorClass::Reauthorise => {
                return Err(Failure::permanent("grant_expired", failure.text));
            }
            Err(failure) => return Err(failure),
        };
        let endpoint = match &portal.application {
            Some(application) => application.endpoint.clone(),
            None => format!("{}/rest/", bitrix24::crm::origin(&portal.domain)),
        };
        let base = bitrix24::RestBase::OAuth { endpoint, token };
        Ok(Some(PortalClient::new(self.clone(), portal.clone(), base, Some(slot), self.http()?)))
    }
}
