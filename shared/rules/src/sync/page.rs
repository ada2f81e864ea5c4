//! A page's properties: how their values are read in the portal's terms, and how they are written.
//!
//! Sources: <https://developers.notion.com/reference/page-property-values>; times, options and people are explained in
//! `docs/notion.md`.

use std::collections::HashMap;

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use notion::text;
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::full_name::Parts;
use super::mapping::{Field, Fit, option_name};
use super::merge::Reading;
use super::portal::PortalKind;
use crate::names::{Named, Names};

/// Entries in one array of a property. <https://developers.notion.com/reference/request-limits>
const MOST_ENTRIES: usize = 100;
/// The longest address, and the longest e-mail and telephone number.
const LONGEST_URL: usize = 2_000;
const LONGEST_ADDRESS: usize = 200;

/// What is known of people, pages and names while values are carried over.
#[derive(Debug, Clone)]
pub struct Context {
    /// People in Notion by their number on the portal.
    pub to_notion: HashMap<u64, String>,
    /// The other way round.
    pub to_portal: HashMap<String, u64>,
    /// The names of people, companies and contacts on the portal.
    pub names: Names,
    /// The pages of records that relations may lead to.
    pub pages: HashMap<(String, u64), String>,
    /// The other way round: the number of the record, by the page.
    pub records: HashMap<String, u64>,
    /// The tenant's time zone.
    pub zone: TimeZone,
    /// The record's funnel: its stages are those that can be chosen.
    pub category: u64,
    /// The parts of a person's name on the portal, where the record is a person's and is known.
    pub person: Option<Parts>,
}

impl Context {
    /// The page of a record that a relation to `data_source` can lead to.
    fn page(&self, field: &Field, id: u64) -> Option<&String> {
        self.pages.get(&(field.property.relates_to.clone()?, id))
    }

    fn user_name(&self, id: u64) -> String {
        self.names.user(Some(id)).map_or_else(|| format!("user {id}"), str::to_owned)
    }
}

impl Field {
    /// What a code of the portal is called in Notion.
    fn name_of(&self, code: &str) -> String {
        let name = self.portal.options.iter().find(|(known, _)| known == code).map_or("", |(_, name)| name);
        option_name(&self.setting, code, name)
    }

    /// The codes that can be chosen for a record, and what they are called in Notion.
    fn choices(&self, category: u64) -> impl Iterator<Item = (&str, String)> {
        let fits = move |code: &str| !self.portal.is_stage() || funnel_of(code) == category;
        self.portal
            .options
            .iter()
            .filter(move |(code, _)| fits(code))
            .map(|(code, _)| (code.as_str(), self.name_of(code)))
    }
}

/// A stage carries its funnel as a prefix: `C7:NEW`; those of the first have none.
fn funnel_of(stage: &str) -> u64 {
    let prefix = stage.split_once(':').and_then(|(prefix, _)| prefix.strip_prefix('C'));
    prefix.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// What the portal's value is for Notion: as it can be compared there, and whether it can be written there.
pub fn of_portal(field: &Field, cell: &Cell, context: &Context) -> Reading {
    if field.fit == Fit::Shown {
        return shown(field, cell, context);
    }
    let cannot = match (&field.portal.kind, cell) {
        (PortalKind::Choice, Cell::Option(code)) => lacks(field, std::iter::once(code)),
        (PortalKind::Choice, Cell::Options(codes)) => lacks(field, codes.iter()),
        (PortalKind::Item(_) | PortalKind::Binding(_), Cell::Records(ids)) => {
            let missing: Vec<_> =
                ids.iter().filter(|id| context.page(field, **id).is_none()).map(ToString::to_string).collect();
            (!missing.is_empty()).then(|| {
                format!(
                    "number {} has no page yet in the database that property {:?} leads to",
                    missing.join(", "),
                    field.property.name
                )
            })
        }
        (_, Cell::Text(text)) => too_long(field, text),
        _ => None,
    };
    Reading { cell: cell.clone(), cannot }
}

/// Which options Notion lacks, if they may not be made.
fn lacks<'a>(field: &Field, codes: impl Iterator<Item = &'a String>) -> Option<String> {
    if field.setting.create_options {
        return None;
    }
    let names = codes.map(|code| field.name_of(code));
    let missing: Vec<_> = names.filter(|name| field.property.option(name).is_none()).collect();
    (!missing.is_empty()).then(|| format!(
        "property {:?} has no option {:?}; add it in Notion, name another under `values`, or allow `create_options`",
        field.property.name, missing.join(", ")
    ))
}

