//! The fields of CRM types: how `crm.item.fields` describes them, and what the portal makes of a value that is written.

use serde_json::{Map, Value, json};

use super::{COMPANY, CONTACT, DEAL, LEAD, State};

/// The longest title; the rest is cut off without a word.
const LONGEST_TITLE: usize = 255;

/// A field as it is described.
fn field(kind: &str, title: &str, read_only: bool) -> Value {
    json!({
        "type": kind, "isRequired": false, "isReadOnly": read_only, "isImmutable": false, "isMultiple": false,
        "isDynamic": false, "title": title,
    })
}

/// A field of the customer's own.
pub(super) fn own(name: &str, kind: &str, multiple: bool, items: &[Value]) -> Value {
    let mut field = field(kind, name, false);
    field["isMultiple"] = json!(multiple);
    field["isDynamic"] = json!(true);
    if !items.is_empty() {
        field["items"] = json!(items);
    }
    field
}

/// Midnight of a day where the portal is.
pub(super) fn midnight(day: &str) -> String {
    format!("{day}T00:00:00+03:00")
}

impl State {
    /// All fields of a type.
    pub(super) fn described(&self, entity: u32) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |name: &str, kind: &str, read_only: bool| {
            fields.insert(name.into(), field(kind, name, read_only));
        };
        add("id", "integer", true);
        add("assignedById", "user", false);
        add("createdBy", "user", true);
        add("createdTime", "datetime", true);
        add("updatedTime", "datetime", true);
        match entity {
            CONTACT => {
                add("name", "string", false);
                add("lastName", "string", false);
                add("companyId", "crm_company", false);
            }
            COMPANY => add("title", "string", false),
            _ => {
                add("title", "string", false);
                add("stageId", "crm_status", false);
                add("categoryId", "crm_category", false);
                add("opportunity", "double", false);
                add("currencyId", "crm_currency", false);
                add("companyId", "crm_company", false);
                add("contactId", "crm_contact", false);
                add("sourceId", "crm_status", false);
                add("begindate", "date", false);
                add("closedate", "date", false);
                add("comments", "text", false);
                add("opened", "boolean", false);
                fields["sourceId"]["statusType"] = json!("SOURCE");
                if entity == DEAL || entity == LEAD {
                    fields["stageId"]["statusType"] = json!(if entity == DEAL { "DEAL_STAGE" } else { "STATUS" });
                }
            }
        }
        fields.extend(self.own_fields.get(&entity).cloned().unwrap_or_default());
        fields
    }
}

/// What the portal keeps of a value.
pub(super) fn kept(described: &Value, name: &str, value: Value) -> Value {
    let kind = described["type"].as_str().unwrap_or_default();
    if let (true, Value::Array(list)) = (described["isMultiple"] == true, &value) {
        let one = json!({"type": kind, "items": described["items"]});
        let kept = list.iter().map(|value| kept(&one, name, value.clone()));
        return kept.filter(|value| !value.is_null()).collect();
    }
    match (kind, &value) {
        ("string", Value::String(text)) if name == "title" => {
            json!(text.chars().take(LONGEST_TITLE).collect::<String>())
        }
        ("date", Value::String(text)) if text.len() >= 10 => json!(midnight(&text[..10])),
        ("datetime", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => {
                let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(3));
                json!(moment.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
            }
            Err(_) => value,
        },
        ("double", Value::String(text)) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => json!(whole),
            (_, Ok(number)) => json!(number),
            _ => Value::Null,
        },
        ("money", Value::String(text)) => {
            let (sum, currency) = text.split_once('|').unwrap_or((text, "RUB"));
            sum.parse::<f64>().map_or(Value::Null, |sum| json!(format!("{sum:.2}|{currency}")))
        }
        ("employee" | "user", Value::String(text)) => text.parse::<u64>().map_or(Value::Null, |id| json!(id)),
        // What is not in the list is dropped, and the answer says success.
        ("enumeration", _) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let known = described["items"].as_array().into_iter().flatten().any(|item| item["ID"] == text.as_str());
            if known { json!(text.parse::<u64>().unwrap_or_default()) } else { Value::Null }
        }
        _ => value,
    }
}
