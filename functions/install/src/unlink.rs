//! A person ends the link of a Slack account to their user, with a ticket that they were sent in Bitrix24.

use bytes::Bytes;
use http::Response;
use locale::texts;
use maud::html;
use tenants::audit::{Audit, AuditEntry};
use tenants::tickets;
use tenants::tickets::Unlink;

use crate::{InstallAnswer, InstallVisit, Refusal, page};

/// The page that asks. Viewing it uses nothing up, for chat programs load links to preview them.
pub(crate) fn ask(visit: &InstallVisit<'_>) -> Response<Bytes> {
    let body = html! {
        p { (visit.text(texts::install::REMOVE_LINK_HELP)) }
        form method="post" action=(tickets::UNLINK) {
            input type="hidden" name="ticket" value=(visit.query.get("ticket"));
            button.main { (visit.text(texts::install::REMOVE_THE_LINK)) }
        }
    };
    page::ok(page::titled(visit.language, texts::install::REMOVE_LINK, &body))
}

/// Removes the link, and the person's permission with it.
pub(crate) async fn undo(visit: &InstallVisit<'_>) -> InstallAnswer {
    let (deps, ticket) = (visit.deps, visit.form.get("ticket"));
    let is_used = || Refusal::bad_request(texts::install::UNLINK_IS_USED);
    let Unlink { tenant, link } = tickets::take_unlink(&deps.backend, ticket).await?.ok_or_else(is_used)?;
    deps.context.people.unlink(&tenant, &link.slack, link.user).await?;
    deps.connections.revoke(&tenant, link.user).await?;
    let who = format!("{} ({}), by the link in Bitrix24", link.name, link.user);
    let entry =
        AuditEntry::new(deps.backend.clock.now(), who, "unlinked", format!("{} and user {}", link.slack, link.user));
    Audit::new(deps.backend.store.clone()).note(&tenant, &entry).await?;
    let text = visit.text(texts::install::LINK_REMOVED_HELP);
    Ok(page::ok(page::message(visit.language, texts::install::LINK_REMOVED, text)))
}
