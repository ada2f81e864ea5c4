//! Which channel is bridged with which chat: as stored by a command or a page, or as the settings say.

use clients::{ErrorClass, Failure};
use slack::ChannelId;
use tenants::bridges::Bridge;
use user_mapping::{OpenTenant, TenantContext};

/// Who made the bridges of the settings.
const IN_SETTINGS: &str = "settings";

/// The bridge of a channel, if it has one.
pub async fn bridge_of_channel(
    context: &TenantContext,
    tenant: &OpenTenant,
    channel: &str,
) -> Result<Option<Bridge>, Failure> {
    if let Some(bridge) = context.conversations.of_channel(&tenant.id, channel).await? {
        return Ok(Some(bridge));
    }
    for setting in &tenant.settings.bridges {
        if channel_of_setting(tenant, &setting.channel).await?.is_some_and(|id| id.0 == channel) {
            return Ok(Some(bridge_in_settings(context, channel, &setting.channel, &setting.chat)));
        }
    }
    Ok(None)
}

/// The channel that a bridge of the settings names. One that does not exist (any more), or that Slack does not show,
/// has no bridge: the page says so, and the other bridges go on. What is unknown now is a failure.
async fn channel_of_setting(tenant: &OpenTenant, named: &str) -> Result<Option<ChannelId>, Failure> {
    match tenant.slack.channel_if_there(named).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(None),
        found => found,
    }
}

/// The bridge of a chat, if it has one.
pub async fn bridge_of_dialog(
    context: &TenantContext,
    tenant: &OpenTenant,
    dialog: &str,
) -> Result<Option<Bridge>, Failure> {
    if let Some(bridge) = context.conversations.of_dialog(&tenant.id, dialog).await? {
        return Ok(Some(bridge));
    }
    let wanted = |chat: &str| bitrix24::chat::dialog_id(chat).as_deref() == Some(dialog);
    let Some(setting) = tenant.settings.bridges.iter().find(|setting| wanted(&setting.chat)) else {
        return Ok(None);
    };
    let channel = tenant.slack.channel(&setting.channel, false).await?;
    Ok(Some(bridge_in_settings(context, &channel.0, &setting.channel, &setting.chat)))
}

fn bridge_in_settings(context: &TenantContext, channel: &str, name: &str, chat: &str) -> Bridge {
    Bridge {
        channel: channel.to_owned(),
        dialog: bitrix24::chat::dialog_id(chat).unwrap_or_else(|| chat.to_owned()),
        channel_name: name.trim_start_matches('#').to_owned(),
        dialog_name: String::new(),
        by: IN_SETTINGS.into(),
        at: context.backend.clock.now(),
    }
}

/// All bridges: those in `made` and those of the settings whose channel exists.
pub(crate) async fn all(
    context: &TenantContext,
    tenant: &OpenTenant,
    made: Vec<Bridge>,
) -> Result<Vec<Bridge>, Failure> {
    let mut bridges = made;
    for setting in &tenant.settings.bridges {
        let Some(channel) = channel_of_setting(tenant, &setting.channel).await? else { continue };
        let bridge = bridge_in_settings(context, &channel.0, &setting.channel, &setting.chat);
        // What a command made comes first, as for their messages.
        if bridges.iter().all(|made| made.channel != bridge.channel && made.dialog != bridge.dialog) {
            bridges.push(bridge);
        }
    }
    Ok(bridges)
}

/// Whether the settings make a bridge, rather than a command or the page.
pub(crate) fn is_in_settings(bridge: &Bridge) -> bool {
    bridge.by == IN_SETTINGS
}

/// Whether the tenant has any bridge: then it needs a bot.
pub async fn has_bridges(context: &TenantContext, tenant: &OpenTenant) -> Result<bool, Failure> {
    Ok(!tenant.settings.bridges.is_empty() || !context.conversations.bridges(&tenant.id).await?.is_empty())
}
