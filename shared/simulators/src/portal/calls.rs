//! Telephony: calls in the statistics, the activities made of them, and the event at their end.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::crm::{RestRefusal, number};
use super::{PortalShared, SimulatorState, events, portal_time};

/// A call that comes to its end.
#[derive(Debug, Clone, Default)]
pub struct PhoneCall {
    /// 1 outgoing, 2 incoming.
    pub kind: u8,
    /// The other side's number.
    pub phone: String,
    /// Whose call it is.
    pub user: u64,
    /// `200`, `304` and so on.
    pub code: String,
    /// Seconds.
    pub duration: u64,
    /// The contact that the portal found by the number.
    pub contact: Option<u64>,
    /// The deal that owns the call's activity.
    pub deal: Option<u64>,
    /// A deal that the activity is bound to, though another record owns it.
    pub bound_to: Option<u64>,
}

pub(super) fn end(shared: &Arc<PortalShared>, call: &PhoneCall) -> String {
    let (id, data) = {
        let mut state = shared.lock();
        let number = state.telephony.len() + 1;
        let id = format!("externalCall.{number:032x}.{}", shared.clock.now().as_second());
        let began =
            shared.clock.now() - jiff::SignedDuration::from_secs(i64::try_from(call.duration).unwrap_or_default());
        let began = portal_time(began);
        let activity = 7000 + number as u64;
        let (owner_type, owner) = match (call.deal, call.contact) {
            (Some(deal), _) => (2, deal),
            (None, Some(contact)) => (3, contact),
            (None, None) => (0, 0),
        };
        let row = json!({
            "ID": activity.to_string(), "OWNER_ID": owner.to_string(), "OWNER_TYPE_ID": owner_type.to_string(), "TYPE_ID": "2",
            "PROVIDER_ID": "VOXIMPLANT_CALL", "SUBJECT": "Call", "DIRECTION": "1", "COMPLETED": "N",
        });
        state.activities.insert(activity, row);
        let mut bindings = vec![json!({"entityTypeId": owner_type, "entityId": owner})];
        bindings.extend(call.bound_to.map(|deal| json!({"entityTypeId": 2, "entityId": deal})));
        state.bindings.insert(activity, bindings);
        state.telephony.push(json!({
            "ID": number.to_string(), "PORTAL_USER_ID": call.user.to_string(), "PORTAL_NUMBER": "REST_APP:",
            "PHONE_NUMBER": call.phone, "CALL_ID": id, "CALL_CATEGORY": "external", "CALL_DURATION": call.duration.to_string(),
            "CALL_START_DATE": began, "CALL_RECORD_URL": "", "CALL_FAILED_CODE": call.code,
            "CALL_FAILED_REASON": if call.code == "304" { "Missed call" } else { "Success call" },
            "CRM_ENTITY_TYPE": call.contact.map(|_| "CONTACT"), "CRM_ENTITY_ID": call.contact.map(|id| id.to_string()),
            "CRM_ACTIVITY_ID": activity.to_string(), "RECORD_FILE_ID": null, "CALL_TYPE": call.kind.to_string(), "COST": "0.0000",
        }));
        state.revision += 1;
        let data = json!({
            "CALL_ID": id, "CALL_TYPE": call.kind, "PHONE_NUMBER": call.phone, "PORTAL_NUMBER": "REST_APP:",
            "PORTAL_USER_ID": call.user, "CALL_DURATION": call.duration, "CALL_START_DATE": began, "COST": 0,
            "COST_CURRENCY": "", "CALL_FAILED_CODE": call.code, "CALL_FAILED_REASON": "", "CRM_ACTIVITY_ID": activity,
        });
        (id, data)
    };
    events::emit(shared, "ONVOXIMPLANTCALLEND", &data);
    id
}

pub(super) fn record(shared: &PortalShared, call_id: &str, url: &str) {
    let mut state = shared.lock();
    if let Some(row) = state.telephony.iter_mut().find(|row| row["CALL_ID"] == call_id) {
        row["CALL_RECORD_URL"] = url.into();
    }
    state.revision += 1;
}

impl SimulatorState {
    /// The rows of `voximplant.statistic.get` that pass its filter, in order.
    pub(super) fn statistics(&self, params: &Map<String, Value>) -> Result<Vec<Value>, RestRefusal> {
        let filter = params.get("FILTER").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut rows = Vec::new();
        for row in &self.telephony {
            let mut passes = true;
            for (key, wanted) in &filter {
                let column = key.trim_start_matches(['>', '<', '=']);
                if row.get(column).is_none() {
                    return Err((400, "ERROR_CORE", format!("Unknown field {column}")));
                }
                let order = super::query::compare(&row[column], wanted);
                passes &= match &key[..key.len() - column.len()] {
                    ">" => order.is_gt(),
                    ">=" => order.is_ge(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    _ => row[column] == *wanted || order.is_eq() && number(wanted).is_some(),
                };
            }
            if passes {
                rows.push(row.clone());
            }
        }
        if let Some(by) = params.get("SORT").and_then(Value::as_str) {
            rows.sort_by(|a, b| super::query::compare(&a[by], &b[by]));
        }
        if params.get("ORDER").and_then(Value::as_str).is_some_and(|order| order.eq_ignore_ascii_case("desc")) {
            rows.reverse();
        }
        Ok(rows)
    }
}
