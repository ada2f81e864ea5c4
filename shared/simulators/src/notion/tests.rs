//! The simulated Notion compared with Notion's known behaviour, request by request; and with arbitrary requests.

mod arbitrary;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runtime::clock::ManualClock;
use serde_json::{Value, json};

use super::{BOT, NotionSimulator, OverlapRule, SOMEBODY, TOKEN, api};

pub(super) struct Bench {
    pub(super) notion: NotionSimulator,
    clock: Arc<ManualClock>,
    pub(super) source: String,
    pub(super) database: String,
    pub(super) person: String,
}

/// A workspace with a database that has a property of every type.
async fn bench() -> Bench {
    let clock = Arc::new(ManualClock::at("2026-11-25T10:15:42Z".parse().unwrap()));
    let notion = NotionSimulator::start(clock.clone(), 0).await.unwrap();
    notion.limit_calls(false);
    let person = notion.add_person("Ann", "ann@example.com");
    let (_, companies) = notion.add_database("Companies", &json!({"Worth": {"number": {}}}));
    let options =
        |names: &[&str]| json!({"options": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    let (database, source) = notion.add_database(
        "Deals",
        &json!({
            "Amount": {"number": {}}, "Text": {"rich_text": {}}, "Kind": {"select": options(&["Old", "New"])},
            "Tags": {"multi_select": options(&["a", "b"])}, "Stage": {"status": {}}, "Day": {"date": {}},
            "Who": {"people": {}}, "Files": {"files": {}}, "Done": {"checkbox": {}}, "Page": {"url": {}},
            "Mail": {"email": {}}, "Phone": {"phone_number": {}}, "Place": {"place": {}}, "Button": {"button": {}},
            "Checked": {"verification": {}}, "No": {"unique_id": {"prefix": "D"}}, "Made": {"created_time": {}},
            "Maker": {"created_by": {}}, "Edited": {"last_edited_time": {}}, "Editor": {"last_edited_by": {}},
            "Company": {"relation": {"data_source_id": companies, "single_property": {}}},
        }),
    );
    let computed = json!({
        "Double": {"formula": {"expression": "prop(\"Amount\") * 2"}},
        "Worth": {"rollup": {"relation_property_name": "Company", "rollup_property_name": "Worth", "function": "sum"}},
    });
    notion.try_change_schema(&source, &computed).unwrap();
    Bench { notion, clock, source, database, person }
}

impl Bench {
    pub(super) async fn raw(&self, method: &str, path: &str, version: &str, body: Bytes) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {TOKEN}")).header("notion-version", version);
        let answer = api::answer(self.notion.shared.clone(), request.body(body).unwrap()).await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.raw(method, path, notion_wire::VERSION, body).await
    }

    /// What is answered to a request that is good.
    async fn good(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    /// The message and status of a refusal.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, answer) = self.call(method, path, body).await;
        assert_eq!(answer["object"], "error", "{method} {path} {body}: {answer}");
        assert!(answer["request_id"].is_string(), "{answer}");
        (status, answer["message"].as_str().unwrap().to_owned())
    }

    async fn create(&self, properties: &Value) -> String {
        let parent = json!({"type": "data_source_id", "data_source_id": self.source});
        let page = self.good("POST", "/v1/pages", &json!({"parent": parent, "properties": properties})).await;
        page["id"].as_str().unwrap().to_owned()
    }

    async fn found(&self, filter: &Value) -> Vec<String> {
        let path = format!("/v1/data_sources/{}/query", self.source);
        let sorts = json!([{"property": "No", "direction": "ascending"}]);
        let list = self.good("POST", &path, &json!({"filter": filter, "sorts": sorts})).await;
        let title = |row: &Value| notion_wire::text::plain(&row["properties"]["Name"]["title"]);
        list["results"].as_array().unwrap().iter().map(title).collect()
    }

    fn value(&self, row: &str, property: &str) -> Value {
        let row = self.notion.row(row).unwrap();
        let shown = &row["properties"][property];
        shown[shown["type"].as_str().unwrap()].clone()
    }
}

fn name(text: &str) -> Value {
    json!({"title": [{"text": {"content": text}}]})
}

#[tokio::test]
async fn a_value_of_the_wrong_shape_is_refused_by_its_path() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    let path = format!("/v1/pages/{row}");
    let long = |length: usize| "x".repeat(length);
    for (property, value, part) in [
        (
            "Amount",
            json!({"number": "12"}),
            "body.properties.Amount.number should be a number or `null`, instead was `\"12\"`.",
        ),
        ("Amount", json!({"rich_text": []}), "Amount is expected to be number."),
        ("Done", json!({"checkbox": null}), "body.properties.Done.checkbox should be a boolean, instead was `null`."),
        ("Text", json!({"rich_text": "x"}), "body.properties.Text.rich_text should be an array, instead was `\"x\"`."),
        (
            "Text",
            json!({"rich_text": [{"plain_text": "x"}]}),
            "body.properties.Text.rich_text[0].text should be defined, instead was `undefined`.",
        ),
        (
            "Text",
            json!({"rich_text": [{"text": {"content": long(2_001)}}]}),
            "body.properties.Text.rich_text[0].text.content.length should be ≤ `2000`, instead was `2001`.",
        ),
        (
            "Text",
            json!({"rich_text": vec![json!({"text": {"content": "x"}}); 101]}),
            "body.properties.Text.rich_text.length should be ≤ `100`, instead was `101`.",
        ),
        (
            "Text",
            json!({"rich_text": [{"text": {"content": "x", "link": {"url": "not an address"}}}]}),
            "Invalid URL for link.",
        ),
        (
            "Text",
            json!({"rich_text": [{"equation": {"expression": long(1_001)}}]}),
            "equation.expression.length should be ≤ `1000`, instead was `1001`.",
        ),
        (
            "Page",
            json!({"url": ""}),
            "body.properties.Page.url should be a populated string or `null`, instead was `\"\"`.",
        ),
        (
            "Page",
            json!({"url": long(2_001)}),
            "body.properties.Page.url.length should be ≤ `2000`, instead was `2001`.",
        ),
        (
            "Mail",
            json!({"email": long(201)}),
            "body.properties.Mail.email.length should be ≤ `200`, instead was `201`.",
        ),
        (
            "Phone",
            json!({"phone_number": long(201)}),
            "body.properties.Phone.phone_number.length should be ≤ `200`, instead was `201`.",
        ),
        ("Kind", json!({"select": {"name": "a, b"}}), "Invalid select option, commas not allowed: a, b"),
        (
            "Kind",
            json!({"select": {"name": long(101)}}),
            "body.properties.Kind.select.name.length should be ≤ `100`, instead was `101`.",
        ),
        (
            "Tags",
            json!({"multi_select": vec![json!({"name": "a"}); 101]}),
            "body.properties.Tags.multi_select.length should be ≤ `100`, instead was `101`.",
        ),
        ("Stage", json!({"status": {"name": "Nope"}}), "Invalid status option. Status option \"Nope\" does not exist."),
        (
            "Who",
            json!({"people": [{"id": "153104cd-477e-809d-8dc4-ff2d96ae3090"}]}),
            "Could not find user with ID: 153104cd-477e-809d-8dc4-ff2d96ae3090.",
        ),
        (
            "Who",
            json!({"people": vec![json!({"id": BOT}); 101]}),
            "body.properties.Who.people.length should be ≤ `100`, instead was `101`.",
        ),
        (
            "Company",
            json!({"relation": vec![json!({"id": BOT}); 101]}),
            "body.properties.Company.relation.length should be ≤ `100`, instead was `101`.",
        ),
        ("Company", json!({"relation": [{"id": row}]}), "is not in the data source that it relates to."),
        (
            "Day",
            json!({"date": {"start": "tomorrow"}}),
            "body.properties.Day.date.start should be a valid ISO 8601 date string, instead was `\"tomorrow\"`.",
        ),
        ("Day", json!({"date": {"start": "2026-11-25", "end": "2026-11-24"}}), "should be on or after the start date."),
        ("Day", json!({"date": {"start": "2026-11-25T10:00:00Z", "time_zone": "Europe/Berlin"}}), "without an offset"),
        ("Day", json!({"date": {"start": "2026-11-25", "time_zone": "Mars/Olympus"}}), "a valid IANA time zone"),
        (
            "Files",
            json!({"files": [{"name": "a", "external": {"url": "ftp://x"}}]}),
            "body.properties.Files.files[0].external.url should be a valid URL",
        ),
        ("Nothing", json!({"number": 1}), "Nothing is not a property that exists."),
    ] {
        let (status, message) = bench.refused("PATCH", &path, &json!({"properties": {property: value}})).await;
        assert!(status == 400 && message.contains(part), "{property} {value}: {status} {message}");
    }
    assert_eq!(bench.notion.writes(), 1, "only the page was made");
}

