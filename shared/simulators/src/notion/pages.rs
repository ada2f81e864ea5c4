//! Pages, as requests make, show, change, move and trash them.

use serde_json::{Map, Value, json};

use super::api::{ApiRequest, NotionResult, in_trash, missing, wants_trash};
use super::databases::picture;
use super::text::{NotionRefusal, fix_one, invalid, should, undefined};
use super::{BOT, NotionState, SimulatedPage, normal};

/// Where a page is to stand.
enum PagePosition {
    Row(String),
    Below(String),
}

/// The object under `properties`.
fn properties(body: &Value) -> Result<Map<String, Value>, NotionRefusal> {
    match body.get("properties") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        other => Err(should("properties", "an object", other)),
    }
}

impl NotionState {
    /// The place that a request's parent means.
    fn place(&self, parent: &Value) -> Result<PagePosition, NotionRefusal> {
        if let Some(id) = parent["page_id"].as_str().map(normal) {
            return self.page(&id).map(|_| PagePosition::Below(id.clone())).ok_or_else(|| missing("page", &id));
        }
        if let Some(id) = parent["data_source_id"].as_str().map(normal) {
            return self.source(&id).map(|_| PagePosition::Row(id.clone())).ok_or_else(|| missing("data source", &id));
        }
        if let Some(id) = parent["database_id"].as_str().map(normal) {
            let database = self.database(&id).ok_or_else(|| missing("database", &id))?;
            return match database.sources.as_slice() {
                [source] => Ok(PagePosition::Row(source.clone())),
                sources => Err((
                    400,
                    "validation_error",
                    "Databases with multiple data sources are not supported in this API version.".into(),
                    json!({"error_type": "multiple_data_sources_for_database", "database_id": id,
                           "child_data_source_ids": sources, "minimum_api_version": "2025-09-03"}),
                )),
            };
        }
        if parent.is_null() || parent["workspace"] == true {
            return Err(invalid(
                "Internal integrations aren't owned by a single user, so creating workspace-level private pages is not supported.",
            ));
        }
        Err(fix_one("parent", &["page_id", "database_id", "data_source_id", "workspace"]))
    }

    /// Checks what is to be written to a page, and gives the values by property id.
    fn page_values(&mut self, source: &str, given: &Map<String, Value>) -> Result<Vec<(String, Value)>, NotionRefusal> {
        if !source.is_empty() {
            return self.checked(source, given);
        }
        let mut all = Vec::new();
        for (key, value) in given {
            if key != "title" {
                return Err(invalid(format!("{key} is not a property that exists.")));
            }
            let title = value.get("title").or_else(|| value.is_array().then_some(value));
            let Some(title) = title else { return Err(fix_one("properties.title", &["title"])) };
            all.push(("title".to_owned(), self.rich_text("properties.title.title", Some(title))?));
        }
        Ok(all)
    }

    pub(super) fn create_page(&mut self, call: &ApiRequest) -> NotionResult {
        self.needs("insert")?;
        let body = &call.body;
        let place = self.place(&body["parent"])?;
        let (source, parent) = match place {
            PagePosition::Row(source) => (source, String::new()),
            PagePosition::Below(parent) => (String::new(), parent),
        };
        let is_trashed = self.sources.get(&source).is_some_and(|source| source.in_trash)
            || self.pages.get(&parent).is_some_and(|page| self.is_trashed(page));
        if is_trashed {
            return Err(in_trash());
        }
        self.has_blocks()?;
        let template = self.wanted_template(&source, body)?;
        let children = body.get("children").or_else(|| body.get("content"));
        let children = match (children, body.get("markdown")) {
            (Some(_), Some(markdown)) => return Err(should("markdown", "not present with children", Some(markdown))),
            (Some(children), None) => children.clone(),
            (None, Some(Value::String(markdown))) => super::markdown::blocks_of(markdown),
            (None, Some(other)) => return Err(should("markdown", "a string", Some(other))),
            (None, None) => json!([]),
        };
        if body.get("markdown").is_none() {
            self.checked_blocks("children", Some(&children))?;
        }
        let (icon, cover) = (picture("icon", &body["icon"])?, picture("cover", &body["cover"])?);
        self.are_named(&source, &call.filter_properties())?;
        let values = self.page_values(&source, &properties(body)?)?;
        let id = self.new_page(&source, &parent, values, BOT);
        if let Some(page) = self.pages.get_mut(&id) {
            (page.icon, page.cover) = (icon, cover);
        }
        let added = self.add_blocks(&id, &children, BOT);
        if let Some(page) = self.pages.get_mut(&id) {
            page.children = added;
        }
        if let Some(template) = template {
            self.apply_later(&id, template);
        }
        self.writes += 1;
        self.note_page("page.created", &id, BOT, &[]);
        self.answered_page(&id, call)
    }