fn too_long(field: &Field, text: &str) -> Option<String> {
    let units = text.encode_utf16().count();
    let most = match field.property.kind.as_str() {
        "url" => LONGEST_URL,
        "email" | "phone_number" => LONGEST_ADDRESS,
        _ if text::too_long(text) => text::MOST_IN_A_RUN * text::MOST_RUNS,
        _ => return None,
    };
    (units > most).then(|| format!("it has {units} characters, and property {:?} takes {most}", field.property.name))
}

/// A value that Notion can only show.
fn shown(field: &Field, cell: &Cell, context: &Context) -> Reading {
    let item_name = |entity, id: &u64| {
        context.names.entry(Named::Item(entity, *id)).map_or_else(|| format!("#{id}"), |entry| entry.name.clone())
    };
    let joined = |names: Vec<String>| Cell::line(&names.join(", "));
    let cell = match (&field.portal.kind, cell) {
        (PortalKind::Itself, cell) => {
            let Cell::Records(ids) = cell else { return cell.clone().into() };
            let missing = ids.iter().any(|id| context.page(field, *id).is_none());
            let cannot = missing.then(|| "its page in the first database is not there yet".to_owned());
            return Reading { cell: cell.clone(), cannot };
        }
        (PortalKind::Item(entity) | PortalKind::Binding(entity), Cell::Records(ids)) => {
            joined(ids.iter().map(|id| item_name(*entity, id)).collect())
        }
        (PortalKind::User, Cell::Users(ids)) => joined(ids.iter().map(|id| context.user_name(*id)).collect()),
        (_, Cell::Option(code)) => Cell::line(&field.name_of(code)),
        (_, Cell::Options(codes)) => joined(codes.iter().map(|code| field.name_of(code)).collect()),
        (_, Cell::Number(number)) => Cell::Text(number.clone()),
        (PortalKind::File, Cell::Files(files)) if field.property.kind == "url" => {
            files.first().map_or(Cell::Empty, |(_, url)| Cell::Text(url.clone()))
        }
        (_, cell) => cell.clone(),
    };
    cell.into()
}

/// What a property says, in the portal's terms. `base` tells which of several codes with one name is meant.
pub fn read(field: &Field, property: Option<&Value>, base: Option<&Cell>, context: &Context) -> Reading {
    let Some(property) = property else { return Reading::default() };
    let kind = field.property.kind.as_str();
    let value = &property[kind];
    let plain = || text::plain(value);
    if let ("title" | "rich_text", Some(person)) = (kind, &context.person) {
        if field.portal.kind == PortalKind::FullName {
            return full_name(&plain(), person);
        }
        if let Some(why) = person.is_whole_name(&field.portal.name, &plain()) {
            return Reading { cell: Cell::line(&plain()), cannot: Some(why) };
        }
    }
    let cell = match (kind, &field.portal.kind) {
        ("title" | "rich_text", PortalKind::Rich) => Cell::text(&plain()),
        ("title" | "rich_text", _) => Cell::line(&plain()),
        ("url" | "email" | "phone_number", _) => Cell::line(value.as_str().unwrap_or_default()),
        ("number", kind) => {
            let scale = match kind {
                PortalKind::Number(scale) => *scale,
                _ => 2,
            };
            value.as_f64().map_or(Cell::Empty, |number| Cell::number(number, scale))
        }
        ("checkbox", _) => Cell::Flag(value == &json!(true)),
        ("date", kind) => date(value, *kind == PortalKind::Day, context),
        ("select" | "status", _) => match value["name"].as_str() {
            Some(name) => return option(field, name, base, context),
            None => Cell::Empty,
        },
        ("multi_select", _) => return options(field, value, base, context),
        ("people", _) => return people(value, context),
        ("relation", _) => return relation(field, value, context),
        ("files", _) => files(value),
        _ => Cell::Empty,
    };
    cell.into()
}

/// A whole name: it can be written if it changes one part of what the portal has.
fn full_name(text: &str, person: &Parts) -> Reading {
    match person.edit(text) {
        Ok(None) => Cell::line(&person.shown()).into(),
        Ok(Some(_)) => Cell::line(text).into(),
        Err(why) => Reading { cell: Cell::line(text), cannot: Some(why) },
    }
}

