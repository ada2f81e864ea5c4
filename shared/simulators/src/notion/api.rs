//! The API: version, token, limits, and every address that is simulated.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::text::{NotionRefusal, invalid};
use super::{BOT, NAME, NotionShared, NotionState, OverlapRule, WORKSPACE, normal};
use crate::fault::{Fault, wait_if_slow};
use crate::http::{HttpAnswer, answer as json_answer, spoil};

/// The largest body of JSON.
const MAX_BODY: usize = 500 * 1024;
/// The largest part of a file that is sent.
const MAX_PART: usize = 20 * 1024 * 1024;
/// How often a write lets others run before it is done, so that those that were sent together overlap.
const TURNS_OF_A_WRITE: u32 = 4;

pub(super) type NotionResult = Result<Value, NotionRefusal>;

/// A request, read.
pub(super) struct ApiRequest<'a> {
    method: &'a str,
    parts: Vec<&'a str>,
    /// In the order of the address; a name may come more than once.
    query: Vec<(String, String)>,
    pub(super) body: Value,
    /// Whether it speaks the newest version.
    pub(super) is_newest: bool,
    request: &'a Request<Bytes>,
}

impl ApiRequest<'_> {
    /// A part of the path that is an id.
    fn id(&self, index: usize, name: &str) -> Result<String, NotionRefusal> {
        let given = self.parts.get(index).copied().unwrap_or_default();
        let is_id = given.len() <= 36 && notion_wire::object_id(given).is_some();
        if is_id {
            return Ok(normal(given));
        }
        Err(invalid(format!("path failed validation: path.{name} should be a valid uuid, instead was `\"{given}\"`.")))
    }

    /// The path of the address.
    pub(super) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// A parameter of the query.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The properties that the answer is to show.
    pub(super) fn filter_properties(&self) -> Vec<String> {
        let names = ["filter_properties", "filter_properties[]"];
        self.query.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.clone()).collect()
    }

    /// Where a page of a list begins, and how many items it has.
    fn window(&self) -> Result<(usize, usize), NotionRefusal> {
        let size = match self.asked("page_size") {
            None => Ok(100),
            Some(text) => text.parse().map_err(|_| {
                invalid(format!(
                    "query failed validation: query.page_size should be a number, instead was `\"{text}\"`."
                ))
            }),
        };
        let start = self.asked("start_cursor").map(|cursor| {
            offset(cursor).ok_or_else(|| {
                invalid(format!(
                    "query failed validation: query.start_cursor should be a valid uuid, instead was `\"{cursor}\"`."
                ))
            })
        });
        Ok((start.transpose()?.unwrap_or_default(), page_size("query", size?)?))
    }
}

/// Refuses what is not a page size.
pub(super) fn page_size(which: &str, size: i64) -> Result<usize, NotionRefusal> {
    let refused = |relation: &str, bound: u32| {
        invalid(format!(
            "{which} failed validation: {which}.page_size should be {relation} `{bound}`, instead was `{size}`."
        ))
    };
    match usize::try_from(size) {
        Ok(size) if size > 100 => Err(refused("≤", 100)),
        Ok(size) if size > 0 => Ok(size),
        _ => Err(refused("≥", 1)),
    }
}

/// A place in a list, as something that looks like an id.
pub(super) fn cursor(offset: usize) -> String {
    format!("{:08x}-5ab0-4c00-8000-{offset:012x}", (offset as u64).wrapping_mul(0x9E37_79B9) & 0xffff_ffff)
}

/// The place that a cursor stands for, if we made it.
pub(super) fn offset(text: &str) -> Option<usize> {
    let id = notion_wire::object_id(text)?;
    let offset = usize::from_str_radix(id.get(24..)?, 16).ok()?;
    (cursor(offset) == id).then_some(offset)
}

