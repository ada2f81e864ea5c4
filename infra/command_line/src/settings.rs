//! `settings`: the settings document checked, shown, compared and applied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use runtime::Backend;
use settings::{Settings, document};
use tenants::audit::{Audit, AuditEntry};
use tenants::portals::{Portal, Portals};

use crate::terminal::operator;
use crate::{codes, reference};

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// Lists everything that is wrong with a document, with its line.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// Shows the settings that are in force; the defaults where no deployment is named.
    Show {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Shows what a document would change.
    Diff {
        /// The document.
        file: PathBuf,
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Puts a document into force. A deployment that runs follows it within a minute.
    Apply {
        /// The document.
        file: PathBuf,
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Prints the JSON Schema of the document.
    Schema,
    /// Prints the schema as a page for people.
    Reference,
}

/// Runs a command; returns what to print. `deployment` opens the deployment whose settings are meant, if one is named.
pub async fn run(
    command: SettingsCommand,
    deployment: impl FnOnce() -> anyhow::Result<Option<Backend>>,
) -> anyhow::Result<String> {
    match command {
        SettingsCommand::Check { file } => {
            let settings = read(&file)?;
            Ok(format!("{}: {} routes, nothing wrong", file.display(), settings.routes.len()))
        }
        SettingsCommand::Show { tenant } => {
            Ok(document::write(in_force(deployment()?, tenant).await?.as_ref()).trim_end().to_owned())
        }
        SettingsCommand::Diff { file, tenant } => {
            let after = read(&file)?;
            Ok(differences(in_force(deployment()?, tenant).await?.as_ref(), &after))
        }
        SettingsCommand::Apply { file, tenant } => {
            let after = read(&file)?;
            let backend = deployment()?
                .context("name the configuration of `serve` with --config, or its database with --database")?;
            apply(&backend, tenant, &after).await
        }
        SettingsCommand::Schema => Ok(serde_json::to_string_pretty(&document::schema())?),
        SettingsCommand::Reference => {
            Ok(reference::markdown(&serde_json::to_value(document::schema())?).trim_end().to_owned())
        }
    }
}

/// Reads a document, or returns everything that is wrong with it.
pub fn read(file: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    document::read(&text).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(|finding| format!("{}: {finding}", file.display())).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

async fn in_force(deployment: Option<Backend>, tenant: Option<String>) -> anyhow::Result<Arc<Settings>> {
    match deployment {
        Some(backend) => Ok(portal(&backend, tenant).await?.settings_as()?),
        None => Ok(Arc::default()),
    }
}

async fn portal(backend: &Backend, tenant: Option<String>) -> anyhow::Result<Arc<Portal>> {
    let tenant = codes::tenant(backend, tenant).await?;
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    portals.get(&tenant).await?.with_context(|| format!("there is no tenant {tenant}"))
}

fn differences(before: &Settings, after: &Settings) -> String {
    match document::diff(before, after).join("\n") {
        none if none.is_empty() => "nothing changes".into(),
        lines => lines,
    }
}

/// Puts settings into force, and records who did.
async fn apply(backend: &Backend, tenant: Option<String>, after: &Settings) -> anyhow::Result<String> {
    let portal = portal(backend, tenant).await?;
    // Settings that cannot be read are replaced like any others.
    let before: Arc<Settings> = portal.settings_as().unwrap_or_default();
    let changes = differences(&before, after);
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    portals.set_settings(&portal.tenant, document::replacing(&portal.settings, after)?).await?;
    let entry = AuditEntry::new(backend.clock.now(), operator(), "settings applied", "").changed("", &changes);
    Audit::new(backend.store.clone()).note(&portal.tenant, &entry).await?;
    Ok(format!("{changes}\nin force for {}", portal.tenant))
}
