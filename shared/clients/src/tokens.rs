//! Tokens that expire: kept sealed, renewed before they expire, by one worker at a time.
//!
//! A token is renewed when it is needed and has expired or is about to; never by a timer, for the vendor blocks
//! applications that do so. The renewing worker holds a lease in the store; the others use the old token while it is
//! valid, or wait for the new one. Only the functions that may read an application's keys renew; a worker asks one of
//! them (`renewal`). A refresh token that a provider rejects is dead only if nobody else has renewed the pair
//! meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{is_ahead, is_recent, later, until};
use runtime::seal::{KeyRing, Sealed};
use runtime::store::{ItemKey, Query, StoreError, StoreWrite, StoredItem, Table, Version, WriteCondition};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenants::portals::{NOTION_TOKEN, PORTAL_TOKEN, SLACK_BOT_TOKEN};
use wire::{AppKeys, ErrorClass};

use crate::{ConnectionSide, Connections, Failure, RenewalAnswer, RenewalRequest};

/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long a worker may take to renew one.
const LEASE: Duration = Duration::from_secs(60);
/// How long a new pair that could not be stored is tried again: within the lease, for the old pair no longer works.
const MAX_KEEPING: Duration = Duration::from_secs(20);
/// The pause between those tries.
const KEEPING_PAUSE: Duration = Duration::from_secs(1);
/// How often waiting workers check.
const LOOK: Duration = Duration::from_millis(200);
/// When a token that the provider rejected is tried again, for a subscription may be paid again; twice as long after
/// each try.
const DEAD_FOR: Duration = Duration::from_secs(60 * 60);
/// The longest time between tries.
const MAX_DEAD_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a process uses a token that it has seen.
const SEEN_TTL: Duration = Duration::from_secs(60);
/// How many are remembered in a process.
const MAX_CACHED: usize = 1_000;
/// A pair that was unused this long is renewed once, for refresh tokens expire: Bitrix24's after 180 days. It is the
/// only renewal that no call needs; one in three months is far from a timer.
pub const IDLE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What a token gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSlot {
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
/// The suffix of the partitions with the keys of portals' own applications. `template.yaml` denies them to workers.
const APPS_PARTITION: &str = "#apps";

impl TokenSlot {
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

    /// The fields under which its access and its refresh token are sealed.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Self::Portal | Self::Person(_) => (PORTAL_TOKEN, "portal-refresh-token"),
            Self::Slack => (SLACK_BOT_TOKEN, "slack-refresh-token"),
            Self::Notion => (NOTION_TOKEN, "notion-refresh-token"),
        }
    }

    fn key(self, tenant: &TenantId) -> ItemKey {
        ItemKey::new(Table::Portals, tenant.as_str(), self.sort())
    }

    /// The item with the keys of a portal's own application that renew the pair: in a partition that workers may not
    /// read.
    fn app_key(self, tenant: &TenantId) -> ItemKey {
        ItemKey::new(Table::Portals, format!("{tenant}{APPS_PARTITION}"), self.sort())
    }

    /// The side whose credentials it is; none for a person's own access.
    fn side(self) -> Option<ConnectionSide> {
        match self {
            Self::Portal => Some(ConnectionSide::Bitrix24),
            Self::Slack => Some(ConnectionSide::Slack),
            Self::Notion => Some(ConnectionSide::Notion),
            Self::Person(_) => None,
        }
    }

    /// The slot of a side's credentials.
    pub(crate) fn of_side(side: ConnectionSide) -> Self {
        match side {
            ConnectionSide::Bitrix24 => Self::Portal,
            ConnectionSide::Slack => Self::Slack,
            ConnectionSide::Notion => Self::Notion,
        }
    }

    /// Its name for people.
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

/// A pair of tokens as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredTokens {
    access: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Sealed>,
    /// When the access token expires, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    renewed_at: Timestamp,
    /// The authorization server, if there are several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    server: String,
    /// Whether the pair belongs to the portal's own application, whose keys are stored separately.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_own_app: bool,
    /// Where earlier versions kept those keys; the next renewal moves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_app: Option<OwnApp>,
    /// The end of the lease of the worker that renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Timestamp>,
    /// Since when, and why, it cannot be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead: Option<Dead>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Dead {
    /// When it was last tried.
    since: Timestamp,
    why: String,
    /// How often it was tried.
    #[serde(default)]
    tries: u32,
}

