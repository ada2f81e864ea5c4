//! What people do in Notion: make databases, add rows, edit, trash, move, rename.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::values::Refusal;
use super::{Database, Notion, Row, SOMEBODY, Shared, Source};

impl Notion {
    /// Makes a database with one data source that has a title and these properties, and shares it with the connection.
    /// Returns the ids of the database and of the data source.
    pub fn add_database(&self, title: &str, properties: &Value) -> (String, String) {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let (database, id) = (state.id(), state.id());
        state.databases.insert(
            database.clone(),
            Database {
                id: database.clone(),
                title: title.into(),
                sources: vec![id.clone()],
                shared: true,
                created: now,
            },
        );
        state.sources.insert(id.clone(), Source::new(&id, &database, title, now));
        let mut all = Map::from_iter([("Name".to_owned(), json!({"title": {}}))]);
        if let Some(properties) = properties.as_object() {
            if properties.values().any(|property| property.get("title").is_some()) {
                all.clear();
            }
            all.extend(properties.clone());
        }
        let _ = state.change_schema(&id, &all);
        state.revision += 1;
        (database, id)
    }

    /// The ids of a database and its first data source, by title.
    pub fn database(&self, title: &str) -> Option<(String, String)> {
        let state = self.shared.lock();
        let found = state.databases.values().find(|database| database.title == title)?;
        Some((found.id.clone(), found.sources.first()?.clone()))
    }

    /// Adds a second data source to a database.
    pub fn add_source(&self, database: &str, title: &str) {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let id = state.id();
        state.sources.insert(id.clone(), Source::new(&id, database, title, now));
        let _ = state.change_schema(&id, &Map::from_iter([("Name".to_owned(), json!({"title": {}}))]));
        if let Some(database) = state.databases.get_mut(database) {
            database.sources.push(id);
        }
    }

    /// Adds the connection to a database, or takes it away.
    pub fn share(&self, database: &str, shared: bool) {
        let mut state = self.shared.lock();
        if let Some(database) = state.databases.get_mut(database) {
            database.shared = shared;
        }
        state.revision += 1;
    }

    /// Adds a person; returns their id.
    pub fn add_person(&self, name: &str, email: &str) -> String {
        let mut state = self.shared.lock();
        let id = state.id();
        state.people.push(json!({
            "object": "user", "id": id, "name": name, "avatar_url": null, "type": "person", "person": {"email": email},
        }));
        id
    }

    /// Changes the schema of a data source as a person does: `{"Amount": null}` takes a property away,
    /// `{"Stage": {"name": "State"}}` renames it.
    pub fn change_schema(&self, source: &str, changes: &Value) {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        if let Some(changes) = changes.as_object()
            && let Ok(told) = state.change_schema(source, changes)
        {
            state.tell_source(now, "data_source.schema_updated", source, &told);
        }
        state.revision += 1;
        drop(state);
        self.send_due();
    }

    /// Adds a row as a person does; returns its id, or why it cannot be.
    pub fn add_row(&self, source: &str, properties: &Value) -> Result<String, String> {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let values =
            state.checked(source, &properties.as_object().cloned().unwrap_or_default()).map_err(|refused| refused.2)?;
        let id = state.id();
        let row = Row {
            id: id.clone(),
            source: source.into(),
            created: now,
            edited: now,
            created_by: SOMEBODY.into(),
            edited_by: SOMEBODY.into(),
            in_trash: false,
            values: values.into_iter().collect(),
            children: Vec::new(),
            indexed: None,
        };
        state.rows.insert(id.clone(), row);
        state.revision += 1;
        state.tell_row(now, "page.created", &id, SOMEBODY, &[]);
        drop(state);
        self.send_due();
        Ok(id)
    }

    /// Edits a row as a person does.
    pub fn edit(&self, row: &str, properties: &Value) -> Result<(), String> {
        let properties = properties.as_object().cloned().unwrap_or_default();
        let edited = edit(&self.shared, row, &properties, SOMEBODY).map_err(|refused| refused.2);
        self.send_due();
        edited
    }

    /// Puts a row into the trash, or takes it out.
    pub fn trash(&self, row: &str, in_trash: bool) {
        trash(&self.shared, row, in_trash, SOMEBODY);
        self.send_due();
    }

    /// Deletes a row for good.
    pub fn delete_forever(&self, row: &str) {
        let mut state = self.shared.lock();
        state.rows.remove(row);
        state.revision += 1;
    }

