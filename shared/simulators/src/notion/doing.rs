//! What people do in Notion: make databases, add rows, edit, trash, move, rename, comment.

use serde_json::{Map, Value, json};

use super::templates::PageTemplate;
use super::{NotionSimulator, NotionState, SOMEBODY, SimulatedDatabase};

impl NotionSimulator {
    /// Does something as a person does it, and sends the webhooks that are due.
    fn deed<T>(&self, deed: impl FnOnce(&mut NotionState) -> T) -> T {
        let done = deed(&mut self.shared.lock());
        self.send_due();
        done
    }

    /// Makes a database with one data source that has a title and these properties, and shares it with the connection.
    /// Returns the ids of the database and of the data source.
    pub fn add_database(&self, title: &str, properties: &Value) -> (String, String) {
        let mut state = self.shared.lock();
        let (database, id) = (state.id(), state.id());
        let now = state.now;
        state.databases.insert(
            database.clone(),
            SimulatedDatabase {
                id: database.clone(),
                title: title.into(),
                sources: vec![id.clone()],
                shared: true,
                created: now,
                edited: now,
                ..SimulatedDatabase::default()
            },
        );
        let properties = properties.as_object().cloned().unwrap_or_default();
        if state.new_source(&id, &database, title, &properties, SOMEBODY).is_err() {
            let _ = state.new_source(&id, &database, title, &Map::new(), SOMEBODY);
        }
        state.revision += 1;
        (database, id)
    }

    /// Makes a page of the workspace, and shares it with the connection or does not.
    pub fn add_page(&self, title: &str, shared: bool) -> String {
        self.deed(|state| {
            let values = vec![("title".to_owned(), super::text::runs(title))];
            let id = state.new_page("", "", values, SOMEBODY);
            if let Some(page) = state.pages.get_mut(&id) {
                page.shared = shared;
            }
            state.note_page("page.created", &id, SOMEBODY, &[]);
            id
        })
    }

    /// The ids of a database and its first data source, by title.
    pub fn database(&self, title: &str) -> Option<(String, String)> {
        let state = self.shared.lock();
        let found = state.databases.values().find(|database| database.title == title)?;
        Some((found.id.clone(), found.sources.first()?.clone()))
    }

    /// Adds a second data source to a database.
    pub fn add_source(&self, database: &str, title: &str) {
        let mut state = self.shared.lock();
        let id = state.id();
        let _ = state.new_source(&id, database, title, &Map::new(), SOMEBODY);
        if let Some(database) = state.databases.get_mut(database) {
            database.sources.push(id);
        }
    }

    /// Adds a template to a data source; returns its id.
    pub fn add_template(
        &self,
        source: &str,
        name: &str,
        is_default: bool,
        properties: &Value,
        children: &Value,
    ) -> String {
        let mut state = self.shared.lock();
        let id = state.id();
        if let Some(source) = state.sources.get_mut(source) {
            let properties = properties.as_object().cloned().unwrap_or_default();
            source.templates.push(PageTemplate {
                id: id.clone(),
                name: name.into(),
                is_default,
                properties,
                children: children.clone(),
            });
        }
        id
    }

    /// Adds the connection to a database or page, or takes it away.
    pub fn share(&self, what: &str, shared: bool) {
        let mut state = self.shared.lock();
        if let Some(database) = state.databases.get_mut(what) {
            database.shared = shared;
        }
        if let Some(page) = state.pages.get_mut(what) {
            page.shared = shared;
        }
        state.revision += 1;
    }

    /// Puts a database into the trash, or takes it out.
    pub fn trash_database(&self, database: &str, in_trash: bool) {
        self.deed(|state| state.trash_block(database, in_trash, SOMEBODY));
    }

    /// Adds a member of the workspace; returns their id.
    pub fn add_person(&self, name: &str, email: &str) -> String {
        self.add_user(name, email, false)
    }

    /// Adds a guest: somebody who may be named in properties and is not in the list of users.
    pub fn add_guest(&self, name: &str, email: &str) -> String {
        self.add_user(name, email, true)
    }

