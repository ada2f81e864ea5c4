//! Property values: what may be written, and how they are shown.

use serde_json::{Map, Value, json};

use super::text::{NotionRefusal, fix_one, invalid, list, should, too_long, units, was, web_address};
use super::{NotionState, SimulatedPage, Source};

/// References shown of a property; the rest has to be asked for.
const SHOWN: usize = 25;

/// The types of values that a page's properties take, in the order of Notion's refusals.
pub(super) const WRITABLE: [&str; 16] = [
    "title",
    "rich_text",
    "number",
    "url",
    "select",
    "multi_select",
    "people",
    "email",
    "phone_number",
    "date",
    "checkbox",
    "relation",
    "files",
    "status",
    "place",
    "verification",
];

impl NotionState {
    /// The property of a data source that a key of a request names: by its name, or by its id, encoded or plain.
    pub(super) fn named<'a>(source: &'a Source, key: &str) -> Option<(&'a String, &'a Value)> {
        let by_name = source.properties.get_key_value(key);
        by_name.or_else(|| {
            source.properties.iter().find(|(_, property)| {
                property["id"].as_str().is_some_and(|id| notion_wire::page::same_property(id, key))
            })
        })
    }

    /// Checks what is to be written to a row, makes the options that writing makes, and gives the values by property id.
    /// Either all is good, or nothing changes.
    pub(super) fn checked(
        &mut self,
        source: &str,
        properties: &Map<String, Value>,
    ) -> Result<Vec<(String, Value)>, NotionRefusal> {
        let before = self.sources.get(source).map(|source| source.properties.clone());
        let all = properties.iter().map(|(key, value)| self.checked_one(source, key, value)).collect();
        if let (Err(_), Some(before), Some(source)) = (&all, before, self.sources.get_mut(source)) {
            source.properties = before;
        }
        all
    }

    fn checked_one(&mut self, source: &str, key: &str, value: &Value) -> Result<(String, Value), NotionRefusal> {
        let found = self.sources.get(source).and_then(|found| Self::named(found, key));
        let Some((name, property)) = found else {
            return Err(invalid(format!("{key} is not a property that exists.")));
        };
        let (name, kind) = (name.clone(), property["type"].as_str().unwrap_or_default().to_owned());
        let id = property["id"].as_str().unwrap_or_default().to_owned();
        let path = format!("properties.{key}");
        // The type may be left out around an array of rich text.
        if value.is_array() && matches!(kind.as_str(), "title" | "rich_text") {
            return Ok((id, self.rich_text(&path, Some(value))?));
        }
        let Some(given) = WRITABLE.iter().find(|kind| value.get(**kind).is_some()) else {
            return Err(fix_one(&path, &WRITABLE));
        };
        let inner = value.get(*given).unwrap_or(&Value::Null);
        if *given != kind {
            return Err(invalid(format!("{name} is expected to be {kind}.")));
        }
        Ok((id, self.value(source, &name, &kind, &format!("{path}.{kind}"), inner)?))
    }

    fn value(
        &mut self,
        source: &str,
        name: &str,
        kind: &str,
        path: &str,
        given: &Value,
    ) -> Result<Value, NotionRefusal> {
        match kind {
            "title" | "rich_text" => self.rich_text(path, Some(given)),
            "number" if given.is_null() || given.is_number() => Ok(given.clone()),
            "number" => Err(should(path, "a number or `null`", Some(given))),
            "checkbox" if given.is_boolean() => Ok(given.clone()),
            "checkbox" => Err(should(path, "a boolean", Some(given))),
            "url" | "email" | "phone_number" => line(path, if kind == "url" { 2_000 } else { 200 }, given),
            "date" => super::dates::checked(path, given),
            "select" if given.is_null() => Ok(Value::Null),
            // An empty value is not a status: it falls back to the default.
            "status" if given.is_null() => Ok(self.default_status(source, name)),
            "select" | "status" => self.option(source, name, kind, path, given),
            "multi_select" => self.options_of(source, name, path, given),
            "people" => self.people_of(path, given),
            "relation" => self.relation_of(source, name, path, given),
            "files" => self.files_of(path, given),
            "place" => place(path, given),
            "verification" => verification(path, given),
            _ => Err(fix_one(path, &WRITABLE)),
        }
    }

    fn options_of(&mut self, source: &str, name: &str, path: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let mut options: Vec<Value> = Vec::new();
        for (index, one) in list(path, Some(given), 100)?.iter().enumerate() {
            let option = self.option(source, name, "multi_select", &format!("{path}[{index}]"), one)?;
            if !options.contains(&option) {
                options.push(option);
            }
        }
        Ok(Value::Array(options))
    }

    fn people_of(&self, path: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let mut people: Vec<Value> = Vec::new();
        for (index, one) in list(path, Some(given), 100)?.iter().enumerate() {
            let Some(id) = one["id"].as_str().and_then(notion_wire::object_id) else {
                return Err(should(&format!("{path}[{index}].id"), "a valid uuid", one.get("id")));
            };
            if !self.people.iter().any(|user| user["id"] == id.as_str()) {
                return Err(invalid(format!("Could not find user with ID: {id}.")));
            }
            let person = json!({"object": "user", "id": id});
            if !people.contains(&person) {
                people.push(person);
            }
        }
        Ok(Value::Array(people))
    }

    fn relation_of(&self, source: &str, name: &str, path: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let property = self.sources.get(source).and_then(|source| source.properties.get(name));
        let target = property.and_then(|property| property["relation"]["data_source_id"].as_str()).unwrap_or_default();
        let mut pages: Vec<Value> = Vec::new();
        for (index, one) in list(path, Some(given), 100)?.iter().enumerate() {
            let Some(id) = one["id"].as_str().and_then(notion_wire::object_id) else {
                return Err(should(&format!("{path}[{index}].id"), "a valid uuid", one.get("id")));
            };
            let page = self.page(&id).ok_or_else(|| super::api::missing("page", &id))?;
            if page.source != target {
                return Err(invalid(format!("{name}: the page {id} is not in the data source that it relates to.")));
            }
            let page = json!({"id": id});
            if !pages.contains(&page) {
                pages.push(page);
            }
        }
        Ok(Value::Array(pages))
    }

    fn files_of(&mut self, path: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let mut files = Vec::new();
        for (index, file) in list(path, Some(given), 100)?.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let name = file["name"].as_str();
            if name.is_some_and(|name| units(name) > 100) {
                return Err(too_long(&format!("{at}.name"), 100, units(name.unwrap_or_default())));
            }
            if let Some(upload) = file.get("file_upload") {
                let upload = self.attach(&format!("{at}.file_upload"), upload)?;
                let name = name.map_or(upload["name"].clone(), |name| json!(name));
                files.push(json!({"name": name, "type": "file", "upload": upload["id"]}));
                continue;
            }
            let Some(name) = name else { return Err(undefined_or(&format!("{at}.name"), file.get("name"))) };
            if let Some(own) = file["file"]["url"].as_str() {
                let upload = self
                    .upload_of(own)
                    .ok_or_else(|| should(&format!("{at}.file.url"), "a file of Notion's", file["file"].get("url")))?;
                files.push(json!({"name": name, "type": "file", "upload": upload}));
                continue;
            }
            let Some(external) = file.get("external") else {
                return Err(fix_one(&at, &["external", "file", "file_upload"]));
            };
            let url = web_address(&format!("{at}.external.url"), external.get("url"))?;
            files.push(json!({"name": name, "type": "external", "external": {"url": url}}));
        }
        Ok(Value::Array(files))
    }

    /// The option that is meant, by its id. Writing makes one of a select, and none of a status.
    fn option(
        &mut self,
        source: &str,
        name: &str,
        kind: &str,
        path: &str,
        given: &Value,
    ) -> Result<Value, NotionRefusal> {
        let new_id = self.id();
        let property = self.sources.get_mut(source).and_then(|source| source.properties.get_mut(name));
        let Some(options) = property.and_then(|property| property[kind]["options"].as_array_mut()) else {
            return Err(invalid(format!("{name} is expected to be {kind}.")));
        };
        if let Some(id) = given["id"].as_str() {
            let found = options.iter().find(|option| option["id"] == id);
            return match found {
                Some(option) => Ok(json!({"id": option["id"]})),
                None => Err(invalid(format!("Invalid {kind} option. {kind} option \"{id}\" does not exist."))),
            };
        }
        let Some(wanted) = given["name"].as_str() else {
            return Err(if given.is_object() {
                fix_one(path, &["id", "name"])
            } else {
                should(path, "an object", Some(given))
            });
        };
        let same =
            |option: &&Value| option["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted.to_lowercase());
        if let Some(option) = options.iter().find(same) {
            return Ok(json!({"id": option["id"]}));
        }
        if kind == "status" {
            return Err(invalid(format!("Invalid status option. Status option \"{wanted}\" does not exist.")));
        }
        let color = option_name(path, wanted).and_then(|()| option_color(path, given))?;
        options.push(json!({"id": new_id, "name": wanted, "color": color, "description": null}));
        Ok(json!({"id": new_id}))
    }

    /// The first option of the first group that has one.
    pub(super) fn default_status(&self, source: &str, name: &str) -> Value {
        let property = self.sources.get(source).and_then(|source| source.properties.get(name));
        property.map(default_of).unwrap_or_default()
    }

    /// Whether somebody has this id: a person, a guest or the bot.
    pub(super) fn is_user(&self, id: &str) -> bool {
        id == super::BOT || self.people.iter().any(|user| user["id"] == id)
    }

    /// A user as the connection sees them: in full, without the e-mail, or by the id alone.
    pub(super) fn user(&self, id: &str) -> Value {
        let bare = json!({"object": "user", "id": id});
        if id == super::BOT {
            return super::api::me();
        }
        let Some(user) = self.people.iter().find(|user| user["id"] == id) else { return bare };
        if !self.capabilities.contains("people") {
            return bare;
        }
        let mut user = user.clone();
        if let Some(fields) = user.as_object_mut() {
            fields.remove("guest");
        }
        if !self.capabilities.contains("people_emails") {
            user["person"] = json!({});
        }
        user
    }

    /// A page as the API shows it.
    pub(super) fn show(&self, page: &SimulatedPage) -> Value {
        self.show_some(page, &[]).unwrap_or_default()
    }

    /// Refuses keys that name no property of a data source.
    pub(super) fn are_named(&self, source: &str, keys: &[String]) -> Result<(), NotionRefusal> {
        let Some(source) = self.sources.get(source) else { return Ok(()) };
        match keys.iter().find(|key| Self::named(source, key).is_none()) {
            Some(key) => Err(invalid(format!("Could not find property with name or id: {key}"))),
            None => Ok(()),
        }
    }

    /// A page with the properties that were asked for; with all if none was.
    pub(super) fn show_some(&self, page: &SimulatedPage, wanted: &[String]) -> Result<Value, NotionRefusal> {
        let mut properties = Map::new();
        if let Some(source) = self.sources.get(&page.source) {
            self.are_named(&source.id, wanted)?;
            for (name, property) in &source.properties {
                let is_wanted = |key: &String| Self::named(source, key).is_some_and(|(found, _)| found == name);
                if wanted.is_empty() || wanted.iter().any(is_wanted) {
                    properties.insert(name.clone(), self.show_property(page, source, property));
                }
            }
        } else {
            let title = page.values.get("title").cloned().unwrap_or_else(|| json!([]));
            properties.insert("title".into(), json!({"id": "title", "type": "title", "title": title}));
        }
        let title = title(page).replace(|c: char| !c.is_alphanumeric(), "-");
        let bare = page.id.replace('-', "");
        let slug = if title.is_empty() { bare } else { format!("{title}-{bare}") };
        Ok(json!({
            "object": "page", "id": page.id, "created_time": super::minute(page.created),
            "last_edited_time": super::minute(page.edited), "created_by": {"object": "user", "id": page.created_by},
            "last_edited_by": {"object": "user", "id": page.edited_by}, "cover": page.cover, "icon": page.icon,
            "parent": self.parent_of(page), "in_trash": self.is_trashed(page), "is_archived": page.is_archived,
            "is_locked": page.is_locked, "properties": properties,
            "url": format!("https://app.notion.com/p/{slug}"), "public_url": null,
        }))
    }

    fn parent_of(&self, page: &SimulatedPage) -> Value {
        if let Some(source) = self.sources.get(&page.source) {
            return json!({"type": "data_source_id", "data_source_id": source.id, "database_id": source.database});
        }
        if page.parent.is_empty() {
            json!({"type": "workspace", "workspace": true})
        } else {
            json!({"type": "page_id", "page_id": page.parent})
        }
    }

    fn show_property(&self, page: &SimulatedPage, source: &Source, property: &Value) -> Value {
        let (id, kind) = (&property["id"], property["type"].as_str().unwrap_or_default());
        let mut value = self.full(page, source, property, 0);
        let mut shown = json!({"id": id, "type": kind});
        if kind == "relation" {
            shown["has_more"] = json!(value.as_array().is_some_and(|pages| pages.len() > SHOWN));
        }
        if let (Some(items), "relation" | "people") = (value.as_array_mut(), kind) {
            items.truncate(SHOWN);
        }
        shown[kind] = value;
        shown
    }

    /// The whole value of a property, as many references as there are.
    pub(super) fn full(&self, page: &SimulatedPage, source: &Source, property: &Value, depth: usize) -> Value {
        let (id, kind) = (property["id"].as_str().unwrap_or_default(), property["type"].as_str().unwrap_or_default());
        let value = page.values.get(id);
        let items = || value.and_then(Value::as_array).cloned().unwrap_or_default();
        match kind {
            "title" | "rich_text" => Value::Array(items()),
            "files" => items().iter().map(|file| self.show_file(file)).collect(),
            "checkbox" => value.cloned().unwrap_or_else(|| json!(false)),
            "status" => value
                .and_then(|value| option_shown(property, kind, value))
                .or_else(|| option_shown(property, kind, &default_of(property)))
                .unwrap_or_default(),
            "select" => value.and_then(|value| option_shown(property, kind, value)).unwrap_or_default(),
            "multi_select" => items().iter().filter_map(|value| option_shown(property, kind, value)).collect(),
            "people" => items().iter().map(|one| self.user(one["id"].as_str().unwrap_or_default())).collect(),
            // What leads to a database that is not shared looks empty.
            "relation" => {
                let visible = |one: &Value| {
                    one["id"].as_str().and_then(|id| self.page(id)).is_some_and(|page| !self.is_trashed(page))
                };
                items().into_iter().filter(visible).collect()
            }
            "created_time" => json!(super::minute(page.created)),
            "last_edited_time" => json!(super::minute(page.edited)),
            "created_by" => self.user(&page.created_by),
            "last_edited_by" => self.user(&page.edited_by),
            "unique_id" => json!({"prefix": property["unique_id"]["prefix"], "number": page.number}),
            "button" => json!({}),
            "verification" => {
                value.cloned().unwrap_or_else(|| json!({"state": "unverified", "verified_by": null, "date": null}))
            }
            "formula" | "rollup" => match value {
                Some(set) => set.clone(),
                None if kind == "formula" => self.formula(page, source, property, depth),
                None => self.rollup(page, source, property, depth),
            },
            _ => value.cloned().unwrap_or_default(),
        }
    }
}

