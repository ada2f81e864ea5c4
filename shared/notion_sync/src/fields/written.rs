//! The outcome of a written value: what the provider shows afterwards, compared with what was wanted.
//!
//! A provider may accept a write and keep something else: it ignores a clearing, drops a value that its list lacks,
//! shortens a text. Such a value is *held*: it is neither agreed nor written again and again, and never written back.
//! It counts as a person's unfinished change until both sides agree.

use locale::{Localized, texts};
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::mapping::MappedField;
use super::merge::{Agreed, Base, Sides, Stuck, SyncSide};

/// Notion keeps this many characters of a file's name; the rest is cut before it is written.
const MAX_FILE_NAME: usize = 100;

/// A value that was written and that the other side did not keep, with what both showed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub field: String,
    /// The side whose value could not be carried over.
    pub of: SyncSide,
    /// What the portal showed.
    #[serde(rename = "b")]
    pub bitrix24: Cell,
    /// What the page showed.
    #[serde(rename = "n")]
    pub notion: Cell,
    /// Why, with the fix.
    pub why: Localized,
    /// Whether the provider refused it with an error. Then it may be written again beside other changes: what is refused
    /// changes nothing, so it cannot go round in circles.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// Which held values are written again though neither side changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// None.
    Never,
    /// Those that were refused: something else is about to be written.
    Refused,
    /// All: a person or a run asked for it.
    All,
}

impl Retry {
    fn includes(self, held: &Held) -> bool {
        self == Self::All || (self == Self::Refused && held.refused)
    }
}

impl Held {
    /// What a side showed.
    pub fn shown(&self, side: SyncSide) -> &Cell {
        match side {
            SyncSide::Bitrix24 => &self.bitrix24,
            SyncSide::Notion => &self.notion,
        }
    }

    /// As one of a link's stuck values.
    pub fn stuck(&self) -> Stuck {
        Stuck { field: self.field.clone(), of: self.of, why: self.why.clone() }
    }

    /// The base for merging the field once something is different: the side whose value waits has changed, whatever it
    /// shows now, and the other one if it shows something else than after the write.
    fn base(&self, before: Option<&Agreed>, now: &Cell) -> Agreed {
        // A digest that no text has: no value that a side can show is equal to it.
        let unlike = || Cell::Long(String::new());
        let waits = before.map(|before| before.of(self.of).clone()).filter(|before| !now.is(before));
        let waits = waits.unwrap_or_else(unlike);
        match self.of {
            SyncSide::Bitrix24 => Agreed::new(&waits, &self.notion),
            SyncSide::Notion => Agreed::new(&self.bitrix24, &waits),
        }
    }
}

/// Prepares a merge: takes the values that are still held out of both sides, and sets the base of those that are merged
/// again. Returns what stays held.
pub fn set_aside(base: &mut Base, held: &[Held], bitrix24: &mut Sides, notion: &mut Sides, retry: Retry) -> Vec<Held> {
    let mut still = Vec::new();
    for one in held {
        let cell = |sides: &Sides| sides.fields.get(&one.field).map(|reading| reading.cell.clone());
        let (Some(b), Some(n)) = (cell(bitrix24), cell(notion)) else {
            still.push(one.clone());
            continue;
        };
        if b == n {
            continue;
        }
        let is_same = b.is(&one.bitrix24) && n.is(&one.notion);
        if is_same && !retry.includes(one) {
            bitrix24.fields.remove(&one.field);
            notion.fields.remove(&one.field);
            still.push(one.clone());
            continue;
        }
        let now = match one.of {
            SyncSide::Bitrix24 => &b,
            SyncSide::Notion => &n,
        };
        let agreed = one.base(base.get(&one.field), now);
        base.insert(one.field.clone(), agreed);
    }
    still
}

