//! `api-key`: the keys with which programs call the API.

use anyhow::{Context, bail};
use clap::Subcommand;
use runtime::Backend;
use tenants::api_keys::{ApiKeys, Scope};

use crate::codes;

/// What to do with keys of the API.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Creates a key, and prints it this once.
    Make {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do: read, sync, intake.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
    },
    /// Lists the keys, without their secrets.
    List {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Revokes a key.
    Revoke {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// The key's id, as the list shows it.
        id: String,
    },
}

/// Runs a command; returns what to print.
pub async fn run(backend: &Backend, command: ApiKeyCommand) -> anyhow::Result<String> {
    let api_keys = ApiKeys::new(backend.store.clone());
    match command {
        ApiKeyCommand::Make { tenant, name, scopes } => {
            let tenant = codes::tenant(backend, tenant).await?;
            let scope = |name: &String| {
                Scope::named(name).with_context(|| format!("unknown scope {name:?}; choose from read, sync, intake"))
            };
            let scopes = scopes.iter().map(scope).collect::<anyhow::Result<Vec<_>>>()?;
            let (_, text) = api_keys.make(&tenant, &name, &scopes, backend.clock.now()).await?;
            Ok(format!("{text}\nIt is not shown again."))
        }
        ApiKeyCommand::List { tenant } => {
            let tenant = codes::tenant(backend, tenant).await?;
            let all = api_keys.all(&tenant).await?;
            let lines = all.iter().map(|key| {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
                format!("{}  {}  may {}  since {}", key.id, key.name, scopes.join(", "), key.made_at)
            });
            let lines: Vec<_> = lines.collect();
            Ok(if lines.is_empty() { "There are none.".into() } else { lines.join("\n") })
        }
        ApiKeyCommand::Revoke { tenant, id } => {
            let tenant = codes::tenant(backend, tenant).await?;
            if !api_keys.all(&tenant).await?.iter().any(|key| key.id == id) {
                bail!("there is no key {id}; `api-key list` shows all keys");
            }
            api_keys.revoke(&tenant, &id).await?;
            Ok(format!("Key {id} is refused from now on."))
        }
    }
}
