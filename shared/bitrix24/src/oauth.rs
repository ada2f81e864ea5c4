//! OAuth 2.0: where a person is asked, and what the authorization servers answer (`docs/providers/bitrix24.md`,
//! "OAuth").
//!
//! The servers are regional, and a portal says which one is its own. That is only compared with the two that exist: a
//! secret is never sent to another host.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use wire::time_limits::MAX_OAUTH_CALL;
use wire::{AppKeys, Http, NoAnswer};

use crate::client::{authority, checked, endpoint_url, read};
use crate::error::Error;
use crate::tolerant::whole;

/// The authorization server of most regions.
pub const WEST: &str = "oauth.bitrix.info";
/// The authorization server of Russia and its neighbours.
pub const EAST: &str = "oauth.bitrix24.tech";

/// The authorization servers, by the name that portals call them.
#[derive(Debug, Clone)]
pub struct AuthServers {
    west: Url,
    east: Url,
}

impl Default for AuthServers {
    fn default() -> Self {
        let url = |host: &str| Url::parse(&format!("https://{host}/"));
        match (url(WEST), url(EAST)) {
            (Ok(west), Ok(east)) => Self { west, east },
            _ => unreachable!("both are URLs"),
        }
    }
}

impl AuthServers {
    /// Other servers in the places of both: simulators.
    pub fn new(west: &str, east: &str) -> Result<Self, Error> {
        Ok(Self { west: checked(west)?, east: checked(east)? })
    }

    /// The addresses of those that are not Bitrix24's own.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let own = Self::default();
        let others = [(&self.west, own.west), (&self.east, own.east)].into_iter();
        others.filter(|(url, own)| *url != own).map(|(url, _)| url.as_str())
    }

    /// The known name of a server, from the host or the URL by which a portal calls it; `None` for any other.
    pub fn known(named: &str) -> Option<&'static str> {
        let rest = named.trim().split("://").last().unwrap_or_default();
        let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
        [WEST, EAST].into_iter().find(|known| host.eq_ignore_ascii_case(known))
    }

    fn at(&self, server: &str, path: &str) -> Result<Url, Error> {
        let base = match Self::known(server) {
            Some(EAST) => &self.east,
            Some(_) => &self.west,
            None => return Err(Error::Address(format!("{server:?} is not an authorization server of Bitrix24"))),
        };
        base.join(path).map_err(|_| Error::Address(format!("{path:?} is not a path")))
    }
}

/// Tokens, as a server gives them.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What calls carry.
    pub access: SecretString,
    /// What the next pair is fetched with.
    pub refresh: Option<SecretString>,
    /// How long the access token lives.
    pub lives: Duration,
    /// The portal's lasting id.
    pub member_id: String,
    /// Where the portal's REST answers: `https://PORTAL/rest/`.
    pub endpoint: String,
    /// What the application may do.
    pub scopes: Vec<String>,
    /// Whose rights they carry, where the server says.
    pub user: Option<u64>,
}

/// What a server says of a token: which application holds it, for which portal. The portal cannot forge that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The application.
    pub client_id: String,
    /// The portal's lasting id.
    pub member_id: String,
    /// Where the portal's REST answers.
    pub endpoint: String,
    /// Whose rights the token carries.
    pub user: Option<u64>,
    /// What the application may do.
    pub scopes: Vec<String>,
}

/// The address at which a person is asked. `portal` is what they typed: `acme.bitrix24.com`, or a whole address of it.
///
/// The portal takes no redirect address and no scopes from here: both are the application's (its card in the portal).
pub fn authorize_url(portal: &str, client_id: &str, state: &str) -> Result<String, Error> {
    let mut url = portal_url(portal)?;
    url.set_path("/oauth/authorize/");
    url.query_pairs_mut().clear().append_pair("client_id", client_id).append_pair("state", state);
    Ok(url.into())
}

/// A portal's host, with a port where there is one, from what a person typed.
pub fn portal_host(typed: &str) -> Result<String, Error> {
    authority(&portal_url(typed)?).ok_or_else(|| Error::Address("this is not the address of a portal".into()))
}

