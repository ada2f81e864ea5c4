//! The log: events and deliveries of a day, newest first.

use bytes::Bytes;
use edge::Refused;
use http::{Request, Response, StatusCode};
use jiff::civil::Date;
use pages::Form;
use platform::ledger::{DeliveryLine, EventLine, Line, today};
use serde_json::{Map, Value, json};

use crate::{Answer, Caller, Deps, bad_field, ok, unavailable};

/// Pages of the ledger that one answer looks through, at most.
const MOST_PAGES: usize = 5;
/// Lines of an answer.
const MOST_LINES: usize = 100;

pub(crate) async fn events(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> Answer {
    list(deps, caller, request, "events", |line| match line {
        Line::Event(event) => Some(shown_event(event)),
        Line::Delivery(_) => None,
    })
    .await
}

pub(crate) async fn deliveries(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> Answer {
    list(deps, caller, request, "deliveries", |line| match line {
        Line::Delivery(delivery) => Some(shown_delivery(delivery)),
        Line::Event(_) => None,
    })
    .await
}

async fn list(
    deps: &Deps,
    caller: &Caller,
    request: &Request<Bytes>,
    name: &str,
    show: impl Fn(&Line) -> Option<Value>,
) -> Result<Response<Bytes>, Refused> {
    let query = Form::of_query(request);
    let day = match query.get("day") {
        "" => today(deps.ports.clock.now()),
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
    for _ in 0..MOST_PAGES {
        let page = deps.ledger.day(&caller.tenant, &day, after.take()).await;
        let page = page.map_err(|error| unavailable(&error.into()))?;
        lines.extend(page.lines.iter().filter_map(&show).filter(&fits));
        after = page.next;
        if after.is_none() || lines.len() >= MOST_LINES {
            break;
        }
    }
    Ok(ok(&json!({name: lines, "day": day, "next": after})))
}

/// A line without what is ours alone: the jobs that it made.
fn shown(line: Value, left_out: &[&str]) -> Value {
    let Value::Object(line) = line else { return line };
    let kept: Map<String, Value> = line.into_iter().filter(|(name, _)| !left_out.contains(&name.as_str())).collect();
    Value::Object(kept)
}

fn shown_event(event: &EventLine) -> Value {
    let line = serde_json::to_value(event).unwrap_or_default();
    shown(line, &["outbox", "errands", "said", "syncs", "waited"])
}

fn shown_delivery(delivery: &DeliveryLine) -> Value {
    let line = serde_json::to_value(delivery).unwrap_or_default();
    shown(line, &["open_call", "waited"])
}
