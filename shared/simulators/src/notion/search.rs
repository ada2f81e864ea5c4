//! Search, by titles only.

use serde_json::{Value, json};

use super::NotionState;
use super::api::{ApiRequest, NotionResult, cursor, offset, page_size};
use super::text::{NotionRefusal, should};

/// Where a list of a posted request begins, and how many items it has.
pub(super) fn posted_window(body: &Value) -> Result<(usize, usize), NotionRefusal> {
    let start = match body.get("start_cursor") {
        None | Some(Value::Null) => 0,
        Some(given) => {
            let place = given.as_str().and_then(offset);
            place.ok_or_else(|| should("start_cursor", "a valid uuid", Some(given)))?
        }
    };
    let size = match body.get("page_size") {
        None => 100,
        Some(given) => given.as_i64().ok_or_else(|| should("page_size", "a number", Some(given)))?,
    };
    Ok((start, page_size("body", size)?))
}

impl NotionState {
    pub(super) fn search(&self, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let body = &call.body;
        let (start, size) = posted_window(body)?;
        let words = match body.get("query") {
            None => String::new(),
            Some(Value::String(words)) => words.to_lowercase(),
            other => return Err(should("query", "a string", other)),
        };
        let kinds = wanted_kinds(body)?;
        let in_trash = body["filter"]["in_trash"] == true;
        let mut found = Vec::new();
        if kinds.contains(&"page") {
            let pages =
                self.pages.values().filter(|page| self.page(&page.id).is_some() && self.is_trashed(page) == in_trash);
            let matching = pages.filter(|page| super::values::title(page).to_lowercase().contains(&words));
            found.extend(matching.map(|page| (page.edited, self.show(page))));
        }
        if kinds.contains(&"data_source") {
            for source in self.sources.values().filter(|source| self.source(&source.id).is_some()) {
                // The title that counts is the database's.
                let Some(database) = self.databases.get(&source.database) else { continue };
                if database.title.to_lowercase().contains(&words) && (source.in_trash || database.in_trash) == in_trash
                {
                    found.push((source.edited, self.show_source(source)));
                }
            }
        }
        sort(&mut found, body)?;
        let page: Vec<_> = found
            .iter()
            .skip(start)
            .take(self.shortened(size, found.len().saturating_sub(start)))
            .map(|(_, one)| one.clone())
            .collect();
        let next = start.saturating_add(page.len());
        let has_more = !page.is_empty() && next < found.len();
        Ok(json!({
            "object": "list", "results": page, "next_cursor": has_more.then(|| cursor(next)), "has_more": has_more,
            "type": "page_or_data_source", "page_or_data_source": {},
        }))
    }
}

fn wanted_kinds(body: &Value) -> Result<Vec<&'static str>, NotionRefusal> {
    let filter = &body["filter"];
    if filter.is_null() || (filter.get("property").is_none() && filter["in_trash"].is_boolean()) {
        return Ok(vec!["page", "data_source"]);
    }
    if filter["property"] != "object" {
        return Err(should("filter.property", "`object`", filter.get("property")));
    }
    match filter["value"].as_str() {
        Some("page") => Ok(vec!["page"]),
        Some("data_source") => Ok(vec!["data_source"]),
        _ => Err(should("filter.value", "`page` or `data_source`", filter.get("value"))),
    }
}

fn sort(found: &mut [(jiff::Timestamp, Value)], body: &Value) -> Result<(), NotionRefusal> {
    let sort = &body["sort"];
    found.sort_by_key(|(edited, _)| std::cmp::Reverse(*edited));
    if sort.is_null() || sort["property"] == "relevance" {
        return Ok(());
    }
    if sort["timestamp"] != "last_edited_time" {
        return Err(should("sort.timestamp", "`last_edited_time`", sort.get("timestamp")));
    }
    match sort["direction"].as_str() {
        Some("descending") => Ok(()),
        Some("ascending") => {
            found.reverse();
            Ok(())
        }
        _ => Err(should("sort.direction", "`ascending` or `descending`", sort.get("direction"))),
    }
}
