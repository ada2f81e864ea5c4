//! Queries: filters, orders, cursors, the cap, an index that may lag.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::values::{Refusal, invalid};
use super::{Row, State};

/// The value of a timestamp as queries compare it: cut to the minute.
fn minute_of(row: &Row, which: &str) -> Timestamp {
    let moment = if which == "created_time" { row.created } else { row.edited };
    super::minute(moment).parse().unwrap_or(moment)
}

impl State {
    /// `POST /v1/data_sources/{id}/query`.
    pub(super) fn query(&self, id: &str, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
        if !body["start_cursor"].is_null()
            && body["start_cursor"].as_str().is_none_or(|cursor| cursor.parse::<usize>().is_err())
        {
            return Err(invalid("body failed validation: body.start_cursor should be a valid cursor."));
        }
        let size = body["page_size"].as_u64().unwrap_or(100);
        if size == 0 || size > 100 {
            return Err(invalid("body failed validation: body.page_size should be ≤ `100`."));
        }
        let wants_trash = body["in_trash"] == true;
        let mut rows: Vec<Row> = Vec::new();
        for row in self.rows.values().filter(|row| row.source == id) {
            // What the index has not taken in yet shows as it was.
            let seen = match &row.indexed {
                Some((since, before))
                    if now.duration_since(*since) < jiff::SignedDuration::try_from(self.lag).unwrap_or_default() =>
                {
                    (**before).clone()
                }
                _ => row.clone(),
            };
            let is_new = now.duration_since(row.created) < jiff::SignedDuration::try_from(self.lag).unwrap_or_default();
            if seen.in_trash == wants_trash
                && !is_new
                && (body["filter"].is_null() || self.passes(&seen, &body["filter"])?)
            {
                rows.push(seen);
            }
        }
        order(&mut rows, &body["sorts"])?;
        let start: usize = body["start_cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
        let total = rows.len();
        let capped = total > self.cap;
        rows.truncate(self.cap);
        let size = usize::try_from(size).unwrap_or(100);
        let page: Vec<_> = rows.iter().skip(start).take(size).map(|row| self.show(row)).collect();
        let next = start + page.len();
        let has_more = next < rows.len();
        let mut list = json!({
            "object": "list", "type": "page_or_data_source", "page_or_data_source": {}, "results": page,
            "next_cursor": has_more.then(|| next.to_string()), "has_more": has_more,
        });
        if capped && !has_more {
            list["request_status"] = json!({"type": "incomplete", "incomplete_reason": "query_result_limit_reached"});
        }
        Ok(list)
    }

    fn passes(&self, row: &Row, filter: &Value) -> Result<bool, Refusal> {
        if let Some(all) = filter["and"].as_array() {
            return all.iter().try_fold(true, |passes, one| Ok(passes && self.passes(row, one)?));
        }
        if let Some(any) = filter["or"].as_array() {
            return any.iter().try_fold(false, |passes, one| Ok(passes || self.passes(row, one)?));
        }
        if let Some(which) = filter["timestamp"].as_str() {
            if filter.get("property").is_some() {
                return Err(invalid("body failed validation: body.filter.property should be not present."));
            }
            let Some(condition) = filter[which].as_object() else {
                return Err(invalid(format!(
                    "body failed validation: body.filter.{which} should be defined, instead was `undefined`."
                )));
            };
            let given = minute_of(row, which);
            return condition.iter().try_fold(true, |passes, (operator, wanted)| {
                let wanted = wanted.as_str().unwrap_or_default();
                let wanted: Timestamp = wanted.parse().map_err(|_| invalid(format!("{wanted:?} is no date")))?;
                let order = given.cmp(&wanted);
                Ok(passes
                    && match operator.as_str() {
                        "equals" => order.is_eq(),
                        "before" => order.is_lt(),
                        "after" => order.is_gt(),
                        "on_or_before" => order.is_le(),
                        "on_or_after" => order.is_ge(),
                        other => {
                            return Err(invalid(format!(
                                "body failed validation: body.filter.{which}.{other} is no operator."
                            )));
                        }
                    })
            });
        }
        let key = filter["property"].as_str().unwrap_or_default();
        let Some(source) = self.sources.get(&row.source) else { return Ok(false) };
        let Some((_, property)) = Self::named(source, key) else {
            return Err(invalid(format!("Could not find property with name or id: {key}")));
        };
        let (id, kind) = (property["id"].as_str().unwrap_or_default(), property["type"].as_str().unwrap_or_default());
        let Some(condition) = filter[kind].as_object() else {
            return Err(invalid(format!(
                "body failed validation: body.filter.{kind} should be defined, instead was `undefined`."
            )));
        };
        let value = row.values.get(id).cloned().unwrap_or_default();
        let text = if value.is_array() {
            notion_wire::text::plain(&value)
        } else {
            value["name"].as_str().unwrap_or_default().to_owned()
        };
        condition.iter().try_fold(true, |passes, (operator, wanted)| {
            let is_empty = value.is_null() || (value.is_array() && value.as_array().is_some_and(Vec::is_empty));
            let equal = match kind {
                "number" => {
                    value.as_f64().zip(wanted.as_f64()).is_some_and(|(a, b)| a.partial_cmp(&b) == Some(Ordering::Equal))
                }
                "checkbox" => value == *wanted,
                _ => wanted.as_str().is_some_and(|wanted| wanted == text),
            };
            Ok(passes
                && match operator.as_str() {
                    "equals" => equal,
                    "does_not_equal" => !equal,
                    "contains" => wanted.as_str().is_some_and(|wanted| text.contains(wanted)),
                    "is_empty" => is_empty,
                    "is_not_empty" => !is_empty,
                    other => {
                        return Err(invalid(format!(
                            "body failed validation: body.filter.{kind}.{other} is no operator."
                        )));
                    }
                })
        })
    }
}

fn order(rows: &mut [Row], sorts: &Value) -> Result<(), Refusal> {
    for sort in sorts.as_array().into_iter().flatten().rev() {
        let Some(which) = sort["timestamp"].as_str() else {
            return Err(invalid("sorting by a property is not simulated"));
        };
        if !["created_time", "last_edited_time"].contains(&which) {
            return Err(invalid(
                "body failed validation: body.sorts[0].timestamp should be `created_time` or `last_edited_time`.",
            ));
        }
        rows.sort_by_key(|row| minute_of(row, which));
        if sort["direction"] == "descending" {
            rows.reverse();
        }
    }
    Ok(())
}
