//! Writes to either side, and reads back the outcome.

use std::collections::BTreeMap;

use clients::{ErrorClass, Failure};
use crm::pages::Listing;
use jobs::sync::SyncSide;
use locale::{Localized, texts};
use notion::NotionPage;
use records::{Record, RecordKind, RecordState};
use serde_json::{Map, Value, json};

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::page;
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::{Cell, MappedField, PortalField, PortalKind, Stuck};
use crate::work::read;

/// The outcome of writing some fields.
pub(crate) struct SideWritten<T> {
    /// The side as it is now.
    pub(crate) now: T,
    /// The fields that the provider refused, with its message.
    pub(crate) refused: Vec<Stuck>,
}

/// Whether a write was refused for its content, so that other fields may be accepted.
fn is_refusal(failure: &Failure) -> bool {
    matches!(&failure.class, ErrorClass::Permanent { code }
        if !["object_not_found", "not_found", "block_limit", "restricted_resource", "access_denied"].contains(&code.as_str()))
}

/// Writes fields of the record. If they are refused together, they are written one by one: one field does not hold up
/// the others.
pub(crate) async fn to_portal(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    before: &RecordState,
    cells: &BTreeMap<String, Cell>,
) -> Result<SideWritten<RecordState>, Failure> {
    let mut outcome = SideWritten { now: before.clone(), refused: Vec::new() };
    let raw = read::raw(before);
    let mut fields: Vec<(&MappedField, &Cell)> = Vec::new();
    for (key, cell) in cells {
        let Some(field) = opened.field(key) else { continue };
        match cannot_edit(&field.portal, cell, &raw) {
            None => fields.push((field, cell)),
            Some(why) => outcome.refused.push(Stuck { field: key.clone(), of: SyncSide::Notion, why }),
        }
    }
    if fields.is_empty() {
        return Ok(outcome);
    }
    match update(sync, opened, record, before, &fields).await {
        Ok(now) => outcome.now = now,
        Err(failure) if is_refusal(&failure) => match fields.as_slice() {
            [(field, _)] => outcome.refused.push(stuck(field, SyncSide::Notion, &failure)),
            several => one_by_one(sync, opened, record, several, &mut outcome).await?,
        },
        Err(failure) => return Err(failure),
    }
    if let (RecordKind::Tasks, Some(Cell::Option(status))) = (record.kind(), cells.get("status"))
        && let Some(now) = finish_status(sync, opened, record, status, &outcome.now).await?
    {
        outcome.now = now;
    }
    Ok(outcome)
}

/// Why an edit cannot be applied to the portal's value without loss; `None` if it can.
fn cannot_edit(field: &PortalField, cell: &Cell, raw: &Map<String, Value>) -> Option<Localized> {
    // What a task belongs to is one list for several fields, and a whole name is several fields in one: both are put together
    // when they are written.
    if matches!(field.kind, PortalKind::Binding(_) | PortalKind::FullName) {
        return None;
    }
    if field.required && page::is_blank(cell) {
        return Some(Localized::of(|_| texts::sync::MayNotBeEmpty { field: &field.name }));
    }
    portal::edited(field, cell, raw).err()
}

