//! What a person does in the portal, and what happens to the portal, over HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Map, Value, json};

use crate::portal::{COMPANY, CONTACT, DEAL, LEAD, NewField, PhoneCall, PortalPlan, PortalSimulator};

/// The addresses, each with an example.
pub(super) fn help() -> Value {
    json!({
        "POST /bitrix24/fields": {"record": "deal", "type": "string", "multiple": true, "required": false, "label": "Sites", "items": [], "settings": {}},
        "DELETE /bitrix24/fields": {"record": "deal", "name": "ufCrm_1721240002"},
        "POST /bitrix24/records": {"record": "lead | deal | contact | company | task | 1030", "as": 1, "fields": {"title": "Roof"}},
        "GET /bitrix24/records?deal/1": "a record; without a number, the numbers of all",
        "POST /bitrix24/edit": {"record": "deal", "id": 1, "as": 6, "fields": {"title": "Small roof", "stageId": "PREPARATION"}},
        "POST /bitrix24/trash": {"record": "deal", "id": 1},
        "POST /bitrix24/restore": {"record": "deal", "id": 1},
        "POST /bitrix24/timeline": {"record": "deal", "id": 1, "text": "[p]Called.[/p]"},
        "POST /bitrix24/comments": {"task": 100, "as": 6, "text": "[b]Done[/b]", "files": [{"name": "a.txt", "text": "or base64"}]},
        "POST /bitrix24/projects": {"name": "Office move"},
        "POST /bitrix24/chats": {"name": "Sales", "members": [1, 6], "bots": true},
        "POST /bitrix24/say": {"chat": "chat57, or bot for the chat with the bot alone", "as": 6, "text": "hello", "answers": null, "files": []},
        "POST /bitrix24/messages/edit": {"chat": "chat57", "as": 6, "message": 48001, "text": "hello again"},
        "POST /bitrix24/messages/delete": {"chat": "chat57", "as": 6, "message": 48001},
        "POST /bitrix24/messages/react": {"chat": "chat57", "as": 6, "message": 48001, "reaction": "like", "added": true},
        "GET /bitrix24/messages?chat57": "what is said in a chat; ?bot/6 for what is said between a person and the bot",
        "POST /bitrix24/commands": {"chat": "chat57, or bot", "as": 6, "command": "status", "params": ""},
        "POST /bitrix24/calls": {"phone": "+49 30 1", "as": 6, "incoming": true, "answered": false, "seconds": 0, "deal": 1, "contact": null},
        "POST /bitrix24/recordings": {"call": "what /calls answered", "url": "http://127.0.0.1/…"},
        "POST /bitrix24/people": {"id": 6, "fields": {"ACTIVE": false}},
        "POST /bitrix24/access": {"do": "revoke | expire | give back", "of": "token | webhook | 6", "seconds": 0},
        "POST /bitrix24/scopes": {"remove": ["task"], "give": ["crm"]},
        "POST /bitrix24/portal": {
            "installed": true, "limits": true, "first_is_administrator": true, "old_task_card": false, "old_bots": false,
            "behind_seconds": 0, "plan": "usual | enterprise", "moved_to": "host:port", "features": ["rest_offline_extended"], "cost": {"crm.item.list": 2.5},
        },
    })
}

type ControlOutcome = Result<Value, String>;

/// Does what the address says; `None` for others.
pub(crate) fn steer(
    portal: &PortalSimulator,
    method: &Method,
    path: &str,
    query: &str,
    body: &Value,
) -> Option<ControlOutcome> {
    let asked = RecordQuery { portal, body };
    let action = path.strip_prefix("/bitrix24/")?;
    Some(match (method.as_str(), action) {
        ("POST", "fields") => asked.make_field(),
        ("DELETE", "fields") => asked.remove_field(),
        ("POST", "records") => asked.add(),
        ("GET", "records") => asked.show(query),
        ("POST", "edit") => asked.edit(),
        ("POST", "trash") => asked.trash(),
        ("POST", "restore") => asked.restore(),
        ("POST", "timeline") => asked.timeline(),
        ("POST", "comments") => asked.comment(),
        ("POST", "projects") => asked.text("name").map(|name| json!({"id": portal.add_project(&name)})),
        ("POST", "chats") => asked.make_chat(),
        ("POST", "say") => asked.say(),
        ("POST", "messages/edit") => asked.edit_message(),
        ("POST", "messages/delete") => asked.delete_message(),
        ("POST", "messages/react") => asked.react(),
        ("GET", "messages") => asked.messages(query),
        ("POST", "commands") => asked.command(),
        ("POST", "calls") => asked.call(),
        ("POST", "recordings") => asked.record_call(),
        ("POST", "people") => asked.change_person(),
        ("POST", "access") => asked.access(),
        ("POST", "scopes") => asked.scopes(),
        ("POST", "portal") => asked.portal(),
        _ => return None,
    })
}

