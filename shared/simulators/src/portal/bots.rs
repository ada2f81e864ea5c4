//! Bots in chats: by `imbot.v2`, or by the older methods on portals that lack it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::chats::{
    Chat, ChatEntry, SimulatedChatFile, chat_mut, delete, download, edit, message_add, timeline_add, write,
};
use super::crm::{RestRefusal, number};
use super::{PortalShared, SimulatorState, events};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BotState {
    pub(super) id: u64,
    code: String,
    url: String,
    pub(super) token: Option<String>,
    old: bool,
    supervisor: bool,
}

/// What each bot of a chat is sent. A supervisor hears everything, other bots what is said to them.
#[allow(clippy::too_many_arguments)]
pub(super) fn bodies(
    state: &SimulatorState,
    chat: &Chat,
    word: &str,
    user: u64,
    data: &Value,
    row: Option<&Value>,
    now: Timestamp,
) -> Vec<events::PortalParcel> {
    let mentions = |bot: u64| {
        row.is_some_and(|row| {
            row["text"].as_str().unwrap_or_default().to_lowercase().contains(&format!("[user={bot}]"))
        })
    };
    let hears = |bot: &&BotState| {
        let hears_all = bot.supervisor || chat.private.is_some() || word == "JOINCHAT";
        chat.members.contains(&bot.id) && (hears_all || mentions(bot.id))
    };
    let by_bot = state.context.bots.contains_key(&user);
    let told = state.context.bots.values().filter(hears).map(|bot| {
        let (event, data) = if bot.old {
            old(state, chat, bot, word, user, row)
        } else {
            new(state, chat, bot, word, user, by_bot, data, row)
        };
        bot.parcel(state, &event, &data, now)
    });
    told.collect()
}

impl BotState {
    fn parcel(&self, state: &SimulatorState, event: &str, data: &Value, now: Timestamp) -> events::PortalParcel {
        events::PortalParcel::new(&self.url, events::bot_body(state, event, data, now), event, events::about(data))
    }
}

#[allow(clippy::too_many_arguments)]
fn new(
    state: &SimulatorState,
    chat: &Chat,
    bot: &BotState,
    word: &str,
    user: u64,
    by_bot: bool,
    data: &Value,
    row: Option<&Value>,
) -> (String, Value) {
    let name = if by_bot { "Switchboard".to_owned() } else { state.name_of(user) };
    // As PHP writes a form: numbers and flags as text, nothing for null.
    let mut told = json!({
        "bot": {"id": bot.id, "code": bot.code, "auth": {"application_token": "another-token-of-the-bot", "access_token": "bot-token"}},
        "chat": {"id": chat.id, "dialogId": chat.dialog(), "type": if chat.private.is_some() { "private" } else { "chat" }, "name": chat.name, "entityType": "", "owner": 1},
        "user": {"id": user, "name": name, "bot": if by_bot { "1" } else { "0" }, "extranet": "0", "connector": "0", "avatar": "", "type": "employee"},
        "language": "en",
    });
    if let Some(row) = row.filter(|_| word != "MESSAGEDELETE") {
        told["message"] = json!({
            "id": row["id"], "chatId": chat.id, "authorId": row["author_id"], "date": row["date"], "text": row["text"],
            "isSystem": if row["system"] == true { "1" } else { "0" }, "uuid": row["uuid"].as_str().unwrap_or_default(), "forward": "",
            "params": row["params"], "viewedByOthers": "0",
        });
    }
    if let (Some(told), Some(data)) = (told.as_object_mut(), data.as_object()) {
        told.extend(data.clone());
    }
    (format!("ONIMBOTV2{word}"), told)
}

