//! The chatbot in Bitrix24: which commands and phrases it understands, and its texts. The calls are in `bitrix24::bot`.

use locale::Language;
use locale::texts;
use settings::bot::BotSettings;

/// What a message to the chatbot means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A phrase of the settings, with its answer.
    Phrase(String),
    /// A greeting.
    Hello,
    /// A question about what it can do.
    Help,
    /// A question about the status.
    Status,
    /// Anything else, without the mention of the bot.
    Other(String),
}

/// A command of the chatbot, as it is typed in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Posts to the bridged channel.
    Slack,
    /// Finds the page in Notion.
    Notion,
    /// Shows what is connected, and the open work of the person who typed it.
    Status,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Slack, Self::Notion, Self::Status];

    /// As it is typed, without the slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Notion => "notion",
            Self::Status => "status",
        }
    }

    /// The command that was typed, with or without the slash, in any case.
    pub fn parse(typed: &str) -> Option<Self> {
        let bare = typed.trim().trim_start_matches('/').to_lowercase();
        Self::ALL.into_iter().find(|command| command.name() == bare)
    }

    /// What it does.
    pub fn title(self, language: Language) -> &'static str {
        match self {
            Self::Slack => language.text(texts::bot::COMMAND_SLACK),
            Self::Notion => language.text(texts::bot::COMMAND_NOTION),
            Self::Status => language.text(texts::bot::COMMAND_STATUS),
        }
    }

    /// Its arguments.
    pub fn params(self, language: Language) -> &'static str {
        match self {
            Self::Slack => language.text(texts::bot::COMMAND_SLACK_PARAMS),
            Self::Notion => language.text(texts::bot::COMMAND_NOTION_PARAMS),
            Self::Status => "",
        }
    }
}

/// Finds the meaning of a message to the chatbot `bot`.
pub fn hear(settings: &BotSettings, bot: u64, text: &str) -> Heard {
    let said = without_mention(text, bot);
    let bare = plain(&said);
    let is_one_of = |words: &[&str]| words.contains(&bare.as_str());
    if let Some(phrase) = settings.phrases.iter().find(|phrase| phrase.says.iter().any(|says| plain(says) == bare)) {
        return Heard::Phrase(phrase.answer.clone());
    }
    if is_one_of(&["hello", "hi", "hey", "good morning", "привет", "здравствуйте", "добрый день"])
    {
        return Heard::Hello;
    }
    if is_one_of(&["help", "?", "помощь", "справка"]) {
        return Heard::Help;
    }
    if is_one_of(&["status", "статус"]) {
        return Heard::Status;
    }
    Heard::Other(said)
}

/// Words as they are compared: lower case, one space between them, no punctuation at the end.
fn plain(text: &str) -> String {
    let words = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = words.trim_end_matches(['.', '!', ',', ';', ':', ')']);
    if bare.is_empty() { words } else { bare.trim_end().to_owned() }
}

/// Removes mentions of the bot itself: `[USER=567]Name[/USER]`, with a comma or not.
fn without_mention(text: &str, bot: u64) -> String {
    let lower = text.to_ascii_lowercase();
    let open = format!("[user={bot}");
    let Some(start) = lower.find(&open) else { return text.trim().trim_start_matches(',').trim().to_owned() };
    // `[user=5]` does not mention 56.
    if lower[start + open.len()..].starts_with(|next: char| next.is_ascii_digit()) {
        return text.trim().to_owned();
    }
    let end = lower[start..].find("[/user]").map_or(text.len(), |at| start + at + "[/user]".len());
    format!("{} {}", &text[..start], &text[end..]).trim().trim_start_matches(',').trim().to_owned()
}

/// The chatbot's introduction when it joins a chat.
pub fn welcome(language: Language, bridged: bool) -> String {
    let hello = language.text(texts::bot::HELLO);
    let bridge = language.text(if bridged { texts::bot::CHAT_IS_BRIDGED } else { texts::bot::HOW_TO_BRIDGE });
    format!("{hello}\n{bridge}\n\n{}", help(language))
}

/// What the chatbot can do.
pub fn help(language: Language) -> String {
    let commands = Command::ALL.iter().map(|command| {
        let params = command.params(language);
        let space = if params.is_empty() { "" } else { " " };
        format!("[b]/{}[/b]{space}{params} — {}", command.name(), command.title(language))
    });
    let head = language.text(texts::bot::HELP);
    std::iter::once(head.to_owned()).chain(commands).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::bot::Phrase;

    #[test]
    fn it_understands_whatever_the_case() {
        let mut settings = BotSettings::default();
        settings.phrases.push(Phrase { says: vec!["Opening  hours".into()], answer: "9 to 5".into() });
        let hear = |text: &str| hear(&settings, 567, text);
        for hello in ["Hello", " hi! ", "[USER=567]Switchboard[/USER], HELLO.", "Привет"] {
            assert_eq!(hear(hello), Heard::Hello, "{hello}");
        }
        assert_eq!(hear("HELP"), Heard::Help);
        assert_eq!(hear("?"), Heard::Help);
        assert_eq!(hear("Статус"), Heard::Status);
        assert_eq!(hear("opening hours!"), Heard::Phrase("9 to 5".into()));
        assert_eq!(hear("[user=5679]Ann[/user] hello"), Heard::Other("[user=5679]Ann[/user] hello".into()));
        assert_eq!(hear(", how do I …"), Heard::Other("how do I …".into()));
    }

    #[test]
    fn commands_are_known_with_and_without_the_slash() {
        assert_eq!(Command::parse("/Notion"), Some(Command::Notion));
        assert_eq!(Command::parse("status "), Some(Command::Status));
        assert_eq!(Command::parse("/other"), None);
        assert!(help(Language::Ru).contains("/notion"));
    }

    #[test]
    fn what_the_bot_says_comes_from_the_catalogues() {
        let said = locale::in_pseudo(|| [false, true].map(|bridged| welcome(Language::En, bridged)));
        for said in said {
            // What is typed is the same in every language.
            let typed = Command::ALL.map(Command::name);
            let text = typed
                .iter()
                .fold(text::Document::from_bbcode(&said).visible(), |text, name| text.replace(&format!("/{name}"), ""));
            locale::assert_from_the_catalogues(&text);
        }
    }
}
