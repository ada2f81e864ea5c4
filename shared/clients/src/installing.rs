//! Installing: what a person allowed by a click, proven and stored.
//!
//! What a browser or an event says is not believed until the provider has confirmed it: whose a token is, which
//! application it was made for, and whether its person administers the portal.

use std::time::Duration;

use bitrix24::oauth::{AuthServers, TokenInfo};
use runtime::seal::Sealed;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{DeliveryId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenants::portals::{
    Application, NOTION_TOKEN, NotionConnection, PORTAL_TOKEN, PORTAL_WEBHOOK, Portal, SLACK_BOT_TOKEN,
    SlackConnection, TokenDigest, Workspace,
};
use wire::AppKeys;

use crate::audience::{AudienceChange, Current, EnteredBy, NotAdmitted, judge};
use crate::failure::GONE;
use crate::joining::{JoinError, NotionAccess, PortalAccess, whole_second};
use crate::tokens::{TokenPair, TokenSlot};
use crate::troubles::ConnectionSide;
use crate::{Connections, Failure};

/// How long the keys of a portal's own application wait for it to be installed.
const REGISTERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The tenant under which keys of applications are sealed that are not installed yet.
/// How often the first key in a portal's address is made while others change the portal.
const MAX_TRIES: usize = 5;
const NOT_INSTALLED: &str = "not-installed";
const CLIENT_SECRET: &str = "client-secret";
/// The field of the sealed key in the address that a portal gets.
pub(crate) const HOOK_KEY: &str = "hook-key";

/// A portal's access that its authorization server has confirmed.
#[derive(Debug)]
pub struct Installation {
    pub tenant: TenantId,
    /// The portal's host.
    pub domain: String,
    /// The user whose rights the access has.
    pub user: u64,
    pub name: String,
    /// Whether they administer the portal.
    pub is_admin: bool,
    /// The application that the access was made for.
    pub client_id: String,
    /// Who named that application, if the store says.
    entered_by_code: Option<String>,
    endpoint: String,
    scopes: Vec<String>,
    server: &'static str,
    pair: TokenPair,
    own_app: Option<AppKeys>,
}

impl Installation {
    /// Who named the application, for a request that the portal itself has posted.
    pub fn entered_at_portal(&self) -> EnteredBy {
        self.entered_by_code.clone().map_or(EnteredBy::Portal, EnteredBy::Code)
    }

    /// The person, for the audit.
    pub fn who(&self) -> String {
        format!("{} (user {} of {}, confirmed by Bitrix24)", self.name, self.user, self.domain)
    }
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("renews", &self.refresh.is_some()).finish_non_exhaustive()
    }
}

/// Tokens from outside that nobody has confirmed yet.
#[derive(Debug, Clone)]
pub struct Brought {
    /// The portal that they are said to belong to.
    pub member_id: String,
    /// The authorization server, as the sender names it.
    pub server: Option<String>,
    /// The access token.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: Option<SecretString>,
    /// How long the access token is valid.
    pub lives: Duration,
}

/// Why an access is refused.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The authorization server is not one of the two.
    #[error("{0:?} is no authorization server of Bitrix24's")]
    Server(String),
    /// It belongs to another application or another portal.
    #[error("the access is not that of our application on this portal")]
    Another,
    /// The keys of the application are unknown.
    #[error("the keys of this application are not known here; enter them on the page /install first")]
    UnknownApp,
    /// The authorization server or the portal rejects it.
    #[error("{0}")]
    Refused(String),
    /// The application does not belong here.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// A temporary failure.
    #[error(transparent)]
    Engine(#[from] Failure),
}

#[derive(Serialize, Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Sealed,
    /// The name under which the connection code that allowed it is held.
    code: String,
}

/// Keys of an application, and where they were found.
struct FoundApp {
    keys: AppKeys,
    is_own: bool,
    code: Option<String>,
}

fn hook_key_place(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Portals, tenant.as_str(), "hook-key")
}

fn registered_key(client_id: &str) -> ItemKey {
    ItemKey::new(Table::Portals, "#apps", DeliveryId::of(&["app", client_id]).as_str())
}