/// What a page's title says.
pub(super) fn title(page: &SimulatedPage) -> String {
    page.values.get("title").map(notion_wire::text::plain).unwrap_or_default()
}

fn verification(path: &str, given: &Value) -> Result<Value, NotionRefusal> {
    match given["state"].as_str() {
        Some("unverified") => Ok(json!({"state": "unverified", "verified_by": null, "date": null})),
        Some("verified") => {
            let date = super::dates::checked(&format!("{path}.date"), &given["date"])?;
            Ok(json!({"state": "verified", "verified_by": {"object": "user", "id": super::BOT}, "date": date}))
        }
        _ => Err(should(&format!("{path}.state"), "`verified` or `unverified`", given.get("state"))),
    }
}

fn undefined_or(path: &str, value: Option<&Value>) -> NotionRefusal {
    if value.is_none() { super::text::undefined(path) } else { should(path, "a string", value) }
}

/// The option as it is called now; none if it was removed.
fn option_shown(property: &Value, kind: &str, value: &Value) -> Option<Value> {
    let options = property[kind]["options"].as_array()?;
    let option = options.iter().find(|option| option["id"] == value["id"])?;
    Some(json!({"id": option["id"], "name": option["name"], "color": option["color"]}))
}

fn default_of(property: &Value) -> Value {
    let groups = property["status"]["groups"].as_array().into_iter().flatten();
    let first = groups.flat_map(|group| group["option_ids"].as_array().into_iter().flatten()).next();
    first.map(|id| json!({"id": id})).unwrap_or_default()
}

