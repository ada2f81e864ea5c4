//! Signing in: a code that works once, and a session that ends by itself. Both are kept as digests only.

use std::time::Duration;

use http::HeaderMap;
use platform::clock::later;
use platform::portals::TokenDigest;
use platform::store::{Condition, Key, Store, StoreError, Table, Write};
use platform::{DeliveryId, Ports, TenantId};
use serde::{Deserialize, Serialize};

/// How long a code is good.
const CODE_LIVES: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts.
const SESSION_LIVES: Duration = Duration::from_secs(8 * 60 * 60);
const COOKIE: &str = "switchboard_admin";

/// A session.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    /// Whose pages are shown.
    pub(crate) tenant: TenantId,
    /// What every form of the session carries.
    pub(crate) token: String,
    #[serde(skip)]
    key: Option<Key>,
}

impl Session {
    /// Whether a form carries the session's token.
    pub(crate) fn is_own_form(&self, token: &str) -> bool {
        TokenDigest::of(token).matches(&TokenDigest::of(&self.token))
    }
}

fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// A secret's place. What is stored does not tell the secret.
fn key(kind: &str, secret: &str) -> Key {
    let digest = DeliveryId::of(&["admin", kind, secret]);
    Key::new(Table::Portals, "#admin", format!("{kind}#{digest}"))
}

/// Makes a code with which somebody signs in to a tenant's pages, once, within 15 minutes.
pub async fn new_code(ports: &Ports, tenant: &TenantId) -> Result<String, StoreError> {
    let code = uuid::Uuid::new_v4().simple().to_string();
    let write = Write::new(key("code", &code), tenant, Condition::Absent)?;
    ports.store.put(write.expiring(later(ports.clock.now(), CODE_LIVES))).await?;
    Ok(code)
}

/// Begins a session with a code; the cookie that keeps it, or `None` if the code is no good.
pub(crate) async fn begin(ports: &Ports, code: &str) -> Result<Option<String>, StoreError> {
    let key_of_code = key("code", code);
    let Some(item) = ports.store.get(&key_of_code).await? else { return Ok(None) };
    let tenant: TenantId = item.decode()?;
    // Whoever writes over it first has it; a code that comes twice at once works once.
    let used = Write::new(key_of_code.clone(), &"used", Condition::Version(item.version))?;
    match ports.store.put(used.expiring(later(ports.clock.now(), CODE_LIVES))).await {
        Ok(_) => ports.store.delete(&key_of_code).await?,
        Err(StoreError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let id = secret();
    let session = Session { tenant, token: secret(), key: None };
    let write = Write::new(key("session", &id), &session, Condition::Absent)?;
    ports.store.put(write.expiring(later(ports.clock.now(), SESSION_LIVES))).await?;
    let seconds = SESSION_LIVES.as_secs();
    Ok(Some(format!("{COOKIE}={id}; HttpOnly; SameSite=Strict; Path=/admin; Max-Age={seconds}")))
}

/// The session that a request belongs to, if to any.
pub(crate) async fn of(store: &dyn Store, headers: &HeaderMap) -> Result<Option<Session>, StoreError> {
    let cookies = headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    let id = pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let Some(id) = id else { return Ok(None) };
    let key = key("session", id);
    let Some(item) = store.get(&key).await? else { return Ok(None) };
    Ok(Some(Session { key: Some(key), ..item.decode()? }))
}

/// Ends a session.
pub(crate) async fn end(store: &dyn Store, session: &Session) -> Result<(), StoreError> {
    match &session.key {
        Some(key) => store.delete(key).await,
        None => Ok(()),
    }
}
