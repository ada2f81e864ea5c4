//! Which field goes with which property: the settings compared with the portal's fields and the database's schema.

use std::collections::BTreeMap;

use locale::{Localized, texts};
use notion::{DataSource, Property};
use records::record::RecordKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use settings::databases::{DatabaseSettings, FieldSetting, Mirrored};

use super::full_name::FULL_NAME;
use super::merge::Master;
use super::portal_field::{PortalField, PortalKind};
use super::table;
use super::table::Conversion;

/// The property with the record's number. By it a page is found whose creation was not recorded.
pub const ID_PROPERTY: &str = "Bitrix24 ID";
/// The property that says what happened to the record.
pub const NOTE_PROPERTY: &str = "Bitrix24";

/// The longest name of an option, in UTF-16 units. <https://developers.notion.com/reference/request-limits>
const MAX_OPTION_NAME: usize = 100;

/// A field and its property, ready to be read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedField {
    /// The portal's side.
    pub portal: PortalField,
    /// Notion's side.
    pub property: Property,
    /// What the settings say.
    pub setting: FieldSetting,
    /// How well they go together.
    pub fit: Fit,
    /// The property for the names of people without an account in Notion.
    pub unmapped: Option<Property>,
    /// The property's options by the portal's codes, as they are known by their ids.
    pub options: BTreeMap<String, String>,
}

/// How well a field and a property go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Values go both ways.
    TwoWay,
    /// The property shows the field as text, or as links, and cannot be read back.
    Shown,
}

impl MappedField {
    /// Its name in bases and logs: the portal's.
    pub fn key(&self) -> &str {
        &self.portal.name
    }

    /// Whose value counts; what cannot go both ways goes one way.
    pub fn master(&self) -> Master {
        if self.fit == Fit::Shown || self.portal.read_only { Master::Bitrix24Only } else { self.setting.master }
    }
}

/// A mapping's property as it was when it was first used. From then on it is known by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownProperty {
    /// The property's id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its options by the portal's codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, KnownOption>,
}

/// The option of a value of the portal. It is known by its id from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownOption {
    /// The option's id.
    pub id: String,
    /// Its name when it was first used, from the portal or the settings.
    pub name: String,
}

/// A mapping that pauses, while the others go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingTrouble {
    pub field: String,
    /// What is wrong, and what to do.
    pub text: Localized,
}

/// The settings resolved against both schemas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// The mappings that work.
    pub fields: Vec<MappedField>,
    /// The number's property.
    pub id: Option<Property>,
    pub note: Option<Property>,
    /// The mappings that pause.
    pub troubles: Vec<MappingTrouble>,
    /// Differences from the settings that do no harm: a renamed property.
    pub notices: Vec<MappingTrouble>,
    /// The properties to create, as a change of the schema.
    pub missing: Map<String, Value>,
    /// What is known of the properties now.
    pub known: BTreeMap<String, KnownProperty>,
}

