//! The form of one synced database: which records have a row, and which field goes with which property. It edits the
//! settings; nothing is read from or written to Notion here.

use std::collections::BTreeMap;

use clients::Failure;
use maud::{Markup, html};
use notion_sync::database::Known;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use settings::Settings;
use settings::databases::Master;
use settings::databases::{Database, FieldSetting, First, Gone, MatchProperty, MatchSetting, Mirrored};
use web::page::Form;

use crate::page::{Page, heads, missing, token, under};
use crate::settings_form::{STALE, Saved, marked, problems, save as save_settings};
use crate::{Answer, Visit};

/// Empty rows below the mappings.
const MORE_ROWS: usize = 4;
/// Rows that are read.
const MAX_ROWS: usize = 100;

const RECORDS: [(&str, &str); 5] =
    [("deal", "deals"), ("task", "tasks"), ("lead", "leads"), ("contact", "contacts"), ("company", "companies")];
const MASTERS: [(&str, &str); 5] = [
    ("last_write_wins", "both ways, the later edit counts"),
    ("bitrix24", "both ways, Bitrix24 counts"),
    ("notion", "both ways, Notion counts"),
    ("bitrix24_only", "from Bitrix24 only"),
    ("notion_only", "from Notion only"),
];
const FIRSTS: [(&str, &str); 3] = [
    ("bitrix24", "the value of Bitrix24 counts"),
    ("notion", "the value of Notion counts"),
    ("ask", "both stay until someone decides"),
];
const GONE: [(&str, &str); 4] = [
    ("mark", "the other stays and says so"),
    ("keep", "the other stays"),
    ("delete", "the other goes too"),
    ("restore", "it is brought back"),
];

fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn named<T: DeserializeOwned + Default>(word: &str) -> T {
    serde_json::from_value(Value::from(word)).unwrap_or_default()
}

fn choice(name: &str, label: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        label for=(name) { (label) }
        select id=(name) name=(name) { @for (value, words) in options { option value=(value) selected[*value == chosen] { (words) } } }
    }
}

pub(crate) async fn edit(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let name = query.get("database");
    let database = if name.is_empty() {
        Database::new("", "", Mirrored::Deal)
    } else {
        match visit.settings.notion.named(name) {
            Some(database) => database.clone(),
            None => return Ok(missing(visit, "The settings have no such database any more.")),
        }
    };
    page(visit, name, &database, &html! {}).await
}

async fn page(visit: &Visit<'_>, of: &str, database: &Database, said: &Markup) -> Result<Answer, Failure> {
    let known = visit.deps.mirror.stored(&visit.id, of).await?;
    let title = if of.is_empty() { "New database".to_owned() } else { format!("Database: {of}") };
    let is_usual = database.fields.is_none();
    let body = html! {
        (said)
        form method="post" action="/admin/notion/save" {
            (token(visit)) (marked(visit))
            input type="hidden" name="of" value=(of);
            label for="name" { "Name" } input id="name" name="name" value=(database.name) required maxlength="60" placeholder="Projects";
            label for="database" { "Address in Notion" } input id="database" name="database" value=(database.database) required placeholder="https://www.notion.so/…";
            (choice("records", "Its rows are", &word(&database.records), &RECORDS))
            label for="when" { "Only records for which this holds (CEL)" } input id="when" name="when" value=(database.when.as_deref().unwrap_or_default()) placeholder="record.stageSemanticId == \"S\"";
            label.tick { input type="checkbox" name="create_properties" value="yes" checked[database.create_properties]; " Make properties that are missing, the first time" }
            label for="match" { "Existing rows are matched by (keys, the surest first)" }
            input id="match" name="match" value=(keys_text(database)) placeholder="number, email, ufCrm_1714 = Client code";
            p.hint { "Empty: the number, then the title; of contacts the number, e-mail, phone and full name. " code { "key = property" } " names the property that holds a key." }
            (choice("first", "When a record and a row are linked and both have a value", &word(&database.first), &FIRSTS))
            (choice("deleted_records", "When a record is deleted", &word(&database.deleted_records), &GONE))
            (choice("trashed_pages", "When a page goes into the trash", &word(&database.trashed_pages), &GONE))
            h2 { "Fields" }
            label.tick { input type="checkbox" name="usual" value="yes" checked[is_usual]; " The usual fields of its records, as below; what is changed below counts once this is not ticked" }
            (lists(known.as_ref()))
            div.wide tabindex="0" role="region" aria-label="Fields" {
                table.form {
                    (heads(&["Field in Bitrix24", "Property in Notion", "Whose value counts", "Values (code = name; …)", "Type, if made", "Options"]))
                    tbody {
                        @let mappings = if database.name.is_empty() && of.is_empty() && is_usual { Vec::new() } else { database.mappings() };
                        @for (place, mapping) in mappings.iter().enumerate() { (row(place, Some(mapping))) }
                        @for place in mappings.len()..mappings.len() + MORE_ROWS { (row(place, None)) }
                    }
                }
            }
            p.hint { "A row without a field is left out. The body of new pages is set in the document (" a href="/admin/settings" { "Settings" } ", under " code { "page" } ")." }
            p.buttons { button.main { "Save" } " " a href="/admin/notion" { "Leave it as it is" } }
        }
        @if !of.is_empty() {
            details {
                summary { "Stop keeping this database alike" }
                p { "Pages and records stay as they are on both sides; what is known of their pairs is kept, so that it can be taken up again." }
                form method="post" action="/admin/notion/forget" { (token(visit)) (marked(visit)) input type="hidden" name="database" value=(of); button { "Take it out of the settings" } }
            }
        }
    };
    Ok(Answer::Page(under(visit, Page::Notion, &title, "", &body)))
}

