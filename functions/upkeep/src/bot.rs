//! Keeps the chatbot registered: for every portal that is connected by an application, and for others while bridges
//! need it. It is moved when our address changes, and registered again when it is missing.

use clients::{ErrorClass, Failure};
use runtime::TenantId;

use crate::Deps;

pub(crate) async fn keep(deps: &Deps, id: &TenantId) -> Result<(), Failure> {
    let portal = deps.context.connections.portal(id).await?;
    let (Some(url), true) = (&deps.public_url, portal.slack.is_some()) else { return Ok(()) };
    let tenant = deps.context.tenant(id).await?;
    let is_wanted = tenant.settings.bot.enabled && tenant.bitrix24.is_application();
    if !is_wanted && !chat_bridge::bridges::has_bridges(&deps.context, &tenant).await? {
        return Ok(());
    }
    match chat_bridge::registration::look_after_bot(&deps.context, &tenant, url).await {
        Ok(_) => Ok(()),
        Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) => {
            tracing::error!(tenant = %id, code, text, "the bot cannot be registered; give the connection the right imbot");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}