/// Resolves the settings against both schemas. `known` is from the last time; `targets` are the data sources that
/// relations can lead to.
pub fn resolve(
    database: &DatabaseSettings,
    portal: &[PortalField],
    source: &DataSource,
    known: &BTreeMap<String, KnownProperty>,
    targets: &BTreeMap<RecordKind, String>,
) -> Resolved {
    let mut resolved = Resolved::default();
    for mut setting in database.mappings() {
        let name = setting.field.clone();
        let trouble = |text: Localized| MappingTrouble { field: name.clone(), text };
        let Some(mut field) = find(portal, &setting, database) else {
            let text = texts::sync::NoSuchField { field: &setting.field, database: &database.name };
            resolved.troubles.push(trouble(Localized::of(|_| text)));
            continue;
        };
        let wanted = wanted_type(&field, &setting, targets);
        let property = match check_field(source, &setting, &field, known.get(&name), &database.name) {
            FieldCheck::Found(property) => property.clone(),
            FieldCheck::Renamed(property) => {
                let text = texts::sync::PropertyRenamed {
                    property: &setting.property,
                    database: &database.name,
                    name: &property.name,
                };
                resolved.notices.push(trouble(Localized::of(|_| text)));
                property.clone()
            }
            FieldCheck::Missing if database.create_properties && fit(&field, &wanted).is_some() => {
                resolved.missing.insert(
                    setting.property.clone(),
                    making(&field, &setting, &wanted, database.records.kind(), targets),
                );
                continue;
            }
            FieldCheck::Missing => {
                resolved.troubles.push(trouble(match table::entry(&field, &wanted) {
                    Conversion::Refused(reason) => Localized::of(|language| texts::sync::TypeDoesNotFit {
                        field: setting.field.as_str(),
                        wanted: &wanted,
                        reason: reason.words(language),
                        usual: table::usual(&field),
                        property: &setting.property,
                        database: &database.name,
                    }),
                    _ => Localized::of(|_| texts::sync::NoSuchProperty {
                        database: database.name.as_str(),
                        property: &setting.property,
                        wanted: &wanted,
                    }),
                }));
                continue;
            }
            FieldCheck::Broken(text) => {
                // A known property stays known: if it comes back, the mapping continues.
                resolved.known.extend(known.get(&name).map(|known| (name.clone(), known.clone())));
                resolved.troubles.push(trouble(text));
                continue;
            }
        };
        let fit = match table::entry(&field, &property.kind) {
            Conversion::TwoWay(codec) => {
                field.codec = Some(codec);
                Fit::TwoWay
            }
            Conversion::Shown => Fit::Shown,
            Conversion::Refused(reason) => {
                resolved.troubles.push(trouble(Localized::of(|language| texts::sync::PropertyDoesNotFit {
                    field: setting.field.as_str(),
                    property: &property.name,
                    database: &database.name,
                    kind: &property.kind,
                    reason: reason.words(language),
                    usual: table::usual(&field),
                })));
                continue;
            }
        };
        let unmapped = setting.unmapped.as_deref().filter(|_| property.kind == "people");
        let unmapped = match unmapped {
            None => None,
            Some(name) => {
                let found = source.named(name).filter(|property| property.kind == "rich_text").cloned();
                if found.is_none()
                    && source.named(name).is_none()
                    && database.create_properties
                    && !known.contains_key(&setting.field)
                {
                    resolved.missing.insert(name.to_owned(), json!({"rich_text": {}}));
                }
                found
            }
        };
        let renamed = known.get(&name).filter(|known| known.id == property.id);
        let options = known_options(&field, &mut setting, &property, renamed);
        resolved.notices.extend(options.notices.into_iter().map(trouble));
        let ids = options.known.iter().map(|(code, option)| (code.clone(), option.id.clone())).collect();
        let known = KnownProperty { id: property.id.clone(), kind: property.kind.clone(), options: options.known };
        resolved.known.insert(name.clone(), known);
        resolved.fields.push(MappedField { portal: field, property, setting, fit, unmapped, options: ids });
    }
    for (name, kind) in [(ID_PROPERTY, "number"), (NOTE_PROPERTY, "rich_text")] {
        let found = source.named(name).filter(|property| property.kind == kind).cloned();
        if found.is_none() {
            if source.named(name).is_none() {
                resolved.missing.insert(name.to_owned(), json!({kind: {}}));
            } else {
                let text = texts::sync::PropertyOfWrongType { property: name, database: &database.name, kind };
                resolved.troubles.push(MappingTrouble { field: name.into(), text: Localized::of(|_| text) });
            }
        }
        if name == ID_PROPERTY {
            resolved.id = found;
        } else {
            resolved.note = found;
        }
    }
    resolved
}

/// What is known of the options of a property.
struct Options {
    known: BTreeMap<String, KnownOption>,
    notices: Vec<Localized>,
}

