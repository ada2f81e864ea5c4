//! A page's properties: how their values are read in the portal's terms, and how they are written.
//!
//! Sources: <https://developers.notion.com/reference/page-property-values>; times, options and people are explained in
//! `docs/notion.md`.

use std::collections::{BTreeSet, HashMap};

use bitrix24::EntityType;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use locale::{Localized, texts};
use notion::text;
use records::Record;
use records::names::{Nameable, Names};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::full_name::NameParts;
use super::mapping::{Fit, MappedField, option_name};
use super::merge::Reading;
use super::portal;
use super::portal_field::PortalKind;
use super::{lines, rich, runs};

/// The most entries in one array of a property. <https://developers.notion.com/reference/request-limits>
const MAX_ENTRIES: usize = 100;
/// The most people of a property that a page shows.
const MAX_SHOWN: usize = 25;
/// The longest address of a page, and the longest e-mail and telephone number.
const MAX_URL: usize = 2_000;
const MAX_ADDRESS: usize = 200;

/// Readers ask for the record's number; it only matters to the field of the record itself, which is not read here.
const ANY_RECORD: Record = Record::Task(0);

/// What is known of people, pages and names for converting values.
#[derive(Debug, Clone)]
pub struct Context {
    /// People in Notion by their number on the portal.
    pub to_notion: HashMap<u64, String>,
    /// The opposite direction.
    pub to_portal: HashMap<String, u64>,
    /// The names of people, companies and contacts on the portal.
    pub names: Names,
    /// The pages of records that relations can lead to.
    pub pages: HashMap<(String, u64), String>,
    /// The opposite direction: the number of the record, by the page.
    pub records: HashMap<String, u64>,
    /// The tenant's time zone.
    pub zone: TimeZone,
    /// The record's funnel: only its stages can be chosen.
    pub category: u64,
    /// The record as the portal has it now, from [`portal::raw`]: the part that Notion cannot show stays as it is.
    pub raw: Map<String, Value>,
}

impl Context {
    /// A context that knows nothing yet.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            to_notion: HashMap::new(),
            to_portal: HashMap::new(),
            names: Names::default(),
            pages: HashMap::new(),
            records: HashMap::new(),
            zone,
            category: 0,
            raw: Map::new(),
        }
    }

    /// The page of a record that a relation to `data_source` can lead to.
    fn page(&self, field: &MappedField, id: u64) -> Option<&String> {
        self.pages.get(&(field.property.relates_to.clone()?, id))
    }

    fn user_name(&self, id: u64) -> String {
        self.names.user(Some(id)).map_or_else(|| format!("user {id}"), str::to_owned)
    }
}

impl MappedField {
    /// The name in Notion of a code of the portal.
    fn name_of(&self, code: &str) -> String {
        let name = self.portal.options.iter().find(|(known, _)| known == code).map_or("", |(_, name)| name);
        option_name(&self.setting, code, name)
    }

    /// The option of a code: by its id, else by its name.
    fn option_of(&self, code: &str) -> Option<&notion::schema::PropertyOption> {
        let known = self.options.get(code);
        let by_id = known.and_then(|id| self.property.options.iter().find(|option| option.id == *id));
        by_id.or_else(|| self.property.option(&self.name_of(code)))
    }

    /// The codes that can be chosen for a record, and their names in Notion.
    fn choices(&self, category: u64) -> impl Iterator<Item = (&str, String)> {
        let fits = move |code: &str| !self.portal.is_stage() || funnel_of(code) == category;
        self.portal
            .options
            .iter()
            .filter(move |(code, _)| fits(code))
            .map(|(code, _)| (code.as_str(), self.name_of(code)))
    }
}

