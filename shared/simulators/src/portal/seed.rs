//! The portal's first data, from `fixtures/bitrix24/mini-portal-dataset.json`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{COMPANY, CONTACT, DEAL, LEAD, PortalCredentials, PortalEventDelivery, SimulatorState, portal_time, tasks};
use crate::fault::Faults;

const DATASET: &str = include_str!("../../fixtures/bitrix24/mini-portal-dataset.json");

pub(super) fn state(now: Timestamp) -> SimulatorState {
    let dataset: Value = serde_json::from_str(DATASET).unwrap_or_default();
    let rows = |name: &str| dataset["entities"][name].as_array().cloned().unwrap_or_default();
    let items = |name: &str, entity: u32| {
        rows(name).iter().map(|row| item(row, entity)).filter_map(|item| Some((item["id"].as_u64()?, item))).collect()
    };
    let deals: BTreeMap<u64, Map<String, Value>> = items("deals", DEAL);
    let stage_history = deals.values().enumerate().map(|(index, deal)| {
        json!({
            "ID": index + 1, "TYPE_ID": 1, "OWNER_ID": deal["id"], "CREATED_TIME": deal["createdTime"],
            "CATEGORY_ID": deal["categoryId"], "STAGE_SEMANTIC_ID": deal["stageSemanticId"], "STAGE_ID": deal["stageId"],
        })
    });
    SimulatorState {
        credentials: PortalCredentials {
            member_id: "d897063e1ce7c5eb9f04b9751eef5915".into(),
            user: 1,
            secret: "s4ndb0xw3bh00k".into(),
            application_token: "jvh9y1ulvt2m6k5or90v9mg8nn32ozas".into(),
            access_token: "s6p6eclrvim6da22ft9ch94ekreb52lv".into(),
        },
        host: String::new(),
        users: rows("users"),
        categories: rows("categories"),
        statuses: rows("statuses").into_iter().map(status).collect(),
        stage_history: stage_history.collect(),
        items: BTreeMap::from([
            (LEAD, items("leads", LEAD)),
            (DEAL, deals),
            (CONTACT, items("contacts", CONTACT)),
            (COMPANY, items("companies", COMPANY)),
        ]),
        quirks: super::quirks::Quirks::new(),
        own_fields: super::seed_fields::all(),
        last_field: 7000,
        last_way: 20_000,
        trash: BTreeMap::new(),
        documents: BTreeMap::new(),
        currencies: currencies(),
        departments: departments(),
        scheme: "http",
        tasks: rows("tasks")
            .into_iter()
            .filter_map(|row| Some((row["id"].as_str()?.parse().ok()?, task(row))))
            .collect(),
        old_card: false,
        comments: BTreeMap::new(),
        chats: BTreeMap::new(),
        context: super::chats::ChatState::default(),
        last_message: 48_000,
        projects: Vec::new(),
        telephony: Vec::new(),
        activities: BTreeMap::new(),
        bindings: BTreeMap::new(),
        denied: BTreeSet::new(),
        removed_scopes: BTreeSet::new(),
        access: super::rest::PortalState::default(),
        features: BTreeSet::new(),
        installed: true,
        demoted: false,
        offline: Vec::new(),
        offline_rows: 0,
        offline_bound: Vec::new(),
        last_handler: 0,
        handlers: Vec::new(),
        delivery: PortalEventDelivery::default(),
        paces: BTreeMap::new(),
        held: Vec::new(),
        faults: Faults::default(),
        road: crate::traffic::Road::default(),
        journal: crate::traffic::Journal::default(),
        bucket: super::PortalPlan::Usual.bucket(),
        limited: true,
        exceeded: crate::bucket::ExceededLimits::default(),
        operating: super::operating::OperatingTime::default(),
        hidden: BTreeSet::new(),
        reach_all: BTreeSet::new(),
        requests: 0,
        calls: BTreeMap::new(),
        refused_for_limits: 0,
        events_sent: 0,
        revision: u64::try_from(now.as_second()).unwrap_or_default(),
    }
}

/// The data set keeps the stages of all funnels in one list; portals have a list for each.
fn status(mut row: Value) -> Value {
    let category = row["CATEGORY_ID"].as_str().unwrap_or("0").to_owned();
    if row["ENTITY_ID"] == "DEAL_STAGE" && category != "0" {
        row["ENTITY_ID"] = format!("DEAL_STAGE_{category}").into();
    }
    row
}

