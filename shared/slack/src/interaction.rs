//! Interactivity: a pressed button, a submitted dialog, a used shortcut.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attached::{self, Attachment, AttachmentKind, MAX_PARTS, filled, text};
use crate::event::File;
use crate::text::received_with_mark;

/// Something that somebody did with what we showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// The workspace, or the organisation for an install of a whole one.
    pub team_id: String,
    /// The app that it is sent to.
    pub api_app_id: String,
    /// Who did it.
    pub user: String,
    /// Where, if in a channel.
    #[serde(default)]
    pub channel: String,
    /// Where answers go, if to a message.
    #[serde(default)]
    pub response_url: String,
    /// What opens one dialog within three seconds.
    #[serde(default)]
    pub trigger_id: String,
    /// What was done.
    pub act: Act,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// A button was pressed or something chosen from a menu.
    Chosen {
        /// Which element.
        action_id: String,
        /// The button's value, or the chosen option's.
        value: String,
        /// What makes the same click one: its time.
        action_ts: String,
        /// The view that it is in, if in one.
        #[serde(default)]
        view_id: String,
    },
    /// A dialog was sent.
    Sent {
        view_id: String,
        /// Which dialog.
        callback_id: String,
        /// What we put into it.
        private_metadata: String,
        /// What was entered, by `action_id`.
        values: BTreeMap<String, String>,
    },
    /// A message's shortcut was taken.
    Shortcut {
        callback_id: String,
        /// The message.
        ts: String,
        /// Its thread, if it is a reply.
        #[serde(default)]
        thread: Option<String>,
        /// Who wrote it.
        #[serde(default)]
        author: String,
        /// Its text, with markup.
        text: String,
        #[serde(default)]
        files: Vec<File>,
        /// What makes the same click one: its time.
        action_ts: String,
    },
    /// Anything else: a dialog closed, a shortcut we do not have.
    Other {
        /// Slack's name of it.
        kind: String,
    },
}

impl Interaction {
    /// Reads a payload; says what is missing.
    pub fn read(payload: &Value) -> Result<Self, &'static str> {
        let kind = filled(&payload["type"]).ok_or("type")?;
        let whole = payload["is_enterprise_install"] == true;
        let team = filled(&payload["team"]["id"]).or_else(|| filled(&payload["user"]["team_id"]));
        let team = if whole { filled(&payload["enterprise"]["id"]).or(team) } else { team };
        Ok(Self {
            team_id: team.ok_or("team.id")?,
            api_app_id: text(&payload["api_app_id"]),
            user: filled(&payload["user"]["id"]).ok_or("user.id")?,
            channel: filled(&payload["channel"]["id"]).unwrap_or_else(|| text(&payload["container"]["channel_id"])),
            response_url: text(&payload["response_url"]),
            trigger_id: text(&payload["trigger_id"]),
            act: Act::read(&kind, payload),
        })
    }
}

