//! The three-way merge of a record and its page.
//!
//! Pure, field by field, by value. A base keeps what each side showed when both last agreed, not one value for both:
//! what a provider makes of a written value (a shortened text, a person without an account) is not a person's change
//! and must not be written back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use locale::{Language, Localized, texts};
use serde::{Deserialize, Serialize};

use super::cell::Cell;

pub use jobs::sync::SyncSide;
pub use settings::databases::Master;

/// A field as one side shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its value.
    pub cell: Cell,
    /// Why it cannot be written to the other side, if it cannot.
    pub cannot: Option<Localized>,
    /// What the other side gets if this is carried there, if that is more than is shown here: people without an account
    /// in Notion stay on the portal when others are added.
    pub carried: Option<Cell>,
}

impl Reading {
    /// A value that cannot be written on the other side, and why.
    pub fn refused(cell: Cell, why: impl Into<Localized>) -> Self {
        Self { cell, cannot: Some(why.into()), carried: None }
    }

    /// What the other side gets if this is carried there.
    pub fn carried(&self) -> &Cell {
        self.carried.as_ref().unwrap_or(&self.cell)
    }
}

impl From<Cell> for Reading {
    fn from(cell: Cell) -> Self {
        Self { cell, cannot: None, carried: None }
    }
}

/// A side's fields. A field that is not there is not merged: it could not be read, or its mapping pauses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides {
    pub fields: BTreeMap<String, Reading>,
    /// When the side was edited last, as exactly as it reports.
    pub edited_at: Option<Timestamp>,
}

/// What each side showed when both last agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The portal.
    #[serde(rename = "b")]
    pub bitrix24: Cell,
    /// The page, if it shows something else for the same value.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    notion: Option<Cell>,
}

impl Agreed {
    /// Of what both sides show.
    pub fn new(bitrix24: &Cell, notion: &Cell) -> Self {
        let (bitrix24, notion) = (bitrix24.kept(), notion.kept());
        let notion = (notion != bitrix24).then_some(notion);
        Self { bitrix24, notion }
    }

    /// What a side showed.
    pub fn of(&self, side: SyncSide) -> &Cell {
        match side {
            SyncSide::Bitrix24 => &self.bitrix24,
            SyncSide::Notion => self.notion.as_ref().unwrap_or(&self.bitrix24),
        }
    }
}

/// The merged state that both sides last agreed on, by field.
pub type Base = BTreeMap<String, Agreed>;

/// Which side wins, by field.
pub type Policy = BTreeMap<String, Master>;

/// Why one value won over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The settings say whose counts.
    Master,
    /// It was edited later.
    Later,
    /// Nobody can say which was later, so Bitrix24 wins.
    SameMinute,
    /// The field is synced in one direction only.
    OneWay,
    /// The other value cannot be written here.
    OtherCannotBeWritten,
    /// A person chose it.
    Chosen,
    /// Both had a value when they were linked, and the settings say which wins then.
    First,
}

impl Why {
    pub fn words(self, language: Language) -> &'static str {
        language.text(match self {
            Self::Master => texts::sync::USED_BY_SETTINGS,
            Self::Later => texts::sync::USED_AS_LATER,
            Self::SameMinute => texts::sync::USED_IN_SAME_MINUTE,
            Self::OneWay => texts::sync::USED_AS_ONE_WAY,
            Self::OtherCannotBeWritten => texts::sync::USED_AS_OTHER_CANNOT_BE_WRITTEN,
            Self::Chosen => texts::sync::USED_BY_CHOICE,
            Self::First => texts::sync::USED_WHEN_LINKED,
        })
    }
}

/// Two values for one field, one of which was overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub field: String,
    /// What the portal had.
    pub bitrix24: Cell,
    /// What the page had.
    pub notion: Cell,
    /// The side whose value both have now.
    pub winner: SyncSide,
    pub why: Why,
}

