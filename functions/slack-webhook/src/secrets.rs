//! The signing secrets of the connected apps, cached, and read again when one seems to be missing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Secrets;
use runtime::clock::{Clock, is_recent};
use runtime::secrets::SecretsError;
use secrecy::{ExposeSecret, SecretString};
use tenants::portals::TokenDigest;
use tenants::secret_names::SLACK_SIGNING;

/// If no secret matches a signature, they are read again, but not more often than this.
const SECRETS_TTL: Duration = Duration::from_secs(60);

/// The secrets with their digests.
pub(crate) struct SigningSecretSet {
    pub(crate) secrets: Vec<SecretString>,
    pub(crate) digests: Vec<TokenDigest>,
    read_at: jiff::Timestamp,
}

/// Reads and caches the signing secrets.
#[derive(Clone)]
pub(crate) struct SigningSecrets {
    port: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Option<Arc<SigningSecretSet>>>>,
}

impl SigningSecrets {
    pub(crate) fn new(port: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { port, clock, known: Arc::default() }
    }

    /// The secrets; `newest` ignores cached ones.
    pub(crate) async fn get(&self, newest: bool) -> Result<Arc<SigningSecretSet>, String> {
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = before.filter(|_| !newest) {
            return Ok(known);
        }
        let text = match self.port.get(SLACK_SIGNING).await {
            Ok(text) => text.expose_secret().to_owned(),
            Err(SecretsError::Missing(_)) => String::new(),
            Err(error) => return Err(error.to_string()),
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<SecretString> = lines.map(|line| line.to_owned().into()).collect();
        let digests = secrets.iter().map(|secret| TokenDigest::of(secret.expose_secret())).collect();
        let known = Arc::new(SigningSecretSet { secrets, digests, read_at: self.clock.now() });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    pub(crate) fn may_be_old(&self, known: &SigningSecretSet) -> bool {
        !is_recent(self.clock.now(), known.read_at, SECRETS_TTL)
    }
}