#[tokio::test]
async fn what_notion_computes_is_shown_in_its_shape_and_cannot_be_written() {
    let bench = bench().await;
    let company =
        bench.notion.add_row(&bench.notion.database("Companies").unwrap().1, &json!({"Worth": {"number": 7}})).unwrap();
    let row = bench
        .create(&json!({"Name": name("Roof"), "Amount": {"number": 21}, "Company": {"relation": [{"id": company}]}}))
        .await;
    bench.clock.advance(Duration::from_secs(61));
    bench.notion.edit_as(&row, &json!({"Done": {"checkbox": true}}), &bench.person).unwrap();
    for (property, shown) in [
        ("Double", json!({"type": "number", "number": 42.0})),
        ("Worth", json!({"type": "number", "number": 7.0, "function": "sum"})),
        ("No", json!({"prefix": "D", "number": 1})),
        ("Made", json!("2026-11-25T10:15:00.000Z")),
        ("Edited", json!("2026-11-25T10:16:00.000Z")),
        ("Button", json!({})),
        ("Place", Value::Null),
        ("Checked", json!({"state": "unverified", "verified_by": null, "date": null})),
    ] {
        assert_eq!(bench.value(&row, property), shown, "{property}");
    }
    assert_eq!((&bench.value(&row, "Maker")["id"], &bench.value(&row, "Maker")["type"]), (&json!(BOT), &json!("bot")));
    assert_eq!(bench.value(&row, "Editor")["person"]["email"], "ann@example.com");
    bench.notion.compute(&row, "Double", &json!({"type": "string", "string": "set"})).unwrap();
    assert_eq!(bench.value(&row, "Double"), json!({"type": "string", "string": "set"}));

    for (property, kind) in [
        ("Double", "formula"),
        ("Worth", "rollup"),
        ("No", "unique_id"),
        ("Made", "created_time"),
        ("Maker", "created_by"),
        ("Edited", "last_edited_time"),
        ("Editor", "last_edited_by"),
        ("Button", "button"),
    ] {
        let written = json!({"properties": {property: {kind: bench.value(&row, property)}}});
        let (status, message) = bench.refused("PATCH", &format!("/v1/pages/{row}"), &written).await;
        let first = format!(
            "body failed validation. Fix one:\nbody.properties.{property}.title should be defined, instead was `undefined`."
        );
        assert!(status == 400 && message.starts_with(&first), "{property}: {message}");
        let (_, message) = bench
            .refused("PATCH", &format!("/v1/pages/{row}"), &json!({"properties": {property: {"number": 1}}}))
            .await;
        assert_eq!(message, format!("{property} is expected to be {kind}."));
    }
}

