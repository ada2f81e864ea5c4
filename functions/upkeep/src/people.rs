//! Ends the links of people who were dismissed or left Slack. How they are found is in `user_mapping::stale`.

use clients::{ErrorClass, Failure};
use runtime::TenantId;
use tenants::portals::Portal;

use crate::Deps;

/// Ends the links that are no longer valid; returns how many.
pub(crate) async fn keep(deps: &Deps, id: &TenantId, portal: &Portal) -> Result<usize, Failure> {
    if portal.slack.is_none() {
        return Ok(0);
    }
    let tenant = deps.context.tenant(id).await?;
    match deps.context.end_stale_links(&tenant).await {
        // If one side cannot be read, another check reports it: the rest of the upkeep continues.
        Err(Failure { class: ErrorClass::Permanent { .. } | ErrorClass::Reauthorise, text, .. }) => {
            tracing::warn!(tenant = %id, text, "it could not be checked who is still there");
            Ok(0)
        }
        ended => ended,
    }
}
