//! Tokens that end: kept sealed, renewed before they end, and by one worker at a time.
//!
//! Whoever renews holds a lease in the store; the others go on with the old token while it lives, or wait for the new
//! one. A provider that says that the refresh token is no good has the last word only after a look whether somebody
//! else renewed it meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use platform::clock::{later, until};
use platform::portals::{NOTION_TOKEN, PORTAL_TOKEN, SLACK_BOT_TOKEN};
use platform::seal::Sealed;
use platform::store::{Condition, Item, Key, Query, StoreError, Table, Version, Write};
use platform::{Kind, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::apps::AppKeys;
use crate::{Connections, Failure};

/// A token is renewed so long before its end.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long a worker may take to renew one.
const LEASE: Duration = Duration::from_secs(60);
/// How often those who wait look.
const LOOK: Duration = Duration::from_millis(200);
/// A token that the provider gave up is tried again so much later, for a subscription may be paid again.
const DEAD_FOR: Duration = Duration::from_secs(60 * 60);
/// So many are remembered in a process.
const MOST_CACHED: usize = 1_000;
/// A token that nobody uses is renewed after this, for refresh tokens die (Bitrix24: after 180 days).
pub const IDLE: Duration = Duration::from_secs(25 * 24 * 60 * 60);

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The portal, as the connection.
    Portal,
    /// The portal, as a person who allowed it.
    Person(u64),
    /// The Slack workspace.
    Slack,
    /// The Notion workspace.
    Notion,
}

const PREFIX: &str = "token#";

impl Slot {
    fn sort(self) -> String {
        match self {
            Self::Portal => format!("{PREFIX}portal"),
            Self::Person(user) => format!("{PREFIX}person#{user}"),
            Self::Slack => format!("{PREFIX}slack"),
            Self::Notion => format!("{PREFIX}notion"),
        }
    }

    fn of(sort: &str) -> Option<Self> {
        match sort.strip_prefix(PREFIX)? {
            "portal" => Some(Self::Portal),
            "slack" => Some(Self::Slack),
            "notion" => Some(Self::Notion),
            person => person.strip_prefix("person#")?.parse().ok().map(Self::Person),
        }
    }

    /// Under what its access and its refresh token are sealed.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Portal | Self::Person(_) => (PORTAL_TOKEN, "portal-refresh-token"),
            Self::Slack => (SLACK_BOT_TOKEN, "slack-refresh-token"),
            Self::Notion => (NOTION_TOKEN, "notion-refresh-token"),
        }
    }

    fn key(self, tenant: &TenantId) -> Key {
        Key::new(Table::Portals, tenant.as_str(), self.sort())
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portal => "Bitrix24",
            Self::Person(_) => "a person's own access to Bitrix24",
            Self::Slack => "Slack",
            Self::Notion => "Notion",
        }
    }
}

/// The keys of a portal's own local application.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OwnApp {
    client_id: String,
    client_secret: Sealed,
}

const OWN_SECRET: &str = "client-secret";

/// A pair of tokens as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    access: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Sealed>,
    /// When the access token ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    renewed_at: Timestamp,
    /// The authorization server, where there are several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_app: Option<OwnApp>,
    /// Until when somebody renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Timestamp>,
    /// Since when, and why, it cannot be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead: Option<Dead>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Dead {
    since: Timestamp,
    why: String,
}

/// A pair of tokens to keep.
pub(crate) struct Pair {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) lives: Option<Duration>,
}

/// How a token stands, for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it opens.
    pub slot: Slot,
    /// When the access token ends, where that is known.
    pub expires_at: Option<Timestamp>,
    /// When it was renewed last.
    pub renewed_at: Timestamp,
    /// Why it cannot be renewed, if it cannot.
    pub dead: Option<String>,
}

/// Tokens as they were seen last, in this process.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<(TenantId, Slot), (SecretString, Timestamp)>>>);

