//! The words of a card: which may be in braces in a template, and what each shows for a change.

use bitrix24::EntityType;
use bitrix24::crm::{CONTACT_FIELDS, DEAL_FIELDS};
use jiff::Timestamp;
use locale::Language;
use locale::money;
use locale::{Fixed, Localized, texts};
use serde_json::Value;
use text::{Document, Span, Surroundings, TextBlock};

use crate::card_text::CardText;
use crate::change::{Change, ChangeKind, Noun, Related, likeness};
use crate::names::{Nameable, Names};
use crate::record::{Record, RecordRef, RecordState};

/// What the card of a change is made from.
#[derive(Debug, Clone, Copy)]
pub struct CardContext<'a> {
    /// The change.
    pub change: &'a Change,
    /// The names of what it speaks of.
    pub names: &'a Names,
    /// The portal's host, for links.
    pub domain: &'a str,
    /// The language.
    pub language: Language,
}

/// Generates [`Word`] from the list of words, each with its name in templates and its label.
macro_rules! words {
    ($($variant:ident = $name:literal, $label:expr;)*) => {
        /// A word of cards.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Word {
            $(#[doc = concat!("`{", $name, "}`")] $variant,)*
        }

        impl Word {
            /// All words.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As templates and settings write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its label beside the value on a card.
            pub fn label(self) -> Fixed {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

words! {
    Title = "title", texts::records::FIELD_TITLE;
    Link = "link", texts::records::FIELD_TITLE;
    Url = "url", texts::records::FIELD_URL;
    Id = "id", texts::records::FIELD_ID;
    Type = "type", texts::records::FIELD_TYPE;
    Responsible = "responsible", texts::records::FIELD_RESPONSIBLE;
    Creator = "creator", texts::records::FIELD_CREATOR;
    Created = "created", texts::records::FIELD_CREATED;
    Sum = "sum", texts::records::FIELD_SUM;
    Stage = "stage", texts::records::FIELD_STAGE;
    FromStage = "from_stage", texts::records::FIELD_FROM_STAGE;
    Move = "move", texts::records::FIELD_STAGE;
    Funnel = "funnel", texts::records::FIELD_FUNNEL;
    FromFunnel = "from_funnel", texts::records::FIELD_FROM_FUNNEL;
    FunnelMove = "funnel_move", texts::records::FIELD_FUNNEL;
    Source = "source", texts::records::FIELD_SOURCE;
    Company = "company", texts::records::FIELD_COMPANY;
    Contact = "contact", texts::records::FIELD_CONTACT;
    Client = "client", texts::records::FIELD_CLIENT;
    PreviousResponsible = "previous_responsible", texts::records::FIELD_PREVIOUS_RESPONSIBLE;
    ChangedFields = "changed_fields", texts::records::FIELD_CHANGED_FIELDS;
    Assignee = "assignee", texts::records::FIELD_ASSIGNEE;
    Project = "project", texts::records::FIELD_PROJECT;
    Deadline = "deadline", texts::records::FIELD_DEADLINE;
    FromDeadline = "from_deadline", texts::records::FIELD_FROM_DEADLINE;
    Status = "status", texts::records::FIELD_STATUS;
    FromStatus = "from_status", texts::records::FIELD_FROM_STATUS;
    Author = "author", texts::records::FIELD_AUTHOR;
    Text = "text", texts::records::FIELD_TEXT;
    Phone = "phone", texts::records::FIELD_PHONE;
    Time = "time", texts::records::FIELD_TIME;
    Duration = "duration", texts::records::FIELD_DURATION;
    Deal = "deal", texts::records::FIELD_DEAL;
    Reason = "reason", texts::records::FIELD_REASON;
    Callback = "callback", texts::records::FIELD_CALLBACK;
    Recording = "recording", texts::records::FIELD_RECORDING;
}

impl Word {
    /// The word of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.name() == name)
    }
}

/// The words that every change has.
const ALWAYS: [Word; 8] =
    [Word::Title, Word::Link, Word::Url, Word::Id, Word::Type, Word::Responsible, Word::Creator, Word::Created];

/// The words that changes of a noun have in addition to the general ones.
fn own_words(noun: Noun) -> &'static [Word] {
    match noun {
        Noun::Lead | Noun::Deal | Noun::Item => &[
            Word::Sum,
            Word::Stage,
            Word::FromStage,
            Word::Move,
            Word::Funnel,
            Word::FromFunnel,
            Word::FunnelMove,
            Word::Source,
            Word::Company,
            Word::Contact,
            Word::Client,
            Word::PreviousResponsible,
            Word::ChangedFields,
        ],
        Noun::Contact | Noun::Company => {
            &[Word::Source, Word::Company, Word::Client, Word::PreviousResponsible, Word::ChangedFields]
        }
        Noun::Task => &[
            Word::Assignee,
            Word::PreviousResponsible,
            Word::Project,
            Word::Deadline,
            Word::FromDeadline,
            Word::Status,
            Word::FromStatus,
            Word::Author,
            Word::Text,
            Word::ChangedFields,
        ],
        Noun::Call => &[
            Word::Phone,
            Word::Time,
            Word::Duration,
            Word::Deal,
            Word::Client,
            Word::Reason,
            Word::Callback,
            Word::Recording,
        ],
        Noun::Custom => &[],
    }
}

/// The words that cards and answers of commands show of a record.
#[derive(Debug, Clone, Copy)]
pub struct RecordFacts {
    /// Those that always show.
    pub main: &'static [Word],
    /// Those that show in full density in addition.
    pub more: &'static [Word],
}

impl RecordFacts {
    /// Those of a kind of record.
    pub fn of(noun: Noun) -> Self {
        let (main, more): (&[Word], &[Word]) = match noun {
            Noun::Lead => (&[Word::Source, Word::Responsible], &[Word::Sum, Word::Client, Word::Stage]),
            Noun::Deal | Noun::Item => {
                (&[Word::Sum, Word::Stage, Word::Responsible], &[Word::Client, Word::Source, Word::Created])
            }
            Noun::Contact | Noun::Company => (&[Word::Responsible], &[Word::Source, Word::Creator]),
            Noun::Task => (&[Word::Deadline, Word::Assignee, Word::Project], &[Word::Creator, Word::Status]),
            Noun::Call => (&[Word::Time, Word::Duration, Word::Deal, Word::Responsible], &[Word::Client, Word::Reason]),
            Noun::Custom => (&[], &[]),
        };
        Self { main, more }
    }
}

/// The portal's fields that `record.` and `before.` reach, in addition to custom fields.
fn fields(noun: Noun) -> Vec<&'static str> {
    let own: (&[_], &[_]) = match noun {
        Noun::Lead | Noun::Deal | Noun::Item => (&DEAL_FIELDS, &["entityTypeId"]),
        Noun::Contact | Noun::Company => (&CONTACT_FIELDS, &["title"]),
        Noun::Task => (
            &[
                "id",
                "title",
                "status",
                "priority",
                "deadline",
                "createdBy",
                "responsibleId",
                "accomplices",
                "auditors",
                "groupId",
                "createdDate",
                "changedDate",
                "activityDate",
                "chatId",
                "ufCrmTask",
            ],
            &[],
        ),
        Noun::Call => (
            &[
                "callId",
                "callType",
                "phoneNumber",
                "portalUserId",
                "callDuration",
                "callStartDate",
                "callFailedCode",
                "callFailedReason",
                "crmActivityId",
                "crmEntityType",
                "crmEntityId",
            ],
            &[],
        ),
        Noun::Custom => (&[], &[]),
    };
    [own.0, own.1].concat()
}

/// Whether a field of the record can be read for changes of this kind.
pub fn is_field(kind: &ChangeKind, field: &str) -> bool {
    let top = field.split('.').next().unwrap_or_default();
    match kind.noun() {
        // The customer decides which fields these have.
        Noun::Custom | Noun::Item => true,
        noun => fields(noun).contains(&top) || is_custom_field(top),
    }
}

/// Whether a field is a custom field.
pub fn is_custom_field(field: &str) -> bool {
    field.starts_with("uf") && field.len() > 2 || field.starts_with("parentId")
}

/// What is wrong with a word in a template for changes of this kind, with the fix.
pub fn problem(kind: &ChangeKind, word: &str) -> Option<Localized> {
    let change = kind.name();
    let change = change.as_str();
    if let Some(field) = word.strip_prefix("record.").or_else(|| word.strip_prefix("before.")) {
        let known = fields(kind.noun());
        return (!is_field(kind, field)).then(|| match nearest(field, known.iter().copied()) {
            Some(like) => Localized::of(|_| texts::settings::FieldLike { change, field, like }),
            None => {
                let fields = known.join(", ");
                Localized::of(|_| texts::settings::NoSuchField { change, field, fields: &fields })
            }
        });
    }
    let known = || known(kind).into_iter();
    (!known().any(|known| known == word)).then(|| match nearest(word, known()) {
        Some(like) => Localized::of(|_| texts::settings::WordLike { change, word, like }),
        None => {
            let words = known().collect::<Vec<_>>().join(", ");
            Localized::of(|_| texts::settings::NoSuchWord { change, word, words: &words })
        }
    })
}

/// Every word that changes of this kind have, for documents.
pub fn known(kind: &ChangeKind) -> Vec<&'static str> {
    ALWAYS.iter().chain(own_words(kind.noun())).map(|word| word.name()).collect()
}

