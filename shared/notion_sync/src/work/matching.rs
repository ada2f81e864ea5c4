//! Finds a record's row in Notion before a page is made: by the number, else by the keys of the settings.
//!
//! The number on a row decides alone and is always looked up. Only rows without a number and without a link are
//! compared by the other keys. Where several fit, nothing is guessed. The comparison itself is
//! `crate::fields::matching`.

use std::collections::BTreeSet;

use clients::{ErrorClass, Failure};
use crm::pages::Listing;
use jobs::sync::SyncSide;
use locale::{Language, Localized, Piece, texts};
use notion::NotionPage;
use records::{Change, Record, RecordKind, RecordState};
use serde_json::{Map, Value, json};
use settings::condition::Condition;
use settings::databases::FULL_NAME;
use settings::databases::RowKey;

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::full_name::NameParts;
use crate::fields::mapping::option_name;
use crate::fields::matching::{COMPANY, Comparable, Pick, Traits, of_cell, of_multifield, of_property, of_raw, pick};
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::{Cell, MappedField, Merged, Sides, Stuck};
use crate::link::PageLink;
use crate::plan::{FieldChange, RowRef, clipped};
use crate::work::read;

/// The most rows without a number that are read before one page is created; more are a backfill's work.
const MAX_ROWS: usize = 1_000;
/// The most pages of an answer that are read for one number.
const MAX_PAGES: usize = 10;
/// The most conditions in a filter: Notion accepts a hundred.
const MAX_CONDITIONS: usize = 90;
/// What the note of a row that lost its number to another row begins with, as earlier versions wrote it.
const OLD_NOTES: [&str; 2] = ["A copy", "A double"];

/// The row that is a record's.
pub(crate) enum RowMatch {
    None,
    /// This one, recognised by this key.
    One(Box<NotionPage>, RowKey),
    /// It cannot be decided.
    Refused {
        /// Why, and what to do.
        why: Localized,
        /// The rows in question.
        rows: Vec<NotionPage>,
    },
}

/// The keys besides the number, the most reliable first.
pub(crate) fn keys(opened: &OpenedDatabase) -> Vec<RowKey> {
    opened.database.match_keys().into_iter().map(|(key, _)| key).collect()
}

/// Whether e-mail addresses or telephone numbers are compared: they have to be read by name.
pub(crate) fn needs_addresses(opened: &OpenedDatabase) -> bool {
    keys(opened).iter().any(|key| matches!(key, RowKey::Email | RowKey::Phone))
        && matches!(opened.kind(), RecordKind::Items(_))
}

/// The row's number, if it carries one.
pub(crate) fn number(opened: &OpenedDatabase, page: &NotionPage) -> Option<u64> {
    page.property(&opened.id.id).and_then(|value| value["number"].as_u64())
}

/// A row as a line names it.
pub(crate) fn row_ref(page: &NotionPage) -> RowRef {
    RowRef { page: page.id.clone(), title: page.title(), url: page.url.clone() }
}

/// The addresses of rows, for a sentence.
pub(crate) fn urls(rows: &[NotionPage]) -> String {
    rows.iter().map(|page| page.url.as_str()).collect::<Vec<_>>().join(", ")
}

/// The keys of a record.
pub(crate) fn of_record(opened: &OpenedDatabase, record: Record, state: &RecordState, context: &Context) -> Traits {
    let (raw, side) = (portal::raw(state), read::portal_side(opened, record, state, context));
    let person = state.as_item().map(NameParts::of_item).unwrap_or_default().spellings();
    let mut traits = Traits::default();
    for (key, property) in opened.database.match_keys() {
        let values: BTreeSet<String> = match &key {
            RowKey::Number => continue,
            RowKey::Title => {
                let titles = state.title().into_iter().chain(person.clone());
                titles.filter_map(|title| key.normal(&title)).collect()
            }
            RowKey::FullName => person.iter().filter_map(|name| key.normal(name)).collect(),
            RowKey::Email | RowKey::Phone => of_multifield(&raw, &key),
            RowKey::Field(field) => match side.fields.get(field).filter(|_| property.is_none()) {
                Some(reading) => of_cell(&reading.cell),
                None => raw.get(field).map(of_raw).unwrap_or_default(),
            },
        };
        traits.add(key.name(), values);
    }
    if let Some(company) = side.fields.get(COMPANY) {
        traits.add(COMPANY, of_cell(&company.cell));
    }
    traits
}

