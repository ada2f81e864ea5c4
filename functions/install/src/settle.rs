//! What a new connection needs at once: its events are bound, its chatbot is registered. The upkeep repeats both, so
//! what fails here is done there.

use clients::{ErrorClass, Failure};
use crm::subscriptions;
use crm::subscriptions::Handler;
use runtime::TenantId;
use runtime::limiter::Priority;
use serde_json::json;
use settings::Settings;

use crate::Deps;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    bound: usize,
    bot: bool,
    open: Vec<String>,
}

impl Settled {
    /// In words.
    pub(crate) fn told(&self) -> String {
        let mut parts = Vec::new();
        if self.bound > 0 {
            parts.push(format!("{} events of Bitrix24 were bound.", self.bound));
        }
        if self.bot {
            parts.push("The chatbot is there.".to_owned());
        }
        if !self.open.is_empty() {
            parts.push(format!(
                "Still to be done: {}. It is tried again every quarter of an hour.",
                self.open.join("; ")
            ));
        }
        parts.join(" ")
    }
}

pub(crate) async fn settle_in(deps: &Deps, tenant: &TenantId, public_url: &str) -> Result<Settled, Failure> {
    let portal = deps.connections.portals().fresh(tenant).await?;
    let Some(portal) = portal else { return Ok(Settled::default()) };
    let settings = match portal.settings_as::<Settings>() {
        Ok(settings) => settings,
        Err(error) => return Ok(Settled { open: vec![error.to_string()], ..Settled::default() }),
    };
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Person);
    let mut settled = Settled::default();
    if client.is_application() {
        let url = deps.connections.hook_url(tenant, public_url).await?;
        let handler = Handler { url, ours: format!("{public_url}/webhooks/") };
        match subscriptions::keep(&deps.ports, &portal, &settings, &client, Some(&handler)).await {
            Ok(state) => {
                settled.bound = state.bound.len();
                settled.open.extend(state.refused);
            }
            Err(failure) => settled.open.push(format!("binding events ({})", failure.text)),
        }
    }
    if portal.slack.is_some() && settings.bot.enabled && client.is_application() {
        let done = match deps.talk.tenant(tenant).await {
            Ok(tenant) => chat_bridge::registration::look_after_bot(&deps.talk, &tenant, public_url).await.map(|_| ()),
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => settled.bot = true,
            Err(failure) => settled.open.push(format!("the chatbot ({})", failure.text)),
        }
    }
    Ok(settled)
}

/// Takes back what was set up at the portal, as far as it lets us.
pub(crate) async fn unsettle(deps: &Deps, tenant: &TenantId) {
    if let Err(failure) = try_to_unsettle(deps, tenant).await {
        tracing::warn!(%tenant, %failure, "not everything could be taken back at the portal; remove the application there");
    }
}

async fn try_to_unsettle(deps: &Deps, tenant: &TenantId) -> Result<(), Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Person);
    if portal.slack.is_some() {
        let tenant = deps.talk.tenant(tenant).await?;
        chat_bridge::registration::unregister_bot(&deps.talk, &tenant).await?;
    }
    if client.is_application() {
        for one in subscriptions::bound(&client).await? {
            if one.handler.contains(&format!("/webhooks/{tenant}/")) {
                match client.call("event.unbind", &json!({"event": one.event, "handler": one.handler})).await {
                    Err(failure) if !matches!(failure.class, ErrorClass::Permanent { .. }) => return Err(failure),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}
