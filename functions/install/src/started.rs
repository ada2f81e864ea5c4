//! An authorization that waits for its person to come back: bound to their browser, good once, for ten minutes.

use std::time::Duration;

use bytes::Bytes;
use clients::audience::EnteredBy;
use http::{Request, Response, StatusCode};
use runtime::TenantId;
use runtime::seal::Sealed;
use serde::{Deserialize, Serialize};
use tenants::once;
use tenants::once::secret;
use tenants::portals::TokenDigest;
use web::cookies;
use web::cookies::cookie;
use web::page::Form;

use crate::{Deps, Refusal};

/// How long a person may take.
const LIVES: Duration = Duration::from_secs(10 * 60);
const COOKIE: &str = "switchboard_install";

/// What was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// To connect the portal that was typed by this application; with its sealed secret, if it is the portal's own.
    Portal { portal: String, client_id: String, own: Option<Sealed>, by: EnteredBy },
    /// To let us work with a person's own rights.
    Give { client_id: String, own: Option<Sealed>, tenant: TenantId, user: u64 },
    /// To connect a Slack workspace; with the sealed verifier, where the app uses PKCE.
    Slack { tenant: TenantId, verifier: Option<Sealed> },
    /// To connect a Notion workspace.
    Notion { tenant: TenantId },
}

#[derive(Serialize, Deserialize)]
struct Started {
    flow: Flow,
    browser: TokenDigest,
}

/// Begins: `url` makes the provider's address from the state. One of our pages sends the browser there, for a form may
/// not lead elsewhere.
pub(crate) async fn begin(
    deps: &Deps,
    flow: Flow,
    url: impl FnOnce(&str) -> Result<String, Refusal>,
) -> Result<Response<Bytes>, Refusal> {
    let (state, browser) = (secret(), secret());
    let to = url(&state)?;
    let started = Started { flow, browser: TokenDigest::of(&browser) };
    once::put(&deps.ports, "install", &state, &started, LIVES).await?;
    Ok(cookies::set(
        web::page::page(StatusCode::OK, web::page::going(locale::Language::En, &to)),
        COOKIE,
        &browser,
        LIVES,
    ))
}

/// What was begun, for the browser that began it, once.
pub(crate) async fn end(deps: &Deps, request: &Request<Bytes>, query: &Form) -> Result<Flow, Refusal> {
    let refused = || {
        let text = "This was begun in another browser, more than ten minutes ago, or was used before. Begin again at /install.";
        Refusal::new(StatusCode::BAD_REQUEST, text)
    };
    let started: Option<Started> = once::take(&deps.ports, "install", query.get("state")).await?;
    let started = started.ok_or_else(refused)?;
    let browser = cookie(request.headers(), COOKIE).unwrap_or_default();
    if !started.browser.matches(&TokenDigest::of(browser)) {
        tracing::warn!("a state came back in another browser");
        return Err(refused());
    }
    if !query.get("error").is_empty() {
        let text = format!("It was not allowed ({}). Nothing was changed.", query.get("error"));
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    if query.get("code").is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "The provider sent no code. Begin again at /install."));
    }
    Ok(started.flow)
}
