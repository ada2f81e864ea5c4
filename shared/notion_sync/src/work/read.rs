//! Reads the record and the page.

use std::collections::BTreeMap;

use clients::Failure;
use crm::pages::Listing;
use jiff::Timestamp;
use jobs::sync::Side;
use notion::Page;
use records::{Record, State};
use runtime::links::ReadMoment;
use serde_json::{Map, Value, json};

use crate::NotionSync;
use crate::database::Opened;
use crate::fields::page;
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::{Agreed, Cell, Reading, Sides};
use crate::link::Link;

/// A record as it is now.
pub(crate) struct Known {
    pub(crate) state: State,
    /// When the read began.
    pub(crate) read_at: Timestamp,
    /// Whether it was read just now, and not taken from what an event's decision had read.
    pub(crate) fresh: bool,
}

/// The record; `None` if it was deleted. What the decision on an event has read since `arrived` is good enough to carry
/// something to Notion; before the portal is written to, it is read again.
pub(crate) async fn record(
    sync: &NotionSync,
    opened: &Opened,
    record: Record,
    arrived: Option<Timestamp>,
) -> Result<Option<Known>, Failure> {
    if let Some(arrived) = arrived {
        let snapshot = sync.records.snapshot::<State>(opened.tenant(), &record.key()).await?;
        if let Some((snapshot, _)) =
            snapshot.filter(|(snapshot, _)| !snapshot.gone && snapshot.read.sees(arrived, None))
        {
            return Ok(Some(Known { state: snapshot.state, read_at: snapshot.read.here, fresh: false }));
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
    Ok(state.map(|state| Known { state, read_at: read.here, fresh: true }))
}

/// A page with all that its relations hold; `None` if it is not there for us.
pub(crate) async fn page(opened: &Opened, id: &str) -> Result<Option<Page>, Failure> {
    let Some(mut page) = opened.notion.page(id).await? else { return Ok(None) };
    complete(opened, &mut page).await?;
    Ok(Some(page))
}

/// Reads the rest of relations that a page cuts off after 25.
pub(crate) async fn complete(opened: &Opened, page: &mut Page) -> Result<(), Failure> {
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

/// The portal's side.
pub(crate) fn portal_side(opened: &Opened, record: Record, state: &State, context: &Context) -> Sides {
    let raw = portal::raw(state);
    let read = |field: &crate::fields::Field| {
        let cell = portal::read(&field.portal, record, &raw);
        (field.key().to_owned(), page::of_portal(field, &cell, context))
    };
    Sides { fields: opened.fields.iter().map(read).collect(), edited_at: state.changed_at() }
}

/// The page's side.
pub(crate) fn page_side(
    opened: &Opened,
    link: &Link,
    page: &Page,
    told: Option<Timestamp>,
    context: &Context,
) -> Sides {
    let fields: BTreeMap<String, Reading> = opened
        .fields
        .iter()
        .map(|field| {
            let base = link.base.get(field.key()).map(|agreed| agreed.of(Side::Bitrix24));
            (field.key().to_owned(), page::read(field, page.property(&field.property.id), base, context))
        })
        .collect();
    Sides { fields, edited_at: page::edited_at(page.last_edited_time, told) }
}

/// The page's side after `cells` were written to it: of several values of a list with one name, the one that was written is
/// meant.
pub(crate) fn page_side_after(
    opened: &Opened,
    link: &Link,
    cells: &BTreeMap<String, Cell>,
    page: &Page,
    context: &Context,
) -> Sides {
    let mut link = link.clone();
    link.base.extend(cells.iter().map(|(field, cell)| (field.clone(), Agreed::new(cell, cell))));
    page_side(opened, &link, page, None, context)
}

/// Whether a side shows what it showed when both last agreed, or when its value could last not be carried over.
pub(crate) fn is_base(link: &Link, sides: &Sides, side: Side) -> bool {
    let same = |(field, reading): (&String, &Reading)| match link.held.iter().find(|held| held.field == *field) {
        Some(held) => reading.cell.is(held.shown(side)),
        None => link.base.get(field).is_some_and(|agreed| reading.cell.is(agreed.of(side))),
    };
    link.intents.is_empty() && link.stuck.is_empty() && sides.fields.iter().all(same)
}

/// The record's fields as the portal writes them.
pub(crate) fn raw(state: &State) -> Map<String, Value> {
    portal::raw(state)
}