    fn add_user(&self, name: &str, email: &str, guest: bool) -> String {
        let mut state = self.shared.lock();
        let id = state.id();
        let mut user = json!({
            "object": "user", "id": id, "name": name, "avatar_url": null, "type": "person", "person": {"email": email},
        });
        if guest {
            user["guest"] = json!(true);
        }
        state.people.push(user);
        id
    }

    /// A person leaves the workspace: where they are named, only their id is left.
    pub fn remove_person(&self, id: &str) {
        self.shared.lock().people.retain(|user| user["id"] != id);
    }

    /// Changes the schema of a data source as a person does: `{"Amount": null}` takes a property away,
    /// `{"Stage": {"name": "NotionState"}}` renames it, `{"Amount": {"rich_text": {}}}` gives it another type.
    pub fn change_schema(&self, source: &str, changes: &Value) {
        let _ = self.try_change_schema(source, changes);
    }

    /// The same; says why it cannot be.
    pub fn try_change_schema(&self, source: &str, changes: &Value) -> Result<(), String> {
        let changes = changes.as_object().cloned().unwrap_or_default();
        self.deed(|state| {
            let noted = state.change_schema(source, &changes).map_err(|refused| refused.2)?;
            state.note_source("data_source.schema_updated", source, SOMEBODY, Some(&noted));
            state.revision += 1;
            Ok(())
        })
    }

    /// Renames an option, which is named by its id or its name; rows that have it show the new name.
    pub fn rename_option(&self, source: &str, property: &str, option: &str, name: &str) -> Result<(), String> {
        let schema = self.schema(source);
        let kind = schema[property]["type"].as_str().unwrap_or_default();
        let mut options = schema[property][kind]["options"].as_array().cloned().unwrap_or_default();
        let found = options.iter_mut().find(|found| found["id"] == option || found["name"] == option);
        let Some(found) = found else { return Err(format!("{property} has no option {option}.")) };
        found["name"] = json!(name);
        self.try_change_schema(source, &json!({property: {kind: {"options": options}}}))
    }

    /// Removes an option, which is named by its id or its name; rows that had it have it no more.
    pub fn remove_option(&self, source: &str, property: &str, option: &str) -> bool {
        self.change_options(source, property, |state| state.remove_option(source, property, option))
    }

    /// Puts an option of a status into a group: `To-do`, `In progress` or `Complete`.
    pub fn group_option(&self, source: &str, property: &str, option: &str, group: &str) -> bool {
        self.change_options(source, property, |state| state.group_option(source, property, option, group))
    }

    fn change_options(&self, source: &str, property: &str, change: impl FnOnce(&mut NotionState) -> bool) -> bool {
        self.deed(|state| {
            let done = change(state);
            if done {
                let id = state.sources.get(source).map(|source| source.properties[property]["id"].clone());
                let noted = [json!({"id": id, "name": property, "action": "updated"})];
                state.note_source("data_source.schema_updated", source, SOMEBODY, Some(&noted));
                state.revision += 1;
            }
            done
        })
    }

    /// Sets what a formula or rollup of a row gives: `{"type": "number", "number": 3}`. There is no event about it, and
    /// the page counts as not edited.
    pub fn compute(&self, row: &str, property: &str, value: &Value) -> Result<(), String> {
        let mut state = self.shared.lock();
        let found = state.pages.get(row).and_then(|page| state.sources.get(&page.source));
        let found = found
            .and_then(|source| source.properties.get(property))
            .ok_or_else(|| format!("{row} has no {property}."))?;
        if !matches!(found["type"].as_str(), Some("formula" | "rollup")) || !value.is_object() {
            return Err(format!("{property} is computed from an object, and must be a formula or a rollup."));
        }
        let id = found["id"].as_str().unwrap_or_default().to_owned();
        if let Some(page) = state.pages.get_mut(row) {
            page.values.insert(id, value.clone());
        }
        state.revision += 1;
        Ok(())
    }

    /// Adds a row as a person does; returns its id, or why it cannot be.
    pub fn add_row(&self, source: &str, properties: &Value) -> Result<String, String> {
        self.add_row_as(source, properties, SOMEBODY)
    }

