//! Keys of the API: each belongs to one tenant, has scopes, and is kept only as its digest.

use std::sync::Arc;

use jiff::Timestamp;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{TenantId, random};
use serde::{Deserialize, Serialize};

use crate::portals::TokenDigest;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read the log of events and deliveries.
    Read,
    /// Start syncs and see their progress.
    Sync,
    /// Send deals and contacts.
    Intake,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Sync, Self::Intake];

    /// Its name in settings, pages and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Sync => "sync",
            Self::Intake => "intake",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id, a part of the key itself.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    pub made_at: Timestamp,
    digest: TokenDigest,
}

/// The most keys of a tenant.
pub const MAX_KEYS: usize = 50;
const PREFIX: &str = "api-key#";
/// How every key begins, so that a leaked one is recognised.
pub const MARK: &str = "swb_";

fn place(tenant: &TenantId, id: &str) -> ItemKey {
    ItemKey::new(Table::Portals, tenant.as_str(), format!("{PREFIX}{id}"))
}

/// Makes, finds and revokes keys.
#[derive(Clone)]
pub struct ApiKeys {
    store: Arc<dyn Store>,
}

impl ApiKeys {
    /// The keys in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Makes a key; its text is shown only this once.
    pub async fn make(
        &self,
        tenant: &TenantId,
        name: &str,
        scopes: &[Scope],
        now: Timestamp,
    ) -> Result<(ApiKey, String), StoreError> {
        let id = random::hex()[..12].to_owned();
        let secret = format!("{}{}", random::hex(), random::hex());
        let key = ApiKey {
            id: id.clone(),
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            made_at: now,
            digest: TokenDigest::of(&secret),
        };
        self.store.put(StoreWrite::new(place(tenant, &id), &key, WriteCondition::Absent)?).await?;
        Ok((key, format!("{MARK}{tenant}.{id}.{secret}")))
    }

    /// The tenant of a key, and the key; `None` if it is unknown. One read of the store for any input.
    pub async fn find(&self, given: &str) -> Result<Option<(TenantId, ApiKey)>, StoreError> {
        let parts: Vec<&str> = given.strip_prefix(MARK).unwrap_or_default().split('.').collect();
        let [tenant, id, secret] = parts[..] else { return Ok(None) };
        let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (Ok(tenant), true) = (TenantId::new(tenant), is_id) else { return Ok(None) };
        let given = TokenDigest::of(secret);
        let Some(item) = self.store.get(&place(&tenant, id)).await? else {
            // Takes as long as with an existing key.
            let _ = TokenDigest::nobodys().matches(&given);
            return Ok(None);
        };
        let key: ApiKey = item.decode()?;
        Ok(key.digest.matches(&given).then_some((tenant, key)))
    }

    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let page = self.store.list(&Query::prefix(Table::Portals, tenant.as_str(), PREFIX)).await?;
        page.items.iter().map(runtime::store::StoredItem::decode).collect()
    }

    /// Revokes a key; fine if there is none.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        self.store.delete(&place(tenant, id)).await
    }
}
