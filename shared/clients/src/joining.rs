//! Joining: a tenant's credentials, as an operator enters them, are checked, sealed and stored.

use jiff::Timestamp;
use runtime::TenantId;
use runtime::secrets::add_line;
use runtime::settings_document::SettingsDocument;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use slack::client::SlackIdentity;
use tenants::portals::{
    Application, NOTION_TOKEN, NotionConnection, PORTAL_TOKEN, PORTAL_WEBHOOK, Portal, SLACK_BOT_TOKEN,
    SlackConnection, TokenDigest, Workspace,
};
use tenants::secret_names::SLACK_SIGNING;
use wire::ErrorClass;

use crate::{Connections, Failure};

/// The credentials of a tenant's connections.
#[derive(Debug, Clone)]
pub struct ConnectionCredentials {
    /// The portal's `member_id`.
    pub member_id: String,
    pub portal: PortalAccess,
    /// The outgoing webhook's application token.
    pub application_token: SecretString,
    /// The Slack bot token.
    pub bot_token: SecretString,
    /// The Slack workspace and the bot in it, from [`Connections::verify_slack`]. Until Slack has confirmed the token, the
    /// workspace that was connected before stays connected, with its own token; without one, work for Slack waits.
    pub workspace: Option<SlackIdentity>,
    /// The secret that signs the Slack app's requests. Without one Slack cannot send anything.
    pub signing_secret: Option<SecretString>,
    /// The Notion workspace. An existing one is kept if none is given.
    pub notion: Option<NotionAccess>,
    /// The settings document; if none is given, the existing one or else the defaults.
    pub settings: Option<Value>,
}

/// A Notion workspace: an internal connection's token and its identity, from [`Connections::verify_notion_token`].
#[derive(Debug, Clone)]
pub struct NotionAccess {
    pub token: SecretString,
    pub identity: notion::client::NotionIdentity,
}

#[derive(Debug, Clone)]
pub enum PortalAccess {
    /// By an incoming webhook's URL.
    Webhook(SecretString),
    Application {
        /// The address of REST: `https://PORTAL/rest/`.
        endpoint: String,
        access_token: SecretString,
    },
}

impl PortalAccess {
    pub(crate) fn base(&self) -> Result<bitrix24::RestBase, bitrix24::Error> {
        match self {
            Self::Webhook(url) => bitrix24::RestBase::webhook(url),
            Self::Application { endpoint, access_token } => {
                bitrix24::RestBase::application(endpoint, access_token.clone())
            }
        }
    }
}

/// Why a tenant could not be connected; the text names the fix.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The `member_id` cannot be one.
    #[error(transparent)]
    MemberId(#[from] runtime::id::NotATenant),
    /// The portal's address or credentials do not work.
    #[error("{}", portal_refused(.0))]
    Portal(bitrix24::Error),
    /// Slack rejects the token, or does not say whether it accepts it.
    #[error("{}", slack_refused(.0))]
    Slack(slack::Error),
    /// Notion rejects the token, or does not say whether it accepts it.
    #[error("{}", notion_refused(.0))]
    Notion(notion::Error),
    /// The app was installed for something without an id.
    #[error("Slack names neither a workspace nor an organisation; install the app again")]
    NoWorkspace,
    /// The workspace belongs to another tenant.
    #[error(
        "the Slack workspace {team:?} is connected to another portal here; a workspace belongs to one portal: disconnect it there first"
    )]
    Taken {
        /// Its name.
        team: String,
    },
    /// The key ring or the store failed.
    #[error(transparent)]
    Engine(#[from] Failure),
}

impl JoinError {
    /// Whether a person has to change something. Otherwise the provider or our own store could not be asked, and the
    /// same credentials may be accepted later.
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::Portal(error) => is_rejected(&error.class(Timestamp::UNIX_EPOCH)),
            Self::Slack(error) => is_rejected(&error.class(Timestamp::UNIX_EPOCH)),
            Self::Notion(error) => is_rejected(&error.class(Timestamp::UNIX_EPOCH)),
            Self::MemberId(_) | Self::NoWorkspace | Self::Taken { .. } => true,
            Self::Engine(failure) => is_rejected(&failure.class),
        }
    }
}

