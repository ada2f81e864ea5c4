//! What an event points at (a record, a comment, a call, a chat), from its code and its data.

use serde::{Deserialize, Serialize};

use crate::call::FinishedCall;
use crate::chat::ChatEvent;
use crate::crm::EntityType;
use crate::form::Tree;

/// The longest name of an event of the customer's own making.
const CUSTOM_NAME: usize = 60;
/// The most text that its fields may hold.
const CUSTOM_FIELDS: usize = 16 * 1024;

/// What happened to it, by the event's word. A word only: events come late, twice or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectAction {
    /// It appeared.
    Add,
    /// It changed.
    Update,
    /// It went.
    Delete,
}

/// What an event points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A CRM item: lead, deal, contact, company, smart-process item.
    Item {
        entity: EntityType,
        id: u64,
        /// What happened.
        action: SubjectAction,
    },
    Task {
        id: u64,
        /// What happened.
        action: SubjectAction,
    },
    /// A comment on a task. The old card gives `comment`, the new one `message` in the task's chat.
    TaskComment {
        task: u64,
        /// The comment's id; absent in the new card.
        comment: Option<u64>,
        /// The chat message's id; absent in the old card.
        message: Option<u64>,
        /// What happened.
        action: SubjectAction,
    },
    /// A telephone call.
    Call {
        /// Telephony's id of it.
        call_id: String,
        /// `init`, `start` or `end`.
        stage: String,
        /// What the event itself says of a call that ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<Box<FinishedCall>>,
    },
    /// An event of the customer's own making, from an on-premise portal's handler.
    Custom {
        /// What it is called: `order_paid`.
        name: String,
        /// Its identity, if it has one: the same twice is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Its data.
        fields: serde_json::Map<String, serde_json::Value>,
    },
    /// A CRM activity.
    Activity {
        id: u64,
        /// What happened.
        action: SubjectAction,
    },
    /// A comment on a CRM record's timeline.
    TimelineComment {
        id: u64,
        /// What happened.
        action: SubjectAction,
    },
    /// A user was added.
    User { id: u64 },
    /// Something of the application's own life: installed, updated, removed, paid for, tested.
    Application,
    /// The application was removed from the portal.
    Uninstalled {
        /// Whether the person wants its data deleted.
        clean: bool,
    },
    /// What happened in a chat that our bot is in.
    Chat(Box<ChatEvent>),
    /// Another event of a chatbot.
    Bot,
    /// There are offline events to fetch.
    Offline,
    /// A known event that does not carry what it should.
    Incomplete {
        /// The field that is missing or no number.
        missing: String,
    },
    /// No event that we know.
    Unknown,
}

impl Subject {
    /// Reads the subject of an event with this upper-case code.
    pub fn of(code: &str, data: &Tree) -> Self {
        item(code, data)
            .or_else(|| task(code, data))
            .or_else(|| timeline(code, data))
            .or_else(|| call(code, data))
            .or_else(|| custom(code, data))
            .or_else(|| other(code, data))
            .unwrap_or(Self::Unknown)
    }
}

/// `ADD`, `UPDATE` or `DELETE` at the end of a code.
fn action(word: &str) -> Option<SubjectAction> {
    match word {
        "ADD" => Some(SubjectAction::Add),
        "UPDATE" => Some(SubjectAction::Update),
        "DELETE" => Some(SubjectAction::Delete),
        _ => None,
    }
}

fn incomplete(path: &[&str]) -> Subject {
    Subject::Incomplete { missing: format!("data[{}]", path.join("][")) }
}

