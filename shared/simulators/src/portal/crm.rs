//! CRM items: added, changed, deleted, restored and listed.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::query;
use super::query::{FieldNames, PAGE};
use super::values as written;
use super::values::ValueWriter;
use super::{COMPANY, CONTACT, DEAL, LEAD, PortalShared, SimulatorState, events, portal_time};

/// A refusal: HTTP status, code, words.
pub(super) type RestRefusal = (u16, &'static str, String);

/// By whom and for whom an item is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemAuthor {
    pub(super) user: u64,
    pub(super) writer: ValueWriter,
}

fn event_name(entity: u32, action: &str) -> String {
    match entity {
        LEAD => format!("ONCRMLEAD{action}"),
        DEAL => format!("ONCRMDEAL{action}"),
        CONTACT => format!("ONCRMCONTACT{action}"),
        COMPANY => format!("ONCRMCOMPANY{action}"),
        _ => format!("ONCRMDYNAMICITEM{action}"),
    }
}

/// What an event says of an item: its id, and of a smart process its type.
fn event_data(entity: u32, id: &Value) -> Value {
    match entity {
        LEAD | DEAL | CONTACT | COMPANY => json!({"FIELDS": {"ID": id}}),
        _ => json!({"FIELDS": {"ID": id, "ENTITY_TYPE_ID": entity}}),
    }
}

/// An item as it is before anybody fills it in.
fn blank(state: &SimulatorState, entity: u32, id: u64, now: &str) -> Map<String, Value> {
    let user = state.credentials.user;
    let date = written::midnight(now.get(..10).unwrap_or_default());
    let mut item = super::tasks::object(json!({
        "id": id, "assignedById": user, "createdBy": user, "updatedBy": user, "createdTime": now, "updatedTime": now,
        "entityTypeId": entity, "opened": "Y", "comments": "", "originatorId": "", "originId": "", "utmSource": "",
    }));
    let own = match entity {
        CONTACT => json!({"name": "", "lastName": "", "sourceId": "", "companyId": 0, "fm": []}),
        COMPANY => json!({"title": "", "fm": []}),
        _ => json!({
            "title": format!("New {} #{id}", if entity == DEAL { "deal" } else { "lead" }),
            "stageId": "", "stageSemanticId": "P",
            "categoryId": match entity { DEAL => json!(0), LEAD => Value::Null, _ => json!(1) },
            "opportunity": 0, "currencyId": "RUB", "observers": [], "sourceId": "", "companyId": 0, "contactId": 0,
            "contactIds": [], "closed": "N", "movedTime": now,
        }),
    };
    item.extend(super::tasks::object(own));
    match entity {
        LEAD => item.extend(super::tasks::object(json!({"name": "", "lastName": "", "companyTitle": "", "fm": []}))),
        CONTACT | COMPANY => {}
        _ => item.extend([("begindate".to_owned(), json!(date)), ("closedate".to_owned(), json!(date))]),
    }
    item
}

pub(super) fn add(
    shared: &Arc<PortalShared>,
    entity: u32,
    fields: Map<String, Value>,
    by: ItemAuthor,
) -> Result<Value, RestRefusal> {
    let now = portal_time(shared.clock.now());
    let item = {
        let mut state = shared.lock();
        let Some(items) = state.items.get(&entity) else {
            return Err((400, "NOT_FOUND", format!("type {entity} not found")));
        };
        let in_use = items.keys().last().copied().unwrap_or_default();
        let trashed = state.trash.keys().filter(|(known, _)| *known == entity).map(|(_, id)| *id).max();
        let id = in_use.max(trashed.unwrap_or_default()) + 1;
        let mut item = blank(&state, entity, id, &now);
        for name in ["createdBy", "updatedBy"] {
            item.insert(name.into(), by.user.into());
        }
        set(&mut state, &mut item, fields, by.writer)?;
        if by.writer == ValueWriter::Rest {
            state.check_required(entity, &item)?;
        }
        if item.contains_key("stageId") {
            remember_move(&mut state, &item, 1, &now);
        }
        state.items.entry(entity).or_default().insert(id, item.clone());
        state.revision += 1;
        item
    };
    events::emit(shared, &event_name(entity, "ADD"), &event_data(entity, &item["id"]));
    Ok(Value::Object(item))
}

