//! Databases, as requests make, show and change them.

use serde_json::{Map, Value, json};

use super::api::{ApiRequest, NotionResult, in_trash, missing, wants_trash};
use super::text::{NotionRefusal, address, fix_one, invalid, runs, should, undefined};
use super::{BOT, NotionState, SimulatedDatabase, Source, normal};

/// The object under `properties`.
fn properties(path: &str, value: Option<&Value>) -> Result<Map<String, Value>, NotionRefusal> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        other => Err(should(path, "an object", other)),
    }
}

/// An icon or a cover.
pub(super) fn picture(path: &str, value: &Value) -> Result<Value, NotionRefusal> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if let Some(emoji) = value.get("emoji") {
        let good = emoji.as_str().filter(|emoji| !emoji.is_empty() && !emoji.is_ascii());
        return good
            .map(|emoji| json!({"type": "emoji", "emoji": emoji}))
            .ok_or_else(|| should(&format!("{path}.emoji"), "an emoji", Some(emoji)));
    }
    if let Some(external) = value.get("external") {
        let url = super::text::web_address(&format!("{path}.external.url"), external.get("url"))?;
        return Ok(json!({"type": "external", "external": {"url": url}}));
    }
    Err(fix_one(path, &["emoji", "external"]))
}

impl NotionState {
    /// Checks rich text of a title or description and gives its words.
    fn words(&self, path: &str, value: Option<&Value>) -> Result<Option<String>, NotionRefusal> {
        match value {
            None => Ok(None),
            value => Ok(Some(notion_wire::text::plain(&self.rich_text(path, value)?))),
        }
    }

    pub(super) fn create_database(&mut self, call: &ApiRequest) -> NotionResult {
        self.needs("insert")?;
        let body = &call.body;
        let Some(parent) = body["parent"]["page_id"].as_str() else {
            return Err(if body["parent"]["workspace"] == true {
                invalid(
                    "Internal integrations aren't owned by a single user, so creating workspace-level private pages is not supported.",
                )
            } else {
                undefined("parent.page_id")
            });
        };
        let parent = normal(parent);
        let page = self.page(&parent).ok_or_else(|| missing("page", &parent))?;
        if self.is_trashed(page) {
            return Err(in_trash());
        }
        self.has_blocks()?;
        let title = self.words("title", body.get("title"))?.unwrap_or_default();
        let description = self.words("description", body.get("description"))?.unwrap_or_default();
        let initial = &body["initial_data_source"];
        let given = properties("initial_data_source.properties", initial.get("properties"))?;
        let (icon, cover) = (picture("icon", &body["icon"])?, picture("cover", &body["cover"])?);
        let (database, source) = (self.id(), self.id());
        self.new_source(&source, &database, &title, &given, BOT)?;
        self.databases.insert(
            database.clone(),
            SimulatedDatabase {
                id: database.clone(),
                title,
                description,
                parent: parent.clone(),
                sources: vec![source.clone()],
                created: self.now,
                edited: self.now,
                is_inline: body["is_inline"] == true,
                icon,
                cover,
                ..SimulatedDatabase::default()
            },
        );
        if let Some(page) = self.pages.get_mut(&parent) {
            page.children.push(database.clone());
        }
        self.touch(&parent, BOT);
        self.revision += 1;
        self.note_database("database.created", &database, BOT);
        self.note_source("data_source.created", &source, BOT, None);
        Ok(self.show_database(&database))
    }

    /// Makes a data source with these properties and a title; nothing if they are not good.
    pub(super) fn new_source(
        &mut self,
        id: &str,
        database: &str,
        title: &str,
        given: &Map<String, Value>,
        author: &str,
    ) -> Result<(), NotionRefusal> {
        let source = Source {
            id: id.into(),
            database: database.into(),
            title: title.into(),
            created: self.now,
            edited: self.now,
            created_by: author.into(),
            edited_by: author.into(),
            ..Source::default()
        };
        self.sources.insert(id.into(), source);
        let mut all = given.clone();
        if !all.values().any(|property| property.get("title").is_some()) {
            all.insert("Name".into(), json!({"title": {}}));
        }
        let made = self.change_schema(id, &all);
        if made.is_err() {
            self.sources.remove(id);
        }
        made.map(|_| ())
    }

