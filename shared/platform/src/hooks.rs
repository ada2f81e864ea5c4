//! Where Notion's webhooks arrive: an address of its own for each tenant, and the token that its requests are signed with.
//!
//! Notion tells the token in a first request that proves nothing, for it is signed with the very token. It is taken only
//! while an operator has opened a window for it, and an active token is never replaced from outside: the new one stands
//! beside it until the operator closes the old one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::TenantId;
use crate::clock::later;
use crate::seal::Sealed;
use crate::store::{Condition, Key, Store, StoreError, Table, Write};

/// How long a window stays open.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// An address at which a tenant's webhooks arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Whose it is.
    pub tenant: TenantId,
    /// Until when a token is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// The tokens that requests may be signed with, newest last, sealed as [`crate::portals::NOTION_VERIFICATION`].
    #[serde(default)]
    pub tokens: Vec<Sealed>,
    /// When the last signed event came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// The most tokens that are kept: the active one, and the one of a subscription that is being made.
const MOST_TOKENS: usize = 2;

/// Reads and writes hooks.
#[derive(Clone)]
pub struct Hooks {
    store: Arc<dyn Store>,
}

impl Hooks {
    /// The hooks in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The hook at an address's key.
    pub async fn at(&self, key: &str) -> Result<Option<Hook>, StoreError> {
        self.store.get(&hook_key(key)).await?.map(|item| item.decode()).transpose()
    }

    /// The key of a tenant's address, if it has one.
    pub async fn key_of(&self, tenant: &TenantId) -> Result<Option<String>, StoreError> {
        self.store.get(&own_key(tenant)).await?.map(|item| item.decode()).transpose()
    }

    /// Opens the window of a tenant's address for a token; makes the address, `fresh`, if there is none yet. Returns the
    /// address's key.
    pub async fn open(&self, tenant: &TenantId, fresh: String, now: Timestamp) -> Result<String, StoreError> {
        let key = match self.key_of(tenant).await? {
            Some(key) => key,
            None => {
                self.store.put(Write::new(own_key(tenant), &fresh, Condition::Always)?).await?;
                fresh
            }
        };
        let hook = self.at(&key).await?;
        let tokens = hook.as_ref().map(|hook| hook.tokens.clone()).unwrap_or_default();
        let seen_at = hook.and_then(|hook| hook.seen_at);
        let open = Hook { tenant: tenant.clone(), open_until: Some(later(now, WINDOW)), tokens, seen_at };
        self.store.put(Write::new(hook_key(&key), &open, Condition::Always)?).await?;
        Ok(key)
    }

    /// Takes a token, if the window is open; says whether it was taken.
    pub async fn enrol(&self, key: &str, token: Sealed, now: Timestamp) -> Result<bool, StoreError> {
        let Some(item) = self.store.get(&hook_key(key)).await? else { return Ok(false) };
        let mut hook: Hook = item.decode()?;
        if hook.open_until.is_none_or(|until| until <= now) {
            return Ok(false);
        }
        // One that was told in this window and never used gives way; the active one does not.
        hook.tokens.truncate(MOST_TOKENS - 1);
        hook.tokens.push(token);
        self.store.put(Write::new(item.key, &hook, Condition::Version(item.version))?).await?;
        Ok(true)
    }

    /// Keeps only the newest token: the subscription before it is gone.
    pub async fn close_old(&self, key: &str) -> Result<(), StoreError> {
        let Some(item) = self.store.get(&hook_key(key)).await? else { return Ok(()) };
        let mut hook: Hook = item.decode()?;
        hook.tokens = hook.tokens.pop().into_iter().collect();
        hook.open_until = None;
        self.store.put(Write::new(item.key, &hook, Condition::Version(item.version))?).await.map(|_| ())
    }

    /// Notes that a signed event came, now and then.
    pub async fn note_seen(&self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let Some(item) = self.store.get(&hook_key(key)).await? else { return Ok(()) };
        let hook: Hook = item.decode()?;
        if hook.seen_at.is_none_or(|seen| later(seen, WINDOW) < now) {
            let seen = Hook { seen_at: Some(now), ..hook };
            match self.store.put(Write::new(item.key, &seen, Condition::Version(item.version))?).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The partition of the addresses: no tenant can be called so.
pub const PARTITION: &str = "#hooks";

/// Where the hook at an address lies.
pub fn hook_key(key: &str) -> Key {
    Key::new(Table::Portals, PARTITION, key)
}

fn own_key(tenant: &TenantId) -> Key {
    Key::new(Table::Portals, tenant.as_str(), "notion-hook")
}
