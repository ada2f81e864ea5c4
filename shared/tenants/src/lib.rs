//! A tenant and its stored data: connections and settings, linked people, chat bridges, API keys, audit, tickets; one
//! person's data in it; export to another engine, removal, and the change of keys. Nothing here calls a provider.

pub mod administrators;
pub mod api_keys;
pub mod audit;
pub mod bridges;
pub mod catalogue;
pub mod connection_codes;
pub mod departure;
pub mod export;
pub mod hooks;
pub mod key_rotation;
pub mod one_time_secrets;
pub mod person;
pub mod portals;
pub mod rounds;
pub mod secret_names;
pub mod sweep_requests;
pub mod tickets;
pub mod user_links;

use runtime::store::{ItemKey, StoreError, StoredItem, Table};
use runtime::{Backend, TenantId};

use crate::hooks::Hooks;
use crate::portals::Portals;

/// Calls `with` on every item whose key begins with `owner`, with its expiry.
pub(crate) async fn each_of<F: Future<Output = Result<(), E>>, E: From<StoreError>>(
    backend: &Backend,
    table: Table,
    owner: &str,
    mut with: impl FnMut(StoredItem, Option<jiff::Timestamp>) -> F,
) -> Result<(), E> {
    let mut after: Option<ItemKey> = None;
    loop {
        let part = backend.store.belonging(table, owner, after.as_ref()).await?;
        for (item, expires) in part.items {
            with(item, expires).await?;
        }
        after = part.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// A tenant's items in shared partitions: its workspace's entry, and the address of its Notion webhooks.
pub(crate) async fn shared_keys(backend: &Backend, tenant: &TenantId) -> Result<Vec<ItemKey>, StoreError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let mut keys = Vec::new();
    if let Some(slack) = portals.fresh(tenant).await?.and_then(|portal| portal.slack.clone()) {
        keys.push(crate::portals::workspace_key(&slack.team_id));
    }
    keys.extend(Hooks::new(backend.store.clone()).address(tenant).await?.map(|address| address.place()));
    Ok(keys)
}
