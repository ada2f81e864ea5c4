//! `settings`: the settings document checked, shown, compared and applied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use runtime::{Ports, TenantId};
use settings::{Settings, document};
use tenants::audit::{Audit, Entry};
use tenants::portals::{Portal, Portals};

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
    /// Puts a document into force, within a minute also in a `serve` that runs.
    Apply {
        /// The document.
        file: PathBuf,
        /// The tenant, if there are several.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Prints the JSON Schema of the document.
    Schema,
    /// Prints the schema as a page for people.
    Reference,
}

/// Does it, and returns what to print. `place` says where the settings in force are.
pub async fn run(command: Command, place: &Place) -> anyhow::Result<String> {
    match command {
        Command::Check { file } => {
            let settings = read(&file)?;
            Ok(format!("{}: {} routes, nothing wrong", file.display(), settings.routes.len()))
        }
        Command::Show { tenant } => {
            let settings = place.settings(tenant).await?;
            Ok(document::write(&settings).trim_end().to_owned())
        }
        Command::Diff { file, tenant } => {
            let after = read(&file)?;
            Ok(differences(&place.settings(tenant).await?, &after))
        }
        Command::Apply { file, tenant } => {
            let after = read(&file)?;
            place.names_no_settings()?;
            let Some(database) = place.database()? else {
                bail!("name the configuration of `serve` with --config, or its database with --database")
            };
            Tenant::open(&database, tenant).await?.apply(&after).await
        }
        Command::Reference => {
            Ok(crate::reference::markdown(&serde_json::to_value(document::schema())?).trim_end().to_owned())
        }
        Command::Schema => Ok(serde_json::to_string_pretty(&document::schema())?),
    }
}

/// Where the settings in force are: nowhere, if nothing is named.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The configuration of `serve`, which names the database.
    pub config: Option<PathBuf>,
    /// The database itself.
    pub database: Option<PathBuf>,
}

impl Place {
    fn database(&self) -> anyhow::Result<Option<PathBuf>> {
        match (&self.database, &self.config) {
            (Some(database), _) => Ok(Some(database.clone())),
            (None, Some(config)) => Ok(Some(Config::read(config)?.database)),
            (None, None) => Ok(None),
        }
    }

    /// The settings in force; the defaults if nothing is named.
    async fn settings(&self, tenant: Option<String>) -> anyhow::Result<Settings> {
        match self.database()? {
            Some(database) => Ok(Settings::clone(Tenant::open(&database, tenant).await?.settings()?.as_ref())),
            None => Ok(Settings::default()),
        }
    }

    /// Refuses a configuration that `serve` would take other settings from.
    fn names_no_settings(&self) -> anyhow::Result<()> {
        if let Some(config) = &self.config
            && Config::read(config)?.named_settings().is_some()
        {
            bail!(
                "{} names settings itself, which `serve` puts into force when it starts; change them there, or take \
                 them out of it first",
                config.display()
            );
        }
        Ok(())
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
            Ok(document::write(Tenant::of(ports, tenant).await?.settings()?.as_ref()).trim_end().to_owned())
        }
        Remote::Diff { file, tenant } => {
            Ok(differences(Tenant::of(ports, tenant).await?.settings()?.as_ref(), &read(&file)?))
        }
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
    /// Of a database. `serve` may run beside.
    async fn open(database: &Path, named: Option<String>) -> anyhow::Result<Self> {
        if !database.exists() {
            bail!("there is no database {} yet; start `serve` once", database.display());
        }
        Self::of(&codes::ports(database)?, named).await
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

    fn settings(&self) -> anyhow::Result<Arc<Settings>> {
        Ok(self.portal.settings_as()?)
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
