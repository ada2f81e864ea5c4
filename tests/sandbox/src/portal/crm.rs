//! CRM items: what adding, changing, deleting and listing them does.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{COMPANY, CONTACT, DEAL, LEAD, Shared, State, events, portal_time};

/// A refusal: HTTP status, code, words.
pub(super) type Refusal = (u16, &'static str, String);

/// Fields that a filter may name.
const FILTERABLE: [&str; 20] = [
    "originatorId",
    "originId",
    "id",
    "name",
    "lastName",
    "title",
    "stageId",
    "stageSemanticId",
    "categoryId",
    "opportunity",
    "currencyId",
    "assignedById",
    "createdBy",
    "sourceId",
    "companyId",
    "contactId",
    "createdTime",
    "updatedTime",
    "movedTime",
    "closed",
];

/// Fields that nobody sets from outside.
const READ_ONLY: [&str; 6] = ["id", "createdTime", "updatedTime", "movedTime", "entityTypeId", "stageSemanticId"];

const PAGE: usize = 50;

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
fn blank(state: &State, entity: u32, id: u64, now: &str) -> Map<String, Value> {
    let user = state.credentials.user;
    let kind = if entity == DEAL { "deal" } else { "lead" };
    let date = super::fields::midnight(now.get(..10).unwrap_or_default());
    let item = match entity {
        CONTACT => {
            json!({"id": id, "name": "", "lastName": "", "assignedById": user, "createdBy": user, "sourceId": "",
            "companyId": 0, "createdTime": now, "updatedTime": now, "entityTypeId": entity, "comments": "", "fm": [],
            "originatorId": "", "originId": ""})
        }
        COMPANY => json!({"id": id, "title": "", "assignedById": user, "createdBy": user, "createdTime": now,
            "updatedTime": now, "entityTypeId": entity}),
        _ => json!({
            "id": id, "title": format!("New {kind} #{id}"),
            "stageId": if entity > COMPANY { format!("DT{entity}_1:NEW") } else { "NEW".to_owned() }, "stageSemanticId": "P",
            "categoryId": match entity { DEAL => json!(0), LEAD => Value::Null, _ => json!(1) },
            "opportunity": 0, "currencyId": "RUB", "assignedById": user, "createdBy": user, "observers": [], "sourceId": "", "companyId": 0,
            "contactId": 0, "contactIds": [], "utmSource": "", "closed": "N", "opened": "Y", "comments": "", "originatorId": "", "originId": "", "companyTitle": "", "begindate": date, "closedate": date, "createdTime": now, "updatedTime": now,
            "movedTime": now, "entityTypeId": entity,
        }),
    };
    let mut item = super::tasks::object(item);
    if entity == LEAD {
        item.insert("fm".into(), json!([]));
    }
    item
}

pub(super) fn add(shared: &Arc<Shared>, entity: u32, fields: Map<String, Value>) -> Option<Value> {
    let now = portal_time(shared.clock.now());
    let item = {
        let mut state = shared.lock();
        let items = state.items.get(&entity)?;
        let id = items.keys().last().copied().unwrap_or_default() + 1;
        let mut item = blank(&state, entity, id, &now);
        set(&state, &mut item, fields);
        if item.contains_key("stageId") {
            remember_move(&mut state, &item, 1, &now);
        }
        state.items.get_mut(&entity)?.insert(id, item.clone());
        state.revision += 1;
        item
    };
    events::emit(shared, &event_name(entity, "ADD"), &event_data(entity, &item["id"]));
    Some(Value::Object(item))
}

pub(super) fn update(shared: &Arc<Shared>, entity: u32, id: u64, fields: Map<String, Value>) -> Result<Value, Refusal> {
    let now = portal_time(shared.clock.now());
    let (item, changed, moved_to) = {
        let mut state = shared.lock();
        let old = state.visible(entity, id)?.clone();
        let mut item = old.clone();
        set(&state, &mut item, fields);
        let changed = item != old;
        if changed {
            item.insert("updatedTime".into(), now.clone().into());
            if item.get("stageId") != old.get("stageId") {
                item.insert("movedTime".into(), now.clone().into());
                let kind = if item["stageSemanticId"] == "P" { 2 } else { 3 };
                remember_move(&mut state, &item, kind, &now);
            }
            state.items.entry(entity).or_default().insert(id, item.clone());
            state.revision += 1;
        }
        let moved_to = item.get("categoryId").filter(|category| old.get("categoryId") != Some(*category)).cloned();
        (item, changed, moved_to)
    };
    // An update that changes nothing is not saved and nobody is told.
    if changed {
        events::emit(shared, &event_name(entity, "UPDATE"), &event_data(entity, &json!(id)));
        if entity == DEAL && moved_to.is_some() {
            let fields = json!({"ID": id, "CATEGORY_ID": item["categoryId"], "STAGE_ID": item["stageId"]});
            events::emit(shared, "ONCRMDEALMOVETOCATEGORY", &json!({"FIELDS": fields}));
        }
    }
    Ok(Value::Object(item))
}

pub(super) fn delete(shared: &Arc<Shared>, entity: u32, id: u64) -> Result<(), Refusal> {
    {
        let mut state = shared.lock();
        state.visible(entity, id)?;
        if let Some(items) = state.items.get_mut(&entity) {
            items.remove(&id);
        }
        state.revision += 1;
    }
    events::emit(shared, &event_name(entity, "DELETE"), &event_data(entity, &json!(id)));
    Ok(())
}

fn set(state: &State, item: &mut Map<String, Value>, fields: Map<String, Value>) {
    let entity = item["entityTypeId"].as_u64().and_then(|entity| u32::try_from(entity).ok()).unwrap_or_default();
    let described = state.described(entity);
    for (name, value) in fields {
        let is_known = item.contains_key(&name) || described.contains_key(&name);
        if is_known && !READ_ONLY.contains(&name.as_str()) {
            let kept = super::fields::kept(described.get(&name).unwrap_or(&Value::Null), &name, value);
            item.insert(name, kept);
        }
    }
    for name in ["opportunity", "assignedById", "companyId", "contactId", "categoryId"] {
        // Numbers may be written as text; they are kept as numbers.
        if let Some(number) = item.get(name).and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok()) {
            item.insert(name.into(), number.into());
        }
    }
    if !item.contains_key("stageId") {
        return;
    }
    let meaning = state.meaning(item);
    item.insert("closed".into(), if meaning == "P" { "N" } else { "Y" }.into());
    item.insert("stageSemanticId".into(), meaning.into());
}

