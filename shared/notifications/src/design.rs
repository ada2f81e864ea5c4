//! The default look of the card of each change: its mark, its texts, its fields. Settings may override it.

use locale::{Fixed, texts};
use records::change::{Change, ChangeKind};
use records::words::Word;

/// What a card shows if its route does not say. Texts have words of cards in braces.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    /// Before the headline.
    pub(crate) mark: &'static str,
    /// The headline.
    pub(crate) head: Fixed,
    /// What a notification says.
    pub(crate) notification: Fixed,
    /// A text below the headline.
    pub(crate) body: Option<Word>,
    /// The fields.
    pub(crate) fields: &'static [Word],
    /// The additional fields of full density.
    pub(crate) more: &'static [Word],
}

impl Own {
    fn new(mark: &'static str, head: Fixed, notification: Fixed) -> Self {
        Self { mark, head, notification, body: None, fields: &[], more: &[] }
    }

    fn fields(self, fields: &'static [Word], more: &'static [Word]) -> Self {
        Self { fields, more, ..self }
    }
}

/// The additional fields of leads, deals and items in full density.
const CLIENT: &[Word] = &[Word::Client, Word::Source, Word::Created];

pub(crate) fn own_design(change: &Change) -> Own {
    match &change.kind {
        ChangeKind::LeadCreated => Own::new("🆕", texts::cards::LEAD_CREATED, texts::cards::LEAD_CREATED_NOTIFICATION)
            .fields(&[Word::Source, Word::Responsible], &[Word::Sum, Word::Client, Word::Stage]),
        ChangeKind::DealCreated => Own::new("🆕", texts::cards::DEAL_CREATED, texts::cards::DEAL_CREATED_NOTIFICATION)
            .fields(&[Word::Sum, Word::Stage, Word::Responsible], CLIENT),
        ChangeKind::ItemCreated => Own::new("🆕", texts::cards::ITEM_CREATED, texts::cards::ITEM_CREATED_NOTIFICATION)
            .fields(&[Word::Sum, Word::Stage, Word::Responsible], CLIENT),
        ChangeKind::ContactCreated => {
            Own::new("🆕", texts::cards::CONTACT_CREATED, texts::cards::CONTACT_CREATED_NOTIFICATION)
                .fields(&[Word::Responsible], &[Word::Source, Word::Creator])
        }
        ChangeKind::CompanyCreated => {
            Own::new("🆕", texts::cards::COMPANY_CREATED, texts::cards::COMPANY_CREATED_NOTIFICATION)
                .fields(&[Word::Responsible], &[Word::Source, Word::Creator])
        }
        ChangeKind::TaskCreated => Own::new("📝", texts::cards::TASK_CREATED, texts::cards::TASK_CREATED_NOTIFICATION)
            .fields(&[Word::Deadline, Word::Assignee, Word::Project], &[Word::Creator, Word::Status]),
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
        ChangeKind::DealDeleted => {
            deleted(texts::cards::DEAL_DELETED).fields(&[Word::Sum, Word::Stage, Word::Responsible], CLIENT)
        }
        ChangeKind::ItemDeleted => {
            deleted(texts::cards::ITEM_DELETED).fields(&[Word::Sum, Word::Stage, Word::Responsible], CLIENT)
        }
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
        ChangeKind::CallEnded => Own::new("📞", texts::cards::CALL_ENDED, texts::cards::CALL_ENDED)
            .fields(&[Word::Time, Word::Duration, Word::Deal, Word::Responsible], &[Word::Client, Word::Reason]),
        ChangeKind::CallRecorded => Own::new("🎙️", texts::cards::CALL_RECORDED, texts::cards::CALL_RECORDED)
            .fields(&[Word::Recording, Word::Duration], &[Word::Responsible]),
        ChangeKind::Custom(_) => Own::new("🔔", texts::cards::CUSTOM, texts::cards::CUSTOM_NOTIFICATION),
    }
}

/// A stage's meaning says whether it is the end: `S` is success, `F` failure.
fn meaning(change: &Change) -> Option<&str> {
    change.state.as_item().and_then(|item| item.stage_semantic_id.as_deref())
}

fn moved(change: &Change, own: Own) -> Own {
    let mark = match meaning(change) {
        Some("S") => "🏆",
        Some("F") => "❌",
        _ => own.mark,
    };
    Own { mark, ..own }.fields(&[Word::Move, Word::Sum, Word::Responsible], CLIENT)
}

fn deal_moved(change: &Change) -> Own {
    match meaning(change) {
        Some("S") => Own::new("🏆", texts::cards::DEAL_WON, texts::cards::DEAL_WON_NOTIFICATION),
        Some("F") => Own::new("❌", texts::cards::DEAL_LOST, texts::cards::DEAL_LOST_NOTIFICATION),
        _ => Own::new("➡️", texts::cards::DEAL_MOVED, texts::cards::DEAL_MOVED_NOTIFICATION),
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
    use records::record::State;
    use records::words;
    use settings::template::Template;

    /// A won deal, a lost deal and any other have different cards.
    fn designs() -> Vec<(ChangeKind, Own)> {
        let kinds = ChangeKind::ALL.iter().map(|(kind, ..)| kind.clone()).chain([ChangeKind::Custom("x".into())]);
        let design = |kind: ChangeKind| {
            ["S", "F", "P"].map(|meaning| {
                let state = serde_json::json!({"id": 1, "stageSemanticId": meaning});
                let state: State = serde_json::from_value(state).unwrap();
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
                    let template = Template::parse(language.text(text)).unwrap();
                    assert!(template.words().count() > 0, "{kind} in {language:?}");
                    for word in template.words() {
                        assert_eq!(words::problem(&kind, word), None, "{language:?}");
                    }
                }
            }
        }
    }
}
