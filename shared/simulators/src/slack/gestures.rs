//! What else people and other apps do with messages: forward them, remove or add files, start a huddle, post cards.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Release, SlackShared, SlackSimulator, TEAM, WorkspaceState, editor};

impl SlackSimulator {
    /// Somebody posts a message of which they know each field: blocks, attachments, subtype; returns its ts.
    pub fn post_raw(&self, user: &str, channel: &str, fields: &Value) -> String {
        let mut message = json!({"type": "message", "user": user, "text": "", "team": self.shared.team()});
        merge(&mut message, fields);
        self.put(channel, message)
    }

    /// Somebody says what they do: `/me waves`.
    pub fn say_me(&self, user: &str, channel: &str, text: &str) -> String {
        let (text, blocks) = editor::typed(text);
        let mut fields = json!({"subtype": "me_message", "text": text});
        if let Some(blocks) = blocks {
            fields["blocks"] = blocks;
        }
        self.post_raw(user, channel, &fields)
    }

    /// Somebody forwards a message to another channel, with words of their own or without; returns the new message's ts.
    pub fn forward(&self, user: &str, (from, ts): (&str, &str), to: &str, words: &str) -> String {
        let shared = self.shared.lock().as_shared(from, ts, true);
        let (text, blocks) = editor::typed(words);
        let mut fields = json!({"text": text, "attachments": [shared]});
        if let Some(blocks) = blocks {
            fields["blocks"] = blocks;
        }
        self.post_raw(user, to, &fields)
    }

    /// The link of a message that somebody pasted unfolds: the message now shows that other one.
    pub fn unfold_message(&self, channel: &str, ts: &str, (from, of): (&str, &str)) {
        let shared = self.shared.lock().as_shared(from, of, false);
        self.change(channel, ts, |message| message["attachments"] = json!([shared]));
    }

    /// Another app posts: text, blocks, attachments, as it likes, if Slack accepts them; returns the message's ts.
    pub fn post_as_app(&self, channel: &str, bot: &str, params: &Value) -> Result<String, String> {
        let params = params.as_object().cloned().unwrap_or_default();
        let content = self.shared.lock().content(&params).map_err(|(code, details)| format!("{code} {details}"))?;
        let mut message = json!({
            "type": "message", "subtype": "bot_message", "bot_id": bot, "app_id": "A0OTHER", "username": "Other app",
            "bot_profile": {"id": bot, "app_id": "A0OTHER", "name": "Other app"},
        });
        merge(&mut message, &content);
        Ok(self.put(channel, message))
    }

    /// Something happens in a channel that Slack says there itself: `channel_topic`, `pinned_item`.
    pub fn notice(&self, user: &str, channel: &str, subtype: &str, text: &str) -> String {
        self.post_raw(user, channel, &json!({"subtype": subtype, "text": text}))
    }

    /// Somebody begins a huddle; returns the ts of the message about it.
    pub fn huddle(&self, user: &str, channel: &str) -> String {
        let now = self.shared.clock.now().as_second();
        let room = json!({
            "id": "R0SAND0001", "name": "", "media_server": "", "created_by": user, "date_start": now, "date_end": 0,
            "participants": [user], "participant_history": [user], "participants_camera_on": [], "has_ended": false,
            "is_dm_call": false, "channels": [channel], "call_family": "huddle",
        });
        let fields = json!({
            "subtype": "huddle_thread", "text": "A huddle started", "room": room, "channel": channel, "no_notifications": false,
        });
        self.post_raw("USLACKBOT", channel, &fields)
    }

    /// The huddle ends; these people were in it.
    pub fn end_huddle(&self, channel: &str, ts: &str, people: &[&str]) {
        let now = self.shared.clock.now().as_second();
        self.change(channel, ts, |message| {
            message["text"] = "A huddle happened".into();
            let ended = json!({"has_ended": true, "date_end": now, "participants": [], "participant_history": people});
            merge(&mut message["room"], &ended);
        });
    }

    /// Somebody attaches something other than a plain file: `fields` say what it is (`mode`, `external_type`, `url_private`, …).
    pub fn attach_as(&self, user: &str, name: &str, bytes: impl Into<Bytes>, fields: &Value) -> String {
        let mut state = self.shared.lock();
        let id = state.keep_file(name, user, bytes.into(), true);
        if let Some(file) = state.files.get_mut(&id) {
            file.more = fields.clone();
        }
        id
    }

    /// Somebody takes a file out of their message: it stays as a tombstone, and its bytes are gone.
    pub fn take_out_file(&self, channel: &str, ts: &str, file: &str) {
        if let Some(stored) = self.shared.lock().files.get_mut(file) {
            stored.gone = true;
        }
        self.change(channel, ts, |message| {
            for shown in message["files"].as_array_mut().into_iter().flatten() {
                if shown["id"] == file {
                    *shown = json!({"id": file, "mode": "tombstone"});
                }
            }
        });
    }

    /// Somebody adds a file to their message.
    pub fn add_file(&self, channel: &str, ts: &str, file: &str) {
        let base = self.server.url();
        let shown = self.shared.lock().files.get(file).map(|file| file.show(&base)).unwrap_or_default();
        self.change(channel, ts, |message| {
            let mut files = message["files"].as_array().cloned().unwrap_or_default();
            files.push(shown);
            message["files"] = json!(files);
        });
    }

