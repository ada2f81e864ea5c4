//! The default look of the card of each change: its mark, its texts, its fields. Settings may override it.

use bitrix24::CrmItem;
use bitrix24::crm::StageMeaning;
use locale::{Fixed, texts};
use records::change::{Change, ChangeKind, Noun};
use records::words::{RecordFacts, Word};

/// The default look of a card. Texts have words of cards in braces.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    /// The mark before the headline.
    pub(crate) mark: &'static str,
    /// The headline.
    pub(crate) head: Fixed,
    /// What a notification says.
    pub(crate) notification: Fixed,
    /// A text below the headline.
    pub(crate) body: Option<Word>,
    pub(crate) fields: &'static [Word],
    /// The additional fields of full density.
    pub(crate) more: &'static [Word],
}

impl Own {
    fn new(mark: &'static str, head: Fixed, notification: Fixed) -> Self {
        Self { mark, head, notification, body: None, fields: &[], more: &[] }
    }

    /// The fields, together with those that every card of such a record shows.
    fn facts(self, noun: Noun) -> Self {
        let RecordFacts { main, more } = RecordFacts::of(noun);
        self.fields(main, more)
    }

    fn fields(self, fields: &'static [Word], more: &'static [Word]) -> Self {
        Self { fields, more, ..self }
    }
}

/// The additional fields of changes of leads, deals and items in full density.
const CLIENT: &[Word] = &[Word::Client, Word::Source, Word::Created];

pub(crate) fn own_design(change: &Change) -> Own {
    match &change.kind {
        ChangeKind::LeadCreated => {
            Own::new("🆕", texts::cards::LEAD_CREATED, texts::cards::LEAD_CREATED_NOTIFICATION).facts(Noun::Lead)
        }
        ChangeKind::DealCreated => {
            Own::new("🆕", texts::cards::DEAL_CREATED, texts::cards::DEAL_CREATED_NOTIFICATION).facts(Noun::Deal)
        }
        ChangeKind::ItemCreated => {
            Own::new("🆕", texts::cards::ITEM_CREATED, texts::cards::ITEM_CREATED_NOTIFICATION).facts(Noun::Item)
        }
        ChangeKind::ContactCreated => {
            Own::new("🆕", texts::cards::CONTACT_CREATED, texts::cards::CONTACT_CREATED_NOTIFICATION)
                .facts(Noun::Contact)
        }
        ChangeKind::CompanyCreated => {
            Own::new("🆕", texts::cards::COMPANY_CREATED, texts::cards::COMPANY_CREATED_NOTIFICATION)
                .facts(Noun::Company)
        }
        ChangeKind::TaskCreated => {
            Own::new("📝", texts::cards::TASK_CREATED, texts::cards::TASK_CREATED_NOTIFICATION).facts(Noun::Task)
        }
        ChangeKind::LeadStageChanged => {
            moved(change, Own::new("➡️", texts::cards::LEAD_MOVED, texts::cards::LEAD_MOVED_NOTIFICATION))
        }
        ChangeKind::DealStageChanged => moved(change, deal_moved(change)),
        ChangeKind::ItemStageChanged => {
            moved(change, Own::new("➡️", texts::cards::ITEM_MOVED, texts::cards::ITEM_MOVED_NOTIFICATION))
        }
        ChangeKind::DealFunnelChanged => {
            changed_funnel(texts::cards::DEAL_CHANGED_FUNNEL, texts::cards::DEAL_CHANGED_FUNNEL_NOTIFICATION)
        }
        ChangeKind::ItemFunnelChanged => {
            changed_funnel(texts::cards::ITEM_CHANGED_FUNNEL, texts::cards::ITEM_CHANGED_FUNNEL_NOTIFICATION)
        }
        ChangeKind::LeadResponsibleChanged
        | ChangeKind::DealResponsibleChanged
        | ChangeKind::ContactResponsibleChanged
        | ChangeKind::CompanyResponsibleChanged
        | ChangeKind::ItemResponsibleChanged => {
            responsible_changed().fields(&[Word::Responsible, Word::PreviousResponsible], &[Word::Created])
        }
        ChangeKind::TaskResponsibleChanged => responsible_changed()
            .fields(&[Word::Assignee, Word::PreviousResponsible, Word::Deadline, Word::Project], &[Word::Creator]),
        ChangeKind::LeadUpdated | ChangeKind::DealUpdated | ChangeKind::ItemUpdated => {
            updated().fields(&[Word::ChangedFields, Word::Sum, Word::Responsible], CLIENT)
        }
        ChangeKind::ContactUpdated | ChangeKind::CompanyUpdated => {
            updated().fields(&[Word::ChangedFields, Word::Responsible], &[Word::Created])
        }
        ChangeKind::TaskUpdated => {
            updated().fields(&[Word::ChangedFields, Word::Assignee, Word::Project], &[Word::Deadline])
        }
        ChangeKind::LeadDeleted => {
            deleted(texts::cards::LEAD_DELETED).fields(&[Word::Sum, Word::Stage, Word::Responsible], CLIENT)
        }
        ChangeKind::DealDeleted => deleted(texts::cards::DEAL_DELETED).facts(Noun::Deal),
        ChangeKind::ItemDeleted => deleted(texts::cards::ITEM_DELETED).facts(Noun::Item),
        ChangeKind::ContactDeleted => {
            deleted(texts::cards::CONTACT_DELETED).fields(&[Word::Responsible], &[Word::Created])
        }
        ChangeKind::CompanyDeleted => {
            deleted(texts::cards::COMPANY_DELETED).fields(&[Word::Responsible], &[Word::Created])
        }
        ChangeKind::TaskDeleted => {
            deleted(texts::cards::TASK_DELETED).fields(&[Word::Assignee, Word::Project], &[Word::Creator])
        }
        ChangeKind::TaskStatusChanged => {
            Own::new("☑️", texts::cards::TASK_CHANGED_STATUS, texts::cards::TASK_CHANGED_STATUS_NOTIFICATION)
                .fields(&[Word::FromStatus, Word::Status, Word::Assignee, Word::Project], &[Word::Deadline])
        }
        ChangeKind::TaskDeadlineChanged => {
            Own::new("⏰", texts::cards::TASK_CHANGED_DEADLINE, texts::cards::TASK_CHANGED_DEADLINE_NOTIFICATION)
                .fields(&[Word::FromDeadline, Word::Deadline, Word::Assignee], &[Word::Project])
        }
        ChangeKind::TaskCommented => Own {
            body: Some(Word::Text),
            more: &[Word::Project, Word::Deadline],
            ..Own::new("💬", texts::cards::TASK_COMMENTED, texts::cards::TASK_COMMENTED_NOTIFICATION)
        },
        ChangeKind::CallMissed => Own::new("📵", texts::cards::CALL_MISSED, texts::cards::CALL_MISSED)
            .fields(&[Word::Time, Word::Deal, Word::Responsible, Word::Callback], &[Word::Client, Word::Reason]),
        ChangeKind::CallEnded => Own::new("📞", texts::cards::CALL_ENDED, texts::cards::CALL_ENDED).facts(Noun::Call),
        ChangeKind::CallRecorded => Own::new("🎙️", texts::cards::CALL_RECORDED, texts::cards::CALL_RECORDED)
            .fields(&[Word::Recording, Word::Duration], &[Word::Responsible]),
        ChangeKind::Custom(_) => Own::new("🔔", texts::cards::CUSTOM, texts::cards::CUSTOM_NOTIFICATION),
    }
}

