//! The events that a chatbot gets of its chats: by `imbot.v2`, or by the older v1 events on portals that lack it.
//!
//! Everything is text in a form. How a message's files and the message that it answers are sent is not documented, so
//! both are read from each place where they have been seen (`docs/providers/bitrix24.md`, "Chats").

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::form::Tree;
use crate::tolerant::whole;

/// The longest message, in characters. Bitrix24 cuts its own there; what comes longer is cut here, and says so.
pub const MAX_MESSAGE: usize = 20_000;
/// The longest name of anything, in characters.
pub(crate) const MAX_NAME: usize = 255;
/// The most files of one message.
const MAX_FILES: usize = 100;

/// Something happened in a chat that the bot is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatEvent {
    /// The bot that got the event.
    pub bot: u64,
    /// The chat: `chat57`, or the number of the other person in a private one.
    pub dialog: String,
    /// Who did it.
    pub author: ChatAuthor,
    /// The language of the person, if the event has it: `en`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// What was done.
    pub act: ChatAct,
}

/// Who wrote, by the event's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChatAuthor {
    /// Their number; 0 for the system.
    pub id: u64,
    pub name: String,
    /// Whether it is a bot.
    #[serde(default)]
    pub is_bot: bool,
    /// Their picture, where the event has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ChatAct {
    /// A message was written.
    Posted(ChatMessage),
    /// A message has another text now.
    Edited(ChatMessage),
    /// A message is gone.
    Deleted {
        message: u64,
    },
    /// A reaction to a message of the bot.
    Reacted {
        message: u64,
        /// Bitrix24's name of it: `like`.
        reaction: String,
        /// Whether it was added.
        added: bool,
    },
    /// A command of the bot's was typed.
    Asked {
        /// The command's number, by which it is answered.
        id: u64,
        /// Which: `/status`.
        command: String,
        /// What follows it.
        params: String,
        /// The message that contains it.
        message: u64,
    },
    /// The bot was added to the chat.
    Joined,
    BotDeleted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    pub id: u64,
    /// Its text, with markup.
    pub text: String,
    /// Whether it was longer than [`MAX_MESSAGE`], and its end is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ChatFile>,
    /// Whether the system wrote it: somebody joined, a call began.
    #[serde(default)]
    pub is_system: bool,
    /// When it was written, by the portal's clock; the older events do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFile {
    pub id: u64,
    /// Its name, if the event has it.
    #[serde(default)]
    pub name: String,
    /// Its size in bytes, if the event has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl ChatEvent {
    /// Reads the data of an event about chats; says what is missing. `None` for one that is not used.
    pub fn read(code: &str, data: &Tree) -> Option<Result<Self, String>> {
        if let Some(word) = code.strip_prefix("ONIMBOTV2") {
            return v2(word, data);
        }
        if code == "ONIMCOMMANDADD" {
            return Some(v1_command(data));
        }
        v1(code.strip_prefix("ONIMBOT")?, data)
    }

    /// Whether it is between one person and the bot: such a dialog is named by the person's number.
    pub fn is_private(&self) -> bool {
        self.dialog.parse::<u64>().is_ok()
    }

    /// What makes the same event one, where it has that: a message is written once, and deleted once.
    pub fn identity(&self) -> Option<String> {
        match &self.act {
            ChatAct::Posted(message) => Some(format!("chat#{}", message.id)),
            ChatAct::Deleted { message } => Some(format!("chat#{message}#deleted")),
            ChatAct::Asked { id, message, .. } => Some(format!("asked#{message}#{id}")),
            _ => None,
        }
    }

    /// What people call it in the ledger.
    pub fn about(&self) -> String {
        match &self.act {
            ChatAct::Posted(message) | ChatAct::Edited(message) => format!("message {} in {}", message.id, self.dialog),
            ChatAct::Deleted { message } | ChatAct::Reacted { message, .. } => {
                format!("message {message} in {}", self.dialog)
            }
            ChatAct::Asked { command, .. } => format!("{command} in {}", self.dialog),
            ChatAct::Joined | ChatAct::BotDeleted => format!("bot in {}", self.dialog),
        }
    }
}

