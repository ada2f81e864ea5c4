//! OAuth of a public connection (<https://developers.notion.com/docs/authorization>).

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use wire::time_limits::MAX_OAUTH_CALL;
use wire::{AppKeys, Http};

use crate::client::{NotionApiBase, NotionIdentity, Raw, send, understand};
use crate::error::Error;

/// A token with whose it is.
#[derive(Debug, Clone)]
pub struct NotionGrant {
    /// The access token.
    pub access: SecretString,
    /// What the next pair is fetched with; none where Notion gives none.
    pub refresh: Option<SecretString>,
    /// The bot and its workspace.
    pub identity: NotionIdentity,
}

/// The address at which a person is asked.
pub fn authorize_url(base: &NotionApiBase, client_id: &str, redirect: &str, state: &str) -> String {
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
    http: &Http,
    base: &NotionApiBase,
    app: &AppKeys,
    code: &str,
    redirect: &str,
) -> Result<NotionGrant, Error> {
    let body = json!({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect});
    token(http, base, app, &body).await
}

/// Trades a refresh token for a new pair; both tokens of the old one give way.
pub async fn refresh(
    http: &Http,
    base: &NotionApiBase,
    app: &AppKeys,
    refresh: &SecretString,
) -> Result<NotionGrant, Error> {
    token(http, base, app, &json!({"grant_type": "refresh_token", "refresh_token": refresh.expose_secret()})).await
}

async fn token(http: &Http, base: &NotionApiBase, app: &AppKeys, body: &Value) -> Result<NotionGrant, Error> {
    const PATH: &str = "/v1/oauth/token";
    let call = format!("{} {PATH}", Method::POST);
    let request = http.post(base.at(PATH)).timeout(MAX_OAUTH_CALL).app_auth(app).json(body);
    let answer = granted(&call, send(&call, request, false).await?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let access = text(&answer["access_token"]);
    if access.is_empty() {
        return Err(Error::Shape { call, cause: "access_token is missing".into() });
    }
    Ok(NotionGrant {
        access: access.into(),
        refresh: answer["refresh_token"].as_str().filter(|token| !token.is_empty()).map(Into::into),
        identity: NotionIdentity {
            bot_id: text(&answer["bot_id"]),
            name: String::new(),
            workspace_id: text(&answer["workspace_id"]),
            workspace: text(&answer["workspace_name"]),
        },
    })
}

/// What this endpoint gave. Its errors come in OAuth's own form.
fn granted(call: &str, answer: Raw) -> Result<Value, Error> {
    let body = answer.body.clone().unwrap_or_default();
    let Some(code) = body["error"].as_str() else { return understand(call.to_owned(), answer, false) };
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Err(Error::Refused {
        call: call.to_owned(),
        status: answer.seen.status,
        code: code.to_owned(),
        message: text("error_description"),
        out_of_blocks: false,
        request_id: text("request_id"),
        reads: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_at_notion() {
        let url = authorize_url(&NotionApiBase::default(), "a-b", "https://us/x", "s");
        assert!(url.starts_with("https://api.notion.com/v1/oauth/authorize?client_id=a%2Db&"));
        assert!(url.contains("redirect_uri=https%3A%2F%2Fus%2Fx&state=s"));
    }

    #[test]
    fn an_oauth_error_is_read_and_a_cut_answer_is_not_shown() {
        let of = |status: u16, body: &str| {
            let seen = wire::SeenAnswer::new(status, "application/json").with_length(body.len());
            granted("x", Raw { seen, body: serde_json::from_str(body).ok(), wait: None })
        };
        let error = of(400, r#"{"error":"invalid_grant","error_description":"used"}"#).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Some("invalid_grant"), "x: invalid_grant: used"));
        for (status, body) in [(200, r#"{"access_token":"ntn_secret"#), (502, r#"{"access_token":"ntn_secret"}"#)] {
            let error = of(status, body).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("ntn_secret"), "{error}");
        }
        assert_eq!(of(200, r#"{"access_token":"t"}"#).unwrap()["access_token"], "t");
    }
}
