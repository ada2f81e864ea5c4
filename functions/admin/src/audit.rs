//! The audit page: who changed what, with the values before and after; and the sessions, which can be ended here.

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use tenants::audit::{Audit, AuditEntry};
use web::components::{Column, empty, moment, table};
use web::page::{Form, encoded};
use web::sessions;
use web::sessions::ListedSession;

use crate::page::{Page, person, signed_in, token};
use crate::{PageAnswer, Visit};

const A_PAGE: usize = 50;

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let store = visit.backend().store.clone();
    let sessions = sessions::list(store.as_ref(), &visit.id).await?;
    let after = Some(query.get("after").to_owned()).filter(|after| !after.is_empty());
    let (entries, next) = Audit::new(store).latest(&visit.id, A_PAGE, after).await?;
    let language = visit.language;
    let body = html! {
        h2 { (language.text(texts::admin::SIGNED_IN)) }
        (session_table(visit, &sessions))
        @if sessions.len() > 1 {
            form.inline method="post" action="/admin/audit/revoke" {
                (token(visit)) input type="hidden" name="name" value="others";
                button { (language.text(texts::admin::SIGN_OUT_OTHERS)) }
            }
        }
        h2 { (language.text(texts::admin::CHANGES)) }
        @if entries.is_empty() { (empty(language.text(texts::admin::NO_CHANGES))) }
        @else { (change_table(language, &entries)) }
        @if let Some(next) = next {
            p { a href={ "/admin/audit?after=" (encoded(&next)) } { (language.text(texts::admin::OLDER)) } }
        }
        p.hint { (language.text(texts::admin::AUDIT_EXPLAINED)) }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::Audit, query.get("done"), &body)))
}

fn session_table(visit: &Visit<'_>, sessions: &[ListedSession]) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::admin::WHO)),
        Column::text(language.text(texts::admin::SINCE)),
        Column::untitled(),
    ];
    let rows = sessions.iter().map(|listed| {
        let who = person(language, &listed.who);
        [
            html! { (who) @if listed.name == visit.session.name() { " " (language.text(texts::admin::THIS_IS_YOU)) } },
            moment(listed.since),
            html! {
                form.inline method="post" action="/admin/audit/revoke" {
                    (token(visit)) input type="hidden" name="name" value=(listed.name);
                    button aria-label=(language.text(texts::admin::SignOutPerson { person: who })) { (language.text(texts::pages::SIGN_OUT)) }
                }
            },
        ]
    });
    table(language.text(texts::admin::SIGNED_IN), columns, rows)
}

fn change_table(language: Language, entries: &[AuditEntry]) -> Markup {
    let columns = [
        Column::text(language.text(texts::admin::WHEN)),
        Column::text(language.text(texts::admin::WHO)),
        Column::text(language.text(texts::admin::WHAT)),
        Column::text(language.text(texts::admin::BEFORE_AND_AFTER)),
    ];
    let rows = entries.iter().map(|entry| {
        [
            moment(entry.at),
            html! { (person(language, &entry.who)) },
            html! { (entry.what) @if !entry.of.is_empty() { ": " (entry.of) } },
            before_and_after(language, entry),
        ]
    });
    table(language.text(texts::admin::CHANGES), columns, rows)
}

fn before_and_after(language: Language, entry: &AuditEntry) -> Markup {
    let value = |title: &str, value: &str| {
        html! { @if !value.is_empty() { p.hint { (title) } pre tabindex="0" { (value) } } }
    };
    html! {
        @if !(entry.before.is_empty() && entry.after.is_empty()) {
            details {
                summary { (language.text(texts::admin::SHOW)) }
                (value(language.text(texts::admin::BEFORE), &entry.before))
                (value(language.text(texts::admin::AFTER), &entry.after))
            }
        }
    }
}

pub(crate) async fn revoke(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let store = visit.backend().store.clone();
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
    let word = if ended == 0 { texts::admin::SESSION_HAS_ENDED } else { texts::admin::SIGNED_OUT };
    Ok(PageAnswer::to("/audit", visit.language.text(word)))
}