fn remember_move(state: &mut State, item: &Map<String, Value>, kind: u8, now: &str) {
    let id = state.stage_history.len() + 1;
    state.stage_history.push(json!({
        "ID": id, "TYPE_ID": kind, "OWNER_ID": item["id"], "CREATED_TIME": now, "CATEGORY_ID": item["categoryId"],
        "STAGE_SEMANTIC_ID": item["stageSemanticId"], "STAGE_ID": item["stageId"],
    }));
}

impl State {
    fn meaning(&self, item: &Map<String, Value>) -> String {
        let row = self.statuses.iter().find(|row| {
            let list = row["ENTITY_ID"].as_str().unwrap_or_default();
            (list.starts_with("DEAL_STAGE") || list == "STATUS" || list.starts_with("DYNAMIC_"))
                && row["STATUS_ID"] == item["stageId"]
        });
        row.and_then(|row| row["SEMANTICS"].as_str()).unwrap_or("P").to_owned()
    }

    pub(super) fn visible(&self, entity: u32, id: u64) -> Result<&Map<String, Value>, Refusal> {
        if self.hidden.contains(&(entity, id)) {
            return Err((400, "ACCESS_DENIED", "Access denied".into()));
        }
        let found = self.items.get(&entity).and_then(|items| items.get(&id));
        found.ok_or_else(|| (400, "NOT_FOUND", "Element not found".into()))
    }

