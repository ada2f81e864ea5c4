//! Slash commands: what somebody typed, understood or answered with what to type instead.
//!
//! All of them are read by [`reader`]; where a part stands and what it is called is decided here.

pub mod answers;
pub mod contacts;
pub mod deadline;
pub mod forms;
pub mod people;
pub mod reader;
pub mod records;

pub mod task;
pub mod views;

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::contacts::Contacts;
use crate::deadline::Unread;
use crate::people::Directory;
use crate::reader::{Token, Unit, simple};
use locale::language::Language;

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
            Self::Lead => "Company | Comment [--public]",
            Self::Task => "Name | Description | @assignee | deadline [--public]",
            Self::Deal => "ID, link or words of its title [--public]",
            Self::Status => "[--public]",
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
    /// The company, as people see it.
    pub company: String,
    /// What is said of it, as Slack sent it.
    pub comment: String,
    /// How it can be reached, as far as the text says.
    pub contacts: Contacts,
}

impl LeadDraft {
    /// From a company and a comment, both as Slack sends text.
    pub fn read(company: &str, comment: &str) -> Result<Self, Misuse> {
        let (company, comment) = (reader::tokens(company), reader::tokens(comment));
        let contacts = Contacts::of(&company, true).and(Contacts::of(&comment, false));
        let draft = Self { company: reader::line(&company, false), comment: reader::raw(&comment), contacts };
        if draft.company.is_empty() { Err(Misuse::NoName(Name::Lead)) } else { Ok(draft) }
    }
}

/// A task to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskDraft {
    /// Its name, as people see it.
    pub name: String,
    /// What is to be done, as Slack sent it.
    pub description: String,
    /// Who does it, then who helps; who typed it, if nobody is named.
    pub people: Vec<Assignee>,
    /// Until when.
    pub deadline: Option<Timestamp>,
}

/// Who a task is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignee {
    /// Whoever typed it.
    Me,
    /// Somebody in Slack, by their id.
    Slack(String),
    /// Somebody of the portal, by their number.
    Portal(u64),
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
    /// This is no deadline, and why.
    Deadline(String, Unread),
    /// This names nobody.
    Assignee(String),
    /// This may be one of several people: their names.
    WhichPerson(String, Vec<String>),
    /// These have no counterpart in Bitrix24.
    Unlinked(Vec<String>),
    /// This has no place in the command.
    LeftOver(String),
    /// The command takes no text.
    TakesNoText(Name, String),
    /// This is no chat.
    Chat(String),
    /// This link leads to another portal: its host, and ours.
    OtherPortal(String, String),
    /// This link leads to something else than a deal.
    NotADeal(String),
    /// The right to create it is missing.
    NotAllowed,
    /// Bitrix24 refused what was to be created, in its words.
    NotCreated(Name, String),
}

/// A command, and whether the whole channel sees the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The command.
    pub command: Command,
    /// Whether that was asked for, with `--public`.
    pub public: bool,
}

/// Where and when something was typed.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The moment, in the time zone of who typed it.
    pub now: &'a Zoned,
    /// Their language.
    pub language: Language,
    /// The host of the portal.
    pub portal: &'a str,
    /// The people that names in the text may mean.
    pub directory: &'a Directory,
}

/// Whether a command opens its form: nothing is typed behind it.
pub fn opens_a_form(typed: &str, text: &str) -> bool {
    matches!(Name::of(typed), Some(Name::Lead | Name::Task)) && reader::trimmed(text).is_empty()
}

/// Understands what was typed.
pub fn parse(typed: &str, text: &str, context: &Context<'_>) -> Result<Parsed, Misuse> {
    let name = Name::of(typed).ok_or_else(|| Misuse::Unknown(typed.chars().take(40).collect()))?;
    let (tokens, public) = reader::without_public(reader::tokens(text));
    let tokens = reader::trim(&tokens);
    let command = if is_help(tokens) {
        Command::Help(name)
    } else {
        match name {
            Name::Lead | Name::Task if tokens.is_empty() => Command::Dialog(name),
            Name::Lead => Command::Lead(lead(tokens)?),
            Name::Task => Command::Task(task::read(tokens, context).finished()?),
            Name::Deal if tokens.is_empty() => Command::Help(name),
            Name::Deal => Command::Deal(deal(tokens, context)?),
            Name::Status if tokens.is_empty() => Command::Status,
            Name::Status => return Err(Misuse::TakesNoText(name, reader::line(tokens, false))),
            Name::Me => Command::Me(me(tokens)?),
            Name::Bridge => Command::Bridge(bridge(tokens, context)?),
        }
    };
    Ok(Parsed { command, public })
}