impl Seen {
    fn get(&self, tenant: &TenantId, slot: Slot, now: Timestamp) -> Option<SecretString> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, good_until) = seen.get(&(tenant.clone(), slot))?;
        (now < *good_until).then(|| token.clone())
    }

    fn put(&self, tenant: &TenantId, slot: Slot, token: &SecretString, good_until: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_CACHED {
            seen.clear();
        }
        seen.insert((tenant.clone(), slot), (token.clone(), good_until));
    }

    fn forget(&self, tenant: &TenantId, slot: Slot) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), slot));
    }
}

impl Connections {
    /// Keeps a new pair, in the place of whatever was there.
    pub(crate) async fn keep_tokens(
        &self,
        tenant: &TenantId,
        slot: Slot,
        pair: &Pair,
        server: &str,
        own_app: Option<&AppKeys>,
    ) -> Result<(), Failure> {
        let own_app = match own_app {
            Some(app) => Some(OwnApp {
                client_id: app.client_id.clone(),
                client_secret: self.seal(tenant, OWN_SECRET, &app.client_secret).await?,
            }),
            None => None,
        };
        let kept = Kept { server: server.to_owned(), own_app, ..self.sealed(tenant, slot, pair).await? };
        self.store.put(Write::new(slot.key(tenant), &kept, Condition::Always)?).await?;
        self.seen.forget(tenant, slot);
        Ok(())
    }

    async fn sealed(&self, tenant: &TenantId, slot: Slot, pair: &Pair) -> Result<Kept, Failure> {
        let (access, refresh) = slot.fields();
        let now = self.clock.now();
        Ok(Kept {
            access: self.seal(tenant, access, &pair.access).await?,
            refresh: match &pair.refresh {
                Some(token) => Some(self.seal(tenant, refresh, token).await?),
                None => None,
            },
            expires_at: pair.lives.map(|lives| later(now, lives)),
            renewed_at: now,
            server: String::new(),
            own_app: None,
            lease: None,
            dead: None,
        })
    }

    /// Forgets a pair; fine if there is none.
    pub(crate) async fn drop_tokens(&self, tenant: &TenantId, slot: Slot) -> Result<(), Failure> {
        self.seen.forget(tenant, slot);
        Ok(self.store.delete(&slot.key(tenant)).await?)
    }

    /// A token that is good for some minutes at least, or as good as there is one; `None` if none is kept.
    pub(crate) async fn token(&self, tenant: &TenantId, slot: Slot) -> Result<Option<SecretString>, Failure> {
        if let Some(token) = self.seen.get(tenant, slot, self.clock.now()) {
            return Ok(Some(token));
        }
        let Some(item) = self.store.get(&slot.key(tenant)).await? else { return Ok(None) };
        let kept: Kept = item.decode()?;
        let access = self.open_for(tenant, slot.fields().0, &kept.access).await?;
        let now = self.clock.now();
        match kept.expires_at {
            Some(end) if kept.refresh.is_some() && later(now, EARLY) >= end => {
                self.renew(tenant, slot, None).await.map(Some)
            }
            end => {
                self.remember(tenant, slot, &access, end);
                Ok(Some(access))
            }
        }
    }

    fn remember(&self, tenant: &TenantId, slot: Slot, token: &SecretString, end: Option<Timestamp>) {
        let now = self.clock.now();
        // Not longer than a portal's record is believed: somebody may have authorised anew.
        let fresh = later(now, Duration::from_secs(60));
        let good_until = end.map_or(fresh, |end| fresh.min(end - jiff::SignedDuration::from_secs(300)));
        self.seen.put(tenant, slot, token, good_until);
    }

    /// A token in the place of `used`, which the provider did not take.
    pub(crate) async fn token_after(
        &self,
        tenant: &TenantId,
        slot: Slot,
        used: &SecretString,
    ) -> Result<SecretString, Failure> {
        self.seen.forget(tenant, slot);
        self.renew(tenant, slot, Some(used)).await
    }

