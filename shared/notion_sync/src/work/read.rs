//! Reads the record and the page, each once in a try.

use std::collections::BTreeMap;

use clients::Failure;
use crm::pages::Listing;
use jiff::Timestamp;
use jobs::sync::SyncSide;
use notion::NotionPage;
use records::{Record, RecordState};
use runtime::snapshots::ReadMoment;
use serde_json::{Map, Value, json};

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::page;
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::{Agreed, Cell, Reading, Sides};
use crate::link::{Apart, PageLink, ReadMoments};
use crate::work::LinkWork;

/// A record as it is now.
pub(crate) struct RecordRead {
    pub(crate) state: RecordState,
    /// When the read began.
    pub(crate) read_at: Timestamp,
    /// Whether it was read just now, and not taken from what an event's decision had read.
    pub(crate) fresh: bool,
}

/// A page as it is now.
pub(crate) struct PageRead {
    pub(crate) page: NotionPage,
    /// When the read began.
    pub(crate) read_at: Timestamp,
}

/// What this try has read of a pair: the next step need not read it again.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) record: Option<RecordRead>,
    pub(crate) page: Option<PageRead>,
    /// What converting the pair's values needs, as far as it was looked up.
    pub(crate) context: Option<Context>,
    /// Whether the record has to be read from the portal, whatever the decision on an event has read.
    pub(crate) is_fresh_wanted: bool,
}

/// What both sides show.
pub(crate) struct BothSides {
    pub(crate) bitrix24: Sides,
    pub(crate) notion: Sides,
}

impl BothSides {
    pub(crate) fn of(&self, side: SyncSide) -> &Sides {
        match side {
            SyncSide::Bitrix24 => &self.bitrix24,
            SyncSide::Notion => &self.notion,
        }
    }

    /// What a side carries to the other: what it shows, and what it cannot show.
    pub(crate) fn carried(&self, side: SyncSide, field: &str) -> Cell {
        self.of(side).fields.get(field).map(|reading| reading.carried().clone()).unwrap_or_default()
    }

    pub(crate) fn cell(&self, side: SyncSide, field: &str) -> Cell {
        self.of(side).fields.get(field).map(|reading| reading.cell.clone()).unwrap_or_default()
    }
}

/// A record and its page as this try has read them.
pub(crate) struct PairRead {
    pub(crate) record: RecordRead,
    pub(crate) page: PageRead,
    pub(crate) context: Context,
    pub(crate) shown: BothSides,
}

impl PairRead {
    /// When the reads began.
    pub(crate) fn seen(&self) -> ReadMoments {
        ReadMoments { bitrix24: Some(self.record.read_at), notion: Some(self.page.read_at) }
    }
}

impl LinkWork<'_> {
    /// Reads the record, unless this try has; reports if it is gone.
    pub(crate) async fn read_record(&mut self) -> Result<Option<Apart>, Failure> {
        if self.reads.record.is_none() {
            let arrived = self.arrived().filter(|_| !self.reads.is_fresh_wanted);
            self.reads.record = record(self.sync, self.opened, self.record(), arrived).await?;
        }
        Ok(self.reads.record.is_none().then_some(Apart::RecordGone))
    }

    /// Reads the page, unless this try has; if it is not in its place, says why.
    pub(crate) async fn read_page(&mut self) -> Result<Option<Apart>, Failure> {
        if self.reads.page.is_none() {
            let (id, read_at) = (self.page_id()?, self.sync.now());
            self.reads.page = page(self.opened, &id).await?.map(|page| PageRead { page, read_at });
        }
        Ok(match &self.reads.page {
            Some(read) => misplaced(self.opened, &read.page),
            None => Some(Apart::PageGone),
        })
    }

    /// What a side shows, after it alone was read.
    pub(crate) async fn side_alone(&mut self, side: SyncSide) -> Result<Sides, Failure> {
        let (sync, opened, record) = (self.sync, self.opened, self.link.record);
        let known = self.reads.context.take();
        let (context, sides) = match (side, &self.reads.record, &self.reads.page) {
            (SyncSide::Bitrix24, Some(read), _) => {
                let context = sync.extend(known, opened, record, Some(&read.state), None).await?;
                let sides = portal_side(opened, record, &read.state, &context);
                (context, sides)
            }
            (SyncSide::Notion, _, Some(read)) => {
                let snapshot = sync.records.snapshot::<RecordState>(&self.job.tenant, &record.key()).await?;
                let state = snapshot.map(|(snapshot, _)| snapshot.state);
                let context = sync.extend(known, opened, record, state.as_ref(), Some(&read.page)).await?;
                let sides = page_side(opened, &self.link, &read.page, self.signal.told, &context);
                (context, sides)
            }
            _ => return Err(Failure::transient(format!("{side} was not read"))),
        };
        self.reads.context = Some(context);
        Ok(sides)
    }

    /// Both sides, or why they cannot be merged. What this try has read already is not read again.
    pub(crate) async fn read_both(&mut self) -> Result<Result<PairRead, Apart>, Failure> {
        if let Some(why) = self.read_record().await? {
            return Ok(Err(why));
        }
        if let Some(why) = self.read_page().await? {
            return Ok(Err(why));
        }
        let Some(record) = self.reads.record.take() else { return Ok(Err(Apart::RecordGone)) };
        let Some(page) = self.reads.page.take() else { return Ok(Err(Apart::PageGone)) };
        let known = self.reads.context.take();
        let (state, row) = (&record.state, &page.page);
        let context = self.sync.extend(known, self.opened, self.record(), Some(state), Some(row)).await?;
        let bitrix24 = portal_side(self.opened, self.record(), state, &context);
        let notion = page_side(self.opened, &self.link, row, self.signal.told, &context);
        Ok(Ok(PairRead { record, page, context, shown: BothSides { bitrix24, notion } }))
    }

    /// Prepares another merge, which reads the record from the portal: keeps the rest of what was read.
    pub(crate) fn read_record_again(&mut self, pair: PairRead) {
        self.reads = Reads { record: None, page: Some(pair.page), context: Some(pair.context), is_fresh_wanted: true };
    }
}