fn item(code: &str, data: &Tree) -> Option<Subject> {
    const ID: &[&str] = &["FIELDS", "ID"];
    const TYPE: &[&str] = &["FIELDS", "ENTITY_TYPE_ID"];
    let rest = code.strip_prefix("ONCRM")?;
    if rest == "DEALMOVETOCATEGORY" {
        let deal = |id| Subject::Item { entity: EntityType::DEAL, id, action: SubjectAction::Update };
        return Some(data.number(ID).map_or_else(|| incomplete(ID), deal));
    }
    let named = [
        ("LEAD", EntityType::LEAD),
        ("DEAL", EntityType::DEAL),
        ("CONTACT", EntityType::CONTACT),
        ("COMPANY", EntityType::COMPANY),
    ];
    for (name, entity) in named {
        if let Some(action) = rest.strip_prefix(name).and_then(action) {
            return Some(data.number(ID).map_or_else(|| incomplete(ID), |id| Subject::Item { entity, id, action }));
        }
    }
    // ONCRMDYNAMICITEMUPDATE, or ONCRMDYNAMICITEMUPDATE_147 for one smart process.
    let (word, suffix) = rest.strip_prefix("DYNAMICITEM").map(|rest| rest.split_once('_').unwrap_or((rest, "")))?;
    let action = action(word)?;
    let Some(entity) = data.number(TYPE).or_else(|| suffix.parse().ok()).map(EntityType) else {
        return Some(incomplete(TYPE));
    };
    Some(data.number(ID).map_or_else(|| incomplete(ID), |id| Subject::Item { entity, id, action }))
}

fn task(code: &str, data: &Tree) -> Option<Subject> {
    let rest = code.strip_prefix("ONTASK")?;
    // An added task has only FIELDS_AFTER, a deleted one only FIELDS_BEFORE.
    let side =
        |name: &str| data.number::<u64>(&["FIELDS_AFTER", name]).or_else(|| data.number(&["FIELDS_BEFORE", name]));
    if let Some(action) = rest.strip_prefix("COMMENT").and_then(action) {
        let Some(task) = side("TASK_ID") else { return Some(incomplete(&["FIELDS_AFTER", "TASK_ID"])) };
        let comment = side("ID").filter(|id| *id != 0);
        return Some(Subject::TaskComment { task, comment, message: side("MESSAGE_ID"), action });
    }
    let action = action(rest)?;
    Some(side("ID").map_or_else(|| incomplete(&["FIELDS_AFTER", "ID"]), |id| Subject::Task { id, action }))
}

fn timeline(code: &str, data: &Tree) -> Option<Subject> {
    // The documents print a timeline comment without the FIELDS wrapper that everything else has.
    let id = data.number(&["FIELDS", "ID"]).or_else(|| data.number(&["ID"]));
    if let Some(action) = code.strip_prefix("ONCRMACTIVITY").and_then(action) {
        return Some(id.map_or_else(|| incomplete(&["FIELDS", "ID"]), |id| Subject::Activity { id, action }));
    }
    let action = code.strip_prefix("ONCRMTIMELINECOMMENT").and_then(action)?;
    Some(id.map_or_else(|| incomplete(&["ID"]), |id| Subject::TimelineComment { id, action }))
}

fn call(code: &str, data: &Tree) -> Option<Subject> {
    let stage = code.strip_prefix("ONVOXIMPLANTCALL").filter(|stage| ["INIT", "START", "END"].contains(stage))?;
    Some(data.text(&["CALL_ID"]).map_or_else(
        || incomplete(&["CALL_ID"]),
        |call_id| {
            let told = serde_json::to_value(data).ok().and_then(|data| serde_json::from_value(data).ok());
            let told = told.filter(|_| stage == "END").map(Box::new);
            Subject::Call { call_id: call_id.to_owned(), stage: stage.to_ascii_lowercase(), told }
        },
    ))
}

/// `SWITCHBOARD.ORDER_PAID`, as `infra/bitrix24-onpremise` forwards it.
fn custom(code: &str, data: &Tree) -> Option<Subject> {
    let name = code.strip_prefix("SWITCHBOARD.")?.to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    if name.is_empty() || name.len() > CUSTOM_NAME || !name.chars().all(fits) {
        return Some(Subject::Incomplete { missing: "name of letters, digits, dots and underscores".into() });
    }
    let fields = data.get("FIELDS").and_then(|fields| serde_json::to_value(fields).ok()).unwrap_or_default();
    let serde_json::Value::Object(fields) = fields else {
        return Some(Subject::Custom { name, id: None, fields: serde_json::Map::new() });
    };
    if serde_json::to_string(&fields).is_ok_and(|text| text.len() > CUSTOM_FIELDS) {
        return Some(Subject::Incomplete { missing: format!("data[FIELDS] of at most {CUSTOM_FIELDS} characters") });
    }
    Some(Subject::Custom { name, id: data.text(&["ID"]).map(|id| id.chars().take(100).collect()), fields })
}

