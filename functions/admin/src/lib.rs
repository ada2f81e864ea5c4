//! The pages for administrators and operators: overview, event log, dead letters, settings, people, Notion.
//!
//! People sign in with Slack, if they administer the workspace or are named in the settings; or with a code that works
//! once, which only the operator of the deployment can make. Pages are made here; every form carries the session's own
//! token, and every change goes into the audit. Scripts only reload parts of a page: everything works without them.

mod attention;
mod audit;
mod bridges;
mod card;
mod databases;
mod dead;
mod document;
mod events;
mod health;
mod keys;
mod notion;
mod overview;
mod page;
mod people;
mod person;
mod plan;
#[cfg(test)]
mod pseudo_tests;
mod route_draft;
mod route_form;
mod routes;
mod runs;
mod settings_form;
mod sign_in;
mod suggest;

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use clients::{Connections, Failure, TimeBox};
use crm::names::NamesCache;
use http::{Method, Request, Response, StatusCode};
use locale::{Language, texts};
use notion_sync::NotionSync;
use runtime::limiter::Limiter;
use runtime::store::StoreError;
use runtime::{Backend, TenantId};
use settings::Settings;
use tenants::audit::{Audit, AuditEntry};
use tenants::portals::Portal;
use user_mapping::{OpenTenant, TenantContext};
use web::answer::Refused;
use web::cookies::Site;
use web::doors;
use web::doors::{Door, RequestProof};
use web::page::{Form, lively_page, page as html, redirect, refusal, styled};
use web::request::host_of;
use web::sessions::Session;
use web::sessions::SessionEnd;
use web::{origin, sessions};

pub use sign_in::SLACK_CALLBACK;
pub use web::sessions::new_code;

/// Where the pages are.
pub const PATH: &str = "/admin";

/// The largest form that is read.
const MAX_FORM: usize = 128 * 1024;
/// The largest settings document that is read, as a form.
const MAX_DOCUMENT: usize = 512 * 1024;
/// The largest form with a code.
const MAX_CODE: usize = 4 * 1024;

const fn page_door(path: &'static str) -> Door {
    Door::get(path, RequestProof::Session)
}

const fn form_door(path: &'static str) -> Door {
    Door::form(path, MAX_FORM, RequestProof::SessionForm)
}

/// Every address that is answered here.
pub const DOORS: &[Door] = &[
    Door::get("/admin/style.css", RequestProof::Open),
    Door::get("/admin/htmx.js", RequestProof::Open),
    Door::get("/admin/sign-in", RequestProof::Open),
    Door::form("/admin/sign-in", MAX_CODE, RequestProof::OneTimeSecret),
    Door::get("/admin/sign-in/slack", RequestProof::Open),
    Door::get(SLACK_CALLBACK, RequestProof::State),
    form_door("/admin/sign-out"),
    page_door("/admin"),
    page_door("/admin/overview"),
    page_door("/admin/events"),
    page_door("/admin/events/{event+}"),
    page_door("/admin/dead"),
    page_door("/admin/dead/plan"),
    form_door("/admin/dead/redrive"),
    form_door("/admin/dead/discard"),
    page_door("/admin/doctor"),
    form_door("/admin/doctor"),
    page_door("/admin/routes"),
    page_door("/admin/routes/edit"),
    form_door("/admin/routes/preview"),
    form_door("/admin/routes/try"),
    form_door("/admin/routes/save"),
    form_door("/admin/routes/move"),
    form_door("/admin/routes/delete"),
    page_door("/admin/settings"),
    page_door("/admin/settings/settings.yaml"),
    Door::form("/admin/settings", MAX_DOCUMENT, RequestProof::SessionForm),
    page_door("/admin/people"),
    form_door("/admin/people/link"),
    form_door("/admin/people/unlink"),
    form_door("/admin/people/list"),
    page_door("/admin/person"),
    form_door("/admin/person"),
    form_door("/admin/person/export"),
    form_door("/admin/person/forget"),
    page_door("/admin/bridges"),
    form_door("/admin/bridges/join"),
    form_door("/admin/bridges/part"),
    page_door("/admin/notion"),
    page_door("/admin/notion/runs"),
    page_door("/admin/notion/attention"),
    form_door("/admin/notion/attention/try"),
    form_door("/admin/notion/attention/take"),
    form_door("/admin/notion/attention/forget"),
    page_door("/admin/notion/plan"),
    page_door("/admin/notion/plan.csv"),
    form_door("/admin/notion/join"),
    page_door("/admin/notion/edit"),
    form_door("/admin/notion/save"),
    form_door("/admin/notion/forget"),
    form_door("/admin/notion/webhook"),
    form_door("/admin/notion/webhook/close"),
    form_door("/admin/notion/backfill"),
    form_door("/admin/notion/undo"),
    page_door("/admin/keys"),
    form_door("/admin/keys"),
    form_door("/admin/keys/revoke"),
    page_door("/admin/audit"),
    form_door("/admin/audit/revoke"),
];

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    context: TenantContext,
    mirror: NotionSync,
    names: NamesCache,
    limiter: Limiter,
    public_url: Option<String>,
    by_host: bool,
}

