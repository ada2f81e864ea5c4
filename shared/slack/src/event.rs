//! The Events API: what Slack tells of a workspace, read tolerantly and kept to what is used.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::received;

/// The most files that one message shares, and the most links that one event unfurls.
pub(crate) const MAX_FILES: usize = 100;

/// An event with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCallback {
    /// The workspace that the app is installed in, or the organisation for an install of a whole one.
    pub team_id: String,
    /// The organisation, in Enterprise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_id: Option<String>,
    /// The app that it is sent to.
    pub api_app_id: String,
    /// The event's identity; retries carry the same.
    pub event_id: String,
    /// Whether its channel is shared with another organisation.
    #[serde(default)]
    pub is_shared_channel: bool,
    /// Slack's name of it: `message`, `reaction_added`.
    pub kind: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something about a message.
    Message(Box<MessageEvent>),
    /// A reaction was added or taken away.
    Reaction {
        /// Whether it was added.
        added: bool,
        /// Who reacted.
        user: String,
        /// The emoji's name, without colons.
        name: String,
        /// The channel of the message.
        channel: String,
        /// The message.
        ts: String,
    },
    /// Links to domains that the app unfurls were posted.
    LinkShared {
        /// Where.
        channel: String,
        /// In which message.
        ts: String,
        /// By whom.
        user: String,
        /// The links.
        links: Vec<String>,
    },
    /// Somebody opened the app's home.
    HomeOpened {
        /// Who.
        user: String,
        /// Which tab: `home` or `messages`.
        tab: String,
    },
    /// A person's profile changed, or they joined.
    UserChanged(User),
    /// A channel was archived, deleted or left by the bot.
    ChannelGone {
        /// Which.
        channel: String,
    },
    /// A channel has another name.
    ChannelRenamed {
        /// Which.
        channel: String,
        /// Its name now.
        name: String,
    },
    /// The app was removed, or its tokens are no longer good.
    AppRemoved,
    /// Anything else.
    Other,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageChange {
    /// It was posted.
    Posted,
    /// Its text or files changed.
    Edited,
    /// It is gone.
    Deleted,
}

/// A message, as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEvent {
    /// What happened to it.
    pub change: MessageChange,
    /// Where.
    pub channel: String,
    /// `channel`, `group`, `im`, `mpim`.
    #[serde(default)]
    pub channel_type: String,
    /// The message.
    pub ts: String,
    /// The first message of its thread, if it is a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The app's bot that posted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<String>,
    /// The app that posted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The name a bot posted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Slack's subtype: `file_share`, `channel_join`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    /// Its text, with markup.
    #[serde(default)]
    pub text: String,
    /// Whether its text was longer than [`crate::text::MAX_MESSAGE`], and its end is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// Its `rich_text` block, if it has one: exacter than the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rich_text: Option<Value>,
    /// Its text before, when it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its MIME type.
    #[serde(default)]
    pub mimetype: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Where the bot can fetch it with its token.
    #[serde(default)]
    pub download: String,
    /// Its page in Slack; only who may see it can open it.
    #[serde(default)]
    pub permalink: String,
    /// Whether `files.info` has to be asked first, as in channels shared with others.
    #[serde(default)]
    pub ask_first: bool,
    /// Whether it is gone: a tombstone, or hidden by the plan's limit.
    #[serde(default)]
    pub gone: bool,
}

/// A person, or a bot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // as Slack has them
pub struct User {
    /// Their id.
    pub id: String,
    /// The name that people see.
    pub name: String,
    /// Their e-mail, where the app may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Their language: `en-US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Their time zone: `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether they left.
    #[serde(default)]
    pub deleted: bool,
    /// Whether it is a bot.
    #[serde(default)]
    pub is_bot: bool,
    /// Whether they administer the workspace.
    #[serde(default)]
    pub is_admin: bool,
    /// Whether they are a guest: of some channels, or of one.
    #[serde(default)]
    pub is_guest: bool,
    /// Whether they belong to another organisation, and are seen through a shared channel.
    #[serde(default)]
    pub is_stranger: bool,
    /// The workspaces and the organisation that they belong to; empty where Slack did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// The Enterprise organisation that they own or administer as a whole, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administers_organisation: Option<String>,
}