/// A stage carries its funnel as a prefix: `C7:NEW`; those of the first funnel have none.
fn funnel_of(stage: &str) -> u64 {
    let prefix = stage.split_once(':').and_then(|(prefix, _)| prefix.strip_prefix('C'));
    prefix.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The portal's value for Notion: in the form in which it is compared there, and whether it can be written there.
pub fn of_portal(field: &MappedField, cell: &Cell, context: &Context) -> Reading {
    if field.fit == Fit::Shown {
        return shown(field, cell, context);
    }
    let cannot = match (&field.portal.kind, cell) {
        (PortalKind::Choice, Cell::Option(code)) => lacks(field, std::iter::once(code)),
        (PortalKind::Choice, Cell::Options(codes)) => {
            lacks(field, codes.iter()).or_else(|| too_many(field, codes.len()))
        }
        (PortalKind::Item(_) | PortalKind::Binding(_), Cell::Records(ids)) => {
            without_page(field, ids, context).or_else(|| too_many(field, ids.len()))
        }
        (PortalKind::User, Cell::Users(ids)) => {
            too_many(field, ids.iter().filter(|id| context.to_notion.contains_key(id)).count())
        }
        (PortalKind::Number(_) | PortalKind::Money, Cell::Number(number)) if field.property.kind == "number" => {
            too_long_number(field, number)
        }
        (_, Cell::List(cells)) if !is_text(&field.property.kind) => Some(Localized::of(|_| {
            texts::sync::SeveralValues { property: &field.property.name, count: cells.len() as u64 }
        })),
        (_, cell) if is_text(&field.property.kind) || matches!(cell, Cell::Text(_)) => {
            too_long(field, &lines::text(cell, &context.zone))
        }
        _ => None,
    };
    Reading { cell: cell.clone(), cannot, carried: None }
}

fn is_text(kind: &str) -> bool {
    ["title", "rich_text"].contains(&kind)
}

fn without_page(field: &MappedField, ids: &BTreeSet<u64>, context: &Context) -> Option<Localized> {
    let missing: Vec<_> =
        ids.iter().filter(|id| context.page(field, **id).is_none()).map(ToString::to_string).collect();
    (!missing.is_empty()).then(|| {
        let numbers = missing.join(", ");
        Localized::of(|_| texts::sync::NoPageYet { numbers: &numbers, property: &field.property.name })
    })
}

fn too_many(field: &MappedField, count: usize) -> Option<Localized> {
    let (property, most) = (&field.property.name, MAX_ENTRIES as u64);
    (count > MAX_ENTRIES).then(|| Localized::of(|_| texts::sync::TooMany { property, count: count as u64, most }))
}

/// Notion's numbers are binary: not every decimal number is one.
fn too_long_number(field: &MappedField, number: &str) -> Option<Localized> {
    let binary = number.parse::<f64>().ok().filter(|binary| binary.is_finite());
    let is_same = binary.is_some_and(|binary| Cell::double(binary) == Cell::Number(number.to_owned()));
    let property = field.property.name.as_str();
    (!is_same).then(|| Localized::of(|_| texts::sync::TooLongNumber { number, property }))
}

/// Which options Notion lacks, if they may not be created.
fn lacks<'a>(field: &MappedField, codes: impl Iterator<Item = &'a String>) -> Option<Localized> {
    if field.setting.create_options {
        return None;
    }
    let missing: Vec<_> =
        codes.filter(|code| field.option_of(code).is_none()).map(|code| field.name_of(code)).collect();
    let options = missing.join(", ");
    (!missing.is_empty())
        .then(|| Localized::of(|_| texts::sync::NoOption { property: &field.property.name, options: &options }))
}

fn too_long(field: &MappedField, text: &str) -> Option<Localized> {
    let units = text.encode_utf16().count();
    let most = match field.property.kind.as_str() {
        "url" => MAX_URL,
        "email" | "phone_number" => MAX_ADDRESS,
        _ if text::too_long(text) => text::MAX_IN_A_RUN * text::MAX_RUNS,
        _ => return None,
    };
    let (property, count, most) = (&field.property.name, units as u64, most as u64);
    (count > most).then(|| Localized::of(|_| texts::sync::TooLong { property, count, most }))
}

