//! Sessions: begun by a code that works once, or by what a provider has proven. A session expires, and ends earlier if
//! the provider says that its person no longer administers the tenant.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use runtime::clock::{is_ahead, later, until};
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};
use tenants::administrators::{AdministratorRights, SignInProof};
use tenants::one_time_secrets;
use tenants::one_time_secrets::{key, secret};
use tenants::portals::TokenDigest;

/// How long a code is valid.
const CODE_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts.
const SESSION_TTL: Duration = Duration::from_secs(8 * 60 * 60);
/// After this time a provider is asked again whether the person still administers the tenant.
const RIGHTS_TTL: Duration = Duration::from_secs(15 * 60);
/// While the provider cannot be asked, a session continues this long after the last confirmation.
const MAX_UNCONFIRMED: Duration = Duration::from_secs(60 * 60);
/// A provider that could not be asked is asked again after this time.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);
const COOKIE: &str = "switchboard_session";
/// Who signed in with a code, as the audit has it.
pub const BY_CODE: &str = "a one-time code";

/// A session.
///
/// Its cookie is 256 random bits of which only the digest is kept, so there is nothing in it to sign or to forge; it
/// can be revoked at any time, for it is looked up with each request.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Whose pages are shown.
    pub tenant: TenantId,
    /// What every form of the session carries.
    pub token: String,
    /// Who signed in, for the audit.
    #[serde(default = "somebody")]
    pub who: String,
    /// How they proved that they administer the tenant.
    #[serde(default)]
    pub proof: SignInProof,
    /// When that was last confirmed.
    #[serde(default)]
    confirmed: Option<Timestamp>,
    /// When the provider was last asked in vain.
    #[serde(default)]
    asked: Option<Timestamp>,
    /// When the session ends at the latest.
    #[serde(default)]
    ends: Option<Timestamp>,
    #[serde(skip)]
    place: Option<(ItemKey, Version)>,
}

fn somebody() -> String {
    "an administrator".into()
}

/// A session in the list of a tenant's sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedSession {
    /// Who signed in.
    pub who: String,
    pub since: Timestamp,
    /// Its name in the list; it does not reveal the cookie.
    pub name: String,
}

impl Session {
    /// Whether a form carries the session's token.
    pub fn is_own_form(&self, token: &str) -> bool {
        TokenDigest::of(token).matches(&TokenDigest::of(&self.token))
    }
}

/// Makes a code with which a person signs in to a tenant's pages, once, within 15 minutes.
pub async fn new_code(backend: &Backend, tenant: &TenantId) -> Result<String, StoreError> {
    let code = secret();
    one_time_secrets::put(backend, "code", &code, tenant, CODE_TTL).await?;
    Ok(code)
}

/// Begins a session with a code; returns its cookie and its tenant, or `None` if the code is not valid.
pub async fn begin(backend: &Backend, code: &str) -> Result<Option<(String, TenantId)>, StoreError> {
    match one_time_secrets::take::<TenantId>(backend, "code", code).await? {
        Some(tenant) => Ok(Some((start_with(backend, tenant.clone(), BY_CODE, SignInProof::Operator).await?, tenant))),
        None => Ok(None),
    }
}

/// Begins a session for a person who has proven their right to the tenant's pages in a way that cannot be confirmed
/// again: it lasts an hour. Returns its cookie; `who` is written in the audit.
pub async fn start(backend: &Backend, tenant: TenantId, who: &str) -> Result<String, StoreError> {
    start_with(backend, tenant, who, SignInProof::Once).await
}