impl Deps {
    /// The function on `backend`, with connections to providers, which reach us at `public_url`.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        Self {
            mirror: NotionSync::new(backend, connections.clone()),
            names: NamesCache::new(connections.clone(), backend.store.clone(), backend.clock.clone()),
            limiter: Limiter::new(backend.store.clone(), backend.clock.clone()),
            context: TenantContext::new(backend, connections),
            public_url,
            by_host: false,
        }
    }

    /// Uses the host that a request names as our address, where none is known: behind API Gateway it is the gateway's.
    #[must_use]
    pub fn by_host(self) -> Self {
        Self { by_host: true, ..self }
    }

    fn address(&self, host: &str) -> Option<String> {
        let named = || (self.by_host && !host.is_empty()).then(|| format!("https://{host}"));
        self.public_url.clone().or_else(named)
    }

    fn backend(&self) -> &Backend {
        &self.context.backend
    }
}

/// A signed-in person, and the page that they look at.
pub(crate) struct Visit<'a> {
    pub(crate) deps: &'a Deps,
    /// The tenant whose pages these are.
    pub(crate) id: TenantId,
    pub(crate) portal: Arc<Portal>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) session: Session,
    /// The language of the page.
    pub(crate) language: Language,
    /// Where providers reach us.
    pub(crate) public_url: Option<String>,
    /// How many values need attention, and whether there are more than were counted.
    pub(crate) attention: (usize, bool),
}

/// A visit to a page that asks both the portal and the workspace.
pub(crate) struct ConnectedVisit<'a> {
    visit: &'a Visit<'a>,
    pub(crate) tenant: OpenTenant,
}

impl<'a> Deref for ConnectedVisit<'a> {
    type Target = Visit<'a>;

    fn deref(&self) -> &Self::Target {
        self.visit
    }
}

impl Visit<'_> {
    /// The same with the portal and the workspace open. It fails if one of them is not connected.
    pub(crate) async fn opened(&self) -> Result<ConnectedVisit<'_>, Failure> {
        Ok(ConnectedVisit { visit: self, tenant: self.deps.context.tenant(&self.id).await? })
    }

    pub(crate) fn backend(&self) -> &Backend {
        self.deps.backend()
    }

    /// Writes into the audit what the person changed.
    pub(crate) async fn note(&self, what: &str, of: &str, before: &str, after: &str) -> Result<(), Failure> {
        let backend = self.backend();
        // Who did it, and to what, can be people's names: they are in the audit only.
        tracing::info!(tenant = %self.id, what, "changed on a page");
        let entry = AuditEntry::new(backend.clock.now(), &self.session.who, what, of).changed(before, after);
        Ok(Audit::new(backend.store.clone()).note(&self.id, &entry).await?)
    }
}

/// The answer to a request.
pub(crate) enum PageAnswer {
    Page(String),
    /// A part of a page, for a script that asked for it.
    Part(String),
    /// A redirect to another page, with a note about what was done.
    To(String, String),
    /// A file to download.
    File(&'static str, String),
    /// It does not exist.
    Missing(String),
}

impl PageAnswer {
    pub(crate) fn to(place: &str, word: impl Into<String>) -> Self {
        Self::To(place.to_owned(), word.into())
    }
}

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let site = Site::of(deps.public_url.as_deref(), deps.by_host, request.headers());
    // Boxed: it holds the work of every page.
    site.send(TimeBox::of_page(Box::pin(answer(deps, site.receive(request)))).await)
}

