//! The secrets port: named secret texts, kept by the engine.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

/// The secret that holds the key ring, see [`crate::seal::KeyRing`].
pub const KEY_RING: &str = "key-ring";

/// A secret could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The secret does not exist.
    #[error("there is no secret {0:?}; create it, or check the name and the function's permission")]
    Missing(String),
    /// The engine did not answer.
    #[error("secret {name:?} could not be read: {cause}")]
    Unavailable {
        /// The secret's name.
        name: String,
        /// The engine's error.
        cause: String,
    },
}

/// Keeps secret texts by name.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The secret's current text.
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError>;

    /// Creates the secret, or gives it a new text. Of several texts that are put at once, one remains, whole.
    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError>;
}

/// How often a line is added again that another writer overwrote.
const TRIES: usize = 5;

/// Adds a line to a secret that consists of lines, unless it is there.
///
/// No engine changes a secret on a condition: within a process one line is added at a time, and a writer that was
/// overwritten by another process sees it and adds the line again.
pub async fn add_line(secrets: &dyn Secrets, name: &str, line: &SecretString) -> Result<(), SecretsError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let line = line.expose_secret().trim();
    for _ in 0..TRIES {
        let known = match secrets.get(name).await {
            Ok(known) => known.expose_secret().to_owned(),
            Err(SecretsError::Missing(_)) => String::new(),
            Err(error) => return Err(error),
        };
        if known.lines().any(|one| one.trim() == line) {
            return Ok(());
        }
        secrets.put(name, format!("{}\n{line}", known.trim()).trim().to_owned().into()).await?;
    }
    Err(SecretsError::Unavailable { name: name.to_owned(), cause: "others write it all the time; try again".into() })
}
