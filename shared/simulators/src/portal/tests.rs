//! The portal keeps, drops and refuses values as its documents say.
#![allow(clippy::unwrap_used)]

mod delivery;
mod limits;

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{CONTACT, DEAL, NewField, PortalSimulator, rest};

async fn portal() -> PortalSimulator {
    PortalSimulator::start(Arc::new(runtime::SystemClock), 0).await.unwrap()
}

/// Calls a method by the incoming webhook: the status and the whole answer.
async fn answer(portal: &PortalSimulator, method: &str, params: &Value) -> (u16, Value) {
    let request = Request::post(format!("/rest/1/s4ndb0xw3bh00k/{method}")).header("content-type", "application/json");
    let request = request.body(Bytes::from(params.to_string())).unwrap();
    let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn call(portal: &PortalSimulator, method: &str, params: Value) -> Value {
    let (status, body) = answer(portal, method, &params).await;
    assert_eq!(status, 200, "{method} {params}: {body}");
    body["result"].clone()
}

async fn refusal(portal: &PortalSimulator, method: &str, params: Value) -> String {
    let (status, body) = answer(portal, method, &params).await;
    assert!(status >= 400, "{method} {params}: {body}");
    format!("{status} {}: {}", body["error"].as_str().unwrap(), body["error_description"].as_str().unwrap())
}

fn made(portal: &PortalSimulator, kind: &str, multiple: bool) -> String {
    let settings = if kind == "crm" { json!({"DEAL": "Y", "COMPANY": "Y"}) } else { json!({}) };
    let items = if kind == "enumeration" { vec!["Wood".into(), "Steel".into()] } else { Vec::new() };
    let field = NewField {
        kind: kind.into(),
        multiple,
        items,
        settings: settings.as_object().cloned().unwrap(),
        ..NewField::default()
    };
    portal.make_field(DEAL, field).unwrap()
}

async fn written(portal: &PortalSimulator, field: &str, value: Value) -> Result<Value, String> {
    let params = json!({"entityTypeId": 2, "id": 7, "fields": {field: value}});
    let (status, body) = answer(portal, "crm.item.update", &params).await;
    if status == 200 {
        Ok(body["result"]["item"][field].clone())
    } else {
        Err(format!("{}: {}", body["error"].as_str().unwrap(), body["error_description"].as_str().unwrap()))
    }
}

#[tokio::test]
async fn values_are_kept_as_their_type_has_them() {
    let portal = portal().await;
    portal.limit_calls(false);
    for (kind, value, kept) in [
        ("string", json!(12), json!("12")),
        ("integer", json!("12.9"), json!(12)),
        ("double", json!("12.345"), json!(12.35)),
        ("double", json!("12"), json!(12)),
        ("boolean", json!(true), json!("Y")),
        ("boolean", json!(""), json!("N")),
        ("date", json!("2026-12-01T23:30:00-08:00"), json!("2026-12-01T00:00:00+03:00")),
        ("date", json!("31.12.2026"), json!("2026-12-31T00:00:00+03:00")),
        ("datetime", json!("2026-12-01T10:00:00Z"), json!("2026-12-01T13:00:00+03:00")),
        ("datetime", json!("2026-12-01 10:00:00"), json!("2026-12-01T10:00:00+03:00")),
        ("money", json!("10|EUR"), json!("10.00|EUR")),
        ("money", json!("|EUR"), json!("|EUR")),
        ("money", json!("10"), json!("10.00|RUB")),
        ("url", json!("https://example.com/[a]"), json!("https://example.com/[a]")),
        ("address", json!("Berlin|52.5;13.4|7"), json!("Berlin|52.5;13.4|7")),
        ("employee", json!("6"), json!(6)),
        ("crm", json!("D_5"), json!("D_5")),
        ("crm", json!("L_5"), Value::Null),
        ("iblock_element", json!("7"), json!(7)),
        ("enumeration", json!("99"), Value::Null),
    ] {
        let one = made(&portal, kind, false);
        assert_eq!(written(&portal, &one, value.clone()).await, Ok(kept.clone()), "{kind} {value}");
        if kind == "boolean" {
            continue;
        }
        let several = made(&portal, kind, true);
        let list = if kept.is_null() { json!([]) } else { json!([kept, kept]) };
        assert_eq!(written(&portal, &several, json!([value, value])).await, Ok(list), "{kind} {value}");
        for clearing in [json!([]), json!(""), Value::Null, json!(false)] {
            written(&portal, &several, json!([value])).await.unwrap();
            assert_eq!(written(&portal, &several, clearing.clone()).await, Ok(json!([])), "{kind} {clearing}");
            let left = written(&portal, &one, clearing.clone()).await.unwrap();
            assert!(super::values::is_empty(&left), "{kind} {clearing}: {left}");
        }
        let text = "100: Expected iterable value for multiple field, but got string instead";
        assert_eq!(written(&portal, &several, json!("1")).await, Err(text.into()), "{kind}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let portal = portal().await;
    portal.limit_calls(false);
    for (kind, value) in
        [("integer", "many"), ("double", "1e400"), ("date", "tomorrow"), ("datetime", "2026-13-01"), ("employee", "me")]
    {
        let field = made(&portal, kind, false);
        let refused = written(&portal, &field, json!(value)).await.unwrap_err();
        assert_eq!(refused, format!("CRM_FIELD_ERROR_VALUE_NOT_VALID: Invalid value for field \"{field}\""));
    }
    let before = portal.item(DEAL, 7);
    for (fields, code) in [
        (json!({"title": "x", "stageId": "NOPE"}), "CRM_FIELD_ERROR_VALUE_NOT_VALID"),
        (json!({"title": "x", "stageId": "C1:NEW", "categoryId": 0}), "CRM_FIELD_ERROR_VALUE_NOT_VALID"),
    ] {
        let refused = refusal(&portal, "crm.item.update", json!({"entityTypeId": 2, "id": 7, "fields": fields})).await;
        assert!(refused.starts_with(&format!("400 {code}")), "{refused}");
        let refused = refusal(&portal, "crm.item.add", json!({"entityTypeId": 2, "fields": fields})).await;
        assert!(refused.starts_with(&format!("400 {code}")), "{refused}");
    }
    assert_eq!(portal.item(DEAL, 7), before);
    let moved =
        call(&portal, "crm.item.update", json!({"entityTypeId": 2, "id": 7, "fields": {"categoryId": 1}})).await;
    assert_eq!(moved["item"]["stageId"], "C1:NEW", "the first stage of the other funnel");
}

#[tokio::test]
async fn a_required_field_is_neither_emptied_nor_left_out() {
    let portal = portal().await;
    let field = made(&portal, "string", true);
    portal.require_field(DEAL, &field, true);
    assert_eq!(portal.shared.lock().described(DEAL)[&field]["isRequired"], true);
    let empty = json!({"entityTypeId": 2, "id": 7, "fields": {&field: []}});
    assert!(refusal(&portal, "crm.item.update", empty).await.starts_with("400 CRM_FIELD_ERROR_REQUIRED"));
    let without = json!({"entityTypeId": 2, "fields": {"title": "x"}});
    assert!(refusal(&portal, "crm.item.add", without).await.starts_with("400 CRM_FIELD_ERROR_REQUIRED"));
    let moved = json!({"entityTypeId": 2, "id": 7, "fields": {"stageId": "C2:NEW"}});
    assert!(refusal(&portal, "crm.item.update", moved).await.starts_with("400 CRM_FIELD_ERROR_REQUIRED"));
    let titled = json!({"entityTypeId": 2, "id": 7, "fields": {"title": "Other"}});
    assert_eq!(call(&portal, "crm.item.update", titled).await["item"]["title"], "Other");
}

#[tokio::test]
async fn lists_are_sorted_in_any_letters_and_unknown_names_are_refused() {
    let portal = portal().await;
    portal.limit_calls(false);
    let first = async |order: Value| {
        call(&portal, "crm.item.list", json!({"entityTypeId": 2, "order": order})).await["items"][0]["id"].clone()
    };
    for order in [json!({"ID": "ASC"}), json!({"id": "asc"}), json!({"Id": "Asc"})] {
        assert_eq!(first(order).await, 1);
    }
    assert_eq!(first(json!({"ID": "DESC"})).await, 60);
    for (order, text) in [
        (json!({"nope": "ASC"}), "Invalid order: field 'nope' is not allowed in order"),
        (json!({"id": "up"}), "Invalid order: allowed sort directions are `ASC, DESC`. But got 'up' for field 'id'"),
    ] {
        let refused = refusal(&portal, "crm.item.list", json!({"entityTypeId": 2, "order": order})).await;
        assert_eq!(refused, format!("400 INVALID_ARG_VALUE: {text}"));
    }
    for filter in [json!({"nope": 1}), json!({"0": {"logic": "OR", "0": {"nope": 1}}})] {
        let refused = refusal(&portal, "crm.item.list", json!({"entityTypeId": 2, "filter": filter})).await;
        assert_eq!(refused, "400 INVALID_ARG_VALUE: Invalid filter: field 'nope' is not allowed in filter");
    }
    for method in
        ["crm.deal.list", "crm.status.list", "user.get", "tasks.task.list", "crm.currency.list", "department.get"]
    {
        let (one, other) = (json!({"order": {"ID": "DESC"}}), json!({"order": {"id": "desc"}}));
        assert_eq!(call(&portal, method, one).await, call(&portal, method, other).await, "{method}");
    }
}

#[tokio::test]
async fn both_families_of_methods_show_the_same_record() {
    let portal = portal().await;
    portal.limit_calls(false);
    let sites = "ufCrm_1721240002";
    let fields =
        json!({"TITLE": "Roof", "OPPORTUNITY": "12.5", "UF_CRM_1721240002": ["Roof", "Wall, north"], "NOPE": 1});
    let deal = call(&portal, "crm.deal.add", json!({"fields": fields})).await;
    let item = call(&portal, "crm.item.get", json!({"entityTypeId": 2, "id": deal})).await["item"].clone();
    assert_eq!((&item["opportunity"], &item[sites]), (&json!(12.5), &json!(["Roof", "Wall, north"])));
    let row = call(&portal, "crm.deal.get", json!({"id": deal})).await;
    assert_eq!((&row["OPPORTUNITY"], &row["CATEGORY_ID"], &row["CLOSED"]), (&json!("12.50"), &json!("0"), &json!("N")));
    assert_eq!(row["UF_CRM_1721240002"], json!(["Roof", "Wall, north"]));
    assert_eq!(row["UF_CRM_1721240004"], false, "of several there are none");
    let original = json!({"entityTypeId": 2, "id": deal, "useOriginalUfNames": "Y"});
    assert_eq!(call(&portal, "crm.item.get", original).await["item"]["UF_CRM_1721240002"][0], "Roof");

    assert_eq!(call(&portal, "crm.deal.update", json!({"id": deal, "fields": {"STAGE_ID": "WON"}})).await, true);
    let found = json!({"filter": {"ID": deal, "!STAGE_ID": "NEW"}, "select": ["ID", "STAGE_SEMANTIC_ID"]});
    let found = call(&portal, "crm.deal.list", found).await;
    assert_eq!(found, json!([{"ID": deal.to_string(), "STAGE_SEMANTIC_ID": "S"}]));
    assert_eq!(call(&portal, "crm.deal.delete", json!({"id": deal})).await, true);
    assert_eq!(refusal(&portal, "crm.deal.get", json!({"id": deal})).await, "400 : Not found");
    assert_eq!(refusal(&portal, "crm.deal.add", json!({})).await, "400 : Parameter 'fields' must be array.");

    let phone = json!([{"VALUE": "+49 30 1234567", "VALUE_TYPE": "WORK"}]);
    let contact = call(&portal, "crm.contact.add", json!({"fields": {"NAME": "Ann", "PHONE": phone}})).await;
    let way = portal.item(CONTACT, contact.as_u64().unwrap()).unwrap()["fm"][0].clone();
    assert_eq!((&way["typeId"], &way["value"]), (&json!("PHONE"), &json!("+49 30 1234567")));
    let twins = json!({"type": "PHONE", "values": ["+49301234567"]});
    assert_eq!(call(&portal, "crm.duplicate.findbycomm", twins).await, json!({"CONTACT": [contact]}));
    let gone = json!({"id": contact, "fields": {"PHONE": [{"ID": way["id"], "VALUE": ""}]}});
    call(&portal, "crm.contact.update", gone).await;
    assert_eq!(call(&portal, "crm.contact.get", json!({"id": contact})).await["HAS_PHONE"], "N");
}

#[tokio::test]
async fn own_fields_are_made_listed_changed_and_deleted() {
    let portal = portal().await;
    portal.limit_calls(false);
    let list = json!([{"VALUE": "Wood", "DEF": "Y"}, {"VALUE": "Steel"}, {"VALUE": ""}]);
    let fields = json!({"FIELD_NAME": "MATERIAL", "USER_TYPE_ID": "enumeration", "MULTIPLE": "Y", "MANDATORY": "N",
        "LABEL": "Material", "LIST": list});
    let id = call(&portal, "crm.deal.userfield.add", json!({"fields": fields})).await;
    let row = call(&portal, "crm.deal.userfield.get", json!({"id": id})).await;
    assert_eq!(
        (&row["FIELD_NAME"], &row["MULTIPLE"], &row["EDIT_FORM_LABEL"]),
        (&json!("UF_CRM_MATERIAL"), &json!("Y"), &json!("Material"))
    );
    let described =
        call(&portal, "crm.item.fields", json!({"entityTypeId": 2})).await["fields"]["ufCrmMaterial"].clone();
    assert_eq!(
        (&described["type"], &described["isMultiple"], &described["upperName"]),
        (&json!("enumeration"), &json!(true), &json!("UF_CRM_MATERIAL"))
    );
    assert_eq!(described["items"].as_array().unwrap().len(), 2);

    let wood = row["LIST"][0]["ID"].clone();
    let change = json!({"id": id, "fields": {"LIST": [{"ID": wood, "VALUE": "Oak"}, {"VALUE": "Glass"}]}});
    assert_eq!(call(&portal, "crm.deal.userfield.update", change).await, true);
    let rows =
        call(&portal, "crm.deal.userfield.list", json!({"filter": {"FIELD_NAME": "UF_CRM_MATERIAL", "LANG": "en"}}))
            .await;
    let names: Vec<_> =
        rows[0]["LIST"].as_array().unwrap().iter().map(|item| item["VALUE"].as_str().unwrap().to_owned()).collect();
    assert_eq!((names, rows.as_array().unwrap().len()), (vec!["Oak".into(), "Steel".into(), "Glass".into()], 1));

    for (fields, text) in [
        (json!({"FIELD_NAME": "A"}), "The 'USER_TYPE_ID' field is not found."),
        (json!({"USER_TYPE_ID": "string"}), "The 'FIELD_NAME' field is not found."),
        (json!({"USER_TYPE_ID": "colour", "FIELD_NAME": "A"}), "Invalid custom type specified."),
        (
            json!({"USER_TYPE_ID": "string", "FIELD_NAME": "a b"}),
            "Field name contains invalid characters. Allowed characters are: A-Z, 0-9, and _.",
        ),
        (
            json!({"USER_TYPE_ID": "string", "FIELD_NAME": "A".repeat(60)}),
            "Field name is too long (more than 50 characters).",
        ),
    ] {
        assert_eq!(
            refusal(&portal, "crm.deal.userfield.add", json!({"fields": fields})).await,
            format!("400 : {text}")
        );
    }
    assert_eq!(call(&portal, "crm.deal.userfield.delete", json!({"id": id})).await, true);
    assert!(refusal(&portal, "crm.deal.userfield.get", json!({"id": id})).await.starts_with("404 ERROR_NOT_FOUND"));
}

#[tokio::test]
async fn the_first_data_has_fields_of_every_type_with_one_value_and_with_several() {
    let portal = portal().await;
    let fields = call(&portal, "crm.item.fields", json!({"entityTypeId": 2})).await["fields"].clone();
    let item = call(&portal, "crm.item.get", json!({"entityTypeId": 2, "id": 1})).await["item"].clone();
    for (kind, _) in super::userfields::TYPES {
        for multiple in [false, true] {
            if (kind == "boolean" || kind == "iblock_section") && multiple {
                continue;
            }
            let own = fields.as_object().unwrap().iter().find(|(_, field)| {
                field["type"] == kind && field["isMultiple"] == multiple && field["isDynamic"] == true
            });
            let (name, field) = own.unwrap_or_else(|| unreachable!("{kind} {multiple}"));
            assert!(!super::values::is_empty(&item[name]), "{kind} {multiple}");
            assert_eq!(item[name].is_array(), multiple, "{kind}");
            assert!(field["settings"].is_object(), "{kind}");
        }
    }
    let comments = item["comments"].as_str().unwrap();
    assert!(comments.contains("[p]") && comments.contains("[list=1]") && comments.contains("[*]"));
    let files = fields
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, field)| field["type"] == "file" && field["isMultiple"] == true)
        .unwrap();
    let url = item[files.0][0]["urlMachine"].as_str().unwrap();
    assert!(
        url.contains("/rest/1/s4ndb0xw3bh00k/crm.controller.item.getFile/"),
        "the address is the caller's own: {url}"
    );
    let path = url.strip_prefix(&portal.url()).unwrap();
    let answer = rest::answer(portal.shared().clone(), Request::get(path).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"The contents of before.jpg.\n");
}

#[tokio::test]
async fn files_are_sent_kept_by_number_and_replaced_as_a_whole() {
    let portal = portal().await;
    let field = made(&portal, "file", true);
    let sent = written(&portal, &field, json!([["a.txt", "YQ=="], {"fileData": ["b.txt", "Yg=="]}])).await.unwrap();
    assert_eq!(sent.as_array().unwrap().len(), 2);
    let kept = written(&portal, &field, json!([{"id": sent[1]["id"]}])).await.unwrap();
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["id"]), (1, &sent[1]["id"]));
    assert_eq!(written(&portal, &field, json!([{"id": 999_999}])).await.unwrap(), json!([]));
}

