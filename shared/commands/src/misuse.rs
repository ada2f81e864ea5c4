//! Input that a command cannot use, with what to type instead.

use locale::{Language, texts};

use crate::deadline::DeadlineProblem;
use crate::spec::CommandSpec;

/// What can be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatedKind {
    Lead,
    Task,
}

/// Input that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// There is no such command here.
    Unknown(String),
    /// A lead has no company.
    NoCompany,
    NoTaskName,
    /// This is not a deadline, and why.
    Deadline(String, DeadlineProblem),
    /// This names no person.
    Assignee(String),
    /// This can be one of several people: their names.
    WhichPerson(String, Vec<String>),
    /// These people are not linked to users of Bitrix24.
    Unlinked(Vec<String>),
    /// This does not belong in the command.
    LeftOver(String),
    TakesNoText(&'static CommandSpec, String),
    /// This is not a chat.
    Chat(String),
    /// This link leads to another portal: its host, and ours.
    OtherPortal(String, String),
    /// This link leads to something other than a deal.
    NotADeal(String),
    /// The right to create it is missing.
    NotAllowed,
    /// Bitrix24 refused what was to be created, in its words.
    NotCreated(CreatedKind, String),
}

impl Misuse {
    /// Whether the command's usage helps to correct it.
    pub fn needs_usage(&self) -> bool {
        matches!(
            self,
            Self::NoCompany
                | Self::NoTaskName
                | Self::Deadline(..)
                | Self::Assignee(_)
                | Self::LeftOver(_)
                | Self::Chat(_)
        )
    }

    /// The problem, and what to type instead.
    pub fn words(&self, language: Language) -> String {
        match self {
            Self::Unknown(words) => {
                let commands = &crate::ALL.iter().map(|spec| spec.typed).collect::<Vec<_>>().join(", ");
                language.text(texts::commands::UnknownCommand { words, commands })
            }
            Self::NoCompany => language.text(texts::commands::NO_COMPANY).to_owned(),
            Self::NoTaskName => language.text(texts::commands::NO_TASK_NAME).to_owned(),
            Self::Deadline(words, why) => deadline_words(words, why, language),
            Self::Assignee(words) => language.text(texts::commands::UnknownAssignee { words }),
            Self::WhichPerson(words, people) => {
                language.text(texts::commands::WhichPerson { words, people: &listed_names(people, language) })
            }
            Self::NotAllowed => language.text(texts::commands::NOT_ALLOWED).to_owned(),
            Self::Unlinked(people) if people.is_empty() => language.text(texts::commands::NOT_LINKED).to_owned(),
            Self::Unlinked(people) => {
                let count = people.len() as u64;
                language.text(texts::commands::PeopleNotLinked { people: people.join(", "), count })
            }
            Self::LeftOver(words) => language.text(texts::commands::LeftOver { words }),
            Self::TakesNoText(spec, words) => {
                language.text(texts::commands::TakesNoText { command: spec.typed, words: words.as_str() })
            }
            Self::Chat(words) => language.text(texts::commands::UnknownChat { words }),
            Self::OtherPortal(host, portal) => language.text(texts::commands::OtherPortal { host, portal }),
            Self::NotADeal(address) => language.text(texts::commands::NotADeal { address }),
            Self::NotCreated(CreatedKind::Lead, reason) => language.text(texts::commands::LeadNotCreated { reason }),
            Self::NotCreated(CreatedKind::Task, reason) => language.text(texts::commands::TaskNotCreated { reason }),
        }
    }
}

fn deadline_words(words: &str, why: &DeadlineProblem, language: Language) -> String {
    match why {
        DeadlineProblem::Unknown => language.text(texts::commands::DeadlineUnknown { words }),
        DeadlineProblem::Past(_) => language.text(texts::commands::DeadlinePast { words }),
        DeadlineProblem::Ambiguous(one, other) => {
            let (one, other) = (&one.to_string(), &other.to_string());
            language.text(texts::commands::DeadlineAmbiguous { words, one, other })
        }
    }
}

/// Several names, cut where there are many.
fn listed_names(names: &[String], language: Language) -> String {
    const MAX_NAMES: usize = 5;
    let people = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) as u64 {
        0 => people,
        count => language.text(texts::commands::PeopleAndMore { people, count }),
    }
}
