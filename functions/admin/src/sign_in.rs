//! Signing in: with Slack, as an administrator of the workspace or a person named in the settings; or with a code that
//! works once. Wrong codes are counted by client address. A right one always works: nobody can lock others out.

use std::time::Duration;

use bytes::Bytes;
use clients::Failure;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use locale::{Language, texts};
use maud::html;
use runtime::TenantId;
use runtime::clock::until;
use runtime::limiter::{RateBucket, Reservation, Window};
use slack::oauth::SignedIn;
use tenants::administrators::SignInProof;
use tenants::audit::{Audit, AuditEntry};
use tenants::one_time_secrets;
use tenants::portals::{TokenDigest, Workspace};
use web::components::{Tone, message};
use web::cookies::{cookie, with_cookie};
use web::language::rich;
use web::page::{Form, frame, going, page as page_of, redirect};
use web::request::{address_of, host_of};
use web::sessions::SessionEnd;
use web::{cookies, sessions};

use crate::{Deps, PATH, failed};

/// The address to which Slack sends a browser back.
pub const SLACK_CALLBACK: &str = "/admin/sign-in/slack/back";

/// The most wrong codes from one address within a quarter of an hour.
const MAX_WRONG_CODES: u32 = 10;
const QUARTER: Duration = Duration::from_secs(15 * 60);
/// How long a person can take at Slack.
const FLOW_TTL: Duration = Duration::from_secs(10 * 60);
const COOKIE: &str = "switchboard_sign_in";

pub(crate) async fn handle(
    deps: &Deps,
    language: Language,
    request: &Request<Bytes>,
    place: &str,
    form: &Form,
    query: &Form,
) -> Response<Bytes> {
    let posts = request.method() == Method::POST;
    let done = match (posts, place) {
        (true, "") => by_code(deps, language, request, form).await,
        (false, "/slack") => to_slack(deps, language, request).await,
        (false, "/slack/back") => from_slack(deps, language, request, query).await,
        _ => return ask(deps, language, StatusCode::OK, None).await,
    };
    done.unwrap_or_else(|failure| failed(language, &failure))
}

/// The page where a person signs in.
pub(crate) async fn ask(deps: &Deps, language: Language, status: StatusCode, problem: Option<&str>) -> Response<Bytes> {
    let has_slack = deps.context.connections.apps().await.is_ok_and(|apps| apps.slack.is_some());
    let setting = texts::admin::SlackSignInFor { setting: html! { code { "admins" } } };
    let command = texts::admin::CodeExplained { command: html! { code { "switchboard admin-code" } } };
    let body = html! {
        @if let Some(problem) = problem { (message(Tone::Problem, problem)) }
        @if has_slack {
            p { a.button.main href="/admin/sign-in/slack" { (language.text(texts::admin::SIGN_IN_WITH_SLACK)) } }
            p.hint { (rich(language, &setting)) }
        }
        form method="post" action="/admin/sign-in" {
            label for="code" { (language.text(texts::admin::ONE_TIME_CODE)) }
            input id="code" name="code" type="password" autocomplete="one-time-code" required autofocus;
            button.main { (language.text(texts::admin::SIGN_IN)) }
        }
        p.hint { (rich(language, &command)) }
    };
    page_of(status, frame(language, language.text(texts::admin::SIGN_IN), &html! {}, &body))
}

/// Counts a wrong code; how long to wait, if there were too many from that address.
async fn too_many(deps: &Deps, request: &Request<Bytes>) -> Result<Option<Duration>, Failure> {
    let address = address_of(request);
    let window = Window { length: QUARTER, most: MAX_WRONG_CODES };
    let account = RateBucket::windowed(format!("sign-in#{address}"), window).for_a_person();
    match deps.limiter.reserve(&account, Duration::ZERO).await? {
        Reservation::Granted(_) => Ok(None),
        Reservation::Wait { wait, .. } => Ok(Some(wait)),
    }
}