impl Conflict {
    /// The value that was overwritten.
    pub fn lost(&self) -> &Cell {
        match self.winner {
            SyncSide::Bitrix24 => &self.notion,
            SyncSide::Notion => &self.bitrix24,
        }
    }
}

/// A value that cannot be carried over. Both sides stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    pub field: String,
    /// The side whose value it is.
    pub of: SyncSide,
    /// Why, with the fix.
    pub why: Localized,
}

/// The result of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The values to write to the portal.
    pub to_bitrix24: BTreeMap<String, Cell>,
    /// The values to write to the page.
    pub to_notion: BTreeMap<String, Cell>,
    /// The fields that agree without being written.
    pub agreed: Base,
    /// What was decided against a person's edit.
    pub conflicts: Vec<Conflict>,
    /// What cannot be carried over.
    pub stuck: Vec<Stuck>,
}

impl Merged {
    /// Whether neither side has to be written.
    pub fn is_quiet(&self) -> bool {
        self.to_bitrix24.is_empty() && self.to_notion.is_empty()
    }

    /// Applies a write to a side.
    fn carry(&mut self, to: SyncSide, field: &str, cell: &Cell) {
        let writes = match to {
            SyncSide::Bitrix24 => &mut self.to_bitrix24,
            SyncSide::Notion => &mut self.to_notion,
        };
        writes.insert(field.to_owned(), cell.clone());
    }
}

/// Merges what both sides show with what they last agreed on.
pub fn merge(base: &Base, bitrix24: &Sides, notion: &Sides, policy: &Policy) -> Merged {
    let mut merged = Merged::default();
    for (field, b) in &bitrix24.fields {
        let Some(n) = notion.fields.get(field) else { continue };
        let one = One {
            field,
            b,
            n,
            master: policy.get(field).copied().unwrap_or_default(),
            edited_at: (bitrix24.edited_at, notion.edited_at),
        };
        one.merge(base.get(field), &mut merged);
    }
    merged
}

/// A write that is about to be made. It is stored first, so that a worker that finds it after a crash does not mistake
/// our own write for a person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub field: String,
    pub to: SyncSide,
    pub cell: Cell,
    /// What the other side showed.
    pub other: Cell,
}

impl Merged {
    /// The writes that are about to be made.
    pub fn intents(&self, bitrix24: &Sides, notion: &Sides) -> Vec<Intent> {
        let intent = |to: SyncSide, field: &String, cell: &Cell| {
            let other = match to {
                SyncSide::Bitrix24 => notion,
                SyncSide::Notion => bitrix24,
            };
            let other = other.fields.get(field).map(|reading| reading.cell.kept()).unwrap_or_default();
            Intent { field: field.clone(), to, cell: cell.kept(), other }
        };
        let to_bitrix24 = self.to_bitrix24.iter().map(|(field, cell)| intent(SyncSide::Bitrix24, field, cell));
        to_bitrix24.chain(self.to_notion.iter().map(|(field, cell)| intent(SyncSide::Notion, field, cell))).collect()
    }
}

/// Takes into the base what a worker wrote that crashed before it recorded so: a side that shows what was to be written
/// there was written by us, and what the other side showed then is what it agreed with.
pub fn recover(base: &mut Base, intents: &[Intent], bitrix24: &Sides, notion: &Sides) {
    for intent in intents {
        // If both sides were to be written, the merge determines what is left to do.
        if intents.iter().filter(|other| other.field == intent.field).count() > 1 {
            continue;
        }
        let side = match intent.to {
            SyncSide::Bitrix24 => bitrix24,
            SyncSide::Notion => notion,
        };
        if side.fields.get(&intent.field).is_some_and(|reading| reading.cell.is(&intent.cell)) {
            let agreed = match intent.to {
                SyncSide::Bitrix24 => Agreed::new(&intent.cell, &intent.other),
                SyncSide::Notion => Agreed::new(&intent.other, &intent.cell),
            };
            base.insert(intent.field.clone(), agreed);
        }
    }
}