    /// Makes a page. A row gets the next number of its data source.
    pub(super) fn new_page(
        &mut self,
        source: &str,
        parent: &str,
        values: Vec<(String, Value)>,
        author: &str,
    ) -> String {
        let id = self.id();
        let number = self.sources.get_mut(source).map_or(0, |source| {
            source.numbered += 1;
            source.numbered
        });
        let page = SimulatedPage {
            id: id.clone(),
            source: source.into(),
            parent: parent.into(),
            created: self.now,
            edited: self.now,
            created_by: author.into(),
            edited_by: author.into(),
            number,
            values: values.into_iter().collect(),
            ..SimulatedPage::default()
        };
        self.pages.insert(id.clone(), page);
        if let Some(parent) = self.pages.get_mut(parent) {
            parent.children.push(id.clone());
        }
        // A page below bumps the one above it.
        self.touch(parent, author);
        self.revision += 1;
        id
    }

    /// Notes that a page was edited now.
    pub(super) fn touch(&mut self, id: &str, author: &str) {
        let now = self.now;
        if let Some(page) = self.pages.get_mut(id) {
            page.edited = now;
            author.clone_into(&mut page.edited_by);
        }
    }

    /// The page after a write: without the capability to read, its id alone.
    fn answered_page(&self, id: &str, call: &ApiRequest) -> NotionResult {
        if self.needs("read").is_err() {
            return Ok(json!({"object": "page", "id": id}));
        }
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        self.show_some(page, &call.filter_properties())
    }

    pub(super) fn retrieve_page(&self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        self.answered_page(id, call)
    }

    pub(super) fn update_page(&mut self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("update")?;
        let body = &call.body;
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        let (source, own_trash) = (page.source.clone(), page.in_trash);
        let trash = wants_trash("in_trash", body)?;
        if self.is_trashed(page) && !(own_trash && trash == Some(false)) {
            return Err(in_trash());
        }
        for name in ["is_locked", "is_archived", "erase_content"] {
            if body.get(name).is_some_and(|given| !given.is_boolean()) {
                return Err(should(name, "a boolean", body.get(name)));
            }
        }
        let template = self.wanted_template(&source, body)?;
        let icon = body.get("icon").map(|icon| picture("icon", icon)).transpose()?;
        let cover = body.get("cover").map(|cover| picture("cover", cover)).transpose()?;
        let given = properties(body)?;
        self.are_named(&source, &call.filter_properties())?;
        let values = self.page_values(&source, &given)?;
        if let Some(trash) = trash {
            self.trash_page(id, trash, BOT);
        }
        if body.get("properties").is_some() {
            self.write_values(id, values, BOT);
            self.writes += 1;
        }
        if icon.is_some() || cover.is_some() || body["is_archived"].is_boolean() {
            if let Some(page) = self.pages.get_mut(id) {
                page.icon = icon.unwrap_or_else(|| page.icon.clone());
                page.cover = cover.unwrap_or_else(|| page.cover.clone());
                page.is_archived = body["is_archived"].as_bool().unwrap_or(page.is_archived);
            }
            self.touch(id, BOT);
            self.revision += 1;
        }
        if let Some(locked) = body["is_locked"].as_bool() {
            self.lock_page(id, locked, BOT);
        }
        if body["erase_content"] == true {
            self.erase(id, BOT);
        }
        if let Some(template) = template {
            self.apply_later(id, template);
        }
        self.answered_page(id, call)
    }

