//! Connects portals and workspaces by a click: asks at the provider, proves the answer, and shows what is connected,
//! what is missing and what to do next.
//!
//! What a browser brings is bound to that browser and works once. Only a person who administers the portal is signed
//! in.

mod events;
mod give;
mod page;
mod portal;
mod replaced;
mod settle;
mod started;
mod unlink;
mod workspaces;

use bytes::Bytes;
use clients::{Connections, Failure};
use http::{Method, Request, Response, StatusCode};
use runtime::Ports;
use runtime::store::StoreError;
use user_mapping::Talk;
use web::answer::Refused;
use web::cookies::Site;
use web::doors;
use web::doors::{Door, Proof};
use web::page::{Form, redirect};
use web::request::host_of;
use web::sessions::Session;
use web::{origin, sessions};

/// Where the pages are.
pub const PATH: &str = "/install";
/// Where is shown how far the deletion of a portal that left is.
pub const LEFT: &str = "/install/left";
/// Where a person comes back to from their portal: the application's card names it.
pub const BITRIX24_CALLBACK: &str = "/install/bitrix24/callback";
/// Where a portal opens the application, and reports that it was installed or updated: the application's card names it.
pub const BITRIX24_APP: &str = "/install/bitrix24/app";
/// Where a person comes back to from Slack.
pub const SLACK_CALLBACK: &str = "/install/slack/callback";
/// Where a person comes back to from Notion.
pub const NOTION_CALLBACK: &str = "/install/notion/callback";

/// The largest form that a person sends.
const MAX_FORM: usize = 16 * 1024;
/// The largest post of a portal that opens the application or says that it was installed: real ones have two kilobytes.
const MAX_PORTAL_POST: usize = 32 * 1024;

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::get("/install", Proof::Open),
    Door::get("/install/finish.js", Proof::Open),
    Door::form("/install/bitrix24", MAX_FORM, Proof::OwnPage),
    Door::get(BITRIX24_CALLBACK, Proof::State),
    Door::form(BITRIX24_APP, MAX_PORTAL_POST, Proof::ProviderToken),
    Door::form("/install/webhook", MAX_FORM, Proof::OneTimeSecret),
    Door::get("/install/give", Proof::Open),
    Door::form("/install/give", MAX_FORM, Proof::OneTimeSecret),
    Door::get("/install/unlink", Proof::Open),
    Door::form("/install/unlink", MAX_FORM, Proof::OneTimeSecret),
    Door::get(LEFT, Proof::Receipt),
    Door::form("/install/slack", MAX_FORM, Proof::SessionForm),
    Door::get(SLACK_CALLBACK, Proof::SessionAndState),
    Door::form("/install/notion", MAX_FORM, Proof::SessionForm),
    Door::get(NOTION_CALLBACK, Proof::SessionAndState),
    Door::form("/install/notion/token", MAX_FORM, Proof::SessionForm),
    Door::form("/install/settle", MAX_FORM, Proof::SessionForm),
    Door::form("/install/leave", MAX_FORM, Proof::SessionForm),
    Door::form("/install/sign-out", MAX_FORM, Proof::SessionForm),
];

/// The placeholder for our address on pages while it is unknown.
const UNKNOWN_ADDRESS: &str = "https://YOUR.SERVER";
/// What sends a provider or a browser back to us.
const NEED_ADDRESS: [&str; 8] = [
    "/bitrix24",
    "/bitrix24/callback",
    "/bitrix24/app",
    "/slack",
    "/slack/callback",
    "/notion",
    "/notion/callback",
    "/settle",
];

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

    /// Where providers reach us. The host that a request names is believed behind API Gateway only, which takes no
    /// other than its own.
    fn address(&self, request: &Request<Bytes>) -> String {
        let url = match &self.public_url {
            Some(url) => url.clone(),
            None if self.by_host => format!("https://{}", host_of(request.headers())),
            None => UNKNOWN_ADDRESS.to_owned(),
        };
        url.trim_end_matches('/').to_owned()
    }

    /// Whether something would give a provider an address that is not known.
    fn lacks_address(&self, place: &str) -> bool {
        self.public_url.is_none() && !self.by_host && NEED_ADDRESS.contains(&place)
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
            runtime::Kind::Permanent { .. } | runtime::Kind::Reauthorise => {
                Self::Person(StatusCode::BAD_REQUEST, failure.text)
            }
            _ => Self::Engine(failure),
        }
    }
}

impl From<runtime::store::StoreError> for Refusal {
    fn from(error: runtime::store::StoreError) -> Self {
        Self::Engine(error.into())
    }
}

