//! From two states of a record to its changes.

use bitrix24::crm::StageMove;
use bitrix24::{CrmItem, EntityType, Task};
use jiff::Timestamp;
use serde_json::Value;

use crate::change::{Change, ChangeKind, Verb};
use crate::record::{Record, RecordState};

/// The field that an update of a task names if none of the fields that we read changed.
pub const OTHER: &str = "other";

/// What is known of a record before the state just read.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// The state that was last acted on.
    Known(&'a RecordState),
    /// Nothing: it is judged by when it was created and by its stage history, in any order.
    Unseen {
        /// From when on it is watched; what happened before is not news.
        since: Timestamp,
        /// Its stage history as far as it could be read.
        moves: &'a [StageMove],
    },
}

/// The changes that lead to `state`. The same state gives none, so a doubled hint changes nothing.
pub fn diff(record: Record, before: Before<'_>, state: &RecordState) -> Vec<Change> {
    let kinds = match (record, state) {
        (Record::Item { entity, .. }, RecordState::Item(item)) => item_changes(entity, before, item),
        (Record::Task(_), RecordState::Task { task }) => task_changes(before, task),
        _ => Vec::new(),
    };
    let known = match before {
        Before::Known(known) => Some(known.clone()),
        Before::Unseen { .. } => None,
    };
    let change = |found: Found| Change {
        before: known.clone(),
        from_stage: found.from_stage,
        fields: found.fields,
        ..Change::new(found.kind, record, state.clone())
    };
    kinds.into_iter().map(change).collect()
}

/// The change of a deleted record, with its last known state.
pub fn deleted(record: Record, last: &RecordState) -> Option<Change> {
    let kind = match record {
        Record::Item { entity, .. } => ChangeKind::of(entity.into(), Verb::Deleted)?,
        Record::Task(_) => ChangeKind::TaskDeleted,
    };
    Some(Change { before: Some(last.clone()), ..Change::new(kind, record, last.clone()) })
}

struct Found {
    kind: ChangeKind,
    from_stage: Option<String>,
    fields: Vec<String>,
}

impl From<ChangeKind> for Found {
    fn from(kind: ChangeKind) -> Self {
        Self { kind, from_stage: None, fields: Vec::new() }
    }
}

fn item_changes(entity: EntityType, before: Before<'_>, item: &CrmItem) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |verb: Verb, from_stage: Option<String>, fields: Vec<String>| {
        found.extend(ChangeKind::of(entity.into(), verb).map(|kind| Found { kind, from_stage, fields }));
    };
    let known = match before {
        Before::Known(RecordState::Item(known)) => known,
        Before::Known(_) => return found,
        Before::Unseen { since, moves } => {
            let is_news = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment >= since);
            if is_news(item.created_time) {
                add(Verb::Created, None, Vec::new());
            }
            let from_stage = stage_before(moves, is_news).filter(|from| Some(from) != item.stage_id.as_ref());
            if entity.has_stages() && item.stage_id.is_some() && from_stage.is_some() {
                add(Verb::StageChanged, from_stage, Vec::new());
            }
            return found;
        }
    };
    let has_both = |a: &Option<u64>, b: &Option<u64>| a.is_some() && b.is_some();
    if entity.has_stages() && item.stage_id.is_some() && known.stage_id != item.stage_id {
        let other_funnel = has_both(&known.category_id, &item.category_id) && known.category_id != item.category_id;
        // A lead has one funnel; others show a move between funnels by that alone.
        let verb = if other_funnel && entity != EntityType::LEAD { Verb::FunnelChanged } else { Verb::StageChanged };
        add(verb, known.stage_id.clone(), Vec::new());
    }
    if known.assigned_by_id != item.assigned_by_id && item.assigned_by_id.is_some() {
        add(Verb::ResponsibleChanged, None, Vec::new());
    }
    let fields = updated_fields(known, item);
    if !fields.is_empty() {
        add(Verb::Updated, None, fields);
    }
    found
}

/// The fields whose changes have no name of their own.
fn updated_fields(known: &CrmItem, item: &CrmItem) -> Vec<String> {
    let none = |id: Option<u64>| id.filter(|id| *id != 0);
    let sum = |item: &CrmItem| item.opportunity.as_deref().and_then(|sum| sum.parse::<f64>().ok()).map(f64::to_bits);
    let mut fields = Vec::new();
    let mut compare = |name: &str, same: bool| {
        if !same {
            fields.push(name.to_owned());
        }
    };
    compare("title", known.title == item.title);
    compare("name", known.name == item.name);
    compare("lastName", known.last_name == item.last_name);
    compare("opportunity", sum(known) == sum(item));
    compare("currencyId", known.currency_id == item.currency_id);
    compare("sourceId", known.source_id == item.source_id);
    compare("companyId", none(known.company_id) == none(item.company_id));
    compare("contactId", none(known.contact_id) == none(item.contact_id));
    fields.extend(updated_customs(&known.more, &item.more));
    fields
}