/// Refuses a name that no option can have.
pub(super) fn option_name(path: &str, name: &str) -> Result<(), NotionRefusal> {
    if name.contains(',') {
        return Err(invalid(format!("Invalid select option, commas not allowed: {name}")));
    }
    if name.is_empty() {
        return Err(should(&format!("{path}.name"), "a populated string", Some(&json!(name))));
    }
    if units(name) > 100 { Err(too_long(&format!("{path}.name"), 100, units(name))) } else { Ok(()) }
}

/// The colour that was asked for, or the default one.
pub(super) fn option_color(path: &str, given: &Value) -> Result<Value, NotionRefusal> {
    match given.get("color").filter(|color| !color.is_null()) {
        None => Ok(json!("default")),
        Some(color) if color.as_str().is_some_and(|color| super::text::is_color(color, false)) => Ok(color.clone()),
        Some(color) => Err(should(&format!("{path}.color"), "a valid color", Some(color))),
    }
}

fn line(path: &str, most: usize, given: &Value) -> Result<Value, NotionRefusal> {
    match given.as_str() {
        None if given.is_null() => Ok(Value::Null),
        Some("") => Err(should(path, "a populated string or `null`", Some(given))),
        Some(text) if units(text) > most => Err(too_long(path, most, units(text))),
        Some(text) => Ok(json!(text)),
        None => Err(should(path, "a string or `null`", Some(given))),
    }
}

fn place(path: &str, given: &Value) -> Result<Value, NotionRefusal> {
    if given.is_null() {
        return Ok(Value::Null);
    }
    let within = |name: &str, most: f64| given[name].as_f64().is_some_and(|degrees| degrees.abs() <= most);
    if !within("lat", 90.0) || !within("lon", 180.0) {
        return Err(invalid(format!(
            "body failed validation: body.{path}.lat and body.{path}.lon should be numbers of degrees, instead were {} and {}.",
            was(given.get("lat")),
            was(given.get("lon"))
        )));
    }
    let text = |name: &str| given[name].as_str();
    Ok(json!({
        "lat": given["lat"], "lon": given["lon"], "name": text("name"), "address": text("address"),
        "aws_place_id": text("aws_place_id"), "google_place_id": text("google_place_id"),
    }))
}

/// What a shown page's title says.
pub(super) fn title_of(properties: &Map<String, Value>) -> String {
    let title = properties.values().find(|property| property["type"] == "title");
    title.map(|property| notion_wire::text::plain(&property["title"])).unwrap_or_default()
}
