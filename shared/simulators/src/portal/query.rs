//! What all list methods share: filters with their operators, sorting, selection, pages.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::crm::{RestRefusal, number, values};

/// Rows on a page.
pub(super) const PAGE: usize = 50;

/// A parameter by its name, in small or in capital letters: the older methods take both.
pub(super) fn param<'a>(params: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    params.get(name).or_else(|| params.get(&name.to_uppercase()))
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// How the names of a request lead to the fields of the rows.
pub(super) struct FieldNames<'a> {
    find: Box<dyn Fn(&str) -> Option<String> + 'a>,
    /// Whether a name that leads nowhere is refused; the older methods ignore it.
    strict: bool,
}

impl<'a> FieldNames<'a> {
    /// Names that lead nowhere are refused.
    pub(super) fn strict(find: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self { find: Box::new(find), strict: true }
    }

    /// Names that lead nowhere are ignored.
    pub(super) fn lenient(find: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self { find: Box::new(find), strict: false }
    }

    /// Rows whose fields are named in capital letters, and may be named in any.
    pub(super) fn any() -> Self {
        Self::lenient(|name| Some(name.to_uppercase()))
    }

    pub(super) fn find(&self, name: &str) -> Option<String> {
        (self.find)(name)
    }
}

fn refused(text: String) -> RestRefusal {
    (400, "INVALID_ARG_VALUE", text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Among,
    Above,
    AtLeast,
    Below,
    AtMost,
    Contains,
    Like,
}

/// A filter that has been read.
#[derive(Debug)]
pub(super) enum QueryTest {
    All(Vec<QueryTest>),
    Any(Vec<QueryTest>),
    Field { name: String, operator: Turned, wanted: Vec<Value> },
}

/// An operator, and whether it is turned round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned(Operator, bool);

fn operator(prefix: &str) -> Option<Turned> {
    let (turned, rest) = prefix.strip_prefix('!').map_or((false, prefix), |rest| (true, rest));
    let operator = match rest {
        "" | "=" | "@" => Operator::Among,
        ">" => Operator::Above,
        ">=" => Operator::AtLeast,
        "<" => Operator::Below,
        "<=" => Operator::AtMost,
        "%" => Operator::Contains,
        "=%" | "%=" => Operator::Like,
        _ => return None,
    };
    Some(Turned(operator, turned))
}

/// Reads a filter.
pub(super) fn filter(given: &Map<String, Value>, names: &FieldNames) -> Result<QueryTest, RestRefusal> {
    let is_any =
        given.get("logic").or_else(|| given.get("LOGIC")).is_some_and(|logic| text(logic).eq_ignore_ascii_case("or"));
    let mut tests = Vec::new();
    for (key, wanted) in given.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("logic")) {
        let inner = wanted.as_object().filter(|_| key.parse::<u32>().is_ok());
        if let Some(inner) = inner {
            tests.push(filter(inner, names)?);
            continue;
        }
        let name = key.trim_start_matches(['>', '<', '=', '!', '@', '%']);
        let prefix = key.get(..key.len() - name.len()).unwrap_or_default();
        let (Some(field), Some(operator)) = (names.find(name), operator(prefix)) else {
            if names.strict {
                return Err(refused(format!("Invalid filter: field '{name}' is not allowed in filter")));
            }
            continue;
        };
        let wanted: Vec<Value> = match wanted {
            Value::Array(_) | Value::Object(_) => values(wanted).into_iter().cloned().collect(),
            one => vec![one.clone()],
        };
        if wanted.iter().any(|value| value.is_array() || value.is_object()) {
            if names.strict {
                return Err(refused(format!("Invalid filter: field '{name}' has invalid value")));
            }
            continue;
        }
        tests.push(QueryTest::Field { name: field, operator, wanted });
    }
    // The number is compared fastest.
    tests.sort_by_key(|test| !matches!(test, QueryTest::Field { name, .. } if name == "id" || name == "ID"));
    Ok(if is_any { QueryTest::Any(tests) } else { QueryTest::All(tests) })
}