    pub(super) fn retrieve_database(&self, id: &str) -> NotionResult {
        self.needs("read")?;
        self.database(id).map(|_| self.show_database(id)).ok_or_else(|| missing("database", id))
    }

    pub(super) fn update_database(&mut self, id: &str, body: &Value) -> NotionResult {
        self.needs("update")?;
        let database = self.database(id).ok_or_else(|| missing("database", id))?;
        let trash = wants_trash("in_trash", body)?;
        if database.in_trash && trash != Some(false) {
            return Err(in_trash());
        }
        let was_trashed = database.in_trash;
        let title = self.words("title", body.get("title"))?;
        let description = self.words("description", body.get("description"))?;
        let icon = body.get("icon").map(|icon| picture("icon", icon)).transpose()?;
        let cover = body.get("cover").map(|cover| picture("cover", cover)).transpose()?;
        let parent = match body.get("parent") {
            None => None,
            Some(parent) => Some(self.new_parent(id, parent)?),
        };
        let now = self.now;
        let moved = parent.is_some();
        if let Some(database) = self.databases.get_mut(id) {
            database.title = title.unwrap_or_else(|| database.title.clone());
            database.description = description.unwrap_or_else(|| database.description.clone());
            database.icon = icon.unwrap_or_else(|| database.icon.clone());
            database.cover = cover.unwrap_or_else(|| database.cover.clone());
            database.parent = parent.unwrap_or_else(|| database.parent.clone());
            database.is_inline = body["is_inline"].as_bool().unwrap_or(database.is_inline);
            database.is_locked = body["is_locked"].as_bool().unwrap_or(database.is_locked);
            database.in_trash = trash.unwrap_or(database.in_trash);
            database.edited = now;
        }
        self.revision += 1;
        if let Some(trash) = trash.filter(|trash| *trash != was_trashed) {
            let kind = if trash { "database.deleted" } else { "database.undeleted" };
            self.note_database(kind, id, BOT);
        }
        if moved {
            self.note_database("database.moved", id, BOT);
        }
        Ok(self.show_database(id))
    }

    fn new_parent(&self, id: &str, parent: &Value) -> Result<String, NotionRefusal> {
        let Some(page) = parent["page_id"].as_str().map(normal) else { return Err(undefined("parent.page_id")) };
        if self.page(&page).is_none() {
            return Err(missing("page", &page));
        }
        let own = self.databases.get(id).into_iter().flat_map(|database| &database.sources);
        let rows: Vec<_> =
            own.flat_map(|source| self.pages.values().filter(move |row| row.source == **source)).collect();
        if rows.iter().any(|row| self.is_below(&page, &row.id)) {
            return Err(invalid("A database cannot be moved into one of its own pages."));
        }
        Ok(page)
    }

    /// A database as the API shows it.
    pub(super) fn show_database(&self, id: &str) -> Value {
        let Some(database) = self.databases.get(id) else { return Value::Null };
        let sources = database.sources.iter().filter_map(|id| self.sources.get(id)).filter(|source| !source.in_trash);
        // Databases carry milliseconds, unlike everything else.
        let time = |moment: jiff::Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string();
        json!({
            "object": "database", "id": database.id, "title": runs(&database.title), "description": runs(&database.description),
            "parent": page_or_workspace(&database.parent), "is_inline": database.is_inline, "in_trash": database.in_trash,
            "is_locked": database.is_locked, "created_time": time(database.created), "last_edited_time": time(database.edited),
            "data_sources": sources.map(|source| json!({"id": source.id, "name": source.title})).collect::<Vec<_>>(),
            "icon": database.icon, "cover": database.cover, "url": address(&database.id), "public_url": null,
        })
    }

