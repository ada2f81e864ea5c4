//! Slash commands: what somebody typed, understood or answered with what to type instead.

pub mod answers;
pub mod deadline;
pub mod views;

use jiff::civil::Date;

use crate::commands::deadline::Deadline;

/// A command that we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `/b24-lead`
    Lead,
    /// `/b24-task`
    Task,
    /// `/b24-deal`
    Deal,
    /// `/b24-status`
    Status,
    /// `/b24-me`
    Me,
    /// `/b24-bridge`
    Bridge,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Lead, Self::Task, Self::Deal, Self::Status, Self::Me, Self::Bridge];

    /// As it is typed.
    pub fn typed(self) -> &'static str {
        match self {
            Self::Lead => "/b24-lead",
            Self::Task => "/b24-task",
            Self::Deal => "/b24-deal",
            Self::Status => "/b24-status",
            Self::Me => "/b24-me",
            Self::Bridge => "/b24-bridge",
        }
    }

    /// What it does, for Slack's own list of commands.
    pub fn description(self) -> &'static str {
        match self {
            Self::Lead => "Create a lead in Bitrix24",
            Self::Task => "Create a task in Bitrix24",
            Self::Deal => "Look at a deal, and work on it",
            Self::Status => "My day in Bitrix24",
            Self::Me => "Who I am in Bitrix24",
            Self::Bridge => "Join this channel with a Bitrix24 chat",
        }
    }

    /// How it is used, for Slack's own list of commands.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Lead => "Company | Comment",
            Self::Task => "Name | Description | @assignee | deadline",
            Self::Deal => "ID or words of its title",
            Self::Status => "[public]",
            Self::Me => "[e-mail or code]",
            Self::Bridge => "[chat57 or off]",
        }
    }

    /// The command by what was typed, whatever its case.
    pub fn of(typed: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.typed().eq_ignore_ascii_case(typed.trim()))
    }
}

/// A command with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create a lead.
    Lead(LeadDraft),
    /// Create a task.
    Task(TaskDraft),
    /// Show a deal.
    Deal(DealQuery),
    /// Show the day.
    Status,
    /// Say who one is, or become somebody.
    Me(MeAct),
    /// Join the channel with a chat, part them, or say how they stand.
    Bridge(BridgeAct),
    /// A dialog to fill in, for nothing was typed.
    Dialog(Name),
    /// What the command does.
    Help(Name),
}

/// A lead to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeadDraft {
    /// The company.
    pub company: String,
    /// What is said of it.
    pub comment: String,
}

/// A task to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskDraft {
    /// Its name.
    pub name: String,
    /// What is to be done.
    pub description: String,
    /// Who does it; who typed it, if nobody is said.
    pub assignee: Option<Assignee>,
    /// Until when.
    pub deadline: Option<Deadline>,
}

/// Who a task is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignee {
    /// Somebody in Slack.
    Slack(String),
    /// Somebody by their e-mail.
    Email(String),
}

/// Which deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DealQuery {
    /// By its number.
    Id(u64),
    /// By words of its title.
    Words(String),
}

/// What `/b24-me` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeAct {
    /// Says who one is.
    Show,
    /// Asks for a code, sent to the person of the portal with this e-mail.
    Ask(String),
    /// Links with the code that came.
    Prove(String),
    /// Leads to where one lets us work with one's own rights.
    Allow,
    /// Takes the link, and the rights, away.
    Forget,
}

/// What `/b24-bridge` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeAct {
    /// Says how it stands.
    Show,
    /// Joins with this chat.
    Join(String),
    /// Parts.
    Part,
}

/// What was typed and cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// There is no such command here.
    Unknown(String),
    /// A lead has no company, a task no name.
    NoName(Name),
    /// This is no deadline that we know.
    Deadline(String),
    /// This names nobody.
    Assignee(String),
    /// There are more parts than the command has.
    TooMany(Name),
    /// This is no chat.
    Chat(String),
}

/// A command, and whether the whole channel sees the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The command.
    pub command: Command,
    /// Whether it ended in `public`.
    pub public: bool,
}

/// Understands what was typed, on the day that is `today` where it was typed.
pub fn parse(typed: &str, text: &str, today: Date) -> Result<Parsed, Misuse> {
    let name = Name::of(typed).ok_or_else(|| Misuse::Unknown(typed.chars().take(40).collect()))?;
    let (text, public) = without_public(text.trim());
    let command = if is_help(text) {
        Command::Help(name)
    } else {
        match name {
            Name::Lead | Name::Task if text.is_empty() => Command::Dialog(name),
            Name::Lead => Command::Lead(lead(text)?),
            Name::Task => Command::Task(task(text, today)?),
            Name::Deal if text.is_empty() => Command::Help(name),
            Name::Deal => Command::Deal(deal(text)),
            Name::Status => Command::Status,
            Name::Me => Command::Me(me(text)),
            Name::Bridge => Command::Bridge(bridge(text)?),
        }
    };
    Ok(Parsed { command, public })
}

