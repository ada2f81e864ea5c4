//! What a person may reach with their own token: an administrator everything, others their own records.
//!
//! The roles are the strictest that a portal commonly has: people read CRM items that they are responsible for or
//! observe, and change those that they are responsible for; of tasks they reach those that they take part in.

use serde_json::{Map, Value};

use super::crm::{RestRefusal, number, values};
use super::{DEAL, LEAD, PortalSimulator, SimulatorState};

/// The portal's administrator.
const ADMINISTRATOR: u64 = 1;

impl PortalSimulator {
    /// Gives a person a role that reads and changes every CRM item.
    pub fn let_reach_all(&self, user: u64) {
        self.shared.lock().reach_all.insert(user);
    }

    /// Dismisses an employee: they are not active any more, and their tokens are refused.
    pub fn dismiss(&self, user: u64) {
        self.change_user(user, "ACTIVE", false.into());
    }

    /// Changes what `user.get` says of somebody.
    pub fn change_user(&self, user: u64, field: &str, value: Value) {
        let id = user.to_string();
        if let Some(row) = self.shared.lock().users.iter_mut().find(|row| row["ID"] == id.as_str()) {
            row[field] = value;
        }
    }
}

impl SimulatorState {
    pub(super) fn is_dismissed(&self, user: u64) -> bool {
        let id = user.to_string();
        self.users.iter().any(|row| row["ID"] == id.as_str() && row["ACTIVE"] == false)
    }

    fn reaches_all(&self, user: u64) -> bool {
        user == ADMINISTRATOR || user == self.credentials.user || self.reach_all.contains(&user)
    }

    pub(super) fn reads_item(&self, user: u64, item: &Map<String, Value>) -> bool {
        self.reaches_all(user) || is_one(item.get("assignedById"), user) || is_among(item.get("observers"), user)
    }

    pub(super) fn changes_item(&self, user: u64, item: &Map<String, Value>) -> bool {
        self.reaches_all(user) || is_one(item.get("assignedById"), user)
    }

    pub(super) fn reads_task(&self, user: u64, task: &Map<String, Value>) -> bool {
        let own = ["createdBy", "responsibleId"].iter().any(|field| is_one(task.get(*field), user));
        let with = ["accomplices", "auditors"].iter().any(|field| is_among(task.get(*field), user));
        user == ADMINISTRATOR || user == self.credentials.user || own || with
    }

    pub(super) fn hears_call(&self, user: u64, row: &Value) -> bool {
        self.reaches_all(user) || is_one(row.get("PORTAL_USER_ID"), user)
    }

    pub(super) fn reads_activity(&self, user: u64, row: &Value) -> bool {
        self.reaches_all(user) || {
            let of = |name: &str| number(&row[name]).and_then(|id| u64::try_from(id).ok()).unwrap_or_default();
            let entity = u32::try_from(of("OWNER_TYPE_ID")).unwrap_or_default();
            let item = self.items.get(&entity).and_then(|items| items.get(&of("OWNER_ID")));
            item.is_some_and(|item| self.reads_item(user, item))
        }
    }

    /// Refuses a call about one record that the person may not make.
    pub(super) fn guard(&self, method: &str, params: &Map<String, Value>, user: u64) -> Result<(), RestRefusal> {
        let whole = |value: Option<&Value>| value.and_then(number).and_then(|id| u64::try_from(id).ok());
        let denied = || (400, "ACCESS_DENIED", "Access denied".to_owned());
        let item = |entity: Option<u64>, id: Option<u64>| {
            let entity = u32::try_from(entity?).ok()?;
            self.items.get(&entity)?.get(&id?)
        };
        match method {
            "crm.item.get" | "crm.item.update" | "crm.item.delete" => {
                let Some(item) = item(whole(params.get("entityTypeId")), whole(params.get("id"))) else {
                    return Ok(());
                };
                let changes = method != "crm.item.get";
                let may = self.reads_item(user, item)
                    && (!changes || self.reaches_all(user) || is_one(item.get("assignedById"), user));
                may.then_some(()).ok_or_else(denied)
            }
            "crm.timeline.comment.add" | "crm.timeline.comment.list" => {
                let given = params.get("fields").or_else(|| params.get("filter")).cloned().unwrap_or_default();
                let entity = match given.get("ENTITY_TYPE").and_then(Value::as_str) {
                    Some("lead") => LEAD,
                    Some("deal") => DEAL,
                    _ => return Ok(()),
                };
                let found = item(Some(entity.into()), whole(given.get("ENTITY_ID")));
                let may = found.is_none_or(|item| self.reads_item(user, item));
                may.then_some(()).ok_or_else(denied)
            }
            _ if method.starts_with("tasks.task.") && !["tasks.task.get", "tasks.task.list"].contains(&method) => {
                let task = whole(params.get("taskId")).and_then(|id| self.tasks.get(&id));
                let may = task.is_none_or(|task| self.reads_task(user, task));
                may.then_some(())
                    .ok_or_else(|| (400, "ERROR_CORE", "TASKS_ERROR_EXCEPTION_#8; Access denied<br>".into()))
            }
            _ => Ok(()),
        }
    }
}

fn is_one(value: Option<&Value>, user: u64) -> bool {
    value.and_then(number).and_then(|id| u64::try_from(id).ok()) == Some(user)
}

fn is_among(list: Option<&Value>, user: u64) -> bool {
    list.is_some_and(|list| values(list).into_iter().any(|one| is_one(Some(one), user)))
}