/// A value that Notion can only show.
fn shown(field: &MappedField, cell: &Cell, context: &Context) -> Reading {
    let item_name = |entity, id: &u64| {
        context.names.entry(Nameable::Item(entity, *id)).map_or_else(|| format!("#{id}"), |entry| entry.name.clone())
    };
    let joined = |names: Vec<String>| Cell::line(&names.join(", "));
    let cell = match (&field.portal.kind, cell) {
        (PortalKind::Itself, cell) => {
            let Cell::Records(ids) = cell else { return cell.clone().into() };
            let missing = ids.iter().any(|id| context.page(field, *id).is_none());
            let cannot = missing.then(|| texts::sync::FIRST_PAGE_MISSING.into());
            return Reading { cell: cell.clone(), cannot, carried: None };
        }
        (PortalKind::Item(entity) | PortalKind::Binding(entity), Cell::Records(ids)) => {
            joined(ids.iter().map(|id| item_name(*entity, id)).collect())
        }
        (PortalKind::User, Cell::Users(ids)) => joined(ids.iter().map(|id| context.user_name(*id)).collect()),
        (_, Cell::Option(code)) => Cell::line(&field.name_of(code)),
        (_, Cell::Options(codes)) => joined(
            in_order(codes, &portal::codes(&field.portal, &context.raw)).map(|code| field.name_of(code)).collect(),
        ),
        (PortalKind::File, Cell::Files(files)) if field.property.kind == "url" => {
            files.first().map_or(Cell::Empty, |(_, url)| Cell::Text(url.clone()))
        }
        (PortalKind::File, Cell::Files(files)) if is_text(&field.property.kind) => {
            Cell::text(&files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("\n"))
        }
        (PortalKind::File, cell @ Cell::Files(_)) => cell.clone(),
        (PortalKind::Rich, Cell::List(cells)) => {
            Cell::text(&cells.iter().map(Cell::to_string).collect::<Vec<_>>().join("\n\n"))
        }
        (PortalKind::Links, cell) => Cell::text(&lines::text(&linked(cell, context), &context.zone)),
        (_, Cell::Empty) => Cell::Empty,
        (_, cell) => Cell::text(&lines::text(cell, &context.zone)),
    };
    let cannot = match &cell {
        Cell::Text(text) => too_long(field, text),
        Cell::Files(files) => too_many(field, files.len()),
        _ => None,
    };
    Reading { cell, cannot, carried: None }
}

/// Links to records of several types by the records' names, as far as they are known.
fn linked(cell: &Cell, context: &Context) -> Cell {
    let named = |link: &Cell| {
        let text = link.to_string();
        let (prefix, id) = text.split_once('_').unwrap_or(("", &text));
        let entity = match prefix {
            "D" => Some(EntityType::DEAL),
            "C" => Some(EntityType::CONTACT),
            "CO" => Some(EntityType::COMPANY),
            "L" => Some(EntityType::LEAD),
            _ => None,
        };
        let entry = entity.and_then(|entity| context.names.entry(Nameable::Item(entity, id.parse().ok()?)));
        entry.map_or(Cell::Text(text.clone()), |entry| Cell::line(&entry.name))
    };
    match cell {
        Cell::List(links) => Cell::List(links.iter().map(named).collect()),
        Cell::Text(_) => named(cell),
        other => other.clone(),
    }
}

/// The value of a property, in the portal's terms. `base` decides between several codes with one name.
pub fn read(field: &MappedField, property: Option<&Value>, base: Option<&Cell>, context: &Context) -> Reading {
    let Some(property) = property else { return Reading::default() };
    let kind = field.property.kind.as_str();
    let value = &property[kind];
    if field.fit == Fit::Shown {
        return as_shown(kind, field, value, context);
    }
    if let Some(reading) = name(kind, field, value, context) {
        return reading;
    }
    let reading = match kind {
        "title" | "rich_text" => text_property(field, &text::plain(value), base, context),
        "url" | "email" | "phone_number" => Cell::line(value.as_str().unwrap_or_default()).into(),
        "number" => number(field, value),
        "checkbox" => Cell::Flag(value == &json!(true)).into(),
        "date" => date(value, field.portal.kind == PortalKind::Day, context).into(),
        "select" => option(field, value, base, context),
        "status" => status(field, value, base, context),
        "multi_select" => options(field, value, base, context),
        "people" => people(field, value, base, context),
        "relation" => relation(field, value, context),
        _ => Cell::Empty.into(),
    };
    accepted(field, reading, context)
}

/// The value of a property that only shows something.
fn as_shown(kind: &str, field: &MappedField, value: &Value, context: &Context) -> Reading {
    match kind {
        "title" | "rich_text" => Cell::text(&text::plain(value)).into(),
        "url" => Cell::line(value.as_str().unwrap_or_default()).into(),
        "relation" => relation(field, value, context),
        "files" => files(value).into(),
        _ => Cell::Empty.into(),
    }
}