/// One field.
struct One<'a> {
    field: &'a str,
    b: &'a Reading,
    n: &'a Reading,
    master: Master,
    edited_at: (Option<Timestamp>, Option<Timestamp>),
}

impl One<'_> {
    fn merge(&self, base: Option<&Agreed>, merged: &mut Merged) {
        match base.and_then(|base| with_unshown(base, self.b, self.n)) {
            Some(n) => One { n: &n, ..*self }.settle(base, merged),
            None => self.settle(base, merged),
        }
    }

    fn settle(&self, base: Option<&Agreed>, merged: &mut Merged) {
        let (b, n) = (&self.b.cell, &self.n.cell);
        let changed = match base {
            Some(base) => (!b.is(base.of(SyncSide::Bitrix24)), !n.is(base.of(SyncSide::Notion))),
            // Seen together for the first time: an empty side does not count.
            None => (!b.is_empty(), !n.is_empty()),
        };
        // What the page cannot show yet is not agreed, or nobody would check it again.
        if let (true, false, Some(why)) = (b != n, changed.1, &self.b.cannot) {
            merged.stuck.push(Stuck { field: self.field.to_owned(), of: SyncSide::Bitrix24, why: why.clone() });
            return;
        }
        if b == n || self.n.carried() == b || self.b.carried() == n {
            let agreed = Agreed::new(b, n);
            if base != Some(&agreed) {
                merged.agreed.insert(self.field.to_owned(), agreed);
            }
            return;
        }
        match changed {
            (false, false) => {
                if base.is_none() {
                    merged.agreed.insert(self.field.to_owned(), Agreed::new(b, n));
                }
            }
            (true, false) => self.one_changed(SyncSide::Bitrix24, merged),
            (false, true) => self.one_changed(SyncSide::Notion, merged),
            (true, true) => match base.and_then(|base| united(base.of(SyncSide::Bitrix24), b, n)) {
                Some(both) if !self.is_one_way() => self.unite(&both, merged),
                _ => self.both_changed(merged),
            },
        }
    }

    fn is_one_way(&self) -> bool {
        matches!(self.master, Master::Bitrix24Only | Master::NotionOnly)
    }

    fn reading(&self, side: SyncSide) -> &Reading {
        match side {
            SyncSide::Bitrix24 => self.b,
            SyncSide::Notion => self.n,
        }
    }

    fn one_changed(&self, side: SyncSide, merged: &mut Merged) {
        let against = match self.master {
            Master::Bitrix24Only => side == SyncSide::Notion,
            Master::NotionOnly => side == SyncSide::Bitrix24,
            _ => false,
        };
        if against {
            // It is put back; what was written is kept in the log.
            self.decide(side.other(), Why::OneWay, merged);
        } else {
            self.carry_or_say(side, merged);
        }
    }

    fn carry_or_say(&self, from: SyncSide, merged: &mut Merged) -> bool {
        let reading = self.reading(from);
        match &reading.cannot {
            Some(why) => {
                merged.stuck.push(Stuck { field: self.field.to_owned(), of: from, why: why.clone() });
                false
            }
            None => {
                merged.carry(from.other(), self.field, reading.carried());
                true
            }
        }
    }

    fn unite(&self, both: &Cell, merged: &mut Merged) {
        for side in [SyncSide::Bitrix24, SyncSide::Notion] {
            if let (SyncSide::Notion, Some(why)) = (side, &self.b.cannot) {
                merged.stuck.push(Stuck { field: self.field.to_owned(), of: SyncSide::Bitrix24, why: why.clone() });
                continue;
            }
            if self.reading(side).cell != *both {
                // A part of it may not be expressible on the other side; the rest is.
                merged.carry(side, self.field, both);
            }
        }
    }

    fn both_changed(&self, merged: &mut Merged) {
        let (winner, why) = match self.master {
            Master::Bitrix24 => (SyncSide::Bitrix24, Why::Master),
            Master::Notion => (SyncSide::Notion, Why::Master),
            Master::Bitrix24Only => (SyncSide::Bitrix24, Why::OneWay),
            Master::NotionOnly => (SyncSide::Notion, Why::OneWay),
            Master::LastWriteWins => match self.edited_at {
                (Some(b), Some(n)) if n > b => (SyncSide::Notion, Why::Later),
                (Some(b), Some(n)) if b > n => (SyncSide::Bitrix24, Why::Later),
                _ => (SyncSide::Bitrix24, Why::SameMinute),
            },
        };
        let cannot = |side: SyncSide| self.reading(side).cannot.is_some();
        if cannot(winner) && !cannot(winner.other()) && !self.is_one_way() {
            self.decide(winner.other(), Why::OtherCannotBeWritten, merged);
        } else {
            self.decide(winner, why, merged);
        }
    }

    fn decide(&self, winner: SyncSide, why: Why, merged: &mut Merged) {
        if self.carry_or_say(winner, merged) {
            merged.conflicts.push(Conflict {
                field: self.field.to_owned(),
                bitrix24: self.b.cell.clone(),
                notion: self.n.cell.clone(),
                winner,
                why,
            });
        }
    }
}

