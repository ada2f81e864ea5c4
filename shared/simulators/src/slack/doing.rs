//! What people do in the workspace: write, edit, react, attach files, type commands, press buttons.

use bytes::Bytes;
use serde_json::{Value, json};

use super::events::EventReply;
use super::gestures::as_event;
use super::{APP, SlackSimulator, editor};
use crate::http::encoded;

/// What somebody sees that others do not: an answer to a command.
#[derive(Debug, Clone)]
pub struct Whisper {
    /// Who sees it.
    pub user: String,
    pub channel: String,
    pub message: Value,
}

impl SlackSimulator {
    /// Lets the app know of what happens, at `url`.
    pub fn send_requests_to(&self, url: &str) {
        self.shared.lock().requests_to = Some(url.to_owned());
    }

    /// Every n-th event comes twice, as it does when an answer is lost; 0 for none.
    pub fn double_events(&self, every: u64) {
        self.shared.lock().double_every = every;
    }

    /// Whether the workspace belongs to an organisation: payloads say so.
    pub fn be_enterprise(&self, is: bool) {
        self.shared.lock().is_enterprise = is;
        self.shared.be_of_organisation(is);
    }

    /// Whether the bot may fetch files (`files:read`).
    pub fn let_files_be_read(&self, may: bool) {
        self.shared.lock().reads_files = may;
    }