/// Custom fields that were known before and differ now. One that was not selected before has no earlier value.
fn updated_customs<'a>(
    known: &'a serde_json::Map<String, Value>,
    now: &'a serde_json::Map<String, Value>,
) -> impl Iterator<Item = String> + 'a {
    let custom = now.iter().filter(|(name, _)| name.starts_with("uf"));
    custom.filter(|(name, value)| known.get(*name).is_some_and(|old| old != *value)).map(|(name, _)| name.clone())
}

fn task_changes(before: Before<'_>, task: &Task) -> Vec<Found> {
    let known = match before {
        Before::Known(RecordState::Task { task }) => task,
        Before::Known(_) => return Vec::new(),
        Before::Unseen { since, .. } => {
            let is_news = task.created_date.is_some_and(|created| created >= since);
            return if is_news { vec![ChangeKind::TaskCreated.into()] } else { Vec::new() };
        }
    };
    let mut found: Vec<Found> = Vec::new();
    if known.status != task.status {
        found.push(ChangeKind::TaskStatusChanged.into());
    }
    if known.responsible_id != task.responsible_id {
        found.push(ChangeKind::TaskResponsibleChanged.into());
    }
    if known.deadline != task.deadline {
        found.push(ChangeKind::TaskDeadlineChanged.into());
    }
    let mut fields = Vec::new();
    for (name, same) in [
        ("title", known.title == task.title),
        ("priority", known.priority == task.priority),
        ("groupId", known.project() == task.project()),
    ] {
        if !same {
            fields.push(name.to_owned());
        }
    }
    fields.extend(updated_customs(&known.more, &task.more));
    if found.is_empty() && fields.is_empty() && known.changed_date < task.changed_date {
        // Its checklist or its description was saved, and no field that we read differs.
        fields.push(OTHER.into());
    }
    if !fields.is_empty() {
        found.push(Found { fields, ..ChangeKind::TaskUpdated.into() });
    }
    found
}

