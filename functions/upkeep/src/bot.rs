//! The chatbot that bridges need: registered while there are any, and moved along when our address changes.

use connect::Failure;
use platform::{Kind, TenantId};

use crate::Deps;

pub(crate) async fn keep(deps: &Deps, id: &TenantId) -> Result<(), Failure> {
    let portal = deps.connections.portal(id).await?;
    let (Some(url), true) = (&deps.public_url, portal.slack.is_some()) else { return Ok(()) };
    let tenant = deps.talk.tenant(id).await?;
    if !deps.talk.has_bridges(&tenant).await? {
        return Ok(());
    }
    match deps.talk.ensure_bot(&tenant, url).await {
        Ok(_) => Ok(()),
        Err(Failure { kind: Kind::Permanent { code }, text, .. }) => {
            tracing::error!(tenant = %id, code, text, "the bot that the bridges need cannot be registered; give the connection the right imbot");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}
