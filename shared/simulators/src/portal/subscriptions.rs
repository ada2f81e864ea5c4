//! An application's methods for events: bind and unbind them, and read the offline queue.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::crm::{RestRefusal, values};
use super::{PortalShared, SimulatorState};

/// Events that can be bound, besides those of one smart process.
const KNOWN: [&str; 26] = [
    "ONCRMLEADADD",
    "ONCRMLEADUPDATE",
    "ONCRMLEADDELETE",
    "ONCRMDEALADD",
    "ONCRMDEALUPDATE",
    "ONCRMDEALDELETE",
    "ONCRMDEALMOVETOCATEGORY",
    "ONCRMCONTACTADD",
    "ONCRMCONTACTUPDATE",
    "ONCRMCONTACTDELETE",
    "ONCRMCOMPANYADD",
    "ONCRMCOMPANYUPDATE",
    "ONCRMCOMPANYDELETE",
    "ONCRMDYNAMICITEMADD",
    "ONCRMDYNAMICITEMUPDATE",
    "ONCRMDYNAMICITEMDELETE",
    "ONCRMTIMELINECOMMENTADD",
    "ONCRMTIMELINECOMMENTUPDATE",
    "ONCRMTIMELINECOMMENTDELETE",
    "ONTASKADD",
    "ONTASKUPDATE",
    "ONTASKDELETE",
    "ONTASKCOMMENTADD",
    "ONVOXIMPLANTCALLEND",
    "ONAPPTEST",
    "ONAPPUNINSTALL",
];

/// A row of the offline queue: one for each record, however often it changed.
#[derive(Debug, Clone)]
pub(crate) struct OfflineEvent {
    id: u64,
    event: String,
    data: Value,
    at: String,
    connector: String,
    process: Option<String>,
}

/// What an application has bound.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    event: String,
    connector: String,
}

pub(super) fn call(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    is_app: bool,
) -> Option<Result<Value, RestRefusal>> {
    if !method.starts_with("event.") && method != "app.info" && method != "events" {
        return None;
    }
    if !is_app {
        return Some(Err((403, "ACCESS_DENIED", "Access denied! Application context required".into())));
    }
    let mut state = shared.lock();
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let event = text("event").to_uppercase();
    Some(match method {
        "app.info" => Ok(json!({
            "ID": 5, "CODE": "local.sandbox", "VERSION": 1, "STATUS": "L", "INSTALLED": state.installed, "PAYMENT_EXPIRED": "N",
            "DAYS": null, "LANGUAGE_ID": "en", "LICENSE": "com_pro100", "LICENSE_TYPE": "pro100", "LICENSE_FAMILY": "pro",
        })),
        "events" => Ok(json!(KNOWN)),
        "event.get" => Ok(state.bound_events()),
        "event.bind"
            if !KNOWN.contains(&event.as_str())
                && !event.starts_with("ONCRMDYNAMICITEM")
                && !event.contains("USERFIELD") =>
        {
            Err((400, "ERROR_EVENT_NOT_FOUND", "Event not found".into()))
        }
        "event.bind" if text("event_type") == "offline" => {
            let connector = text("auth_connector");
            if state.offline_bound.iter().any(|bound| bound.event == event && bound.connector == connector) {
                return Some(Err((400, "ERROR_HANDLER_ALREADY_EXIST", "Handler already exists!".into())));
            }
            state.offline_bound.push(Binding { event, connector });
            Ok(json!(true))
        }
        "event.bind" => {
            let handler = text("handler");
            if handler.is_empty() {
                return Some(Err((400, "ERROR_ARGUMENT", "Argument 'handler' is null or empty".into())));
            }
            if state.handlers.iter().any(|known| known.is_bound(&handler, &event)) {
                return Some(Err((400, "ERROR_HANDLER_ALREADY_EXIST", "Handler already exists!".into())));
            }
            state.bind(&handler, &event);
            Ok(json!(true))
        }
        "event.unbind" => Ok(json!({"count": state.unbind(&event, &text("handler"), text("event_type") == "offline")})),
        "event.offline.get" => Ok(state.take_offline(params)),
        "event.offline.clear" => {
            let process = text("process_id");
            let ids: Vec<String> = params
                .get("message_id")
                .map(values)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect();
            state.offline.retain(|row| {
                row.process.as_deref() != Some(process.as_str()) || !(ids.is_empty() || ids.contains(&row.message_id()))
            });
            Ok(json!(true))
        }
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    })
}

