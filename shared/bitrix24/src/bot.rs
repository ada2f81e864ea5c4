//! A chatbot's calls: by `imbot.v2`, or by the older v1 methods on portals that lack it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tolerant::whole;

/// Which family of methods the portal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BotApi {
    /// `imbot.v2.*`.
    V2,
    /// `imbot.*`, deprecated but alive.
    V1,
}

/// A registered bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// Its number; bots are users.
    pub id: u64,
    /// By which methods it was registered, and so how it is called and gets its events.
    pub api: BotApi,
    /// What an incoming webhook proves with that the bot is its own: `botToken` in v2 (at most 40 characters), `CLIENT_ID` in v1.
    /// An application needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The code by which a portal knows our bot: registering again by the same code makes no second one.
pub const CODE: &str = "switchboard";

/// A method with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// The placeholder for a file's bytes in a request's parameters.
pub const CONTENT: &str = "@@the-content-of-the-file@@";

impl BotApi {
    /// Registers the bot, with its events sent to `url`. It is a `supervisor`: in a group, other bots see only what
    /// mentions them.
    pub fn register(self, name: &str, url: &str, key: Option<&str>) -> Request {
        match self {
            Self::V2 => {
                let mut fields = json!({
                    "code": CODE, "properties": {"name": name, "workPosition": "Slack"}, "type": "supervisor",
                    "eventMode": "webhook", "webhookUrl": url, "isReactionsEnabled": true,
                });
                if let Some(key) = key {
                    fields["botToken"] = key.into();
                }
                Request { method: "imbot.v2.Bot.register", params: json!({"fields": fields}) }
            }
            Self::V1 => {
                let mut params = json!({
                    "CODE": CODE, "TYPE": "S", "EVENT_HANDLER": url, "EVENT_MESSAGE_ADD": url, "EVENT_MESSAGE_UPDATE": url,
                    "EVENT_MESSAGE_DELETE": url, "EVENT_WELCOME_MESSAGE": url, "EVENT_BOT_DELETE": url,
                    "PROPERTIES": {"NAME": name, "WORK_POSITION": "Slack"},
                });
                if let Some(key) = key {
                    params["CLIENT_ID"] = key.into();
                }
                Request { method: "imbot.register", params }
            }
        }
    }

    /// The bot's number in what [`BotApi::register`] answers.
    pub fn registered(self, result: &Value) -> Option<u64> {
        match self {
            Self::V2 => whole(&result["bot"]["id"]),
            Self::V1 => whole(result),
        }
    }
}

impl Bot {
    fn request(&self, method: &'static str, mut params: Value) -> Request {
        let (id, key) = match self.api {
            BotApi::V2 => ("botId", "botToken"),
            BotApi::V1 => ("BOT_ID", "CLIENT_ID"),
        };
        params[id] = self.id.into();
        if let Some(value) = &self.key {
            params[key] = value.as_str().into();
        }
        Request { method, params }
    }

    /// Tells the portal where the bot is now: it does not update an address by registering again.
    pub fn update(&self, url: &str) -> Request {
        match self.api {
            BotApi::V2 => self.request(
                "imbot.v2.Bot.update",
                json!({"fields": {"eventMode": "webhook", "webhookUrl": url, "isReactionsEnabled": true}}),
            ),
            BotApi::V1 => self.request(
                "imbot.update",
                json!({"FIELDS": {
                    "EVENT_HANDLER": url, "EVENT_MESSAGE_ADD": url, "EVENT_MESSAGE_UPDATE": url, "EVENT_MESSAGE_DELETE": url,
                    "EVENT_WELCOME_MESSAGE": url, "EVENT_BOT_DELETE": url,
                }}),
            ),
        }
    }

    /// Registers a command, with its title and what follows it in each language.
    pub fn command(&self, name: &str, words: &[(&str, &str, &str)], url: &str) -> Request {
        match self.api {
            BotApi::V2 => {
                let of = |pick: fn(&(&str, &str, &str)) -> String| {
                    let all = words.iter().map(|word| (word.0.to_owned(), Value::from(pick(word))));
                    Value::Object(all.collect())
                };
                let fields = json!({
                    "command": name, "title": of(|word| word.1.to_owned()), "params": of(|word| word.2.to_owned()),
                    "common": true, "hidden": false, "extranetSupport": false,
                });
                self.request("imbot.v2.Command.register", json!({"fields": fields}))
            }
            BotApi::V1 => {
                let lang: Vec<Value> = words
                    .iter()
                    .map(|(language, title, params)| json!({"LANGUAGE_ID": language, "TITLE": title, "PARAMS": params}))
                    .collect();
                let params =
                    json!({"COMMAND": name, "COMMON": "Y", "HIDDEN": "N", "EVENT_COMMAND_ADD": url, "LANG": lang});
                self.request("imbot.command.register", params)
            }
        }
    }

    /// Answers a command, also in a chat that the bot is not in.
    pub fn answer(&self, command: u64, message: u64, dialog: &str, text: &str) -> Request {
        match self.api {
            BotApi::V2 => self.request(
                "imbot.v2.Command.answer",
                json!({"commandId": command, "messageId": message, "dialogId": dialog, "fields": {"message": text}}),
            ),
            BotApi::V1 => self.request(
                "imbot.command.answer",
                json!({"COMMAND_ID": command, "MESSAGE_ID": message, "MESSAGE": text}),
            ),
        }
    }

    /// Takes the bot away.
    pub fn unregister(&self) -> Request {
        match self.api {
            BotApi::V2 => self.request("imbot.v2.Bot.unregister", json!({})),
            BotApi::V1 => self.request("imbot.unregister", json!({})),
        }
    }