    /// Renews a pair that nobody has used for long, or that was given up; whether that was done.
    pub async fn renew_if_idle(&self, tenant: &TenantId, slot: Slot) -> Result<bool, Failure> {
        let Some(item) = self.store.get(&slot.key(tenant)).await? else { return Ok(false) };
        let kept: Kept = item.decode()?;
        let now = self.clock.now();
        let idle = until(kept.renewed_at, now) >= IDLE;
        let again = kept.dead.as_ref().is_some_and(|dead| until(dead.since, now) >= DEAD_FOR);
        if kept.refresh.is_none() || !(idle || again) {
            return Ok(false);
        }
        let used = self.open_for(tenant, slot.fields().0, &kept.access).await?;
        self.renew(tenant, slot, Some(&used)).await.map(|_| true)
    }

    /// The authorization server of a token that is renewed.
    pub(crate) async fn token_server(&self, tenant: &TenantId, slot: Slot) -> Result<Option<String>, Failure> {
        let item = self.store.get(&slot.key(tenant)).await?;
        Ok(item.map(|item| item.decode::<Kept>()).transpose()?.map(|kept| kept.server))
    }

    /// The keys of the local application that the tenant's portal is connected by, if it is by one.
    pub(crate) async fn own_app(&self, tenant: &TenantId) -> Result<Option<AppKeys>, Failure> {
        let Some(item) = self.store.get(&Slot::Portal.key(tenant)).await? else { return Ok(None) };
        let Some(own) = item.decode::<Kept>()?.own_app else { return Ok(None) };
        let client_secret = self.open_for(tenant, OWN_SECRET, &own.client_secret).await?;
        Ok(Some(AppKeys { client_id: own.client_id, client_secret }))
    }

    /// How a tenant's tokens stand.
    pub async fn token_standings(&self, tenant: &TenantId) -> Result<Vec<Standing>, Failure> {
        let mut query = Query::prefix(Table::Portals, tenant.as_str(), PREFIX);
        let mut standings = Vec::new();
        loop {
            let page = self.store.list(&query).await?;
            for item in &page.items {
                let kept: Kept = item.decode()?;
                let Some(slot) = Slot::of(&item.key.sort) else { continue };
                standings.push(Standing {
                    slot,
                    expires_at: kept.expires_at,
                    renewed_at: kept.renewed_at,
                    dead: kept.dead.map(|dead| dead.why),
                });
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(standings),
            }
        }
    }