/// Of a range the beginning counts. A day for a moment is the end of that day; a moment for a day is the day that it is
/// in the tenant's time zone.
fn date(value: &Value, as_day: bool, context: &Context) -> Cell {
    let Some(start) = value["start"].as_str() else { return Cell::Empty };
    let day = || start.get(..10).and_then(|day| day.parse::<Date>().ok());
    if start.len() <= 10 {
        let Some(day) = day() else { return Cell::Empty };
        if as_day {
            return Cell::Day(day);
        }
        let end = day.to_datetime(time(23, 59, 0, 0)).to_zoned(context.zone.clone());
        return end.map_or(Cell::Empty, |end| Cell::moment(end.timestamp()));
    }
    let moment = start.parse::<Timestamp>().ok().or_else(|| {
        // Without an offset it is UTC, or the time zone that goes with it.
        let zone = value["time_zone"].as_str().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
        let local: jiff::civil::DateTime = start.parse().ok()?;
        local.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
    });
    match moment {
        Some(moment) if as_day => Cell::Day(moment.to_zoned(context.zone.clone()).date()),
        Some(moment) => Cell::moment(moment),
        None => Cell::Empty,
    }
}

fn option(field: &Field, name: &str, base: Option<&Cell>, context: &Context) -> Reading {
    match code(field, name, base, context) {
        Ok(code) => Cell::Option(code).into(),
        Err(why) => Reading { cell: Cell::Foreign(name.to_owned()), cannot: Some(why) },
    }
}

fn code(field: &Field, name: &str, base: Option<&Cell>, context: &Context) -> Result<String, String> {
    // A list without known values (currencies) is chosen from by code.
    if field.portal.options.is_empty() {
        return Ok(name.to_owned());
    }
    let same = |own: &str| own.trim().to_lowercase() == name.trim().to_lowercase();
    // Several codes may be called the same: the one that it was is meant.
    match base {
        Some(Cell::Option(was)) if same(&field.name_of(was)) => return Ok(was.clone()),
        Some(Cell::Options(were)) => {
            if let Some(was) = were.iter().find(|was| same(&field.name_of(was))) {
                return Ok(was.clone());
            }
        }
        _ => {}
    }
    let found = field.choices(context.category).find(|(_, own)| same(own)).map(|(code, _)| code.to_owned());
    found.ok_or_else(|| {
        let known: Vec<_> = field.choices(context.category).map(|(_, name)| name).collect();
        format!(
            "{name:?} is no value of the portal's field {:?} here, which has {}; choose one of these, or name it under `values`",
            field.portal.name,
            known.join(", ")
        )
    })
}

fn options(field: &Field, value: &Value, base: Option<&Cell>, context: &Context) -> Reading {
    let names = value.as_array().into_iter().flatten().filter_map(|option| option["name"].as_str());
    let (mut codes, mut unknown) = (Vec::new(), None);
    for name in names {
        match code(field, name, base, context) {
            Ok(code) => codes.push(code),
            Err(why) => unknown = Some((name, why)),
        }
    }
    match unknown {
        None => Cell::options(codes).into(),
        Some((name, why)) => Reading { cell: Cell::Foreign(name.to_owned()), cannot: Some(why) },
    }
}

fn people(value: &Value, context: &Context) -> Reading {
    let ids: Vec<_> = value.as_array().into_iter().flatten().filter_map(|user| user["id"].as_str()).collect();
    let known: Vec<_> = ids.iter().filter_map(|id| context.to_portal.get(*id).copied()).collect();
    if known.len() == ids.len() {
        return Cell::users(known).into();
    }
    let stranger = value
        .as_array()
        .into_iter()
        .flatten()
        .find(|user| user["id"].as_str().is_some_and(|id| !context.to_portal.contains_key(id)));
    let name = stranger.and_then(|user| user["name"].as_str().or_else(|| user["id"].as_str())).unwrap_or_default();
    Reading {
        cell: Cell::Foreign(name.to_owned()),
        cannot: Some(format!(
            "{name} has no counterpart on the portal; give both accounts one e-mail, or link them under `notion.people`"
        )),
    }
}

fn relation(field: &Field, value: &Value, context: &Context) -> Reading {
    let pages: Vec<_> = value.as_array().into_iter().flatten().filter_map(|page| page["id"].as_str()).collect();
    let known: Vec<_> = pages.iter().filter_map(|page| context.records.get(*page).copied()).collect();
    if known.len() == pages.len() {
        if !field.portal.multiple && known.len() > 1 {
            let cannot = "the portal's field holds one record; leave one in Notion".to_owned();
            return Reading { cell: Cell::records(known), cannot: Some(cannot) };
        }
        return Cell::records(known).into();
    }
    Reading {
        cell: Cell::Foreign(format!("{} pages", pages.len())),
        cannot: Some(format!("property {:?} leads to a page that is no record of the portal", field.property.name)),
    }
}