fn is_help(text: &str) -> bool {
    ["help", "?", "--help", "-h", "помощь", "справка"].contains(&text.to_lowercase().as_str())
}

fn without_public(text: &str) -> (&str, bool) {
    let marks = ["public", "публично"];
    let last = text.split_whitespace().last().unwrap_or_default();
    // Before it stands nothing, a blank or a bar: a part of a word is not it.
    if marks.contains(&last.to_lowercase().as_str()) {
        let rest = text[..text.len() - last.len()].trim_end();
        return (rest.strip_suffix('|').unwrap_or(rest).trim_end(), true);
    }
    (text, false)
}

/// Slack's entities and links, as the words that were typed.
fn typed_words(text: &str) -> String {
    crate::text::Document::from_mrkdwn(text).visible().trim().to_owned()
}

fn lead(text: &str) -> Result<LeadDraft, Misuse> {
    let (company, comment) = text.split_once('|').unwrap_or((text, ""));
    let company = typed_words(company);
    if company.is_empty() {
        return Err(Misuse::NoName(Name::Lead));
    }
    Ok(LeadDraft { company, comment: comment.trim().to_owned() })
}

fn task(text: &str, today: Date) -> Result<TaskDraft, Misuse> {
    // A bar within `<@U1|ann>` parts nothing.
    let parts = split_parts(text);
    if parts.len() > 4 {
        return Err(Misuse::TooMany(Name::Task));
    }
    let part = |place: usize| parts.get(place).map_or("", |part| part.trim());
    let name = typed_words(part(0));
    if name.is_empty() {
        return Err(Misuse::NoName(Name::Task));
    }
    Ok(TaskDraft {
        name,
        description: part(1).to_owned(),
        assignee: assignee(part(2))?,
        deadline: match part(3) {
            "" => None,
            words => {
                Some(deadline::parse(&typed_words(words), today).ok_or_else(|| Misuse::Deadline(words.to_owned()))?)
            }
        },
    })
}

fn split_parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `<@U1|ann>`, `<mailto:a@b|a@b>`, `a@b`, or nobody.
pub fn assignee(text: &str) -> Result<Option<Assignee>, Misuse> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(inside) = text.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>')) {
        let id = inside.split('|').next().unwrap_or_default();
        return Ok(Some(Assignee::Slack(id.to_owned())));
    }
    let words = typed_words(text);
    match words.split_once('@') {
        Some((who, host)) if !who.is_empty() && host.contains('.') && !words.contains(char::is_whitespace) => {
            Ok(Some(Assignee::Email(words.to_lowercase())))
        }
        _ => Err(Misuse::Assignee(words)),
    }
}