fn is_rejected(class: &ErrorClass) -> bool {
    matches!(class, ErrorClass::Reauthorise | ErrorClass::Permanent { .. })
}

/// The provider did not say whether it accepts the credentials.
fn unanswered(provider: &str, error: &impl std::fmt::Display) -> String {
    format!("{provider} could not be asked: {error}; nothing is known to be wrong with the credentials")
}

fn slack_refused(error: &slack::Error) -> String {
    if is_rejected(&error.class(Timestamp::UNIX_EPOCH)) {
        format!("Slack rejected the bot token: {error}; copy the \"Bot User OAuth Token\" of your app")
    } else {
        unanswered("Slack", error)
    }
}

fn notion_refused(error: &notion::Error) -> String {
    if is_rejected(&error.class(Timestamp::UNIX_EPOCH)) {
        format!(
            "Notion rejected the token: {error}; copy the \"Internal integration secret\" of your connection (docs/notion.md)"
        )
    } else {
        unanswered("Notion", error)
    }
}

fn portal_refused(error: &bitrix24::Error) -> String {
    match error {
        bitrix24::Error::Blocked { blocked, .. } => blocked.to_string(),
        bitrix24::Error::Address(why) => why.clone(),
        bitrix24::Error::Moved { .. } => {
            format!("{error}; copy the incoming webhook's URL from the portal again: redirects are not followed")
        }
        other if !is_rejected(&other.class(Timestamp::UNIX_EPOCH)) => unanswered("the portal", other),
        other => format!(
            "the portal rejected the incoming webhook: {other}; \
             create one with the rights that docs/connecting.md lists and copy its whole URL"
        ),
    }
}

impl Connections {
    /// Tries the credentials and returns the workspace that the bot token opens.
    pub async fn verify_credentials(
        &self,
        portal: &PortalAccess,
        bot_token: &SecretString,
    ) -> Result<SlackIdentity, JoinError> {
        self.verify_portal(portal).await?;
        self.verify_slack(bot_token).await
    }

    /// Tries the access to a portal.
    pub async fn verify_portal(&self, portal: &PortalAccess) -> Result<(), JoinError> {
        let base = portal.base().map_err(JoinError::Portal)?;
        let portal = bitrix24::Client::new(self.http()?, base);
        portal.call("profile", &json!({})).await.map_err(JoinError::Portal)?;
        Ok(())
    }

    /// Tries a bot token and returns the workspace that it opens.
    pub async fn verify_slack(&self, bot_token: &SecretString) -> Result<SlackIdentity, JoinError> {
        let slack = slack::Client::new(self.http()?, self.slack_api.clone(), bot_token.clone());
        slack.auth_test().await.map_err(JoinError::Slack)
    }

    /// Tries a Notion token and returns its identity.
    pub async fn verify_notion_token(&self, token: &SecretString) -> Result<NotionAccess, JoinError> {
        let client = notion::Client::new(self.http()?, self.notion_api.clone(), token.clone());
        let identity = client.me().await.map_err(JoinError::Notion)?;
        Ok(NotionAccess { token: token.clone(), identity })
    }

