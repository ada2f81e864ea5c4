//! Tasks as `tasks.task.*` gives them: requests in upper case, answers in camel case, numbers as text.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crm::origin;
use crate::tolerant;

/// What to `select`: the default fields change from version to version, so they are always named.
pub const FIELDS: [&str; 15] = [
    "ID",
    "TITLE",
    "STATUS",
    "PRIORITY",
    "DEADLINE",
    "CREATED_BY",
    "RESPONSIBLE_ID",
    "ACCOMPLICES",
    "AUDITORS",
    "GROUP_ID",
    "CREATED_DATE",
    "CHANGED_DATE",
    "ACTIVITY_DATE",
    "CHAT_ID",
    "UF_CRM_TASK",
];

/// What to `select`, with `extra` custom fields (`ufAutoName` is asked for as `UF_AUTO_NAME`).
pub fn select(extra: &[String]) -> Vec<String> {
    FIELDS.iter().map(|field| (*field).to_owned()).chain(extra.iter().map(|field| upper_name(field))).collect()
}

/// A field as requests name it: `ufAutoName` is `UF_AUTO_NAME`.
pub fn upper_name(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// A task in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its number.
    #[serde(deserialize_with = "required_id")]
    pub id: u64,
    /// Its name.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub title: Option<String>,
    /// 2 waiting, 3 in progress, 4 awaiting control, 5 completed, 6 deferred.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub status: Option<u64>,
    /// 0 low, 1 normal, 2 high.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub priority: Option<u64>,
    /// Until when.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub deadline: Option<Timestamp>,
    /// Who set it.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub created_by: Option<u64>,
    /// Who is to do it.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub responsible_id: Option<u64>,
    /// Who helps.
    #[serde(default, deserialize_with = "tolerant::numbers")]
    pub accomplices: Vec<u64>,
    /// Who watches.
    #[serde(default, deserialize_with = "tolerant::numbers")]
    pub auditors: Vec<u64>,
    /// The project it belongs to; 0 for none.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub group_id: Option<u64>,
    /// The project, where the portal adds it; `[]` is written for none.
    #[serde(default, deserialize_with = "group", skip_serializing_if = "Option::is_none")]
    pub group: Option<Workgroup>,
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub created_date: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub changed_date: Option<Timestamp>,
    /// When something last happened with it, a comment for one.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub activity_date: Option<Timestamp>,
    /// The chat of the new task card; none in the old one.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub chat_id: Option<u64>,
    /// CRM items it belongs to: `D_1723`, `CO_591`.
    #[serde(default, deserialize_with = "tolerant::texts")]
    pub uf_crm_task: Vec<String>,
    /// Custom fields that were selected.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// A project (work group).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workgroup {
    /// What people call it.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub name: Option<String>,
}

impl Task {
    /// Reads a task; of what the portal adds unasked (rights, people with pictures) nothing is kept:
    /// beside the named fields only the description and the custom fields.
    pub fn read(value: Value) -> Result<Self, serde_json::Error> {
        let mut task: Self = serde_json::from_value(value)?;
        task.more.retain(|name, _| name.starts_with("uf") || name == "description");
        Ok(task)
    }

    /// The project's number.
    pub fn project(&self) -> Option<u64> {
        self.group_id.filter(|id| *id != 0)
    }

    /// Its page, as somebody sees it who may: the address wants a user of the portal.
    pub fn link(&self, domain: &str) -> String {
        let user = self.responsible_id.or(self.created_by).unwrap_or(1);
        format!("{}/company/personal/user/{user}/tasks/task/view/{}/", origin(domain), self.id)
    }
}

fn required_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    tolerant::number(deserializer)?.ok_or_else(|| serde::de::Error::custom("the task has no id"))
}

fn group<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Workgroup>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok().filter(|group: &Workgroup| group.name.is_some()))
}

/// A comment on a task, from either card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskComment {
    /// Who wrote it; 0 is the system.
    pub author: u64,
    /// What, in BBCode.
    pub text: String,
    /// The files in it whose names are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CommentFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentFile {
    /// The numbers by which a text may name it: of the file, of its attachment.
    pub ids: Vec<u64>,
    pub name: String,
}