fn refuse(language: Language, wait: Duration) -> Response<Bytes> {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    let explained = texts::admin::TooManyCodesExplained { most: u64::from(MAX_WRONG_CODES), minutes };
    let body = html! {
        p role="alert" { (language.text(explained)) }
        p { a href=(PATH) { (language.text(texts::admin::SIGN_IN)) } }
    };
    let page = frame(language, language.text(texts::admin::TOO_MANY_CODES), &html! {}, &body);
    let mut response = page_of(StatusCode::TOO_MANY_REQUESTS, page);
    if let Ok(seconds) = HeaderValue::from_str(&wait.as_secs().max(1).to_string()) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

async fn by_code(
    deps: &Deps,
    language: Language,
    request: &Request<Bytes>,
    form: &Form,
) -> Result<Response<Bytes>, Failure> {
    if let Some((cookie, tenant)) = sessions::begin(deps.backend(), form.get("code")).await? {
        note(deps, &tenant, sessions::BY_CODE).await?;
        return Ok(with_cookie(redirect(PATH), &cookie));
    }
    if let Some(wait) = too_many(deps, request).await? {
        deps.backend().metrics.count("sign_ins_refused", "too_many");
        return Ok(refuse(language, wait));
    }
    tracing::warn!("a sign-in with a wrong code");
    deps.backend().metrics.count("sign_ins_refused", "wrong_code");
    let problem = language.text(texts::admin::WRONG_CODE);
    Ok(ask(deps, language, StatusCode::UNAUTHORIZED, Some(problem)).await)
}

async fn note(deps: &Deps, tenant: &TenantId, who: &str) -> Result<(), Failure> {
    let entry = AuditEntry::new(deps.backend().clock.now(), who, "signed in", "");
    Ok(Audit::new(deps.backend().store.clone()).note(tenant, &entry).await?)
}

/// Sends a browser to Slack. Nothing is stored for it: the state is the digest of the browser's cookie, so it is valid
/// in this browser only, and anyone can start as often as they like.
async fn to_slack(deps: &Deps, language: Language, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let Some(redirect) = back_from_slack(deps, request) else {
        let problem = language.text(texts::admin::PUBLIC_ADDRESS_NEEDED);
        return Ok(ask(deps, language, StatusCode::NOT_FOUND, Some(problem)).await);
    };
    let kept = format!("{}.{}", one_time_secrets::secret(), deps.backend().clock.now().as_second());
    let Some(to) = deps.context.connections.slack_sign_in_url(&redirect, &state_of(&kept)).await? else {
        return Ok(ask(deps, language, StatusCode::NOT_FOUND, Some(language.text(texts::admin::NO_SLACK_APP))).await);
    };
    Ok(cookies::set(page_of(StatusCode::OK, going(language, &to)), COOKIE, &kept, FLOW_TTL))
}

/// The address to which Slack sends a browser back. It is the configured one, never the host that a request names.
fn back_from_slack(deps: &Deps, request: &Request<Bytes>) -> Option<String> {
    let address = deps.address(host_of(request.headers()))?;
    Some(format!("{}{SLACK_CALLBACK}", address.trim_end_matches('/')))
}

fn state_of(kept: &str) -> String {
    runtime::DeliveryId::of(&["sign-in", kept]).to_string()
}

/// Whether the browser with this cookie was sent to Slack with this state, and recently enough.
fn began_here(kept: &str, state: &str, now: Timestamp) -> bool {
    let begun = kept.split_once('.').and_then(|(_, second)| Timestamp::from_second(second.parse().ok()?).ok());
    let in_time = begun.is_some_and(|begun| begun <= now && until(begun, now) < FLOW_TTL);
    in_time && TokenDigest::of(&state_of(kept)).matches(&TokenDigest::of(state))
}

async fn from_slack(
    deps: &Deps,
    language: Language,
    request: &Request<Bytes>,
    query: &Form,
) -> Result<Response<Bytes>, Failure> {
    match came_from_slack(deps, language, request, query).await? {
        Ok((tenant, who, proof)) => {
            let session = sessions::start_with(deps.backend(), tenant.clone(), &who, proof).await?;
            note(deps, &tenant, &who).await?;
            Ok(cookies::clear(with_cookie(redirect(PATH), &session), COOKIE))
        }
        Err((status, text)) => {
            deps.backend().metrics.count("sign_ins_refused", "slack");
            Ok(ask(deps, language, status, Some(&text)).await)
        }
    }
}

type SignInRefused = (StatusCode, String);

/// The person who came back from Slack with the tenant whose pages they can see; or why they cannot.
async fn came_from_slack(
    deps: &Deps,
    language: Language,
    request: &Request<Bytes>,
    query: &Form,
) -> Result<Result<(TenantId, String, SignInProof), SignInRefused>, Failure> {
    let kept = cookie(request.headers(), COOKIE).unwrap_or_default();
    let redirect = back_from_slack(deps, request);
    let (true, Some(redirect)) = (began_here(kept, query.get("state"), deps.backend().clock.now()), redirect) else {
        return Ok(Err((StatusCode::BAD_REQUEST, language.text(texts::admin::SIGN_IN_BEGUN_ELSEWHERE).into())));
    };
    if query.get("code").is_empty() {
        let text = language.text(texts::admin::SlackDidNotSay { error: query.get("error") });
        return Ok(Err((StatusCode::BAD_REQUEST, text)));
    }
    let came = match deps.context.connections.slack_signed_in(query.get("code"), &redirect).await {
        Ok(came) => came,
        Err(error) => {
            return Ok(Err((StatusCode::BAD_GATEWAY, language.text(texts::admin::SlackDidNotSay { error }))));
        }
    };
    let Some((workspace, organisation)) = connected(deps, &came).await? else {
        return Ok(Err((StatusCode::FORBIDDEN, language.text(texts::admin::WORKSPACE_NOT_CONNECTED).into())));
    };
    admitted(deps, language, workspace.tenant, came.user, organisation).await
}

/// The connected workspace of a person; with the organisation, if that is connected as a whole.
async fn connected(deps: &Deps, came: &SignedIn) -> Result<Option<(Workspace, Option<String>)>, Failure> {
    let portals = deps.context.connections.portals();
    for id in std::iter::once(&came.team).chain(&came.enterprise) {
        if let Some(workspace) = portals.workspace(id).await? {
            let is_organisation = came.enterprise.as_ref() == Some(id) || id.starts_with('E');
            return Ok(Some((workspace, is_organisation.then(|| id.clone()))));
        }
    }
    Ok(None)
}

/// Admits a person who administers the tenant, as Slack says now: yesterday's administrator may no longer be one.
async fn admitted(
    deps: &Deps,
    language: Language,
    tenant: TenantId,
    user: String,
    organisation: Option<String>,
) -> Result<Result<(TenantId, String, SignInProof), SignInRefused>, Failure> {
    let portal = deps.context.connections.portal(&tenant).await?;
    let person = deps.context.connections.slack(&portal).await?.user(&user).await?;
    if !deps.context.may_administer(&portal, &person, organisation.as_deref())? {
        let person = person.name;
        let text = match organisation {
            Some(_) => language.text(texts::admin::NotAdministratorOfOrganisation { person }),
            None => language.text(texts::admin::NotAdministratorOfWorkspace { person }),
        };
        return Ok(Err((StatusCode::FORBIDDEN, text)));
    }
    Ok(Ok((tenant, format!("{} ({user})", person.name), SignInProof::Slack { user, organisation })))
}

/// The message to a person whose session ended early.
pub(crate) fn ended(language: Language, ended: SessionEnd) -> &'static str {
    language.text(match ended {
        SessionEnd::NoRights => texts::admin::ENDED_NO_RIGHTS,
        SessionEnd::Unconfirmed => texts::admin::ENDED_UNCONFIRMED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_for_its_browser_and_for_ten_minutes() {
        let begun = Timestamp::from_second(1_000_000).unwrap();
        let (kept, later) = ("secret.1000000", |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap());
        let state = state_of(kept);
        assert!(began_here(kept, &state, begun) && began_here(kept, &state, later(599)));
        assert!(!began_here(kept, &state, later(600)) && !began_here(kept, &state, later(-1)));
        assert!(!began_here("secret.1000500", &state, later(599)), "the moment is part of the state");
        assert!(!began_here("", &state, begun) && !began_here("other.1000000", &state, begun));
        assert!(!began_here("", &state_of(""), begun) && !began_here("x.", &state_of("x."), begun));
    }
}
