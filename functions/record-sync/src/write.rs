//! Writing to either side, and reading back what became of it.

use std::collections::BTreeMap;

use connect::Failure;
use mirror::Opened;
use notion::Page;
use platform::Kind;
use rules::sync::page::{self, Context};
use rules::sync::portal::{self, PortalField};
use rules::sync::{Cell, Field, Side, Stuck};
use rules::{Record, RecordKind, State};
use serde_json::{Map, Value, json};

use crate::{Deps, read};

/// What became of writing some fields.
pub(crate) struct Outcome<T> {
    /// The side as it is now.
    pub(crate) now: T,
    /// The fields that the provider refused, with its words.
    pub(crate) refused: Vec<Stuck>,
}

/// Whether a write was refused for what it said, so that other fields may be taken.
fn is_refusal(failure: &Failure) -> bool {
    matches!(&failure.kind, Kind::Permanent { code }
        if !["object_not_found", "not_found", "block_limit", "restricted_resource", "access_denied"].contains(&code.as_str()))
}

/// Writes fields of the record. What is refused together is written one by one: one field holds up no other.
pub(crate) async fn to_portal(
    deps: &Deps,
    opened: &Opened,
    record: Record,
    before: &State,
    cells: &BTreeMap<String, Cell>,
) -> Result<Outcome<State>, Failure> {
    let fields: Vec<(&Field, &Cell)> =
        cells.iter().filter_map(|(key, cell)| Some((opened.field(key)?, cell))).collect();
    let mut refused = Vec::new();
    match update(opened, record, before, &fields).await {
        Ok(()) => {}
        Err(failure) if is_refusal(&failure) => {
            for one in &fields {
                match update(opened, record, before, std::slice::from_ref(one)).await {
                    Ok(()) => {}
                    Err(failure) if is_refusal(&failure) => refused.push(stuck(one.0, Side::Notion, &failure)),
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(failure) => return Err(failure),
    }
    let gone = || Failure::transient("the record went while it was written");
    let mut now = read::record(deps, opened, record, None).await?.ok_or_else(gone)?.state;
    if let (RecordKind::Tasks, Some(Cell::Option(status))) = (record.kind(), cells.get("status"))
        && finish_status(opened, record, status, &now).await?
    {
        now = read::record(deps, opened, record, None).await?.ok_or_else(gone)?.state;
    }
    // The portal says success and drops a value of a list that it does not know.
    let raw = read::raw(&now);
    for (field, cell) in &fields {
        let kept = portal::read(&field.portal, record, &raw);
        let is_list = matches!(cell, Cell::Option(_) | Cell::Options(_));
        if is_list && kept != **cell && !refused.iter().any(|stuck| stuck.field == field.key()) {
            refused.push(Stuck {
                field: field.key().to_owned(),
                of: Side::Notion,
                why: format!("the portal said that it took {cell}, and keeps {kept}; look at the rights and the required fields there"),
            });
        }
    }
    Ok(Outcome { now, refused })
}

async fn update(opened: &Opened, record: Record, before: &State, fields: &[(&Field, &Cell)]) -> Result<(), Failure> {
    let fields: Vec<(&PortalField, &Cell)> = fields.iter().map(|(field, cell)| (&field.portal, *cell)).collect();
    let written = portal::written(record.kind(), &fields, &read::raw(before));
    let (method, params) = match record {
        Record::Item { entity, id } => {
            ("crm.item.update", json!({"entityTypeId": entity, "id": id, "fields": written}))
        }
        Record::Task(id) => ("tasks.task.update", json!({"taskId": id, "fields": written})),
    };
    // The values are absolute: writing them again does no harm.
    opened.bitrix24.call(method, &params).await.map(|_| ()).map_err(Failure::repeatable)
}

/// Some portals take a task's status only by the method that leads to it. Says whether one was called.
async fn finish_status(opened: &Opened, record: Record, wanted: &str, now: &State) -> Result<bool, Failure> {
    let has = now.as_task().and_then(|task| task.status).map(|status| status.to_string());
    let method = match wanted {
        "2" => "tasks.task.renew",
        "3" => "tasks.task.start",
        "5" => "tasks.task.complete",
        "6" => "tasks.task.defer",
        _ => return Ok(false),
    };
    if has.as_deref() == Some(wanted) {
        return Ok(false);
    }
    match opened.bitrix24.call(method, &json!({"taskId": record.id()})).await {
        Err(failure) if !matches!(failure.kind, Kind::Permanent { .. }) => Err(failure.repeatable()),
        _ => Ok(true),
    }
}

/// The properties to write for some fields.
pub(crate) fn properties(
    opened: &Opened,
    cells: &BTreeMap<String, Cell>,
    now: Option<&Page>,
    context: &Context,
) -> Map<String, Value> {
    let mut properties = Map::new();
    for (key, cell) in cells {
        let Some(field) = opened.field(key) else { continue };
        let value = now.and_then(|page| page.property(&field.property.id));
        properties.extend(page::written(field, cell, value, context));
    }
    properties
}

/// Makes the options of statuses that the settings allow to be made.
pub(crate) async fn make_options(opened: &Opened, cells: &BTreeMap<String, Cell>) -> Result<(), Failure> {
    let mut changes = Map::new();
    for (key, cell) in cells {
        let Some(field) = opened.field(key).filter(|field| field.setting.create_options) else { continue };
        if let Some(change) = page::missing_statuses(field, cell) {
            changes.insert(field.property.id.clone(), change);
        }
    }
    if !changes.is_empty() {
        opened.notion.change_schema(&opened.source.id, &changes).await?;
    }
    Ok(())
}

/// Writes properties of the page; what is refused together, one by one.
pub(crate) async fn to_page(
    opened: &Opened,
    page: &Page,
    cells: &BTreeMap<String, Cell>,
    context: &Context,
) -> Result<Outcome<Page>, Failure> {
    make_options(opened, cells).await?;
    let all = properties(opened, cells, Some(page), context);
    match update_page(opened, page, &all).await {
        Ok(now) => Ok(Outcome { now, refused: Vec::new() }),
        Err(failure) if is_refusal(&failure) => {
            let (mut now, mut refused) = (page.clone(), Vec::new());
            for (key, cell) in cells {
                let Some(field) = opened.field(key) else { continue };
                let one = BTreeMap::from([(key.clone(), cell.clone())]);
                match update_page(opened, page, &properties(opened, &one, Some(page), context)).await {
                    Ok(page) => now = page,
                    Err(failure) if is_refusal(&failure) => refused.push(stuck(field, Side::Bitrix24, &failure)),
                    Err(failure) => return Err(failure),
                }
            }
            Ok(Outcome { now, refused })
        }
        Err(failure) => Err(failure),
    }
}

async fn update_page(opened: &Opened, page: &Page, properties: &Map<String, Value>) -> Result<Page, Failure> {
    let mut page = opened.notion.update(&page.id, properties).await.map_err(Failure::repeatable)?;
    read::complete(opened, &mut page).await?;
    Ok(page)
}

fn stuck(field: &Field, of: Side, failure: &Failure) -> Stuck {
    Stuck { field: field.key().to_owned(), of, why: failure.text.clone() }
}