#[tokio::test]
async fn a_batch_has_fifty_commands_none_within_another_and_stops_where_it_is_to() {
    let portal = portal().await;
    let commands: serde_json::Map<_, _> = (0..52).map(|n| (format!("c{n}"), json!("server.time"))).collect();
    let done = call(&portal, "batch", json!({"halt": 0, "cmd": commands})).await;
    assert_eq!(done["result"].as_object().unwrap().len(), 50);
    assert_eq!(done["result_error"]["c51"]["error"], "ERROR_BATCH_LENGTH_EXCEEDED");
    let commands = json!({"a": "crm.deal.get?id=1", "b": "crm.company.get?id=$result[a][COMPANY_ID]", "c": "batch?cmd[x]=server.time", "d": "server.time"});
    let done = call(&portal, "batch", json!({"halt": 1, "cmd": commands})).await;
    assert_eq!(done["result"]["b"]["ID"], done["result"]["a"]["COMPANY_ID"]);
    assert_eq!(done["result_error"]["c"]["error"], "ERROR_BATCH_METHOD_NOT_ALLOWED");
    assert!(done["result"].get("d").is_none());
}

#[tokio::test]
async fn a_scope_that_is_taken_away_is_missed_by_its_methods_alone() {
    let portal = portal().await;
    portal.allow_scope("task", false);
    assert!(refusal(&portal, "tasks.task.list", json!({})).await.starts_with("401 insufficient_scope"));
    assert!(!call(&portal, "scope", json!({})).await.as_array().unwrap().contains(&json!("task")));
    assert_eq!(
        call(&portal, "method.get", json!({"name": "tasks.task.list"})).await,
        json!({"isExisting": true, "isAvailable": false})
    );
    assert_eq!(
        call(&portal, "method.get", json!({"name": "nope"})).await,
        json!({"isExisting": false, "isAvailable": false})
    );
    assert!(
        call(&portal, "methods", json!({"scope": "crm"})).await.as_array().unwrap().contains(&json!("crm.deal.list"))
    );
    portal.allow_scope("task", true);
    call(&portal, "tasks.task.list", json!({})).await;
}

