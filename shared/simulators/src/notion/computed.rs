//! Formulas and rollups. A formula may be a number, a text, `true`, `false`, `prop("Name")`, or several of them joined
//! by `+ - * /` from left to right; anything more has no value until a test sets one.

use serde_json::{Value, json};

use super::{NotionState, SimulatedPage, Source};

/// How deep formulas and rollups look into each other.
const MAX_DEPTH: usize = 10;
/// References that a formula or rollup reads.
const READ: usize = 25;

/// What a formula may read and be.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Number(f64),
    Text(String),
    Flag(bool),
    Date(Value),
    Nothing,
}

impl Term {
    fn of(kind: &str, value: &Value) -> Self {
        match kind {
            "number" | "unique_id" => {
                value.as_f64().or_else(|| value["number"].as_f64()).map_or(Self::Nothing, Self::Number)
            }
            "checkbox" | "boolean" => Self::Flag(value == true),
            "date" if value.is_null() => Self::Nothing,
            "date" => Self::Date(value.clone()),
            "formula" => {
                Self::of(value["type"].as_str().unwrap_or_default(), &value[value["type"].as_str().unwrap_or_default()])
            }
            "string" => value.as_str().map_or(Self::Nothing, |text| Self::Text(text.to_owned())),
            _ => Self::Text(super::convert::words(kind, value)),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Date(date) => date["start"].as_str().unwrap_or_default().to_owned(),
            Self::Nothing => String::new(),
        }
    }

    fn shown(&self) -> Value {
        match self {
            Self::Number(number) => json!({"type": "number", "number": number}),
            Self::Text(text) => json!({"type": "string", "string": text}),
            Self::Flag(flag) => json!({"type": "boolean", "boolean": flag}),
            Self::Date(date) => json!({"type": "date", "date": date}),
            Self::Nothing => json!({"type": "string", "string": null}),
        }
    }

    fn join(self, operator: char, other: &Self) -> Self {
        match (operator, &self, other) {
            ('+', Self::Number(a), Self::Number(b)) => Self::Number(a + b),
            ('-', Self::Number(a), Self::Number(b)) => Self::Number(a - b),
            ('*', Self::Number(a), Self::Number(b)) => Self::Number(a * b),
            ('/', Self::Number(a), Self::Number(b)) if *b != 0.0 => Self::Number(a / b),
            ('+', _, _) => Self::Text(self.words() + &other.words()),
            _ => Self::Nothing,
        }
    }
}