/// The reading, refused if the portal's field cannot hold it without loss.
fn accepted(field: &MappedField, reading: Reading, context: &Context) -> Reading {
    if reading.cannot.is_some() {
        return reading;
    }
    let name = &field.portal.name;
    if field.portal.required && is_blank(reading.carried()) {
        let why = Localized::of(|_| texts::sync::MayNotBeEmpty { field: name });
        return Reading { cannot: Some(why), ..reading };
    }
    if matches!(field.portal.kind, PortalKind::Binding(_) | PortalKind::Itself) {
        return reading;
    }
    let cannot = portal::edited(&field.portal, reading.carried(), &context.raw).err();
    Reading { cannot, ..reading }
}

/// Whether a value shows nothing: blanks and invisible characters do not count.
pub fn is_blank(cell: &Cell) -> bool {
    let is_seen =
        |c: char| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
    match cell {
        Cell::Empty => true,
        Cell::Text(text) => !text.chars().any(is_seen),
        Cell::List(all) => all.iter().all(is_blank),
        _ => false,
    }
}

fn text_property(field: &MappedField, plain: &str, base: Option<&Cell>, context: &Context) -> Reading {
    let several = portal::holds_several(&field.portal, &context.raw);
    if several && was_joined(plain, base) {
        return Cell::line(plain).into();
    }
    match &field.portal.kind {
        PortalKind::Rich => return Cell::text(&rich::typed(plain)).into(),
        PortalKind::Line | PortalKind::Url | PortalKind::Address if !several => return Cell::line(plain).into(),
        _ => {}
    }
    let now = portal::listed(&field.portal, &context.raw);
    match lines::read(&field.portal.kind, plain, &now, &context.zone) {
        Ok(cells) if several => Cell::list(cells).into(),
        Ok(cells) if cells.len() > 1 => Reading::refused(Cell::Foreign(plain.trim().to_owned()), texts::sync::ONE_LINE),
        Ok(cells) => cells.into_iter().next().unwrap_or_default().into(),
        Err(why) => Reading::refused(Cell::Foreign(plain.trim().to_owned()), why),
    }
}

/// Whether the text is what was agreed on when several values were still one text: nobody edited it since.
fn was_joined(plain: &str, base: Option<&Cell>) -> bool {
    match base {
        None | Some(Cell::Empty | Cell::List(_)) => false,
        Some(base) => {
            let line = Cell::line(plain);
            line.is(base) || line == Cell::line(&base.to_string())
        }
    }
}

fn number(field: &MappedField, value: &Value) -> Reading {
    let Value::Number(number) = value else { return Cell::Empty.into() };
    let cell = if number.is_f64() {
        Cell::double(number.as_f64().unwrap_or_default())
    } else {
        Cell::decimal(&number.to_string())
    };
    match field.portal.kind {
        PortalKind::Number(scale) => match lines::holds(scale, &cell) {
            Err(why) => Reading::refused(cell, why),
            Ok(()) => cell.into(),
        },
        _ => cell.into(),
    }
}

/// A person's whole name: it can be written if it changes one part of what the portal has. If it is in the place of the
/// first or the last name alone, it is refused.
fn name(kind: &str, field: &MappedField, value: &Value, context: &Context) -> Option<Reading> {
    if !matches!(kind, "title" | "rich_text") {
        return None;
    }
    let text = text::plain(value);
    let is_whole = field.portal.kind == PortalKind::FullName;
    if context.raw.is_empty() {
        return is_whole.then(|| Cell::line(&text).into());
    }
    let person = NameParts::of(&context.raw);
    if !is_whole {
        return person.is_whole_name(&field.portal.name, &text).map(|why| Reading::refused(Cell::line(&text), why));
    }
    Some(match person.edit(&text) {
        Ok(None) => Cell::line(&person.shown()).into(),
        Ok(Some(_)) => Cell::line(&text).into(),
        Err(why) => Reading::refused(Cell::line(&text), why),
    })
}

/// Of a range, the beginning counts. A day for a moment is the end of that day; a moment for a day is its day in the
/// tenant's time zone.
fn date(value: &Value, as_day: bool, context: &Context) -> Cell {
    match (Point::read(&value["start"], &value["time_zone"]), as_day) {
        (None, _) => Cell::Empty,
        (Some(point), true) => Cell::Day(point.day(&context.zone)),
        (Some(point), false) => point.moment(&context.zone).map_or(Cell::Empty, Cell::moment),
    }
}

