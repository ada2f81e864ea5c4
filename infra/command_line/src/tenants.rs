//! `tenants`: whole tenants listed, exported, imported and removed.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use clients::Connections;
use runtime::{Backend, TenantId};
use secrecy::{ExposeSecret, SecretString};
use tenants::audit::{Audit, AuditEntry};
use tenants::portals::Portals;
use tenants::{departure, export};

use crate::codes;
use crate::terminal::{new_file, operator, spinning};

/// How long a replaced key of a portal's address is accepted: the upkeep binds the new address three times within it.
const OLD_HOOK_KEY_TTL: Duration = Duration::from_secs(60 * 60);
/// The environment variable with the key of an export.
const EXPORT_KEY: &str = "SWITCHBOARD_EXPORT_KEY";

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Lists the connected portals.
    List,
    /// Writes all data of a tenant to a file. Its secrets are sealed with a key, which is printed and not in the file.
    Export {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// The file. It must not exist yet.
        #[arg(long)]
        to: PathBuf,
    },
    /// Reads a tenant from an exported file. The environment variable `SWITCHBOARD_EXPORT_KEY` holds its key.
    Import {
        /// The file.
        file: PathBuf,
        /// Replaces the tenant that is here.
        #[arg(long)]
        replace: bool,
    },
    /// Replaces the key in the address to which a portal sends its events: regularly, or if others have seen it. The upkeep
    /// binds the portal's events to the new address within a quarter of an hour; the old key is accepted for an hour.
    RotateKey {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Refuses the old key at once. Events are lost until the upkeep has bound the new address; the sweep finds them.
        #[arg(long)]
        now: bool,
    },
    /// Deletes all data of a tenant here, and nothing in Bitrix24, Slack or Notion.
    Remove {
        /// The tenant's whole id.
        tenant: String,
        /// Confirms it.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs a command; returns what to print.
pub async fn run(backend: &Backend, command: TenantsCommand) -> anyhow::Result<String> {
    match command {
        TenantsCommand::List => list(backend).await,
        TenantsCommand::Export { tenant, to } => export(backend, tenant, &to).await,
        TenantsCommand::Import { file, replace } => import(backend, &file, replace).await,
        TenantsCommand::RotateKey { tenant, now } => rotate_key(backend, tenant, now).await,
        TenantsCommand::Remove { tenant, yes } => remove(backend, TenantId::new(tenant)?, yes).await,
    }
}

async fn list(backend: &Backend) -> anyhow::Result<String> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let mut lines = Vec::new();
    for tenant in portals.tenants().await? {
        let Some(portal) = portals.fresh(&tenant).await? else { continue };
        let how = if portal.application.is_some() { "application" } else { "webhooks" };
        let slack = portal.slack.as_ref().map_or("no Slack", |slack| slack.team_id.as_str());
        let notion = portal.notion.as_ref().map_or("no Notion", |notion| notion.workspace.as_str());
        lines.push(format!("{tenant}  {}  by {how}  {slack}  {notion}  since {}", portal.domain, portal.connected_at));
    }
    Ok(if lines.is_empty() { "No portal is connected.".into() } else { lines.join("\n") })
}

async fn export(backend: &Backend, tenant: Option<String>, to: &Path) -> anyhow::Result<String> {
    let tenant = codes::tenant(backend, tenant).await?;
    let file = BufWriter::new(new_file(to)?);
    let (items, key) = spinning("exporting", export::export(backend, &tenant, file)).await?;
    Ok(format!(
        "Wrote {items} items of {tenant} to {}.\nThe key that opens its secrets; keep it apart from the file:\n{}\nTo import the file elsewhere, set {EXPORT_KEY} to the key there and run `tenants import`. Then remove the tenant here, and give the providers the new address.",
        to.display(),
        key.expose_secret()
    ))
}

async fn import(backend: &Backend, file: &Path, replace: bool) -> anyhow::Result<String> {
    let key = std::env::var(EXPORT_KEY)
        .map(SecretString::from)
        .with_context(|| format!("set {EXPORT_KEY} to the key that the export printed"))?;
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let reading = export::import(backend, BufReader::new(opened), &key, replace);
    let imported = spinning("importing", reading).await?;
    Ok(format!(
        "Imported {} items of {}. The upkeep binds its events to this address within a quarter of an hour.",
        imported.items, imported.tenant
    ))
}

async fn rotate_key(backend: &Backend, tenant: Option<String>, now: bool) -> anyhow::Result<String> {
    let tenant = codes::tenant(backend, tenant).await?;
    let grace = if now { Duration::ZERO } else { OLD_HOOK_KEY_TTL };
    Connections::from_env(backend)?.rotate_hook_key(&tenant, grace).await?;
    let entry = AuditEntry::new(backend.clock.now(), operator(), "address key of Bitrix24 replaced", tenant.as_str());
    Audit::new(backend.store.clone()).note(&tenant, &entry).await?;
    let old = if now { "The old key is refused from now on." } else { "The old key is accepted for another hour." };
    Ok(format!(
        "{tenant} has a new key in its address. The upkeep gives the portal the new address within a quarter of an hour. {old}"
    ))
}

async fn remove(backend: &Backend, tenant: TenantId, yes: bool) -> anyhow::Result<String> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let is_known = portals.fresh(&tenant).await?.is_some() || departure::of(backend, &tenant).await?.is_some();
    if !is_known {
        bail!("no portal {tenant} is connected; `tenants list` shows all");
    }
    if !yes {
        bail!("this deletes all data of {tenant} here, for good. Confirm it with --yes; `tenants export` makes a copy");
    }
    let departure = spinning("deleting", departure::depart(backend, &tenant)).await?;
    let counts: Vec<_> = departure.deleted.iter().map(|(table, count)| format!("{table} {count}")).collect();
    Ok(format!(
        "Deleted {} items of {tenant} ({}). Items that running work still writes are deleted during the next day.\nAlso remove the application in Bitrix24, the app in Slack and the connection in Notion.",
        departure.total(),
        counts.join(", ")
    ))
}
