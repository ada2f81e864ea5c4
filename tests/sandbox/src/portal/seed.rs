//! The portal's first data, from `fixtures/bitrix24/mini-portal-dataset.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{COMPANY, CONTACT, Credentials, DEAL, Delivery, LEAD, State, portal_time, tasks};
use crate::bucket::Bucket;
use crate::fault::Faults;

const DATASET: &str = include_str!("../../fixtures/bitrix24/mini-portal-dataset.json");

pub(super) fn state(now: Timestamp) -> State {
    let dataset: Value = serde_json::from_str(DATASET).unwrap_or_default();
    let rows = |name: &str| dataset["entities"][name].as_array().cloned().unwrap_or_default();
    let items = |name: &str, entity: u32| {
        rows(name).iter().map(|row| item(row, entity)).filter_map(|item| Some((item["id"].as_u64()?, item))).collect()
    };
    let deals: BTreeMap<u64, Map<String, Value>> = items("deals", DEAL);
    let stage_history = deals.values().enumerate().map(|(place, deal)| {
        json!({
            "ID": place + 1, "TYPE_ID": 1, "OWNER_ID": deal["id"], "CREATED_TIME": deal["createdTime"],
            "CATEGORY_ID": deal["categoryId"], "STAGE_SEMANTIC_ID": deal["stageSemanticId"], "STAGE_ID": deal["stageId"],
        })
    });
    State {
        credentials: Credentials {
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
        own_fields: BTreeMap::new(),
        tasks: rows("tasks")
            .into_iter()
            .filter_map(|row| Some((row["id"].as_str()?.parse().ok()?, task(row))))
            .collect(),
        old_card: false,
        comments: BTreeMap::new(),
        chats: BTreeMap::new(),
        talk: super::chats::Talk::default(),
        last_message: 48_000,
        projects: Vec::new(),
        telephony: Vec::new(),
        activities: BTreeMap::new(),
        bindings: BTreeMap::new(),
        denied: BTreeSet::new(),
        features: BTreeSet::new(),
        installed: true,
        demoted: false,
        offline: Vec::new(),
        offline_rows: 0,
        offline_bound: Vec::new(),
        last_handler: 0,
        handlers: Vec::new(),
        delivery: Delivery::default(),
        held: Vec::new(),
        faults: Faults::default(),
        bucket: Bucket::new(50.0, 2.0),
        limited: true,
        operating: HashMap::new(),
        costs: HashMap::new(),
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
    tasks::object(row)
}

/// A row of the old methods (upper case, everything text) as `crm.item.*` gives it.
fn item(row: &Value, entity: u32) -> Map<String, Value> {
    let number = |name: &str| row[name].as_str().and_then(|text| text.parse::<f64>().ok());
    let whole = |name: &str| {
        number(name).map_or(Value::Null, |number| {
            #[allow(clippy::cast_possible_truncation)]
            let whole = number as i64;
            json!(whole)
        })
    };
    let time = |name: &str| {
        let moment = row[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        moment.map_or(Value::Null, |moment| Value::from(portal_time(moment)))
    };
    let stage = if entity == LEAD { "STATUS_ID" } else { "STAGE_ID" };
    let semantic = if entity == LEAD { "STATUS_SEMANTIC_ID" } else { "STAGE_SEMANTIC_ID" };
    if entity == CONTACT || entity == COMPANY {
        let mut fields = json!({
            "id": whole("ID"), "assignedById": whole("ASSIGNED_BY_ID"), "createdBy": whole("CREATED_BY_ID"),
            "createdTime": time("DATE_CREATE"), "updatedTime": time("DATE_MODIFY"), "entityTypeId": entity,
        });
        if entity == CONTACT {
            fields["name"] = row["NAME"].clone();
            fields["lastName"] = row["LAST_NAME"].clone();
            fields["companyId"] = whole("COMPANY_ID");
            fields["sourceId"] = row["SOURCE_ID"].clone();
        } else {
            fields["title"] = row["TITLE"].clone();
        }
        return tasks::object(fields);
    }
    let fields = json!({
        "id": whole("ID"),
        "title": row["TITLE"],
        "stageId": row[stage],
        "stageSemanticId": row[semantic],
        "categoryId": if entity == LEAD { Value::Null } else { whole("CATEGORY_ID") },
        "opportunity": whole("OPPORTUNITY"),
        "currencyId": row["CURRENCY_ID"],
        "assignedById": whole("ASSIGNED_BY_ID"),
        "createdBy": whole("CREATED_BY_ID"),
        "observers": [],
        "sourceId": row["SOURCE_ID"],
        "companyId": whole("COMPANY_ID"),
        "contactId": whole("CONTACT_ID"),
        "createdTime": time("DATE_CREATE"),
        "updatedTime": time("DATE_MODIFY"),
        "movedTime": time("DATE_CREATE"),
        "begindate": row["BEGINDATE"],
        "closedate": row["CLOSEDATE"],
        "closed": row["CLOSED"],
        "opened": row["OPENED"],
        "comments": "",
        "entityTypeId": entity,
    });
    tasks::object(fields)
}
