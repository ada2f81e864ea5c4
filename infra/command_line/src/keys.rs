//! `keys`: the ring of keys that seal secrets.

use clap::Subcommand;
use runtime::Backend;
use tenants::key_rotation;

/// What to do with the keys that seal secrets.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Adds a new key in front of the ring. Everything stays readable.
    Rotate,
    /// Seals everything again with the key in front.
    Reseal,
    /// Removes the old keys, if nothing is sealed with them any more.
    Retire,
}

/// Runs a command; returns what to print.
pub async fn run(backend: &Backend, command: KeysCommand) -> anyhow::Result<String> {
    Ok(match command {
        KeysCommand::Rotate => {
            let name = key_rotation::rotate(backend).await?;
            format!(
                "Key {name} is in front. All workers seal with it within five minutes. Then run `keys reseal`, and ten minutes after that `keys retire`."
            )
        }
        KeysCommand::Reseal => format!("Sealed {} secrets again.", key_rotation::reseal(backend).await?),
        KeysCommand::Retire => {
            key_rotation::retire(backend).await?;
            "Only the key in front is left in the ring.".into()
        }
    })
}