/// The keys of a row.
pub(crate) fn of_page(opened: &OpenedDatabase, page: &NotionPage, context: &Context) -> Traits {
    let link = PageLink::making(&opened.database.name, opened.kind().record(0), jiff::Timestamp::UNIX_EPOCH);
    let side = read::page_side(opened, &link, page, None, context);
    let mut traits = Traits::default();
    for (key, own) in opened.database.match_keys() {
        let own = own.and_then(|name| opened.source.named(&name)).and_then(|property| page.property(&property.id));
        let values: BTreeSet<String> = match (&key, own) {
            (RowKey::Number, _) => continue,
            (_, Some(property)) => of_property(property, &key),
            (RowKey::Title, None) => key.values(&page.title()),
            (RowKey::FullName, None) => full_names(opened, page).iter().filter_map(|name| key.normal(name)).collect(),
            (RowKey::Email, None) => of_type(opened, page, "email", &key),
            (RowKey::Phone, None) => of_type(opened, page, "phone_number", &key),
            (RowKey::Field(field), None) => {
                side.fields.get(field).map(|reading| of_cell(&reading.cell)).unwrap_or_default()
            }
        };
        traits.add(key.name(), values);
    }
    if let Some(company) = side.fields.get(COMPANY) {
        traits.add(COMPANY, of_cell(&company.cell));
    }
    traits
}

/// The full names that a row may mean: the property of the full name, or the title alone and with the last name after
/// it.
fn full_names(opened: &OpenedDatabase, page: &NotionPage) -> Vec<String> {
    let text = |field: &str| {
        let value = page.property(&opened.field(field)?.property.id)?;
        Some(notion::text::plain(&value[value["type"].as_str()?]))
    };
    match text(FULL_NAME) {
        Some(name) => vec![name],
        None => {
            let title = page.title();
            let both = text("lastName").map(|last| format!("{title} {last}"));
            std::iter::once(title).chain(both).collect()
        }
    }
}

/// The values of all properties of a type.
fn of_type(opened: &OpenedDatabase, page: &NotionPage, kind: &str, key: &RowKey) -> BTreeSet<String> {
    let own = opened.source.properties.iter().filter(|property| property.kind == kind);
    own.filter_map(|property| page.property(&property.id)).flat_map(|value| of_property(value, key)).collect()
}

/// Whether a row lost its number because another is the record's: it belongs to no record.
pub(crate) fn is_set_aside(opened: &OpenedDatabase, page: &NotionPage) -> bool {
    let note = opened.note.as_ref().and_then(|note| page.property(&note.id));
    let text = note.map(|note| notion::text::plain(&note["rich_text"])).unwrap_or_default();
    says_set_aside(&text)
}

/// Whether a note says so, in any language. It is the part of the note before the record's name.
fn says_set_aside(note: &str) -> bool {
    let begins =
        |pieces: Vec<Piece<'_, &str>>| matches!(pieces.first(), Some(Piece::Text(text)) if note.starts_with(&**text));
    OLD_NOTES.iter().any(|old| note.starts_with(old))
        || Language::ALL.into_iter().any(|language| {
            begins(language.pieces(&texts::sync::NoteCopy { record: "" }))
                || begins(language.pieces(&texts::sync::NoteDouble { record: "", page: "" }))
        })
}

/// What has to be known to read a row's keys.
pub(crate) async fn page_context(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    page: &NotionPage,
) -> Result<Context, Failure> {
    sync.context(opened, opened.kind().record(0), None, Some(page)).await
}

