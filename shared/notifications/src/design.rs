//! How the card of each change looks by itself: its mark, its headline in each language, its fields.

use locale::language::Language;
use records::change::{Change, ChangeKind, Noun};

/// What a card shows when its route says nothing.
pub(crate) struct Own {
    /// What stands before the headline.
    pub(crate) mark: &'static str,
    /// The headline.
    pub(crate) head: &'static str,
    /// What a notification says.
    pub(crate) text: &'static str,
    /// A text of its own.
    pub(crate) body: Option<&'static str>,
    /// The fields.
    pub(crate) fields: &'static [&'static str],
    /// Those of the full density besides.
    pub(crate) more: &'static [&'static str],
}

pub(crate) fn own_design(change: &Change, language: Language) -> Own {
    let own = |mark, head, text, fields, more| Own { mark, head, text, body: None, fields, more };
    let (en, ru) = texts(change);
    let (head, text) = match language {
        Language::En => en,
        Language::Ru => ru,
    };
    let name = change.kind.name();
    let verb = name.split_once('.').map(|(_, verb)| verb).unwrap_or_default();
    let client: &[&str] = &["client", "source", "created"];
    match (change.kind.noun(), verb) {
        (Noun::Staged, "created") if name.starts_with("lead") => {
            own("🆕", head, text, &["source", "responsible"], &["sum", "client", "stage"])
        }
        (Noun::Staged, "created") => own("🆕", head, text, &["sum", "stage", "responsible"], client),
        (Noun::Staged, "stage_changed") => own(stage_mark(change), head, text, &["move", "sum", "responsible"], client),
        (Noun::Staged, "funnel_changed") => {
            own("🔀", head, text, &["funnel_move", "move", "sum", "responsible"], client)
        }
        (_, "responsible_changed") if change.kind.noun() == Noun::Task => {
            own("👤", head, text, &["assignee", "previous_responsible", "deadline", "project"], &["creator"])
        }
        (_, "responsible_changed") => own("👤", head, text, &["responsible", "previous_responsible"], &["created"]),
        (Noun::Staged, "updated") => own("✏️", head, text, &["changed_fields", "sum", "responsible"], client),
        (Noun::Staged, "deleted") => own("🗑️", head, text, &["sum", "stage", "responsible"], client),
        (Noun::Client, "updated") => own("✏️", head, text, &["changed_fields", "responsible"], &["created"]),
        (Noun::Client, "deleted") => own("🗑️", head, text, &["responsible"], &["created"]),
        (Noun::Client, _) => own("🆕", head, text, &["responsible"], &["source", "creator"]),
        (Noun::Task, "created") => own("📝", head, text, &["deadline", "assignee", "project"], &["creator", "status"]),
        (Noun::Task, "status_changed") => {
            own("☑️", head, text, &["from_status", "status", "assignee", "project"], &["deadline"])
        }
        (Noun::Task, "deadline_changed") => {
            own("⏰", head, text, &["from_deadline", "deadline", "assignee"], &["project"])
        }
        (Noun::Task, "commented") => {
            Own { body: Some("{text}"), ..own("💬", head, text, &[], &["project", "deadline"]) }
        }
        (Noun::Task, "deleted") => own("🗑️", head, text, &["assignee", "project"], &["creator"]),
        (Noun::Task, _) => own("✏️", head, text, &["changed_fields", "assignee", "project"], &["deadline"]),
        (Noun::Call, "missed") => {
            own("📵", head, text, &["time", "deal", "responsible", "callback"], &["client", "reason"])
        }
        (Noun::Call, "recorded") => own("🎙️", head, text, &["recording", "duration"], &["responsible"]),
        (Noun::Call, _) => own("📞", head, text, &["time", "duration", "deal", "responsible"], &["client", "reason"]),
        _ => own("🔔", head, text, &[], &[]),
    }
}

fn stage_mark(change: &Change) -> &'static str {
    match change.state.as_item().and_then(|item| item.stage_semantic_id.as_deref()) {
        Some("S") => "🏆",
        Some("F") => "❌",
        _ => "➡️",
    }
}

type Texts = (&'static str, &'static str);