/// Subtypes that are messages of people or apps; all others are Slack's own notices.
const WRITTEN: [&str; 4] = ["file_share", "thread_broadcast", "me_message", "bot_message"];

impl EventCallback {
    /// Reads the outer object of an `event_callback`; says what is missing.
    pub fn read(outer: &Value) -> Result<Self, &'static str> {
        let installed = &outer["authorizations"][0];
        let whole_organisation = installed["is_enterprise_install"] == true;
        let enterprise_id = filled(&installed["enterprise_id"]).or_else(|| filled(&outer["enterprise_id"]));
        let team = filled(&installed["team_id"]).or_else(|| filled(&outer["team_id"]));
        let team_id = if whole_organisation { enterprise_id.clone().or(team) } else { team }.ok_or("team_id")?;
        let kind = filled(&outer["event"]["type"]).ok_or("event.type")?;
        Ok(Self {
            team_id,
            enterprise_id,
            api_app_id: text(&outer["api_app_id"]),
            event_id: filled(&outer["event_id"]).ok_or("event_id")?,
            is_shared_channel: outer["is_ext_shared_channel"] == true,
            event: Event::read(&kind, &outer["event"]),
            kind,
        })
    }
}

impl Event {
    fn read(kind: &str, event: &Value) -> Self {
        let channel = || filled(&event["channel"]).or_else(|| filled(&event["channel"]["id"])).unwrap_or_default();
        match kind {
            "message" => MessageEvent::read(event).map_or(Self::Other, |message| Self::Message(Box::new(message))),
            "reaction_added" | "reaction_removed" if event["item"]["type"] == "message" => Self::Reaction {
                added: kind == "reaction_added",
                user: text(&event["user"]),
                name: text(&event["reaction"]),
                channel: text(&event["item"]["channel"]),
                ts: text(&event["item"]["ts"]),
            },
            "link_shared" => Self::LinkShared {
                channel: channel(),
                ts: text(&event["message_ts"]),
                user: text(&event["user"]),
                links: event["links"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .take(MAX_FILES)
                    .map(|link| text(&link["url"]))
                    .collect(),
            },
            "app_home_opened" => Self::HomeOpened { user: text(&event["user"]), tab: text(&event["tab"]) },
            "user_change" | "team_join" => Self::UserChanged(User::read(&event["user"])),
            "channel_archive" | "channel_deleted" | "channel_left" | "group_archive" | "group_left"
            | "group_deleted" => Self::ChannelGone { channel: channel() },
            "channel_rename" | "group_rename" => {
                Self::ChannelRenamed { channel: channel(), name: text(&event["channel"]["name"]) }
            }
            "app_uninstalled" | "tokens_revoked" => Self::AppRemoved,
            _ => Self::Other,
        }
    }

    /// What keeps its order with others: a channel, a person.
    pub fn group(&self) -> String {
        match self {
            Self::Message(message) => message.channel.clone(),
            Self::Reaction { channel, .. }
            | Self::LinkShared { channel, .. }
            | Self::ChannelGone { channel }
            | Self::ChannelRenamed { channel, .. } => channel.clone(),
            Self::HomeOpened { user, .. } => user.clone(),
            Self::UserChanged(user) => user.id.clone(),
            Self::AppRemoved | Self::Other => "other".into(),
        }
    }
}

impl MessageEvent {
    /// `None` for Slack's own notices: somebody joined, a topic was set.
    fn read(event: &Value) -> Option<Self> {
        let subtype = filled(&event["subtype"]);
        let (change, message) = match subtype.as_deref() {
            None => (MessageChange::Posted, event),
            Some("message_changed") => {
                // A parent that was deleted with replies below it stays as a tombstone.
                let gone = event["message"]["subtype"] == "tombstone";
                (if gone { MessageChange::Deleted } else { MessageChange::Edited }, &event["message"])
            }
            Some("message_deleted") => (MessageChange::Deleted, &event["previous_message"]),
            Some(other) if WRITTEN.contains(&other) => (MessageChange::Posted, event),
            Some(_) => return None,
        };
        let ts = filled(&event["deleted_ts"]).or_else(|| filled(&message["ts"]))?;
        let author = if message["user"].is_string() { message } else { &event["previous_message"] };
        let inner_subtype = if change == MessageChange::Posted { subtype } else { filled(&message["subtype"]) };
        if change == MessageChange::Edited && inner_subtype.as_deref().is_some_and(|inner| !WRITTEN.contains(&inner)) {
            return None;
        }
        let of = |message: &Value| received(message["text"].as_str().unwrap_or_default());
        let (text_now, shortened) = of(message);
        Some(Self {
            change,
            channel: filled(&event["channel"])?,
            channel_type: text(&event["channel_type"]),
            thread: filled(&message["thread_ts"]).filter(|thread| *thread != ts),
            ts,
            user: filled(&author["user"]),
            bot_id: filled(&message["bot_id"]),
            app_id: filled(&message["app_id"]).or_else(|| filled(&message["bot_profile"]["app_id"])),
            username: filled(&message["username"]).or_else(|| filled(&message["bot_profile"]["name"])),
            subtype: inner_subtype,
            text: text_now,
            shortened,
            rich_text: rich_text(&message["blocks"]),
            was: (change == MessageChange::Edited).then(|| of(&event["previous_message"]).0),
            files: message["files"].as_array().into_iter().flatten().take(MAX_FILES).map(File::read).collect(),
        })
    }