/// A task of the data set, with a chat like those that the new card makes.
fn task(mut row: Value) -> Map<String, Value> {
    let id = row["id"].as_str().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
    row["chatId"] = json!(2000 + id);
    row["activityDate"] = row["changedDate"].clone();
    row["subStatus"] = row["status"].clone();
    row["ufCrmTask"] = json!([]);
    let place = usize::try_from(id).unwrap_or_default().checked_sub(100);
    if let Some(text) = place.and_then(|place| super::seed_fields::DESCRIPTIONS.get(place)) {
        row["description"] = json!(text);
    }
    tasks::object(row)
}

/// A row of the old methods (upper case, everything text) as `crm.item.*` gives it.
fn item(row: &Value, entity: u32) -> Map<String, Value> {
    let mut item = Map::new();
    for field in super::fields::standard(entity) {
        let value = match field.name {
            "fm" => ways(row),
            "observers" | "contactIds" => json!([]),
            "movedTime" => read("datetime", &row["DATE_CREATE"]),
            "categoryId" if entity == LEAD => Value::Null,
            _ => read(field.kind, &row[field.upper]),
        };
        item.insert(field.name.into(), value);
    }
    let contact = item.get("contactId").and_then(Value::as_u64).unwrap_or_default();
    if contact > 0 {
        item.insert("contactIds".into(), json!([contact]));
    }
    item.insert("entityTypeId".into(), json!(entity));
    let comment =
        super::seed_fields::COMMENTS.get(usize::try_from(text_number(row)).unwrap_or_default().wrapping_sub(1));
    if let Some(comment) = comment.filter(|_| entity == DEAL || entity == LEAD) {
        item.insert("comments".into(), json!(comment));
    }
    item
}

fn text_number(row: &Value) -> u64 {
    row["ID"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// A text of the data set as a value of its type.
fn read(kind: &str, given: &Value) -> Value {
    let text = given.as_str();
    let number = text.and_then(|text| text.parse::<f64>().ok());
    match kind {
        "integer" | "double" | "user" | "crm_company" | "crm_contact" | "crm_category" => {
            number.map_or(Value::Null, |number| {
                #[allow(clippy::cast_possible_truncation)]
                let whole = number as i64;
                json!(whole)
            })
        }
        "datetime" => {
            let moment = text.and_then(|text| text.parse::<Timestamp>().ok());
            moment.map_or(Value::Null, |moment| Value::from(portal_time(moment)))
        }
        "date" => given.clone(),
        "boolean" => json!(text.unwrap_or("N")),
        _ => json!(text.unwrap_or_default()),
    }
}

/// Phones and addresses, which the old methods keep in lists of their own.
fn ways(row: &Value) -> Value {
    let of = |kind: &'static str| {
        let list = row[kind].as_array().into_iter().flatten();
        list.map(move |way| {
            let id = way["ID"].as_str().and_then(|id| id.parse::<u64>().ok());
            json!({"id": id, "typeId": kind, "valueType": way["VALUE_TYPE"], "value": way["VALUE"]})
        })
    };
    of("PHONE").chain(of("EMAIL")).collect()
}

/// The portal's currencies.
fn currencies() -> Vec<Value> {
    let of = |(code, name, rate, base, format): (&str, &str, &str, bool, &str)| {
        json!({
            "CURRENCY": code, "AMOUNT_CNT": "1", "AMOUNT": rate, "SORT": "100", "BASE": if base { "Y" } else { "N" },
            "FULL_NAME": name, "LID": "en", "FORMAT_STRING": format, "DEC_POINT": ".", "THOUSANDS_SEP": " ", "DECIMALS": "2",
            "DATE_UPDATE": "2026-08-14T10:00:00+03:00",
        })
    };
    [
        ("RUB", "Ruble", "1.0000", true, "# RUB"),
        ("USD", "US Dollar", "90.0000", false, "$#"),
        ("EUR", "Euro", "98.0000", false, "€#"),
    ]
    .map(of)
    .into()
}

/// The portal's departments.
fn departments() -> Vec<Value> {
    let of = |(id, name, parent, head): (u64, &str, Option<u64>, u64)| {
        let mut row = json!({"ID": id.to_string(), "NAME": name, "SORT": 500, "UF_HEAD": head.to_string()});
        if let Some(parent) = parent {
            row["PARENT"] = json!(parent.to_string());
        }
        row
    };
    [(1, "Company", None, 1), (2, "Purchasing", Some(1), 9), (3, "Sales", Some(1), 1)].map(of).into()
}

/// What needs the portal's address.
pub(super) fn files(state: &mut SimulatorState) {
    super::seed_fields::fill(state);
}
