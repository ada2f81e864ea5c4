//! `crm.deal.*`, `crm.lead.*`, `crm.contact.*`, `crm.company.*`: the older methods, with upper-case names and values as
//! text. Their development is halted, and they work.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::crm;
use super::crm::{ItemAuthor, RestRefusal, number, values};
use super::fields::standard;
use super::query;
use super::query::{FieldNames, text};
use super::rest::MethodResult;
use super::values::ValueWriter;
use super::{COMPANY, CONTACT, DEAL, LEAD, PortalShared, SimulatorState, userfields};

/// The types, by their names in methods.
const TYPES: [(&str, u32); 4] = [("lead", LEAD), ("deal", DEAL), ("contact", CONTACT), ("company", COMPANY)];

/// Calls a method of the family; `None` for others.
pub(super) fn call(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    user: u64,
) -> Option<Result<MethodResult, RestRefusal>> {
    let (kind, action) = method.strip_prefix("crm.")?.split_once('.')?;
    let entity = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, entity)| *entity)?;
    if let Some(action) = action.strip_prefix("userfield.") {
        return Some(userfields::call(shared, entity, action, params));
    }
    Some(match action {
        "fields" => Ok(fields(&shared.lock(), entity).into()),
        "list" => list(&shared.lock(), entity, params, user),
        "get" => get(&shared.lock(), entity, params, user),
        "add" => add(shared, entity, params, user),
        "update" => update(shared, entity, params, user),
        "delete" => delete(shared, entity, params, user),
        _ => return None,
    })
}

fn refused(text: &str) -> RestRefusal {
    (400, "", text.to_owned())
}

fn id_of(params: &Map<String, Value>) -> Result<u64, RestRefusal> {
    let id = query::param(params, "id").and_then(number).and_then(|id| u64::try_from(id).ok());
    id.filter(|id| *id > 0).ok_or_else(|| refused("ID is not defined or invalid."))
}

fn given(params: &Map<String, Value>) -> Result<Map<String, Value>, RestRefusal> {
    let fields = query::param(params, "fields").and_then(Value::as_object).cloned();
    fields.ok_or_else(|| refused("Parameter 'fields' must be array."))
}

fn fields(state: &SimulatorState, entity: u32) -> Value {
    let own = state.own_fields.get(&entity).into_iter().flatten().map(|field| (field.upper.clone(), field.described()));
    let known = state.described(entity);
    let standard = standard(entity).filter(|field| field.name != "fm").map(|field| {
        let described = known.get(field.name).cloned().unwrap_or_default();
        (field.upper.to_owned(), described)
    });
    let mut all: Map<String, Value> = standard.chain(own).collect();
    for described in all.values_mut().filter_map(Value::as_object_mut) {
        described.remove("upperName");
    }
    if state.items.contains_key(&entity) && entity != DEAL {
        for name in ["PHONE", "EMAIL", "WEB", "IM"] {
            all.insert(name.into(), json!({
                "type": "crm_multifield", "isRequired": false, "isReadOnly": false, "isImmutable": false, "isMultiple": true,
                "isDynamic": false, "title": name,
            }));
        }
    }
    Value::Object(all)
}

/// The name that `crm.item.*` has for one of the older methods.
fn camel(state: &SimulatorState, entity: u32, upper: &str) -> Option<String> {
    let known =
        standard(entity).find(|field| field.upper.eq_ignore_ascii_case(upper)).map(|field| field.name.to_owned());
    known.or_else(|| {
        let own = state.own_fields.get(&entity)?.iter().find(|field| field.upper.eq_ignore_ascii_case(upper))?;
        Some(own.name.clone())
    })
}

/// A value as text, as the older methods give all of them.
fn shown(kind: &str, is_own: bool, is_multiple: bool, value: &Value) -> Value {
    match value {
        // PHP has neither for an own field without a value.
        Value::Array(list) if list.is_empty() && is_own => json!(false),
        Value::Array(list) => list.iter().map(|one| shown(kind, is_own, false, one)).collect(),
        Value::Null if is_own && is_multiple => json!(false),
        Value::Null if is_own => json!(""),
        Value::Null => Value::Null,
        Value::Object(file) => json!({
            "id": file.get("id"), "showUrl": file.get("url"), "downloadUrl": file.get("urlMachine"),
        }),
        Value::String(flag) if is_own && kind == "boolean" => json!(if flag == "Y" { "1" } else { "0" }),
        Value::Number(sum) if kind == "double" && !is_own => json!(format!("{:.2}", sum.as_f64().unwrap_or_default())),
        other => json!(text(other)),
    }
}