fn portal_url(typed: &str) -> Result<Url, Error> {
    let typed = typed.trim().trim_end_matches('/');
    let refused =
        || Error::Address(format!("{typed:?} is not the address of a portal; it looks like acme.bitrix24.com"));
    let whole = if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
    let url = Url::parse(&whole).map_err(|_| refused())?;
    let host = url.host_str().ok_or_else(refused)?.to_owned();
    if !url.username().is_empty() || url.password().is_some() || !(host.contains('.') || host == "localhost") {
        return Err(refused());
    }
    // Simulators on this machine have no certificate.
    let scheme = if ["127.0.0.1", "localhost"].contains(&host.as_str()) { "http" } else { "https" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    checked(&format!("{scheme}://{host}{port}/")).map_err(|_| refused())
}

/// Asks the authorization servers.
#[derive(Debug, Clone)]
pub struct OAuth {
    http: Http,
    servers: AuthServers,
}

impl OAuth {
    /// A client of both servers.
    pub fn new(http: Http, servers: AuthServers) -> Self {
        Self { http, servers }
    }

    /// Trades the code of a redirect for tokens; it lives 30 seconds and works once.
    pub async fn exchange(&self, server: &str, app: &AppKeys, code: &str) -> Result<Tokens, Error> {
        self.token(server, app, &[("grant_type", "authorization_code"), ("code", code)]).await
    }

    /// Trades a refresh token for a new pair, which replaces the old one.
    pub async fn refresh(&self, server: &str, app: &AppKeys, refresh: &SecretString) -> Result<Tokens, Error> {
        self.token(server, app, &[("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())]).await
    }

    /// Whose an access token is.
    pub async fn info(&self, server: &str, access: &SecretString) -> Result<TokenInfo, Error> {
        const METHOD: &str = "app.info";
        let url = self.servers.at(server, "rest/app.info/")?;
        let answer = self.post(METHOD, url, &[("auth", access.expose_secret())]).await?;
        // As all of REST it comes as `result`; a server that leaves the envelope out is understood as well.
        let info = answer.get("result").unwrap_or(&answer);
        let install = &info["install"];
        Ok(TokenInfo {
            client_id: needed(METHOD, &info["client_id"], "client_id")?,
            member_id: needed(METHOD, &install["member_id"], "install.member_id")?,
            endpoint: endpoint(METHOD, &install["client_endpoint"], "install.client_endpoint")?,
            user: whole(&info["user_id"]),
            scopes: scopes(&info["scope"]),
        })
    }

    async fn token(&self, server: &str, app: &AppKeys, fields: &[(&str, &str)]) -> Result<Tokens, Error> {
        const METHOD: &str = "oauth/token";
        let url = self.servers.at(server, "oauth/token/")?;
        // As a form: in the address the secrets would stand in logs.
        let own = [("client_id", app.client_id.as_str()), ("client_secret", app.client_secret.expose_secret())];
        let answer = self.post(METHOD, url, &[&own, fields].concat()).await?;
        Ok(Tokens {
            access: needed(METHOD, &answer["access_token"], "access_token")?.into(),
            refresh: answer["refresh_token"].as_str().filter(|token| !token.is_empty()).map(Into::into),
            lives: Duration::from_secs(whole(&answer["expires_in"]).unwrap_or(3600)),
            member_id: needed(METHOD, &answer["member_id"], "member_id")?,
            endpoint: endpoint(METHOD, &answer["client_endpoint"], "client_endpoint")?,
            scopes: scopes(&answer["scope"]),
            user: whole(&answer["user_id"]),
        })
    }

    async fn post(&self, method: &str, url: Url, fields: &[(&str, &str)]) -> Result<Value, Error> {
        let request = self.http.post(&url).timeout(MAX_OAUTH_CALL).form(fields);
        let response = request.send().await.map_err(|error| Error::not_sent(method, error))?;
        let (seen, text) = read(response, method).await?;
        let Ok(answer @ Value::Object(_)) = serde_json::from_slice(&text) else {
            return Err(Error::no_answer(method, NoAnswer::Garbage(seen)));
        };
        // An unknown client_id is answered with 200: the body decides.
        match answer["error"].as_str() {
            None => Ok(answer),
            Some(code) => Err(Error::Refused {
                method: method.to_owned(),
                code: code.to_lowercase(),
                text: answer["error_description"].as_str().unwrap_or_default().to_owned(),
                free_at: None,
            }),
        }
    }
}

fn needed(method: &str, value: &Value, name: &str) -> Result<String, Error> {
    let text = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text.ok_or_else(|| Error::Shape { method: method.to_owned(), cause: format!("{name} is missing") })
}

/// Where a portal's REST answers. A portal that hosts itself has a say in it, so it is looked at.
fn endpoint(method: &str, value: &Value, name: &str) -> Result<String, Error> {
    Ok(endpoint_url(&needed(method, value, name)?)?.into())
}

/// Documents separate scopes by spaces, portals by commas.
pub fn scopes(value: &Value) -> Vec<String> {
    let text = value.as_str().unwrap_or_default();
    text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_servers_are_known() {
        assert_eq!(AuthServers::known("https://oauth.bitrix.info/rest/"), Some(WEST));
        assert_eq!(AuthServers::known("OAUTH.bitrix24.tech"), Some(EAST));
        for other in [
            "oauth.bitrix.info.evil.example",
            "https://evil.example/oauth.bitrix.info",
            "",
            "oauth.bitrix.info@evil.example",
        ] {
            assert_eq!(AuthServers::known(other), None, "{other}");
        }
        assert!(AuthServers::default().at("evil.example", "oauth/token/").is_err());
    }

    #[test]
    fn what_a_person_types_becomes_their_portals_address() {
        let to = |typed: &str| authorize_url(typed, "app.1", "s t").unwrap();
        let right = "https://acme.bitrix24.com/oauth/authorize/?client_id=app.1&state=s+t";
        for typed in ["acme.bitrix24.com", " https://acme.bitrix24.com/crm/deal/ ", "http://acme.bitrix24.com"] {
            assert_eq!(to(typed), right);
        }
        assert!(to("127.0.0.1:8090").starts_with("http://127.0.0.1:8090/oauth/"));
        for bad in
            ["", "acme", "https://", "user:secret@acme.bitrix24.com", "javascript:alert(1)", "acme .bitrix24.com"]
        {
            assert!(authorize_url(bad, "a", "s").is_err(), "{bad}");
        }
    }
}