/// Which row is the record's, before a page is made for an event. `state` has the e-mail addresses if they are keys.
pub(crate) async fn find(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    state: &RecordState,
    context: &Context,
) -> Result<RowMatch, Failure> {
    let traits = of_record(opened, record, state, context);
    let (rows, is_whole) = ask(opened, record, &traits).await?;
    let (mut numbered, mut free) = (Vec::new(), Vec::new());
    for page in rows.into_iter().filter(|page| !page.in_trash) {
        let owner = opened.known_owner(sync.links.owner(opened.tenant(), &page.id).await?);
        match (number(opened, &page), owner) {
            (Some(number), _) if number != record.id() => {}
            (Some(_), Some(owner)) if owner.database != opened.database.name || owner.record != record => {
                return Ok(taken(record, owner.record, page));
            }
            (Some(_), _) => numbered.push(page),
            (None, None) if !is_set_aside(opened, &page) => free.push(page),
            (None, _) => {}
        }
    }
    match numbered.len() {
        0 => {}
        1 => return Ok(numbered.pop().map_or(RowMatch::None, |page| RowMatch::One(Box::new(page), RowKey::Number))),
        _ => return Ok(doubled(opened, record, numbered)),
    }
    let mut all = Vec::new();
    for page in free {
        let context = page_context(sync, opened, &page).await?;
        all.push((of_page(opened, &page, &context), page));
    }
    match best(opened, record, &traits, all) {
        RowMatch::One(page, key) => alone(sync, opened, record, (state, &traits), *page, key).await,
        RowMatch::None if !is_whole => Ok(RowMatch::Refused {
            why: Localized::of(|language| texts::sync::TooManyRows {
                database: opened.database.name.clone(),
                most: MAX_ROWS as u64,
                record: record.title(language),
            }),
            rows: Vec::new(),
        }),
        row => Ok(row),
    }
}

