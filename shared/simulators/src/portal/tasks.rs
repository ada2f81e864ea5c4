//! Tasks, their comments in the old and the new card, and the chats that the new card keeps them in.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::crm::{RestRefusal, number, values};
use super::query;
use super::query::FieldNames;
use super::{PortalShared, SimulatorState, events, portal_time};

/// Under which type tasks lie in the bin: no CRM type has the number.
const TRASHED: u32 = 0;

/// Fields that a request may set, besides custom ones.
const WRITABLE: [&str; 22] = [
    "title",
    "description",
    "deadline",
    "startDatePlan",
    "endDatePlan",
    "priority",
    "createdBy",
    "responsibleId",
    "groupId",
    "stageId",
    "accomplices",
    "auditors",
    "parentId",
    "status",
    "tags",
    "mark",
    "allowChangeDeadline",
    "taskControl",
    "timeEstimate",
    "xmlId",
    "descriptionInBbcode",
    "siteId",
];

/// Columns that a filter may name, and the fields they are.
const COLUMNS: [(&str, &str); 11] = [
    ("ID", "id"),
    ("TITLE", "title"),
    ("REAL_STATUS", "status"),
    ("RESPONSIBLE_ID", "responsibleId"),
    ("CREATED_BY", "createdBy"),
    ("GROUP_ID", "groupId"),
    ("DEADLINE", "deadline"),
    ("CREATED_DATE", "createdDate"),
    ("CHANGED_DATE", "changedDate"),
    ("ACTIVITY_DATE", "activityDate"),
    ("STATUS", "subStatus"),
];

/// What comes whether it is selected or not.
const ALWAYS: [&str; 5] = ["id", "group", "responsible", "creator", "action"];

pub(super) fn add(shared: &Arc<PortalShared>, fields: &Map<String, Value>) -> Result<u64, RestRefusal> {
    let now = portal_time(shared.clock.now());
    let id = {
        let mut state = shared.lock();
        if fields.get("TITLE").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err((400, "ERROR_CORE", "Task title is not specified<br>".into()));
        }
        let in_use = state.tasks.keys().last().copied().unwrap_or(100);
        let trashed = state.trash.keys().filter(|(kind, _)| *kind == TRASHED).map(|(_, id)| *id).max();
        let id = in_use.max(trashed.unwrap_or_default()) + 1;
        let chat = if state.old_card { Value::Null } else { json!(2000 + id) };
        let user = state.credentials.user.to_string();
        let mut task = object(json!({
            "id": id.to_string(), "title": "", "description": "", "status": "2", "subStatus": "2", "priority": "1",
            "deadline": null, "createdBy": user, "responsibleId": user, "groupId": "0", "accomplices": [], "auditors": [],
            "createdDate": now, "changedDate": now, "activityDate": now, "chatId": chat, "ufCrmTask": [],
            "descriptionInBbcode": "Y",
        }));
        set(&state, &mut task, fields);
        state.tasks.insert(id, task);
        state.revision += 1;
        id
    };
    added(shared, id);
    Ok(id)
}

pub(super) fn update(shared: &Arc<PortalShared>, id: u64, fields: &Map<String, Value>) -> Result<(), RestRefusal> {
    let now = portal_time(shared.clock.now());
    {
        let mut state = shared.lock();
        let Some(mut task) = state.tasks.get(&id).cloned() else {
            return Err((400, "0", "wrong task id".into()));
        };
        let before = task.clone();
        set(&state, &mut task, fields);
        if task == before {
            return Ok(());
        }
        for name in ["changedDate", "activityDate"] {
            task.insert(name.into(), now.clone().into());
        }
        state.tasks.insert(id, task);
        state.revision += 1;
    }
    let data = json!({
        "FIELDS_BEFORE": {"ID": id}, "FIELDS_AFTER": {"ID": id}, "IS_ACCESSIBLE_BEFORE": "undefined",
        "IS_ACCESSIBLE_AFTER": "undefined",
    });
    events::emit(shared, "ONTASKUPDATE", &data);
    Ok(())
}

