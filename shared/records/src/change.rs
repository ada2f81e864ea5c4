//! Changes: the difference of two states of a record, or a single happening (a comment, a call), with a name and a
//! meaning.

use std::fmt;

use bitrix24::EntityType;
use bitrix24::task::TaskComment;
use locale::{Fixed, texts};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::{Record, RecordKind, RecordRef, RecordState};

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Noun {
    /// A lead.
    Lead,
    /// A deal.
    Deal,
    /// A contact.
    Contact,
    /// A company.
    Company,
    /// An item of a smart process.
    Item,
    /// A task.
    Task,
    /// A call.
    Call,
    /// Anything of the customer's own.
    Custom,
}

impl Noun {
    /// All of them, in the order in which people choose.
    pub const ALL: [Self; 8] =
        [Self::Lead, Self::Deal, Self::Task, Self::Call, Self::Contact, Self::Company, Self::Item, Self::Custom];

    /// The first part of the names of its changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Deal => "deal",
            Self::Contact => "contact",
            Self::Company => "company",
            Self::Item => "item",
            Self::Task => "task",
            Self::Call => "call",
            Self::Custom => "custom",
        }
    }

    /// What things of this kind are called.
    pub fn title(self) -> Fixed {
        match self {
            Self::Lead => texts::records::LEADS,
            Self::Deal => texts::records::DEALS,
            Self::Contact => texts::records::CONTACTS,
            Self::Company => texts::records::COMPANIES,
            Self::Item => texts::records::SMART_PROCESS_ITEMS,
            Self::Task => texts::records::TASKS,
            Self::Call => texts::records::CALLS,
            Self::Custom => texts::records::CUSTOM_CHANGES,
        }
    }
}

impl From<EntityType> for Noun {
    fn from(entity: EntityType) -> Self {
        match entity {
            EntityType::LEAD => Self::Lead,
            EntityType::DEAL => Self::Deal,
            EntityType::CONTACT => Self::Contact,
            EntityType::COMPANY => Self::Company,
            EntityType(_) => Self::Item,
        }
    }
}

impl From<RecordKind> for Noun {
    fn from(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Items(entity) => entity.into(),
            RecordKind::Tasks => Self::Task,
        }
    }
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// It appeared.
    Created,
    /// One of its other fields changed.
    Updated,
    /// It moved to another stage.
    StageChanged,
    /// It moved to another funnel.
    FunnelChanged,
    /// It has another responsible person.
    ResponsibleChanged,
    /// It has another status.
    StatusChanged,
    /// It has another deadline.
    DeadlineChanged,
    /// Someone commented on it.
    Commented,
    /// It was deleted.
    Deleted,
    /// It ended.
    Ended,
    /// Nobody answered it.
    Missed,
    /// Its recording appeared.
    Recorded,
    /// What the customer's own handler reports.
    Custom,
}

impl Verb {
    /// What happened, in a few words.
    pub fn words(self) -> Fixed {
        match self {
            Self::Created => texts::records::CREATED,
            Self::Updated => texts::records::UPDATED,
            Self::StageChanged => texts::records::STAGE_CHANGED,
            Self::FunnelChanged => texts::records::FUNNEL_CHANGED,
            Self::ResponsibleChanged => texts::records::RESPONSIBLE_CHANGED,
            Self::StatusChanged => texts::records::STATUS_CHANGED,
            Self::DeadlineChanged => texts::records::DEADLINE_CHANGED,
            Self::Commented => texts::records::COMMENTED,
            Self::Deleted => texts::records::DELETED,
            Self::Ended => texts::records::ENDED,
            Self::Missed => texts::records::MISSED,
            Self::Recorded => texts::records::RECORDED,
            Self::Custom => texts::records::CUSTOM_CHANGES,
        }
    }
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $noun:ident $verb:ident, $plural:expr, $meaning:literal;)*) => {
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

            /// The name in settings, ledger and logs.
            pub fn name(&self) -> String {
                match self {
                    Self::Custom(name) => format!("custom.{name}"),
                    $(Self::$variant => $name.to_owned(),)*
                }
            }

            /// What it is about.
            pub fn noun(&self) -> Noun {
                match self {
                    Self::Custom(_) => Noun::Custom,
                    $(Self::$variant => Noun::$noun,)*
                }
            }

            /// Its name where several are counted: `Deals created`; `None` for the customer's own.
            pub fn plural(&self) -> Option<Fixed> {
                match self {
                    Self::Custom(_) => None,
                    $(Self::$variant => Some($plural),)*
                }
            }

            /// What happened to it.
            pub fn verb(&self) -> Verb {
                match self {
                    Self::Custom(_) => Verb::Custom,
                    $(Self::$variant => Verb::$verb,)*
                }
            }
        }
    };
}