/// The text up to `most` characters.
pub(crate) fn short(text: Option<&str>, most: usize) -> String {
    text.unwrap_or_default().chars().take(most).collect()
}

impl ChatMessage {
    pub(crate) fn new(
        id: u64,
        text: Option<&str>,
        answers: Option<u64>,
        files: Vec<ChatFile>,
        is_system: bool,
    ) -> Self {
        let text = text.unwrap_or_default();
        let shortened = text.chars().nth(MAX_MESSAGE).is_some();
        Self { id, text: short(Some(text), MAX_MESSAGE), shortened, answers, files, is_system, written_at: None }
    }

    /// The same with the moment at which it was written, as the portal shows it; `None` if that cannot be read.
    pub(crate) fn written(self, date: Option<&str>) -> Self {
        Self { written_at: date.and_then(|date| date.parse().ok()), ..self }
    }
}

fn missing(what: &str) -> Result<ChatEvent, String> {
    Err(format!("data{what}"))
}

fn flag(data: &Tree, path: &[&str]) -> bool {
    data.text(path).is_some_and(|text| ["1", "Y", "y", "true"].contains(&text))
}

fn v2(word: &str, data: &Tree) -> Option<Result<ChatEvent, String>> {
    let Some(bot) = data.number(&["bot", "id"]) else { return Some(missing("[bot][id]")) };
    let dialog = short(data.text(&["chat", "dialogId"]).or_else(|| data.text(&["dialogId"])), MAX_NAME);
    let author = ChatAuthor {
        id: data
            .number(&["message", "authorId"])
            .filter(|_| word != "REACTIONCHANGE")
            .or_else(|| data.number(&["user", "id"]))
            .unwrap_or_default(),
        name: short(data.text(&["user", "name"]), MAX_NAME),
        is_bot: flag(data, &["user", "bot"]) || flag(data, &["user", "connector"]),
        picture: data
            .text(&["user", "avatar"])
            .filter(|url| url.starts_with("https://") && url.len() <= 2_000)
            .map(str::to_owned),
    };
    let message = || {
        let (text, is_system) = (data.text(&["message", "text"]), flag(data, &["message", "isSystem"]));
        let (answers, files) = (answers(data, &["message"]), files(data, &["message"]));
        let message = ChatMessage::new(data.number(&["message", "id"])?, text, answers, files, is_system);
        Some(message.written(data.text(&["message", "date"])))
    };
    let act = match word {
        "MESSAGEADD" => message().map(ChatAct::Posted),
        "MESSAGEUPDATE" => message().map(ChatAct::Edited),
        "MESSAGEDELETE" => data
            .number(&["messageId"])
            .or_else(|| data.number(&["message", "id"]))
            .map(|message| ChatAct::Deleted { message }),
        "REACTIONCHANGE" => data.number(&["message", "id"]).map(|message| ChatAct::Reacted {
            message,
            reaction: short(data.text(&["reaction"]), MAX_NAME),
            added: data.text(&["action"]).is_none_or(|action| action != "delete"),
        }),
        "COMMANDADD" => data.number(&["command", "id"]).map(|id| ChatAct::Asked {
            id,
            command: short(data.text(&["command", "command"]), MAX_NAME),
            params: short(data.text(&["command", "params"]), MAX_MESSAGE),
            message: data.number(&["message", "id"]).unwrap_or_default(),
        }),
        "JOINCHAT" => Some(ChatAct::Joined),
        "DELETE" => Some(ChatAct::BotDeleted),
        _ => return None,
    };
    let Some(act) = act else { return Some(missing("[message][id]")) };
    if dialog.is_empty() && act != ChatAct::BotDeleted {
        return Some(missing("[chat][dialogId]"));
    }
    let language = short(data.text(&["language"]), MAX_NAME);
    Some(Ok(ChatEvent { bot, dialog, author, language, act }))
}