/// Deletes a task: it goes into the bin. False if there is none.
pub(super) fn delete(shared: &Arc<PortalShared>, id: u64) -> bool {
    {
        let mut state = shared.lock();
        let Some(task) = state.tasks.remove(&id) else { return false };
        state.trash.insert((TRASHED, id), task);
        state.revision += 1;
    }
    let data = json!({
        "FIELDS_BEFORE": {"ID": id}, "FIELDS_AFTER": "undefined", "IS_ACCESSIBLE_BEFORE": "undefined", "IS_ACCESSIBLE_AFTER": "N",
    });
    events::emit(shared, "ONTASKDELETE", &data);
    true
}

/// Takes a task out of the bin, with its number.
pub(super) fn restore(shared: &Arc<PortalShared>, id: u64) -> bool {
    {
        let mut state = shared.lock();
        let Some(mut task) = state.trash.remove(&(TRASHED, id)) else { return false };
        task.insert("changedDate".into(), portal_time(shared.clock.now()).into());
        state.tasks.insert(id, task);
        state.revision += 1;
    }
    added(shared, id);
    true
}

fn added(shared: &Arc<PortalShared>, id: u64) {
    let data = json!({
        "FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": id}, "IS_ACCESSIBLE_BEFORE": "N", "IS_ACCESSIBLE_AFTER": "undefined",
    });
    events::emit(shared, "ONTASKADD", &data);
}

/// A person comments: in the new card a message in the task's chat, in the old one a comment. The task's change date
/// stays; its activity date moves.
pub(super) fn comment(shared: &Arc<PortalShared>, task: u64, author: u64, text: &str, files: &[u64]) -> u64 {
    let now = portal_time(shared.clock.now());
    let (id, in_chat) = {
        let mut state = shared.lock();
        state.last_message += 1;
        let id = state.last_message;
        let Some(stored) = state.tasks.get_mut(&task) else { return 0 };
        stored.insert("activityDate".into(), now.clone().into());
        let chat = stored.get("chatId").and_then(Value::as_u64);
        state.revision += 1;
        match chat {
            Some(chat) => {
                let params = if files.is_empty() { json!([]) } else { json!({"FILE_ID": files}) };
                let message = json!({
                    "id": id, "chat_id": chat, "author_id": author, "date": now, "text": text, "unread": false, "uuid": null,
                    "replaces": [], "params": params, "disappearing_date": null,
                });
                state.chats.entry(chat).or_default().push(message);
                (id, true)
            }
            None => {
                let shown = files
                    .iter()
                    .filter_map(|id| state.context.files.get(id))
                    .map(super::chats::SimulatedChatFile::show);
                let attached: Vec<Value> = shown.collect();
                let comment = json!({
                    "POST_MESSAGE_HTML": null, "ID": id.to_string(), "AUTHOR_ID": author.to_string(), "AUTHOR_NAME": "",
                    "AUTHOR_EMAIL": "", "POST_DATE": now, "POST_MESSAGE": text, "ATTACHED_OBJECTS": attached,
                });
                state.comments.entry(task).or_default().push(comment);
                (id, false)
            }
        }
    };
    let mut after = json!({"ID": if in_chat { 0 } else { id }, "TASK_ID": task});
    if in_chat {
        after["MESSAGE_ID"] = json!(id);
    }
    let data = json!({
        "FIELDS_BEFORE": "undefined", "FIELDS_AFTER": after, "IS_ACCESSIBLE_BEFORE": "N", "IS_ACCESSIBLE_AFTER": "undefined",
    });
    events::emit(shared, "ONTASKCOMMENTADD", &data);
    id
}