impl TaskComment {
    /// Out of `task.commentitem.get`: the old card.
    pub fn from_item(row: &Value) -> Option<Self> {
        let author = tolerant::whole(&row["AUTHOR_ID"])?;
        let objects = row["ATTACHED_OBJECTS"].as_object().into_iter().flatten().map(|(_, object)| object);
        let files =
            objects.filter_map(|object| CommentFile::of(object, &["FILE_ID", "ATTACHMENT_ID"], "NAME")).collect();
        Some(Self { author, text: row["POST_MESSAGE"].as_str().unwrap_or_default().to_owned(), files })
    }

    /// Out of a message of `im.dialog.messages.get` and the `files` beside it: the new card.
    pub fn from_message(row: &Value, files: &Value) -> Option<Self> {
        let author = tolerant::whole(&row["author_id"])?;
        let own = |name: &str| match &row["params"][name] {
            Value::Array(ids) => ids.iter().filter_map(tolerant::whole).collect::<Vec<_>>(),
            id => tolerant::whole(id).into_iter().collect(),
        };
        let own = own("FILE_ID");
        let all = files.as_array().into_iter().flatten().filter_map(|file| CommentFile::of(file, &["id"], "name"));
        let files = all.filter(|file| file.ids.iter().any(|id| own.contains(id))).collect();
        Some(Self { author, text: row["text"].as_str().unwrap_or_default().to_owned(), files })
    }

    /// The name of the file that a text names by a number.
    pub fn file(&self, id: &str) -> Option<&str> {
        let id: u64 = id.parse().ok()?;
        self.files.iter().find(|file| file.ids.contains(&id)).map(|file| file.name.as_str())
    }
}

impl CommentFile {
    fn of(value: &Value, ids: &[&str], name: &str) -> Option<Self> {
        let ids: Vec<u64> = ids.iter().filter_map(|id| tolerant::whole(&value[*id])).collect();
        let name = value[name].as_str().map(str::trim).filter(|name| !name.is_empty() && !ids.is_empty())?;
        Some(Self { name: name.to_owned(), ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_comment_knows_the_names_of_its_files() {
        let item = json!({"AUTHOR_ID": "5", "POST_MESSAGE": "see [DISK FILE ID=n77]",
            "ATTACHED_OBJECTS": {"12": {"ATTACHMENT_ID": "12", "NAME": "offer.pdf", "FILE_ID": "77"}}});
        let comment = TaskComment::from_item(&item).unwrap();
        assert_eq!(
            (comment.file("77"), comment.file("12"), comment.file("5")),
            (Some("offer.pdf"), Some("offer.pdf"), None)
        );
        let files = json!([{"id": 5, "name": "a.png"}, {"id": 6, "name": "of another message.png"}]);
        let message = json!({"author_id": 5, "text": "", "params": {"FILE_ID": [5]}});
        let comment = TaskComment::from_message(&message, &files).unwrap();
        assert_eq!(comment.files, [CommentFile { ids: vec![5], name: "a.png".into() }]);
        let none = TaskComment::from_message(&json!({"author_id": 5, "text": "x", "params": []}), &files).unwrap();
        assert_eq!(none.files, []);
    }

    #[test]
    fn a_task_is_read_as_documented_and_keeps_nothing_unasked() {
        let mut answer: Value =
            serde_json::from_str(include_str!("../tests/fixtures/rest/tasks-task-get.json")).unwrap();
        let task = Task::read(answer["result"]["task"].take()).unwrap();
        assert_eq!((task.id, task.responsible_id, task.group), (8017, Some(547), None));
        assert_eq!(task.uf_crm_task[4], "D_1723");
        let is_asked = |name: &str| name == "description" || name.starts_with("uf");
        assert!(task.more.keys().all(|name| is_asked(name)), "{:?}", task.more.keys());
        assert_eq!(task.deadline.unwrap().to_string(), "2025-10-24T17:00:00Z");
    }

    #[test]
    fn a_task_of_a_project_carries_its_name() {
        let task = json!({"id": "7", "groupId": "3", "group": {"id": "3", "name": "Move"}, "auditors": {"13": "13"}});
        let task = Task::read(task).unwrap();
        assert_eq!((task.project(), task.group.unwrap().name.unwrap()), (Some(3), "Move".to_owned()));
        assert_eq!(task.auditors, [13]);
    }

    #[test]
    fn custom_fields_are_asked_for_by_their_upper_name() {
        assert_eq!(select(&["ufAutoCode".into()]).last().unwrap(), "UF_AUTO_CODE");
    }
}
