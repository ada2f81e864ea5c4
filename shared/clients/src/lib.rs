//! A tenant's connections as ready clients: credentials unsealed, a limiter slot before each request, every failure
//! turned into what a job should do about it.
//!
//! The wire crates know a provider and nothing of us; `runtime` knows no provider. Here they meet.

mod account;
mod apps;
pub mod audience;
mod call_observer;
mod channels;
mod chat_history;
mod delivery_attempt;
mod failure;
mod find_posted;
mod history;
mod hook_key;
mod hung_reads;
mod installing;
mod joining;
mod limits;
mod members;
mod messages;
mod notion_workspace;
mod personal_access;
mod portal;
mod portal_address;
mod rate_buckets;
mod renewal;
mod request_sizes;
pub mod scopes;
mod tokens;
mod troubles;
mod undecided;
mod workspace;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bitrix24::oauth::AuthServers;
use jiff::Timestamp;
use runtime::clock::{Clock, is_ahead, later};
use runtime::limiter::{Limiter, Usage};
use runtime::seal::{KeyRing, RING_TTL, SealError, Sealed};
use runtime::secrets::KEY_RING;
use runtime::{Backend, Generation, Invoke, Queue, Secrets, Store, TenantId};
use secrecy::SecretString;
use slack::SlackApiBase;
use tenants::portals::{NOTION_TOKEN, PORTAL_TOKEN, PORTAL_WEBHOOK, Portal, Portals, SLACK_BOT_TOKEN};
use wire::{Http, Transport};

use account::ProviderAccount;
pub use apps::{Apps, SlackKeys};
pub use chat_history::ChatMessages;
pub use delivery_attempt::{DeliveryAttempt, Doubt, FOUND, MAX_LOOK_UP_WAIT};
pub use failure::{Failure, MetOutage};
pub use find_posted::{LookUp, SoughtMessage, find_posted, find_shared};
pub use history::{HistoryClass, HistoryPlace, HistoryUse, moment_of, slack_moment};
pub use hung_reads::{HungReads, HungTry, grown};
pub use installing::{Brought, Installation, Unproven};
pub use joining::{ConnectionCredentials, JoinError, NotionAccess, PortalAccess};
pub use notion_workspace::NotionClient;
pub use portal::PortalClient;
pub use renewal::{RenewalAnswer, RenewalRequest};
pub use tokens::{IDLE, TokenSlot, TokenState};
pub use troubles::{ConnectionSide, ConnectionTrouble};
pub use undecided::{undecided, undecided_within};
pub use wire::{AppKeys, Download, ErrorClass, Network, TimeBox, time_limits};
pub use workspace::WorkspaceClient;