/// Whether a stage is the end of its funnel, and which.
fn meaning(change: &Change) -> StageMeaning {
    change.state.as_item().map_or(StageMeaning::InProgress, CrmItem::stage_meaning)
}

fn moved(change: &Change, own: Own) -> Own {
    let mark = match meaning(change) {
        StageMeaning::Won => "🏆",
        StageMeaning::Lost => "❌",
        StageMeaning::InProgress => own.mark,
    };
    Own { mark, ..own }.fields(&[Word::Move, Word::Sum, Word::Responsible], CLIENT)
}

fn deal_moved(change: &Change) -> Own {
    match meaning(change) {
        StageMeaning::Won => Own::new("🏆", texts::cards::DEAL_WON, texts::cards::DEAL_WON_NOTIFICATION),
        StageMeaning::Lost => Own::new("❌", texts::cards::DEAL_LOST, texts::cards::DEAL_LOST_NOTIFICATION),
        StageMeaning::InProgress => Own::new("➡️", texts::cards::DEAL_MOVED, texts::cards::DEAL_MOVED_NOTIFICATION),
    }
}

fn changed_funnel(head: Fixed, notification: Fixed) -> Own {
    Own::new("🔀", head, notification).fields(&[Word::FunnelMove, Word::Move, Word::Sum, Word::Responsible], CLIENT)
}

fn responsible_changed() -> Own {
    Own::new("👤", texts::cards::RESPONSIBLE_CHANGED, texts::cards::RESPONSIBLE_CHANGED_NOTIFICATION)
}

fn updated() -> Own {
    Own::new("✏️", texts::cards::UPDATED, texts::cards::UPDATED_NOTIFICATION)
}

fn deleted(head: Fixed) -> Own {
    Own::new("🗑️", head, texts::cards::DELETED_NOTIFICATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use locale::Language;
    use records::record::RecordState;
    use records::words;
    use settings::template::TextTemplate;

    /// A won deal, a lost deal and any other have different cards.
    fn designs() -> Vec<(ChangeKind, Own)> {
        let kinds = ChangeKind::ALL.iter().map(|(kind, ..)| kind.clone()).chain([ChangeKind::Custom("x".into())]);
        let design = |kind: ChangeKind| {
            ["S", "F", "P"].map(|meaning| {
                let state = serde_json::json!({"id": 1, "stageSemanticId": meaning});
                let state: RecordState = serde_json::from_value(state).unwrap();
                (kind.clone(), own_design(&Change::new(kind.clone(), "deal 1", state)))
            })
        };
        kinds.flat_map(design).collect()
    }

    #[test]
    fn the_words_of_a_card_are_words_that_its_change_has() {
        for (kind, own) in designs() {
            let fields = own.fields.iter().chain(own.more).chain(&own.body);
            for word in fields {
                assert_eq!(words::problem(&kind, word.name()), None);
            }
            for language in Language::ALL {
                for text in [own.head, own.notification] {
                    let template = TextTemplate::parse(language.text(text)).unwrap();
                    assert!(template.words().count() > 0, "{kind} in {language:?}");
                    for word in template.words() {
                        assert_eq!(words::problem(&kind, word), None, "{language:?}");
                    }
                }
            }
        }
    }
}
