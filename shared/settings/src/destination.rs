//! Where a route sends: a channel, a person by their role, a channel named after a value of the record.

use std::fmt;

use locale::{Localized, texts};
use records::change::{Change, ChangeKind, Noun};
use records::record::RecordState;
use records::words::{CardContext, Word};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::template::{TemplatePiece, TextTemplate};

/// The longest name of a channel.
const MAX_NAME: usize = 80;

/// A person by what they are to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordRole {
    /// Who is responsible; of a task, who is to do it.
    Responsible,
    /// Who was responsible before.
    PreviousResponsible,
    /// Who made it.
    Creator,
    /// Who helps with a task.
    Accomplices,
    /// Who watches a task.
    Auditors,
}

const ROLES: [(&str, RecordRole); 6] = [
    ("responsible", RecordRole::Responsible),
    ("assignee", RecordRole::Responsible),
    ("previous_responsible", RecordRole::PreviousResponsible),
    ("creator", RecordRole::Creator),
    ("accomplices", RecordRole::Accomplices),
    ("auditors", RecordRole::Auditors),
];

/// Where to. Written `#sales-pipeline`, `@responsible`, `#project-{project}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A channel by name or id.
    Channel(String),
    /// A channel whose name is made of the record.
    Pattern(TextTemplate),
    /// A direct message.
    Person(RecordRole),
}

impl Destination {
    /// Reads a destination.
    pub fn parse(text: &str) -> Result<Self, Localized> {
        let text = text.trim();
        if let Some(role) = text.strip_prefix('@') {
            let found = ROLES.iter().find(|(name, _)| *name == role).map(|(_, role)| Self::Person(*role));
            let known = ROLES.map(|(name, _)| format!("@{name}")).join(", ");
            return found
                .ok_or_else(|| Localized::of(|_| texts::settings::NoSuchRole { role: text, roles: known.as_str() }));
        }
        let name = text.trim_start_matches('#');
        if name.trim().is_empty() {
            return Err(texts::settings::NO_CHANNEL.into());
        }
        let template = TextTemplate::parse(name).map_err(|error| error.text())?;
        if template.words().next().is_some() {
            return Ok(Self::Pattern(template));
        }
        if name.contains(char::is_whitespace) || name.chars().count() > MAX_NAME {
            let most = MAX_NAME as u64;
            return Err(Localized::of(|_| texts::settings::NotAChannel { channel: text, most }));
        }
        Ok(Self::Channel(text.to_owned()))
    }

    /// What of it changes of this kind do not have.
    pub fn problem(&self, kind: &ChangeKind) -> Option<Localized> {
        match self {
            Self::Pattern(template) => template.words().find_map(|word| records::words::problem(kind, word)),
            Self::Person(RecordRole::Accomplices | RecordRole::Auditors) if kind.noun() != Noun::Task => {
                Some(Localized::of(|_| texts::settings::OnlyTasks { change: kind.name() }))
            }
            Self::Channel(_) | Self::Person(_) => None,
        }
    }

    /// The channel, if it is one for this change; an error says what the record lacks.
    pub fn channel(&self, telling: &CardContext<'_>) -> Option<Result<String, String>> {
        match self {
            Self::Channel(name) => Some(Ok(name.clone())),
            Self::Pattern(template) => Some(named_after(template, telling)),
            Self::Person(_) => None,
        }
    }
}

impl RecordRole {
    /// The people of that role, by their number on the portal; never the one who did it.
    pub fn people(self, change: &Change) -> Vec<u64> {
        let state = &change.state;
        let mut people: Vec<u64> = match self {
            Self::Responsible => state.responsible().into_iter().collect(),
            Self::PreviousResponsible => {
                change.before.as_ref().and_then(RecordState::responsible).into_iter().collect()
            }
            Self::Creator => state.creator().into_iter().collect(),
            Self::Accomplices => state.as_task().map(|task| task.accomplices.clone()).unwrap_or_default(),
            Self::Auditors => state.as_task().map(|task| task.auditors.clone()).unwrap_or_default(),
        };
        people.retain(|person| Some(*person) != change.author());
        people
    }
}

