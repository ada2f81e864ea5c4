//! Names in a settings document that this release does not know. They are refused when a person saves them, and kept if
//! they are stored already: a newer release may have written them, and may come back.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What the schema allows at a place: the schemas that may describe it.
#[derive(Clone)]
struct AllowedNames<'a> {
    root: &'a Value,
    schemas: Vec<&'a Value>,
}

impl<'a> AllowedNames<'a> {
    fn document(root: &'a Value) -> Self {
        Self::any_of(root, vec![root])
    }

    /// The schemas, with all to which they refer.
    fn any_of(root: &'a Value, mut left: Vec<&'a Value>) -> Self {
        let mut schemas: Vec<&'a Value> = Vec::new();
        while let Some(schema) = left.pop() {
            if schemas.iter().any(|known| std::ptr::eq(*known, schema)) {
                continue;
            }
            schemas.push(schema);
            let named = schema["$ref"].as_str().and_then(|name| root.pointer(name.trim_start_matches('#')));
            left.extend(named);
            for choice in ["anyOf", "oneOf", "allOf"] {
                left.extend(schema[choice].as_array().into_iter().flatten());
            }
        }
        Self { root, schemas }
    }

    fn objects(&self) -> impl Iterator<Item = &'a Value> {
        self.schemas.iter().copied().filter(|schema| schema["type"] == "object" || schema["properties"].is_object())
    }

    /// The names that may stand here; `None` if any may, or if no names are expected at all.
    fn names(&self) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        for object in self.objects() {
            if object["additionalProperties"] != false {
                return None;
            }
            let own = object["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            names.extend(own);
        }
        self.objects().next().is_some().then_some(names)
    }

    fn at(&self, name: &str) -> Self {
        let inner = self.objects().filter_map(|object| match object["properties"].get(name) {
            Some(schema) => Some(schema),
            None => Some(&object["additionalProperties"]).filter(|schema| schema.is_object()),
        });
        Self::any_of(self.root, inner.collect())
    }

    fn item(&self) -> Self {
        let items = self.schemas.iter().filter_map(|schema| schema.get("items"));
        Self::any_of(self.root, items.collect())
    }
}

/// A name that is not known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownName {
    /// Where it is: `routes[0].tread`.
    pub(crate) path: String,
    /// What is wrong, in the words of the reader of values.
    pub(crate) text: String,
}

/// All names in a document that the schema does not know.
pub(crate) fn names(schema: &Value, document: &Value) -> Vec<UnknownName> {
    let mut found = Vec::new();
    search(&AllowedNames::document(schema), document, "", &mut found);
    found
}

fn search(allowed: &AllowedNames<'_>, value: &Value, path: &str, found: &mut Vec<UnknownName>) {
    match value {
        Value::Object(object) => {
            let names = allowed.names();
            for (name, inner) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match &names {
                    Some(names) if !names.contains(&name.as_str()) => {
                        let text = format!("unknown field `{name}`, expected one of {}", listed(names));
                        found.push(UnknownName { path, text });
                    }
                    _ => search(&allowed.at(name), inner, &path, found),
                }
            }
        }
        Value::Array(items) => {
            let allowed = allowed.item();
            for (index, item) in items.iter().enumerate() {
                search(&allowed, item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn listed(names: &[&str]) -> String {
    let mut seen = BTreeSet::new();
    let quoted = names.iter().filter(|name| seen.insert(**name)).map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// Adds to a new document what the stored one has under names that the schema does not know.
pub(crate) fn keep(schema: &Value, stored: &Value, new: &mut Value) {
    keep_in(&AllowedNames::document(schema), stored, new);
}

fn keep_in(allowed: &AllowedNames<'_>, stored: &Value, new: &mut Value) {
    match (stored, new) {
        (Value::Object(stored), Value::Object(new)) => {
            let names = allowed.names();
            for (name, value) in stored {
                if names.as_ref().is_some_and(|names| !names.contains(&name.as_str())) {
                    new.entry(name).or_insert_with(|| value.clone());
                } else if let Some(new) = new.get_mut(name) {
                    keep_in(&allowed.at(name), value, new);
                } else {
                    // What is as usual is not written, but for what is not known in it.
                    new.extend(only_unknown(&allowed.at(name), value).map(|rest| (name.clone(), rest)));
                }
            }
        }
        (Value::Array(stored), Value::Array(new)) => {
            let allowed = allowed.item();
            let is_same_length = stored.len() == new.len();
            for (index, new) in new.iter_mut().enumerate() {
                let name = new.get("name").filter(|name| name.is_string());
                let before = match name {
                    Some(name) => stored.iter().find(|stored| stored.get("name") == Some(name)),
                    None => stored.get(index).filter(|_| is_same_length),
                };
                if let Some(before) = before {
                    keep_in(&allowed, before, new);
                }
            }
        }
        _ => {}
    }
}

fn only_unknown(allowed: &AllowedNames<'_>, value: &Value) -> Option<Value> {
    let names = allowed.names();
    let rest = value.as_object()?.iter().filter_map(|(name, value)| {
        let is_known = names.as_ref().is_none_or(|names| names.contains(&name.as_str()));
        let kept = if is_known { only_unknown(&allowed.at(name), value)? } else { value.clone() };
        Some((name.clone(), kept))
    });
    let rest: Map<String, Value> = rest.collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}