/// A typed command by the older events: all of the bot's commands in the message, of which the first is taken.
fn v1_command(data: &Tree) -> Result<ChatEvent, String> {
    let all = data.get("COMMAND").and_then(|all| serde_json::to_value(all).ok()).unwrap_or_default();
    let first = match &all {
        Value::Object(map) => map.values().next().cloned(),
        Value::Array(list) => list.iter().find(|row| row.is_object()).cloned(),
        _ => None,
    };
    let Some(command) = first else { return missing("[COMMAND]") };
    let text = |value: &Value| short(value.as_str(), MAX_MESSAGE);
    let (Some(bot), Some(id)) = (whole(&command["BOT_ID"]), whole(&command["COMMAND_ID"])) else {
        return missing("[COMMAND][BOT_ID]");
    };
    let param = |name: &str| short(data.text(&["PARAMS", name]), MAX_NAME);
    let dialog = param("DIALOG_ID");
    if dialog.is_empty() {
        return missing("[PARAMS][DIALOG_ID]");
    }
    let author = ChatAuthor {
        id: data.number(&["PARAMS", "FROM_USER_ID"]).or_else(|| data.number(&["USER", "ID"])).unwrap_or_default(),
        name: short(data.text(&["USER", "NAME"]), MAX_NAME),
        is_bot: flag(data, &["USER", "IS_BOT"]),
        picture: None,
    };
    let act = ChatAct::Asked {
        id,
        command: text(&command["COMMAND"]),
        params: text(&command["COMMAND_PARAMS"]),
        message: whole(&command["MESSAGE_ID"]).unwrap_or_default(),
    };
    Ok(ChatEvent { bot, dialog, author, language: param("LANGUAGE"), act })
}

fn v1(word: &str, data: &Tree) -> Option<Result<ChatEvent, String>> {
    if word == "DELETE" {
        let Some(bot) = data.number(&["BOT_ID"]) else { return Some(missing("[BOT_ID]")) };
        let author = ChatAuthor::default();
        let (dialog, language, act) = (String::new(), String::new(), ChatAct::BotDeleted);
        return Some(Ok(ChatEvent { bot, dialog, author, language, act }));
    }
    let bots = data.get("BOT").and_then(|bots| serde_json::to_value(bots).ok()).unwrap_or_default();
    let bot = bots
        .as_object()
        .and_then(|bots| bots.iter().find_map(|(id, bot)| id.parse().ok().or_else(|| whole(&bot["BOT_ID"]))));
    let listed = bots.as_array().and_then(|bots| bots.iter().find_map(|bot| whole(&bot["BOT_ID"])));
    let Some(bot) = bot.or(listed) else { return Some(missing("[BOT]")) };
    let param = |name: &str| data.text(&["PARAMS", name]);
    let dialog = short(param("DIALOG_ID"), MAX_NAME);
    let author_id = data.number(&["PARAMS", "AUTHOR_ID"]).or_else(|| data.number(&["PARAMS", "FROM_USER_ID"]));
    let author = ChatAuthor {
        id: author_id.or_else(|| data.number(&["USER", "ID"])).unwrap_or_default(),
        name: short(data.text(&["USER", "NAME"]), MAX_NAME),
        is_bot: flag(data, &["USER", "IS_BOT"]) || flag(data, &["USER", "IS_CONNECTOR"]),
        picture: None,
    };
    let id = data.number(&["PARAMS", "MESSAGE_ID"]).or_else(|| data.number(&["PARAMS", "ID"]));
    let message = |id| {
        // In a group the mention of the bot is cut out of MESSAGE.
        let text = param("MESSAGE_ORIGINAL").or_else(|| param("MESSAGE"));
        let (answers, files) = (answers(data, &["PARAMS"]), files(data, &["PARAMS"]));
        ChatMessage::new(id, text, answers, files, flag(data, &["PARAMS", "SYSTEM"]))
    };
    let act = match word {
        "MESSAGEADD" => id.map(|id| ChatAct::Posted(message(id))),
        "MESSAGEUPDATE" => id.map(|id| ChatAct::Edited(message(id))),
        "MESSAGEDELETE" => id.map(|message| ChatAct::Deleted { message }),
        "JOINCHAT" => Some(ChatAct::Joined),
        _ => return None,
    };
    let Some(act) = act else { return Some(missing("[PARAMS][MESSAGE_ID]")) };
    if dialog.is_empty() {
        return Some(missing("[PARAMS][DIALOG_ID]"));
    }
    let language = short(param("LANGUAGE"), MAX_NAME);
    Some(Ok(ChatEvent { bot, dialog, author, language, act }))
}

