//! The keys of our applications at the providers: those that OAuth uses when a person connects a provider.
//!
//! They are one secret of the deployment. A portal's own local application has its own keys, kept with its tenant.

use runtime::secrets::SecretsError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tenants::secret_names::APPS;

use crate::{Connections, Failure};

/// The keys of one application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppKeys {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretString,
}

/// The keys of the Slack app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackKeys {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretString,
    /// The secret that signs the app's requests.
    pub signing_secret: SecretString,
    /// Whether the app is set up for PKCE.
    #[serde(default)]
    pub pkce: bool,
}

/// The keys of all our applications; each may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apps {
    /// The Bitrix24 application that many portals install; without it each portal brings a local one.
    pub bitrix24: Option<AppKeys>,
    /// The Slack app.
    pub slack: Option<SlackKeys>,
    /// The public Notion connection; without it an internal connection's secret is pasted.
    pub notion: Option<AppKeys>,
}

impl Apps {
    /// Reads the keys from their text, which is JSON.
    pub fn parse(text: &SecretString) -> Result<Self, Failure> {
        // Only the position: the text is secret.
        serde_json::from_str(text.expose_secret()).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Failure::permanent(
                "bad_apps",
                format!("the secret {APPS:?} cannot be read ({place}); docs/installing.md shows it"),
            )
        })
    }
}

impl AppKeys {
    pub(crate) fn bitrix24(&self) -> bitrix24::oauth::App {
        bitrix24::oauth::App { id: self.client_id.clone(), secret: self.client_secret.clone() }
    }

    pub(crate) fn notion(&self) -> notion::oauth::App {
        notion::oauth::App { id: self.client_id.clone(), secret: self.client_secret.clone() }
    }
}

impl SlackKeys {
    pub(crate) fn app(&self) -> slack::oauth::App {
        slack::oauth::App { id: self.client_id.clone(), secret: self.client_secret.clone() }
    }
}

impl Connections {
    /// The current keys of our applications.
    pub async fn apps(&self) -> Result<Apps, Failure> {
        match self.secrets.get(APPS).await {
            Ok(text) => Apps::parse(&text),
            Err(SecretsError::Missing(_)) => Ok(Apps::default()),
            Err(error) => Err(Failure::transient(error.to_string())),
        }
    }
}