/// The rows that carry a record's number, the oldest first.
pub(crate) async fn with_number(opened: &OpenedDatabase, record: Record) -> Result<Vec<NotionPage>, Failure> {
    let query = json!({
        "filter": {"property": opened.id.id, "number": {"equals": record.id()}},
        "sorts": [{"timestamp": "created_time", "direction": "ascending"}], "page_size": 100,
    });
    let (mut rows, mut cursor) = (Vec::new(), None);
    // A page of an answer may be short, or empty, though more follow.
    for _ in 0..MAX_PAGES {
        let found = opened.notion.query(&opened.source.id, &query, cursor.as_deref()).await?;
        rows.extend(found.items.into_iter().filter(|page| !page.in_trash));
        cursor = found.cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(rows)
}

/// Several rows carry the number of a record that none is linked with.
pub(crate) fn doubled(opened: &OpenedDatabase, record: Record, rows: Vec<NotionPage>) -> RowMatch {
    RowMatch::Refused { why: doubles(opened, record, &rows.iter().map(row_ref).collect::<Vec<_>>()), rows }
}

/// A row carries the number of a record and is linked with another.
pub(crate) fn taken(record: Record, owner: Record, page: NotionPage) -> RowMatch {
    let why = Localized::of(|language| texts::sync::RowOfAnother {
        row: page.url.clone(),
        record: record.title(language),
        owner: owner.title(language),
        number: owner.id().to_string(),
    });
    RowMatch::Refused { why, rows: vec![page] }
}

/// The explanation for rows that carry one number.
pub(crate) fn doubles(opened: &OpenedDatabase, record: Record, rows: &[RowRef]) -> Localized {
    let urls: Vec<_> = rows.iter().map(|row| row.url.as_str()).collect();
    Localized::of(|language| texts::sync::SameNumber {
        count: rows.len() as u64,
        record: record.title(language),
        rows: urls.join(", "),
        database: opened.database.name.clone(),
        key: record.to_string(),
    })
}

/// The row that matches the record by the most reliable key.
pub(crate) fn best(
    opened: &OpenedDatabase,
    record: Record,
    traits: &Traits,
    mut rows: Vec<(Traits, NotionPage)>,
) -> RowMatch {
    let keys = keys(opened);
    for key in &keys {
        let shown: Vec<&Traits> = rows.iter().map(|(traits, _)| traits).collect();
        match pick(key, &keys, traits, &shown) {
            Pick::None => {}
            Pick::One(place) => return RowMatch::One(Box::new(rows.swap_remove(place).1), key.clone()),
            Pick::Several(places) => {
                let rows: Vec<NotionPage> = places.into_iter().map(|place| rows[place].1.clone()).collect();
                return several(opened, record, key, rows);
            }
        }
    }
    RowMatch::None
}

fn several(opened: &OpenedDatabase, record: Record, key: &RowKey, rows: Vec<NotionPage>) -> RowMatch {
    let why = Localized::of(|language| texts::sync::SeveralRows {
        count: rows.len() as u64,
        key: key_name(key, language),
        rows: urls(&rows),
        number: record.id().to_string(),
        property: opened.id.name.clone(),
    });
    RowMatch::Refused { why, rows }
}

fn key_name(key: &RowKey, language: Language) -> String {
    let message = match key {
        RowKey::Number => texts::sync::KEY_NUMBER,
        RowKey::Title => texts::sync::KEY_TITLE,
        RowKey::FullName => texts::sync::KEY_FULL_NAME,
        RowKey::Email => texts::sync::KEY_EMAIL,
        RowKey::Phone => texts::sync::KEY_PHONE,
        RowKey::Field(field) => return field.clone(),
    };
    language.text(message).to_owned()
}

/// Several records match one row.
pub(crate) fn contested(opened: &OpenedDatabase, key: &RowKey, page: NotionPage, records: &[Record]) -> RowMatch {
    let names = |language| records.iter().map(|record| record.title(language)).collect::<Vec<_>>().join(", ");
    let why = Localized::of(|language| texts::sync::SeveralRecords {
        row: page.url.clone(),
        key: key_name(key, language),
        records: names(language),
        property: opened.id.name.clone(),
    });
    RowMatch::Refused { why, rows: vec![page] }
}

/// Queries the row with the record's number, and those without a number that may be the record's. Returns whether the
/// answer is complete.
async fn ask(opened: &OpenedDatabase, record: Record, traits: &Traits) -> Result<(Vec<NotionPage>, bool), Failure> {
    let is_its = json!({"property": opened.id.id, "number": {"equals": record.id()}});
    let is_free = json!({"property": opened.id.id, "number": {"is_empty": true}});
    let query = |filter: &Value| json!({"filter": filter, "sorts": [{"timestamp": "created_time", "direction": "ascending"}], "page_size": 100});
    let source = &opened.source.id;
    // In a database that was backfilled before, hardly any row is without a number.
    let few = opened.notion.query(source, &query(&json!({"or": [is_its, is_free]})), None).await?;
    if few.cursor.is_none() && !few.capped {
        return Ok((few.items, true));
    }
    let mut rows = with_number(opened, record).await?;
    let conditions = conditions(opened, traits);
    if conditions.is_empty() {
        return Ok((rows, true));
    }
    let (filter, mut cursor) = (query(&json!({"and": [is_free, {"or": conditions}]})), None);
    while rows.len() < MAX_ROWS {
        let list = opened.notion.query(source, &filter, cursor.as_deref()).await?;
        rows.extend(list.items);
        cursor = list.cursor;
        if cursor.is_none() {
            return Ok((rows, !list.capped));
        }
    }
    Ok((rows, false))
}

/// The conditions that a row with one of the keys meets, and some others do too: what a filter finds is compared again.
fn conditions(opened: &OpenedDatabase, traits: &Traits) -> Vec<Value> {
    let mut conditions = Vec::new();
    for (key, own) in opened.database.match_keys() {
        let named = own.and_then(|name| opened.source.named(&name));
        let title = || opened.source.title_property();
        let of_type = |kind: &str| opened.source.properties.iter().filter(|own| own.kind == kind).collect();
        let properties: Vec<&notion::Property> = match (&key, named) {
            (RowKey::Number, _) => continue,
            (_, Some(property)) => vec![property],
            (RowKey::Title, None) => title().into_iter().collect(),
            (RowKey::FullName, None) => {
                opened.field(FULL_NAME).map(|field| &field.property).or_else(title).into_iter().collect()
            }
            (RowKey::Email, None) => of_type("email"),
            (RowKey::Phone, None) => of_type("phone_number"),
            (RowKey::Field(field), None) => opened.field(field).map(|field| &field.property).into_iter().collect(),
        };
        let values: Vec<&String> = traits.of(key.name()).collect();
        if values.is_empty() {
            continue;
        }
        for property in properties {
            let is_text = ["title", "rich_text", "email", "url"].contains(&property.kind.as_str());
            if !is_text || key == RowKey::Phone {
                conditions.push(json!({"property": property.id, (property.kind.as_str()): {"is_not_empty": true}}));
                continue;
            }
            for word in values.iter().flat_map(|value| spellings(value)) {
                conditions.push(json!({"property": property.id, (property.kind.as_str()): {"contains": word}}));
            }
        }
    }
    conditions.truncate(MAX_CONDITIONS);
    conditions
}

/// The longest word of a value, in its possible spellings.
fn spellings(value: &str) -> BTreeSet<String> {
    let word = value.split_whitespace().max_by_key(|word| word.chars().count()).unwrap_or(value);
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    [word.to_owned(), word.to_uppercase(), format!("{first}{}", letters.as_str())].into()
}

/// Whether a row that matches a record matches no other: for a title or a name, the portal is asked for another record
/// with the same.
async fn alone(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    (state, traits): (&RecordState, &Traits),
    page: NotionPage,
    key: RowKey,
) -> Result<RowMatch, Failure> {
    let (RecordKind::Items(_), Some(item)) = (opened.kind(), state.as_item()) else {
        return Ok(RowMatch::One(Box::new(page), key));
    };
    let written = |text: Option<&String>, others: Vec<String>| -> BTreeSet<String> {
        let text = text.cloned().unwrap_or_default();
        [text.to_lowercase(), text.to_uppercase(), text].into_iter().chain(others).collect()
    };
    let filter = match (&key, &item.title) {
        (RowKey::Title | RowKey::FullName, None) => {
            json!({"@name": written(item.name.as_ref(), Vec::new()), "@lastName": written(item.last_name.as_ref(), Vec::new())})
        }
        (RowKey::Title, Some(title)) => json!({"@title": written(Some(title), vec![page.title()])}),
        _ => return Ok(RowMatch::One(Box::new(page), key)),
    };
    let listing = Listing { kind: opened.kind(), custom_fields: extra_fields(opened) };
    let others = match listing.first(&opened.bitrix24, &filter).await {
        Ok((others, _)) => others,
        // A portal that cannot filter by it cannot be asked.
        Err(failure) if matches!(failure.class, ErrorClass::Permanent { .. }) => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let mut rivals = vec![(record, traits.clone())];
    for (other, state) in others.into_iter().filter(|(other, _)| *other != record) {
        // A record whose link has only begun may claim the row just as well.
        let link = sync.links.get(opened.tenant(), &opened.database.name, other).await?;
        let is_linked = link.is_some_and(|(link, _)| link.page.is_some());
        if is_linked || left_out(opened, other, &state)?.is_some() {
            continue;
        }
        let context = sync.context(opened, other, Some(&state), None).await?;
        rivals.push((other, of_record(opened, other, &state, &context)));
    }
    let context = page_context(sync, opened, &page).await?;
    Ok(among(opened, record, &key, page, &context, &rivals))
}

/// Whether the row matches this record best of all that may claim it.
pub(crate) fn among(
    opened: &OpenedDatabase,
    record: Record,
    key: &RowKey,
    page: NotionPage,
    context: &Context,
    rivals: &[(Record, Traits)],
) -> RowMatch {
    let own = of_page(opened, &page, context);
    let shown: Vec<&Traits> = rivals.iter().map(|(_, traits)| traits).collect();
    match pick(key, &keys(opened), &own, &shown) {
        Pick::One(place) if rivals[place].0 == record => RowMatch::One(Box::new(page), key.clone()),
        Pick::None | Pick::One(_) => RowMatch::None,
        Pick::Several(places) => {
            let records: Vec<Record> = places.into_iter().map(|place| rivals[place].0).collect();
            contested(opened, key, page, &records)
        }
    }
}

/// The fields to read with records: the synced ones, and e-mail addresses and telephone numbers if they are keys.
pub(crate) fn extra_fields(opened: &OpenedDatabase) -> Vec<String> {
    let mut fields = opened.settings.fields_of(opened.kind());
    if needs_addresses(opened) {
        fields.push("fm".to_owned());
    }
    fields
}

/// Why a record gets no page, if it gets none.
pub(crate) fn left_out(
    opened: &OpenedDatabase,
    record: Record,
    state: &RecordState,
) -> Result<Option<String>, Failure> {
    let Some(when) = &opened.database.when else { return Ok(None) };
    let bad = |error: &dyn std::fmt::Display| {
        Failure::permanent("bad_condition", format!("the condition of database {:?}: {error}", opened.database.name))
    };
    let condition = Condition::parse(when).map_err(|error| bad(&error))?;
    let holds = condition.holds(&Change::whole(record, state.clone())).map_err(|error| bad(&error))?;
    Ok((!holds).then(|| format!("the condition of database {:?} does not hold", opened.database.name)))
}

/// Writes the record's number onto a row.
pub(crate) async fn write_number(opened: &OpenedDatabase, page: &str, record: Record) -> Result<(), Failure> {
    let number = Map::from_iter([(opened.id.id.clone(), json!({"number": record.id()}))]);
    opened.notion.update(page, &number).await.map_err(Failure::repeatable).map(|_| ())
}

/// The fields that a merge changes or leaves different, with both values as people read them.
pub(crate) fn changes(
    opened: &OpenedDatabase,
    merged: &Merged,
    bitrix24: &Sides,
    notion: &Sides,
    context: &Context,
) -> Vec<FieldChange> {
    let change = |key: &str, to: Option<SyncSide>, why: Option<String>| {
        let field = opened.field(key)?;
        let value = |sides: &Sides| {
            sides.fields.get(key).map(|reading| clipped(&shown(field, &reading.cell, context))).unwrap_or_default()
        };
        let property = field.property.name.clone();
        Some(FieldChange { field: key.to_owned(), property, bitrix24: value(bitrix24), notion: value(notion), to, why })
    };
    let to = |side: SyncSide, field: &String| change(field, Some(side), None);
    let apart = |stuck: &Stuck| change(&stuck.field, None, Some(stuck.why.text(opened.settings.language).to_owned()));
    let written = merged.to_bitrix24.keys().map(|field| to(SyncSide::Bitrix24, field));
    let written = written.chain(merged.to_notion.keys().map(|field| to(SyncSide::Notion, field)));
    written.chain(merged.stuck.iter().map(apart)).flatten().collect()
}

/// A value as people read it: options and people by name.
fn shown(field: &MappedField, cell: &Cell, context: &Context) -> String {
    let option = |code: &String| {
        let name = field.portal.options.iter().find(|(known, _)| known == code).map_or("", |(_, name)| name);
        option_name(&field.setting, code, name)
    };
    match cell {
        Cell::Empty => String::new(),
        Cell::Option(code) => option(code),
        Cell::Options(codes) => codes.iter().map(option).collect::<Vec<_>>().join(", "),
        Cell::Users(ids) => {
            let name = |id: &u64| context.names.user(Some(*id)).map_or_else(|| format!("user {id}"), str::to_owned);
            ids.iter().map(name).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_set_aside_is_known_by_its_note_in_every_language() {
        for language in Language::ALL {
            let record = Record::Task(7).title(language);
            let page = "https://www.notion.so/7".to_owned();
            assert!(says_set_aside(&language.text(texts::sync::NoteCopy { record: record.clone() })));
            assert!(says_set_aside(&language.text(texts::sync::NoteDouble { record: record.clone(), page })));
            assert!(!says_set_aside(&language.text(texts::sync::NoteUnknown { record })));
        }
        assert!(says_set_aside("A double of deal 7, whose page is https://www.notion.so/7."));
        assert!(!says_set_aside(""));
    }

    #[test]
    fn each_key_has_a_name_in_the_readers_language() {
        let keys = [RowKey::Number, RowKey::Title, RowKey::FullName, RowKey::Email, RowKey::Phone];
        let names = locale::in_pseudo(|| keys.map(|key| key_name(&key, Language::En)));
        for name in &names {
            locale::assert_from_the_catalogues(name);
        }
    }
}
