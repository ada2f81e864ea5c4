//! The rights we ask for at each provider, and why. Each is needed by something.

/// What the bot may do, and why.
pub const SLACK: [(&str, &str); 22] = [
    ("chat:write", "post cards and messages"),
    ("chat:write.public", "in public channels without an invitation"),
    ("chat:write.customize", "under the name and picture of who wrote in Bitrix24"),
    ("commands", "take commands and shortcuts"),
    ("channels:read", "find a channel by its name"),
    ("channels:join", "join it, to be able to read it"),
    (
        "channels:history",
        "hear what is said in bridged channels, and look whether a card is there before posting it again",
    ),
    ("channels:manage", "make a project's channel, if the settings want it"),
    ("groups:read", "the same for private channels that invited the bot"),
    ("groups:history", "the same for private channels that invited the bot"),
    ("im:write", "write to a person"),
    ("im:history", "look whether a message to a person is there before sending it again"),
    ("users:read", "find a person"),
    ("users:read.email", "by their e-mail"),
    ("usergroups:read", "write user groups by their names in bridged chats; without it they are \"a user group\""),
    ("files:read", "copy files of bridged channels"),
    ("files:write", "copy files of bridged chats"),
    ("reactions:read", "copy reactions"),
    ("reactions:write", "copy reactions"),
    ("links:read", "unfold links to deals and tasks"),
    ("links:write", "unfold links to deals and tasks"),
    ("metadata.message:read", "find a message of ours by its delivery"),
];

/// What the Bitrix24 application needs, and why.
pub const BITRIX24: [(&str, &str); 7] = [
    ("crm", "leads, deals, contacts, companies, smart processes: nothing works without it"),
    ("user_basic", "names, and e-mails to find people in Slack"),
    ("task", "tasks, and comments of the old task card"),
    ("im", "comments of the new task card, which are chat messages; bridged chats"),
    ("imbot", "the chatbot"),
    ("telephony", "who called, and recordings"),
    ("sonet_group", "names of projects"),
];

/// What Notion calls capabilities, and why.
pub const NOTION: [(&str, &str); 4] = [
    ("Read content", "rows of the databases that you share"),
    ("Update content", "changes from Bitrix24"),
    ("Insert content", "pages for new deals and tasks"),
    ("Read user information including email addresses", "to find who is responsible"),
];

/// Those that were not given, where that is known: a portal may say just `app`.
pub fn lacking<'a>(needed: &'a [(&'a str, &'a str)], given: &[String]) -> Vec<(&'a str, &'a str)> {
    let is_told = !given.is_empty() && !given.iter().any(|scope| scope == "app");
    if is_told { missing(needed, given) } else { Vec::new() }
}

/// Those that were not given.
pub fn missing<'a>(needed: &'a [(&'a str, &'a str)], given: &[String]) -> Vec<(&'a str, &'a str)> {
    needed.iter().filter(|(scope, _)| !given.iter().any(|given| given == scope)).copied().collect()
}
