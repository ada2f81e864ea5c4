//! Custom fields, and the methods that make, list, change and delete them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::crm::{RestRefusal, number, values};
use super::query;
use super::query::FieldNames;
use super::rest::MethodResult;
use super::{COMPANY, CONTACT, DEAL, LEAD, PortalShared, PortalSimulator, SimulatorState, events};

/// The types that a field can have, with their names: what `crm.userfield.types` answers.
pub(super) const TYPES: [(&str, &str); 16] = [
    ("string", "String"),
    ("integer", "Integer"),
    ("double", "Number"),
    ("boolean", "Yes/No"),
    ("enumeration", "List"),
    ("datetime", "Date/Time"),
    ("date", "Date"),
    ("money", "Money"),
    ("url", "Link"),
    ("address", "Google Maps Address"),
    ("file", "File"),
    ("employee", "Binding to User"),
    ("crm_status", "Binding to CRM Directories"),
    ("iblock_section", "Binding to Information Block Sections"),
    ("iblock_element", "Binding to Information Block Elements"),
    ("crm", "Binding to CRM Entities"),
];

/// The longest name of a field, prefix included.
const MAX_NAME: usize = 50;

/// A field of the customer's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnField {
    pub(super) id: u64,
    /// As `crm.item.*` names it: `ufCrm_1721244707107`.
    pub(super) name: String,
    /// As the older methods name it: `UF_CRM_1721244707107`.
    pub(super) upper: String,
    pub(super) kind: String,
    pub(super) multiple: bool,
    pub(super) required: bool,
    /// The values of a list: `ID`, `VALUE`, `SORT`, `DEF`, `XML_ID`.
    pub(super) items: Vec<Value>,
    pub(super) settings: Value,
    pub(super) label: String,
    pub(super) sort: u64,
    pub(super) xml_id: Option<String>,
}

/// A field that a person makes, in the words of the control address and of the seed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewField {
    /// As `crm.item.*` names it; one is made up if it is missing.
    #[serde(default)]
    pub name: String,
    /// What people read.
    #[serde(default)]
    pub label: String,
    /// `string`, `integer`, `double`, `boolean`, `date`, `datetime`, `money`, `url`, `address`, `enumeration`, `file`,
    /// `employee`, `crm`, `crm_status`, `iblock_element`, `iblock_section`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds several values.
    #[serde(default)]
    pub multiple: bool,
    /// Whether it may not be empty.
    #[serde(default)]
    pub required: bool,
    /// The names of a list's values.
    #[serde(default)]
    pub items: Vec<String>,
    /// What the type knows besides: `{"PRECISION": 2}`.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

impl OwnField {
    /// As `crm.item.fields` describes it.
    pub(super) fn described(&self) -> Value {
        let mut field = json!({
            "type": self.kind, "isRequired": self.required, "isReadOnly": false, "isImmutable": false,
            "isMultiple": self.multiple, "isDynamic": true, "title": self.label, "listLabel": self.label,
            "formLabel": self.label, "filterLabel": self.label, "settings": self.settings, "upperName": self.upper,
        });
        if self.kind == "enumeration" {
            let items = self.items.iter().map(|item| json!({"ID": item["ID"], "VALUE": item["VALUE"]}));
            field["items"] = items.collect();
        }
        field
    }

    /// As `crm.deal.userfield.get` gives it; labels only where a language is named.
    fn row(&self, entity: u32, labelled: bool) -> Map<String, Value> {
        let flag = |yes: bool| if yes { "Y" } else { "N" };
        let mut row = super::tasks::object(json!({
            "ID": self.id.to_string(), "ENTITY_ID": format!("CRM_{}", name_of(entity)), "FIELD_NAME": self.upper,
            "USER_TYPE_ID": self.kind, "XML_ID": self.xml_id, "SORT": self.sort.to_string(),
            "MULTIPLE": flag(self.multiple), "MANDATORY": flag(self.required), "SHOW_FILTER": "E", "SHOW_IN_LIST": "Y",
            "EDIT_IN_LIST": "Y", "IS_SEARCHABLE": "N", "SETTINGS": self.settings,
        }));
        if labelled {
            for name in ["EDIT_FORM_LABEL", "LIST_COLUMN_LABEL", "LIST_FILTER_LABEL"] {
                row.insert(name.into(), json!(self.label));
            }
            row.insert("ERROR_MESSAGE".into(), Value::Null);
            row.insert("HELP_MESSAGE".into(), Value::Null);
        }
        if self.kind == "enumeration" {
            row.insert("LIST".into(), json!(self.items));
        }
        row
    }
}

