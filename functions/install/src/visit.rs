//! What the function runs on, and one request to it.

use bytes::Bytes;
use clients::Connections;
use http::{Method, Request};
use locale::{Language, Say};
use runtime::Backend;
use user_mapping::TenantContext;
use web::page::Form;
use web::request::host_of;

use crate::PATH;

/// The placeholder for our address on pages while it is unknown.
const UNKNOWN_ADDRESS: &str = "https://YOUR.SERVER";
/// The places from which a provider or a browser is sent back to us.
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
    pub(crate) backend: Backend,
    pub(crate) connections: Connections,
    pub(crate) context: TenantContext,
    pub(crate) public_url: Option<String>,
    pub(crate) by_host: bool,
}

impl Deps {
    /// The function on `backend`, with connections to providers, which reach us at `public_url`.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        let context = TenantContext::new(backend, connections.clone());
        Self { backend: backend.clone(), connections, context, public_url, by_host: false }
    }

    /// Uses the host that a request names as our address, where none is known: behind API Gateway it is the gateway's.
    #[must_use]
    pub fn by_host(self) -> Self {
        Self { by_host: true, ..self }
    }

    /// The address at which providers reach us. A host that a request names is used only behind API Gateway, which
    /// accepts only its own.
    fn address(&self, request: &Request<Bytes>) -> String {
        let url = match &self.public_url {
            Some(url) => url.clone(),
            None if self.by_host => format!("https://{}", host_of(request.headers())),
            None => UNKNOWN_ADDRESS.to_owned(),
        };
        url.trim_end_matches('/').to_owned()
    }

    /// Whether a provider would need our address while it is unknown.
    pub(crate) fn lacks_address(&self, place: &str) -> bool {
        self.public_url.is_none() && !self.by_host && NEED_ADDRESS.contains(&place)
    }
}

/// A request to the pages.
pub(crate) struct InstallVisit<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) request: &'a Request<Bytes>,
    /// The path below [`PATH`].
    pub(crate) place: &'a str,
    pub(crate) form: Form,
    pub(crate) query: Form,
    /// The language in which it is answered.
    pub(crate) language: Language,
    /// Where providers reach us.
    pub(crate) address: String,
}

impl<'a> InstallVisit<'a> {
    pub(crate) fn new(deps: &'a Deps, request: &'a Request<Bytes>) -> Self {
        let path = request.uri().path().trim_end_matches('/');
        Self {
            deps,
            request,
            place: path.strip_prefix(PATH).unwrap_or(path),
            form: Form::of_fields(Vec::new()),
            query: Form::of_fields(Vec::new()),
            language: web::language::of(request.headers()),
            address: deps.address(request),
        }
    }

    /// The same with the request's fields, after its door has checked their size.
    pub(crate) fn with_fields(self) -> Self {
        Self { form: Form::of_body(self.request), query: Form::of_query(self.request), ..self }
    }

    pub(crate) fn posts(&self) -> bool {
        self.request.method() == Method::POST
    }

    pub(crate) fn text<S: Say>(&self, message: S) -> S::Said {
        self.language.text(message)
    }
}