/// What is known of both sides, to choose from.
fn lists(known: Option<&Known>) -> Markup {
    html! {
        @if let Some(known) = known {
            datalist id="portal-fields" { @for field in &known.portal { option value=(field.name) {} } }
            datalist id="notion-properties" { @for property in known.source.iter().flat_map(|source| &source.properties) { option value=(property.name) {} } }
        }
    }
}

fn row(place: usize, mapping: Option<&FieldSetting>) -> Markup {
    let name = |part: &str| format!("{part}.{place}");
    let label = |what: &str| format!("{what}, row {}", place + 1);
    let values = mapping.map(|mapping| {
        let pairs = mapping.values.iter().map(|(code, name)| format!("{code} = {name}"));
        pairs.collect::<Vec<_>>().join("; ")
    });
    let master = mapping.map_or_else(|| word(&Master::default()), |mapping| word(&mapping.master));
    html! {
        tr {
            td data-label="Field" { input name=(name("field")) aria-label=(label("Field")) list="portal-fields" value=(mapping.map_or("", |mapping| mapping.field.as_str())); }
            td data-label="Property" { input name=(name("property")) aria-label=(label("Property")) list="notion-properties" value=(mapping.map_or("", |mapping| mapping.property.as_str())); }
            td data-label="Counts" { select name=(name("master")) aria-label=(label("Whose value counts")) { @for (value, words) in MASTERS { option value=(value) selected[value == master] { (words) } } } }
            td data-label="Values" { input name=(name("values")) aria-label=(label("Values")) value=(values.unwrap_or_default()); }
            td data-label="Type" { input.short name=(name("type")) aria-label=(label("Type")) value=(mapping.and_then(|mapping| mapping.kind.as_deref()).unwrap_or_default()); }
            td data-label="Options" {
                label.tick { input type="checkbox" name=(name("create_options")) value="yes" checked[mapping.is_some_and(|mapping| mapping.create_options)]; " make missing ones" }
                input type="hidden" name=(name("unmapped")) value=(mapping.and_then(|mapping| mapping.unmapped.as_deref()).unwrap_or_default());
            }
        }
    }
}

/// The database of a form; `before` keeps what the form does not show.
fn of_form(form: &Form, before: Option<&Database>) -> Database {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut fields = Vec::new();
    for place in 0..MAX_ROWS {
        let part = |part: &str| form.get(&format!("{part}.{place}")).to_owned();
        let field = part("field");
        if field.is_empty() {
            continue;
        }
        fields.push(FieldSetting {
            kind: some(&part("type")),
            master: named(&part("master")),
            values: pairs(&part("values")),
            create_options: !part("create_options").is_empty(),
            unmapped: some(&part("unmapped")),
            ..FieldSetting::new(&field, &part("property"))
        });
    }
    let records = serde_json::from_value(Value::from(form.get("records"))).unwrap_or(Mirrored::Deal);
    let usual = !form.get("usual").is_empty() || fields.is_empty();
    Database {
        when: some(form.get("when")),
        fields: (!usual).then_some(fields),
        keys: keys_of(form.get("match")),
        first: named::<First>(form.get("first")),
        page: before.and_then(|before| before.page.clone()),
        create_properties: !form.get("create_properties").is_empty(),
        deleted_records: named::<Gone>(form.get("deleted_records")),
        trashed_pages: named::<Gone>(form.get("trashed_pages")),
        ..Database::new(form.get("name"), form.get("database"), records)
    }
}

