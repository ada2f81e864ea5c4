//! The command `switchboard`: arguments in, one of the library's commands run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use clients::Connections;
use command_line::config::Config;
use command_line::operate::Deployment;
use command_line::settings::{self, SettingsCommand};
use command_line::{SharedCommand, codes, terminal};
use runtime::Backend;
use standalone::database_command::{self, DatabaseCommand};
use standalone::log::OneLine;
use standalone::simulated::{self, Simulated};
use standalone::sync::{self, SyncArguments};
use standalone::{database, manifest, replay, serve};
use tokio::sync::watch;

// What is shipped cannot draw its secrets from a seed. Tests are built with everything that any of them needs.
const _: () =
    assert!(cfg!(debug_assertions) || !runtime::random::IS_SEEDABLE, "the feature runtime/seeded is for tests");
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
    /// Runs against a real portal and a real workspace, with the configuration that `--config` names. docs/connecting.md
    /// shows one.
    Serve,
    /// Posts a recorded event body, as Bitrix24 would.
    Replay {
        /// The file with the body.
        file: PathBuf,
        /// The address to post it to.
        #[arg(long, default_value = "http://127.0.0.1:8080/webhooks/bitrix24")]
        to: String,
    },
    /// Checks, shows, compares and applies the settings document.
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Shows the state of the Notion databases; plans and runs backfills.
    Sync(SyncArguments),
    /// Creates a code with which an administrator signs in, once, within 15 minutes.
    AdminCode {
        /// The tenant. Needed if several portals are connected.
        #[arg(long)]
        tenant: Option<String>,
        /// Instead, a code with which a portal is connected by webhooks on the page /install.
        #[arg(long, conflicts_with = "tenant")]
        connect: bool,
    },
    /// Checks, compacts, backs up and restores the database.
    #[command(subcommand)]
    Database(DatabaseCommand),
    #[command(flatten)]
    Shared(SharedCommand),
    /// Prints the script with which a shell completes these commands.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the Slack app's manifest for an address.
    Manifest {
        /// Where Slack reaches Switchboard: `https://switchboard.example`.
        #[arg(long)]
        url: String,
        /// The portal's host, for links that unfold: acme.bitrix24.com
        #[arg(long)]
        portal: Option<String>,
    },
}

/// How long threads that still read a file or look up a name can hold up the end.
const MAX_LEFTOVER: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("switchboard: no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(begin());
    runtime.shutdown_timeout(MAX_LEFTOVER);
    code
}

async fn begin() -> ExitCode {
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
    let text = match command {
        Command::Simulated(command) => return simulated::run(command, stopped()).await,
        Command::Serve => {
            let config =
                host.config.context("name the configuration with --config FILE; docs/connecting.md shows one")?;
            return Box::pin(serve::serve(&config, stopped())).await;
        }
        Command::Sync(arguments) => return sync::run(arguments, &host.backend()?).await,
        Command::Replay { file, to } => replay::replay(&file, &to).await?,
        Command::Settings(command) => {
            if matches!(command, SettingsCommand::Apply { .. }) {
                host.names_no_settings()?;
            }
            settings::run(command, || host.named_ports()).await?
        }
        Command::AdminCode { connect: true, .. } => codes::to_connect(&host.backend()?).await?,
        Command::AdminCode { tenant, .. } => codes::new(&host.backend()?, tenant).await?,
        Command::Database(command) => Box::pin(database_command::run(command, &host.database()?, host.json)).await?,
        Command::Shared(command) => Box::pin(command_line::run(&host.deployment()?, command)).await?,
        Command::Completions { shell } => terminal::completions(shell, &mut Arguments::command(), "switchboard"),
        Command::Manifest { url, portal } => manifest::yaml(&url, portal.as_deref()),
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// The host that operators' commands are about.
struct Host {
    config: Option<PathBuf>,
    database: Option<PathBuf>,
    json: bool,
}

impl Host {
    fn config(&self) -> anyhow::Result<Option<Config>> {
        self.config.as_deref().map(Config::read).transpose()
    }

    /// The database that was named, or the one that the configuration names.
    fn database(&self) -> anyhow::Result<PathBuf> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        Ok(self.config()?.map_or_else(|| PathBuf::from("switchboard.db"), |config| config.database))
    }

    /// The ports over the database.
    fn backend(&self) -> anyhow::Result<Backend> {
        database::open(&self.database()?)
    }

    /// The same; `None` if neither a configuration nor a database is named.
    fn named_ports(&self) -> anyhow::Result<Option<Backend>> {
        let is_named = self.config.is_some() || self.database.is_some();
        is_named.then(|| self.backend()).transpose()
    }

    /// The deployment as the shared commands need it.
    fn deployment(&self) -> anyhow::Result<Deployment> {
        let (backend, config) = (self.backend()?, self.config()?);
        let connections = match &config {
            Some(config) => config.connections(&backend)?,
            None => Connections::from_env(&backend)?,
        };
        let configured = config.as_ref().and_then(Config::tokens);
        Ok(Deployment {
            backend,
            connections,
            configured,
            public_url: config.and_then(|config| config.public_url),
            json: self.json,
        })
    }

    /// Refuses a configuration with settings of its own: `serve` would apply those again.
    fn names_no_settings(&self) -> anyhow::Result<()> {
        if let (Some(file), Some(config)) = (&self.config, self.config()?)
            && config.named_settings().is_some()
        {
            bail!(
                "{} names settings itself, which `serve` puts into force when it starts; change them there, or remove \
                 them there first",
                file.display()
            );
        }
        Ok(())
    }
}

/// The code of a process that a second signal ended.
const INTERRUPTED: i32 = 130;

/// Becomes true on Ctrl-C and on the signal that service managers send. A second one ends the process at once.
fn stopped() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let mut signals = Signals::listen();
        signals.next().await;
        stop.send_replace(true);
        signals.next().await;
        eprintln!("switchboard: ended at once by a second signal");
        std::process::exit(INTERRUPTED);
    });
    stopped
}

/// The signals that ask the process to end.
struct Signals {
    #[cfg(unix)]
    terminated: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn listen() -> Self {
        #[cfg(unix)]
        {
            let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            if let Err(error) = &terminated {
                tracing::warn!(%error, "only Ctrl-C will end this process");
            }
            Self { terminated: terminated.ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Returns at the next one.
    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(terminated) = &mut self.terminated {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}
