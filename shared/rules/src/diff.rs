//! From two states of a record to its changes.

use bitrix24::crm::StageMove;
use bitrix24::{EntityType, Item};
use jiff::Timestamp;

use crate::change::{Change, ChangeKind, Record};

/// What is known of a record before the state just read.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// The state that was last acted on.
    Known(&'a Item),
    /// Nothing: it is judged by when it was created and by its stage history, any order.
    Unseen {
        /// When the portal was connected; what happened before is not news.
        connected_at: Timestamp,
        /// Its stage history as far as it could be read.
        moves: &'a [StageMove],
    },
}

/// The changes that lead to `item`. The same state gives none, so a doubled hint changes nothing.
pub fn diff(entity: EntityType, before: Before<'_>, item: &Item) -> Vec<Change> {
    let record = Record { entity, id: item.id };
    let change = |kind, from_stage| Change { kind, record, item: item.clone(), from_stage };
    let mut changes = Vec::new();
    let from_stage = match before {
        Before::Known(known) => known.stage_id.clone(),
        Before::Unseen { connected_at, moves } => {
            let is_news = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment >= connected_at);
            if is_news(item.created_time) {
                changes.extend(created(entity).map(|kind| change(kind, None)));
            }
            stage_before(moves, is_news).or_else(|| item.stage_id.clone())
        }
    };
    let moved = from_stage.is_some() && item.stage_id.is_some() && from_stage != item.stage_id;
    if entity == EntityType::DEAL && moved {
        changes.push(change(ChangeKind::DealStageChanged, from_stage));
    }
    changes
}

fn created(entity: EntityType) -> Option<ChangeKind> {
    match entity {
        EntityType::LEAD => Some(ChangeKind::LeadCreated),
        EntityType::DEAL => Some(ChangeKind::DealCreated),
        _ => None,
    }
}

/// The stage in which the news found the record: the last move before them, or else the first of all.
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

    fn deal(stage: &str, created: &str) -> Item {
        serde_json::from_value(json!({"id": 7, "title": "Roof", "stageId": stage, "createdTime": created})).unwrap()
    }

    fn step(id: u64, stage: &str, at: &str) -> StageMove {
        serde_json::from_value(json!({"ID": id, "STAGE_ID": stage, "CREATED_TIME": at})).unwrap()
    }

    fn kinds(changes: &[Change]) -> Vec<(&'static str, Option<&str>)> {
        changes.iter().map(|change| (change.kind.name(), change.from_stage.as_deref())).collect()
    }

    const OLD: &str = "2026-01-01T00:00:00Z";
    const NEW: &str = "2026-06-02T00:00:00Z";

    fn unseen(moves: &[StageMove]) -> Before<'_> {
        Before::Unseen { connected_at: "2026-06-01T00:00:00Z".parse().unwrap(), moves }
    }

    #[test]
    fn a_move_is_a_change_and_the_same_stage_is_none() {
        let (before, after) = (deal("NEW", OLD), deal("WON", OLD));
        assert_eq!(
            kinds(&diff(EntityType::DEAL, Before::Known(&before), &after)),
            [("deal.stage_changed", Some("NEW"))]
        );
        assert!(diff(EntityType::DEAL, Before::Known(&after), &after).is_empty());
    }

    #[test]
    fn an_unseen_old_deal_that_did_not_move_is_no_news() {
        assert!(diff(EntityType::DEAL, unseen(&[]), &deal("NEW", OLD)).is_empty());
        assert!(diff(EntityType::DEAL, unseen(&[step(1, "NEW", OLD)]), &deal("NEW", OLD)).is_empty());
    }

    #[test]
    fn an_unseen_old_deal_that_moved_since_the_connection_tells_from_where() {
        let moves = [step(2, "EXECUTING", NEW), step(1, "NEW", OLD)];
        assert_eq!(
            kinds(&diff(EntityType::DEAL, unseen(&moves), &deal("EXECUTING", OLD))),
            [("deal.stage_changed", Some("NEW"))]
        );
    }

    #[test]
    fn a_new_deal_that_moved_before_it_was_read_was_created_and_moved() {
        let moves = [step(1, "NEW", NEW), step(2, "EXECUTING", NEW)];
        assert_eq!(
            kinds(&diff(EntityType::DEAL, unseen(&moves), &deal("EXECUTING", NEW))),
            [("deal.created", None), ("deal.stage_changed", Some("NEW"))]
        );
        assert_eq!(kinds(&diff(EntityType::DEAL, unseen(&[]), &deal("EXECUTING", NEW))), [("deal.created", None)]);
    }

    #[test]
    fn a_lead_that_moves_is_no_change_yet() {
        let (before, after) = (deal("NEW", OLD), deal("IN_PROCESS", OLD));
        assert!(diff(EntityType::LEAD, Before::Known(&before), &after).is_empty());
        assert_eq!(kinds(&diff(EntityType::LEAD, unseen(&[]), &deal("NEW", NEW))), [("lead.created", None)]);
    }

    proptest! {
        /// However hints are lost, doubled or late, the moves told form an unbroken chain from the first state
        /// acted on to the last.
        #[test]
        fn the_moves_told_form_a_chain(stages in prop::collection::vec("[A-D]", 1..30), seen in prop::collection::vec(any::<bool>(), 30)) {
            let mut known = deal(&stages[0], OLD);
            let mut told = vec![stages[0].clone()];
            for (stage, seen) in stages.iter().zip(seen) {
                if seen {
                    let now = deal(stage, OLD);
                    for change in diff(EntityType::DEAL, Before::Known(&known), &now) {
                        prop_assert_eq!(change.from_stage.as_ref(), told.last());
                        told.push(stage.clone());
                    }
                    known = now;
                }
            }
            prop_assert_eq!(known.stage_id.as_ref(), told.last());
        }
    }
}