impl Connections {
    /// Stores the keys of a new portal's own application until it is installed: the portal itself may report that
    /// first. `code` is the name of the connection code that allows it.
    pub async fn register_app(&self, app: &AppKeys, code: &str) -> Result<(), Failure> {
        let keeper = not_installed()?;
        let client_secret = self.seal(&keeper, CLIENT_SECRET, &app.client_secret).await?;
        let registered = Registered { client_id: app.client_id.clone(), client_secret, code: code.to_owned() };
        let write = StoreWrite::new(registered_key(&app.client_id), &registered, WriteCondition::Always)?;
        let until = runtime::clock::later(self.clock.now(), REGISTERED_FOR);
        self.store.put(write.expiring(until)).await?;
        Ok(())
    }

    /// The keys of an application by its id: the deployment's, the one that the tenant is connected with, or one that
    /// waits to be installed.
    async fn app_by_id(&self, client_id: &str, tenant: &TenantId) -> Result<FoundApp, Unproven> {
        let deployments = self.apps().await?.bitrix24.filter(|app| app.client_id == client_id);
        if let Some(keys) = deployments {
            return Ok(FoundApp { keys, is_own: false, code: None });
        }
        if let Some(keys) = self.own_app(tenant).await?.filter(|app| app.client_id == client_id) {
            return Ok(FoundApp { keys, is_own: true, code: None });
        }
        let item = self.store.get(&registered_key(client_id)).await.map_err(Failure::from)?;
        let registered: Registered = item.ok_or(Unproven::UnknownApp)?.decode().map_err(Failure::from)?;
        let client_secret = self.open_for(&not_installed()?, CLIENT_SECRET, &registered.client_secret).await?;
        let keys = AppKeys { client_id: registered.client_id, client_secret };
        Ok(FoundApp { keys, is_own: true, code: Some(registered.code) })
    }

    /// A tenant's present connection.
    pub async fn current_app(&self, tenant: &TenantId) -> Result<Current, Failure> {
        let Some(portal) = self.portals.fresh(tenant).await? else { return Ok(Current::Nothing) };
        let Some(application) = &portal.application else { return Ok(Current::Webhook) };
        if !application.client_id.is_empty() {
            return Ok(Current::Application(application.client_id.clone()));
        }
        // Connections that were made before their application was noted.
        let own = self.own_app(tenant).await?.map(|app| app.client_id);
        let deployments = self.apps().await?.bitrix24.map(|app| app.client_id);
        Ok(Current::Application(own.or(deployments).unwrap_or_default()))
    }

    /// What connecting a portal with this proof would change.
    pub async fn admit(&self, installation: &Installation, by: &EnteredBy) -> Result<AudienceChange, Unproven> {
        let is_deployments = self.apps().await?.bitrix24.is_some_and(|app| app.client_id == installation.client_id);
        let current = self.current_app(&installation.tenant).await?;
        let change = judge(&installation.tenant, &current, &installation.client_id, is_deployments, by);
        Ok(change?)
    }

    /// The sealed secret of a portal's own application, kept until the person comes back.
    pub async fn seal_app(&self, app: &AppKeys) -> Result<Sealed, Failure> {
        self.seal(&not_installed()?, CLIENT_SECRET, &app.client_secret).await
    }

    /// The keys of such an application.
    pub async fn open_app(&self, client_id: &str, secret: &Sealed) -> Result<AppKeys, Failure> {
        let client_secret = self.open_for(&not_installed()?, CLIENT_SECRET, secret).await?;
        Ok(AppKeys { client_id: client_id.to_owned(), client_secret })
    }

    /// Proves the code of a redirect: of the portal's `own` application, or of the deployment's.
    pub async fn prove_code(&self, server: &str, own: Option<AppKeys>, code: &str) -> Result<Installation, Unproven> {
        let server = AuthServers::known(server).ok_or_else(|| Unproven::Server(shortened(server)))?;
        let is_own = own.is_some();
        let app = match own {
            Some(app) => app,
            None => self.apps().await?.bitrix24.ok_or(Unproven::UnknownApp)?,
        };
        let now = self.clock.now();
        let exchanged = self.oauth()?.exchange(server, &app, code).await;
        let tokens = exchanged.map_err(|error| refused(&Failure::of_bitrix24(&error, now)))?;
        let pair = TokenPair { access: tokens.access, refresh: tokens.refresh, lives: Some(tokens.lives) };
        let info = self.info(server, &pair.access).await?;
        if info.client_id != app.client_id || info.member_id != tokens.member_id {
            return Err(Unproven::Another);
        }
        self.proven(server, info, pair, is_own.then_some(app), None).await
    }

