//! Filters of queries: parsed and checked once, then applied to each row.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::text::{NotionRefusal, fix_one, invalid, list, should};
use super::{BOT, NotionState, SimulatedPage, Source};

/// How deep `and` and `or` are nested.
const MAX_DEPTH: usize = 2;

pub(super) enum CheckedFilter {
    And(Vec<CheckedFilter>),
    Or(Vec<CheckedFilter>),
    Time(String, FilterTest),
    Property(Value, FilterTest),
}

/// A condition that was checked.
pub(super) enum FilterTest {
    Empty(bool),
    /// Text: the operator, and its words.
    Text(&'static str, String),
    Number(&'static str, f64),
    Flag(bool),
    /// One of these names or ids, or none of them.
    OneOf(Vec<String>, bool),
    /// From, to (not included); both moments.
    Between(Option<Timestamp>, Option<Timestamp>),
    /// Of a formula or rollup: a test of its value of that type.
    Inner(String, Box<FilterTest>),
    /// Of a rollup's array: any, none or every item.
    Items(&'static str, String, Box<FilterTest>),
}

fn strings(path: &str, value: &Value) -> Result<Vec<String>, NotionRefusal> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(all) if !all.is_empty() && all.len() <= 100 && all.iter().all(Value::is_string) => {
            Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => Err(should(path, "a string or an array of strings", Some(value))),
    }
}

impl NotionState {
    /// Reads a filter.
    pub(super) fn filter(
        &self,
        source: &Source,
        path: &str,
        given: &Value,
        depth: usize,
    ) -> Result<CheckedFilter, NotionRefusal> {
        let Some(fields) = given.as_object() else { return Err(should(path, "an object", Some(given))) };
        for (name, make) in
            [("and", CheckedFilter::And as fn(Vec<CheckedFilter>) -> CheckedFilter), ("or", CheckedFilter::Or)]
        {
            let Some(all) = fields.get(name) else { continue };
            let at = format!("{path}.{name}");
            if depth >= MAX_DEPTH || fields.len() > 1 {
                return Err(should(&at, "not present", Some(all)));
            }
            let read = |(index, one): (usize, &Value)| self.filter(source, &format!("{at}[{index}]"), one, depth + 1);
            let all: Result<_, _> = list(&at, Some(all), 100)?.iter().enumerate().map(read).collect();
            return all.map(make);
        }
        if let Some(which) = fields.get("timestamp") {
            let Some(which) = which.as_str().filter(|which| ["created_time", "last_edited_time"].contains(which))
            else {
                return Err(should(&format!("{path}.timestamp"), "`created_time` or `last_edited_time`", Some(which)));
            };
            if let Some(property) = fields.get("property") {
                return Err(should(&format!("{path}.property"), "not present", Some(property)));
            }
            let test = self.test(&format!("{path}.{which}"), "date", fields.get(which))?;
            return Ok(CheckedFilter::Time(which.to_owned(), test));
        }
        let Some(key) = fields.get("property").and_then(Value::as_str) else {
            return Err(fix_one(path, &["or", "and", "property", "timestamp"]));
        };
        let Some((_, property)) = Self::named(source, key) else {
            return Err(invalid(format!("Could not find property with name or id: {key}")));
        };
        let kind = property["type"].as_str().unwrap_or_default();
        // A title may be filtered as text.
        let condition = if kind == "title" && !fields.contains_key(kind) { "rich_text" } else { kind };
        let known = ["property", "type", condition];
        if let Some(other) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(invalid(format!("database property {kind} does not match filter {other}")));
        }
        let test = self.test(&format!("{path}.{condition}"), kind, fields.get(condition))?;
        Ok(CheckedFilter::Property(property.clone(), test))
    }

    fn test(&self, path: &str, kind: &str, given: Option<&Value>) -> Result<FilterTest, NotionRefusal> {
        let Some(fields) = given.and_then(Value::as_object) else {
            return Err(should(path, if given.is_none() { "defined" } else { "an object" }, given));
        };
        let mut entries = fields.iter();
        let (Some((operator, wanted)), None) = (entries.next(), entries.next()) else {
            return Err(invalid(format!("body failed validation: body.{path} should have exactly one condition.")));
        };
        let at = format!("{path}.{operator}");
        if matches!(operator.as_str(), "is_empty" | "is_not_empty") {
            if *wanted != true {
                return Err(should(&at, "`true`", Some(wanted)));
            }
            return Ok(FilterTest::Empty(operator == "is_empty"));
        }
        let unknown = || should(&at, "not present", Some(wanted));
        match kind {
            "title" | "rich_text" | "url" | "email" | "phone_number" | "string" => {
                let known = ["equals", "does_not_equal", "contains", "does_not_contain", "starts_with", "ends_with"];
                let operator = known.iter().find(|known| *known == operator).ok_or_else(unknown)?;
                let words = wanted.as_str().ok_or_else(|| should(&at, "a string", Some(wanted)))?;
                Ok(FilterTest::Text(operator, words.to_owned()))
            }
            "number" | "unique_id" => {
                let known = [
                    "equals",
                    "does_not_equal",
                    "greater_than",
                    "less_than",
                    "greater_than_or_equal_to",
                    "less_than_or_equal_to",
                ];
                let operator = known.iter().find(|known| *known == operator).ok_or_else(unknown)?;
                let number = wanted.as_f64().ok_or_else(|| should(&at, "a number", Some(wanted)))?;
                Ok(FilterTest::Number(operator, number))
            }
            "checkbox" => {
                let flag = wanted.as_bool().ok_or_else(|| should(&at, "a boolean", Some(wanted)))?;
                match operator.as_str() {
                    "equals" => Ok(FilterTest::Flag(flag)),
                    "does_not_equal" => Ok(FilterTest::Flag(!flag)),
                    _ => Err(unknown()),
                }
            }
            "select" | "status" | "verification" => match operator.as_str() {
                "equals" | "does_not_equal" => Ok(FilterTest::OneOf(strings(&at, wanted)?, operator == "equals")),
                "status" if kind == "verification" => Ok(FilterTest::OneOf(strings(&at, wanted)?, true)),
                _ => Err(unknown()),
            },
            "multi_select" | "people" | "created_by" | "last_edited_by" | "relation" => {
                let contains = match operator.as_str() {
                    "contains" => true,
                    "does_not_contain" => false,
                    _ => return Err(unknown()),
                };
                let wanted = strings(&at, wanted)?;
                let ids = |id: &String| match id.as_str() {
                    "me" if kind != "relation" => Ok(BOT.to_owned()),
                    id => notion_wire::object_id(id).ok_or_else(|| should(&at, "a valid uuid", Some(&id.into()))),
                };
                let wanted =
                    if kind == "multi_select" { wanted } else { wanted.iter().map(ids).collect::<Result<_, _>>()? };
                Ok(FilterTest::OneOf(wanted, contains))
            }
            "date" | "created_time" | "last_edited_time" => self.date_test(&at, operator, wanted),
            "formula" => {
                let inner = match operator.as_str() {
                    "string" | "number" | "checkbox" | "date" => self.test(&at, operator, Some(wanted))?,
                    _ => return Err(unknown()),
                };
                let kind = if operator == "checkbox" { "boolean" } else { operator.as_str() };
                Ok(FilterTest::Inner(kind.to_owned(), Box::new(inner)))
            }
            "rollup" => self.rollup_test(&at, operator, wanted),
            // Files are there or not.
            _ => Err(unknown()),
        }
    }

    fn rollup_test(&self, at: &str, operator: &str, wanted: &Value) -> Result<FilterTest, NotionRefusal> {
        if matches!(operator, "number" | "date") {
            return Ok(FilterTest::Inner(operator.to_owned(), Box::new(self.test(at, operator, Some(wanted))?)));
        }
        let Some(which) = ["any", "none", "every"].iter().find(|known| **known == operator) else {
            return Err(should(at, "not present", Some(wanted)));
        };
        let empty = Map::new();
        let Some((kind, inner)) = wanted.as_object().unwrap_or(&empty).iter().next() else {
            return Err(should(at, "an object", Some(wanted)));
        };
        let test = self.test(&format!("{at}.{kind}"), kind, Some(inner))?;
        Ok(FilterTest::Items(which, kind.clone(), Box::new(test)))
    }

    fn date_test(&self, at: &str, operator: &str, wanted: &Value) -> Result<FilterTest, NotionRefusal> {
        if let Some((from, to)) = super::dates::span(operator, self.now) {
            if !wanted.as_object().is_some_and(Map::is_empty) {
                return Err(should(at, "an empty object", Some(wanted)));
            }
            return Ok(FilterTest::Between(Some(from), Some(to)));
        }
        if !["equals", "before", "after", "on_or_before", "on_or_after"].contains(&operator) {
            return Err(should(at, "not present", Some(wanted)));
        }
        let (from, is_day) = super::dates::wanted(at, wanted, self.now)?;
        // A day goes on until the next; a moment is a millisecond.
        let length =
            if is_day { std::time::Duration::from_secs(24 * 3_600) } else { std::time::Duration::from_millis(1) };
        let to = runtime::clock::later(from, length);
        Ok(match operator {
            "equals" => FilterTest::Between(Some(from), Some(to)),
            "before" => FilterTest::Between(None, Some(from)),
            "after" => FilterTest::Between(Some(to), None),
            "on_or_before" => FilterTest::Between(None, Some(to)),
            _ => FilterTest::Between(Some(from), None),
        })
    }

    /// Whether a row passes.
    pub(super) fn passes(&self, row: &SimulatedPage, source: &Source, filter: &CheckedFilter) -> bool {
        match filter {
            CheckedFilter::And(all) => all.iter().all(|one| self.passes(row, source, one)),
            CheckedFilter::Or(any) => any.iter().any(|one| self.passes(row, source, one)),
            CheckedFilter::Time(which, test) => {
                let moment = super::query::minute_of(row, which);
                holds(test, "created_time", &Value::String(moment.to_string()))
            }
            CheckedFilter::Property(property, test) => {
                let value = self.full(row, source, property, 0);
                holds(test, property["type"].as_str().unwrap_or_default(), &value)
            }
        }
    }
}

fn holds(test: &FilterTest, kind: &str, value: &Value) -> bool {
    let words = super::convert::words(kind, value);
    match test {
        FilterTest::Empty(wanted) => {
            let is_empty = match kind {
                "number" | "checkbox" => value.is_null(),
                _ => words.is_empty(),
            };
            is_empty == *wanted
        }
        FilterTest::Text(operator, wanted) => match *operator {
            "equals" => words == *wanted,
            "does_not_equal" => words != *wanted,
            "contains" => words.contains(wanted.as_str()),
            "does_not_contain" => !words.contains(wanted.as_str()),
            "starts_with" => words.starts_with(wanted.as_str()),
            _ => words.ends_with(wanted.as_str()),
        },
        FilterTest::Number(operator, wanted) => {
            let number = value.as_f64().or_else(|| value["number"].as_f64());
            let Some(order) = number.map(|number| number.total_cmp(wanted)) else {
                return *operator == "does_not_equal";
            };
            match *operator {
                "equals" => order.is_eq(),
                "does_not_equal" => order.is_ne(),
                "greater_than" => order.is_gt(),
                "less_than" => order.is_lt(),
                "greater_than_or_equal_to" => order.is_ge(),
                _ => order.is_le(),
            }
        }
        FilterTest::Flag(wanted) => value.as_bool().unwrap_or_default() == *wanted,
        FilterTest::OneOf(wanted, is_in) => {
            let named = |one: &Value| {
                let names = [one["id"].as_str(), one["name"].as_str(), one["state"].as_str()];
                names.into_iter().flatten().any(|name| wanted.iter().any(|wanted| wanted == name))
            };
            let found = value.as_array().map_or_else(|| named(value), |all| all.iter().any(named));
            found == *is_in
        }
        FilterTest::Between(from, to) => {
            let text = value["start"].as_str().or_else(|| value.as_str()).unwrap_or_default();
            super::dates::moment(text)
                .is_some_and(|moment| from.is_none_or(|from| moment >= from) && to.is_none_or(|to| moment < to))
        }
        FilterTest::Inner(inner, test) => {
            let kind = if inner == "boolean" { "checkbox" } else { inner.as_str() };
            value["type"] == inner.as_str() && holds(test, kind, &value[inner.as_str()])
        }
        FilterTest::Items(which, kind, test) => {
            let items = value["array"].as_array().map(Vec::as_slice).unwrap_or_default();
            let holds = |item: &Value| {
                let own = item["type"].as_str().unwrap_or_default();
                holds(test, if own == "title" { "title" } else { kind }, &item[own])
            };
            match *which {
                "any" => items.iter().any(holds),
                "none" => !items.iter().any(holds),
                _ => items.iter().all(holds),
            }
        }
    }
}