/// What a side can be expected to show of a value that was written to it.
///
/// Declared differences: a blank at the end of a line is none (cells have none); an empty number and a zero, an unticked box
/// and none are the same; people without an account in Notion are not among those that the page shows; the names of files
/// end after 100 characters. `knows` says who has an account.
pub fn expected(to: SyncSide, cell: &Cell, knows: impl Fn(u64) -> bool) -> Cell {
    match (to, cell) {
        (SyncSide::Notion, Cell::Users(users)) => Cell::users(users.iter().copied().filter(|user| knows(*user))),
        (SyncSide::Notion, Cell::Files(files)) => {
            let short = |name: &String| name.chars().take(MAX_FILE_NAME).collect();
            Cell::Files(files.iter().map(|(name, url)| (short(name), url.clone())).collect())
        }
        _ => cell.clone(),
    }
}

/// Why a side that accepted a write does not show it, with the fix; `None` if it does. `before` is what it showed before the
/// write. The values themselves are not in the words, so that the reason is the same for every record that meets it.
pub fn difference(field: &MappedField, to: SyncSide, wanted: &Cell, before: &Cell, shown: &Cell) -> Option<Localized> {
    if wanted == shown || (wanted.is_empty() && shown.is_empty()) {
        return None;
    }
    let fix = match to {
        SyncSide::Bitrix24 => texts::sync::CHECK_BITRIX24,
        SyncSide::Notion => texts::sync::CHECK_NOTION,
    };
    let made: Localized = match (wanted, shown) {
        (wanted, _) if wanted.is_empty() && to == SyncSide::Notion && field.property.kind == "status" => {
            texts::sync::STATUS_NOT_CLEARED.into()
        }
        (wanted, _) if wanted.is_empty() => texts::sync::NOT_CLEARED.into(),
        (_, shown) if shown == before => texts::sync::VALUE_FROM_BEFORE.into(),
        (Cell::Text(wanted), Cell::Text(shown)) => text_difference(wanted, shown),
        (Cell::Number(wanted), Cell::Number(shown)) if rounds(wanted, shown) => texts::sync::NUMBER_ROUNDED.into(),
        (Cell::Money(wanted, own), Cell::Money(shown, other)) if own == other && rounds(wanted, shown) => {
            texts::sync::SUM_ROUNDED.into()
        }
        (Cell::Money(wanted, _), Cell::Money(shown, _)) if wanted == shown => texts::sync::OTHER_CURRENCY.into(),
        (Cell::List(wanted), Cell::List(shown)) if shown.iter().all(|one| wanted.contains(one)) => {
            values_dropped(wanted.len() - shown.len().min(wanted.len()), wanted.len())
        }
        (Cell::Options(wanted), Cell::Options(shown)) if shown.is_subset(wanted) => {
            values_dropped(wanted.difference(shown).count(), wanted.len())
        }
        (Cell::Users(wanted), Cell::Users(shown)) if shown.is_subset(wanted) => {
            let (dropped, count) = (wanted.difference(shown).count() as u64, wanted.len() as u64);
            Localized::of(|_| texts::sync::PeopleDropped { dropped, count })
        }
        (Cell::Records(wanted), Cell::Records(shown)) if shown.is_subset(wanted) => {
            let (dropped, count) = (wanted.difference(shown).count() as u64, wanted.len() as u64);
            Localized::of(|_| texts::sync::RecordsDropped { dropped, count })
        }
        (_, Cell::Empty) => texts::sync::SHOWS_NOTHING.into(),
        _ => texts::sync::SHOWS_ANOTHER_VALUE.into(),
    };
    Some(Localized::of(|language| texts::sync::NotKept {
        side: to.title(language),
        difference: made.text(language),
        fix: language.text(fix),
    }))
}

fn text_difference(wanted: &str, shown: &str) -> Localized {
    if !shown.is_empty() && wanted.starts_with(shown) {
        let count = shown.chars().count() as u64;
        return Localized::of(|_| texts::sync::TextCut { count });
    }
    if wanted.to_lowercase() == shown.to_lowercase() {
        return texts::sync::CASE_CHANGED.into();
    }
    texts::sync::SHOWS_ANOTHER_TEXT.into()
}