fn other(code: &str, data: &Tree) -> Option<Subject> {
    Some(match code {
        "ONUSERADD" => data.number(&["ID"]).map_or_else(|| incomplete(&["ID"]), |id| Subject::User { id }),
        "ONAPPUNINSTALL" => Subject::Uninstalled { clean: data.number(&["CLEAN"]) == Some(1) },
        "ONAPPINSTALL" | "ONAPPUPDATE" | "ONAPPPAYMENT" | "ONAPPMETHODCONFIRM" | "ONAPPTEST" => Subject::Application,
        "ONOFFLINEEVENT" => Subject::Offline,
        _ if code.starts_with("ONIMBOT") || code.starts_with("ONIMCOMMAND") => match ChatEvent::read(code, data) {
            Some(Ok(event)) => Subject::Chat(Box::new(event)),
            Some(Err(missing)) => Subject::Incomplete { missing },
            None => Subject::Bot,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    fn subject(code: &str, data: &str) -> Subject {
        let tree = form::parse(format!("event=X&{data}").as_bytes()).unwrap();
        Subject::of(code, tree.get("data").unwrap_or(&Tree::default()))
    }

    #[test]
    fn a_task_comment_is_read_from_the_old_and_the_new_card() {
        let new = "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=0&data[FIELDS_AFTER][MESSAGE_ID]=48760&data[FIELDS_AFTER][TASK_ID]=2536";
        assert_eq!(
            subject("ONTASKCOMMENTADD", new),
            Subject::TaskComment { task: 2536, comment: None, message: Some(48760), action: SubjectAction::Add }
        );
        let old = "data[FIELDS_AFTER][ID]=5&data[FIELDS_AFTER][TASK_ID]=2536";
        assert_eq!(
            subject("ONTASKCOMMENTADD", old),
            Subject::TaskComment { task: 2536, comment: Some(5), message: None, action: SubjectAction::Add }
        );
    }

    #[test]
    fn a_deleted_task_is_named_by_what_it_was() {
        let data = "data[FIELDS_BEFORE][ID]=123&data[FIELDS_AFTER]=undefined";
        assert_eq!(subject("ONTASKDELETE", data), Subject::Task { id: 123, action: SubjectAction::Delete });
    }

    #[test]
    fn a_smart_process_is_named_by_its_data_or_its_code() {
        let expected = Subject::Item { entity: EntityType(147), id: 22, action: SubjectAction::Add };
        assert_eq!(subject("ONCRMDYNAMICITEMADD", "data[FIELDS][ID]=22&data[FIELDS][ENTITY_TYPE_ID]=147"), expected);
        assert_eq!(subject("ONCRMDYNAMICITEMADD_147", "data[FIELDS][ID]=22"), expected);
    }

    #[test]
    fn a_call_that_ended_is_told_with_its_event_and_a_customers_own_event_by_its_name() {
        let Subject::Call { told: Some(told), .. } =
            subject("ONVOXIMPLANTCALLEND", "data[CALL_ID]=x.1&data[CALL_TYPE]=2&data[CALL_FAILED_CODE]=304")
        else {
            unreachable!()
        };
        assert!(told.is_missed());
        let Subject::Custom { name, id, fields } =
            subject("SWITCHBOARD.ORDER_PAID", "data[ID]=7&data[FIELDS][sum]=10&data[FIELDS][who][name]=Ann")
        else {
            unreachable!()
        };
        assert_eq!((name.as_str(), id.as_deref()), ("order_paid", Some("7")));
        assert_eq!(fields["who"]["name"], "Ann");
        assert!(matches!(subject("SWITCHBOARD.A B", "data[x]=1"), Subject::Incomplete { .. }));
    }

    #[test]
    fn a_known_event_without_its_id_says_what_is_missing() {
        assert_eq!(
            subject("ONCRMDEALADD", "data[FIELDS][ID]=x"),
            Subject::Incomplete { missing: "data[FIELDS][ID]".into() }
        );
        assert_eq!(subject("ONCRMDEALFROBNICATE", "data[FIELDS][ID]=1"), Subject::Unknown);
    }
}
