//! Opens a host's database for commands that run beside it, and makes the codes with which an administrator signs in.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use runtime::metrics::Counters;
use runtime::{Ports, SystemClock, TenantId};
use sqlite::{Database, FileSecrets, SqliteQueue, SqliteStore};
use tenants::portals::Portals;

/// The ports over the database of a host, which may be running.
pub fn ports(path: &Path) -> anyhow::Result<Ports> {
    if !path.exists() {
        bail!(
            "there is no database {}; name the one of the running host with --database, or its configuration with --config",
            path.display()
        );
    }
    let clock = Arc::new(SystemClock);
    let database = Database::open(path)?;
    Ok(Ports {
        store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
        queue: Arc::new(SqliteQueue::new(database, clock.clone())),
        secrets: Arc::new(FileSecrets::open(path.with_extension("secrets"))?),
        clock,
        metrics: Arc::new(Counters::default()),
    })
}

/// The tenant that is named, or the only one.
pub async fn tenant(ports: &Ports, named: Option<String>) -> anyhow::Result<TenantId> {
    if let Some(named) = named {
        return Ok(TenantId::new(named)?);
    }
    match Portals::new(ports.store.clone(), ports.clock.clone()).tenants().await?.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("no portal is connected in this database"),
        several => {
            let names: Vec<_> = several.iter().map(TenantId::as_str).collect();
            bail!("several portals are connected; name one with --tenant: {}", names.join(", "))
        }
    }
}

/// A code for the tenant of a database, or for its only one.
pub async fn new(path: &Path, named: Option<String>) -> anyhow::Result<String> {
    let ports = ports(path)?;
    let tenant = tenant(&ports, named).await?;
    let code = admin::new_code(&ports, &tenant).await.context("the code could not be kept")?;
    Ok(format!("{code}\nSign in with it at {} within 15 minutes; it works once.", admin::PATH))
}

/// A code with which somebody connects a portal by webhooks on the page.
pub async fn to_connect(ports: &Ports) -> anyhow::Result<String> {
    let code = tenants::connection_codes::make(ports).await?;
    Ok(format!("{code}\nConnect a portal with it at {} within 15 minutes; it works once.", install::PATH))
}
