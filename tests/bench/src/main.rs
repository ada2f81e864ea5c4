//! Measurements. `docs/performance.md` says what each means and how to repeat it.
#![allow(clippy::cast_precision_loss, clippy::print_stdout)]

mod burst;
mod cold;
mod cost;
mod webhook;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Acknowledgements a second, and how long each takes, beside a handler that only answers.
    Webhook,
    /// Serves one side of `webhook`; started by it.
    #[command(hide = true)]
    ServeForWebhook {
        /// Which side.
        side: String,
    },
    /// From the start of each bootstrap to its first request for work, beside a bare one.
    Cold,
    /// What the worst inputs of every parser cost, at half their limit and at the limit.
    Cost,
    /// Ten thousand deals changed at once.
    Burst {
        /// How many deals.
        #[arg(long, default_value_t = 10_000)]
        deals: usize,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Webhook => webhook::measure().await,
        What::ServeForWebhook { side } => webhook::serve(&side).await,
        What::Cost => cost::measure(),
        What::Cold => cold::measure().await,
        What::Burst { deals } => Box::pin(burst::measure(deals)).await,
    }
}