pub(super) fn update(
    shared: &Arc<PortalShared>,
    entity: u32,
    id: u64,
    fields: Map<String, Value>,
    by: ItemAuthor,
) -> Result<Value, RestRefusal> {
    let now = portal_time(shared.clock.now());
    let (item, changed, moved_to) = {
        let mut state = shared.lock();
        let old = state.visible(entity, id)?.clone();
        let mut item = old.clone();
        set(&mut state, &mut item, fields, by.writer)?;
        let changed = item != old;
        if changed {
            item.insert("updatedTime".into(), now.clone().into());
            item.insert("updatedBy".into(), by.user.into());
            if item.get("stageId") != old.get("stageId") {
                if by.writer == ValueWriter::Rest {
                    state.check_required(entity, &item)?;
                }
                item.insert("movedTime".into(), now.clone().into());
                let kind = if item.get("stageSemanticId").is_some_and(|meaning| meaning == "P") { 2 } else { 3 };
                remember_move(&mut state, &item, kind, &now);
            }
            state.items.entry(entity).or_default().insert(id, item.clone());
            state.revision += 1;
        }
        let moved_to = item.get("categoryId").filter(|category| old.get("categoryId") != Some(*category)).cloned();
        (item, changed, moved_to)
    };
    // An update that changes nothing is not saved and nobody is notified.
    if changed {
        events::emit(shared, &event_name(entity, "UPDATE"), &event_data(entity, &json!(id)));
        if entity == DEAL && moved_to.is_some() {
            let fields = json!({"ID": id, "CATEGORY_ID": item.get("categoryId"), "STAGE_ID": item.get("stageId")});
            events::emit(shared, "ONCRMDEALMOVETOCATEGORY", &json!({"FIELDS": fields}));
        }
    }
    Ok(Value::Object(item))
}

/// Deletes an item: it goes into the bin.
pub(super) fn delete(shared: &Arc<PortalShared>, entity: u32, id: u64) -> Result<(), RestRefusal> {
    {
        let mut state = shared.lock();
        state.visible(entity, id)?;
        let removed = state.items.get_mut(&entity).and_then(|items| items.remove(&id));
        state.trash.extend(removed.map(|item| ((entity, id), item)));
        state.revision += 1;
    }
    events::emit(shared, &event_name(entity, "DELETE"), &event_data(entity, &json!(id)));
    Ok(())
}

/// Takes an item out of the bin, with its number. The portal says of it what it says of a new one.
pub(super) fn restore(shared: &Arc<PortalShared>, entity: u32, id: u64) -> bool {
    {
        let mut state = shared.lock();
        let Some(mut item) = state.trash.remove(&(entity, id)) else { return false };
        item.insert("updatedTime".into(), portal_time(shared.clock.now()).into());
        state.items.entry(entity).or_default().insert(id, item);
        state.revision += 1;
    }
    events::emit(shared, &event_name(entity, "ADD"), &event_data(entity, &json!(id)));
    true
}

fn set(
    state: &mut SimulatorState,
    item: &mut Map<String, Value>,
    fields: Map<String, Value>,
    writer: ValueWriter,
) -> Result<(), RestRefusal> {
    let entity =
        item.get("entityTypeId").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    let (before, moves) = (item.get("categoryId").cloned(), fields.contains_key("stageId"));
    let named = |name: String| if name.starts_with("UF_") { super::userfields::camel(&name) } else { name };
    let mut fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (named(name), value)).collect();
    if writer == ValueWriter::Rest && !state.quirks.is_empty() {
        fields = super::quirks::applied(&state.quirks, entity, &state.described(entity), fields)?;
    }
    for (name, value) in fields {
        // A field that the type does not have is ignored.
        let Some(described) = state.described_field(entity, &name) else { continue };
        let by_hand = writer == ValueWriter::Person && ["createdBy", "updatedBy"].contains(&name.as_str());
        if described["isReadOnly"] == true && !by_hand {
            continue;
        }
        if writer == ValueWriter::Rest && described["isRequired"] == true && written::is_empty(&value) {
            return Err(required(&described, &name));
        }
        let kept = match name.as_str() {
            "fm" => written::ways(state, item.get("fm").unwrap_or(&Value::Null), &value),
            _ => written::kept(state, &described, &name, value, writer)?,
        };
        match name.as_str() {
            "contactId" if item.contains_key("contactIds") => {
                let id = kept.as_u64().unwrap_or_default();
                item.insert("contactIds".into(), if id == 0 { json!([]) } else { json!([id]) });
            }
            "contactIds" => drop(item.insert("contactId".into(), kept.get(0).cloned().unwrap_or(json!(0)))),
            _ => {}
        }
        item.insert(name, kept);
    }
    if !item.contains_key("stageId") {
        return Ok(());
    }
    let to_other_funnel = item.get("categoryId") != before.as_ref() && !moves;
    let is_blank = item.get("stageId").is_some_and(|stage| stage == "");
    if to_other_funnel || is_blank {
        let first = state.first_stage(entity, item);
        item.insert("stageId".into(), json!(first));
    } else if writer == ValueWriter::Rest && moves {
        state.check_stage(entity, item)?;
    }
    let meaning = state.meaning(item);
    item.insert("closed".into(), if meaning == "P" { "N" } else { "Y" }.into());
    item.insert("stageSemanticId".into(), meaning.into());
    Ok(())
}

