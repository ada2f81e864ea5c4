//! Changes: the difference of two states of a record, or a single happening (a comment, a call), with a name and a
//! meaning.

use std::fmt;

use bitrix24::EntityType;
use bitrix24::task::Comment;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::{Record, State};

macro_rules! kinds {
    ($($variant:ident = $name:literal: $meaning:literal,)*) => {
        /// What kind of change.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ChangeKind {
            $(#[doc = $meaning] $variant,)*
            /// `custom.NAME`: an event of the customer's own, from an on-premise portal's handler.
            Custom(String),
        }

        impl ChangeKind {
            /// All but the custom ones, with their names and meanings.
            pub const ALL: &[(Self, &str, &str)] = &[$((Self::$variant, $name, $meaning),)*];
        }
    };
}

kinds! {
    LeadCreated = "lead.created": "A lead appeared.",
    LeadUpdated = "lead.updated": "A lead's title, sum, source, company, contact or watched custom field changed.",
    LeadStageChanged = "lead.stage_changed": "A lead moved to another stage.",
    LeadResponsibleChanged = "lead.responsible_changed": "A lead was given to somebody else.",
    LeadDeleted = "lead.deleted": "A lead was deleted; told from its last known state.",
    DealCreated = "deal.created": "A deal appeared.",
    DealUpdated = "deal.updated": "A deal's title, sum, source, company, contact or watched custom field changed.",
    DealStageChanged = "deal.stage_changed": "A deal moved to another stage of its funnel; won and lost are marked.",
    DealFunnelChanged = "deal.funnel_changed": "A deal moved to another funnel, and so to a stage of that funnel.",
    DealResponsibleChanged = "deal.responsible_changed": "A deal was given to somebody else.",
    DealDeleted = "deal.deleted": "A deal was deleted; told from its last known state.",
    ContactCreated = "contact.created": "A contact appeared.",
    ContactUpdated = "contact.updated": "A contact's name, company or watched custom field changed.",
    ContactResponsibleChanged = "contact.responsible_changed": "A contact was given to somebody else.",
    ContactDeleted = "contact.deleted": "A contact was deleted; told from its last known state.",
    CompanyCreated = "company.created": "A company appeared.",
    CompanyUpdated = "company.updated": "A company's name or watched custom field changed.",
    CompanyResponsibleChanged = "company.responsible_changed": "A company was given to somebody else.",
    CompanyDeleted = "company.deleted": "A company was deleted; told from its last known state.",
    ItemCreated = "item.created": "An item of a smart process appeared; record.entityTypeId says of which.",
    ItemUpdated = "item.updated": "A field of a smart-process item changed.",
    ItemStageChanged = "item.stage_changed": "A smart-process item moved to another stage.",
    ItemFunnelChanged = "item.funnel_changed": "A smart-process item moved to another funnel.",
    ItemResponsibleChanged = "item.responsible_changed": "A smart-process item was given to somebody else.",
    ItemDeleted = "item.deleted": "A smart-process item was deleted; told from its last known state.",
    TaskCreated = "task.created": "A task appeared.",
    TaskUpdated = "task.updated": "A task's title, priority, project or watched custom field changed; or something else of it that is saved, such as its checklist (change.fields then holds other).",
    TaskStatusChanged = "task.status_changed": "A task was begun, finished, deferred or taken up again.",
    TaskResponsibleChanged = "task.responsible_changed": "A task was given to somebody else.",
    TaskDeadlineChanged = "task.deadline_changed": "A task's deadline moved.",
    TaskCommented = "task.commented": "Somebody commented on a task, in the old task card or in the new one.",
    TaskDeleted = "task.deleted": "A task was deleted; told from its last known state.",
    CallEnded = "call.ended": "A call ended that somebody had answered, or that was outgoing.",
    CallMissed = "call.missed": "Somebody called and nobody answered (call types 2 and 3 with the code 304).",
    CallRecorded = "call.recorded": "The recording of a call that has a card appeared.",
}

/// What changes speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Noun {
    /// Leads, deals and smart-process items: what has stages and a sum.
    Staged,
    /// Contacts and companies.
    Client,
    /// Tasks.
    Task,
    /// Calls.
    Call,
    /// Anything of the customer's own.
    Custom,
}

