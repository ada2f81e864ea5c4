//! Property values: what may be written, and how they are shown.

use serde_json::{Map, Value, json};

use super::{Row, Source, State};

/// A refusal: HTTP status, code, words, additional data.
pub(super) type Refusal = (u16, &'static str, String, Value);

pub(super) fn invalid(text: impl Into<String>) -> Refusal {
    (400, "validation_error", text.into(), Value::Null)
}

/// References shown of a property; the rest has to be asked for.
const SHOWN: usize = 25;

/// Text in UTF-16 units, as JavaScript counts.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn too_long(path: &str, most: usize, length: usize) -> Refusal {
    invalid(format!("body failed validation: body.{path}.length should be ≤ `{most}`, instead was `{length}`."))
}

/// Checks an array of rich text and gives it as it is shown.
pub(super) fn rich_text(path: &str, value: &Value) -> Result<Value, Refusal> {
    let undefined =
        || invalid(format!("body failed validation: body.{path} should be an array, instead was `{value}`."));
    let runs = value.as_array().ok_or_else(undefined)?;
    if runs.len() > 100 {
        return Err(too_long(path, 100, runs.len()));
    }
    let mut shown = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let Some(content) = run["text"]["content"].as_str().or_else(|| run["plain_text"].as_str()) else {
            return Err(invalid(format!(
                "body failed validation: body.{path}[{place}].text should be defined, instead was `undefined`."
            )));
        };
        if units(content) > 2_000 {
            return Err(too_long(&format!("{path}[{place}].text.content"), 2_000, units(content)));
        }
        // Notion keeps no empty run.
        if !content.is_empty() {
            shown.push(json!({
                "type": "text", "text": {"content": content, "link": run["text"]["link"]},
                "annotations": {"bold": false, "italic": false, "strikethrough": false, "underline": false, "code": false, "color": "default"},
                "plain_text": content, "href": null,
            }));
        }
    }
    Ok(Value::Array(shown))
}

