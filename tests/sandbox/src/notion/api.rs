//! The API as it answers: version, token, limits, and every method that is used.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};

use super::values::{Refusal, invalid};
use super::{BOT, NAME, Row, Shared, WORKSPACE, blocks, normal};
use crate::fault::Fault;
use crate::http::{Answer, answer as json_answer, spoil};

/// The largest body.
const LARGEST: usize = 500 * 1024;

type Good = Result<Value, Refusal>;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let call = shape(request.method(), &path);
    {
        let mut state = shared.lock();
        state.requests += 1;
        *state.calls.entry(call.clone()).or_default() += 1;
    }
    if let Some(answer) = super::door::answer(&shared, &request) {
        return Ok(answer);
    }
    if let Some(refused) = admitted(&shared, &request) {
        return Ok(refused);
    }
    let fault = shared.lock().faults.take(&call);
    match fault {
        None => Ok(respond(&shared, &request, &path)),
        Some(Fault::TooMany { seconds }) => {
            shared.lock().refused_for_limits += 1;
            Ok(too_many(seconds, "public_api_space_request_rate_limit"))
        }
        Some(Fault::Code { status, code }) => {
            Ok(refusal(&(status, "", format!("{code}: as the test wants it"), Value::Null), Some(&code)))
        }
        Some(Fault::Saved { told }) => {
            let good = respond(&shared, &request, &path);
            if !good.status().is_success() {
                return Ok(good);
            }
            let saved: Value = serde_json::from_slice(good.body()).unwrap_or_default();
            let mut data = json!({"retry_guidance": ["Read the object again to confirm the saved change.", "Do not repeat the write."]});
            if told {
                data["committed_resource_id"] = saved["id"].clone();
                if let Some(children) = saved["results"].as_array() {
                    data["committed_resource_id"] = json!(path.split('/').nth(3));
                    data["committed_child_ids"] = children.iter().map(|child| child["id"].clone()).collect();
                }
            }
            let text = "The change was saved, but the response could not be built in time. Read the object again instead of repeating the write.";
            Ok(refusal(&(503, "service_unavailable", text.into(), data), None))
        }
        Some(fault) => {
            let good =
                if fault.has_effect() { respond(&shared, &request, &path) } else { json_answer(200, &json!({})) };
            spoil(&fault, good).await
        }
    }
}