pub(super) async fn answer(shared: Arc<NotionShared>, request: Request<Bytes>) -> HttpAnswer {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let call = shape(request.method(), &path);
    let latency = {
        let mut state = shared.lock();
        state.requests += 1;
        *state.calls.entry(call.clone()).or_default() += 1;
        state.switches.latency
    };
    if !latency.is_zero() {
        shared.clock.sleep(latency).await;
    }
    if let Some(answer) = super::door::answer(&shared, &request) {
        return Ok(answer);
    }
    if let Some(refused) = admitted(&shared, &request) {
        return Ok(refused);
    }
    let fault = {
        let mut state = shared.lock();
        let now = state.now;
        state.faults.take_for(&call, &request, now)
    };
    match wait_if_slow(shared.clock.as_ref(), fault).await {
        None => Ok(overlapping(&shared, &request, &path).await),
        Some(Fault::Throttled { status, retry_after }) => {
            let code = if status == 529 { "service_overload" } else { "rate_limited" };
            let data = json!({"rate_limit_reason": "public_api_space_request_rate_limit"});
            let text = "You have been rate limited. Please try again later.";
            let refused = refusal(&(status, "", text.into(), data), Some(code));
            Ok(retry_after.on(refused, shared.clock.now()))
        }
        Some(Fault::TooMany { seconds }) => {
            shared.lock().refused_for_limits += 1;
            Ok(too_many(seconds, "public_api_space_request_rate_limit"))
        }
        Some(Fault::Code { status, code }) => Ok(failure(status, &code)),
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
            spoil(&fault, good)
        }
    }
}

/// Answers; while overlapping writes conflict, a write takes a moment, and others on the same thing are refused.
async fn overlapping(shared: &Arc<NotionShared>, request: &Request<Bytes>, path: &str) -> Response<Bytes> {
    let target = {
        let mut state = shared.lock();
        let rule = state.switches.conflicts;
        let target = written(&state, request, path).filter(|target| match rule {
            OverlapRule::None => false,
            OverlapRule::Pages => state.pages.contains_key(target),
            OverlapRule::All => true,
        });
        if target.as_ref().is_some_and(|target| !state.busy.insert(target.clone())) {
            state.conflicts += 1;
            return failure(409, "conflict_error");
        }
        target
    };
    let Some(target) = target else { return respond(shared, request, path) };
    let _busy = BusyTarget { shared, target };
    for _ in 0..TURNS_OF_A_WRITE {
        tokio::task::yield_now().await;
    }
    respond(shared, request, path)
}

/// What a write keeps busy until it is done, or its caller has gone.
struct BusyTarget<'a> {
    shared: &'a NotionShared,
    target: String,
}

impl Drop for BusyTarget<'_> {
    fn drop(&mut self) {
        self.shared.lock().busy.remove(&self.target);
    }
}

/// The page or data source that a request writes to.
fn written(state: &NotionState, request: &Request<Bytes>, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let id = parts.get(2).map(|id| normal(id));
    match (request.method().as_str(), parts.get(1).copied()?, parts.get(3).copied()) {
        ("PATCH" | "DELETE", "blocks", _) => id.map(|id| state.page_of(&id).unwrap_or(id)),
        ("PATCH", "pages" | "data_sources" | "databases", _) | ("POST", "pages", Some("move")) => id,
        ("POST", "pages", None) => {
            let body: Value = serde_json::from_slice(request.body()).ok()?;
            body["parent"]["data_source_id"].as_str().map(normal)
        }
        _ => None,
    }
}