impl Act {
    fn read(kind: &str, payload: &Value) -> Self {
        match kind {
            "block_actions" => {
                let action = &payload["actions"][0];
                Self::Chosen {
                    action_id: text(&action["action_id"]),
                    value: value_of(action).unwrap_or_default(),
                    action_ts: text(&action["action_ts"]),
                    view_id: text(&payload["view"]["id"]),
                }
            }
            "view_submission" => {
                let blocks = payload["view"]["state"]["values"].as_object().into_iter().flatten();
                let elements = blocks.flat_map(|(_, block)| block.as_object().into_iter().flatten());
                Self::Sent {
                    view_id: text(&payload["view"]["id"]),
                    callback_id: text(&payload["view"]["callback_id"]),
                    private_metadata: text(&payload["view"]["private_metadata"]),
                    values: elements.filter_map(|(id, element)| Some((id.clone(), value_of(element)?))).collect(),
                }
            }
            "message_action" => Self::Shortcut {
                callback_id: text(&payload["callback_id"]),
                ts: text(&payload["message"]["ts"]),
                thread: filled(&payload["message"]["thread_ts"]),
                author: text(&payload["message"]["user"]),
                text: received_with_mark(&with_attached(&payload["message"])),
                files: payload["message"]["files"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .take(MAX_PARTS)
                    .map(File::read)
                    .collect(),
                action_ts: text(&payload["action_ts"]),
            },
            _ => Self::Other { kind: kind.to_owned() },
        }
    }
}

/// A message's text, and below it what it forwards and what an app shows with it: a forward often has no words of its own.
fn with_attached(message: &Value) -> String {
    let own = message["text"].as_str().unwrap_or_default();
    let shown = attached::shown_by(own, &attached::blocks(&message["blocks"]));
    let attached = attached::attachments(&message["attachments"], &shown);
    let quoted = attached
        .iter()
        .filter(|one| one.kind != AttachmentKind::Unfurl)
        .map(|one| format!("&gt; {}", words_of(one).replace('\n', "\n&gt; ")));
    let files = attached::files(&message["files"]).into_iter().map(|file| named(&file));
    let own = Some(own.to_owned()).filter(|own| !own.is_empty());
    own.into_iter().chain(quoted).chain(files).collect::<Vec<_>>().join("\n")
}

/// What an attachment says, a line for each of its parts.
fn words_of(attachment: &Attachment) -> String {
    let title = match (attachment.title.as_str(), attachment.title_link.as_str()) {
        ("", _) => String::new(),
        (title, "") => title.to_owned(),
        (title, link) => format!("<{link}|{title}>"),
    };
    let fields = attachment.fields.iter().map(|(title, value)| format!("{title}: {value}"));
    let files = attachment.files.iter().map(named);
    let nested = attachment.attachments.iter().map(words_of);
    let has_words = !(attachment.pretext.is_empty() && attachment.text.is_empty() && attachment.fields.is_empty());
    let words = if has_words { attachment.text.clone() } else { attachment.fallback.clone() };
    let texts = [attachment.pretext.clone(), title, words].into_iter();
    let all: Vec<String> = texts.chain(fields).chain(files).chain(nested).filter(|part| !part.is_empty()).collect();
    let said = all.join("\n");
    if attachment.author.is_empty() { said } else { format!("{}: {said}", attachment.author) }
}

/// A file by its name, with where it can be opened.
fn named(file: &File) -> String {
    let name = crate::text::escape(&file.name);
    if file.permalink.is_empty() { format!("📎 {name}") } else { format!("📎 <{}|{name}>", file.permalink) }
}

/// What an element holds: a text, a chosen option, a date, a person; of several people their ids with commas between.
fn value_of(element: &Value) -> Option<String> {
    if let Some(users) = element["selected_users"].as_array() {
        let users: Vec<&str> = users.iter().filter_map(Value::as_str).collect();
        return Some(users.join(","));
    }
    let option = &element["selected_option"]["value"];
    let places = [
        option,
        &element["value"],
        &element["selected_user"],
        &element["selected_date"],
        &element["selected_conversation"],
        &element["selected_channel"],
    ];
    places.into_iter().find_map(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_entered_is_found_by_its_element() {
        let payload = json!({
            "type": "view_submission", "team": {"id": "T1"}, "user": {"id": "U1"}, "api_app_id": "A1",
            "view": {"id": "V1", "callback_id": "task", "private_metadata": "{}", "state": {"values": {
                "b1": {"name": {"type": "plain_text_input", "value": "Call them"}},
                "b2": {"assignee": {"type": "users_select", "selected_user": "U2"}},
                "b3": {"deadline": {"type": "datepicker", "selected_date": null}},
                "b4": {"accomplices": {"type": "multi_users_select", "selected_users": ["U3", "U4"]}},
            }}},
        });
        let Act::Sent { values, .. } = Interaction::read(&payload).unwrap().act else { panic!() };
        assert_eq!(
            values,
            BTreeMap::from([
                ("accomplices".into(), "U3,U4".into()),
                ("assignee".into(), "U2".into()),
                ("name".into(), "Call them".into()),
            ])
        );
    }

    #[test]
    fn a_menus_choice_is_its_value() {
        let payload = json!({
            "type": "block_actions", "team": null, "user": {"id": "U1", "team_id": "T1"}, "channel": {"id": "C1"},
            "actions": [{"action_id": "stage", "selected_option": {"value": "WON"}, "action_ts": "1.5"}],
        });
        let read = Interaction::read(&payload).unwrap();
        assert_eq!((read.team_id.as_str(), read.channel.as_str()), ("T1", "C1"));
        let wanted = Act::Chosen {
            action_id: "stage".into(),
            value: "WON".into(),
            action_ts: "1.5".into(),
            view_id: String::new(),
        };
        assert_eq!(read.act, wanted);
    }

    #[test]
    fn a_forwards_words_are_the_messages() {
        let taken = |message: Value| {
            let payload =
                json!({"type": "message_action", "team": {"id": "T1"}, "user": {"id": "U1"}, "message": message});
            match Interaction::read(&payload).unwrap().act {
                Act::Shortcut { text, .. } => text,
                other => panic!("{other:?}"),
            }
        };
        let forward = json!({"is_share": true, "author_name": "Dana", "text": "signed\nship it"});
        assert_eq!(taken(json!({"text": "", "attachments": [forward]})), "&gt; Dana: signed\n&gt; ship it");
        let card = json!({"title": "Build", "fallback": "failed"});
        assert_eq!(taken(json!({"text": "see", "attachments": [card]})), "see\n&gt; Build\n&gt; failed");
        let fields = json!({"author_name": "CI", "fields": [{"title": "Branch", "value": "main"}]});
        assert_eq!(taken(json!({"text": "", "attachments": [fields]})), "&gt; CI: Branch: main");
        let files = json!([{"id": "F1", "name": "a<b.pdf", "permalink": "https://a.example/F1"}]);
        assert_eq!(taken(json!({"text": "plan", "files": files})), "plan\n📎 <https://a.example/F1|a&lt;b.pdf>");
        let preview = json!({"title": "A", "from_url": "https://a.example"});
        assert_eq!(taken(json!({"text": "<https://a.example>", "attachments": [preview]})), "<https://a.example>");
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(Interaction::read(&json!({"type": "shortcut"})), Err("team.id"));
        assert_eq!(Interaction::read(&json!([])), Err("type"));
    }
}