impl QueryTest {
    /// Whether a row passes.
    pub(super) fn passes(&self, row: &Map<String, Value>) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.passes(row)),
            Self::Any(tests) => tests.is_empty() || tests.iter().any(|test| test.passes(row)),
            Self::Field { name, operator: Turned(operator, turned), wanted } => {
                let given = row.get(name).unwrap_or(&Value::Null);
                // Of a field with several values one is enough.
                let given: Vec<&Value> = match given {
                    Value::Array(list) if list.is_empty() => vec![&Value::Null],
                    Value::Array(list) => list.iter().collect(),
                    one => vec![one],
                };
                let holds = given.iter().any(|given| wanted.iter().any(|wanted| holds(*operator, given, wanted)));
                holds != *turned
            }
        }
    }
}

fn holds(operator: Operator, given: &Value, wanted: &Value) -> bool {
    let order = compare(given, wanted);
    match operator {
        Operator::Among => order == Ordering::Equal,
        Operator::Above => order == Ordering::Greater,
        Operator::AtLeast => order != Ordering::Less,
        Operator::Below => order == Ordering::Less,
        Operator::AtMost => order != Ordering::Greater,
        Operator::Contains => text(given).to_lowercase().contains(&text(wanted).to_lowercase()),
        Operator::Like => is_like(&text(given).to_lowercase(), &text(wanted).to_lowercase()),
    }
}

/// SQL's LIKE with `%` alone.
fn is_like(given: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(mut rest) = given.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Numbers by value, moments by time, the rest by letters. An empty text counts as zero beside a number, as
/// it does when a batch's reference leads nowhere.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    let as_number = |value: &Value| match value {
        Value::String(text) if text.is_empty() => Some(0.0),
        Value::String(text) => text.parse::<f64>().ok(),
        other => other.as_f64(),
    };
    if let (Some(a), Some(b)) = (as_number(a), as_number(b)) {
        return a.total_cmp(&b);
    }
    let word = |value: &Value| match value {
        Value::Bool(yes) => if *yes { "1" } else { "" }.to_owned(),
        Value::Array(_) | Value::Object(_) => String::new(),
        other => text(other),
    };
    let (a, b) = (word(a), word(b));
    match (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(&b),
    }
}

/// By what rows are sorted: field, and whether downwards.
pub(super) type Order = Vec<(String, bool)>;

/// Reads an order.
pub(super) fn order(given: Option<&Value>, names: &FieldNames) -> Result<Order, RestRefusal> {
    let pairs: Vec<(String, &Value)> = match given {
        Some(Value::Object(map)) => map.iter().map(|(name, direction)| (name.clone(), direction)).collect(),
        Some(Value::Array(list)) => list.iter().enumerate().map(|(n, direction)| (n.to_string(), direction)).collect(),
        _ => Vec::new(),
    };
    let mut order = Vec::new();
    for (name, direction) in pairs {
        let down = match text(direction).to_uppercase().as_str() {
            "ASC" => Some(false),
            "DESC" => Some(true),
            _ => None,
        };
        match (names.find(&name), down) {
            (Some(field), Some(down)) => order.push((field, down)),
            (Some(field), None) if !names.strict => order.push((field, false)),
            (None, _) if names.strict => {
                return Err(refused(format!("Invalid order: field '{name}' is not allowed in order")));
            }
            (Some(_), None) => {
                let got = text(direction);
                return Err(refused(format!(
                    "Invalid order: allowed sort directions are `ASC, DESC`. But got '{got}' for field '{name}'"
                )));
            }
            (None, _) => {}
        }
    }
    Ok(order)
}