/// A provider's address in the environment is not an address.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// `SLACK_API_URL`.
    #[error("SLACK_API_URL: {0}")]
    Slack(#[from] slack::Error),
    /// `NOTION_API_URL`.
    #[error("NOTION_API_URL: {0}")]
    Notion(#[from] notion::Error),
    /// `BITRIX24_AUTH_WEST_URL` or `BITRIX24_AUTH_EAST_URL`.
    #[error("BITRIX24_AUTH_WEST_URL, BITRIX24_AUTH_EAST_URL: {0}")]
    Bitrix24(#[from] bitrix24::Error),
    /// `ALLOWED_NETWORKS`.
    #[error("ALLOWED_NETWORKS: {0}")]
    Network(#[from] wire::BadEntry),
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    portals: Portals,
    limiter: Limiter,
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    /// Made when the first provider is called: reading certificates takes longer than a function's start.
    http: Arc<OnceLock<Http>>,
    /// The transport of requests, if not the internet.
    transport: Option<Arc<dyn Transport>>,
    patience: Option<Duration>,
    network: Network,
    slack_api: SlackApiBase,
    notion_api: notion::NotionApiBase,
    auth_servers: AuthServers,
    ring: Arc<Mutex<Option<(Arc<KeyRing>, Timestamp)>>>,
    seen: tokens::SeenTokens,
    /// What was read of channels, to look up deliveries in.
    pub(crate) readings: find_posted::HistoryReadings,
    pub(crate) chat_readings: chat_history::ChatReadings,
    pub(crate) request_sizes: request_sizes::RequestSizes,
    /// Pages of Notion whose reads hung.
    pub(crate) hung_pages: Arc<Mutex<HungReads<String>>>,
    generation: Generation,
    /// The function that renews tokens; none if that is done here.
    renewal: Option<Arc<dyn Invoke>>,
    live: account::LiveClients,
    /// Whether what its calls meet counts for the accounts.
    counts: bool,
}

impl Connections {
    /// Connections over `backend`. `slack_api` is Slack's own address except with a simulator.
    pub fn new(backend: &Backend, slack_api: SlackApiBase) -> Self {
        Self {
            portals: Portals::new(backend.store.clone(), backend.clock.clone()),
            limiter: Limiter::new(backend.store.clone(), backend.clock.clone()),
            store: backend.store.clone(),
            queue: backend.queue.clone(),
            secrets: backend.secrets.clone(),
            clock: backend.clock.clone(),
            http: Arc::default(),
            transport: None,
            patience: None,
            network: Network::default(),
            slack_api,
            notion_api: notion::NotionApiBase::default(),
            auth_servers: AuthServers::default(),
            ring: Arc::default(),
            seen: tokens::SeenTokens::default(),
            readings: find_posted::HistoryReadings::default(),
            chat_readings: chat_history::ChatReadings::default(),
            request_sizes: request_sizes::RequestSizes::default(),
            hung_pages: Arc::default(),
            generation: Generation::new(backend.store.clone(), backend.clock.clone()),
            renewal: None,
            live: account::LiveClients::default(),
            counts: true,
        }
    }

    /// The same with simulators instead of Bitrix24's authorization servers.
    #[must_use]
    pub fn with_auth_servers(self, auth_servers: AuthServers) -> Self {
        Self { auth_servers, http: Arc::default(), ..self }
    }

    /// Bitrix24's authorization servers.
    pub(crate) fn oauth(&self) -> Result<bitrix24::oauth::OAuth, Failure> {
        Ok(bitrix24::oauth::OAuth::new(self.http()?, self.auth_servers.clone()))
    }

    /// The same with a simulator instead of Notion.
    #[must_use]
    pub fn with_notion(self, notion_api: notion::NotionApiBase) -> Self {
        Self { notion_api, http: Arc::default(), ..self }
    }

    /// The same, which may also call what the deployment's configuration allows besides the open internet.
    #[must_use]
    pub fn allowing(self, network: Network) -> Self {
        Self { network, http: Arc::default(), ..self }
    }

    /// The same, with requests carried by `transport`, which has its own time limits.
    #[must_use]
    pub fn over(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport: Some(transport), http: Arc::default(), ..self }
    }

    /// Where it may call: the open internet, what the configuration allows, and the providers' addresses that it names.
    pub fn network(&self) -> Network {
        let named =
            self.slack_api.another().into_iter().chain(self.notion_api.another()).chain(self.auth_servers.others());
        named.fold(self.network.clone(), |network, address| network.naming(address))
    }

    /// Connections over `backend`, configured by the environment: `SLACK_API_URL`, `NOTION_API_URL`,
    /// `BITRIX24_AUTH_WEST_URL` and `BITRIX24_AUTH_EAST_URL` name simulators instead of the providers,
    /// `ALLOWED_NETWORKS` what may be called besides the open internet.
    pub fn from_env(backend: &Backend) -> Result<Self, BadAddress> {
        let slack_api = match std::env::var("SLACK_API_URL") {
            Ok(url) if !url.is_empty() => SlackApiBase::new(&url)?,
            _ => SlackApiBase::default(),
        };
        let notion_api = match std::env::var("NOTION_API_URL") {
            Ok(url) if !url.is_empty() => notion::NotionApiBase::new(&url)?,
            _ => notion::NotionApiBase::default(),
        };
        let network = Network::parse(&std::env::var("ALLOWED_NETWORKS").unwrap_or_default())?;
        let connections = Self::new(backend, slack_api).with_notion(notion_api).allowing(network);
        Ok(match (std::env::var("BITRIX24_AUTH_WEST_URL"), std::env::var("BITRIX24_AUTH_EAST_URL")) {
            (Ok(west), Ok(east)) if !west.is_empty() && !east.is_empty() => {
                connections.with_auth_servers(AuthServers::new(&west, &east)?)
            }
            _ => connections,
        })
    }

    /// The same connections over other ports of the same engine; they share the caches of portals and tokens.
    #[must_use]
    pub fn on(&self, backend: &Backend) -> Self {
        Self {
            limiter: Limiter::new(backend.store.clone(), backend.clock.clone()),
            store: backend.store.clone(),
            queue: backend.queue.clone(),
            secrets: backend.secrets.clone(),
            generation: Generation::new(backend.store.clone(), backend.clock.clone()),
            ring: Arc::default(),
            ..self.clone()
        }
    }

    /// The same connections with at most `patience` for a provider's answer, whatever the wire crates allow.
    #[must_use]
    pub fn impatient(self, patience: Duration) -> Self {
        Self { patience: Some(patience), http: Arc::default(), ..self }
    }

    /// The observer that notes a job's calls.
    pub(crate) fn noting(&self, provider: &'static str) -> Arc<call_observer::Noting> {
        Arc::new(call_observer::Noting { provider, clock: self.clock.clone() })
    }

    fn http(&self) -> Result<Http, Failure> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let made = match &self.transport {
            Some(transport) => Http::over(transport.clone(), self.network()),
            None => Http::new(self.network(), self.patience)
                .map_err(|error| Failure::transient(format!("no HTTP client: {error}")))?,
        };
        Ok(self.http.get_or_init(|| made).clone())
    }

    /// Whether what we know was restored from a backup.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The portals, for connecting one.
    pub fn portals(&self) -> &Portals {
        &self.portals
    }

    /// The tenant's portal record.
    pub async fn portal(&self, tenant: &TenantId) -> Result<Arc<Portal>, Failure> {
        let gone = || Failure::permanent(failure::GONE, format!("portal {tenant} is not connected any more"));
        self.portals.get(tenant).await?.ok_or_else(gone)
    }

    /// How much of what each provider allows a tenant is used, for display. `a_minute` is what Notion's plan allows.
    pub async fn usage(&self, portal: &Portal, a_minute: u32) -> Result<Vec<(ConnectionSide, Usage)>, Failure> {
        let mut usage = Vec::new();
        for side in ConnectionSide::ALL {
            if let Some((account, bucket)) = rate_buckets::of(side, portal, a_minute) {
                usage.push((side, self.limiter.usage(&account, &bucket).await?));
            }
        }
        Ok(usage)
    }

    /// A client of the tenant's portal.
    pub async fn bitrix24(&self, portal: &Arc<Portal>) -> Result<PortalClient, Failure> {
        let base = match self.rest_base(portal).await {
            Ok(base) => base,
            Err(failure) => return Err(self.in_trouble(&portal.tenant, ConnectionSide::Bitrix24, failure).await),
        };
        let slot = portal.application.as_ref().filter(|application| application.renews).map(|_| TokenSlot::Portal);
        Ok(PortalClient::new(self.clone(), portal.clone(), base, slot, self.http()?))
    }

    /// The address of the portal's REST: by the application's access, else by the incoming webhook.
    async fn rest_base(&self, portal: &Portal) -> Result<bitrix24::RestBase, Failure> {
        if let Some(application) = &portal.application {
            let token = self.current(portal, TokenSlot::Portal, application.renews, &application.access_token).await?;
            return Ok(bitrix24::RestBase::OAuth { endpoint: application.endpoint.clone(), token });
        }
        let missing = || Failure::reauthorise("the portal has no webhook and no application; connect it again");
        let webhook = self.open(portal, PORTAL_WEBHOOK, portal.webhook.as_ref().ok_or_else(missing)?).await?;
        bitrix24::RestBase::webhook(&webhook)
            .map_err(|error| Failure::reauthorise(format!("Bitrix24: {error}; paste its URL again at /install")))
    }

    /// A client of the tenant's Slack workspace. Without one, work for it waits until one is connected.
    pub async fn slack(&self, portal: &Portal) -> Result<WorkspaceClient, Failure> {
        let missing = || Failure::reauthorise("no Slack workspace is connected to this portal");
        let connection = portal.slack.as_ref().ok_or_else(missing)?;
        let token = match self.slack_token(portal).await {
            Ok(token) => token,
            Err(failure) => return Err(self.in_trouble(&portal.tenant, ConnectionSide::Slack, failure).await),
        };
        let name = rate_buckets::workspace_account(&connection.team_id);
        let account = ProviderAccount::new(self, portal, ConnectionSide::Slack, name);
        let http = self.http()?.within(account.limit());
        let client = slack::Client::new(http, self.slack_api.clone(), token).observed(self.noting("slack"));
        Ok(WorkspaceClient::new(self.clone(), portal.tenant.clone(), account, connection, client))
    }

    async fn slack_token(&self, portal: &Portal) -> Result<SecretString, Failure> {
        let missing = || Failure::reauthorise("no Slack workspace is connected to this portal");
        let connection = portal.slack.as_ref().ok_or_else(missing)?;
        self.current(portal, TokenSlot::Slack, connection.renews, &connection.bot_token).await
    }

    /// A client of the tenant's Notion workspace. `a_minute` is how many requests its plan allows in a minute.
    pub async fn notion(&self, portal: &Portal, a_minute: u32) -> Result<NotionClient, Failure> {
        let connection = portal.notion.as_ref().ok_or_else(no_notion)?;
        let token = match self.notion_token(portal).await {
            Ok(token) => token,
            Err(failure) => return Err(self.in_trouble(&portal.tenant, ConnectionSide::Notion, failure).await),
        };
        let bucket = rate_buckets::notion(&connection.bot_id, a_minute);
        let account = ProviderAccount::new(self, portal, ConnectionSide::Notion, bucket.name.clone());
        let http = self.http()?.within(account.limit());
        let client = notion::Client::new(http, self.notion_api.clone(), token).observed(self.noting("notion"));
        Ok(NotionClient::new(self.clone(), portal.tenant.clone(), account, bucket, client, connection.renews))
    }

    async fn notion_token(&self, portal: &Portal) -> Result<SecretString, Failure> {
        let connection = portal.notion.as_ref().ok_or_else(no_notion)?;
        self.current(portal, TokenSlot::Notion, connection.renews, &connection.token).await
    }

    /// The current token: kept separately if it is renewed.
    async fn current(
        &self,
        portal: &Portal,
        slot: TokenSlot,
        renews: bool,
        given: &Sealed,
    ) -> Result<SecretString, Failure> {
        if renews && let Some(token) = self.token(&portal.tenant, slot).await? {
            return Ok(token);
        }
        let field = match slot {
            TokenSlot::Portal | TokenSlot::Person(_) => PORTAL_TOKEN,
            TokenSlot::Slack => SLACK_BOT_TOKEN,
            TokenSlot::Notion => NOTION_TOKEN,
        };
        self.open(portal, field, given).await
    }

    /// Notes a failure that needs new credentials, and passes it on.
    async fn in_trouble(&self, tenant: &TenantId, side: ConnectionSide, failure: Failure) -> Failure {
        if failure.class == wire::ErrorClass::Reauthorise
            && self.counts
            && let Err(error) = self.note_trouble(tenant, side, &failure.text).await
        {
            tracing::warn!(%tenant, %error, "the trouble with the credentials could not be noted");
        }
        failure
    }

    /// The key ring, at most some minutes old.
    pub async fn key_ring(&self) -> Result<Arc<KeyRing>, Failure> {
        let now = self.clock.now();
        let known = self.ring.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((ring, fresh_until)) if is_ahead(now, fresh_until, RING_TTL) => Ok(ring),
            _ => self.newest_ring().await,
        }
    }

    async fn newest_ring(&self) -> Result<Arc<KeyRing>, Failure> {
        let text = self.secrets.get(KEY_RING).await.map_err(|error| Failure::transient(error.to_string()))?;
        let ring = Arc::new(KeyRing::parse(&text).map_err(|error| Failure::transient(error.to_string()))?);
        let fresh_until = later(self.clock.now(), RING_TTL);
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = Some((ring.clone(), fresh_until));
        Ok(ring)
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
        self.open_for(&portal.tenant, field, sealed).await
    }

    /// The same by the tenant's id. An unknown key may be new.
    pub async fn open_for(
        &self,
        tenant: &TenantId,
        field: &'static str,
        sealed: &Sealed,
    ) -> Result<SecretString, Failure> {
        let opened = match self.key_ring().await?.open(tenant, field, sealed) {
            Err(SealError::UnknownKey(_)) => self.newest_ring().await?.open(tenant, field, sealed),
            opened => opened,
        };
        opened.map_err(|error| Failure::reauthorise(error.to_string()))
    }

    /// Seals a secret for a tenant under a field.
    pub async fn seal(&self, tenant: &TenantId, field: &'static str, secret: &SecretString) -> Result<Sealed, Failure> {
        let sealed = self.key_ring().await?.seal(tenant, field, secret);
        sealed.map_err(|error| Failure::transient(error.to_string()))
    }
}

fn no_notion() -> Failure {
    Failure::permanent(
        "notion_not_connected",
        "no Notion workspace is connected to this portal; docs/notion.md says how",
    )
}
