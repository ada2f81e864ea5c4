//! Chats, what people write in them, and their files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bots::{BotState, bodies};
use super::crm::{RestRefusal, number};
use super::{PortalShared, PortalSimulator, SimulatorState, events, portal_time};

/// The longest message; the rest is cut off.
const MAX_MESSAGE: usize = 20_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chat {
    /// Its number.
    pub id: u64,
    pub name: String,
    /// Who is in it, bots too.
    pub members: BTreeSet<u64>,
    /// The person, if it is between one and a bot.
    #[serde(default)]
    pub private: Option<u64>,
}

impl Chat {
    /// How a bot calls it: a private one by the number of the other party.
    pub(super) fn dialog(&self) -> String {
        self.private.map_or_else(|| format!("chat{}", self.id), |person| person.to_string())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SimulatedChatFile {
    id: u64,
    chat: u64,
    name: String,
    bytes: Bytes,
    size: u64,
    gone: bool,
}

impl SimulatedChatFile {
    pub(super) fn show(&self) -> Value {
        json!({"id": self.id, "chatId": self.chat, "name": self.name, "size": self.size, "type": "file"})
    }
}

/// What the chats need to keep.
#[derive(Debug, Default)]
pub(crate) struct ChatState {
    pub(super) chats: BTreeMap<u64, Chat>,
    pub(super) bots: BTreeMap<u64, BotState>,
    pub(super) files: BTreeMap<u64, SimulatedChatFile>,
    /// By number: whose, and how it is typed.
    pub(super) commands: BTreeMap<u64, (u64, String)>,
    downloads: BTreeMap<String, u64>,
    /// Whether the portal has only the older methods.
    pub(super) only_old: bool,
    /// How many of the newest messages of each chat the users have not read.
    pub(super) unread: usize,
    /// The chats whose messages cannot be listed now.
    pub(super) broken: BTreeSet<u64>,
    last: u64,
    /// Direct messages to people, by their number.
    pub(super) notes: BTreeMap<u64, Vec<String>>,
    pub(super) timeline: Vec<Value>,
}

impl PortalSimulator {
    /// Makes a chat with these people in it; returns its dialog id.
    pub fn add_chat(&self, name: &str, members: &[u64]) -> String {
        let mut state = self.shared.lock();
        let id = state.context.chats.keys().last().copied().unwrap_or(56) + 1;
        let chat = Chat { id, name: name.to_owned(), members: members.iter().copied().collect(), private: None };
        state.context.chats.insert(id, chat);
        state.chats.entry(id).or_default();
        state.revision += 1;
        format!("chat{id}")
    }

    /// Adds every bot to a chat, as a person would.
    pub fn invite_bots(&self, dialog: &str) {
        let told = {
            let mut state = self.shared.lock();
            let bots: Vec<u64> = state.context.bots.keys().copied().collect();
            let Some(chat) = chat_mut(&mut state, dialog) else { return };
            chat.members.extend(bots);
            let chat = chat.clone();
            bodies(&state, &chat, "JOINCHAT", 1, &json!({"dialogId": dialog}), None, self.shared.clock.now())
        };
        events::send_all(&self.shared, told);
    }

    /// Somebody writes to the bots alone; returns the message's number.
    pub fn write_to_bots(&self, user: u64, text: &str) -> u64 {
        let dialog = self.private_dialog(user);
        self.write(user, &dialog, text, None, &[])
    }

    /// What is said between somebody and the bots, oldest first.
    pub fn private_conversation(&self, user: u64) -> Vec<String> {
        let dialog = self.private_dialog(user);
        self.conversation(&dialog)
    }

    /// The chat of a person and the bots alone.
    pub fn dialog_with_bots(&self, user: u64) -> String {
        self.private_dialog(user)
    }

    fn private_dialog(&self, user: u64) -> String {
        let mut state = self.shared.lock();
        let known = state.context.chats.values().find(|chat| chat.private == Some(user)).map(|chat| chat.id);
        let bots: Vec<u64> = state.context.bots.keys().copied().collect();
        let id = known.unwrap_or_else(|| state.context.chats.keys().last().copied().unwrap_or(56) + 1);
        let members = bots.into_iter().chain([user]).collect();
        state.context.chats.insert(id, Chat { id, name: String::new(), members, private: Some(user) });
        state.chats.entry(id).or_default();
        format!("chat{id}")
    }

    /// Somebody types a command of a bot's in a chat, or alone with the bots (`""`); false if there is no such command.
    pub fn type_command(&self, user: u64, dialog: &str, command: &str, params: &str) -> bool {
        let dialog = if dialog.is_empty() { self.private_dialog(user) } else { dialog.to_owned() };
        let text = format!("/{command} {params}");
        let message = self.write(user, &dialog, text.trim(), None, &[]);
        let told = {
            let mut state = self.shared.lock();
            let Some((number, bot)) = state
                .context
                .commands
                .iter()
                .find(|(_, (_, name))| name == command)
                .map(|(number, (bot, _))| (*number, *bot))
            else {
                return false;
            };
            let Some(chat) = chat_mut(&mut state, &dialog).cloned() else { return false };
            let row = state.row(&dialog, message).cloned();
            super::bots::command_bodies(
                &state,
                &chat,
                (number, bot),
                command,
                params,
                user,
                row.as_ref(),
                self.shared.clock.now(),
            )
        };
        events::send_all(&self.shared, told);
        true
    }

    /// The commands that bots have registered.
    pub fn commands(&self) -> Vec<String> {
        self.shared.lock().context.commands.values().map(|(_, name)| name.clone()).collect()
    }

    /// A bot is deleted by an administrator; it is sent one last event.
    pub fn delete_bots(&self) {
        let told = {
            let mut state = self.shared.lock();
            let told = super::bots::deleted_bodies(&state, self.shared.clock.now());
            state.context.bots.clear();
            state.context.commands.clear();
            told
        };
        events::send_all(&self.shared, told);
    }

    /// Somebody leaves a chat.
    pub fn leave_chat(&self, dialog: &str, user: u64) {
        if let Some(chat) = chat_mut(&mut self.shared.lock(), dialog) {
            chat.members.remove(&user);
        }
    }

    /// Somebody is added to a chat.
    pub fn join_chat(&self, dialog: &str, user: u64) {
        if let Some(chat) = chat_mut(&mut self.shared.lock(), dialog) {
            chat.members.insert(user);
        }
    }

    /// Takes every bot out of a chat.
    pub fn kick_bots(&self, dialog: &str) {
        let mut state = self.shared.lock();
        let bots: Vec<u64> = state.context.bots.keys().copied().collect();
        if let Some(chat) = chat_mut(&mut state, dialog) {
            chat.members.retain(|member| !bots.contains(member));
        }
    }

    /// Whether the portal has only the older methods for bots.
    pub fn use_old_bots(&self, old: bool) {
        self.shared.lock().context.only_old = old;
    }

    /// From now on this many of the newest messages of each chat are unread.
    pub fn leave_unread(&self, messages: usize) {
        self.shared.lock().context.unread = messages;
    }

    /// Whether the portal fails when the messages of a chat are listed.
    pub fn break_chat(&self, dialog: &str, is_broken: bool) {
        let Some(chat) = dialog.strip_prefix("chat").and_then(|id| id.parse().ok()) else { return };
        let broken = &mut self.shared.lock().context.broken;
        if is_broken {
            broken.insert(chat)
        } else {
            broken.remove(&chat)
        };
    }

    /// The keys that incoming webhooks gave their bots.
    pub fn bot_keys(&self) -> Vec<String> {
        self.shared.lock().context.bots.values().filter_map(|bot| bot.token.clone()).collect()
    }

    /// The numbers of the bots.
    pub fn bots(&self) -> Vec<u64> {
        self.shared.lock().context.bots.keys().copied().collect()
    }

    pub fn chats(&self) -> Vec<Chat> {
        self.shared.lock().context.chats.values().cloned().collect()
    }

    /// Somebody writes in a chat, as an answer or not, with files or not; returns the message's number.
    pub fn write(&self, user: u64, dialog: &str, text: &str, answers: Option<u64>, files: &[u64]) -> u64 {
        write(&self.shared, user, dialog, &ChatEntry { text, answers, files, uuid: None, system: false })
            .unwrap_or_default()
    }

    /// Somebody puts a file into a chat, to be written with a message; returns its number.
    pub fn attach(&self, dialog: &str, name: &str, bytes: impl Into<Bytes>) -> u64 {
        self.shared.lock().keep_file(dialog, name, bytes.into())
    }

    /// Makes a file say another size than it has, or be gone.
    pub fn change_file(&self, file: u64, size: Option<u64>, gone: bool) {
        if let Some(file) = self.shared.lock().context.files.get_mut(&file) {
            file.size = size.unwrap_or(file.size);
            file.gone = gone;
        }
    }

    /// Somebody edits a message.
    pub fn edit(&self, dialog: &str, message: u64, text: &str) {
        let _ = edit(&self.shared, dialog, message, text);
    }

    /// Somebody deletes a message.
    pub fn delete(&self, dialog: &str, message: u64) {
        let _ = delete(&self.shared, dialog, message);
    }

    /// Somebody reacts to a message; bots hear of it if it is theirs.
    pub fn react(&self, user: u64, dialog: &str, message: u64, reaction: &str, added: bool) {
        let told = {
            let mut state = self.shared.lock();
            state.set_reaction(dialog, message, reaction, user, added);
            let Some(row) = state.row(dialog, message).cloned() else { return };
            let author = row["author_id"].as_u64().unwrap_or_default();
            if !state.context.bots.contains_key(&author) {
                return;
            }
            let Some(chat) = chat_mut(&mut state, dialog).cloned() else { return };
            let data = json!({"reaction": reaction, "action": if added { "add" } else { "delete" }});
            bodies(&state, &chat, "REACTIONCHANGE", user, &data, Some(&row), self.shared.clock.now())
        };
        events::send_all(&self.shared, told);
    }

    /// What people read in a chat, oldest first: `Name: text`.
    pub fn conversation(&self, dialog: &str) -> Vec<String> {
        let rows = self.messages(dialog);
        let state = self.shared.lock();
        rows.iter()
            .map(|row| {
                let author = row["author_id"].as_u64().unwrap_or_default();
                let name = if state.context.bots.contains_key(&author) {
                    String::new()
                } else {
                    format!("{}: ", state.name_of(author))
                };
                let files = row["params"]["FILE_ID"].as_array().into_iter().flatten().filter_map(Value::as_u64);
                let files: String = files
                    .filter_map(|id| state.context.files.get(&id))
                    .map(|file| format!(" [{}]", file.name))
                    .collect();
                format!("{name}{}{files}", row["text"].as_str().unwrap_or_default())
            })
            .collect()
    }

    /// The messages of a chat as they are kept.
    pub fn messages(&self, dialog: &str) -> Vec<Value> {
        let state = self.shared.lock();
        dialog
            .strip_prefix("chat")
            .and_then(|id| id.parse().ok())
            .and_then(|id: u64| state.chats.get(&id))
            .cloned()
            .unwrap_or_default()
    }

    /// The bytes of the files that bots have shared in a chat, by name.
    pub fn shared_files(&self, dialog: &str) -> Vec<(String, Bytes)> {
        let rows = self.messages(dialog);
        let state = self.shared.lock();
        let by_bots =
            rows.iter().filter(|row| row["author_id"].as_u64().is_some_and(|id| state.context.bots.contains_key(&id)));
        let ids = by_bots.flat_map(|row| row["params"]["FILE_ID"].as_array().cloned().unwrap_or_default());
        ids.filter_map(|id| state.context.files.get(&id.as_u64()?))
            .map(|file| (file.name.clone(), file.bytes.clone()))
            .collect()
    }

    /// A file's name and bytes.
    pub fn file(&self, id: u64) -> Option<(String, Bytes)> {
        self.shared.lock().context.files.get(&id).map(|file| (file.name.clone(), file.bytes.clone()))
    }

    /// What somebody is called.
    pub fn name_of(&self, user: u64) -> String {
        self.shared.lock().name_of(user)
    }

    /// What a person was sent in private.
    pub fn notes(&self, user: u64) -> Vec<String> {
        self.shared.lock().context.notes.get(&user).cloned().unwrap_or_default()
    }

    /// Somebody comments in the timeline of a record; returns the comment's number.
    pub fn write_timeline(&self, entity: &str, id: u64, text: &str) -> u64 {
        let fields = json!({"ENTITY_TYPE": entity, "ENTITY_ID": id, "COMMENT": text});
        timeline_add(&self.shared, &fields).as_u64().unwrap_or_default()
    }

    /// The comments in the timeline of a record.
    pub fn timeline(&self, entity: &str, id: u64) -> Vec<String> {
        let state = self.shared.lock();
        let of = state.context.timeline.iter().filter(|row| row["ENTITY_TYPE"] == entity && row["ENTITY_ID"] == id);
        of.map(|row| row["COMMENT"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

pub(super) struct ChatEntry<'a> {
    pub(super) text: &'a str,
    pub(super) answers: Option<u64>,
    pub(super) files: &'a [u64],
    pub(super) uuid: Option<&'a str>,
    pub(super) system: bool,
}

pub(super) fn chat_mut<'a>(state: &'a mut SimulatorState, dialog: &str) -> Option<&'a mut Chat> {
    if let Ok(person) = dialog.parse::<u64>() {
        return state.context.chats.values_mut().find(|chat| chat.private == Some(person));
    }
    let id: u64 = dialog.strip_prefix("chat")?.parse().ok()?;
    state.context.chats.get_mut(&id)
}

impl SimulatorState {
    pub(super) fn keep_file(&mut self, dialog: &str, name: &str, bytes: Bytes) -> u64 {
        self.context.last += 1;
        let id = 130 + self.context.last;
        let chat = dialog.strip_prefix("chat").and_then(|id| id.parse().ok()).unwrap_or_default();
        let file = SimulatedChatFile { id, chat, name: name.to_owned(), size: bytes.len() as u64, bytes, gone: false };
        self.context.files.insert(id, file);
        id
    }

    pub(super) fn row(&mut self, dialog: &str, message: u64) -> Option<&mut Value> {
        let id: u64 = dialog.strip_prefix("chat")?.parse().ok()?;
        self.chats.get_mut(&id)?.iter_mut().find(|row| row["id"] == message)
    }

    pub(super) fn dialog_of(&self, message: u64) -> Option<String> {
        let mut chats = self.chats.iter();
        chats.find(|(_, rows)| rows.iter().any(|row| row["id"] == message)).map(|(id, _)| format!("chat{id}"))
    }

    pub(super) fn set_reaction(&mut self, dialog: &str, message: u64, reaction: &str, user: u64, added: bool) {
        self.revision += 1;
        let Some(row) = self.row(dialog, message) else { return };
        let mut users: Vec<Value> = row["reactions"][reaction].as_array().cloned().unwrap_or_default();
        users.retain(|known| *known != user);
        if added {
            users.push(user.into());
        }
        if row["reactions"].is_null() {
            row["reactions"] = json!({});
        }
        row["reactions"][reaction] = json!(users);
    }

    pub(super) fn name_of(&self, user: u64) -> String {
        let found = self.users.iter().find(|row| row["ID"] == user.to_string().as_str());
        found.map_or_else(
            || format!("user {user}"),
            |row| {
                format!(
                    "{} {}",
                    row["NAME"].as_str().unwrap_or_default(),
                    row["LAST_NAME"].as_str().unwrap_or_default()
                )
            },
        )
    }

    /// The authors of a page of messages, as `im.dialog.messages.get` lists them.
    pub(super) fn authors_of(&self, rows: &[Value]) -> Vec<Value> {
        let authors: BTreeSet<u64> = rows.iter().filter_map(|row| row["author_id"].as_u64()).collect();
        let shown = |id: u64| {
            let is_bot = self.context.bots.contains_key(&id);
            let name = if is_bot { "Switchboard".to_owned() } else { self.name_of(id) };
            json!({"id": id, "name": name, "bot": is_bot, "connector": false, "avatar": "", "extranet": false})
        };
        authors.into_iter().filter(|id| *id > 0).map(shown).collect()
    }

    /// `imbot.v2.Chat.Message.getContext`: up to `range` messages on either side of one, oldest first.
    pub(super) fn around(&self, bot: u64, message: u64, range: usize) -> Result<Value, RestRefusal> {
        let not_found = || (400, "MESSAGE_NOT_FOUND", "Message not found".to_owned());
        let (chat, rows) =
            self.chats.iter().find(|(_, rows)| rows.iter().any(|row| row["id"] == message)).ok_or_else(not_found)?;
        if self.context.chats.get(chat).is_none_or(|chat| !chat.members.contains(&bot)) {
            return Err((403, "MESSAGE_ACCESS_DENIED", "Message access denied".into()));
        }
        let at = rows.iter().position(|row| row["id"] == message).ok_or_else(not_found)?;
        let (from, to) = (at.saturating_sub(range), (at + range + 1).min(rows.len()));
        let camel = |row: &Value| {
            json!({
                "id": row["id"], "chatId": chat, "authorId": row["author_id"], "date": row["date"], "text": row["text"],
                "isSystem": row["system"], "uuid": row["uuid"].as_str().unwrap_or_default(), "forward": null,
                "params": row["params"], "viewedByOthers": true,
            })
        };
        Ok(json!({
            "messages": rows[from..to].iter().map(camel).collect::<Vec<_>>(), "users": self.authors_of(&rows[from..to]),
            "hasPrevPage": from > 0, "hasNextPage": to < rows.len(),
        }))
    }

    /// The files of a page of messages, as `im.dialog.messages.get` lists them.
    pub(super) fn files_of(&self, rows: &[Value]) -> Vec<Value> {
        let ids = rows.iter().flat_map(|row| row["params"]["FILE_ID"].as_array().cloned().unwrap_or_default());
        ids.filter_map(|id| self.context.files.get(&id.as_u64()?)).map(SimulatedChatFile::show).collect()
    }
}

pub(super) fn write(shared: &Arc<PortalShared>, user: u64, dialog: &str, written: &ChatEntry<'_>) -> Option<u64> {
    let now = portal_time(shared.clock.now());
    let (id, told) = {
        let mut state = shared.lock();
        let chat = chat_mut(&mut state, dialog)?.clone();
        state.last_message += 1;
        let id = state.last_message;
        let text: String = written.text.chars().take(MAX_MESSAGE).collect();
        let mut params = json!({});
        if let Some(answers) = written.answers {
            params["replyId"] = answers.into();
        }
        if !written.files.is_empty() {
            params["FILE_ID"] = json!(written.files);
        }
        let row = json!({
            "id": id, "chat_id": chat.id, "author_id": user, "date": now, "text": text, "unread": false, "uuid": written.uuid,
            "replaces": [], "params": params, "disappearing_date": null, "system": written.system,
        });
        state.chats.entry(chat.id).or_default().push(row.clone());
        state.revision += 1;
        (id, bodies(&state, &chat, "MESSAGEADD", user, &json!({}), Some(&row), shared.clock.now()))
    };
    events::send_all(shared, told);
    Some(id)
}

pub(super) fn edit(shared: &Arc<PortalShared>, dialog: &str, message: u64, text: &str) -> Option<()> {
    let told = {
        let mut state = shared.lock();
        let row = state.row(dialog, message)?;
        row["text"] = text.into();
        row["edited"] = true.into();
        row["params"]["IS_EDITED"] = "Y".into();
        let row = row.clone();
        let chat = chat_mut(&mut state, dialog)?.clone();
        state.revision += 1;
        {
            let author = row["author_id"].as_u64().unwrap_or_default();
            bodies(&state, &chat, "MESSAGEUPDATE", author, &json!({}), Some(&row), shared.clock.now())
        }
    };
    events::send_all(shared, told);
    Some(())
}

pub(super) fn delete(shared: &Arc<PortalShared>, dialog: &str, message: u64) -> Option<()> {
    let told = {
        let mut state = shared.lock();
        let row = state.row(dialog, message)?.clone();
        let chat = chat_mut(&mut state, dialog)?.clone();
        state.chats.entry(chat.id).or_default().retain(|row| row["id"] != message);
        state.revision += 1;
        let author = row["author_id"].as_u64().unwrap_or_default();
        bodies(&state, &chat, "MESSAGEDELETE", author, &json!({"messageId": message}), Some(&row), shared.clock.now())
    };
    events::send_all(shared, told);
    Some(())
}

/// An address that works once.
pub(super) fn download(shared: &PortalShared, file: Option<u64>) -> Result<Value, RestRefusal> {
    let mut state = shared.lock();
    let found = file.filter(|id| state.context.files.get(id).is_some_and(|file| !file.gone));
    let Some(id) = found else { return Err((400, "FILE_NOT_FOUND", "File not found".into())) };
    state.context.last += 1;
    let token = format!("imbot|{:08}", state.context.last);
    state.context.downloads.insert(token.clone(), id);
    let (scheme, host) = (state.scheme, state.host.clone());
    Ok(json!({"downloadUrl": format!("{scheme}://{host}/rest/download.json?token={}", token.replace('|', "%7C"))}))
}

/// The bytes behind such an address.
pub(super) fn fetched(shared: &PortalShared, token: &str) -> Option<(String, Bytes)> {
    let mut state = shared.lock();
    let id = state.context.downloads.remove(token)?;
    let file = state.context.files.get(&id)?;
    Some((file.name.clone(), file.bytes.clone()))
}

pub(super) fn message_add(
    shared: &Arc<PortalShared>,
    dialog: &str,
    text: &str,
    user: u64,
) -> Result<Value, RestRefusal> {
    if text.is_empty() {
        return Err((400, "MESSAGE_EMPTY", "Message can't be empty".into()));
    }
    if let Ok(to) = dialog.parse::<u64>() {
        let mut state = shared.lock();
        if !state.users.iter().any(|row| row["ID"] == dialog) {
            return Err((400, "USER_NOT_FOUND", "User not found".into()));
        }
        state.context.notes.entry(to).or_default().push(text.to_owned());
        state.last_message += 1;
        return Ok(json!(state.last_message));
    }
    let written = ChatEntry { text, answers: None, files: &[], uuid: None, system: false };
    write(shared, user, dialog, &written).map(|id| json!(id)).ok_or_else(|| (400, "CHAT_ID", "Chat not found".into()))
}

pub(super) fn timeline_add(shared: &Arc<PortalShared>, fields: &Value) -> Value {
    let id = {
        let mut state = shared.lock();
        let id = state.context.timeline.len() as u64 + 1;
        let entity = number(fields.get("ENTITY_ID").unwrap_or(&Value::Null)).unwrap_or_default();
        let of = |name: &str| fields.get(name).cloned().unwrap_or_default();
        state.context.timeline.push(json!({
            "ID": id.to_string(), "ENTITY_ID": entity, "ENTITY_TYPE": of("ENTITY_TYPE"), "COMMENT": of("COMMENT"),
            "CREATED": portal_time(shared.clock.now()),
        }));
        state.revision += 1;
        id
    };
    events::emit(shared, "ONCRMTIMELINECOMMENTADD", &json!({"FIELDS": {"ID": id}}));
    json!(id)
}