/// Whether one number is the other, rounded: to fewer digits after the point.
fn rounds(wanted: &str, shown: &str) -> bool {
    let digits = |number: &str| number.split_once('.').map_or(0, |(_, digits)| digits.len());
    let value = |number: &str| number.parse::<f64>().unwrap_or(f64::NAN);
    digits(shown) < digits(wanted) && (value(wanted) - value(shown)).abs() <= 1.0
}

fn values_dropped(dropped: usize, count: usize) -> Localized {
    Localized::of(|_| texts::sync::ValuesDropped { dropped: dropped as u64, count: count as u64 })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fields::{Fit, Policy, PortalField, Reading, merge};
    use settings::databases::FieldSetting;
    use settings::databases::Master;

    fn field(property: &str) -> MappedField {
        let described = json!({"id": "x", "name": "Text", "type": property});
        let portal = PortalField::read("ufCrm_1", &json!({"type": "string"})).unwrap();
        MappedField {
            portal,
            property: serde_json::from_value(described).unwrap(),
            setting: FieldSetting::new("ufCrm_1", "Text"),
            fit: Fit::TwoWay,
            unmapped: None,
            options: std::collections::BTreeMap::new(),
        }
    }

    fn text(text: &str) -> Cell {
        Cell::text(text)
    }

    fn side(cell: &Cell) -> Sides {
        Sides { fields: BTreeMap::from([("f".to_owned(), Reading::from(cell.clone()))]), edited_at: None }
    }

    #[test]
    fn what_a_provider_made_of_a_value_is_named() {
        let field = field("rich_text");
        let why = |wanted: Cell, before: Cell, shown: Cell| {
            let why = difference(&field, SyncSide::Bitrix24, &wanted, &before, &shown);
            why.map(|why| why.to_string().split(". ").next().unwrap().replace("Bitrix24 accepted the change but ", ""))
        };
        let money = |sum: &str, currency: &str| Cell::Money(sum.into(), currency.into());
        let options = |codes: &[&str]| Cell::options(codes.iter().map(|code| (*code).to_owned()));
        for (wanted, before, shown, said) in [
            (text("a"), Cell::Empty, text("a"), None),
            (Cell::Empty, text("a"), Cell::Number("0".into()), None),
            (Cell::Flag(false), Cell::Flag(true), Cell::Empty, None),
            (Cell::Empty, text("a"), text("a"), Some("did not clear it")),
            (text("b"), text("a"), text("a"), Some("still shows the value from before")),
            (text("long text"), text("a"), text("long"), Some("kept only its first 4 characters")),
            (text("Ann@Example.com"), Cell::Empty, text("ann@example.com"), Some("changed upper and lower case in it")),
            (Cell::number(1.5, 2), Cell::Empty, Cell::number(2.0, 2), Some("rounded the number")),
            (Cell::number(1.5, 2), Cell::Empty, Cell::number(20.0, 2), Some("shows another value")),
            (money("1.5", "EUR"), Cell::Empty, money("2", "EUR"), Some("rounded the sum")),
            (money("1.5", "EUR"), Cell::Empty, money("1.5", "RUB"), Some("shows another currency")),
            (
                Cell::List(vec![text("a"), text("b")]),
                Cell::Empty,
                Cell::List(vec![text("b")]),
                Some("dropped 1 of the 2 values"),
            ),
            (options(&["1", "2"]), Cell::Empty, options(&["1"]), Some("dropped 1 of the 2 values")),
            (Cell::users([1, 2]), Cell::users([9]), Cell::users([2]), Some("dropped 1 of the 2 people")),
            (Cell::Option("9".into()), Cell::Option("1".into()), Cell::Empty, Some("shows nothing")),
        ] {
            assert_eq!(why(wanted, before, shown).as_deref(), said);
        }
        let status =
            difference(&super::tests::field("status"), SyncSide::Notion, &Cell::Empty, &Cell::Empty, &text("To do"));
        assert!(status.unwrap().to_string().contains("a status is never empty"));
        assert_eq!(expected(SyncSide::Notion, &Cell::users([1, 9]), |user| user == 1), Cell::users([1]));
        assert_eq!(expected(SyncSide::Bitrix24, &Cell::users([1, 9]), |user| user == 1), Cell::users([1, 9]));
    }

    /// A merge of one field with a held value.
    fn merged(
        held: &Held,
        base: Option<Agreed>,
        b: &Cell,
        n: &Cell,
        retry: Retry,
    ) -> (Vec<Held>, crate::fields::Merged) {
        let mut base: Base = base.into_iter().map(|agreed| ("f".to_owned(), agreed)).collect();
        let (mut bitrix24, mut notion) = (side(b), side(n));
        let still = set_aside(&mut base, std::slice::from_ref(held), &mut bitrix24, &mut notion, retry);
        let policy = Policy::from([("f".to_owned(), Master::LastWriteWins)]);
        (still, merge(&base, &bitrix24, &notion, &policy))
    }

    fn held(b: &Cell, n: &Cell, refused: bool) -> Held {
        Held {
            field: "f".into(),
            of: SyncSide::Notion,
            bitrix24: b.kept(),
            notion: n.kept(),
            why: Localized::data("x"),
            refused,
        }
    }

    #[test]
    fn a_held_value_stays_until_something_changes_or_somebody_asks() {
        let (b, n, old) = (text("cut"), text("cut short"), text("old"));
        let base = || Some(Agreed::new(&old, &old));
        let one = held(&b, &n, false);
        let (still, quiet) = merged(&one, base(), &b, &n, Retry::Refused);
        assert!(still.len() == 1 && quiet.is_quiet() && quiet.agreed.is_empty());
        let (_, again) = merged(&held(&b, &n, true), base(), &b, &n, Retry::Refused);
        assert_eq!(again.to_bitrix24["f"], n);
        let (still, again) = merged(&one, base(), &b, &n, Retry::All);
        assert!(still.is_empty() && again.to_bitrix24["f"] == n && again.conflicts.is_empty());
        // The person shortens it, or restores the old value: it is written, without a conflict with our own write.
        for new in [text("new"), old.clone(), Cell::Empty] {
            let (_, again) = merged(&one, base(), &b, &new, Retry::Never);
            assert_eq!((&again.to_bitrix24["f"], again.conflicts.len()), (&new, 0));
        }
        // Someone edits the portal meanwhile: a conflict with both values, never a silent loss.
        let (_, decided) = merged(&one, base(), &text("other"), &n, Retry::Never);
        assert_eq!((decided.conflicts.len(), &decided.conflicts[0].notion), (1, &n));
        // Both show the same in the end: agreed.
        let (still, agreed) = merged(&one, base(), &n, &n, Retry::Never);
        assert!(still.is_empty() && agreed.is_quiet() && agreed.agreed.contains_key("f"));
    }

    proptest! {
        /// Whatever a provider made of a value: while nobody changes anything, nothing is written, and what the person wrote
        /// is never the side that is overwritten without a line.
        #[test]
        fn nothing_goes_round_and_nothing_is_lost_in_silence(
            old in "[a-c]{0,3}", wanted in "[a-c]{0,3}", kept in "[a-c]{0,3}", b in "[a-c]{0,3}", n in "[a-c]{0,3}", refused: bool,
        ) {
            let [old, wanted, kept, b, n] = [old, wanted, kept, b, n].map(|cell| text(&cell));
            prop_assume!(wanted != kept);
            let one = held(&kept, &wanted, refused);
            let base = Some(Agreed::new(&old, &old));
            let (still, quiet) = merged(&one, base.clone(), &kept, &wanted, Retry::Never);
            prop_assert!(still.len() == 1 && quiet.is_quiet());
            let (_, later) = merged(&one, base, &b, &n, Retry::Never);
            if b != n && later.to_notion.contains_key("f") {
                prop_assert!(b != kept, "what the provider made of it does not travel back");
                prop_assert_eq!(later.conflicts.len(), 1);
            }
            prop_assert!(b == n || !later.is_quiet() || (b == kept && n == wanted), "a difference is never left unsaid");
        }
    }
}