/// A call without its ids: `PATCH /v1/pages/`.
fn shape(method: &Method, path: &str) -> String {
    let parts = path.split('/').map(|part| if notion_wire::object_id(part).is_some() { "" } else { part });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

fn request_id(number: u64) -> String {
    format!("c5a52730-3f5c-4da8-a2d8-{:012x}", number & 0xffff_ffff_ffff)
}

fn refusal((status, code, text, data): &NotionRefusal, other_code: Option<&str>) -> Response<Bytes> {
    let mut body = json!({
        "object": "error", "status": status, "code": other_code.unwrap_or(code), "message": text, "request_id": request_id(0),
    });
    if !data.is_null() {
        body["additional_data"] = data.clone();
    }
    json_answer(*status, &body)
}

/// A failure that a test asks for, in Notion's words where they are known.
fn failure(status: u16, code: &str) -> Response<Bytes> {
    let text = match code {
        "conflict_error" => "Conflict occurred while saving. Please try again.",
        "internal_server_error" => "Unexpected error occurred.",
        "bad_gateway" => "Bad Gateway",
        "service_unavailable" | "database_connection_unavailable" => "Notion is unavailable, please try again later.",
        "gateway_timeout" => "Gateway Timeout",
        "service_overload" => "Notion is overloaded, please try again later.",
        "unauthorized" => "API token is invalid.",
        "restricted_resource" => "Insufficient permissions for this endpoint.",
        _ => "The request failed, as the test wants it.",
    };
    if status != 529 {
        return refusal(&(status, "", text.into(), Value::Null), Some(code));
    }
    let mut response = refusal(&(529, "", text.into(), json!({"retry_after": "5"})), Some(code));
    response.headers_mut().insert(http::header::RETRY_AFTER, 5.into());
    response
}

fn too_many(seconds: u64, reason: &str) -> Response<Bytes> {
    let data = json!({"rate_limit_reason": reason, "retry_after": seconds.to_string()});
    let text = "You have been rate limited. Please try again later.";
    let mut response = refusal(&(429, "rate_limited", text.into(), data), None);
    response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    response
}

/// Token, version, size and the window, in this order.
fn admitted(shared: &NotionShared, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let authorization = header("authorization");
    if !authorization.strip_prefix("Bearer ").is_some_and(|token| super::door::is_good(shared, token)) {
        return Some(refusal(&(401, "unauthorized", "API token is invalid.".into(), Value::Null), None));
    }
    let version = header("notion-version");
    if version.is_empty() {
        let text = "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`.";
        return Some(refusal(&(400, "missing_version", text.into(), Value::Null), None));
    }
    if !["2025-09-03", notion_wire::VERSION].contains(&version.as_str()) {
        let text = format!(
            "Notion-Version header should be one of the versions that are simulated, instead was `\"{version}\"`."
        );
        return Some(refusal(&(400, "validation_error", text, Value::Null), None));
    }
    let is_file = header("content-type").starts_with("multipart/form-data");
    if request.body().len() > if is_file { MAX_PART + MAX_BODY } else { MAX_BODY } {
        return Some(json_answer(413, &json!("Payload Too Large")));
    }
    let mut state = shared.lock();
    if !state.switches.limited {
        return None;
    }
    let now = state.now.as_second();
    let minute = now.div_euclid(60);
    if state.window.0 != minute {
        state.window = (minute, 0);
    }
    if state.window.1 >= state.switches.most_a_minute {
        state.refused_for_limits += 1;
        let call = shape(request.method(), request.uri().path().trim_end_matches('/'));
        state.exceeded.note(&call, "requests a minute");
        let left = u64::try_from((minute + 1) * 60 - now).unwrap_or(60).max(1);
        return Some(too_many(left, "public_api_request_rate_limit"));
    }
    state.window.1 += 1;
    None
}

fn respond(shared: &Arc<NotionShared>, request: &Request<Bytes>, path: &str) -> Response<Bytes> {
    let is_file = path.ends_with("/send");
    let body = if request.body().is_empty() || is_file {
        json!({})
    } else {
        match serde_json::from_slice::<Value>(request.body()) {
            Ok(body @ Value::Object(_)) => body,
            Ok(other) => {
                let text = format!(
                    "body failed validation: body should be an object, instead was {}.",
                    super::text::was(Some(&other))
                );
                return refusal(&invalid(text), None);
            }
            Err(_) => return refusal(&(400, "invalid_json", "Error parsing JSON body.".into(), Value::Null), None),
        }
    };
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let call = ApiRequest {
        method: request.method().as_str(),
        parts: path.trim_start_matches('/').split('/').collect(),
        query: query.into_owned().collect(),
        body,
        is_newest: request.headers().get("notion-version").is_some_and(|version| version == notion_wire::VERSION),
        request,
    };
    let (answered, number) = {
        let mut state = shared.lock();
        let answered = state.route(&call);
        (answered, state.requests)
    };
    super::events::send_due(shared);
    match answered {
        Ok(mut good) => {
            if !call.is_newest {
                add_archived(&mut good);
            }
            // Lists of templates have none, as recorded.
            if good.get("templates").is_none() {
                good["request_id"] = json!(request_id(number));
            }
            let mut response = json_answer(200, &good);
            if let Ok(id) = request_id(number).parse() {
                response.headers_mut().insert("x-notion-request-id", id);
            }
            response
        }
        Err(refused) => refusal(&refused, None),
    }
}

/// Older versions show `archived` beside `in_trash`.
fn add_archived(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(in_trash) = fields.get("in_trash").cloned() {
                fields.insert("archived".into(), in_trash);
            }
            fields.values_mut().for_each(add_archived);
        }
        Value::Array(items) => items.iter_mut().for_each(add_archived),
        _ => {}
    }
}