/// The same with a proof that is confirmed now and then.
pub async fn start_with(
    backend: &Backend,
    tenant: TenantId,
    who: &str,
    proof: SignInProof,
) -> Result<String, StoreError> {
    let id = format!("{}{}", secret(), secret());
    let (now, place) = (backend.clock.now(), key("session", &id));
    let lives = if proof == SignInProof::Once { MAX_UNCONFIRMED } else { SESSION_TTL };
    let ends = later(now, lives);
    let listed = ListedSession { who: who.to_owned(), since: now, name: place.sort.clone() };
    let listing = StoreWrite::new(listing_key(&tenant, &place.sort), &listed, WriteCondition::Always)?;
    let token = format!("{}{}", secret(), secret());
    let who = who.to_owned();
    let session =
        Session { tenant, token, who, proof, confirmed: Some(now), asked: None, ends: Some(ends), place: None };
    let write = StoreWrite::new(place, &session, WriteCondition::Absent)?;
    backend.store.put_all(vec![write.expiring(ends), listing.expiring(ends)]).await?;
    Ok(crate::cookies::text(COOKIE, &id, lives))
}

/// The session that a request belongs to, if to any.
pub async fn of(store: &dyn Store, headers: &HeaderMap) -> Result<Option<Session>, StoreError> {
    let Some(id) = crate::cookies::cookie(headers, COOKIE) else { return Ok(None) };
    let key = key("session", id);
    let Some(item) = store.get(&key).await? else { return Ok(None) };
    let session = item.decode()?;
    Ok(Some(Session { place: Some((key, item.version)), ..session }))
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its person no longer administers the tenant.
    NoRights,
    /// For an hour nobody could be asked whether they do.
    Unconfirmed,
}

/// The session, unless its person may no longer see the pages. `ask` asks the provider; it is called when the last
/// confirmation is a quarter of an hour old, and at most once a minute while the provider does not answer.
pub async fn confirmed(
    backend: &Backend,
    session: Session,
    ask: impl AsyncFnOnce(&Session) -> AdministratorRights,
) -> Result<Result<Session, SessionEnd>, StoreError> {
    let now = backend.clock.now();
    // One that lasts longer than any session was begun before the clock was set back.
    if session.ends.is_some_and(|ends| !is_ahead(now, ends, SESSION_TTL)) {
        end(backend.store.as_ref(), &session).await?;
        return Ok(Err(SessionEnd::Unconfirmed));
    }
    if !session.is_to_be_confirmed(now) {
        return Ok(Ok(session));
    }
    let rights = if session.may_ask(now) { ask(&session).await } else { AdministratorRights::Unknown };
    match session.after(rights, now) {
        Ok(same) if (same.confirmed, same.asked) == (session.confirmed, session.asked) => Ok(Ok(session)),
        Ok(session) => Ok(Ok(keep(backend, session).await?)),
        Err(ended) => {
            end(backend.store.as_ref(), &session).await?;
            Ok(Err(ended))
        }
    }
}

/// Stores when a session was confirmed, unless it was revoked meanwhile or another request was quicker.
async fn keep(backend: &Backend, session: Session) -> Result<Session, StoreError> {
    let (Some((key, version)), Some(ends)) = (&session.place, session.ends) else { return Ok(session) };
    let write = StoreWrite::new(key.clone(), &session, WriteCondition::Version(*version))?;
    match backend.store.put(write.expiring(ends)).await {
        Ok(_) | Err(StoreError::Conflict(_)) => Ok(session),
        Err(error) => Err(error),
    }
}

pub async fn end(store: &dyn Store, session: &Session) -> Result<(), StoreError> {
    match &session.place {
        Some((key, _)) => revoke(store, &session.tenant, &key.sort).await,
        None => Ok(()),
    }
}

/// The sessions of a tenant, newest first.
pub async fn list(store: &dyn Store, tenant: &TenantId) -> Result<Vec<ListedSession>, StoreError> {
    let page = store.list(&Query::prefix(Table::Portals, listing(tenant), "")).await?;
    let mut all =
        page.items.iter().map(runtime::store::StoredItem::decode).collect::<Result<Vec<ListedSession>, _>>()?;
    all.sort_by_key(|listed| std::cmp::Reverse(listed.since));
    Ok(all)
}

