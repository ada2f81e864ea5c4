//! The Web API as Slack answers it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::messages::own_event;
use super::{APP, BOT, BOT_USER, SlackShared, WorkspaceState, blocks, files};
use crate::bucket::Bucket;
use crate::fault::Fault;
use crate::http::{HttpAnswer, answer as json_answer, params, spoil};

/// Posts in one channel: one a second, with short bursts.
const CHANNEL_BURST: f64 = 4.0;
/// Posts in the workspace: several hundred a minute.
const WORKSPACE_BURST: f64 = 30.0;
const WORKSPACE_A_SECOND: f64 = 5.0;

pub(super) type SlackRefusal = (&'static str, Value);

pub(super) fn refusal(code: &'static str) -> SlackRefusal {
    (code, Value::Null)
}

pub(crate) async fn answer(shared: Arc<SlackShared>, request: Request<Bytes>) -> HttpAnswer {
    let base = base_of(&request);
    if let Some(id) = request.uri().path().strip_prefix("/response/") {
        let fault = shared.lock().faults.take("response_url");
        return match fault {
            Some(Fault::Code { status, code }) => Ok(plain(status, &code)),
            Some(fault) => spoil(&fault, plain(200, "ok")),
            None => Ok(respond_later(&shared, id, request.body())),
        };
    }
    if let Some(answer) = files::answer(&shared, &request, &base) {
        let method = if request.method() == http::Method::POST { "upload" } else { "download" };
        let fault = shared.lock().faults.take(method);
        return match fault {
            Some(Fault::Code { status, code }) => Ok(plain(status, &code)),
            Some(fault) => spoil(&fault, answer),
            None => Ok(answer),
        };
    }
    let Some(method) = request.uri().path().strip_prefix("/api/").map(str::to_owned) else {
        return Ok(json_answer(404, &json!({"ok": false, "error": "unknown_method"})));
    };
    let mut params = params(&request);
    let bearer = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let token = bearer.or_else(|| params.remove("token").and_then(|token| token.as_str().map(str::to_owned)));
    unfold_json(&mut params);

    let refused = {
        *shared.lock().calls.entry(method.clone()).or_default() += 1;
        shared.refusal(token.as_deref())
    };
    if let Some(code) = refused {
        return Ok(json_answer(200, &json!({"ok": false, "error": code})));
    }
    if let Some(refused) = shared.lock().lacks(&method, &params) {
        return Ok(json_answer(200, &refused));
    }
    let fault = shared.lock().faults.take(&method);
    match fault {
        Some(Fault::TooMany { seconds }) => Ok(too_many(&shared, seconds)),
        Some(Fault::Code { status, code }) => Ok(json_answer(status, &json!({"ok": false, "error": code}))),
        Some(fault) => {
            let good = if fault.has_effect() {
                respond(&shared, &method, &params, &base)
            } else {
                json_answer(200, &json!({"ok": true}))
            };
            spoil(&fault, good)
        }
        None => Ok(respond(&shared, &method, &params, &base)),
    }
}

/// In a form, blocks and metadata are JSON within text.
fn unfold_json(params: &mut Map<String, Value>) {
    for name in ["blocks", "metadata", "attachments", "view", "files", "unfurls"] {
        if let Some(Value::String(text)) = params.get(name)
            && let Ok(value) = serde_json::from_str(text)
        {
            params.insert(name.into(), value);
        }
    }
}

fn too_many(shared: &SlackShared, seconds: u64) -> Response<Bytes> {
    shared.lock().refused_for_limits += 1;
    let mut response = json_answer(429, &json!({"ok": false, "error": "ratelimited"}));
    response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    response
}

fn base_of(request: &Request<Bytes>) -> String {
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}")
}