/// The options that stand for the portal's values. An option that was renamed in Notion is known by its id, and the
/// value has the new name from then on.
fn known_options(
    field: &PortalField,
    setting: &mut FieldSetting,
    property: &Property,
    before: Option<&KnownProperty>,
) -> Options {
    let mut options = Options { known: BTreeMap::new(), notices: Vec::new() };
    for (code, name) in &field.options {
        let wanted = option_name(setting, code, name);
        let was = before.and_then(|known| known.options.get(code)).filter(|was| was.name == wanted);
        let renamed = was.and_then(|was| property.options.iter().find(|option| option.id == was.id));
        if let Some(option) = renamed.filter(|option| !is_same_name(&option.name, &wanted)) {
            options.notices.push(Localized::of(|_| texts::sync::OptionRenamed {
                option: wanted.as_str(),
                property: &property.name,
                name: &option.name,
                code,
                field: &setting.field,
            }));
            setting.values.insert(code.clone(), option.name.clone());
        }
        if let Some(option) = renamed.or_else(|| property.option(&wanted)).filter(|option| !option.id.is_empty()) {
            options.known.insert(code.clone(), KnownOption { id: option.id.clone(), name: wanted });
        } else if let Some(was) = before.and_then(|known| known.options.get(code))
            && (was.name == wanted || !setting.values.contains_key(code))
        {
            // A deleted option may be brought back, and a new name on the portal does not exist in Notion.
            options.known.insert(code.clone(), was.clone());
        }
    }
    options
}

fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn find(portal: &[PortalField], setting: &FieldSetting, database: &DatabaseSettings) -> Option<PortalField> {
    if setting.field == "self" {
        return Some(PortalField::itself());
    }
    if setting.field == FULL_NAME && matches!(database.records, Mirrored::Contact | Mirrored::Lead) {
        return Some(PortalField::full_name());
    }
    let found = portal.iter().find(|field| field.name == setting.field).cloned();
    let custom = database.records.kind() == RecordKind::Tasks && setting.field.starts_with("uf");
    found.or_else(|| {
        custom.then(|| PortalField::of_task_custom(&setting.field, setting.kind.as_deref().unwrap_or("rich_text")))
    })
}

enum FieldCheck<'a> {
    Found(&'a Property),
    Renamed(&'a Property),
    Missing,
    Broken(Localized),
}

fn check_field<'a>(
    source: &'a DataSource,
    setting: &FieldSetting,
    field: &PortalField,
    known: Option<&KnownProperty>,
    database: &str,
) -> FieldCheck<'a> {
    let Some(known) = known else {
        if let Some(property) = source.named(&setting.property) {
            return match &setting.kind {
                Some(wanted) if *wanted != property.kind => {
                    FieldCheck::Broken(Localized::of(|_| texts::sync::PropertyTypeDiffers {
                        property: property.name.as_str(),
                        database,
                        kind: &property.kind,
                        wanted,
                    }))
                }
                _ => FieldCheck::Found(property),
            };
        }
        // There is one title, whatever its name.
        let is_title =
            setting.kind.as_deref() == Some("title") || matches!(field.name.as_str(), "title" | "name" | FULL_NAME);
        return source.title_property().filter(|_| is_title).map_or(FieldCheck::Missing, FieldCheck::Found);
    };
    match source.property(&known.id) {
        None => FieldCheck::Broken(Localized::of(|_| texts::sync::PropertyDeleted {
            property: setting.property.as_str(),
            database,
        })),
        Some(property) if property.kind != known.kind => {
            FieldCheck::Broken(Localized::of(|_| texts::sync::PropertyTypeChanged {
                property: property.name.as_str(),
                database,
                before: &known.kind,
                kind: &property.kind,
            }))
        }
        Some(property) if property.kind != "title" && !property.name.eq_ignore_ascii_case(&setting.property) => {
            // A new name in the settings that an existing property has means that property.
            match source.named(&setting.property) {
                Some(other) => FieldCheck::Found(other),
                None => FieldCheck::Renamed(property),
            }
        }
        Some(property) => FieldCheck::Found(property),
    }
}

/// The property's type if it has to be created.
fn wanted_type(field: &PortalField, setting: &FieldSetting, targets: &BTreeMap<RecordKind, String>) -> String {
    if let Some(kind) = &setting.kind {
        return kind.clone();
    }
    match (&field.kind, table::usual(field)) {
        (PortalKind::Item(entity) | PortalKind::Binding(entity), _)
            if !targets.contains_key(&RecordKind::Items(*entity)) =>
        {
            "rich_text".to_owned()
        }
        (_, kind) => kind.to_owned(),
    }
}