    /// A good token: one that somebody else has fetched by now, or a new one. `refused` is the token that the provider did
    /// not take, if it was tried.
    async fn renew(
        &self,
        tenant: &TenantId,
        slot: Slot,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Failure> {
        loop {
            let Some(item) = self.store.get(&slot.key(tenant)).await? else {
                return Err(Failure::permanent("not_connected", format!("{} is not connected any more", slot.name())));
            };
            let kept: Kept = item.decode()?;
            let access = self.open_for(tenant, slot.fields().0, &kept.access).await?;
            let now = self.clock.now();
            let lives = kept.expires_at.is_none_or(|end| now < end);
            let is_other = refused.is_some_and(|refused| refused.expose_secret() != access.expose_secret());
            let is_early = refused.is_none() && kept.expires_at.is_none_or(|end| later(now, EARLY) < end);
            if (is_other && lives) || is_early {
                self.remember(tenant, slot, &access, kept.expires_at);
                return Ok(access);
            }
            let usable = lives && (refused.is_none() || is_other);
            if let Some(dead) = &kept.dead
                && until(dead.since, now) < DEAD_FOR
            {
                return if usable { Ok(access) } else { Err(Failure::reauthorise(dead.why.clone())) };
            }
            if kept.lease.is_some_and(|lease| now < lease) {
                if usable {
                    return Ok(access);
                }
                self.clock.sleep(LOOK).await;
                continue;
            }
            let leased = Kept { lease: Some(later(now, LEASE)), ..kept.clone() };
            match self.store.put(Write::new(item.key.clone(), &leased, Condition::Version(item.version))?).await {
                Ok(version) => {
                    if let Some(token) =
                        self.fetch(tenant, slot, &item, kept, version, usable.then_some(access)).await?
                    {
                        return Ok(token);
                    }
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fetches a new pair under the lease. `None` if somebody authorised anew meanwhile.
    async fn fetch(
        &self,
        tenant: &TenantId,
        slot: Slot,
        item: &Item,
        kept: Kept,
        version: Version,
        usable: Option<SecretString>,
    ) -> Result<Option<SecretString>, Failure> {
        let now = self.clock.now();
        let (next, result) = match self.ask_for_pair(tenant, slot, &kept).await {
            Ok(pair) => {
                let sealed = self.sealed(tenant, slot, &pair).await?;
                // A provider that gives no new refresh token means the old one to stay.
                let refresh = sealed.refresh.clone().or_else(|| kept.refresh.clone());
                let next = Kept { refresh, server: kept.server.clone(), own_app: kept.own_app.clone(), ..sealed };
                tracing::info!(%tenant, slot = slot.name(), "token renewed");
                (next, Ok(pair.access))
            }
            Err(failure) if failure.kind == Kind::Reauthorise => {
                tracing::error!(%tenant, slot = slot.name(), why = failure.text, "the token cannot be renewed; connect again");
                let dead = Some(Dead { since: now, why: failure.text.clone() });
                (Kept { lease: None, dead, ..kept }, usable.ok_or(failure))
            }
            Err(failure) => (Kept { lease: None, ..kept }, usable.ok_or(failure)),
        };
        match self.store.put(Write::new(item.key.clone(), &next, Condition::Version(version))?).await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if let Ok(token) = &result {
            self.remember(tenant, slot, token, next.expires_at);
        }
        result.map(Some)
    }

    async fn ask_for_pair(&self, tenant: &TenantId, slot: Slot, kept: &Kept) -> Result<Pair, Failure> {
        let gone = || {
            Failure::reauthorise(format!("the token of {} has ended and cannot be renewed; connect again", slot.name()))
        };
        let refresh = self.open_for(tenant, slot.fields().1, kept.refresh.as_ref().ok_or_else(gone)?).await?;
        let apps = self.apps().await?;
        let no_app = || {
            Failure::reauthorise(format!(
                "the keys of our {} application are gone from the secret oauth-apps; put them back",
                slot.name()
            ))
        };
        let now = self.clock.now();
        match slot {
            Slot::Portal | Slot::Person(_) => {
                let app = match &kept.own_app {
                    Some(own) => bitrix24::oauth::App {
                        id: own.client_id.clone(),
                        secret: self.open_for(tenant, OWN_SECRET, &own.client_secret).await?,
                    },
                    None => apps.bitrix24.as_ref().ok_or_else(no_app)?.bitrix24(),
                };
                let asked = self.oauth()?.refresh(&kept.server, &app, &refresh).await;
                let tokens = asked.map_err(|error| Failure::of_bitrix24(&error, now).repeatable())?;
                if tokens.member_id != tenant.as_str() {
                    return Err(Failure::reauthorise("the authorization server answered with another portal's token"));
                }
                self.note_endpoint(tenant, &tokens.endpoint).await?;
                Ok(Pair { access: tokens.access, refresh: tokens.refresh, lives: Some(tokens.lives) })
            }
            Slot::Slack => {
                let app = apps.slack.as_ref().ok_or_else(no_app)?.app();
                let asked = slack::oauth::refresh(&self.http()?, &self.slack_api, &app, &refresh).await;
                let grant = asked.map_err(|error| Failure::of_slack(&error, now).repeatable())?;
                Ok(Pair { access: grant.access, refresh: grant.refresh, lives: grant.lives })
            }
            Slot::Notion => {
                let app = apps.notion.as_ref().ok_or_else(no_app)?.notion();
                let asked = notion::oauth::refresh(&self.http()?, &self.notion_api, &app, &refresh).await;
                let grant = asked.map_err(|error| Failure::of_notion(&error, now).repeatable())?;
                Ok(Pair { access: grant.access, refresh: grant.refresh, lives: None })
            }
        }
    }
}