/// An item as the older methods give it.
fn row(state: &SimulatorState, entity: u32, item: &Map<String, Value>) -> Map<String, Value> {
    let whole = state.whole(entity, item);
    let of = |name: &str| whole.get(name).unwrap_or(&Value::Null);
    let mut row = Map::new();
    for field in standard(entity).filter(|field| !["fm", "contactIds", "observers"].contains(&field.name)) {
        row.insert(field.upper.into(), shown(field.kind, false, false, of(field.name)));
    }
    for field in state.own_fields.get(&entity).into_iter().flatten() {
        row.insert(field.upper.clone(), shown(&field.kind, true, field.multiple, of(&field.name)));
    }
    let ways = whole.get("fm").and_then(Value::as_array).cloned().unwrap_or_default();
    if entity != DEAL {
        for kind in ["PHONE", "EMAIL"] {
            let has = ways.iter().any(|way| way["typeId"] == kind);
            row.insert(format!("HAS_{kind}"), json!(if has { "Y" } else { "N" }));
        }
    }
    for way in ways {
        let kind = text(&way["typeId"]);
        let shown = json!({
            "ID": text(&way["id"]), "VALUE_TYPE": way["valueType"], "VALUE": way["value"], "TYPE_ID": kind,
        });
        match row.entry(kind).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(shown),
            other => *other = json!([shown]),
        }
    }
    row
}

/// Ways to reach somebody come in lists of their own; only those that are named are shown in lists.
fn is_way(name: &str) -> bool {
    ["PHONE", "EMAIL", "WEB", "IM", "LINK"].contains(&name)
}

fn list(
    state: &SimulatorState,
    entity: u32,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let names = FieldNames::lenient(|given| camel(state, entity, given));
    let (page, total, next) = state.found(entity, params, user, &names, &names)?;
    let select: Vec<String> = query::param(params, "select")
        .map(values)
        .unwrap_or_default()
        .into_iter()
        .map(|name| text(name).to_uppercase())
        .collect();
    let wanted = |name: &str| {
        let is_own = name.starts_with("UF_");
        if select.is_empty() {
            return !is_way(name);
        }
        let has = |wanted: &str| select.iter().any(|selected| selected == wanted);
        name == "ID" || has(name) || (!is_own && !is_way(name) && has("*")) || (is_own && has("UF_*"))
    };
    let rows = page.into_iter().map(|item| {
        let mut row = row(state, entity, item);
        row.retain(|name, _| wanted(name));
        Value::Object(row)
    });
    Ok(MethodResult { result: rows.collect(), total, next })
}

/// What the person may see; the older methods say so in words without a code.
fn visible(state: &SimulatorState, entity: u32, id: u64, user: u64) -> Result<&Map<String, Value>, RestRefusal> {
    match state.visible(entity, id) {
        Ok(item) if state.reads_item(user, item) => Ok(item),
        Err((_, "NOT_FOUND", _)) => Err(refused("Not found")),
        _ => Err(refused("Access denied.")),
    }
}

fn get(
    state: &SimulatorState,
    entity: u32,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let item = visible(state, entity, id_of(params)?, user)?;
    Ok(Value::Object(row(state, entity, item)).into())
}

/// The fields of a request by the names of `crm.item.*`; those that the type does not have are ignored.
fn named(state: &SimulatorState, entity: u32, fields: Map<String, Value>) -> Map<String, Value> {
    let mut named = Map::new();
    let mut ways = Vec::new();
    for (name, value) in fields {
        if is_way(&name) {
            let of = |way: &Value| {
                let way = way.as_object()?;
                let word = |name: &str| way.get(name).map(text);
                Some(json!({
                    "id": word("ID").and_then(|id| id.parse::<i64>().ok()), "typeId": name, "valueType": word("VALUE_TYPE"),
                    "value": if word("DELETE").is_some_and(|delete| delete == "Y") { Some(String::new()) } else { word("VALUE") },
                }))
            };
            ways.extend(values(&value).into_iter().filter_map(of).map(without_nulls));
        } else if let Some(known) = camel(state, entity, &name) {
            // The older methods take one value for a field of several.
            let is_multiple = state.described_field(entity, &known).is_some_and(|field| field["isMultiple"] == true);
            let is_one = is_multiple && !value.is_array() && !value.is_object() && !super::values::is_empty(&value);
            named.insert(known, if is_one { json!([value]) } else { value });
        }
    }
    if !ways.is_empty() {
        named.insert("fm".into(), Value::Array(ways));
    }
    named
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    value
}

fn by(user: u64) -> ItemAuthor {
    ItemAuthor { user, writer: ValueWriter::Rest }
}

/// A refusal in the words of the older methods: they have no codes.
fn in_words((status, _, text): RestRefusal) -> RestRefusal {
    (status, "", text)
}

fn add(
    shared: &Arc<PortalShared>,
    entity: u32,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let fields = given(params)?;
    let fields = named(&shared.lock(), entity, fields);
    let item = crm::add(shared, entity, fields, by(user)).map_err(in_words)?;
    Ok(item["id"].clone().into())
}

fn update(
    shared: &Arc<PortalShared>,
    entity: u32,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let (id, fields) = (id_of(params)?, given(params)?);
    let fields = {
        let state = shared.lock();
        let item = visible(&state, entity, id, user)?;
        if !state.changes_item(user, item) {
            return Err(refused("Access denied."));
        }
        named(&state, entity, fields)
    };
    crm::update(shared, entity, id, fields, by(user)).map_err(in_words)?;
    Ok(json!(true).into())
}

fn delete(
    shared: &Arc<PortalShared>,
    entity: u32,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let id = id_of(params)?;
    {
        let state = shared.lock();
        let item = visible(&state, entity, id, user)?;
        if !state.changes_item(user, item) {
            return Err(refused("Access denied."));
        }
    }
    crm::delete(shared, entity, id).map_err(in_words)?;
    Ok(json!(true).into())
}