/// The property as a change of the schema creates it. Options are the portal's, under the names that the settings give
/// them.
fn making(
    field: &PortalField,
    setting: &FieldSetting,
    kind: &str,
    own: RecordKind,
    targets: &BTreeMap<RecordKind, String>,
) -> Value {
    let mut names: Vec<String> = Vec::new();
    for (code, name) in &field.options {
        let name = option_name(setting, code, name);
        if !names.iter().any(|known| is_same_name(known, &name)) && names.len() < 100 {
            names.push(name);
        }
    }
    let options: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    match kind {
        "select" | "multi_select" | "status" => json!({kind: {"options": options}}),
        "relation" => {
            let target = match field.kind {
                PortalKind::Item(entity) | PortalKind::Binding(entity) => targets.get(&RecordKind::Items(entity)),
                // From one database of a kind to the first one of it.
                PortalKind::Itself => targets.get(&own),
                _ => None,
            };
            match target {
                Some(target) => {
                    json!({"relation": {"data_source_id": target, "type": "single_property", "single_property": {}}})
                }
                None => json!({"rich_text": {}}),
            }
        }
        kind => json!({kind: {}}),
    }
}

/// The name in Notion of a value of the portal. A comma divides options there, so a similar character replaces it.
pub fn option_name(setting: &FieldSetting, code: &str, name: &str) -> String {
    let name = setting.values.get(code).map_or(if name.is_empty() { code } else { name }, String::as_str);
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= MAX_OPTION_NAME
    };
    name.trim().replace(',', "‚").chars().take_while(fits).collect::<String>().trim_end().to_owned()
}

