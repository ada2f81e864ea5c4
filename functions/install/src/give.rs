//! A person allows us to work in Bitrix24 with their own rights: they come with a ticket from Slack and allow it there.

use bitrix24::oauth::authorize_url;
use bytes::Bytes;
use clients::Installation;
use clients::audience::Current;
use http::{Response, StatusCode};
use runtime::TenantId;
use tenants::tickets;
use tenants::tickets::Ticket;
use web::page::Form;

use crate::started::{self, Flow};
use crate::{Answer, Deps, Refusal, page};

/// The page that asks. A look at it uses nothing up: chat programs look at links.
pub(crate) fn ask(query: &Form) -> Response<Bytes> {
    web::page::page(StatusCode::OK, page::give(query.get("ticket")))
}

pub(crate) async fn begin(deps: &Deps, form: &Form) -> Answer {
    let old = || {
        let text =
            "This link was used before or is older than 15 minutes. Type /b24-me allow in Slack for another one.";
        Refusal::new(StatusCode::BAD_REQUEST, text)
    };
    let Ticket { tenant, user } = tickets::take(&deps.ports, form.get("ticket")).await?.ok_or_else(old)?;
    let portal = deps.connections.portal(&tenant).await?;
    let Some((client_id, own)) = deps.connections.app_of(&tenant).await? else {
        let text = "Your portal is connected by an incoming webhook. People's own rights need an application; an administrator can connect one at /install.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    };
    let flow = Flow::Give { client_id: client_id.clone(), own, tenant, user };
    started::begin(deps, flow, |state| {
        authorize_url(&portal.domain, &client_id, state)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
    })
    .await
}

pub(crate) async fn end(
    deps: &Deps,
    installation: &Installation,
    tenant: &TenantId,
    user: u64,
) -> Result<Response<Bytes>, Refusal> {
    if installation.tenant != *tenant || installation.user != user {
        let text = format!(
            "In Bitrix24 you are signed in as {}, whom your Slack account is not linked with. Sign in there as yourself, or link yourself with /b24-me in Slack first.",
            installation.name
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    // The portal may have been connected with another application meanwhile.
    if deps.connections.current_app(tenant).await? != Current::Application(installation.client_id.clone()) {
        let text =
            "Your portal is connected with another application by now. Type /b24-me allow in Slack for another link.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    deps.connections.grant_by_installation(installation).await?;
    let text = format!(
        "What you do from Slack is now done as {} in {}. /b24-me off in Slack takes it back.",
        installation.name, installation.domain
    );
    Ok(web::page::page(StatusCode::OK, page::message("Thank you", &text)))
}