/// The message that one answers: `params[replyId]` by the look of the web client, `REPLY_ID` in `im.message.add`.
fn answers(data: &Tree, at: &[&str]) -> Option<u64> {
    let places: [&[&str]; 6] = [
        &["replyId"],
        &["params", "replyId"],
        &["params", "REPLY_ID"],
        &["REPLY_ID"],
        &["PARAMS", "REPLY_ID"],
        &["params", "reply", "id"],
    ];
    places.iter().find_map(|place| data.number(&[at, place].concat())).filter(|id| *id > 0)
}

/// A message's files, as ids or as objects, under the names that have been seen.
fn files(data: &Tree, at: &[&str]) -> Vec<ChatFile> {
    let places: [&[&str]; 6] =
        [&["files"], &["params", "files"], &["params", "FILES"], &["FILES"], &["params", "FILE_ID"], &["FILE_ID"]];
    let found = places.iter().find_map(|place| {
        let mut tree = data;
        for name in at.iter().chain(*place) {
            tree = tree.get(name)?;
        }
        serde_json::to_value(tree).ok()
    });
    listed_files(found)
}

/// The files in a list, whatever its shape: numbers, objects, a map that PHP made of either, or just one.
pub(crate) fn listed_files(found: Option<Value>) -> Vec<ChatFile> {
    let rows = match found {
        Some(Value::Object(rows)) => {
            // Keys are places in a list, or the ids of the files.
            rows.into_iter().map(|(key, row)| (whole(&Value::String(key)), row)).collect()
        }
        Some(Value::Array(rows)) => rows.into_iter().map(|row| (None, row)).collect(),
        Some(one @ (Value::String(_) | Value::Number(_))) => vec![(None, one)],
        _ => Vec::new(),
    };
    rows.into_iter().take(MAX_FILES).filter_map(|(key, row)| file(key, &row)).collect()
}

fn file(key: Option<u64>, row: &Value) -> Option<ChatFile> {
    let first = |names: [&str; 3]| names.iter().map(|name| &row[*name]).find(|value| !value.is_null()).cloned();
    let id = whole(row)
        .or_else(|| first(["id", "ID", "fileId"]).as_ref().and_then(whole))
        .or(key.filter(|_| row.is_object()))?;
    let name = first(["name", "NAME", "title"]).and_then(|name| name.as_str().map(str::to_owned));
    Some(ChatFile {
        id,
        name: name.unwrap_or_default(),
        size: first(["size", "SIZE", "bytes"]).as_ref().and_then(whole),
    })
}