fn named_after(template: &TextTemplate, telling: &CardContext<'_>) -> Result<String, String> {
    let mut name = String::new();
    for piece in template.pieces() {
        match piece {
            TemplatePiece::Text(text) => name.push_str(text),
            TemplatePiece::Word(word) => {
                let value = raw(word, telling).map(|value| slug(&value)).filter(|value| !value.is_empty());
                name.push_str(
                    &value.ok_or_else(|| format!("{} has no {word} to name a channel after", telling.change.about))?,
                );
            }
        }
    }
    Ok(format!("#{}", slug(&name)))
}

/// A word as it is, without markup.
fn raw(word: &str, telling: &CardContext<'_>) -> Option<String> {
    match Word::parse(word) {
        Some(Word::Project) => telling.project(),
        Some(Word::Title) => telling.change.state.title(),
        Some(Word::Id) => telling.change.about.id(),
        Some(Word::Responsible | Word::Assignee) => {
            telling.names.user(telling.change.state.responsible()).map(str::to_owned)
        }
        Some(Word::Funnel) => {
            let (entity, item) = telling.change.entity().zip(telling.change.state.as_item())?;
            telling.names.funnel(entity, item.category_id).map(str::to_owned)
        }
        _ => Some(telling.plain(word)),
    }
}

/// A name as Slack allows it: small letters and digits of any script, hyphens and underscores, 80 characters.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let cut: String = slug.chars().take(MAX_NAME).collect();
    cut.trim_end_matches('-').to_owned()
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(name) => f.write_str(name),
            Self::Pattern(template) => write!(f, "#{template}"),
            Self::Person(role) => {
                write!(
                    f,
                    "@{}",
                    ROLES.iter().find(|(_, known)| known == role).map(|(name, _)| *name).unwrap_or_default()
                )
            }
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrix24::EntityType;
    use locale::Language;
    use proptest::prelude::*;
    use records::names::{CachedName, Nameable, Names};
    use serde_json::json;

    #[test]
    fn a_destination_reads_back_as_it_was_written() {
        for text in ["#sales-pipeline", "C024BE91L", "@responsible", "@auditors", "#project-{project}"] {
            assert_eq!(Destination::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Destination::parse("@assignee").unwrap().to_string(), "@responsible");
        assert!(Destination::parse("@boss").unwrap_err().to_string().contains("@responsible"));
        assert!(Destination::parse("#").unwrap_err().to_string().contains("name one"));
        assert!(Destination::parse("#two words").unwrap_err().to_string().contains("no spaces"));
    }

    #[test]
    fn names_become_what_slack_allows() {
        assert_eq!(slug("Переезд: Офис №2 (срочно!)"), "переезд-офис-2-срочно");
        assert_eq!(slug("  R&D / Roof__x "), "r-d-roof__x");
        assert_eq!(slug("!!!"), "");
    }

    #[test]
    fn a_channel_is_named_after_the_words_that_people_read() {
        let mut names = Names::default();
        names.add(
            Nameable::Item(EntityType::COMPANY, 4),
            Some(CachedName { name: "ACME & Co".into(), ..CachedName::default() }),
        );
        let state: RecordState = serde_json::from_value(json!({"id": 42, "title": "Roof", "companyId": 4})).unwrap();
        let change = Change::new(ChangeKind::DealCreated, "deal 42", state);
        let context =
            CardContext { change: &change, names: &names, domain: "a.bitrix24.com", language: Language::default() };
        let named = |pattern: &str| Destination::parse(pattern).unwrap().channel(&context).unwrap();
        assert_eq!(named("#{company}-{id}"), Ok("#acme-co-42".into()));
        assert!(named("#{responsible}").unwrap_err().contains("deal 42 has no responsible"));
    }

    #[test]
    fn nobody_is_told_of_their_own_comment() {
        let state: RecordState =
            serde_json::from_value(json!({"task": {"id": 7, "responsibleId": 5, "auditors": [5, 6]}})).unwrap();
        let comment = bitrix24::task::TaskComment { author: 5, text: "x".into(), ..Default::default() };
        let change = Change { comment: Some(comment), ..Change::new(ChangeKind::TaskCommented, "task 7", state) };
        assert_eq!(RecordRole::Responsible.people(&change), [0u64; 0]);
        assert_eq!(RecordRole::Auditors.people(&change), [6]);
    }

    proptest! {
        #[test]
        fn a_slug_is_a_slug(name in "\\PC{0,120}") {
            let made = slug(&name);
            prop_assert_eq!(slug(&made), made.clone());
            prop_assert!(made.chars().count() <= 80 && !made.contains(char::is_whitespace));
        }
    }
}