/// The word that was probably meant: it shares most of its letters.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.max_by_key(|known| likeness(known, word)).filter(|like| likeness(like, word) * 2 >= word.len())
}

impl CardContext<'_> {
    /// What a word of a template shows. Missing data shows as unknown; it never stops a card.
    pub fn word(&self, word: &str) -> CardText {
        if let Some(path) = word.strip_prefix("record.") {
            return self.field(&self.change.state, path);
        }
        if let Some(path) = word.strip_prefix("before.") {
            return self.change.before.as_ref().map_or_else(|| self.unknown(), |before| self.field(before, path));
        }
        Word::parse(word).map_or_else(|| self.unknown(), |word| self.shown(word))
    }

    /// The same without markup.
    pub fn plain(&self, word: &str) -> String {
        self.word(word).visible()
    }

    /// What a word shows; what the record does not have is unknown.
    pub fn shown(&self, word: Word) -> CardText {
        self.value(word).unwrap_or_else(|| self.unknown())
    }

    fn value(&self, word: Word) -> Option<CardText> {
        let change = self.change;
        let (state, before) = (&change.state, change.before.as_ref());
        let (item, task, call) = (state.as_item(), state.as_task(), state.as_call());
        let item_before = before.and_then(RecordState::as_item);
        let task_before = before.and_then(RecordState::as_task);
        match word {
            Word::Title => Some(CardText::text(&self.title())),
            Word::Link => Some(self.link()),
            Word::Url => Some(CardText::text(&self.url().unwrap_or_default())),
            Word::Id => Some(CardText::text(&change.about.id().unwrap_or_default())),
            Word::Type => Some(CardText::text(&change.about.type_name())),
            Word::Responsible | Word::Assignee => self.person(state.responsible()),
            Word::PreviousResponsible => self.person(before.and_then(RecordState::responsible)),
            Word::Creator => self.person(state.creator()),
            Word::Created => state.created_at().map(CardText::moment),
            Word::Author => self.person(change.author()),
            Word::Text => self.text(),
            Word::ChangedFields => Some(CardText::text(&change.fields.join(", "))),
            Word::Sum => {
                let item = item?;
                let sum = money::format(item.opportunity.as_deref()?, item.currency_id.as_deref(), self.language);
                Some(CardText::text(&sum))
            }
            Word::Stage => Some(CardText::text(&self.stage(item?.stage_id.as_deref()))),
            Word::FromStage => item.map(|_| CardText::text(&self.stage(change.from_stage.as_deref()))),
            Word::Move => {
                let to = self.stage(item?.stage_id.as_deref());
                Some(from_to(&self.stage(change.from_stage.as_deref()), &to))
            }
            Word::Funnel => self.funnel(item?.category_id).map(CardText::text),
            Word::FromFunnel => self.funnel(item_before?.category_id).map(CardText::text),
            Word::FunnelMove => {
                let unknown = self.language.text(texts::records::UNKNOWN);
                let from = self.funnel(item_before.and_then(|before| before.category_id)).unwrap_or(unknown);
                Some(from_to(from, self.funnel(item?.category_id).unwrap_or(unknown)))
            }
            Word::Source => self.names.source(item?).map(CardText::text),
            Word::Company => self.item_name(EntityType::COMPANY, item?.company_id),
            Word::Contact => self.item_name(EntityType::CONTACT, item?.contact_id),
            Word::Client if call.is_some() => Some(self.related(change.client.as_ref())),
            Word::Client => match item?.client() {
                Some((entity, id)) => self.item_name(entity, Some(id)),
                None => Some(self.none()),
            },
            Word::Project => match task?.project() {
                Some(_) => self.project().map(|project| CardText::text(&project)),
                None => Some(self.none()),
            },
            Word::Deadline => task.map(|task| self.moment_or_none(task.deadline)),
            Word::FromDeadline => task.map(|_| self.moment_or_none(task_before.and_then(|before| before.deadline))),
            Word::Status => self.status(task?.status),
            Word::FromStatus => self.status(task_before?.status),
            Word::Phone => call?.phone_number.as_deref().map(CardText::text),
            Word::Time => call?.call_start_date.map(CardText::moment),
            Word::Duration => {
                let seconds = call?.call_duration?;
                Some(CardText::text(&format!("{}:{:02}", seconds / 60, seconds % 60)))
            }
            Word::Deal => call.map(|_| self.related(change.deal.as_ref())),
            Word::Reason => call?.call_failed_reason.as_deref().map(CardText::text),
            Word::Callback => {
                let number = dialled(call?.phone_number.as_deref()?);
                (number.len() > 2).then(|| CardText::link(&format!("tel:{number}"), &number))
            }
            Word::Recording => match call?.shown_record_url() {
                Some(url) => Some(CardText::link(url, self.language.text(texts::cards::LISTEN))),
                None => Some(CardText::link(&self.url()?, self.language.text(texts::cards::LISTEN_IN_BITRIX24))),
            },
        }
    }

    fn stage(&self, code: Option<&str>) -> String {
        let item = self.change.entity().zip(self.change.state.as_item());
        let named = item.zip(code).map(|((entity, item), code)| self.names.stage(entity, item.category_id, code));
        named.unwrap_or(self.language.text(texts::records::UNKNOWN)).to_owned()
    }

    fn funnel(&self, category: Option<u64>) -> Option<&str> {
        self.names.funnel(self.change.entity()?, category)
    }

    fn status(&self, status: Option<u64>) -> Option<CardText> {
        Some(CardText::text(self.language.text(task_status(status?)?)))
    }

    /// The record of the card, below it: `Deal 42`.
    pub fn about(&self) -> String {
        match &self.change.about {
            RecordRef::Record(record) => record.title(self.language),
            RecordRef::Call(id) => self.language.text(texts::records::Call { id }),
            // The customer has defined the kind: its name is not translated.
            other @ RecordRef::Other { .. } => other.to_string(),
        }
    }

    /// What people call what changed.
    pub fn title(&self) -> String {
        let title = self.change.state.title().map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        title.unwrap_or_else(|| self.language.text(texts::records::NO_TITLE).to_owned())
    }

    /// The page of what changed.
    pub fn url(&self) -> Option<String> {
        match &self.change.state {
            RecordState::Item(item) => Some(self.change.entity()?.link(self.domain, item.id)),
            RecordState::Task { task } => Some(task.link(self.domain)),
            RecordState::Call { .. } => {
                let related = self.change.deal.as_ref().or(self.change.client.as_ref());
                Some(match related {
                    Some(related) => related.entity.link(self.domain, related.id),
                    None => format!("{}/telephony/detail.php", bitrix24::crm::origin(self.domain)),
                })
            }
            RecordState::Custom { custom } => {
                // Only pages of the portal itself: the handler's own words are not trusted with more.
                let url = custom.get("url").or_else(|| custom.get("URL"))?.as_str()?;
                let own = format!("{}/", bitrix24::crm::origin(self.domain));
                url.starts_with(&own).then(|| url.to_owned())
            }
        }
    }

    /// What changed, as a link to its page.
    pub fn link(&self) -> CardText {
        match self.url() {
            Some(url) => CardText::link(&url, &self.title()),
            None => CardText::text(&self.title()),
        }
    }

    /// The project of a task, by name.
    pub fn project(&self) -> Option<String> {
        let task = self.change.state.as_task()?;
        let own = task.group.as_ref().and_then(|group| group.name.clone());
        own.or_else(|| Some(self.names.entry(Nameable::Project(task.project()?))?.name.clone()))
    }

    fn related(&self, related: Option<&Related>) -> CardText {
        let Some(related) = related else { return self.none() };
        let read = self.names.entry(Nameable::Item(related.entity, related.id)).map(|entry| entry.name.clone());
        let title = related.title.clone().or(read);
        let title = title.unwrap_or_else(|| Record::item(related.entity, related.id).title(self.language));
        CardText::link(&related.entity.link(self.domain, related.id), &title)
    }

    fn item_name(&self, entity: EntityType, id: Option<u64>) -> Option<CardText> {
        match id.filter(|id| *id != 0) {
            None => Some(self.none()),
            Some(id) => {
                let entry = self.names.entry(Nameable::Item(entity, id))?;
                Some(CardText::link(&entity.link(self.domain, id), &entry.name))
            }
        }
    }

    fn person(&self, id: Option<u64>) -> Option<CardText> {
        self.names.user(id).map(CardText::text)
    }

    /// In the reader's own time zone, which Slack knows.
    fn moment_or_none(&self, moment: Option<Timestamp>) -> CardText {
        moment.map_or_else(|| self.none(), CardText::moment)
    }

    fn text(&self) -> Option<CardText> {
        let comment = self.change.comment.as_ref()?;
        let named = |id: &str| comment.file(id).map(str::to_owned);
        let mut document = self.read(&comment.text, Some(&named));
        let shown = document.visible();
        for name in comment.files.iter().map(|file| &file.name).filter(|name| !shown.contains(name.as_str())) {
            document.blocks.push(TextBlock::Paragraph(vec![Span::text(format!("📎 {name}"))]));
        }
        Some(if document.is_empty() {
            CardText::text(self.language.text(texts::records::A_FILE))
        } else {
            CardText::written(document)
        })
    }

    /// A text that someone wrote in the portal.
    fn read(&self, text: &str, file: Option<&dyn Fn(&str) -> Option<String>>) -> Document {
        let origin = bitrix24::crm::origin(self.domain);
        Document::from_bbcode_in(
            text,
            Surroundings { origin: Some(&origin), file, chat: self.change.comment.is_some() },
        )
    }

    fn field(&self, state: &RecordState, path: &str) -> CardText {
        let facts = Value::Object(state.facts());
        let value = path.split('.').try_fold(&facts, |value, step| value.get(step));
        match value {
            None | Some(Value::Null) => self.none(),
            Some(Value::String(text)) if text.is_empty() => self.none(),
            Some(Value::String(text)) => CardText::written(self.read(text, None)),
            Some(Value::Array(list)) => {
                let texts: Vec<_> =
                    list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
                CardText::written(Document::plain(&texts.join(", ")))
            }
            Some(other) => CardText::written(Document::plain(&other.to_string())),
        }
    }

    fn none(&self) -> CardText {
        CardText::text(self.language.text(texts::records::NONE))
    }

    fn unknown(&self) -> CardText {
        CardText::text(self.language.text(texts::records::UNKNOWN))
    }
}

