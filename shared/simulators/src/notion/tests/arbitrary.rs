//! Arbitrary requests to every address: each is answered in Notion's form, and none ends in a panic. `PROPTEST_CASES`
//! sets how many there are, `PROPTEST_RNG_SEED` which.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{Bench, bench};

/// Words that mean something somewhere in the API.
const WORDS: &[&str] = &[
    "type",
    "properties",
    "parent",
    "page_id",
    "data_source_id",
    "database_id",
    "block_id",
    "workspace",
    "children",
    "id",
    "name",
    "title",
    "rich_text",
    "text",
    "content",
    "link",
    "url",
    "number",
    "select",
    "multi_select",
    "status",
    "options",
    "date",
    "start",
    "end",
    "time_zone",
    "people",
    "relation",
    "files",
    "external",
    "file_upload",
    "checkbox",
    "formula",
    "rollup",
    "function",
    "expression",
    "unique_id",
    "prefix",
    "place",
    "verification",
    "filter",
    "and",
    "or",
    "property",
    "timestamp",
    "created_time",
    "last_edited_time",
    "equals",
    "contains",
    "is_empty",
    "past_week",
    "sorts",
    "direction",
    "page_size",
    "start_cursor",
    "in_trash",
    "position",
    "after_block",
    "paragraph",
    "table",
    "table_width",
    "table_row",
    "cells",
    "code",
    "language",
    "mention",
    "user",
    "annotations",
    "color",
    "markdown",
    "insert_content",
    "update_content",
    "content_updates",
    "old_str",
    "new_str",
    "replace_content",
    "template",
    "template_id",
    "mode",
    "number_of_parts",
    "discussion_id",
    "attachments",
    "display_name",
    "query",
    "value",
    "icon",
    "emoji",
    "erase_content",
    "is_locked",
    "Name",
    "Amount",
    "Text",
    "Kind",
    "Tags",
    "Stage",
    "Day",
    "Who",
    "Company",
    "Double",
    "Worth",
    "data_source",
    "",
];
const TEXTS: &[&str] = &[
    "",
    "x",
    "Old",
    "ascending",
    "created_time",
    "single_property",
    "sum",
    "me",
    "null",
    "2026-11-25",
    "2026-11-25T10:00:00Z",
    "9999-12-31",
    "-009999-01-01",
    "2026-11-25T10:00:00+99:99",
    "Europe/Berlin",
    "😀",
    "prop(\"Amount\") / 0",
    "prop(\"",
    "https://example.com/é?a=b",
    "**b** [x](y) `",
    "a...b",
    "\u{0}",
    "multi_part",
    "single_part",
    "default",
    "red_background",
];

fn json_value(ids: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        select(TEXTS).prop_map(Value::from),
        select(WORDS).prop_map(Value::from),
        select(ids).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((select(WORDS), inner), 0..5).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

/// Requests that are good, to be spoiled.
fn bodies(bench: &Bench, row: &str, block: &str) -> Vec<Value> {
    let source = &bench.source;
    let text =
        json!([{"text": {"content": "x", "link": {"url": "https://example.com"}}, "annotations": {"bold": true}}]);
    vec![
        json!({}),
        json!({"parent": {"data_source_id": source}, "properties": {"Name": {"title": text}, "Amount": {"number": 1},
            "Kind": {"select": {"name": "Old"}}, "Tags": {"multi_select": [{"name": "a"}]}, "Day": {"date": {"start": "2026-11-25", "end": null}},
            "Who": {"people": [{"id": bench.person}]}, "Company": {"relation": [{"id": row}]}, "Place": {"place": {"lat": 1.0, "lon": 2.0}},
            "Files": {"files": [{"name": "a", "external": {"url": "https://example.com"}}]}}, "children": [{"paragraph": {"rich_text": text}}]}),
        json!({"properties": {"Amount": {"rich_text": {}}, "Kind": {"select": {"options": [{"name": "Old"}]}}, "Stage": {"status": {"options": [{"name": "x"}]}},
            "Tags": {"number": {}}, "New": {"formula": {"expression": "prop(\"Amount\") + 1"}}, "Text": null, "Day": {"name": "Date"},
            "R": {"rollup": {"relation_property_name": "Company", "rollup_property_name": "Name", "function": "show_original"}}}}),
        json!({"filter": {"and": [{"property": "Amount", "number": {"equals": 1}}, {"or": [{"timestamp": "created_time", "created_time": {"past_week": {}}}]}]},
            "sorts": [{"property": "Worth", "direction": "ascending"}], "page_size": 2}),
        json!({"children": [{"table": {"table_width": 1, "children": [{"table_row": {"cells": [text]}}]}}, {"column_list": {"children": [{"column": {"children": []}}, {"column": {"children": []}}]}}],
            "position": {"type": "after_block", "after_block": {"id": block}}}),
        json!({"paragraph": {"rich_text": text}, "in_trash": false}),
        json!({"parent": {"page_id": row}, "rich_text": [{"mention": {"user": {"id": bench.person}}}, {"equation": {"expression": "x"}}]}),
        json!({"type": "update_content", "update_content": {"content_updates": [{"old_str": "x", "new_str": "y\n\t- z"}]}}),
        json!({"type": "insert_content", "insert_content": {"content": "# H\n\n1. a\n\tb\n```rust\nx\n```", "after": "x...x"}}),
        json!({"parent": {"page_id": row}, "title": text, "initial_data_source": {"properties": {"A": {"status": {}}}}}),
        json!({"parent": {"database_id": bench.database}, "properties": {"T": {"title": {}}}}),
        json!({"mode": "multi_part", "filename": "a", "number_of_parts": 2}),
        json!({"parent": {"data_source_id": source}, "template": {"type": "default"}, "erase_content": true, "is_locked": true}),
        json!({"query": "x", "filter": {"property": "object", "value": "page"}, "sort": {"timestamp": "last_edited_time", "direction": "ascending"}}),
    ]
}

/// Puts `new` into the place that `steps` lead to.
fn spoiled(value: &mut Value, steps: &[usize], new: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = new;
        return;
    };
    let inner = match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            items.get_mut(at)
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = step % fields.len();
            fields.values_mut().nth(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) => spoiled(inner, rest, new),
        None => *value = new,
    }
}