fn is_help(tokens: &[Token<'_>]) -> bool {
    let words = simple(&reader::line(tokens, false)).to_lowercase();
    ["help", "?", "--help", "-h", "помощь", "справка"].contains(&words.as_str())
}

/// The company and the comment of a lead, as Slack sent them: all behind the first bar is comment.
fn lead_parts<'t, 'a>(tokens: &'t [Token<'a>]) -> (&'t [Token<'a>], &'t [Token<'a>]) {
    match tokens.iter().position(|token| token.unit == Unit::Bar) {
        Some(bar) => (reader::trim(&tokens[..bar]), reader::trim(&tokens[bar + 1..])),
        None => (tokens, &[]),
    }
}

fn lead(tokens: &[Token<'_>]) -> Result<LeadDraft, Misuse> {
    let (company, comment) = lead_parts(tokens);
    LeadDraft::read(&reader::raw(company), &reader::raw(comment))
}

/// A web address of Bitrix24: its host and its path.
fn address(token: &Token<'_>) -> Option<(String, String)> {
    let url = match &token.unit {
        Unit::Link { url, .. } => url.clone(),
        Unit::Word => token.typed(),
        _ => return None,
    };
    let url = simple(&url);
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let (host, path) = rest.split_once('/')?;
    // What stands before an @ is no host.
    let host = host.rsplit('@').next().unwrap_or_default().to_lowercase();
    Some((host, path.to_owned()))
}

fn deal(tokens: &[Token<'_>], context: &Context<'_>) -> Result<DealQuery, Misuse> {
    let is_record = |token: &&Token<'_>| address(token).is_some_and(|(_, path)| path.starts_with("crm/"));
    if let Some(link) = tokens.iter().find(is_record) {
        let others: Vec<_> = tokens.iter().filter(|token| *token != link).cloned().collect();
        let others = reader::line(&others, false);
        return match linked_deal(link, context)? {
            id if without_deal_word(&others).is_empty() => Ok(DealQuery::Id(id)),
            _ => Err(Misuse::LeftOver(others)),
        };
    }
    let words = reader::line(tokens, false);
    let number = without_deal_word(&words);
    match number.parse() {
        Ok(id) if id > 0 && number.bytes().all(|b| b.is_ascii_digit()) => Ok(DealQuery::Id(id)),
        _ => Ok(DealQuery::Words(words)),
    }
}

/// What is left without `deal`, `#`, `№` before it.
fn without_deal_word(words: &str) -> String {
    let words = simple(words).to_lowercase();
    let mut rest = words.as_str();
    for word in ["deal", "сделка", "сделку", "сделки", "id"] {
        let behind = rest.strip_prefix(word).filter(|rest| !rest.starts_with(char::is_alphabetic));
        rest = behind.unwrap_or(rest).trim_start();
    }
    rest.trim_start_matches(['#', '№', ':', ' ']).trim_end_matches(['.', ',', ' ']).to_owned()
}

fn linked_deal(link: &Token<'_>, context: &Context<'_>) -> Result<u64, Misuse> {
    let (host, path) = address(link).unwrap_or_default();
    if !host.eq_ignore_ascii_case(context.portal) {
        return Err(Misuse::OtherPortal(host, context.portal.to_owned()));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let id = match parts.as_slice() {
        ["crm", "deal", "details" | "show" | "edit", id, ..] | ["crm", "type", "2", "details", id, ..] => {
            id.parse().ok()
        }
        _ => None,
    };
    id.filter(|id| *id > 0).ok_or_else(|| Misuse::NotADeal(format!("{host}/{path}")))
}

fn me(tokens: &[Token<'_>]) -> Result<MeAct, Misuse> {
    let words = simple(&reader::line(tokens, false));
    let lower = words.to_lowercase();
    Ok(match lower.as_str() {
        "" => MeAct::Show,
        "allow" | "разрешить" => MeAct::Allow,
        "off" | "forget" | "unlink" | "забыть" => MeAct::Forget,
        _ => match people::is_email(&lower) {
            Some(email) if !email.contains(' ') => MeAct::Ask(email),
            _ if lower.contains('@') => return Err(Misuse::LeftOver(words)),
            _ => MeAct::Prove(words),
        },
    })
}

fn bridge(tokens: &[Token<'_>], context: &Context<'_>) -> Result<BridgeAct, Misuse> {
    let words = simple(&reader::line(tokens, false));
    let lower = words.to_lowercase();
    if lower.is_empty() {
        return Ok(BridgeAct::Show);
    }
    if ["off", "stop", "none", "выкл"].contains(&lower.as_str()) {
        return Ok(BridgeAct::Part);
    }
    let chat = match tokens {
        [one] => match address(one) {
            Some((host, _)) if !host.eq_ignore_ascii_case(context.portal) => {
                return Err(Misuse::OtherPortal(host, context.portal.to_owned()));
            }
            Some((host, path)) => format!("{host}/{path}"),
            None => words.clone(),
        },
        _ => words.clone(),
    };
    bitrix24::chat::dialog_id(&chat).map(BridgeAct::Join).ok_or(Misuse::Chat(words))
}

#[cfg(test)]
mod tests;