/// Requests come in upper case, and are kept in camel case, numbers as text.
fn set(state: &SimulatorState, task: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (name, value) in fields {
        let name = camel(name);
        // A field that tasks do not have is ignored.
        if !WRITABLE.contains(&name.as_str()) && !name.starts_with("uf") {
            continue;
        }
        let Some(value) = kept(&name, value) else { continue };
        if name == "status" {
            task.insert("subStatus".into(), value.clone());
        }
        task.insert(name, value);
    }
    let of = |name: &str| task.get(name).cloned().unwrap_or_default();
    let (group_id, people) = (of("groupId"), [("responsible", of("responsibleId")), ("creator", of("createdBy"))]);
    let group = state.projects.iter().find(|group| group["ID"] == group_id);
    let group =
        group.map_or_else(|| json!([]), |group| json!({"id": group["ID"], "name": group["NAME"], "opened": true}));
    task.insert("group".into(), group);
    for (name, id) in people {
        let person = state.users.iter().find(|user| user["ID"] == id);
        let shown = person.map(|user| {
            let name = format!("{} {}", user["NAME"].as_str().unwrap_or_default(), user["LAST_NAME"].as_str().unwrap_or_default());
            json!({"id": user["ID"], "name": name, "link": format!("/company/personal/user/{}/", user["ID"].as_str().unwrap_or_default())})
        });
        task.insert(name.into(), shown.unwrap_or_default());
    }
    task.insert("action".into(), json!({"edit": true, "remove": true}));
}

/// What a task keeps of a value: lists of texts, or one text.
fn kept(name: &str, value: &Value) -> Option<Value> {
    let is_list = ["accomplices", "auditors", "tags", "ufCrmTask"].contains(&name);
    match value {
        _ if is_list => Some(values(value).into_iter().filter(|one| !query::text(one).is_empty()).map(text).collect()),
        Value::Array(list) if name.starts_with("uf") => Some(list.iter().map(text).collect()),
        Value::Array(_) | Value::Object(_) => None,
        Value::Number(number) => Some(Value::String(number.to_string())),
        Value::String(text) if text.is_empty() && name == "deadline" => Some(Value::Null),
        Value::Null if ["title", "description"].contains(&name) => Some(json!("")),
        other => Some(other.clone()),
    }
}

fn text(value: &Value) -> Value {
    value.as_u64().map_or_else(|| value.clone(), |number| number.to_string().into())
}

pub(super) fn camel(upper: &str) -> String {
    let mut words = upper.split('_').map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |all, word| {
        let mut letters = word.chars();
        let head: String = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().collect();
        all + &head + letters.as_str()
    })
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

type Rows = (Vec<Value>, Option<usize>, Option<usize>);

impl SimulatorState {
    /// `tasks.task.get`: a task that is missing or hidden is an empty list, with HTTP 200.
    pub(super) fn task(&self, id: u64, params: &Map<String, Value>, user: u64) -> Value {
        let is_seen = |task: &&Map<String, Value>| !self.hidden.contains(&(0, id)) && self.reads_task(user, task);
        match self.tasks.get(&id).filter(is_seen) {
            Some(task) => json!({"task": selected(task, params)}),
            None => json!([]),
        }
    }

    /// `tasks.task.list`.
    pub(super) fn task_list(&self, params: &Map<String, Value>, user: u64) -> Result<Rows, RestRefusal> {
        let names = FieldNames::strict(column);
        let empty = Map::new();
        let refused = |(status, _, text): RestRefusal| (status, "ERROR_CORE", format!("{text}<br>"));
        let filter = query::param(params, "filter").and_then(Value::as_object).unwrap_or(&empty);
        let test = query::filter(filter, &names).map_err(refused)?;
        let order = query::order(query::param(params, "order"), &names).map_err(refused)?;
        let is_seen = |(id, task): &(&u64, &Map<String, Value>)| {
            !self.hidden.contains(&(0, **id)) && self.reads_task(user, task) && test.passes(task)
        };
        let mut rows: Vec<_> = self.tasks.iter().filter(is_seen).map(|(_, task)| task).collect();
        query::sort(&mut rows, &order);
        let (page, total, next) = query::page(&rows, params);
        Ok((page.into_iter().map(|task| selected(task, params)).collect(), total, next))
    }

