//! Queries: orders, cursors, the cap, an index that may lag. Filters are in `filters`.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{ApiRequest, NotionResult, cursor, missing};
use super::search::posted_window;
use super::text::{NotionRefusal, invalid, list, should};
use super::{NotionState, SimulatedPage, Source};

/// A timestamp of a page as queries compare it: cut to the minute.
pub(super) fn minute_of(page: &SimulatedPage, which: &str) -> Timestamp {
    let moment = if which == "created_time" { page.created } else { page.edited };
    super::minute(moment).parse().unwrap_or(moment)
}

impl NotionState {
    /// `POST /v1/data_sources/{id}/query`.
    pub(super) fn query(&self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let body = &call.body;
        let source = self.source(id).ok_or_else(|| missing("data source", id))?;
        let (start, size) = posted_window(body)?;
        let wants_trash = super::api::wants_trash("in_trash", body)? == Some(true);
        let wants_pages = match body.get("result_type") {
            None => true,
            Some(kind) if kind == "page" || kind == "data_source" => kind == "page",
            other => return Err(should("result_type", "`page` or `data_source`", other)),
        };
        let filter = body.get("filter").filter(|filter| !filter.is_null());
        let filter = filter.map(|filter| self.filter(source, "filter", filter, 0)).transpose()?;
        let sorts = sorts(source, body.get("sorts"))?;
        let mut rows: Vec<SimulatedPage> = Vec::new();
        for row in self.pages.values().filter(|row| row.source == id && wants_pages) {
            let Some(seen) = self.seen(row) else { continue };
            let passes = filter.as_ref().is_none_or(|filter| self.passes(&seen, source, filter));
            if self.is_trashed(&seen) == wants_trash && passes {
                rows.push(seen);
            }
        }
        self.order(&mut rows, source, &sorts);
        let is_capped = rows.len() > self.switches.cap;
        rows.truncate(self.switches.cap);
        let properties = call.filter_properties();
        let size = self.shortened(size, rows.len().saturating_sub(start));
        let page = rows.iter().skip(start).take(size);
        let page: Vec<_> = page.map(|row| self.show_some(row, &properties)).collect::<Result<_, _>>()?;
        let next = start.saturating_add(page.len());
        let has_more = !page.is_empty() && next < rows.len();
        let mut list = json!({
            "object": "list", "type": "page_or_data_source", "page_or_data_source": {}, "results": page,
            "next_cursor": has_more.then(|| cursor(next)), "has_more": has_more,
        });
        if is_capped && !has_more {
            list["request_status"] = json!({"type": "incomplete", "incomplete_reason": "query_result_limit_reached"});
        }
        Ok(list)
    }

    /// A row as the index of queries has it: as it was, until the index has caught up.
    fn seen(&self, row: &SimulatedPage) -> Option<SimulatedPage> {
        let lag = jiff::SignedDuration::try_from(self.switches.lag).unwrap_or_default();
        let is_recent = |moment: Timestamp| self.now.duration_since(moment) < lag;
        match &row.indexed {
            _ if is_recent(row.created) => None,
            Some((since, before)) if is_recent(*since) => Some((**before).clone()),
            _ => Some(row.clone()),
        }
    }

    fn order(&self, rows: &mut [SimulatedPage], source: &Source, sorts: &[Sort]) {
        for sort in sorts.iter().rev() {
            rows.sort_by(|a, b| {
                let (a, b) = match &sort.by {
                    SortKey::Time(which) => (OrderKey::Time(minute_of(a, which)), OrderKey::Time(minute_of(b, which))),
                    SortKey::Property(property) => (self.key(a, source, property), self.key(b, source, property)),
                };
                a.compare(&b, sort.is_descending)
            });
        }
    }

    fn key(&self, row: &SimulatedPage, source: &Source, property: &Value) -> OrderKey {
        let kind = property["type"].as_str().unwrap_or_default();
        let value = self.full(row, source, property, 0);
        let words = super::convert::words(kind, &value);
        match kind {
            "number" => value.as_f64().map_or(OrderKey::Nothing, OrderKey::Number),
            "unique_id" => value["number"].as_f64().map_or(OrderKey::Nothing, OrderKey::Number),
            "checkbox" => OrderKey::Number(if value == true { 1.0 } else { 0.0 }),
            "date" | "created_time" | "last_edited_time" => {
                super::dates::moment(value["start"].as_str().unwrap_or(&words))
                    .map_or(OrderKey::Nothing, OrderKey::Time)
            }
            // Options are ordered as the property lists them.
            "select" | "status" => {
                let options = property[kind]["options"].as_array();
                let at = options.and_then(|options| options.iter().position(|option| option["id"] == value["id"]));
                at.map_or(OrderKey::Nothing, OrderKey::Place)
            }
            "formula" | "rollup" => match value["number"].as_f64() {
                Some(number) => OrderKey::Number(number),
                None if words.is_empty() => OrderKey::Nothing,
                None => OrderKey::Words(words.to_lowercase()),
            },
            _ if words.is_empty() => OrderKey::Nothing,
            _ => OrderKey::Words(words.to_lowercase()),
        }
    }
}

/// What rows are ordered by. What is empty comes last, whatever the direction.
#[derive(Debug)]
enum OrderKey {
    Number(f64),
    Time(Timestamp),
    Place(usize),
    Words(String),
    Nothing,
}

impl OrderKey {
    fn compare(&self, other: &Self, is_descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Nothing, Self::Nothing) => return Ordering::Equal,
            (Self::Nothing, _) => return Ordering::Greater,
            (_, Self::Nothing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Place(a), Self::Place(b)) => a.cmp(b),
            (Self::Words(a), Self::Words(b)) => a.cmp(b),
            _ => Ordering::Equal,
        };
        if is_descending { order.reverse() } else { order }
    }
}

struct Sort {
    by: SortKey,
    is_descending: bool,
}

enum SortKey {
    Time(String),
    Property(Value),
}

fn sorts(source: &Source, given: Option<&Value>) -> Result<Vec<Sort>, NotionRefusal> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(Vec::new()) };
    let read = |(index, sort): (usize, &Value)| {
        let path = format!("sorts[{index}]");
        let is_descending = match sort["direction"].as_str() {
            Some("ascending") => false,
            Some("descending") => true,
            _ => {
                return Err(should(&format!("{path}.direction"), "`ascending` or `descending`", sort.get("direction")));
            }
        };
        let by = match (sort.get("property"), sort.get("timestamp")) {
            (Some(key), None) => {
                let name = key.as_str().ok_or_else(|| should(&format!("{path}.property"), "a string", Some(key)))?;
                let found = NotionState::named(source, name);
                let (_, property) =
                    found.ok_or_else(|| invalid(format!("Could not find sort property with name or id: {name}")))?;
                SortKey::Property(property.clone())
            }
            (None, Some(which)) if which == "created_time" || which == "last_edited_time" => {
                SortKey::Time(which.as_str().unwrap_or_default().to_owned())
            }
            (_, which) => {
                return Err(should(&format!("{path}.timestamp"), "`created_time` or `last_edited_time`", which));
            }
        };
        Ok(Sort { by, is_descending })
    };
    list("sorts", Some(given), 100)?.iter().enumerate().map(read).collect()
}
