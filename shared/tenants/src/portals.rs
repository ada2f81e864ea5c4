//! The stored connection of each tenant: its portal, the workspaces joined to it, its settings. Cached.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{Clock, later};
use runtime::seal::Sealed;
use runtime::settings_document::{SettingsDocument, SettingsError};
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The field of a sealed incoming-webhook URL.
pub const PORTAL_WEBHOOK: &str = "portal-webhook";
/// The field of a sealed access token of an application.
pub const PORTAL_TOKEN: &str = "portal-token";
/// The field of a sealed Slack bot token.
pub const SLACK_BOT_TOKEN: &str = "slack-bot-token";

/// A Bitrix24 application token, kept only as its digest: it is compared, never sent.
///
/// The token is 32 random characters, so its plain SHA-256 reveals nothing, and the function that checks it needs no
/// key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// A digest that matches no token: for portals whose token is unknown.
    pub fn nobodys() -> Self {
        NOBODYS
    }

    /// Whether both are of one token; takes the same time for any input.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The field of a sealed Notion token.
pub const NOTION_TOKEN: &str = "notion-token";
/// The field of a sealed verification token of a Notion webhook.
pub const NOTION_VERIFICATION: &str = "notion-verification";

/// A connected Notion workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotionConnection {
    pub workspace_id: String,
    /// The workspace's name.
    #[serde(default)]
    pub workspace: String,
    /// The connection's name: what people share their databases with.
    #[serde(default)]
    pub name: String,
    /// The bot user: the author of what we write.
    pub bot_id: String,
    /// The token, sealed as [`NOTION_TOKEN`].
    pub token: Sealed,
    /// Whether the token is renewed: then the current one is kept separately.
    #[serde(default)]
    pub renews: bool,
}

/// A connected Slack workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackConnection {
    /// The workspace's id: `T024BE7LD`.
    pub team_id: String,
    /// The bot token, sealed as [`SLACK_BOT_TOKEN`].
    pub bot_token: Sealed,
    /// The bot's id, which its own messages carry.
    #[serde(default)]
    pub bot_id: String,
    /// The bot user's id.
    #[serde(default)]
    pub bot_user: String,
    /// The workspace's or the organisation's name.
    #[serde(default)]
    pub team: String,
    /// The granted scopes, if Slack said; empty if the token was pasted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whether the token rotates: then the current one is kept separately.
    #[serde(default)]
    pub renews: bool,
}

/// The tenant of a workspace, and the app whose requests count for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The tenant that it was connected to last.
    pub tenant: TenantId,
    /// The signing secret of the app that it was connected with. Requests that another app signed are refused: the
    /// maker of an app must not speak for other workspaces.
    pub signing: TokenDigest,
    /// The language of first answers.
    #[serde(default)]
    pub language: String,
}

/// An application's access to a portal. Only an application can bind events and read the offline queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The address of REST: `https://PORTAL/rest/`.
    pub endpoint: String,
    /// The access token, sealed as [`PORTAL_TOKEN`].
    pub access_token: Sealed,
    /// Whether the token is renewed: then the current one is kept separately.
    #[serde(default)]
    pub renews: bool,
    /// The granted scopes, if the portal said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The user whose rights it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u64>,
    /// The application that the access was made for: proofs made for any other do not count. Empty if it is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client_id: String,
}

/// A replaced key of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldHookKey {
    /// What it must match.
    pub key: TokenDigest,
    /// Until when it is accepted.
    pub until: Timestamp,
}

/// A tenant's connections and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portal {
    /// Its id: the portal's `member_id`.
    pub tenant: TenantId,
    /// The portal's current host, with a port if there is one. For links; it may change.
    pub domain: String,
    /// The incoming webhook's URL, sealed as [`PORTAL_WEBHOOK`]; none if an application is used instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Sealed>,
    /// The application, if the portal is used through one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// What an event's application token must match.
    pub application_token: TokenDigest,
    /// What the key in the address that we gave the portal must match. A chatbot's events carry an undocumented
    /// application token, and an application learns its own only if the portal sends it on installing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_key: Option<TokenDigest>,
    /// The key before that one: for events that the portal has sent, or still sends, to the old address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_key_before: Option<OldHookKey>,
    /// The Slack workspace.
    pub slack: Option<SlackConnection>,
    /// The Notion workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notion: Option<NotionConnection>,
    /// The settings document; see [`Portal::settings_as`].
    pub settings: SettingsDocument,
    /// When the portal was connected: earlier changes are not news.
    pub connected_at: Timestamp,
    /// What a newer release keeps beside these: it is written back as it was read.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Portal {
    /// A portal that was connected now, by nothing yet: no access, no other provider, the default settings.
    pub fn new(tenant: TenantId, domain: String, connected_at: Timestamp) -> Self {
        Self {
            tenant,
            domain,
            webhook: None,
            application: None,
            application_token: TokenDigest::nobodys(),
            hook_key: None,
            hook_key_before: None,
            slack: None,
            notion: None,
            settings: serde_json::json!({}).into(),
            connected_at,
            other: Map::new(),
        }
    }

    /// The settings as their schema reads them: parsed once for each version, and shared.
    pub fn settings_as<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<T>, SettingsError> {
        self.settings.parsed()
    }

    /// The portal without the proofs of a replaced application: its token, and both keys of its address.
    #[must_use]
    pub fn without_proofs(self) -> Self {
        Self { application_token: TokenDigest::nobodys(), hook_key: None, hook_key_before: None, ..self }
    }
}

