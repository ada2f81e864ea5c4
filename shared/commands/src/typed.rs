//! A typed command: which one, and its arguments. Acknowledging and acting share this reading.

use jiff::Zoned;
use locale::{Language, texts};

use crate::people::Directory;
use crate::reader::{self, TextToken};
use crate::spec::{CommandSpec, WithoutText};

/// Where and when a command was typed.
#[derive(Debug, Clone, Copy)]
pub struct CommandContext<'a> {
    /// The moment, in the time zone of the person who typed it.
    pub now: &'a Zoned,
    pub language: Language,
    /// The host of the portal.
    pub portal: &'a str,
    /// The people that names in the text can mean.
    pub directory: &'a Directory,
}

/// What a typed command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandAim {
    /// The command's help.
    Help,
    /// The command's form.
    Form,
    /// What the command does.
    Run,
}

#[derive(Debug, Clone)]
pub struct TypedCommand<'a> {
    pub spec: &'static CommandSpec,
    /// What it asks for.
    pub aim: CommandAim,
    /// Whether the whole channel is to see the answer.
    pub is_public: bool,
    tokens: Vec<TextToken<'a>>,
}

impl<'a> TypedCommand<'a> {
    /// Reads a command and what follows it, as Slack sends both; `None` if there is no such command.
    pub fn read(typed: &str, text: &'a str) -> Option<Self> {
        let spec = CommandSpec::find(typed)?;
        let (tokens, is_public) = reader::without_public(reader::tokens(text));
        let aim = match (reader::trim(&tokens), spec.without_text) {
            (tokens, _) if is_help(tokens) => CommandAim::Help,
            ([], WithoutText::Help) => CommandAim::Help,
            ([], WithoutText::Form(_)) => CommandAim::Form,
            _ => CommandAim::Run,
        };
        Some(Self { spec, aim, is_public, tokens })
    }

    /// The same with another text, which has the names that the first one lacked.
    #[must_use]
    pub fn with_text<'b>(&self, text: &'b str) -> TypedCommand<'b> {
        let (tokens, _) = reader::without_public(reader::tokens(text));
        TypedCommand { spec: self.spec, aim: self.aim, is_public: self.is_public, tokens }
    }

    /// What follows the command, without `--public`.
    pub fn tokens(&self) -> &[TextToken<'a>] {
        reader::trim(&self.tokens)
    }
}

/// What Slack shows at once to the person who typed a command; `None` where a form opens instead.
pub fn acknowledgement(typed: &str, text: &str, language: Language) -> Option<&'static str> {
    match TypedCommand::read(typed, text) {
        Some(TypedCommand { aim: CommandAim::Form, .. }) => None,
        _ => Some(language.text(texts::commands::WORKING)),
    }
}

fn is_help(tokens: &[TextToken<'_>]) -> bool {
    let words = reader::simple(&reader::line(tokens, false)).to_lowercase();
    ["help", "?", "--help", "-h", "помощь", "справка"].contains(&words.as_str())
}
