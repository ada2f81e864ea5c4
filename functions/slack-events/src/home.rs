//! A person's home tab: their day, their deals, who they are.

use connect::Failure;
use talk::Tenant;

use crate::Deps;
use crate::decide::Decision;

pub(crate) async fn show(deps: &Deps, tenant: &Tenant, user: &str) -> Result<Decision, Failure> {
    let view = commands::home::view(&deps.talk, tenant, user).await?;
    tenant.slack.publish_home(user, &view).await?;
    Ok(Decision { record: Some(user.to_owned()), ..Decision::did("home.shown") })
}