pub(super) fn missing(kind: &str, id: &str) -> NotionRefusal {
    let text = format!(
        "Could not find {kind} with ID: {id}. Make sure the relevant pages and databases are shared with your integration \"{NAME}\"."
    );
    (404, "object_not_found", text, json!({"integration_id": BOT}))
}

pub(super) fn in_trash() -> NotionRefusal {
    invalid("Can't edit block that is archived. You must unarchive the block before editing.")
}

impl NotionState {
    /// Refuses what the connection may not do.
    pub(super) fn needs(&self, capability: &str) -> Result<(), NotionRefusal> {
        if self.capabilities.contains(capability) {
            return Ok(());
        }
        Err((403, "restricted_resource", "Insufficient permissions for this endpoint.".into(), Value::Null))
    }

    /// Refuses more content when the free plan's blocks are used up.
    pub(super) fn has_blocks(&self) -> Result<(), NotionRefusal> {
        if !self.switches.out_of_blocks {
            return Ok(());
        }
        let text = "This workspace has used all of its free blocks. Upgrade its plan in Notion to create more content. Learn more: https://www.notion.com/help/understanding-block-usage";
        Err((403, "restricted_resource", text.into(), json!({"block_limit": "block_creation"})))
    }

    fn route(&mut self, call: &ApiRequest) -> NotionResult {
        refuse_old_names(call)?;
        let page = || call.id(2, "page_id");
        let block = || call.id(2, "block_id");
        match (call.method, call.parts.as_slice()) {
            ("GET", ["v1", "users", "me"]) => Ok(me()),
            ("GET", ["v1", "users"]) => self.list_users(call),
            ("GET", ["v1", "users", _]) => self.one_user(&call.id(2, "user_id")?),
            ("POST", ["v1", "databases"]) => self.create_database(call),
            ("GET", ["v1", "databases", _]) => self.retrieve_database(&call.id(2, "database_id")?),
            ("PATCH", ["v1", "databases", _]) => self.update_database(&call.id(2, "database_id")?, &call.body),
            ("POST", ["v1", "data_sources"]) => self.create_source(call),
            ("GET", ["v1", "data_sources", _]) => self.retrieve_source(&call.id(2, "data_source_id")?),
            ("PATCH", ["v1", "data_sources", _]) => self.update_source(&call.id(2, "data_source_id")?, &call.body),
            ("POST", ["v1", "data_sources", _, "query"]) => self.query(&call.id(2, "data_source_id")?, call),
            ("GET", ["v1", "data_sources", _, "templates"]) => self.templates(&call.id(2, "data_source_id")?, call),
            ("POST", ["v1", "pages"]) => self.create_page(call),
            ("GET", ["v1", "pages", _]) => self.retrieve_page(&page()?, call),
            ("PATCH", ["v1", "pages", _]) => self.update_page(&page()?, call),
            ("POST", ["v1", "pages", _, "move"]) => self.move_page_to(&page()?, &call.body),
            ("GET", ["v1", "pages", _, "properties", property]) => self.property_items(&page()?, property, call),
            ("GET", ["v1", "pages", _, "markdown"]) => self.retrieve_markdown(&page()?),
            ("PATCH", ["v1", "pages", _, "markdown"]) => self.update_markdown(&page()?, &call.body),
            ("GET", ["v1", "blocks", _]) => self.retrieve_block(&block()?),
            ("PATCH", ["v1", "blocks", _]) => self.update_block(&block()?, &call.body),
            ("DELETE", ["v1", "blocks", _]) => self.delete_block(&block()?),
            ("GET", ["v1", "blocks", _, "children"]) => self.list_children(&block()?, call),
            ("PATCH", ["v1", "blocks", _, "children"]) => self.append_children(&block()?, call),
            ("POST", ["v1", "comments"]) => self.create_comment(&call.body),
            ("GET", ["v1", "comments"]) => self.list_comments(call),
            ("GET", ["v1", "comments", _]) => self.retrieve_comment(&call.id(2, "comment_id")?),
            ("PATCH", ["v1", "comments", _]) => self.update_comment(&call.id(2, "comment_id")?, &call.body),
            ("DELETE", ["v1", "comments", _]) => self.delete_comment(&call.id(2, "comment_id")?),
            ("POST", ["v1", "search"]) => self.search(call),
            ("POST", ["v1", "file_uploads"]) => self.create_upload(&call.body),
            ("GET", ["v1", "file_uploads"]) => self.list_uploads(call),
            ("GET", ["v1", "file_uploads", _]) => self.retrieve_upload(&call.id(2, "file_upload_id")?),
            ("POST", ["v1", "file_uploads", _, "send"]) => {
                self.send_upload(&call.id(2, "file_upload_id")?, call.request)
            }
            ("POST", ["v1", "file_uploads", _, "complete"]) => self.complete_upload(&call.id(2, "file_upload_id")?),
            _ => Err((400, "invalid_request_url", "Invalid request URL.".into(), Value::Null)),
        }
    }