    /// Stores the connection, sealed. A portal that was connected before keeps its first connection time: what happened
    /// in between is news.
    pub async fn join(&self, access: ConnectionCredentials) -> Result<TenantId, JoinError> {
        let tenant = TenantId::new(access.member_id)?;
        let base = access.portal.base().map_err(JoinError::Portal)?;
        let seal = |field, secret| self.seal(&tenant, field, secret);
        let (webhook, application) = match &access.portal {
            PortalAccess::Webhook(url) => (Some(seal(PORTAL_WEBHOOK, url).await?), None),
            PortalAccess::Application { endpoint, access_token } => {
                let access_token = seal(PORTAL_TOKEN, access_token).await?;
                let endpoint = endpoint.clone();
                (
                    None,
                    Some(Application {
                        endpoint,
                        access_token,
                        renews: false,
                        scopes: Vec::new(),
                        user: None,
                        client_id: String::new(),
                    }),
                )
            }
        };
        let notion = match &access.notion {
            Some(NotionAccess { token, identity }) => Some(NotionConnection {
                workspace_id: identity.workspace_id.clone(),
                workspace: identity.workspace.clone(),
                name: identity.name.clone(),
                bot_id: identity.bot_id.clone(),
                token: seal(NOTION_TOKEN, token).await?,
                renews: false,
            }),
            None => None,
        };
        let slack = match access.workspace {
            Some(workspace) => Some(SlackConnection {
                team_id: workspace.team_id,
                bot_token: seal(SLACK_BOT_TOKEN, &access.bot_token).await?,
                bot_id: workspace.bot_id,
                bot_user: workspace.user_id,
                team: workspace.team,
                scopes: Vec::new(),
                renews: false,
            }),
            None => None,
        };
        let (now, settings) = (whole_second(self.clock.now()), access.settings.map(SettingsDocument::from));
        let application_token = TokenDigest::of(access.application_token.expose_secret());
        let joined = |before: Portal| Portal {
            domain: base.domain(),
            webhook: webhook.clone(),
            application: application.clone(),
            application_token,
            slack: slack.clone().or(before.slack),
            notion: notion.clone().or(before.notion),
            settings: settings.clone().unwrap_or(before.settings),
            ..before
        };
        // Also while somebody changes the settings of a portal that was connected before.
        if !self.portals.change(&tenant, joined).await.map_err(Failure::from)? {
            let new = joined(Portal::new(tenant.clone(), base.domain(), now));
            self.portals.put(&new).await.map_err(Failure::from)?;
        }
        if let Some(secret) = &access.signing_secret {
            self.admit_app(secret).await?;
            let portal = self.portals.fresh(&tenant).await.map_err(Failure::from)?;
            let settings = portal.as_ref().map(|portal| &portal.settings);
            let language = settings.and_then(|settings| settings["language"].as_str()).unwrap_or_default().to_owned();
            let signing = TokenDigest::of(secret.expose_secret());
            let workspace = Workspace { tenant: tenant.clone(), signing, language };
            if let Some(slack) = portal.as_ref().and_then(|portal| portal.slack.as_ref()) {
                self.portals.put_workspace(&slack.team_id, &workspace).await.map_err(Failure::from)?;
            }
        }
        Ok(tenant)
    }

    /// Adds an app's signing secret to the known ones.
    pub(crate) async fn admit_app(&self, secret: &SecretString) -> Result<(), Failure> {
        let added = add_line(self.secrets.as_ref(), SLACK_SIGNING, secret).await;
        added.map_err(|error| Failure::transient(error.to_string()))
    }
}

/// Portals write times to the second; what was created in this very second is news.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use wire::{NoAnswer, SeenAnswer};

    use super::*;

    /// Whether it is a rejection, and its text.
    fn said(error: &JoinError) -> (bool, String) {
        (error.is_rejection(), error.to_string())
    }

    #[test]
    fn a_provider_that_is_down_has_rejected_nothing_and_one_that_rejects_is_named_with_the_fix() {
        let page = || NoAnswer::Garbage(SeenAnswer::new(503, "text/html"));
        let bitrix24 = bitrix24::Error::NoAnswer { method: "profile".into(), why: page() };
        let slack = slack::Error::NoAnswer { method: "auth.test", why: page() };
        let notion = notion::Error::NoAnswer { call: "GET /v1/users/me".into(), why: page(), reads: true };
        for error in [JoinError::Portal(bitrix24), JoinError::Slack(slack), JoinError::Notion(notion)] {
            let (rejected, text) = said(&error);
            assert!(!rejected && text.contains("HTTP 503") && text.contains("nothing is known to be wrong"), "{text}");
            assert!(!text.contains("copy"), "{text}");
        }
        let throttled = slack::Error::Throttled { method: "auth.test", wait: std::time::Duration::from_secs(5) };
        assert!(!JoinError::Slack(throttled).is_rejection());
        let refused =
            slack::Error::Refused { method: "auth.test", code: "invalid_auth".into(), details: String::new() };
        let (rejected, text) = said(&JoinError::Slack(refused));
        assert!(rejected && text.starts_with("Slack rejected the bot token: auth.test: invalid_auth; copy"), "{text}");
    }
}