#[tokio::test]
async fn a_property_of_another_type_has_only_values_of_that_type() {
    let bench = bench().await;
    let row = bench.create(&json!({
        "Name": name("Roof"), "Amount": {"number": 20}, "Kind": {"select": {"name": "Old"}}, "Done": {"checkbox": true},
        "Text": {"rich_text": [{"text": {"content": "12.5"}}]}, "Day": {"date": {"start": "2026-11-25"}},
        "Who": {"people": [{"id": bench.person}]}, "Tags": {"multi_select": [{"name": "b"}, {"name": "a"}]},
    })).await;
    let id = bench.notion.schema(&bench.source)["Kind"]["select"]["options"][0]["id"].clone();
    bench.notion.try_change_schema(&bench.source, &json!({
        "Amount": {"rich_text": {}}, "Text": {"number": {}}, "Kind": {"multi_select": {}}, "Done": {"select": {}},
        "Day": {"rich_text": {}}, "Who": {"number": {}}, "Tags": {"rich_text": {}},
    })).unwrap();
    let text = |property: &str| notion_wire::text::plain(&bench.value(&row, property));
    assert_eq!(["Amount", "Day", "Tags"].map(text), ["20", "2026-11-25", "b, a"]);
    assert_eq!((bench.value(&row, "Text"), bench.value(&row, "Who")), (json!(12.5), Value::Null));
    assert_eq!(
        bench.value(&row, "Kind"),
        json!([{"id": id, "name": "Old", "color": "default"}]),
        "an option keeps its id"
    );
    assert_eq!(bench.value(&row, "Done")["name"], "Yes");
    let (_, message) = bench
        .refused(
            "PATCH",
            &format!("/v1/data_sources/{}", bench.source),
            &json!({"properties": {"Name": {"number": {}}}}),
        )
        .await;
    assert_eq!(message, "Cannot change the type of the title property.");
    assert_eq!(bench.notion.events().last().unwrap()["type"], "data_source.schema_updated");
}

#[tokio::test]
async fn a_renamed_option_is_renamed_on_all_rows_and_a_removed_one_is_gone() {
    let bench = bench().await;
    let of = |kind: &str| json!({"Name": name("x"), "Kind": {"select": {"name": kind}}, "Tags": {"multi_select": [{"name": "a"}, {"name": "b"}]}});
    let (first, second) = (bench.create(&of("Old")).await, bench.create(&of("New")).await);
    let path = format!("/v1/data_sources/{}", bench.source);
    let options = bench.notion.schema(&bench.source)["Kind"]["select"]["options"].clone();
    let renamed = json!({"properties": {"Kind": {"select": {"options": [{"id": options[0]["id"], "name": "Ancient"}, {"id": options[1]["id"]}]}}}});
    bench.good("PATCH", &path, &renamed).await;
    assert_eq!(
        (&bench.value(&first, "Kind")["name"], &bench.value(&second, "Kind")["name"]),
        (&json!("Ancient"), &json!("New"))
    );
    bench.good("PATCH", &path, &json!({"properties": {"Kind": {"select": {"options": [{"name": "New"}]}}}})).await;
    assert_eq!((bench.value(&first, "Kind"), &bench.value(&second, "Kind")["name"]), (Value::Null, &json!("New")));
    assert!(bench.notion.remove_option(&bench.source, "Tags", "a"));
    assert_eq!(bench.value(&first, "Tags").as_array().unwrap().len(), 1);

    for (given, part) in [
        (
            json!((0..101).map(|n| json!({"name": n.to_string()})).collect::<Vec<_>>()),
            "body.properties.Kind.select.options.length should be ≤ `100`, instead was `101`.",
        ),
        (json!([{"name": "a, b"}]), "commas not allowed"),
        (json!([{"name": "x"}, {"name": "X"}]), "names must be unique"),
        (json!([{"name": "New", "color": "red"}]), "Cannot update color of select with name: New."),
    ] {
        let body = json!({"properties": {"Kind": {"select": {"options": given}}}});
        let (_, message) = bench.refused("PATCH", &path, &body).await;
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn options_of_a_status_are_added_and_renamed_but_not_removed_and_new_ones_are_to_do() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("x"), "Stage": {"status": {"name": "Done"}}})).await;
    let path = format!("/v1/data_sources/{}", bench.source);
    bench.good("PATCH", &path, &json!({"properties": {"Stage": {"status": {"options": [{"name": "Won"}]}}}})).await;
    let status = bench.notion.schema(&bench.source)["Stage"]["status"].clone();
    assert_eq!(status["options"].as_array().unwrap().len(), 4, "{status}");
    let won =
        status["options"].as_array().unwrap().iter().find(|option| option["name"] == "Won").unwrap()["id"].clone();
    assert!(
        status["groups"][0]["name"] == "To-do" && status["groups"][0]["option_ids"].as_array().unwrap().contains(&won)
    );
    let updated =
        bench.good("PATCH", &format!("/v1/pages/{row}"), &json!({"properties": {"Stage": {"status": null}}})).await;
    assert_eq!(updated["properties"]["Stage"]["status"]["name"], "Not started", "nothing falls back to the default");
    assert!(bench.notion.group_option(&bench.source, "Stage", "Won", "Complete"));
    assert!(bench.notion.remove_option(&bench.source, "Stage", "Not started"));
    assert_eq!(bench.value(&row, "Stage")["name"], "In progress");
}

