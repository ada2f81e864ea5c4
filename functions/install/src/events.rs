//! What a portal posts where the application is installed: an installation, an update, or a person who opens it.
//!
//! Both bring tokens, which are trusted only after the authorization server has said whose they are.

use std::time::Duration;

use bitrix24::form::{self, Tree};
use bytes::Bytes;
use clients::{Brought, Failure, Installation, Unproven};
use http::{Response, StatusCode};
use locale::Language;
use secrecy::SecretString;
use serde_json::json;
use web::answer::{Refused, answer};

use crate::{Deps, InstallVisit, Refusal, portal, portal_page, refusal, settle};

/// Answers a post.
pub(crate) async fn handle(visit: &InstallVisit<'_>) -> Response<Bytes> {
    let metrics = visit.deps.backend.metrics.as_ref();
    let tree = match form::parse(visit.request.body()) {
        Ok(tree) => tree,
        Err(error) => {
            return Refused::new(StatusCode::BAD_REQUEST, "not_a_form", error.to_string())
                .answer(metrics, "installs_refused");
        }
    };
    let is_event = tree.text(&["event"]).is_some();
    let done = if is_event { event(visit, &tree).await } else { opened(visit, &tree).await };
    match done {
        Ok(answer) => answer,
        Err(refused) => refused.answer(metrics, "installs_refused"),
    }
}

async fn event(visit: &InstallVisit<'_>, tree: &Tree) -> Result<Response<Bytes>, Refused> {
    let code = tree.text(&["event"]).unwrap_or_default().to_ascii_uppercase();
    match code.as_str() {
        "ONAPPINSTALL" | "ONAPPUPDATE" => {
            let auth = |name: &str| tree.text(&["auth", name]).unwrap_or_default().to_owned();
            let brought = Brought {
                member_id: auth("member_id"),
                server: Some(auth("server_endpoint")).filter(|server| !server.is_empty()),
                access: auth("access_token").into(),
                refresh: Some(auth("refresh_token")).filter(|token| !token.is_empty()).map(SecretString::from),
                lives: Duration::from_secs(tree.number(&["auth", "expires_in"]).unwrap_or(3600)),
            };
            let installation = prove(visit.deps, brought).await?;
            connect(visit, &installation, &auth("application_token").into()).await?;
            Ok(answer(StatusCode::OK, &json!({"ok": true})))
        }
        // All other events carry a token that only the webhook's address checks.
        _ => Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "wrong_address",
            "only ONAPPINSTALL and ONAPPUPDATE are accepted here; other events go to the address that they are bound to",
        )),
    }
}

/// A person opens the application in their portal; the first time, this installs it.
async fn opened(visit: &InstallVisit<'_>, tree: &Tree) -> Result<Response<Bytes>, Refused> {
    let (deps, language) = (visit.deps, visit.language);
    let field = |name: &str| tree.text(&[name]).unwrap_or_default().to_owned();
    if field("AUTH_ID").is_empty() {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "no_auth",
            "the form has no AUTH_ID: Bitrix24 sends it when it opens an application",
        ));
    }
    let brought = Brought {
        member_id: field("member_id"),
        server: Some(field("SERVER_ENDPOINT")).filter(|server| !server.is_empty()),
        access: field("AUTH_ID").into(),
        refresh: Some(field("REFRESH_ID")).filter(|token| !token.is_empty()).map(SecretString::from),
        lives: Duration::from_secs(tree.number(&["AUTH_EXPIRES"]).unwrap_or(3600)),
    };
    let installation = prove(deps, brought).await?;
    let known =
        deps.connections.portals().fresh(&installation.tenant).await.map_err(|error| unavailable(&error.into()))?;
    match deps.connections.admit(&installation, &installation.entered_at_portal()).await {
        Ok(_) => {}
        Err(Unproven::NotAdmitted(why)) => {
            count_foreign(deps);
            let page = portal_page::not_admitted(language, &installation.domain, refusal::not_admitted(why));
            return Ok(portal_page::answer(page, &installation.domain));
        }
        Err(error) => return Err(unproven(error)),
    }
    // A person who opens it later does not replace the one who connected it, unless that access has ended.
    let troubles = deps.connections.troubles(&installation.tenant).await.map_err(|failure| unavailable(&failure))?;
    let is_new = known.as_ref().is_none_or(|portal| portal.application.is_none()) || !troubles.is_empty();
    if installation.is_admin && is_new {
        connect(visit, &installation, &field("APPLICATION_TOKEN").into()).await?;
    } else if known.is_none() {
        let page = portal_page::opened_by_other(language, &installation.domain);
        return Ok(portal_page::answer(page, &installation.domain));
    }
    let has_slack = known.is_some_and(|portal| portal.slack.is_some());
    let page = portal_page::opened(language, &installation.domain, &visit.address, has_slack);
    Ok(portal_page::answer(page, &installation.domain))
}

async fn prove(deps: &Deps, brought: Brought) -> Result<Installation, Refused> {
    deps.connections.prove_tokens(brought).await.map_err(unproven)
}

fn unproven(error: Unproven) -> Refused {
    match error {
        Unproven::Engine(failure) => unavailable(&failure),
        Unproven::NotAdmitted(why) => {
            let text = Language::default().text(refusal::not_admitted(why));
            Refused::new(StatusCode::FORBIDDEN, "another_application", text)
        }
        // Which part of it was wrong would help only an attacker.
        other => {
            if web::is_sampled("unproven") {
                tracing::warn!(%other, "an installation was not proven");
            }
            let text = "the access token is not that of a known application on this portal; enter the keys of a local application at /install first, with a connection code";
            Refused::new(StatusCode::UNAUTHORIZED, "unproven", text).shown_as("wrong_token")
        }
    }
}

/// An application that does not belong to the portal was opened there: a mistake, or an attempt.
fn count_foreign(deps: &Deps) {
    deps.backend.metrics.count("installs_refused", "another_application");
    if web::is_sampled("another_application") {
        tracing::warn!("an application was opened at a portal that is connected with another");
    }
}

async fn connect(
    visit: &InstallVisit<'_>,
    installation: &Installation,
    application_token: &SecretString,
) -> Result<(), Refused> {
    use secrecy::ExposeSecret;
    let deps = visit.deps;
    let connected = portal::connect(deps, installation, &installation.entered_at_portal()).await;
    connected.map_err(|refusal| match refusal {
        Refusal::Person(status, text) => Refused::new(status, "not_allowed", text(Language::default())),
        Refusal::Engine(failure) => unavailable(&failure),
    })?;
    if !application_token.expose_secret().is_empty() {
        let set = deps.connections.set_application_token(&installation.tenant, application_token).await;
        set.map_err(|failure| unavailable(&failure))?;
    }
    // An update removes all bindings; the upkeep would bind them again only later.
    if let Err(failure) = settle::settle_in(deps, &installation.tenant, &visit.address).await {
        tracing::warn!(tenant = %installation.tenant, %failure, "the portal is connected; its events are bound by the upkeep");
    }
    Ok(())
}

fn unavailable(failure: &Failure) -> Refused {
    tracing::error!(%failure, "an installation could not be stored");
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "the installation could not be stored just now; send it again",
    )
}