/// A record that a request names.
enum NamedRecord {
    Item(u32),
    Task,
}

fn ok() -> Value {
    json!({"ok": true})
}

struct RecordQuery<'a> {
    portal: &'a PortalSimulator,
    body: &'a Value,
}

impl RecordQuery<'_> {
    fn text(&self, name: &str) -> Result<String, String> {
        self.body[name].as_str().map(str::to_owned).ok_or_else(|| format!("{name:?} has to be a text"))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        self.body[name].as_u64().ok_or_else(|| format!("{name:?} has to be a whole number"))
    }

    /// A number that may be left out.
    fn optional(&self, name: &str) -> Option<u64> {
        self.body[name].as_u64()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.body[name].as_bool()
    }

    fn object(&self, name: &str) -> Result<Map<String, Value>, String> {
        self.body[name].as_object().cloned().ok_or_else(|| format!("{name:?} has to be an object"))
    }

    /// Who does it: the first person, if it is not said.
    fn who(&self) -> Result<u64, String> {
        let user = if self.body["as"].is_null() { 1 } else { self.number("as")? };
        let known: Vec<String> =
            self.portal.users().iter().filter_map(|row| row["ID"].as_str().map(str::to_owned)).collect();
        if known.contains(&user.to_string()) {
            Ok(user)
        } else {
            Err(format!("the portal has no user {user}; it has {}", known.join(", ")))
        }
    }

    fn record(&self) -> Result<NamedRecord, String> {
        let given = self.body["record"].as_str().map_or_else(|| self.body["record"].to_string(), str::to_owned);
        named(self.portal, &given)
    }

    fn make_field(&self) -> ControlOutcome {
        let NamedRecord::Item(entity) = self.record()? else { return Err("tasks get no fields here".into()) };
        let mut given = self.object_of_body();
        given.remove("record");
        let field: NewField = serde_json::from_value(Value::Object(given)).map_err(|error| error.to_string())?;
        self.portal.make_field(entity, field).map(|name| json!({"name": name}))
    }

    fn object_of_body(&self) -> Map<String, Value> {
        self.body.as_object().cloned().unwrap_or_default()
    }

    fn remove_field(&self) -> ControlOutcome {
        let NamedRecord::Item(entity) = self.record()? else {
            return Err("tasks have no fields of their own here".into());
        };
        let name = self.text("name")?;
        if self.portal.remove_field(entity, &name) { Ok(ok()) } else { Err(format!("there is no field {name}")) }
    }

    fn add(&self) -> ControlOutcome {
        let (who, fields) = (self.who()?, self.object("fields")?);
        match self.record()? {
            NamedRecord::Item(entity) => self.portal.add_as(who, entity, fields).map(|id| json!({"id": id})),
            NamedRecord::Task => self.portal.add_task_as(who, fields).map(|id| json!({"id": id})),
        }
    }

    fn show(&self, query: &str) -> ControlOutcome {
        let (kind, id) = query.split_once('/').map_or((query, None), |(kind, id)| (kind, Some(id)));
        let named = named(self.portal, kind)?;
        let Some(id) = id else {
            return Ok(match named {
                NamedRecord::Item(entity) => json!(self.portal.ids(entity)),
                NamedRecord::Task => json!(self.portal.task_ids()),
            });
        };
        let id: u64 = id.parse().map_err(|_| format!("{id:?} is not a number"))?;
        let found = match named {
            NamedRecord::Item(entity) => self.portal.item(entity, id),
            NamedRecord::Task => self.portal.task(id),
        };
        found.ok_or_else(|| format!("there is no {kind} {id}"))
    }

    fn edit(&self) -> ControlOutcome {
        let (who, id, fields) = (self.who()?, self.number("id")?, self.object("fields")?);
        match self.record()? {
            NamedRecord::Item(entity) => self.portal.edit_as(who, entity, id, fields),
            NamedRecord::Task => self.portal.edit_task_as(id, &fields),
        }
    }

    fn trash(&self) -> ControlOutcome {
        let id = self.number("id")?;
        let is_there = match self.record()? {
            NamedRecord::Item(entity) => {
                let there = self.portal.item(entity, id).is_some();
                self.portal.delete_item(entity, id);
                there
            }
            NamedRecord::Task => {
                let there = self.portal.task(id).is_some();
                self.portal.delete_task(id);
                there
            }
        };
        if is_there { Ok(ok()) } else { Err(format!("there is no record {id}")) }
    }

    fn restore(&self) -> ControlOutcome {
        let id = self.number("id")?;
        let restored = match self.record()? {
            NamedRecord::Item(entity) => self.portal.restore_item(entity, id),
            NamedRecord::Task => self.portal.restore_task(id),
        };
        if restored { Ok(ok()) } else { Err(format!("record {id} is not in the bin")) }
    }

    fn timeline(&self) -> ControlOutcome {
        let kind = match self.record()? {
            NamedRecord::Item(LEAD) => "lead".to_owned(),
            NamedRecord::Item(DEAL) => "deal".into(),
            NamedRecord::Item(CONTACT) => "contact".into(),
            NamedRecord::Item(COMPANY) => "company".into(),
            NamedRecord::Item(other) => format!("dynamic_{other}"),
            NamedRecord::Task => return Err("tasks have comments, at /bitrix24/comments".into()),
        };
        Ok(json!({"id": self.portal.write_timeline(&kind, self.number("id")?, &self.text("text")?)}))
    }

    fn comment(&self) -> ControlOutcome {
        let (task, who, said) = (self.number("task")?, self.who()?, self.text("text")?);
        let Some(found) = self.portal.task(task) else { return Err(format!("there is no task {task}")) };
        let dialog = format!("chat{}", found["chatId"]);
        let files = self.files(&dialog)?;
        Ok(json!({"message": self.portal.comment_with(task, who, &said, &files)}))
    }

    /// Puts files into a chat; their numbers.
    fn files(&self, dialog: &str) -> Result<Vec<u64>, String> {
        let given = self.body["files"].as_array().into_iter().flatten();
        let keep = |file: &Value| {
            let name = file["name"].as_str().ok_or("a file needs a \"name\"")?;
            let bytes = match (file["base64"].as_str(), file["text"].as_str()) {
                (Some(content), _) => STANDARD.decode(content).map_err(|error| format!("{name}: {error}"))?,
                (None, Some(text)) => text.as_bytes().to_vec(),
                (None, None) => return Err(format!("{name} needs \"text\" or \"base64\"")),
            };
            Ok(self.portal.attach(dialog, name, bytes))
        };
        given.map(keep).collect()
    }

    fn make_chat(&self) -> ControlOutcome {
        let members: Vec<u64> =
            self.body["members"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let dialog = self.portal.add_chat(&self.text("name")?, &members);
        if self.flag("bots").unwrap_or_default() {
            self.portal.invite_bots(&dialog);
        }
        Ok(json!({"chat": dialog}))
    }

    /// The chat that a request means: one by its name, or that of a person and the bot.
    fn dialog(&self) -> Result<String, String> {
        let chat = self.text("chat")?;
        if chat == "bot" {
            return Ok(self.portal.dialog_with_bots(self.who()?));
        }
        let known = self.portal.chats().iter().any(|known| format!("chat{}", known.id) == chat);
        if known { Ok(chat) } else { Err(format!("there is no chat {chat:?}")) }
    }

    fn say(&self) -> ControlOutcome {
        let (who, dialog, said) = (self.who()?, self.dialog()?, self.text("text")?);
        let files = self.files(&dialog)?;
        Ok(json!({"message": self.portal.write(who, &dialog, &said, self.optional("answers"), &files), "chat": dialog}))
    }

    fn message(&self, dialog: &str) -> Result<u64, String> {
        let message = self.number("message")?;
        let known = self.portal.messages(dialog).iter().any(|row| row["id"] == message);
        if known { Ok(message) } else { Err(format!("{dialog} has no message {message}")) }
    }

    fn edit_message(&self) -> ControlOutcome {
        let dialog = self.dialog()?;
        self.portal.edit(&dialog, self.message(&dialog)?, &self.text("text")?);
        Ok(ok())
    }

    fn delete_message(&self) -> ControlOutcome {
        let dialog = self.dialog()?;
        self.portal.delete(&dialog, self.message(&dialog)?);
        Ok(ok())
    }

    fn react(&self) -> ControlOutcome {
        let dialog = self.dialog()?;
        let added = self.flag("added").unwrap_or(true);
        self.portal.react(self.who()?, &dialog, self.message(&dialog)?, &self.text("reaction")?, added);
        Ok(ok())
    }

    fn messages(&self, query: &str) -> ControlOutcome {
        let dialog = match query.strip_prefix("bot/") {
            Some(user) => self.portal.dialog_with_bots(user.parse().map_err(|_| format!("{user:?} is not a number"))?),
            None => query.to_owned(),
        };
        Ok(json!({"read": self.portal.conversation(&dialog), "messages": self.portal.messages(&dialog)}))
    }

    fn command(&self) -> ControlOutcome {
        let (who, dialog, command) = (self.who()?, self.dialog()?, self.text("command")?);
        let command = command.trim_start_matches('/');
        if self.portal.type_command(who, &dialog, command, self.body["params"].as_str().unwrap_or_default()) {
            Ok(ok())
        } else {
            Err(format!("no bot has the command {command:?}; there are {}", self.portal.commands().join(", ")))
        }
    }

    fn call(&self) -> ControlOutcome {
        let answered = self.flag("answered").unwrap_or_default();
        let call = PhoneCall {
            kind: if self.flag("incoming").unwrap_or(true) { 2 } else { 1 },
            phone: self.text("phone")?,
            user: self.who()?,
            code: if answered { "200" } else { "304" }.into(),
            duration: self.optional("seconds").unwrap_or_default().min(24 * 3600),
            contact: self.optional("contact"),
            deal: self.optional("deal"),
            bound_to: self.optional("bound_to"),
        };
        Ok(json!({"call": self.portal.end_call(&call)}))
    }

    fn record_call(&self) -> ControlOutcome {
        self.portal.record_call(&self.text("call")?, &self.text("url")?);
        Ok(ok())
    }

    fn change_person(&self) -> ControlOutcome {
        let id = self.number("id")?;
        for (name, value) in self.object("fields")? {
            self.portal.change_user(id, &name, value);
        }
        Ok(ok())
    }

    fn access(&self) -> ControlOutcome {
        let known = self.portal.credentials();
        let of = || match self.body["of"].as_str().unwrap_or("token") {
            "token" => Ok(known.access_token.clone()),
            "webhook" => Ok(known.secret.clone()),
            person => match person.parse() {
                Ok(user) => Ok(self.portal.token_of(user)),
                Err(_) => Err(format!("{person:?} is neither \"token\" nor \"webhook\" nor the number of a person")),
            },
        };
        match self.text("do")?.as_str() {
            "revoke" => self.portal.revoke(&of()?),
            "expire" => {
                let seconds = u32::try_from(self.optional("seconds").unwrap_or_default());
                self.portal.expire(&of()?, seconds.map_err(|_| "\"seconds\" is too large")?);
            }
            "give back" => self.portal.give_access_back(),
            other => return Err(format!("{other:?} is none of revoke, expire, give back")),
        }
        Ok(ok())
    }

    fn scopes(&self) -> ControlOutcome {
        let known = self.portal.scopes();
        let list = |name: &str| -> Result<Vec<String>, String> {
            let given = self.body[name].as_array().into_iter().flatten().filter_map(Value::as_str);
            let check = |scope: &str| {
                let is_known = known.contains(&scope);
                if is_known { Ok(scope.to_owned()) } else { Err(format!("{scope:?} is none of {}", known.join(", "))) }
            };
            given.map(check).collect()
        };
        let (remove, give) = (list("remove")?, list("give")?);
        for (scopes, allowed) in [(remove, false), (give, true)] {
            for scope in scopes {
                self.portal.allow_scope(&scope, allowed);
            }
        }
        Ok(ok())
    }

    fn portal(&self) -> ControlOutcome {
        let portal = self.portal;
        for (name, value) in self.object_of_body() {
            let flag = value.as_bool().ok_or_else(|| format!("{name:?} has to be true or false"));
            match name.as_str() {
                "installed" => portal.finish_installation(flag?),
                "limits" => portal.limit_calls(flag?),
                "first_is_administrator" => portal.demote(!flag?),
                "old_task_card" => portal.use_old_card(flag?),
                "old_bots" => portal.use_old_bots(flag?),
                "behind_seconds" => {
                    portal.be_behind(std::time::Duration::from_secs(value.as_u64().unwrap_or_default()));
                }
                "moved_to" => portal.move_to(value.as_str().ok_or("\"moved_to\" has to be a host")?),
                "plan" => {
                    let plan = value.as_str().and_then(PortalPlan::named);
                    portal.be_of_plan(plan.ok_or_else(|| format!("\"plan\" is usual or enterprise, not {value}"))?);
                }
                "features" => {
                    let codes = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                    codes.for_each(|code| portal.add_feature(code));
                }
                "cost" => {
                    for (method, seconds) in value.as_object().into_iter().flatten() {
                        portal.set_cost(method, seconds.as_f64().unwrap_or_default());
                    }
                }
                other => return Err(format!("there is nothing called {other:?} here; GET / shows what there is")),
            }
        }
        Ok(ok())
    }
}

/// A type of records by its name or its number.
fn named(portal: &PortalSimulator, given: &str) -> Result<NamedRecord, String> {
    Ok(match given {
        "lead" => NamedRecord::Item(LEAD),
        "deal" => NamedRecord::Item(DEAL),
        "contact" => NamedRecord::Item(CONTACT),
        "company" => NamedRecord::Item(COMPANY),
        "task" => NamedRecord::Task,
        other => match other.parse::<u32>() {
            Ok(entity) if portal.has_type(entity) => NamedRecord::Item(entity),
            _ => {
                return Err(format!(
                    "there are no records called {other}; there are lead, deal, contact, company, task and the number of a smart process"
                ));
            }
        },
    })
}
