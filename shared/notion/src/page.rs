//! A page, as calls and queries give it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text;

/// A page: a row of a data source, for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotionPage {
    /// Its id, with dashes.
    pub id: String,
    /// When it was created, rounded down to the minute.
    #[serde(default)]
    pub created_time: Option<Timestamp>,
    /// When it was last edited, rounded down to the minute: an edit later in a minute does not move it.
    #[serde(default)]
    pub last_edited_time: Option<Timestamp>,
    /// Whether it is in the trash. `archived` is what older versions call it.
    #[serde(default, alias = "archived", deserialize_with = "flag")]
    pub in_trash: bool,
    #[serde(default)]
    pub parent: PageParent,
    /// Its properties by name, each with its `id`, `type` and value.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// Its address.
    #[serde(default)]
    pub url: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageParent {
    /// The data source that it is a row of.
    #[serde(default)]
    pub data_source_id: Option<String>,
    /// The database of that data source.
    #[serde(default)]
    pub database_id: Option<String>,
}

/// In the version of 2025-09-03 a page carries both of `in_trash` and `archived`; read as one, the last one counts.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or_default())
}

impl NotionPage {
    /// Reads a page out of an answer.
    pub fn read(mut value: Value) -> Result<Self, serde_json::Error> {
        if let Some(page) = value.as_object_mut() {
            let archived = page.remove("archived");
            if !page.contains_key("in_trash")
                && let Some(archived) = archived
            {
                page.insert("in_trash".into(), archived);
            }
        }
        serde_json::from_value(value)
    }

    /// The property with this id, however the id is written.
    pub fn property(&self, id: &str) -> Option<&Value> {
        self.properties.values().find(|property| property["id"].as_str().is_some_and(|own| same_property(own, id)))
    }

    /// What its title says.
    pub fn title(&self) -> String {
        let title = self.properties.values().find(|property| property["type"] == "title");
        title.map(|property| text::plain(&property["title"])).unwrap_or_default()
    }

    /// Whether it is a row of this data source.
    pub fn is_in(&self, data_source: &str) -> bool {
        self.parent.data_source_id.as_deref().is_some_and(|own| crate::id::same(own, data_source))
    }
}

/// Whether two ids of properties are the same: they come percent-encoded from some calls, and plain from others.
pub fn same_property(a: &str, b: &str) -> bool {
    let plain = |id: &str| percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
    a == b || plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recorded_page_is_read_and_so_is_one_of_an_older_version() {
        let recorded: Value = serde_json::from_str(include_str!("../tests/fixtures/recorded/post_pages.json")).unwrap();
        let page = NotionPage::read(recorded["response"]["body"].clone()).unwrap();
        assert_eq!(page.title(), "Test 2026-07-04 11:08:23.286175");
        assert_eq!(page.last_edited_time.unwrap().to_string(), "2026-07-04T09:08:00Z");
        assert!(!page.in_trash && page.property("title").is_some());
        let old = NotionPage::read(json!({"id": "x", "archived": true})).unwrap();
        assert!(old.in_trash);
    }

    #[test]
    fn a_property_is_found_by_its_id_however_it_is_written() {
        let page =
            NotionPage::read(json!({"id": "x", "properties": {"Stage": {"id": "Z%3ClH", "type": "status"}}})).unwrap();
        assert!(page.property("Z<lH").is_some() && page.property("Z%3ClH").is_some() && page.property("Z").is_none());
    }
}