/// The page's people or records, and those that it did not show when both sides agreed, and still does not show: nobody
/// removed those, even if the page could show them by now.
fn with_unshown(base: &Agreed, b: &Reading, n: &Reading) -> Option<Reading> {
    fn added<T: Ord + Copy>(
        (was, shown): (&BTreeSet<T>, &BTreeSet<T>),
        b: &BTreeSet<T>,
        n: &BTreeSet<T>,
    ) -> Option<BTreeSet<T>> {
        let unshown: BTreeSet<T> = was.iter().filter(|one| !shown.contains(one) && b.contains(one)).copied().collect();
        // A field that holds one is replaced as a whole.
        (was.len() > 1 && !unshown.is_subset(n)).then(|| n.union(&unshown).copied().collect())
    }
    let none = BTreeSet::new();
    let carried = match (base.of(SyncSide::Bitrix24), base.of(SyncSide::Notion), &b.cell, n.carried()) {
        (Cell::Users(was), Cell::Users(shown), Cell::Users(b), Cell::Users(n)) => {
            Cell::Users(added((was, shown), b, n)?)
        }
        (Cell::Users(was), Cell::Empty, Cell::Users(b), Cell::Users(n)) => {
            Cell::Users(added((was, &BTreeSet::new()), b, n)?)
        }
        (Cell::Records(was), Cell::Records(shown), Cell::Records(b), Cell::Records(n)) => {
            Cell::Records(added((was, shown), b, n)?)
        }
        (Cell::Records(was), Cell::Empty, Cell::Records(b), Cell::Records(n)) => {
            Cell::Records(added((was, &none), b, n)?)
        }
        _ => return None,
    };
    Some(Reading { carried: Some(carried), ..n.clone() })
}

/// The union of two sets that changed on both sides: what either added, without what either removed. So sets never
/// conflict.
fn united(base: &Cell, b: &Cell, n: &Cell) -> Option<Cell> {
    fn three<T: Ord + Clone>(base: &BTreeSet<T>, b: &BTreeSet<T>, n: &BTreeSet<T>) -> BTreeSet<T> {
        let kept = base.iter().filter(|one| b.contains(one) && n.contains(one));
        let added = b.union(n).filter(|one| !base.contains(one));
        kept.chain(added).cloned().collect()
    }
    let codes = |cell: &Cell| match cell {
        Cell::Options(codes) => Some(codes.clone()),
        Cell::Empty => Some(BTreeSet::new()),
        _ => None,
    };
    if [base, b, n].iter().any(|cell| matches!(cell, Cell::Options(_))) {
        return Some(Cell::options(three(&codes(base)?, &codes(b)?, &codes(n)?)));
    }
    None
}

#[cfg(test)]
mod tests;
