//! The outcome of a write: a value that the other side now shows is agreed; one that it does not show is held.

use std::collections::BTreeMap;

use clients::Failure;
use jiff::Timestamp;
use jobs::sync::SyncSide;
use locale::Localized;
use notion::NotionPage;
use records::RecordState;
use runtime::store::StoreWrite;

use crate::database::OpenedDatabase;
use crate::fields::page::Context;
use crate::fields::written::{Held, difference, expected};
use crate::fields::{Agreed, Cell, Sides, Stuck};
use crate::link::{PageLink, RecordedWrite};
use crate::work::read::BothSides;
use crate::work::{LinkWork, read};

/// Fields that were written.
pub(super) struct WrittenFields<'a> {
    pub(super) to_bitrix24: &'a BTreeMap<String, Cell>,
    pub(super) to_notion: &'a BTreeMap<String, Cell>,
    /// What both sides showed when the writes were decided.
    pub(super) before: &'a BothSides,
    /// What both show now.
    pub(super) now: &'a BothSides,
    /// What was refused with an error.
    pub(super) refused: &'a [Stuck],
    pub(super) context: &'a Context,
    pub(super) at: Timestamp,
}

impl WrittenFields<'_> {
    fn cells(&self, to: SyncSide) -> &BTreeMap<String, Cell> {
        match to {
            SyncSide::Bitrix24 => self.to_bitrix24,
            SyncSide::Notion => self.to_notion,
        }
    }

    /// What a side shows of a field: now, if it was written; else as it was when the write was decided.
    fn shown(&self, side: SyncSide, field: &str) -> Cell {
        let sides = if self.cells(side).contains_key(field) { self.now } else { self.before };
        sides.cell(side, field)
    }

    /// Why a field that was written does not show what was wanted, and whether it was refused.
    fn why(&self, opened: &OpenedDatabase, to: SyncSide, field: &str, cell: &Cell) -> Option<(Localized, bool)> {
        let is_its = |stuck: &&Stuck| stuck.field == *field && stuck.of == to.other();
        if let Some(refused) = self.refused.iter().find(is_its) {
            return Some((refused.why.clone(), true));
        }
        let mapping = opened.field(field)?;
        let wanted = expected(to, cell, |user| self.context.to_notion.contains_key(&user));
        let (before, now) = (self.before.cell(to, field), self.now.cell(to, field));
        difference(mapping, to, &wanted, &before, &now).map(|why| (why, false))
    }

    /// Takes the outcome of the writes into the link; returns the changes in words.
    pub(super) fn take_into(&self, link: &mut PageLink, opened: &OpenedDatabase) -> Vec<String> {
        let mut changes = Vec::new();
        let mut fields: Vec<&String> = self.to_bitrix24.keys().chain(self.to_notion.keys()).collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            link.held.retain(|held| held.field != *field);
            let mut trouble = None;
            for to in [SyncSide::Bitrix24, SyncSide::Notion] {
                let Some(cell) = self.cells(to).get(field) else { continue };
                let why = self.why(opened, to, field, cell);
                if why.as_ref().is_none_or(|(_, refused)| !refused) {
                    link.written.push(RecordedWrite { field: field.clone(), to, at: self.at, cell: cell.kept() });
                }
                match why {
                    None => changes.push(format!("{field} → {to}")),
                    Some(why) => trouble = trouble.or(Some((to.other(), why))),
                }
            }
            let (b, n) = (self.shown(SyncSide::Bitrix24, field), self.shown(SyncSide::Notion, field));
            match trouble {
                None => {
                    link.base.insert(field.clone(), Agreed::new(&b, &n));
                }
                Some((of, (why, refused))) => {
                    let (bitrix24, notion) = (b.kept(), n.kept());
                    link.held.push(Held { field: field.clone(), of, bitrix24, notion, why, refused });
                }
            }
        }
        changes
    }
}

/// What a new page shows.
pub(super) struct NewPage {
    pub(super) cells: BTreeMap<String, Cell>,
    pub(super) context: Context,
}

impl LinkWork<'_> {
    /// Takes a page that was just created into the link, by comparing what it shows with what was wanted. Returns the
    /// writes that go with the link. `is_partial`: Notion refused a part of it, and a job of its own writes the fields
    /// one by one.
    pub(super) async fn page_made(
        &mut self,
        page: &NotionPage,
        state: &RecordState,
        NewPage { cells, context }: NewPage,
        is_partial: bool,
    ) -> Result<Vec<StoreWrite>, Failure> {
        // Also for what the page shows: whose pages its relations lead to, and who its people are.
        let known = Some(context);
        let context = &self.sync.extend(known, self.opened, self.record(), Some(state), Some(page)).await?;
        let bitrix24 = read::portal_side(self.opened, self.record(), state, context);
        let notion = read::page_side_after(self.opened, &self.link, &cells, page, context);
        let stuck = bitrix24.fields.iter().filter_map(|(field, reading)| {
            let why = reading.cannot.clone()?;
            Some(Stuck { field: field.clone(), of: SyncSide::Bitrix24, why })
        });
        let stuck: Vec<Stuck> = stuck.collect();
        // What could not be written when the page was created, and can be by now: the page of a relation was created
        // meanwhile.
        let is_late = bitrix24.fields.iter().any(|(field, reading)| {
            reading.cannot.is_none() && reading.cell != Cell::Empty && !cells.contains_key(field)
        });
        // What has no value was not written, and is expected to be empty: the default of a status is not.
        let mut wanted = cells;
        for (field, reading) in &bitrix24.fields {
            if reading.cell == Cell::Empty && reading.cannot.is_none() {
                wanted.insert(field.clone(), Cell::Empty);
            }
        }
        let now = BothSides { bitrix24, notion };
        if is_partial {
            wanted.retain(|field, cell| now.cell(SyncSide::Notion, field) == *cell);
        }
        if is_partial || is_late {
            self.sync_again().await?;
        }
        let blank = BothSides { bitrix24: now.bitrix24.clone(), notion: Sides::default() };
        let none = BTreeMap::new();
        let at = self.sync.now();
        let made = WrittenFields {
            to_bitrix24: &none,
            to_notion: &wanted,
            before: &blank,
            now: &now,
            refused: &[],
            context,
            at,
        };
        let written = self.link.written.clone();
        made.take_into(&mut self.link, self.opened);
        self.link.written = written;
        self.set_stuck(stuck, &now, context).await
    }
}
