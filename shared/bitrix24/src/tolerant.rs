//! Readers for answers in which the same field is sometimes a number and sometimes a text.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole number written as a number or as text; anything else (null, empty, `{}`) is none.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(whole(&Value::deserialize(deserializer)?))
}

/// The same of a value that was read already.
pub fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A yes or no, written as a boolean, `Y`, `N`, `true`, `false`, 1 or 0; anything else is none.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Bool(flag) => return Ok(Some(flag)),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_lowercase(),
        _ => return Ok(None),
    };
    Ok(match text.as_str() {
        "y" | "true" | "1" => Some(true),
        "n" | "false" | "0" => Some(false),
        _ => None,
    })
}

/// A text; numbers become text, null and containers are none, and so is an empty text.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A moment in ISO 8601 with offset; anything else is none.
pub fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// Whole numbers in a list, or in a map that PHP made of one; what is not a number is left out.
pub fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(list) => list.iter().filter_map(whole).collect(),
        Value::Object(map) => map.values().filter_map(whole).collect(),
        _ => Vec::new(),
    })
}

/// Texts in a list; what is not a text is left out.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    })
}

/// Named values where PHP writes an empty map as `[]` and a map with number keys as a list.
pub fn map(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Array(list) => list.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => serde_json::Map::new(),
    }
}