fn files(value: &Value) -> Cell {
    // Notion's own files carry addresses that end after an hour: only links are compared.
    let file = |file: &Value| {
        let url = file["external"]["url"].as_str()?;
        Some((file["name"].as_str().unwrap_or_default().to_owned(), url.to_owned()))
    };
    let files: Vec<_> = value.as_array().into_iter().flatten().filter_map(file).collect();
    if files.is_empty() { Cell::Empty } else { Cell::Files(files) }
}

/// The properties to write for a value, by their ids. `now` is what the property holds.
pub fn written(field: &Field, cell: &Cell, now: Option<&Value>, context: &Context) -> Map<String, Value> {
    let kind = field.property.kind.as_str();
    let inner = match (kind, cell) {
        ("title" | "rich_text", Cell::Text(text)) => text::runs(text),
        ("url" | "email" | "phone_number", Cell::Text(text)) => json!(text),
        ("number", Cell::Number(number)) => match number.parse::<i64>() {
            Ok(whole) => json!(whole),
            Err(_) => json!(number.parse::<f64>().unwrap_or_default()),
        },
        ("checkbox", cell) => json!(*cell == Cell::Flag(true)),
        ("date", Cell::Day(day)) => ranged(&day.to_string(), now),
        ("date", Cell::Moment(moment)) => {
            // With the tenant's offset: in Notion it shows like that to whoever reads the raw value.
            let zoned = moment.to_zoned(context.zone.clone());
            ranged(&zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(), now)
        }
        ("select" | "status", Cell::Option(code)) => json!({"name": exact(field, code)}),
        ("multi_select", Cell::Options(codes)) => {
            codes.iter().take(MOST_ENTRIES).map(|code| json!({"name": exact(field, code)})).collect()
        }
        ("people", Cell::Users(users)) => {
            let known = users.iter().filter_map(|user| context.to_notion.get(user));
            known.take(MOST_ENTRIES).map(|id| json!({"object": "user", "id": id})).collect()
        }
        ("relation", Cell::Records(ids)) => ids
            .iter()
            .filter_map(|id| context.page(field, *id))
            .take(MOST_ENTRIES)
            .map(|page| json!({"id": page}))
            .collect(),
        ("files", Cell::Files(files)) => files
            .iter()
            .take(MOST_ENTRIES)
            .map(|(name, url)| json!({"name": name.chars().take(100).collect::<String>(), "external": {"url": url}}))
            .collect(),
        ("title" | "rich_text" | "multi_select" | "people" | "relation" | "files", _) => json!([]),
        _ => Value::Null,
    };
    let mut properties = Map::from_iter([(field.property.id.clone(), json!({kind: inner}))]);
    if let Some(unmapped) = &field.unmapped {
        let strangers: Vec<_> = match cell {
            Cell::Users(users) => users
                .iter()
                .filter(|user| !context.to_notion.contains_key(user))
                .map(|user| context.user_name(*user))
                .collect(),
            _ => Vec::new(),
        };
        properties.insert(unmapped.id.clone(), json!({"rich_text": text::runs(&strangers.join(", "))}));
    }
    properties
}

/// The option as Notion spells it, where it has one.
fn exact(field: &Field, code: &str) -> String {
    let name = field.name_of(code);
    field.property.option(&name).map_or(name, |option| option.name.clone())
}

/// A date that keeps the end of the range that stands there, if that is still later.
fn ranged(start: &str, now: Option<&Value>) -> Value {
    let end = now.map(|property| &property["date"]["end"]).and_then(Value::as_str);
    let same_kind = end.filter(|end| (end.len() > 10) == (start.len() > 10));
    let later = same_kind.filter(|end| match (end.parse::<Timestamp>(), start.parse::<Timestamp>()) {
        (Ok(end), Ok(start)) => end > start,
        _ => *end > start,
    });
    json!({"start": start, "end": later})
}

/// The options that a status lacks for a value: writing a page does not make them, unlike those of a select.
pub fn missing_statuses(field: &Field, cell: &Cell) -> Option<Value> {
    let Cell::Option(code) = cell else { return None };
    let name = field.name_of(code);
    if field.property.kind != "status" || field.property.option(&name).is_some() {
        return None;
    }
    let known = field.property.options.iter().map(|option| json!({"id": option.id, "name": option.name}));
    let options: Vec<_> = known.chain([json!({"name": name})]).collect();
    Some(json!({"status": {"options": options}}))
}

/// When a page was edited last, as late as it can have been: Notion rounds down to the minute. `told` is what a webhook
/// told, to the millisecond, if it belongs to that minute.
pub fn edited_at(last_edited: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    let minute = last_edited?;
    let within = |moment: &Timestamp| *moment >= minute && *moment < minute + SignedDuration::from_mins(1);
    Some(told.filter(within).unwrap_or(minute))
}

#[cfg(test)]
mod tests;
