//! Which person in Slack is which user of the portal, their profiles, and what they may reach. Also a tenant with both
//! its sides open ([`OpenTenant`]), which commands and the chat bridge work on.

pub mod administrators;
pub mod mapping;
pub mod profiles;
pub mod rights;
pub mod stale;

use std::sync::Arc;

use clients::{Connections, Failure, PortalClient, WorkspaceClient};
use runtime::{Backend, TenantId};
use settings::Settings;
use tenants::bridges::Conversations;
use tenants::portals::Portal;
use tenants::user_links::UserLinks;

/// The stores and providers that user mapping, commands and the chat bridge work on. Cheap to clone.
#[derive(Clone)]
pub struct TenantContext {
    /// The engine.
    pub backend: Backend,
    /// The providers.
    pub connections: Connections,
    /// User mapping.
    pub people: UserLinks,
    /// Bridges, and the links of their messages.
    pub conversations: Conversations,
}

impl TenantContext {
    /// Over an engine and connections.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            backend: backend.clone(),
            connections,
            people: UserLinks::new(backend.store.clone()),
            conversations: Conversations::new(backend.store.clone()),
        }
    }

    /// A tenant, with both sides open.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<OpenTenant, Failure> {
        let portal = self.connections.portal(tenant).await?;
        let settings = portal.settings_as()?;
        Ok(OpenTenant {
            bitrix24: self.connections.bitrix24(&portal).await?,
            slack: self.connections.slack(&portal).await?,
            id: tenant.clone(),
            settings,
            portal,
        })
    }
}

/// A tenant with both sides open.
pub struct OpenTenant {
    pub id: TenantId,
    /// Its portal's record.
    pub portal: Arc<Portal>,
    pub settings: Arc<Settings>,
    /// Its portal, called as the connection.
    pub bitrix24: PortalClient,
    pub slack: WorkspaceClient,
}

impl OpenTenant {
    /// `https://PORTAL`.
    pub fn origin(&self) -> String {
        bitrix24::crm::origin(&self.portal.domain)
    }

    /// The page of a chat on the portal.
    pub fn chat_url(&self, dialog: &str) -> String {
        format!("{}/online/?IM_DIALOG={dialog}", self.origin())
    }
}
