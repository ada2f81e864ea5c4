//! An authorization that waits for its person to come back: bound to their browser, valid once, for ten minutes.

use std::time::Duration;

use bytes::Bytes;
use clients::audience::EnteredBy;
use http::{Response, StatusCode};
use locale::texts;
use runtime::TenantId;
use runtime::seal::Sealed;
use serde::{Deserialize, Serialize};
use tenants::one_time_secrets;
use tenants::one_time_secrets::secret;
use tenants::portals::TokenDigest;
use web::cookies;
use web::cookies::cookie;

use crate::{InstallVisit, Refusal};

/// How long a person can take.
const FLOW_TTL: Duration = Duration::from_secs(10 * 60);
const COOKIE: &str = "switchboard_install";

/// The purpose of an authorization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// To connect the typed portal through this application; with its sealed secret, if it is the portal's own.
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

/// Begins an authorization: `url` makes the provider's address from the state. One of our pages sends the browser
/// there, for a form may only lead to us.
pub(crate) async fn begin(
    visit: &InstallVisit<'_>,
    flow: Flow,
    url: impl FnOnce(&str) -> Result<String, Refusal>,
) -> Result<Response<Bytes>, Refusal> {
    let (state, browser) = (secret(), secret());
    let to = url(&state)?;
    let started = Started { flow, browser: TokenDigest::of(&browser) };
    one_time_secrets::put(&visit.deps.backend, "install", &state, &started, FLOW_TTL).await?;
    let page = web::page::page(StatusCode::OK, web::page::going(visit.language, &to));
    Ok(cookies::set(page, COOKIE, &browser, FLOW_TTL))
}

/// Ends the authorization, once, for the browser that began it.
pub(crate) async fn end(visit: &InstallVisit<'_>) -> Result<Flow, Refusal> {
    let query = &visit.query;
    let elsewhere = || Refusal::bad_request(texts::install::BEGUN_ELSEWHERE);
    let started: Option<Started> = one_time_secrets::take(&visit.deps.backend, "install", query.get("state")).await?;
    let started = started.ok_or_else(elsewhere)?;
    let browser = cookie(visit.request.headers(), COOKIE).unwrap_or_default();
    if !started.browser.matches(&TokenDigest::of(browser)) {
        tracing::warn!("a state came back in another browser");
        return Err(elsewhere());
    }
    if !query.get("error").is_empty() {
        return Err(Refusal::bad_request(texts::install::AccessNotGiven { error: query.get("error").to_owned() }));
    }
    if query.get("code").is_empty() {
        return Err(Refusal::bad_request(texts::install::NO_CODE_SENT));
    }
    Ok(started.flow)
}