#[tokio::test]
async fn a_deleted_block_is_gone_until_it_is_restored() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    let path = format!("/v1/blocks/{row}/children");
    let paragraph = |text: &str| json!({"paragraph": {"rich_text": [{"text": {"content": text}}]}});
    let list = bench.good("PATCH", &path, &json!({"children": [paragraph("one"), paragraph("three")]})).await;
    let ids: Vec<String> =
        list["results"].as_array().unwrap().iter().map(|block| block["id"].as_str().unwrap().to_owned()).collect();
    let after =
        json!({"children": [paragraph("two")], "position": {"type": "after_block", "after_block": {"id": ids[0]}}});
    bench.good("PATCH", &path, &after).await;
    bench.good("PATCH", &path, &json!({"children": [paragraph("zero")], "position": {"type": "start"}})).await;
    assert_eq!(bench.notion.body(&row), ["paragraph: zero", "paragraph: one", "paragraph: two", "paragraph: three"]);
    let (_, message) = bench.refused("PATCH", &path, &json!({"children": [paragraph("x")], "after": ids[0]})).await;
    assert_eq!(
        message,
        format!("body failed validation: body.after should be not present, instead was `\"{}\"`.", ids[0])
    );

    let block = format!("/v1/blocks/{}", ids[0]);
    let deleted = bench.good("DELETE", &block, &Value::Null).await;
    assert_eq!(
        (&deleted["type"], &deleted["in_trash"], &deleted["object"]),
        (&json!("paragraph"), &json!(true), &json!("block"))
    );
    assert_eq!(bench.notion.body(&row), ["paragraph: zero", "paragraph: two", "paragraph: three"]);
    let (status, _) = bench.refused("PATCH", &block, &paragraph("changed")).await;
    assert_eq!(status, 400, "it is in the trash");
    bench.good("PATCH", &block, &json!({"in_trash": false})).await;
    let changed = bench.good("PATCH", &block, &paragraph("changed")).await;
    assert_eq!(changed["paragraph"]["rich_text"][0]["plain_text"], "changed");
    assert_eq!(bench.notion.body(&row)[1], "paragraph: changed");
    let (_, message) = bench.refused("PATCH", &block, &json!({"to_do": {"checked": true}})).await;
    assert!(message.starts_with("Block type cannot be changed"), "{message}");

    let page = bench.good("DELETE", &format!("/v1/blocks/{row}"), &Value::Null).await;
    assert_eq!(
        (&page["type"], &page["child_page"]["title"], &page["in_trash"]),
        (&json!("child_page"), &json!("Roof"), &json!(true))
    );
    assert_eq!(bench.good("GET", &format!("/v1/pages/{row}"), &Value::Null).await["in_trash"], true);
}

#[tokio::test]
async fn blocks_have_their_limits() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    let path = format!("/v1/blocks/{row}/children");
    let bullet = |children: Vec<Value>| json!({"bulleted_list_item": {"rich_text": [], "children": children}});
    bench.good("PATCH", &path, &json!({"children": [bullet(vec![bullet(vec![json!({"divider": {}})])])]})).await;
    let many = |count: usize| vec![json!({"divider": {}}); count];
    for (children, part) in [
        (vec![bullet(vec![bullet(vec![bullet(many(1))])])], "children should be not present"),
        (many(101), "body.children.length should be ≤ `100`, instead was `101`."),
        ((0..11).map(|_| bullet(many(100))).collect(), "1000"),
        (vec![json!({"poem": {}})], "body failed validation. Fix one:\nbody.children[0].embed should be defined"),
        (vec![json!({"table": {"table_width": 2}})], "body.children[0].table.children should be defined"),
        (
            vec![json!({"table": {"table_width": 2, "children": [{"table_row": {"cells": [[]]}}]}})],
            "Number of cells in table row must match",
        ),
        (vec![json!({"code": {"rich_text": []}})], "body.children[0].code.language should be a language"),
        (vec![json!({"image": {"external": {"url": "x"}}})], "image.external.url should be a valid URL"),
        (vec![json!({"paragraph": {"rich_text": [], "color": "mauve"}})], "paragraph.color should be a valid color"),
    ] {
        let (status, message) = bench.refused("PATCH", &path, &json!({"children": children})).await;
        assert!(status == 400 && message.contains(part), "{message}");
    }
    let paragraph = json!({"paragraph": {"rich_text": vec![json!({"text": {"content": "x".repeat(2_000)}}); 100]}});
    let large = json!({"children": vec![paragraph; 3]});
    let (status, _) = bench.call("PATCH", &path, &large).await;
    assert_eq!(status, 413, "more than 500 KB");
}

