//! How real portals are known to change a value that an application writes while the answer reports success. Switched
//! on for each field; what a person types in the browser is kept as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{PortalSimulator, tasks};

/// The longest text that a column of the portal holds.
const COLUMN: usize = 255;

/// What becomes of a written value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    IgnoreClearing,
    /// Everything is ignored: the connection's user may not change the field.
    Ignore,
    /// A value that is not among these numbers of a list's values is dropped.
    DropUnknown,
    /// A text is cut after so many characters.
    Cut(usize),
    /// An e-mail address is kept in lower case.
    Lowercase,
    /// A number is rounded to a whole one.
    Round,
    /// The whole change is refused, and the error names the field.
    Refuse,
}

impl Quirk {
    /// By its name in the control address: `ignore-clearing`, `ignore`, `drop-unknown`, `cut`, `lowercase`, `round`, `refuse`.
    pub fn named(name: &str, at: Option<u64>) -> Option<Self> {
        let at = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(COLUMN);
        Some(match name {
            "ignore-clearing" => Self::IgnoreClearing,
            "ignore" => Self::Ignore,
            "drop-unknown" => Self::DropUnknown,
            "cut" => Self::Cut(at),
            "lowercase" => Self::Lowercase,
            "round" => Self::Round,
            "refuse" => Self::Refuse,
            _ => return None,
        })
    }

    /// What is kept of a value; `None` if the field stays as it was.
    fn kept(self, described: &Value, value: Value) -> Option<Value> {
        match (self, value) {
            (Self::Ignore, _) => None,
            (Self::IgnoreClearing, value) => (!is_empty(&value)).then_some(value),
            (quirk, Value::Array(list)) => {
                Some(list.into_iter().filter_map(|one| quirk.kept(described, one)).collect())
            }
            (Self::DropUnknown, value) => {
                let is_known = |one: &&Value| one["ID"] == value || one["ID"] == value.to_string().trim_matches('"');
                let items = described["items"].as_array();
                items.is_none_or(|items| items.iter().any(|one| is_known(&one))).then_some(value)
            }
            (Self::Cut(most), Value::String(text)) => Some(json!(text.chars().take(most).collect::<String>())),
            (Self::Lowercase, Value::String(text)) => Some(json!(text.to_lowercase())),
            (Self::Round, value) => Some(rounded(value)),
            (_, value) => Some(value),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "0" || text == "N",
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(list) => list.is_empty(),
        Value::Bool(yes) => !yes,
        Value::Object(_) => false,
    }
}

/// `1.5` and `1.5|EUR` without what is behind the point.
fn rounded(value: Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (number, currency) =
        text.split_once('|').map_or((text.as_str(), None), |(sum, currency)| (sum, Some(currency)));
    let Ok(number) = number.parse::<f64>() else { return value };
    json!(currency.map_or_else(|| format!("{number:.0}"), |currency| format!("{number:.0}|{currency}")))
}

/// The quirks of a portal: by type (0 for tasks) and field.
pub(super) type Quirks = BTreeMap<(u32, String), Quirk>;

/// What is left of the fields of a call. `described` are the fields of the type.
pub(super) fn applied(
    quirks: &Quirks,
    entity: u32,
    described: &Map<String, Value>,
    fields: Map<String, Value>,
) -> Result<Map<String, Value>, super::crm::RestRefusal> {
    let mut left = Map::new();
    for (name, value) in fields {
        let field = if entity == 0 { tasks::camel(&name) } else { name.clone() };
        let Some(quirk) = quirks.get(&(entity, field.clone())) else {
            left.insert(name, value);
            continue;
        };
        if *quirk == Quirk::Refuse {
            return Err((400, "CRM_FIELD_ERROR_VALUE_NOT_VALID", format!("Field '{field}' has an invalid value")));
        }
        if let Some(value) = quirk.kept(described.get(&field).unwrap_or(&Value::Null), value) {
            left.insert(name, value);
        }
    }
    Ok(left)
}

impl PortalSimulator {
    /// Switches on what becomes of values that applications write to a field of a CRM type, or of tasks (type 0); `None`
    /// switches it off.
    pub fn set_quirk(&self, entity: u32, field: &str, quirk: Option<Quirk>) {
        let mut state = self.shared().lock();
        let place = (entity, field.to_owned());
        match quirk {
            Some(quirk) => state.quirks.insert(place, quirk),
            None => state.quirks.remove(&place),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quirk_does_to_a_value_what_its_name_says() {
        let list = json!({"items": [{"ID": "44"}, {"ID": "46"}]});
        for (quirk, value, kept) in [
            (Quirk::IgnoreClearing, json!(""), None),
            (Quirk::IgnoreClearing, json!([]), None),
            (Quirk::IgnoreClearing, json!("a"), Some(json!("a"))),
            (Quirk::Ignore, json!("a"), None),
            (Quirk::DropUnknown, json!("99"), None),
            (Quirk::DropUnknown, json!([44, "99"]), Some(json!([44]))),
            (Quirk::Cut(2), json!(["абв", "a"]), Some(json!(["аб", "a"]))),
            (Quirk::Lowercase, json!("Ann@Example.com"), Some(json!("ann@example.com"))),
            (Quirk::Round, json!("1.6|EUR"), Some(json!("2|EUR"))),
            (Quirk::Round, json!(2.4), Some(json!("2"))),
        ] {
            assert_eq!(quirk.kept(&list, value.clone()), kept, "{quirk:?} {value}");
        }
        assert_eq!(
            (Quirk::named("cut", None), Quirk::named("cut", Some(3))),
            (Some(Quirk::Cut(255)), Some(Quirk::Cut(3)))
        );
        assert_eq!(Quirk::named("else", None), None);
    }
}
