//! Where Notion's webhooks arrive: an address for each tenant, and the tokens that sign its requests.
//!
//! The address's key is stored as its digest; the tenant's own entry keeps a sealed copy, for the page that shows it. A
//! subscription's first request carries its token and is signed with that very token, so it proves nothing. It is
//! accepted while an operator has opened a window, and waits as *pending* until an event of the tenant's workspace is
//! signed with it. A pending token is never dropped for another one: anyone else who knows the address can fill the
//! list, but cannot push the right token out.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{is_ahead, is_recent, later};
use runtime::seal::Sealed;
use runtime::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a window is open.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The field of the sealed key of an address.
pub const ADDRESS_KEY: &str = "notion-hook-key";
/// The most tokens that wait for their first event; more are refused until the operator makes a new address.
pub const MAX_PENDING: usize = 20;
/// The most active tokens: of the subscription in use, and of those that replace it one after another.
pub const MAX_ACTIVE: usize = 4;

/// An address at which a tenant's webhooks arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Whose it is.
    pub tenant: TenantId,
    /// The workspace whose events activate a pending token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Until when tokens are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// The tokens that events are signed with, newest last, sealed as [`crate::portals::NOTION_VERIFICATION`].
    #[serde(default)]
    pub tokens: Vec<Sealed>,
    /// Tokens that arrived in a window and have signed no event yet, newest last, sealed like the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Sealed>,
    /// When the last signed event arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

impl Hook {
    /// Whether tokens are accepted at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open_until.is_some_and(|until| is_ahead(now, until, WINDOW))
    }
}

/// What happened to a token that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    Pending,
    /// No window is open.
    Closed,
    /// Too many are pending.
    Full,
}

/// The tenant's own entry: its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Address {
    /// An address that an earlier version stored in plain text.
    Plain(String),
    /// The digest of the address's key, and the key sealed as [`ADDRESS_KEY`].
    Sealed {
        /// What names the hook.
        digest: String,
        key: Sealed,
    },
}

impl Address {
    /// The address with this key.
    pub fn new(key: &str, sealed: Sealed) -> Self {
        Self::Sealed { digest: digest(key), key: sealed }
    }