async fn one_by_one(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    fields: &[(&MappedField, &Cell)],
    outcome: &mut SideWritten<RecordState>,
) -> Result<(), Failure> {
    for one in fields {
        match update(sync, opened, record, &outcome.now, std::slice::from_ref(one)).await {
            Ok(now) => outcome.now = now,
            Err(failure) if is_refusal(&failure) => outcome.refused.push(stuck(one.0, SyncSide::Notion, &failure)),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Writes fields, and returns the record as it is now: as the answer shows it, or read once if the answer lacks a
/// field.
async fn update(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    before: &RecordState,
    fields: &[(&MappedField, &Cell)],
) -> Result<RecordState, Failure> {
    let portal_fields: Vec<(&PortalField, &Cell)> = fields.iter().map(|(field, cell)| (&field.portal, *cell)).collect();
    let written = portal::written(record.kind(), &portal_fields, &read::raw(before));
    let (method, params) = match record {
        Record::Item { entity, id } => {
            ("crm.item.update", json!({"entityTypeId": entity, "id": id, "fields": written}))
        }
        Record::Task(id) => ("tasks.task.update", json!({"taskId": id, "fields": written})),
    };
    // The values are absolute: writing them again does no harm.
    let answer = opened.bitrix24.call(method, &params).await.map_err(Failure::repeatable)?;
    let names: Vec<&str> = fields.iter().map(|(field, _)| raw_name(&field.portal)).collect();
    now(sync, opened, record, before, &names, &answer.result).await
}

/// The name of a field in the portal's answers.
fn raw_name(field: &PortalField) -> &str {
    match field.kind {
        PortalKind::Binding(_) => "ufCrmTask",
        PortalKind::FullName => "lastName",
        _ => &field.name,
    }
}

/// The record after a call: from the call's answer if that shows all of `names`.
async fn now(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    before: &RecordState,
    names: &[&str],
    answer: &Value,
) -> Result<RecordState, Failure> {
    let part = match record {
        Record::Item { .. } => "item",
        Record::Task(_) => "task",
    };
    let shown = answer[part].as_object().filter(|shown| names.iter().all(|name| shown.contains_key(*name)));
    if let Some(shown) = shown {
        // A task's answer has only the usual fields: the others are as they were.
        let mut whole = read::raw(before);
        whole.extend(shown.clone());
        let listing = Listing { kind: record.kind(), custom_fields: Vec::new() };
        if let Ok(Some(state)) = listing.state_of_one(&opened.bitrix24, json!({part: whole})) {
            return Ok(state);
        }
    }
    let gone = || Failure::transient("the record was deleted while it was written");
    Ok(read::record(sync, opened, record, None).await?.ok_or_else(gone)?.state)
}

/// Some portals accept a task's status only through the method that leads to it. Returns the task if one was called.
async fn finish_status(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    wanted: &str,
    before: &RecordState,
) -> Result<Option<RecordState>, Failure> {
    let has = before.as_task().and_then(|task| task.status).map(|status| status.to_string());
    let method = match wanted {
        "2" => "tasks.task.renew",
        "3" => "tasks.task.start",
        "5" => "tasks.task.complete",
        "6" => "tasks.task.defer",
        _ => return Ok(None),
    };
    if has.as_deref() == Some(wanted) {
        return Ok(None);
    }
    match opened.bitrix24.call(method, &json!({"taskId": record.id()})).await {
        Ok(answer) => now(sync, opened, record, before, &["status"], &answer.result).await.map(Some),
        Err(failure) if matches!(failure.class, ErrorClass::Permanent { .. }) => Ok(None),
        Err(failure) => Err(failure.repeatable()),
    }
}

/// The properties to write for some fields.
pub(crate) fn properties(
    opened: &OpenedDatabase,
    cells: &BTreeMap<String, Cell>,
    now: Option<&NotionPage>,
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

/// Creates missing options of statuses, if the settings allow it.
pub(crate) async fn make_options(opened: &OpenedDatabase, cells: &BTreeMap<String, Cell>) -> Result<(), Failure> {
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

/// Writes properties of the page; those that are refused together, one by one.
pub(crate) async fn to_page(
    opened: &OpenedDatabase,
    page: &NotionPage,
    cells: &BTreeMap<String, Cell>,
    context: &Context,
) -> Result<SideWritten<NotionPage>, Failure> {
    make_options(opened, cells).await?;
    let mut outcome = SideWritten { now: page.clone(), refused: Vec::new() };
    match update_page(opened, page, &properties(opened, cells, Some(page), context)).await {
        Ok(now) => outcome.now = now,
        Err(failure) if is_refusal(&failure) => {
            for (key, cell) in cells {
                let Some(field) = opened.field(key) else { continue };
                if cells.len() == 1 {
                    outcome.refused.push(stuck(field, SyncSide::Bitrix24, &failure));
                    break;
                }
                let one = BTreeMap::from([(key.clone(), cell.clone())]);
                match update_page(opened, page, &properties(opened, &one, Some(page), context)).await {
                    Ok(now) => outcome.now = now,
                    Err(failure) if is_refusal(&failure) => {
                        outcome.refused.push(stuck(field, SyncSide::Bitrix24, &failure));
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(failure) => return Err(failure),
    }
    Ok(outcome)
}

/// Writes properties, and returns the page as it is now: as the answer shows it, or read once if the answer lacks one.
async fn update_page(
    opened: &OpenedDatabase,
    page: &NotionPage,
    properties: &Map<String, Value>,
) -> Result<NotionPage, Failure> {
    let mut now = opened.notion.update(&page.id, properties).await.map_err(Failure::repeatable)?;
    if !properties.keys().all(|id| now.property(id).is_some()) {
        let gone = || Failure::transient("the page was deleted while it was written");
        now = opened.notion.page(&page.id).await?.ok_or_else(gone)?;
    }
    read::complete(opened, &mut now).await?;
    Ok(now)
}

/// Creates the page. What Notion refuses together is left to the next merge, which writes it field by field: the page begins
/// with its number and, if that is not what was refused, its title. Says whether something was left out.
pub(crate) async fn create_page(
    opened: &OpenedDatabase,
    properties: &Map<String, Value>,
    blocks: &[Value],
) -> Result<(NotionPage, bool), Failure> {
    let first = match opened.notion.create(&opened.source.id, properties, blocks).await {
        Err(failure) if is_refusal(&failure) => failure,
        answer => return answer.map(|page| (page, false)),
    };
    let is_title =
        |id: &str| opened.fields.iter().any(|field| field.property.kind == "title" && field.property.id == id);
    for with_title in [true, false] {
        let some = properties.iter().filter(|(id, _)| **id == opened.id.id || (with_title && is_title(id)));
        let some: Map<String, Value> = some.map(|(id, value)| (id.clone(), value.clone())).collect();
        match opened.notion.create(&opened.source.id, &some, blocks).await {
            Err(failure) if is_refusal(&failure) => {}
            answer => return answer.map(|page| (page, true)),
        }
    }
    Err(first)
}

fn stuck(field: &MappedField, of: SyncSide, failure: &Failure) -> Stuck {
    let why =
        Localized::of(|language| texts::sync::Refused { side: of.other().title(language), reason: &failure.text });
    Stuck { field: field.key().to_owned(), of, why }
}