    /// Writes checked values. Whether writing the same again counts as an edit is not documented: here it does.
    pub(super) fn write_values(&mut self, id: &str, values: Vec<(String, Value)>, author: &str) {
        let changed: Vec<_> = values.iter().map(|(property, _)| property.clone()).collect();
        let now = self.now;
        if let Some(page) = self.pages.get_mut(id) {
            let before = SimulatedPage { indexed: None, ..page.clone() };
            page.indexed = Some((now, Box::new(before)));
            page.values.extend(values);
        }
        self.touch(id, author);
        self.revision += 1;
        if !changed.is_empty() {
            self.note_page("page.properties_updated", id, author, &changed);
        }
    }

    /// Edits a page's properties as `author`.
    pub(super) fn edit_page(
        &mut self,
        id: &str,
        given: &Map<String, Value>,
        author: &str,
    ) -> Result<(), NotionRefusal> {
        let Some(source) = self.pages.get(id).map(|page| page.source.clone()) else { return Err(missing("page", id)) };
        let values = self.page_values(&source, given)?;
        self.write_values(id, values, author);
        Ok(())
    }

    /// Locks a page for people, or unlocks it; the API edits it all the same.
    pub(super) fn lock_page(&mut self, id: &str, locked: bool, author: &str) {
        let Some(page) = self.pages.get_mut(id).filter(|page| page.is_locked != locked) else { return };
        page.is_locked = locked;
        self.revision += 1;
        self.note_page(if locked { "page.locked" } else { "page.unlocked" }, id, author, &[]);
    }

    /// Puts a page into the trash, or takes it out.
    pub(super) fn trash_page(&mut self, id: &str, in_trash: bool, author: &str) {
        let Some(page) = self.pages.get_mut(id).filter(|page| page.in_trash != in_trash) else { return };
        page.in_trash = in_trash;
        let parent = page.parent.clone();
        self.touch(id, author);
        self.touch(&parent, author);
        self.revision += 1;
        self.note_page(if in_trash { "page.deleted" } else { "page.undeleted" }, id, author, &[]);
    }

    pub(super) fn move_page_to(&mut self, id: &str, body: &Value) -> NotionResult {
        self.needs("update")?;
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        if self.is_trashed(page) {
            return Err(in_trash());
        }
        if body.get("parent").is_none() {
            return Err(undefined("parent"));
        }
        let (source, parent) = match self.place(&body["parent"])? {
            PagePosition::Row(source) => (source, String::new()),
            PagePosition::Below(parent) => (String::new(), parent),
        };
        let above = self.sources.get(&source).and_then(|source| self.databases.get(&source.database));
        let above = above.map_or(parent.as_str(), |database| database.parent.as_str());
        if self.is_below(above, id) {
            return Err(invalid("A page cannot be moved into itself."));
        }
        self.move_page(id, &source, &parent, BOT);
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        Ok(self.show(page))
    }

    /// Moves a page. Of its values it keeps the title, and those of properties that the other data source has by the same
    /// name and type.
    pub(super) fn move_page(&mut self, id: &str, source: &str, parent: &str, author: &str) {
        let Some(page) = self.pages.get(id).cloned() else { return };
        let mut kept: Vec<(String, Value)> =
            page.values.get("title").map(|title| ("title".to_owned(), title.clone())).into_iter().collect();
        if let (Some(from), Some(to)) = (self.sources.get(&page.source), self.sources.get(source)) {
            for (name, property) in &from.properties {
                let Some(other) = to.properties.get(name).filter(|other| other["type"] == property["type"]) else {
                    continue;
                };
                let (old, new) =
                    (property["id"].as_str().unwrap_or_default(), other["id"].as_str().unwrap_or_default());
                let value = page.values.get(old).map(|value| across(property, other, value));
                kept.extend(value.filter(|value| !value.is_null()).map(|value| (new.to_owned(), value)));
            }
        }
        let number = self.sources.get_mut(source).map_or(0, |source| {
            source.numbered += 1;
            source.numbered
        });
        if let Some(above) = self.pages.get_mut(&page.parent) {
            above.children.retain(|child| child != id);
        }
        if let Some(page) = self.pages.get_mut(id) {
            source.clone_into(&mut page.source);
            parent.clone_into(&mut page.parent);
            page.values = kept.into_iter().collect();
            page.number = number;
            page.indexed = None;
        }
        if let Some(above) = self.pages.get_mut(parent) {
            above.children.push(id.to_owned());
        }
        self.touch(id, author);
        self.revision += 1;
        self.note_page("page.moved", id, author, &[]);
    }

