//! The Web API as Slack answers it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::{APP, BOT, BOT_USER, Shared, State, TEAM, blocks};
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

type Refusal = (&'static str, Value);

fn refusal(code: &'static str) -> Refusal {
    (code, Value::Null)
}

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
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
                respond(&shared, &method, &params)
            } else {
                json_answer(200, &json!({"ok": true}))
            };
            spoil(&fault, good).await
        }
        None => Ok(respond(&shared, &method, &params)),
    }
}

/// In a form, blocks and metadata are JSON within text.
fn unfold_json(params: &mut Map<String, Value>) {
    for name in ["blocks", "metadata", "attachments"] {
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

fn respond(shared: &Shared, method: &str, params: &Map<String, Value>) -> Response<Bytes> {
    let now = shared.clock.now();
    let mut state = shared.lock();
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
        "chat.postMessage" => state.post(params, now),
        "chat.update" => state.update(params),
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

fn text<'a>(params: &'a Map<String, Value>, name: &str) -> &'a str {
    params.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(params: &Map<String, Value>, name: &str) -> Option<usize> {
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
            "conversations.list" | "conversations.create" => 20.0,
            "conversations.replies"
            | "conversations.open"
            | "users.lookupByEmail"
            | "conversations.history"
            | "conversations.join"
            | "conversations.info"
            | "chat.update"
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
        self.last_ts = now.as_microsecond().max(self.last_ts + 1);
        let ts = format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000);
        message["type"] = "message".into();
        message["ts"] = ts.clone().into();
        message["user"] = BOT_USER.into();
        message["bot_id"] = BOT.into();
        message["app_id"] = APP.into();
        message["team"] = TEAM.into();
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
