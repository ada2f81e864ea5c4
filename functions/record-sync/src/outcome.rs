//! The outcome of a write: a value that the other side now shows is agreed; one that it does not show is held.

use std::collections::BTreeMap;

use clients::Failure;
use jiff::Timestamp;
use jobs::sync::Side;
use jobs::sync::{Signal, SyncJob};
use locale::Localized;
use notion::Page;
use notion_sync::database::Opened;
use notion_sync::fields::page::Context;
use notion_sync::fields::written::{Held, difference, expected};
use notion_sync::fields::{Agreed, Cell, Sides, Stuck};
use notion_sync::link::Link;
use notion_sync::link::Written;
use records::State;
use runtime::TraceId;
use runtime::store::Write;

use crate::read;
use crate::record::Work;

/// The signal of a job that looks at a pair once more.
const SECOND_LOOK: &str = "second-look";

/// What both sides show.
pub(crate) struct Both {
    pub(crate) bitrix24: Sides,
    pub(crate) notion: Sides,
}

impl Both {
    fn of(&self, side: Side) -> &Sides {
        match side {
            Side::Bitrix24 => &self.bitrix24,
            Side::Notion => &self.notion,
        }
    }

    /// What a side gives to the other one: what it shows, with what it cannot show.
    pub(crate) fn carried(&self, side: Side, field: &str) -> Cell {
        self.of(side).fields.get(field).map(|reading| reading.carried().clone()).unwrap_or_default()
    }

    pub(crate) fn cell(&self, side: Side, field: &str) -> Cell {
        self.of(side).fields.get(field).map(|reading| reading.cell.clone()).unwrap_or_default()
    }
}

/// Writes that were made.
pub(crate) struct Made<'a> {
    pub(crate) to_bitrix24: &'a BTreeMap<String, Cell>,
    pub(crate) to_notion: &'a BTreeMap<String, Cell>,
    /// What both sides showed when the writes were decided.
    pub(crate) before: &'a Both,
    /// What both show now.
    pub(crate) now: &'a Both,
    /// What was refused with an error.
    pub(crate) refused: &'a [Stuck],
    pub(crate) context: &'a Context,
    pub(crate) at: Timestamp,
}

impl Made<'_> {
    fn cells(&self, to: Side) -> &BTreeMap<String, Cell> {
        match to {
            Side::Bitrix24 => self.to_bitrix24,
            Side::Notion => self.to_notion,
        }
    }

    /// What a side shows of a field: now, if it was written; else as it was when the write was decided.
    fn shown(&self, side: Side, field: &str) -> Cell {
        let sides = if self.cells(side).contains_key(field) { self.now } else { self.before };
        sides.cell(side, field)
    }

    /// Why a field that was written does not show what was wanted, and whether it was refused.
    fn why(&self, opened: &Opened, to: Side, field: &str, cell: &Cell) -> Option<(Localized, bool)> {
        let is_its = |stuck: &&Stuck| stuck.field == *field && stuck.of == to.other();
        if let Some(refused) = self.refused.iter().find(is_its) {
            return Some((refused.why.clone(), true));
        }
        let mapping = opened.field(field)?;
        let wanted = expected(to, cell, |user| self.context.to_notion.contains_key(&user));
        let (before, now) = (self.before.cell(to, field), self.now.cell(to, field));
        difference(mapping, to, &wanted, &before, &now).map(|why| (why, false))
    }

    /// Takes what became of the writes into the link; gives what was changed, in words.
    pub(crate) fn take_into(&self, link: &mut Link, opened: &Opened) -> Vec<String> {
        let mut changes = Vec::new();
        let mut fields: Vec<&String> = self.to_bitrix24.keys().chain(self.to_notion.keys()).collect();
        fields.sort_unstable();
        fields.dedup();
        for field in fields {
            link.held.retain(|held| held.field != *field);
            let mut trouble = None;
            for to in [Side::Bitrix24, Side::Notion] {
                let Some(cell) = self.cells(to).get(field) else { continue };
                let why = self.why(opened, to, field, cell);
                if why.as_ref().is_none_or(|(_, refused)| !refused) {
                    link.written.push(Written { field: field.clone(), to, at: self.at, cell: cell.kept() });
                }
                match why {
                    None => changes.push(format!("{field} → {to}")),
                    Some(why) => trouble = trouble.or(Some((to.other(), why))),
                }
            }
            let (b, n) = (self.shown(Side::Bitrix24, field), self.shown(Side::Notion, field));
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

impl Work<'_> {
    /// Takes a page that was just made into the link: what it shows is held against what was wanted. Gives the writes that
    /// go with the link. `is_partial`: Notion refused something of it, and a job of its own writes the fields one by one.
    pub(crate) async fn page_made(
        &mut self,
        page: &Page,
        state: &State,
        cells: &BTreeMap<String, Cell>,
        is_partial: bool,
    ) -> Result<Vec<Write>, Failure> {
        // Anew, for what the page shows: whose pages its relations lead to, and who its people are.
        let context = &self.deps.mirror.context(self.opened, self.record(), Some(state), Some(page)).await?;
        let bitrix24 = read::portal_side(self.opened, self.record(), state, context);
        let notion = read::page_side_after(self.opened, &self.link, cells, page, context);
        let stuck = bitrix24.fields.iter().filter_map(|(field, reading)| {
            let why = reading.cannot.clone()?;
            Some(Stuck { field: field.clone(), of: Side::Bitrix24, why })
        });
        let stuck: Vec<Stuck> = stuck.collect();
        // What has no value was not written, and is expected to be empty: the default of a status is not.
        let mut wanted = cells.clone();
        for (field, reading) in &bitrix24.fields {
            if reading.cell == Cell::Empty && reading.cannot.is_none() {
                wanted.insert(field.clone(), Cell::Empty);
            }
        }
        let now = Both { bitrix24, notion };
        if is_partial {
            wanted.retain(|field, cell| now.cell(Side::Notion, field) == *cell);
        }
        if is_partial {
            self.sync_again().await?;
        }
        let blank = Both { bitrix24: now.bitrix24.clone(), notion: Sides::default() };
        let none = BTreeMap::new();
        let at = self.deps.now();
        let made =
            Made { to_bitrix24: &none, to_notion: &wanted, before: &blank, now: &now, refused: &[], context, at };
        let written = self.link.written.clone();
        made.take_into(&mut self.link, self.opened);
        self.link.written = written;
        self.set_stuck(stuck, &now, context).await
    }

    /// Whether a relation leads to records that have no page yet.
    pub(crate) fn leads_to_missing(&self, stuck: &[Stuck]) -> bool {
        let is_relation = |field: &str| self.opened.field(field).is_some_and(|field| field.property.kind == "relation");
        stuck.iter().any(|stuck| stuck.of == Side::Bitrix24 && is_relation(&stuck.field))
    }

    /// Whether this is the look that [`Self::sync_again`] asked for.
    pub(crate) fn is_second_look(&self) -> bool {
        self.signal.name == SECOND_LOOK
    }

    /// Asks for another look at the pair, after this one: at values that Notion refused together with others, and at
    /// relations to pages that are still to be made.
    pub(crate) async fn sync_again(&self) -> Result<(), Failure> {
        let job = SyncJob::Record {
            database: self.link.database.clone(),
            record: self.link.record,
            signal: Signal::both(SECOND_LOOK),
        };
        let once = format!("second-look#{}#{}", self.link.database, self.job.trace);
        let message = notion_sync::message(&job, &self.job.tenant, TraceId::new(self.deps.now()), &once)?;
        self.deps.mirror.send(vec![message]).await
    }
}