fn deal(text: &str) -> DealQuery {
    let words = typed_words(text);
    let bare = words.trim_start_matches('#');
    let linked =
        words.split_once("/deal/details/").map_or(bare, |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    match linked.parse() {
        Ok(id) if id > 0 => DealQuery::Id(id),
        _ => DealQuery::Words(words),
    }
}

fn me(text: &str) -> MeAct {
    let words = typed_words(text);
    let lower = words.to_lowercase();
    match lower.as_str() {
        "" => MeAct::Show,
        "allow" | "разрешить" => MeAct::Allow,
        "off" | "forget" | "unlink" | "забыть" => MeAct::Forget,
        email if email.contains('@') => MeAct::Ask(email.to_owned()),
        _ => MeAct::Prove(words),
    }
}

fn bridge(text: &str) -> Result<BridgeAct, Misuse> {
    let words = typed_words(text);
    let lower = words.to_lowercase();
    if lower.is_empty() {
        return Ok(BridgeAct::Show);
    }
    if ["off", "stop", "none", "выкл"].contains(&lower.as_str()) {
        return Ok(BridgeAct::Part);
    }
    dialog_id(&words).map(BridgeAct::Join).ok_or(Misuse::Chat(words))
}

/// A chat by its id, its number or its address: `chat57`, `57`, `https://portal/online/?IM_DIALOG=chat57`.
pub fn dialog_id(words: &str) -> Option<String> {
    let words = words.trim();
    let bare =
        words.rsplit_once("IM_DIALOG=").map_or(words, |(_, rest)| rest.split(['&', '#']).next().unwrap_or_default());
    let number = bare.to_lowercase();
    let number = number.strip_prefix("chat").unwrap_or(&number);
    let is_number = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("chat{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    const TODAY: Date = date(2026, 11, 21);

    fn command(typed: &str, text: &str) -> Result<Command, Misuse> {
        parse(typed, text, TODAY).map(|parsed| parsed.command)
    }

    #[test]
    fn a_lead_is_a_company_and_a_comment() {
        let draft = LeadDraft { company: "R&D <ACME>".into(), comment: "called *twice*".into() };
        assert_eq!(command("/b24-lead", "R&amp;D &lt;ACME&gt; | called *twice*"), Ok(Command::Lead(draft)));
        assert_eq!(command("/B24-Lead", ""), Ok(Command::Dialog(Name::Lead)));
        assert_eq!(command("/b24-lead", " | x"), Err(Misuse::NoName(Name::Lead)));
        assert_eq!(command("/b24-lead", "help"), Ok(Command::Help(Name::Lead)));
        assert_eq!(parse("/b24-lead", "ACME | x public", TODAY).map(|parsed| parsed.public), Ok(true));
        assert_eq!(
            command("/b24-lead", "Republic"),
            Ok(Command::Lead(LeadDraft { company: "Republic".into(), comment: String::new() }))
        );
    }

    #[test]
    fn a_task_has_a_name_a_description_an_assignee_and_a_deadline() {
        let Ok(Command::Task(draft)) =
            command("/b24-task", "Call <https://a.example|them> | now | <@U1|ann> | tomorrow")
        else {
            panic!()
        };
        assert_eq!((draft.name.as_str(), draft.description.as_str()), ("Call them", "now"));
        assert_eq!(draft.assignee, Some(Assignee::Slack("U1".into())));
        assert_eq!(draft.deadline.map(|deadline| deadline.day), Some(date(2026, 11, 22)));
        let Ok(Command::Task(draft)) = command("/b24-task", "Call || <mailto:Ann@corp.example|Ann@corp.example>")
        else {
            panic!()
        };
        assert_eq!(draft.assignee, Some(Assignee::Email("ann@corp.example".into())));
        assert_eq!(command("/b24-task", "Call | x | Ann"), Err(Misuse::Assignee("Ann".into())));
        assert_eq!(command("/b24-task", "Call | x | | someday"), Err(Misuse::Deadline("someday".into())));
        assert_eq!(command("/b24-task", "a|b||d|e"), Err(Misuse::TooMany(Name::Task)));
    }

    #[test]
    fn a_deal_is_found_by_number_address_or_words() {
        for text in [
            "42",
            "#42",
            "<https://p.example/crm/deal/details/42/>",
            "<https://p.example/crm/deal/details/42/?x=1|deal>",
            "42 public",
        ] {
            let found = command("/b24-deal", text);
            // A link's words are all that is left of it; its address stands in them unless it has others.
            let by_words = text.contains("|deal");
            assert_eq!(found == Ok(Command::Deal(DealQuery::Id(42))), !by_words, "{text}: {found:?}");
        }
        assert_eq!(command("/b24-deal", "roof for acme"), Ok(Command::Deal(DealQuery::Words("roof for acme".into()))));
        assert_eq!(command("/b24-deal", ""), Ok(Command::Help(Name::Deal)));
    }

    #[test]
    fn a_chat_is_named_in_any_way_that_people_see_it() {
        for text in ["chat57", "57", "Chat57", "<https://p.example/online/?IM_DIALOG=chat57>"] {
            assert_eq!(command("/b24-bridge", text), Ok(Command::Bridge(BridgeAct::Join("chat57".into()))), "{text}");
        }
        assert_eq!(command("/b24-bridge", "off"), Ok(Command::Bridge(BridgeAct::Part)));
        assert_eq!(command("/b24-bridge", "sales"), Err(Misuse::Chat("sales".into())));
        assert_eq!(command("/b24-me", " Allow "), Ok(Command::Me(MeAct::Allow)));
        assert_eq!(command("/b24-me", "123456"), Ok(Command::Me(MeAct::Prove("123456".into()))));
        assert_eq!(command("/other", "x"), Err(Misuse::Unknown("/other".into())));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_makes_it_fall(text in "\\PC{0,60}", which in 0usize..6) {
            let _ = parse(Name::ALL[which].typed(), &text, TODAY);
        }
    }
}
