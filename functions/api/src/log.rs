//! The event log: events and deliveries of a day, newest first; and the values that could not be synced.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::civil::Date;
use notion_sync::attention::AttentionEntry;
use runtime::ledger::{DeliveryLine, EventLine, LedgerLine, today};
use serde_json::{Map, Value, json};
use web::answer::Refused;
use web::page::Form;

use crate::{ApiAnswer, Caller, Deps, bad_field, ok, unavailable};

/// The most pages of the ledger that one answer reads.
const MAX_PAGES: usize = 5;
/// The most lines of an answer.
const MAX_LINES: usize = 100;

pub(crate) async fn events(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    list(deps, caller, request, "events", |line| match line {
        LedgerLine::Event(event) => Some(shown_event(event)),
        LedgerLine::Delivery(_) => None,
    })
    .await
}

pub(crate) async fn deliveries(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    list(deps, caller, request, "deliveries", |line| match line {
        LedgerLine::Delivery(delivery) => Some(shown_delivery(delivery)),
        LedgerLine::Event(_) => None,
    })
    .await
}

async fn list(
    deps: &Deps,
    caller: &Caller,
    request: &Request<Bytes>,
    name: &str,
    show: impl Fn(&LedgerLine) -> Option<Value>,
) -> Result<Response<Bytes>, Refused> {
    let query = Form::of_query(request);
    let day = match query.get("day") {
        "" => today(deps.backend.clock.now()),
        given => given
            .parse::<Date>()
            .map(|day| day.to_string())
            .map_err(|_| bad_field("day", format!("{given:?} is no day; write it like 2026-11-21, in UTC")))?,
    };
    let (status, record) = (query.get("status").to_lowercase(), query.get("record").to_lowercase());
    let fits = |line: &Value| {
        let is = |name: &str, wanted: &str| {
            wanted.is_empty() || line[name].as_str().is_some_and(|given| given.to_lowercase() == *wanted)
        };
        is("status", &status) && is("record", &record)
    };
    let after = query.get("after");
    if !after.is_empty() && !after.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'#') {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "bad_cursor", "after: give what an answer called next"));
    }
    let mut after = Some(after.to_owned()).filter(|after| !after.is_empty());
    let mut lines: Vec<Value> = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = deps.ledger.day(&caller.tenant, &day, after.take()).await;
        let page = page.map_err(|error| unavailable(&error.into()))?;
        lines.extend(page.lines.iter().filter_map(&show).filter(&fits));
        after = page.next;
        if after.is_none() || lines.len() >= MAX_LINES {
            break;
        }
    }
    Ok(ok(&json!({name: lines, "day": day, "next": after})))
}

/// The values that could not be synced: which record and field, why, since when. The two values stay here; a reason may quote a part of one.
pub(crate) async fn attention(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    let query = Form::of_query(request);
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let listed = deps.mirror.attention.list(&caller.tenant, after, MAX_LINES).await;
    let (entries, next) = listed.map_err(|error| unavailable(&error.into()))?;
    let entry = |entry: &AttentionEntry| {
        let mut line = shown(serde_json::to_value(entry).unwrap_or_default(), &ATTENTION_FIELDS);
        line["record"] = json!(entry.record.to_string());
        line["why"] = json!(entry.why.to_string());
        line
    };
    Ok(ok(&json!({"attention": entries.iter().map(entry).collect::<Vec<_>>(), "next": next})))
}

/// The fields of a value that could not be synced.
const ATTENTION_FIELDS: [&str; 9] =
    ["database", "record", "page", "field", "property", "of", "why", "since", "rests_until"];

/// The fields of an event. Everything else of its line stays here: requests and answers of providers, the records'
/// states, and the jobs that it made.
const EVENT_FIELDS: [&str; 12] = [
    "trace",
    "event",
    "record",
    "received_at",
    "decided_at",
    "attempts",
    "changes",
    "left",
    "status",
    "reason",
    "cause",
    "code",
];
/// The fields of a delivery.
const DELIVERY_FIELDS: [&str; 17] = [
    "id",
    "trace",
    "record",
    "change",
    "route",
    "destination",
    "queued_at",
    "attempts",
    "remark",
    "status",
    "at",
    "provider_id",
    "until",
    "into",
    "reason",
    "cause",
    "code",
];

/// Only these fields of a line: a field that is added to lines later is not shown before someone decides so.
fn shown(line: Value, fields: &[&str]) -> Value {
    let Value::Object(line) = line else { return Value::Null };
    let kept: Map<String, Value> = line.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect();
    Value::Object(kept)
}

fn shown_event(event: &EventLine) -> Value {
    shown(serde_json::to_value(event).unwrap_or_default(), &EVENT_FIELDS)
}

fn shown_delivery(delivery: &DeliveryLine) -> Value {
    shown(serde_json::to_value(delivery).unwrap_or_default(), &DELIVERY_FIELDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    #[test]
    fn the_description_names_exactly_the_fields_that_are_shown() {
        let schemas = &openapi::document()["components"]["schemas"];
        for (schema, shown) in [
            ("Event", EVENT_FIELDS.as_slice()),
            ("Delivery", DELIVERY_FIELDS.as_slice()),
            ("Attention", ATTENTION_FIELDS.as_slice()),
        ] {
            let described = schemas[schema]["properties"].as_object().map(|fields| fields.keys().cloned().collect());
            let shown: std::collections::BTreeSet<String> = shown.iter().map(ToString::to_string).collect();
            assert_eq!(described, Some(shown), "{schema}");
        }
    }
}
