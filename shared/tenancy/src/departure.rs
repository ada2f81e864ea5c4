//! Taking a tenant out: everything of it is deleted, and what remains to be said of it is how much that was.
//!
//! First its connection goes, so that nothing new is taken for it; then all the rest, in passes, until a pass finds
//! nothing. Work that was under way may still write a line; the upkeep looks again for a day.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use platform::clock::{later, until};
use platform::portals::Portals;
use platform::store::{Condition, Item, Key, Query, StoreError, Table, Write};
use platform::{Ports, TenantId};
use serde::{Deserialize, Serialize};

use crate::{each_of, shared_keys};

/// Where departures are noted: no tenant can be called so.
const DEPARTED: &str = "#departed";
/// How long a departure is remembered: longer than a queue keeps a job.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long is looked for what came after.
const LOOKED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Passes at once; what then still comes is the upkeep's.
const MOST_PASSES: usize = 5;

/// A tenant that was taken out, or is being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Which.
    pub tenant: TenantId,
    /// Since when.
    pub began_at: Timestamp,
    /// When nothing of it was found any more.
    #[serde(default)]
    pub done_at: Option<Timestamp>,
    /// How many items were deleted, by table.
    #[serde(default)]
    pub deleted: BTreeMap<String, u64>,
    /// The provider accounts whose limiters are to be forgotten.
    #[serde(default)]
    accounts: Vec<String>,
}

fn key(tenant: &TenantId) -> Key {
    Key::new(Table::Portals, DEPARTED, tenant.as_str())
}

/// Whether, and how, a tenant was taken out.
pub async fn of(ports: &Ports, tenant: &TenantId) -> Result<Option<Departure>, StoreError> {
    ports.store.get(&key(tenant)).await?.map(|item| item.decode()).transpose()
}

/// Takes a tenant out; goes on with a departure that was interrupted. Whoever comes again with the same id is new.
pub async fn depart(ports: &Ports, tenant: &TenantId) -> Result<Departure, StoreError> {
    let portals = Portals::new(ports.store.clone(), ports.clock.clone());
    let mut departure = match of(ports, tenant).await? {
        Some(departure) => departure,
        None => begin(ports, &portals, tenant).await?,
    };
    for key in shared_keys(ports, tenant).await? {
        ports.store.delete(&key).await?;
        count(&mut departure, key.table);
    }
    portals.remove(tenant).await?;
    sign_everybody_out(ports, tenant).await?;
    for _ in 0..MOST_PASSES {
        if pass(ports, &mut departure).await? == 0 {
            departure.done_at.get_or_insert(ports.clock.now());
            break;
        }
    }
    write(ports, &departure).await?;
    tracing::info!(%tenant, deleted = ?departure.deleted, "everything of a tenant was deleted");
    Ok(departure)
}

async fn begin(ports: &Ports, portals: &Portals, tenant: &TenantId) -> Result<Departure, StoreError> {
    let portal = portals.fresh(tenant).await?;
    let mut accounts = vec![format!("bitrix24#{tenant}"), format!("api#{tenant}"), tenant.to_string()];
    if let Some(portal) = &portal {
        accounts.extend(portal.slack.as_ref().map(|slack| format!("slack#{}", slack.team_id)));
        accounts.extend(portal.notion.as_ref().map(|notion| format!("notion#{}", notion.bot_id)));
    }
    let departure = Departure {
        tenant: tenant.clone(),
        began_at: ports.clock.now(),
        done_at: None,
        deleted: BTreeMap::new(),
        accounts,
    };
    write(ports, &departure).await?;
    Ok(departure)
}

async fn write(ports: &Ports, departure: &Departure) -> Result<(), StoreError> {
    let write = Write::new(key(&departure.tenant), departure, Condition::Always)?;
    ports.store.put(write.expiring(later(departure.began_at, REMEMBERED))).await.map(|_| ())
}

fn count(departure: &mut Departure, table: Table) {
    *departure.deleted.entry(table.name().to_owned()).or_default() += 1;
}

/// Deletes what is found; returns how much that was.
async fn pass(ports: &Ports, departure: &mut Departure) -> Result<u64, StoreError> {
    let owner = departure.tenant.to_string();
    let mut found: Vec<Key> = Vec::new();
    for table in [Table::Portals, Table::Links, Table::Ledger] {
        collect(ports, table, &owner, &mut found).await?;
    }
    for account in departure.accounts.clone() {
        collect(ports, Table::Limits, &account, &mut found).await?;
    }
    for key in &found {
        ports.store.delete(key).await?;
        count(departure, key.table);
    }
    Ok(found.len() as u64)
}

async fn collect(ports: &Ports, table: Table, owner: &str, found: &mut Vec<Key>) -> Result<(), StoreError> {
    let keys = std::sync::Mutex::new(std::mem::take(found));
    each_of(ports, table, owner, |item, _| {
        keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(item.key);
        async { Ok::<_, StoreError>(()) }
    })
    .await?;
    *found = keys.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(())
}

/// Codes and sessions of its administrators.
async fn sign_everybody_out(ports: &Ports, tenant: &TenantId) -> Result<(), StoreError> {
    let mut query = Query::prefix(Table::Portals, pages::once::PARTITION, "");
    let is_its = |item: &Item| {
        let value: serde_json::Value = serde_json::from_str(&item.value).unwrap_or_default();
        value == tenant.as_str() || value["tenant"] == tenant.as_str()
    };
    loop {
        let page = ports.store.list(&query).await?;
        for item in page.items.iter().filter(|item| is_its(item)) {
            ports.store.delete(&item.key).await?;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Looks again after those that left within the last day, unless they came back; returns what was found of them.
pub async fn look_after(ports: &Ports) -> Result<u64, StoreError> {
    let portals = Portals::new(ports.store.clone(), ports.clock.clone());
    let page = ports.store.list(&Query::prefix(Table::Portals, DEPARTED, "")).await?;
    let mut found = 0;
    for item in page.items {
        let mut departure: Departure = item.decode()?;
        if until(departure.began_at, ports.clock.now()) > LOOKED_AFTER {
            continue;
        }
        if portals.fresh(&departure.tenant).await?.is_some() {
            if departure.done_at.is_some() {
                // It came back: what is there now is new.
                ports.store.delete(&item.key).await?;
                continue;
            }
            found += depart(ports, &departure.tenant).await?.deleted.values().sum::<u64>();
            continue;
        }
        let more = pass(ports, &mut departure).await?;
        if more > 0 || departure.done_at.is_none() {
            departure.done_at.get_or_insert(ports.clock.now());
            write(ports, &departure).await?;
            found += more;
        }
    }
    Ok(found)
}

/// Forgets a departure: the tenant is connected anew.
pub async fn forget(ports: &Ports, tenant: &TenantId) -> Result<(), StoreError> {
    ports.store.delete(&key(tenant)).await
}
