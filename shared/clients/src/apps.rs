//! The keys of our applications at the providers: those that OAuth uses when a person connects a provider.
//!
//! They are one secret of the deployment. A portal's own local application has its own keys, kept with its tenant.

use runtime::secrets::SecretsError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tenants::secret_names::APPS;
use wire::AppKeys;

use crate::{Connections, Failure};

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

/// The keys as they are stored. A newer release may have more of them: what is not known is left out, where a person's
/// configuration would be refused.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredApps {
    bitrix24: Option<StoredKeys>,
    slack: Option<StoredSlackKeys>,
    notion: Option<StoredKeys>,
}

#[derive(Deserialize)]
struct StoredKeys {
    client_id: String,
    client_secret: SecretString,
}

#[derive(Deserialize)]
struct StoredSlackKeys {
    client_id: String,
    client_secret: SecretString,
    signing_secret: SecretString,
    #[serde(default)]
    pkce: bool,
}

impl From<StoredApps> for Apps {
    fn from(stored: StoredApps) -> Self {
        let keys = |StoredKeys { client_id, client_secret }| AppKeys { client_id, client_secret };
        let slack = |StoredSlackKeys { client_id, client_secret, signing_secret, pkce }| SlackKeys {
            client_id,
            client_secret,
            signing_secret,
            pkce,
        };
        Self { bitrix24: stored.bitrix24.map(keys), slack: stored.slack.map(slack), notion: stored.notion.map(keys) }
    }
}

impl Apps {
    /// Reads the keys from their text, which is JSON.
    pub fn parse(text: &SecretString) -> Result<Self, Failure> {
        // Only the position: the text is secret.
        let read = serde_json::from_str::<StoredApps>(text.expose_secret()).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Failure::permanent(
                "bad_apps",
                format!("the secret {APPS:?} cannot be read ({place}); docs/installing.md shows it"),
            )
        });
        read.map(Self::from)
    }

    /// The keys as text, which [`Apps::parse`] reads.
    pub fn text(&self) -> SecretString {
        let keys =
            |keys: &AppKeys| json!({"client_id": keys.client_id, "client_secret": keys.client_secret.expose_secret()});
        let slack = self.slack.as_ref().map(|slack| {
            let mut all = keys(&slack.app());
            all["signing_secret"] = slack.signing_secret.expose_secret().into();
            all["pkce"] = slack.pkce.into();
            all
        });
        let (bitrix24, notion) = (self.bitrix24.as_ref().map(keys), self.notion.as_ref().map(keys));
        json!({"bitrix24": bitrix24, "slack": slack, "notion": notion}).to_string().into()
    }
}

impl SlackKeys {
    /// The keys that OAuth needs.
    pub(crate) fn app(&self) -> AppKeys {
        AppKeys { client_id: self.client_id.clone(), client_secret: self.client_secret.clone() }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_that_only_a_newer_release_knows_do_not_hide_the_others() {
        let stored = json!({
            "bitrix24": {"client_id": "app.1", "client_secret": "s", "region": "east"},
            "slack": {"client_id": "1.2", "client_secret": "s", "signing_secret": "x", "pkce": true, "granular": true},
            "shop": {"client_id": "9"},
        });
        let apps = Apps::parse(&stored.to_string().into()).unwrap();
        assert_eq!(apps.bitrix24.unwrap().client_id, "app.1");
        assert!(apps.slack.is_some_and(|slack| slack.pkce && slack.client_id == "1.2") && apps.notion.is_none());
        let wrong = Apps::parse(&json!({"slack": {"client_id": "1.2"}}).to_string().into()).unwrap_err();
        assert!(wrong.text.contains("cannot be read (line 1"), "{}", wrong.text);
        // What a person writes into a configuration is refused.
        assert!(serde_json::from_value::<Apps>(stored).is_err());
    }
}