/// Revokes a tenant's session by its name in the list; another tenant's is not touched.
pub async fn revoke(store: &dyn Store, tenant: &TenantId, name: &str) -> Result<(), StoreError> {
    let place = ItemKey::new(Table::Portals, one_time_secrets::PARTITION, name);
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
        // A page at a time: ended sessions are no longer listed.
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

fn listing_key(tenant: &TenantId, name: &str) -> ItemKey {
    ItemKey::new(Table::Portals, listing(tenant), name)
}

impl Session {
    /// Its name in the list.
    pub fn name(&self) -> &str {
        self.place.as_ref().map_or("", |(key, _)| key.sort.as_str())
    }

    /// Whether a provider has to confirm it now. No provider knows a person who signed in with an operator's code.
    fn is_to_be_confirmed(&self, now: Timestamp) -> bool {
        let can_be = matches!(self.proof, SignInProof::Slack { .. } | SignInProof::Portal { .. });
        can_be && self.age(now) >= RIGHTS_TTL
    }

    /// How long ago it was confirmed. A moment in the future counts as zero.
    fn age(&self, now: Timestamp) -> Duration {
        self.confirmed.filter(|confirmed| *confirmed <= now).map_or(Duration::MAX, |confirmed| until(confirmed, now))
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        self.asked.is_none_or(|asked| asked > now || until(asked, now) >= ASK_AGAIN_AFTER)
    }

    /// What follows from a provider's answer.
    fn after(&self, rights: AdministratorRights, now: Timestamp) -> Result<Self, SessionEnd> {
        match rights {
            AdministratorRights::Held => Ok(Self { confirmed: Some(now), asked: None, ..self.clone() }),
            AdministratorRights::Ended => Err(SessionEnd::NoRights),
            AdministratorRights::Unknown if self.age(now) >= MAX_UNCONFIRMED => Err(SessionEnd::Unconfirmed),
            AdministratorRights::Unknown if self.may_ask(now) => Ok(Self { asked: Some(now), ..self.clone() }),
            AdministratorRights::Unknown => Ok(self.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn session(proof: SignInProof) -> Session {
        let old = r#"{"tenant": "member1", "token": "t"}"#;
        Session { proof, confirmed: Some(at(0)), ..serde_json::from_str(old).unwrap() }
    }

    #[test]
    fn a_session_of_an_earlier_version_is_read_and_ends_by_itself() {
        let old: Session = serde_json::from_str(r#"{"tenant": "member1", "token": "t", "who": "Ann"}"#).unwrap();
        assert_eq!((old.who.as_str(), &old.proof), ("Ann", &SignInProof::Operator));
        assert!(!old.is_to_be_confirmed(at(1_000_000)));
    }

    #[test]
    fn a_provider_is_asked_after_a_quarter_of_an_hour_and_what_it_says_counts() {
        let session = session(SignInProof::Portal { user: 1 });
        assert!(!session.is_to_be_confirmed(at(899)) && session.is_to_be_confirmed(at(900)));
        assert!(session.is_to_be_confirmed(at(-1)), "a moment that is still to come counts as none");
        let held = session.after(AdministratorRights::Held, at(900)).ok().unwrap();
        assert!(!held.is_to_be_confirmed(at(1799)) && held.is_to_be_confirmed(at(1800)));
        assert_eq!(session.after(AdministratorRights::Ended, at(900)).err(), Some(SessionEnd::NoRights));
    }

    #[test]
    fn while_it_does_not_answer_it_is_asked_once_a_minute_for_an_hour() {
        let session = session(SignInProof::Slack { user: "U1".into(), organisation: None });
        let asked = session.after(AdministratorRights::Unknown, at(900)).ok().unwrap();
        assert!(asked.is_to_be_confirmed(at(959)) && !asked.may_ask(at(959)) && asked.may_ask(at(960)));
        assert!(asked.after(AdministratorRights::Unknown, at(3599)).is_ok());
        assert_eq!(asked.after(AdministratorRights::Unknown, at(3600)).err(), Some(SessionEnd::Unconfirmed));
        assert!(asked.after(AdministratorRights::Held, at(3600)).is_ok());
    }
}
