//! The Web API as Slack answers it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::{APP, BOT, BOT_USER, Shared, State, TEAM, blocks, files};
use crate::bucket::Bucket;
use crate::fault::Fault;
use crate::http::{Answer, answer as json_answer, params, spoil};

/// A text is cut here, as Slack does.
const TEXT: usize = 40_000;
/// Posts in one channel: one a second, with short bursts.
const CHANNEL_BURST: f64 = 4.0;
/// Posts in the workspace: several hundred a minute.
const WORKSPACE_BURST: f64 = 30.0;
const WORKSPACE_A_SECOND: f64 = 5.0;

pub(super) type Refusal = (&'static str, Value);

pub(super) fn refusal(code: &'static str) -> Refusal {
    (code, Value::Null)
}

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
    let base = base_of(&request);
    if let Some(id) = request.uri().path().strip_prefix("/response/") {
        let fault = shared.lock().faults.take("response_url");
        return match fault {
            Some(Fault::Code { status, code }) => Ok(plain(status, &code)),
            Some(fault) => spoil(&fault, plain(200, "ok")).await,
            None => Ok(respond_later(&shared, id, request.body())),
        };
    }
    if let Some(answer) = files::answer(&shared, &request, &base) {
        let method = if request.method() == http::Method::POST { "upload" } else { "download" };
        let fault = shared.lock().faults.take(method);
        return match fault {
            Some(Fault::Code { status, code }) => Ok(plain(status, &code)),
            Some(fault) => spoil(&fault, answer).await,
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
        let mut state = shared.lock();
        *state.calls.entry(method.clone()).or_default() += 1;
        match token {
            None => Some("not_authed"),
            Some(token) if token == state.token => None,
            Some(_) => Some("invalid_auth"),
        }
    };
    if let Some(code) = refused {
        return Ok(json_answer(200, &json!({"ok": false, "error": code})));
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
            spoil(&fault, good).await
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

fn too_many(shared: &Shared, seconds: u64) -> Response<Bytes> {
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
fn respond_later(shared: &Shared, id: &str, body: &Bytes) -> Response<Bytes> {
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

fn respond(shared: &Arc<Shared>, method: &str, params: &Map<String, Value>, base: &str) -> Response<Bytes> {
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
            "url": "https://sandbox.slack.com/", "team": "Sandbox", "user": "switchboard", "team_id": TEAM,
            "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": false,
        })),
        "team.info" => Ok(json!({"team": {"id": TEAM, "name": "Sandbox", "domain": "sandbox"}})),
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
        "reactions.add" | "reactions.remove" => state.react(params, method == "reactions.add"),
        "files.getUploadURLExternal" => state.upload_place(params, base),
        "files.completeUploadExternal" => state.complete_upload(params, base, now).inspect(|done| {
            events.push(own_event(&done["posted"]));
        }),
        "files.info" => state.file_info(params, base),
        "conversations.list" => Ok(state.list(params)),
        "conversations.info" => state.channel(params).map(|channel| json!({"channel": channel.show()})),
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
        // Slack tells an app of its own messages, too.
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

fn is_set(params: &Map<String, Value>, name: &str) -> bool {
    params.get(name).is_some_and(|value| *value == json!(true) || *value == "true" || *value == "1")
}

/// A message as the history shows it.
fn shown(message: &Value, with_metadata: bool) -> Value {
    let mut message = message.clone();
    if !with_metadata && let Some(message) = message.as_object_mut() {
        message.remove("metadata");
    }
    message
}

impl State {
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
            "conversations.list" | "conversations.create" | "users.list" => 20.0,
            "users.info"
            | "files.info"
            | "views.publish"
            | "chat.postEphemeral"
            | "files.getUploadURLExternal"
            | "files.completeUploadExternal"
            | "views.open" => 100.0,
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

    fn channel(&self, params: &Map<String, Value>) -> Result<&super::Channel, Refusal> {
        self.channels.get(text(params, "channel")).ok_or_else(|| refusal("channel_not_found"))
    }

    /// Posting takes a name, too.
    fn channel_to_post(&mut self, params: &Map<String, Value>) -> Result<String, Refusal> {
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

    fn content(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let shown = text(params, "text");
        let blocks = params.get("blocks").filter(|blocks| !blocks.is_null());
        if shown.is_empty() && blocks.is_none() {
            return Err(refusal("no_text"));
        }
        if let Some(blocks) = blocks
            && let Err(problems) = blocks::check(blocks)
        {
            self.refused_blocks += 1;
            return Err(("invalid_blocks", json!(problems)));
        }
        let mut message = json!({"text": shown.chars().take(TEXT).collect::<String>()});
        if let Some(blocks) = blocks {
            message["blocks"] = blocks.clone();
        }
        if let Some(metadata) = params.get("metadata").filter(|metadata| !metadata.is_null()) {
            if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() {
                return Err(refusal("invalid_metadata_format"));
            }
            message["metadata"] = metadata.clone();
        }
        Ok(message)
    }

    fn post(&mut self, params: &Map<String, Value>, now: jiff::Timestamp) -> Result<Value, Refusal> {
        let id = self.channel_to_post(params)?;
        let mut message = self.content(params)?;
        let ts = self.next_ts(now);
        message["type"] = "message".into();
        message["ts"] = ts.clone().into();
        message["user"] = BOT_USER.into();
        message["bot_id"] = BOT.into();
        message["app_id"] = APP.into();
        message["team"] = TEAM.into();
        for (name, shown) in [("username", "username"), ("icon_url", "icon_url")] {
            if let Some(value) = params.get(name).filter(|value| value.is_string()) {
                message[shown] = value.clone();
            }
        }
        let parent = text(params, "thread_ts").to_owned();
        if !parent.is_empty() {
            message["thread_ts"] = parent.clone().into();
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            if let Some(first) = channel.messages.iter_mut().find(|first| first["ts"] == parent.as_str()) {
                first["thread_ts"] = parent.into();
                first["reply_count"] = (first["reply_count"].as_u64().unwrap_or_default() + 1).into();
            }
            channel.messages.push(message.clone());
        }
        self.revision += 1;
        Ok(json!({"channel": id, "ts": ts, "message": message}))
    }

    fn by_email(&self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let id = self.people.get(&text(params, "email").to_lowercase()).ok_or_else(|| refusal("users_not_found"))?;
        Ok(json!({"user": {"id": id, "team_id": TEAM, "deleted": false, "is_bot": false}}))
    }

    /// The direct messages with a person; the same channel every time.
    fn open(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let user = text(params, "users").to_owned();
        let Some((email, _)) = self.people.iter().find(|(_, id)| **id == user) else {
            return Err(refusal("user_not_found"));
        };
        let name = format!("@{}", email.split('@').next().unwrap_or_default());
        let known = self.channels.values().find(|channel| channel.person.as_deref() == Some(&user));
        let id = known.map_or_else(|| format!("D0SAND{:04}", self.channels.len() + 1), |channel| channel.id.clone());
        self.channels.entry(id.clone()).or_insert_with(|| super::Channel {
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

    fn create(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
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
        let channel = super::Channel {
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

    /// A thread: its parent and the replies since `oldest`.
    fn replies(&self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let channel = self.channel(params)?;
        let parent = text(params, "ts");
        if !channel.messages.iter().any(|message| message["ts"] == parent) {
            return Err(refusal("thread_not_found"));
        }
        let with_metadata = is_set(params, "include_all_metadata");
        let oldest = text(params, "oldest").parse::<f64>().unwrap_or_default();
        let moment = |message: &Value| message["ts"].as_str().and_then(|ts| ts.parse::<f64>().ok()).unwrap_or_default();
        let in_thread =
            |message: &&Value| message["ts"] == parent || (message["thread_ts"] == parent && moment(message) >= oldest);
        let shown: Vec<Value> =
            channel.messages.iter().filter(in_thread).map(|message| shown(message, with_metadata)).collect();
        Ok(json!({"messages": shown, "has_more": false, "response_metadata": {"next_cursor": ""}}))
    }

    fn update(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let content = self.content(params)?;
        let (id, ts) = (text(params, "channel").to_owned(), text(params, "ts").to_owned());
        let channel = self.channels.get_mut(&id).ok_or_else(|| refusal("channel_not_found"))?;
        let message = channel.messages.iter_mut().find(|message| message["ts"] == ts.as_str());
        let message = message.ok_or_else(|| refusal("message_not_found"))?;
        if message["bot_id"] != BOT {
            return Err(refusal("cant_update_message"));
        }
        for name in ["text", "blocks", "metadata"] {
            if !content[name].is_null() {
                message[name] = content[name].clone();
            }
        }
        let shown = message.clone();
        self.revision += 1;
        Ok(json!({"channel": id, "ts": ts, "text": shown["text"], "message": shown}))
    }

    fn list(&self, params: &Map<String, Value>) -> Value {
        let types = text(params, "types");
        let private_too = types.contains("private_channel");
        let live_only = is_set(params, "exclude_archived");
        let visible = |channel: &&super::Channel| {
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

    fn join(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let channel = self.channels.get_mut(text(params, "channel")).filter(|channel| !channel.is_private);
        let channel = channel.ok_or_else(|| refusal("channel_not_found"))?;
        if channel.is_archived {
            return Err(refusal("is_archived"));
        }
        channel.is_member = true;
        Ok(json!({"channel": channel.show()}))
    }

    /// Newest first; metadata only for who asks for it.
    fn history(&self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let channel = self.channel(params)?;
        if !channel.is_member {
            return Err(refusal("not_in_channel"));
        }
        let with_metadata = is_set(params, "include_all_metadata");
        let oldest = text(params, "oldest").parse::<f64>().unwrap_or_default();
        let moment = |message: &Value| message["ts"].as_str().and_then(|ts| ts.parse::<f64>().ok()).unwrap_or_default();
        // Replies are in their threads, not in the history.
        let is_reply = |message: &Value| !message["thread_ts"].is_null() && message["thread_ts"] != message["ts"];
        let all: Vec<_> =
            channel.messages.iter().rev().filter(|message| moment(message) >= oldest && !is_reply(message)).collect();
        let start = text(params, "cursor").parse::<usize>().unwrap_or_default();
        let limit = number(params, "limit").unwrap_or(100).clamp(1, 999);
        let page: Vec<Value> =
            all.iter().skip(start).take(limit).map(|message| shown(message, with_metadata)).collect();
        let next = start + page.len();
        let cursor = if next < all.len() { next.to_string() } else { String::new() };
        Ok(json!({
            "messages": page, "has_more": !cursor.is_empty(), "response_metadata": {"next_cursor": cursor},
        }))
    }
}

/// The event of a message that the app posted itself.
fn own_event(posted: &Value) -> Value {
    let mut event = posted["message"].clone();
    event["channel"] = posted["channel"].clone();
    event["event_ts"] = posted["ts"].clone();
    event["bot_profile"] = json!({"id": BOT, "app_id": APP, "name": "Switchboard", "team_id": TEAM});
    event
}

/// The methods of answers, dialogs and files.
impl State {
    /// A ts that no message has.
    pub(super) fn next_ts(&mut self, now: jiff::Timestamp) -> String {
        self.last_ts = now.as_microsecond().max(self.last_ts + 1);
        format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000)
    }

    pub(super) fn message(&mut self, channel: &str, ts: &str) -> Option<&mut Value> {
        self.channels.get_mut(channel)?.messages.iter_mut().find(|message| message["ts"] == ts)
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn new_trigger(&mut self, user: &str, now: jiff::Timestamp) -> String {
        let id = format!("{}.trigger", self.new_id());
        self.triggers.insert(id.clone(), (user.to_owned(), now));
        id
    }

    pub(super) fn new_response(&mut self, user: &str, channel: &str, now: jiff::Timestamp) -> String {
        let id = format!("r{}", self.new_id());
        self.responses.insert(id.clone(), (user.to_owned(), channel.to_owned(), now, 0));
        id
    }

    fn delete(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let (id, ts) = (text(params, "channel").to_owned(), text(params, "ts").to_owned());
        let channel = self.channels.get_mut(&id).ok_or_else(|| refusal("channel_not_found"))?;
        let message = channel.messages.iter().find(|message| message["ts"] == ts.as_str());
        let message = message.ok_or_else(|| refusal("message_not_found"))?;
        if message["bot_id"] != BOT {
            return Err(refusal("cant_delete_message"));
        }
        channel.messages.retain(|message| message["ts"] != ts.as_str());
        self.revision += 1;
        Ok(json!({"channel": id, "ts": ts}))
    }

    fn whisper(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        self.channel(params)?;
        let message = self.content(params)?;
        let (user, channel) = (text(params, "user").to_owned(), text(params, "channel").to_owned());
        if !self.profiles.contains_key(&user) {
            return Err(refusal("user_not_in_channel"));
        }
        self.whispers.push(super::Whisper { user, channel, message });
        self.revision += 1;
        Ok(json!({"message_ts": "1.1"}))
    }

    fn unfurl(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let (channel, ts) = (text(params, "channel").to_owned(), text(params, "ts").to_owned());
        let cards = params.get("unfurls").cloned().unwrap_or_default();
        for card in cards.as_object().into_iter().flat_map(|cards| cards.values()) {
            if let Err(problems) = blocks::check(&card["blocks"]) {
                self.refused_blocks += 1;
                return Err(("cannot_parse_attachment", json!(problems)));
            }
        }
        let message = self.message(&channel, &ts).ok_or_else(|| refusal("cannot_find_message"))?;
        message["unfurls"] = cards;
        self.revision += 1;
        Ok(json!({}))
    }

    /// A trigger works once, for three seconds.
    fn open_view(&mut self, params: &Map<String, Value>, now: jiff::Timestamp) -> Result<Value, Refusal> {
        let Some((user, since)) = self.triggers.remove(text(params, "trigger_id")) else {
            return Err(refusal("exchanged_trigger_id"));
        };
        if now.as_millisecond() - since.as_millisecond() > 3_000 {
            return Err(refusal("expired_trigger_id"));
        }
        let mut view = self.checked_view(params)?;
        view["id"] = format!("V0SAND{:04}", self.new_id()).into();
        self.dialogs.insert(user, view.clone());
        self.revision += 1;
        Ok(json!({"view": view}))
    }

    fn checked_view(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let view = params.get("view").cloned().unwrap_or_default();
        if let Err(problems) = blocks::check_view(&view) {
            self.refused_blocks += 1;
            return Err(("invalid_arguments", json!(problems)));
        }
        Ok(view)
    }

    fn publish(&mut self, params: &Map<String, Value>) -> Result<Value, Refusal> {
        let view = self.checked_view(params)?;
        self.homes.insert(text(params, "user_id").to_owned(), view.clone());
        self.revision += 1;
        Ok(json!({"view": view}))
    }

    fn react(&mut self, params: &Map<String, Value>, add: bool) -> Result<Value, Refusal> {
        let (channel, ts, name) = (text(params, "channel"), text(params, "timestamp"), text(params, "name"));
        if !self.channels.contains_key(channel) {
            return Err(refusal("channel_not_found"));
        }
        let message = self.message(channel, ts).ok_or_else(|| refusal("message_not_found"))?;
        let has = reacted(message, name, BOT_USER);
        match (add, has) {
            (true, true) => return Err(refusal("already_reacted")),
            (false, false) => return Err(refusal("no_reaction")),
            _ => {}
        }
        self.set_reaction(channel, ts, name, BOT_USER, add);
        Ok(json!({}))
    }

    pub(super) fn set_reaction(&mut self, channel: &str, ts: &str, name: &str, user: &str, add: bool) {
        self.revision += 1;
        let Some(message) = self.message(channel, ts) else { return };
        let mut rows = message["reactions"].as_array().cloned().unwrap_or_default();
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

    fn complete_upload(
        &mut self,
        params: &Map<String, Value>,
        base: &str,
        now: jiff::Timestamp,
    ) -> Result<Value, Refusal> {
        let ids: Vec<String> = params
            .get("files")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|file| file["id"].as_str().map(str::to_owned))
            .collect();
        if ids.is_empty() || ids.iter().any(|id| !self.files.get(id).is_some_and(|file| file.uploaded)) {
            return Err(refusal("file_not_found"));
        }
        let channel = text(params, "channel_id").to_owned();
        let found = self.channels.get(&channel).ok_or_else(|| refusal("channel_not_found"))?;
        if found.is_archived {
            return Err(refusal("is_archived"));
        }
        let private = found.is_private;
        let ts = self.next_ts(now);
        for id in &ids {
            if let Some(file) = self.files.get_mut(id) {
                file.shares.push((channel.clone(), ts.clone(), private));
            }
        }
        let shown: Vec<Value> = ids.iter().filter_map(|id| self.files.get(id)).map(|file| file.show(base)).collect();
        let mut message = json!({
            "type": "message", "subtype": "file_share", "user": BOT_USER, "bot_id": BOT, "app_id": APP, "ts": ts, "files": shown,
            "text": text(params, "initial_comment"),
        });
        let thread = text(params, "thread_ts");
        if !thread.is_empty() {
            message["thread_ts"] = thread.into();
        }
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.messages.push(message.clone());
        }
        self.revision += 1;
        Ok(json!({"files": shown, "posted": {"channel": channel, "ts": ts, "message": message}}))
    }
}

fn reacted(message: &Value, name: &str, user: &str) -> bool {
    let rows = message["reactions"].as_array().into_iter().flatten();
    rows.filter(|row| row["name"] == name)
        .any(|row| row["users"].as_array().into_iter().flatten().any(|known| *known == user))
}