    /// Writes a message. `uuid` is the same for every try of the same message; v1 has no place for it.
    pub fn send(&self, dialog: &str, text: &str, answers: Option<u64>, uuid: &str) -> Request {
        match self.api {
            BotApi::V2 => {
                let mut fields = json!({"message": text, "urlPreview": true, "templateId": uuid});
                if let Some(answers) = answers {
                    fields["replyId"] = answers.into();
                }
                self.request("imbot.v2.Chat.Message.send", json!({"dialogId": dialog, "fields": fields}))
            }
            BotApi::V1 => self.request("imbot.message.add", json!({"DIALOG_ID": dialog, "MESSAGE": text})),
        }
    }

    /// The id of the message in what [`Bot::send`] or [`Bot::upload`] answers.
    pub fn sent(&self, result: &Value) -> Option<u64> {
        whole(result).or_else(|| whole(&result["id"])).or_else(|| whole(&result["messageId"]))
    }

    /// Gives a message of the bot's another text.
    pub fn edit(&self, message: u64, text: &str) -> Request {
        match self.api {
            BotApi::V2 => {
                self.request("imbot.v2.Chat.Message.update", json!({"messageId": message, "fields": {"message": text}}))
            }
            BotApi::V1 => self.request("imbot.message.update", json!({"MESSAGE_ID": message, "MESSAGE": text})),
        }
    }

    /// Takes a message of the bot's away.
    pub fn delete(&self, message: u64) -> Request {
        match self.api {
            BotApi::V2 => self.request("imbot.v2.Chat.Message.delete", json!({"messageId": message})),
            // An empty text deletes.
            BotApi::V1 => self.request("imbot.message.update", json!({"MESSAGE_ID": message, "MESSAGE": ""})),
        }
    }

    /// Adds the bot's reaction to a message, or takes it away; v1 has none.
    pub fn react(&self, message: u64, reaction: &str, add: bool) -> Option<Request> {
        let method = if add { "imbot.v2.Chat.Message.Reaction.add" } else { "imbot.v2.Chat.Message.Reaction.delete" };
        (self.api == BotApi::V2).then(|| self.request(method, json!({"messageId": message, "reaction": reaction})))
    }

    /// Shares a file; its bytes replace [`CONTENT`]. v1 has no such method: its files become links.
    pub fn upload(&self, dialog: &str, name: &str, comment: &str) -> Option<Request> {
        let fields = json!({"name": name, "content": CONTENT, "message": comment});
        let request = || self.request("imbot.v2.File.upload", json!({"dialogId": dialog, "fields": fields}));
        (self.api == BotApi::V2).then(request)
    }

    /// Asks for the address from which a file can be fetched once.
    pub fn download(&self, dialog: &str, file: u64) -> Request {
        match self.api {
            BotApi::V2 => self.request("imbot.v2.File.download", json!({"fileId": file})),
            BotApi::V1 => {
                Request { method: "im.v2.File.download", params: json!({"dialogId": dialog, "fileId": file}) }
            }
        }
    }

    /// Messages on either side of one, a page each, which a supervisor may read in its chats; v1 has no such method.
    pub fn messages_around(&self, message: u64) -> Option<Request> {
        let params = json!({"messageId": message, "range": CHAT_PAGE});
        (self.api == BotApi::V2).then(|| self.request("imbot.v2.Chat.Message.getContext", params))
    }

    /// The chat, as the bot sees it: its name, and whether the bot is in it.
    pub fn chat(&self, dialog: &str) -> Request {
        match self.api {
            BotApi::V2 => self.request("imbot.v2.Chat.get", json!({"dialogId": dialog})),
            BotApi::V1 => Request { method: "im.dialog.get", params: json!({"DIALOG_ID": dialog}) },
        }
    }
}

/// The last messages of a chat: what is looked at before a message is written again.
pub fn last_messages(dialog: &str) -> Request {
    messages_before(dialog, None)
}

/// The most messages of a chat in one answer.
pub const CHAT_PAGE: usize = 50;

/// The messages of a chat before one of them, or its last ones.
pub fn messages_before(dialog: &str, message: Option<u64>) -> Request {
    let mut params = json!({"DIALOG_ID": dialog, "LIMIT": CHAT_PAGE});
    if let Some(message) = message {
        params["LAST_ID"] = message.into();
    }
    Request { method: "im.dialog.messages.get", params }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_say_the_same_in_their_own_words() {
        let bot = |api| Bot { id: 7, api, key: Some("k".into()) };
        let new = bot(BotApi::V2).send("chat5", "hi", Some(3), "u");
        assert_eq!(new.params["fields"]["replyId"], 3);
        assert_eq!((new.params["botId"].clone(), new.params["botToken"].clone()), (json!(7), json!("k")));
        let old = bot(BotApi::V1).send("chat5", "hi", Some(3), "u");
        assert_eq!(old.params, json!({"DIALOG_ID": "chat5", "MESSAGE": "hi", "BOT_ID": 7, "CLIENT_ID": "k"}));
        assert_eq!(bot(BotApi::V1).sent(&json!(39)), Some(39));
        assert_eq!(bot(BotApi::V2).sent(&json!({"id": 789, "uuidMap": {}})), Some(789));
        let uploaded = json!({"file": {"id": 5}, "messageId": 790, "dialogId": "chat5"});
        assert_eq!(bot(BotApi::V2).sent(&uploaded), Some(790));
        assert_eq!(bot(BotApi::V2).sent(&json!({"file": {"id": 5}})), None);
    }
}
