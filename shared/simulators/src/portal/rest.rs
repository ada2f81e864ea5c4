//! REST as the portal answers it: the v2 envelope, its limits, its batch, its errors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::crm;
use super::crm::{ItemAuthor, RestRefusal, number};
use super::query::{self, text};
use super::values::{CallerAccess, FILE_METHOD, ValueWriter, is_empty, signed};
use super::{PortalShared, SimulatorState, directory, portal_time, tasks};
use crate::fault::{Fault, wait_if_slow};
use crate::http::{HttpAnswer, answer as json_answer, params, spoil};

/// Commands that a batch may have.
const MAX_COMMANDS: usize = 50;

/// A method's result with its paging.
pub(super) struct MethodResult {
    pub(super) result: Value,
    pub(super) total: Option<usize>,
    pub(super) next: Option<usize>,
}

/// What became of the portal's webhook and of its tokens.
#[derive(Debug, Default)]
pub(crate) struct PortalState {
    /// Until when a token is good, if not for ever.
    until: BTreeMap<String, Timestamp>,
    /// Tokens, and the webhook's secret, that were taken back.
    revoked: BTreeSet<String>,
}

impl PortalState {
    fn check(&self, token: &str, now: Timestamp) -> Result<(), RestRefusal> {
        if self.revoked.contains(token) {
            return Err((401, "invalid_token", "Unable to get application by token".into()));
        }
        if self.until.get(token).is_some_and(|until| *until <= now) {
            return Err((401, "expired_token", "The access token provided has expired.".into()));
        }
        Ok(())
    }
}

impl super::PortalSimulator {
    /// Revokes an access token or the incoming webhook's secret: its use is refused from now on.
    pub fn revoke(&self, token: &str) {
        self.shared.lock().access.revoked.insert(token.to_owned());
    }

    /// Lets an access token end so many seconds from now; 0 is at once.
    pub fn expire(&self, token: &str, seconds: u32) {
        let until = self.shared.clock.now() + jiff::SignedDuration::from_secs(seconds.into());
        self.shared.lock().access.until.insert(token.to_owned(), until);
    }

    /// Makes every token and the webhook good again.
    pub fn give_access_back(&self) {
        self.shared.lock().access = PortalState::default();
    }
}

impl From<Value> for MethodResult {
    fn from(result: Value) -> Self {
        Self { result, total: None, next: None }
    }
}