/// A status. The status that Notion itself sets if nobody chose one does not count, unless the portal has the same.
fn status(field: &MappedField, value: &Value, base: Option<&Cell>, context: &Context) -> Reading {
    let reading = option(field, value, base, context);
    let first = field.property.options.first();
    let is_first = first.is_some_and(|first| value["id"] == first.id.as_str() || value["name"] == first.name.as_str());
    let was_nothing = base.is_none_or(|base| *base == Cell::Empty);
    let is_known = !context.raw.is_empty();
    let is_alike = || portal::read(&field.portal, ANY_RECORD, &context.raw) == reading.cell;
    if is_first && was_nothing && is_known && !is_alike() { Cell::Empty.into() } else { reading }
}

fn option(field: &MappedField, value: &Value, base: Option<&Cell>, context: &Context) -> Reading {
    let Some(name) = value["name"].as_str() else { return Cell::Empty.into() };
    match codes(field, value, base, context) {
        Ok(codes) => codes.into_iter().next().map_or(Cell::Empty, Cell::Option).into(),
        Err(why) => Reading::refused(Cell::Foreign(name.to_owned()), why),
    }
}

/// The codes for the name of an option. Several may have the same name: then those are meant that the portal has now,
/// or had.
fn codes(field: &MappedField, value: &Value, base: Option<&Cell>, context: &Context) -> Result<Vec<String>, Localized> {
    let name = value["name"].as_str().unwrap_or_default();
    // A list without known values (currencies) is chosen from by code.
    if field.portal.options.is_empty() {
        return Ok(vec![name.to_owned()]);
    }
    let id = value["id"].as_str().filter(|id| field.options.values().any(|known| known == id));
    let wanted = name.trim().to_lowercase();
    let same = |code: &String| match id {
        Some(id) => field.options.get(code).is_some_and(|known| known == id),
        None => field.name_of(code).trim().to_lowercase() == wanted,
    };
    let now = portal::read(&field.portal, ANY_RECORD, &context.raw);
    for was in [Some(&now), base] {
        let meant: Vec<String> = match was {
            Some(Cell::Option(was)) => Some(was.clone()).filter(|was| same(was)).into_iter().collect(),
            Some(Cell::Options(were)) => were.iter().filter(|was| same(was)).cloned().collect(),
            _ => Vec::new(),
        };
        if !meant.is_empty() {
            return Ok(meant);
        }
    }
    let found: Vec<String> =
        field.choices(context.category).map(|(code, _)| code.to_owned()).filter(|code| same(code)).collect();
    match found.len() {
        1 => Ok(found),
        0 => {
            let known: Vec<_> = field.choices(context.category).map(|(_, name)| name).collect();
            let names = known.join(", ");
            Err(Localized::of(|_| texts::sync::NoSuchValue { field: field.portal.name.as_str(), name, names: &names }))
        }
        _ => {
            let codes = found.join(", ");
            Err(Localized::of(|_| texts::sync::AmbiguousValue {
                field: field.portal.name.as_str(),
                name,
                codes: &codes,
            }))
        }
    }
}

fn options(field: &MappedField, value: &Value, base: Option<&Cell>, context: &Context) -> Reading {
    let (mut all, mut unknown) = (Vec::new(), None);
    for option in value.as_array().into_iter().flatten() {
        let Some(name) = option["name"].as_str() else { continue };
        match codes(field, option, base, context) {
            Ok(codes) => all.extend(codes),
            Err(why) => unknown = Some((name, why)),
        }
    }
    match unknown {
        None => Cell::options(all).into(),
        Some((name, why)) => Reading::refused(Cell::Foreign(name.to_owned()), why),
    }
}