impl NotionState {
    /// What a formula gives for a page.
    pub(super) fn formula(&self, page: &SimulatedPage, source: &Source, property: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return json!({"type": "unsupported", "unsupported": {}});
        }
        let expression = property["formula"]["expression"].as_str().unwrap_or_default();
        let mut rest = expression.trim();
        let Some((mut result, after)) = self.term(rest, page, source, depth) else { return Term::Nothing.shown() };
        rest = after.trim_start();
        while let Some(operator) = rest.chars().next() {
            let Some((term, after)) = rest.get(1..).and_then(|rest| self.term(rest.trim_start(), page, source, depth))
            else {
                return Term::Nothing.shown();
            };
            result = result.join(operator, &term);
            rest = after.trim_start();
        }
        result.shown()
    }

    fn term<'a>(&self, text: &'a str, page: &SimulatedPage, source: &Source, depth: usize) -> Option<(Term, &'a str)> {
        if let Some(rest) = text.strip_prefix("prop(\"") {
            let (name, rest) = rest.split_once("\")")?;
            let property = source.properties.get(name)?;
            let value = self.full(page, source, property, depth + 1);
            return Some((Term::of(property["type"].as_str().unwrap_or_default(), &value), rest));
        }
        if let Some(rest) = text.strip_prefix('"') {
            let (text, rest) = rest.split_once('"')?;
            return Some((Term::Text(text.to_owned()), rest));
        }
        for (word, flag) in [("true", true), ("false", false)] {
            if let Some(rest) = text.strip_prefix(word) {
                return Some((Term::Flag(flag), rest));
            }
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        Some((Term::Number(number.parse().ok()?), rest))
    }

    /// What a rollup gives for a page.
    pub(super) fn rollup(&self, page: &SimulatedPage, source: &Source, property: &Value, depth: usize) -> Value {
        let function = property["rollup"]["function"].as_str().unwrap_or_default();
        let unsupported = json!({"type": "unsupported", "unsupported": {}, "function": function});
        if depth > MAX_DEPTH {
            return unsupported;
        }
        let relation =
            source.properties.values().find(|found| found["id"] == property["rollup"]["relation_property_id"]);
        let Some(relation) = relation else { return unsupported };
        let related = self.full(page, source, relation, depth + 1);
        let ids = related.as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
        let pages: Vec<&SimulatedPage> = ids.take(READ).filter_map(|id| self.page(id)).collect();
        let wanted = &property["rollup"]["rollup_property_id"];
        let mut items = Vec::new();
        for page in &pages {
            let Some(target) = self.sources.get(&page.source) else { continue };
            let Some(found) = target.properties.values().find(|found| found["id"] == *wanted) else { continue };
            let kind = found["type"].as_str().unwrap_or_default();
            items.push((kind.to_owned(), self.full(page, target, found, depth + 1)));
        }
        let mut result = rolled(function, &items).unwrap_or(unsupported);
        result["function"] = json!(function);
        result
    }
}

fn is_empty((kind, value): &(String, Value)) -> bool {
    kind != "checkbox" && kind != "number" && super::convert::words(kind, value).is_empty() || value.is_null()
}

/// What the function makes of the values; `None` if it is not simulated.
fn rolled(function: &str, items: &[(String, Value)]) -> Option<Value> {
    let number = |number: f64| json!({"type": "number", "number": number});
    #[allow(clippy::cast_precision_loss)] // a count of some pages
    let count = |keep: &dyn Fn(&(String, Value)) -> bool| items.iter().filter(|item| keep(item)).count() as f64;
    let mut numbers: Vec<f64> = items
        .iter()
        .filter_map(|(kind, value)| {
            Some(Term::of(kind, value))
                .and_then(|term| if let Term::Number(number) = term { Some(number) } else { None })
        })
        .collect();
    numbers.sort_by(f64::total_cmp);
    let mut dates: Vec<&Value> =
        items.iter().filter(|(kind, value)| kind == "date" && !value.is_null()).map(|(_, value)| value).collect();
    dates.sort_by_key(|date| date["start"].as_str().and_then(super::dates::moment));
    let or_null = |found: Option<f64>| json!({"type": "number", "number": found});
    let date = |found: Option<&&Value>| json!({"type": "date", "date": found});
    #[allow(clippy::cast_precision_loss)]
    let all = numbers.len() as f64;
    Some(match function {
        "count" => number(count(&|_| true)),
        "count_values" | "not_empty" => number(count(&|item| !is_empty(item))),
        "empty" => number(count(&is_empty)),
        "checked" => number(count(&|(_, value)| *value == true)),
        "unchecked" => number(count(&|(_, value)| *value == false)),
        "sum" => number(numbers.iter().sum()),
        "average" => or_null((!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / all)),
        "min" => or_null(numbers.first().copied()),
        "max" => or_null(numbers.last().copied()),
        "range" => or_null(numbers.last().zip(numbers.first()).map(|(last, first)| last - first)),
        "median" => or_null(median(&numbers)),
        "earliest_date" => date(dates.first()),
        "latest_date" => date(dates.last()),
        "show_original" => {
            let array: Vec<_> = items.iter().map(|(kind, value)| json!({"type": kind, kind: value})).collect();
            json!({"type": "array", "array": array})
        }
        _ => return None,
    })
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { *upper } else { f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *upper) })
}
