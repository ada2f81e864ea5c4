//! Signing in: with a code that works once, or by what a provider has proven. A session ends by itself.

use std::time::Duration;

use http::HeaderMap;
use platform::clock::later;
use platform::portals::TokenDigest;
use platform::store::{Condition, Key, Store, StoreError, Write};
use platform::{Ports, TenantId};
use serde::{Deserialize, Serialize};

use crate::once::{self, key, secret};

/// How long a code is good.
const CODE_LIVES: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts.
const SESSION_LIVES: Duration = Duration::from_secs(8 * 60 * 60);
const COOKIE: &str = "switchboard_session";

/// A session.
#[derive(Serialize, Deserialize)]
pub struct Session {
    /// Whose pages are shown.
    pub tenant: TenantId,
    /// What every form of the session carries.
    pub token: String,
    #[serde(skip)]
    key: Option<Key>,
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

/// Begins a session with a code; the cookie that keeps it, or `None` if the code is no good.
pub async fn begin(ports: &Ports, code: &str) -> Result<Option<String>, StoreError> {
    match once::take::<TenantId>(ports, "code", code).await? {
        Some(tenant) => start(ports, tenant).await.map(Some),
        None => Ok(None),
    }
}

/// Begins a session for somebody who has proven that they administer the tenant's portal; the cookie that keeps it.
pub async fn start(ports: &Ports, tenant: TenantId) -> Result<String, StoreError> {
    let id = format!("{}{}", secret(), secret());
    let session = Session { tenant, token: format!("{}{}", secret(), secret()), key: None };
    let write = Write::new(key("session", &id), &session, Condition::Absent)?;
    ports.store.put(write.expiring(later(ports.clock.now(), SESSION_LIVES))).await?;
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
        Some(key) => store.delete(key).await,
        None => Ok(()),
    }
}
