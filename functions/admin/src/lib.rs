//! The administrators' pages: who is who, and which chat is which channel.
//!
//! One signs in with a code that works once and that only who runs Switchboard can make. Pages are made here, without
//! scripts; every form carries the session's own token.

mod bridges;
mod keys;
mod notion;
mod page;
mod people;
mod suggest;

use bytes::Bytes;
use connect::{Connections, Failure};
use http::{Method, Request, Response, StatusCode};
use mirror::Mirror;
use pages::{Form, Session, host_of, page as html, redirect, sessions, styled, with_cookie};
use platform::Ports;
use talk::{Talk, Tenant};

pub use pages::sessions::new_code;

/// Where the pages are.
pub const PATH: &str = "/admin";

/// The largest form that is read.
pub const LARGEST_BODY: usize = 512 * 1024;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    talk: Talk,
    mirror: Mirror,
    public_url: Option<String>,
    by_host: bool,
}

impl Deps {
    /// The function on `ports`, with connections to providers, which reach us at `public_url`.
    pub fn new(ports: &Ports, connections: Connections, public_url: Option<String>) -> Self {
        let mirror = Mirror::new(ports, connections.clone());
        Self { talk: Talk::new(ports, connections), mirror, public_url, by_host: false }
    }

    /// Takes the host that a request names for our address, where none is known: behind API Gateway it is the gateway's.
    #[must_use]
    pub fn by_host(self) -> Self {
        Self { by_host: true, ..self }
    }

    fn address(&self, host: &str) -> Option<String> {
        let named = || (self.by_host && !host.is_empty()).then(|| format!("https://{host}"));
        self.public_url.clone().or_else(named)
    }
}

/// Somebody who is signed in, and what they look at.
pub(crate) struct Visit<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) tenant: Tenant,
    pub(crate) session: Session,
    /// Where providers reach us.
    pub(crate) public_url: Option<String>,
}

/// What a request comes to.
pub(crate) enum Answer {
    Page(String),
    /// To another page, with a word about what was done.
    To(&'static str, String),
}

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let path = path.strip_prefix(PATH).unwrap_or(&path).to_owned();
    if path == "/style.css" {
        return styled();
    }
    if request.body().len() > LARGEST_BODY {
        return html(StatusCode::PAYLOAD_TOO_LARGE, page::message("The form is too large", "Send the list in parts."));
    }
    let form = Form::of_body(&request);
    let posts = request.method() == Method::POST;
    if path == "/sign-in" && posts {
        return sign_in(deps, &request, &form).await;
    }
    let session = match sessions::of(deps.talk.ports.store.as_ref(), request.headers()).await {
        Ok(Some(session)) => session,
        Ok(None) => return html(StatusCode::OK, page::sign_in(None)),
        Err(error) => return failed(&Failure::from(error)),
    };
    if posts && !session.is_own_form(form.get("token")) {
        return html(
            StatusCode::FORBIDDEN,
            page::message("This form is not ours", "Go back, load the page again, and send it once more."),
        );
    }
    if path == "/sign-out" && posts {
        return sign_out(deps, &session).await;
    }
    let tenant = match deps.talk.tenant(&session.tenant).await {
        Ok(tenant) => tenant,
        Err(failure) => return failed(&failure),
    };
    let visit = Visit { deps, tenant, session, public_url: deps.address(host_of(request.headers())) };
    let query = Form::of_query(&request);
    let done = match (posts, path.as_str()) {
        (false, "" | "/people") => people::show(&visit, query.get("done")).await,
        (false, "/bridges") => bridges::show(&visit, query.get("done")).await,
        (false, "/notion") => notion::show(&visit, query.get("done")).await,
        (false, "/keys") => keys::show(&visit, query.get("done")).await,
        (true, "/keys") => keys::make(&visit, &form).await,
        (true, "/keys/revoke") => keys::revoke(&visit, &form).await,
        (true, "/notion/webhook") => notion::open_window(&visit).await,
        (true, "/notion/webhook/close") => notion::close_old(&visit).await,
        (true, "/notion/backfill") => notion::backfill(&visit, &form).await,
        (true, "/notion/undo") => notion::undo(&visit, &form).await,
        (true, "/people/link") => people::link(&visit, &form).await,
        (true, "/people/unlink") => people::unlink(&visit, &form).await,
        (true, "/people/list") => people::list(&visit, &form).await,
        (true, "/bridges/join") => bridges::join(&visit, &form).await,
        (true, "/bridges/part") => bridges::part(&visit, &form).await,
        _ => return html(StatusCode::NOT_FOUND, page::message("There is no such page", "Go to /admin.")),
    };
    match done {
        Ok(Answer::Page(text)) => html(StatusCode::OK, text),
        Ok(Answer::To(place, word)) => redirect(&format!("{PATH}{place}?done={}", pages::encoded(&word))),
        Err(failure) => failed(&failure),
    }
}

async fn sign_in(deps: &Deps, request: &Request<Bytes>, form: &Form) -> Response<Bytes> {
    match sessions::begin(&deps.talk.ports, form.get("code")).await {
        Ok(Some(cookie)) => with_cookie(redirect(&format!("{PATH}/people")), &cookie, host_of(request.headers())),
        Ok(None) => {
            tracing::warn!("a sign-in with a wrong code");
            html(
                StatusCode::UNAUTHORIZED,
                page::sign_in(Some("This code is wrong, too old or was used before. Make another one.")),
            )
        }
        Err(error) => failed(&Failure::from(error)),
    }
}

async fn sign_out(deps: &Deps, session: &Session) -> Response<Bytes> {
    if let Err(error) = sessions::end(deps.talk.ports.store.as_ref(), session).await {
        return failed(&Failure::from(error));
    }
    redirect(PATH)
}

fn failed(failure: &Failure) -> Response<Bytes> {
    tracing::warn!(%failure, "an administrators' page could not be made");
    html(StatusCode::BAD_GATEWAY, page::message("That did not work", &failure.text))
}