/// Why an existing page is not in its place.
pub(crate) fn misplaced(opened: &OpenedDatabase, page: &NotionPage) -> Option<Apart> {
    if page.in_trash {
        return Some(Apart::PageTrashed);
    }
    // An answer without the parent proves nothing.
    (page.parent.data_source_id.is_some() && !page.is_in(&opened.source.id)).then_some(Apart::PageMoved)
}

/// The record; `None` if it was deleted. What the decision on an event has read since `arrived` is good enough to carry
/// something to Notion; before the portal is written to, it is read again.
pub(crate) async fn record(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    arrived: Option<Timestamp>,
) -> Result<Option<RecordRead>, Failure> {
    if let Some(arrived) = arrived {
        let snapshot = sync.records.snapshot::<RecordState>(opened.tenant(), &record.key()).await?;
        if let Some((snapshot, _)) =
            snapshot.filter(|(snapshot, _)| !snapshot.gone && snapshot.read.sees(arrived, None))
        {
            return Ok(Some(RecordRead { state: snapshot.state, read_at: snapshot.read.here, fresh: false }));
        }
    }
    let read = ReadMoment { here: sync.now(), there: None };
    let listing = Listing { kind: record.kind(), custom_fields: opened.settings.fields_of(record.kind()) };
    let (method, params) = listing.one(record.id());
    let result = match opened.bitrix24.call(method, &params).await {
        Ok(answer) => answer.result,
        Err(failure) if failure.code() == "not_found" => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let state = listing.state_of_one(&opened.bitrix24, result)?;
    Ok(state.map(|state| RecordRead { state, read_at: read.here, fresh: true }))
}

/// A page with all that its relations hold; `None` if it is not there for us.
pub(crate) async fn page(opened: &OpenedDatabase, id: &str) -> Result<Option<NotionPage>, Failure> {
    let Some(mut page) = opened.notion.page(id).await? else { return Ok(None) };
    complete(opened, &mut page).await?;
    Ok(Some(page))
}

/// Reads the rest of relations that a page cuts off after 25.
pub(crate) async fn complete(opened: &OpenedDatabase, page: &mut NotionPage) -> Result<(), Failure> {
    let id = page.id.clone();
    for field in opened.fields.iter().filter(|field| field.property.kind == "relation") {
        let cut = page.property(&field.property.id).is_some_and(|value| value["has_more"] == true);
        if !cut {
            continue;
        }
        let all = opened.notion.related(&id, &field.property.id).await?;
        let all: Vec<Value> = all.into_iter().map(|id| json!({"id": id})).collect();
        let value = page
            .properties
            .values_mut()
            .find(|value| value["id"].as_str().is_some_and(|own| notion::page::same_property(own, &field.property.id)));
        if let Some(value) = value {
            value["relation"] = Value::Array(all);
        }
    }
    Ok(())
}

pub(crate) fn portal_side(opened: &OpenedDatabase, record: Record, state: &RecordState, context: &Context) -> Sides {
    let raw = portal::raw(state);
    let read = |field: &crate::fields::MappedField| {
        let cell = portal::read(&field.portal, record, &raw);
        (field.key().to_owned(), page::of_portal(field, &cell, context))
    };
    Sides { fields: opened.fields.iter().map(read).collect(), edited_at: state.changed_at() }
}

pub(crate) fn page_side(
    opened: &OpenedDatabase,
    link: &PageLink,
    page: &NotionPage,
    told: Option<Timestamp>,
    context: &Context,
) -> Sides {
    let fields: BTreeMap<String, Reading> = opened
        .fields
        .iter()
        .map(|field| {
            let base = link.base.get(field.key()).map(|agreed| agreed.of(SyncSide::Bitrix24));
            (field.key().to_owned(), page::read(field, page.property(&field.property.id), base, context))
        })
        .collect();
    Sides { fields, edited_at: page::edited_at(page.last_edited_time, told) }
}

/// The page's side after `cells` were written to it: of several values of a list with one name, the one that was written is
/// meant.
pub(crate) fn page_side_after(
    opened: &OpenedDatabase,
    link: &PageLink,
    cells: &BTreeMap<String, Cell>,
    page: &NotionPage,
    context: &Context,
) -> Sides {
    let mut link = link.clone();
    link.base.extend(cells.iter().map(|(field, cell)| (field.clone(), Agreed::new(cell, cell))));
    page_side(opened, &link, page, None, context)
}

/// Whether a side shows what it showed when both last agreed, or when its value could last not be carried over.
pub(crate) fn is_base(link: &PageLink, sides: &Sides, side: SyncSide) -> bool {
    let same = |(field, reading): (&String, &Reading)| match link.held.iter().find(|held| held.field == *field) {
        Some(held) => reading.cell.is(held.shown(side)),
        None => link.base.get(field).is_some_and(|agreed| reading.cell.is(agreed.of(side))),
    };
    link.intents.is_empty() && link.stuck.is_empty() && sides.fields.iter().all(same)
}

/// The record's fields as the portal writes them.
pub(crate) fn raw(state: &RecordState) -> Map<String, Value> {
    portal::raw(state)
}
