//! The configuration file of `serve`: its fields, defaults and checks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clients::{Apps, Network};
use http::Uri;
use operations::doctor::ConfiguredTokens;
use runtime::secrets::{Secrets, add_line};
use secrecy::SecretString;
use serde::Deserialize;
use settings::{Route, Settings};
use tenants::secret_names::{APPS, SLACK_SIGNING};

use crate::proxies::Proxies;
use crate::settings as documents;

/// The configuration of `serve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where providers reach us. Put TLS in front of it.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where the status page is. Never public: it has no password.
    #[serde(default = "default_status")]
    pub status: SocketAddr,
    /// The SQLite file.
    #[serde(default = "default_database")]
    pub database: PathBuf,
    /// Names by which operators reach the status page, besides `localhost` and the address that it listens on.
    #[serde(default)]
    pub status_names: Vec<String>,
    /// Where providers reach us from outside: `https://switchboard.example`. An application binds its events there, and
    /// providers send browsers back there.
    pub public_url: Option<String>,
    /// Proxies in front of us.
    #[serde(default)]
    pub proxies: ProxiesConfig,
    /// How much a client may use.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// The settings document, beside this file. Without it the settings are those that were applied last.
    pub settings: Option<PathBuf>,
    /// The portal, if it is connected by webhooks; portals that install the application are not named here.
    pub portal: Option<PortalConfig>,
    /// The workspace of that portal.
    pub slack: Option<SlackConfig>,
    /// The keys of the applications at the providers, for portals and workspaces that are connected by a click.
    pub apps: Option<Apps>,
    /// Other addresses than the providers': those of simulators.
    #[serde(default)]
    pub providers: Providers,
    /// Where requests may go beside the open internet.
    #[serde(default)]
    pub network: NetworkConfig,
    /// The Notion workspace, if records are synced with one.
    pub notion: Option<NotionConfig>,
    /// The routes, if nothing else is to be set.
    pub routes: Option<Vec<Route>>,
    /// The settings that the document of `settings`, or `routes`, describes.
    #[serde(skip)]
    read: Option<Settings>,
}

/// Proxies in front of us.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxiesConfig {
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted: Proxies,
}

/// How much a client may use; the usual limits for what is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections at once.
    pub connections: Option<usize>,
    /// Connections at once from one address, unless it is a trusted proxy.
    pub connections_per_address: Option<usize>,
    /// Seconds in which the head of a request has to arrive.
    pub head_seconds: Option<u64>,
    /// Seconds in which its body has to arrive after that.
    pub body_seconds: Option<u64>,
    /// Seconds for which a connection may wait for its next request.
    pub idle_seconds: Option<u64>,
}

/// Makes the keys of the applications known to a deployment. From then on, requests of the Slack app are accepted: Slack
/// asks its address for an answer before anybody has installed it.
pub async fn store_apps(apps: &Apps, secrets: &dyn Secrets) -> anyhow::Result<()> {
    let mut apps = apps.clone();
    for keys in apps.bitrix24.iter_mut().chain(&mut apps.notion) {
        keys.client_secret = resolved(&keys.client_secret)?;
    }
    if let Some(keys) = &mut apps.slack {
        keys.client_secret = resolved(&keys.client_secret)?;
        keys.signing_secret = resolved(&keys.signing_secret)?;
    }
    secrets.put(APPS, apps.text()).await?;
    if let Some(keys) = &apps.slack {
        add_line(secrets, SLACK_SIGNING, &keys.signing_secret).await?;
    }
    Ok(())
}

/// Other addresses than the providers'.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Providers {
    /// Slack's API.
    pub slack: Option<String>,
    /// Notion's API.
    pub notion: Option<String>,
    /// `oauth.bitrix.info`.
    pub bitrix24_auth_west: Option<String>,
    /// `oauth.bitrix24.tech`.
    pub bitrix24_auth_east: Option<String>,
}

/// Where requests may go beside the open internet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Networks (`10.1.2.0/24`), addresses (`10.1.2.3`, `10.1.2.3:8443`) and hosts (`portal.corp.example`).
    pub allow: Vec<String>,
}

impl NetworkConfig {
    fn network(&self) -> anyhow::Result<Network> {
        Network::allowing(&self.allow).context("[network] allow")
    }
}

impl Config {
    /// Where requests can go: also to the portal that this file names.
    fn reach(&self) -> anyhow::Result<Network> {
        use secrecy::ExposeSecret;
        let network = self.network.network()?;
        Ok(match &self.portal {
            Some(portal) => network.naming(portal.webhook_url.expose_secret()),
            None => network,
        })
    }

    /// The tokens that it names, if it names a tenant.
    pub fn tokens(&self) -> Option<ConfiguredTokens> {
        let (portal, slack) = (self.portal.as_ref()?, self.slack.as_ref()?);
        Some(ConfiguredTokens {
            application_token: portal.application_token.clone(),
            slack: slack.bot_token.clone(),
            notion: self.notion.as_ref().map(|notion| notion.token.clone()),
        })
    }

