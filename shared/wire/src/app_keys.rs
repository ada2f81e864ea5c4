//! The keys of an application at a provider.

use secrecy::SecretString;
use serde::Deserialize;

/// The keys of an application: what OAuth at each provider needs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppKeys {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretString,
}