impl Dead {
    /// Whether it is not tried at `now`.
    fn rests(&self, now: Timestamp) -> bool {
        let pause = DEAD_FOR.saturating_mul(1 << self.tries.saturating_sub(1).min(8)).min(MAX_DEAD_FOR);
        is_recent(now, self.since, pause)
    }
}

impl StoredTokens {
    /// Whether a worker renews it at `now`.
    fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|lease| is_ahead(now, lease, LEASE))
    }

    /// Why it cannot be renewed, if that was found a short while ago.
    fn refusal(&self, now: Timestamp) -> Option<RenewalAnswer> {
        let dead = self.dead.as_ref().filter(|dead| dead.rests(now))?;
        Some(RenewalAnswer::Failed(Failure::reauthorise(dead.why.clone())))
    }

    /// Whether its access token has more than some minutes left.
    fn has_time_left(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| later(now, EARLY) < end)
    }
}

/// A pair of tokens to store.
pub(crate) struct TokenPair {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) lives: Option<Duration>,
}

/// A pair as a provider has just renewed it.
struct FetchedPair {
    pair: TokenPair,
    /// The portal's address, if the provider names it.
    endpoint: Option<String>,
}

/// The state of a token, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenState {
    /// What it gives access to.
    pub slot: TokenSlot,
    /// When the access token expires, if known.
    pub expires_at: Option<Timestamp>,
    /// When it was last renewed.
    pub renewed_at: Timestamp,
    /// Why it cannot be renewed, if it cannot.
    pub dead: Option<String>,
}

/// Tokens as this process last saw them.
#[derive(Clone, Default)]
pub(crate) struct SeenTokens(Arc<Mutex<HashMap<(TenantId, TokenSlot), (SecretString, Timestamp)>>>);

impl SeenTokens {
    fn get(&self, tenant: &TenantId, slot: TokenSlot, now: Timestamp) -> Option<SecretString> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, good_until) = seen.get(&(tenant.clone(), slot))?;
        is_ahead(now, *good_until, SEEN_TTL).then(|| token.clone())
    }

    fn put(&self, tenant: &TenantId, slot: TokenSlot, token: &SecretString, good_until: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_CACHED {
            seen.clear();
        }
        seen.insert((tenant.clone(), slot), (token.clone(), good_until));
    }

    fn forget(&self, tenant: &TenantId, slot: TokenSlot) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), slot));
    }
}

impl Connections {
    /// Stores a new pair over any earlier one.
    pub(crate) async fn keep_tokens(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        pair: &TokenPair,
        server: &str,
        own_app: Option<&AppKeys>,
    ) -> Result<(), Failure> {
        let sealed = self.sealed(&*self.key_ring().await?, tenant, slot, pair)?;
        let kept = StoredTokens { server: server.to_owned(), by_own_app: own_app.is_some(), ..sealed };
        let write = StoreWrite::new(slot.key(tenant), &kept, WriteCondition::Always)?;
        match own_app {
            Some(app) => {
                let client_secret = self.seal(tenant, OWN_SECRET, &app.client_secret).await?;
                let own = OwnApp { client_id: app.client_id.clone(), client_secret };
                let keys = StoreWrite::new(slot.app_key(tenant), &own, WriteCondition::Always)?;
                self.store.put_all(vec![keys, write]).await?;
            }
            None => self.store.put(write).await.map(|_| ())?,
        }
        self.seen.forget(tenant, slot);
        Ok(())
    }

    fn sealed(
        &self,
        ring: &KeyRing,
        tenant: &TenantId,
        slot: TokenSlot,
        pair: &TokenPair,
    ) -> Result<StoredTokens, Failure> {
        let (access, refresh) = slot.fields();
        let now = self.clock.now();
        let seal =
            |field, secret| ring.seal(tenant, field, secret).map_err(|error| Failure::transient(error.to_string()));
        Ok(StoredTokens {
            access: seal(access, &pair.access)?,
            refresh: pair.refresh.as_ref().map(|token| seal(refresh, token)).transpose()?,
            expires_at: pair.lives.map(|lives| later(now, lives)),
            renewed_at: now,
            server: String::new(),
            by_own_app: false,
            own_app: None,
            lease: None,
            dead: None,
        })
    }