    pub(super) fn property_items(&self, id: &str, property: &str, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        let key = form_urlencoded::parse(format!("k={}", property.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned());
        let Some(source) = self.sources.get(&page.source) else {
            if property != "title" {
                return Err(invalid(format!("Could not find property with name or id: {property}")));
            }
            let title = page.values.get("title").cloned().unwrap_or_default();
            return self.item_list(&title, &json!({"id": "title", "type": "title"}), call);
        };
        let found = Self::named(source, property).or_else(|| Self::named(source, key.as_deref().unwrap_or_default()));
        let Some((_, definition)) = found else {
            return Err(invalid(format!("Could not find property with name or id: {property}")));
        };
        let value = self.full(page, source, definition, 0);
        let (property_id, kind) = (&definition["id"], definition["type"].as_str().unwrap_or_default());
        if matches!(kind, "title" | "rich_text" | "relation" | "people") {
            return self.item_list(&value, definition, call);
        }
        if kind == "rollup" && value["type"] == "array" {
            let mut list = self.item_list(&value["array"], &json!({"id": property_id, "type": "rollup"}), call)?;
            list["property_item"]["rollup"] = json!({"type": "array", "array": [], "function": value["function"]});
            return Ok(list);
        }
        Ok(json!({"object": "property_item", "id": property_id, "type": kind, kind: value}))
    }

    fn item_list(&self, items: &Value, definition: &Value, call: &ApiRequest) -> NotionResult {
        let (id, kind) = (&definition["id"], definition["type"].as_str().unwrap_or_default());
        let item = |item: &Value| match kind {
            "rollup" => {
                let mut one = item.clone();
                one["object"] = json!("property_item");
                one["id"] = id.clone();
                one
            }
            _ => json!({"object": "property_item", "type": kind, "id": id, kind: item}),
        };
        let all: Vec<_> = items.as_array().into_iter().flatten().map(item).collect();
        let mut list = self.listed(&all, "property_item", call)?;
        let next = list["next_cursor"]
            .as_str()
            .map(|cursor| format!("https://api.notion.com{}?start_cursor={cursor}", call.path()));
        list["property_item"] = json!({"id": id, "next_url": next, "type": kind, kind: {}});
        Ok(list)
    }

    /// Takes the blocks of a page away; pages and databases in it go into the trash.
    pub(super) fn erase(&mut self, id: &str, author: &str) {
        let children = self.pages.get(id).map(|page| page.children.clone()).unwrap_or_default();
        for child in &children {
            self.trash_block(child, true, author);
        }
        self.note_content(id, author, &children);
    }
}

/// A value under the options of another data source's property.
fn across(from: &Value, to: &Value, value: &Value) -> Value {
    let kind = from["type"].as_str().unwrap_or_default();
    let other = |value: &Value| {
        let options = from[kind]["options"].as_array()?;
        let name = &options.iter().find(|option| option["id"] == value["id"])?["name"];
        let found = to[kind]["options"].as_array()?.iter().find(|option| option["name"] == *name)?;
        Some(json!({"id": found["id"]}))
    };
    match kind {
        "select" | "status" => other(value).unwrap_or_default(),
        "multi_select" => value.as_array().into_iter().flatten().filter_map(other).collect(),
        _ => value.clone(),
    }
}