const PATHS: &[&str] = &[
    "/v1/users",
    "/v1/users/me",
    "/v1/users/{}",
    "/v1/databases",
    "/v1/databases/{}",
    "/v1/data_sources",
    "/v1/data_sources/{}",
    "/v1/data_sources/{}/query",
    "/v1/data_sources/{}/templates",
    "/v1/pages",
    "/v1/pages/{}",
    "/v1/pages/{}/move",
    "/v1/pages/{}/markdown",
    "/v1/pages/{}/properties/title",
    "/v1/pages/{}/properties/Worth",
    "/v1/blocks/{}",
    "/v1/blocks/{}/children",
    "/v1/comments",
    "/v1/comments/{}",
    "/v1/search",
    "/v1/file_uploads",
    "/v1/file_uploads/{}",
    "/v1/file_uploads/{}/send",
    "/v1/file_uploads/{}/complete",
    "/v1/oauth/token",
    "/v1/oauth/introspect",
    "/v1/oauth/revoke",
    "/v1/{}",
    "/{}/{}",
    "/",
];
const QUERIES: &[&str] = &[
    "",
    "?page_size=1",
    "?page_size=-1",
    "?page_size=99999999999999999999",
    "?start_cursor=null",
    "?filter_properties=Amount",
    "?filter_properties[]=%00",
    "?block_id={}",
    "?start_cursor={}",
    "?status=pending",
    "?name=%ff",
    "?%",
    "?=&&=",
];

#[test]
fn whatever_is_asked_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(bench());
    let row = runtime.block_on(bench.create(&json!({"Name": super::name("Roof")})));
    let block = bench
        .notion
        .add_blocks(&row, &json!([{"paragraph": {"rich_text": [{"text": {"content": "x"}}]}}]))
        .unwrap()
        .remove(0);
    let comment = bench.notion.comment(&row, "x", super::SOMEBODY);
    let upload = runtime.block_on(bench.good("POST", "/v1/file_uploads", &json!({"filename": "a"})));
    let upload = upload["id"].as_str().unwrap().to_owned();
    let missing = "153104cd-477e-809d-8dc4-ff2d96ae3090".to_owned();
    let ids = vec![
        row.clone(),
        block.clone(),
        comment,
        upload,
        bench.source.clone(),
        bench.database.clone(),
        bench.person.clone(),
        missing,
        "no-id".into(),
    ];
    let requests = (
        select(vec!["GET", "POST", "PATCH", "DELETE", "PUT"]),
        select(PATHS),
        select(QUERIES),
        select(ids.clone()),
        select(bodies(&bench, &row, &block)),
        prop::collection::vec(any::<usize>(), 0..7),
        json_value(ids),
        any::<bool>(),
        any::<bool>(),
    );
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |((method, path, query, id, body, steps, new, whole, newest) in requests)| {
        let mut sent = body;
        if whole { sent = new; } else { spoiled(&mut sent, &steps, new); }
        let path = format!("{path}{query}").replace("{}", &id);
        let version = if newest { notion_wire::VERSION } else { "2025-09-03" };
        let (status, answer) = runtime.block_on(bench.raw(method, &path, version, Bytes::from(sent.to_string())));
        prop_assert!(status < 500, "{method} {path}: {status} {answer}");
        if !path.starts_with("/v1/oauth") && status != 200 && status != 413 {
            prop_assert!(answer["object"] == "error" && answer["request_id"].is_string(), "{answer}");
        }
        // Whatever became of it, it can still be shown.
        let _ = (bench.notion.rows(&bench.source), bench.notion.body(&row), bench.notion.save());
    });
}
