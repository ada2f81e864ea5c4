//! Connecting Slack and Notion to a portal whose administrator is signed in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clients::{ConnectionSide, scopes};
use http::StatusCode;
use locale::{Language, texts};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tenants::one_time_secrets::secret;
use web::sessions::Session;

use crate::page::side_name;
use crate::started::{self, Flow};
use crate::{InstallAnswer, InstallVisit, NOTION_CALLBACK, Refusal, SLACK_CALLBACK, settle, to_state};

/// The field of the sealed PKCE verifier.
const VERIFIER: &str = "pkce-verifier";

fn no_app(side: ConnectionSide) -> Refusal {
    let text = move |language: Language| language.text(texts::install::NoApp { provider: side_name(language, side) });
    Refusal::Person(StatusCode::BAD_REQUEST, Box::new(text))
}

pub(crate) async fn begin_slack(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let connections = &visit.deps.connections;
    let app = connections.apps().await?.slack.ok_or_else(|| no_app(ConnectionSide::Slack))?;
    let redirect = format!("{}{SLACK_CALLBACK}", visit.address);
    let (verifier, challenge) = if app.pkce {
        let verifier = SecretString::from(format!("{}{}", secret(), secret()));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
        (Some(connections.seal(&session.tenant, VERIFIER, &verifier).await?), Some(challenge))
    } else {
        (None, None)
    };
    let wanted: Vec<&str> = scopes::SLACK.iter().map(|(scope, _)| *scope).collect();
    let flow = Flow::Slack { tenant: session.tenant.clone(), verifier };
    started::begin(visit, flow, |state| {
        Ok(connections.slack_authorize_url(&app.client_id, &wanted, &redirect, state, challenge.as_deref()))
    })
    .await
}

pub(crate) async fn end_slack(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let connections = &visit.deps.connections;
    let Flow::Slack { tenant, verifier } = started::end(visit).await? else { return Err(another_connection()) };
    if tenant != session.tenant {
        return Err(another_connection());
    }
    let verifier = match &verifier {
        Some(sealed) => Some(connections.open_for(&tenant, VERIFIER, sealed).await?),
        None => None,
    };
    let redirect = format!("{}{SLACK_CALLBACK}", visit.address);
    let workspace = connections.connect_slack(&tenant, visit.query.get("code"), &redirect, verifier.as_ref()).await?;
    let settled = settle::settle_in(visit.deps, &tenant, &visit.address).await?;
    let connected = visit.text(texts::install::SlackIsConnected { workspace });
    Ok(to_state(&format!("{connected} {}", settled.words(visit.language))))
}

pub(crate) async fn begin_notion(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let connections = &visit.deps.connections;
    let app = connections.apps().await?.notion.ok_or_else(|| no_app(ConnectionSide::Notion))?;
    let redirect = format!("{}{NOTION_CALLBACK}", visit.address);
    let flow = Flow::Notion { tenant: session.tenant.clone() };
    started::begin(visit, flow, |state| Ok(connections.notion_authorize_url(&app.client_id, &redirect, state))).await
}

pub(crate) async fn end_notion(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let Flow::Notion { tenant } = started::end(visit).await? else { return Err(another_connection()) };
    if tenant != session.tenant {
        return Err(another_connection());
    }
    let redirect = format!("{}{NOTION_CALLBACK}", visit.address);
    let workspace = visit.deps.connections.connect_notion(&tenant, visit.query.get("code"), &redirect).await?;
    let settled = settle::settle_in(visit.deps, &tenant, &visit.address).await?;
    let connected = visit.text(texts::install::NotionIsConnected { workspace });
    Ok(to_state(&format!("{connected} {}", settled.words(visit.language))))
}

pub(crate) async fn notion_by_token(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let token = SecretString::from(visit.form.get("secret").to_owned());
    let workspace = visit.deps.connections.connect_notion_by_token(&session.tenant, &token).await?;
    Ok(to_state(&visit.text(texts::install::NotionIsConnected { workspace })))
}

fn another_connection() -> Refusal {
    Refusal::bad_request(texts::install::ANOTHER_CONNECTION)
}
