//! Data sources: their properties, made and changed.

use serde_json::{Map, Value, json};

use super::values::{Refusal, invalid};
use super::{Source, State};

/// Types that can be made.
const TYPES: [&str; 16] = [
    "title",
    "rich_text",
    "number",
    "select",
    "multi_select",
    "status",
    "date",
    "people",
    "files",
    "checkbox",
    "url",
    "email",
    "phone_number",
    "relation",
    "created_time",
    "last_edited_time",
];

impl State {
    /// A property as the API shows it, from a request's.
    pub(super) fn property(&mut self, name: &str, given: &Value) -> Result<Value, Refusal> {
        let named = given["type"].as_str().map(str::to_owned);
        let kind =
            named.or_else(|| TYPES.iter().find(|kind| given.get(**kind).is_some()).map(|kind| (*kind).to_owned()));
        let Some(kind) = kind.filter(|kind| TYPES.contains(&kind.as_str())) else {
            return Err(invalid(format!("body failed validation: body.properties.{name} should have a known type.")));
        };
        self.last += 1;
        let id = if kind == "title" { "title".into() } else { format!("p%3A{:x}", self.last) };
        let mut inner = given[&kind].clone();
        if inner.is_null() {
            inner = json!({});
        }
        if ["select", "multi_select", "status"].contains(&kind.as_str()) {
            let mut options = self.options(&kind, &inner, &[])?;
            if kind == "status" && options.is_empty() {
                let names = ["Not started", "In progress", "Done"];
                let wanted = json!({"options": names.map(|name| json!({"name": name}))});
                options = self.options(&kind, &wanted, &[])?;
            }
            inner = json!({"options": options});
        }
        if kind == "relation" {
            let target = inner["data_source_id"].as_str().map(super::normal).unwrap_or_default();
            let Some(source) = self.source(&target) else {
                return Err((
                    404,
                    "object_not_found",
                    format!("Could not find data source with ID: {target}."),
                    Value::Null,
                ));
            };
            inner["database_id"] = json!(source.database);
        }
        Ok(json!({"id": id, "name": name, "description": null, "type": kind, kind: inner}))
    }

    fn options(&mut self, kind: &str, inner: &Value, known: &[Value]) -> Result<Vec<Value>, Refusal> {
        let mut options: Vec<Value> = Vec::new();
        for option in inner["options"].as_array().into_iter().flatten() {
            let name = option["name"].as_str().unwrap_or_default();
            if name.contains(',') {
                return Err(invalid(format!("Invalid {kind} option, commas not allowed: {name}")));
            }
            if options.iter().any(|other| other["name"].as_str().unwrap_or_default().eq_ignore_ascii_case(name)) {
                return Err(invalid(format!("Invalid {kind} option, names must be unique: {name}")));
            }
            let same = |other: &&Value| other["id"] == option["id"] || other["name"] == option["name"];
            options.push(match known.iter().find(same) {
                Some(known) => known.clone(),
                None => json!({"id": self.id(), "name": name, "color": "default"}),
            });
        }
        if options.len() > 100 {
            return Err(invalid("body failed validation: options.length should be ≤ `100`."));
        }
        Ok(options)
    }

    /// Changes properties as `PATCH /v1/data_sources` does. Returns what changed, for the event.
    pub(super) fn change_schema(&mut self, id: &str, changes: &Map<String, Value>) -> Result<Vec<Value>, Refusal> {
        let mut told = Vec::new();
        for (key, change) in changes {
            let found = self
                .sources
                .get(id)
                .and_then(|source| Self::named(source, key))
                .map(|(name, p)| (name.clone(), p.clone()));
            let Some((name, mut property)) = found else {
                if change.is_null() {
                    continue;
                }
                let property = self.property(key, change)?;
                told.push(json!({"id": property["id"], "name": key, "action": "created"}));
                if let Some(source) = self.sources.get_mut(id) {
                    source.properties.insert(key.clone(), property);
                }
                continue;
            };
            if change.is_null() {
                if let Some(source) = self.sources.get_mut(id) {
                    source.properties.remove(&name);
                }
                told.push(json!({"id": property["id"], "name": name, "action": "deleted"}));
                continue;
            }
            let new_name = change["name"].as_str().unwrap_or(&name).to_owned();
            let kind = property["type"].as_str().unwrap_or_default().to_owned();
            let new_kind = TYPES
                .iter()
                .find(|kind| change.get(**kind).is_some())
                .map_or_else(|| kind.clone(), |kind| (*kind).to_owned());
            if new_kind != kind {
                let made = self.property(&new_name, change)?;
                let id = property["id"].clone();
                property = made;
                property["id"] = id;
            } else if ["select", "multi_select", "status"].contains(&kind.as_str()) && !change[&kind].is_null() {
                let known = property[&kind]["options"].as_array().cloned().unwrap_or_default();
                property[&kind]["options"] = Value::Array(self.options(&kind, &change[&kind], &known)?);
            }
            property["name"] = json!(new_name);
            told.push(json!({"id": property["id"], "name": new_name, "action": "updated"}));
            if let Some(source) = self.sources.get_mut(id) {
                source.properties.remove(&name);
                source.properties.insert(new_name, property);
            }
        }
        Ok(told)
    }

    /// A data source as the API shows it.
    pub(super) fn show_source(source: &Source) -> Value {
        json!({
            "object": "data_source", "id": source.id, "cover": null, "icon": null, "created_time": super::minute(source.created),
            "last_edited_time": super::minute(source.edited), "created_by": {"object": "user", "id": super::SOMEBODY},
            "last_edited_by": {"object": "user", "id": super::SOMEBODY},
            "title": super::values::rich_text("title", &json!([{"text": {"content": source.title}}])).unwrap_or_default(),
            "description": [], "is_inline": false, "properties": source.properties,
            "parent": {"type": "database_id", "database_id": source.database},
            "url": format!("https://app.notion.com/p/{}", source.database.replace('-', "")), "public_url": null,
            "in_trash": source.in_trash,
        })
    }
}
