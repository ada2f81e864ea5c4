//! The rights we ask for at each provider, and why. Each is needed by something.

use locale::{Fixed, texts};

/// What the bot may do, and why.
pub const SLACK: [(&str, Fixed); 22] = [
    ("chat:write", texts::access::POST),
    ("chat:write.public", texts::access::POST_PUBLIC),
    ("chat:write.customize", texts::access::POST_AS),
    ("commands", texts::access::COMMANDS),
    ("channels:read", texts::access::FIND_CHANNEL),
    ("channels:join", texts::access::JOIN_CHANNEL),
    ("channels:history", texts::access::READ_CHANNELS),
    ("channels:manage", texts::access::CREATE_CHANNEL),
    ("groups:read", texts::access::PRIVATE_CHANNELS),
    ("groups:history", texts::access::PRIVATE_CHANNELS),
    ("im:write", texts::access::WRITE_TO_PERSON),
    ("im:history", texts::access::READ_DIRECT_MESSAGES),
    ("users:read", texts::access::FIND_PERSON),
    ("users:read.email", texts::access::FIND_BY_EMAIL),
    ("usergroups:read", texts::access::USER_GROUPS),
    ("files:read", texts::access::FILES_OF_CHANNELS),
    ("files:write", texts::access::FILES_OF_CHATS),
    ("reactions:read", texts::access::REACTIONS),
    ("reactions:write", texts::access::REACTIONS),
    ("links:read", texts::access::LINKS),
    ("links:write", texts::access::LINKS),
    ("metadata.message:read", texts::access::METADATA),
];

/// What the Bitrix24 application needs, and why.
pub const BITRIX24: [(&str, Fixed); 7] = [
    ("crm", texts::access::CRM),
    ("user_basic", texts::access::USER_BASIC),
    ("task", texts::access::TASK),
    ("im", texts::access::IM),
    ("imbot", texts::access::IMBOT),
    ("telephony", texts::access::TELEPHONY),
    ("sonet_group", texts::access::SONET_GROUP),
];

/// What Notion calls capabilities, and why.
pub const NOTION: [(&str, Fixed); 4] = [
    ("Read content", texts::access::NOTION_READ),
    ("Update content", texts::access::NOTION_UPDATE),
    ("Insert content", texts::access::NOTION_INSERT),
    ("Read user information including email addresses", texts::access::NOTION_USERS),
];

/// Those that were not given, where that is known: a portal may say just `app`.
pub fn lacking<'a>(needed: &'a [(&'a str, Fixed)], given: &[String]) -> Vec<(&'a str, Fixed)> {
    let is_told = !given.is_empty() && !given.iter().any(|scope| scope == "app");
    if is_told { missing(needed, given) } else { Vec::new() }
}

/// Those that were not given.
pub fn missing<'a>(needed: &'a [(&'a str, Fixed)], given: &[String]) -> Vec<(&'a str, Fixed)> {
    needed.iter().filter(|(scope, _)| !given.iter().any(|given| given == scope)).copied().collect()
}