    /// Whether people see nothing new: an unfurl also comes as a change.
    pub fn is_the_same(&self) -> bool {
        self.was.as_deref() == Some(self.text.as_str())
    }
}

/// The only block of what people write; messages of apps have others beside it, and then their text says it.
fn rich_text(blocks: &Value) -> Option<Value> {
    match blocks.as_array()?.as_slice() {
        [one] if one["type"] == "rich_text" => Some(one.clone()),
        _ => None,
    }
}

impl File {
    /// Reads a file object.
    pub fn read(file: &Value) -> Self {
        Self {
            id: text(&file["id"]),
            name: filled(&file["name"]).or_else(|| filled(&file["title"])).unwrap_or_else(|| "file".into()),
            mimetype: text(&file["mimetype"]),
            size: file["size"].as_u64().unwrap_or_default(),
            download: filled(&file["url_private_download"]).unwrap_or_else(|| text(&file["url_private"])),
            permalink: text(&file["permalink"]),
            ask_first: file["file_access"] == "check_file_info",
            gone: ["tombstone", "hidden_by_limit"].iter().any(|mode| file["mode"] == *mode),
        }
    }
}

impl User {
    /// Reads a user object.
    pub fn read(user: &Value) -> Self {
        let profile = &user["profile"];
        let names = [&profile["display_name"], &profile["real_name"], &user["real_name"], &user["name"]];
        Self {
            id: text(&user["id"]),
            name: names.into_iter().find_map(filled).unwrap_or_else(|| text(&user["id"])),
            email: filled(&profile["email"]),
            picture: filled(&profile["image_72"]).or_else(|| filled(&profile["image_48"])),
            locale: filled(&user["locale"]),
            time_zone: filled(&user["tz"]),
            deleted: user["deleted"] == true,
            is_bot: user["is_bot"] == true,
            is_admin: user["is_admin"] == true || user["is_owner"] == true,
            is_guest: user["is_restricted"] == true || user["is_ultra_restricted"] == true,
            is_stranger: user["is_stranger"] == true,
            teams: teams(user),
            administers_organisation: administered(&user["enterprise_user"]),
        }
    }