/// How old a cached portal may be if it is read for its connections and settings.
const PORTAL_TTL: Duration = Duration::from_secs(60);
/// How old a cached portal or workspace may be if a request is checked against it: what another process revoked or
/// replaced is refused after this at the latest. This process's own changes count at once.
pub const PROOF_TTL: Duration = Duration::from_secs(10);
/// Counts the changes that this process makes to portals and workspaces, through any [`Portals`]: what was cached
/// before the last of them is read again.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// A digest that matches no token, for comparisons without a stored one, so that they take as long.
const NOBODYS: TokenDigest = TokenDigest([0; 32]);
/// More portals than this are not cached at once.
const MAX_CACHED: usize = 1_000;

/// Reads and writes portals, through a small cache.
#[derive(Clone)]
pub struct Portals {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cache: Arc<Mutex<HashMap<TenantId, Cached<Arc<Portal>>>>>,
    workspaces: Arc<Mutex<HashMap<String, Cached<Workspace>>>>,
}

/// Something that was read, and when.
#[derive(Clone)]
struct Cached<T> {
    value: T,
    version: Version,
    read_at: Timestamp,
    /// [`CHANGES`] before the read.
    changes: u64,
}

impl<T: Clone> Cached<T> {
    /// The cached value, if nothing was changed here since, and it is not older than `ttl`. A clock that was set back
    /// makes it old as well.
    fn value(&self, now: Timestamp, ttl: Duration) -> Option<T> {
        let is_recent = self.read_at <= now && now < later(self.read_at, ttl);
        (is_recent && self.changes == CHANGES.load(Ordering::SeqCst)).then(|| self.value.clone())
    }
}

/// Notes that this process changed a portal or a workspace.
fn changed() {
    CHANGES.fetch_add(1, Ordering::SeqCst);
}