fn required(described: &Value, name: &str) -> RestRefusal {
    let title = described["title"].as_str().unwrap_or(name);
    (400, "CRM_FIELD_ERROR_REQUIRED", format!("Required field \"{title}\" is empty"))
}

fn remember_move(state: &mut SimulatorState, item: &Map<String, Value>, kind: u8, now: &str) {
    let id = state.stage_history.len() + 1;
    let of = |name: &str| item.get(name).cloned().unwrap_or_default();
    state.stage_history.push(json!({
        "ID": id, "TYPE_ID": kind, "OWNER_ID": of("id"), "CREATED_TIME": now, "CATEGORY_ID": of("categoryId"),
        "STAGE_SEMANTIC_ID": of("stageSemanticId"), "STAGE_ID": of("stageId"),
    }));
}

/// The list of an item's stages, as `crm.status.list` names it.
fn stage_list(entity: u32, category: Option<&Value>) -> String {
    let category = category.and_then(Value::as_i64).unwrap_or_default();
    match entity {
        LEAD => "STATUS".into(),
        DEAL if category == 0 => "DEAL_STAGE".into(),
        DEAL => format!("DEAL_STAGE_{category}"),
        other => format!("DYNAMIC_{other}_STAGE_{category}"),
    }
}

impl SimulatorState {
    fn meaning(&self, item: &Map<String, Value>) -> String {
        let stage = item.get("stageId").unwrap_or(&Value::Null);
        let row = self.statuses.iter().find(|row| {
            let list = row["ENTITY_ID"].as_str().unwrap_or_default();
            (list.starts_with("DEAL_STAGE") || list == "STATUS" || list.starts_with("DYNAMIC_"))
                && row["STATUS_ID"] == *stage
        });
        row.and_then(|row| row["SEMANTICS"].as_str()).unwrap_or("P").to_owned()
    }

    fn stages_of(&self, list: &str) -> Vec<&Value> {
        let mut stages: Vec<_> = self.statuses.iter().filter(|row| row["ENTITY_ID"] == list).collect();
        stages.sort_by(|a, b| query::compare(&a["SORT"], &b["SORT"]));
        stages
    }

    fn first_stage(&self, entity: u32, item: &Map<String, Value>) -> String {
        let list = stage_list(entity, item.get("categoryId"));
        let first = self.stages_of(&list).first().and_then(|row| row["STATUS_ID"].as_str()).map(str::to_owned);
        first.unwrap_or_else(|| if entity > COMPANY { format!("DT{entity}_1:NEW") } else { "NEW".into() })
    }

    /// Refuses a stage that the item's funnel does not have, and a funnel that the type does not have.
    fn check_stage(&self, entity: u32, item: &Map<String, Value>) -> Result<(), RestRefusal> {
        let stages = self.stages_of(&stage_list(entity, item.get("categoryId")));
        let stage = item.get("stageId").unwrap_or(&Value::Null);
        if stages.iter().any(|row| row["STATUS_ID"] == *stage) { Ok(()) } else { Err(written::invalid("stageId")) }
    }

    /// Refuses an item whose required fields are not all filled in.
    fn check_required(&self, entity: u32, item: &Map<String, Value>) -> Result<(), RestRefusal> {
        let own = self.own_fields.get(&entity).into_iter().flatten();
        let missing =
            own.filter(|field| field.required).find(|field| item.get(&field.name).is_none_or(written::is_empty));
        missing.map_or(Ok(()), |field| Err(required(&field.described(), &field.name)))
    }

