//! `tenants`, `keys`, `api-key`: what the operator of a deployment does with whole tenants, on this machine or on AWS.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use clients::Connections;
use runtime::{Backend, TenantId, private_files};
use secrecy::{ExposeSecret, SecretString};
use tenants::api_keys::{ApiKeys, Scope};
use tenants::audit::{Audit, AuditEntry};
use tenants::portals::Portals;
use tenants::{departure, export, key_rotation};

use crate::codes;
use crate::operate::{progress, who};

/// What is done with tenants.
#[derive(Subcommand)]
pub enum Tenants {
    /// Lists the portals that are connected.
    List,
    /// Writes everything of a tenant to a file, its secrets sealed with a key that is printed apart from it.
    Export {
        /// Which; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// The file; it must not exist.
        #[arg(long)]
        to: PathBuf,
    },
    /// Reads a tenant in from such a file. The key is taken from the environment variable `SWITCHBOARD_EXPORT_KEY`.
    Import {
        /// The file.
        file: PathBuf,
        /// Takes the place of the tenant that is here.
        #[arg(long)]
        replace: bool,
    },
    /// Replaces the key in the address that a portal sends its events to: after it was seen by others, or regularly. The upkeep
    /// binds the portal's events to the new address within a quarter of an hour; the old key is good for an hour.
    RotateKey {
        /// Whose; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Ends the old key at once: events are lost until the upkeep has bound the new address, and the sweep finds them.
        #[arg(long)]
        now: bool,
    },
    /// Deletes everything of a tenant here, and nothing in Bitrix24, Slack or Notion.
    Remove {
        /// Which, in full.
        tenant: String,
        /// Says that it is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// What is done with the keys that seal secrets.
#[derive(Subcommand)]
pub enum Keys {
    /// Puts a fresh key in front; everything stays readable.
    Rotate,
    /// Seals everything anew with the key in front.
    Reseal,
    /// Takes the old keys out, if nothing is sealed with them any more.
    Retire,
}

/// What is done with keys of the API.
#[derive(Subcommand)]
pub enum ApiKey {
    /// Makes one, and prints it this once.
    Make {
        /// Whose; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do: read, sync, intake.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
    },
    /// Lists them, without their secrets.
    List {
        /// Whose.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Takes one back.
    Revoke {
        /// Whose.
        #[arg(long)]
        tenant: Option<String>,
        /// Its id, as the list shows it.
        id: String,
    },
}

/// How long a replaced key of a portal's address is good: the upkeep binds the new address three times over within it.
const OLD_HOOK_KEY_TTL: Duration = Duration::from_secs(60 * 60);
/// The environment variable that holds the key of an export.
const EXPORT_KEY: &str = "SWITCHBOARD_EXPORT_KEY";

/// Does something with tenants; what to print.
pub async fn tenants(ports: &Backend, command: Tenants) -> anyhow::Result<String> {
    match command {
        Tenants::List => list(ports).await,
        Tenants::Export { tenant, to } => {
            let tenant = codes::tenant(ports, tenant).await?;
            let file = private_files::create(&to);
            let file = file.with_context(|| format!("cannot create the file {}", to.display()))?;
            let spinner = progress(0, "exporting");
            let (items, key) = export::export(ports, &tenant, BufWriter::new(file)).await?;
            spinner.finish_and_clear();
            Ok(format!(
                "Wrote {items} items of {tenant} to {}.\nThe key without which its secrets cannot be opened; keep it apart from the file:\n{}\nTo read it in elsewhere: set {EXPORT_KEY} to the key, and run `tenants import` there. Then take the tenant out here, and give the providers the new address.",
                to.display(),
                key.expose_secret()
            ))
        }
        Tenants::Import { file, replace } => {
            let key = std::env::var(EXPORT_KEY)
                .with_context(|| format!("set {EXPORT_KEY} to the key that the export printed"))?;
            let opened = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let spinner = progress(0, "importing");
            let imported = export::import(ports, BufReader::new(opened), &SecretString::from(key), replace).await?;
            spinner.finish_and_clear();
            Ok(format!(
                "Read {} items of {} in. The upkeep binds its events to this address within a quarter of an hour.",
                imported.items, imported.tenant
            ))
        }
        Tenants::RotateKey { tenant, now } => rotate_key(ports, tenant, now).await,
        Tenants::Remove { tenant, yes } => {
            let tenant = TenantId::new(tenant)?;
            let portals = Portals::new(ports.store.clone(), ports.clock.clone());
            let is_known = portals.fresh(&tenant).await?.is_some() || departure::of(ports, &tenant).await?.is_some();
            if !is_known {
                bail!("no portal {tenant} is connected; `tenants list` shows those that are");
            }
            if !yes {
                bail!(
                    "this deletes everything of {tenant} here, for good; say --yes (and `tenants export` before, for a copy)"
                );
            }
            let spinner = progress(0, "deleting");
            let departure = departure::depart(ports, &tenant).await?;
            spinner.finish_and_clear();
            let counts: Vec<_> = departure.deleted.iter().map(|(table, count)| format!("{table} {count}")).collect();
            let all = departure.total();
            Ok(format!(
                "Deleted {all} items of {tenant} ({}). What was under way is looked for and deleted for another day.\nRemove the application in Bitrix24, the app in Slack and the connection in Notion, too.",
                counts.join(", ")
            ))
        }
    }
}

async fn rotate_key(ports: &Backend, tenant: Option<String>, now: bool) -> anyhow::Result<String> {
    let tenant = codes::tenant(ports, tenant).await?;
    let grace = if now { Duration::ZERO } else { OLD_HOOK_KEY_TTL };
    Connections::from_env(ports)?
        .rotate_hook_key(&tenant, grace)
        .await
        .map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let entry = AuditEntry::new(ports.clock.now(), who(), "address key of Bitrix24 replaced", tenant.as_str());
    Audit::new(ports.store.clone()).note(&tenant, &entry).await?;
    let old = if now { "The old key is refused from now on." } else { "The old key is good for another hour." };
    Ok(format!(
        "{tenant} has a new key in its address. The upkeep gives the portal the new address within a quarter of an hour. {old}"
    ))
}

async fn list(ports: &Backend) -> anyhow::Result<String> {
    let portals = Portals::new(ports.store.clone(), ports.clock.clone());
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

/// Does something with the keys that seal; what to print.
pub async fn keys(ports: &Backend, command: Keys) -> anyhow::Result<String> {
    Ok(match command {
        Keys::Rotate => {
            let name = keys::rotate(ports).await?;
            format!(
                "Key {name} is in front. Workers seal with it within five minutes; then run `keys reseal`, and ten minutes later `keys retire`."
            )
        }
        Keys::Reseal => format!("Sealed {} secrets anew.", keys::reseal(ports).await?),
        Keys::Retire => {
            keys::retire(ports).await?;
            "Only the key in front is left in the ring.".into()
        }
    })
}

/// Does something with keys of the API; what to print.
pub async fn api_key(ports: &Backend, command: ApiKey) -> anyhow::Result<String> {
    let api_keys = ApiKeys::new(ports.store.clone());
    match command {
        ApiKey::Make { tenant, name, scopes } => {
            let tenant = codes::tenant(ports, tenant).await?;
            let scope =
                |name: &String| Scope::named(name).with_context(|| format!("{name:?} is none of read, sync, intake"));
            let scopes = scopes.iter().map(scope).collect::<anyhow::Result<Vec<_>>>()?;
            let (_, text) = api_keys.make(&tenant, &name, &scopes, ports.clock.now()).await?;
            Ok(format!("{text}\nIt is not shown again."))
        }
        ApiKey::List { tenant } => {
            let tenant = codes::tenant(ports, tenant).await?;
            let all = api_keys.all(&tenant).await?;
            let lines = all.iter().map(|key| {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
                format!("{}  {}  may {}  since {}", key.id, key.name, scopes.join(", "), key.made_at)
            });
            let lines: Vec<_> = lines.collect();
            Ok(if lines.is_empty() { "There are none.".into() } else { lines.join("\n") })
        }
        ApiKey::Revoke { tenant, id } => {
            let tenant = codes::tenant(ports, tenant).await?;
            if !api_keys.all(&tenant).await?.iter().any(|key| key.id == id) {
                bail!("there is no key {id}; `api-key list` shows those that are there");
            }
            api_keys.revoke(&tenant, &id).await?;
            Ok(format!("Key {id} is refused from now on."))
        }
    }
}