    /// Forgets a pair; fine if there is none.
    pub(crate) async fn drop_tokens(&self, tenant: &TenantId, slot: TokenSlot) -> Result<(), Failure> {
        self.seen.forget(tenant, slot);
        Ok(self.store.delete(&slot.key(tenant)).await?)
    }

    /// Forgets people's own access to the portal.
    pub(crate) async fn drop_grants(&self, tenant: &TenantId) -> Result<(), Failure> {
        for standing in self.token_standings(tenant).await? {
            if let TokenSlot::Person(_) = standing.slot {
                self.drop_tokens(tenant, standing.slot).await?;
            }
        }
        Ok(())
    }

    /// A token that is valid for some minutes at least, or the best there is; `None` if none is stored.
    pub(crate) async fn token(&self, tenant: &TenantId, slot: TokenSlot) -> Result<Option<SecretString>, Failure> {
        if let Some(token) = self.seen.get(tenant, slot, self.clock.now()) {
            return Ok(Some(token));
        }
        let Some(item) = self.store.get(&slot.key(tenant)).await? else { return Ok(None) };
        let kept: StoredTokens = item.decode()?;
        let access = self.open_for(tenant, slot.fields().0, &kept.access).await?;
        let now = self.clock.now();
        match kept.expires_at {
            Some(_) if kept.refresh.is_some() && !kept.has_time_left(now) => {
                self.renew(tenant, slot, None).await.map(Some)
            }
            end => {
                self.remember(tenant, slot, &access, end);
                Ok(Some(access))
            }
        }
    }

    fn remember(&self, tenant: &TenantId, slot: TokenSlot, token: &SecretString, end: Option<Timestamp>) {
        let now = self.clock.now();
        // No longer than a portal's record is cached: it may have been authorised again.
        let fresh = later(now, SEEN_TTL);
        let good_until = end.map_or(fresh, |end| fresh.min(end - jiff::SignedDuration::from_secs(300)));
        self.seen.put(tenant, slot, token, good_until);
    }

    /// Whether another token is stored than the one that this process has seen and uses; that one is forgotten.
    pub(crate) async fn has_newer_token(&self, tenant: &TenantId, slot: TokenSlot) -> Result<bool, Failure> {
        let Some(seen) = self.seen.get(tenant, slot, self.clock.now()) else { return Ok(false) };
        let Some(item) = self.store.get(&slot.key(tenant)).await? else { return Ok(false) };
        let access = self.open_for(tenant, slot.fields().0, &item.decode::<StoredTokens>()?.access).await?;
        let is_newer = access.expose_secret() != seen.expose_secret();
        if is_newer {
            self.seen.forget(tenant, slot);
        }
        Ok(is_newer)
    }

    /// A token to replace `used`, which the provider rejected.
    pub(crate) async fn token_after(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        used: &SecretString,
    ) -> Result<SecretString, Failure> {
        self.seen.forget(tenant, slot);
        self.renew(tenant, slot, Some(used)).await
    }

    /// Renews a pair that was unused for long, or that was given up; returns whether it did.
    pub async fn renew_if_idle(&self, tenant: &TenantId, slot: TokenSlot) -> Result<bool, Failure> {
        let Some(item) = self.store.get(&slot.key(tenant)).await? else { return Ok(false) };
        let kept: StoredTokens = item.decode()?;
        let now = self.clock.now();
        let idle = until(kept.renewed_at, now) >= IDLE;
        let again = kept.dead.as_ref().is_some_and(|dead| !dead.rests(now));
        if kept.refresh.is_none() || !(idle || again) {
            return Ok(false);
        }
        let used = self.open_for(tenant, slot.fields().0, &kept.access).await?;
        self.renew(tenant, slot, Some(&used)).await.map(|_| true)
    }

    /// The authorization server of a renewed token.
    pub(crate) async fn token_server(&self, tenant: &TenantId, slot: TokenSlot) -> Result<Option<String>, Failure> {
        let item = self.store.get(&slot.key(tenant)).await?;
        Ok(item.map(|item| item.decode::<StoredTokens>()).transpose()?.map(|kept| kept.server))
    }

    /// The keys of the local application that the tenant's portal is connected by, if it is.
    pub(crate) async fn own_app(&self, tenant: &TenantId) -> Result<Option<AppKeys>, Failure> {
        let Some(item) = self.store.get(&TokenSlot::Portal.key(tenant)).await? else { return Ok(None) };
        self.own_app_of(tenant, TokenSlot::Portal, &item.decode()?).await
    }