    /// Connections over `backend`, to the providers or to simulators.
    pub fn connections(&self, backend: &runtime::Backend) -> anyhow::Result<clients::Connections> {
        let of_slack = self.slack.as_ref().and_then(|slack| slack.api_url.as_deref());
        let slack = of_slack.or(self.providers.slack.as_deref()).map(slack::SlackApiBase::new).transpose()?;
        let of_notion = self.notion.as_ref().and_then(|notion| notion.api_url.as_deref());
        let notion = of_notion.or(self.providers.notion.as_deref()).map(notion::NotionApiBase::new).transpose()?;
        let connections =
            clients::Connections::new(backend, slack.unwrap_or_default()).with_notion(notion.unwrap_or_default());
        let connections = connections.allowing(self.reach()?);
        Ok(match (&self.providers.bitrix24_auth_west, &self.providers.bitrix24_auth_east) {
            (Some(west), Some(east)) => connections.with_auth_servers(bitrix24::oauth::AuthServers::new(west, east)?),
            _ => connections,
        })
    }
}

/// The portal's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalConfig {
    /// The incoming webhook's URL.
    pub webhook_url: SecretString,
    /// The outgoing webhook's application token.
    pub application_token: SecretString,
    /// The portal's lasting id. Without it, the first event with the application token names it.
    pub member_id: Option<String>,
}

/// The workspace's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The bot token.
    pub bot_token: SecretString,
    /// The app's signing secret, which proves Slack's requests. Without it there are no commands and no bridges.
    pub signing_secret: Option<SecretString>,
    /// Another address of Slack's API, for a simulator.
    pub api_url: Option<String>,
}

/// The Notion workspace's part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotionConfig {
    /// The internal connection's secret.
    pub token: SecretString,
    /// Another address of Notion's API, for a simulator.
    pub api_url: Option<String>,
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
    /// Reads a file, for a host. Secrets may be given as `env:NAME`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let config = Self::read_keys(path)?;
        if config.apps.is_some() && config.public_url.is_none() {
            bail!(
                "{}: [apps] needs public_url: providers send browsers and events there. Write public_url = \"https://YOUR.SERVER\" above the first [section]",
                path.display()
            );
        }
        Ok(config)
    }

    /// Reads a file for a deployment elsewhere, which knows its own address.
    pub fn read_keys(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}; docs/connecting.md shows what to write there", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("{} cannot be used", path.display()))?;
        config.network.network().with_context(|| format!("{} cannot be used", path.display()))?;
        config.public_url = config.public_url.as_deref().map(public_url).transpose().context_of(path)?;
        if let Some(portal) = &mut config.portal {
            portal.webhook_url = resolved(&portal.webhook_url)?;
            portal.application_token = resolved(&portal.application_token)?;
        }
        if let Some(slack) = &mut config.slack {
            slack.bot_token = resolved(&slack.bot_token)?;
            slack.signing_secret = slack.signing_secret.as_ref().map(resolved).transpose()?;
        }
        match (&config.portal, &config.slack, &config.apps) {
            (Some(_), None, _) => bail!("{} has [portal] but not [slack]; add it", path.display()),
            (None, Some(_), _) => bail!("{} has [slack] but not [portal]; add it", path.display()),
            (None, None, None) => {
                bail!("{} has neither [portal] with [slack], nor [apps]; docs/connecting.md shows both", path.display())
            }
            _ => {}
        }
        if let Some(notion) = &mut config.notion {
            notion.token = resolved(&notion.token)?;
        }
        config.read = match (&config.settings, config.routes.take()) {
            (Some(_), Some(_)) => bail!("{}: settings and [[routes]] are both given; keep one", path.display()),
            (Some(file), None) => Some(documents::read(&path.parent().unwrap_or(Path::new("")).join(file))?),
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

    /// The settings that the configuration names, if any.
    pub fn named_settings(&self) -> Option<&Settings> {
        self.read.as_ref()
    }
}

trait InFile<T> {
    /// The same with the file that an error is about.
    fn context_of(self, path: &Path) -> anyhow::Result<T>;
}

impl<T> InFile<T> for anyhow::Result<T> {
    fn context_of(self, path: &Path) -> anyhow::Result<T> {
        self.with_context(|| path.display().to_string())
    }
}

