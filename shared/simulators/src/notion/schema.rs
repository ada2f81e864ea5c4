//! Data sources and the properties of their schema: made and changed.

use serde_json::{Map, Value, json};

use super::text::{NotionRefusal, fix_one, invalid, list, should, too_long, undefined, units};
use super::values::{option_color, option_name};
use super::{NotionState, Source};

/// Types that can be made.
const TYPES: [&str; 24] = [
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
    "formula",
    "relation",
    "rollup",
    "unique_id",
    "created_time",
    "created_by",
    "last_edited_time",
    "last_edited_by",
    "place",
    "button",
    "verification",
];
/// Types that a request can make, and that no request turns another property into.
const ONLY_MADE: [&str; 2] = ["button", "verification"];
const CHOICES: [&str; 3] = ["select", "multi_select", "status"];
const FUNCTIONS: [&str; 24] = [
    "count",
    "count_values",
    "empty",
    "not_empty",
    "unique",
    "show_unique",
    "percent_empty",
    "percent_not_empty",
    "sum",
    "average",
    "median",
    "min",
    "max",
    "range",
    "earliest_date",
    "latest_date",
    "date_range",
    "checked",
    "unchecked",
    "percent_checked",
    "percent_unchecked",
    "count_per_group",
    "percent_per_group",
    "show_original",
];

fn kind_of(given: &Value) -> Option<&'static str> {
    let named = given["type"].as_str();
    TYPES.iter().find(|kind| named.is_none_or(|named| named == **kind) && given.get(**kind).is_some()).copied()
}