kinds! {
    LeadCreated = "lead.created", Lead Created, texts::reports::LEAD_CREATED, "A lead appeared.";
    LeadUpdated = "lead.updated", Lead Updated, texts::reports::LEAD_UPDATED, "A lead's title, sum, source, company, contact or watched custom field changed.";
    LeadStageChanged = "lead.stage_changed", Lead StageChanged, texts::reports::LEAD_STAGE_CHANGED, "A lead moved to another stage.";
    LeadResponsibleChanged = "lead.responsible_changed", Lead ResponsibleChanged, texts::reports::LEAD_RESPONSIBLE_CHANGED, "A lead was given to someone else.";
    LeadDeleted = "lead.deleted", Lead Deleted, texts::reports::LEAD_DELETED, "A lead was deleted; its card shows its last known state.";
    DealCreated = "deal.created", Deal Created, texts::reports::DEAL_CREATED, "A deal appeared.";
    DealUpdated = "deal.updated", Deal Updated, texts::reports::DEAL_UPDATED, "A deal's title, sum, source, company, contact or watched custom field changed.";
    DealStageChanged = "deal.stage_changed", Deal StageChanged, texts::reports::DEAL_STAGE_CHANGED, "A deal moved to another stage of its funnel; won and lost are marked.";
    DealFunnelChanged = "deal.funnel_changed", Deal FunnelChanged, texts::reports::DEAL_FUNNEL_CHANGED, "A deal moved to another funnel, and so to a stage of that funnel.";
    DealResponsibleChanged = "deal.responsible_changed", Deal ResponsibleChanged, texts::reports::DEAL_RESPONSIBLE_CHANGED, "A deal was given to someone else.";
    DealDeleted = "deal.deleted", Deal Deleted, texts::reports::DEAL_DELETED, "A deal was deleted; its card shows its last known state.";
    ContactCreated = "contact.created", Contact Created, texts::reports::CONTACT_CREATED, "A contact appeared.";
    ContactUpdated = "contact.updated", Contact Updated, texts::reports::CONTACT_UPDATED, "A contact's name, company or watched custom field changed.";
    ContactResponsibleChanged = "contact.responsible_changed", Contact ResponsibleChanged, texts::reports::CONTACT_RESPONSIBLE_CHANGED, "A contact was given to someone else.";
    ContactDeleted = "contact.deleted", Contact Deleted, texts::reports::CONTACT_DELETED, "A contact was deleted; its card shows its last known state.";
    CompanyCreated = "company.created", Company Created, texts::reports::COMPANY_CREATED, "A company appeared.";
    CompanyUpdated = "company.updated", Company Updated, texts::reports::COMPANY_UPDATED, "A company's name or watched custom field changed.";
    CompanyResponsibleChanged = "company.responsible_changed", Company ResponsibleChanged, texts::reports::COMPANY_RESPONSIBLE_CHANGED, "A company was given to someone else.";
    CompanyDeleted = "company.deleted", Company Deleted, texts::reports::COMPANY_DELETED, "A company was deleted; its card shows its last known state.";
    ItemCreated = "item.created", Item Created, texts::reports::ITEM_CREATED, "An item of a smart process appeared; record.entityTypeId says of which.";
    ItemUpdated = "item.updated", Item Updated, texts::reports::ITEM_UPDATED, "A field of a smart-process item changed.";
    ItemStageChanged = "item.stage_changed", Item StageChanged, texts::reports::ITEM_STAGE_CHANGED, "A smart-process item moved to another stage.";
    ItemFunnelChanged = "item.funnel_changed", Item FunnelChanged, texts::reports::ITEM_FUNNEL_CHANGED, "A smart-process item moved to another funnel.";
    ItemResponsibleChanged = "item.responsible_changed", Item ResponsibleChanged, texts::reports::ITEM_RESPONSIBLE_CHANGED, "A smart-process item was given to someone else.";
    ItemDeleted = "item.deleted", Item Deleted, texts::reports::ITEM_DELETED, "A smart-process item was deleted; its card shows its last known state.";
    TaskCreated = "task.created", Task Created, texts::reports::TASK_CREATED, "A task appeared.";
    TaskUpdated = "task.updated", Task Updated, texts::reports::TASK_UPDATED, "A task's title, priority, project or watched custom field changed; or something else of it that is saved, such as its checklist (change.fields then holds other).";
    TaskStatusChanged = "task.status_changed", Task StatusChanged, texts::reports::TASK_STATUS_CHANGED, "A task was started, finished, deferred or resumed.";
    TaskResponsibleChanged = "task.responsible_changed", Task ResponsibleChanged, texts::reports::TASK_RESPONSIBLE_CHANGED, "A task was given to someone else.";
    TaskDeadlineChanged = "task.deadline_changed", Task DeadlineChanged, texts::reports::TASK_DEADLINE_CHANGED, "A task's deadline moved.";
    TaskCommented = "task.commented", Task Commented, texts::reports::TASK_COMMENTED, "Someone commented on a task, in the old task card or in the new one.";
    TaskDeleted = "task.deleted", Task Deleted, texts::reports::TASK_DELETED, "A task was deleted; its card shows its last known state.";
    CallEnded = "call.ended", Call Ended, texts::reports::CALL_ENDED, "A call ended that someone had answered, or that was outgoing.";
    CallMissed = "call.missed", Call Missed, texts::reports::CALL_MISSED, "Someone called and nobody answered (call types 2 and 3 with the code 304).";
    CallRecorded = "call.recorded", Call Recorded, texts::reports::CALL_RECORDED, "The recording of a call that has a card appeared.";
}