fn people(field: &MappedField, value: &Value, base: Option<&Cell>, context: &Context) -> Reading {
    let all: Vec<&Value> = value.as_array().into_iter().flatten().filter(|user| user["id"].is_string()).collect();
    let id = |user: &&Value| user["id"].as_str().and_then(|id| context.to_portal.get(id).copied());
    if let Some(stranger) = all.iter().find(|user| id(user).is_none()) {
        let name = stranger["name"].as_str().or_else(|| stranger["id"].as_str()).unwrap_or_default();
        let why = Localized::of(|_| texts::sync::UnknownPerson { name });
        return Reading::refused(Cell::Foreign(name.to_owned()), why);
    }
    let known: Vec<u64> = all.iter().filter_map(id).collect();
    if known.len() >= MAX_SHOWN {
        // Notion shows no more of them: a missing person was not removed.
        return match base {
            Some(Cell::Users(were)) if known.iter().all(|user| were.contains(user)) => Cell::Users(were.clone()).into(),
            _ => Reading::refused(
                Cell::users(known),
                Localized::of(|_| texts::sync::TooManyPeople { most: MAX_SHOWN as u64 }),
            ),
        };
    }
    let hidden = match portal::read(&field.portal, ANY_RECORD, &context.raw) {
        Cell::Users(users) => users.into_iter().filter(|user| !context.to_notion.contains_key(user)).collect(),
        _ => Vec::new(),
    };
    together(field, Cell::users(known.clone()), Cell::users(known.into_iter().chain(hidden.iter().copied())), &hidden)
}

fn relation(field: &MappedField, value: &Value, context: &Context) -> Reading {
    let pages: Vec<_> = value.as_array().into_iter().flatten().filter_map(|page| page["id"].as_str()).collect();
    let known: Vec<_> = pages.iter().filter_map(|page| context.records.get(*page).copied()).collect();
    if known.len() != pages.len() {
        return Reading::refused(
            Cell::Foreign(format!("{} pages", pages.len())),
            Localized::of(|_| texts::sync::StrangePage { property: &field.property.name }),
        );
    }
    let hidden: Vec<u64> = match portal::read(&field.portal, ANY_RECORD, &context.raw) {
        Cell::Records(ids) if field.fit == Fit::TwoWay => {
            ids.into_iter().filter(|id| context.page(field, *id).is_none()).collect()
        }
        _ => Vec::new(),
    };
    together(
        field,
        Cell::records(known.clone()),
        Cell::records(known.into_iter().chain(hidden.iter().copied())),
        &hidden,
    )
}

/// What Notion shows, together with what it cannot show, for the portal. A field with one value keeps what cannot be
/// shown only as long as nothing replaces it.
fn together(field: &MappedField, cell: Cell, all: Cell, hidden: &[u64]) -> Reading {
    let shows_nothing = cell == Cell::Empty;
    let count = match &cell {
        Cell::Users(ids) | Cell::Records(ids) => ids.len(),
        _ => 0,
    };
    if !field.portal.multiple && count > 1 && field.portal.kind != PortalKind::Itself {
        return Reading::refused(cell, texts::sync::ONE_VALUE);
    }
    let keeps = !hidden.is_empty() && (field.portal.multiple || shows_nothing);
    Reading { cell, cannot: None, carried: keeps.then_some(all) }
}

fn files(value: &Value) -> Cell {
    // Notion's own files have addresses that expire after an hour: only links are compared.
    let file = |file: &Value| {
        let url = file["external"]["url"].as_str()?;
        Some((file["name"].as_str().unwrap_or_default().to_owned(), url.to_owned()))
    };
    let files: Vec<_> = value.as_array().into_iter().flatten().filter_map(file).collect();
    if files.is_empty() { Cell::Empty } else { Cell::Files(files) }
}

