//! `admin-code`: who runs Switchboard lets an administrator in.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use embedded::{Database, FileSecrets, SqliteQueue, SqliteStore};
use platform::metrics::Counters;
use platform::portals::Portals;
use platform::{Ports, SystemClock, TenantId};

/// A code for the tenant of a database, or for its only one.
pub async fn new(path: &Path, tenant: Option<String>) -> anyhow::Result<String> {
    if !path.exists() {
        bail!("there is no database {}; name the one of the running host with --database", path.display());
    }
    let clock = Arc::new(SystemClock);
    let database = Database::open(path)?;
    let ports = Ports {
        store: Arc::new(SqliteStore::new(database.clone(), clock.clone())),
        queue: Arc::new(SqliteQueue::new(database, clock.clone())),
        secrets: Arc::new(FileSecrets::open(path.with_extension("secrets"))?),
        clock: clock.clone(),
        metrics: Arc::new(Counters::default()),
    };
    let tenant = match tenant {
        Some(tenant) => TenantId::new(tenant)?,
        None => match Portals::new(ports.store.clone(), clock).tenants().await?.as_slice() {
            [one] => one.clone(),
            [] => bail!("no portal is connected in {}", path.display()),
            several => {
                let names: Vec<_> = several.iter().map(TenantId::as_str).collect();
                bail!("several portals are connected; name one with --tenant: {}", names.join(", "))
            }
        },
    };
    let code = admin::new_code(&ports, &tenant).await.context("the code could not be kept")?;
    Ok(format!("{code}\nSign in with it at {} within 15 minutes; it works once.", admin::PATH))
}
