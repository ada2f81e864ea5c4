//! What the pages here share: the list of pages, the token of forms, files, statuses.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use locale::{Language, texts};
use maud::{Markup, html};
use operations::log::LogStatus;
use web::components::{Tone, message};
use web::page::{frame, lively_frame};
use web::sessions::BY_CODE;

use crate::{PATH, PageAnswer, Visit};

/// A page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Overview,
    Events,
    FailedDeliveries,
    Checks,
    Routes,
    Settings,
    People,
    Conversations,
    Notion,
    NeedsAttention,
    ApiKeys,
    Audit,
}

impl Page {
    const ALL: [Self; 12] = [
        Self::Overview,
        Self::Events,
        Self::FailedDeliveries,
        Self::Checks,
        Self::Routes,
        Self::Settings,
        Self::People,
        Self::Conversations,
        Self::Notion,
        Self::NeedsAttention,
        Self::ApiKeys,
        Self::Audit,
    ];

    fn address(self) -> &'static str {
        match self {
            Self::Overview => "/admin",
            Self::Events => "/admin/events",
            Self::FailedDeliveries => "/admin/dead",
            Self::Checks => "/admin/doctor",
            Self::Routes => "/admin/routes",
            Self::Settings => "/admin/settings",
            Self::People => "/admin/people",
            Self::Conversations => "/admin/bridges",
            Self::Notion => "/admin/notion",
            Self::NeedsAttention => "/admin/notion/attention",
            Self::ApiKeys => "/admin/keys",
            Self::Audit => "/admin/audit",
        }
    }

    /// Its name in the list, which is also its title.
    pub(crate) fn title(self, language: Language) -> &'static str {
        language.text(match self {
            Self::Overview => texts::pages::PAGE_OVERVIEW,
            Self::Events => texts::pages::PAGE_EVENTS,
            Self::FailedDeliveries => texts::pages::PAGE_FAILED_DELIVERIES,
            Self::Checks => texts::pages::PAGE_CHECKS,
            Self::Routes => texts::pages::PAGE_ROUTES,
            Self::Settings => texts::pages::PAGE_SETTINGS,
            Self::People => texts::pages::PAGE_PEOPLE,
            Self::Conversations => texts::pages::PAGE_CONVERSATIONS,
            Self::Notion => texts::pages::PAGE_NOTION,
            Self::NeedsAttention => texts::pages::PAGE_NEEDS_ATTENTION,
            Self::ApiKeys => texts::pages::PAGE_API_KEYS,
            Self::Audit => texts::pages::PAGE_AUDIT,
        })
    }
}

/// A page for a signed-in person.
pub(crate) fn signed_in(visit: &Visit<'_>, page: Page, done: &str, body: &Markup) -> String {
    framed(visit, Some(page), page.title(visit.language), done, body)
}

/// The same with a title of its own, below a page that is marked in the list.
pub(crate) fn under(visit: &Visit<'_>, page: Page, title: &str, done: &str, body: &Markup) -> String {
    framed(visit, Some(page), title, done, body)
}

fn framed(visit: &Visit<'_>, current: Option<Page>, title: &str, done: &str, body: &Markup) -> String {
    let language = visit.language;
    let nav = html! {
        nav aria-label=(language.text(texts::pages::LIST_OF_PAGES)) {
            @for page in Page::ALL {
                a href=(page.address()) aria-current=[(Some(page) == current).then_some("page")] {
                    (page.title(language))
                    @if page == Page::NeedsAttention && let Some(number) = shown_count(visit.attention) { " (" (number) ")" }
                }
            }
            a href="/install" { (language.text(texts::pages::PAGE_CONNECTIONS)) }
            form method="post" action="/admin/sign-out" { (token(visit)) button { (language.text(texts::pages::SIGN_OUT)) } }
        }
    };
    let signed_in_as =
        texts::pages::SignedInAs { portal: visit.portal.domain.as_str(), person: person(language, &visit.session.who) };
    let body = html! {
        p.hint { (language.text(signed_in_as)) }
        @if !done.is_empty() { (message(Tone::Done, done)) }
        (body)
    };
    lively_frame(language, title, &nav, &body)
}

/// The name of a person on a page, from what the audit and the sessions have.
pub(crate) fn person(language: Language, who: &str) -> &str {
    if who == BY_CODE { language.text(texts::pages::BY_ONE_TIME_CODE) } else { who }
}

/// The hidden field that proves that a form is ours.
pub(crate) fn token(visit: &Visit<'_>) -> Markup {
    html! { input type="hidden" name="token" value=(visit.session.token); }
}

/// A page with only a message.
pub(crate) fn notice(language: Language, title: &str, text: &str) -> String {
    let body = html! { p { (text) } p { a href=(PATH) { (language.text(texts::pages::BACK)) } } };
    frame(language, title, &html! {}, &body)
}

/// The page for something that does not exist or belongs to another tenant.
pub(crate) fn missing(visit: &Visit<'_>, text: &str) -> PageAnswer {
    let language = visit.language;
    let body = html! { p { (text) } p { a href=(PATH) { (language.text(texts::pages::TO_THE_OVERVIEW)) } } };
    PageAnswer::Missing(framed(visit, None, language.text(texts::pages::NOT_FOUND), "", &body))
}

/// A file to download.
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

pub(crate) fn status_word(language: Language, status: LogStatus) -> &'static str {
    language.text(match status {
        LogStatus::Delivered => texts::admin::STATUS_DELIVERED,
        LogStatus::Waiting => texts::admin::STATUS_WAITING,
        LogStatus::Skipped => texts::admin::STATUS_SKIPPED,
        LogStatus::Dead => texts::admin::STATUS_FAILED,
    })
}

/// A status as a word; its colour only supports the word.
pub(crate) fn badge(language: Language, status: LogStatus) -> Markup {
    html! { span class={ "badge " (status.name()) } { (status_word(language, status)) } }
}

/// A count for the list of pages: `3`, `100+`.
fn shown_count((number, more): (usize, bool)) -> Option<String> {
    match (number, more) {
        (0, _) => None,
        (number, true) => Some(format!("{number}+")),
        (number, false) => Some(number.to_string()),
    }
}
