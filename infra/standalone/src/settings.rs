//! `settings`: the settings document checked, shown, compared and applied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use platform::audit::{Audit, Entry};
use platform::portals::{Portal, Portals};
use platform::{Ports, TenantId};
use rules::{Settings, document};

use crate::config::Config;
use crate::{codes, operate};

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says everything that is wrong with a document, with its line.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// Shows the settings that are in force; the defaults without a configuration.
    Show {
        /// The configuration of `serve`.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Shows what a document would change.
    Diff {
        /// The document.
        file: PathBuf,
        /// The configuration of `serve`.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Puts a document into force, within a minute also in a `serve` that runs.
    Apply {
        /// The document.
        file: PathBuf,
        /// The configuration of `serve`.
        #[arg(long)]
        config: PathBuf,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Prints the JSON Schema of the document.
    Schema,
    /// Prints the schema as a page for people.
    Reference,
}

/// Does it, and returns what to print.
pub async fn run(command: Command) -> anyhow::Result<String> {
    match command {
        Command::Check { file } => {
            let settings = read(&file)?;
            Ok(format!("{}: {} routes, nothing wrong", file.display(), settings.routes.len()))
        }
        Command::Show { config, tenant } => {
            let settings = match config {
                Some(config) => Tenant::open(&config, tenant).await?.settings()?,
                None => Settings::default(),
            };
            Ok(document::write(&settings).trim_end().to_owned())
        }
        Command::Diff { file, config, tenant } => {
            let after = read(&file)?;
            let before = match config {
                Some(config) => Tenant::open(&config, tenant).await?.settings()?,
                None => Settings::default(),
            };
            Ok(differences(&before, &after))
        }
        Command::Apply { file, config, tenant } => {
            let after = read(&file)?;
            if Config::read(&config)?.named_settings().is_some() {
                bail!(
                    "{} names settings itself, which `serve` puts into force when it starts; change them there, or take \
                     them out of it first",
                    config.display()
                );
            }
            Tenant::open(&config, tenant).await?.apply(&after).await
        }
        Command::Reference => {
            Ok(crate::reference::markdown(&serde_json::to_value(document::schema())?).trim_end().to_owned())
        }
        Command::Schema => Ok(serde_json::to_string_pretty(&document::schema())?),
    }
}

fn differences(before: &Settings, after: &Settings) -> String {
    match document::diff(before, after).join("\n") {
        none if none.is_empty() => "nothing changes".into(),
        lines => lines,
    }
}

/// Reads a document, or says everything that is wrong with it.
pub fn read(file: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    document::read(&text).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(|finding| format!("{}: {finding}", file.display())).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

/// What is done with a tenant's settings where there is no configuration of `serve`: on AWS.
#[derive(Debug, Subcommand)]
pub enum Remote {
    /// Says everything that is wrong with a document, with its line.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// Shows the settings that are in force.
    Show {
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Shows what a document would change.
    Diff {
        /// The document.
        file: PathBuf,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Puts a document into force, within a minute.
    Apply {
        /// The document.
        file: PathBuf,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
}

/// Does it, and returns what to print.
pub async fn run_remote(ports: &Ports, command: Remote) -> anyhow::Result<String> {
    match command {
        Remote::Check { file } => {
            let settings = read(&file)?;
            Ok(format!("{}: {} routes, nothing wrong", file.display(), settings.routes.len()))
        }
        Remote::Show { tenant } => {
            Ok(document::write(&Tenant::of(ports, tenant).await?.settings()?).trim_end().to_owned())
        }
        Remote::Diff { file, tenant } => Ok(differences(&Tenant::of(ports, tenant).await?.settings()?, &read(&file)?)),
        Remote::Apply { file, tenant } => Tenant::of(ports, tenant).await?.apply(&read(&file)?).await,
    }
}

/// A tenant whose settings are looked at.
struct Tenant {
    ports: Ports,
    portals: Portals,
    portal: Arc<Portal>,
}

impl Tenant {
    /// Of the database that a configuration names. `serve` may run beside.
    async fn open(config: &Path, named: Option<String>) -> anyhow::Result<Self> {
        let config = Config::read(config)?;
        if !config.database.exists() {
            bail!("there is no database {} yet; start `serve` once", config.database.display());
        }
        Self::of(&codes::ports(&config.database)?, named).await
    }

    async fn of(ports: &Ports, named: Option<String>) -> anyhow::Result<Self> {
        let portals = Portals::new(ports.store.clone(), ports.clock.clone());
        let tenants = portals.tenants().await?;
        let tenant = match (named, tenants.as_slice()) {
            (Some(named), _) => TenantId::new(named)?,
            (None, [only]) => only.clone(),
            (None, []) => bail!("no portal is connected yet; start `serve` and let it hear of an event"),
            (None, several) => {
                let names: Vec<_> = several.iter().map(TenantId::as_str).collect();
                bail!("there are several tenants; say --tenant with one of {}", names.join(", "))
            }
        };
        let portal = portals.get(&tenant).await?.with_context(|| format!("there is no tenant {tenant}"))?;
        Ok(Self { ports: ports.clone(), portals, portal })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        serde_json::from_value(self.portal.settings.clone())
            .context("the settings in force cannot be read; apply a document")
    }

    /// Puts settings into force, and notes who did.
    async fn apply(&self, after: &Settings) -> anyhow::Result<String> {
        // Settings that cannot be read are mended by applying others.
        let before = self.settings().unwrap_or_default();
        let changes = differences(&before, after);
        self.portals.set_settings(&self.portal.tenant, serde_json::to_value(after)?).await?;
        let entry = Entry::new(self.ports.clock.now(), operate::who(), "settings applied", "").changed("", &changes);
        Audit::new(self.ports.store.clone()).note(&self.portal.tenant, &entry).await?;
        Ok(format!("{changes}\nin force for {}", self.portal.tenant))
    }
}
