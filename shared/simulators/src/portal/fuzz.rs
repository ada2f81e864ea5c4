//! No request makes the portal panic: every method with parameters of any shape, as JSON, as a form, in the address and
//! in a batch. `PROPTEST_CASES` sets how many, `PROPTEST_RNG_SEED` which.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::directory::METHODS;
use super::{PortalSimulator, rest};

/// Words that lead somewhere: parameters, fields, operators, values with a meaning.
const WORDS: [&str; 74] = [
    "entityTypeId",
    "id",
    "ID",
    "fields",
    "FIELDS",
    "filter",
    "FILTER",
    "order",
    "select",
    "start",
    "taskId",
    "TASKID",
    "ITEMID",
    "DIALOG_ID",
    "dialogId",
    "MESSAGE",
    "message",
    "LIMIT",
    "FIRST_ID",
    "LAST_ID",
    "cmd",
    "halt",
    "event",
    "handler",
    "event_type",
    "botId",
    "botToken",
    "code",
    "properties",
    "messageId",
    "commandId",
    "type",
    "values",
    "entity_type",
    "SORT",
    "ORDER",
    "CODE",
    "params",
    "FORCED",
    "ENTITY_ID",
    "ENTITY_TYPE",
    "STATUS_ID",
    "FIELD_NAME",
    "USER_TYPE_ID",
    "LIST",
    "VALUE",
    "name",
    "content",
    "title",
    "stageId",
    "categoryId",
    "contactIds",
    "fm",
    "observers",
    "opportunity",
    "closedate",
    "comments",
    "TITLE",
    "DEADLINE",
    "ACCOMPLICES",
    "GROUP_ID",
    "UF_CRM_1721240002",
    "ufCrm_1721240004",
    "ufCrm_1721240008",
    "ufCrm_1721240010",
    "ufCrm_1721240017",
    "ufCrm_1721240026",
    "ufCrm_1721240028",
    ">=id",
    "!%title",
    "@ID",
    "=%TITLE",
    "logic",
    "useOriginalUfNames",
];

const TEXTS: [&str; 24] = [
    "",
    "0",
    "-1",
    "1",
    "2",
    "*",
    "UF_*",
    "Y",
    "N",
    "10|EUR",
    "|USD",
    "2026-12-01",
    "31.12.2026",
    "2026-12-01T10:00:00+03:00",
    "D_1",
    "chat57",
    "enumeration",
    "asc",
    "DESC",
    "OR",
    "$result[a][items][0][id]",
    "ааааа́аааааа",
    "9223372036854775808",
    "1e400",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        3 => any::<i64>().prop_map(Value::from),
        3 => (0i64..5).prop_map(Value::from),
        2 => any::<f64>().prop_map(|number| json!(number)),
        6 => prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        3 => "\\PC{0,14}".prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        2 => (0u8..4).prop_map(|number| number.to_string()),
        2 => "[><=!@%]{0,3}[A-Za-z_]{0,10}",
        1 => "\\PC{0,6}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Parameters of any shape; half of them name a record that there is.
fn params() -> impl Strategy<Value = Map<String, Value>> {
    let any_pairs = prop::collection::vec((key(), value()), 0..6);
    (any_pairs, any::<bool>(), 1u32..5, 1u64..4, value()).prop_map(|(pairs, is_plausible, entity, id, fields)| {
        let mut params: Map<String, Value> = pairs.into_iter().collect();
        if is_plausible {
            params.insert("entityTypeId".into(), json!(entity));
            for name in ["id", "ID"] {
                params.insert(name.into(), json!(id));
            }
            params.insert("taskId".into(), json!(99 + id));
            params.insert("fields".into(), if fields.is_object() { fields } else { json!({"title": fields}) });
        }
        params
    })
}

fn requests(method: &str, params: &Map<String, Value>) -> Vec<Request<Bytes>> {
    let address = format!("/rest/1/s4ndb0xw3bh00k/{method}");
    let json = Value::Object(params.clone());
    let form = bitrix24::form::build(&json);
    let batch =
        json!({"halt": 0, "cmd": {"a": format!("{method}?{form}"), "b": format!("{method}?id=$result[a][id]")}});
    let post = |address: &str, kind: &str, body: String| {
        Request::post(address).header("content-type", kind).body(Bytes::from(body)).unwrap()
    };
    let app = "/rest/".to_owned() + method;
    let mut own = params.clone();
    own.insert("auth".into(), json!("s6p6eclrvim6da22ft9ch94ekreb52lv"));
    let mut all = vec![
        post(&address, "application/json", json.to_string()),
        post(&address, "application/x-www-form-urlencoded", form.clone()),
        post(&app, "application/json", Value::Object(own).to_string()),
        post("/rest/1/s4ndb0xw3bh00k/batch.json", "application/json", batch.to_string()),
    ];
    all.extend(Request::get(format!("{address}?{form}")).body(Bytes::new()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_parameters_get_an_answer_or_a_refusal(params in params(), seed in any::<usize>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let portal = PortalSimulator::start(Arc::new(runtime::SystemClock), 0).await.unwrap();
            portal.limit_calls(false);
            portal.add_chat("Sales", &[1, 6]);
            for place in 0..METHODS.len() {
                // Another order each time: one method's deletions are another's surprise.
                let (method, _) = METHODS[(place * 31 + seed % METHODS.len()) % METHODS.len()];
                for request in requests(method, &params) {
                    let shown = format!("{} {}", request.uri(), String::from_utf8_lossy(request.body()));
                    let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
                    let (status, body) = (answer.status().as_u16(), answer.into_body());
                    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| unreachable!("{shown}"));
                    prop_assert_eq!(body.get("result").is_some(), status == 200, "{}: {}", shown, body);
                    prop_assert!(body.get("error").is_some() == (status >= 400), "{}: {}", shown, body);
                    prop_assert!(status < 500, "{}: {}", shown, body);
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn any_bytes_get_an_answer_or_a_refusal() {
    let portal = PortalSimulator::start(Arc::new(runtime::SystemClock), 0).await.unwrap();
    portal.limit_calls(false);
    let address = "/rest/1/s4ndb0xw3bh00k/crm.item.list";
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"fields[=1&a[b]c]=2",
        b"{\"entityTypeId\":2,\"filter\":[[[[]]]]}",
        b"a=%",
    ];
    for (body, kind) in bodies.into_iter().flat_map(|body| [(body, "application/json"), (body, "text/plain")]) {
        let request = Request::post(address).header("content-type", kind).body(Bytes::from_static(body)).unwrap();
        let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
        assert!([200, 400].contains(&answer.status().as_u16()), "{kind} {}", String::from_utf8_lossy(body));
    }
    for path in [
        "/",
        "/rest",
        "/rest/",
        "/rest/1",
        "/rest/1/2/3/4/5",
        "/rest/x/y/z",
        "//",
        "/crm/deal/details/x/",
        "/rest/batch",
    ] {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
        assert!(answer.status().as_u16() < 500, "{path}");
    }
}
