//! A tenant's connections as ready clients: credentials unsealed, a limiter slot before each request, every
//! failure turned into what a job should do about it.
//!
//! The wire crates know a provider and nothing of us; the platform knows no provider. Here they meet.

mod accounts;
mod channels;
mod failure;
mod grants;
mod http;
mod in_hand;
mod joining;
mod notion_workspace;
mod people;
mod portal;
mod talking;
mod undecided;
mod workspace;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use platform::clock::Clock;
use platform::limiter::Limiter;
use platform::portals::{NOTION_TOKEN, PORTAL_TOKEN, PORTAL_WEBHOOK, Portal, Portals, SLACK_BOT_TOKEN};
use platform::seal::{KeyRing, Sealed};
use platform::secrets::KEY_RING;
use platform::{Ports, Secrets, Store, TenantId};
use secrecy::SecretString;
use slack::ApiBase;
use tokio::sync::OnceCell;

pub use failure::Failure;
pub use in_hand::InHand;
pub use joining::{Access, JoinError, NotionAccess, PortalAccess};
pub use notion_workspace::NotionClient;
pub use portal::PortalClient;
pub use undecided::undecided;
pub use workspace::WorkspaceClient;

/// A provider's address in the environment is none.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// `SLACK_API_URL`.
    #[error("SLACK_API_URL: {0}")]
    Slack(#[from] slack::Error),
    /// `NOTION_API_URL`.
    #[error("NOTION_API_URL: {0}")]
    Notion(#[from] notion::Error),
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    portals: Portals,
    limiter: Limiter,
    store: Arc<dyn Store>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    /// Made when the first provider is called: reading certificates takes longer than a function's start.
    http: Arc<OnceLock<reqwest::Client>>,
    patience: Option<Duration>,
    slack_api: ApiBase,
    notion_api: notion::ApiBase,
    ring: Arc<OnceCell<Arc<KeyRing>>>,
}

impl Connections {
    /// Connections over `ports`. `slack_api` is Slack's own address except with a simulator.
    pub fn new(ports: &Ports, slack_api: ApiBase) -> Self {
        Self {
            portals: Portals::new(ports.store.clone(), ports.clock.clone()),
            limiter: Limiter::new(ports.store.clone(), ports.clock.clone()),
            store: ports.store.clone(),
            secrets: ports.secrets.clone(),
            clock: ports.clock.clone(),
            http: Arc::default(),
            patience: None,
            slack_api,
            notion_api: notion::ApiBase::default(),
            ring: Arc::default(),
        }
    }

    /// The same with a simulator in Notion's place.
    #[must_use]
    pub fn with_notion(self, notion_api: notion::ApiBase) -> Self {
        Self { notion_api, ..self }
    }

    /// Connections over `ports`, by the environment: `SLACK_API_URL` and `NOTION_API_URL` name simulators in place of the
    /// providers.
    pub fn from_env(ports: &Ports) -> Result<Self, BadAddress> {
        let slack_api = match std::env::var("SLACK_API_URL") {
            Ok(url) if !url.is_empty() => ApiBase::new(&url)?,
            _ => ApiBase::default(),
        };
        let notion_api = match std::env::var("NOTION_API_URL") {
            Ok(url) if !url.is_empty() => notion::ApiBase::new(&url)?,
            _ => notion::ApiBase::default(),
        };
        Ok(Self::new(ports, slack_api).with_notion(notion_api))
    }

    /// The same connections, but a provider has only `patience` to answer, whatever the wire crates allow.
    #[must_use]
    pub fn impatient(self, patience: Duration) -> Self {
        Self { patience: Some(patience), http: Arc::default(), ..self }
    }

    fn http(&self) -> Result<reqwest::Client, Failure> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let made =
            http::client(self.patience).map_err(|error| Failure::transient(format!("no HTTP client: {error}")))?;
        Ok(self.http.get_or_init(|| made).clone())
    }

    /// The portals, for whoever connects one.
    pub fn portals(&self) -> &Portals {
        &self.portals
    }

    /// The tenant's portal record.
    pub async fn portal(&self, tenant: &TenantId) -> Result<Arc<Portal>, Failure> {
        let gone = || Failure::permanent("portal_not_connected", format!("portal {tenant} is not connected any more"));
        self.portals.get(tenant).await?.ok_or_else(gone)
    }

    /// A client of the tenant's portal.
    pub async fn bitrix24(&self, portal: &Arc<Portal>) -> Result<PortalClient, Failure> {
        let base = self.rest_base(portal).await?;
        Ok(PortalClient::new(self.clone(), portal.clone(), bitrix24::Client::new(self.http()?, base)))
    }

    /// Where the portal's REST answers: the application's access, or else the incoming webhook's.
    async fn rest_base(&self, portal: &Portal) -> Result<bitrix24::RestBase, Failure> {
        if let Some(application) = &portal.application {
            let token = self.open(portal, PORTAL_TOKEN, &application.access_token).await?;
            return Ok(bitrix24::RestBase::OAuth { endpoint: application.endpoint.clone(), token });
        }
        let missing = || Failure::permanent("portal_not_connected", "the portal has no webhook and no application");
        let webhook = self.open(portal, PORTAL_WEBHOOK, portal.webhook.as_ref().ok_or_else(missing)?).await?;
        bitrix24::RestBase::webhook(&webhook).map_err(|error| Failure::of_bitrix24(&error, self.clock.now()))
    }

    /// A client of the tenant's Slack workspace.
    pub async fn slack(&self, portal: &Portal) -> Result<WorkspaceClient, Failure> {
        let missing = || Failure::permanent("slack_not_connected", "no Slack workspace is connected to this portal");
        let connection = portal.slack.as_ref().ok_or_else(missing)?;
        let token = self.open(portal, SLACK_BOT_TOKEN, &connection.bot_token).await?;
        let client = slack::Client::new(self.http()?, self.slack_api.clone(), token);
        Ok(WorkspaceClient::new(self.clone(), portal.tenant.clone(), &connection.team_id, client))
    }

    /// A client of the tenant's Notion workspace. `a_minute` is how many requests its plan allows in a minute.
    pub async fn notion(&self, portal: &Portal, a_minute: u32) -> Result<NotionClient, Failure> {
        let missing = || {
            Failure::permanent(
                "notion_not_connected",
                "no Notion workspace is connected to this portal; docs/notion.md says how",
            )
        };
        let connection = portal.notion.as_ref().ok_or_else(missing)?;
        let token = self.open(portal, NOTION_TOKEN, &connection.token).await?;
        let client = notion::Client::new(self.http()?, self.notion_api.clone(), token);
        Ok(NotionClient::new(self.clone(), accounts::notion(&connection.bot_id, a_minute), client))
    }

    /// The key ring, read once a process.
    pub async fn key_ring(&self) -> Result<Arc<KeyRing>, Failure> {
        let read = || async {
            let text = self.secrets.get(KEY_RING).await.map_err(|error| Failure::transient(error.to_string()))?;
            let ring = KeyRing::parse(&text).map_err(|error| Failure::transient(error.to_string()))?;
            Ok::<_, Failure>(Arc::new(ring))
        };
        self.ring.get_or_try_init(read).await.cloned()
    }

    /// Opens what was sealed for a tenant under a field.
    pub async fn open_sealed(
        &self,
        portal: &Portal,
        field: &'static str,
        sealed: &Sealed,
    ) -> Result<SecretString, Failure> {
        self.open(portal, field, sealed).await
    }

    async fn open(&self, portal: &Portal, field: &'static str, sealed: &Sealed) -> Result<SecretString, Failure> {
        let ring = self.key_ring().await?;
        ring.open(&portal.tenant, field, sealed).map_err(|error| Failure::reauthorise(error.to_string()))
    }
}