    pub(super) fn create_source(&mut self, call: &ApiRequest) -> NotionResult {
        self.needs("insert")?;
        let body = &call.body;
        let Some(parent) = body["parent"]["database_id"].as_str().map(normal) else {
            return Err(undefined("parent.database_id"));
        };
        if self.database(&parent).ok_or_else(|| missing("database", &parent))?.in_trash {
            return Err(in_trash());
        }
        let Some(given) = body.get("properties") else { return Err(undefined("properties")) };
        let given = properties("properties", Some(given))?;
        let title = self.words("title", body.get("title"))?.unwrap_or_default();
        let icon = picture("icon", &body["icon"])?;
        let id = self.id();
        self.new_source(&id, &parent, &title, &given, BOT)?;
        if let Some(source) = self.sources.get_mut(&id) {
            source.icon = icon;
        }
        if let Some(database) = self.databases.get_mut(&parent) {
            database.sources.push(id.clone());
        }
        self.revision += 1;
        self.note_source("data_source.created", &id, BOT, None);
        self.retrieve_source(&id)
    }

    pub(super) fn retrieve_source(&self, id: &str) -> NotionResult {
        self.needs("read")?;
        self.source(id).map(|source| self.show_source(source)).ok_or_else(|| missing("data source", id))
    }

    pub(super) fn update_source(&mut self, id: &str, body: &Value) -> NotionResult {
        self.needs("update")?;
        let source = self.source(id).ok_or_else(|| missing("data source", id))?;
        let (trash, was_trashed) = (wants_trash("in_trash", body)?, source.in_trash);
        if was_trashed && trash != Some(false) {
            return Err(in_trash());
        }
        let changes = properties("properties", body.get("properties"))?;
        let title = self.words("title", body.get("title"))?;
        let icon = body.get("icon").map(|icon| picture("icon", icon)).transpose()?;
        let parent = match body.get("parent") {
            None => None,
            Some(parent) => {
                let to = parent["database_id"].as_str().map(normal).ok_or_else(|| undefined("parent.database_id"))?;
                Some(self.database(&to).map(|_| to.clone()).ok_or_else(|| missing("database", &to))?)
            }
        };
        let noted = self.change_schema(id, &changes)?;
        let now = self.now;
        if let Some(source) = self.sources.get_mut(id) {
            source.title = title.unwrap_or_else(|| source.title.clone());
            source.icon = icon.unwrap_or_else(|| source.icon.clone());
            source.in_trash = trash.unwrap_or(source.in_trash);
            source.edited = now;
            source.edited_by = BOT.into();
        }
        if let Some(to) = parent {
            self.move_source(id, &to, BOT);
        }
        self.revision += 1;
        if !noted.is_empty() {
            self.note_source("data_source.schema_updated", id, BOT, Some(&noted));
        }
        if let Some(trash) = trash.filter(|trash| *trash != was_trashed) {
            let kind = if trash { "data_source.deleted" } else { "data_source.undeleted" };
            self.note_source(kind, id, BOT, None);
        }
        self.retrieve_source(id)
    }

    fn move_source(&mut self, id: &str, to: &str, author: &str) {
        for database in self.databases.values_mut() {
            database.sources.retain(|source| source != id);
            if database.id == to {
                database.sources.push(id.to_owned());
            }
        }
        if let Some(source) = self.sources.get_mut(id) {
            to.clone_into(&mut source.database);
        }
        self.note_source("data_source.moved", id, author, None);
    }

    /// A data source as the API shows it.
    pub(super) fn show_source(&self, source: &Source) -> Value {
        let database = self.databases.get(&source.database);
        let above = database.map_or(Value::Null, |database| page_or_workspace(&database.parent));
        let user = |id: &str| json!({"object": "user", "id": if id.is_empty() { super::SOMEBODY } else { id }});
        json!({
            "object": "data_source", "id": source.id, "cover": null, "icon": source.icon,
            "created_time": super::minute(source.created), "last_edited_time": super::minute(source.edited),
            "created_by": user(&source.created_by), "last_edited_by": user(&source.edited_by),
            "title": runs(&source.title), "description": [], "is_inline": false, "properties": source.properties,
            "parent": {"type": "database_id", "database_id": source.database}, "database_parent": above,
            "url": address(&source.database), "public_url": null,
            "in_trash": source.in_trash || database.is_some_and(|database| database.in_trash),
        })
    }
}

fn page_or_workspace(page: &str) -> Value {
    if page.is_empty() {
        json!({"type": "workspace", "workspace": true})
    } else {
        json!({"type": "page_id", "page_id": page})
    }
}
