//! Which channel is bridged with which chat: as stored by a command or a page, or as the settings say.

use clients::Failure;
use tenants::bridges::Bridge;
use user_mapping::{OpenTenant, TenantContext};

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
        // A channel that does not exist (any more) has no bridge; the page says so.
        if let Ok(id) = tenant.slack.channel(&setting.channel, false).await
            && id.0 == channel
        {
            return Ok(Some(bridge_in_settings(context, channel, &setting.channel, &setting.chat)));
        }
    }
    Ok(None)
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
        by: "settings".into(),
        at: context.backend.clock.now(),
    }
}

/// Whether the tenant has any bridge: then it needs a bot.
pub async fn has_bridges(context: &TenantContext, tenant: &OpenTenant) -> Result<bool, Failure> {
    Ok(!tenant.settings.bridges.is_empty() || !context.conversations.bridges(&tenant.id).await?.is_empty())
}
