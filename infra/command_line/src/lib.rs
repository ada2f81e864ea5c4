//! The commands of operators, for the one-machine host and for a deployment on AWS: each program opens its own engine and
//! calls these. Nothing here knows an engine or serves HTTP.

pub mod api_keys;
pub mod codes;
pub mod config;
pub mod keys;
pub mod operate;
pub mod person;
pub mod proxies;
pub mod reference;
pub mod restored;
pub mod settings;
pub mod tenants;
pub mod terminal;

use clap::Subcommand;

use crate::api_keys::ApiKeyCommand;
use crate::keys::KeysCommand;
use crate::operate::{Deployment, OperateCommand};
use crate::person::PersonCommand;
use crate::restored::RestoredArguments;
use crate::tenants::TenantsCommand;

/// The commands that are the same in both programs.
#[derive(Debug, Subcommand)]
pub enum SharedCommand {
    /// Checks, the event log, failed deliveries, queues, the audit.
    #[command(flatten)]
    Operate(OperateCommand),
    /// Lists, exports, imports and removes tenants.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Finds, exports and deletes one person's data.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Changes the key that seals secrets, while everything runs.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Creates, lists and revokes keys of the API.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Marks that the data was restored from a backup. Run it before anything works on the data: then nothing that was
    /// sent since the backup is sent again.
    Restored(RestoredArguments),
}

/// Runs a command; returns what to print.
pub async fn run(deployment: &Deployment, command: SharedCommand) -> anyhow::Result<String> {
    match command {
        SharedCommand::Operate(command) => Box::pin(operate::run(deployment, command)).await,
        SharedCommand::Tenants(command) => tenants::run(&deployment.backend, command).await,
        SharedCommand::Person(command) => person::run(&deployment.backend, command).await,
        SharedCommand::Keys(command) => keys::run(&deployment.backend, command).await,
        SharedCommand::ApiKey(command) => api_keys::run(&deployment.backend, command).await,
        SharedCommand::Restored(arguments) => restored::run(&deployment.backend, arguments).await,
    }
}