#[tokio::test]
async fn every_condition_of_a_filter_finds_what_it_should() {
    let bench = bench().await;
    bench.notion.short_pages(false);
    let company =
        bench.notion.add_row(&bench.notion.database("Companies").unwrap().1, &json!({"Worth": {"number": 7}})).unwrap();
    bench.create(&json!({
        "Name": name("one"), "Amount": {"number": 1}, "Text": {"rich_text": [{"text": {"content": "Hello world"}}]},
        "Kind": {"select": {"name": "Old"}}, "Tags": {"multi_select": [{"name": "a"}]}, "Stage": {"status": {"name": "Done"}},
        "Day": {"date": {"start": "2026-11-25"}}, "Who": {"people": [{"id": bench.person}]}, "Done": {"checkbox": true},
        "Page": {"url": "https://example.com/a"}, "Company": {"relation": [{"id": company}]},
        "Files": {"files": [{"name": "a", "external": {"url": "https://example.com/f"}}]},
    })).await;
    bench.clock.advance(Duration::from_secs(120));
    bench
        .create(
            &json!({"Name": name("two"), "Amount": {"number": 2}, "Day": {"date": {"start": "2026-12-20T10:00:00Z"}}}),
        )
        .await;
    let on = |property: &str, kind: &str, condition: Value| json!({"property": property, kind: condition});
    let (first, second, both): (&[&str], &[&str], &[&str]) = (&["one"], &["two"], &["one", "two"]);
    for (filter, wanted) in [
        (on("Amount", "number", json!({"greater_than": 1})), second),
        (on("Amount", "number", json!({"less_than_or_equal_to": 1})), first),
        (on("Amount", "number", json!({"does_not_equal": 1})), second),
        (on("Text", "rich_text", json!({"starts_with": "Hello"})), first),
        (on("Text", "rich_text", json!({"ends_with": "world"})), first),
        (on("Text", "rich_text", json!({"does_not_contain": "lo wo"})), second),
        (on("Text", "rich_text", json!({"is_empty": true})), second),
        (on("Name", "title", json!({"contains": "o"})), both),
        (on("Name", "rich_text", json!({"equals": "one"})), first),
        (on("Page", "url", json!({"is_not_empty": true})), first),
        (on("Kind", "select", json!({"equals": ["Old", "New"]})), first),
        (on("Kind", "select", json!({"does_not_equal": "Old"})), second),
        (on("Tags", "multi_select", json!({"contains": "a"})), first),
        (on("Tags", "multi_select", json!({"does_not_contain": "a"})), second),
        (on("Stage", "status", json!({"equals": "Done"})), first),
        (on("Who", "people", json!({"contains": bench.person})), first),
        (on("Maker", "created_by", json!({"contains": "me"})), both),
        (on("Company", "relation", json!({"contains": company})), first),
        (on("Company", "relation", json!({"is_empty": true})), second),
        (on("Done", "checkbox", json!({"equals": true})), first),
        (on("Files", "files", json!({"is_not_empty": true})), first),
        (on("No", "unique_id", json!({"equals": 2})), second),
        (on("Double", "formula", json!({"number": {"equals": 2}})), first),
        (on("Worth", "rollup", json!({"number": {"greater_than": 1}})), first),
        (on("Day", "date", json!({"equals": "2026-11-25"})), first),
        (on("Day", "date", json!({"after": "2026-11-25"})), second),
        (on("Day", "date", json!({"on_or_before": "2026-12-20"})), both),
        (on("Day", "date", json!({"before": "2026-12-20T10:00:00Z"})), first),
        (on("Day", "date", json!({"this_week": {}})), first),
        (on("Day", "date", json!({"past_week": {}})), first),
        (on("Day", "date", json!({"next_month": {}})), both),
        (on("Day", "date", json!({"next_week": {}})), first),
        (on("Day", "date", json!({"equals": "today"})), first),
        (on("Day", "date", json!({"on_or_after": "tomorrow"})), second),
        (json!({"timestamp": "created_time", "created_time": {"on_or_after": "2026-11-25T10:17:00Z"}}), second),
        (json!({"timestamp": "last_edited_time", "last_edited_time": {"past_year": {}}}), both),
        (
            json!({"or": [on("Amount", "number", json!({"equals": 1})), {"and": [on("Amount", "number", json!({"equals": 2})), on("Done", "checkbox", json!({"equals": false}))]}]}),
            both,
        ),
    ] {
        assert_eq!(bench.found(&filter).await, wanted, "{filter}");
    }
    let path = format!("/v1/data_sources/{}/query", bench.source);
    let number = on("Amount", "number", json!({"equals": 1}));
    for (filter, part) in [
        (json!({"and": [{"or": [{"and": [number]}]}]}), "body.filter.and[0].or[0].and should be not present"),
        (
            on("Amount", "number", json!({"equals": "1"})),
            "body.filter.number.equals should be a number, instead was `\"1\"`.",
        ),
        (on("Amount", "number", json!({"equals": 1, "greater_than": 0})), "exactly one condition"),
        (on("Amount", "rich_text", json!({"equals": "1"})), "does not match filter"),
        (on("Nothing", "number", json!({"equals": 1})), "Could not find property with name or id: Nothing"),
        (on("Day", "date", json!({"this_week": true})), "an empty object"),
        (on("Who", "people", json!({"contains": "Ann"})), "a valid uuid"),
        (
            json!({"timestamp": "created_time", "property": "Made", "created_time": {"equals": "today"}}),
            "body.filter.property should be not present",
        ),
    ] {
        let (status, message) = bench.refused("POST", &path, &json!({"filter": filter})).await;
        assert!(status == 400 && message.contains(part), "{filter}: {message}");
    }
}

