//! The portal's data besides its records: lists of statuses, currencies, departments, people, scopes and methods.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::crm::{RestRefusal, number};
use super::query;
use super::query::{FieldNames, param, text};
use super::rest::MethodResult;
use super::userfields::TYPES;
use super::{COMPANY, CONTACT, LEAD, PortalShared, SimulatorState, portal_time};

/// Most values that `crm.duplicate.findbycomm` looks for.
const MAX_DUPLICATE_VALUES: usize = 20;

/// Every method that is simulated, and the scope that it needs (none for those of the basic scope).
pub(super) const METHODS: &[(&str, &str)] = &[
    ("app.info", ""),
    ("batch", ""),
    ("event.bind", ""),
    ("event.get", ""),
    ("event.offline.clear", ""),
    ("event.offline.get", ""),
    ("event.unbind", ""),
    ("events", ""),
    ("feature.get", ""),
    ("method.get", ""),
    ("methods", ""),
    ("profile", ""),
    ("scope", ""),
    ("server.time", ""),
    ("crm.activity.binding.list", "crm"),
    ("crm.activity.get", "crm"),
    ("crm.activity.list", "crm"),
    ("crm.category.list", "crm"),
    ("crm.company.add", "crm"),
    ("crm.company.delete", "crm"),
    ("crm.company.fields", "crm"),
    ("crm.company.get", "crm"),
    ("crm.company.list", "crm"),
    ("crm.company.update", "crm"),
    ("crm.company.userfield.add", "crm"),
    ("crm.company.userfield.delete", "crm"),
    ("crm.company.userfield.get", "crm"),
    ("crm.company.userfield.list", "crm"),
    ("crm.company.userfield.update", "crm"),
    ("crm.contact.add", "crm"),
    ("crm.contact.delete", "crm"),
    ("crm.contact.fields", "crm"),
    ("crm.contact.get", "crm"),
    ("crm.contact.list", "crm"),
    ("crm.contact.update", "crm"),
    ("crm.contact.userfield.add", "crm"),
    ("crm.contact.userfield.delete", "crm"),
    ("crm.contact.userfield.get", "crm"),
    ("crm.contact.userfield.list", "crm"),
    ("crm.contact.userfield.update", "crm"),
    ("crm.currency.base.get", "crm"),
    ("crm.currency.get", "crm"),
    ("crm.currency.list", "crm"),
    ("crm.deal.add", "crm"),
    ("crm.deal.delete", "crm"),
    ("crm.deal.fields", "crm"),
    ("crm.deal.get", "crm"),
    ("crm.deal.list", "crm"),
    ("crm.deal.update", "crm"),
    ("crm.deal.userfield.add", "crm"),
    ("crm.deal.userfield.delete", "crm"),
    ("crm.deal.userfield.get", "crm"),
    ("crm.deal.userfield.list", "crm"),
    ("crm.deal.userfield.update", "crm"),
    ("crm.dealcategory.stage.list", "crm"),
    ("crm.duplicate.findbycomm", "crm"),
    ("crm.enum.ownertype", "crm"),
    ("crm.item.add", "crm"),
    ("crm.item.delete", "crm"),
    ("crm.item.fields", "crm"),
    ("crm.item.get", "crm"),
    ("crm.item.list", "crm"),
    ("crm.item.update", "crm"),
    ("crm.lead.add", "crm"),
    ("crm.lead.delete", "crm"),
    ("crm.lead.fields", "crm"),
    ("crm.lead.get", "crm"),
    ("crm.lead.list", "crm"),
    ("crm.lead.update", "crm"),
    ("crm.lead.userfield.add", "crm"),
    ("crm.lead.userfield.delete", "crm"),
    ("crm.lead.userfield.get", "crm"),
    ("crm.lead.userfield.list", "crm"),
    ("crm.lead.userfield.update", "crm"),
    ("crm.stagehistory.list", "crm"),
    ("crm.status.add", "crm"),
    ("crm.status.delete", "crm"),
    ("crm.status.get", "crm"),
    ("crm.status.list", "crm"),
    ("crm.status.update", "crm"),
    ("crm.timeline.comment.add", "crm"),
    ("crm.timeline.comment.list", "crm"),
    ("crm.type.list", "crm"),
    ("crm.userfield.types", "crm"),
    ("department.get", "department"),
    ("im.dialog.get", "im"),
    ("im.dialog.messages.get", "im"),
    ("im.message.add", "im"),
    ("im.v2.file.download", "im"),
    ("imbot.command.answer", "imbot"),
    ("imbot.command.register", "imbot"),
    ("imbot.message.add", "imbot"),
    ("imbot.message.update", "imbot"),
    ("imbot.register", "imbot"),
    ("imbot.unregister", "imbot"),
    ("imbot.update", "imbot"),
    ("imbot.v2.bot.register", "imbot"),
    ("imbot.v2.bot.unregister", "imbot"),
    ("imbot.v2.bot.update", "imbot"),
    ("imbot.v2.chat.get", "imbot"),
    ("imbot.v2.chat.message.delete", "imbot"),
    ("imbot.v2.chat.message.reaction.add", "imbot"),
    ("imbot.v2.chat.message.reaction.delete", "imbot"),
    ("imbot.v2.chat.message.send", "imbot"),
    ("imbot.v2.chat.message.update", "imbot"),
    ("imbot.v2.command.answer", "imbot"),
    ("imbot.v2.command.register", "imbot"),
    ("imbot.v2.file.download", "imbot"),
    ("imbot.v2.file.upload", "imbot"),
    ("imbot.v2.revision.get", "imbot"),
    ("sonet_group.get", "sonet_group"),
    ("task.commentitem.get", "task"),
    ("task.commentitem.getlist", "task"),
    ("tasks.task.add", "task"),
    ("tasks.task.complete", "task"),
    ("tasks.task.defer", "task"),
    ("tasks.task.delete", "task"),
    ("tasks.task.get", "task"),
    ("tasks.task.list", "task"),
    ("tasks.task.renew", "task"),
    ("tasks.task.start", "task"),
    ("tasks.task.update", "task"),
    ("user.current", "user"),
    ("user.get", "user"),
    ("user.search", "user"),
    ("voximplant.statistic.get", "telephony"),
];

