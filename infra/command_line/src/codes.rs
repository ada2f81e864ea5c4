//! The codes with which a person signs in or connects a portal; and which tenant a command means.

use anyhow::{Context, bail};
use runtime::{Backend, TenantId};
use tenants::portals::Portals;

/// The named tenant, or the only one.
pub async fn tenant(backend: &Backend, named: Option<String>) -> anyhow::Result<TenantId> {
    if let Some(named) = named {
        return Ok(TenantId::new(named)?);
    }
    match Portals::new(backend.store.clone(), backend.clock.clone()).tenants().await?.as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!("no portal is connected yet"),
        several => {
            let names: Vec<_> = several.iter().map(TenantId::as_str).collect();
            bail!("several portals are connected; name one with --tenant: {}", names.join(", "))
        }
    }
}

/// A code for the named tenant, or for the only one.
pub async fn new(backend: &Backend, named: Option<String>) -> anyhow::Result<String> {
    let tenant = tenant(backend, named).await?;
    let code = admin::new_code(backend, &tenant).await.context("the code could not be stored")?;
    Ok(format!("{code}\nSign in with it at {} within 15 minutes; it works once.", admin::PATH))
}

/// A code with which a person connects a portal by webhooks on the page.
pub async fn to_connect(backend: &Backend) -> anyhow::Result<String> {
    let code = tenants::connection_codes::make(backend).await?;
    Ok(format!("{code}\nConnect a portal with it at {} within 15 minutes; it works once.", install::PATH))
}