impl State {
    /// The property of a data source that a key of a request names: by its name, or by its id, encoded or plain.
    pub(super) fn named<'a>(source: &'a Source, key: &str) -> Option<(&'a String, &'a Value)> {
        source.properties.iter().find(|(name, property)| {
            *name == key || property["id"].as_str().is_some_and(|id| notion_wire::page::same_property(id, key))
        })
    }

    /// Checks what is to be written to a row, makes the options that writing makes, and gives the values by property id.
    pub(super) fn checked(
        &mut self,
        source: &str,
        properties: &Map<String, Value>,
    ) -> Result<Vec<(String, Value)>, Refusal> {
        let mut all = Vec::new();
        for (key, value) in properties {
            let Some(found) = self.sources.get(source) else { continue };
            let Some((name, property)) = Self::named(found, key) else {
                return Err(invalid(format!("{key} is not a property that exists.")));
            };
            let (name, kind) = (name.clone(), property["type"].as_str().unwrap_or_default().to_owned());
            let id = property["id"].as_str().unwrap_or_default().to_owned();
            let read_only = [
                "formula",
                "rollup",
                "created_time",
                "created_by",
                "last_edited_time",
                "last_edited_by",
                "unique_id",
                "button",
            ];
            if read_only.contains(&kind.as_str()) {
                return Err(invalid(format!("{name} is a {kind} property and cannot be written.")));
            }
            // Old clients leave the type out around an array of text.
            let Some(given) = value.get(&kind).or_else(|| value.is_array().then_some(value)) else {
                return Err(invalid(format!("{name} is expected to be {kind}.")));
            };
            let value = self.value(source, &name, &kind, given)?;
            all.push((id, value));
        }
        Ok(all)
    }

    fn value(&mut self, source: &str, name: &str, kind: &str, given: &Value) -> Result<Value, Refusal> {
        let path = format!("properties.{name}.{kind}");
        let list = |most: usize| -> Result<Vec<Value>, Refusal> {
            let list = given
                .as_array()
                .ok_or_else(|| invalid(format!("body failed validation: body.{path} should be an array.")))?;
            if list.len() > most { Err(too_long(&path, most, list.len())) } else { Ok(list.clone()) }
        };
        match kind {
            "title" | "rich_text" => rich_text(&path, given),
            "number" if given.is_null() || given.is_number() => Ok(given.clone()),
            "checkbox" if given.is_boolean() => Ok(given.clone()),
            "url" | "email" | "phone_number" => {
                let most = if kind == "url" { 2_000 } else { 200 };
                match given.as_str() {
                    None if given.is_null() => Ok(Value::Null),
                    Some("") => Err(invalid(format!(
                        "body failed validation: body.{path} should be a populated string or null."
                    ))),
                    Some(text) if units(text) > most => Err(too_long(&path, most, units(text))),
                    Some(text) => Ok(json!(text)),
                    None => Err(invalid(format!("{name} is expected to be {kind}."))),
                }
            }
            "date" => date(&path, given),
            "select" if given.is_null() => Ok(Value::Null),
            // Nothing is no status: it falls back to the first.
            "status" if given.is_null() => Ok(self.first_status(source, name)),
            "select" | "status" => self.option(source, name, kind, given),
            "multi_select" => list(100)?
                .iter()
                .map(|one| self.option(source, name, kind, one))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            "people" => {
                let known = |one: &Value| self.people.iter().any(|user| user["id"] == one["id"]);
                let people = list(100)?;
                match people.iter().find(|one| !known(one)) {
                    Some(stranger) => Err(invalid(format!("Could not find user with ID: {}.", stranger["id"]))),
                    None => Ok(people.iter().map(|one| json!({"object": "user", "id": one["id"]})).collect()),
                }
            }
            "relation" => {
                let pages: Vec<_> =
                    list(100)?.iter().map(|one| super::normal(one["id"].as_str().unwrap_or_default())).collect();
                match pages.iter().find(|page| self.row(page).is_none()) {
                    Some(page) => {
                        Err((404, "object_not_found", format!("Could not find page with ID: {page}."), Value::Null))
                    }
                    None => Ok(pages.iter().map(|page| json!({"id": page})).collect()),
                }
            }
            "files" => {
                let files = list(100)?;
                let file =
                    |file: &Value| json!({"name": file["name"], "type": "external", "external": file["external"]});
                match files.iter().find(|file| file["external"]["url"].as_str().is_none_or(|url| units(url) > 2_000)) {
                    Some(_) => Err(invalid(format!(
                        "body failed validation: body.{path}[0].external.url should be a URL of at most 2000."
                    ))),
                    None => Ok(files.iter().map(file).collect()),
                }
            }
            _ => Err(invalid(format!("{name} is expected to be {kind}."))),
        }
    }

    /// The option that is meant. Writing makes one of a select, and none of a status.
    fn option(&mut self, source: &str, name: &str, kind: &str, given: &Value) -> Result<Value, Refusal> {
        let option_id = self.id();
        let Some(property) = self.sources.get_mut(source).and_then(|source| source.properties.get_mut(name)) else {
            return Ok(Value::Null);
        };
        let Some(options) = property[kind]["options"].as_array_mut() else { return Ok(Value::Null) };
        if let Some(id) = given["id"].as_str() {
            let found = options.iter().find(|option| option["id"] == id).cloned();
            return found.ok_or_else(|| invalid(format!("{kind} option \"{id}\" does not exist.")));
        }
        let wanted = given["name"].as_str().unwrap_or_default();
        let found =
            options.iter().find(|option| option["name"].as_str().unwrap_or_default().eq_ignore_ascii_case(wanted));
        if let Some(option) = found {
            return Ok(option.clone());
        }
        if kind == "status" {
            return Err(invalid(format!("Invalid status option. Status option \"{wanted}\" does not exist.")));
        }
        if wanted.contains(',') {
            return Err(invalid(format!("Invalid select option, commas not allowed: {wanted}")));
        }
        if wanted.is_empty() || units(wanted) > 100 {
            return Err(too_long(&format!("properties.{name}.{kind}.name"), 100, units(wanted)));
        }
        let option = json!({"id": option_id, "name": wanted, "color": "default"});
        options.push(option.clone());
        Ok(option)
    }

    fn first_status(&self, source: &str, name: &str) -> Value {
        let property = self.sources.get(source).and_then(|source| source.properties.get(name));
        property.map(|property| property["status"]["options"][0].clone()).unwrap_or_default()
    }

    /// A row as the API shows it.
    pub(super) fn show(&self, row: &Row) -> Value {
        let Some(source) = self.sources.get(&row.source) else { return Value::Null };
        let mut properties = Map::new();
        for (name, property) in &source.properties {
            let (id, kind) =
                (property["id"].as_str().unwrap_or_default(), property["type"].as_str().unwrap_or_default());
            let mut shown = json!({"id": id, "type": kind});
            shown[kind] = self.shown(row, id, kind, source);
            if kind == "relation" {
                let count = row.values.get(id).and_then(Value::as_array).map_or(0, Vec::len);
                shown["has_more"] = json!(count > SHOWN);
            }
            properties.insert(name.clone(), shown);
        }
        let title = title_of(&properties).replace(|c: char| !c.is_alphanumeric(), "-");
        json!({
            "object": "page", "id": row.id, "created_time": super::minute(row.created), "last_edited_time": super::minute(row.edited),
            "created_by": {"object": "user", "id": row.created_by}, "last_edited_by": {"object": "user", "id": row.edited_by},
            "cover": null, "icon": null,
            "parent": {"type": "data_source_id", "data_source_id": row.source, "database_id": source.database},
            "in_trash": row.in_trash, "is_archived": false, "is_locked": false, "properties": properties,
            "url": format!("https://app.notion.com/p/{title}-{}", row.id.replace('-', "")), "public_url": null,
        })
    }

    fn shown(&self, row: &Row, id: &str, kind: &str, source: &Source) -> Value {
        let value = row.values.get(id);
        match kind {
            "created_time" => json!(super::minute(row.created)),
            "last_edited_time" => json!(super::minute(row.edited)),
            "title" | "rich_text" | "multi_select" | "files" => value.cloned().unwrap_or_else(|| json!([])),
            "checkbox" => value.cloned().unwrap_or_else(|| json!(false)),
            "status" => {
                // An option that was renamed since shows its new name.
                let value = value.cloned().unwrap_or_else(|| {
                    let property = source.properties.values().find(|property| property["id"] == id);
                    property.map(|property| property["status"]["options"][0].clone()).unwrap_or_default()
                });
                current(source, id, kind, &value)
            }
            "select" => value.map_or(Value::Null, |value| current(source, id, kind, value)),
            "people" => {
                let ids = value.and_then(Value::as_array).cloned().unwrap_or_default();
                let full = |one: &Value| self.people.iter().find(|user| user["id"] == one["id"]).cloned();
                let may_see = self.capabilities.contains("people");
                let shown =
                    ids.iter().take(SHOWN).map(|one| full(one).filter(|_| may_see).unwrap_or_else(|| one.clone()));
                shown.collect()
            }
            "relation" => {
                let ids = value.and_then(Value::as_array).cloned().unwrap_or_default();
                // What leads to a database that is not shared looks empty.
                let visible = |one: &&Value| one["id"].as_str().is_some_and(|id| self.row(id).is_some());
                ids.iter().filter(visible).take(SHOWN).cloned().collect()
            }
            _ => value.cloned().unwrap_or_default(),
        }
    }
}

