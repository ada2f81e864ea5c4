//! What a new connection needs at once: its events are bound, its chatbot is registered. The upkeep repeats both, so
//! what fails here is done there.

use clients::Failure;
use crm::subscriptions;
use crm::subscriptions::EventAddress;
use locale::{Language, texts};
use runtime::TenantId;
use runtime::limiter::Priority;
use settings::Settings;

use crate::Deps;

/// What was set up, and what is left to do.
#[derive(Debug, Default)]
pub(crate) struct Connected {
    subscribed: u64,
    has_bot: bool,
    open: Vec<Unfinished>,
}

/// What could not be set up yet, and why.
#[derive(Debug)]
enum Unfinished {
    Events(String),
    Chatbot(String),
    /// A reason from the settings or the portal.
    Other(String),
}

impl Unfinished {
    fn words(&self, language: Language) -> String {
        match self {
            Self::Events(reason) => language.text(texts::install::OpenEvents { reason }),
            Self::Chatbot(reason) => language.text(texts::install::OpenChatbot { reason }),
            Self::Other(reason) => reason.clone(),
        }
    }
}

impl Connected {
    pub(crate) fn words(&self, language: Language) -> String {
        let mut parts = Vec::new();
        if self.subscribed > 0 {
            parts.push(language.text(texts::install::EventsSubscribed { events: self.subscribed }));
        }
        if self.has_bot {
            parts.push(language.text(texts::install::CHATBOT_READY).to_owned());
        }
        if !self.open.is_empty() {
            let tasks: Vec<_> = self.open.iter().map(|open| open.words(language)).collect();
            parts.push(language.text(texts::install::StillOpen { tasks: tasks.join("; ") }));
        }
        parts.join(" ")
    }
}

pub(crate) async fn settle_in(deps: &Deps, tenant: &TenantId, public_url: &str) -> Result<Connected, Failure> {
    let portal = deps.connections.portals().fresh(tenant).await?;
    let Some(portal) = portal else { return Ok(Connected::default()) };
    let settings = match portal.settings_as::<Settings>() {
        Ok(settings) => settings,
        Err(error) => {
            return Ok(Connected { open: vec![Unfinished::Other(error.to_string())], ..Connected::default() });
        }
    };
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Person);
    let mut settled = Connected::default();
    if client.is_application() {
        let url = deps.connections.hook_url(tenant, public_url).await?;
        let handler = EventAddress { url, ours: format!("{public_url}/webhooks/") };
        match subscriptions::keep(&deps.backend, &portal, &settings, &client, Some(&handler)).await {
            Ok(state) => {
                settled.subscribed = state.bound.len() as u64;
                settled.open.extend(state.refused.into_iter().map(Unfinished::Other));
            }
            Err(failure) => settled.open.push(Unfinished::Events(failure.text)),
        }
    }
    if portal.slack.is_some() && settings.bot.enabled && client.is_application() {
        let done = match deps.context.tenant(tenant).await {
            Ok(tenant) => {
                chat_bridge::registration::look_after_bot(&deps.context, &tenant, public_url).await.map(|_| ())
            }
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => settled.has_bot = true,
            Err(failure) => settled.open.push(Unfinished::Chatbot(failure.text)),
        }
    }
    Ok(settled)
}

/// Removes what was set up at the portal, as far as the portal allows it.
pub(crate) async fn unsettle(deps: &Deps, tenant: &TenantId) {
    if let Err(failure) = try_to_unsettle(deps, tenant).await {
        tracing::warn!(%tenant, %failure, "not everything could be taken back at the portal; remove the application there");
    }
}

async fn try_to_unsettle(deps: &Deps, tenant: &TenantId) -> Result<(), Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Person);
    if portal.slack.is_some() {
        let tenant = deps.context.tenant(tenant).await?;
        chat_bridge::registration::unregister_bot(&deps.context, &tenant).await?;
    }
    if client.is_application() {
        subscriptions::remove(&client, tenant).await?;
    }
    Ok(())
}
