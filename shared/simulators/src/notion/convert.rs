//! What happens to a property's values when its type changes: as in Notion, what can be read as the new type remains,
//! and the rest is dropped. No value keeps the shape of the old type.

use serde_json::{Value, json};

use super::NotionState;
use super::text::runs;

/// A shown value as words.
pub(super) fn words(kind: &str, value: &Value) -> String {
    let names = |list: &Value| {
        let one = |one: &Value| one["name"].as_str().or_else(|| one["id"].as_str()).unwrap_or_default().to_owned();
        list.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
    };
    match kind {
        "title" | "rich_text" => notion_wire::text::plain(value),
        "select" | "status" | "created_by" | "last_edited_by" => value["name"].as_str().unwrap_or_default().to_owned(),
        "multi_select" | "people" | "relation" | "files" => names(value),
        "date" => value["start"].as_str().unwrap_or_default().to_owned(),
        "verification" => value["state"].as_str().unwrap_or_default().to_owned(),
        "place" => value["name"].as_str().or_else(|| value["address"].as_str()).unwrap_or_default().to_owned(),
        "unique_id" => match (value["prefix"].as_str(), &value["number"]) {
            (Some(prefix), number) => format!("{prefix}-{number}"),
            (None, number) => number.to_string(),
        },
        "formula" | "rollup" => {
            let inner = value["type"].as_str().unwrap_or_default();
            match inner {
                "array" => value["array"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| words("formula", one))
                    .collect::<Vec<_>>()
                    .join(", "),
                _ => words(inner, &value[inner]),
            }
        }
        "button" | "unsupported" | "incomplete" => String::new(),
        _ if value.is_null() => String::new(),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

impl NotionState {
    /// Turns the values of a property, which had `old` as its definition, into those of the type that it has now.
    pub(super) fn convert_values(&mut self, source: &str, name: &str, old: &Value) {
        let Some(found) = self.sources.get(source).cloned() else { return };
        let id = old["id"].as_str().unwrap_or_default().to_owned();
        let kind = old["type"].as_str().unwrap_or_default();
        let rows: Vec<_> =
            self.pages.values().filter(|page| page.source == source).map(|page| page.id.clone()).collect();
        for row in rows {
            let Some(page) = self.pages.get(&row) else { continue };
            let value = self.full(page, &found, old, 0);
            let stored = self.converted(source, name, kind, &value);
            if let Some(page) = self.pages.get_mut(&row) {
                page.indexed = None;
                match stored {
                    Some(stored) => page.values.insert(id.clone(), stored),
                    None => page.values.remove(&id),
                };
            }
        }
    }

    fn converted(&mut self, source: &str, name: &str, old: &str, value: &Value) -> Option<Value> {
        let new = self.sources.get(source)?.properties.get(name)?["type"].as_str()?.to_owned();
        let text = words(old, value);
        let text = match (old, value) {
            ("checkbox", Value::Bool(checked)) => if *checked { "Yes" } else { "No" }.to_owned(),
            _ => text,
        };
        match new.as_str() {
            "rich_text" => (!text.is_empty()).then(|| runs(&text)),
            "number" => text.trim().parse::<f64>().ok().map(|number| json!(number)),
            "checkbox" => Some(json!(matches!(text.to_lowercase().as_str(), "yes" | "true"))),
            "url" | "email" | "phone_number" => {
                let most = if new == "url" { 2_000 } else { 200 };
                (!text.is_empty() && super::text::units(&text) <= most).then(|| json!(text))
            }
            "date" => super::dates::checked("", &json!({"start": text})).ok(),
            "select" | "status" => {
                let first = text.split(", ").next().unwrap_or_default().to_owned();
                self.written_option(source, name, &new, &first)
            }
            "multi_select" => {
                let options = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                let options: Vec<String> = options.map(str::to_owned).collect();
                let all: Vec<_> =
                    options.iter().filter_map(|option| self.written_option(source, name, &new, option)).collect();
                Some(Value::Array(all))
            }
            _ => None,
        }
    }

    /// The option of this name, made if writing may make one.
    fn written_option(&mut self, source: &str, name: &str, kind: &str, option: &str) -> Option<Value> {
        let property = self.sources.get(source)?.properties.get(name)?["id"].as_str()?.to_owned();
        let one = json!({"name": option});
        let given = if kind == "multi_select" { json!({kind: [one]}) } else { json!({kind: one}) };
        let written = self.checked(source, &serde_json::Map::from_iter([(property, given)])).ok()?;
        let value = written.into_iter().next()?.1;
        if kind == "multi_select" { value.as_array()?.first().cloned() } else { Some(value) }
    }
}
