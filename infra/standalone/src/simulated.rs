//! The commands that need the simulators. A build without the feature `demo` has them only to say that it cannot run them.

use clap::Subcommand;
use tokio::sync::watch;

#[cfg(feature = "demo")]
use crate::{demo::Options as DemoOptions, sandbox::Options as SandboxOptions};

/// The commands for simulated providers.
#[derive(Debug, Subcommand)]
pub enum Simulated {
    /// Starts everything with simulated providers, and prints the address of a page to try it on.
    Demo(DemoOptions),
    /// Starts the simulators alone, and prints one line of JSON with all that a client needs.
    Sandbox(SandboxOptions),
}

/// Runs until `stop` becomes true.
#[cfg(feature = "demo")]
pub async fn run(command: Simulated, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    match command {
        Simulated::Demo(options) => Box::pin(crate::demo::run(options, stop)).await,
        Simulated::Sandbox(options) => Box::pin(crate::sandbox::run(options, stop)).await,
    }
}

/// Says which build has the simulators.
#[cfg(not(feature = "demo"))]
#[expect(clippy::unused_async, reason = "it is called like the one above")]
pub async fn run(_command: Simulated, _stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    anyhow::bail!(
        "this build has no simulators. In a checkout of the sources, run `cargo run -- demo` or `cargo run -- sandbox`"
    )
}

#[cfg(not(feature = "demo"))]
type DemoOptions = Unused;
#[cfg(not(feature = "demo"))]
type SandboxOptions = Unused;

/// The options of a command that this build does not have.
#[cfg(not(feature = "demo"))]
#[derive(Debug, clap::Args)]
pub struct Unused {
    /// Any.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub options: Vec<String>,
}