/// Headline and notification, in both languages.
fn texts(change: &Change) -> (Texts, Texts) {
    let meaning = change.state.as_item().and_then(|item| item.stage_semantic_id.as_deref());
    match &change.kind {
        ChangeKind::LeadCreated => {
            (("New lead {link}", "New lead: {title}"), ("Новый лид {link}", "Новый лид: {title}"))
        }
        ChangeKind::DealCreated => {
            (("New deal {link}", "New deal: {title}"), ("Новая сделка {link}", "Новая сделка: {title}"))
        }
        ChangeKind::ContactCreated => {
            (("New contact {link}", "New contact: {title}"), ("Новый контакт {link}", "Новый контакт: {title}"))
        }
        ChangeKind::CompanyCreated => {
            (("New company {link}", "New company: {title}"), ("Новая компания {link}", "Новая компания: {title}"))
        }
        ChangeKind::ItemCreated => {
            (("New item {link}", "New item: {title}"), ("Новый элемент {link}", "Новый элемент: {title}"))
        }
        ChangeKind::DealStageChanged => match meaning {
            Some("S") => (
                ("Deal won {link}", "Deal won {title}: {from_stage} → {stage}"),
                ("Сделка выиграна {link}", "Сделка выиграна {title}: {from_stage} → {stage}"),
            ),
            Some("F") => (
                ("Deal lost {link}", "Deal lost {title}: {from_stage} → {stage}"),
                ("Сделка проиграна {link}", "Сделка проиграна {title}: {from_stage} → {stage}"),
            ),
            _ => (
                ("Deal {link}", "Deal {title}: {from_stage} → {stage}"),
                ("Сделка {link}", "Сделка {title}: {from_stage} → {stage}"),
            ),
        },
        ChangeKind::LeadStageChanged => (
            ("Lead {link}", "Lead {title}: {from_stage} → {stage}"),
            ("Лид {link}", "Лид {title}: {from_stage} → {stage}"),
        ),
        ChangeKind::ItemStageChanged => (
            ("Item {link}", "Item {title}: {from_stage} → {stage}"),
            ("Элемент {link}", "Элемент {title}: {from_stage} → {stage}"),
        ),
        ChangeKind::DealFunnelChanged => (
            ("Deal {link} moved to another funnel", "Deal {title}: {from_funnel} → {funnel}, {stage}"),
            ("Сделка {link} перешла в другую воронку", "Сделка {title}: {from_funnel} → {funnel}, {stage}"),
        ),
        ChangeKind::ItemFunnelChanged => (
            ("Item {link} moved to another funnel", "Item {title}: {from_funnel} → {funnel}, {stage}"),
            ("Элемент {link} перешёл в другую воронку", "Элемент {title}: {from_funnel} → {funnel}, {stage}"),
        ),
        ChangeKind::TaskCreated => {
            (("New task {link}", "New task: {title}"), ("Новая задача {link}", "Новая задача: {title}"))
        }
        ChangeKind::TaskStatusChanged => (
            ("Task {link}", "Task {title}: {from_status} → {status}"),
            ("Задача {link}", "Задача {title}: {from_status} → {status}"),
        ),
        ChangeKind::TaskDeadlineChanged => (
            ("New deadline of task {link}", "New deadline of {title}: {deadline}"),
            ("Новый срок задачи {link}", "Новый срок {title}: {deadline}"),
        ),
        ChangeKind::TaskCommented => (
            ("{author} commented on {link}", "{author} on {title}: {text}"),
            ("{author} о задаче {link}", "{author} о {title}: {text}"),
        ),
        ChangeKind::CallMissed => (
            ("Missed call from {phone}", "Missed call from {phone}"),
            ("Пропущенный звонок с {phone}", "Пропущенный звонок с {phone}"),
        ),
        ChangeKind::CallEnded => (("Call with {phone}", "Call with {phone}"), ("Звонок {phone}", "Звонок {phone}")),
        ChangeKind::CallRecorded => (
            ("Recording of the call with {phone}", "Recording of the call with {phone}"),
            ("Запись разговора с {phone}", "Запись разговора с {phone}"),
        ),
        ChangeKind::LeadResponsibleChanged
        | ChangeKind::DealResponsibleChanged
        | ChangeKind::ContactResponsibleChanged
        | ChangeKind::CompanyResponsibleChanged
        | ChangeKind::ItemResponsibleChanged
        | ChangeKind::TaskResponsibleChanged => (
            ("{link} is now with {responsible}", "{title} is now with {responsible}"),
            ("{link}: теперь отвечает {responsible}", "{title}: теперь отвечает {responsible}"),
        ),
        ChangeKind::LeadDeleted
        | ChangeKind::DealDeleted
        | ChangeKind::ContactDeleted
        | ChangeKind::CompanyDeleted
        | ChangeKind::ItemDeleted
        | ChangeKind::TaskDeleted => (
            ("Deleted: {title} ({type} {id})", "Deleted: {title}"),
            ("Удалено: {title} ({type} {id})", "Удалено: {title}"),
        ),
        ChangeKind::LeadUpdated
        | ChangeKind::DealUpdated
        | ChangeKind::ContactUpdated
        | ChangeKind::CompanyUpdated
        | ChangeKind::ItemUpdated
        | ChangeKind::TaskUpdated => (
            ("Changed: {link}", "Changed: {title} ({changed_fields})"),
            ("Изменено: {link}", "Изменено: {title} ({changed_fields})"),
        ),
        ChangeKind::Custom(_) => (("{type}: {link}", "{type}: {title}"), ("{type}: {link}", "{type}: {title}")),
    }
}