/// The address as paths are appended to it: https, except for this machine, and nothing after the host.
fn public_url(given: &str) -> anyhow::Result<String> {
    let right = "it must look like https://switchboard.example";
    let uri: Uri = given.trim().parse().with_context(|| format!("public_url {given:?} is not an address: {right}"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        bail!("public_url {given:?} is not a whole address: {right}");
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || given.contains('#') {
        bail!("public_url {given:?} has a path: {right}; paths are added to it");
    }
    if authority.as_str().contains('@') || authority.host().is_empty() {
        bail!("public_url {given:?} has more than a host: {right}");
    }
    match scheme {
        "https" => {}
        "http" if web::cookies::is_loopback(authority.as_str()) => {}
        _ => bail!(
            "public_url {given:?} is not https: {right}. Providers and browsers send secrets there; only an address of this machine (http://127.0.0.1:8080) may use http"
        ),
    }
    Ok(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase()))
}

fn resolved(secret: &SecretString) -> anyhow::Result<SecretString> {
    use secrecy::ExposeSecret;
    match secret.expose_secret().strip_prefix("env:") {
        Some(name) => match std::env::var(name) {
            Ok(value) => Ok(value.into()),
            Err(_) => bail!("the configuration names the environment variable {name} for a secret, but it is not set"),
        },
        None => Ok(secret.clone()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

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
        let settings = settings::document::read(include_str!("../../../settings.example.yaml")).unwrap();
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

    #[test]
    fn what_may_be_called_beside_the_internet_is_named_and_a_wrong_entry_refused() {
        let network = |allow: &str| read(&format!("{SECRETS}[network]\nallow = {allow}\n"));
        let own =
            network("['10.1.2.0/24', 'portal.corp.example', '127.0.0.1:4711']").unwrap().network.network().unwrap();
        let may = |url: &str| own.check(&url.parse().unwrap()).is_ok();
        assert!(may("https://10.1.2.3/") && may("http://portal.corp.example/") && may("http://127.0.0.1:4711/"));
        assert!(!may("https://10.1.3.3/") && !may("http://127.0.0.1:4712/"));
        let error = format!("{:#}", network("['10.1.2.3/24']").unwrap_err());
        assert!(error.contains("[network] allow") && error.contains("10.1.2.0"), "{error}");
        assert!(network("['https://portal.corp.example']").is_err() && network("'10.0.0.0/8'").is_err());
        let of = |text: &str| read(text).unwrap().reach().unwrap();
        assert!(of(SECRETS).check(&"http://127.0.0.1/".parse().unwrap()).is_err());
        // The portal that the file names is allowed as well, at its port.
        let own = of(&SECRETS.replace("https://a.bitrix24.com", "http://10.0.0.5:8080"));
        assert!(own.check(&"http://10.0.0.5:8080/rest/".parse().unwrap()).is_ok());
        assert!(own.check(&"http://10.0.0.5/rest/".parse().unwrap()).is_err());
    }

    #[test]
    fn applications_need_an_address_that_is_https_and_nothing_but_a_host() {
        let apps = "[apps.notion]\nclient_id = 'x'\nclient_secret = 's'\n";
        let error = format!("{:#}", read(apps).unwrap_err());
        assert!(error.contains("public_url = \"https://YOUR.SERVER\""), "{error}");
        let with = |url: &str| read(&format!("public_url = '{url}'\n{apps}"));
        for (given, kept) in [
            ("https://switchboard.example", "https://switchboard.example"),
            ("https://Switchboard.example:8443/", "https://switchboard.example:8443"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(with(given).unwrap().public_url.as_deref(), Some(kept));
        }
        for (given, says) in [
            ("http://switchboard.example", "is not https"),
            ("http://localhost.evil.example", "is not https"),
            ("ftp://switchboard.example", "is not https"),
            ("https://switchboard.example/admin", "has a path"),
            ("https://switchboard.example/?x=1", "has a path"),
            ("https://switchboard.example/#x", "has a path"),
            ("https://me@switchboard.example", "more than a host"),
            ("switchboard.example", "whole address"),
            ("/admin", "whole address"),
            ("", "public_url"),
        ] {
            let error = format!("{:#}", with(given).unwrap_err());
            assert!(error.contains(says) && error.contains("https://switchboard.example"), "{given}: {error}");
        }
    }

    #[test]
    fn proxies_and_limits_are_read() {
        let text = format!(
            "status_names = ['ops.internal']\n{SECRETS}[proxies]\ntrusted = ['127.0.0.1', '10.0.0.0/8']\n[limits]\nconnections = 7\nhead_seconds = 3\n"
        );
        let config = read(&text).unwrap();
        assert!(config.proxies.trusted.trusts("10.1.2.3".parse().unwrap()));
        assert_eq!((config.limits.connections, config.limits.head_seconds), (Some(7), Some(3)));
        let wrong = format!("{SECRETS}[proxies]\ntrusted = ['proxy.example']\n");
        assert!(format!("{:#}", read(&wrong).unwrap_err()).contains("proxies.trusted"));
    }

    #[tokio::test]
    async fn the_apps_are_stored_and_slacks_requests_known_before_anybody_installs() {
        let text = "public_url = 'https://switchboard.example'\n[apps.slack]\nclient_id = '1.2'\nclient_secret = 's'\nsigning_secret = 'signing'\n";
        let apps = read(text).unwrap().apps.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let secrets = sqlite::FileSecrets::open(folder.path().into()).unwrap();
        secrets.put(SLACK_SIGNING, "another".to_owned().into()).await.unwrap();
        for _ in 0..2 {
            store_apps(&apps, &secrets).await.unwrap();
        }
        let stored = clients::Apps::parse(&secrets.get(APPS).await.unwrap()).unwrap();
        assert_eq!(stored.slack.unwrap().client_id, "1.2");
        assert_eq!(secrets.get(SLACK_SIGNING).await.unwrap().expose_secret(), "another\nsigning");
    }
}