    /// Moves a row to another data source.
    pub fn move_row(&self, row: &str, to: &str) {
        move_row(&self.shared, row, to, SOMEBODY);
        self.send_due();
    }

    /// A row as the API shows it.
    pub fn row(&self, id: &str) -> Option<Value> {
        let state = self.shared.lock();
        state.rows.get(id).map(|row| state.show(row))
    }

    /// The rows of a data source as the API shows them, oldest first; those in the trash too.
    pub fn rows(&self, source: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let mut rows: Vec<_> = state.rows.values().filter(|row| row.source == source).collect();
        rows.sort_by(|a, b| (a.created, &a.id[24..]).cmp(&(b.created, &b.id[24..])));
        rows.into_iter().map(|row| state.show(row)).collect()
    }

    /// The schema of a data source.
    pub fn schema(&self, source: &str) -> Value {
        let state = self.shared.lock();
        state.sources.get(source).map(|source| json!(source.properties)).unwrap_or_default()
    }

    /// What people read in a page's body, a line a block.
    pub fn body(&self, row: &str) -> Vec<String> {
        let state = self.shared.lock();
        state.rows.get(row).map(|row| state.body(&row.children, 0)).unwrap_or_default()
    }

    /// What a row shows in a property, as plain text.
    pub fn shown(&self, row: &str, property: &str) -> String {
        let Some(row) = self.row(row) else { return String::new() };
        plain(&row["properties"][property])
    }

    /// All titles of a data source's rows that are not in the trash.
    pub fn titles(&self, source: &str) -> Vec<String> {
        let live = self.rows(source).into_iter().filter(|row| row["in_trash"] == false);
        live.map(|row| super::values::title_of(row["properties"].as_object().unwrap_or(&Map::new()))).collect()
    }
}

/// A shown property as plain text.
pub(super) fn plain(property: &Value) -> String {
    let kind = property["type"].as_str().unwrap_or_default();
    let value = &property[kind];
    let names = |list: &Value| {
        let one = |one: &Value| one["name"].as_str().or_else(|| one["id"].as_str()).unwrap_or_default().to_owned();
        list.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
    };
    match kind {
        "title" | "rich_text" => notion_wire::text::plain(value),
        "select" | "status" => value["name"].as_str().unwrap_or_default().to_owned(),
        "multi_select" | "people" | "relation" | "files" => names(value),
        "date" => value["start"].as_str().unwrap_or_default().to_owned(),
        _ if value.is_null() => String::new(),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// Edits a row. Whether writing the same again counts as an edit, nobody knows: here it does.
pub(super) fn edit(
    shared: &Arc<Shared>,
    id: &str,
    properties: &Map<String, Value>,
    author: &str,
) -> Result<(), Refusal> {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let Some(source) = state.rows.get(id).map(|row| row.source.clone()) else { return Ok(()) };
    let values = state.checked(&source, properties)?;
    let changed: Vec<_> = values.iter().map(|(property, _)| property.clone()).collect();
    if let Some(row) = state.rows.get_mut(id) {
        let before = Row { indexed: None, ..row.clone() };
        row.indexed = Some((now, Box::new(before)));
        row.values.extend(values);
        row.edited = now;
        author.clone_into(&mut row.edited_by);
    }
    state.revision += 1;
    if !changed.is_empty() {
        state.tell_row(now, "page.properties_updated", id, author, &changed);
    }
    drop(state);
    super::events::send_due(shared);
    Ok(())
}

pub(super) fn trash(shared: &Arc<Shared>, id: &str, in_trash: bool, author: &str) {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let Some(row) = state.rows.get_mut(id).filter(|row| row.in_trash != in_trash) else { return };
    row.in_trash = in_trash;
    row.edited = now;
    author.clone_into(&mut row.edited_by);
    state.revision += 1;
    let kind = if in_trash { "page.deleted" } else { "page.undeleted" };
    state.tell_row(now, kind, id, author, &[]);
    drop(state);
    super::events::send_due(shared);
}

pub(super) fn move_row(shared: &Arc<Shared>, id: &str, to: &str, author: &str) {
    let now = shared.clock.now();
    let mut state = shared.lock();
    // What the other data source has no property for stays with the page, unseen.
    let Some(row) = state.rows.get_mut(id) else { return };
    to.clone_into(&mut row.source);
    row.edited = now;
    state.revision += 1;
    state.tell_row(now, "page.moved", id, author, &[]);
    drop(state);
    super::events::send_due(shared);
}
