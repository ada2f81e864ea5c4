//! Signing in: with a code that works once, or by what a provider has proven. A session ends by itself.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use platform::clock::later;
use platform::portals::TokenDigest;
use platform::store::{Condition, Key, Query, Store, StoreError, Table, Write};
use platform::{Ports, TenantId};
use serde::{Deserialize, Serialize};

use crate::once::{self, key, secret};

/// How long a code is good.
const CODE_LIVES: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts.
const SESSION_LIVES: Duration = Duration::from_secs(8 * 60 * 60);
const COOKIE: &str = "switchboard_session";

/// A session.
///
/// Its cookie is 256 random bits of which only the digest is kept, so there is nothing in it to sign or to forge; it can
/// be taken back at any time, for it is looked up with each request.
#[derive(Serialize, Deserialize)]
pub struct Session {
    /// Whose pages are shown.
    pub tenant: TenantId,
    /// What every form of the session carries.
    pub token: String,
    /// Who signed in, for the audit.
    #[serde(default = "somebody")]
    pub who: String,
    #[serde(skip)]
    key: Option<Key>,
}

fn somebody() -> String {
    "an administrator".into()
}

/// A session in the list of a tenant's sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    /// Who signed in.
    pub who: String,
    /// When.
    pub since: Timestamp,
    /// What names it here; its cookie cannot be told from it.
    pub name: String,
}

impl Session {
    /// Whether a form carries the session's token.
    pub fn is_own_form(&self, token: &str) -> bool {
        TokenDigest::of(token).matches(&TokenDigest::of(&self.token))
    }
}

/// Makes a code with which somebody signs in to a tenant's pages, once, within 15 minutes.
pub async fn new_code(ports: &Ports, tenant: &TenantId) -> Result<String, StoreError> {
    let code = secret();
    once::put(ports, "code", &code, tenant, CODE_LIVES).await?;
    Ok(code)
}

/// Begins a session with a code; the cookie that keeps it and whose pages it shows, or `None` if the code is no good.
pub async fn begin(ports: &Ports, code: &str) -> Result<Option<(String, TenantId)>, StoreError> {
    match once::take::<TenantId>(ports, "code", code).await? {
        Some(tenant) => Ok(Some((start(ports, tenant.clone(), "a one-time code").await?, tenant))),
        None => Ok(None),
    }
}

/// Begins a session for somebody who has proven that they may see the tenant's pages; the cookie that keeps it. `who` they
/// are stands in the audit.
pub async fn start(ports: &Ports, tenant: TenantId, who: &str) -> Result<String, StoreError> {
    let id = format!("{}{}", secret(), secret());
    let (now, place) = (ports.clock.now(), key("session", &id));
    let listed = Listed { who: who.to_owned(), since: now, name: place.sort.clone() };
    let listing = Write::new(listing_key(&tenant, &place.sort), &listed, Condition::Always)?;
    let session = Session { tenant, token: format!("{}{}", secret(), secret()), who: who.to_owned(), key: None };
    let write = Write::new(place, &session, Condition::Absent)?;
    let ends = later(now, SESSION_LIVES);
    ports.store.put_all(vec![write.expiring(ends), listing.expiring(ends)]).await?;
    let seconds = SESSION_LIVES.as_secs();
    // Lax: a person who comes back from a provider is still signed in. Forms carry a token of their own.
    Ok(format!("{COOKIE}={id}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}"))
}

/// The session that a request belongs to, if to any.
pub async fn of(store: &dyn Store, headers: &HeaderMap) -> Result<Option<Session>, StoreError> {
    let Some(id) = crate::cookie(headers, COOKIE) else { return Ok(None) };
    let key = key("session", id);
    let Some(item) = store.get(&key).await? else { return Ok(None) };
    Ok(Some(Session { key: Some(key), ..item.decode()? }))
}

/// Ends a session.
pub async fn end(store: &dyn Store, session: &Session) -> Result<(), StoreError> {
    match &session.key {
        Some(key) => revoke(store, &session.tenant, &key.sort).await,
        None => Ok(()),
    }
}

/// The sessions of a tenant, newest first.
pub async fn list(store: &dyn Store, tenant: &TenantId) -> Result<Vec<Listed>, StoreError> {
    let page = store.list(&Query::prefix(Table::Portals, listing(tenant), "")).await?;
    let mut all = page.items.iter().map(platform::store::Item::decode).collect::<Result<Vec<Listed>, _>>()?;
    all.sort_by_key(|listed| std::cmp::Reverse(listed.since));
    Ok(all)
}

/// Takes a session of a tenant back, by its name in the list; another tenant's is left as it is.
pub async fn revoke(store: &dyn Store, tenant: &TenantId, name: &str) -> Result<(), StoreError> {
    let place = Key::new(Table::Portals, once::PARTITION, name);
    if let Some(item) = store.get(&place).await?
        && item.decode::<Session>().is_ok_and(|session| session.tenant == *tenant)
    {
        store.delete(&place).await?;
    }
    store.delete(&listing_key(tenant, name)).await
}

/// Ends all sessions of a tenant.
pub async fn end_all(store: &dyn Store, tenant: &TenantId) -> Result<(), StoreError> {
    loop {
        // A page at a time: what was ended is not listed any more.
        let all = list(store, tenant).await?;
        if all.is_empty() {
            return Ok(());
        }
        for listed in all {
            revoke(store, tenant, &listed.name).await?;
        }
    }
}

fn listing(tenant: &TenantId) -> String {
    format!("{tenant}#session")
}

fn listing_key(tenant: &TenantId, name: &str) -> Key {
    Key::new(Table::Portals, listing(tenant), name)
}

impl Session {
    /// Its name in the list.
    pub fn name(&self) -> &str {
        self.key.as_ref().map_or("", |key| key.sort.as_str())
    }
}