/// The scope that a method needs.
pub(super) fn scope_of(method: &str) -> &'static str {
    METHODS.iter().find(|(name, _)| *name == method).map_or("", |(_, scope)| scope)
}

pub(super) fn scopes() -> Vec<&'static str> {
    let mut scopes: Vec<_> = METHODS.iter().map(|(_, scope)| *scope).filter(|scope| !scope.is_empty()).collect();
    scopes.dedup();
    scopes
}

/// Calls a method; `None` for others.
pub(super) fn call(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    user: u64,
) -> Option<Result<MethodResult, RestRefusal>> {
    Some(match method {
        "crm.status.list" => of_rows(&shared.lock().statuses, params),
        "crm.status.get" => status(&shared.lock(), params).map(|(_, row)| row.into()),
        "crm.status.add" => add_status(&mut shared.lock(), params).map(|id| json!(id).into()),
        "crm.status.update" => update_status(&mut shared.lock(), params).map(|()| json!(true).into()),
        "crm.status.delete" => delete_status(&mut shared.lock(), params).map(|()| json!(true).into()),
        "crm.dealcategory.stage.list" => {
            let category = param(params, "id").and_then(number).unwrap_or_default();
            let list = if category == 0 { "DEAL_STAGE".to_owned() } else { format!("DEAL_STAGE_{category}") };
            let state = shared.lock();
            let of = state.statuses.iter().filter(|row| row["ENTITY_ID"] == list.as_str());
            let rows = of.map(|row| json!({"NAME": row["NAME"], "SORT": row["SORT"], "STATUS_ID": row["STATUS_ID"]}));
            Ok(rows.collect::<Value>().into())
        }
        "crm.currency.list" => {
            let rows = shared.lock().currencies.clone();
            of_rows(&rows, &Map::from_iter(params.get("order").map(|order| ("order".to_owned(), order.clone()))))
        }
        "crm.currency.get" => {
            let wanted = param(params, "id").map(text).unwrap_or_default();
            let found = shared.lock().currencies.iter().find(|row| row["CURRENCY"] == wanted.as_str()).cloned();
            found.map(MethodResult::from).ok_or_else(|| (400, "", "Not found".into()))
        }
        "crm.currency.base.get" => {
            let base = shared.lock().currencies.iter().find(|row| row["BASE"] == "Y").cloned().unwrap_or_default();
            Ok(base["CURRENCY"].clone().into())
        }
        "crm.userfield.types" => {
            Ok(TYPES.iter().map(|(kind, title)| json!({"ID": kind, "title": title})).collect::<Value>().into())
        }
        "crm.enum.ownertype" => Ok(owner_types(&shared.lock()).into()),
        "crm.duplicate.findbycomm" => duplicates(&shared.lock(), params, user).map(MethodResult::from),
        "department.get" => {
            let params = without_case(params);
            of_rows(&shared.lock().departments, &params)
        }
        "user.get" => {
            let (called, asked) = called(&shared.lock().users, people(params));
            of_rows(&called, &asked)
        }
        "user.search" => Ok(search(&shared.lock(), params)),
        "user.current" => Ok(shared.lock().person(user).into()),
        "profile" => Ok(profile(&shared.lock(), user).into()),
        "scope" => Ok(scope(&shared.lock(), params).into()),
        "methods" => Ok(methods(&shared.lock(), params).into()),
        "method.get" => Ok(method_get(&shared.lock(), params).into()),
        "server.time" => Ok(json!(portal_time(shared.clock.now())).into()),
        "feature.get" => {
            let wanted = param(params, "code").map(text).unwrap_or_default();
            let has = shared.lock().features.contains(&wanted);
            Ok(json!({"value": if has { "Y" } else { "N" }}).into())
        }
        _ => return None,
    })
}

