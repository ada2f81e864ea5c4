//! The rights we ask for at each provider, and why. Each is needed by something.

use locale::{Fixed, texts};

/// What the bot may do in Slack, and why.
pub const SLACK: [(&str, Fixed); 22] = [
    ("chat:write", texts::rights::SLACK_CHAT_WRITE),
    ("chat:write.public", texts::rights::SLACK_CHAT_WRITE_PUBLIC),
    ("chat:write.customize", texts::rights::SLACK_CHAT_WRITE_CUSTOMIZE),
    ("commands", texts::rights::SLACK_COMMANDS),
    ("channels:read", texts::rights::SLACK_CHANNELS_READ),
    ("channels:join", texts::rights::SLACK_CHANNELS_JOIN),
    ("channels:history", texts::rights::SLACK_CHANNELS_HISTORY),
    ("channels:manage", texts::rights::SLACK_CHANNELS_MANAGE),
    ("groups:read", texts::rights::SLACK_GROUPS_READ),
    ("groups:history", texts::rights::SLACK_GROUPS_HISTORY),
    ("im:write", texts::rights::SLACK_IM_WRITE),
    ("im:history", texts::rights::SLACK_IM_HISTORY),
    ("users:read", texts::rights::SLACK_USERS_READ),
    ("users:read.email", texts::rights::SLACK_USERS_READ_EMAIL),
    ("usergroups:read", texts::rights::SLACK_USERGROUPS_READ),
    ("files:read", texts::rights::SLACK_FILES_READ),
    ("files:write", texts::rights::SLACK_FILES_WRITE),
    ("reactions:read", texts::rights::SLACK_REACTIONS_READ),
    ("reactions:write", texts::rights::SLACK_REACTIONS_WRITE),
    ("links:read", texts::rights::SLACK_LINKS_READ),
    ("links:write", texts::rights::SLACK_LINKS_WRITE),
    ("metadata.message:read", texts::rights::SLACK_METADATA_MESSAGE_READ),
];

/// What the Bitrix24 application needs, and why.
pub const BITRIX24: [(&str, Fixed); 7] = [
    ("crm", texts::rights::BITRIX24_CRM),
    ("user_basic", texts::rights::BITRIX24_USER_BASIC),
    ("task", texts::rights::BITRIX24_TASK),
    ("im", texts::rights::BITRIX24_IM),
    ("imbot", texts::rights::BITRIX24_IMBOT),
    ("telephony", texts::rights::BITRIX24_TELEPHONY),
    ("sonet_group", texts::rights::BITRIX24_SONET_GROUP),
];

/// What Notion calls capabilities, and why.
pub const NOTION: [(&str, Fixed); 4] = [
    ("Read content", texts::rights::NOTION_READ_CONTENT),
    ("Update content", texts::rights::NOTION_UPDATE_CONTENT),
    ("Insert content", texts::rights::NOTION_INSERT_CONTENT),
    ("Read user information including email addresses", texts::rights::NOTION_READ_USERS),
];

/// Those that were not given, where that is known: a portal may say just `app`.
pub fn lacking<'a>(needed: &'a [(&'a str, Fixed)], given: &[String]) -> Vec<(&'a str, Fixed)> {
    let is_known = !given.is_empty() && !given.iter().any(|scope| scope == "app");
    if is_known { missing(needed, given) } else { Vec::new() }
}

/// Those that were not given.
pub fn missing<'a>(needed: &'a [(&'a str, Fixed)], given: &[String]) -> Vec<(&'a str, Fixed)> {
    needed.iter().filter(|(scope, _)| !given.iter().any(|given| given == scope)).copied().collect()
}
