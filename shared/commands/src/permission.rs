//! Asks a person to allow work in Bitrix24 with their own rights.

use clients::Failure;
use locale::texts;

use crate::answers;
use crate::request::{CommandAnswer, CommandRequest};

/// Leads to the portal, where the person allows it: only the person who is signed in there can.
pub(crate) async fn allow(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(CommandAnswer::private(message)),
    };
    if request.tenant.portal.application.is_none() {
        return Ok(no_application(request));
    }
    let link = permission_link(request, person.user).await?;
    Ok(CommandAnswer::private(answers::allow(link.as_deref(), false, "", request.language)))
}

/// The answer to something that needs the person's own permission: one button, and what they typed.
pub(crate) async fn ask_to_allow(
    request: &CommandRequest<'_>,
    is_again: bool,
    typed: &str,
) -> Result<CommandAnswer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(CommandAnswer::private(message)),
    };
    match (request.tenant.portal.application.is_none(), is_again) {
        (true, false) => return Ok(no_application(request)),
        // The permission was given to an application that is gone: without it, they reach what concerns them.
        (true, true) => {
            request.deps.context.connections.revoke(&request.tenant.id, person.user).await?;
            let text = request.language.text(texts::commands::PermissionDropped { words: typed });
            return Ok(CommandAnswer::private(answers::plain(&text)));
        }
        (false, _) => {}
    }
    let link = permission_link(request, person.user).await?;
    Ok(CommandAnswer::private(answers::allow(link.as_deref(), is_again, typed, request.language)))
}

fn no_application(request: &CommandRequest<'_>) -> CommandAnswer {
    CommandAnswer::private(answers::plain(request.language.text(texts::commands::NEEDS_AN_APPLICATION)))
}

/// The link at which the person allows it, for the next 15 minutes; `None` if our public address is unknown.
async fn permission_link(request: &CommandRequest<'_>, user: u64) -> Result<Option<String>, Failure> {
    let Some(url) = request.deps.public_url.as_deref() else { return Ok(None) };
    let ticket = tenants::tickets::make(&request.deps.context.backend, &request.tenant.id, user).await?;
    Ok(Some(format!("{}{}?ticket={ticket}", url.trim_end_matches('/'), tenants::tickets::GIVE)))
}
