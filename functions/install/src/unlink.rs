//! A person ends the link of a Slack account to their user, with a ticket that they were sent in Bitrix24.

use bytes::Bytes;
use http::{Response, StatusCode};
use locale::Language;
use maud::html;
use tenants::audit::{Audit, Entry};
use tenants::tickets;
use tenants::tickets::Unlink;
use web::page::Form;

use crate::{Answer, Deps, Refusal, page};

/// The page that asks. A look at it uses nothing up: chat programs look at links.
pub(crate) fn ask(query: &Form) -> Response<Bytes> {
    let body = html! {
        p { "An account in Slack was linked to you and works in Bitrix24 as you. If that was not you, undo it here." }
        form method="post" action=(tickets::UNLINK) {
            input type="hidden" name="ticket" value=(query.get("ticket"));
            button.main { "Undo the link" }
        }
    };
    web::page::page(StatusCode::OK, web::page::frame(Language::En, "Undo a link", &html! {}, &body))
}

/// Undoes it: the link is gone, and the permission with it.
pub(crate) async fn undo(deps: &Deps, form: &Form) -> Answer {
    let old = || {
        let text = "This link was used before or is older than seven days. Ask an administrator to undo it on the page People, or type /b24-me off in Slack.";
        Refusal::new(StatusCode::BAD_REQUEST, text)
    };
    let Unlink { tenant, link } = tickets::take_unlink(&deps.ports, form.get("ticket")).await?.ok_or_else(old)?;
    deps.talk.people.unlink(&tenant, &link.slack, link.user).await?;
    deps.connections.revoke(&tenant, link.user).await?;
    let who = format!("{} ({}), by the link in Bitrix24", link.name, link.user);
    let entry = Entry::new(deps.ports.clock.now(), who, "unlinked", format!("{} and user {}", link.slack, link.user));
    Audit::new(deps.ports.store.clone()).note(&tenant, &entry).await?;
    let text = "The account in Slack is not linked to you any more, and works in Bitrix24 as you no more. Tell an administrator if somebody else had linked it.";
    Ok(web::page::page(StatusCode::OK, page::message("Undone", text)))
}
