//! The command `switchboard`: arguments in, one of the library's commands run.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use runtime::SystemClock;
use serde_json::Value;
use simulators::Sandbox;
use simulators::portal::Delivery;
use standalone::config::Config;
use standalone::log::OneLine;
use standalone::{codes, demo, manifest, operate, person, replay, serve, settings_command, sync, tenants_command};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// A handler that takes longer to answer is called less often by the simulated portal.
const SLOW_HANDLER: std::time::Duration = std::time::Duration::from_secs(5);

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
    /// Starts everything with simulated providers, and prints the address of a page to try it on.
    Demo {
        /// Where the page is; another port is taken if this one is not free.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Where the demonstration keeps its data.
        #[arg(long, default_value = "switchboard-demo")]
        data: PathBuf,
        /// Forgets what an earlier demonstration left.
        #[arg(long)]
        fresh: bool,
    },
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
        command: settings_command::Command,
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
        command: tenants_command::Tenants,
    },
    /// Finds one person's data, hands it out, deletes it.
    Person {
        #[command(subcommand)]
        command: person::Person,
    },
    /// Changes the key that seals secrets, while everything runs.
    Keys {
        #[command(subcommand)]
        command: tenants_command::Keys,
    },
    /// Makes, lists and takes back keys of the API.
    ApiKey {
        #[command(subcommand)]
        command: tenants_command::ApiKey,
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
    /// Starts the simulators alone, and prints one line of JSON that tells a client all it needs.
    Sandbox {
        /// Many companies instead of one, each with a portal and a Slack workspace, and none connected yet.
        #[arg(long)]
        companies: Option<usize>,
        /// Answers https, for clients that insist on it: with a certificate of an authority that is made for this run. The
        /// line names the file that holds the authority's own certificate, for the client to trust.
        #[arg(long)]
        tls: bool,
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
        Command::Demo { listen, data, fresh } => {
            if fresh && data.exists() {
                forget(&data)?;
            }
            let any_port = listen.port() == 8080;
            let options = demo::Options { listen, any_port, data };
            Box::pin(demo::demo(options, stopped(), |address| println!("{address}"))).await
        }
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
            let place = settings_command::Place { config: host.config, database: host.database };
            println!("{}", settings_command::run(command, &place).await?);
            Ok(())
        }
        Command::Sync { command } => sync::run(command, host.named_database()?).await,
        Command::AdminCode { connect: true, .. } => {
            println!("{}", codes::to_connect(&host.ports()?).await?);
            Ok(())
        }
        Command::AdminCode { tenant, .. } => {
            println!("{}", codes::new(&host.named_database()?, tenant).await?);
            Ok(())
        }
        Command::Tenants { command } => {
            println!("{}", tenants_command::tenants(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Person { command } => {
            println!("{}", person::run(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Keys { command } => {
            println!("{}", tenants_command::keys(&host.ports()?, command).await?);
            Ok(())
        }
        Command::ApiKey { command } => {
            println!("{}", tenants_command::api_key(&host.ports()?, command).await?);
            Ok(())
        }
        Command::Manifest { url, portal } => {
            print!("{}", manifest::yaml(&url, portal.as_deref()));
            Ok(())
        }
        Command::Sandbox { companies, tls } => Box::pin(simulate(companies, tls)).await,
    }
}

/// Runs the simulators until they are stopped.
async fn simulate(companies: Option<usize>, tls: bool) -> anyhow::Result<()> {
    let authority = if tls { Some(Trusted::new()?) } else { None };
    let secured = |described: Value| match &authority {
        Some(authority) => authority.named_in(described),
        None => described,
    };
    let mut stopped = stopped();
    if let Some(companies) = companies {
        let starting = simulators::Estate::start(Arc::new(SystemClock), companies.clamp(1, 20));
        let estate = match &authority {
            Some(trusted) => trusted.authority.secure(starting).await?,
            None => starting.await?,
        };
        println!("{}", secured(estate.describe()));
        stopped.wait_for(|stop| *stop).await?;
        return Ok(());
    }
    let starting = Sandbox::start(Arc::new(SystemClock));
    let sandbox = match &authority {
        Some(trusted) => trusted.authority.secure(starting).await?,
        None => starting.await?,
    };
    sandbox.portal.deliver(Delivery { slow_after: SLOW_HANDLER, ..Delivery::default() });
    println!("{}", secured(sandbox.describe()));
    tokio::select! {
        () = sandbox.notion.keep_sending() => {}
        stopped = stopped.wait_for(|stop| *stop) => { stopped?; }
    }
    Ok(())
}

/// A certificate authority whose certificate lies in a file as long as the simulators run.
struct Trusted {
    authority: simulators::tls::Authority,
    file: PathBuf,
}

impl Trusted {
    fn new() -> anyhow::Result<Self> {
        let made = simulators::tls::Authority::new()
            .map_err(|error| anyhow::anyhow!("no certificate could be made: {error}"))?;
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let file = std::env::temp_dir().join(format!("switchboard-sandbox-{}-{moment}.pem", std::process::id()));
        let mut kept = sqlite::private::options()
            .create_new(true)
            .open(&file)
            .with_context(|| format!("the file {} cannot be made", file.display()))?;
        kept.write_all(made.certificate().as_bytes())?;
        Ok(Self { authority: made, file })
    }

    fn named_in(&self, mut described: Value) -> Value {
        described["certificate_authority"] = self.file.display().to_string().into();
        described
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
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
    fn ports(&self) -> anyhow::Result<runtime::Ports> {
        codes::ports(&self.named_database()?)
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
    let ports = codes::ports(&host.named_database()?)?;
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

/// Removes what a demonstration made, and nothing else that may lie in its folder.
fn forget(data: &std::path::Path) -> anyhow::Result<()> {
    for name in ["demo.db", "demo.db-wal", "demo.db-shm", "simulators.json"] {
        match std::fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
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