pub(super) async fn answer(shared: Arc<PortalShared>, request: Request<Bytes>) -> HttpAnswer {
    let path = request.uri().path().to_owned();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.first().is_some_and(|part| ["crm", "company", "telephony"].contains(part)) {
        return Ok(page(&shared, &parts));
    }
    if parts.as_slice() == ["oauth", "authorize"]
        && let Some(authority) = shared.authority.get()
    {
        let member = shared.lock().credentials.member_id.clone();
        return Ok(authority.portal_page(&member, &request));
    }
    if parts.as_slice() == ["rest", "download.json"] {
        let token = params(&request).get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
        let fault = shared.lock().faults.take_for("download", &request, shared.clock.world.now());
        let fault = wait_if_slow(shared.clock.world.as_ref(), fault).await;
        let answer = match super::chats::fetched(&shared, &token) {
            Some((_, bytes)) => {
                let mut response = Response::new(bytes);
                let kind = http::HeaderValue::from_static("application/octet-stream");
                response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                response
            }
            None => json_answer(404, &json!({"error": "file_not_found"})),
        };
        return match fault {
            Some(fault) => spoil(&fault, answer),
            None => Ok(answer),
        };
    }
    if parts.first() != Some(&"rest") {
        return Ok(json_answer(
            404,
            &json!({"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}),
        ));
    }
    let called = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Some(host) = shared.moved_to().filter(|host| host != called) {
        let mut moved = Response::new(Bytes::from_static(b"<html>Moved</html>"));
        *moved.status_mut() = http::StatusCode::FOUND;
        if let Ok(location) = format!("{}://{host}{path}", shared.lock().scheme).parse() {
            moved.headers_mut().insert(http::header::LOCATION, location);
        }
        return Ok(moved);
    }
    let params = params(&request);
    let Some(method) = parts.last().map(|method| method.trim_end_matches(".json").to_lowercase()) else {
        return Ok(json_answer(404, &json!({"error": "ERROR_METHOD_NOT_FOUND"})));
    };
    let start = shared.clock.now();
    if let Err(refusal) = admit(&shared, &parts, &params) {
        return Ok(refused(&shared, &method, is_app(&params), &refusal, start));
    }
    if method == FILE_METHOD.to_lowercase() {
        return Ok(document(&shared, &params));
    }
    let access = access_of(&parts, &params);
    let fault = shared.lock().faults.take_for(&method, &request, shared.clock.world.now());
    let fault = wait_if_slow(shared.clock.world.as_ref(), fault).await;
    let app = is_app(&params);
    match fault {
        Some(Fault::TooMany { .. }) => {
            Ok(refused(&shared, &method, app, &(503, "QUERY_LIMIT_EXCEEDED", "Too many requests".into()), start))
        }
        Some(Fault::Throttled { status, retry_after }) => {
            let refusal = (status, "QUERY_LIMIT_EXCEEDED", "Too many requests".into());
            Ok(retry_after.on(refused(&shared, &method, app, &refusal, start), start))
        }
        Some(Fault::Code { status, code }) => {
            Ok(json_answer(status, &json!({"error": code, "error_description": "as the test wants it"})))
        }
        Some(fault) => {
            let good = if fault.has_effect() {
                respond(&shared, &method, &params, &access, start)
            } else {
                json_answer(200, &json!({"result": true, "time": {}}))
            };
            spoil(&fault, good)
        }
        None => Ok(respond(&shared, &method, &params, &access, start)),
    }
}

/// With what a caller came in.
fn access_of(parts: &[&str], params: &Map<String, Value>) -> CallerAccess {
    match parts {
        ["rest", user, secret, _] => {
            CallerAccess::Webhook { user: user.parse().unwrap_or_default(), secret: (*secret).to_owned() }
        }
        _ => CallerAccess::Token(params.get("auth").map(text).unwrap_or_default()),
    }
}

/// The contents of a file that a field holds.
fn document(shared: &PortalShared, params: &Map<String, Value>) -> Response<Bytes> {
    let token = params.get("token").map(text).unwrap_or_default();
    let id = token.strip_prefix("crm|").and_then(|id| id.parse::<u64>().ok());
    let found = id.and_then(|id| shared.lock().documents.get(&id).cloned());
    let Some((name, bytes)) = found else { return json_answer(404, &json!({"error": "file_not_found"})) };
    let mut response = Response::new(bytes);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/octet-stream"));
    let name: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || ".-_ ".contains(*letter)).collect();
    if let Ok(disposition) = format!("attachment; filename=\"{name}\"").parse() {
        headers.insert(http::header::CONTENT_DISPOSITION, disposition);
    }
    response
}

fn respond(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    access: &CallerAccess,
    start: Timestamp,
) -> Response<Bytes> {
    match call(shared, method, params, true, is_app(params), acting(shared, params)) {
        Ok(mut good) => {
            signed(&mut good.result, access);
            let mut envelope = Map::from_iter([("result".to_owned(), good.result)]);
            envelope.extend(good.next.map(|next| ("next".to_owned(), json!(next))));
            envelope.extend(good.total.map(|total| ("total".to_owned(), json!(total))));
            envelope.insert("time".into(), time(shared, method, is_app(params), start));
            json_answer(200, &Value::Object(envelope))
        }
        Err(refusal) => refused(shared, method, is_app(params), &refusal, start),
    }
}

fn refused(
    shared: &PortalShared,
    method: &str,
    app: bool,
    (status, code, text): &RestRefusal,
    start: Timestamp,
) -> Response<Bytes> {
    let mut body = json!({"error": code, "error_description": text});
    if *code == "OPERATION_TIME_LIMIT" {
        body["time"] = time(shared, method, app, start);
    }
    if *status == 503 || *status == 429 {
        shared.lock().refused_for_limits += 1;
    }
    json_answer(*status, &body)
}

fn time(shared: &PortalShared, method: &str, app: bool, start: Timestamp) -> Value {
    let finish = shared.clock.now();
    let mut time = span(start, finish);
    let state = shared.lock();
    time["operating"] = state.operating.of(app, method, finish).into();
    time["operating_reset_at"] = state.operating.resets_at(app, method, finish).into();
    time
}

/// `time` as every answer of Bitrix24's REST has it, its authorization servers' too.
pub(crate) fn span(start: Timestamp, finish: Timestamp) -> Value {
    let seconds = |moment: Timestamp| {
        #[allow(clippy::cast_precision_loss)]
        let seconds = moment.as_microsecond() as f64 / 1e6;
        seconds
    };
    json!({
        "start": seconds(start), "finish": seconds(finish), "duration": seconds(finish) - seconds(start),
        "processing": seconds(finish) - seconds(start), "date_start": portal_time(start), "date_finish": portal_time(finish),
    })
}

/// Credentials first, then the bucket: a stranger's calls do not count.
fn admit(shared: &PortalShared, parts: &[&str], params: &Map<String, Value>) -> Result<(), RestRefusal> {
    let now = shared.clock.now();
    let mut state = shared.lock();
    state.requests += 1;
    match parts {
        ["rest", user, secret, _] => {
            let known = *user == state.credentials.user.to_string() && *secret == state.credentials.secret;
            if !known || state.access.check(secret, now).is_err() {
                return Err((401, "INVALID_CREDENTIALS", "Invalid request credentials".into()));
            }
        }
        ["rest", _] => match params.get("auth").and_then(Value::as_str) {
            None => return Err((401, "NO_AUTH_FOUND", "Wrong authorization data".into())),
            Some(token) if token == state.credentials.access_token || user_of(token).is_some() => {
                state.access.check(token, now)?;
            }
            Some(token) => match shared.authority.get() {
                Some(authority) => {
                    let checked = authority.check(&state.credentials.member_id, token);
                    let user = checked.map_err(|(status, code, text)| (status, code, text.to_owned()))?;
                    if state.is_dismissed(user) {
                        return Err((401, "authorization_error", "Unable to authorize user".into()));
                    }
                }
                None => return Err((401, "expired_token", "The access token provided has expired.".into())),
            },
        },
        _ => return Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
    let own = params.get("auth").and_then(Value::as_str).and_then(user_of);
    if own.is_some_and(|user| state.is_dismissed(user)) {
        return Err((401, "authorization_error", "Unable to authorize user".into()));
    }
    if state.limited && state.bucket.add(now).is_err() {
        state.exceeded.note(parts.last().copied().unwrap_or_default(), "requests a second");
        return Err((503, "QUERY_LIMIT_EXCEEDED", "Too many requests".into()));
    }
    Ok(())
}

impl SimulatorState {
    fn charge(&mut self, app: bool, method: &str, now: Timestamp) -> Result<(), RestRefusal> {
        if self.limited && self.operating.is_used_up(app, method, now) {
            self.exceeded.note(method, "480 seconds of operating time in ten minutes");
            return Err((429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.".into()));
        }
        self.operating.charge(app, method, now);
        Ok(())
    }
}

/// Whose own token it is, if it is a person's.
fn user_of(token: &str) -> Option<u64> {
    token.strip_prefix("token-of-user-")?.parse().ok()
}

/// As whom a call is made: the token's person, or the webhook's.
fn acting(shared: &PortalShared, params: &Map<String, Value>) -> u64 {
    let state = shared.lock();
    let token = params.get("auth").and_then(Value::as_str);
    let granted =
        |token: &str| shared.authority.get().and_then(|known| known.check(&state.credentials.member_id, token).ok());
    let own = token.and_then(|token| user_of(token).or_else(|| granted(token)));
    own.unwrap_or(state.credentials.user)
}

/// Whether an application calls: its calls carry a token.
fn is_app(params: &Map<String, Value>) -> bool {
    params.contains_key("auth")
}

fn call(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    outer: bool,
    app: bool,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    if method == "batch" {
        if !outer {
            return Err((405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage".into()));
        }
        *shared.lock().calls.entry("batch".into()).or_default() += 1;
        return Ok(batch(shared, params, app, user).into());
    }
    {
        let now = shared.clock.now();
        let mut state = shared.lock();
        *state.calls.entry(method.to_owned()).or_default() += 1;
        state.charge(app, method, now)?;
        if state.denied.iter().any(|denied| method.starts_with(denied.as_str())) {
            return Err((
                401,
                "insufficient_scope",
                "The request requires higher privileges than provided by the webhook token".into(),
            ));
        }
        let scope = directory::scope_of(method);
        if state.removed_scopes.contains(scope) {
            return Err((
                401,
                "insufficient_scope",
                "The request requires higher privileges than provided by the webhook token".into(),
            ));
        }
        state.guard(method, params, user)?;
    }
    if let Some(answer) = super::subscriptions::call(shared, method, params, app) {
        return answer.map(MethodResult::from);
    }
    if let Some(answer) = super::bots::call(shared, method, params, app, user) {
        return answer.map(MethodResult::from);
    }
    let families = super::classic::call(shared, method, params, user);
    if let Some(answer) = families.or_else(|| directory::call(shared, method, params, user)) {
        return answer;
    }
    if method.starts_with("crm.item.") {
        return items(shared, method, params, user);
    }
    if method.starts_with("tasks.task.") {
        return task(shared, method, params, user);
    }
    let whole = |name: &str| whole(params, name);
    match method {
        "crm.category.list" => {
            let entity = entity_of(params)?;
            let mut categories = shared.lock().categories.clone();
            categories.retain(|category| category["entityTypeId"] == entity);
            Ok(MethodResult { total: Some(categories.len()), result: json!({"categories": categories}), next: None })
        }
        "crm.stagehistory.list" => {
            let listed = directory::of_rows(&shared.lock().stage_history, params)?;
            Ok(MethodResult { result: json!({"items": listed.result}), ..listed })
        }
        "crm.type.list" => {
            let types: Vec<_> = shared
                .lock()
                .items
                .keys()
                .filter(|entity| **entity > 4)
                .map(|entity| json!({"entityTypeId": entity}))
                .collect();
            Ok(MethodResult { total: Some(types.len()), result: json!({"types": types}), next: None })
        }
        "crm.activity.list" => {
            let state = shared.lock();
            let rows: Vec<Value> =
                state.activities.values().filter(|row| state.reads_activity(user, row)).cloned().collect();
            directory::of_rows(&rows, params)
        }
        "crm.activity.get" => {
            let found = shared.lock().activities.get(&whole("id")?).cloned();
            found.map(MethodResult::from).ok_or_else(|| (400, "", "Not found".into()))
        }
        "crm.activity.binding.list" => {
            let found = shared.lock().bindings.get(&whole("activityId")?).cloned();
            found.map(|rows| Value::Array(rows).into()).ok_or_else(|| (400, "", "Not found".into()))
        }
        // Documented as depending on the order of its parameters: named ones are taken in that order.
        "task.commentitem.getlist" => {
            let mut rows = shared.lock().old_comments(whole("TASKID")?)?;
            rows.reverse();
            Ok(Value::Array(rows).into())
        }
        "task.commentitem.get" => {
            let rows = shared.lock().old_comments(whole("TASKID")?)?;
            let id = whole("ITEMID")?.to_string();
            let found = rows.into_iter().find(|row| row["ID"] == id.as_str());
            found
                .map(MethodResult::from)
                .ok_or_else(|| (400, "ERROR_CORE", "TASKS_ERROR_EXCEPTION_#8; Comment not found".into()))
        }
        "im.dialog.messages.get" => shared.lock().messages(params, user).map(MethodResult::from),
        "voximplant.statistic.get" => {
            let state = shared.lock();
            let mut rows = state.statistics(params)?;
            rows.retain(|row| state.hears_call(user, row));
            let (page, total, next) = query::page(&rows, params);
            Ok(MethodResult { result: Value::Array(page), total, next })
        }
        "sonet_group.get" => directory::of_rows(&shared.lock().projects, params),
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
}

/// A number among the parameters.
fn whole(params: &Map<String, Value>, name: &str) -> Result<u64, RestRefusal> {
    let given = params.get(name).and_then(number).and_then(|number| u64::try_from(number).ok());
    given.ok_or_else(|| (400, "INVALID_ARG_VALUE", format!("Could not find value for parameter {{{name}}}")))
}

fn entity_of(params: &Map<String, Value>) -> Result<u32, RestRefusal> {
    let entity = whole(params, "entityTypeId")?;
    u32::try_from(entity).map_err(|_| (400, "NOT_FOUND", "Smart process not found".to_owned()))
}

fn fields_of(params: &Map<String, Value>) -> Map<String, Value> {
    params.get("fields").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The customer's own fields under their original names, if the caller wants them so.
fn original_names(state: &SimulatorState, entity: u32, params: &Map<String, Value>, item: Value) -> Value {
    let wanted =
        params.get("useOriginalUfNames").is_some_and(|wanted| ["Y", "1", "true"].contains(&text(wanted).as_str()));
    let (true, Value::Object(item)) = (wanted, &item) else { return item };
    let own = state.own_fields.get(&entity);
    let name = |name: &String| {
        let field = own.into_iter().flatten().find(|field| field.name == *name);
        field.map_or_else(|| name.clone(), |field| field.upper.clone())
    };
    item.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// `crm.item.*`.
fn items(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let entity = entity_of(params)?;
    let by = ItemAuthor { user, writer: ValueWriter::Rest };
    let shown = |item: Value| {
        let state = shared.lock();
        let item = match item {
            Value::Object(item) => Value::Object(state.whole(entity, &item)),
            other => other,
        };
        MethodResult::from(json!({"item": original_names(&state, entity, params, item)}))
    };
    match method {
        "crm.item.get" => {
            let item = shared.lock().visible(entity, whole(params, "id")?)?.clone();
            Ok(shown(Value::Object(item)))
        }
        "crm.item.list" => {
            let state = shared.lock();
            let (items, total, next) = state.list(entity, params, user)?;
            let items: Vec<_> = items.into_iter().map(|item| original_names(&state, entity, params, item)).collect();
            Ok(MethodResult { result: json!({"items": items}), total, next })
        }
        "crm.item.add" => crm::add(shared, entity, fields_of(params), by).map(shown),
        "crm.item.update" => crm::update(shared, entity, whole(params, "id")?, fields_of(params), by).map(shown),
        "crm.item.fields" => {
            let state = shared.lock();
            if !state.items.contains_key(&entity) {
                return Err((400, "NOT_FOUND", "Smart process not found".into()));
            }
            Ok(json!({"fields": state.described(entity)}).into())
        }
        "crm.item.delete" => crm::delete(shared, entity, whole(params, "id")?).map(|()| json!([]).into()),
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
}

/// `tasks.task.*`.
fn task(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    user: u64,
) -> Result<MethodResult, RestRefusal> {
    let id = || whole(params, "taskId");
    let shown = |id: u64| MethodResult::from(shared.lock().task(id, &Map::new(), user));
    let status = match method {
        "tasks.task.renew" => "2",
        "tasks.task.start" => "3",
        "tasks.task.complete" => "5",
        "tasks.task.defer" => "6",
        _ => "",
    };
    match method {
        "tasks.task.get" => Ok(shared.lock().task(id()?, params, user).into()),
        "tasks.task.list" => {
            let (tasks, total, next) = shared.lock().task_list(params, user)?;
            Ok(MethodResult { result: json!({"tasks": tasks}), total, next })
        }
        "tasks.task.add" => {
            let mut given = fields_of(params);
            if given.get("CREATED_BY").is_none_or(is_empty) {
                given.insert("CREATED_BY".into(), user.to_string().into());
            }
            tasks::add(shared, &given).map(shown)
        }
        "tasks.task.update" => {
            let fields = {
                let state = shared.lock();
                super::quirks::applied(&state.quirks, 0, &Map::new(), fields_of(params))?
            };
            tasks::update(shared, id()?, &fields)?;
            Ok(shown(id()?))
        }
        "tasks.task.delete" => {
            if !tasks::delete(shared, id()?) {
                return Err((400, "0", "wrong task id".into()));
            }
            Ok(json!({"task": true}).into())
        }
        _ if !status.is_empty() => {
            tasks::update(shared, id()?, &tasks::object(json!({"STATUS": status})))?;
            Ok(shown(id()?))
        }
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
}

/// Runs the commands in order; each answer part is an empty list when it has nothing, as PHP writes it.
fn batch(shared: &Arc<PortalShared>, params: &Map<String, Value>, app: bool, user: u64) -> Value {
    let halt =
        params.get("halt").is_some_and(|halt| *halt == json!(true) || number(halt) == Some(1) || *halt == "true");
    let commands: Vec<(String, String)> = match params.get("cmd") {
        Some(Value::Object(map)) => {
            map.iter().map(|(name, cmd)| (name.clone(), cmd.as_str().unwrap_or_default().to_owned())).collect()
        }
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(n, cmd)| (n.to_string(), cmd.as_str().unwrap_or_default().to_owned()))
            .collect(),
        _ => Vec::new(),
    };
    let (mut results, mut errors, mut totals, mut nexts, mut times) =
        (Map::new(), Map::new(), Map::new(), Map::new(), Map::new());
    for (index, (name, command)) in commands.into_iter().enumerate() {
        let start = shared.clock.now();
        let outcome = if index >= MAX_COMMANDS {
            Err((400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded".into()))
        } else {
            let (method, query) = command.split_once('?').unwrap_or((&command, ""));
            let mut given = match bitrix24::form::parse(query.as_bytes()).map(serde_json::to_value) {
                Ok(Ok(Value::Object(map))) => Value::Object(map),
                _ => json!({}),
            };
            resolve(&mut given, &results);
            let method = method.trim_end_matches(".json").to_lowercase();
            call(shared, &method, given.as_object().unwrap_or(&Map::new()), false, app, user)
        };
        match outcome {
            Ok(good) => {
                results.insert(name.clone(), good.result);
                totals.extend(good.total.map(|total| (name.clone(), json!(total))));
                nexts.extend(good.next.map(|next| (name.clone(), json!(next))));
                times.insert(name, time(shared, "batch", app, start));
            }
            Err((_, code, text)) => {
                errors.insert(name, json!({"error": code, "error_description": text}));
                if halt {
                    break;
                }
            }
        }
    }
    let php = |map: Map<String, Value>| if map.is_empty() { json!([]) } else { Value::Object(map) };
    json!({
        "result": php(results), "result_error": php(errors), "result_total": php(totals),
        "result_next": php(nexts), "result_time": php(times),
    })
}

/// Replaces `$result[name][path]` by what it points at; by nothing, where it points at nothing.
fn resolve(value: &mut Value, results: &Map<String, Value>) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| resolve(value, results)),
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(value, results)),
        Value::String(text) => {
            let Some(path) = text.strip_prefix("$result") else { return };
            let steps = path.split(['[', ']']).filter(|step| !step.is_empty());
            let mut at: Option<&Value> = None;
            for (depth, step) in steps.enumerate() {
                at = if depth == 0 {
                    results.get(step)
                } else {
                    at.and_then(|at| at.get(step).or_else(|| at.get(step.parse::<usize>().ok()?)))
                };
            }
            *value = match at {
                Some(Value::String(text)) => Value::String(text.clone()),
                Some(number @ Value::Number(_)) => Value::String(number.to_string()),
                _ => Value::String(String::new()),
            };
        }
        _ => {}
    }
}

/// The page that a card's link opens.
fn page(shared: &PortalShared, parts: &[&str]) -> Response<Bytes> {
    let id = parts.iter().rev().find_map(|part| part.parse::<u64>().ok()).unwrap_or_default();
    let state = shared.lock();
    let item = match parts {
        ["crm", "type", entity, ..] => entity.parse().ok().and_then(|entity: u32| state.items.get(&entity)?.get(&id)),
        ["crm", kind, ..] => {
            let entity = ["lead", "deal", "contact", "company"].iter().position(|name| name == kind).unwrap_or(9) + 1;
            state.items.get(&u32::try_from(entity).unwrap_or_default()).and_then(|items| items.get(&id))
        }
        ["company", ..] => state.tasks.get(&id),
        _ => None,
    };
    let escaped = |text: String| text.replace('&', "&amp;").replace('<', "&lt;");
    let text = match item {
        Some(item) => {
            let rows = item.iter().map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("<tr><th align=left>{name}<td>{}", escaped(value))
            });
            let table = rows.collect::<String>();
            format!(
                "<!doctype html><meta charset=utf-8><title>{id}</title><body style=\"font:16px sans-serif\"><table>{table}</table>"
            )
        }
        None => "<!doctype html><p>There is no such record.".into(),
    };
    let mut response = Response::new(Bytes::from(text));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
