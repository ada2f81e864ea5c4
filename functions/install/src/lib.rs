//! Connects portals and workspaces by a click: asks at the provider, proves the answer, and shows what is connected,
//! what is missing and what to do next.
//!
//! What a browser brings is bound to that browser and works once. Only a person who administers the portal is signed
//! in.

mod events;
mod give;
mod leaving;
mod page;
mod portal;
mod portal_page;
#[cfg(test)]
mod pseudo_tests;
mod refusal;
mod replaced;
mod settle;
mod started;
mod unlink;
mod visit;
mod workspaces;

use bytes::Bytes;
use clients::TimeBox;
use http::{Request, Response, StatusCode};
use locale::texts;
use runtime::store::StoreError;
use web::cookies::Site;
use web::doors;
use web::doors::{Door, RequestProof};
use web::page::redirect;
use web::sessions::Session;
use web::{origin, sessions};

use crate::refusal::{Refusal, address_unknown, no_such_page, refused_page};
use crate::visit::InstallVisit;

pub use visit::Deps;

/// Where the pages are.
pub const PATH: &str = "/install";
/// The progress of the deletion of a portal that left.
pub const LEFT: &str = "/install/left";
/// The address to which a person comes back from their portal; the application's card names it.
pub const BITRIX24_CALLBACK: &str = "/install/bitrix24/callback";
/// The address where a portal opens the application, and reports that it was installed or updated; the application's
/// card names it.
pub const BITRIX24_APP: &str = "/install/bitrix24/app";
/// The address to which a person comes back from Slack.
pub const SLACK_CALLBACK: &str = "/install/slack/callback";
/// The address to which a person comes back from Notion.
pub const NOTION_CALLBACK: &str = "/install/notion/callback";

/// The largest form that a person sends.
const MAX_FORM: usize = 16 * 1024;
/// The largest post of a portal that opens the application or says that it was installed: real ones have two kilobytes.
const MAX_PORTAL_POST: usize = 32 * 1024;

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::get("/install", RequestProof::Open),
    Door::get("/install/finish.js", RequestProof::Open),
    Door::form("/install/bitrix24", MAX_FORM, RequestProof::OwnPage),
    Door::get(BITRIX24_CALLBACK, RequestProof::State),
    Door::form(BITRIX24_APP, MAX_PORTAL_POST, RequestProof::ProviderToken),
    Door::form("/install/webhook", MAX_FORM, RequestProof::OneTimeSecret),
    Door::get("/install/give", RequestProof::Open),
    Door::form("/install/give", MAX_FORM, RequestProof::OneTimeSecret),
    Door::get("/install/unlink", RequestProof::Open),
    Door::form("/install/unlink", MAX_FORM, RequestProof::OneTimeSecret),
    Door::get(LEFT, RequestProof::Receipt),
    Door::form("/install/slack", MAX_FORM, RequestProof::SessionForm),
    Door::get(SLACK_CALLBACK, RequestProof::SessionAndState),
    Door::form("/install/notion", MAX_FORM, RequestProof::SessionForm),
    Door::get(NOTION_CALLBACK, RequestProof::SessionAndState),
    Door::form("/install/notion/token", MAX_FORM, RequestProof::SessionForm),
    Door::form("/install/settle", MAX_FORM, RequestProof::SessionForm),
    Door::form("/install/leave", MAX_FORM, RequestProof::SessionForm),
    Door::form("/install/sign-out", MAX_FORM, RequestProof::SessionForm),
];

pub(crate) type InstallAnswer = Result<Response<Bytes>, Refusal>;

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let site = Site::of(deps.public_url.as_deref(), deps.by_host, request.headers());
    // Boxed: it holds the work of every page.
    site.send(TimeBox::of_page(Box::pin(answer(deps, site.receive(request)))).await)
}