#[tokio::test]
async fn every_method_that_is_listed_is_there() {
    let portal = portal().await;
    portal.limit_calls(false);
    for (method, _) in super::directory::METHODS {
        let params = json!({"auth": "s6p6eclrvim6da22ft9ch94ekreb52lv", "entityTypeId": 2, "id": 1, "taskId": 100, "botId": 1, "event": "ONAPPTEST"});
        let request = Request::post(format!("/rest/{method}")).header("content-type", "application/json");
        let request = request.body(Bytes::from(params.to_string())).unwrap();
        let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_ne!(body["error"], "ERROR_METHOD_NOT_FOUND", "{method}");
    }
}

#[tokio::test]
async fn statuses_are_added_changed_and_deleted() {
    let portal = portal().await;
    let fields =
        json!({"ENTITY_ID": "DEAL_STAGE_1", "STATUS_ID": "REVIEW", "NAME": "Review", "SORT": 75, "SEMANTICS": null});
    let id = call(&portal, "crm.status.add", json!({"fields": fields})).await;
    let row = call(&portal, "crm.status.get", json!({"id": id})).await;
    assert_eq!((&row["STATUS_ID"], &row["CATEGORY_ID"]), (&json!("C1:REVIEW"), &json!("1")));
    let moved = json!({"entityTypeId": 2, "id": 7, "fields": {"categoryId": 1, "stageId": "C1:REVIEW"}});
    assert_eq!(call(&portal, "crm.item.update", moved).await["item"]["stageId"], "C1:REVIEW");
    call(&portal, "crm.status.update", json!({"id": id, "fields": {"NAME": "Checked"}})).await;
    assert_eq!(call(&portal, "crm.status.get", json!({"id": id})).await["NAME"], "Checked");
    let won = call(&portal, "crm.status.list", json!({"filter": {"STATUS_ID": "WON"}})).await[0]["ID"].clone();
    assert!(refusal(&portal, "crm.status.delete", json!({"id": won})).await.contains("FORCED"));
    call(&portal, "crm.status.delete", json!({"id": id})).await;
    assert!(refusal(&portal, "crm.status.get", json!({"id": id})).await.contains("not found"));
}

#[tokio::test]
async fn a_task_shows_all_its_fields_when_all_are_asked_for() {
    let portal = portal().await;
    let task = call(&portal, "tasks.task.get", json!({"taskId": 100, "select": ["*"]})).await["task"].clone();
    assert_eq!((&task["status"], &task["id"]), (&json!("5"), &json!("100")));
    assert!(task["description"].as_str().unwrap().contains("[list=1]") && task.get("ufCrmTask").is_none());
    let named = call(&portal, "tasks.task.get", json!({"taskId": 100, "select": ["*", "UF_CRM_TASK"]})).await;
    assert_eq!(named["task"]["ufCrmTask"], json!([]));
    let ignored = call(&portal, "tasks.task.update", json!({"taskId": 100, "fields": {"ID": 7, "NOPE": "x"}})).await;
    assert_eq!(ignored["task"]["id"], "100");
}