fn plain(status: u16, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text.to_owned()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// An answer at a response URL: five times within half an hour.
fn respond_later(shared: &SlackShared, id: &str, body: &Bytes) -> Response<Bytes> {
    let now = shared.clock.now();
    let mut state = shared.lock();
    *state.calls.entry("response_url".into()).or_default() += 1;
    let Some((user, channel, since, used)) = state.responses.get_mut(id) else { return plain(404, "expired_url") };
    if now.as_second() - since.as_second() > 30 * 60 {
        return plain(404, "expired_url");
    }
    if *used >= 5 {
        return plain(404, "used_url");
    }
    let Ok(message) = serde_json::from_slice::<Value>(body) else { return plain(400, "invalid_payload") };
    *used += 1;
    let (user, channel) = (user.clone(), channel.clone());
    if message["text"].as_str().unwrap_or_default().is_empty() && message["blocks"].is_null() {
        return plain(400, "no_text");
    }
    if !message["blocks"].is_null()
        && let Err(problems) = blocks::check(&message["blocks"])
    {
        state.refused_blocks += 1;
        return plain(400, &format!("invalid_blocks {problems:?}"));
    }
    if message["response_type"] == "in_channel" {
        let ts = state.next_ts(now);
        let shown = json!({
            "type": "message", "ts": ts, "user": BOT_USER, "bot_id": BOT, "app_id": APP, "text": message["text"], "blocks": message["blocks"],
        });
        if let Some(channel) = state.channels.get_mut(&channel) {
            channel.messages.push(shown);
        }
    } else {
        state.whispers.push(super::Whisper { user, channel, message });
    }
    state.revision += 1;
    plain(200, "ok")
}

fn respond(shared: &Arc<SlackShared>, method: &str, params: &Map<String, Value>, base: &str) -> Response<Bytes> {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let mut events: Vec<Value> = Vec::new();
    if let Err(wait) = state.admit(method, params, now) {
        drop(state);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = wait.ceil().max(1.0) as u64;
        return too_many(shared, seconds);
    }
    let done = match method {
        "api.test" => Ok(json!({})),
        "auth.test" => Ok(json!({
            "url": "https://sandbox.slack.com/", "team": shared.name(), "user": "switchboard", "team_id": shared.team(),
            "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": false,
        })),
        "team.info" => Ok(json!({"team": {"id": shared.team(), "name": shared.name(), "domain": "sandbox"}})),
        "chat.postMessage" => state.post(params, now).inspect(|posted| events.push(own_event(posted))),
        "chat.update" => state.update(params).inspect(|updated| {
            let mut message = updated["message"].clone();
            message["edited"] = json!({"user": BOT_USER, "ts": "1.1"});
            events.push(json!({
                "type": "message", "subtype": "message_changed", "channel": updated["channel"], "message": message,
                "previous_message": {"user": BOT_USER, "bot_id": BOT, "ts": updated["ts"], "text": "before"}, "event_ts": "1.1",
            }));
        }),
        "chat.delete" => state.delete(params).inspect(|deleted| {
            events.push(json!({
                "type": "message", "subtype": "message_deleted", "channel": deleted["channel"], "deleted_ts": deleted["ts"],
                "previous_message": {"user": BOT_USER, "bot_id": BOT, "app_id": APP, "ts": deleted["ts"], "text": "before"}, "event_ts": "1.1",
            }));
        }),
        "chat.postEphemeral" => state.whisper(params),
        "chat.unfurl" => state.unfurl(params),
        "views.open" => state.open_view(params, now),
        "views.publish" => state.publish(params),
        "users.info" => state.user_info(params),
        "users.list" => Ok(state.user_list(params)),
        "usergroups.list" => Ok(state.group_list(params)),
        "reactions.add" | "reactions.remove" => state.react(params, method == "reactions.add"),
        "files.getUploadURLExternal" => state.upload_place(params, base),
        "files.completeUploadExternal" => state.complete_upload(params, base, now).inspect(|done| {
            events.push(own_event(&done["posted"]));
        }),
        "files.info" => state.file_info(params, base),
        "conversations.list" => Ok(state.list(params)),
        "conversations.info" => state.channel_info(params),
        "conversations.join" => state.join(params),
        "conversations.history" => state.history(params),
        "conversations.replies" => state.replies(params),
        "conversations.open" => state.open(params),
        "conversations.create" => state.create(params),
        "users.lookupByEmail" => state.by_email(params),
        _ => Err(refusal("unknown_method")),
    };
    drop(state);
    for event in events {
        // Slack sends an app events of its own messages, too.
        shared.emit(&event);
    }
    match done {
        Ok(mut body) => {
            body["ok"] = true.into();
            json_answer(200, &body)
        }
        Err((code, details)) => {
            let mut body = json!({"ok": false, "error": code});
            if !details.is_null() {
                body["response_metadata"] = json!({"messages": details});
            }
            json_answer(200, &body)
        }
    }
}

pub(super) fn text<'a>(params: &'a Map<String, Value>, name: &str) -> &'a str {
    params.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(params: &Map<String, Value>, name: &str) -> Option<usize> {
    let value = params.get(name)?;
    value.as_u64().map(|number| usize::try_from(number).unwrap_or_default()).or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn is_set(params: &Map<String, Value>, name: &str) -> bool {
    params.get(name).is_some_and(|value| *value == json!(true) || *value == "true" || *value == "1")
}

impl WorkspaceState {
    /// Tiers by method; posts by channel and by workspace.
    fn admit(&mut self, method: &str, params: &Map<String, Value>, now: jiff::Timestamp) -> Result<(), f64> {
        if !self.limited {
            return Ok(());
        }
        if method == "chat.postMessage" {
            let named = text(params, "channel").trim_start_matches('#').to_owned();
            self.posts.entry(named).or_insert_with(|| Bucket::new(CHANNEL_BURST, 1.0)).add(now)?;
            let workspace = self.methods.entry(method.to_owned());
            return workspace.or_insert_with(|| Bucket::new(WORKSPACE_BURST, WORKSPACE_A_SECOND)).add(now);
        }
        let a_minute = match method {
            "conversations.list" | "conversations.create" | "users.list" | "usergroups.list" => 20.0,
            "users.info"
            | "files.info"
            | "views.publish"
            | "chat.postEphemeral"
            | "files.getUploadURLExternal"
            | "files.completeUploadExternal"
            | "views.open" => 100.0,
            "conversations.replies" | "conversations.history" if self.is_distributed => 1.0,
            "conversations.replies"
            | "conversations.open"
            | "users.lookupByEmail"
            | "conversations.history"
            | "conversations.join"
            | "conversations.info"
            | "chat.update"
            | "chat.delete"
            | "chat.unfurl"
            | "reactions.add"
            | "reactions.remove"
            | "team.info" => 50.0,
            _ => return Ok(()),
        };
        self.methods.entry(method.to_owned()).or_insert_with(|| Bucket::new(a_minute, a_minute / 60.0)).add(now)
    }

    pub(super) fn channel(&self, params: &Map<String, Value>) -> Result<&super::SimulatedChannel, SlackRefusal> {
        self.channels.get(text(params, "channel")).ok_or_else(|| refusal("channel_not_found"))
    }

    /// A private channel that the app is not in is none that it sees.
    fn channel_info(&self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let channel = self.channel(params)?;
        if channel.is_private && !channel.is_member {
            return Err(refusal("channel_not_found"));
        }
        let mut shown = channel.show();
        if let (Some(person), Some(shown)) = (&channel.person, shown.as_object_mut()) {
            // Direct messages have no name.
            shown.retain(|name, _| !name.starts_with("name"));
            shown.insert("user".into(), person.as_str().into());
        }
        Ok(json!({"channel": shown}))
    }

    /// Posting takes a name, too.
    pub(super) fn channel_to_post(&mut self, params: &Map<String, Value>) -> Result<String, SlackRefusal> {
        let named = text(params, "channel");
        let found =
            self.channels.values().find(|channel| channel.id == named || channel.name == named.trim_start_matches('#'));
        let channel = found.ok_or_else(|| refusal("channel_not_found"))?;
        if channel.is_archived {
            return Err(refusal("is_archived"));
        }
        match (channel.is_member, channel.is_private) {
            (true, _) => Ok(channel.id.clone()),
            (false, false) if self.writes_public => Ok(channel.id.clone()),
            (false, false) => Err(refusal("not_in_channel")),
            (false, true) => Err(refusal("channel_not_found")),
        }
    }

    fn by_email(&self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let id = self.people.get(&text(params, "email").to_lowercase());
        // Who was deactivated is not found, and strangers are not of this workspace.
        let profile =
            id.and_then(|id| self.profiles.get(id)).filter(|profile| !profile.deleted && !profile.is_stranger);
        let profile = profile.ok_or_else(|| refusal("users_not_found"))?;
        Ok(json!({"user": profile.show()}))
    }

    /// The direct messages with a person; the same channel every time.
    fn open(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let user = text(params, "users").to_owned();
        let Some((email, _)) = self.people.iter().find(|(_, id)| **id == user) else {
            return Err(refusal("user_not_found"));
        };
        let name = format!("@{}", email.split('@').next().unwrap_or_default());
        let known = self.channels.values().find(|channel| channel.person.as_deref() == Some(&user));
        let id = known.map_or_else(|| format!("D0SAND{:04}", self.channels.len() + 1), |channel| channel.id.clone());
        self.channels.entry(id.clone()).or_insert_with(|| super::SimulatedChannel {
            id: id.clone(),
            name,
            is_private: true,
            is_archived: false,
            is_member: true,
            person: Some(user),
            is_shared: false,
            messages: Vec::new(),
        });
        Ok(json!({"channel": {"id": id}}))
    }

    fn create(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let name = text(params, "name").to_owned();
        if !self.creates_channels {
            return Err(("missing_scope", Value::Null));
        }
        let fits = |c: char| c.is_alphanumeric() && !c.is_uppercase() || c == '-' || c == '_';
        if name.is_empty() || name.chars().count() > 80 || !name.chars().all(fits) {
            return Err(refusal("invalid_name_specials"));
        }
        if self.channels.values().any(|channel| channel.name == name) {
            return Err(refusal("name_taken"));
        }
        let id = format!("C0SAND{:04}", self.channels.len() + 1);
        let channel = super::SimulatedChannel {
            id: id.clone(),
            name,
            is_private: false,
            is_archived: false,
            is_member: true,
            person: None,
            is_shared: false,
            messages: Vec::new(),
        };
        let shown = channel.show();
        self.channels.insert(id, channel);
        self.revision += 1;
        Ok(json!({"channel": shown}))
    }

    fn list(&self, params: &Map<String, Value>) -> Value {
        let types = text(params, "types");
        let private_too = types.contains("private_channel");
        let live_only = is_set(params, "exclude_archived");
        let visible = |channel: &&super::SimulatedChannel| {
            channel.person.is_none()
                && (!channel.is_private || (private_too && channel.is_member))
                && !(live_only && channel.is_archived)
        };
        let all: Vec<_> = self.channels.values().filter(visible).collect();
        let start = text(params, "cursor").parse::<usize>().unwrap_or_default();
        let limit = number(params, "limit").unwrap_or(100).clamp(1, 1000);
        let page: Vec<_> = all.iter().skip(start).take(limit).map(|channel| channel.show()).collect();
        let next = start + page.len();
        let cursor = if next < all.len() { next.to_string() } else { String::new() };
        json!({"channels": page, "response_metadata": {"next_cursor": cursor}})
    }

    fn join(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let channel = self.channels.get_mut(text(params, "channel")).filter(|channel| !channel.is_private);
        let channel = channel.ok_or_else(|| refusal("channel_not_found"))?;
        if channel.is_archived {
            return Err(refusal("is_archived"));
        }
        channel.is_member = true;
        Ok(json!({"channel": channel.show()}))
    }
}

/// The methods of answers, dialogs and files.
impl WorkspaceState {
    pub(super) fn set_reaction(&mut self, channel: &str, ts: &str, name: &str, user: &str, add: bool) {
        self.revision += 1;
        let Some(message) = self.message(channel, ts) else { return };
        let mut rows = message["reactions"].as_array().cloned().unwrap_or_default();
        rows.retain(Value::is_object);
        if !rows.iter().any(|row| row["name"] == name) {
            rows.push(json!({"name": name, "users": [], "count": 0}));
        }
        for row in rows.iter_mut().filter(|row| row["name"] == name) {
            let mut users: Vec<Value> = row["users"].as_array().cloned().unwrap_or_default();
            users.retain(|known| *known != user);
            if add {
                users.push(user.into());
            }
            row["count"] = users.len().into();
            row["users"] = json!(users);
        }
        rows.retain(|row| row["count"] != 0);
        message["reactions"] = json!(rows);
    }
}