    /// Whether they are a full member of the workspace or organisation `home`: no bot, no guest, nobody of another
    /// organisation, and not deactivated. Only of them does an e-mail say who they are.
    pub fn is_member_of(&self, home: &str) -> bool {
        let is_other = self.deleted || self.is_bot || self.is_guest || self.is_stranger;
        !is_other && (self.teams.is_empty() || self.teams.iter().any(|team| team == home))
    }
}

/// The workspace of a user object, and on Enterprise Grid all workspaces and the organisation.
fn teams(user: &Value) -> Vec<String> {
    let grid = &user["enterprise_user"];
    let listed = grid["teams"].as_array().into_iter().flatten();
    let all = listed.chain([&user["team_id"], &grid["enterprise_id"]]).filter_map(filled);
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn administered(enterprise: &Value) -> Option<String> {
    let administers = enterprise["is_admin"] == true || enterprise["is_owner"] == true;
    filled(&enterprise["enterprise_id"]).filter(|_| administers)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn filled(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value)] // written where it is read
    fn read(event: Value) -> Event {
        let outer = json!({"team_id": "T1", "api_app_id": "A1", "event_id": "Ev1", "event": event});
        EventCallback::read(&outer).unwrap().event
    }

    fn message(event: Value) -> MessageEvent {
        match read(event) {
            Event::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_full_members_are_members() {
        let member = |more: Value| {
            let mut user = json!({"id": "U1", "team_id": "T1", "name": "ann"});
            user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            User::read(&user).is_member_of("T1")
        };
        assert!(member(json!({})));
        for flag in ["deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger"] {
            assert!(!member(json!({ flag: true })), "{flag}");
        }
        assert!(!member(json!({"team_id": "T2"})));
        // Another workspace of the organisation is the home of a member of this one.
        let grid = json!({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T1", "T2"]}});
        assert!(member(grid.clone()));
        assert!(User::read(&grid).is_member_of("E1") && !User::read(&grid).is_member_of("E2"));
    }

    #[test]
    fn a_deleted_parent_with_replies_is_deleted() {
        let gone = message(json!({
            "type": "message", "subtype": "message_changed", "channel": "C1",
            "message": {"subtype": "tombstone", "ts": "1.1", "thread_ts": "1.1", "text": "This message was deleted."},
            "previous_message": {"ts": "1.1", "user": "U1", "text": "hello"},
        }));
        assert_eq!((gone.change, gone.ts.as_str(), gone.user.as_deref()), (MessageChange::Deleted, "1.1", Some("U1")));
    }

    #[test]
    fn an_unfurl_is_no_edit() {
        let event = |text: &str| {
            message(json!({
                "type": "message", "subtype": "message_changed", "channel": "C1",
                "message": {"ts": "1.1", "user": "U1", "text": text, "attachments": [{}]},
                "previous_message": {"ts": "1.1", "user": "U1", "text": "see https://a"},
            }))
        };
        assert!(event("see https://a").is_the_same());
        assert!(!event("see https://b").is_the_same());
    }

    #[test]
    fn notices_are_no_messages() {
        for subtype in ["channel_join", "channel_topic", "pinned_item", "something_new"] {
            let event = json!({"type": "message", "subtype": subtype, "channel": "C1", "ts": "1.1", "text": "x"});
            assert_eq!(read(event), Event::Other, "{subtype}");
        }
    }

    #[test]
    fn an_organisations_install_is_known_by_the_organisation() {
        let outer = json!({
            "team_id": "T1", "enterprise_id": "E1", "event_id": "Ev1", "event": {"type": "app_uninstalled"},
            "authorizations": [{"enterprise_id": "E1", "team_id": null, "is_enterprise_install": true}],
        });
        assert_eq!(EventCallback::read(&outer).unwrap().team_id, "E1");
    }

    #[test]
    fn every_documented_event_is_read_without_a_fall() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let mut outer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            // The skeletons have every text empty; an identity is what every real one has.
            outer["team_id"] = "T1".into();
            outer["event_id"] = "Ev1".into();
            if outer["event"].is_object() {
                EventCallback::read(&outer).unwrap_or_else(|missing| panic!("{}: {missing}", path.display()));
                read += 1;
            }
        }
        assert!(read > 15, "{read}");
    }
}
