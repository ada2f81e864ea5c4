//! OAuth of a public connection (<https://developers.notion.com/docs/authorization>).

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::client::{ApiBase, Identity, ask};
use crate::error::Error;

/// A public connection's keys.
#[derive(Debug, Clone)]
pub struct App {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: SecretString,
}

/// A token with whose it is.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The access token.
    pub access: SecretString,
    /// What the next pair is fetched with; none where Notion gives none.
    pub refresh: Option<SecretString>,
    /// The bot and its workspace.
    pub identity: Identity,
}

/// The address at which a person is asked.
pub fn authorize_url(base: &ApiBase, client_id: &str, redirect: &str, state: &str) -> String {
    let encoded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    format!(
        "{}?client_id={}&response_type=code&owner=user&redirect_uri={}&state={}",
        base.at("/v1/oauth/authorize"),
        encoded(client_id),
        encoded(redirect),
        encoded(state)
    )
}

/// Trades the code of a redirect for a token.
pub async fn exchange(
    http: &reqwest::Client,
    base: &ApiBase,
    app: &App,
    code: &str,
    redirect: &str,
) -> Result<Grant, Error> {
    let body = json!({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect});
    token(http, base, app, &body).await
}

/// Trades a refresh token for a new pair; both tokens of the old one give way.
pub async fn refresh(
    http: &reqwest::Client,
    base: &ApiBase,
    app: &App,
    refresh: &SecretString,
) -> Result<Grant, Error> {
    token(http, base, app, &json!({"grant_type": "refresh_token", "refresh_token": refresh.expose_secret()})).await
}

async fn token(http: &reqwest::Client, base: &ApiBase, app: &App, body: &Value) -> Result<Grant, Error> {
    const PATH: &str = "/v1/oauth/token";
    let call = format!("{} {PATH}", Method::POST);
    let request = http.post(base.at(PATH)).basic_auth(&app.id, Some(app.secret.expose_secret()));
    let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    let answer = ask(call.clone(), request, false).await.map_err(|error| match error {
        // Errors of this endpoint come in OAuth's own form; tokens in a cut answer are not shown.
        Error::Garbage { call, status, beginning, reads } => refused(call, status, &beginning, reads),
        other => other,
    })?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let access = text(&answer["access_token"]);
    if access.is_empty() {
        return Err(Error::Shape { call, cause: "access_token is missing".into() });
    }
    Ok(Grant {
        access: access.into(),
        refresh: answer["refresh_token"].as_str().filter(|token| !token.is_empty()).map(Into::into),
        identity: Identity {
            bot_id: text(&answer["bot_id"]),
            name: String::new(),
            workspace_id: text(&answer["workspace_id"]),
            workspace: text(&answer["workspace_name"]),
        },
    })
}

fn refused(call: String, status: u16, beginning: &str, reads: bool) -> Error {
    match serde_json::from_str::<Value>(beginning) {
        Ok(body) if body["error"].is_string() => Error::Refused {
            call,
            status,
            code: body["error"].as_str().unwrap_or_default().to_owned(),
            message: body["error_description"].as_str().unwrap_or_default().to_owned(),
            out_of_blocks: false,
            request_id: body["request_id"].as_str().unwrap_or_default().to_owned(),
            reads,
        },
        _ => Error::Garbage { call, status, beginning: "(not shown: it may hold tokens)".into(), reads },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_at_notion() {
        let url = authorize_url(&ApiBase::default(), "a-b", "https://us/x", "s");
        assert!(url.starts_with("https://api.notion.com/v1/oauth/authorize?client_id=a%2Db&"));
        assert!(url.contains("redirect_uri=https%3A%2F%2Fus%2Fx&state=s"));
    }

    #[test]
    fn an_oauth_error_is_read_and_a_cut_answer_is_not_shown() {
        let error = refused("x".into(), 400, r#"{"error":"invalid_grant","error_description":"used"}"#, false);
        assert_eq!(error.code(), Some("invalid_grant"));
        let cut = refused("x".into(), 200, r#"{"access_token":"ntn_secret"#, false);
        assert!(!cut.to_string().contains("ntn_secret"));
    }
}