    /// Proves tokens from an event or from the opening of the application.
    pub async fn prove_tokens(&self, brought: Brought) -> Result<Installation, Unproven> {
        let servers: Vec<&'static str> = match &brought.server {
            Some(named) => vec![AuthServers::known(named).ok_or_else(|| Unproven::Server(shortened(named)))?],
            // Older portals do not say: the server that knows the token is the right one.
            None => vec![bitrix24::oauth::WEST, bitrix24::oauth::EAST],
        };
        let mut refusal = Unproven::Another;
        for server in servers {
            match self.info(server, &brought.access).await {
                Ok(info) => {
                    let tenant = TenantId::new(info.member_id.clone()).map_err(|_| Unproven::Another)?;
                    if info.member_id != brought.member_id {
                        return Err(Unproven::Another);
                    }
                    let app = self.app_by_id(&info.client_id, &tenant).await?;
                    let pair =
                        TokenPair { access: brought.access, refresh: brought.refresh, lives: Some(brought.lives) };
                    let own_app = app.is_own.then_some(app.keys);
                    return self.proven(server, info, pair, own_app, app.code).await;
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    async fn info(&self, server: &str, access: &SecretString) -> Result<TokenInfo, Unproven> {
        let asked = self.oauth()?.info(server, access).await;
        asked.map_err(|error| refused(&Failure::of_bitrix24(&error, self.clock.now())))
    }

    async fn proven(
        &self,
        server: &'static str,
        info: TokenInfo,
        pair: TokenPair,
        own_app: Option<AppKeys>,
        entered_by_code: Option<String>,
    ) -> Result<Installation, Unproven> {
        let tenant = TenantId::new(info.member_id).map_err(|_| Unproven::Another)?;
        let base = bitrix24::RestBase::OAuth { endpoint: info.endpoint.clone(), token: pair.access.clone() };
        let domain = base.domain();
        let client = bitrix24::Client::new(self.http()?, base);
        let now = self.clock.now();
        let profile = client.call("profile", &json!({})).await;
        let profile = profile.map_err(|error| refused(&Failure::of_bitrix24(&error, now)))?.result;
        let text = |name: &str| profile[name].as_str().unwrap_or_default().to_owned();
        Ok(Installation {
            tenant,
            domain,
            user: bitrix24::tolerant::whole(&profile["ID"]).or(info.user).unwrap_or_default(),
            name: format!("{} {}", text("NAME"), text("LAST_NAME")).trim().to_owned(),
            is_admin: profile["ADMIN"] == true || profile["ADMIN"] == "Y" || profile["ADMIN"] == 1,
            client_id: info.client_id,
            entered_by_code,
            endpoint: info.endpoint,
            scopes: info.scopes,
            server,
            pair,
            own_app,
        })
    }

    /// Connects a portal, or renews its connection. The earlier connection ends; settings and workspaces are kept. If
    /// the application is another one, everything that the old one could use is dropped: its application token, its key
    /// in the address, and what people allowed it.
    pub async fn connect_portal(&self, installation: &Installation, change: AudienceChange) -> Result<(), Failure> {
        let Installation { tenant, domain, endpoint, pair, .. } = installation;
        if change == AudienceChange::Replacement {
            self.drop_what_was_given(tenant).await?;
        }
        // First the tokens: a reader of the portal must find them.
        let own_app = installation.own_app.as_ref();
        self.keep_tokens(tenant, TokenSlot::Portal, pair, installation.server, own_app).await?;
        let application = Application {
            endpoint: endpoint.clone(),
            access_token: self.seal(tenant, PORTAL_TOKEN, &pair.access).await?,
            renews: true,
            scopes: installation.scopes.clone(),
            user: Some(installation.user),
            client_id: installation.client_id.clone(),
        };
        let changed = self.portals.change(tenant, |portal| {
            let portal = if change == AudienceChange::Replacement { portal.without_proofs() } else { portal };
            Portal { domain: domain.clone(), application: Some(application.clone()), webhook: None, ..portal }
        });
        if !changed.await? {
            let fresh = Portal::new(tenant.clone(), domain.clone(), whole_second(self.clock.now()));
            self.portals.put(&Portal { application: Some(application.clone()), ..fresh }).await?;
        }
        tracing::info!(%tenant, domain, user = installation.user, "portal connected");
        self.end_trouble(tenant, ConnectionSide::Bitrix24).await
    }

    /// Forgets what a portal's application was given: people's permissions, and the key in its address.
    async fn drop_what_was_given(&self, tenant: &TenantId) -> Result<(), Failure> {
        self.drop_grants(tenant).await?;
        Ok(self.store.delete(&hook_key_place(tenant)).await?)
    }

    /// The key in the address that the portal gets: the same for every caller, also for two at once.
    pub async fn hook_secret(&self, tenant: &TenantId) -> Result<SecretString, Failure> {
        let place = hook_key_place(tenant);
        for _ in 0..MAX_TRIES {
            if let Some(item) = self.store.get(&place).await? {
                return self.open_for(tenant, HOOK_KEY, &item.decode()?).await;
            }
            let secret = SecretString::from(runtime::random::hex());
            let sealed = self.seal(tenant, HOOK_KEY, &secret).await?;
            let kept = StoreWrite::new(place.clone(), &sealed, WriteCondition::Absent)?;
            // It must be known before anyone gets it: an event that arrives at once must be accepted.
            match self.portals.set_hook_key(tenant, TokenDigest::of(secret.expose_secret()), kept).await {
                Ok(true) => return Ok(secret),
                Ok(false) => return Err(Failure::permanent(GONE, format!("portal {tenant} is not connected"))),
                // Another caller was first, and the next try finds its key; or the portal was changed meanwhile.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::transient("another worker makes the portal's key just now"))
    }

    /// The address to which a portal sends its events, under `public_url`.
    pub async fn hook_url(&self, tenant: &TenantId, public_url: &str) -> Result<String, Failure> {
        let secret = self.hook_secret(tenant).await?;
        let base = public_url.trim_end_matches('/');
        Ok(format!("{base}/webhooks/{tenant}/bitrix24?key={}", secret.expose_secret()))
    }

    /// The application was removed from its portal: everything except the access to it is kept. Call
    /// [`Connections::try_again`] before: it may have been installed again since.
    pub async fn portal_left(&self, tenant: &TenantId) -> Result<(), Failure> {
        self.drop_tokens(tenant, TokenSlot::Portal).await?;
        self.note_trouble(tenant, ConnectionSide::Bitrix24, "the application was removed in Bitrix24").await.map(|_| ())
    }

    /// The app was removed from its Slack workspace: everything except the access to it is kept.
    pub async fn slack_left(&self, tenant: &TenantId) -> Result<(), Failure> {
        // It may have been installed again since.
        if self.try_again(tenant, ConnectionSide::Slack).await? {
            return Ok(());
        }
        self.drop_tokens(tenant, TokenSlot::Slack).await?;
        self.note_trouble(tenant, ConnectionSide::Slack, "the app was removed from the Slack workspace")
            .await
            .map(|_| ())
    }

    /// Stores the application token that the portal sends its events with.
    pub async fn set_application_token(&self, tenant: &TenantId, token: &SecretString) -> Result<bool, Failure> {
        let application_token = TokenDigest::of(token.expose_secret());
        Ok(self.portals.change(tenant, |portal| Portal { application_token, ..portal }).await?)
    }

    /// Stores a person's own access to the portal, which they allowed by a click.
    pub async fn grant_by_installation(&self, installation: &Installation) -> Result<(), Failure> {
        let slot = TokenSlot::Person(installation.user);
        let (tenant, own_app) = (&installation.tenant, installation.own_app.as_ref());
        self.keep_tokens(tenant, slot, &installation.pair, installation.server, own_app).await
    }

    /// The application that a tenant's portal is connected by, with its sealed secret if it is the portal's own; none if it
    /// is connected by webhooks.
    pub async fn app_of(&self, tenant: &TenantId) -> Result<Option<(String, Option<Sealed>)>, Failure> {
        let portal = self.portal(tenant).await?;
        if portal.application.is_none() {
            return Ok(None);
        }
        match self.own_app(tenant).await? {
            Some(app) => {
                let sealed = self.seal_app(&app).await?;
                Ok(Some((app.client_id, Some(sealed))))
            }
            None => Ok(self.apps().await?.bitrix24.map(|app| (app.client_id, None))),
        }
    }

    /// Connects a portal by an incoming webhook, or changes its webhook; settings and workspaces are kept.
    pub async fn connect_webhook(
        &self,
        tenant: &TenantId,
        access: &PortalAccess,
        application_token: &SecretString,
    ) -> Result<(), JoinError> {
        let base = access.base().map_err(JoinError::Portal)?;
        let domain = base.domain();
        let PortalAccess::Webhook(url) = access else {
            return Err(JoinError::Engine(Failure::permanent("no_webhook", "this is no incoming webhook")));
        };
        let client = bitrix24::Client::new(self.http()?, base);
        client.call("profile", &json!({})).await.map_err(JoinError::Portal)?;
        let webhook = Some(self.seal(tenant, PORTAL_WEBHOOK, url).await?);
        let application_token = TokenDigest::of(application_token.expose_secret());
        let fresh = Portal {
            webhook,
            application_token,
            ..Portal::new(tenant.clone(), domain, whole_second(self.clock.now()))
        };
        // An application that a webhook replaces must not keep its proofs.
        if matches!(self.current_app(tenant).await?, Current::Application(_)) {
            self.drop_what_was_given(tenant).await?;
        }
        let changed = self.portals.change(tenant, |portal| {
            let portal = if portal.application.is_some() { portal.without_proofs() } else { portal };
            Portal {
                domain: fresh.domain.clone(),
                webhook: fresh.webhook.clone(),
                application: None,
                application_token,
                ..portal
            }
        });
        if !changed.await.map_err(Failure::from)? {
            self.portals.put(&fresh).await.map_err(Failure::from)?;
        }
        self.drop_tokens(tenant, TokenSlot::Portal).await?;
        Ok(self.end_trouble(tenant, ConnectionSide::Bitrix24).await?)
    }

    /// The address at which Slack asks a person.
    pub fn slack_authorize_url(
        &self,
        client_id: &str,
        scopes: &[&str],
        redirect: &str,
        state: &str,
        challenge: Option<&str>,
    ) -> String {
        slack::oauth::authorize_url(&self.slack_api, client_id, scopes, redirect, state, challenge)
    }

    /// The address at which a person signs in with Slack; `None` if we have no Slack app.
    pub async fn slack_sign_in_url(&self, redirect: &str, state: &str) -> Result<Option<String>, Failure> {
        let keys = self.apps().await?.slack;
        Ok(keys.map(|keys| slack::oauth::sign_in_url(&self.slack_api, &keys.client_id, redirect, state)))
    }

    /// Exchanges the code of that redirect for the person, as Slack names them.
    pub async fn slack_signed_in(&self, code: &str, redirect: &str) -> Result<slack::oauth::SignedIn, JoinError> {
        let keys = self.apps().await?.slack.ok_or_else(|| no_app("Slack"))?;
        let came = slack::oauth::signed_in(&self.http()?, &self.slack_api, &keys.app(), code, redirect).await;
        came.map_err(JoinError::Slack)
    }

    /// The address at which Notion asks a person.
    pub fn notion_authorize_url(&self, client_id: &str, redirect: &str, state: &str) -> String {
        notion::oauth::authorize_url(&self.notion_api, client_id, redirect, state)
    }

    /// Exchanges the code of Slack's redirect, and connects the workspace to the tenant.
    pub async fn connect_slack(
        &self,
        tenant: &TenantId,
        code: &str,
        redirect: &str,
        verifier: Option<&SecretString>,
    ) -> Result<String, JoinError> {
        let keys = self.apps().await?.slack.ok_or_else(|| no_app("Slack"))?;
        let http = self.http()?;
        let exchanged = slack::oauth::exchange(&http, &self.slack_api, &keys.app(), code, redirect, verifier).await;
        let grant = exchanged.map_err(JoinError::Slack)?;
        let (team_id, team) = grant.place().cloned().ok_or(JoinError::NoWorkspace)?;
        let taken = self.portals.workspace(&team_id).await.map_err(Failure::from)?;
        if taken.is_some_and(|workspace| workspace.tenant != *tenant) {
            return Err(JoinError::Taken { team });
        }
        let client = slack::Client::new(http, self.slack_api.clone(), grant.access.clone());
        let identity = client.auth_test().await.map_err(JoinError::Slack)?;
        let renews = grant.refresh.is_some();
        if renews {
            let pair = TokenPair { access: grant.access.clone(), refresh: grant.refresh.clone(), lives: grant.lives };
            self.keep_tokens(tenant, TokenSlot::Slack, &pair, "", None).await?;
        } else {
            self.drop_tokens(tenant, TokenSlot::Slack).await?;
        }
        let connection = SlackConnection {
            team_id: team_id.clone(),
            bot_token: self.seal(tenant, SLACK_BOT_TOKEN, &grant.access).await?,
            bot_id: identity.bot_id,
            bot_user: if grant.bot_user.is_empty() { identity.user_id } else { grant.bot_user },
            team: team.clone(),
            scopes: grant.scopes,
            renews,
        };
        let before = self.portal(tenant).await?;
        self.portals
            .change(tenant, |portal| Portal { slack: Some(connection.clone()), ..portal })
            .await
            .map_err(Failure::from)?;
        // A workspace that it had before no longer belongs to it.
        if let Some(old) = before.slack.as_ref().filter(|old| old.team_id != team_id) {
            self.portals.remove_workspace(&old.team_id, tenant).await.map_err(Failure::from)?;
        }
        self.admit_app(&keys.signing_secret).await?;
        let signing = TokenDigest::of(keys.signing_secret.expose_secret().trim());
        let language = before.settings["language"].as_str().unwrap_or_default().to_owned();
        let workspace = Workspace { tenant: tenant.clone(), signing, language };
        self.portals.put_workspace(&team_id, &workspace).await.map_err(Failure::from)?;
        self.end_trouble(tenant, ConnectionSide::Slack).await?;
        tracing::info!(%tenant, team = team_id, "workspace connected");
        Ok(team)
    }

    /// Exchanges the code of Notion's redirect, and connects the workspace to the tenant.
    pub async fn connect_notion(&self, tenant: &TenantId, code: &str, redirect: &str) -> Result<String, JoinError> {
        let keys = self.apps().await?.notion.ok_or_else(|| no_app("Notion"))?;
        let exchanged = notion::oauth::exchange(&self.http()?, &self.notion_api, &keys, code, redirect).await;
        let grant = exchanged.map_err(JoinError::Notion)?;
        // The name that people share their pages with is known only to the API.
        let access = self.verify_notion_token(&grant.access).await?;
        let renews = grant.refresh.is_some();
        if renews {
            let pair = TokenPair { access: grant.access.clone(), refresh: grant.refresh.clone(), lives: None };
            self.keep_tokens(tenant, TokenSlot::Notion, &pair, "", None).await?;
        }
        self.store_notion(tenant, access, renews).await
    }

    /// Connects the Notion workspace of an internal connection's secret.
    pub async fn connect_notion_by_token(&self, tenant: &TenantId, token: &SecretString) -> Result<String, JoinError> {
        let access = self.verify_notion_token(token).await?;
        self.drop_tokens(tenant, TokenSlot::Notion).await?;
        self.store_notion(tenant, access, false).await
    }

    async fn store_notion(&self, tenant: &TenantId, access: NotionAccess, renews: bool) -> Result<String, JoinError> {
        let NotionAccess { token, identity } = access;
        let connection = NotionConnection {
            workspace_id: identity.workspace_id,
            workspace: identity.workspace.clone(),
            name: identity.name,
            bot_id: identity.bot_id,
            token: self.seal(tenant, NOTION_TOKEN, &token).await?,
            renews,
        };
        let changed = self.portals.change(tenant, |portal| Portal { notion: Some(connection.clone()), ..portal });
        if !changed.await.map_err(Failure::from)? {
            return Err(JoinError::Engine(Failure::permanent(
                "portal_not_connected",
                "the portal is not connected any more",
            )));
        }
        self.end_trouble(tenant, ConnectionSide::Notion).await?;
        tracing::info!(%tenant, workspace = identity.workspace, "Notion workspace connected");
        Ok(identity.workspace)
    }
}

fn not_installed() -> Result<TenantId, Failure> {
    TenantId::new(NOT_INSTALLED).map_err(|error| Failure::permanent("bad_name", error.to_string()))
}

fn no_app(provider: &str) -> Failure {
    let text = format!(
        "no {provider} app is set up here; ask the person who runs Switchboard to set it up (docs/installing.md)"
    );
    Failure::permanent("no_app", text)
}

/// What a provider's refusal means for the person: it may work later, or it never will.
fn refused(failure: &Failure) -> Unproven {
    match failure.class {
        wire::ErrorClass::Reauthorise | wire::ErrorClass::Permanent { .. } => Unproven::Refused(failure.text.clone()),
        _ => Unproven::Engine(failure.clone()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