/// The properties to write for a value, by their ids. `now` is what the property holds: what a cell does not contain
/// (the end of a range, formatting, mentions) stays as it is there.
pub fn written(field: &MappedField, cell: &Cell, now: Option<&Value>, context: &Context) -> Map<String, Value> {
    let kind = field.property.kind.as_str();
    let inner = match (kind, cell) {
        ("title" | "rich_text", cell) if *cell != Cell::Empty => text_items(field, cell, now, context),
        ("url" | "email" | "phone_number", Cell::Text(text)) => json!(text),
        ("number", Cell::Number(number)) => match number.parse::<i64>() {
            Ok(whole) => json!(whole),
            Err(_) => json!(number.parse::<f64>().unwrap_or_default()),
        },
        ("checkbox", cell) => json!(*cell == Cell::Flag(true)),
        ("date", Cell::Day(_) | Cell::Moment(_)) => dated(field, cell, now, context),
        ("select" | "status", Cell::Option(code)) => exact(field, code),
        ("multi_select", Cell::Options(codes)) => chosen(field, codes, context),
        ("people", Cell::Users(users)) => {
            let known = in_order(users, &numbers(field, context)).filter_map(|user| context.to_notion.get(user));
            known.take(MAX_ENTRIES).map(|id| json!({"object": "user", "id": id})).collect()
        }
        ("relation", Cell::Records(ids)) => in_order(ids, &numbers(field, context))
            .filter_map(|id| context.page(field, *id))
            .take(MAX_ENTRIES)
            .map(|page| json!({"id": page}))
            .collect(),
        ("files", cell) => file_links(cell, now),
        ("title" | "rich_text" | "multi_select" | "people" | "relation", _) => json!([]),
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

/// Links to the portal's files, after the files that people uploaded in Notion: those are kept only if they are sent
/// back.
fn file_links(cell: &Cell, now: Option<&Value>) -> Value {
    let now = now.and_then(|property| property["files"].as_array()).into_iter().flatten();
    let uploaded = now.filter(|file| file["file"].is_object()).cloned();
    let links: &[(String, String)] = match cell {
        Cell::Files(files) => files,
        _ => &[],
    };
    let link = |(name, url): &(String, String)| json!({"name": name.chars().take(100).collect::<String>(), "external": {"url": url}});
    uploaded.chain(links.iter().map(link)).take(MAX_ENTRIES).collect()
}

fn text_items(field: &MappedField, cell: &Cell, now: Option<&Value>, context: &Context) -> Value {
    let now = now.map(|property| &property[field.property.kind.as_str()]);
    let text = lines::text(cell, &context.zone);
    if field.portal.kind != PortalKind::Rich || field.fit == Fit::Shown {
        return runs::edited(now, &text);
    }
    let bbcode = portal::edited(&field.portal, cell, &context.raw);
    let bbcode = bbcode.ok().and_then(|value| value.as_str().map(str::to_owned));
    bbcode.map_or_else(|| runs::edited(now, &text), |bbcode| rich::items(now, &bbcode))
}

/// The numbers of a field in the portal's order.
fn numbers(field: &MappedField, context: &Context) -> Vec<u64> {
    portal::numbers(&field.portal, &context.raw)
}

/// A set in the order of a list; what is not in it comes last.
fn in_order<'a, T: Ord>(set: &'a BTreeSet<T>, order: &[T]) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let mut all: Vec<&T> = Vec::new();
    let first: Vec<&T> = order.iter().filter_map(|item| set.get(item)).collect();
    let mut seen = BTreeSet::new();
    for item in first.into_iter().chain(set) {
        if seen.insert(item) {
            all.push(item);
        }
    }
    all.into_iter()
}

/// The option as Notion knows it: by its id, else by its name.
fn exact(field: &MappedField, code: &str) -> Value {
    if let Some(id) = field.options.get(code)
        && field.property.options.iter().any(|option| option.id == *id)
    {
        return json!({"id": id});
    }
    let name = field.name_of(code);
    json!({"name": field.property.option(&name).map_or(name, |option| option.name.clone())})
}

/// The options for some codes, each once, in the portal's order.
fn chosen(field: &MappedField, codes: &BTreeSet<String>, context: &Context) -> Value {
    let order = portal::codes(&field.portal, &context.raw);
    let mut options: Vec<Value> = Vec::new();
    for option in in_order(codes, &order).map(|code| exact(field, code)) {
        if !options.contains(&option) {
            options.push(option);
        }
    }
    options.truncate(MAX_ENTRIES);
    Value::Array(options)
}

/// A date's point: a day in no time zone, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Day(Date),
    Moment(Timestamp),
}

impl Point {
    /// Without an offset it is UTC, or in the time zone that comes with it.
    fn read(value: &Value, zone: &Value) -> Option<Self> {
        let text = value.as_str()?;
        if text.len() <= 10 {
            return text.parse().ok().map(Self::Day);
        }
        let moment = text.parse::<Timestamp>().ok().or_else(|| {
            let zone = zone.as_str().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
            let local: jiff::civil::DateTime = text.parse().ok()?;
            local.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
        });
        moment.map(Self::Moment)
    }

    fn day(self, zone: &TimeZone) -> Date {
        match self {
            Self::Day(day) => day,
            Self::Moment(moment) => moment.to_zoned(zone.clone()).date(),
        }
    }

