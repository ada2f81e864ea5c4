//! Connecting a tenant: credentials checked, sealed and stored.

use anyhow::{Context, bail};
use connect::Connections;
use jiff::Timestamp;
use platform::portals::{PORTAL_WEBHOOK, Portal, SLACK_BOT_TOKEN, SlackConnection, TokenDigest};
use platform::{Ports, TenantId};
use rules::Settings;
use secrecy::{ExposeSecret, SecretString};

/// What a tenant is connected by.
#[derive(Debug, Clone)]
pub struct Access {
    /// The portal's `member_id`.
    pub member_id: String,
    /// The incoming webhook's URL.
    pub webhook_url: SecretString,
    /// The outgoing webhook's application token.
    pub application_token: SecretString,
    /// The Slack bot token.
    pub bot_token: SecretString,
    /// The Slack workspace, from `auth.test`.
    pub team_id: String,
    /// The settings.
    pub settings: Settings,
}

/// Stores the connection. A portal that was connected before keeps its beginning: what happened while we were
/// away is news.
pub async fn connect(ports: &Ports, connections: &Connections, access: Access) -> anyhow::Result<TenantId> {
    let tenant = TenantId::new(access.member_id)?;
    if let Some(problem) = access.settings.problem() {
        bail!("the routes cannot be used: {problem}");
    }
    let base = bitrix24::RestBase::webhook(&access.webhook_url).context("the portal's webhook_url cannot be used")?;
    let ring = connections.key_ring().await.context("the key ring cannot be used")?;
    let before = connections.portals().get(&tenant).await?;
    let portal = Portal {
        domain: base.domain(),
        webhook: ring.seal(&tenant, PORTAL_WEBHOOK, &access.webhook_url)?,
        application_token: TokenDigest::of(access.application_token.expose_secret()),
        slack: Some(SlackConnection {
            team_id: access.team_id,
            bot_token: ring.seal(&tenant, SLACK_BOT_TOKEN, &access.bot_token)?,
        }),
        settings: serde_json::to_value(&access.settings)?,
        connected_at: before.map_or_else(|| whole_second(ports.clock.now()), |portal| portal.connected_at),
        tenant: tenant.clone(),
    };
    connections.portals().put(&portal).await?;
    Ok(tenant)
}

/// Portals write times to the second; what was created in this very second is news.
fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// The workspace that a bot token opens.
pub async fn team_of(connections: &Connections, bot_token: &SecretString) -> Result<String, slack::Error> {
    let client = slack::Client::new(connections.http(), connections.slack_api(), bot_token.clone());
    client.auth_test().await.map(|identity| identity.team_id)
}
