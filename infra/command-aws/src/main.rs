//! The command for a deployment on AWS: what `switchboard` does on one machine, through the SDK.
//!
//! Without a command it connects a portal and its workspaces: it reads the configuration file of `serve`, tries the
//! credentials, makes the key ring on the first run, and stores the connection. Variables name the deployment; its
//! stack has them as one output (docs/deploying.md).

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use clients::{ConnectionCredentials, Connections, PortalAccess};
use command_line::config::{self, Config};
use command_line::operate::Deployment;
use command_line::settings::{self, SettingsCommand};
use command_line::{SharedCommand, codes, terminal};
use runtime::seal::KeyRing;
use runtime::secrets::{KEY_RING, SecretsError};
use runtime::{Backend, TenantId};

/// Connects a portal and a Slack workspace to a deployment on AWS, and operates it.
#[derive(Parser)]
#[command(name = "switchboard-aws", version)]
struct Arguments {
    /// For the commands of operators: prints JSON.
    #[arg(long, global = true)]
    json: bool,
    /// The configuration; docs/connecting.md shows one. Its addresses and its database are not used.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Only creates a code with which an administrator of this portal (its `member_id`) signs in, once, within 15 minutes.
    #[arg(long, value_name = "MEMBER_ID")]
    admin_code: Option<String>,
    /// Only creates a code with which a portal is connected by webhooks on the page /install, once, within 15 minutes.
    #[arg(long)]
    connect_code: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do with a deployment.
#[derive(clap::Subcommand)]
enum Command {
    /// Checks, shows, compares and applies the settings document.
    #[command(subcommand)]
    Settings(SettingsCommand),
    #[command(flatten)]
    Shared(SharedCommand),
    /// Prints the script with which a shell completes these commands.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { json, config, admin_code, connect_code, command } = Arguments::parse();
    let backend = aws::ports_of_command();
    let text = match (admin_code, connect_code, command) {
        (Some(member_id), ..) => admin::new_code(&backend, &TenantId::new(member_id)?).await?,
        (None, true, _) => codes::to_connect(&backend).await?,
        (None, false, Some(command)) => Box::pin(run(backend, command, json)).await?,
        (None, false, None) => return connect(&backend, &config.context("--config is missing")?).await,
    };
    println!("{}", text.trim_end());
    Ok(())
}

async fn run(backend: Backend, command: Command, json: bool) -> anyhow::Result<String> {
    match command {
        Command::Settings(command) => settings::run(command, || Ok(Some(backend))).await,
        Command::Shared(command) => {
            if matches!(command, SharedCommand::Tenants(_)) {
                // An import seals with the deployment's own key.
                ensure_key_ring(&backend).await?;
            }
            let connections = Connections::from_env(&backend)?;
            let public_url = std::env::var("PUBLIC_URL").ok().filter(|url| !url.is_empty());
            command_line::run(&Deployment { backend, connections, public_url, configured: None, json }, command).await
        }
        Command::Completions { shell } => {
            Ok(terminal::completions(shell, &mut Arguments::command(), "switchboard-aws"))
        }
    }
}

/// Connects the portal that a configuration names, or stores the keys of its applications.
async fn connect(backend: &Backend, config: &Path) -> anyhow::Result<()> {
    let config = Config::read_keys(config)?;
    ensure_key_ring(backend).await?;
    let connections = config.connections(backend)?;
    if let Some(apps) = &config.apps {
        config::store_apps(apps, backend.secrets.as_ref()).await?;
        println!("Stored the keys of the applications. Portals connect themselves at /install.");
    }
    let settings = config.named_settings().map(serde_json::to_value).transpose()?;
    let (Some(named), Some(slack)) = (config.portal, config.slack) else { return Ok(()) };
    let member_id = named.member_id.clone().context(
        "portal.member_id is missing: on AWS it cannot be learned from the first event; \
         it is auth[member_id] of any event of the portal",
    )?;
    let portal = PortalAccess::Webhook(named.webhook_url);
    let access = ConnectionCredentials {
        member_id,
        workspace: Some(connections.verify_credentials(&portal, &slack.bot_token).await?),
        notion: match &config.notion {
            Some(notion) => Some(connections.verify_notion_token(&notion.token).await?),
            None => None,
        },
        signing_secret: slack.signing_secret.clone(),
        settings,
        portal,
        application_token: named.application_token,
        bot_token: slack.bot_token,
    };
    let tenant = connections.join(access).await?;
    println!("Connected portal {tenant}.");
    Ok(())
}

async fn ensure_key_ring(backend: &Backend) -> anyhow::Result<()> {
    match backend.secrets.get(KEY_RING).await {
        Ok(_) => Ok(()),
        Err(SecretsError::Missing(_)) => {
            backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
            println!("Made a key ring.");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