impl OfflineEvent {
    fn message_id(&self) -> String {
        format!("m{}", self.id)
    }

    fn show(&self) -> Value {
        json!({
            "ID": self.id.to_string(), "TIMESTAMP_X": self.at, "EVENT_NAME": self.event, "EVENT_DATA": self.data,
            "EVENT_ADDITIONAL": {"user_id": 1}, "MESSAGE_ID": self.message_id(),
        })
    }
}

impl SimulatorState {
    fn bound_events(&self) -> Value {
        let online = self.handlers.iter().filter(|handler| handler.is_app()).flat_map(|handler| {
            handler.bound().map(|(event, url)| json!({"event": event, "handler": url, "auth_type": "0", "offline": 0}))
        });
        let offline = self.offline_bound.iter().map(|bound| {
            json!({"event": bound.event, "handler": "", "auth_type": "0", "offline": 1, "connector_id": bound.connector})
        });
        Value::Array(online.chain(offline).collect())
    }

    fn unbind(&mut self, event: &str, handler: &str, offline: bool) -> usize {
        if offline {
            let before = self.offline_bound.len();
            self.offline_bound.retain(|bound| bound.event != event);
            return before - self.offline_bound.len();
        }
        let before = self.handlers.len();
        self.handlers.retain(|known| !known.is_bound(handler, event));
        before - self.handlers.len()
    }

    /// A change goes into the queue of everyone who bound it: as a row of its own only if none waits.
    pub(super) fn queue_offline(&mut self, event: &str, data: &Value, now: &str) {
        let bound: Vec<_> = self.offline_bound.iter().filter(|bound| bound.event == event).cloned().collect();
        for Binding { connector, .. } in bound {
            let waiting = self.offline.iter_mut().find(|row| {
                row.event == event && row.data == *data && row.connector == connector && row.process.is_none()
            });
            if let Some(row) = waiting {
                now.clone_into(&mut row.at);
                continue;
            }
            self.offline_rows += 1;
            let row = OfflineEvent {
                id: self.offline_rows,
                event: event.to_owned(),
                data: data.clone(),
                at: now.to_owned(),
                connector,
                process: None,
            };
            self.offline.push(row);
        }
    }

    fn take_offline(&mut self, params: &Map<String, Value>) -> Value {
        let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str, otherwise: i64| params.get(name).and_then(super::crm::number).unwrap_or(otherwise);
        let limit = usize::try_from(number("limit", 50)).unwrap_or(50);
        let (connector, again) = (text("auth_connector"), text("process_id"));
        let clear = number("clear", 1) != 0;
        let process = if again.is_empty() { format!("process{}", self.offline_rows) } else { again.to_owned() };
        let matches = |row: &OfflineEvent| {
            row.connector == connector
                && if again.is_empty() { row.process.is_none() } else { row.process.as_deref() == Some(again) }
        };
        let taken: Vec<u64> = self.offline.iter().filter(|row| matches(row)).take(limit).map(|row| row.id).collect();
        let shown: Vec<_> = self.offline.iter().filter(|row| taken.contains(&row.id)).map(OfflineEvent::show).collect();
        if clear {
            self.offline.retain(|row| !taken.contains(&row.id));
            return json!({"process_id": null, "events": shown});
        }
        for row in self.offline.iter_mut().filter(|row| taken.contains(&row.id)) {
            row.process = Some(process.clone());
        }
        json!({"process_id": if shown.is_empty() { Value::Null } else { json!(process) }, "events": shown})
    }
}