/// A call without its ids: `PATCH /v1/pages/`.
fn shape(method: &Method, path: &str) -> String {
    let parts = path.split('/').map(|part| if notion_wire::object_id(part).is_some() { "" } else { part });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

fn request_id(state_last: u64) -> String {
    format!("c5a52730-3f5c-4da8-a2d8-{state_last:012x}")
}

fn refusal((status, code, text, data): &Refusal, other_code: Option<&str>) -> Response<Bytes> {
    let mut body = json!({
        "object": "error", "status": status, "code": other_code.unwrap_or(code), "message": text, "request_id": request_id(0),
    });
    if !data.is_null() {
        body["additional_data"] = data.clone();
    }
    json_answer(*status, &body)
}

fn too_many(seconds: u64, reason: &str) -> Response<Bytes> {
    let data = json!({"rate_limit_reason": reason, "retry_after": seconds.to_string()});
    let text = "You have been rate limited. Please try again later.";
    let mut response = refusal(&(429, "rate_limited", text.into(), data), None);
    response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    response
}

/// Token, version, size and the window, in this order.
fn admitted(shared: &Shared, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let authorization = header("authorization");
    if !authorization.strip_prefix("Bearer ").is_some_and(|token| super::door::is_good(shared, token)) {
        return Some(refusal(&(401, "unauthorized", "API token is invalid.".into(), Value::Null), None));
    }
    let version = header("notion-version");
    if version.is_empty() {
        let text = "Notion-Version header should be defined, instead was `undefined`.";
        return Some(refusal(&(400, "missing_version", text.into(), Value::Null), None));
    }
    if !["2025-09-03", notion_wire::VERSION].contains(&version.as_str()) {
        let text = format!(
            "Notion-Version header should be one of the versions that are simulated, instead was `\"{version}\"`."
        );
        return Some(refusal(&(400, "validation_error", text, Value::Null), None));
    }
    if request.body().len() > LARGEST {
        return Some(json_answer(413, &json!("Payload Too Large")));
    }
    let mut state = shared.lock();
    if !state.limited {
        return None;
    }
    let now = shared.clock.now().as_second();
    let minute = now.div_euclid(60);
    if state.window.0 != minute {
        state.window = (minute, 0);
    }
    if state.window.1 >= state.most_a_minute {
        state.refused_for_limits += 1;
        let left = u64::try_from((minute + 1) * 60 - now).unwrap_or(60).max(1);
        return Some(too_many(left, "public_api_request_rate_limit"));
    }
    state.window.1 += 1;
    None
}

fn respond(shared: &Arc<Shared>, request: &Request<Bytes>, path: &str) -> Response<Bytes> {
    let body = if request.body().is_empty() {
        json!({})
    } else {
        match serde_json::from_slice::<Value>(request.body()) {
            Ok(body) => body,
            Err(_) => return refusal(&(400, "invalid_json", "Error parsing JSON body.".into(), Value::Null), None),
        }
    };
    let query: Map<String, Value> = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_newest = request.headers().get("notion-version").is_some_and(|version| version == notion_wire::VERSION);
    let answered = route(shared, request.method(), &parts, &query, &body, is_newest);
    super::events::send_due(shared);
    match answered {
        Ok(mut good) => {
            good["request_id"] = json!(request_id(shared.lock().last));
            json_answer(200, &good)
        }
        Err(refused) => refusal(&refused, None),
    }
}

fn missing(kind: &str, id: &str) -> Refusal {
    let text = format!(
        "Could not find {kind} with ID: {id}. Make sure the relevant pages and databases are shared with your integration \"{NAME}\"."
    );
    (404, "object_not_found", text, json!({"integration_id": BOT}))
}

fn route(
    shared: &Arc<Shared>,
    method: &Method,
    parts: &[&str],
    query: &Map<String, Value>,
    body: &Value,
    is_newest: bool,
) -> Good {
    let id = parts.get(2).map(|id| normal(id)).unwrap_or_default();
    if is_newest && (body.get("archived").is_some() || body.get("after").is_some()) {
        return Err(invalid(
            "body failed validation: body.archived and body.after should be not present at this version.",
        ));
    }
    match (method.as_str(), parts) {
        ("GET", ["v1", "users", "me"]) => Ok(me()),
        ("GET", ["v1", "users"]) => users(shared, query),
        ("GET", ["v1", "users", _]) => {
            let state = shared.lock();
            let found = state.people.iter().find(|user| user["id"] == id.as_str()).cloned();
            found.or_else(|| (id == BOT).then(me)).ok_or_else(|| missing("user", &id))
        }
        ("GET", ["v1", "databases", _]) => database(shared, &id),
        ("GET", ["v1", "data_sources", _]) => {
            needs(shared, "read")?;
            let state = shared.lock();
            state.source(&id).map(super::State::show_source).ok_or_else(|| missing("data source", &id))
        }
        ("PATCH", ["v1", "data_sources", _]) => change_schema(shared, &id, body),
        ("POST", ["v1", "data_sources", _, "query"]) => {
            needs(shared, "read")?;
            let state = shared.lock();
            if state.source(&id).is_none() {
                return Err(missing("data source", &id));
            }
            state.query(&id, body, shared.clock.now())
        }
        ("POST", ["v1", "pages"]) => create(shared, body),
        ("GET", ["v1", "pages", _]) => {
            needs(shared, "read")?;
            let state = shared.lock();
            state.row(&id).map(|row| state.show(row)).ok_or_else(|| missing("page", &id))
        }
        ("PATCH", ["v1", "pages", _]) => update(shared, &id, body),
        ("GET", ["v1", "pages", _, "properties", property]) => property_items(shared, &id, property, query),
        ("POST", ["v1", "pages", _, "move"]) => {
            let to = body["parent"]["data_source_id"].as_str().map(normal).unwrap_or_default();
            super::doing::move_row(shared, &id, &to, BOT);
            let state = shared.lock();
            state.row(&id).map(|row| state.show(row)).ok_or_else(|| missing("page", &id))
        }
        ("GET", ["v1", "blocks", _, "children"]) => children(shared, &id, query),
        ("PATCH", ["v1", "blocks", _, "children"]) => append(shared, &id, body),
        ("DELETE", ["v1", "blocks", _]) => {
            super::doing::trash(shared, &id, true, BOT);
            Ok(json!({"object": "block", "id": id, "type": "child_page", "in_trash": true}))
        }
        ("POST", ["v1", "comments"]) => Ok(json!({"object": "comment", "id": shared.lock().id()})),
        _ => Err((400, "invalid_request_url", "Invalid request URL.".into(), Value::Null)),
    }
}

fn me() -> Value {
    json!({
        "object": "user", "id": BOT, "name": NAME, "avatar_url": null, "type": "bot",
        "bot": {"owner": {"type": "workspace", "workspace": true}, "workspace_name": "Sandbox", "workspace_id": WORKSPACE,
                "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880}},
    })
}

fn needs(shared: &Shared, capability: &str) -> Result<(), Refusal> {
    if shared.lock().capabilities.contains(capability) {
        return Ok(());
    }
    Err((403, "restricted_resource", "Insufficient permissions for this endpoint.".into(), Value::Null))
}

/// A page of a list.
fn listed(all: &[Value], kind: &str, query: &Map<String, Value>) -> Good {
    let number = |name: &str| query.get(name).and_then(Value::as_str).and_then(|text| text.parse::<usize>().ok());
    let size = number("page_size").unwrap_or(100);
    if size == 0 || size > 100 {
        return Err(invalid("query failed validation: query.page_size should be ≤ `100`."));
    }
    let start = number("start_cursor").unwrap_or_default();
    let page: Vec<_> = all.iter().skip(start).take(size).cloned().collect();
    let next = start + page.len();
    let has_more = next < all.len();
    Ok(json!({
        "object": "list", "results": page, "next_cursor": has_more.then(|| next.to_string()), "has_more": has_more,
        "type": kind, kind: {},
    }))
}

fn users(shared: &Shared, query: &Map<String, Value>) -> Good {
    needs(shared, "people")?;
    let state = shared.lock();
    let all: Vec<_> = state.people.iter().cloned().chain([me()]).collect();
    listed(&all, "user", query)
}

fn database(shared: &Shared, id: &str) -> Good {
    needs(shared, "read")?;
    let state = shared.lock();
    let database = state.databases.get(id).filter(|database| database.shared).ok_or_else(|| missing("database", id))?;
    let sources = database.sources.iter().filter_map(|id| state.sources.get(id));
    // Databases carry milliseconds, unlike everything else.
    let created = database.created.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string();
    Ok(json!({
        "object": "database", "id": database.id, "title": super::values::rich_text("title", &json!([{"text": {"content": database.title}}]))?,
        "description": [], "parent": {"type": "workspace", "workspace": true}, "is_inline": false, "in_trash": false, "is_locked": false,
        "created_time": created, "last_edited_time": created,
        "data_sources": sources.map(|source| json!({"id": source.id, "name": source.title})).collect::<Vec<_>>(),
        "icon": null, "cover": null, "url": format!("https://app.notion.com/p/{}", database.id.replace('-', "")), "public_url": null,
    }))
}

fn change_schema(shared: &Arc<Shared>, id: &str, body: &Value) -> Good {
    needs(shared, "update")?;
    let now = shared.clock.now();
    let mut state = shared.lock();
    if state.source(id).is_none() {
        return Err(missing("data source", id));
    }
    let changes = body["properties"].as_object().cloned().unwrap_or_default();
    let told = state.change_schema(id, &changes)?;
    state.revision += 1;
    if !told.is_empty() {
        state.tell_source(now, "data_source.schema_updated", id, &told);
    }
    let source = state.source(id).ok_or_else(|| missing("data source", id))?;
    Ok(super::State::show_source(source))
}

fn create(shared: &Arc<Shared>, body: &Value) -> Good {
    needs(shared, "insert")?;
    let now = shared.clock.now();
    let mut state = shared.lock();
    let parent = &body["parent"];
    let named = parent["data_source_id"].as_str().map(normal);
    let by_database =
        parent["database_id"].as_str().and_then(|id| state.databases.get(&normal(id))?.sources.first().cloned());
    let Some(source) = named.or(by_database) else {
        return Err(invalid(
            "body failed validation: body.parent.data_source_id should be defined, instead was `undefined`.",
        ));
    };
    if state.source(&source).is_none() {
        return Err(missing("data source", &source));
    }
    if state.out_of_blocks {
        let text = "This workspace has used all of its free blocks. Upgrade its plan in Notion to create more content.";
        return Err((403, "restricted_resource", text.into(), json!({"block_limit": "block_creation"})));
    }
    let children = body.get("children").cloned().unwrap_or_else(|| json!([]));
    blocks::checked("children", &children, 1)?;
    let properties = body["properties"].as_object().cloned().unwrap_or_default();
    let values = state.checked(&source, &properties)?;
    let row = Row {
        id: state.id(),
        source,
        created: now,
        edited: now,
        created_by: BOT.into(),
        edited_by: BOT.into(),
        in_trash: false,
        values: values.into_iter().collect(),
        children: Vec::new(),
        indexed: None,
    };
    let id = row.id.clone();
    state.rows.insert(id.clone(), row);
    let added = state.add_blocks(&id, &children);
    if let Some(row) = state.rows.get_mut(&id) {
        row.children = added;
    }
    state.revision += 1;
    state.writes += 1;
    state.tell_row(now, "page.created", &id, BOT, &[]);
    let row = state.row(&id).ok_or_else(|| missing("page", &id))?;
    Ok(state.show(row))
}

fn update(shared: &Arc<Shared>, id: &str, body: &Value) -> Good {
    needs(shared, "update")?;
    {
        let state = shared.lock();
        let row = state.row(id).ok_or_else(|| missing("page", id))?;
        if row.in_trash && body["in_trash"] != false {
            return Err(invalid("Can't edit block that is archived. You must unarchive the block before editing."));
        }
    }
    if let Some(in_trash) = body["in_trash"].as_bool() {
        super::doing::trash(shared, id, in_trash, BOT);
    }
    if let Some(properties) = body["properties"].as_object() {
        super::doing::edit(shared, id, properties, BOT)?;
        shared.lock().writes += 1;
    }
    let state = shared.lock();
    state.row(id).map(|row| state.show(row)).ok_or_else(|| missing("page", id))
}

fn property_items(shared: &Shared, id: &str, property: &str, query: &Map<String, Value>) -> Good {
    let state = shared.lock();
    let row = state.row(id).ok_or_else(|| missing("page", id))?;
    let key = form_urlencoded::parse(format!("k={}", property.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, v)| v.into_owned());
    let source = state.source(&row.source).ok_or_else(|| missing("page", id))?;
    let found = super::State::named(source, property)
        .or_else(|| super::State::named(source, key.as_deref().unwrap_or_default()));
    let Some((_, definition)) = found else {
        return Err(invalid(format!("Could not find property with name or id: {property}")));
    };
    let (property_id, kind) =
        (definition["id"].as_str().unwrap_or_default(), definition["type"].as_str().unwrap_or_default());
    let value = row.values.get(property_id).cloned().unwrap_or_default();
    if kind != "relation" && kind != "people" {
        return Ok(json!({"object": "property_item", "id": property_id, "type": kind, kind: value}));
    }
    let items = value.as_array().cloned().unwrap_or_default();
    let items: Vec<_> = items
        .iter()
        .map(|item| json!({"object": "property_item", "id": property_id, "type": kind, kind: item}))
        .collect();
    listed(&items, "property_item", query)
}

fn children(shared: &Shared, id: &str, query: &Map<String, Value>) -> Good {
    needs(shared, "read")?;
    let state = shared.lock();
    let ids = state.inside(id).ok_or_else(|| missing("block", id))?;
    let all: Vec<_> = ids.iter().map(|id| state.show_block(id)).collect();
    listed(&all, "block", query)
}

fn append(shared: &Arc<Shared>, id: &str, body: &Value) -> Good {
    needs(shared, "insert")?;
    let now = shared.clock.now();
    let mut state = shared.lock();
    if state.inside(id).is_none() {
        return Err(missing("block", id));
    }
    blocks::checked("children", &body["children"], 1)?;
    if state.out_of_blocks {
        let text = "This workspace has used all of its free blocks.";
        return Err((403, "restricted_resource", text.into(), json!({"block_limit": "block_creation"})));
    }
    let added = state.add_blocks(id, &body["children"]);
    let after = body["position"]["after_block"]["id"].as_str().map(normal);
    if let Some(inside) = state.inside_mut(id) {
        let at = after.and_then(|after| inside.iter().position(|id| *id == after)).map_or(inside.len(), |at| at + 1);
        inside.splice(at..at, added.iter().cloned());
    }
    if let Some(page) = state.page_of(id).or_else(|| state.rows.contains_key(id).then(|| id.to_owned())) {
        if let Some(row) = state.rows.get_mut(&page) {
            row.edited = now;
            row.edited_by = BOT.into();
        }
        state.tell_row(now, "page.content_updated", &page, BOT, &[]);
    }
    state.revision += 1;
    let results: Vec<_> = added.iter().map(|id| state.show_block(id)).collect();
    Ok(
        json!({"object": "list", "results": results, "next_cursor": null, "has_more": false, "type": "block", "block": {}}),
    )
}