pub(crate) type Answer = Result<Response<Bytes>, Refusal>;

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let site = Site::of(deps.public_url.as_deref(), deps.by_host, request.headers());
    site.send(answer(deps, site.receive(request)).await)
}

async fn answer(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let door = match doors::at(DOORS, &request) {
        Ok(door) => door,
        Err(refused) if path == BITRIX24_APP => {
            return refused.answer(deps.ports.metrics.as_ref(), "installs_refused");
        }
        Err(refused) => return refused_page(deps, &refused),
    };
    if door.proof.needs_own_page() && !origin::is_own(request.headers(), deps.public_url.as_deref()) {
        return refused_page(deps, &origin::refused());
    }
    if deps.lacks_address(path.strip_prefix(PATH).unwrap_or(&path)) {
        let text = "This needs the public address: whoever runs Switchboard sets public_url in its configuration.";
        return web::page::page(
            StatusCode::SERVICE_UNAVAILABLE,
            page::message("The public address is not known", text),
        );
    }
    if door.proof == Proof::ProviderToken {
        return events::handle(deps, &request).await;
    }
    match route(deps, &request).await {
        Ok(answer) => answer,
        Err(Refusal::Person(status, text)) => {
            deps.ports.metrics.count("installs_refused", "person");
            if web::is_sampled("install_refused") {
                tracing::warn!(%status, text, "a connection was refused");
            }
            web::page::page(status, page::message("That did not work", &text))
        }
        Err(Refusal::Engine(failure)) => {
            tracing::error!(%failure, "a connection could not be made");
            let text = format!("{} Nothing was changed; try again in a minute.", failure.text);
            web::page::page(StatusCode::BAD_GATEWAY, page::message("That did not work just now", &text))
        }
    }
}

/// What is wrong before anybody is asked.
fn refused_page(deps: &Deps, refused: &Refused) -> Response<Bytes> {
    let text = match refused.status {
        StatusCode::NOT_FOUND => "There is no such page. Go to /install.",
        _ => web::page::refusal(locale::Language::En, refused),
    };
    let page = page::message("That did not work", text);
    refused.answer_with(deps.ports.metrics.as_ref(), "installs_refused", |status| web::page::page(status, page))
}

async fn route(deps: &Deps, request: &Request<Bytes>) -> Answer {
    let path = request.uri().path().trim_end_matches('/');
    let (form, query) = (Form::of_body(request), Form::of_query(request));
    let posts = request.method() == Method::POST;
    let place = path.strip_prefix(PATH).unwrap_or(path);
    match (posts, place) {
        (false, "/bitrix24/callback") => return portal::come_back(deps, request, &query).await,
        (false, "/finish.js") => return Ok(script()),
        (false, "/give") => return Ok(give::ask(&query)),
        (true, "/give") => return give::begin(deps, &form).await,
        (false, "/left") => return portal::left(deps, &query).await,
        (false, "/unlink") => return Ok(unlink::ask(&query)),
        (true, "/unlink") => return unlink::undo(deps, &form).await,
        _ => {}
    }
    let session = current_session(deps, request).await?;
    if (posts, place) == (true, "/bitrix24") {
        // Without the session's own token it is a form for everybody.
        let session = session.filter(|session| session.is_own_form(form.get("token")));
        return portal::begin(deps, &form, session.as_ref()).await;
    }
    let Some(session) = session else {
        return match (posts, place) {
            (false, "") => page::first(deps, &deps.address(request)).await,
            (true, "/webhook") => portal::by_webhook(deps, &form, None).await,
            _ => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "You are not signed in any more. Begin again at /install."))
            }
        };
    };
    if posts && !session.is_own_form(form.get("token")) {
        let text = "This form is not ours. Go back, load the page again, and send it once more.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    signed_in(deps, request, place, &session, &form, &query).await
}

/// The session of a request, if it has one whose person still administers the tenant.
async fn current_session(deps: &Deps, request: &Request<Bytes>) -> Result<Option<Session>, StoreError> {
    let Some(session) = sessions::of(deps.ports.store.as_ref(), request.headers()).await? else { return Ok(None) };
    let ask = async |session: &Session| deps.talk.still_administers(&session.tenant, &session.proof).await;
    Ok(sessions::confirmed(&deps.ports, session, ask).await?.ok())
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
        (true, "/webhook") => portal::by_webhook(deps, form, Some(session)).await,
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

/// To the page that shows every connection, with a note about what was done.
pub(crate) fn to_state(word: &str) -> Response<Bytes> {
    redirect(&format!("{PATH}?done={}", web::page::encoded(word)))
}