/// A page of rows in capital letters, filtered and sorted.
pub(super) fn of_rows(rows: &[Value], params: &Map<String, Value>) -> Result<MethodResult, RestRefusal> {
    let rows: Vec<_> = rows.iter().filter_map(Value::as_object).collect();
    let found = query::rows(rows, params, &FieldNames::any())?;
    let (page, total, next) = query::page(&found, params);
    Ok(MethodResult { result: page.into_iter().map(|row| Value::Object(row.clone())).collect(), total, next })
}

/// `user.get` names its sorting apart: `sort` the field, `order` the direction; and its filter may be on the outside.
fn people(params: &Map<String, Value>) -> Map<String, Value> {
    let mut asked = without_case(params);
    if let (Some(sort), Some(order)) = (param(params, "sort"), param(params, "order").filter(|order| order.is_string()))
    {
        asked.insert("order".into(), json!({text(sort): order}));
    }
    asked
}

/// The people whose names hold each word of `NAME_SEARCH`, and the other filters.
fn called(users: &[Value], mut params: Map<String, Value>) -> (Vec<Value>, Map<String, Value>) {
    let name = params.keys().find(|name| name.eq_ignore_ascii_case("filter")).cloned();
    let filter = name.and_then(|name| params.get_mut(&name)).and_then(Value::as_object_mut);
    let wanted = filter.and_then(|filter| filter.remove("NAME_SEARCH")).map(|words| text(&words).to_lowercase());
    let Some(wanted) = wanted else { return (users.to_vec(), params) };
    let is_called = |user: &&Value| {
        let name = format!("{} {}", text(&user["NAME"]), text(&user["LAST_NAME"])).to_lowercase();
        wanted.split_whitespace().all(|word| name.contains(word))
    };
    (users.iter().filter(is_called).cloned().collect(), params)
}

/// A filter among the parameters: `ID=1`.
fn without_case(params: &Map<String, Value>) -> Map<String, Value> {
    const RESERVED: [&str; 7] = ["filter", "order", "sort", "select", "start", "auth", "admin_mode"];
    let mut asked = params.clone();
    if param(params, "filter").is_none() {
        let outside = params.iter().filter(|(name, value)| {
            let is_column = name
                .trim_start_matches(['!', '>', '<', '=', '@', '%'])
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_');
            is_column && !RESERVED.contains(&name.to_lowercase().as_str()) && !value.is_object()
        });
        let filter: Map<String, Value> = outside.map(|(name, value)| (name.clone(), value.clone())).collect();
        asked.insert("filter".into(), Value::Object(filter));
    }
    asked
}

fn search(state: &SimulatorState, params: &Map<String, Value>) -> MethodResult {
    let filter = param(params, "filter").and_then(Value::as_object).unwrap_or(params);
    let wanted: Vec<(String, String)> = filter
        .iter()
        .filter(|(name, _)| ["FIND", "NAME", "LAST_NAME", "WORK_POSITION", "EMAIL"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), text(value).to_lowercase()))
        .collect();
    let is_found = |row: &&Value| {
        wanted.iter().all(|(name, part)| {
            let names: &[&str] =
                if name == "FIND" { &["NAME", "LAST_NAME", "WORK_POSITION"] } else { &[name.as_str()] };
            names.iter().any(|name| text(&row[*name]).to_lowercase().contains(part.trim_matches('%')))
        })
    };
    let found: Vec<Value> = state.users.iter().filter(is_found).cloned().collect();
    let (page, total, next) = query::page(&found, params);
    MethodResult { result: Value::Array(page), total, next }
}

