//! The form of one synced database: which records have a row, and which field goes with which property. It edits the
//! settings; nothing is read from or written to Notion here.

use std::collections::BTreeMap;

use clients::Failure;
use locale::{Fixed, Language, texts};
use maud::{Markup, html};
use notion_sync::database::KnownDatabase;
use settings::Settings;
use settings::databases::Master;
use settings::databases::{DatabaseSettings, FieldSetting, First, Gone, MatchProperty, MatchSetting, Mirrored};
use web::components::wide;
use web::language::rich;
use web::page::Form;

use crate::page::{Page, heads, missing, token, under};
use crate::settings_form::{
    Saved, back_to, choice, choices, filled, marked, named, problems, save as save_settings, stale, word,
};
use crate::{PageAnswer, Visit};

/// Empty rows below the mappings.
const MORE_ROWS: usize = 4;
/// The most rows that are read.
const MAX_ROWS: usize = 100;

type Choices<const N: usize> = [(&'static str, Fixed); N];

const RECORDS: Choices<5> = [
    ("deal", texts::records::DEALS),
    ("task", texts::records::TASKS),
    ("lead", texts::records::LEADS),
    ("contact", texts::records::CONTACTS),
    ("company", texts::records::COMPANIES),
];
const MASTERS: Choices<5> = [
    ("last_write_wins", texts::configuration::LATER_WINS),
    ("bitrix24", texts::configuration::BITRIX24_WINS),
    ("notion", texts::configuration::NOTION_WINS),
    ("bitrix24_only", texts::configuration::ONLY_BITRIX24),
    ("notion_only", texts::configuration::ONLY_NOTION),
];
const FIRSTS: Choices<3> = [
    ("bitrix24", texts::configuration::FIRST_BITRIX24),
    ("notion", texts::configuration::FIRST_NOTION),
    ("ask", texts::configuration::FIRST_ASK),
];
const GONE: Choices<4> = [
    ("mark", texts::configuration::GONE_MARK),
    ("keep", texts::configuration::GONE_KEEP),
    ("delete", texts::configuration::GONE_DELETE),
    ("restore", texts::configuration::GONE_RESTORE),
];

fn in_language<const N: usize>(language: Language, choices: Choices<N>) -> [(&'static str, &'static str); N] {
    choices.map(|(value, words)| (value, language.text(words)))
}

/// The name of the records that a database has rows of: Deals.
pub(crate) fn records_name(language: Language, records: Mirrored) -> &'static str {
    let name = word(&records);
    RECORDS.iter().find(|(value, _)| *value == name).map_or("", |(_, words)| language.text(*words))
}

pub(crate) async fn edit(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let name = query.get("database");
    let database = if name.is_empty() {
        DatabaseSettings::new("", "", Mirrored::Deal)
    } else {
        match visit.settings.notion.named(name) {
            Some(database) => database.clone(),
            None => return Ok(missing(visit, visit.language.text(texts::configuration::DATABASE_IS_GONE))),
        }
    };
    page(visit, name, &database, &html! {}).await
}

/// The form of the database that the settings call `replaces`; of a new one if that is empty.
async fn page(
    visit: &Visit<'_>,
    replaces: &str,
    database: &DatabaseSettings,
    said: &Markup,
) -> Result<PageAnswer, Failure> {
    let language = visit.language;
    let known = visit.deps.mirror.stored(&visit.id, replaces).await?;
    let title = if replaces.is_empty() {
        language.text(texts::configuration::NEW_DATABASE).to_owned()
    } else {
        language.text(texts::configuration::TheDatabase { database: replaces })
    };
    let body = html! {
        (said)
        form method="post" action="/admin/notion/save" {
            (token(visit)) (marked(visit))
            input type="hidden" name="of" value=(replaces);
            (database_fields(language, database))
            (field_table(language, database, known.as_ref()))
            p.buttons {
                button.main { (language.text(texts::configuration::SAVE)) } " "
                a href="/admin/notion" { (language.text(texts::pages::CANCEL)) }
            }
        }
        @if !replaces.is_empty() {
            details {
                summary { (language.text(texts::configuration::FORGET_DATABASE)) }
                p { (language.text(texts::configuration::FORGET_HELP)) }
                form method="post" action="/admin/notion/forget" {
                    (token(visit)) (marked(visit)) input type="hidden" name="database" value=(replaces);
                    button { (language.text(texts::configuration::REMOVE_FROM_SETTINGS)) }
                }
            }
        }
    };
    Ok(PageAnswer::Page(under(visit, Page::Notion, &title, "", &body)))
}

fn database_fields(language: Language, database: &DatabaseSettings) -> Markup {
    let firsts = in_language(language, FIRSTS);
    let gone = in_language(language, GONE);
    let (deleted, trashed) = (word(&database.deleted_records), word(&database.trashed_pages));
    let example = html! { code { (language.text(texts::configuration::EXAMPLE_KEY)) } };
    html! {
        label for="name" { (language.text(texts::configuration::NAME)) }
        input id="name" name="name" value=(database.name) required maxlength="60" placeholder="Projects";
        label for="database" { (language.text(texts::configuration::DATABASE_ADDRESS)) }
        input id="database" name="database" value=(database.database) required placeholder="https://www.notion.so/…";
        (choice("records", language.text(texts::configuration::ROWS_ARE), &word(&database.records), &in_language(language, RECORDS)))
        label for="when" { (language.text(texts::configuration::RECORDS_WHEN)) }
        input id="when" name="when" value=(database.when.as_deref().unwrap_or_default()) placeholder="record.stageSemanticId == \"S\"";
        label.tick {
            input type="checkbox" name="create_properties" value="yes" checked[database.create_properties];
            " " (language.text(texts::configuration::CREATE_PROPERTIES))
        }
        label for="match" { (language.text(texts::configuration::MATCH_BY)) }
        input id="match" name="match" value=(keys_text(database)) placeholder=(language.text(texts::configuration::EXAMPLE_KEYS));
        p.hint { (rich(language, &texts::configuration::MatchHelp { example })) }
        (choice("first", language.text(texts::configuration::FIRST_VALUE), &word(&database.first), &firsts))
        (choice("deleted_records", language.text(texts::configuration::RECORD_DELETED), &deleted, &gone))
        (choice("trashed_pages", language.text(texts::configuration::PAGE_TRASHED), &trashed, &gone))
    }
}

/// Which field is synced with which property.
fn field_table(language: Language, database: &DatabaseSettings, known: Option<&KnownDatabase>) -> Markup {
    let is_usual = database.fields.is_none();
    let is_blank = database.name.is_empty() && is_usual;
    let mappings = if is_blank { Vec::new() } else { database.mappings() };
    let columns = COLUMNS.map(|name| language.text(name));
    let help = texts::configuration::RowsHelp {
        settings: html! { a href="/admin/settings" { (Page::Settings.title(language)) } },
        key: html! { code { "page" } },
    };
    let table = html! {
        table.form {
            (heads(&columns))
            tbody {
                @for (index, mapping) in mappings.iter().enumerate() { (row(language, index, Some(mapping))) }
                @for index in mappings.len()..mappings.len() + MORE_ROWS { (row(language, index, None)) }
            }
        }
    };
    html! {
        h2 { (language.text(texts::configuration::FIELDS)) }
        label.tick {
            input type="checkbox" name="usual" value="yes" checked[is_usual];
            " " (language.text(texts::configuration::USUAL_FIELDS))
        }
        (lists(known))
        (wide(language.text(texts::configuration::FIELDS), &table))
        p.hint { (rich(language, &help)) }
    }
}

/// The columns of the mappings.
const COLUMNS: [Fixed; 6] = [
    texts::configuration::FIELD_IN_BITRIX24,
    texts::configuration::PROPERTY_IN_NOTION,
    texts::configuration::WHICH_VALUE_WINS,
    texts::configuration::VALUES,
    texts::configuration::TYPE_IF_CREATED,
    texts::configuration::OPTIONS,
];

/// The known fields and properties of both sides, to choose from.
fn lists(known: Option<&KnownDatabase>) -> Markup {
    html! {
        @if let Some(known) = known {
            datalist id="portal-fields" { @for field in &known.portal { option value=(field.name) {} } }
            datalist id="notion-properties" { @for property in known.source.iter().flat_map(|source| &source.properties) { option value=(property.name) {} } }
        }
    }
}

fn row(language: Language, index: usize, mapping: Option<&FieldSetting>) -> Markup {
    let name = |part: &str| format!("{part}.{index}");
    let columns = COLUMNS.map(|column| language.text(column));
    let labels =
        columns.map(|column| language.text(texts::configuration::ColumnOfRow { column, row: index as u64 + 1 }));
    let values = mapping.map(|mapping| {
        let pairs = mapping.values.iter().map(|(code, name)| format!("{code} = {name}"));
        pairs.collect::<Vec<_>>().join("; ")
    });
    let master = mapping.map_or_else(|| word(&Master::default()), |mapping| word(&mapping.master));
    let (field, property) = mapping.map_or(("", ""), |mapping| (&mapping.field, &mapping.property));
    let text = |mapped: Option<&String>| mapped.cloned().unwrap_or_default();
    html! {
        tr {
            td data-label=(columns[0]) { input name=(name("field")) aria-label=(labels[0]) list="portal-fields" value=(field); }
            td data-label=(columns[1]) { input name=(name("property")) aria-label=(labels[1]) list="notion-properties" value=(property); }
            td data-label=(columns[2]) {
                select name=(name("master")) aria-label=(labels[2]) { (choices(&master, &in_language(language, MASTERS))) }
            }
            td data-label=(columns[3]) { input name=(name("values")) aria-label=(labels[3]) value=(values.unwrap_or_default()); }
            td data-label=(columns[4]) {
                input.short name=(name("type")) aria-label=(labels[4]) value=(text(mapping.and_then(|mapping| mapping.kind.as_ref())));
            }
            td data-label=(columns[5]) {
                label.tick {
                    input type="checkbox" name=(name("create_options")) value="yes" checked[mapping.is_some_and(|mapping| mapping.create_options)];
                    " " (language.text(texts::configuration::CREATE_OPTIONS))
                }
                input type="hidden" name=(name("unmapped")) value=(text(mapping.and_then(|mapping| mapping.unmapped.as_ref())));
            }
        }
    }
}

/// The database that a form describes; `before` keeps what the form does not show.
fn of_form(form: &Form, before: Option<&DatabaseSettings>) -> DatabaseSettings {
    let mut fields = Vec::new();
    for index in 0..MAX_ROWS {
        let part = |part: &str| form.get(&format!("{part}.{index}")).to_owned();
        let field = part("field");
        if field.is_empty() {
            continue;
        }
        fields.push(FieldSetting {
            kind: filled(&part("type")),
            master: named(&part("master")).unwrap_or_default(),
            values: pairs(&part("values")),
            create_options: !part("create_options").is_empty(),
            unmapped: filled(&part("unmapped")),
            ..FieldSetting::new(&field, &part("property"))
        });
    }
    let records = named(form.get("records")).unwrap_or(Mirrored::Deal);
    let usual = !form.get("usual").is_empty() || fields.is_empty();
    DatabaseSettings {
        when: filled(form.get("when")),
        fields: (!usual).then_some(fields),
        keys: keys_of(form.get("match")),
        first: named::<First>(form.get("first")).unwrap_or_default(),
        page: before.and_then(|before| before.page.clone()),
        create_properties: !form.get("create_properties").is_empty(),
        deleted_records: named::<Gone>(form.get("deleted_records")).unwrap_or_default(),
        trashed_pages: named::<Gone>(form.get("trashed_pages")).unwrap_or_default(),
        ..DatabaseSettings::new(form.get("name"), form.get("database"), records)
    }
}

/// `number, email, ufCrm_1714 = Client code`.
fn keys_text(database: &DatabaseSettings) -> String {
    let key = |setting: &MatchSetting| match setting.property() {
        Some(property) => format!("{} = {property}", setting.key()),
        None => setting.key().to_owned(),
    };
    database.keys.iter().flatten().map(key).collect::<Vec<_>>().join(", ")
}

/// The opposite direction; nothing for the usual keys.
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

pub(crate) async fn save(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let replaces = form.get("of");
    let mut after = Settings::clone(&visit.settings);
    let databases = &mut after.notion.databases;
    let index = databases.iter().position(|known| !replaces.is_empty() && known.name == replaces);
    let database = of_form(form, index.map(|index| &databases[index]));
    match index {
        Some(index) => databases[index] = database.clone(),
        None => databases.push(database.clone()),
    }
    let what = if index.is_some() { "database changed" } else { "database added" };
    match save_settings(visit, form.get("seen"), what, &database.name, after).await? {
        Saved::Stale => page(visit, replaces, &database, &stale(visit)).await,
        Saved::Wrong(wrong) => page(visit, replaces, &database, &problems(visit, &wrong)).await,
        saved => {
            let done = texts::configuration::DatabaseIsSaved { database: &database.name };
            Ok(back_to(visit, "/notion", saved, visit.language.text(done)))
        }
    }
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let name = form.get("database");
    let mut after: Settings = Settings::clone(&visit.settings);
    after.notion.databases.retain(|database| database.name != name);
    let saved = save_settings(visit, form.get("seen"), "database taken out", name, after).await?;
    let done = visit.language.text(texts::configuration::DatabaseIsForgotten { database: name });
    Ok(back_to(visit, "/notion", saved, done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_the_database_that_it_was_made_of() {
        let before: DatabaseSettings = serde_json::from_value(serde_json::json!({
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
        for (index, mapping) in before.mappings().iter().enumerate() {
            let markup = row(Language::En, index, Some(mapping)).into_string();
            assert!(markup.contains(&mapping.property), "{markup}");
            let pairs: Vec<_> = mapping.values.iter().map(|(code, name)| format!("{code} = {name}")).collect();
            let mut add = |part: &str, value: String| fields.push((format!("{part}.{index}"), value));
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
