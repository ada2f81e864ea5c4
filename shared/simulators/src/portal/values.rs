//! What the portal does with a written value: kept as its type requires, silently dropped, or refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::SimulatorState;
use super::crm::{RestRefusal, values};
use super::query::text;

/// The longest title; the rest is cut off without a word.
const MAX_TITLE: usize = 255;

/// Where the portal is: three hours east.
const ZONE: i8 = 3;

/// Midnight of a day where the portal is.
pub(super) fn midnight(day: &str) -> String {
    format!("{day}T00:00:00+0{ZONE}:00")
}

/// Whether there is nothing in a value. Forms cannot carry null or an empty list, so all of these clear a field.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Who writes: REST is refused what makes no sense; a person's form has no place for it, and a test may do as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueWriter {
    /// A call of a method.
    Rest,
    /// Someone in the browser.
    Person,
}

/// The name that PHP gives to the type of a value.
fn php_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "array",
    }
}

pub(super) fn invalid(title: &str) -> RestRefusal {
    (400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", format!("Invalid value for field \"{title}\""))
}

/// What the portal keeps of a value for a field that is described so.
pub(super) fn kept(
    state: &mut SimulatorState,
    described: &Value,
    name: &str,
    value: Value,
    writer: ValueWriter,
) -> Result<Value, RestRefusal> {
    if name == "fm" {
        return Ok(value);
    }
    if described["isMultiple"] != true {
        return one(state, described, name, value, writer);
    }
    let is_one_file = described["type"] == "file" && is_new_file(&value);
    let list: Vec<Value> = match &value {
        empty if is_empty(empty) => return Ok(json!([])),
        Value::Object(map) if described["type"] == "file" && map.contains_key("id") => vec![value],
        Value::Array(_) | Value::Object(_) if !is_one_file => values(&value).into_iter().cloned().collect(),
        _ if writer == ValueWriter::Person || is_one_file => vec![value],
        other => {
            let text = format!("Expected iterable value for multiple field, but got {} instead", php_type(other));
            return Err((400, "100", text));
        }
    };
    let kept = list.into_iter().map(|value| one(state, described, name, value, writer));
    let kept: Result<Vec<Value>, RestRefusal> = kept.collect();
    Ok(kept?.into_iter().filter(|value| !is_empty(value)).collect())
}

fn one(
    state: &mut SimulatorState,
    described: &Value,
    name: &str,
    value: Value,
    writer: ValueWriter,
) -> Result<Value, RestRefusal> {
    let kind = described["type"].as_str().unwrap_or_default();
    let refused = || match writer {
        ValueWriter::Rest => Err(invalid(described["title"].as_str().unwrap_or(name))),
        ValueWriter::Person => Ok(Value::Null),
    };
    if kind == "boolean" || kind == "char" {
        return Ok(json!(if is_true(&value) { "Y" } else { "N" }));
    }
    if kind == "file" {
        return Ok(file(state, value));
    }
    if is_empty(&value) {
        return Ok(empty(kind, name, value));
    }
    // A text, a number or a moment is one value, whatever the type.
    if value.is_array() || value.is_object() {
        return refused();
    }
    let given = text(&value);
    match kind {
        "string" if name == "title" => Ok(json!(given.chars().take(MAX_TITLE).collect::<String>())),
        "string" | "text" | "url" | "address" | "crm_status" | "crm_currency" => Ok(json!(given)),
        "date" => day(&given).map_or_else(refused, |day| Ok(json!(midnight(&day)))),
        "datetime" => moment(&given).map_or_else(refused, |moment| Ok(json!(moment))),
        "integer" => whole(&given).map_or_else(refused, |number| Ok(json!(number))),
        "double" => {
            let precision = described["settings"]["PRECISION"].as_i64().unwrap_or(4);
            real(&given, precision).map_or_else(refused, Ok)
        }
        "money" => Ok(sum(&given)),
        "employee" | "user" | "iblock_element" | "iblock_section" | "crm_category" => {
            whole(&given).filter(|id| *id >= 0).map_or_else(refused, |id| Ok(json!(id)))
        }
        "crm_company" | "crm_contact" | "crm_lead" | "crm_deal" => {
            whole(&given).filter(|id| *id >= 0).map_or_else(refused, |id| Ok(json!(id)))
        }
        "crm" => Ok(link(&described["settings"], &given).unwrap_or_default()),
        "enumeration" => Ok(listed(described, &given)),
        _ => Ok(value),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => ["Y", "y", "1", "true"].contains(&text.as_str()),
        _ => false,
    }
}