fn profile(state: &SimulatorState, user: u64) -> Value {
    let person = state.person(user);
    json!({
        "ID": user.to_string(), "ADMIN": user == 1 && !state.demoted, "NAME": person["NAME"], "LAST_NAME": person["LAST_NAME"],
        "PERSONAL_GENDER": "", "TIME_ZONE": "",
    })
}

/// The scopes of the caller, or with `full` all that there are.
fn scope(state: &SimulatorState, params: &Map<String, Value>) -> Value {
    let all = param(params, "full").is_some_and(|full| ["1", "true", "Y"].contains(&text(full).as_str()));
    scopes().into_iter().filter(|scope| all || !state.removed_scopes.contains(*scope)).collect()
}

fn methods(state: &SimulatorState, params: &Map<String, Value>) -> Value {
    let wanted = param(params, "scope").map(text).filter(|scope| !scope.is_empty());
    let all = param(params, "full").is_some_and(|full| ["1", "true", "Y"].contains(&text(full).as_str()));
    let is_shown = |(_, scope): &&(&str, &str)| {
        all || match &wanted {
            Some(wanted) => wanted == scope,
            None => !state.removed_scopes.contains(*scope),
        }
    };
    METHODS.iter().filter(is_shown).map(|(name, _)| *name).collect()
}

fn method_get(state: &SimulatorState, params: &Map<String, Value>) -> Value {
    let name = param(params, "name").map(text).unwrap_or_default().to_lowercase();
    let known = METHODS.iter().find(|(known, _)| *known == name);
    let available = known.is_some_and(|(_, scope)| !state.removed_scopes.contains(*scope));
    json!({"isExisting": known.is_some(), "isAvailable": available})
}

fn owner_types(state: &SimulatorState) -> Value {
    let own = [
        (1, "Lead", "LEAD", "L"),
        (2, "Deal", "DEAL", "D"),
        (3, "Contact", "CONTACT", "C"),
        (4, "Company", "COMPANY", "CO"),
    ];
    let own = own.map(
        |(id, name, symbol, short)| json!({"ID": id, "NAME": name, "SYMBOL_CODE": symbol, "SYMBOL_CODE_SHORT": short}),
    );
    let processes = state.items.keys().filter(|entity| **entity > COMPANY).map(|entity| {
        json!({
            "ID": entity, "NAME": format!("Smart process {entity}"), "SYMBOL_CODE": format!("DYNAMIC_{entity}"),
            "SYMBOL_CODE_SHORT": format!("T{entity:x}"),
        })
    });
    own.into_iter().chain(processes).collect()
}

/// `crm.duplicate.findbycomm`: twenty or more finds of one type hide the types behind it, as on a real portal.
fn duplicates(state: &SimulatorState, params: &Map<String, Value>, user: u64) -> Result<Value, RestRefusal> {
    let kind = param(params, "type").map(text).unwrap_or_default().to_uppercase();
    if kind != "EMAIL" && kind != "PHONE" {
        return Err((400, "Communication type is not defined", String::new()));
    }
    let wanted: Vec<String> =
        param(params, "values").map(super::crm::values).unwrap_or_default().into_iter().map(text).collect();
    if wanted.is_empty() {
        return Err((400, "Communication values is not defined", String::new()));
    }
    if wanted.len() > MAX_DUPLICATE_VALUES {
        return Err((400, "Too many values", String::new()));
    }
    let normal = |value: &str| {
        if kind == "EMAIL" { value.trim().to_lowercase() } else { value.chars().filter(char::is_ascii_digit).collect() }
    };
    let wanted: Vec<String> = wanted.iter().map(|value| normal(value)).collect();
    let only = param(params, "entity_type").map(text).unwrap_or_default().to_uppercase();
    let mut found = Map::new();
    for (name, entity) in [("LEAD", LEAD), ("CONTACT", CONTACT), ("COMPANY", COMPANY)] {
        if !only.is_empty() && only != name {
            continue;
        }
        let matches = |item: &&Map<String, Value>| {
            let ways = item.get("fm").and_then(Value::as_array).into_iter().flatten();
            ways.filter(|way| way["typeId"] == kind.as_str()).any(|way| wanted.contains(&normal(&text(&way["value"]))))
        };
        let items = state.items.get(&entity).into_iter().flat_map(std::collections::BTreeMap::values);
        let ids: Vec<_> = items
            .filter(|item| state.reads_item(user, item))
            .filter(matches)
            .filter_map(|item| item.get("id").cloned())
            .take(MAX_DUPLICATE_VALUES)
            .collect();
        if ids.is_empty() {
            continue;
        }
        let is_full = ids.len() >= MAX_DUPLICATE_VALUES;
        found.insert(name.into(), Value::Array(ids));
        if is_full {
            break;
        }
    }
    Ok(if found.is_empty() { json!([]) } else { Value::Object(found) })
}