/// From where something moved, and to where.
fn from_to(from: &str, to: &str) -> CardText {
    CardText::text(&format!("{from} → ")).then(CardText::bold(to))
}

/// A task's status by Bitrix24's number for it.
pub fn task_status(status: u64) -> Option<Fixed> {
    match status {
        2 => Some(texts::records::TASK_PENDING),
        3 => Some(texts::records::TASK_IN_PROGRESS),
        4 => Some(texts::records::TASK_AWAITING_REVIEW),
        5 => Some(texts::records::TASK_COMPLETED),
        6 => Some(texts::records::TASK_DEFERRED),
        _ => None,
    }
}

/// A number as a telephone can dial it.
fn dialled(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if number.trim_start().starts_with('+') || digits.len() > 10 { format!("+{digits}") } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_or_field_is_named_with_what_was_meant() {
        let kind = ChangeKind::DealStageChanged;
        assert_eq!(problem(&kind, "sum"), None);
        assert_eq!(problem(&kind, "record.ufCrm_17"), None);
        assert_eq!(
            problem(&kind, "responsable").unwrap().to_string(),
            "deal.stage_changed has no word {responsable}; did you mean {responsible}? Fields are written {record.NAME}"
        );
        assert_eq!(
            problem(&kind, "record.oportunity").unwrap().to_string(),
            "deal.stage_changed has no field \"oportunity\"; did you mean \"opportunity\"?"
        );
        assert!(problem(&ChangeKind::LeadCreated, "phone").is_some());
        assert_eq!(problem(&ChangeKind::Custom("x".into()), "record.anything.at.all"), None);
    }

    #[test]
    fn a_number_is_dialled_with_its_plus() {
        assert_eq!(dialled("+49 (30) 1234-567"), "+49301234567");
        assert_eq!(dialled("79161006733"), "+79161006733");
        assert_eq!(dialled("112"), "112");
    }
}