fn old(
    state: &SimulatorState,
    chat: &Chat,
    bot: &BotState,
    word: &str,
    user: u64,
    row: Option<&Value>,
) -> (String, Value) {
    let empty = json!({});
    let row = row.unwrap_or(&empty);
    let by_bot = state.context.bots.contains_key(&user);
    let mut params = json!({
        "MESSAGE": row["text"], "MESSAGE_ORIGINAL": row["text"], "MESSAGE_TYPE": if chat.private.is_some() { "P" } else { "C" }, "CHAT_TYPE": if chat.private.is_some() { "P" } else { "C" }, "FROM_USER_ID": user, "AUTHOR_ID": user,
        "TO_USER_ID": bot.id, "DIALOG_ID": chat.dialog(), "TO_CHAT_ID": chat.id, "CHAT_ID": chat.id, "CHAT_TITLE": chat.name,
        "SYSTEM": if row["system"] == true { "Y" } else { "N" }, "LANGUAGE": "en",
    });
    if !row["id"].is_null() {
        params["MESSAGE_ID"] = row["id"].clone();
    }
    if !row["params"]["FILE_ID"].is_null() {
        params["FILE_ID"] = row["params"]["FILE_ID"].clone();
    }
    let id = bot.id.to_string();
    let data = json!({
        "BOT": {id: {"BOT_ID": bot.id, "BOT_CODE": bot.code, "access_token": "bot-token"}}, "PARAMS": params,
        "USER": {"ID": user, "NAME": if by_bot { "Switchboard".to_owned() } else { state.name_of(user) }, "IS_BOT": if by_bot { "Y" } else { "N" }, "IS_CONNECTOR": "N"},
    });
    (format!("ONIMBOT{word}"), data)
}

/// What the bot of a command is sent when it is typed.
#[allow(clippy::too_many_arguments)]
pub(super) fn command_bodies(
    state: &SimulatorState,
    chat: &Chat,
    (number, bot): (u64, u64),
    command: &str,
    params: &str,
    user: u64,
    row: Option<&Value>,
    now: Timestamp,
) -> Vec<events::PortalParcel> {
    let Some(bot) = state.context.bots.get(&bot) else { return Vec::new() };
    let (event, data) = if bot.old {
        let (_, mut data) = old(state, chat, bot, "MESSAGEADD", user, row);
        let told = json!({
            "BOT_ID": bot.id, "BOT_CODE": bot.code, "COMMAND": command, "COMMAND_ID": number, "COMMAND_PARAMS": params,
            "COMMAND_CONTEXT": "TEXTAREA", "MESSAGE_ID": row.map(|row| row["id"].clone()),
        });
        data["COMMAND"] = json!({number.to_string(): told});
        ("ONIMCOMMANDADD".to_owned(), data)
    } else {
        let told = json!({"command": {"id": number, "command": format!("/{command}"), "params": params, "context": "textarea"}});
        new(state, chat, bot, "COMMANDADD", user, false, &told, row)
    };
    vec![bot.parcel(state, &event, &data, now)]
}

/// What each bot is sent when it is deleted.
pub(super) fn deleted_bodies(state: &SimulatorState, now: Timestamp) -> Vec<events::PortalParcel> {
    let told = state.context.bots.values().map(|bot| {
        let (event, data) = if bot.old {
            ("ONIMBOTDELETE", json!({"BOT_ID": bot.id, "BOT_CODE": bot.code}))
        } else {
            ("ONIMBOTV2DELETE", json!({"bot": {"id": bot.id, "code": bot.code}}))
        };
        bot.parcel(state, event, &data, now)
    });
    told.collect()
}