    /// A day ends a minute before midnight.
    fn moment(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Day(day) => {
                day.to_datetime(time(23, 59, 0, 0)).to_zoned(zone.clone()).ok().map(|end| end.timestamp())
            }
            Self::Moment(moment) => Some(moment),
        }
    }

    /// As it is written: with the offset of `zone`, or in local time if the zone is named beside it.
    fn text(self, zone: &TimeZone, is_named: bool) -> String {
        match self {
            Self::Day(day) => day.to_string(),
            Self::Moment(moment) => {
                let form = if is_named { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%:z" };
                moment.to_zoned(zone.clone()).strftime(form).to_string()
            }
        }
    }
}

/// A date with what the property holds besides its beginning: the time of day beside a day, the end of the range, the
/// time zone. If the beginning passes the end, the end keeps its distance.
fn dated(field: &MappedField, cell: &Cell, now: Option<&Value>, context: &Context) -> Value {
    let now = now.map_or(&Value::Null, |property| &property["date"]);
    let named = now["time_zone"].as_str().and_then(|name| Some((name, TimeZone::get(name).ok()?)));
    let zone = named.as_ref().map_or(&context.zone, |(_, zone)| zone);
    let point = |name: &str| Point::read(&now[name], &now["time_zone"]);
    let start_was = point("start");
    if date(now, field.portal.kind == PortalKind::Day, context) == *cell {
        return now.clone();
    }
    let start = match (cell, start_was) {
        (Cell::Day(day), Some(Point::Moment(was))) => {
            let moved = was.to_zoned(context.zone.clone()).with().date(*day).build();
            moved.map_or(Point::Day(*day), |moved| Point::Moment(moved.timestamp()))
        }
        (Cell::Day(day), _) => Point::Day(*day),
        (Cell::Moment(moment), _) => Point::Moment(*moment),
        _ => return Value::Null,
    };
    let end = point("end").and_then(|end| ended(start, start_was, end, &context.zone));
    let is_named = named.is_some() && matches!(start, Point::Moment(_));
    let mut written = json!({
        "start": start.text(zone, is_named),
        "end": end.map(|end| if point("end") == Some(end) && !is_named { now["end"].clone() } else { json!(end.text(zone, is_named)) }),
    });
    if let Some((name, _)) = named.filter(|_| is_named) {
        written["time_zone"] = json!(name);
    }
    written
}

/// The end of a range whose beginning moved: of the same kind as the beginning, and not before it.
fn ended(start: Point, start_was: Option<Point>, end: Point, zone: &TimeZone) -> Option<Point> {
    match start {
        Point::Day(start) => {
            let (end, was) = (end.day(zone), start_was?.day(zone));
            let moved = if end >= start { Some(end) } else { start.checked_add(end.duration_since(was)).ok() };
            moved.filter(|end| *end >= start).map(Point::Day)
        }
        Point::Moment(start) => {
            let (end, was) = (end.moment(zone)?, start_was?.moment(zone)?);
            let moved = if end >= start { Some(end) } else { start.checked_add(end.duration_since(was)).ok() };
            moved.filter(|end| *end >= start).map(Point::Moment)
        }
    }
}

/// The options that a status lacks for a value: writing a page does not create them, unlike those of a select.
pub fn missing_statuses(field: &MappedField, cell: &Cell) -> Option<Value> {
    let Cell::Option(code) = cell else { return None };
    let name = field.name_of(code);
    if field.property.kind != "status" || field.option_of(code).is_some() {
        return None;
    }
    let known = field.property.options.iter().map(|option| json!({"id": option.id, "name": option.name}));
    let options: Vec<_> = known.chain([json!({"name": name})]).collect();
    Some(json!({"status": {"options": options}}))
}

/// When a page was last edited, as late as it can have been: Notion rounds down to the minute. `told` is a webhook's
/// time to the millisecond; it is used if it is within that minute.
pub fn edited_at(last_edited: Option<Timestamp>, told: Option<Timestamp>) -> Option<Timestamp> {
    let minute = last_edited?;
    let within = |moment: &Timestamp| *moment >= minute && *moment < minute + SignedDuration::from_mins(1);
    Some(told.filter(within).unwrap_or(minute))
}

#[cfg(test)]
mod tests;
