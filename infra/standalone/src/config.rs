//! The configuration file of `serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rules::{Route, Settings};
use secrecy::SecretString;
use serde::Deserialize;

use crate::settings;

/// What `serve` needs to know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where providers reach us. Put TLS in front of it.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where operators look. Never public: it asks for no password.
    #[serde(default = "default_status")]
    pub status: SocketAddr,
    /// The SQLite file.
    #[serde(default = "default_database")]
    pub database: PathBuf,
    /// Where providers reach us from outside: `https://switchboard.example`. An application binds its events there.
    pub public_url: Option<String>,
    /// The settings document, beside this file. Without it the settings are those that were applied last.
    pub settings: Option<PathBuf>,
    /// The portal.
    pub portal: PortalConfig,
    /// The workspace.
    pub slack: SlackConfig,
    /// The Notion workspace, if records are kept alike with one.
    pub notion: Option<NotionConfig>,
    /// Routes alone, for who needs no more than that.
    pub routes: Option<Vec<Route>>,
    /// What `settings` or `routes` say.
    #[serde(skip)]
    read: Option<Settings>,
}

/// The portal's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalConfig {
    /// The incoming webhook's URL.
    pub webhook_url: SecretString,
    /// The outgoing webhook's application token.
    pub application_token: SecretString,
    /// The portal's lasting id. Without it, the first event that carries the application token tells.
    pub member_id: Option<String>,
}

/// The workspace's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The bot token.
    pub bot_token: SecretString,
    /// The app's signing secret, by which Slack's requests are known. Without it there are no commands and no bridges.
    pub signing_secret: Option<SecretString>,
    /// Another address for Slack's API: a simulator's.
    pub api_url: Option<String>,
}

/// The Notion workspace's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotionConfig {
    /// The internal connection's secret.
    pub token: SecretString,
    /// Another address for Notion's API: a simulator's.
    pub api_url: Option<String>,
}

impl NotionConfig {
    /// Where Notion's API is.
    pub fn api(config: Option<&Self>) -> Result<notion::ApiBase, notion::Error> {
        let url = config.and_then(|config| config.api_url.as_deref());
        url.map(notion::ApiBase::new).transpose().map(Option::unwrap_or_default)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8080))
}

fn default_status() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8081))
}

fn default_database() -> PathBuf {
    "switchboard.db".into()
}

impl Config {
    /// Reads a file. Secrets may be given as `env:NAME`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}; docs/connecting.md shows what to write there", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("{} is not right", path.display()))?;
        for secret in
            [&mut config.portal.webhook_url, &mut config.portal.application_token, &mut config.slack.bot_token]
        {
            *secret = resolved(secret)?;
        }
        if let Some(secret) = &mut config.slack.signing_secret {
            *secret = resolved(secret)?;
        }
        if let Some(notion) = &mut config.notion {
            notion.token = resolved(&notion.token)?;
        }
        config.read = match (&config.settings, config.routes.take()) {
            (Some(_), Some(_)) => bail!("{}: settings and [[routes]] are both given; keep one", path.display()),
            (Some(file), None) => Some(settings::read(&path.parent().unwrap_or(Path::new("")).join(file))?),
            (None, Some(routes)) => {
                let settings = Settings { routes, ..Settings::default() };
                if let Some(problem) = settings.problems().first() {
                    bail!("{}: {problem}", path.display());
                }
                Some(settings)
            }
            (None, None) => None,
        };
        Ok(config)
    }

    /// The settings that the configuration names, if it names any.
    pub fn named_settings(&self) -> Option<&Settings> {
        self.read.as_ref()
    }
}

fn resolved(secret: &SecretString) -> anyhow::Result<SecretString> {
    use secrecy::ExposeSecret;
    match secret.expose_secret().strip_prefix("env:") {
        Some(name) => match std::env::var(name) {
            Ok(value) => Ok(value.into()),
            Err(_) => bail!("the configuration takes a secret from the environment variable {name}, which is not set"),
        },
        None => Ok(secret.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Config::read(file.path())
    }

    const SECRETS: &str = "[portal]\nwebhook_url = 'https://a.bitrix24.com/rest/1/x/'\napplication_token = 't'\n[slack]\nbot_token = 'xoxb'\n";

    #[test]
    fn little_is_enough() {
        let config = read(SECRETS).unwrap();
        assert_eq!(config.named_settings(), None);
        assert!(config.status.ip().is_loopback());
    }

    #[test]
    fn the_example_is_right() {
        let example = include_str!("../../../switchboard.example.toml");
        assert!(read(example).unwrap().named_settings().is_none());
        let settings = rules::document::read(include_str!("../../../settings.example.yaml")).unwrap();
        assert_eq!(settings.routes.len(), 9);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let error = format!("{:#}", read(&SECRETS.replace("bot_token", "bot_tokn")).unwrap_err());
        assert!(error.contains("bot_tokn") && error.contains("line 5"), "{error}");
        let error = format!("{:#}", read(&SECRETS.replace("'xoxb'", "'env:SWITCHBOARD_NOT_SET'")).unwrap_err());
        assert!(error.contains("SWITCHBOARD_NOT_SET"), "{error}");
        let route = "[[routes]]\nname='x'\nchange='deal.created'\nchannel='#'\n";
        assert!(format!("{:#}", read(&format!("{SECRETS}{route}")).unwrap_err()).contains("no channel is named"));
        let route = "[[routes]]\nname='x'\nchange='deal.created'\nchannel='#x'\nwhen='record.sum > 1'\n";
        assert!(format!("{:#}", read(&format!("{SECRETS}{route}")).unwrap_err()).contains("routes[0].when"));
        let both = format!("settings = 'x.yaml'\n{SECRETS}{}", route.replace("when='record.sum > 1'\n", ""));
        assert!(format!("{:#}", read(&both).unwrap_err()).contains("keep one"));
    }
}
