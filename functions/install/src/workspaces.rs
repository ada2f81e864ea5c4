//! Connecting Slack and Notion to a portal whose administrator is signed in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use clients::JoinError;
use clients::scopes;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tenants::once::secret;
use web::page::Form;
use web::sessions::Session;

use crate::started::{self, Flow};
use crate::{Answer, Deps, NOTION_CALLBACK, Refusal, SLACK_CALLBACK, settle, to_state};

/// Under what the verifier of PKCE is sealed.
const VERIFIER: &str = "pkce-verifier";

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Engine(failure) => failure.into(),
            JoinError::Taken { .. } => Self::new(StatusCode::CONFLICT, format!("{error}.")),
            other => Self::new(StatusCode::BAD_REQUEST, format!("{other}.")),
        }
    }
}

fn no_app(provider: &str) -> Refusal {
    let text =
        format!("There is no {provider} app here yet. Whoever runs Switchboard sets it up (docs/installing.md).");
    Refusal::new(StatusCode::BAD_REQUEST, text)
}

pub(crate) async fn begin_slack(deps: &Deps, request: &Request<Bytes>, session: &Session) -> Answer {
    let app = deps.connections.apps().await?.slack.ok_or_else(|| no_app("Slack"))?;
    let redirect = format!("{}{SLACK_CALLBACK}", deps.address(request));
    let (verifier, challenge) = if app.pkce {
        let verifier = SecretString::from(format!("{}{}", secret(), secret()));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
        (Some(deps.connections.seal(&session.tenant, VERIFIER, &verifier).await?), Some(challenge))
    } else {
        (None, None)
    };
    let wanted: Vec<&str> = scopes::SLACK.iter().map(|(scope, _)| *scope).collect();
    let flow = Flow::Slack { tenant: session.tenant.clone(), verifier };
    started::begin(deps, flow, |state| {
        Ok(deps.connections.slack_authorize_url(&app.client_id, &wanted, &redirect, state, challenge.as_deref()))
    })
    .await
}

pub(crate) async fn end_slack(deps: &Deps, request: &Request<Bytes>, session: &Session, query: &Form) -> Answer {
    let Flow::Slack { tenant, verifier } = started::end(deps, request, query).await? else { return Err(mixed_up()) };
    if tenant != session.tenant {
        return Err(mixed_up());
    }
    let verifier = match &verifier {
        Some(sealed) => Some(deps.connections.open_for(&tenant, VERIFIER, sealed).await?),
        None => None,
    };
    let redirect = format!("{}{SLACK_CALLBACK}", deps.address(request));
    let team = deps.connections.connect_slack(&tenant, query.get("code"), &redirect, verifier.as_ref()).await?;
    let settled = settle::settle_in(deps, &tenant, &deps.address(request)).await?;
    Ok(to_state(&format!("The Slack workspace {team} is connected. {}", settled.told())))
}

pub(crate) async fn begin_notion(deps: &Deps, request: &Request<Bytes>, session: &Session) -> Answer {
    let app = deps.connections.apps().await?.notion.ok_or_else(|| no_app("Notion"))?;
    let redirect = format!("{}{NOTION_CALLBACK}", deps.address(request));
    let flow = Flow::Notion { tenant: session.tenant.clone() };
    started::begin(deps, flow, |state| Ok(deps.connections.notion_authorize_url(&app.client_id, &redirect, state)))
        .await
}

pub(crate) async fn end_notion(deps: &Deps, request: &Request<Bytes>, session: &Session, query: &Form) -> Answer {
    let Flow::Notion { tenant } = started::end(deps, request, query).await? else { return Err(mixed_up()) };
    if tenant != session.tenant {
        return Err(mixed_up());
    }
    let redirect = format!("{}{NOTION_CALLBACK}", deps.address(request));
    let workspace = deps.connections.connect_notion(&tenant, query.get("code"), &redirect).await?;
    let settled = settle::settle_in(deps, &tenant, &deps.address(request)).await?;
    Ok(to_state(&format!("The Notion workspace {workspace} is connected. {}", settled.told())))
}

pub(crate) async fn notion_by_token(deps: &Deps, session: &Session, form: &Form) -> Answer {
    let token = SecretString::from(form.get("secret").to_owned());
    let workspace = deps.connections.connect_notion_by_token(&session.tenant, &token).await?;
    Ok(to_state(&format!("The Notion workspace {workspace} is connected.")))
}

fn mixed_up() -> Refusal {
    let text = "You came back from another connection than the one that you are signed in to. Begin again at /install.";
    Refusal::new(StatusCode::BAD_REQUEST, text)
}