fn current(source: &Source, id: &str, kind: &str, value: &Value) -> Value {
    let property = source.properties.values().find(|property| property["id"] == id);
    let options = property.and_then(|property| property[kind]["options"].as_array());
    let found = options.into_iter().flatten().find(|option| option["id"] == value["id"]);
    found.cloned().unwrap_or_else(|| value.clone())
}

/// What a shown page's title says.
pub(super) fn title_of(properties: &Map<String, Value>) -> String {
    let title = properties.values().find(|property| property["type"] == "title");
    title.map(|property| notion_wire::text::plain(&property["title"])).unwrap_or_default()
}

/// Dates come back with milliseconds and an offset, and without the name of a time zone.
fn date(path: &str, given: &Value) -> Result<Value, Refusal> {
    if given.is_null() {
        return Ok(Value::Null);
    }
    let bad = |text: &str| {
        invalid(format!(
            "body failed validation: body.{path}.start should be a valid ISO 8601 date string, instead was `\"{text}\"`."
        ))
    };
    let zone = given["time_zone"].as_str();
    let read = |value: &Value| -> Result<Value, Refusal> {
        let Some(text) = value.as_str() else { return Ok(Value::Null) };
        if text.len() == 10 {
            let day: jiff::civil::Date = text.parse().map_err(|_| bad(text))?;
            return if zone.is_some() { Err(bad(text)) } else { Ok(json!(day.to_string())) };
        }
        let local = text.parse::<jiff::civil::DateTime>();
        let has_offset = text.ends_with('Z') || text.get(11..).is_some_and(|time| time.contains(['+', '-']));
        match (has_offset, zone, local) {
            (true, None, _) => {
                let moment = text.parse::<jiff::Timestamp>().map_err(|_| bad(text))?;
                let offset =
                    if text.ends_with('Z') { "+00:00" } else { text.get(text.len() - 6..).unwrap_or("+00:00") };
                let zoned = text.parse::<jiff::civil::DateTime>().ok();
                let shown = zoned.map_or_else(
                    || moment.to_string(),
                    |local| format!("{}{offset}", local.strftime("%Y-%m-%dT%H:%M:%S.000")),
                );
                Ok(json!(shown))
            }
            (false, _, Ok(local)) => {
                let zone = zone.map_or(Ok(jiff::tz::TimeZone::UTC), jiff::tz::TimeZone::get).map_err(|_| bad(text))?;
                let zoned = local.to_zoned(zone).map_err(|_| bad(text))?;
                Ok(json!(zoned.strftime("%Y-%m-%dT%H:%M:%S.000%:z").to_string()))
            }
            _ => Err(bad(text)),
        }
    };
    let (start, end) = (read(&given["start"])?, read(&given["end"])?);
    if start.is_null() {
        return Err(invalid(format!(
            "body failed validation: body.{path}.start should be defined, instead was `undefined`."
        )));
    }
    Ok(json!({"start": start, "end": end, "time_zone": null}))
}
