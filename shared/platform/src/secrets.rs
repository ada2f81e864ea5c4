//! The secrets port: named secret texts, kept by the engine.

use async_trait::async_trait;
use secrecy::SecretString;

/// The secret that holds the key ring, see [`crate::seal::KeyRing`].
pub const KEY_RING: &str = "key-ring";
/// The secret that holds the signing secrets of the Slack apps that are connected, one a line.
pub const SLACK_SIGNING: &str = "slack-signing-secrets";

/// The secret that holds the keys of our applications at the providers, see `connect::Apps`.
pub const APPS: &str = "oauth-apps";

/// A secret could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is no secret of that name.
    #[error("there is no secret {0:?}; create it, or check the name and the function's permission")]
    Missing(String),
    /// The engine did not answer.
    #[error("secret {name:?} could not be read: {cause}")]
    Unavailable {
        /// The secret's name.
        name: String,
        /// What the engine said.
        cause: String,
    },
}

/// Gives out secret texts by name.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The secret's present text.
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError>;

    /// Creates the secret, or gives it a new text.
    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError>;
}
