//! Connects portals and workspaces by a click: asks at the provider, proves what comes back, and says what is connected,
//! what is missing and what to do next.
//!
//! What a browser brings is bound to that browser and works once. Who administers a portal is signed in to its pages;
//! nobody else is.

mod events;
mod give;
mod page;
mod portal;
mod settle;
mod started;
mod unlink;
mod workspaces;

use bytes::Bytes;
use connect::{Connections, Failure};
use http::{Method, Request, Response, StatusCode};
use pages::{Form, Session, host_of, redirect, sessions};
use platform::Ports;
use talk::Talk;

/// Where the pages are.
pub const PATH: &str = "/install";
/// Where a person comes back to from their portal: the application's card names it.
pub const BITRIX24_CALLBACK: &str = "/install/bitrix24/callback";
/// Where a portal opens the application, and tells that it was installed or updated: the application's card names it.
pub const BITRIX24_APP: &str = "/install/bitrix24/app";
/// Where a person comes back to from Slack.
pub const SLACK_CALLBACK: &str = "/install/slack/callback";
/// Where a person comes back to from Notion.
pub const NOTION_CALLBACK: &str = "/install/notion/callback";

/// The largest body that is read.
pub const LARGEST_BODY: usize = 64 * 1024;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    ports: Ports,
    connections: Connections,
    talk: Talk,
    public_url: Option<String>,
    by_host: bool,
}

impl Deps {
    /// The function on `ports`, with connections to providers, which reach us at `public_url`.
    pub fn new(ports: &Ports, connections: Connections, public_url: Option<String>) -> Self {
        let talk = Talk::new(ports, connections.clone());
        Self { ports: ports.clone(), connections, talk, public_url, by_host: false }
    }

    /// Takes the host that a request names for our address, where none is known: behind API Gateway it is the gateway's.
    #[must_use]
    pub fn by_host(self) -> Self {
        Self { by_host: true, ..self }
    }

    fn address(&self, request: &Request<Bytes>) -> String {
        let host = host_of(request.headers());
        let url = match &self.public_url {
            Some(url) => url.clone(),
            None if self.by_host => format!("https://{host}"),
            None => format!("http://{host}"),
        };
        url.trim_end_matches('/').to_owned()
    }
}

/// Why a request came to nothing; said on a page.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What a person can do something about.
    Person(StatusCode, String),
    /// It does not work just now.
    Engine(Failure),
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self::Person(status, text.into())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            platform::Kind::Permanent { .. } | platform::Kind::Reauthorise => {
                Self::Person(StatusCode::BAD_REQUEST, failure.text)
            }
            _ => Self::Engine(failure),
        }
    }
}

impl From<platform::store::StoreError> for Refusal {
    fn from(error: platform::store::StoreError) -> Self {
        Self::Engine(error.into())
    }
}

pub(crate) type Answer = Result<Response<Bytes>, Refusal>;

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if path == BITRIX24_APP && request.method() == Method::POST {
        return events::handle(deps, &request).await;
    }
    match route(deps, &request, &path).await {
        Ok(answer) => answer,
        Err(Refusal::Person(status, text)) => {
            tracing::warn!(%status, text, "a connection was refused");
            pages::page(status, page::message("That did not work", &text))
        }
        Err(Refusal::Engine(failure)) => {
            tracing::error!(%failure, "a connection could not be made");
            let text = format!("{} Nothing was changed; try again in a minute.", failure.text);
            pages::page(StatusCode::BAD_GATEWAY, page::message("That did not work just now", &text))
        }
    }
}

async fn route(deps: &Deps, request: &Request<Bytes>, path: &str) -> Answer {
    if request.body().len() > LARGEST_BODY {
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."));
    }
    let (form, query) = (Form::of_body(request), Form::of_query(request));
    let posts = request.method() == Method::POST;
    let place = path.strip_prefix(PATH).unwrap_or(path);
    match (posts, place) {
        (true, "/bitrix24") => return portal::begin(deps, request, &form).await,
        (false, "/bitrix24/callback") => return portal::come_back(deps, request, &query).await,
        (false, "/finish.js") => return Ok(script()),
        (false, "/give") => return Ok(give::ask(&query)),
        (true, "/give") => return give::begin(deps, request, &form).await,
        (false, "/unlink") => return Ok(unlink::ask(&query)),
        (true, "/unlink") => return unlink::undo(deps, &form).await,
        _ => {}
    }
    let session = sessions::of(deps.ports.store.as_ref(), request.headers()).await?;
    let Some(session) = session else {
        return match (posts, place) {
            (false, "") => page::first(deps, &deps.address(request)).await,
            (true, "/webhook") => portal::by_webhook(deps, request, &form, None).await,
            (false, "/slack/callback" | "/notion/callback") | (true, _) => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "You are not signed in any more. Begin again at /install."))
            }
            _ => Err(nothing_there()),
        };
    };
    if posts && !session.is_own_form(form.get("token")) {
        let text = "This form is not ours. Go back, load the page again, and send it once more.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    signed_in(deps, request, place, &session, &form, &query).await
}

async fn signed_in(
    deps: &Deps,
    request: &Request<Bytes>,
    place: &str,
    session: &Session,
    form: &Form,
    query: &Form,
) -> Answer {
    match (request.method() == Method::POST, place) {
        (false, "") => page::state(deps, session, query.get("done"), &deps.address(request)).await,
        (true, "/webhook") => portal::by_webhook(deps, request, form, Some(session)).await,
        (true, "/slack") => workspaces::begin_slack(deps, request, session).await,
        (false, "/slack/callback") => workspaces::end_slack(deps, request, session, query).await,
        (true, "/notion") => workspaces::begin_notion(deps, request, session).await,
        (false, "/notion/callback") => workspaces::end_notion(deps, request, session, query).await,
        (true, "/notion/token") => workspaces::notion_by_token(deps, session, form).await,
        (true, "/settle") => {
            let done = settle::settle_in(deps, &session.tenant, &deps.address(request)).await?;
            Ok(to_state(&done.told()))
        }
        (true, "/leave") => portal::leave(deps, session, form).await,
        (true, "/sign-out") => {
            sessions::end(deps.ports.store.as_ref(), session).await?;
            Ok(redirect(PATH))
        }
        _ => Err(nothing_there()),
    }
}

fn script() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(page::FINISH.as_bytes()));
    let kind = http::HeaderValue::from_static("text/javascript; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

fn nothing_there() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "There is no such page. Go to /install.")
}

/// To the page that says how everything stands, with a word about what was done.
pub(crate) fn to_state(word: &str) -> Response<Bytes> {
    redirect(&format!("{PATH}?done={}", pages::encoded(word)))
}