    /// Events and commands that are on their way now.
    pub fn on_the_way(&self) -> u64 {
        self.shared.on_the_way.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Requests that have not been answered, whether or not the answer is still waited for.
    pub fn arriving(&self) -> u64 {
        self.shared.courier.arriving()
    }

    /// The id of the channel of that name.
    pub fn channel_id(&self, name: &str) -> String {
        let state = self.shared.lock();
        state
            .channels
            .values()
            .find(|channel| channel.name == name)
            .map(|channel| channel.id.clone())
            .unwrap_or_default()
    }

    /// The id of the person with this e-mail.
    pub fn person(&self, email: &str) -> String {
        self.shared.lock().people.get(&email.to_lowercase()).cloned().unwrap_or_default()
    }

    pub fn people(&self) -> Vec<super::Profile> {
        self.shared.lock().profiles.values().cloned().collect()
    }

    /// A file's name and bytes.
    pub fn file(&self, id: &str) -> Option<(String, Bytes)> {
        self.shared.lock().files.get(id).map(|file| (file.name.clone(), file.bytes.clone()))
    }

    /// Changes a person's profile, and sends the app its event.
    pub fn change_person(&self, id: &str, change: impl FnOnce(&mut super::Profile)) {
        let user = {
            let mut state = self.shared.lock();
            let Some(profile) = state.profiles.get_mut(id) else { return };
            let before = profile.email.clone();
            change(profile);
            let (after, shown) = (profile.email.clone(), profile.show());
            if before != after {
                state.people.remove(&before.to_lowercase());
                state.people.insert(after.to_lowercase(), id.to_owned());
            }
            shown
        };
        self.shared.emit(&json!({"type": "user_change", "user": user, "cache_ts": 1}));
    }

    /// Somebody writes in a channel, in a thread or not, with files or not; returns the message's ts.
    pub fn say(&self, user: &str, channel: &str, text: &str, thread: Option<&str>, files: &[&str]) -> String {
        let base = self.server.url();
        let event = {
            let mut state = self.shared.lock();
            let ts = state.next_ts(self.shared.clock.now());
            let (text, blocks) = editor::typed(text);
            let shown: Vec<Value> =
                files.iter().filter_map(|id| state.files.get(*id)).map(|file| file.show(&base)).collect();
            let mut message = json!({
                "type": "message", "user": user, "text": text, "ts": ts, "team": self.shared.team(), "client_msg_id": format!("cmid-{ts}"),
            });
            if let Some(blocks) = blocks {
                message["blocks"] = blocks;
            }
            if let Some(thread) = thread {
                message["thread_ts"] = thread.into();
            }
            if !shown.is_empty() {
                message["files"] = json!(shown);
                message["subtype"] = "file_share".into();
                message["upload"] = true.into();
            }
            let private = state.channels.get(channel).is_some_and(|channel| channel.is_private);
            for id in files {
                if let Some(file) = state.files.get_mut(*id) {
                    file.shares.push((channel.to_owned(), ts.clone(), private));
                }
            }
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

    /// Somebody attaches a file, to be said with a message; returns its id.
    pub fn attach(&self, user: &str, name: &str, bytes: impl Into<Bytes>) -> String {
        self.shared.lock().keep_file(name, user, bytes.into(), true)
    }

    /// Makes a file say another size than it has: nobody wants 300 MB in a test.
    pub fn pretend_size(&self, file: &str, size: u64) {
        if let Some(file) = self.shared.lock().files.get_mut(file) {
            file.size = size;
        }
    }

    /// Takes a file away, or lets it be looked up first as in shared channels.
    pub fn change_file(&self, file: &str, gone: bool, ask_first: bool) {
        if let Some(file) = self.shared.lock().files.get_mut(file) {
            (file.gone, file.ask_first) = (gone, ask_first);
        }
    }

    /// The files that were uploaded by the app: name and bytes.
    pub fn uploads(&self) -> Vec<(String, Bytes)> {
        let state = self.shared.lock();
        let by_bot = state
            .files
            .values()
            .filter(|file| file.user == super::BOT_USER && file.uploaded && !file.shares.is_empty());
        by_bot.map(|file| (file.name.clone(), file.bytes.clone())).collect()
    }

    /// Somebody edits their message.
    pub fn edit(&self, channel: &str, ts: &str, text: &str) {
        let (text, blocks) = editor::typed(text);
        let attachments = {
            let mut state = self.shared.lock();
            let held = state.message(channel, ts).and_then(|message| message["attachments"].as_array().cloned());
            let mut held = held.unwrap_or_default();
            // The preview of a link goes with the link.
            held.retain(|one| {
                one["is_msg_unfurl"] == true || one["from_url"].as_str().is_none_or(|url| text.contains(url))
            });
            held
        };
        let blocks = blocks.unwrap_or_else(|| json!([]));
        self.edit_raw(channel, ts, &json!({"text": text, "blocks": blocks, "attachments": attachments}));
    }

    /// The first link of a message unfolds: the message changes, its text does not. A message without a link stays.
    pub fn unfold(&self, channel: &str, ts: &str) {
        let text = {
            let mut state = self.shared.lock();
            state
                .message(channel, ts)
                .and_then(|message| message["text"].as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let Some((_, rest)) = text.split_once("<http") else { return };
        let url = format!("http{}", rest.split(['|', '>']).next().unwrap_or_default());
        let preview = json!({"id": 1, "title": "A page", "title_link": url, "from_url": url, "original_url": url, "text": "What it says", "service_name": "a.example"});
        self.change(channel, ts, |message| message["attachments"] = json!([preview]));
    }

    /// Somebody deletes their message; a thread's first message stays as a tombstone.
    pub fn delete(&self, channel: &str, ts: &str) {
        let event = {
            let mut state = self.shared.lock();
            let at = state.next_ts(self.shared.clock.now());
            let Some(message) = state.message(channel, ts) else { return };
            let before = message.clone();
            let has_replies = before["reply_count"].as_u64().unwrap_or_default() > 0;
            if has_replies {
                *message = json!({
                    "type": "message", "subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT", "hidden": true,
                    "ts": ts, "thread_ts": ts, "reply_count": before["reply_count"],
                });
                let after = message.clone();
                json!({
                    "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "message": after,
                    "previous_message": before, "ts": at, "event_ts": at,
                })
            } else {
                if let Some(channel) = state.channels.get_mut(channel) {
                    channel.messages.retain(|message| message["ts"] != ts);
                }
                json!({
                    "type": "message", "subtype": "message_deleted", "hidden": true, "channel": channel, "deleted_ts": ts,
                    "previous_message": before, "ts": at, "event_ts": at,
                })
            }
        };
        self.shared.lock().revision += 1;
        self.shared.emit(&event);
    }

    /// Somebody reacts, or takes it back.
    pub fn react(&self, user: &str, channel: &str, ts: &str, name: &str, added: bool) {
        self.shared.lock().set_reaction(channel, ts, name, user, added);
        self.shared.emit(&json!({
            "type": if added { "reaction_added" } else { "reaction_removed" }, "user": user, "reaction": name, "item_user": user,
            "item": {"type": "message", "channel": channel, "ts": ts},
        }));
    }

    /// Somebody pastes links that the app unfurls; returns the message's ts.
    pub fn paste(&self, user: &str, channel: &str, links: &[&str]) -> String {
        let text = links.iter().map(|link| format!("<{link}>")).collect::<Vec<_>>().join(" ");
        let ts = self.say(user, channel, &text, None, &[]);
        let links: Vec<Value> = links.iter().map(|link| json!({"domain": "portal.example", "url": link})).collect();
        self.shared.emit(&json!({
            "type": "link_shared", "channel": channel, "user": user, "message_ts": ts, "links": links, "source": "conversations_history",
            "unfurl_id": "C1.1.abc", "event_ts": ts,
        }));
        ts
    }

    /// The cards that the app has shown below a message's links, by link.
    pub fn unfurled(&self, channel: &str, ts: &str) -> Value {
        let mut state = self.shared.lock();
        state.message(channel, ts).map(|message| message["unfurls"].clone()).unwrap_or_default()
    }

    /// Somebody opens the app's home.
    pub fn open_home(&self, user: &str) {
        self.shared.emit(&json!({"type": "app_home_opened", "user": user, "channel": "D1", "tab": "home"}));
    }

    /// What a person's home shows.
    pub fn home(&self, user: &str) -> Option<Value> {
        self.shared.lock().homes.get(user).cloned()
    }

    /// Another app writes in a channel.
    pub fn say_as_app(&self, channel: &str, bot: &str, text: &str) {
        let event = {
            let mut state = self.shared.lock();
            let ts = state.next_ts(self.shared.clock.now());
            let message = json!({
                "type": "message", "subtype": "bot_message", "bot_id": bot, "username": "Other app", "text": text, "ts": ts, "app_id": "A0OTHER",
            });
            if let Some(channel) = state.channels.get_mut(channel) {
                channel.messages.push(message.clone());
            }
            let mut event = message;
            event["channel"] = channel.into();
            event
        };
        self.shared.emit(&event);
    }

    /// Somebody types a command; the app's first answer.
    pub async fn command(&self, user: &str, channel: &str, command: &str, text: &str) -> EventReply {
        let (url, fields) = {
            let mut state = self.shared.lock();
            let trigger = state.new_trigger(user, self.shared.clock.now());
            let response = state.new_response(user, channel, self.shared.clock.now());
            let name = state.channels.get(channel).map(|channel| channel.name.clone()).unwrap_or_default();
            let fields = vec![
                ("token", "deprecated".to_owned()),
                ("team_id", self.shared.team().into()),
                ("team_domain", "sandbox".into()),
                ("channel_id", channel.into()),
                ("channel_name", name),
                ("user_id", user.into()),
                ("user_name", "somebody".into()),
                ("command", command.into()),
                ("text", text.into()),
                ("api_app_id", APP.into()),
                ("is_enterprise_install", "false".into()),
                ("response_url", self.response_url(&response)),
                ("trigger_id", trigger),
            ];
            (state.requests_to.clone().unwrap_or_default(), fields)
        };
        let reply = self.shared.post(&url, "application/x-www-form-urlencoded", &encoded(&fields), command).await;
        if reply.status == 200 && reply.body["text"].is_string() {
            self.whispered(user, channel, &reply.body);
        }
        reply
    }

    /// Where an app answers later: at Slack's common address, where there is one.
    fn response_url(&self, response: &str) -> String {
        let base = self.shared.hub.get().cloned().unwrap_or_else(|| self.server.url());
        format!("{base}/response/{response}")
    }

    fn whispered(&self, user: &str, channel: &str, message: &Value) {
        let mut state = self.shared.lock();
        let whisper = Whisper { user: user.to_owned(), channel: channel.to_owned(), message: message.clone() };
        state.whispers.push(whisper);
        state.revision += 1;
    }

    /// The messages that only one person sees, oldest first.
    pub fn whispers(&self, user: &str) -> Vec<Value> {
        let state = self.shared.lock();
        state.whispers.iter().filter(|whisper| whisper.user == user).map(|whisper| whisper.message.clone()).collect()
    }

    /// The dialog that is open before somebody.
    pub fn dialog(&self, user: &str) -> Option<Value> {
        self.shared.lock().dialogs.get(user).cloned()
    }

    /// Somebody fills in the dialog before them and sends it; the app's answer.
    pub async fn submit(&self, user: &str, values: &[(&str, &str)]) -> EventReply {
        let Some(view) = self.shared.lock().dialogs.remove(user) else {
            return EventReply { status: 0, is_late: false, body: Value::Null };
        };
        let mut filled = json!({});
        for (index, block) in view["blocks"].as_array().into_iter().flatten().enumerate() {
            let Some(action) = block["element"]["action_id"].as_str() else { continue };
            let kind = block["element"]["type"].as_str().unwrap_or_default();
            let given = values.iter().find(|(name, _)| *name == action).map(|(_, value)| *value);
            let element = &block["element"];
            let initial =
                ["initial_value", "initial_user", "initial_date"].iter().find_map(|name| element[*name].as_str());
            let name = match kind {
                "users_select" => "selected_user",
                "datepicker" => "selected_date",
                "multi_users_select" => "selected_users",
                _ => "value",
            };
            let mut entered = json!(given.or(initial));
            if kind == "multi_users_select" {
                let chosen = given.map(|ids| json!(ids.split(',').collect::<Vec<_>>()));
                entered = chosen.or_else(|| element.get("initial_users").cloned()).unwrap_or_else(|| json!([]));
            }
            let id = block["block_id"].as_str().map_or_else(|| format!("block{index}"), str::to_owned);
            filled[id] = json!({action: {"type": kind, name: entered}});
        }
        let payload = json!({
            "type": "view_submission", "team": {"id": self.shared.team(), "domain": "sandbox"}, "user": {"id": user, "team_id": self.shared.team()}, "api_app_id": APP,
            "trigger_id": self.shared.lock().new_trigger(user, self.shared.clock.now()), "is_enterprise_install": false,
            "view": {
                "id": view["id"], "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
                "state": {"values": filled}, "type": "modal",
            },
        });
        let reply = self.interact(&payload).await;
        if reply.body["response_action"] == "errors" {
            // Each error belongs to a field; else Slack says that it could not connect.
            let has_field = |name: &String| {
                view["blocks"].as_array().into_iter().flatten().any(|block| block["block_id"] == name.as_str())
            };
            let known = reply.body["errors"]
                .as_object()
                .is_some_and(|errors| !errors.is_empty() && errors.keys().all(has_field));
            if !known {
                return EventReply { status: 0, ..reply };
            }
            self.shared.lock().dialogs.insert(user.to_owned(), view);
        }
        reply
    }

    /// Somebody chooses people in the dialog before them, whose field sends each choice; the app's answer.
    pub async fn choose_people(&self, user: &str, action_id: &str, people: &[&str]) -> EventReply {
        let payload = {
            let mut state = self.shared.lock();
            let view = state.dialogs.get(user).cloned().unwrap_or_default();
            let now = self.shared.clock.now();
            let (trigger, ts) = (state.new_trigger(user, now), state.next_ts(now));
            let mut action = json!({"action_id": action_id, "block_id": action_id, "action_ts": ts});
            if let [one] = people {
                action["type"] = "users_select".into();
                action["selected_user"] = (*one).into();
            } else {
                action["type"] = "multi_users_select".into();
                action["selected_users"] = json!(people);
            }
            json!({
                "type": "block_actions", "team": {"id": self.shared.team(), "domain": "sandbox"},
                "user": {"id": user, "team_id": self.shared.team()}, "api_app_id": APP, "trigger_id": trigger,
                "container": {"type": "view", "view_id": view["id"]}, "view": view, "actions": [action],
                "is_enterprise_install": false,
            })
        };
        self.interact(&payload).await
    }

    /// Somebody presses a button or chooses from a menu of a message (or of their home); the app's answer.
    pub async fn press(&self, user: &str, channel: &str, action_id: &str, value: &str) -> EventReply {
        let payload = {
            let mut state = self.shared.lock();
            let now = self.shared.clock.now();
            let (trigger, response) = (state.new_trigger(user, now), state.new_response(user, channel, now));
            let ts = state.next_ts(now);
            let mut action =
                json!({"action_id": action_id, "block_id": "b", "action_ts": ts, "type": "button", "value": value});
            if action_id == "deal_stage" {
                action = json!({
                    "action_id": action_id, "block_id": "b", "action_ts": ts, "type": "static_select",
                    "selected_option": {"text": {"type": "plain_text", "text": "x"}, "value": value},
                });
            }
            json!({
                "type": "block_actions", "team": {"id": self.shared.team(), "domain": "sandbox"}, "user": {"id": user, "team_id": self.shared.team()},
                "api_app_id": APP, "trigger_id": trigger, "channel": {"id": channel, "name": "x"}, "actions": [action],
                "container": {"type": "message", "channel_id": channel, "is_ephemeral": true},
                "response_url": self.response_url(&response), "is_enterprise_install": false,
            })
        };
        self.interact(&payload).await
    }

    /// Somebody takes a shortcut of a message.
    pub async fn shortcut(&self, user: &str, channel: &str, ts: &str, callback_id: &str) -> EventReply {
        let payload = {
            let mut state = self.shared.lock();
            let now = self.shared.clock.now();
            let (trigger, response) = (state.new_trigger(user, now), state.new_response(user, channel, now));
            let message = state.message(channel, ts).map(|message| message.clone()).unwrap_or_default();
            json!({
                "type": "message_action", "team": {"id": self.shared.team()}, "user": {"id": user}, "api_app_id": APP, "callback_id": callback_id,
                "trigger_id": trigger, "channel": {"id": channel}, "message": message, "message_ts": ts, "action_ts": state.next_ts(now),
                "response_url": self.response_url(&response),
            })
        };
        self.interact(&payload).await
    }

    async fn interact(&self, payload: &Value) -> EventReply {
        let url = self.shared.lock().requests_to.clone().unwrap_or_default();
        let body = encoded(&[("payload", payload.to_string())]);
        let kind = payload["type"].as_str().unwrap_or_default();
        self.shared.post(&url, "application/x-www-form-urlencoded", &body, kind).await
    }

    /// Slack makes sure that an address is the app's; its answer.
    pub async fn verify_url(&self, url: &str) -> EventReply {
        let body = json!({"type": "url_verification", "token": "deprecated", "challenge": "c-3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"});
        self.shared.post(url, "application/json", &body.to_string(), "url_verification").await
    }
}