/// Sorts rows; those that are the same stay in their order.
pub(super) fn sort(rows: &mut [&Map<String, Value>], order: &Order) {
    rows.sort_by(|a, b| {
        let by = |(field, down): &(String, bool)| {
            let (a, b) = (a.get(field).unwrap_or(&Value::Null), b.get(field).unwrap_or(&Value::Null));
            let order = compare(a, b);
            if *down { order.reverse() } else { order }
        };
        order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Where a page begins: `None` for the first of a list that is not to be counted.
pub(super) fn start(params: &Map<String, Value>) -> Option<usize> {
    let start = param(params, "start").and_then(number).unwrap_or_default();
    (start >= 0).then(|| usize::try_from(start).unwrap_or(usize::MAX))
}

/// A page out of rows: the page, how many there are in all, where the next begins.
pub(super) fn page<T: Clone>(rows: &[T], params: &Map<String, Value>) -> (Vec<T>, Option<usize>, Option<usize>) {
    let (skip, counted) = start(params).map_or((0, false), |start| (start, true));
    let page: Vec<T> = rows.iter().skip(skip).take(PAGE).cloned().collect();
    let next = (counted && skip.saturating_add(page.len()) < rows.len()).then_some(skip + PAGE);
    (page, counted.then_some(rows.len()), next)
}

/// Rows in capital letters, filtered and sorted.
pub(super) fn rows<'a>(
    rows: impl IntoIterator<Item = &'a Map<String, Value>>,
    params: &Map<String, Value>,
    names: &FieldNames,
) -> Result<Vec<&'a Map<String, Value>>, RestRefusal> {
    let empty = Map::new();
    let test = filter(param(params, "filter").and_then(Value::as_object).unwrap_or(&empty), names)?;
    let order = order(param(params, "order"), names)?;
    let mut found: Vec<_> = rows.into_iter().filter(|row| test.passes(row)).collect();
    sort(&mut found, &order);
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn rows_by(params: &Value) -> Vec<u64> {
        let all = json!([
            {"ID": "1", "NAME": "Roof", "SUM": "10.00", "TAGS": ["a", "b"]},
            {"ID": "2", "NAME": "Wall, north", "SUM": "9.50", "TAGS": []},
            {"ID": "10", "NAME": "roof again", "SUM": "100.00", "TAGS": ["b"]},
        ]);
        let all: Vec<_> = all.as_array().unwrap().iter().filter_map(Value::as_object).collect();
        let found = rows(all, params.as_object().unwrap(), &FieldNames::any()).unwrap();
        found.into_iter().map(|row| text(&row["ID"]).parse().unwrap()).collect()
    }

    #[test]
    fn filters_know_the_documented_operators() {
        for (filter, found) in [
            (json!({">ID": 1}), vec![2, 10]),
            (json!({"@ID": [1, "10"]}), vec![1, 10]),
            (json!({"!@ID": [1, "10"]}), vec![2]),
            (json!({"!ID": 2}), vec![1, 10]),
            (json!({"%NAME": "roof"}), vec![1, 10]),
            (json!({"!%NAME": "roof"}), vec![2]),
            (json!({"=%NAME": "roof%"}), vec![1, 10]),
            (json!({"%=NAME": "%n%th"}), vec![2]),
            (json!({"=%NAME": "oof"}), vec![]),
            (json!({"<=SUM": 10}), vec![1, 2]),
            (json!({"TAGS": "b"}), vec![1, 10]),
            (json!({"0": {"logic": "OR", "0": {"ID": 1}, "1": {"ID": 2}}, ">SUM": 9.8}), vec![1]),
        ] {
            assert_eq!(rows_by(&json!({"filter": filter})), found, "{filter}");
        }
    }

    #[test]
    fn rows_are_sorted_by_names_in_any_case_and_by_several() {
        assert_eq!(rows_by(&json!({"order": {"id": "desc"}})), [10, 2, 1]);
        assert_eq!(rows_by(&json!({"ORDER": {"SUM": "ASC"}})), [2, 1, 10]);
        assert_eq!(rows_by(&json!({"order": {"TAGS": "asc", "Id": "DESC"}})), [10, 2, 1]);
    }
}
