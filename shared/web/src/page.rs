//! What all pages share: the frame, forms, redirects, and the headers that keep them safe.
//!
//! Pages work without scripts; a lively one also runs our own. Nothing on a page comes from elsewhere, and browsers
//! enforce that.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Request, Response, StatusCode};
use locale::{Language, texts};
use maud::{DOCTYPE, Markup, html};

use crate::answer::Refused;
use crate::language::rich;
use crate::origin::ANOTHER_SITE;

/// The fields of a form, or of a query.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A form with these fields.
    pub fn of_fields(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// The fields of a request's body.
    pub fn of_body(request: &Request<Bytes>) -> Self {
        Self(form_urlencoded::parse(request.body()).into_owned().collect())
    }

    /// The fields of a request's address.
    pub fn of_query(request: &Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// All values of a field, as of checkboxes.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.trim())
    }

    /// A field without surrounding space; empty if it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim())
    }
}

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A whole page without scripts.
pub fn frame(language: Language, title: &str, nav: &Markup, body: &Markup) -> String {
    framed(language, title, nav, body, false)
}

/// A whole page, parts of which reload themselves if the browser runs scripts. Everything works without.
pub fn lively_frame(language: Language, title: &str, nav: &Markup, body: &Markup) -> String {
    framed(language, title, nav, body, true)
}

fn framed(language: Language, title: &str, nav: &Markup, body: &Markup, lively: bool) -> String {
    html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Switchboard" }
                link rel="stylesheet" href=(STYLE);
                link rel="icon" href="data:,";
                @if lively {
                    // No evaluation and no inline style: the policy would refuse both.
                    meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyEnabled":false}"#;
                    script src=(SCRIPT) defer {}
                }
            }
            body {
                a.skip href="#main" { (language.text(texts::pages::SKIP_TO_CONTENT)) }
                header { strong { "Switchboard" } (nav) }
                main id="main" { h1 { (title) } (body) }
            }
        }
    }
    .into_string()
}

/// A page that sends a browser to a provider: a form may only lead to us.
pub fn going(language: Language, to: &str) -> String {
    let host = to.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let taken_to = texts::pages::TakenTo { provider: html! { a href=(to) { (host) } } };
    let body = html! { p { (rich(language, &taken_to)) } };
    let page = frame(language, language.text(texts::pages::ONE_MOMENT), &html! {}, &body);
    refreshed(&page, &format!("0; url={to}"))
}

/// The same page, which the browser leaves or reloads by itself: `3; url=/there`.
pub fn refreshed(page: &str, when: &str) -> String {
    let refresh = html! { meta http-equiv="refresh" content=(when); }.into_string();
    page.replacen("<head>", &format!("<head>{refresh}"), 1)
}

/// Why a request was refused, for the person who sent it.
pub fn refusal(language: Language, refused: &Refused) -> &str {
    match refused.code {
        "not_found" => language.text(texts::pages::NO_SUCH_PAGE),
        ANOTHER_SITE => language.text(texts::pages::ANOTHER_SITE),
        "wrong_method" => language.text(texts::pages::WRONG_METHOD),
        "address_too_long" => language.text(texts::pages::ADDRESS_TOO_LONG),
        "too_large" => language.text(texts::pages::TOO_LARGE),
        "too_many_fields" => language.text(texts::pages::TOO_MANY_FIELDS),
        _ => &refused.text,
    }
}

/// Other sites do not learn our addresses. Our own pages do: with `no-referrer`, browsers would also hide from us which
/// page sent a form ([`origin`]).
const REFERRERS: &str = "same-origin";

/// The language of a page, and of the note that a redirect carries, is chosen by this header.
const VARIES_BY: &str = "accept-language";

/// Where [`styled`] is to be served.
pub const STYLE: &str = "/admin/style.css";
/// Where [`script`] is to be served.
pub const SCRIPT: &str = "/admin/htmx.js";

/// Redirects a browser.
pub fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static(REFERRERS));
    response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES_BY));
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

/// The same for a page of [`lively_frame`]: only our own scripts, which call only us.
pub fn lively_page(status: StatusCode, text: String) -> Response<Bytes> {
    page_with(
        status,
        text,
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
}

/// The same with another policy for the browser. No title or name on it can turn the direction of the words around it.
pub fn page_with(status: StatusCode, text: String, policy: &str) -> Response<Bytes> {
    let text = match bidi::without_overrides(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(other) => other,
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(REFERRERS));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The script of lively pages: htmx (0BSD, see `assets/htmx.LICENSE`).
pub fn script() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(include_bytes!("assets/htmx.min.js")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
    response
}

/// The style of all pages.
pub fn styled() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(include_bytes!("assets/style.css")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}