#[tokio::test]
async fn lists_are_sorted_paged_short_and_shown_in_part() {
    let bench = bench().await;
    for (title, amount) in [("b", json!(3)), ("a", json!(null)), ("c", json!(1))] {
        bench.create(&json!({"Name": name(title), "Amount": {"number": amount}})).await;
    }
    let path = format!("/v1/data_sources/{}/query", bench.source);
    let titles = |list: &Value| {
        list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| notion_wire::text::plain(&row["properties"]["Name"]["title"]))
            .collect::<String>()
    };
    for (sorts, order) in [
        (json!([{"property": "Amount", "direction": "ascending"}]), "cba"),
        (json!([{"property": "Amount", "direction": "descending"}]), "bca"),
        (
            json!([{"timestamp": "created_time", "direction": "ascending"}, {"property": "Name", "direction": "descending"}]),
            "cba",
        ),
    ] {
        assert_eq!(titles(&bench.good("POST", &path, &json!({"sorts": sorts})).await), order);
    }
    let name_only = format!("{path}?filter_properties=title");
    let list = bench.good("POST", &name_only, &json!({})).await;
    assert_eq!(list["results"][0]["properties"].as_object().unwrap().len(), 1);
    let (_, message) = bench.refused("POST", &format!("{path}?filter_properties[]=Nope"), &json!({})).await;
    assert_eq!(message, "Could not find property with name or id: Nope");
    for (body, part) in [
        (json!({"page_size": 101}), "body.page_size should be ≤ `100`, instead was `101`."),
        (json!({"page_size": 0}), "body.page_size should be ≥ `1`, instead was `0`."),
        (json!({"page_size": "10"}), "body.page_size should be a number, instead was `\"10\"`."),
        (json!({"start_cursor": "null"}), "body.start_cursor should be a valid uuid, instead was `\"null\"`."),
        (
            json!({"sorts": [{"property": "Nope", "direction": "ascending"}]}),
            "Could not find sort property with name or id: Nope",
        ),
        (json!({"sorts": [{"property": "Amount"}]}), "body.sorts[0].direction should be"),
    ] {
        let (_, message) = bench.refused("POST", &path, &body).await;
        assert!(message.contains(part), "{message}");
    }

    bench.notion.short_pages(true);
    let (mut seen, mut cursor) = (String::new(), Value::Null);
    loop {
        let list = bench.good("POST", &path, &json!({"page_size": 2, "start_cursor": cursor, "sorts": [{"property": "Name", "direction": "ascending"}]})).await;
        assert_eq!(list["results"].as_array().unwrap().len(), 1, "fewer than asked for");
        seen += &titles(&list);
        cursor = list["next_cursor"].clone();
        if list["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, "abc");
    bench.notion.cap_queries(2);
    let list = bench.good("POST", &path, &json!({"start_cursor": api::cursor(1)})).await;
    assert_eq!(
        (&list["has_more"], &list["request_status"]["incomplete_reason"]),
        (&json!(false), &json!("query_result_limit_reached"))
    );
}

#[tokio::test]
async fn references_beyond_25_are_asked_for_page_by_page() {
    let bench = bench().await;
    let companies = bench.notion.database("Companies").unwrap().1;
    let related: Vec<_> =
        (0..30).map(|_| json!({"id": bench.notion.add_row(&companies, &json!({})).unwrap()})).collect();
    let people: Vec<_> =
        (0..30).map(|n| json!({"id": bench.notion.add_person(&n.to_string(), "x@example.com")})).collect();
    let row = bench.create(&json!({"Company": {"relation": related}, "Who": {"people": people}})).await;
    let page = bench.good("GET", &format!("/v1/pages/{row}"), &Value::Null).await;
    let company = &page["properties"]["Company"];
    assert_eq!((company["relation"].as_array().unwrap().len(), &company["has_more"]), (25, &json!(true)));
    assert_eq!(page["properties"]["Who"]["people"].as_array().unwrap().len(), 25);
    for property in ["Company", "Who"] {
        let path = format!(
            "/v1/pages/{row}/properties/{}?page_size=20",
            bench.notion.schema(&bench.source)[property]["id"].as_str().unwrap()
        );
        let first = bench.good("GET", &path, &Value::Null).await;
        assert_eq!((first["results"].as_array().unwrap().len(), &first["has_more"]), (20, &json!(true)));
        let next = bench
            .good("GET", &format!("{path}&start_cursor={}", first["next_cursor"].as_str().unwrap()), &Value::Null)
            .await;
        assert_eq!((next["results"].as_array().unwrap().len(), &next["has_more"]), (10, &json!(false)));
    }
    let title = bench.good("GET", &format!("/v1/pages/{row}/properties/title"), &Value::Null).await;
    assert_eq!((&title["object"], &title["property_item"]["type"]), (&json!("list"), &json!("title")));
}

#[tokio::test]
async fn what_the_connection_may_not_do_is_refused_or_hidden() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof"), "Who": {"people": [{"id": bench.person}]}})).await;
    let page = format!("/v1/pages/{row}");
    let comment = json!({"parent": {"page_id": row}, "rich_text": [{"text": {"content": "Hi"}}]});
    for (capability, method, path, body) in [
        ("read", "GET", page.clone(), Value::Null),
        ("update", "PATCH", page.clone(), json!({})),
        ("insert", "PATCH", format!("/v1/blocks/{row}/children"), json!({"children": []})),
        ("people", "GET", "/v1/users".into(), Value::Null),
        ("read_comments", "GET", format!("/v1/comments?block_id={row}"), Value::Null),
        ("insert_comments", "POST", "/v1/comments".into(), comment),
    ] {
        bench.good(method, &path, &body).await;
        assert!(bench.notion.allow(capability, false));
        assert_eq!(
            bench.refused(method, &path, &body).await,
            (403, "Insufficient permissions for this endpoint.".into())
        );
        bench.notion.allow(capability, true);
    }
    bench.notion.allow("people_emails", false);
    assert_eq!(
        bench.value(&row, "Who")[0],
        json!({"object": "user", "id": bench.person, "name": "Ann", "avatar_url": null, "type": "person", "person": {}})
    );
    bench.notion.allow("people", false);
    assert_eq!(bench.value(&row, "Who")[0], json!({"object": "user", "id": bench.person}));
    bench.notion.share(&bench.database, false);
    assert_eq!(bench.refused("GET", &page, &Value::Null).await.0, 404);
    bench.notion.share(&bench.database, true);
    let guest = bench.notion.add_guest("Guest", "guest@example.com");
    bench.notion.allow("people", true);
    let users = bench.good("GET", "/v1/users", &Value::Null).await;
    assert!(
        !users["results"].as_array().unwrap().iter().any(|user| user["id"] == guest.as_str()),
        "guests are not listed"
    );
    bench.good("PATCH", &page, &json!({"properties": {"Who": {"people": [{"id": guest}]}}})).await;
}

