//! Messages: written, changed, read, reacted to.

use serde_json::{Map, Value, json};

use super::api::{SlackRefusal, is_set, number, refusal, text};
use super::{APP, BOT, BOT_USER, TEAM, WorkspaceState, blocks};

/// A text is cut here, as Slack does.
const TEXT: usize = 40_000;
/// No message has more.
const MAX_ATTACHMENTS: usize = 100;

impl WorkspaceState {
    pub(super) fn message(&mut self, channel: &str, ts: &str) -> Option<&mut Value> {
        self.channels.get_mut(channel)?.messages.iter_mut().find(|message| message["ts"] == ts)
    }

    /// A ts that no message has.
    pub(super) fn next_ts(&mut self, now: jiff::Timestamp) -> String {
        self.last_ts = now.as_microsecond().max(self.last_ts + 1);
        format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000)
    }

    pub(super) fn content(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let shown = text(params, "text");
        let blocks = params.get("blocks").filter(|blocks| !blocks.is_null());
        let attachments = params.get("attachments").filter(|attachments| !attachments.is_null());
        let hangs_on = attachments.and_then(Value::as_array).map_or(0, Vec::len);
        if shown.is_empty() && blocks.is_none() && hangs_on == 0 {
            return Err(refusal("no_text"));
        }
        if attachments.is_some_and(|attachments| !attachments.is_array()) {
            return Err(refusal("invalid_attachments"));
        }
        if hangs_on > MAX_ATTACHMENTS {
            return Err(refusal("too_many_attachments"));
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
        if let Some(attachments) = attachments {
            message["attachments"] = attachments.clone();
        }
        if let Some(metadata) = params.get("metadata").filter(|metadata| !metadata.is_null()) {
            if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() {
                return Err(refusal("invalid_metadata_format"));
            }
            message["metadata"] = metadata.clone();
        }
        Ok(message)
    }

    pub(super) fn post(&mut self, params: &Map<String, Value>, now: jiff::Timestamp) -> Result<Value, SlackRefusal> {
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

    /// A thread: its parent and the replies since `oldest`.
    pub(super) fn replies(&self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let channel = self.channel(params)?;
        let parent = text(params, "ts");
        if !channel.messages.iter().any(|message| message["ts"] == parent) {
            return Err(refusal("thread_not_found"));
        }
        let window = HistoryWindow::of(params);
        let in_thread =
            |message: &&Value| message["ts"] == parent || (message["thread_ts"] == parent && window.has(message));
        let all: Vec<_> = channel.messages.iter().filter(in_thread).collect();
        Ok(self.page(&all, params, 1_000, 1_000))
    }

    pub(super) fn update(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
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

    /// Newest first; metadata only for who asks for it.
    pub(super) fn history(&self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let channel = self.channel(params)?;
        if !channel.is_member {
            return Err(refusal("not_in_channel"));
        }
        let window = HistoryWindow::of(params);
        // Replies are in their threads, not in the history.
        let is_reply = |message: &Value| !message["thread_ts"].is_null() && message["thread_ts"] != message["ts"];
        let firsts = channel.messages.iter().rev().filter(|message| window.has(message) && !is_reply(message));
        let all: Vec<Value> = firsts.map(|first| with_replies(&channel.messages, first.clone())).collect();
        Ok(self.page(&all.iter().collect::<Vec<_>>(), params, 100, 999))
    }

    /// A page of messages.
    fn page(&self, all: &[&Value], params: &Map<String, Value>, usual: usize, most: usize) -> Value {
        let with_metadata = is_set(params, "include_all_metadata");
        let start = text(params, "cursor").parse::<usize>().unwrap_or_default();
        let limit = self.limits.page(number(params, "limit"), usual, most);
        let page: Vec<Value> =
            all.iter().skip(start).take(limit).map(|message| shown(message, with_metadata)).collect();
        let next = start + page.len();
        let cursor = if next < all.len() { next.to_string() } else { String::new() };
        json!({"messages": page, "has_more": !cursor.is_empty(), "response_metadata": {"next_cursor": cursor}})
    }

    pub(super) fn delete(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
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

    pub(super) fn whisper(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
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

    pub(super) fn unfurl(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
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

    pub(super) fn react(&mut self, params: &Map<String, Value>, add: bool) -> Result<Value, SlackRefusal> {
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
}

/// The first message of a thread shows its last reply and their number.
fn with_replies(all: &[Value], mut first: Value) -> Value {
    let replies = || all.iter().filter(|reply| reply["thread_ts"] == first["ts"] && reply["ts"] != first["ts"]);
    if let Some(last) = replies().next_back().map(|reply| reply["ts"].clone()) {
        let count = replies().count();
        (first["latest_reply"], first["reply_count"]) = (last, count.into());
        first["thread_ts"] = first["ts"].clone();
    }
    first
}

/// Between which moments messages are asked for; those of the moments themselves only if the caller says so.
struct HistoryWindow {
    oldest: f64,
    latest: f64,
    is_inclusive: bool,
}

impl HistoryWindow {
    fn of(params: &Map<String, Value>) -> Self {
        let moment = |name: &str| text(params, name).parse::<f64>().ok();
        Self {
            oldest: moment("oldest").unwrap_or_default(),
            latest: moment("latest").unwrap_or(f64::MAX),
            is_inclusive: is_set(params, "inclusive"),
        }
    }

    fn has(&self, message: &Value) -> bool {
        let moment = message["ts"].as_str().and_then(|ts| ts.parse::<f64>().ok()).unwrap_or_default();
        let is_between = self.oldest < moment && moment < self.latest;
        is_between || (self.is_inclusive && self.oldest <= moment && moment <= self.latest)
    }
}

/// A message as the history shows it.
pub(super) fn shown(message: &Value, with_metadata: bool) -> Value {
    let mut message = message.clone();
    if !with_metadata && let Some(message) = message.as_object_mut() {
        message.remove("metadata");
    }
    message
}

/// The event of a message that the app posted itself.
pub(super) fn own_event(posted: &Value) -> Value {
    let mut event = posted["message"].clone();
    event["channel"] = posted["channel"].clone();
    event["event_ts"] = posted["ts"].clone();
    event["bot_profile"] = json!({"id": BOT, "app_id": APP, "name": "Switchboard", "team_id": TEAM});
    event
}

pub(super) fn reacted(message: &Value, name: &str, user: &str) -> bool {
    let rows = message["reactions"].as_array().into_iter().flatten();
    rows.filter(|row| row["name"] == name)
        .any(|row| row["users"].as_array().into_iter().flatten().any(|known| *known == user))
}