    /// `crm.item.list`: the rows, how many there are in all, where the next page starts.
    pub(super) fn list(
        &self,
        entity: u32,
        params: &Map<String, Value>,
        user: u64,
    ) -> Result<(Vec<Value>, Option<usize>, Option<usize>), Refusal> {
        let items =
            self.items.get(&entity).ok_or_else(|| (400, "NOT_FOUND", format!("Smart process {entity} not found")))?;
        let empty = Map::new();
        let filter = params.get("filter").and_then(Value::as_object).unwrap_or(&empty);
        let order = params.get("order").and_then(Value::as_object).and_then(|order| order.iter().next());
        let start = params.get("start").map_or(0, |start| number(start).unwrap_or_default());
        let (skip, counted) = if start < 0 { (0, false) } else { (usize::try_from(start).unwrap_or_default(), true) };
        // Items lie in the order of their ids: a page that is neither counted nor sorted otherwise ends early.
        let by_id = order.is_none_or(|(field, direction)| field == "id" && !is_descending(direction));
        let mut rows = Vec::new();
        for (id, item) in items {
            let is_seen = !self.hidden.contains(&(entity, *id)) && self.reads_item(user, item);
            if is_seen && passes(item, filter)? {
                rows.push(item);
            }
            if by_id && !counted && rows.len() == PAGE {
                break;
            }
        }
        if let Some((field, direction)) = order.filter(|_| !by_id) {
            rows.sort_by(|a, b| compare(&a[field.as_str()], &b[field.as_str()]));
            if is_descending(direction) {
                rows.reverse();
            }
        }
        let total = rows.len();
        let select: Option<Vec<&str>> =
            params.get("select").map(|select| values(select).into_iter().filter_map(Value::as_str).collect());
        let page: Vec<_> =
            rows.into_iter().skip(skip).take(PAGE).map(|item| selected(item, select.as_deref())).collect();
        let next = (counted && skip + page.len() < total).then_some(skip + PAGE);
        Ok((page, counted.then_some(total), next))
    }
}

fn is_descending(direction: &Value) -> bool {
    direction.as_str().is_some_and(|direction| direction.eq_ignore_ascii_case("desc"))
}

fn selected(item: &Map<String, Value>, select: Option<&[&str]>) -> Value {
    match select {
        Some(names) if !names.is_empty() && !names.contains(&"*") => {
            let wanted = |name: &str| name == "id" || names.contains(&name);
            Value::Object(item.iter().filter(|(name, _)| wanted(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
        }
        _ => Value::Object(item.clone()),
    }
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

fn passes(item: &Map<String, Value>, filter: &Map<String, Value>) -> Result<bool, Refusal> {
    // The id is compared fastest.
    let (ids, others): (Vec<_>, Vec<_>) = filter.iter().partition(|(key, _)| key.ends_with("id"));
    for (key, wanted) in ids.into_iter().chain(others) {
        let field = key.trim_start_matches(['>', '<', '=', '!', '@', '%']);
        let operator = &key[..key.len() - field.len()];
        if !FILTERABLE.contains(&field) && !field.starts_with("ufCrm") {
            return Err((
                400,
                "INVALID_ARG_VALUE",
                format!("Invalid filter: field '{field}' is not allowed in filter"),
            ));
        }
        let given = item.get(field).unwrap_or(&Value::Null);
        let order = compare(given, wanted);
        let holds = match operator {
            "" | "=" if wanted.is_array() || wanted.is_object() => is_among(given, wanted),
            "@" => is_among(given, wanted),
            "" | "=" => order == Ordering::Equal,
            "!" | "!=" => order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            "%" => given.as_str().unwrap_or_default().contains(wanted.as_str().unwrap_or_default()),
            _ => return Err((400, "INVALID_ARG_VALUE", format!("Invalid filter: operator '{operator}'"))),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_among(given: &Value, wanted: &Value) -> bool {
    values(wanted).into_iter().any(|one| compare(given, one) == Ordering::Equal)
}

/// Numbers by value, moments by time, the rest by letters. An empty text counts as zero beside a number, as
/// it does when a batch's reference leads nowhere.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    let as_number = |value: &Value| match value {
        Value::String(text) if text.is_empty() => Some(0.0),
        Value::String(text) => text.parse::<f64>().ok(),
        other => other.as_f64(),
    };
    if let (Some(a), Some(b)) = (as_number(a), as_number(b)) {
        return a.total_cmp(&b);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (a, b) = (text(a), text(b));
    match (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(&b),
    }
}