fn refused(text: &str) -> RestRefusal {
    (400, "", text.to_owned())
}

fn status(state: &SimulatorState, params: &Map<String, Value>) -> Result<(usize, Value), RestRefusal> {
    let id = param(params, "id").map(text).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| refused("ID is not defined or invalid."))?;
    let place = state.statuses.iter().position(|row| row["ID"] == id.as_str());
    let place = place.ok_or_else(|| refused("CRM Status not found."))?;
    Ok((place, state.statuses[place].clone()))
}

fn status_fields(params: &Map<String, Value>) -> Result<Map<String, Value>, RestRefusal> {
    let fields = param(params, "fields").and_then(Value::as_object).cloned();
    fields.ok_or_else(|| refused("Parameter 'fields' must be array."))
}

/// The funnel that a list of stages is of.
fn funnel(list: &str) -> Option<u64> {
    list.strip_prefix("DEAL_STAGE_")?.parse().ok()
}

fn add_status(state: &mut SimulatorState, params: &Map<String, Value>) -> Result<u64, RestRefusal> {
    let fields = status_fields(params)?;
    let word = |name: &str| fields.get(name).map(text).unwrap_or_default();
    let (list, code, name) = (word("ENTITY_ID"), word("STATUS_ID"), word("NAME"));
    for (field, value) in [("ENTITY_ID", &list), ("STATUS_ID", &code), ("NAME", &name)] {
        if value.is_empty() {
            return Err(refused(&format!("The field '{field}' is required.")));
        }
    }
    // A stage of another funnel than the first carries the funnel's number.
    let code = match funnel(&list) {
        Some(funnel) if !code.starts_with(&format!("C{funnel}:")) => format!("C{funnel}:{code}"),
        _ => code,
    };
    if state.statuses.iter().any(|row| row["ENTITY_ID"] == list.as_str() && row["STATUS_ID"] == code.as_str()) {
        return Err(refused(&format!("Status with ID '{code}' already exists.")));
    }
    let last = state.statuses.iter().filter_map(|row| row["ID"].as_str()?.parse::<u64>().ok()).max();
    let id = last.unwrap_or_default() + 1;
    let semantics = fields.get("SEMANTICS").cloned().filter(|value| value == "S" || value == "F").unwrap_or_default();
    state.statuses.push(json!({
        "ID": id.to_string(), "ENTITY_ID": list, "STATUS_ID": code, "NAME": name, "NAME_INIT": "",
        "SORT": word("SORT").parse::<u64>().unwrap_or(500).to_string(), "SYSTEM": "N",
        "CATEGORY_ID": funnel(&list).map_or_else(|| "0".to_owned(), |funnel| funnel.to_string()),
        "COLOR": word("COLOR"), "SEMANTICS": semantics,
    }));
    state.revision += 1;
    Ok(id)
}

fn update_status(state: &mut SimulatorState, params: &Map<String, Value>) -> Result<(), RestRefusal> {
    let ((place, _), fields) = (status(state, params)?, status_fields(params)?);
    for name in ["NAME", "SORT", "COLOR"] {
        if let Some(value) = fields.get(name) {
            state.statuses[place][name] = json!(text(value));
        }
    }
    state.revision += 1;
    Ok(())
}

fn delete_status(state: &mut SimulatorState, params: &Map<String, Value>) -> Result<(), RestRefusal> {
    let (place, row) = status(state, params)?;
    let forced = param(params, "params").and_then(|params| params.get("FORCED")).is_some_and(|forced| forced == "Y");
    if row["SYSTEM"] == "Y" && !forced {
        return Err(refused(
            "CRM System Status can be deleted only if parameter FORCED is specified and equal to \"Y\".",
        ));
    }
    state.statuses.remove(place);
    state.revision += 1;
    Ok(())
}

impl SimulatorState {
    /// What `user.current` says of a person.
    pub(super) fn person(&self, user: u64) -> Value {
        let id = user.to_string();
        self.users.iter().find(|known| known["ID"] == id.as_str()).cloned().unwrap_or_default()
    }
}