    /// Somebody edits their message so that these fields are other ones: only the looks, only where a link leads.
    pub fn edit_raw(&self, channel: &str, ts: &str, fields: &Value) {
        let at = self.shared.lock().next_ts(self.shared.clock.now());
        self.change(channel, ts, |message| {
            merge(message, fields);
            message["edited"] = json!({"user": message["user"], "ts": at});
        });
    }

    /// Adds a user group; returns its id.
    pub fn add_group(&self, handle: &str, name: &str) -> String {
        let mut state = self.shared.lock();
        let id = format!("S0SAND{:04}", state.groups.len() + 1);
        state.groups.insert(id.clone(), (handle.to_owned(), name.to_owned()));
        id
    }

    /// Withdraws a right of the app: calls that need it are answered `missing_scope`.
    pub fn take_scope(&self, scope: &str) {
        self.shared.lock().scopes.remove(scope);
    }

    /// Gives the app a right.
    pub fn give_scope(&self, scope: &str) {
        self.shared.lock().scopes.insert(scope.to_owned());
    }

    /// Somebody takes back what they allowed the app; the app stays.
    pub fn revoke_person(&self, user: &str) {
        self.shared.emit(&json!({"type": "tokens_revoked", "tokens": {"oauth": [user], "bot": []}}));
    }

    /// Every n-th event comes a second time under another id, as it does at times; 0 for none.
    pub fn double_under_other_ids(&self, every: u64) {
        self.shared.lock().double_as_new_every = every;
    }

    /// Holds events back from now on, until they are released.
    pub fn hold_events(&self) {
        self.shared.lock().held = Some(Vec::new());
    }

    /// Forgets what was held back, and holds no more: as after Slack has given up sending it again.
    pub fn lose_held_events(&self) {
        self.shared.lock().held = None;
    }

    /// Sends what was held back, in this order, and holds no more.
    pub fn release_events(&self, order: Release) {
        let held = self.shared.lock().held.take();
        let mut held = held.unwrap_or_default();
        if order == Release::Reversed {
            held.reverse();
        }
        for event in &held {
            self.shared.send(event);
        }
    }

    /// Puts a message into a channel and notifies the app.
    fn put(&self, channel: &str, mut message: Value) -> String {
        let event = {
            let mut state = self.shared.lock();
            let ts = state.next_ts(self.shared.clock.now());
            message["ts"] = ts.into();
            if let Some(channel) = state.channels.get_mut(channel) {
                channel.messages.push(message.clone());
            }
            state.revision += 1;
            as_event(&message, channel)
        };
        let ts = event["ts"].as_str().unwrap_or_default().to_owned();
        self.shared.emit(&event);
        ts
    }

    /// Changes a message and notifies the app.
    pub(super) fn change(&self, channel: &str, ts: &str, change: impl FnOnce(&mut Value)) {
        self.shared.change(channel, ts, change);
    }
}

impl SlackShared {
    fn change(self: &std::sync::Arc<Self>, channel: &str, ts: &str, change: impl FnOnce(&mut Value)) {
        let event = {
            let mut state = self.lock();
            let at = state.next_ts(self.clock.now());
            let Some(message) = state.message(channel, ts) else { return };
            let before = message.clone();
            change(message);
            let after = message.clone();
            state.revision += 1;
            json!({
                "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "message": after,
                "previous_message": before, "ts": at, "event_ts": at, "channel_type": "channel",
            })
        };
        self.emit(&event);
    }
}

impl WorkspaceState {
    /// A message as another one shows it.
    fn as_shared(&self, channel: &str, ts: &str, is_share: bool) -> Value {
        let Some(held) = self.channels.get(channel) else { return Value::Null };
        let Some(message) = held.messages.iter().find(|message| message["ts"] == ts) else { return Value::Null };
        let user = message["user"].as_str().unwrap_or_default();
        let name = self.profiles.get(user).map_or("Other app", |profile| profile.name.as_str());
        let text = message["text"].as_str().unwrap_or_default();
        let link = format!("https://sandbox.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
        let mut shown = json!({
            "id": 1, "ts": ts, "author_id": user, "author_name": name, "author_subname": name, "channel_id": channel,
            "channel_team": TEAM, "is_msg_unfurl": true, "text": text, "from_url": link, "original_url": link,
            "fallback": format!("[November 21st, 2026 12:00 PM] {name}: {text}"), "mrkdwn_in": ["text"],
            "message_blocks": [{"team": TEAM, "channel": channel, "ts": ts, "message": {"blocks": message["blocks"]}}],
            "footer": "Slack Conversation",
        });
        if is_share {
            shown["is_share"] = true.into();
        }
        if !held.is_private {
            shown["channel_name"] = held.name.clone().into();
        }
        for (name, target) in [("files", "files"), ("attachments", "attachments")] {
            if message[name].is_array() {
                shown[target] = message[name].clone();
            }
        }
        shown
    }
}

/// A message as an event shows it.
pub(super) fn as_event(message: &Value, channel: &str) -> Value {
    let mut event = message.clone();
    event["channel"] = channel.into();
    event["channel_type"] = "channel".into();
    event["event_ts"] = message["ts"].clone();
    event
}

fn merge(into: &mut Value, fields: &Value) {
    if let (Some(into), Some(fields)) = (into.as_object_mut(), fields.as_object()) {
        into.extend(fields.clone());
    }
}