/// The methods of chats and bots; `None` for others.
pub(super) fn call(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    app: bool,
    user: u64,
) -> Option<Result<Value, RestRefusal>> {
    if method.starts_with("imbot.v2.") && shared.lock().context.only_old {
        return Some(Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())));
    }
    let whole = |name: &str| params.get(name).and_then(number).and_then(|id| u64::try_from(id).ok());
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fields = params.get("fields").cloned().unwrap_or_default();
    Some(match method {
        "imbot.v2.revision.get" => Ok(json!({"rest": 36, "web": 130, "mobile": 23, "desktop": 6})),
        "imbot.v2.bot.register" => register(shared, &fields, app),
        "imbot.register" => {
            let old = json!({
                "code": text("CODE"), "webhookUrl": text("EVENT_MESSAGE_ADD"), "type": if text("TYPE") == "S" { "supervisor" } else { "bot" },
                "botToken": params.get("CLIENT_ID"), "eventMode": "webhook", "old": true,
                "properties": {"name": params.get("PROPERTIES").map(|properties| properties["NAME"].clone())},
            });
            register(shared, &old, app).map(|answer| answer["bot"]["id"].clone())
        }
        "im.message.add" => message_add(shared, &text("DIALOG_ID"), &text("MESSAGE"), user),
        "crm.timeline.comment.add" => Ok(timeline_add(shared, &fields)),
        "crm.timeline.comment.list" => {
            let filter = params.get("filter").cloned().unwrap_or_default();
            let state = shared.lock();
            let of = state.context.timeline.iter().rev();
            let same = |row: &&Value| {
                row["ENTITY_TYPE"] == filter["ENTITY_TYPE"]
                    && row["ENTITY_ID"].as_u64() == number(&filter["ENTITY_ID"]).and_then(|id| u64::try_from(id).ok())
            };
            Ok(Value::Array(of.filter(same).cloned().collect()))
        }
        "im.dialog.get" => {
            let mut state = shared.lock();
            let dialog = text("DIALOG_ID");
            let bot_ids: Vec<u64> = state.context.bots.keys().copied().collect();
            match chat_mut(&mut state, &dialog) {
                Some(chat) if chat.members.contains(&user) || bot_ids.iter().any(|bot| chat.members.contains(bot)) => {
                    Ok(json!({"id": chat.id, "name": chat.name, "type": "chat"}))
                }
                Some(_) => Err((403, "ACCESS_ERROR", "You don't have access to this chat".into())),
                None => Err((400, "CHAT_ID", "Chat not found".into())),
            }
        }
        "im.v2.file.download" => download(shared, whole("fileId")),
        _ if method.starts_with("imbot.") => {
            let bot = match bot_of(shared, params, app) {
                Ok(bot) => bot,
                Err(refusal) => return Some(Err(refusal)),
            };
            of_bot(shared, method, params, &fields, &bot)
        }
        _ => return None,
    })
}

fn register(shared: &Arc<PortalShared>, fields: &Value, app: bool) -> Result<Value, RestRefusal> {
    let code = fields["code"].as_str().unwrap_or_default().to_owned();
    if code.is_empty() {
        return Err((400, "BOT_CODE_REQUIRED", "Bot code is required".into()));
    }
    let token = fields["botToken"].as_str().map(str::to_owned);
    if !app && token.as_deref().is_none_or(str::is_empty) {
        return Err((400, "BOT_TOKEN_NOT_SPECIFIED", "Bot token is not specified".into()));
    }
    if token.as_deref().is_some_and(|token| token.len() > 40) {
        return Err((400, "BOT_TOKEN_TOO_LONG", "Bot token is too long".into()));
    }
    if fields["eventMode"] == "webhook" && fields["webhookUrl"].as_str().is_none_or(str::is_empty) {
        return Err((400, "BOT_WEBHOOK_URL_REQUIRED", "Webhook URL is required".into()));
    }
    let mut state = shared.lock();
    // The same code is the same bot, and registering it again changes nothing.
    let known = state.context.bots.values().find(|bot| bot.code == code).map(|bot| bot.id);
    let id = known.unwrap_or_else(|| 456 + state.context.bots.len() as u64);
    if known.is_none() {
        let bot = BotState {
            id,
            code: code.clone(),
            url: fields["webhookUrl"].as_str().unwrap_or_default().to_owned(),
            token,
            old: fields["old"] == true,
            supervisor: ["supervisor", "personal"].iter().any(|kind| fields["type"] == *kind),
        };
        state.context.bots.insert(id, bot);
        state.revision += 1;
    }
    Ok(json!({"bot": {"id": id, "code": code, "type": fields["type"], "eventMode": "webhook"}, "users": []}))
}

fn bot_of(shared: &PortalShared, params: &Map<String, Value>, app: bool) -> Result<BotState, RestRefusal> {
    let id = ["botId", "BOT_ID"].iter().find_map(|name| params.get(*name).and_then(number));
    let Some(id) = id.and_then(|id| u64::try_from(id).ok()) else {
        return Err((400, "BOT_ID_REQUIRED", "Bot ID is required".into()));
    };
    let state = shared.lock();
    let bot = state.context.bots.get(&id).cloned().ok_or_else(|| (400, "BOT_NOT_FOUND", "Bot not found".to_owned()))?;
    let given = ["botToken", "CLIENT_ID"].iter().find_map(|name| params.get(*name).and_then(Value::as_str));
    match (app, given, &bot.token) {
        (true, ..) => Ok(bot),
        (false, None, _) => Err((400, "BOT_TOKEN_NOT_SPECIFIED", "Bot token is not specified".into())),
        (false, Some(given), Some(known)) if given == known => Ok(bot),
        _ => Err((403, "BOT_OWNERSHIP_ERROR", "The bot belongs to another application".into())),
    }
}