impl ChangeKind {
    /// The name in settings, ledger and logs.
    pub fn name(&self) -> String {
        match self {
            Self::Custom(name) => format!("custom.{name}"),
            known => {
                Self::ALL.iter().find(|(kind, ..)| kind == known).map(|(_, name, _)| *name).unwrap_or_default().into()
            }
        }
    }

    /// The change of that name.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(custom) = name.strip_prefix("custom.").filter(|custom| !custom.is_empty()) {
            return Some(Self::Custom(custom.to_owned()));
        }
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| kind.clone())
    }

    /// What it speaks of.
    pub fn noun(&self) -> Noun {
        match self.name().split('.').next().unwrap_or_default() {
            "lead" | "deal" | "item" => Noun::Staged,
            "contact" | "company" => Noun::Client,
            "task" => Noun::Task,
            "call" => Noun::Call,
            _ => Noun::Custom,
        }
    }

    /// Something that happens to items of a type: `verb` is `created`, `stage_changed` and so on.
    pub(crate) fn of_item(entity: EntityType, verb: &str) -> Option<Self> {
        let noun = match entity {
            EntityType::LEAD => "lead",
            EntityType::DEAL => "deal",
            EntityType::CONTACT => "contact",
            EntityType::COMPANY => "company",
            _ => "item",
        };
        Self::parse(&format!("{noun}.{verb}"))
    }

    /// Whether it is the first that is reported of its record.
    pub fn is_first(&self) -> bool {
        self.name().ends_with(".created")
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Serialize for ChangeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for ChangeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| {
            let like = Self::ALL.iter().map(|(_, known, _)| *known).max_by_key(|known| likeness(known, &name));
            let like = like.unwrap_or_default();
            serde::de::Error::custom(format!("there is no change {name:?}; did you mean {like:?}?"))
        })
    }
}

/// How much two names have in common: their common beginning and end.
pub(crate) fn likeness(a: &str, b: &str) -> usize {
    let beginning = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let end = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    beginning + end
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Of what: `deal 42`.
    pub about: String,
    /// How it is after it.
    pub state: State,
    /// How it was before it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// The stage before it, for a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stage: Option<String>,
    /// The names of the fields that changed, for an update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Comment>,
    /// The deal that a call belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<Related>,
    /// The client that a call belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Related>,
}

/// A CRM item that something belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Its type.
    pub entity: EntityType,
    /// Its number.
    pub id: u64,
    /// What people call it.
    pub title: Option<String>,
}

impl Change {
    /// A change of `about` that leads to `state`.
    pub fn new(kind: ChangeKind, about: impl fmt::Display, state: State) -> Self {
        Self {
            kind,
            about: about.to_string(),
            state,
            before: None,
            from_stage: None,
            fields: Vec::new(),
            comment: None,
            deal: None,
            client: None,
        }
    }

    /// The record, if it is one that has snapshots.
    pub fn record(&self) -> Option<Record> {
        match &self.state {
            State::Item(item) => Some(Record::item(self.entity()?, item.id)),
            State::Task { task } => Some(Record::Task(task.id)),
            State::Call { .. } | State::Custom { .. } => None,
        }
    }

    /// The CRM type, if it is of a CRM item.
    pub fn entity(&self) -> Option<EntityType> {
        let named = self.about.split(' ').next()?;
        Some(match named {
            "lead" => EntityType::LEAD,
            "deal" => EntityType::DEAL,
            "contact" => EntityType::CONTACT,
            "company" => EntityType::COMPANY,
            other => EntityType(other.strip_prefix("item-")?.parse().ok()?),
        })
    }

    /// Who did it, where that is known: nobody needs a card about their own comment.
    pub fn author(&self) -> Option<u64> {
        self.comment.as_ref().map(|comment| comment.author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for (kind, name, meaning) in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(name).as_ref(), Some(kind));
            assert_eq!(kind.name(), *name);
            assert!(meaning.ends_with('.'));
        }
        assert_eq!(ChangeKind::parse("custom.order_paid"), Some(ChangeKind::Custom("order_paid".into())));
        assert_eq!(ChangeKind::parse("custom."), None);
    }

    #[test]
    fn a_change_nobody_knows_is_refused_with_the_one_that_was_meant() {
        let error = serde_json::from_str::<ChangeKind>("\"deal.stage_change\"").unwrap_err().to_string();
        assert!(error.contains("did you mean \"deal.stage_changed\"?"), "{error}");
    }
}