/// What a type is called in the names of methods and lists.
pub(super) fn name_of(entity: u32) -> String {
    match entity {
        LEAD => "LEAD".into(),
        DEAL => "DEAL".into(),
        CONTACT => "CONTACT".into(),
        COMPANY => "COMPANY".into(),
        other => other.to_string(),
    }
}

/// `UF_CRM_HELLO_WORLD` is `ufCrmHelloWorld`, `UF_CRM_17` is `ufCrm_17`.
pub(super) fn camel(upper: &str) -> String {
    let mut name = String::new();
    for (index, word) in upper.split('_').enumerate() {
        let word = word.to_lowercase();
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            name.push('_');
            name.push_str(&word);
        } else if index == 0 {
            name.push_str(&word);
        } else {
            let mut letters = word.chars();
            name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
    }
    name
}

/// `ufCrm_17` is `UF_CRM_17`, `ufCrmHelloWorld` is `UF_CRM_HELLO_WORLD`.
pub(super) fn upper(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl SimulatorState {
    /// Adds a field as a person does in the settings of the CRM.
    pub(super) fn make_field(&mut self, entity: u32, new: NewField) -> Result<OwnField, String> {
        if !TYPES.iter().any(|(kind, _)| *kind == new.kind) {
            let known: Vec<_> = TYPES.iter().map(|(kind, _)| *kind).collect();
            return Err(format!("{:?} is not a type of fields; the types are {}", new.kind, known.join(", ")));
        }
        if new.kind == "boolean" && new.multiple {
            return Err("a field of type boolean cannot be multiple".into());
        }
        let id = self.next_field();
        let name = if new.name.is_empty() { format!("ufCrm_{}", 1_700_000_000_000 + id) } else { new.name };
        if self.own_fields.get(&entity).into_iter().flatten().any(|known| known.name == name) {
            return Err(format!("the field {name} exists already"));
        }
        let items = new.items.iter().enumerate().map(|(index, value)| {
            let id = id * 100 + index as u64;
            json!({"ID": id.to_string(), "SORT": ((index + 1) * 10).to_string(), "VALUE": value, "DEF": "N", "XML_ID": format!("item{id}")})
        });
        let field = OwnField {
            id,
            upper: upper(&name),
            label: if new.label.is_empty() { name.clone() } else { new.label },
            name,
            settings: settings(&new.kind, &new.settings),
            kind: new.kind,
            multiple: new.multiple,
            required: new.required,
            items: items.collect(),
            sort: 100,
            xml_id: None,
        };
        self.put_field(entity, field.clone());
        Ok(field)
    }

    pub(super) fn put_field(&mut self, entity: u32, field: OwnField) {
        let fields = self.own_fields.entry(entity).or_default();
        fields.retain(|known| known.name != field.name);
        fields.push(field);
        self.revision += 1;
    }

    pub(super) fn next_field(&mut self) -> u64 {
        self.last_field += 1;
        self.last_field
    }

    fn field_by_id(&self, entity: u32, id: u64) -> Option<&OwnField> {
        self.own_fields.get(&entity)?.iter().find(|field| field.id == id)
    }
}

/// A type's settings with its documented defaults.
pub(super) fn settings(kind: &str, given: &Map<String, Value>) -> Value {
    let mut settings = match kind {
        "string" => json!({"SIZE": 20, "ROWS": 1, "REGEXP": "", "MIN_LENGTH": 0, "MAX_LENGTH": 0, "DEFAULT_VALUE": ""}),
        "integer" => json!({"SIZE": 20, "MIN_VALUE": 0, "MAX_VALUE": 0, "DEFAULT_VALUE": null}),
        "double" => json!({"PRECISION": 2, "SIZE": 20, "MIN_VALUE": 0, "MAX_VALUE": 0, "DEFAULT_VALUE": null}),
        "boolean" => json!({"DEFAULT_VALUE": 0, "DISPLAY": "CHECKBOX", "LABEL": ["", ""], "LABEL_CHECKBOX": ""}),
        "date" | "datetime" => json!({"DEFAULT_VALUE": {"VALUE": "", "TYPE": "NONE"}}),
        "enumeration" => json!({"DISPLAY": "LIST", "LIST_HEIGHT": 1, "CAPTION_NO_VALUE": "", "SHOW_NO_VALUE": "Y"}),
        "money" => json!({"DEFAULT_VALUE": ""}),
        "crm_status" => json!({"ENTITY_TYPE": ""}),
        "iblock_element" | "iblock_section" => {
            json!({"DISPLAY": "LIST", "LIST_HEIGHT": 1, "IBLOCK_ID": 0, "DEFAULT_VALUE": "", "ACTIVE_FILTER": "N"})
        }
        "file" => json!({"SIZE": 20, "LIST_WIDTH": 0, "LIST_HEIGHT": 0, "EXTENSIONS": [], "TARGET_BLANK": "Y"}),
        "crm" => json!({"LEAD": "N", "CONTACT": "N", "COMPANY": "N", "DEAL": "N"}),
        _ => json!({}),
    };
    if let Some(settings) = settings.as_object_mut() {
        settings.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    if kind == "crm" && ["LEAD", "CONTACT", "COMPANY", "DEAL"].iter().all(|name| settings[*name] != "Y") {
        settings["LEAD"] = json!("Y");
    }
    settings
}

impl PortalSimulator {
    /// Adds a field of the customer's own to a type; its name is as REST gives it: `ufCrm_1`.
    pub fn add_field(&self, entity: u32, name: &str, kind: &str, multiple: bool, items: &[(u64, &str)]) {
        let items = items.iter().map(
            |(id, name)| json!({"ID": id.to_string(), "SORT": "10", "VALUE": name, "DEF": "N", "XML_ID": format!("item{id}")}),
        );
        let mut state = self.shared.lock();
        let field = OwnField {
            id: state.next_field(),
            name: name.into(),
            upper: upper(name),
            kind: kind.into(),
            multiple,
            required: false,
            items: items.collect(),
            settings: settings(kind, &Map::new()),
            label: name.into(),
            sort: 100,
            xml_id: None,
        };
        state.put_field(entity, field);
    }

    /// Adds a field as a person does; returns its name.
    pub fn make_field(&self, entity: u32, field: NewField) -> Result<String, String> {
        self.shared.lock().make_field(entity, field).map(|field| field.name)
    }

    /// How many digits after the point a number has from now on.
    pub fn set_precision(&self, entity: u32, name: &str, digits: u64) {
        let mut state = self.shared.lock();
        for field in state.own_fields.get_mut(&entity).into_iter().flatten().filter(|field| field.name == name) {
            field.settings["PRECISION"] = json!(digits);
        }
    }

    /// Whether a field may be empty from now on.
    pub fn require_field(&self, entity: u32, name: &str, required: bool) {
        let mut state = self.shared.lock();
        for field in state.own_fields.get_mut(&entity).into_iter().flatten().filter(|field| field.name == name) {
            field.required = required;
        }
    }

    /// Deletes a field of the customer's own, with what it holds.
    pub fn remove_field(&self, entity: u32, name: &str) -> bool {
        self.shared.lock().remove_field(entity, name)
    }
}

impl SimulatorState {
    fn remove_field(&mut self, entity: u32, name: &str) -> bool {
        let fields = self.own_fields.entry(entity).or_default();
        let before = fields.len();
        fields.retain(|field| field.name != name);
        let removed = fields.len() < before;
        for item in self.items.entry(entity).or_default().values_mut() {
            item.remove(name);
        }
        self.revision += 1;
        removed
    }
}

fn refused(text: &str) -> RestRefusal {
    (400, "", text.to_owned())
}

/// `crm.deal.userfield.*` and those of the other types. `action` is the last word.
pub(super) fn call(
    shared: &Arc<PortalShared>,
    entity: u32,
    action: &str,
    params: &Map<String, Value>,
) -> Result<MethodResult, RestRefusal> {
    let fields = query::param(params, "fields").and_then(Value::as_object).cloned();
    let id = || {
        let id = query::param(params, "id").and_then(number).and_then(|id| u64::try_from(id).ok());
        id.filter(|id| *id > 0).ok_or_else(|| refused("ID is not defined or invalid."))
    };
    match action {
        "list" => list(&shared.lock(), entity, params),
        "get" => {
            let state = shared.lock();
            let found = state.field_by_id(entity, id()?).map(|field| field.row(entity, true));
            found.map(|row| Value::Object(row).into()).ok_or_else(|| (404, "ERROR_NOT_FOUND", not_found(params)))
        }
        "add" => {
            let fields = fields.ok_or_else(|| refused("Parameter 'fields' must be array."))?;
            let field = added(&mut shared.lock(), entity, &fields)?;
            notify(shared, entity, "ADD", &field);
            Ok(json!(field.id).into())
        }
        "update" => {
            let fields = fields.ok_or_else(|| refused("Parameter 'fields' must be array."))?;
            let field = updated(&mut shared.lock(), entity, id()?, &fields, params)?;
            notify(shared, entity, "UPDATE", &field);
            Ok(json!(true).into())
        }
        "delete" => {
            let field = {
                let mut state = shared.lock();
                let found = state.field_by_id(entity, id()?).cloned();
                let field = found.ok_or_else(|| (404, "ERROR_NOT_FOUND", not_found(params)))?;
                state.remove_field(entity, &field.name);
                field
            };
            notify(shared, entity, "DELETE", &field);
            Ok(json!(true).into())
        }
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
}

fn not_found(params: &Map<String, Value>) -> String {
    let id = query::param(params, "id").map(query::text).unwrap_or_default();
    format!("The entity with ID '{id}' is not found.")
}

fn notify(shared: &Arc<PortalShared>, entity: u32, action: &str, field: &OwnField) {
    let name = name_of(entity);
    let data = json!({"FIELDS": {"ID": field.id, "ENTITY_ID": format!("CRM_{name}"), "FIELD_NAME": field.upper}});
    events::emit(shared, &format!("ONCRM{name}USERFIELD{action}"), &data);
}

fn list(state: &SimulatorState, entity: u32, params: &Map<String, Value>) -> Result<MethodResult, RestRefusal> {
    let mut filter = query::param(params, "filter").and_then(Value::as_object).cloned().unwrap_or_default();
    let labelled = filter.remove("LANG").is_some();
    let rows: Vec<_> =
        state.own_fields.get(&entity).into_iter().flatten().map(|field| field.row(entity, labelled)).collect();
    let mut params = params.clone();
    params.insert("filter".into(), Value::Object(filter));
    params.remove("start");
    let found = query::rows(&rows, &params, &FieldNames::any())?;
    // The list has no pages.
    Ok(MethodResult {
        total: Some(found.len()),
        result: found.into_iter().map(|row| Value::Object(row.clone())).collect(),
        next: None,
    })
}

fn word(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).map(query::text).unwrap_or_default()
}

/// A label: one text, or one a language.
fn label(fields: &Map<String, Value>, upper: &str) -> String {
    let named =
        ["EDIT_FORM_LABEL", "LIST_COLUMN_LABEL", "LABEL"].into_iter().find_map(|name| match fields.get(name)? {
            Value::Object(map) => map.get("en").or_else(|| map.values().next())?.as_str().map(str::to_owned),
            other => Some(query::text(other)),
        });
    named.filter(|label| !label.is_empty()).unwrap_or_else(|| upper.to_owned())
}

fn added(state: &mut SimulatorState, entity: u32, fields: &Map<String, Value>) -> Result<OwnField, RestRefusal> {
    let (kind, given) = (word(fields, "USER_TYPE_ID"), word(fields, "FIELD_NAME"));
    if kind.is_empty() {
        return Err(refused("The 'USER_TYPE_ID' field is not found."));
    }
    if !TYPES.iter().any(|(known, _)| *known == kind) {
        return Err(refused("Invalid custom type specified."));
    }
    if given.is_empty() {
        return Err(refused("The 'FIELD_NAME' field is not found."));
    }
    let upper = if given.starts_with("UF_CRM_") { given } else { format!("UF_CRM_{given}") };
    if upper.len() > MAX_NAME {
        return Err(refused("Field name is too long (more than 50 characters)."));
    }
    if !upper.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_') {
        return Err(refused("Field name contains invalid characters. Allowed characters are: A-Z, 0-9, and _."));
    }
    if state.own_fields.get(&entity).into_iter().flatten().any(|known| known.upper == upper) {
        return Err(refused(&format!("Field {upper} for object CRM_{} already exists.", name_of(entity))));
    }
    let id = state.next_field();
    let multiple = word(fields, "MULTIPLE") == "Y" && kind != "boolean";
    let field = OwnField {
        id,
        name: camel(&upper),
        kind: kind.clone(),
        multiple,
        required: word(fields, "MANDATORY") == "Y",
        items: listed(id, &[], fields.get("LIST"))?,
        settings: settings(&kind, fields.get("SETTINGS").and_then(Value::as_object).unwrap_or(&Map::new())),
        label: label(fields, &upper),
        sort: word(fields, "SORT").parse().unwrap_or(100),
        xml_id: fields.get("XML_ID").and_then(Value::as_str).map(str::to_owned),
        upper,
    };
    state.put_field(entity, field.clone());
    Ok(field)
}

/// The values of a list: known ones changed, removed or kept, new ones behind them.
fn listed(field: u64, known: &[Value], given: Option<&Value>) -> Result<Vec<Value>, RestRefusal> {
    let mut items = known.to_vec();
    let mut next = items
        .iter()
        .filter_map(|item| number(&item["ID"]))
        .max()
        .map_or_else(|| i64::try_from(field).unwrap_or_default().saturating_mul(100), |last| last + 1);
    for item in given.map(values).unwrap_or_default() {
        let Some(item) = item.as_object() else { continue };
        let (id, value) = (word(item, "ID"), word(item, "VALUE"));
        if !id.is_empty() {
            let place = items.iter().position(|known| known["ID"] == id.as_str());
            match place {
                Some(place) if word(item, "DEL") == "Y" => drop(items.remove(place)),
                Some(place) if !value.is_empty() => items[place]["VALUE"] = json!(value),
                _ => {}
            }
            continue;
        }
        if value.is_empty() {
            continue;
        }
        let xml_id = word(item, "XML_ID");
        let xml_id = if xml_id.is_empty() { format!("item{next}") } else { xml_id };
        if items.iter().any(|known| known["XML_ID"] == xml_id.as_str()) {
            return Err(refused(&format!("List item with value XML_ID='{xml_id}' already exists.")));
        }
        let default = if word(item, "DEF") == "Y" { "Y" } else { "N" };
        let sort = word(item, "SORT").parse::<u64>().unwrap_or_default().to_string();
        items.push(json!({"ID": next.to_string(), "SORT": sort, "VALUE": value, "DEF": default, "XML_ID": xml_id}));
        next += 1;
    }
    Ok(items)
}

fn updated(
    state: &mut SimulatorState,
    entity: u32,
    id: u64,
    fields: &Map<String, Value>,
    params: &Map<String, Value>,
) -> Result<OwnField, RestRefusal> {
    let Some(field) = state.own_fields.get_mut(&entity).into_iter().flatten().find(|field| field.id == id) else {
        return Err((404, "ERROR_NOT_FOUND", not_found(params)));
    };
    field.items = listed(id, &field.items, fields.get("LIST"))?;
    if ["EDIT_FORM_LABEL", "LIST_COLUMN_LABEL", "LABEL"].iter().any(|name| fields.contains_key(*name)) {
        field.label = label(fields, &field.upper);
    }
    if fields.contains_key("MANDATORY") {
        field.required = word(fields, "MANDATORY") == "Y";
    }
    if let Some(sort) = word(fields, "SORT").parse().ok().filter(|sort| *sort > 0) {
        field.sort = sort;
    }
    if let (Some(settings), Some(given)) =
        (field.settings.as_object_mut(), fields.get("SETTINGS").and_then(Value::as_object))
    {
        settings.extend(given.clone());
    }
    Ok(field.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_field_lead_to_each_other() {
        for (one, other) in [
            ("UF_CRM_1721244707107", "ufCrm_1721244707107"),
            ("UF_CRM_HELLO_WORLD", "ufCrmHelloWorld"),
            ("UF_CRM_44_1721812760630", "ufCrm_44_1721812760630"),
        ] {
            assert_eq!((camel(one).as_str(), upper(other).as_str()), (other, one));
        }
        assert_eq!(upper("ufCrm_text"), "UF_CRM_TEXT");
    }
}