fn of_bot(
    shared: &Arc<PortalShared>,
    method: &str,
    params: &Map<String, Value>,
    fields: &Value,
    bot: &BotState,
) -> Result<Value, RestRefusal> {
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = |names: [&str; 2]| {
        names.iter().find_map(|name| params.get(*name).and_then(number)).and_then(|id| u64::try_from(id).ok())
    };
    let in_chat = |dialog: &str| {
        let mut state = shared.lock();
        match chat_mut(&mut state, dialog) {
            Some(chat) if chat.members.contains(&bot.id) => Ok(chat.clone()),
            _ => Err((403, "ACCESS_DENIED", "Bot is not in the chat".to_owned())),
        }
    };
    let own = |message: Option<u64>| {
        let message = message.ok_or_else(|| (400, "MESSAGE_ID_ERROR", "Message ID is required".to_owned()))?;
        let mut state = shared.lock();
        let dialog =
            state.dialog_of(message).ok_or_else(|| (400, "MESSAGE_NOT_FOUND", "Message not found".to_owned()))?;
        let author = state.row(&dialog, message).map(|row| row["author_id"].clone());
        match author {
            Some(author) if author == bot.id => Ok((dialog, message)),
            _ => Err((403, "ACCESS_DENIED", "The message is not the bot's".to_owned())),
        }
    };
    match method {
        "imbot.v2.bot.update" | "imbot.update" => {
            let url = fields["webhookUrl"].as_str().map(str::to_owned);
            let old = params.get("FIELDS").and_then(|fields| fields["EVENT_MESSAGE_ADD"].as_str()).map(str::to_owned);
            if let (Some(url), Some(kept)) = (url.or(old), shared.lock().context.bots.get_mut(&bot.id)) {
                kept.url = url;
            }
            Ok(json!({"result": true}))
        }
        "imbot.v2.bot.unregister" | "imbot.unregister" => {
            let mut state = shared.lock();
            state.context.bots.remove(&bot.id);
            state.context.commands.retain(|_, (of, _)| *of != bot.id);
            Ok(json!({"result": true}))
        }
        "imbot.v2.command.register" | "imbot.command.register" => {
            let name = fields["command"].as_str().map_or_else(|| text("COMMAND"), str::to_owned);
            let titled = fields["title"]["en"].is_string() || params.get("LANG").is_some_and(|lang| !lang.is_null());
            if name.is_empty() || name.starts_with('/') || !titled {
                return Err((400, "COMMAND_ERROR", "Command or its title is not right".into()));
            }
            let mut state = shared.lock();
            if state.context.commands.values().any(|(of, known)| *of == bot.id && *known == name) {
                return Err((400, "COMMAND_ALREADY_EXISTS", "The command is registered already".into()));
            }
            let number = 77 + state.context.commands.len() as u64;
            state.context.commands.insert(number, (bot.id, name));
            Ok(if method.starts_with("imbot.v2") { json!({"command": {"id": number}}) } else { json!(number) })
        }
        "imbot.v2.command.answer" | "imbot.command.answer" => {
            let said = fields["message"].as_str().map_or_else(|| text("MESSAGE"), str::to_owned);
            let command = whole(["commandId", "COMMAND_ID"]).unwrap_or_default();
            let message = whole(["messageId", "MESSAGE_ID"]).unwrap_or_default();
            let dialog = {
                let state = shared.lock();
                let is_its = state.context.commands.get(&command).is_some_and(|(of, _)| *of == bot.id);
                is_its.then(|| state.dialog_of(message)).flatten()
            };
            let dialog = dialog.ok_or_else(|| (400, "COMMAND_ANSWER_FAILED", "Answer could not be sent".to_owned()))?;
            let written = ChatEntry { text: &said, answers: None, files: &[], uuid: None, system: false };
            let id = write(shared, bot.id, &dialog, &written).unwrap_or_default();
            Ok(if method.starts_with("imbot.v2") { json!({"result": true}) } else { json!(id) })
        }
        "imbot.v2.chat.get" => {
            in_chat(&text("dialogId")).map(|chat| json!({"chat": {"id": chat.id, "name": chat.name, "type": "chat"}}))
        }
        "imbot.v2.chat.message.getcontext" => {
            if !bot.supervisor {
                return Err((403, "BOT_TYPE_NOT_ALLOWED", "Bot type not allowed".into()));
            }
            let message = whole(["messageId", "messageId"]).unwrap_or_default();
            let range = whole(["range", "range"]).and_then(|range| usize::try_from(range).ok()).unwrap_or(50);
            shared.lock().around(bot.id, message, range.clamp(1, 50))
        }
        "imbot.v2.chat.message.send" | "imbot.message.add" => {
            let dialog = if text("dialogId").is_empty() { text("DIALOG_ID") } else { text("dialogId") };
            let said = fields["message"].as_str().map_or_else(|| text("MESSAGE"), str::to_owned);
            if said.is_empty() {
                return Err((400, "EMPTY_MESSAGE", "Message is empty".into()));
            }
            in_chat(&dialog)?;
            let answers = fields["replyId"].as_u64();
            if let Some(answers) = answers
                && shared.lock().row(&dialog, answers).is_none()
            {
                return Err((400, "REPLY_ACCESS_ERROR", "No access to the replied message".into()));
            }
            let uuid = fields["templateId"].as_str();
            let written = ChatEntry { text: &said, answers, files: &[], uuid, system: false };
            let id = write(shared, bot.id, &dialog, &written).unwrap_or_default();
            Ok(if method.starts_with("imbot.v2") { json!({"id": id, "uuidMap": {}}) } else { json!(id) })
        }
        "imbot.v2.chat.message.update" | "imbot.message.update" => {
            let (dialog, message) = own(whole(["messageId", "MESSAGE_ID"]))?;
            let said = fields["message"].as_str().map_or_else(|| text("MESSAGE"), str::to_owned);
            match (said.is_empty(), method.starts_with("imbot.v2")) {
                (true, true) => return Err((400, "EMPTY_MESSAGE", "Message is empty".into())),
                (true, false) => delete(shared, &dialog, message),
                (false, _) => edit(shared, &dialog, message, &said),
            };
            Ok(json!({"result": true}))
        }
        "imbot.v2.chat.message.delete" => {
            let (dialog, message) = own(whole(["messageId", "MESSAGE_ID"]))?;
            delete(shared, &dialog, message);
            Ok(json!({"result": true}))
        }
        "imbot.v2.chat.message.reaction.add" | "imbot.v2.chat.message.reaction.delete" => {
            let message = whole(["messageId", "MESSAGE_ID"]).unwrap_or_default();
            let mut state = shared.lock();
            let dialog =
                state.dialog_of(message).ok_or_else(|| (400, "MESSAGE_NOT_FOUND", "Message not found".to_owned()))?;
            let reaction = params.get("reaction").and_then(Value::as_str).unwrap_or_default().to_owned();
            state.set_reaction(&dialog, message, &reaction, bot.id, method.ends_with("add"));
            Ok(json!({"result": true}))
        }
        "imbot.v2.file.upload" => {
            let dialog = text("dialogId");
            in_chat(&dialog)?;
            let bytes = STANDARD.decode(fields["content"].as_str().unwrap_or_default());
            let bytes = bytes.map_err(|_| (400, "FILE_CONTENT_ERROR", "Content is not base64".to_owned()))?;
            if bytes.len() > 100 * 1024 * 1024 {
                return Err((400, "FILE_TOO_LARGE", "File is too large".into()));
            }
            let name = fields["name"].as_str().unwrap_or("file").to_owned();
            let file = shared.lock().keep_file(&dialog, &name, bytes.into());
            let said = fields["message"].as_str().unwrap_or_default();
            let written = ChatEntry { text: said, answers: None, files: &[file], uuid: None, system: false };
            let message = write(shared, bot.id, &dialog, &written).unwrap_or_default();
            let shown = shared.lock().context.files.get(&file).map(SimulatedChatFile::show).unwrap_or_default();
            Ok(json!({"file": shown, "messageId": message, "dialogId": dialog}))
        }
        "imbot.v2.file.download" => download(shared, whole(["fileId", "fileId"])),
        _ => Err((404, "ERROR_METHOD_NOT_FOUND", "Method not found!".into())),
    }
}