/// A status begins with these.
fn usual_groups() -> [(&'static str, &'static str, &'static str); 3] {
    [("To-do", "gray", "Not started"), ("In progress", "blue", "In progress"), ("Complete", "green", "Done")]
}

impl NotionState {
    /// A property as the API shows it, from a request's.
    fn property(&mut self, source: &str, name: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let path = format!("properties.{name}");
        let Some(kind) = kind_of(given) else { return Err(fix_one(&path, &TYPES)) };
        if name.is_empty() {
            return Err(invalid("body failed validation: body.properties should have names that are not empty."));
        }
        let at = format!("{path}.{kind}");
        let inner = &given[kind];
        if !inner.is_object() {
            return Err(should(&at, "an object", Some(inner)));
        }
        let made = match kind {
            "select" | "multi_select" => json!({"options": self.options(&at, kind, inner, &[])?}),
            "status" => {
                let options = self.options(&at, kind, inner, &[])?;
                self.status(options)
            }
            "number" => json!({"format": inner["format"].as_str().unwrap_or("number")}),
            "relation" => self.relation(&at, inner)?,
            "rollup" => self.rollup_of(source, &at, inner)?,
            "formula" => self.formula_of(source, inner)?,
            "unique_id" => prefix(&at, inner)?,
            _ => json!({}),
        };
        self.last += 1;
        let id = if kind == "title" { "title".into() } else { format!("p%3A{:x}", self.last) };
        let description = given["description"].as_str();
        Ok(json!({"id": id, "name": name, "description": description, "type": kind, kind: made}))
    }

    fn relation(&self, path: &str, inner: &Value) -> Result<Value, NotionRefusal> {
        let Some(target) = inner["data_source_id"].as_str() else {
            return Err(undefined(&format!("{path}.data_source_id")));
        };
        let target = super::normal(target);
        let source = self.source(&target).ok_or_else(|| super::api::missing("data source", &target))?;
        if inner.get("dual_property").is_some() {
            return Err(invalid(format!(
                "body failed validation: body.{path}.dual_property is not simulated; use single_property."
            )));
        }
        if inner.get("single_property").is_none_or(|single| !single.is_object()) {
            return Err(fix_one(path, &["single_property", "dual_property"]));
        }
        Ok(json!({
            "database_id": source.database, "data_source_id": source.id, "type": "single_property", "single_property": {},
        }))
    }

    fn rollup_of(&self, source: &str, path: &str, inner: &Value) -> Result<Value, NotionRefusal> {
        let function = inner["function"].as_str().filter(|function| FUNCTIONS.contains(function));
        let Some(function) = function else {
            return Err(should(&format!("{path}.function"), "a function of a rollup", inner.get("function")));
        };
        let own = self.sources.get(source).ok_or_else(|| super::api::missing("data source", source))?;
        let named = |source: &Source, which: &str| -> Result<(Value, Value), NotionRefusal> {
            let key =
                inner[format!("{which}_property_id")].as_str().or(inner[format!("{which}_property_name")].as_str());
            let Some(key) = key else { return Err(undefined(&format!("{path}.{which}_property_name"))) };
            let found = Self::named(source, key);
            let (name, property) =
                found.ok_or_else(|| invalid(format!("Could not find property with name or id: {key}")))?;
            Ok((json!(name), property.clone()))
        };
        let (relation_name, relation) = named(own, "relation")?;
        let target = relation["relation"]["data_source_id"].as_str().unwrap_or_default();
        let Some(target) = self.sources.get(target) else {
            return Err(invalid(format!("{relation_name} is not a relation.")));
        };
        let (name, property) = named(target, "rollup")?;
        Ok(json!({
            "function": function, "relation_property_name": relation_name, "relation_property_id": relation["id"],
            "rollup_property_name": name, "rollup_property_id": property["id"],
        }))
    }

    fn formula_of(&self, source: &str, inner: &Value) -> Result<Value, NotionRefusal> {
        let expression = inner["expression"].as_str().unwrap_or_default();
        let names = expression.split("prop(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
        let own = self.sources.get(source);
        for name in names {
            if own.is_none_or(|own| !own.properties.contains_key(name)) {
                return Err(invalid(format!("Type error with formula. Undefined property \"{name}\".")));
            }
        }
        Ok(json!({"expression": expression}))
    }

    /// Options and groups: what is new belongs to To-do, and a status without options gets the usual three.
    fn status(&mut self, mut options: Vec<Value>) -> Value {
        let is_bare = options.is_empty();
        let mut groups = Vec::new();
        for (index, (name, color, option)) in usual_groups().into_iter().enumerate() {
            let mut ids: Vec<Value> = Vec::new();
            if is_bare {
                let id = self.id();
                ids.push(json!(id));
                options.push(json!({"id": id, "name": option, "color": color, "description": null}));
            } else if index == 0 {
                ids = options.iter().map(|option| option["id"].clone()).collect();
            }
            groups.push(json!({"id": self.id(), "name": name, "color": color, "option_ids": ids}));
        }
        json!({"options": options, "groups": groups})
    }

    /// The options of a request, those that are known by their id or name with what is new about them.
    fn options(&mut self, path: &str, kind: &str, inner: &Value, known: &[Value]) -> Result<Vec<Value>, NotionRefusal> {
        let path = format!("{path}.options");
        let Some(given) = inner.get("options") else { return Ok(known.to_vec()) };
        let mut options: Vec<Value> = Vec::new();
        for (index, option) in list(&path, Some(given), 100)?.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let by_id = option["id"].as_str().and_then(|id| known.iter().find(|known| known["id"] == id));
            let Some(name) = option["name"].as_str().or_else(|| by_id?["name"].as_str()) else {
                return Err(fix_one(&at, &["name", "id"]));
            };
            option_name(&at, name)?;
            let color = option_color(&at, option)?;
            let same = |other: &&Value| {
                other["name"].as_str().is_some_and(|other| other.to_lowercase() == name.to_lowercase())
            };
            if options.iter().any(|other| same(&other)) {
                return Err(invalid(format!("Invalid {kind} option, names must be unique: {name}")));
            }
            let found = by_id.or_else(|| known.iter().find(same));
            if let Some(found) = found.filter(|found| option["color"].is_string() && found["color"] != color) {
                return Err(invalid(format!(
                    "Cannot update color of select with name: {}.",
                    found["name"].as_str().unwrap_or(name)
                )));
            }
            let description = option["description"].as_str().map(|text| json!(text));
            options.push(match found {
                Some(found) => json!({
                    "id": found["id"], "name": if by_id.is_some() { json!(name) } else { found["name"].clone() },
                    "color": found["color"], "description": description.unwrap_or(found["description"].clone()),
                }),
                None => json!({"id": self.id(), "name": name, "color": color, "description": description}),
            });
        }
        Ok(options)
    }

    /// Changes properties as `PATCH /v1/data_sources` does. Returns what changed, for the event; either all changes, or
    /// nothing.
    pub(super) fn change_schema(
        &mut self,
        id: &str,
        changes: &Map<String, Value>,
    ) -> Result<Vec<Value>, NotionRefusal> {
        let (pages, before) = (self.pages.clone(), self.sources.get(id).cloned());
        let mut noted = Vec::new();
        for (key, change) in changes {
            match self.change_property(id, key, change) {
                Ok(change) => noted.extend(change),
                Err(refused) => {
                    self.pages = pages;
                    if let Some(before) = before {
                        self.sources.insert(id.to_owned(), before);
                    }
                    return Err(refused);
                }
            }
        }
        Ok(noted)
    }

    fn change_property(&mut self, id: &str, key: &str, change: &Value) -> Result<Option<Value>, NotionRefusal> {
        let found = self.sources.get(id).and_then(|source| Self::named(source, key));
        let Some((name, old)) = found.map(|(name, property)| (name.clone(), property.clone())) else {
            return if change.is_null() {
                Err(invalid(format!("Could not find property with name or id: {key}")))
            } else {
                self.add_property(id, key, change).map(Some)
            };
        };
        let kind = old["type"].as_str().unwrap_or_default().to_owned();
        if change.is_null() {
            if kind == "title" {
                return Err(invalid("Cannot delete the title property."));
            }
            self.remove_property(id, &name, &old);
            return Ok(Some(json!({"id": old["id"], "name": name, "action": "deleted"})));
        }
        let Some(fields) = change.as_object() else {
            return Err(should(&format!("properties.{key}"), "an object or `null`", Some(change)));
        };
        let new_name = match fields.get("name") {
            None => name.clone(),
            Some(new) => new
                .as_str()
                .filter(|new| !new.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| should(&format!("properties.{key}.name"), "a populated string", Some(new)))?,
        };
        if new_name != name && self.sources.get(id).is_some_and(|source| source.properties.contains_key(&new_name)) {
            return Err(invalid(format!("Property with name {new_name} already exists.")));
        }
        let new_kind = kind_of(change);
        if new_kind.is_none() && fields.keys().any(|field| !["name", "description", "type"].contains(&field.as_str())) {
            return Err(fix_one(&format!("properties.{key}"), &TYPES));
        }
        let mut property = self.redefined(id, &old, change, new_kind)?;
        property["name"] = json!(new_name);
        if let Some(description) = fields.get("description") {
            property["description"] = description.clone();
        }
        let is_other = property["type"] != old["type"];
        if let Some(source) = self.sources.get_mut(id) {
            source.properties.remove(&name);
            source.properties.insert(new_name.clone(), property);
        }
        if is_other {
            self.convert_values(id, &new_name, &old);
        }
        Ok(Some(json!({"id": old["id"], "name": new_name, "action": "updated"})))
    }

    /// The property with what a request changes about its type.
    fn redefined(&mut self, id: &str, old: &Value, change: &Value, new: Option<&str>) -> Result<Value, NotionRefusal> {
        let (kind, name) = (old["type"].as_str().unwrap_or_default(), old["name"].as_str().unwrap_or_default());
        let mut property = old.clone();
        match new {
            Some(new) if new != kind => {
                if kind == "title" || new == "title" {
                    return Err(invalid("Cannot change the type of the title property."));
                }
                if ONLY_MADE.contains(&new) {
                    return Err(fix_one(&format!("properties.{name}"), &TYPES));
                }
                property = self.property(id, name, change)?;
                property["id"] = old["id"].clone();
                // A property that keeps choices keeps their options.
                if CHOICES.contains(&kind)
                    && matches!(new, "select" | "multi_select")
                    && change[new]["options"].is_null()
                {
                    property[new]["options"] = old[kind]["options"].clone();
                }
            }
            Some(new) if CHOICES.contains(&new) => self.redefine_options(&mut property, new, change)?,
            Some("relation" | "rollup" | "formula" | "unique_id" | "number") => {
                let fresh = self.property(id, name, change)?;
                property[kind] = fresh[kind].clone();
            }
            _ => {}
        }
        Ok(property)
    }

    fn redefine_options(&mut self, property: &mut Value, kind: &str, change: &Value) -> Result<(), NotionRefusal> {
        let name = property["name"].as_str().unwrap_or_default().to_owned();
        let path = format!("properties.{name}.{kind}");
        let known = property[kind]["options"].as_array().cloned().unwrap_or_default();
        let mut options = self.options(&path, kind, &change[kind], &known)?;
        if kind == "status" {
            // A request adds and renames options of a status; only a person removes one.
            for option in &known {
                if !options.iter().any(|kept| kept["id"] == option["id"]) {
                    options.push(option.clone());
                }
            }
            let is_new = |option: &&Value| !known.iter().any(|old| old["id"] == option["id"]);
            let new: Vec<_> = options.iter().filter(is_new).map(|option| option["id"].clone()).collect();
            if let Some(ids) = property.pointer_mut("/status/groups/0/option_ids").and_then(Value::as_array_mut) {
                ids.extend(new);
            }
        }
        property[kind]["options"] = Value::Array(options);
        Ok(())
    }

    fn add_property(&mut self, id: &str, name: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let has_title =
            self.sources.get(id).is_some_and(|source| source.properties.values().any(|p| p["type"] == "title"));
        if has_title && kind_of(given) == Some("title") {
            return Err(invalid("Cannot create new title property: a data source has exactly one."));
        }
        let property = self.property(id, name, given)?;
        let noted = json!({"id": property["id"], "name": name, "action": "created"});
        if let Some(source) = self.sources.get_mut(id) {
            source.properties.insert(name.to_owned(), property);
        }
        Ok(noted)
    }

    fn remove_property(&mut self, id: &str, name: &str, old: &Value) {
        if let Some(source) = self.sources.get_mut(id) {
            source.properties.remove(name);
        }
        let property = old["id"].as_str().unwrap_or_default();
        for page in self.pages.values_mut().filter(|page| page.source == id) {
            page.values.remove(property);
        }
    }

    /// Removes an option as a person does; rows that had it have nothing, or the default of a status.
    pub(super) fn remove_option(&mut self, source: &str, property: &str, option: &str) -> bool {
        let Some(property) = self.sources.get_mut(source).and_then(|source| source.properties.get_mut(property)) else {
            return false;
        };
        let kind = property["type"].as_str().unwrap_or_default().to_owned();
        if !CHOICES.contains(&kind.as_str()) {
            return false;
        }
        let Some(options) = property[&kind]["options"].as_array_mut() else { return false };
        let Some(at) = options.iter().position(|found| found["id"] == option || found["name"] == option) else {
            return false;
        };
        let id = options.remove(at)["id"].clone();
        if let Some(groups) = property[&kind]["groups"].as_array_mut() {
            for ids in groups.iter_mut().filter_map(|group| group["option_ids"].as_array_mut()) {
                ids.retain(|other| *other != id);
            }
        }
        true
    }

    /// Puts an option of a status into a group, as a person does.
    pub(super) fn group_option(&mut self, source: &str, property: &str, option: &str, group: &str) -> bool {
        let Some(property) = self.sources.get_mut(source).and_then(|source| source.properties.get_mut(property)) else {
            return false;
        };
        let options = property["status"]["options"].as_array().cloned().unwrap_or_default();
        let Some(option) = options.iter().find(|found| found["id"] == option || found["name"] == option) else {
            return false;
        };
        let Some(groups) = property["status"]["groups"].as_array_mut() else { return false };
        if !groups.iter().any(|found| found["name"] == group) {
            return false;
        }
        for found in groups {
            let belongs = found["name"] == group;
            if let Some(ids) = found["option_ids"].as_array_mut() {
                ids.retain(|id| *id != option["id"]);
                if belongs {
                    ids.push(option["id"].clone());
                }
            }
        }
        true
    }
}

fn prefix(path: &str, inner: &Value) -> Result<Value, NotionRefusal> {
    match inner.get("prefix") {
        None | Some(Value::Null) => Ok(json!({"prefix": null})),
        Some(Value::String(prefix)) if units(prefix) > 10 => {
            Err(too_long(&format!("{path}.prefix"), 10, units(prefix)))
        }
        Some(Value::String(prefix)) => Ok(json!({"prefix": prefix})),
        other => Err(should(&format!("{path}.prefix"), "a string or `null`", other)),
    }
}