    /// Adds a row as this person does.
    pub fn add_row_as(&self, source: &str, properties: &Value, person: &str) -> Result<String, String> {
        let properties = properties.as_object().cloned().unwrap_or_default();
        self.deed(|state| {
            let values = state.checked(source, &properties).map_err(|refused| refused.2)?;
            let id = state.new_page(source, "", values, person);
            state.note_page("page.created", &id, person, &[]);
            Ok(id)
        })
    }

    /// Edits a row as a person does.
    pub fn edit(&self, row: &str, properties: &Value) -> Result<(), String> {
        self.edit_as(row, properties, SOMEBODY)
    }

    /// Edits a row as this person does.
    pub fn edit_as(&self, row: &str, properties: &Value, person: &str) -> Result<(), String> {
        let properties = properties.as_object().cloned().unwrap_or_default();
        self.deed(|state| state.edit_page(row, &properties, person).map_err(|refused| refused.2))
    }

    /// Adds blocks to a page as a person does.
    pub fn add_blocks(&self, page: &str, blocks: &Value) -> Result<Vec<String>, String> {
        self.deed(|state| {
            state.checked_blocks("children", Some(blocks)).map_err(|refused| refused.2)?;
            let added = state.add_blocks(page, blocks, SOMEBODY);
            if let Some(page) = state.pages.get_mut(page) {
                page.children.extend(added.iter().cloned());
            }
            state.note_blocks(page, SOMEBODY, &added);
            Ok(added)
        })
    }

    /// Deletes a block as a person does, or takes it out of the trash.
    pub fn delete_block(&self, block: &str, in_trash: bool) {
        self.deed(|state| state.trash_block(block, in_trash, SOMEBODY));
    }

    /// Comments on a page or block as a person does; returns the comment's id.
    pub fn comment(&self, on: &str, text: &str, person: &str) -> String {
        self.deed(|state| state.comment(on, None, super::text::runs(text), person))
    }

    /// Edits a comment as who wrote it does.
    pub fn edit_comment(&self, comment: &str, text: &str) {
        self.deed(|state| {
            let author = state.comments.get(comment).map(|comment| comment.author.clone()).unwrap_or_default();
            state.change_comment(comment, super::text::runs(text), &author);
        });
    }

    /// Deletes a comment as who wrote it does.
    pub fn delete_comment(&self, comment: &str) {
        self.deed(|state| {
            let author = state.comments.get(comment).map(|comment| comment.author.clone()).unwrap_or_default();
            state.remove_comment(comment, &author);
        });
    }

    /// Resolves the discussion of a comment: its comments are listed no more.
    pub fn resolve(&self, comment: &str) {
        let mut state = self.shared.lock();
        let Some(discussion) = state.comments.get(comment).map(|comment| comment.discussion.clone()) else { return };
        for comment in state.comments.values_mut().filter(|comment| comment.discussion == discussion) {
            comment.resolved = true;
        }
    }

    /// Locks a page, or unlocks it.
    pub fn lock(&self, page: &str, locked: bool) {
        self.deed(|state| state.lock_page(page, locked, SOMEBODY));
    }

    /// Puts a page into the trash, or takes it out.
    pub fn trash(&self, row: &str, in_trash: bool) {
        self.deed(|state| state.trash_page(row, in_trash, SOMEBODY));
    }

    /// Deletes a page for good.
    pub fn delete_forever(&self, row: &str) {
        let mut state = self.shared.lock();
        state.pages.remove(row);
        state.revision += 1;
    }

    /// Moves a page to another data source.
    pub fn move_row(&self, row: &str, to: &str) {
        self.deed(|state| state.move_page(row, to, "", SOMEBODY));
    }

    /// A row as the API shows it.
    pub fn row(&self, id: &str) -> Option<Value> {
        let state = self.shared.lock();
        state.pages.get(id).map(|row| state.show(row))
    }

    /// The rows of a data source as the API shows them, oldest first; those in the trash too.
    pub fn rows(&self, source: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let mut rows: Vec<_> = state.pages.values().filter(|row| row.source == source).collect();
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
        state.pages.get(row).map(|row| state.body(&row.children, 0)).unwrap_or_default()
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
    super::convert::words(kind, &property[kind])
}