/// The stage of the record before the news: the last move before it, or else the first of all.
fn stage_before(moves: &[StageMove], is_news: impl Fn(Option<Timestamp>) -> bool) -> Option<String> {
    let mut in_order: Vec<_> = moves.iter().collect();
    in_order.sort_by_key(|step| step.id);
    let old = in_order.iter().rev().find(|step| !is_news(step.created_time));
    old.or(in_order.first()).and_then(|step| step.stage_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn deal(stage: &str, created: &str) -> RecordState {
        serde_json::from_value(json!({"id": 7, "title": "Roof", "stageId": stage, "createdTime": created})).unwrap()
    }

    fn state(fields: Value) -> RecordState {
        serde_json::from_value(fields).unwrap()
    }

    fn step(id: u64, stage: &str, at: &str) -> StageMove {
        serde_json::from_value(json!({"ID": id, "STAGE_ID": stage, "CREATED_TIME": at})).unwrap()
    }

    fn changes(entity: EntityType, before: Before<'_>, state: &RecordState) -> Vec<Change> {
        diff(Record::item(entity, 7), before, state)
    }

    fn kinds(changes: &[Change]) -> Vec<(String, Option<&str>)> {
        changes.iter().map(|change| (change.kind.name(), change.from_stage.as_deref())).collect()
    }

    fn named<'a>(kinds: &[(&str, Option<&'a str>)]) -> Vec<(String, Option<&'a str>)> {
        kinds.iter().map(|(name, from)| ((*name).to_owned(), *from)).collect()
    }

    const OLD: &str = "2026-01-01T00:00:00Z";
    const NEW: &str = "2026-06-02T00:00:00Z";

    fn unseen(moves: &[StageMove]) -> Before<'_> {
        Before::Unseen { since: "2026-06-01T00:00:00Z".parse().unwrap(), moves }
    }

    #[test]
    fn a_move_is_a_change_and_the_same_stage_is_none() {
        let (before, after) = (deal("NEW", OLD), deal("WON", OLD));
        assert_eq!(
            kinds(&changes(EntityType::DEAL, Before::Known(&before), &after)),
            named(&[("deal.stage_changed", Some("NEW"))])
        );
        assert!(changes(EntityType::DEAL, Before::Known(&after), &after).is_empty());
    }

    #[test]
    fn a_move_to_another_funnel_is_one_change_and_no_stage_change_besides() {
        let before = state(json!({"id": 7, "stageId": "NEW", "categoryId": 0}));
        let after = state(json!({"id": 7, "stageId": "C1:NEW", "categoryId": 1}));
        let found = changes(EntityType::DEAL, Before::Known(&before), &after);
        assert_eq!(kinds(&found), named(&[("deal.funnel_changed", Some("NEW"))]));
    }

    #[test]
    fn an_unseen_old_deal_that_did_not_move_is_no_news() {
        assert!(changes(EntityType::DEAL, unseen(&[]), &deal("NEW", OLD)).is_empty());
        assert!(changes(EntityType::DEAL, unseen(&[step(1, "NEW", OLD)]), &deal("NEW", OLD)).is_empty());
    }

    #[test]
    fn an_unseen_old_deal_that_moved_since_the_connection_tells_from_where() {
        let moves = [step(2, "EXECUTING", NEW), step(1, "NEW", OLD)];
        assert_eq!(
            kinds(&changes(EntityType::DEAL, unseen(&moves), &deal("EXECUTING", OLD))),
            named(&[("deal.stage_changed", Some("NEW"))])
        );
    }

    #[test]
    fn a_new_deal_that_moved_before_it_was_read_was_created_and_moved() {
        let moves = [step(1, "NEW", NEW), step(2, "EXECUTING", NEW)];
        assert_eq!(
            kinds(&changes(EntityType::DEAL, unseen(&moves), &deal("EXECUTING", NEW))),
            named(&[("deal.created", None), ("deal.stage_changed", Some("NEW"))])
        );
        assert_eq!(
            kinds(&changes(EntityType::DEAL, unseen(&[]), &deal("EXECUTING", NEW))),
            named(&[("deal.created", None)])
        );
    }

    #[test]
    fn the_way_a_number_or_nothing_is_written_is_no_change() {
        let before = state(json!({"id": 7, "opportunity": "100.00", "companyId": 0, "contactId": null}));
        let after = state(json!({"id": 7, "opportunity": 100, "companyId": null, "contactId": "0"}));
        assert!(changes(EntityType::DEAL, Before::Known(&before), &after).is_empty());
    }

    #[test]
    fn an_update_names_its_fields_and_a_field_not_read_before_is_none() {
        let before = state(json!({"id": 7, "title": "Roof", "assignedById": 1, "ufCrm_1": "a"}));
        let after = state(json!({"id": 7, "title": "Wall", "assignedById": 2, "ufCrm_1": "b", "ufCrm_2": "new"}));
        let found = changes(EntityType::LEAD, Before::Known(&before), &after);
        assert_eq!(kinds(&found), named(&[("lead.responsible_changed", None), ("lead.updated", None)]));
        assert_eq!(found[1].fields, ["title", "ufCrm_1"]);
    }

    #[test]
    fn a_contact_has_no_stages_and_a_smart_process_is_an_item() {
        let before = state(json!({"id": 7, "name": "Ann"}));
        let after = state(json!({"id": 7, "name": "Anne", "stageId": "X"}));
        assert_eq!(
            kinds(&changes(EntityType::CONTACT, Before::Known(&before), &after)),
            named(&[("contact.updated", None)])
        );
        let (before, after) = (deal("DT1220_30:NEW", OLD), deal("DT1220_30:WON", OLD));
        let found = changes(EntityType(1220), Before::Known(&before), &after);
        assert_eq!(kinds(&found), named(&[("item.stage_changed", Some("DT1220_30:NEW"))]));
        assert_eq!(found[0].about, Record::item(EntityType(1220), 7).into());
    }

    #[test]
    fn a_task_tells_status_deadline_and_hands() {
        let task = |status: &str, deadline: &str, responsible: &str| {
            state(json!({"task": {"id": 7, "status": status, "deadline": deadline, "responsibleId": responsible}}))
        };
        let found = diff(Record::Task(7), Before::Known(&task("2", "", "1")), &task("5", NEW, "2"));
        let names: Vec<_> = found.iter().map(|change| change.kind.name()).collect();
        assert_eq!(names, ["task.status_changed", "task.responsible_changed", "task.deadline_changed"]);
        assert!(diff(Record::Task(7), unseen(&[]), &task("2", "", "1")).is_empty());
    }

    #[test]
    fn a_task_that_was_saved_with_nothing_read_changed_says_so() {
        let task = |changed: &str| state(json!({"task": {"id": 7, "title": "Pack", "changedDate": changed}}));
        let found = diff(Record::Task(7), Before::Known(&task(OLD)), &task(NEW));
        assert_eq!(
            (found[0].kind.name().as_str(), found[0].fields.as_slice()),
            ("task.updated", &["other".to_owned()][..])
        );
        assert!(diff(Record::Task(7), Before::Known(&task(NEW)), &task(NEW)).is_empty());
    }

    #[test]
    fn a_record_that_is_gone_is_told_from_its_last_state() {
        let change = deleted(Record::item(EntityType::DEAL, 7), &deal("NEW", OLD)).unwrap();
        assert_eq!((change.kind.name().as_str(), change.state.title().unwrap().as_str()), ("deal.deleted", "Roof"));
    }

    proptest! {
        /// However hints are lost, doubled or late, the reported moves form an unbroken chain from the first state
        /// acted on to the last.
        #[test]
        fn the_moves_told_form_a_chain(stages in prop::collection::vec("[A-D]", 1..30), seen in prop::collection::vec(any::<bool>(), 30)) {
            let mut known = deal(&stages[0], OLD);
            let mut told = vec![stages[0].clone()];
            for (stage, seen) in stages.iter().zip(seen) {
                if seen {
                    let now = deal(stage, OLD);
                    for change in changes(EntityType::DEAL, Before::Known(&known), &now) {
                        prop_assert_eq!(change.from_stage.as_ref(), told.last());
                        told.push(stage.clone());
                    }
                    known = now;
                }
            }
            prop_assert_eq!(known.as_item().and_then(|item| item.stage_id.as_ref()), told.last());
        }
    }
}
