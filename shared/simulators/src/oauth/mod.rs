//! The providers' authorization servers: consent pages, short-lived codes that work once, tokens that expire and are
//! exchanged for new ones.

mod authority;
mod hub;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

pub(crate) use authority::OauthServersInner;
pub use authority::{OauthServers, Region};
pub use hub::SlackHub;

/// The application at all providers, as the sandbox knows it.
#[derive(Debug, Clone)]
pub struct AppCard {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Where a person comes back to.
    pub redirect: String,
    /// What it may do.
    pub scope: String,
}

/// A page with a form that allows.
pub(crate) fn page(title: &str, body: &str) -> Response<Bytes> {
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <body style=\"font:16px sans-serif;max-width:30rem;margin:3rem auto\"><h1>{title}</h1>{body}"
    );
    let mut response = Response::new(Bytes::from(text));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// A text within a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Sends a browser on.
pub(crate) fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(http::header::LOCATION, to);
    }
    response
}

/// A form's or a query's fields.
pub(crate) fn fields(text: &[u8]) -> std::collections::BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}