/// What an emptied field holds.
fn empty(kind: &str, name: &str, given: Value) -> Value {
    match kind {
        "double" if name == "opportunity" => json!(0),
        "string" | "text" | "url" | "address" | "crm_status" | "crm_currency" | "money" if given == "" => given,
        "user" | "crm_company" | "crm_contact" | "crm_category" => json!(0),
        _ => Value::Null,
    }
}

/// `2026-12-01`, with or without a time behind it, or `01.12.2026`.
fn day(given: &str) -> Option<String> {
    let date = |text: &str| text.parse::<jiff::civil::Date>().ok().map(|date| date.to_string());
    let russian = || {
        let mut parts = given.get(..10)?.splitn(3, '.');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        date(&format!("{year}-{month}-{day}"))
    };
    given.get(..10).and_then(date).or_else(russian)
}

/// A moment where the portal is; one without a zone is of the portal's.
fn moment(given: &str) -> Option<String> {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(ZONE));
    let at = match given.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.to_zoned(zone),
        Err(_) => given.parse::<jiff::civil::DateTime>().ok()?.to_zoned(zone).ok()?,
    };
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// A whole number; what is behind the point is cut off, as by PHP.
fn whole(given: &str) -> Option<i64> {
    let given = given.trim();
    #[allow(clippy::cast_possible_truncation)] // saturates
    let cut = |number: f64| number.is_finite().then_some(number as i64);
    given.parse().ok().or_else(|| given.parse::<f64>().ok().and_then(cut))
}

fn real(given: &str, precision: i64) -> Option<Value> {
    let number: f64 = given.trim().replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())?;
    let factor = 10f64.powi(i32::try_from(precision.clamp(0, 12)).unwrap_or(2));
    let rounded = (number * factor).round() / factor;
    let is_whole = rounded.abs() < 9e15 && rounded.fract().abs() < f64::EPSILON;
    #[allow(clippy::cast_possible_truncation)] // looked at above
    let whole = rounded as i64;
    Some(if is_whole { json!(whole) } else { json!(if rounded.is_finite() { rounded } else { number }) })
}

/// `10|EUR`; a sum without a currency is one of the portal's.
fn sum(given: &str) -> Value {
    let (sum, currency) = given.split_once('|').unwrap_or((given, "RUB"));
    if sum.trim().is_empty() {
        return if currency.is_empty() { json!("") } else { json!(format!("|{currency}")) };
    }
    let number = sum.trim().parse::<f64>().ok().filter(|sum| sum.is_finite());
    number.map_or(Value::Null, |sum| json!(format!("{sum:.2}|{currency}")))
}

/// A link to a record: `D_12`; a field that knows one type alone keeps the number.
fn link(settings: &Value, given: &str) -> Option<Value> {
    let prefixes = [("LEAD", "L"), ("CONTACT", "C"), ("COMPANY", "CO"), ("DEAL", "D")];
    let allowed: Vec<_> =
        prefixes.iter().filter(|(name, _)| settings[*name] == "Y").map(|(_, prefix)| *prefix).collect();
    let (prefix, id) = given.split_once('_').map_or((None, given), |(prefix, id)| (Some(prefix), id));
    let id: u64 = id.parse().ok()?;
    match (allowed.as_slice(), prefix) {
        ([_], None) => Some(json!(id.to_string())),
        ([only], Some(prefix)) if *only == prefix => Some(json!(id.to_string())),
        (_, Some(prefix)) if allowed.contains(&prefix) => Some(json!(format!("{prefix}_{id}"))),
        _ => None,
    }
}

/// The number of a list's value. What is not in the list is dropped, and the answer says success.
fn listed(described: &Value, given: &str) -> Value {
    let known = described["items"].as_array().into_iter().flatten().any(|item| item["ID"] == given);
    if known { json!(given.parse::<u64>().unwrap_or_default()) } else { Value::Null }
}