    /// A page of a list, shorter than asked for if lists are short.
    pub(super) fn listed(&self, all: &[Value], kind: &str, call: &ApiRequest) -> NotionResult {
        let (start, size) = call.window()?;
        let size = self.shortened(size, all.len().saturating_sub(start));
        let page: Vec<_> = all.iter().skip(start).take(size).cloned().collect();
        let next = start.saturating_add(page.len());
        let has_more = !page.is_empty() && next < all.len();
        Ok(json!({
            "object": "list", "results": page, "next_cursor": has_more.then(|| cursor(next)), "has_more": has_more,
            "type": kind, kind: {},
        }))
    }

    /// How many items a list of this size gives when so many are left: not always all that were asked for.
    pub(super) fn shortened(&self, size: usize, left: usize) -> usize {
        if left <= 1 {
            return size;
        }
        let number = self.long_lists.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.switches.short_every;
        if every > 0 && number.is_multiple_of(every) { size.min(left).div_ceil(2) } else { size }
    }

    fn list_users(&self, call: &ApiRequest) -> NotionResult {
        self.needs("people")?;
        // Guests are not members, and are not listed.
        let members = self.people.iter().filter(|user| user["guest"] != true);
        let ids = members.filter_map(|user| user["id"].as_str());
        let all: Vec<_> = ids.map(|id| self.user(id)).chain([me()]).collect();
        self.listed(&all, "user", call)
    }

    fn one_user(&self, id: &str) -> NotionResult {
        self.needs("people")?;
        if self.is_user(id) { Ok(self.user(id)) } else { Err(missing("user", id)) }
    }
}

/// `archived` and `after` are gone from the newest version.
fn refuse_old_names(call: &ApiRequest) -> Result<(), NotionRefusal> {
    for name in ["archived", "after"] {
        if call.is_newest && call.body.get(name).is_some() {
            return Err(super::text::should(name, "not present", call.body.get(name)));
        }
    }
    Ok(())
}

/// Whether a request puts something into the trash or takes it out, under the name of its version.
pub(super) fn wants_trash(path: &str, body: &Value) -> Result<Option<bool>, NotionRefusal> {
    let given = body.get("in_trash").or_else(|| body.get("archived"));
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(wanted)) => Ok(Some(*wanted)),
        other => Err(super::text::should(path, "a boolean", other)),
    }
}

pub(super) fn me() -> Value {
    json!({
        "object": "user", "id": BOT, "name": NAME, "avatar_url": null, "type": "bot",
        "bot": {"owner": {"type": "workspace", "workspace": true}, "workspace_name": "Sandbox", "workspace_id": WORKSPACE,
                "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880}},
    })
}
