//! The command `switchboard`: arguments in, one of the library's commands run.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use command_line::config::Config;
use command_line::settings::{self, SettingsCommand};
use command_line::{codes, operate, person, tenants};
use standalone::log::OneLine;
use standalone::simulated::{self, Simulated};
use standalone::{database, manifest, replay, serve, sync};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Joins Bitrix24, Slack and Notion: cards in the right channel, conversations, records and pages in sync.
#[derive(Parser)]
#[command(name = "switchboard", version)]
struct Arguments {
    /// The configuration of `serve`, which names the database. For `serve` itself, and for the commands of operators.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Operators")]
    config: Option<PathBuf>,
    /// For the commands of operators: the database of the host, which may be running.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Operators")]
    database: Option<PathBuf>,
    /// For the commands of operators: prints JSON.
    #[arg(long, global = true, help_heading = "Operators")]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Simulated(Simulated),
    /// Runs against a real portal and a real workspace, with the configuration that `--config` names; docs/connecting.md
    /// shows one.
    Serve,
    /// Posts a recorded event body, as Bitrix24 would.
    Replay {
        /// The file that holds the body.
        file: PathBuf,
        /// Where to.
        #[arg(long, default_value = "http://127.0.0.1:8080/webhooks/bitrix24")]
        to: String,
    },
    /// Checks, shows, compares and applies the settings document.
    Settings {
        #[command(subcommand)]
        command: SettingsCommand,
    },
    /// Shows how the Notion databases stand, plans and runs backfills.
    Sync {
        #[command(subcommand)]
        command: sync::Command,
    },
    /// Makes a code with which an administrator signs in, once, within 15 minutes.
    AdminCode {
        /// Whose pages; may be left out where one portal is connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Instead a code with which a portal is connected by webhooks on the page.
        #[arg(long, conflicts_with = "tenant")]
        connect: bool,
    },
    /// Lists, exports, imports and removes tenants.
    Tenants {
        #[command(subcommand)]
        command: tenants::Tenants,
    },
    /// Finds one person's data, hands it out, deletes it.
    Person {
        #[command(subcommand)]
        command: person::Person,
    },
    /// Changes the key that seals secrets, while everything runs.
    Keys {
        #[command(subcommand)]
        command: tenants::Keys,
    },
    /// Makes, lists and takes back keys of the API.
    ApiKey {
        #[command(subcommand)]
        command: tenants::ApiKey,
    },
    #[command(flatten)]
    Operate(operate::Operate),
    /// Prints what lets a shell complete these commands.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Prints the Slack app's manifest for this address.
    Manifest {
        /// Where Slack reaches Switchboard: `https://switchboard.example`.
        #[arg(long)]
        url: String,
        /// The portal's host, for links that unfold: acme.bitrix24.com
        #[arg(long)]
        portal: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine(std::io::stderr)).init();
    let Arguments { config, database, json, command } = Arguments::parse();
    match Box::pin(run(Host { config, database, json }, command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(host: Host, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Operate(command) => {
            println!("{}", Box::pin(operated(host, command)).await?);
            Ok(())
        }
        Command::Completions { shell } => {
            print!("{}", operate::completions(shell, &mut Arguments::command(), "switchboard"));
            Ok(())
        }
        Command::Simulated(command) => simulated::run(command, stopped()).await,
        Command::Serve => {
            let config =
                host.config.context("name the configuration with --config FILE; docs/connecting.md shows one")?;
            Box::pin(serve::serve(&config, stopped())).await
        }
        Command::Replay { file, to } => {
            println!("{}", replay::replay(&file, &to).await?);
            Ok(())
        }
        Command::Settings { command } => {
            if matches!(command, SettingsCommand::Apply { .. }) {
                host.names_no_settings()?;
            }
            println!("{}", settings::run(command, || host.named_ports()).await?);
            Ok(())
        }
        Command::Sync { command } => sync::run(command, host.named_database()?).await,
        Command::AdminCode { connect: true, .. } => {
            println!("{}", codes::to_connect(&host.ports()?).await?);
            Ok(())
        }
        Command::AdminCode { tenant, .. } => {
            println!("{}", codes::new(&host.ports()?, tenant).await?);
            Ok(())
        }
        Command::Tenants { command } => {
            println!("{}", tenants::tenants(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Person { command } => {
            println!("{}", person::run(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Keys { command } => {
            println!("{}", tenants::keys(&host.ports()?, command).await?);
            Ok(())
        }
        Command::ApiKey { command } => {
            println!("{}", tenants::api_key(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Manifest { url, portal } => {
            print!("{}", manifest::yaml(&url, portal.as_deref()));
            Ok(())
        }
    }
}

/// The host that operators' commands are about.
struct Host {
    config: Option<PathBuf>,
    database: Option<PathBuf>,
    json: bool,
}

impl Host {
    /// The ports over the database.
    fn ports(&self) -> anyhow::Result<runtime::Backend> {
        database::open(&self.named_database()?)
    }

    /// The same; nothing if neither a configuration nor a database is named.
    fn named_ports(&self) -> anyhow::Result<Option<runtime::Backend>> {
        let is_named = self.config.is_some() || self.database.is_some();
        is_named.then(|| self.ports()).transpose()
    }

    /// Refuses a configuration with settings of its own: `serve` would put those into force again.
    fn names_no_settings(&self) -> anyhow::Result<()> {
        if let Some(config) = &self.config
            && Config::read(config)?.named_settings().is_some()
        {
            bail!(
                "{} names settings itself, which `serve` puts into force when it starts; change them there, or remove \
                 them there first",
                config.display()
            );
        }
        Ok(())
    }

    /// The database: as it was named, or as the configuration names it.
    fn named_database(&self) -> anyhow::Result<PathBuf> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        let config = self.config.as_deref().map(Config::read).transpose()?;
        Ok(config.map_or_else(|| PathBuf::from("switchboard.db"), |config| config.database))
    }
}

/// Does what an operator wants.
async fn operated(host: Host, command: operate::Operate) -> anyhow::Result<String> {
    let ports = database::open(&host.named_database()?)?;
    let config = host.config.as_deref().map(Config::read).transpose()?;
    let connections = match &config {
        Some(config) => config.connections(&ports)?,
        None => clients::Connections::from_env(&ports)?,
    };
    let public_url = config.and_then(|config| config.public_url);
    let place =
        operate::Place { ports: &ports, connections: &connections, public_url: public_url.as_deref(), json: host.json };
    operate::run(&place, command).await
}

/// Becomes true on Ctrl-C and on the signal that service managers send.
fn stopped() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        #[cfg(unix)]
        {
            let mut terminated = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(terminated) => terminated,
                Err(error) => {
                    tracing::warn!(%error, "only Ctrl-C will end this process");
                    let _ = tokio::signal::ctrl_c().await;
                    let _ = stop.send(true);
                    return;
                }
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = stop.send(true);
    });
    stopped
}
