//! Signing in: with Slack, as who administers the workspace or is named in the settings; or with a code that works once.
//! Tries are counted by the address they come from.

use std::time::Duration;

use bytes::Bytes;
use connect::Failure;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use maud::html;
use pages::{Form, address_of, cookie, frame, going, host_of, once, page as page_of, redirect, sessions, with_cookie};
use platform::TenantId;
use platform::audit::{Audit, Entry};
use platform::limiter::{Account, Reservation, Window};
use platform::portals::TokenDigest;
use rules::Settings;
use serde::{Deserialize, Serialize};

use crate::{Deps, PATH, failed};

/// Where Slack sends a browser back to.
pub const SLACK_CALLBACK: &str = "/admin/sign-in/slack/back";

/// Tries from one address within a quarter of an hour.
const MOST_TRIES: u32 = 10;
/// Tries from everywhere.
const MOST_TRIES_OF_ALL: u32 = 200;
const QUARTER: Duration = Duration::from_secs(15 * 60);
/// How long a person may take at Slack.
const FLOW_LIVES: Duration = Duration::from_secs(10 * 60);
const COOKIE: &str = "switchboard_sign_in";

/// Who was sent to Slack: the browser that was.
#[derive(Serialize, Deserialize)]
struct Begun {
    browser: TokenDigest,
    redirect: String,
}

pub(crate) async fn handle(
    deps: &Deps,
    request: &Request<Bytes>,
    place: &str,
    form: &Form,
    query: &Form,
) -> Response<Bytes> {
    let posts = request.method() == Method::POST;
    let done = match (posts, place) {
        (true, "") => match too_many(deps, request).await {
            Ok(None) => by_code(deps, request, form).await,
            Ok(Some(wait)) => return refuse(wait),
            Err(failure) => Err(failure),
        },
        (false, "/slack") => match too_many(deps, request).await {
            Ok(None) => to_slack(deps, request).await,
            Ok(Some(wait)) => return refuse(wait),
            Err(failure) => Err(failure),
        },
        (false, "/slack/back") => from_slack(deps, request, query).await,
        _ => return ask(deps, StatusCode::OK, None).await,
    };
    done.unwrap_or_else(|failure| failed(&failure))
}

/// The page that asks who somebody is.
pub(crate) async fn ask(deps: &Deps, status: StatusCode, problem: Option<&str>) -> Response<Bytes> {
    let has_slack = deps.talk.connections.apps().await.is_ok_and(|apps| apps.slack.is_some());
    let body = html! {
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        @if has_slack {
            p { a.button.main href="/admin/sign-in/slack" { "Sign in with Slack" } }
            p.hint { "For who administers the connected workspace, and whom the settings name under " code { "admins" } "." }
        }
        form method="post" action="/admin/sign-in" {
            label for="code" { "One-time code" }
            input id="code" name="code" type="password" autocomplete="one-time-code" required autofocus;
            button.main { "Sign in" }
        }
        p.hint { "Whoever runs Switchboard makes a code with " code { "switchboard admin-code" } ". It works once, for 15 minutes." }
    };
    page_of(status, frame("Sign in", &html! {}, &body))
}

/// How long to wait, if there were too many tries.
async fn too_many(deps: &Deps, request: &Request<Bytes>) -> Result<Option<Duration>, Failure> {
    let address = address_of(request.headers());
    let accounts = [(format!("sign-in#{address}"), MOST_TRIES), ("sign-in#all".to_owned(), MOST_TRIES_OF_ALL)];
    for (name, most) in accounts {
        let account = Account::windowed(name, Window { length: QUARTER, most }).for_a_person();
        if let Reservation::Wait { wait, .. } = deps.limiter.reserve(&account, Duration::ZERO).await? {
            deps.ports().metrics.count("sign_ins_refused", "too_many");
            tracing::warn!(address, "too many tries to sign in");
            return Ok(Some(wait));
        }
    }
    Ok(None)
}