/// Whether a field fits a property of a type.
pub fn fit(field: &PortalField, property: &str) -> Option<Fit> {
    match table::entry(field, property) {
        Conversion::TwoWay(_) => Some(Fit::TwoWay),
        Conversion::Shown => Some(Fit::Shown),
        Conversion::Refused(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrix24::EntityType;

    fn portal() -> Vec<PortalField> {
        let described = [
            ("title", json!({"type": "string"})),
            (
                "stageId",
                json!({"type": "crm_status", "statusType": "DEAL_STAGE", "items": [{"ID": "NEW", "VALUE": "New, fresh"}]}),
            ),
            ("opportunity", json!({"type": "double"})),
            ("assignedById", json!({"type": "user"})),
            ("companyId", json!({"type": "crm_company"})),
            ("contactId", json!({"type": "crm_contact"})),
            ("closedate", json!({"type": "date"})),
        ];
        described.iter().map(|(name, described)| PortalField::read(name, described).unwrap()).collect()
    }

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn source(properties: Value) -> DataSource {
        DataSource::read(&json!({"id": "ds", "properties": properties})).unwrap()
    }

    fn deals() -> DatabaseSettings {
        DatabaseSettings::new("Deals", "x", Mirrored::Deal)
    }

    #[test]
    fn the_seven_fields_are_made_in_a_database_that_has_only_a_title() {
        let bare = source(json!({"Deal name": {"id": "title", "type": "title"}}));
        let resolved = resolve(&deals(), &portal(), &bare, &BTreeMap::new(), &BTreeMap::new());
        assert_eq!(resolved.troubles, []);
        assert_eq!(resolved.fields[0].property.name, "Deal name");
        assert_eq!(resolved.missing["Stage"], json!({"select": {"options": [{"name": "New‚ fresh"}]}}));
        let kind = |name: &str| resolved.missing[name].as_object().unwrap().keys().next().unwrap().clone();
        let kinds = ["Amount", "Responsible", "Company", "Close date", ID_PROPERTY, NOTE_PROPERTY].map(kind);
        assert_eq!(kinds, ["number", "people", "rich_text", "date", "number", "rich_text"]);
        let targets = BTreeMap::from([(RecordKind::Items(EntityType::COMPANY), "companies".to_owned())]);
        let related = resolve(&deals(), &portal(), &bare, &BTreeMap::new(), &targets);
        assert_eq!(related.missing["Company"]["relation"]["data_source_id"], "companies");
    }

    #[test]
    fn a_property_that_is_gone_or_another_pauses_its_mapping_alone_and_a_new_name_none() {
        let whole = json!({
            "Name": {"id": "title", "type": "title"}, "Stage": {"id": "s", "type": "select"}, "Amount": {"id": "a", "type": "number"},
            "Close date": {"id": "c", "type": "date"}, "Responsible": {"id": "r", "type": "people"}, "Company": {"id": "co", "type": "rich_text"},
            "Contact": {"id": "ct", "type": "rich_text"}, ID_PROPERTY: {"id": "i", "type": "number"}, NOTE_PROPERTY: {"id": "n", "type": "rich_text"},
        });
        let first = resolve(&deals(), &portal(), &source(whole.clone()), &BTreeMap::new(), &BTreeMap::new());
        assert_eq!((first.fields.len(), first.troubles.len()), (7, 0));
        let mut changed = whole;
        let properties = changed.as_object_mut().unwrap();
        properties.remove("Amount");
        properties["Stage"]["type"] = json!("multi_select");
        let renamed = properties.remove("Close date").unwrap();
        properties.insert("Decision".into(), renamed);
        let again = resolve(&deals(), &portal(), &source(changed), &first.known, &BTreeMap::new());
        let paused: Vec<_> = again.troubles.iter().map(|trouble| trouble.field.as_str()).collect();
        assert_eq!(paused, ["stageId", "opportunity"]);
        assert!(!again.missing.contains_key("Amount"), "what somebody deleted is not made again");
        assert_eq!((again.fields.len(), again.notices[0].field.as_str()), (5, "closedate"));
    }

    #[test]
    fn an_option_that_is_renamed_goes_on_by_its_id_with_a_word_about_it() {
        let with = |options: Value| {
            source(json!({
                "Name": {"id": "title", "type": "title"},
                "Stage": {"id": "s", "type": "select", "select": {"options": options}},
            }))
        };
        let mut database = deals();
        database.fields = Some(vec![FieldSetting::new("title", "Name"), FieldSetting::new("stageId", "Stage")]);
        let first = with(json!([{"id": "o1", "name": "New‚ fresh"}]));
        let known = resolve(&database, &portal(), &first, &BTreeMap::new(), &BTreeMap::new()).known;
        assert_eq!(known["stageId"].options["NEW"], KnownOption { id: "o1".into(), name: "New‚ fresh".into() });
        let renamed = with(json!([{"id": "o1", "name": "Neu"}, {"id": "o2", "name": "Other"}]));
        let second = resolve(&database, &portal(), &renamed, &known, &BTreeMap::new());
        assert!(second.notices[0].text.to_string().contains("is called \"Neu\" now"), "{:?}", second.notices);
        assert_eq!(second.fields[1].setting.values["NEW"], "Neu");
        assert_eq!(second.fields[1].options["NEW"], "o1");
        // It stays known from then on, and older data without options still reads.
        let third = resolve(&database, &portal(), &renamed, &second.known, &BTreeMap::new());
        assert_eq!(third.known, second.known);
        let old: KnownProperty = serde_json::from_value(json!({"id": "s", "type": "select"})).unwrap();
        assert!(old.options.is_empty());
    }

    #[test]
    fn a_field_that_holds_several_goes_into_no_property_that_holds_one() {
        let mut fields = portal();
        fields.push(PortalField::read("ufCrm_7", &json!({"type": "date", "isMultiple": true})).unwrap());
        let mut database = deals();
        database.fields = Some(vec![FieldSetting::new("ufCrm_7", "Visit")]);
        let bare = json!({"Name": {"id": "title", "type": "title"}, "Visit": {"id": "v", "type": "date"}});
        let resolved = resolve(&database, &fields, &source(bare), &BTreeMap::new(), &BTreeMap::new());
        assert!(resolved.fields.is_empty());
        let text = resolved.troubles[0].text.to_string();
        assert!(text.contains("holds several values") && text.contains("type rich_text"), "{text}");
        database.fields =
            Some(vec![FieldSetting { kind: Some("date".into()), ..FieldSetting::new("ufCrm_7", "Days") }]);
        let made = resolve(
            &database,
            &fields,
            &source(json!({"Name": {"id": "title", "type": "title"}})),
            &BTreeMap::new(),
            &BTreeMap::new(),
        );
        assert!(!made.missing.contains_key("Days") && made.troubles[0].text.to_string().contains("use type rich_text"));
    }
}
