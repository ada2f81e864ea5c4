//! Publishes a person's home tab. What is on it is in `commands::home`.

use clients::Failure;
use user_mapping::Tenant;

use crate::Deps;
use crate::decide::Understood;

pub(crate) async fn show(deps: &Deps, tenant: &Tenant, user: &str) -> Result<Understood, Failure> {
    let view = commands::home::view(&deps.talk, tenant, user).await?;
    tenant.slack.publish_home(user, &view).await?;
    Ok(Understood { record: Some(user.to_owned()), ..Understood::did("home.shown") })
}
