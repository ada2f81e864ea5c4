//! The tenant that the configuration names: connected from what is known, at once; its credentials are tried in the
//! background, so that no provider's outage keeps the host from starting.
//!
//! A portal whose id is not known yet becomes known by its first event with the right application token. That event and
//! all after it are stored, whether or not the portal or Slack can be reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bitrix24::event::SenderProof;
use clients::{ConnectionCredentials, ConnectionSide, Connections, JoinError, NotionAccess, PortalAccess};
use command_line::config::{Config, NotionConfig};
use runtime::seal::Sealed;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tenants::portals::{NOTION_TOKEN, Portal, SLACK_BOT_TOKEN, TokenDigest};
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest that a provider is waited for.
const MAX_CHECK: Duration = Duration::from_secs(20);
/// The time between two tries, at most.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How often credentials that were rejected are tried: a person may have put them right at the provider.
const REJECTED_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What a provider says about the credentials of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CredentialState {
    /// It was not asked yet.
    Unchecked,
    /// It accepts them.
    Accepted,
    /// It could not be asked; it is asked again.
    Unanswered { text: String },
    /// It rejects them: the text says what to do.
    Rejected { text: String },
}

/// The state of each side that the configuration names. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CredentialStates(Arc<Mutex<BTreeMap<ConnectionSide, CredentialState>>>);

impl CredentialStates {
    /// All of them.
    pub fn all(&self) -> BTreeMap<ConnectionSide, CredentialState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, side: ConnectionSide, state: CredentialState) -> Option<CredentialState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(side, state)
    }
}

/// The tenant that the configuration names. Cheap to clone.
#[derive(Clone)]
pub struct ConfiguredTenant {
    backend: Backend,
    connections: Connections,
    /// What the configuration says, and what providers have said of it since.
    credentials: Arc<tokio::sync::Mutex<ConnectionCredentials>>,
    notion_token: Option<SecretString>,
    tenant: watch::Sender<Option<TenantId>>,
    states: CredentialStates,
}

impl ConfiguredTenant {
    /// The tenant of a configuration that names one, connected if its id is known.
    pub async fn open(
        config: &Config,
        backend: &Backend,
        connections: &Connections,
        states: &CredentialStates,
    ) -> anyhow::Result<Option<Self>> {
        let (Some(portal), Some(slack)) = (&config.portal, &config.slack) else { return Ok(None) };
        let credentials = ConnectionCredentials {
            member_id: portal.member_id.clone().unwrap_or_default(),
            portal: PortalAccess::Webhook(portal.webhook_url.clone()),
            application_token: portal.application_token.clone(),
            bot_token: slack.bot_token.clone(),
            workspace: None,
            signing_secret: slack.signing_secret.clone(),
            notion: None,
            settings: config.named_settings().map(serde_json::to_value).transpose()?,
        };
        let notion_token = config.notion.as_ref().map(|NotionConfig { token, .. }| token.clone());
        let tenant = Self {
            backend: backend.clone(),
            connections: connections.clone(),
            credentials: Arc::new(tokio::sync::Mutex::new(credentials)),
            notion_token,
            tenant: watch::Sender::new(None),
            states: states.clone(),
        };
        for side in tenant.sides() {
            tenant.states.set(side, CredentialState::Unchecked);
        }
        tenant.connect_known().await?;
        Ok(Some(tenant))
    }

    /// The sides that the configuration names.
    fn sides(&self) -> impl Iterator<Item = ConnectionSide> + use<> {
        let has_notion = self.notion_token.is_some();
        ConnectionSide::ALL.into_iter().filter(move |side| *side != ConnectionSide::Notion || has_notion)
    }