impl Portals {
    /// The portals in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cache: Arc::default(), workspaces: Arc::default() }
    }

    /// The tenant's portal, at most a minute old; `None` if there is none.
    pub async fn get(&self, tenant: &TenantId) -> Result<Option<Arc<Portal>>, StoreError> {
        match self.cached(tenant, PORTAL_TTL) {
            Some(portal) => Ok(Some(portal)),
            None => self.read(tenant).await,
        }
    }

    /// The tenant whose portal has this application token, if `tenant` is it.
    ///
    /// At most one read of the store. A cached portal that matches is trusted for [`PROOF_TTL`]: a replaced token is
    /// refused at once in the process that replaced it, and within ten seconds in all others. A cached portal that does
    /// not match is read again, for the token may be new; so a wrong token costs one read like an unknown portal does,
    /// and the time of a refusal does not show whether the portal exists.
    pub async fn verify(&self, tenant: &TenantId, token: &TokenDigest) -> Result<Option<Arc<Portal>>, StoreError> {
        self.verify_by(tenant, |portal| portal.map_or(NOBODYS, |portal| portal.application_token).matches(token)).await
    }

    /// The same by the key in the address; a replaced one counts until it ends.
    pub async fn verify_hook(&self, tenant: &TenantId, key: &TokenDigest) -> Result<Option<Arc<Portal>>, StoreError> {
        let now = self.clock.now();
        let matches = |portal: Option<&Portal>| {
            let current = portal.and_then(|portal| portal.hook_key).unwrap_or(NOBODYS).matches(key);
            let before = portal.and_then(|portal| portal.hook_key_before);
            let is_good = before.is_some_and(|before| now < before.until);
            // Both are always compared, so that it takes the same time.
            let old = before.map_or(NOBODYS, |before| before.key).matches(key);
            current || (is_good && old)
        };
        self.verify_by(tenant, matches).await
    }

    async fn verify_by(
        &self,
        tenant: &TenantId,
        matches: impl Fn(Option<&Portal>) -> bool,
    ) -> Result<Option<Arc<Portal>>, StoreError> {
        if let Some(portal) = self.cached(tenant, PROOF_TTL).filter(|portal| matches(Some(portal))) {
            return Ok(Some(portal));
        }
        let found = self.read(tenant).await?;
        let is_right = matches(found.as_deref());
        Ok(found.filter(|_| is_right))
    }

    /// The entry of a workspace (or an organisation), at most ten seconds old.
    pub async fn workspace(&self, team: &str) -> Result<Option<Workspace>, StoreError> {
        match self.cached_workspace(team) {
            Some(workspace) => Ok(Some(workspace)),
            None => self.read_workspace(team).await,
        }
    }

    /// The entry of a workspace, if it was connected with the app whose signing secret has this digest. At most one
    /// read of the store, as with [`Portals::verify`].
    pub async fn verify_workspace(&self, team: &str, signing: &TokenDigest) -> Result<Option<Workspace>, StoreError> {
        let matching = |workspace: &Workspace| workspace.signing.matches(signing);
        if let Some(workspace) = self.cached_workspace(team).filter(matching) {
            return Ok(Some(workspace));
        }
        Ok(self.read_workspace(team).await?.filter(matching))
    }

    async fn read_workspace(&self, team: &str) -> Result<Option<Workspace>, StoreError> {
        // Both from before the read: what is written meanwhile makes it old.
        let (changes, read_at) = (CHANGES.load(Ordering::SeqCst), self.clock.now());
        let item = self.store.get(&workspace_key(team)).await?;
        let mut cache = self.lock_workspaces();
        let Some(item) = item else {
            cache.remove(team);
            return Ok(None);
        };
        let (workspace, version) = (item.decode::<Workspace>()?, item.version);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(team.to_owned(), Cached { value: workspace.clone(), version, read_at, changes });
        Ok(Some(workspace))
    }

    fn cached_workspace(&self, team: &str) -> Option<Workspace> {
        self.lock_workspaces().get(team)?.value(self.clock.now(), PROOF_TTL)
    }

    /// Connects a workspace to a tenant; it is taken from another tenant that had it before.
    pub async fn put_workspace(&self, team: &str, workspace: &Workspace) -> Result<(), StoreError> {
        let written = self.store.put(StoreWrite::new(workspace_key(team), workspace, WriteCondition::Always)?).await;
        changed();
        written.map(|_| ())
    }

    /// Sets the first key in the address that the portal gets, together with the item that keeps the key itself. False if
    /// the portal is not connected; [`StoreError::Conflict`] if someone else sets it, or changes the portal, at the same
    /// time.
    pub async fn set_hook_key(
        &self,
        tenant: &TenantId,
        new: TokenDigest,
        kept: StoreWrite,
    ) -> Result<bool, StoreError> {
        self.change_with(tenant, |portal| Portal { hook_key: Some(new), ..portal }, kept).await
    }

    /// Replaces the key in the address, together with the item that keeps the key itself; the old one is accepted until
    /// `old_until`. False if the portal is not connected; [`StoreError::Conflict`] if someone else replaces it at the
    /// same time.
    pub async fn replace_hook_key(
        &self,
        tenant: &TenantId,
        new: TokenDigest,
        old_until: Timestamp,
        kept: StoreWrite,
    ) -> Result<bool, StoreError> {
        let replace = |portal: Portal| {
            let before = portal.hook_key.map(|key| OldHookKey { key, until: old_until });
            Portal { hook_key: Some(new), hook_key_before: before, ..portal }
        };
        self.change_with(tenant, replace, kept).await
    }

    /// Changes a portal together with another write, once.
    async fn change_with(
        &self,
        tenant: &TenantId,
        change: impl FnOnce(Portal) -> Portal,
        also: StoreWrite,
    ) -> Result<bool, StoreError> {
        let Some(item) = self.store.get(&key(tenant)).await? else { return Ok(false) };
        let portal = change(item.decode()?);
        let write = StoreWrite::new(item.key, &portal, WriteCondition::Version(item.version))?;
        let written = self.store.put_all(vec![write, also]).await;
        changed();
        written.map(|()| true)
    }

    /// Connects a portal, or replaces its connection.
    pub async fn put(&self, portal: &Portal) -> Result<(), StoreError> {
        let entry = StoreWrite::new(directory_key(&portal.tenant), &portal.tenant, WriteCondition::Always)?;
        let written = self
            .store
            .put_all(vec![StoreWrite::new(key(&portal.tenant), portal, WriteCondition::Always)?, entry])
            .await;
        changed();
        written
    }

    /// Replaces the settings document of a tenant; false if the portal is not connected.
    pub async fn set_settings(&self, tenant: &TenantId, settings: serde_json::Value) -> Result<bool, StoreError> {
        let settings = SettingsDocument::from(settings);
        self.change(tenant, |portal| Portal { settings: settings.clone(), ..portal }).await
    }

    /// Changes a portal's record, also while others do; false if the portal is not connected.
    pub async fn change(&self, tenant: &TenantId, change: impl Fn(Portal) -> Portal) -> Result<bool, StoreError> {
        loop {
            let Some(item) = self.store.get(&key(tenant)).await? else { return Ok(false) };
            let portal = change(item.decode()?);
            let written =
                self.store.put(StoreWrite::new(item.key, &portal, WriteCondition::Version(item.version))?).await;
            changed();
            match written {
                Err(StoreError::Conflict(_)) => {}
                written => return written.map(|_| true),
            }
        }
    }

    /// Removes a portal from the list and forgets its connection; its other data is not touched.
    pub async fn remove(&self, tenant: &TenantId) -> Result<(), StoreError> {
        self.store.delete(&directory_key(tenant)).await?;
        let deleted = self.store.delete(&key(tenant)).await;
        changed();
        deleted
    }

    /// The writes that remove a portal from the list and forget its connection, to go with others in one transaction.
    pub fn removal(tenant: &TenantId) -> [StoreWrite; 2] {
        [StoreWrite::removal(directory_key(tenant)), StoreWrite::removal(key(tenant))]
    }

    /// Removes a workspace from a tenant; fine if it belongs to another by now.
    pub async fn remove_workspace(&self, team: &str, tenant: &TenantId) -> Result<(), StoreError> {
        if let Some(item) = self.store.get(&workspace_key(team)).await?
            && item.decode::<Workspace>()?.tenant == *tenant
        {
            self.store.delete(&item.key).await?;
        }
        changed();
        Ok(())
    }

    /// The tenant's portal as the store has it now.
    pub async fn fresh(&self, tenant: &TenantId) -> Result<Option<Arc<Portal>>, StoreError> {
        self.read(tenant).await
    }

    /// All tenants, for scheduled functions. The only list that crosses tenants; it holds their ids and nothing else.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let mut tenants = Vec::new();
        let mut query = Query::prefix(Table::Portals, DIRECTORY, "");
        loop {
            let page = self.store.list(&query).await?;
            for item in &page.items {
                tenants.push(item.decode()?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(tenants),
            }
        }
    }

    async fn read(&self, tenant: &TenantId) -> Result<Option<Arc<Portal>>, StoreError> {
        // Both from before the read: what is written meanwhile makes it old.
        let (changes, read_at) = (CHANGES.load(Ordering::SeqCst), self.clock.now());
        let item = self.store.get(&key(tenant)).await?;
        let mut cache = self.lock();
        let Some(item) = item else {
            cache.remove(tenant);
            return Ok(None);
        };
        // What was parsed of a version is kept as long as that version is the latest.
        let known = cache.get(tenant).filter(|known| known.version == item.version).map(|known| known.value.clone());
        let (portal, version) = match known {
            Some(portal) => (portal, item.version),
            None => (Arc::new(item.decode::<Portal>()?), item.version),
        };
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(tenant.clone(), Cached { value: portal.clone(), version, read_at, changes });
        Ok(Some(portal))
    }

    fn cached(&self, tenant: &TenantId, ttl: Duration) -> Option<Arc<Portal>> {
        self.lock().get(tenant)?.value(self.clock.now(), ttl)
    }

    fn lock_workspaces(&self) -> std::sync::MutexGuard<'_, HashMap<String, Cached<Workspace>>> {
        self.workspaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Cached<Arc<Portal>>>> {
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The partition of the list of tenants: a tenant cannot have this name.
const DIRECTORY: &str = "#tenants";

/// The partition of the workspaces: a tenant cannot have this name.
pub const WORKSPACES: &str = "#workspaces";

/// The key of a workspace's entry.
pub fn workspace_key(team: &str) -> ItemKey {
    ItemKey::new(Table::Portals, WORKSPACES, team)
}

fn directory_key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Portals, DIRECTORY, tenant.as_str())
}

fn key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Portals, tenant.as_str(), "portal")
}