async fn answer(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let visit = InstallVisit::new(deps, &request);
    let door = match doors::at(DOORS, &request) {
        Ok(door) => door,
        Err(refused) if request.uri().path().trim_end_matches('/') == BITRIX24_APP => {
            return refused.answer(deps.backend.metrics.as_ref(), "installs_refused");
        }
        Err(refused) => return refused_page(&visit, &refused),
    };
    if door.proof.needs_own_page() && !origin::is_own(request.headers(), deps.public_url.as_deref()) {
        return refused_page(&visit, &origin::refused());
    }
    if deps.lacks_address(visit.place) {
        return address_unknown(&visit);
    }
    if door.proof == RequestProof::ProviderToken {
        return events::handle(&visit).await;
    }
    let visit = visit.with_fields();
    match route(&visit).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(&visit),
    }
}

async fn route(visit: &InstallVisit<'_>) -> InstallAnswer {
    match (visit.posts(), visit.place) {
        (false, "/bitrix24/callback") => return portal::come_back(visit).await,
        (false, "/finish.js") => return Ok(script()),
        (false, "/give") => return Ok(give::ask(visit)),
        (true, "/give") => return give::begin(visit).await,
        (false, "/left") => return leaving::left(visit).await,
        (false, "/unlink") => return Ok(unlink::ask(visit)),
        (true, "/unlink") => return unlink::undo(visit).await,
        _ => {}
    }
    let session = current_session(visit).await?;
    let is_own_form = |session: &Session| session.is_own_form(visit.form.get("token"));
    match (visit.posts(), visit.place, session) {
        // Without the session's own token it is a form for everyone.
        (true, "/bitrix24", session) => portal::begin(visit, session.filter(is_own_form).as_ref()).await,
        (true, _, Some(session)) if !is_own_form(&session) => {
            Err(Refusal::new(StatusCode::FORBIDDEN, texts::install::FOREIGN_FORM))
        }
        (_, _, Some(session)) => signed_in(visit, &session).await,
        (false, "", None) => page::first(visit).await,
        (true, "/webhook", None) => portal::by_webhook(visit, None).await,
        (_, _, None) => Err(Refusal::new(StatusCode::UNAUTHORIZED, texts::install::SIGNED_OUT)),
    }
}

/// The session of a request, if its person still administers the tenant.
async fn current_session(visit: &InstallVisit<'_>) -> Result<Option<Session>, StoreError> {
    let deps = visit.deps;
    let Some(session) = sessions::of(deps.backend.store.as_ref(), visit.request.headers()).await? else {
        return Ok(None);
    };
    let ask = async |session: &Session| deps.context.still_administers(&session.tenant, &session.proof).await;
    Ok(sessions::confirmed(&deps.backend, session, ask).await?.ok())
}

async fn signed_in(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    match (visit.posts(), visit.place) {
        (false, "") => page::state(visit, session).await,
        (true, "/webhook") => portal::by_webhook(visit, Some(session)).await,
        (true, "/slack") => workspaces::begin_slack(visit, session).await,
        (false, "/slack/callback") => workspaces::end_slack(visit, session).await,
        (true, "/notion") => workspaces::begin_notion(visit, session).await,
        (false, "/notion/callback") => workspaces::end_notion(visit, session).await,
        (true, "/notion/token") => workspaces::notion_by_token(visit, session).await,
        (true, "/settle") => {
            let settled = settle::settle_in(visit.deps, &session.tenant, &visit.address).await?;
            Ok(to_state(&settled.words(visit.language)))
        }
        (true, "/leave") => leaving::leave(visit, session).await,
        (true, "/sign-out") => {
            sessions::end(visit.deps.backend.store.as_ref(), session).await?;
            Ok(redirect(PATH))
        }
        _ => Err(no_such_page()),
    }
}

fn script() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(portal_page::FINISH.as_bytes()));
    let kind = http::HeaderValue::from_static("text/javascript; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Redirects to the page that shows every connection, with a note about what was done.
pub(crate) fn to_state(note: &str) -> Response<Bytes> {
    redirect(&format!("{PATH}?done={}", web::page::encoded(note)))
}
