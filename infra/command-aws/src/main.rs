//! The command for a deployment on AWS: what `switchboard` does on one machine, through the SDK.
//!
//! Without a command it connects a portal and its workspaces: it reads the configuration file of `serve`, tries the
//! credentials, makes the key ring on the first run, and stores the connection. Variables name the deployment; its
//! stack has them as one output (docs/deploying.md).

use std::path::PathBuf;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use clients::{ConnectionCredentials, Connections, PortalAccess};
use command_line::config::Config;
use command_line::settings::{self, SettingsCommand};
use command_line::{codes, operate, person, tenants};
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
    /// The configuration; docs/connecting.md shows one. Its addresses and database are not used.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Only makes a code with which an administrator of this portal (its `member_id`) signs in, once, within 15 minutes.
    #[arg(long, value_name = "MEMBER_ID")]
    admin_code: Option<String>,
    /// Only makes a code with which a portal is connected by webhooks on the page /install, once, within 15 minutes.
    #[arg(long)]
    connect_code: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is done with a deployment.
#[derive(clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Operate(operate::Operate),
    /// Checks, shows, compares and applies the settings document.
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Prints what lets a shell complete these commands.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Lists, exports, imports and removes tenants.
    #[command(subcommand)]
    Tenants(tenants::Tenants),
    /// Finds one person's data, hands it out, deletes it.
    #[command(subcommand)]
    Person(person::Person),
    /// Changes the key that seals secrets, while everything runs.
    #[command(subcommand)]
    Keys(tenants::Keys),
    /// Makes, lists and takes back keys of the API.
    #[command(subcommand)]
    ApiKey(tenants::ApiKey),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let ports = aws::ports_of_command();
    if let Some(member_id) = arguments.admin_code {
        println!("{}", admin::new_code(&ports, &TenantId::new(member_id)?).await?);
        return Ok(());
    }
    if arguments.connect_code {
        println!("{}", codes::to_connect(&ports).await?);
        return Ok(());
    }
    if let Some(command) = arguments.command {
        let done = match command {
            Command::Operate(command) => {
                let connections = Connections::from_env(&ports)?;
                let public_url = std::env::var("PUBLIC_URL").ok().filter(|url| !url.is_empty());
                let place = operate::Place {
                    ports: &ports,
                    connections: &connections,
                    public_url: public_url.as_deref(),
                    json: arguments.json,
                };
                Box::pin(operate::run(&place, command)).await?
            }
            Command::Settings(command) => settings::run(command, || Ok(Some(ports))).await?,
            Command::Completions { shell } => operate::completions(shell, &mut Arguments::command(), "switchboard-aws"),
            Command::Tenants(command) => {
                // An import seals with the deployment's own key.
                ensure_key_ring(&ports).await?;
                tenants::tenants(&ports, command).await?
            }
            Command::Person(command) => person::run(&ports, command).await?,
            Command::Keys(command) => tenants::keys(&ports, command).await?,
            Command::ApiKey(command) => tenants::api_key(&ports, command).await?,
        };
        println!("{done}");
        return Ok(());
    }
    let config = Config::read_keys(&arguments.config.context("--config is missing")?)?;
    ensure_key_ring(&ports).await?;
    let connections = config.connections(&ports)?;
    if let Some(apps) = &config.apps {
        apps.store(ports.secrets.as_ref()).await?;
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
        workspace: connections.look_at(&portal, &slack.bot_token).await?,
        notion: match &config.notion {
            Some(notion) => Some(connections.look_at_notion(&notion.token).await?),
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

async fn ensure_key_ring(ports: &Backend) -> anyhow::Result<()> {
    match ports.secrets.get(KEY_RING).await {
        Ok(_) => Ok(()),
        Err(SecretsError::Missing(_)) => {
            ports.secrets.put(KEY_RING, KeyRing::generate()).await?;
            println!("Made a key ring.");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