#[tokio::test]
async fn overlapping_writes_conflict_and_failures_speak_as_notion_does() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    bench.notion.conflict(OverlapRule::All);
    let path = format!("/v1/pages/{row}");
    let write = |amount: u64| json!({"properties": {"Amount": {"number": amount}}});
    let (one, two) = (write(1), write(2));
    let (first, second) = tokio::join!(bench.call("PATCH", &path, &one), bench.call("PATCH", &path, &two));
    assert_eq!((first.0, second.0, &second.1["code"]), (200, 409, &json!("conflict_error")));
    assert_eq!(second.1["message"], "Conflict occurred while saving. Please try again.");
    assert_eq!(bench.call("PATCH", &path, &two).await.0, 200, "later it goes through");
    bench.notion.conflict(OverlapRule::Pages);

    for (status, code) in [(409, "conflict_error"), (503, "service_unavailable"), (529, "service_overload")] {
        bench.notion.fail_next("*", crate::Fault::Code { status, code: code.into() });
        let (got, answer) = bench.call("GET", &path, &Value::Null).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)));
    }
    bench.notion.limit_calls(true);
    let statuses = async {
        let mut all = Vec::new();
        for _ in 0..181 {
            all.push(bench.call("GET", "/v1/users/me", &Value::Null).await.0);
        }
        all
    }
    .await;
    assert_eq!((statuses.iter().filter(|status| **status == 200).count(), statuses[180]), (180, 429));
}

#[tokio::test]
async fn writes_of_one_page_that_overlap_conflict_unless_a_test_says_otherwise() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    let other = bench.create(&json!({"Name": name("Door")})).await;
    let amount = |amount: u64| json!({"properties": {"Amount": {"number": amount}}});
    let (one, two) = (amount(1), amount(2));
    let (page, elsewhere) = (format!("/v1/pages/{row}"), format!("/v1/pages/{other}"));
    let body = json!({"children": [{"divider": {}}]});
    let children = format!("/v1/blocks/{row}/children");
    let (first, second, third, fourth) = tokio::join!(
        bench.call("PATCH", &page, &one),
        bench.call("PATCH", &page, &two),
        bench.call("PATCH", &children, &body),
        bench.call("PATCH", &elsewhere, &two),
    );
    assert_eq!([first.0, second.0, third.0, fourth.0], [200, 409, 409, 200]);
    assert_eq!(bench.notion.conflicts(), 2);
    let reads = tokio::join!(
        bench.call("GET", &page, &Value::Null),
        bench.call("PATCH", &page, &two),
        bench.call("GET", &page, &Value::Null)
    );
    assert_eq!([reads.0.0, reads.1.0, reads.2.0], [200, 200, 200], "reads conflict with nothing");
    bench.notion.conflict(OverlapRule::None);
    let (first, second) = tokio::join!(bench.call("PATCH", &page, &one), bench.call("PATCH", &page, &two));
    assert_eq!((first.0, second.0), (200, 200));
}

#[tokio::test]
async fn now_and_then_a_list_gives_less_than_it_was_asked_for() {
    let bench = bench().await;
    for number in 0..6 {
        bench.create(&json!({"Name": name(&number.to_string())})).await;
    }
    let path = format!("/v1/data_sources/{}/query", bench.source);
    let mut lengths = Vec::new();
    for _ in 0..10 {
        let page = bench.good("POST", &path, &json!({"page_size": 100})).await;
        let length = page["results"].as_array().unwrap().len();
        assert_eq!(page["has_more"], length < 6, "{page}");
        lengths.push(length);
    }
    assert_eq!(lengths, [6, 6, 6, 6, 3, 6, 6, 6, 6, 3]);
}

/// The kinds of the webhooks of ten rows, each edited at once, in the order in which a seed lets them come.
async fn webhooks_with_seed(seed: u64) -> Vec<String> {
    let time = crate::testing::VirtualTime::start();
    let notion = NotionSimulator::start(time.clock.clone(), 0).await.unwrap();
    let handler = crate::testing::NotingHandler::start(|_| crate::testing::status(200)).await;
    let (_, source) = notion.add_database("Deals", &json!({"Amount": {"number": {}}}));
    let (_, accepted) = notion.subscribe(&handler.server.url()).await;
    assert_eq!(accepted, 200);
    let disorder = crate::Disorder { seed, max_delay_ms: 10_000, doubled: 100, lost: 300 };
    notion.deliver(super::NotionEventDelivery { disorder, ..super::NotionEventDelivery::default() });
    for number in 0..10 {
        let row = notion.add_row_as(&source, &json!({"Amount": {"number": number}}), SOMEBODY).unwrap();
        notion.edit(&row, &json!({"Amount": {"number": 100 + number}})).unwrap();
    }
    for _ in 0..15 {
        time.pass(1).await;
        notion.send_due();
    }
    let kinds = notion.sent();
    assert!(kinds.iter().any(|sent| sent.outcome == crate::SentOutcome::Lost), "{kinds:?}");
    kinds.into_iter().map(|sent| format!("{} {}", sent.kind, sent.id)).collect()
}

