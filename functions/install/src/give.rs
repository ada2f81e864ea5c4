//! A person allows us to work in Bitrix24 with their own rights: they arrive with a ticket from Slack and allow it
//! there.

use bitrix24::oauth::authorize_url;
use bytes::Bytes;
use clients::Installation;
use clients::audience::Current;
use http::{Response, StatusCode};
use locale::texts;
use maud::html;
use runtime::TenantId;
use tenants::tickets;
use tenants::tickets::Ticket;

use crate::started::{self, Flow};
use crate::{InstallAnswer, InstallVisit, Refusal, page, refusal};

/// The page that asks. Viewing it uses nothing up, for chat programs load links to preview them.
pub(crate) fn ask(visit: &InstallVisit<'_>) -> Response<Bytes> {
    let body = html! {
        p { (visit.text(texts::install::ALLOW_HELP)) }
        form method="post" action="/install/give" {
            input type="hidden" name="ticket" value=(visit.query.get("ticket"));
            button.main { (visit.text(texts::install::ALLOW)) }
        }
    };
    page::ok(page::titled(visit.language, texts::install::WORK_AS_YOURSELF, &body))
}

pub(crate) async fn begin(visit: &InstallVisit<'_>) -> InstallAnswer {
    let (deps, ticket) = (visit.deps, visit.form.get("ticket"));
    let is_used = || Refusal::bad_request(texts::install::TICKET_IS_USED);
    let Ticket { tenant, user } = tickets::take(&deps.backend, ticket).await?.ok_or_else(is_used)?;
    let portal = deps.connections.portal(&tenant).await?;
    let Some((client_id, own)) = deps.connections.app_of(&tenant).await? else {
        return Err(Refusal::bad_request(texts::install::NEEDS_APPLICATION));
    };
    let flow = Flow::Give { client_id: client_id.clone(), own, tenant, user };
    started::begin(visit, flow, |state| {
        authorize_url(&portal.domain, &client_id, state).map_err(|_| refusal::bad_address())
    })
    .await
}

pub(crate) async fn end(
    visit: &InstallVisit<'_>,
    installation: &Installation,
    tenant: &TenantId,
    user: u64,
) -> InstallAnswer {
    if installation.tenant != *tenant || installation.user != user {
        let message = texts::install::AnotherUser { name: installation.name.clone() };
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    // The portal may have been connected with another application meanwhile.
    let connections = &visit.deps.connections;
    if connections.current_app(tenant).await? != Current::Application(installation.client_id.clone()) {
        return Err(Refusal::bad_request(texts::install::APPLICATION_HAS_CHANGED));
    }
    connections.grant_by_installation(installation).await?;
    let text = visit.text(texts::install::AllowedHelp {
        portal: installation.domain.as_str(),
        name: &installation.name,
        command: "/b24-me off",
    });
    Ok(page::ok(page::message(visit.language, texts::install::ALLOWED, &text)))
}