/// `number, email, ufCrm_1714 = Client code`.
fn keys_text(database: &Database) -> String {
    let key = |setting: &MatchSetting| match setting.property() {
        Some(property) => format!("{} = {property}", setting.key()),
        None => setting.key().to_owned(),
    };
    database.keys.iter().flatten().map(key).collect::<Vec<_>>().join(", ")
}

/// The other way round; nothing for the usual keys.
fn keys_of(text: &str) -> Option<Vec<MatchSetting>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let keys: Vec<_> = parts
        .map(|part| match part.split_once('=') {
            Some((key, property)) => MatchSetting::Property(MatchProperty {
                key: key.trim().to_owned(),
                property: property.trim().to_owned(),
            }),
            None => MatchSetting::Key(part.to_owned()),
        })
        .collect();
    (!keys.is_empty()).then_some(keys)
}

/// `C1:NEW = Fresh; C1:WON = Won`.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(code, name)| (code.trim().to_owned(), name.trim().to_owned()))
        .filter(|(code, _)| !code.is_empty())
        .collect()
}

pub(crate) async fn save(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let of = form.get("of");
    let mut after = Settings::clone(&visit.settings);
    let place = after.notion.databases.iter().position(|own| !of.is_empty() && own.name == of);
    let database = of_form(form, place.map(|place| &after.notion.databases[place]));
    match place {
        Some(place) => after.notion.databases[place] = database.clone(),
        None => after.notion.databases.push(database.clone()),
    }
    let what = if place.is_some() { "database changed" } else { "database added" };
    match save_settings(visit, form.get("seen"), what, &database.name, after).await? {
        Saved::Done => Ok(Answer::to(
            "/notion",
            format!("{} is saved. Plan a backfill to see what it would do with what is there.", database.name),
        )),
        Saved::Same => Ok(Answer::to("/notion", "Nothing changed.")),
        Saved::Stale => page(visit, of, &database, &html! { p.problem role="alert" { (STALE) } }).await,
        Saved::Wrong(wrong) => page(visit, of, &database, &problems(&wrong)).await,
    }
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let name = form.get("database");
    let mut after: Settings = Settings::clone(&visit.settings);
    after.notion.databases.retain(|database| database.name != name);
    Ok(match save_settings(visit, form.get("seen"), "database taken out", name, after).await? {
        Saved::Done => Answer::to("/notion", format!("{name} is no longer synced.")),
        Saved::Same => Answer::to("/notion", "Nothing changed."),
        Saved::Stale => Answer::to("/notion", STALE),
        Saved::Wrong(wrong) => Answer::to("/notion", wrong.first().map(ToString::to_string).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_the_database_that_it_was_made_of() {
        let before: Database = serde_json::from_value(serde_json::json!({
            "name": "Deals", "database": "https://www.notion.so/0123456789abcdef0123456789abcdef", "records": "deal",
            "match": ["number", {"key": "ufCrm_1", "property": "Client code"}, "title"], "first": "ask",
            "when": "record.id > 1", "deleted_records": "delete", "page": [{"heading": "x"}],
            "fields": [
                {"field": "title", "property": "Name", "master": "bitrix24"},
                {"field": "stageId", "property": "Stage", "values": {"C1:NEW": "Fresh", "C1:WON": "Won"}, "create_options": true},
                {"field": "assignedById", "property": "Who", "unmapped": "Other"},
            ],
        }))
        .unwrap_or_else(|error| unreachable!("{error}"));
        let mut fields = vec![
            ("name".to_owned(), before.name.clone()),
            ("database".into(), before.database.clone()),
            ("records".into(), "deal".into()),
            ("when".into(), "record.id > 1".into()),
            ("match".into(), keys_text(&before)),
            ("first".into(), "ask".into()),
            ("create_properties".into(), "yes".into()),
            ("deleted_records".into(), "delete".into()),
            ("trashed_pages".into(), "mark".into()),
        ];
        for (place, mapping) in before.mappings().iter().enumerate() {
            let markup = row(place, Some(mapping)).into_string();
            assert!(markup.contains(&mapping.property), "{markup}");
            let pairs: Vec<_> = mapping.values.iter().map(|(code, name)| format!("{code} = {name}")).collect();
            let mut add = |part: &str, value: String| fields.push((format!("{part}.{place}"), value));
            add("field", mapping.field.clone());
            add("property", mapping.property.clone());
            add("master", word(&mapping.master));
            add("values", pairs.join("; "));
            add("unmapped", mapping.unmapped.clone().unwrap_or_default());
            if mapping.create_options {
                add("create_options", "yes".into());
            }
        }
        assert_eq!(of_form(&Form::of_fields(fields), Some(&before)), before);
    }
}
