//! Which value counts when an existing record and an existing row are compared for the first time.

use locale::texts;
use settings::databases::First;

use super::merge::{Base, Conflict, Master, Merged, Policy, Sides, Stuck, SyncSide, Why, merge};

/// Whether a field waits because both sides had a value and nobody has decided yet.
pub fn is_undecided(stuck: &Stuck) -> bool {
    stuck.why == texts::sync::UNDECIDED.into()
}

/// Merges what both sides show. A field that both last agreed on is merged from there; for one that was never compared,
/// `first` decides, or the field's own master if that names a side. A value that only one side has is carried to the
/// other.
pub fn meet(base: &Base, bitrix24: &Sides, notion: &Sides, policy: &Policy, first: First) -> Merged {
    let mut known = bitrix24.clone();
    let mut met = Vec::new();
    for (field, b) in &bitrix24.fields {
        let Some(n) = notion.fields.get(field) else { continue };
        let master = policy.get(field).copied().unwrap_or_default();
        let is_one_way = matches!(master, Master::Bitrix24Only | Master::NotionOnly);
        let same = b.cell == n.cell || n.carried() == &b.cell || b.carried() == &n.cell;
        let differ = !same && !b.cell.is_empty() && !n.cell.is_empty();
        if !base.contains_key(field) && differ && !is_one_way {
            known.fields.remove(field);
            met.push((field, b, n, master));
        }
    }
    let mut merged = merge(base, &known, notion, policy);
    for (field, b, n, master) in met {
        let winner = match (first, master) {
            (First::Ask, _) => None,
            (_, Master::Bitrix24) => Some((SyncSide::Bitrix24, Why::Master)),
            (_, Master::Notion) => Some((SyncSide::Notion, Why::Master)),
            (First::Bitrix24, _) => Some((SyncSide::Bitrix24, Why::First)),
            (First::Notion, _) => Some((SyncSide::Notion, Why::First)),
        };
        let Some((winner, why)) = winner else {
            merged.stuck.push(Stuck { field: field.clone(), of: SyncSide::Notion, why: texts::sync::UNDECIDED.into() });
            continue;
        };
        let reading = if winner == SyncSide::Bitrix24 { b } else { n };
        if let Some(why) = &reading.cannot {
            merged.stuck.push(Stuck { field: field.clone(), of: winner, why: why.clone() });
            continue;
        }
        let writes = if winner == SyncSide::Bitrix24 { &mut merged.to_notion } else { &mut merged.to_bitrix24 };
        writes.insert(field.clone(), reading.carried().clone());
        merged.conflicts.push(Conflict {
            field: field.clone(),
            bitrix24: b.cell.clone(),
            notion: n.cell.clone(),
            winner,
            why,
        });
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Agreed, Cell, Reading};
    use proptest::prelude::*;

    fn side(cell: Cell) -> Sides {
        Sides { fields: [("sum".to_owned(), cell.into())].into(), edited_at: None }
    }

    fn sum(sum: &str) -> Cell {
        Cell::Number(sum.into())
    }

    #[test]
    fn the_declared_side_counts_and_the_other_value_is_kept_in_the_log() {
        let (b, n) = (side(sum("2222000")), side(sum("999")));
        let late = Sides { edited_at: "2026-11-21T12:00:00Z".parse().ok(), ..n.clone() };
        let merged = meet(&Base::new(), &b, &late, &Policy::new(), First::Bitrix24);
        assert_eq!((&merged.to_notion["sum"], merged.to_bitrix24.len()), (&sum("2222000"), 0));
        assert_eq!((merged.conflicts[0].lost(), merged.conflicts[0].why), (&sum("999"), Why::First));
        let merged = meet(&Base::new(), &b, &n, &Policy::new(), First::Notion);
        assert_eq!((&merged.to_bitrix24["sum"], merged.to_notion.len()), (&sum("999"), 0));
        let asked = meet(&Base::new(), &b, &n, &Policy::new(), First::Ask);
        assert!(asked.is_quiet() && asked.conflicts.is_empty() && asked.agreed.is_empty());
        assert_eq!(
            asked.stuck,
            [Stuck { field: "sum".into(), of: SyncSide::Notion, why: texts::sync::UNDECIDED.into() }]
        );
        let own = Policy::from([("sum".to_owned(), Master::Notion)]);
        assert_eq!(meet(&Base::new(), &b, &n, &own, First::Bitrix24).to_bitrix24["sum"], sum("999"));
    }

    #[test]
    fn a_value_that_cannot_be_written_stays_on_both_sides() {
        let refused = Reading::refused(Cell::text("Eva Jones"), locale::Localized::data("unclear"));
        let n = Sides { fields: [("sum".to_owned(), refused)].into(), edited_at: None };
        let merged = meet(&Base::new(), &side(Cell::text("Anna Smith")), &n, &Policy::new(), First::Notion);
        assert!(merged.is_quiet() && merged.conflicts.is_empty(), "{merged:?}");
        assert_eq!((merged.stuck[0].of, merged.stuck[0].why.to_string()), (SyncSide::Notion, "unclear".to_owned()));
    }

    #[test]
    fn what_was_compared_before_is_merged_as_always() {
        let base = Base::from([("sum".to_owned(), Agreed::new(&sum("1"), &sum("1")))]);
        let merged = meet(&base, &side(sum("1")), &side(sum("2")), &Policy::new(), First::Bitrix24);
        assert_eq!((merged.to_bitrix24["sum"].clone(), merged.conflicts.len()), (sum("2"), 0));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_without_a_line(b in "[ab]{0,2}", n in "[ab]{0,2}", first in 0usize..3) {
            let first = [First::Bitrix24, First::Notion, First::Ask][first];
            let (b, n) = (Cell::text(&b), Cell::text(&n));
            let merged = meet(&Base::new(), &side(b.clone()), &side(n.clone()), &Policy::new(), first);
            for (written, other) in [(&merged.to_bitrix24, &b), (&merged.to_notion, &n)] {
                let overwritten = written.contains_key("sum") && !other.is_empty();
                prop_assert_eq!(overwritten, overwritten && merged.conflicts.iter().any(|conflict| conflict.lost() == other));
            }
            if b.is_empty() != n.is_empty() {
                prop_assert_eq!(merged.to_bitrix24.len() + merged.to_notion.len(), 1, "what one side has goes to the other");
            }
        }
    }
}
