//! The audit page: who changed what, with the values before and after; and the sessions, which can be ended here.

use clients::Failure;
use maud::{Markup, html};
use tenants::audit::{Audit, Entry};
use web::components::moment;
use web::page::{Form, encoded};
use web::sessions;

use crate::page::{Page, heads, signed_in, token};
use crate::{Answer, Visit};

const A_PAGE: usize = 50;

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let store = visit.ports().store.clone();
    let sessions = sessions::list(store.as_ref(), &visit.id).await?;
    let after = Some(query.get("after").to_owned()).filter(|after| !after.is_empty());
    let (entries, next) = Audit::new(store).latest(&visit.id, A_PAGE, after).await?;
    let body = html! {
        h2 { "Signed in" }
        table {
            (heads(&["Who", "Since (UTC)", ""]))
            tbody {
                @for listed in &sessions {
                    tr {
                        td data-label="Who" { (listed.who) @if listed.name == visit.session.name() { " (this is you)" } }
                        td data-label="Since" { (moment(listed.since)) }
                        td { form.inline method="post" action="/admin/audit/revoke" {
                            (token(visit)) input type="hidden" name="name" value=(listed.name);
                            button aria-label={ "Sign out " (listed.who) } { "Sign out" }
                        } }
                    }
                }
            }
        }
        @if sessions.len() > 1 {
            form.inline method="post" action="/admin/audit/revoke" { (token(visit)) input type="hidden" name="name" value="others"; button { "Sign out everybody else" } }
        }
        h2 { "Changes" }
        @if entries.is_empty() { p.hint { "Nobody has changed anything yet." } }
        @else {
            table {
                (heads(&["When (UTC)", "Who", "What", "Before and after"]))
                tbody { @for entry in &entries { (row(entry)) } }
            }
        }
        @if let Some(next) = next { p { a href={ "/admin/audit?after=" (encoded(&next)) } { "Older" } } }
        p.hint { "Kept for a year. Secrets never stand here." }
    };
    Ok(Answer::Page(signed_in(visit, Page::Audit, query.get("done"), &body)))
}

fn row(entry: &Entry) -> Markup {
    html! {
        tr {
            td data-label="When" { (moment(entry.at)) }
            td data-label="Who" { (entry.who) }
            td data-label="What" { (entry.what) @if !entry.of.is_empty() { ": " (entry.of) } }
            td data-label="Before and after" {
                @if !(entry.before.is_empty() && entry.after.is_empty()) {
                    details { summary { "Show" }
                        @if !entry.before.is_empty() { p.hint { "Before" } pre tabindex="0" { (entry.before) } }
                        @if !entry.after.is_empty() { p.hint { "After" } pre tabindex="0" { (entry.after) } }
                    }
                }
            }
        }
    }
}

pub(crate) async fn revoke(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let store = visit.ports().store.clone();
    let name = form.get("name");
    let all = sessions::list(store.as_ref(), &visit.id).await?;
    let meant = all.iter().filter(|listed| match name {
        "others" => listed.name != visit.session.name(),
        name => listed.name == name,
    });
    let mut ended = 0;
    for listed in meant {
        sessions::revoke(store.as_ref(), &visit.id, &listed.name).await?;
        visit.note("session ended", &listed.who, "", "").await?;
        ended += 1;
    }
    Ok(Answer::to("/audit", if ended == 0 { "That session has ended already." } else { "Signed out." }))
}