    async fn own_app_of(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        kept: &StoredTokens,
    ) -> Result<Option<AppKeys>, Failure> {
        let own = match &kept.own_app {
            Some(own) => own.clone(),
            None if kept.by_own_app => {
                let missing =
                    || Failure::reauthorise("the keys of the portal's own application are gone; connect again");
                self.store.get(&slot.app_key(tenant)).await?.ok_or_else(missing)?.decode()?
            }
            None => return Ok(None),
        };
        let client_secret = self.open_for(tenant, OWN_SECRET, &own.client_secret).await?;
        Ok(Some(AppKeys { client_id: own.client_id, client_secret }))
    }

    /// The states of a tenant's tokens.
    pub async fn token_standings(&self, tenant: &TenantId) -> Result<Vec<TokenState>, Failure> {
        let mut query = Query::prefix(Table::Portals, tenant.as_str(), PREFIX);
        let mut standings = Vec::new();
        loop {
            let page = self.store.list(&query).await?;
            for item in &page.items {
                let kept: StoredTokens = item.decode()?;
                let Some(slot) = TokenSlot::of(&item.key.sort) else { continue };
                standings.push(TokenState {
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

    /// A valid token: one that another worker has fetched by now, or a new one. `refused` is the token that the
    /// provider rejected, if it was tried.
    async fn renew(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Failure> {
        loop {
            let (item, kept) = self.kept(tenant, slot).await?;
            let access = self.open_for(tenant, slot.fields().0, &kept.access).await?;
            let now = self.clock.now();
            let lives = kept.expires_at.is_none_or(|end| now < end);
            let is_other = refused.is_some_and(|refused| refused.expose_secret() != access.expose_secret());
            if (is_other && lives) || (refused.is_none() && kept.has_time_left(now)) {
                self.remember(tenant, slot, &access, kept.expires_at);
                return Ok(access);
            }
            let is_refused = refused.is_some() && !is_other;
            let usable = lives && !is_refused;
            let answer = match kept.refusal(now) {
                Some(refusal) => refusal,
                None if kept.is_leased(now) => RenewalAnswer::Busy,
                None => {
                    let (tenant, version) = (tenant.clone(), item.version);
                    self.ask_to_renew(&RenewalRequest { tenant, slot, version, refused: is_refused }).await
                }
            };
            match answer {
                RenewalAnswer::Good => return self.read_back(tenant, slot).await,
                RenewalAnswer::Changed => {}
                RenewalAnswer::Busy | RenewalAnswer::Failed(_) if usable => return Ok(access),
                RenewalAnswer::Busy => self.clock.sleep(LOOK).await,
                RenewalAnswer::Failed(failure) => return Err(failure),
            }
        }
    }

    async fn kept(&self, tenant: &TenantId, slot: TokenSlot) -> Result<(StoredItem, StoredTokens), Failure> {
        let gone = || Failure::permanent("not_connected", format!("{} is not connected any more", slot.name()));
        let item = self.store.get(&slot.key(tenant)).await?.ok_or_else(gone)?;
        let kept = item.decode()?;
        Ok((item, kept))
    }

    /// The token that was renewed.
    async fn read_back(&self, tenant: &TenantId, slot: TokenSlot) -> Result<SecretString, Failure> {
        let (_, kept) = self.kept(tenant, slot).await?;
        let access = self.open_for(tenant, slot.fields().0, &kept.access).await?;
        self.remember(tenant, slot, &access, kept.expires_at);
        Ok(access)
    }

    /// Renews a pair here, with the keys of its application, unless that is not needed or another worker does. It waits
    /// only for the provider.
    pub async fn renew_pair(&self, request: &RenewalRequest) -> RenewalAnswer {
        // Rare and large: every call's future would carry it.
        Box::pin(self.try_to_renew(request)).await.unwrap_or_else(RenewalAnswer::Failed)
    }

    async fn try_to_renew(&self, request: &RenewalRequest) -> Result<RenewalAnswer, Failure> {
        let (item, kept) = self.kept(&request.tenant, request.slot).await?;
        let now = self.clock.now();
        if item.version != request.version {
            return Ok(if kept.is_leased(now) { RenewalAnswer::Busy } else { RenewalAnswer::Changed });
        }
        if let Some(refusal) = kept.refusal(now) {
            return Ok(refusal);
        }
        if kept.is_leased(now) {
            return Ok(RenewalAnswer::Busy);
        }
        if !request.refused && kept.has_time_left(now) {
            return Ok(RenewalAnswer::Good);
        }
        // Without the keys nobody is asked, and nothing is concluded.
        let app = match kept.refresh {
            Some(_) => Some(self.app_for(&request.tenant, request.slot, &kept).await?),
            None => None,
        };
        // Once a provider has replaced a pair, only the store is needed to keep the new one.
        let ring = self.key_ring().await?;
        let leased = StoredTokens { lease: Some(later(now, LEASE)), ..kept.clone() };
        match self.store.put(StoreWrite::new(item.key.clone(), &leased, WriteCondition::Version(item.version))?).await {
            Ok(version) => self.fetch(request, app.as_ref(), &ring, kept, version).await,
            Err(StoreError::Conflict(_)) => Ok(RenewalAnswer::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches a new pair under the lease.
    async fn fetch(
        &self,
        request: &RenewalRequest,
        app: Option<&AppKeys>,
        ring: &KeyRing,
        kept: StoredTokens,
        version: Version,
    ) -> Result<RenewalAnswer, Failure> {
        let (tenant, slot) = (&request.tenant, request.slot);
        let used = kept.clone();
        let was_dead = slot.side().filter(|_| kept.dead.is_some());
        let mut endpoint = None;
        let (next, answer) = match self.ask_for_pair(tenant, slot, app, &kept).await {
            Ok(fetched) => {
                endpoint = fetched.endpoint;
                let sealed = self.sealed(ring, tenant, slot, &fetched.pair)?;
                // A provider that returns no new refresh token means the old one to be kept.
                let refresh = sealed.refresh.clone().or_else(|| kept.refresh.clone());
                let next = StoredTokens { refresh, server: kept.server.clone(), by_own_app: kept.by_own_app, ..sealed };
                tracing::info!(%tenant, slot = slot.name(), "token renewed");
                (next, RenewalAnswer::Good)
            }
            Err(failure) if failure.class == ErrorClass::Reauthorise => {
                tracing::error!(%tenant, slot = slot.name(), why = failure.text, "the token cannot be renewed; connect again");
                let tries = kept.dead.as_ref().map_or(0, |dead| dead.tries).saturating_add(1);
                let dead = Some(Dead { since: self.clock.now(), why: failure.text.clone(), tries });
                (StoredTokens { dead, ..kept }, RenewalAnswer::Failed(failure))
            }
            Err(failure) => (kept, RenewalAnswer::Failed(failure)),
        };
        let by_own_app = next.by_own_app || used.own_app.is_some();
        let next = StoredTokens { lease: None, by_own_app, own_app: None, ..next };
        if !self.keep_renewed(request, &used, &next, version).await? {
            return Ok(RenewalAnswer::Changed);
        }
        if let (RenewalAnswer::Good, Some(side)) = (&answer, was_dead) {
            self.resume(tenant, side).await?;
        }
        if let Some(endpoint) = endpoint {
            self.note_endpoint(tenant, &endpoint).await;
        }
        Ok(answer)
    }

    /// Writes the pair `next` over the one that was `used`; false if another pair is stored meanwhile. A new pair cannot
    /// be fetched a second time: its write is tried again while the lease lasts.
    async fn keep_renewed(
        &self,
        request: &RenewalRequest,
        used: &StoredTokens,
        next: &StoredTokens,
        mut version: Version,
    ) -> Result<bool, Failure> {
        let (tenant, slot) = (&request.tenant, request.slot);
        let end = later(self.clock.now(), MAX_KEEPING);
        loop {
            let failure = match self.write_renewed(tenant, slot, used, next, version).await {
                Ok(()) => return Ok(true),
                // Another pair, or this one sealed with another key, or our own write whose answer was lost.
                Err(StoreError::Conflict(_)) => match self.kept(tenant, slot).await {
                    Ok((item, kept))
                        if kept.lease.is_some() && self.is_same_pair(tenant, slot, &kept, used).await? =>
                    {
                        version = item.version;
                        continue;
                    }
                    Ok((_, kept)) => return self.is_same_pair(tenant, slot, &kept, next).await,
                    Err(failure) if failure.class == ErrorClass::Transient => failure,
                    _ => return Ok(false),
                },
                Err(error) => error.into(),
            };
            if failure.class != ErrorClass::Transient || self.clock.now() >= end {
                return Err(failure);
            }
            tracing::warn!(%tenant, slot = slot.name(), why = failure.text, "a renewed token could not be stored; it is tried again");
            self.clock.sleep(KEEPING_PAUSE).await;
        }
    }

    async fn write_renewed(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        used: &StoredTokens,
        next: &StoredTokens,
        version: Version,
    ) -> Result<(), StoreError> {
        let write = StoreWrite::new(slot.key(tenant), next, WriteCondition::Version(version))?;
        match &used.own_app {
            Some(keys) => {
                let keys = StoreWrite::new(slot.app_key(tenant), keys, WriteCondition::Always)?;
                self.store.put_all(vec![keys, write]).await
            }
            None => self.store.put(write).await.map(|_| ()),
        }
    }

    /// Whether two stored pairs are the same tokens, whatever key they are sealed with.
    async fn is_same_pair(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        one: &StoredTokens,
        other: &StoredTokens,
    ) -> Result<bool, Failure> {
        let (access, refresh) = slot.fields();
        let open = async |field, sealed: Option<&Sealed>| match sealed {
            Some(sealed) => self.open_for(tenant, field, sealed).await.map(Some),
            None => Ok(None),
        };
        for (field, one, other) in
            [(access, Some(&one.access), Some(&other.access)), (refresh, one.refresh.as_ref(), other.refresh.as_ref())]
        {
            let (one, other) = (open(field, one).await?, open(field, other).await?);
            if one.as_ref().map(ExposeSecret::expose_secret) != other.as_ref().map(ExposeSecret::expose_secret) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The application that renews a pair.
    async fn app_for(&self, tenant: &TenantId, slot: TokenSlot, kept: &StoredTokens) -> Result<AppKeys, Failure> {
        if let Some(own) = self.own_app_of(tenant, slot, kept).await? {
            return Ok(own);
        }
        let apps = self.apps().await?;
        let found = match slot {
            TokenSlot::Portal | TokenSlot::Person(_) => apps.bitrix24,
            TokenSlot::Slack => apps.slack.map(|app| app.app()),
            TokenSlot::Notion => apps.notion,
        };
        found.ok_or_else(|| {
            Failure::reauthorise(format!(
                "the keys of our {} application are gone from the secret oauth-apps; put them back",
                slot.name()
            ))
        })
    }

    async fn ask_for_pair(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        app: Option<&AppKeys>,
        kept: &StoredTokens,
    ) -> Result<FetchedPair, Failure> {
        let (Some(app), Some(refresh)) = (app, &kept.refresh) else {
            let text = format!("the token of {} has ended and cannot be renewed; connect again", slot.name());
            return Err(Failure::reauthorise(text));
        };
        let refresh = self.open_for(tenant, slot.fields().1, refresh).await?;
        let now = self.clock.now();
        match slot {
            TokenSlot::Portal | TokenSlot::Person(_) => {
                let asked = self.oauth()?.refresh(&kept.server, app, &refresh).await;
                let tokens = asked.map_err(|error| Failure::of_bitrix24(&error, now).repeatable())?;
                if tokens.member_id != tenant.as_str() {
                    return Err(Failure::reauthorise("the authorization server answered with another portal's token"));
                }
                let pair = TokenPair { access: tokens.access, refresh: tokens.refresh, lives: Some(tokens.lives) };
                Ok(FetchedPair { pair, endpoint: Some(tokens.endpoint) })
            }
            TokenSlot::Slack => {
                let asked = slack::oauth::refresh(&self.http()?, &self.slack_api, app, &refresh).await;
                let grant = asked.map_err(|error| Failure::of_slack(&error, now).repeatable())?;
                let pair = TokenPair { access: grant.access, refresh: grant.refresh, lives: grant.lives };
                Ok(FetchedPair { pair, endpoint: None })
            }
            TokenSlot::Notion => {
                let asked = notion::oauth::refresh(&self.http()?, &self.notion_api, app, &refresh).await;
                let grant = asked.map_err(|error| Failure::of_notion(&error, now).repeatable())?;
                let pair = TokenPair { access: grant.access, refresh: grant.refresh, lives: None };
                Ok(FetchedPair { pair, endpoint: None })
            }
        }
    }
}
