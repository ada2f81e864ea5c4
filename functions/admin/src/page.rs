//! What all pages have in common.

use maud::{Markup, html};
use pages::frame;

use crate::Visit;

/// A page for who is signed in.
pub(crate) fn signed_in(visit: &Visit<'_>, title: &str, done: &str, body: &Markup) -> String {
    let nav = html! {
        nav aria-label="Pages" {
            a href="/admin/people" aria-current=[(title == "People").then_some("page")] { "People" }
            a href="/admin/notion" aria-current=[(title == "Notion").then_some("page")] { "Notion" }
            a href="/admin/bridges" aria-current=[(title == "Conversations").then_some("page")] { "Conversations" }
            a href="/admin/keys" aria-current=[(title == "API keys").then_some("page")] { "API keys" }
            a href="/install" { "Connections" }
            form method="post" action="/admin/sign-out" { (token(visit)) button { "Sign out" } }
        }
    };
    let body = html! {
        @if !done.is_empty() { p.done role="status" { (done) } }
        (body)
    };
    frame(title, &nav, &body)
}

/// The same page, which loads itself again after some seconds: something on it goes on.
pub(crate) fn refreshed(page: &str) -> String {
    page.replacen("<head>", "<head><meta http-equiv=\"refresh\" content=\"3; url=/admin/notion\">", 1)
}

/// What makes a form one of ours.
pub(crate) fn token(visit: &Visit<'_>) -> Markup {
    html! { input type="hidden" name="token" value=(visit.session.token); }
}

/// The page that asks for a code.
pub(crate) fn sign_in(problem: Option<&str>) -> String {
    let body = html! {
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        form method="post" action="/admin/sign-in" {
            label for="code" { "One-time code" }
            input id="code" name="code" type="password" autocomplete="one-time-code" required autofocus;
            button.main { "Sign in" }
        }
        p.hint { "Whoever runs Switchboard makes a code with " code { "switchboard admin-code" } ". It works once, for 15 minutes." }
    };
    frame("Sign in", &html! {}, &body)
}

/// A page with nothing but a message.
pub(crate) fn message(title: &str, text: &str) -> String {
    frame(title, &html! {}, &html! { p { (text) } p { a href="/admin" { "Back" } } })
}
