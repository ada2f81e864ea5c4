//! What all pages for people have in common: the frame, forms, answers, sessions, and secrets that work once.
//!
//! Pages are made here, without scripts. Nothing on them comes from elsewhere, and a browser is told so.

pub mod once;
pub mod sessions;
pub mod tickets;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

pub use sessions::Session;

/// The fields of a form, or of a query.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The fields of a request's body.
    pub fn of_body(request: &Request<Bytes>) -> Self {
        Self(form_urlencoded::parse(request.body()).into_owned().collect())
    }

    /// The fields of a request's address.
    pub fn of_query(request: &Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A field without the space around it; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim())
    }
}

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The host that a request names.
pub fn host_of(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Gives a browser a cookie. It comes back by TLS only, except on this machine.
pub fn with_cookie(mut response: Response<Bytes>, cookie: &str, host: &str) -> Response<Bytes> {
    let is_local = ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local));
    let secure = if is_local { "" } else { "; Secure" };
    if let Ok(value) = HeaderValue::from_str(&format!("{cookie}{secure}")) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// A whole page.
pub fn frame(title: &str, nav: &Markup, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Switchboard" }
                link rel="stylesheet" href=(STYLE);
                link rel="icon" href="data:,";
            }
            body {
                header { strong { "Switchboard" } (nav) }
                main { h1 { (title) } (body) }
            }
        }
    }
    .into_string()
}

/// Where [`styled`] is to be served.
pub const STYLE: &str = "/admin/style.css";

/// Sends a browser on.
pub fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A page as an answer. Its forms may lead to us only.
pub fn page(status: StatusCode, text: String) -> Response<Bytes> {
    page_with(
        status,
        text,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
}

/// The same with another policy for the browser.
pub fn page_with(status: StatusCode, text: String, policy: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The style of all pages.
pub fn styled() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(include_bytes!("assets/style.css")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}