/// A file that is sent: its name and its content in base64.
fn is_new_file(value: &Value) -> bool {
    match value {
        Value::Array(pair) => pair.len() == 2 && pair.iter().all(Value::is_string),
        Value::Object(map) => map.contains_key("fileData"),
        _ => false,
    }
}

fn file(state: &mut SimulatorState, value: Value) -> Value {
    if let Value::Object(map) = &value {
        if let Some(new) = map.get("fileData") {
            return file(state, new.clone());
        }
        if map.contains_key("url") {
            // As a test wants it.
            return value;
        }
        let id = map.get("id").and_then(super::crm::number).and_then(|id| u64::try_from(id).ok());
        return id.filter(|id| state.documents.contains_key(id)).map_or(Value::Null, |id| shown_file(state, id));
    }
    if !is_new_file(&value) {
        return Value::Null;
    }
    let (name, content) = (text(&value[0]), text(&value[1]));
    match STANDARD.decode(content) {
        Ok(bytes) => {
            let id = state.keep_document(&name, bytes.into());
            shown_file(state, id)
        }
        Err(_) => Value::Null,
    }
}

/// A file as `crm.item.get` gives it: one address for browsers, one for machines.
pub(super) fn shown_file(state: &SimulatorState, id: u64) -> Value {
    let scheme = state.scheme;
    json!({
        "id": id, "url": format!("/bitrix/components/bitrix/crm.item.details/show_file.php?fileId={id}"),
        "urlMachine": format!("{scheme}://{}/rest/{FILE_METHOD}/?token=crm%7C{id}", state.host),
    })
}

/// The method behind a file's address for machines.
pub(super) const FILE_METHOD: &str = "crm.controller.item.getFile";

/// Puts the caller's own access into the files' addresses, as the portal does: they are good for the caller alone.
pub(super) fn signed(value: &mut Value, access: &CallerAccess) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(url)) = map.get_mut("urlMachine") {
                *url = match access {
                    CallerAccess::Webhook { user, secret } => url.replacen(
                        &format!("/rest/{FILE_METHOD}/"),
                        &format!("/rest/{user}/{secret}/{FILE_METHOD}/"),
                        1,
                    ),
                    CallerAccess::Token(token) => url.replacen("/?token=crm", &format!("/?auth={token}&token=crm"), 1),
                };
            }
            map.values_mut().for_each(|value| signed(value, access));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| signed(value, access)),
        _ => {}
    }
}

/// With what a caller came in.
#[derive(Debug, Clone)]
pub(super) enum CallerAccess {
    /// An incoming webhook.
    Webhook {
        /// Whose.
        user: u64,
        secret: String,
    },
    /// An access token.
    Token(String),
}

/// Phones and addresses: known ones change or go, new ones get a number.
pub(super) fn ways(state: &mut SimulatorState, now: &Value, given: &Value) -> Value {
    let mut all: Vec<Value> = now.as_array().cloned().unwrap_or_default();
    let named: Vec<(Option<i64>, &Map<String, Value>)> = match given {
        Value::Object(map) => {
            let number = |key: &str, way: &Map<String, Value>| {
                way.get("id").and_then(super::crm::number).or_else(|| key.parse().ok())
            };
            map.iter().filter_map(|(key, way)| way.as_object().map(|way| (number(key, way), way))).collect()
        }
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_object)
            .map(|way| (way.get("id").and_then(super::crm::number), way))
            .collect(),
        _ => return Value::Array(all),
    };
    for (id, way) in named {
        let word = |name: &str| way.get(name).map(text);
        let known = id.and_then(|id| all.iter().position(|known| known["id"] == id));
        match (known, word("value")) {
            (Some(place), Some(value)) if value.is_empty() => drop(all.remove(place)),
            (Some(place), value) => {
                let kept = [("value", value), ("valueType", word("valueType"))];
                for (name, value) in kept.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    all[place][name] = json!(value);
                }
            }
            (None, Some(value)) if !value.is_empty() => {
                let kind = word("typeId").unwrap_or_else(|| "PHONE".into());
                let value_type = word("valueType").unwrap_or_else(|| "WORK".into());
                all.push(json!({"id": state.next_way(), "typeId": kind, "valueType": value_type, "value": value}));
            }
            _ => {}
        }
    }
    Value::Array(all)
}
