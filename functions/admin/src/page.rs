//! What the pages here share: the menu, the check of a form's token, messages, tables, times and counts.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use operations::log::Status;
use web::page::{frame, lively_frame};

use crate::{Answer, Visit, attention};

/// The pages, by their title and address.
const PAGES: [(&str, &str); 12] = [
    ("Overview", "/admin"),
    ("Events", "/admin/events"),
    ("Dead letters", "/admin/dead"),
    ("Checks", "/admin/doctor"),
    ("Routes", "/admin/routes"),
    ("Settings", "/admin/settings"),
    ("People", "/admin/people"),
    ("Conversations", "/admin/bridges"),
    ("Notion", "/admin/notion"),
    (attention::TITLE, "/admin/notion/attention"),
    ("API keys", "/admin/keys"),
    ("Audit", "/admin/audit"),
];

/// A page for who is signed in.
pub(crate) fn signed_in(visit: &Visit<'_>, title: &str, done: &str, body: &Markup) -> String {
    under(visit, title, title, done, body)
}

/// The same for a page that belongs to another one, which is marked in the list.
pub(crate) fn under(visit: &Visit<'_>, of: &str, title: &str, done: &str, body: &Markup) -> String {
    let nav = html! {
        nav aria-label="Pages" {
            @for (name, address) in PAGES {
                a href=(address) aria-current=[(name == of).then_some("page")] {
                    (name)
                    @if name == attention::TITLE && let Some(number) = attention::shown_count(visit.attention) { " (" (number) ")" }
                }
            }
            a href="/install" { "Connections" }
            form method="post" action="/admin/sign-out" { (token(visit)) button { "Sign out" } }
        }
    };
    let body = html! {
        p.hint { (visit.portal.domain) " · signed in as " (visit.session.who) }
        @if !done.is_empty() { p.done role="status" { (done) } }
        (body)
    };
    lively_frame(title, &nav, &body)
}

/// The proof that a form is ours.
pub(crate) fn token(visit: &Visit<'_>) -> Markup {
    html! { input type="hidden" name="token" value=(visit.session.token); }
}

/// A page with nothing but a message.
pub(crate) fn message(title: &str, text: &str) -> String {
    frame(title, &html! {}, &html! { p { (text) } p { a href="/admin" { "Back" } } })
}

/// What is not there, or not this tenant's.
pub(crate) fn missing(visit: &Visit<'_>, text: &str) -> Answer {
    Answer::Missing(under(
        visit,
        "",
        "Not found",
        "",
        &html! { p { (text) } p { a href="/admin" { "To the overview" } } },
    ))
}

/// A file to keep.
pub(crate) fn file(name: &'static str, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    let headers = response.headers_mut();
    let kind = match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("csv") => "text/csv; charset=utf-8",
        _ => "application/yaml; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// The head of a table; a column without a name has no head.
pub(crate) fn heads(names: &[&str]) -> Markup {
    html! { thead { tr { @for name in names { @if name.is_empty() { td {} } @else { th scope="col" { (name) } } } } } }
}

/// A moment, to the second.
pub(crate) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
}

/// How long, for people: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn lasting(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{:.1} s", seconds(millis)),
        120_000..7_200_000 => format!("{} min", millis / 60_000),
        7_200_000..172_800_000 => format!("{} h", millis / 3_600_000),
        _ => format!("{} d", millis / 86_400_000),
    }
}

#[allow(clippy::cast_precision_loss)] // below two minutes
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// How long ago.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    let millis = i64::try_from(now.duration_since(at).as_millis()).unwrap_or(i64::MAX).max(0);
    format!("{} ago", lasting(millis))
}

/// A status, as a word that colour only supports.
pub(crate) fn badge(status: Status) -> Markup {
    html! { span class={ "badge " (status.name()) } { (status.name()) } }
}

/// `1 letter`, `2 letters`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