impl ChangeKind {
    /// The change of that name.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(custom) = name.strip_prefix("custom.").filter(|custom| !custom.is_empty()) {
            return Some(Self::Custom(custom.to_owned()));
        }
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| kind.clone())
    }

    /// The kind of a noun and a verb, if there is one.
    pub fn of(noun: Noun, verb: Verb) -> Option<Self> {
        Self::ALL.iter().map(|(kind, ..)| kind).find(|kind| kind.noun() == noun && kind.verb() == verb).cloned()
    }

    /// Whether later cards may reply to its card: it is the first of its record, or all that there is of a call.
    pub fn begins_thread(&self) -> bool {
        self.verb() == Verb::Created || self.noun() == Noun::Call
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

/// How much two names have in common: their beginnings and ends.
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
    /// Of what.
    pub about: RecordRef,
    /// How it is after it.
    pub state: RecordState,
    /// How it was before it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RecordState>,
    /// The stage before it, for a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stage: Option<String>,
    /// The names of the fields that changed, for an update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The text of a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<TaskComment>,
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
    pub fn new(kind: ChangeKind, about: impl Into<RecordRef>, state: RecordState) -> Self {
        Self {
            kind,
            about: about.into(),
            state,
            before: None,
            from_stage: None,
            fields: Vec::new(),
            comment: None,
            deal: None,
            client: None,
        }
    }

    /// A record as it is now, as if it had just appeared: for its names and words.
    pub fn whole(record: Record, state: RecordState) -> Self {
        let kind = ChangeKind::of(record.kind().into(), Verb::Created).unwrap_or(ChangeKind::DealCreated);
        Self::new(kind, record, state)
    }

    /// The record, if it is one that has snapshots.
    pub fn record(&self) -> Option<Record> {
        self.about.record()
    }

    /// The CRM type, if it is of a CRM item.
    pub fn entity(&self) -> Option<EntityType> {
        match self.record()? {
            Record::Item { entity, .. } => Some(entity),
            Record::Task(_) => None,
        }
    }

    /// Who did it, if that is known: nobody needs a card about their own comment.
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
            assert_eq!(*name.split_once('.').unwrap().0, *kind.noun().name());
            assert_eq!(ChangeKind::of(kind.noun(), kind.verb()).as_ref(), Some(kind));
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