    /// The key of its hook.
    pub fn place(&self) -> ItemKey {
        match self {
            Self::Plain(key) => ItemKey::new(Table::Portals, PLAIN_PARTITION, key),
            Self::Sealed { digest, .. } => ItemKey::new(Table::Portals, PARTITION, digest),
        }
    }
}

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

    /// The hook at an address's key, and its place. The address of an earlier version is looked for in a second read,
    /// until its first event has moved it.
    pub async fn at(&self, key: &str) -> Result<Option<(ItemKey, Hook)>, StoreError> {
        for place in [hook_key(key), ItemKey::new(Table::Portals, PLAIN_PARTITION, key)] {
            if let Some(hook) = self.read(&place).await? {
                return Ok(Some((place, hook)));
            }
        }
        Ok(None)
    }

    pub async fn read(&self, place: &ItemKey) -> Result<Option<Hook>, StoreError> {
        self.store.get(place).await?.map(|item| item.decode()).transpose()
    }

    /// A tenant's address, if it has one.
    pub async fn address(&self, tenant: &TenantId) -> Result<Option<Address>, StoreError> {
        self.store.get(&own_key(tenant)).await?.map(|item| item.decode()).transpose()
    }

    /// Gives a tenant an address. The hook of the old address moves to it if `carry`; otherwise the old address ends
    /// here.
    pub async fn set_address(&self, tenant: &TenantId, address: &Address, carry: bool) -> Result<(), StoreError> {
        let before = self.address(tenant).await?.map(|before| before.place());
        let hook = match &before {
            Some(place) if carry => self.read(place).await?,
            _ => None,
        };
        let empty = Hook {
            tenant: tenant.clone(),
            workspace: None,
            open_until: None,
            tokens: vec![],
            pending: vec![],
            seen_at: None,
        };
        let own = StoreWrite::new(own_key(tenant), address, WriteCondition::Always)?;
        let hook = StoreWrite::new(address.place(), &hook.unwrap_or(empty), WriteCondition::Always)?;
        self.store.put_all(vec![own, hook]).await?;
        match before.filter(|place| *place != address.place()) {
            Some(place) => self.store.delete(&place).await,
            None => Ok(()),
        }
    }

    /// Opens the window of an address for tokens of a workspace.
    pub async fn open(&self, place: &ItemKey, workspace: &str, now: Timestamp) -> Result<(), StoreError> {
        self.change(place, |hook| {
            hook.open_until = Some(later(now, WINDOW));
            hook.workspace = Some(workspace.to_owned()).filter(|workspace| !workspace.is_empty());
        })
        .await
    }

    /// Keeps a token as pending, if the window is open and there is room.
    pub async fn enrol(&self, place: &ItemKey, token: &Sealed, now: Timestamp) -> Result<Enrolment, StoreError> {
        let mut enrolment = Enrolment::Closed;
        self.change(place, |hook| {
            enrolment = match (hook.is_open(now), hook.pending.len() < MAX_PENDING) {
                (false, _) => Enrolment::Closed,
                (true, false) => Enrolment::Full,
                (true, true) => {
                    hook.pending.push(token.clone());
                    Enrolment::Pending
                }
            };
        })
        .await?;
        Ok(enrolment)
    }

    /// Makes a pending token active: it has signed an event of the right workspace. No active token is dropped for it;
    /// false if there is no room.
    pub async fn activate(&self, place: &ItemKey, token: &Sealed) -> Result<bool, StoreError> {
        let mut is_active = false;
        self.change(place, |hook| {
            let pending = hook.pending.iter().position(|known| known == token);
            is_active = hook.tokens.contains(token);
            if let Some(pending) = pending.filter(|_| hook.tokens.len() < MAX_ACTIVE) {
                hook.tokens.push(hook.pending.remove(pending));
                is_active = true;
            }
        })
        .await?;
        Ok(is_active)
    }

    /// Keeps only the newest active token, closes the window and forgets pending ones: earlier subscriptions are gone.
    pub async fn close_old(&self, place: &ItemKey) -> Result<(), StoreError> {
        self.change(place, |hook| {
            hook.tokens = hook.tokens.pop().into_iter().collect();
            hook.pending.clear();
            hook.open_until = None;
        })
        .await
    }

    /// Notes that a signed event arrived, now and then.
    pub async fn note_seen(&self, place: &ItemKey, now: Timestamp) -> Result<(), StoreError> {
        let Some(item) = self.store.get(place).await? else { return Ok(()) };
        let hook: Hook = item.decode()?;
        if hook.seen_at.is_none_or(|seen| !is_recent(now, seen, WINDOW)) {
            let seen = Hook { seen_at: Some(now), ..hook };
            match self.store.put(StoreWrite::new(item.key, &seen, WriteCondition::Version(item.version))?).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Changes a hook, also while others do; fine if there is none.
    async fn change(&self, place: &ItemKey, mut change: impl FnMut(&mut Hook)) -> Result<(), StoreError> {
        loop {
            let Some(item) = self.store.get(place).await? else { return Ok(()) };
            let before: Hook = item.decode()?;
            let mut hook = before.clone();
            change(&mut hook);
            if hook == before {
                return Ok(());
            }
            match self.store.put(StoreWrite::new(item.key, &hook, WriteCondition::Version(item.version))?).await {
                Err(StoreError::Conflict(_)) => {}
                written => return written.map(|_| ()),
            }
        }
    }
}

/// The partition of the addresses: a tenant cannot have this name.
pub const PARTITION: &str = "#notion-hooks";
/// Where an earlier version kept addresses, under their plain keys.
pub const PLAIN_PARTITION: &str = "#hooks";

/// The key of the hook at an address.
fn hook_key(key: &str) -> ItemKey {
    ItemKey::new(Table::Portals, PARTITION, digest(key))
}

fn own_key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Portals, tenant.as_str(), "notion-hook")
}

/// The key is 122 random bits: its plain digest reveals nothing.
fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
