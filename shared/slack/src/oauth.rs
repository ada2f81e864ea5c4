//! OAuth v2: where a person is asked, and what Slack grants (`docs/providers/slack.md`, "Install and tokens").

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use wire::time_limits::MAX_OAUTH_CALL;
use wire::{AppKeys, Http};

use crate::client::{SlackApiBase, ask, text};
use crate::error::Error;

/// A bot token with whose it is.
#[derive(Debug, Clone)]
pub struct SlackGrant {
    /// The bot token.
    pub access: SecretString,
    /// Where tokens rotate: what the next pair is fetched with.
    pub refresh: Option<SecretString>,
    /// Where tokens rotate: how long this one lives.
    pub lives: Option<Duration>,
    /// The workspace; none if the app was installed for a whole organisation.
    pub team: Option<(String, String)>,
    /// The organisation, if there is one.
    pub enterprise: Option<(String, String)>,
    /// Whether it is good for every workspace of the organisation.
    pub is_enterprise: bool,
    pub bot_user: String,
    /// The scopes that were given.
    pub scopes: Vec<String>,
}

impl SlackGrant {
    /// The id and the name of what the app was installed for.
    pub fn place(&self) -> Option<&(String, String)> {
        if self.is_enterprise { self.enterprise.as_ref() } else { self.team.as_ref() }
    }
}

/// The address at which a person is asked. `challenge` is the S256 challenge, where the app uses PKCE.
pub fn authorize_url(
    base: &SlackApiBase,
    client_id: &str,
    scopes: &[&str],
    redirect: &str,
    state: &str,
    challenge: Option<&str>,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", client_id).append_pair("scope", &scopes.join(","));
    query.append_pair("redirect_uri", redirect).append_pair("state", state);
    if let Some(challenge) = challenge {
        query.append_pair("code_challenge", challenge).append_pair("code_challenge_method", "S256");
    }
    format!("{}?{}", base.page("oauth/v2/authorize"), query.finish())
}

/// Trades the code of a redirect for a token; it lives ten minutes and works once.
pub async fn exchange(
    http: &Http,
    base: &SlackApiBase,
    app: &AppKeys,
    code: &str,
    redirect: &str,
    verifier: Option<&SecretString>,
) -> Result<SlackGrant, Error> {
    let mut fields = vec![("code", code), ("redirect_uri", redirect)];
    fields.extend(verifier.map(|verifier| ("code_verifier", verifier.expose_secret())));
    token(http, base, app, &fields).await
}

/// Trades a refresh token for a new pair.
pub async fn refresh(
    http: &Http,
    base: &SlackApiBase,
    app: &AppKeys,
    refresh: &SecretString,
) -> Result<SlackGrant, Error> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
    token(http, base, app, &fields).await
}

/// Somebody who signed in with Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Their id.
    pub user: String,
    /// Their workspace's id.
    pub team: String,
    /// Their organisation's id, if there is one.
    pub enterprise: Option<String>,
    pub name: String,
}

/// The address at which a person signs in with Slack (`OpenID` Connect).
pub fn sign_in_url(base: &SlackApiBase, client_id: &str, redirect: &str, state: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("response_type", "code").append_pair("scope", "openid profile email");
    query.append_pair("client_id", client_id).append_pair("redirect_uri", redirect).append_pair("state", state);
    format!("{}?{}", base.page("openid/connect/authorize"), query.finish())
}

/// Trades the code of such a redirect for who came. The code is traded with our secret over TLS, and Slack itself is then
/// asked whose token it is; so nothing depends on the signature of the `id_token`.
pub async fn signed_in(
    http: &Http,
    base: &SlackApiBase,
    app: &AppKeys,
    code: &str,
    redirect: &str,
) -> Result<SignedIn, Error> {
    const METHOD: &str = "openid.connect.token";
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", app.client_id.as_str()),
        ("client_secret", app.client_secret.expose_secret()),
        ("code", code),
        ("redirect_uri", redirect),
    ];
    let answer = ask(METHOD, http.post(base.method(METHOD)).form(&fields), MAX_OAUTH_CALL).await?;
    let token = text(&answer, "access_token").into();
    let request = http.post(base.method("openid.connect.userInfo")).bearer_auth(&token);
    let person = ask("openid.connect.userInfo", request, MAX_OAUTH_CALL).await?;
    let claim = |name: &str| person[format!("https://slack.com/{name}")].as_str().filter(|id| !id.is_empty());
    let (Some(user), Some(team)) = (claim("user_id"), claim("team_id")) else {
        let details = "the answer does not say who signed in".into();
        return Err(Error::Refused { method: "openid.connect.userInfo", code: "no_identity".into(), details });
    };
    let enterprise = claim("enterprise_id").map(str::to_owned);
    Ok(SignedIn { user: user.into(), team: team.into(), enterprise, name: text(&person, "name") })
}

async fn token(http: &Http, base: &SlackApiBase, app: &AppKeys, fields: &[(&str, &str)]) -> Result<SlackGrant, Error> {
    const METHOD: &str = "oauth.v2.access";
    let answer = ask(METHOD, http.post(base.method(METHOD)).app_auth(app).form(fields), MAX_OAUTH_CALL).await?;
    let access = text(&answer, "access_token");
    if !access.starts_with("xox") {
        let details = "the answer has no bot token; the app asks for no bot scopes".into();
        return Err(Error::Refused { method: METHOD, code: "no_bot_token".into(), details });
    }
    let place = |value: &Value| Some((value["id"].as_str()?.to_owned(), text(value, "name")));
    Ok(SlackGrant {
        access: access.into(),
        refresh: answer["refresh_token"].as_str().filter(|token| !token.is_empty()).map(Into::into),
        lives: answer["expires_in"].as_u64().map(Duration::from_secs),
        team: place(&answer["team"]),
        enterprise: place(&answer["enterprise"]),
        is_enterprise: answer["is_enterprise_install"] == true,
        bot_user: text(&answer, "bot_user_id"),
        scopes: text(&answer, "scope").split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_at_slack_for_exactly_these_scopes() {
        let url =
            authorize_url(&SlackApiBase::default(), "1.2", &["chat:write", "commands"], "https://us/x", "s", Some("c"));
        assert_eq!(
            url,
            "https://slack.com/oauth/v2/authorize?client_id=1.2&scope=chat%3Awrite%2Ccommands\
             &redirect_uri=https%3A%2F%2Fus%2Fx&state=s&code_challenge=c&code_challenge_method=S256"
        );
    }
}