/// A chat by its id, its number or its address: `chat57`, `57`, `https://portal/online/?IM_DIALOG=chat57`.
pub fn dialog_id(words: &str) -> Option<String> {
    let words = words.trim();
    let bare =
        words.rsplit_once("IM_DIALOG=").map_or(words, |(_, rest)| rest.split(['&', '#']).next().unwrap_or_default());
    let number = bare.to_lowercase();
    let number = number.strip_prefix("chat").unwrap_or(&number);
    let is_number = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("chat{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnverifiedEvent;

    fn fixture(name: &str) -> ChatEvent {
        let path = format!("{}/tests/fixtures/events/{name}", env!("CARGO_MANIFEST_DIR"));
        let event = UnverifiedEvent::parse(&std::fs::read(path).unwrap()).unwrap();
        ChatEvent::read(&event.code, &event.data).unwrap().unwrap()
    }

    #[test]
    fn the_documented_events_are_read() {
        let posted = fixture("imbot-v2-messageadd.webhook.form");
        assert_eq!((posted.bot, posted.dialog.as_str(), posted.author.name.as_str()), (456, "chat5", "John Smith"));
        assert!(matches!(&posted.act, ChatAct::Posted(message) if message.text == "Hello bot!" && !message.is_system));
        let ChatAct::Edited(edited) = fixture("imbot-v2-messageupdate.webhook.form").act else { unreachable!() };
        assert_eq!(edited.written_at, Some("2025-01-15T08:30:00Z".parse().unwrap()));
        assert_eq!(fixture("imbot-v2-messagedelete.webhook.form").act, ChatAct::Deleted { message: 789 });
        let reacted = fixture("imbot-v2-reactionchange.webhook.form");
        assert_eq!(reacted.act, ChatAct::Reacted { message: 789, reaction: "like".into(), added: true });
        assert_eq!(reacted.author.id, 1);
        assert_eq!(fixture("imbot-v2-joinchat.webhook.form").act, ChatAct::Joined);
        assert_eq!(fixture("imbot-v2-delete.webhook.form").act, ChatAct::BotDeleted);
        let asked = fixture("imbot-v2-commandadd.webhook.form");
        let typed = ChatAct::Asked { id: 78, command: "/help".into(), params: "topic".into(), message: 790 };
        assert_eq!((asked.act, asked.bot, asked.dialog.as_str()), (typed, 456, "chat5"));
    }

    #[test]
    fn the_older_events_are_read() {
        let posted = fixture("imbot-v1-message-add-2.form");
        assert!(matches!(posted.act, ChatAct::Posted(_)), "{posted:?}");
        assert!(posted.bot > 0 && !posted.dialog.is_empty() && posted.author.id > 0);
        assert!(matches!(fixture("imbot-v1-message-update-1.form").act, ChatAct::Edited(_)));
        assert!(matches!(fixture("imbot-v1-message-delete-1.form").act, ChatAct::Deleted { .. }));
        assert_eq!(fixture("imbot-v1-delete.form").act, ChatAct::BotDeleted);
        assert_eq!(fixture("imbot-v1-join-chat-1.form").act, ChatAct::Joined);
        let asked = fixture("imbot-v1-command-add-1.form");
        let ChatAct::Asked { id, command, params, .. } = asked.act else { unreachable!("{:?}", asked.act) };
        assert_eq!((id, command.as_str(), params.as_str()), (103, "echo", "test"));
    }

    #[test]
    fn files_and_answers_are_found_wherever_they_stand() {
        let read = |data: &str| {
            let body = format!(
                "event=ONIMBOTV2MESSAGEADD&data[bot][id]=1&data[message][id]=5&data[chat][dialogId]=chat1&{data}&auth[member_id]=m&auth[application_token]=t"
            );
            let event = UnverifiedEvent::parse(body.as_bytes()).unwrap();
            match ChatEvent::read(&event.code, &event.data).unwrap().unwrap().act {
                ChatAct::Posted(message) => message,
                other => panic!("{other:?}"),
            }
        };
        let ids = |data: &str| read(data).files.iter().map(|file| file.id).collect::<Vec<_>>();
        assert_eq!(ids("data[message][params][FILE_ID][0]=7&data[message][params][FILE_ID][1]=8"), [7, 8]);
        assert_eq!(ids("data[message][params][files][0][id]=7&data[message][params][files][0][name]=a.png"), [7]);
        assert_eq!(ids("data[message][files][138][name]=a.png&data[message][files][138][size]=5"), [138]);
        assert_eq!(ids("x=1"), Vec::<u64>::new());
        assert_eq!(read("data[message][params][replyId]=3").answers, Some(3));
    }
}
