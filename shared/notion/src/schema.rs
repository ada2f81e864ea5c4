//! A data source's schema: the properties of its rows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::page::same_property;
use crate::text;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    pub id: String,
    /// The database that it belongs to.
    pub database: Option<String>,
    /// What people call it.
    pub title: String,
    /// Its address.
    pub url: String,
    /// Whether it is in the trash.
    pub in_trash: bool,
    pub properties: Vec<Property>,
}

/// A property of a data source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its id, as Notion writes it. It outlives a new name.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its type: `select`, `status`, `people`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The options of a select, multi-select or status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<PropertyOption>,
    /// The data source that a relation leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relates_to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyOption {
    /// Its id. It outlives a new name.
    #[serde(default)]
    pub id: String,
    /// What people call it; unique in its property, whatever the case.
    pub name: String,
}

impl Property {
    /// The option of this name, whatever its case.
    pub fn option(&self, name: &str) -> Option<&PropertyOption> {
        let wanted = name.trim().to_lowercase();
        self.options.iter().find(|option| option.name.trim().to_lowercase() == wanted)
    }
}

impl DataSource {
    /// Reads a data source out of an answer; `None` if it has no id.
    pub fn read(value: &Value) -> Option<Self> {
        let properties = value["properties"].as_object().into_iter().flatten();
        Some(Self {
            id: value["id"].as_str()?.to_owned(),
            database: value["parent"]["database_id"].as_str().map(str::to_owned),
            title: text::plain(&value["title"]),
            url: value["url"].as_str().unwrap_or_default().to_owned(),
            in_trash: value["in_trash"].as_bool().unwrap_or_default(),
            properties: properties.filter_map(|(name, property)| read_property(name, property)).collect(),
        })
    }

    /// The property of this name, whatever its case.
    pub fn named(&self, name: &str) -> Option<&Property> {
        let exact = self.properties.iter().find(|property| property.name == name);
        exact.or_else(|| {
            let wanted = name.trim().to_lowercase();
            self.properties.iter().find(|property| property.name.trim().to_lowercase() == wanted)
        })
    }

    pub fn property(&self, id: &str) -> Option<&Property> {
        self.properties.iter().find(|property| same_property(&property.id, id))
    }

    /// The one that every data source has.
    pub fn title_property(&self) -> Option<&Property> {
        self.properties.iter().find(|property| property.kind == "title")
    }
}

fn read_property(name: &str, property: &Value) -> Option<Property> {
    let kind = property["type"].as_str()?.to_owned();
    let options = property[&kind]["options"].as_array().into_iter().flatten();
    let options = options.filter_map(|option| serde_json::from_value(option.clone()).ok()).collect();
    let relates_to = property["relation"]["data_source_id"].as_str().map(str::to_owned);
    Some(Property { id: property["id"].as_str()?.to_owned(), name: name.to_owned(), kind, options, relates_to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recorded_schema_is_read() {
        let recorded: Value =
            serde_json::from_str(include_str!("../tests/fixtures/recorded/get_data_sources_id.json")).unwrap();
        let source = DataSource::read(&recorded["response"]["body"]).unwrap();
        assert_eq!(source.title_property().unwrap().name, "Name");
        assert_eq!(source.database.as_deref(), Some("3e631832-5efa-4702-8171-8b8a0e6651ba"));
    }

    #[test]
    fn options_are_found_whatever_their_case() {
        let stage =
            json!({"id": "biOx", "type": "status", "status": {"options": [{"id": "1", "name": "In progress"}]}});
        let source = DataSource::read(&json!({"id": "x", "properties": {"Stage": stage}})).unwrap();
        assert_eq!(source.named("stage").unwrap().option("IN PROGRESS ").unwrap().id, "1");
        assert_eq!(source.named("Stages"), None);
    }
}