    /// The tenant, once its id is known.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant.borrow().clone()
    }

    /// Connects the tenant if the configuration or an earlier event has named its id.
    async fn connect_known(&self) -> anyhow::Result<()> {
        let mut credentials = self.credentials.lock().await;
        if credentials.member_id.is_empty() {
            let key = learned_key(&credentials.application_token)?;
            let learned = self.backend.store.get(&key).await.context("the portal's id")?;
            let Some(learned) = learned else { return Ok(()) };
            credentials.member_id = learned.decode()?;
        }
        self.join(&credentials).await?;
        Ok(())
    }

    async fn join(&self, credentials: &ConnectionCredentials) -> Result<(), JoinError> {
        let tenant = self.connections.join(credentials.clone()).await?;
        if self.tenant.send_replace(Some(tenant.clone())).is_none() {
            println!("Connected portal {tenant}.");
        }
        Ok(())
    }

    /// Whether the portal's id is not known yet.
    pub fn is_unnamed(&self) -> bool {
        self.tenant.borrow().is_none()
    }

    /// Connects the portal if this event is the first that carries its application token. Returns whether it is ours; an
    /// error means that it may be, and that it could not be stored.
    pub async fn learn(&self, body: &[u8]) -> anyhow::Result<bool> {
        let mut credentials = self.credentials.lock().await;
        let Ok(sender) = SenderProof::find(body) else { return Ok(false) };
        let given = TokenDigest::of(sender.application_token.expose_secret());
        if !TokenDigest::of(credentials.application_token.expose_secret()).matches(&given) {
            return Ok(false);
        }
        // Another event was faster.
        if !self.is_unnamed() {
            return Ok(true);
        }
        if let Err(error) = TenantId::new(sender.member_id.clone()) {
            tracing::info!(%error, "an event with our application token names no portal");
            return Ok(false);
        }
        let key = learned_key(&credentials.application_token)?;
        self.backend.store.put(StoreWrite::new(key, &sender.member_id, WriteCondition::Always)?).await?;
        let named = ConnectionCredentials { member_id: sender.member_id, ..credentials.clone() };
        self.join(&named).await?;
        *credentials = named;
        Ok(true)
    }

    /// Asks each provider until it accepts its credentials.
    pub async fn keep_verifying(self) {
        let each = self.sides().map(|side| self.verify_until_accepted(side));
        futures::future::join_all(each).await;
    }

    async fn verify_until_accepted(&self, side: ConnectionSide) {
        for tries in 0_u32.. {
            let verified = timeout(MAX_CHECK, self.verify(side)).await;
            let (state, pause) = match verified {
                Ok(Ok(())) => {
                    self.states.set(side, CredentialState::Accepted);
                    if tries > 0 {
                        tracing::warn!("{} accepts the credentials of the configuration", side.name());
                    }
                    return;
                }
                Ok(Err(error)) if error.is_rejection() => {
                    (CredentialState::Rejected { text: error.to_string() }, REJECTED_PAUSE)
                }
                Ok(Err(error)) => (CredentialState::Unanswered { text: error.to_string() }, pause_after(tries)),
                Err(_) => {
                    let text = format!("{} did not answer within {} s", side.name(), MAX_CHECK.as_secs());
                    (CredentialState::Unanswered { text }, pause_after(tries))
                }
            };
            self.report(side, &state, pause);
            self.backend.clock.sleep(pause).await;
        }
    }

    /// Notes what a provider said, and logs it unless it said the same before.
    fn report(&self, side: ConnectionSide, state: &CredentialState, pause: Duration) {
        let before = self.states.set(side, state.clone());
        match state {
            CredentialState::Rejected { text } if before.as_ref() != Some(state) => {
                tracing::error!("{text}. The other connections work; trying again every {} s", pause.as_secs());
            }
            CredentialState::Unanswered { text } => {
                tracing::warn!("{text}; trying again in {} s", pause.as_secs());
            }
            _ => {}
        }
    }

    /// Asks one provider, and connects what it says that the credentials open.
    async fn verify(&self, side: ConnectionSide) -> Result<(), JoinError> {
        let (portal, bot_token) = {
            let credentials = self.credentials.lock().await;
            (credentials.portal.clone(), credentials.bot_token.clone())
        };
        match side {
            ConnectionSide::Bitrix24 => {
                self.connections.verify_portal(&portal).await?;
                self.confirm(side, |_| ()).await
            }
            ConnectionSide::Slack => {
                let workspace = self.connections.verify_slack(&bot_token).await?;
                self.confirm(side, |credentials| credentials.workspace = Some(workspace)).await
            }
            ConnectionSide::Notion => {
                let Some(token) = &self.notion_token else { return Ok(()) };
                let notion = self.connections.verify_notion_token(token).await?;
                self.confirm(side, |credentials| credentials.notion = Some(notion)).await
            }
        }
    }

    /// Takes what a provider has said, and connects the tenant with it unless it is connected so already. What waited for
    /// the side goes on.
    async fn confirm(
        &self,
        side: ConnectionSide,
        change: impl FnOnce(&mut ConnectionCredentials),
    ) -> Result<(), JoinError> {
        let mut credentials = self.credentials.lock().await;
        change(&mut credentials);
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let portal = self.connections.portals().get(&tenant).await.map_err(clients::Failure::from)?;
        let is_so = match &portal {
            Some(portal) => self.is_connected(portal, &credentials).await,
            // It has left: what the configuration names is connected by the next start.
            None => true,
        };
        if !is_so {
            self.join(&credentials).await?;
        }
        let was_rejected = self.connections.troubles(&tenant).await?.iter().any(|trouble| trouble.side == side);
        if !is_so || was_rejected {
            self.connections.end_trouble(&tenant, side).await?;
        }
        Ok(())
    }

    /// Whether the tenant's record has the confirmed sides of these credentials.
    async fn is_connected(&self, portal: &Portal, credentials: &ConnectionCredentials) -> bool {
        let slack = match (&credentials.workspace, &portal.slack) {
            (None, _) => true,
            (Some(workspace), Some(slack)) => {
                let stored = (&slack.team_id, &slack.team, &slack.bot_user, &slack.bot_id);
                stored == (&workspace.team_id, &workspace.team, &workspace.user_id, &workspace.bot_id)
                    && self.holds(portal, SLACK_BOT_TOKEN, &slack.bot_token, &credentials.bot_token).await
            }
            (Some(_), None) => false,
        };
        let notion = match (&credentials.notion, &portal.notion) {
            (None, _) => true,
            (Some(NotionAccess { token, identity }), Some(notion)) => {
                let stored = (&notion.workspace_id, &notion.workspace, &notion.name, &notion.bot_id);
                stored == (&identity.workspace_id, &identity.workspace, &identity.name, &identity.bot_id)
                    && self.holds(portal, NOTION_TOKEN, &notion.token, token).await
            }
            (Some(_), None) => false,
        };
        slack && notion
    }

    async fn holds(&self, portal: &Portal, field: &'static str, sealed: &Sealed, token: &SecretString) -> bool {
        let opened = self.connections.open_sealed(portal, field, sealed).await;
        opened.is_ok_and(|opened| opened.expose_secret() == token.expose_secret())
    }

    /// Notes the state of the portal's records once it is connected; goes on until that is done.
    pub async fn keep_filling_the_baseline(self) {
        let mut named = self.tenant.subscribe();
        let Ok(tenant) = named.wait_for(Option::is_some).await.map(|tenant| tenant.clone()) else { return };
        let Some(tenant) = tenant else { return };
        for tries in 0_u32.. {
            match crm::baseline::fill(&self.backend, &self.connections, &tenant).await {
                Ok(read) => {
                    if read > 0 {
                        tracing::info!(%tenant, read, "baseline filled");
                    }
                    return;
                }
                // Until it is filled, records are judged by their history, one by one.
                Err(failure) => {
                    let pause = pause_after(tries);
                    tracing::warn!(%tenant, %failure, "the baseline stopped; it goes on in {} s", pause.as_secs());
                    self.backend.clock.sleep(pause).await;
                }
            }
        }
    }
}

/// 1, 2, 4, 8 s and so on, at most a minute.
fn pause_after(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(6)).min(MAX_PAUSE)
}

fn learned_key(token: &SecretString) -> anyhow::Result<ItemKey> {
    let digest = serde_json::to_string(&TokenDigest::of(token.expose_secret()))?;
    Ok(ItemKey::new(Table::Portals, "learned", digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_again_soon_and_then_each_minute() {
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7, 1_000].map(|tries| pause_after(tries).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