    /// `im.dialog.messages.get`, for a member of the chat: newest first; with `FIRST_ID` those after it, with `LAST_ID`
    /// those before it.
    pub(super) fn messages(&self, params: &Map<String, Value>, user: u64) -> Result<Value, RestRefusal> {
        let dialog = params.get("DIALOG_ID").and_then(Value::as_str).unwrap_or_default();
        let chat = dialog.strip_prefix("chat").and_then(|id| id.parse::<u64>().ok());
        let Some(chat) = chat else { return Err((400, "DIALOG_ID_EMPTY", "Dialog ID can't be empty".into())) };
        if self.context.chats.get(&chat).is_some_and(|chat| !chat.members.contains(&user)) {
            return Err((403, "ACCESS_ERROR", "You don't have access to this chat".into()));
        }
        if self.context.broken.contains(&chat) {
            return Err((500, "INTERNAL_SERVER_ERROR", "Internal server error".into()));
        }
        let bound = |name: &str| params.get(name).and_then(number);
        let limit = bound("LIMIT").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(20).min(50);
        let all = self.chats.get(&chat).cloned().unwrap_or_default();
        let id = |row: &Value| row["id"].as_i64().unwrap_or_default();
        let unread = all.iter().rev().take(self.context.unread).cloned().collect::<Vec<_>>();
        let mut rows: Vec<_> = match bound("FIRST_ID") {
            Some(first) => all.into_iter().filter(|row| id(row) > first).take(limit).collect(),
            None => {
                let before = bound("LAST_ID").unwrap_or(i64::MAX);
                all.into_iter().rev().filter(|row| id(row) < before).take(limit).collect()
            }
        };
        // What the user has not read comes beside what was asked for.
        for row in unread {
            if rows.iter().all(|listed| id(listed) != id(&row)) {
                rows.push(row);
            }
        }
        let (users, files) = (self.authors_of(&rows), self.files_of(&rows));
        Ok(json!({"chat_id": chat, "messages": rows, "users": users, "files": files}))
    }

    /// The comments of a task in the old card; the methods do not work in the new one.
    pub(super) fn old_comments(&self, task: u64) -> Result<Vec<Value>, RestRefusal> {
        match self.tasks.get(&task) {
            Some(stored) if stored.get("chatId").is_none_or(Value::is_null) => {
                Ok(self.comments.get(&task).cloned().unwrap_or_default())
            }
            Some(_) => Err((400, "ERROR_CORE", "TASKS_ERROR_EXCEPTION_#8; Action failed; not allowed".into())),
            None => Err((400, "ERROR_CORE", "TASKS_ERROR_EXCEPTION_#8; Task not found".into())),
        }
    }
}

fn selected(task: &Map<String, Value>, params: &Map<String, Value>) -> Value {
    let names: Vec<_> =
        params.get("select").map(values).unwrap_or_default().into_iter().filter_map(Value::as_str).collect();
    let names: Vec<_> = names.into_iter().map(camel).collect();
    let all = names.is_empty() || names.iter().any(|name| name == "*");
    let wanted = |name: &String| all || names.contains(name) || ALWAYS.contains(&name.as_str());
    // Custom fields and the CRM link come only when they are named.
    let custom = |name: &String| name.starts_with("uf") && !names.contains(name);
    Value::Object(
        task.iter().filter(|(name, _)| wanted(name) && !custom(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
    )
}

/// The field behind a column of the filter or the order, whatever its letters.
fn column(given: &str) -> Option<String> {
    COLUMNS.iter().find(|(name, _)| name.eq_ignore_ascii_case(given)).map(|(_, field)| (*field).to_owned())
}