async fn answer(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let language = web::language::of(request.headers());
    let door = match doors::at(DOORS, &request) {
        Ok(door) => door,
        Err(refused) => return refused_page(deps, language, &refused),
    };
    if door.proof.needs_own_page() && !origin::is_own(request.headers(), deps.public_url.as_deref()) {
        return refused_page(deps, language, &origin::refused());
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let path = path.strip_prefix(PATH).unwrap_or(&path).to_owned();
    match path.as_str() {
        "/style.css" => return styled(),
        "/htmx.js" => return web::page::script(),
        _ => {}
    }
    let (form, query) = (Form::of_body(&request), Form::of_query(&request));
    let posts = request.method() == Method::POST;
    if let Some(place) = path.strip_prefix("/sign-in") {
        return sign_in::handle(deps, language, &request, place, &form, &query).await;
    }
    let session = match signed_in(deps, &request).await {
        Ok(Ok(session)) => session,
        Ok(Err(why)) => {
            return sign_in::ask(deps, language, StatusCode::OK, why.map(|why| sign_in::ended(language, why))).await;
        }
        Err(error) => return failed(language, &Failure::from(error)),
    };
    if posts && !session.is_own_form(form.get("token")) {
        return html(
            StatusCode::FORBIDDEN,
            page::notice(
                language,
                language.text(texts::pages::FORM_EXPIRED),
                language.text(texts::pages::FORM_EXPIRED_EXPLAINED),
            ),
        );
    }
    if path == "/sign-out" && posts {
        return sign_out(deps, language, &session).await;
    }
    let portal = match deps.context.connections.portal(&session.tenant).await {
        Ok(portal) => portal,
        Err(failure) => return failed(language, &failure),
    };
    let settings = match portal.settings_as::<Settings>() {
        Ok(settings) => settings,
        Err(error) if needs_settings(&path) => {
            return html(
                StatusCode::CONFLICT,
                page::notice(language, language.text(texts::admin::SETTINGS_UNREADABLE), &error.to_string()),
            );
        }
        // They can be fixed on their page.
        Err(_) => Arc::default(),
    };
    let public_url = deps.address(host_of(request.headers()));
    // A count that fails keeps no page from being shown.
    let attention =
        if posts { (0, false) } else { deps.mirror.attention.count(&session.tenant).await.unwrap_or_default() };
    let visit = Visit { deps, id: session.tenant.clone(), portal, settings, session, language, public_url, attention };
    match route(&visit, posts, &path, &form, &query).await {
        Ok(PageAnswer::Page(text) | PageAnswer::Part(text)) => lively_page(StatusCode::OK, text),
        Ok(PageAnswer::Missing(text)) => lively_page(StatusCode::NOT_FOUND, text),
        Ok(PageAnswer::To(place, word)) => {
            let mark = if place.contains('?') { '&' } else { '?' };
            redirect(&format!("{PATH}{place}{mark}done={}", web::page::encoded(&word)))
        }
        Ok(PageAnswer::File(name, text)) => page::file(name, text),
        Err(failure) => failed(language, &failure),
    }
}

/// Whether a page shows or changes a part of the settings. With a document that cannot be read it would show nothing,
/// and saving the part would lose the rest.
fn needs_settings(path: &str) -> bool {
    ["/routes", "/notion"].iter().any(|page| path.starts_with(page))
}

async fn route(visit: &Visit<'_>, posts: bool, path: &str, form: &Form, query: &Form) -> Result<PageAnswer, Failure> {
    let done = query.get("done");
    match (posts, path) {
        (false, "") => overview::show(visit, done).await,
        (false, "/overview") => overview::part(visit).await,
        (false, "/events") => events::search(visit, query).await,
        (false, place) if place.starts_with("/events/") => events::trace(visit, &place["/events/".len()..], done).await,
        (false, "/dead") => dead::show(visit, query).await,
        (false, "/dead/plan") => dead::plan(visit, query).await,
        (true, "/dead/redrive") => dead::redrive(visit, form).await,
        (true, "/dead/discard") => dead::discard(visit, form).await,
        (false, "/doctor") => Ok(health::show(visit)),
        (true, "/doctor") => health::examine(visit).await,
        (false, "/routes") => Ok(routes::show(visit, done)),
        (false, "/routes/edit") => routes::edit(visit, query).await,
        (true, "/routes/preview") => routes::preview(visit, form).await,
        (true, "/routes/try") => routes::try_out(visit, form).await,
        (true, "/routes/save") => routes::save(visit, form).await,
        (true, "/routes/move") => routes::shift(visit, form).await,
        (true, "/routes/delete") => routes::delete(visit, form).await,
        (false, "/settings") => Ok(document::show(visit, done)),
        (false, "/settings/settings.yaml") => Ok(document::download(visit)),
        (true, "/settings") => document::work(visit, form).await,
        (false, "/people") => people::show(&visit.opened().await?, done).await,
        (true, "/people/link") => people::link(&visit.opened().await?, form).await,
        (true, "/people/unlink") => people::unlink(&visit.opened().await?, form).await,
        (true, "/people/list") => people::list(&visit.opened().await?, form).await,
        (false, "/person") => Ok(person::show(visit, done)),
        (true, "/person") => person::search(visit, form).await,
        (true, "/person/export") => person::export(visit, form).await,
        (true, "/person/forget") => person::forget(visit, form).await,
        (false, "/bridges") => bridges::show(&visit.opened().await?, done).await,
        (true, "/bridges/join") => bridges::join(&visit.opened().await?, form).await,
        (true, "/bridges/part") => bridges::part(&visit.opened().await?, form).await,
        (false, "/notion") => notion::show(visit, done).await,
        (false, "/notion/runs") => runs::show(visit).await,
        (false, "/notion/attention") => attention::show(visit, query).await,
        (true, "/notion/attention/try") => attention::try_again(visit, form).await,
        (true, "/notion/attention/take") => attention::take(visit, form).await,
        (true, "/notion/attention/forget") => attention::forget(visit, form).await,
        (false, "/notion/plan") => plan::show(visit, query).await,
        (false, "/notion/plan.csv") => plan::file(visit, query).await,
        (true, "/notion/join") => plan::join(visit, form).await,
        (false, "/notion/edit") => databases::edit(visit, query).await,
        (true, "/notion/save") => databases::save(visit, form).await,
        (true, "/notion/forget") => databases::forget(visit, form).await,
        (true, "/notion/webhook") => notion::open_window(visit, form).await,
        (true, "/notion/webhook/close") => notion::close_old(visit).await,
        (true, "/notion/backfill") => runs::begin(visit, form).await,
        (true, "/notion/undo") => notion::undo(visit, form).await,
        (false, "/keys") => keys::show(visit, done).await,
        (true, "/keys") => keys::make(visit, form).await,
        (true, "/keys/revoke") => keys::revoke(visit, form).await,
        (false, "/audit") => audit::show(visit, query).await,
        (true, "/audit/revoke") => audit::revoke(visit, form).await,
        _ => Ok(page::missing(visit, visit.language.text(texts::pages::NO_SUCH_PAGE))),
    }
}

/// The answer to a request that is refused before its sender is known.
fn refused_page(deps: &Deps, language: Language, refused: &Refused) -> Response<Bytes> {
    let title = match refused.status {
        StatusCode::NOT_FOUND => texts::pages::NOT_FOUND,
        _ => texts::pages::FAILED,
    };
    let page = page::notice(language, language.text(title), refusal(language, refused));
    refused.answer_with(deps.backend().metrics.as_ref(), "admin_refused", |status| html(status, page))
}

/// The session of a request, if its person still administers the tenant; or why it ended.
async fn signed_in(deps: &Deps, request: &Request<Bytes>) -> Result<Result<Session, Option<SessionEnd>>, StoreError> {
    let Some(session) = sessions::of(deps.backend().store.as_ref(), request.headers()).await? else {
        return Ok(Err(None));
    };
    let ask = async |session: &Session| deps.context.still_administers(&session.tenant, &session.proof).await;
    Ok(sessions::confirmed(deps.backend(), session, ask).await?.map_err(Some))
}

async fn sign_out(deps: &Deps, language: Language, session: &Session) -> Response<Bytes> {
    if let Err(error) = sessions::end(deps.backend().store.as_ref(), session).await {
        return failed(language, &Failure::from(error));
    }
    redirect(PATH)
}

fn failed(language: Language, failure: &Failure) -> Response<Bytes> {
    tracing::warn!(%failure, "an administrators' page could not be made");
    html(StatusCode::BAD_GATEWAY, page::notice(language, language.text(texts::pages::FAILED), &failure.text))
}