#[tokio::test]
async fn webhooks_come_in_the_order_that_a_seed_says() {
    let kinds = webhooks_with_seed(2).await;
    assert_eq!(kinds, webhooks_with_seed(2).await);
    assert_ne!(kinds, webhooks_with_seed(3).await);
    assert!(kinds.iter().any(|kind| kind.starts_with("page.properties_updated")), "{kinds:?}");
}

#[tokio::test]
async fn a_throttle_is_written_as_a_test_wants_it_and_counts_as_no_limit() {
    let bench = bench().await;
    let form = crate::RetryAfterForm::Date(90);
    let throttled = crate::Fault::Throttled { status: 529, retry_after: form };
    bench.notion.fail(crate::Rule { count: Some(1), ..crate::Rule::every("GET /v1/users/me", throttled) });
    let (status, answer) = bench.call("GET", "/v1/users/me", &Value::Null).await;
    assert_eq!((status, &answer["code"]), (529, &json!("service_overload")));
    assert_eq!(bench.notion.exceeded_limits(), []);
    bench.notion.limit_calls(true);
    while bench.call("GET", "/v1/users/me", &Value::Null).await.0 == 200 {}
    let exceeded = bench.notion.exceeded_limits();
    assert_eq!((exceeded.len(), exceeded[0].times, exceeded[0].method.as_str()), (1, 1, "GET /v1/users/me"));
}

#[tokio::test]
async fn events_say_what_happened_and_never_a_value() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Secret")})).await;
    let (_, other) = bench.notion.add_database("Archive", &json!({}));
    bench.notion.edit(&row, &json!({"Amount": {"number": 5}})).unwrap();
    bench.notion.add_blocks(&row, &json!([{"divider": {}}])).unwrap();
    let comment = bench.notion.comment(&row, "Secret", SOMEBODY);
    bench.notion.edit_comment(&comment, "Secret too");
    bench.notion.delete_comment(&comment);
    bench.notion.lock(&row, true);
    bench.notion.lock(&row, false);
    bench.notion.trash(&row, true);
    bench.notion.trash(&row, false);
    bench.notion.move_row(&row, &other);
    bench.notion.change_schema(&bench.source, &json!({"Amount": null}));
    bench.notion.trash_database(&bench.database, true);
    bench.notion.trash_database(&bench.database, false);
    let events = bench.notion.events();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[kinds.len() - 14..],
        [
            "page.created",
            "page.properties_updated",
            "page.content_updated",
            "comment.created",
            "comment.updated",
            "comment.deleted",
            "page.locked",
            "page.unlocked",
            "page.deleted",
            "page.undeleted",
            "page.moved",
            "data_source.schema_updated",
            "database.deleted",
            "database.undeleted",
        ]
    );
    assert!(!json!(events).to_string().contains("Secret"));
    let created = &events[events.len() - 14];
    assert_eq!(
        (&created["authors"], &created["data"]["parent"]["data_source_id"]),
        (&json!([{"id": BOT, "type": "bot"}]), &json!(bench.source))
    );
}

#[tokio::test]
async fn a_template_is_applied_later_and_leaves_what_was_written() {
    let bench = bench().await;
    let template = bench.notion.add_template(
        &bench.source,
        "Task",
        true,
        &json!({"Amount": {"number": 9}, "Done": {"checkbox": true}}),
        &json!([{"divider": {}}]),
    );
    let list = bench.good("GET", &format!("/v1/data_sources/{}/templates", bench.source), &Value::Null).await;
    assert_eq!(
        list,
        json!({"templates": [{"id": template, "name": "Task", "is_default": true}], "has_more": false, "next_cursor": null})
    );
    let body = json!({"parent": {"data_source_id": bench.source}, "properties": {"Amount": {"number": 1}}, "template": {"type": "default"}});
    let row = bench.good("POST", "/v1/pages", &body).await["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.notion.body(&row), Vec::<String>::new());
    bench.clock.advance(Duration::from_secs(6));
    bench.notion.send_due();
    assert_eq!(
        (bench.notion.body(&row), bench.value(&row, "Amount"), bench.value(&row, "Done")),
        (vec!["divider: ".into()], json!(1), json!(true))
    );
    let mut with_children = body.clone();
    with_children["children"] = json!([]);
    assert_eq!(bench.refused("POST", "/v1/pages", &with_children).await.0, 400);
}

#[tokio::test]
async fn an_older_version_shows_archived_and_takes_after() {
    let bench = bench().await;
    let row = bench.create(&json!({"Name": name("Roof")})).await;
    let (_, page) = bench.raw("GET", &format!("/v1/pages/{row}"), "2025-09-03", Bytes::new()).await;
    assert_eq!((&page["archived"], &page["in_trash"]), (&json!(false), &json!(false)));
    let (_, newer) = bench.raw("GET", &format!("/v1/pages/{row}"), notion_wire::VERSION, Bytes::new()).await;
    assert_eq!(newer.get("archived"), None);
    let (status, _) = bench
        .raw("PATCH", &format!("/v1/pages/{row}"), "2025-09-03", Bytes::from_static(b"{\"archived\": true}"))
        .await;
    assert!(status == 200 && bench.notion.row(&row).unwrap()["in_trash"] == true);
    let (_, message) = bench.refused("GET", "/v1/pages/nonsense", &Value::Null).await;
    assert_eq!(message, "path failed validation: path.page_id should be a valid uuid, instead was `\"nonsense\"`.");
}