fn refuse(wait: Duration) -> Response<Bytes> {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    let body = html! { p role="alert" { "There were too many tries to sign in. Try again in " (minutes) " min." } };
    let mut response = page_of(StatusCode::TOO_MANY_REQUESTS, frame("Too many tries", &html! {}, &body));
    if let Ok(seconds) = HeaderValue::from_str(&wait.as_secs().max(1).to_string()) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

async fn by_code(deps: &Deps, request: &Request<Bytes>, form: &Form) -> Result<Response<Bytes>, Failure> {
    let Some((cookie, tenant)) = sessions::begin(deps.ports(), form.get("code")).await? else {
        tracing::warn!("a sign-in with a wrong code");
        deps.ports().metrics.count("sign_ins_refused", "wrong_code");
        let problem = "This code is wrong, too old or was used before. Make another one.";
        return Ok(ask(deps, StatusCode::UNAUTHORIZED, Some(problem)).await);
    };
    note(deps, &tenant, "a one-time code").await?;
    Ok(with_cookie(redirect(PATH), &cookie, host_of(request.headers())))
}

async fn note(deps: &Deps, tenant: &TenantId, who: &str) -> Result<(), Failure> {
    let entry = Entry::new(deps.ports().clock.now(), who, "signed in", "");
    Ok(Audit::new(deps.ports().store.clone()).note(tenant, &entry).await?)
}

async fn to_slack(deps: &Deps, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let host = host_of(request.headers());
    let local = format!("http://{host}");
    let address = deps.address(host).unwrap_or(local);
    let redirect = format!("{}{SLACK_CALLBACK}", address.trim_end_matches('/'));
    let (state, browser) = (once::secret(), once::secret());
    let Some(to) = deps.talk.connections.slack_sign_in_url(&redirect, &state).await? else {
        return Ok(ask(deps, StatusCode::NOT_FOUND, Some("There is no Slack app here. Use a code.")).await);
    };
    let begun = Begun { browser: TokenDigest::of(&browser), redirect };
    once::put(deps.ports(), "sign-in", &state, &begun, FLOW_LIVES).await?;
    let seconds = FLOW_LIVES.as_secs();
    let kept = format!("{COOKIE}={browser}; HttpOnly; SameSite=Lax; Path=/admin/sign-in; Max-Age={seconds}");
    Ok(with_cookie(page_of(StatusCode::OK, going(&to)), &kept, host))
}

async fn from_slack(deps: &Deps, request: &Request<Bytes>, query: &Form) -> Result<Response<Bytes>, Failure> {
    let refused = |status, text: String| async move {
        deps.ports().metrics.count("sign_ins_refused", "slack");
        Ok(ask(deps, status, Some(&text)).await)
    };
    let begun: Option<Begun> = once::take(deps.ports(), "sign-in", query.get("state")).await?;
    let browser = TokenDigest::of(cookie(request.headers(), COOKIE).unwrap_or_default());
    let Some(begun) = begun.filter(|begun| begun.browser.matches(&browser)) else {
        let text = "This was begun in another browser, more than ten minutes ago, or was used before. Begin again.";
        return refused(StatusCode::BAD_REQUEST, text.into()).await;
    };
    if query.get("code").is_empty() {
        return refused(StatusCode::BAD_REQUEST, format!("Slack did not say who you are ({}).", query.get("error")))
            .await;
    }
    let came = match deps.talk.connections.slack_signed_in(query.get("code"), &begun.redirect).await {
        Ok(came) => came,
        Err(error) => {
            return refused(StatusCode::BAD_GATEWAY, format!("Slack did not say who you are: {error}.")).await;
        }
    };
    let portals = deps.talk.connections.portals();
    let mut workspace = portals.workspace(&came.team).await?;
    if let (None, Some(enterprise)) = (&workspace, &came.enterprise) {
        workspace = portals.workspace(enterprise).await?;
    }
    let Some(workspace) = workspace else {
        return refused(StatusCode::FORBIDDEN, "Your workspace is not connected to a portal here.".into()).await;
    };
    let tenant = workspace.tenant;
    let portal = deps.talk.connections.portal(&tenant).await?;
    // Slack's own word now: who was an administrator yesterday may be none today.
    let person = deps.talk.connections.slack(&portal).await?.user(&came.user).await?;
    let settings: Settings = serde_json::from_value(portal.settings.clone()).unwrap_or_default();
    let is_named = settings.admins.iter().any(|named| {
        *named == came.user || person.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(named))
    });
    if person.deleted || !(person.is_admin || is_named) {
        let text = format!(
            "{} neither administers the workspace nor is named in the settings (admins). Ask somebody who is.",
            person.name
        );
        return refused(StatusCode::FORBIDDEN, text).await;
    }
    let who = format!("{} ({})", person.name, came.user);
    let cookie = sessions::start(deps.ports(), tenant.clone(), &who).await?;
    note(deps, &tenant, &who).await?;
    Ok(with_cookie(redirect(PATH), &cookie, host_of(request.headers())))
}