    pub(super) fn visible(&self, entity: u32, id: u64) -> Result<&Map<String, Value>, RestRefusal> {
        if self.hidden.contains(&(entity, id)) {
            return Err((400, "ACCESS_DENIED", "Access denied".into()));
        }
        let found = self.items.get(&entity).and_then(|items| items.get(&id));
        found.ok_or_else(|| (400, "NOT_FOUND", "Element not found".into()))
    }

    /// An item with all fields that its type has, empty ones too.
    pub(super) fn whole(&self, entity: u32, item: &Map<String, Value>) -> Map<String, Value> {
        let mut item = item.clone();
        for field in self.own_fields.get(&entity).into_iter().flatten() {
            let empty = if field.multiple { json!([]) } else { Value::Null };
            item.entry(field.name.clone()).or_insert(empty);
        }
        item
    }

    /// The names of `crm.item.*`: as the fields are described, or in the capital letters of the older methods.
    fn name(&self, entity: u32, given: &str, any_case: bool) -> Option<String> {
        let same = |known: &str| if any_case { known.eq_ignore_ascii_case(given) } else { known == given };
        let standard = super::fields::standard(entity).find(|field| same(field.name) || same(field.upper));
        let own = || self.own_fields.get(&entity)?.iter().find(|field| same(&field.name) || same(&field.upper));
        standard.map(|field| field.name.to_owned()).or_else(|| own().map(|field| field.name.clone()))
    }

    /// `crm.item.list`: the rows, how many there are in all, where the next page starts.
    pub(super) fn list(
        &self,
        entity: u32,
        params: &Map<String, Value>,
        user: u64,
    ) -> Result<(Vec<Value>, Option<usize>, Option<usize>), RestRefusal> {
        let allowed = |name: String| (name != "fm").then_some(name);
        let filtering = FieldNames::strict(|given| self.name(entity, given, false).and_then(allowed));
        let sorting = FieldNames::strict(|given| self.name(entity, given, true).and_then(allowed));
        let (page, total, next) = self.found(entity, params, user, &filtering, &sorting)?;
        let select: Vec<String> =
            params.get("select").map(values).unwrap_or_default().into_iter().map(query::text).collect();
        let select: Vec<String> = select
            .into_iter()
            .filter_map(|name| if name == "*" { Some(name) } else { self.name(entity, &name, false) })
            .collect();
        let page = page.into_iter().map(|item| selected(self.whole(entity, item), &select)).collect();
        Ok((page, total, next))
    }

    /// A page of a type's items.
    pub(super) fn found(
        &self,
        entity: u32,
        params: &Map<String, Value>,
        user: u64,
        filtering: &FieldNames,
        sorting: &FieldNames,
    ) -> Result<(Vec<&Map<String, Value>>, Option<usize>, Option<usize>), RestRefusal> {
        let items =
            self.items.get(&entity).ok_or_else(|| (400, "NOT_FOUND", format!("Smart process {entity} not found")))?;
        let empty = Map::new();
        let test =
            query::filter(query::param(params, "filter").and_then(Value::as_object).unwrap_or(&empty), filtering)?;
        let order = query::order(query::param(params, "order"), sorting)?;
        let counted = query::start(params).is_some();
        // Items lie in the order of their ids: a page that is neither counted nor sorted otherwise ends early.
        let by_id = order.first().is_none_or(|(field, down)| field == "id" && !down);
        let mut rows = Vec::new();
        for (id, item) in items {
            let is_seen = !self.hidden.contains(&(entity, *id)) && self.reads_item(user, item);
            if is_seen && test.passes(item) {
                rows.push(item);
            }
            if by_id && !counted && rows.len() == PAGE {
                break;
            }
        }
        if !by_id {
            query::sort(&mut rows, &order);
        }
        Ok(query::page(&rows, params))
    }
}

fn selected(mut item: Map<String, Value>, select: &[String]) -> Value {
    if !select.is_empty() && !select.iter().any(|name| name == "*") {
        item.retain(|name, _| name == "id" || select.iter().any(|wanted| wanted == name));
    }
    Value::Object(item)
}

/// The members of a list, or of a map that PHP made of one.
pub(super) fn values(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
